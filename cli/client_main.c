/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of `sconce cas`, `session`, `proposal`, `secret` and `audit
 * fetch`: tables, and what the commands share. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attest/folder.h"
#include "cli/client.h"
#include "cli/plain.h"
#include "cli/write_file.h"

static const struct option_row rows[] = {
	[CLIENT_CAS] = {"cas", 0, "HOST:PORT", false,
		"which CAS (default: the one that was attested first)"},
	[CLIENT_KEY] = {"cas-key", 0, "HEX", false,
		"hash of its key (default: as `sconce cas attest` found it)"},
	[CLIENT_IDENTITY] = {"identity", 0, "FILE", false,
		"PEM with your key and certificate (default: client.pem of "
		"~/.config/sconce, made at first use)"},
	[CLIENT_JSON] = {"json", 0, NULL, false, "for programs"},
	[CLIENT_OUT] = {"output", 'o', "FILE", false, "where it goes"},
	[CLIENT_HASH] = {"hash", 0, "HEX", false, "of which version"},
	[CLIENT_SIGNATURE] = {"signature", 0, "FILE", true,
		"of a member of the board, as `sconce session sign` makes it"},
	[CLIENT_COMMENT] = {"comment", 0, "TEXT", false, "for those who vote"},
	[CLIENT_REASON] = {"reason", 0, "TEXT", false, "is recorded"},
	[CLIENT_REJECT] = {"reject", 0, NULL, false, "vote against it"},
	[CLIENT_SIGN_KEY] = {"key", 0, "FILE", false,
		"PEM with the private key that votes (default: this user's "
		"TLS key, for rules that name it)"},
	[CLIENT_MRENCLAVE] = {"mrenclave", 0, "HEX", false,
		"of the release of Sconce that it must run on (default: this "
		"one)"},
	[CLIENT_MANIFEST] = {"manifest", 0, "FILE", false,
		"that it must run under, as `sconce cas manifest` makes it"},
	[CLIENT_COLLATERAL] = {"collateral", 0, "DIR", false,
		"folder of what the vendor says of platforms"},
	[CLIENT_EMULATED] = {"emulated", 0, NULL, false,
		"an emulated platform will do: it protects nothing"},
	[CLIENT_TOLERATE] = {"policy", 0, "FILE", false,
		"what is accepted besides (YAML, see doc/quote-policy.md)"},
	[CLIENT_ROLLBACK] = {"rollback", 0, "MODE", false,
		"at least this protection: none, tpm, quorum"},
	[CLIENT_NATIVE] = {"native", 0, NULL, false,
		"it runs without an enclave: for development"},
	[CLIENT_ENCLAVES] = {"enclaves", 0, "HOST:PORT", false,
		"where it serves enclaves (default: HOST:18765)"},
	[CLIENT_DEFAULT] = {"default", 0, NULL, false,
		"it becomes the default CAS"},
	[CLIENT_FORMAT] = {"format", 0, "FORMAT", false,
		"as behind a secret's name in a variable, such as crt:pem"},
	[CLIENT_SERVICE] = {"service", 0, "NAME", false, "of the session"},
	[CLIENT_FROM] = {"from", 0, "N", false, "number of the first record"},
	[CLIENT_STATE] = {"state", 0, "DIR", false,
		"where CAS keeps what it keeps"},
	[CLIENT_IMAGE] = {"image", 0, "IMAGE", false,
		"sealed image of `sconce cas image` (default: DIR/image, made "
		"at first start)"},
	[CLIENT_WITNESS] = {"witness", 0, "KEY=HOST:PORT", true,
		"a witness: the hash of its key, as it prints it, and where "
		"it is"},
	[CLIENT_OWNER] = {"owner", 0, "KEY", false,
		"hash of the only key that can become its owner"},
	[CLIENT_LISTEN] = {"listen", 0, "ADDR:PORT", false,
		"for people (default 127.0.0.1:8081)"},
	[CLIENT_RATE] = {"rate", 0, "N", false,
		"requests a second for each client (2000)"},
	[CLIENT_MEMORY] = {"memory", 0, "SIZE", false,
		"of the enclave's programs (1g)"},
	[CLIENT_LAS] = {"las", 0, "PATH", false,
		"socket of the quoting service (see `sconce las`)"},
	[CLIENT_NEED] = {"need", 0, "K", false,
		"how many members bring the key back"},
	[CLIENT_BOX] = {"box", 0, "FILE", false,
		"with your share, as `sconce cas recovery` gave it"},
	[CLIENT_RECOVER] = {"recover", 0, NULL, false,
		"it has no key: wait for recovery shares"},
	[CLIENT_RESTORE] = {"restore", 0, "FILE", false,
		"copy of the database of `sconce cas backup`, to begin with"},
	[CLIENT_PERMIT] = {"permit", 0, "FILE", false,
		"what the owner signed for this start (`sconce cas permit`)"},
	[CLIENT_JOIN] = {"join", 0, "ADDR:PORT=KEY", false,
		"take over from the CAS with that key, at its port for "
		"enclaves"},
	[CLIENT_MRSIGNER] = {"mrsigner", 0, "HEX", false,
		"any release of this signer"},
	[CLIENT_SVN] = {"svn", 0, "N", false, "of at least this ISVSVN"},
	[CLIENT_WITHDRAW] = {"withdraw", 0, NULL, false,
		"nobody may take over any more"},
};

_Static_assert(ARRAY_SIZE(rows) == CLIENT_OPTIONS, "a row for each");
_Static_assert((int)CLIENT_OPTIONS <= (int)OPTIONS_MAX, "room for each");

#define BIT(name) OPTION_BIT(CLIENT_##name)
#define WHERE (BIT(CAS) | BIT(KEY) | BIT(IDENTITY) | BIT(JSON))

static const struct command commands[] = {
	{"cas attest", "[OPTIONS] HOST:PORT",
		"Looks at the evidence of a CAS: that it is an enclave of this "
		"release of Sconce,\nunder that manifest, and has the key that "
		"it shows. Remembers the key: from then\non every command, and "
		"`sconce run --cas`, accepts only that.",
		BIT(MRENCLAVE) | BIT(MANIFEST) | BIT(COLLATERAL) |
			BIT(EMULATED) | BIT(TOLERATE) | BIT(ROLLBACK) |
			BIT(NATIVE) | BIT(ENCLAVES) | BIT(DEFAULT) | BIT(KEY) |
			BIT(IDENTITY) | BIT(JSON),
		1, 1, client_cas_attest,
		"Without --collateral it is fetched from the platform's "
		"vendor, "
		"or taken from this\nuser's emulated platform (--emulated), "
		"as `sconce collateral fetch` does."},
	{"cas provision", "[OPTIONS] [CONFIG]",
		"Makes you the owner of a CAS that has none.\nIf you are it "
		"already, changes the owner's configuration (YAML, see "
		"doc/governance.md).",
		WHERE, 0, 1, client_cas_provision, NULL},
	{"cas status", "[OPTIONS]",
		"Prints the state of operation, for the owner; nothing of any "
		"session.",
		WHERE, 0, 0, client_cas_status, NULL},
	{"cas key", "[OPTIONS]",
		"Prints the hash of your key: what policies call you.",
		BIT(IDENTITY) | BIT(JSON), 0, 0, client_cas_key, NULL},
	{"cas image", "[--json] IMAGE",
		"Makes the sealed image that a CAS runs from, if it is not "
		"there. Prints its hash.",
		BIT(JSON), 1, 1, client_cas_image, NULL},
	{"cas manifest", "[OPTIONS]",
		"Prints the manifest of a CAS: of this image, these witnesses "
		"and this owner;\nwhat `sconce cas attest` compares with.",
		BIT(IMAGE) | BIT(COLLATERAL) | BIT(WITNESS) | BIT(OWNER) |
			BIT(EMULATED) | BIT(OUT),
		0, 0, client_cas_manifest,
		"--collateral is the folder on the machine of CAS: the "
		"manifest "
		"has its path."},
	{"cas start", "[OPTIONS]",
		"Starts a CAS in its enclave; it runs until SIGTERM.",
		BIT(STATE) | BIT(IMAGE) | BIT(COLLATERAL) | BIT(WITNESS) |
			BIT(OWNER) | BIT(EMULATED) | BIT(LISTEN) |
			BIT(ENCLAVES) | BIT(RATE) | BIT(MEMORY) | BIT(LAS) |
			BIT(NATIVE) | BIT(RECOVER) | BIT(RESTORE) |
			BIT(PERMIT) | BIT(JOIN),
		0, 0, client_cas_start, NULL},
	{"cas member-key", "FILE",
		"Prints the public key of one who keeps a recovery share; "
		"makes the private one\nif FILE is not there.",
		0, 1, 1, client_cas_member_key, NULL},
	{"cas recovery", "[OPTIONS] [MEMBER...]",
		"Splits CAS's key among members, of whom any K bring it back; "
		"named by their public keys.\nPrints the shares, encrypted to "
		"them; "
		"without members: those that were made last.",
		WHERE | BIT(NEED) | BIT(OUT), 0, 32, client_cas_recovery, NULL},
	{"cas backup", "[OPTIONS]",
		"Fetches a copy of the sealed database. It opens with CAS's "
		"key alone.",
		WHERE | BIT(OUT), 0, 0, client_cas_backup, NULL},
	{"cas recover", "[OPTIONS] HOST:PORT",
		"Gives your recovery share (--box) to a CAS that lost its "
		"key.\n"
		"Judges it as `sconce cas attest` does first; nobody else gets "
		"the share.",
		BIT(BOX) | BIT(SIGN_KEY) | BIT(MRENCLAVE) | BIT(MANIFEST) |
			BIT(COLLATERAL) | BIT(EMULATED) | BIT(TOLERATE) |
			BIT(NATIVE) | BIT(IDENTITY),
		1, 1, client_cas_recover, NULL},
	{"cas upgrade", "[OPTIONS]",
		"Approves a successor: this release of Sconce or another "
		"(--mrenclave, or --mrsigner\nand --svn), under --manifest. "
		"It takes over when it is started with --join.\nWithout "
		"--manifest: prints who may.",
		WHERE | BIT(MANIFEST) | BIT(MRENCLAVE) | BIT(MRSIGNER) |
			BIT(SVN) | BIT(WITHDRAW) | BIT(OUT),
		0, 0, client_cas_upgrade, NULL},
	{"cas permit", "[OPTIONS] WORD...",
		"Signs, as the owner, that CAS may start from an old database; "
		"WORDS are what it\nsaid when it refused. What came later is "
		"lost.",
		BIT(IDENTITY) | BIT(OUT), 1, 8, client_cas_permit, NULL},
	/* Three of sconce-session: they need no CAS. */
	{"session check", "[--json] FILE",
		"Says what is wrong with a policy, and where.", 0, 1, 1, NULL,
		NULL},
	{"session hash", "[OPTIONS] FILE", "Prints the hash of a policy.", 0, 1,
		1, NULL, NULL},
	{"session sign", "[OPTIONS] (--key FILE | --message) POLICY",
		"Signs a change, as a member of a board.", 0, 1, 1, NULL, NULL},
	{"session create", "[OPTIONS] FILE",
		"Gives a new policy to CAS. Prints its hash.",
		WHERE | BIT(SIGNATURE), 1, 1, client_session_create, NULL},
	{"session update", "[OPTIONS] FILE",
		"Replaces the policy whose hash is `predecessor`. Prints the "
		"new hash.",
		WHERE | BIT(SIGNATURE), 1, 1, client_session_update, NULL},
	{"session read", "[OPTIONS] NAME",
		"Prints a policy, without what CAS generated for it.",
		WHERE | BIT(HASH) | BIT(OUT), 1, 1, client_session_read, NULL},
	{"session delete", "[OPTIONS] NAME",
		"Deletes a session; its secrets and volumes' keys are gone.",
		WHERE | BIT(SIGNATURE), 1, 1, client_session_delete, NULL},
	{"session list", "[OPTIONS] [PREFIX]", "Prints names of sessions.",
		WHERE, 0, 1, client_session_list, NULL},
	{"session verify", "[OPTIONS] NAME HASH",
		"Says whether the session is that version now (exit status 0 "
		"or 1).",
		WHERE, 2, 2, client_session_verify, NULL},
	{"session diff", "[OPTIONS] FILE | [--json] OLD NEW",
		"Says what a change means: who gains and loses what.\n"
		"With one file: what this version would change at CAS. With "
		"two: what differs\nbetween them; CAS is not asked.",
		WHERE, 1, 2, client_session_diff, NULL},
	{"session dry-run", "[OPTIONS] NAME EVIDENCE",
		"Says what CAS would answer a service with this evidence.\n"
		"With every reason.",
		WHERE | BIT(SERVICE), 2, 2, client_session_dry_run, NULL},
	{"secret public", "[OPTIONS] SESSION SECRET",
		"Prints the public part of a secret, such as a certificate.",
		WHERE | BIT(FORMAT) | BIT(OUT), 2, 2, client_secret_public,
		NULL},
	{"proposal open", "[OPTIONS] FILE",
		"Proposes a change to the board of a session. Prints its "
		"number.",
		WHERE | BIT(COMMENT), 1, 1, client_proposal_open, NULL},
	{"proposal vote", "[OPTIONS] ID",
		"Votes for a proposal, or against it (--reject). What is "
		"signed is the change itself.",
		WHERE | BIT(SIGN_KEY) | BIT(REASON) | BIT(REJECT), 1, 1,
		client_proposal_vote, NULL},
	{"proposal show", "[OPTIONS] ID",
		"Prints a proposal: its effects and the votes.", WHERE, 1, 1,
		client_proposal_show, NULL},
	{"proposal list", "[OPTIONS] [SESSION]", "Prints open proposals.",
		WHERE, 0, 1, client_proposal_list, NULL},
	{"proposal withdraw", "[OPTIONS] ID", "Takes a proposal back.", WHERE,
		1, 1, client_proposal_withdraw, NULL},
	{"audit fetch", "[OPTIONS]",
		"Fetches the log of CAS with a signed checkpoint, for `sconce "
		"audit verify`.",
		WHERE | BIT(OUT) | BIT(FROM), 0, 0, client_audit_fetch, NULL},
	{"audit follow", "[OPTIONS] FILE",
		"Keeps a copy of the log in FILE that grows as CAS's does, "
		"until SIGTERM. It asks\nCAS, so a copy that is away holds "
		"nothing up; it goes on where it was.",
		WHERE, 1, 1, client_audit_follow, NULL},
};

/* ---- what the commands share ---- */

int client_open(const struct options *o, struct cas_client **out, struct err *e)
{
	const struct cas_client_options c = {.address = o->value[CLIENT_CAS],
		.key = o->value[CLIENT_KEY],
		.identity = o->value[CLIENT_IDENTITY]};

	return cas_client_new(&c, out, e);
}

static void print_value(const char *name, const json_t *value)
{
	char *text;

	if (json_is_string(value)) {
		printf("%s%s", name ? name : "", name ? ": " : "");
		plain_print(stdout, json_string_value(value),
			json_string_length(value), "  ");
		putchar('\n');
		return;
	}
	text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
	printf("%s%s", name ? name : "", name ? ": " : "");
	if (text)
		plain_print(stdout, text, strlen(text), "");
	putchar('\n');
	free(text);
}

/* Lists: an element on a line. Texts that are several lines: as they are. */
static void print_member(const json_t *value)
{
	const char *text = json_string_value(value);
	size_t i, size = json_string_length(value);
	json_t *item;

	if (text) {
		/* Elsewhere than to a person it goes byte by byte. */
		if (isatty(STDOUT_FILENO))
			plain_print(stdout, text, size, "");
		else
			fwrite(text, 1, size, stdout);
		if (!size || text[size - 1] != '\n')
			putchar('\n');
	} else if (json_is_array(value)) {
		json_array_foreach(value, i, item) print_value(NULL, item);
	} else {
		const char *name;

		json_object_foreach((json_t *)(uintptr_t)value, name, item)
			print_value(name, item);
	}
}

static int print_answer(const struct options *o, const struct cas_answer *a,
	const char *member, struct err *e)
{
	json_error_t error;
	const char *text;
	int ret = 0;
	json_t *j;

	/* To a file: what is asked for, to the byte. */
	if (o->value[CLIENT_JSON] && o->value[CLIENT_OUT])
		return client_write(o, &a->body, e);
	if (o->value[CLIENT_JSON]) {
		fwrite(a->body.data, 1, a->body.size, stdout);
		putchar('\n');
		return 0;
	}
	j = json_loadb((const char *)a->body.data, a->body.size, 0, &error);
	if (!j)
		return err_setf(
			e, -EPROTO, "CAS's answer is no JSON: %s", error.text);
	text = member ? json_string_value(json_object_get(j, member)) : NULL;
	if (text && o->value[CLIENT_OUT])
		ret = write_file(o->value[CLIENT_OUT], text, strlen(text), e);
	else
		print_member(member ? json_object_get(j, member) : j);
	json_decref(j);
	return ret;
}

int client_show(const struct options *o, const char *method, const char *path,
	const char *type, const struct buf *body, const char *member,
	struct err *e)
{
	struct cas_client *c;
	struct cas_answer a;
	int ret = client_open(o, &c, e);

	if (ret)
		return ret;
	ret = cas_client_request(c, method, path, type,
		body ? body->data : NULL, body ? body->size : 0, &a, e);
	if (!ret)
		ret = print_answer(o, &a, member, e);
	buf_fini(&a.body);
	cas_client_free(c);
	return ret;
}

int client_read(
	const char *what, const char *path, struct buf *out, struct err *e)
{
	struct attest_file f;
	int ret = attest_file_read(&f, what, path, e);

	if (ret)
		return ret;
	buf_add(out, f.data, f.size);
	free(f.data);
	return buf_check(out) ? err_setf(e, -ENOMEM, "no memory") : 0;
}

int client_write(const struct options *o, const struct buf *data, struct err *e)
{
	const char *path = o->value[CLIENT_OUT];

	if (path && strcmp(path, "-") != 0)
		return write_file(path, data->data, data->size, e);
	return fwrite(data->data, 1, data->size, stdout) == data->size &&
			fflush(stdout) == 0
		? 0
		: err_setf(e, -EIO, "standard output: %s", strerror(errno));
}

/* ---- the program ---- */

static int run(const struct command *c, int argc, char **argv)
{
	struct options o;
	struct err e = {0};
	int ret = options_parse(c, rows, ARRAY_SIZE(rows), argc, argv, &o, &e);

	if (ret == 1)
		return CLIENT_OK;
	if (ret == 0)
		ret = c->run(&o, &e);
	if (ret >= 0)
		return ret;
	fprintf(stderr, "sconce %s: ", c->name);
	plain_print(stderr, e.text, strlen(e.text), "  ");
	fputc('\n', stderr);
	return ret == -EINVAL || ret == -ENOMEM ? CLIENT_UNUSABLE
						: CLIENT_REFUSED;
}

int main(int argc, char **argv)
{
	const char *group = argc > 1 ? argv[1] : "session";
	const char *name = argc > 2 ? argv[2] : "help";
	char both[64];

	if (options_asks_help(name)) {
		options_help_all(group, commands, ARRAY_SIZE(commands));
		return CLIENT_OK;
	}
	snprintf(both, sizeof(both), "%s %s", group, name);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (commands[i].run && strcmp(commands[i].name, both) == 0)
			return run(&commands[i], argc - 2, argv + 2);
	fprintf(stderr,
		"sconce: '%s' is not a command of %s; `sconce %s help` lists "
		"them\n",
		name, group, group);
	return CLIENT_UNUSABLE;
}

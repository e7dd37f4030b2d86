/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sconce-session: what of `sconce session` needs no CAS. Policies are checked,
 * hashed, compared and signed where they are written.
 *
 * Exit status: 0 done, 1 a policy is refused, 2 anything else.
 */
#include <errno.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attest/folder.h"
#include "cas/engine.h"
#include "cas/session_read.h"
#include "cli/options.h"
#include "cli/signature.h"
#include "cli/write_file.h"
#include "lib/buf.h"
#include "lib/bytes.h"
#include "lib/string.h"

enum { DONE = 0, REFUSED = 1, UNUSABLE = 2 };

enum session_option {
	OPT_JSON,
	OPT_CREATOR,
	OPT_FORM,
	OPT_KEY,
	OPT_ACTION,
	OPT_MESSAGE,
	OPT_OUT,
};

static const struct option_row rows[] = {
	[OPT_JSON] = {"json", 0, NULL, false, "for programs"},
	[OPT_CREATOR] = {"creator", 0, "KEY", false,
		"who creates it, as CAS will add it: a file with a certificate "
		"or public key (PEM), or the hash of one"},
	[OPT_FORM] = {"form", 0, "FILE", false,
		"write what is hashed: the canonical form, CBOR"},
	[OPT_KEY] = {"key", 'k', "FILE", false,
		"private key of a member of the board, PEM: Ed25519, P-256 or "
		"P-384"},
	[OPT_ACTION] = {"action", 0, "ACTION", false,
		"create, update or delete (default: update if the policy has a "
		"predecessor, else create)"},
	[OPT_MESSAGE] = {"message", 0, NULL, false,
		"sign nothing; print what has to be signed, for a signer "
		"elsewhere"},
	[OPT_OUT] = {"output", 'o', "FILE", false,
		"where the signature goes (default: standard output)"},
};

#define BIT(name) OPTION_BIT(OPT_##name)

static const char *printed(const char *path)
{
	return strcmp(path, "-") == 0 ? "standard input" : path;
}

static int read_session(const char *path, struct session **s, struct err *e)
{
	struct attest_file f;
	int ret = attest_file_read(&f, "policy", path, e);

	if (ret < 0)
		return ret;
	ret = session_parse(printed(path), (const char *)f.data, f.size, s, e);
	string_wipe(f.data, f.size);
	free(f.data);
	/* A policy that is refused, as opposed to a file that is not there. */
	return ret == -EINVAL ? -EBADMSG : ret;
}

/* ---- who creates it ---- */

static int read_creator(const char *text, uint8_t hash[32], struct err *e)
{
	struct attest_file f;
	int ret;

	if (session_key_hash(text, hash) == 0)
		return 0;
	ret = attest_file_read(&f, "--creator", text, e);
	if (ret < 0)
		return ret;
	ret = session_key_hash((const char *)f.data, hash);
	free(f.data);
	return ret == 0
		? 0
		: err_setf(e, -EINVAL,
			  "--creator %s: wanted a certificate or public "
			  "key as PEM, or the hash of a key (base58 or "
			  "64 hexadecimal digits)",
			  text);
}

/* hash: room for the creator, which s borrows. */
static int set_creator(const struct options *o, struct session *s,
	uint8_t hash[32], struct err *e)
{
	const char *creator = o->value[OPT_CREATOR];
	int ret = creator ? read_creator(creator, hash, e) : 0;

	if (ret < 0)
		return ret;
	if (creator && s->creator.size == 32 &&
		memcmp(s->creator.data, hash, 32) != 0)
		return err_setf(e, -EINVAL,
			"--creator %s: the policy has another creator; leave "
			"out one of both",
			creator);
	if (creator)
		s->creator = (struct bytes){hash, 32};
	return 0;
}

static int hash_of(const struct session *s, uint8_t hash[32], struct err *e)
{
	int ret = session_hash(s, hash);

	return ret < 0 ? err_setf(e, ret, "session: no memory") : 0;
}

static int print_json(json_t *j, struct err *e)
{
	char *text = j ? json_dumps(j, JSON_INDENT(2)) : NULL;

	json_decref(j);
	if (!text)
		return err_setf(e, -ENOMEM, "no memory");
	printf("%s\n", text);
	free(text);
	return 0;
}

/* ---- check ---- */

static json_t *names_of(const struct item_list *list, size_t size)
{
	json_t *names = json_array();

	for (size_t i = 0; i < list->count; i++) {
		const char *name;

		memcpy(&name, (const uint8_t *)list->item + i * size,
			sizeof(name));
		json_array_append_new(names, json_string(name));
	}
	return names;
}

/* What is no error in the language, and yet no service that starts. */
static json_t *warnings_of(const struct session *s)
{
	const struct session_service *w = s->services.item;
	json_t *list = json_array();

	for (size_t i = 0; i < s->services.count; i++) {
		const struct session_image *image = w[i].image_name
			? session_image(s, w[i].image_name)
			: NULL;

		if (w[i].command.item[0][0] != '/')
			json_array_append_new(list,
				json_sprintf("service %s: command '%s' is no "
					     "absolute path; CAS starts "
					     "nothing else",
					w[i].name, w[i].command.item[0]));
		if (!(image && image->root) && !w[i].fspf_tag &&
			s->security.mode != MODE_NONE)
			json_array_append_new(list,
				json_sprintf("service %s: no root file system; "
					     "CAS starts it with `root` of its "
					     "image only, the hash of a sealed "
					     "image (`sconce image`)",
					w[i].name));
	}
	return list;
}

static json_t *describe(const struct session *s)
{
	return json_pack("{s:b, s:o, s:s, s:s, s:o, s:o, s:o, s:o}", "ok", 1,
		"warnings", warnings_of(s), "name", s->name, "version",
		s->version, "services",
		names_of(&s->services, sizeof(struct session_service)),
		"secrets", names_of(&s->secrets, sizeof(struct secret_spec)),
		"volumes", names_of(&s->volumes, sizeof(struct session_volume)),
		"images", names_of(&s->images, sizeof(struct session_image)));
}

static void print_warnings(const struct session *s)
{
	json_t *list = warnings_of(s), *line;
	size_t i;

	json_array_foreach(list, i, line) fprintf(
		stderr, "sconce session check: %s\n", json_string_value(line));
	json_decref(list);
}

static int cmd_check(struct options *o, struct err *e)
{
	struct session *s = NULL;
	int ret = read_session(o->path[0], &s, e), status = REFUSED;

	if (ret < 0 && (ret != -EBADMSG || !o->value[OPT_JSON]))
		return ret;
	if (ret < 0)
		ret = print_json(
			json_pack("{s:b, s:s}", "ok", 0, "error", e->text), e);
	else {
		status = DONE;
		if (o->value[OPT_JSON])
			ret = print_json(describe(s), e);
		else
			print_warnings(s);
		if (!o->value[OPT_JSON])
			printf("%s: session %s, version %s: fine\n",
				printed(o->path[0]), s->name, s->version);
	}
	session_free(s);
	return ret < 0 ? ret : status;
}

/* ---- hash ---- */

static int write_form(const char *path, const struct session *s, struct err *e)
{
	struct buf form = {.secret = true};
	struct session named = *s;
	int ret;

	named.predecessor = (struct bytes){0};
	ret = session_encode(&named, &form);
	if (ret < 0)
		err_setf(e, ret, "session: no memory");
	else
		ret = write_file(path, form.data, form.size, e);
	buf_fini(&form);
	return ret;
}

static int cmd_hash(struct options *o, struct err *e)
{
	uint8_t creator[32], hash[32];
	struct session *s = NULL;
	char hex[65];
	int ret = read_session(o->path[0], &s, e);

	if (ret == 0)
		ret = set_creator(o, s, creator, e);
	if (ret == 0)
		ret = hash_of(s, hash, e);
	if (ret == 0 && o->value[OPT_FORM])
		ret = write_form(o->value[OPT_FORM], s, e);
	if (ret == 0) {
		bytes_to_hex(hash, sizeof(hash), hex);
		if (o->value[OPT_JSON])
			ret = print_json(
				json_pack("{s:s, s:s, s:b}", "name", s->name,
					"hash", hex, "creator",
					s->creator.size == 32),
				e);
		else
			printf("%s\n", hex);
		if (s->creator.size != 32 && !o->value[OPT_JSON])
			fprintf(stderr,
				"sconce session hash: of the policy without "
				"its creator, whom CAS adds; --creator for "
				"the hash that it will have there\n");
	}
	session_free(s);
	return ret;
}

/* ---- diff ---- */

static int cmd_diff(struct options *o, struct err *e)
{
	struct session *old = NULL, *changed = NULL;
	struct buf text = {.secret = true};
	int ret = read_session(o->path[0], &old, e);

	if (ret == 0)
		ret = read_session(o->path[1], &changed, e);
	if (ret == 0 && session_diff(old, changed, &text) < 0)
		ret = err_setf(e, -ENOMEM, "session: no memory");
	if (ret == 0 && o->value[OPT_JSON])
		ret = print_json(
			json_pack("{s:s%}", "differences",
				text.size ? (const char *)text.data : "",
				text.size),
			e);
	else if (ret == 0 && text.size > 0)
		fputs((const char *)text.data, stdout);
	buf_fini(&text);
	session_free(old);
	session_free(changed);
	return ret;
}

/* ---- sign ---- */

static int make_message(const struct options *o, const struct session *s,
	struct buf *message, struct err *e)
{
	static const char *const actions[] = {"create", "update", "delete"};
	const uint8_t *before = s->predecessor.size == 32 ? s->predecessor.data
							  : NULL;
	const char *action = o->value[OPT_ACTION];
	uint8_t hash[32];
	size_t known = 0;
	int ret;

	if (!action)
		action = before ? "update" : "create";
	while (known < ARRAY_SIZE(actions) &&
		strcmp(actions[known], action) != 0)
		known++;
	if (known == ARRAY_SIZE(actions))
		return err_setf(e, -EINVAL,
			"--action %s: wanted create, update or delete", action);
	if (s->creator.size != 32)
		return err_setf(e, -EINVAL,
			"session %s: it has no creator, and CAS adds one "
			"before it looks at signatures; add --creator KEY, or "
			"take the policy that `sconce session read` gives",
			s->name);
	if (known == 1 && !before)
		return err_setf(e, -EINVAL,
			"session %s: an update wants `predecessor` in the "
			"policy",
			s->name);
	ret = hash_of(s, hash, e);
	if (ret < 0)
		return ret;
	/* What is deleted is what the policy is now. */
	ret = engine_message(action, s->name,
		known == 2           ? hash
			: known == 1 ? before
				     : NULL,
		hash, message);
	return ret < 0 ? err_setf(e, ret, "session: no memory") : 0;
}

static int write_signature(
	const struct options *o, const char *message, struct err *e)
{
	EVP_PKEY *key = signature_key(o->value[OPT_KEY], e);
	json_t *j = key ? signature_make(key, message, e) : NULL;
	char *text;
	int ret = 0;

	EVP_PKEY_free(key);
	if (!j)
		return -EINVAL;
	text = json_dumps(j, JSON_INDENT(2));
	json_decref(j);
	if (!text)
		return err_setf(e, -ENOMEM, "no memory");
	if (o->value[OPT_OUT])
		ret = write_file(o->value[OPT_OUT], text, strlen(text), e);
	else
		printf("%s\n", text);
	free(text);
	return ret;
}

static int cmd_sign(struct options *o, struct err *e)
{
	struct session *s = NULL;
	struct buf message = {0};
	uint8_t creator[32];
	int ret;

	if (!o->value[OPT_KEY] == !o->value[OPT_MESSAGE])
		return err_setf(e, -EINVAL,
			"session sign: wanted either --key FILE or --message");
	ret = read_session(o->path[0], &s, e);
	if (ret == 0)
		ret = set_creator(o, s, creator, e);
	if (ret == 0)
		ret = make_message(o, s, &message, e);
	if (ret == 0 && o->value[OPT_MESSAGE])
		fputs((const char *)message.data, stdout);
	else if (ret == 0)
		ret = write_signature(o, (const char *)message.data, e);
	buf_fini(&message);
	session_free(s);
	return ret;
}

/* ---- the program ---- */

static const struct command commands[] = {
	{"session check", "[--json] FILE",
		"Reads a policy; says what is wrong with it, and where.",
		BIT(JSON), 1, 1, cmd_check, NULL},
	{"session hash", "[OPTIONS] FILE", "Prints the hash of a policy.",
		BIT(JSON) | BIT(CREATOR) | BIT(FORM), 1, 1, cmd_hash, NULL},
	{"session diff", "[--json] OLD NEW",
		"What a change means: who gains and loses what.", BIT(JSON), 2,
		2, cmd_diff, NULL},
	{"session sign", "[OPTIONS] (--key FILE | --message) POLICY",
		"Signs a change, as a member of a board. CAS wants the "
		"signatures with the change: --signature of `sconce session "
		"update`.",
		BIT(KEY) | BIT(CREATOR) | BIT(ACTION) | BIT(MESSAGE) | BIT(OUT),
		1, 1, cmd_sign, NULL},
};

static int run(const struct command *c, int argc, char **argv)
{
	struct options o;
	struct err e = {0};
	int ret = options_parse(c, rows, ARRAY_SIZE(rows), argc, argv, &o, &e);

	if (ret == 1)
		return DONE;
	if (ret == 0)
		ret = c->run(&o, &e);
	if (ret >= 0 && fflush(stdout) == 0)
		return ret;
	fprintf(stderr, "sconce: %s\n", ret < 0 ? e.text : strerror(errno));
	return ret == -EBADMSG ? REFUSED : UNUSABLE;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (strcmp(commands[i].name + strlen("session "), name) == 0)
			return run(&commands[i], argc - 1, argv + 1);
	fprintf(stderr,
		"sconce-session: '%s'; `sconce session help` lists the "
		"commands\n",
		name);
	return UNUSABLE;
}

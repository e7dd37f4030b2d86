/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may read or do what: every role with every operation. What is not in the
 * table of doc/governance.md must not work.
 */
#include "test/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cas/engine_int.h"
#include "test/unit/engine_fixture.h"

#define V "version: \"1.0\"\n"

/* The roles, by letter. */
enum {
	OWNER = 'o', /* of CAS */
	CREATOR = 'a', /* of the session */
	READER = 'r',
	UPDATER = 'u', /* may update, not read */
	NAMESPACE = 'n', /* may create sessions below */
	LISTER = 'l',
	DELETER = 'd',
	SIGNER = 's', /* of the board of "board" */
	PARENT = 'p', /* creator of the name space above */
	STRANGER = 'x',
	NOBODY = 0, /* no client certificate */
};

static const char roles[] = {OWNER, CREATOR, READER, UPDATER, NAMESPACE, LISTER,
	DELETER, SIGNER, PARENT, STRANGER, NOBODY};

#define POLICY                                                           \
	"access_policy:\n  read: [CREATOR, <key:r>]\n"                   \
	"  update: [CREATOR, <key:u>]\n"                                 \
	"  create_sessions: [CREATOR, <key:n>]\n"                        \
	"  list_sessions: [CREATOR, <key:l>]\n  delete: [CREATOR, "      \
	"<key:d>]\nsecrets:\n"                                           \
	"  - {name: gen, kind: ascii}\n"                                 \
	"  - {name: k, kind: private-key, migrate: true}\n"              \
	"  - {name: ca, kind: x509-ca, private_key: k, common_name: c, " \
	"export_public: true}\nvolumes: [{name: files}]\n"

static int setup(void **state)
{
	fixture_open("name: test\n");
	want(fixture_create(PARENT,
		     "name: top\n" V "access_policy: {create_sessions: "
		     "[CREATOR, <key:a>]}\n"),
		0);
	want(fixture_create(CREATOR, "name: top/db\n" V POLICY), 0);
	want(fixture_create(CREATOR, "name: top/db/sub\n" V), 0);
	want(fixture_create(CREATOR,
		     "name: top/board\n" V "access_policy: {read: [CREATOR], "
		     "update: [{signer: <signer:s>}]}\n"),
		0);
	return 0;
}

static int teardown(void **state)
{
	fixture_close();
	return 0;
}

/* ---- operations ---- */

static const struct told *op_read(char who)
{
	return fixture_read(who, "top/db");
}

static const struct told *op_verify(char who)
{
	return fixture_verify(who, "top/db", fixture_hash("top/db"));
}

static const struct told *op_update(char who)
{
	return fixture_update(who,
		"name: top/db\n" V "predecessor: <hash:top/db>\n" POLICY
		"salt: 00112233445566778899aabbccddeeff\n");
}

static const struct told *op_diff(char who)
{
	return fixture_diff(who,
		"name: top/db\n" V "predecessor: <hash:top/db>\n" POLICY
		"salt: 00112233445566778899aabbccddeeff\n");
}

static const struct told *op_delete(char who)
{
	/* What is below goes first; its creator may. */
	want(fixture_delete(CREATOR, "top/db/sub"), 0);
	return fixture_delete(who, "top/db");
}

static const struct told *op_create_below(char who)
{
	return fixture_create(who, "name: top/db/new\n" V);
}

static const struct told *op_create_beside(char who)
{
	return fixture_create(who, "name: top/new\n" V);
}

static const struct told *op_create_same(char who)
{
	return fixture_create(who, "name: top/db\n" V);
}

static const struct told *op_absent(char who)
{
	return fixture_read(who, "top/db/nothing");
}

static const struct told *op_sub(char who)
{
	return fixture_read(who, "top/db/sub");
}

static const struct told *op_public(char who)
{
	struct engine_call c = fixture_call(who);

	engine_public_value(engine, &c, "top/db", "ca", "");
	return fixture_told();
}

static const struct told *op_generated(char who)
{
	struct engine_call c = fixture_call(who);

	engine_public_value(engine, &c, "top/db", "gen", "");
	return fixture_told();
}

static const struct told *op_propose(char who)
{
	return fixture_open_proposal(who,
		"name: top/board\n" V "predecessor: <hash:top/board>\n"
		"access_policy: {read: [ANY]}\n");
}

static const struct told *op_see_proposal(char who)
{
	op_propose(SIGNER);
	return fixture_proposal(who);
}

static const struct told *op_vote(char who)
{
	op_propose(SIGNER);
	return fixture_vote(who, who ? who : STRANGER, true);
}

static const struct told *op_withdraw(char who)
{
	op_propose(SIGNER);
	return fixture_withdraw(who);
}

static const struct told *op_board_update(char who)
{
	return fixture_update(who,
		"name: top/board\n" V "predecessor: <hash:top/board>\n"
		"access_policy: {read: [ANY]}\n");
}

static const struct told *op_status(char who)
{
	struct engine_call c = fixture_call(who);

	engine_status(engine, &c);
	return fixture_told();
}

static const struct told *op_provision(char who)
{
	struct engine_call c = fixture_call(who);

	engine_provision(engine, &c, "name: mine\n", 11);
	return fixture_told();
}

static const struct told *op_root(char who)
{
	return fixture_create(who, "name: /\n" V);
}

/*
 * For each operation what each role is told, in the order of roles[]: '+' it
 * works, 'A' EACCES (and the text says nothing), 'N' ENOENT, 'P' EPERM, 'E'
 * EEXIST.
 */
static const struct row {
	const char *name;
	const struct told *(*run)(char who);
	const char *want; /* o a r u n l d s p x - */
} table[] = {
	{"read", op_read, "A++AAAAAAAA"},
	{"verify", op_verify, "A++AAAAAAAA"},
	{"update", op_update, "A+A+AAAAAAA"},
	{"diff", op_diff, "A+++AAAAAAA"},
	{"delete", op_delete, "A+AAAA+AAAA"},
	{"create below", op_create_below, "A+AA+AAAAAA"},
	{"create beside", op_create_beside, "A+AAAAAA+AA"},
	{"create the same", op_create_same, "AEAAAAAAEAA"},
	{"read what is absent", op_absent, "ANAAANAAAAA"},
	{"read below", op_sub, "A+AAAAAAAAA"},
	{"public value", op_public, "+++++++++++"},
	{"generated value", op_generated, "NNNNNNNNNNN"},
	{"propose", op_propose, "A+AAAAA+AAA"},
	{"see a proposal", op_see_proposal, "A+AAAAA+AAA"},
	{"vote", op_vote, "AAAAAAA+AAA"},
	{"withdraw", op_withdraw, "AAAAAAA+AAA"},
	{"update past the board", op_board_update, "AAAAAAAAAAA"},
	{"status", op_status, "+AAAAAAAAAA"},
	{"provision", op_provision, "+AAAAAAAAAA"},
	{"claim the root", op_root, "PPPPPPPPPPA"},
};

static int status_of(char c)
{
	switch (c) {
	case 'A':
		return -EACCES;
	case 'N':
		return -ENOENT;
	case 'P':
		return -EPERM;
	case 'E':
		return -EEXIST;
	}
	return 0;
}

static void each_role(void **state)
{
	unsigned wrong = 0;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		for (size_t r = 0; r < sizeof(roles); r++) {
			const struct told *t;
			int want_status = status_of(table[i].want[r]);

			setup(NULL);
			t = table[i].run(roles[r]);
			if (t->status != want_status) {
				print_error("%s by %c: %d (%s), wanted %d\n",
					table[i].name,
					roles[r] ? roles[r] : '-', t->status,
					t->error, want_status);
				wrong++;
			}
			teardown(NULL);
		}
	assert_int_equal(wrong, 0);
}

/* Who may not know cannot tell what is there from what is not. */
static void same_answers(void **state)
{
	static const struct {
		const char *there, *absent;
	} pairs[] = {{"top/db", "top/no"}, {"top", "no"},
		{"top/db/sub", "top/db/no"}};
	uint8_t hash[32] = {0};
	char a[1024], b[1024];

	for (size_t i = 0; i < 3; i++)
		for (int op = 0; op < 5; op++) {
			for (int k = 0; k < 2; k++) {
				const char *name = k ? pairs[i].absent
						     : pairs[i].there;
				const struct told *t;
				char text[200], *at;

				snprintf(text, sizeof(text),
					"name: %s\n" V "predecessor: "
					"<hash:top>\n",
					name);
				t = op == 0 ? fixture_read(STRANGER, name)
					: op == 1
					? fixture_read_version(
						  STRANGER, name, hash)
					: op == 2
					? fixture_delete(STRANGER, name)
					: op == 3
					? fixture_update(STRANGER, text)
					: fixture_verify(STRANGER, name, hash);
				want(t, -EACCES);
				/* But for the name that was asked for. */
				at = strstr(t->error, name);
				assert_non_null(at);
				snprintf(k ? b : a, sizeof(a), "%s",
					at + strlen(name));
			}
			assert_string_equal(a, b);
		}
}

/* What an error says beside: each kind of text once. */
static void sealed_sessions(void **state)
{
	want(fixture_create(CREATOR,
		     "name: top/sealed\n" V "access_policy: {read: [CREATOR], "
		     "update: [NONE]}\n"),
		0);
	want_text(fixture_update(CREATOR,
			  "name: top/sealed\n" V
			  "predecessor: <hash:top/sealed>\n"),
		-EPERM, "to nobody");
	want_text(fixture_update(STRANGER,
			  "name: top/sealed\n" V
			  "predecessor: <hash:top/sealed>\n"),
		-EACCES, "not there, or not");
	want_text(fixture_delete(CREATOR, "top/sealed"), -EPERM, "to nobody");
}

/* The rules of the present version decide on the next, not its own. */
static void rules_of_the_present(void **state)
{
	want(fixture_update(STRANGER,
		     "name: top/db\n" V "predecessor: <hash:top/db>\n"
		     "access_policy: {read: [ANY], update: [ANY]}\n"),
		-EACCES);
	want(fixture_update(UPDATER,
		     "name: top/db\n" V "predecessor: <hash:top/db>\n"
		     "access_policy: {read: [<key:x>], update: [<key:x>]}\n"),
		0);
	want(fixture_read(CREATOR, "top/db"), -EACCES);
	want(fixture_read(STRANGER, "top/db"), 0);
	want(fixture_update(UPDATER,
		     "name: top/db\n" V "predecessor: <hash:top/db>\n" POLICY),
		-EACCES);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_role),
		T(same_answers),
		T(sealed_sessions),
		T(rules_of_the_present),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

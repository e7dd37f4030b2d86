/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Boards: signatures brought with a change, and proposals that are voted on.
 */
#include "test/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cas/engine_int.h"
#include "test/unit/engine_fixture.h"

static int setup(void **state)
{
	fixture_open("name: test\n");
	return 0;
}

static int teardown(void **state)
{
	fixture_close();
	return 0;
}

#define V "version: \"1.0\"\n"
#define PRE "predecessor: <hash:shop>\n"
#define NEW "secrets: [{name: x, kind: ascii}]\n"
/* Two of b, c and d sign; a, who made it, reads. */
#define BOARD                                                        \
	"access_policy:\n"                                           \
	"  read: [CREATOR, <key:b>, <key:c>, <key:d>]\n"             \
	"  update:\n"                                                \
	"    - require-at-least-2: [{signer: <signer:b>}, {signer: " \
	"<signer:c>}, {signer: <signer:d>}]\n"

static const char board[] = "name: shop\n" V BOARD;
static const char changed[] = "name: shop\n" V PRE NEW BOARD;

/* The hash that the change would have: from the diff. */
static void hash_of(const char *template, uint8_t hash[32])
{
	char hex[65];
	const struct told *t = fixture_diff('a', template);

	want(t, 0);
	assert_true(fixture_item(t, "hash", hex, sizeof(hex)));
	for (size_t i = 0; i < 32; i++) {
		unsigned b;

		assert_int_equal(sscanf(hex + 2 * i, "%2x", &b), 1);
		hash[i] = (uint8_t)b;
	}
}

static const struct told *update_by(const char *signers, const char *template)
{
	uint8_t hash[32];
	struct signature_list list;

	hash_of(template, hash);
	list = fixture_signed(
		signers, "update", "shop", fixture_hash("shop"), hash);
	return fixture_update_signed('a', template, &list);
}

/* ---- signatures with the change ---- */

static void signed_changes(void **state)
{
	want(fixture_create('a', board), 0);
	want_text(fixture_update('a', changed), -EACCES,
		"wants 2 of its board, there are 0");
	want_text(update_by("b", changed), -EACCES, "there are 1");
	want(update_by("bb", changed), -EACCES);
	want(update_by("be", changed), -EACCES);
	want(update_by("bc", changed), 0);
}

static void signatures_of_other_things(void **state)
{
	uint8_t hash[32], other[32] = {1};
	struct signature_list list;

	want(fixture_create('a', board), 0);
	hash_of(changed, hash);
	/* Another action, session, predecessor, hash. */
	list = fixture_signed(
		"bc", "create", "shop", fixture_hash("shop"), hash);
	want_text(fixture_update_signed('a', changed, &list), -EACCES,
		"not over this change");
	list = fixture_signed(
		"bc", "reject", "shop", fixture_hash("shop"), hash);
	want(fixture_update_signed('a', changed, &list), -EACCES);
	list = fixture_signed(
		"bc", "update", "shop2", fixture_hash("shop"), hash);
	want(fixture_update_signed('a', changed, &list), -EACCES);
	list = fixture_signed("bc", "update", "shop", other, hash);
	want(fixture_update_signed('a', changed, &list), -EACCES);
	list = fixture_signed("bc", "update", "shop", NULL, hash);
	want(fixture_update_signed('a', changed, &list), -EACCES);
	list = fixture_signed(
		"bc", "update", "shop", fixture_hash("shop"), other);
	want(fixture_update_signed('a', changed, &list), -EACCES);
	/* Who may not read hears nothing of it. */
	want_text(fixture_update_signed('e', changed, &list), -EACCES,
		"not there, or not for this key");
	/* One wrong signature does not spoil the good ones. */
	list = fixture_signed(
		"ebc", "update", "shop", fixture_hash("shop"), hash);
	((struct signature *)(uintptr_t)list.item)[0].value.size = 1;
	want(fixture_update_signed('a', changed, &list), 0);
}

/* A signature cannot be used twice: the predecessor is in it. */
static void no_replay(void **state)
{
	static const char back[] = "name: shop\n" V PRE BOARD;
	struct signature_list list;
	uint8_t hash[32], first[32];

	want(fixture_create('a', board), 0);
	memcpy(first, fixture_hash("shop"), 32);
	hash_of(changed, hash);
	list = fixture_signed("bc", "update", "shop", first, hash);
	want(fixture_update_signed('a', changed, &list), 0);
	want(update_by("bd", back), 0);
	assert_memory_equal(fixture_hash("shop"), first, 32);
	/* The same text on the same content, but signed by one only. The
	 * content came back, so these signatures are for exactly this step. */
	list = fixture_signed("b", "update", "shop", first, hash);
	want(fixture_update_signed('a', changed, &list), -EACCES);
}

static void too_many_signatures(void **state)
{
	struct signature_list list;
	uint8_t hash[32] = {0};

	want(fixture_create('a', board), 0);
	list = fixture_signed("bcdefghijklmnopqrstuvwxyzbcdefghij", "update",
		"shop", fixture_hash("shop"), hash);
	want_text(fixture_update_signed('a', changed, &list), -EINVAL,
		"at most 32");
}

/* Creation below a name space with a board, and deletion. */
static void signed_creation(void **state)
{
	static const char root[] =
		"name: /\n" V
		"access_policy:\n  read: [ANY]\n  update: [CREATOR]\n"
		"  create_sessions:\n"
		"    - require-at-least-1: [{signer: <signer:b>}]\n";
	static const char shop[] = "name: shop\n" V;
	struct signature_list list;
	uint8_t hash[32];

	want(fixture_create('a', root), 0);
	hash_of(shop, hash);
	want(fixture_create('a', shop), -EACCES);
	list = fixture_signed("b", "create", "shop", NULL, hash);
	/* The creator is in the hash: it was signed for a. */
	want(fixture_create_signed('c', shop, &list), -EACCES);
	want(fixture_create_signed('a', shop, &list), 0);
}

/* ---- proposals ---- */

static bool in_state(const char *state)
{
	char text[64];

	snprintf(text, sizeof(text), "\"state\":\"%s\"", state);
	want(fixture_proposal('a'), 0);
	return strstr(fixture_told()->body, text) != NULL;
}

static void two_of_three(void **state)
{
	want(fixture_create('a', board), 0);
	want(fixture_open_proposal('a', changed), 0);
	want(fixture_vote('b', 'b', true), 0);
	assert_true(in_state("open"));
	/* Once more is no second vote. */
	want_text(fixture_vote('b', 'b', true), -EEXIST, "voted so already");
	assert_true(in_state("open"));
	want(fixture_vote('c', 'c', true), 0);
	assert_non_null(strstr(fixture_told()->items, "state=applied"));
	want(fixture_read('a', "shop"), 0);
	assert_non_null(strstr(fixture_told()->body, "name: x"));
	want_text(fixture_vote('d', 'd', true), -ESTALE, "applied already");
	assert_int_equal(engine->counts.proposals, 0);
	fixture_restart();
	assert_true(in_state("applied"));
	assert_int_equal(engine->counts.proposals, 0);
}

static void foreign_votes(void **state)
{
	want(fixture_create('a', board), 0);
	want(fixture_open_proposal('a', changed), 0);
	/* e has no say, and learns nothing. */
	want_text(fixture_vote('e', 'e', true), -EACCES, "not there, or not");
	want_text(fixture_vote('e', 0, true), -EACCES, "not there, or not");
	want_text(fixture_proposal('e'), -EACCES, "not there, or not");
	want_text(fixture_withdraw('e'), -EACCES, "not there, or not");
	want(fixture_proposals('e', NULL), 0);
	assert_string_equal(fixture_told()->body, "[]");
	/* a reads it, but is not of the board. */
	want_text(fixture_vote('a', 'a', true), -EACCES, "do not name");
	/* Signers vote by signature, not by TLS key. */
	want_text(fixture_vote('b', 0, true), -EACCES, "by signature");
	/* Someone may bring b's signature: it is b's vote. */
	want(fixture_vote('a', 'b', true), 0);
	want(fixture_vote('b', 'b', true), -EEXIST);
	assert_true(in_state("open"));
}

static void wrong_signature(void **state)
{
	struct engine_call c;
	struct signature s;
	char id[64];

	want(fixture_create('a', board), 0);
	want(fixture_open_proposal('a', changed), 0);
	assert_true(fixture_item(fixture_told(), "id", id, sizeof(id)));
	c = fixture_call('b');
	s = fixture_sign('b', "something else", 14);
	engine_proposal_vote(engine, &c, id, true, "", &s);
	want_text(fixture_told(), -EINVAL, "not over this change");
	/* A no by b, told as a yes. */
	want(fixture_proposal('b'), 0);
	c = fixture_call('b');
	engine_proposal_vote(engine, &c, "0123", true, "", NULL);
	want(fixture_told(), -EACCES);
	c = fixture_call('b');
	engine_proposal_vote(engine, &c, id, true, "\xff\xfe", NULL);
	assert_int_not_equal(fixture_told()->status, 0);
}

static void dissent_is_kept(void **state)
{
	want(fixture_create('a', board), 0);
	want(fixture_open_proposal('a', changed), 0);
	want(fixture_vote('b', 'b', false), 0);
	assert_true(in_state("open"));
	want(fixture_vote('c', 'c', true), 0);
	assert_true(in_state("open"));
	want(fixture_vote('d', 'd', true), 0);
	assert_true(in_state("applied"));
	assert_non_null(strstr(
		fixture_told()->body, "\"reason\":\"too much for one\""));
}

static void minds_change(void **state)
{
	want(fixture_create('a', board), 0);
	want(fixture_open_proposal('a', changed), 0);
	want(fixture_vote('b', 'b', true), 0);
	want(fixture_vote('b', 'b', false), 0);
	want(fixture_vote('c', 'c', true), 0);
	assert_true(in_state("open"));
	want(fixture_vote('d', 'd', true), 0);
	assert_true(in_state("applied"));
}

/* A signature is the same each time, so the yes from before the no is brought
 * again: to this proposal, to another one of the same change, and with the
 * change itself. */
static void old_yes_is_no_vote(void **state)
{
	want(fixture_create('a', board), 0);
	want(fixture_open_proposal('a', changed), 0);
	want(fixture_vote('b', 'b', true), 0);
	want(fixture_vote('b', 'b', false), 0);
	want_text(fixture_vote('b', 'b', true), -EPERM, "voted against");
	want(fixture_vote('c', 'c', true), 0);
	assert_true(in_state("open"));
	fixture_tick(7 * 86400);
	assert_true(in_state("expired"));
	want(fixture_open_proposal('a', changed), 0);
	want_text(fixture_vote('b', 'b', true), -EPERM, "voted against");
	want(fixture_vote('c', 'c', true), 0);
	assert_true(in_state("open"));
	want(update_by("bc", changed), -EACCES);
	want(update_by("cd", changed), 0);
}

static void expiry(void **state)
{
	want(fixture_create('a', board), 0);
	want(fixture_open_proposal('a', changed), 0);
	want(fixture_vote('b', 'b', true), 0);
	fixture_tick(7 * 86400 - 1);
	assert_true(in_state("open"));
	fixture_tick(1);
	assert_true(in_state("expired"));
	want_text(fixture_vote('c', 'c', true), -ESTALE, "expired already");
	/* After a month it is forgotten. */
	fixture_tick(31 * 86400);
	want(fixture_proposal('a'), -EACCES);
	assert_true(list_is_empty(&engine->proposals));
}

/* Time runs out between ticks: the vote comes too late. */
static void late_vote(void **state)
{
	want(fixture_create('a', board), 0);
	want(fixture_open_proposal('a', changed), 0);
	want(fixture_vote('b', 'b', true), 0);
	engine_clock += 7 * 86400;
	want_text(fixture_vote('c', 'c', true), -ESTALE, "in time");
	assert_true(in_state("expired"));
	want(fixture_read('a', "shop"), 0);
	assert_null(strstr(fixture_told()->body, "name: x"));
}

static void withdrawn(void **state)
{
	want(fixture_create('a', board), 0);
	want(fixture_open_proposal('a', changed), 0);
	want_text(fixture_withdraw('b'), -EACCES, "only who opened");
	want(fixture_withdraw('a'), 0);
	assert_true(in_state("withdrawn"));
	want_text(fixture_withdraw('a'), -ESTALE, "over already");
	want(fixture_vote('b', 'b', true), -ESTALE);
}

/* Another change came first: votes for this one are for something else. */
static void changed_predecessor(void **state)
{
	want(fixture_create('a', board), 0);
	want(fixture_open_proposal('a', changed), 0);
	want(fixture_vote('b', 'b', true), 0);
	want(update_by("cd",
		     "name: shop\n" V PRE BOARD
		     "secrets: [{name: y, kind: ascii}]\n"),
		0);
	want_text(fixture_vote('c', 'c', true), -ESTALE, "was changed after");
	assert_true(in_state("stale"));
	want(fixture_read('a', "shop"), 0);
	assert_null(strstr(fixture_told()->body, "name: x"));
}

static void stale_by_tick(void **state)
{
	want(fixture_create('a', board), 0);
	want(fixture_open_proposal('a', changed), 0);
	want(update_by("cd",
		     "name: shop\n" V PRE BOARD
		     "secrets: [{name: y, kind: ascii}]\n"),
		0);
	fixture_tick(61);
	assert_true(in_state("stale"));
}

#define VETO                                                                \
	"board: {open_at_least: 1h, veto: [{signer: <signer:v>}, <key:w>]}" \
	"\n"

static void veto(void **state)
{
	want(fixture_create('a', "name: shop\n" V VETO BOARD), 0);
	/* With a veto or a time, nothing goes past proposals. */
	want_text(update_by("bcd", "name: shop\n" V PRE NEW VETO BOARD), -EPERM,
		"decides in proposals");
	want(fixture_open_proposal('a', "name: shop\n" V PRE NEW VETO BOARD),
		0);
	want(fixture_vote('b', 'b', true), 0);
	want(fixture_vote('c', 'c', true), 0);
	assert_true(in_state("open"));
	want(fixture_vote('a', 'v', false), 0);
	assert_true(in_state("vetoed"));
	want_text(fixture_vote('d', 'd', true), -ESTALE, "vetoed already");
	fixture_tick(7200);
	assert_true(in_state("vetoed"));
	/* By a TLS key as well. */
	want(fixture_open_proposal('a', "name: shop\n" V PRE NEW VETO BOARD),
		0);
	want(fixture_vote('w', 0, false), 0);
	assert_true(in_state("vetoed"));
}

/* A veto member's yes is not a vote of the board. */
static void veto_is_no_vote(void **state)
{
	want(fixture_create('a', "name: shop\n" V VETO BOARD), 0);
	want(fixture_open_proposal('a', "name: shop\n" V PRE NEW VETO BOARD),
		0);
	want(fixture_vote('a', 'v', true), 0);
	want(fixture_vote('b', 'b', true), 0);
	fixture_tick(7200);
	assert_true(in_state("open"));
}

static void minimum_time(void **state)
{
	want(fixture_create('a', "name: shop\n" V VETO BOARD), 0);
	want(fixture_open_proposal('a', "name: shop\n" V PRE NEW VETO BOARD),
		0);
	want(fixture_vote('b', 'b', true), 0);
	want(fixture_vote('c', 'c', true), 0);
	fixture_tick(3599);
	assert_true(in_state("open"));
	fixture_restart();
	fixture_tick(1);
	assert_true(in_state("applied"));
	want(fixture_read('a', "shop"), 0);
	assert_non_null(strstr(fixture_told()->body, "name: x"));
}

/* What cannot take effect stays open, and says why. */
static void cannot_take_effect(void **state)
{
	want(fixture_create('a', board), 0);
	want(fixture_open_proposal('a',
		     "name: shop\n" V PRE BOARD "secrets: [{name: x, import: "
		     "{session: ca, secret: x}}]\n"),
		0);
	want(fixture_vote('b', 'b', true), 0);
	want(fixture_vote('c', 'c', true), 0);
	assert_true(in_state("open"));
	assert_non_null(strstr(fixture_told()->body, "not exported to shop"));
	want(fixture_create('a',
		     "name: ca\n" V "secrets: [{name: x, kind: ascii, export: "
		     "{session: shop}}]\n"),
		0);
	fixture_tick(61);
	assert_true(in_state("applied"));
}

/* Members with TLS keys. */
static void by_tls_key(void **state)
{
	static const char policy[] =
		"name: shop\n" V "%s%s"
		"access_policy:\n  update:\n"
		"    - require-at-least-2: [CREATOR, <key:b>, <key:c>]\n";
	char text[600];

	snprintf(text, sizeof(text), policy, "", "");
	want(fixture_create('a', text), 0);
	snprintf(text, sizeof(text), policy, PRE, NEW);
	want(fixture_update('a', text), -EACCES);
	want(fixture_open_proposal('b', text), 0);
	want(fixture_vote('b', 0, true), 0);
	/* b's signature is not b's TLS key. */
	want(fixture_vote('b', 'b', true), -EACCES);
	assert_true(in_state("open"));
	want(fixture_vote('a', 0, true), 0);
	assert_true(in_state("applied"));
}

static void proposed_creation(void **state)
{
	static const char root[] =
		"name: /\n" V "access_policy:\n  read: [CREATOR]\n"
		"  create_sessions:\n"
		"    - require-at-least-2: [{signer: <signer:b>}, {signer: "
		"<signer:c>}]\n";

	want(fixture_create('a', root), 0);
	want(fixture_open_proposal('b', "name: shop\n" V), 0);
	want(fixture_vote('b', 'b', true), 0);
	want(fixture_vote('c', 'c', true), 0);
	/* It is b's, who proposed it. */
	want(fixture_read('b', "shop"), 0);
	want(fixture_read('a', "shop"), -EACCES);
}

static void proposed_deletion(void **state)
{
	want(fixture_create('a', board), 0);
	want(fixture_open_proposal('a', "delete: shop\n"), 0);
	want(fixture_vote('b', 'b', true), 0);
	want(fixture_vote('c', 'c', true), 0);
	want(fixture_read('a', "shop"), -EACCES);
	assert_int_equal(engine->counts.sessions, 0);
}

static void who_may_open(void **state)
{
	char text[300];

	want_text(fixture_open_proposal('a', "name: shop\n" V), -EACCES,
		"not there, or not");
	want(fixture_create('a', board), 0);
	want_text(fixture_open_proposal('e', changed), -EACCES,
		"not there, or not");
	want_text(fixture_open_proposal(0, changed), -EACCES,
		"not there, or not");
	want_text(fixture_open_proposal('a', board), -EINVAL, "no predecessor");
	want(fixture_open_proposal('b', changed), 0);
	for (int i = 0; i < 15; i++)
		want(fixture_open_proposal('b', changed), 0);
	want_text(fixture_open_proposal('b', changed), -EDQUOT, "withdraw");
	want(fixture_withdraw('b'), 0);
	want(fixture_open_proposal('b', changed), 0);
	snprintf(text, sizeof(text), "%s", "delete: nowhere");
	want(fixture_open_proposal('b', text), -EACCES);
}

/* The board is what a value says. */
static void board_in_a_variable(void **state)
{
	static const char policy[] =
		"name: shop\n" V "%s"
		"access_policy:\n  read: [ANY]\n"
		"  update: $$SCONE::board$$\n"
		"secrets:\n"
		"  - {name: board, kind: config-fragment, value: "
		"{require-at-least-2: [{signer: <signer:b>}, {signer: "
		"<signer:c>}]}}\n"
		"  - {name: x, kind: ascii, size: %d}\n";
	char text[1000];

	snprintf(text, sizeof(text), policy, "", 20);
	want(fixture_create('a', text), 0);
	snprintf(text, sizeof(text), policy, PRE, 21);
	want(fixture_update('a', text), -EACCES);
	want(update_by("b", text), -EACCES);
	want(update_by("bc", text), 0);
	snprintf(text, sizeof(text), policy, PRE, 22);
	want(fixture_open_proposal('b', text), 0);
	want(fixture_vote('b', 'b', true), 0);
	want(fixture_vote('c', 'c', true), 0);
	assert_true(in_state("applied"));
}

/* ---- the log ---- */

static char events[8192];

static int event(void *arg, const struct store_record *r)
{
	for (size_t i = 0; i < r->event_count; i++) {
		size_t n = strlen(events);

		snprintf(events + n, sizeof(events) - n, "%s%s\n",
			r->events[i].denied ? "!" : "", r->events[i].what);
	}
	return 0;
}

static void everything_is_logged(void **state)
{
	struct err e;

	want(fixture_create('a', "name: shop\n" V VETO BOARD), 0);
	fixture_read('a', "shop");
	fixture_read('e', "shop");
	fixture_read('e', "nowhere");
	fixture_update('e', "name: shop\n" V PRE);
	fixture_open_proposal('e', "name: shop\n" V PRE);
	fixture_open_proposal('a', "name: shop\n" V PRE NEW VETO BOARD);
	fixture_vote('e', 'e', true);
	fixture_vote('b', 'b', true);
	fixture_vote('a', 'v', false);
	fixture_open_proposal('a', "name: shop\n" V PRE NEW VETO BOARD);
	fixture_withdraw('a');
	events[0] = 0;
	assert_int_equal(store_log(engine_store, 1, 0, event, NULL, &e), 0);
	assert_non_null(strstr(events,
		"owner.provision\nsession.create\nsession.read\n"
		"!session.read\n!session.read\n!session.update\n"
		"!proposal.open\nproposal.open\n"));
	assert_non_null(strstr(events, "!proposal.vote\n"));
	assert_non_null(strstr(events, "\nproposal.vote\n"));
	assert_non_null(strstr(events, "proposal.dissent\nproposal.veto\n"));
	assert_non_null(strstr(events, "proposal.withdraw\n"));
}

/* A flood of denials is counted, not written. */
static void denials_in_a_flood(void **state)
{
	struct store_status before, after;

	want(fixture_create('a', board), 0);
	store_status(engine_store, &before);
	for (int i = 0; i < 1000; i++)
		want(fixture_read('e', "shop"), -EACCES);
	store_status(engine_store, &after);
	assert_in_range(after.seq - before.seq, 1, 60);
	fixture_tick(1);
	assert_int_equal(engine->denied_untold, 0);
	assert_int_equal(engine->counts.denied, 1000);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(signed_changes),
		T(signatures_of_other_things),
		T(no_replay),
		T(too_many_signatures),
		T(signed_creation),
		T(two_of_three),
		T(foreign_votes),
		T(wrong_signature),
		T(dissent_is_kept),
		T(minds_change),
		T(old_yes_is_no_vote),
		T(expiry),
		T(late_vote),
		T(withdrawn),
		T(changed_predecessor),
		T(stale_by_tick),
		T(veto),
		T(veto_is_no_vote),
		T(minimum_time),
		T(cannot_take_effect),
		T(by_tls_key),
		T(proposed_creation),
		T(proposed_deletion),
		T(who_may_open),
		T(board_in_a_variable),
		T(everything_is_logged),
		T(denials_in_a_flood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logs as auditors get them: written by a store, then altered in every way that
 * has a grade. Records are 1 to 8, checkpoints stand behind 5 and 8.
 */
#include "unit.h"

#include <errno.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "cas/audit_int.h"
#include "cas/store_int.h"
#include "crypto/sha256.h"
#include "lib/fmt.h"
#include "test/unit/store_fake.h"

enum { RECORDS = 8, FIRST_SIGNED = 5, LINES = RECORDS + 2 };

static EVP_PKEY *key, *other;
static struct audit_signer signer;
static char *lines[LINES]; /* each with its newline */
static char *forged; /* checkpoint of 8 with the other key */
static struct err e;
static struct audit_found found;

static void make_log(uint8_t cluster_key, struct buf *out)
{
	struct fake_disk disk = {0};
	struct store_options o = {.backend = &fake_backend,
		.backend_arg = &disk,
		.no_thread = true};
	struct store *s;

	memset(o.key, cluster_key, sizeof(o.key));
	assert_int_equal(store_open(&o, true, &s, &e), 0);
	for (int i = 2; i <= RECORDS; i++) {
		static const uint8_t hash[32] = {0xab, 1};
		struct store_txn *x = store_begin(s);
		struct audit_event event = {.what = "session.\"create\\",
			.object = i % 2 ? "shop/\xc3\xa4\"b" : NULL,
			.actor = i % 3 ? hash : NULL,
			.before = i % 4 ? hash : NULL,
			.after = i % 2 ? hash : NULL,
			.denied = i % 2,
			.detail = i % 3 ? NULL : "the reason"};

		for (int k = 0; k < i % 4; k++)
			store_audit(x, &event);
		store_put(x, STORE_META, "n", 1, &i, sizeof(i));
		assert_int_equal(store_submit(x, NULL, NULL), 0);
		assert_int_equal(store_step(s), 0);
		store_complete(s);
	}
	signer.time = 1234;
	assert_int_equal(audit_export(s, 1, FIRST_SIGNED, &signer, out, &e), 0);
	assert_int_equal(
		audit_export(s, FIRST_SIGNED + 1, 0, &signer, out, &e), 0);
	store_close(s);
	fake_disk_fini(&disk);
}

static void split(const struct buf *text, char **out)
{
	const char *p = (const char *)text->data;

	for (int i = 0; i < LINES; i++) {
		const char *end = strchr(p, '\n') + 1;

		out[i] = strndup(p, (size_t)(end - p));
		p = end;
	}
	assert_int_equal(*p, 0);
}

static int setup_all(void **state)
{
	struct buf text = {0};

	key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	other = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	signer.key = key;
	memset(signer.cluster, 0xc1, sizeof(signer.cluster));
	make_log(1, &text);
	split(&text, lines);
	buf_fini(&text);
	return 0;
}

static int teardown_all(void **state)
{
	for (int i = 0; i < LINES; i++)
		free(lines[i]);
	free(forged);
	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
	return 0;
}

/* Record n's line; 58: the checkpoints of 5 and 8. */
static const char *line_of(char c)
{
	if (c == 'A')
		return lines[FIRST_SIGNED];
	if (c == 'B')
		return lines[LINES - 1];
	return lines[c - '1' + (c - '0' > FIRST_SIGNED)];
}

/* A text of such lines. */
static void compose(const char *which, struct buf *out)
{
	out->size = 0;
	for (const char *p = which; *p; p++)
		buf_text(out, line_of(*p));
}

static enum audit_result verify(
	const struct buf *text, const struct audit_known *known)
{
	static const struct audit_known nothing;

	e = (struct err){0};
	return audit_verify((const char *)text->data, text->size,
		known ? known : &nothing, &found, &e);
}

static void expect(const char *which, const struct audit_known *known,
	enum audit_result wanted, const char *text)
{
	struct buf b = {0};
	enum audit_result r;

	compose(which, &b);
	r = verify(&b, known);
	if (r != wanted || !strstr(e.text, text))
		fail_msg("%s: %d %s; wanted %d %s", which, r, e.text, wanted,
			text);
	if (r == AUDIT_OK && e.text[0])
		fail_msg("%s: accepted with %s", which, e.text);
	buf_fini(&b);
}

/* The checkpoint of 5 or 8, as a user who saw it keeps it. */
static struct audit_known known_of(char which)
{
	struct audit_known k = {0};
	const char *text = line_of(which);

	assert_int_equal(
		audit_known_read(text, strlen(text), &k, &e), AUDIT_OK);
	return k;
}

static void test_good(void **state)
{
	struct audit_known five = known_of('A'), eight = known_of('B');

	expect("12345A678B", NULL, AUDIT_OK, "");
	assert_int_equal(found.first, 1);
	assert_int_equal(found.last, RECORDS);
	assert_int_equal(found.checkpoints, 2);
	assert_int_equal(found.signed_time, 1234);
	assert_memory_equal(found.cluster, signer.cluster, 32);
	assert_memory_equal(found.head, eight.head, 32);
	/* Records 2 to 8 have 2 3 0 1 2 3 0 events, 1 and odd ones denied. */
	assert_int_equal(found.events, 1 + 2 + 3 + 0 + 1 + 2 + 3 + 0);
	assert_int_equal(found.denied, 3 + 1 + 3);
	expect("12345A", NULL, AUDIT_OK, "");
	expect("12345678B", NULL, AUDIT_OK, "");
	expect("12345A678B", &five, AUDIT_OK, "");
	expect("12345A678B", &eight, AUDIT_OK, "");
	/* From what is known on. */
	expect("5A678B", &five, AUDIT_OK, "");
	expect("678B", &five, AUDIT_OK, "");
}

static void test_truncated(void **state)
{
	struct audit_known five = known_of('A');

	expect("", NULL, AUDIT_TRUNCATED, "there is no record");
	expect("1234", NULL, AUDIT_TRUNCATED,
		"records 1 to 4 have no checkpoint");
	expect("12345A67", NULL, AUDIT_TRUNCATED,
		"records 6 to 7 have no checkpoint");
	expect("12345A67B", NULL, AUDIT_TRUNCATED,
		"CAS signed record 8, the records before end with 7");
	expect("2345A", NULL, AUDIT_TRUNCATED, "begins with record 2");
	expect("678B", NULL, AUDIT_TRUNCATED, "begins with record 6");
	expect("78B", &five, AUDIT_TRUNCATED,
		"wanted record 1, or the one that is known");
	expect("B", NULL, AUDIT_TRUNCATED, "CAS signed record 8");
}

/* Any file that ends within a line, and at any byte of the last ones. */
static void test_cut(void **state)
{
	struct buf b = {0};
	size_t size;

	compose("12345A678B", &b);
	size = b.size;
	for (b.size = 0; b.size < size; b.size++) {
		bool whole = !b.size || b.data[b.size - 1] == '\n';
		enum audit_result r = verify(&b, NULL);

		/* Up to the first checkpoint it is an older log. */
		if (r == AUDIT_OK && whole && found.last == FIRST_SIGNED)
			continue;
		if (r != AUDIT_TRUNCATED)
			fail_msg("%zu bytes: %d %s", b.size, r, e.text);
	}
	buf_fini(&b);
}

static void test_rolled_back(void **state)
{
	struct audit_known eight = known_of('B');

	expect("12345A", &eight, AUDIT_ROLLED_BACK,
		"ends with record 5; record 8 is known");
	expect("12345A6", &eight, AUDIT_TRUNCATED, "no checkpoint");
}

static void test_order(void **state)
{
	expect("1245A", NULL, AUDIT_TAMPERED, "record 3 is missing");
	expect("12335A", NULL, AUDIT_TAMPERED,
		"record 3 stands behind record 3: there twice");
	expect("13245A", NULL, AUDIT_TAMPERED, "record 2 is missing");
	expect("1234A5", NULL, AUDIT_TRUNCATED, "CAS signed record 5");
	expect("123456A78B", NULL, AUDIT_TAMPERED,
		"the checkpoint of record 5 stands behind record 6");
	expect("12345AA678B", NULL, AUDIT_OK, "");
}

/* Nothing in a log can be changed: each byte, each way that matters. */
static void test_every_byte(void **state)
{
	struct buf b = {0};

	compose("12345A678B", &b);
	for (size_t i = 0; i < b.size; i++) {
		static const uint8_t flips[] = {1, 2, 0x20, 0x80};

		for (size_t k = 0; k < sizeof(flips); k++) {
			b.data[i] ^= flips[k];
			if (verify(&b, NULL) == AUDIT_OK)
				fail_msg("byte %zu with %x is accepted", i,
					flips[k]);
			b.data[i] ^= flips[k];
		}
	}
	assert_int_equal(verify(&b, NULL), AUDIT_OK);
	buf_fini(&b);
}

/* ---- by somebody who makes all hashes right ---- */
/* The log with `what` of record n replaced, and what follows made to fit. */
static void rewrite(int from, struct buf *out)
{
	struct audit_reader r;
	struct buf text = {0}, cbor = {0};
	uint8_t prev[32];
	bool changed = false;

	compose("12345A678B", &text);
	out->size = 0;
	audit_reader_init(&r, (const char *)text.data, text.size);
	while (audit_reader_next(&r) == 1) {
		if (r.is_checkpoint) {
			buf_text(out,
				r.checkpoint.seq == FIRST_SIGNED
					? line_of('A')
					: line_of('B'));
			continue;
		}
		if (changed)
			memcpy(r.record.prev, prev, 32);
		if (r.record.seq == (uint64_t)from) {
			r.record.time += 1;
			changed = true;
		}
		cbor.size = 0;
		assert_int_equal(store_record_encode(&r.record, &cbor), 0);
		memcpy(prev, r.record.hash, 32);
		assert_int_equal(audit_line(&r.record, out), 0);
	}
	audit_reader_fini(&r);
	buf_fini(&text);
	buf_fini(&cbor);
}

static void test_rewritten(void **state)
{
	struct audit_known five = known_of('A');
	struct buf b = {0};

	rewrite(99, &b); /* nothing: the same text comes out */
	assert_int_equal(verify(&b, NULL), AUDIT_OK);
	rewrite(3, &b);
	assert_int_equal(verify(&b, NULL), AUDIT_TAMPERED);
	assert_non_null(strstr(e.text, "record 5 is not the one that CAS"));
	rewrite(7, &b);
	assert_int_equal(verify(&b, NULL), AUDIT_TAMPERED);
	assert_non_null(strstr(e.text, "record 8 is not the one that CAS"));
	rewrite(3, &b);
	assert_int_equal(verify(&b, &five), AUDIT_FORKED);
	assert_non_null(strstr(e.text, "forked: record 5 is"));
	buf_fini(&b);
}

/* One line altered, with a hash that fits: the next one does not follow. */
static void test_one_replaced(void **state)
{
	struct buf b = {0}, all = {0};
	char *mine[LINES];

	rewrite(3, &all);
	split(&all, mine);
	for (int i = 0; i < LINES; i++)
		buf_text(&b, i == 2 ? mine[i] : lines[i]);
	assert_int_equal(verify(&b, NULL), AUDIT_TAMPERED);
	assert_non_null(strstr(e.text, "record 4 does not follow record 3"));
	b.size = 0;
	buf_text(&b, lines[0]);
	buf_add(&b, lines[1], strlen(lines[1]) - 67);
	buf_text(&b, mine[2] + strlen(mine[2]) - 67); /* another's hash */
	assert_int_equal(verify(&b, NULL), AUDIT_TAMPERED);
	assert_non_null(strstr(e.text, "record 2 was altered"));
	for (int i = 0; i < LINES; i++)
		free(mine[i]);
	buf_fini(&b);
	buf_fini(&all);
}

/* Signed, and yet not what it should be. */
static void test_signed_wrong(void **state)
{
	struct store_record r = {.seq = 1, .prev = {1}};
	struct buf b = {0}, cbor = {0};

	/* A chain that begins in the middle of another. */
	assert_int_equal(store_record_encode(&r, &cbor), 0);
	assert_int_equal(audit_line(&r, &b), 0);
	assert_int_equal(audit_checkpoint(&signer, 0, 1, r.hash, &b, &e), 0);
	assert_int_equal(verify(&b, NULL), AUDIT_TAMPERED);
	assert_non_null(strstr(e.text, "not the first of a chain"));
	/* The same key in another form would be another hash. */
	compose("12345A", &b);
	b.size -= strlen(line_of('A'));
	const char *text = line_of('A'), *at = strstr(text, "\",\"signature");

	buf_add(&b, text, (size_t)(at - text));
	buf_text(&b, "00");
	buf_text(&b, at);
	assert_int_equal(verify(&b, NULL), AUDIT_TAMPERED);
	assert_non_null(strstr(e.text, "its signature does not hold"));
	buf_fini(&b);
	buf_fini(&cbor);
}

/* CAS itself tells two histories, each signed. */
static void test_forked(void **state)
{
	struct audit_known five = known_of('A'), eight = known_of('B');
	struct buf b = {0};

	make_log(2, &b);
	assert_int_equal(verify(&b, NULL), AUDIT_OK);
	assert_int_equal(verify(&b, &five), AUDIT_FORKED);
	assert_non_null(strstr(e.text, "record 5"));
	assert_int_equal(verify(&b, &eight), AUDIT_FORKED);
	assert_non_null(strstr(e.text, "record 8"));
	/* Only what follows what is known. */
	char *theirs[LINES];

	split(&b, theirs);
	b.size = 0;
	for (int i = 6; i < LINES; i++)
		buf_text(&b, theirs[i]);
	assert_int_equal(verify(&b, &five), AUDIT_FORKED);
	/* A signed checkpoint is enough. */
	b.size = 0;
	for (int i = 0; i < LINES - 1; i++)
		buf_text(&b, lines[i]);
	buf_text(&b, theirs[LINES - 1]);
	assert_int_equal(verify(&b, &eight), AUDIT_FORKED);
	for (int i = 0; i < LINES; i++)
		free(theirs[i]);
	buf_fini(&b);
}

static void test_wrong_cas(void **state)
{
	struct audit_known k = known_of('A');
	struct buf b = {0};
	EVP_PKEY *mine = signer.key;

	k.cas_key[0] ^= 1;
	expect("12345A678B", &k, AUDIT_WRONG_CAS, "its key is");
	k = known_of('A');
	k.cluster[0] ^= 1;
	expect("12345A678B", &k, AUDIT_WRONG_CAS, "its cluster is");
	/* Two keys in one log. */
	compose("12345A678", &b);
	signer.key = other;
	assert_int_equal(
		audit_checkpoint(&signer, 0, 8, found.head, &b, &e), 0);
	signer.key = mine;
	assert_int_equal(verify(&b, NULL), AUDIT_WRONG_CAS);
	/* Another's key under the name of this one's signature. */
	compose("12345A", &b);
	struct audit_known five = known_of('A');

	signer.key = other;
	b.size -= strlen(line_of('A'));
	assert_int_equal(audit_checkpoint(&signer, 0, 5, five.head, &b, &e), 0);
	signer.key = mine;
	assert_int_equal(verify(&b, &five), AUDIT_WRONG_CAS);
	buf_fini(&b);
}

static void test_known_read(void **state)
{
	struct audit_known k = {0};
	struct buf b = {0};
	const char *text = line_of('A');

	assert_int_equal(audit_known_read(text, strlen(text), &k, &e), 0);
	assert_int_equal(k.seq, FIRST_SIGNED);
	assert_false(k.cas_key[0] == 0 && k.cas_key[1] == 0);
	assert_int_equal(audit_known_read("", 0, &k, &e), AUDIT_TAMPERED);
	text = line_of('3');
	assert_int_equal(
		audit_known_read(text, strlen(text), &k, &e), AUDIT_TAMPERED);
	compose("AB", &b);
	assert_int_equal(audit_known_read((char *)b.data, b.size, &k, &e),
		AUDIT_TAMPERED);
	compose("A", &b);
	b.data[b.size - 10] ^= 1; /* of the signature */
	assert_int_equal(audit_known_read((char *)b.data, b.size, &k, &e),
		AUDIT_TAMPERED);
	k.cas_key[0] ^= 1;
	compose("A", &b);
	assert_int_equal(audit_known_read((char *)b.data, b.size, &k, &e),
		AUDIT_WRONG_CAS);
	buf_fini(&b);
}

static void test_ed25519(void **state)
{
	struct buf b = {0};
	EVP_PKEY *mine = signer.key;

	signer.key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	make_log(3, &b);
	assert_int_equal(verify(&b, NULL), AUDIT_OK);
	EVP_PKEY_free(signer.key);
	/* P-384 is none of ours. */
	signer.key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
	b.size = 0;
	make_log(3, &b);
	assert_int_equal(verify(&b, NULL), AUDIT_TAMPERED);
	EVP_PKEY_free(signer.key);
	signer.key = mine;
	buf_fini(&b);
}

/* Other forms of the same JSON are none. */
static void test_forms(void **state)
{
	static const char *const bad[] = {
		"{ \"seq\":1",
		"{\"seq\":01",
		"{\"seq\":-1",
		"{\"seq\":1.0",
		"{\"seq\":18446744073709551616,",
		"{\"Seq\":1",
		"[]",
		"null",
		"\xef\xbb\xbf{\"seq\":1",
		"{}",
		"{\"c",
		"x",
		" ",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct buf b = {0};
		const char *rest = strchr(lines[0], ',');

		buf_text(&b, bad[i]);
		buf_text(&b, rest);
		if (verify(&b, NULL) != AUDIT_TAMPERED ||
			!strstr(e.text, "line 1: malformed at column"))
			fail_msg("%s: %s", bad[i], e.text);
		buf_fini(&b);
	}
	/* What would talk to a terminal. */
	for (size_t i = 0; i < 2; i++) {
		struct buf b = {0};

		buf_text(&b, lines[0]);
		*strstr((char *)b.data, ".create") = i ? '\x7f' : '\x1b';
		assert_int_equal(verify(&b, NULL), AUDIT_TAMPERED);
		assert_non_null(strstr(e.text, "line 1: malformed at column"));
		buf_fini(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_rolled_back),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_rewritten),
		cmocka_unit_test(test_one_replaced),
		cmocka_unit_test(test_signed_wrong),
		cmocka_unit_test(test_forked),
		cmocka_unit_test(test_wrong_cas),
		cmocka_unit_test(test_known_read),
		cmocka_unit_test(test_ed25519),
		cmocka_unit_test(test_forms),
	};

	return cmocka_run_group_tests(tests, setup_all, teardown_all);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RA-TLS: CBOR of evidence by hand; certificates of a generated SEV-SNP
 * platform, varied; Gramine's real one.
 */
#include "test/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "attest/ratls_int.h"
#include "crypto/sha256.h"
#include "lib/cbor_put.h"
#include "lib/string.h"
#include "test/unit/snp_platform.h"
#include "test/unit/vectors.h"

static struct snp_platform platform;
static struct collateral *collateral;

static int setup(void **state)
{
	const struct trust trust = {.roots = &platform.root, .root_count = 1};

	snp_platform_init(&platform);
	return collateral_new(&platform.files, &trust, &collateral, NULL);
}

static int teardown(void **state)
{
	collateral_free(collateral);
	snp_platform_fini(&platform);
	return 0;
}

static bool fails(const struct verdict *v, const char *rule)
{
	for (size_t i = 0; i < v->failure_count && i < VERDICT_FAILURES; i++)
		if (!strcmp(v->failures[i].rule, rule))
			return true;
	return false;
}

static void expect_only(const struct verdict *v, const char *rule)
{
	for (size_t i = 0; i < v->failure_count && i < VERDICT_FAILURES; i++)
		print_message("%s: %s; wanted %s\n", v->failures[i].rule,
			v->failures[i].seen, v->failures[i].wanted);
	assert_int_equal(v->failure_count, rule ? 1 : 0);
	if (rule)
		assert_true(fails(v, rule));
}

/* How a platform may answer. */
struct answer {
	int calls, rc;
	bool wrong_data, garbage;
};

static int quote(void *arg, const uint8_t report_data[static 64],
	void **evidence, size_t *size, struct err *e)
{
	struct answer *a = arg;
	struct snp_report *r = malloc(sizeof(*r));
	uint8_t data[64];

	assert_non_null(r);
	memcpy(data, report_data, 64);
	data[0] ^= a->wrong_data;
	snp_platform_report(&platform, data, r);
	if (a->garbage)
		memset(r, 0xff, sizeof(*r));
	*evidence = r;
	*size = sizeof(*r);
	a->calls++;
	if (!a->rc)
		return 0;
	free(r); /* nobody takes it */
	return err_setf(e, a->rc, "no quote today");
}

static struct ratls_spec spec_for(EVP_PKEY *key, unsigned forms)
{
	return (struct ratls_spec){.key = key,
		.from = SNP_PLATFORM_FROM,
		.until = SNP_PLATFORM_UNTIL,
		.common_name = "test",
		.forms = forms};
}

static X509 *make(EVP_PKEY *key, unsigned forms)
{
	struct ratls_spec spec = spec_for(key, forms);
	struct answer a = {0};
	struct err e = {0};
	X509 *x = NULL;

	if (ratls_make(&spec, quote, &a, &x, &e))
		fail_msg("%s", e.text);
	assert_int_equal(a.calls, forms ? __builtin_popcount(forms) : 1);
	return x;
}

static const struct ratls_options options = {
	.evidence = {.at = SNP_PLATFORM_AT}};

static void verify(X509 *x, const struct ratls_options *o, struct verdict *v)
{
	struct err e = {0};

	if (ratls_verify(x, collateral, o, v, &e))
		fail_msg("%s", e.text);
}

static void test_forms(void **state)
{
	static const char *const groups[] = {"P-256", "P-384"};
	static const unsigned forms[] = {0, RATLS_FORM_DICE, RATLS_FORM_LEGACY,
		RATLS_FORM_GRAMINE, RATLS_FORM_DICE | RATLS_FORM_LEGACY,
		RATLS_FORM_DICE | RATLS_FORM_GRAMINE};
	struct ratls_evidence r;
	struct verdict v;

	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		EVP_PKEY *key = EVP_EC_gen(groups[i]);

		for (size_t j = 0; j < ARRAY_SIZE(forms); j++) {
			X509 *x = make(key, forms[j]);
			bool dice = !forms[j] || forms[j] & RATLS_FORM_DICE;

			assert_int_equal(ratls_find(x, &r, NULL), 0);
			assert_int_equal(
				r.tag, dice ? RATLS_TAG_SNP : RATLS_NO_TAG);
			verify(x, &options, &v);
			expect_only(&v, NULL);
			assert_true(v.signature && v.chain);
			X509_free(x);
		}
		EVP_PKEY_free(key);
	}
}

static X509_EXTENSION *find_ext(X509 *x, const uint8_t *oid, size_t size)
{
	for (int i = 0; i < X509_get_ext_count(x); i++) {
		X509_EXTENSION *ext = X509_get_ext(x, i);
		const ASN1_OBJECT *o = X509_EXTENSION_get_object(ext);

		if (OBJ_length(o) == size &&
			!memcmp(OBJ_get0_data(o), oid, size))
			return ext;
	}
	fail_msg("no such extension");
	return NULL;
}

static X509_EXTENSION *dice_of(X509 *x)
{
	return find_ext(x, RATLS_DICE_OID, RATLS_DICE_OID_SIZE);
}

/* Whatever was changed, the owner of the key stands for it. */
static void sign_again(X509 *x, EVP_PKEY *key)
{
	assert_int_equal(X509_set_pubkey(x, key), 1);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
}

/* A certificate with this value in place of its evidence. */
static X509 *with_value(
	EVP_PKEY *key, unsigned forms, const void *value, size_t size)
{
	X509 *x = make(key, forms);
	ASN1_OCTET_STRING *s = ASN1_OCTET_STRING_new();

	ASN1_OCTET_STRING_set(s, value, (int)size);
	assert_int_equal(X509_EXTENSION_set_data(dice_of(x), s), 1);
	ASN1_OCTET_STRING_free(s);
	sign_again(x, key);
	return x;
}

/* The evidence of one key in the certificate of another. */
static void test_other_key(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256");
	static const unsigned forms[] = {RATLS_FORM_DICE, RATLS_FORM_GRAMINE};
	struct verdict v;

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		X509 *x = make(key, forms[i]);

		sign_again(x, other);
		verify(x, &options, &v);
		expect_only(&v, i ? "ratls-binding" : "ratls-key");
		X509_free(x);
	}
	EVP_PKEY_free(other);
	EVP_PKEY_free(key);
}

struct value {
	uint64_t tag;
	const void *evidence;
	size_t evidence_size;
	uint8_t claims[256];
	size_t claims_size;
};

static size_t encode(const struct value *from, uint8_t *out, size_t size)
{
	struct cbor_writer w;

	cbor_writer_init(&w, out, size);
	cbor_put_tag(&w, from->tag);
	cbor_put_array(&w, 2);
	cbor_put_bytes(&w, from->evidence, from->evidence_size);
	cbor_put_bytes(&w, from->claims, from->claims_size);
	assert_int_equal(cbor_writer_check(&w), 0);
	return w.len;
}

/* Claims for the key, with one that nobody knows. */
static void put_claims(struct value *out, EVP_PKEY *key, const char *nonce)
{
	uint8_t *spki = NULL, hash[32], entry[64];
	int size = i2d_PUBKEY(key, &spki);
	struct cbor_writer w;
	size_t entry_size;

	sha256(spki, (size_t)size, hash);
	OPENSSL_free(spki);
	cbor_writer_init(&w, entry, sizeof(entry));
	cbor_put_array(&w, 2);
	cbor_put_uint(&w, 1);
	cbor_put_bytes(&w, hash, 32);
	entry_size = w.len;
	cbor_writer_init(&w, out->claims, sizeof(out->claims));
	cbor_put_map(&w, nonce ? 3 : 2);
	cbor_put_text(&w, "key_0", 5);
	cbor_put_array(&w, 1);
	cbor_put_uint(&w, 7);
	cbor_put_text(&w, "pubkey-hash", 11);
	cbor_put_bytes(&w, entry, entry_size);
	if (nonce) {
		cbor_put_text(&w, "nonce", 5);
		cbor_put_bytes(&w, nonce, strlen(nonce));
	}
	out->claims_size = w.len;
}

/* Evidence under the wrong tag; claims that it is not bound to. */
static void test_binding(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	struct value value = {.tag = RATLS_TAG_SNP};
	uint8_t data[64] = {0}, bytes[2048];
	struct snp_report report;
	struct verdict v;
	struct err e;
	X509 *x;

	put_claims(&value, key, NULL);
	sha256(value.claims, value.claims_size, data);
	snp_platform_report(&platform, data, &report);
	value.evidence = &report;
	value.evidence_size = sizeof(report);
	x = with_value(key, 0, bytes, encode(&value, bytes, sizeof(bytes)));
	verify(x, &options, &v);
	expect_only(&v, NULL);
	X509_free(x);

	value.tag = RATLS_TAG_QUOTE;
	x = with_value(key, 0, bytes, encode(&value, bytes, sizeof(bytes)));
	verify(x, &options, &v);
	expect_only(&v, "ratls-tag");
	X509_free(x);

	for (uint64_t tag = RATLS_TAG_TDREPORT; tag <= RATLS_TAG_REPORT;
		tag++) {
		value.tag = tag;
		x = with_value(
			key, 0, bytes, encode(&value, bytes, sizeof(bytes)));
		assert_int_equal(
			ratls_verify(x, collateral, &options, &v, &e), -EINVAL);
		X509_free(x);
	}

	/* A claim that was put in later. */
	value.tag = RATLS_TAG_SNP;
	put_claims(&value, key, "later");
	x = with_value(key, 0, bytes, encode(&value, bytes, sizeof(bytes)));
	verify(x, &options, &v);
	expect_only(&v, "ratls-binding");
	X509_free(x);
	EVP_PKEY_free(key);
}

/* The older extension is no second chance. */
static void test_no_fallback(void **state)
{
	static const uint8_t broken[] = {0xd9, 0xea, 0x60, 0x80};
	EVP_PKEY *key = EVP_EC_gen("P-256");
	struct verdict v;
	struct err e;
	X509 *x = with_value(key, RATLS_FORM_DICE | RATLS_FORM_GRAMINE, broken,
		sizeof(broken));
	X509_EXTENSION *ext;

	assert_int_equal(
		ratls_verify(x, collateral, &options, &v, &e), -EINVAL);
	X509_free(x);
	/* Nor are two of one number better than one, good as they are. */
	x = make(key, RATLS_FORM_DICE);
	ext = X509_EXTENSION_dup(dice_of(x));
	X509_add_ext(x, ext, -1);
	X509_EXTENSION_free(ext);
	sign_again(x, key);
	assert_int_equal(
		ratls_verify(x, collateral, &options, &v, &e), -EINVAL);
	X509_free(x);
	x = make(key, RATLS_FORM_LEGACY);
	ext = X509_EXTENSION_dup(find_ext(x, RATLS_OID, RATLS_OID_SIZE));
	X509_add_ext(x, ext, -1);
	X509_EXTENSION_free(ext);
	assert_int_equal(
		ratls_verify(x, collateral, &options, &v, &e), -EINVAL);
	/* And without any there is nothing to judge. */
	while (X509_get_ext_count(x) > 0)
		X509_EXTENSION_free(X509_delete_ext(x, 0));
	assert_int_equal(
		ratls_verify(x, collateral, &options, &v, &e), -ENOENT);
	X509_free(x);
	EVP_PKEY_free(key);
}

static void test_nonce(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-384");
	struct ratls_spec spec = spec_for(key, 0);
	struct ratls_options o = options;
	struct answer a = {0};
	struct verdict v;
	uint8_t nonce[64];
	X509 *x, *without = make(key, 0);

	memset(nonce, 7, sizeof(nonce));
	spec.nonce = (struct span){nonce, sizeof(nonce)};
	assert_int_equal(ratls_make(&spec, quote, &a, &x, NULL), 0);
	verify(x, &o, &v);
	expect_only(&v, NULL);
	o.nonce = spec.nonce;
	verify(x, &o, &v);
	expect_only(&v, NULL);
	verify(without, &o, &v);
	expect_only(&v, "ratls-nonce");
	o.nonce.size--;
	verify(x, &o, &v);
	expect_only(&v, "ratls-nonce");
	o.nonce = (struct span){(uint8_t[64]){0}, 64};
	verify(x, &o, &v);
	expect_only(&v, "ratls-nonce");
	X509_free(without);
	X509_free(x);
	EVP_PKEY_free(key);
}

static void test_certificate(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256");
	struct ratls_options o = options;
	struct verdict v;
	X509 *x = make(key, 0);

	o.evidence.at = SNP_PLATFORM_UNTIL + 1;
	verify(x, &o, &v);
	assert_true(fails(&v, "ratls-date"));
	assert_true(fails(&v, "snp-date"));
	/* Signed by another key, its own one left in it. */
	assert_true(X509_sign(x, other, EVP_sha256()) > 0);
	verify(x, &options, &v);
	expect_only(&v, "ratls-signature");
	X509_free(x);
	EVP_PKEY_free(other);
	EVP_PKEY_free(key);
}

static void test_refused_specs(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-256"), *p521 = EVP_EC_gen("P-521");
	EVP_PKEY *rsa = EVP_RSA_gen(2048);
	char name[66];
	struct ratls_spec good = spec_for(key, 0), s;
	struct answer a = {0};
	uint8_t nonce[65] = {0};
	struct err e;
	X509 *x = NULL;

	memset(name, 'a', 65);
	name[65] = '\0';
#define REFUSED(change, want)                                                \
	do {                                                                 \
		s = good;                                                    \
		change;                                                      \
		assert_int_equal(ratls_make(&s, quote, &a, &x, &e), (want)); \
		assert_null(x);                                              \
	} while (0)
	REFUSED(s.key = p521, -EINVAL);
	REFUSED(s.key = rsa, -EINVAL);
	REFUSED(s.key = NULL, -EINVAL);
	REFUSED(s.common_name = NULL, -EINVAL);
	REFUSED(s.common_name = "", -EINVAL);
	REFUSED(s.common_name = name, -EINVAL);
	REFUSED(s.until = s.from - 1, -EINVAL);
	REFUSED((s.nonce = (struct span){nonce, 65}), -EINVAL);
	REFUSED(s.forms = RATLS_FORM_LEGACY | RATLS_FORM_GRAMINE, -EINVAL);
	assert_int_equal(a.calls, 0);
	a.wrong_data = true;
	REFUSED((void)0, -EPROTO);
	a = (struct answer){.garbage = true};
	REFUSED((void)0, -EINVAL);
	a = (struct answer){.rc = -EAGAIN};
	REFUSED((void)0, -EAGAIN);
	assert_string_equal(e.text, "no quote today");
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(p521);
	EVP_PKEY_free(key);
}

/* Q: a byte string of evidence; H: 58 20 and 32 bytes of a hash; K: the key
 * "pubkey-hash"; P: its good value. */
static size_t expand(const char *row, uint8_t *out)
{
	static const char digits[] = "0123456789abcdef";
	static const char key[] = "\x6bpubkey-hash";
	size_t n = 0;

	for (; *row; row++) {
		if (*row == ' ')
			continue;
		if (*row == 'Q') {
			memcpy(out + n, "\x43quo", 4);
			n += 4;
		} else if (*row == 'H') {
			memcpy(out + n, "\x58\x20", 2);
			memset(out + n + 2, 0xaa, 32);
			n += 34;
		} else if (*row == 'K') {
			memcpy(out + n, key, 12);
			n += 12;
		} else if (*row == 'P') {
			memcpy(out + n, "\x58\x24\x82\x01\x58\x20", 6);
			memset(out + n + 6, 0xaa, 32);
			n += 38;
		} else {
			out[n++] = (uint8_t)((strchr(digits, row[0]) - digits)
					<< 4 |
				(strchr(digits, row[1]) - digits));
			row++;
		}
	}
	return n;
}

static void test_parse(void **state)
{
	static const struct {
		const char *row;
		bool ok;
	} rows[] = {
		{"d9ea60 82 Q 5833 a1 K P", true},
		{"d9ea61 82 Q 5833 a1 K P", true},
		{"d9ea62 82 Q 5833 a1 K P", true},
		{"da534e5031 82 Q 5833 a1 K P", true},
		/* Other claims, of any kind, in any order. */
		{"d9ea60 82 Q 583a a3 6161 8101 K P 6162 f6", true},
		{"d9ea60 82 Q 583d a2 K P 656e6f6e6365 43010203", true},
		/* Tags, arrays, trailing bytes, nothing. */
		{"", false},
		{"82 Q 5833 a1 K P", false},
		{"d9ea5f 82 Q 5833 a1 K P", false},
		{"d9ea63 82 Q 5833 a1 K P", false},
		{"daea600000 82 Q 5833 a1 K P", false},
		{"da0000ea60 82 Q 5833 a1 K P", false},
		{"d9ea60 d9ea60 82 Q 5833 a1 K P", false},
		{"d9ea60 81 Q", false},
		{"d9ea60 83 Q 5833 a1 K P 00", false},
		{"d9ea60 82 Q 5833 a1 K P 00", false},
		{"d9ea60 82 Q 5833 a1 K", false},
		{"d9ea60 82 63717561 5833 a1 K P", false},
		{"d9ea60 82 Q f6", false},
		/* Indefinite lengths, and others than the shortest. */
		{"d9ea60 9f Q 5833 a1 K P ff", false},
		{"d9ea60 82 5f Q ff 5833 a1 K P", false},
		{"d9ea60 82 Q 5834 bf K P ff", false},
		{"d9ea60 82 5803 717561 5833 a1 K P", false},
		{"d9ea60 82 Q 590033 a1 K P", false},
		/* Claims. */
		{"d9ea60 82 Q 41 a0", false},
		{"d9ea60 82 Q 43 a16161", false},
		{"d9ea60 82 Q 5834 a1 K P 00", false},
		{"d9ea60 82 Q 5865 a2 K P K P", false},
		{"d9ea60 82 Q 583f a3 K P 656e6f6e6365 40 656e6f6e6365 40",
			false},
		{"d9ea60 82 Q 583a a2 K P 656e6f6e6365 01", false},
		{"d9ea60 82 Q 5836 a2 K P 0101", false},
		/* The hash. */
		{"d9ea60 82 Q 5833 a1 K 5824 8202 H", false},
		{"d9ea60 82 Q 5833 a1 K 5824 8207 H", false},
		{"d9ea60 82 Q 5833 a1 K 5824 8208 H", false},
		{"d9ea60 82 Q 5834 a1 K 5825 8201 H 00", false},
		{"d9ea60 82 Q 5834 a1 K 5825 8301 H 00", false},
		{"d9ea60 82 Q 5832 a1 K 5823 81 H", false},
		{"d9ea60 82 Q 5831 a1 K 8201 H", false},
	};
	struct ratls_evidence r;
	uint8_t bytes[256];
	struct err e;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t size = expand(rows[i].row, bytes);
		int rc = ratls_parse(bytes, size, &r, &e);

		if (rc != (rows[i].ok ? 0 : -EINVAL))
			fail_msg("%s: %d %s", rows[i].row, rc, e.text);
		if (rc)
			continue;
		assert_int_equal(r.hash, RATLS_SHA256);
		assert_int_equal(r.key_hash.size, 32);
		assert_memory_equal(r.evidence.data, "quo", 3);
		/* No beginning of it is one too. */
		for (size_t n = 0; n < size; n++) {
			uint8_t *cut = malloc(n + 1);

			memcpy(cut, bytes, n);
			assert_int_equal(
				ratls_parse(cut, n, &r, NULL), -EINVAL);
			free(cut);
		}
	}
}

static const json_t *gramine_expected(void)
{
	const json_t *item;
	size_t i;

	json_array_foreach(vectors_cases(), i, item)
	{
		if (!strcmp(json_string_value(json_object_get(item, "kind")),
			    "ratls"))
			return json_object_get(item, "expect");
	}
	fail_msg("no case of RA-TLS");
	return NULL;
}

static void expect_hex(
	const json_t *expected, const char *member, const void *data, size_t n)
{
	const char *hex = json_string_value(json_object_get(expected, member));
	uint8_t want[512];

	assert_non_null(hex);
	assert_int_equal(strlen(hex), 2 * n);
	assert_true(string_from_hex(hex, want, n));
	assert_memory_equal(want, data, n);
}

static void check_gramine(const struct verdict *v, const json_t *expected)
{
	const struct verdict_field *f = verdict_field(v, "mrenclave");

	expect_hex(expected, "mrenclave", f->bytes, f->size);
	f = verdict_field(v, "mrsigner");
	expect_hex(expected, "mrsigner", f->bytes, f->size);
	assert_true(v->debug);
	assert_true(v->signature && v->chain);
	assert_false(fails(v, "ratls-key"));
	assert_false(fails(v, "ratls-binding"));
	assert_false(fails(v, "ratls-date"));
	assert_false(fails(v, "ratls-tag"));
}

/* Its quote's TCB cannot be judged: no collateral was published with it. */
static void test_gramine(void **state)
{
	const json_t *expected = gramine_expected();
	struct span pem = vectors_read("ratls/gramine-cert.pem");
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.size);
	X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	struct ratls_options o = {
		.evidence = {.at = 1760000000, .no_crl = true}};
	struct collateral_files none = {0};
	struct collateral *c;
	struct ratls_evidence r;
	struct verdict v;

	assert_non_null(x);
	assert_int_equal(ratls_find(x, &r, NULL), 0);
	assert_int_equal(r.tag, RATLS_TAG_QUOTE);
	assert_int_equal(r.hash, RATLS_SHA256);
	expect_hex(expected, "claims_hex", r.claims.data, r.claims.size);
	expect_hex(expected, "spki_sha256", r.key_hash.data, 32);
	assert_int_equal(collateral_new(&none, NULL, &c, NULL), 0);
	assert_int_equal(ratls_verify(x, c, &o, &v, NULL), 0);
	check_gramine(&v, expected);
	assert_false(fails(&v, "ratls-signature"));

	/* Without the interoperable one, its other extension. */
	for (int i = 0; i < X509_get_ext_count(x); i++)
		if (X509_get_ext(x, i) == dice_of(x)) {
			X509_EXTENSION_free(X509_delete_ext(x, i));
			break;
		}
	assert_int_equal(ratls_find(x, &r, NULL), 0);
	assert_int_equal(r.tag, RATLS_NO_TAG);
	assert_int_equal(ratls_verify(x, c, &o, &v, NULL), 0);
	check_gramine(&v, expected);
	collateral_free(c);
	X509_free(x);
	BIO_free(bio);
	vectors_free(pem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_other_key),
		cmocka_unit_test(test_binding),
		cmocka_unit_test(test_no_fallback),
		cmocka_unit_test(test_nonce),
		cmocka_unit_test(test_certificate),
		cmocka_unit_test(test_refused_specs),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_gramine),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

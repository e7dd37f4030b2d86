/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates, lists of them, chains and revocation lists, of a hierarchy that
 * is made here by libcrypto's own encoder. */
#include "test/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "attest/chain.h"
#include "attest/crl.h"
#include "attest/pki.h"
#include "attest/x509_int.h"

enum { ROOT, CA, LEAF, OTHER, CERTS };
enum { FROM = 1000000, UNTIL = 2000000 };

static const struct chain_rules chain_rules = {"path", "root", "date"};
static const struct crl_rules crl_rules = {
	"missing", "issuer", "signature", "crl-date", "revoked"};

static EVP_PKEY *keys[CERTS];
static X509 *made[CERTS];
static struct x509_cert *certs[CERTS];
static struct x509_list all;
static struct roots roots;

static struct x509_cert *decode(X509 *x)
{
	struct x509_cert *cert;
	uint8_t *der = NULL;
	int size = i2d_X509(x, &der);

	assert_true(size > 0);
	assert_int_equal(x509_cert_new(der, (size_t)size, &cert, NULL), 0);
	OPENSSL_free(der);
	return cert;
}

static int setup(void **state)
{
	static const struct {
		const char *name;
		int issuer, path_length;
	} rows[CERTS] = {
		[ROOT] = {"Test Root CA", ROOT, 1},
		[CA] = {"Test CA", ROOT, 0},
		[LEAF] = {"Test Leaf", CA, -1},
		[OTHER] = {"Test Root CA", OTHER, 1},
	};

	for (int i = 0; i < CERTS; i++) {
		uint8_t secret[PKI_SECRET_SIZE] = {(uint8_t)(i + 1)};
		struct pki_certificate spec = {.common_name = rows[i].name,
			.organization = "Test",
			.from = FROM + i,
			.until = UNTIL - i,
			.path_length = rows[i].path_length};

		if (pki_key_derive(secret, &keys[i]))
			return -1;
		spec.key = keys[i];
		spec.issuer = rows[i].issuer == i ? NULL : made[rows[i].issuer];
		spec.issuer_key = keys[rows[i].issuer];
		if (pki_certificate_make(&spec, &made[i]))
			return -1;
		certs[i] = decode(made[i]);
		x509_list_add(&all, certs[i]);
	}
	roots.count = 1;
	memcpy(roots.spki[0], x509_cert_spki_hash(certs[ROOT]), 32);
	return 0;
}

static int teardown(void **state)
{
	x509_list_fini(&all);
	for (int i = 0; i < CERTS; i++) {
		x509_cert_unref(certs[i]);
		X509_free(made[i]);
		EVP_PKEY_free(keys[i]);
	}
	return 0;
}

static void test_decode(void **state)
{
	unsigned size = 32;
	uint8_t hash[32];
	BIGNUM *n, *seen;

	for (int i = 0; i < CERTS; i++) {
		assert_int_equal(x509_cert_not_before(certs[i]), FROM + i);
		assert_int_equal(x509_cert_not_after(certs[i]), UNTIL - i);
		assert_int_equal(
			X509_digest(made[i], EVP_sha256(), hash, &size), 1);
		assert_memory_equal(certs[i]->hash, hash, 32);
		n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(made[i]), NULL);
		seen = BN_bin2bn(
			certs[i]->serial.at, (int)certs[i]->serial.left, NULL);
		assert_int_equal(BN_cmp(seen, n), 0);
		BN_free(seen);
		BN_free(n);
	}
	assert_string_equal(x509_cert_subject(certs[LEAF]), "Test Leaf");
	assert_string_equal(x509_cert_issuer(certs[LEAF]), "Test CA");
	assert_true(x509_cert_named(certs[LEAF], "Leaf"));
	assert_false(x509_cert_named(certs[LEAF], "leaf"));
	assert_false(x509_cert_named(certs[LEAF], "A Test Leaf"));
	assert_true(x509_cert_self_issued(certs[ROOT]));
	assert_false(x509_cert_self_issued(certs[CA]));
	assert_true(certs[CA]->ca && !certs[LEAF]->ca);
	assert_int_equal(certs[CA]->path_len, 0);
	assert_int_equal(certs[LEAF]->path_len, X509_NO_LIMIT);
	assert_int_equal(
		ecdsa_key_curve(x509_cert_key(certs[LEAF])), ECDSA_P256);
}

static void test_verify(void **state)
{
	assert_int_equal(x509_cert_verify(certs[LEAF], certs[CA], 0), 0);
	assert_int_equal(x509_cert_verify(certs[CA], certs[ROOT], 1), 0);
	assert_int_equal(
		x509_cert_verify(certs[LEAF], certs[ROOT], 0), -ENOENT);
	assert_int_equal(
		x509_cert_verify(certs[CA], certs[OTHER], 1), -EBADMSG);
	/* Remembered for one key, not for another. */
	assert_int_equal(x509_cert_verify(certs[CA], certs[ROOT], 1), 0);
	assert_int_equal(x509_cert_verify(certs[CA], certs[ROOT], 2), -EACCES);
}

/* No bit of a certificate can change unnoticed. */
static void test_flips(void **state)
{
	struct x509_cert *good = certs[LEAF], *bad;
	uint8_t *der = malloc(good->size);

	assert_non_null(der);
	for (size_t bit = 0; bit < 8 * good->size; bit++) {
		memcpy(der, good->der, good->size);
		der[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (x509_cert_new_der(der, good->size, &bad))
			continue;
		if (x509_cert_verify(bad, certs[CA], 0) == 0)
			fail_msg("bit %zu of byte %zu", bit % 8, bit / 8);
		x509_cert_unref(bad);
	}
	for (size_t size = 0; size < good->size; size++) {
		uint8_t *cut = malloc(size ? size : 1);

		memcpy(cut, good->der, size);
		assert_int_equal(x509_cert_new_der(cut, size, &bad), -EINVAL);
		free(cut);
	}
	free(der);
}

static void test_pem(void **state)
{
	X509 *const order[] = {made[ROOT], made[LEAF], made[CA]};
	struct x509_list list = {0}, again = {0};
	size_t size;
	char *pem, *padded;
	struct err e;

	assert_int_equal(pki_pem(order, 3, &pem, &size), 0);
	padded = calloc(1, size + 40);
	assert_non_null(padded);
	memcpy(padded, "a comment\n", 10);
	memcpy(padded + 10, pem, size);
	assert_int_equal(
		x509_list_parse(&list, &all, padded, size + 40, &e), 0);
	assert_int_equal(list.count, 3);
	assert_ptr_equal(list.certs[0], certs[ROOT]); /* not decoded again */
	assert_ptr_equal(list.certs[1], certs[LEAF]);
	assert_ptr_equal(x509_list_find(&list, "Leaf"), certs[LEAF]);
	assert_null(x509_list_find(&list, "Nobody"));
	/* What is there already stays one. */
	assert_int_equal(x509_list_parse(&list, NULL, pem, size, &e), 0);
	assert_int_equal(list.count, 3);
	/* Cut anywhere: fewer certificates, or none and an error. */
	for (size_t cut = 0; cut < size; cut++) {
		int rc = x509_list_parse(&again, NULL, pem, cut, &e);

		assert_true(rc == -EINVAL || again.count < 3 || cut + 2 > size);
		assert_true(rc == 0 || again.count == 0);
		x509_list_fini(&again);
	}
	padded[size / 2] = '\0';
	assert_int_equal(
		x509_list_parse(&again, NULL, padded, size, &e), -EINVAL);
	x509_list_fini(&list);
	free(padded);
	free(pem);
}

static void refuse_pem(const char *text)
{
	struct x509_list list = {0};
	struct err e = {0};

	assert_int_equal(
		x509_list_parse(&list, NULL, text, strlen(text), &e), -EINVAL);
	assert_true(strlen(e.text) > 0);
	assert_int_equal(list.count, 0);
}

static void test_bad_pem(void **state)
{
	struct x509_list list = {0};
	struct x509_cert *cert;
	uint8_t *large = calloc(1, X509_LIST_SIZE + 1);
	char *pem;
	size_t size;
	BIO *bio = BIO_new(BIO_s_mem());
	X509 *const two[] = {made[ROOT], made[LEAF]};

	refuse_pem("");
	refuse_pem("rubbish");
	refuse_pem("-----BEGIN CERTIFICATE-----\n");
	refuse_pem("-----BEGIN CERTIFICATE-----\nMAA=\n"
		   "-----END CERTIFICATE-----\n");
	refuse_pem("-----BEGIN CERTIFICATE-----\n!!!!\n"
		   "-----END CERTIFICATE-----\n");
	refuse_pem("-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\n\n"
		   "MAA=\n-----END CERTIFICATE-----\n");
	assert_int_equal(PEM_write_bio_PUBKEY(bio, keys[0]), 1);
	size = (size_t)BIO_get_mem_data(bio, &pem);
	assert_int_equal(
		x509_list_parse(&list, NULL, pem, size, NULL), -EINVAL);
	BIO_free(bio);
	large[0] = 0x30;
	assert_int_equal(
		x509_list_parse(&list, NULL, large, X509_LIST_SIZE + 1, NULL),
		-EINVAL);
	assert_int_equal(
		x509_list_parse(&list, NULL, large, X509_CERT_MAX + 1, NULL),
		-EINVAL);
	free(large);
	assert_int_equal(pki_pem(two, 2, &pem, &size), 0);
	assert_int_equal(x509_cert_new(pem, size, &cert, NULL), -EINVAL);
	free(pem);
}

/* More certificates than any chain has. */
static void test_many(void **state)
{
	struct x509_list list = {0};
	X509 *many[X509_LIST_MAX + 1];
	size_t size;
	char *pem;

	for (int i = 0; i <= X509_LIST_MAX; i++) {
		struct pki_certificate spec = {.common_name = "Many",
			.organization = "Test",
			.key = keys[0],
			.issuer_key = keys[0],
			.from = FROM + i,
			.until = UNTIL,
			.path_length = -1};

		assert_int_equal(pki_certificate_make(&spec, &many[i]), 0);
	}
	assert_int_equal(pki_pem(many, X509_LIST_MAX, &pem, &size), 0);
	assert_int_equal(x509_list_parse(&list, NULL, pem, size, NULL), 0);
	assert_int_equal(list.count, X509_LIST_MAX);
	x509_list_add(&list, certs[ROOT]);
	assert_int_equal(list.count, X509_LIST_MAX);
	x509_list_fini(&list);
	free(pem);
	assert_int_equal(pki_pem(many, X509_LIST_MAX + 1, &pem, &size), 0);
	assert_int_equal(
		x509_list_parse(&list, NULL, pem, size, NULL), -EINVAL);
	assert_int_equal(list.count, 0);
	free(pem);
	for (int i = 0; i <= X509_LIST_MAX; i++)
		X509_free(many[i]);
}

static void test_chain(void **state)
{
	const struct x509_list *const lists[] = {NULL, &all};
	struct roots none = {0};
	struct chain chain;
	struct verdict v;

	verdict_init(&v, EVIDENCE_SGX_V3);
	assert_true(chain_build(
		&chain, certs[LEAF], lists, 2, &roots, &chain_rules, &v));
	assert_int_equal(chain.count, 3);
	assert_ptr_equal(chain.certs[2], certs[ROOT]);
	assert_true(chain_dates(&chain, FROM + LEAF, &chain_rules, &v));
	assert_true(chain_dates(&chain, UNTIL - LEAF, &chain_rules, &v));
	assert_int_equal(v.failure_count, 0);
	assert_int_equal(v.valid_from, FROM + LEAF);
	assert_int_equal(v.valid_until, UNTIL - LEAF);
	assert_false(chain_dates(&chain, FROM + LEAF - 1, &chain_rules, &v));
	assert_int_equal(v.failure_count, 1);
	assert_string_equal(v.failures[0].rule, "date");

	verdict_init(&v, EVIDENCE_SGX_V3);
	assert_false(chain_build(
		&chain, certs[LEAF], lists, 2, &none, &chain_rules, &v));
	assert_string_equal(v.failures[0].rule, "root");
	assert_false(chain_build(
		&chain, certs[OTHER], lists, 2, &roots, &chain_rules, &v));
	assert_int_equal(v.failure_count, 2);
	assert_string_equal(v.failures[1].rule, "root");
	assert_false(chain_build(
		&chain, certs[LEAF], lists, 1, &roots, &chain_rules, &v));
	assert_string_equal(v.failures[2].rule, "path");
}

static void crl_bytes(int issuer, int key, int revoked, struct crl **crl)
{
	uint8_t *der;
	size_t size;

	assert_int_equal(pki_crl(made[issuer], keys[key], FROM, UNTIL, 7,
				 &made[revoked < 0 ? 0 : revoked],
				 revoked < 0 ? 0 : 1, &der, &size),
		0);
	assert_int_equal(crl_new(der, size, crl, NULL), 0);
	free(der);
}

static bool check(struct crl *crl, int64_t at, struct verdict *v)
{
	verdict_init(v, EVIDENCE_SGX_V3);
	return crl_check(crl, certs[CA], certs[LEAF], at, &crl_rules, v);
}

static void test_crl(void **state)
{
	struct verdict v;
	struct crl *crl;

	crl_bytes(CA, CA, -1, &crl);
	assert_true(check(crl, FROM, &v));
	assert_true(check(crl, UNTIL, &v));
	assert_int_equal(v.failure_count, 0);
	assert_int_equal(v.valid_from, FROM);
	assert_int_equal(v.valid_until, UNTIL);
	assert_true(check(crl, UNTIL + 1, &v));
	assert_string_equal(v.failures[0].rule, "crl-date");
	crl_free(crl);
	crl_bytes(CA, CA, LEAF, &crl);
	assert_int_equal(crl_count(crl), 1);
	assert_false(check(crl, FROM, &v));
	assert_string_equal(v.failures[0].rule, "revoked");
	crl_free(crl);
	crl_bytes(CA, CA, ROOT, &crl); /* another */
	assert_true(check(crl, FROM, &v));
	crl_free(crl);
	crl_bytes(ROOT, ROOT, -1, &crl);
	assert_false(check(crl, FROM, &v));
	assert_string_equal(v.failures[0].rule, "issuer");
	crl_free(crl);
	crl_bytes(CA, ROOT, -1, &crl);
	assert_false(check(crl, FROM, &v));
	assert_string_equal(v.failures[0].rule, "signature");
	crl_free(crl);
	assert_false(check(NULL, FROM, &v));
	assert_string_equal(v.failures[0].rule, "missing");
}

/* DER, hex and PEM are one list; anything cut is none. */
static void test_crl_forms(void **state)
{
	struct verdict v;
	struct crl *crl;
	uint8_t *der;
	size_t size, pem_size;
	char *hex, *pem;
	X509_CRL *x;
	BIO *bio = BIO_new(BIO_s_mem());
	const uint8_t *at;

	assert_int_equal(pki_crl(made[CA], keys[CA], FROM, UNTIL, 7,
				 &made[LEAF], 1, &der, &size),
		0);
	hex = calloc(1, 2 * size + 3);
	for (size_t i = 0; i < size; i++)
		snprintf(hex + 2 * i, 3, i % 2 ? "%02x" : "%02X", der[i]);
	strcat(hex, "\r\n");
	assert_int_equal(crl_new(hex, 2 * size + 3, &crl, NULL), 0);
	assert_false(check(crl, FROM, &v));
	assert_string_equal(v.failures[0].rule, "revoked");
	crl_free(crl);
	hex[11] = 'g';
	assert_int_equal(crl_new(hex, 2 * size, &crl, NULL), -EINVAL);
	at = der;
	x = d2i_X509_CRL(NULL, &at, (long)size);
	assert_int_equal(PEM_write_bio_X509_CRL(bio, x), 1);
	pem_size = (size_t)BIO_get_mem_data(bio, &pem);
	assert_int_equal(crl_new(pem, pem_size, &crl, NULL), 0);
	assert_false(check(crl, FROM, &v));
	crl_free(crl);
	X509_CRL_free(x);
	BIO_free(bio);
	for (size_t cut = 0; cut < size; cut++) {
		uint8_t *copy = malloc(cut ? cut : 1);

		memcpy(copy, der, cut);
		assert_int_equal(crl_new(copy, cut, &crl, NULL), -EINVAL);
		free(copy);
	}
	for (size_t bit = 0; bit < 8 * size; bit++) {
		der[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (crl_new(der, size, &crl, NULL) == 0) {
			assert_false(check(crl, FROM, &v));
			crl_free(crl);
		}
		der[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	free(hex);
	free(der);
}

/* Names as other encoders write them. */
static void test_names(void **state)
{
	static const uint8_t a[] = "\x30\x14\x31\x12\x30\x10\x06\x03\x55\x04"
				   "\x03\x0c\x09"
				   "Some Name";
	static const uint8_t b[] = "\x30\x17\x31\x15\x30\x13\x06\x03\x55\x04"
				   "\x03\x13\x0c"
				   " sOME  nAME ";
	static const uint8_t c[] = "\x30\x14\x31\x12\x30\x10\x06\x03\x55\x04"
				   "\x03\x0c\x09"
				   "Some Nama";
	static const uint8_t d[] = "\x30\x14\x31\x12\x30\x10\x06\x03\x55\x04"
				   "\x0a\x0c\x09"
				   "Some Name";
	static const uint8_t empty[] = "\x30\x00";
	struct der na = {a, sizeof(a) - 1}, nb = {b, sizeof(b) - 1};
	struct der nc = {c, sizeof(c) - 1}, nd = {d, sizeof(d) - 1};
	struct der ne = {empty, 2};

	assert_true(x509_names_equal(&na, &na));
	assert_true(x509_names_equal(&na, &nb));
	assert_true(x509_names_equal(&nb, &na));
	assert_false(x509_names_equal(&na, &nc));
	assert_false(x509_names_equal(&na, &nd));
	assert_false(x509_names_equal(&na, &ne));
	assert_false(x509_names_equal(&ne, &na));
	assert_true(x509_names_equal(&ne, &ne));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_verify),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_pem),
		cmocka_unit_test(test_bad_pem),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_crl),
		cmocka_unit_test(test_crl_forms),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests_name("x509", tests, setup, teardown);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The emulated quoting enclave: which reports it takes, and that what it makes
 * stays of one platform. test/system/test_quoting.py looks at the quotes with
 * another implementation.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include "attest/evidence.h"
#include "emu/keys.h"
#include "emu/qe_int.h"
#include "test/unit/emu_fixture.h"
#include "test/unit/unit.h"

#define TARGET (DATA + 0x3600)
#define REPORTDATA (DATA + 0x3800)
#define REPORT (DATA + 0x3a00)

enum { SIGNATURE = 436, KEY = 500, QE_REPORT = 564, QE_SIGNATURE = 948 };

/* The report that an enclave makes for this target. */
static struct sgx_report report_for(const struct sgx_targetinfo *target)
{
	struct sgx_report report;
	struct fixture f;

	fixture_start(&f, EMU_FAST);
	memcpy((void *)(uintptr_t)TARGET, target, sizeof(*target));
	memset((void *)(uintptr_t)REPORTDATA, 0xdd, 64);
	assert_int_equal(
		fixture_enclu3(&f, SGX_EREPORT, TARGET, REPORTDATA, REPORT),
		SGX_EREPORT);
	memcpy(&report, (const void *)(uintptr_t)REPORT, sizeof(report));
	assert_memory_equal(report.body.mrenclave, f.mrenclave, 32);
	fixture_stop(&f);
	return report;
}

static struct emu_qe *qe_open(void)
{
	struct emu_qe *qe = NULL;
	struct err e = {0};

	if (emu_qe_new(&qe, &e) < 0)
		fail_msg("%s", e.text);
	return qe;
}

static bool signature_good(
	EVP_PKEY *key, const uint8_t *data, size_t size, const uint8_t raw[64])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t der[80], *p = der + 2;
	bool good;

	for (int i = 0; i < 2; i++, raw += 32) {
		*p++ = 2;
		*p++ = 33;
		*p++ = 0;
		memcpy(p, raw, 32);
		p += 32;
	}
	/* Zeros that DER has not are removed by reading and writing again. */
	der[0] = 0x30;
	der[1] = (uint8_t)(p - der - 2);
	for (int i = 0; i < 2; i++) {
		uint8_t *number = i == 0 ? der + 2 : der + 4 + der[3];

		while (number[1] > 1 && number[2] == 0 && number[3] < 0x80) {
			memmove(number + 2, number + 3,
				(size_t)(p - number - 3));
			number[1]--;
			der[1]--;
			p--;
		}
	}
	assert_int_equal(
		EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key), 1);
	good = EVP_DigestVerify(ctx, der, (size_t)(p - der), data, size) == 1;
	EVP_MD_CTX_free(ctx);
	return good;
}

static void test_quote(void **state)
{
	struct emu_qe *qe = qe_open();
	uint8_t quote[EMU_QE_QUOTE_MAX], hashed[96], hash[32];
	struct sgx_targetinfo target;
	struct sgx_report report;
	size_t size;

	emu_qe_target(qe, &target);
	report = report_for(&target);
	assert_int_equal(
		emu_qe_quote(qe, &report, quote, sizeof(quote), &size), 0);
	assert_int_equal(size, emu_qe_quote_size(qe));
	assert_memory_equal(quote + 48, &report.body, 384);
	assert_true(
		signature_good(qe->attestation, quote, 432, quote + SIGNATURE));
	assert_true(signature_good(
		qe->key[QE_PCK], quote + QE_REPORT, 384, quote + QE_SIGNATURE));
	memcpy(hashed, quote + KEY, 64);
	memcpy(hashed + 64, quote + 1012 + 2, 32);
	SHA256(hashed, 96, hash);
	assert_memory_equal(quote + QE_REPORT + 320, hash, 32);
	emu_qe_key_hash(qe, hash);
	assert_memory_equal(SHA256(quote + KEY, 64, hashed), hash, 32);
	/* No room. */
	assert_int_equal(
		emu_qe_quote(qe, &report, quote, size - 1, &size), -ENOSPC);
	assert_int_equal(size, emu_qe_quote_size(qe));
	emu_qe_free(qe);
}

/* Whatever is not exactly what the processor wrote. */
static void test_false_reports(void **state)
{
	struct emu_qe *qe = qe_open();
	uint8_t quote[EMU_QE_QUOTE_MAX];
	struct sgx_targetinfo target, other;
	struct sgx_report report, changed;
	size_t size;

	emu_qe_target(qe, &target);
	report = report_for(&target);
	for (size_t i = 0; i < 8 * sizeof(report); i++) {
		changed = report;
		((uint8_t *)&changed)[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_int_equal(
			emu_qe_quote(qe, &changed, quote, sizeof(quote), &size),
			-EACCES);
	}
	/* For somebody else. */
	for (size_t at = 0; at < 128; at++) {
		other = target;
		if (at == 48 || at == 49 || (at >= 56 && at < 64))
			continue; /* reserved */
		((uint8_t *)&other)[at] ^= 4;
		if (at % 16)
			continue;
		changed = report_for(&other);
		assert_int_equal(
			emu_qe_quote(qe, &changed, quote, sizeof(quote), &size),
			-EACCES);
	}
	assert_int_equal(
		emu_qe_quote(qe, &report, quote, sizeof(quote), &size), 0);
	emu_qe_free(qe);
}

/* What the quoting enclave itself reports, for the enclave that asked. */
static void test_qe_report(void **state)
{
	static const uint8_t nonce[16] = "nonce";
	struct emu_qe *qe = qe_open();
	struct sgx_targetinfo target = {.mrenclave = {1, 2, 3}};
	uint8_t key[16], mac[16], hashed[16 + 5], hash[32];
	struct sgx_report report;

	assert_int_equal(
		emu_qe_report(qe, &target, nonce, "quote", 5, &report), 0);
	assert_int_equal(
		keys_report(&qe->platform, &target, report.keyid, key), 0);
	assert_int_equal(keys_cmac(key, &report.body, 384, mac), 0);
	assert_memory_equal(mac, report.mac, 16);
	memcpy(hashed, nonce, 16);
	memcpy(hashed + 16, "quote", 5);
	SHA256(hashed, sizeof(hashed), hash);
	assert_memory_equal(report.body.reportdata, hash, 32);
	assert_string_equal((const char *)report.body.mrsigner,
		"SCONCE-EMULATED-QUOTING-ENCLAVE");
	emu_qe_free(qe);
}

static void data_path(char path[512], const char *name)
{
	snprintf(path, 512, "%s/sconce/%s", getenv("XDG_DATA_HOME"), name);
}

/* A root that is not valid yet, in front of the other certificates. */
static void write_root_of_tomorrow(struct emu_qe *qe, const char *path)
{
	const struct pki_certificate spec = {.common_name = "x",
		.organization = "x",
		.key = qe->key[QE_ROOT],
		.issuer_key = qe->key[QE_ROOT],
		.from = time(NULL) + 86400,
		.until = time(NULL) + 2 * 86400,
		.path_length = 1};
	X509 *certs[QE_CERTS];
	size_t size;
	FILE *file;
	char *pem;

	memcpy(certs, qe->cert, sizeof(certs));
	assert_int_equal(pki_certificate_make(&spec, &certs[QE_ROOT]), 0);
	assert_int_equal(pki_pem(certs, QE_CERTS, &pem, &size), 0);
	file = fopen(path, "w");
	assert_int_equal(fwrite(pem, 1, size, file), size);
	fclose(file);
	free(pem);
	X509_free(certs[QE_ROOT]);
}

static void test_platforms(void **state)
{
	struct emu_qe *a = qe_open(), *b = qe_open();
	char path[512], *pem;
	uint8_t quote[EMU_QE_QUOTE_MAX], key_a[32], key_b[32];
	struct sgx_targetinfo target;
	struct sgx_report report;
	struct err e = {0};
	size_t size;
	FILE *file;

	/* One platform: the same keys and certificates. */
	emu_qe_key_hash(a, key_a);
	emu_qe_key_hash(b, key_b);
	assert_memory_equal(key_a, key_b, 32);
	assert_string_equal(a->chain, b->chain);
	emu_qe_free(b);
	/* The certificates lost, damaged, or not valid: made for the same
	 * keys. */
	data_path(path, "emulated-platform.pem");
	for (int damaged = 0; damaged < 3; damaged++) {
		if (damaged == 2) {
			write_root_of_tomorrow(a, path);
		} else if (damaged) {
			file = fopen(path, "w");
			fputs("-----BEGIN CERTIFICATE-----\nAAAA\n", file);
			fclose(file);
		} else {
			assert_int_equal(unlink(path), 0);
		}
		b = qe_open();
		for (int i = 0; i < QE_CERTS; i++)
			assert_int_equal(EVP_PKEY_eq(a->key[i], b->key[i]), 1);
		assert_string_not_equal(a->chain, b->chain);
		emu_qe_free(b);
	}
	/* Another platform: nothing is the same, its reports are refused. */
	emu_qe_target(a, &target);
	data_path(path, "platform");
	assert_int_equal(unlink(path), 0);
	report = report_for(&target);
	assert_int_equal(
		emu_qe_quote(a, &report, quote, sizeof(quote), &size), -EACCES);
	b = qe_open();
	emu_qe_key_hash(b, key_b);
	assert_memory_not_equal(key_a, key_b, 32);
	for (int i = 0; i < QE_CERTS; i++)
		assert_int_equal(EVP_PKEY_eq(a->key[i], b->key[i]), 0);
	assert_int_equal(
		emu_qe_quote(b, &report, quote, sizeof(quote), &size), 0);
	assert_int_equal(emu_root_pem(&pem, &size, &e), 0);
	assert_int_equal(strlen(pem), size);
	assert_non_null(strstr(b->chain, pem));
	free(pem);
	emu_qe_free(b);
	emu_qe_free(a);
}

static void test_collateral(void **state)
{
	static const char *const names[] = {"tcb_info.json",
		"tcb_info_chain.pem", "qe_identity.json",
		"qe_identity_chain.pem", "root_ca_crl.der", "pck_crl.der",
		"root_ca.pem"};
	struct emu_qe *qe = qe_open();
	struct err e = {0};
	char dir[512], path[600];
	struct stat st;

	data_path(dir, "collateral");
	for (int twice = 0; twice < 2; twice++)
		assert_int_equal(emu_qe_collateral(qe, dir, 1800000000, &e), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0644);
		assert_true(st.st_size > 100);
	}
	assert_int_equal(emu_qe_collateral(qe, dir, -1, &e), -ERANGE);
	assert_int_equal(emu_qe_collateral(qe, dir, INT64_MAX, &e), -ERANGE);
	assert_int_equal(
		emu_qe_collateral(qe, "/nowhere/at/all", 1800000000, &e),
		-ENOENT);
	emu_qe_free(qe);
}

/* ---- by our own verifier ---- */

struct evidence_files {
	struct collateral_files files;
	struct span root;
	char *data[8];
	size_t count;
};

static struct span load(struct evidence_files *f, const char *name)
{
	static char text[8192];
	char path[600], dir[512];
	size_t size;
	FILE *file;

	data_path(dir, "verify");
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "rb");
	assert_non_null(file);
	size = fread(text, 1, sizeof(text), file);
	fclose(file);
	f->data[f->count] = malloc(size);
	memcpy(f->data[f->count], text, size);
	return (struct span){f->data[f->count++], size};
}

static void load_files(struct evidence_files *f)
{
	*f = (struct evidence_files){0};
	f->files.tcb_info = load(f, "tcb_info.json");
	f->files.tcb_info_chain = load(f, "tcb_info_chain.pem");
	f->files.qe_identity = load(f, "qe_identity.json");
	f->files.qe_identity_chain = load(f, "qe_identity_chain.pem");
	f->files.root_ca_crl = load(f, "root_ca_crl.der");
	f->files.pck_crl = load(f, "pck_crl.der");
	f->root = load(f, "root_ca.pem");
}

static struct verdict verify(const struct evidence_files *f,
	const struct trust *trust, const uint8_t *quote, size_t size)
{
	const struct evidence_options options = {.at = (int64_t)time(NULL)};
	struct collateral *c = NULL;
	struct err e = {0};
	struct verdict v;

	if (collateral_new(&f->files, trust, &c, &e) < 0 ||
		evidence_verify(quote, size, c, &options, &v, &e) < 0) {
		/* Not evidence at all, or no certificates in it. */
		verdict_init(&v, EVIDENCE_SGX_V3);
		verdict_fail(&v, "unusable", e.text, "evidence");
	}
	collateral_free(c);
	return v;
}

static void test_verified(void **state)
{
	struct emu_qe *qe = qe_open();
	uint8_t quote[EMU_QE_QUOTE_MAX];
	struct sgx_targetinfo target;
	struct evidence_files f;
	struct sgx_report report;
	struct err e = {0};
	struct trust trust;
	struct verdict v;
	char dir[512];
	size_t size;

	data_path(dir, "verify");
	assert_int_equal(
		emu_qe_collateral(qe, dir, (int64_t)time(NULL), &e), 0);
	load_files(&f);
	emu_qe_target(qe, &target);
	report = report_for(&target);
	assert_int_equal(
		emu_qe_quote(qe, &report, quote, sizeof(quote), &size), 0);

	trust = (struct trust){&f.root, 1, true};
	v = verify(&f, &trust, quote, size);
	if (v.failure_count)
		fail_msg("%s: seen %s, wanted %s", v.failures[0].rule,
			v.failures[0].seen, v.failures[0].wanted);
	assert_int_equal(v.kind, EVIDENCE_SGX_V3);
	assert_true(v.signature && v.chain && v.emulated && !v.debug);
	assert_int_equal(v.tcb_status, TCB_UP_TO_DATE);
	assert_int_equal(v.tcb_evaluation, 1);
	assert_memory_equal(verdict_field(&v, "mrenclave")->bytes,
		report.body.mrenclave, 32);
	assert_true(v.valid_until > time(NULL) + 29 * 86400);
	/* Nobody believes it who was not told to. */
	v = verify(&f, NULL, quote, size);
	assert_true(v.failure_count > 0 && !v.chain && !v.emulated);
	for (size_t at = 0; at < 1012; at += at < 64 ? 1 : 13) {
		if (at >= 432 && at < 436)
			continue; /* the length */
		quote[at] ^= 0x10;
		v = verify(&f, &trust, quote, size);
		assert_true(v.failure_count > 0);
		quote[at] ^= 0x10;
	}
	for (size_t i = 0; i < f.count; i++)
		free(f.data[i]);
	emu_qe_free(qe);
}

/* The fixture gives the test a platform of its own. */
static int own_platform(void **state)
{
	struct fixture f;

	fixture_start(&f, EMU_FAST);
	fixture_stop(&f);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quote),
		cmocka_unit_test(test_false_reports),
		cmocka_unit_test(test_qe_report),
		cmocka_unit_test(test_collateral),
		cmocka_unit_test(test_verified),
		cmocka_unit_test(test_platforms),
	};

	return cmocka_run_group_tests_name("emu-qe", tests, own_platform, NULL);
}

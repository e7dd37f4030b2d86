/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealing on the emulator's EGETKEY: who opens what, and what each alteration
 * of a blob does.
 */
#define _GNU_SOURCE
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/seal.h"
#include "crypto/sha256.h"
#include "test/unit/sgx_model.h"

enum { SIZE = 100, BLOB = SEAL_OVERHEAD + SIZE };

static struct sgx_model enclave;
static uint8_t data[SIZE], blob[BLOB];
static int code; /* what EGETKEY answers; 0: the model's word */

static int key(void *ctx, const struct sgx_keyrequest *request,
	uint8_t out[SGX_KEY_SIZE])
{
	return code ? code : sgx_model_key(ctx, request, out);
}

static int make(enum seal_domain domain, enum seal_policy policy,
	const void *from, size_t size, void *to)
{
	static const struct sgx_targetinfo nobody;
	static uint8_t fresh[SEAL_FRESH_SIZE];
	struct sgx_report r;
	struct seal_self self = {.body = &r.body, .key = key};

	fresh[0]++;
	sgx_model = &enclave;
	sgx_model_report(&nobody, (const uint8_t[64]){0}, &r);
	return seal_make(&self, domain, policy, fresh, from, size, to);
}

static int open_as(enum seal_domain domain, const void *from, size_t size,
	void *to, struct err *e)
{
	static const struct sgx_targetinfo nobody;
	struct sgx_report r;
	struct seal_self self = {.body = &r.body, .key = key};

	sgx_model = &enclave;
	sgx_model_report(&nobody, (const uint8_t[64]){0}, &r);
	return seal_open(&self, domain, from, size, to, e);
}

static int setup(void **state)
{
	code = 0;
	sgx_model_init(&enclave);
	for (size_t i = 0; i < SIZE; i++)
		data[i] = (uint8_t)(3 * i + 1);
	return 0;
}

static void test_round_trip(void **state)
{
	static uint8_t in[70000], sealed[70000 + SEAL_OVERHEAD], out[70000];
	static const size_t sizes[] = {0, 1, 15, 16, 17, 4096, 65536, 70000};

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 7);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (int p = SEAL_MRENCLAVE; p <= SEAL_MRSIGNER; p++) {
			size_t n = sizes[i];

			assert_int_equal(
				make(SEAL_PROGRAM, p, in, n, sealed), 0);
			memset(out, 0, sizeof(out));
			assert_int_equal(open_as(SEAL_PROGRAM, sealed,
						 n + SEAL_OVERHEAD, out, NULL),
				0);
			assert_memory_equal(out, in, n);
			/* In place. */
			assert_int_equal(
				open_as(SEAL_PROGRAM, sealed, n + SEAL_OVERHEAD,
					sealed + SEAL_OVERHEAD, NULL),
				0);
			assert_memory_equal(sealed + SEAL_OVERHEAD, in, n);
		}
	}
}

static void test_fresh(void **state)
{
	uint8_t other[BLOB];

	assert_int_equal(
		make(SEAL_PROGRAM, SEAL_MRENCLAVE, data, SIZE, blob), 0);
	assert_int_equal(
		make(SEAL_PROGRAM, SEAL_MRENCLAVE, data, SIZE, other), 0);
	assert_memory_not_equal(
		blob + SEAL_OVERHEAD, other + SEAL_OVERHEAD, SIZE);
	/* No plaintext. */
	assert_null(memmem(blob, BLOB, data, 8));
}

/* ---- who opens what ---- */

static void same(struct sgx_model *e)
{
}

static void other_release(struct sgx_model *e)
{
	e->secs.mrenclave[31] ^= 1;
}

static void other_signer(struct sgx_model *e)
{
	e->secs.mrsigner[0] ^= 0x80;
}

static void other_manifest(struct sgx_model *e)
{
	e->secs.configid[63] ^= 1;
}

static void other_product(struct sgx_model *e)
{
	e->secs.isvprodid++;
}

static void debug(struct sgx_model *e)
{
	e->secs.attributes.flags |= SGX_ATTR_DEBUG;
}

static void provisioning(struct sgx_model *e)
{
	e->secs.attributes.flags |= SGX_ATTR_PROVISIONKEY;
}

static void more_state(struct sgx_model *e)
{
	e->secs.attributes.xfrm |= SGX_XFRM_AVX512;
}

static void no_exinfo(struct sgx_model *e)
{
	e->secs.miscselect = 0;
}

static void newer(struct sgx_model *e)
{
	e->secs.isvsvn++;
	e->secs.configsvn++;
	e->cpusvn[15]++;
}

static void older_release(struct sgx_model *e)
{
	e->secs.isvsvn--;
}

static void older_config(struct sgx_model *e)
{
	e->secs.configsvn--;
}

static void older_microcode(struct sgx_model *e)
{
	e->cpusvn[3]--;
}

static void other_machine(struct sgx_model *e)
{
	e->machine = 1;
}

static void other_owner(struct sgx_model *e)
{
	e->owner_epoch[0]++;
}

static const struct {
	const char *name;
	void (*change)(struct sgx_model *e);
	int by_code, by_signer; /* what opening gives afterwards */
	const char *text; /* in the message */
} changes[] = {
	{"same", same, 0, 0, NULL},
	{"other release", other_release, -EKEYREJECTED, 0, "MRENCLAVE"},
	{"other signer", other_signer, 0, -EKEYREJECTED, "MRSIGNER"},
	{"other manifest", other_manifest, -EKEYREJECTED, -EKEYREJECTED,
		"CONFIGID"},
	{"other product", other_product, -EKEYREJECTED, -EKEYREJECTED,
		"ISVPRODID"},
	{"debug", debug, -EKEYREJECTED, -EKEYREJECTED, "debug"},
	{"provisioning", provisioning, -EKEYREJECTED, -EKEYREJECTED,
		"ATTRIBUTES"},
	{"more state", more_state, 0, 0, NULL},
	{"no exinfo", no_exinfo, -EKEYREJECTED, -EKEYREJECTED, "MISCSELECT"},
	{"newer", newer, 0, 0, NULL},
	{"older release", older_release, -ESTALE, -ESTALE, "ISVSVN 3"},
	{"older config", older_config, -ESTALE, -ESTALE, "CONFIGSVN 7"},
	{"older microcode", older_microcode, -ESTALE, -ESTALE, "microcode"},
	{"other machine", other_machine, -EXDEV, -EXDEV, "another machine"},
	{"other owner", other_owner, -EXDEV, -EXDEV, "owner"},
};

static void test_who_opens(void **state)
{
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		for (int p = SEAL_MRENCLAVE; p <= SEAL_MRSIGNER; p++) {
			int want = p == SEAL_MRENCLAVE ? changes[i].by_code
						       : changes[i].by_signer;
			uint8_t out[SIZE] = {0};
			struct err e = {0};
			int err;

			setup(state);
			assert_int_equal(
				make(SEAL_PROGRAM, p, data, SIZE, blob), 0);
			changes[i].change(&enclave);
			err = open_as(SEAL_PROGRAM, blob, BLOB, out, &e);
			if (err != want)
				fail_msg("%s, policy %d: %d (%s); wanted %d",
					changes[i].name, p, err, e.text, want);
			if (err) {
				assert_int_equal(e.code, want);
				assert_non_null(
					strstr(e.text, changes[i].text));
				assert_memory_not_equal(out, data, SIZE);
			} else {
				assert_memory_equal(out, data, SIZE);
			}
		}
	}
}

static void test_domains(void **state)
{
	uint8_t out[SIZE];
	struct err e = {0};

	assert_int_equal(
		make(SEAL_SYSTEM, SEAL_MRENCLAVE, data, SIZE, blob), 0);
	assert_int_equal(
		open_as(SEAL_PROGRAM, blob, BLOB, out, &e), -EKEYREJECTED);
	assert_non_null(strstr(e.text, "purpose"));
	assert_int_equal(open_as(SEAL_SYSTEM, blob, BLOB, out, NULL), 0);
	assert_memory_equal(out, data, SIZE);
	assert_int_equal(
		make(SEAL_PROGRAM, SEAL_MRENCLAVE, data, SIZE, blob), 0);
	assert_int_equal(
		open_as(SEAL_SYSTEM, blob, BLOB, out, &e), -EKEYREJECTED);
}

/* ---- alterations ---- */

/* As somebody would who knows that there is a sum. */
static void mend_sum(uint8_t *b)
{
	uint8_t digest[SHA256_SIZE];

	sha256(b, offsetof(struct seal_header, sum), digest);
	memcpy(b + offsetof(struct seal_header, sum), digest, 16);
}

static void test_every_bit(void **state)
{
	uint8_t out[SIZE];

	assert_int_equal(
		make(SEAL_PROGRAM, SEAL_MRSIGNER, data, SIZE, blob), 0);
	for (size_t bit = 0; bit < 8 * BLOB; bit++) {
		size_t at = bit / 8;
		int want = at < 8 ? -EINVAL : at < 10 ? -EOPNOTSUPP : -EBADMSG;
		int err;

		blob[at] ^= (uint8_t)(1 << bit % 8);
		err = open_as(SEAL_PROGRAM, blob, BLOB, out, NULL);
		if (err != want)
			fail_msg("byte %zu: %d; wanted %d", at, err, want);
		blob[at] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(open_as(SEAL_PROGRAM, blob, BLOB, out, NULL), 0);
}

/* With the sum made good, the authentication is all there is. */
static void test_every_bit_with_care(void **state)
{
	uint8_t altered[BLOB], out[SIZE];

	for (int p = SEAL_MRENCLAVE; p <= SEAL_MRSIGNER; p++) {
		assert_int_equal(make(SEAL_PROGRAM, p, data, SIZE, blob), 0);
		for (size_t bit = 0; bit < 8 * BLOB; bit++) {
			size_t at = bit / 8;
			int err;

			if (at >= offsetof(struct seal_header, sum) &&
				at < offsetof(struct seal_header, tag))
				continue;
			memcpy(altered, blob, BLOB);
			altered[at] ^= (uint8_t)(1 << bit % 8);
			mend_sum(altered);
			err = open_as(SEAL_PROGRAM, altered, BLOB, out, NULL);
			if (!err)
				fail_msg("byte %zu, bit %zu: opened", at,
					bit % 8);
		}
	}
}

static void test_every_length(void **state)
{
	uint8_t longer[BLOB + 40] = {0}, out[BLOB];

	assert_int_equal(
		make(SEAL_PROGRAM, SEAL_MRSIGNER, data, SIZE, blob), 0);
	memcpy(longer, blob, BLOB);
	for (size_t n = 0; n < sizeof(longer); n++) {
		uint8_t *exact = malloc(n + 1);
		int err;

		memcpy(exact, longer, n);
		err = open_as(SEAL_PROGRAM, exact, n, out, NULL);
		assert_int_equal(err,
			n < SEAL_OVERHEAD   ? -EINVAL
				: n != BLOB ? -EBADMSG
					    : 0);
		free(exact);
	}
}

/* Parts of two blobs do not make a third. */
static void test_mixed(void **state)
{
	static const size_t cuts[] = {offsetof(struct seal_header, cpusvn),
		offsetof(struct seal_header, keyid),
		offsetof(struct seal_header, check),
		offsetof(struct seal_header, tag), SEAL_OVERHEAD};
	uint8_t a[BLOB], b[BLOB], mixed[BLOB], out[SIZE];

	assert_int_equal(make(SEAL_PROGRAM, SEAL_MRSIGNER, data, SIZE, a), 0);
	assert_int_equal(make(SEAL_PROGRAM, SEAL_MRSIGNER, data, SIZE, b), 0);
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		memcpy(mixed, a, cuts[i]);
		memcpy(mixed + cuts[i], b + cuts[i], BLOB - cuts[i]);
		mend_sum(mixed);
		/* Before KEYID both are the same. */
		if (cuts[i] <= offsetof(struct seal_header, keyid)) {
			assert_int_equal(
				open_as(SEAL_PROGRAM, mixed, BLOB, out, NULL),
				0);
			continue;
		}
		assert_true(open_as(SEAL_PROGRAM, mixed, BLOB, out, NULL) < 0);
	}
}

/* ---- the rest ---- */

static void test_without_kss(void **state)
{
	uint8_t raw[SEAL_RAW_KEY_SIZE];
	struct sgx_report_body body = {.attributes.flags = SGX_ATTR_INIT};
	struct seal_self self = {.body = &body, .key = key};

	enclave.secs.attributes.flags &= ~SGX_ATTR_KSS;
	memset(enclave.secs.configid, 0, 64);
	enclave.secs.configsvn = 0;
	assert_int_equal(make(SEAL_PROGRAM, SEAL_MRSIGNER, data, SIZE, blob),
		-EOPNOTSUPP);
	assert_int_equal(seal_raw_key(&self, SEAL_MRSIGNER, raw), -EOPNOTSUPP);
}

static void test_egetkey_refuses(void **state)
{
	uint8_t out[SIZE];

	assert_int_equal(
		make(SEAL_PROGRAM, SEAL_MRSIGNER, data, SIZE, blob), 0);
	code = SGX_INVALID_KEYNAME;
	assert_int_equal(open_as(SEAL_PROGRAM, blob, BLOB, out, NULL), -EIO);
	assert_int_equal(
		make(SEAL_PROGRAM, SEAL_MRSIGNER, data, SIZE, blob), -EIO);
}

struct raw {
	uint8_t bytes[SEAL_RAW_KEY_SIZE];
};

static struct raw raw_key(enum seal_policy policy)
{
	static const struct sgx_targetinfo nobody;
	struct sgx_report r;
	struct seal_self self = {.body = &r.body, .key = key};
	struct raw k;

	sgx_model = &enclave;
	sgx_model_report(&nobody, (const uint8_t[64]){0}, &r);
	assert_int_equal(seal_raw_key(&self, policy, k.bytes), 0);
	return k;
}

static void test_raw_keys(void **state)
{
	struct raw by_code = raw_key(SEAL_MRENCLAVE);
	struct raw by_signer = raw_key(SEAL_MRSIGNER), k;
	struct sgx_keyrequest request = {.keyname = SGX_KEY_SEAL,
		.keypolicy = SEAL_MRSIGNER | SGX_KEYPOLICY_CONFIGID,
		.isvsvn = 3,
		.configsvn = 7};

	assert_memory_not_equal(&by_code, &by_signer, sizeof(by_code));
	other_release(&enclave);
	k = raw_key(SEAL_MRSIGNER);
	assert_memory_equal(&k, &by_signer, sizeof(k));
	k = raw_key(SEAL_MRENCLAVE);
	assert_memory_not_equal(&k, &by_code, sizeof(k));
	other_manifest(&enclave);
	k = raw_key(SEAL_MRSIGNER);
	assert_memory_not_equal(&k, &by_signer, sizeof(k));
	/* Never what EGETKEY says, whatever it is asked. */
	sgx_model_key(NULL, &request, k.bytes);
	assert_memory_not_equal(&k, &by_signer, sizeof(k));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_round_trip, setup),
		cmocka_unit_test_setup(test_fresh, setup),
		cmocka_unit_test_setup(test_who_opens, setup),
		cmocka_unit_test_setup(test_domains, setup),
		cmocka_unit_test_setup(test_every_bit, setup),
		cmocka_unit_test_setup(test_every_bit_with_care, setup),
		cmocka_unit_test_setup(test_every_length, setup),
		cmocka_unit_test_setup(test_mixed, setup),
		cmocka_unit_test_setup(test_without_kss, setup),
		cmocka_unit_test_setup(test_egetkey_refuses, setup),
		cmocka_unit_test_setup(test_raw_keys, setup),
	};

	return cmocka_run_group_tests_name("seal", tests, NULL, NULL);
}

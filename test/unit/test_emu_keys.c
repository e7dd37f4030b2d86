/* SPDX-License-Identifier: Apache-2.0 */
/* EREPORT and EGETKEY: which identity and which version gives which key. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <errno.h>

#include "emu/keys.h"
#include "test/unit/emu_fixture.h"

/* Operands in the enclave's data pages. */
#define REQUEST (DATA + 0x3000)
#define KEY (DATA + 0x3400)
#define TARGET (DATA + 0x3600)
#define REPORTDATA (DATA + 0x3800)
#define REPORT (DATA + 0x3a00)

static struct fixture f;
static enum emu_mode mode;

struct key {
	uint8_t bytes[SGX_KEY_SIZE];
};

static void start(void)
{
	fixture_start(&f, mode);
	assert_int_equal(emu_signals_install(34), 0);
}

static struct sgx_keyrequest *request(unsigned int name, unsigned int policy)
{
	struct sgx_keyrequest *r = (void *)(uintptr_t)REQUEST;

	memset(r, 0, sizeof(*r));
	r->keyname = (uint16_t)name;
	r->keypolicy = (uint16_t)policy;
	memset(&r->attributes_mask, 0xff, sizeof(r->attributes_mask));
	return r;
}

static uint64_t getkey(struct key *key)
{
	uint64_t rc = fixture_enclu3(&f, SGX_EGETKEY, REQUEST, KEY, 0);

	if (!rc)
		memcpy(key, (const void *)(uintptr_t)KEY, sizeof(*key));
	return rc;
}

/* A key of an enclave that lives for this call only. */
static struct key key_of(unsigned int name, unsigned int policy)
{
	struct key key = {{0}};

	start();
	request(name, policy);
	assert_int_equal(getkey(&key), 0);
	fixture_stop(&f);
	return key;
}

static bool same(struct key a, struct key b)
{
	return !memcmp(&a, &b, sizeof(a));
}

static void test_report(void **state)
{
	struct sgx_targetinfo *target = (void *)(uintptr_t)TARGET;
	struct sgx_report *report = (void *)(uintptr_t)REPORT;
	struct sgx_keyrequest *r;
	uint8_t mac[16];
	struct key key = {{0}};

	start();
	memset(target, 0, sizeof(*target));
	memcpy(target->mrenclave, f.mrenclave, 32);
	target->attributes = f.enclave->secs.attributes;
	target->miscselect = f.enclave->secs.miscselect;
	memset(target->configid, 0xc1, 64);
	target->configsvn = 7;
	memset((void *)(uintptr_t)REPORTDATA, 0xdd, 64);
	assert_int_equal(
		fixture_enclu3(&f, SGX_EREPORT, TARGET, REPORTDATA, REPORT),
		SGX_EREPORT);
	assert_memory_equal(report->body.mrenclave, f.mrenclave, 32);
	assert_memory_equal(report->body.cpusvn, "SCONCE-EMULATED", 16);
	assert_int_equal(report->body.attributes.flags,
		SGX_ATTR_INIT | SGX_ATTR_MODE64BIT | SGX_ATTR_KSS);
	assert_int_equal(report->body.isvprodid, 5);
	assert_int_equal(report->body.isvsvn, 3);
	assert_int_equal(report->body.configsvn, 7);
	assert_int_equal(report->body.configid[63], 0xc1);
	assert_int_equal(report->body.isvfamilyid[0], 0xfa);
	assert_int_equal(report->body.reportdata[63], 0xdd);
	/* The target's own report key verifies it. */
	r = request(SGX_KEY_REPORT, 0);
	memcpy(r->keyid, report->keyid, 32);
	assert_int_equal(getkey(&key), 0);
	assert_int_equal(keys_cmac(key.bytes, &report->body, 384, mac), 0);
	assert_memory_equal(mac, report->mac, 16);
	/* A report for another enclave does not. */
	target->mrenclave[0] ^= 1;
	fixture_enclu3(&f, SGX_EREPORT, TARGET, REPORTDATA, REPORT);
	keys_cmac(key.bytes, &report->body, 384, mac);
	assert_memory_not_equal(mac, report->mac, 16);
	/* Nor one for another configuration. */
	target->mrenclave[0] ^= 1;
	target->configid[5] ^= 1;
	fixture_enclu3(&f, SGX_EREPORT, TARGET, REPORTDATA, REPORT);
	keys_cmac(key.bytes, &report->body, 384, mac);
	assert_memory_not_equal(mac, report->mac, 16);
	fixture_stop(&f);
}

static void test_operands(void **state)
{
	static const struct {
		uint64_t leaf, rbx, rcx, rdx;
		unsigned int vector;
	} cases[] = {
		{SGX_EREPORT, TARGET + 8, REPORTDATA, REPORT, SGX_VECTOR_GP},
		{SGX_EREPORT, TARGET, REPORTDATA + 64, REPORT, SGX_VECTOR_GP},
		{SGX_EREPORT, TARGET, REPORTDATA, REPORT + 16, SGX_VECTOR_GP},
		{SGX_EREPORT, 64 * GIB, REPORTDATA, REPORT, SGX_VECTOR_GP},
		{SGX_EREPORT, TARGET, REPORTDATA, TEXT, SGX_VECTOR_PF},
		{SGX_EREPORT, FREE, REPORTDATA, REPORT, SGX_VECTOR_PF},
		{SGX_EGETKEY, REQUEST + 8, KEY, 0, SGX_VECTOR_GP},
		{SGX_EGETKEY, REQUEST, KEY + 8, 0, SGX_VECTOR_GP},
		{SGX_EGETKEY, REQUEST, TEXT, 0, SGX_VECTOR_PF},
	};

	start();
	memset((void *)(uintptr_t)TARGET, 0, 512);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t words[3] = {cases[i].rbx, cases[i].rcx, cases[i].rdx};

		request(SGX_KEY_SEAL, 0);
		fixture_call(&f, test_enclu3, (uint64_t)(uintptr_t)words,
			cases[i].leaf, 0, 0);
		assert_int_equal(f.run.function, SGX_ERESUME);
		assert_int_equal(f.run.exception_vector, cases[i].vector);
		fixture_frame(0)->rip += 5;
		fixture_resume(&f);
		assert_int_equal(f.run.exit_rdi, 0);
	}
	fixture_stop(&f);
}

static void test_refused(void **state)
{
	struct sgx_keyrequest *r;
	struct key key = {{0}};

	start();
	request(5, 0);
	assert_int_equal(getkey(&key), SGX_INVALID_KEYNAME);
	request(SGX_KEY_PROVISION, 0);
	assert_int_equal(getkey(&key), SGX_INVALID_ATTRIBUTE);
	request(SGX_KEY_EINITTOKEN, 0);
	assert_int_equal(getkey(&key), SGX_INVALID_ATTRIBUTE);
	r = request(SGX_KEY_SEAL, 0);
	r->isvsvn = 4;
	assert_int_equal(getkey(&key), SGX_INVALID_ISVSVN);
	r->isvsvn = 3;
	assert_int_equal(getkey(&key), 0);
	r->configsvn = 8;
	assert_int_equal(getkey(&key), SGX_INVALID_ISVSVN);
	r->configsvn = 0;
	memset(r->cpusvn, 0xff, 16);
	assert_int_equal(getkey(&key), SGX_INVALID_CPUSVN);
	fixture_stop(&f);
}

static void other_config(struct enclave_params *params)
{
	params->configid[0] ^= 1;
}

static void debug(struct enclave_params *params)
{
	params->attributes |= SGX_ATTR_DEBUG;
}

static void newer(struct sgx_sigstruct *sig)
{
	sig->isvsvn = 9;
}

static void other_product(struct sgx_sigstruct *sig)
{
	sig->isvprodid = 6;
}

static void test_seal_identity(void **state)
{
	unsigned int by_code = SGX_KEYPOLICY_MRENCLAVE;
	unsigned int by_signer = SGX_KEYPOLICY_MRSIGNER;
	unsigned int by_config = by_signer | SGX_KEYPOLICY_CONFIGID;
	struct key code = key_of(SGX_KEY_SEAL, by_code);
	struct key signer = key_of(SGX_KEY_SEAL, by_signer);
	struct key config = key_of(SGX_KEY_SEAL, by_config);

	/* The same again, in another enclave: the platform's keys persist. */
	assert_true(same(code, key_of(SGX_KEY_SEAL, by_code)));
	assert_false(same(code, signer));
	assert_false(same(config, signer));

	fixture_tune = other_config;
	assert_true(same(code, key_of(SGX_KEY_SEAL, by_code)));
	assert_true(same(signer, key_of(SGX_KEY_SEAL, by_signer)));
	assert_false(same(config, key_of(SGX_KEY_SEAL, by_config)));

	fixture_tune = debug;
	assert_false(same(signer, key_of(SGX_KEY_SEAL, by_signer)));
	fixture_tune = NULL;

	/* A newer release of the signer reads what an older one sealed. */
	fixture_tune_sig = newer;
	assert_true(same(signer, key_of(SGX_KEY_SEAL, by_signer)));
	fixture_tune_sig = other_product;
	assert_false(same(signer, key_of(SGX_KEY_SEAL, by_signer)));
	assert_true(same(
		key_of(SGX_KEY_SEAL, by_signer | SGX_KEYPOLICY_NOISVPRODID),
		key_of(SGX_KEY_SEAL, by_signer | SGX_KEYPOLICY_NOISVPRODID)));
	fixture_tune_sig = NULL;
}

static void provision(struct enclave_params *params)
{
	params->attributes |= SGX_ATTR_PROVISIONKEY | SGX_ATTR_EINITTOKENKEY;
}

static void test_key_names(void **state)
{
	struct key keys[5];

	fixture_tune = provision;
	for (unsigned int i = 0; i < 5; i++)
		keys[i] = key_of(i, 0);
	fixture_tune = NULL;
	for (unsigned int i = 0; i < 5; i++)
		for (unsigned int j = 0; j < i; j++)
			assert_false(same(keys[i], keys[j]));
}

static void no_kss(struct enclave_params *params)
{
	params->attributes &= ~SGX_ATTR_KSS;
	memset(params->configid, 0, sizeof(params->configid));
	params->configsvn = 0;
}

static void test_without_kss(void **state)
{
	struct key key = {{0}};

	fixture_tune = no_kss;
	start();
	fixture_tune = NULL;
	request(SGX_KEY_SEAL, SGX_KEYPOLICY_MRSIGNER);
	assert_int_equal(getkey(&key), 0);
	request(SGX_KEY_SEAL, SGX_KEYPOLICY_CONFIGID);
	assert_int_equal(getkey(&key), UINT64_MAX);
	assert_int_equal(f.fault, SGX_VECTOR_GP);
	fixture_stop(&f);
}

static void test_platform_file(void **state)
{
	struct emu_platform a, b;
	char path[256];
	struct stat st;
	FILE *file;

	assert_int_equal(emu_platform_load(&a), 0);
	assert_int_equal(emu_platform_load(&b), 0);
	assert_memory_equal(a.root_key, b.root_key, sizeof(a.root_key));
	assert_memory_not_equal(a.report_keyid, b.report_keyid, 32);
	snprintf(path, sizeof(path), "%s/sconce/platform",
		getenv("XDG_DATA_HOME"));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	/* Readable by others: refused. */
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(emu_platform_load(&b), -EPERM);
	chmod(path, 0600);
	/* Truncated: refused, never replaced. */
	file = fopen(path, "w");
	fputs("SCNCEMU1 short", file);
	fclose(file);
	assert_int_equal(emu_platform_load(&b), -EBADMSG);
	unlink(path);
	assert_int_equal(emu_platform_load(&b), 0);
	assert_memory_not_equal(a.root_key, b.root_key, sizeof(a.root_key));
}

static void test_cmac(void **state)
{
	/* RFC 4493, section 4, example 2. */
	static const uint8_t key[16] = {0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae,
		0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c};
	static const uint8_t message[16] = {0x6b, 0xc1, 0xbe, 0xe2, 0x2e, 0x40,
		0x9f, 0x96, 0xe9, 0x3d, 0x7e, 0x11, 0x73, 0x93, 0x17, 0x2a};
	static const uint8_t want[16] = {0x07, 0x0a, 0x16, 0xb4, 0x6b, 0x4d,
		0x41, 0x44, 0xf7, 0x9b, 0xdd, 0x9d, 0xd0, 0x4a, 0x28, 0x7c};
	uint8_t mac[16];

	assert_int_equal(keys_cmac(key, message, 16, mac), 0);
	assert_memory_equal(mac, want, 16);
}

static int faithful(void **state)
{
	mode = EMU_FAITHFUL;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cmac),
		cmocka_unit_test(test_report),
		cmocka_unit_test(test_operands),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_seal_identity),
		cmocka_unit_test(test_key_names),
		cmocka_unit_test(test_without_kss),
		cmocka_unit_test(test_platform_file),
		cmocka_unit_test_setup(test_report, faithful),
		cmocka_unit_test_setup(test_operands, faithful),
	};

	return cmocka_run_group_tests_name("emu-keys", tests, NULL, NULL);
}

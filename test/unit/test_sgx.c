/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hardware backend on a model of the machine: building, and what can go
 * wrong meanwhile.
 */
#include <asm/sgx.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host/sgx.h"
#include "test/unit/sgx_fixture.h"
#include "test/unit/unit.h"

/* ---- building ---- */

static void test_mappings(void **state)
{
	static const struct {
		uint64_t addr;
		int prot;
	} wanted[] = {{0, -1}, {0xf000, -1}, {0x10000, 7}, {0x400000, 7},
		{TEXT - 0x1000, 7}, {TEXT, 5}, {TCS1, 3}, {TCS2, 3}, {SSA1, 3},
		{DATA, 3}, {DATA + DATA_SIZE - 1, 3}, {DATA + DATA_SIZE, 7},
		{64 * GIB - 4096, 7}};

	(void)state;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		assert_int_equal(
			sgx_model_mapped(wanted[i].addr), wanted[i].prot);
	assert_true(sgx_model.mappings <= 10);
}

/* Interrupted, busy, interrupted again: the same enclave in the end. */
static void test_build_interrupted(void **state)
{
	(void)state;
	for (unsigned int n = 2; n < 12; n++) {
		sgx_fixture_reset(NULL);
		sgx_model.signal_every = n;
		sgx_model.busy = n;
		sgx_model.init_signals = n;
		sgx_fixture_large = 200; /* more than one ioctl takes */
		sgx_fixture_start(&sgx);
		sgx_fixture_stop(&sgx);
	}
}

/* Without an end to the refusals there is an end to the patience. */
static void test_build_busy(void **state)
{
	(void)state;
	assert_int_equal(sgx_fixture_create(&sgx), 0);
	sgx_model.busy = UINT32_MAX;
	assert_int_equal(sgx_fixture_add(&sgx), -EBUSY);
	sgx_fixture_assert_why("busy");
	assert_int_equal(sgx_model.naps, 100000); /* 10 s */
}

/* Protected memory runs out at every step in turn. */
static void test_build_out_of_epc(void **state)
{
	uint64_t epc;
	int rc = -1;

	(void)state;
	for (epc = 0; rc; epc++) {
		sgx_fixture_reset(NULL);
		sgx_model.epc = epc;
		rc = sgx_fixture_create(&sgx);
		if (rc)
			assert_null(sgx.enclave);
		else
			rc = sgx_fixture_add(&sgx);
		if (rc) {
			assert_int_equal(rc, -ENOMEM);
			sgx_fixture_assert_why(
				"no protected memory (EPC) is left");
		}
		if (sgx.enclave)
			sgx.ops->destroy(sgx.enclave);
		sgx.enclave = NULL;
	}
	/* SECS, version array, and each page. */
	assert_int_equal(epc - 1,
		2 + (uint64_t)(test_enclave_end - test_enclave_start) / 4096 +
			2 + (DATA + DATA_SIZE - SSA1) / 4096);
}

static void test_suspended_while_building(void **state)
{
	(void)state;
	sgx_model.suspended = true;
	assert_int_equal(sgx_fixture_create(&sgx), -EIO);
	sgx_fixture_reset(NULL);
	assert_int_equal(sgx_fixture_create(&sgx), 0);
	sgx_model.suspended = true;
	assert_int_equal(sgx_fixture_add(&sgx), -EIO);
	sgx_fixture_assert_why("suspended");
	sgx.ops->destroy(sgx.enclave);
	sgx_fixture_reset(NULL);
	assert_int_equal(sgx_fixture_create(&sgx), 0);
	assert_int_equal(sgx_fixture_add(&sgx), 0);
	sgx_fixture_sign(&sgx);
	sgx_model.suspended = true;
	assert_int_equal(sgx.ops->init(sgx.enclave, &sgx.sig, NULL), -EIO);
	sgx_fixture_assert_why("suspended");
}

static void test_create_refused(void **state)
{
	static const struct {
		uint32_t lack;
		int reserve, rc;
		const char *why;
	} cases[] = {
		{LACK_DEVICE, 0, -ENOENT, "CONFIG_X86_SGX"},
		{LACK_ACCESS, 0, -EACCES, "group"},
		{LACK_VDSO, 0, -ENOSYS, "__vdso_sgx_enter_enclave"},
		{0, -EPERM, -EPERM, "vm.mmap_min_addr=65536"},
		{0, -EEXIST, -EEXIST, "mapped below 64 GiB"},
		{0, -ENOMEM, -ENOMEM, "ulimit -v"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		sgx_fixture_reset(NULL);
		sgx_model.lack = cases[i].lack;
		sgx_model.min_addr_errno = cases[i].reserve;
		assert_int_equal(sgx_fixture_create(&sgx), cases[i].rc);
		assert_null(sgx.enclave);
		sgx_fixture_assert_why(cases[i].why);
	}
}

static void odd_size(struct enclave_params *p)
{
	p->size = 3 * GIB;
}

static void no_frame(struct enclave_params *p)
{
	p->ssa_frame_pages = 0;
}

static void wrong_misc(struct enclave_params *p)
{
	p->miscselect = 4;
}

static void provision(struct enclave_params *p)
{
	p->attributes |= SGX_ATTR_PROVISIONKEY;
}

static void test_secs_rules(void **state)
{
	(void)state;
	fixture_tune = odd_size;
	assert_int_equal(sgx_fixture_create(&sgx), -EINVAL); /* the driver */
	fixture_tune = no_frame;
	assert_int_equal(sgx_fixture_create(&sgx), -EIO); /* ECREATE */
	sgx_fixture_assert_why("ECREATE");
	fixture_tune = wrong_misc;
	assert_int_equal(sgx_fixture_create(&sgx), -EIO);
}

static void test_add_refused(void **state)
{
	static uint8_t page[8192];

	(void)state;
	assert_int_equal(sgx_fixture_create(&sgx), 0);
#define ADD(addr, len, flags) \
	sgx.ops->add_pages(sgx.enclave, addr, page, len, flags, true)
	assert_int_equal(ADD(TEXT + 1, 4096, FRESH), -EINVAL);
	assert_int_equal(ADD(TEXT, 4095, FRESH), -EINVAL);
	assert_int_equal(ADD(TEXT, 0, FRESH), -EINVAL);
	assert_int_equal(ADD(0, 4096, SGX_SECINFO_REG | RW), -EINVAL);
	assert_int_equal(
		ADD(64 * GIB - 4096, 8192, SGX_SECINFO_REG | RW), -EINVAL);
	assert_int_equal(
		ADD(TEXT, 4096, SGX_SECINFO_REG | SGX_SECINFO_W), -EINVAL);
	assert_int_equal(ADD(TEXT, 4096, SGX_SECINFO_TCS | RW), -EINVAL);
	assert_int_equal(ADD(TEXT, 4096, FRESH), -EINVAL);
	assert_int_equal(ADD(TEXT, 4096, SGX_SECINFO_TRIM), -EINVAL);
	assert_int_equal(sgx_model.pages_added, 0);
	assert_int_equal(ADD(TEXT, 8192, SGX_SECINFO_REG | RW), 0);
	assert_int_equal(ADD(TEXT + 4096, 4096, SGX_SECINFO_REG | RW), -EEXIST);
	/* A TCS that EADD refuses: no entry point, but flags. */
	memset(page, 0xff, sizeof(page));
	assert_int_equal(ADD(TEXT + 8192, 4096, SGX_SECINFO_TCS), -EIO);
	sgx_model.lack = LACK_EXECMEM;
	assert_int_equal(
		ADD(TEXT + 12288, 4096, SGX_SECINFO_REG | RW), -EACCES);
	sgx_fixture_assert_why("execmem");
#undef ADD
}

static void other_hash(struct sgx_sigstruct *sig)
{
	sig->enclavehash[7] ^= 1;
}

static void other_attributes(struct sgx_sigstruct *sig)
{
	sig->attributes.flags |= SGX_ATTR_PROVISIONKEY;
}

static void aex_notify(struct enclave_params *p)
{
	p->attributes |= SGX_ATTR_AEXNOTIFY;
}

static void init_fails(int rc, const char *why)
{
	assert_int_equal(sgx_fixture_create(&sgx), 0);
	assert_int_equal(sgx_fixture_add(&sgx), 0);
	sgx_fixture_sign(&sgx);
	assert_int_equal(sgx.ops->init(sgx.enclave, &sgx.sig, NULL), rc);
	sgx_fixture_assert_why(why);
	sgx.ops->destroy(sgx.enclave);
	sgx.enclave = NULL;
	sgx_fixture_reset(NULL);
}

static void test_init_refused(void **state)
{
	(void)state;
	fixture_tune_sig = other_hash;
	init_fails(-EPERM, "of other pages");
	fixture_tune_sig = other_attributes;
	init_fails(-EPERM, "attributes");
	fixture_tune = provision;
	init_fails(-EACCES, "does not allow");
	/* A kernel older than the attribute. */
	fixture_tune = aex_notify;
	sgx_model.attributes_mask &= ~SGX_ATTR_AEXNOTIFY;
	init_fails(-EACCES, "AEX-Notify needs Linux 6.2");
	sgx_model.lack = LACK_EXEC;
	init_fails(-EPERM, "remount,exec /dev");
	sgx_model.map_errno = -EACCES;
	init_fails(-EACCES, "READ_IMPLIES_EXEC");
	sgx_model.map_errno = -ENOMEM;
	init_fails(-ENOMEM, "mapping the enclave");
}

static void test_init_bad_signature(void **state)
{
	(void)state;
	assert_int_equal(sgx_fixture_create(&sgx), 0);
	assert_int_equal(sgx_fixture_add(&sgx), 0);
	sgx_fixture_sign(&sgx);
	sgx.sig.signature[100] ^= 1;
	assert_int_equal(sgx.ops->init(sgx.enclave, &sgx.sig, NULL), -EPERM);
	sgx_fixture_assert_why("signature is wrong");
	sgx.sig.signature[100] ^= 1;
	sgx.sig.vendor = 1;
	assert_int_equal(sgx.ops->init(sgx.enclave, &sgx.sig, NULL), -EINVAL);
	sgx.sig.vendor = 0;
	assert_int_equal(sgx.ops->init(sgx.enclave, &sgx.sig, NULL), 0);
	assert_int_equal(sgx.ops->init(sgx.enclave, &sgx.sig, NULL), -EINVAL);
}

/* One page less, in another order, or measured where it was not: another
 * enclave, which the SIGSTRUCT of the right one does not fit. */
static void test_build_order_is_measured(void **state)
{
	static const uint8_t zero[8192];

	(void)state;
	assert_int_equal(sgx_fixture_create(&sgx), 0);
	assert_int_equal(sgx.ops->add_pages(sgx.enclave, DATA + DATA_SIZE, zero,
				 4096, SGX_SECINFO_REG | RW, false),
		0);
	assert_int_equal(sgx_fixture_add(&sgx), 0);
	sgx_fixture_sign(&sgx);
	assert_int_equal(sgx.ops->init(sgx.enclave, &sgx.sig, NULL), -EPERM);
	sgx.ops->destroy(sgx.enclave);
	assert_int_equal(sgx_fixture_create(&sgx), 0);
	sgx_fixture_sign(&sgx);
	assert_int_equal(sgx.ops->init(sgx.enclave, &sgx.sig, NULL), -EPERM);
}

static void test_offer(void **state)
{
	struct enclave_offer offer;

	(void)state;
	sgx_backend()->offer(&offer);
	assert_true(offer.attributes & SGX_ATTR_KSS);
	assert_true(offer.attributes & SGX_ATTR_AEXNOTIFY);
	assert_int_equal(offer.miscselect, SGX_MISC_EXINFO);
	assert_int_equal(offer.xfrm, emu_xfrm_supported());
	sgx_model.lack = LACK_KSS | LACK_AEX_NOTIFY | LACK_EXINFO | LACK_XSAVE;
	sgx_backend()->offer(&offer);
	assert_false(offer.attributes & (SGX_ATTR_KSS | SGX_ATTR_AEXNOTIFY));
	assert_int_equal(offer.miscselect, 0);
	assert_int_equal(offer.xfrm, 0);
}

/* ---- the model refuses what Linux refuses ---- */

static void test_ioctl_rules(void **state)
{
	struct sgx_enclave_restrict_permissions r = {
		.offset = FREE, .length = 4096, .permissions = 1};
	struct sgx_enclave_modify_types m = {
		.offset = FREE, .length = 4096, .page_type = SGX_PT_TRIM};
	struct sgx_enclave_remove_pages d = {.offset = FREE, .length = 4096};
	struct sgx_enclave_create c = {0};

	(void)state;
#define TRY(request, arg) model_ioctl(request, &(arg))
	/* Before EINIT. */
	assert_int_equal(TRY(SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS, r), -EINVAL);
	assert_int_equal(sgx_fixture_create(&sgx), 0);
	assert_int_equal(sgx_fixture_add(&sgx), 0);
	assert_int_equal(TRY(SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS, r), -EINVAL);
	assert_int_equal(
		sgx.ops->augment(sgx.enclave, FREE, 4096, false), -EINVAL);
	sgx_fixture_sign(&sgx);
	assert_int_equal(sgx.ops->init(sgx.enclave, &sgx.sig, NULL), 0);
	assert_int_equal(TRY(SGX_IOC_ENCLAVE_CREATE, c), -EINVAL);
	assert_int_equal(sgx_fixture_add(&sgx), -EEXIST);
	/* Results must be zero. */
	r.result = 1;
	assert_int_equal(TRY(SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS, r), -EINVAL);
	m.count = 1;
	assert_int_equal(TRY(SGX_IOC_ENCLAVE_MODIFY_TYPES, m), -EINVAL);
	d.count = 1;
	assert_int_equal(TRY(SGX_IOC_ENCLAVE_REMOVE_PAGES, d), -EINVAL);
	sgx_model.lack = LACK_SGX2;
	assert_int_equal(TRY(SGX_IOC_ENCLAVE_REMOVE_PAGES, d), -ENODEV);
	assert_int_equal(
		sgx.ops->augment(sgx.enclave, FREE, 4096, false), -ENOMEM);
	sgx_fixture_assert_why("SGX2");
	sgx_model.lack = LACK_EDMM;
	assert_int_equal(TRY(SGX_IOC_ENCLAVE_REMOVE_PAGES, d), -ENOTTY);
	assert_int_equal(
		sgx.ops->modify_type(sgx.enclave, FREE, 4096, SGX_PT_TRIM),
		-ENOTTY);
#undef TRY
}

#define FRESH_TEST(name)                 \
	cmocka_unit_test_setup_teardown( \
		name, sgx_fixture_reset, sgx_fixture_teardown)
#define RUNNING_TEST(name)               \
	cmocka_unit_test_setup_teardown( \
		name, sgx_fixture_setup, sgx_fixture_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		RUNNING_TEST(test_mappings),
		FRESH_TEST(test_build_interrupted),
		FRESH_TEST(test_build_busy),
		FRESH_TEST(test_build_out_of_epc),
		FRESH_TEST(test_suspended_while_building),
		FRESH_TEST(test_create_refused),
		FRESH_TEST(test_secs_rules),
		FRESH_TEST(test_add_refused),
		FRESH_TEST(test_init_refused),
		FRESH_TEST(test_init_bad_signature),
		FRESH_TEST(test_build_order_is_measured),
		FRESH_TEST(test_offer),
		FRESH_TEST(test_ioctl_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

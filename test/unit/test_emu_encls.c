/* SPDX-License-Identifier: Apache-2.0 */
/* The ENCLS leaves: good and bad operands, as the SDM lists them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "attest/sigstruct.h"
#include "test/unit/emu_fixture.h"

#define REG_RW (SGX_SECINFO_REG | SGX_SECINFO_R | SGX_SECINFO_W)

static struct fixture f;
static struct sgx_secs secs;
static struct sgx_secinfo secinfo;
static struct sgx_pageinfo info;
static uint8_t page[4096] __attribute__((aligned(4096)));

/* ECREATE of the fixture's parameters with one field spoilt. */
static void spoil(unsigned int what)
{
	struct enclave_params params;

	fixture_params(&params);
	memset(&secs, 0, sizeof(secs));
	secs.size = params.size;
	secs.base = params.base;
	secs.ssa_frame_pages = params.ssa_frame_pages;
	secs.miscselect = params.miscselect;
	secs.attributes.flags = params.attributes;
	secs.attributes.xfrm = params.xfrm;
	switch (what) {
	case 0: /* not a power of two */
		secs.size += 4096;
		break;
	case 1:
		secs.size = 4096;
		break;
	case 2: /* not aligned to the size */
		secs.base = 4096;
		break;
	case 3:
		secs.ssa_frame_pages = 0;
		break;
	case 4: /* bit that does not exist */
		secs.miscselect = 0x80;
		break;
	case 5: /* INIT is the processor's */
		secs.attributes.flags |= SGX_ATTR_INIT;
		break;
	case 6:
		secs.attributes.flags |= 1 << 3;
		break;
	case 7: /* 32-bit enclaves are not offered */
		secs.attributes.flags &= ~SGX_ATTR_MODE64BIT;
		break;
	case 8: /* x87 and SSE are obligatory */
		secs.attributes.xfrm = 5;
		break;
	case 9:
		secs.attributes.xfrm |= UINT64_C(1) << 62;
		break;
	case 10: /* half of AVX-512 */
		secs.attributes.xfrm = 0x27;
		break;
	case 11:
		secs.reserved4[3833] = 1;
		break;
	case 12:
		secs.reserved1[0] = 1;
		break;
	case 13: /* CONFIGID without KSS */
		secs.attributes.flags &= ~SGX_ATTR_KSS;
		secs.configid[0] = 1;
		break;
	case 14:
		secs.attributes.flags &= ~SGX_ATTR_KSS;
		secs.configsvn = 1;
		break;
	case 15:
		secs.cet_attributes = 1;
		break;
	case 16:
		secs.attributes.flags |= SGX_ATTR_AEXNOTIFY;
		break;
	default:
		break;
	}
}

static void test_ecreate(void **state)
{
	struct enclave e = {0};

	for (unsigned int i = 0; i <= 16; i++) {
		spoil(i);
		assert_int_equal(emu_ecreate(&e, &secs), EMU_GP);
		assert_null(e.epcm.entries);
	}
	spoil(99);
	memset(secs.mrenclave, 1, sizeof(secs.mrenclave));
	assert_int_equal(emu_ecreate(&e, &secs), 0);
	assert_int_equal(e.secs.mrenclave[0], 0);
	epcm_fini(&e.epcm);
	measure_free(e.measure);
}

static void prepare(uint64_t addr, uint64_t flags)
{
	memset(&info, 0, sizeof(info));
	memset(&secinfo, 0, sizeof(secinfo));
	secinfo.flags = flags;
	info.linaddr = addr;
	info.srcpge = (uint64_t)(uintptr_t)page;
	info.secinfo = (uint64_t)(uintptr_t)&secinfo;
	mprotect((void *)(uintptr_t)addr, 4096, PROT_READ | PROT_WRITE);
}

static void test_eadd(void **state)
{
	struct enclave *e = f.enclave;
	static const uint64_t bad_flags[] = {
		SGX_SECINFO_REG | SGX_SECINFO_W,
		SGX_SECINFO_REG | SGX_SECINFO_W | SGX_SECINFO_X,
		SGX_SECINFO_R, /* PT_SECS */
		SGX_SECINFO_TRIM,
		UINT64_C(3) << SGX_SECINFO_TYPE_SHIFT, /* PT_VA */
		REG_RW | SGX_SECINFO_PENDING,
		REG_RW | UINT64_C(1) << 40,
	};

	for (size_t i = 0; i < sizeof(bad_flags) / sizeof(bad_flags[0]); i++) {
		prepare(FREE, bad_flags[i]);
		assert_int_equal(emu_eadd(e, &info, FREE), EMU_GP);
	}
	prepare(FREE, REG_RW);
	secinfo.reserved[55] = 1;
	assert_int_equal(emu_eadd(e, &info, FREE), EMU_GP);
	prepare(FREE, REG_RW);
	info.srcpge += 8;
	assert_int_equal(emu_eadd(e, &info, FREE), EMU_GP);
	prepare(FREE, REG_RW);
	info.secinfo += 8;
	assert_int_equal(emu_eadd(e, &info, FREE), EMU_GP);
	prepare(FREE, REG_RW);
	assert_int_equal(emu_eadd(e, &info, FREE + 4096), EMU_GP);
	info.linaddr = FREE + 8;
	assert_int_equal(emu_eadd(e, &info, FREE + 8), EMU_GP);
	info.linaddr = 64 * GIB;
	assert_int_equal(emu_eadd(e, &info, 64 * GIB), EMU_GP);

	prepare(FREE, REG_RW);
	assert_int_equal(emu_eadd(e, &info, FREE), 0);
	assert_int_equal(emu_eadd(e, &info, FREE), EMU_PF); /* twice */
}

static void test_eadd_tcs(void **state)
{
	struct sgx_tcs *tcs = (struct sgx_tcs *)(void *)page;
	struct enclave *e = f.enclave;

	for (int i = 0; i < 11; i++) {
		memset(tcs, 0, sizeof(*tcs));
		tcs->nssa = 2;
		tcs->fslimit = tcs->gslimit = 0xfff;
		switch (i) {
		case 0:
			tcs->state = 1;
			break;
		case 1:
			tcs->flags = SGX_TCS_DBGOPTIN;
			break;
		case 2:
			tcs->flags = UINT64_C(1) << 33;
			break;
		case 3:
			tcs->ossa = 8;
			break;
		case 4:
			tcs->cssa = 1;
			break;
		case 5:
			tcs->aep = 1;
			break;
		case 6:
			tcs->ofsbase = 1;
			break;
		case 7:
			tcs->ogsbase = 4095;
			break;
		case 8:
			tcs->fslimit = 0xffe;
			break;
		case 9:
			tcs->gslimit = 0;
			break;
		case 10:
			tcs->reserved[4023] = 1;
			break;
		}
		prepare(FREE, SGX_SECINFO_TCS);
		assert_int_equal(emu_eadd(e, &info, FREE), EMU_GP);
	}
	memset(page, 0, sizeof(page));
}

static void test_eextend(void **state)
{
	struct enclave *e = f.enclave;
	uint8_t before[32], after[32];

	assert_int_equal(emu_eextend(e, TEXT + 8), EMU_GP);
	assert_int_equal(emu_eextend(e, FREE), EMU_PF);
	assert_int_equal(emu_eextend(e, 64 * GIB), EMU_PF);
	measure_value(e->measure, before);
	assert_int_equal(emu_eextend(e, TEXT + 256), 0);
	measure_value(e->measure, after);
	assert_memory_not_equal(before, after, 32);
}

static void test_einit(void **state)
{
	struct sgx_sigstruct sig, bad;
	struct enclave *e = f.enclave;

	fixture_sign(&f, &sig);
	/* Before EINIT nothing of the dynamic leaves, and no entry. */
	assert_int_equal(emu_eaug(e, FREE, 3), EMU_GP);
	assert_int_equal(emu_emodpr(e, DATA, SGX_SECINFO_R), EMU_GP);
	assert_int_equal(emu_emodt(e, DATA, SGX_SECINFO_TRIM), EMU_GP);

	bad = sig;
	bad.exponent = 5;
	assert_int_equal(emu_einit(e, &bad), SGX_INVALID_SIG_STRUCT);
	bad = sig;
	bad.signature[17] ^= 1;
	assert_int_equal(emu_einit(e, &bad), SGX_INVALID_SIGNATURE);
	bad = sig;
	bad.q2[0] ^= 1;
	assert_int_equal(emu_einit(e, &bad), SGX_INVALID_SIGNATURE);
	assert_false(e->initialised);
	assert_int_equal(f.ops->init(e, &sig, f.mrenclave), 0);
	assert_memory_equal(f.mrenclave, sig.enclavehash, 32);
	sigstruct_mrsigner(&sig, bad.enclavehash);
	assert_memory_equal(e->secs.mrsigner, bad.enclavehash, 32);
	assert_int_equal(e->secs.isvprodid, 5);

	/* Now closed: no second EINIT, no EADD, no EEXTEND. */
	assert_int_equal(f.ops->init(e, &sig, NULL), -EINVAL);
	prepare(FREE, REG_RW);
	assert_int_equal(emu_eadd(e, &info, FREE), EMU_GP);
	assert_int_equal(emu_eextend(e, TEXT), EMU_GP);
}

static void wrong_hash(struct sgx_sigstruct *sig)
{
	sig->enclavehash[0] ^= 1;
}

static void wrong_attributes(struct sgx_sigstruct *sig)
{
	sig->attributes.flags ^= SGX_ATTR_PROVISIONKEY;
}

static void wrong_xfrm(struct sgx_sigstruct *sig)
{
	sig->attributes.xfrm ^= 4;
	sig->attributes_mask.xfrm = UINT64_MAX;
}

static void masked_xfrm(struct sgx_sigstruct *sig)
{
	sig->attributes.xfrm ^= 4;
}

static void wrong_misc(struct sgx_sigstruct *sig)
{
	sig->miscselect ^= 1;
}

static void masked_misc(struct sgx_sigstruct *sig)
{
	sig->miscselect ^= 1;
	sig->miscmask = 0;
}

static void needs_kss(struct sgx_sigstruct *sig)
{
	sig->isvextprodid[3] = 1;
}

static void no_kss(struct enclave_params *params)
{
	params->attributes &= ~SGX_ATTR_KSS;
	memset(params->configid, 0, sizeof(params->configid));
	params->configsvn = 0;
}

static void test_einit_signed_fields(void **state)
{
	static const struct {
		void (*tune)(struct enclave_params *);
		void (*tune_sig)(struct sgx_sigstruct *);
		int want;
	} cases[] = {
		{NULL, wrong_hash, SGX_INVALID_MEASUREMENT},
		{NULL, wrong_attributes, SGX_INVALID_ATTRIBUTE},
		{NULL, wrong_xfrm, SGX_INVALID_ATTRIBUTE},
		{NULL, masked_xfrm, 0},
		{NULL, wrong_misc, SGX_INVALID_ATTRIBUTE},
		{NULL, masked_misc, 0},
		{NULL, needs_kss, 0},
		{no_kss, needs_kss, SGX_INVALID_SIG_STRUCT},
		{no_kss, NULL, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sgx_sigstruct sig;

		fixture_tune = cases[i].tune;
		fixture_tune_sig = cases[i].tune_sig;
		fixture_build(&f, EMU_FAST);
		fixture_sign(&f, &sig);
		assert_int_equal(
			f.ops->init(f.enclave, &sig, NULL), cases[i].want);
		f.ops->destroy(f.enclave);
	}
	fixture_tune = NULL;
	fixture_tune_sig = NULL;
}

static void test_dynamic(void **state)
{
	struct enclave *e = f.enclave;

	assert_int_equal(emu_eaug(e, FREE + 8, 3), EMU_GP);
	assert_int_equal(emu_eaug(e, 0, 3), EMU_GP); /* never mapped */
	assert_int_equal(emu_eaug(e, 64 * GIB, 3), EMU_GP);
	assert_int_equal(emu_eaug(e, DATA, 3), EMU_PF); /* in use */
	assert_int_equal(emu_eaug(e, FREE, 3), 0);
	assert_int_equal(emu_eaug(e, FREE, 3), EMU_PF);

	/* Pending pages are not modifiable. */
	assert_int_equal(
		emu_emodpr(e, FREE, SGX_SECINFO_R), SGX_PAGE_NOT_MODIFIABLE);
	assert_int_equal(
		emu_emodt(e, FREE, SGX_SECINFO_TRIM), SGX_PAGE_NOT_MODIFIABLE);
	assert_int_equal(emu_emodpr(e, DATA + 8, SGX_SECINFO_R), EMU_GP);
	assert_int_equal(emu_emodpr(e, DATA, SGX_SECINFO_W), EMU_GP);
	assert_int_equal(
		emu_emodpr(e, DATA, SGX_SECINFO_R | UINT64_C(1) << 30), EMU_GP);
	assert_int_equal(emu_emodpr(e, FREE + 4096, SGX_SECINFO_R), EMU_PF);
	assert_int_equal(emu_emodpr(e, TCS1, SGX_SECINFO_R), EMU_PF);
	/* It narrows: RW asked of a page that is R stays R. */
	assert_int_equal(emu_emodpr(e, DATA, SGX_SECINFO_R), 0);
	assert_int_equal(emu_emodpr(e, DATA, SGX_SECINFO_R | SGX_SECINFO_W), 0);
	assert_int_equal(*epcm_at(&e->epcm, DATA) & EPCM_RWX, 1);
	assert_true(*epcm_at(&e->epcm, DATA) & EPCM_PR);

	assert_int_equal(emu_emodt(e, DATA, SGX_SECINFO_REG), EMU_GP);
	assert_int_equal(emu_emodt(e, DATA, 0), EMU_GP);
	assert_int_equal(
		emu_emodt(e, DATA, SGX_SECINFO_TRIM | SGX_SECINFO_R), EMU_GP);
	assert_int_equal(emu_emodt(e, FREE + 4096, SGX_SECINFO_TRIM), EMU_PF);
	assert_int_equal(emu_emodt(e, TCS1, SGX_SECINFO_TCS), EMU_PF);
	assert_int_equal(emu_emodt(e, DATA, SGX_SECINFO_TRIM), 0);
	assert_int_equal(
		emu_emodt(e, DATA, SGX_SECINFO_TRIM), SGX_PAGE_NOT_MODIFIABLE);
}

static void test_eremove(void **state)
{
	struct enclave *e = f.enclave;
	uint64_t children = e->children;

	assert_int_equal(emu_eremove(e, DATA + 8), EMU_GP);
	assert_int_equal(emu_eremove(e, 64 * GIB), EMU_PF);
	assert_int_equal(emu_eremove_secs(e), SGX_CHILD_PRESENT);
	/* A TCS with a thread inside. */
	e->tcs[0].active = 1;
	assert_int_equal(emu_eremove(e, TCS1), SGX_ENCLAVE_ACT);
	e->tcs[0].active = 0;
	assert_int_equal(emu_eremove(e, TCS1), 0);
	assert_int_equal(emu_eremove(e, TCS1), 0); /* free already */
	assert_int_equal(e->children, children - 1);
	for (uint64_t a = TEXT; a < DATA + DATA_SIZE; a += 4096)
		assert_int_equal(emu_eremove(e, a), 0);
	assert_int_equal(emu_eremove_secs(e), 0);
}

static void test_eblock(void **state)
{
	struct enclave *e = f.enclave;

	assert_int_equal(emu_eblock(e, DATA + 8), EMU_GP);
	assert_int_equal(emu_eblock(e, 64 * GIB), EMU_PF);
	assert_int_equal(emu_eblock(e, FREE), SGX_PG_INVLD);
	assert_int_equal(emu_eblock(e, DATA), 0);
	assert_int_equal(emu_eblock(e, DATA), SGX_BLKSTATE);
	assert_int_equal(epcm_effective(&e->epcm, *epcm_at(&e->epcm, DATA)), 0);
}

/* The driver's rules on top of the leaves. */
static void test_driver(void **state)
{
	const struct enclave_backend *ops = f.ops;
	struct enclave *e = f.enclave, *second = NULL;
	struct enclave_params params;

	fixture_params(&params);
	assert_int_equal(ops->create(&params, &second), -EBUSY);
	assert_true(ops->emulated);
	assert_int_equal(ops->augment(e, FREE, 0, false), -EINVAL);
	assert_int_equal(ops->augment(e, FREE, 100, false), -EINVAL);
	assert_int_equal(ops->augment(e, FREE + 1, 4096, false), -EINVAL);
	assert_int_equal(ops->augment(e, 0, 4096, false), -EINVAL);
	assert_int_equal(
		ops->augment(e, FREE, SIZE_MAX & ~4095ul, false), -EINVAL);
	assert_int_equal(
		ops->augment(e, 64 * GIB - 4096, 8192, false), -EINVAL);
	assert_int_equal(ops->protect(e, DATA, 4096, 0x100), -EINVAL);
	assert_int_equal(ops->modify_type(e, DATA, 4096, 9), -EINVAL);
	assert_int_equal(ops->modify_type(e, DATA, 4096, SGX_PT_REG), -EINVAL);
	assert_int_equal(ops->remove_pages(e, DATA, 4096), -EPERM);
	assert_int_equal(ops->remove_pages(e, FREE, 4096), -EPERM);
	assert_int_equal(
		ops->restrict_permissions(e, FREE, 4096, SGX_SECINFO_R),
		-EFAULT);
}

static int built(void **state)
{
	fixture_build(&f, EMU_FAST);
	return 0;
}

static int started(void **state)
{
	struct sgx_sigstruct sig;

	fixture_build(&f, EMU_FAST);
	fixture_sign(&f, &sig);
	return f.ops->init(f.enclave, &sig, NULL);
}

static int destroyed(void **state)
{
	f.ops->destroy(f.enclave);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ecreate),
		cmocka_unit_test_setup_teardown(test_eadd, built, destroyed),
		cmocka_unit_test_setup_teardown(
			test_eadd_tcs, built, destroyed),
		cmocka_unit_test_setup_teardown(test_eextend, built, destroyed),
		cmocka_unit_test_setup_teardown(test_einit, built, destroyed),
		cmocka_unit_test(test_einit_signed_fields),
		cmocka_unit_test_setup_teardown(
			test_dynamic, started, destroyed),
		cmocka_unit_test_setup_teardown(
			test_eremove, started, destroyed),
		cmocka_unit_test_setup_teardown(
			test_eblock, started, destroyed),
		cmocka_unit_test_setup_teardown(
			test_driver, started, destroyed),
	};

	return cmocka_run_group_tests_name("emu-encls", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/emu_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "attest/sigstruct.h"

static uint8_t page[4096] __attribute__((aligned(4096)));

void (*fixture_tune)(struct enclave_params *params);
void (*fixture_tune_sig)(struct sgx_sigstruct *sig);

void fixture_params(struct enclave_params *params)
{
	memset(params, 0, sizeof(*params));
	params->size = 64 * GIB;
	params->ssa_frame_pages = 1;
	params->miscselect = SGX_MISC_EXINFO;
	params->attributes = SGX_ATTR_MODE64BIT | SGX_ATTR_KSS;
	params->xfrm = emu_xfrm_supported();
	memset(params->configid, 0xc1, sizeof(params->configid));
	params->configsvn = 7;
	if (fixture_tune)
		fixture_tune(params);
}

static void add_tcs(struct fixture *f, uint64_t addr, uint64_t ssa, uint64_t gs)
{
	struct sgx_tcs tcs = {
		.ossa = ssa,
		.nssa = 2,
		.oentry = TEXT,
		.ofsbase = DATA,
		.ogsbase = gs,
		.fslimit = 0xfff,
		.gslimit = 0xfff,
	};

	assert_int_equal(f->ops->add_pages(f->enclave, addr, &tcs, sizeof(tcs),
				 SGX_SECINFO_TCS, true),
		0);
}

/* The platform keys of the tests are not the user's. */
static char data_dir[] = "/tmp/sconce-test-XXXXXX";

static void remove_data_dir(void)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/sconce/platform", data_dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/sconce", data_dir);
	rmdir(path);
	rmdir(data_dir);
}

static void own_data_dir(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	assert_non_null(mkdtemp(data_dir));
	atexit(remove_data_dir);
	setenv("XDG_DATA_HOME", data_dir, 1);
}

void fixture_build(struct fixture *f, enum emu_mode mode)
{
	struct emu_config config = {.mode = mode, .tick_signal = 34};
	struct enclave_params params;

	own_data_dir();
	memset(f, 0, sizeof(*f));
	f->run.tcs = TCS1;
	f->ops = emu_backend();
	emu_configure(&config);
	fixture_params(&params);
	assert_int_equal(f->ops->create(&params, &f->enclave), 0);
	assert_int_equal(
		f->ops->add_pages(f->enclave, TEXT, test_enclave_start,
			(size_t)(test_enclave_end - test_enclave_start),
			SGX_SECINFO_REG | SGX_SECINFO_R | SGX_SECINFO_X, true),
		0);
	add_tcs(f, TCS1, SSA1, GS1);
	add_tcs(f, TCS2, SSA2, GS2);
	memset(page, 0, sizeof(page));
	for (uint64_t a = SSA1; a < DATA + DATA_SIZE; a += 4096)
		assert_int_equal(
			f->ops->add_pages(f->enclave, a, page, 4096,
				SGX_SECINFO_REG | SGX_SECINFO_R | SGX_SECINFO_W,
				a >= DATA),
			0);
}

void fixture_sign(struct fixture *f, struct sgx_sigstruct *sig)
{
	static EVP_PKEY *key;
	struct enclave *e = f->enclave;

	if (!key)
		key = sigstruct_key_new();
	assert_non_null(key);
	sigstruct_init(sig);
	sig->attributes = e->secs.attributes;
	sig->miscselect = e->secs.miscselect;
	sig->isvprodid = 5;
	sig->isvsvn = 3;
	if (sig->attributes.flags & SGX_ATTR_KSS)
		memset(sig->isvfamilyid, 0xfa, sizeof(sig->isvfamilyid));
	assert_int_equal(measure_value(e->measure, sig->enclavehash), 0);
	if (fixture_tune_sig)
		fixture_tune_sig(sig);
	assert_int_equal(sigstruct_sign(sig, key), 0);
}

void fixture_start(struct fixture *f, enum emu_mode mode)
{
	struct sgx_sigstruct sig;

	fixture_build(f, mode);
	fixture_sign(f, &sig);
	assert_int_equal(f->ops->init(f->enclave, &sig, f->mrenclave), 0);
	assert_int_equal(f->ops->thread_init(f->enclave), 0);
}

void fixture_stop(struct fixture *f)
{
	f->ops->thread_fini(f->enclave);
	f->ops->destroy(f->enclave);
}

/* Never inlined: the depth of the stack matters. */
__attribute__((noinline)) void fixture_enter(struct fixture *f,
	unsigned int leaf, uint64_t routine, const uint64_t regs[4])
{
	assert_int_equal(f->ops->enter(routine, regs[0], regs[1], leaf, regs[2],
				 regs[3], &f->run),
		0);
}

uint64_t fixture_enclu(
	struct fixture *f, uint64_t leaf, uint64_t rbx, uint64_t rcx)
{
	fixture_call(f, test_enclu, leaf, rbx, rcx, 0);
	assert_int_equal(f->run.function, SGX_EEXIT);
	assert_int_equal(f->run.exit_rdi, 0);
	return f->run.exit_rsi;
}

uint64_t fixture_enclu3(struct fixture *f, uint64_t leaf, uint64_t rbx,
	uint64_t rcx, uint64_t rdx)
{
	uint64_t words[3] = {rbx, rcx, rdx};

	fixture_call(f, test_enclu3, (uint64_t)(uintptr_t)words, leaf, 0, 0);
	if (f->run.function != SGX_EEXIT) {
		f->fault = f->run.exception_vector;
		fixture_frame(0)->rip = at(test_leave);
		fixture_resume(f);
		assert_int_equal(f->run.function, SGX_EEXIT);
		return UINT64_MAX;
	}
	assert_int_equal(f->run.exit_rdi, 0);
	return f->run.exit_rsi;
}

struct sgx_gprsgx *fixture_frame(uint32_t cssa)
{
	return (struct sgx_gprsgx *)(uintptr_t)(SSA1 +
		       (uint64_t)(cssa + 1) * SGX_PAGE_SIZE) -
		1;
}

uint64_t fixture_secinfo(uint64_t flags)
{
	struct sgx_secinfo *info = (struct sgx_secinfo *)(uintptr_t)DATA;

	memset(info, 0, sizeof(*info));
	info->flags = flags;
	return DATA;
}

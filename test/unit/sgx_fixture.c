/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/sgx_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "attest/sigstruct.h"
#include "host/sgx.h"
#include "test/unit/unit.h"

size_t sgx_fixture_large;
struct sgx_fixture sgx;

int sgx_fixture_reset(void **state)
{
	(void)state;
	fixture_tune = NULL;
	fixture_tune_sig = NULL;
	sgx_fixture_large = 0;
	sgx_model_reset();
	return 0;
}

int sgx_fixture_setup(void **state)
{
	sgx_fixture_reset(state);
	sgx_fixture_start(&sgx);
	return 0;
}

int sgx_fixture_teardown(void **state)
{
	(void)state;
	if (sgx.enclave)
		sgx_fixture_stop(&sgx);
	return 0;
}

void sgx_fixture_assert_why(const char *text)
{
	const char *why = sgx.ops->why();

	assert_non_null(why);
	if (!strstr(why, text))
		fail_msg("'%s' does not say '%s'", why, text);
}

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

/* The emulator's platform keys are not the user's. */
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

void sgx_fixture_params(struct enclave_params *params)
{
	struct enclave_offer offer;

	sgx_backend()->offer(&offer);
	*params = (struct enclave_params){
		.size = 64 * GIB,
		.ssa_frame_pages = 1,
		.miscselect = SGX_MISC_EXINFO,
		.attributes = SGX_ATTR_MODE64BIT | SGX_ATTR_KSS,
		.xfrm = offer.xfrm,
		.configsvn = 7,
	};
	memset(params->configid, 0xc1, sizeof(params->configid));
	if (fixture_tune)
		fixture_tune(params);
}

int sgx_fixture_create(struct sgx_fixture *f)
{
	struct enclave_params params;

	own_data_dir();
	memset(f, 0, sizeof(*f));
	f->ops = sgx_backend();
	f->run.tcs = TCS1;
	sgx_configure(SGX_TICK);
	sgx_fixture_params(&params);
	return f->ops->create(&params, &f->enclave);
}

static struct sgx_tcs tcs_of(uint64_t ssa, uint64_t gs)
{
	return (struct sgx_tcs){.ossa = ssa,
		.nssa = 2,
		.oentry = TEXT,
		.ofsbase = DATA,
		.ogsbase = gs,
		.fslimit = 0xfff,
		.gslimit = 0xfff};
}

static size_t text_size(void)
{
	return (size_t)(test_enclave_end - test_enclave_start);
}

enum { TEXT_FLAGS = SGX_SECINFO_REG | SGX_SECINFO_R | SGX_SECINFO_X };
enum { DATA_FLAGS = SGX_SECINFO_REG | SGX_SECINFO_R | SGX_SECINFO_W };

/* Free: one byte before. */
static const uint8_t *large(void)
{
	size_t size = sgx_fixture_large * SGX_PAGE_SIZE;
	uint8_t *p = malloc(size + 1);

	assert_non_null(p);
	for (size_t i = 0; i < size; i++)
		p[i + 1] = (uint8_t)(i * 7 + i / 4096 + i / 256);
	return p + 1;
}

int sgx_fixture_add(struct sgx_fixture *f)
{
	static uint8_t zero[DATA + DATA_SIZE - SSA1 + 1];
	struct sgx_tcs one = tcs_of(SSA1, GS1), two = tcs_of(SSA2, GS2);
	int rc = f->ops->add_pages(f->enclave, TEXT, test_enclave_start,
		text_size(), TEXT_FLAGS, true);

	if (!rc)
		rc = f->ops->add_pages(f->enclave, TCS1, &one, sizeof(one),
			SGX_SECINFO_TCS, true);
	if (!rc)
		rc = f->ops->add_pages(f->enclave, TCS2, &two, sizeof(two),
			SGX_SECINFO_TCS, true);
	/* SSA frames that are not measured, data from an odd address. */
	if (!rc)
		rc = f->ops->add_pages(
			f->enclave, SSA1, zero, DATA - SSA1, DATA_FLAGS, false);
	if (!rc)
		rc = f->ops->add_pages(f->enclave, DATA, zero + 1, DATA_SIZE,
			DATA_FLAGS, true);
	if (!rc && sgx_fixture_large) {
		const uint8_t *p = large();

		rc = f->ops->add_pages(f->enclave, LARGE, p,
			sgx_fixture_large * SGX_PAGE_SIZE, DATA_FLAGS, true);
		free((void *)(uintptr_t)(p - 1));
	}
	return rc;
}

static void measure_run(struct measure *m, uint64_t addr, const void *src,
	size_t size, uint64_t flags, int extend)
{
	static const uint8_t zero[SGX_PAGE_SIZE];

	for (size_t i = 0; i < size; i += SGX_PAGE_SIZE)
		assert_int_equal(
			measure_page(m, addr + i, flags,
				src ? (const uint8_t *)src + i : zero, extend),
			0);
}

void sgx_fixture_sign(struct sgx_fixture *f)
{
	static EVP_PKEY *key;
	struct measure *m = measure_new(1, 64 * GIB);
	struct sgx_tcs one = tcs_of(SSA1, GS1), two = tcs_of(SSA2, GS2);
	struct enclave_params params;

	assert_non_null(m);
	measure_run(m, TEXT, test_enclave_start, text_size(), TEXT_FLAGS, 1);
	measure_run(m, TCS1, &one, sizeof(one), SGX_SECINFO_TCS, 1);
	measure_run(m, TCS2, &two, sizeof(two), SGX_SECINFO_TCS, 1);
	measure_run(m, SSA1, NULL, DATA - SSA1, DATA_FLAGS, 0);
	measure_run(m, DATA, NULL, DATA_SIZE, DATA_FLAGS, 1);
	if (sgx_fixture_large) {
		const uint8_t *p = large();

		measure_run(m, LARGE, p, sgx_fixture_large * SGX_PAGE_SIZE,
			DATA_FLAGS, 1);
		free((void *)(uintptr_t)(p - 1));
	}
	sgx_fixture_params(&params);
	sigstruct_init(&f->sig);
	f->sig.attributes.flags = params.attributes;
	f->sig.attributes.xfrm = params.xfrm;
	f->sig.miscselect = params.miscselect;
	f->sig.isvprodid = 5;
	assert_int_equal(measure_value(m, f->sig.enclavehash), 0);
	measure_free(m);
	if (fixture_tune_sig)
		fixture_tune_sig(&f->sig);
	if (!key)
		key = sigstruct_key_new();
	assert_int_equal(sigstruct_sign(&f->sig, key), 0);
}

void sgx_fixture_start(struct sgx_fixture *f)
{
	uint8_t mrenclave[32];

	assert_int_equal(sgx_fixture_create(f), 0);
	assert_int_equal(sgx_fixture_add(f), 0);
	sgx_fixture_sign(f);
	assert_int_equal(f->ops->init(f->enclave, &f->sig, mrenclave), 0);
	assert_memory_equal(mrenclave, f->sig.enclavehash, 32);
	assert_memory_equal(sgx_model.mrenclave, f->sig.enclavehash, 32);
	assert_int_equal(f->ops->thread_init(f->enclave), 0);
}

void sgx_fixture_stop(struct sgx_fixture *f)
{
	f->ops->thread_fini(f->enclave);
	f->ops->destroy(f->enclave);
	f->enclave = NULL;
}

struct entry {
	struct sgx_fixture *f;
	uint64_t rdi, rsi, rdx, r8, r9;
	unsigned int leaf;
	int rc;
};

static void enter(struct entry *e)
{
	e->rc = e->f->ops->enter(
		e->rdi, e->rsi, e->rdx, e->leaf, e->r8, e->r9, &e->f->run);
}

static void enter_on_stack(struct entry *e)
{
	static uint8_t stack[65536] __attribute__((aligned(16)));

	__asm__ volatile("movq %%rsp, %%rbx\n\t"
			 "movq %1, %%rsp\n\t"
			 "call *%2\n\t"
			 "movq %%rbx, %%rsp"
			 : "+D"(e)
			 : "r"(stack + sizeof(stack)), "r"(enter)
			 : "rbx", "rax", "rcx", "rdx", "rsi", "r8", "r9", "r10",
			 "r11", "memory", "cc");
}

void sgx_fixture_enter(struct sgx_fixture *f, const uint8_t *routine,
	uint64_t rsi, uint64_t rdx, uint64_t r8, uint64_t r9)
{
	struct entry e = {f, at(routine), rsi, rdx, r8, r9, SGX_EENTER, -1};

	enter_on_stack(&e);
	assert_int_equal(e.rc, 0);
}

void sgx_fixture_resume(struct sgx_fixture *f)
{
	struct entry e = {f, 0, 0, 0, 0, 0, SGX_ERESUME, -1};

	enter_on_stack(&e);
	assert_int_equal(e.rc, 0);
}

uint64_t sgx_fixture_accept(
	struct sgx_fixture *f, uint64_t page, uint64_t flags)
{
	sgx_fixture_enter(
		f, test_enclu, SGX_EACCEPT, fixture_secinfo(flags), page, 0);
	if (f->run.function != SGX_EEXIT) {
		uint64_t vector = f->run.exception_vector;

		fixture_frame(0)->rip = at(test_leave);
		sgx_fixture_resume(f);
		assert_int_equal(f->run.function, SGX_EEXIT);
		return 1000 + vector;
	}
	assert_int_equal(f->run.exit_rdi, 0);
	return f->run.exit_rsi;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hardware backend on a model of the machine: entering, and the pages of a
 * running enclave.
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

/* ---- entering ---- */

static void test_exit_registers(void **state)
{
	(void)state;
	sgx_fixture_enter(&sgx, test_leave, 11, 22, 33, 44);
	assert_int_equal(sgx.run.function, SGX_EEXIT);
	assert_int_equal(sgx.run.exit_rdi, at(test_leave));
	assert_int_equal(sgx.run.exit_rsi, 11);
	assert_int_equal(sgx.run.exit_rdx, 22);
	assert_int_equal(sgx.run.exit_r8, 33);
	assert_int_equal(sgx.run.exit_r9, 44);
	assert_int_equal(sgx.run.tcs, TCS1);
}

static void test_bad_arguments(void **state)
{
	(void)state;
	assert_int_equal(
		sgx.ops->enter(0, 0, 0, SGX_EEXIT, 0, 0, &sgx.run), -EINVAL);
	sgx.run.user_handler = 1;
	assert_int_equal(
		sgx.ops->enter(0, 0, 0, SGX_EENTER, 0, 0, &sgx.run), -EINVAL);
	sgx.run.user_handler = 0;
	sgx.run.user_data = 1;
	assert_int_equal(
		sgx.ops->enter(0, 0, 0, SGX_EENTER, 0, 0, &sgx.run), -EINVAL);
	sgx.run.user_data = 0;
	assert_int_equal(sgx.ops->thread_init(sgx.enclave), -EEXIST);
	sgx.ops->thread_fini(sgx.enclave);
	assert_int_equal(
		sgx.ops->enter(0, 0, 0, SGX_EENTER, 0, 0, &sgx.run), -EINVAL);
	assert_int_equal(sgx.ops->thread_init(sgx.enclave), 0);
}

/* No TCS; a TCS with nothing to resume; a page that is not there. */
static void test_entry_faults(void **state)
{
	(void)state;
	sgx.run.tcs = DATA;
	sgx_fixture_enter(&sgx, test_leave, 0, 0, 0, 0);
	assert_int_equal(sgx.run.function, SGX_EENTER);
	assert_int_equal(sgx.run.exception_vector, SGX_VECTOR_PF);
	assert_int_equal(sgx.run.exception_addr, DATA);
	sgx.run.tcs = FREE;
	sgx_fixture_enter(&sgx, test_leave, 0, 0, 0, 0);
	assert_int_equal(sgx.run.function, SGX_EENTER);
	assert_int_equal(sgx.run.exception_vector, SGX_VECTOR_PF);
	sgx.run.tcs = TCS1;
	sgx_fixture_resume(&sgx);
	assert_int_equal(sgx.run.function, SGX_ERESUME);
	assert_int_equal(sgx.run.exception_vector, SGX_VECTOR_GP);
	sgx.run.tcs = TCS1 + 8;
	sgx_fixture_enter(&sgx, test_leave, 0, 0, 0, 0);
	assert_int_equal(sgx.run.function, SGX_EENTER);
	assert_int_equal(sgx.run.exception_vector, SGX_VECTOR_GP);
}

static void leave_after_fault(void)
{
	fixture_frame(0)->rip = at(test_leave);
	sgx_fixture_resume(&sgx);
	assert_int_equal(sgx.run.function, SGX_EEXIT);
}

/* #BP is SIGTRAP and never seen by the vDSO; the launcher sees no difference.
 */
static void test_exceptions(void **state)
{
	static const struct {
		const uint8_t *routine;
		unsigned int vector;
	} cases[] = {{test_ud, SGX_VECTOR_UD}, {test_de, SGX_VECTOR_DE},
		{test_gp, SGX_VECTOR_GP}, {test_bp, SGX_VECTOR_BP},
		{test_syscall, SGX_VECTOR_UD}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		sgx_fixture_enter(&sgx, cases[i].routine, 0, 0, 0, 0);
		assert_int_equal(sgx.run.function, SGX_ERESUME);
		assert_int_equal(sgx.run.exception_vector, cases[i].vector);
		leave_after_fault();
	}
}

/* A page that nobody added: Linux adds it, the processor refuses it. */
static void test_stray_access(void **state)
{
	(void)state;
	sgx_fixture_enter(&sgx, test_load, FREE + 8, 0, 0, 0);
	assert_int_equal(sgx.run.function, SGX_ERESUME);
	assert_int_equal(sgx.run.exception_vector, SGX_VECTOR_PF);
	assert_int_equal(sgx.run.exception_addr, FREE);
	assert_int_equal(sgx_model.demand, 1);
	leave_after_fault();
	/* Not outside of the mapping. */
	sgx_fixture_enter(&sgx, test_load, 0x1000, 0, 0, 0);
	assert_int_equal(sgx.run.exception_vector, SGX_VECTOR_PF);
	assert_int_equal(sgx_model.demand, 1);
	leave_after_fault();
	/* What is there already is no obstacle. */
	assert_int_equal(sgx.ops->augment(sgx.enclave, FREE, 8192, false), 0);
	assert_int_equal(sgx_fixture_accept(&sgx, FREE, FRESH), 0);
}

/* The model spoils what the vDSO does not promise to keep. */
static __attribute__((noinline)) uint64_t kept_registers(void)
{
	register uint64_t a __asm__("r12") = 0x1212;
	register uint64_t b __asm__("r13") = 0x1313;
	register uint64_t c __asm__("r14") = 0x1414;
	register uint64_t d __asm__("r15") = 0x1515;
	register uint64_t e __asm__("rbx") = 0xbbbb;
	uint64_t flags;

	__asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e));
	sgx.ops->enter(at(test_leave), 0, 0, SGX_EENTER, 0, 0, &sgx.run);
	__asm__ volatile(
		"pushfq; popq %0"
		: "=r"(flags), "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e));
	return (a ^ 0x1212) | (b ^ 0x1313) | (c ^ 0x1414) | (d ^ 0x1515) |
		(e ^ 0xbbbb) | (flags & 0x400);
}

static void test_registers_kept(void **state)
{
	(void)state;
	assert_int_equal(kept_registers(), 0);
	assert_int_equal(sgx.run.function, SGX_EEXIT);
}

static pthread_t spinner;

static void *ticker(void *arg)
{
	(void)arg;
	usleep(30000);
	pthread_kill(spinner, SGX_TICK);
	return NULL;
}

/* The kernel would resume the enclave; the tick is for the launcher. */
static void test_tick(void **state)
{
	uint64_t *word = (uint64_t *)(uintptr_t)DATA;
	pthread_t t;

	(void)state;
	*word = 0;
	spinner = pthread_self();
	for (int i = 0; i < 5; i++) {
		pthread_create(&t, NULL, ticker, NULL);
		if (i == 0)
			sgx_fixture_enter(&sgx, test_spin, DATA, 0, 0, 0);
		else
			sgx_fixture_resume(&sgx);
		pthread_join(t, NULL);
		assert_int_equal(sgx.run.function, SGX_ERESUME);
		assert_int_equal(
			sgx.run.exception_vector, ENCLAVE_VECTOR_INTERRUPT);
	}
	*word = 1;
	sgx_fixture_resume(&sgx);
	assert_int_equal(sgx.run.function, SGX_EEXIT);
	assert_int_equal(sgx.run.exit_rdi, 77);
	assert_int_equal(sgx_model.interrupts, 5);
	/* Outside it is nothing. */
	raise(SGX_TICK);
}

/* Nested: an exception, looked at, resumed. */
static void test_nested_entry(void **state)
{
	(void)state;
	sgx_fixture_enter(&sgx, test_ud, 0, 0, 0, 0);
	assert_int_equal(sgx.run.function, SGX_ERESUME);
	sgx_fixture_enter(&sgx, test_leave, 0, 0, 0, 0); /* CSSA 1 */
	assert_int_equal(sgx.run.function, SGX_EEXIT);
	assert_int_equal(sgx.run.exit_rdi, 1);
	leave_after_fault();
}

static void test_suspended(void **state)
{
	(void)state;
	sgx_model.suspended = true;
	sgx_fixture_enter(&sgx, test_leave, 0, 0, 0, 0);
	assert_int_equal(sgx.run.function, SGX_EENTER);
	assert_int_equal(sgx.run.exception_vector, SGX_VECTOR_PF);
	assert_true(sgx.run.exception_error_code & SGX_PFEC_SGX);
	assert_int_equal(
		sgx.ops->augment(sgx.enclave, FREE, 4096, false), -ENOMEM);
	assert_int_equal(
		sgx.ops->restrict_permissions(sgx.enclave, DATA, 4096, 1),
		-EFAULT);
}

/* ---- pages of a running enclave ---- */

static void add(uint64_t page, size_t count)
{
	assert_int_equal(
		sgx.ops->augment(sgx.enclave, page, count * 4096, false), 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(
			sgx_fixture_accept(&sgx, page + i * 4096, FRESH), 0);
}

static void test_augment(void **state)
{
	(void)state;
	assert_int_equal(
		sgx.ops->augment(sgx.enclave, FREE + 1, 4096, false), -EINVAL);
	assert_int_equal(
		sgx.ops->augment(sgx.enclave, 0, 4096, false), -EINVAL);
	assert_int_equal(
		sgx.ops->augment(sgx.enclave, 64 * GIB - 4096, 8192, false),
		-EINVAL);
	add(FREE, 4);
	assert_int_equal(sgx_model.augmented, 4);
	sgx_fixture_enter(&sgx, test_store, FREE + 4096, 5, 0, 0);
	assert_int_equal(sgx.run.function, SGX_EEXIT);
	/* Not twice. */
	assert_int_equal(sgx_fixture_accept(&sgx, FREE, FRESH),
		SGX_PAGE_ATTRIBUTES_MISMATCH);
	/* Out of memory: some are there; asking again is fine. */
	sgx_model.epc = 3;
	assert_int_equal(
		sgx.ops->augment(sgx.enclave, FREE + 0x10000, 0x8000, false),
		-ENOMEM);
	sgx_fixture_assert_why("EPC");
	sgx_model.epc = 100;
	add(FREE + 0x10000, 8);
}

static void test_restrict(void **state)
{
	const uint64_t accepted = SGX_SECINFO_REG | SGX_SECINFO_R |
		SGX_SECINFO_PR;

	(void)state;
	add(FREE, 8);
	assert_int_equal(sgx.ops->restrict_permissions(
				 sgx.enclave, FREE, 4096, SGX_SECINFO_W),
		-EINVAL);
	assert_int_equal(
		sgx.ops->restrict_permissions(sgx.enclave, FREE, 4096, 8),
		-EINVAL);
	assert_int_equal(sgx.ops->restrict_permissions(
				 sgx.enclave, TCS1, 4096, SGX_SECINFO_R),
		-EINVAL);
	/* Two thirds of the pages are refused at first. */
	sgx_model.again_every = 2;
	sgx_model.conflict_every = 3;
	assert_int_equal(sgx.ops->restrict_permissions(
				 sgx.enclave, FREE, 8 * 4096, SGX_SECINFO_R),
		0);
	for (int i = 0; i < 8; i++)
		assert_int_equal(
			sgx_fixture_accept(&sgx, FREE + i * 4096ull, accepted),
			0);
	sgx_fixture_enter(&sgx, test_store, FREE, 5, 0, 0);
	assert_int_equal(sgx.run.exception_vector, SGX_VECTOR_PF);
	leave_after_fault();
	/* As far as it goes. */
	sgx_model.again_every = sgx_model.conflict_every = 0;
	add(FREE + 0x10000, 2);
	assert_int_equal(sgx.ops->restrict_permissions(sgx.enclave,
				 FREE + 0x10000, 4 * 4096, SGX_SECINFO_R),
		-EFAULT);
	assert_int_equal(sgx_fixture_accept(&sgx, FREE + 0x11000, accepted), 0);
	/* Pending pages: the leaf's own code. */
	assert_int_equal(
		sgx.ops->augment(sgx.enclave, FREE + 0x20000, 4096, false), 0);
	assert_int_equal(sgx.ops->restrict_permissions(sgx.enclave,
				 FREE + 0x20000, 4096, SGX_SECINFO_R),
		SGX_PAGE_NOT_MODIFIABLE);
}

static void test_swapped_for_ever(void **state)
{
	(void)state;
	add(FREE, 1);
	sgx_model.again_every = 1;
	assert_int_equal(sgx.ops->restrict_permissions(
				 sgx.enclave, FREE, 4096, SGX_SECINFO_R),
		-EAGAIN);
}

static void test_remove(void **state)
{
	const uint64_t trimmed = SGX_SECINFO_TRIM | SGX_SECINFO_MODIFIED;
	uint64_t epc;

	(void)state;
	add(FREE, 6);
	epc = sgx_model.epc;
	assert_int_equal(
		sgx.ops->remove_pages(sgx.enclave, FREE, 4096), -EPERM);
	assert_int_equal(
		sgx.ops->modify_type(sgx.enclave, FREE, 4096, SGX_PT_REG),
		-EINVAL);
	sgx_model.again_every = 3;
	assert_int_equal(
		sgx.ops->modify_type(sgx.enclave, FREE, 6 * 4096, SGX_PT_TRIM),
		0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(
			sgx_fixture_accept(&sgx, FREE + i * 4096ull, trimmed),
			0);
	/* Three of them: the enclave has not accepted the others. */
	assert_int_equal(
		sgx.ops->remove_pages(sgx.enclave, FREE, 6 * 4096), -EPERM);
	assert_int_equal(sgx_model.epc, epc + 3);
	for (int i = 3; i < 6; i++)
		assert_int_equal(
			sgx_fixture_accept(&sgx, FREE + i * 4096ull, trimmed),
			0);
	assert_int_equal(
		sgx.ops->remove_pages(sgx.enclave, FREE + 3 * 4096, 3 * 4096),
		0);
	assert_int_equal(sgx_model.epc, epc + 6);
	assert_int_equal(
		sgx.ops->remove_pages(sgx.enclave, FREE, 4096), -EFAULT);
	add(FREE, 6);
}

/* A page becomes a TCS, with the only mapping in which Linux lets it be one. */
static void test_new_tcs(void **state)
{
	struct sgx_tcs *tcs = (struct sgx_tcs *)(uintptr_t)FREE;
	uint64_t before = sgx_model.mappings;

	(void)state;
	add(FREE, 3);
	*tcs = (struct sgx_tcs){.ossa = FREE + 4096,
		.nssa = 2,
		.oentry = TEXT,
		.ofsbase = DATA,
		.ogsbase = DATA + 0x3000,
		.fslimit = 0xfff,
		.gslimit = 0xfff};
	assert_int_equal(
		sgx.ops->modify_type(sgx.enclave, FREE, 4096, SGX_PT_TCS), 0);
	assert_int_equal(sgx_model_mapped(FREE), 3);
	assert_int_equal(sgx_model_mapped(FREE + 4096), 7);
	assert_int_equal(sgx_model.mappings, before + 1);
	assert_int_equal(sgx_fixture_accept(&sgx, FREE,
				 SGX_SECINFO_TCS | SGX_SECINFO_MODIFIED),
		0);
	sgx.run.tcs = FREE;
	sgx_fixture_enter(&sgx, test_leave, 9, 0, 0, 0);
	assert_int_equal(sgx.run.function, SGX_EEXIT);
	assert_int_equal(sgx.run.exit_rsi, 9);
	/* With another one it could not be entered. */
	assert_int_equal(sgx_os()->protect(FREE, 4096, 7), -EACCES);
}

static void test_protect(void **state)
{
	(void)state;
	add(FREE, 4);
	assert_int_equal(sgx.ops->protect(sgx.enclave, FREE, 4096, 8), -EINVAL);
	assert_int_equal(sgx.ops->protect(sgx.enclave, FREE, 8192, 0), 0);
	assert_int_equal(sgx_model_mapped(FREE), 0);
	sgx_fixture_enter(&sgx, test_load, FREE, 0, 0, 0);
	assert_int_equal(sgx.run.exception_vector, SGX_VECTOR_PF);
	leave_after_fault();
	assert_int_equal(
		sgx.ops->protect(sgx.enclave, FREE, 4096, PROT_READ), 0);
	assert_int_equal(sgx_model_mapped(FREE), 7);
	assert_int_equal(sgx_model_mapped(FREE + 4096), 0);
	sgx_fixture_enter(&sgx, test_load, FREE, 0, 0, 0);
	assert_int_equal(sgx.run.function, SGX_EEXIT);
	/* Over pages of the image: each gets what it had. */
	assert_int_equal(sgx.ops->protect(sgx.enclave, TEXT - 4096,
				 DATA + DATA_SIZE - TEXT + 8192, 0),
		0);
	assert_int_equal(sgx_model_mapped(TEXT), 0);
	assert_int_equal(sgx.ops->protect(sgx.enclave, TEXT - 4096,
				 DATA + DATA_SIZE - TEXT + 8192, PROT_READ),
		0);
	assert_int_equal(sgx_model_mapped(TEXT - 4096), 7);
	assert_int_equal(sgx_model_mapped(TEXT), 5);
	assert_int_equal(sgx_model_mapped(TCS1), 3);
	assert_int_equal(sgx_model_mapped(DATA + DATA_SIZE), 7);
}

static void *restrict_many(void *arg)
{
	uint64_t page = FREE + (uint64_t)(uintptr_t)arg * 0x100000;
	int rc = 0;

	for (int i = 0; i < 64 && !rc; i++)
		rc = sgx.ops->restrict_permissions(
			sgx.enclave, page, 4 * 4096, SGX_SECINFO_R);
	return (void *)(intptr_t)rc;
}

/* The driver refuses two ioctls at once; the backend never tries. */
static void test_concurrent_ioctls(void **state)
{
	pthread_t t[4];
	void *rc;

	(void)state;
	for (uint64_t i = 0; i < 4; i++)
		add(FREE + i * 0x100000, 4);
	sgx_model.slow = true;
	for (uint64_t i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, restrict_many, (void *)i);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &rc);
		assert_null(rc);
	}
	assert_int_equal(sgx_model.naps, 0);
}

#define RUNNING_TEST(name)               \
	cmocka_unit_test_setup_teardown( \
		name, sgx_fixture_setup, sgx_fixture_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		RUNNING_TEST(test_exit_registers),
		RUNNING_TEST(test_bad_arguments),
		RUNNING_TEST(test_entry_faults),
		RUNNING_TEST(test_exceptions),
		RUNNING_TEST(test_stray_access),
		RUNNING_TEST(test_registers_kept),
		RUNNING_TEST(test_tick),
		RUNNING_TEST(test_nested_entry),
		RUNNING_TEST(test_suspended),
		RUNNING_TEST(test_augment),
		RUNNING_TEST(test_restrict),
		RUNNING_TEST(test_swapped_for_ever),
		RUNNING_TEST(test_remove),
		RUNNING_TEST(test_new_tcs),
		RUNNING_TEST(test_protect),
		RUNNING_TEST(test_concurrent_ioctls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stage 1 of exceptions against a host that enters when it likes: what it
 * makes of an SSA frame, case by case.
 */
#include "unit.h"

#include <asm/prctl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "abi/layout.h"
#include "abi/sgx.h"
#include "kernel/aspace.h"
#include "kernel/cpu.h"
#include "kernel/cpuid.h"
#include "kernel/klog.h"
#include "kernel/sched.h"
#include "kernel/signal.h"
#include "kernel/uaccess.h"

enum { UD = 6, DB = 1, GP = 13, PF = 14, TICK = 255 };

uint32_t xsave_size = 832;

/* Kernel text: 64 bytes of accesses to user memory, then the fix-up. */
__asm__(".text\n"
	".globl kernel_text_start, kernel_text_end\n"
	".globl uaccess_start, uaccess_end, uaccess_fixup, trap_entry\n"
	"kernel_text_start:\n"
	"trap_entry: .fill 16, 1, 0x90\n"
	"uaccess_start: .fill 64, 1, 0x90\n"
	"uaccess_end:\n"
	"uaccess_fixup: .fill 16, 1, 0x90\n"
	"kernel_text_end:\n");
extern const uint8_t uaccess_start[], uaccess_end[], uaccess_fixup[],
	trap_entry[], kernel_text_start[];

void exception_stage1(void);
void trap_enter(struct trapframe *f);
void cpuid_enter(struct trapframe *f);

static uint8_t ssa[PAGE_SIZE] __attribute__((aligned(4096)));
static struct sgx_gprsgx *const gpr =
	(struct sgx_gprsgx *)(ssa + PAGE_SIZE - sizeof(struct sgx_gprsgx));
static struct cpu cpu;
static struct thread thread;
static struct trapframe frame;
static uint8_t xsave[PAGE_SIZE] __attribute__((aligned(64)));
static jmp_buf stopped;
enum { BUG = 1, HOST };

void panic(const char *fmt, ...)
{
	(void)fmt;
	longjmp(stopped, BUG);
}

void panic_host(const char *fmt, ...)
{
	(void)fmt;
	longjmp(stopped, HOST);
}

/* Stage 2 is not run here. */
struct thread *current_thread(void)
{
	return &thread;
}
void bkl_lock(void)
{
}
void bkl_unlock(void)
{
}
void user_return(struct thread *t, struct trapframe *f)
{
	(void)t, (void)f;
}
int aspace_fault(struct aspace *as, uint64_t addr, bool write, bool exec)
{
	(void)as, (void)addr, (void)write, (void)exec;
	return 0;
}
int user_read(void *dst, uint64_t src, size_t size)
{
	(void)dst, (void)src, (void)size;
	return -1;
}
void syscall_dispatch(struct trapframe *f)
{
	(void)f;
}
void cpuid_emulate(struct trapframe *f)
{
	(void)f;
}
void signal_force_fault(
	int signo, int code, uint64_t addr, uint8_t vector, uint32_t error)
{
	(void)signo, (void)code, (void)addr, (void)vector, (void)error;
}

/* Enters with CSSA 1: 0, or why the enclave stopped. */
static int enter(void)
{
	int why = setjmp(stopped);

	if (why)
		return why;
	exception_stage1();
	return 0;
}

/* An AEX wrote this. */
static void aex(uint64_t rip, int vector, uint64_t address)
{
	struct sgx_exinfo *x = (struct sgx_exinfo *)gpr - 1;

	gpr->rip = rip;
	gpr->rsp = 0x1234;
	gpr->rflags = 0x246;
	gpr->exitinfo = vector == TICK
		? 0
		: SGX_EXITINFO_VALID | SGX_EXITINFO_TYPE_HW | (uint32_t)vector;
	x->maddr = address;
	x->errcd = 0;
}

static uint64_t at(const uint8_t *p)
{
	return (uint64_t)(uintptr_t)p;
}

static int setup(void **state)
{
	(void)state;
	memset(&cpu, 0, sizeof(cpu));
	memset(&thread, 0, sizeof(thread));
	memset(ssa, 0, sizeof(ssa));
	cpu.self = &cpu;
	cpu.thread = &thread;
	cpu.ssa_gpr = at((uint8_t *)gpr);
	thread.frame = &frame;
	thread.xsave = xsave;
	return (int)syscall(SYS_arch_prctl, ARCH_SET_GS, &cpu);
}

static void test_tick_in_kernel(void **state)
{
	(void)state;
	for (const uint8_t *p = kernel_text_start; p < uaccess_end; p += 8) {
		cpu.need_resched = 0;
		aex(at(p), TICK, 0);
		assert_int_equal(enter(), 0);
		assert_int_equal(gpr->rip, at(p));
		assert_int_equal(gpr->rsp, 0x1234);
		assert_int_equal(cpu.need_resched, 1);
		assert_false(thread.user_saved);
	}
}

static void test_access(void **state)
{
	(void)state;
	aex(at(uaccess_start + 8), PF, USER_START + 5);
	assert_int_equal(enter(), 0);
	assert_int_equal(gpr->rip, at(uaccess_fixup));
	assert_int_equal(cpu.fault_addr, USER_START + 5);
}

/*
 * The host hides a page of the kernel's text, stack or heap, or of the shared
 * region while the kernel accesses user memory, and delivers the fault.
 * Sending that to the fix-up would end the access early: before its first
 * instruction with whatever RCX holds as the number of bytes left.
 */
static void test_hidden_page(void **state)
{
	const uint64_t pages[] = {at(uaccess_start), KERNEL_BASE, TCS_BASE,
		HEAP_BASE, USER_END, ELRANGE_SIZE, 0x7ffff7000000, 0, 0xffff};

	(void)state;
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		cpu.fault_addr = 0;
		aex(at(uaccess_start), PF, pages[i]);
		assert_int_equal(enter(), HOST);
		assert_int_equal(gpr->rip, at(uaccess_start));
		assert_int_equal(cpu.fault_addr, 0);
		cpu.in_exception = false;
	}
	aex(at(uaccess_start), GP, 0);
	assert_int_equal(enter(), BUG);
}

static void test_kernel_fault(void **state)
{
	(void)state;
	aex(at(trap_entry), PF, USER_START);
	assert_int_equal(enter(), BUG);
	aex(at(uaccess_end), UD, 0);
	assert_int_equal(enter(), BUG);
}

/* A program that traps every instruction makes a system call. */
static void test_single_step(void **state)
{
	(void)state;
	aex(at(trap_entry), DB, 0);
	gpr->rflags = 0x346;
	assert_int_equal(enter(), 0);
	assert_int_equal(gpr->rip, at(trap_entry));
	assert_int_equal(gpr->rflags, 0x246);
}

static void test_application(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ssa) - 512; i++)
		ssa[i] = (uint8_t)i;
	aex(USER_START + 0x100, PF, USER_START + 0x2000);
	gpr->rdi = 77;
	assert_int_equal(enter(), 0);
	assert_int_equal(gpr->rip, at(trap_entry));
	assert_int_equal(gpr->rsp, at((uint8_t *)&frame));
	assert_int_equal(gpr->rflags, 2);
	assert_int_equal(frame.rdi, 77);
	assert_int_equal(frame.rip, USER_START + 0x100);
	assert_int_equal(thread.trap.vector, PF);
	assert_int_equal(thread.trap.address, USER_START + 0x2000);
	assert_true(thread.user_saved);
	assert_memory_equal(xsave, ssa, xsave_size);
}

/* The host enters again without ERESUME: the frame is what it was. */
static void test_replay(void **state)
{
	struct trapframe seen;

	(void)state;
	aex(USER_START + 0x100, UD, 0);
	assert_int_equal(enter(), 0);
	seen = frame;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(enter(), 0);
		assert_int_equal(gpr->rip, at(trap_entry));
		assert_memory_equal(&frame, &seen, sizeof(seen));
	}
	aex(at(uaccess_start + 8), PF, USER_START);
	assert_int_equal(enter(), 0);
	assert_int_equal(enter(), 0);
	assert_int_equal(gpr->rip, at(uaccess_fixup));
}

static void test_no_thread(void **state)
{
	(void)state;
	cpu.thread = NULL;
	aex(USER_START, TICK, 0);
	assert_int_equal(enter(), BUG);
}

#define TEST(name) cmocka_unit_test_setup(test_##name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tick_in_kernel),
		TEST(access),
		TEST(hidden_page),
		TEST(kernel_fault),
		TEST(single_step),
		TEST(application),
		TEST(replay),
		TEST(no_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's entry code itself, without an enclave: the host's side enters
 * with any registers and flags; ENCLU is an invalid instruction here, and what
 * the registers hold at it is what EEXIT would leave to the host.
 */
#include "unit.h"

#include <asm/prctl.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "abi/entry.h"
#include "abi/layout.h"
#include "kernel/cpu.h"

enum { FLAG_DF = 0x400, FLAG_AC = 0x40000, FLAG_ID = 0x200000 };

#define HOST_RSP 0x1111222233330000
#define HOST_RBP 0x1111222233338888
#define HOST_RET 0x4444555566667777
#define JUNK 0xa5a5a5a5a5a5a5a5

void enclave_entry(void);
uint64_t enclave_exit(uint64_t reason, uint64_t arg);
void cpu_first_entry(uint64_t cmd, uint64_t arg, struct cpu *c);
void exception_stage1(void);
void syscall_enter(struct trapframe *f);
void cpuid_enter(struct trapframe *f);
void trap_enter(struct trapframe *f);
void thread_started(struct trapframe *f);

static uint8_t slot[SLOT_USED] __attribute__((aligned(4096)));
static struct cpu *const cpu = (struct cpu *)(slot + SLOT_CPU);
static greg_t seen[NGREG];
static sigjmp_buf host;
static uint64_t flags, stack, returned;
static unsigned first_entries, exceptions, returns;

static void look(void)
{
	__asm__ volatile("pushfq; popq %0" : "=r"(flags));
	stack = (uint64_t)(uintptr_t)__builtin_frame_address(0);
}

/* ---- the kernel behind the entry ---- */

void cpu_first_entry(uint64_t cmd, uint64_t arg, struct cpu *c)
{
	look();
	assert_int_equal(cmd, ENTRY_BOOT);
	assert_int_equal(arg, 42);
	assert_ptr_equal(c, cpu);
	first_entries++;
	for (;;) {
		returned = enclave_exit(EXIT_CALL, 7);
		look();
		returns++;
	}
}

void exception_stage1(void)
{
	look();
	assert_ptr_equal(this_cpu(), cpu);
	exceptions++;
}

void syscall_enter(struct trapframe *f)
{
	(void)f;
}
void cpuid_enter(struct trapframe *f)
{
	(void)f;
}
void trap_enter(struct trapframe *f)
{
	(void)f;
}
void thread_started(struct trapframe *f)
{
	(void)f;
}

/* ---- the host ---- */

static void at_enclu(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info;
	memcpy(seen, ((ucontext_t *)context)->uc_mcontext.gregs, sizeof(seen));
	siglongjmp(host,
		memcmp((void *)(uintptr_t)seen[REG_RIP], "\x0f\x01\xd7", 3)
			? 2
			: 1);
}

static volatile uint64_t host_rflags __attribute__((used)); /* for the asm */

/* EENTER. RSP and RBP of the host are where the processor put them. */
static void enter(uint64_t cssa, uint64_t rdi, uint64_t rsi, uint64_t rflags)
{
	static uint64_t alternate[8192];
	const stack_t ss = {.ss_sp = alternate, .ss_size = sizeof(alternate)};
	struct sigaction sa = {.sa_sigaction = at_enclu,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
	uint64_t *ursp = (uint64_t *)(void *)(slot + SLOT_SSA +
		(cssa + 1) * PAGE_SIZE - 184 + 144);

	sigaltstack(&ss, NULL);
	sigaction(SIGILL, &sa, NULL);
	sigaction(SIGSEGV, &sa, NULL); /* #GP: the processor has SGX */
	if (cssa < 2) {
		ursp[0] = HOST_RSP;
		ursp[1] = HOST_RBP;
	}
	switch (sigsetjmp(host, 1)) {
	case 0:
		break;
	case 1:
		return;
	default:
		fail_msg("fault at %llx", seen[REG_RIP]);
	}
	host_rflags = rflags | 0x202;
	__asm__ volatile(
		"mov %[junk], %%r8\n\t"
		"mov %%r8, %%r9\n\t"
		"mov %%r8, %%r10\n\t"
		"mov %%r8, %%r11\n\t"
		"mov %%r8, %%r12\n\t"
		"mov %%r8, %%r13\n\t"
		"mov %%r8, %%r14\n\t"
		"mov %%r8, %%r15\n\t"
		"mov %%r8, %%rdx\n\t"
		"mov %%r8, %%rbx\n\t"
		"pushq host_rflags(%%rip)\n\t"
		"popfq\n\t"
		"jmp enclave_entry"
		:
		: "a"(cssa), "D"(rdi), "S"(rsi), "c"(HOST_RET), [junk] "i"(JUNK)
		: "memory", "rbx", "rdx", "r8", "r9", "r10", "r11", "r12",
		"r13", "r14", "r15");
	__builtin_unreachable();
}

/* What the host gets: reason and argument, nothing else. */
static void check_exit(int64_t reason, int64_t arg)
{
	static const int zero[] = {REG_RCX, REG_RDX, REG_R8, REG_R9, REG_R10,
		REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

	assert_int_equal(seen[REG_RAX], 4);
	assert_int_equal(seen[REG_RBX], HOST_RET);
	assert_int_equal(seen[REG_RDI], reason);
	assert_int_equal(seen[REG_RSI], arg);
	for (size_t i = 0; i < sizeof(zero) / sizeof(zero[0]); i++)
		assert_int_equal(seen[zero[i]], 0);
	/* of xor; IF and RF are the machine's */
	assert_int_equal(seen[REG_EFL] & ~0x10000, 0x246);
}

static void check_host_stack(void)
{
	assert_int_equal(seen[REG_RSP], HOST_RSP);
	assert_int_equal(seen[REG_RBP], HOST_RBP);
}

static void check_inside(uint64_t low, uint64_t top)
{
	uint64_t base = (uint64_t)(uintptr_t)slot;

	assert_int_equal(flags & (FLAG_DF | FLAG_AC | FLAG_ID), 0);
	assert_in_range(stack, base + low, base + top);
}

static int setup(void **state)
{
	(void)state;
	memset(slot, 0, sizeof(slot));
	first_entries = exceptions = returns = 0;
	return (int)syscall(SYS_arch_prctl, ARCH_SET_GS, cpu);
}

static const uint64_t host_flags[] = {
	0, FLAG_DF, FLAG_AC, FLAG_DF | FLAG_AC | FLAG_ID | 0x8d5};

static void test_first_entry(void **state)
{
	for (size_t i = 0; i < 4; i++) {
		setup(state);
		enter(0, ENTRY_BOOT, 42, host_flags[i]);
		check_exit(EXIT_CALL, 7);
		check_host_stack();
		check_inside(SLOT_IDLE_STACK, SLOT_IDLE_STACK_TOP);
		assert_int_equal(first_entries, 1);
		assert_int_equal(cpu->state, CPU_STATE_EXITED);
	}
}

/* Whatever the host says it is, an entry after an exit is a return. */
static void test_come_back(void **state)
{
	(void)state;
	enter(0, ENTRY_BOOT, 42, 0);
	for (size_t i = 0; i < 4; i++) {
		static const uint64_t rdi[] = {
			ENTRY_BOOT, ENTRY_THREAD, ENTRY_RETURN, JUNK};

		memset(seen, 0, sizeof(seen));
		enter(0, rdi[i], 1000 + i, host_flags[i]);
		check_exit(EXIT_CALL, 7);
		check_host_stack();
		check_inside(SLOT_IDLE_STACK, SLOT_IDLE_STACK_TOP);
		assert_int_equal(returns, i + 1);
		assert_int_equal(returned, 1000 + i);
		assert_int_equal(first_entries, 1);
	}
}

/* No exit is pending: there is nothing to return to. */
static void test_not_outside(void **state)
{
	(void)state;
	enter(0, ENTRY_BOOT, 42, 0);
	cpu->state = CPU_STATE_INSIDE;
	enter(0, ENTRY_RETURN, 1, FLAG_DF);
	check_exit(EXIT_PANIC, 1);
	cpu->state = 77;
	enter(0, ENTRY_BOOT, 42, 0);
	check_exit(EXIT_PANIC, 1);
	assert_int_equal(first_entries + returns, 1);
}

static void test_exception(void **state)
{
	(void)state;
	enter(0, ENTRY_BOOT, 42, 0);
	for (size_t i = 0; i < 4; i++) {
		enter(1, JUNK, JUNK, host_flags[i]);
		check_exit(EXIT_RESUME, 0);
		check_host_stack();
		check_inside(SLOT_EXC_STACK, SLOT_EXC_STACK_TOP);
		assert_int_equal(exceptions, i + 1);
		assert_int_equal(cpu->state, CPU_STATE_EXITED);
	}
	assert_int_equal(returns, 0);
}

/* A tick in the first instructions, before there is a stack. */
static void test_early_exception(void **state)
{
	(void)state;
	enter(1, ENTRY_EXCEPTION, 0, FLAG_DF);
	check_exit(EXIT_RESUME, 0);
	assert_int_equal(exceptions, 0);
	assert_true(seen[REG_RSP] != 0);
	assert_int_equal(cpu->state, CPU_STATE_FRESH);
	enter(0, ENTRY_BOOT, 42, 0);
	check_exit(EXIT_CALL, 7);
	/* from the moment there is one, stage 1 finds its cpu */
	assert_ptr_equal(cpu->self, cpu);
}

static void test_nested(void **state)
{
	(void)state;
	enter(0, ENTRY_BOOT, 42, 0);
	enter(2, ENTRY_EXCEPTION, 0, 0);
	check_exit(EXIT_PANIC, 1);
	enter(UINT64_MAX, ENTRY_BOOT, 42, 0);
	check_exit(EXIT_PANIC, 1);
	assert_int_equal(first_entries + exceptions + returns, 1);
}

#define TEST(name) cmocka_unit_test_setup(test_##name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(first_entry),
		TEST(come_back),
		TEST(not_outside),
		TEST(exception),
		TEST(early_exception),
		TEST(nested),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

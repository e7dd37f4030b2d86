/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Enclave threads: their slots, leaving and entering, extended state.
 *
 * The kernel uses general registers only, so the application's extended
 * state and FS base stay in the registers during a system call. They are
 * saved when the thread is switched away from or the enclave is left, and
 * loaded again just before the application continues. What leaves the
 * enclave is the initial state (S-05); what the host put into the registers
 * is never used, since the load replaces all of it (S-02, S-03).
 */
#include "kernel/cpu.h"

#include "abi/entry.h"
#include "abi/sgx.h"
#include "kernel/enclu.h"
#include "kernel/hostcall.h"
#include "kernel/fpu.h"
#include "kernel/klog.h"
#include "kernel/boot.h"
#include "kernel/stats.h"
#include "lib/string.h"
#include "lib/types.h"

static_assert_offset(struct cpu, self, CPU_SELF);
static_assert_offset(struct cpu, syscall_entry, CPU_SYSCALL_ENTRY);
static_assert_offset(struct cpu, cpuid_entry, CPU_CPUID_ENTRY);
static_assert_offset(struct cpu, user_rsp, CPU_USER_RSP);
static_assert_offset(struct cpu, kstack, CPU_KSTACK);
static_assert_offset(struct cpu, thread, CPU_CURRENT);
static_assert_offset(struct cpu, rip, CPU_RIP);
static_assert_offset(struct cpu, state, CPU_STATE);
static_assert_offset(struct cpu, exit_rsp, CPU_EXIT_RSP);
static_assert_offset(struct cpu, host_ret, CPU_HOST_RET);
static_assert_offset(struct cpu, ssa_gpr, CPU_SSA_GPR);
static_assert_offset(struct cpu, exc_stack, CPU_EXC_STACK);
static_assert_offset(struct cpu, idle_stack, CPU_IDLE_STACK);
static_assert_offset(struct cpu, exc_ret, CPU_EXC_RET);
static_assert_offset(struct trapframe, rip, 128); /* entry.S */
static_assert_offset(struct trapframe, rflags, 136);
_Static_assert(sizeof(struct cpu) <= PAGE_SIZE, "struct cpu is one page");

void enclave_entry(void);
uint64_t enclave_exit(uint64_t reason, uint64_t arg);
void enclave_exit_exception(uint64_t reason, uint64_t arg)
	__attribute__((noreturn));
void xstate_save(void *area, uint64_t mask);
void xstate_load(const void *area, uint64_t mask);
void kentry(void);
void kentry_cpuid(void);

int cpu_count = 1;
uint32_t xsave_size;
uint64_t xsave_mask;

enum { XSTATE_HEADER = 512, XSTATE_END = 576, XSTATE_COMPONENTS = 8 };

/* Of the standard format; the first two are in the legacy region. */
static struct {
	uint32_t offset, size;
} layout[XSTATE_COMPONENTS];

/* Legacy region and header of the initial state; MXCSR is taken from here
 * even though no component is marked present. */
static struct {
	uint8_t legacy_head[24];
	uint32_t mxcsr;
	uint32_t mxcsr_mask;
	uint8_t rest[512 - 32];
	uint64_t header[8];
} initial_xstate __attribute__((aligned(64))) = {.mxcsr = 0x1f80};

struct cpu *cpu_get(int index)
{
	return (struct cpu *)(TCS_BASE + (uint64_t)index * TCS_SLOT_SIZE +
		SLOT_CPU);
}

void cpu_setup(struct cpu *c, int index)
{
	c->self = c;
	c->syscall_entry = (uint64_t)(uintptr_t)kentry;
	c->cpuid_entry = (uint64_t)(uintptr_t)kentry_cpuid;
	c->index = index;
}

void xstate_initial(void *area)
{
	memcpy(area, &initial_xstate, sizeof(initial_xstate));
}

int cpu_prepare(int index)
{
	uint64_t slot = TCS_BASE + (uint64_t)index * TCS_SLOT_SIZE;
	struct sgx_tcs *tcs = (struct sgx_tcs *)(slot + SLOT_TCS);
	const struct sgx_secinfo fresh = {.flags = SGX_SECINFO_REG |
			SGX_SECINFO_R | SGX_SECINFO_W | SGX_SECINFO_PENDING};
	const struct sgx_secinfo modified = {
		.flags = SGX_SECINFO_TCS | SGX_SECINFO_MODIFIED};
	static const uint32_t parts[][2] = {{SLOT_TCS, SLOT_EXC_GUARD},
		{SLOT_EXC_STACK, SLOT_IDLE_GUARD},
		{SLOT_IDLE_STACK, SLOT_USED}};
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		uint64_t a = slot + parts[i][0], end = slot + parts[i][1];

		err = (int)host_enclave_augment(a, end - a, false);
		if (err)
			return err;
		for (; a < end; a += PAGE_SIZE)
			if (enclu_accept(a, &fresh))
				panic_host("enclave thread %d: no page", index);
	}
	tcs->ossa = slot + SLOT_SSA;
	tcs->nssa = TCS_NSSA;
	tcs->oentry = (uint64_t)(uintptr_t)enclave_entry;
	tcs->ofsbase = slot + SLOT_CPU;
	tcs->ogsbase = slot + SLOT_CPU;
	tcs->fslimit = 0xfff;
	tcs->gslimit = 0xfff;
	err = (int)host_enclave_modify_type(
		slot + SLOT_TCS, PAGE_SIZE, SGX_PT_TCS);
	if (err)
		return err;
	if (enclu_accept(slot + SLOT_TCS, &modified))
		panic_host("enclave thread %d: page is no TCS", index);
	return 0;
}

static inline uint64_t read_fs_base(void)
{
	uint64_t v;

	__asm__ volatile("rdfsbase %0" : "=r"(v));
	return v;
}

static inline void write_fs_base(uint64_t v)
{
	__asm__ volatile("wrfsbase %0" : : "r"(v));
}

/*
 * Where XSAVE puts component i. Measured and not asked for: CPUID is the
 * host's word (S-22), and a component that was thought shorter than it is
 * would not be kept across an exception. All components are in their initial
 * state, which is zero.
 */
static int measure_component(int i, uint8_t *area)
{
	size_t start = 0, end = 0;

	memset(area, 0x5a, PAGE_SIZE);
	memset(area + XSTATE_HEADER, 0, XSTATE_END - XSTATE_HEADER);
	xstate_save(area, 1ul << i);
	for (size_t at = XSTATE_END; at < PAGE_SIZE; at++) {
		if (area[at] != 0x5a) {
			start = end ? start : at;
			end = at + 1;
		}
	}
	if (end == 0)
		return -1;
	layout[i].offset = (uint32_t)start;
	layout[i].size = (uint32_t)(end - start);
	return 0;
}

int xstate_init(uint64_t xcr0, void *area)
{
	uint64_t mask = xcr0 & XFRM_ALLOWED;
	uint32_t end = XSTATE_END;

	if ((mask & XFRM_REQUIRED) != XFRM_REQUIRED)
		return -1;
	xstate_load(&initial_xstate, mask);
	for (int i = 2; i < XSTATE_COMPONENTS; i++) {
		if (!(mask & 1ul << i))
			continue;
		if (measure_component(i, area))
			return -1;
		if (layout[i].offset + layout[i].size > end)
			end = layout[i].offset + layout[i].size;
	}
	/* An SSA frame holds it, EXINFO and GPRSGX in one page. */
	if (end > PAGE_SIZE - sizeof(struct sgx_gprsgx) -
			sizeof(struct sgx_exinfo))
		return -1;
	xsave_mask = mask;
	xsave_size = end;
	return 0;
}

void xstate_component(unsigned i, uint32_t *size, uint32_t *offset)
{
	*size = i < XSTATE_COMPONENTS ? layout[i].size : 0;
	*offset = i < XSTATE_COMPONENTS ? layout[i].offset : 0;
}

void thread_save_xstate(struct thread *t)
{
	if (t->user_saved)
		return;
	ASSERT(t == current);
	xstate_save(t->xsave, xsave_mask);
	t->fs_base = read_fs_base();
	t->user_saved = true;
}

void cpu_load_user(struct thread *t)
{
	if (!t->user_saved)
		return;
	xstate_load(t->xsave, xsave_mask);
	write_fs_base(t->fs_base);
	t->user_saved = false;
	this_cpu()->xstate_live = true;
}

/* All exceptions masked and their flags set: no instruction's time depends on
 * whether it would set one (S-03). */
enum { MXCSR_CRYPTO = 0x1fbf };

static void set_mxcsr(uint32_t v)
{
	__asm__ volatile("ldmxcsr %0; lfence" : : "m"(v));
}

void kernel_fpu_begin(void)
{
	if (current)
		thread_save_xstate(current);
	/* What the bracketed code leaves in the registers is secret. Until
	 * now they may hold what the host left. */
	xstate_load(&initial_xstate, xsave_mask);
	set_mxcsr(MXCSR_CRYPTO);
	this_cpu()->xstate_live = true;
}

void kernel_fpu_end(void)
{
	xstate_load(&initial_xstate, xsave_mask);
	this_cpu()->xstate_live = false;
}

/* Leaves the enclave with nothing of the application in any register. */
uint64_t cpu_leave(uint64_t reason, uint64_t arg)
{
	struct cpu *c = this_cpu();

	if (c->thread)
		thread_save_xstate(c->thread);
	if (c->xstate_live) {
		xstate_load(&initial_xstate, xsave_mask);
		c->xstate_live = false;
	}
	c->stats.exits++;
	return enclave_exit(reason, arg);
}

uint64_t enclave_exit_call(uint64_t arg)
{
	uint64_t hint;

	bkl_unlock();
	hint = cpu_leave(EXIT_CALL, arg);
	bkl_lock();
	return hint;
}

void cpu_stop(uint64_t code)
{
	xstate_load(&initial_xstate, xsave_mask);
	if (this_cpu()->in_exception)
		enclave_exit_exception(EXIT_PANIC, code);
	enclave_exit(EXIT_PANIC, code);
}

void kernel_shutdown(int wait_status)
{
	if (boot_flags() & BOOT_STATS)
		stats_report();
	klog_flush();
	for (;;)
		cpu_leave(EXIT_SHUTDOWN, (uint64_t)(uint32_t)wait_status);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exceptions. Stage 1 runs at CSSA 1 on its own stack and only sorts: a
 * fault of the kernel's access to user memory, a tick that met the kernel,
 * or something of the application, which it sends to trap_entry with the
 * whole state saved in the thread (S-19). Stage 2 runs there as ordinary
 * kernel code.
 *
 * What happened is read from EXITINFO and EXINFO, which the hardware wrote,
 * never from the host (S-20). An entry without valid EXITINFO is a tick.
 */
#include <errno.h>
#include <signal.h>

#include "abi/layout.h"
#include "abi/sgx.h"
#include "kernel/aspace.h"
#include "kernel/cpu.h"
#include "kernel/cpuid.h"
#include "kernel/klog.h"
#include "kernel/process.h"
#include "kernel/sched.h"
#include "kernel/signal.h"
#include "kernel/uaccess.h"
#include "lib/string.h"
#include "lib/types.h"

enum {
	VEC_DE = 0,
	VEC_DB = 1,
	VEC_BP = 3,
	VEC_BR = 5,
	VEC_UD = 6,
	VEC_GP = 13,
	VEC_PF = 14,
	VEC_MF = 16,
	VEC_AC = 17,
	VEC_XM = 19,
	VEC_TICK = 255, /* nothing the hardware vouches for */
};

enum { TRAP_TRACE_CODE = 2 }; /* si_code TRAP_TRACE; sigaction(2) */

enum { PF_WRITE = 2, PF_FETCH = 16 };

#define FLAG_TF 0x100ul

extern const uint8_t kernel_text_start[], kernel_text_end[];
extern const uint8_t uaccess_start[], uaccess_end[];
void uaccess_fixup(void);
void trap_entry(void);
void exception_stage1(void);
void trap_enter(struct trapframe *f);
void cpuid_enter(struct trapframe *f);

static struct sgx_gprsgx *ssa_gpr(struct cpu *c)
{
	return (struct sgx_gprsgx *)(uintptr_t)c->ssa_gpr;
}

/* EXINFO lies right below GPRSGX; what is there if MISCSELECT has it. */
static const struct sgx_exinfo *ssa_exinfo(struct cpu *c)
{
	return (const struct sgx_exinfo *)(uintptr_t)(c->ssa_gpr -
		sizeof(struct sgx_exinfo));
}

static const void *ssa_xsave(struct cpu *c)
{
	return (const void *)(uintptr_t)((c->ssa_gpr +
						 sizeof(struct sgx_gprsgx)) -
		SSA_FRAME_PAGES * PAGE_SIZE);
}

static void save_frame(struct trapframe *f, const struct sgx_gprsgx *g)
{
	*f = (struct trapframe){g->rdi, g->rsi, g->rdx, g->r10, g->r8, g->r9,
		g->rax, g->rbx, g->rcx, g->rbp, g->r11, g->r12, g->r13, g->r14,
		g->r15, UINT64_MAX, g->rip, g->rflags, g->rsp};
}

/* EACCEPT and its like fault on a page that the host said it had added. */
static bool page_withheld(struct cpu *c, const struct sgx_gprsgx *g)
{
	return (g->rax == SGX_EACCEPT || g->rax == SGX_EACCEPTCOPY ||
		       g->rax == SGX_EMODPE) &&
		!((g->rcx ^ ssa_exinfo(c)->maddr) & ~PAGE_MASK);
}

/* The kernel was running: only its access to user memory may fault. */
static void in_kernel(struct cpu *c, struct sgx_gprsgx *g)
{
	uint8_t vector = g->exitinfo & SGX_EXITINFO_VECTOR;
	uint64_t address = ssa_exinfo(c)->maddr;

	if (!(g->exitinfo & SGX_EXITINFO_VALID)) {
		c->stats.ticks++;
		c->need_resched = 1;
		return;
	}
	if (vector == VEC_DB) { /* the application came with TF set */
		g->rflags &= ~FLAG_TF;
		return;
	}
	if (vector == VEC_PF && g->rip >= (uint64_t)(uintptr_t)uaccess_start &&
		g->rip < (uint64_t)(uintptr_t)uaccess_end) {
		/* Only an access to the application's page may be given up:
		 * before the first instruction RCX is not the count yet, and
		 * the host can hide that instruction's page (S-21). */
		if (address < USER_START || address >= USER_END)
			panic_host("page %lx of the kernel or of the shared "
				   "region is not there",
				(unsigned long)address);
		c->stats.page_faults++;
		c->fault_addr = address;
		c->fault_error = ssa_exinfo(c)->errcd;
		g->rip = (uint64_t)(uintptr_t)uaccess_fixup;
		return;
	}
	if (vector == VEC_PF && page_withheld(c, g))
		panic_host("page %lx is not there", (unsigned long)g->rcx);
	if (vector == VEC_PF && address - g->rsp + PAGE_SIZE < 2 * PAGE_SIZE)
		panic("the kernel's stack is full at %lx",
			(unsigned long)g->rip);
	panic("exception %u in the kernel at %lx, address %lx, error %x",
		vector, (unsigned long)g->rip, (unsigned long)address,
		ssa_exinfo(c)->errcd);
}

/* The application was running: keep its state, continue in trap_entry. */
static void in_application(struct cpu *c, struct sgx_gprsgx *g)
{
	struct thread *t = c->thread;

	if (!t)
		panic("application code runs without a thread");
	if (g->exitinfo & SGX_EXITINFO_VALID) {
		t->trap.vector = g->exitinfo & SGX_EXITINFO_VECTOR;
		t->trap.error = ssa_exinfo(c)->errcd;
		t->trap.address = ssa_exinfo(c)->maddr;
	} else {
		t->trap.vector = VEC_TICK;
	}
	save_frame(t->frame, g);
	memcpy(t->xsave, ssa_xsave(c), xsave_size);
	/* The header of the SSA's area is the hardware's; bits outside XFRM
	 * and reserved words are zero. */
	t->fs_base = g->fsbase;
	t->user_saved = true;
	c->xstate_live = true;
	g->rip = (uint64_t)(uintptr_t)trap_entry;
	g->rsp = (uint64_t)(uintptr_t)t->frame;
	g->rflags = 2;
}

void exception_stage1(void)
{
	struct cpu *c = this_cpu();
	struct sgx_gprsgx *g = ssa_gpr(c);

	c->in_exception = true;
	/* A wild jump of the application may end anywhere else. */
	if (g->rip >= (uint64_t)(uintptr_t)kernel_text_start &&
		g->rip < (uint64_t)(uintptr_t)kernel_text_end)
		in_kernel(c, g);
	else
		in_application(c, g);
	/* Dealt with: a host that shows it again shows a tick. */
	g->exitinfo = 0;
	c->in_exception = false;
}
/* #UD of a system call that was not rewritten, or of cpuid; else SIGILL. */
static void undefined_opcode(struct thread *t, struct trapframe *f)
{
	uint8_t op[2];

	if (!user_read(op, f->rip, sizeof(op)) && op[0] == 0x0f) {
		if (op[1] == 0x05) {
			this_cpu()->stats.traps_syscall++;
			f->rip += 2;
			f->rcx = f->rip;
			f->r11 = f->rflags;
			f->orig_rax = f->rax;
			this_cpu()->stats.syscalls++;
			syscall_dispatch(f);
			return;
		}
		if (op[1] == 0xa2) {
			this_cpu()->stats.traps_cpuid++;
			f->rip += 2;
			cpuid_emulate(f);
			return;
		}
	}
	signal_force_fault(SIGILL, ILL_ILLOPN, f->rip, VEC_UD, 0);
}

static void page_fault(struct thread *t, struct trapframe *f)
{
	bool write = t->trap.error & PF_WRITE;
	bool exec = t->trap.error & PF_FETCH;
	uint64_t address = t->trap.address;
	uint32_t error = t->trap.error;
	int err;

	this_cpu()->stats.page_faults++;
	if (address < USER_START || address >= USER_END)
		err = -EFAULT;
	else
		err = aspace_fault(t->proc->as, address, write, exec);
	if (err == -EFAULT)
		signal_force_fault(
			SIGSEGV, SEGV_MAPERR, address, VEC_PF, error);
	else if (err == -EACCES)
		signal_force_fault(
			SIGSEGV, SEGV_ACCERR, address, VEC_PF, error);
	else if (err)
		signal_force_fault(SIGBUS,
			err == -ENOMEM ? BUS_OBJERR : BUS_ADRERR, address,
			VEC_PF, error);
}

/* What the other exceptions become; SIGILL for all that is not here. */
static const struct {
	int signo, code;
	bool has_address; /* of the instruction */
} signals[] = {
	[VEC_DE] = {SIGFPE, FPE_INTDIV, true},
	[VEC_DB] = {SIGTRAP, TRAP_TRACE_CODE, true},
	[VEC_BP] = {SIGTRAP, SI_KERNEL, false},
	[VEC_GP] = {SIGSEGV, SI_KERNEL, false},
	[VEC_MF] = {SIGFPE, FPE_FLTINV, true},
	[VEC_AC] = {SIGBUS, BUS_ADRALN, false},
	[VEC_XM] = {SIGFPE, FPE_FLTINV, true},
};

static void other_exception(struct thread *t, struct trapframe *f, uint8_t vec)
{
	this_cpu()->stats.other_exceptions++;
	if (vec < ARRAY_SIZE(signals) && signals[vec].signo)
		signal_force_fault(signals[vec].signo, signals[vec].code,
			signals[vec].has_address ? f->rip : 0, vec,
			vec == VEC_GP ? t->trap.error : 0);
	else
		signal_force_fault(SIGILL, ILL_ILLOPN, f->rip, vec, 0);
}

void trap_enter(struct trapframe *f)
{
	struct thread *t = current;
	uint8_t vector = t->trap.vector;

	bkl_lock();
	if (vector == VEC_TICK) {
		this_cpu()->stats.ticks++;
		this_cpu()->need_resched = 1;
	} else if (vector == VEC_PF) {
		page_fault(t, f);
	} else if (vector == VEC_UD) {
		undefined_opcode(t, f);
	} else {
		other_exception(t, f, vector);
	}
	user_return(t, f);
	bkl_unlock();
}

void cpuid_enter(struct trapframe *f)
{
	struct thread *t = current;

	bkl_lock();
	cpuid_emulate(f);
	user_return(t, f);
	bkl_unlock();
}

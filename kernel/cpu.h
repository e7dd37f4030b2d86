/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One enclave thread (a TCS), as the kernel sees it: %gs points here.
 *
 * State machine of an enclave thread (cpu->state):
 *
 *	FRESH   --EENTER, CSSA 0-->  INSIDE     first entry, on the idle stack
 *	INSIDE  --EEXIT----------->  EXITED     enclave_exit() saved its stack
 *	EXITED  --EENTER, CSSA 0-->  INSIDE     enclave_exit() returns
 *
 * Anything else (EENTER with CSSA 0 while INSIDE cannot happen, the TCS is
 * busy; FRESH with ENTRY_RETURN; a second ENTRY_BOOT) stops the enclave.
 * Exceptions (CSSA 1) run stage 1 on the exception stack, never touch
 * cpu->state and never nest: NSSA is 2.
 */
#pragma once

#include "abi/layout.h"

/* Offsets for entry.S, the rewriter and trampolines; checked in cpu.c. */
#define CPU_SELF 0x00
#define CPU_SYSCALL_ENTRY 0x08
#define CPU_CPUID_ENTRY 0x10
#define CPU_USER_RSP 0x18
#define CPU_KSTACK 0x20
#define CPU_CURRENT 0x28
#define CPU_RIP 0x30
#define CPU_STATE 0x38
#define CPU_EXIT_RSP 0x40
#define CPU_HOST_RET 0x48
#define CPU_SSA_GPR 0x50
#define CPU_EXC_STACK 0x58
#define CPU_IDLE_STACK 0x60
#define CPU_EXC_RET 0x68

#define CPU_STATE_FRESH 0
#define CPU_STATE_INSIDE 1
#define CPU_STATE_EXITED 2

#ifndef __ASSEMBLER__

#include <stdbool.h>
#include <stdint.h>

#include "kernel/thread.h"

/* Counters for --stats. */
struct cpu_stats {
	uint64_t syscalls;
	uint64_t traps_syscall; /* system calls that were not rewritten */
	uint64_t traps_cpuid;
	uint64_t page_faults;
	uint64_t ticks;
	uint64_t other_exceptions;
	uint64_t exits;
	uint64_t switches;
};

struct cpu {
	struct cpu *self;
	uint64_t syscall_entry;
	uint64_t cpuid_entry;
	uint64_t user_rsp;
	uint64_t kstack; /* where kentry starts to push */
	struct thread *thread; /* NULL: idle */
	uint64_t rip;
	uint64_t state;
	uint64_t exit_rsp;
	uint64_t host_ret;
	uint64_t ssa_gpr; /* GPRSGX of SSA frame 0 */
	uint64_t exc_stack;
	uint64_t idle_stack;
	uint64_t exc_ret;

	int index; /* 0..cpus-1, the TCS slot */
	volatile uint32_t need_resched; /* set by stage 1 and other cpus */
	bool in_exception; /* stage 1 runs */
	bool xstate_live; /* extended registers hold application data */
	bool polling; /* waits in the host for events */
	bool parked; /* waits in the host for a kick */
	uint64_t idle_sp; /* saved stack of the idle context */
	struct thread *dead; /* to be freed after the switch */
	uint64_t fault_addr; /* of the last uaccess fault-up */
	uint32_t fault_error;
	struct cpu_stats stats;
};

/* Read anew each time: a thread may be on another cpu after a sleep. */
static inline struct cpu *this_cpu(void)
{
	struct cpu *c;

	__asm__ volatile("mov %%gs:%c1, %0" : "=r"(c) : "i"(CPU_SELF));
	return c;
}

extern int cpu_count; /* --cpus */
bool cpu_is_started(int index);
struct cpu *cpu_get(int index); /* by TCS slot */

/* The big kernel lock; see the head of sched.c. */
void bkl_lock(void);
void bkl_unlock(void);

/*
 * Leaves the enclave so that the host serves this thread's call slot, and
 * returns when it has come back. Must hold the big kernel lock, which is
 * dropped outside: a sleep point. The hint is whatever the host put into
 * RSI; never to be trusted.
 */
uint64_t enclave_exit_call(uint64_t arg);

/* For sched.c, trap.c and boot.c. */
/* Makes the slot of a further enclave thread: pages, stacks, TCS. 0 or
 * -errno. May sleep. */
int cpu_prepare(int index);
void cpu_setup(struct cpu *c, int index);
/* Makes a zeroed XSAVE area the state a program starts with. */
void xstate_initial(void *area);
void cpu_load_user(struct thread *t);
uint64_t cpu_leave(uint64_t reason, uint64_t arg);
/* Finds the XSAVE layout out, with a page for scratch; -1 if impossible. */
int xstate_init(uint64_t xcr0, void *area);
/* Where component i is in an XSAVE area; sizes 0 if it is not. */
void xstate_component(unsigned i, uint32_t *size, uint32_t *offset);

/* Leaves for good from wherever the kernel is, exceptions included; code is
 * PANIC_*. Returns only if the host enters again. */
void cpu_stop(uint64_t code);

/* Ends the enclave for good with a wait status of the program. */
void kernel_shutdown(int wait_status) __attribute__((noreturn));

#endif

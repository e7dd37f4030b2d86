/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The emulated processor: what the leaves work on. Internal to emu/.
 *
 * ENCLS leaves (one file each) are functions of the enclave and the operands;
 * they take and return what the instruction does: 0, a positive SGX code, or
 * EMU_GP / EMU_PF for a fault. They change contents and the EPC map; the
 * driver then lets the real pages follow (epcm_apply), so that a range costs
 * one system call. They are called with enclave->lock held.
 *
 * ENCLU leaves work on the registers of the thread. They are called with the
 * enclave's FS base, on a host stack, and are freestanding, except EREPORT and
 * EGETKEY, which the dispatcher calls with the host's FS base and the vector
 * state saved.
 */
#pragma once

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "abi/enclave_backend.h"
#include "abi/sgx.h"
#include "attest/measure.h"
#include "emu/emu.h"
#include "emu/epcm.h"
#include "emu/offsets.h"

enum {
	EMU_GP = -1001, /* #GP(0) */
	EMU_PF = -1002, /* #PF */

	EMU_MAX_TCS = 4096,
	EMU_MAX_THREADS = 1024,
	/* One slot per thread: the thread's structure, then its signal stack.
	 * Aligned to its size, so that a handler finds it from RSP. */
	EMU_SLOT_SIZE = 0x10000,
	EMU_SLOT_STACK = 0x1000, /* offset of the signal stack */
	EMU_XSAVE_MAX = 0x4000,
	EMU_ARCH_SET_CPUID = 0x1012, /* arch_prctl */
};

struct emu_platform {
	uint8_t root_key[16];
	uint8_t seal_fuses[16];
	uint8_t owner_epoch[16];
	uint8_t report_keyid[32]; /* new with every enclave, as with every boot
				   */
	uint8_t cpusvn[16];
};

/* The processor's view of a TCS. Its page is not accessible to anyone. */
struct emu_tcs {
	_Atomic uint32_t active;
	uint32_t cssa;
	uint32_t nssa;
	_Atomic uint32_t used;
	uint64_t linaddr;
	uint64_t flags;
	uint64_t ossa;
	uint64_t oentry;
	uint64_t ofsbase;
	uint64_t ogsbase;
};

struct enclave {
	struct epcm epcm;
	pthread_mutex_t lock; /* ENCLS and the driver */
	struct sgx_secs secs;
	bool initialised;
	enum emu_mode mode;
	struct measure *measure;
	struct emu_platform platform;
	uint8_t isvfamilyid[16];
	uint8_t isvextprodid[16];
	uint32_t xsave_size; /* of the area that XFRM needs */
	uint64_t children; /* pages, besides the SECS */
	uint64_t added_low, added_end; /* all that EADD added lies within */
	struct emu_tcs tcs[EMU_MAX_TCS];
	_Atomic uint64_t aex, aex_interrupt, ticks_outside, traps, patched,
		page_fills, thread_lookups;
};

struct emu_fault {
	uint32_t vector;
	uint32_t error_code;
	uint64_t addr;
};

struct emu_thread {
	/* Up to here as in offsets.h. The registers of the enclave at a leaf
	 * or at the point to resume; order of GPRSGX. */
	uint64_t gpr[16];
	uint64_t rflags, rip;
	uint64_t host_rsp, host_fs;
	uint64_t entry_fs, entry_gs, entry_rip;
	uint64_t tcs_addr;
	_Atomic uint32_t *tcs_active;
	struct enclave_run *run;
	void *xsave;
	uint64_t xfrm;
	uint64_t iret[5];
	uint32_t cssa;
	_Atomic uint32_t mode;

	struct emu_tcs *tcs;
	struct enclave *enclave;
	uint64_t ssa; /* linear address of the current frame */
	int tid; /* 0: slot is free */
	int tick_signal;
	stack_t old_stack;
	uint8_t syscall_selector;
	bool cpuid_faults; /* `cpuid` is #GP in this thread */
};

enum { GPR_RAX, GPR_RCX, GPR_RDX, GPR_RBX, GPR_RSP, GPR_RBP, GPR_RSI, GPR_RDI };

#define PIN(field, offset) \
	static_assert(offsetof(struct emu_thread, field) == (offset), #field)
PIN(rflags, T_RFLAGS);
PIN(rip, T_RIP);
PIN(host_rsp, T_HOST_RSP);
PIN(host_fs, T_HOST_FS);
PIN(entry_fs, T_ENTRY_FS);
PIN(entry_gs, T_ENTRY_GS);
PIN(entry_rip, T_ENTRY_RIP);
PIN(tcs_addr, T_TCS_ADDR);
PIN(tcs_active, T_TCS_ACTIVE);
PIN(run, T_RUN);
PIN(xsave, T_XSAVE);
PIN(xfrm, T_XFRM);
PIN(iret, T_IRET);
PIN(cssa, T_CSSA);
PIN(mode, T_MODE);
#undef PIN
static_assert(sizeof(struct emu_thread) <= EMU_SLOT_STACK, "thread slot");
static_assert(offsetof(struct enclave_run, function) == R_FUNCTION, "run");
static_assert(offsetof(struct enclave_run, exit_rdi) == R_EXIT_RDI, "run");
static_assert(offsetof(struct enclave_run, exit_r9) == R_EXIT_R9, "run");

/* The enclave of this process; NULL before create. */
extern struct enclave *emu_current;
/* EMU_MAX_THREADS slots; NULL before the first create. */
extern uint8_t *emu_slots;
/* /proc/self/mem, which writes where page tables forbid it; -1: not there. */
extern int emu_memory;
/* The caller's slot, NULL before thread_init. */
extern __thread struct emu_thread *emu_self;

static inline struct emu_thread *emu_slot(unsigned int i)
{
	return (struct emu_thread *)(emu_slots + (size_t)i * EMU_SLOT_SIZE);
}

/* ENCLS. */
int emu_ecreate(struct enclave *e, const struct sgx_secs *secs);
int emu_eadd(struct enclave *e, const struct sgx_pageinfo *info, uint64_t addr);
int emu_eextend(struct enclave *e, uint64_t addr);
int emu_einit(struct enclave *e, const struct sgx_sigstruct *sig);
/* host: what the host's page table allows, R/W/X as 1/2/4. */
int emu_eaug(struct enclave *e, uint64_t addr, uint32_t host);
int emu_emodpr(struct enclave *e, uint64_t addr, uint64_t secinfo_flags);
int emu_emodt(struct enclave *e, uint64_t addr, uint64_t secinfo_flags);
int emu_eremove(struct enclave *e, uint64_t addr);
int emu_eremove_secs(struct enclave *e);
int emu_eblock(struct enclave *e, uint64_t addr);
/* Flushes [addr, addr+len): the emulator has no epochs, real pages follow at
 * once. */
int emu_etrack(struct enclave *e, uint64_t addr, size_t len);

/* TCS contents as EADD and EACCEPT accept them: 0 or EMU_GP. Freestanding. */
int emu_tcs_check(const struct sgx_tcs *tcs);
/* Takes a free TCS state and fills it; -1: none left. Freestanding. */
int emu_tcs_take(
	struct enclave *e, const struct sgx_tcs *tcs, uint64_t linaddr);

/* ENCLU: 0 (registers updated) or -1 with *fault set. */
typedef int emu_enclu_fn(
	struct emu_thread *t, uint64_t *gpr, struct emu_fault *fault);
emu_enclu_fn emu_eaccept, emu_eacceptcopy, emu_emodpe, emu_ereport, emu_egetkey;

/* Result of emu_enclu. */
enum { ENCLU_DONE, ENCLU_EXIT, ENCLU_FAULT };
/*
 * Runs the leaf in gpr[RAX]. ENCLU_DONE: registers and flags are updated, the
 * caller skips the instruction. ENCLU_EXIT: EEXIT; the caller goes to
 * gpr[RBX] after emu_eexit. ENCLU_FAULT: *fault.
 */
int emu_enclu(struct emu_thread *t, uint64_t *gpr, uint64_t *rflags,
	struct emu_fault *fault);

/*
 * A memory operand of an ENCLU leaf: `size` bytes at addr, aligned to size
 * rounded up to a power of two by the caller's check, so within one page.
 * Checks that the enclave may read (and write) it. 0 or -1 with *fault.
 */
int emu_operand(const struct emu_thread *t, uint64_t addr, uint32_t need,
	struct emu_fault *fault);
/*
 * The SECINFO operand at addr: alignment, place, permission, reserved bytes.
 * 0 and its FLAGS, or -1 with *fault.
 */
int emu_secinfo(const struct emu_thread *t, uint64_t addr, uint64_t *flags,
	struct emu_fault *fault);
int emu_fault_gp(struct emu_fault *fault);
int emu_fault_pf(const struct emu_thread *t, uint64_t addr, uint32_t access,
	struct emu_fault *fault);
/* RAX and ZF of a leaf that returns a code. */
void emu_leaf_result(uint64_t *gpr, uint64_t *rflags, uint64_t code);

/* AEX: fills the SSA frame and the run structure, leaves enclave mode. */
void emu_aex(struct emu_thread *t, const uint64_t *gpr, uint64_t rflags,
	uint64_t rip, const struct emu_fault *fault);
/* The XSAVE image of a signal frame (or NULL: init state) into the SSA. */
void emu_aex_xsave(struct emu_thread *t, const void *image, uint64_t have);

/* enter.S */
int emu_enter(unsigned long rdi, unsigned long rsi, unsigned long rdx,
	unsigned int leaf, unsigned long r8, unsigned long r9,
	struct enclave_run *run);
extern const char emu_aep[]; /* where an AEX continues */
extern const char emu_text_start[], emu_text_end[];
extern const char emu_stub[]; /* the target of patched ENCLU */

/* Called by enter.S. */
uint64_t emu_enter_prepare(
	struct emu_thread *t, unsigned int leaf, struct enclave_run *run);
int emu_stub_leaf(struct emu_thread *t);
struct emu_thread *emu_thread_lookup(void);
void emu_bad_exit(void) __attribute__((noreturn));

/* Signals. */
extern int emu_tick_signal;
void emu_signal(int signo, siginfo_t *info, void *context);
int emu_signals_install(int tick_signal);

/*
 * Loads the platform's keys from $XDG_DATA_HOME/sconce/platform (default
 * ~/.local/share), creating them at first use. 0 or -errno; what is wrong is
 * said on standard error.
 */
int emu_platform_load(struct emu_platform *platform);
/* XSAVE area size for a set of features. */
uint32_t emu_xsave_size(uint64_t xfrm);

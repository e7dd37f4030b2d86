/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entering through the vDSO, and the signals that it leaves to us.
 *
 * __vdso_sgx_enter_enclave returns for EEXIT and for nearly every exception,
 * inside or of the leaf itself. Two things it never shows: an interrupt, after
 * which the kernel resumes the enclave by itself, and #DB and #BP, which are
 * SIGTRAP. Both leave the thread at the asynchronous exit pointer, where the
 * next instruction is ERESUME: a handler that runs there may let it happen or
 * send the thread back to sgx_enter.S instead, which is what the launcher
 * wants of a tick.
 */
#include <asm/sgx.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <ucontext.h>

#include "abi/sgx.h"
#include "host/sgx_enter.h"
#include "host/sgx_int.h"

_Static_assert(sizeof(struct sgx_enclave_run) == 256, "as the vDSO checks");
_Static_assert(offsetof(struct enclave_run, exit_rdi) ==
		offsetof(struct sgx_enclave_run, reserved),
	"the same up to here");

struct sgx_call {
	uint64_t rdi, rsi, rdx, r8, r9; /* in and out */
	uint64_t leaf;
	const void *function;
	uint64_t rsp; /* while inside */
	struct sgx_enclave_run *run;
};
#define PIN(field, offset) \
	_Static_assert(offsetof(struct sgx_call, field) == (offset), #field)
PIN(rdi, CALL_RDI);
PIN(rsi, CALL_RSI);
PIN(rdx, CALL_RDX);
PIN(r8, CALL_R8);
PIN(r9, CALL_R9);
PIN(leaf, CALL_LEAF);
PIN(function, CALL_FUNCTION);
PIN(rsp, CALL_RSP);
PIN(run, CALL_RUN);
#undef PIN

struct sgx_thread {
	struct enclave *enclave;
	struct sgx_call call;
	/* The vDSO's: where ours has the exit registers it wants zeros. */
	struct sgx_enclave_run run;
	volatile bool inside;
};

static __thread struct sgx_thread self
	__attribute__((tls_model("initial-exec")));
static const void *enter_function;

/* sgx_enter.S: 0 or -EINVAL of the vDSO. */
int sgx_enter_call(struct sgx_call *call);
extern const char sgx_enter_back[];

/* An AEX left the thread before ERESUME: TCS, leaf and pointer are those that
 * the processor puts there. */
static bool at_exit_pointer(const greg_t *regs)
{
	return self.inside && regs[REG_RAX] == SGX_ERESUME &&
		regs[REG_RIP] == regs[REG_RCX] &&
		(uint64_t)regs[REG_RBX] == self.run.tcs;
}

/* As if the vDSO had returned with an exception. */
static void leave(greg_t *regs, uint16_t vector)
{
	self.run.function = SGX_ERESUME;
	self.run.exception_vector = vector;
	self.run.exception_error_code = 0;
	self.run.exception_addr = 0;
	regs[REG_RIP] = (greg_t)(uintptr_t)sgx_enter_back;
	regs[REG_RSP] = (greg_t)self.call.rsp;
	regs[REG_RAX] = 0;
}

static void on_tick(int signo, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)signo;
	(void)info;
	if (at_exit_pointer(regs))
		leave(regs, ENCLAVE_VECTOR_INTERRUPT);
}

static void on_trap(int signo, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;

	if (info->si_code > 0 && at_exit_pointer(regs)) {
		leave(regs, (uint16_t)regs[REG_TRAPNO]);
		return;
	}
	signal(signo, SIG_DFL); /* a debugger's, or a bug */
	raise(signo);
}

int sgx_enter_init(const struct sgx_os *os, int tick_signal)
{
	struct sigaction action = {.sa_flags = SA_SIGINFO | SA_RESTART};
	int rc;

	enter_function = os->enter_function();
	if (!enter_function)
		return sgx_fail(-ENOSYS,
			"the kernel's vDSO has no __vdso_sgx_enter_enclave: "
			"use Linux 5.11 or later with CONFIG_X86_SGX, without "
			"the boot option vdso=0");
	if (tick_signal)
		sigaddset(&action.sa_mask, tick_signal);
	action.sa_sigaction = on_trap;
	rc = os->handle(SIGTRAP, &action);
	action.sa_sigaction = on_tick;
	if (!rc && tick_signal)
		rc = os->handle(tick_signal, &action);
	return rc ? sgx_fail(rc, "installing signals: %s", strerror(-rc)) : 0;
}

int sgx_thread_init(struct enclave *e)
{
	if (self.enclave)
		return -EEXIST;
	memset(&self, 0, sizeof(self));
	self.enclave = e;
	return 0;
}

void sgx_thread_fini(struct enclave *e)
{
	(void)e;
	self.enclave = NULL;
}

int sgx_enter(unsigned long rdi, unsigned long rsi, unsigned long rdx,
	unsigned int leaf, unsigned long r8, unsigned long r9,
	struct enclave_run *run)
{
	struct sgx_thread *t = &self;
	int rc;

	if ((leaf != SGX_EENTER && leaf != SGX_ERESUME) || !t->enclave ||
		run->user_handler || run->user_data)
		return -EINVAL;
	t->call = (struct sgx_call){
		.rdi = rdi,
		.rsi = rsi,
		.rdx = rdx,
		.r8 = r8,
		.r9 = r9,
		.leaf = leaf,
		.function = enter_function,
		.run = &t->run,
	};
	t->run.tcs = run->tcs;
	t->run.function = 0;
	t->run.exception_vector = 0;
	t->run.exception_error_code = 0;
	t->run.exception_addr = 0;
	t->inside = true;
	rc = sgx_enter_call(&t->call);
	t->inside = false;
	if (rc)
		return rc;
	run->function = t->run.function;
	run->exception_vector = t->run.exception_vector;
	run->exception_error_code = t->run.exception_error_code;
	run->exception_addr = t->run.exception_addr;
	if (run->function == SGX_EEXIT) {
		run->exit_rdi = t->call.rdi;
		run->exit_rsi = t->call.rsi;
		run->exit_rdx = t->call.rdx;
		run->exit_r8 = t->call.r8;
		run->exit_r9 = t->call.r9;
	}
	return 0;
}

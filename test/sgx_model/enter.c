/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vDSO and the kernel's part in it: leaves that fault are reported, pages
 * that were not there are added, interrupts end in ERESUME unless a signal
 * handler changes that, #DB and #BP are signals.
 */
#include "test/sgx_model/model.h"

#include <asm/sgx.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "abi/enclave_backend.h"
#include "abi/sgx.h"
#include "emu/emu.h"

struct model_regs {
	uint64_t rdi, rsi, rdx, r8, r9, rsp;
};

/* enter.S */
int model_vdso_c(struct model_regs *regs, unsigned int leaf,
	struct sgx_enclave_run *run);
extern const char model_exit_pointer[];
/* Continues as the registers say, with the direction flag set. */
void model_sigreturn(uint64_t rip, uint64_t rsp, uint64_t rax)
	__attribute__((noreturn));

static struct sigaction handlers[NSIG];
static int tick;
static __thread bool entered;

int model_handle(int signo, const struct sigaction *action)
{
	handlers[signo] = *action;
	if (signo != SIGTRAP)
		tick = signo;
	return 0;
}

int model_tick_signal(void)
{
	return tick;
}

void model_thread_leave(void)
{
	if (entered)
		emu_backend()->thread_fini(model_enclave());
	entered = false;
}

/* Returns if the handler wants the enclave resumed. */
static void deliver(
	int signo, int code, unsigned int vector, uint64_t tcs, uint64_t rsp)
{
	siginfo_t info = {.si_signo = signo, .si_code = code};
	greg_t at = (greg_t)(uintptr_t)model_exit_pointer;
	ucontext_t uc;
	greg_t *regs = uc.uc_mcontext.gregs;

	memset(&uc, 0, sizeof(uc));
	regs[REG_RIP] = regs[REG_RCX] = at;
	regs[REG_RAX] = SGX_ERESUME;
	regs[REG_RBX] = (greg_t)tcs;
	regs[REG_RSP] = (greg_t)rsp;
	regs[REG_TRAPNO] = vector;
	if (!handlers[signo].sa_sigaction)
		abort(); /* the signal's default action */
	handlers[signo].sa_sigaction(signo, &info, &uc);
	if (regs[REG_RIP] != at)
		model_sigreturn((uint64_t)regs[REG_RIP],
			(uint64_t)regs[REG_RSP], (uint64_t)regs[REG_RAX]);
}

static int report(struct sgx_enclave_run *run, unsigned int function,
	unsigned int vector, unsigned int error, uint64_t addr)
{
	run->function = function;
	run->exception_vector = (uint16_t)vector;
	run->exception_error_code = (uint16_t)error;
	run->exception_addr = addr;
	return 0;
}

static bool reserved_clear(const struct sgx_enclave_run *run)
{
	for (size_t i = 0; i < sizeof(run->reserved); i++)
		if (run->reserved[i])
			return false;
	return true;
}

static int needs(const struct enclave_run *r)
{
	if (r->exception_error_code & SGX_PFEC_W)
		return PROT_WRITE;
	return r->exception_error_code & SGX_PFEC_I ? PROT_EXEC : PROT_READ;
}

/* An AEX. True: the kernel resumes the enclave. */
static bool handled(struct sgx_enclave_run *run, const struct enclave_run *r,
	const struct model_regs *regs)
{
	switch (r->exception_vector) {
	case ENCLAVE_VECTOR_INTERRUPT:
		__atomic_fetch_add(&sgx_model.interrupts, 1, __ATOMIC_RELAXED);
		deliver(tick, SI_TKILL, 0, run->tcs, regs->rsp);
		return true;
	case SGX_VECTOR_DB:
	case SGX_VECTOR_BP:
		deliver(SIGTRAP, SI_KERNEL, r->exception_vector, run->tcs,
			regs->rsp);
		return true;
	case SGX_VECTOR_PF:
		return model_fault(r->exception_addr, needs(r));
	default:
		return false;
	}
}

int model_vdso_c(
	struct model_regs *regs, unsigned int leaf, struct sgx_enclave_run *run)
{
	uint64_t entries = __atomic_add_fetch(
		&sgx_model.entries, 1, __ATOMIC_RELAXED);
	struct enclave_run r;

	if (leaf < SGX_EENTER || leaf > SGX_ERESUME || !reserved_clear(run))
		return -EINVAL;
	if (!entered && emu_backend()->thread_init(model_enclave()))
		return -EINVAL;
	entered = true;
	if (sgx_model.suspend_after && entries >= sgx_model.suspend_after)
		sgx_model.suspended = true;
	for (;; leaf = SGX_ERESUME) {
		if (sgx_model.suspended)
			return report(run, leaf, SGX_VECTOR_PF,
				SGX_PFEC_SGX | SGX_PFEC_U | SGX_PFEC_P,
				run->tcs);
		if (!model_page_usable(run->tcs))
			return report(
				run, leaf, SGX_VECTOR_PF, SGX_PFEC_U, run->tcs);
		memset(&r, 0, sizeof(r));
		r.tcs = run->tcs;
		if (emu_backend()->enter(regs->rdi, regs->rsi, regs->rdx, leaf,
			    regs->r8, regs->r9, &r))
			return -EINVAL;
		if (r.function == SGX_EEXIT) {
			regs->rdi = r.exit_rdi;
			regs->rsi = r.exit_rsi;
			regs->rdx = r.exit_rdx;
			regs->r8 = r.exit_r8;
			regs->r9 = r.exit_r9;
			run->function = SGX_EEXIT;
			return 0;
		}
		if (r.function == SGX_ERESUME && handled(run, &r, regs))
			continue;
		return report(run, r.function, r.exception_vector,
			r.exception_error_code, r.exception_addr);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals of an enclave thread, and the AEX they become.
 *
 * A handler runs with whatever FS and GS base the enclave loaded. So nothing
 * here calls libc or has a stack protector; the thread is found from the
 * signal stack, which lies in the thread's slot. A thread outside all slots
 * (a launcher's worker) has no business with these signals.
 */
#define _GNU_SOURCE
#include <asm/unistd.h>
#include <signal.h>
#include <ucontext.h>

#include "emu/machine.h"
#include "emu/raw.h"

enum {
	SIGFRAME_MAGIC_OFFSET = 464, /* struct _fpx_sw_bytes */
	SIGFRAME_MAGIC1 = 0x46505853,
	XSTATE_HEADER = 512,
	XSTATE_BASE = 576,
};
#define RFLAGS_SYNTHETIC UINT64_C(0x202)

/* Order of GPRSGX in terms of ucontext. */
static const uint8_t greg_order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX,
	REG_RSP, REG_RBP, REG_RSI, REG_RDI, REG_R8, REG_R9, REG_R10, REG_R11,
	REG_R12, REG_R13, REG_R14, REG_R15};

static struct emu_thread *thread_of_stack(void)
{
	uintptr_t sp = (uintptr_t)__builtin_frame_address(0);
	uintptr_t base = (uintptr_t)emu_slots;

	if (sp < base ||
		sp >= base + (uintptr_t)EMU_MAX_THREADS * EMU_SLOT_SIZE)
		return NULL;
	return (struct emu_thread *)(sp & ~(uintptr_t)(EMU_SLOT_SIZE - 1));
}

/* As if there were no handler: the default action on return. */
static void die_by(int signo)
{
	struct {
		uint64_t handler, flags, restorer, mask;
	} action = {0, 0, 0, 0};

	raw_syscall4(__NR_rt_sigaction, signo, (long)&action, 0, 8);
}

void emu_aex_xsave(struct emu_thread *t, const void *image, uint64_t have)
{
	struct enclave *e = t->enclave;
	uint8_t *area = (uint8_t *)(uintptr_t)t->ssa;
	uint64_t *header = (uint64_t *)(void *)(area + XSTATE_HEADER);
	uint32_t size = e->xsave_size;

	if (!have) { /* no XSAVE machine: cannot happen on one with SGX */
		raw_copy(area, image, XSTATE_HEADER);
		raw_zero(area + XSTATE_HEADER, size - XSTATE_HEADER);
		header[0] = SGX_XFRM_LEGACY;
	} else {
		raw_copy(area, image, size < have ? size : have);
		header[0] &= e->secs.attributes.xfrm;
		raw_zero(header + 1, 56);
	}
	/* The kernel's own words in the legacy part. */
	raw_zero(area + SIGFRAME_MAGIC_OFFSET,
		XSTATE_HEADER - SIGFRAME_MAGIC_OFFSET);
}

void emu_aex(struct emu_thread *t, const uint64_t *gpr, uint64_t rflags,
	uint64_t rip, const struct emu_fault *fault)
{
	struct enclave *e = t->enclave;
	struct enclave_run *run = t->run;
	struct sgx_gprsgx *frame =
		(struct sgx_gprsgx *)(uintptr_t)(t->ssa +
			(uint64_t)e->secs.ssa_frame_pages * SGX_PAGE_SIZE) -
		1;
	uint32_t vector = fault ? fault->vector : 0;
	bool memory = fault &&
		(vector == SGX_VECTOR_GP || vector == SGX_VECTOR_PF);

	raw_copy(frame, gpr, sizeof(t->gpr));
	frame->rflags = rflags;
	frame->rip = rip;
	frame->fsbase = raw_rdfsbase();
	frame->gsbase = raw_rdgsbase();
	frame->exitinfo = 0;
	if (e->secs.miscselect & SGX_MISC_EXINFO) {
		struct sgx_exinfo *exinfo = (struct sgx_exinfo *)frame - 1;

		exinfo->maddr = memory ? fault->addr : 0;
		exinfo->errcd = memory ? fault->error_code : 0;
		exinfo->reserved = 0;
	}
	/* #PF and #GP are reported inside only with EXINFO. */
	if (fault && (!memory || (e->secs.miscselect & SGX_MISC_EXINFO)))
		frame->exitinfo = SGX_EXITINFO_VALID | vector |
			(vector == SGX_VECTOR_BP ? SGX_EXITINFO_TYPE_SW
						 : SGX_EXITINFO_TYPE_HW);

	run->function = SGX_ERESUME;
	run->exception_vector = fault ? (uint16_t)vector
				      : ENCLAVE_VECTOR_INTERRUPT;
	/* cppcheck-suppress nullPointerRedundantCheck ; memory tells */
	run->exception_error_code = memory ? (uint16_t)fault->error_code : 0;
	/* The host sees the page, not the byte. */
	run->exception_addr =
		memory ? fault->addr & ~(uint64_t)(SGX_PAGE_SIZE - 1) : 0;

	e->aex++;
	if (!fault)
		e->aex_interrupt++;
	t->tcs->cssa = t->cssa + 1;
	atomic_store(&t->tcs->active, 0);
}

/* Where the registers lie in a frame's FXSAVE part, and what follows it. */
enum { LEGACY_REGS = 32, LEGACY_END = 416, XSTATE_END = XSTATE_HEADER + 64 };

/* Size of a frame's XSAVE image, 0 if it is FXSAVE alone: magic1, then
 * extended_size, xfeatures, xstate_size. */
static uint64_t frame_xstate(const uint8_t *image)
{
	const uint8_t *magic = image + SIGFRAME_MAGIC_OFFSET;

	if (*(const uint32_t *)(const void *)magic != SIGFRAME_MAGIC1)
		return 0;
	return *(const uint32_t *)(const void *)(magic + 16);
}

/* Sends the signal's return to the AEP, with the state of AEX. */
static void leave(struct emu_thread *t, ucontext_t *uc, uint64_t rip)
{
	greg_t *regs = uc->uc_mcontext.gregs;
	uint8_t *image = (uint8_t *)uc->uc_mcontext.fpregs;

	for (int i = 0; i < 16; i++)
		regs[greg_order[i]] = 0;
	regs[REG_RAX] = SGX_ERESUME;
	regs[REG_RBX] = (greg_t)t->tcs_addr;
	regs[REG_RCX] = (greg_t)(uintptr_t)emu_aep;
	regs[REG_RSP] = (greg_t)t->host_rsp;
	regs[REG_RBP] = (greg_t)(t->host_rsp + 96);
	regs[REG_EFL] = RFLAGS_SYNTHETIC;
	regs[REG_RIP] = (greg_t)rip;
	/* Initial vector state for the host: nothing of the enclave's, also not
	 * in the bytes of the frame that nobody looks at. */
	if (image) {
		uint64_t end = frame_xstate(image);

		raw_zero(image + LEGACY_REGS, LEGACY_END - LEGACY_REGS);
		*(uint16_t *)(void *)image = 0x37f;
		*(uint32_t *)(void *)(image + 24) = 0x1f80;
		*(uint64_t *)(void *)(image + XSTATE_HEADER) = 0;
		if (end > XSTATE_END)
			raw_zero(image + XSTATE_END, end - XSTATE_END);
	}
	t->mode = MODE_HOST;
	raw_wrfsbase(t->host_fs);
}

static void deliver_aex(
	struct emu_thread *t, ucontext_t *uc, const struct emu_fault *fault)
{
	const greg_t *regs = uc->uc_mcontext.gregs;
	const uint8_t *image = (const uint8_t *)uc->uc_mcontext.fpregs;
	uint64_t gpr[16];

	for (int i = 0; i < 16; i++)
		gpr[i] = (uint64_t)regs[greg_order[i]];
	emu_aex_xsave(t, image, frame_xstate(image));
	emu_aex(t, gpr, (uint64_t)regs[REG_EFL], (uint64_t)regs[REG_RIP],
		fault);
	leave(t, uc, (uint64_t)(uintptr_t)emu_aep);
}

/* An ENCLU that trapped. */
static void trapped_enclu(struct emu_thread *t, ucontext_t *uc)
{
	greg_t *regs = uc->uc_mcontext.gregs;
	uint64_t gpr[16], rflags = (uint64_t)regs[REG_EFL];
	struct emu_fault fault;

	t->enclave->traps++;
	for (int i = 0; i < 16; i++)
		gpr[i] = (uint64_t)regs[greg_order[i]];
	t->mode = MODE_LEAF;
	switch (emu_enclu(t, gpr, &rflags, &fault)) {
	case ENCLU_DONE:
		for (int i = 0; i < 16; i++)
			regs[greg_order[i]] = (greg_t)gpr[i];
		regs[REG_EFL] = (greg_t)rflags;
		regs[REG_RIP] += 3;
		t->mode = MODE_ENCLAVE;
		return;
	case ENCLU_EXIT:
		regs[REG_RIP] = (greg_t)gpr[GPR_RBX];
		regs[REG_RCX] = (greg_t)(uintptr_t)emu_aep;
		t->mode = MODE_HOST;
		raw_wrfsbase(t->host_fs);
		atomic_store(&t->tcs->active, 0);
		return;
	default:
		t->mode = MODE_ENCLAVE;
		deliver_aex(t, uc, &fault);
	}
}

static bool in_stub(const struct emu_thread *t, uint64_t rip)
{
	return (rip >= (uint64_t)(uintptr_t)emu_text_start &&
		       rip < (uint64_t)(uintptr_t)emu_text_end) ||
		rip - t->enclave->epcm.end < SGX_PAGE_SIZE;
}

/* A page fault on ELRANGE that the map allows: fill and go on. */
static bool filled(struct emu_thread *t, const greg_t *regs)
{
	const struct epcm *epcm = &t->enclave->epcm;
	uint64_t addr = (uint64_t)regs[REG_CR2];
	uint64_t err = (uint64_t)regs[REG_ERR];
	uint32_t need = err & SGX_PFEC_W ? 2 : err & SGX_PFEC_I ? 4 : 1;

	if (regs[REG_TRAPNO] != SGX_VECTOR_PF || !epcm_inside(epcm, addr) ||
		addr < epcm->low)
		return false;
	if (!(epcm_effective(epcm, *epcm_at(epcm, addr)) & need))
		return false;
	t->enclave->page_fills++;
	return epcm_fill(epcm, addr) == 0;
}

/*
 * An ENCLU that trapped, whatever the trap: #UD without SGX; with SGX (even if
 * it is switched off) also #GP, and #PF for EENTER of what is no EPC page.
 */
static bool enclu_at(const struct emu_thread *t, const greg_t *regs)
{
	const struct epcm *epcm = &t->enclave->epcm;
	uint64_t rip = (uint64_t)regs[REG_RIP], last = rip + 2;
	const uint8_t *p = (const uint8_t *)(uintptr_t)rip;

	if (t->mode != MODE_ENCLAVE || rip < epcm->low || last >= epcm->end)
		return false;
	if (regs[REG_TRAPNO] != SGX_VECTOR_UD &&
		regs[REG_TRAPNO] != SGX_VECTOR_GP &&
		regs[REG_TRAPNO] != SGX_VECTOR_PF)
		return false;
	/* Not a failed fetch: the bytes must be there to be looked at. */
	if (!(epcm_effective(epcm, *epcm_at(epcm, rip)) & 4) ||
		!(epcm_effective(epcm, *epcm_at(epcm, last)) & 4) ||
		(regs[REG_TRAPNO] == SGX_VECTOR_PF &&
			(regs[REG_ERR] & SGX_PFEC_I)))
		return false;
	return p[0] == 0x0f && p[1] == 0x01 && p[2] == 0xd7;
}

/*
 * `cpuid` in a thread in which it traps (faithful mode). 0: something else.
 * Host code gets what it asked for; inside it is #UD.
 */
static bool trapped_cpuid(struct emu_thread *t, ucontext_t *uc)
{
	greg_t *regs = uc->uc_mcontext.gregs;
	const uint8_t *p = (const uint8_t *)(uintptr_t)regs[REG_RIP];
	uint32_t a = (uint32_t)regs[REG_RAX], c = (uint32_t)regs[REG_RCX], b, d;
	struct emu_fault ud = {.vector = SGX_VECTOR_UD};

	/* Fetched, executed and refused, so the bytes can be read. */
	if (!t->cpuid_faults || regs[REG_TRAPNO] != SGX_VECTOR_GP ||
		p[0] != 0x0f || p[1] != 0xa2)
		return false;
	if (t->mode == MODE_ENCLAVE &&
		epcm_inside(&t->enclave->epcm, (uint64_t)regs[REG_RIP])) {
		deliver_aex(t, uc, &ud);
		return true;
	}
	raw_syscall3(__NR_arch_prctl, EMU_ARCH_SET_CPUID, 1, 0);
	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	raw_syscall3(__NR_arch_prctl, EMU_ARCH_SET_CPUID, 0, 0);
	regs[REG_RAX] = a;
	regs[REG_RBX] = b;
	regs[REG_RCX] = c;
	regs[REG_RDX] = d;
	regs[REG_RIP] += 2;
	return true;
}

static void exception(struct emu_thread *t, int signo, ucontext_t *uc)
{
	greg_t *regs = uc->uc_mcontext.gregs;
	uint64_t rip = (uint64_t)regs[REG_RIP];
	const struct epcm *epcm = &t->enclave->epcm;
	struct emu_fault fault = {(uint32_t)regs[REG_TRAPNO], 0, 0};

	if (signo != SIGSYS && enclu_at(t, regs)) {
		trapped_enclu(t, uc);
		return;
	}
	if (signo == SIGSEGV && (filled(t, regs) || trapped_cpuid(t, uc)))
		return;
	if (t->mode != MODE_ENCLAVE) {
		die_by(signo);
		return;
	}
	if (!epcm_inside(epcm, rip)) {
		if (in_stub(t, rip)) {
			die_by(signo);
			return;
		}
		/* The enclave jumped out without EEXIT. */
		emu_fault_gp(&fault);
		deliver_aex(t, uc, &fault);
		return;
	}
	if (signo == SIGSYS) {
		/* `syscall` is #UD inside; the dispatch skipped it. */
		regs[REG_RIP] -= 2;
		fault.vector = SGX_VECTOR_UD;
	} else if (fault.vector == SGX_VECTOR_PF) {
		uint32_t access = (uint32_t)regs[REG_ERR] &
			(SGX_PFEC_W | SGX_PFEC_I);
		uint64_t addr = (uint64_t)regs[REG_CR2];

		if (epcm_inside(epcm, addr)) {
			emu_fault_pf(t, addr, access, &fault);
		} else {
			fault.addr = addr;
			fault.error_code = (uint32_t)regs[REG_ERR] & 0x1f;
		}
	} else if (fault.vector == SGX_VECTOR_GP) {
		emu_fault_gp(&fault);
	}
	deliver_aex(t, uc, &fault);
}

void emu_signal(int signo, siginfo_t *info, void *context)
{
	struct emu_thread *t = thread_of_stack();
	ucontext_t *uc = context;
	uint64_t rip = (uint64_t)uc->uc_mcontext.gregs[REG_RIP];
	bool sent = info->si_code <= 0; /* by a process, not by a fault */

	if (!t || !t->tid) {
		if (!emu_current || !sent || signo != emu_tick_signal)
			die_by(signo);
		return;
	}
	if (signo == t->tick_signal || sent) {
		if (t->mode == MODE_ENCLAVE &&
			epcm_inside(&t->enclave->epcm, rip))
			deliver_aex(t, uc, NULL);
		else if (signo == t->tick_signal)
			t->enclave->ticks_outside++;
		else
			die_by(signo);
		return;
	}
	exception(t, signo, uc);
}

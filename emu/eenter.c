/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EENTER and ERESUME up to the jump (SDM vol. 3D, "EENTER", "ERESUME"):
 * checks, the choice of the SSA frame, the busy state, and, to resume, the
 * registers of the frame. Freestanding: also reached from enter.S only.
 */
#include <asm/unistd.h>
#include <errno.h>

#include "emu/machine.h"
#include "emu/raw.h"

enum { USER_CS = 0x33, USER_SS = 0x2b };

/* Flags that user code may set: CF PF AF ZF SF DF OF AC ID, and bit 1. */
#define RFLAGS_USER UINT64_C(0x240cd5)
#define RFLAGS_TF UINT64_C(0x100)
#define RFLAGS_FIXED UINT64_C(0x202)

struct gs_slot {
	uint64_t key;
	struct emu_thread *thread;
};

static struct gs_slot gs_table[GS_SLOTS];
struct gs_slot *emu_gs_base __attribute__((visibility("hidden"))) = gs_table;

static int refuse(struct enclave_run *run, unsigned int leaf,
	unsigned int vector, uint64_t addr)
{
	run->function = leaf;
	run->exception_vector = (uint16_t)vector;
	run->exception_error_code = vector == SGX_VECTOR_PF
		? SGX_PFEC_P | SGX_PFEC_U | SGX_PFEC_SGX
		: 0;
	run->exception_addr = addr;
	return 1;
}

static bool canonical_user(uint64_t addr)
{
	return addr >> 47 == 0;
}

/* Lets a patched ENCLU of this thread find it by its GS base. */
static void register_gs(struct emu_thread *t, uint64_t gs)
{
	uint32_t hash = (uint32_t)gs * GS_HASH_MULTIPLIER;
	struct gs_slot *slot = &gs_table[hash >> GS_HASH_SHIFT];
	struct emu_thread *owner = slot->thread;

	if (slot->key == gs && owner == t)
		return;
	/* Taken by a thread that is inside: both then ask for their id. */
	if (owner && owner != t && owner->mode != MODE_HOST) {
		if (slot->key == gs)
			slot->thread = NULL;
		return;
	}
	__atomic_store_n(&slot->thread, NULL, __ATOMIC_SEQ_CST);
	__atomic_store_n(&slot->key, gs, __ATOMIC_SEQ_CST);
	__atomic_store_n(&slot->thread, t, __ATOMIC_SEQ_CST);
}

/* The whole frame must be plain, accepted RW pages. */
static bool frame_usable(const struct enclave *e, uint64_t frame, uint64_t *bad)
{
	for (uint32_t i = 0; i < e->secs.ssa_frame_pages; i++) {
		uint64_t page = frame + (uint64_t)i * SGX_PAGE_SIZE;
		uint32_t entry;

		*bad = page;
		if (page < e->epcm.low || page >= e->epcm.end)
			return false;
		entry = *epcm_at(&e->epcm, page);
		if ((epcm_effective(&e->epcm, entry) & 3) != 3 ||
			(entry & EPCM_PENDING))
			return false;
	}
	return true;
}

static uint64_t frame_addr(
	const struct enclave *e, const struct emu_tcs *tcs, uint32_t cssa)
{
	return e->secs.base + tcs->ossa +
		(uint64_t)cssa * e->secs.ssa_frame_pages * SGX_PAGE_SIZE;
}

static struct sgx_gprsgx *frame_gpr(const struct enclave *e, uint64_t frame)
{
	return (struct sgx_gprsgx *)(uintptr_t)(frame +
		       (uint64_t)e->secs.ssa_frame_pages * SGX_PAGE_SIZE) -
		1;
}

/* The XSAVE header of a frame that the enclave may have written. */
static bool xsave_restorable(const struct enclave *e, const uint8_t *area)
{
	const uint64_t *header = (const uint64_t *)(const void *)(area + 512);
	uint32_t mxcsr = *(const uint32_t *)(const void *)(area + 24);

	if (header[0] & ~e->secs.attributes.xfrm)
		return false;
	for (int i = 1; i < 8; i++)
		if (header[i])
			return false;
	return !(mxcsr & ~UINT32_C(0xffff));
}

static int prepare_resume(struct emu_thread *t, struct enclave_run *run,
	const struct sgx_gprsgx *gpr)
{
	const struct enclave *e = t->enclave;
	uint8_t *area = (uint8_t *)(uintptr_t)t->ssa;

	if (!xsave_restorable(e, area) || !canonical_user(gpr->rip) ||
		!canonical_user(gpr->fsbase) || !canonical_user(gpr->gsbase))
		return refuse(run, SGX_ERESUME, SGX_VECTOR_GP, 0);
	raw_copy(t->gpr, gpr, sizeof(t->gpr));
	t->entry_fs = gpr->fsbase;
	t->entry_gs = gpr->gsbase;
	t->xsave = area;
	t->iret[0] = gpr->rip;
	t->iret[1] = USER_CS;
	t->iret[2] = (gpr->rflags & RFLAGS_USER) | RFLAGS_FIXED;
	t->iret[3] = gpr->rsp;
	t->iret[4] = USER_SS;
	return 0;
}

uint64_t emu_enter_prepare(
	struct emu_thread *t, unsigned int leaf, struct enclave_run *run)
{
	struct enclave *e = t->enclave;
	struct sgx_gprsgx *gpr;
	struct emu_tcs *tcs;
	uint64_t bad;
	uint32_t entry, cssa;

	if ((leaf != SGX_EENTER && leaf != SGX_ERESUME) || run->user_handler ||
		run->user_data)
		return (uint64_t)-EINVAL;
	if (run->tcs % SGX_PAGE_SIZE || !e->initialised)
		return refuse(run, leaf, SGX_VECTOR_GP, 0);
	if (!epcm_inside(&e->epcm, run->tcs))
		return refuse(run, leaf, SGX_VECTOR_PF, run->tcs);
	entry = *epcm_at(&e->epcm, run->tcs);
	if ((entry &
		    (EPCM_VALID | EPCM_TYPE | EPCM_BLOCKED | EPCM_PENDING |
			    EPCM_MODIFIED)) !=
		(EPCM_VALID | SGX_PT_TCS << EPCM_TYPE_SHIFT))
		return refuse(run, leaf, SGX_VECTOR_PF, run->tcs);
	tcs = &e->tcs[entry >> EPCM_TCS_SHIFT];
	if (atomic_exchange(&tcs->active, 1))
		return refuse(run, leaf, SGX_VECTOR_GP, 0);

	cssa = tcs->cssa;
	if (leaf == SGX_ERESUME ? cssa == 0 : cssa >= tcs->nssa) {
		tcs->active = 0;
		return refuse(run, leaf, SGX_VECTOR_GP, 0);
	}
	if (leaf == SGX_ERESUME)
		cssa--;
	t->ssa = frame_addr(e, tcs, cssa);
	if (!frame_usable(e, t->ssa, &bad)) {
		tcs->active = 0;
		return refuse(run, leaf, SGX_VECTOR_PF, bad);
	}
	gpr = frame_gpr(e, t->ssa);
	if (leaf == SGX_ERESUME) {
		if (prepare_resume(t, run, gpr)) {
			tcs->active = 0;
			return 1;
		}
		tcs->cssa = cssa;
	} else {
		t->entry_fs = e->secs.base + tcs->ofsbase;
		t->entry_gs = e->secs.base + tcs->ogsbase;
		t->entry_rip = e->secs.base + tcs->oentry;
		t->xsave = (void *)(uintptr_t)t->ssa;
	}
	gpr->ursp = t->host_rsp;
	gpr->urbp = t->host_rsp + 96;
	t->cssa = cssa;
	t->tcs = tcs;
	t->tcs_addr = run->tcs;
	t->tcs_active = &tcs->active;
	atomic_store_explicit(&t->mode, MODE_LEAF, memory_order_relaxed);
	register_gs(t, t->entry_gs);
	return 0;
}

struct emu_thread *emu_thread_lookup(void)
{
	int tid = (int)raw_syscall3(__NR_gettid, 0, 0, 0);

	for (unsigned int i = 0; i < EMU_MAX_THREADS; i++) {
		struct emu_thread *t = emu_slot(i);

		if (t->tid == tid) {
			t->enclave->thread_lookups++;
			return t;
		}
	}
	/* A site was called by a thread that never entered: nothing sane. */
	__builtin_trap();
}

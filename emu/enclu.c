/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dispatch of the ENCLU leaves, for the stub of fast mode and for the SIGILL
 * handler, and what the leaves share. Freestanding.
 */
#include "emu/machine.h"
#include "emu/raw.h"

#define RFLAGS_ARITH UINT64_C(0x8d5) /* CF PF AF ZF SF OF */
#define RFLAGS_ZF UINT64_C(0x40)

/* What a leaf wants from its caller. */
enum {
	LEAF_FLAGS = 1, /* returns a code in RAX, ZF tells failure */
	LEAF_HOST = 2, /* needs libcrypto: host FS, vector state saved */
};

static const struct {
	emu_enclu_fn *run;
	unsigned int flags;
} leaves[] = {
	[SGX_EREPORT] = {emu_ereport, LEAF_HOST},
	[SGX_EGETKEY] = {emu_egetkey, LEAF_FLAGS | LEAF_HOST},
	[SGX_EACCEPT] = {emu_eaccept, LEAF_FLAGS},
	[SGX_EMODPE] = {emu_emodpe, 0},
	[SGX_EACCEPTCOPY] = {emu_eacceptcopy, LEAF_FLAGS},
};

int emu_fault_gp(struct emu_fault *fault)
{
	fault->vector = SGX_VECTOR_GP;
	fault->error_code = 0;
	fault->addr = 0;
	return -1;
}

int emu_fault_pf(const struct emu_thread *t, uint64_t addr, uint32_t access,
	struct emu_fault *fault)
{
	const struct epcm *epcm = &t->enclave->epcm;
	uint32_t entry = 0;

	fault->vector = SGX_VECTOR_PF;
	fault->addr = addr;
	fault->error_code = SGX_PFEC_U | access;
	if (epcm_inside(epcm, addr))
		entry = *epcm_at(epcm, addr);
	if (!(entry & EPCM_VALID))
		return -1;
	fault->error_code |= SGX_PFEC_P;
	/* The SGX bit: the page tables would have allowed it, EPCM did not. */
	entry >>= EPCM_HOST_SHIFT;
	if (access & SGX_PFEC_W               ? entry & 2
			: access & SGX_PFEC_I ? entry & 4
					      : entry & 1)
		fault->error_code |= SGX_PFEC_SGX;
	return -1;
}

int emu_operand(const struct emu_thread *t, uint64_t addr, uint32_t need,
	struct emu_fault *fault)
{
	const struct epcm *epcm = &t->enclave->epcm;
	uint32_t entry;

	if (!epcm_inside(epcm, addr))
		return emu_fault_gp(fault);
	entry = *epcm_at(epcm, addr);
	if ((entry & EPCM_PENDING) ||
		(epcm_effective(epcm, entry) & need) != need)
		return emu_fault_pf(t, addr, need & 2 ? SGX_PFEC_W : 0, fault);
	return 0;
}

int emu_secinfo(const struct emu_thread *t, uint64_t addr, uint64_t *flags,
	struct emu_fault *fault)
{
	const volatile uint64_t *words = (const uint64_t *)(uintptr_t)addr;
	uint64_t any = 0;

	if (addr % sizeof(struct sgx_secinfo))
		return emu_fault_gp(fault);
	if (emu_operand(t, addr, 1, fault))
		return -1;
	*flags = words[0];
	for (int i = 1; i < 8; i++)
		any |= words[i];
	return any ? emu_fault_gp(fault) : 0;
}

void emu_leaf_result(uint64_t *gpr, uint64_t *rflags, uint64_t code)
{
	gpr[GPR_RAX] = code;
	*rflags &= ~RFLAGS_ARITH;
	if (code)
		*rflags |= RFLAGS_ZF;
}

static int run_on_host(struct emu_thread *t, emu_enclu_fn *leaf, uint64_t *gpr,
	struct emu_fault *fault)
{
	uint8_t area[EMU_XSAVE_MAX] __attribute__((aligned(64)));
	uint64_t fs = raw_rdfsbase();
	uint32_t low = (uint32_t)t->xfrm, high = (uint32_t)(t->xfrm >> 32);
	int rc;

	raw_zero(area + 512, 64);
	__asm__ volatile("xsave64 %0"
			 : "+m"(area)
			 : "a"(low), "d"(high)
			 : "memory");
	raw_wrfsbase(t->host_fs);
	rc = leaf(t, gpr, fault);
	raw_wrfsbase(fs);
	__asm__ volatile("xrstor64 %0"
			 :
			 : "m"(area), "a"(low), "d"(high)
			 : "memory");
	return rc;
}

int emu_enclu(struct emu_thread *t, uint64_t *gpr, uint64_t *rflags,
	struct emu_fault *fault)
{
	uint32_t leaf = (uint32_t)gpr[GPR_RAX];
	int rc;

	if (leaf == SGX_EEXIT) {
		if (gpr[GPR_RBX] >> 47) {
			emu_fault_gp(fault);
			return ENCLU_FAULT;
		}
		return ENCLU_EXIT;
	}
	if (leaf >= sizeof(leaves) / sizeof(leaves[0]) || !leaves[leaf].run) {
		emu_fault_gp(fault);
		return ENCLU_FAULT;
	}
	if (leaves[leaf].flags & LEAF_HOST)
		rc = run_on_host(t, leaves[leaf].run, gpr, fault);
	else
		rc = leaves[leaf].run(t, gpr, fault);
	if (rc)
		return ENCLU_FAULT;
	if (leaves[leaf].flags & LEAF_FLAGS)
		emu_leaf_result(gpr, rflags, gpr[GPR_RAX]);
	return ENCLU_DONE;
}

int emu_stub_leaf(struct emu_thread *t)
{
	struct emu_fault fault;

	/* The stub handles every EEXIT that does not fault. */
	if (emu_enclu(t, t->gpr, &t->rflags, &fault) == ENCLU_DONE)
		return 0;
	emu_aex(t, t->gpr, t->rflags, t->rip, &fault);
	/* The stub then XSAVEs into t->xsave: an empty header to begin with. */
	raw_zero((uint8_t *)t->xsave + 512, 64);
	return 1;
}

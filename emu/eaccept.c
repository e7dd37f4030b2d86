/* SPDX-License-Identifier: Apache-2.0 */
/* EACCEPT (SDM vol. 3D, "EACCEPT"). Freestanding. */
#include <asm/unistd.h>

#include "emu/machine.h"
#include "emu/raw.h"

enum { PROT_R = 1 };

/* The combinations of type and state bits that EACCEPT knows. */
static bool request_valid(uint64_t flags)
{
	uint64_t state = flags &
		(SGX_SECINFO_PENDING | SGX_SECINFO_MODIFIED | SGX_SECINFO_PR);

	if (flags & ~(uint64_t)EPCM_MATCH)
		return false;
	switch (flags & SGX_SECINFO_TYPE) {
	case SGX_SECINFO_REG:
		return !(state & SGX_SECINFO_MODIFIED);
	case SGX_SECINFO_TCS:
	case SGX_SECINFO_TRIM:
		return state == SGX_SECINFO_MODIFIED &&
			!(flags & SGX_SECINFO_RWX);
	default:
		return false;
	}
}

/* A page that becomes a TCS: the processor reads it. 0 or EMU_GP. */
static int adopt_tcs(struct enclave *e, uint64_t addr, uint32_t *entry)
{
	const struct sgx_tcs *tcs = (const struct sgx_tcs *)(uintptr_t)addr;
	int rc, index = -1;

	raw_syscall3(__NR_mprotect, (long)addr, SGX_PAGE_SIZE, PROT_R);
	rc = emu_tcs_check(tcs);
	if (!rc)
		index = emu_tcs_take(e, tcs, addr);
	raw_syscall3(__NR_mprotect, (long)addr, SGX_PAGE_SIZE, 0);
	if (rc || index < 0)
		return EMU_GP;
	*entry |= (uint32_t)index << EPCM_TCS_SHIFT;
	return 0;
}

int emu_eaccept(struct emu_thread *t, uint64_t *gpr, struct emu_fault *fault)
{
	struct enclave *e = t->enclave;
	uint64_t addr = gpr[GPR_RCX];
	uint64_t flags;
	epcm_word *word;
	uint32_t entry, next;

	if (addr % SGX_PAGE_SIZE || !epcm_inside(&e->epcm, addr))
		return emu_fault_gp(fault);
	if (emu_secinfo(t, gpr[GPR_RBX], &flags, fault))
		return -1;
	if (!request_valid(flags))
		return emu_fault_gp(fault);

	word = epcm_at(&e->epcm, addr);
	entry = *word;
	do {
		if (!(entry & EPCM_VALID) || (entry & EPCM_BLOCKED))
			return emu_fault_pf(t, addr, SGX_PFEC_W, fault);
		if ((entry & EPCM_MATCH) != flags) {
			gpr[GPR_RAX] = SGX_PAGE_ATTRIBUTES_MISMATCH;
			return 0;
		}
		if (entry & EPCM_UNTRACKED) {
			gpr[GPR_RAX] = SGX_NOT_TRACKED;
			return 0;
		}
		next = entry & ~(EPCM_PENDING | EPCM_MODIFIED | EPCM_PR);
		if (epcm_type(entry) == SGX_PT_TCS && (entry & EPCM_MODIFIED) &&
			adopt_tcs(e, addr, &next))
			return emu_fault_gp(fault);
	} while (!atomic_compare_exchange_weak(word, &entry, next));
	gpr[GPR_RAX] = SGX_SUCCESS;
	return 0;
}

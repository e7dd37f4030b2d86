/* SPDX-License-Identifier: Apache-2.0 */
/* EMODPE: the enclave widens a page (SDM vol. 3D, "EMODPE"). Freestanding.
 * The real page is widened when it is next touched. */
#include "emu/machine.h"
#include "emu/raw.h"

int emu_emodpe(struct emu_thread *t, uint64_t *gpr, struct emu_fault *fault)
{
	const struct epcm *epcm = &t->enclave->epcm;
	uint64_t addr = gpr[GPR_RCX];
	uint32_t entry, next;
	uint64_t flags;
	epcm_word *word;

	if (addr % SGX_PAGE_SIZE || !epcm_inside(epcm, addr))
		return emu_fault_gp(fault);
	if (emu_secinfo(t, gpr[GPR_RBX], &flags, fault))
		return -1;
	if (flags & ~(SGX_SECINFO_RWX | SGX_SECINFO_TYPE))
		return emu_fault_gp(fault);

	word = epcm_at(epcm, addr);
	entry = *word;
	do {
		uint32_t closed = EPCM_PENDING | EPCM_MODIFIED | EPCM_BLOCKED;

		if (!(entry & EPCM_VALID) || (entry & closed) ||
			epcm_type(entry) != SGX_PT_REG)
			return emu_fault_pf(t, addr, SGX_PFEC_W, fault);
		next = entry | (uint32_t)(flags & SGX_SECINFO_RWX);
		/* Write without read does not exist. */
		if ((next & EPCM_RWX) == 2 || (next & EPCM_RWX) == 6)
			return emu_fault_gp(fault);
	} while (!atomic_compare_exchange_weak(word, &entry, next));
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* EMODPR: the host narrows a page (SDM vol. 3D, "EMODPR"). */
#include "emu/machine.h"

int emu_emodpr(struct enclave *e, uint64_t addr, uint64_t secinfo_flags)
{
	uint32_t perm = (uint32_t)(secinfo_flags & SGX_SECINFO_RWX);
	uint32_t entry, next;
	epcm_word *word;

	if (addr % SGX_PAGE_SIZE ||
		(secinfo_flags & ~(SGX_SECINFO_RWX | SGX_SECINFO_TYPE)) ||
		(perm & 3) == 2 || !e->initialised)
		return EMU_GP;
	if (!epcm_inside(&e->epcm, addr))
		return EMU_PF;
	word = epcm_at(&e->epcm, addr);
	entry = *word;
	do {
		if (!(entry & EPCM_VALID))
			return EMU_PF;
		if (entry & (EPCM_PENDING | EPCM_MODIFIED))
			return SGX_PAGE_NOT_MODIFIABLE;
		if (epcm_type(entry) != SGX_PT_REG)
			return EMU_PF;
		next = (entry & ~EPCM_RWX) | (entry & perm) | EPCM_PR |
			EPCM_UNTRACKED;
	} while (!atomic_compare_exchange_weak(word, &entry, next));
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* EREMOVE (SDM vol. 3D, "EREMOVE"). The driver gives the memory back. */
#include "emu/machine.h"

int emu_eremove(struct enclave *e, uint64_t addr)
{
	epcm_word *word;
	uint32_t entry;

	if (addr % SGX_PAGE_SIZE)
		return EMU_GP;
	if (!epcm_inside(&e->epcm, addr))
		return EMU_PF;
	word = epcm_at(&e->epcm, addr);
	entry = *word;
	if (!(entry & EPCM_VALID))
		return 0; /* a free page may be removed again */
	if (epcm_type(entry) == SGX_PT_TCS && !(entry & EPCM_MODIFIED)) {
		struct emu_tcs *tcs = &e->tcs[entry >> EPCM_TCS_SHIFT];

		if (tcs->active)
			return SGX_ENCLAVE_ACT;
		tcs->used = 0;
	}
	*word = 0;
	e->children--;
	return 0;
}

int emu_eremove_secs(struct enclave *e)
{
	return e->children ? SGX_CHILD_PRESENT : 0;
}

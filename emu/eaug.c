/* SPDX-License-Identifier: Apache-2.0 */
/* EAUG (SDM vol. 3D, "EAUG"): a zero page, RW, PENDING. */
#include "emu/machine.h"

int emu_eaug(struct enclave *e, uint64_t addr, uint32_t host)
{
	epcm_word *word;

	if (addr % SGX_PAGE_SIZE || !e->initialised ||
		!epcm_inside(&e->epcm, addr) || addr < e->epcm.low)
		return EMU_GP;
	word = epcm_at(&e->epcm, addr);
	if (*word & EPCM_VALID)
		return EMU_PF;
	atomic_store_explicit(word,
		epcm_make(SGX_PT_REG, 3, host) | EPCM_PENDING,
		memory_order_release);
	e->children++;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* ETRACK and EBLOCK (SDM vol. 3D). */
#include "emu/machine.h"

int emu_etrack(struct enclave *e, uint64_t addr, size_t len)
{
	for (uint64_t end = addr + len; addr < end; addr += SGX_PAGE_SIZE)
		atomic_fetch_and(epcm_at(&e->epcm, addr), ~EPCM_UNTRACKED);
	return 0;
}

int emu_eblock(struct enclave *e, uint64_t addr)
{
	uint32_t entry;

	if (addr % SGX_PAGE_SIZE)
		return EMU_GP;
	if (!epcm_inside(&e->epcm, addr))
		return EMU_PF;
	entry = *epcm_at(&e->epcm, addr);
	if (!(entry & EPCM_VALID))
		return SGX_PG_INVLD;
	if (entry & EPCM_BLOCKED)
		return SGX_BLKSTATE;
	if (epcm_type(entry) != SGX_PT_REG && epcm_type(entry) != SGX_PT_TCS)
		return SGX_NOTBLOCKABLE;
	atomic_fetch_or(epcm_at(&e->epcm, addr), EPCM_BLOCKED);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* EEXTEND of 256 bytes (SDM vol. 3D, "EEXTEND"). The real page must be
 * readable (see eadd.c). */
#include "emu/machine.h"

int emu_eextend(struct enclave *e, uint64_t addr)
{
	uint32_t entry;

	if (addr % SGX_CHUNK_SIZE || e->initialised)
		return EMU_GP;
	if (!epcm_inside(&e->epcm, addr))
		return EMU_PF;
	entry = *epcm_at(&e->epcm, addr);
	if (!(entry & EPCM_VALID))
		return EMU_PF;
	if (measure_eextend(e->measure, addr - e->secs.base,
		    (const void *)(uintptr_t)addr))
		return EMU_GP;
	return 0;
}

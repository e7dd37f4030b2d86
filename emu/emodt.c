/* SPDX-License-Identifier: Apache-2.0 */
/* EMODT: the host changes a page's type to TCS or TRIM (SDM vol. 3D,
 * "EMODT"). The page is closed until the enclave accepts. */
#include "emu/machine.h"

int emu_emodt(struct enclave *e, uint64_t addr, uint64_t secinfo_flags)
{
	uint32_t type = (uint32_t)((secinfo_flags & SGX_SECINFO_TYPE) >>
		SGX_SECINFO_TYPE_SHIFT);
	uint32_t entry, next;
	epcm_word *word;

	if (addr % SGX_PAGE_SIZE || (secinfo_flags & ~SGX_SECINFO_TYPE) ||
		(type != SGX_PT_TCS && type != SGX_PT_TRIM) || !e->initialised)
		return EMU_GP;
	if (!epcm_inside(&e->epcm, addr))
		return EMU_PF;
	word = epcm_at(&e->epcm, addr);
	entry = *word;
	do {
		unsigned int old = epcm_type(entry);

		if (!(entry & EPCM_VALID))
			return EMU_PF;
		if (entry & (EPCM_PENDING | EPCM_MODIFIED))
			return SGX_PAGE_NOT_MODIFIABLE;
		if (old != SGX_PT_REG &&
			!(old == SGX_PT_TCS && type == SGX_PT_TRIM))
			return EMU_PF;
		/* No TCS may be trimmed away under a running thread: the
		 * hardware's epochs hold the accept back, we refuse here. */
		if (old == SGX_PT_TCS && e->tcs[entry >> EPCM_TCS_SHIFT].active)
			return SGX_EPC_PAGE_CONFLICT;
		next = (entry & ~(EPCM_RWX | EPCM_PR | EPCM_TYPE)) |
			type << EPCM_TYPE_SHIFT | EPCM_MODIFIED |
			EPCM_UNTRACKED;
		if (old == SGX_PT_TCS)
			next &= (UINT32_C(1) << EPCM_TCS_SHIFT) - 1;
	} while (!atomic_compare_exchange_weak(word, &entry, next));
	if (epcm_type(entry) == SGX_PT_TCS)
		atomic_store(&e->tcs[entry >> EPCM_TCS_SHIFT].used, 0);
	return 0;
}

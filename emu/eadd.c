/* SPDX-License-Identifier: Apache-2.0 */
/* EADD (SDM vol. 3D, "EADD"). The real page must be writable: the driver
 * opens the range first and closes it afterwards. */
#include "emu/machine.h"

#include <string.h>

static bool secinfo_valid(const struct sgx_secinfo *info)
{
	for (size_t i = 0; i < sizeof(info->reserved); i++)
		if (info->reserved[i])
			return false;
	if (info->flags & ~(SGX_SECINFO_RWX | SGX_SECINFO_TYPE))
		return false;
	switch (info->flags & SGX_SECINFO_TYPE) {
	case SGX_SECINFO_REG:
		return !(info->flags & SGX_SECINFO_W) ||
			(info->flags & SGX_SECINFO_R);
	case SGX_SECINFO_TCS:
		return true; /* R/W/X are ignored and stored as 0 */
	default:
		return false;
	}
}

int emu_eadd(struct enclave *e, const struct sgx_pageinfo *info, uint64_t addr)
{
	const struct sgx_secinfo *secinfo =
		(const struct sgx_secinfo *)(uintptr_t)info->secinfo;
	const void *src = (const void *)(uintptr_t)info->srcpge;
	uint32_t perm, type, entry;
	uint64_t flags;

	if ((uintptr_t)info % sizeof(*info) || info->linaddr != addr ||
		addr % SGX_PAGE_SIZE || info->srcpge % SGX_PAGE_SIZE ||
		info->secinfo % sizeof(*secinfo))
		return EMU_GP;
	if (e->initialised || !epcm_inside(&e->epcm, addr) ||
		addr < e->epcm.low || !secinfo_valid(secinfo))
		return EMU_GP;
	if (*epcm_at(&e->epcm, addr) & EPCM_VALID)
		return EMU_PF; /* the EPC page is in use */

	flags = secinfo->flags;
	type = (uint32_t)((flags & SGX_SECINFO_TYPE) >> SGX_SECINFO_TYPE_SHIFT);
	if (type == SGX_PT_TCS)
		flags &= ~SGX_SECINFO_RWX;
	perm = (uint32_t)(flags & SGX_SECINFO_RWX);
	entry = epcm_make(type, perm, perm);
	if (type == SGX_PT_TCS) {
		int index;

		if (emu_tcs_check(src))
			return EMU_GP;
		index = emu_tcs_take(e, src, addr);
		if (index < 0)
			return EMU_GP;
		entry |= (uint32_t)index << EPCM_TCS_SHIFT;
	}
	if (measure_eadd(e->measure, addr - e->secs.base, flags))
		return EMU_GP;
	memcpy((void *)(uintptr_t)addr, src, SGX_PAGE_SIZE);
	*epcm_at(&e->epcm, addr) = entry;
	e->children++;
	if (!e->added_end || addr < e->added_low)
		e->added_low = addr;
	if (addr + SGX_PAGE_SIZE > e->added_end)
		e->added_end = addr + SGX_PAGE_SIZE;
	return 0;
}

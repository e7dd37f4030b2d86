/* SPDX-License-Identifier: Apache-2.0 */
/* ECREATE (SDM vol. 3D, "ECREATE"). */
#include "emu/machine.h"

#include <errno.h>
#include <string.h>

#include "lib/bytes.h"

#define ATTRIBUTES_OFFERED                                             \
	(SGX_ATTR_DEBUG | SGX_ATTR_MODE64BIT | SGX_ATTR_PROVISIONKEY | \
		SGX_ATTR_EINITTOKENKEY | SGX_ATTR_KSS)

static bool xfrm_valid(uint64_t xfrm)
{
	if ((xfrm & SGX_XFRM_LEGACY) != SGX_XFRM_LEGACY)
		return false;
	if (xfrm & ~emu_xfrm_supported())
		return false;
	/* XCR0's own rules: AVX-512 comes whole and with AVX. */
	if (xfrm & SGX_XFRM_AVX512)
		return (xfrm & SGX_XFRM_AVX512) == SGX_XFRM_AVX512 &&
			(xfrm & SGX_XFRM_AVX);
	return true;
}

int emu_ecreate(struct enclave *e, const struct sgx_secs *secs)
{
	uint64_t frame;
	int rc;

	if (!bytes_zero(secs->reserved1, sizeof(secs->reserved1)) ||
		!bytes_zero(secs->reserved2, sizeof(secs->reserved2)) ||
		!bytes_zero(secs->reserved3, sizeof(secs->reserved3)) ||
		!bytes_zero(secs->reserved4, sizeof(secs->reserved4)) ||
		secs->cet_attributes || secs->cet_leg_bitmap_offset)
		return EMU_GP;
	if (secs->size < 2 * SGX_PAGE_SIZE || (secs->size & (secs->size - 1)) ||
		secs->base & (secs->size - 1))
		return EMU_GP;
	if ((secs->attributes.flags & ~ATTRIBUTES_OFFERED) ||
		!(secs->attributes.flags & SGX_ATTR_MODE64BIT))
		return EMU_GP;
	if (!xfrm_valid(secs->attributes.xfrm) ||
		(secs->miscselect & ~SGX_MISC_EXINFO))
		return EMU_GP;
	if (!(secs->attributes.flags & SGX_ATTR_KSS) &&
		(secs->configsvn ||
			!bytes_zero(secs->configid, sizeof(secs->configid))))
		return EMU_GP;
	e->xsave_size = emu_xsave_size(secs->attributes.xfrm);
	frame = e->xsave_size + sizeof(struct sgx_gprsgx);
	if (secs->miscselect & SGX_MISC_EXINFO)
		frame += sizeof(struct sgx_exinfo);
	if (secs->ssa_frame_pages == 0 ||
		frame > (uint64_t)secs->ssa_frame_pages * SGX_PAGE_SIZE)
		return EMU_GP;

	e->measure = measure_new(secs->ssa_frame_pages, secs->size);
	if (!e->measure)
		return -ENOMEM;
	rc = epcm_init(&e->epcm, secs->base, secs->size);
	if (rc) {
		measure_free(e->measure);
		e->measure = NULL;
		return rc;
	}
	e->epcm.hide_pending = e->mode == EMU_FAITHFUL;
	e->secs = *secs;
	memset(e->secs.mrenclave, 0, SGX_HASH_SIZE);
	memset(e->secs.mrsigner, 0, SGX_HASH_SIZE);
	e->secs.isvprodid = 0;
	e->secs.isvsvn = 0;
	return 0;
}

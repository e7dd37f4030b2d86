/* SPDX-License-Identifier: Apache-2.0 */
/* The processor's copies of TCS contents. Freestanding (EACCEPT uses it). */
#include "emu/machine.h"

int emu_tcs_check(const struct sgx_tcs *tcs)
{
	uint64_t any = 0;

	for (size_t i = 0; i < sizeof(tcs->reserved); i++)
		any |= tcs->reserved[i];
	if (any || tcs->state || tcs->cssa || tcs->aep)
		return EMU_GP;
	/* DBGOPTIN is the debugger's to set, AEXNOTIFY is not offered. */
	if (tcs->flags)
		return EMU_GP;
	if (tcs->ossa % SGX_PAGE_SIZE || tcs->ofsbase % SGX_PAGE_SIZE ||
		tcs->ogsbase % SGX_PAGE_SIZE)
		return EMU_GP;
	if ((tcs->fslimit & 0xfff) != 0xfff || (tcs->gslimit & 0xfff) != 0xfff)
		return EMU_GP;
	return 0;
}

int emu_tcs_take(struct enclave *e, const struct sgx_tcs *tcs, uint64_t linaddr)
{
	for (int i = 0; i < EMU_MAX_TCS; i++) {
		struct emu_tcs *s = &e->tcs[i];
		uint32_t zero = 0;

		if (!atomic_compare_exchange_strong(&s->used, &zero, 1))
			continue;
		s->linaddr = linaddr;
		s->flags = tcs->flags;
		s->ossa = tcs->ossa;
		s->cssa = 0;
		s->nssa = tcs->nssa;
		s->oentry = tcs->oentry;
		s->ofsbase = tcs->ofsbase;
		s->ogsbase = tcs->ogsbase;
		s->active = 0;
		return i;
	}
	return -1;
}

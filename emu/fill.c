/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lazy widening of real pages. Runs in the fault handler, with the enclave's
 * FS base: freestanding.
 */
#include "emu/epcm.h"
#include "emu/raw.h"

#include <asm/unistd.h>

/* How far to look for equal neighbours on each side. */
enum { FILL_PAGES = 64 };

static uint64_t extent(
	const struct epcm *epcm, uint64_t addr, uint32_t prot, int step)
{
	for (int i = 0; i < FILL_PAGES; i++) {
		uint64_t next = addr +
			(uint64_t)((int64_t)step * SGX_PAGE_SIZE);

		if (next < epcm->low || next >= epcm->end ||
			epcm_effective(epcm, *epcm_at(epcm, next)) != prot)
			break;
		addr = next;
	}
	return addr;
}

static bool uniform(
	const struct epcm *epcm, uint64_t first, uint64_t last, uint32_t prot)
{
	for (; first <= last; first += SGX_PAGE_SIZE)
		if (epcm_effective(epcm, *epcm_at(epcm, first)) != prot)
			return false;
	return true;
}

int epcm_fill(const struct epcm *epcm, uint64_t addr)
{
	uint64_t page = addr & ~(uint64_t)(SGX_PAGE_SIZE - 1);

	/*
	 * Another thread may narrow a page between our look and our mprotect.
	 * It changes the entry first and protects second, and we look again
	 * after ours: whoever protects last has seen the last entry.
	 */
	for (;;) {
		uint32_t prot = epcm_effective(epcm, *epcm_at(epcm, page));
		uint64_t first = extent(epcm, page, prot, -1);
		uint64_t last = extent(epcm, page, prot, 1);
		long rc = raw_syscall3(__NR_mprotect, (long)first,
			(long)(last - first + SGX_PAGE_SIZE), (long)prot);

		if (rc)
			return (int)rc;
		if (uniform(epcm, first, last, prot))
			return 0;
		/* Undo for all but the page itself is the narrower's business;
		 * make sure of it page by page. */
		for (uint64_t p = first; p <= last; p += SGX_PAGE_SIZE)
			raw_syscall3(__NR_mprotect, (long)p, SGX_PAGE_SIZE,
				(long)epcm_effective(epcm, *epcm_at(epcm, p)));
	}
}

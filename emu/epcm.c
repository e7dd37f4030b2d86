/* SPDX-License-Identifier: Apache-2.0 */
/* The part of the map that runs as ordinary host code; the rest: fill.c. */
#define _GNU_SOURCE
#include "emu/epcm.h"

#include <errno.h>
#include <sys/mman.h>

/* Below this address nothing is mapped, whatever the base: NULL faults. */
enum { LOWEST = 0x10000 };

int epcm_init(struct epcm *epcm, uint64_t base, uint64_t size)
{
	size_t bytes = size / SGX_PAGE_SIZE * sizeof(epcm_word);
	uint64_t low = base < LOWEST ? LOWEST : base;
	void *p;

	p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return -errno;
	epcm->entries = p;
	epcm->base = base;
	epcm->end = base + size;
	epcm->low = low;
	/* NOLINTNEXTLINE: the address is the interface */
	p = mmap((void *)(uintptr_t)low, epcm->end - low, PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
			MAP_FIXED_NOREPLACE,
		-1, 0);
	if (p == MAP_FAILED) {
		int rc = -errno;

		munmap(epcm->entries, bytes);
		epcm->entries = NULL;
		return rc;
	}
	return 0;
}

void epcm_fini(struct epcm *epcm)
{
	size_t bytes;

	if (!epcm->entries)
		return;
	bytes = (epcm->end - epcm->base) / SGX_PAGE_SIZE * sizeof(epcm_word);
	munmap((void *)(uintptr_t)epcm->low, epcm->end - epcm->low);
	munmap(epcm->entries, bytes);
	epcm->entries = NULL;
}

int epcm_apply(const struct epcm *epcm, uint64_t addr, size_t len)
{
	uint64_t end = addr + len;

	while (addr < end) {
		uint32_t prot = epcm_effective(epcm, *epcm_at(epcm, addr));
		uint64_t stop = addr + SGX_PAGE_SIZE;

		while (stop < end &&
			epcm_effective(epcm, *epcm_at(epcm, stop)) == prot)
			stop += SGX_PAGE_SIZE;
		/* PROT_READ, WRITE, EXEC are 1, 2, 4 as well. */
		if (mprotect((void *)(uintptr_t)addr, stop - addr, (int)prot))
			return -errno;
		addr = stop;
	}
	return 0;
}

int epcm_release(const struct epcm *epcm, uint64_t addr, size_t len)
{
	/* A new mapping drops the pages and their rights in one call. */
	void *p = mmap((void *)(uintptr_t)addr, len, PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);

	return p == MAP_FAILED ? -errno : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "emu/patch.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "emu/machine.h"

static const uint8_t enclu_site[5] = {0x0f, 0x01, 0xd7, 0x66, 0x90};
enum { RAREST = 2 };

/* jmp *0(%rip), then the address. */
static const uint8_t jump[6] = {0xff, 0x25, 0, 0, 0, 0};

static int map_jump(uint64_t addr)
{
	const char *target = emu_stub;
	uint8_t *p = mmap((void *)(uintptr_t)addr, SGX_PAGE_SIZE,
		PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	memcpy(p, jump, sizeof(jump));
	memcpy(p + sizeof(jump), &target, sizeof(target));
	if (mprotect(p, SGX_PAGE_SIZE, PROT_READ | PROT_EXEC))
		return -errno;
	return 0;
}

static void patch_range(struct enclave *e, uint64_t start, uint64_t end)
{
	uint8_t *p = (uint8_t *)(uintptr_t)start;
	uint8_t *stop = (uint8_t *)(uintptr_t)end;

	/* By its rarest byte: memmem takes ten times as long. */
	while (p + sizeof(enclu_site) <= stop &&
		(p = memchr(p + RAREST, enclu_site[RAREST],
			 (size_t)(stop - p) - RAREST))) {
		p -= RAREST;
		if ((size_t)(stop - p) < sizeof(enclu_site) ||
			memcmp(p, enclu_site, sizeof(enclu_site))) {
			p++;
			continue;
		}
		int64_t rel = (int64_t)(e->epcm.end -
			((uint64_t)(uintptr_t)p + sizeof(enclu_site)));

		if (rel <= INT32_MAX) {
			int32_t rel32 = (int32_t)rel;

			p[0] = 0xe8;
			memcpy(p + 1, &rel32, sizeof(rel32));
			e->patched++;
		}
		p += sizeof(enclu_site);
	}
}

static bool executable(const struct enclave *e, uint64_t addr)
{
	uint32_t entry = *epcm_at(&e->epcm, addr);

	return (entry & EPCM_VALID) && epcm_type(entry) == SGX_PT_REG &&
		(entry & 4);
}

int patch_enclu(struct enclave *e)
{
	int rc = map_jump(e->epcm.end);

	if (rc)
		return rc;
	/* Nothing but the added pages: the rest of ELRANGE is empty, and
	 * looking through its 16 million EPCM entries takes long. */
	for (uint64_t addr = e->added_low; addr < e->added_end;) {
		uint64_t stop = addr;

		while (stop < e->added_end && executable(e, stop))
			stop += SGX_PAGE_SIZE;
		if (stop == addr) {
			addr += SGX_PAGE_SIZE;
			continue;
		}
		if (mprotect((void *)(uintptr_t)addr, stop - addr,
			    PROT_READ | PROT_WRITE))
			return -errno;
		patch_range(e, addr, stop);
		rc = epcm_apply(&e->epcm, addr, stop - addr);
		if (rc)
			return rc;
		addr = stop;
	}
	return 0;
}

void patch_fini(struct enclave *e)
{
	if (e->epcm.entries && e->initialised && e->mode == EMU_FAST)
		munmap((void *)(uintptr_t)e->epcm.end, SGX_PAGE_SIZE);
}

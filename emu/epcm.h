/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The EPC map: what SGX knows of each page of ELRANGE, in four bytes a page.
 *
 * The entries are one array over ELRANGE, demand-zero memory of the host, so
 * that an enclave of 64 GiB costs nothing until it is populated. Beside the
 * EPCM fields of the SDM an entry holds the host's page permissions. The real
 * page never allows more than `epcm_effective`; it may allow less and is then
 * widened when first touched, as a TLB is filled. Narrowing is immediate
 * (epcm_apply).
 *
 * Entries change by compare-and-swap, since ENCLU leaves run without a lock.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/sgx.h"

/* Bits 0..5 are those of SECINFO.FLAGS. */
#define EPCM_RWX UINT32_C(0x7)
#define EPCM_PENDING UINT32_C(0x8)
#define EPCM_MODIFIED UINT32_C(0x10)
#define EPCM_PR UINT32_C(0x20)
#define EPCM_VALID UINT32_C(0x40)
#define EPCM_BLOCKED UINT32_C(0x80)
#define EPCM_TYPE_SHIFT 8
#define EPCM_TYPE (UINT32_C(0x7) << EPCM_TYPE_SHIFT)
#define EPCM_HOST_SHIFT 11
#define EPCM_HOST (UINT32_C(0x7) << EPCM_HOST_SHIFT)
/* A change that no ETRACK has flushed yet: EACCEPT gives SGX_NOT_TRACKED. */
#define EPCM_UNTRACKED UINT32_C(0x4000)
/* For PT_TCS: the index of the TCS's state in the emulator. */
#define EPCM_TCS_SHIFT 16

/* The part that SECINFO.FLAGS of an EACCEPT must match. */
#define EPCM_MATCH \
	(EPCM_RWX | EPCM_PENDING | EPCM_MODIFIED | EPCM_PR | EPCM_TYPE)

typedef _Atomic uint32_t epcm_word;

struct epcm {
	epcm_word *entries; /* one per page of ELRANGE */
	uint64_t base, end; /* ELRANGE */
	uint64_t low; /* first address that is really mapped */
	bool hide_pending; /* faithful mode */
};

static inline epcm_word *epcm_at(const struct epcm *epcm, uint64_t addr)
{
	return &epcm->entries[(addr - epcm->base) / SGX_PAGE_SIZE];
}

static inline bool epcm_inside(const struct epcm *epcm, uint64_t addr)
{
	return addr >= epcm->base && addr < epcm->end;
}

static inline unsigned int epcm_type(uint32_t entry)
{
	return (entry & EPCM_TYPE) >> EPCM_TYPE_SHIFT;
}

/* An entry of this type; perm is R/W/X of SECINFO, host likewise. */
static inline uint32_t epcm_make(
	unsigned int type, uint32_t perm, uint32_t host)
{
	return EPCM_VALID | type << EPCM_TYPE_SHIFT | perm |
		host << EPCM_HOST_SHIFT;
}

/* What the enclave may do with the page now: R/W/X as 1/2/4. */
static inline uint32_t epcm_effective(const struct epcm *epcm, uint32_t entry)
{
	uint32_t closed = EPCM_MODIFIED | EPCM_BLOCKED;

	if (epcm->hide_pending)
		closed |= EPCM_PENDING;
	if (!(entry & EPCM_VALID) || (entry & closed) ||
		epcm_type(entry) != SGX_PT_REG)
		return 0;
	return entry & (entry >> EPCM_HOST_SHIFT) & EPCM_RWX;
}

/* Reserves ELRANGE and the entries. 0 or -errno. */
int epcm_init(struct epcm *epcm, uint64_t base, uint64_t size);
void epcm_fini(struct epcm *epcm);

/*
 * Makes the real protection of [addr, addr+len) equal to epcm_effective: one
 * mprotect per run of equal pages. 0 or -errno.
 */
int epcm_apply(const struct epcm *epcm, uint64_t addr, size_t len);
/* Gives the memory of a range back; it reads as zero when populated again. */
int epcm_release(const struct epcm *epcm, uint64_t addr, size_t len);
/*
 * For the fault handler: widens the real page at addr, and equal neighbours,
 * to what the map allows. Freestanding. 0 or -errno.
 */
int epcm_fill(const struct epcm *epcm, uint64_t addr);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bringing pages into the enclave, changing their permissions, giving them
 * back. One host call per range and kind, one ENCLU per page:
 *
 *	zero pages       EAUG | EACCEPT
 *	with content     EAUG | EACCEPTCOPY | fewer rights, as below
 *	more rights      EMODPE | the host's page table
 *	fewer rights     EMODPR | EACCEPT
 *	none             to R as above | the host's page table
 *	give back        EMODT(TRIM) | EACCEPT | EREMOVE
 *
 * A page without any right is R in the EPCM (Linux's driver knows nothing
 * less) and hidden by the host's page table: such a fence keeps bugs in, but
 * a hostile host can open it for reading.
 *
 * A host that refuses EAUG is short of memory: -ENOMEM. One that refuses to
 * narrow or give back breaks the protocol.
 */
#include <errno.h>

#include "abi/layout.h"
#include "kernel/aspace_impl.h"
#include "kernel/enclu.h"
#include "kernel/hostcall.h"
#include "kernel/klog.h"

static uint64_t total, limit;
static uint64_t peak; /* of total */
static bool refused, ending;

void aspace_init(uint64_t u_limit)
{
	limit = u_limit & ~PAGE_MASK;
}

void aspace_end(void)
{
	ending = true;
}

uint64_t aspace_memory_peak(void)
{
	return peak;
}

void aspace_memory(uint64_t *used, uint64_t *max)
{
	*used = total;
	*max = limit;
}

uint64_t commit_room(void)
{
	return total < limit ? limit - total : 0;
}

bool aspace_charge(uint64_t size, bool force)
{
	if (!force && !aspace_room(size))
		return false;
	total += size;
	peak = u64_max(peak, total);
	return true;
}

void aspace_uncharge(uint64_t size)
{
	total -= size;
}

bool aspace_room(uint64_t size)
{
	if (size <= commit_room())
		return true;
	if (!refused)
		klog("memory limit of %lu MiB reached; raise --memory",
			limit >> 20);
	refused = true;
	return false;
}

uint8_t commit_perm(int prot)
{
	uint8_t p = 0;

	if (prot & PROT_WRITE)
		p |= PAGE_R | PAGE_W;
	if (prot & PROT_READ)
		p |= PAGE_R;
	if (prot & PROT_EXEC)
		p |= PAGE_R | PAGE_X;
	return p;
}

/* Takes room and has the host add pages. */
static int augment(struct aspace *as, uint64_t lo, uint64_t hi, bool hidden)
{
	uint64_t size = hi - lo;
	int err;

	if (!aspace_room(size))
		return -ENOMEM;
	err = pages_reserve(lo, hi);
	if (err)
		return err;
	/* The calls below sleep; nobody else may take the room meanwhile. */
	total += size;
	peak = u64_max(peak, total);
	if (host_enclave_augment(lo, size, hidden) < 0) {
		total -= size;
		return -ENOMEM;
	}
	if (as)
		as->committed += size;
	return 0;
}

/* A run of equal pages. */
static void change(uint64_t lo, uint64_t hi, uint8_t state, uint8_t perm)
{
	uint8_t have = state & PAGE_PERM;
	uint8_t want = perm ? perm : PAGE_R;
	uint8_t keep = state & PAGE_DIRTY;
	struct sgx_secinfo info = {0};

	/* EMODPE and EACCEPT need the page readable. */
	if ((state & PAGE_HIDDEN) && perm)
		if (host_enclave_protect(lo, hi - lo, have | want) < 0)
			panic_host("page protection refused");
	/* First fewer, so that code is never writable. */
	if (have & ~want) {
		have &= want;
		if (host_enclave_restrict(lo, hi - lo, have) < 0)
			panic_host("page restriction refused");
		info.flags = have | SGX_SECINFO_PR | SGX_SECINFO_REG;
		for (uint64_t a = lo; a < hi; a += PAGE_SIZE)
			if (enclu_accept(a, &info))
				panic_host("page not restricted");
	}
	if (want & ~have) {
		info.flags = want;
		for (uint64_t a = lo; a < hi; a += PAGE_SIZE)
			enclu_modpe(a, &info);
		if (!(state & PAGE_HIDDEN))
			if (host_enclave_protect(lo, hi - lo, want) < 0)
				panic_host("page protection refused");
	}
	if (!perm && !(state & PAGE_HIDDEN))
		if (host_enclave_protect(lo, hi - lo, 0) < 0)
			panic_host("page protection refused");
	pages_set(lo, hi,
		PAGE_COMMITTED | want | keep | (perm ? 0 : PAGE_HIDDEN));
}

int commit_begin(struct aspace *as, uint64_t lo, uint64_t hi, bool hidden)
{
	return augment(as, lo, hi, hidden);
}

/*
 * Copies are made with W, which is then taken from all of them at once: where
 * page tables enforce permissions, narrowing page by page would cost a system
 * call each.
 */
void commit_fill(uint64_t lo, uint64_t hi, int prot, const void *src)
{
	uint8_t perm = commit_perm(prot);
	uint8_t have = PAGE_R | PAGE_W | (src ? perm : 0);
	struct sgx_secinfo info = {
		.flags = src ? have | SGX_SECINFO_REG
			     : SGX_SECINFO_R | SGX_SECINFO_W |
				SGX_SECINFO_PENDING | SGX_SECINFO_REG,
	};
	const uint8_t *p = src;

	for (uint64_t a = lo; a < hi; a += PAGE_SIZE) {
		uint64_t rc = src ? enclu_acceptcopy(a, &info, p)
				  : enclu_accept(a, &info);

		if (rc)
			panic_host("page not added");
		if (src)
			p += PAGE_SIZE;
	}
	pages_set(lo, hi, PAGE_COMMITTED | have);
	if (src && host_enclave_protect(lo, hi - lo, perm ? perm : PAGE_R) < 0)
		panic_host("page protection refused");
	if (perm != have)
		change(lo, hi, PAGE_COMMITTED | have, perm);
}

int commit_copy(
	struct aspace *as, uint64_t lo, uint64_t hi, int prot, const void *src)
{
	/* The emulator does not keep threads from pages that are pending. */
	int err = augment(as, lo, hi, src != NULL);

	if (!err)
		commit_fill(lo, hi, prot, src);
	return err;
}

int commit_protect(uint64_t lo, uint64_t hi, int prot, bool keep)
{
	while (lo < hi) {
		uint8_t state, perm = commit_perm(prot);
		uint64_t end = pages_run(lo, hi, &state);

		if (state & PAGE_COMMITTED) {
			uint8_t have = state & PAGE_HIDDEN ? 0
							   : state & PAGE_PERM;

			if (keep && perm)
				perm |= have;
			if (have != perm)
				change(lo, end, state, perm);
		}
		lo = end;
	}
	return 0;
}

void commit_drop(struct aspace *as, uint64_t lo, uint64_t hi)
{
	struct sgx_secinfo info = {
		.flags = SGX_SECINFO_MODIFIED | SGX_SECINFO_TRIM,
	};

	while (lo < hi && !ending) {
		uint8_t state;
		uint64_t end = lo;

		/* The longest run of committed pages, whatever their rights. */
		while (end < hi && (pages_get(end) & PAGE_COMMITTED))
			end += PAGE_SIZE;
		if (end == lo) {
			lo = pages_run(lo, hi, &state);
			continue;
		}
		/* EMODT keeps no rights; a hidden page must be readable for
		 * the EACCEPT. */
		for (uint64_t a = lo; a < end;) {
			uint64_t e = pages_run(a, end, &state);

			if ((state & PAGE_HIDDEN) &&
				host_enclave_protect(a, e - a, PAGE_R) < 0)
				panic_host("page protection refused");
			a = e;
		}
		if (host_enclave_modify_type(lo, end - lo, SGX_PT_TRIM) < 0)
			panic_host("page trim refused");
		for (uint64_t a = lo; a < end; a += PAGE_SIZE)
			if (enclu_accept(a, &info))
				panic_host("page not trimmed");
		pages_set(lo, end, 0);
		if (host_enclave_remove(lo, end - lo) < 0)
			panic_host("page removal refused");
		total -= end - lo;
		if (as)
			as->committed -= end - lo;
		lo = end;
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages of a running enclave (SGX2; Linux 6.0): EAUG, EMODPR, EMODT, EREMOVE
 * and the host's page tables.
 *
 * Linux has no call for EAUG: it adds a page when one that is not there is
 * touched, by whomever. The enclave's own first touch would be an EACCEPT, an
 * exit and a fault for each page, and out of memory would be a fault inside.
 * So this thread touches them: one fault each, and a plain error.
 *
 * ENOMEM by touching is for good, as far as the kernel can tell: while pages
 * can be swapped out it makes the toucher wait.
 */
#include <asm/sgx.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "abi/sgx.h"
#include "host/sgx_int.h"

/* The processor keeps pending pages away by itself. */
int sgx_augment(struct enclave *e, uint64_t addr, size_t len, bool hidden)
{
	int rc = sgx_range_check(e, addr, len);

	if (rc)
		return rc;
	if (!e->initialised)
		return -EINVAL;
	rc = e->os->touch(addr, len);
	if (rc)
		return sgx_fail(rc,
			"the kernel adds no pages: no protected memory (EPC) "
			"is left, or the processor has no SGX2");
	return 0;
}

/* Results of these ioctls: a code of the leaf, and how many bytes. */
static int outcome(int rc, uint64_t result)
{
	return rc == -EFAULT && result && result < SGX_INVALID_KEYNAME
		? (int)result
		: rc;
}

static int restrict_part(
	struct enclave *e, uint64_t addr, size_t len, void *arg, uint64_t *done)
{
	struct sgx_enclave_restrict_permissions p = {
		.offset = addr - e->base,
		.length = len,
		.permissions = *(const uint64_t *)arg,
	};
	int rc = e->os->ioctl(e->fd, SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS, &p);

	*done = p.count;
	return outcome(rc, p.result);
}

int sgx_restrict(struct enclave *e, uint64_t addr, size_t len, uint64_t perm)
{
	int rc = sgx_range_check(e, addr, len);

	return rc ? rc : sgx_repeat(e, addr, len, restrict_part, &perm);
}

static int modify_part(
	struct enclave *e, uint64_t addr, size_t len, void *arg, uint64_t *done)
{
	struct sgx_enclave_modify_types p = {
		.offset = addr - e->base,
		.length = len,
		.page_type = *(const uint64_t *)arg,
	};
	int rc = e->os->ioctl(e->fd, SGX_IOC_ENCLAVE_MODIFY_TYPES, &p);

	*done = p.count;
	return outcome(rc, p.result);
}

int sgx_modify_type(
	struct enclave *e, uint64_t addr, size_t len, unsigned int type)
{
	uint64_t page_type = type;
	int rc = sgx_range_check(e, addr, len);

	/* Linux lets a TCS be mapped RW only, and looks at every fault: with
	 * the mapping that all new pages have, it could never be entered. */
	if (!rc && type == SGX_PT_TCS)
		rc = e->os->protect(addr, len, PROT_READ | PROT_WRITE);
	return rc ? rc : sgx_repeat(e, addr, len, modify_part, &page_type);
}

static int remove_part(
	struct enclave *e, uint64_t addr, size_t len, void *arg, uint64_t *done)
{
	struct sgx_enclave_remove_pages p = {
		.offset = addr - e->base, .length = len};
	int rc = e->os->ioctl(e->fd, SGX_IOC_ENCLAVE_REMOVE_PAGES, &p);

	(void)arg;
	*done = p.count;
	return rc;
}

int sgx_remove(struct enclave *e, uint64_t addr, size_t len)
{
	int rc = sgx_range_check(e, addr, len);

	return rc ? rc : sgx_repeat(e, addr, len, remove_part, NULL);
}

/*
 * Withholding is all that the host's page tables are for, so there are two
 * values for a page: nothing, or what the mapping had at first.
 */
int sgx_protect(struct enclave *e, uint64_t addr, size_t len, int prot)
{
	uint64_t end = addr + len, stop;
	int full, rc = sgx_range_check(e, addr, len);

	if (rc)
		return rc;
	if (prot & ~SGX_MAP_RWX)
		return -EINVAL;
	for (; !rc && addr < end; addr = stop) {
		stop = sgx_piece(e, addr, end, &full);
		rc = e->os->protect(addr, stop - addr, prot ? full : PROT_NONE);
	}
	return rc;
}

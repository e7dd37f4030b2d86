/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pages that are measured, EINIT, and the mapping of ELRANGE.
 */
#include <asm/sgx.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "abi/sgx.h"
#include "host/sgx_int.h"

struct add {
	struct sgx_secinfo secinfo;
	const uint8_t *src; /* of the address first */
	uint64_t first;
	bool measure;
};

static int add_part(
	struct enclave *e, uint64_t addr, size_t len, void *arg, uint64_t *done)
{
	const struct add *a = arg;
	struct sgx_enclave_add_pages pages = {0};
	int rc;

	if (len > SGX_BUFFER_SIZE)
		len = SGX_BUFFER_SIZE;
	memcpy(e->buffer, a->src + (addr - a->first), len);
	pages.src = (uintptr_t)e->buffer;
	pages.offset = addr - e->base;
	pages.length = len;
	pages.secinfo = (uintptr_t)&a->secinfo;
	pages.flags = a->measure ? SGX_PAGE_MEASURE : 0;
	rc = e->os->ioctl(e->fd, SGX_IOC_ENCLAVE_ADD_PAGES, &pages);
	*done = pages.count;
	return rc;
}

/* Notes what may be mapped how. */
static int run_add(struct enclave *e, uint64_t addr, size_t len, int prot)
{
	size_t i = e->run_count;
	struct sgx_run *more = realloc(
		e->run, (e->run_count + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	e->run = more;
	while (i && e->run[i - 1].start > addr) {
		e->run[i] = e->run[i - 1];
		i--;
	}
	e->run[i] = (struct sgx_run){addr, addr + len, prot};
	e->run_count++;
	return 0;
}

int sgx_add_pages(struct enclave *e, uint64_t addr, const void *src, size_t len,
	uint64_t secinfo_flags, bool measure)
{
	struct add a = {
		.secinfo = {.flags = secinfo_flags},
		.src = src,
		.first = addr,
		.measure = measure,
	};
	/* A TCS has no permission of its own, but the processor uses it. */
	int prot = secinfo_flags == SGX_SECINFO_TCS
		? PROT_READ | PROT_WRITE
		: (int)(secinfo_flags & SGX_SECINFO_RWX);
	int rc = sgx_range_check(e, addr, len);

	sgx_why_clear();
	if (rc)
		return rc;
	/* The driver would say EBUSY, which may also mean to wait. */
	for (size_t i = 0; i < e->run_count; i++)
		if (addr < e->run[i].end && addr + len > e->run[i].start)
			return -EEXIST;
	rc = sgx_repeat(e, addr, len, add_part, &a);
	switch (rc) {
	case 0:
		return run_add(e, addr, len, prot);
	case -ENOMEM:
		return sgx_fail(rc,
			"no protected memory (EPC) is left: end other "
			"enclaves, or enlarge it in the firmware");
	case -EACCES:
		return sgx_fail(rc,
			"the kernel takes no pages from memory that may not "
			"be executable: allow execmem in the security policy");
	case -EIO:
		return sgx_fail(rc,
			"EADD failed; if the machine was just suspended, start "
			"again");
	case -EBUSY:
		return sgx_fail(rc, "the driver is busy for 10 s");
	default:
		return sgx_fail(rc, "adding pages at 0x%lx: %s",
			(unsigned long)addr, strerror(rc < 0 ? -rc : EIO));
	}
}

/*
 * Everything that is not there yet may become anything: Linux counts pages
 * that are added later as RWX. What the enclave may do with each page is the
 * processor's to enforce. The device's mappings never merge, so few and large.
 */
uint64_t sgx_piece(
	const struct enclave *e, uint64_t addr, uint64_t end, int *prot)
{
	for (size_t i = 0; i < e->run_count; i++) {
		const struct sgx_run *run = &e->run[i];

		if (addr >= run->end)
			continue;
		if (addr < run->start) {
			*prot = SGX_MAP_RWX;
			return run->start < end ? run->start : end;
		}
		*prot = run->prot;
		return run->end < end ? run->end : end;
	}
	*prot = SGX_MAP_RWX;
	return end;
}

static int map_all(struct enclave *e)
{
	uint64_t stop;
	int prot, rc = 0;

	for (uint64_t at = e->low; !rc && at < e->end; at = stop) {
		stop = sgx_piece(e, at, e->end, &prot);
		rc = e->os->map(e->fd, at, stop - at, prot);
	}
	return rc;
}

static int init_failed(int rc)
{
	switch (rc) {
	case -EPERM:
		return sgx_fail(rc,
			"the processor refused the SIGSTRUCT: its signature is "
			"wrong, it is of other pages, or of other attributes");
	case -EACCES:
		return sgx_fail(rc,
			"this kernel does not allow the enclave's attributes "
			"(AEX-Notify needs Linux 6.2)");
	case -EINVAL:
		return sgx_fail(rc,
			"the SIGSTRUCT asks for what this processor does not "
			"have: see `sconce doctor`");
	case -EIO:
		return sgx_fail(rc,
			"EINIT faulted; if the machine was just suspended, "
			"start again");
	default:
		return sgx_fail(rc, "EINIT: %s", strerror(-rc));
	}
}

int sgx_init(struct enclave *e, const struct sgx_sigstruct *sig,
	uint8_t mrenclave[32])
{
	struct sgx_enclave_init arg;
	int rc;

	sgx_why_clear();
	memcpy(e->buffer, sig, sizeof(*sig));
	arg.sigstruct = (uintptr_t)e->buffer;
	rc = sgx_ioctl(e, SGX_IOC_ENCLAVE_INIT, &arg);
	if (rc)
		return init_failed(rc);
	e->initialised = true;
	/* EINIT has compared them; the driver does not tell. */
	if (mrenclave)
		memcpy(mrenclave, sig->enclavehash, SGX_HASH_SIZE);
	rc = map_all(e);
	if (rc == -EPERM)
		return sgx_fail(rc,
			SGX_DEVICE " may not be mapped executable: mount -o "
				   "remount,exec /dev");
	if (rc == -EACCES)
		return sgx_fail(rc,
			"the kernel refuses to map the enclave: the "
			"personality READ_IMPLIES_EXEC, or the security "
			"policy");
	if (rc)
		return sgx_fail(rc, "mapping the enclave: %s", strerror(-rc));
	return 0;
}

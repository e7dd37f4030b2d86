/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver's part of the hardware backend: from open to EINIT, and the
 * mapping of ELRANGE. The ioctls of a running enclave: sgx_edmm.c.
 *
 * Order of things: reserve the addresses (nobody else may take them), CREATE,
 * ADD_PAGES, INIT, and only then map the device, since only then is it known
 * which pages the kernel lets be mapped with which permissions.
 */
#include "host/sgx.h"

#include <asm/sgx.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "abi/layout.h"
#include "abi/sgx.h"
#include "host/sgx_cpu.h"
#include "host/sgx_int.h"

enum {
	BUFFER_SIZE = 256 * 1024,
	/* How long an ioctl may go on being refused for a reason that passes:
	 * another ioctl, a page that is being swapped. */
	PATIENCE_US = 10 * 1000 * 1000,
	NAP_US = 100,
};

static int tick;
static __thread char why[256];

void sgx_configure(int tick_signal)
{
	tick = tick_signal;
}

int sgx_fail(int error, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	return error;
}

const char *sgx_why(void)
{
	return why[0] ? why : NULL;
}

int sgx_range_check(const struct enclave *e, uint64_t addr, size_t len)
{
	if (addr % SGX_PAGE_SIZE || len % SGX_PAGE_SIZE || !len ||
		addr < e->low || addr >= e->end || len > e->end - addr)
		return -EINVAL;
	return 0;
}

/* Refusals that pass by themselves. EPC_PAGE_CONFLICT: the enclave was just
 * accepting the page. */
static bool passes(int rc)
{
	return rc == -EINTR || rc == -EAGAIN || rc == -EBUSY ||
		rc == SGX_EPC_PAGE_CONFLICT;
}

int sgx_repeat(struct enclave *e, uint64_t addr, size_t len,
	int (*part)(struct enclave *e, uint64_t addr, size_t len, void *arg,
		uint64_t *done),
	void *arg)
{
	unsigned int waited = 0;
	int rc = 0;

	pthread_mutex_lock(&e->lock);
	while (len) {
		uint64_t done = 0;

		rc = part(e, addr, len, arg, &done);
		if (done > len || done % SGX_PAGE_SIZE) {
			rc = -EIO; /* not what the driver documents */
			break;
		}
		addr += done;
		len -= done;
		if (rc && !passes(rc))
			break;
		if (done || rc == -EINTR) {
			waited = 0;
			continue;
		}
		if (!rc || waited >= PATIENCE_US) {
			rc = rc ? rc : -EIO; /* no progress, no reason */
			break;
		}
		e->os->nap(NAP_US);
		waited += NAP_US;
	}
	pthread_mutex_unlock(&e->lock);
	return len ? rc : 0;
}

/* An ioctl that does all or nothing. */
static int ioctl_whole(struct enclave *e, unsigned long request, void *arg)
{
	unsigned int waited = 0;
	int rc;

	for (;;) {
		rc = e->os->ioctl(e->fd, request, arg);
		if (!passes(rc) || waited >= PATIENCE_US)
			return rc;
		e->os->nap(NAP_US);
		waited += NAP_US;
	}
}

static int device_open(struct enclave *e)
{
	e->fd = e->os->open(SGX_DEVICE);
	switch (e->fd) {
	case -ENOENT:
	case -ENODEV:
	case -ENXIO:
		return sgx_fail(e->fd,
			SGX_DEVICE
			" is not there: enable SGX in the firmware, "
			"use Linux 5.11 or later with CONFIG_X86_SGX, "
			"in a container add --device " SGX_DEVICE);
	case -EACCES:
	case -EPERM:
		return sgx_fail(e->fd,
			SGX_DEVICE " may not be opened: add the user to its "
				   "group (often sgx), or, in a container, "
				   "allow the device");
	default:
		break;
	}
	if (e->fd < 0)
		return sgx_fail(e->fd, SGX_DEVICE ": %s", strerror(-e->fd));
	return 0;
}

static int range_reserve(struct enclave *e)
{
	int rc = e->os->reserve(e->low, e->end - e->low);

	switch (rc) {
	case 0:
		e->reserved = true;
		return 0;
	case -EPERM:
		return sgx_fail(rc,
			"address 0x%lx may not be mapped: sysctl -w "
			"vm.mmap_min_addr=65536",
			(unsigned long)e->low);
	case -EEXIST:
		return sgx_fail(rc,
			"something is mapped below 64 GiB already: start "
			"without preloaded libraries and with address-space "
			"randomisation on");
	case -ENOMEM:
		return sgx_fail(rc,
			"the address space is limited: ulimit -v unlimited");
	default:
		return sgx_fail(rc, "reserving addresses: %s", strerror(-rc));
	}
}

static int enclave_create(
	struct enclave *e, const struct enclave_params *params)
{
	struct sgx_enclave_create arg;
	struct sgx_secs *secs = (struct sgx_secs *)(void *)e->buffer;
	int rc;

	memset(secs, 0, sizeof(*secs));
	secs->size = params->size;
	secs->base = params->base;
	secs->ssa_frame_pages = params->ssa_frame_pages;
	secs->miscselect = params->miscselect;
	secs->attributes.flags = params->attributes;
	secs->attributes.xfrm = params->xfrm;
	memcpy(secs->configid, params->configid, sizeof(secs->configid));
	secs->configsvn = params->configsvn;
	arg.src = (uintptr_t)secs;
	rc = ioctl_whole(e, SGX_IOC_ENCLAVE_CREATE, &arg);
	switch (rc) {
	case 0:
		return 0;
	case -EIO:
		return sgx_fail(rc,
			"the processor refused ECREATE with attributes 0x%llx, "
			"XFRM 0x%llx, MISCSELECT 0x%x: see `sconce doctor`",
			(unsigned long long)params->attributes,
			(unsigned long long)params->xfrm, params->miscselect);
	case -ENOMEM:
		return sgx_fail(rc,
			"no protected memory (EPC) is left: end other "
			"enclaves, or enlarge it in the firmware");
	default:
		return sgx_fail(rc, "creating the enclave: %s", strerror(-rc));
	}
}

static void backend_destroy(struct enclave *e)
{
	if (!e)
		return;
	if (e->reserved)
		e->os->unmap(e->low, e->end - e->low);
	if (e->fd >= 0)
		e->os->close(e->fd);
	if (e->buffer)
		munmap(e->buffer, BUFFER_SIZE);
	pthread_mutex_destroy(&e->lock);
	free(e->run);
	free(e);
}

static int backend_create(
	const struct enclave_params *params, struct enclave **out)
{
	struct enclave *e = calloc(1, sizeof(*e));
	int rc;

	why[0] = 0;
	if (!e)
		return -ENOMEM;
	pthread_mutex_init(&e->lock, NULL);
	e->os = sgx_os();
	e->fd = -1;
	e->base = params->base;
	e->end = params->base + params->size;
	e->low = params->base < USER_START ? USER_START : params->base;
	/* Its own mapping: the driver wants whole pages of memory that could
	 * be made executable, which a file on a noexec mount could not. */
	e->buffer = mmap(NULL, BUFFER_SIZE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (e->buffer == MAP_FAILED) {
		e->buffer = NULL;
		rc = -ENOMEM;
		goto fail;
	}
	if (e->end <= e->low) {
		rc = -EINVAL;
		goto fail;
	}
	rc = device_open(e);
	if (!rc)
		rc = sgx_enter_init(e->os, tick);
	if (!rc)
		rc = range_reserve(e);
	if (!rc)
		rc = enclave_create(e, params);
	if (rc)
		goto fail;
	*out = e;
	return 0;

fail:
	backend_destroy(e);
	return rc;
}

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

	if (len > BUFFER_SIZE)
		len = BUFFER_SIZE;
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

static int backend_add_pages(struct enclave *e, uint64_t addr, const void *src,
	size_t len, uint64_t secinfo_flags, bool measure)
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

	why[0] = 0;
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

static int backend_init(struct enclave *e, const struct sgx_sigstruct *sig,
	uint8_t mrenclave[32])
{
	struct sgx_enclave_init arg;
	int rc;

	why[0] = 0;
	memcpy(e->buffer, sig, sizeof(*sig));
	arg.sigstruct = (uintptr_t)e->buffer;
	rc = ioctl_whole(e, SGX_IOC_ENCLAVE_INIT, &arg);
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

static void backend_offer(struct enclave_offer *offer)
{
	struct sgx_cpu cpu;

	sgx_cpu_read(sgx_os(), &cpu);
	offer->attributes = cpu.attributes;
	offer->xfrm = cpu.xfrm;
	offer->miscselect = cpu.miscselect;
}

const struct enclave_backend *sgx_backend(void)
{
	static const struct enclave_backend backend = {
		.name = "hardware",
		.emulated = false,
		.offer = backend_offer,
		.why = sgx_why,
		.create = backend_create,
		.destroy = backend_destroy,
		.add_pages = backend_add_pages,
		.init = backend_init,
		.augment = sgx_augment,
		.restrict_permissions = sgx_restrict,
		.modify_type = sgx_modify_type,
		.remove_pages = sgx_remove,
		.protect = sgx_protect,
		.thread_init = sgx_thread_init,
		.thread_fini = sgx_thread_fini,
		.enter = sgx_enter,
	};

	return &backend;
}

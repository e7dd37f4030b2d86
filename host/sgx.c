/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hardware backend: the enclave's beginning and end, and how its ioctls are
 * made. The pages up to EINIT: sgx_build.c; those of a running enclave:
 * sgx_edmm.c; entering: sgx_enter.c.
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

void sgx_why_clear(void)
{
	why[0] = 0;
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

int sgx_ioctl(struct enclave *e, unsigned long request, void *arg)
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
	rc = sgx_ioctl(e, SGX_IOC_ENCLAVE_CREATE, &arg);
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
		munmap(e->buffer, SGX_BUFFER_SIZE);
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
	e->buffer = mmap(NULL, SGX_BUFFER_SIZE, PROT_READ | PROT_WRITE,
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
		.add_pages = sgx_add_pages,
		.init = sgx_init,
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

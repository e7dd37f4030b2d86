/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The launcher: makes the enclave, lends it threads, serves its calls, and
 * takes it down. Untrusted: whatever it does wrong costs availability only.
 */
#include "host/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "abi/enclave_backend.h"
#include "abi/entry.h"
#include "abi/layout.h"
#include "abi/ring.h"
#include "abi/sgx.h"
#include "attest/image.h"
#include "emu/emu.h"
#include "host/files.h"
#include "host/probe.h"
#include "host/serve.h"
#include "host/sgx.h"
#include "host/threads.h"
#include "host/tsc.h"

enum {
	HEAP_READY = 2 * 1024 * 1024,
	SHARED_SIZE = 64 * 1024 * 1024, /* reserved; touched as needed */
};

/* The image walk of the launcher: EADD and EEXTEND. */
struct adder {
	const struct enclave_backend *backend;
	struct enclave *enclave;
};

static int add_run(
	void *ctx, uint64_t addr, const void *src, size_t size, uint64_t flags)
{
	struct adder *a = ctx;

	return a->backend->add_pages(
		a->enclave, addr, src, size, flags, /*measure=*/true);
}

/*
 * What this machine's enclave is created with: what every enclave of ours has,
 * and of the rest what the SIGSTRUCT wants and the machine offers.
 */
static int choose(const struct enclave_backend *backend,
	const struct sgx_sigstruct *sig, struct enclave_params *params,
	struct err *e)
{
	const uint64_t always = SGX_ATTR_MODE64BIT | SGX_ATTR_KSS;
	const uint64_t pinned = sig->attributes.flags &
		sig->attributes_mask.flags & ~SGX_ATTR_INIT;
	struct enclave_offer offer;

	backend->offer(&offer);
	params->attributes = always |
		(sig->attributes.flags & offer.attributes & SGX_ATTR_AEXNOTIFY);
	params->xfrm = offer.xfrm & XFRM_ALLOWED;
	params->miscselect = SGX_MISC_EXINFO;
	if ((offer.attributes & always) != always ||
		(pinned & ~params->attributes) != 0)
		return err_setf(e, -ENODEV,
			"this machine offers enclave attributes 0x%lx; wanted "
			"0x%lx; see `sconce doctor`",
			(unsigned long)offer.attributes,
			(unsigned long)(always | pinned));
	if ((params->xfrm & XFRM_REQUIRED) != XFRM_REQUIRED ||
		(sig->attributes.xfrm & sig->attributes_mask.xfrm &
			~params->xfrm) != 0)
		return err_setf(e, -ENODEV,
			"this machine offers enclave features (XFRM) 0x%lx; "
			"wanted 0x%lx; in a virtual machine pass them through",
			(unsigned long)offer.xfrm,
			(unsigned long)(sig->attributes.xfrm | XFRM_REQUIRED));
	if (!(offer.miscselect & SGX_MISC_EXINFO))
		return err_set(e, -ENODEV, "this machine's SGX",
			"no exception information (EXINFO)", NULL,
			"use a CPU with SGX2");
	return 0;
}

/* What failed, and why and what helps as far as the backend knows. */
static int failed(
	const struct launcher *l, const char *what, int error, struct err *e)
{
	const char *why = l->backend->why();

	if (why)
		return err_setf(e, -EIO, "%s: %s", what, why);
	if (error > 0)
		return err_setf(e, -EIO, "%s: SGX error %d", what, error);
	return err_setf(e, -EIO, "%s: %s", what, strerror(-error));
}

static int build(struct launcher *l, const struct launch *launch,
	const struct bytes_file *kernel, const struct bytes_file *sig,
	struct err *e)
{
	struct enclave_params params = {
		.base = 0,
		.size = ELRANGE_SIZE,
		.ssa_frame_pages = IMAGE_SSA_FRAME_PAGES,
	};
	struct adder adder = {.backend = l->backend};
	struct sgx_sigstruct s;
	int err;

	memcpy(params.configid, launch->config_id, sizeof(params.configid));
	if (sig->size != sizeof(s))
		return err_setf(e, -EINVAL, "%s: %zu bytes; wanted %zu",
			sig->path, sig->size, sizeof(s));
	memcpy(&s, sig->data, sizeof(s));
	err = choose(l->backend, &s, &params, e);
	if (err)
		return err;
	err = l->backend->create(&params, &l->enclave);
	if (err) {
		failed(l,
			"cannot make the enclave or reserve its address range "
			"(0 to 64 GiB)",
			err, e);
		if (!l->backend->why())
			probe_explain(launch->mode, e);
		return -EIO;
	}
	adder.enclave = l->enclave;
	e->code = 0;
	err = image_pages(kernel->data, kernel->size, add_run, &adder, e);
	if (err && !e->code)
		failed(l, "cannot add the kernel's pages", err, e);
	if (err)
		return err_prefix(e, "%s", kernel->path);
	err = l->backend->init(l->enclave, &s, NULL);
	if (err) {
		failed(l,
			"the enclave was not started; if its signature does "
			"not fit the kernel, rebuild Sconce",
			err, e);
		return err_prefix(e, "%s", kernel->path);
	}
	err = l->backend->augment(l->enclave, HEAP_BASE, HEAP_READY);
	if (err)
		return failed(l, "no memory for the enclave's heap", err, e);
	return 0;
}

static int run(struct launcher *l, const struct launch *launch, int init_fd,
	int *wait_status, struct err *e)
{
	static const uint64_t calls[] = {
		[LAUNCH_CALLS_EXIT] = BOOT_CALLS_EXIT,
		[LAUNCH_CALLS_RING] = BOOT_CALLS_RING,
	};
	struct boot_params params = {
		.version = BOOT_PARAMS_VERSION,
		.memory_max = launch->memory,
		.cpus = launch->cpus,
		.host_cpus = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN),
		.shared_size = SHARED_SIZE,
		.config_off = RING_DATA,
		.config_size = launch->config_size,
		.tsc_khz = tsc_khz(),
		.flags = (launch->trace ? BOOT_TRACE : 0) |
			(launch->stats ? BOOT_STATS : 0) |
			(l->backend->emulated ? BOOT_EMULATED : 0) |
			calls[launch->calls],
		.heap_ready = HEAP_READY,
		.init_fd = (uint64_t)init_fd,
	};
	int err;

	if (launch->config_size > SHARED_SIZE - RING_DATA)
		return err_setf(e, -E2BIG,
			"the launch configuration has %zu bytes; wanted at "
			"most %lu",
			launch->config_size, SHARED_SIZE - RING_DATA);
	memcpy(l->shared, &params, sizeof(params));
	memcpy(l->shared + RING_DATA, launch->config, launch->config_size);
	err = threads_run(l, (unsigned int)launch->cpus, e);
	if (err)
		return err;
	*wait_status = l->wait_status;
	return 0;
}

int host_run(const struct launch *launch, int *wait_status, struct err *e)
{
	struct launcher *l = calloc(1, sizeof(*l));
	static struct bytes_file kernel, sig; /* large */
	int init_fd = -1, err;

	tsc_start();
	if (!l)
		return err_set(
			e, -ENOMEM, "launcher", "out of memory", NULL, NULL);
	if (launch->mode == LAUNCH_HARDWARE) {
		sgx_configure(THREADS_TICK_SIGNAL);
		l->backend = sgx_backend();
	} else {
		emu_configure(&(struct emu_config){
			.mode = launch->faithful ? EMU_FAITHFUL : EMU_FAST,
			.tick_signal = THREADS_TICK_SIGNAL,
		});
		l->backend = emu_backend();
	}
	err = files_load("sconce-kernel", &kernel, e);
	if (err)
		goto free_launcher;
	err = files_load("sconce-kernel.sig", &sig, e);
	if (err)
		goto unload_kernel;
	init_fd = files_open("sconce-init", e);
	if (init_fd < 0) {
		err = init_fd;
		goto unload_sig;
	}
	l->shared = mmap(NULL, SHARED_SIZE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (l->shared == MAP_FAILED) {
		err = err_setf(e, -errno, "no memory for the shared region: %s",
			strerror(errno));
		goto close_init;
	}
	l->stats_fd = STDERR_FILENO;
	if (launch->stats && launch->stats_path) {
		l->stats_fd = open(launch->stats_path,
			O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
		if (l->stats_fd < 0) {
			err = err_setf(e, -errno, "%s: %s", launch->stats_path,
				strerror(errno));
			goto unmap;
		}
	}
	err = build(l, launch, &kernel, &sig, e);
	if (err)
		goto destroy;
	l->serve = serve_new(l->shared, SHARED_SIZE, (int)launch->cpus,
		&threads_enclave_ops, l);
	if (!l->serve) {
		err = err_set(
			e, -ENOMEM, "launcher", "out of memory", NULL, NULL);
		goto destroy;
	}
	serve_set_trace(l->serve, launch->trace_host);
	serve_quote_from(launch->las);
	serve_set_names(l->serve, launch->trace);
	err = run(l, launch, init_fd, wait_status, e);

destroy:
	/* Threads that are still inside or serve a call end with the process,
	 * and so does what they use. */
	if (!threads_gone(l))
		return err;
	l->backend->destroy(l->enclave);
	serve_free(l->serve);
	if (l->stats_fd > STDERR_FILENO)
		close(l->stats_fd);
unmap:
	munmap(l->shared, SHARED_SIZE);
close_init:
	close(init_fd);
unload_sig:
	files_unload(&sig);
unload_kernel:
	files_unload(&kernel);
free_launcher:
	free(l);
	return err;
}

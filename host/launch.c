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
#include "abi/ring.h"
#include "abi/sgx.h"
#include "emu/emu.h"
#include "host/files.h"
#include "host/launch_build.h"
#include "host/serve.h"
#include "host/sgx.h"
#include "host/threads.h"
#include "host/tsc.h"

enum {
	SHARED_SIZE = 64 * 1024 * 1024, /* reserved; touched as needed */
};

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
		.heap_ready = LAUNCH_HEAP_READY,
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
	init_fd = files_open(
		launch->init != NULL ? launch->init : "sconce-init", e);
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
	err = launch_build(l, launch, &kernel, &sig, e);
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

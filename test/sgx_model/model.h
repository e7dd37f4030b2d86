/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine with SGX that is not there: a processor, the Linux driver behind
 * /dev/sgx_enclave with its checks and errors (as documented in
 * Documentation/arch/x86/sgx.rst and done by arch/x86/kernel/cpu/sgx/ of
 * Linux 6.x), its page faults, and its vDSO. Enclaves themselves are executed
 * by the emulator, which thus measures what the driver's ioctls really build.
 *
 * It takes the place of sgx_os() by --wrap=sgx_os. One enclave at a time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "host/sgx_os.h"

/* What the machine lacks. */
enum sgx_model_lack {
	LACK_SGX = 1, /* the processor */
	LACK_ENABLED = 1 << 1, /* the firmware */
	LACK_FLC = 1 << 2,
	LACK_SGX2 = 1 << 3,
	LACK_KSS = 1 << 4,
	LACK_EXINFO = 1 << 5,
	LACK_XSAVE = 1 << 6,
	LACK_SIZE = 1 << 7,
	LACK_DEVICE = 1 << 8,
	LACK_ACCESS = 1 << 9,
	LACK_EDMM = 1 << 10, /* the driver, before Linux 6.0 */
	LACK_VDSO = 1 << 11,
	LACK_EXEC = 1 << 12, /* /dev is mounted noexec */
	LACK_AEX_NOTIFY = 1 << 13,
	LACK_EXECMEM = 1 << 14, /* no source page may be executable */
};

struct sgx_model {
	uint32_t lack;
	uint64_t epc; /* pages of protected memory left */
	/* Every n-th page meets that, n not 0. */
	unsigned int signal_every; /* ADD_PAGES: a signal waits */
	unsigned int again_every; /* EDMM: the page is being swapped */
	unsigned int conflict_every; /* EDMM: the enclave uses it just now */
	unsigned int busy; /* so many ioctls find another one running */
	unsigned int init_signals; /* so many EINITs are interrupted */
	uint64_t suspend_after; /* entries until the machine sleeps; 0: never */
	int min_addr_errno, map_errno; /* of reserve and map */
	bool suspended, faithful;
	bool slow; /* ioctls take a while */
	/* The attributes that this kernel lets enclaves have. */
	uint64_t attributes_mask;

	/* What happened. */
	uint64_t ioctls, pages_added, augmented, interrupts, entries, naps;
	uint64_t demand; /* pages added by a fault inside */
	uint64_t mappings; /* calls of map and protect */
	/* What the emulator measured. */
	uint8_t mrenclave[32];
};

extern struct sgx_model sgx_model;

/* The machine that has all, and nothing open. */
void sgx_model_reset(void);
/* From SCONCE_SGX_MODEL: "name=value,...", see model_os.c. */
void sgx_model_configure(const char *text);
/* Permission of the mapping at addr, -1 if the device is not mapped there. */
int sgx_model_mapped(uint64_t addr);

/* Between the model's files. */
int model_ioctl(unsigned long request, void *arg);
void model_driver_close(void);
int model_map(uint64_t addr, uint64_t len, int prot);
int model_protect(uint64_t addr, uint64_t len, int prot);
void model_unmap(uint64_t addr, uint64_t len);
int model_touch(uint64_t addr, uint64_t len);
/* The driver's page fault handler: true if the access may be tried again. */
bool model_fault(uint64_t addr, int need);
/* Could the kernel map this page as its mapping says, if asked now? */
bool model_page_usable(uint64_t addr);
struct enclave *model_enclave(void);

int model_handle(int signo, const struct sigaction *action);
int model_tick_signal(void);
/* Leaves the emulator on this thread, if it ever entered. */
void model_thread_leave(void);
int model_vdso_enter(void); /* the vDSO's convention */

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The emulator: SGX in software, in the launcher's own process.
 *
 * It stands for the hardware behind struct enclave_backend and offers no
 * protection whatever: it exists so that the same enclave runs anywhere. See
 * doc/emulator.md for the design and for every difference from the hardware.
 *
 * Before create: emu_configure (optional). It owns the signals SEGV, BUS, ILL,
 * FPE, TRAP and SYS of the process and the tick signal; it installs no handler
 * before the first thread_init. What they meet outside the enclave is fatal,
 * as without a handler; ticks are counted and ignored there.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/enclave_backend.h"

enum emu_mode {
	/* After EINIT, `0f 01 d7 66 90` in measured executable pages becomes a
	 * call into the emulator: an ENCLU costs nanoseconds. */
	EMU_FAST,
	/* Every ENCLU is the real, undefined, instruction and traps. Pending
	 * pages are inaccessible until accepted. */
	EMU_FAITHFUL,
};

struct emu_config {
	enum emu_mode mode;
	int tick_signal; /* 0: none. Sent to a thread inside, it is an AEX. */
};

struct emu_stats {
	uint64_t aex; /* all */
	uint64_t aex_interrupt;
	uint64_t ticks_outside; /* ticks that met host code */
	uint64_t traps; /* ENCLU that trapped */
	uint64_t patched; /* ENCLU sites made calls */
	uint64_t page_fills; /* lazy widening of real pages */
	uint64_t thread_lookups; /* ENCLU that had to ask for the thread id */
};

/* For the next create. Default: EMU_FAST, no tick. */
void emu_configure(const struct emu_config *config);
const struct enclave_backend *emu_backend(void);
/* Where this user's platform keys are, and whatever else a platform would keep;
 * made if need be. 0 or -errno. */
int emu_data_dir(char *path, size_t size);
/* The counters of the current enclave so far. */
void emu_stats_read(struct emu_stats *stats);
/* XFRM of everything this machine has that the emulator can save. */
uint64_t emu_xfrm_supported(void);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What passes in registers when the host enters the enclave and when the
 * enclave leaves it.
 *
 * EENTER: RDI is an enum entry_cmd, RSI its argument. An entry that is a
 * return from an exit takes its meaning from the enclave's own state, never
 * from RDI; RSI then is a hint only.
 * EEXIT: RDI is an enum exit_reason, RSI its argument. All other registers
 * are zero, extended state is initial.
 */
#pragma once

#ifndef __ASSEMBLER__
#include <stdint.h>
#endif

#define ENTRY_BOOT 1 /* RSI: the shared region; once */
#define ENTRY_THREAD 2 /* first entry of a further TCS */
#define ENTRY_RETURN 3 /* back from an exit */
#define ENTRY_EXCEPTION 4 /* CSSA = 1: look at the SSA frame */

#define EXIT_CALL 1 /* serve the request in this TCS's call slot */
#define EXIT_RESUME 2 /* exception looked at: ERESUME */
#define EXIT_SHUTDOWN 3 /* RSI: wait status of the program (as wait(2)) */
#define EXIT_PANIC 4 /* the enclave stops; RSI: PANIC_* */
#define PANIC_BUG 0
#define PANIC_HOST 1 /* the host broke the protocol (-EPROTO) */
#define PANIC_REFUSED 2 /* the launch was refused; the text says why */
#define EXIT_YIELD 5 /* let other host threads run, then come back */

#ifndef __ASSEMBLER__

enum { BOOT_PARAMS_VERSION = 1 };

/*
 * At the start of the shared region at ENTRY_BOOT. Untrusted; copied in once,
 * every word is checked before use. Sizes in bytes.
 */
struct boot_params {
	uint64_t version;
	uint64_t memory_max; /* bytes of enclave memory for programs */
	uint64_t cpus; /* enclave threads, 1..TCS_MAX */
	uint64_t host_cpus; /* processors the host has */
	uint64_t shared_size; /* of the region: abi/ring.h */
	uint64_t config_off; /* launch configuration (lib/config.h), in the
				region's data area */
	uint64_t config_size;
	uint64_t tsc_khz; /* the host's word; 0: unknown */
	uint64_t flags; /* BOOT_TRACE, BOOT_STATS, ... */
	uint64_t heap_ready; /* bytes of kernel heap already EAUGed */
	uint64_t init_fd; /* host descriptor of the init program */
};

#define BOOT_TRACE 1ul
#define BOOT_STATS 2ul
#define BOOT_EMULATED 4ul /* only for messages, never for decisions */
/* How host calls travel; neither: as measured. */
#define BOOT_CALLS_EXIT 8ul
#define BOOT_CALLS_RING 16ul

#endif

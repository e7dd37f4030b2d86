/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An enclave for the emulator's tests: 64 GiB at 0, the text of enclave.S at
 * TEXT, then two TCS with two SSA frames each, and data pages.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "emu/machine.h"

#define GIB (UINT64_C(1) << 30)
#define TEXT (62 * GIB)
#define TEXT_MAX UINT64_C(0x10000)
#define TCS1 (TEXT + TEXT_MAX)
#define TCS2 (TCS1 + 0x1000)
#define SSA1 (TCS2 + 0x1000)
#define SSA2 (SSA1 + 0x2000)
#define DATA (SSA2 + 0x2000)
#define DATA_SIZE UINT64_C(0x4000)
#define GS1 (DATA + 0x1000)
#define GS2 (DATA + 0x2000)
#define FREE (TEXT + UINT64_C(0x1000000)) /* for EAUG */

extern const uint8_t test_enclave_start[], test_enclave_end[];
extern const uint8_t test_leave[], test_enclu[], test_load[], test_store[],
	test_jump[], test_syscall[], test_syscall_site[], test_after_syscall[],
	test_ud[], test_de[], test_gp[], test_spin[], test_vectors[],
	test_fault[], test_fault_next[], test_bases[], test_accept_range[],
	test_bp[], test_other_gs[], test_enclu3[], test_cpuid[];

struct fixture {
	const struct enclave_backend *ops;
	struct enclave *enclave;
	struct enclave_run run;
	uint8_t mrenclave[32];
	unsigned int fault; /* vector of the last fixture_enclu3 that faulted */
};

/* Address inside the enclave of a label of enclave.S. */
static inline uint64_t at(const uint8_t *label)
{
	return TEXT + (uint64_t)(label - test_enclave_start);
}

/* Changes to the parameters and the SIGSTRUCT of the next enclave. */
extern void (*fixture_tune)(struct enclave_params *params);
extern void (*fixture_tune_sig)(struct sgx_sigstruct *sig);

void fixture_params(struct enclave_params *params);
/* Up to and without EINIT. */
void fixture_build(struct fixture *f, enum emu_mode mode);
/* Signs the measurement with a key that lives as long as the program. */
void fixture_sign(struct fixture *f, struct sgx_sigstruct *sig);
/* build, EINIT, thread_init. */
void fixture_start(struct fixture *f, enum emu_mode mode);
void fixture_stop(struct fixture *f);
/* EENTER of TCS1 at a routine, or ERESUME; the result is in f->run. */
void fixture_enter(struct fixture *f, unsigned int leaf, uint64_t routine,
	const uint64_t regs[4]);
/* The enclave uses the host's stack: enter and resume at one depth only. */
#define fixture_call(f, routine, rsi, rdx, r8, r9) \
	fixture_enter(f, SGX_EENTER, at(routine),  \
		(const uint64_t[4]){rsi, rdx, r8, r9})
#define fixture_resume(f) \
	fixture_enter(f, SGX_ERESUME, 0, (const uint64_t[4]){0, 0, 0, 0})
/* The same for ENCLU: returns RAX (run.exit_rsi). */
uint64_t fixture_enclu(
	struct fixture *f, uint64_t leaf, uint64_t rbx, uint64_t rcx);
/* With all three operands; UINT64_MAX: it faulted, f->fault says how. */
uint64_t fixture_enclu3(struct fixture *f, uint64_t leaf, uint64_t rbx,
	uint64_t rcx, uint64_t rdx);
/* GPRSGX of frame cssa of TCS1. */
struct sgx_gprsgx *fixture_frame(uint32_t cssa);
/* A SECINFO with these flags in the enclave's data; its address. */
uint64_t fixture_secinfo(uint64_t flags);

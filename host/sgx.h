/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hardware behind struct enclave_backend: /dev/sgx_enclave of Linux (5.11,
 * for EDMM 6.0) and __vdso_sgx_enter_enclave. See doc/hardware.md.
 *
 * It owns SIGTRAP and the tick signal of the process, and for its own loads
 * SIGBUS and SIGSEGV. What these meet outside of the enclave is fatal, as
 * without a handler; ticks are ignored there.
 */
#pragma once

#include "abi/enclave_backend.h"

/* For the next create. 0: no tick. Sent to a thread inside, it is an AEX. */
void sgx_configure(int tick_signal);
const struct enclave_backend *sgx_backend(void);

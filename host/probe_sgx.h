/* SPDX-License-Identifier: Apache-2.0 */
/* The probes of probe.c that are about SGX. Each writes what it saw. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "host/probe.h"

enum probe_state probe_sgx_cpu(char *seen, size_t size);
enum probe_state probe_sgx_flc(char *seen, size_t size);
enum probe_state probe_sgx_edmm(char *seen, size_t size);
enum probe_state probe_sgx_kss(char *seen, size_t size);
enum probe_state probe_sgx_exinfo(char *seen, size_t size);
enum probe_state probe_sgx_xfrm(char *seen, size_t size);
enum probe_state probe_sgx_size(char *seen, size_t size);
enum probe_state probe_sgx_epc(char *seen, size_t size);
enum probe_state probe_sgx_aex_notify(char *seen, size_t size);
enum probe_state probe_sgx_driver(char *seen, size_t size);
enum probe_state probe_sgx_access(char *seen, size_t size);
enum probe_state probe_sgx_edmm_driver(char *seen, size_t size);
enum probe_state probe_sgx_vdso(char *seen, size_t size);
enum probe_state probe_sgx_dev_exec(char *seen, size_t size);
enum probe_state probe_sgx_provision(char *seen, size_t size);

/* Is there a device at all? One system call. */
bool probe_sgx_device(void);

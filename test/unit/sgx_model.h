/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EREPORT and EGETKEY of an enclave that does not run: the emulator's own
 * leaves on a SECS that the test fills in.
 */
#pragma once

#include "abi/sgx.h"

struct sgx_model {
	struct sgx_secs secs;
	uint8_t cpusvn[16];
	uint8_t owner_epoch[16];
	uint8_t machine; /* each number has keys of its own */
};

/* A production enclave with KSS, of versions 3 and 7, on machine 0. */
void sgx_model_init(struct sgx_model *m);

/* The enclave whose leaves are executed. */
extern struct sgx_model *sgx_model;
void sgx_model_report(const struct sgx_targetinfo *target,
	const uint8_t data[static 64], struct sgx_report *report);
/* 0 or the leaf's code; ctx is not used. A #GP aborts the test. */
int sgx_model_key(void *ctx, const struct sgx_keyrequest *request,
	uint8_t key[static SGX_KEY_SIZE]);

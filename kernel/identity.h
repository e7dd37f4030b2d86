/* SPDX-License-Identifier: Apache-2.0 */
/* What the CPU says the enclave is, and the keys that it gives it. */
#pragma once

#include "abi/sgx.h"

/* EREPORT. Reserved bytes of target are zero. */
void identity_report(const struct sgx_targetinfo *target,
	const uint8_t data[static 64], struct sgx_report *report);
/* EGETKEY: 0 and the key, or an SGX error code. ctx is not used. */
int identity_key(void *ctx, const struct sgx_keyrequest *request,
	uint8_t key[static SGX_KEY_SIZE]);
/* CONFIGID: 64 bytes. */
void identity_config_id(uint8_t id[static 64]);

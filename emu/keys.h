/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key derivation of the emulated platform.
 *
 * The processor's own derivation is not published; what must hold is which
 * inputs each key depends on (SDM vol. 3D, "EGETKEY", key derivation table).
 * Here a key is AES-128-CMAC under the platform's root key over the record
 * below, in which every input that a key does not depend on is zero.
 */
#pragma once

#include <assert.h>
#include <stdint.h>

#include "abi/sgx.h"
#include "emu/machine.h"

struct key_inputs {
	uint16_t keyname;
	uint16_t keypolicy;
	uint16_t isvprodid;
	uint16_t isvsvn;
	uint16_t configsvn;
	uint16_t cet;
	uint32_t miscselect;
	uint32_t miscmask_inverted;
	uint32_t zero;
	struct sgx_attributes attributes;
	struct sgx_attributes attributes_mask;
	uint8_t owner_epoch[16];
	uint8_t seal_fuses[16];
	uint8_t cpusvn[16];
	uint8_t isvfamilyid[16];
	uint8_t isvextprodid[16];
	uint8_t mrenclave[SGX_HASH_SIZE];
	uint8_t mrsigner[SGX_HASH_SIZE];
	uint8_t configid[64];
	uint8_t keyid[32];
};
static_assert(sizeof(struct key_inputs) == 24 + 32 + 80 + 64 + 64 + 32,
	"no padding in what is hashed");

/* key: 16 bytes. 0, or -EIO if libcrypto failed. */
int keys_derive(const struct emu_platform *platform,
	const struct key_inputs *inputs, uint8_t key[SGX_KEY_SIZE]);
/* The key of reports for @target whose KEYID is @keyid. 0 or -EIO. */
int keys_report(const struct emu_platform *platform,
	const struct sgx_targetinfo *target, const uint8_t keyid[32],
	uint8_t key[SGX_KEY_SIZE]);
/* AES-128-CMAC. 0 or -EIO. */
int keys_cmac(const uint8_t key[SGX_KEY_SIZE], const void *data, size_t size,
	uint8_t mac[SGX_MAC_SIZE]);

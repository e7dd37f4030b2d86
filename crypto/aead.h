/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-256-GCM (NIST SP 800-38D), nonces of 96 bits, tags of 128. The work is
 * done by libIPSec_MB, of which nothing else is linked. It uses vector
 * registers: the kernel brackets every call.
 */
#pragma once

#include "lib/types.h"

enum { AEAD_KEY_SIZE = 32, AEAD_NONCE_SIZE = 12, AEAD_TAG_SIZE = 16 };

/* The expanded key, and powers of the hash key. */
struct aead_key {
	uint8_t data[1024] __attribute__((aligned(16)));
};

/*
 * Which code path works: that for VAES, VPCLMULQDQ and AVX-512, or that for
 * AES-NI and SSE4.1, which stands until this is called. Hosted programs need
 * not call it. The paths give the same results, from the same keys' bytes;
 * expanded keys are those of one path: called before the first key.
 */
void aead_select(bool vaes512);

void aead_key_init(struct aead_key *k, const uint8_t key[AEAD_KEY_SIZE]);
/* Clears it. */
void aead_key_fini(struct aead_key *k);

/* @in -> @out of the same @size (in place allowed, other overlaps not), and
 * the tag. @aad may be NULL if @aad_size is 0; so may @in and @out. */
void aead_seal(const struct aead_key *k, const uint8_t nonce[AEAD_NONCE_SIZE],
	const void *aad, size_t aad_size, const void *in, void *out,
	size_t size, uint8_t tag[AEAD_TAG_SIZE]);
/* 0, or -EBADMSG: not authentic; @out is cleared then. */
must_check int aead_open(const struct aead_key *k,
	const uint8_t nonce[AEAD_NONCE_SIZE], const void *aad, size_t aad_size,
	const void *in, void *out, size_t size,
	const uint8_t tag[AEAD_TAG_SIZE]);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Freshness by a TPM 2.0: a counter that goes one up when CAS starts and when
 * it stops cleanly, and never while it works (these counters are slow and
 * wear). What was current at a clean stop is in a small file, with the
 * counter's value, under a MAC. So a store, or that file, from before the last
 * clean stop does not fit the counter.
 *
 * After a crash nothing says what was acknowledged at last: the owner permits
 * one start from a record that he names. Two instances cannot both start from
 * one clean stop: who does not see the counter exactly one higher refuses.
 *
 * The counter (an NV index) can be read and advanced only with a secret that is
 * derived from the key. Each request and each answer is under an HMAC of that
 * secret with fresh nonces, so neither the system nor the bus can make up a
 * value or replay one. The secret itself reaches the TPM once, when the counter
 * is made, encrypted to a key of the TPM: whoever poses as the TPM at that
 * moment is believed. The TPM is trusted, and who emulates it (a cloud's vTPM)
 * likewise.
 */
#pragma once

#include "cas/freshness.h"

enum { TPM_KEY_SIZE = 32, TPM_INDEX = 0x01800ca5 };

struct tpm;

/* A start after something else than a clean stop, as the owner signed it. Who
 * passes one to tpm_new() has verified that signature. */
struct tpm_permit {
	uint64_t counter; /* as the refusal named it: it works once */
	/* A record that the chain must contain: the last one that the owner
	 * knows of, from a checkpoint. Later ones of the store are taken. */
	uint64_t seq;
	uint8_t head[FRESHNESS_HASH_SIZE];
};

struct tpm_options {
	const char
		*tcti; /* "device:/dev/tpmrm0", "swtpm:port=N"; NULL: default */
	uint32_t index; /* 0: TPM_INDEX */
	/* Secret, derived from the cluster key for this use alone. */
	uint8_t key[TPM_KEY_SIZE];
	const char *mark; /* path of the file; its directory exists */
	const struct tpm_permit *permit; /* NULL: none */
};

/* Connects; nothing is changed yet. */
must_check int tpm_new(
	const struct tpm_options *o, struct tpm **out, struct err *e);
/* NULL is fine. Not a clean stop: that is stop() of freshness_ops. */
void tpm_free(struct tpm *t);

/* For struct store_options. open() of a new counter gives *exists false. */
struct freshness *tpm_freshness(struct tpm *t);

/* "sconce-tpm-permit-1" and the three members as text: what an owner signs. */
must_check int tpm_permit_text(
	const struct tpm_permit *p, char *text, size_t size);

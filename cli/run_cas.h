/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is to be known of a CAS and a session before an enclave (or with
 * `sconce exec` a program) can ask for its configuration: where it is, by which
 * key it is known, and whether a one-time token is needed.
 */
#pragma once

#include "lib/err.h"
#include "lib/manifest_cas.h"

enum {
	RUN_CAS_ADDRESSES = 8,
	RUN_CAS_ADDRESS = 64,
	RUN_CAS_TOKEN = 1024,
	RUN_CAS_OTP = 9
};

/* As on the command line; NULL: not given. */
struct run_cas_options {
	const char *cas; /* HOST:PORT; NULL: the user's usual one */
	const char *session; /* "name/service" or "name/service@CODE" */
	const char *key; /* hexadecimal; NULL: as `sconce cas attest` noted */
	const char
		*token; /* access token; NULL: that of SCONCE_TOKEN, if any */
	const char *one_time; /* NULL: CAS is asked for one; "": none */
	const char *otp; /* one-time password; NULL: none */
};

/* Also of sconce-exec: where access tokens are, which are not for ps(1). */
#define RUN_CAS_TOKEN_VARIABLE "SCONCE_TOKEN"

struct run_cas {
	uint8_t key[32];
	char address[RUN_CAS_ADDRESSES][RUN_CAS_ADDRESS]; /* numeric */
	/* For init-cas (abi/service.h): behind the addresses, perhaps @CODE. */
	const char *addresses[RUN_CAS_ADDRESSES + 1];
	size_t addresses_count;
	char otp[RUN_CAS_OTP]; /* @CODE; "": none */
	char token[RUN_CAS_TOKEN]; /* of the manifest; "": none */
	uint8_t manifest[MANIFEST_CAS_MAX];
	size_t manifest_size;
	uint8_t hash[32]; /* of the manifest */
};

/* Key and addresses: names are resolved here, not in the enclave. -EINVAL,
 * -ENOENT: this user knows no such CAS; -EHOSTUNREACH. */
must_check int run_cas_find(
	struct run_cas *c, const struct run_cas_options *o, struct err *e);
/* A one-time password: behind '@' of the session's name, which is cut there, or
 * of its own. -EINVAL: both, or it has not six digits. */
must_check int run_cas_otp(struct run_cas_options *o, struct err *e);
/* The one-time token, by asking CAS in a program of its own, or the access
 * token if none is wanted; and the manifest. */
must_check int run_cas_manifest(
	struct run_cas *c, const struct run_cas_options *o, struct err *e);

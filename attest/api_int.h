/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands behind include/sconce/attest.h: a verifier whose collateral is
 * made when it is first needed, and verdicts with what policy said.
 */
#pragma once

#include <pthread.h>

#include "attest/appraise.h"
#include "attest/ratls.h"
#include "include/sconce/attest.h"

enum { API_ROOTS_MAX = 16, API_FILE_MAX = 1 << 20 };

#define api_public __attribute__((visibility("default")))

struct sconce_verifier {
	pthread_mutex_t lock; /* of refs and collateral */
	unsigned refs;
	struct collateral *collateral; /* NULL: to be made */
	struct collateral_files files; /* copies */
	struct span roots[API_ROOTS_MAX]; /* copies */
	size_t root_count;
	bool emulated;
	struct appraise_policy policy;
	bool has_policy, any_program;
	bool has_time;
	struct evidence_options options;
	uint8_t nonce[RATLS_NONCE_MAX];
	size_t nonce_size;
};

struct sconce_verdict {
	struct verdict v;
	bool accepted;
};

struct sconce_verifier *api_verifier_ref(struct sconce_verifier *v);

/* Gives *e what happened; returns its code. to may be NULL. */
int api_error(struct sconce_error *to, const struct err *from);

/* For the tests of TLS: as sconce_verify_certificate(), into *verdict. */
must_check int api_verify_certificate(struct sconce_verifier *v, X509 *cert,
	struct sconce_verdict *verdict, struct err *e);

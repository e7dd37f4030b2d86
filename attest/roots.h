/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which root keys are believed. Roots are compared by the SHA-256 of their
 * SubjectPublicKeyInfo: vendors issue several certificates for one key.
 */
#pragma once

#include "attest/evidence.h"
#include "attest/x509.h"

enum { ROOTS_MAX = 16 };

struct roots {
	uint8_t spki[ROOTS_MAX][32];
	size_t count;
	/* SHA-256 of whole certificates that are believed as they stand, so
	 * that their own signature need not be verified. */
	uint8_t certs[ROOTS_MAX][32];
	size_t cert_count;
	bool emulated; /* of platforms that are emulated */
};

/* The public keys of Intel and AMD, pinned here. */
void roots_intel(struct roots *r);
void roots_amd(struct roots *r);
/* Those of certificates, DER or PEM, instead. 0, -EINVAL or -ENOMEM. */
must_check int roots_given(
	struct roots *r, const struct trust *trust, struct err *e);
bool roots_have(const struct roots *r, const uint8_t spki[static 32]);
bool roots_have_cert(const struct roots *r, const uint8_t hash[static 32]);

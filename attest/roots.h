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
	bool emulated; /* of platforms that are emulated */
};

/* The public keys of Intel and AMD, pinned here. */
void roots_intel(struct roots *r);
void roots_amd(struct roots *r);
/* Those of certificates, DER or PEM, instead. 0, -EINVAL or -ENOMEM. */
must_check int roots_given(
	struct roots *r, const struct trust *trust, struct err *e);
bool roots_have(const struct roots *r, const uint8_t spki[static 32]);

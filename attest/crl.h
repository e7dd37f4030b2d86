/* SPDX-License-Identifier: Apache-2.0 */
/* Certificate revocation lists (RFC 5280, 5), complete ones only: DER, hex of
 * DER, or PEM. */
#pragma once

#include "attest/verdict.h"
#include "attest/x509.h"

enum { CRL_SIZE_MAX = 1 << 20 };

struct crl; /* opaque */

must_check int crl_new(
	const void *data, size_t size, struct crl **out, struct err *e);
void crl_free(struct crl *crl);

/* For people who look at one, and to keep it as DER. Nothing is verified. */
const char *crl_issuer(const struct crl *crl); /* common name */
int64_t crl_this_update(const struct crl *crl);
int64_t crl_next_update(const struct crl *crl);
size_t crl_count(const struct crl *crl); /* of revoked certificates */
const uint8_t *crl_der(const struct crl *crl, size_t *size);

/* Names of failures, static. */
struct crl_rules {
	const char *missing; /* there is no list, and one is wanted */
	const char *issuer; /* it is not that issuer's */
	const char *signature;
	const char *date; /* before thisUpdate or past nextUpdate */
	const char *revoked;
};

/*
 * Whether cert, issued by issuer, is revoked at `at`; narrows v's window to
 * that of the list and adds what is wrong. crl may be NULL: missing. True: a
 * list that issuer signed does not have cert. (An old list is a failure of its
 * date; cert is still looked up in it.)
 */
bool crl_check(struct crl *crl, struct x509_cert *issuer,
	const struct x509_cert *cert, int64_t at, const struct crl_rules *rules,
	struct verdict *v);

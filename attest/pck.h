/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the extension of a PCK certificate says of the platform (Intel SGX PCK
 * Certificate and CRL Profile Specification, 1.3.5), OID 1.2.840.113741.1.13.1:
 * a SEQUENCE of pairs of an OID below that one and a value.
 */
#pragma once

#include "attest/x509.h"

enum pck_sgx_type { PCK_STANDARD, PCK_SCALABLE, PCK_SCALABLE_INTEGRITY };

struct pck {
	uint8_t ppid[16];
	uint8_t components[16]; /* SGX TCB COMPnn SVN */
	uint16_t pcesvn;
	uint8_t cpusvn[16];
	uint8_t pceid[2];
	uint8_t fmspc[6];
	uint8_t sgx_type; /* enum pck_sgx_type, or a later one */
	/* Of Platform CAs' certificates. */
	bool has_instance, has_configuration;
	uint8_t instance_id[16];
	bool dynamic_platform, cached_keys, smt;
};

/* The extension's value in DER. 0 or -EINVAL: e names the member. Allocates
 * nothing. */
must_check int pck_parse(
	const void *der, size_t size, struct pck *out, struct err *e);
/* That of a certificate; -EINVAL also if it has none. */
must_check int pck_of_cert(
	const struct x509_cert *cert, struct pck *out, struct err *e);

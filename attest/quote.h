/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DCAP quotes: version 3 with an SGX report, 4 and 5 with an SGX or TD report
 * (Intel SGX ECDSA QuoteLibReference, A.4; Intel TDX DCAP Quoting Library API,
 * A.3). Parsing gives pointers into the quote, copies nothing and allocates
 * nothing; every length is checked against what it lies in.
 *
 *	header 48 | [v5: body type 2, size 4] | body | size 4 | signature data
 *
 * All integers are little-endian; keys and signatures are big-endian.
 */
#pragma once

#include "attest/verdict.h"
#include "lib/err.h"

enum {
	QUOTE_HEADER_SIZE = 48,
	QUOTE_SGX_SIZE = 384, /* REPORT body */
	QUOTE_TD10_SIZE = 584, /* TD report of TDX 1.0 */
	QUOTE_TD15_SIZE = 648, /* of TDX 1.5 */
	QUOTE_QE_REPORT_SIZE = 384,
};

/* Offsets in a TD report. */
enum {
	TD_TEE_TCB_SVN = 0, /* 16 */
	TD_MRSEAM = 16, /* 48 */
	TD_MRSIGNERSEAM = 64, /* 48 */
	TD_SEAM_ATTRIBUTES = 112, /* 8 */
	TD_ATTRIBUTES = 120, /* 8 */
	TD_XFAM = 128, /* 8 */
	TD_MRTD = 136, /* 48, and the next three */
	TD_MRCONFIGID = 184,
	TD_MROWNER = 232,
	TD_MROWNERCONFIG = 280,
	TD_RTMR0 = 328, /* 48, and the next three */
	TD_REPORT_DATA = 520, /* 64 */
	TD_TEE_TCB_SVN2 = 584, /* 16, TDX 1.5 */
	TD_MRSERVICETD = 600, /* 48 */
};

/* Certification data. */
enum quote_cert {
	QUOTE_CERT_PPID = 1, /* clear */
	QUOTE_CERT_PPID_RSA2048 = 2,
	QUOTE_CERT_PPID_RSA3072 = 3,
	QUOTE_CERT_PCK = 4, /* PEM: the leaf */
	QUOTE_CERT_CHAIN = 5, /* PEM: leaf, intermediate, root */
	QUOTE_CERT_QE_REPORT = 6, /* versions 4 and 5: around all of the rest */
};

struct quote {
	enum evidence_kind kind;
	unsigned version;
	bool tdx;
	const uint8_t *data; /* the header is here */
	size_t size; /* without bytes behind the signature data */
	size_t signed_size; /* header and body, from data on */
	const uint8_t *body;
	size_t body_size;
	const uint8_t *signature; /* 64, by the attestation key */
	const uint8_t *attestation_key; /* 64 */
	const uint8_t *qe_report; /* QUOTE_QE_REPORT_SIZE */
	const uint8_t *qe_signature; /* 64, by the PCK */
	const uint8_t *auth;
	size_t auth_size;
	enum quote_cert cert_type; /* never QUOTE_CERT_QE_REPORT */
	const uint8_t *cert;
	size_t cert_size;
};

/*
 * 0: *out points into data[size]. -EINVAL: e names the field and its offset.
 */
must_check int quote_parse(
	const void *data, size_t size, struct quote *out, struct err *e);

/* verdict_init() and what the quote claims: debug and the fields. */
void quote_show(const struct quote *quote, struct verdict *v);

uint16_t quote_le16(const uint8_t *p);
uint32_t quote_le32(const uint8_t *p);

/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/quote_make.h"

#include <errno.h>
#include <string.h>

#include <openssl/sha.h>

#include "attest/pki.h"

/* All integers are little-endian, as this machine's. */
struct quote_header {
	uint16_t version, key_type;
	uint32_t reserved;
	uint16_t qe_svn, pce_svn;
	uint8_t vendor[16];
	uint8_t qe_id[16];
	uint8_t user_data[4];
} packed_struct;
static_assert(sizeof(struct quote_header) == 48, "quote header");

/* Behind the body; the chain follows. */
struct quote_tail {
	uint32_t size;
	uint8_t signature[64];
	uint8_t attestation_public[64];
	struct sgx_report_body qe_report;
	uint8_t qe_signature[64];
	uint16_t auth_size;
	uint8_t auth[QUOTE_MAKE_AUTH];
	uint16_t certification_type;
	uint32_t certification_size;
} packed_struct;
static_assert(offsetof(struct quote_tail, qe_report) == 4 + 128, "quote");
static_assert(sizeof(struct quote_tail) == 4 + 576 + 2 + 32 + 6, "quote");

enum { VERSION = 3, KEY_P256 = 2, CERTIFICATION_CHAIN = 5 };

/* Intel's. A verifier knows no other, whoever made the quoting enclave. */
static const uint8_t vendor[16] = {0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c,
	0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07};

static void fill_auth(uint8_t auth[QUOTE_MAKE_AUTH])
{
	for (unsigned i = 0; i < QUOTE_MAKE_AUTH; i++)
		auth[i] = (uint8_t)i;
}

int quote_maker_finish(struct quote_maker *m, EVP_PKEY *pck)
{
	uint8_t hashed[64 + QUOTE_MAKE_AUTH];

	if (pki_public(m->attestation, m->attestation_public))
		return -EIO;
	memcpy(hashed, m->attestation_public, 64);
	fill_auth(hashed + 64);
	memset(m->qe_report.reportdata, 0, sizeof(m->qe_report.reportdata));
	if (!SHA256(hashed, sizeof(hashed), m->qe_report.reportdata))
		return -EIO;
	return pki_sign(
		pck, &m->qe_report, sizeof(m->qe_report), m->qe_signature);
}

size_t quote_make_size(const struct quote_maker *m)
{
	return QUOTE_MAKE_SIGNED + sizeof(struct quote_tail) + m->chain_size;
}

int quote_make(const struct quote_maker *m, const struct sgx_report_body *body,
	void *quote)
{
	struct quote_header header = {.version = VERSION,
		.key_type = KEY_P256,
		.qe_svn = m->qe_svn,
		.pce_svn = m->pce_svn};
	struct quote_tail tail = {.size = (uint32_t)(sizeof(tail) -
					  sizeof(tail.size) + m->chain_size),
		.qe_report = m->qe_report,
		.auth_size = QUOTE_MAKE_AUTH,
		.certification_type = CERTIFICATION_CHAIN,
		.certification_size = (uint32_t)m->chain_size};
	uint8_t *p = quote;

	memcpy(header.vendor, vendor, sizeof(vendor));
	memcpy(header.qe_id, m->qe_id, sizeof(m->qe_id));
	memcpy(p, &header, sizeof(header));
	memcpy(p + sizeof(header), body, sizeof(*body));
	if (pki_sign(m->attestation, p, QUOTE_MAKE_SIGNED, tail.signature))
		return -EIO;
	memcpy(tail.attestation_public, m->attestation_public,
		sizeof(tail.attestation_public));
	memcpy(tail.qe_signature, m->qe_signature, sizeof(tail.qe_signature));
	fill_auth(tail.auth);
	p += QUOTE_MAKE_SIGNED;
	memcpy(p, &tail, sizeof(tail));
	memcpy(p + sizeof(tail), m->chain, m->chain_size);
	return 0;
}

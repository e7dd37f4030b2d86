/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/quote.h"

#include <errno.h>

#include "abi/sgx.h"
#include "lib/fmt.h"
#include "lib/string.h"

enum {
	KEY_ECDSA_P256 = 2,
	TEE_SGX = 0,
	TEE_TDX = 0x81,
	BODY_SGX = 1,
	BODY_TD10 = 2,
	BODY_TD15 = 3,
	POINT_SIZE = 64,
	SIGNATURE_SIZE = 64,
};

/* Who makes quoting enclaves: Intel. */
static const uint8_t vendor[16] = {0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c,
	0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07};

/* The part of the quote from `at` up to `end` is not yet read. */
struct reader {
	const uint8_t *data;
	size_t at, end;
	struct err *e;
};

uint16_t quote_le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

uint32_t quote_le32(const uint8_t *p)
{
	return (uint32_t)quote_le16(p) | (uint32_t)quote_le16(p + 2) << 16;
}

static int bad(struct reader *r, const char *name, size_t at, uint64_t seen,
	const char *wanted)
{
	return err_setf(r->e, -EINVAL, "quote: %s at byte %zu: %llu; wanted %s",
		name, at, (unsigned long long)seen, wanted);
}

/* The next size bytes, or NULL with the reason in e. */
static const uint8_t *take(struct reader *r, size_t size, const char *name)
{
	const uint8_t *p;

	if (size > r->end - r->at) {
		err_setf(r->e, -EINVAL,
			"quote: %s at byte %zu: %zu bytes; %zu are left", name,
			r->at, size, r->end - r->at);
		return NULL;
	}
	p = r->data + r->at;
	r->at += size;
	return p;
}

static bool take_u16(struct reader *r, const char *name, uint16_t *out)
{
	const uint8_t *p = take(r, 2, name);

	if (p)
		*out = quote_le16(p);
	return p != NULL;
}

static bool take_u32(struct reader *r, const char *name, uint32_t *out)
{
	const uint8_t *p = take(r, 4, name);

	if (p)
		*out = quote_le32(p);
	return p != NULL;
}

static int parse_header(struct reader *r, struct quote *q)
{
	const uint8_t *h = take(r, QUOTE_HEADER_SIZE, "header");
	uint32_t tee;

	if (!h)
		return -EINVAL;
	q->version = quote_le16(h);
	if (q->version < 3 || q->version > 5)
		return bad(r, "version", 0, q->version, "3, 4 or 5");
	if (quote_le16(h + 2) != KEY_ECDSA_P256)
		return bad(r, "attestation key type", 2, quote_le16(h + 2),
			"2, ECDSA on P-256");
	/* In version 3 reserved, and zero: SGX too. */
	tee = quote_le32(h + 4);
	if (tee != TEE_SGX && (tee != TEE_TDX || q->version == 3))
		return bad(r, "TEE type", 4, tee,
			q->version == 3 ? "0" : "0, SGX, or 129, TDX");
	q->tdx = tee == TEE_TDX;
	if (memcmp(h + 12, vendor, sizeof(vendor)))
		return err_setf(r->e, -EINVAL,
			"quote: vendor of the quoting enclave at byte 12: "
			"unknown; wanted Intel's");
	q->kind = q->version == 3 ? EVIDENCE_SGX_V3
		: q->version == 4
		? (q->tdx ? EVIDENCE_TDX_V4 : EVIDENCE_SGX_V4)
		: (q->tdx ? EVIDENCE_TDX_V5 : EVIDENCE_SGX_V5);
	return 0;
}

/* Version 5 says what its body is; it must agree with the header. */
static int parse_body_type(struct reader *r, struct quote *q)
{
	uint16_t type;
	uint32_t size;

	if (!take_u16(r, "body type", &type) ||
		!take_u32(r, "body size", &size))
		return -EINVAL;
	if (q->tdx ? type != BODY_TD10 && type != BODY_TD15 : type != BODY_SGX)
		return bad(r, "body type", QUOTE_HEADER_SIZE, type,
			q->tdx ? "2 or 3, of TDX" : "1, of SGX");
	q->body_size = type == BODY_SGX ? QUOTE_SGX_SIZE
		: type == BODY_TD10     ? QUOTE_TD10_SIZE
					: QUOTE_TD15_SIZE;
	if (size != q->body_size)
		return bad(r, "body size", QUOTE_HEADER_SIZE + 2, size,
			type == BODY_SGX            ? "384"
				: type == BODY_TD10 ? "584"
						    : "648");
	return 0;
}

static int parse_body(struct reader *r, struct quote *q)
{
	int rc;

	q->body_size = q->tdx ? QUOTE_TD10_SIZE : QUOTE_SGX_SIZE;
	if (q->version == 5) {
		rc = parse_body_type(r, q);
		if (rc)
			return rc;
	}
	q->body = take(r, q->body_size, q->tdx ? "TD report" : "SGX report");
	q->signed_size = r->at;
	return q->body ? 0 : -EINVAL;
}

/* A type, a size, and that many bytes that fill the rest. */
static int take_cert(struct reader *r, const char *name, uint16_t *type)
{
	size_t at;
	uint32_t size;

	if (!take_u16(r, name, type))
		return -EINVAL;
	at = r->at;
	if (!take_u32(r, name, &size))
		return -EINVAL;
	if (size != r->end - r->at)
		return err_setf(r->e, -EINVAL,
			"quote: size of %s at byte %zu: %u; wanted %zu, what "
			"is left",
			name, at, size, r->end - r->at);
	return 0;
}

static bool cert_size_fits(uint16_t type, size_t size)
{
	switch (type) {
	case QUOTE_CERT_PPID: /* Intel's sample lacks the PCEID */
		return size == 36 || size == 34;
	case QUOTE_CERT_PPID_RSA2048:
		return size == 256 + 20;
	case QUOTE_CERT_PPID_RSA3072:
		return size == 384 + 20;
	default:
		return size > 0;
	}
}

static int parse_qe(struct reader *r, struct quote *q)
{
	uint16_t auth_size, type;
	size_t at;
	int rc;

	q->qe_report = take(r, QUOTE_QE_REPORT_SIZE, "QE report");
	if (!q->qe_report)
		return -EINVAL;
	q->qe_signature = take(r, SIGNATURE_SIZE, "QE report signature");
	if (!q->qe_signature ||
		!take_u16(r, "size of QE authentication data", &auth_size))
		return -EINVAL;
	q->auth_size = auth_size;
	q->auth = take(r, q->auth_size, "QE authentication data");
	if (!q->auth)
		return -EINVAL;
	at = r->at;
	rc = take_cert(r, "certification data", &type);
	if (rc)
		return rc;
	if (type < QUOTE_CERT_PPID || type > QUOTE_CERT_CHAIN)
		return bad(r, "certification data type", at, type,
			"a PCK: 1 to 5");
	q->cert_type = (enum quote_cert)type;
	q->cert = r->data + r->at;
	q->cert_size = r->end - r->at;
	if (!cert_size_fits(type, q->cert_size))
		return bad(r, "size of certification data", at + 2,
			q->cert_size,
			"that of the identifiers of a PCK, or some PEM");
	return 0;
}

static int parse_signature(struct reader *r, struct quote *q)
{
	size_t at = r->at;
	uint16_t type;
	uint32_t size;
	int rc;

	if (!take_u32(r, "size of signature data", &size))
		return -EINVAL;
	if (size > r->end - r->at)
		return err_setf(r->e, -EINVAL,
			"quote: size of signature data at byte %zu: %u; %zu "
			"bytes are left; is the file cut?",
			at, size, r->end - r->at);
	/* What is behind is padding of the buffer that the quote was in. */
	r->end = r->at + size;
	q->size = r->end;
	q->signature = take(r, SIGNATURE_SIZE, "quote signature");
	if (!q->signature)
		return -EINVAL;
	q->attestation_key = take(r, POINT_SIZE, "attestation key");
	if (!q->attestation_key)
		return -EINVAL;
	if (q->version >= 4) {
		at = r->at;
		rc = take_cert(r, "QE certification data", &type);
		if (rc)
			return rc;
		if (type != QUOTE_CERT_QE_REPORT)
			return bad(
				r, "QE certification data type", at, type, "6");
	}
	return parse_qe(r, q);
}

int quote_parse(const void *data, size_t size, struct quote *q, struct err *e)
{
	struct reader r = {.data = data, .end = size, .e = e};
	int rc;

	memset(q, 0, sizeof(*q));
	q->data = data;
	rc = parse_header(&r, q);
	if (!rc)
		rc = parse_body(&r, q);
	if (!rc)
		rc = parse_signature(&r, q);
	return rc;
}

static void show_sgx(const struct quote *q, struct verdict *v)
{
	struct sgx_report_body b;

	memcpy(&b, q->body, sizeof(b));
	v->debug = (b.attributes.flags & SGX_ATTR_DEBUG) != 0;
	verdict_add_bytes(v, "mrenclave", b.mrenclave, 32);
	verdict_add_bytes(v, "mrsigner", b.mrsigner, 32);
	verdict_add_number(v, "isv_prod_id", b.isvprodid);
	verdict_add_number(v, "isv_svn", b.isvsvn);
	verdict_add_bytes(v, "attributes", &b.attributes, 16);
	verdict_add_number(v, "misc_select", b.miscselect);
	verdict_add_number(v, "cet_attributes", b.cet_attributes);
	verdict_add_bytes(v, "report_data", b.reportdata, 64);
	verdict_add_bytes(v, "isv_ext_prod_id", b.isvextprodid, 16);
	verdict_add_bytes(v, "isv_family_id", b.isvfamilyid, 16);
	verdict_add_bytes(v, "config_id", b.configid, 64);
	verdict_add_number(v, "config_svn", b.configsvn);
	verdict_add_bytes(v, "cpu_svn", b.cpusvn, 16);
}

static void show_td(const struct quote *q, struct verdict *v)
{
	static const struct {
		const char *name;
		uint16_t at;
		uint8_t size;
	} fields[] = {
		{"mrtd", TD_MRTD, 48},
		{"rtmr0", TD_RTMR0, 48},
		{"rtmr1", TD_RTMR0 + 48, 48},
		{"rtmr2", TD_RTMR0 + 2 * 48, 48},
		{"rtmr3", TD_RTMR0 + 3 * 48, 48},
		{"report_data", TD_REPORT_DATA, 64},
		{"td_attributes", TD_ATTRIBUTES, 8},
		{"xfam", TD_XFAM, 8},
		{"mrconfigid", TD_MRCONFIGID, 48},
		{"mrowner", TD_MROWNER, 48},
		{"mrownerconfig", TD_MROWNERCONFIG, 48},
		{"mrseam", TD_MRSEAM, 48},
		{"mrsignerseam", TD_MRSIGNERSEAM, 48},
		{"seam_attributes", TD_SEAM_ATTRIBUTES, 8},
		{"tee_tcb_svn", TD_TEE_TCB_SVN, 16},
		{"tee_tcb_svn2", TD_TEE_TCB_SVN2, 16},
		{"mrservicetd", TD_MRSERVICETD, 48},
	};

	/* Bit 0 is DEBUG; bits 1 to 7 are for what else makes a TD one "under
	 * debug", that is, not to be trusted. */
	v->debug = q->body[TD_ATTRIBUTES] != 0;
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (fields[i].at < q->body_size)
			verdict_add_bytes(v, fields[i].name,
				q->body + fields[i].at, fields[i].size);
}

void quote_show(const struct quote *q, struct verdict *v)
{
	verdict_init(v, q->kind);
	if (q->tdx)
		show_td(q, v);
	else
		show_sgx(q, v);
	verdict_add_bytes(v, "qe_id", q->data + 28, 16);
	/* TDX has no such versions in its header. */
	if (q->version == 3) {
		verdict_add_number(v, "qe_svn", quote_le16(q->data + 8));
		verdict_add_number(v, "pce_svn", quote_le16(q->data + 10));
	}
	verdict_add_number(v, "cert_data_type", q->cert_type);
}

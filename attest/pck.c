/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The extension is walked as it stands: objects of OpenSSL for its thirty
 * values would take longer than a signature. Members may come in any order,
 * each once; those that are not known are passed over.
 */
#include "attest/pck.h"

#include <errno.h>

#include "attest/der.h"
#include "lib/string.h"

#define OID "1.2.840.113741.1.13.1"

/* Last arcs of the members' OIDs. */
enum {
	ARC_PPID = 1,
	ARC_TCB = 2,
	ARC_PCEID = 3,
	ARC_FMSPC = 4,
	ARC_SGX_TYPE = 5,
	ARC_INSTANCE = 6,
	ARC_CONFIGURATION = 7,
	TCB_ARC_PCESVN = 17,
	TCB_ARC_CPUSVN = 18,
	TCB_ARCS_ALL = (1 << (TCB_ARC_CPUSVN + 1)) - 2, /* 1 to 18 */
	ARCS_NEEDED = 0x3e, /* 1 to 5 */
};

/* DER of the OID's arcs. */
static const uint8_t prefix[] = {
	0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01};

struct value {
	uint8_t tag;
	struct der content;
};

static int fail(struct err *e, const char *name, const char *wanted)
{
	err_setf(e, -EINVAL, "PCK extension: %s; wanted %s", name, wanted);
	return -EINVAL; /* said here, for analysers */
}

static int get_octets(const struct value *v, uint8_t *out, size_t size,
	const char *name, struct err *e)
{
	if (v->tag != DER_OCTET_STRING || v->content.left != size)
		return fail(e, name, "an OCTET STRING of its size");
	memcpy(out, v->content.at, size);
	return 0;
}

static int get_number(const struct value *v, uint8_t tag, uint32_t max,
	uint32_t *out, const char *name, struct err *e)
{
	if (v->tag != tag || !der_number(&v->content, out) || *out > max)
		return fail(e, name, "a small number");
	return 0;
}

static int get_bool(
	const struct value *v, bool *out, const char *name, struct err *e)
{
	if (v->tag != DER_BOOLEAN || v->content.left != 1)
		return fail(e, name, "a BOOLEAN");
	*out = v->content.at[0] != 0;
	return 0;
}

/*
 * The next pair of d: its value, and the last arc of an OID that has exactly
 * one arc (of one byte) behind parent[]; 0 if it is another OID.
 */
static int next_pair(struct der *d, const uint8_t *parent, size_t parent_size,
	unsigned *arc, struct value *v, struct err *e)
{
	struct der pair, oid;

	*arc = 0;
	if (!der_take(d, DER_SEQUENCE, &pair) ||
		!der_take(&pair, DER_OID, &oid) ||
		!der_next(&pair, &v->tag, &v->content) || pair.left != 0)
		return fail(e, "malformed DER", "pairs of OID and value");
	if (oid.left == parent_size + 1 &&
		!memcmp(oid.at, parent, parent_size) &&
		oid.at[parent_size] < 0x80)
		*arc = oid.at[parent_size];
	return 0;
}

static int mark_seen(uint32_t *seen, unsigned arc, struct err *e)
{
	if (arc < 32 && (*seen & UINT32_C(1) << arc))
		return fail(e, "a member twice", "each once");
	if (arc != 0 && arc < 32)
		*seen |= UINT32_C(1) << arc;
	return 0;
}

static int parse_tcb(const struct value *tcb, struct pck *out, struct err *e)
{
	uint8_t parent[sizeof(prefix) + 1];
	struct der d = tcb->content;
	uint32_t seen = 0, n;

	memcpy(parent, prefix, sizeof(prefix));
	parent[sizeof(prefix)] = ARC_TCB;
	if (tcb->tag != DER_SEQUENCE)
		return fail(e, "TCB", "a SEQUENCE");
	while (d.left > 0) {
		struct value v;
		unsigned arc;
		int rc = next_pair(&d, parent, sizeof(parent), &arc, &v, e);

		if (!rc)
			rc = mark_seen(&seen, arc, e);
		if (rc)
			return rc;
		if (arc >= 1 && arc <= 16) {
			rc = get_number(
				&v, DER_INTEGER, 255, &n, "a TCB component", e);
			if (!rc)
				out->components[arc - 1] = (uint8_t)n;
		} else if (arc == TCB_ARC_PCESVN) {
			rc = get_number(
				&v, DER_INTEGER, 65535, &n, "PCESVN", e);
			if (!rc)
				out->pcesvn = (uint16_t)n;
		} else if (arc == TCB_ARC_CPUSVN) {
			rc = get_octets(&v, out->cpusvn, 16, "CPUSVN", e);
		}
		if (rc)
			return rc;
	}
	if ((seen & TCB_ARCS_ALL) != TCB_ARCS_ALL)
		return fail(e, "TCB: a member is missing",
			"16 components, PCESVN and CPUSVN");
	return 0;
}

static int parse_configuration(
	const struct value *configuration, struct pck *out, struct err *e)
{
	uint8_t parent[sizeof(prefix) + 1];
	bool *const flags[] = {
		&out->dynamic_platform, &out->cached_keys, &out->smt};
	struct der d = configuration->content;
	uint32_t seen = 0;

	memcpy(parent, prefix, sizeof(prefix));
	parent[sizeof(prefix)] = ARC_CONFIGURATION;
	if (configuration->tag != DER_SEQUENCE)
		return fail(e, "configuration", "a SEQUENCE");
	while (d.left > 0) {
		struct value v;
		unsigned arc;
		int rc = next_pair(&d, parent, sizeof(parent), &arc, &v, e);

		if (!rc)
			rc = mark_seen(&seen, arc, e);
		if (!rc && arc >= 1 && arc <= ARRAY_SIZE(flags))
			rc = get_bool(&v, flags[arc - 1], "configuration", e);
		if (rc)
			return rc;
	}
	out->has_configuration = true;
	return 0;
}

static int parse_member(
	unsigned arc, const struct value *v, struct pck *out, struct err *e)
{
	uint32_t n;
	int rc;

	switch (arc) {
	case ARC_PPID:
		return get_octets(v, out->ppid, 16, "PPID", e);
	case ARC_TCB:
		return parse_tcb(v, out, e);
	case ARC_PCEID:
		return get_octets(v, out->pceid, 2, "PCEID", e);
	case ARC_FMSPC:
		return get_octets(v, out->fmspc, 6, "FMSPC", e);
	case ARC_SGX_TYPE:
		rc = get_number(v, DER_ENUMERATED, 127, &n, "SGX type", e);
		if (!rc)
			out->sgx_type = (uint8_t)n;
		return rc;
	case ARC_INSTANCE:
		out->has_instance = true;
		return get_octets(
			v, out->instance_id, 16, "platform instance id", e);
	case ARC_CONFIGURATION:
		return parse_configuration(v, out, e);
	default:
		return 0;
	}
}

int pck_parse(const void *der, size_t size, struct pck *out, struct err *e)
{
	struct der d = {der, size};
	struct der all;
	uint32_t seen = 0;

	memset(out, 0, sizeof(*out));
	if (!der_take(&d, DER_SEQUENCE, &all) || d.left != 0)
		return fail(e, "malformed DER", "a SEQUENCE");
	d = all;
	while (d.left > 0) {
		struct value v;
		unsigned arc;
		int rc = next_pair(&d, prefix, sizeof(prefix), &arc, &v, e);

		if (!rc)
			rc = mark_seen(&seen, arc, e);
		if (!rc)
			rc = parse_member(arc, &v, out, e);
		if (rc)
			return rc;
	}
	if ((seen & ARCS_NEEDED) != ARCS_NEEDED)
		return fail(e, "a member is missing",
			"PPID, TCB, PCEID, FMSPC and SGX type");
	return 0;
}

int pck_of_cert(const struct x509_cert *cert, struct pck *out, struct err *e)
{
	const uint8_t *der;
	size_t size;

	if (!x509_cert_extension(cert, OID, &der, &size))
		return fail(e, "none", "a PCK certificate");
	return pck_parse(der, size, out, e);
}

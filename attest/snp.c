/* SPDX-License-Identifier: Apache-2.0 */
/* Reports as bytes: their form and what they claim. Whether that is true is
 * snp_verify.c's affair. */
#include "attest/snp.h"

#include <errno.h>

#include "lib/bytes.h"
#include "lib/string.h"

enum { VERSION_MIN = 2, VERSION_MAX = 5 };

bool snp_is_report(const void *data, size_t size)
{
	const uint8_t *p = data;

	return size >= 4 && !p[1] && !p[2] && !p[3];
}

/*
 * Bytes that no version gives a meaning. Those that are signed are zero in all
 * that firmware makes; of the others (behind the signature, and above the 384
 * bits of its numbers) there must not be two forms.
 */
static must_check int check_reserved(const struct snp_report *r, struct err *e)
{
	const struct {
		const char *name;
		const void *data;
		size_t size;
	} zeros[] = {
		{"bytes 0x4c to 0x4f", &r->reserved1, sizeof(r->reserved1)},
		{"bytes 0x18b to 0x19f", r->reserved2, sizeof(r->reserved2)},
		{"byte 0x1eb", &r->reserved3, sizeof(r->reserved3)},
		{"byte 0x1ef", &r->reserved4, sizeof(r->reserved4)},
		{"bytes 0x208 to 0x29f", r->reserved5, sizeof(r->reserved5)},
		{"bytes 0x2d0 to 0x2e7", r->signature_r + 48, 24},
		{"bytes 0x318 to 0x32f", r->signature_s + 48, 24},
		{"bytes 0x330 to 0x49f", r->reserved6, sizeof(r->reserved6)},
	};

	for (size_t i = 0; i < ARRAY_SIZE(zeros); i++)
		if (!bytes_zero(zeros[i].data, zeros[i].size))
			return err_setf(e, -EINVAL,
				"SNP report: reserved %s are not zero",
				zeros[i].name);
	if (r->version < SNP_VERSION_CPUID && !bytes_zero(&r->cpuid_family, 3))
		return err_setf(e, -EINVAL,
			"SNP report of version %u: reserved bytes 0x188 to "
			"0x18a are not zero",
			r->version);
	return 0;
}

int snp_parse(
	const void *data, size_t size, struct snp_report *out, struct err *e)
{
	const uint8_t *p = data;

	if (size < sizeof(*out))
		return err_setf(e, -EINVAL, "SNP report: %zu bytes; wanted %zu",
			size, sizeof(*out));
	/* Drivers give their whole buffer, which is larger. */
	if (!bytes_zero(p + sizeof(*out), size - sizeof(*out)))
		return err_setf(e, -EINVAL,
			"SNP report: %zu bytes, not zero behind the first %zu; "
			"wanted the report alone",
			size, sizeof(*out));
	memcpy(out, data, sizeof(*out));
	if (out->version < VERSION_MIN || out->version > VERSION_MAX)
		return err_setf(e, -EINVAL,
			"SNP report: version %u; wanted %d to %d", out->version,
			VERSION_MIN, VERSION_MAX);
	return check_reserved(out, e);
}

enum snp_signing_key snp_signing_key(const struct snp_report *report)
{
	return (enum snp_signing_key)(report->signer_info >> 2 & 7);
}

enum snp_product snp_report_product(const struct snp_report *report)
{
	unsigned model = report->cpuid_model;

	if (report->version < SNP_VERSION_CPUID)
		return SNP_UNKNOWN;
	if (report->cpuid_family == 0x19 && model <= 0x0f)
		return SNP_MILAN;
	/* 0xa0 and up: Bergamo and Siena, whose root is Genoa's. */
	if (report->cpuid_family == 0x19 &&
		((model >= 0x10 && model <= 0x1f) ||
			(model >= 0xa0 && model <= 0xaf)))
		return SNP_GENOA;
	if (report->cpuid_family == 0x1a && model <= 0x1f)
		return SNP_TURIN;
	return SNP_UNKNOWN;
}

const char *snp_product_name(enum snp_product product)
{
	static const char *const names[] = {
		[SNP_UNKNOWN] = "",
		[SNP_MILAN] = "Milan",
		[SNP_GENOA] = "Genoa",
		[SNP_TURIN] = "Turin",
	};

	return (size_t)product < ARRAY_SIZE(names) ? names[product] : "";
}

static void show_identity(const struct snp_report *r, struct verdict *v)
{
	verdict_add_bytes(
		v, "measurement", r->measurement, sizeof(r->measurement));
	verdict_add_bytes(
		v, "report_data", r->report_data, sizeof(r->report_data));
	verdict_add_bytes(v, "host_data", r->host_data, sizeof(r->host_data));
	verdict_add_number(v, "policy", r->policy);
	verdict_add_number(v, "vmpl", r->vmpl);
	verdict_add_number(v, "guest_svn", r->guest_svn);
	verdict_add_bytes(v, "family_id", r->family_id, sizeof(r->family_id));
	verdict_add_bytes(v, "image_id", r->image_id, sizeof(r->image_id));
	verdict_add_bytes(
		v, "id_key_digest", r->id_key_digest, sizeof(r->id_key_digest));
	verdict_add_bytes(v, "author_key_digest", r->author_key_digest,
		sizeof(r->author_key_digest));
	verdict_add_bytes(v, "report_id", r->report_id, sizeof(r->report_id));
	verdict_add_bytes(
		v, "report_id_ma", r->report_id_ma, sizeof(r->report_id_ma));
}

static void show_platform(const struct snp_report *r, struct verdict *v)
{
	const uint8_t current[] = {
		r->current_major, r->current_minor, r->current_build};
	const uint8_t committed[] = {
		r->committed_major, r->committed_minor, r->committed_build};

	verdict_add_bytes(v, "chip_id", r->chip_id, sizeof(r->chip_id));
	verdict_add_bytes(
		v, "reported_tcb", r->reported_tcb, sizeof(r->reported_tcb));
	verdict_add_bytes(
		v, "current_tcb", r->current_tcb, sizeof(r->current_tcb));
	verdict_add_bytes(
		v, "committed_tcb", r->committed_tcb, sizeof(r->committed_tcb));
	verdict_add_bytes(
		v, "launch_tcb", r->launch_tcb, sizeof(r->launch_tcb));
	verdict_add_number(v, "platform_info", r->platform_info);
	verdict_add_number(v, "signer_info", r->signer_info);
	verdict_add_bytes(v, "firmware", current, sizeof(current));
	verdict_add_bytes(
		v, "committed_firmware", committed, sizeof(committed));
	if (r->version >= SNP_VERSION_CPUID) {
		verdict_add_number(v, "cpuid_family", r->cpuid_family);
		verdict_add_number(v, "cpuid_model", r->cpuid_model);
		verdict_add_number(v, "cpuid_stepping", r->cpuid_stepping);
	}
	if (r->version >= VERSION_MAX) {
		verdict_add_number(
			v, "launch_mit_vector", r->launch_mit_vector);
		verdict_add_number(
			v, "current_mit_vector", r->current_mit_vector);
	}
}

void snp_show(const struct snp_report *report, struct verdict *v)
{
	verdict_init(v, EVIDENCE_SNP);
	v->debug = report->policy & SNP_POLICY_DEBUG;
	verdict_add_number(v, "report_version", report->version);
	show_identity(report, v);
	show_platform(report, v);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/qe_identity.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/fmt.h"
#include "lib/string.h"

/* In the body of a REPORT (SDM volume 3D, "REPORT"). */
enum {
	REPORT_MISCSELECT = 16,
	REPORT_ATTRIBUTES = 48,
	REPORT_MRSIGNER = 128,
	REPORT_ISVPRODID = 256,
	REPORT_ISVSVN = 258,
};

static const char *const names[] = {
	[QE_IDENTITY_QE] = "QE",
	[QE_IDENTITY_TD_QE] = "TD_QE",
	[QE_IDENTITY_QVE] = "QVE",
};

const char *qe_identity_name(enum qe_identity_id id)
{
	return (size_t)id < ARRAY_SIZE(names) ? names[id] : "";
}

static int read_kind(
	const struct json_place *body, struct qe_identity *q, struct err *e)
{
	uint64_t version;
	const char *id;
	char seen[24];
	int rc = json_read_uint(body, "version", UINT32_MAX, &version, e);

	if (!rc)
		rc = json_read_string(body, "id", &id, e);
	if (rc)
		return rc;
	if (version != 2 && version != 3) {
		fmt_print(seen, sizeof(seen), "%u", (unsigned)version);
		return json_read_fail(body, "version", seen, "2 or 3", e);
	}
	q->version = (unsigned)version;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(id, names[i])) {
			q->id = (enum qe_identity_id)i;
			return 0;
		}
	return json_read_fail(body, "id", id, "QE, TD_QE or QVE", e);
}

static int read_bytes(
	const struct json_place *body, struct qe_identity *q, struct err *e)
{
	const struct {
		const char *name;
		uint8_t *out;
		size_t size;
	} rows[] = {
		{"miscselect", q->miscselect, sizeof(q->miscselect)},
		{"miscselectMask", q->miscselect_mask,
			sizeof(q->miscselect_mask)},
		{"attributes", q->attributes, sizeof(q->attributes)},
		{"attributesMask", q->attributes_mask,
			sizeof(q->attributes_mask)},
		{"mrsigner", q->mrsigner, sizeof(q->mrsigner)},
	};
	int rc = 0;

	for (size_t i = 0; !rc && i < ARRAY_SIZE(rows); i++)
		rc = json_read_hex(
			body, rows[i].name, rows[i].out, rows[i].size, e);
	return rc;
}

static int read_identity(
	const struct json_place *body, struct qe_identity *q, struct err *e)
{
	uint64_t evaluation, isvprodid;
	int rc = read_kind(body, q, e);

	if (!rc)
		rc = json_read_date(body, "issueDate", &q->issue_date, e);
	if (!rc)
		rc = json_read_date(body, "nextUpdate", &q->next_update, e);
	if (!rc)
		rc = json_read_uint(body, "tcbEvaluationDataNumber", UINT32_MAX,
			&evaluation, e);
	if (!rc)
		rc = read_bytes(body, q, e);
	if (!rc)
		rc = json_read_uint(
			body, "isvprodid", UINT16_MAX, &isvprodid, e);
	if (rc)
		return rc;
	q->evaluation = (uint32_t)evaluation;
	q->isvprodid = (uint16_t)isvprodid;
	return isv_levels_read(body, &q->levels, e);
}

int qe_identity_parse(
	const struct signed_json *json, struct qe_identity **out, struct err *e)
{
	struct json_place body = {
		.value = json->body, .name = "enclaveIdentity"};
	struct qe_identity *q = calloc(1, sizeof(*q));
	int rc;

	if (!q)
		return -ENOMEM;
	rc = read_identity(&body, q, e);
	if (rc) {
		qe_identity_free(q);
		return rc;
	}
	*out = q;
	return 0;
}

void qe_identity_free(struct qe_identity *identity)
{
	if (!identity)
		return;
	isv_levels_fini(&identity->levels);
	free(identity);
}

static unsigned read_le16(const uint8_t *p)
{
	return p[0] | (unsigned)p[1] << 8;
}

/* The value wanted is compared as it stands: bits outside of the mask in it
 * can never be met, as in Intel's library. */
static void check_masked(const char *rule, const uint8_t *seen,
	const uint8_t *mask, const uint8_t *wanted, size_t size,
	struct verdict *v)
{
	uint8_t masked[16] = {0};

	for (size_t i = 0; i < size; i++)
		masked[i] = seen[i] & mask[i];
	if (memcmp(masked, wanted, size))
		verdict_fail_hex(v, rule, masked, wanted, size);
}

bool qe_identity_check(const struct qe_identity *identity,
	const uint8_t report[static 384], struct verdict *v)
{
	unsigned isvprodid = read_le16(report + REPORT_ISVPRODID);
	size_t before = v->failure_count;
	char seen[16], wanted[16];

	check_masked("qe-miscselect", report + REPORT_MISCSELECT,
		identity->miscselect_mask, identity->miscselect,
		sizeof(identity->miscselect), v);
	check_masked("qe-attributes", report + REPORT_ATTRIBUTES,
		identity->attributes_mask, identity->attributes,
		sizeof(identity->attributes), v);
	if (memcmp(report + REPORT_MRSIGNER, identity->mrsigner,
		    sizeof(identity->mrsigner)))
		verdict_fail_hex(v, "qe-mrsigner", report + REPORT_MRSIGNER,
			identity->mrsigner, sizeof(identity->mrsigner));
	if (isvprodid != identity->isvprodid) {
		fmt_print(seen, sizeof(seen), "%u", isvprodid);
		fmt_print(wanted, sizeof(wanted), "%u", identity->isvprodid);
		verdict_fail(v, "qe-isvprodid", seen, wanted);
	}
	return v->failure_count == before;
}

const struct isv_level *qe_identity_level(
	const struct qe_identity *identity, const uint8_t report[static 384])
{
	return isv_levels_find(
		&identity->levels, read_le16(report + REPORT_ISVSVN));
}

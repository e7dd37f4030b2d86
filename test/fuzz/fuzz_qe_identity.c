/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identities of quoting enclaves, and reports compared with them. The first
 * bytes go to the places of a report that are compared, the rest is the file.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "attest/qe_identity.h"

enum { REPORT = 4 + 16 + 32 + 2 + 2 };

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void check(const struct qe_identity *q, const uint8_t *from)
{
	static struct verdict v;
	uint8_t report[384] = {0};
	unsigned isvsvn = from[54] | (unsigned)from[55] << 8;
	const struct isv_level *level;
	bool good = true;

	memcpy(report + 16, from, 4);
	memcpy(report + 48, from + 4, 16);
	memcpy(report + 128, from + 20, 32);
	memcpy(report + 256, from + 52, 4);
	verdict_init(&v, EVIDENCE_SGX_V3);
	for (int i = 0; i < 4; i++)
		good &= (from[i] & q->miscselect_mask[i]) == q->miscselect[i];
	for (int i = 0; i < 16; i++)
		good &= (from[4 + i] & q->attributes_mask[i]) ==
			q->attributes[i];
	good &= !memcmp(from + 20, q->mrsigner, 32);
	good &= (from[52] | from[53] << 8) == q->isvprodid;
	must(qe_identity_check(q, report, &v) == good);
	must(good == (v.failure_count == 0));

	level = qe_identity_level(q, report);
	for (size_t i = 0; i < q->levels.count; i++) {
		const struct isv_level *other = &q->levels.levels[i];

		must(i == 0 || other[-1].isvsvn > other->isvsvn);
		if (other->isvsvn <= isvsvn)
			must(level && level->isvsvn >= other->isvsvn);
	}
	must(!level || level->isvsvn <= isvsvn);
	must(isv_level_status(level) != TCB_UNKNOWN);
	if (level)
		tcb_advisories_add(&level->rating.advisories, &v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct qe_identity *q = NULL;
	struct signed_json json;
	struct err e = {0};

	if (size < REPORT)
		return 0;
	if (signed_json_parse("enclaveIdentity", data + REPORT, size - REPORT,
		    &json, &e)) {
		must(e.code == -EINVAL && e.text[0]);
		return 0;
	}
	if (qe_identity_parse(&json, &q, &e))
		must(e.code == -EINVAL && e.text[0]);
	else
		check(q, data);
	qe_identity_free(q);
	signed_json_fini(&json);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Policies of any bytes: read or refused with a place, and, as far as they are
 * read, never one that takes what no policy may. */
#include <stdlib.h>
#include <string.h>

#include "attest/appraise.c"
#include "attest/appraise_read.c"
#include "attest/yaml_events.c"

static struct appraise_policy policy;
static struct verdict v;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fill(enum tcb_status status)
{
	static const uint8_t bytes[64] = {1, 2, 3};

	verdict_init(&v, EVIDENCE_SGX_V3);
	v.signature = v.chain = true;
	v.tcb_status = status;
	v.tcb_date = 1700000000;
	v.tcb_evaluation = 17;
	verdict_add_bytes(&v, "mrenclave", bytes, 32);
	verdict_add_number(&v, "isv_svn", 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = {0};
	int ret = appraise_parse(
		&policy, "policy", (const char *)data, size, &e);

	if (ret < 0) {
		if (e.code != ret || strncmp(e.text, "policy:", 7) != 0)
			abort();
		return 0;
	}
	if (policy.field_count > APPRAISE_FIELDS ||
		policy.advisory_count > APPRAISE_ADVISORIES)
		abort();
	for (unsigned s = 0; s < TCB_STATUS_COUNT; s++) {
		bool accepted;

		fill((enum tcb_status)s);
		accepted = appraise(&v, &policy, 1750000000);
		if (accepted &&
			(s == TCB_REVOKED || s == TCB_NOT_SUPPORTED ||
				s == TCB_UNKNOWN))
			abort();
		if (accepted != (v.failure_count == 0))
			abort();
		fill((enum tcb_status)s);
		v.signature = false;
		if (appraise(&v, &policy, 1750000000))
			abort();
		fill((enum tcb_status)s);
		v.debug = true;
		if (appraise(&v, &policy, 1750000000) && !policy.allow_debug)
			abort();
	}
	return 0;
}

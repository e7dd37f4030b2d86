/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as evidence, verified against collateral that has nothing: what is
 * said by chance never holds. A second time, what was learnt the first time
 * changes nothing.
 */
#include <stdlib.h>

#include "attest/dcap.c"
#include "attest/dcap_pck.c"
#include "attest/evidence.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct collateral_files none;
	static struct collateral *c;
	const struct evidence_options options = {.at = 1750809600};
	struct verdict first, second, shown;
	struct err e = {0};
	int rc;

	if (!c && collateral_new(&none, NULL, &c, &e))
		abort();
	rc = evidence_verify(data, size, c, &options, &first, &e);
	if (evidence_show(data, size, &shown, &e) != rc)
		abort();
	if (rc) {
		if (rc != -EINVAL || !e.text[0])
			abort();
		return 0;
	}
	if (first.failure_count == 0 || first.kind != shown.kind ||
		first.tcb_status != TCB_UNKNOWN)
		abort();
	if (evidence_verify(data, size, c, &options, &second, &e) ||
		second.failure_count != first.failure_count ||
		second.signature != first.signature ||
		second.chain != first.chain)
		abort();
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a quote: parsed, and shown. */
#include <stdlib.h>

#include "attest/quote.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool inside(const struct quote *q, const uint8_t *p, size_t size)
{
	return p >= q->data && size <= q->size &&
		(size_t)(p - q->data) <= q->size - size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct quote q;
	struct verdict v;
	struct err e = {0};

	if (quote_parse(data, size, &q, &e)) {
		if (e.code != -EINVAL || !e.text[0])
			abort();
		return 0;
	}
	if (q.size > size || q.signed_size >= q.size ||
		!inside(&q, q.body, q.body_size) ||
		!inside(&q, q.signature, 64) ||
		!inside(&q, q.attestation_key, 64) ||
		!inside(&q, q.qe_report, QUOTE_QE_REPORT_SIZE) ||
		!inside(&q, q.qe_signature, 64) ||
		!inside(&q, q.auth, q.auth_size) ||
		!inside(&q, q.cert, q.cert_size) ||
		q.cert + q.cert_size != q.data + q.size)
		abort();
	quote_show(&q, &v);
	if (v.kind != q.kind || !verdict_field(&v, "report_data"))
		abort();
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any text as an exported log. No bug makes one that verifies: that would be a
 * signature.
 */
#include <stdlib.h>
#include <string.h>

#include "cas/audit_read.c"
#include "cas/audit_export.c"
#include "cas/audit_verify.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* audit_export() is linked, and not called. */
int store_log(struct store *s, uint64_t from, uint64_t until,
	store_log_fn *each, void *arg, struct err *e)
{
	abort();
}

/* Each line that is read is written again the same; with `fit`, its hash and
 * those before it made right. */
static void rewrite(const char *text, size_t size, bool fit, struct buf *out)
{
	uint8_t prev[STORE_HASH_SIZE] = {0};
	struct buf cbor = {0};
	struct audit_reader r;
	const char *start = text;

	audit_reader_init(&r, text, size);
	while (audit_reader_next(&r) == 1) {
		size_t line = (size_t)(r.at - start), at = out->size;

		if (!r.is_checkpoint && fit) {
			memcpy(r.record.prev, prev, sizeof(prev));
			cbor.size = 0;
			if (store_record_encode(&r.record, &cbor))
				abort();
			memcpy(prev, r.record.hash, sizeof(prev));
		}
		if (r.is_checkpoint)
			buf_add(out, start, line);
		else if (audit_line(&r.record, out) || out->size - at != line ||
			(!fit && memcmp(out->data + at, start, line) != 0))
			abort();
		start = r.at;
	}
	audit_reader_fini(&r);
	buf_fini(&cbor);
}

static void verify(const char *text, size_t size)
{
	struct audit_known known = {0};
	struct audit_found found;
	struct err e = {0};

	if (audit_verify(text, size, &known, &found, &e) == AUDIT_OK
			? found.signed_seq != found.last
			: !e.text[0])
		abort();
	e = (struct err){0};
	if (audit_known_read(text, size, &known, &e) != AUDIT_OK && !e.text[0])
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct buf out = {0};

	verify(text, size);
	rewrite(text, size, false, &out);
	out.size = 0;
	rewrite(text, size, true, &out);
	verify((const char *)out.data, out.size);
	buf_fini(&out);
	return 0;
}

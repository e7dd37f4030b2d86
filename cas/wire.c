/* SPDX-License-Identifier: Apache-2.0 */
/* Messages as tables, frames, and what binds evidence to a connection. */
#include "cas/wire.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "lib/schema_encode.h"

enum {
	NAME_MAX_SIZE = 2048, /* "session/service" */
	VALUE_MAX = 64 * 1024,
	EVIDENCE_MAX = 64 * 1024,
	TAG_MAX = 64,
	ERRNO_MAX = 4095,
};

#define AT(type, field) .offset = offsetof(struct type, field)

static const struct schema_field request_fields[] = {
	{"id", SCHEMA_UINT, 0, AT(wire_request, id), .max = UINT64_MAX},
	{"op", SCHEMA_UINT, 0, AT(wire_request, op), .max = UINT64_MAX},
	{"to", SCHEMA_BYTES, SCHEMA_OPTIONAL, AT(wire_request, to),
		.max = TAG_MAX},
	{"otp", SCHEMA_TEXT, SCHEMA_OPTIONAL, AT(wire_request, otp), .max = 64},
	{"code", SCHEMA_UINT, 0, AT(wire_request, code), .max = UINT32_MAX},
	{"from", SCHEMA_BYTES, SCHEMA_OPTIONAL, AT(wire_request, from),
		.max = TAG_MAX},
	{"token", SCHEMA_TEXT, SCHEMA_OPTIONAL, AT(wire_request, token),
		.max = 1024},
	{"value", SCHEMA_BYTES, SCHEMA_OPTIONAL, AT(wire_request, value),
		.max = VALUE_MAX},
	{"format", SCHEMA_TEXT, SCHEMA_OPTIONAL, AT(wire_request, format),
		.max = 256},
	{"reason", SCHEMA_TEXT, SCHEMA_OPTIONAL, AT(wire_request, reason),
		.max = WIRE_ERROR_MAX},
	{"secret", SCHEMA_TEXT, SCHEMA_OPTIONAL, AT(wire_request, secret),
		.max = NAME_MAX_SIZE},
	{"volume", SCHEMA_TEXT, SCHEMA_OPTIONAL, AT(wire_request, volume),
		.max = NAME_MAX_SIZE},
	{"session", SCHEMA_TEXT, SCHEMA_OPTIONAL, AT(wire_request, session),
		.max = NAME_MAX_SIZE},
	{"evidence", SCHEMA_BYTES, SCHEMA_OPTIONAL, AT(wire_request, evidence),
		.max = EVIDENCE_MAX},
	{"instance", SCHEMA_BYTES, SCHEMA_OPTIONAL, AT(wire_request, instance),
		.min = WIRE_INSTANCE_SIZE, .max = WIRE_INSTANCE_SIZE},
	{"host_args", SCHEMA_TEXT_LIST, SCHEMA_OPTIONAL | SCHEMA_RAW,
		AT(wire_request, host_args), .max = WIRE_REQUEST_MAX},
};
const struct schema wire_request_schema = {"request", request_fields,
	ARRAY_SIZE(request_fields), sizeof(struct wire_request), NULL};

static const struct schema_field reply_fields[] = {
	{"id", SCHEMA_UINT, 0, AT(wire_reply, id), .max = UINT64_MAX},
	{"error", SCHEMA_TEXT, SCHEMA_OPTIONAL, AT(wire_reply, error),
		.max = WIRE_ERROR_MAX},
	{"lease", SCHEMA_UINT, 0, AT(wire_reply, lease), .max = UINT32_MAX},
	{"value", SCHEMA_BYTES, SCHEMA_OPTIONAL, AT(wire_reply, value),
		.max = VALUE_MAX},
	{"config", SCHEMA_BYTES, SCHEMA_OPTIONAL, AT(wire_reply, config),
		.max = WIRE_REPLY_MAX},
	{"status", SCHEMA_UINT, 0, AT(wire_reply, status), .max = ERRNO_MAX},
	{"instance", SCHEMA_BYTES, SCHEMA_OPTIONAL, AT(wire_reply, instance),
		.min = WIRE_INSTANCE_SIZE, .max = WIRE_INSTANCE_SIZE},
	{"on_expiry", SCHEMA_UINT, 0, AT(wire_reply, on_expiry), .max = 1},
};
const struct schema wire_reply_schema = {"reply", reply_fields,
	ARRAY_SIZE(reply_fields), sizeof(struct wire_reply), NULL};

int wire_frame(const void *data, size_t size, size_t max, struct bytes *payload)
{
	const uint8_t *p = data;
	size_t want;

	*payload = (struct bytes){0};
	if (size < WIRE_HEAD_SIZE)
		return 0;
	want = (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 |
		(size_t)p[3] << 24;
	if (want == 0 || want > max)
		return -EMSGSIZE;
	if (size - WIRE_HEAD_SIZE < want)
		return 0;
	*payload = (struct bytes){p + WIRE_HEAD_SIZE, want};
	return 1;
}

static int put(const struct schema *s, const void *object, size_t max,
	struct buf *out, struct err *e)
{
	struct cbor_writer w;
	uint8_t *frame;
	int ret;

	if (schema_check(s, object, e) < 0)
		return -EINVAL;
	cbor_writer_init(&w, NULL, 0);
	schema_encode(s, object, &w);
	if (w.len > max)
		return err_setf(e, -EMSGSIZE, "%s: %zu bytes; wanted <= %zu",
			s->name, w.len, max);
	frame = malloc(WIRE_HEAD_SIZE + w.len);
	if (!frame)
		return err_setf(e, -ENOMEM, "no memory");
	for (int i = 0; i < WIRE_HEAD_SIZE; i++)
		frame[i] = (uint8_t)(w.len >> (8 * i));
	cbor_writer_init(&w, frame + WIRE_HEAD_SIZE, w.len);
	schema_encode(s, object, &w);
	buf_add(out, frame, WIRE_HEAD_SIZE + w.len);
	/* There may be secrets in it. */
	OPENSSL_cleanse(frame, WIRE_HEAD_SIZE + w.len);
	free(frame);
	ret = buf_check(out);
	return ret < 0 ? err_setf(e, ret, "no memory") : 0;
}

int wire_put_request(
	const struct wire_request *r, struct buf *out, struct err *e)
{
	return put(&wire_request_schema, r, WIRE_REQUEST_MAX, out, e);
}

int wire_put_reply(const struct wire_reply *r, struct buf *out, struct err *e)
{
	return put(&wire_reply_schema, r, WIRE_REPLY_MAX, out, e);
}

int wire_get_request(struct wire_request *r, const void *data, size_t size,
	struct arena *arena, struct err *e)
{
	int ret = schema_decode(&wire_request_schema, r, data, size, arena, e);

	if (ret < 0)
		return ret;
	if (r->op >= WIRE_OPS)
		return err_setf(e, -EINVAL,
			"request: operation %llu; wanted one of 0 to %d (of "
			"another version?)",
			(unsigned long long)r->op, WIRE_OPS - 1);
	return 0;
}

int wire_get_reply(struct wire_reply *r, const void *data, size_t size,
	struct arena *arena, struct err *e)
{
	return schema_decode(&wire_reply_schema, r, data, size, arena, e);
}

int wire_binding(const uint8_t exporter[static WIRE_EXPORTER_SIZE],
	uint8_t report_data[static 64])
{
	uint8_t text[sizeof(WIRE_BINDING_LABEL) + WIRE_EXPORTER_SIZE];
	int good;

	memcpy(text, WIRE_BINDING_LABEL, sizeof(WIRE_BINDING_LABEL));
	memcpy(text + sizeof(WIRE_BINDING_LABEL), exporter, WIRE_EXPORTER_SIZE);
	good = EVP_Q_digest(
		NULL, "SHA512", NULL, text, sizeof(text), report_data, NULL);
	OPENSSL_cleanse(text, sizeof(text));
	return good ? 0 : -EIO;
}

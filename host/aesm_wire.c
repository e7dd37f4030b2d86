/* SPDX-License-Identifier: Apache-2.0 */
/* Encoder and decoder walk the same table. */
#include "host/aesm_wire.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

enum kind { BYTES, U32, U64, BOOL };
enum wire { VARINT = 0, FIXED64 = 1, LENGTH = 2, FIXED32 = 5 };
enum { VARINT_MAX = 10, FIELD_NUMBER_MAX = 536870911 };

/* In the order in which Intel's library writes them: by number. */
static const struct row {
	uint8_t message;
	bool response;
	uint8_t number;
	uint8_t kind;
	uint8_t field;
	bool required;
} rows[] = {
	{AESM_SELECT_KEY_ID, false, 1, BYTES, AESM_F_KEY_ID, false},
	{AESM_SELECT_KEY_ID, false, 2, U32, AESM_F_TIMEOUT, false},
	{AESM_KEY_ID_NUM, false, 9, U32, AESM_F_TIMEOUT, false},
	{AESM_KEY_IDS, false, 1, U32, AESM_F_BUF_SIZE, false},
	{AESM_KEY_IDS, false, 9, U32, AESM_F_TIMEOUT, false},
	{AESM_INIT_QUOTE_EX, false, 1, BYTES, AESM_F_KEY_ID, false},
	{AESM_INIT_QUOTE_EX, false, 3, BOOL, AESM_F_WANT_PUB_KEY_ID, true},
	{AESM_INIT_QUOTE_EX, false, 4, U64, AESM_F_BUF_SIZE, false},
	{AESM_INIT_QUOTE_EX, false, 9, U32, AESM_F_TIMEOUT, false},
	{AESM_QUOTE_SIZE_EX, false, 1, BYTES, AESM_F_KEY_ID, false},
	{AESM_QUOTE_SIZE_EX, false, 9, U32, AESM_F_TIMEOUT, false},
	{AESM_GET_QUOTE_EX, false, 1, BYTES, AESM_F_REPORT, true},
	{AESM_GET_QUOTE_EX, false, 2, BYTES, AESM_F_KEY_ID, false},
	{AESM_GET_QUOTE_EX, false, 3, BYTES, AESM_F_QE_INFO, false},
	{AESM_GET_QUOTE_EX, false, 4, U32, AESM_F_BUF_SIZE, true},
	{AESM_GET_QUOTE_EX, false, 9, U32, AESM_F_TIMEOUT, false},

	{AESM_SELECT_KEY_ID, true, 1, U32, AESM_F_ERROR, true},
	{AESM_SELECT_KEY_ID, true, 2, BYTES, AESM_F_KEY_ID, false},
	{AESM_KEY_ID_NUM, true, 1, U32, AESM_F_ERROR, true},
	{AESM_KEY_ID_NUM, true, 2, U32, AESM_F_KEY_ID_NUM, false},
	{AESM_KEY_IDS, true, 1, U32, AESM_F_ERROR, true},
	{AESM_KEY_IDS, true, 2, BYTES, AESM_F_KEY_ID, false},
	{AESM_INIT_QUOTE_EX, true, 1, U32, AESM_F_ERROR, true},
	{AESM_INIT_QUOTE_EX, true, 2, BYTES, AESM_F_TARGET_INFO, false},
	{AESM_INIT_QUOTE_EX, true, 3, U64, AESM_F_PUB_KEY_ID_SIZE, false},
	{AESM_INIT_QUOTE_EX, true, 4, BYTES, AESM_F_PUB_KEY_ID, false},
	{AESM_QUOTE_SIZE_EX, true, 1, U32, AESM_F_ERROR, true},
	{AESM_QUOTE_SIZE_EX, true, 2, U32, AESM_F_QUOTE_SIZE, false},
	{AESM_GET_QUOTE_EX, true, 1, U32, AESM_F_ERROR, true},
	{AESM_GET_QUOTE_EX, true, 2, BYTES, AESM_F_QUOTE, false},
	{AESM_GET_QUOTE_EX, true, 3, BYTES, AESM_F_QE_INFO, false},
	{AESM_UNSUPPORTED, true, 1, U32, AESM_F_ERROR, true},
};

#define HAS(f) (UINT32_C(1) << (f))

void aesm_put_number(struct aesm_msg *m, enum aesm_field f, uint64_t value)
{
	m->has |= HAS(f);
	m->value[f] = value;
}

void aesm_put_bytes(
	struct aesm_msg *m, enum aesm_field f, const void *data, size_t size)
{
	m->has |= HAS(f);
	m->span[f] = (struct aesm_span){data, size};
}

/* ---- encoding ---- */

struct out {
	uint8_t *p;
	size_t size, capacity;
	bool full;
};

static void put(struct out *o, const void *data, size_t size)
{
	if (o->full || size > o->capacity - o->size) {
		o->full = true;
		return;
	}
	if (size > 0)
		memcpy(o->p + o->size, data, size);
	o->size += size;
}

static size_t varint_size(uint64_t v)
{
	size_t n = 1;

	while (v >>= 7)
		n++;
	return n;
}

static void put_varint(struct out *o, uint64_t v)
{
	uint8_t bytes[VARINT_MAX];
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		bytes[n++] = (uint8_t)(v | 0x80);
	bytes[n++] = (uint8_t)v;
	put(o, bytes, n);
}

static void put_tag(struct out *o, uint32_t number, enum wire wire)
{
	put_varint(o, (uint64_t)number << 3 | wire);
}

static bool row_is(const struct row *r, const struct aesm_msg *m, bool response)
{
	return r->message == m->message && r->response == response;
}

static size_t row_size(const struct row *r, const struct aesm_msg *m)
{
	size_t tag = varint_size((uint64_t)r->number << 3);

	if (r->kind != BYTES)
		return tag + varint_size(m->value[r->field]);
	return tag + varint_size(m->span[r->field].size) +
		m->span[r->field].size;
}

static void put_row(
	struct out *o, const struct row *r, const struct aesm_msg *m)
{
	if (r->kind == BYTES) {
		put_tag(o, r->number, LENGTH);
		put_varint(o, m->span[r->field].size);
		put(o, m->span[r->field].data, m->span[r->field].size);
		return;
	}
	put_tag(o, r->number, VARINT);
	put_varint(o, m->value[r->field]);
}

int aesm_encode(const struct aesm_msg *m, bool response, void *frame,
	size_t capacity, size_t *size)
{
	struct out o = {frame, 0, capacity, false};
	uint32_t known = 0, length;
	size_t inner = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];

		if (!row_is(r, m, response))
			continue;
		known |= HAS(r->field);
		if (m->has & HAS(r->field))
			inner += row_size(r, m);
		else if (r->required)
			return -EINVAL;
	}
	if (known == 0 || (m->has & ~known) || inner > AESM_RESPONSE_MAX)
		return -EINVAL;
	length = (uint32_t)(varint_size((uint64_t)m->message << 3) +
		varint_size(inner) + inner);
	length = htole32(length);
	put(&o, &length, sizeof(length));
	put_tag(&o, m->message, LENGTH);
	put_varint(&o, inner);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (row_is(&rows[i], m, response) &&
			(m->has & HAS(rows[i].field)))
			put_row(&o, &rows[i], m);
	*size = o.size;
	return o.full ? -ENOSPC : 0;
}

/* ---- decoding ---- */

struct in {
	const uint8_t *p, *end;
};

static int get_varint(struct in *in, uint64_t *v)
{
	*v = 0;
	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t byte;

		if (in->p == in->end)
			return -EPROTO;
		byte = *in->p++;
		/* The tenth has one bit left. */
		if (shift == 63 && byte > 1)
			return -EPROTO;
		*v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return 0;
	}
	return -EPROTO;
}

/* The next field: its number and, by its wire type, a number or bytes. */
struct item {
	uint32_t number;
	enum wire wire;
	uint64_t value;
	struct aesm_span span;
};

static int get_item(struct in *in, struct item *item)
{
	uint64_t tag, size = 0;

	if (get_varint(in, &tag) || tag >> 3 == 0 ||
		tag >> 3 > FIELD_NUMBER_MAX)
		return -EPROTO;
	*item = (struct item){
		.number = (uint32_t)(tag >> 3), .wire = (enum wire)(tag & 7)};
	switch (item->wire) {
	case VARINT:
		return get_varint(in, &item->value);
	case FIXED64:
		size = 8;
		break;
	case FIXED32:
		size = 4;
		break;
	case LENGTH:
		if (get_varint(in, &size))
			return -EPROTO;
		break;
	default: /* groups */
		return -EPROTO;
	}
	if (size > (size_t)(in->end - in->p))
		return -EPROTO;
	item->span = (struct aesm_span){in->p, (size_t)size};
	in->p += size;
	return 0;
}

static const struct row *find_row(
	const struct aesm_msg *m, bool response, uint32_t number)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (row_is(&rows[i], m, response) && rows[i].number == number)
			return &rows[i];
	return NULL;
}

static int take(
	struct aesm_msg *m, const struct row *r, const struct item *item)
{
	static const uint64_t limit[] = {
		[U32] = UINT32_MAX, [U64] = UINT64_MAX, [BOOL] = 1};

	if ((m->has & HAS(r->field)) ||
		item->wire != (r->kind == BYTES ? LENGTH : VARINT))
		return -EPROTO;
	if (r->kind == BYTES)
		aesm_put_bytes(m, r->field, item->span.data, item->span.size);
	else if (item->value <= limit[r->kind])
		aesm_put_number(m, r->field, item->value);
	else
		return -EPROTO;
	return 0;
}

static int decode_inner(
	struct aesm_msg *m, bool response, const struct aesm_span *span)
{
	struct in in = {span->data, span->data + span->size};
	bool known = false;

	while (in.p < in.end) {
		struct item item;
		const struct row *r;

		if (get_item(&in, &item))
			return -EPROTO;
		r = find_row(m, response, item.number);
		if (r && take(m, r, &item))
			return -EPROTO;
	}
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!row_is(&rows[i], m, response))
			continue;
		known = true;
		if (rows[i].required && !(m->has & HAS(rows[i].field)))
			return -EPROTO;
	}
	return known ? 0 : -ENOTSUP;
}

int aesm_decode(
	const void *data, size_t size, bool response, struct aesm_msg *m)
{
	struct in in = {data, (const uint8_t *)data + size};
	struct item item;

	memset(m, 0, sizeof(*m));
	if (get_item(&in, &item) || item.wire != LENGTH || in.p != in.end)
		return -EPROTO;
	m->message = item.number;
	return decode_inner(m, response, &item.span);
}

/* ---- what goes into them ---- */

const char *aesm_code_text(uint64_t code)
{
	static const struct {
		unsigned code;
		const char *text;
	} texts[] = {
		{AESM_SUCCESS, "success"},
		{AESM_UNEXPECTED_ERROR, "unexpected error"},
		{2, "no SGX device"},
		{AESM_PARAMETER_ERROR, "wrong parameters"},
		{12, "network error"},
		{13, "network busy"},
		{15, "no access to a file"},
		{16, "provisioning failed"},
		{17, "service stopped"},
		{AESM_BUSY, "busy"},
		{AESM_BACKEND_SERVER_BUSY, "back-end server busy"},
		{AESM_OUT_OF_MEMORY, "out of memory"},
		{22, "malformed message"},
		{24, "SGX device not available"},
		{AESM_OUT_OF_EPC, "out of EPC memory"},
		{AESM_SERVICE_UNAVAILABLE, "service not available"},
		{31, "platform not recognised"},
		{AESM_UNSUPPORTED_ATT_KEY_ID, "no such attestation key"},
		{40, "interface not available"},
		{41, "platform library not available"},
		{AESM_ATT_KEY_NOT_INITIALIZED,
			"attestation key not initialised"},
		{43, "certification of the attestation key not valid"},
		{AESM_NO_PLATFORM_CERT_DATA,
			"no certificate of the platform (is a PCCS "
			"configured?)"},
		{45, "report could not be made"},
		{46, "quoting enclave lost"},
		{AESM_INVALID_REPORT, "report not of this platform"},
		{48, "quoting enclave cannot be loaded"},
		{50, "attestation key cannot be certified"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (texts[i].code == code)
			return texts[i].text;
	return "error";
}

/* sgx_ql_att_key_id_t at the start of sgx_att_key_id_ext_t. */
enum {
	ID_MRSIGNER_LENGTH = 4,
	ID_MRSIGNER = 6,
	ID_PROD_ID = 54,
	ID_ALGORITHM = 154,
	ALGORITHM_P256 = 2,
};

const uint8_t aesm_intel_key_id[AESM_KEY_ID_SIZE] = {[ID_MRSIGNER_LENGTH] = 32,
	[ID_MRSIGNER] = 0x8c,
	0x4f,
	0x57,
	0x75,
	0xd7,
	0x96,
	0x50,
	0x3e,
	0x96,
	0x13,
	0x7f,
	0x77,
	0xc6,
	0x8a,
	0x82,
	0x9a,
	0x00,
	0x56,
	0xac,
	0x8d,
	0xed,
	0x70,
	0x14,
	0x0b,
	0x08,
	0x1b,
	0x09,
	0x44,
	0x90,
	0xc5,
	0x7b,
	0xff,
	[ID_PROD_ID] = 1,
	[ID_ALGORITHM] = ALGORITHM_P256};

void aesm_key_id_make(uint8_t id[AESM_KEY_ID_SIZE], const uint8_t mrsigner[32],
	uint32_t prod_id)
{
	prod_id = htole32(prod_id);
	memset(id, 0, AESM_KEY_ID_SIZE);
	id[ID_MRSIGNER_LENGTH] = 32;
	memcpy(id + ID_MRSIGNER, mrsigner, 32);
	memcpy(id + ID_PROD_ID, &prod_id, sizeof(prod_id));
	id[ID_ALGORITHM] = ALGORITHM_P256;
}

bool aesm_key_id_is_p256(const uint8_t *id)
{
	uint32_t algorithm;

	memcpy(&algorithm, id + ID_ALGORITHM, sizeof(algorithm));
	return le32toh(algorithm) == ALGORITHM_P256;
}

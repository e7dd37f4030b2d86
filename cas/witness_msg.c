/* SPDX-License-Identifier: Apache-2.0 */
#include "cas/witness_msg.h"

#include <assert.h>
#include <errno.h>

#include "lib/cbor_put.h"
#include "lib/string.h"

enum { LENGTH_SIZE = 4, REQUEST_ITEMS = 8, REPLY_ITEMS = 7 };

static void put_hash(struct cbor_writer *w, const uint8_t *hash)
{
	cbor_put_bytes(w, hash, WITNESS_HASH_SIZE);
}

/* Room for each possible message is in WITNESS_FRAME_MAX: seven numbers of nine
 * bytes and two hashes of 34 at most, and two heads. */
static size_t finish(const struct cbor_writer *w, uint8_t *frame)
{
	int rc = cbor_writer_check(w);

	assert(rc == 0);
	(void)rc;
	for (unsigned i = 0; i < LENGTH_SIZE; i++)
		frame[i] = (uint8_t)(w->len >> (8 * i));
	return LENGTH_SIZE + w->len;
}

size_t witness_msg_put_request(const struct witness_request *r,
	uint8_t frame[static WITNESS_FRAME_MAX])
{
	struct cbor_writer w;

	cbor_writer_init(
		&w, frame + LENGTH_SIZE, WITNESS_FRAME_MAX - LENGTH_SIZE);
	cbor_put_array(&w, REQUEST_ITEMS);
	cbor_put_uint(&w, WITNESS_VERSION);
	cbor_put_uint(&w, r->id);
	cbor_put_uint(&w, r->op);
	cbor_put_uint(&w, r->term);
	cbor_put_uint(&w, r->from_seq);
	put_hash(&w, r->from);
	cbor_put_uint(&w, r->to_seq);
	put_hash(&w, r->to);
	return finish(&w, frame);
}

size_t witness_msg_put_reply(
	const struct witness_reply *r, uint8_t frame[static WITNESS_FRAME_MAX])
{
	struct cbor_writer w;

	cbor_writer_init(
		&w, frame + LENGTH_SIZE, WITNESS_FRAME_MAX - LENGTH_SIZE);
	cbor_put_array(&w, REPLY_ITEMS);
	cbor_put_uint(&w, WITNESS_VERSION);
	cbor_put_uint(&w, r->id);
	cbor_put_uint(&w, r->status);
	cbor_put_uint(&w, r->view.promised);
	cbor_put_uint(&w, r->view.accepted);
	cbor_put_uint(&w, r->view.seq);
	put_hash(&w, r->view.head);
	return finish(&w, frame);
}

int witness_msg_frame(
	const uint8_t *data, size_t have, const uint8_t **content, size_t *size)
{
	uint32_t length = 0;

	*content = NULL;
	*size = 0;
	if (have < LENGTH_SIZE)
		return 0;
	for (unsigned i = 0; i < LENGTH_SIZE; i++)
		length |= (uint32_t)data[i] << (8 * i);
	if (length == 0 || length > WITNESS_FRAME_MAX - LENGTH_SIZE)
		return -EPROTO;
	if (have - LENGTH_SIZE < length)
		return 0;
	*content = data + LENGTH_SIZE;
	*size = length;
	return 0;
}

static bool get_hash(struct cbor_reader *r, uint8_t *hash)
{
	return !cbor_get_fixed(r, hash, WITNESS_HASH_SIZE);
}

static bool get_start(struct cbor_reader *r, uint64_t items, uint64_t *id)
{
	uint64_t count, version;

	return cbor_get_array(r, &count) == 0 && count == items &&
		cbor_get_uint(r, &version) == 0 && version == WITNESS_VERSION &&
		cbor_get_uint(r, id) == 0;
}

int witness_msg_get_request(
	const void *data, size_t size, struct witness_request *r)
{
	struct cbor_reader in;
	bool ok;

	*r = (struct witness_request){0};
	cbor_reader_init(&in, data, size);
	ok = get_start(&in, REQUEST_ITEMS, &r->id) &&
		cbor_get_uint(&in, &r->op) == 0 && r->op < WITNESS_OPS &&
		cbor_get_uint(&in, &r->term) == 0 &&
		cbor_get_uint(&in, &r->from_seq) == 0 &&
		get_hash(&in, r->from) && cbor_get_uint(&in, &r->to_seq) == 0 &&
		get_hash(&in, r->to) && cbor_reader_at_end(&in);
	return ok ? 0 : -EBADMSG;
}

int witness_msg_get_reply(
	const void *data, size_t size, struct witness_reply *r)
{
	struct cbor_reader in;
	bool ok;

	*r = (struct witness_reply){0};
	cbor_reader_init(&in, data, size);
	ok = get_start(&in, REPLY_ITEMS, &r->id) &&
		cbor_get_uint(&in, &r->status) == 0 &&
		r->status < WITNESS_RESULTS &&
		cbor_get_uint(&in, &r->view.promised) == 0 &&
		cbor_get_uint(&in, &r->view.accepted) == 0 &&
		cbor_get_uint(&in, &r->view.seq) == 0 &&
		get_hash(&in, r->view.head) && cbor_reader_at_end(&in);
	return ok ? 0 : -EBADMSG;
}

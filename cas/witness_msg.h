/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What CAS and witnesses say to each other, inside TLS 1.3 with both keys
 * shown: frames of a little-endian u32 length and that many bytes, an array of
 * canonical CBOR.
 *
 *	request	[1, id, op, term, from_seq, from, to_seq, to]
 *	reply	[1, id, status, promised, accepted, seq, head]
 *
 * Numbers are unsigned, hashes byte strings of 32. Whose chain it is follows
 * from the client's key. The reply has its request's id and what the witness
 * remembers after it, durably.
 */
#pragma once

#include "cas/witness.h"

enum {
	WITNESS_VERSION = 1,
	WITNESS_FRAME_MAX = 160, /* the largest request or reply is smaller */
};

enum witness_op {
	WITNESS_READ, /* nothing else counts */
	WITNESS_OPEN, /* promise me this term: term */
	WITNESS_APPEND, /* in this term the chain went from `from` to `to` */
	WITNESS_OPS,
};

enum witness_result {
	WITNESS_OK,
	WITNESS_REFUSED, /* what it remembers says why */
	WITNESS_FULL, /* too many clusters, or this one is not let in */
	WITNESS_RESULTS,
};

/* What a witness remembers of one cluster; zeros: nothing. */
struct witness_view {
	uint64_t promised; /* appends of lower terms are refused */
	uint64_t accepted; /* the term in which the following came */
	uint64_t seq;
	uint8_t head[WITNESS_HASH_SIZE];
};

struct witness_request {
	uint64_t id;
	uint64_t op; /* enum witness_op */
	uint64_t term;
	uint64_t from_seq, to_seq;
	uint8_t from[WITNESS_HASH_SIZE], to[WITNESS_HASH_SIZE];
};

struct witness_reply {
	uint64_t id;
	uint64_t status; /* enum witness_result */
	struct witness_view view;
};

/* With its length before it; the size is returned. */
size_t witness_msg_put_request(const struct witness_request *r,
	uint8_t frame[static WITNESS_FRAME_MAX]);
size_t witness_msg_put_reply(
	const struct witness_reply *r, uint8_t frame[static WITNESS_FRAME_MAX]);

/*
 * Is there a frame at the beginning of these bytes? Its content, without the
 * length: *size > 0. 0 with *size 0: not all of it is there. -EPROTO: no frame
 * can begin so.
 */
must_check int witness_msg_frame(const uint8_t *data, size_t have,
	const uint8_t **content, size_t *size);
/* Of a frame's content. -EBADMSG: it is not exactly that. */
must_check int witness_msg_get_request(
	const void *data, size_t size, struct witness_request *r);
must_check int witness_msg_get_reply(
	const void *data, size_t size, struct witness_reply *r);

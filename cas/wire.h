/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What enclaves and CAS say to each other, inside TLS 1.3: frames of a
 * little-endian u32 length and that many bytes of canonical CBOR, a request or
 * a reply. Requests may be sent without waiting; a reply has its request's id.
 *
 * CAS shows the certificate of its identity key, which the enclave knows by
 * hash (from its manifest). The enclave shows no certificate: its evidence, in
 * HELLO, has as report data
 *
 *	SHA-512("sconce-cas-1" NUL || exporter)
 *
 * exporter: 32 bytes of TLS keying material, label "EXPORTER-sconce-cas", no
 * context. So evidence is worth nothing on any other connection.
 */
#pragma once

#include "lib/buf.h"
#include "lib/schema.h"

enum {
	WIRE_VERSION = 1,
	WIRE_PORT = 18765,
	WIRE_REQUEST_MAX = 256 * 1024,
	WIRE_REPLY_MAX = 5 * 1024 * 1024,
	WIRE_EXPORTER_SIZE = 32,
	WIRE_INSTANCE_SIZE = 16,
	WIRE_HEAD_SIZE = 4, /* of a frame: its length without these */
	WIRE_ERROR_MAX = 4096,
};

#define WIRE_EXPORTER_LABEL "EXPORTER-sconce-cas"
#define WIRE_BINDING_LABEL "sconce-cas-1"

enum wire_op {
	/* First, once for each connection. evidence (none with attestation
	 * mode "none"), session "name/service", host_args, otp, token, nonce;
	 * instance: to go on after a lost connection, with evidence again;
	 * new ones leave it out. Reply: config (new instances), instance,
	 * lease. */
	WIRE_HELLO,
	/* volume's state went from `from` to `to` (VOL_TAG_SIZE bytes; from
	 * none: it was just made). Reply when it can no longer be lost. After a
	 * lost connection it is sent again: success, too, if CAS has `to`. */
	WIRE_TAG,
	WIRE_RENEW, /* the lease; reply: lease */
	WIRE_SECRET_GET, /* secret, format; reply: value */
	WIRE_SECRET_PUT, /* secret, value */
	/* The service ended: code as in wait(2), reason for people. The
	 * instance is over. */
	WIRE_EXIT,
	/* Before there is an enclave: a one-time token for a start of
	 * `session`; launchers ask before each start. `token`: of the
	 * service_access_token. Reply: value, the token as text (the enclave's
	 * manifest has it), or none: this session wants none, and the manifest
	 * has the access token, if there is one. */
	WIRE_TOKEN,
	/* Of a CAS that takes over (cas/join.h): evidence, value: its request.
	 * Reply: value, the grant; config, the giver's evidence; lease, the
	 * size of the database's copy. */
	WIRE_JOIN,
	/* A portion of the copy from byte `code` on: reply: config; none: that
	 * was its end, and the giver ends too. */
	WIRE_COPY,
	WIRE_OPS,
};

struct wire_request {
	uint64_t id;
	uint64_t op; /* enum wire_op */
	const char *session;
	const char *volume;
	const char *secret;
	const char *format;
	const char *otp;
	const char *token; /* of the service_access_token or one-time token */
	const char *reason;
	struct bytes evidence;
	struct bytes instance; /* WIRE_INSTANCE_SIZE bytes */
	struct bytes from, to;
	struct bytes value;
	struct text_list host_args;
	uint64_t code;
};

struct wire_reply {
	uint64_t id;
	uint64_t status; /* 0, or errno */
	const char *error; /* for people: why not, and what would help */
	struct bytes config; /* canonical struct service_config */
	struct bytes instance;
	struct bytes value;
	uint64_t lease; /* s until it ends */
	uint64_t on_expiry; /* enum lease_expiry */
};

extern const struct schema wire_request_schema;
extern const struct schema wire_reply_schema;

/*
 * Frames of a stream, whose first bytes are data. 1: one is there, *payload
 * lies within data; 0: more must come; -EMSGSIZE: longer than max (WIRE_*_MAX),
 * or empty: nothing more can be understood on this connection.
 */
must_check int wire_frame(
	const void *data, size_t size, size_t max, struct bytes *payload);

/* Appends a frame. -EINVAL: r is not what its schema says, e names what;
 * -EMSGSIZE, -ENOMEM: nothing was appended. */
must_check int wire_put_request(
	const struct wire_request *r, struct buf *out, struct err *e);
must_check int wire_put_reply(
	const struct wire_reply *r, struct buf *out, struct err *e);

/* Memory for what a frame's payload of size bytes is decoded to. */
#define WIRE_ARENA_SIZE(size) (2 * (size) + 128 * 1024)

/*
 * Payload to structure, whose pointers then point into arena. Errors as
 * schema_decode(); -EINVAL: an operation that this version does not have, or
 * sizes that cannot be. r->id may be replied to if it is not 0.
 */
must_check int wire_get_request(struct wire_request *r, const void *data,
	size_t size, struct arena *arena, struct err *e);
must_check int wire_get_reply(struct wire_reply *r, const void *data,
	size_t size, struct arena *arena, struct err *e);

/* The report data that evidence must have on a connection. 0 or -EIO. */
must_check int wire_binding(const uint8_t exporter[static WIRE_EXPORTER_SIZE],
	uint8_t report_data[static 64]);

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

#include "lib/schema.h"

enum {
	WIRE_VERSION = 1,
	WIRE_PORT = 18765,
	WIRE_REQUEST_MAX = 256 * 1024,
	WIRE_REPLY_MAX = 5 * 1024 * 1024,
	WIRE_EXPORTER_SIZE = 32,
	WIRE_INSTANCE_SIZE = 16,
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
	 * none: it was just made). Reply when it can no longer be lost. */
	WIRE_TAG,
	WIRE_RENEW, /* the lease; reply: lease */
	WIRE_SECRET_GET, /* secret, format; reply: value */
	WIRE_SECRET_PUT, /* secret, value */
	/* The service ended: code as in wait(2), reason for people. The
	 * instance is over. */
	WIRE_EXIT,
	/* Before there is an enclave: a one-time token for a start of
	 * `session`. Any client may ask; reply: value. */
	WIRE_TOKEN,
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

/* The report data that evidence must have on a connection: 64 bytes. */
int wire_binding(const uint8_t exporter[static WIRE_EXPORTER_SIZE],
	uint8_t report_data[static 64]);

/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of an exported log: writing and reading. See doc/audit.md. */
#pragma once

#include "cas/audit.h"

enum { AUDIT_SPKI_MAX = 512, AUDIT_SIGNATURE_MAX = 256 };

struct audit_checkpoint {
	uint8_t cluster[32], head[STORE_HASH_SIZE];
	uint64_t seq, term, time;
	uint8_t key[AUDIT_SPKI_MAX]; /* DER SubjectPublicKeyInfo */
	size_t key_size;
	uint8_t signature[AUDIT_SIGNATURE_MAX];
	size_t signature_size;
};

/* What is signed, appended. */
void audit_message(const struct audit_checkpoint *c, struct buf *out);

/* Reads lines; what it gives lives until the next one. */
struct audit_reader {
	const char *at, *end; /* what is left of the text */
	size_t line; /* that was read, from 1 */
	size_t column; /* where it was found malformed */
	bool cut; /* it had no end */
	bool is_checkpoint;
	struct store_record record; /* its hash: as the line says */
	struct audit_checkpoint checkpoint;
	/* Memory for texts and bytes of a line, and for its events. */
	char *pool;
	size_t pool_size, pool_used;
	struct store_event *events;
	size_t events_cap;
};

void audit_reader_init(struct audit_reader *r, const char *text, size_t size);
void audit_reader_fini(struct audit_reader *r);
/* 1: a line was read; 0: the end; -EBADMSG: malformed; -ENOMEM. */
must_check int audit_reader_next(struct audit_reader *r);

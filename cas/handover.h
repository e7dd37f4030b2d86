/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hand-over: a CAS gives the cluster key to its successor over TLS in which
 * both are attested. What is said, and the judgement about the other side, as
 * pure functions; the connection and the verification of evidence are the
 * server's.
 *
 *	successor -> CAS	request: which cluster, an approval's hash
 *	CAS -> successor	grant: cluster key, SVN floor, term; or refusal
 *
 * Who may be a successor is said by approvals, each of one release of CAS with
 * one configuration. They are approved by the owner or the board and kept in
 * the store, so the list is as fresh as the store is.
 */
#pragma once

#include "attest/verdict.h"
#include "lib/buf.h"
#include "lib/err.h"

enum {
	HANDOVER_VERSION = 1,
	HANDOVER_KEY_SIZE = 32,
	HANDOVER_APPROVALS_MAX = 32,
};

/* One release with one configuration. By its measurement, or by its signer,
 * product and version; both if both are there. */
struct handover_approval {
	bool has_mrenclave, has_signer;
	uint8_t mrenclave[32], mrsigner[32];
	uint16_t isv_prod_id;
	uint16_t isv_svn_min;
	/* MRENCLAVE measures Sconce's kernel; the program is CAS only by this:
	 * always compared. */
	uint8_t config_id[64];
	int64_t from, until; /* s since 1970; until 0: no end */
	uint32_t tolerate; /* bits 1 << enum tcb_status, beside UpToDate */
};

struct handover_rules {
	const struct handover_approval *approval;
	size_t count;
	/* Lower ones are refused whatever an approval says. Never goes down. */
	uint16_t svn_floor;
	bool allow_emulated; /* this CAS itself runs emulated */
	int64_t now;
};

/*
 * Whether the enclave of this verdict may have the key: 0 and the index of the
 * approval; -EKEYREJECTED with the reason: evidence that does not hold, debug,
 * emulated, no approval (the nearest one is named with what differs), below the
 * floor. Looks at facts only; that the evidence is bound to the connection is
 * the caller's to verify before.
 */
must_check int handover_judge(const struct handover_rules *rules,
	const struct verdict *v, size_t *approval, struct err *e);
/* The floor after a hand-over to the enclave of this verdict. */
uint16_t handover_floor(uint16_t floor, const struct verdict *successor);

/* The approvals, as the store keeps them (STORE_META). */
#define HANDOVER_ROW "successors"
struct handover_list {
	struct handover_approval item[HANDOVER_APPROVALS_MAX];
	size_t count;
	uint16_t svn_floor;
};
must_check int handover_list_encode(
	const struct handover_list *list, struct buf *out);
must_check int handover_list_decode(const void *data, size_t size,
	struct handover_list *out, struct err *e);
/* Adds one. -EINVAL: names no program, or its versions are below the floor;
 * -EEXIST; -ENOSPC. */
must_check int handover_list_add(struct handover_list *list,
	const struct handover_approval *approval, struct err *e);

struct handover_request {
	uint8_t cluster[32]; /* keys_cluster_id(), or zeros: whichever it is */
	char version[32]; /* of the program, for people */
};

struct handover_grant {
	uint8_t key[HANDOVER_KEY_SIZE];
	uint8_t cluster[32];
	uint64_t term; /* of the giver; the successor takes a higher one */
	uint64_t seq; /* its last record: the store is at least as new */
	uint16_t svn_floor;
};

must_check int handover_request_encode(
	const struct handover_request *r, struct buf *out);
must_check int handover_request_decode(const void *data, size_t size,
	struct handover_request *out, struct err *e);
must_check int handover_grant_encode(
	const struct handover_grant *g, struct buf *out);
/* Also a refusal: -EKEYREJECTED with the giver's words. -EBADMSG: the key does
 * not fit the cluster. */
must_check int handover_grant_decode(const void *data, size_t size,
	struct handover_grant *out, struct err *e);
must_check int handover_refusal_encode(const char *why, struct buf *out);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A change of a session: created, updated or deleted, at once or by a board.
 *
 * change_parse() or change_decode() says what is wanted, change_allow() whether
 * these keys may, change_apply() does it in a transaction: the same for
 * requests, proposals and trials.
 */
#pragma once

#include "cas/engine_owner.h"

enum change_kind {
	CHANGE_CREATE,
	CHANGE_UPDATE,
	CHANGE_DELETE,
};

struct change {
	struct engine *g;
	enum change_kind kind;
	char *name;
	struct session *next; /* NULL: delete */
	struct held *old; /* as it is now; NULL: there is none */
	struct held *parent; /* create: the name space; NULL: there is none */
	uint8_t creator[32];
	/* Of next; of what is deleted. */
	uint8_t hash[SESSION_HASH_SIZE];
	/* Filled by change_apply(). */
	struct usage_change usage;
	int64_t volumes;
};

/* "create", "update", "delete" */
const char *change_name(enum change_kind kind);

/*
 * Reads what is wanted, and looks at what is there; says nothing yet of
 * whether it may be. who: becomes the creator of what is created. kind: as the
 * caller wants; _any: an update if there is such a session, else a creation.
 * -EINVAL: with line and column; -ENOMEM. Ends with change_fini() also after
 * errors.
 */
must_check int change_parse(struct change *ch, struct engine *g,
	enum change_kind kind, const struct principal *who, const char *yaml,
	size_t size, struct err *e);
must_check int change_parse_any(struct change *ch, struct engine *g,
	const struct principal *who, const char *yaml, size_t size,
	struct err *e);
must_check int change_delete(
	struct change *ch, struct engine *g, const char *name, struct err *e);
/* The same of a canonical form that has its creator already. */
must_check int change_decode(struct change *ch, struct engine *g,
	enum change_kind kind, const void *policy, size_t size, struct err *e);
/* Only what is there, nothing wanted. */
must_check int change_named(struct change *ch, struct engine *g,
	enum change_kind kind, const char *name, struct err *e);
void change_fini(struct change *ch);

/* What is signed: engine_message(). */
must_check int change_message(const struct change *ch, struct buf *out);

/* Whose rules decide, and which right; NULL: nobody's (open root). */
struct held *change_ruler(const struct change *ch, enum access_right *right);
/*
 * Whether these keys may. -EACCES, -EPERM as access_decide(). The text is for
 * those who may know (change_may_know()).
 */
must_check int change_allow(const struct change *ch,
	const struct access_keys *present, const struct access_keys *signed_by,
	struct err *e);
/* True if who may learn what is there: he may read it (or the name space). */
bool change_may_know(const struct change *ch, const struct principal *who);
/* The present version is the predecessor that is meant: -ESTALE, -EEXIST,
 * -ENOENT, -EINVAL. */
must_check int change_fits(const struct change *ch, struct err *e);
/* The rules of the ruler want proposals (veto, time): -EPERM. */
must_check int change_direct(const struct change *ch, struct err *e);

/*
 * Puts everything into x: limits, requirements, values, volumes, history.
 * Nothing has happened until x is submitted; then change_done(). actor: 32
 * bytes for the log.
 */
must_check int change_apply(struct change *ch, const uint8_t *actor,
	struct store_txn *x, struct err *e);
void change_done(struct change *ch);
/* The effective differences, a line each. */
must_check int change_diff(const struct change *ch, struct buf *out);

/* Verifies signatures over the change; those that are wrong are left out, *e
 * says of the last why. keys: ENGINE_SIGNATURES_MAX of them. */
must_check int change_signers(const struct change *ch,
	const struct signature_list *signatures, uint8_t (*keys)[32],
	size_t *count, struct err *e);

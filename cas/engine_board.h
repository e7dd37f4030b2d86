/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proposals and what happens to them (engine_board.c), asked for by people
 * (engine_proposal.c).
 */
#pragma once

#include "cas/engine_change.h"
#include "cas/proposal.h"

/* What a signature is over. */
struct board_step {
	enum change_kind kind;
	const char *session;
	const uint8_t *predecessor; /* NULL: none */
	const uint8_t *hash;
};
/* This key has voted against that very step, in a proposal that is not
 * forgotten. A yes of its signature could be from before, brought by anybody,
 * so it does not count. */
bool board_rejected(
	struct engine *g, const struct board_step *step, const uint8_t key[32]);

/* -ENOENT; p is freed with proposal_fini() in any case. */
must_check int board_get(
	struct engine *g, const char *id, struct proposal *p, struct err *e);
/* What is proposed, against what is there now. */
must_check int board_change(struct engine *g, const struct proposal *p,
	struct change *ch, struct err *e);
/* What is signed: yes as for the change itself; no: action "reject". */
must_check int board_message(
	const struct proposal *p, bool yes, struct buf *out);
/* The rules, or those of the veto, name this key. */
bool board_member(const struct change *ch, enum access_way way,
	const uint8_t key[32], bool *veto);
/* A member's vote, checked by the caller; answers. */
void board_vote(struct engine *g, const struct engine_call *c,
	struct proposal *p, const struct proposal_vote *vote);
void board_withdraw(
	struct engine *g, const struct engine_call *c, struct proposal *p);
/* UTF-8, which the store and JSON want. */
bool board_text_check(const char *text);

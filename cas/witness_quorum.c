/* SPDX-License-Identifier: Apache-2.0 */
#include "cas/witness_quorum.h"

#include <errno.h>

#include "lib/string.h"

enum { ROUNDS_MAX = 8, ROUNDS_ALL = 4 };

/* Nobody gets there by steps; a witness that says so lies, or is broken. */
static const uint64_t term_max = UINT64_C(1) << 62;

typedef bool peer_is_fn(
	const struct witness_quorum *q, const struct witness_quorum_peer *p);

static unsigned needed(const struct witness_quorum *q)
{
	return q->count / 2 + 1;
}

static unsigned count_if(const struct witness_quorum *q, peer_is_fn *is)
{
	unsigned n = 0;

	for (unsigned i = 0; i < q->count; i++)
		n += is(q, &q->peer[i]);
	return n;
}

static bool is_answered(
	const struct witness_quorum *q, const struct witness_quorum_peer *p)
{
	return p->answered;
}

static bool is_refused(
	const struct witness_quorum *q, const struct witness_quorum_peer *p)
{
	return p->refused;
}

static bool is_full(
	const struct witness_quorum *q, const struct witness_quorum_peer *p)
{
	return p->full;
}

static bool is_granted(
	const struct witness_quorum *q, const struct witness_quorum_peer *p)
{
	return p->granted;
}

/* It has, in our term, exactly what all shall have. */
static bool has_target(
	const struct witness_quorum *q, const struct witness_quorum_peer *p)
{
	return p->answered && p->view.promised == q->term &&
		p->view.accepted == q->term && p->view.seq == q->to_seq &&
		memcmp(p->view.head, q->to, WITNESS_HASH_SIZE) == 0;
}

void witness_quorum_init(struct witness_quorum *q, unsigned count)
{
	*q = (struct witness_quorum){.count = count, .next_id = 1};
}

static void begin(struct witness_quorum *q, enum witness_quorum_phase phase)
{
	q->phase = phase;
	q->result = 1;
	q->epoch++;
	for (unsigned i = 0; i < q->count; i++) {
		struct witness_quorum_peer *p = &q->peer[i];

		p->answered = p->refused = p->full = false;
	}
}

static void finish(struct witness_quorum *q, int result)
{
	q->phase = WITNESS_IDLE;
	q->result = result;
}

static void set_target(struct witness_quorum *q, uint64_t from_seq,
	const uint8_t *from, uint64_t to_seq, const uint8_t *to)
{
	q->from_seq = from_seq;
	q->to_seq = to_seq;
	memcpy(q->from, from, WITNESS_HASH_SIZE);
	memcpy(q->to, to, WITNESS_HASH_SIZE);
}

/* ---- taking charge ---- */

void witness_quorum_open(struct witness_quorum *q)
{
	q->rounds = 0;
	q->term = 0;
	/* Answers to what is out are answers to something else. */
	for (unsigned i = 0; i < q->count; i++) {
		q->peer[i].busy = 0;
		q->peer[i].granted = false;
	}
	begin(q, WITNESS_READING);
}

static void ask_promises(struct witness_quorum *q)
{
	if (q->rounds++ == ROUNDS_MAX || q->highest >= term_max) {
		finish(q, -EAGAIN);
		return;
	}
	q->term = q->highest + 1;
	for (unsigned i = 0; i < q->count; i++)
		q->peer[i].granted = false;
	begin(q, WITNESS_OPENING);
}

static bool is_later(const struct witness_view *a, const struct witness_view *b)
{
	if (a->accepted != b->accepted)
		return a->accepted > b->accepted;
	return a->seq > b->seq;
}

static void confirm(struct witness_quorum *q)
{
	const struct witness_view *last = NULL;

	for (unsigned i = 0; i < q->count; i++) {
		const struct witness_quorum_peer *p = &q->peer[i];

		if (p->granted && (!last || is_later(&p->view, last)))
			last = &p->view;
	}
	q->exists = last && last->accepted > 0;
	if (!q->exists) {
		set_target(q, 0, (uint8_t[WITNESS_HASH_SIZE]){0}, 0,
			(uint8_t[WITNESS_HASH_SIZE]){0});
		finish(q, 0);
		return;
	}
	set_target(q, last->seq, last->head, last->seq, last->head);
	begin(q, WITNESS_CONFIRMING);
}

bool witness_quorum_lingers(const struct witness_quorum *q)
{
	return q->phase == WITNESS_OPENING &&
		count_if(q, is_granted) >= needed(q);
}

void witness_quorum_hurry(struct witness_quorum *q)
{
	if (witness_quorum_lingers(q))
		confirm(q);
}

/* ---- appends ---- */

void witness_quorum_append(struct witness_quorum *q, uint64_t from_seq,
	const uint8_t *from, uint64_t to_seq, const uint8_t *to)
{
	set_target(q, from_seq, from, to_seq, to);
	begin(q, WITNESS_APPENDING);
	if (q->term == 0)
		finish(q, -ESTALE);
}

/* ---- requests and answers ---- */

static bool next_op(const struct witness_quorum *q,
	const struct witness_quorum_peer *p, enum witness_op *op)
{
	switch (q->phase) {
	case WITNESS_READING:
		*op = WITNESS_READ;
		return !p->answered;
	case WITNESS_OPENING:
		*op = WITNESS_OPEN;
		return !p->answered;
	case WITNESS_CONFIRMING:
	case WITNESS_APPENDING:
		*op = p->granted ? WITNESS_APPEND : WITNESS_OPEN;
		return !p->refused && !p->full && !has_target(q, p);
	default:
		return false;
	}
}

bool witness_quorum_next(
	struct witness_quorum *q, unsigned i, struct witness_request *r)
{
	struct witness_quorum_peer *p = &q->peer[i];
	enum witness_op op;

	if (p->busy || !next_op(q, p, &op))
		return false;
	p->busy = q->next_id++;
	p->asked = op;
	p->epoch = q->epoch;
	*r = (struct witness_request){.id = p->busy, .op = op, .term = q->term};
	if (op != WITNESS_APPEND)
		return true;
	r->from_seq = q->from_seq;
	r->to_seq = q->to_seq;
	memcpy(r->from, q->from, WITNESS_HASH_SIZE);
	memcpy(r->to, q->to, WITNESS_HASH_SIZE);
	return true;
}

/* A promise of our term that it knows already is one to us: the answer was
 * lost. It may also be one to somebody who did not get a quorum, and who then
 * does nothing in this term. */
static bool has_promised(
	const struct witness_quorum *q, const struct witness_reply *r)
{
	return r->view.promised == q->term &&
		(r->status == WITNESS_OK || q->phase != WITNESS_OPENING);
}

static void decide_reading(struct witness_quorum *q)
{
	if (count_if(q, is_answered) >= needed(q))
		ask_promises(q);
}

/* A witness with a higher promise is worth another round, since each one more
 * counts; but one that always refuses must not keep us from a quorum. */
static void decide_opening(struct witness_quorum *q)
{
	unsigned granted = count_if(q, is_granted);
	unsigned refused = count_if(q, is_refused);

	if (granted >= needed(q)) {
		if (count_if(q, is_answered) == q->count)
			confirm(q);
	} else if (refused > q->count - needed(q) ||
		(refused > 0 && q->rounds < ROUNDS_ALL)) {
		ask_promises(q);
	}
}

static void decide_append(struct witness_quorum *q)
{
	if (count_if(q, has_target) >= needed(q))
		finish(q, 0);
	else if (count_if(q, is_refused) > q->count - needed(q))
		finish(q, -ESTALE);
}

static void decide(struct witness_quorum *q)
{
	if (q->phase == WITNESS_READING)
		decide_reading(q);
	else if (q->phase == WITNESS_OPENING)
		decide_opening(q);
	else if (q->phase != WITNESS_IDLE)
		decide_append(q);
	if (q->phase != WITNESS_IDLE &&
		count_if(q, is_full) > q->count - needed(q))
		finish(q, -EDQUOT);
}

void witness_quorum_answer(
	struct witness_quorum *q, unsigned i, const struct witness_reply *reply)
{
	struct witness_quorum_peer *p = &q->peer[i];
	bool late = p->epoch != q->epoch;
	bool ok = reply->status == WITNESS_OK;

	if (!p->busy || reply->id != p->busy)
		return;
	p->busy = 0;
	if (reply->view.promised <= term_max)
		q->highest = u64_max(q->highest, reply->view.promised);
	/* While promises are counted, only those that were asked for. */
	if (late &&
		(q->phase == WITNESS_READING || q->phase == WITNESS_OPENING))
		return;
	p->view = reply->view;
	p->answered = true;
	p->full = reply->status == WITNESS_FULL;
	if (p->asked == WITNESS_OPEN)
		p->granted = !p->full && has_promised(q, reply);
	else if (p->asked == WITNESS_APPEND && !ok)
		p->granted = false;
	p->refused = !late && !p->full && !ok && !p->granted;
	decide(q);
}

void witness_quorum_lost(struct witness_quorum *q, unsigned i)
{
	struct witness_quorum_peer *p = &q->peer[i];

	p->busy = 0;
	/* While promises are counted, what it said still holds; later it is
	 * asked again, for it may have been restored from an old copy. */
	if (q->phase != WITNESS_OPENING)
		p->granted = false;
	if (q->phase == WITNESS_CONFIRMING || q->phase == WITNESS_APPENDING)
		p->answered = has_target(q, p);
}

int witness_quorum_result(const struct witness_quorum *q)
{
	return q->result;
}

unsigned witness_quorum_answering(const struct witness_quorum *q)
{
	return count_if(q, is_answered);
}

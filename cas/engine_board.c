/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proposals: changes that a board decides on inside of CAS.
 *
 * What is proposed, and what it means (session_diff), is fixed when it is
 * opened. Members vote, with a signature over the change or with their TLS key,
 * as the rules want. Each vote, and each tick, looks at the whole again: rules
 * and session as they are at that moment. The change takes effect in the same
 * transaction in which the proposal is marked as applied.
 */
#include <errno.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cas/engine_board.h"
#include "lib/bytes.h"

enum {
	OPEN_MAX = 4096, /* of all sessions */
	OPEN_SESSION_MAX = 16,
	RETRY = 60, /* s after which an agreed change is tried again */
	CLOSED_KEPT = 30 * 86400, /* s after its end */
	OPEN_FOR = 7 * 86400,
};

/* What there is to be done about a proposal, and when. */
struct due {
	struct list link;
	char id[PROPOSAL_ID_SIZE + 1];
	uint64_t session; /* of its name, to count */
	int64_t at;
	bool open;
};

static uint64_t name_sum(const char *name)
{
	uint64_t h = 0xcbf29ce484222325;

	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 0x100000001b3;
	return h;
}

static struct due *due_of(struct engine *g, const char *id)
{
	struct due *d;

	list_for_each_entry (d, &g->proposals, link)
		if (strcmp(d->id, id) == 0)
			return d;
	return NULL;
}

static int64_t due_at(const struct proposal *p, int64_t now)
{
	if (p->state != PROPOSAL_OPEN)
		return (int64_t)p->expires + CLOSED_KEPT;
	if (now < (int64_t)p->not_before)
		return (int64_t)u64_min(p->not_before, p->expires);
	return (int64_t)u64_min((uint64_t)now + RETRY, p->expires);
}

static int due_set(struct engine *g, const struct proposal *p, int64_t now)
{
	struct due *d = due_of(g, p->id);

	if (!d) {
		d = calloc(1, sizeof(*d));
		if (!d)
			return -ENOMEM;
		memcpy(d->id, p->id, sizeof(d->id));
		d->session = name_sum(p->session);
		list_add_tail(&g->proposals, &d->link);
	}
	g->counts.proposals += p->state == PROPOSAL_OPEN;
	g->counts.proposals -= d->open;
	d->open = p->state == PROPOSAL_OPEN;
	d->at = due_at(p, now);
	return 0;
}

static void due_drop(struct engine *g, struct due *d)
{
	g->counts.proposals -= d->open;
	list_del(&d->link);
	free(d);
}

static int board_row(void *arg, const char *key, size_t key_size,
	const void *value, size_t size)
{
	struct engine *g = arg;
	struct proposal p;
	int ret = proposal_decode(&p, value, size, NULL);

	if (!ret)
		ret = due_set(g, &p, 0);
	proposal_fini(&p);
	return ret;
}

int board_load(struct engine *g, struct err *e)
{
	int ret = store_each(g->store, STORE_PROPOSAL, "", 0, board_row, g);

	return ret ? err_setf(e, ret, "proposals: cannot be read") : 0;
}

void board_free(struct engine *g)
{
	struct due *d, *next;

	list_for_each_entry_safe (d, next, &g->proposals, link)
		due_drop(g, d);
}

int board_get(
	struct engine *g, const char *id, struct proposal *p, struct err *e)
{
	const void *row;
	size_t size;

	*p = (struct proposal){0};
	if (strnlen(id, PROPOSAL_ID_SIZE + 1) != PROPOSAL_ID_SIZE ||
		!store_get(g->store, STORE_PROPOSAL, id, PROPOSAL_ID_SIZE, &row,
			&size, NULL))
		return err_setf(e, -ENOENT, "no such proposal");
	return proposal_decode(p, row, size, e);
}

int board_change(struct engine *g, const struct proposal *p, struct change *ch,
	struct err *e)
{
	if (p->action == CHANGE_DELETE)
		return change_delete(ch, g, p->session, e);
	if (p->policy.size)
		return change_decode(ch, g, (enum change_kind)p->action,
			p->policy.data, p->policy.size, e);
	/* Closed: who may see it is all that is asked. */
	return change_named(ch, g, (enum change_kind)p->action, p->session, e);
}

static bool voted_no(const struct proposal *p, const uint8_t key[32])
{
	const struct proposal_vote *v = p->votes.item;

	for (size_t i = 0; i < p->votes.count; i++)
		if (!v[i].yes && memcmp(v[i].key.data, key, 32) == 0)
			return true;
	return false;
}

bool board_rejected(
	struct engine *g, const struct board_step *step, const uint8_t key[32])
{
	uint64_t sum = name_sum(step->session);
	struct due *d;
	bool found = false;

	list_for_each_entry (d, &g->proposals, link) {
		struct proposal p;

		if (d->session != sum)
			continue;
		if (board_get(g, d->id, &p, NULL) == 0)
			found = p.action == step->kind &&
				strcmp(p.session, step->session) == 0 &&
				memcmp(p.hash.data, step->hash, 32) == 0 &&
				p.predecessor.size ==
					(step->predecessor ? 32u : 0u) &&
				(!step->predecessor ||
					memcmp(p.predecessor.data,
						step->predecessor, 32) == 0) &&
				voted_no(&p, key);
		proposal_fini(&p);
		if (found)
			break;
	}
	return found;
}

int board_message(const struct proposal *p, bool yes, struct buf *out)
{
	return engine_message(
		yes ? change_name((enum change_kind)p->action) : "reject",
		p->session, p->predecessor.size ? p->predecessor.data : NULL,
		p->hash.data, out);
}

/* ---- does it take effect? ---- */

/* One look at a proposal, with the transaction that comes of it. */
struct look {
	struct engine *g;
	struct proposal *p;
	struct change ch;
	struct store_txn *x;
	bool applied;
	char text[512]; /* p->outcome */
};

static void look_close(
	struct look *l, enum proposal_state state, const char *outcome)
{
	l->p->state = state;
	snprintf(l->text, sizeof(l->text), "%s", outcome);
	l->p->outcome = l->text;
	l->p->expires = u64_min(l->p->expires, (uint64_t)engine_now(l->g));
}

static int allowed(struct look *l, struct err *e)
{
	const struct proposal_vote *v = l->p->votes.item;
	uint8_t(*keys)[32] = calloc(2 * PROPOSAL_VOTES_MAX, sizeof(*keys));
	struct access_keys present = {(const uint8_t(*)[32])keys, 0};
	struct access_keys signed_by = {0};
	int ret;

	if (!keys)
		return err_setf(e, -ENOMEM, "no memory");
	signed_by.key = present.key + PROPOSAL_VOTES_MAX;
	for (size_t i = 0; i < l->p->votes.count; i++) {
		if (!v[i].yes)
			continue;
		if (v[i].by_signature)
			memcpy(keys[PROPOSAL_VOTES_MAX + signed_by.count++],
				v[i].key.data, 32);
		else
			memcpy(keys[present.count++], v[i].key.data, 32);
	}
	ret = change_allow(&l->ch, &present, &signed_by, e);
	free(keys);
	return ret;
}

/* True: another version is there than it was made for. */
static bool is_stale(const struct look *l, struct err *e)
{
	const struct proposal *p = l->p;
	const struct held *old = l->ch.old;

	if (p->action == CHANGE_CREATE ? !old
				       : old && p->predecessor.size == 32 &&
				memcmp(p->predecessor.data, old->hash, 32) == 0)
		return false;
	err_setf(e, -ESTALE,
		"%s was changed after this was proposed; propose it again, on "
		"top of the present version",
		p->session);
	return true;
}

static void look_apply(struct look *l, struct err *e)
{
	int ret = change_apply(&l->ch, l->p->opener.data, l->x, e);

	if (!ret) {
		l->applied = true;
		look_close(l, PROPOSAL_APPLIED, "");
		return;
	}
	/* Nothing of it may stay in the transaction. */
	store_abort(l->x);
	l->x = store_begin(l->g->store);
	snprintf(l->text, sizeof(l->text), "%s", e->text);
	l->p->outcome = l->text;
}

static int look_begin(
	struct look *l, struct engine *g, struct proposal *p, struct err *e)
{
	*l = (struct look){.g = g, .p = p, .x = store_begin(g->store)};
	return board_change(g, p, &l->ch, e);
}

/* Lets time, votes and rules have their way. */
static void look_settle(struct look *l, struct err *e)
{
	uint64_t now = (uint64_t)engine_now(l->g);

	if (l->p->state != PROPOSAL_OPEN)
		return;
	if (is_stale(l, e))
		look_close(l, PROPOSAL_STALE, e->text);
	else if (now >= l->p->expires)
		look_close(l, PROPOSAL_EXPIRED, "nobody decided in time");
	else if (now >= l->p->not_before && !allowed(l, e))
		look_apply(l, e);
}

static void look_fini(struct look *l)
{
	store_abort(l->x);
	change_fini(&l->ch);
}

/* The row as it is now, and what happened, into the transaction. */
static int look_put(struct look *l, const struct audit_event *event)
{
	static const char *const ends[] = {
		[PROPOSAL_APPLIED] = "proposal.apply",
		[PROPOSAL_VETOED] = "proposal.veto",
		[PROPOSAL_EXPIRED] = "proposal.expire",
		[PROPOSAL_WITHDRAWN] = "proposal.withdraw",
		[PROPOSAL_STALE] = "proposal.stale",
	};
	enum access_right right;
	struct held *ruler = change_ruler(&l->ch, &right);
	const struct session *s = ruler ? ruler->session : NULL;
	struct audit_event ev = {
		.object = l->p->session,
		.before = l->p->predecessor.size ? l->p->predecessor.data
						 : NULL,
		.after = l->p->hash.data,
	};
	struct buf row = {.secret = true};
	int ret;

	if (event) {
		ev.what = event->what;
		ev.actor = event->actor;
		ev.detail = event->detail;
		engine_audit(l->x, s, &ev);
	}
	if (l->p->state != PROPOSAL_OPEN) {
		/* It may have values that somebody wrote into it. */
		l->p->policy = (struct bytes){0};
		ev.what = ends[l->p->state];
		ev.detail = l->p->outcome;
		if (!event || strcmp(event->what, ev.what) != 0)
			engine_audit(l->x, s, &ev);
	}
	ret = proposal_encode(l->p, &row);
	if (!ret)
		store_put(l->x, STORE_PROPOSAL, l->p->id, PROPOSAL_ID_SIZE,
			row.data, row.size);
	buf_fini(&row);
	return ret;
}

/* After the transaction was submitted. */
static void look_done(struct look *l)
{
	l->x = NULL;
	if (l->applied)
		change_done(&l->ch);
	/* Without memory it waits for the next start. */
	(void)!due_set(l->g, l->p, engine_now(l->g));
}

static void answer_state(struct answer *a, const struct proposal *p)
{
	answer_item(a, "id", p->id);
	answer_item(a, "session", p->session);
	answer_item(a, "state", proposal_state_name(p->state));
	answer_item_hex(a, "hash", p->hash.data, p->hash.size);
	answer_item(a, "outcome", p->outcome);
}

/* Submits, and answers when it is durable. Ends the look. */
static void look_answer(struct look *l, const struct engine_call *c,
	const struct audit_event *event)
{
	struct answer *a = answer_new(l->g, c);
	struct store_txn *x = l->x;

	if (!a)
		goto out;
	answer_state(a, l->p);
	a->failed |= look_put(l, event) != 0;
	l->x = NULL;
	if (!answer_submit(a, x))
		look_done(l);
out:
	look_fini(l);
}

/* ---- opening ---- */

static unsigned count_open(struct engine *g, const char *session)
{
	uint64_t sum = name_sum(session);
	struct due *d;
	unsigned n = 0;

	list_for_each_entry (d, &g->proposals, link)
		n += d->open && (!session[0] || d->session == sum);
	return n;
}

/* Members of the board, and who made the session (or its name space). */
static bool may_open(const struct change *ch, const struct principal *who)
{
	enum access_right right;
	struct held *h = change_ruler(ch, &right);

	if (!h || !who->present)
		return false;
	return (h->session->creator.size == 32 &&
		       memcmp(h->session->creator.data, who->key, 32) == 0) ||
		engine_names(ch->g, h, right, ACCESS_BY_ANY, who->key) ||
		engine_vetoes(ch->g, h, ACCESS_BY_ANY, who->key);
}

static int open_check(
	struct change *ch, const char *comment, struct buf *diff, struct err *e)
{
	int ret = change_fits(ch, e);

	if (ret)
		return ret;
	if (strnlen(comment, PROPOSAL_TEXT_MAX + 1) > PROPOSAL_TEXT_MAX ||
		!board_text_check(comment))
		return err_setf(e, -EINVAL,
			"comment: wanted at most %d bytes of UTF-8",
			(int)PROPOSAL_TEXT_MAX);
	if (ch->g->counts.proposals >= OPEN_MAX ||
		count_open(ch->g, ch->name) >= OPEN_SESSION_MAX)
		return err_setf(e, -EDQUOT,
			"%s: %d proposals are open already; withdraw some",
			ch->name, (int)OPEN_SESSION_MAX);
	ret = change_diff(ch, diff);
	if (!ret && diff->size > PROPOSAL_DIFF_MAX)
		return err_setf(e, -EINVAL,
			"%s: its differences are %zu bytes; wanted at most "
			"%d: propose it in parts",
			ch->name, diff->size, (int)PROPOSAL_DIFF_MAX);
	return ret;
}

static int open_put(struct look *l, const struct engine_call *c,
	struct buf *policy, const char *diff, const char *comment)
{
	enum access_right right;
	const struct session_board *b =
		&change_ruler(&l->ch, &right)->session->board;
	struct proposal *p = l->p;
	uint64_t now = (uint64_t)engine_now(l->g);
	int ret = l->ch.next ? session_encode(l->ch.next, policy) : 0;

	p->action = l->ch.kind;
	p->session = l->ch.name;
	p->hash = (struct bytes){l->ch.hash, 32};
	if (l->ch.old)
		p->predecessor = (struct bytes){l->ch.old->hash, 32};
	p->policy = (struct bytes){policy->data, policy->size};
	p->opener = (struct bytes){c->who.key, 32};
	p->comment = comment;
	p->diff = diff ? diff : "";
	p->outcome = "";
	p->opened = now;
	p->not_before = now + b->open_at_least;
	p->expires = now + (b->open_for ? b->open_for : OPEN_FOR);
	return ret;
}

/* "delete: NAME" stands for the deletion of a session. */
static char *deleted_name(const char *yaml, size_t size)
{
	static const char word[] = "delete:";
	size_t n = sizeof(word) - 1;

	if (size <= n || memcmp(yaml, word, n) != 0)
		return NULL;
	while (n < size && yaml[n] == ' ')
		n++;
	yaml += n;
	size -= n;
	while (size && (yaml[size - 1] == '\n' || yaml[size - 1] == ' '))
		size--;
	return size && !memchr(yaml, '\n', size) ? strndup(yaml, size) : NULL;
}

static int open_parse(struct change *ch, struct engine *g,
	const struct principal *who, const char *yaml, size_t size,
	struct err *e)
{
	char *name = deleted_name(yaml, size);
	int ret = name ? change_delete(ch, g, name, e)
		       : change_parse_any(ch, g, who, yaml, size, e);

	free(name);
	return ret;
}

void engine_proposal_open(struct engine *g, const struct engine_call *c,
	const char *yaml, size_t size, const char *comment)
{
	char id[PROPOSAL_ID_SIZE + 1];
	struct proposal p = {.id = id};
	struct look l = {.g = g, .p = &p};
	struct buf diff = {0}, policy = {.secret = true};
	uint8_t random[PROPOSAL_ID_SIZE / 2];
	struct err e = {0};
	int ret = engine_ready(g, &e);

	if (!ret)
		ret = open_parse(&l.ch, g, &c->who, yaml, size, &e);
	if (ret)
		goto fail;
	if (!may_open(&l.ch, &c->who)) {
		engine_deny(g, c, "proposal.open", l.ch.name,
			l.ch.old ? l.ch.old->session : NULL);
		goto out;
	}
	ret = open_check(&l.ch, comment, &diff, &e);
	if (!ret)
		ret = open_put(
			&l, c, &policy, (const char *)diff.data, comment);
	if (!ret && RAND_bytes(random, sizeof(random)) != 1)
		ret = -EIO;
	if (ret)
		goto fail;
	bytes_to_hex(random, sizeof(random), id);
	l.x = store_begin(g->store);
	look_answer(&l, c,
		&(struct audit_event){
			.what = "proposal.open",
			.actor = c->who.key,
			.detail = comment,
		});
	goto out;
fail:
	engine_fail(g, c, ret, e.text[0] ? e.text : "no memory");
out:
	buf_fini(&diff);
	buf_fini(&policy);
	change_fini(&l.ch);
}

/* ---- what members and time do ---- */

bool board_member(const struct change *ch, enum access_way way,
	const uint8_t key[32], bool *veto)
{
	enum access_right right;
	struct held *h = change_ruler(ch, &right);

	*veto = h && engine_vetoes(ch->g, h, way, key);
	return h && (*veto || engine_names(ch->g, h, right, way, key));
}

static enum access_way vote_way(const struct proposal_vote *v)
{
	return v->by_signature ? ACCESS_BY_SIGNATURE : ACCESS_BY_TLS;
}

/* The vote of this key replaces the one it had. -EEXIST: it is the same. */
static int vote_add(struct proposal *p, struct proposal_vote *room,
	const struct proposal_vote *vote, struct err *e)
{
	const struct proposal_vote *v = p->votes.item;
	size_t n = 0;

	for (size_t i = 0; i < p->votes.count; i++) {
		bool same = memcmp(v[i].key.data, vote->key.data, 32) == 0;

		if (same && v[i].by_signature == vote->by_signature &&
			v[i].yes == vote->yes)
			return err_setf(
				e, -EEXIST, "this key has voted so already");
		if (!same)
			room[n++] = v[i];
	}
	if (n == PROPOSAL_VOTES_MAX)
		return err_setf(e, -EDQUOT, "more than %d votes",
			(int)PROPOSAL_VOTES_MAX);
	room[n++] = *vote;
	p->votes = (struct item_list){room, n};
	return 0;
}

void board_vote(struct engine *g, const struct engine_call *c,
	struct proposal *p, const struct proposal_vote *vote)
{
	struct proposal_vote *room = calloc(PROPOSAL_VOTES_MAX, sizeof(*room));
	struct audit_event ev = {
		.what = vote->yes ? "proposal.vote" : "proposal.dissent",
		.actor = vote->key.data,
		.detail = vote->reason,
	};
	struct err e = {0};
	struct look l;
	bool veto;
	int ret = look_begin(&l, g, p, &e);

	if (!ret && !room)
		ret = err_setf(&e, -ENOMEM, "no memory");
	/* Time first: a vote does not wake what is over. */
	if (!ret)
		look_settle(&l, &e);
	if (!ret && p->state == PROPOSAL_OPEN) {
		ret = vote_add(p, room, vote, &e);
		if (!ret && !vote->yes &&
			board_member(
				&l.ch, vote_way(vote), vote->key.data, &veto) &&
			veto)
			look_close(&l, PROPOSAL_VETOED, vote->reason);
		if (!ret)
			look_settle(&l, &e);
	} else if (!ret) {
		ev.what = "proposal.late";
	}
	if (ret) {
		engine_fail(g, c, ret, e.text);
		look_fini(&l);
	} else if (p->state == PROPOSAL_STALE || p->state == PROPOSAL_EXPIRED) {
		struct store_txn *x = l.x;

		ret = look_put(&l, &ev);
		l.x = NULL;
		if (ret)
			store_abort(x);
		else if (!store_submit(x, NULL, NULL))
			look_done(&l);
		engine_fail(g, c, -ESTALE, p->outcome);
		look_fini(&l);
	} else {
		look_answer(&l, c, &ev);
	}
	free(room);
}

void board_withdraw(
	struct engine *g, const struct engine_call *c, struct proposal *p)
{
	struct err e = {0};
	struct look l;
	int ret = look_begin(&l, g, p, &e);

	if (ret) {
		engine_fail(g, c, ret, e.text);
		look_fini(&l);
		return;
	}
	look_close(&l, PROPOSAL_WITHDRAWN, "withdrawn by who opened it");
	look_answer(&l, c,
		&(struct audit_event){
			.what = "proposal.withdraw",
			.actor = c->who.key,
		});
}

static void board_look(struct engine *g, struct due *d, int64_t now)
{
	struct proposal p;
	struct store_txn *x;
	struct err e = {0};
	struct look l;

	d->at = now + RETRY;
	if (board_get(g, d->id, &p, &e) == -ENOENT) {
		due_drop(g, d);
		return;
	}
	if (p.state == PROPOSAL_OPEN)
		d->at = due_at(&p, now);
	if (!look_begin(&l, g, &p, &e) && p.state == PROPOSAL_OPEN) {
		uint64_t before = p.state;

		look_settle(&l, &e);
		x = l.x;
		if (p.state != before && !look_put(&l, NULL)) {
			l.x = NULL;
			if (!store_submit(x, NULL, NULL))
				look_done(&l);
		}
	} else if (p.state != PROPOSAL_OPEN) {
		store_delete(l.x, STORE_PROPOSAL, d->id, PROPOSAL_ID_SIZE);
		x = l.x;
		l.x = NULL;
		if (!store_submit(x, NULL, NULL))
			due_drop(g, d);
	}
	look_fini(&l);
	proposal_fini(&p);
}

void board_tick(struct engine *g, int64_t now)
{
	struct due *d, *next;

	list_for_each_entry_safe (d, next, &g->proposals, link)
		if (d->at <= now)
			board_look(g, d, now);
}

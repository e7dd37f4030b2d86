/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The committer: takes what waits, seals it as one record with its rows,
 * writes it, has it witnessed. Only then is it durable, and said to be.
 *
 * A group is sealed once. What fails is tried again with the same bytes, as
 * often as it takes: it may have reached the disk, and what a witness has
 * cannot be taken back.
 */
#include "cas/store_int.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "cas/audit.h"
#include "lib/string.h"

enum { RETRY_FIRST_MS = 10, RETRY_MAX_MS = 1000 };

/* ---- sealing ---- */
/* All but the commit itself, which other threads look for under the lock. */
static void wipe_flight(struct store_flight *f)
{
	free(f->writes);
	f->writes = NULL;
	buf_fini(&f->sealed);
	f->group = (struct store_group){0};
	f->written = false;
}

/* The plaintext of a row: sizes, key, value, zeros. */
static int row_plain(const struct store_op *o, struct buf *out)
{
	const struct store_row *r = o->row;
	size_t size = 8 + (size_t)r->key_size + o->value->size;
	uint8_t head[8] = {
		r->table, 0, (uint8_t)(r->key_size >> 8), (uint8_t)r->key_size};
	static const uint8_t zeros[64];

	for (int i = 0; i < 4; i++)
		head[4 + i] = (uint8_t)(o->value->size >> (24 - 8 * i));
	out->size = 0;
	buf_add(out, head, sizeof(head));
	buf_add(out, r->key, r->key_size);
	buf_add(out, o->value->data, o->value->size);
	for (size_t pad = store_padded(size) - size; pad;) {
		size_t n = u64_min(pad, sizeof(zeros));

		buf_add(out, zeros, n);
		pad -= n;
	}
	return buf_check(out);
}

/* Offsets into the buffer stand in for pointers until it no longer moves. */
static int seal_rows(struct store *s, struct store_flight *f)
{
	struct store_commit *c = f->commit;
	struct buf plain = {.secret = true};
	size_t n = 0;
	int ret = 0;

	f->writes = calloc(c->op_count + 1, sizeof(*f->writes));
	if (!f->writes)
		return -ENOMEM;
	for (struct store_op *o = c->ops; o && !ret; o = o->next) {
		struct store_place at = {STORE_ROW, o->row->name, c->seq};
		struct store_write *w = &f->writes[n++];
		size_t start = f->sealed.size;
		uint8_t seq[8];

		memcpy(w->name, o->row->name, sizeof(w->name));
		if (!o->value)
			continue;
		ret = row_plain(o, &plain);
		if (ret)
			break;
		store_put_be64(seq, c->seq);
		buf_add(&f->sealed, seq, sizeof(seq));
		store_seal(&s->seal_keys, &at, s->epoch, o->counter, plain.data,
			plain.size, &f->sealed);
		w->size = f->sealed.size - start;
		ret = buf_check(&f->sealed);
	}
	buf_fini(&plain);
	f->group.count = n;
	return ret;
}

/* Details are encrypted here, where it holds up nobody. */
static int seal_detail(struct store *s, struct store_event_copy *e,
	struct store_event *out, uint64_t seq, struct buf *details)
{
	size_t start = details->size;
	int ret = -EINVAL;

	*out = e->event;
	if (!e->secret)
		return 0;
	if (e->has_key)
		ret = audit_seal_detail(
			e->key, seq, e->secret, e->event.detail_size, details);
	/* A key that is none must not hold up commits. */
	if (ret == -EINVAL)
		ret = audit_seal_detail(s->audit_public, seq, e->secret,
			e->event.detail_size, details);
	out->detail_size = details->size - start;
	return ret;
}

static int seal_record(struct store *s, struct store_flight *f)
{
	struct store_commit *c = f->commit;
	struct store_record r = {.seq = c->seq,
		.term = s->term,
		.time = c->time,
		.rows = c->rows,
		.event_count = c->event_count};
	struct store_place at = {.kind = STORE_RECORD, .seq = c->seq};
	struct store_event *events = calloc(
		c->event_count + 1, sizeof(*events));
	struct buf plain = {0}, details = {0};
	size_t n = 0, at_detail = 0, start = f->sealed.size;
	int ret = events ? 0 : -ENOMEM;

	for (struct store_event_copy *e = c->events; e && !ret; e = e->next)
		ret = seal_detail(s, e, &events[n++], c->seq, &details);
	for (size_t i = 0; i < n && !ret; i++) {
		if (!events[i].detail_size)
			continue;
		events[i].detail = details.data + at_detail;
		at_detail += events[i].detail_size;
	}
	r.events = events;
	memcpy(r.prev, s->head, sizeof(r.prev));
	store_map_digest(&s->seal_keys, &c->sum, c->rows, c->seq, r.map);
	if (!ret)
		ret = store_record_encode(&r, &plain);
	if (!ret) {
		store_seal(&s->seal_keys, &at, s->epoch, ++s->record_counter,
			plain.data, plain.size, &f->sealed);
		ret = buf_check(&f->sealed);
	}
	memcpy(f->head, r.hash, sizeof(f->head));
	f->group.record_size = f->sealed.size - start;
	buf_fini(&plain);
	buf_fini(&details);
	free(events);
	return ret;
}

static int seal(struct store *s, struct store_flight *f)
{
	const uint8_t *at;
	int ret = seal_rows(s, f);

	if (!ret)
		ret = seal_record(s, f);
	if (ret) {
		wipe_flight(f);
		return ret;
	}
	at = f->sealed.data;
	for (size_t i = 0; i < f->group.count; i++) {
		f->writes[i].data = at;
		at += f->writes[i].size;
	}
	f->group.seq = f->commit->seq;
	f->group.writes = f->writes;
	f->group.record = at;
	return 0;
}

/* ---- committing ---- */
/* Under the lock: may what waits be committed now? */
static bool may_commit(const struct store *s)
{
	return s->queue && !s->paused && (s->freshness || !s->needs_freshness);
}

bool store_take(struct store *s)
{
	struct store_commit *c;

	pthread_mutex_lock(&s->lock);
	c = s->queue;
	if (!s->flight.commit && may_commit(s)) {
		s->queue = c->next;
		if (!s->queue)
			s->queue_end = &s->queue;
		c->next = NULL;
		s->flight.commit = c;
		s->busy = true;
	}
	c = s->flight.commit;
	pthread_mutex_unlock(&s->lock);
	return c;
}

static int report(struct store *s, int ret, struct err *e)
{
	if (ret && !e->text[0])
		err_setf(e, ret, "%s", strerror(-ret));
	pthread_mutex_lock(&s->lock);
	s->error = ret;
	if (ret)
		memcpy(s->error_text, e->text, sizeof(s->error_text));
	else
		s->error_text[0] = '\0';
	pthread_mutex_unlock(&s->lock);
	return ret;
}

static void finish(struct store *s, struct store_flight *f)
{
	struct store_commit *c = f->commit;

	memcpy(s->head, f->head, sizeof(s->head));
	s->head_seq = c->seq;
	pthread_mutex_lock(&s->lock);
	memcpy(s->durable_head, f->head, sizeof(f->head));
	s->durable = c->seq;
	s->needs_freshness = s->term != 0;
	s->waiting -= c->bytes;
	s->commits++;
	*s->done_end = c;
	s->done_end = &c->next;
	wipe_flight(f);
	f->commit = NULL;
	s->busy = false;
	pthread_cond_broadcast(&s->idle);
	pthread_mutex_unlock(&s->lock);
	if (s->wakeup)
		s->wakeup(s->wakeup_arg);
}

int store_try(struct store *s)
{
	struct store_flight *f = &s->flight;
	struct freshness *fresh = s->freshness;
	struct err e = {0};
	int ret = 0;

	if (!f->writes)
		ret = seal(s, f);
	if (!ret && !f->written) {
		ret = s->backend->write(s->below, &f->group, &e);
		f->written = !ret;
	}
	if (!ret && fresh)
		ret = fresh->ops->append(fresh, s->head_seq, s->head,
			f->group.seq, f->head, STORE_WITNESS_MS, &e);
	report(s, ret, &e);
	if (!ret)
		finish(s, f);
	return ret;
}

void store_fail(struct store *s, int status)
{
	struct store_commit *c;
	bool any;

	pthread_mutex_lock(&s->lock);
	c = s->flight.commit;
	if (c) {
		c->next = s->queue;
		s->queue = c;
		if (!c->next)
			s->queue_end = &c->next;
		wipe_flight(&s->flight);
		s->flight.commit = NULL;
	}
	for (c = s->queue; c; c = c->next)
		c->status = status;
	any = s->queue;
	*s->done_end = s->queue;
	if (any)
		s->done_end = s->queue_end;
	s->queue = NULL;
	s->queue_end = &s->queue;
	s->waiting = 0;
	s->busy = false;
	pthread_cond_broadcast(&s->idle);
	pthread_mutex_unlock(&s->lock);
	if (any && s->wakeup)
		s->wakeup(s->wakeup_arg);
}

/* Waits that long, or until the store closes; then false. */
static bool wait_before_retry(struct store *s, unsigned ms)
{
	struct timespec until;
	bool closing;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	until.tv_sec += ms / 1000 + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&s->lock);
	while (!s->closing &&
		pthread_cond_timedwait(&s->retry, &s->lock, &until) !=
			ETIMEDOUT)
		;
	closing = s->closing;
	pthread_mutex_unlock(&s->lock);
	return !closing;
}

static int commit_one(struct store *s)
{
	unsigned ms = RETRY_FIRST_MS;

	for (;;) {
		int ret = store_try(s);

		if (!ret || ret == -ESTALE)
			return ret;
		if (!wait_before_retry(s, ms)) {
			ret = store_try(s);
			return ret ? -ESHUTDOWN : 0;
		}
		ms = (unsigned)u64_min(2 * ms, RETRY_MAX_MS);
	}
}

void *store_committer(void *arg)
{
	struct store *s = arg;

	for (;;) {
		bool done;
		int ret;

		pthread_mutex_lock(&s->lock);
		while (!may_commit(s) && !s->closing)
			pthread_cond_wait(&s->work, &s->lock);
		done = !may_commit(s);
		pthread_mutex_unlock(&s->lock);
		if (done)
			return NULL;
		if (!store_take(s))
			continue;
		ret = commit_one(s);
		if (ret) {
			store_fail(s, ret);
			return NULL;
		}
	}
}

int store_step(struct store *s)
{
	int ret;

	if (!store_take(s))
		return s->queue ? -EAGAIN : 1;
	ret = store_try(s);
	if (ret == -ESTALE)
		store_fail(s, ret);
	return ret;
}

/* ---- completions ---- */
/* A row that was deleted is gone when the last change of it is durable. */
static void settle(struct store *s, struct store_commit *c)
{
	for (struct store_op *o = c->ops; o; o = o->next) {
		struct store_row *r = o->row;

		if (r->op != o)
			continue;
		r->op = NULL;
		if (r->value)
			continue;
		store_tree_remove(&s->root[r->table], r);
		store_row_free(r);
	}
}

void store_complete(struct store *s)
{
	struct store_commit *c;

	pthread_mutex_lock(&s->lock);
	c = s->done;
	s->done = NULL;
	s->done_end = &s->done;
	pthread_mutex_unlock(&s->lock);
	while (c) {
		struct store_commit *next = c->next;

		if (!c->status)
			settle(s, c);
		for (struct store_wait *w = c->waits; w; w = w->next)
			if (w->done)
				w->done(w->arg, c->status);
		store_commit_free(c);
		c = next;
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the map, and changing it. A transaction allocates all that it could
 * need while it is put together, so that submitting it cannot fail half way.
 */
#include "cas/store_int.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "lib/string.h"

/* A change as the caller gave it, with what may be needed to make it. */
struct change {
	struct change *next;
	struct store_row *row; /* if there is none yet */
	struct store_op *op; /* if there is none in this group */
	struct store_value *value; /* NULL: delete */
};

struct store_txn {
	struct store *store;
	struct change *changes, **changes_end;
	struct store_event_copy *events, **events_end;
	size_t event_count, bytes;
	struct store_commit *commit; /* if a new group begins */
	struct store_wait *wait;
	int failed;
};

/* ---- the map ---- */
bool store_get(struct store *s, enum store_table t, const char *key,
	size_t key_size, const void **value, size_t *size, uint64_t *seq)
{
	struct store_row *r = store_tree_find(s->root[t], key, key_size);

	if (!r || !r->value)
		return false;
	*value = r->value->data;
	*size = r->value->size;
	if (seq)
		*seq = r->seq;
	return true;
}

int store_each(struct store *s, enum store_table t, const char *prefix,
	size_t prefix_size, store_each_fn *each, void *arg)
{
	struct store_row *r = store_tree_next(
		s->root[t], prefix, prefix_size, true);
	int ret = 0;

	/* Rows stay until store_complete(), values while they are counted. */
	while (r && !ret && r->key_size >= prefix_size &&
		(!prefix_size || !memcmp(r->key, prefix, prefix_size))) {
		struct store_value *v = r->value;

		if (v) {
			v->refs++;
			ret = each(arg, r->key, r->key_size, v->data, v->size);
			store_value_put(v);
		}
		r = store_tree_next(s->root[t], r->key, r->key_size, false);
	}
	return ret;
}

/* ---- groups ---- */
struct store_commit *store_commit_new(void)
{
	struct store_commit *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->events_end = &c->events;
	c->waits_end = &c->waits;
	return c;
}

static void free_events(struct store_event_copy *e)
{
	while (e) {
		struct store_event_copy *next = e->next;

		store_event_free(e);
		e = next;
	}
}

void store_commit_free(struct store_commit *c)
{
	if (!c)
		return;
	for (struct store_op *o = c->ops, *next; o; o = next) {
		next = o->next;
		store_value_put(o->value);
		free(o);
	}
	for (struct store_wait *w = c->waits, *next; w; w = next) {
		next = w->next;
		free(w);
	}
	free_events(c->events);
	free(c);
}

/* ---- transactions ---- */
struct store_txn *store_begin(struct store *s)
{
	struct store_txn *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->store = s;
	x->changes_end = &x->changes;
	x->events_end = &x->events;
	x->commit = store_commit_new();
	x->wait = calloc(1, sizeof(*x->wait));
	if (!x->commit || !x->wait)
		x->failed = -ENOMEM;
	return x;
}

static void free_change(struct change *c)
{
	store_row_free(c->row);
	free(c->op);
	store_value_put(c->value);
	free(c);
}

static void add_change(struct store_txn *x, enum store_table t, const char *key,
	size_t key_size, struct store_value *value)
{
	struct change *c = calloc(1, sizeof(*c));

	if (c) {
		c->row = store_row_new(t, key, key_size);
		c->op = calloc(1, sizeof(*c->op));
	}
	if (!c || !c->row || !c->op) {
		if (c)
			free_change(c);
		store_value_put(value);
		x->failed = -ENOMEM;
		return;
	}
	c->value = value;
	*x->changes_end = c;
	x->changes_end = &c->next;
	x->bytes += key_size + (value ? value->size : 0) + 256;
}

static bool key_ok(struct store_txn *x, enum store_table t, size_t key_size)
{
	if ((unsigned)t < STORE_TABLES && key_size > 0 &&
		key_size <= STORE_NAME_MAX)
		return true;
	x->failed = -EINVAL;
	return false;
}

void store_put(struct store_txn *x, enum store_table t, const char *key,
	size_t key_size, const void *value, size_t size)
{
	struct store_value *v;

	if (!x || x->failed || !key_ok(x, t, key_size))
		return;
	if (size > STORE_VALUE_MAX) {
		x->failed = -EINVAL;
		return;
	}
	v = store_value_new(value, size);
	if (v)
		add_change(x, t, key, key_size, v);
	else
		x->failed = -ENOMEM;
}

void store_delete(struct store_txn *x, enum store_table t, const char *key,
	size_t key_size)
{
	if (x && !x->failed && key_ok(x, t, key_size))
		add_change(x, t, key, key_size, NULL);
}

void store_audit(struct store_txn *x, const struct audit_event *event)
{
	struct store_event_copy *e;
	bool invalid;

	if (!x || x->failed)
		return;
	e = store_event_new(event, &invalid);
	if (!e) {
		x->failed = invalid ? -EINVAL : -ENOMEM;
		return;
	}
	*x->events_end = e;
	x->events_end = &e->next;
	x->event_count++;
	x->bytes += 512 + e->event.detail_size;
}

void store_abort(struct store_txn *x)
{
	if (!x)
		return;
	for (struct change *c = x->changes, *next; c; c = next) {
		next = c->next;
		free_change(c);
	}
	free_events(x->events);
	store_commit_free(x->commit);
	free(x->wait);
	free(x);
}

/* The group that a transaction joins; under the lock. */
static struct store_commit *open_group(struct store *s, struct store_txn *x)
{
	struct store_commit *c = s->queue;
	int64_t now;

	while (c && c->next)
		c = c->next;
	if (c && c->txn_count < STORE_GROUP_MAX)
		return c;
	c = x->commit;
	x->commit = NULL;
	now = s->now ? s->now(s->now_arg) : (int64_t)time(NULL);
	c->seq = ++s->seq;
	c->time = now > 0 ? (uint64_t)now : 0;
	*s->queue_end = c;
	s->queue_end = &c->next;
	return c;
}

/* Before and after a change of r: what the map's figures are made of. */
static void count_row(struct store *s, const struct store_row *r, bool add)
{
	size_t size = r->value ? (size_t)r->key_size + r->value->size : 0;

	if (!r->value)
		return;
	if (add)
		store_sum_add(&s->sum, &r->element);
	else
		store_sum_subtract(&s->sum, &r->element);
	s->rows += add ? 1 : UINT64_MAX;
	s->bytes += add ? size : -(uint64_t)size;
}

static void apply(struct store *s, struct store_commit *g, struct change *c)
{
	struct store_row **root = &s->root[c->row->table];
	struct store_row *r = store_tree_find(
		*root, c->row->key, c->row->key_size);
	struct store_op *op;

	if (!r && !c->value)
		return; /* deletes what is not there */
	if (!r) {
		r = c->row;
		c->row = NULL;
		store_row_name(
			&s->keys, r->table, r->key, r->key_size, r->name);
		store_tree_insert(root, r);
	}
	count_row(s, r, false);
	op = r->op;
	if (!op || r->seq != g->seq) {
		op = c->op;
		c->op = NULL;
		op->row = r;
		op->counter = ++s->counter;
		op->next = g->ops;
		g->ops = op;
		g->op_count++;
		r->op = op;
		r->seq = g->seq;
		store_element(&s->keys, r->name, g->seq, s->epoch, op->counter,
			&r->element);
	}
	store_value_put(op->value);
	store_value_put(r->value);
	op->value = r->value = c->value;
	c->value = NULL;
	if (r->value)
		r->value->refs++;
	count_row(s, r, true);
}

static void join(
	struct store *s, struct store_txn *x, store_done_fn *done, void *arg)
{
	struct store_commit *g = open_group(s, x);

	for (struct change *c = x->changes; c; c = c->next)
		apply(s, g, c);
	g->sum = s->sum;
	g->rows = s->rows;
	g->txn_count++;
	g->bytes += x->bytes;
	s->waiting += x->bytes;
	if (x->events) {
		*g->events_end = x->events;
		g->events_end = x->events_end;
		g->event_count += x->event_count;
		x->events = NULL;
	}
	x->wait->done = done;
	x->wait->arg = arg;
	*g->waits_end = x->wait;
	g->waits_end = &x->wait->next;
	x->wait = NULL;
}

int store_submit(struct store_txn *x, store_done_fn *done, void *arg)
{
	struct store *s;
	int ret;

	if (!x)
		return -ENOMEM;
	s = x->store;
	if (!x->failed && !x->changes && !x->events) {
		store_abort(x);
		return store_after(s, s->seq, done, arg);
	}
	pthread_mutex_lock(&s->lock);
	ret = x->failed;
	if (!ret && (s->closing || s->error == -ESTALE))
		ret = -ESHUTDOWN;
	if (!ret && s->waiting + x->bytes > STORE_WAITING_MAX)
		ret = -ENOMEM;
	if (!ret) {
		join(s, x, done, arg);
		pthread_cond_signal(&s->work);
	}
	pthread_mutex_unlock(&s->lock);
	store_abort(x);
	return ret;
}

static struct store_commit *find_group(struct store_commit *c, uint64_t seq)
{
	while (c && c->seq != seq)
		c = c->next;
	return c;
}

int store_after(struct store *s, uint64_t seq, store_done_fn *done, void *arg)
{
	struct store_wait *w = calloc(1, sizeof(*w));
	struct store_commit *c;
	bool stopped;

	if (!w)
		return -ENOMEM;
	w->done = done;
	w->arg = arg;
	pthread_mutex_lock(&s->lock);
	stopped = s->closing || s->error == -ESTALE;
	c = find_group(s->queue, seq);
	if (!c && s->flight.commit && s->flight.commit->seq == seq)
		c = s->flight.commit;
	if (c && !stopped) {
		*c->waits_end = w;
		c->waits_end = &w->next;
		w = NULL;
	}
	stopped = stopped && seq > s->durable;
	pthread_mutex_unlock(&s->lock);
	if (!w)
		return 0;
	free(w);
	if (stopped)
		return -ESHUTDOWN;
	if (done)
		done(arg, 0);
	return 0;
}

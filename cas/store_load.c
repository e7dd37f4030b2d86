/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading what the host kept. Nothing of it is believed before it fits:
 *
 *	newest record	opens under the cluster's key, at its number
 *	records		each has the hash of the one before
 *	rows		each opens under its own name, at a record that is
 *there, and is there once; their number, and their digest, are those of the
 *newest record newest record	is the one that witnesses know, or follows it
 */
#include "cas/store_int.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "lib/bytes.h"
#include "lib/string.h"

/* Records at the end of the chain that are looked at when the store is opened;
 * older ones are when somebody reads them. */
enum { CHAIN_END = 1024, ROW_HEAD = 8 };

/* ---- records ---- */
struct walk {
	struct store *s;
	store_log_fn *each;
	void *arg;
	struct err *e;
	uint64_t next; /* the number that must come */
	uint8_t prev[STORE_HASH_SIZE];
	bool has_prev;
};

static int open_record(struct store *s, uint64_t seq, const void *data,
	size_t size, struct buf *plain, struct store_record *r, struct err *e)
{
	struct store_place at = {.kind = STORE_RECORD, .seq = seq};
	int ret;

	plain->size = 0;
	buf_add(plain, data, size);
	if (buf_check(plain))
		return err_setf(
			e, -ENOMEM, "record %" PRIu64 ": no memory", seq);
	ret = store_unseal(&s->keys, &at, data, size, plain->data);
	if (ret == -EKEYREJECTED)
		return err_setf(e, ret,
			"record %" PRIu64 ": sealed with another cluster's "
			"key; is this another CAS's store?",
			seq);
	if (ret)
		return err_setf(e, ret,
			"record %" PRIu64 ": altered, or taken from another "
			"place",
			seq);
	ret = store_record_decode(plain->data, size - STORE_BLOB_OVERHEAD, r);
	if (!ret && r->seq != seq) {
		store_record_fini(r);
		ret = -EBADMSG;
	}
	if (ret)
		return err_setf(e, ret, "record %" PRIu64 ": malformed", seq);
	return 0;
}

static int walk_record(void *arg, uint64_t seq, const void *data, size_t size)
{
	struct walk *w = arg;
	struct buf plain = {0};
	struct store_record r = {0};
	int ret;

	if (seq < w->next)
		return err_setf(
			w->e, -EBADMSG, "record %" PRIu64 ": there twice", seq);
	if (seq > w->next)
		return err_setf(
			w->e, -EBADMSG, "record %" PRIu64 ": missing", w->next);
	ret = open_record(w->s, seq, data, size, &plain, &r, w->e);
	if (!ret && w->has_prev &&
		memcmp(r.prev, w->prev, sizeof(w->prev)) != 0)
		ret = err_setf(w->e, -EBADMSG,
			"record %" PRIu64 ": does not follow record %" PRIu64
			": one of them is an old one",
			seq, seq - 1);
	else if (!ret && seq == 1 && !bytes_zero(r.prev, sizeof(r.prev)))
		ret = err_setf(
			w->e, -EBADMSG, "record 1: not the first of a chain");
	if (!ret) {
		memcpy(w->prev, r.hash, sizeof(w->prev));
		w->has_prev = true;
		w->next = seq + 1;
		ret = w->each ? w->each(w->arg, &r) : 0;
	}
	store_record_fini(&r);
	buf_fini(&plain);
	return ret;
}

int store_walk(struct store *s, uint64_t from, uint64_t until,
	const uint8_t *head, store_log_fn *each, void *arg, struct err *e)
{
	struct walk w = {s, each, arg, e, from, {0}, false};
	int ret = s->backend->records(
		s->below, from, until, walk_record, &w, e);

	if (ret)
		return ret;
	if (w.next <= until)
		return err_setf(
			e, -EBADMSG, "record %" PRIu64 ": missing", w.next);
	if (head && memcmp(w.prev, head, sizeof(w.prev)) != 0)
		return err_setf(e, -EBADMSG,
			"record %" PRIu64 ": not the one that was committed",
			until);
	return 0;
}

int store_log(struct store *s, uint64_t from, uint64_t until,
	store_log_fn *each, void *arg, struct err *e)
{
	uint8_t head[STORE_HASH_SIZE];
	uint64_t durable;

	pthread_mutex_lock(&s->lock);
	durable = s->durable;
	memcpy(head, s->durable_head, sizeof(head));
	pthread_mutex_unlock(&s->lock);
	if (!until)
		until = durable;
	if (!from || from > until || until > durable)
		return err_setf(e, -EINVAL,
			"records %" PRIu64 " to %" PRIu64 ": the log has 1 to "
			"%" PRIu64,
			from, until, durable);
	return store_walk(
		s, from, until, until == durable ? head : NULL, each, arg, e);
}

/* ---- rows ---- */
struct load {
	struct store *s;
	struct err *e;
	struct buf plain;
	uint64_t last;
};

static int bad_row(struct load *l, const uint8_t *name, const char *what)
{
	char text[2 * 8 + 1];

	bytes_to_hex(name, 8, text);
	return err_setf(l->e, -EBADMSG, "row %s...: %s", text, what);
}

/* Sizes, key and value of what was authentic. */
static struct store_row *parse_row(const uint8_t *p, size_t size, int *ret)
{
	struct store_row *r;
	size_t key_size, value_size;

	*ret = -EBADMSG;
	if (size < ROW_HEAD || p[0] >= STORE_TABLES)
		return NULL;
	key_size = (size_t)p[2] << 8 | p[3];
	value_size = (size_t)p[4] << 24 | (size_t)p[5] << 16 |
		(size_t)p[6] << 8 | p[7];
	if (!key_size || key_size > STORE_NAME_MAX ||
		value_size > STORE_VALUE_MAX ||
		size != store_padded(ROW_HEAD + key_size + value_size))
		return NULL;
	*ret = -ENOMEM;
	r = store_row_new(p[0], (const char *)p + ROW_HEAD, key_size);
	if (!r)
		return NULL;
	r->value = store_value_new(p + ROW_HEAD + key_size, value_size);
	if (!r->value) {
		store_row_free(r);
		return NULL;
	}
	*ret = 0;
	return r;
}

static int add_row(struct load *l, struct store_row *r, const uint8_t *blob)
{
	struct store *s = l->s;
	struct store_blob_head h;

	memcpy(&h, blob, sizeof(h));
	store_element(&s->keys, r->name, r->seq, h.epoch,
		store_get_be64(h.counter), &r->element);
	if (store_tree_find(s->root[r->table], r->key, r->key_size)) {
		int ret = bad_row(l, r->name, "there twice");

		store_row_free(r);
		return ret;
	}
	store_tree_insert(&s->root[r->table], r);
	store_sum_add(&s->sum, &r->element);
	s->rows++;
	s->bytes += (uint64_t)r->key_size + r->value->size;
	return 0;
}

static int load_row(void *arg, const uint8_t *name, size_t name_size,
	const void *data, size_t size)
{
	struct load *l = arg;
	struct store_place at = {.kind = STORE_ROW, .name = name};
	const uint8_t *p = data;
	struct store_row *r;
	int ret;

	if (name_size != STORE_ROW_NAME_SIZE)
		return err_setf(l->e, -EBADMSG,
			"a row has a name of another "
			"kind");
	if (size < 8 + STORE_BLOB_OVERHEAD)
		return bad_row(l, name, "cut off");
	at.seq = store_get_be64(p);
	p += 8;
	size -= 8;
	if (!at.seq || at.seq > l->last)
		return bad_row(l, name, "of a record that is not there");
	l->plain.size = 0;
	buf_add(&l->plain, p, size);
	if (buf_check(&l->plain))
		return err_setf(l->e, -ENOMEM, "no memory for the rows");
	ret = store_unseal(&l->s->keys, &at, p, size, l->plain.data);
	if (ret == -EKEYREJECTED) {
		(void)bad_row(l, name, "sealed with another cluster's key");
		return ret;
	}
	if (ret)
		return bad_row(l, name, "altered, or taken from another place");
	r = parse_row(l->plain.data, size - STORE_BLOB_OVERHEAD, &ret);
	if (!r)
		return ret == -EBADMSG
			? bad_row(l, name, "malformed")
			: err_setf(l->e, ret, "no memory for the rows");
	r->seq = at.seq;
	memcpy(r->name, name, sizeof(r->name));
	return add_row(l, r, p);
}

static int load_rows(
	struct store *s, const struct store_record *r, struct err *e)
{
	struct load l = {s, e, {.secret = true}, r->seq};
	uint8_t map[STORE_HASH_SIZE];
	int ret = s->backend->rows(s->below, load_row, &l, e);

	buf_fini(&l.plain);
	if (ret)
		return ret;
	if (s->rows != r->rows)
		return err_setf(e, -EBADMSG,
			"%" PRIu64 " rows are there; record %" PRIu64
			" left %" PRIu64 ": rows were %s",
			s->rows, r->seq, r->rows,
			s->rows < r->rows ? "deleted" : "added");
	store_map_digest(&s->keys, &s->sum, s->rows, r->seq, map);
	if (!string_equal_const_time(map, r->map, sizeof(map)))
		return err_setf(e, -EBADMSG,
			"the rows are not those that record %" PRIu64
			" left: an old row stands in place of a newer one",
			r->seq);
	return 0;
}

/* ---- opening ---- */
struct newest {
	struct store_record r;
};

static int keep_newest(void *arg, const struct store_record *r)
{
	struct newest *n = arg;

	n->r = *r;
	n->r.events = NULL; /* theirs, gone soon */
	n->r.event_count = 0;
	return 0;
}

static int any_row(void *arg, const uint8_t *name, size_t name_size,
	const void *data, size_t size)
{
	return 1;
}

static int no_record(struct store *s, struct err *e)
{
	int ret = s->backend->rows(s->below, any_row, NULL, e);

	if (!ret)
		return err_setf(e, -ENOENT, "empty: it was never finished");
	return ret < 0 ? ret
		       : err_setf(e, -EBADMSG,
				 "the store has no record: all of its log was "
				 "deleted");
}

int store_load(struct store *s, struct err *e)
{
	struct newest n;
	uint64_t last;
	int ret = s->backend->last(s->below, &last, e);

	if (ret)
		return ret;
	if (!last)
		return no_record(s, e);
	ret = store_walk(s, last > CHAIN_END ? last - CHAIN_END + 1 : 1, last,
		NULL, keep_newest, &n, e);
	if (!ret)
		ret = load_rows(s, &n.r, e);
	if (ret)
		return ret;
	s->seq = last;
	s->head_seq = last;
	s->durable = last;
	memcpy(s->head, n.r.hash, sizeof(s->head));
	memcpy(s->durable_head, n.r.hash, sizeof(s->head));
	s->needs_freshness = n.r.term != 0;
	return 0;
}

/* ---- freshness ---- */
static int stale(struct store *s, const struct freshness_state *f,
	const char *what, struct err *e)
{
	char mine[17], theirs[17];

	bytes_to_hex(s->head, 8, mine);
	bytes_to_hex(f->head, 8, theirs);
	return err_setf(e, -ESTALE,
		"%s: the store's newest record is %" PRIu64 " (%s...), record "
		"%" PRIu64 " (%s...) was acknowledged",
		what, s->head_seq, mine, f->seq, theirs);
}

struct find {
	const struct freshness_state *f;
	bool found;
};

static int find_head(void *arg, const struct store_record *r)
{
	struct find *f = arg;

	if (r->seq == f->f->seq)
		f->found = !memcmp(r->hash, f->f->head, sizeof(r->hash));
	return 0;
}

/* Is what was acknowledged part of this chain? *from: it, 0 if nothing was. */
static int compare(struct store *s, const struct freshness_state *f,
	bool exists, uint64_t accept_seq, struct err *e)
{
	struct find find = {f, false};
	int ret;

	if (!exists && s->needs_freshness && s->head_seq != accept_seq)
		return err_setf(e, -ESTALE,
			"those who held the store's freshness know nothing of "
			"it, its newest record is %" PRIu64 "; if that is the "
			"newest that ever was, its owner has to say so",
			s->head_seq);
	if (!exists)
		return 0;
	if (f->seq > s->head_seq)
		return stale(s, f, "rolled back", e);
	if (f->seq == 0)
		return 0;
	ret = store_walk(s, f->seq, s->head_seq, s->head, find_head, &find, e);
	if (!ret && !find.found)
		ret = stale(s, f, "forked", e);
	return ret;
}

int store_take_charge(struct store *s, struct freshness *f, uint64_t accept_seq,
	struct err *e)
{
	struct freshness_state state = {0};
	bool exists = false;
	struct err ignored;
	int ret = f->ops->open(f, STORE_WITNESS_MS, &state, &exists, e);

	if (ret)
		return ret;
	ret = compare(s, &state, exists, accept_seq, e);
	/* What was not acknowledged when CAS ended is now. */
	if (!ret && (!exists || state.seq != s->head_seq)) {
		static const uint8_t none[STORE_HASH_SIZE];

		ret = f->ops->append(f, exists ? state.seq : 0,
			exists ? state.head : none, s->head_seq, s->head,
			STORE_WITNESS_MS, e);
	}
	if (ret) {
		(void)f->ops->stop(f, &ignored);
		return ret;
	}
	pthread_mutex_lock(&s->lock);
	s->freshness = f;
	s->term = state.term;
	s->error = 0;
	s->error_text[0] = '\0';
	pthread_mutex_unlock(&s->lock);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/store_fake.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- lists of blobs ---- */
void fake_list_add(struct fake_list *l, const struct fake_blob *b)
{
	if (l->count == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 64;
		l->item = realloc(l->item, l->cap * sizeof(*l->item));
		if (!l->item)
			abort();
	}
	l->item[l->count] = *b;
	l->item[l->count].data = malloc(b->size + 1);
	if (!l->item[l->count].data)
		abort();
	if (b->size)
		memcpy(l->item[l->count].data, b->data, b->size);
	l->count++;
}

void fake_list_remove(struct fake_list *l, size_t index)
{
	free(l->item[index].data);
	memmove(l->item + index, l->item + index + 1,
		(l->count - index - 1) * sizeof(*l->item));
	l->count--;
}

static void list_copy(const struct fake_list *from, struct fake_list *to)
{
	*to = (struct fake_list){0};
	for (size_t i = 0; i < from->count; i++)
		fake_list_add(to, &from->item[i]);
}

static void list_fini(struct fake_list *l)
{
	while (l->count)
		fake_list_remove(l, l->count - 1);
	free(l->item);
	*l = (struct fake_list){0};
}

void fake_disk_copy(const struct fake_disk *from, struct fake_disk *to)
{
	*to = *from;
	list_copy(&from->rows, &to->rows);
	list_copy(&from->records, &to->records);
}

void fake_disk_fini(struct fake_disk *d)
{
	list_fini(&d->rows);
	list_fini(&d->records);
	*d = (struct fake_disk){0};
}

/* ---- the back end ---- */
static int fake_open(
	void *arg, const char *path, bool create, void **out, struct err *e)
{
	struct fake_disk *d = arg;

	if (create == d->exists)
		return err_setf(e, create ? -EEXIST : -ENOENT, "the disk");
	d->exists = true;
	*out = d;
	return 0;
}

static void fake_close(void *b)
{
}

static int fake_rows(void *b, store_row_fn *each, void *arg, struct err *e)
{
	struct fake_disk *d = b;
	int ret = 0;

	for (size_t i = 0; i < d->rows.count && !ret; i++)
		ret = each(arg, d->rows.item[i].name, STORE_ROW_NAME_SIZE,
			d->rows.item[i].data, d->rows.item[i].size);
	return ret;
}

static int fake_records(void *b, uint64_t from, uint64_t until,
	store_blob_fn *each, void *arg, struct err *e)
{
	struct fake_disk *d = b;
	int ret = 0;

	for (size_t i = 0; i < d->records.count && !ret; i++) {
		struct fake_blob *r = &d->records.item[i];

		if (r->seq >= from && r->seq <= until)
			ret = each(arg, r->seq, r->data, r->size);
	}
	return ret;
}

static int fake_last(void *b, uint64_t *seq, struct err *e)
{
	struct fake_disk *d = b;

	*seq = 0;
	for (size_t i = 0; i < d->records.count; i++)
		if (d->records.item[i].seq > *seq)
			*seq = d->records.item[i].seq;
	return 0;
}

static void put_row(struct fake_disk *d, const struct store_write *w)
{
	struct fake_blob b = {
		.data = (uint8_t *)(uintptr_t)w->data, .size = w->size};

	memcpy(b.name, w->name, sizeof(b.name));
	for (size_t i = 0; i < d->rows.count; i++)
		if (memcmp(d->rows.item[i].name, w->name, sizeof(w->name)) ==
			0) {
			fake_list_remove(&d->rows, i);
			break;
		}
	if (w->size)
		fake_list_add(&d->rows, &b);
}

static int fake_write(void *arg, const struct store_group *g, struct err *e)
{
	struct fake_disk *d = arg;
	struct fake_blob r = {.seq = g->seq,
		.data = (uint8_t *)(uintptr_t)g->record,
		.size = g->record_size};
	size_t n = d->records.count;

	int fail = __atomic_load_n(&d->fail, __ATOMIC_SEQ_CST);

	d->writes++;
	if (fail && !d->done)
		return err_setf(e, fail, "the disk does not want to");
	for (size_t i = 0; i < g->count; i++)
		put_row(d, &g->writes[i]);
	if (n && d->records.item[n - 1].seq == g->seq)
		fake_list_remove(&d->records, n - 1);
	fake_list_add(&d->records, &r);
	if (d->fail)
		return err_setf(
			e, d->fail, "the disk does not say that it did");
	return 0;
}

const struct store_backend fake_backend = {
	.open = fake_open,
	.close = fake_close,
	.rows = fake_rows,
	.records = fake_records,
	.last = fake_last,
	.write = fake_write,
};

/* ---- freshness ---- */
static int holder_open(struct freshness *f, unsigned timeout_ms,
	struct freshness_state *state, bool *exists, struct err *e)
{
	struct fake_holder *h = (struct fake_holder *)f;

	if (h->fail)
		return err_setf(e, h->fail, "the holder is away");
	h->opens++;
	h->state.term++;
	*state = h->state;
	*exists = h->exists;
	return 0;
}

static int holder_append(struct freshness *f, uint64_t from_seq,
	const uint8_t *from, uint64_t to_seq, const uint8_t *to,
	unsigned timeout_ms, struct err *e)
{
	struct fake_holder *h = (struct fake_holder *)f;
	bool same = h->state.seq == to_seq && !memcmp(h->state.head, to, 32);
	int fail = __atomic_load_n(&h->fail, __ATOMIC_SEQ_CST);

	h->appends++;
	if (fail && !h->done)
		return err_setf(e, fail, "the holder is away");
	if (!same &&
		(from_seq != h->state.seq || memcmp(from, h->state.head, 32)))
		return err_setf(e, -ESTALE, "the holder knows another head");
	h->state.seq = to_seq;
	memcpy(h->state.head, to, 32);
	h->exists = true;
	if (fail)
		return err_setf(e, fail, "the holder's answer is lost");
	return 0;
}

static int holder_stop(struct freshness *f, struct err *e)
{
	((struct fake_holder *)f)->stops++;
	return 0;
}

static void holder_status(
	struct freshness *f, unsigned *answering, unsigned *count)
{
	*answering = ((struct fake_holder *)f)->fail ? 1 : 3;
	*count = 3;
}

static const struct freshness_ops holder_ops = {
	.kind = FRESH_QUORUM,
	.open = holder_open,
	.append = holder_append,
	.stop = holder_stop,
	.status = holder_status,
};

void fake_holder_init(struct fake_holder *h)
{
	*h = (struct fake_holder){.freshness = {&holder_ops}};
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files are arrays of pages that versions share: the host's view, the flushed
 * one, and clones. A page that is NULL has zeros only, so the log of 8 MiB
 * costs nothing until it is used.
 */
#include "test/unit/volume_backend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 4096, SECTOR = 512 };

struct page {
	uint32_t refs;
	uint8_t data[PAGE];
};

struct view {
	bool exists;
	uint64_t size;
	struct page **page;
	size_t pages; /* slots in page[] */
};

/* Not flushed: bytes, or (data NULL) existence and size. */
struct pending {
	struct pending *next;
	uint64_t offset;
	size_t size;
	bool exists;
	uint64_t file_size;
	uint8_t *data;
};

struct volume_backend_file {
	struct volume_file id;
	struct view now, flushed;
	struct pending *first, **last;
};

static void *need(void *p)
{
	if (p == NULL)
		abort();
	return p;
}

/* ---- pages and views ---- */

static struct page *page_hold(struct page *p)
{
	if (p != NULL)
		p->refs++;
	return p;
}

static void page_put(struct page *p)
{
	if (p != NULL && --p->refs == 0)
		free(p);
}

static bool all_zero(const uint8_t *data, size_t size)
{
	return size == 0 ||
		(data[0] == 0 && memcmp(data, data + 1, size - 1) == 0);
}

static void view_pages(struct view *v, uint64_t pages)
{
	if (pages <= v->pages)
		return;
	pages = u64_max(pages, v->pages * 2);
	v->page = need(realloc(v->page, pages * sizeof(struct page *)));
	memset(v->page + v->pages, 0,
		(pages - v->pages) * sizeof(struct page *));
	v->pages = pages;
}

static void view_write(
	struct view *v, uint64_t offset, const uint8_t *data, size_t size)
{
	v->size = u64_max(v->size, offset + size);
	view_pages(v, (v->size + PAGE - 1) / PAGE);
	while (size > 0) {
		struct page **slot = &v->page[offset / PAGE], *p = *slot;
		size_t at = offset % PAGE, n = u64_min(PAGE - at, size);

		if (p != NULL || !all_zero(data, n)) {
			if (p == NULL || p->refs > 1) {
				p = need(malloc(sizeof(*p)));
				p->refs = 1;
				if (*slot != NULL)
					memcpy(p->data, (*slot)->data, PAGE);
				else
					memset(p->data, 0, PAGE);
				page_put(*slot);
				*slot = p;
			}
			memcpy(p->data + at, data, n);
		}
		offset += n;
		data += n;
		size -= n;
	}
}

static void view_read(
	const struct view *v, uint64_t offset, uint8_t *data, size_t size)
{
	while (size > 0) {
		size_t at = offset % PAGE, n = u64_min(PAGE - at, size);
		const struct page *p = offset / PAGE < v->pages
			? v->page[offset / PAGE]
			: NULL;

		if (p != NULL)
			memcpy(data, p->data + at, n);
		else
			memset(data, 0, n);
		offset += n;
		data += n;
		size -= n;
	}
}

static void view_resize(struct view *v, bool exists, uint64_t size)
{
	static const uint8_t zeros[PAGE];
	uint64_t keep = (size + PAGE - 1) / PAGE;

	if (size < v->size && size % PAGE != 0 && v->page[size / PAGE] != NULL)
		view_write(v, size, zeros, PAGE - size % PAGE);
	for (uint64_t i = keep; i < v->pages; i++) {
		page_put(v->page[i]);
		v->page[i] = NULL;
	}
	v->exists = exists;
	v->size = size;
	view_pages(v, keep);
}

static void view_free(struct view *v)
{
	for (size_t i = 0; i < v->pages; i++)
		page_put(v->page[i]);
	free(v->page);
	memset(v, 0, sizeof(*v));
}

static void view_copy(struct view *to, const struct view *from)
{
	size_t pages = (from->size + PAGE - 1) / PAGE;

	view_free(to);
	to->exists = from->exists;
	to->size = from->size;
	view_pages(to, pages);
	for (size_t i = 0; i < pages; i++)
		to->page[i] = page_hold(from->page[i]);
}

/* ---- files ---- */

static struct volume_backend_file *file_find(
	const struct volume_backend *b, struct volume_file id)
{
	for (size_t i = 0; i < b->file_count; i++)
		if (b->files[i].id.kind == id.kind &&
			b->files[i].id.number == id.number)
			return &b->files[i];
	return NULL;
}

static struct volume_backend_file *file_make(
	struct volume_backend *b, struct volume_file id)
{
	struct volume_backend_file *f = file_find(b, id);

	if (f != NULL)
		return f;
	b->files = need(
		realloc(b->files, (b->file_count + 1) * sizeof(*b->files)));
	f = &b->files[b->file_count++];
	memset(f, 0, sizeof(*f));
	f->id = id;
	/* The array may have moved; an empty list points into itself. */
	for (size_t i = 0; i < b->file_count; i++)
		if (b->files[i].first == NULL)
			b->files[i].last = &b->files[i].first;
	return f;
}

static void pending_drop(struct volume_backend_file *f)
{
	for (struct pending *p = f->first, *next; p != NULL; p = next) {
		next = p->next;
		free(p->data);
		free(p);
	}
	f->first = NULL;
	f->last = &f->first;
}

static struct pending *pending_add(struct volume_backend_file *f)
{
	struct pending *p = need(calloc(1, sizeof(*p)));

	*f->last = p;
	f->last = &p->next;
	return p;
}

static void pending_write(struct volume_backend_file *f, uint64_t offset,
	const void *data, size_t size)
{
	struct pending *p;

	if (size == 0)
		return;
	p = pending_add(f);
	p->offset = offset;
	p->size = size;
	p->data = need(malloc(size));
	memcpy(p->data, data, size);
	view_write(&f->now, offset, data, size);
}

static void pending_resize(
	struct volume_backend_file *f, bool exists, uint64_t size)
{
	struct pending *p = pending_add(f);

	p->exists = exists;
	p->file_size = size;
	view_resize(&f->now, exists, size);
}

/* Any part of what is pending reaches the disk. */
static void file_crash(struct volume_backend_file *f, uint64_t *seed)
{
	for (struct pending *p = f->first; p != NULL; p = p->next) {
		uint64_t end = p->offset + p->size;
		unsigned luck = volume_backend_random(seed) % 4;

		if (luck == 0) /* nothing of it */
			continue;
		if (p->data == NULL) {
			view_resize(&f->flushed, p->exists, p->file_size);
			continue;
		}
		if (!f->flushed.exists)
			continue;
		if (luck == 1) { /* all */
			view_write(&f->flushed, p->offset, p->data, p->size);
			continue;
		}
		for (uint64_t at = p->offset, next; at < end; at = next) {
			next = u64_min(align_down(at, SECTOR) + SECTOR, end);
			if (volume_backend_random(seed) & 1)
				view_write(&f->flushed, at,
					p->data + (at - p->offset), next - at);
		}
	}
	pending_drop(f);
	view_copy(&f->now, &f->flushed);
}

static void file_flush(struct volume_backend_file *f)
{
	bool resized = false;

	for (struct pending *p = f->first; p != NULL; p = p->next)
		resized |= p->data == NULL;
	if (resized) {
		view_copy(&f->flushed, &f->now);
	} else {
		view_pages(&f->flushed, f->now.pages);
		f->flushed.size = f->now.size;
		for (struct pending *p = f->first; p != NULL; p = p->next)
			for (uint64_t i = p->offset / PAGE;
				i * PAGE < p->offset + p->size; i++) {
				page_put(f->flushed.page[i]);
				f->flushed.page[i] = page_hold(f->now.page[i]);
			}
	}
	pending_drop(f);
}

/* A flush failed: of some pages the host thinks that they are written, so the
 * next flush is fine, and yet they are not. */
static void file_forget(struct volume_backend_file *f, uint64_t *seed)
{
	for (struct pending **at = &f->first, *p; (p = *at) != NULL;) {
		if (p->data == NULL || volume_backend_random(seed) & 1) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		free(p->data);
		free(p);
	}
	f->last = &f->first;
	while (*f->last != NULL)
		f->last = &(*f->last)->next;
}

/* ---- operations ---- */

/* 0: go on; else the error. @part: the change may happen in part. */
static int enter(struct volume_backend *b, enum volume_backend_op op,
	struct volume_file f, uint64_t offset, size_t size, bool *part)
{
	*part = false;
	if (b->seen != NULL)
		b->seen(b, op, f, offset, size);
	if (b->dead)
		return -EIO;
	b->count[op]++;
	b->bytes[op] += size;
	if (1u << op & VOLUME_BACKEND_CHANGES && ++b->changes == b->crash_at) {
		b->dead = true;
		*part = true;
		return -EIO;
	}
	for (size_t i = 0; i < ARRAY_SIZE(b->fault); i++) {
		struct volume_backend_fault *fault = &b->fault[i];

		if (!(fault->ops & 1u << op))
			continue;
		if (fault->pass > 0) {
			fault->pass--;
		} else if (fault->fail > 0) {
			fault->fail--;
			b->faulted++;
			*part = true;
			return fault->error;
		}
	}
	return 0;
}

/* More bytes on the disk than the limit? */
static bool too_large(
	struct volume_backend *b, const struct view *v, uint64_t size)
{
	uint64_t sum = 0;

	if (b->limit == 0 || size <= v->size)
		return false;
	for (size_t i = 0; i < b->file_count; i++)
		if (&b->files[i].now != v)
			sum += b->files[i].now.size;
	if (sum + size <= b->limit)
		return false;
	b->faulted++;
	return true;
}

static int op_read(void *ctx, struct volume_file id, uint64_t offset,
	void *data, size_t size)
{
	struct volume_backend *b = ctx;
	struct volume_backend_file *f = file_find(b, id);
	bool part;
	int ret = enter(b, VOLUME_BACKEND_READ, id, offset, size, &part);

	if (ret < 0)
		return ret;
	if (f == NULL || !f->now.exists)
		return -ENOENT;
	if (!range_within(offset, size, 0, f->now.size))
		return -EIO;
	view_read(&f->now, offset, data, size);
	return 0;
}

static int op_write(void *ctx, struct volume_file id, uint64_t offset,
	const void *data, size_t size)
{
	struct volume_backend *b = ctx;
	struct volume_backend_file *f = file_find(b, id);
	bool part;
	int ret = enter(b, VOLUME_BACKEND_WRITE, id, offset, size, &part);

	if (f == NULL || !f->now.exists)
		return ret < 0 ? ret : -ENOENT;
	if (ret == 0 && too_large(b, &f->now, offset + size))
		return -ENOSPC;
	if (part && size > 0)
		size = volume_backend_random(&b->random) % (size + 1);
	if (ret == 0 || part)
		pending_write(f, offset, data, size);
	return ret;
}

static int op_flush(void *ctx, struct volume_file id)
{
	struct volume_backend *b = ctx;
	struct volume_backend_file *f = file_find(b, id);
	bool part;
	int ret = enter(b, VOLUME_BACKEND_FLUSH, id, 0, 0, &part);

	if (f == NULL)
		return ret < 0 ? ret : -ENOENT;
	if (ret == 0)
		file_flush(f);
	else if (part && !b->dead)
		file_forget(f, &b->random);
	return ret;
}

static int op_resize(void *ctx, struct volume_file id, uint64_t size, bool grow)
{
	struct volume_backend *b = ctx;
	struct volume_backend_file *f;
	bool part;
	int ret = enter(b, VOLUME_BACKEND_RESIZE, id, size, 0, &part);

	if (ret < 0 && !part)
		return ret;
	f = file_make(b, id);
	if (ret == 0 && too_large(b, &f->now, size))
		return -ENOSPC;
	if (ret == 0 || volume_backend_random(&b->random) & 1)
		if (!f->now.exists || size > f->now.size ||
			(!grow && size < f->now.size))
			pending_resize(f, true, size);
	return ret;
}

static int op_remove(void *ctx, struct volume_file id)
{
	struct volume_backend *b = ctx;
	struct volume_backend_file *f = file_find(b, id);
	bool part;
	int ret = enter(b, VOLUME_BACKEND_REMOVE, id, 0, 0, &part);

	if (ret < 0 && !part)
		return ret;
	if (f == NULL || !f->now.exists)
		return ret < 0 ? ret : -ENOENT;
	if (ret == 0 || volume_backend_random(&b->random) & 1)
		pending_resize(f, false, 0);
	return ret;
}

static int op_tag_push(void *ctx, const uint8_t from[VOL_TAG_SIZE],
	const uint8_t to[VOL_TAG_SIZE], bool durable)
{
	static const struct volume_file none;
	struct volume_backend *b = ctx;
	bool part;
	int ret = enter(b, VOLUME_BACKEND_TAG_PUSH, none, 0, 0, &part);

	if (ret < 0 && !part)
		return ret;
	if (b->no_store)
		return ret;
	if (b->tag_known && memcmp(b->tag, from, VOL_TAG_SIZE) != 0)
		return -ESTALE;
	if (ret < 0 && volume_backend_random(&b->random) & 1)
		return ret;
	b->tag_known = true;
	memcpy(b->tag, to, VOL_TAG_SIZE);
	if (durable && ret == 0)
		b->tag_maybe_count = 0;
	b->tag_maybe = need(
		realloc(b->tag_maybe, (b->tag_maybe_count + 1) * VOL_TAG_SIZE));
	memcpy(b->tag_maybe[b->tag_maybe_count++], to, VOL_TAG_SIZE);
	return ret;
}

static int op_random(void *ctx, void *data, size_t size)
{
	struct volume_backend *b = ctx;
	uint8_t *out = data;

	for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
		uint64_t r = volume_backend_random(&b->random);

		memcpy(out + i, &r, u64_min(sizeof(r), size - i));
	}
	return 0;
}

static void op_now(void *ctx, int64_t *sec, uint32_t *nsec)
{
	struct volume_backend *b = ctx;

	b->clock += 1000;
	*sec = b->clock / 1000000000;
	*nsec = (uint32_t)(b->clock % 1000000000);
}

static void *op_alloc(void *ctx, size_t size)
{
	static const struct volume_file none;
	struct volume_backend *b = ctx;
	bool part, dead = b->dead;
	int ret;

	/* A machine without power still has its memory, until it is gone. */
	b->dead = false;
	ret = enter(b, VOLUME_BACKEND_ALLOC, none, 0, size, &part);
	b->dead = dead;
	if (ret < 0)
		return NULL;
	b->memory += size;
	b->memory_max = u64_max(b->memory, b->memory_max);
	b->memory_count++;
	return need(calloc(1, size > 0 ? size : 1));
}

static void op_free(void *ctx, void *p, size_t size)
{
	struct volume_backend *b = ctx;

	if (p == NULL)
		return;
	if (b->memory < size || b->memory_count == 0)
		abort();
	b->memory -= size;
	b->memory_count--;
	free(p);
}

const struct volume_ops volume_backend_ops = {
	.read = op_read,
	.write = op_write,
	.flush = op_flush,
	.resize = op_resize,
	.remove = op_remove,
	.tag_push = op_tag_push,
	.random = op_random,
	.now = op_now,
	.alloc = op_alloc,
	.free = op_free,
};

/* ---- the backend as a whole ---- */

struct volume_backend *volume_backend_new(uint64_t seed)
{
	struct volume_backend *b = need(calloc(1, sizeof(*b)));

	b->random = seed;
	b->clock = INT64_C(1700000000) * 1000000000;
	return b;
}

struct volume_backend *volume_backend_clone(
	const struct volume_backend *b, uint64_t seed)
{
	struct volume_backend *copy = volume_backend_new(seed);

	copy->clock = b->clock;
	copy->no_store = b->no_store;
	for (size_t i = 0; i < b->file_count; i++)
		if (b->files[i].now.exists)
			volume_backend_copy(copy, b, b->files[i].id);
	copy->tag_known = b->tag_known;
	memcpy(copy->tag, b->tag, VOL_TAG_SIZE);
	volume_backend_settle(copy);
	return copy;
}

void volume_backend_free(struct volume_backend *b)
{
	if (b == NULL)
		return;
	for (size_t i = 0; i < b->file_count; i++) {
		pending_drop(&b->files[i]);
		view_free(&b->files[i].now);
		view_free(&b->files[i].flushed);
	}
	free(b->files);
	free(b->tag_maybe);
	free(b);
}

struct volume_env volume_backend_env(
	struct volume_backend *b, size_t cache_size)
{
	return (struct volume_env){
		.ops = &volume_backend_ops, .ctx = b, .cache_size = cache_size};
}

static void power_back(struct volume_backend *b)
{
	b->dead = false;
	b->crash_at = 0;
	b->changes = 0;
	memset(b->fault, 0, sizeof(b->fault));
}

/* What the store has is from now on all that it can have. */
static void store_settle(struct volume_backend *b)
{
	b->tag_maybe = need(realloc(b->tag_maybe, VOL_TAG_SIZE));
	memcpy(b->tag_maybe[0], b->tag, VOL_TAG_SIZE);
	b->tag_maybe_count = b->tag_known ? 1 : 0;
}

void volume_backend_crash(struct volume_backend *b, uint64_t seed)
{
	for (size_t i = 0; i < b->file_count; i++)
		file_crash(&b->files[i], &seed);
	if (b->tag_maybe_count > 0)
		memcpy(b->tag,
			b->tag_maybe[volume_backend_random(&seed) %
				b->tag_maybe_count],
			VOL_TAG_SIZE);
	store_settle(b);
	power_back(b);
}

void volume_backend_settle(struct volume_backend *b)
{
	for (size_t i = 0; i < b->file_count; i++) {
		pending_drop(&b->files[i]);
		view_copy(&b->files[i].flushed, &b->files[i].now);
	}
	store_settle(b);
	power_back(b);
}

struct volume_expect volume_backend_expect(const struct volume_backend *b)
{
	struct volume_expect e = {.any = b->no_store || !b->tag_known};

	memcpy(e.tag, b->tag, VOL_TAG_SIZE);
	return e;
}

/* ---- the attacker ---- */

uint64_t volume_backend_size(
	const struct volume_backend *b, struct volume_file f)
{
	const struct volume_backend_file *file = file_find(b, f);

	return file != NULL && file->now.exists ? file->now.size : UINT64_MAX;
}

bool volume_backend_list(
	const struct volume_backend *b, size_t i, struct volume_file *f)
{
	for (size_t k = 0; k < b->file_count; k++)
		if (b->files[k].now.exists && i-- == 0) {
			*f = b->files[k].id;
			return true;
		}
	return false;
}

void volume_backend_peek(const struct volume_backend *b, struct volume_file f,
	uint64_t offset, void *data, size_t size)
{
	static const struct view empty;
	const struct volume_backend_file *file = file_find(b, f);

	view_read(file != NULL ? &file->now : &empty, offset, data, size);
}

void volume_backend_poke(struct volume_backend *b, struct volume_file f,
	uint64_t offset, const void *data, size_t size)
{
	struct volume_backend_file *file = file_make(b, f);

	file->now.exists = true;
	view_write(&file->now, offset, data, size);
	view_copy(&file->flushed, &file->now);
}

void volume_backend_truncate(
	struct volume_backend *b, struct volume_file f, uint64_t size)
{
	struct volume_backend_file *file = file_make(b, f);

	view_resize(&file->now, true, size);
	view_copy(&file->flushed, &file->now);
}

void volume_backend_delete(struct volume_backend *b, struct volume_file f)
{
	struct volume_backend_file *file = file_find(b, f);

	if (file == NULL)
		return;
	pending_drop(file);
	view_resize(&file->now, false, 0);
	view_copy(&file->flushed, &file->now);
}

void volume_backend_copy(struct volume_backend *b,
	const struct volume_backend *from, struct volume_file f)
{
	const struct volume_backend_file *source = file_find(from, f);
	struct volume_backend_file *file;

	if (source == NULL || !source->now.exists) {
		volume_backend_delete(b, f);
		return;
	}
	file = file_make(b, f);
	pending_drop(file);
	view_copy(&file->now, &source->now);
	view_copy(&file->flushed, &file->now);
}

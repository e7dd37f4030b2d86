/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of the intent log: what changed at level 0 since the last record or
 * commit, one write and one flush.
 *
 * A record is put together in memory while no change is under way; changes go
 * on while it is sealed, written and flushed. Blocks that were placed are in
 * it by reference: their segments are flushed before the record is written.
 *
 * If anything goes wrong after it was put together, what it had is not
 * remembered: the next one must be a commit, and it goes to the place in the
 * log where this one was.
 */
#include "volume/core.h"

#include <linux/errno.h>

#include "lib/string.h"

enum {
	PUNCHES_MAX = 32768,
	RECORD_MAX = 2 * 1024 * 1024,
	RECORD_KEPT = 512 * 1024, /* memory between two records */
	HEADER = sizeof(struct vol_disk_record),
};

static struct volume_file log_file(void)
{
	return (struct volume_file){VOLUME_FILE_LOG, 0};
}

/* ---- what is for the next record ---- */

/* Room for one more element of an array. */
static int room(
	struct volume *v, void **array, size_t count, size_t *room, size_t size)
{
	size_t more = *room ? *room * 2 : 64;
	void *p;

	if (count < *room)
		return 0;
	p = vol_alloc_memory(v, more * size);
	if (!p)
		return -ENOMEM;
	if (count)
		memcpy(p, *array, count * size);
	vol_free_memory(v, *array, *room * size);
	*array = p;
	*room = more;
	return 0;
}

int vol_log_punch(
	struct volume *v, uint64_t object, uint64_t index, uint64_t count)
{
	struct vol_commit *c = v->commit;
	void *array = c->punch;
	int err;

	if (c->must_commit || v->flags & VOLUME_READ_ONLY || v->sealed)
		return 0;
	if (c->punches) {
		struct vol_punch *last = &c->punch[c->punches - 1];

		if (last->object == object && last->index == index &&
			last->count <= count) {
			last->count = count;
			return 0;
		}
	}
	if (c->punches >= PUNCHES_MAX) {
		c->must_commit = true;
		return 0;
	}
	err = room(v, &array, c->punches, &c->punch_room, sizeof(*c->punch));
	c->punch = array;
	if (!err)
		c->punch[c->punches++] = (struct vol_punch){
			object, index, count};
	return err;
}

void vol_log_ref(struct vol_block *b, const struct vol_ptr *ptr)
{
	struct volume *v = b->object->volume;
	struct vol_commit *c = v->commit;
	void *array = c->ref;

	if (c->must_commit)
		return;
	if (c->refs >= VOL_REFS_MAX ||
		room(v, &array, c->refs, &c->ref_room, sizeof(*c->ref))) {
		c->must_commit = true;
		return;
	}
	c->ref = array;
	c->ref[c->refs++] = (struct vol_ref){.object = b->object,
		.index = b->index,
		.ptr = *ptr,
		.next = b->object->first_ref};
	b->object->first_ref = (uint32_t)c->refs;
}

void vol_log_forget(struct vol_object *o)
{
	struct vol_ref *r;

	for (uint32_t i = o->first_ref; i; i = r->next) {
		r = &o->volume->commit->ref[i - 1];
		r->object = NULL;
	}
	o->first_ref = 0;
}

static void forget_all(struct vol_commit *c)
{
	for (size_t i = 0; i < c->refs; i++) {
		if (c->ref[i].object)
			c->ref[i].object->first_ref = 0;
	}
	c->refs = c->punches = 0;
}

void vol_log_reset(struct volume *v)
{
	struct vol_block *b;

	while ((b = list_first(&v->cache->unlogged, struct vol_block,
			unlogged)) != NULL)
		vol_block_logged(b);
	forget_all(v->commit);
}

void vol_log_trim(struct volume *v)
{
	struct vol_commit *c = v->commit;

	if (c->running)
		return; /* it may be using it */
	vol_free_memory(v, c->record, c->record_room);
	c->record = NULL;
	c->record_room = 0;
}

/* ---- a record ---- */

struct writer {
	uint8_t *at;
};

static void put(struct writer *w, const void *data, size_t size)
{
	memcpy(w->at, data, size);
	w->at += size;
}

static void put_entry(struct writer *w, enum vol_entry_kind kind,
	uint64_t object, uint64_t index, uint64_t count)
{
	struct vol_disk_entry e = {.kind = (uint32_t)kind,
		.object = object,
		.index = index,
		.count = count};

	put(w, &e, sizeof(e));
}

/* Is the block still where it was put? */
static bool is_current(const struct vol_ref *r)
{
	struct vol_object *o = r->object;
	struct vol_block *b, *parent = NULL;

	if (!o)
		return false;
	b = vol_block_find(o, 0, r->index);
	if (b && b->state & VOL_BLOCK_UNLOGGED)
		return false;
	/* Its parent has changed since the last commit, so it is in memory. */
	if (o->height > 0)
		parent = vol_block_find(o, 1, r->index >> VOL_FANOUT_SHIFT);
	else if (r->index >= VOL_TOPS)
		return false;
	if (o->height > 0 && !parent)
		return false;
	return memcmp(vol_ptr_of(o, parent, r->index), &r->ptr,
		       sizeof(r->ptr)) == 0;
}

/* Blocks of the table of inodes, or of all other objects. */
static void put_blocks(struct volume *v, struct writer *w, bool inodes)
{
	struct vol_commit *c = v->commit;
	struct vol_block *b, *next;

	for (size_t i = 0; i < c->refs; i++) {
		struct vol_ref *r = &c->ref[i];

		if (!r->object || (r->object == &v->inodes) != inodes ||
			!is_current(r))
			continue;
		put_entry(w, VOL_ENTRY_REF, r->object->number, r->index, 1);
		put(w, &r->ptr, sizeof(r->ptr));
		vol_slot_keep(v, vol_ptr_slot(&r->ptr));
	}
	list_for_each_entry_safe (b, next, &v->cache->unlogged, unlogged) {
		if ((b->object == &v->inodes) != inodes)
			continue;
		put_entry(w, VOL_ENTRY_BLOCK, b->object->number, b->index, 1);
		put(w, b->data, VOL_BLOCK_SIZE);
		vol_block_logged(b);
	}
}

/* Bytes of header and body at most. */
static size_t size_max(const struct volume *v)
{
	const struct vol_commit *c = v->commit;

	return HEADER + sizeof(struct vol_state) +
		c->punches * sizeof(struct vol_disk_entry) +
		c->refs *
		(sizeof(struct vol_disk_entry) + sizeof(struct vol_ptr)) +
		v->cache->unlogged_count *
		(sizeof(struct vol_disk_entry) + VOL_BLOCK_SIZE);
}

static int record_room(struct volume *v, size_t size)
{
	struct vol_commit *c = v->commit;
	size_t want = 64 * 1024;

	while (want < size)
		want *= 2;
	if (c->record && c->record_room >= size &&
		(c->record_room == want || c->record_room <= RECORD_KEPT))
		return 0;
	vol_free_memory(v, c->record, c->record_room);
	c->record_room = 0;
	c->record = vol_alloc_memory(v, want);
	if (!c->record)
		return -ENOMEM;
	c->record_room = want;
	return 0;
}

/* Does not sleep: one moment. */
static void build(struct volume *v, struct vol_disk_record *header)
{
	struct vol_commit *c = v->commit;
	struct writer w = {c->record + HEADER};

	v->state.sequence++;
	v->state.segments = v->segments;
	put(&w, &v->state, sizeof(v->state));
	for (size_t i = 0; i < c->punches; i++) {
		const struct vol_punch *p = &c->punch[i];

		put_entry(&w, VOL_ENTRY_PUNCH, p->object, p->index, p->count);
	}
	put_blocks(v, &w, true);
	put_blocks(v, &w, false);
	forget_all(c);
	c->last = v->state;
	memset(header, 0, sizeof(*header));
	memcpy(header->magic, "SCONCELG", sizeof(header->magic));
	header->size = (uint32_t)(w.at - c->record - HEADER);
}

/* Seals and writes what was put together. */
static int write_record(struct volume *v, struct vol_disk_record *header)
{
	struct vol_commit *c = v->commit;
	size_t size = HEADER + header->size;
	size_t whole = align_up(size, VOL_BLOCK_SIZE);
	uint8_t tag[VOL_TAG_SIZE];
	int err;

	err = vol_slots_flush(v);
	if (!err)
		err = vol_block_seal_record(
			v, header, v->tag, c->record + HEADER);
	if (err)
		return err;
	memcpy(c->record, header, HEADER);
	memset(c->record + size, 0, whole - size);
	vol_block_record_tag(v, header, v->tag, tag);
	err = vol_host(v->env.ops->write(
		v->env.ctx, log_file(), c->log_offset, c->record, whole));
	if (err)
		return err;
	err = vol_host(v->env.ops->flush(v->env.ctx, log_file()));
	if (err) {
		v->failed = true;
		return err;
	}
	memcpy(v->tag, tag, VOL_TAG_SIZE);
	c->log_offset += whole;
	return vol_tag_push(v, v->tag, false);
}

static bool anything(const struct volume *v)
{
	const struct vol_commit *c = v->commit;

	return c->refs > 0 || c->punches > 0 || v->cache->unlogged_count > 0 ||
		memcmp(&v->state, &c->last, sizeof(c->last)) != 0;
}

/* Between closing and opening the gate. 0: it is built; 1: a commit. */
static int prepare(
	struct volume *v, struct vol_disk_record *header, bool *nothing)
{
	struct vol_commit *c = v->commit;
	size_t size;
	int err = vol_node_store_all(v);

	if (!err && v->cache->unlogged_count > 2 * VOL_BY_VALUE)
		err = vol_place_contents(v, true);
	if (err)
		return err;
	/* Nobody is between placing a block and having written it. */
	vol_place_lock(v);
	size = align_up(size_max(v), VOL_BLOCK_SIZE);
	if (!anything(v) && !c->must_commit)
		*nothing = true;
	else if (c->must_commit || size > RECORD_MAX ||
		size > VOL_LOG_SIZE - c->log_offset)
		err = 1;
	else
		err = record_room(v, size);
	if (!err && !*nothing)
		build(v, header);
	vol_place_unlock(v);
	return err;
}

int vol_log_make(struct volume *v, uint64_t *covers)
{
	struct vol_commit *c = v->commit;
	struct vol_disk_record header;
	bool nothing = false;
	int err = 0;

	*covers = 0;
	if (v->failed)
		return 1; /* which has the error */
	if (c->must_commit)
		return 1;
	if (v->cache->unlogged_count > VOL_BY_VALUE)
		err = vol_place_contents(v, false);
	if (!err)
		err = vol_gate_close(v);
	if (err)
		return err;
	*covers = c->want;
	err = prepare(v, &header, &nothing);
	vol_gate_open(v);
	if (err || nothing)
		return err;
	err = write_record(v, &header);
	if (err)
		c->must_commit = true;
	return err;
}

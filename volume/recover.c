/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the superblock to the last state that is whole: the records of the log
 * are applied in memory, one after the other, as long as each authenticates as
 * the one that follows. Whoever opened the volume for writing commits then.
 *
 * A record that is authentic was made by somebody with the key, which may be
 * anybody (images): all of it is checked before and while it is applied.
 */
#include "volume/core.h"

#include <linux/errno.h>

#include "lib/bytes.h"
#include "lib/string.h"

enum { HEADER = sizeof(struct vol_disk_record), TEXT = 2 * VOL_TAG_SIZE + 1 };

struct recovery {
	struct volume *v;
	uint8_t *record; /* header and body */
	size_t size, room;
	uint64_t offset, count;
	const struct volume_expect *expect;
	bool found; /* the expected state */
};

static void passed(struct recovery *r, const uint8_t tag[VOL_TAG_SIZE])
{
	if (r->expect && memcmp(r->expect->tag, tag, VOL_TAG_SIZE) == 0)
		r->found = true;
}

/* ---- entries ---- */

static int punch(struct volume *v, const struct vol_disk_entry *e)
{
	struct volume_node *n;
	struct vol_object *o;
	int err;

	if (e->object < VOL_OBJECT_ROOT)
		return -EBADMSG;
	err = vol_node_object(v, e->object, &n, &o);
	/* It came and went between two records. */
	if (err == -ENOENT)
		return 0;
	if (err)
		return err;
	err = vol_tree_punch(o, e->index, e->count);
	volume_put(n);
	return err;
}

static int apply_ref(struct volume *v, struct vol_object *o, uint64_t index,
	const void *data)
{
	struct vol_ptr ptr;
	int err;

	memcpy(&ptr, data, sizeof(ptr));
	if (vol_ptr_hole(&ptr))
		return -EBADMSG;
	err = vol_ptr_check(v, &ptr);
	if (!err)
		err = vol_slot_use(v, vol_ptr_slot(&ptr));
	return err ? err : vol_tree_set(o, index, &ptr);
}

/* The inodes' contents are needed, not where they are: but until this state is
 * committed, the record is, and its slot stays as it is. */
static int apply_inodes_ref(struct volume *v, uint64_t index, const void *data)
{
	struct vol_open open = {.place = {.object = VOL_OBJECT_INODES,
					.index = index,
					.kind = VOL_KIND_TREE}};
	uint8_t *block = vol_alloc_memory(v, VOL_BLOCK_SIZE);
	int err;

	if (!block)
		return -ENOMEM;
	memcpy(&open.ptr, data, sizeof(open.ptr));
	open.in = open.data = block;
	err = vol_ptr_hole(&open.ptr) ? -EBADMSG : vol_ptr_check(v, &open.ptr);
	if (!err)
		err = vol_slots_read(v, vol_ptr_slot(&open.ptr), block, 1);
	if (!err)
		err = vol_block_open(v, &open, 1);
	if (!err)
		err = vol_slot_use(v, vol_ptr_slot(&open.ptr));
	if (!err)
		vol_slot_free(v, vol_ptr_slot(&open.ptr));
	if (!err)
		err = vol_node_replay(v, index, block);
	vol_free_memory(v, block, VOL_BLOCK_SIZE);
	return err;
}

static int apply_block(
	struct vol_object *o, uint64_t index, const uint8_t *data)
{
	struct vol_block *b;
	int err = vol_tree_get(o, index, VOL_REPLACE, &b);

	if (err)
		return err;
	memcpy(b->data, data, VOL_BLOCK_SIZE);
	vol_tree_put(b);
	return 0;
}

static int apply_contents(
	struct volume *v, const struct vol_disk_entry *e, const uint8_t *data)
{
	struct volume_node *n;
	struct vol_object *o;
	int err;

	if (e->count != 1 || e->object == VOL_OBJECT_SEGMENTS)
		return -EBADMSG;
	if (e->object == VOL_OBJECT_INODES)
		return e->kind == VOL_ENTRY_BLOCK
			? vol_node_replay(v, e->index, data)
			: apply_inodes_ref(v, e->index, data);
	err = vol_node_object(v, e->object, &n, &o);
	if (err)
		return err == -ENOENT ? -EBADMSG : err;
	err = e->kind == VOL_ENTRY_BLOCK ? apply_block(o, e->index, data)
					 : apply_ref(v, o, e->index, data);
	volume_put(n);
	return err;
}

static size_t data_size(uint32_t kind)
{
	switch (kind) {
	case VOL_ENTRY_BLOCK:
		return VOL_BLOCK_SIZE;
	case VOL_ENTRY_REF:
		return sizeof(struct vol_ptr);
	default:
		return 0;
	}
}

static int apply(struct recovery *r)
{
	struct volume *v = r->v;
	const uint8_t *at = r->record + HEADER, *end = r->record + r->size;
	struct vol_state state;
	struct vol_disk_entry e;
	int err;

	memcpy(&state, at, sizeof(state));
	at += sizeof(state);
	err = vol_super_check_state(&state);
	if (err || state.sequence <= v->state.sequence)
		return -EBADMSG;
	if (state.segments < v->segments ||
		state.segments > (VOL_SLOT_MAX + 1) >> v->segment_shift)
		return -EBADMSG;
	v->segments = state.segments;
	v->state = state;
	if (!vol_read_only(v))
		err = vol_alloc_ready(v);
	while (!err && at < end) {
		if ((size_t)(end - at) < sizeof(e))
			return -EBADMSG;
		memcpy(&e, at, sizeof(e));
		at += sizeof(e);
		if (e.zero || e.kind < VOL_ENTRY_PUNCH ||
			e.kind > VOL_ENTRY_REF ||
			(size_t)(end - at) < data_size(e.kind))
			return -EBADMSG;
		if (e.kind == VOL_ENTRY_PUNCH)
			err = punch(v, &e);
		else
			err = apply_contents(v, &e, at);
		at += data_size(e.kind);
	}
	return err == -EFBIG ? -EBADMSG : err;
}

/* ---- records ---- */

static int room(struct recovery *r, size_t size)
{
	if (size <= r->room)
		return 0;
	vol_free_memory(r->v, r->record, r->room);
	r->room = 0;
	r->record = vol_alloc_memory(r->v, size);
	if (!r->record)
		return -ENOMEM;
	r->room = size;
	return 0;
}

static int log_read(struct recovery *r, size_t at, size_t size)
{
	static const struct volume_file file = {VOLUME_FILE_LOG, 0};

	return vol_host(r->v->env.ops->read(
		r->v->env.ctx, file, r->offset + at, r->record + at, size));
}

/* 1: there is one more, authentic; 0: there is none. */
static int next_record(struct recovery *r, struct vol_disk_record *h)
{
	uint64_t left = VOL_LOG_SIZE - r->offset;
	int err;

	if (left < VOL_BLOCK_SIZE)
		return 0;
	err = room(r, VOL_BLOCK_SIZE);
	if (!err)
		err = log_read(r, 0, VOL_BLOCK_SIZE);
	if (err)
		return err;
	memcpy(h, r->record, sizeof(*h));
	if (memcmp(h->magic, "SCONCELG", sizeof(h->magic)) != 0 ||
		h->size % 8 || h->size < sizeof(struct vol_state) ||
		h->size > left - HEADER)
		return 0;
	r->size = HEADER + h->size;
	err = room(r, align_up(r->size, VOL_BLOCK_SIZE));
	if (!err)
		err = log_read(r, 0, align_up(r->size, VOL_BLOCK_SIZE));
	if (err)
		return err;
	/* The header is what was checked, whatever the host says now. */
	err = vol_block_open_record(r->v, h, r->v->tag, r->record + HEADER);
	if (err)
		return err == -EBADMSG ? 0 : err;
	return 1;
}

static int replay(struct recovery *r)
{
	struct volume *v = r->v;
	struct vol_disk_record h;
	uint8_t tag[VOL_TAG_SIZE];
	int more;

	while ((more = next_record(r, &h)) == 1) {
		int err = apply(r);

		if (err)
			return err;
		v->epoch = (uint32_t)u64_max(v->epoch, h.epoch);
		vol_block_record_tag(v, &h, v->tag, tag);
		memcpy(v->tag, tag, VOL_TAG_SIZE);
		passed(r, v->tag);
		r->offset += align_up(r->size, VOL_BLOCK_SIZE);
		r->count++;
	}
	return more;
}

/* ---- the whole ---- */

static int stale(const struct recovery *r, struct err *err)
{
	char seen[TEXT], wanted[TEXT];

	bytes_to_hex(r->v->tag, VOL_TAG_SIZE, seen);
	bytes_to_hex(r->expect->tag, VOL_TAG_SIZE, wanted);
	return err_setf(err, -ESTALE,
		"volume: rolled back, or another one: its state is %s; wanted "
		"%s or one that follows it",
		seen, wanted);
}

int vol_recover(struct volume *v, const struct volume_expect *expect,
	uint64_t *records, struct err *err)
{
	struct recovery r = {.v = v};
	int result;

	if (expect && !expect->any)
		r.expect = expect;
	passed(&r, v->previous);
	passed(&r, v->tag);
	result = replay(&r);
	vol_free_memory(v, r.record, r.room);
	*records = r.count;
	/* What is there so far is authentic and whole enough to be looked at.
	 */
	if (result && v->flags & VOLUME_RESCUE)
		result = 0;
	if (result)
		return err_setf(err, result,
			"volume: record %llu of the log cannot be applied "
			"(error %d); open it read-only to rescue what is there",
			(unsigned long long)r.count + 1, -result);
	if (r.expect && !r.found)
		return stale(&r, err);
	return 0;
}

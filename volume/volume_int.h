/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the volume library's own files work together. Layers, upper ones know
 * lower ones only:
 *
 *	name.c dir.c file.c inode.c xattr.c	what volume.h offers
 *	commit.c log.c recover.c		making changes last
 *	tree.c cache.c alloc.c			blocks, pointers, slots
 *	super.c block.c keys.c			bytes on disk, authentic
 *
 * One lock, the caller's; it is given up only inside of ops that sleep. A
 * change of the file system lies between vol_begin and vol_end; a record or
 * commit is made when no change is under way, so it holds whole ones.
 */
#pragma once

#include <linux/errno.h>

#include "lib/list.h"
#include "volume/volume.h"

struct aead_key;
struct vol_object;

/* What the host says of its failures is not to be taken for the library's own
 * word: "no such file" would be an authentic answer to a lookup. */
static inline int vol_host(int err)
{
	switch (err) {
	case 0:
	case -ENOSPC:
	case -EDQUOT:
	case -ENOMEM:
		return err;
	default:
		return -EIO;
	}
}

/* ---- keys.c: volume key -> wrapping and superblock keys -> data keys ---- */

struct vol_keys; /* what is expanded; freed and cleared by vol_keys_fini */

/* Before vol_super_read or vol_super_write; the uuid comes with or before
 * these. */
must_check int vol_keys_init(struct volume *v, const uint8_t key[VOL_KEY_SIZE]);
/* v->keys may be NULL. */
void vol_keys_fini(struct volume *v);
/* A data key of its own for what is written from now on: its record is in the
 * file of keys and flushed when this returns. Done before the first write of
 * a mount, so that no two mounts, not even of copies, share a nonce; sealing
 * does it by itself if !v->epoch_ready. Sleeps. */
must_check int vol_keys_epoch_new(struct volume *v);
/* All data keys wrapped under @key into the next file of keys, which is the
 * volume's from now on, with that key: to be committed twice, so that nothing
 * names the old file. On failure all is as before. Sleeps. */
must_check int vol_keys_change(
	struct volume *v, const uint8_t key[VOL_KEY_SIZE]);
/* The data key of @epoch, held until vol_keys_put. -EBADMSG: there is none
 * that is authentic. Sleeps. */
struct vol_data_key;
must_check int vol_keys_get(
	struct volume *v, uint32_t epoch, struct vol_data_key **out);
/* The present epoch's, likewise, and the first of @n nonces that are never
 * given out again. Sleeps. */
must_check int vol_keys_reserve(struct volume *v, uint64_t n,
	struct vol_data_key **out, uint64_t *counter);
void vol_keys_put(struct volume *v, struct vol_data_key *k);
uint32_t vol_keys_epoch(const struct vol_data_key *k);
const struct aead_key *vol_keys_aead(const struct vol_data_key *k);
/* The key that is used once, for what was or is written with that salt. */
enum vol_key_purpose { VOL_KEY_WRAP = 1, VOL_KEY_SUPER = 2 };
void vol_keys_derive(struct volume *v, enum vol_key_purpose purpose,
	const uint8_t uuid[VOL_UUID_SIZE], const uint8_t salt[VOL_SALT_SIZE],
	struct aead_key *out);

/* ---- block.c: one block sealed or opened ---- */

/* Around everything that computes with crypto/; calls the ops. Sleep. */
void vol_crypto_begin(struct volume *v);
void vol_crypto_end(struct volume *v);

/* Gives @ptr (slot already set by the caller, in slot_epoch's low bits) epoch,
 * counter and tag, and @out the VOL_BLOCK_SIZE bytes for the host. @n blocks at
 * a time, so that the processor's lanes are used. out == data is allowed.
 * Sleeps. */
struct vol_seal {
	struct vol_place place;
	const uint8_t *data;
	uint8_t *out;
	struct vol_ptr *ptr;
};
must_check int vol_block_seal(struct volume *v, struct vol_seal *b, size_t n);
/* in (from the host, already copied) -> data; -EBADMSG if any is not what its
 * pointer says, and then data of all that failed is cleared. in == data is
 * allowed. Sleeps. */
struct vol_open {
	struct vol_place place;
	struct vol_ptr ptr;
	const uint8_t *in;
	uint8_t *data;
	bool bad; /* result */
};
must_check int vol_block_open(struct volume *v, struct vol_open *b, size_t n);
/* A record of the log: seals body (header->size bytes) in place with that
 * additional data; header->epoch, counter, tag are set. And back: -EBADMSG, and
 * the body is cleared. Encrypted in either suite. Sleep. */
must_check int vol_block_seal_record(struct volume *v,
	struct vol_disk_record *header, const uint8_t previous[VOL_TAG_SIZE],
	uint8_t *body);
must_check int vol_block_open_record(struct volume *v,
	const struct vol_disk_record *header,
	const uint8_t previous[VOL_TAG_SIZE], uint8_t *body);
/* The volume's tag after that record, sealed. Sleeps. */
void vol_block_record_tag(struct volume *v,
	const struct vol_disk_record *header,
	const uint8_t previous[VOL_TAG_SIZE], uint8_t tag[VOL_TAG_SIZE]);

/* ---- super.c ---- */

/* Reads both copies; the authentic one with the higher sequence becomes v's
 * state: everything under "from or for the superblock" in struct volume, epoch,
 * height, top and blocks of v->inodes and v->table (which are initialised).
 * -EBADMSG: neither is authentic under this key. */
must_check int vol_super_read(struct volume *v, struct err *err);
/* Writes and flushes the copy whose turn it is by v->state.sequence, from the
 * same fields, and computes the commit's tag (SHA-256 of its 4096 bytes). What
 * comes before it is v->tag; the caller sets v->tag and v->previous. @room is
 * to work in: a superblock half written ends all writing, want of memory must
 * not. Sleeps. */
must_check int vol_super_write(struct volume *v, struct vol_disk_super *room,
	uint8_t tag[VOL_TAG_SIZE]);
/* The copy that was read, as it is (v->tag is its tag), is on the disk when
 * this returns: whoever wrote it may have been killed before flushing, or the
 * flush may have failed, and then only writing once more helps. Sleeps. */
must_check int vol_super_rewrite(struct volume *v);
/* -EBADMSG if a state from disk cannot be one. */
must_check int vol_super_check_state(const struct vol_state *s);
/* -EBADMSG if a pointer from disk names no slot that there is, or an epoch
 * that was not. A hole is fine if all of it is zero. */
must_check int vol_super_check_ptr(
	const struct volume *v, const struct vol_ptr *p);
/* An inode's or superblock's height, tops and blocks from disk into @o. */
must_check int vol_super_load_object(
	struct vol_object *o, const struct vol_disk_inode *i);
void vol_super_store_object(
	const struct vol_object *o, struct vol_disk_inode *i);

/* ---- cache.c: blocks in memory ---- */

enum vol_block_state {
	VOL_BLOCK_LOADING = 1, /* being read by somebody; wait on it */
	VOL_BLOCK_DIRTY = 2, /* not as in the slot that its parent names */
	VOL_BLOCK_UNLOGGED = 4, /* changed since the last record or commit */
	VOL_BLOCK_WRITING = 8, /* the host does not have all of it yet */
	VOL_BLOCK_SEALING = 16, /* must not be changed; wait on it */
	VOL_BLOCK_DEAD = 32, /* dropped, and still pinned by somebody */
	VOL_BLOCK_CHECKED = 64, /* dir.c looked at it since it was loaded */
	VOL_BLOCK_STREAMED = 128, /* by a long write; uses are later ones */
};

/* What it takes to find and use one is in the first 64 bytes. */
struct vol_block {
	struct vol_block *hash_next;
	uint64_t index; /* within its level */
	struct vol_object *object; /* NULL: DEAD */
	uint32_t level;
	uint32_t state; /* VOL_BLOCK_* */
	uint8_t *data; /* VOL_BLOCK_SIZE bytes, 16-byte aligned */
	uint32_t refs; /* pins: users, children in memory */
	uint8_t uses; /* 0, 1, more */
	uint8_t idle; /* enum vol_idle: the cache's list it is on */
	struct list lru; /* clean, refs 0: may go */
	struct volume *volume;
	struct vol_block *parent; /* held; NULL: under the object's tops */
	struct list dirty; /* on its object's list while DIRTY */
	struct list unlogged; /* on the cache's list while UNLOGGED */
	struct list member; /* of its object */
	uint64_t slot; /* given to it, pointer not there yet; 0: none */
};

/* ---- tree.c: the blocks of an object ---- */

/* An object in memory; the owner (a node, or v's inodes and table) keeps it. */
struct vol_object {
	struct volume *volume;
	uint64_t number;
	uint64_t blocks; /* of level 0 that are not holes */
	uint32_t height;
	struct vol_ptr top[VOL_TOPS];
	struct list members; /* all blocks in memory */
	struct list dirty; /* blocks of any level, those of level 0 last */
	struct list changed; /* on v's list since anything differs from the
				last commit: the object must stay in memory */
	uint32_t first_ref; /* log.c: of its list; 0: none */
	uint64_t ahead, ahead_size; /* read-ahead: next expected, window */
	/* Write-behind: next expected, how many were filled in a row. */
	uint64_t behind, behind_size;
};

void vol_object_init(struct vol_object *o, struct volume *v, uint64_t number);
/* Blocks are dropped; none may be in use. Neither dirty, nor the object on v's
 * list, unless it was punched as a whole and its inode is stored. */
void vol_object_fini(struct vol_object *o);

enum vol_access {
	VOL_READ, /* NULL for a hole */
	VOL_WRITE, /* loaded or, for a hole, cleared; becomes dirty */
	VOL_REPLACE, /* the same, but contents are not loaded and may be
			anything: the caller overwrites all of it before he
			sleeps */
};
/* Block @index of @o at level 0, pinned. Sleeps. VOL_WRITE and VOL_REPLACE only
 * between vol_begin and vol_end: whoever may write holds the change open as
 * long as he modifies data. */
must_check int vol_tree_get(struct vol_object *o, uint64_t index,
	enum vol_access how, struct vol_block **out);
void vol_tree_put(struct vol_block *b); /* NULL is fine */
/* Blocks [index, index + count) become holes; count UINT64_MAX: to the end.
 * Slots are given back, and the log told. Sleeps. */
must_check int vol_tree_punch(
	struct vol_object *o, uint64_t index, uint64_t count);
/* The first block from @index on that is (@hole) or is not a hole;
 * UINT64_MAX: no such block below the object's capacity. Sleeps. */
must_check int vol_tree_next(
	struct vol_object *o, uint64_t index, bool hole, uint64_t *out);

/* ---- place.c ---- */

/* Blocks [index, end) of @o were just written. A long write, in order, is
 * placed bit by bit as it goes, while it is in the processor's caches, and does
 * not fill this one. Not within a change. Sleeps. */
must_check int vol_place_behind(
	struct vol_object *o, uint64_t index, uint64_t end);

/* ---- alloc.c, commit.c, log.c ---- */

/* Opens a change that dirties at most @blocks blocks of level 0. -ENOSPC (and
 * more room was asked of the host in vain), -EROFS. Sleeps: while a record or
 * commit is made, and while too much is dirty. */
must_check int vol_begin(struct volume *v, uint64_t blocks);
void vol_end(struct volume *v);

/* ---- inode.c ---- */

/*
 * Locks. A node's lock sleeps. Order, outermost first:
 *
 *	1. the lock of renames between directories (name.c)
 *	2. the locks of at most two nodes, that of the lower number first
 *	3. the lock of removals from the list of orphans
 *	4. vol_begin
 *	5. blocks: vol_tree_get waits for one that is being read
 *
 * Nobody waits for 1, 2 or 3 within a change, so every change ends, and so does
 * the wait for that of whoever makes a record. A directory's lock guards its
 * entries (readers take it too), a file's lock its size and the writing of its
 * contents, any node's lock its extended attributes. Other fields of an inode
 * are read and changed between two sleep points: an operation first prepares
 * (loads and pins whatever it will change; may sleep and fail), then checks
 * again what may have changed meanwhile, then performs, without sleeping.
 */
struct volume_node {
	struct vol_object object; /* number is the inode's */
	struct vol_disk_inode inode; /* height, top, blocks: see object */
	uint32_t refs;
	bool changed; /* not yet in the table of inodes */
	uint8_t locked; /* vol_node_lock */
	bool linkable; /* made without a name: may get one */
	bool dying; /* being freed: nobody gets it any more */
	struct vol_block
		*place; /* pinned: where a changed one will be stored */
	struct volume_node
		*orphan_prev; /* in the list of orphans, while open */
	struct volume_node *hash_next;
	struct list change; /* on v's list while changed */
	struct list lru; /* refs 0, kept for a while */
};

/* v->nodes, and v->changed_nodes empty. _fini forgets all nodes, what is not
 * stored as well; before the objects' cache goes. NULL nodes are fine. */
must_check int vol_nodes_init(struct volume *v);
void vol_nodes_fini(struct volume *v);
/* Forgets unused nodes until at most @keep of them are left. */
void vol_nodes_shrink(struct volume *v, size_t keep);

/* A lock is a byte: 0 free, 1 held, 2 held and perhaps waited for. */
void vol_lock(struct volume *v, uint8_t *lock);
void vol_unlock(struct volume *v, uint8_t *lock);
void vol_node_lock(struct volume_node *n);
void vol_node_unlock(struct volume_node *n);
/* Makes the node one that may be changed until this change ends: the block
 * that it will be stored in is pinned and dirty. Sleeps. */
must_check int vol_node_prepare(struct volume_node *n);
/* The node's fields are to be stored: within a change, or while a record or
 * commit is made (its tops changed). Never fails; without vol_node_prepare
 * storing may. */
void vol_node_changed(struct volume_node *n);
/* Stores all changed nodes into the table of inodes; called when a record or
 * commit is made, before the blocks are looked at (and again after tops
 * changed: what is dirty has its place in a dirty block already). */
must_check int vol_node_store_all(struct volume *v);
/* A new inode, prepared, times set, nlink 0, referenced. Within a change of 1
 * block. Sleeps. If it is not wanted after all: vol_node_orphan_add. */
must_check int vol_node_new(
	struct volume *v, uint32_t mode, struct volume_node **out);
/* To and from the list of orphans (nlink is 0); n is prepared. Before _del,
 * with the lock v->orphans from before vol_begin on, _prepare. */
void vol_node_orphan_add(struct volume_node *n);
must_check int vol_node_orphan_prepare(struct volume_node *n);
void vol_node_orphan_del(struct volume_node *n);
/* 1 << VOL_ATIME, ...: those times are now. Prepared. */
void vol_node_touch(struct volume_node *n, unsigned times);
/* vol_begin for what gives more back than it takes: also when all is full. */
must_check int vol_begin_freeing(struct volume *v, uint64_t blocks);
/* While replaying: block @index of the table of inodes now has @data; heights,
 * tops and counts of blocks stay as they are in memory or in the block before
 * (an inline link's are empty). Within a change. A record's punches come
 * first, then the table's blocks, then all others. */
must_check int vol_node_replay(
	struct volume *v, uint64_t index, const uint8_t *data);
/* The object with that number, node referenced by the caller; 0 and 1 too
 * (*node is NULL then). For replay, compaction and verification. -ENOENT: it
 * is a free inode. Whoever punches the object calls vol_node_changed. */
must_check int vol_node_object(struct volume *v, uint64_t number,
	struct volume_node **node, struct vol_object **out);
/* Frees what was unlinked but open when the volume was last in use. Before it
 * was called, no node is ever freed. */
must_check int vol_node_reap(struct volume *v);

static inline bool vol_inode_is(const struct vol_disk_inode *i, uint32_t type)
{
	return (i->mode & VOL_MODE_TYPE) == type;
}

/* A link whose target is in the inode; its object is empty. */
static inline bool vol_inode_inline(const struct vol_disk_inode *i)
{
	return vol_inode_is(i, VOL_MODE_LINK) && i->size <= sizeof(i->target);
}

/* ---- dir.c: names and numbers, nothing else of a node but its size ---- */

enum { VOL_DIR_DEPTH = 6 }; /* of the tree; 14 names to a leaf at least */
/* Blocks that one operation on one name may dirty. */
enum { VOL_DIR_DIRTY = 2 * VOL_DIR_DEPTH + 2 };

struct vol_dir_entry {
	uint64_t key, ino;
	uint8_t type; /* mode >> 12 */
};

/* From the root to a leaf, whose keys are within [lo, hi). */
struct vol_dir_path {
	struct vol_block *block[VOL_DIR_DEPTH]; /* root first, pinned */
	uint32_t slot[VOL_DIR_DEPTH]; /* in the leaf: offset of an entry */
	uint32_t depth;
	uint64_t lo, hi;
};

/* An operation on one name that was prepared: cannot fail any more. The
 * directory is locked from _prepare to the end. */
struct vol_dir_op {
	struct volume_node *dir;
	struct vol_dir_entry entry; /* what is there; for _insert: its key */
	const char *name;
	size_t len;
	struct vol_dir_path path;
	struct vol_block *fresh[VOL_DIR_DEPTH + 1]; /* for splits */
	uint32_t fresh_count, taken;
	uint32_t levels; /* that are split or go, from the leaf up */
};

/* Can that be a name? */
bool vol_dir_name_ok(const char *name, size_t len);
must_check int vol_dir_find(struct volume_node *dir, const char *name,
	size_t len, struct vol_dir_entry *out);
/* _insert: -EEXIST. The others: -ENOENT. Each succeeds once for an op, then
 * _cancel or the performing function ends it. Within a change. */
must_check int vol_dir_insert_prepare(struct volume_node *dir, const char *name,
	size_t len, struct vol_dir_op *op);
must_check int vol_dir_remove_prepare(struct volume_node *dir, const char *name,
	size_t len, struct vol_dir_op *op);
void vol_dir_insert(struct vol_dir_op *op, uint64_t ino, uint8_t type);
void vol_dir_remove(struct vol_dir_op *op);
/* After _remove_prepare: the name stays, for another inode. */
void vol_dir_replace(struct vol_dir_op *op, uint64_t ino, uint8_t type);
void vol_dir_cancel(struct vol_dir_op *op);
/* As volume_readdir. */
must_check int vol_dir_iterate(struct volume_node *dir, uint64_t cookie,
	volume_dirent_fn *add, void *arg);

/* ---- file.c ---- */

/* Frees the blocks from @index on, in changes of its own: those past the end of
 * a file, which mean nothing. Sleeps. */
must_check int vol_file_cut(struct volume_node *n, uint64_t index);

/* ---- volume.c ---- */

struct volume {
	struct volume_env env;
	unsigned flags; /* VOLUME_READ_ONLY, ... */
	bool failed; /* a flush failed: read-only from now on */
	bool sealed;
	bool sealing; /* the next commit seals */

	/* From or for the superblock. */
	enum vol_suite suite;
	unsigned segment_shift;
	uint8_t uuid[VOL_UUID_SIZE];
	uint32_t keys_file; /* number of the file of wrapped keys */
	uint64_t segments;
	uint8_t hash_key[16];
	struct vol_state state;
	uint8_t tag[VOL_TAG_SIZE]; /* of the last record or commit */
	uint8_t previous[VOL_TAG_SIZE]; /* what super says came before it */

	struct vol_keys *keys;
	uint32_t epoch; /* highest given; */
	bool epoch_ready; /* and this mount may write with it */
	uint64_t counter; /* next nonce of the epoch, from 1 */

	struct vol_object inodes, table;
	struct list changed_objects; /* struct vol_object.changed */
	struct list changed_nodes; /* struct volume_node.change */

	struct vol_cache *cache; /* cache.c */
	struct vol_alloc *alloc; /* alloc.c */
	struct vol_commit *commit; /* commit.c, log.c */
	struct vol_nodes *nodes; /* inode.c */
	uint8_t renames, orphans; /* vol_lock */

	struct { /* compact.c: how far it is */
		bool active, renew;
		uint32_t epoch, level;
		uint64_t object, index;
	} compact;
};

/* Memory: cleared, or NULL. */
void *vol_alloc_memory(struct volume *v, size_t size);
void vol_free_memory(struct volume *v, void *p, size_t size);

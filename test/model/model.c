/* SPDX-License-Identifier: Apache-2.0 */
#include "test/model/model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "test/unit/volume_backend.h"

struct model_block {
	uint32_t refs;
	uint64_t hash;
	uint8_t data[VOL_BLOCK_SIZE];
};

/* ---- helpers ---- */

uint64_t model_mix(uint64_t a, uint64_t b)
{
	uint64_t state = a * UINT64_C(0xd6e8feb86659fd93) + b;

	return volume_backend_random(&state);
}

uint64_t model_hash_bytes(const void *data, size_t size)
{
	uint64_t hash = size, word;
	const uint8_t *p = data;

	for (; size >= sizeof(word); size -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		hash ^= hash >> 29;
	}
	word = 0;
	memcpy(&word, p, size);
	return model_mix(hash, word);
}

uint64_t model_hash_block(const uint8_t *data)
{
	if (data[0] == 0 && memcmp(data, data + 1, VOL_BLOCK_SIZE - 1) == 0)
		return 0;
	return model_hash_bytes(data, VOL_BLOCK_SIZE);
}

model_errors model_error_bit(int error)
{
	static const int known[] = {EEXIST, ENOENT, ENOTDIR, EISDIR, ENOTEMPTY,
		EPERM, EINVAL, ENODATA, EIO, ENOSPC, EROFS, ENOMEM, ERANGE,
		EBUSY, EMLINK, ENXIO, EFBIG, EUCLEAN, EBADMSG};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i] == error)
			return UINT64_C(1) << i;
	return 0;
}

void model_fill(uint8_t *data, size_t size, uint64_t seed)
{
	for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
		uint64_t r = volume_backend_random(&seed);

		memcpy(data + i, &r, u64_min(sizeof(r), size - i));
	}
}

void model_target(char *data, size_t size, uint64_t seed)
{
	for (size_t i = 0; i < size; i++)
		data[i] = (char)('a' + volume_backend_random(&seed) % 26);
}

/* Names short and long: of the longest, 15 fill a block. */
const char *model_name(int name, size_t *len)
{
	static char names[MODEL_NAMES][VOL_NAME_MAX + 1];
	static size_t lens[MODEL_NAMES];

	if (lens[name] == 0) {
		uint64_t seed = (uint64_t)name;
		size_t size = name < 24 ? 3
			: name < 28     ? 1
			: name < 40     ? 60
					: VOL_NAME_MAX;

		for (size_t i = 0; i < size; i++)
			names[name][i] = (char)(0x80 |
				volume_backend_random(&seed) % 64);
		names[name][0] = (char)('0' + name);
		lens[name] = size;
	}
	*len = lens[name];
	return names[name];
}

int model_name_find(const char *name, size_t len)
{
	int n = len > 0 ? name[0] - '0' : -1;
	const char *want;
	size_t want_len;

	if (n < 0 || n >= MODEL_NAMES)
		return -1;
	want = model_name(n, &want_len);
	return want_len == len && memcmp(want, name, len) == 0 ? n : -1;
}

const char *model_xattr_name(int name)
{
	static const char *const names[MODEL_XATTR_NAMES] = {"user.a",
		"user.bcd", "trusted.overlay.opaque", "user.empty",
		"user.with-quite-a-long-name-so-that-the-list-of-names-is-long-"
		"as-well"};

	return names[name];
}

/* ---- states ---- */

static void block_put(struct model_block *b)
{
	if (--b->refs == 0)
		free(b);
}

void model_init(struct model *m)
{
	memset(m, 0, sizeof(*m));
	m->node[0] = (struct model_node){
		.used = true, .mode = S_IFDIR | 0755, .nlink = 2};
}

void model_copy(struct model *to, const struct model *from)
{
	memcpy(to, from, sizeof(*to));
	for (int i = 0; i < to->blocks; i++)
		to->block[i].block->refs++;
}

void model_free(struct model *m)
{
	for (int i = 0; i < m->blocks; i++)
		block_put(m->block[i].block);
	m->blocks = 0;
}

static uint64_t digest_string(uint64_t h, const char *s, size_t len)
{
	return model_mix(h, model_hash_bytes(s, len));
}

uint64_t model_digest_entry(
	uint64_t dir, const char *name, size_t len, uint64_t ino)
{
	return model_mix(digest_string(dir ^ 0x1111, name, len), ino);
}

uint64_t model_digest_attr(const struct volume_attr *a)
{
	bool dir = S_ISDIR(a->mode);
	uint64_t h = model_mix(a->ino ^ 0x2222, dir ? 0 : a->size);

	h = model_mix(h, a->rdev);
	h = model_mix(h, (uint64_t)a->mode << 32 | a->nlink);
	h = model_mix(h, (uint64_t)a->uid << 32 | a->gid);
	for (int i = 0; i < VOL_TIMES; i++)
		if (i != VOL_ATIME)
			h = model_mix(
				model_mix(h, (uint64_t)a->sec[i]), a->nsec[i]);
	return model_mix(h, a->generation);
}

uint64_t model_digest_block(uint64_t ino, uint64_t index, uint64_t hash)
{
	return hash != 0 ? model_mix(model_mix(ino ^ 0x3333, index), hash) : 0;
}

uint64_t model_digest_xattr(
	uint64_t ino, const char *name, const void *value, size_t size)
{
	return model_mix(digest_string(ino ^ 0x4444, name, strlen(name)),
		model_hash_bytes(value, size));
}

uint64_t model_digest_target(uint64_t ino, const char *target, size_t size)
{
	return digest_string(ino ^ 0x5555, target, size);
}

static void node_attr(const struct model_node *n, struct volume_attr *a)
{
	*a = (struct volume_attr){.ino = n->ino,
		.size = n->size,
		.rdev = n->rdev,
		.mode = n->mode,
		.nlink = n->nlink,
		.uid = n->uid,
		.gid = n->gid,
		.generation = n->generation};
	memcpy(a->sec, n->sec, sizeof(a->sec));
	memcpy(a->nsec, n->nsec, sizeof(a->nsec));
}

uint64_t model_digest(const struct model *m)
{
	static uint8_t buffer[MODEL_XATTR_MAX];
	uint64_t sum = 0;

	for (int i = 0; i < m->entries; i++) {
		size_t len;
		const char *name = model_name(m->entry[i].name, &len);

		sum += model_digest_entry(m->node[m->entry[i].dir].ino, name,
			len, m->node[m->entry[i].node].ino);
	}
	for (int i = 0; i < MODEL_NODES; i++) {
		const struct model_node *n = &m->node[i];
		struct volume_attr a;

		if (!n->used || n->nlink == 0)
			continue;
		node_attr(n, &a);
		sum += model_digest_attr(&a);
		if (!S_ISLNK(n->mode))
			continue;
		model_target((char *)buffer, n->target_len, n->target_seed);
		sum += model_digest_target(
			n->ino, (char *)buffer, n->target_len);
	}
	for (int i = 0; i < m->blocks; i++) {
		const struct model_node *n = &m->node[m->block[i].node];

		if (n->nlink > 0)
			sum += model_digest_block(n->ino, m->block[i].index,
				m->block[i].block->hash);
	}
	for (int i = 0; i < m->xattrs; i++) {
		const struct model_node *n = &m->node[m->xattr[i].node];

		if (n->nlink == 0)
			continue;
		model_fill(buffer, m->xattr[i].len, m->xattr[i].seed);
		sum += model_digest_xattr(n->ino,
			model_xattr_name(m->xattr[i].name), buffer,
			m->xattr[i].len);
	}
	return sum;
}

unsigned model_count(const struct model *m)
{
	unsigned count = 0;

	for (int i = 0; i < MODEL_NODES; i++)
		count += m->node[i].used;
	return count;
}

void model_print(const struct model *m)
{
	for (int i = 0; i < MODEL_NODES; i++) {
		const struct model_node *n = &m->node[i];

		if (!n->used)
			continue;
		printf("  node %d: ino %llu mode %o nlink %u uid %u gid %u "
		       "size %llu rdev %llu generation %u mtime %lld.%09u "
		       "ctime %lld.%09u handles %u\n",
			i, (unsigned long long)n->ino, n->mode, n->nlink,
			n->uid, n->gid, (unsigned long long)n->size,
			(unsigned long long)n->rdev, n->generation,
			(long long)n->sec[VOL_MTIME], n->nsec[VOL_MTIME],
			(long long)n->sec[VOL_CTIME], n->nsec[VOL_CTIME],
			n->handles);
	}
	for (int i = 0; i < m->entries; i++)
		printf("  entry: ino %llu name %d -> ino %llu\n",
			(unsigned long long)m->node[m->entry[i].dir].ino,
			m->entry[i].name,
			(unsigned long long)m->node[m->entry[i].node].ino);
	for (int i = 0; i < m->blocks; i++)
		printf("  block: ino %llu index %llu hash %016llx\n",
			(unsigned long long)m->node[m->block[i].node].ino,
			(unsigned long long)m->block[i].index,
			(unsigned long long)m->block[i].block->hash);
	for (int i = 0; i < m->xattrs; i++)
		printf("  xattr: ino %llu %s, %u bytes\n",
			(unsigned long long)m->node[m->xattr[i].node].ino,
			model_xattr_name(m->xattr[i].name), m->xattr[i].len);
}

/* ---- names ---- */

static int entry_find(const struct model *m, int dir, int name)
{
	for (int i = 0; i < m->entries; i++)
		if (m->entry[i].dir == dir && m->entry[i].name == name)
			return i;
	return -1;
}

int model_lookup(const struct model *m, int dir, int name)
{
	int i = entry_find(m, dir, name);

	return i >= 0 ? m->entry[i].node : -1;
}

static bool is_dir_node(const struct model *m, int node)
{
	return S_ISDIR(m->node[node].mode);
}

static bool is_empty(const struct model *m, int dir)
{
	for (int i = 0; i < m->entries; i++)
		if (m->entry[i].dir == dir)
			return false;
	return true;
}

static int node_free_one(const struct model *m)
{
	for (int i = 1; i < MODEL_NODES; i++)
		if (!m->node[i].used)
			return i;
	return -1;
}

bool model_full(const struct model *m)
{
	return node_free_one(m) < 0 || m->entries >= MODEL_ENTRIES ||
		m->xattrs >= MODEL_XATTRS;
}

static void contents_drop(struct model *m, int node, uint64_t from)
{
	for (int i = 0; i < m->blocks;) {
		if (m->block[i].node != node || m->block[i].index < from) {
			i++;
			continue;
		}
		block_put(m->block[i].block);
		m->block[i] = m->block[--m->blocks];
	}
}

/* Without names and handles it is gone. */
static void node_check(struct model *m, int node)
{
	if (m->node[node].nlink > 0 || m->node[node].handles > 0)
		return;
	contents_drop(m, node, 0);
	for (int i = 0; i < m->xattrs;) {
		if (m->xattr[i].node == node)
			m->xattr[i] = m->xattr[--m->xattrs];
		else
			i++;
	}
	m->node[node].used = false;
}

void model_unhandle(struct model *m, int node)
{
	m->node[node].handles--;
	node_check(m, node);
}

void model_refresh(struct model *m, int node, const struct volume_attr *a)
{
	struct model_node *n = &m->node[node];

	n->ino = a->ino;
	n->generation = a->generation;
	memcpy(n->sec, a->sec, sizeof(n->sec));
	memcpy(n->nsec, a->nsec, sizeof(n->nsec));
}

static void entry_add(struct model *m, int dir, int name, int node)
{
	m->entry[m->entries].dir = (int16_t)dir;
	m->entry[m->entries].name = (int16_t)name;
	m->entry[m->entries++].node = (int16_t)node;
}

/* The entry and the link that it is. */
static void entry_remove(struct model *m, int entry)
{
	int node = m->entry[entry].node, dir = m->entry[entry].dir;

	m->entry[entry] = m->entry[--m->entries];
	if (is_dir_node(m, node)) {
		m->node[node].nlink = 0;
		m->node[dir].nlink--;
	} else {
		m->node[node].nlink--;
	}
	node_check(m, node);
}

static model_errors dir_errors(const struct model *m, int dir)
{
	return m->node[dir].nlink == 0 ? model_error_bit(ENOENT) : 0;
}

static int node_new(struct model *m, const struct volume_attr *a)
{
	int node = node_free_one(m);

	m->node[node] = (struct model_node){.used = true,
		.mode = a->mode,
		.uid = a->uid,
		.gid = a->gid,
		.rdev = S_ISBLK(a->mode) || S_ISCHR(a->mode) ? a->rdev : 0};
	return node;
}

model_errors model_make(struct model *m, int dir, int name,
	const struct volume_attr *a, uint64_t target_seed, uint32_t target_len,
	int *node)
{
	model_errors errors = dir_errors(m, dir);
	struct model_node *n;

	if (model_lookup(m, dir, name) >= 0)
		errors |= model_error_bit(EEXIST);
	if (errors != 0)
		return errors;
	*node = node_new(m, a);
	n = &m->node[*node];
	n->nlink = 1;
	if (S_ISDIR(a->mode)) {
		n->nlink = 2;
		n->parent = (int16_t)dir;
		m->node[dir].nlink++;
	} else if (S_ISLNK(a->mode)) {
		n->size = n->target_len = target_len;
		n->target_seed = target_seed;
	}
	entry_add(m, dir, name, *node);
	return 0;
}

int model_make_unnamed(struct model *m, const struct volume_attr *a)
{
	int node = node_new(m, a);

	m->node[node].handles = 1;
	m->node[node].linkable = true;
	return node;
}

model_errors model_link(struct model *m, int node, int dir, int name)
{
	model_errors errors = dir_errors(m, dir);
	struct model_node *n = &m->node[node];

	if (is_dir_node(m, node))
		errors |= model_error_bit(EPERM);
	if (n->nlink == 0 && !n->linkable)
		errors |= model_error_bit(ENOENT);
	if (model_lookup(m, dir, name) >= 0)
		errors |= model_error_bit(EEXIST);
	if (errors != 0)
		return errors;
	n->nlink++;
	n->linkable = false;
	entry_add(m, dir, name, node);
	return 0;
}

model_errors model_unlink(struct model *m, int dir, int name, bool is_dir)
{
	int entry = entry_find(m, dir, name), node;

	if (entry < 0)
		return model_error_bit(ENOENT);
	node = m->entry[entry].node;
	if (is_dir && !is_dir_node(m, node))
		return model_error_bit(ENOTDIR);
	if (!is_dir && is_dir_node(m, node))
		return model_error_bit(EISDIR) | model_error_bit(EPERM);
	if (is_dir && !is_empty(m, node))
		return model_error_bit(ENOTEMPTY);
	entry_remove(m, entry);
	return 0;
}

/* Is @dir @node, or somewhere below it? */
static bool is_below(const struct model *m, int dir, int node)
{
	for (; dir != 0; dir = m->node[dir].parent) {
		if (dir == node)
			return true;
		if (m->node[dir].nlink == 0)
			return false;
	}
	return node == 0;
}

static model_errors rename_errors(const struct model *m, int from_dir, int node,
	int to_dir, int over, unsigned flags)
{
	bool from_is_dir = is_dir_node(m, node);
	bool over_is_dir = over >= 0 && is_dir_node(m, over);
	model_errors errors = dir_errors(m, to_dir);

	if (flags == 1 && over >= 0)
		errors |= model_error_bit(EEXIST);
	if (flags == 2 && over < 0)
		errors |= model_error_bit(ENOENT);
	if (from_is_dir && is_below(m, to_dir, node))
		errors |= model_error_bit(EINVAL);
	if (over_is_dir && is_below(m, from_dir, over))
		errors |= flags == 2 ? model_error_bit(EINVAL)
				     : model_error_bit(ENOTEMPTY);
	if (over < 0 || flags == 2)
		return errors;
	if (from_is_dir && !over_is_dir)
		errors |= model_error_bit(ENOTDIR);
	if (!from_is_dir && over_is_dir)
		errors |= model_error_bit(EISDIR);
	if (over_is_dir && !is_empty(m, over))
		errors |= model_error_bit(ENOTEMPTY);
	return errors;
}

static void reparent(struct model *m, int node, int from_dir, int to_dir)
{
	if (!is_dir_node(m, node))
		return;
	m->node[from_dir].nlink--;
	m->node[to_dir].nlink++;
	m->node[node].parent = (int16_t)to_dir;
}

model_errors model_rename(struct model *m, int from_dir, int from, int to_dir,
	int to, unsigned flags)
{
	int source = entry_find(m, from_dir, from);
	int target = entry_find(m, to_dir, to), node, over;
	model_errors errors;

	if (flags == 3)
		return model_error_bit(EINVAL);
	if (source < 0)
		return model_error_bit(ENOENT) | dir_errors(m, to_dir) |
			(flags == 1 && target >= 0 ? model_error_bit(EEXIST)
						   : 0);
	node = m->entry[source].node;
	over = target >= 0 ? m->entry[target].node : -1;
	if (node == over && flags != 1)
		return 0;
	errors = rename_errors(m, from_dir, node, to_dir, over, flags);
	if (errors != 0)
		return errors;
	if (flags == 2) {
		m->entry[source].node = (int16_t)over;
		m->entry[target].node = (int16_t)node;
		reparent(m, node, from_dir, to_dir);
		reparent(m, over, to_dir, from_dir);
		return 0;
	}
	if (target >= 0)
		entry_remove(m, target);
	source = entry_find(m, from_dir, from);
	m->entry[source].dir = (int16_t)to_dir;
	m->entry[source].name = (int16_t)to;
	reparent(m, node, from_dir, to_dir);
	return 0;
}

/* ---- contents ---- */

static int block_find(const struct model *m, int node, uint64_t index)
{
	for (int i = 0; i < m->blocks; i++)
		if (m->block[i].node == node && m->block[i].index == index)
			return i;
	return -1;
}

unsigned model_block_count(const struct model *m, int node)
{
	unsigned count = 0;

	for (int i = 0; i < m->blocks; i++)
		count += m->block[i].node == node;
	return count;
}

/* Bytes of one block; NULL: zeros. */
static void block_write(
	struct model *m, int i, size_t at, const uint8_t *data, size_t size)
{
	struct model_block *old = m->block[i].block, *b = old;

	if (old->refs > 1) {
		b = malloc(sizeof(*b));
		if (b == NULL)
			abort();
		memcpy(b, old, sizeof(*b));
		b->refs = 1;
		old->refs--;
		m->block[i].block = b;
	}
	if (data != NULL)
		memcpy(b->data + at, data, size);
	else
		memset(b->data + at, 0, size);
	b->hash = model_hash_block(b->data);
}

bool model_write(struct model *m, int node, uint64_t offset,
	const uint8_t *data, size_t size)
{
	struct model_node *n = &m->node[node];

	if (m->blocks + (int)(size / VOL_BLOCK_SIZE) + 2 > MODEL_BLOCKS)
		return false;
	if (size == 0)
		return true;
	n->size = u64_max(n->size, offset + size);
	while (size > 0) {
		size_t at = offset % VOL_BLOCK_SIZE;
		size_t part = u64_min(VOL_BLOCK_SIZE - at, size);
		int i = block_find(m, node, offset / VOL_BLOCK_SIZE);

		if (i < 0) {
			i = m->blocks++;
			m->block[i].node = (int16_t)node;
			m->block[i].index = offset / VOL_BLOCK_SIZE;
			m->block[i].block = calloc(
				1, sizeof(struct model_block));
			if (m->block[i].block == NULL)
				abort();
			m->block[i].block->refs = 1;
		}
		block_write(m, i, at, data, part);
		offset += part;
		data += part;
		size -= part;
	}
	return true;
}

void model_truncate(struct model *m, int node, uint64_t size)
{
	size_t at = size % VOL_BLOCK_SIZE;
	int i;

	contents_drop(m, node, (size + VOL_BLOCK_SIZE - 1) / VOL_BLOCK_SIZE);
	i = block_find(m, node, size / VOL_BLOCK_SIZE);
	if (at != 0 && i >= 0 && size < m->node[node].size)
		block_write(m, i, at, NULL, VOL_BLOCK_SIZE - at);
	m->node[node].size = size;
}

void model_punch(struct model *m, int node, uint64_t offset, uint64_t size)
{
	uint64_t end = u64_min(
		offset + size, align_up(m->node[node].size, VOL_BLOCK_SIZE));

	for (int i = 0; i < m->blocks;) {
		uint64_t start = m->block[i].index * VOL_BLOCK_SIZE;
		uint64_t from = u64_max(offset, start);
		uint64_t to = u64_min(end, start + VOL_BLOCK_SIZE);

		if (m->block[i].node != node || from >= to) {
			i++;
		} else if (to - from == VOL_BLOCK_SIZE) {
			block_put(m->block[i].block);
			m->block[i] = m->block[--m->blocks];
		} else {
			block_write(m, i, from - start, NULL, to - from);
			i++;
		}
	}
}

void model_read(const struct model *m, int node, uint64_t offset, uint8_t *data,
	size_t size)
{
	while (size > 0) {
		size_t at = offset % VOL_BLOCK_SIZE;
		size_t part = u64_min(VOL_BLOCK_SIZE - at, size);
		int i = block_find(m, node, offset / VOL_BLOCK_SIZE);

		if (i >= 0)
			memcpy(data, m->block[i].block->data + at, part);
		else
			memset(data, 0, part);
		offset += part;
		data += part;
		size -= part;
	}
}

int64_t model_seek(const struct model *m, int node, uint64_t offset, bool hole)
{
	uint64_t size = m->node[node].size, best = UINT64_MAX;

	if (offset >= size)
		return -ENXIO;
	if (hole) {
		while (offset < size &&
			block_find(m, node, offset / VOL_BLOCK_SIZE) >= 0)
			offset = align_down(offset, VOL_BLOCK_SIZE) +
				VOL_BLOCK_SIZE;
		return (int64_t)u64_min(offset, size);
	}
	for (int i = 0; i < m->blocks; i++)
		if (m->block[i].node == node &&
			m->block[i].index >= offset / VOL_BLOCK_SIZE)
			best = u64_min(best, m->block[i].index);
	if (best > (size - 1) / VOL_BLOCK_SIZE)
		return -ENXIO;
	return (int64_t)u64_max(offset, best * VOL_BLOCK_SIZE);
}

/* ---- extended attributes ---- */

int model_xattr_find(const struct model *m, int node, int name)
{
	for (int i = 0; i < m->xattrs; i++)
		if (m->xattr[i].node == node && m->xattr[i].name == name)
			return i;
	return -1;
}

model_errors model_xattr_set(struct model *m, int node, int name, uint64_t seed,
	uint32_t len, int flags)
{
	int i = model_xattr_find(m, node, name);

	if ((flags & 1) && i >= 0)
		return model_error_bit(EEXIST);
	if ((flags & 2) && i < 0)
		return model_error_bit(ENODATA);
	if (i < 0)
		i = m->xattrs++;
	m->xattr[i].node = (int16_t)node;
	m->xattr[i].name = (int16_t)name;
	m->xattr[i].seed = seed;
	m->xattr[i].len = len;
	return 0;
}

model_errors model_xattr_remove(struct model *m, int node, int name)
{
	int i = model_xattr_find(m, node, name);

	if (i < 0)
		return model_error_bit(ENODATA);
	m->xattr[i] = m->xattr[--m->xattrs];
	return 0;
}

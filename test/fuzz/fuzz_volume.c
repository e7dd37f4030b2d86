/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A volume whose contents are the attacker's: everybody has the key of an image
 * that is authenticated only. Here nothing is encrypted and everything is
 * authentic, so whatever the input puts onto the disk (superblocks, wrapped
 * keys, records of the log, maps, inodes, directories, contents) reaches the
 * code that must cope with it. The volume is opened, verified, read and, unless
 * opened read-only, changed. Nothing may crash, hang or leak; what was opened
 * for reading is not written.
 *
 * Input: how to open; then changes of five bytes each, made to blocks of a
 * small volume with a log.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/aead.h"
#include "crypto/hkdf.h"
#include "volume/volume.h"

enum {
	FILES = 16,
	LOG_KEPT = 256 * 1024,
	STEPS = 50,
	READ_MAX = 20000,
	TARGETS = 256
};

/* ---- no crypto ---- */

void aead_key_init(struct aead_key *k, const uint8_t key[AEAD_KEY_SIZE])
{
	memset(k, 0, sizeof(*k));
}

void aead_key_fini(struct aead_key *k)
{
}

void aead_seal(const struct aead_key *k, const uint8_t nonce[AEAD_NONCE_SIZE],
	const void *aad, size_t aad_size, const void *in, void *out,
	size_t size, uint8_t tag[AEAD_TAG_SIZE])
{
	if (size)
		memmove(out, in, size);
	memset(tag, 0, AEAD_TAG_SIZE);
}

int aead_open(const struct aead_key *k, const uint8_t nonce[AEAD_NONCE_SIZE],
	const void *aad, size_t aad_size, const void *in, void *out,
	size_t size, const uint8_t tag[AEAD_TAG_SIZE])
{
	if (size)
		memmove(out, in, size);
	return 0;
}

void sha256_init(struct sha256 *s)
{
	memset(s, 0, sizeof(*s));
}

void sha256_update(struct sha256 *s, const void *data, size_t size)
{
	s->size += size;
}

void sha256_final(struct sha256 *s, uint8_t digest[static SHA256_SIZE])
{
	memset(digest, (int)(s->size & 0xff), SHA256_SIZE);
}

void sha256(const void *data, size_t size, uint8_t digest[static SHA256_SIZE])
{
	memset(digest, (int)(size & 0xff), SHA256_SIZE);
}

void hkdf_sha256(const void *salt, size_t salt_size, const void *secret,
	size_t secret_size, const void *info, size_t info_size, void *out,
	size_t size)
{
	memset(out, 0, size);
}

/* ---- a host in memory ---- */

struct host_file {
	struct volume_file name;
	uint8_t *data;
	uint64_t size;
};

struct host {
	struct host_file file[FILES];
	unsigned writes;
	size_t allocated;
};

static struct host base, now;

static struct host_file *find(struct host *h, struct volume_file f)
{
	for (int i = 0; i < FILES; i++) {
		struct host_file *hf = &h->file[i];

		if (hf->data && hf->name.kind == f.kind &&
			hf->name.number == f.number)
			return hf;
	}
	return NULL;
}

/* Of the log only the beginning is kept; the rest reads as zeros. */
static uint64_t kept(const struct host_file *hf)
{
	return hf->name.kind == VOLUME_FILE_LOG && hf->size > LOG_KEPT
		? LOG_KEPT
		: hf->size;
}

static int op_read(void *ctx, struct volume_file f, uint64_t offset, void *data,
	size_t size)
{
	struct host_file *hf = find(ctx, f);
	uint64_t have;

	if (!hf)
		return -ENOENT;
	if (!range_within(offset, size, 0, hf->size))
		return -EIO;
	have = kept(hf) > offset ? kept(hf) - offset : 0;
	have = u64_min(have, size);
	memcpy(data, hf->data + (have ? offset : 0), have);
	memset((uint8_t *)data + have, 0, size - have);
	return 0;
}

static int op_write(void *ctx, struct volume_file f, uint64_t offset,
	const void *data, size_t size)
{
	struct host *h = ctx;
	struct host_file *hf = find(h, f);

	h->writes++;
	if (!hf || !range_within(offset, size, 0, hf->size))
		return -EIO;
	if (offset < kept(hf))
		memcpy(hf->data + offset, data,
			u64_min(size, kept(hf) - offset));
	return 0;
}

static int op_flush(void *ctx, struct volume_file f)
{
	return find(ctx, f) ? 0 : -EIO;
}

static int op_resize(void *ctx, struct volume_file f, uint64_t size, bool grow)
{
	struct host *h = ctx;
	struct host_file *hf = find(h, f);
	uint64_t before;

	h->writes++;
	if (size > VOL_LOG_SIZE)
		return -ENOSPC;
	for (int i = 0; !hf && i < FILES; i++) {
		if (!h->file[i].data) {
			hf = &h->file[i];
			hf->name = f;
			hf->size = 0;
			hf->data = calloc(1, 1);
		}
	}
	if (!hf)
		return -ENOSPC;
	if (grow && size <= hf->size)
		return 0;
	before = kept(hf);
	hf->size = size;
	hf->data = realloc(hf->data, kept(hf) + 1);
	if (kept(hf) > before)
		memset(hf->data + before, 0, kept(hf) - before);
	return 0;
}

static int op_remove(void *ctx, struct volume_file f)
{
	struct host *h = ctx;
	struct host_file *hf = find(h, f);

	h->writes++;
	if (!hf)
		return -ENOENT;
	free(hf->data);
	hf->data = NULL;
	return 0;
}

static int op_random(void *ctx, void *data, size_t size)
{
	memset(data, 0x5a, size);
	return 0;
}

static void op_now(void *ctx, int64_t *sec, uint32_t *nsec)
{
	*sec = 1;
	*nsec = 2;
}

static void *op_alloc(void *ctx, size_t size)
{
	struct host *h = ctx;

	if (size > 1 << 26)
		return NULL;
	h->allocated += size;
	return calloc(1, size);
}

static void op_free(void *ctx, void *p, size_t size)
{
	struct host *h = ctx;

	h->allocated -= size;
	free(p);
}

static const struct volume_ops ops = {
	.read = op_read,
	.write = op_write,
	.flush = op_flush,
	.resize = op_resize,
	.remove = op_remove,
	.random = op_random,
	.now = op_now,
	.alloc = op_alloc,
	.free = op_free,
};

static void host_copy(struct host *to, const struct host *from)
{
	for (int i = 0; i < FILES; i++) {
		const struct host_file *s = &from->file[i];
		struct host_file *d = &to->file[i];

		free(d->data);
		*d = *s;
		if (s->data) {
			d->data = malloc(kept(s) + 1);
			memcpy(d->data, s->data, kept(s));
		}
	}
	to->writes = 0;
	to->allocated = 0;
}

/* ---- the volume to begin with ---- */

static const uint8_t key[VOL_KEY_SIZE];

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void put_file(
	struct volume_node *dir, const char *name, uint64_t at, size_t size)
{
	static uint8_t data[READ_MAX];
	struct volume_attr a = {.mode = 0100644};
	struct volume_node *n;

	must(volume_make(dir, name, strlen(name), &a, NULL, &n) == 0);
	if (size)
		must(volume_write(n, at, data, size) == (int64_t)size);
	volume_put(n);
}

static void make_base(void)
{
	struct volume_env env = {&ops, &base, 256 * 1024};
	struct volume_params p = {
		VOL_ENCRYPTED, VOL_SEGMENT_SHIFT_MIN, 0755, 0, 0};
	struct volume_attr d = {.mode = 040755}, l = {.mode = 0120777};
	struct volume_node *root, *dir, *n;
	uint8_t tag[VOL_TAG_SIZE];
	struct volume *v;
	char name[VOL_NAME_MAX + 1];

	must(volume_create(&env, &p, key, tag, NULL) == 0);
	must(volume_open(&env, key, 0, NULL, &v, NULL) == 0);
	must(volume_get(v, VOL_OBJECT_ROOT, &root) == 0);
	must(volume_make(root, "dir", 3, &d, NULL, &dir) == 0);
	must(volume_make(root, "link", 4, &l, "dir/0", &n) == 0);
	volume_put(n);
	put_file(root, "big", 0, READ_MAX);
	put_file(root, "far", UINT64_C(1) << 31, 10);
	/* Enough long names for a tree of more than one block. */
	memset(name, 'n', sizeof(name));
	for (int i = 0; i < 40; i++) {
		int len = snprintf(name, sizeof(name), "%d", i);

		name[len] = 'x';
		name[VOL_NAME_MAX] = 0;
		put_file(dir, name, 0, i % 4 ? 0 : 100);
	}
	must(volume_lookup(root, "big", 3, &n) == 0);
	must(volume_xattr_set(n, "user.a", "value", 5, 0) == 0);
	must(volume_commit(v) == 0);
	/* And something in the log. */
	must(volume_write(n, 5000, "log", 3) == 3);
	must(volume_punch(n, 8192, 4096) == 0);
	volume_put(n);
	must(volume_unlink(dir, name, VOL_NAME_MAX, false) == 0);
	put_file(dir, "late", 0, 5000);
	must(volume_sync(v) == 0);
	/* As after a crash: what is on the disk now. */
	host_copy(&now, &base);
	volume_put(dir);
	volume_put(root);
	(void)volume_close(v);
	host_copy(&base, &now);
}

/* ---- what is done with what comes out ---- */

struct names {
	int left;
	char name[8][VOL_NAME_MAX];
	size_t len[8];
	int count;
};

static int add(void *arg, const char *name, size_t len, uint64_t ino,
	uint32_t type, uint64_t next)
{
	struct names *s = arg;

	must(len > 0 && len <= VOL_NAME_MAX);
	if (s->count < 8) {
		memcpy(s->name[s->count], name, len);
		s->len[s->count++] = len;
	}
	return --s->left <= 0;
}

static void look(struct volume_node *n)
{
	static uint8_t data[READ_MAX];
	struct volume_attr a;

	volume_getattr(n, &a);
	(void)!volume_read(n, 0, data, sizeof(data));
	(void)!volume_read(n, UINT64_C(1) << 31, data, 100);
	(void)!volume_readlink(n, (char *)data, sizeof(data));
	(void)!volume_xattr_list(n, (char *)data, sizeof(data));
	(void)!volume_xattr_get(n, "user.a", data, sizeof(data));
	(void)!volume_seek(n, 0, true);
	(void)!volume_seek(n, 0, false);
}

static void change(struct volume_node *dir, struct volume_node *n,
	const char *name, size_t len)
{
	struct volume_attr a = {.mode = 0100600, .size = 3000};

	(void)!volume_write(n, 1000, "some text", 9);
	(void)!volume_punch(n, 0, 9000);
	(void)!volume_setattr(n, VOLUME_SET_SIZE, &a);
	(void)!volume_xattr_set(n, "user.b", "b", 1, 0);
	(void)!volume_link(n, dir, "another", 7);
	(void)!volume_rename(dir, name, len, dir, "renamed", 7, 0);
	(void)!volume_unlink(dir, "another", 7, false);
}

static void use_dir(struct volume_node *dir, bool write, int depth)
{
	struct names s = {.left = 100};

	(void)!volume_readdir(dir, 0, add, &s);
	for (int i = 0; i < s.count; i++) {
		struct volume_node *n;

		if (volume_lookup(dir, s.name[i], s.len[i], &n))
			continue;
		look(n);
		if (depth)
			use_dir(n, write, depth - 1);
		if (write)
			change(dir, n, s.name[i], s.len[i]);
		volume_put(n);
	}
}

static void use(struct volume *v, bool write)
{
	struct volume_attr a = {.mode = 0100600};
	struct volume_verify how = {0};
	struct volume_node *root, *n;

	(void)!volume_verify(v, &how);
	if (volume_get(v, VOL_OBJECT_ROOT, &root))
		return;
	look(root);
	use_dir(root, write, 2);
	if (write && volume_make(root, "new", 3, &a, NULL, &n) == 0) {
		(void)!volume_write(n, 0, "contents", 8);
		volume_put(n);
	}
	volume_put(root);
	if (!write)
		return;
	(void)!volume_sync(v);
	for (int i = 0; i < STEPS && volume_compact(v, i & 1) > 0; i++)
		;
	(void)!volume_commit(v);
	(void)!volume_rekey(v, key, NULL);
}

/* Blocks with something else than zeros in them: the files' contents are. */
static struct target {
	int file;
	uint64_t offset;
} targets[TARGETS];
static unsigned target_count;

static void find_targets(void)
{
	static const uint8_t zeros[VOL_BLOCK_SIZE];

	for (int i = 0; i < FILES; i++) {
		const struct host_file *hf = &base.file[i];

		for (uint64_t at = 0;
			hf->data && at + VOL_BLOCK_SIZE <= kept(hf);
			at += VOL_BLOCK_SIZE) {
			if (memcmp(hf->data + at, zeros, sizeof(zeros)) == 0)
				continue;
			must(target_count < TARGETS);
			targets[target_count++] = (struct target){i, at};
		}
	}
}

static uint8_t *target(unsigned i)
{
	const struct target *t = &targets[i % target_count];

	return now.file[t->file].data + t->offset;
}

/* Five bytes: block, offset, what to do, with what. */
static void patch(const uint8_t *in)
{
	static const uint64_t values[] = {0, 1, 2, 3, 7, 0x7f, 0xff, 0xffff,
		0x7fffffff, 0xffffffff, INT64_MAX, INT64_MIN, UINT64_MAX,
		UINT64_C(1) << 40, UINT64_C(1) << 32, 4096};
	uint8_t *block = target(in[0]);
	size_t at = (in[1] | (size_t)in[2] << 8) % VOL_BLOCK_SIZE;
	uint64_t v = values[in[4] % 16], old;

	switch (in[3] % 8) {
	case 0:
		block[at] = in[4];
		break;
	case 1:
		block[at] ^= in[4];
		break;
	case 2:
		memcpy(block + at / 2 * 2, &v, 2);
		break;
	case 3:
		memcpy(block + at / 4 * 4, &v, 4);
		break;
	case 4:
		memcpy(block + at / 8 * 8, &v, 8);
		break;
	case 5:
		memcpy(&old, block + at / 8 * 8, 8);
		old += (uint64_t)(int8_t)in[4];
		memcpy(block + at / 8 * 8, &old, 8);
		break;
	case 6:
		memmove(block + at / 32 * 32, block + in[4] % 128 * 32, 32);
		break;
	case 7:
		memcpy(block, target(in[4]), VOL_BLOCK_SIZE);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned flags[] = {
		0, VOLUME_READ_ONLY, VOLUME_READ_ONLY, VOLUME_RESCUE};
	struct volume_env env = {&ops, &now, 256 * 1024};
	struct err err = {0};
	struct volume *v;
	bool write;

	if (!base.file[0].data)
		make_base();
	if (!target_count)
		find_targets();
	if (size == 0)
		return 0;
	host_copy(&now, &base);
	for (size_t at = 1; at + 5 <= size; at += 5)
		patch(data + at);
	write = data[0] % 4 == 0;
	if (volume_open(&env, key, flags[data[0] % 4], NULL, &v, &err) == 0) {
		use(v, write);
		(void)volume_close(v);
	} else {
		must(err.code != 0);
	}
	must(now.allocated == 0);
	must(write || now.writes == 0);
	return 0;
}

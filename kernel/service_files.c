/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that CAS injects: in the enclave's memory, and nowhere else. Where the
 * file system of the path is memory itself they are files of it. Elsewhere, on
 * volumes, images and the host's files, a memory file covers the path, as a
 * bind mount would: what is below does not change. A name that is missing is
 * made empty on volumes; elsewhere it is a name that only we know, which is
 * listed behind the file system's own.
 */
#include "kernel/boot.h"
#include "kernel/file.h"
#include "kernel/fsabi.h"
#include "kernel/kalloc.h"
#include "kernel/process.h"
#include "kernel/service.h"
#include "kernel/tmpfs.h"
#include "kernel/uio.h"
#include "lib/config.h"
#include "lib/service.h"
#include "lib/string.h"

/* A name that its file system does not know. */
static int place_lookup(struct dentry *dir, struct dentry *d)
{
	dentry_set(d, NULL, UINT64_MAX);
	return 0;
}

static int place_getattr(
	struct dentry *d, struct vnode *v, struct file *f, struct kstat *st)
{
	*st = (struct kstat){.dev = v->dev,
		.ino = v->ino,
		.mode = v->mode,
		.nlink = 1,
		.uid = (uint32_t)boot_config()->uid,
		.gid = (uint32_t)boot_config()->gid,
		.blksize = 4096};
	st->atime = st->mtime = st->ctime = vfs_now();
	return 0;
}

static int place_getdents(struct file *f, struct dirent_sink *sink)
{
	int err = 0;

	for (; !err && f->pos < 2; f->pos += !err)
		err = sink->add(sink, "..", f->pos + 1, f->vnode->ino,
			f->pos + 1, DT_DIR);
	return err;
}

static int place_open(
	struct dentry *d, uint32_t flags, uint32_t mode, struct file **out)
{
	static const struct file_ops dir_ops = {
		.name = "place",
		.lseek = vfs_seek_endless,
		.getdents = place_getdents,
	};

	return vfs_file_new(&dir_ops, flags, d, out);
}

static const struct vnode_ops place_ops = {
	.lookup = place_lookup,
	.getattr = place_getattr,
	.open = place_open,
};
static uint64_t places;

/* ---- what directories list ---- */

/* Positions of these names: no file system has such. */
#define NAMES (1ull << 63)

bool service_names_begun(const struct file *f)
{
	return f->pos >= NAMES;
}

int service_names_list(struct file *f, struct dirent_sink *sink)
{
	uint64_t at = NAMES;
	struct dentry *d;
	int err;

	if (!places || !f->dentry)
		return 0;
	list_for_each_entry (d, &f->dentry->children, child_node) {
		if (!d->vnode || d->vnode->ops != &place_ops ||
			at++ < u64_max(f->pos, NAMES))
			continue;
		/* To seek there is to go on behind them. */
		err = sink->add(sink, d->name, d->len, d->vnode->ino, INT64_MAX,
			d->vnode->mode >> 12 & 15);
		if (err)
			return err;
		f->pos = at;
	}
	return 0;
}

/* ---- files ---- */

static int make_place(struct dentry *d, uint32_t mode)
{
	struct vnode *v = kzalloc(sizeof(*v));

	if (!v)
		return -ENOMEM;
	vnode_init(v, &place_ops, d->mount, mode, (1ull << 62) + ++places);
	dentry_set(d, v, UINT64_MAX);
	vnode_put(v);
	if (!d->hash_pprev)
		dentry_insert(d);
	(void)dentry_get(d); /* for ever: nothing could bring it back */
	return 0;
}

static bool in_memory(const struct mount *m)
{
	return strcmp(m->type, "tmpfs") == 0 || strcmp(m->type, "dev") == 0;
}

/* Is it for us to make names there? The host is not told of any. */
static bool can_make(const struct dentry *dir)
{
	const struct vnode_ops *ops = dir->vnode->ops;

	return !dir->mount->readonly && ops->create && ops->mkdir &&
		(in_memory(dir->mount) ||
			strcmp(dir->mount->type, "volume") == 0);
}

/* The directory path[0..len), made if it is not there. */
static int make_directory(char *path, size_t len)
{
	struct walk w;
	int err;

	path[len] = '\0';
	err = vfs_walk(AT_FDCWD, path, WALK_FOLLOW | WALK_PARENT, &w);
	if (!err) {
		if (w.file ||
			(w.dentry->vnode && !S_ISDIR(w.dentry->vnode->mode)))
			err = -ENOTDIR;
		else if (!w.dentry->vnode && can_make(w.parent))
			err = w.parent->vnode->ops->mkdir(w.dentry, 0755);
		else if (!w.dentry->vnode)
			err = make_place(w.dentry, S_IFDIR | 0755);
		walk_done(&w);
	}
	path[len] = '/';
	return err;
}

static int fill(struct vnode *v, const struct bytes *data)
{
	struct uio u;
	int64_t n = 0;

	uio_init_kernel(&u, (void *)(uintptr_t)data->data, data->size);
	while (u.resid && n >= 0) {
		n = tmpfs_write(tmpfs_node(v), &u, data->size - u.resid);
		if (n == 0)
			n = -ENOSPC;
	}
	return n < 0 ? (int)n : 0;
}

/* d means a file of memory from now on, whatever it was. */
static int cover(struct dentry *d, const struct service_file *f)
{
	static struct tmpfs memory = {.limit = UINT64_MAX, .next_ino = 2};
	struct mount *m = kzalloc(sizeof(*m));
	struct tmpfs_node *n;
	int err;

	if (!m)
		return -ENOMEM;
	m->type = "tmpfs";
	m->dev = 0xff00000002ull;
	m->priv = &memory;
	n = tmpfs_node_new(m, S_IFREG | (uint32_t)f->mode, 0);
	err = mount_set_root(m, n ? &n->v : NULL);
	if (!err)
		err = fill(&n->v, &f->data);
	if (err) {
		dentry_put(m->root);
		kfree(m);
		return err;
	}
	m->covered = dentry_get(d);
	d->mounted = m;
	dentry_generation++;
	d->expires = UINT64_MAX;
	return 0;
}

/* An empty file of its file system, or of none. */
static int make_file(struct walk *w, const struct service_file *f)
{
	struct file *made;
	int err;

	if (!can_make(w->parent))
		return make_place(w->dentry, S_IFREG | (uint32_t)f->mode);
	err = w->parent->vnode->ops->create(
		w->dentry, O_WRONLY, S_IFREG | (uint32_t)f->mode, &made);
	if (!err)
		file_put(made);
	return err;
}

static int inject(const struct service_file *f, char *path)
{
	struct walk w;
	int err = 0;

	for (size_t i = 1; !err && path[i]; i++)
		if (path[i] == '/')
			err = make_directory(path, i);
	if (!err)
		err = vfs_walk(AT_FDCWD, path, WALK_FOLLOW | WALK_PARENT, &w);
	if (err)
		return err;
	if (w.file || !w.parent)
		err = -ELOOP;
	else if (!w.dentry->vnode)
		err = make_file(&w, f);
	else if (!S_ISREG(w.dentry->vnode->mode))
		err = -EISDIR;
	if (!err)
		err = in_memory(w.dentry->mount) &&
				w.dentry->vnode->ops != &place_ops
			? fill(w.dentry->vnode, &f->data)
			: cover(w.dentry, f);
	walk_done(&w);
	return err;
}

int service_files_inject(const struct service_config *c, struct err *e)
{
	const struct service_file *f = c->files.item;

	for (size_t i = 0; i < c->files.count; i++, f++) {
		struct service_file filled = *f;
		char *path = kstrdup(f->path);
		uint8_t *text = NULL;
		int err = 0;

		if (f->template)
			err = service_template_make(
				f, &text, &filled.data.size, e);
		if (err) {
			kfree(path);
			return err;
		}
		if (f->template)
			filled.data.data = text;
		err = path ? inject(&filled, path) : -ENOMEM;
		if (text)
			string_wipe(text, filled.data.size);
		kfree(text);
		kfree(path);
		if (err)
			return err_setf(e, err,
				"injected file %.200s cannot be put there "
				"(error %d)",
				f->path, -err);
	}
	return 0;
}

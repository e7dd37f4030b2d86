/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mount table. Mounts are made at boot, from the launch configuration,
 * and stay.
 */
#include "kernel/vfs.h"

#include "kernel/fsabi.h"
#include "kernel/kalloc.h"
#include "lib/string.h"
#include "lib/types.h"

static struct list mounts = LIST_INIT(mounts);
static int next_id = 20;

/* A directory that exists only to be mounted on. */
static int place_getattr(
	struct dentry *d, struct vnode *v, struct file *f, struct kstat *st)
{
	*st = (struct kstat){.dev = v->dev,
		.ino = v->ino,
		.mode = v->mode,
		.nlink = 2,
		.blksize = 4096};
	st->atime = st->mtime = st->ctime = vfs_now();
	return 0;
}

static int place_lookup(struct dentry *dir, struct dentry *d)
{
	dentry_set(d, NULL, UINT64_MAX);
	return 0;
}

static const struct vnode_ops place_ops = {
	.lookup = place_lookup,
	.getattr = place_getattr,
};

static const struct {
	const char *kind;
	mount_fn fn;
} kinds[] = {
	{"host", hostfs_mount},
	{"tmpfs", tmpfs_mount},
	{"proc", procfs_mount},
	{"dev", devfs_mount},
	{"sys", sysfs_mount},
	{"sconce", servicefs_mount},
	{"attestation", attestfs_mount},
	{"volume", volfs_mount},
};

void vfs_init(void)
{
	list_init(&mounts);
	vfs_root = NULL;
}

struct mount *mount_next(struct mount *m)
{
	struct list *l = m ? m->node.next : mounts.next;

	return l == &mounts ? NULL : list_entry(l, struct mount, node);
}

static struct dentry *over(struct dentry *d)
{
	while (d->mounted)
		d = d->mounted->root;
	return d;
}

/* A name for the mount point that the file system need not have; kept. */
static struct dentry *make_place(
	struct dentry *dir, const char *name, size_t len)
{
	struct dentry *d = dentry_new(dir, dir->mount, name, len);
	struct vnode *v = kzalloc(sizeof(*v));

	if (!d || !v) {
		dentry_put(d);
		kfree(v);
		return NULL;
	}
	vnode_init(v, &place_ops, dir->mount, S_IFDIR | 0755,
		(uint64_t)next_id << 32);
	dentry_set(d, v, UINT64_MAX);
	vnode_put(v);
	dentry_insert(d);
	return d;
}

/* Walks without a process; links are not followed. */
static int find_target(const char *target, struct dentry **out)
{
	struct dentry *d = dentry_get(over(vfs_root));

	while (*target) {
		struct dentry *n;
		size_t len = 0;
		uint32_t hash;

		while (*target == '/')
			target++;
		while (target[len] && target[len] != '/')
			len++;
		if (len == 0)
			break;
		hash = dentry_hash(target, len);
		n = dentry_find(d, target, len, hash);
		if (!n && d->vnode->ops->lookup) {
			n = dentry_new(d, d->mount, target, len);
			if (n && (d->vnode->ops->lookup(d, n) || !n->vnode)) {
				dentry_put(n);
				n = NULL;
			} else if (n && !n->hash_pprev) {
				dentry_insert(n);
			}
		}
		if (n && (!n->vnode || !S_ISDIR(n->vnode->mode))) {
			dentry_put(n);
			dentry_put(d);
			return -ENOTDIR;
		}
		if (!n)
			n = make_place(d, target, len);
		dentry_put(d);
		if (!n)
			return -ENOMEM;
		d = dentry_get(over(n));
		dentry_put(n);
		target += len;
	}
	*out = d;
	return 0;
}

int vfs_mount(const char *kind, const char *source, const char *target,
	bool readonly, uint64_t size)
{
	struct dentry *at = NULL;
	struct mount *m;
	mount_fn fn = NULL;
	int err;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(kinds[i].kind, kind) == 0) {
			fn = kinds[i].fn;
			kind = kinds[i].kind;
		}
	}
	if (!fn || target[0] != '/')
		return -EINVAL;
	if (!vfs_root && target[1] != '\0')
		return -EINVAL;
	m = kzalloc(sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->type = kind;
	m->readonly = readonly;
	m->id = next_id++;
	m->dev = 0xff00000000ull | (uint64_t)m->id; /* no host device */
	m->source = kstrdup(source ? source : kind);
	if (vfs_root) {
		err = find_target(target, &at);
		if (err)
			goto free;
	}
	err = m->source ? fn(m, source, size) : -ENOMEM;
	if (err)
		goto put;
	m->covered = at;
	if (at) {
		at->mounted = m; /* keeps the reference */
		at->expires = UINT64_MAX;
	} else {
		vfs_root = m->root;
	}
	list_add_tail(&mounts, &m->node);
	/* The processors belong to what a process may know of itself. */
	if (fn == procfs_mount)
		return vfs_mount(
			"sys", NULL, "/sys/devices/system/cpu", true, 0);
	if (fn == devfs_mount)
		return vfs_mount(
			"attestation", NULL, "/dev/attestation", false, 0);
	return 0;
put:
	dentry_put(at);
free:
	kfree(m->source);
	kfree(m);
	return err;
}

int mount_set_root(struct mount *m, struct vnode *v)
{
	m->root = v ? dentry_new(NULL, m, "", 0) : NULL;
	if (m->root)
		dentry_set(m->root, v, UINT64_MAX);
	vnode_put(v);
	return m->root ? 0 : -ENOMEM;
}

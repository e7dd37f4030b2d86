/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls that change attributes: modes, owners, sizes, times, extended
 * attributes.
 */
#include "kernel/file.h"
#include "kernel/fsabi.h"
#include "kernel/kalloc.h"
#include "kernel/process.h"
#include "kernel/syscall_fs.h"
#include "kernel/time.h"
#include "kernel/uaccess.h"
#include "kernel/vfs.h"
#include "lib/string.h"

enum {
	EV_ATTRIB = 4, /* IN_ATTRIB */
	EV_MODIFY = 2,
	UTIME_NOW_NS = (1 << 30) - 1,
	UTIME_OMIT_NS = (1 << 30) - 2,
};

/* Applies a to a path; flags AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH. */
static int set_path(int dfd, uint64_t u_path, int flags, const struct kattr *a)
{
	struct walk w;
	int err = walk_from_user(dfd, u_path, walk_flags(flags), &w);

	if (err)
		return err;
	if (w.dentry && w.dentry->vnode)
		err = vfs_setattr(w.dentry, w.dentry->vnode, w.file, a);
	else
		err = -EPERM;
	if (!err)
		vfs_notify(
			w.dentry, a->valid & ATTR_SIZE ? EV_MODIFY : EV_ATTRIB);
	walk_done(&w);
	return err;
}

static int set_file(struct file *f, const struct kattr *a)
{
	int err;

	if (!f->vnode || !f->dentry)
		return -EPERM;
	err = vfs_setattr(f->dentry, f->vnode, f, a);
	if (!err)
		vfs_notify_file(f, EV_ATTRIB);
	return err;
}

/* ---- chmod ---- */

static struct kattr mode_attr(uint64_t u_mode)
{
	return (struct kattr){
		.valid = ATTR_MODE, .mode = (uint32_t)u_mode & 07777};
}

int64_t sys_fchmod(struct file *f, const uint64_t *a)
{
	struct kattr k = mode_attr(a[1]);

	return set_file(f, &k);
}

int64_t sys_fchmodat(const uint64_t *a)
{
	struct kattr k = mode_attr(a[2]);

	return set_path((int)a[0], a[1], 0, &k);
}

/* ---- chown ---- */

static struct kattr owner_attr(uint64_t u_uid, uint64_t u_gid)
{
	struct kattr k = {.uid = (uint32_t)u_uid, .gid = (uint32_t)u_gid};

	if (k.uid != UINT32_MAX)
		k.valid |= ATTR_UID;
	if (k.gid != UINT32_MAX)
		k.valid |= ATTR_GID;
	return k;
}

int64_t sys_fchown(struct file *f, const uint64_t *a)
{
	struct kattr k = owner_attr(a[1], a[2]);

	return set_file(f, &k);
}

int64_t sys_fchownat(const uint64_t *a)
{
	struct kattr k = owner_attr(a[2], a[3]);

	if (a[4] & ~(uint64_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	return set_path((int)a[0], a[1], (int)a[4], &k);
}

/* ---- truncate ---- */

int64_t sys_truncate(const uint64_t *a)
{
	struct kattr k = {.valid = ATTR_SIZE, .size = a[1]};
	struct walk w;
	int err;

	if ((int64_t)a[1] < 0)
		return -EINVAL;
	err = walk_from_user(AT_FDCWD, a[0], WALK_FOLLOW, &w);
	if (err)
		return err;
	if (!w.dentry || w.file)
		err = -EINVAL;
	else if (S_ISDIR(w.dentry->vnode->mode))
		err = -EISDIR;
	else if (!S_ISREG(w.dentry->vnode->mode))
		err = -EINVAL;
	else
		err = vfs_permission(w.dentry, W_OK);
	if (!err)
		err = vfs_setattr(w.dentry, w.dentry->vnode, NULL, &k);
	if (!err)
		vfs_notify(w.dentry, EV_MODIFY);
	walk_done(&w);
	return err;
}

/* ---- times ---- */

struct user_time {
	int64_t sec, sub;
};

static int time_attr(
	struct kattr *k, uint32_t which, struct vtime *out, struct user_time t)
{
	if (t.sub == UTIME_OMIT_NS)
		return 0;
	k->valid |= which;
	if (t.sub == UTIME_NOW_NS) {
		*out = vfs_now();
		return 0;
	}
	if (t.sub < 0 || t.sub >= (int64_t)NSEC_PER_SEC)
		return -EINVAL;
	*out = (struct vtime){t.sec, (uint32_t)t.sub};
	return 0;
}

/* t: access and modification; u_path 0: of the descriptor. */
static int64_t do_utimens(
	int dfd, uint64_t u_path, const struct user_time t[2], int flags)
{
	struct kattr k = {0};
	struct file *f;
	int err = time_attr(&k, ATTR_ATIME, &k.atime, t[0]);

	if (!err)
		err = time_attr(&k, ATTR_MTIME, &k.mtime, t[1]);
	if (err)
		return err;
	if (u_path)
		return set_path(dfd, u_path, flags, &k);
	f = fd_get(dfd);
	err = f ? set_file(f, &k) : -EBADF;
	file_put(f);
	return err;
}

static const struct user_time both_now[2] = {
	{0, UTIME_NOW_NS}, {0, UTIME_NOW_NS}};

int64_t sys_utimensat(const uint64_t *a)
{
	struct user_time t[2];

	if (a[3] & ~(uint64_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	memcpy(t, both_now, sizeof(t));
	if (a[2] && user_read(t, a[2], sizeof(t)))
		return -EFAULT;
	return do_utimens((int)a[0], a[1], t, (int)a[3]);
}

/* The older calls count microseconds. */
int64_t sys_futimesat(const uint64_t *a)
{
	struct user_time t[2];

	memcpy(t, both_now, sizeof(t));
	if (a[2]) {
		if (user_read(t, a[2], sizeof(t)))
			return -EFAULT;
		for (int i = 0; i < 2; i++) {
			if (t[i].sub < 0 || t[i].sub >= 1000000)
				return -EINVAL;
			t[i].sub *= 1000;
		}
	}
	return do_utimens((int)a[0], a[1], t, 0);
}

int64_t sys_utime(const uint64_t *a)
{
	struct user_time t[2];
	int64_t sec[2];

	memcpy(t, both_now, sizeof(t));
	if (a[1]) {
		if (user_read(sec, a[1], sizeof(sec)))
			return -EFAULT;
		t[0] = (struct user_time){sec[0], 0};
		t[1] = (struct user_time){sec[1], 0};
	}
	return do_utimens(AT_FDCWD, a[0], t, 0);
}

/* ---- extended attributes ---- */

/* What a call is about: a name and, if it is open, the file. */
struct target {
	struct file *f;
	struct dentry *d;
	const struct xattr_ops *ops;
};

static int name_from_user(char name[XATTR_NAME_MAX + 1], uint64_t u_name)
{
	int64_t n = user_read_str(name, u_name, XATTR_NAME_MAX + 1);

	if (n < 0)
		return n == -ENAMETOOLONG ? -ERANGE : (int)n;
	return n == 0 ? -ERANGE : 0;
}

/* What was read, to a buffer of the application; size 0 asks how much it is. */
static int64_t put_value(
	const uint8_t *buf, int64_t n, uint64_t u_to, uint64_t u_size)
{
	if (n <= 0 || !u_size)
		return n;
	if ((uint64_t)n > u_size)
		return -ERANGE;
	return user_write(u_to, buf, (size_t)n) ? -EFAULT : n;
}

/* a: name, value, size. */
static int64_t do_get(const struct target *t, const uint64_t *a)
{
	char name[XATTR_NAME_MAX + 1];
	int64_t n = name_from_user(name, a[0]);
	uint8_t *buf;

	if (n)
		return n;
	buf = kmalloc(XATTR_SIZE_MAX);
	if (!buf)
		return -ENOMEM;
	n = t->ops->get(t->d, t->f, name, buf, XATTR_SIZE_MAX);
	n = put_value(buf, n, a[1], a[2]);
	kfree(buf);
	return n;
}

/* a: name, value, size, flags. */
static int64_t do_set(const struct target *t, const uint64_t *a)
{
	char name[XATTR_NAME_MAX + 1];
	int64_t n = name_from_user(name, a[0]);
	uint8_t *buf;

	if (n)
		return n;
	if (a[2] > XATTR_SIZE_MAX)
		return -E2BIG;
	if (a[3] > 2)
		return -EINVAL;
	if (t->d->mount->readonly)
		return -EROFS;
	buf = kmalloc(a[2] + 1);
	if (!buf)
		return -ENOMEM;
	n = a[2] ? user_read(buf, a[1], a[2]) : 0;
	if (!n)
		n = t->ops->set(t->d, t->f, name, buf, a[2], (int)a[3]);
	kfree(buf);
	return n;
}

/* a: buffer, size. */
static int64_t do_list(const struct target *t, const uint64_t *a)
{
	uint8_t *buf = kmalloc(XATTR_SIZE_MAX);
	int64_t n;

	if (!buf)
		return -ENOMEM;
	n = t->ops->list(t->d, t->f, (char *)buf, XATTR_SIZE_MAX);
	n = put_value(buf, n, a[0], a[1]);
	kfree(buf);
	return n;
}

static int64_t do_remove(const struct target *t, const uint64_t *a)
{
	char name[XATTR_NAME_MAX + 1];
	int64_t n = name_from_user(name, a[0]);

	if (n)
		return n;
	return t->d->mount->readonly ? -EROFS
				     : t->ops->remove(t->d, t->f, name);
}

typedef int64_t xattr_call(const struct target *t, const uint64_t *a);

static int64_t on_target(
	struct dentry *d, struct file *f, const uint64_t *a, xattr_call *call)
{
	struct target t = {f, d, d && d->vnode ? d->vnode->ops->xattr : NULL};

	return t.ops ? call(&t, a + 1) : -EOPNOTSUPP;
}

static int64_t on_path(const uint64_t *a, unsigned walk, xattr_call *call)
{
	struct walk w;
	int64_t n = walk_from_user(AT_FDCWD, a[0], walk, &w);

	if (n)
		return n;
	n = on_target(w.dentry, NULL, a, call);
	walk_done(&w);
	return n;
}

/* Each call as of a path, of a path not following, of a descriptor. */
#define XATTR_CALL(verb, path, lpath, fd)                     \
	int64_t sys_##path(const uint64_t *a)                 \
	{                                                     \
		return on_path(a, WALK_FOLLOW, do_##verb);    \
	}                                                     \
	int64_t sys_##lpath(const uint64_t *a)                \
	{                                                     \
		return on_path(a, 0, do_##verb);              \
	}                                                     \
	int64_t sys_##fd(struct file *f, const uint64_t *a)   \
	{                                                     \
		return on_target(f->dentry, f, a, do_##verb); \
	}

XATTR_CALL(get, getxattr, lgetxattr, fgetxattr)
XATTR_CALL(set, setxattr, lsetxattr, fsetxattr)
XATTR_CALL(list, listxattr, llistxattr, flistxattr)
XATTR_CALL(remove, removexattr, lremovexattr, fremovexattr)

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of AF_UNIX sockets: paths, which are socket files, and abstract ones.
 * A path of the host's is looked up here and connected to elsewhere.
 */
#include <linux/errno.h>

#include "kernel/file.h"
#include "kernel/fsabi.h"
#include "kernel/hostfs.h"
#include "kernel/kalloc.h"
#include "kernel/process.h"
#include "kernel/unixsock_int.h"
#include "kernel/vfs.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "lib/types.h"

enum { PATH_MAX_UN = 108 };

static struct list names = LIST_INIT(names);

struct unixaddr *unixaddr_get(struct unixaddr *a)
{
	if (a != NULL)
		a->refs++;
	return a;
}

void unixaddr_put(struct unixaddr *a)
{
	if (a == NULL || --a->refs > 0)
		return;
	list_del(&a->node);
	vnode_put(a->vnode);
	kfree(a);
}

static bool is_path(const struct sockaddr_buf *addr)
{
	return addr->bytes[UNIX_NAME_HEAD] != 0;
}

static int name_check(const struct sockaddr_buf *addr)
{
	if (addr->size <= UNIX_NAME_HEAD || addr->family != AF_UNIX)
		return -EINVAL;
	return addr->size > UNIX_NAME_HEAD + PATH_MAX_UN ? -EINVAL : 0;
}

static struct unixaddr *find_name(const struct sockaddr_buf *name)
{
	struct unixaddr *a;

	list_for_each_entry (a, &names, node)
		if (a->owner && a->vnode == NULL &&
			a->name.size == name->size &&
			memcmp(a->name.bytes, name->bytes, name->size) == 0)
			return a;
	return NULL;
}

static struct unixaddr *find_vnode(const struct vnode *v)
{
	struct unixaddr *a;

	list_for_each_entry (a, &names, node)
		if (a->owner && a->vnode &&
			(a->vnode == v ||
				(a->vnode->ino == v->ino &&
					a->vnode->dev == v->dev)))
			return a;
	return NULL;
}

/* The path as text; sun_path need not be terminated. */
static void path_text(const struct sockaddr_buf *addr, char *path)
{
	size_t n = addr->size - UNIX_NAME_HEAD;

	memcpy(path, addr->bytes + UNIX_NAME_HEAD, n);
	path[n] = '\0';
}

/* What the host calls the file that d names. */
static int host_name_of(struct dentry *d, struct sockaddr_buf *out)
{
	const char *source = d->mount->source;
	char *path, *text = (char *)out->bytes + UNIX_NAME_HEAD;
	int root, err = hostfs_path(d, &path, &root);
	size_t n;

	if (err)
		return err;
	n = fmt_print(text, PATH_MAX_UN, "%s%s%s", source,
		source[strlen(source) - 1] == '/' ? "" : "/",
		*path == '/' ? path + 1 : path);
	path_buf_put(path);
	out->family = AF_UNIX;
	out->size = UNIX_NAME_HEAD + n + 1;
	return n >= PATH_MAX_UN ? -ENAMETOOLONG : 0;
}

static int lookup_path(const struct sockaddr_buf *addr, struct unixsock **out,
	struct sockaddr_buf *host_name)
{
	char path[PATH_MAX_UN + 1];
	struct unixaddr *a;
	struct walk w;
	int err;

	path_text(addr, path);
	err = vfs_walk(AT_FDCWD, path, WALK_FOLLOW, &w);
	if (err)
		return err;
	a = w.dentry->vnode ? find_vnode(w.dentry->vnode) : NULL;
	err = -ECONNREFUSED;
	if (a != NULL) {
		*out = unixsock_get(a->owner);
		err = 0;
	} else if (w.dentry->vnode && S_ISSOCK(w.dentry->vnode->mode) &&
		strcmp(w.dentry->mount->type, "host") == 0) {
		err = host_name_of(w.dentry, host_name);
		if (err == 0)
			err = -EXDEV;
	}
	walk_done(&w);
	return err;
}

int unixsock_lookup(const struct sockaddr_buf *addr, struct unixsock **out,
	struct sockaddr_buf *host_name)
{
	struct unixaddr *a;
	int err = name_check(addr);

	if (err)
		return err;
	if (is_path(addr))
		return lookup_path(addr, out, host_name);
	a = find_name(addr);
	if (a == NULL)
		return -ECONNREFUSED;
	*out = unixsock_get(a->owner);
	return 0;
}

static struct unixaddr *unixaddr_new(
	struct unixsock *u, const struct sockaddr_buf *name)
{
	struct unixaddr *a = kzalloc(sizeof(*a));

	if (a == NULL)
		return NULL;
	a->refs = 1;
	a->owner = u;
	a->name = *name;
	list_init(&a->node);
	return a;
}

/* Makes the socket file; *v is its vnode, referenced. */
static int make_node(const char *path, struct vnode **v)
{
	uint32_t mode = S_IFSOCK | (0777 & ~curproc->fs->umask);
	struct walk w;
	int err = vfs_walk(AT_FDCWD, path, WALK_PARENT, &w);

	if (err)
		return err;
	if (w.dots || w.parent == NULL || w.dentry->vnode)
		err = -EADDRINUSE;
	else if (w.parent->vnode->ops->mknod == NULL)
		err = -EPERM;
	else
		err = w.parent->vnode->ops->mknod(w.dentry, mode, 0);
	walk_done(&w);
	if (err)
		return err == -EEXIST ? -EADDRINUSE : err;
	err = vfs_walk(AT_FDCWD, path, 0, &w);
	if (err)
		return err;
	if (w.dentry->vnode)
		*v = vnode_get(w.dentry->vnode);
	else
		err = -ENOENT;
	walk_done(&w);
	return err;
}

/* a, new, becomes the name of u: nothing sleeps from here on. */
static int take_name(struct unixsock *u, struct unixaddr *a)
{
	int err = u->addr                                 ? -EINVAL
		: a->vnode == NULL && find_name(&a->name) ? -EADDRINUSE
							  : 0;

	if (err) {
		unixaddr_put(a);
		return err;
	}
	u->addr = a;
	list_add(&names, &a->node);
	return 0;
}

static int bind_path(struct unixsock *u, const struct sockaddr_buf *addr)
{
	char path[PATH_MAX_UN + 1];
	struct sockaddr_buf name = *addr;
	struct unixaddr *a;
	int err;

	path_text(addr, path);
	name.size = UNIX_NAME_HEAD + strlen(path) + 1; /* as Linux shows it */
	name.bytes[u64_min(name.size - 1, SOCKADDR_MAX - 1)] = 0;
	a = unixaddr_new(u, &name);
	if (a == NULL)
		return -ENOMEM;
	err = make_node(path, &a->vnode);
	if (err) {
		unixaddr_put(a);
		return err;
	}
	return take_name(u, a);
}

static int bind_abstract(struct unixsock *u, const struct sockaddr_buf *name)
{
	struct unixaddr *a = unixaddr_new(u, name);

	return a ? take_name(u, a) : -ENOMEM;
}

static int autobind(struct unixsock *u)
{
	static uint32_t next;
	struct sockaddr_buf name = {.size = UNIX_NAME_HEAD + 6};
	int err;

	name.family = AF_UNIX;
	do {
		fmt_print((char *)name.bytes + UNIX_NAME_HEAD + 1, 6, "%05x",
			next++ & 0xfffff);
		err = bind_abstract(u, &name);
	} while (err == -EADDRINUSE);
	return err;
}

int unixsock_bind(struct socket *s, const struct sockaddr_buf *addr)
{
	struct unixsock *u = unixsock_of(s);
	int err;

	if (addr->size < UNIX_NAME_HEAD || addr->family != AF_UNIX)
		return -EINVAL;
	if (u->addr)
		return -EINVAL;
	if (addr->size == UNIX_NAME_HEAD)
		return autobind(u);
	err = name_check(addr);
	if (err)
		return err;
	if (is_path(addr))
		return bind_path(u, addr);
	return bind_abstract(u, addr);
}

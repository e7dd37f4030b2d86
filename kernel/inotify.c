/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inotify(7), for changes that programs of this enclave make. What others
 * change on the host is not seen.
 *
 * A watch belongs to an instance and to a vnode, which it holds. Events are
 * queued on the instance at once; delivering never sleeps, so an event that
 * finds no memory becomes an overflow.
 */
#include <linux/inotify.h>

#include "kernel/file.h"
#include "kernel/fsabi.h"
#include "kernel/kalloc.h"
#include "kernel/poll.h"
#include "kernel/syscall_fs.h"
#include "kernel/uaccess.h"
#include "kernel/uio.h"
#include "kernel/vfs.h"
#include "kernel/wait.h"
#include "lib/string.h"
#include "lib/types.h"

enum { QUEUE_MAX = 16384, WATCHES_MAX = 65536, EV_READABLE = 1 };

struct instance {
	struct list watches;
	struct list events;
	uint32_t event_count, watch_count;
	size_t bytes; /* of all events, as read(2) gives them */
	int next_wd;
	bool overflow;
	struct waitq readable;
};

struct watch {
	struct list in_node; /* of the instance */
	struct list v_node; /* of the vnode */
	struct instance *in;
	struct vnode *v;
	uint32_t mask;
	int wd;
};

struct event {
	struct list node;
	size_t size; /* of what follows */
	struct inotify_event e;
};

static uint32_t watches_everywhere;
static uint32_t next_cookie;

/* ---- events ---- */

static void queue(struct instance *in, int wd, uint32_t mask, uint32_t cookie,
	const char *name, size_t len)
{
	size_t room = len ? align_up(len + 1, sizeof(struct inotify_event)) : 0;
	struct event *last = list_last(&in->events, struct event, node), *ev;

	if (last && last->e.wd == wd && last->e.mask == mask &&
		last->e.cookie == cookie && last->e.len == room &&
		(!len || strcmp(last->e.name, name) == 0))
		return;
	ev = in->event_count < QUEUE_MAX ? kzalloc(sizeof(*ev) + room) : NULL;
	if (!ev) {
		in->overflow = true;
	} else {
		ev->size = sizeof(ev->e) + room;
		ev->e = (struct inotify_event){.wd = wd,
			.mask = mask,
			.cookie = cookie,
			.len = (uint32_t)room};
		memcpy(ev->e.name, name, len);
		list_add_tail(&in->events, &ev->node);
		in->event_count++;
		in->bytes += ev->size;
	}
	waitq_wake_all(&in->readable, EV_READABLE);
}

static void watch_drop(struct watch *w)
{
	struct vnode *v = w->v;

	queue(w->in, w->wd, IN_IGNORED, 0, "", 0);
	list_del(&w->in_node);
	list_del(&w->v_node);
	w->in->watch_count--;
	watches_everywhere--;
	kfree(w);
	vnode_put(v);
}

static void deliver(struct vnode *v, uint32_t mask, uint32_t cookie,
	const char *name, size_t len)
{
	struct list *l = v->watches.next, *next;

	vnode_get(v); /* dropping the last watch must not end it here */
	for (; l != &v->watches; l = next) {
		struct watch *w = list_entry(l, struct watch, v_node);

		next = l->next;
		if (!(w->mask & mask & IN_ALL_EVENTS))
			continue;
		queue(w->in, w->wd, mask, cookie, name, len);
		if (w->mask & IN_ONESHOT)
			watch_drop(w);
	}
	vnode_put(v);
}

static void drop_all(struct vnode *v)
{
	vnode_get(v);
	while (!list_is_empty(&v->watches))
		watch_drop(list_first(&v->watches, struct watch, v_node));
	vnode_put(v);
}

void vfs_notify(struct dentry *d, uint32_t mask)
{
	struct vnode *dir, *v;
	uint32_t flag;

	if (!watches_everywhere || !d)
		return;
	v = d->vnode;
	dir = d->parent != d ? d->parent->vnode : NULL;
	flag = (mask & IN_ISDIR) || (v && S_ISDIR(v->mode)) ? IN_ISDIR : 0;
	if (mask & IN_MOVED_FROM)
		next_cookie++;
	if (dir && !list_is_empty(&dir->watches))
		deliver(dir, mask | flag,
			mask & (IN_MOVED_FROM | IN_MOVED_TO) ? next_cookie : 0,
			d->name, d->len);
	if (!v || list_is_empty(&v->watches))
		return;
	if (mask & IN_MOVED_TO) {
		deliver(v, IN_MOVE_SELF, 0, "", 0);
	} else if (mask & IN_DELETE) {
		deliver(v, IN_DELETE_SELF, 0, "", 0);
		drop_all(v);
	} else if (!(mask & (IN_CREATE | IN_MOVED_FROM))) {
		deliver(v, mask | flag, 0, "", 0);
	}
}

void vfs_notify_file(struct file *f, uint32_t mask)
{
	if (watches_everywhere && f->dentry && f->vnode)
		vfs_notify(f->dentry, mask);
}

/* ---- the file ---- */

static int64_t inotify_read(struct file *f, struct uio *u, uint64_t *pos)
{
	struct instance *in = f->priv;
	int64_t done = 0;
	struct event *ev;
	int err;

	while (list_is_empty(&in->events) && !in->overflow) {
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		err = waitq_wait(&in->readable, NO_DEADLINE);
		if (err)
			return err;
	}
	while ((ev = list_first(&in->events, struct event, node))) {
		if (ev->size > u->resid)
			return done ? done : -EINVAL;
		list_del(&ev->node); /* copying may sleep */
		in->event_count--;
		in->bytes -= ev->size;
		err = uio_copy_to(u, &ev->e, ev->size);
		done += (int64_t)ev->size;
		kfree(ev);
		if (err)
			return err;
	}
	if (in->overflow && u->resid >= sizeof(struct inotify_event)) {
		struct inotify_event e = {.wd = -1, .mask = IN_Q_OVERFLOW};

		in->overflow = false;
		err = uio_copy_to(u, &e, sizeof(e));
		if (err)
			return err;
		done += (int64_t)sizeof(e);
	}
	return done;
}

static uint32_t inotify_poll(struct file *f, struct poll_ctx *pc)
{
	struct instance *in = f->priv;

	poll_add(pc, &in->readable);
	return list_is_empty(&in->events) && !in->overflow ? 0 : EV_READABLE;
}

static int64_t inotify_ioctl(struct file *f, uint32_t cmd, uint64_t u_arg)
{
	struct instance *in = f->priv;
	int32_t n = (int32_t)u64_min(in->bytes, INT32_MAX);

	return cmd == FIONREAD ? user_write(u_arg, &n, sizeof(n)) : -ENOTTY;
}

static int inotify_stat(struct file *f, struct kstat *st)
{
	vfs_anon_stat(st, 0600, 1);
	return 0;
}

static void inotify_release(struct file *f)
{
	struct instance *in = f->priv;
	struct event *ev, *tmp;

	while (!list_is_empty(&in->watches))
		watch_drop(list_first(&in->watches, struct watch, in_node));
	list_for_each_entry_safe (ev, tmp, &in->events, node) {
		list_del(&ev->node);
		kfree(ev);
	}
	kfree(in);
}

static const struct file_ops inotify_ops = {
	.name = "inotify",
	.read = inotify_read,
	.ioctl = inotify_ioctl,
	.poll = inotify_poll,
	.stat = inotify_stat,
	.release = inotify_release,
};

/* ---- system calls ---- */

int64_t sys_inotify_init1(const uint64_t *a)
{
	uint64_t u_flags = a[0];
	struct instance *in;
	struct file *f;

	if (u_flags & ~(uint64_t)(IN_CLOEXEC | IN_NONBLOCK))
		return -EINVAL;
	f = file_new_state(
		&inotify_ops, (uint32_t)u_flags & IN_NONBLOCK, sizeof(*in));
	if (!f)
		return -ENOMEM;
	in = f->priv;
	list_init(&in->watches);
	list_init(&in->events);
	waitq_init(&in->readable);
	in->next_wd = 1;
	return fd_install_new(f, u_flags & IN_CLOEXEC);
}

static int64_t add(struct instance *in, struct vnode *v, uint32_t mask)
{
	struct watch *w;

	list_for_each_entry (w, &v->watches, v_node) {
		if (w->in != in)
			continue;
		if (mask & IN_MASK_CREATE)
			return -EEXIST;
		w->mask = mask & IN_MASK_ADD ? w->mask | mask : mask;
		return w->wd;
	}
	if (in->watch_count >= WATCHES_MAX)
		return -ENOSPC;
	w = kzalloc(sizeof(*w));
	if (!w)
		return -ENOMEM;
	*w = (struct watch){
		.in = in, .v = vnode_get(v), .mask = mask, .wd = in->next_wd++};
	list_init(&w->in_node);
	list_init(&w->v_node);
	list_add_tail(&in->watches, &w->in_node);
	list_add_tail(&v->watches, &w->v_node);
	in->watch_count++;
	watches_everywhere++;
	return w->wd;
}

int64_t sys_inotify_add_watch(struct file *f, const uint64_t *a)
{
	uint32_t mask = (uint32_t)a[2];
	unsigned wf = mask & IN_DONT_FOLLOW ? 0 : WALK_FOLLOW;
	struct walk w;
	int64_t n;

	if (!(mask & IN_ALL_EVENTS) ||
		((mask & IN_MASK_ADD) && (mask & IN_MASK_CREATE)))
		return -EINVAL;
	if (f->ops != &inotify_ops)
		return -EINVAL;
	if (mask & IN_ONLYDIR)
		wf |= WALK_DIRECTORY;
	n = walk_from_user(AT_FDCWD, a[1], wf, &w);
	if (n)
		return n;
	if (!w.dentry || !w.dentry->vnode)
		n = -EACCES;
	else
		n = vfs_permission(w.dentry, R_OK);
	if (!n)
		n = add(f->priv, w.dentry->vnode, mask);
	walk_done(&w);
	return n;
}

int64_t sys_inotify_rm_watch(struct file *f, const uint64_t *a)
{
	struct instance *in = f->priv;
	struct watch *w;

	if (f->ops != &inotify_ops)
		return -EINVAL;
	list_for_each_entry (w, &in->watches, in_node) {
		if (w->wd == (int)a[1]) {
			watch_drop(w);
			return 0;
		}
	}
	return -EINVAL;
}

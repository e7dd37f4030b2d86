/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/flock.h"

#include "kernel/file.h"
#include "kernel/fsabi.h"
#include "kernel/kalloc.h"
#include "kernel/process.h"
#include "kernel/vfs.h"
#include "kernel/wait.h"
#include "lib/list.h"
#include "lib/types.h"

struct lock {
	struct list node; /* sorted by start among those of one owner */
	const void *owner;
	bool write, ofd;
	int32_t pid;
	uint64_t start, end;
};

struct flock_table {
	struct list ranges; /* POSIX and OFD locks */
	struct list whole; /* flock(2): owner is the file */
	struct waitq queue;
	uint32_t waiters;
};

/* Who waits for whom, for POSIX deadlocks. */
struct waiting {
	struct list node;
	const void *owner, *holder;
};

static struct list waiting = LIST_INIT(waiting);

static struct flock_table *table_of(struct vnode *v)
{
	struct flock_table *t = v->locks;

	if (t)
		return t;
	t = kzalloc(sizeof(*t));
	if (!t)
		return NULL;
	list_init(&t->ranges);
	list_init(&t->whole);
	waitq_init(&t->queue);
	v->locks = t;
	return t;
}

static void drop(struct lock *l)
{
	list_del(&l->node);
	kfree(l);
}

static struct lock *conflict(struct list *head, const void *owner, bool write,
	uint64_t start, uint64_t end)
{
	struct lock *l;

	list_for_each_entry (l, head, node) {
		if (l->owner != owner && (l->write || write) &&
			l->start < end && start < l->end)
			return l;
	}
	return NULL;
}

static bool would_deadlock(const void *owner, const void *holder)
{
	/* Follow the chain of holders; longer ones are not looked for. */
	for (int depth = 0; depth < 32; depth++) {
		struct waiting *w;
		const void *next = NULL;

		if (holder == owner)
			return true;
		list_for_each_entry (w, &waiting, node) {
			if (w->owner == holder)
				next = w->holder;
		}
		if (!next)
			return false;
		holder = next;
	}
	return false;
}

/*
 * Puts [start, end) of owner to the new state: what it had there is cut out,
 * then the new lock, if any, goes in. spare[2] are allocated before, so that
 * this cannot fail.
 */
static void replace(struct flock_table *t, const void *owner,
	const struct flock_range *r, bool ofd, struct lock *spare[2])
{
	struct lock *l, *tmp;
	int used = 0;

	list_for_each_entry_safe (l, tmp, &t->ranges, node) {
		if (l->owner != owner || l->end <= r->start ||
			l->start >= r->end)
			continue;
		if (l->start < r->start && l->end > r->end) {
			struct lock *right = spare[used++];

			*right = *l;
			list_init(&right->node);
			right->start = r->end;
			l->end = r->start;
			list_add(&l->node, &right->node);
			break; /* the owner's others lie outside */
		} else if (l->start < r->start) {
			l->end = r->start;
		} else if (l->end > r->end) {
			l->start = r->end;
		} else {
			drop(l);
		}
	}
	if (r->type != F_UNLCK) {
		struct lock *n = spare[used++];

		n->owner = owner;
		n->write = r->type == F_WRLCK;
		n->ofd = ofd;
		n->pid = ofd ? -1 : curproc->pid;
		n->start = r->start;
		n->end = r->end;
		/* Merge with neighbours of the same kind. */
		list_for_each_entry_safe (l, tmp, &t->ranges, node) {
			if (l->owner != owner || l->write != n->write ||
				(l->end != n->start && l->start != n->end))
				continue;
			n->start = u64_min(n->start, l->start);
			n->end = u64_max(n->end, l->end);
			drop(l);
		}
		list_init(&n->node);
		list_add_tail(&t->ranges, &n->node);
	}
	while (used < 2)
		kfree(spare[used++]);
	waitq_wake_all(&t->queue, 0);
}

static int wait_for(struct flock_table *t, const void *owner,
	const struct lock *holder, bool posix)
{
	struct waiting w = {.owner = owner, .holder = holder->owner};
	int err;

	if (posix && would_deadlock(owner, holder->owner))
		return -EDEADLK;
	list_init(&w.node);
	if (posix)
		list_add(&waiting, &w.node);
	t->waiters++;
	err = waitq_wait(&t->queue, NO_DEADLINE);
	t->waiters--;
	list_del(&w.node);
	return err;
}

int flock_range_set(struct file *f, const void *owner, bool ofd,
	const struct flock_range *r, bool wait)
{
	struct flock_table *t = table_of(f->vnode);
	struct lock *spare[2], *l;
	int err;

	if (!t)
		return -ENOLCK;
	while (r->type != F_UNLCK &&
		(l = conflict(&t->ranges, owner, r->type == F_WRLCK, r->start,
			 r->end))) {
		if (!wait)
			return -EAGAIN;
		err = wait_for(t, owner, l, !ofd);
		if (err)
			return err;
	}
	spare[0] = kzalloc(sizeof(struct lock));
	spare[1] = kzalloc(sizeof(struct lock));
	if (!spare[0] || !spare[1]) {
		kfree(spare[0]);
		kfree(spare[1]);
		return -ENOLCK;
	}
	/* kzalloc may have slept. */
	if (r->type != F_UNLCK &&
		conflict(&t->ranges, owner, r->type == F_WRLCK, r->start,
			r->end)) {
		kfree(spare[0]);
		kfree(spare[1]);
		return wait ? flock_range_set(f, owner, ofd, r, wait) : -EAGAIN;
	}
	replace(t, owner, r, ofd, spare);
	return 0;
}

void flock_range_test(struct file *f, const void *owner, struct flock_range *r)
{
	struct flock_table *t = f->vnode->locks;
	struct lock *l = t ? conflict(&t->ranges, owner, r->type == F_WRLCK,
				     r->start, r->end)
			   : NULL;

	if (!l) {
		r->type = F_UNLCK;
		return;
	}
	r->type = l->write ? F_WRLCK : F_RDLCK;
	r->start = l->start;
	r->end = l->end;
	r->pid = l->pid;
}

int flock_whole(struct file *f, int type, bool wait)
{
	struct flock_table *t = table_of(f->vnode);
	struct lock *l, *tmp, *n, *holder;
	int err;

	if (!t)
		return -ENOLCK;
	if (type == F_UNLCK) {
		list_for_each_entry_safe (l, tmp, &t->whole, node) {
			if (l->owner == f)
				drop(l);
		}
		waitq_wake_all(&t->queue, 0);
		return 0;
	}
	n = kzalloc(sizeof(*n));
	if (!n)
		return -ENOLCK;
	while ((holder = conflict(&t->whole, f, type == F_WRLCK, 0, 1))) {
		err = wait ? wait_for(t, f, holder, false) : -EAGAIN;
		if (err) {
			kfree(n);
			return err;
		}
	}
	list_for_each_entry_safe (l, tmp, &t->whole, node) {
		if (l->owner == f)
			drop(l);
	}
	n->owner = f;
	n->write = type == F_WRLCK;
	n->end = 1;
	list_add(&t->whole, &n->node);
	waitq_wake_all(&t->queue, 0);
	return 0;
}

static void drop_owner(struct list *head, const void *owner)
{
	struct lock *l, *tmp;

	list_for_each_entry_safe (l, tmp, head, node) {
		if (l->owner == owner)
			drop(l);
	}
}

void flock_posix_release(struct vnode *v, const struct fdtable *t)
{
	drop_owner(&v->locks->ranges, t);
	waitq_wake_all(&v->locks->queue, 0);
}

void flock_file_gone(struct file *f)
{
	struct flock_table *t = f->vnode->locks;

	drop_owner(&t->ranges, f);
	drop_owner(&t->whole, f);
	waitq_wake_all(&t->queue, 0);
}

void flock_vnode_gone(struct vnode *v)
{
	struct lock *l, *tmp;

	list_for_each_entry_safe (l, tmp, &v->locks->ranges, node)
		drop(l);
	list_for_each_entry_safe (l, tmp, &v->locks->whole, node)
		drop(l);
	kfree(v->locks);
	v->locks = NULL;
}

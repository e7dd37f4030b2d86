/* SPDX-License-Identifier: Apache-2.0 */
/*
 * epoll(7) inside the enclave.
 *
 * Each registration (item) has waiters on the wait queues of its file. A wake
 * that concerns it puts it on the ready list of its instance and wakes one
 * sleeper. Collecting takes items off that list and asks the file once:
 *
 *   not ready       it stays off; the next wake brings it back
 *   edge-triggered  reported, stays off
 *   one-shot        reported, disabled until EPOLL_CTL_MOD
 *   otherwise       reported, back at the tail: looked at again next time
 *
 * Asking a file may sleep. The item is then held by a reference, and a wake
 * in the meantime puts it back on the list, so that no edge is lost.
 */
#include "kernel/epoll.h"

#include <asm/poll.h>
#include <linux/errno.h>
#include <linux/eventpoll.h>

#include "kernel/file.h"
#include "kernel/hostready.h"
#include "kernel/kalloc.h"
#include "kernel/poll.h"
#include "kernel/poll_table.h"
#include "kernel/signal.h"
#include "kernel/sys.h"
#include "kernel/time.h"
#include "kernel/uaccess.h"
#include "kernel/usertime.h"
#include "lib/string.h"
#include "lib/types.h"

enum {
	EPOLL_BATCH = 64, /* events copied out at a time */
	EPOLL_NEST_MAX = 4,
	EPOLL_EVENTS_MAX = INT32_MAX / 12,
	EPOLL_FD_MAX = 1 << 20,
};

static const uint32_t behaviour = (uint32_t)EPOLLET | EPOLLONESHOT |
	EPOLLEXCLUSIVE | EPOLLWAKEUP;

struct epoll {
	const struct file *self; /* it holds this; not a reference */
	struct waitq sleepers; /* epoll_wait */
	struct waitq pollers; /* poll() of the instance itself */
	struct list ready; /* ready_node */
	size_t ready_count;
	struct list items; /* all of them: ep_node */
	struct item **by_fd; /* chains through same_fd */
	size_t by_fd_count;
};

struct item_wait {
	struct waiter waiter;
	struct item *item;
	struct item_wait *next;
};

struct item {
	struct epoll *ep; /* NULL: removed, only references are left */
	struct file *file;
	int fd;
	uint32_t refs;
	uint32_t events; /* asked for; 0 without behaviour bits: disabled */
	uint64_t data;
	struct list ready_node, ep_node;
	struct list file_node; /* file->epoll_items */
	struct item *same_fd;
	struct item_wait wait, *more;
	bool no_memory;
};

/* ---- items ---- */

static void item_put(struct item *it)
{
	if (--it->refs == 0)
		kfree(it);
}

static bool item_enabled(const struct item *it)
{
	return it->ep != NULL && (it->events & ~behaviour) != 0;
}

static void item_ready(struct item *it)
{
	struct epoll *ep = it->ep;

	if (!list_is_linked(&it->ready_node)) {
		list_add_tail(&ep->ready, &it->ready_node);
		ep->ready_count++;
	}
	waitq_wake(&ep->sleepers, 1, POLLIN);
	waitq_wake_all(&ep->pollers, POLLIN | POLLRDNORM);
}

static void item_unready(struct item *it)
{
	if (list_is_linked(&it->ready_node)) {
		list_del(&it->ready_node);
		it->ep->ready_count--;
	}
}

static void item_wake(struct waiter *w, uint32_t events)
{
	struct item *it = container_of(w, struct item_wait, waiter)->item;

	if (!item_enabled(it))
		return;
	if (events == 0 || events & (it->events | POLLERR | POLLHUP))
		item_ready(it);
}

/* Registers on a wait queue of the file. */
struct item_ctx {
	struct poll_ctx ctx;
	struct item *item;
};

static void item_add_wait(struct poll_ctx *ctx, struct waitq *q)
{
	struct item *it = container_of(ctx, struct item_ctx, ctx)->item;
	struct item_wait *w = &it->wait;

	if (w->item != NULL) {
		w = kzalloc(sizeof(*w));
		if (w == NULL) {
			it->no_memory = true;
			return;
		}
		w->next = it->more;
		it->more = w;
	}
	w->item = it;
	w->waiter.wake = item_wake;
	waitq_add(q, &w->waiter);
}

static void item_remove(struct item *it)
{
	struct item **p = &it->ep->by_fd[it->fd];
	struct item_wait *w;

	while (*p != it)
		p = &(*p)->same_fd;
	*p = it->same_fd;
	item_unready(it);
	list_del(&it->ep_node);
	list_del(&it->file_node);
	if (it->wait.item)
		waitq_remove(&it->wait.waiter);
	while ((w = it->more) != NULL) {
		it->more = w->next;
		waitq_remove(&w->waiter);
		kfree(w);
	}
	it->ep = NULL;
	item_put(it);
}

static struct item *item_find(
	const struct epoll *ep, int fd, const struct file *f)
{
	struct item *it;

	if ((size_t)fd >= ep->by_fd_count)
		return NULL;
	for (it = ep->by_fd[fd]; it != NULL; it = it->same_fd)
		if (it->file == f)
			return it;
	return NULL;
}

void epoll_file_closed(struct file *f)
{
	struct item *it;

	while ((it = list_first(&f->epoll_items, struct item, file_node)))
		item_remove(it);
}

/* ---- the instance as a file ---- */

static uint32_t item_poll(struct item *it)
{
	return file_poll(it->file, NULL) & (it->events | POLLERR | POLLHUP) &
		~behaviour;
}

/* Is any item really ready? Drops those that are not. */
static bool any_ready(struct epoll *ep)
{
	for (size_t n = ep->ready_count; n > 0; n--) {
		struct item *it = list_first(
			&ep->ready, struct item, ready_node);
		struct file *f;
		bool ready;

		if (it == NULL)
			return false;
		item_unready(it);
		if (!item_enabled(it))
			continue;
		it->refs++;
		f = file_get(it->file);
		ready = item_poll(it) != 0;
		if (ready && it->ep && !list_is_linked(&it->ready_node)) {
			list_add(&it->ep->ready, &it->ready_node);
			it->ep->ready_count++;
		}
		item_put(it);
		file_put(f);
		if (ready)
			return true;
	}
	return false;
}

static uint32_t epoll_poll(struct file *f, struct poll_ctx *pc)
{
	struct epoll *ep = f->priv;

	poll_add(pc, &ep->pollers);
	return any_ready(ep) ? POLLIN | POLLRDNORM : 0;
}

static void epoll_release(struct file *f)
{
	struct epoll *ep = f->priv;
	struct item *it;

	while ((it = list_first(&ep->items, struct item, ep_node)))
		item_remove(it);
	kfree(ep->by_fd);
	kfree(ep);
}

static const struct file_ops epoll_ops = {
	.name = "[eventpoll]",
	.poll = epoll_poll,
	.release = epoll_release,
};

static int64_t create(bool cloexec)
{
	struct file *f = file_new_state(
		&epoll_ops, O_RDWR, sizeof(struct epoll));
	struct epoll *ep;

	if (f == NULL)
		return -ENOMEM;
	ep = f->priv;
	file_epoll_release = epoll_file_closed;
	waitq_init(&ep->sleepers);
	waitq_init(&ep->pollers);
	list_init(&ep->ready);
	list_init(&ep->items);
	ep->self = f;
	return fd_install_new(f, cloexec);
}

/* ---- epoll_ctl ---- */

static int by_fd_grow(struct epoll *ep, int fd)
{
	size_t count = ep->by_fd_count ? ep->by_fd_count : 16;
	struct item **grown;

	if ((size_t)fd < ep->by_fd_count)
		return 0;
	if (fd >= EPOLL_FD_MAX)
		return -ENOSPC;
	while (count <= (size_t)fd)
		count *= 2;
	grown = kzalloc(count * sizeof(*grown));
	if (grown == NULL)
		return -ENOMEM;
	if (ep->by_fd_count >= count) { /* somebody else was faster */
		kfree(grown);
		return 0;
	}
	if (ep->by_fd_count)
		memcpy(grown, ep->by_fd, ep->by_fd_count * sizeof(*grown));
	kfree(ep->by_fd);
	ep->by_fd = grown;
	ep->by_fd_count = count;
	return 0;
}

/* Instances in the longest chain of them that begins at f and goes to what
 * each watches. More than EPOLL_NEST_MAX, also if it comes to ep: too many. */
static int depth_below(const struct file *f, const struct epoll *ep, int depth)
{
	const struct epoll *inner = f->priv;
	const struct item *it;
	int most = depth + 1;

	if (f->ops != &epoll_ops || depth > EPOLL_NEST_MAX)
		return depth;
	if (inner == ep)
		return EPOLL_NEST_MAX + 1;
	list_for_each_entry (it, &inner->items, ep_node) {
		int below = depth_below(it->file, ep, depth + 1);

		if (below > most)
			most = below;
	}
	return most;
}

/* The same from f to those that watch it; what exists is not too deep. */
static int depth_above(const struct file *f, int depth)
{
	const struct item *it;
	int most = depth + 1;

	list_for_each_entry (it, &f->epoll_items, file_node) {
		int above = depth_above(it->ep->self, depth + 1);

		if (above > most)
			most = above;
	}
	return most;
}

/* Would f, watched from epf, close a circle or make a chain too long? Asking
 * and waking recurse along it, on a small stack. */
static bool too_deep(const struct file *f, const struct file *epf)
{
	return f->ops == &epoll_ops &&
		depth_below(f, epf->priv, 0) + depth_above(epf, 0) >
		EPOLL_NEST_MAX + 1;
}

/* Puts it on the ready list if the file is ready now: ADD and MOD. */
static void item_look(struct item *it, struct poll_ctx *pc)
{
	uint32_t have;

	it->refs++;
	have = file_poll(it->file, pc);
	if (item_enabled(it) && (have & (it->events | POLLERR | POLLHUP)))
		item_ready(it);
	item_put(it);
}

static int item_add(
	struct epoll *ep, struct file *f, int fd, const struct epoll_event *ev)
{
	struct item_ctx ctx = {.ctx.add = item_add_wait};
	struct item *it;
	int err = by_fd_grow(ep, fd);

	if (err)
		return err;
	it = kzalloc(sizeof(*it));
	if (it == NULL)
		return -ENOMEM;
	if (item_find(ep, fd, f)) { /* getting memory may sleep */
		kfree(it);
		return -EEXIST;
	}
	it->refs = 1;
	it->ep = ep;
	it->file = f;
	it->fd = fd;
	it->events = ev->events;
	it->data = ev->data;
	list_init(&it->ready_node);
	it->same_fd = ep->by_fd[fd];
	ep->by_fd[fd] = it;
	list_add_tail(&ep->items, &it->ep_node);
	list_add_tail(&f->epoll_items, &it->file_node);
	it->refs++;
	ctx.item = it;
	item_look(it, &ctx.ctx);
	if (it->no_memory && it->ep) {
		item_remove(it);
		err = -ENOMEM;
	}
	item_put(it);
	return err;
}

static int item_mod(struct item *it, const struct epoll_event *ev)
{
	if ((it->events | ev->events) & EPOLLEXCLUSIVE)
		return -EINVAL;
	it->events = ev->events;
	it->data = ev->data;
	item_unready(it);
	item_look(it, NULL);
	return 0;
}

static int control(struct file *epf, struct file *f, int op, int fd,
	const struct epoll_event *ev)
{
	struct epoll *ep = epf->priv;
	struct item *it;

	if (epf->ops != &epoll_ops || f == epf)
		return -EINVAL;
	if (f->ops->poll == NULL)
		return -EPERM; /* regular files and directories */
	it = item_find(ep, fd, f);
	switch (op) {
	case EPOLL_CTL_ADD:
		if (it != NULL)
			return -EEXIST;
		if (too_deep(f, epf))
			return -ELOOP;
		if ((ev->events & EPOLLEXCLUSIVE) && f->ops == &epoll_ops)
			return -EINVAL;
		return item_add(ep, f, fd, ev);
	case EPOLL_CTL_MOD:
		return it ? item_mod(it, ev) : -ENOENT;
	case EPOLL_CTL_DEL:
		if (it == NULL)
			return -ENOENT;
		item_remove(it);
		return 0;
	default:
		return -EINVAL;
	}
}

int64_t sys_epoll_create(const uint64_t *a)
{
	return (int)a[0] > 0 ? create(false) : -EINVAL;
}

int64_t sys_epoll_create1(const uint64_t *a)
{
	uint32_t u_flags = (uint32_t)a[0];

	if (u_flags & ~(uint32_t)EPOLL_CLOEXEC)
		return -EINVAL;
	return create(u_flags & EPOLL_CLOEXEC);
}

int64_t sys_epoll_ctl(struct file *epf, const uint64_t *a)
{
	int u_op = (int)a[1], fd = (int)a[2];
	struct epoll_event ev = {0};
	struct file *f;
	int64_t err;

	if (u_op != EPOLL_CTL_DEL && user_read(&ev, a[3], sizeof(ev)))
		return -EFAULT;
	f = fd_get(fd);
	err = f ? control(epf, f, u_op, fd, &ev) : -EBADF;
	file_put(f);
	return err;
}

/* ---- epoll_wait ---- */

/* Takes up to max events of the first todo items. Each is asked once, so none
 * that was put back is reported twice. */
static int collect(
	struct epoll *ep, struct epoll_event *out, int max, size_t *todo)
{
	int count = 0;

	for (; *todo > 0 && count < max; --*todo) {
		struct item *it = list_first(
			&ep->ready, struct item, ready_node);
		struct file *f;
		uint32_t events;

		if (it == NULL)
			break;
		item_unready(it);
		if (!item_enabled(it))
			continue;
		it->refs++;
		f = file_get(it->file);
		events = item_poll(it);
		if (events && item_enabled(it)) {
			out[count++] = (struct epoll_event){events, it->data};
			if (it->events & EPOLLONESHOT) {
				it->events &= behaviour;
			} else if (!(it->events & (uint32_t)EPOLLET) &&
				!list_is_linked(&it->ready_node)) {
				list_add_tail(&ep->ready, &it->ready_node);
				ep->ready_count++;
			}
		}
		item_put(it);
		file_put(f);
	}
	return count;
}

/* Copies ready events out in batches: their number or -EFAULT. */
static int64_t harvest(struct epoll *ep, uint64_t u_events, int max)
{
	struct epoll_event batch[EPOLL_BATCH];
	size_t todo = ep->ready_count;
	int done = 0, n, want;

	while (done < max && todo > 0) {
		want = (int)u64_min(EPOLL_BATCH, (uint64_t)(max - done));
		n = collect(ep, batch, want, &todo);
		if (n == 0)
			break;
		if (user_write(u_events + (uint64_t)done * sizeof(batch[0]),
			    batch, (size_t)n * sizeof(batch[0])))
			return done ? done : -EFAULT;
		done += n;
	}
	return done;
}

static int64_t wait_events(
	struct epoll *ep, uint64_t u_events, int max, uint64_t deadline)
{
	int64_t n;
	int err = 0;

	hostready_refresh();
	n = harvest(ep, u_events, max);
	if (n == 0 && deadline == 0 && hostready_look())
		n = harvest(ep, u_events, max);
	while (n == 0 && deadline != 0) {
		err = waitq_wait(&ep->sleepers, deadline);
		n = harvest(ep, u_events, max);
		if (err)
			break;
	}
	/* One wake was for one event: pass on what others could take. */
	if (ep->ready_count > 0)
		waitq_wake(&ep->sleepers, 1, POLLIN);
	if (n == 0 && err == -ERESTARTSYS)
		return -EINTR;
	return n;
}

static int64_t do_wait(struct file *f, const uint64_t *a, uint64_t deadline)
{
	int max = (int)a[2];

	if (max <= 0 || max > EPOLL_EVENTS_MAX || f->ops != &epoll_ops)
		return -EINVAL;
	if (user_check(a[1], (uint64_t)max * sizeof(struct epoll_event)))
		return -EFAULT;
	return wait_events(f->priv, a[1], max, deadline);
}

static uint64_t ms_deadline(uint64_t u_timeout)
{
	int ms = (int)u_timeout;

	return ms < 0 ? NO_DEADLINE : poll_deadline((uint64_t)ms * 1000000);
}

int64_t sys_epoll_wait(struct file *f, const uint64_t *a)
{
	return do_wait(f, a, ms_deadline(a[3]));
}

int64_t sys_epoll_pwait(struct file *f, const uint64_t *a)
{
	int64_t err = signal_set_temporary_user(a[4], a[5]);

	if (err)
		return err;
	return do_wait(f, a, ms_deadline(a[3]));
}

int64_t sys_epoll_pwait2(struct file *f, const uint64_t *a)
{
	uint64_t deadline;
	int64_t err = poll_deadline_read(a[3], TIMESPEC, &deadline);

	if (err == 0)
		err = signal_set_temporary_user(a[4], a[5]);
	if (err)
		return err;
	return do_wait(f, a, deadline);
}

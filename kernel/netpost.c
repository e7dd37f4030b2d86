/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/netpost.h"

#include <asm/poll.h>
#include <linux/errno.h>

#include "kernel/bounce.h"
#include "kernel/hostcall.h"
#include "kernel/kalloc.h"
#include "kernel/klog.h"
#include "kernel/shared.h"
#include "kernel/socket.h"
#include "kernel/uio.h"
#include "lib/string.h"
#include "lib/types.h"

enum {
	BROKEN = POLLERR | POLLHUP,
	SEND_MAX = 16384, /* bytes inside per socket */
	SENDS_MAX = 32, /* sockets whose sends wait for an exit */
	APPEND_MAX = 512, /* copied over the stack */
	IN_SMALL = 512, /* what bounce.h has small blocks of */
	IN_BIG = 4096,
	PEEK_MAX = 65536,
	MORE_SIZE = 8, /* the word after the data */
	GUESSES = 4,
	GUESS_AGAIN = 100,
};

static struct list sends = LIST_INIT(sends), receives = LIST_INIT(receives);
static struct list waits = LIST_INIT(waits);
static unsigned sends_count, retries; /* retries: those that are blocked */

/* ---- sending ---- */

static void out_queue(struct netpost *np)
{
	if (list_is_linked(&np->out_node))
		return;
	list_add_tail(&sends, &np->out_node);
	sends_count++;
	retries += np->blocked;
}

static void out_unqueue(struct netpost *np)
{
	if (!list_is_linked(&np->out_node))
		return;
	list_del(&np->out_node);
	sends_count--;
	retries -= np->blocked;
}

void netpost_drop_unsent(struct netpost *np)
{
	out_unqueue(np);
	ASSERT(np->out.id == 0);
	if (np->out_room)
		bounce_free(np->out_off, np->out_room);
	np->out_room = np->out_pos = np->out_end = 0;
	np->blocked = false;
}

static void out_done(struct hostcall_post *p, int64_t n)
{
	struct netpost *np = container_of(p, struct netpost, out);
	bool was_blocked = np->blocked;

	if (n < 0 && n != -EAGAIN) {
		np->error = (int)-n;
		netpost_drop_unsent(np);
		waitq_wake_all(&np->ready.queue,
			POLLERR | POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM);
		return;
	}
	np->out_pos += n > 0 ? (size_t)n : 0;
	if (np->out_pos == np->out_end) {
		netpost_drop_unsent(np);
		if (was_blocked)
			waitq_wake_all(&np->ready.queue, POLLOUT | POLLWRNORM);
		return;
	}
	np->blocked = true;
	hostready_learn(&np->ready, np->out_seen, POLLOUT, HOSTREADY_SHORT);
	if (np->ready.ready & (POLLOUT | BROKEN))
		out_queue(np); /* it came in the meantime */
}

/* All of u behind what is there already, without a sleep in the middle. */
static bool append(struct netpost *np, struct uio *u)
{
	size_t n = u->resid, end = np->out_end, in = end & 7, head;
	uint64_t off = np->out_off, at = off + end - in, held = 0;
	uint8_t stack[APPEND_MAX], *src = stack;
	struct uio copy = *u;

	if (n > np->out_room - end) {
		np->out_hint = u64_min(end + n, SEND_MAX);
		return false;
	}
	if (u->kernel && u->seg_count == 1)
		src = (uint8_t *)u->seg->addr + u->seg_done;
	else if (n > sizeof(stack) || uio_copy_from(&copy, stack, n))
		return false;
	/* The copy may have slept. */
	if (!list_is_linked(&np->out_node) || np->blocked ||
		np->out_off != off || np->out_end != end)
		return false;
	head = in ? u64_min(n, 8 - in) : 0;
	if (in) {
		held = shared_load(at) & ((1ul << in * 8) - 1);
		memcpy((uint8_t *)&held + in, src, head);
		shared_store(at, held);
	}
	if (n > head)
		shared_write(at + (in ? 8 : 0), src + head, n - head);
	np->out_end += n;
	uio_skip(u, n);
	return true;
}

static bool is_healthy(const struct netpost *np)
{
	return np->error == 0 && !np->blocked && !np->sending &&
		sends_count < SENDS_MAX &&
		(np->ready.ready & (POLLOUT | BROKEN | POLLRDHUP)) == POLLOUT;
}

bool netpost_send(struct netpost *np, struct uio *u)
{
	size_t n = u->resid, room = u64_max(n, np->out_hint);
	struct uio copy = *u;
	uint64_t off;

	if (n == 0 || n > SEND_MAX || !hostcall_ring_is_back(&np->out) ||
		!is_healthy(np))
		return false;
	if (np->out_room)
		return append(np, u);
	off = bounce_alloc(room);
	if (off == 0)
		return false;
	if (shared_write_uio(off, &copy, n) || np->out_room ||
		!is_healthy(np)) { /* it may have slept */
		bounce_free(off, room);
		return false;
	}
	np->out_off = off;
	np->out_room = room;
	np->out_pos = 0;
	np->out_end = n;
	out_queue(np);
	hostready_use(&np->ready);
	*u = copy;
	return true;
}

bool netpost_flush(struct netpost *np)
{
	while (np->out_room) {
		if (np->out.id)
			hostcall_ring_settle(&np->out);
		else if (list_is_linked(&np->out_node))
			(void)host_null_exit(0);
		else
			return false;
	}
	return true;
}

void netpost_retry(void)
{
	while (retries)
		(void)host_null_exit(0);
}

int netpost_error(struct netpost *np)
{
	int err = np->error;

	np->error = 0;
	return -err;
}

/* ---- receiving ---- */

static size_t in_data(const struct netpost *np)
{
	return np->in_room - MORE_SIZE;
}

static void in_free(struct netpost *np)
{
	if (np->in_off)
		bounce_free(np->in_off, np->in_room);
	kfree(np->in_buf);
	np->in_off = 0;
	np->in_buf = NULL;
	np->in_pos = np->in_end = 0;
}

static void in_done(struct hostcall_post *p, int64_t n)
{
	struct netpost *np = container_of(p, struct netpost, in);

	if (n > 0) {
		np->in_end = (size_t)n;
		np->ready.ready |= POLLIN;
		waitq_wake_all(&np->ready.queue, POLLIN | POLLRDNORM);
		np->in_more = shared_load(np->in_off + in_data(np)) != 0;
		return;
	}
	in_free(np);
	if (n == -EAGAIN) {
		np->no_guess = np->guessed ? GUESS_AGAIN : np->no_guess;
		hostready_learn(&np->ready, np->in_seen, POLLIN, HOSTREADY_DRY);
	} else if (n < 0) {
		np->error = (int)-n;
		waitq_wake_all(&np->ready.queue, POLLERR | POLLIN | POLLOUT);
	}
}

/* The last byte of what was read along is taken. */
static void in_used_up(struct netpost *np, bool full)
{
	enum hostready_how how = !full ? HOSTREADY_SHORT
		: np->in_more          ? HOSTREADY_SOME
				       : HOSTREADY_DRY;

	if (full && np->in_room == IN_BIG)
		np->large = true; /* until receives are short again */
	np->in_room = full ? IN_BIG : np->in_room;
	hostready_learn(&np->ready, np->in_seen, POLLIN, how);
}

/* Into kernel memory, where it can be used in parts and looked at twice; for a
 * peek, with as much of what the host has as is asked for. */
static int bring_in(struct netpost *np, size_t wanted)
{
	size_t room = u64_max(np->in_end, u64_min(wanted, PEEK_MAX));
	uint64_t more;
	uint8_t *buf;
	struct uio u;
	int64_t n;

	if (np->in_buf && wanted <= np->in_end - np->in_pos)
		return 0;
	buf = kmalloc(room);
	if (buf == NULL)
		return -ENOMEM;
	np->in_end -= np->in_pos;
	if (np->in_buf)
		memcpy(buf, np->in_buf + np->in_pos, np->in_end);
	else
		shared_read(buf, np->in_off, np->in_end);
	n = (int64_t)np->in_end;
	in_free(np);
	np->in_end = (size_t)n;
	np->in_buf = buf;
	if (wanted <= np->in_end)
		return 0;
	np->ahead = false; /* it peeks */
	uio_init_kernel(&u, buf + np->in_end, room - np->in_end);
	np->in_more = true; /* perhaps */
	np->receiving++;
	n = host_sock_recv(np->fd, &u, u.resid, 0, &more);
	np->receiving--;
	np->in_end += n > 0 ? (size_t)n : 0;
	return 0;
}

static int64_t take_part(struct netpost *np, struct uio *u, uint32_t flags)
{
	bool peek = flags & MSG_PEEK;
	size_t n, end;
	int err = bring_in(np, peek ? u->resid : 0);

	if (err)
		return err;
	n = u64_min(u->resid, np->in_end - np->in_pos);
	if (!(flags & MSG_TRUNC))
		err = uio_copy_to(u, np->in_buf + np->in_pos, n);
	if (err || peek)
		return err ? err : (int64_t)n;
	np->in_pos += n;
	end = np->in_end;
	if (np->in_pos < end)
		return (int64_t)n;
	in_free(np);
	in_used_up(np, end >= in_data(np));
	return (int64_t)n;
}

static int64_t take_all(struct netpost *np, struct uio *u)
{
	uint64_t off = np->in_off;
	size_t n = np->in_end, room = np->in_room;
	int err;

	np->in_off = 0;
	np->in_end = 0;
	in_used_up(np, n == room - MORE_SIZE);
	err = shared_read_uio(u, off, n);
	bounce_free(off, room);
	return err ? err : (int64_t)n;
}

int64_t netpost_take(struct netpost *np, struct uio *u, uint32_t flags)
{
	int64_t n;

	if (netpost_ahead(np) == 0 || u->resid == 0)
		return 0;
	hostready_use(&np->ready);
	mutex_lock(&np->in_lock);
	if (np->in_end == 0)
		n = 0; /* somebody else took it */
	else if (np->in_buf || np->in_end > u->resid ||
		flags & (MSG_PEEK | MSG_TRUNC))
		n = take_part(np, u, flags);
	else
		n = take_all(np, u);
	mutex_unlock(&np->in_lock);
	return n;
}

size_t netpost_ahead(struct netpost *np)
{
	list_del(&np->in_node);
	if (np->in.id)
		hostcall_ring_settle(&np->in);
	return np->in_end - np->in_pos;
}

void netpost_received(struct netpost *np, int64_t n)
{
	if (n > IN_SMALL - MORE_SIZE)
		np->in_room = IN_BIG;
	np->large = n > IN_BIG - MORE_SIZE;
}

int netpost_wait(struct netpost *np, uint64_t deadline)
{
	int err;

	if (np->waiting++ == 0)
		list_add_tail(&waits, &np->wait_node);
	err = hostready_wait(&np->ready, POLLIN, deadline);
	if (--np->waiting == 0)
		list_del(&np->wait_node);
	return err;
}

/* ---- both ---- */

static bool may_receive(const struct netpost *np)
{
	return np->ahead && !np->large && np->fd >= 0 && np->in.id == 0 &&
		np->in_end == 0 && !np->receiving &&
		!list_is_linked(&np->in_node) &&
		(np->ready.ready & (BROKEN | POLLRDHUP | POLLPRI)) == 0;
}

/* Threads that talk with each other sleep in turns: what one sends before all
 * sleep is what another one waits for. */
static bool guess(void)
{
	struct netpost *np;
	unsigned left = GUESSES;
	bool any = false;

	if (list_is_empty(&sends))
		return false;
	list_for_each_entry (np, &waits, wait_node) {
		if (list_is_linked(&np->out_node) || !may_receive(np))
			continue;
		if (np->no_guess) {
			np->no_guess--;
		} else {
			np->guessed = any = true;
			list_add_tail(&receives, &np->in_node);
		}
		if (--left == 0)
			break;
	}
	return any;
}

static void event(struct hostready *h, uint32_t events)
{
	struct netpost *np = container_of(h, struct netpost, ready);

	/* It may have come back with the exit in which another one waits. */
	if (hostcall_ring_is_back(&np->out) && np->blocked &&
		events & (POLLOUT | BROKEN))
		out_queue(np);
	if (events & POLLIN && may_receive(np)) {
		np->guessed = false;
		list_add_tail(&receives, &np->in_node);
	}
}

/* What waits leaves with the exit that is about to happen. */
static void post(void)
{
	struct netpost *np;

	while ((np = list_first(&sends, struct netpost, out_node))) {
		const uint64_t wire[HOSTCALL_ARGS] = {(uint64_t)np->fd,
			np->out_off + np->out_pos, netpost_unsent(np)};

		np->out.limit = netpost_unsent(np);
		np->out_seen = hostready_begin(&np->ready);
		if (!hostcall_ring_try_post(HC_sock_send, wire, &np->out))
			return;
		out_unqueue(np);
	}
	while ((np = list_first(&receives, struct netpost, in_node))) {
		uint64_t off = bounce_alloc(np->in_room);
		const uint64_t wire[HOSTCALL_ARGS] = {(uint64_t)np->fd, off,
			in_data(np), 0, off + in_data(np)};

		list_del(&np->in_node);
		if (off == 0)
			continue;
		np->in.limit = in_data(np);
		np->in_seen = hostready_begin(&np->ready);
		if (!hostcall_ring_try_post(HC_sock_recv, wire, &np->in)) {
			bounce_free(off, np->in_room);
			return;
		}
		np->in_off = off;
	}
}

uint32_t netpost_poll(struct netpost *np, uint32_t ready)
{
	if (np->blocked)
		ready &= ~(uint32_t)(POLLOUT | POLLWRNORM);
	if (np->in_end > np->in_pos) {
		np->ready.ready |= POLLIN;
		ready |= POLLIN | POLLRDNORM;
	}
	if (np->error)
		ready |= POLLERR | POLLIN | POLLOUT;
	return ready;
}

int netpost_init(struct netpost *np)
{
	int err = hostready_init(&np->ready);

	if (err)
		return err;
	hostcall_before_exit = post;
	np->ready.event = event;
	np->fd = -1;
	np->out.done = out_done;
	np->in.done = in_done;
	np->in_room = IN_SMALL;
	list_init(&np->out_node);
	list_init(&np->in_node);
	list_init(&np->wait_node);
	hostready_guess = guess;
	mutex_init(&np->in_lock);
	return 0;
}

void netpost_fini(struct netpost *np)
{
	netpost_drop_unsent(np);
	netpost_ahead(np);
	in_free(np);
	hostready_fini(&np->ready);
}

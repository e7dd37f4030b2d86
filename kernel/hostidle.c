/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors of host files that were open for reading and are closed: who
 * opens such a file again soon gets one without asking the host. See hostfs.h
 * for what must hold then. One for each file; they are closed when the file
 * changes, a second after they were last used, or when there are many.
 */
#include "kernel/file.h"
#include "kernel/fsabi.h"
#include "kernel/hostcall.h"
#include "kernel/hostfs.h"

enum {
	IDLE_MAX = 64,
	IDLE_FLAGS = O_LARGEFILE | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY |
		O_CLOEXEC,
};

static struct list idle = LIST_INIT(idle); /* closed last is last */
static unsigned idle_count;
static uint64_t trusted_since;

void hostfs_distrust(void)
{
	trusted_since = time_mono_ns();
}

void hostfs_idle_drop(struct hostfs_node *n)
{
	int fd = n->idle_fd;

	if (!fd)
		return;
	n->idle_fd = 0;
	list_del(&n->idle_node);
	idle_count--;
	host_close(fd);
}

bool hostfs_idle_shrink(void)
{
	struct hostfs_node *n = list_first(
		&idle, struct hostfs_node, idle_node);

	if (n)
		hostfs_idle_drop(n);
	return n;
}

static void idle_expire(struct timer *t)
{
	uint64_t now = time_mono_ns();
	struct hostfs_node *n;

	while ((n = list_first(&idle, struct hostfs_node, idle_node)) &&
		n->idle_until <= now && hostcall_post_fits())
		hostfs_idle_drop(n);
	if (n)
		(void)timer_set(t, now + HOSTFS_TTL);
}

static struct timer idle_timer = {.fn = idle_expire};

bool hostfs_idle_keep(struct file *f)
{
	struct hostfs_node *n = hostfs_node(f->vnode);
	uint64_t now = time_coarse_ns();

	if ((f->flags & ~(uint32_t)IDLE_FLAGS) || !S_ISREG(n->v.mode) ||
		n->idle_fd || n->expires <= now || f->dentry->deleted)
		return false;
	if (!timer_armed(&idle_timer) &&
		timer_set(&idle_timer, now + HOSTFS_TTL))
		return false;
	if (idle_count == IDLE_MAX)
		hostfs_idle_shrink(); /* may sleep */
	if (n->idle_fd)
		return false;
	n->idle_fd = f->host_fd;
	n->idle_until = now + HOSTFS_TTL;
	list_add_tail(&idle, &n->idle_node);
	idle_count++;
	return true;
}

int hostfs_idle_take(struct dentry *d, uint32_t flags)
{
	struct hostfs_node *n = hostfs_node(d->vnode);
	uint64_t since = time_mono_ns() - HOSTFS_OPEN_TTL;
	int fd = n->idle_fd;

	if (since < trusted_since)
		since = trusted_since;
	since += HOSTFS_TTL; /* as expiry */
	if (!fd || (flags & ~(uint32_t)IDLE_FLAGS) || d->deleted ||
		d->expires <= since || n->expires <= since)
		return 0;
	n->idle_fd = 0;
	list_del(&n->idle_node);
	idle_count--;
	return fd;
}

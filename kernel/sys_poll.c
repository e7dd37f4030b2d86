/* SPDX-License-Identifier: Apache-2.0 */
/*
 * poll, ppoll, select, pselect6 over poll tables. Interrupted by a signal
 * they end with -EINTR if a handler ran and start over if none did.
 */
#include <asm/poll.h>
#include <linux/errno.h>

#include "kernel/file.h"
#include "kernel/hostready.h"
#include "kernel/kalloc.h"
#include "kernel/poll_table.h"
#include "kernel/process.h"
#include "kernel/signal.h"
#include "kernel/sys.h"
#include "kernel/time.h"
#include "kernel/uaccess.h"
#include "kernel/usertime.h"
#include "lib/string.h"
#include "lib/types.h"

enum {
	POLL_FDS_STACK = 16,
	POLL_FDS_MAX = 1 << 20,
	SELECT_FDS_MAX = 65536,
	RLIMIT_NOFILE_INDEX = 7,
};

struct poll_fds {
	struct pollfd *fds;
	uint64_t count;
};

static int poll_round(struct poll_table *t, void *ctx)
{
	const struct poll_fds *set = ctx;
	struct pollfd *fds = set->fds;
	struct file *f;
	int ready = 0;

	for (uint64_t i = 0; i < set->count; i++) {
		fds[i].revents = 0;
		if (fds[i].fd < 0)
			continue;
		f = fd_get(fds[i].fd);
		if (f == NULL) {
			fds[i].revents = POLLNVAL;
			ready++;
			continue;
		}
		fds[i].revents = (short)poll_table_poll(
			t, f, (uint16_t)fds[i].events);
		file_put(f);
		if (fds[i].revents) {
			ready++;
			t->registered = true;
		}
	}
	return ready;
}

/* Rounds of round(t, ctx) until one finds something. Number ready, 0 after the
 * deadline (0: do not wait), or -errno. */
static int wait_rounds(int (*round)(struct poll_table *t, void *ctx), void *ctx,
	uint64_t deadline)
{
	struct poll_table t;
	bool looked = false;
	int ready, err;

	poll_table_init(&t);
	t.registered = deadline == 0;
	for (;;) {
		ready = round(&t, ctx);
		if (ready != 0)
			break;
		if (deadline == 0) {
			if (looked || !hostready_look())
				break;
			looked = true;
			continue;
		}
		err = poll_table_sleep(&t, deadline);
		if (err == -ETIMEDOUT) {
			ready = round(&t, ctx);
			break;
		}
		if (err) {
			ready = err == -ERESTARTSYS ? -ERESTARTNOHAND : err;
			break;
		}
	}
	poll_table_fini(&t);
	return ready;
}

static int64_t do_poll(uint64_t u_fds, uint64_t u_count, uint64_t deadline)
{
	struct pollfd stack[POLL_FDS_STACK], *fds = stack;
	size_t size;
	int64_t ready;

	if (u_count > POLL_FDS_MAX ||
		u_count > curproc->rlimit[RLIMIT_NOFILE_INDEX][0])
		return -EINVAL;
	size = u_count * sizeof(*fds);
	if (u_count > POLL_FDS_STACK) {
		fds = kmalloc(size);
		if (fds == NULL)
			return -ENOMEM;
	}
	ready = user_read(fds, u_fds, size);
	if (ready == 0)
		ready = wait_rounds(
			poll_round, &(struct poll_fds){fds, u_count}, deadline);
	for (uint64_t i = 0; ready >= 0 && i < u_count; i++) {
		uint64_t u_revents = u_fds + i * sizeof(*fds) +
			offsetof(struct pollfd, revents);

		if (user_write(
			    u_revents, &fds[i].revents, sizeof(fds[i].revents)))
			ready = -EFAULT;
	}
	if (fds != stack)
		kfree(fds);
	return ready;
}

int64_t sys_poll(const uint64_t *a)
{
	int timeout = (int)a[2];

	return do_poll(a[0], (uint32_t)a[1],
		timeout < 0 ? NO_DEADLINE
			    : poll_deadline((uint64_t)timeout * 1000000));
}

/* Linux writes back how much of the time is left. */
static void deadline_write(uint64_t u_time, uint64_t unit, uint64_t deadline)
{
	uint64_t now = time_mono_ns();
	uint64_t left = deadline > now ? deadline - now : 0;
	struct usertime t = usertime_from(left, unit);

	if (u_time && deadline != NO_DEADLINE)
		(void)!user_write(u_time, &t, sizeof(t));
}

int64_t sys_ppoll(const uint64_t *a)
{
	uint64_t deadline;
	int64_t err = poll_deadline_read(a[2], TIMESPEC, &deadline);

	if (err == 0)
		err = signal_set_temporary_user(a[3], a[4]);
	if (err)
		return err;
	err = do_poll(a[0], (uint32_t)a[1], deadline);
	deadline_write(a[2], TIMESPEC, deadline);
	return err;
}

struct fd_sets {
	uint64_t count;
	size_t size; /* bytes of a set, whole words */
	uint64_t *want[3], *have[3];
};

static const uint32_t set_events[3] = {
	POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR,
	POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR,
	POLLPRI,
};

/* Number of bits set in have, or -EBADF. */
static int select_round(struct poll_table *t, void *ctx)
{
	struct fd_sets *s = ctx;
	int ready = 0;

	memset(s->have[0], 0, 3 * s->size);
	for (uint64_t fd = 0; fd < s->count; fd++) {
		uint64_t word = fd / 64, bit = 1ul << fd % 64;
		uint32_t want = 0, have;
		struct file *f;

		for (int k = 0; k < 3; k++)
			if (s->want[k][word] & bit)
				want |= set_events[k];
		if (want == 0)
			continue;
		f = fd_get((int)fd);
		if (f == NULL)
			return -EBADF;
		have = poll_table_poll(t, f, want);
		file_put(f);
		for (int k = 0; k < 3; k++) {
			if ((s->want[k][word] & bit) && have & set_events[k]) {
				s->have[k][word] |= bit;
				ready++;
				t->registered = true;
			}
		}
	}
	return ready;
}

static int64_t do_select(const uint64_t *a, uint64_t deadline)
{
	int u_count = (int)a[0];
	struct fd_sets s;
	uint64_t stack[6 * 1024 / 64], *mem = stack;
	int64_t ready = 0;

	if (u_count < 0)
		return -EINVAL;
	s.count = u64_min((uint64_t)u_count, SELECT_FDS_MAX);
	s.size = align_up(s.count, 64) / 8;
	if (6 * s.size > sizeof(stack)) {
		mem = kmalloc(6 * s.size);
		if (mem == NULL)
			return -ENOMEM;
	}
	for (int k = 0; k < 3; k++) {
		s.want[k] = mem + (size_t)k * s.size / 8;
		s.have[k] = mem + (size_t)(k + 3) * s.size / 8;
	}
	memset(mem, 0, 6 * s.size);
	for (int k = 0; k < 3 && ready == 0; k++)
		if (a[1 + k])
			ready = user_read(s.want[k], a[1 + k], s.size);
	if (ready == 0)
		ready = wait_rounds(select_round, &s, deadline);
	for (int k = 0; k < 3 && ready >= 0; k++)
		if (a[1 + k] && user_write(a[1 + k], s.have[k], s.size))
			ready = -EFAULT;
	if (mem != stack)
		kfree(mem);
	return ready;
}

int64_t sys_select(const uint64_t *a)
{
	uint64_t deadline;
	int64_t ready = poll_deadline_read(a[4], TIMEVAL, &deadline);

	if (ready)
		return ready;
	ready = do_select(a, deadline);
	deadline_write(a[4], TIMEVAL, deadline);
	return ready;
}

int64_t sys_pselect6(const uint64_t *a)
{
	uint64_t mask[2] = {0, 0}, deadline;
	int64_t ready = poll_deadline_read(a[4], TIMESPEC, &deadline);

	if (ready == 0 && a[5])
		ready = user_read(mask, a[5], sizeof(mask));
	if (ready == 0)
		ready = signal_set_temporary_user(mask[0], mask[1]);
	if (ready)
		return ready;
	ready = do_select(a, deadline);
	deadline_write(a[4], TIMESPEC, deadline);
	return ready;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Futexes: threads asleep on a word of the application's memory.
 *
 * A table of buckets keyed by address holds the waiters, whose entries live
 * on their kernel stacks. All under the big kernel lock: between the load of
 * the word and the sleep nothing can be woken, so no wake-up is lost. Other
 * threads of the application change the word meanwhile, but they cannot
 * announce it before the waiter sleeps.
 *
 * PI futexes keep the owner's thread id in the word. There are no priorities
 * to inherit: threads are scheduled first come, first served. What remains
 * is hand-over in order, EDEADLK, and the death of an owner.
 */
#include "kernel/futex.h"

#include <linux/errno.h>
#include <linux/futex.h>
#include <linux/time.h>

#include "kernel/process.h"
#include "kernel/signal.h"
#include "kernel/sys.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "kernel/uaccess.h"
#include "kernel/usertime.h"
#include "lib/types.h"

enum { BUCKETS = 512, ROBUST_MAX = 2048, WAITV_MAX = 128 };

struct waiting {
	struct list node; /* in its bucket until woken */
	struct thread *thread;
	uint64_t key;
	uint32_t bitset;
	bool pi; /* waits for ownership of the word */
	bool owner; /* has been given it */
	uint64_t requeue_pi; /* FUTEX_WAIT_REQUEUE_PI: the second word */
};

static struct list table[BUCKETS];
static bool table_ready;
static int pi_waiters;

static struct list *bucket(uint64_t key)
{
	if (unlikely(!table_ready)) {
		for (size_t i = 0; i < BUCKETS; i++)
			list_init(&table[i]);
		table_ready = true;
	}
	return &table[(key >> 2 ^ key >> 11 ^ key >> 20) % BUCKETS];
}

static void enqueue(struct waiting *w)
{
	list_add_tail(bucket(w->key), &w->node);
	if (w->pi)
		pi_waiters++;
}

static void dequeue(struct waiting *w)
{
	if (!list_is_linked(&w->node))
		return;
	list_del(&w->node);
	if (w->pi)
		pi_waiters--;
}

static void wake(struct waiting *w)
{
	dequeue(w);
	sched_wake(w->thread);
}

/* Sleeps until w is off its bucket. 0, -ETIMEDOUT or -ERESTARTSYS, then it
 * is off too. */
static int wait(struct waiting *w, uint64_t deadline)
{
	for (;;) {
		int err = sched_sleep(deadline, SLEEP_INTERRUPTIBLE);

		if (!list_is_linked(&w->node))
			return 0;
		if (err) {
			dequeue(w);
			return err;
		}
	}
}

int futex_wake(uint64_t u_addr, int count, uint32_t bitset)
{
	struct list *head = bucket(u_addr);
	struct waiting *w, *tmp;
	int woken = 0;

	list_for_each_entry_safe (w, tmp, head, node) {
		if (w->key != u_addr || w->pi || !(w->bitset & bitset))
			continue;
		if (woken >= count)
			break;
		wake(w);
		woken++;
	}
	return woken;
}

static int check_word(uint64_t u_addr)
{
	return u_addr & 3 ? -EINVAL : user_check(u_addr, 4);
}

/* ---- wait ---- */

static int check_value(uint64_t u_addr, uint32_t expect)
{
	uint32_t val;
	int err = user_load32(u_addr, &val);

	return err ? err : val == expect ? 0 : -EAGAIN;
}

static int64_t futex_wait(
	uint64_t u_addr, uint32_t expect, uint64_t deadline, uint32_t bitset)
{
	struct waiting w = {.thread = current, .key = u_addr, .bitset = bitset};
	int err;

	if (!bitset)
		return -EINVAL;
	err = check_value(u_addr, expect);
	if (err)
		return err;
	enqueue(&w);
	return wait(&w, deadline);
}

/* A relative time must not start anew at a restart. */
int64_t futex_restart(uint64_t u_addr, uint32_t expect, uint64_t deadline)
{
	struct thread *t = current;
	int64_t result = futex_wait(u_addr, expect, deadline, ~0u);

	if (result != -ERESTARTSYS || deadline == NO_DEADLINE)
		return result;
	t->restart.deadline = deadline;
	t->restart.u_futex = u_addr;
	t->restart.futex_val = expect;
	return -ERESTART_RESTARTBLOCK;
}

/* ---- requeue and wake_op ---- */

static int64_t requeue(uint64_t u_from, uint64_t u_to, int wake_count,
	int move_count, const uint32_t *expect)
{
	struct list *head;
	struct waiting *w, *tmp;
	int woken = 0, moved = 0;
	uint32_t val;
	int err;

	if (wake_count < 0 || move_count < 0)
		return -EINVAL;
	if (expect) {
		err = user_load32(u_from, &val);
		if (err)
			return err;
		if (val != *expect)
			return -EAGAIN;
	}
	head = bucket(u_from);
	list_for_each_entry_safe (w, tmp, head, node) {
		if (w->key != u_from || w->pi)
			continue;
		if (woken < wake_count) {
			wake(w);
			woken++;
		} else if (moved < move_count) {
			if (u_from != u_to) {
				list_del(&w->node);
				w->key = u_to;
				list_add_tail(bucket(u_to), &w->node);
			}
			moved++;
		} else {
			break;
		}
	}
	return expect ? woken + moved : woken;
}

static int32_t sign12(uint32_t v)
{
	return (int32_t)(v << 20) >> 20;
}

static int64_t wake_op(
	uint64_t u_addr, uint64_t u_addr2, int count, int count2, uint32_t op)
{
	int32_t oparg = sign12(op >> 12 & 0xfff), cmparg = sign12(op & 0xfff);
	uint32_t old, new, seen;
	int64_t woken;
	bool hit;
	int err;

	if (op & (uint32_t)FUTEX_OP_OPARG_SHIFT << 28)
		oparg = (int32_t)(1u << (oparg & 31));
	err = user_load32(u_addr2, &old);
	for (;; old = seen) {
		if (err)
			return err;
		switch (op >> 28 & 7) {
		case FUTEX_OP_SET:
			new = (uint32_t)oparg;
			break;
		case FUTEX_OP_ADD:
			new = old + (uint32_t)oparg;
			break;
		case FUTEX_OP_OR:
			new = old | (uint32_t)oparg;
			break;
		case FUTEX_OP_ANDN:
			new = old & ~(uint32_t)oparg;
			break;
		case FUTEX_OP_XOR:
			new = old ^ (uint32_t)oparg;
			break;
		default:
			return -ENOSYS;
		}
		err = user_cmpxchg32(u_addr2, old, new, &seen);
		if (!err && seen == old)
			break;
	}
	switch (op >> 24 & 15) {
	case FUTEX_OP_CMP_EQ:
		hit = (int32_t)old == cmparg;
		break;
	case FUTEX_OP_CMP_NE:
		hit = (int32_t)old != cmparg;
		break;
	case FUTEX_OP_CMP_LT:
		hit = (int32_t)old < cmparg;
		break;
	case FUTEX_OP_CMP_LE:
		hit = (int32_t)old <= cmparg;
		break;
	case FUTEX_OP_CMP_GT:
		hit = (int32_t)old > cmparg;
		break;
	case FUTEX_OP_CMP_GE:
		hit = (int32_t)old >= cmparg;
		break;
	default:
		return -ENOSYS;
	}
	woken = futex_wake(u_addr, count, FUTEX_BITSET_MATCH_ANY);
	if (hit)
		woken += futex_wake(u_addr2, count2, FUTEX_BITSET_MATCH_ANY);
	return woken;
}

/* ---- PI ---- */

static struct waiting *first_pi(uint64_t key)
{
	struct waiting *w;

	list_for_each_entry (w, bucket(key), node)
		if (w->key == key && w->pi)
			return w;
	return NULL;
}

static bool more_pi(uint64_t key, const struct waiting *but)
{
	const struct waiting *w;

	list_for_each_entry (w, bucket(key), node)
		if (w->key == key && w->pi && w != but)
			return true;
	return false;
}

/*
 * Tries to make tid the owner. 0: it is. 1: it belongs to someone else and
 * FUTEX_WAITERS is now set. Or -errno.
 */
static int pi_try(uint64_t u_addr, uint32_t tid, bool mark)
{
	uint32_t val, seen, next;
	int err = user_load32(u_addr, &val);

	for (;; val = seen) {
		uint32_t owner = val & FUTEX_TID_MASK;

		if (err)
			return err;
		if (owner == tid)
			return -EDEADLK;
		if (!owner)
			next = tid | (val & FUTEX_OWNER_DIED) |
				(first_pi(u_addr) ? FUTEX_WAITERS : 0);
		else if (!mark)
			return 1;
		else if (!thread_find((int32_t)owner))
			return -ESRCH;
		else
			next = val | FUTEX_WAITERS;
		err = user_cmpxchg32(u_addr, val, next, &seen);
		if (!err && seen == val)
			return owner ? 1 : 0;
	}
}

static int64_t lock_pi(uint64_t u_addr, uint64_t deadline)
{
	struct thread *t = current;
	struct waiting w = {.thread = t, .key = u_addr, .pi = true};
	int err = pi_try(u_addr, (uint32_t)t->tid, true);

	if (err <= 0)
		return err;
	enqueue(&w);
	err = wait(&w, deadline);
	if (w.owner)
		return 0;
	return err == -ERESTARTSYS ? -ERESTARTNOINTR : err;
}

/* Gives the word to its first waiter; without one it becomes free. */
static int pi_hand_over(uint64_t u_addr, uint32_t from, uint32_t died)
{
	uint32_t val = from, seen, next;
	int err = user_load32(u_addr, &val);

	for (;; val = seen) {
		struct waiting *w;

		if (err)
			return err;
		if ((val & FUTEX_TID_MASK) != from)
			return -EPERM;
		w = first_pi(u_addr);
		next = died;
		if (w)
			next |= (uint32_t)w->thread->tid |
				(more_pi(u_addr, w) ? FUTEX_WAITERS : 0);
		err = user_cmpxchg32(u_addr, val, next, &seen);
		if (err || seen != val)
			continue;
		if (w) {
			w->owner = true;
			wake(w);
		}
		return 0;
	}
}

static int64_t wait_requeue_pi(uint64_t u_addr, uint32_t expect,
	uint64_t deadline, uint32_t bitset, uint64_t u_addr2)
{
	struct waiting w = {.thread = current,
		.key = u_addr,
		.bitset = bitset,
		.requeue_pi = u_addr2};
	int err;

	if (!bitset || u_addr == u_addr2)
		return -EINVAL;
	err = check_value(u_addr, expect);
	if (err)
		return err;
	enqueue(&w);
	err = wait(&w, deadline);
	if (w.owner)
		return 0;
	if (!err) /* an ordinary wake does not give the second lock */
		return -EAGAIN;
	return err == -ERESTARTSYS ? (w.pi ? -EAGAIN : -ERESTARTNOINTR) : err;
}

static int64_t cmp_requeue_pi(
	uint64_t u_from, uint64_t u_to, int move_count, uint32_t expect)
{
	struct waiting *w, *tmp;
	int64_t done = 0;
	uint32_t val;
	int err = user_load32(u_from, &val);

	if (err)
		return err;
	if (val != expect)
		return -EAGAIN;
	list_for_each_entry_safe (w, tmp, bucket(u_from), node) {
		if (w->key != u_from || w->pi)
			continue;
		if (w->requeue_pi != u_to)
			return -EINVAL;
		if (done > move_count)
			break;
		err = pi_try(u_to, (uint32_t)w->thread->tid, true);
		if (err < 0)
			return done ? done : err;
		/* pi_try may have slept: is w still there? */
		if (!list_is_linked(&w->node))
			return done;
		list_del(&w->node);
		w->key = u_to;
		if (err == 0) {
			w->owner = true;
			sched_wake(w->thread);
		} else {
			w->pi = true;
			enqueue(w);
		}
		done++;
	}
	return done;
}

/* ---- the system calls ---- */

/* Deadline on the monotonic clock from an absolute time of either clock. */
static int deadline_from(
	uint64_t u_time, bool relative, bool realtime, uint64_t *deadline)
{
	uint64_t ns, now;
	int err;

	*deadline = NO_DEADLINE;
	if (!u_time)
		return 0;
	err = usertime_read(u_time, &ns);
	if (err)
		return err;
	now = time_mono_ns();
	if (relative) {
		ns += now;
	} else if (realtime) {
		uint64_t real = time_real_ns();

		ns = ns > real ? now + (ns - real) : now;
	}
	*deadline = ns;
	return 0;
}

int64_t sys_futex(const uint64_t *a)
{
	uint64_t u_addr = a[0], u_addr2 = a[4], deadline = NO_DEADLINE;
	int op = (int)a[1] & FUTEX_CMD_MASK;
	bool real = a[1] & FUTEX_CLOCK_REALTIME;
	uint32_t val = (uint32_t)a[2], val3 = (uint32_t)a[5];
	int count = (int)val, count2 = (int)a[3];
	int err = check_word(u_addr);

	if (err)
		return err;
	switch (op) {
	case FUTEX_WAIT:
	case FUTEX_WAIT_BITSET:
	case FUTEX_WAIT_REQUEUE_PI:
		err = deadline_from(a[3], op == FUTEX_WAIT, real, &deadline);
		break;
	case FUTEX_LOCK_PI:
		err = deadline_from(a[3], false, true, &deadline);
		break;
	case FUTEX_LOCK_PI2:
		err = deadline_from(a[3], false, real, &deadline);
		break;
	case FUTEX_REQUEUE:
	case FUTEX_CMP_REQUEUE:
	case FUTEX_WAKE_OP:
	case FUTEX_CMP_REQUEUE_PI:
		err = check_word(u_addr2);
		break;
	}
	if (err)
		return err;
	switch (op) {
	case FUTEX_WAIT:
		return futex_restart(u_addr, val, deadline);
	case FUTEX_WAIT_BITSET:
		return futex_wait(u_addr, val, deadline, val3);
	case FUTEX_WAKE:
		return futex_wake(u_addr, count > 0 ? count : 1, ~0u);
	case FUTEX_WAKE_BITSET:
		return val3 ? futex_wake(u_addr, count > 0 ? count : 1, val3)
			    : -EINVAL;
	case FUTEX_REQUEUE:
		return requeue(u_addr, u_addr2, count, count2, NULL);
	case FUTEX_CMP_REQUEUE:
		return requeue(u_addr, u_addr2, count, count2, &val3);
	case FUTEX_WAKE_OP:
		return wake_op(u_addr, u_addr2, count, count2, val3);
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
		return lock_pi(u_addr, deadline);
	case FUTEX_TRYLOCK_PI:
		err = pi_try(u_addr, (uint32_t)current->tid, false);
		return err == 1 ? -EAGAIN : err;
	case FUTEX_UNLOCK_PI:
		return pi_hand_over(u_addr, (uint32_t)current->tid, 0);
	case FUTEX_WAIT_REQUEUE_PI:
		return wait_requeue_pi(u_addr, val, deadline, val3, u_addr2);
	case FUTEX_CMP_REQUEUE_PI:
		return count == 1
			? cmp_requeue_pi(u_addr, u_addr2, count2, val3)
			: -EINVAL;
	default:
		return -ENOSYS;
	}
}

int64_t sys_set_robust_list(const uint64_t *a)
{
	if (a[1] != 24)
		return -EINVAL;
	current->robust_list = a[0];
	return 0;
}

int64_t sys_get_robust_list(const uint64_t *a)
{
	const uint64_t size = 24;
	struct thread *t = (int32_t)a[0] ? thread_find((int32_t)a[0]) : current;
	uint64_t head;

	if (!t)
		return -ESRCH;
	head = t->robust_list;
	if (user_write(a[2], &size, sizeof(size)) ||
		user_write(a[1], &head, sizeof(head)))
		return -EFAULT;
	return 0;
}

/* ---- the end of a thread ---- */

/* The owner of the lock at u_addr ends: pthread_mutex_lock(3) of the next
 * one returns EOWNERDEAD. */
static int owner_died(uint64_t u_addr, uint32_t tid, bool pi, bool pending)
{
	uint32_t val, seen, next;
	int err = check_word(u_addr) || user_load32(u_addr, &val);

	for (;; val = seen) {
		if (err)
			return -EFAULT;
		/* unlocked, but the wake-up had not happened yet */
		if (pending && !pi && !val) {
			futex_wake(u_addr, 1, ~0u);
			return 0;
		}
		if ((val & FUTEX_TID_MASK) != tid)
			return 0;
		if (pi && first_pi(u_addr))
			return pi_hand_over(u_addr, tid, FUTEX_OWNER_DIED);
		next = (val & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
		err = user_cmpxchg32(u_addr, val, next, &seen);
		if (!err && seen == val)
			break;
	}
	if (!pi && (val & FUTEX_WAITERS))
		futex_wake(u_addr, 1, ~0u);
	return 0;
}

static void walk_robust_list(struct thread *t)
{
	struct {
		uint64_t next;
		int64_t offset;
		uint64_t pending;
	} head;
	uint64_t entry, next;
	uint32_t tid = (uint32_t)t->tid;

	if (user_read(&head, t->robust_list, sizeof(head)))
		return;
	entry = head.next;
	/* bit 0 of a pointer says that the lock is a PI one */
	for (int i = 0; i < ROBUST_MAX; i++) {
		uint64_t at = entry & ~1ul;

		if (at == t->robust_list || user_read(&next, at, sizeof(next)))
			break;
		if (entry != head.pending &&
			owner_died(at + (uint64_t)head.offset, tid, entry & 1,
				false))
			return;
		entry = next;
	}
	if (head.pending & ~1ul)
		(void)owner_died((head.pending & ~1ul) + (uint64_t)head.offset,
			tid, head.pending & 1, true);
}

/* Locks that are on no robust list: whoever waits for t gets them. */
static void hand_over_rest(uint32_t tid)
{
	for (size_t i = 0; i < BUCKETS && pi_waiters; i++) {
		struct waiting *w, *tmp;
		uint32_t val;

		list_for_each_entry_safe (w, tmp, &table[i], node) {
			uint64_t key = w->key;

			if (!w->pi || user_load32(key, &val) ||
				(val & FUTEX_TID_MASK) != tid)
				continue;
			if (!pi_hand_over(key, tid, FUTEX_OWNER_DIED)) {
				i--; /* the list has changed: again */
				break;
			}
		}
	}
}

void futex_exit_thread(struct thread *t)
{
	uint64_t u_clear = t->clear_child_tid;
	const uint32_t zero = 0;

	if (t->robust_list)
		walk_robust_list(t);
	t->robust_list = 0;
	if (pi_waiters)
		hand_over_rest((uint32_t)t->tid);
	t->clear_child_tid = 0;
	if (u_clear && !user_write(u_clear, &zero, sizeof(zero)))
		futex_wake(u_clear, 1, ~0u);
}

int64_t sys_set_tid_address(const uint64_t *a)
{
	current->clear_child_tid = a[0];
	return current->tid;
}

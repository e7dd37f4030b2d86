/* SPDX-License-Identifier: Apache-2.0 */
/* Futexes: each operation as the man page has it, with threads that sleep. */
#include "unit.h"

#include <errno.h>
#include <linux/futex.h>
#include <string.h>

#include "kernel/futex.h"
#include "kernel/sys.h"
#include "proc_env.h"

static uint32_t *word(int i)
{
	return (uint32_t *)(uintptr_t)(env_user + 4096 + (uint64_t)i * 64);
}

static uint64_t at(int i)
{
	return (uint64_t)(uintptr_t)word(i);
}

static int64_t futex(uint64_t u_addr, uint64_t op, uint64_t val, uint64_t arg,
	uint64_t u_addr2, uint64_t val3)
{
	const uint64_t a[6] = {u_addr, op, val, arg, u_addr2, val3};

	return sys_futex(a);
}

struct call {
	uint64_t a[6];
	int64_t result;
	bool done;
};

static void do_call(void *arg)
{
	struct call *c = arg;

	c->result = sys_futex(c->a);
	c->done = true;
}

static struct thread *start(struct call *c)
{
	c->done = false;
	return env_thread(init_process, do_call, c);
}

static int setup(void **state)
{
	(void)state;
	env_reset();
	/* so that process 1 does not end with the first thread */
	env_thread(init_process, NULL, NULL);
	return 0;
}

static void test_wait_checks(void **state)
{
	struct thread *t = env_thread(init_process, NULL, NULL);

	(void)state;
	env_become(t);
	*word(0) = 5;
	assert_int_equal(futex(at(0), FUTEX_WAIT, 4, 0, 0, 0), -EAGAIN);
	assert_int_equal(futex(at(0) + 1, FUTEX_WAIT, 5, 0, 0, 0), -EINVAL);
	assert_int_equal(futex(8, FUTEX_WAIT, 5, 0, 0, 0), -EFAULT);
	assert_int_equal(futex(at(0), FUTEX_WAIT_BITSET, 5, 0, 0, 0), -EINVAL);
	assert_int_equal(futex(at(0), 99, 5, 0, 0, 0), -ENOSYS);
	assert_int_equal(futex(at(0), FUTEX_WAKE, 1, 0, 0, 0), 0);
}

static void test_wake_order_and_count(void **state)
{
	struct call c[4];

	(void)state;
	for (int i = 0; i < 4; i++) {
		c[i] = (struct call){
			.a = {at(0), FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, 0, 0,
				0}};
		start(&c[i]);
	}
	env_run();
	assert_false(c[0].done);
	assert_int_equal(futex_wake(at(0), 1, ~0u), 1);
	env_run();
	assert_true(c[0].done && !c[1].done);
	assert_int_equal(c[0].result, 0);
	assert_int_equal(futex_wake(at(1), 9, ~0u), 0);
	assert_int_equal(futex_wake(at(0), 9, ~0u), 3);
	env_run();
	assert_true(c[1].done && c[2].done && c[3].done);
}

static void test_bitset(void **state)
{
	struct call a = {.a = {at(0), FUTEX_WAIT_BITSET, 0, 0, 0, 1}};
	struct call b = {.a = {at(0), FUTEX_WAIT_BITSET, 0, 0, 0, 2}};

	(void)state;
	start(&a);
	start(&b);
	env_run();
	assert_int_equal(futex(at(0), FUTEX_WAKE_BITSET, 9, 0, 0, 2), 1);
	env_run();
	assert_true(b.done && !a.done);
	assert_int_equal(futex(at(0), FUTEX_WAKE_BITSET, 9, 0, 0, 0), -EINVAL);
	assert_int_equal(futex(at(0), FUTEX_WAKE_BITSET, 9, 0, 0, 1), 1);
	env_run();
	assert_true(a.done);
}

static void test_timeouts(void **state)
{
	int64_t *ts = (int64_t *)(uintptr_t)env_user;
	struct call rel = {.a = {at(0), FUTEX_WAIT, 0, env_user, 0, 0}};
	struct call abs = {
		.a = {at(0), FUTEX_WAIT_BITSET, 0, env_user + 16, 0, ~0u}};
	struct call real = {
		.a = {at(0), FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0,
			env_user + 32, 0, ~0u}};

	(void)state;
	ts[1] = 1000000; /* 1 ms from now */
	ts[2] = 1, ts[3] = 2000000; /* at 1.002 s */
	ts[4] = 1000001, ts[5] = 3000000; /* 3 ms from now */
	start(&rel);
	start(&abs);
	start(&real);
	env_run();
	env_advance(1000000);
	env_run();
	assert_true(rel.done && !abs.done && !real.done);
	assert_int_equal(rel.result, -ETIMEDOUT);
	env_advance(1000000);
	env_run();
	assert_true(abs.done && !real.done);
	env_advance(1000000);
	env_run();
	assert_true(real.done);
	assert_int_equal(real.result, -ETIMEDOUT);
	assert_int_equal(futex_wake(at(0), 9, ~0u), 0);
	ts[1] = 1000000000;
	assert_int_equal(futex(at(0), FUTEX_WAIT, 0, env_user, 0, 0), -EINVAL);
}

static void test_requeue(void **state)
{
	struct call c[3];

	(void)state;
	for (int i = 0; i < 3; i++) {
		c[i] = (struct call){.a = {at(0), FUTEX_WAIT, 0, 0, 0, 0}};
		start(&c[i]);
	}
	env_run();
	assert_int_equal(
		futex(at(0), FUTEX_CMP_REQUEUE, 1, 9, at(1), 7), -EAGAIN);
	assert_int_equal(futex(at(0), FUTEX_CMP_REQUEUE, 1, 9, at(1), 0), 3);
	env_run();
	assert_true(c[0].done && !c[1].done && !c[2].done);
	assert_int_equal(futex_wake(at(0), 9, ~0u), 0);
	assert_int_equal(futex_wake(at(1), 9, ~0u), 2);
	env_run();
	assert_true(c[1].done && c[2].done);
}

static void test_wake_op(void **state)
{
	struct call a = {.a = {at(0), FUTEX_WAIT, 0, 0, 0, 0}};
	struct call b = {.a = {at(1), FUTEX_WAIT, 0, 0, 0, 0}};

	(void)state;
	start(&a);
	start(&b);
	env_run();
	/* word 1 += 3; was it 0? */
	assert_int_equal(futex(at(0), FUTEX_WAKE_OP, 1, 1, at(1),
				 FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 0)),
		2);
	assert_int_equal(*word(1), 3);
	env_run();
	assert_true(a.done && b.done);
	assert_int_equal(
		futex(at(0), FUTEX_WAKE_OP, 1, 1, at(1),
			FUTEX_OP(FUTEX_OP_ADD, -1, FUTEX_OP_CMP_GT, 5)),
		0);
	assert_int_equal(*word(1), 2);
	assert_int_equal(
		futex(at(0), FUTEX_WAKE_OP, 1, 1, at(1),
			FUTEX_OP((FUTEX_OP_OR |
					 (unsigned int)FUTEX_OP_OPARG_SHIFT),
				4, FUTEX_OP_CMP_EQ, 5)),
		0);
	assert_int_equal(*word(1), 18);
}

struct pi_script {
	uint64_t u_addr;
	int64_t lock, again, unlock;
	bool got, done;
};

static void pi_user(void *arg)
{
	struct pi_script *s = arg;

	s->lock = futex(s->u_addr, FUTEX_LOCK_PI, 0, 0, 0, 0);
	s->again = futex(s->u_addr, FUTEX_LOCK_PI, 0, 0, 0, 0);
	s->got = true;
	sched_yield();
	s->unlock = futex(s->u_addr, FUTEX_UNLOCK_PI, 0, 0, 0, 0);
	s->done = true;
}

static void test_pi(void **state)
{
	struct pi_script s[3] = {
		{.u_addr = at(0)}, {.u_addr = at(0)}, {.u_addr = at(0)}};

	(void)state;
	for (int i = 0; i < 3; i++)
		env_thread(init_process, pi_user, &s[i]);
	env_run();
	for (int i = 0; i < 3; i++) {
		assert_true(s[i].done);
		assert_int_equal(s[i].lock, 0);
		assert_int_equal(s[i].again, -EDEADLK);
		assert_int_equal(s[i].unlock, 0);
	}
	assert_int_equal(*word(0), 0);
	env_become(env_thread(init_process, NULL, NULL));
	assert_int_equal(futex(at(0), FUTEX_UNLOCK_PI, 0, 0, 0, 0), -EPERM);
	*word(0) = 4000000; /* nobody */
	assert_int_equal(futex(at(0), FUTEX_LOCK_PI, 0, 0, 0, 0), -ESRCH);
	assert_int_equal(futex(at(0), FUTEX_TRYLOCK_PI, 0, 0, 0, 0), -EAGAIN);
}

/* A thread locks and ends; the next one gets the lock and is told. */
static void lock_and_end(void *arg)
{
	assert_int_equal(futex(*(uint64_t *)arg, FUTEX_LOCK_PI, 0, 0, 0, 0), 0);
	sched_yield();
}

static void test_pi_owner_ends(void **state)
{
	uint64_t u_addr = at(0);
	struct call c = {.a = {u_addr, FUTEX_LOCK_PI, 0, 0, 0, 0}};
	struct thread *t;

	(void)state;
	env_thread(init_process, lock_and_end, &u_addr);
	t = start(&c);
	(void)t;
	env_run();
	assert_true(c.done);
	assert_int_equal(c.result, 0);
}

static void robust_and_end(void *arg)
{
	const uint64_t a[2] = {env_user, 24};
	uint64_t *head = (uint64_t *)(uintptr_t)env_user;

	(void)arg;
	/* the list: head -> element at 64 -> head; the word at +32 of it */
	head[0] = env_user + 64;
	head[1] = 32;
	head[2] = 0;
	head[8] = env_user;
	*(uint32_t *)(uintptr_t)(env_user + 96) = (uint32_t)current->tid |
		FUTEX_WAITERS;
	assert_int_equal(sys_set_robust_list(a), 0);
	sched_yield();
}

static void test_robust_list(void **state)
{
	struct call c = {.a = {env_user + 96, FUTEX_WAIT, 0, 0, 0, 0}};
	struct thread *t = env_thread(init_process, robust_and_end, NULL);

	(void)state;
	c.a[2] = (uint32_t)t->tid | FUTEX_WAITERS;
	start(&c);
	env_run();
	assert_true(c.done);
	assert_int_equal(c.result, 0);
	assert_int_equal(*(uint32_t *)(uintptr_t)(env_user + 96),
		FUTEX_OWNER_DIED | FUTEX_WAITERS);
}

/* A list that never comes back to its head ends after a bounded walk. */
static void endless_list(void *arg)
{
	const uint64_t a[2] = {env_user, 24};
	uint64_t *head = (uint64_t *)(uintptr_t)env_user;

	head[0] = env_user + 64;
	head[8] = env_user + 64;
	assert_int_equal(sys_set_robust_list(a), 0);
	*(bool *)arg = true;
}

static void test_robust_list_bounded(void **state)
{
	bool ran = false;

	(void)state;
	env_thread(init_process, endless_list, &ran);
	env_run();
	assert_true(ran);
	assert_int_equal(init_process->thread_count, 1);
}

static void clear_tid(void *arg)
{
	const uint64_t a[1] = {*(uint64_t *)arg};

	sys_set_tid_address(a);
	sched_yield();
}

static void test_clear_child_tid(void **state)
{
	uint64_t u_addr = at(3);
	struct call c = {.a = {u_addr, FUTEX_WAIT, 77, 0, 0, 0}};

	(void)state;
	*word(3) = 77;
	env_thread(init_process, clear_tid, &u_addr);
	start(&c);
	env_run();
	assert_true(c.done);
	assert_int_equal(c.result, 0);
	assert_int_equal(*word(3), 0);
}

static void test_wait_requeue_pi(void **state)
{
	struct call c[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		c[i] = (struct call){
			.a = {at(0), FUTEX_WAIT_REQUEUE_PI, 0, 0, at(1), ~0u}};
		start(&c[i]);
	}
	env_run();
	assert_int_equal(
		futex(at(0), FUTEX_CMP_REQUEUE_PI, 1, 9, at(2), 0), -EINVAL);
	assert_int_equal(futex(at(0), FUTEX_CMP_REQUEUE_PI, 1, 9, at(1), 0), 2);
	env_run();
	assert_true(c[0].done);
	assert_int_equal(c[0].result, 0);
	/* its owner has ended, so the second one has it now */
	assert_true(c[1].done);
	assert_int_equal(c[1].result, 0);
}

static void test_signal_ends_wait(void **state)
{
	struct call c = {.a = {at(0), FUTEX_WAIT, 0, 0, 0, 0}};
	struct thread *t = start(&c);

	(void)state;
	init_process->actions->entry[9].handler = 0x1000; /* SIGUSR1 */
	env_run();
	signal_raise(t, 10);
	env_run();
	assert_true(c.done);
	assert_int_equal(c.result, -ERESTARTSYS);
	assert_int_equal(futex_wake(at(0), 1, ~0u), 0);
}

#define TEST(name) cmocka_unit_test_setup(test_##name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(wait_checks),
		TEST(wake_order_and_count),
		TEST(bitset),
		TEST(timeouts),
		TEST(requeue),
		TEST(wake_op),
		TEST(pi),
		TEST(pi_owner_ends),
		TEST(robust_list),
		TEST(robust_list_bounded),
		TEST(clear_child_tid),
		TEST(wait_requeue_pi),
		TEST(signal_ends_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

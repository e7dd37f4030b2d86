/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of processes: exit, waiting, orphans, groups, stop, vfork, exec. */
#include "unit.h"

#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "kernel/sys.h"
#include "proc_env.h"

static struct thread *init_thread;

static int setup(void **state)
{
	(void)state;
	env_reset();
	init_thread = env_thread(init_process, NULL, NULL);
	env_become(init_thread);
	return 0;
}

static int64_t wait4_(int64_t pid, int options, int *status)
{
	const uint64_t a[4] = {(uint64_t)pid, env_user, (uint64_t)options, 0};
	int64_t r = sys_wait4(a);

	if (status)
		*status = *(int *)(uintptr_t)env_user;
	return r;
}

static void exit_7(void *arg)
{
	(void)arg;
	process_exit_group(7 << 8);
}

static void sleep_forever(void *arg)
{
	bool *ended = arg;

	while (!sched_sleep(NO_DEADLINE, SLEEP_INTERRUPTIBLE))
		;
	env_return_to_user();
	*ended = true; /* only if the signal did not end us */
}

static void test_exit_and_wait(void **state)
{
	struct process *p = env_process(init_process);
	int32_t pid = p->pid;
	int status;

	(void)state;
	env_thread(p, exit_7, NULL);
	assert_int_equal(wait4_(-1, WNOHANG, NULL), 0);
	env_run();
	env_become(init_thread);
	assert_int_equal(p->state, PROC_ZOMBIE);
	assert_int_equal(wait4_(pid + 1, WNOHANG, NULL), -ECHILD);
	assert_int_equal(wait4_(-1, WNOHANG, &status), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	assert_null(process_find(pid));
	assert_int_equal(wait4_(-1, WNOHANG, NULL), -ECHILD);
}

static void waiter(void *arg)
{
	*(int64_t *)arg = wait4_(-1, 0, NULL);
}

static void test_wait_sleeps(void **state)
{
	struct process *parent = env_process(init_process);
	struct process *child = env_process(parent);
	int64_t got = 0;
	int32_t pid = child->pid;
	bool ended = false;
	struct thread *t;

	(void)state;
	env_thread(parent, waiter, &got);
	t = env_thread(child, sleep_forever, &ended);
	env_run();
	assert_int_equal(got, 0);
	signal_raise(t, SIGTERM);
	env_run();
	assert_int_equal(got, pid);
	assert_false(ended);
}

static void test_group_exit_ends_sleepers(void **state)
{
	struct process *p = env_process(init_process);
	int32_t pid = p->pid;
	bool ended = false;
	int status;

	(void)state;
	for (int i = 0; i < 5; i++)
		env_thread(p, sleep_forever, &ended);
	env_run();
	assert_int_equal(p->thread_count, 5);
	process_kill(p, SIGKILL);
	env_run();
	env_become(init_thread);
	assert_int_equal(wait4_(pid, 0, &status), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_false(ended);
}

static void test_orphans(void **state)
{
	struct process *p = env_process(init_process);
	struct process *sub = env_process(p);
	struct process *child = env_process(sub);
	int32_t pid = child->pid;

	(void)state;
	p->subreaper = true;
	env_thread(p, NULL, NULL);
	env_thread(sub, exit_7, NULL);
	env_run();
	assert_ptr_equal(child->parent, p);
	process_kill(p, SIGKILL);
	assert_int_equal(p->thread_count, 1);
	sched_wake(list_first(&p->threads, struct thread, proc_node));
	env_run();
	assert_ptr_equal(child->parent, init_process);
	env_thread(child, exit_7, NULL);
	env_run();
	env_become(init_thread);
	assert_int_equal(wait4_(pid, WNOHANG, NULL), pid);
}

static void test_ignored_children_vanish(void **state)
{
	struct process *p = env_process(init_process);
	int32_t pid = p->pid;

	(void)state;
	init_process->actions->entry[SIGCHLD - 1].handler = 1;
	env_thread(p, exit_7, NULL);
	env_run();
	assert_null(process_find(pid));
	env_become(init_thread);
	assert_int_equal(wait4_(-1, 0, NULL), -ECHILD);
}

static void test_stop_and_continue(void **state)
{
	struct process *p = env_process(init_process);
	struct ksiginfo info;
	bool ended = false;
	int status;

	(void)state;
	env_thread(p, sleep_forever, &ended);
	env_run();
	env_become(init_thread);
	signal_info_user(&info, SIGSTOP, init_process);
	signal_send_process(p, &info);
	env_run();
	env_become(init_thread);
	assert_true(p->stopped);
	assert_int_equal(wait4_(p->pid, WNOHANG, NULL), 0);
	assert_int_equal(wait4_(p->pid, WNOHANG | WUNTRACED, &status), p->pid);
	assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	assert_int_equal(wait4_(p->pid, WNOHANG | WUNTRACED, NULL), 0);
	info.signo = SIGCONT;
	signal_send_process(p, &info);
	assert_false(p->stopped);
	assert_int_equal(wait4_(p->pid, WNOHANG | WCONTINUED, &status), p->pid);
	assert_true(WIFCONTINUED(status));
	env_run();
	assert_true(ended);
}

static void test_kill_while_stopped(void **state)
{
	struct process *p = env_process(init_process);
	struct ksiginfo info;
	bool ended = false;

	(void)state;
	env_thread(p, sleep_forever, &ended);
	env_run();
	env_become(init_thread);
	signal_info_user(&info, SIGSTOP, init_process);
	signal_send_process(p, &info);
	env_run();
	env_become(init_thread);
	info.signo = SIGKILL;
	signal_send_process(p, &info);
	env_run();
	assert_int_equal(p->state, PROC_ZOMBIE);
	assert_false(ended);
}

static void test_groups(void **state)
{
	struct process *p = env_process(init_process);
	uint64_t a[2] = {(uint64_t)p->pid, 0};

	(void)state;
	assert_int_equal(p->pgid, 1);
	assert_int_equal(sys_setpgid(a), 0);
	assert_int_equal(p->pgid, p->pid);
	a[1] = 4000;
	assert_int_equal(sys_setpgid(a), -EPERM);
	p->execed = true;
	assert_int_equal(sys_setpgid(a), -EACCES);
	assert_int_equal(sys_setsid(a), -EPERM);
	env_become(env_thread(p, NULL, NULL));
	assert_int_equal(sys_setsid(a), -EPERM); /* leads a group */
	p->pgid = 1;
	assert_int_equal(sys_setsid(a), p->pid);
	assert_int_equal(p->sid, p->pid);
}

struct vfork_run {
	int64_t pid;
	bool returned;
};

static void do_vfork(void *arg)
{
	struct vfork_run *v = arg;
	const uint64_t none[6] = {0};

	v->pid = sys_vfork(none);
	v->returned = true;
	while (!sched_sleep(NO_DEADLINE, SLEEP_KILLABLE))
		;
}

static void test_vfork_waits(void **state)
{
	struct process *p = env_process(init_process), *child;
	struct vfork_run v = {0};
	struct thread *t;

	(void)state;
	env_thread(p, do_vfork, &v);
	env_run();
	/* the child ran, had nothing to do, and ended */
	assert_true(v.returned);
	assert_true(v.pid > 0);
	child = process_find((int32_t)v.pid);
	assert_non_null(child);
	assert_int_equal(child->state, PROC_ZOMBIE);
	assert_ptr_equal(child->parent, p);
	t = thread_find(p->pid);
	assert_non_null(t);
}

static void test_clone_refuses(void **state)
{
	uint64_t a[6] = {SIGCHLD};

	(void)state;
	assert_int_equal(sys_clone(a), -ENOSYS);
	a[0] = CLONE_VM | CLONE_THREAD;
	assert_int_equal(sys_clone(a), -EINVAL);
	a[0] = CLONE_SIGHAND;
	assert_int_equal(sys_clone(a), -EINVAL);
	a[0] = CLONE_NEWPID | SIGCHLD;
	assert_int_equal(sys_clone(a), -EPERM);
	a[0] = CLONE_VM | CLONE_THREAD | CLONE_SIGHAND | CLONE_SETTLS;
	a[4] = 0x8000000000000000;
	assert_int_equal(sys_clone(a), -EPERM);
}

static void do_exec(void *arg)
{
	*(int *)arg = process_exec_begin();
	assert_int_equal(current->tid, curproc->pid);
	process_exec_done();
}

static void test_exec_ends_others(void **state)
{
	struct process *p = env_process(init_process);
	bool ended = false;
	int err = 1;

	(void)state;
	p->actions->entry[SIGUSR1 - 1].handler = 0x1000;
	p->actions->entry[SIGUSR2 - 1].handler = 1;
	for (int i = 0; i < 3; i++)
		env_thread(p, sleep_forever, &ended);
	env_run();
	env_thread(p, do_exec, &err);
	process_get(p);
	env_run();
	assert_int_equal(err, 0);
	assert_true(p->execed);
	assert_false(ended);
	assert_int_equal(p->state, PROC_ZOMBIE); /* its thread ended after */
	process_put(p);
}

static void test_init_ends_all(void **state)
{
	(void)state;
	env_thread(init_process, exit_7, NULL);
	sched_wake(init_thread);
	env_run();
	assert_int_equal(env_shutdown, 7 << 8);
}

#define TEST(name) cmocka_unit_test_setup(test_##name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(exit_and_wait),
		TEST(wait_sleeps),
		TEST(group_exit_ends_sleepers),
		TEST(orphans),
		TEST(ignored_children_vanish),
		TEST(stop_and_continue),
		TEST(kill_while_stopped),
		TEST(groups),
		TEST(vfork_waits),
		TEST(clone_refuses),
		TEST(exec_ends_others),
		TEST(init_ends_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

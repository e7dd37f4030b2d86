/* SPDX-License-Identifier: Apache-2.0 */
/* Signals: queues, masks, frames as Linux lays them out, the way back. */
#define _GNU_SOURCE
#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <ucontext.h>

#include "kernel/sys.h"
#include "proc_env.h"

enum { SA_RESTORER_FLAG = 0x04000000 };

#define HANDLER 0x100040000ul
#define RESTORER 0x100041000ul

static struct thread *t;

static int setup(void **state)
{
	(void)state;
	env_reset();
	t = env_thread(init_process, NULL, NULL);
	env_become(t);
	t->state = THREAD_RUNNING;
	t->frame->rip = 0x100050002;
	t->frame->rflags = 0x246;
	return 0;
}

static void handle(int signo, uint64_t flags, uint64_t mask)
{
	init_process->actions->entry[signo - 1] = (struct sigaction_entry){
		HANDLER, flags | SA_RESTORER_FLAG, RESTORER, mask};
}

/* What the handler sees, as glibc's types have it. */
struct seen {
	siginfo_t *info;
	ucontext_t *uc;
	uint8_t *fp;
};

static struct seen deliver(void)
{
	struct trapframe *f = t->frame;
	struct seen s;

	env_return_to_user();
	assert_int_equal(f->rip, HANDLER);
	assert_int_equal(f->rsp % 16, 8);
	assert_int_equal(*(uint64_t *)(uintptr_t)f->rsp, RESTORER);
	s.info = (siginfo_t *)(uintptr_t)f->rsi;
	s.uc = (ucontext_t *)(uintptr_t)f->rdx;
	s.fp = (uint8_t *)s.uc->uc_mcontext.fpregs;
	assert_int_equal(f->rdi, s.info->si_signo);
	assert_int_equal((uintptr_t)s.fp % 64, 0);
	return s;
}

/* The handler returns through its restorer. */
static int64_t go_back(void)
{
	uint64_t none[6] = {0};

	t->frame->rsp += 8; /* ret */
	t->frame->rax = (uint64_t)sys_rt_sigreturn(none);
	return (int64_t)t->frame->rax;
}

static void test_frame(void **state)
{
	struct trapframe before;
	struct ksiginfo info;
	struct seen s;
	uint32_t magic;

	(void)state;
	handle(SIGUSR1, SA_SIGINFO, 1ul << (SIGUSR2 - 1));
	for (size_t i = 0; i < 15; i++)
		(&t->frame->rdi)[i] = 0x1000 + i;
	before = *t->frame;
	memset(t->xsave, 0, 4096);
	((uint64_t *)t->xsave)[64] = 7; /* XSTATE_BV */
	memset((uint8_t *)t->xsave + 160, 0x5a, 256);
	memset((uint8_t *)t->xsave + 576, 0xa5, 256); /* AVX upper halves */
	signal_info_user(&info, SIGUSR1, init_process);
	signal_send_thread(t, &info);
	s = deliver();
	assert_true((uint64_t)(uintptr_t)s.fp + 832 + 4 <= before.rsp - 128);
	assert_int_equal(s.info->si_pid, 1);
	assert_int_equal(s.info->si_code, SI_USER);
	assert_int_equal(s.uc->uc_flags, 7);
	assert_int_equal(s.uc->uc_stack.ss_flags, SS_DISABLE);
	assert_int_equal(s.uc->uc_mcontext.gregs[REG_RIP], before.rip);
	assert_int_equal(s.uc->uc_mcontext.gregs[REG_RSP], before.rsp);
	assert_int_equal(s.uc->uc_mcontext.gregs[REG_R15], before.r15);
	assert_int_equal(s.uc->uc_mcontext.gregs[REG_RDI], before.rdi);
	assert_int_equal(s.uc->uc_mcontext.gregs[REG_EFL], 0x246);
	assert_int_equal(
		s.uc->uc_mcontext.gregs[REG_CSGSFS], 0x002b000000000033);
	memcpy(&magic, s.fp + 464, 4);
	assert_int_equal(magic, 0x46505853);
	memcpy(&magic, s.fp + 832, 4);
	assert_int_equal(magic, 0x46505845);
	assert_int_equal(s.fp[576], 0xa5);
	assert_int_equal(
		t->sig.blocked, 1ul << (SIGUSR2 - 1) | 1ul << (SIGUSR1 - 1));
	/* the handler starts with clean state, and ruins it */
	assert_int_equal(((uint64_t *)t->xsave)[64], 0);
	memset((uint8_t *)t->xsave + 576, 0, 256);
	memset(t->frame, 0xee, 15 * 8);
	t->frame->rflags = 0x246;
	s.uc->uc_mcontext.gregs[REG_RBX] = 42;
	go_back();
	assert_int_equal(t->frame->rbx, 42);
	t->frame->rbx = before.rbx;
	t->frame->rflags = before.rflags;
	assert_memory_equal(t->frame, &before, sizeof(before));
	assert_int_equal(((uint8_t *)t->xsave)[576 + 255], 0xa5);
	assert_int_equal(((uint8_t *)t->xsave)[160], 0x5a);
	assert_int_equal(t->sig.blocked, 0);
}

/* Nothing in a frame that an attacker wrote may reach XRSTOR or RFLAGS. */
static void test_forged_frame(void **state)
{
	struct seen s;

	(void)state;
	handle(SIGUSR1, SA_SIGINFO, 0);
	signal_raise(t, SIGUSR1);
	s = deliver();
	s.uc->uc_mcontext.gregs[REG_EFL] = -1;
	memset(s.fp + 512, 0xff, 64);
	memset(s.fp + 24, 0xff, 4);
	go_back();
	assert_int_equal(t->frame->rflags, 0x250fd7);
	assert_int_equal(((uint64_t *)t->xsave)[64], 7);
	for (int i = 65; i < 72; i++)
		assert_int_equal(((uint64_t *)t->xsave)[i], 0);
	assert_int_equal(((uint32_t *)t->xsave)[6], 0xffff);

	signal_raise(t, SIGUSR1);
	s = deliver();
	s.uc->uc_mcontext.gregs[REG_RIP] = (greg_t)0xf80001000;
	go_back();
	assert_true(t->sig.pending & 1ul << (SIGSEGV - 1));
}

/* Jumping there would fault in the kernel. */
static void test_wild_handler(void **state)
{
	static const uint64_t wild[] = {
		0xf80000000, 0x1000000000, 1ul << 47, 1ul << 63};

	(void)state;
	for (int i = 0; i < 4; i++) {
		const struct sigaction_entry sa = {
			wild[i], SA_SIGINFO | SA_RESTORER_FLAG, RESTORER, 0};
		const struct ksiginfo info = {.signo = SIGUSR1};

		assert_int_equal(
			signal_push_frame(t, t->frame, &info, &sa, 0), -EFAULT);
		assert_int_equal(t->frame->rip, 0x100050002);
	}
}

static void test_altstack(void **state)
{
	uint64_t a[2] = {env_user, 0}, *ss = (uint64_t *)(uintptr_t)env_user;
	uint64_t base = env_user + 65536;
	struct seen s;

	(void)state;
	handle(SIGUSR1, SA_SIGINFO | SA_ONSTACK, 0);
	ss[0] = base;
	ss[1] = 0;
	ss[2] = 1000;
	assert_int_equal(sys_sigaltstack(a), -ENOMEM);
	ss[2] = 16384;
	assert_int_equal(sys_sigaltstack(a), 0);
	signal_raise(t, SIGUSR1);
	s = deliver();
	assert_true(t->frame->rsp > base && t->frame->rsp < base + 16384);
	assert_int_equal(s.uc->uc_stack.ss_size, 16384);
	assert_int_equal(s.uc->uc_stack.ss_flags, 0);
	assert_int_equal(sys_sigaltstack(a), -EPERM);
	go_back();
	/* no room for the frame on it: refused, never below it */
	{
		const struct ksiginfo info = {.signo = SIGUSR1};

		t->frame->rsp = base + 600;
		assert_int_equal(
			signal_push_frame(t, t->frame, &info,
				&init_process->actions->entry[SIGUSR1 - 1], 0),
			-EFAULT);
	}
}

static void test_restart(void **state)
{
	struct trapframe *f = t->frame;

	(void)state;
	handle(SIGUSR1, SA_RESTART, 0);
	handle(SIGUSR2, 0, 0);
	/* restarted behind the handler */
	f->orig_rax = 7;
	f->rax = (uint64_t)-ERESTARTSYS;
	signal_raise(t, SIGUSR1);
	deliver();
	assert_int_equal(go_back(), 7);
	assert_int_equal(f->rip, 0x100050000);
	/* not restarted */
	f->rip = 0x100050002;
	f->orig_rax = 7;
	f->rax = (uint64_t)-ERESTARTSYS;
	signal_raise(t, SIGUSR2);
	deliver();
	assert_int_equal(go_back(), -EINTR);
	assert_int_equal(f->rip, 0x100050002);
	/* no handler at all: once more in the kernel */
	f->orig_rax = 7;
	f->rax = (uint64_t)-ERESTARTNOHAND;
	t->work = true;
	signal_exit_work(t, f);
	assert_true(t->redo_syscall);
	assert_int_equal(f->orig_rax, 7);
	t->redo_syscall = false;
}

static void test_queue(void **state)
{
	uint64_t rt = 40, usr = 1ul << (SIGUSR1 - 1), all = ~0ul;
	struct ksiginfo info;

	(void)state;
	handle(SIGUSR1, 0, 0);
	handle((int)rt, 0, 0);
	signal_set_blocked(all);
	for (int i = 0; i < 3; i++) {
		signal_raise(t, SIGUSR1);
		signal_info_kernel(&info, (int)rt);
		info.code = SI_QUEUE;
		info.rest[8] = (uint8_t)i;
		assert_int_equal(signal_send_process(init_process, &info), 0);
	}
	/* real-time signals queue, others do not */
	assert_true(signal_dequeue(t, usr, &info));
	assert_false(signal_dequeue(t, usr, &info));
	for (int i = 0; i < 3; i++) {
		assert_true(signal_dequeue(t, all, &info));
		assert_int_equal(info.signo, rt);
		assert_int_equal(info.rest[8], i);
	}
	assert_false(signal_dequeue(t, all, &info));
	/* faults first, then by number */
	handle(SIGSEGV, 0, 0);
	signal_raise(t, SIGUSR1);
	signal_raise(t, SIGSEGV);
	assert_true(signal_dequeue(t, all, &info));
	assert_int_equal(info.signo, SIGSEGV);
	/* ignored now: gone */
	init_process->actions->entry[SIGUSR1 - 1].handler = 1;
	signal_action_changed(init_process, SIGUSR1);
	assert_false(signal_dequeue(t, all, &info));
}

static void test_queue_limit(void **state)
{
	struct ksiginfo info;
	int queued = 0;

	(void)state;
	handle(40, 0, 0);
	signal_set_blocked(~0ul);
	signal_info_kernel(&info, 40);
	info.code = SI_QUEUE;
	while (queued < 100000 && !signal_send_thread(t, &info))
		queued++;
	assert_true(queued > 30 && queued < 100000);
	assert_int_equal(signal_send_thread(t, &info), -EAGAIN);
	signal_drop_queue(&t->sig.queue);
	assert_int_equal(signal_send_thread(t, &info), 0);
}

static void test_protected_init(void **state)
{
	struct process *p = env_process(init_process);
	struct thread *other = env_thread(p, NULL, NULL);
	struct ksiginfo info;

	(void)state;
	env_become(other);
	signal_info_user(&info, SIGKILL, p);
	signal_send_process(init_process, &info);
	assert_false(init_process->exiting);
	signal_from_host(SIGTERM); /* nothing was admitted yet */
	assert_int_equal(p->sig_pending, 0);
	signal_admit_from_host(1ul << (SIGTERM - 1) | 1ul << (SIGKILL - 1));
	for (int signo = -1; signo < 70; signo++)
		signal_from_host(signo);
	assert_false(init_process->exiting);
	assert_int_equal(p->sig_pending, 1ul << (SIGTERM - 1));
	env_become(t);
	signal_send_process(init_process, &info);
	assert_true(init_process->exiting);
}

static void test_reset_and_nodefer(void **state)
{
	(void)state;
	handle(SIGUSR1, SA_RESETHAND | SA_NODEFER, 0);
	signal_raise(t, SIGUSR1);
	deliver();
	assert_int_equal(t->sig.blocked, 0);
	assert_int_equal(init_process->actions->entry[SIGUSR1 - 1].handler, 0);
}

static void test_temporary_mask(void **state)
{
	struct seen s;

	(void)state;
	handle(SIGUSR1, 0, 0);
	signal_set_blocked(1ul << (SIGUSR1 - 1));
	signal_raise(t, SIGUSR1);
	assert_false(signal_pending(t));
	signal_set_temporary(0);
	assert_true(signal_pending(t));
	s = deliver();
	assert_int_equal(s.uc->uc_sigmask.__val[0], 1ul << (SIGUSR1 - 1));
	go_back();
	assert_int_equal(t->sig.blocked, 1ul << (SIGUSR1 - 1));
	signal_set_temporary(0);
	env_return_to_user();
	assert_int_equal(t->sig.blocked, 1ul << (SIGUSR1 - 1));
}

static void test_fault(void **state)
{
	struct seen s;

	(void)state;
	handle(SIGSEGV, SA_SIGINFO, 0);
	signal_force_fault(SIGSEGV, SEGV_MAPERR, 0x1234, 14, 6);
	s = deliver();
	assert_int_equal((uintptr_t)s.info->si_addr, 0x1234);
	assert_int_equal(s.info->si_code, SEGV_MAPERR);
	assert_int_equal(s.uc->uc_mcontext.gregs[REG_TRAPNO], 14);
	assert_int_equal(s.uc->uc_mcontext.gregs[REG_ERR], 6);
	assert_int_equal(s.uc->uc_mcontext.gregs[REG_CR2], 0x1234);
	/* again while blocked: the handler does not get it */
	signal_force_fault(SIGSEGV, SEGV_MAPERR, 0x1234, 14, 6);
	assert_int_equal(init_process->actions->entry[SIGSEGV - 1].handler, 0);
	assert_true(signal_pending(t));
}

#define TEST(name) cmocka_unit_test_setup(test_##name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(frame),
		TEST(forged_frame),
		TEST(wild_handler),
		TEST(altstack),
		TEST(restart),
		TEST(queue),
		TEST(queue_limit),
		TEST(protected_init),
		TEST(reset_and_nodefer),
		TEST(temporary_mask),
		TEST(fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

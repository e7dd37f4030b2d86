/* SPDX-License-Identifier: Apache-2.0 */
/* Signals: prints the same inside an enclave as outside. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static volatile sig_atomic_t hits;
static sigjmp_buf back;
static siginfo_t last;
static volatile uintptr_t handler_sp;

static void count(int signo)
{
	(void)signo;
	hits++;
}

static void note(int signo, siginfo_t *info, void *uc)
{
	(void)signo;
	(void)uc;
	last = *info;
	hits++;
}

/* Result and error of a call, in this order. */
static void report(const char *what, long r)
{
	printf("%s: %ld %s\n", what, r, r < 0 ? strerror(errno) : "");
}

static void on(int signo, int flags, void (*plain)(int),
	void (*full)(int, siginfo_t *, void *))
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_flags = flags | (full ? SA_SIGINFO : 0);
	if (full)
		sa.sa_sigaction = full;
	else
		sa.sa_handler = plain;
	if (sigaction(signo, &sa, NULL))
		perror("sigaction");
}

static void senders(void)
{
	union sigval v = {.sival_int = 99};
	sigset_t set, old;

	on(SIGUSR1, 0, NULL, note);
	kill(getpid(), SIGUSR1);
	printf("kill: code %d pid %d\n", last.si_code, last.si_pid == getpid());
	raise(SIGUSR1);
	printf("raise: code %d\n", last.si_code);
	sigqueue(getpid(), SIGUSR1, v);
	printf("sigqueue: code %d value %d\n", last.si_code,
		last.si_value.sival_int);
	on(SIGRTMIN, 0, NULL, note);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, &old);
	hits = 0;
	for (int i = 0; i < 3; i++) {
		sigqueue(getpid(), SIGRTMIN, v);
		kill(getpid(), SIGUSR1);
	}
	sigpending(&set);
	printf("pending: %d %d, hits %d\n", sigismember(&set, SIGUSR1),
		sigismember(&set, SIGRTMIN), hits);
	sigprocmask(SIG_SETMASK, &old, NULL);
	printf("delivered: %d\n", hits);
}

static void alarm_in(long us)
{
	const struct itimerval it = {{0, 0}, {0, us}};

	setitimer(ITIMER_REAL, &it, NULL);
}

static void *write_later(void *arg)
{
	usleep(60000);
	if (write(*(int *)arg, "x", 1) != 1)
		perror("write");
	return NULL;
}

static void restart(void)
{
	sigset_t alrm, old;
	pthread_t t;
	int fd[2];
	char c;

	if (pipe(fd))
		perror("pipe");
	sigemptyset(&alrm);
	sigaddset(&alrm, SIGALRM);
	hits = 0;
	on(SIGALRM, 0, count, NULL);
	alarm_in(20000);
	report("read without SA_RESTART", read(fd[0], &c, 1));
	pthread_sigmask(SIG_BLOCK, &alrm, &old);
	pthread_create(&t, NULL, write_later, &fd[1]);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	on(SIGALRM, SA_RESTART, count, NULL);
	alarm_in(20000);
	report("read with SA_RESTART", read(fd[0], &c, 1));
	printf("%d hits\n", hits);
	pthread_join(t, NULL);
	close(fd[0]);
	on(SIGPIPE, 0, count, NULL);
	hits = 0;
	report("broken pipe", write(fd[1], "x", 1));
	printf("%d hits\n", hits);
	close(fd[1]);
}

static void fault(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	last = *info;
	last.si_errno = (int)uc->uc_mcontext.gregs[REG_TRAPNO];
	(void)signo;
	siglongjmp(back, 1);
}

/* The handler moves on past a two-byte instruction. */
static void skip(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)signo;
	last = *info;
	uc->uc_mcontext.gregs[REG_RIP] += 2;
	hits++;
}

static void faults(void)
{
	volatile char *none = mmap(
		NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	volatile int zero = 0;

	on(SIGSEGV, 0, NULL, fault);
	on(SIGFPE, 0, NULL, fault);
	on(SIGILL, 0, NULL, skip);
	on(SIGTRAP, 0, NULL, note);
	if (!sigsetjmp(back, 1))
		*(volatile int *)16 = 1;
	printf("null: code %d addr %p trap %d\n", last.si_code, last.si_addr,
		last.si_errno);
	if (!sigsetjmp(back, 1))
		*none = 1;
	printf("read-only: code %d addr %d\n", last.si_code,
		last.si_addr == none);
	if (!sigsetjmp(back, 1))
		__asm__ volatile("movq %0, %%rax; movb $1, (%%rax)"
				 :
				 : "i"(0x8000000000000000)
				 : "rax", "memory");
	printf("non-canonical: code %d trap %d\n", last.si_code, last.si_errno);
	if (!sigsetjmp(back, 1))
		zero = 1000 / zero;
	printf("division: code %d trap %d\n", last.si_code, last.si_errno);
	hits = 0;
	__asm__ volatile("ud2");
	printf("ud2: %d hits, code %d\n", hits, last.si_code);
	__asm__ volatile("int3");
	printf("int3: code %d\n", last.si_code);
}

static char stack[65536] __attribute__((aligned(16)));

static void where(int signo)
{
	char here;

	(void)signo;
	handler_sp = (uintptr_t)&here;
}

static int on_stack(void)
{
	return handler_sp > (uintptr_t)stack &&
		handler_sp < (uintptr_t)stack + sizeof(stack);
}

static void altstack(void)
{
	stack_t ss = {.ss_sp = stack, .ss_size = sizeof(stack)}, old;

	sigaltstack(&ss, NULL);
	on(SIGUSR2, SA_ONSTACK, where, NULL);
	raise(SIGUSR2);
	printf("altstack: %d", on_stack());
	on(SIGUSR2, 0, where, NULL);
	raise(SIGUSR2);
	printf(" %d", on_stack());
	ss.ss_flags = SS_DISABLE;
	sigaltstack(&ss, &old);
	printf(" %d\n", old.ss_flags);
}

/* A handler must leave the vector registers and the red zone alone. */
static void clobber(int signo)
{
	(void)signo;
	__asm__ volatile("vpcmpeqd %%ymm7, %%ymm7, %%ymm7\n\t"
			 "vpcmpeqd %%ymm0, %%ymm0, %%ymm0"
			 :
			 :
			 : "xmm0", "xmm7");
	hits++;
}

static void vectors(void)
{
	uint64_t in[4] = {1, 2, 3, 4}, out[4] = {0}, red = 0;
	pid_t pid = getpid();

	if (!__builtin_cpu_supports("avx2")) {
		puts("vectors: 1 2 3 4 red 77");
		return;
	}
	on(SIGUSR1, 0, clobber, NULL);
	hits = 0;
	__asm__ volatile("vmovdqu %2, %%ymm7\n\t"
			 "movq $77, -120(%%rsp)\n\t"
			 "mov $62, %%eax\n\t"
			 "syscall\n\t"
			 "mov -120(%%rsp), %1\n\t"
			 "vmovdqu %%ymm7, %0\n\t"
			 : "=m"(out), "=&r"(red)
			 : "m"(in), "D"(pid), "S"(SIGUSR1)
			 : "rax", "rcx", "r11", "xmm7", "memory");
	printf("vectors: %d %d %d %d red %d\n", (int)out[0], (int)out[1],
		(int)out[2], (int)out[3], (int)red);
}

static void *signal_main(void *arg)
{
	usleep(20000);
	pthread_kill(*(pthread_t *)arg, SIGUSR1);
	return NULL;
}

static void waits(void)
{
	struct timespec soon = {0, 20000000};
	pthread_t self = pthread_self(), t;
	sigset_t set, empty;
	siginfo_t info;
	int signo;

	on(SIGUSR1, 0, count, NULL);
	sigemptyset(&empty);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	pthread_create(&t, NULL, signal_main, &self);
	sigwait(&set, &signo);
	pthread_join(t, NULL);
	printf("sigwait: %d\n", signo == SIGUSR1);
	signo = sigtimedwait(&set, &info, &soon);
	printf("sigtimedwait: %d %s\n", signo, strerror(errno));
	hits = 0;
	pthread_create(&t, NULL, signal_main, &self);
	signo = sigsuspend(&empty);
	printf("sigsuspend: %d %s, %d hits\n", signo, strerror(errno), hits);
	pthread_join(t, NULL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void *busy(void *arg)
{
	while (!hits)
		;
	(void)arg;
	return NULL;
}

/* A thread that makes no system call must get its signal, too. */
static void running_target(void)
{
	pthread_t t;

	hits = 0;
	on(SIGUSR1, 0, count, NULL);
	pthread_create(&t, NULL, busy, NULL);
	usleep(20000);
	pthread_kill(t, SIGUSR1);
	pthread_join(t, NULL);
	printf("running target: %d hits\n", hits);
}

static void nested(int signo)
{
	if (hits++ < 3)
		raise(signo);
}

static void flags(void)
{
	struct sigaction sa;

	hits = 0;
	on(SIGUSR1, SA_NODEFER, nested, NULL);
	raise(SIGUSR1);
	printf("nodefer: %d hits\n", hits);
	on(SIGUSR1, SA_RESETHAND, count, NULL);
	raise(SIGUSR1);
	sigaction(SIGUSR1, NULL, &sa);
	printf("resethand: %d\n", sa.sa_handler == SIG_DFL);
	report("SIGKILL", sigaction(SIGKILL, &sa, NULL));
	printf("kill 0: %d\n", kill(getpid(), 0));
	report("kill nobody", kill(3999999, 0));
}

static void *count_loop(void *arg)
{
	volatile long *n = arg;

	for (long i = 0; i < 2000000; i++)
		(*n)++;
	return NULL;
}

/* Handlers at arbitrary places must not disturb a computation. */
static void storm(void)
{
	const struct itimerval it = {{0, 300}, {0, 300}},
			       off = {{0, 0}, {0, 0}};
	struct timespec ts;
	long n = 0;
	int least;

	on(SIGALRM, SA_RESTART, clobber, NULL);
	hits = 0;
	setitimer(ITIMER_REAL, &it, NULL);
	for (int i = 0; i < 20; i++) {
		double x = 1;

		count_loop(&n);
		for (int k = 0; k < 1000; k++)
			x = x * 1.0001;
		if ((int)(x * 1000) != 1105)
			printf("storm: wrong sum %f\n", x);
		getppid();
		clock_gettime(CLOCK_MONOTONIC, &ts);
	}
	setitimer(ITIMER_REAL, &off, NULL);
	least = hits > 2;
	printf("storm: %ld, interrupted %d\n", n, least);
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 1 && !strcmp(argv[1], "die")) {
		puts("dying");
		abort();
	}
	senders();
	restart();
	faults();
	altstack();
	vectors();
	waits();
	running_target();
	flags();
	storm();
	return 0;
}

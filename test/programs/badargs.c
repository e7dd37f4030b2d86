/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls about processes, signals and time with arguments that make no
 * sense: whatever they return, the kernel and this program go on. Arguments:
 * a seed and a count.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static const int calls[] = {
	SYS_rt_sigaction,
	SYS_rt_sigprocmask,
	SYS_getitimer,
	SYS_setitimer,
	SYS_nanosleep,
	SYS_wait4,
	SYS_waitid,
	SYS_uname,
	SYS_gettimeofday,
	SYS_getrlimit,
	SYS_getrusage,
	SYS_sysinfo,
	SYS_times,
	SYS_ptrace,
	SYS_setpgid,
	SYS_getpgid,
	SYS_getsid,
	SYS_setreuid,
	SYS_getgroups,
	SYS_setgroups,
	SYS_getresuid,
	SYS_getresgid,
	SYS_capget,
	SYS_capset,
	SYS_rt_sigpending,
	SYS_rt_sigqueueinfo,
	SYS_sigaltstack,
	SYS_personality,
	SYS_getpriority,
	SYS_setpriority,
	SYS_sched_setparam,
	SYS_sched_getparam,
	SYS_sched_setscheduler,
	SYS_sched_getscheduler,
	SYS_sched_get_priority_max,
	SYS_sched_rr_get_interval,
	SYS_prctl,
	SYS_setrlimit,
	SYS_tkill,
	SYS_time,
	SYS_futex,
	SYS_sched_setaffinity,
	SYS_sched_getaffinity,
	SYS_set_tid_address,
	SYS_timer_create,
	SYS_timer_settime,
	SYS_timer_gettime,
	SYS_timer_getoverrun,
	SYS_timer_delete,
	SYS_clock_gettime,
	SYS_clock_getres,
	SYS_clock_nanosleep,
	SYS_tgkill,
	SYS_set_robust_list,
	SYS_get_robust_list,
	SYS_rt_tgsigqueueinfo,
	SYS_prlimit64,
	SYS_getcpu,
	SYS_kcmp,
	SYS_sched_setattr,
	SYS_sched_getattr,
	SYS_seccomp,
	SYS_clone3,
	SYS_pidfd_open,
	SYS_pidfd_send_signal,
	SYS_restart_syscall,
};

static uint64_t state;

static uint64_t next(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static uint8_t *page;

static uint64_t argument(void)
{
	static const uint64_t odd[] = {0, 1, 2, 3, 8, 24, 64, 65, 128, 4095,
		4096, INT32_MAX, UINT32_MAX, INT64_MAX, UINT64_MAX,
		0x8000000000000000, 0xf80000000, 0xf7ffffff8, 0x1000000000,
		0xffff};

	switch (next() % 4) {
	case 0:
		return (uint64_t)(uintptr_t)(page + next() % 64 * 8);
	case 1:
		return (uint64_t)(uintptr_t)(page + 4096 - next() % 128);
	case 2:
		return odd[next() % (sizeof(odd) / sizeof(odd[0]))];
	default:
		return next() >> next() % 64;
	}
}

/* Calls that would rightly end, stop or block this program for good. */
static int harmful(int nr, const uint64_t *a)
{
	int signo = 0, op;

	switch (nr) {
	case SYS_tkill:
		signo = (int)a[1];
		break;
	case SYS_tgkill:
	case SYS_rt_tgsigqueueinfo:
		signo = (int)a[2];
		break;
	case SYS_rt_sigqueueinfo:
	case SYS_pidfd_send_signal:
		signo = (int)a[1];
		break;
	case SYS_futex: /* waiting without a time limit */
		op = (int)a[1] & 127;
		return op == 0 || op == 6 || op == 9 || op == 11 || op == 13;
	case SYS_nanosleep:
	case SYS_clock_nanosleep:
		memset(page, 0, 4096);
		return a[0] > 64 && nr == SYS_nanosleep &&
			a[0] < (uint64_t)(uintptr_t)page;
	case SYS_clone3:
		return a[1] > 32; /* never a real one */
	case SYS_wait4:
	case SYS_waitid:
		return 0; /* there are no children */
	case SYS_setrlimit:
	case SYS_prlimit64:
		return 1;
	}
	return signo == SIGKILL || signo == SIGSTOP || signo == SIGTSTP ||
		signo == SIGTTIN || signo == SIGTTOU;
}

int main(int argc, char **argv)
{
	long count = argc > 2 ? atol(argv[2]) : 20000, done = 0;
	struct sigaction sa;

	state = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	state = state * 0x9e3779b97f4a7c15 + 1;
	page = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED || munmap(page + 4096, 4096))
		return 1;
	while (done < count) {
		int nr = calls[next() % (sizeof(calls) / sizeof(calls[0]))];
		uint64_t a[6];

		for (int i = 0; i < 6; i++)
			a[i] = argument();
		if (next() % 2)
			for (int i = 0; i < 64; i++)
				((uint64_t *)page)[i] = argument();
		if (harmful(nr, a))
			continue;
		/* whatever the last one did to actions and masks */
		memset(&sa, 0, sizeof(sa));
		sa.sa_handler = SIG_IGN;
		for (int s = 1; s < 32; s++)
			sigaction(s, &sa, NULL);
		for (int s = SIGRTMIN; s <= SIGRTMAX; s++)
			sigaction(s, &sa, NULL);
		syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
		done++;
	}
	printf("%ld calls\n", done);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes of the enclave. Each has its own address-space object, although
 * today only a vfork child before exec shares one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kernel/signal_types.h"
#include "kernel/thread.h"
#include "kernel/wait.h"
#include "lib/list.h"

struct aspace;
struct device_state;
struct fdtable;
struct fs_ctx; /* cwd, root, umask: vfs.h */
struct sigactions; /* signal.h */

enum { PROCESS_GROUPS_MAX = 32 };

enum process_state { PROC_LIVE, PROC_ZOMBIE, PROC_REAPED };

/* State changes that wait4(2) has not reported yet (process.wait_event). */
enum { WAIT_EVENT_NONE, WAIT_EVENT_STOPPED, WAIT_EVENT_CONTINUED };

struct process {
	int32_t pid, pgid, sid;
	int32_t ppid; /* parent->pid, readable without the lock */
	uint32_t refs;
	enum process_state state;
	int exit_status; /* wait(2) format, once a zombie */
	struct process *parent; /* NULL for process 1 */
	struct list children; /* child_node of children */
	struct list child_node;
	struct list hash_node;
	struct list threads; /* proc_node */
	int thread_count;
	struct waitq child_exit; /* a child changed state */
	struct waitq vfork_done; /* the child exec'ed or ended */
	struct waitq thread_exit; /* a thread ended (exec waits for that) */
	struct waitq ended; /* it is a zombie now (pidfd) */
	struct waitq cont; /* stopped threads sleep here */
	bool exiting; /* group exit under way */
	struct thread *exec_thread; /* the one that survives an exec */
	bool stopped;
	int stop_signal;
	int wait_event;
	bool execed;
	bool vfork_released; /* the parent of a vfork may go on */
	bool subreaper;
	int exit_signal; /* to the parent, usually SIGCHLD */

	struct aspace *as;
	struct fdtable *files;
	struct fs_ctx *fs;
	struct sigactions *actions; /* shared by CLONE_SIGHAND */

	uint64_t sig_pending; /* directed at the process */
	struct list sig_queue;
	struct waitq sig_queued; /* a signal became pending (signalfd) */

	char *exe; /* path of the program, kmalloc'ed */
	/* as laid out on the stack, for /proc/PID/{cmdline,environ} */
	uint64_t arg_start, arg_end, env_start, env_end;
	uint64_t auxv[2 * 24];
	/* Known inside only: the host's files are the launcher's business. */
	uint32_t uid, euid, suid, gid, egid, sgid;
	uint32_t groups[PROCESS_GROUPS_MAX];
	int group_count;
	struct {
		bool set; /* else: all for uid 0, none for others */
		uint64_t effective, permitted, inheritable;
	} caps;
	bool keep_caps;
	uint64_t rlimit[16][2]; /* soft, hard */
	uint64_t start_time; /* time_mono_ns */
	struct device_state *attest; /* attest/device.h, NULL: not used yet */
	void *timers; /* itimers, POSIX timers: ptimer.c */
	bool dumpable, no_new_privs;
	int pdeathsig;
	int nice;
	uint32_t personality;
	uint64_t cpu_ns; /* of threads that ended */
	uint64_t child_cpu_ns; /* of children that were waited for */
};

extern struct process *init_process; /* pid 1 */

/* ---- process.c ---- */

/* Boot: process 1, without threads, address space, descriptors or fs; the
 * caller sets those and then starts its first thread. NULL: no memory. */
struct process *process_new_init(void);
/* A child of parent: credentials, group, session and limits inherited, again
 * without threads, address space, descriptors, fs and actions. -EAGAIN,
 * -ENOMEM. One reference, which the table holds until it is reaped. */
int process_new(struct process *parent, struct process **out);
/* Undoes process_new() of a process that never had a thread. */
void process_abandon(struct process *p);
/* A thread of p that starts in the application with frame once it is woken
 * (sched_wake). The first one has the process id as thread id. */
int process_new_thread(
	struct process *p, const struct trapframe *frame, struct thread **out);

struct process *process_get(struct process *p);
void process_put(struct process *p);
struct process *process_find(int32_t pid); /* no reference; NULL */
struct thread *thread_find(int32_t tid);
/* Iterates in pid order: first with pid > after; NULL at the end. */
struct process *process_next(int32_t after);
struct thread *thread_next(struct process *p, int32_t after);
/* Is some process in group pgid (of session sid, unless that is 0)? */
bool process_group_exists(int32_t pgid, int32_t sid);
int process_count(void);
int thread_count_all(void);
int thread_count_peak(void); /* the most there ever were */

/* Ends all threads of the current process with a wait status. */
void process_exit_group(int wait_status) __attribute__((noreturn));
/* The same for any process; returns (the current thread ends on its way
 * back to the application if it is one of them). */
void process_kill(struct process *p, int wait_status);
/* Ends the current thread only; code as _exit(2). */
void process_exit_thread(int code) __attribute__((noreturn));
/* Must t end as soon as it is out of the kernel? Sleeps of such a thread
 * are refused or cut short, interruptible or not. */
bool thread_doomed(const struct thread *t);
/* The parent learns of a stop or continuation. */
void process_notify_parent(struct process *p, int code, int status);
/* Collects a zombie. */
void process_reap(struct process *p);

/*
 * exec, first half: ends all other threads of the current process; the
 * caller gets the process's id as thread id. -EAGAIN if the process is
 * ending or another thread does the same.
 */
int process_exec_begin(void);
/* Gives up between the halves (only before the old image is gone). */
void process_exec_cancel(void);
/* exec, second half, once as, exe and frame are those of the new program:
 * resets signals, timers and what else an exec resets, closes FD_CLOEXEC
 * descriptors and lets the parent of a vfork go on. */
void process_exec_done(void);

/* ns of processor time, threads that run now included. */
uint64_t thread_cpu_ns(const struct thread *t);
uint64_t process_cpu_ns(const struct process *p);

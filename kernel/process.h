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
struct fdtable;
struct fs_ctx;   /* cwd, root, umask: vfs.h */
struct sigactions; /* signal.h */

enum process_state { PROC_LIVE, PROC_ZOMBIE, PROC_REAPED };

struct process {
	int32_t pid, pgid, sid;
	uint32_t refs;
	enum process_state state;
	int exit_status;             /* wait(2) format, once a zombie */
	struct process *parent;      /* NULL for process 1 */
	struct list children;        /* child_node of children */
	struct list child_node;
	struct list hash_node;
	struct list threads;         /* proc_node */
	int thread_count;
	struct waitq child_exit;     /* a child changed state */
	struct waitq vfork_done;     /* the child exec'ed or ended */
	bool exiting;                /* group exit under way */
	bool stopped;
	bool execed;
	int exit_signal;             /* to the parent, usually SIGCHLD */

	struct aspace *as;
	struct fdtable *files;
	struct fs_ctx *fs;
	struct sigactions *actions;  /* shared by CLONE_SIGHAND */

	uint64_t sig_pending;        /* directed at the process */
	struct list sig_queue;

	char *exe;                   /* path of the program, kmalloc'ed */
	/* as laid out on the stack, for /proc/PID/{cmdline,environ} */
	uint64_t arg_start, arg_end, env_start, env_end;
	uint64_t auxv[2 * 24];
	uint32_t uid, euid, suid, gid, egid, sgid;
	uint64_t rlimit[16][2];      /* soft, hard */
	uint64_t start_time;         /* time_mono_ns */
	void *timers;                /* itimers, POSIX timers: ptimer.c */
	bool dumpable, no_new_privs;
	int pdeathsig;
	uint64_t cpu_ns;             /* of threads that ended */
};

extern struct process *init_process; /* pid 1 */

/* ---- process.c ---- */
struct process *process_get(struct process *p);
void process_put(struct process *p);
struct process *process_find(int32_t pid);   /* no reference; NULL */
struct thread *thread_find(int32_t tid);
/* Iterates in pid order: first with pid > after; NULL at the end. */
struct process *process_next(int32_t after);
struct thread *thread_next(struct process *p, int32_t after);
/* Ends all threads of the current process with a wait status. */
void process_exit_group(int wait_status) __attribute__((noreturn));

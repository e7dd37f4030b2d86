/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of a process or thread.
 */
#include "kernel/procfs.h"

#include "abi/layout.h"
#include "kernel/aspace.h"
#include "kernel/cpu.h"
#include "kernel/file.h"
#include "kernel/fsabi.h"
#include "kernel/process.h"
#include "kernel/signal.h"
#include "kernel/thread.h"
#include "kernel/uaccess.h"
#include "kernel/vfs.h"
#include "lib/string.h"

enum { TICK_NS = 10000000, COPY_MAX = 1 << 20 };

/* A range of the process's memory, as it is now. */
static void copy_memory(struct text *x, uint64_t start, uint64_t end)
{
	uint8_t piece[256];

	if (end < start || end - start > COPY_MAX)
		return;
	while (start < end) {
		size_t n = u64_min(sizeof(piece), end - start);

		if (user_read(piece, start, n))
			return;
		text_add_bytes(x, piece, n);
		start += n;
	}
}

static void show_cmdline(struct text *x, struct process *p, struct thread *t)
{
	copy_memory(x, p->arg_start, p->arg_end);
}

static void show_environ(struct text *x, struct process *p, struct thread *t)
{
	copy_memory(x, p->env_start, p->env_end);
}

static void show_auxv(struct text *x, struct process *p, struct thread *t)
{
	size_t n = 0;

	while (n + 2 <= ARRAY_SIZE(p->auxv) && p->auxv[n])
		n += 2;
	text_add_bytes(x, p->auxv,
		u64_min(n + 2, ARRAY_SIZE(p->auxv)) * sizeof(p->auxv[0]));
}

static void show_comm(struct text *x, struct process *p, struct thread *t)
{
	text_add(x, "%s\n", t ? t->comm : "");
}

static int store_comm(struct process *p, struct thread *t, const char *text)
{
	size_t n = strlen(text);

	if (!t || p != curproc)
		return -EINVAL;
	if (n && text[n - 1] == '\n')
		n--;
	n = u64_min(n, sizeof(t->comm) - 1);
	memset(t->comm, 0, sizeof(t->comm));
	memcpy(t->comm, text, n);
	return 0;
}

/* ---- memory ---- */

/* A mapping's name, in buf if it has to be made. */
static const char *mapping_name(
	const struct aspace_info *i, char *buf, size_t size)
{
	if (i->name)
		return i->name;
	if (i->file && i->file->dentry &&
		dentry_path(i->file->dentry, NULL, buf, size) > 0)
		return buf;
	return "";
}

static void map_line(
	struct text *x, const struct aspace_info *i, const char *name)
{
	char line[128];

	text_add(x, "%08lx-%08lx %c%c%c%c %08lx %02lx:%02lx %lu", i->start,
		i->end, i->prot & 1 ? 'r' : '-', i->prot & 2 ? 'w' : '-',
		i->prot & 4 ? 'x' : '-', i->shared ? 's' : 'p', i->offset,
		i->dev >> 8 & 0xfff, i->dev & 0xff, i->ino);
	if (*name) {
		memset(line, ' ', sizeof(line));
		line[26] = '\0';
		text_add(x, "%s%s", line, name);
	}
	text_add(x, "\n");
}

static void walk_maps(struct text *x, struct process *p, bool details)
{
	struct aspace_info i = {0};
	char *buf = path_buf_get();

	for (uint64_t at = 0; buf && p->as && aspace_next(p->as, at, &i);
		at = i.end) {
		uint64_t resident = 0;

		map_line(x, &i, mapping_name(&i, buf, VFS_PATH_MAX));
		if (!details)
			continue;
		for (uint64_t a = i.start; a < i.end && a - i.start < 1ul << 32;
			a += PAGE_SIZE)
			resident += aspace_resident(a) ? 4 : 0;
		text_add(x,
			"Size:           %8lu kB\nKernelPageSize:        4 kB\n"
			"MMUPageSize:           4 kB\n"
			"Rss:            %8lu kB\nPss:            %8lu kB\n"
			"Shared_Clean:          0 kB\n"
			"Shared_Dirty:          0 kB\n"
			"Private_Clean:         0 kB\n"
			"Private_Dirty:  %8lu kB\nReferenced:     %8lu kB\n"
			"Anonymous:      %8lu kB\nSwap:                  0 kB\n"
			"Locked:                0 kB\n",
			(i.end - i.start) >> 10, resident, resident, resident,
			resident, i.file ? 0 : resident);
	}
	path_buf_put(buf);
}

static void show_maps(struct text *x, struct process *p, struct thread *t)
{
	walk_maps(x, p, false);
}

static void show_smaps(struct text *x, struct process *p, struct thread *t)
{
	walk_maps(x, p, true);
}

struct sizes {
	uint64_t total, resident, text, data, stack;
};

static struct sizes sizes_of(struct process *p)
{
	struct sizes s = {0};
	struct aspace_info i;

	if (!p->as)
		return s;
	s.resident = aspace_committed(p->as);
	for (uint64_t at = 0; aspace_next(p->as, at, &i); at = i.end) {
		uint64_t size = i.end - i.start;

		s.total += size;
		if (i.prot & 4)
			s.text += size;
		else if (i.prot & 2)
			s.data += size;
		if (i.name && strcmp(i.name, "[stack]") == 0)
			s.stack += size;
	}
	return s;
}

static void show_statm(struct text *x, struct process *p, struct thread *t)
{
	struct sizes s = sizes_of(p);

	text_add(x, "%lu %lu 0 %lu 0 %lu 0\n", s.total / PAGE_SIZE,
		s.resident / PAGE_SIZE, s.text / PAGE_SIZE, s.data / PAGE_SIZE);
}

/* ---- state ---- */

static char state_of(const struct process *p, const struct thread *t)
{
	if (p->state != PROC_LIVE)
		return 'Z';
	if (p->stopped)
		return 'T';
	if (t && t->state != THREAD_RUNNING && t->state != THREAD_RUNNABLE)
		return 'S';
	return 'R';
}

static uint64_t cpu_ns(struct process *p, struct thread *only)
{
	uint64_t ns = p->cpu_ns;
	struct thread *t;

	if (only)
		return only->run_total;
	for (t = thread_next(p, 0); t; t = thread_next(p, t->tid))
		ns += t->run_total;
	return ns;
}

static void show_stat(struct text *x, struct process *p, struct thread *t)
{
	bool one = t && t->tid != p->pid;
	struct sizes s = sizes_of(p);

	text_add(x,
		"%d (%s) %c %d %d %d 0 -1 4194304 0 0 0 0 %lu 0 %lu 0 20 %d "
		"%d 0 %lu %lu %lu %lu ",
		one ? t->tid : p->pid, t ? t->comm : "", state_of(p, t),
		p->parent ? p->parent->pid : 0, p->pgid, p->sid,
		cpu_ns(p, one ? t : NULL) / TICK_NS, p->child_cpu_ns / TICK_NS,
		p->nice, p->thread_count, p->start_time / TICK_NS, s.total,
		s.resident / PAGE_SIZE, p->rlimit[5][0]);
	text_add(x,
		"0 0 0 0 0 0 0 0 0 0 0 0 17 %d 0 0 0 0 0 0 0 0 %lu %lu %lu "
		"%lu 0\n",
		t ? t->cpu : 0, p->arg_start, p->arg_end, p->env_start,
		p->env_end);
}

static void signal_masks(struct text *x, struct process *p, struct thread *t)
{
	uint64_t ignored = 0, caught = 0;

	for (int i = 0; p->actions && i < NSIG_KERNEL; i++) {
		uint64_t handler = p->actions->entry[i].handler;

		if (handler == 1)
			ignored |= 1ull << i;
		else if (handler)
			caught |= 1ull << i;
	}
	text_add(x,
		"SigQ:\t0/4096\nSigPnd:\t%016lx\nShdPnd:\t%016lx\n"
		"SigBlk:\t%016lx\nSigIgn:\t%016lx\nSigCgt:\t%016lx\n",
		t ? t->sig.pending : 0, p->sig_pending, t ? t->sig.blocked : 0,
		ignored, caught);
}

static const char *state_name(char c)
{
	return c == 'R'    ? "R (running)"
		: c == 'S' ? "S (sleeping)"
		: c == 'T' ? "T (stopped)"
			   : "Z (zombie)";
}

static void show_status(struct text *x, struct process *p, struct thread *t)
{
	struct sizes s = sizes_of(p);
	uint64_t caps = p->caps.set ? p->caps.effective
		: p->euid == 0      ? 0x1ffffffffffull
				    : 0;
	uint64_t cpus = cpu_count >= 64 ? ~0ull : (1ull << cpu_count) - 1;

	text_add(x,
		"Name:\t%s\nUmask:\t%04u\nState:\t%s\nTgid:\t%d\nNgid:\t0\n"
		"Pid:\t%d\nPPid:\t%d\nTracerPid:\t0\n",
		t ? t->comm : "",
		p->fs ? (p->fs->umask >> 6) * 100 +
				(p->fs->umask >> 3 & 7) * 10 +
				(p->fs->umask & 7)
		      : 0,
		state_name(state_of(p, t)), p->pid, t ? t->tid : p->pid,
		p->parent ? p->parent->pid : 0);
	text_add(x,
		"Uid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\nFDSize:\t64\n"
		"Groups:\t",
		p->uid, p->euid, p->suid, p->euid, p->gid, p->egid, p->sgid,
		p->egid);
	for (int i = 0; i < p->group_count; i++)
		text_add(x, "%u ", p->groups[i]);
	text_add(x,
		"\nVmPeak:\t%8lu kB\nVmSize:\t%8lu kB\nVmLck:\t       0 kB\n"
		"VmPin:\t       0 kB\nVmHWM:\t%8lu kB\nVmRSS:\t%8lu kB\n"
		"RssAnon:\t%8lu kB\nRssFile:\t       0 kB\n"
		"RssShmem:\t       0 kB\nVmData:\t%8lu kB\nVmStk:\t%8lu kB\n"
		"VmExe:\t%8lu kB\nVmLib:\t       0 kB\nVmPTE:\t       0 kB\n"
		"VmSwap:\t       0 kB\nThreads:\t%d\n",
		s.total >> 10, s.total >> 10, s.resident >> 10,
		s.resident >> 10, s.resident >> 10, s.data >> 10, s.stack >> 10,
		s.text >> 10, p->thread_count);
	signal_masks(x, p, t);
	text_add(x,
		"CapInh:\t0000000000000000\nCapPrm:\t%016lx\nCapEff:\t%016lx\n"
		"CapBnd:\t000001ffffffffff\nCapAmb:\t0000000000000000\n"
		"NoNewPrivs:\t%d\nSeccomp:\t0\nSpeculation_Store_Bypass:\t"
		"unknown\nCpus_allowed:\t%lx\nCpus_allowed_list:\t0-%d\n"
		"Mems_allowed:\t1\nMems_allowed_list:\t0\n"
		"voluntary_ctxt_switches:\t0\n"
		"nonvoluntary_ctxt_switches:\t0\n",
		caps, caps, p->no_new_privs, cpus, cpu_count - 1);
}

static void show_limits(struct text *x, struct process *p, struct thread *t)
{
	static const struct {
		const char *name, *unit;
	} rows[] = {
		{"Max cpu time", "seconds"},
		{"Max file size", "bytes"},
		{"Max data size", "bytes"},
		{"Max stack size", "bytes"},
		{"Max core file size", "bytes"},
		{"Max resident set", "bytes"},
		{"Max processes", "processes"},
		{"Max open files", "files"},
		{"Max locked memory", "bytes"},
		{"Max address space", "bytes"},
		{"Max file locks", "locks"},
		{"Max pending signals", "signals"},
		{"Max msgqueue size", "bytes"},
		{"Max nice priority", ""},
		{"Max realtime priority", ""},
		{"Max realtime timeout", "us"},
	};

	text_add(x, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit",
		"Hard Limit", "Units");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		text_add(x, "%-25s ", rows[i].name);
		for (int k = 0; k < 2; k++) {
			if (p->rlimit[i][k] == UINT64_MAX)
				text_add(x, "%-20s ", "unlimited");
			else
				text_add(x, "%-20lu ", p->rlimit[i][k]);
		}
		text_add(x, "%-10s\n", rows[i].unit);
	}
}

/* ---- mounts ---- */

static const char *mount_path(struct mount *m, char *buf, size_t size)
{
	if (!m->covered)
		return "/";
	return dentry_path(m->covered, NULL, buf, size) > 0 ? buf : "?";
}

static const char *mount_type(const struct mount *m)
{
	return strcmp(m->type, "host") == 0   ? "hostfs"
		: strcmp(m->type, "dev") == 0 ? "devtmpfs"
		: strcmp(m->type, "sys") == 0 ? "sysfs"
					      : m->type;
}

static void show_mounts(struct text *x, struct process *p, struct thread *t)
{
	char *buf = path_buf_get();

	for (struct mount *m = NULL; buf && (m = mount_next(m));)
		text_add(x, "%s %s %s %s,relatime 0 0\n", m->source,
			mount_path(m, buf, VFS_PATH_MAX), mount_type(m),
			m->readonly ? "ro" : "rw");
	path_buf_put(buf);
}

static void show_mountinfo(struct text *x, struct process *p, struct thread *t)
{
	char *buf = path_buf_get();

	for (struct mount *m = NULL; buf && (m = mount_next(m));)
		text_add(x, "%d %d 0:%d / %s %s,relatime - %s %s %s\n", m->id,
			m->covered ? m->covered->mount->id : m->id, m->id,
			mount_path(m, buf, VFS_PATH_MAX),
			m->readonly ? "ro" : "rw", mount_type(m), m->source,
			m->readonly ? "ro" : "rw");
	path_buf_put(buf);
}

/* ---- small ones ---- */

static void show_personality(
	struct text *x, struct process *p, struct thread *t)
{
	text_add(x, "%08x\n", p->personality);
}

static void show_schedstat(struct text *x, struct process *p, struct thread *t)
{
	text_add(x, "%lu 0 0\n", cpu_ns(p, t));
}

#define ID_MAP "         0          0 4294967295\n"

const struct proc_pid_file procfs_pid_files[] = {
	{"auxv", 0400, show_auxv, NULL, NULL},
	{"cgroup", 0444, NULL, NULL, "0::/\n"},
	{"cmdline", 0444, show_cmdline, NULL, NULL},
	{"comm", 0644, show_comm, store_comm, NULL},
	{"environ", 0400, show_environ, NULL, NULL},
	{"gid_map", 0444, NULL, NULL, ID_MAP},
	{"limits", 0444, show_limits, NULL, NULL},
	{"loginuid", 0444, NULL, NULL, "0\n"},
	{"maps", 0444, show_maps, NULL, NULL},
	{"mountinfo", 0444, show_mountinfo, NULL, NULL},
	{"mounts", 0444, show_mounts, NULL, NULL},
	{"oom_score", 0444, NULL, NULL, "0\n"},
	{"oom_score_adj", 0444, NULL, NULL, "0\n"},
	{"personality", 0400, show_personality, NULL, NULL},
	{"schedstat", 0444, show_schedstat, NULL, NULL},
	{"smaps", 0444, show_smaps, NULL, NULL},
	{"stat", 0444, show_stat, NULL, NULL},
	{"statm", 0444, show_statm, NULL, NULL},
	{"status", 0444, show_status, NULL, NULL},
	{"uid_map", 0444, NULL, NULL, ID_MAP},
	{"wchan", 0444, NULL, NULL, "0"},
};
const size_t procfs_pid_file_count = ARRAY_SIZE(procfs_pid_files);

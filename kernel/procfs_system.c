/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System-wide files of /proc and /sys. Numbers are the enclave's own: its
 * memory limit, its threads. The processor's name is the host's word.
 */
#include "kernel/procfs.h"

#include "kernel/aspace.h"
#include "kernel/cpu.h"
#include "kernel/cpuid.h"
#include "kernel/process.h"
#include "kernel/random.h"
#include "kernel/system.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "lib/string.h"

enum { TICK_NS = 10000000 }; /* USER_HZ 100 */

/* Flags that programs look for: bit and name, by leaf and register. */
static const struct {
	uint32_t leaf, reg;
	const char *names;
} flags[] = {
	{1, 3,
		"0 fpu 4 tsc 8 cx8 15 cmov 19 clflush 23 mmx 24 fxsr 25 sse 26 "
		"sse2 28 ht "},
	{0x80000001, 3, "11 syscall 20 nx 27 rdtscp 29 lm "},
	{1, 2,
		"0 pni 1 pclmulqdq 9 ssse3 12 fma 13 cx16 19 sse4_1 20 sse4_2 "
		"22 movbe 23 popcnt 25 aes 26 xsave 28 avx 29 f16c 30 rdrand "},
	{0x80000001, 2, "0 lahf_lm 5 abm "},
	{7, 1,
		"0 fsgsbase 3 bmi1 5 avx2 8 bmi2 9 erms 16 avx512f 17 avx512dq "
		"18 rdseed 19 adx 28 avx512cd 29 sha_ni 30 avx512bw 31 "
		"avx512vl "},
};

static void show_flags(struct text *t)
{
	text_add(t, "flags\t\t:");
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		uint32_t r[4], bit;

		cpuid_query(flags[i].leaf, 0, r);
		for (const char *c = flags[i].names; *c; c++) {
			const char *end;

			for (bit = 0; *c != ' '; c++)
				bit = bit * 10 + (uint32_t)(*c - '0');
			end = strchr(++c, ' ');
			if (r[flags[i].reg] >> bit & 1)
				text_add(t, " %.*s", (int)(end - c), c);
			c = end;
		}
	}
	text_add(t, "\n");
}

/* Printable characters only: the host chose them. */
static void clean(char *s)
{
	for (; *s; s++) {
		if (*s < ' ' || *s > '~')
			*s = '?';
	}
}

static void show_cpuinfo(struct text *t)
{
	uint32_t r[4], sig[4];
	char vendor[13] = "", brand[49] = "";
	uint32_t family, model;

	cpuid_query(0, 0, r);
	memcpy(vendor, &r[1], 4);
	memcpy(vendor + 4, &r[3], 4);
	memcpy(vendor + 8, &r[2], 4);
	cpuid_query(1, 0, sig);
	family = sig[0] >> 8 & 15;
	model = (sig[0] >> 4 & 15) | (sig[0] >> 12 & 0xf0);
	if (family == 15)
		family += sig[0] >> 20 & 255;
	for (uint32_t i = 0; i < 3; i++) {
		cpuid_query(0x80000002 + i, 0, r);
		memcpy(brand + 16 * i, r, 16);
	}
	clean(vendor);
	clean(brand);
	for (int i = 0; i < cpu_count; i++) {
		text_add(t,
			"processor\t: %d\nvendor_id\t: %s\n"
			"cpu family\t: %u\nmodel\t\t: %u\n"
			"model name\t: %s\nstepping\t: %u\n"
			"physical id\t: 0\nsiblings\t: %d\ncore id\t\t: %d\n"
			"cpu cores\t: %d\napicid\t\t: %d\n"
			"fpu\t\t: yes\nfpu_exception\t: yes\n"
			"cpuid level\t: 13\nwp\t\t: yes\n",
			i, vendor, family, model, brand, sig[0] & 15, cpu_count,
			i, cpu_count, i);
		show_flags(t);
		text_add(t,
			"clflush size\t: 64\n"
			"cache_alignment\t: 64\n"
			"address sizes\t: 46 bits physical, 48 bits virtual\n"
			"\n");
	}
}

static void show_meminfo(struct text *t)
{
	uint64_t used, limit, left;

	aspace_memory(&used, &limit);
	left = limit > used ? limit - used : 0;
	text_add(t,
		"MemTotal:       %8lu kB\nMemFree:        %8lu kB\n"
		"MemAvailable:   %8lu kB\nBuffers:               0 kB\n"
		"Cached:                0 kB\nSwapCached:            0 kB\n"
		"Active:         %8lu kB\nInactive:              0 kB\n"
		"SwapTotal:             0 kB\nSwapFree:              0 kB\n"
		"Dirty:                 0 kB\nWriteback:             0 kB\n"
		"AnonPages:      %8lu kB\nMapped:                0 kB\n"
		"Shmem:                 0 kB\nSlab:                  0 kB\n"
		"CommitLimit:    %8lu kB\nCommitted_AS:   %8lu kB\n"
		"VmallocTotal:          0 kB\nVmallocUsed:           0 kB\n"
		"HugePages_Total:       0\nHugePages_Free:        0\n"
		"HugePages_Rsvd:        0\nHugePages_Surp:        0\n"
		"Hugepagesize:       2048 kB\n",
		limit >> 10, left >> 10, left >> 10, used >> 10, used >> 10,
		limit >> 10, used >> 10);
}

/* Ticks that programs ran, all together. */
static uint64_t busy_ticks(void)
{
	uint64_t ns = 0;

	for (struct process *p = process_next(0); p; p = process_next(p->pid)) {
		struct thread *th;

		ns += p->cpu_ns;
		for (th = thread_next(p, 0); th; th = thread_next(p, th->tid))
			ns += th->run_total;
	}
	return ns / TICK_NS;
}

static void show_stat(struct text *t)
{
	uint64_t busy = busy_ticks(), up = time_mono_ns() / TICK_NS;
	uint64_t cpus = (uint64_t)cpu_count;
	uint64_t all = up * cpus, idle = all > busy ? all - busy : 0;

	text_add(t, "cpu  %lu 0 0 %lu 0 0 0 0 0 0\n", busy, idle);
	for (uint64_t i = 0; i < cpus; i++)
		text_add(t, "cpu%lu %lu 0 0 %lu 0 0 0 0 0 0\n", i, busy / cpus,
			idle / cpus);
	text_add(t,
		"intr 0\nctxt 0\nbtime %lu\nprocesses %d\n"
		"procs_running 1\nprocs_blocked 0\n",
		(uint64_t)((time_real_ns() - time_mono_ns()) / NSEC_PER_SEC),
		process_count());
}

static void show_uptime(struct text *t)
{
	uint64_t up = time_mono_ns() / TICK_NS;

	text_add(t, "%lu.%02lu %lu.%02lu\n", up / 100, up % 100, up / 100,
		up % 100);
}

static void show_loadavg(struct text *t)
{
	text_add(t, "0.00 0.00 0.00 1/%d %d\n", thread_count_all(),
		curproc->pid);
}

static void show_version(struct text *t)
{
	text_add(t, "Linux version %s (sconce) %s\n", SYSTEM_RELEASE,
		SYSTEM_VERSION);
}

static void show_hostname(struct text *t)
{
	text_add(t, "%s\n", system_hostname());
}

static void uuid(struct text *t, const uint8_t b[16])
{
	for (int i = 0; i < 16; i++)
		text_add(t, "%s%02x",
			i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", b[i]);
	text_add(t, "\n");
}

static void show_uuid(struct text *t)
{
	uint8_t b[16];

	random_fill(b, sizeof(b));
	b[6] = (b[6] & 0x0f) | 0x40;
	b[8] = (b[8] & 0x3f) | 0x80;
	uuid(t, b);
}

static void show_boot_id(struct text *t)
{
	static uint8_t id[16];

	if (!id[8]) {
		random_fill(id, sizeof(id));
		id[6] = (id[6] & 0x0f) | 0x40;
		id[8] = (id[8] & 0x3f) | 0x80;
	}
	uuid(t, id);
}

const struct proc_file procfs_files[] = {
	{"cgroups", NULL, "#subsys_name\thierarchy\tnum_cgroups\tenabled\n"},
	{"cpuinfo", show_cpuinfo, NULL},
	{"devices", NULL, "Character devices:\n  1 mem\n  5 /dev/tty\n"},
	{"filesystems", NULL,
		"nodev\tproc\nnodev\ttmpfs\nnodev\tdevtmpfs\nnodev\tsysfs\n"},
	{"loadavg", show_loadavg, NULL},
	{"meminfo", show_meminfo, NULL},
	{"stat", show_stat, NULL},
	{"sys/fs/aio-max-nr", NULL, "0\n"},
	{"sys/fs/file-max", NULL, "1048576\n"},
	{"sys/fs/inotify/max_user_instances", NULL, "128\n"},
	{"sys/fs/inotify/max_user_watches", NULL, "65536\n"},
	{"sys/fs/nr_open", NULL, "1048576\n"},
	{"sys/fs/pipe-max-size", NULL, "1048576\n"},
	{"sys/kernel/cap_last_cap", NULL, "40\n"},
	{"sys/kernel/core_pattern", NULL, "core\n"},
	{"sys/kernel/hostname", show_hostname, NULL},
	{"sys/kernel/ngroups_max", NULL, "65536\n"},
	{"sys/kernel/osrelease", NULL, SYSTEM_RELEASE "\n"},
	{"sys/kernel/ostype", NULL, "Linux\n"},
	{"sys/kernel/pid_max", NULL, "4194304\n"},
	{"sys/kernel/random/boot_id", show_boot_id, NULL},
	{"sys/kernel/random/entropy_avail", NULL, "256\n"},
	{"sys/kernel/random/poolsize", NULL, "256\n"},
	{"sys/kernel/random/uuid", show_uuid, NULL},
	{"sys/kernel/randomize_va_space", NULL, "2\n"},
	{"sys/kernel/sched_rr_timeslice_ms", NULL, "100\n"},
	{"sys/kernel/threads-max", NULL, "65536\n"},
	{"sys/kernel/version", NULL, SYSTEM_VERSION "\n"},
	{"sys/net/core/somaxconn", NULL, "4096\n"},
	{"sys/vm/max_map_count", NULL, "65530\n"},
	{"sys/vm/mmap_min_addr", NULL, "65536\n"},
	{"sys/vm/overcommit_memory", NULL, "1\n"},
	{"sys/vm/swappiness", NULL, "0\n"},
	{"uptime", show_uptime, NULL},
	{"version", show_version, NULL},
};
const size_t procfs_file_count = ARRAY_SIZE(procfs_files);

/* ---- /sys/devices/system/cpu ---- */

static void show_cpus(struct text *t)
{
	if (cpu_count == 1)
		text_add(t, "0\n");
	else
		text_add(t, "0-%d\n", cpu_count - 1);
}

const struct proc_file sysfs_files[] = {
	{"kernel_max", NULL, "63\n"},
	{"offline", NULL, "\n"},
	{"online", show_cpus, NULL},
	{"possible", show_cpus, NULL},
	{"present", show_cpus, NULL},
};
const size_t sysfs_file_count = ARRAY_SIZE(sysfs_files);

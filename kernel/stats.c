/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See stats.h. "inside" are system calls that caused no exit: the total less
 * nothing else; calls to the host are counted apart, as exits, exitless and
 * posted ones.
 */
#include "kernel/stats.h"

#include "kernel/aspace.h"
#include "kernel/cpu.h"
#include "kernel/hostcall.h"
#include "kernel/kalloc.h"
#include "kernel/klog.h"
#include "kernel/process.h"
#include "lib/fmt.h"

enum { REPORT_SIZE = 8192 };

struct report {
	char *text;
	size_t used;
};

static void add(struct report *r, const char *name, uint64_t value)
{
	size_t room = REPORT_SIZE - r->used;
	size_t n = fmt_print(r->text + r->used, room, "%s %lu\n", name,
		(unsigned long)value);

	if (n < room)
		r->used += n;
}

static void add_cpus(struct report *r)
{
	struct cpu_stats sum = {0};

	for (int i = 0; i < cpu_count; i++) {
		const struct cpu_stats *s;

		if (!cpu_is_started(i))
			break;
		s = &cpu_get(i)->stats;
		sum.syscalls += s->syscalls;
		sum.traps_syscall += s->traps_syscall;
		sum.traps_cpuid += s->traps_cpuid;
		sum.page_faults += s->page_faults;
		sum.ticks += s->ticks;
		sum.other_exceptions += s->other_exceptions;
		sum.switches += s->switches;
	}
	add(r, "syscalls", sum.syscalls);
	add(r, "traps", sum.traps_syscall);
	add(r, "traps_cpuid", sum.traps_cpuid);
	add(r, "page_faults", sum.page_faults);
	add(r, "ticks", sum.ticks);
	add(r, "exceptions", sum.other_exceptions);
	add(r, "switches", sum.switches);
}

static void add_calls(struct report *r)
{
	uint64_t exits = 0, rings = 0, posts = 0;

	for (unsigned int i = 0; i < HOSTCALL_COUNT; i++) {
		const struct hostcall_stats *s = hostcall_stats(i);

		exits += s->exits;
		rings += s->rings;
		posts += s->posts;
	}
	add(r, "exits", exits);
	add(r, "exitless", rings);
	add(r, "posted", posts);
	/* Round trips of a null call, TSC ticks, as measured at boot. */
	if (hostcall_costs()->exit)
		add(r, "exit_ticks", hostcall_costs()->exit);
	if (hostcall_costs()->ring)
		add(r, "exitless_ticks", hostcall_costs()->ring);
	for (unsigned int i = 0; i < HOSTCALL_COUNT; i++) {
		const struct hostcall_stats *s = hostcall_stats(i);
		uint64_t n = s->exits + s->rings + s->posts;
		char name[64];

		if (!n)
			continue;
		fmt_print(
			name, sizeof(name), "call_%s", hostcall_desc(i)->name);
		add(r, name, n);
	}
}

void stats_report(void)
{
	struct report r = {.text = kmalloc(REPORT_SIZE)};
	uint64_t used, limit;
	size_t heap_used, heap_committed;

	if (!r.text)
		return;
	add_cpus(&r);
	add_calls(&r);
	aspace_memory(&used, &limit);
	kalloc_stats(&heap_used, &heap_committed);
	add(&r, "memory", used);
	add(&r, "memory_peak", aspace_memory_peak());
	add(&r, "memory_limit", limit);
	add(&r, "kernel_heap", heap_committed);
	add(&r, "threads_peak", (uint64_t)thread_count_peak());
	if (host_stats(r.text, r.used) < 0)
		klog("the host did not take the statistics");
	kfree(r.text);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The load of bench/cas. Prints one line of JSON for each measurement.
 *
 * bench-casload attest ADDR:PORT KEY MRENCLAVE SESSION AT_ONCE SECONDS
 *	Services of the sessions SESSION-0, -1, ... that start again and again:
 *	connection, evidence for it, configuration. The evidence is real
 *evidence of the emulated platform of XDG_DATA_HOME, quoted in this process.
 * bench-casload tags ADDR:PORT KEY MRENCLAVE SESSION SERVICES DEPTH SECONDS
 *	Services of such sessions, each of which has so many new tags of its
 *volume under way. bench-casload get ADDR:PORT IDENTITY PATH CONNECTIONS
 *SECONDS The same GET, on connections that stay; @N@ in PATH is a number below
 *	COUNT, if that is given behind SECONDS.
 * bench-casload create ADDR:PORT IDENTITY FILE COUNT CONNECTIONS
 *	Sessions from FILE, @N@ being their number.
 */
#include "bench/casload.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t load_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void load_die(const char *format, ...)
{
	va_list ap;

	fprintf(stderr, "bench-casload: ");
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

void load_took(struct load_times *t, uint64_t ns)
{
	if (t->count == t->room) {
		t->room = t->room ? 2 * t->room : 1 << 16;
		t->us = realloc(t->us, t->room * sizeof(*t->us));
		if (!t->us)
			load_die("no memory");
	}
	t->us[t->count++] = (uint32_t)(ns / 1000);
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

void load_print(struct load_times *t, uint64_t began_ns)
{
	double took = (double)(load_now_ns() - began_ns) / 1e9;
	size_t n = t->count;

	if (!n)
		load_die("nothing was done, %llu failed",
			(unsigned long long)t->failed);
	qsort(t->us, n, sizeof(*t->us), compare);
	printf("{\"count\": %zu, \"failed\": %llu, \"seconds\": %.3f, "
	       "\"per_s\": %.1f, \"p50_ms\": %.3f, \"p99_ms\": %.3f}\n",
		n, (unsigned long long)t->failed, took, (double)n / took,
		t->us[n / 2] / 1e3, t->us[n - 1 - n / 100] / 1e3);
	fflush(stdout);
	free(t->us);
	*t = (struct load_times){0};
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int words;
		int (*run)(int argc, char **argv);
	} works[] = {
		{"attest", 6, load_attest},
		{"tags", 7, load_tags},
		{"get", 5, load_get},
		{"create", 5, load_create},
	};

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(works); i++)
		if (strcmp(argv[1], works[i].name) == 0 &&
			argc - 2 >= works[i].words)
			return works[i].run(argc - 2, argv + 2);
	fprintf(stderr,
		"usage: bench-casload attest|tags|get|create ...: see the head "
		"of bench/casload.c\n");
	return 2;
}

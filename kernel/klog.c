/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages are queued inside and leave when the kernel is about to return to
 * the application or to idle, so klog() can be called anywhere. A message
 * that finds the queue full is dropped and counted.
 *
 * panic() leaves its text in the shared region, since a host call may be
 * what went wrong.
 */
#include "kernel/klog.h"

#include <stdarg.h>

#include "abi/entry.h"
#include "kernel/cpu.h"
#include "kernel/hostcall.h"
#include "lib/fmt.h"
#include "lib/string.h"

enum { QUEUE_SIZE = 16384, LINE_SIZE = 512 };

static const char prefix[] = "sconce: ";
static char queue[QUEUE_SIZE];
static size_t queued;
static unsigned int dropped;
static bool flushing;

bool klog_pending(void)
{
	return queued > 0 && !flushing;
}

void klog(const char *fmt, ...)
{
	char line[LINE_SIZE];
	size_t n = sizeof(prefix) - 1;
	va_list ap;

	memcpy(line, prefix, n);
	va_start(ap, fmt);
	n += fmt_vprint(line + n, sizeof(line) - n - 1, fmt, ap);
	va_end(ap);
	if (n > sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	if (n > sizeof(queue) - queued) {
		dropped++;
		return;
	}
	memcpy(queue + queued, line, n);
	queued += n;
}

void klog_flush(void)
{
	/* The queue may grow while the call is outside. */
	flushing = true;
	while (queued) {
		size_t n = queued < 4096 ? queued : 4096;
		int64_t done = host_log(queue, n);

		if (done <= 0 || (size_t)done > n)
			done = (int64_t)n;
		queued -= (size_t)done;
		memmove(queue, queue + done, queued);
	}
	flushing = false;
	if (dropped) {
		unsigned int lost = dropped;

		dropped = 0;
		klog("%u messages were lost", lost);
	}
}

void klog_stop(uint64_t code, const char *fmt, va_list ap)
{
	static bool again;
	char line[LINE_SIZE] = {0};

	if (!again) {
		again = true;
		fmt_vprint(line, sizeof(line), fmt, ap);
		hostcall_panic_text(line, sizeof(line));
	}
	for (;;)
		cpu_stop(code);
}

void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	klog_stop(PANIC_BUG, fmt, ap);
	/* cppcheck-suppress va_end_missing ; not reached */
}

void panic_host(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	klog_stop(PANIC_HOST, fmt, ap);
	/* cppcheck-suppress va_end_missing ; not reached */
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --trace=host: calls as the host sees them, one line each:
 *
 *	host 0: pread(fd 7, data <- 4096, 4096, 0x2000) = 4096
 *
 * It shows what any host could see, no more.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/serve_state.h"

enum { LINE = 512, TEXT = 200 };

static int print_arg(char *to, size_t room, const struct hostcall_arg *arg,
	const uint64_t *a, int i)
{
	uint64_t size = arg->size_arg == HC_SIZE_FIXED
		? arg->unit
		: arg->unit * a[arg->size_arg];

	switch (arg->kind) {
	case HC_ARG_FD:
	case HC_ARG_DIRFD:
	case HC_ARG_CLOSE:
		return snprintf(to, room, "fd %d", (int)a[i]);
	case HC_ARG_STR:
		return snprintf(to, room, "\"%.*s\"", TEXT,
			a[i] ? (const char *)a[i] : "");
	case HC_ARG_IN:
	case HC_ARG_UIN:
		return snprintf(to, room, "data %lu ->", a[i] ? size : 0);
	case HC_ARG_OUT:
	case HC_ARG_UOUT:
		return snprintf(to, room, "data <- %lu", a[i] ? size : 0);
	default:
		return snprintf(to, room, a[i] < 65536 ? "%lu" : "0x%lx", a[i]);
	}
}

void serve_trace(int cpu, const struct hostcall_desc *d, const uint64_t *a,
	int64_t result)
{
	char line[LINE];
	size_t n = (size_t)snprintf(line, LINE, "host %d: %s(", cpu, d->name);

	for (int i = 0; i < HOSTCALL_ARGS && d->arg[i].kind; i++) {
		if (i)
			n += (size_t)snprintf(line + n, LINE - n, ", ");
		n += (size_t)print_arg(line + n, LINE - n, &d->arg[i], a, i);
		if (n >= LINE)
			n = LINE - 1;
	}
	n += (size_t)snprintf(line + n, LINE - n, ") = %ld", result);
	if (result < 0)
		n += (size_t)snprintf(line + n, n < LINE ? LINE - n : 0, " %s",
			strerrorname_np((int)-result)
				? strerrorname_np((int)-result)
				: "?");
	if (n > LINE - 2)
		n = LINE - 2;
	line[n++] = '\n';
	(void)!write(STDERR_FILENO, line, n);
}

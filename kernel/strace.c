/* SPDX-License-Identifier: Apache-2.0 */
/* See strace.h. Numbers get their names outside (host/trace_names.c): that is
 * no business of the trusted code. Strings are read again after the call, so a
 * line shows what the memory held then. */
#include "kernel/strace.h"

#include "kernel/klog.h"
#include "kernel/syscall.h"
#include "kernel/thread.h"
#include "kernel/uaccess.h"
#include "lib/fmt.h"

enum { LINE_MAX_SIZE = 400, STRING_SHOWN = 96 };

struct line {
	char text[LINE_MAX_SIZE];
	size_t len;
};

static void add(struct line *l, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	if (l->len >= sizeof(l->text) - 1)
		return;
	va_start(ap, fmt);
	n = fmt_vprint(l->text + l->len, sizeof(l->text) - l->len, fmt, ap);
	va_end(ap);
	l->len += n;
	if (l->len > sizeof(l->text) - 1)
		l->len = sizeof(l->text) - 1;
}

static void add_string(struct line *l, uint64_t u_str)
{
	char s[STRING_SHOWN];
	int64_t n = user_read_str(s, u_str, sizeof(s));

	if (n == -14) {
		add(l, "0x%lx", (unsigned long)u_str);
		return;
	}
	s[sizeof(s) - 1] = '\0';
	for (char *p = s; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '.';
	add(l, "\"%s\"%s", s, n < 0 ? "..." : "");
}

static void add_bytes(struct line *l, uint64_t u_buf, uint64_t size)
{
	char s[33];
	size_t n = size < sizeof(s) - 1 ? size : sizeof(s) - 1;

	if (user_read(s, u_buf, n)) {
		add(l, "0x%lx", (unsigned long)u_buf);
		return;
	}
	for (size_t i = 0; i < n; i++)
		if (s[i] < ' ' || s[i] > '~')
			s[i] = '.';
	s[n] = '\0';
	add(l, "\"%s\"%s", s, n < size ? "..." : "");
}

static void add_args(struct line *l, const char *args, const uint64_t *a)
{
	for (int i = 0; i < 6 && args[i]; i++) {
		if (i)
			add(l, ", ");
		switch (args[i]) {
		case 'd':
		case 'f':
		case 'F':
			add(l, "%d", (int)a[i]);
			break;
		case 'u':
			add(l, "%lu", (unsigned long)a[i]);
			break;
		case 's':
			add_string(l, a[i]);
			break;
		case 'b':
			add_bytes(l, a[i], a[i + 1]);
			break;
		default:
			add(l, "0x%lx", (unsigned long)a[i]);
		}
	}
}

void strace_enter(
	uint64_t nr, const struct syscall *s, const struct trapframe *f)
{
	/* Calls that do not return leave their line here. */
	if (nr == 60 || nr == 231)
		klog("[%d] %s(%d)", current->tid, s->name, (int)f->rdi);
}

void strace_exit(
	uint64_t nr, const struct syscall *s, const struct trapframe *f)
{
	struct line l = {.len = 0};
	int64_t result = (int64_t)f->rax;

	add(&l, "[%d] %s(", current->tid, syscall_name(nr));
	if (s)
		add_args(&l, s->args, &f->rdi);
	klog(result > 0xffff ? "%s) = 0x%lx" : "%s) = %ld", l.text,
		(long)result);
}

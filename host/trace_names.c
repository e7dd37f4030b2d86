/* SPDX-License-Identifier: Apache-2.0 */
/* See trace_names.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "host/trace_names.h"

#include <asm/prctl.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 1024 };

/* Fits a value v if (v & mask) == value; the bits of mask are then done with.
 */
struct name {
	const char *text;
	uint64_t mask, value;
};

/* clang-format off */
#define BIT(x) {#x, (uint32_t)(x), (uint32_t)(x)}
#define ONE(x, mask) {#x, mask, (uint32_t)(x)}
/* clang-format on */
#define ALL 0xffffffff

static const struct name open_flags[] = {ONE(O_RDONLY, 3), ONE(O_WRONLY, 3),
	ONE(O_RDWR, 3), BIT(O_TMPFILE), BIT(O_CREAT), BIT(O_EXCL),
	BIT(O_NOCTTY), BIT(O_TRUNC), BIT(O_APPEND), BIT(O_NONBLOCK),
	BIT(O_SYNC), BIT(O_DSYNC), BIT(O_DIRECT), BIT(O_DIRECTORY),
	BIT(O_NOFOLLOW), BIT(O_NOATIME), BIT(O_CLOEXEC), BIT(O_PATH), {0}};
/* pipe2, dup3, eventfd2, timerfd_create and others. */
static const struct name fd_flags[] = {
	BIT(O_NONBLOCK), BIT(O_CLOEXEC), BIT(O_DIRECT), {0}};
static const struct name protections[] = {ONE(PROT_NONE, ALL), BIT(PROT_READ),
	BIT(PROT_WRITE), BIT(PROT_EXEC), BIT(PROT_GROWSDOWN), {0}};
static const struct name map_flags[] = {ONE(MAP_SHARED, 15),
	ONE(MAP_PRIVATE, 15), ONE(MAP_SHARED_VALIDATE, 15), BIT(MAP_FIXED),
	BIT(MAP_ANONYMOUS), BIT(MAP_32BIT), BIT(MAP_GROWSDOWN),
	BIT(MAP_DENYWRITE), BIT(MAP_LOCKED), BIT(MAP_NORESERVE),
	BIT(MAP_POPULATE), BIT(MAP_STACK), BIT(MAP_HUGETLB),
	BIT(MAP_FIXED_NOREPLACE), {0}};
static const struct name clone_flags[] = {BIT(CLONE_VM), BIT(CLONE_FS),
	BIT(CLONE_FILES), BIT(CLONE_SIGHAND), BIT(CLONE_PIDFD),
	BIT(CLONE_VFORK), BIT(CLONE_PARENT), BIT(CLONE_THREAD),
	BIT(CLONE_SYSVSEM), BIT(CLONE_SETTLS), BIT(CLONE_PARENT_SETTID),
	BIT(CLONE_CHILD_CLEARTID), BIT(CLONE_CHILD_SETTID), ONE(SIGCHLD, 0xff),
	{0}};
static const struct name epoll_ops[] = {ONE(EPOLL_CTL_ADD, ALL),
	ONE(EPOLL_CTL_MOD, ALL), ONE(EPOLL_CTL_DEL, ALL), {0}};
static const struct name domains[] = {ONE(AF_UNIX, ALL), ONE(AF_INET, ALL),
	ONE(AF_INET6, ALL), ONE(AF_NETLINK, ALL), ONE(AF_PACKET, ALL), {0}};
static const struct name types[] = {ONE(SOCK_STREAM, 15), ONE(SOCK_DGRAM, 15),
	ONE(SOCK_RAW, 15), ONE(SOCK_SEQPACKET, 15), BIT(SOCK_NONBLOCK),
	BIT(SOCK_CLOEXEC), {0}};
static const struct name message_flags[] = {BIT(MSG_OOB), BIT(MSG_PEEK),
	BIT(MSG_TRUNC), BIT(MSG_DONTWAIT), BIT(MSG_WAITALL), BIT(MSG_NOSIGNAL),
	BIT(MSG_MORE), BIT(MSG_CMSG_CLOEXEC), {0}};
static const struct name shutdowns[] = {
	ONE(SHUT_RD, ALL), ONE(SHUT_WR, ALL), ONE(SHUT_RDWR, ALL), {0}};
static const struct name levels[] = {ONE(SOL_SOCKET, ALL),
	{"IPPROTO_IP", ALL, 0}, {"IPPROTO_TCP", ALL, 6},
	{"IPPROTO_UDP", ALL, 17}, {"IPPROTO_IPV6", ALL, 41}, {0}};
static const struct name futex_ops[] = {ONE(FUTEX_WAIT, 127),
	ONE(FUTEX_WAKE, 127), ONE(FUTEX_REQUEUE, 127),
	ONE(FUTEX_CMP_REQUEUE, 127), ONE(FUTEX_WAKE_OP, 127),
	ONE(FUTEX_LOCK_PI, 127), ONE(FUTEX_UNLOCK_PI, 127),
	ONE(FUTEX_TRYLOCK_PI, 127), ONE(FUTEX_WAIT_BITSET, 127),
	ONE(FUTEX_WAKE_BITSET, 127), BIT(FUTEX_PRIVATE_FLAG),
	BIT(FUTEX_CLOCK_REALTIME), {0}};
static const struct name at_flags[] = {BIT(AT_SYMLINK_NOFOLLOW),
	BIT(AT_REMOVEDIR), BIT(AT_SYMLINK_FOLLOW), BIT(AT_NO_AUTOMOUNT),
	BIT(AT_EMPTY_PATH), {0}};
static const struct name fcntls[] = {ONE(F_DUPFD, ALL), ONE(F_GETFD, ALL),
	ONE(F_SETFD, ALL), ONE(F_GETFL, ALL), ONE(F_SETFL, ALL),
	ONE(F_GETLK, ALL), ONE(F_SETLK, ALL), ONE(F_SETLKW, ALL),
	ONE(F_DUPFD_CLOEXEC, ALL), ONE(F_GETPIPE_SZ, ALL),
	ONE(F_SETPIPE_SZ, ALL), ONE(F_ADD_SEALS, ALL), ONE(F_GET_SEALS, ALL),
	{0}};
static const struct name advices[] = {ONE(MADV_NORMAL, ALL),
	ONE(MADV_RANDOM, ALL), ONE(MADV_SEQUENTIAL, ALL),
	ONE(MADV_WILLNEED, ALL), ONE(MADV_DONTNEED, ALL), ONE(MADV_FREE, ALL),
	ONE(MADV_HUGEPAGE, ALL), ONE(MADV_NOHUGEPAGE, ALL),
	ONE(MADV_DONTDUMP, ALL), {0}};
static const struct name clocks[] = {ONE(CLOCK_REALTIME, ALL),
	ONE(CLOCK_MONOTONIC, ALL), ONE(CLOCK_PROCESS_CPUTIME_ID, ALL),
	ONE(CLOCK_THREAD_CPUTIME_ID, ALL), ONE(CLOCK_MONOTONIC_RAW, ALL),
	ONE(CLOCK_REALTIME_COARSE, ALL), ONE(CLOCK_MONOTONIC_COARSE, ALL),
	ONE(CLOCK_BOOTTIME, ALL), {0}};
static const struct name whences[] = {
	ONE(SEEK_SET, ALL), ONE(SEEK_CUR, ALL), ONE(SEEK_END, ALL), {0}};
static const struct name modes[] = {
	ONE(F_OK, ALL), BIT(R_OK), BIT(W_OK), BIT(X_OK), {0}};
static const struct name masks[] = {
	ONE(SIG_BLOCK, ALL), ONE(SIG_UNBLOCK, ALL), ONE(SIG_SETMASK, ALL), {0}};
static const struct name waits[] = {BIT(WNOHANG), BIT(WUNTRACED),
	BIT(WCONTINUED), BIT(WEXITED), BIT(WNOWAIT), {0}};
static const struct name arch_codes[] = {ONE(ARCH_SET_FS, ALL),
	ONE(ARCH_GET_FS, ALL), ONE(ARCH_SET_GS, ALL), ONE(ARCH_GET_GS, ALL),
	{0}};

/* What the letters of the calls below mean; '.' leaves the number alone. */
static const struct name *const sets[128] = {['O'] = open_flags,
	['f'] = fd_flags,
	['P'] = protections,
	['M'] = map_flags,
	['C'] = clone_flags,
	['E'] = epoll_ops,
	['D'] = domains,
	['T'] = types,
	['G'] = message_flags,
	['H'] = shutdowns,
	['L'] = levels,
	['F'] = futex_ops,
	['A'] = at_flags,
	['N'] = fcntls,
	['V'] = advices,
	['K'] = clocks,
	['W'] = whences,
	['R'] = modes,
	['B'] = masks,
	['w'] = waits,
	['X'] = arch_codes};

/* A letter per argument; '8' octal, 's' signal, '@' descriptor or AT_FDCWD. */
static const struct {
	const char *name, *letters;
} calls[] = {{"access", ".R"}, {"arch_prctl", "X"}, {"accept4", "...f"},
	{"chmod", ".8"}, {"clock_getres", "K"}, {"clock_gettime", "K"},
	{"clock_nanosleep", "K"}, {"clone", "C"}, {"creat", ".8"},
	{"dup3", "..f"}, {"epoll_create1", "f"}, {"epoll_ctl", ".E"},
	{"eventfd2", ".f"}, {"faccessat", "@.R"}, {"faccessat2", "@.RA"},
	{"fchmod", ".8"}, {"fchmodat", "@.8"}, {"fchownat", "@...A"},
	{"fcntl", ".N"}, {"futex", ".F"}, {"getsockopt", ".L"},
	{"inotify_init1", "f"}, {"kill", ".s"}, {"linkat", "@.@.A"},
	{"lseek", "..W"}, {"madvise", "..V"}, {"mkdir", ".8"},
	{"mkdirat", "@.8"}, {"mknod", ".8"}, {"mknodat", "@.8"},
	{"mmap", "..PM"}, {"mprotect", "..P"}, {"newfstatat", "@..A"},
	{"open", ".O8"}, {"openat", "@.O8"}, {"openat2", "@"}, {"pipe2", ".f"},
	{"readlinkat", "@"}, {"recvfrom", "...G"}, {"recvmsg", "..G"},
	{"recvmmsg", "...G"}, {"renameat", "@.@"}, {"renameat2", "@.@"},
	{"rt_sigaction", "s"}, {"rt_sigprocmask", "B"}, {"sendmmsg", "...G"},
	{"sendmsg", "..G"}, {"sendto", "...G"}, {"setsockopt", ".L"},
	{"shutdown", ".H"}, {"signalfd4", "...f"}, {"socket", "DT"},
	{"socketpair", "DT"}, {"statx", "@.A"}, {"symlinkat", ".@"},
	{"tgkill", "..s"}, {"timerfd_create", "Kf"}, {"tkill", ".s"},
	{"umask", "8"}, {"unlinkat", "@.A"}, {"utimensat", "@..A"},
	{"wait4", "..w"}, {"waitid", "...w"}};

struct out {
	char *text;
	size_t len, room;
};

static void add(struct out *o, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void add(struct out *o, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(o->text + o->len, o->room - o->len, fmt, ap);
	va_end(ap);
	if (n > 0)
		o->len += (size_t)n;
	if (o->len > o->room - 1)
		o->len = o->room - 1;
}

/* False if no name fits. */
static bool add_names(struct out *o, const struct name *n, uint64_t v)
{
	const char *bar = "";

	for (; n->text; n++) {
		if ((v & n->mask) != n->value)
			continue;
		add(o, "%s%s", bar, n->text);
		v &= ~n->mask;
		bar = "|";
		if (n->mask == ALL)
			break;
	}
	if (*bar && v)
		add(o, "|0x%lx", v);
	return *bar;
}

/* The argument text of size bytes as letter says. */
static void add_argument(struct out *o, const char *text, size_t size, char as)
{
	char *end;
	uint64_t v = strtoull(text, &end, 0); /* takes a sign, too */

	if (end != text + size || end == text)
		as = '.'; /* a string, say */
	if (as == '8')
		add(o, v ? "0%lo" : "%lo", v);
	else if (as == '@' && (int)v == AT_FDCWD)
		add(o, "AT_FDCWD");
	else if (as == 's' && sigabbrev_np((int)v))
		add(o, "SIG%s", sigabbrev_np((int)v));
	else if (!sets[as & 127] || !add_names(o, sets[as & 127], (uint32_t)v))
		add(o, "%.*s", (int)size, text);
}

/* The length of an argument. A string may hold anything: it ends with a quote
 * behind which an argument can end. */
static size_t argument_size(const char *text)
{
	size_t n = 0;

	if (*text != '"')
		return strcspn(text, ",)");
	do {
		n += 1 + strcspn(text + n + 1, "\"");
	} while (text[n] && strncmp(text + n, "\", ", 3) &&
		strncmp(text + n, "\"..., ", 6) &&
		strncmp(text + n, "\") = ", 5) &&
		strncmp(text + n, "\"...) = ", 8));
	return n + strcspn(text + n, ",)");
}

static const char *letters_of(const char *name, size_t size)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (strlen(calls[i].name) == size &&
			!memcmp(calls[i].name, name, size))
			return calls[i].letters;
	return "";
}

void trace_names_line(const char *line, char *out, size_t room)
{
	static const char prefix[] = "sconce: [";
	struct out o = {out, 0, room};
	const char *at, *letters, *error;
	size_t n = 0;

	out[0] = '\0';
	at = strncmp(line, prefix, sizeof(prefix) - 1) ? "" : strchr(line, ']');
	if (at && *at)
		n = strspn(at, "] abcdefghijklmnopqrstuvwxyz0123456789_");
	if (!n || at[n] != '(') {
		add(&o, "%s", line);
		return;
	}
	add(&o, "%.*s", (int)(at + n + 1 - line), line);
	letters = letters_of(at + 2, n - 2);
	for (at += n + 1; *at && *at != ')';) {
		n = argument_size(at);
		add_argument(&o, at, n, *letters ? *letters++ : '.');
		at += n;
		n = strspn(at, ", ");
		add(&o, "%.*s", (int)n, at);
		at += n;
	}
	error = strncmp(at, ") = -", 5) ? NULL : strerrorname_np(atoi(at + 5));
	add(&o, error ? ") = -%s" : "%s", error ? error : at);
}

void trace_names_write(int fd, const char *text, size_t size)
{
	static char line[LINE];
	static size_t len;
	char pretty[2 * LINE];

	for (; size; text++, size--) {
		if (*text != '\n') {
			line[len++] = *text;
			if (len < sizeof(line) - 1)
				continue;
		}
		line[len] = '\0';
		trace_names_line(line, pretty, sizeof(pretty) - 1);
		strcat(pretty, "\n");
		(void)!write(fd, pretty, strlen(pretty));
		len = 0;
	}
}

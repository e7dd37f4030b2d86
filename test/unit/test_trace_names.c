/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of --trace as the enclave writes them, and as people get them. */
#include "test/unit/unit.h"

#include <string.h>
#include <unistd.h>

#include "host/trace_names.h"

static void test_lines(void **state)
{
	/* Without "sconce: [7] " in front. */
	static const char *const table[][2] = {
		{"read(3, \"x\", 1) = 1", "read(3, \"x\", 1) = 1"},
		{"getpid() = 5", "getpid() = 5"},
		{"close(99) = -9", "close(99) = -EBADF"},
		{"futex(0x1000, 0x80, 5, 0x0, 0x0, 0x0) = -11",
			"futex(0x1000, FUTEX_WAIT|FUTEX_PRIVATE_FLAG, 5, 0x0, "
			"0x0, 0x0) = -EAGAIN"},
		{"pause() = -512", "pause() = -512"}, /* no errno */
		{"openat(-100, \"/a\", 0x80041, 0x1a4) = 3",
			"openat(AT_FDCWD, \"/a\", O_WRONLY|O_CREAT|O_CLOEXEC, "
			"0644) = 3"},
		{"openat(5, \"/a, 1) = 2\", 0x10000, 0x0) = -20",
			"openat(5, \"/a, 1) = 2\", O_RDONLY|O_DIRECTORY, 0) = "
			"-ENOTDIR"},
		{"open(\"\\\", 0x410000, 0x0) = 3",
			"open(\"\\\", O_RDONLY|O_TMPFILE, 0) = 3"},
		{"open(\"long\"..., 0x40000002, 0x0) = -2",
			"open(\"long\"..., O_RDWR|0x40000000, 0) = -ENOENT"},
		{"mmap(0x0, 0x1000, 0x3, 0x22, -1, 0x0) = 0x7f0000",
			"mmap(0x0, 0x1000, PROT_READ|PROT_WRITE, "
			"MAP_PRIVATE|MAP_ANONYMOUS, -1, 0x0) = 0x7f0000"},
		{"mprotect(0x1000, 0x1000, 0x0) = 0",
			"mprotect(0x1000, 0x1000, PROT_NONE) = 0"},
		{"clone(0x4111, 0x0, 0x0, 0x0, 0x0) = 9",
			"clone(CLONE_VM|CLONE_VFORK|SIGCHLD, 0x0, 0x0, 0x0, "
			"0x0) = 9"},
		{"epoll_ctl(3, 1, 4, 0x1000) = -17",
			"epoll_ctl(3, EPOLL_CTL_ADD, 4, 0x1000) = -EEXIST"},
		{"socket(2, 526337, 0) = 4",
			"socket(AF_INET, SOCK_STREAM|SOCK_NONBLOCK|"
			"SOCK_CLOEXEC, 0) = 4"},
		{"socket(99, 7, 0) = -97",
			"socket(99, 7, 0) = "
			"-EAFNOSUPPORT"},
		{"setsockopt(3, 1, 2, 0x10, 4) = 0",
			"setsockopt(3, SOL_SOCKET, 2, 0x10, 4) = 0"},
		{"kill(1, 15) = -3", "kill(1, SIGTERM) = -ESRCH"},
		{"kill(1, 0) = 0", "kill(1, 0) = 0"},
		{"tgkill(1, 1, 99) = -22", "tgkill(1, 1, 99) = -EINVAL"},
		{"rt_sigaction(2, 0x1, 0x0, 8) = 0",
			"rt_sigaction(SIGINT, 0x1, 0x0, 8) = 0"},
		{"sendto(3, \"hi\", 2, 0x4000, 0x0, 0) = 2",
			"sendto(3, \"hi\", 2, MSG_NOSIGNAL, 0x0, 0) = 2"},
		{"umask(0x12) = 18", "umask(022) = 18"},
		{"exit_group(0)", "exit_group(0)"},
		/* what is broken stays so */
		{"open(\"/a", "open(\"/a"},
		{"open(", "open("},
		{"mmap(,,,,) = -1", "mmap(,,,,) = -EPERM"},
		{"no call", "no call"},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char in[300] = "sconce: [7] ", want[300] = "sconce: [7] ";
		char out[300];

		strcat(in, table[i][0]);
		strcat(want, table[i][1]);
		trace_names_line(in, out, sizeof(out));
		assert_string_equal(out, want);
		/* Any room is enough to stay within it. */
		for (size_t room = 1; room < 60; room++) {
			memset(out, '#', sizeof(out));
			trace_names_line(in, out, room);
			assert_true(strlen(out) < room);
			assert_int_equal(out[room], '#');
			assert_memory_equal(out, want, strlen(out));
		}
	}
}

static void test_pieces(void **state)
{
	static const char text[] = "sconce: hello\nsconce: [1] close(9) = -9\n"
				   "sconce: [1] kill(1, 9) = 0\nsconce: no end";
	static const char want[] = "sconce: hello\n"
				   "sconce: [1] close(9) = -EBADF\n"
				   "sconce: [1] kill(1, SIGKILL) = 0\n";
	char got[300];
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	for (size_t i = 0; i < sizeof(text) - 1; i += 5)
		trace_names_write(fds[1], text + i,
			sizeof(text) - 1 - i < 5 ? sizeof(text) - 1 - i : 5);
	assert_int_equal(read(fds[0], got, sizeof(got)), sizeof(want) - 1);
	assert_memory_equal(got, want, sizeof(want) - 1);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc: its tree, links and the form of its files.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "kernel/file.h"
#include "kernel/process.h"
#include "kernel/syscall_fs.h"
#include "kernel/vfs.h"
#include "test/unit/kernel_env.h"
#include "test/unit/unit.h"

static int setup(void **state)
{
	env_init();
	assert_int_equal(vfs_mount("tmpfs", NULL, "/", false, 0), 0);
	assert_int_equal(vfs_mount("proc", NULL, "/proc", false, 0), 0);
	env_process.fs = fs_ctx_new();
	env_process.exe = strdup("/prog");
	env_process.as = (void *)1;
	return 0;
}

static char text[65536];

static const char *slurp(const char *path)
{
	int64_t fd = CALL(openat, ENV_CWD, P(path), O_RDONLY), n, at = 0;

	if (fd < 0)
		fail_msg("%s: %ld", path, fd);
	while ((n = CALL(read, (uint64_t)fd, P(text + at), 100)) > 0)
		at += n;
	assert_int_equal(n, 0);
	text[at] = '\0';
	CALL(close, (uint64_t)fd);
	return text;
}

static void test_files(void **state)
{
	/* a file and something that must be in it */
	static const char *const table[][2] = {
		{"/proc/self/status", "\nPid:\t42\n"},
		{"/proc/self/status", "\nThreads:\t1\n"},
		{"/proc/self/stat", "42 (app) R 0 "},
		{"/proc/42/task/42/stat", "42 (app)"},
		{"/proc/thread-self/comm", "app\n"},
		{"/proc/self/maps", "00400000-00401000 r-xp 00000000 00:00 0 "},
		{"/proc/self/limits", "Max open files            1024  "},
		{"/proc/mounts", "proc /proc proc rw,relatime 0 0\n"},
		{"/proc/self/mountinfo", " /proc rw,relatime - proc proc rw\n"},
		{"/proc/self/cgroup", "0::/\n"},
		{"/proc/meminfo", "MemTotal:        1048576 kB\n"},
		{"/proc/cpuinfo", "processor\t: 1\n"},
		{"/proc/stat", "cpu1 "},
		{"/proc/sys/kernel/osrelease", "sconce\n"},
		{"/proc/sys/vm/overcommit_memory", "1\n"},
		{"/proc/sys/kernel/random/uuid", "-4"},
		{"/proc/uptime", "."},
		{"/sys/devices/system/cpu/online", "0-1\n"},
	};

	strcpy(current->comm, "app");
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (!strstr(slurp(table[i][0]), table[i][1]))
			fail_msg("%s has no %s:\n%s", table[i][0], table[i][1],
				text);
	}
}

static void test_missing(void **state)
{
	static const char *const table[] = {"/proc/43", "/proc/042",
		"/proc/self/nothing", "/proc/sys/kernel/none", "/proc/sy",
		"/proc/self/fd/9", "/proc/self/task/41", "/proc/42x"};
	struct stat st;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		assert_int_equal(CALL(newfstatat, ENV_CWD, P(table[i]), P(&st)),
			-ENOENT);
	assert_int_equal(CALL(mkdirat, ENV_CWD, P("/proc/x"), 0755), -EPERM);
	assert_int_equal(
		CALL(openat, ENV_CWD, P("/proc/x"), O_CREAT | O_RDWR, 0644),
		-EACCES);
}

static void test_links(void **state)
{
	char buf[64], path[64];
	struct stat a, b;
	int64_t fd, again, n;

	n = CALL(readlinkat, ENV_CWD, P("/proc/self"), P(buf), 64);
	assert_int_equal(n, 2);
	assert_memory_equal(buf, "42", 2);
	n = CALL(readlinkat, ENV_CWD, P("/proc/self/exe"), P(buf), 64);
	assert_memory_equal(buf, "/prog", 5);
	CALL(mkdirat, ENV_CWD, P("/dir"), 0755);
	CALL(chdir, P("/dir"));
	n = CALL(readlinkat, ENV_CWD, P("/proc/self/cwd"), P(buf), 64);
	assert_int_equal(n, 4);
	assert_int_equal(
		CALL(newfstatat, ENV_CWD, P("/proc/self/cwd/../dir"), P(&a)),
		0);
	fd = CALL(openat, ENV_CWD, P("/dir/f"), O_RDWR | O_CREAT, 0644);
	CALL(write, (uint64_t)fd, P("data"), 4);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", (int)fd);
	n = CALL(readlinkat, ENV_CWD, P(path), P(buf), 64);
	assert_int_equal(n, 6);
	assert_memory_equal(buf, "/dir/f", 6);
	assert_int_equal(CALL(newfstatat, ENV_CWD, P(path), P(&a)), 0);
	assert_int_equal(CALL(newfstatat, ENV_CWD, P("/dir/f"), P(&b)), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	/* opened again it has an offset of its own, even unlinked */
	CALL(unlinkat, ENV_CWD, P("/dir/f"));
	again = CALL(openat, ENV_CWD, P(path), O_RDONLY);
	assert_true(again >= 0);
	assert_int_equal(CALL(read, (uint64_t)again, P(buf), 64), 4);
	n = CALL(readlinkat, ENV_CWD, P(path), P(buf), 64);
	assert_memory_equal(buf, "/dir/f (deleted)", 16);
	assert_int_equal(
		CALL(openat, ENV_CWD, P(path), O_RDONLY | O_NOFOLLOW), -ELOOP);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", (int)fd);
	assert_non_null(strstr(slurp(path), "pos:\t4\nflags:\t000"));
	CALL(close, (uint64_t)fd);
	CALL(close, (uint64_t)again);
}

static void test_list(void **state)
{
	static uint8_t buf[4096];
	static const char *const dirs[][2] = {{"/proc", " 42 "},
		{"/proc", " meminfo "}, {"/proc", " sys "},
		{"/proc/sys/kernel", " random "},
		{"/proc/self/task", " . .. 42 "}, {"/proc/self", " fd "},
		{"/sys/devices/system/cpu", " online "}};

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		int64_t fd = CALL(openat, ENV_CWD, P(dirs[i][0]), O_RDONLY), n;

		strcpy(text, " ");
		while ((n = CALL(getdents64, (uint64_t)fd, P(buf), 64)) > 0) {
			for (int64_t at = 0; at < n;) {
				strcat(text, (char *)buf + at + 19);
				strcat(text, " ");
				at += *(uint16_t *)(void *)(buf + at + 16);
			}
		}
		assert_int_equal(n, 0);
		if (!strstr(text, dirs[i][1]))
			fail_msg("%s: %s", dirs[i][0], text);
		CALL(close, (uint64_t)fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_list),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file system in memory, and /dev, through the system calls.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "kernel/file.h"
#include "kernel/pagestore.h"
#include "kernel/process.h"
#include "kernel/syscall_fs.h"
#include "kernel/tmpfs.h"
#include "kernel/vfs.h"
#include "test/unit/kernel_env.h"
#include "test/unit/unit.h"

static int setup(void **state)
{
	env_init();
	assert_int_equal(vfs_mount("tmpfs", NULL, "/", false, 1 << 20), 0);
	assert_int_equal(vfs_mount("dev", NULL, "/dev", false, 0), 0);
	assert_int_equal(vfs_mount("tmpfs", NULL, "/ro", true, 0), 0);
	env_process.fs = fs_ctx_new();
	return 0;
}

static uint64_t make(const char *path)
{
	int64_t fd = CALL(
		openat, ENV_CWD, P(path), O_RDWR | O_CREAT | O_TRUNC, 0644);

	if (fd < 0)
		fail_msg("%s: %ld", path, fd);
	return (uint64_t)fd;
}

static struct stat stat_of(const char *path)
{
	struct stat st = {0};

	if (CALL(newfstatat, ENV_CWD, P(path), P(&st), 0x100))
		fail_msg("no %s", path);
	return st;
}

static uint64_t used(void)
{
	return ((struct tmpfs *)vfs_root->mount->priv)->used;
}

static void test_data(void **state)
{
	static char big[10000], back[10000];
	uint64_t fd = make("/data"), before = used();

	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 7);
	assert_int_equal(CALL(pwrite64, fd, P(big), sizeof(big), 1234), 10000);
	assert_int_equal(stat_of("/data").st_size, 11234);
	assert_int_equal(CALL(pread64, fd, P(back), sizeof(back), 1234), 10000);
	assert_memory_equal(big, back, sizeof(big));
	assert_int_equal(CALL(pread64, fd, P(back), 100, 0), 100);
	for (int i = 0; i < 100; i++)
		assert_int_equal(back[i], 0);
	assert_int_equal(CALL(pread64, fd, P(back), 100, 11200), 34);
	assert_int_equal(CALL(pread64, fd, P(back), 100, 11234), 0);
	/* shrink and grow: the old content is gone */
	assert_int_equal(CALL(ftruncate, fd, 2000), 0);
	assert_int_equal(CALL(ftruncate, fd, 20000), 0);
	assert_int_equal(CALL(pread64, fd, P(back), 1000, 1500), 1000);
	assert_memory_equal(back, big + 266, 500);
	for (int i = 500; i < 1000; i++)
		assert_int_equal(back[i], 0);
	/* sparse */
	assert_int_equal(CALL(pwrite64, fd, P("x"), 1, 1ull << 40), 1);
	assert_int_equal(stat_of("/data").st_size, (1ll << 40) + 1);
	assert_int_equal(CALL(lseek, fd, 4096, SEEK_DATA), 1ll << 40);
	assert_int_equal(CALL(lseek, fd, 0, SEEK_HOLE), 4096);
	assert_int_equal(CALL(pwrite64, fd, P("x"), 1, 1ull << 42), -EFBIG);
	assert_int_equal(CALL(close, fd), 0);
	assert_int_equal(CALL(unlinkat, ENV_CWD, P("/data")), 0);
	assert_int_equal(used(), before);
}

static void test_punch(void **state)
{
	static char page[4096];
	uint64_t fd = make("/punch"), before = used();
	char c;

	memset(page, 'p', sizeof(page));
	for (uint64_t i = 0; i < 4; i++)
		CALL(pwrite64, fd, P(page), 4096, i * 4096);
	assert_int_equal(used(), before + 4);
	assert_int_equal(
		CALL(fallocate, fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			100, 4096 * 2),
		0);
	assert_int_equal(used(), before + 3);
	static const struct {
		uint64_t at;
		char want;
	} table[] = {{99, 'p'}, {100, 0}, {4096, 0}, {8291, 0}, {8292, 'p'}};

	for (size_t i = 0; i < 5; i++) {
		CALL(pread64, fd, P(&c), 1, table[i].at);
		assert_int_equal(c, table[i].want);
	}
	assert_int_equal(CALL(fallocate, fd, 0, 0, 40000), 0);
	assert_int_equal(stat_of("/punch").st_size, 40000);
	assert_int_equal(used(), before + 10);
	/* the limit of the mount: 256 pages */
	assert_int_equal(CALL(fallocate, fd, 0, 0, 2 << 20), -ENOSPC);
	CALL(ftruncate, fd, 0);
	for (uint64_t i = 0; i < 256 - before; i++)
		assert_int_equal(
			CALL(pwrite64, fd, P(page), 4096, i * 4096), 4096);
	assert_int_equal(CALL(write, make("/other"), P("x"), 1), -ENOSPC);
	CALL(close, fd);
	CALL(unlinkat, ENV_CWD, P("/punch"));
}

static void test_names(void **state)
{
	struct stat st;
	uint64_t fd;
	char buf[16] = "";

	assert_int_equal(CALL(mkdirat, ENV_CWD, P("/a"), 0755), 0);
	assert_int_equal(CALL(mkdirat, ENV_CWD, P("/a/"), 0755), -EEXIST);
	assert_int_equal(CALL(mkdirat, ENV_CWD, P("/a/b/"), 0755), 0);
	assert_int_equal(stat_of("/a").st_nlink, 3);
	fd = make("/a/f");
	CALL(write, fd, P("text"), 4);
	assert_int_equal(CALL(link, P("/a/f"), P("/a/g")), 0);
	assert_int_equal(stat_of("/a/g").st_nlink, 2);
	assert_int_equal(stat_of("/a/g").st_ino, stat_of("/a/f").st_ino);
	assert_int_equal(CALL(link, P("/a"), P("/x")), -EPERM);
	assert_int_equal(CALL(unlinkat, ENV_CWD, P("/a"), 0x200), -ENOTEMPTY);
	assert_int_equal(CALL(unlinkat, ENV_CWD, P("/a/b")), -EISDIR);
	assert_int_equal(CALL(unlinkat, ENV_CWD, P("/a/f"), 0x200), -ENOTDIR);
	assert_int_equal(CALL(unlinkat, ENV_CWD, P("/a/f")), 0);
	assert_int_equal(CALL(unlinkat, ENV_CWD, P("/a/f")), -ENOENT);
	assert_int_equal(CALL(unlinkat, ENV_CWD, P("/a/g")), 0);
	/* unlinked, but open */
	assert_int_equal(CALL(fstat, fd, P(&st)), 0);
	assert_int_equal(st.st_nlink, 0);
	assert_int_equal(CALL(pread64, fd, P(buf), 4, 0), 4);
	assert_string_equal(buf, "text");
	CALL(close, fd);
	assert_int_equal(CALL(symlink, P("b/../../a"), P("/a/loop")), 0);
	assert_int_equal(
		CALL(newfstatat, ENV_CWD, P("/a/loop/loop/loop/b"), P(&st)), 0);
	assert_int_equal(CALL(unlinkat, ENV_CWD, P("/a/b/."), 0x200), -EINVAL);
	assert_int_equal(
		CALL(unlinkat, ENV_CWD, P("/a/loop"), 0x200), -ENOTDIR);
	assert_int_equal(CALL(unlinkat, ENV_CWD, P("/a/b"), 0x200), 0);
	assert_int_equal(CALL(unlinkat, ENV_CWD, P("/dev"), 0x200), -EBUSY);
	assert_int_equal(CALL(unlinkat, ENV_CWD, P("/a/loop")), 0);
	assert_int_equal(CALL(unlinkat, ENV_CWD, P("/a"), 0x200), 0);
	assert_int_equal(CALL(mkdirat, ENV_CWD, P("/a/b"), 0755), -ENOENT);
}

static void test_rename(void **state)
{
	struct stat st;
	uint64_t ino;

	CALL(mkdirat, ENV_CWD, P("/r"), 0755);
	CALL(mkdirat, ENV_CWD, P("/r/d"), 0755);
	CALL(mkdirat, ENV_CWD, P("/r/e"), 0755);
	CALL(close, make("/r/x"));
	CALL(close, make("/r/y"));
	ino = stat_of("/r/x").st_ino;
	assert_int_equal(CALL(rename, P("/r/x"), P("/r/y")), 0);
	assert_int_equal(stat_of("/r/y").st_ino, ino);
	assert_int_equal(CALL(newfstatat, ENV_CWD, P("/r/x"), P(&st)), -ENOENT);
	assert_int_equal(CALL(rename, P("/r/y"), P("/r/y")), 0);
	assert_int_equal(CALL(rename, P("/r"), P("/r/d/z")), -EINVAL);
	assert_int_equal(CALL(rename, P("/r/d"), P("/r")), -ENOTEMPTY);
	assert_int_equal(CALL(rename, P("/r/y"), P("/r/d")), -EISDIR);
	assert_int_equal(CALL(rename, P("/r/d"), P("/r/y")), -ENOTDIR);
	assert_int_equal(CALL(rename, P("/r/y"), P("/dev/y")), -EXDEV);
	assert_int_equal(CALL(rename, P("/r/d/."), P("/r/q")), -EBUSY);
	assert_int_equal(CALL(renameat2, (uint64_t)AT_FDCWD, P("/r/d"),
				 (uint64_t)AT_FDCWD, P("/r/e"), 1),
		-EEXIST);
	CALL(close, make("/r/d/in"));
	assert_int_equal(CALL(rename, P("/r/e"), P("/r/d")), -ENOTEMPTY);
	assert_int_equal(CALL(rename, P("/r/d"), P("/r/e")), 0);
	assert_int_equal(CALL(newfstatat, ENV_CWD, P("/r/e/in"), P(&st)), 0);
	assert_int_equal(stat_of("/r").st_nlink, 3);
	/* exchange a file with a directory */
	assert_int_equal(CALL(renameat2, (uint64_t)AT_FDCWD, P("/r/e"),
				 (uint64_t)AT_FDCWD, P("/r/y"), 2),
		0);
	assert_true(S_ISDIR(stat_of("/r/y").st_mode));
	assert_int_equal(stat_of("/r/e").st_ino, ino);
	assert_int_equal(CALL(unlinkat, ENV_CWD, P("/r/y/in")), 0);
	assert_int_equal(CALL(rename, P("/r/y"), P("/moved")), 0);
	assert_int_equal(CALL(unlinkat, ENV_CWD, P("/moved"), 0x200), 0);
	assert_int_equal(CALL(unlinkat, ENV_CWD, P("/r/e")), 0);
	assert_int_equal(stat_of("/r").st_nlink, 2);
	assert_int_equal(CALL(unlinkat, ENV_CWD, P("/r"), 0x200), 0);
}

/* Names of a directory in order, with spaces between. */
static void list(const char *path, size_t chunk, char *out)
{
	static uint8_t buf[4096];
	int64_t fd = CALL(openat, ENV_CWD, P(path), O_RDONLY | O_DIRECTORY), n;

	assert_true(fd >= 0);
	*out = '\0';
	while ((n = CALL(getdents64, (uint64_t)fd, P(buf), chunk)) > 0) {
		for (int64_t at = 0; at < n;) {
			strcat(out, (char *)buf + at + 19);
			strcat(out, " ");
			at += *(uint16_t *)(void *)(buf + at + 16);
		}
	}
	assert_int_equal(n, 0);
	CALL(close, (uint64_t)fd);
}

static void test_readdir(void **state)
{
	char names[512];

	CALL(mkdirat, ENV_CWD, P("/l"), 0755);
	for (char c = 'a'; c <= 'h'; c++) {
		char path[] = {'/', 'l', '/', c, '\0'};

		CALL(close, make(path));
	}
	CALL(unlinkat, ENV_CWD, P("/l/c"));
	CALL(rename, P("/l/b"), P("/l/z"));
	for (size_t chunk = 24; chunk < 300; chunk += 24) {
		list("/l", chunk, names);
		assert_string_equal(names, ". .. a d e f g h z ");
	}
	list("/dev", 4096, names);
	assert_string_equal(names,
		". .. null zero full random urandom tty fd stdin stdout stderr "
		"attestation shm ");
	list("/", 4096, names);
	assert_non_null(strstr(names, ". .. "));
}

static void test_dev(void **state)
{
	char buf[8] = "abcdefg";
	int64_t fd = CALL(openat, ENV_CWD, P("/dev/zero"), O_RDWR);

	assert_int_equal(CALL(read, (uint64_t)fd, P(buf), 3), 3);
	assert_memory_equal(buf, "\0\0\0defg", 7);
	assert_int_equal(CALL(write, (uint64_t)fd, P(buf), 3), 3);
	fd = CALL(openat, ENV_CWD, P("/dev/null"), O_RDWR);
	assert_int_equal(CALL(read, (uint64_t)fd, P(buf), 3), 0);
	fd = CALL(openat, ENV_CWD, P("/dev/full"), O_RDWR);
	assert_int_equal(CALL(write, (uint64_t)fd, P(buf), 3), -ENOSPC);
	fd = CALL(openat, ENV_CWD, P("/dev/urandom"), O_RDONLY);
	assert_int_equal(CALL(read, (uint64_t)fd, P(buf), 8), 8);
	assert_int_equal(CALL(write, (uint64_t)fd, P(buf), 8), -EBADF);
	assert_true(S_ISCHR(stat_of("/dev/null").st_mode));
	assert_int_equal(stat_of("/dev/null").st_rdev, 0x103);
}

static void test_readonly(void **state)
{
	assert_int_equal(
		CALL(openat, ENV_CWD, P("/ro/x"), O_RDWR | O_CREAT, 0644),
		-EROFS);
	assert_int_equal(CALL(mkdirat, ENV_CWD, P("/ro/x"), 0755), -EROFS);
	assert_int_equal(CALL(fchmodat, ENV_CWD, P("/ro"), 0777), -EROFS);
	assert_int_equal(CALL(faccessat2, ENV_CWD, P("/ro"), W_OK), -EROFS);
}

static void test_permissions(void **state)
{
	CALL(mkdirat, ENV_CWD, P("/p"), 0700);
	CALL(close, make("/p/secret"));
	CALL(close, make("/mine"));
	CALL(fchmodat, ENV_CWD, P("/mine"), 0600);
	env_process.euid = env_process.egid = 1000;
	assert_int_equal(
		CALL(openat, ENV_CWD, P("/p/secret"), O_RDONLY), -EACCES);
	assert_int_equal(CALL(openat, ENV_CWD, P("/mine"), O_RDONLY), -EACCES);
	assert_int_equal(CALL(fchmodat, ENV_CWD, P("/mine"), 0666), -EPERM);
	assert_int_equal(
		CALL(unlinkat, ENV_CWD, P("/mine")), -EPERM); /* sticky / */
	env_process.euid = env_process.egid = 0;
	assert_int_equal(CALL(faccessat2, ENV_CWD, P("/mine"), X_OK), -EACCES);
	assert_int_equal(CALL(unlinkat, ENV_CWD, P("/mine")), 0);
}

static void test_memfd_tmpfile(void **state)
{
	char buf[64];
	struct stat st;
	int64_t fd = CALL(memfd_create, P("hi"), 2), tmp;
	struct file *f = fd_get((int)fd);

	assert_int_equal(CALL(write, (uint64_t)fd, P("0123"), 4), 4);
	assert_true(vfs_file_path(f, buf, sizeof(buf)) > 0);
	assert_string_equal(buf, "/memfd:hi (deleted)");
	file_put(f);
	assert_int_equal(CALL(fcntl, (uint64_t)fd, 1033, 2 | 4), 0);
	assert_int_equal(CALL(fcntl, (uint64_t)fd, 1034), 6);
	assert_int_equal(CALL(ftruncate, (uint64_t)fd, 2), -EPERM);
	assert_int_equal(CALL(ftruncate, (uint64_t)fd, 9), -EPERM);
	CALL(close, (uint64_t)fd);
	tmp = CALL(openat, ENV_CWD, P("/"), O_TMPFILE | O_RDWR, 0600);
	assert_true(tmp >= 0);
	assert_int_equal(CALL(write, (uint64_t)tmp, P("t"), 1), 1);
	assert_int_equal(CALL(linkat, (uint64_t)tmp, P(""), (uint64_t)AT_FDCWD,
				 P("/named"), AT_EMPTY_PATH),
		0);
	CALL(close, (uint64_t)tmp);
	assert_int_equal(CALL(newfstatat, ENV_CWD, P("/named"), P(&st)), 0);
	assert_int_equal(st.st_size, 1);
	assert_int_equal(st.st_nlink, 1);
}

static void test_xattr(void **state)
{
	char buf[64];

	CALL(close, make("/x"));
	assert_int_equal(
		CALL(getxattr, P("/x"), P("user.a"), P(buf), 64), -ENODATA);
	assert_int_equal(
		CALL(setxattr, P("/x"), P("user.a"), P("12"), 2, 0), 0);
	assert_int_equal(
		CALL(setxattr, P("/x"), P("user.a"), P("3"), 1, XATTR_CREATE),
		-EEXIST);
	assert_int_equal(
		CALL(setxattr, P("/x"), P("bad"), P("3"), 1, 0), -EOPNOTSUPP);
	assert_int_equal(
		CALL(getxattr, P("/x"), P("user.a"), P(buf), 1), -ERANGE);
	assert_int_equal(CALL(getxattr, P("/x"), P("user.a"), P(buf), 0), 2);
	assert_int_equal(CALL(listxattr, P("/x"), P(buf), 64), 7);
	assert_string_equal(buf, "user.a");
	assert_int_equal(CALL(removexattr, P("/x"), P("user.a")), 0);
	assert_int_equal(CALL(listxattr, P("/x"), P(buf), 64), 0);
}

static void test_locks(void **state)
{
	struct flock l = {.l_type = F_WRLCK, .l_start = 10, .l_len = 10};
	uint64_t a = make("/lock"), b;
	struct fdtable *mine = env_process.files;

	b = (uint64_t)CALL(openat, ENV_CWD, P("/lock"), O_RDWR);
	assert_int_equal(CALL(flock, a, 2), 0);
	assert_int_equal(CALL(flock, b, 1 | 4), -EAGAIN);
	assert_int_equal(CALL(flock, a, 8), 0);
	assert_int_equal(CALL(flock, b, 1 | 4), 0);
	/* POSIX: same owner does not conflict, another one does */
	assert_int_equal(CALL(fcntl, a, F_SETLK, P(&l)), 0);
	assert_int_equal(CALL(fcntl, b, F_SETLK, P(&l)), 0);
	assert_int_equal(fdtable_copy(mine, &env_process.files), 0);
	l.l_start = 15;
	l.l_len = 0;
	assert_int_equal(CALL(fcntl, a, F_SETLK, P(&l)), -EAGAIN);
	assert_int_equal(CALL(fcntl, a, F_GETLK, P(&l)), 0);
	assert_int_equal(l.l_type, F_WRLCK);
	assert_int_equal(l.l_start, 10);
	assert_int_equal(l.l_len, 10);
	assert_int_equal(l.l_pid, 42);
	l.l_type = F_WRLCK;
	l.l_start = 20;
	assert_int_equal(CALL(fcntl, a, F_SETLK, P(&l)), 0);
	/* unlocking the middle leaves two */
	l.l_type = F_UNLCK;
	l.l_start = 22;
	l.l_len = 2;
	assert_int_equal(CALL(fcntl, a, F_SETLK, P(&l)), 0);
	fdtable_put(env_process.files);
	env_process.files = mine;
	l.l_type = F_RDLCK;
	l.l_start = 20;
	l.l_len = 0;
	assert_int_equal(CALL(fcntl, a, F_SETLK, P(&l)), 0);
	/* any close of the file by its owner ends all */
	CALL(close, b);
	l.l_type = F_WRLCK;
	l.l_start = 0;
	l.l_len = 0;
	assert_int_equal(CALL(fcntl, a, F_OFD_GETLK,
				 P(&(struct flock){.l_type = F_WRLCK})),
		0);
	assert_int_equal(fdtable_copy(mine, &env_process.files), 0);
	assert_int_equal(CALL(fcntl, a, F_SETLK, P(&l)), 0);
	fdtable_put(env_process.files);
	env_process.files = mine;
	CALL(close, a);
}

static void test_descriptors(void **state)
{
	uint64_t a = make("/d1");
	int64_t b = CALL(dup, a);

	assert_true(b > (int64_t)a);
	assert_int_equal(CALL(write, a, P("abc"), 3), 3);
	assert_int_equal(CALL(lseek, (uint64_t)b, 0, SEEK_CUR), 3);
	assert_int_equal(CALL(dup2, a, 200), 200);
	assert_int_equal(CALL(dup2, a, 5000), -EBADF);
	assert_int_equal(CALL(dup3, a, a, 0), -EINVAL);
	assert_int_equal(CALL(dup3, a, 201, O_CLOEXEC), 201);
	assert_int_equal(CALL(fcntl, 201, F_GETFD), 1);
	assert_int_equal(CALL(fcntl, a, F_DUPFD, 202), 202);
	assert_int_equal(CALL(fcntl, a, F_DUPFD, 2000), -EINVAL);
	fdtable_close_exec(env_process.files);
	assert_int_equal(CALL(fcntl, 201, F_GETFD), -EBADF);
	assert_int_equal(CALL(close_range, 200, ~0u, 0), 0);
	assert_int_equal(CALL(fcntl, 202, F_GETFD), -EBADF);
	CALL(close, a);
	assert_int_equal(CALL(dup, (uint64_t)b), a);
	assert_int_equal(CALL(close, 999), -EBADF);
	/* the limit */
	env_process.rlimit[7][0] = a + 1;
	assert_int_equal(CALL(dup, (uint64_t)b), -EMFILE);
	env_process.rlimit[7][0] = 1024;
}

static void test_pagestore(void **state)
{
	static uint8_t page[4096] __attribute__((aligned(4096)));
	uint64_t fd = make("/shared"), before;
	struct file *f = fd_get((int)fd);
	const struct pagestore_ops *pages = f->vnode->ops->pages;
	char buf[8] = "";

	CALL(write, fd, P("before"), 6);
	before = used();
	assert_non_null(pages);
	assert_int_equal(pages->lend(f->vnode, 1, P(page), page), -ENXIO);
	assert_int_equal(pages->lend(f->vnode, 0, P(page), page), 0);
	assert_int_equal(pages->lend(f->vnode, 0, P(page), page), -EBUSY);
	assert_memory_equal(page, "before", 6);
	page[0] = 'B';
	assert_int_equal(CALL(pread64, fd, P(buf), 6, 0), 6);
	assert_string_equal(buf, "Before");
	CALL(pwrite64, fd, P("!"), 1, 5);
	assert_int_equal(page[5], '!');
	assert_int_equal(pages->take_back(f->vnode, 0, page), 0);
	memset(page, 0, sizeof(page));
	assert_int_equal(CALL(pread64, fd, P(buf), 6, 0), 6);
	assert_string_equal(buf, "Befor!");
	assert_int_equal(used(), before);
	file_put(f);
	CALL(close, fd);
}

static void test_cwd(void **state)
{
	char buf[64];
	struct stat st;

	CALL(mkdirat, ENV_CWD, P("/w"), 0755);
	CALL(mkdirat, ENV_CWD, P("/w/in"), 0755);
	assert_int_equal(CALL(chdir, P("/w/in")), 0);
	assert_int_equal(CALL(getcwd, P(buf), 64), 6);
	assert_string_equal(buf, "/w/in");
	assert_int_equal(CALL(getcwd, P(buf), 5), -ERANGE);
	CALL(close, make("here"));
	assert_int_equal(CALL(newfstatat, ENV_CWD, P("/w/in/here"), P(&st)), 0);
	assert_int_equal(CALL(chdir, P("here")), -ENOTDIR);
	CALL(unlinkat, ENV_CWD, P("here"));
	assert_int_equal(CALL(rename, P("/w"), P("/v")), 0);
	CALL(getcwd, P(buf), 64);
	assert_string_equal(buf, "/v/in");
	assert_int_equal(CALL(unlinkat, ENV_CWD, P("/v/in"), 0x200), 0);
	assert_int_equal(CALL(getcwd, P(buf), 64), -ENOENT);
	assert_int_equal(
		CALL(openat, ENV_CWD, P("x"), O_CREAT | O_RDWR, 0644), -ENOENT);
	assert_int_equal(CALL(chroot, P("/v")), 0);
	assert_int_equal(CALL(chdir, P("/")), 0);
	assert_int_equal(
		CALL(newfstatat, ENV_CWD, P("/../../dev/null"), P(&st)),
		-ENOENT);
	assert_int_equal(CALL(getcwd, P(buf), 64), 2);
}

/* wd, mask and name of all events, as a text. */
static const char *events(uint64_t fd)
{
	static char out[512], buf[1024];
	int64_t n = CALL(read, fd, P(buf), sizeof(buf));

	out[0] = '\0';
	for (int64_t at = 0; at < n;) {
		struct inotify_event *e = (void *)(buf + at);

		snprintf(out + strlen(out), 64, "%d:%x:%s ", e->wd, e->mask,
			e->len ? e->name : "");
		at += (int64_t)sizeof(*e) + e->len;
	}
	return out;
}

static void test_inotify(void **state)
{
	uint64_t in = (uint64_t)CALL(inotify_init1, IN_NONBLOCK), f;
	char small[17];

	CALL(mkdirat, ENV_CWD, P("/n"), 0755);
	assert_int_equal(CALL(read, in, P(small), 17), -EAGAIN);
	assert_int_equal(
		CALL(inotify_add_watch, in, P("/n"),
			IN_CREATE | IN_DELETE | IN_MOVE | IN_CLOSE_WRITE),
		1);
	f = make("/n/a");
	CALL(write, f, P("x"), 1);
	CALL(close, f);
	assert_int_equal(
		CALL(inotify_add_watch, in, P("/n/a"), IN_ALL_EVENTS), 2);
	CALL(rename, P("/n/a"), P("/n/b"));
	assert_int_equal(CALL(read, in, P(small), 17), -EINVAL);
	assert_string_equal(events(in), "1:100:a 1:8:a 1:40:a 1:80:b 2:800: ");
	CALL(mkdirat, ENV_CWD, P("/n/d"), 0755);
	CALL(fchmodat, ENV_CWD, P("/n/b"), 0600);
	CALL(unlinkat, ENV_CWD, P("/n/b"));
	assert_string_equal(
		events(in), "1:40000100:d 2:4: 1:200:b 2:400: 2:8000: ");
	assert_int_equal(CALL(inotify_rm_watch, in, 2), -EINVAL);
	assert_int_equal(CALL(inotify_rm_watch, in, 1), 0);
	assert_string_equal(events(in), "1:8000: ");
	CALL(inotify_add_watch, in, P("/n"), IN_CREATE);
	CALL(close, in);
	CALL(close, make("/n/after"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_data),
		cmocka_unit_test(test_punch),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_rename),
		cmocka_unit_test(test_readdir),
		cmocka_unit_test(test_dev),
		cmocka_unit_test(test_readonly),
		cmocka_unit_test(test_permissions),
		cmocka_unit_test(test_memfd_tmpfile),
		cmocka_unit_test(test_xattr),
		cmocka_unit_test(test_locks),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_inotify),
		cmocka_unit_test(test_pagestore),
		cmocka_unit_test(test_cwd),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}

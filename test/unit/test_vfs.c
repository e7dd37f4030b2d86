/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The path walk over a real directory of the host, and what it costs in host
 * calls.
 */
#define _GNU_SOURCE
#include "kernel/vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/file.h"
#include "kernel/hostfs.h"
#include "kernel/process.h"
#include "kernel/syscall_fs.h"
#include "kernel/time.h"
#include "test/unit/kernel_env.h"
#include "test/unit/unit.h"

static char base[] = "/tmp/unit-vfs-XXXXXX";

static char *at(const char *name)
{
	static char buf[8][4200];
	static int turn;
	char *b = buf[turn++ % 8];

	snprintf(b, sizeof(buf[0]), "%s/%s", base, name);
	return b;
}

static void make_file(const char *name, const char *text)
{
	FILE *f = fopen(at(name), "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int setup(void **state)
{
	assert_non_null(mkdtemp(base));
	assert_int_equal(mkdir(at("dir"), 0755), 0);
	assert_int_equal(mkdir(at("dir/sub"), 0755), 0);
	make_file("file", "hello");
	make_file("dir/inner", "inner");
	assert_int_equal(symlink("file", at("link")), 0);
	assert_int_equal(symlink("dir", at("dirlink")), 0);
	assert_int_equal(symlink("loop", at("loop")), 0);
	assert_int_equal(symlink("/dir/inner", at("abs")), 0);
	assert_int_equal(symlink("../../file", at("dir/sub/up")), 0);
	assert_int_equal(symlink("missing", at("dangling")), 0);
	env_init();
	assert_int_equal(vfs_mount("host", base, "/", false, 0), 0);
	env_process.fs = fs_ctx_new();
	return 0;
}

static int teardown(void **state)
{
	char cmd[64];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", base);
	return system(cmd);
}

/* Path, flags of open, expected errno (0: opens) and text. */
static void test_open(void **state)
{
	static const struct {
		const char *path;
		int flags, err;
		const char *text;
	} table[] = {
		{"/file", O_RDONLY, 0, "hello"},
		{"file", O_RDONLY, 0, "hello"},
		{"//file", O_RDONLY, 0, "hello"},
		{"/./dir/../file", O_RDONLY, 0, "hello"},
		{"/../../file", O_RDONLY, 0, "hello"},
		{"/link", O_RDONLY, 0, "hello"},
		{"/link", O_RDONLY | O_NOFOLLOW, ELOOP, NULL},
		{"/abs", O_RDONLY, 0, "inner"},
		{"/dirlink/inner", O_RDONLY, 0, "inner"},
		{"/dirlink/sub/up", O_RDONLY, 0, "hello"},
		{"/dirlink/sub/../inner", O_RDONLY, 0, "inner"},
		{"/loop", O_RDONLY, ELOOP, NULL},
		{"/loop/x", O_RDONLY, ELOOP, NULL},
		{"/file/", O_RDONLY, ENOTDIR, NULL},
		{"/link/", O_RDONLY, ENOTDIR, NULL},
		{"/file/x", O_RDONLY, ENOTDIR, NULL},
		{"/file/..", O_RDONLY, ENOTDIR, NULL},
		{"/none", O_RDONLY, ENOENT, NULL},
		{"/none/x", O_RDONLY, ENOENT, NULL},
		{"/none/", O_RDONLY, ENOENT, NULL},
		{"/dangling", O_RDONLY, ENOENT, NULL},
		{"", O_RDONLY, ENOENT, NULL},
		{"/dir", O_RDONLY, 0, NULL},
		{"/dir/", O_RDONLY | O_DIRECTORY, 0, NULL},
		{"/dirlink", O_RDONLY | O_DIRECTORY, 0, NULL},
		{"/dirlink", O_RDONLY | O_NOFOLLOW, ELOOP, NULL},
		{"/dir", O_WRONLY, EISDIR, NULL},
		{"/dir", O_RDWR | O_CREAT, EISDIR, NULL},
		{"/file", O_RDONLY | O_DIRECTORY, ENOTDIR, NULL},
		{"/file", O_RDWR | O_CREAT | O_EXCL, EEXIST, NULL},
		{"/link", O_RDWR | O_CREAT | O_EXCL, EEXIST, NULL},
		{"/dangling", O_RDWR | O_CREAT | O_EXCL, EEXIST, NULL},
		{"/new/", O_RDWR | O_CREAT, EISDIR, NULL},
	};

	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
			int64_t fd = CALL(openat, ENV_CWD, P(table[i].path),
				(uint64_t)table[i].flags, 0644);
			char buf[16] = "";

			if ((fd < 0 ? -fd : 0) != table[i].err)
				fail_msg("%s flags %x round %d: %ld",
					table[i].path, table[i].flags, round,
					fd);
			if (fd < 0)
				continue;
			if (table[i].text) {
				CALL(read, (uint64_t)fd, P(buf), 15);
				assert_string_equal(buf, table[i].text);
			}
			assert_int_equal(CALL(close, (uint64_t)fd), 0);
		}
		if (round == 1)
			env_now += 5 * NSEC_PER_SEC; /* all expired */
	}
}

static void test_cost(void **state)
{
	struct stat st;
	unsigned before;
	int64_t fd;

	assert_int_equal(CALL(newfstatat, ENV_CWD, P("/dir/inner"), P(&st)), 0);
	before = env_calls;
	for (int i = 0; i < 10; i++) {
		assert_int_equal(
			CALL(newfstatat, ENV_CWD, P("/dir/inner"), P(&st)), 0);
		assert_int_equal(st.st_size, 5);
	}
	assert_int_equal(env_calls, before);
	env_now += 2 * NSEC_PER_SEC;
	assert_int_equal(CALL(newfstatat, ENV_CWD, P("/dir/inner"), P(&st)), 0);
	assert_int_equal(env_calls, before + 1);
	/* open: one call, and the descriptor stays; for writing: one each */
	while (hostfs_idle_shrink())
		;
	before = env_calls;
	fd = CALL(openat, ENV_CWD, P("/dir/inner"), O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(CALL(fstat, (uint64_t)fd, P(&st)), 0);
	CALL(close, (uint64_t)fd);
	assert_int_equal(env_calls, before + 1);
	before = env_calls;
	fd = CALL(openat, ENV_CWD, P("/dir/inner"), O_RDWR);
	assert_true(fd >= 0);
	CALL(close, (uint64_t)fd);
	assert_int_equal(env_calls, before + 2);
	/* what is not there is remembered */
	assert_int_equal(
		CALL(openat, ENV_CWD, P("/dir/nothing"), O_RDONLY), -ENOENT);
	before = env_calls;
	assert_int_equal(
		CALL(newfstatat, ENV_CWD, P("/dir/nothing"), P(&st)), -ENOENT);
	assert_int_equal(env_calls, before);
}

/* Opens, reads and closes; the host calls that opening took. */
static unsigned open_cost(const char *path, uint64_t flags, const char *text)
{
	unsigned before = env_calls, cost;
	int64_t fd = CALL(openat, ENV_CWD, P(path), flags);
	char buf[16] = "";

	assert_true(fd >= 0);
	cost = env_calls - before;
	assert_true(CALL(pread64, (uint64_t)fd, P(buf), 15, 0) >= 0);
	assert_string_equal(buf, text);
	assert_int_equal(CALL(close, (uint64_t)fd), 0);
	return cost;
}

static int64_t size_of(const char *path)
{
	struct stat st;
	int64_t err = 0;

	for (int i = 0; !err && i < 3; i++) /* the last ones by heart */
		err = CALL(newfstatat, ENV_CWD, P(path), P(&st));
	return err ? err : st.st_size;
}

/* Paths whose end is known by heart are forgotten when they lead elsewhere. */
static void test_known_paths(void **state)
{
	static const char deep[] = "/k/a/b/name";
	struct stat st;
	int64_t dir;

	assert_int_equal(CALL(mkdirat, ENV_CWD, P("/k"), 0755), 0);
	assert_int_equal(CALL(mkdirat, ENV_CWD, P("/k/a"), 0755), 0);
	assert_int_equal(CALL(mkdirat, ENV_CWD, P("/k/a/b"), 0755), 0);
	assert_int_equal(CALL(mkdirat, ENV_CWD, P("/k/c"), 0755), 0);
	assert_int_equal(CALL(mkdirat, ENV_CWD, P("/k/c/b"), 0755), 0);
	make_file("k/a/b/name", "1");
	make_file("k/c/b/name", "22");
	assert_int_equal(size_of(deep), 1);
	assert_int_equal(size_of("/k/c/b/name"), 2);
	assert_int_equal(size_of("/k//c/./b/../b/name"), 2);
	/* a directory on the way has another name, and another has its */
	assert_int_equal(CALL(rename, P("/k/a"), P("/k/d")), 0);
	assert_int_equal(size_of(deep), -ENOENT);
	assert_int_equal(size_of("/k/d/b/name"), 1);
	assert_int_equal(CALL(rename, P("/k/c"), P("/k/a")), 0);
	assert_int_equal(size_of(deep), 2);
	assert_int_equal(size_of("/k/c/b/name"), -ENOENT);
	/* the file itself */
	assert_int_equal(CALL(rename, P("/k/d/b/name"), P(deep)), 0);
	assert_int_equal(size_of(deep), 1);
	assert_int_equal(CALL(unlinkat, ENV_CWD, P(deep)), 0);
	assert_int_equal(size_of(deep), -ENOENT);
	assert_int_equal(CALL(symlink, P("/file"), P(deep)), 0);
	assert_int_equal(size_of(deep), 5);
	assert_int_equal(CALL(newfstatat, ENV_CWD, P(deep), P(&st), 0x100), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(size_of(deep), 5);
	/* relative ones */
	make_file("k/a/rel", "333");
	make_file("k/rel", "4444");
	assert_int_equal(CALL(chdir, P("/k/a")), 0);
	assert_int_equal(size_of("rel"), 3);
	assert_int_equal(CALL(chdir, P("/k")), 0);
	assert_int_equal(size_of("rel"), 4);
	dir = CALL(openat, ENV_CWD, P("/k/a"), O_RDONLY | O_DIRECTORY);
	assert_true(dir >= 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(
			CALL(newfstatat, (uint64_t)dir, P("rel"), P(&st), 0),
			0);
		assert_int_equal(st.st_size, 3);
	}
	assert_int_equal(size_of("rel"), 4);
	CALL(close, (uint64_t)dir);
	/* other roots */
	assert_int_equal(size_of("/k/rel"), 4);
	assert_int_equal(CALL(newfstatat, ENV_CWD, P("/rel"), P(&st)), -ENOENT);
	/* changes by others */
	assert_int_equal(unlink(at("k/rel")), 0);
	env_now += HOSTFS_TTL;
	assert_int_equal(size_of("rel"), -ENOENT);
	/* a slash wants a directory, and names may be long */
	assert_int_equal(size_of("/file"), 5);
	assert_int_equal(size_of("/file/"), -ENOTDIR);
	assert_int_equal(size_of("/dir/../dir/../dir/../dir/../dir/../dir/../"
				 "dir/../dir/../dir/../dir/inner"),
		5);
	assert_int_equal(CALL(chdir, P("/")), 0);
}

static int open_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Opening again what was closed a moment ago, and what ends that. */
static void test_open_again(void **state)
{
	struct timespec t[2] = {{1, 0}, {1, 0}};
	int64_t a, b;
	int before;
	char name[32];

	make_file("again", "one");
	make_file("other", "two");
	env_now += 5 * NSEC_PER_SEC;
	assert_int_equal(open_cost("/again", O_RDONLY, "one"), 1);
	assert_int_equal(open_cost("/again", O_RDONLY, "one"), 0);
	assert_int_equal(
		open_cost("/again", O_RDONLY | O_NONBLOCK | O_CLOEXEC, "one"),
		0);
	assert_int_equal(open_cost("/again", O_RDONLY | O_SYNC, "one"), 1);
	assert_int_equal(open_cost("/again", O_RDWR, "one"), 1);
	/* two at a time have a descriptor each */
	a = CALL(openat, ENV_CWD, P("/again"), O_RDONLY);
	b = CALL(openat, ENV_CWD, P("/again"), O_RDONLY);
	assert_true(a >= 0 && b >= 0);
	CALL(close, (uint64_t)a);
	CALL(close, (uint64_t)b);
	assert_int_equal(open_cost("/again", O_RDONLY, "one"), 0);
	/* changes made here */
	assert_int_equal(CALL(fchmodat, ENV_CWD, P("/again"), 0600), 0);
	env_now++;
	assert_int_equal(open_cost("/again", O_RDONLY, "one"), 1);
	assert_int_equal(open_cost("/again", O_RDONLY, "one"), 0);
	assert_int_equal(CALL(utimensat, AT_FDCWD, P("/again"), P(t), 0), 0);
	assert_int_equal(open_cost("/again", O_RDONLY, "one"), 1);
	assert_int_equal(CALL(fchmodat, ENV_CWD, P("/dir"), 0700), 0);
	assert_int_equal(open_cost("/again", O_RDONLY, "one"), 1);
	assert_int_equal(CALL(rename, P("/other"), P("/again")), 0);
	env_now++; /* distrust takes a moment to pass */
	open_cost("/again", O_RDONLY, "two");
	/* somebody outside speaks to us */
	assert_int_equal(open_cost("/again", O_RDONLY, "two"), 0);
	env_now++;
	hostfs_distrust();
	assert_int_equal(open_cost("/again", O_RDONLY, "two"), 1);
	/* changes made by others, soon */
	make_file("other", "three");
	assert_int_equal(rename(at("other"), at("again")), 0);
	env_now += HOSTFS_OPEN_TTL;
	assert_int_equal(open_cost("/again", O_RDONLY, "three"), 1);
	assert_int_equal(unlink(at("again")), 0);
	env_now += HOSTFS_OPEN_TTL;
	assert_int_equal(CALL(openat, ENV_CWD, P("/again"), O_RDONLY), -ENOENT);
	/* a name that is gone keeps no descriptor */
	make_file("again", "four");
	env_now += 5 * NSEC_PER_SEC;
	open_cost("/again", O_RDONLY, "four");
	before = open_descriptors();
	assert_int_equal(CALL(unlinkat, ENV_CWD, P("/again")), 0);
	assert_int_equal(open_descriptors(), before - 1);
	/* many */
	before = open_descriptors();
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "many%d", i);
		make_file(name, name);
		snprintf(name, sizeof(name), "/many%d", i);
		open_cost(name, O_RDONLY, name + 1);
	}
	assert_in_range(open_descriptors(), before + 32, before + 64);
}

static void test_create_write(void **state)
{
	struct stat st;
	char buf[32] = "";
	int64_t fd = CALL(
		openat, ENV_CWD, P("/dir/made"), O_RDWR | O_CREAT, 0644);

	assert_true(fd >= 0);
	assert_int_equal(CALL(write, (uint64_t)fd, P("abcdef"), 6), 6);
	assert_int_equal(CALL(lseek, (uint64_t)fd, 0, SEEK_CUR), 6);
	assert_int_equal(CALL(pread64, (uint64_t)fd, P(buf), 3, 2), 3);
	assert_string_equal(buf, "cde");
	assert_int_equal(CALL(newfstatat, ENV_CWD, P("/dir/made"), P(&st)), 0);
	assert_int_equal(st.st_size, 6);
	assert_int_equal(CALL(ftruncate, (uint64_t)fd, 3), 0);
	assert_int_equal(CALL(lseek, (uint64_t)fd, 0, SEEK_END), 3);
	CALL(close, (uint64_t)fd);
	/* append */
	fd = CALL(openat, ENV_CWD, P("/dir/made"), O_WRONLY | O_APPEND);
	assert_int_equal(CALL(write, (uint64_t)fd, P("XY"), 2), 2);
	assert_int_equal(CALL(lseek, (uint64_t)fd, 0, SEEK_CUR), 5);
	CALL(close, (uint64_t)fd);
	fd = CALL(openat, ENV_CWD, P("/dangling"), O_RDWR | O_CREAT, 0644);
	assert_true(fd >= 0);
	CALL(close, (uint64_t)fd);
	assert_int_equal(CALL(newfstatat, ENV_CWD, P("/missing"), P(&st)), 0);
	assert_int_equal(access(at("missing"), F_OK), 0);
	unlink(at("missing"));
	env_now += 2 * NSEC_PER_SEC;
}

static void test_at_and_links(void **state)
{
	char buf[64] = "";
	struct stat st;
	int64_t dir = CALL(openat, ENV_CWD, P("/dir"), O_RDONLY | O_DIRECTORY),
		n;

	assert_true(dir >= 0);
	assert_int_equal(
		CALL(newfstatat, (uint64_t)dir, P("inner"), P(&st), 0), 0);
	assert_int_equal(
		CALL(newfstatat, (uint64_t)dir, P(""), P(&st), AT_EMPTY_PATH),
		0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(
		CALL(newfstatat, (uint64_t)dir, P(""), P(&st), 0), -ENOENT);
	assert_int_equal(CALL(newfstatat, 77, P("x"), P(&st), 0), -EBADF);
	n = CALL(readlinkat, ENV_CWD, P("/dir/sub/up"), P(buf), sizeof(buf));
	assert_int_equal(n, 10);
	assert_memory_equal(buf, "../../file", 10);
	assert_int_equal(
		CALL(readlinkat, ENV_CWD, P("/file"), P(buf), sizeof(buf)),
		-EINVAL);
	assert_int_equal(
		CALL(newfstatat, ENV_CWD, P("/link"), P(&st), 0x100), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(CALL(getdents64, (uint64_t)dir, P(buf), 8), -EINVAL);
	CALL(close, (uint64_t)dir);
}

static void test_openat2(void **state)
{
	struct {
		uint64_t flags, mode, resolve;
	} how = {.flags = O_RDONLY};
	static const struct {
		const char *path;
		uint64_t resolve;
		int err;
	} table[] = {
		{"inner", 8, 0}, /* RESOLVE_BENEATH */
		{"../file", 8, EXDEV},
		{"/file", 8, EXDEV},
		{"sub/../inner", 8, 0},
		{"sub/up", 8, EXDEV},
		{"/inner", 16, 0}, /* RESOLVE_IN_ROOT */
		{"../inner", 16, 0},
		{"/sub/up", 16, ENOENT},
		{"sub/up", 4, ELOOP}, /* RESOLVE_NO_SYMLINKS */
		{"sub/up", 0, 0},
		{"inner", 64, EINVAL},
	};
	int64_t dir = CALL(openat, ENV_CWD, P("/dir"), O_PATH), fd;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		how.resolve = table[i].resolve;
		fd = CALL(openat2, (uint64_t)dir, P(table[i].path), P(&how),
			sizeof(how));
		if ((fd < 0 ? -fd : 0) != table[i].err)
			fail_msg("%s: %ld", table[i].path, fd);
		if (fd >= 0)
			CALL(close, (uint64_t)fd);
	}
	CALL(close, (uint64_t)dir);
}

static void test_long(void **state)
{
	static char name[300], path[5000];

	memset(name, 'n', 256);
	name[0] = '/';
	name[256] = '\0';
	assert_int_equal(CALL(openat, ENV_CWD, P(name), O_RDONLY), -ENOENT);
	memset(name, 'n', 257);
	name[0] = '/';
	name[257] = '\0';
	assert_int_equal(
		CALL(openat, ENV_CWD, P(name), O_RDONLY), -ENAMETOOLONG);
	memset(path, '/', 4095);
	path[4095] = '\0';
	assert_true(CALL(openat, ENV_CWD, P(path), O_RDONLY) >= 0);
	path[4095] = '/';
	path[4096] = '\0';
	assert_int_equal(
		CALL(openat, ENV_CWD, P(path), O_RDONLY), -ENAMETOOLONG);
}

/*
 * While a thread asks the host about a name, another one learns from the host
 * that the name means something else. What the first has in its hands stays.
 */
static unsigned released;

static void release(struct vnode *v)
{
	v->refs = 0xdead;
	released++;
}

static void test_replaced_in_use(void **state)
{
	static const struct vnode_ops ops = {.release = release};
	static struct vnode v[3];
	struct dentry *d = dentry_new(NULL, NULL, "d", 1), *user;
	struct vnode *seen;

	(void)state;
	released = 0;
	for (int i = 0; i < 3; i++)
		vnode_init(&v[i], &ops, NULL, S_IFREG, (uint64_t)i);
	dentry_set(d, &v[0], 1);
	vnode_put(&v[0]);
	user = dentry_get(d);
	seen = user->vnode;
	for (int i = 0; i < 1000; i++) { /* there and back again */
		dentry_set(d, &v[1], 1);
		dentry_set(d, NULL, 1);
		dentry_set(d, &v[0], 1);
		dentry_set(d, &v[2], 1);
	}
	vnode_put(&v[1]);
	vnode_put(&v[2]);
	assert_int_equal(released, 0);
	assert_true(seen->refs > 0 && seen->refs < 10);
	dentry_put(d);
	assert_int_equal(released, 0);
	dentry_put(user);
	assert_int_equal(released, 3);
}

/*
 * While a thread asks the host about one name, another one learns that a name
 * which the first has in its hands is gone.
 */
static const char *vanishing;

static void vanish(void)
{
	struct stat st;

	assert_int_equal(rmdir(at(vanishing + 1)), 0);
	env_now += 100 * NSEC_PER_SEC;
	assert_int_equal(
		CALL(newfstatat, ENV_CWD, P(vanishing), P(&st)), -ENOENT);
}

static void vanish_file(void)
{
	struct stat st;

	assert_int_equal(unlink(at("short")), 0);
	env_now += 100 * NSEC_PER_SEC;
	assert_int_equal(
		CALL(newfstatat, ENV_CWD, P("/short"), P(&st)), -ENOENT);
}

static int make_gone(void)
{
	assert_int_equal(mkdir(at("gone"), 0755), 0);
	env_now += 100 * NSEC_PER_SEC;
	vanishing = "/gone";
	return 0;
}

static void test_vanished_in_use(void **state)
{
	struct walk w, again;
	struct stat st;
	int64_t fd;

	/* The source of a rename, a hard link or a removal. */
	make_gone();
	env_other = vanish;
	assert_int_equal(CALL(rename, P("/gone"), P("/new")), -ENOENT);
	make_gone();
	env_other = vanish;
	assert_true(CALL(rename, P("/file"), P("/gone/x")) < 0);
	make_gone();
	env_other = vanish;
	assert_true(CALL(link, P("/gone"), P("/new")) < 0);
	make_gone();
	env_other = vanish;
	assert_true(CALL(unlinkat, ENV_CWD, P("/gone"), 0x200) < 0);
	/* A directory where something is looked up or made. */
	for (int call = 0; call < 4; call++) {
		make_gone();
		assert_int_equal(
			CALL(newfstatat, ENV_CWD, P("/gone"), P(&st)), 0);
		env_other = vanish;
		fd = call == 0 ? CALL(mkdirat, ENV_CWD, P("/gone/x"), 0755)
			: call == 1
			? CALL(openat, ENV_CWD, P("/gone/x"), O_CREAT | O_RDWR)
			: call == 2
			? CALL(mknodat, ENV_CWD, P("/gone/x"), S_IFIFO | 0644)
			: CALL(symlink, P("x"), P("/gone/x"));
		env_other = NULL;
		assert_int_equal(fd, -ENOENT);
	}
	/* While the path itself was read. */
	make_file("short", "x");
	for (int i = 0; i < 2; i++)
		assert_int_equal(CALL(truncate, P("/short"), 1), 0);
	env_faulted = vanish_file;
	assert_int_equal(CALL(truncate, P("/short"), 1), -ENOENT);
	/* What somebody has stays what it was; the name is free. */
	make_gone();
	assert_int_equal(vfs_walk(AT_FDCWD, "/gone", 0, &w), 0);
	vanish();
	assert_non_null(w.dentry->vnode);
	assert_true(w.dentry->deleted);
	assert_int_equal(vfs_walk(AT_FDCWD, "/gone", 0, &again), -ENOENT);
	make_gone();
	assert_int_equal(vfs_walk(AT_FDCWD, "/gone", 0, &again), 0);
	assert_ptr_not_equal(again.dentry, w.dentry);
	assert_false(again.dentry->deleted);
	walk_done(&again);
	walk_done(&w);
	assert_int_equal(rmdir(at("gone")), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_cost),
		cmocka_unit_test(test_open_again),
		cmocka_unit_test(test_known_paths),
		cmocka_unit_test(test_create_write),
		cmocka_unit_test(test_at_and_links),
		cmocka_unit_test(test_openat2),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_replaced_in_use),
		cmocka_unit_test(test_vanished_in_use),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

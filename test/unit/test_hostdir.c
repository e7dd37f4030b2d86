/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directory records, each as a hostile host may write it: the enclave stops,
 * and looks at nothing behind what it was given.
 */
/* First: it takes the kernel's own definitions, not libc's. */
#include "kernel/hostfs_file.c"

#include "unit.h"

void *malloc(size_t size);
void free(void *p);

static uint8_t answer[256];
static int64_t answer_size;
static jmp_buf stopped;
static char names[8][VFS_NAME_MAX + 1];
static unsigned name_count;
static void *buffer; /* left behind when the enclave stops */

void panic_host(const char *fmt, ...)
{
	(void)fmt;
	longjmp(stopped, 1);
}

/* Exactly as large as asked for, so that ASan and valgrind see more. */
void *kmalloc(size_t size)
{
	return buffer = malloc(size);
}
void kfree(void *p)
{
	free(p);
}

int64_t hostcall_run(unsigned nr, const uint64_t *args)
{
	assert_int_equal(nr, HC_getdents);
	assert_true((uint64_t)answer_size <= args[2]);
	memset((void *)args[1], 'A', args[2]); /* what was there before */
	memcpy((void *)args[1], answer, (size_t)answer_size);
	return answer_size;
}

int64_t hostcache_read(struct file *f, struct uio *u, uint64_t pos, bool *whole)
{
	(void)f, (void)u, (void)pos, (void)whole;
	return -EIO;
}
void hostcache_drop(struct hostcache *c)
{
	(void)c;
}
void hostfs_idle_drop(struct hostfs_node *n)
{
	(void)n;
}
bool hostfs_idle_keep(struct file *f)
{
	(void)f;
	return false;
}
int64_t vfs_seek(struct file *f, int64_t off, int whence, uint64_t size)
{
	(void)f, (void)off, (void)whence, (void)size;
	return -EIO;
}
int hostfs_getattr(
	struct dentry *d, struct vnode *v, struct file *f, struct kstat *st)
{
	(void)d, (void)v, (void)f, (void)st;
	return -EIO;
}
int vfs_file_new(const struct file_ops *ops, uint32_t flags, struct dentry *d,
	struct file **out)
{
	(void)ops, (void)flags, (void)d, (void)out;
	return -EIO;
}

static int add(struct dirent_sink *s, const char *name, size_t len,
	uint64_t ino, uint64_t next_off, unsigned type)
{
	(void)s, (void)ino, (void)next_off, (void)type;
	assert_true(name_count < 8 && len <= VFS_NAME_MAX);
	memcpy(names[name_count], name, len);
	names[name_count++][len] = 0;
	return 0;
}

/* A record at off; returns the offset behind. */
static size_t record(size_t off, uint16_t reclen, const char *name, size_t len)
{
	struct wire_dirent *e = (struct wire_dirent *)(answer + off);

	e->ino = 1;
	e->off = 7;
	e->reclen = reclen;
	e->type = 8;
	memcpy(e->name, name, len);
	return off + reclen;
}

/* 0, or 1: the enclave stopped. */
static int read_dir(size_t size)
{
	struct file f = {.host_fd = 3};
	struct dirent_sink sink = {.add = add, .room = sizeof(answer)};

	name_count = 0;
	answer_size = (int64_t)size;
	if (setjmp(stopped)) {
		free(buffer);
		return 1;
	}
	assert_int_equal(hostdir_getdents(&f, &sink), 0);
	return 0;
}

static void test_good(void **state)
{
	size_t end;

	(void)state;
	end = record(0, 24, "a", 2);
	end = record(end, 32, "longer name", 12);
	assert_int_equal(read_dir(end), 0);
	assert_int_equal(name_count, 2);
	assert_string_equal(names[0], "a");
	assert_string_equal(names[1], "longer name");
	assert_int_equal(read_dir(0), 0);
	assert_int_equal(name_count, 0);
}

static void test_bad(void **state)
{
	static const struct {
		uint16_t reclen;
		size_t size;
		const char *name;
		size_t len;
	} bad[] = {
		{24, 24, "AAAAA", 5}, /* no NUL in the record */
		{24, 24, "", 1}, /* empty */
		{24, 24, "a/b", 4},
		{24, 24, "/", 2},
		{0, 24, "a", 2}, /* would never end */
		{16, 24, "a", 2}, /* smaller than its head */
		{19, 24, "a", 2},
		{23, 23, "a", 2}, /* not aligned */
		{32, 24, "a", 2}, /* goes over the end */
		{65528, 24, "a", 2},
		{24, 20, "a", 2},
		{24, 8, "a", 2}, /* half a head */
		{24, 19, "a", 2},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memset(answer, 'A', sizeof(answer));
		record(0, bad[i].reclen, bad[i].name, bad[i].len);
		assert_int_equal(read_dir(bad[i].size), 1);
		assert_int_equal(name_count, 0);
		/* the same behind a good one */
		record(0, 24, "a", 2);
		record(24, bad[i].reclen, bad[i].name, bad[i].len);
		assert_int_equal(read_dir(24 + bad[i].size), 1);
	}
	record(0, 24, "a", 2);
	((struct wire_dirent *)answer)->off = UINT64_MAX;
	assert_int_equal(read_dir(24), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

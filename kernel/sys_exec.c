/* SPDX-License-Identifier: Apache-2.0 */
/* execve, execveat: everything of the caller is copied in first. */
#include <linux/errno.h>
#include <linux/fcntl.h>

#include "kernel/cpu.h"
#include "kernel/exec.h"
#include "kernel/file.h"
#include "kernel/kalloc.h"
#include "kernel/klog.h"
#include "kernel/process.h"
#include "kernel/sys.h"
#include "kernel/uaccess.h"
#include "kernel/vfs.h"
#include "lib/fmt.h"
#include "lib/string.h"

enum { FIRST_TRY = 1024, POINTERS = 32 };

static int reserve(struct exec_block *b, size_t size)
{
	size_t want = b->size + size;
	char *p;

	if (want <= b->capacity)
		return 0;
	want += want / 2;
	p = krealloc(b->buf, want);
	if (!p)
		return -ENOMEM;
	b->buf = p;
	b->capacity = want;
	return 0;
}

static int read_string(struct exec_block *b, uint64_t u_str)
{
	static const size_t sizes[] = {FIRST_TRY, EXEC_STRING_MAX};
	int64_t n = -ENAMETOOLONG;

	for (size_t i = 0; i < ARRAY_SIZE(sizes) && n == -ENAMETOOLONG; i++) {
		int err = reserve(b, sizes[i]);

		if (err)
			return err;
		n = user_read_str(b->buf + b->size, u_str, sizes[i]);
	}
	if (n == -ENAMETOOLONG || b->size + EXEC_STRING_MAX > EXEC_TOTAL_MAX)
		return -E2BIG;
	if (n < 0)
		return (int)n;
	b->size += (size_t)n + 1;
	b->count++;
	return 0;
}

/* A NULL-terminated array of strings; a NULL array is an empty one. */
static int read_strings(struct exec_block *b, uint64_t u_array)
{
	for (; u_array; u_array += sizeof(uint64_t)) {
		uint64_t u_str;
		int err = user_read(&u_str, u_array, sizeof(u_str));

		if (err)
			return err;
		if (!u_str)
			break;
		err = read_string(b, u_str);
		if (err)
			return err;
	}
	return 0;
}

/* What a script finds as its name if it was opened by descriptor. */
static char *name_of(int dfd, const char *path)
{
	size_t size = strlen(path) + 32;
	char *name;

	if (dfd == AT_FDCWD || path[0] == '/')
		return kstrdup(path);
	name = kmalloc(size);
	if (name)
		fmt_print(name, size, path[0] ? "/dev/fd/%d/%s" : "/dev/fd/%d",
			dfd, path);
	return name;
}

static int gather(struct exec_request *r, int dfd, uint64_t u_path,
	uint64_t u_argv, uint64_t u_envp, unsigned walk)
{
	char *path;
	int err = path_from_user(u_path, &path);

	if (err)
		return err;
	if (!path[0] && !(walk & WALK_EMPTY))
		err = -ENOENT;
	else
		err = vfs_open_exec(dfd, path, walk, &r->file);
	if (!err) {
		r->path = name_of(dfd, path);
		if (!r->path)
			err = -ENOMEM;
	}
	path_buf_put(path);
	if (!err)
		err = read_strings(&r->args, u_argv);
	if (!err && r->args.count == 0)
		err = exec_block_add(&r->args, "");
	if (!err)
		err = read_strings(&r->env, u_envp);
	return err;
}

static int64_t do_exec(int dfd, uint64_t u_path, uint64_t u_argv,
	uint64_t u_envp, unsigned walk)
{
	struct exec_request r = {0};
	struct trapframe frame;
	struct thread *t = current;
	struct err why = {0};
	int err = gather(&r, dfd, u_path, u_argv, u_envp, walk);

	if (!err)
		err = exec_load(t->proc, &r, &frame, &why);
	/* The program that the operator named: he gets the reason. */
	if (err && why.text[0] && t->proc->parent == init_process &&
		!t->proc->execed)
		klog("%s", why.text);
	exec_request_fini(&r);
	if (err)
		return err;
	thread_save_xstate(t);
	xstate_initial(t->xsave);
	t->fs_base = 0;
	*t->frame = frame;
	process_exec_done();
	return 0;
}

int64_t sys_execve(const uint64_t *a)
{
	return do_exec(AT_FDCWD, a[0], a[1], a[2], WALK_FOLLOW);
}

int64_t sys_execveat(const uint64_t *a)
{
	uint32_t u_flags = (uint32_t)a[4];
	unsigned walk = WALK_FOLLOW;

	if (u_flags & ~(uint32_t)(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
		return -EINVAL;
	if (u_flags & AT_SYMLINK_NOFOLLOW)
		walk &= ~(unsigned)WALK_FOLLOW;
	if (u_flags & AT_EMPTY_PATH)
		walk |= WALK_EMPTY;
	return do_exec((int)a[0], a[1], a[2], a[3], walk);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See exec.h. Order of an exec:
 *
 *  1. resolve scripts, read the headers of program and interpreter, check
 *     sizes and places: nothing has an effect, all errors are returned
 *  2. end the other threads; if nobody else uses the old address space, give
 *     it back: the point of no return
 *  3. map program, interpreter, vDSO and stack; write the stack
 *  4. exchange the process's state
 */
#include "kernel/exec.h"

#include <linux/auxvec.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/resource.h>
#include <linux/signal.h>

#include "abi/layout.h"
#include "kernel/aspace_impl.h"
#include "kernel/cpu.h"
#include "kernel/elf.h"
#include "kernel/exec_stack.h"
#include "kernel/kalloc.h"
#include "kernel/klog.h"
#include "kernel/process.h"
#include "kernel/random.h"
#include "kernel/vfs.h"
#include "lib/string.h"

/* Position-independent programs start at a random multiple of SLOT. */
#define PIE_LOW 0x100000000ul
#define PIE_HIGH 0x700000000ul
#define PIE_SLOT 0x4000000ul
#define PIE_ROOM 0x40000000ul /* for the heap behind the program */

enum {
	HEAD_SIZE = 1024,
	SCRIPT_LINE = 256,
	STACK_SIZE_MAX = 64 * 1024 * 1024,
	STACK_SIZE_MIN = 128 * 1024,
	STACK_READY = 32 * 1024,
	PERSONALITY_NO_RANDOM = 0x0040000,
};

/* The beginning of a file, read once: it holds all headers, as a rule. */
struct head {
	struct file *file;
	int64_t size; /* bytes, short only at the end of the file */
	uint8_t data[HEAD_SIZE];
};

/* Everything that step 1 found out. */
struct plan {
	struct elf_image main, interp;
	struct file *interp_file;
	struct head head;
};

int exec_block_add(struct exec_block *b, const char *s)
{
	size_t size = strlen(s) + 1;

	if (size > EXEC_STRING_MAX || b->size + size > EXEC_TOTAL_MAX)
		return -E2BIG;
	if (b->size + size > b->capacity) {
		size_t want = (b->size + size) * 2 + 256;
		char *p = krealloc(b->buf, want);

		if (!p)
			return -ENOMEM;
		b->buf = p;
		b->capacity = want;
	}
	memcpy(b->buf + b->size, s, size);
	b->size += size;
	b->count++;
	return 0;
}

void exec_block_fini(struct exec_block *b)
{
	kfree(b->buf);
	*b = (struct exec_block){0};
}

void exec_request_fini(struct exec_request *r)
{
	file_put(r->file);
	kfree(r->path);
	exec_block_fini(&r->args);
	exec_block_fini(&r->env);
	*r = (struct exec_request){0};
}

/* ---- scripts ---- */

/* Finds interpreter and its one argument in the first line (with "#!"). */
static int parse_script(char *line, size_t len, char **interp, char **arg)
{
	char *end = memchr(line, '\n', len);
	char *p = line + 2;

	if (!end) {
		/* Cut off: fine as long as the interpreter's name is whole. */
		if (len == SCRIPT_LINE && !memchr(p, ' ', len - 2))
			return -ENOEXEC;
		end = line + len;
	}
	while (end > p && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*end = '\0';
	while (*p == ' ' || *p == '\t')
		p++;
	if (!*p)
		return -ENOEXEC;
	*interp = p;
	while (*p && *p != ' ' && *p != '\t')
		p++;
	*arg = NULL;
	if (*p) {
		*p++ = '\0';
		while (*p == ' ' || *p == '\t')
			p++;
		if (*p)
			*arg = p;
	}
	return 0;
}

/* argv = interp, [arg], path of the script, old argv[1...] */
static int script_args(
	struct exec_request *r, const char *interp, const char *arg)
{
	struct exec_block b = {0};
	size_t skip = r->args.count ? strlen(r->args.buf) + 1 : 0;
	int err = exec_block_add(&b, interp);

	if (!err && arg)
		err = exec_block_add(&b, arg);
	if (!err)
		err = exec_block_add(&b, r->path);
	while (!err && skip < r->args.size) {
		err = exec_block_add(&b, r->args.buf + skip);
		skip += strlen(r->args.buf + skip) + 1;
	}
	if (err) {
		exec_block_fini(&b);
		return err;
	}
	exec_block_fini(&r->args);
	r->args = b;
	return 0;
}

static int read_head(struct head *h, struct file *f)
{
	h->file = f;
	h->size = file_pread(f, h->data, sizeof(h->data), 0);
	return h->size < 0 ? (int)h->size : 0;
}

/* One step: exchanges r->file for the script's interpreter. 1: no script. */
static int resolve_script(struct exec_request *r, struct head *h)
{
	char line[SCRIPT_LINE + 1], *interp, *arg, *path;
	struct file *f;
	size_t n;
	int err = read_head(h, r->file);

	if (err)
		return err;
	if (h->size < 2 || h->data[0] != '#' || h->data[1] != '!')
		return 1;
	n = h->size < SCRIPT_LINE ? (size_t)h->size : SCRIPT_LINE;
	memcpy(line, h->data, n);
	line[n] = '\0';
	err = parse_script(line, n, &interp, &arg);
	if (!err)
		err = script_args(r, interp, arg);
	if (err)
		return err;
	path = kstrdup(interp);
	if (!path)
		return -ENOMEM;
	err = vfs_open_exec(AT_FDCWD, path, WALK_FOLLOW, &f);
	if (err) {
		kfree(path);
		return err;
	}
	file_put(r->file);
	r->file = f;
	kfree(r->path);
	r->path = path;
	return 0;
}

/* ---- headers ---- */

static int64_t read_elf(void *ctx, uint64_t off, void *buf, size_t size)
{
	const struct head *h = ctx;

	if (off + size > (uint64_t)h->size)
		return file_pread(h->file, buf, size, off);
	memcpy(buf, h->data + off, size);
	return (int64_t)size;
}

static int read_image(struct head *h, struct elf_image *img, struct err *err)
{
	struct elf_src src = {.ctx = h, .read = read_elf};
	struct kstat st;
	int rc = vfs_file_getattr(h->file, &st);

	if (rc)
		return rc;
	src.size = st.size;
	return elf_read(&src, img, err);
}

static int prepare(struct exec_request *r, struct plan *pl, struct err *err)
{
	int rc = 0;

	for (int depth = 0; rc == 0; depth++) {
		if (depth > EXEC_SCRIPT_DEPTH)
			return -ELOOP;
		rc = resolve_script(r, &pl->head);
	}
	if (rc < 0)
		return rc;
	rc = read_image(&pl->head, &pl->main, err);
	if (rc)
		return rc;
	if (!pl->main.interp[0])
		return 0;
	rc = vfs_open_exec(
		AT_FDCWD, pl->main.interp, WALK_FOLLOW, &pl->interp_file);
	if (rc)
		return err_setf(err, rc, "interpreter %s: error %d",
			pl->main.interp, -rc);
	rc = read_head(&pl->head, pl->interp_file);
	if (!rc)
		rc = read_image(&pl->head, &pl->interp, err);
	if (rc == -ENOEXEC) {
		err_prefix(err, "interpreter %s", pl->main.interp);
		rc = -ELIBBAD;
	}
	return rc;
}

/* ---- mapping ---- */

static uint64_t place_pie(struct aspace *as, const struct elf_image *img)
{
	uint64_t size = img->hi - img->lo;

	for (int i = 0; i < 16; i++) {
		uint64_t a = PIE_LOW +
			random_u64() % ((PIE_HIGH - PIE_LOW) / PIE_SLOT) *
				PIE_SLOT;

		if (as->fixed_layout)
			a = PIE_LOW + (uint64_t)i * PIE_ROOM;
		else
			a += random_u64() % (PIE_SLOT / 2);
		a &= ~(img->align - 1);
		if (range_free(&aspace_used, a, a + size + PIE_ROOM))
			return a;
	}
	return aspace_find_free(as, size, img->align, ASPACE_LOW_SEARCH);
}

static int map_segment(struct aspace *as, struct file *f,
	const struct elf_segment *s, uint64_t bias)
{
	uint64_t start = align_down(s->va, PAGE_SIZE) + bias;
	uint64_t file_end = s->filesz
		? align_up(s->va + s->filesz, PAGE_SIZE) + bias
		: start;
	uint64_t end = align_up(s->va + s->memsz, PAGE_SIZE) + bias;
	int64_t at;

	if (file_end > start) {
		/* What is behind filesz in the last page belongs to .bss. */
		uint64_t limit = s->memsz > s->filesz ? s->off + s->filesz
						      : UINT64_MAX;

		at = aspace_map_file(as, start, file_end - start, s->prot,
			ASPACE_FIXED | ASPACE_IMAGE, f,
			align_down(s->off, PAGE_SIZE), limit);
		if (at < 0)
			return (int)at;
	}
	if (end > file_end) {
		at = aspace_map(as, file_end, end - file_end, s->prot,
			ASPACE_FIXED, NULL, 0);
		if (at < 0)
			return (int)at;
	}
	return 0;
}

static int map_image(struct aspace *as, struct file *f,
	const struct elf_image *img, uint64_t bias)
{
	for (unsigned i = 0; i < img->segment_count; i++) {
		int err = map_segment(as, f, &img->segment[i], bias);

		if (err)
			return err;
	}
	mapping_preload(as, img->lo + bias, img->hi + bias, true);
	return 0;
}

/* Program, interpreter, heap. The lock is held, so that what is found free
 * stays free until it is mapped. */
static int map_all(struct aspace *as, struct exec_request *r, struct plan *pl,
	struct exec_layout *l)
{
	const struct elf_image *m = &pl->main;
	uint64_t at;
	int err;

	if (m->pie) {
		at = place_pie(as, m);
		if (!at)
			return -ENOMEM;
		l->bias = at - m->lo;
	}
	err = map_image(as, r->file, m, l->bias);
	if (err)
		return err;
	aspace_set_brk(as, m->hi + l->bias);
	l->entry = l->start = m->entry + l->bias;
	l->phdr = m->phdr_va ? m->phdr_va + l->bias : 0;
	l->phnum = m->phnum;
	if (!pl->interp_file)
		return 0;
	at = aspace_find_free(
		as, pl->interp.hi - pl->interp.lo, pl->interp.align, 0);
	if (!at)
		return -ENOMEM;
	l->interp_base = pl->interp.pie ? at - pl->interp.lo : 0;
	l->start = pl->interp.entry + l->interp_base;
	return map_image(as, pl->interp_file, &pl->interp, l->interp_base);
}

static uint64_t stack_size(const struct process *p)
{
	uint64_t size = p->rlimit[RLIMIT_STACK][0];

	if (size > STACK_SIZE_MAX)
		size = 8 * 1024 * 1024;
	if (size < STACK_SIZE_MIN)
		size = STACK_SIZE_MIN;
	return align_up(size, PAGE_SIZE);
}

static int map_stack(struct aspace *as, struct process *p,
	struct exec_request *r, struct plan *pl, struct exec_layout *l)
{
	uint64_t size = stack_size(p), need = exec_stack_size(r);
	int prot = PROT_READ | PROT_WRITE |
		(pl->main.exec_stack ? PROT_EXEC : 0);
	int64_t at;

	if (need > size / 2)
		size += align_up(need, PAGE_SIZE);
	/* Nothing grows into the guard, which is part of the range. */
	at = aspace_map(
		as, 0, size + STACK_SIZE_MIN, PROT_NONE, ASPACE_STACK, NULL, 0);
	if (at < 0)
		return (int)at;
	l->stack_top = (uint64_t)at + size + STACK_SIZE_MIN;
	if (!as->fixed_layout)
		l->stack_top -= random_u64() % PAGE_SIZE & ~15ul;
	at = aspace_map(as, (uint64_t)at + STACK_SIZE_MIN, size, prot,
		ASPACE_FIXED | ASPACE_STACK, NULL, 0);
	if (at < 0)
		return (int)at;
	return aspace_populate(as,
		align_down(l->stack_top - need - STACK_READY, PAGE_SIZE),
		align_up(l->stack_top, PAGE_SIZE));
}

/* Would a program at fixed addresses meet another process? */
static int check_fixed(struct process *p, const struct plan *pl)
{
	const struct aspace *own = p->as && p->as->refs == 1 ? p->as : NULL;

	if (pl->main.pie || aspace_available(own, pl->main.lo, pl->main.hi))
		return 0;
	klog("program linked at 0x%lx: these addresses belong to another "
	     "process of this enclave",
		(unsigned long)pl->main.lo);
	return -ENOMEM;
}

static int build(struct process *p, struct aspace *as, struct exec_request *r,
	struct plan *pl, struct exec_layout *l)
{
	int err;

	mm_lock();
	err = map_all(as, r, pl, l);
	if (!err)
		err = map_stack(as, p, r, pl, l);
	if (!err)
		err = vdso_attach(as);
	if (!err)
		exec_stack_write(p, r, l);
	mm_unlock();
	return err;
}

static void set_names(struct process *p, struct exec_request *r, char *exe)
{
	const char *base = strrchr(r->path, '/');
	struct thread *t = p->threads.next && !list_is_empty(&p->threads)
		? current_thread()
		: NULL;

	kfree(p->exe);
	p->exe = exe;
	if (t &&
		string_copy(
			t->comm, sizeof(t->comm), base ? base + 1 : r->path))
		t->comm[sizeof(t->comm) - 1] = '\0';
}

static char *exe_path(struct exec_request *r)
{
	char *buf = path_buf_get(), *exe = NULL;

	if (buf && r->file->vnode &&
		vfs_file_path(r->file, buf, VFS_PATH_MAX) > 0)
		exe = kstrdup(buf);
	path_buf_put(buf);
	return exe ? exe : kstrdup(r->path);
}

static int load(struct process *p, struct exec_request *r, struct plan *pl,
	struct trapframe *frame)
{
	struct exec_layout l = {0};
	struct aspace *old = p->as, *as;
	bool first = !old, gone = false;
	char *exe = NULL;
	int err = check_fixed(p, pl);

	if (err)
		return err;
	if (exec_stack_size(r) > EXEC_TOTAL_MAX + 65536)
		return -E2BIG;
	as = aspace_new();
	exe = exe_path(r);
	if (!as || !exe) {
		err = -ENOMEM;
		goto free;
	}
	if (p->personality & PERSONALITY_NO_RANDOM)
		aspace_no_random(as);
	if (!first) {
		err = process_exec_begin();
		if (err)
			goto free;
		if (old->refs == 1) {
			gone = true;
			p->as = as;
			aspace_put(old);
		}
	}
	err = build(p, as, r, pl, &l);
	if (err && !gone) {
		if (!first)
			process_exec_cancel();
		goto free;
	}
	if (err) {
		/* There is nothing left to return to. */
		kfree(exe);
		klog("a program could not be loaded: error %d", -err);
		process_exit_group(SIGKILL);
	}
	if (!gone) {
		p->as = as;
		if (old)
			aspace_put(old);
	}
	set_names(p, r, exe);
	memset(frame, 0, sizeof(*frame));
	frame->orig_rax = UINT64_MAX;
	frame->rip = l.start;
	frame->rsp = l.sp;
	frame->rflags = 0x202;
	return 0;
free:
	kfree(exe);
	aspace_put(as);
	return err;
}

int exec_load(struct process *p, struct exec_request *r,
	struct trapframe *frame, struct err *err)
{
	struct plan *pl = kzalloc(sizeof(*pl));
	int rc;

	if (!pl)
		return -ENOMEM;
	rc = prepare(r, pl, err);
	if (!rc)
		rc = load(p, r, pl, frame);
	file_put(pl->interp_file);
	kfree(pl);
	return rc;
}

static int add_all(struct exec_block *b, const char *const *s)
{
	int err = 0;

	for (; *s && !err; s++)
		err = exec_block_add(b, *s);
	return err;
}

int exec_load_first(struct process *p, struct file *f, const char *path,
	const char *const *argv, const char *const *envp,
	struct trapframe *frame, struct err *err)
{
	struct exec_request r = {.file = file_get(f), .path = kstrdup(path)};
	int rc = r.path ? 0 : -ENOMEM;

	if (!rc)
		rc = add_all(&r.args, argv);
	if (!rc)
		rc = add_all(&r.env, envp);
	if (!rc)
		rc = exec_load(p, &r, frame, err);
	exec_request_fini(&r);
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of /proc: a text that is made when it is read from the start and stays
 * with the open file until then.
 */
#include "kernel/file.h"
#include "kernel/fsabi.h"
#include "kernel/kalloc.h"
#include "kernel/process.h"
#include "kernel/procfs_int.h"
#include "kernel/thread.h"
#include "kernel/uio.h"
#include "lib/fmt.h"
#include "lib/string.h"

static bool text_room(struct text *t, size_t more)
{
	size_t size = t->size ? t->size : 1024;
	char *buf;

	if (t->failed)
		return false;
	while (size - t->len <= more)
		size *= 2;
	if (size == t->size)
		return true;
	buf = krealloc(t->buf, size);
	if (!buf) {
		t->failed = true;
		return false;
	}
	t->buf = buf;
	t->size = size;
	return true;
}

void text_add_bytes(struct text *t, const void *data, size_t size)
{
	if (!text_room(t, size))
		return;
	memcpy(t->buf + t->len, data, size);
	t->len += size;
}

void text_add(struct text *t, const char *format, ...)
{
	va_list args;
	size_t n;

	if (!text_room(t, 256))
		return;
	va_start(args, format);
	n = fmt_vprint(t->buf + t->len, t->size - t->len, format, args);
	va_end(args);
	if (n >= t->size - t->len) {
		if (!text_room(t, n))
			return;
		va_start(args, format);
		n = fmt_vprint(t->buf + t->len, t->size - t->len, format, args);
		va_end(args);
	}
	t->len += n;
}

/* ---- files ---- */

static struct thread *thread_of(const struct node *n, struct process *p)
{
	struct thread *t = thread_find(n->tid ? n->tid : n->pid);

	return t && t->proc == p ? t : NULL;
}

static void show_fdinfo(struct text *x, struct process *p, int fd)
{
	struct file *f = p->files ? fdtable_file(p->files, fd) : NULL;

	if (!f)
		return;
	text_add(x, "pos:\t%lu\nflags:\t0", f->pos);
	for (int shift = 21; shift >= 0; shift -= 3)
		text_add(x, "%u", f->flags >> shift & 7);
	text_add(x, "\nmnt_id:\t%d\nino:\t%lu\n",
		f->vnode && f->vnode->mount ? f->vnode->mount->id : 15,
		f->vnode ? f->vnode->ino : 0);
	file_put(f);
}

static void show_pid_file(
	struct text *x, const struct node *n, struct process *p)
{
	const struct proc_pid_file *row = &procfs_pid_files[n->row];

	if (row->show)
		row->show(x, p, thread_of(n, p));
	else
		text_add_bytes(x, row->fixed, strlen(row->fixed));
}

static int generate(const struct node *n, struct text *x)
{
	const struct tree *tree = n->v.mount->priv;
	struct process *p = procfs_process(n);

	if (n->kind == NODE_FILE) {
		const struct proc_file *row = &tree->files[n->row];

		if (row->show)
			row->show(x);
		else
			text_add_bytes(x, row->fixed, strlen(row->fixed));
	} else {
		if (!p)
			return -ESRCH;
		process_get(p);
		if (n->kind == NODE_FDINFO)
			show_fdinfo(x, p, n->fd);
		else
			show_pid_file(x, n, p);
		process_put(p);
	}
	return x->failed ? -ENOMEM : 0;
}

/* The text as of the last read from the start. */
static int64_t text_read(struct file *f, struct uio *u, uint64_t *pos)
{
	struct text *x = f->priv;
	size_t n;
	int err;

	if (*pos == 0 || !x->buf) {
		struct text fresh = {0};

		err = generate(node_of(f->vnode), &fresh);
		if (err) {
			kfree(fresh.buf);
			return err;
		}
		kfree(x->buf);
		*x = fresh;
	}
	if (*pos >= x->len)
		return 0;
	n = u64_min(u->resid, x->len - *pos);
	err = uio_copy_to(u, x->buf + *pos, n);
	return err ? err : (int64_t)n;
}

static int64_t text_write(struct file *f, struct uio *u, uint64_t *pos)
{
	const struct node *n = node_of(f->vnode);
	struct process *p = procfs_process(n);
	char buf[64] = "";
	size_t size = u->resid;
	int err;

	if (n->kind != NODE_PID_FILE || !procfs_pid_files[n->row].store)
		return -EACCES;
	if (!p)
		return -ESRCH;
	if (size >= sizeof(buf))
		return -EINVAL;
	err = uio_copy_from(u, buf, size);
	if (err)
		return err;
	err = procfs_pid_files[n->row].store(p, thread_of(n, p), buf);
	return err ? err : (int64_t)size;
}

static void text_release(struct file *f)
{
	struct text *x = f->priv;

	if (x)
		kfree(x->buf);
	kfree(x);
}

const struct file_ops procfs_text_ops = {
	.name = "proc",
	.read = text_read,
	.write = text_write,
	.lseek = vfs_seek_endless,
	.release = text_release,
};

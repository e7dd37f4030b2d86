/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions for values: a program that opens a file of /dev/sconce/secret, or a
 * template that is filled in, queues one and sleeps; process 1 reads it, asks
 * CAS and writes what it said. Nobody waits for ever: not for a CAS that is
 * away, nor for process 1.
 */
#include <linux/poll.h>

#include "abi/service.h"
#include "kernel/file.h"
#include "kernel/fsabi.h"
#include "kernel/kalloc.h"
#include "kernel/poll.h"
#include "kernel/process.h"
#include "kernel/service.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "kernel/uio.h"
#include "lib/string.h"

/* Longer than init tries. */
#define PATIENCE_NS (40 * NSEC_PER_SEC)

struct question {
	struct list node;
	struct service_secret_request request;
	struct waitq answered;
	bool read, done;
	int status;
	uint8_t *value; /* what is to be put, until it was read; the answer */
	size_t size; /* of the answer */
};

static struct list questions = LIST_INIT(questions); /* in order of ids */
static struct waitq readers = {LIST_INIT(readers.waiters)};
static uint64_t last_id;

static void drop(uint8_t *value, size_t size)
{
	if (value)
		string_wipe(value, size);
	kfree(value);
}

static int ask(struct question *q)
{
	uint64_t end = time_mono_ns() + PATIENCE_NS;
	int err = 0;

	q->request.id = ++last_id;
	waitq_init(&q->answered);
	list_add_tail(&questions, &q->node);
	waitq_wake_all(&readers, POLLIN);
	while (!err && !q->done)
		err = init_process->exiting ? -EIO
					    : waitq_wait(&q->answered, end);
	list_del(&q->node);
	if (q->done)
		return q->status;
	return err == -ETIMEDOUT ? -EIO : err;
}

static struct question *question_new(const char *name)
{
	struct question *q = kzalloc(sizeof(*q));

	if (q && string_copy(q->request.name, sizeof(q->request.name), name)) {
		kfree(q);
		q = NULL;
	}
	return q;
}

int service_secret_get(const char *name, uint8_t **value, size_t *size)
{
	struct question *q = question_new(name);
	int err = q ? ask(q) : -ENOMEM;

	if (!err) {
		*value = q->value;
		*size = q->size;
	} else if (q) {
		drop(q->value, q->size);
	}
	kfree(q);
	return err;
}

int service_secret_put(const char *name, const uint8_t *value, size_t size)
{
	struct question *q = question_new(name);
	int err = -ENOMEM;

	if (q)
		q->value = kmalloc(size + 1);
	if (q && q->value) {
		memcpy(q->value, value, size);
		q->request.put = 1;
		q->request.size = q->size = size;
		err = ask(q);
		drop(q->value, q->size);
	}
	kfree(q);
	return err;
}

void service_secrets_end(void)
{
	struct question *q;

	list_for_each_entry (q, &questions, node)
		waitq_wake_all(&q->answered, 0);
}

static struct question *first_unread(void)
{
	struct question *q;

	list_for_each_entry (q, &questions, node)
		if (!q->read)
			return q;
	return NULL;
}

/* A question may be gone after each sleep: its value is taken out before. */
static int64_t secrets_read(struct file *f, struct uio *u, uint64_t *pos)
{
	struct service_secret_request r;
	struct question *q;
	uint8_t *value;
	int err;

	if (curproc != init_process)
		return -EACCES;
	if (u->resid < sizeof(r) + SERVICE_SECRET_MAX)
		return -EINVAL;
	while (!(q = first_unread())) {
		err = f->flags & O_NONBLOCK ? -EAGAIN
					    : waitq_wait(&readers, NO_DEADLINE);
		if (err)
			return err;
	}
	r = q->request;
	value = q->value;
	q->value = NULL;
	q->size = 0;
	q->read = true;
	err = uio_copy_to(u, &r, sizeof(r));
	if (!err && r.size)
		err = uio_copy_to(u, value, r.size);
	drop(value, r.size);
	return err ? err : (int64_t)(sizeof(r) + r.size);
}

/* Takes value over, if somebody waits for it. */
static int answer(const struct service_secret_reply *r, uint8_t *value)
{
	struct question *q;

	list_for_each_entry (q, &questions, node) {
		if (q->request.id != r->id || !q->read || q->done)
			continue;
		q->done = true;
		q->status = (int)r->status;
		q->value = value;
		q->size = r->size;
		waitq_wake_all(&q->answered, 0);
		return 0;
	}
	return -ENOENT;
}

static int64_t secrets_write(struct file *f, struct uio *u, uint64_t *pos)
{
	size_t size = u->resid;
	struct service_secret_reply r;
	uint8_t *value;
	int err;

	if (curproc != init_process)
		return -EACCES;
	if (size < sizeof(r) || size > sizeof(r) + SERVICE_SECRET_REPLY_MAX)
		return -EINVAL;
	err = uio_copy_from(u, &r, sizeof(r));
	if (err)
		return err;
	if (r.size != size - sizeof(r) || r.status > 0 || r.status < -4095)
		return -EINVAL;
	value = kmalloc(r.size + 1);
	if (!value)
		return -ENOMEM;
	err = uio_copy_from(u, value, r.size);
	if (!err)
		err = answer(&r, value);
	if (err)
		drop(value, r.size);
	return err ? err : (int64_t)size;
}

static uint32_t secrets_poll(struct file *f, struct poll_ctx *pc)
{
	poll_add(pc, &readers);
	return first_unread() ? POLLIN | POLLOUT : POLLOUT;
}

const struct file_ops service_secrets_ops = {
	.name = "secrets",
	.read = secrets_read,
	.write = secrets_write,
	.poll = secrets_poll,
};

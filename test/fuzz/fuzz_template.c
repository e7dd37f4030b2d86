/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Variables in files of an image: the kernel finds them and init takes them
 * apart, which together is what CAS does with texts of a policy.
 */
#include <stdlib.h>

/* Where there is a libc, Linux's headers leave it out. */
#define S_ISREG(mode) (((mode)&0170000) == 0100000)

#include "kernel/service_template.c"

#include "init/secrets.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct secrets s;
static struct service_secret_request request;
static bool waits;
static int answer_status;
static uint8_t *answer_value;
static size_t answer_size;

static const char value[] = "\"$$SCONE::x$$\n";

void *kmalloc(size_t size)
{
	return malloc(size);
}

void kfree(void *p)
{
	free(p);
}

/* ---- between kernel and init ---- */

int service_secret_get(const char *name, uint8_t **out, size_t *size)
{
	static char memory[DEVICE_SECRET_SIZE];

	s.memory = memory;
	memset(&request, 0, sizeof(request));
	if (string_copy(request.name, sizeof(request.name), name) < 0)
		abort();
	waits = true;
	answer_status = 1;
	secrets_serve(&s, NULL);
	if (answer_status > 0 || s.count != 0)
		abort();
	*out = answer_value;
	*size = answer_size;
	if (answer_status < 0)
		free(answer_value);
	return answer_status;
}

int device_secret_read(int fd, struct service_secret_request *r)
{
	if (waits)
		*r = request;
	return waits ? waits = false, 1 : 0;
}

void device_secret_reply(int fd, uint64_t id, int status, const struct bytes *v)
{
	answer_status = status;
	answer_size = status < 0 ? 0 : v->size;
	answer_value = malloc(answer_size + 1);
	if (answer_size)
		memcpy(answer_value, v->data, answer_size);
}

int device_secrets_open(struct err *e)
{
	return 0;
}

/* ---- CAS ---- */

static int lookup(void *arg, const char *name, const char *format,
	struct buf *out, struct err *e)
{
	if (strcmp(name, "none") == 0)
		return err_setf(e, -ENOENT, "none");
	buf_format(out, "%s%s%s", name, format, value);
	return 0;
}

void carrier_secret(struct carrier *c, const struct carrier_secret *ask)
{
	struct buf b = {0};
	int status = lookup(NULL, ask->name, ask->format, &b, NULL);

	if (ask->put)
		abort();
	secrets_done(&s, ask->id, status, &(struct bytes){b.data, b.size});
	buf_fini(&b);
}

/* ---- files: not looked at here ---- */

int vfs_open(int dfd, const char *path, uint32_t flags, uint32_t mode,
	unsigned walk, struct file **out)
{
	abort();
}

int vfs_file_getattr(struct file *f, struct kstat *st)
{
	abort();
}

int64_t file_pread(struct file *f, void *buf, size_t size, uint64_t off)
{
	abort();
}

void file_put(struct file *f)
{
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct service_file f = {.path = "/x"};
	struct result r = {0};
	struct buf b = {0};
	char *text = malloc(size + 1);
	struct err e = {0};
	int ours, cas;

	memcpy(text, data, size);
	text[size] = '\0';
	ours = replace(&f, data, size, &r, &e);
	if (!memchr(data, '\0', size)) {
		cas = subst(text, lookup, NULL, NULL, &b, &e);
		if ((ours < 0) != (cas < 0))
			abort();
		if (cas == 0 &&
			(b.size != r.size ||
				(b.size && memcmp(b.data, r.data, b.size))))
			abort();
	}
	result_drop(&r);
	buf_fini(&b);
	free(text);
	return 0;
}

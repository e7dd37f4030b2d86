/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of an image or a volume in which variables stand,
 * $$SCONE::NAME[:FORMAT][|escape(json)]$$, with their values put in. CAS does
 * not see the image, and process 1 looks at no file of it: so the kernel finds
 * the variables and asks for each, as a program of the service would, and CAS
 * gives what it gives to programs. A value is not looked at for further
 * variables.
 *
 * A file of the host could ask for any of these values in any place, so it is
 * none.
 */
#include "abi/service.h"
#include "kernel/file.h"
#include "kernel/fsabi.h"
#include "kernel/kalloc.h"
#include "kernel/service.h"
#include "kernel/vfs.h"
#include "lib/service.h"
#include "lib/string.h"

enum { TEMPLATE_MAX = 1 << 20 };

static const char mark[] = "$$SCONE::";

enum { MARK_SIZE = sizeof(mark) - 1, END_SIZE = 2 };

/* What was made so far. */
struct result {
	uint8_t *data;
	size_t size, cap;
};

static void result_drop(struct result *r)
{
	if (r->data)
		string_wipe(r->data, r->size);
	kfree(r->data);
	*r = (struct result){0};
}

static int add(struct result *r, const void *data, size_t size)
{
	size_t cap = r->cap ? r->cap : 4096;
	uint8_t *more;

	if (size > SERVICE_SIZE_MAX - r->size)
		return -EFBIG;
	while (cap < r->size + size)
		cap *= 2;
	if (cap > r->cap) {
		more = kmalloc(cap);
		if (!more)
			return -ENOMEM;
		if (r->data) {
			memcpy(more, r->data, r->size);
			string_wipe(r->data, r->size);
			kfree(r->data);
		}
		r->data = more;
		r->cap = cap;
	}
	memcpy(r->data + r->size, data, size);
	r->size += size;
	return 0;
}

static int add_value(struct result *r, const char *name)
{
	uint8_t *value;
	size_t size;
	int err = service_secret_get(name, &value, &size);

	if (err)
		return err;
	err = add(r, value, size);
	string_wipe(value, size);
	kfree(value);
	return err;
}

/* The name of the variable that text begins with; its size with marks, or 0 if
 * it does not end. */
static size_t variable(
	const uint8_t *text, size_t size, char name[SERVICE_SECRET_NAME])
{
	size_t n = 0;

	text += MARK_SIZE;
	size -= MARK_SIZE;
	while (n + END_SIZE <= size && memcmp(text + n, "$$", END_SIZE) != 0) {
		if (n == SERVICE_SECRET_NAME - 1 || text[n] == '\0')
			return 0;
		name[n] = (char)text[n];
		n++;
	}
	if (n + END_SIZE > size)
		return 0;
	name[n] = '\0';
	return MARK_SIZE + n + END_SIZE;
}

static int replace(const struct service_file *f, const uint8_t *text,
	size_t size, struct result *r, struct err *e)
{
	char name[SERVICE_SECRET_NAME];
	size_t plain = 0, at = 0, n;
	int err = 0;

	while (!err && at + MARK_SIZE <= size) {
		if (memcmp(text + at, mark, MARK_SIZE) != 0) {
			at++;
			continue;
		}
		n = variable(text + at, size - at, name);
		if (!n)
			return err_setf(e, -EINVAL,
				"injected file %.200s: a variable that does "
				"not end",
				f->path);
		err = add(r, text + plain, at - plain);
		if (!err)
			err = add_value(r, name);
		if (err)
			return err_setf(e, err,
				"injected file %.200s: no value for variable "
				"%.100s (error %d)",
				f->path, name, -err);
		plain = at += n;
	}
	err = add(r, text + plain, size - plain);
	return err ? err_setf(e, err, "injected file %.200s: error %d", f->path,
			     -err)
		   : 0;
}

static int read_all(struct file *file, uint8_t **text, size_t *size)
{
	struct kstat st;
	int64_t n = vfs_file_getattr(file, &st);

	if (!n && st.size > TEMPLATE_MAX)
		n = -EFBIG;
	if (n)
		return (int)n;
	*text = kmalloc(st.size + 1);
	if (!*text)
		return -ENOMEM;
	for (*size = 0; *size < st.size; *size += (size_t)n) {
		n = file_pread(file, *text + *size, st.size - *size, *size);
		if (n <= 0)
			return n < 0 ? (int)n : 0;
	}
	return 0;
}

int service_template_make(const struct service_file *f, uint8_t **out,
	size_t *size, struct err *e)
{
	struct result r = {0};
	struct file *file;
	uint8_t *text = NULL;
	size_t text_size = 0;
	int err = vfs_open(AT_FDCWD, f->path, O_RDONLY, 0, 0, &file);

	if (err)
		return err_setf(e, err,
			"injected file %.200s: the policy gives no content, "
			"and no file of that path can be read (error %d)",
			f->path, -err);
	if (!S_ISREG(file->vnode->mode))
		err = err_setf(e, -EISDIR,
			"injected file %.200s: is no file to put variables in",
			f->path);
	else if (strcmp(file->vnode->mount->type, "host") == 0)
		err = err_setf(e, -EACCES,
			"injected file %.200s: a file of the host may not say "
			"where values go; wanted `content` in the policy, or a "
			"file of a sealed image or a volume",
			f->path);
	if (!err) {
		err = read_all(file, &text, &text_size);
		if (err)
			err_setf(e, err, "injected file %.200s: error %d",
				f->path, -err);
	}
	file_put(file);
	if (!err)
		err = replace(f, text, text_size, &r, e);
	kfree(text);
	if (err)
		result_drop(&r);
	*out = r.data;
	*size = r.size;
	return err;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/manifest_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/measure.h"
#include "lib/schema_encode.h"
#include "cli/yaml.h"

/* The whole file, at most MANIFEST_SIZE_MAX bytes. */
static int read_file(const char *path, char **text, size_t *size, struct err *e)
{
	FILE *file = fopen(path, "re");
	size_t n;
	int ret = 0;

	if (file == NULL) {
		ret = -errno;
		return err_setf(e, ret, "manifest %s: cannot be read: %s", path,
			strerror(-ret));
	}
	*text = malloc(MANIFEST_SIZE_MAX + 1);
	n = *text != NULL ? fread(*text, 1, MANIFEST_SIZE_MAX + 1, file) : 0;
	if (*text == NULL || ferror(file))
		ret = err_setf(e, -EIO, "manifest %s: cannot be read: %s", path,
			strerror(errno));
	else if (n > MANIFEST_SIZE_MAX)
		ret = err_setf(e, -EFBIG, "manifest %s: larger than %d bytes",
			path, MANIFEST_SIZE_MAX);
	fclose(file);
	if (ret < 0)
		free(*text);
	*size = n;
	return ret;
}

static int make_canonical(struct manifest_file *f, struct err *e)
{
	struct cbor_writer w;

	cbor_writer_init(&w, NULL, 0);
	schema_encode(&manifest_schema, &f->manifest, &w);
	if (w.len > MANIFEST_SIZE_MAX)
		return err_setf(e, -EFBIG, "its canonical form is too large");
	f->canonical_size = w.len;
	f->canonical = malloc(w.len);
	if (f->canonical == NULL)
		return err_setf(e, -ENOMEM, "no memory");
	cbor_writer_init(&w, f->canonical, f->canonical_size);
	schema_encode(&manifest_schema, &f->manifest, &w);
	measure_hash(f->canonical, f->canonical_size, f->hash);
	return 0;
}

int manifest_file_load(struct manifest_file *f, const char *path, struct err *e)
{
	struct arena arena;
	size_t size = 0, room;
	char *text = NULL;
	int ret;

	*f = (struct manifest_file){0};
	ret = read_file(path, &text, &size, e);
	if (ret < 0)
		return ret;
	room = SCHEMA_ARENA_SIZE(size);
	f->memory = malloc(room);
	arena_init(&arena, f->memory, f->memory != NULL ? room : 0);
	ret = yaml_read(
		&manifest_schema, &f->manifest, path, text, size, &arena, e);
	free(text);
	if (ret == 0) {
		ret = manifest_check(&f->manifest, e);
		if (ret == 0)
			ret = make_canonical(f, e);
		if (ret < 0)
			err_prefix(e, "%s", path);
	}
	if (ret < 0)
		manifest_file_fini(f);
	return ret;
}

void manifest_file_fini(struct manifest_file *f)
{
	free(f->canonical);
	free(f->memory);
	*f = (struct manifest_file){0};
}

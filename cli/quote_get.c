/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sconce quote get`. Quotes come from enclaves only: `sconce run` runs
 * sconce-quote (enclave_quote.c), whose output is the quote.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/attest_cmd.h"
#include "cli/child.h"
#include "cli/write_file.h"
#include "host/files.h"
#include "lib/bytes.h"
#include "lib/fmt.h"

enum { QUOTE_MAX = 64 << 10 };

static int path_of_helper(char path[static 4096], struct err *e)
{
	char link[64];
	int fd = files_open("sconce-quote", e);
	ssize_t n;

	if (fd < 0)
		return fd;
	fmt_print(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, 4095);
	close(fd);
	if (n < 0)
		return err_setf(e, -errno, "%s: %s", link, strerror(errno));
	path[n] = '\0';
	return 0;
}

static int write_out(
	const char *path, const char *data, size_t size, struct err *e)
{
	if (strcmp(path, "-") != 0)
		return write_file(path, data, size, e);
	/* What goes wrong here main() sees when it flushes. */
	fwrite(data, 1, size, stdout);
	return 0;
}

/* That it is a quote, and for these bytes. */
static int check(
	const struct child *child, const uint8_t data[64], struct err *e)
{
	static struct verdict v;
	const struct verdict_field *f;
	int ret = evidence_show(child->text, child->size, &v, e);

	if (ret < 0)
		return err_prefix(e, "what came is no quote");
	f = verdict_field(&v, "report_data");
	if (f == NULL || f->size != 64 || memcmp(f->bytes, data, 64) != 0)
		return err_setf(e, -EPROTO,
			"what came is a quote with other report data");
	return 0;
}

int attest_quote_get(struct options *o, struct err *e)
{
	static char helper[4096];
	const char *las = o->value[ATTEST_LAS], *mode = o->value[ATTEST_MODE];
	const char *args[12] = {"sconce", "run", "--quiet"};
	char hex[129] = "";
	struct child child;
	uint8_t data[64];
	size_t n = 3;
	int ret = attest_report_data(o, data, e);

	if (ret < 0 && ret != -ENOENT)
		return ret;
	if (o->value[ATTEST_OUT] == NULL)
		return err_setf(e, -EINVAL,
			"quote get: wanted --output FILE for the quote (- for "
			"standard output)");
	ret = path_of_helper(helper, e);
	if (ret < 0)
		return ret;
	bytes_to_hex(data, sizeof(data), hex);
	if (las != NULL) {
		args[n++] = "--las";
		args[n++] = las;
	}
	if (mode != NULL) {
		args[n++] = "--mode";
		args[n++] = mode;
	}
	args[n++] = "--";
	args[n++] = helper;
	args[n++] = hex;
	ret = child_run("sconce", args, QUOTE_MAX, true, &child, e);
	if (ret < 0)
		return ret;
	if (child.status != 0)
		ret = err_setf(e, -EIO,
			"no quote: the program in the enclave ended with "
			"status %d; `sconce las` gives quotes to enclaves",
			child.status);
	if (ret == 0)
		ret = check(&child, data, e);
	if (ret == 0)
		ret = write_out(
			o->value[ATTEST_OUT], child.text, child.size, e);
	free(child.text);
	return ret < 0 ? ret : ATTEST_OK;
}

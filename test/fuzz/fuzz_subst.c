/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Variables in texts. With a lookup that gives the variable itself back, a text
 * does not change; subst_each() finds as many as subst() asks for.
 */
#include <stdlib.h>
#include <string.h>

#include "cas/subst.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int same(void *arg, const char *name, const char *format,
	struct buf *out, struct err *e)
{
	unsigned *count = arg;

	++*count;
	buf_format(out, "$$SCONE::%s%s%s$$", name, *format ? ":" : "", format);
	return 0;
}

static int found(void *arg, const char *name, const char *format)
{
	unsigned *count = arg;

	++*count;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *host[] = {"one", "$$SCONE::x$$", "@@1"};
	struct text_list list = {host, 3};
	unsigned asked = 0, seen = 0;
	struct buf out = {0};
	struct err e = {0};
	char *text = malloc(size + 1);
	int ret;

	if (!text)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	ret = subst(text, same, &asked, NULL, &out, &e);
	if (ret == 0 && !strstr(text, "|escape(json)$$") &&
		(out.size != strlen(text) ||
			(out.size && memcmp(out.data, text, out.size) != 0)))
		abort();
	if (ret < 0 && e.code == 0)
		abort();
	if ((subst_each(text, found, &seen, &e) == 0) != (ret == 0) ||
		(ret == 0 && seen != asked))
		abort();
	buf_fini(&out);
	(void)!subst(text, same, &asked, &list, &out, &e);
	(void)!subst_check_host(
		&(struct text_list){(const char **)&text, 1}, &e);
	(void)subst_is_variable(text);
	buf_fini(&out);
	free(text);
	return 0;
}

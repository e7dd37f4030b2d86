/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/err.h"

#include "lib/fmt.h"
#include "lib/string.h"

static void make_one_line(char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			*s = '?';
}

int err_set(struct err *e, int code, const char *thing, const char *seen,
	const char *wanted, const char *cure)
{
	return err_setf(e, code, "%s: %s%s%s%s%s", thing, seen,
		wanted != NULL ? "; wanted " : "", wanted != NULL ? wanted : "",
		cure != NULL ? "; " : "", cure != NULL ? cure : "");
}

int err_setf(struct err *e, int code, const char *format, ...)
{
	va_list args;

	if (e == NULL)
		return code;
	e->code = code;
	va_start(args, format);
	fmt_vprint(e->text, sizeof(e->text), format, args);
	va_end(args);
	make_one_line(e->text);
	return code;
}

int err_prefix(struct err *e, const char *format, ...)
{
	char old[sizeof(e->text)];
	va_list args;
	size_t len;

	if (e == NULL)
		return 0;
	memcpy(old, e->text, sizeof(old));
	va_start(args, format);
	len = fmt_vprint(e->text, sizeof(e->text), format, args);
	va_end(args);
	if (len < sizeof(e->text))
		fmt_print(e->text + len, sizeof(e->text) - len, ": %s", old);
	make_one_line(e->text);
	return e->code;
}

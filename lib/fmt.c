/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/fmt.h"

#include "lib/string.h"

struct out {
	char *buf;
	size_t size;
	size_t len; /* of the whole text, also what did not fit */
};

struct spec {
	bool left, zero;
	size_t width;
	size_t precision; /* SIZE_MAX: none */
	int length; /* -2 hh, -1 h, 0, 1 l, 2 ll or z */
};

static void put(struct out *o, char c)
{
	if (o->len + 1 < o->size)
		o->buf[o->len] = c;
	o->len++;
}

static void pad(struct out *o, char c, size_t have, size_t width)
{
	for (; have < width; have++)
		put(o, c);
}

static void put_text(
	struct out *o, const struct spec *s, const char *text, size_t len)
{
	if (!s->left)
		pad(o, ' ', len, s->width);
	for (size_t i = 0; i < len; i++)
		put(o, text[i]);
	if (s->left)
		pad(o, ' ', len, s->width);
}

static void put_number(struct out *o, const struct spec *s, const char *prefix,
	uint64_t v, unsigned base, bool upper)
{
	const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	char text[24];
	size_t start = sizeof(text), len, prefix_len = strlen(prefix);

	do {
		text[--start] = digits[v % base];
		v /= base;
	} while (v != 0);
	len = sizeof(text) - start + prefix_len;
	if (!s->left && !s->zero)
		pad(o, ' ', len, s->width);
	for (size_t i = 0; i < prefix_len; i++)
		put(o, prefix[i]);
	if (!s->left && s->zero)
		pad(o, '0', len, s->width);
	for (size_t i = start; i < sizeof(text); i++)
		put(o, text[i]);
	if (s->left)
		pad(o, ' ', len, s->width);
}

static int64_t arg_signed(const struct spec *s, va_list *args)
{
	switch (s->length) {
	case -2:
		return (signed char)va_arg(*args, int);
	case -1:
		return (short)va_arg(*args, int);
	case 0:
		return va_arg(*args, int);
	default:
		return va_arg(*args, long);
	}
}

static uint64_t arg_unsigned(const struct spec *s, va_list *args)
{
	switch (s->length) {
	case -2:
		return (unsigned char)va_arg(*args, unsigned);
	case -1:
		return (unsigned short)va_arg(*args, unsigned);
	case 0:
		return va_arg(*args, unsigned);
	default:
		return va_arg(*args, unsigned long);
	}
}

static size_t read_count(const char **f, va_list *args)
{
	size_t n = 0;

	if (**f == '*') {
		int v = va_arg(*args, int);

		(*f)++;
		return v > 0 ? (size_t)v : 0;
	}
	while (**f >= '0' && **f <= '9' && n < 4096)
		n = n * 10 + (size_t)(*(*f)++ - '0');
	return n;
}

/* Reads flags, width, precision and length; @f is left at the conversion. */
static void read_spec(struct spec *s, const char **f, va_list *args)
{
	*s = (struct spec){.precision = SIZE_MAX};
	for (;; (*f)++) {
		if (**f == '-')
			s->left = true;
		else if (**f == '0')
			s->zero = true;
		else
			break;
	}
	s->width = read_count(f, args);
	if (**f == '.') {
		(*f)++;
		s->precision = read_count(f, args);
	}
	for (;; (*f)++) {
		if (**f == 'l')
			s->length++;
		else if (**f == 'h')
			s->length--;
		else if (**f == 'z')
			s->length = 2;
		else
			break;
	}
}

static void put_string(struct out *o, const struct spec *s, const char *text)
{
	if (text == NULL)
		text = "(null)";
	put_text(o, s, text, strnlen(text, s->precision));
}

static void put_signed(struct out *o, const struct spec *s, int64_t v)
{
	if (v < 0)
		put_number(o, s, "-", -(uint64_t)v, 10, false);
	else
		put_number(o, s, "", (uint64_t)v, 10, false);
}

/* False if the conversion is not known. */
static bool convert(struct out *o, const struct spec *s, char c, va_list *args)
{
	char one;

	switch (c) {
	case 'd':
	case 'i':
		put_signed(o, s, arg_signed(s, args));
		return true;
	case 'u':
		put_number(o, s, "", arg_unsigned(s, args), 10, false);
		return true;
	case 'o':
		put_number(o, s, "", arg_unsigned(s, args), 8, false);
		return true;
	case 'x':
	case 'X':
		put_number(o, s, "", arg_unsigned(s, args), 16, c == 'X');
		return true;
	case 'p':
		put_number(o, s, "0x", (uintptr_t)va_arg(*args, void *), 16,
			false);
		return true;
	case 'c':
		one = (char)va_arg(*args, int);
		put_text(o, s, &one, 1);
		return true;
	case 's':
		put_string(o, s, va_arg(*args, const char *));
		return true;
	case '%':
		put(o, '%');
		return true;
	default:
		return false;
	}
}

size_t fmt_vprint(char *buf, size_t size, const char *format, va_list args)
{
	struct out o = {.buf = buf, .size = size};
	struct spec s;
	va_list ap;

	va_copy(ap, args);
	for (const char *f = format; *f != '\0'; f++) {
		const char *start = f;

		if (*f != '%') {
			put(&o, *f);
			continue;
		}
		f++;
		read_spec(&s, &f, &ap);
		if (*f != '\0' && convert(&o, &s, *f, &ap))
			continue;
		for (; start < f; start++)
			put(&o, *start);
		if (*f == '\0')
			break;
		put(&o, *f);
	}
	va_end(ap);
	if (size > 0)
		buf[o.len < size ? o.len : size - 1] = '\0';
	return o.len;
}

size_t fmt_print(char *buf, size_t size, const char *format, ...)
{
	va_list args;
	size_t len;

	va_start(args, format);
	len = fmt_vprint(buf, size, format, args);
	va_end(args);
	return len;
}

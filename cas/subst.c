/* SPDX-License-Identifier: Apache-2.0 */
#include "cas/subst.h"

#include <errno.h>

#include "lib/string.h"

static const char mark[] = "$$SCONE::";
static const char self_identity[] = "self::software_identity";

enum {
	MARK_SIZE = sizeof(mark) - 1,
	NAME_SIZE = 512,
	FORMAT_SIZE = 64,
	HOST_MAX = 4096,
};

struct variable {
	char name[NAME_SIZE + 1];
	char format[FORMAT_SIZE + 1];
	bool json;
	size_t size; /* of the whole, from mark to "$$" */
};

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		(c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.' ||
		c == '~';
}

static int malformed(struct err *e, const char *text, const char *why)
{
	return err_setf(e, -EINVAL,
		"'%.60s': %s; wanted $$SCONE::NAME$$, $$SCONE::NAME:FORMAT$$ "
		"or the same with |escape(json)",
		text, why);
}

/* The characters of text that may stand in a name or, with colons, in a
 * format. */
static size_t span(const char *text, bool colons, size_t max)
{
	size_t n = 0;

	while (n <= max &&
		(is_name_char(text[n]) || (colons && text[n] == ':')))
		n++;
	return n;
}

static int parse_name(
	const char *text, const char **at, struct variable *v, struct err *e)
{
	size_t n = sizeof(self_identity) - 1;

	if (strncmp(*at, self_identity, n) != 0)
		n = span(*at, false, NAME_SIZE);
	if (n == 0)
		return malformed(e, text, "a variable without a name");
	if (n > NAME_SIZE)
		return malformed(e, text, "the name of a variable is too long");
	memcpy(v->name, *at, n);
	v->name[n] = '\0';
	*at += n;
	return 0;
}

static int parse_format(
	const char *text, const char **at, struct variable *v, struct err *e)
{
	size_t n;

	v->format[0] = '\0';
	if (**at != ':')
		return 0;
	n = span(++*at, true, FORMAT_SIZE);
	if (n == 0 || n > FORMAT_SIZE)
		return malformed(e, text, "an unknown format");
	memcpy(v->format, *at, n);
	v->format[n] = '\0';
	*at += n;
	return 0;
}

/* text begins with the mark. */
static int parse(const char *text, struct variable *v, struct err *e)
{
	static const char escape[] = "|escape(json)";
	const char *at = text + MARK_SIZE;
	int ret = parse_name(text, &at, v, e);

	if (ret == 0)
		ret = parse_format(text, &at, v, e);
	if (ret < 0)
		return ret;
	v->json = *at == '|';
	if (v->json && strncmp(at, escape, sizeof(escape) - 1) != 0)
		return malformed(e, text, "an unknown function behind '|'");
	if (v->json)
		at += sizeof(escape) - 1;
	if (at[0] != '$' || at[1] != '$')
		return malformed(e, text, "a variable that does not end");
	v->size = (size_t)(at + 2 - text);
	return 0;
}

static int add_value(const struct variable *v, subst_fn *lookup, void *arg,
	struct buf *out, struct err *e)
{
	struct buf value = {.secret = true};
	int ret;

	if (lookup == NULL)
		return err_setf(e, -EINVAL,
			"$$SCONE::%s$$: variables are not allowed here",
			v->name);
	if (!v->json)
		return lookup(arg, v->name, v->format, out, e);
	ret = lookup(arg, v->name, v->format, &value, e);
	if (ret == 0)
		ret = buf_check(&value);
	if (ret == 0 && buf_json(out, value.data, value.size) < 0)
		ret = err_setf(e, -EINVAL,
			"%s: not text (UTF-8), so it cannot be escaped for "
			"JSON; add a format, as :base64",
			v->name);
	buf_fini(&value);
	return ret;
}

/* text begins with "@@" and a digit. */
static int parse_host(
	const char *text, uint32_t *index, size_t *size, struct err *e)
{
	size_t i = 2;

	for (*index = 0; text[i] >= '0' && text[i] <= '9'; i++) {
		*index = *index * 10 + (uint32_t)(text[i] - '0');
		if (*index > HOST_MAX)
			break;
	}
	*size = i;
	if (*index == 0 || *index > HOST_MAX || text[2] == '0')
		return err_setf(e, -EINVAL,
			"'%.20s': arguments of the host are @@1 to @@%d", text,
			HOST_MAX);
	return 0;
}

static bool is_host(const char *text)
{
	return text[0] == '@' && text[1] == '@' && text[2] >= '0' &&
		text[2] <= '9';
}

static int add_host(const char *text, const struct text_list *host,
	struct buf *out, size_t *size, struct err *e)
{
	uint32_t index = 0;
	int ret = parse_host(text, &index, size, e);

	if (ret < 0)
		return ret;
	if (index > host->count)
		return err_setf(e, -EINVAL,
			"@@%u: the host gave %zu arguments; start the service "
			"with all that its command wants",
			index, host->count);
	buf_text(out, host->item[index - 1]);
	return 0;
}

int subst(const char *text, subst_fn *lookup, void *arg,
	const struct text_list *host, struct buf *out, struct err *e)
{
	struct variable v;
	const char *plain = text;
	int ret = 0;

	while (*text != '\0' && ret == 0) {
		size_t size;

		if (strncmp(text, mark, MARK_SIZE) != 0 &&
			(host == NULL || !is_host(text))) {
			text++;
			continue;
		}
		buf_add(out, plain, (size_t)(text - plain));
		if (*text == '@') {
			ret = add_host(text, host, out, &size, e);
		} else {
			ret = parse(text, &v, e);
			size = v.size;
			if (ret == 0)
				ret = add_value(&v, lookup, arg, out, e);
		}
		if (ret == 0)
			plain = text += size;
	}
	if (ret < 0)
		return ret;
	buf_add(out, plain, (size_t)(text - plain));
	return buf_check(out) < 0 ? err_setf(e, -ENOMEM, "no memory") : 0;
}

int subst_each(
	const char *text, subst_found_fn *found, void *arg, struct err *e)
{
	struct variable v;
	int ret = 0;

	while (ret == 0 && (text = strstr(text, mark)) != NULL) {
		ret = parse(text, &v, e);
		if (ret == 0) {
			ret = found(arg, v.name, v.format);
			text += v.size;
		}
	}
	return ret;
}

bool subst_is_variable(const char *text)
{
	struct variable v;

	return strncmp(text, mark, MARK_SIZE) == 0 &&
		parse(text, &v, NULL) == 0 && text[v.size] == '\0';
}

int subst_check_host(const struct text_list *texts, struct err *e)
{
	uint8_t seen[HOST_MAX / 8 + 1] = {0};

	for (size_t i = 0; i < texts->count; i++) {
		const char *text = texts->item[i];

		while ((text = strstr(text, "@@")) != NULL) {
			uint32_t n = 0;
			size_t size = 1;
			int ret;

			if (is_host(text)) {
				ret = parse_host(text, &n, &size, e);
				if (ret < 0)
					return ret;
				if (seen[n / 8] & 1u << n % 8)
					return err_setf(e, -EINVAL,
						"@@%u is there twice; an "
						"argument of the host goes to "
						"one place",
						n);
				seen[n / 8] |= (uint8_t)(1u << n % 8);
			}
			text += size;
		}
	}
	return 0;
}

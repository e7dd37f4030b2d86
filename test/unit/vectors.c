/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/vectors.h"

#include "test/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/date.h"

static const char *directory(void)
{
	const char *dir = getenv("SCONCE_VECTORS");

	return dir ? dir : VECTORS;
}

struct span vectors_read(const char *format, ...)
{
	char name[256], path[768];
	struct span s = {0};
	va_list args;
	FILE *file;
	long size;
	void *data;

	va_start(args, format);
	vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	snprintf(path, sizeof(path), "%s/%s", directory(), name);
	file = fopen(path, "rb");
	if (!file)
		return s;
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	size = ftell(file);
	rewind(file);
	data = malloc((size_t)size + 1);
	assert_non_null(data);
	assert_int_equal(fread(data, 1, (size_t)size, file), size);
	fclose(file);
	s.data = data;
	s.size = (size_t)size;
	return s;
}

void vectors_free(struct span s)
{
	free((void *)(uintptr_t)s.data);
}

json_t *vectors_cases(void)
{
	static json_t *cases;
	struct span text;

	if (cases)
		return cases;
	text = vectors_read("cases.json");
	if (!text.data) {
		print_message(
			"%s is not here: set SCONCE_VECTORS\n", directory());
		skip();
	}
	cases = json_loadb(text.data, text.size, 0, NULL);
	vectors_free(text);
	assert_non_null(cases);
	return cases;
}

int64_t vectors_date(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));
	int64_t at = 0;

	assert_non_null(text);
	assert_int_equal(date_parse(text, strlen(text), &at), 0);
	return at;
}

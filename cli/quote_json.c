/* SPDX-License-Identifier: Apache-2.0 */
/* Verdicts for programs. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "attest/date.h"
#include "cli/attest_cmd.h"
#include "lib/bytes.h"
#include "lib/fmt.h"

static json_t *hex(const uint8_t *data, size_t size)
{
	char text[VERDICT_TEXT];

	bytes_to_hex(data, u64_min(size, 64), text);
	return json_string(text);
}

static json_t *date(int64_t at, bool known)
{
	char text[DATE_TEXT];

	if (!known)
		return json_null();
	date_format(at, text);
	return json_string(text);
}

static json_t *status(enum tcb_status s)
{
	return s == TCB_UNKNOWN ? json_null()
				: json_string(verdict_tcb_name(s));
}

/* Numbers past what JSON integers hold everywhere are texts in hexadecimal. */
static json_t *number(uint64_t n)
{
	char text[24];

	if (n <= INT64_MAX >> 10)
		return json_integer((json_int_t)n);
	fmt_print(text, sizeof(text), "0x%llx", (unsigned long long)n);
	return json_string(text);
}

static json_t *measurements(const struct verdict *v)
{
	json_t *map = json_object();

	for (size_t i = 0; i < v->field_count; i++)
		(void)json_object_set_new(map, v->fields[i].name,
			v->fields[i].size > 0
				? hex(v->fields[i].bytes, v->fields[i].size)
				: number(v->fields[i].number));
	return map;
}

static json_t *advisories(const struct verdict *v)
{
	json_t *list = json_array();

	for (size_t i = 0; i < v->advisory_count; i++)
		(void)json_array_append_new(
			list, json_string(v->advisories[i]));
	return list;
}

/* Bytes of foreign texts that are not UTF-8 do not fit into JSON. */
static json_t *text(const char *s)
{
	char ascii[VERDICT_TEXT];
	json_t *value = json_string(s);

	if (value != NULL)
		return value;
	snprintf(ascii, sizeof(ascii), "%s", s);
	for (char *p = ascii; *p != '\0'; p++)
		if (*p & 0x80)
			*p = '?';
	return json_string(ascii);
}

static json_t *failures(const struct verdict *v)
{
	json_t *list = json_array();

	for (size_t i = 0; i < v->failure_count && i < VERDICT_FAILURES; i++)
		(void)json_array_append_new(list,
			json_pack("{ss so so}", "rule", v->failures[i].rule,
				"seen", text(v->failures[i].seen), "wanted",
				text(v->failures[i].wanted)));
	return list;
}

static void add_verdict(json_t *root, const struct quote_view *view)
{
	const struct verdict *v = view->v;
	bool window = v->valid_until != 0 && v->valid_from <= v->valid_until;

	json_object_set_new(root, "signature", json_boolean(v->signature));
	json_object_set_new(root, "chain", json_boolean(v->chain));
	json_object_set_new(root, "tcb_status", status(v->tcb_status));
	json_object_set_new(root, "advisories", advisories(v));
	json_object_set_new(root, "debug", json_boolean(v->debug));
	json_object_set_new(root, "emulated", json_boolean(v->emulated));
	json_object_set_new(root, "measurements", measurements(v));
	json_object_set_new(root, "accepted", json_boolean(view->accepted));
	json_object_set_new(root, "failures", failures(v));
	json_object_set_new(root, "failure_count",
		json_integer((json_int_t)v->failure_count));
	json_object_set_new(
		root, "platform_status", status(v->platform_status));
	json_object_set_new(root, "module_status", status(v->module_status));
	json_object_set_new(root, "qe_status", status(v->qe_status));
	json_object_set_new(root, "tcb_date", date(v->tcb_date, v->tcb_date));
	json_object_set_new(root, "tcb_evaluation",
		v->tcb_evaluation ? json_integer(v->tcb_evaluation)
				  : json_null());
	json_object_set_new(root, "valid_from", date(v->valid_from, window));
	json_object_set_new(root, "valid_until", date(v->valid_until, window));
	json_object_set_new(root, "at", date(view->at, true));
	json_object_set_new(
		root, "any_program", json_boolean(view->any_program));
	json_object_set_new(root, "any_config", json_boolean(view->any_config));
}

int quote_print_json(const struct quote_view *view)
{
	json_t *root = json_pack("{ss sb}", "kind",
		verdict_kind_name(view->v->kind), "verified", view->verified);
	int ret;

	if (view->verified) {
		add_verdict(root, view);
	} else {
		json_object_set_new(
			root, "debug", json_boolean(view->v->debug));
		json_object_set_new(
			root, "measurements", measurements(view->v));
	}
	ret = json_dumpf(root, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(root);
	return ret == 0 ? 0 : -ENOMEM;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Which releases of CAS, with which configuration, may take over. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cas/handover.h"
#include "cas/join.h"
#include "lib/bytes.h"
#include "lib/string.h"

static struct handover_list list; /* 6 KiB; one thread */

static int load(const struct server *s, struct err *e)
{
	const void *row;
	size_t size;

	memset(&list, 0, sizeof(list));
	if (!store_get(s->store, STORE_META, HANDOVER_ROW,
		    sizeof(HANDOVER_ROW) - 1, &row, &size, NULL))
		return 0;
	return handover_list_decode(row, size, &list, e);
}

static int read_hex(const json_t *j, const char *name, uint8_t *out,
	size_t size, bool *has, struct err *e)
{
	const json_t *value = json_object_get(j, name);
	const char *text = json_string_value(value);

	*has = value != NULL;
	if (value && (!text || !string_from_hex(text, out, size)))
		return err_setf(e, -EINVAL, "%s: wanted %zu hexadecimal digits",
			name, 2 * size);
	return 0;
}

static int read_number(const json_t *j, const char *name, int64_t max,
	int64_t *out, struct err *e)
{
	const json_t *value = json_object_get(j, name);

	*out = json_integer_value(value);
	if (value && (!json_is_integer(value) || *out < 0 || *out > max))
		return err_setf(e, -EINVAL, "%s: wanted a number, 0 to %lld",
			name, (long long)max);
	return 0;
}

/* Names of TCB states that are accepted beside UpToDate. */
static int read_states(const json_t *j, uint32_t *out, struct err *e)
{
	size_t i;
	json_t *item;

	json_array_foreach(json_object_get(j, "tolerate"), i, item)
	{
		const char *text = json_string_value(item);
		int n = 0;

		while (n < TCB_STATUS_COUNT &&
			(!text ||
				strcmp(verdict_tcb_name((enum tcb_status)n),
					text) != 0))
			n++;
		if (n == TCB_STATUS_COUNT)
			return err_setf(e, -EINVAL,
				"tolerate: '%.40s' is not a TCB state",
				text ? text : "?");
		*out |= UINT32_C(1) << n;
	}
	return 0;
}

static int read_approval(
	const json_t *j, struct handover_approval *a, struct err *e)
{
	int64_t product = 0, svn = 0;
	bool has_config;
	int ret = read_hex(j, "mrenclave", a->mrenclave, sizeof(a->mrenclave),
		&a->has_mrenclave, e);

	if (!ret)
		ret = read_hex(j, "mrsigner", a->mrsigner, sizeof(a->mrsigner),
			&a->has_signer, e);
	if (!ret)
		ret = read_hex(j, "config_id", a->config_id,
			sizeof(a->config_id), &has_config, e);
	if (!ret)
		ret = read_number(j, "isv_prod_id", UINT16_MAX, &product, e);
	if (!ret)
		ret = read_number(j, "isv_svn_min", UINT16_MAX, &svn, e);
	if (!ret)
		ret = read_number(j, "from", INT64_MAX, &a->from, e);
	if (!ret)
		ret = read_number(j, "until", INT64_MAX, &a->until, e);
	if (!ret)
		ret = read_states(j, &a->tolerate, e);
	a->isv_prod_id = (uint16_t)product;
	a->isv_svn_min = (uint16_t)svn;
	return ret;
}

static json_t *hex_json(bool has, const void *data, size_t size)
{
	char text[2 * 64 + 1];

	if (!has)
		return json_null();
	bytes_to_hex(data, size, text);
	return json_string(text);
}

static char *list_text(void)
{
	json_t *items = json_array(), *j;
	char *text;

	for (size_t i = 0; i < list.count; i++) {
		const struct handover_approval *a = &list.item[i];

		json_array_append_new(items,
			json_pack("{s:o, s:o, s:i, s:i, s:o, s:I, s:I}",
				"mrenclave",
				hex_json(a->has_mrenclave, a->mrenclave, 32),
				"mrsigner",
				hex_json(a->has_signer, a->mrsigner, 32),
				"isv_prod_id", a->isv_prod_id, "isv_svn_min",
				a->isv_svn_min, "config_id",
				hex_json(true, a->config_id, 64), "from",
				(json_int_t)a->from, "until",
				(json_int_t)a->until));
	}
	j = json_pack("{s:i, s:o}", "svn_floor", (int)list.svn_floor,
		"successors", items);
	text = j ? json_dumps(j, JSON_INDENT(2) | JSON_PRESERVE_ORDER) : NULL;
	json_decref(j);
	return text;
}

/* The list as it is now becomes the row. */
static void put(struct http_call *c, const char *what, const uint8_t *after)
{
	struct buf row = {0};
	char *text = list_text();

	if (!text || handover_list_encode(&list, &row))
		http_reply_error(c, -ENOMEM, "no memory");
	else
		engine_own(c->server->engine, &c->engine,
			&(struct engine_own){.what = what,
				.after = after,
				.row = HANDOVER_ROW,
				.value = row.data,
				.size = row.size,
				.body = text,
				.body_size = strlen(text)});
	buf_fini(&row);
	free(text);
}

void successors_add(struct http_call *c)
{
	struct handover_approval a = {0};
	struct err e = {0};
	json_t *j;
	int ret;

	if (!engine_is_owner(
		    c->server->engine, &c->engine, "cas.successor.approve"))
		return;
	j = json_loadb((const char *)c->body, c->body_size,
		JSON_REJECT_DUPLICATES, NULL);
	ret = load(c->server, &e);
	if (!ret)
		ret = read_approval(j, &a, &e);
	if (!ret)
		ret = handover_list_add(&list, &a, &e);
	json_decref(j);
	if (ret)
		http_reply_error(c, ret, "%s", e.text);
	else
		put(c, "cas.successor.approve",
			a.has_mrenclave ? a.mrenclave : a.mrsigner);
}

void successors_withdraw(struct http_call *c)
{
	struct err e = {0};

	if (!engine_is_owner(
		    c->server->engine, &c->engine, "cas.successor.withdraw"))
		return;
	if (load(c->server, &e)) {
		http_reply_error(c, e.code, "%s", e.text);
		return;
	}
	/* The floor stays. */
	list.count = 0;
	put(c, "cas.successor.withdraw", NULL);
}

void successors_get(struct http_call *c)
{
	struct err e = {0};
	char *text;

	if (!engine_is_owner(
		    c->server->engine, &c->engine, "cas.successor.list"))
		return;
	text = load(c->server, &e) ? NULL : list_text();
	if (text)
		http_reply_body(c, text, strlen(text));
	else
		http_reply_error(c, e.code ? e.code : -ENOMEM, "%s", e.text);
	free(text);
}

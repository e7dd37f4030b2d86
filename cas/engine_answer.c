/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers: made at once, told when what they say can no longer be lost.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cas/engine_int.h"
#include "lib/bytes.h"

static void answer_free(struct answer *a)
{
	if (a->g)
		list_del(&a->link);
	for (size_t i = 0; i < a->item_count; i++)
		free((void *)(uintptr_t)a->items[i].text);
	free(a->error);
	buf_fini(&a->body);
	free(a);
}

static void call_reply(const struct engine_call *c, int status,
	const char *error, const struct answer *a)
{
	static const struct span_list none;
	struct engine_reply r = {
		.status = status,
		.error = error,
		.items = &none,
	};

	if (!status && a) {
		r.items = a->items;
		r.body = a->body.data;
		r.body_size = a->body.size;
	}
	c->reply(c->arg, &r);
}

void engine_fail(struct engine *g, const struct engine_call *c, int status,
	const char *text)
{
	call_reply(c, status, text, NULL);
}

struct answer *answer_new(struct engine *g, const struct engine_call *c)
{
	struct answer *a = calloc(1, sizeof(*a));

	if (!a) {
		engine_fail(g, c, -ENOMEM, "no memory");
		return NULL;
	}
	a->g = g;
	a->call = *c;
	list_add_tail(&g->answers, &a->link);
	return a;
}

void answer_item(struct answer *a, const char *name, const char *text)
{
	char *copy = a->item_count < ANSWER_ITEMS ? strdup(text) : NULL;

	a->failed |= !copy;
	if (!copy)
		return;
	a->items[a->item_count++] = (struct span_list){name, copy};
}

void answer_item_hex(
	struct answer *a, const char *name, const void *data, size_t size)
{
	char text[2 * 64 + 1];

	a->failed |= size > 64;
	if (size > 64)
		return;
	bytes_to_hex(data, size, text);
	answer_item(a, name, text);
}

void answer_item_number(struct answer *a, const char *name, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	answer_item(a, name, text);
}

void answer_send(struct answer *a)
{
	struct engine_call c = a->call;

	if ((a->failed || buf_check(&a->body)) && !a->status) {
		answer_free(a);
		call_reply(&c, -ENOMEM, "no memory", NULL);
		return;
	}
	call_reply(&c, a->status, a->error, a);
	answer_free(a);
}

void answer_fail(struct answer *a, int status, const char *text)
{
	struct engine_call c = a->call;

	answer_free(a);
	call_reply(&c, status, text, NULL);
}

static void not_kept(struct answer *a, int status)
{
	if (status == -ESHUTDOWN)
		answer_fail(a, -EAGAIN,
			"CAS stops, or another one is in charge: try there");
	else
		answer_fail(
			a, -EAGAIN, "CAS could not keep this: try again later");
}

static void answer_durable(void *arg, int status)
{
	struct answer *a = arg;

	if (!a->g)
		answer_free(a);
	else if (status)
		not_kept(a, status);
	else
		answer_send(a);
}

int answer_submit(struct answer *a, struct store_txn *x)
{
	int ret;

	/* What could not be told must not happen. */
	if (a->failed || buf_check(&a->body)) {
		store_abort(x);
		answer_fail(a, -ENOMEM, "no memory");
		return -ENOMEM;
	}
	ret = store_submit(x, answer_durable, a);
	if (ret)
		not_kept(a, ret);
	return ret;
}

void answer_after(struct answer *a, uint64_t seq)
{
	int ret = store_after(a->g->store, seq, answer_durable, a);

	if (ret)
		not_kept(a, ret);
}

void answers_leave(struct engine *g)
{
	struct answer *a, *next;

	list_for_each_entry_safe (a, next, &g->answers, link) {
		list_del(&a->link);
		a->g = NULL;
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the lines that audit_export.c writes, and no other form of the same
 * JSON: members in one order, no white space, lower case digits, no escapes
 * but \" and \\. So a line has one meaning, and that meaning one line.
 */
#include <errno.h>
#include <stdlib.h>

#include "cas/audit_int.h"
#include "lib/cbor_put.h"
#include "lib/string.h"

void audit_reader_init(struct audit_reader *r, const char *text, size_t size)
{
	*r = (struct audit_reader){
		.at = text, .end = size ? text + size : text};
}

void audit_reader_fini(struct audit_reader *r)
{
	free(r->pool);
	free(r->events);
	*r = (struct audit_reader){0};
}

/* One line, from p to end; at is where reading got to. */
struct line {
	const char *at, *end;
	struct audit_reader *r;
};

static bool word(struct line *l, const char *text)
{
	size_t n = strlen(text);

	if ((size_t)(l->end - l->at) < n || memcmp(l->at, text, n) != 0)
		return false;
	l->at += n;
	return true;
}

static bool number(struct line *l, const char *name, uint64_t *v)
{
	const char *start;

	if (!word(l, name))
		return false;
	*v = 0;
	for (start = l->at; l->at < l->end && *l->at >= '0' && *l->at <= '9';
		l->at++)
		if (mul_overflows(*v, (uint64_t)10, v) ||
			add_overflows(*v, (uint64_t)(*l->at - '0'), v))
			return false;
	return l->at > start && (*start != '0' || l->at == start + 1);
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Up to max bytes as digits; their number, or SIZE_MAX. */
static size_t hex(struct line *l, uint8_t *out, size_t max)
{
	size_t n = 0;

	if (!word(l, "\""))
		return SIZE_MAX;
	for (; l->end - l->at >= 2 && *l->at != '"'; l->at += 2) {
		int a = digit(l->at[0]), b = digit(l->at[1]);

		if (a < 0 || b < 0 || n == max)
			return SIZE_MAX;
		out[n++] = (uint8_t)(a << 4 | b);
	}
	return word(l, "\"") ? n : SIZE_MAX;
}

static bool hash(struct line *l, const char *name, uint8_t *out)
{
	return word(l, name) && hex(l, out, STORE_HASH_SIZE) == STORE_HASH_SIZE;
}

/* The pool is as large as the line, and everything shrinks. */
static bool pooled_hash(struct line *l, const uint8_t **out)
{
	uint8_t *p = (uint8_t *)l->r->pool + l->r->pool_used;

	if (hex(l, p, STORE_HASH_SIZE) != STORE_HASH_SIZE)
		return false;
	l->r->pool_used += STORE_HASH_SIZE;
	*out = p;
	return true;
}

static bool pooled_bytes(struct line *l, const uint8_t **out, size_t *size)
{
	uint8_t *p = (uint8_t *)l->r->pool + l->r->pool_used;

	*size = hex(l, p, l->r->pool_size - l->r->pool_used);
	if (*size == SIZE_MAX)
		return false;
	l->r->pool_used += *size;
	*out = p;
	return true;
}

static bool pooled_text(struct line *l, const char **out)
{
	char *p = l->r->pool + l->r->pool_used;

	if (!word(l, "\""))
		return false;
	*out = p;
	for (; l->at < l->end && *l->at != '"'; l->at++) {
		if (*l->at == '\\' &&
			(++l->at == l->end ||
				(*l->at != '"' && *l->at != '\\')))
			return false;
		if ((uint8_t)*l->at < 0x20 || *l->at == 0x7f)
			return false;
		*p++ = *l->at;
	}
	*p++ = '\0';
	l->r->pool_used = (size_t)(p - l->r->pool);
	return word(l, "\"");
}

static bool event(struct line *l, struct store_event *e)
{
	*e = (struct store_event){0};
	if (!word(l, "{\"what\":") || !pooled_text(l, &e->what))
		return false;
	if (word(l, ",\"object\":") && !pooled_text(l, &e->object))
		return false;
	if (word(l, ",\"actor\":") && !pooled_hash(l, &e->actor))
		return false;
	if (word(l, ",\"before\":") && !pooled_hash(l, &e->before))
		return false;
	if (word(l, ",\"after\":") && !pooled_hash(l, &e->after))
		return false;
	e->denied = word(l, ",\"denied\":true");
	if (word(l, ",\"detail\":") &&
		!pooled_bytes(l, &e->detail, &e->detail_size))
		return false;
	return word(l, "}");
}

static int more_events(struct audit_reader *r)
{
	size_t cap = r->events_cap ? 2 * r->events_cap : 64;
	struct store_event *p = realloc(r->events, cap * sizeof(*p));

	if (!p)
		return -ENOMEM;
	r->events = p;
	r->events_cap = cap;
	return 0;
}

static int events(struct line *l)
{
	struct audit_reader *r = l->r;
	size_t n = 0;

	if (!word(l, ",\"events\":["))
		return -EBADMSG;
	while (!word(l, "]")) {
		if (n == r->events_cap && more_events(r))
			return -ENOMEM;
		if ((n && !word(l, ",")) || !event(l, &r->events[n]))
			return -EBADMSG;
		n++;
	}
	r->record.events = r->events;
	r->record.event_count = n;
	return 0;
}

static int record(struct line *l)
{
	struct store_record *r = &l->r->record;
	int ret;

	if (!number(l, "{\"seq\":", &r->seq) ||
		!number(l, ",\"time\":", &r->time) ||
		!number(l, ",\"term\":", &r->term) ||
		!number(l, ",\"rows\":", &r->rows) ||
		!hash(l, ",\"prev\":", r->prev) ||
		!hash(l, ",\"map\":", r->map))
		return -EBADMSG;
	ret = events(l);
	if (ret)
		return ret;
	if (!hash(l, ",\"hash\":", r->hash) || !word(l, "}") || l->at != l->end)
		return -EBADMSG;
	return 0;
}

static int checkpoint(struct line *l)
{
	struct audit_checkpoint *c = &l->r->checkpoint;

	if (!hash(l, "{\"checkpoint\":{\"cluster\":", c->cluster) ||
		!hash(l, ",\"head\":", c->head) ||
		!number(l, ",\"seq\":", &c->seq) ||
		!number(l, ",\"term\":", &c->term) ||
		!number(l, ",\"time\":", &c->time) || !word(l, "},\"key\":"))
		return -EBADMSG;
	c->key_size = hex(l, c->key, sizeof(c->key));
	if (c->key_size == SIZE_MAX || !word(l, ",\"signature\":"))
		return -EBADMSG;
	c->signature_size = hex(l, c->signature, sizeof(c->signature));
	if (c->signature_size == SIZE_MAX || !word(l, "}") || l->at != l->end)
		return -EBADMSG;
	return 0;
}

int audit_reader_next(struct audit_reader *r)
{
	size_t left = (size_t)(r->end - r->at), size;
	struct line l = {r->at, r->end, r};
	const char *newline;
	int ret;

	if (!left)
		return 0;
	newline = memchr(r->at, '\n', left);
	r->cut = !newline;
	r->line++;
	l.end = newline ? newline : r->end;
	size = (size_t)(l.end - l.at);
	if (size > r->pool_size) {
		free(r->pool);
		r->pool_size = 0;
		r->pool = malloc(2 * size);
		if (!r->pool)
			return -ENOMEM;
		r->pool_size = 2 * size;
	}
	r->pool_used = 0;
	r->is_checkpoint = size > 2 && l.at[2] == 'c';
	ret = r->is_checkpoint ? checkpoint(&l) : record(&l);
	if (r->cut && !ret)
		ret = -EBADMSG;
	r->column = (size_t)(l.at - r->at) + 1;
	r->at = newline ? newline + 1 : r->end;
	return ret ? ret : 1;
}

/* ---- what is signed ---- */
static void put_key(struct cbor_writer *w, const char *key)
{
	cbor_put_text(w, key, strlen(key));
}

void audit_message(const struct audit_checkpoint *c, struct buf *out)
{
	static const char label[] = "sconce-audit-checkpoint-1";
	uint8_t text[256];
	struct cbor_writer w;

	cbor_writer_init(&w, text, sizeof(text));
	cbor_put_map(&w, 5);
	put_key(&w, "seq");
	cbor_put_uint(&w, c->seq);
	put_key(&w, "head");
	cbor_put_bytes(&w, c->head, sizeof(c->head));
	put_key(&w, "term");
	cbor_put_uint(&w, c->term);
	put_key(&w, "time");
	cbor_put_uint(&w, c->time);
	put_key(&w, "cluster");
	cbor_put_bytes(&w, c->cluster, sizeof(c->cluster));
	buf_add(out, label, sizeof(label)); /* with its NUL */
	buf_add(out, text, w.len);
}

/* ---- for those who show ---- */
int audit_each(const char *text, size_t size, store_log_fn *each, void *arg,
	struct err *e)
{
	struct audit_reader r;
	int ret;

	audit_reader_init(&r, text, size);
	while ((ret = audit_reader_next(&r)) == 1) {
		int stop = r.is_checkpoint ? 0 : each(arg, &r.record);

		if (stop) {
			audit_reader_fini(&r);
			return stop;
		}
	}
	if (ret == -EBADMSG)
		err_setf(e, ret, "line %zu: malformed at column %zu", r.line,
			r.column);
	else if (ret)
		err_setf(e, ret, "line %zu: no memory", r.line);
	audit_reader_fini(&r);
	return ret;
}

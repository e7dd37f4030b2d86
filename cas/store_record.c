/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of the chain as canonical CBOR:
 *
 *	{map, seq, prev, rows, term, time, events: [{what, actor?, after?,
 *	 before?, denied?, detail?, object?}]}
 *
 * The record's hash is SHA-256 of these bytes.
 */
#include "cas/store_int.h"

#include <errno.h>
#include <stdlib.h>

#include "crypto/sha256.h"
#include "lib/cbor_put.h"
#include "lib/string.h"

/* Only so that one record cannot ask for all memory. */
enum { EVENTS_MAX = 1 << 20, WHAT_MAX = 64 };

/* ---- events that wait ---- */
/* A copy of which every reader can show every byte on one line. */
static char *copy_text(char *to, const char *text, size_t size)
{
	size_t i = 0;

	while (i < size) {
		struct cbor_reader r;
		uint8_t item[8] = {0};
		const char *t;
		size_t n = 1, length;

		/* The next character, if it is one. */
		for (; n <= 4 && n <= size - i; n++) {
			item[0] = (uint8_t)(0x60 | n);
			memcpy(item + 1, text + i, n);
			cbor_reader_init(&r, item, n + 1);
			if (!cbor_get_text(&r, &t, &length))
				break;
		}
		if (n > 4 || n > size - i || (uint8_t)text[i] < 0x20 ||
			text[i] == 0x7f ||
			((uint8_t)text[i] == 0xc2 &&
				(uint8_t)text[i + 1] < 0xa0)) {
			to[i++] = '?';
			continue;
		}
		memcpy(to + i, text + i, n);
		i += n;
	}
	to[size] = '\0';
	return to + size + 1;
}

static bool text_size(const char *text, size_t max, size_t *size, size_t *total)
{
	*size = text ? strnlen(text, max + 1) : 0;
	*total += *size + 1;
	return *size <= max;
}

static const uint8_t *copy_hash(char **to, const uint8_t *hash)
{
	uint8_t *p = (uint8_t *)*to;

	if (!hash)
		return NULL;
	memcpy(p, hash, STORE_HASH_SIZE);
	*to += STORE_HASH_SIZE;
	return p;
}

struct store_event_copy *store_event_new(
	const struct audit_event *event, bool *invalid)
{
	size_t what, object, detail, total = 3 * STORE_HASH_SIZE;
	struct store_event_copy *e;
	char *p;

	*invalid = !event->what ||
		!text_size(event->what, WHAT_MAX, &what, &total) || !what ||
		!text_size(event->object, STORE_TEXT_MAX, &object, &total) ||
		!text_size(event->detail, STORE_TEXT_MAX, &detail, &total);
	if (*invalid)
		return NULL;
	e = calloc(1, sizeof(*e) + total);
	if (!e)
		return NULL;
	p = (char *)(e + 1);
	e->event.actor = copy_hash(&p, event->actor);
	e->event.before = copy_hash(&p, event->before);
	e->event.after = copy_hash(&p, event->after);
	e->event.what = p;
	p = copy_text(p, event->what, what);
	if (event->object) {
		e->event.object = p;
		p = copy_text(p, event->object, object);
	}
	if (event->detail) {
		e->secret = p;
		e->event.detail_size = detail;
		p = copy_text(p, event->detail, detail);
	}
	e->event.denied = event->denied;
	e->has_key = event->audit_key;
	if (e->has_key)
		memcpy(e->key, event->audit_key, sizeof(e->key));
	return e;
}

void store_event_free(struct store_event_copy *e)
{
	if (e && e->secret)
		string_wipe((char *)(uintptr_t)e->secret, strlen(e->secret));
	free(e);
}

/* ---- encoding ---- */
static void put_key(struct cbor_writer *w, const char *key)
{
	cbor_put_text(w, key, strlen(key));
}

static void put_hash(
	struct cbor_writer *w, const char *key, const uint8_t *hash)
{
	if (!hash)
		return;
	put_key(w, key);
	cbor_put_bytes(w, hash, STORE_HASH_SIZE);
}

static void put_event(struct cbor_writer *w, const struct store_event *e)
{
	cbor_put_map(w,
		(uint64_t)1 + (e->actor != NULL) + (e->after != NULL) +
			(e->before != NULL) + e->denied + (e->detail != NULL) +
			(e->object != NULL));
	put_key(w, "what");
	cbor_put_text(w, e->what, strlen(e->what));
	put_hash(w, "actor", e->actor);
	put_hash(w, "after", e->after);
	put_hash(w, "before", e->before);
	if (e->denied) {
		put_key(w, "denied");
		cbor_put_bool(w, true);
	}
	if (e->detail) {
		put_key(w, "detail");
		cbor_put_bytes(w, e->detail, e->detail_size);
	}
	if (e->object) {
		put_key(w, "object");
		cbor_put_text(w, e->object, strlen(e->object));
	}
}

static void put_uint(struct cbor_writer *w, const char *key, uint64_t v)
{
	put_key(w, key);
	cbor_put_uint(w, v);
}

static void put_record(struct cbor_writer *w, const struct store_record *r)
{
	cbor_put_map(w, 7);
	put_hash(w, "map", r->map);
	put_uint(w, "seq", r->seq);
	put_hash(w, "prev", r->prev);
	put_uint(w, "rows", r->rows);
	put_uint(w, "term", r->term);
	put_uint(w, "time", r->time);
	put_key(w, "events");
	cbor_put_array(w, r->event_count);
	for (size_t i = 0; i < r->event_count; i++)
		put_event(w, &r->events[i]);
}

int store_record_encode(struct store_record *r, struct buf *out)
{
	struct cbor_writer w;
	size_t start = out->size;

	cbor_writer_init(&w, NULL, 0);
	put_record(&w, r);
	for (size_t left = w.len; left;) {
		static const uint8_t zeros[4096];
		size_t n = u64_min(left, sizeof(zeros));

		buf_add(out, zeros, n);
		left -= n;
	}
	if (buf_check(out))
		return -ENOMEM;
	cbor_writer_init(&w, out->data + start, out->size - start);
	put_record(&w, r);
	if (cbor_writer_check(&w))
		return -ENOMEM; /* cannot be: the same was measured */
	sha256(out->data + start, w.len, r->hash);
	return 0;
}

/* ---- decoding ---- */
/* True if the next key of a map with *left pairs is this one; it is read. */
static bool next_key(struct cbor_reader *r, uint64_t *left, const char *key)
{
	struct cbor_reader ahead = *r;
	const char *text;
	size_t size;

	if (!*left || cbor_get_text(&ahead, &text, &size) ||
		size != strlen(key) || memcmp(text, key, size) != 0)
		return false;
	*r = ahead;
	--*left;
	return true;
}

static bool get_hash(struct cbor_reader *r, const uint8_t **hash)
{
	size_t size;

	return !cbor_get_bytes(r, hash, &size) && size == STORE_HASH_SIZE;
}

/* A text of the record, which gets its NUL when everything was read. */
struct text_place {
	const char *text;
	size_t size;
};

static bool get_event(struct cbor_reader *r, struct store_event *e,
	struct text_place *what, struct text_place *object)
{
	uint64_t left;

	if (cbor_get_map(r, &left) || !next_key(r, &left, "what") ||
		cbor_get_text(r, &what->text, &what->size))
		return false;
	if (next_key(r, &left, "actor") && !get_hash(r, &e->actor))
		return false;
	if (next_key(r, &left, "after") && !get_hash(r, &e->after))
		return false;
	if (next_key(r, &left, "before") && !get_hash(r, &e->before))
		return false;
	if (next_key(r, &left, "denied") &&
		(cbor_get_bool(r, &e->denied) || !e->denied))
		return false;
	if (next_key(r, &left, "detail") &&
		cbor_get_bytes(r, &e->detail, &e->detail_size))
		return false;
	if (next_key(r, &left, "object") &&
		cbor_get_text(r, &object->text, &object->size))
		return false;
	return left == 0;
}

static int get_events(struct cbor_reader *r, struct store_record *out)
{
	struct text_place what, object;
	struct store_event *events;
	uint64_t count;
	size_t texts = 0;
	char *p;

	if (cbor_get_array(r, &count) || count > EVENTS_MAX)
		return -EBADMSG;
	out->event_count = count;
	/* Texts in the record are shorter than what is left of it. */
	texts = (size_t)(r->end - r->at) + 2 * count;
	events = calloc(1, count * sizeof(*events) + texts + 1);
	if (!events)
		return -ENOMEM;
	out->events = events;
	p = (char *)(events + count);
	for (uint64_t i = 0; i < count; i++) {
		what = object = (struct text_place){0};
		if (!get_event(r, &events[i], &what, &object))
			return -EBADMSG;
		if (memchr(what.text, 0, what.size) ||
			(object.text && memchr(object.text, 0, object.size)))
			return -EBADMSG;
		events[i].what = memcpy(p, what.text, what.size);
		p += what.size + 1;
		if (object.text) {
			events[i].object = memcpy(p, object.text, object.size);
			p += object.size + 1;
		}
	}
	return 0;
}

static bool get_uint(
	struct cbor_reader *r, uint64_t *left, const char *key, uint64_t *v)
{
	return next_key(r, left, key) && !cbor_get_uint(r, v);
}

int store_record_decode(const void *data, size_t size, struct store_record *r)
{
	const uint8_t *map, *prev;
	struct cbor_reader in;
	uint64_t left;
	int ret;

	memset(r, 0, sizeof(*r));
	cbor_reader_init(&in, data, size);
	if (cbor_get_map(&in, &left) || left != 7 ||
		!next_key(&in, &left, "map") || !get_hash(&in, &map) ||
		!get_uint(&in, &left, "seq", &r->seq) ||
		!next_key(&in, &left, "prev") || !get_hash(&in, &prev) ||
		!get_uint(&in, &left, "rows", &r->rows) ||
		!get_uint(&in, &left, "term", &r->term) ||
		!get_uint(&in, &left, "time", &r->time) ||
		!next_key(&in, &left, "events"))
		return -EBADMSG;
	memcpy(r->map, map, sizeof(r->map));
	memcpy(r->prev, prev, sizeof(r->prev));
	ret = get_events(&in, r);
	if (!ret && !cbor_reader_at_end(&in))
		ret = -EBADMSG;
	if (ret)
		store_record_fini(r);
	else
		sha256(data, size, r->hash);
	return ret;
}

void store_record_fini(struct store_record *r)
{
	free((struct store_event *)(uintptr_t)r->events);
	r->events = NULL;
	r->event_count = 0;
}

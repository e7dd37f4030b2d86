/* SPDX-License-Identifier: Apache-2.0 */
/* What an exported log says, for people and for programs. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "attest/date.h"
#include "cli/audit_cmd.h"
#include "lib/bytes.h"

/* A log is a foreign file: nothing in it may talk to a terminal. */
static void print_text(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		uint8_t c = (uint8_t)text[i];
		bool control = c < 0x20 || c == 0x7f ||
			(c == 0xc2 && i + 1 < size &&
				(uint8_t)text[i + 1] < 0xa0);

		putchar(control ? '?' : c);
		i += control && c == 0xc2;
	}
}

static void print_hash(const char *before, const uint8_t *hash)
{
	char text[17];

	if (!hash)
		return;
	bytes_to_hex(hash, 8, text);
	printf("%s%s", before, text);
}

/* The detail's text, or NULL: there is none, or it is not for this key. */
static const char *open_detail(const struct audit_print *p, uint64_t seq,
	const struct store_event *e, struct buf *out)
{
	out->size = 0;
	if (!p->has_key || !e->detail ||
		audit_open_detail(p->key, seq, e->detail, e->detail_size, out))
		return NULL;
	return (const char *)out->data;
}

static void print_event(const struct audit_print *p,
	const struct store_record *r, const struct store_event *e,
	struct buf *detail)
{
	char time[DATE_TEXT];

	date_format(r->time > INT64_MAX ? INT64_MAX : (int64_t)r->time, time);
	printf("%" PRIu64 " %s ", r->seq, time);
	print_text(e->what, strlen(e->what));
	if (e->object) {
		putchar(' ');
		print_text(e->object, strlen(e->object));
	}
	printf("%s", e->denied ? " DENIED" : "");
	print_hash(" by ", e->actor);
	print_hash(" from ", e->before);
	print_hash(" to ", e->after);
	if (open_detail(p, r->seq, e, detail)) {
		printf(": ");
		print_text((const char *)detail->data, detail->size);
	} else if (e->detail) {
		printf(" (with a detail for %s)",
			p->has_key ? "another key" : "--key");
	}
	putchar('\n');
}

static void set_hash(json_t *o, const char *name, const uint8_t *hash)
{
	char text[65];

	if (!hash)
		return;
	bytes_to_hex(hash, 32, text);
	json_object_set_new(o, name, json_string(text));
}

/* Texts that are no UTF-8 are shown as null. */
static void set_text(json_t *o, const char *name, const char *text)
{
	json_t *value = text ? json_string(text) : NULL;

	if (text)
		json_object_set_new(o, name, value ? value : json_null());
}

static void print_event_json(const struct audit_print *p,
	const struct store_record *r, const struct store_event *e,
	struct buf *detail)
{
	json_t *o = json_object();
	const char *text = open_detail(p, r->seq, e, detail);

	json_object_set_new(o, "seq", json_integer((json_int_t)r->seq));
	json_object_set_new(o, "time", json_integer((json_int_t)r->time));
	set_text(o, "what", e->what);
	set_text(o, "object", e->object);
	set_hash(o, "actor", e->actor);
	set_hash(o, "before", e->before);
	set_hash(o, "after", e->after);
	json_object_set_new(o, "denied", json_boolean(e->denied));
	set_text(o, "detail", text);
	if (e->detail && !text)
		json_object_set_new(o, "sealed_detail", json_true());
	json_dumpf(o, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(o);
}

int audit_print_record(void *arg, const struct store_record *r)
{
	const struct audit_print *p = arg;
	struct buf detail = {.secret = true};

	for (size_t i = 0; i < r->event_count; i++)
		if (p->json)
			print_event_json(p, r, &r->events[i], &detail);
		else
			print_event(p, r, &r->events[i], &detail);
	buf_fini(&detail);
	return ferror(stdout) ? -EIO : 0;
}

/* ---- results ---- */
static const char *result_name(enum audit_result r)
{
	switch (r) {
	case AUDIT_OK:
		return "ok";
	case AUDIT_FAILED:
		return "failed";
	case AUDIT_TRUNCATED:
		return "truncated";
	case AUDIT_ROLLED_BACK:
		return "rolled_back";
	case AUDIT_FORKED:
		return "forked";
	case AUDIT_WRONG_CAS:
		return "wrong_cas";
	case AUDIT_TAMPERED:
		return "tampered";
	}
	return "failed";
}

static void found_json(enum audit_result result,
	const struct audit_known *known, const struct audit_found *f,
	const struct err *e)
{
	json_t *o = json_object();

	set_text(o, "result", result_name(result));
	json_object_set_new(o, "code", json_integer(result));
	if (result)
		set_text(o, "error", e->text);
	json_object_set_new(o, "first", json_integer((json_int_t)f->first));
	json_object_set_new(o, "last", json_integer((json_int_t)f->last));
	json_object_set_new(o, "events", json_integer((json_int_t)f->events));
	json_object_set_new(o, "denied", json_integer((json_int_t)f->denied));
	json_object_set_new(
		o, "checkpoints", json_integer((json_int_t)f->checkpoints));
	json_object_set_new(
		o, "signed", json_integer((json_int_t)f->signed_seq));
	json_object_set_new(
		o, "signed_time", json_integer((json_int_t)f->signed_time));
	json_object_set_new(o, "term", json_integer((json_int_t)f->term));
	set_hash(o, "head", f->head);
	set_hash(o, "cas_key", f->cas_key);
	set_hash(o, "cluster", f->cluster);
	json_object_set_new(o, "cas_key_compared",
		json_boolean(!bytes_zero(known->cas_key, 32)));
	json_dumpf(o, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(o);
}

void audit_print_found(enum audit_result result,
	const struct audit_known *known, const struct audit_found *f, bool json,
	const struct err *e)
{
	char key[65], cluster[65], time[DATE_TEXT];

	if (json) {
		found_json(result, known, f, e);
		return;
	}
	if (result)
		return;
	bytes_to_hex(f->cas_key, 32, key);
	bytes_to_hex(f->cluster, 32, cluster);
	date_format(f->signed_time > INT64_MAX ? INT64_MAX
					       : (int64_t)f->signed_time,
		time);
	printf("ok: records %" PRIu64 " to %" PRIu64 ", %" PRIu64
	       " events (%" PRIu64 " denied), signed %s\n"
	       "CAS key %s\ncluster %s\n",
		f->first, f->last, f->events, f->denied, time, key, cluster);
	if (bytes_zero(known->cas_key, 32))
		printf("Whose key that is was not looked at: give --cas-key or "
		       "--known.\n");
}

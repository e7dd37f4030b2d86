/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The owner: who runs this CAS, and what name spaces may take of it. The owner
 * sees figures and heads of chains, and no session.
 *
 * Row "owner" of STORE_META: 32 bytes, the owner's key, then the configuration
 * as text:
 *
 *	name: CAS of plant 7
 *	limits:
 *	  - namespace: shop		# a top-level name; "*": all others
 *	    sessions: 1000
 *	    bytes: 67108864
 *	    changes_per_minute: 60
 *	auditors:			# SHA-256 of their keys, hexadecimal
 *	  - 5b...
 */
#include <errno.h>
#include <stdlib.h>

#include "attest/yaml_events.h"
#include "cas/engine_int.h"
#include "cas/engine_owner.h"
#include "lib/string.h"

enum {
	CONFIG_MAX = 64 * 1024,
	LIMITS_MAX = 256,
	AUDITORS_MAX = 64,
	TEXT_MAX = 200,
};

static const char owner_row[] = "owner";

static const struct owner_limits no_limits = {
	.sessions = 1000000,
	.bytes = 4ull << 30,
	.changes_per_minute = 6000,
};

static void owner_drop(struct owner *o)
{
	if (!o)
		return;
	for (size_t i = 0; i < o->limit_count; i++)
		free(o->limits[i].namespace);
	free(o->limits);
	free(o->auditors);
	free(o->name);
	free(o);
}

void owner_free(struct engine *g)
{
	owner_drop(g->owner);
	g->owner = NULL;
}

const struct owner_limits *owner_limits(
	const struct engine *g, const char *namespace)
{
	const struct owner_limits *others = &no_limits;

	for (size_t i = 0; g->owner && i < g->owner->limit_count; i++) {
		const struct owner_limits *l = &g->owner->limits[i];

		if (strcmp(l->namespace, namespace) == 0)
			return l;
		if (strcmp(l->namespace, "*") == 0)
			others = l;
	}
	return others;
}

/* ---- its configuration ---- */

static int read_text(struct yaml_events *y, const char *key, char **out)
{
	const char *text;
	int ret = yaml_events_want(y, YAML_SCALAR_EVENT, key);

	if (ret)
		return ret;
	text = yaml_events_text(y);
	if (*out)
		return yaml_events_fail(y, "%s: is there twice", key);
	if (!text[0] || strlen(text) > TEXT_MAX)
		return yaml_events_fail(y, "%s: %zu bytes; wanted 1 to %d", key,
			strlen(text), (int)TEXT_MAX);
	*out = strdup(text);
	return *out ? yaml_events_next(y) : -ENOMEM;
}

static int read_number(struct yaml_events *y, const char *key, uint64_t *out)
{
	const char *text;
	char *end;
	int ret = yaml_events_want(y, YAML_SCALAR_EVENT, key);

	if (ret)
		return ret;
	text = yaml_events_text(y);
	errno = 0;
	*out = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno)
		return yaml_events_fail(
			y, "%s: '%s'; wanted a number", key, text);
	return yaml_events_next(y);
}

static int read_limit(struct yaml_events *y, struct owner_limits *l)
{
	int ret = yaml_events_want(y, YAML_MAPPING_START_EVENT, "limits");

	*l = no_limits;
	if (!ret)
		ret = yaml_events_next(y);
	while (!ret && y->event.type != YAML_MAPPING_END_EVENT) {
		char key[32] = "";
		uint64_t *number = NULL;

		ret = yaml_events_want(y, YAML_SCALAR_EVENT, "limits");
		if (ret)
			return ret;
		strncat(key, yaml_events_text(y), sizeof(key) - 1);
		if (strcmp(key, "sessions") == 0)
			number = &l->sessions;
		else if (strcmp(key, "bytes") == 0)
			number = &l->bytes;
		else if (strcmp(key, "changes_per_minute") == 0)
			number = &l->changes_per_minute;
		else if (strcmp(key, "namespace") != 0)
			return yaml_events_fail(y,
				"limits: unknown key '%s'; wanted namespace, "
				"sessions, bytes or changes_per_minute",
				key);
		ret = yaml_events_next(y);
		if (!ret)
			ret = number ? read_number(y, key, number)
				     : read_text(y, key, &l->namespace);
	}
	if (!ret && !l->namespace)
		return yaml_events_fail(y,
			"limits: no namespace; name one, or \"*\" for all "
			"others");
	return ret ? ret : yaml_events_next(y);
}

static int read_limits(struct yaml_events *y, struct owner *o)
{
	int ret = yaml_events_want(y, YAML_SEQUENCE_START_EVENT, "limits");

	if (!ret && o->limits)
		return yaml_events_fail(y, "limits: is there twice");
	if (!ret)
		ret = yaml_events_next(y);
	o->limits = calloc(LIMITS_MAX, sizeof(*o->limits));
	if (!o->limits)
		return -ENOMEM;
	while (!ret && y->event.type != YAML_SEQUENCE_END_EVENT) {
		if (o->limit_count == LIMITS_MAX)
			return yaml_events_fail(
				y, "limits: more than %d", (int)LIMITS_MAX);
		ret = read_limit(y, &o->limits[o->limit_count++]);
	}
	return ret ? ret : yaml_events_next(y);
}

static int read_auditors(struct yaml_events *y, struct owner *o)
{
	int ret = yaml_events_want(y, YAML_SEQUENCE_START_EVENT, "auditors");

	if (!ret && o->auditors)
		return yaml_events_fail(y, "auditors: is there twice");
	if (!ret)
		ret = yaml_events_next(y);
	if (ret)
		return ret;
	o->auditors = calloc(AUDITORS_MAX, sizeof(*o->auditors));
	if (!o->auditors)
		return -ENOMEM;
	while (!ret && y->event.type != YAML_SEQUENCE_END_EVENT) {
		ret = yaml_events_want(y, YAML_SCALAR_EVENT, "auditors");
		if (ret)
			return ret;
		if (o->auditor_count == AUDITORS_MAX ||
			!string_from_hex(yaml_events_text(y),
				o->auditors[o->auditor_count], 32))
			return yaml_events_fail(y,
				"auditors: '%.80s'; wanted at most %d hashes "
				"of keys, 64 hexadecimal digits each",
				yaml_events_text(y), (int)AUDITORS_MAX);
		o->auditor_count++;
		ret = yaml_events_next(y);
	}
	return ret ? ret : yaml_events_next(y);
}

static int read_config(struct yaml_events *y, struct owner *o)
{
	int ret = yaml_events_begin(y);

	if (!ret)
		ret = yaml_events_want(
			y, YAML_MAPPING_START_EVENT, "configuration");
	if (!ret)
		ret = yaml_events_next(y);
	while (!ret && y->event.type != YAML_MAPPING_END_EVENT) {
		char key[32] = "";

		ret = yaml_events_want(y, YAML_SCALAR_EVENT, "configuration");
		if (ret)
			return ret;
		strncat(key, yaml_events_text(y), sizeof(key) - 1);
		if (strcmp(key, "name") != 0 && strcmp(key, "limits") != 0 &&
			strcmp(key, "auditors") != 0)
			return yaml_events_fail(y,
				"unknown key '%s'; wanted name, limits or "
				"auditors",
				key);
		ret = yaml_events_next(y);
		if (!ret)
			ret = key[0] == 'n'     ? read_text(y, key, &o->name)
				: key[0] == 'l' ? read_limits(y, o)
						: read_auditors(y, o);
	}
	if (!ret && !o->name)
		return yaml_events_fail(
			y, "no name; add `name:`, under which status shows it");
	return ret ? ret : yaml_events_end(y);
}

static int owner_parse(const uint8_t key[32], const char *config, size_t size,
	struct owner **out, struct err *e)
{
	struct owner *o = calloc(1, sizeof(*o));
	struct yaml_events y;
	int ret;

	if (!o)
		return err_setf(e, -ENOMEM, "no memory");
	memcpy(o->key, key, sizeof(o->key));
	ret = yaml_events_init(&y, "owner configuration", config, size, e);
	if (!ret) {
		ret = read_config(&y, o);
		yaml_events_fini(&y);
	}
	if (ret) {
		owner_drop(o);
		return ret == -ENOMEM ? err_setf(e, ret, "no memory") : ret;
	}
	*out = o;
	return 0;
}

int owner_load(struct engine *g, struct err *e)
{
	const void *row;
	size_t size;

	if (!store_get(g->store, STORE_META, owner_row, strlen(owner_row), &row,
		    &size, NULL))
		return 0;
	if (size < 32)
		return err_setf(e, -EBADMSG, "the owner's row is cut off");
	return owner_parse(
		row, (const char *)row + 32, size - 32, &g->owner, e);
}

/* ---- operations ---- */

bool engine_provisioned(const struct engine *g)
{
	return g->owner != NULL;
}

bool engine_may_audit(const struct engine *g, const struct principal *who)
{
	const struct owner *o = g->owner;

	if (!o || !who->present)
		return false;
	for (size_t i = 0; i < o->auditor_count; i++)
		if (memcmp(o->auditors[i], who->key, 32) == 0)
			return true;
	return memcmp(o->key, who->key, 32) == 0;
}

/* 0, or why this key may not become (or be) the owner. */
static int owner_may(
	const struct engine *g, const struct engine_call *c, struct err *e)
{
	const uint8_t *key = g->owner ? g->owner->key
		: g->o.has_owner_key  ? g->o.owner_key
				      : NULL;

	if (!c->who.present)
		return err_setf(e, -EACCES,
			"no client certificate; the owner's key is wanted");
	if (!key || memcmp(key, c->who.key, 32) == 0)
		return 0;
	return err_setf(e, -EACCES,
		g->owner ? "this CAS has another owner"
			 : "this CAS waits for another key: that of its option "
			   "owner_key");
}

void engine_provision(struct engine *g, const struct engine_call *c,
	const char *config, size_t size)
{
	struct audit_event ev = {
		.what = g->owner ? "owner.update" : "owner.provision",
		.actor = c->who.present ? c->who.key : NULL,
	};
	struct buf row = {0};
	struct owner *o = NULL;
	struct store_txn *x;
	struct answer *a;
	struct err e = {0};
	int ret = owner_may(g, c, &e);

	if (ret) {
		engine_audit_denied(g, NULL, &ev);
		engine_fail(g, c, ret, e.text);
		return;
	}
	if (size > CONFIG_MAX)
		ret = err_setf(&e, -EINVAL,
			"owner configuration: %zu bytes; wanted at most %d",
			size, (int)CONFIG_MAX);
	else
		ret = owner_parse(c->who.key, config, size, &o, &e);
	if (ret) {
		engine_fail(g, c, ret, e.text);
		return;
	}
	a = answer_new(g, c);
	if (!a) {
		owner_drop(o);
		return;
	}
	buf_add(&row, c->who.key, 32);
	buf_add(&row, config, size);
	a->failed |= buf_check(&row) != 0;
	answer_item_hex(a, "owner", c->who.key, 32);
	answer_item(a, "name", o->name);
	x = store_begin(g->store);
	if (!a->failed)
		store_put(x, STORE_META, owner_row, strlen(owner_row), row.data,
			row.size);
	engine_audit(x, NULL, &ev);
	buf_fini(&row);
	/* Before the answer: what comes next is asked of the new owner. */
	owner_free(g);
	g->owner = o;
	if (answer_submit(a, x)) {
		owner_free(g);
		if (owner_load(g, &e))
			g->owner = NULL;
	}
}

bool engine_is_owner(
	struct engine *g, const struct engine_call *c, const char *what)
{
	struct err e = {0};

	if (g->owner && owner_may(g, c, &e) == 0)
		return true;
	if (!g->owner) {
		engine_fail(g, c, -EAGAIN,
			"this CAS has no owner yet; `sconce cas provision` "
			"makes you the owner");
		return false;
	}
	engine_audit_denied(g, NULL,
		&(struct audit_event){
			.what = what,
			.actor = c->who.present ? c->who.key : NULL,
		});
	engine_fail(g, c, -EACCES, e.text);
	return false;
}

void engine_own(struct engine *g, const struct engine_call *c,
	const struct engine_own *own)
{
	struct store_txn *x;
	struct answer *a;

	if (!engine_is_owner(g, c, own->what))
		return;
	a = answer_new(g, c);
	if (!a)
		return;
	buf_add(&a->body, own->body, own->body_size);
	x = store_begin(g->store);
	if (own->row)
		store_put(x, STORE_META, own->row, strlen(own->row), own->value,
			own->size);
	engine_audit(x, NULL,
		&(struct audit_event){.what = own->what,
			.object = own->object,
			.actor = c->who.key,
			.after = own->after});
	answer_submit(a, x);
}

static void status_store(struct engine *g, struct answer *a)
{
	static const char *const fresh[] = {"none", "tpm", "quorum"};
	struct store_status st;

	store_status(g->store, &st);
	answer_item(a, "rollback", fresh[st.freshness]);
	answer_item_number(a, "witnesses", st.witnesses);
	answer_item_number(a, "witnesses_answering", st.witnesses_answering);
	answer_item_number(a, "record", st.seq);
	answer_item_number(a, "record_durable", st.durable);
	answer_item_hex(a, "head", st.head, sizeof(st.head));
	answer_item(a, "commit_error", st.error ? st.error_text : "");
	answer_item_number(a, "bytes", st.bytes);
}

void engine_status(struct engine *g, const struct engine_call *c)
{
	struct answer *a;
	struct err e = {0};

	if (g->owner && owner_may(g, c, &e)) {
		engine_audit_denied(g, NULL,
			&(struct audit_event){
				.what = "owner.status",
				.actor = c->who.present ? c->who.key : NULL,
			});
		engine_fail(g, c, -EACCES, e.text);
		return;
	}
	a = answer_new(g, c);
	if (!a)
		return;
	answer_item(a, "provisioned", g->owner ? "true" : "false");
	answer_item_hex(a, "identity", g->o.identity, sizeof(g->o.identity));
	if (g->owner) {
		answer_item(a, "name", g->owner->name);
		answer_item_number(a, "sessions", g->counts.sessions);
		answer_item_number(a, "volumes", g->counts.volumes);
		answer_item_number(a, "instances", g->counts.instances);
		answer_item_number(a, "proposals", g->counts.proposals);
		status_store(g, a);
	}
	answer_send(a);
}

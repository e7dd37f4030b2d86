/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decoded sessions at hand, and the values of their secrets.
 */
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "cas/engine_int.h"

static int by_name(const void *a, const void *b)
{
	const struct held *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static void held_free(struct held *h)
{
	secret_set_free(h->secrets);
	session_free(h->session);
	buf_fini(&h->yaml);
	free(h->name);
	free(h);
}

/* Out of the tree; gone when the last user is done with it. */
static void held_drop(struct engine *g, struct held *h)
{
	if (h->stale)
		return;
	tdelete(h, &g->held_tree, by_name);
	list_del(&h->link);
	g->held_bytes -= h->bytes;
	h->stale = true;
	if (!h->refs)
		held_free(h);
}

void engine_unhold(struct engine *g, struct held *h)
{
	if (!h)
		return;
	h->refs--;
	if (h->stale && !h->refs)
		held_free(h);
}

/* Room for another one: those that nobody used for longest go. */
static void held_trim(struct engine *g, size_t bytes)
{
	struct held *h, *next;

	if (g->held_bytes + bytes <= ENGINE_HELD_BYTES)
		return;
	for (h = list_last(&g->held, struct held, link); h; h = next) {
		next = h->link.prev == &g->held
			? NULL
			: list_entry(h->link.prev, struct held, link);
		if (!h->refs)
			held_drop(g, h);
		if (g->held_bytes + bytes <= ENGINE_HELD_BYTES)
			break;
	}
}

static int held_read(
	struct held *h, const void *row, size_t size, struct err *e)
{
	int ret = session_decode(row, size, &h->session, e);

	if (!ret)
		ret = session_hash(h->session, h->hash);
	if (!ret && strcmp(h->session->name, h->name) != 0)
		ret = err_setf(e, -EBADMSG, "%s: the store has %s there",
			h->name, h->session->name);
	return ret;
}

static int held_load(struct engine *g, const char *name, const void *row,
	size_t size, uint64_t seq, struct held **out, struct err *e)
{
	struct held *h = calloc(1, sizeof(*h)), **slot;
	int ret = -ENOMEM;

	if (!h)
		return err_setf(e, ret, "no memory");
	list_init(&h->link);
	h->name = strdup(name);
	h->seq = seq;
	h->bytes = SCHEMA_ARENA_SIZE(size);
	if (!h->name)
		goto fail;
	ret = held_read(h, row, size, e);
	if (ret)
		goto fail;
	held_trim(g, h->bytes);
	slot = tsearch(h, &g->held_tree, by_name);
	ret = -ENOMEM;
	if (!slot)
		goto fail;
	list_add(&g->held, &h->link);
	g->held_bytes += h->bytes;
	*out = h;
	return 0;
fail:
	held_free(h);
	return ret == -ENOMEM ? err_setf(e, ret, "no memory") : ret;
}

int engine_hold(
	struct engine *g, const char *name, struct held **out, struct err *e)
{
	struct held wanted = {.name = (char *)(uintptr_t)name}, **found, *h;
	const void *row;
	size_t size;
	uint64_t seq;
	int ret;

	*out = NULL;
	found = tfind(&wanted, &g->held_tree, by_name);
	h = found ? *found : NULL;
	if (!store_get(g->store, STORE_SESSION, name, strlen(name), &row, &size,
		    &seq)) {
		if (h)
			held_drop(g, h);
		return err_setf(e, -ENOENT, "%s: no such session", name);
	}
	if (h && h->seq != seq) {
		held_drop(g, h);
		h = NULL;
	}
	if (!h) {
		ret = held_load(g, name, row, size, seq, &h, e);
		if (ret || !h)
			return ret;
	} else {
		list_del(&h->link);
		list_add(&g->held, &h->link);
	}
	h->refs++;
	*out = h;
	return 0;
}

void held_free_all(struct engine *g)
{
	struct held *h, *next;

	list_for_each_entry_safe (h, next, &g->held, link)
		held_drop(g, h);
}

/* ---- values ---- */

int engine_secrets(struct engine *g, struct held *h,
	const struct secret_set **out, struct err *e)
{
	const void *row;
	size_t size;
	uint64_t seq;
	int ret;

	if (!store_get(g->store, STORE_SECRETS, h->name, strlen(h->name), &row,
		    &size, &seq))
		return err_setf(
			e, -EBADMSG, "%s: its values are not there", h->name);
	if (!h->secrets || h->secrets_seq != seq) {
		secret_set_free(h->secrets);
		h->secrets = NULL;
		ret = secret_set_decode(row, size, &h->secrets, e);
		if (ret)
			return ret;
		h->secrets_seq = seq;
	}
	*out = h->secrets;
	return 0;
}

int engine_secrets_renewed(struct engine *g, struct held *h,
	struct store_txn *x, struct secret_set **out, bool *changed,
	struct err *e)
{
	struct engine_importer importer = {g, h->session, h->hash};
	struct secret_env env;
	const void *row;
	size_t size;
	int ret;

	*out = NULL;
	*changed = false;
	if (!store_get(g->store, STORE_SECRETS, h->name, strlen(h->name), &row,
		    &size, NULL))
		return err_setf(
			e, -EBADMSG, "%s: its values are not there", h->name);
	ret = secret_set_decode(row, size, out, e);
	if (ret)
		return ret;
	if (secret_set_due(*out) > engine_now(g))
		return 0;
	engine_secret_env(&importer, &env);
	ret = secret_set_renew(*out, h->session, &env, e);
	*changed = ret > 0;
	if (ret > 0)
		ret = engine_secrets_put(x, h->name, *out);
	if (ret < 0) {
		secret_set_free(*out);
		*out = NULL;
		return ret;
	}
	return 0;
}

int engine_secrets_put(
	struct store_txn *x, const char *session, const struct secret_set *set)
{
	struct buf b = {.secret = true};
	int ret = secret_set_encode(set, &b);

	if (!ret)
		store_put(x, STORE_SECRETS, session, strlen(session), b.data,
			b.size);
	buf_fini(&b);
	return ret;
}

/* ---- imports ---- */

bool engine_exports(struct engine *g, const struct item_list *exports,
	const struct session *to, const uint8_t hash[SESSION_HASH_SIZE],
	const struct session_ref **by)
{
	const struct session_ref *ref = exports->item;

	for (size_t i = 0; i < exports->count; i++) {
		const uint8_t *now = hash;
		struct held *h = NULL;
		bool named, same = true;

		named = ref[i].session ? strcmp(ref[i].session, to->name) == 0
				       : ref[i].namespace &&
				engine_is_below(to->name, ref[i].namespace);
		if (!named)
			continue;
		if (ref[i].namespace && ref[i].hash.size) {
			if (engine_hold(g, ref[i].namespace, &h, NULL))
				continue;
			now = h->hash;
		}
		if (ref[i].hash.size)
			same = ref[i].hash.size == SESSION_HASH_SIZE &&
				memcmp(ref[i].hash.data, now,
					SESSION_HASH_SIZE) == 0;
		engine_unhold(g, h);
		if (!same)
			continue;
		if (by)
			*by = &ref[i];
		return true;
	}
	return false;
}

bool engine_pinned(const struct session_ref *from, const struct held *h)
{
	return !from->hash.size ||
		(from->hash.size == SESSION_HASH_SIZE &&
			memcmp(from->hash.data, h->hash, SESSION_HASH_SIZE) ==
				0);
}

/* One text for all reasons: who imports may not even know that the other
 * session is there. */
static int not_exported(
	const struct session_ref *from, const char *to, struct err *e)
{
	return err_setf(e, -EPERM,
		"%s of %s: not there, not exported to %s, or another version "
		"than the hash says; ask the owner of %s for an export",
		from->secret ? from->secret : "?",
		from->session ? from->session : "?", to,
		from->session ? from->session : "it");
}

static int import_value(void *arg, const struct session_ref *from,
	struct buf *out, struct err *e)
{
	const struct engine_importer *i = arg;
	const struct secret_spec *spec = NULL;
	const struct secret_set *set;
	struct held *h;
	int ret = -EPERM;

	if (!from->session || !from->secret ||
		engine_hold(i->g, from->session, &h, NULL))
		return not_exported(from, i->session->name, e);
	if (engine_pinned(from, h))
		spec = session_secret(h->session, from->secret);
	if (spec &&
		engine_exports(
			i->g, &spec->exports, i->session, i->hash, NULL)) {
		ret = engine_secrets(i->g, h, &set, e);
		if (!ret)
			ret = secret_export(set, from->secret, out, e);
	} else {
		not_exported(from, i->session->name, e);
	}
	engine_unhold(i->g, h);
	return ret;
}

static struct evp_pkey_st *ready_key(void *arg, enum key_type type)
{
	const struct engine_importer *i = arg;

	return i->g->o.ready_key(i->g->o.ready_key_arg, type);
}

void engine_secret_env(struct engine_importer *i, struct secret_env *env)
{
	*env = (struct secret_env){
		.now = engine_now(i->g),
		.import = import_value,
		.ready_key = i->g->o.ready_key ? ready_key : NULL,
		.arg = i,
	};
}

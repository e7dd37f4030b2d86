/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A change takes effect: everything of it in one transaction.
 *
 * Older versions are rows of STORE_HISTORY: name, NUL, number (big-endian, so
 * that they stand in order) => hash, policy.
 */
#include <endian.h>
#include <errno.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "cas/engine_change.h"
#include "lib/string.h"

static const char sealed_row[] = "root-sealed";

/* ---- older versions ---- */

enum { HISTORY_KEY_MAX = SESSION_NAME_MAX + 1 + 4 };

static size_t history_prefix(const char *name, char key[HISTORY_KEY_MAX])
{
	size_t n = strlen(name) + 1;

	memcpy(key, name, n);
	return n;
}

struct versions {
	uint32_t first, last; /* 0: none */
	int64_t oldest_bytes, bytes;
};

static int version_see(void *arg, const char *key, size_t key_size,
	const void *value, size_t size)
{
	struct versions *v = arg;
	uint32_t number;

	if (key_size < 4)
		return -EBADMSG;
	memcpy(&number, key + key_size - 4, 4);
	v->last = be32toh(number);
	if (!v->first) {
		v->first = v->last;
		v->oldest_bytes = (int64_t)size;
	}
	v->bytes += (int64_t)size;
	return 0;
}

/* The present version becomes an older one; the oldest makes room. */
static int history_add(struct change *ch, struct store_txn *x)
{
	char key[HISTORY_KEY_MAX];
	size_t n = history_prefix(ch->name, key);
	struct buf row = {.secret = true};
	struct versions v = {0};
	uint32_t number;
	int ret = store_each(
		ch->g->store, STORE_HISTORY, key, n, version_see, &v);

	if (!ret && v.last == UINT32_MAX)
		ret = -EDQUOT;
	if (!ret) {
		buf_add(&row, ch->old->hash, 32);
		ret = session_encode(ch->old->session, &row);
	}
	if (!ret) {
		number = htobe32(v.last + 1);
		memcpy(key + n, &number, 4);
		store_put(x, STORE_HISTORY, key, n + 4, row.data, row.size);
		ch->usage.bytes += (int64_t)row.size;
	}
	if (!ret && v.first && v.last - v.first + 1 >= ENGINE_VERSIONS_MAX) {
		number = htobe32(v.first);
		memcpy(key + n, &number, 4);
		store_delete(x, STORE_HISTORY, key, n + 4);
		ch->usage.bytes -= v.oldest_bytes;
	}
	buf_fini(&row);
	return ret;
}

struct forgetting {
	struct store_txn *x;
	int64_t bytes;
};

static int version_forget(void *arg, const char *key, size_t key_size,
	const void *value, size_t size)
{
	struct forgetting *f = arg;

	store_delete(f->x, STORE_HISTORY, key, key_size);
	f->bytes += (int64_t)size;
	return 0;
}

struct finding {
	const uint8_t *hash;
	struct session **out;
	struct err *e;
};

static int version_find(void *arg, const char *key, size_t key_size,
	const void *value, size_t size)
{
	struct finding *f = arg;
	int ret;

	if (size < 32 || memcmp(value, f->hash, 32) != 0)
		return 0;
	ret = session_decode(
		(const uint8_t *)value + 32, size - 32, f->out, f->e);
	return ret ? ret : 1;
}

int engine_version(struct engine *g, const char *name,
	const uint8_t hash[SESSION_HASH_SIZE], struct session **out,
	struct err *e)
{
	char key[HISTORY_KEY_MAX];
	size_t n = history_prefix(name, key);
	struct finding f = {hash, out, e};
	int ret = store_each(g->store, STORE_HISTORY, key, n, version_find, &f);

	if (ret)
		return ret < 0 ? ret : 0;
	return err_setf(e, -ENOENT,
		"%s: no version with this hash; the last %d are kept", name,
		(int)ENGINE_VERSIONS_MAX);
}

/* ---- rows of the session ---- */

static int64_t row_size(struct engine *g, enum store_table t, const char *name)
{
	const void *row;
	size_t size;

	return store_get(g->store, t, name, strlen(name), &row, &size, NULL)
		? (int64_t)size
		: 0;
}

static int session_put(struct change *ch, struct store_txn *x, struct err *e)
{
	struct buf row = {.secret = true};
	int ret = session_encode(ch->next, &row);

	if (ret == -ERANGE)
		err_setf(e, ret = -EINVAL,
			"%s: larger than %d bytes in canonical form", ch->name,
			(int)SESSION_SIZE_MAX);
	else if (ret)
		err_setf(e, ret, "no memory");
	if (!ret) {
		store_put(x, STORE_SESSION, ch->name, strlen(ch->name),
			row.data, row.size);
		ch->usage.bytes += (int64_t)row.size -
			row_size(ch->g, STORE_SESSION, ch->name);
	}
	buf_fini(&row);
	return ret;
}

static int values_put(struct change *ch, struct store_txn *x, struct err *e)
{
	struct engine_importer importer = {ch->g, ch->next, ch->hash};
	const struct secret_set *old_set = NULL;
	struct secret_set *set = NULL;
	struct buf row = {.secret = true};
	struct secret_env env;
	int ret = 0;

	if (ch->old)
		ret = engine_secrets(ch->g, ch->old, &old_set, e);
	if (ret)
		return ret;
	engine_secret_env(&importer, &env);
	ret = secret_set_make(ch->next, ch->old ? ch->old->session : NULL,
		old_set, &env, &set, e);
	if (!ret)
		ret = secret_set_encode(set, &row);
	if (!ret) {
		store_put(x, STORE_SECRETS, ch->name, strlen(ch->name),
			row.data, row.size);
		ch->usage.bytes += (int64_t)row.size -
			row_size(ch->g, STORE_SECRETS, ch->name);
	}
	buf_fini(&row);
	secret_set_free(set);
	return ret;
}

/* CAS keeps a key for it: not imported, none in the policy. */
static bool keeps_key(const struct session_volume *v)
{
	return !v->import.count && !v->key;
}

static no_inline int volume_row_make(struct change *ch,
	const struct session_volume *v, struct store_txn *x, struct err *e)
{
	struct volume_record r = {0};
	struct volume_place at;
	int ret = engine_volume_place(ch->g, ch->next, ch->hash, v, &at, e);

	if (ret == -ENAMETOOLONG)
		return err_setf(
			e, -EINVAL, "%s: its name is too long", v->name);
	if (ret || v->import.count || !engine_volume_get(ch->g, &at, &r, NULL))
		goto out;
	if (keeps_key(v) && RAND_priv_bytes(r.key, sizeof(r.key)) != 1) {
		ret = err_setf(e, -EIO, "no randomness for a volume's key");
		goto out;
	}
	engine_volume_put(x, &at, &r);
	ch->volumes++;
out:
	string_wipe(&r, sizeof(r));
	return ret;
}

static no_inline int volumes_put(
	struct change *ch, struct store_txn *x, struct err *e)
{
	const struct session_volume *v = ch->next ? ch->next->volumes.item
						  : NULL;
	size_t count = ch->next ? ch->next->volumes.count : 0;
	const struct session_volume *old;
	struct volume_place at;
	int ret = 0;

	for (size_t i = 0; !ret && i < count; i++)
		ret = volume_row_make(ch, &v[i], x, e);
	if (!ch->old)
		return ret;
	old = ch->old->session->volumes.item;
	for (size_t i = 0; !ret && i < ch->old->session->volumes.count; i++) {
		v = ch->next ? session_volume(ch->next, old[i].name) : NULL;
		if (old[i].import.count || (v && !v->import.count))
			continue;
		ret = volume_row_key(ch->name, old[i].name, &at);
		if (ret)
			break;
		store_delete(x, STORE_VOLUME, at.key, at.key_size);
		ch->volumes--;
	}
	return ret;
}

/* ---- all of it ---- */

static int first_row(void *arg, const char *key, size_t key_size,
	const void *value, size_t size)
{
	const char *self = arg;

	return strlen(self) != key_size || memcmp(key, self, key_size) != 0;
}

static no_inline int delete_apply(
	struct change *ch, struct store_txn *x, struct err *e)
{
	char key[HISTORY_KEY_MAX];
	struct forgetting f = {.x = x};
	size_t n = strlen(ch->name);
	bool root = strcmp(ch->name, "/") == 0;
	int ret;

	memcpy(key, ch->name, n);
	key[n] = '/';
	if (store_each(ch->g->store, STORE_SESSION, key, root ? 0 : n + 1,
		    first_row, ch->name))
		return err_setf(e, -EBUSY,
			"%s: has sessions below it; delete them first",
			ch->name);
	ret = services_forget(ch->g, ch->old->session, x, e);
	if (!ret)
		ret = volumes_put(ch, x, e);
	if (ret)
		return ret;
	f.bytes = row_size(ch->g, STORE_SESSION, ch->name) +
		row_size(ch->g, STORE_SECRETS, ch->name);
	store_delete(x, STORE_SESSION, ch->name, n);
	store_delete(x, STORE_SECRETS, ch->name, n);
	ret = store_each(ch->g->store, STORE_HISTORY, key,
		history_prefix(ch->name, key), version_forget, &f);
	ch->usage.bytes = -f.bytes;
	ch->usage.sessions = -1;
	return ret;
}

static int namespace_check(const struct change *ch, struct err *e)
{
	struct bytes want = ch->next->namespace_hash;

	if (!want.size || ch->kind != CHANGE_CREATE)
		return 0;
	if (ch->parent && want.size == 32 &&
		memcmp(want.data, ch->parent->hash, 32) == 0)
		return 0;
	return err_setf(e, -ESTALE,
		"%s: namespace_hash is not that of its name space as it is now",
		ch->name);
}

static int put_apply(struct change *ch, struct store_txn *x, struct err *e)
{
	int ret = namespace_check(ch, e);

	if (!ret)
		ret = engine_requirements(ch->g, ch->next, e);
	if (!ret)
		ret = session_put(ch, x, e);
	if (!ret)
		ret = values_put(ch, x, e);
	if (!ret)
		ret = volumes_put(ch, x, e);
	if (!ret && ch->old)
		ret = history_add(ch, x);
	if (ret)
		return ret;
	ch->usage.sessions = ch->old ? 0 : 1;
	if (!ch->old && strcmp(ch->name, "/") != 0)
		store_put(
			x, STORE_META, sealed_row, strlen(sealed_row), "1", 1);
	return 0;
}

int change_apply(struct change *ch, const uint8_t *actor, struct store_txn *x,
	struct err *e)
{
	static const char *const what[] = {
		[CHANGE_CREATE] = "session.create",
		[CHANGE_UPDATE] = "session.update",
		[CHANGE_DELETE] = "session.delete",
	};
	struct audit_event ev = {
		.what = what[ch->kind],
		.object = ch->name,
		.actor = actor,
		.before = ch->old ? ch->old->hash : NULL,
		.after = ch->next ? ch->hash : NULL,
	};
	int ret;

	ch->usage = (struct usage_change){0};
	ch->volumes = 0;
	ret = ch->kind == CHANGE_DELETE ? delete_apply(ch, x, e)
					: put_apply(ch, x, e);
	if (!ret)
		ret = usage_allow(ch->g, ch->name, &ch->usage, e);
	if (!ret)
		engine_audit(x, ch->next ? ch->next : ch->old->session, &ev);
	return ret;
}

void change_done(struct change *ch)
{
	struct engine_counts *n = &ch->g->counts;
	struct held *now;

	usage_apply(ch->g, ch->name, &ch->usage);
	n->sessions += (uint64_t)ch->usage.sessions;
	n->volumes += (uint64_t)ch->volumes;
	n->created += ch->kind == CHANGE_CREATE;
	n->updated += ch->kind == CHANGE_UPDATE;
	/* What is at hand of it, with values that are destroyed, goes now, and
	 * not when somebody asks for it the next time. */
	if (ch->kind != CHANGE_CREATE &&
		engine_hold(ch->g, ch->name, &now, NULL) == 0)
		engine_unhold(ch->g, now);
}

int change_diff(const struct change *ch, struct buf *out)
{
	const struct session_volume *v;

	if (ch->next)
		return session_diff(
			ch->old ? ch->old->session : NULL, ch->next, out);
	buf_format(out, "session %s: deleted: its values are destroyed\n",
		ch->name);
	v = ch->old ? ch->old->session->volumes.item : NULL;
	for (size_t i = 0; v && i < ch->old->session->volumes.count; i++)
		if (!v[i].import.count)
			buf_format(out,
				"volume %s: its key is destroyed: what is in "
				"it is lost\n",
				v[i].name);
	return buf_check(out);
}

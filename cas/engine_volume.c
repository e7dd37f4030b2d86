/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes' rows: keys that CAS made, tags that it acknowledged.
 *
 * Layout of a row: version, flags, two zeros, four zeros, le64 term, key, tag,
 * holder. What is not there is zero.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "cas/engine_int.h"
#include "lib/string.h"

enum { ROW_VERSION = 1, ROW_TAG = 1, ROW_HOLDER = 2 };

struct volume_row {
	uint8_t version, flags;
	uint8_t zero[6];
	uint64_t term; /* little-endian */
	uint8_t key[VOL_KEY_SIZE];
	uint8_t tag[VOL_TAG_SIZE];
	uint8_t holder[ENGINE_INSTANCE_SIZE];
};
static_assert_size(struct volume_row, 16 + 80);

int volume_row_key(
	const char *session, const char *volume, struct volume_place *out)
{
	size_t n = strlen(session), m = strlen(volume);

	if (n + 1 + m > sizeof(out->key))
		return -ENAMETOOLONG;
	memcpy(out->key, session, n + 1);
	memcpy(out->key + n + 1, volume, m);
	out->key_size = n + 1 + m;
	return 0;
}

static int not_there(const struct session *s, const struct session_volume *v,
	const struct session_ref *from, struct err *e)
{
	return err_setf(e, -EPERM,
		"%s: volume %s of %s: not there, not exported to %s, or "
		"another version than the hash says",
		v->name, from->secret ? from->secret : v->name,
		from->session ? from->session : "?", s->name);
}

/* The volume that h exports under that name. */
static const struct session_volume *exported(struct engine *g,
	const struct held *h, const char *name, const struct session *to,
	const uint8_t *hash, const struct session_ref **by)
{
	const struct session_volume *v = h->session->volumes.item;

	for (size_t i = 0; i < h->session->volumes.count; i++) {
		const char *alias;

		if (!engine_exports(g, &v[i].exports, to, hash, by))
			continue;
		alias = (*by)->alias ? (*by)->alias : v[i].name;
		if (strcmp(alias, name) == 0)
			return &v[i];
	}
	return NULL;
}

int engine_volume_place(struct engine *g, const struct session *s,
	const uint8_t hash[SESSION_HASH_SIZE], const struct session_volume *v,
	struct volume_place *out, struct err *e)
{
	const struct session_ref *from = v->import.item, *by = NULL;
	const struct session_volume *theirs = NULL;
	struct held *h;
	int ret;

	*out = (struct volume_place){
		.update_policy = VOLUME_ROLLBACK_PROTECTED,
	};
	if (!v->import.count)
		return volume_row_key(s->name, v->name, out);
	if (!from->session || engine_hold(g, from->session, &h, NULL))
		return not_there(s, v, from, e);
	if (engine_pinned(from, h))
		theirs = exported(g, h, from->secret ? from->secret : v->name,
			s, hash, &by);
	/* Only those who have a volume may give it away. */
	if (!theirs || theirs->import.count) {
		ret = not_there(s, v, from, e);
	} else {
		ret = volume_row_key(h->name, theirs->name, out);
		out->imported = true;
		out->update_policy = by->update_policy;
	}
	engine_unhold(g, h);
	return ret;
}

int engine_volume_get(struct engine *g, const struct volume_place *at,
	struct volume_record *out, uint64_t *seq)
{
	struct volume_row row;
	const void *data;
	size_t size;

	if (!store_get(g->store, STORE_VOLUME, at->key, at->key_size, &data,
		    &size, seq))
		return -ENOENT;
	if (size != sizeof(row))
		return -EBADMSG;
	memcpy(&row, data, sizeof(row));
	if (row.version != ROW_VERSION)
		return -EBADMSG;
	*out = (struct volume_record){
		.has_tag = row.flags & ROW_TAG,
		.has_holder = row.flags & ROW_HOLDER,
		.term = le64toh(row.term),
	};
	memcpy(out->key, row.key, sizeof(row.key));
	memcpy(out->tag, row.tag, sizeof(row.tag));
	memcpy(out->holder, row.holder, sizeof(row.holder));
	string_wipe(&row, sizeof(row));
	return 0;
}

void engine_volume_put(struct store_txn *x, const struct volume_place *at,
	const struct volume_record *r)
{
	struct volume_row row = {
		.version = ROW_VERSION,
		.flags = (uint8_t)((r->has_tag ? ROW_TAG : 0) |
			(r->has_holder ? ROW_HOLDER : 0)),
		.term = htole64(r->term),
	};

	memcpy(row.key, r->key, sizeof(row.key));
	if (r->has_tag)
		memcpy(row.tag, r->tag, sizeof(row.tag));
	if (r->has_holder)
		memcpy(row.holder, r->holder, sizeof(row.holder));
	store_put(x, STORE_VOLUME, at->key, at->key_size, &row, sizeof(row));
	string_wipe(&row, sizeof(row));
}

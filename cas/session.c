/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions in their canonical form: to it, from it, its hash; lookups. */
#include "cas/session.h"

#include <errno.h>
#include <stdlib.h>

#include "cas/session_schema.h"
#include "crypto/sha256.h"
#include "lib/schema_encode.h"
#include "lib/string.h"

/* ---- encoding ---- */

int session_encode(const struct session *s, struct buf *out)
{
	struct cbor_writer w;
	uint8_t *bytes;
	size_t size;

	/* The first pass measures. */
	cbor_writer_init(&w, NULL, 0);
	schema_encode(&session_schema, s, &w);
	size = w.len;
	if (size > SESSION_SIZE_MAX)
		return -ERANGE;
	bytes = malloc(size);
	if (!bytes)
		return -ENOMEM;
	cbor_writer_init(&w, bytes, size);
	schema_encode(&session_schema, s, &w);
	buf_add(out, bytes, size);
	/* It may have values that somebody wrote into the policy. */
	string_wipe(bytes, size);
	free(bytes);
	return buf_check(out);
}

int session_hash(
	const struct session *s, uint8_t hash[static SESSION_HASH_SIZE])
{
	struct buf form = {.secret = true};
	struct session named = *s;
	int ret;

	named.predecessor = (struct bytes){0};
	ret = session_encode(&named, &form);
	if (ret == 0)
		sha256(form.data, form.size, hash);
	buf_fini(&form);
	return ret;
}

/* ---- decoding: what the tables cannot say ---- */

static bool is_size(struct bytes b, size_t size)
{
	return b.size == 0 || b.size == size;
}

static bool is_rule(const struct access_rule *r)
{
	bool least = r->kind == PRINCIPAL_AT_LEAST;
	bool variable = r->variable != NULL;

	if (least != (r->count > 0) || least != (r->need > 0) ||
		r->need > r->count)
		return false;
	switch (r->kind) {
	case PRINCIPAL_KEY:
		return r->key.size == 32 && !variable;
	case PRINCIPAL_SIGNER:
		return variable != (r->key.size == 32 && r->spki.size > 0);
	case PRINCIPAL_VARIABLE:
		return variable;
	default:
		return r->key.size == 0 && !variable;
	}
}

/* Every rule has its children, and no rule is nobody's. */
static bool is_forest(const struct item_list *list)
{
	const struct access_rule *rules = list->item;
	size_t due = 0; /* children that are still to come */

	for (size_t i = 0; i < list->count; i++) {
		if (!is_rule(&rules[i]))
			return false;
		if (due > 0)
			due--;
		due += rules[i].count;
		if (due > list->count)
			return false;
	}
	return due == 0;
}

static bool are_refs(const struct item_list *list)
{
	const struct session_ref *refs = list->item;

	for (size_t i = 0; i < list->count; i++)
		if (!is_size(refs[i].hash, 32) ||
			!refs[i].session == !refs[i].namespace)
			return false;
	return true;
}

/* The structures of these lists begin with their name. */
static_assert_offset(struct session_service, name, 0);
static_assert_offset(struct secret_spec, name, 0);
static_assert_offset(struct session_volume, name, 0);
static_assert_offset(struct session_image, name, 0);

static const char *name_at(const struct item_list *list, size_t size, size_t i)
{
	const char *name;

	memcpy(&name, (const uint8_t *)list->item + i * size, sizeof(name));
	return name;
}

/* Lookups take this for granted. */
static bool is_sorted(const struct item_list *list, size_t size)
{
	for (size_t i = 1; i < list->count; i++)
		if (strcmp(name_at(list, size, i - 1),
			    name_at(list, size, i)) >= 0)
			return false;
	return true;
}

static bool are_sorted(const struct session *s)
{
	return is_sorted(&s->services, sizeof(struct session_service)) &&
		is_sorted(&s->secrets, sizeof(struct secret_spec)) &&
		is_sorted(&s->volumes, sizeof(struct session_volume)) &&
		is_sorted(&s->images, sizeof(struct session_image));
}

static int check(const struct session *s, struct err *e)
{
	const struct secret_spec *secrets = s->secrets.item;
	const struct session_volume *volumes = s->volumes.item;
	bool fine = is_size(s->predecessor, 32) &&
		is_size(s->namespace_hash, 32) && is_size(s->salt, 16) &&
		is_size(s->creator, 32) && is_size(s->audit_key, 32) &&
		is_forest(&s->board.veto) && are_sorted(s);

	for (size_t i = 0; i < ACCESS_RIGHTS; i++)
		fine = fine && is_forest(&s->access[i]);
	for (size_t i = 0; i < s->secrets.count; i++)
		fine = fine && are_refs(&secrets[i].import) &&
			are_refs(&secrets[i].exports);
	for (size_t i = 0; i < s->volumes.count; i++)
		fine = fine && are_refs(&volumes[i].import) &&
			are_refs(&volumes[i].exports);
	return fine ? 0
		    : err_setf(e, -EBADMSG,
			      "session: bytes of the wrong size, names "
			      "out of order, or rules without their "
			      "members");
}

/* The session and all it points to, in one piece of memory. */
struct session_memory {
	struct session session;
	size_t size;
	uint8_t data[];
};

static struct session_memory *memory_new(size_t size)
{
	struct session_memory *m = malloc(sizeof(*m) + size);

	if (m)
		*m = (struct session_memory){.session.memory = m, .size = size};
	return m;
}

static int decode(const void *data, size_t size, size_t room,
	struct session **out, size_t *used, struct err *e)
{
	struct session_memory *m = memory_new(room);
	struct arena arena;
	int ret;

	if (!m)
		return err_setf(e, -ENOMEM, "session: no memory");
	arena_init(&arena, m->data, room);
	ret = schema_decode(
		&session_schema, &m->session, data, size, &arena, e);
	m->session.memory = m;
	m->size = arena.used;
	if (ret == 0)
		ret = check(&m->session, e);
	*used = arena.used;
	if (ret == 0)
		*out = &m->session;
	else
		session_free(&m->session);
	return ret;
}

/* Twice: the arena must be large enough for anything, but there are sessions
 * by the hundred thousand. */
int session_decode(
	const void *data, size_t size, struct session **out, struct err *e)
{
	struct session *wide = NULL;
	size_t used;
	int ret;

	if (size > SESSION_SIZE_MAX)
		return err_setf(e, -ERANGE, "session: %zu bytes; wanted <= %d",
			size, SESSION_SIZE_MAX);
	ret = decode(data, size, SCHEMA_ARENA_SIZE(size), &wide, &used, e);
	session_free(wide);
	return ret < 0 ? ret : decode(data, size, used, out, &used, e);
}

void session_free(struct session *s)
{
	struct session_memory *m = s ? s->memory : NULL;

	if (!m)
		return;
	string_wipe(m->data, m->size);
	free(m);
}

/* ---- lookups: all lists are sorted by name ---- */

static const void *find(
	const struct item_list *list, size_t size, const char *name)
{
	size_t low = 0, high = list->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(name, name_at(list, size, middle));

		if (order == 0)
			return (const uint8_t *)list->item + middle * size;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

const struct session_service *session_service(
	const struct session *s, const char *name)
{
	return find(&s->services, sizeof(struct session_service), name);
}

const struct secret_spec *session_secret(
	const struct session *s, const char *name)
{
	return find(&s->secrets, sizeof(struct secret_spec), name);
}

const struct session_volume *session_volume(
	const struct session *s, const char *name)
{
	return find(&s->volumes, sizeof(struct session_volume), name);
}

const struct session_image *session_image(
	const struct session *s, const char *name)
{
	return find(&s->images, sizeof(struct session_image), name);
}

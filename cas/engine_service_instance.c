/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instances and what is counted for services: tables in memory and their rows.
 *
 * Keys of rows: 'i' and the 16 bytes of an instance; 's' and "session/service".
 */
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "cas/engine_service.h"
#include "lib/schema_encode.h"
#include "lib/string.h"

enum { ROW_VERSION = 1, KEY_INSTANCE = 'i', KEY_STATE = 's' };

/* ---- rows ---- */

struct volume_row {
	struct bytes key; /* of STORE_VOLUME */
	const char *name;
	uint64_t term, imported;
};

struct instance_row {
	uint64_t version;
	const char *session, *service;
	struct bytes measured;
	uint64_t started, lease, on_expiry;
	struct item_list volumes; /* of struct volume_row */
};

#define AT(type, field) .offset = offsetof(struct type, field)
static const struct schema_field volume_fields[] = {
	{"key", SCHEMA_BYTES, 0, AT(volume_row, key),
		.max = VOLUME_ROW_KEY_MAX},
	{"name", SCHEMA_TEXT, 0, AT(volume_row, name), .min = 1, .max = 64},
	{"term", SCHEMA_UINT, 0, AT(volume_row, term), .max = UINT64_MAX},
	{"imported", SCHEMA_UINT, 0, AT(volume_row, imported), .max = 1},
};
static const struct schema volume_schema = {"instance volume", volume_fields,
	ARRAY_SIZE(volume_fields), sizeof(struct volume_row), NULL};
static const struct schema_field instance_fields[] = {
	{"lease", SCHEMA_UINT, 0, AT(instance_row, lease), .max = UINT32_MAX},
	{"service", SCHEMA_TEXT, 0, AT(instance_row, service), .min = 1,
		.max = 1024},
	{"session", SCHEMA_TEXT, 0, AT(instance_row, session), .min = 1,
		.max = SESSION_NAME_MAX},
	{"started", SCHEMA_UINT, 0, AT(instance_row, started),
		.max = UINT64_MAX},
	{"version", SCHEMA_UINT, 0, AT(instance_row, version), .max = 1},
	{"volumes", SCHEMA_STRUCT_LIST, 0, AT(instance_row, volumes),
		.max = MANIFEST_VOLUMES_MAX, .sub = &volume_schema},
	{"measured", SCHEMA_BYTES, 0, AT(instance_row, measured),
		.max = SHA256_SIZE},
	{"on_expiry", SCHEMA_UINT, 0, AT(instance_row, on_expiry), .max = 1},
};
static const struct schema instance_schema = {"instance", instance_fields,
	ARRAY_SIZE(instance_fields), sizeof(struct instance_row), NULL};

static void instance_key(const uint8_t id[ENGINE_INSTANCE_SIZE],
	char key[static 1 + ENGINE_INSTANCE_SIZE])
{
	key[0] = KEY_INSTANCE;
	memcpy(key + 1, id, ENGINE_INSTANCE_SIZE);
}

int instance_put(const struct instance *i, struct store_txn *x)
{
	struct volume_row volumes[MANIFEST_VOLUMES_MAX];
	struct instance_row row = {
		.version = ROW_VERSION,
		.session = i->session,
		.service = i->service,
		.measured = {i->measured, sizeof(i->measured)},
		.started = i->started,
		.lease = i->lease,
		.on_expiry = i->on_expiry,
		.volumes = {volumes, i->volume_count},
	};
	char key[1 + ENGINE_INSTANCE_SIZE];
	struct cbor_writer w;
	uint8_t *data;

	for (size_t k = 0; k < i->volume_count; k++)
		volumes[k] = (struct volume_row){
			.key = {(const uint8_t *)i->volumes[k].place.key,
				i->volumes[k].place.key_size},
			.name = i->volumes[k].name,
			.term = i->volumes[k].term,
			.imported = i->volumes[k].place.imported,
		};
	cbor_writer_init(&w, NULL, 0);
	schema_encode(&instance_schema, &row, &w);
	data = malloc(w.len);
	if (!data)
		return -ENOMEM;
	cbor_writer_init(&w, data, w.len);
	schema_encode(&instance_schema, &row, &w);
	instance_key(i->id, key);
	store_put(x, STORE_INSTANCE, key, sizeof(key), data, w.len);
	free(data);
	return 0;
}

void instance_end(
	struct services *v, const struct instance *i, struct store_txn *x)
{
	char key[1 + ENGINE_INSTANCE_SIZE];

	for (size_t k = 0; k < i->volume_count; k++) {
		const struct instance_volume *vol = &i->volumes[k];
		struct volume_record r;

		/* The term stays: whoever comes next has a higher one. */
		if (engine_volume_get(v->g, &vol->place, &r, NULL) < 0 ||
			r.term != vol->term || !r.has_holder ||
			memcmp(r.holder, i->id, sizeof(r.holder)) != 0)
			continue;
		r.has_holder = false;
		engine_volume_put(x, &vol->place, &r);
		string_wipe(&r, sizeof(r));
	}
	instance_key(i->id, key);
	store_delete(x, STORE_INSTANCE, key, sizeof(key));
}

bool instance_is_stored(struct services *v, const struct instance *i)
{
	char key[1 + ENGINE_INSTANCE_SIZE];
	const void *row;
	uint64_t seq;
	size_t size;

	instance_key(i->id, key);
	return store_get(v->g->store, STORE_INSTANCE, key, sizeof(key), &row,
		&size, &seq);
}

/* ---- the table ---- */

static int by_id(const void *a, const void *b)
{
	const struct instance *x = a, *y = b;

	return memcmp(x->id, y->id, sizeof(x->id));
}

struct instance *instance_find(
	struct services *v, const uint8_t id[ENGINE_INSTANCE_SIZE])
{
	struct instance wanted, **found;

	memcpy(wanted.id, id, sizeof(wanted.id));
	found = tfind(&wanted, &v->instance_tree, by_id);
	return found ? *found : NULL;
}

struct instance *instance_new(
	struct services *v, const char *session, const char *service)
{
	struct instance *i = calloc(1, sizeof(*i));
	struct buf name = {0};

	if (!i)
		return NULL;
	list_init(&i->link);
	i->session = strdup(session);
	i->service = strdup(service);
	buf_format(&name, "%s/%s", session, service);
	if (buf_check(&name) == 0)
		i->state = service_state_get(v, (char *)name.data);
	buf_fini(&name);
	if (i->session && i->service && i->state)
		return i;
	instance_free(i);
	return NULL;
}

void instance_free(struct instance *i)
{
	if (!i)
		return;
	for (size_t k = 0; k < i->volume_count; k++)
		free(i->volumes[k].object);
	free(i->volumes);
	free(i->session);
	free(i->service);
	free(i);
}

int instance_add(struct services *v, struct instance *i)
{
	if (!tsearch(i, &v->instance_tree, by_id))
		return -ENOMEM;
	list_add_tail(&v->instances, &i->link);
	i->state->live++;
	return 0;
}

void instance_remove(struct services *v, struct instance *i)
{
	tdelete(i, &v->instance_tree, by_id);
	list_del(&i->link);
	i->state->live--;
}

bool instance_is_live(const struct services *v, const struct instance *i)
{
	return !i->over && !i->fenced && i->lease_end > v->clock;
}

/* ---- what is counted ---- */

struct state_row {
	uint64_t version, minute, otp_step;
	struct bytes starts; /* 60 times le32 */
};

static const struct schema_field state_fields[] = {
	{"minute", SCHEMA_UINT, 0, AT(state_row, minute), .max = INT64_MAX},
	{"starts", SCHEMA_BYTES, 0, AT(state_row, starts), .max = 240},
	{"version", SCHEMA_UINT, 0, AT(state_row, version), .max = 1},
	{"otp_step", SCHEMA_UINT, 0, AT(state_row, otp_step), .max = INT64_MAX},
};
static const struct schema state_schema = {"service state", state_fields,
	ARRAY_SIZE(state_fields), sizeof(struct state_row), NULL};

static int by_name(const void *a, const void *b)
{
	const struct service_state *x = a, *y = b;

	return strcmp(x->name, y->name);
}

struct service_state *service_state_get(struct services *v, const char *name)
{
	struct service_state wanted = {.name = (char *)(uintptr_t)name}, *s,
			     **found;

	found = tfind(&wanted, &v->state_tree, by_name);
	if (found)
		return *found;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->name = strdup(name);
	if (s->name && tsearch(s, &v->state_tree, by_name))
		return s;
	free(s->name);
	free(s);
	return NULL;
}

void service_state_put(const struct service_state *s, struct store_txn *x)
{
	struct state_row row = {
		.version = ROW_VERSION,
		.minute = (uint64_t)s->minute,
		.otp_step = (uint64_t)s->otp_step,
	};
	uint8_t starts[240], data[512];
	struct buf key = {0};
	struct cbor_writer w;

	for (size_t i = 0; i < 60; i++)
		for (size_t k = 0; k < 4; k++)
			starts[4 * i + k] = (uint8_t)(s->starts[i] >> (8 * k));
	row.starts = (struct bytes){starts, sizeof(starts)};
	cbor_writer_init(&w, data, sizeof(data));
	schema_encode(&state_schema, &row, &w);
	buf_format(&key, "%c%s", KEY_STATE, s->name);
	/* What is not counted lets one more start, after CAS's next one. */
	if (buf_check(&key) == 0)
		store_put(x, STORE_INSTANCE, (char *)key.data, key.size, data,
			w.len);
	buf_fini(&key);
}

uint64_t service_starts(struct service_state *s, int64_t now, bool add)
{
	int64_t minute = now / 60;
	uint64_t sum = 0;

	/* A clock that goes back starts no new hour. */
	if (minute - s->minute >= 60 || s->minute == 0)
		memset(s->starts, 0, sizeof(s->starts));
	else
		for (int64_t m = s->minute + 1; m <= minute; m++)
			s->starts[m % 60] = 0;
	if (minute > s->minute)
		s->minute = minute;
	if (add && s->starts[s->minute % 60] < UINT32_MAX)
		s->starts[s->minute % 60]++;
	for (size_t i = 0; i < 60; i++)
		sum += s->starts[i];
	return sum;
}

/* ---- at start ---- */

struct load {
	struct services *v;
	struct err *e;
	uint8_t *memory; /* of an arena */
	size_t size;
};

static int load_volumes(struct instance *i, const struct instance_row *row)
{
	const struct volume_row *r = row->volumes.item;
	size_t n = row->volumes.count;

	i->volumes = calloc(n + 1, sizeof(*i->volumes));
	if (!i->volumes)
		return -ENOMEM;
	for (size_t k = 0; k < n; k++) {
		struct instance_volume *vol = &i->volumes[k];

		if (string_copy(vol->name, sizeof(vol->name), r[k].name) < 0)
			return -EBADMSG;
		memcpy(vol->place.key, r[k].key.data, r[k].key.size);
		vol->place.key_size = r[k].key.size;
		vol->place.imported = r[k].imported;
		vol->term = r[k].term;
		vol->object = service_volume_object(&vol->place);
		i->volume_count = k + 1;
		if (!vol->object)
			return -ENOMEM;
	}
	return 0;
}

static int load_instance(struct load *l, const char *id, const void *value,
	size_t size, struct arena *arena)
{
	struct instance_row row;
	struct instance *i;
	int ret = schema_decode(
		&instance_schema, &row, value, size, arena, l->e);

	if (ret < 0 || row.version != ROW_VERSION ||
		row.measured.size != SHA256_SIZE)
		return ret < 0 ? ret
			       : err_setf(l->e, -EBADMSG,
					 "the row of an instance is of another "
					 "version");
	i = instance_new(l->v, row.session, row.service);
	if (!i)
		return err_setf(l->e, -ENOMEM, "no memory");
	memcpy(i->id, id, sizeof(i->id));
	memcpy(i->measured, row.measured.data, sizeof(i->measured));
	i->started = row.started;
	i->lease = row.lease;
	i->on_expiry = row.on_expiry;
	i->lease_end = l->v->clock + (int64_t)row.lease;
	ret = load_volumes(i, &row);
	if (ret == 0)
		ret = instance_add(l->v, i);
	if (ret < 0) {
		instance_free(i);
		return err_setf(
			l->e, ret, "the row of an instance of %s", row.session);
	}
	for (size_t k = 0; k < i->volume_count; k++) {
		struct volume_record r;

		if (engine_volume_get(l->v->g, &i->volumes[k].place, &r, NULL) <
				0 ||
			r.term != i->volumes[k].term)
			i->fenced = true;
	}
	l->v->g->counts.instances++;
	return 0;
}

static int load_state(struct load *l, const char *name, size_t len,
	const void *value, size_t size, struct arena *arena)
{
	struct service_state *s;
	struct state_row row;
	char *text;
	int ret = schema_decode(&state_schema, &row, value, size, arena, l->e);

	if (ret < 0)
		return ret;
	if (row.starts.size != 240)
		return err_setf(l->e, -EBADMSG, "the row of a service");
	text = strndup(name, len);
	s = text ? service_state_get(l->v, text) : NULL;
	free(text);
	if (!s)
		return err_setf(l->e, -ENOMEM, "no memory");
	s->minute = (int64_t)row.minute;
	s->otp_step = (int64_t)row.otp_step;
	for (size_t i = 0; i < 60; i++)
		for (size_t k = 0; k < 4; k++)
			s->starts[i] |= (uint32_t)row.starts.data[4 * i + k]
				<< (8 * k);
	return 0;
}

static int load_row(void *arg, const char *key, size_t key_size,
	const void *value, size_t size)
{
	struct load *l = arg;
	struct arena arena;

	if (SCHEMA_ARENA_SIZE(size) > l->size) {
		uint8_t *more = realloc(l->memory, SCHEMA_ARENA_SIZE(size));

		if (!more)
			return err_setf(l->e, -ENOMEM, "no memory");
		l->memory = more;
		l->size = SCHEMA_ARENA_SIZE(size);
	}
	arena_init(&arena, l->memory, l->size);
	if (key_size == 1 + ENGINE_INSTANCE_SIZE && key[0] == KEY_INSTANCE)
		return load_instance(l, key + 1, value, size, &arena);
	if (key_size > 1 && key[0] == KEY_STATE)
		return load_state(
			l, key + 1, key_size - 1, value, size, &arena);
	return err_setf(l->e, -EBADMSG, "an instance's row of unknown kind");
}

int instances_load(struct services *v, struct err *e)
{
	struct load l = {.v = v, .e = e};
	int ret = store_each(v->g->store, STORE_INSTANCE, "", 0, load_row, &l);

	free(l.memory);
	return ret;
}

static void state_free(void *p)
{
	struct service_state *s = p;

	free(s->name);
	free(s);
}

static void nothing(void *p)
{
}

void instances_free(struct services *v)
{
	struct instance *i, *next;

	tdestroy(v->instance_tree, nothing);
	list_for_each_entry_safe (i, next, &v->instances, link) {
		list_del(&i->link);
		instance_free(i);
	}
	tdestroy(v->state_tree, state_free);
}

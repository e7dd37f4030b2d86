/* SPDX-License-Identifier: Apache-2.0 */
/* What sessions give each other: exports and imports of secrets and volumes. */
#include <errno.h>

#include "cas/session_read.h"
#include "lib/string.h"

#define AT(type, field) offsetof(struct type, field)

static const char other_cas[] = "a session of another CAS cannot be named yet";

static int read_session(struct reader *r, const char *key, void *at)
{
	return read_session_name(r, key, at);
}

static int read_hash(struct reader *r, const char *key, void *at)
{
	return read_bytes(r, key, SESSION_HASH_SIZE, at);
}

static const struct key ref_keys[] = {
	{"session", read_session, AT(session_ref, session), 0, NULL},
	{"session_hash", read_hash, AT(session_ref, hash), 0, NULL},
	{"namespace", read_session, AT(session_ref, namespace), 0, NULL},
	{"cas_url", NULL, 0, KEY_ABSENT, other_cas},
	{"cas_key", NULL, 0, KEY_ABSENT, other_cas},
	{"cas_software_key", NULL, 0, KEY_ABSENT, other_cas},
};

/* {session, session_hash?} | {namespace, session_hash?} | "NAME" */
static int read_ref(struct reader *r, const char *key, void *at)
{
	struct session_ref *ref = at;
	struct place start = reader_place(r);
	struct seen seen;
	int ret;

	if (reader_is(r, YAML_SCALAR_EVENT)) {
		if (strstr(yaml_events_text(&r->y), "://"))
			return yaml_events_fail(&r->y, "%s: '%.40s': %s", key,
				yaml_events_text(&r->y), other_cas);
		return read_session_name(r, key, &ref->session);
	}
	ret = read_map(r, key, ref_keys, ARRAY_SIZE(ref_keys), ref, &seen);
	if (ret == 0 && !ref->session == !ref->namespace)
		return reader_fail_at(r, start,
			"%s: wanted either session or namespace", key);
	return ret;
}

int session_read_exports(struct reader *r, const char *key, void *at)
{
	return read_one_or_list(r, key, SESSION_LIST_MAX,
		sizeof(struct session_ref), read_ref, at);
}

/* ---- imports ---- */

static int read_there(struct reader *r, const char *key, void *at)
{
	return read_item_name(r, key, SESSION_ITEM_NAME_MAX, at);
}

#define IMPORT_KEYS(item)                                                      \
	{"session", read_session, AT(session_ref, session), KEY_NEEDED, NULL}, \
		{item, read_there, AT(session_ref, secret), KEY_NEEDED, NULL}, \
		{"session_hash", read_hash, AT(session_ref, hash), 0, NULL},   \
		{"hash", read_hash, AT(session_ref, hash), 0, NULL},           \
		{"cas_url", NULL, 0, KEY_ABSENT, other_cas},                   \
		{"cas_key", NULL, 0, KEY_ABSENT, other_cas},                   \
		{"cas_software_key", NULL, 0, KEY_ABSENT, other_cas},

static const struct key secret_import_keys[] = {IMPORT_KEYS("secret")};
static const struct key volume_import_keys[] = {IMPORT_KEYS("volume")};
enum { HASHES = 4 | 8 };

static int read_import(struct reader *r, const char *key,
	const struct key *keys, size_t count, struct item_list *list)
{
	struct session_ref *ref = pool_alloc(&r->pool, sizeof(*ref));
	struct place start = reader_place(r);
	struct seen seen;
	int ret;

	if (!ref)
		return reader_no_memory(r);
	*list = (struct item_list){ref, 1};
	ret = read_map(r, key, keys, count, ref, &seen);
	if (ret == 0 && (seen.mask & HASHES) == HASHES)
		return reader_fail_at(r, start,
			"%s: hash and session_hash are the same; wanted one",
			key);
	if (ret == 0 && strcmp(ref->session, r->s->name) == 0)
		return reader_fail_at(
			r, start, "%s: from this session itself", key);
	return ret;
}

int session_read_secret_import(struct reader *r, const char *key, void *at)
{
	return read_import(
		r, key, secret_import_keys, ARRAY_SIZE(secret_import_keys), at);
}

/* ---- volumes ---- */

static int read_volume_import(struct reader *r, const char *key, void *at)
{
	return read_import(
		r, key, volume_import_keys, ARRAY_SIZE(volume_import_keys), at);
}

static int read_alias(struct reader *r, const char *key, void *at)
{
	return read_item_name(r, key, SESSION_ITEM_NAME_MAX, at);
}

static int read_to(struct reader *r, const char *key, void *at)
{
	return read_ref(r, key, at);
}

const char *const session_update_policies[3] = {
	[VOLUME_ROLLBACK_PROTECTED] = "rollback_protected",
	[VOLUME_EPHEMERAL] = "ephemeral",
	[VOLUME_NO_ROLLBACK_PROTECTION] = "no_rollback_protection",
};

int session_read_update_policy(struct reader *r, const char *key, void *at)
{
	return read_choice(r, key, session_update_policies,
		ARRAY_SIZE(session_update_policies), at);
}

/* {to: ref, ...}, or a ref as above. */
static const struct key export_keys[] = {
	{"to", read_to, 0, 0, NULL},
	{"update_policy", session_read_update_policy,
		AT(session_ref, update_policy), 0, NULL},
	{"volume_alias", read_alias, AT(session_ref, alias), 0, NULL},
	{"session", read_session, AT(session_ref, session), 0, NULL},
	{"session_hash", read_hash, AT(session_ref, hash), 0, NULL},
	{"namespace", read_session, AT(session_ref, namespace), 0, NULL},
	{"cas_url", NULL, 0, KEY_ABSENT, other_cas},
	{"cas_key", NULL, 0, KEY_ABSENT, other_cas},
	{"cas_software_key", NULL, 0, KEY_ABSENT, other_cas},
};
enum { EXPORT_TO = 1, EXPORT_REF = 8 | 16 | 32 };

static int read_volume_export(struct reader *r, const char *key, void *at)
{
	struct session_ref *ref = at;
	struct place start = reader_place(r);
	struct seen seen = {0};
	int ret;

	if (reader_is(r, YAML_MAPPING_START_EVENT))
		ret = read_map(r, key, export_keys, ARRAY_SIZE(export_keys),
			ref, &seen);
	else
		ret = read_ref(r, key, ref);
	if (ret < 0)
		return ret;
	if (ref->namespace)
		return reader_fail_at(r, start,
			"%s: to name space %s; volumes are exported to "
			"sessions",
			key, ref->namespace);
	if (!ref->session ||
		((seen.mask & EXPORT_TO) && (seen.mask & EXPORT_REF)))
		return reader_fail_at(
			r, start, "%s: wanted to: {session: NAME}", key);
	return 0;
}

static int read_exports(struct reader *r, const char *key, void *at)
{
	return read_one_or_list(r, key, SESSION_LIST_MAX,
		sizeof(struct session_ref), read_volume_export, at);
}

static int read_volume_name(struct reader *r, const char *key, void *at)
{
	return read_item_name(r, key, 64, at);
}

static int read_files(struct reader *r, const char *key, void *at)
{
	static const char *const names[] = {"encrypted", "authenticated-only"};
	uint64_t choice = 0;
	int ret = read_choice(r, key, names, ARRAY_SIZE(names), &choice);

	*(bool *)at = choice == 1;
	return ret;
}

int session_read_fspf_key(struct reader *r, const char *key, void *at)
{
	return read_hex_or_variable(r, key, 32, at);
}

int session_read_fspf_tag(struct reader *r, const char *key, void *at)
{
	if (reader_is(r, YAML_SCALAR_EVENT) &&
		r->y.event.data.scalar.length == 32)
		return yaml_events_fail(&r->y,
			"%s: 32 digits, a tag of SCONE's file system "
			"protection, whose files are not read here; wanted 64 "
			"digits, as `sconce volume tag` and `sconce image` "
			"print them",
			key);
	return read_hex_or_variable(r, key, 32, at);
}

static const struct key volume_keys[] = {
	{"name", read_volume_name, AT(session_volume, name), KEY_NEEDED, NULL},
	{"files", read_files, AT(session_volume, authenticated_only), 0, NULL},
	{"fspf_key", session_read_fspf_key, AT(session_volume, key), 0, NULL},
	{"fspf_tag", session_read_fspf_tag, AT(session_volume, tag), 0, NULL},
	{"export", read_exports, AT(session_volume, exports), 0, NULL},
	{"import", read_volume_import, AT(session_volume, import), 0, NULL},
};
enum { VOLUME_OWN = 2 | 4 | 8 | 16, VOLUME_IMPORT = 32 };

static int read_volume(struct reader *r, const char *key, void *at)
{
	struct session_volume *v = at;
	struct place start = reader_place(r);
	struct seen seen;
	int ret = read_map(
		r, "volume", volume_keys, ARRAY_SIZE(volume_keys), v, &seen);

	(void)key;
	if (ret < 0)
		return ret;
	if ((seen.mask & VOLUME_IMPORT) && (seen.mask & VOLUME_OWN))
		return reader_fail_at(r, start,
			"volume %s: imported, so files, fspf_key, fspf_tag and "
			"export are the exporter's",
			v->name);
	if (v->tag && !v->key)
		return reader_fail_at(r, start,
			"volume %s: fspf_tag without fspf_key", v->name);
	return reader_define(r, DEF_VOLUME, v->name, start);
}

int session_read_volumes(struct reader *r, const char *key, void *at)
{
	return read_list(r, key, SESSION_LIST_MAX,
		sizeof(struct session_volume), read_volume, at);
}

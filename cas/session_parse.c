/* SPDX-License-Identifier: Apache-2.0 */
/* A policy as people write it: the top of the map, in two passes. */
#include <errno.h>
#include <stdlib.h>

#include "cas/session_read.h"
#include "lib/buf.h"
#include "lib/fmt.h"
#include "lib/string.h"

/* ---- the first pass: version and name, which the rest depends on ---- */

static const char *const versions[] = {"0.3", "0.3.1", "0.3.2", "0.3.3",
	"0.3.4", "0.3.5", "0.3.6", "0.3.7", "0.3.8", "0.3.9", "0.3.10",
	"0.3.11", "0.3.12", "1.0"};

static const char *version_of(const char *text)
{
	for (size_t i = 0; i < ARRAY_SIZE(versions); i++)
		if (strcmp(versions[i], text) == 0)
			return versions[i];
	return NULL;
}

enum { SKIP_DEPTH = 64 };

/* Over a value of the top map. */
static int skip_value(struct reader *r)
{
	unsigned depth = 0;
	int ret = 0;

	for (;;) {
		switch (r->y.event.type) {
		case YAML_SEQUENCE_START_EVENT:
		case YAML_MAPPING_START_EVENT:
			depth++;
			break;
		case YAML_SEQUENCE_END_EVENT:
		case YAML_MAPPING_END_EVENT:
			depth--;
			break;
		default:
			break;
		}
		if (depth > SKIP_DEPTH)
			return yaml_events_fail(&r->y,
				"more than %d lists and maps within each other",
				SKIP_DEPTH);
		if (depth == 0)
			return 0;
		ret = yaml_events_next(&r->y);
		if (ret < 0)
			return ret;
	}
}

static int take_version(struct reader *r)
{
	int ret = yaml_events_want(&r->y, YAML_SCALAR_EVENT, "version");

	if (ret < 0)
		return ret;
	r->s->version = version_of(yaml_events_text(&r->y));
	if (!r->s->version)
		return yaml_events_fail(&r->y,
			"version: '%.20s'; wanted \"0.3\" to \"0.3.12\", or "
			"\"1.0\"",
			yaml_events_text(&r->y));
	r->v1 = strcmp(r->s->version, "1.0") == 0;
	return 0;
}

static int take_head(struct reader *r)
{
	const char *key = yaml_events_text(&r->y);
	bool version = strcmp(key, "version") == 0;
	bool name = strcmp(key, "name") == 0;
	int ret = yaml_events_next(&r->y);

	if (ret < 0)
		return ret;
	if (version && !r->s->version)
		return take_version(r);
	if (name && !r->s->name)
		return read_session_name(r, "name", &r->s->name);
	return skip_value(r);
}

static int read_head(struct reader *r)
{
	int ret = yaml_events_begin(&r->y);

	if (ret == 0)
		ret = yaml_events_want(
			&r->y, YAML_MAPPING_START_EVENT, "session");
	while (ret == 0 && !(r->s->version && r->s->name)) {
		ret = yaml_events_next(&r->y);
		if (ret == 0 && reader_is(r, YAML_MAPPING_END_EVENT))
			break;
		if (ret == 0)
			ret = yaml_events_want(
				&r->y, YAML_SCALAR_EVENT, "session");
		if (ret == 0)
			ret = take_head(r);
	}
	if (ret < 0)
		return ret;
	if (!r->s->version)
		return err_setf(r->y.e, -EINVAL,
			"%s:1:1: key 'version' is missing; without it a policy "
			"has SCONE's version 0.1, which is not there; wanted "
			"\"0.3\" to \"0.3.12\", or \"1.0\"",
			r->y.name);
	if (!r->s->name)
		return err_setf(r->y.e, -EINVAL,
			"%s:1:1: key 'name' is missing in session", r->y.name);
	return 0;
}

/* ---- the second pass ---- */

static int read_known(struct reader *r, const char *key, void *at)
{
	(void)at;
	return yaml_events_want(&r->y, YAML_SCALAR_EVENT, key);
}

static int read_hash(struct reader *r, const char *key, void *at)
{
	return read_bytes(r, key, SESSION_HASH_SIZE, at);
}

static int read_salt(struct reader *r, const char *key, void *at)
{
	return read_bytes(r, key, 16, at);
}

static int read_audit_key(struct reader *r, const char *key, void *at)
{
	uint8_t raw[32], *copy;
	const char *text;
	int ret = read_text(r, key, 1, 8192, &text);

	if (ret < 0)
		return ret;
	if (!string_from_hex(text, raw, 32) &&
		session_key_x25519(text, raw) < 0)
		return yaml_events_fail(&r->y,
			"%s: '%.40s'; wanted an X25519 public key, as PEM or "
			"64 hexadecimal digits",
			key, text);
	copy = pool_alloc(&r->pool, sizeof(raw));
	if (!copy)
		return reader_no_memory(r);
	memcpy(copy, raw, sizeof(raw));
	*(struct bytes *)at = (struct bytes){copy, sizeof(raw)};
	return 0;
}

static int read_time(struct reader *r, const char *key, void *at)
{
	return read_duration(r, key, 1, at);
}

static const struct key board_keys[] = {
	{"open_for", read_time, offsetof(struct session_board, open_for), 0,
		NULL},
	{"open_at_least", read_time,
		offsetof(struct session_board, open_at_least), 0, NULL},
	{"veto", session_read_veto, offsetof(struct session_board, veto), 0,
		NULL},
};

static int read_board(struct reader *r, const char *key, void *at)
{
	struct session_board *b = at;
	struct place start = reader_place(r);
	struct seen seen;
	int ret = read_map(
		r, key, board_keys, ARRAY_SIZE(board_keys), b, &seen);

	if (ret == 0 && b->open_at_least >= b->open_for)
		return reader_fail_at(r, start,
			"board: open_at_least %llu s; wanted less than "
			"open_for (%llu s)",
			(unsigned long long)b->open_at_least,
			(unsigned long long)b->open_for);
	return ret;
}

const char *const session_rollbacks[3] = {"none", "tpm", "quorum"};

static int read_rollback(struct reader *r, const char *key, void *at)
{
	return read_choice(
		r, key, session_rollbacks, ARRAY_SIZE(session_rollbacks), at);
}

static const struct key requirements_keys[] = {
	{"rollback", read_rollback,
		offsetof(struct session_requirements, rollback), 0, NULL},
};

static int read_requirements(struct reader *r, const char *key, void *at)
{
	struct seen seen;

	return read_map(r, key, requirements_keys,
		ARRAY_SIZE(requirements_keys), at, &seen);
}

#define AT(field) offsetof(struct session, field)

static const struct key session_keys[] = {
	{"name", read_known, 0, KEY_NEEDED, NULL},
	{"version", read_known, 0, KEY_NEEDED, NULL},
	{"predecessor", read_hash, AT(predecessor), 0, NULL},
	{"namespace_hash", read_hash, AT(namespace_hash), 0, NULL},
	{"salt", read_salt, AT(salt), 0, NULL},
	{"creator", read_hash, AT(creator), 0, NULL},
	{"services", session_read_services, AT(services), 0, NULL},
	{"secrets", session_read_secrets, AT(secrets), 0, NULL},
	{"volumes", session_read_volumes, AT(volumes), 0, NULL},
	{"images", session_read_images, AT(images), 0, NULL},
	{"access_policy", session_read_access, 0, 0, NULL},
	{"security", session_read_security, AT(security), 0, NULL},
	{"board", read_board, AT(board), KEY_NEW, NULL},
	{"cas_requirements", read_requirements, AT(requirements), KEY_NEW,
		NULL},
	{"audit_key", read_audit_key, AT(audit_key), KEY_NEW, NULL},
	{"secret_config", NULL, 0, KEY_ABSENT,
		"values are not kept in an Azure key vault (akv); CAS keeps "
		"them"},
	{"edge", NULL, 0, KEY_ABSENT, "a CAS delegates to no other yet"},
};

static int read_body(struct reader *r)
{
	struct place at;
	struct seen seen;
	int ret = yaml_events_begin(&r->y);

	r->s->board.open_for = 7 * 86400;
	if (ret == 0)
		ret = read_map(r, "session", session_keys,
			ARRAY_SIZE(session_keys), r->s, &seen);
	if (ret == 0 && r->s->predecessor.size && r->s->namespace_hash.size) {
		(void)seen_has(&seen, session_keys, ARRAY_SIZE(session_keys),
			"namespace_hash", &at);
		ret = reader_fail_at(r, at,
			"namespace_hash beside predecessor; it is looked at "
			"when a session is created");
	}
	return ret < 0 ? ret : yaml_events_end(&r->y);
}

/* The version and the name point into the pool of the reader, whose events
 * start anew. */
static int pass(struct reader *r, const char *name, const char *text,
	size_t size, int (*read)(struct reader *r), struct err *e)
{
	int ret = yaml_events_init(&r->y, name, text, size, e);

	if (ret < 0)
		return ret;
	ret = read(r);
	yaml_events_fini(&r->y);
	return ret;
}

static int finish(struct reader *r, struct session **out, struct err *e)
{
	struct buf form = {.secret = true};
	int ret = session_encode(r->s, &form);

	if (ret < 0)
		err_setf(e, ret, "%s: %s", r->y.name,
			ret == -ERANGE ? "the policy is too large"
				       : "no memory");
	else
		ret = session_decode(form.data, form.size, out, e);
	buf_fini(&form);
	return ret == 0 || ret == -ENOMEM ? ret : -EINVAL;
}

int session_parse(const char *name, const char *text, size_t size,
	struct session **out, struct err *e)
{
	struct session s = {0};
	struct reader r = {.s = &s};
	int ret;

	if (size > SESSION_YAML_MAX)
		return err_setf(e, -EINVAL, "%s: %zu bytes; wanted at most %d",
			name, size, SESSION_YAML_MAX);
	ret = pass(&r, name, text, size, read_head, e);
	if (ret == 0)
		ret = pass(&r, name, text, size, read_body, e);
	if (ret == 0)
		ret = session_access_defaults(&r);
	if (ret == 0)
		ret = session_settle(&r);
	if (ret == 0)
		ret = finish(&r, out, e);
	pool_fini(&r.pool);
	return ret;
}

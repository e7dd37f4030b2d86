/* SPDX-License-Identifier: Apache-2.0 */
/* Values of config-fragments, read as the part of a policy they stand for. */
#include <errno.h>
#include <stdlib.h>

#include "cas/session_read.h"

struct rules_memory {
	struct pool pool;
};

static int read_one_text(struct reader *r, const char *key, void *at)
{
	return read_text(r, key, 0, SESSION_VALUE_MAX, at);
}

static int read_attestation(struct reader *r, struct session_rules *out)
{
	return session_read_attestation(r, "attestation", &out->attestation);
}

static int read_security(struct reader *r, struct session_rules *out)
{
	return session_read_rules(r, "attestation", &out->security);
}

static int read_texts(struct reader *r, struct session_rules *out)
{
	return read_one_or_list(r, "value", SCHEMA_COUNT_MAX, sizeof(char *),
		read_one_text, &out->texts);
}

static int parse(const char *name, const char *text, size_t size,
	int (*read)(struct reader *r, struct session_rules *out),
	struct session_rules *out, struct err *e)
{
	/* What a fragment may say is what the newest version may say. */
	struct session s = {.version = "1.0"};
	struct reader r = {.s = &s, .v1 = true, .fragment = true};
	struct rules_memory *m = malloc(sizeof(*m));
	struct session_rules rules = {.memory = m};
	int ret;

	*out = (struct session_rules){0};
	if (!m)
		return err_setf(e, -ENOMEM, "%s: no memory", name);
	ret = yaml_events_init(&r.y, name, text, size, e);
	if (ret == 0) {
		ret = yaml_events_begin(&r.y);
		if (ret == 0)
			ret = read(&r, &rules);
		if (ret == 0)
			ret = yaml_events_end(&r.y);
		yaml_events_fini(&r.y);
	}
	m->pool = r.pool;
	if (ret == 0)
		*out = rules;
	else
		session_rules_free(&rules);
	return ret;
}

int session_parse_attestation(const char *name, const char *text, size_t size,
	struct session_rules *out, struct err *e)
{
	return parse(name, text, size, read_attestation, out, e);
}

int session_parse_security(const char *name, const char *text, size_t size,
	struct session_rules *out, struct err *e)
{
	return parse(name, text, size, read_security, out, e);
}

int session_parse_texts(const char *name, const char *text, size_t size,
	struct session_rules *out, struct err *e)
{
	return parse(name, text, size, read_texts, out, e);
}

void session_rules_free(struct session_rules *rules)
{
	struct rules_memory *m = rules->memory;

	if (!m)
		return;
	pool_fini(&m->pool);
	free(m);
	rules->memory = NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* `services`: what runs, and with which evidence it may. */
#include <errno.h>
#include <stdlib.h>

#include "cas/session_command.h"
#include "cas/session_read.h"
#include "cas/subst.h"
#include "lib/cbor.h"
#include "lib/fmt.h"
#include "lib/parse.h"
#include "lib/string.h"

#define AT(field) offsetof(struct session_service, field)

/* ---- command ---- */

static int split(struct reader *r, const char *key, struct text_list *list)
{
	const char *at = yaml_events_text(&r->y);
	struct grown g = {0};
	struct err e = {0};
	bool found = true;
	/* A word and its NUL take no more than the word and what ends it. */
	char *word = pool_alloc(&r->pool, strlen(at) + 1), **item;

	if (!word)
		return reader_no_memory(r);
	while (found) {
		if (session_command_next(&at, word, &found, &e) < 0)
			return yaml_events_fail(&r->y, "%s: %s", key, e.text);
		if (!found)
			break;
		if (g.count == SCHEMA_COUNT_MAX)
			return yaml_events_fail(&r->y,
				"%s: too many; wanted at most %d", key,
				SCHEMA_COUNT_MAX);
		item = pool_grow(&r->pool, &g, sizeof(*item));
		if (!item)
			return reader_no_memory(r);
		*item = word;
		word += strlen(word) + 1;
	}
	*list = (struct text_list){(void *)g.data, g.count};
	return 0;
}

static int read_argument(struct reader *r, const char *key, void *at)
{
	return read_template(r, key, 0, MANIFEST_TEXT_MAX, at);
}

static int read_command(struct reader *r, const char *key, void *at)
{
	struct place start = reader_place(r);
	struct text_list *list = at;
	struct err e = {0};
	const char *whole;
	int ret;

	if (reader_is(r, YAML_SCALAR_EVENT)) {
		ret = read_template(r, key, 1, MANIFEST_TEXT_MAX, &whole);
		if (ret == 0)
			ret = split(r, key, list);
	} else {
		ret = read_list(r, key, SCHEMA_COUNT_MAX, sizeof(char *),
			read_argument, list);
	}
	if (ret < 0)
		return ret;
	if (list->count == 0 || list->item[0][0] == '\0')
		return reader_fail_at(r, start,
			"%s: empty; wanted a program and its arguments", key);
	if (subst_check_host(list, &e) < 0)
		return reader_fail_at(r, start, "%s: %s", key, e.text);
	return 0;
}

/* ---- maps of texts ---- */

struct placed {
	struct text_pair pair;
	struct place at;
};

static int compare(const void *a, const void *b)
{
	const struct placed *x = a, *y = b;

	return cbor_key_compare(x->pair.key, strlen(x->pair.key), y->pair.key,
		strlen(y->pair.key));
}

static int settle(struct reader *r, const char *key, struct grown *g,
	struct text_map *map)
{
	struct placed *p = (struct placed *)(void *)g->data;

	map->count = g->count;
	map->item = pool_alloc(&r->pool, g->count * sizeof(*map->item));
	if (!map->item)
		return reader_no_memory(r);
	if (g->count > 1)
		qsort(p, g->count, sizeof(*p), compare);
	for (size_t i = 0; i < g->count; i++) {
		if (i > 0 && strcmp(p[i - 1].pair.key, p[i].pair.key) == 0)
			return reader_fail_at(r,
				p[i - 1].at.line > p[i].at.line ? p[i - 1].at
								: p[i].at,
				"%s: '%.80s' is there twice", key,
				p[i].pair.key);
		map->item[i] = p[i].pair;
	}
	return 0;
}

int session_read_pairs(struct reader *r, const char *key, read_pair_fn *read,
	struct text_map *map)
{
	struct grown g = {0};
	int ret = yaml_events_want(&r->y, YAML_MAPPING_START_EVENT, key);

	while (ret == 0) {
		struct placed p = {0}, *at;

		ret = yaml_events_next(&r->y);
		if (ret < 0 || reader_is(r, YAML_MAPPING_END_EVENT))
			break;
		if (g.count == SCHEMA_COUNT_MAX)
			return yaml_events_fail(&r->y,
				"%s: too many; wanted at most %d", key,
				SCHEMA_COUNT_MAX);
		p.at = reader_place(r);
		ret = read(r, &p.pair);
		if (ret < 0 || !p.pair.key)
			continue;
		at = pool_grow(&r->pool, &g, sizeof(*at));
		if (!at)
			return reader_no_memory(r);
		*at = p;
	}
	return ret < 0 ? ret : settle(r, key, &g, map);
}

/* ---- environment ---- */

static bool is_variable_name(const char *name)
{
	if (string_has_prefix(name, "@@"))
		return false;
	for (; *name != '\0'; name++)
		if (*name <= ' ' || *name > '~' || *name == '=')
			return false;
	return true;
}

/* "@@HOSTNAME: ..." is of SCONE's containers: passed by. */
static int read_variable_pair(struct reader *r, struct text_pair *pair)
{
	const char *name;
	int ret = read_text(r, "environment", 1, 255, &name);

	if (ret < 0)
		return ret;
	if (strcmp(name, "@@HOSTNAME") != 0 && !is_variable_name(name))
		return yaml_events_fail(&r->y,
			"environment: '%.60s'; wanted the name of a variable",
			name);
	ret = yaml_events_next(&r->y);
	if (ret < 0)
		return ret;
	if (strcmp(name, "@@HOSTNAME") == 0)
		return yaml_events_want(&r->y, YAML_SCALAR_EVENT, name);
	pair->key = name;
	return read_template(r, name, 0, MANIFEST_TEXT_MAX, &pair->value);
}

static int read_environment(struct reader *r, const char *key, void *at)
{
	return session_read_pairs(r, key, read_variable_pair, at);
}

/* ---- simple ones ---- */

static int read_pwd(struct reader *r, const char *key, void *at)
{
	return read_path(r, key, at);
}

static int read_name(struct reader *r, const char *key, void *at)
{
	return read_item_name(r, key, SESSION_ITEM_NAME_MAX, at);
}

static int read_image(struct reader *r, const char *key, void *at)
{
	int ret = read_name(r, key, at);

	return ret < 0
		? ret
		: reader_refer(r, REF_IMAGE, key, *(const char *const *)at);
}

static int read_platform(struct reader *r, const char *key, void *at)
{
	static const char prefix[] = "INTEL_QE_ID:";
	const char *text;
	char *copy;
	int ret;

	if (reader_is_variable(r))
		return read_variable(r, key, at);
	ret = read_text(r, key, 1, 128, &text);
	if (ret < 0)
		return ret;
	if (strlen(text) == 64 && strspn(text, "0123456789abcdefABCDEF") == 64)
		return yaml_events_fail(&r->y,
			"%s: the key of a quoting enclave of SCONE's, which is "
			"not there; wanted INTEL_QE_ID: and 32 hexadecimal "
			"digits",
			key);
	if (strlen(text) != sizeof(prefix) - 1 + 32 ||
		!string_has_prefix(text, prefix) ||
		strspn(text + sizeof(prefix) - 1, "0123456789abcdefABCDEF") !=
			32)
		return yaml_events_fail(&r->y,
			"%s: '%.60s'; wanted INTEL_QE_ID: and 32 hexadecimal "
			"digits",
			key, text);
	copy = pool_text(&r->pool, text, strlen(text));
	if (!copy)
		return reader_no_memory(r);
	for (char *c = copy + sizeof(prefix) - 1; *c != '\0'; c++)
		if (*c >= 'A' && *c <= 'F')
			*c = (char)(*c | 0x20);
	memcpy(at, &copy, sizeof(copy));
	return 0;
}

static int read_platforms(struct reader *r, const char *key, void *at)
{
	struct place start = reader_place(r);
	struct text_list *list = at;
	int ret = read_list(
		r, key, SESSION_LIST_MAX, sizeof(char *), read_platform, list);

	if (ret == 0 && list->count == 0)
		return reader_fail_at(r, start,
			"%s: an empty list accepts nothing; leave it out for "
			"any platform",
			key);
	return ret;
}

static int read_root_policy(struct reader *r, const char *key, void *at)
{
	static const char *const names[] = {
		[VOLUME_ROLLBACK_PROTECTED] =
			"rollback_protected_reinitializable",
		[VOLUME_NO_ROLLBACK_PROTECTION] = "no_rollback_protection",
	};

	return read_choice(r, key, names, ARRAY_SIZE(names), at);
}

/* ---- 1.0 ---- */

static int read_max(struct reader *r, const char *key, void *at)
{
	return read_number(r, key, 1, UINT32_MAX, at);
}

/* "10/min", "600/h" */
static int read_rate(struct reader *r, const char *key, void *at)
{
	char digits[12] = {0};
	const char *text, *slash;
	uint64_t n = 0;
	int ret = read_text(r, key, 1, 32, &text);

	if (ret < 0)
		return ret;
	slash = strchr(text, '/');
	if (slash && slash - text < (long)sizeof(digits))
		memcpy(digits, text, (size_t)(slash - text));
	if (slash && parse_uint(digits, 1000000, &n) == 0 && n > 0) {
		if (strcmp(slash, "/min") == 0) {
			*(uint64_t *)at = 60 * n;
			return 0;
		}
		if (strcmp(slash, "/h") == 0) {
			*(uint64_t *)at = n;
			return 0;
		}
	}
	return yaml_events_fail(&r->y,
		"%s: '%.40s'; wanted a number and /min or /h, as 10/min", key,
		text);
}

static const struct key instances_keys[] = {
	{"max", read_max, AT(instances), 0, NULL},
	{"rate", read_rate, AT(starts_per_hour), 0, NULL},
};

static int read_instances(struct reader *r, const char *key, void *at)
{
	struct session_service *s = at;
	struct seen seen;

	if (reader_is(r, YAML_SCALAR_EVENT))
		return read_max(r, key, &s->instances);
	return read_map(
		r, key, instances_keys, ARRAY_SIZE(instances_keys), s, &seen);
}

static int read_ttl(struct reader *r, const char *key, void *at)
{
	return read_duration(r, key, 5, at);
}

const char *const session_expiries[EXPIRY_STOP + 1] = {"keep", "stop"};

static int read_expiry(struct reader *r, const char *key, void *at)
{
	return read_choice(
		r, key, session_expiries, ARRAY_SIZE(session_expiries), at);
}

static const struct key lease_keys[] = {
	{"ttl", read_ttl, AT(lease), KEY_NEEDED, NULL},
	{"on_expiry", read_expiry, AT(on_expiry), 0, NULL},
};

static int read_lease(struct reader *r, const char *key, void *at)
{
	struct session_service *s = at;
	struct seen seen;

	if (reader_is(r, YAML_SCALAR_EVENT))
		return read_ttl(r, key, &s->lease);
	return read_map(r, key, lease_keys, ARRAY_SIZE(lease_keys), s, &seen);
}

int session_read_size(struct reader *r, const char *key, void *at)
{
	int ret = yaml_events_want(&r->y, YAML_SCALAR_EVENT, key);

	if (ret < 0)
		return ret;
	if (parse_size(yaml_events_text(&r->y), 1ull << 40, at) < 0)
		return yaml_events_fail(&r->y,
			"%s: '%.40s'; wanted bytes, or a number and k, m or g, "
			"as 512m",
			key, yaml_events_text(&r->y));
	return 0;
}

static int read_cpus(struct reader *r, const char *key, void *at)
{
	return read_number(r, key, 0, 64, at);
}

static int read_count(struct reader *r, const char *key, void *at)
{
	return read_number(r, key, 0, 1 << 20, at);
}

static const struct key limits_keys[] = {
	{"cpus", read_cpus, offsetof(struct manifest_limits, cpus), 0, NULL},
	{"files", read_count, offsetof(struct manifest_limits, files), 0, NULL},
	{"memory", session_read_size, offsetof(struct manifest_limits, memory),
		0, NULL},
	{"threads", read_count, offsetof(struct manifest_limits, threads), 0,
		NULL},
};

static int read_limits(struct reader *r, const char *key, void *at)
{
	struct seen seen;

	return read_map(
		r, key, limits_keys, ARRAY_SIZE(limits_keys), at, &seen);
}

static int read_hostname(struct reader *r, const char *key, void *at)
{
	return read_item_name(r, key, 64, at);
}

static int read_signal(struct reader *r, const char *key, void *at)
{
	uint64_t *bit = at;
	const char *text;
	int ret = yaml_events_want(&r->y, YAML_SCALAR_EVENT, key);

	if (ret < 0)
		return ret;
	text = yaml_events_text(&r->y);
	if (string_has_prefix(text, "SIG"))
		text += 3;
	for (*bit = 0; *bit < ARRAY_SIZE(manifest_signal_names); ++*bit)
		if (manifest_signal_names[*bit] &&
			strcmp(manifest_signal_names[*bit], text) == 0)
			return 0;
	return read_choice(r, key, manifest_signal_names,
		ARRAY_SIZE(manifest_signal_names), bit);
}

static int read_signals(struct reader *r, const char *key, void *at)
{
	struct item_list list;
	uint64_t signals = 0;
	int ret = read_list(r, key, 32, sizeof(uint64_t), read_signal, &list);

	for (size_t i = 0; ret == 0 && i < list.count; i++)
		signals |= 1ull << ((uint64_t *)list.item)[i];
	*(uint64_t *)at = signals;
	return ret;
}

/* ---- the table ---- */

static const char image_root[] = "write the image's `root`";

static const struct key service_keys[] = {
	{"name", read_name, AT(name), KEY_NEEDED, NULL},
	{"command", read_command, AT(command), KEY_NEEDED, NULL},
	{"environment", read_environment, AT(environment), 0, NULL},
	{"pwd", read_pwd, AT(pwd), 0, NULL},
	{"image_name", read_image, AT(image_name), 0, NULL},
	{"attestation", session_read_attestation, AT(attestation), 0, NULL},
	{"mrenclaves", session_read_mrenclaves, AT(attestation), KEY_OLD,
		"write attestation: {mrenclave: [...]}"},
	{"platforms", read_platforms, AT(platforms), 0, NULL},
	{"one_time_password_shared_secret", session_read_otp, AT(otp_secret), 0,
		NULL},
	{"fspf_path", read_pwd, AT(fspf_path), KEY_OLD, image_root},
	{"fspf_key", session_read_fspf_key, AT(fspf_key), KEY_OLD, image_root},
	{"fspf_tag", session_read_fspf_tag, AT(fspf_tag), KEY_OLD, image_root},
	{"fspf_update_policy", read_root_policy, AT(fspf_update_policy),
		KEY_OLD, image_root},
	{"instances", read_instances, 0, KEY_NEW, NULL},
	{"lease", read_lease, 0, KEY_NEW, NULL},
	{"network", read_bool, AT(network), KEY_NEW, NULL},
	{"limits", read_limits, AT(limits), KEY_NEW, NULL},
	{"hostname", read_hostname, AT(hostname), KEY_NEW, NULL},
	{"signals", read_signals, AT(signals), KEY_NEW, NULL},
};

static int read_service(struct reader *r, const char *key, void *at)
{
	struct session_service *s = at;
	struct place start = reader_place(r), old;
	struct seen seen;
	int ret;

	(void)key;
	s->pwd = "/";
	s->network = true;
	s->lease = 60;
	s->signals = manifest_default_signals;
	ret = read_map(
		r, "service", service_keys, ARRAY_SIZE(service_keys), s, &seen);
	if (ret < 0)
		return ret;
	if (seen_has(&seen, service_keys, ARRAY_SIZE(service_keys),
		    "mrenclaves", &old) &&
		seen_has(&seen, service_keys, ARRAY_SIZE(service_keys),
			"attestation", NULL))
		return reader_fail_at(r, old,
			"service %s: mrenclaves beside attestation; put them "
			"there",
			s->name);
	return reader_define(r, DEF_SERVICE, s->name, start);
}

int session_read_services(struct reader *r, const char *key, void *at)
{
	return read_list(r, key, SESSION_LIST_MAX,
		sizeof(struct session_service), read_service, at);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policies as people write them (doc/quote-policy.md): tables of keys, each
 * with the function that reads its value. Nothing is guessed: what is unknown,
 * doubled, too large or of the wrong form is an error with its place.
 */
#include <errno.h>

#include "attest/appraise.h"
#include "attest/yaml_events.h"
#include "lib/fmt.h"
#include "lib/string.h"

struct reader {
	struct yaml_events y;
	struct appraise_policy *policy;
	struct appraise_field *field; /* the one whose map is read */
	const struct appraise_name *name; /* of that field */
};

struct key {
	const char *name;
	int (*read)(struct reader *r, const char *key);
};

/* ---- suggestions ---- */

static int fail_name(
	struct reader *r, const char *what, const char *best, const char *all)
{
	if (best != NULL)
		return yaml_events_fail(&r->y,
			"unknown %s '%.60s'; did you mean '%s'?", what,
			yaml_events_text(&r->y), best);
	return yaml_events_fail(&r->y, "unknown %s '%.60s'; wanted one of %s",
		what, yaml_events_text(&r->y), all);
}

/* ---- maps and lists ---- */

static int fail_key(struct reader *r, const char *where, const struct key *keys,
	size_t count)
{
	const char *best = NULL;
	size_t least = SIZE_MAX, len = 0;
	char all[160], what[64];

	for (size_t i = 0; i < count; i++) {
		yaml_events_consider(
			yaml_events_text(&r->y), keys[i].name, &least, &best);
		len += fmt_print(all + len, sizeof(all) - len, "%s%s",
			len > 0 ? ", " : "", keys[i].name);
	}
	fmt_print(what, sizeof(what), "key in %s", where);
	return fail_name(r, what, best, all);
}

static int read_key(struct reader *r, const char *where, const struct key *keys,
	size_t count, uint64_t *seen)
{
	size_t i = 0;
	int ret = yaml_events_want(&r->y, YAML_SCALAR_EVENT, where);

	if (ret < 0)
		return ret;
	while (i < count && strcmp(keys[i].name, yaml_events_text(&r->y)) != 0)
		i++;
	if (i == count)
		return fail_key(r, where, keys, count);
	if (*seen & 1ull << i)
		return yaml_events_fail(
			&r->y, "key '%s' is there twice", keys[i].name);
	*seen |= 1ull << i;
	ret = yaml_events_next(&r->y);
	return ret < 0 ? ret : keys[i].read(r, keys[i].name);
}

/* seen: bit i for keys[i]. */
static int read_map(struct reader *r, const char *where, const struct key *keys,
	size_t count, uint64_t *seen)
{
	int ret = yaml_events_want(&r->y, YAML_MAPPING_START_EVENT, where);

	*seen = 0;
	while (ret == 0) {
		ret = yaml_events_next(&r->y);
		if (ret < 0 || r->y.event.type == YAML_MAPPING_END_EVENT)
			break;
		ret = read_key(r, where, keys, count, seen);
	}
	return ret;
}

static int read_list(struct reader *r, const char *key,
	int (*read)(struct reader *r, const char *key))
{
	int ret = yaml_events_want(&r->y, YAML_SEQUENCE_START_EVENT, key);

	while (ret == 0) {
		ret = yaml_events_next(&r->y);
		if (ret < 0 || r->y.event.type == YAML_SEQUENCE_END_EVENT)
			break;
		ret = read(r, key);
	}
	return ret;
}

/* ---- values ---- */

/* Decimal, or hexadecimal behind 0x. */
static bool number_from_text(const char *text, uint64_t *v)
{
	unsigned base = 10;
	uint64_t n = 0;

	if (text[0] == '0' && (text[1] | 0x20) == 'x') {
		base = 16;
		text += 2;
	}
	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++) {
		unsigned digit = 99;

		if (*text >= '0' && *text <= '9')
			digit = (unsigned)(*text - '0');
		else if ((*text | 0x20) >= 'a' && (*text | 0x20) <= 'f')
			digit = (unsigned)((*text | 0x20) - 'a' + 10);
		if (digit >= base || mul_overflows(n, base, &n) ||
			add_overflows(n, digit, &n))
			return false;
	}
	*v = n;
	return true;
}

static int read_number(struct reader *r, const char *key, uint64_t *v)
{
	int ret = yaml_events_want(&r->y, YAML_SCALAR_EVENT, key);

	if (ret < 0)
		return ret;
	if (yaml_events_is_plain(&r->y) &&
		number_from_text(yaml_events_text(&r->y), v))
		return 0;
	return yaml_events_fail(&r->y, "%s: '%.40s'; wanted a number", key,
		yaml_events_text(&r->y));
}

static int read_hex(
	struct reader *r, const char *key, uint8_t *out, size_t size)
{
	const char *text;
	int ret = yaml_events_want(&r->y, YAML_SCALAR_EVENT, key);

	if (ret < 0)
		return ret;
	text = yaml_events_text(&r->y);
	if (string_from_hex(text, out, size))
		return 0;
	return yaml_events_fail(&r->y,
		"%s: '%.20s%s' (%zu characters); wanted %zu hexadecimal digits",
		key, text, strnlen(text, 21) > 20 ? "..." : "",
		r->y.event.data.scalar.length, 2 * size);
}

static int read_debug(struct reader *r, const char *key)
{
	return yaml_events_bool(&r->y, key, &r->policy->allow_debug);
}

static int read_emulated(struct reader *r, const char *key)
{
	return yaml_events_bool(&r->y, key, &r->policy->allow_emulated);
}

/* ---- tcb ---- */

static int read_status(struct reader *r, const char *key)
{
	const char *text, *best = NULL;
	size_t least = SIZE_MAX;
	enum tcb_status status;
	int ret = yaml_events_want(&r->y, YAML_SCALAR_EVENT, key);

	if (ret < 0)
		return ret;
	text = yaml_events_text(&r->y);
	status = verdict_tcb_parse(text, strlen(text));
	if (status == TCB_REVOKED || status == TCB_NOT_SUPPORTED)
		return yaml_events_fail(&r->y,
			"%s: platforms that are %s are never accepted; leave "
			"it out",
			key, text);
	if (status == TCB_UNKNOWN) {
		for (unsigned s = 1; s < TCB_STATUS_COUNT; s++)
			yaml_events_consider(text,
				verdict_tcb_name((enum tcb_status)s), &least,
				&best);
		return fail_name(r, "TCB status", best,
			"UpToDate, SWHardeningNeeded, ConfigurationNeeded, "
			"ConfigurationAndSWHardeningNeeded, OutOfDate, "
			"OutOfDateConfigurationNeeded, TDRelaunchAdvised, "
			"TDRelaunchAdvisedConfigurationNeeded");
	}
	r->policy->tolerate |= 1u << status;
	return 0;
}

static int read_statuses(struct reader *r, const char *key)
{
	return read_list(r, key, read_status);
}

enum { ADVISORY_SIZE = sizeof((struct appraise_policy){0}.advisories[0]) };

static bool is_advisory(const char *id)
{
	size_t len = strnlen(id, ADVISORY_SIZE);

	if (len == 0 || len == ADVISORY_SIZE || strchr(id, '-') == NULL)
		return false;
	for (; *id != '\0'; id++)
		if (!(*id >= 'A' && *id <= 'Z') &&
			!(*id >= '0' && *id <= '9') && *id != '-')
			return false;
	return true;
}

static int read_advisory(struct reader *r, const char *key)
{
	struct appraise_policy *p = r->policy;
	const char *id;
	int ret = yaml_events_want(&r->y, YAML_SCALAR_EVENT, key);

	if (ret < 0)
		return ret;
	id = yaml_events_text(&r->y);
	if (!is_advisory(id))
		return yaml_events_fail(&r->y,
			"%s: '%.40s'; wanted an id as INTEL-SA-00615", key, id);
	for (size_t i = 0; i < p->advisory_count; i++)
		if (strcmp(p->advisories[i], id) == 0)
			return yaml_events_fail(
				&r->y, "%s: %s is there twice", key, id);
	if (p->advisory_count == APPRAISE_ADVISORIES)
		return yaml_events_fail(&r->y,
			"%s: too many; wanted at most %d", key,
			APPRAISE_ADVISORIES);
	memcpy(p->advisories[p->advisory_count++], id, strlen(id) + 1);
	return 0;
}

static int read_advisories(struct reader *r, const char *key)
{
	r->policy->only_advisories = true;
	return read_list(r, key, read_advisory);
}

/* "30d": a number and its unit. */
static int read_age(struct reader *r, const char *key)
{
	static const struct {
		char letter;
		uint32_t seconds;
	} units[] = {{'s', 1}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
	char digits[24] = {0};
	uint64_t n = 0, factor = 0;
	const char *text;
	size_t len;
	int ret = yaml_events_want(&r->y, YAML_SCALAR_EVENT, key);

	if (ret < 0)
		return ret;
	text = yaml_events_text(&r->y);
	len = strlen(text);
	for (size_t i = 0; i < ARRAY_SIZE(units) && len > 1; i++)
		if (text[len - 1] == units[i].letter)
			factor = units[i].seconds;
	if (factor != 0 && len <= sizeof(digits))
		memcpy(digits, text, len - 1);
	if (digits[0] == '0' || !number_from_text(digits, &n) ||
		mul_overflows(n, factor, &n) || n > INT64_MAX)
		return yaml_events_fail(&r->y,
			"%s: '%.40s'; wanted a number of seconds, hours, days "
			"or weeks, as 3600s, 12h, 365d or 52w",
			key, text);
	r->policy->max_tcb_age = (int64_t)n;
	return 0;
}

static int read_evaluation(struct reader *r, const char *key)
{
	uint64_t v = 0;
	int ret = read_number(r, key, &v);

	if (ret < 0)
		return ret;
	if (v > UINT32_MAX)
		return yaml_events_fail(&r->y,
			"%s: %llu; wanted a tcbEvaluationDataNumber", key,
			(unsigned long long)v);
	r->policy->min_tcb_evaluation = (uint32_t)v;
	return 0;
}

static const struct key tcb_keys[] = {
	{"accept", read_statuses},
	{"advisories", read_advisories},
	{"max_age", read_age},
	{"min_evaluation", read_evaluation},
};

static int read_tcb(struct reader *r, const char *key)
{
	uint64_t seen;

	return read_map(r, key, tcb_keys, ARRAY_SIZE(tcb_keys), &seen);
}

/* ---- measurements ---- */

/* One more of the values of r->field. */
static int read_value(struct reader *r, const char *key)
{
	struct appraise_field *f = r->field;
	int ret;

	if (f->count == APPRAISE_VALUES)
		return yaml_events_fail(&r->y,
			"%s: too many values; wanted at most %d", key,
			APPRAISE_VALUES);
	ret = f->size == 0 ? read_number(r, key, &f->numbers[f->count])
			   : read_hex(r, key, f->values[f->count], f->size);
	if (ret == 0)
		f->count++;
	return ret;
}

static int read_single(struct reader *r, const char *key)
{
	(void)key;
	return read_value(r, r->name->name);
}

static int read_mask(struct reader *r, const char *key)
{
	struct appraise_field *f = r->field;

	return f->size == 0 ? read_number(r, key, &f->number_mask)
			    : read_hex(r, key, f->mask, f->size);
}

enum { SEEN_MIN = 1, SEEN_VALUE = 2, SEEN_MASK = 4 };

static const struct key match_keys[] = {
	{"min", read_single},
	{"value", read_single},
	{"mask", read_mask},
};

/* {min: N} or {value: N, mask: N} */
static int read_match(struct reader *r)
{
	yaml_mark_t start = r->y.event.start_mark;
	const char *name = r->name->name;
	uint64_t seen;
	int ret = read_map(r, name, match_keys, ARRAY_SIZE(match_keys), &seen);

	if (ret < 0)
		return ret;
	if (seen != SEEN_MIN && seen != (SEEN_VALUE | SEEN_MASK))
		return yaml_events_fail_at(&r->y, start,
			"%s: wanted {min: ...}, or {value: ..., mask: ...}",
			name);
	r->field->match = seen == SEEN_MIN ? APPRAISE_AT_LEAST
					   : APPRAISE_MASKED;
	return 0;
}

static int read_wanted(struct reader *r)
{
	switch (r->y.event.type) {
	case YAML_MAPPING_START_EVENT:
		return read_match(r);
	case YAML_SEQUENCE_START_EVENT:
		return read_list(r, r->name->name, read_value);
	default:
		return read_value(r, r->name->name);
	}
}

static int fail_field(struct reader *r)
{
	const struct appraise_name *n;
	const char *best = NULL;
	size_t least = SIZE_MAX;

	for (size_t i = 0; (n = appraise_name_at(i)) != NULL; i++)
		yaml_events_consider(
			yaml_events_text(&r->y), n->name, &least, &best);
	return fail_name(r, "measurement", best,
		"mrenclave, mrsigner, isv_prod_id, isv_svn, report_data, mrtd, "
		"rtmr0, measurement and what else `sconce quote show` prints");
}

static int read_field(struct reader *r)
{
	struct appraise_policy *p = r->policy;
	const char *text;
	int ret = yaml_events_want(&r->y, YAML_SCALAR_EVENT, "measurements");

	if (ret < 0)
		return ret;
	text = yaml_events_text(&r->y);
	r->name = appraise_name_find(text, strlen(text));
	if (r->name == NULL)
		return fail_field(r);
	for (size_t i = 0; i < p->field_count; i++)
		if (strcmp(p->fields[i].name, text) == 0)
			return yaml_events_fail(
				&r->y, "key '%s' is there twice", text);
	if (p->field_count == APPRAISE_FIELDS)
		return yaml_events_fail(&r->y,
			"measurements: too many; wanted at most %d",
			APPRAISE_FIELDS);
	r->field = &p->fields[p->field_count++];
	memcpy(r->field->name, text, strlen(text) + 1);
	r->field->size = r->name->size;
	ret = yaml_events_next(&r->y);
	if (ret == 0)
		ret = read_wanted(r);
	if (ret == 0 && r->field->count == 0)
		return yaml_events_fail(&r->y,
			"%s: no value; wanted one or several", r->name->name);
	return ret;
}

static int read_measurements(struct reader *r, const char *key)
{
	int ret = yaml_events_want(&r->y, YAML_MAPPING_START_EVENT, key);

	while (ret == 0) {
		ret = yaml_events_next(&r->y);
		if (ret < 0 || r->y.event.type == YAML_MAPPING_END_EVENT)
			break;
		ret = read_field(r);
	}
	return ret;
}

static const struct key policy_keys[] = {
	{"allow_debug", read_debug},
	{"allow_emulated", read_emulated},
	{"tcb", read_tcb},
	{"measurements", read_measurements},
};

int appraise_parse(struct appraise_policy *policy, const char *name,
	const char *text, size_t size, struct err *e)
{
	struct reader r = {.policy = policy};
	uint64_t seen;
	int ret;

	memset(policy, 0, sizeof(*policy));
	ret = yaml_events_init(&r.y, name, text, size, e);
	if (ret < 0)
		return ret;
	ret = yaml_events_begin(&r.y);
	if (ret == 0)
		ret = read_map(&r, "the policy", policy_keys,
			ARRAY_SIZE(policy_keys), &seen);
	if (ret == 0)
		ret = yaml_events_end(&r.y);
	yaml_events_fini(&r.y);
	if (ret < 0)
		memset(policy, 0, sizeof(*policy));
	return ret;
}

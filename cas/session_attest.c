/* SPDX-License-Identifier: Apache-2.0 */
/* Which evidence is wanted: `attestation` of services, `security`. */
#include <errno.h>

#include "attest/appraise.h"
#include "cas/session_read.h"
#include "lib/bytes.h"
#include "lib/fmt.h"
#include "lib/parse.h"
#include "lib/string.h"

/* ---- MRENCLAVE, MRSIGNER ---- */

static int read_measurement(struct reader *r, const char *key, void *at)
{
	return read_hex_or_variable(r, key, 32, at);
}

static int read_mrenclave(struct reader *r, const char *key, void *at)
{
	struct attest_variant *v = at;
	struct place start = reader_place(r);
	int ret = read_one_or_list(r, key, SESSION_LIST_MAX,
		sizeof(const char *), read_measurement, &v->mrenclave);

	if (ret == 0 && v->mrenclave.count == 0)
		return reader_fail_at(r, start,
			"%s: an empty list accepts nothing; wanted at least "
			"one",
			key);
	return ret;
}

/* Not by a variable: that stands for the whole map. */
static int read_mrsigner(struct reader *r, const char *key, void *at)
{
	return read_hex(r, key, 32, at);
}

static int read_16bit(struct reader *r, const char *key, void *at)
{
	return read_number(r, key, 0, UINT16_MAX, at);
}

#define AT(type, field) offsetof(struct type, field)

static const struct key signer_keys[] = {
	{"mrsigner", read_mrsigner, AT(attest_variant, mrsigner), KEY_NEEDED,
		NULL},
	{"isvprodid", read_16bit, AT(attest_variant, isv_prod_id), KEY_NEEDED,
		NULL},
	{"isvsvn", read_16bit, AT(attest_variant, isv_svn_min), 0, NULL},
	{"isvsvn_min", read_16bit, AT(attest_variant, isv_svn_min), 0, NULL},
	{"isvsvn_max", read_16bit, AT(attest_variant, isv_svn_max), 0, NULL},
};

enum { SVN = 4, SVN_MIN = 8, SVN_MAX = 16 };

static int read_signer(struct reader *r, const char *key, void *at)
{
	struct attest_variant *v = at;
	struct place start = reader_place(r);
	struct seen seen;
	int ret;

	v->has_signer = true;
	if (reader_is_variable(r)) {
		/* If its value is a hash alone: of any version. */
		v->isv_svn_max = UINT16_MAX;
		return read_variable(r, key, &v->mrsigner);
	}
	ret = read_map(r, key, signer_keys, ARRAY_SIZE(signer_keys), v, &seen);
	if (ret < 0)
		return ret;
	if ((seen.mask & SVN) && (seen.mask & (SVN_MIN | SVN_MAX)))
		return reader_fail_at(r, start,
			"%s: isvsvn is the one version; wanted it, or "
			"isvsvn_min and isvsvn_max",
			key);
	if (seen.mask & SVN)
		v->isv_svn_max = v->isv_svn_min;
	else if (!(seen.mask & SVN_MAX))
		v->isv_svn_max = UINT16_MAX;
	if (v->isv_svn_min > v->isv_svn_max)
		return reader_fail_at(r, start,
			"%s: isvsvn_min %llu is above isvsvn_max %llu", key,
			(unsigned long long)v->isv_svn_min,
			(unsigned long long)v->isv_svn_max);
	return 0;
}

static int read_config_id(struct reader *r, const char *key, void *at)
{
	size_t size = 32;

	if (reader_is(r, YAML_SCALAR_EVENT) &&
		r->y.event.data.scalar.length == 128)
		size = 64;
	return read_hex(r, key, size, at);
}

/* ---- other fields of evidence, 1.0 ---- */

struct field_reader {
	const struct appraise_name *name;
	struct grown values; /* of const char * */
};

/* Decimal numbers in one spelling, or hexadecimal digits. */
static int read_field_value(
	struct reader *r, const struct appraise_name *name, const char **text)
{
	char digits[24];
	uint64_t n;
	int ret;

	if (name->size > 0)
		return read_hex(r, name->name, name->size, text);
	ret = read_number(r, name->name, 0, UINT64_MAX, &n);
	if (ret < 0)
		return ret;
	fmt_print(digits, sizeof(digits), "%llu", (unsigned long long)n);
	*text = pool_text(&r->pool, digits, strlen(digits));
	return *text ? 0 : reader_no_memory(r);
}

struct match_texts {
	const struct appraise_name *name;
	const char *min, *value, *mask;
};

#define MATCH_KEY(word)                                        \
	static int read_match_##word(                          \
		struct reader *r, const char *key, void *at)   \
	{                                                      \
		struct match_texts *m = at;                    \
                                                               \
		(void)key;                                     \
		return read_field_value(r, m->name, &m->word); \
	}

MATCH_KEY(min)
MATCH_KEY(value)
MATCH_KEY(mask)

static const struct key match_keys[] = {
	{"min", read_match_min, 0, 0, NULL},
	{"value", read_match_value, 0, 0, NULL},
	{"mask", read_match_mask, 0, 0, NULL},
};

static int join(struct reader *r, const char *a, const char *between,
	const char *b, const char **out)
{
	size_t size = strlen(a) + strlen(between) + strlen(b) + 1;
	char *text = pool_alloc(&r->pool, size);

	if (!text)
		return reader_no_memory(r);
	fmt_print(text, size, "%s%s%s", a, between, b);
	*out = text;
	return 0;
}

/* {min: V} or {value: V, mask: M} */
static int read_match(
	struct reader *r, const struct appraise_name *name, const char **out)
{
	struct match_texts m = {.name = name};
	struct place start = reader_place(r);
	struct seen seen;
	int ret = read_map(
		r, name->name, match_keys, ARRAY_SIZE(match_keys), &m, &seen);

	if (ret < 0)
		return ret;
	if (m.min && !m.value && !m.mask)
		return join(r, ">=", m.min, "", out);
	if (m.value && m.mask && !m.min)
		return join(r, m.value, "/", m.mask, out);
	return reader_fail_at(r, start,
		"%s: wanted {min: ...}, or {value: ..., mask: ...}",
		name->name);
}

/* One of these values: sorted, each once, with commas between. */
static int read_one_of(
	struct reader *r, const struct appraise_name *name, const char **out)
{
	struct place start = reader_place(r);
	struct text_list list = {0};
	const char *values[APPRAISE_VALUES];
	int ret = yaml_events_next(&r->y);

	for (; ret == 0 && !reader_is(r, YAML_SEQUENCE_END_EVENT);
		ret = yaml_events_next(&r->y)) {
		if (list.count == APPRAISE_VALUES)
			return yaml_events_fail(&r->y,
				"%s: too many values; wanted at most %d",
				name->name, APPRAISE_VALUES);
		ret = read_field_value(r, name, &values[list.count++]);
		if (ret < 0)
			return ret;
	}
	if (ret == 0 && list.count == 0)
		return reader_fail_at(r, start,
			"%s: an empty list accepts nothing; wanted at least "
			"one value",
			name->name);
	list.item = values;
	session_sort_texts(&list);
	for (size_t i = 0; i < list.count && ret == 0; i++)
		ret = i == 0 ? join(r, values[0], "", "", out)
			     : join(r, *out, ",", values[i], out);
	return ret;
}

static int add_field(struct reader *r, struct attest_variant *v,
	struct grown *fields, const struct appraise_name *name)
{
	struct text_pair *pair;
	struct place start = reader_place(r);
	const char *value = NULL;
	int ret;

	for (size_t i = 0; i < v->fields.count; i++)
		if (strcmp(v->fields.item[i].key, name->name) == 0)
			return yaml_events_fail(
				&r->y, "key '%s' is there twice", name->name);
	ret = yaml_events_next(&r->y);
	if (ret < 0)
		return ret;
	if (reader_is(r, YAML_MAPPING_START_EVENT))
		ret = read_match(r, name, &value);
	else if (reader_is(r, YAML_SEQUENCE_START_EVENT))
		ret = read_one_of(r, name, &value);
	else
		ret = read_field_value(r, name, &value);
	if (ret == 0 && v->fields.count == APPRAISE_FIELDS)
		return reader_fail_at(r, start,
			"too many fields; wanted at most %d", APPRAISE_FIELDS);
	pair = pool_grow(&r->pool, fields, sizeof(*pair));
	if (!pair)
		return reader_no_memory(r);
	*pair = (struct text_pair){name->name, value};
	v->fields = (struct text_map){(void *)fields->data, fields->count};
	return ret;
}

/* Those of the table are asked for by keys of their own. */
static const char *const sgx_fields[] = {"isv_family_id", "isv_ext_prod_id",
	"misc_select", "attributes", "config_svn", "fmspc", "pceid", "ppid",
	"platform_instance_id", "dynamic_platform", "cached_keys",
	"smt_enabled", "qe_svn", "pce_svn", "cpu_svn"};
static const char *const tdx_fields[] = {"mrtd", "rtmr0", "rtmr1", "rtmr2",
	"rtmr3", "mrconfigid", "mrowner", "mrownerconfig", "mrservicetd",
	"mrseam", "mrsignerseam", "seam_attributes", "td_attributes", "xfam",
	"tee_tcb_svn", "tee_tcb_svn2", "qe_svn", "pce_svn", "fmspc", "pceid",
	"ppid", "platform_instance_id", "dynamic_platform", "cached_keys",
	"smt_enabled"};
static const char *const snp_fields[] = {"measurement", "host_data",
	"id_key_digest", "author_key_digest", "family_id", "image_id",
	"guest_svn", "policy", "vmpl", "platform_info", "current_tcb",
	"reported_tcb", "committed_tcb", "launch_tcb", "chip_id",
	"report_id_ma", "report_version", "signer_info", "firmware",
	"committed_firmware"};

static const struct tee {
	const char *name;
	const char *const *fields;
	size_t count;
} tees[] = {
	[TEE_SGX] = {"sgx", sgx_fields, ARRAY_SIZE(sgx_fields)},
	[TEE_TDX] = {"tdx", tdx_fields, ARRAY_SIZE(tdx_fields)},
	[TEE_SNP] = {"snp", snp_fields, ARRAY_SIZE(snp_fields)},
};

static const struct key sgx_keys[] = {
	{"mrenclave", read_mrenclave, 0, 0, NULL},
	{"signer", read_signer, 0, 0, NULL},
	{"config_id", read_config_id, AT(attest_variant, config_id), KEY_NEW,
		NULL},
};

/* The current event is a key: a field of this kind of evidence, or NULL. */
static const struct appraise_name *find_field(
	const struct reader *r, const struct tee *tee)
{
	const char *word = yaml_events_text(&r->y);

	for (size_t i = 0; i < tee->count; i++)
		if (strcmp(tee->fields[i], word) == 0)
			return appraise_name_find(word, strlen(word));
	return NULL;
}

static int fail_field(struct reader *r, const struct tee *tee)
{
	const char *word = yaml_events_text(&r->y), *best = NULL;
	size_t least = SIZE_MAX;
	char what[120];

	for (size_t i = 0; i < tee->count; i++)
		yaml_events_consider(word, tee->fields[i], &least, &best);
	for (size_t i = 0; tee == &tees[TEE_SGX] && i < ARRAY_SIZE(sgx_keys);
		i++)
		yaml_events_consider(word, sgx_keys[i].name, &least, &best);
	fmt_print(what, sizeof(what), "unknown key '%.60s' in %s", word,
		tee->name);
	return reader_unknown(r, reader_place(r), what, best,
		"the fields that doc/quote-policy.md lists");
}

static const struct key *find_sgx(const struct reader *r)
{
	for (size_t i = 0; i < ARRAY_SIZE(sgx_keys); i++)
		if (strcmp(sgx_keys[i].name, yaml_events_text(&r->y)) == 0)
			return &sgx_keys[i];
	return NULL;
}

/* {sgx: {...}}: fields by name, and of SGX what 0.3 has. */
static int read_fields(
	struct reader *r, const struct tee *tee, struct attest_variant *v)
{
	struct grown fields = {0};
	unsigned seen = 0;
	int ret = yaml_events_want(&r->y, YAML_MAPPING_START_EVENT, tee->name);

	if (ret == 0)
		ret = yaml_events_next(&r->y);
	for (; ret == 0 && !reader_is(r, YAML_MAPPING_END_EVENT);
		ret = ret == 0 ? yaml_events_next(&r->y) : ret) {
		const struct appraise_name *name;
		const struct key *k = NULL;

		ret = yaml_events_want(&r->y, YAML_SCALAR_EVENT, tee->name);
		if (ret < 0)
			return ret;
		if (tee == &tees[TEE_SGX])
			k = find_sgx(r);
		name = k ? NULL : find_field(r, tee);
		if (name) {
			ret = add_field(r, v, &fields, name);
			continue;
		}
		if (!k)
			return fail_field(r, tee);
		if (seen & 1u << (k - sgx_keys))
			return yaml_events_fail(
				&r->y, "key '%s' is there twice", k->name);
		seen |= 1u << (k - sgx_keys);
		ret = yaml_events_next(&r->y);
		if (ret == 0)
			ret = k->read(r, k->name, (uint8_t *)v + k->offset);
	}
	return ret;
}

/* ---- variants ---- */

static bool names_program(const struct attest_variant *v)
{
	if (v->variable || v->mrenclave.count > 0 || v->has_signer)
		return true;
	for (size_t i = 0; i < v->fields.count; i++) {
		const char *key = v->fields.item[i].key;
		const struct appraise_name *name = appraise_name_find(
			key, strlen(key));

		if (name && name->program)
			return true;
	}
	return false;
}

static int check_variant(
	struct reader *r, const struct attest_variant *v, struct place at)
{
	static const char *const wanted[] = {
		[TEE_SGX] = "mrenclave or signer",
		[TEE_TDX] = "mrtd",
		[TEE_SNP] = "measurement, id_key_digest or author_key_digest",
	};

	if (names_program(v))
		return 0;
	return reader_fail_at(r, at,
		"attestation: nothing says which program it is; wanted %s",
		wanted[v->tee]);
}

static int read_tee(struct reader *r, const char *key, void *at)
{
	struct attest_variant *v = at;

	for (size_t i = 0; i < ARRAY_SIZE(tees); i++)
		if (strcmp(tees[i].name, key) == 0)
			v->tee = i;
	return read_fields(r, &tees[v->tee], v);
}

static const struct key variant_keys[] = {
	{"mrenclave", read_mrenclave, 0, 0, NULL},
	{"signer", read_signer, 0, 0, NULL},
	{"sgx", read_tee, 0, KEY_NEW, NULL},
	{"tdx", read_tee, 0, KEY_NEW, NULL},
	{"snp", read_tee, 0, KEY_NEW, NULL},
};

static int read_variant(struct reader *r, const char *key, void *at)
{
	struct attest_variant *v = at;
	struct place start = reader_place(r);
	struct seen seen;
	int ret;

	if (reader_is_variable(r))
		return read_variable(r, key, &v->variable);
	ret = read_map(
		r, key, variant_keys, ARRAY_SIZE(variant_keys), v, &seen);
	if (ret == 0 && (seen.mask & ~3u) && (seen.mask & (seen.mask - 1)))
		return reader_fail_at(r, start,
			"attestation: one kind of evidence in a map; make it a "
			"list of alternatives, each with its own '-'");
	return ret < 0 ? ret : check_variant(r, v, start);
}

int session_read_attestation(struct reader *r, const char *key, void *at)
{
	struct place start = reader_place(r);
	struct item_list *list = at;
	int ret = read_one_or_list(r, key, SESSION_VARIANTS_MAX,
		sizeof(struct attest_variant), read_variant, list);

	if (ret == 0 && list->count == 0)
		return reader_fail_at(r, start,
			"%s: an empty list accepts nothing; wanted at least "
			"one alternative",
			key);
	return ret;
}

int session_read_mrenclaves(struct reader *r, const char *key, void *at)
{
	struct attest_variant *v = pool_alloc(&r->pool, sizeof(*v));

	if (!v)
		return reader_no_memory(r);
	*(struct item_list *)at = (struct item_list){v, 1};
	return read_mrenclave(r, key, v);
}

/* ---- one-time passwords ---- */

/* RFC 4648 base32 of at least 128 bits, made upper case without padding. */
int session_read_otp(struct reader *r, const char *key, void *at)
{
	const char *text;
	char *copy;
	size_t len;
	int ret;

	if (reader_is_variable(r))
		return read_variable(r, key, at);
	ret = read_text(r, key, 1, 512, &text);
	if (ret < 0)
		return ret;
	len = strcspn(text, "=");
	copy = pool_text(&r->pool, text, len);
	if (!copy)
		return reader_no_memory(r);
	for (char *c = copy; *c != '\0'; c++)
		if (*c >= 'a' && *c <= 'z')
			*c = (char)(*c - 'a' + 'A');
	if (strspn(copy, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != len ||
		strspn(text + len, "=") != strlen(text + len))
		return yaml_events_fail(&r->y,
			"%s: not base32; wanted letters and 2 to 7, or a "
			"variable",
			key);
	if (len * 5 < 128)
		return yaml_events_fail(&r->y,
			"%s: %zu bits; wanted at least 128 (26 characters)",
			key, len * 5);
	memcpy(at, &copy, sizeof(copy));
	return 0;
}

/* ---- security ---- */

const char *const session_modes[MODE_NONE + 1] = {
	[MODE_HARDWARE] = "hardware",
	[MODE_EMULATED] = "emulated",
	[MODE_NONE] = "none",
};

static int read_mode(struct reader *r, const char *key, void *at)
{
	uint64_t *mode = at;
	int ret = yaml_events_want(&r->y, YAML_SCALAR_EVENT, key);

	if (ret == 0 && strcmp(yaml_events_text(&r->y), "maa") == 0)
		return yaml_events_fail(&r->y,
			"mode maa is not there: Microsoft Azure Attestation is "
			"not asked; quotes are verified here, with mode "
			"hardware");
	if (ret == 0)
		ret = read_choice(
			r, key, session_modes, ARRAY_SIZE(session_modes), mode);
	if (ret == 0 && *mode == MODE_EMULATED && !r->v1)
		return yaml_events_fail(&r->y,
			"mode emulated is of version \"1.0\"; this policy has "
			"version %s",
			r->s->version);
	return ret;
}

const char *const session_tolerances[8] = {"debug-mode", "hyperthreading",
	"insecure-igpu", "software-hardening-needed", "aepic-leak",
	"insecure-configuration", "outdated-tcb", "emulated"};

static int read_tolerated(struct reader *r, const char *key, void *at)
{
	static const char *const absent[] = {
		"maa-managed-tcb", "local-attestation-trust-cas-tcb"};
	uint64_t *bit = at;
	int ret = yaml_events_want(&r->y, YAML_SCALAR_EVENT, key);

	for (size_t i = 0; i < ARRAY_SIZE(absent) && ret == 0; i++)
		if (strcmp(yaml_events_text(&r->y), absent[i]) == 0)
			return yaml_events_fail(&r->y,
				"%s: %s is not there: evidence is verified by "
				"CAS, with quotes",
				key, absent[i]);
	if (ret == 0)
		ret = read_choice(r, key, session_tolerances,
			ARRAY_SIZE(session_tolerances), bit);
	if (ret == 0 && 1u << *bit == TOLERATE_EMULATED && !r->v1)
		return yaml_events_fail(&r->y,
			"%s: emulated is of version \"1.0\"; this policy has "
			"version %s",
			key, r->s->version);
	return ret;
}

static int read_tolerate(struct reader *r, const char *key, void *at)
{
	struct item_list list;
	int ret = read_list(
		r, key, 64, sizeof(uint64_t), read_tolerated, &list);

	for (size_t i = 0; i < list.count && ret == 0; i++)
		*(uint64_t *)at |= 1ull << ((uint64_t *)list.item)[i];
	return ret;
}

static int read_advisory(struct reader *r, const char *key, void *at)
{
	const char *id;
	int ret = read_text(r, key, 1, 23, &id);

	if (ret < 0)
		return ret;
	if (strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != strlen(id) ||
		!strchr(id, '-'))
		return yaml_events_fail(&r->y,
			"%s: '%.40s'; wanted an id as INTEL-SA-00615", key, id);
	memcpy(at, &id, sizeof(id));
	return 0;
}

static int read_advisories(struct reader *r, const char *key, void *at)
{
	static const char *any[] = {"*"};

	if (reader_is(r, YAML_SCALAR_EVENT) &&
		strcmp(yaml_events_text(&r->y), "*") == 0) {
		*(struct text_list *)at = (struct text_list){any, 1};
		return 0;
	}
	return read_list(
		r, key, APPRAISE_ADVISORIES, sizeof(char *), read_advisory, at);
}

static int read_local(struct reader *r, const char *key, void *at)
{
	bool local = false;
	int ret = yaml_events_bool(&r->y, key, &local);

	(void)at;
	if (ret == 0 && local)
		return yaml_events_fail(&r->y,
			"%s is not there: evidence is quotes, which say "
			"nothing of the place; wanted false",
			key);
	return ret;
}

static const struct key rules_keys[] = {
	{"mode", read_mode, AT(session_security, mode), 0, NULL},
	{"tolerate", read_tolerate, AT(session_security, tolerate), 0, NULL},
	{"ignore_advisories", read_advisories,
		AT(session_security, ignore_advisories), 0, NULL},
	{"one_time_password_shared_secret", session_read_otp,
		AT(session_security, otp_secret), 0, NULL},
	{"must_be_sgx_local", read_local, 0, 0, NULL},
	{"trusted_scone_qe_pubkeys", NULL, 0, KEY_ABSENT,
		"quotes are those of Intel's quoting enclaves and of "
		"`sconce las`"},
	{"min_rsa_signing_key_size", NULL, 0, KEY_ABSENT,
		"it has no effect; leave it out"},
	{"url", NULL, 0, KEY_ABSENT, "it belongs to mode maa"},
	{"certificates", NULL, 0, KEY_ABSENT, "it belongs to mode maa"},
};

int session_read_rules(struct reader *r, const char *key, void *at)
{
	struct session_security *s = at;
	struct seen seen;

	if (reader_is_variable(r))
		return read_variable(r, key, &s->attestation);
	return read_map(r, key, rules_keys, ARRAY_SIZE(rules_keys), s, &seen);
}

static int read_token(struct reader *r, const char *key, void *at)
{
	return read_template(r, key, 1, 1024, at);
}

static const struct key security_keys[] = {
	{"singleton_enclaves", read_bool, AT(session_security, singleton), 0,
		NULL},
	{"service_access_token", read_token, AT(session_security, access_token),
		0, NULL},
	{"attestation", session_read_rules, 0, 0, NULL},
};

int session_read_security(struct reader *r, const char *key, void *at)
{
	struct seen seen;

	return read_map(
		r, key, security_keys, ARRAY_SIZE(security_keys), at, &seen);
}

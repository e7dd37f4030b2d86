/* SPDX-License-Identifier: Apache-2.0 */
#include "cas/match.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cas/match_int.h"
#include "lib/bytes.h"
#include "lib/fmt.h"
#include "lib/string.h"

/* One variant being compared. */
struct compare {
	const struct match_rules *rules;
	const struct match_binding *binding;
	const struct verdict *v;
	const struct attest_variant *variant;
	unsigned number; /* from 1 */
	struct match_result *out;
};

struct match_reason *match_reason_add(
	struct match_result *m, unsigned variant, const char *rule)
{
	size_t i = u64_min(m->count, MATCH_REASONS - 1);
	struct match_reason *r = &m->reasons[i];

	/* Past the end the last one is written anew: what was before it is
	 * whole, and the count says how many there are. */
	m->count++;
	*r = (struct match_reason){.variant = variant, .rule = rule};
	return r;
}

/* By what owners know a variant: they stand in another order in the canonical
 * form than in their text. */
static void label(const struct attest_variant *a, char *out, size_t size)
{
	if (a->mrenclave.count > 0)
		fmt_print(
			out, size, "mrenclave %.16s...", a->mrenclave.item[0]);
	else if (a->mrsigner)
		fmt_print(out, size, "mrsigner %.16s...", a->mrsigner);
	else if (a->fields.count > 0)
		fmt_print(out, size, "%.23s %.16s...", a->fields.item[0].key,
			a->fields.item[0].value);
}

static struct match_reason *differs(const struct compare *c, const char *rule)
{
	struct match_reason *r = match_reason_add(c->out, c->number, rule);

	if (c->number > 0)
		label(c->variant, r->label, sizeof(r->label));
	return r;
}

static void cure(struct match_reason *r, const struct compare *c,
	const char *what, const char *value)
{
	fmt_print(r->cure, sizeof(r->cure), "services.%s.attestation[%u].%s%s",
		c->rules->service->name, c->number - 1, what, value);
}

/* What the verdict has, as text; false: nothing. */
static bool show_field(const struct verdict *v, const char *name,
	char text[static VERDICT_TEXT])
{
	const struct verdict_field *f = verdict_field(v, name);

	if (!f) {
		fmt_print(text, VERDICT_TEXT, "no such field in %s evidence",
			verdict_kind_name(v->kind));
		return false;
	}
	if (f->size > 0)
		bytes_to_hex(f->bytes, u64_min(f->size, 64), text);
	else
		fmt_print(text, VERDICT_TEXT, "%llu",
			(unsigned long long)f->number);
	return true;
}

/* True if field name is these hex digits; shorter ones are followed by zeros.
 */
static bool field_is_hex(
	const struct verdict *v, const char *name, const char *hex)
{
	const struct verdict_field *f = verdict_field(v, name);
	uint8_t want[64] = {0};
	size_t len = strlen(hex);

	return f && f->size > 0 && len > 0 && len % 2 == 0 &&
		len / 2 <= f->size && string_from_hex(hex, want, len / 2) &&
		memcmp(f->bytes, want, f->size) == 0;
}

static void show_list(
	char text[static 2 * VERDICT_TEXT], const struct text_list *list)
{
	if (list->count > 1)
		fmt_print(text, 2 * VERDICT_TEXT, "one of %zu: %s, ...",
			list->count, list->item[0]);
	else
		fmt_print(text, 2 * VERDICT_TEXT, "%s",
			list->count ? list->item[0] : "nothing");
}

static void compare_mrenclave(const struct compare *c)
{
	const struct text_list *list = &c->variant->mrenclave;
	struct match_reason *r;

	if (list->count == 0)
		return;
	for (size_t i = 0; i < list->count; i++)
		if (strlen(list->item[i]) == 64 &&
			field_is_hex(c->v, "mrenclave", list->item[i]))
			return;
	r = differs(c, "mrenclave");
	show_list(r->wanted, list);
	if (show_field(c->v, "mrenclave", r->seen))
		cure(r, c, "mrenclave: add ", r->seen);
}

static void compare_signer(const struct compare *c)
{
	const struct attest_variant *a = c->variant;
	const struct verdict_field *f;
	struct match_reason *r;

	if (!a->has_signer)
		return;
	if (!a->mrsigner || strlen(a->mrsigner) != 64 ||
		!field_is_hex(c->v, "mrsigner", a->mrsigner)) {
		r = differs(c, "mrsigner");
		fmt_print(r->wanted, sizeof(r->wanted), "%s",
			a->mrsigner ? a->mrsigner : "a value");
		if (show_field(c->v, "mrsigner", r->seen))
			cure(r, c, "signer.mrsigner: ", r->seen);
	}
	f = verdict_field(c->v, "isv_prod_id");
	if (!f || f->size != 0 || f->number != a->isv_prod_id) {
		r = differs(c, "isv_prod_id");
		fmt_print(r->wanted, sizeof(r->wanted), "%llu",
			(unsigned long long)a->isv_prod_id);
		if (show_field(c->v, "isv_prod_id", r->seen))
			cure(r, c, "signer.isvprodid: ", r->seen);
	}
	f = verdict_field(c->v, "isv_svn");
	if (f && f->size == 0 && f->number >= a->isv_svn_min &&
		f->number <= a->isv_svn_max)
		return;
	r = differs(c, "isv_svn");
	fmt_print(r->wanted, sizeof(r->wanted), "%llu to %llu",
		(unsigned long long)a->isv_svn_min,
		(unsigned long long)a->isv_svn_max);
	if (show_field(c->v, "isv_svn", r->seen))
		cure(r, c,
			f->number < a->isv_svn_min ? "signer.isvsvn_min: "
						   : "signer.isvsvn_max: ",
			r->seen);
}

/* ---- the configuration: what runs in it ---- */

static const char *config_field(uint64_t tee)
{
	return tee == TEE_TDX    ? "mrconfigid"
		: tee == TEE_SNP ? "host_data"
				 : "config_id";
}

static bool names_field(const struct attest_variant *a, const char *name)
{
	for (size_t i = 0; i < a->fields.count; i++)
		if (strcmp(a->fields.item[i].key, name) == 0)
			return true;
	return false;
}

/* The policy names a configuration by its own words. */
static void compare_own_config(const struct compare *c, const char *field)
{
	const struct attest_variant *a = c->variant;
	const struct verdict_field *f = verdict_field(c->v, field);
	struct match_reason *r;

	if (c->rules->session->security.singleton) {
		/* One value for all starts: no start could be told from
		 * another. */
		r = differs(c, field);
		show_field(c->v, field, r->seen);
		fmt_print(r->wanted, sizeof(r->wanted),
			"the one of a one-time token, since the session has "
			"singleton_enclaves");
		cure(r, c, field, ": leave it out");
		return;
	}
	if (!a->config_id)
		return; /* by `fields`, with the others */
	if (f && bytes_zero(f->bytes, f->size)) {
		r = differs(c, field);
		show_field(c->v, field, r->seen);
		fmt_print(r->wanted, sizeof(r->wanted),
			"not zeros: that is a development run, which runs "
			"anything");
		return;
	}
	if (field_is_hex(c->v, field, a->config_id))
		return;
	r = differs(c, field);
	fmt_print(r->wanted, sizeof(r->wanted), "%s", a->config_id);
	if (show_field(c->v, field, r->seen))
		cure(r, c, "config_id: ", r->seen);
}

static void compare_config(const struct compare *c)
{
	const struct attest_variant *a = c->variant;
	const char *field = config_field(a->tee);
	const struct verdict_field *f = verdict_field(c->v, field);
	const struct match_rules *m = c->rules;
	struct match_reason *r;
	uint8_t want[64] = {0};

	if (a->config_id || names_field(a, field)) {
		compare_own_config(c, field);
		return;
	}
	if (c->binding->any_token)
		return;
	memcpy(want, c->binding->config, MATCH_HASH_SIZE);
	if (f && f->size >= MATCH_HASH_SIZE && f->size <= sizeof(want) &&
		memcmp(f->bytes, want, f->size) == 0)
		return;
	r = differs(c, field);
	show_field(c->v, field, r->seen);
	bytes_to_hex(
		want, f ? u64_min(f->size, 64) : MATCH_HASH_SIZE, r->wanted);
	fmt_print(r->cure, sizeof(r->cure),
		"start it for this session, by `sconce run --cas HOST "
		"--session %s/%s`%s",
		m->session->name, m->service->name,
		m->session->security.singleton ? ", with a new one-time token"
					       : "");
}

/* ---- other fields, by name ---- */

static bool number_of(const char *text, size_t len, uint64_t *out)
{
	uint64_t n = 0;

	for (size_t i = 0; i < len; i++)
		if (text[i] < '0' || text[i] > '9' ||
			mul_overflows(n, 10u, &n) ||
			add_overflows(n, (uint64_t)(text[i] - '0'), &n))
			return false;
	*out = n;
	return len > 0;
}

/* One value as policies write it; false: it is none of that field. */
static bool value_of(const struct appraise_name *n, const char *text,
	size_t len, struct verdict_field *out)
{
	char hex[2 * sizeof(out->bytes) + 1];

	out->size = n->size;
	if (n->size == 0)
		return number_of(text, len, &out->number);
	if (len != 2u * n->size || len >= sizeof(hex))
		return false;
	memcpy(hex, text, len);
	hex[len] = '\0';
	return string_from_hex(hex, out->bytes, n->size);
}

static bool at_least(
	const struct verdict_field *seen, const struct verdict_field *want)
{
	if (seen->size == 0)
		return seen->number >= want->number;
	for (size_t i = 0; i < seen->size; i++)
		if (seen->bytes[i] < want->bytes[i])
			return false;
	return true;
}

static bool masked(const struct verdict_field *seen,
	const struct verdict_field *want, const struct verdict_field *mask)
{
	if (seen->size == 0)
		return ((seen->number ^ want->number) & mask->number) == 0;
	for (size_t i = 0; i < seen->size; i++)
		if ((seen->bytes[i] ^ want->bytes[i]) & mask->bytes[i])
			return false;
	return true;
}

static bool equal(
	const struct verdict_field *seen, const struct verdict_field *want)
{
	return seen->size == 0
		? seen->number == want->number
		: memcmp(seen->bytes, want->bytes, seen->size) == 0;
}

/* want: "V", "V,V,...", ">=V" or "V/MASK". */
static bool field_matches(const struct appraise_name *n,
	const struct verdict_field *f, const char *want)
{
	struct verdict_field value, mask;
	const char *slash = strchr(want, '/');

	if (f->size != n->size)
		return false;
	if (string_has_prefix(want, ">="))
		return value_of(n, want + 2, strlen(want + 2), &value) &&
			at_least(f, &value);
	if (slash)
		return value_of(n, want, (size_t)(slash - want), &value) &&
			value_of(n, slash + 1, strlen(slash + 1), &mask) &&
			masked(f, &value, &mask);
	for (;;) {
		size_t len = strcspn(want, ",");

		if (value_of(n, want, len, &value) && equal(f, &value))
			return true;
		if (want[len] == '\0')
			return false;
		want += len + 1;
	}
}

static void compare_field(const struct compare *c, const struct text_pair *p)
{
	const struct appraise_name *n = appraise_name_find(
		p->key, strlen(p->key));
	const struct verdict_field *f = verdict_field(c->v, p->key);
	struct match_reason *r;

	if (n && f && field_matches(n, f, p->value))
		return;
	r = differs(c, n ? n->name : "field");
	fmt_print(r->wanted, sizeof(r->wanted), "%s%s", p->value,
		n ? "" : " in a field that no evidence has");
	if (show_field(c->v, p->key, r->seen)) {
		size_t at = fmt_print(r->cure, sizeof(r->cure),
			"services.%s.attestation[%u].", c->rules->service->name,
			c->number - 1);

		at = u64_min(at, sizeof(r->cure));
		fmt_print(r->cure + at, sizeof(r->cure) - at, "%s: %s", p->key,
			r->seen);
	}
}

static bool names_program(const struct attest_variant *a)
{
	if (a->tee == TEE_SGX && (a->mrenclave.count > 0 || a->has_signer))
		return true;
	for (size_t i = 0; i < a->fields.count; i++) {
		const char *key = a->fields.item[i].key;
		const struct appraise_name *n = appraise_name_find(
			key, strlen(key));

		/* Many programs have a hash that is "at least" another, or has
		 * some of its bits. */
		if (n && n->program && !strpbrk(a->fields.item[i].value, ">/"))
			return true;
	}
	return false;
}

static bool is_of_tee(const struct verdict *v, uint64_t tee)
{
	switch (v->kind) {
	case EVIDENCE_SGX_V3:
	case EVIDENCE_SGX_V4:
	case EVIDENCE_SGX_V5:
		return tee == TEE_SGX;
	case EVIDENCE_TDX_V4:
	case EVIDENCE_TDX_V5:
		return tee == TEE_TDX;
	case EVIDENCE_SNP:
		return tee == TEE_SNP;
	}
	return false;
}

static void compare_variant(const struct compare *c)
{
	static const char *const names[] = {"sgx", "tdx", "snp"};
	const struct attest_variant *a = c->variant;
	struct match_reason *r;

	if (!is_of_tee(c->v, a->tee)) {
		r = differs(c, "tee");
		fmt_print(r->seen, sizeof(r->seen), "%s",
			verdict_kind_name(c->v->kind));
		fmt_print(r->wanted, sizeof(r->wanted), "%s",
			a->tee < ARRAY_SIZE(names) ? names[a->tee] : "a TEE");
		return;
	}
	if (!names_program(a)) {
		r = differs(c, "program");
		fmt_print(r->seen, sizeof(r->seen),
			"the variant names no program");
		fmt_print(r->wanted, sizeof(r->wanted),
			"mrenclave, signer, mrtd, measurement, id_key_digest "
			"or author_key_digest");
	}
	compare_mrenclave(c);
	compare_signer(c);
	for (size_t i = 0; i < a->fields.count; i++)
		compare_field(c, &a->fields.item[i]);
	compare_config(c);
}

/* ---- what holds for all variants ---- */

static void compare_platform(const struct compare *c)
{
	static const char prefix[] = "INTEL_QE_ID:";
	const struct text_list *list = &c->rules->platforms;
	struct match_reason *r;

	if (list->count == 0)
		return;
	for (size_t i = 0; i < list->count; i++) {
		const char *p = list->item[i];

		if (string_has_prefix(p, prefix) &&
			strlen(p) == sizeof(prefix) - 1 + 32 &&
			field_is_hex(c->v, "qe_id", p + sizeof(prefix) - 1))
			return;
	}
	r = differs(c, "platforms");
	show_list(r->wanted, list);
	if (show_field(c->v, "qe_id", r->seen))
		fmt_print(r->cure, sizeof(r->cure),
			"services.%s.platforms: add INTEL_QE_ID:%s",
			c->rules->service->name, r->seen);
}

static void compare_binding(const struct compare *c)
{
	const struct verdict_field *f = verdict_field(c->v, "report_data");
	const uint8_t *want = c->binding->report_data;
	struct match_reason *r;

	if (!want ||
		(f && f->size == MATCH_BINDING_SIZE &&
			memcmp(f->bytes, want, f->size) == 0))
		return;
	r = differs(c, "report_data");
	show_field(c->v, "report_data", r->seen);
	fmt_print(r->wanted, sizeof(r->wanted),
		"evidence made for this connection");
}

/* The facts, and security.attestation. */
static int compare_common(
	const struct compare *c, struct verdict *v, int64_t at)
{
	const struct session_security *s = &c->rules->security;
	struct appraise_policy *p = malloc(sizeof(*p));

	if (!p)
		return -ENOMEM;
	match_tcb_policy(s, v, p);
	(void)!appraise(v, p, at);
	free(p);
	for (size_t i = 0; i < v->failure_count && i < VERDICT_FAILURES; i++) {
		const struct verdict_failure *f = &v->failures[i];
		struct match_reason *r = differs(c, f->rule);

		memcpy(r->seen, f->seen, sizeof(r->seen));
		fmt_print(r->wanted, sizeof(r->wanted), "%s", f->wanted);
		match_tcb_cure(s, v, f->rule, r->cure, sizeof(r->cure));
	}
	compare_platform(c);
	compare_binding(c);
	return 0;
}

int match(const struct match_rules *rules, const struct match_binding *binding,
	struct verdict *v, int64_t at, struct match_result *out)
{
	struct compare c = {
		.rules = rules, .binding = binding, .v = v, .out = out};
	size_t common;
	int ret;

	out->accepted = false;
	out->variant = 0;
	out->count = 0;
	ret = compare_common(&c, v, at);
	if (ret < 0)
		return ret;
	common = out->count;
	for (size_t i = 0; i < rules->variant_count; i++) {
		size_t before = out->count;

		c.variant = &rules->variants[i];
		c.number = (unsigned)i + 1;
		compare_variant(&c);
		if (out->count > before)
			continue;
		/* The others need no explanation then. */
		out->count = common;
		out->variant = c.number;
		out->accepted = common == 0;
		return 0;
	}
	if (rules->variant_count == 0) {
		struct match_reason *r = match_reason_add(out, 0, "program");

		fmt_print(r->seen, sizeof(r->seen),
			"the service has no attestation rules");
		fmt_print(r->wanted, sizeof(r->wanted), "at least one variant");
	}
	return 0;
}

/* ---- what is told ---- */

void match_explain(const struct match_result *m, struct buf *out)
{
	for (size_t i = 0; i < m->count && i < MATCH_REASONS; i++) {
		const struct match_reason *r = &m->reasons[i];

		if (r->variant > 0)
			buf_format(out,
				"attestation[%u] (%s): ", r->variant - 1,
				r->label);
		buf_format(
			out, "%s: %s; wanted %s", r->rule, r->seen, r->wanted);
		if (r->cure[0])
			buf_format(out, "; to accept it: %s", r->cure);
		buf_text(out, "\n");
	}
	if (m->count > MATCH_REASONS)
		buf_format(out, "and %zu more\n", m->count - MATCH_REASONS);
}

void match_summary(const struct match_result *m, char *text, size_t size)
{
	size_t at = 0;

	if (size == 0)
		return;
	text[0] = '\0';
	for (size_t i = 0; i < m->count && i < MATCH_REASONS && at < size;
		i++) {
		const struct match_reason *r = &m->reasons[i];

		at += fmt_print(text + at, size - at, "%s%s",
			at > 0 ? ", " : "", r->rule);
		if (r->variant > 0 && at < size)
			at += fmt_print(
				text + at, size - at, "[%u]", r->variant - 1);
	}
}

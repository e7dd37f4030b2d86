/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Variables in rules. A variable may stand for a whole variant or list of
 * variants, for a signer, for a hash or a list of hashes, for platforms, and
 * for security.attestation. Its value is read as what may stand there; no
 * value is looked at for further variables.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cas/match_int.h"

struct resolve {
	struct match_rules *r;
	subst_fn *lookup;
	void *arg;
	struct err *e;
};

static int no_memory(struct err *e)
{
	return err_setf(e, -ENOMEM, "no memory");
}

/* Something below failed and said so in c->e. */
static int failed(const struct resolve *c)
{
	return c->e->code < 0 ? c->e->code : -EINVAL;
}

bool match_has_variable(const char *text)
{
	return strstr(text, "$$SCONE::") != NULL;
}

static struct match_memory *keep(struct resolve *c)
{
	struct match_memory *m = calloc(1, sizeof(*m));

	if (!m) {
		no_memory(c->e);
		return NULL;
	}
	m->next = c->r->memory;
	c->r->memory = m;
	return m;
}

/* Memory that lives as long as the rules. */
static void *keep_items(struct resolve *c, size_t count, size_t size)
{
	struct match_memory *m = keep(c);

	if (!m)
		return NULL;
	m->text = calloc(count ? count : 1, size);
	if (!m->text)
		no_memory(c->e);
	return m->text;
}

/* The text with its variables replaced; NULL: error in c->e. */
static const char *replace(struct resolve *c, const char *text)
{
	struct buf b = {0};
	struct match_memory *m = keep(c);
	int ret;

	if (!m)
		return NULL;
	ret = subst(text, c->lookup, c->arg, NULL, &b, c->e);
	if (ret == 0 && buf_check(&b) < 0)
		ret = no_memory(c->e);
	/* A NUL in a value would hide what stands behind it. */
	if (ret == 0 && b.size > 0 && strlen((char *)b.data) != b.size)
		ret = err_setf(c->e, -EINVAL,
			"%s: a zero byte in the value of a rule", text);
	if (ret < 0) {
		buf_fini(&b);
		return NULL;
	}
	m->text = b.data ? (char *)b.data : calloc(1, 1);
	if (!m->text)
		no_memory(c->e);
	return m->text;
}

typedef int parse_fn(const char *name, const char *text, size_t size,
	struct session_rules *out, struct err *e);

/* The value of a variable, read by parse(); NULL: error in c->e. */
static const struct session_rules *parse(
	struct resolve *c, const char *variable, parse_fn *fn)
{
	const char *text = replace(c, variable);
	struct match_memory *m = text ? keep(c) : NULL;

	if (!m || fn(variable, text, strlen(text), &m->rules, c->e) < 0)
		return NULL;
	return &m->rules;
}

/* A list in which items that are variables became the texts of their values.
 */
static int resolve_list(
	struct resolve *c, const struct text_list *in, struct text_list *out)
{
	const char **items;
	size_t n = 0;

	*out = *in;
	for (size_t i = 0; i < in->count; i++)
		n += match_has_variable(in->item[i]);
	if (n == 0)
		return 0;
	items = keep_items(c, MATCH_VALUES_MAX, sizeof(*items));
	if (!items)
		return failed(c);
	n = 0;
	for (size_t i = 0; i < in->count; i++) {
		struct text_list one = {.item = &in->item[i], .count = 1};

		if (match_has_variable(in->item[i])) {
			const struct session_rules *v = parse(
				c, in->item[i], session_parse_texts);

			if (!v)
				return failed(c);
			one = v->texts;
		}
		if (one.count > MATCH_VALUES_MAX - n)
			return err_setf(c->e, -EINVAL,
				"%s: more than %d values; wanted fewer",
				in->item[i], MATCH_VALUES_MAX);
		for (size_t k = 0; k < one.count; k++)
			items[n++] = one.item[k];
	}
	*out = (struct text_list){items, n};
	return 0;
}

static int resolve_fields(struct resolve *c, struct text_map *fields)
{
	struct text_pair *pairs;
	size_t n = 0;

	for (size_t i = 0; i < fields->count; i++)
		n += match_has_variable(fields->item[i].value);
	if (n == 0)
		return 0;
	pairs = keep_items(c, fields->count, sizeof(*pairs));
	if (!pairs)
		return failed(c);
	for (size_t i = 0; i < fields->count; i++) {
		pairs[i] = fields->item[i];
		if (!match_has_variable(pairs[i].value))
			continue;
		pairs[i].value = replace(c, pairs[i].value);
		if (!pairs[i].value)
			return failed(c);
	}
	fields->item = pairs;
	return 0;
}

/* The value is a hash, or what may stand behind `signer:`. */
static int resolve_signer(struct resolve *c, struct attest_variant *a)
{
	const char *text = replace(c, a->mrsigner);
	const struct attest_variant *v;
	struct match_memory *m;
	struct buf b = {0};
	int ret;

	if (!text)
		return failed(c);
	if (!strchr(text, ':')) {
		a->mrsigner = text;
		return 0;
	}
	m = keep(c);
	if (!m)
		return failed(c);
	/* The same reader as for a whole variant. A value of several lines
	 * begins on its own and is indented already or flows. */
	buf_text(&b, text[0] == '{' ? "{signer: " : "signer:\n  ");
	for (const char *p = text; *p; p++) {
		buf_add(&b, p, 1);
		if (*p == '\n' && text[0] != '{')
			buf_text(&b, "  ");
	}
	buf_text(&b, text[0] == '{' ? "}" : "\n");
	ret = buf_check(&b) < 0
		? no_memory(c->e)
		: session_parse_attestation(
			  a->mrsigner, (char *)b.data, b.size, &m->rules, c->e);
	buf_fini(&b);
	if (ret < 0)
		return ret;
	v = m->rules.attestation.item;
	if (m->rules.attestation.count != 1 || !v->has_signer)
		return err_setf(c->e, -EINVAL,
			"%s: not a signer; wanted a hash, or mrsigner, "
			"isvprodid and isvsvn",
			a->mrsigner);
	a->mrsigner = v->mrsigner;
	a->isv_prod_id = v->isv_prod_id;
	a->isv_svn_min = v->isv_svn_min;
	a->isv_svn_max = v->isv_svn_max;
	return 0;
}

static int add_variant(struct resolve *c, const struct attest_variant *in)
{
	struct match_rules *r = c->r;
	struct attest_variant *a;
	int ret;

	if (r->variant_count == r->variant_cap)
		return err_setf(c->e, -EINVAL,
			"service %s: more than %d variants of attestation",
			r->service->name, MATCH_VARIANTS_MAX);
	a = &r->variants[r->variant_count++];
	*a = *in;
	ret = resolve_list(c, &in->mrenclave, &a->mrenclave);
	if (ret == 0 && a->mrsigner && match_has_variable(a->mrsigner))
		ret = resolve_signer(c, a);
	if (ret == 0 && a->config_id && match_has_variable(a->config_id)) {
		a->config_id = replace(c, a->config_id);
		ret = a->config_id ? 0 : failed(c);
	}
	return ret < 0 ? ret : resolve_fields(c, &a->fields);
}

static int resolve_variants(struct resolve *c)
{
	const struct attest_variant *in = c->r->service->attestation.item;

	for (size_t i = 0; i < c->r->service->attestation.count; i++) {
		const struct session_rules *v;
		const struct attest_variant *items;
		int ret = 0;

		if (!in[i].variable) {
			ret = add_variant(c, &in[i]);
			if (ret < 0)
				return ret;
			continue;
		}
		v = parse(c, in[i].variable, session_parse_attestation);
		if (!v)
			return failed(c);
		items = v->attestation.item;
		for (size_t k = 0; ret == 0 && k < v->attestation.count; k++)
			ret = items[k].variable
				? err_setf(c->e, -EINVAL,
					  "%s: a variable in the value of one",
					  in[i].variable)
				: add_variant(c, &items[k]);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int resolve_security(struct resolve *c)
{
	const char *variable = c->r->security.attestation;
	const struct session_rules *v;

	if (!variable)
		return 0;
	v = parse(c, variable, session_parse_security);
	if (!v)
		return failed(c);
	/* The rest of `security` is the session's own. */
	c->r->security.mode = v->security.mode;
	c->r->security.tolerate = v->security.tolerate;
	c->r->security.ignore_advisories = v->security.ignore_advisories;
	if (v->security.otp_secret)
		c->r->security.otp_secret = v->security.otp_secret;
	return 0;
}

int match_rules_new(const struct session *s,
	const struct session_service *service, subst_fn *lookup, void *arg,
	struct match_rules **out, struct err *e)
{
	struct match_rules *r = calloc(1, sizeof(*r));
	struct err own = {0};
	struct resolve c = {r, lookup, arg, e ? e : &own};
	int ret;

	*out = NULL;
	if (!r)
		return no_memory(e);
	r->session = s;
	r->service = service;
	r->security = s->security;
	r->variant_cap = MATCH_VARIANTS_MAX;
	r->variants = keep_items(
		&c, r->variant_cap, sizeof(struct attest_variant));
	ret = r->variants ? 0 : failed(&c);
	if (ret == 0)
		ret = resolve_security(&c);
	if (ret == 0)
		ret = resolve_variants(&c);
	if (ret == 0)
		ret = resolve_list(&c, &service->platforms, &r->platforms);
	if (ret < 0) {
		match_rules_free(r);
		return ret;
	}
	*out = r;
	return 0;
}

void match_rules_free(struct match_rules *r)
{
	struct match_memory *next;

	if (!r)
		return;
	for (struct match_memory *m = r->memory; m; m = next) {
		next = m->next;
		session_rules_free(&m->rules);
		free(m->text);
		free(m);
	}
	free(r);
}

const char *match_rules_otp(const struct match_rules *r)
{
	return r->security.otp_secret;
}

uint64_t match_rules_mode(const struct match_rules *r)
{
	return r->security.mode;
}

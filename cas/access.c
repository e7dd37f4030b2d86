/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each rule gives a set of keys that could stand for it, as bits: bit i is the
 * i-th key of the request, or the first one of its organisation. N of M is a
 * matching of rules with keys, found by augmenting paths: M and the keys are
 * few.
 */
#include "cas/access.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "cas/spki.h"
#include "crypto/sha256.h"
#include "lib/err.h"
#include "lib/string.h"

enum { SPKI_MAX = 1024, ANYBODY = 63 };

struct decision {
	const struct access_request *r;
	const uint8_t *key[ACCESS_KEYS_MAX];
	const char *organisation[ACCESS_KEYS_MAX];
	uint8_t identity[ACCESS_KEYS_MAX]; /* bit that stands for key i */
	size_t count;
	struct err *e;
	bool closed; /* nothing but NONE was seen so far */
	uint64_t need, have; /* of the outermost rule that failed */
};

/* What a rule came to. */
struct outcome {
	bool met;
	uint64_t keys; /* that could stand for it */
};

static struct access_rule creator_rule = {.kind = PRINCIPAL_CREATOR};
static struct access_rule nobody_rule = {.kind = PRINCIPAL_NONE};
static const struct item_list creator_only = {&creator_rule, 1};
static const struct item_list nobody = {&nobody_rule, 1};

const struct item_list *access_rules(
	const struct session *s, enum access_right right)
{
	if (s->access[right].count)
		return &s->access[right];
	switch (right) {
	case ACCESS_CREATE_SESSIONS:
		return access_rules(s, ACCESS_UPDATE);
	case ACCESS_LIST_SESSIONS:
		return access_rules(s, ACCESS_READ);
	case ACCESS_READ:
	case ACCESS_UPDATE:
		return &creator_only;
	case ACCESS_DELETE:
		if (s->version && string_has_prefix(s->version, "1."))
			return access_rules(s, ACCESS_UPDATE);
		break;
	case ACCESS_RIGHTS:
		break;
	}
	return &nobody;
}

static bool key_equal(struct bytes a, const uint8_t b[static 32])
{
	return a.size == 32 && memcmp(a.data, b, 32) == 0;
}

static bool keys_add(struct decision *d, const struct access_keys *keys)
{
	for (size_t i = 0; i < keys->count; i++) {
		struct bytes key = {keys->key[i], 32};
		size_t at = 0;

		while (at < d->count && !key_equal(key, d->key[at]))
			at++;
		if (at < d->count)
			continue;
		if (at == ACCESS_KEYS_MAX)
			return false;
		d->key[at] = keys->key[i];
		d->identity[at] = (uint8_t)at;
		d->count++;
	}
	return true;
}

/* The bit of a key if it is among those; 0: it is not. */
static uint64_t key_bit(const struct decision *d,
	const struct access_keys *among, struct bytes key)
{
	bool there = false;

	for (size_t i = 0; i < among->count && !there; i++)
		there = key_equal(key, among->key[i]);
	for (size_t i = 0; there && i < d->count; i++)
		if (key_equal(key, d->key[i]))
			return 1ull << d->identity[i];
	return 0;
}

/* Keys for which some rule names an organisation stand for it everywhere. */
static void organisations_find(
	struct decision *d, const struct item_list *rules)
{
	const struct access_rule *rule = rules->item;

	for (size_t i = 0; i < rules->count; i++) {
		struct bytes key = rule[i].kind == PRINCIPAL_CREATOR
			? d->r->creator
			: rule[i].key;

		if (!rule[i].organisation || !key.size)
			continue;
		for (size_t k = 0; k < d->count; k++)
			if (key_equal(key, d->key[k]) && !d->organisation[k])
				d->organisation[k] = rule[i].organisation;
	}
	for (size_t i = 0; i < d->count; i++)
		for (size_t k = 0; k < i && d->organisation[i]; k++)
			if (d->organisation[k] &&
				strcmp(d->organisation[i],
					d->organisation[k]) == 0) {
				d->identity[i] = d->identity[k];
				break;
			}
}

/* Finds a key for rule i, moving others if need be. */
static bool match_rule(
	const uint64_t *masks, size_t i, int owner[64], uint64_t *seen)
{
	for (int bit = 0; bit < 64; bit++) {
		uint64_t b = 1ull << bit;

		if (!(masks[i] & b) || (*seen & b))
			continue;
		*seen |= b;
		if (owner[bit] < 0 ||
			match_rule(masks, (size_t)owner[bit], owner, seen)) {
			owner[bit] = (int)i;
			return true;
		}
	}
	return false;
}

static uint64_t match_count(const uint64_t *masks, size_t count)
{
	int owner[64];
	uint64_t n = 0, seen;

	memset(owner, 0xff, sizeof(owner));
	for (size_t i = 0; i < count; i++) {
		seen = 0;
		n += match_rule(masks, i, owner, &seen);
	}
	return n;
}

static int rules_judge(struct decision *d, const struct item_list *rules,
	unsigned depth, struct outcome *out);
static int rule_judge(struct decision *d, const struct item_list *rules,
	size_t *at, unsigned depth, struct outcome *out);

static int group_judge(struct decision *d, const struct item_list *rules,
	const struct access_rule *rule, size_t *at, unsigned depth,
	struct outcome *out)
{
	uint64_t masks[ACCESS_CHILDREN_MAX];
	size_t met = 0;
	uint64_t have;

	if (!rule->need || rule->need > rule->count ||
		rule->count > ACCESS_CHILDREN_MAX)
		return err_setf(d->e, -EINVAL,
			"access rule: %zu of %zu parts; wanted at least 1 of "
			"at most %d",
			(size_t)rule->need, (size_t)rule->count,
			(int)ACCESS_CHILDREN_MAX);
	for (uint64_t i = 0; i < rule->count; i++) {
		struct outcome child;
		int ret = rule_judge(d, rules, at, depth + 1, &child);

		if (ret)
			return ret;
		if (!child.met)
			continue;
		masks[met++] = child.keys;
		out->keys |= child.keys;
	}
	have = match_count(masks, met);
	out->met = have >= rule->need;
	if (!out->met) {
		d->need = rule->need;
		d->have = have;
	}
	return 0;
}

static int variable_judge(struct decision *d, const struct access_rule *asked,
	unsigned depth, struct outcome *out)
{
	const struct item_list *rules;
	const struct access_rule *rule;
	int ret;

	if (!d->r->variable)
		return err_setf(d->e, -EINVAL,
			"access rule: variable %s cannot be used here",
			asked->variable);
	ret = d->r->variable(d->r->arg, asked, &rules, d->e);
	if (ret)
		return ret;
	rule = rules->item;
	for (size_t i = 0; i < rules->count; i++)
		if (rule[i].variable)
			return err_setf(d->e, -EINVAL,
				"access rule: variable %s gives another "
				"variable; wanted rules",
				asked->variable);
	return rules_judge(d, rules, depth + 1, out);
}

/* Before anything is judged: who belongs together must not change midway. */
static int variables_find(struct decision *d, const struct item_list *rules)
{
	const struct access_rule *rule = rules->item;
	const struct item_list *more;

	for (size_t i = 0; i < rules->count; i++) {
		int ret;

		if (!rule[i].variable || !d->r->variable)
			continue;
		ret = d->r->variable(d->r->arg, &rule[i], &more, d->e);
		if (ret)
			return ret;
		organisations_find(d, more);
	}
	return 0;
}

/* Rule *at, which is then behind it and what is below it. */
static int rule_judge(struct decision *d, const struct item_list *rules,
	size_t *at, unsigned depth, struct outcome *out)
{
	const struct access_rule *rule = rules->item;
	const struct access_request *r = d->r;

	*out = (struct outcome){0};
	if (*at >= rules->count || depth > ACCESS_DEPTH_MAX)
		return err_setf(d->e, -EINVAL,
			"access rules are cut off, or nested deeper than %d",
			(int)ACCESS_DEPTH_MAX);
	rule += (*at)++;
	d->closed &= rule->kind == PRINCIPAL_NONE;
	if (rule->variable)
		return variable_judge(d, rule, depth, out);
	switch ((enum principal_kind)rule->kind) {
	case PRINCIPAL_CREATOR:
		out->keys = key_bit(d, &r->present, r->creator);
		break;
	case PRINCIPAL_KEY:
		out->keys = key_bit(d, &r->present, rule->key);
		break;
	case PRINCIPAL_SIGNER:
		out->keys = key_bit(d, &r->signed_by, rule->key);
		break;
	case PRINCIPAL_ANY:
		for (size_t i = 0; i < d->count; i++)
			out->keys |= 1ull << d->identity[i];
		if (!d->count)
			out->keys = 1ull << ANYBODY;
		break;
	case PRINCIPAL_NONE:
		break;
	case PRINCIPAL_AT_LEAST:
		return group_judge(d, rules, rule, at, depth, out);
	case PRINCIPAL_VARIABLE:
	default:
		return err_setf(d->e, -EINVAL, "access rule of kind %u",
			(unsigned)rule->kind);
	}
	out->met = out->keys != 0;
	return 0;
}

/* Any of several. */
static int rules_judge(struct decision *d, const struct item_list *rules,
	unsigned depth, struct outcome *out)
{
	struct outcome one;
	size_t at = 0;

	*out = (struct outcome){0};
	while (at < rules->count) {
		int ret = rule_judge(d, rules, &at, depth, &one);

		if (ret)
			return ret;
		if (!one.met)
			continue;
		out->met = true;
		out->keys |= one.keys;
	}
	return 0;
}

int access_decide(const struct access_request *r, struct err *e)
{
	struct decision d = {.r = r, .e = e, .closed = true};
	struct outcome out;
	int ret;

	if (!keys_add(&d, &r->present) || !keys_add(&d, &r->signed_by))
		return err_setf(
			e, -EINVAL, "more than %d keys", (int)ACCESS_KEYS_MAX);
	organisations_find(&d, r->rules);
	ret = variables_find(&d, r->rules);
	if (ret)
		return ret;
	ret = rules_judge(&d, r->rules, 0, &out);
	if (ret || out.met)
		return ret;
	if (d.closed)
		return err_setf(e, -EPERM, "the policy allows it to nobody");
	if (d.need)
		return err_setf(e, -EACCES,
			"the policy wants %u of its board, there are %u",
			(unsigned)d.need, (unsigned)d.have);
	return err_setf(e, -EACCES, "the policy does not name this key");
}

bool access_names(const struct item_list *rules, struct bytes creator,
	enum access_way way, const uint8_t key[static 32])
{
	const struct access_rule *rule = rules->item;
	bool named = false;

	for (size_t i = 0; i < rules->count && !named; i++)
		switch ((enum principal_kind)rule[i].kind) {
		case PRINCIPAL_CREATOR:
			named = (way & ACCESS_BY_TLS) &&
				key_equal(creator, key);
			break;
		case PRINCIPAL_KEY:
			named = (way & ACCESS_BY_TLS) &&
				key_equal(rule[i].key, key);
			break;
		case PRINCIPAL_SIGNER:
			named = (way & ACCESS_BY_SIGNATURE) &&
				key_equal(rule[i].key, key);
			break;
		case PRINCIPAL_ANY:
			named = way & ACCESS_BY_TLS;
			break;
		case PRINCIPAL_NONE:
		case PRINCIPAL_AT_LEAST:
		case PRINCIPAL_VARIABLE:
			break;
		}
	return named;
}

int access_verify(const struct signature *s, const void *message, size_t size,
	uint8_t key[static 32], struct err *e)
{
	const unsigned char *p = s->spki.data;
	EVP_PKEY *pkey = NULL;
	EVP_MD_CTX *ctx = NULL;
	const EVP_MD *md;
	int ret = -EINVAL;

	if (s->spki.size && s->spki.size <= SPKI_MAX)
		pkey = d2i_PUBKEY(NULL, &p, (long)s->spki.size);
	if (!pkey || p != s->spki.data + s->spki.size ||
		!spki_digest(pkey, &md)) {
		err_setf(e, ret,
			"signature: not a public key in DER; wanted Ed25519, "
			"P-256 or P-384");
		goto out;
	}
	sha256(s->spki.data, s->spki.size, key);
	ret = -ENOMEM;
	ctx = EVP_MD_CTX_new();
	if (!ctx || EVP_DigestVerifyInit(ctx, NULL, md, NULL, pkey) != 1) {
		err_setf(e, ret, "signature: no memory");
		goto out;
	}
	ret = 0;
	if (EVP_DigestVerify(
		    ctx, s->value.data, s->value.size, message, size) != 1)
		ret = err_setf(e, -EBADMSG,
			"signature: not over this change; sign the message "
			"that `sconce session sign` shows");
out:
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(pkey);
	return ret;
}

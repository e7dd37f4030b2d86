/* SPDX-License-Identifier: Apache-2.0 */
/*
 * access_policy: who may read, update, ... Rules are read as trees, children
 * put in order, so that the same members in another order are the same rule.
 */
#include <errno.h>

#include "cas/session_read.h"
#include "crypto/sha256.h"
#include "lib/fmt.h"
#include "lib/parse.h"
#include "lib/schema_encode.h"
#include "lib/string.h"

/* A rule with all below it, in pre-order. */
struct tree {
	struct grown rules; /* of struct access_rule */
};

/* What is allowed where. */
struct place_of_rule {
	const char *right;
	bool signatures; /* signers and numbers of them */
	unsigned depth;
};

static int add_rule(
	struct reader *r, struct tree *t, const struct access_rule *rule)
{
	struct access_rule *at = pool_grow(&r->pool, &t->rules, sizeof(*at));

	if (!at)
		return reader_no_memory(r);
	*at = *rule;
	return 0;
}

static int copy_bytes(
	struct reader *r, const uint8_t *data, size_t size, struct bytes *out)
{
	uint8_t *copy = pool_alloc(&r->pool, size);

	if (!copy)
		return reader_no_memory(r);
	memcpy(copy, data, size);
	*out = (struct bytes){copy, size};
	return 0;
}

/* ---- principals ---- */

static int read_simple(struct reader *r, const struct place_of_rule *p,
	struct access_rule *rule)
{
	static const struct {
		const char *name;
		enum principal_kind kind;
	} words[] = {{"CREATOR", PRINCIPAL_CREATOR}, {"ANY", PRINCIPAL_ANY},
		{"NONE", PRINCIPAL_NONE}};
	const char *text;
	uint8_t hash[32];
	int ret = read_text(r, p->right, 1, 8192, &text);

	if (ret < 0)
		return ret;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(words[i].name, text) == 0) {
			rule->kind = words[i].kind;
			return 0;
		}
	if (reader_is_variable(r)) {
		rule->kind = PRINCIPAL_VARIABLE;
		return read_variable(r, p->right, &rule->variable);
	}
	rule->kind = PRINCIPAL_KEY;
	if (session_key_hash(text, hash) < 0)
		return yaml_events_fail(&r->y,
			"%s: '%.40s%s'; wanted CREATOR, ANY, NONE, a "
			"certificate (PEM), the hash of a key (base58 or 64 "
			"hexadecimal digits)%s",
			p->right, text, strlen(text) > 40 ? "..." : "",
			p->signatures ? ", signer: KEY or require-...: [...]"
				      : "");
	return copy_bytes(r, hash, sizeof(hash), &rule->key);
}

static int read_signer(struct reader *r, const char *key, void *at)
{
	struct access_rule *rule = at;
	uint8_t spki[SPKI_MAX], hash[32];
	const char *text;
	size_t size;
	int ret;

	rule->kind = PRINCIPAL_SIGNER;
	if (reader_is_variable(r))
		return read_variable(r, key, &rule->variable);
	ret = read_text(r, key, 1, 8192, &text);
	if (ret < 0)
		return ret;
	if (session_key_spki(text, spki, &size) < 0)
		return yaml_events_fail(&r->y,
			"%s: '%.40s%s'; wanted a public key of P-256, P-384 or "
			"Ed25519, as PEM or as base64 of its DER form",
			key, text, strlen(text) > 40 ? "..." : "");
	sha256(spki, size, hash);
	ret = copy_bytes(r, spki, size, &rule->spki);
	return ret < 0 ? ret : copy_bytes(r, hash, sizeof(hash), &rule->key);
}

static int read_organisation(struct reader *r, const char *key, void *at)
{
	struct access_rule *rule = at;

	return read_text(r, key, 1, 128, &rule->organisation);
}

static const struct key signer_keys[] = {
	{"signer", read_signer, 0, KEY_NEEDED, NULL},
	{"organisation", read_organisation, 0, KEY_NEW, NULL},
};

/* ---- groups ---- */

static int read_rule(
	struct reader *r, const struct place_of_rule *p, struct tree *t);

/* A tree's encoding, to sort by. */
struct sorted {
	struct tree tree;
	uint8_t *form;
	size_t size;
};

static int form_of(struct reader *r, struct sorted *s)
{
	const struct access_rule *rules = (void *)s->tree.rules.data;
	struct cbor_writer w;

	cbor_writer_init(&w, NULL, 0);
	for (size_t i = 0; i < s->tree.rules.count; i++)
		schema_encode(&session_rule_schema, &rules[i], &w);
	s->size = w.len;
	s->form = pool_alloc(&r->pool, s->size);
	if (!s->form)
		return reader_no_memory(r);
	cbor_writer_init(&w, s->form, s->size);
	for (size_t i = 0; i < s->tree.rules.count; i++)
		schema_encode(&session_rule_schema, &rules[i], &w);
	return 0;
}

static int compare(const struct sorted *a, const struct sorted *b)
{
	int order = memcmp(a->form, b->form, u64_min(a->size, b->size));

	return order ? order : (a->size > b->size) - (a->size < b->size);
}

/* Puts a member where it belongs; a rule has some members, not thousands. */
static int insert(struct reader *r, struct sorted *list, size_t count,
	struct place at, const char *right)
{
	struct sorted added = list[count];
	size_t i = count;

	for (; i > 0; i--) {
		int order = compare(&list[i - 1], &added);

		if (order == 0)
			return reader_fail_at(r, at,
				"%s: is there twice; it counts once", right);
		if (order < 0)
			break;
		list[i] = list[i - 1];
	}
	list[i] = added;
	return 0;
}

/* A list of rules, sorted. */
static int read_members(struct reader *r, const struct place_of_rule *p,
	struct sorted **list, size_t *count)
{
	struct place start = reader_place(r);
	struct grown g = {0};
	int ret = yaml_events_want(&r->y, YAML_SEQUENCE_START_EVENT, p->right);

	while (ret == 0) {
		struct sorted *at;
		struct place here;

		ret = yaml_events_next(&r->y);
		if (ret < 0 || reader_is(r, YAML_SEQUENCE_END_EVENT))
			break;
		here = reader_place(r);
		if (g.count == SESSION_MEMBERS_MAX)
			return yaml_events_fail(&r->y,
				"%s: too many; wanted at most %d", p->right,
				SESSION_MEMBERS_MAX);
		at = pool_grow(&r->pool, &g, sizeof(*at));
		ret = at ? read_rule(r, p, &at->tree) : reader_no_memory(r);
		if (ret == 0)
			ret = form_of(r, at);
		if (ret == 0)
			ret = insert(r, (struct sorted *)(void *)g.data,
				g.count - 1, here, p->right);
	}
	if (ret == 0 && g.count == 0)
		return reader_fail_at(r, start,
			"%s: nobody; wanted at least one principal (NONE for "
			"nobody)",
			p->right);
	*list = (struct sorted *)(void *)g.data;
	*count = g.count;
	return ret;
}

static int add_members(struct reader *r, const struct sorted *list,
	size_t count, struct tree *t)
{
	int ret = 0;

	for (size_t i = 0; i < count; i++) {
		const struct access_rule *rules =
			(const void *)list[i].tree.rules.data;

		for (size_t k = 0; k < list[i].tree.rules.count && ret == 0;
			k++)
			ret = add_rule(r, t, &rules[k]);
	}
	if (ret == 0 && t->rules.count > SESSION_LIST_MAX)
		return yaml_events_fail(&r->y,
			"access_policy: a rule with more than %d members",
			SESSION_LIST_MAX);
	return ret;
}

/* In groups, nobody and everybody are no members. */
static int check_members(struct reader *r, const struct sorted *list,
	size_t count, struct place at, const char *right)
{
	for (size_t i = 0; i < count; i++) {
		const struct access_rule *first =
			(const void *)list[i].tree.rules.data;

		if (first->kind == PRINCIPAL_ANY ||
			first->kind == PRINCIPAL_NONE)
			return reader_fail_at(r, at,
				"%s: %s stands alone; leave out the others",
				right,
				first->kind == PRINCIPAL_ANY ? "ANY" : "NONE");
	}
	return 0;
}

/* The current event is the word "require-..."; need 0: all. */
static int read_word(
	struct reader *r, const struct place_of_rule *p, uint64_t *need)
{
	static const char least[] = "require-at-least-";
	const char *word = yaml_events_text(&r->y);

	if (strcmp(word, "require-all") == 0) {
		*need = 0;
		return 0;
	}
	if (string_has_prefix(word, least) &&
		parse_uint(word + sizeof(least) - 1, SESSION_LIST_MAX, need) ==
			0 &&
		*need > 0)
		return 0;
	return yaml_events_fail(&r->y,
		"%s: unknown key '%.60s'; wanted signer, require-all or "
		"require-at-least-N",
		p->right, word);
}

/* The map's first key is the current event. */
static int read_group(
	struct reader *r, const struct place_of_rule *p, struct tree *t)
{
	struct place_of_rule inner = {p->right, true, p->depth + 1};
	struct access_rule group = {.kind = PRINCIPAL_AT_LEAST};
	struct place start = reader_place(r);
	struct sorted *list = NULL;
	size_t count = 0;
	int ret = read_word(r, p, &group.need);

	if (ret == 0 && inner.depth > RULE_DEPTH)
		ret = yaml_events_fail(&r->y,
			"%s: more than %d rules within each other", p->right,
			RULE_DEPTH);
	if (ret == 0)
		ret = yaml_events_next(&r->y);
	if (ret == 0)
		ret = read_members(r, &inner, &list, &count);
	if (ret == 0)
		ret = check_members(r, list, count, start, p->right);
	if (ret < 0)
		return ret;
	group.count = count;
	if (group.need == 0)
		group.need = count;
	if (group.need > count)
		return reader_fail_at(r, start,
			"%s: require-at-least-%llu of %zu members", p->right,
			(unsigned long long)group.need, count);
	/* One of one is that one; at the top, any of some is their list. */
	if (count > 1 && (group.need > 1 || p->depth > 0))
		ret = add_rule(r, t, &group);
	if (ret == 0)
		ret = add_members(r, list, count, t);
	if (ret == 0)
		ret = yaml_events_next(&r->y);
	if (ret == 0 && !reader_is(r, YAML_MAPPING_END_EVENT))
		return yaml_events_fail(&r->y,
			"%s: '%.40s' beside another rule; wanted one rule in a "
			"map",
			p->right,
			reader_is(r, YAML_SCALAR_EVENT)
				? yaml_events_text(&r->y)
				: "?");
	return ret;
}

/* A map: {signer: ..., organisation: ...} or a group. */
static int read_map_rule(
	struct reader *r, const struct place_of_rule *p, struct tree *t)
{
	struct access_rule rule = {0};
	const char *word;
	struct seen seen;
	int ret;

	if (!p->signatures)
		return yaml_events_fail(&r->y,
			"%s: signatures are given for changes; wanted CREATOR, "
			"ANY, NONE, certificates or hashes of keys",
			p->right);
	/* Which of both, its first key says. */
	ret = yaml_events_next(&r->y);
	if (ret == 0)
		ret = yaml_events_want(&r->y, YAML_SCALAR_EVENT, p->right);
	if (ret < 0)
		return ret;
	word = yaml_events_text(&r->y);
	if (strcmp(word, "signer") != 0 && strcmp(word, "organisation") != 0)
		return read_group(r, p, t);
	ret = read_map_inside(r, p->right, signer_keys, ARRAY_SIZE(signer_keys),
		&rule, &seen);
	return ret < 0 ? ret : add_rule(r, t, &rule);
}

static int read_rule(
	struct reader *r, const struct place_of_rule *p, struct tree *t)
{
	struct access_rule rule = {0};
	int ret;

	if (reader_is(r, YAML_MAPPING_START_EVENT))
		return read_map_rule(r, p, t);
	ret = read_simple(r, p, &rule);
	return ret < 0 ? ret : add_rule(r, t, &rule);
}

/* What stands behind a right: a list of which any suffices, or one rule. */
static int read_right(
	struct reader *r, const struct place_of_rule *p, struct item_list *out)
{
	struct place_of_rule inner = {p->right, p->signatures, 1};
	struct place start = reader_place(r);
	struct sorted *list = NULL;
	struct tree t = {0};
	size_t count = 0;
	int ret;

	if (reader_is(r, YAML_SEQUENCE_START_EVENT)) {
		ret = read_members(r, &inner, &list, &count);
		if (ret == 0 && count > 1)
			ret = check_members(r, list, count, start, p->right);
		if (ret == 0)
			ret = add_members(r, list, count, &t);
	} else {
		ret = read_rule(r, p, &t);
	}
	*out = (struct item_list){t.rules.data, t.rules.count};
	return ret;
}

static int read_reading(struct reader *r, const char *key, void *at)
{
	return read_right(r, &(struct place_of_rule){key, false, 0}, at);
}

static int read_changing(struct reader *r, const char *key, void *at)
{
	return read_right(r, &(struct place_of_rule){key, true, 0}, at);
}

const char *const session_rights[ACCESS_RIGHTS] = {
	[ACCESS_READ] = "read",
	[ACCESS_UPDATE] = "update",
	[ACCESS_CREATE_SESSIONS] = "create_sessions",
	[ACCESS_LIST_SESSIONS] = "list_sessions",
	[ACCESS_DELETE] = "delete",
};

#define RIGHT(name, right, read, flags)                                     \
	{                                                                   \
		name, read, (right) * sizeof(struct item_list), flags, NULL \
	}

static const struct key access_keys[] = {
	RIGHT("read", ACCESS_READ, read_reading, 0),
	RIGHT("update", ACCESS_UPDATE, read_changing, 0),
	RIGHT("create_sessions", ACCESS_CREATE_SESSIONS, read_changing, 0),
	RIGHT("list_sessions", ACCESS_LIST_SESSIONS, read_reading, 0),
	RIGHT("delete", ACCESS_DELETE, read_changing, KEY_NEW),
};

static int set_default(
	struct reader *r, struct item_list *list, enum principal_kind kind)
{
	struct access_rule *rule;

	if (list->count > 0)
		return 0;
	rule = pool_alloc(&r->pool, sizeof(*rule));
	if (!rule)
		return reader_no_memory(r);
	rule->kind = kind;
	*list = (struct item_list){rule, 1};
	return 0;
}

int session_access_defaults(struct reader *r)
{
	struct item_list *a = r->s->access;
	int ret = set_default(r, &a[ACCESS_READ], PRINCIPAL_CREATOR);

	if (ret == 0)
		ret = set_default(r, &a[ACCESS_UPDATE], PRINCIPAL_CREATOR);
	if (ret == 0 && !r->v1)
		ret = set_default(r, &a[ACCESS_DELETE], PRINCIPAL_NONE);
	if (a[ACCESS_DELETE].count == 0)
		a[ACCESS_DELETE] = a[ACCESS_UPDATE];
	if (a[ACCESS_CREATE_SESSIONS].count == 0)
		a[ACCESS_CREATE_SESSIONS] = a[ACCESS_UPDATE];
	if (a[ACCESS_LIST_SESSIONS].count == 0)
		a[ACCESS_LIST_SESSIONS] = a[ACCESS_READ];
	return ret;
}

int session_read_access(struct reader *r, const char *key, void *at)
{
	struct session *s = at;
	struct seen seen;

	if (reader_is_variable(r))
		return read_variable(r, key, &s->access_variable);
	return read_map(
		r, key, access_keys, ARRAY_SIZE(access_keys), s->access, &seen);
}

int session_read_veto(struct reader *r, const char *key, void *at)
{
	return read_changing(r, key, at);
}

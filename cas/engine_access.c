/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of a session, asked: variables in them are values of its secrets,
 * read as the policy would read them in that place.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cas/engine_int.h"
#include "cas/subst.h"

enum { RESOLVED_MAX = 16 };

struct resolver {
	struct engine *g;
	struct held *h;
	struct {
		const struct access_rule *rule;
		struct session *s; /* that has nothing but the rules */
	} item[RESOLVED_MAX];
	size_t count;
};

static int variable_value(void *arg, const char *name, const char *format,
	struct buf *out, struct err *e)
{
	struct resolver *r = arg;
	const struct secret_set *set;
	int ret = engine_secrets(r->g, r->h, &set, e);

	return ret ? ret : secret_format(set, name, format, out, e);
}

/* What a policy with text in that place says. lead: what stands before it. */
static int rules_read(struct resolver *r, const char *variable,
	const char *lead, struct session **out, struct err *e)
{
	struct buf value = {.secret = true}, text = {.secret = true};
	const char *line, *end;
	int ret = subst(variable, variable_value, r, NULL, &value, e);

	if (ret)
		goto out;
	buf_text(&text, "name: x\nversion: \"1.0\"\naccess_policy:\n");
	buf_text(&text, lead);
	buf_text(&text, "\n");
	for (line = (const char *)value.data; line && *line; line = end) {
		size_t n = strcspn(line, "\n");

		buf_text(&text, "      ");
		buf_add(&text, line, n);
		buf_text(&text, "\n");
		end = line + n + (line[n] == '\n');
	}
	ret = buf_check(&value) ? buf_check(&value) : buf_check(&text);
	if (!ret)
		ret = session_parse(
			variable, (const char *)text.data, text.size, out, e);
out:
	buf_fini(&value);
	buf_fini(&text);
	return ret;
}

static int resolve(void *arg, const struct access_rule *rule,
	const struct item_list **rules, struct err *e)
{
	struct resolver *r = arg;
	size_t i = 0;
	int ret;

	while (i < r->count && r->item[i].rule != rule)
		i++;
	if (i == RESOLVED_MAX)
		return err_setf(e, -EINVAL,
			"access rules: more than %d variables",
			(int)RESOLVED_MAX);
	if (i == r->count) {
		ret = rules_read(r, rule->variable,
			rule->kind == PRINCIPAL_SIGNER
				? "  update:\n    - signer: |"
				: "  update:",
			&r->item[i].s, e);
		if (ret)
			return ret;
		r->item[i].rule = rule;
		r->count++;
	}
	*rules = &r->item[i].s->access[ACCESS_UPDATE];
	return 0;
}

/* ---- questions ---- */

/* The rules of a right, with everything that is needed to judge them. */
struct question {
	struct resolver r;
	struct session *whole; /* access_policy that is a variable */
	struct access_request q;
};

static void question_free(struct question *q)
{
	for (size_t i = 0; q && i < q->r.count; i++)
		session_free(q->r.item[i].s);
	if (q)
		session_free(q->whole);
	free(q);
}

static int question_new(struct engine *g, struct held *h,
	enum access_right right, struct question **out, struct err *e)
{
	struct question *q = calloc(1, sizeof(*q));
	int ret = 0;

	*out = q;
	if (!q)
		return err_setf(e, -ENOMEM, "no memory");
	q->r.g = g;
	q->r.h = h;
	q->q = (struct access_request){
		.rules = access_rules(h->session, right),
		.creator = h->session->creator,
		.variable = resolve,
		.arg = &q->r,
	};
	if (!h->session->access_variable)
		return 0;
	ret = rules_read(&q->r, h->session->access_variable, "", &q->whole, e);
	if (!ret)
		q->q.rules = access_rules(q->whole, right);
	return ret;
}

int engine_may_keys(struct engine *g, struct held *h, enum access_right right,
	const struct access_keys *present, const struct access_keys *signed_by,
	struct err *e)
{
	struct question *q;
	int ret = question_new(g, h, right, &q, e);

	if (!ret) {
		q->q.present = *present;
		q->q.signed_by = *signed_by;
		ret = access_decide(&q->q, e);
	}
	question_free(q);
	return ret;
}

static bool rules_name(struct question *q, const struct item_list *rules,
	enum access_way way, const uint8_t key[32])
{
	const struct access_rule *rule = rules->item;
	const struct item_list *more;

	if (access_names(rules, q->q.creator, way, key))
		return true;
	for (size_t i = 0; i < rules->count; i++)
		if (rule[i].variable &&
			!resolve(&q->r, &rule[i], &more, NULL) &&
			access_names(more, q->q.creator, way, key))
			return true;
	return false;
}

bool engine_names(struct engine *g, struct held *h, enum access_right right,
	enum access_way way, const uint8_t key[32])
{
	struct question *q;
	bool named = !question_new(g, h, right, &q, NULL) &&
		rules_name(q, q->q.rules, way, key);

	question_free(q);
	return named;
}

bool engine_vetoes(struct engine *g, struct held *h, enum access_way way,
	const uint8_t key[32])
{
	struct question *q;
	bool named = !question_new(g, h, ACCESS_UPDATE, &q, NULL) &&
		rules_name(q, &h->session->board.veto, way, key);

	question_free(q);
	return named;
}

int engine_may(struct engine *g, struct held *h, enum access_right right,
	const struct principal *who, struct err *e)
{
	struct access_keys present = {&who->key, who->present}, none = {0};

	return engine_may_keys(g, h, right, &present, &none, e);
}

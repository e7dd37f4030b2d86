/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proposals, as people see and decide them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cas/engine_board.h"

enum { LIST_MAX = 1000 };

bool board_text_check(const char *text)
{
	json_t *j = json_string(text);

	json_decref(j);
	return j != NULL;
}

/* Who may see it: members, readers of the session (of the name space), who
 * opened it. */
static bool may_see(const struct change *ch, const struct proposal *p,
	const struct principal *who)
{
	bool veto;

	return who->present &&
		(memcmp(p->opener.data, who->key, 32) == 0 ||
			change_may_know(ch, who) ||
			board_member(ch, ACCESS_BY_ANY, who->key, &veto));
}

/* False: answered. */
static bool proposal_find(struct engine *g, const struct engine_call *c,
	const char *what, const char *id, struct proposal *p, struct change *ch)
{
	struct err e = {0};
	int ret = engine_ready(g, &e);

	*ch = (struct change){0};
	*p = (struct proposal){0};
	if (ret) {
		engine_fail(g, c, ret, e.text);
		return false;
	}
	ret = board_get(g, id, p, &e);
	if (ret == -ENOENT) {
		engine_deny(g, c, what, "proposal", NULL);
		return false;
	}
	if (!ret)
		ret = board_change(g, p, ch, &e);
	if (ret)
		engine_fail(g, c, ret, e.text);
	return !ret;
}

static void found_fini(struct proposal *p, struct change *ch)
{
	proposal_fini(p);
	change_fini(ch);
}

static int proposal_body(
	const struct proposal *p, const struct change *ch, struct buf *out)
{
	struct buf message = {0}, reject = {0}, yaml = {0};
	char *text = NULL;
	json_t *j = NULL;
	int ret = board_message(p, true, &message);

	if (!ret)
		ret = board_message(p, false, &reject);
	if (!ret && ch->next)
		ret = engine_yaml(ch->next, &yaml);
	if (!ret)
		j = proposal_json(p, change_name((enum change_kind)p->action),
			(const char *)message.data, (const char *)reject.data,
			(const char *)yaml.data);
	if (j)
		text = json_dumps(j, JSON_COMPACT);
	if (text)
		buf_text(out, text);
	free(text);
	json_decref(j);
	buf_fini(&message);
	buf_fini(&reject);
	buf_fini(&yaml);
	return text ? buf_check(out) : -ENOMEM;
}

void engine_proposal_read(
	struct engine *g, const struct engine_call *c, const char *id)
{
	struct proposal p;
	struct change ch;
	struct answer *a;

	if (!proposal_find(g, c, "proposal.read", id, &p, &ch))
		goto out;
	if (!may_see(&ch, &p, &c->who)) {
		engine_deny(g, c, "proposal.read", "proposal", NULL);
		goto out;
	}
	a = answer_new(g, c);
	if (!a)
		goto out;
	a->failed |= proposal_body(&p, &ch, &a->body) != 0;
	answer_item(a, "id", p.id);
	answer_item(a, "state", proposal_state_name(p.state));
	answer_after(a, store_seq(g));
out:
	found_fini(&p, &ch);
}

struct listing {
	struct engine *g;
	const struct principal *who;
	const char *session;
	json_t *list;
};

static int list_row(void *arg, const char *key, size_t key_size,
	const void *value, size_t size)
{
	struct listing *l = arg;
	struct change ch = {0};
	struct proposal p;
	int ret = proposal_decode(&p, value, size, NULL);

	if (!ret && (!l->session || strcmp(l->session, p.session) == 0) &&
		!board_change(l->g, &p, &ch, NULL) && may_see(&ch, &p, l->who))
		ret = json_array_append_new(l->list,
			proposal_json_short(
				&p, change_name((enum change_kind)p.action)));
	found_fini(&p, &ch);
	return json_array_size(l->list) == LIST_MAX ? 1 : ret;
}

void engine_proposal_list(
	struct engine *g, const struct engine_call *c, const char *session)
{
	struct listing l = {.g = g, .who = &c->who, .session = session};
	struct answer *a;
	struct err e = {0};
	char *text = NULL;

	if (engine_ready(g, &e)) {
		engine_fail(g, c, e.code, e.text);
		return;
	}
	a = answer_new(g, c);
	if (!a)
		return;
	l.list = json_array();
	if (store_each(g->store, STORE_PROPOSAL, "", 0, list_row, &l) >= 0)
		text = json_dumps(l.list, JSON_COMPACT);
	json_decref(l.list);
	a->failed |= !text;
	if (text)
		buf_text(&a->body, text);
	free(text);
	answer_after(a, store_seq(g));
}

/* ---- votes ---- */

static int vote_signed(const struct proposal *p,
	const struct signature *signature, struct proposal_vote *v,
	uint8_t key[32], struct err *e)
{
	struct buf message = {0};
	int ret = board_message(p, v->yes, &message);

	if (!ret)
		ret = access_verify(
			signature, message.data, message.size, key, e);
	buf_fini(&message);
	if (ret)
		return ret == -EBADMSG ? -EINVAL : ret;
	v->by_signature = true;
	v->spki = signature->spki;
	v->value = signature->value;
	return 0;
}

void engine_proposal_vote(struct engine *g, const struct engine_call *c,
	const char *id, bool yes, const char *reason,
	const struct signature *signature)
{
	uint8_t key[32];
	struct proposal_vote v = {
		.yes = yes,
		.key = {key, 32},
		.time = (uint64_t)engine_now(g),
		.reason = reason ? reason : "",
	};
	struct proposal p;
	struct change ch;
	struct err e = {0};
	bool veto, sees;
	int ret = 0;

	if (!proposal_find(g, c, "proposal.vote", id, &p, &ch))
		goto out;
	sees = may_see(&ch, &p, &c->who);
	memcpy(key, c->who.key, 32);
	if (signature && signature->value.size)
		ret = vote_signed(&p, signature, &v, key, &e);
	else if (!c->who.present)
		ret = err_setf(&e, -EACCES, "neither key nor signature");
	if (!ret &&
		!board_member(&ch,
			v.by_signature ? ACCESS_BY_SIGNATURE : ACCESS_BY_TLS,
			key, &veto))
		ret = err_setf(&e, -EACCES,
			"%s: its rules do not name this key%s", p.session,
			v.by_signature ? "" : " (signers vote by signature)");
	if (!ret && yes && v.by_signature &&
		board_rejected(g,
			&(struct board_step){(enum change_kind)p.action,
				p.session,
				p.predecessor.size ? p.predecessor.data : NULL,
				p.hash.data},
			key))
		ret = err_setf(&e, -EPERM,
			"this key voted against this change, and its signature "
			"may be from before; propose a new version");
	if (!ret && p.state != PROPOSAL_OPEN)
		ret = err_setf(&e, -ESTALE, "the proposal is %s already",
			proposal_state_name(p.state));
	if (!ret &&
		(strnlen(v.reason, PROPOSAL_TEXT_MAX + 1) > PROPOSAL_TEXT_MAX ||
			!board_text_check(v.reason)))
		ret = err_setf(&e, -EINVAL,
			"reason: wanted at most %d bytes of UTF-8",
			(int)PROPOSAL_TEXT_MAX);
	if (!ret) {
		board_vote(g, c, &p, &v);
	} else if (!sees) {
		engine_deny(g, c, "proposal.vote", "proposal", NULL);
	} else {
		if (ret == -EACCES || ret == -EINVAL)
			engine_audit_denied(g, NULL,
				&(struct audit_event){
					.what = "proposal.vote",
					.object = p.session,
					.actor = c->who.key,
					.detail = e.text,
				});
		engine_fail(g, c, ret, e.text);
	}
out:
	found_fini(&p, &ch);
}

void engine_proposal_withdraw(
	struct engine *g, const struct engine_call *c, const char *id)
{
	struct proposal p;
	struct change ch;

	if (!proposal_find(g, c, "proposal.withdraw", id, &p, &ch))
		goto out;
	if (!may_see(&ch, &p, &c->who))
		engine_deny(g, c, "proposal.withdraw", "proposal", NULL);
	else if (memcmp(p.opener.data, c->who.key, 32) != 0)
		engine_fail(g, c, -EACCES,
			"only who opened a proposal withdraws it; vote no");
	else if (p.state != PROPOSAL_OPEN)
		engine_fail(g, c, -ESTALE, "the proposal is over already");
	else
		board_withdraw(g, c, &p);
out:
	found_fini(&p, &ch);
}

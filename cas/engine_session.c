/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions, as people change them. Reading is in engine_read.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cas/engine_change.h"

static const char *const whats[] = {
	[CHANGE_CREATE] = "session.create",
	[CHANGE_UPDATE] = "session.update",
	[CHANGE_DELETE] = "session.delete",
};

/* No, with the reason in the log. Who may not know what is there hears what he
 * would hear if nothing was. */
static void refuse(struct change *ch, const struct engine_call *c, int status,
	const char *reason)
{
	enum access_right right;
	struct held *ruler = change_ruler(ch, &right);
	const struct session *s = ruler ? ruler->session : NULL;
	struct audit_event ev = {
		.what = whats[ch->kind],
		.object = ch->name,
		.actor = c->who.present ? c->who.key : NULL,
		.before = ch->old ? ch->old->hash : NULL,
		.detail = reason,
	};

	if (status == -EACCES && !change_may_know(ch, &c->who)) {
		engine_deny(ch->g, c, whats[ch->kind], ch->name, s);
		return;
	}
	if (status == -EACCES || status == -EPERM)
		engine_audit_denied(ch->g, s, &ev);
	engine_fail(ch->g, c, status, reason);
}

/* Whether these keys may change it, and what is wrong with it. What is not
 * theirs to know is -EACCES. */
static int change_judge(struct change *ch, const struct engine_call *c,
	const struct signature_list *signatures, struct err *e)
{
	uint8_t keys[ENGINE_SIGNATURES_MAX][32];
	struct access_keys present = {&c->who.key, c->who.present};
	struct access_keys signed_by = {(const uint8_t(*)[32])keys, 0};
	struct err bad = {0};
	int ret = change_signers(ch, signatures, keys, &signed_by.count, &bad);

	if (ret) {
		*e = bad;
		return ret;
	}
	ret = change_allow(ch, &present, &signed_by, e);
	if (!ret && ch->kind == CHANGE_CREATE && !c->who.present)
		ret = err_setf(e, -EACCES,
			"no client certificate; its key would be the creator");
	if (!ret) {
		ret = change_direct(ch, e);
		return ret ? ret : change_fits(ch, e);
	}
	if (!change_may_know(ch, &c->who))
		return ch->kind == CHANGE_CREATE && ret == -EPERM ? ret
								  : -EACCES;
	if (ret == -EACCES && change_fits(ch, NULL) == -ESTALE)
		return change_fits(ch, e);
	if (ret == -EACCES && bad.code)
		err_setf(e, ret, "%s", bad.text);
	return ret;
}

static void change_run(struct change *ch, const struct engine_call *c,
	const struct signature_list *signatures)
{
	struct store_txn *x;
	struct answer *a;
	struct err e = {0};
	int ret = change_judge(ch, c, signatures, &e);

	if (ret) {
		refuse(ch, c, ret, e.text);
		return;
	}
	x = store_begin(ch->g->store);
	ret = change_apply(ch, c->who.present ? c->who.key : NULL, x, &e);
	if (ret) {
		store_abort(x);
		refuse(ch, c, ret, e.text);
		return;
	}
	a = answer_new(ch->g, c);
	if (!a) {
		store_abort(x);
		return;
	}
	answer_item(a, "session", ch->name);
	if (ch->next)
		answer_item_hex(a, "hash", ch->hash, sizeof(ch->hash));
	if (!answer_submit(a, x))
		change_done(ch);
}

/* False: answered. */
static bool ready(struct engine *g, const struct engine_call *c)
{
	struct err e = {0};

	if (!engine_ready(g, &e))
		return true;
	engine_fail(g, c, -EAGAIN, e.text);
	return false;
}

static void session_change(struct engine *g, const struct engine_call *c,
	enum change_kind kind, const char *yaml, size_t size,
	const struct signature_list *signatures)
{
	struct change ch;
	struct err e = {0};
	int ret;

	if (!ready(g, c))
		return;
	ret = change_parse(&ch, g, kind, &c->who, yaml, size, &e);
	if (ret)
		engine_fail(g, c, ret, e.text[0] ? e.text : "no memory");
	else
		change_run(&ch, c, signatures);
	change_fini(&ch);
}

void engine_session_create(struct engine *g, const struct engine_call *c,
	const char *yaml, size_t size, const struct signature_list *signatures)
{
	session_change(g, c, CHANGE_CREATE, yaml, size, signatures);
}

void engine_session_update(struct engine *g, const struct engine_call *c,
	const char *yaml, size_t size, const struct signature_list *signatures)
{
	session_change(g, c, CHANGE_UPDATE, yaml, size, signatures);
}

void engine_session_delete(struct engine *g, const struct engine_call *c,
	const char *name, const struct signature_list *signatures)
{
	struct change ch;
	struct err e = {0};
	int ret;

	if (!ready(g, c))
		return;
	ret = change_delete(&ch, g, name, &e);
	if (ret)
		engine_fail(g, c, ret, e.text);
	else
		change_run(&ch, c, signatures);
	change_fini(&ch);
}

/* ---- trials ---- */

static int trial_judge(
	struct change *ch, const struct engine_call *c, struct err *e)
{
	struct store_txn *x;
	int ret = change_judge(ch, c, NULL, e);

	/* Whether the rest is fine can be said before the board has signed. */
	if (ret && ret != -EACCES && ret != -EPERM)
		return ret;
	x = store_begin(ch->g->store);
	if (!ret || !change_fits(ch, NULL)) {
		struct err more = {0};
		int also = change_apply(ch, c->who.key, x, &more);

		if (also) {
			ret = also;
			*e = more;
		}
	}
	store_abort(x);
	return ret;
}

/* Who may see what a change of it means: who may read it, or is named by the
 * rules that decide. */
static bool diff_allowed(const struct change *ch, const struct engine_call *c)
{
	struct access_keys present = {&c->who.key, c->who.present};
	enum access_right right;
	struct held *ruler = change_ruler(ch, &right);

	if (!c->who.present)
		return false;
	if (change_may_know(ch, &c->who))
		return true;
	if (!ruler)
		return !change_allow(
			ch, &present, &(struct access_keys){0}, NULL);
	return engine_names(ch->g, ruler, right, ACCESS_BY_ANY, c->who.key);
}

void engine_session_diff(struct engine *g, const struct engine_call *c,
	const char *yaml, size_t size)
{
	struct change ch;
	struct answer *a;
	struct err e = {0};
	int ret;

	if (!ready(g, c))
		return;
	ret = change_parse_any(&ch, g, &c->who, yaml, size, &e);
	if (ret) {
		engine_fail(g, c, ret, e.text[0] ? e.text : "no memory");
		goto out;
	}
	if (!diff_allowed(&ch, c)) {
		engine_deny(g, c, "session.diff", ch.name,
			ch.old ? ch.old->session : NULL);
		goto out;
	}
	a = answer_new(g, c);
	if (!a)
		goto out;
	ret = trial_judge(&ch, c, &e);
	answer_item(a, "session", ch.name);
	answer_item(a, "action", change_name(ch.kind));
	answer_item_hex(a, "hash", ch.hash, sizeof(ch.hash));
	answer_item(a, "taken", ret ? "false" : "true");
	if (ret)
		answer_item(a, "reason", e.text);
	a->failed |= change_diff(&ch, &a->body) != 0;
	answer_send(a);
out:
	change_fini(&ch);
}

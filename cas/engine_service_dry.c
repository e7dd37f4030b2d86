/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What HELLO would say to a piece of evidence, told in full to somebody who may
 * read the policy. Nothing changes and nothing is given.
 */
#include <errno.h>
#include <string.h>

#include "cas/deliver.h"
#include "cas/engine_service.h"

struct dry {
	struct engine *g;
	struct giver giver;
	const struct session_service *service;
	struct buf name; /* session/service */
	struct match_rules *rules;
	struct answer *a;
	bool accepted;
};

/* What else HELLO asks for, that is not in evidence. */
static void tell_rest(struct dry *d)
{
	const struct session_security *s = &d->giver.session->security;
	struct buf *b = &d->a->body;

	if (s->singleton)
		buf_text(b,
			"a start also needs a one-time token, which CONFIGID "
			"must have: that is not compared here\n");
	if (s->access_token)
		buf_text(b, "a start also needs the service_access_token\n");
	if (d->service->otp_secret || match_rules_otp(d->rules))
		buf_text(b, "a start also needs a one-time password\n");
}

static int compare(
	struct dry *d, const void *evidence, size_t size, struct err *e)
{
	struct match_binding binding = {
		.any_token = d->giver.session->security.singleton};
	struct services *v = d->g->services;
	int64_t now = engine_now(d->g);
	int ret;

	ret = service_config_hash(
		d->g, (char *)d->name.data, NULL, binding.config, e);
	if (ret == 0)
		ret = d->g->o.verify(
			d->g->o.verify_arg, evidence, size, now, v->verdict, e);
	if (ret == 0)
		ret = match(d->rules, &binding, v->verdict, now, v->match);
	if (ret < 0)
		return ret;
	d->accepted = v->match->accepted;
	if (d->accepted)
		buf_format(&d->a->body, "accepted by attestation[%u]\n",
			v->match->variant - 1);
	else
		match_explain(v->match, &d->a->body);
	return 0;
}

static int judge(struct dry *d, const char *service, const void *evidence,
	size_t size, struct err *e)
{
	int ret;

	d->service = session_service(d->giver.session, service);
	if (!d->service)
		return err_setf(e, -ENOENT, "session %s has no service %s",
			d->giver.session->name, service);
	buf_format(&d->name, "%s/%s", d->giver.session->name, service);
	if (buf_check(&d->name) < 0)
		return err_setf(e, -ENOMEM, "no memory");
	ret = match_rules_new(d->giver.session, d->service, giver_lookup,
		&d->giver, &d->rules, e);
	if (ret < 0)
		return ret;
	if (match_rules_mode(d->rules) == MODE_NONE) {
		d->accepted = d->giver.session->security.access_token;
		buf_text(&d->a->body, "mode none: evidence is not looked at\n");
	} else {
		ret = compare(d, evidence, size, e);
	}
	if (ret == 0)
		tell_rest(d);
	return ret;
}

void engine_session_dry_run(struct engine *g, const struct engine_call *c,
	const char *name, const char *service, const void *evidence,
	size_t size)
{
	struct dry d = {.g = g};
	struct err e = {0};
	int ret = engine_ready(g, &e);

	if (ret < 0) {
		engine_fail(g, c, ret, e.text);
		return;
	}
	ret = giver_open(g, name, NULL, &d.giver, &e);
	if (ret == -ENOENT ||
		(ret == 0 &&
			engine_may(g, d.giver.held, ACCESS_READ, &c->who, &e) <
				0)) {
		engine_deny(g, c, "session.dry-run", name, d.giver.session);
		giver_close(&d.giver);
		return;
	}
	d.a = answer_new(g, c);
	if (d.a) {
		if (ret == 0)
			ret = judge(&d, service, evidence, size, &e);
		answer_item(d.a, "accepted", d.accepted ? "true" : "false");
		if (ret < 0)
			answer_fail(d.a, ret, e.text);
		else
			answer_send(d.a);
	}
	match_rules_free(d.rules);
	buf_fini(&d.name);
	giver_close(&d.giver);
}

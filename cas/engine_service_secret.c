/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values while a service runs: it reads those that its image lists in
 * `provide_secrets`, and writes those that list it in `write`.
 */
#include <errno.h>
#include <string.h>

#include "cas/engine_service.h"
#include "lib/fmt.h"

enum { VALUE_MAX = 64 * 1024 };

static bool is_listed(const struct text_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->item[i], name) == 0)
			return true;
	return false;
}

/* Its own, and listed: a service that is taken over gives away no more than
 * what it needs. */
static int may_get(const struct giver *s, const struct instance *i,
	const char *name, struct err *e)
{
	const struct session_service *service = session_service(
		s->session, i->service);
	const struct session_image *image = service && service->image_name
		? session_image(s->session, service->image_name)
		: NULL;

	if (image && is_listed(&image->provide_secrets, name))
		return 0;
	return err_setf(e, -EPERM,
		"%s: secret %s is not for service %s to read while it runs; "
		"wanted: listed in provide_secrets of its image",
		s->session->name, name, i->service);
}

static int may_put(const struct giver *s, const struct instance *i,
	const char *name, struct err *e)
{
	const struct secret_spec *spec = session_secret(s->session, name);

	if (spec && session_service(s->session, i->service) &&
		is_listed(&spec->writers, i->service))
		return 0;
	return err_setf(e, -EPERM,
		"%s: secret %s is not for service %s to write; wanted: `write` "
		"of the secret lists it",
		s->session->name, name, i->service);
}

/* The object of events, for the log. */
static void object_of(struct buf *b, const struct giver *s, const char *name)
{
	buf_format(b, "%s/%s", s->session->name, name);
}

static void audit(const struct giver *s, const struct request *q,
	const char *what, bool denied, const char *detail, struct store_txn *x)
{
	struct buf object = {0};
	struct audit_event event = {
		.what = what,
		.actor = q->peer->instance->measured,
		.denied = denied,
		.detail = detail,
	};

	object_of(&object, s, q->r->secret);
	event.object = buf_check(&object) == 0 ? (char *)object.data
					       : s->session->name;
	if (denied)
		engine_audit_denied(q->g, s->session, &event);
	else
		engine_audit(x, s->session, &event);
	buf_fini(&object);
}

static int get(const struct request *q, struct giver *s, struct pending *p,
	struct err *e)
{
	int ret = may_get(s, q->peer->instance, q->r->secret, e);

	if (ret == 0)
		ret = giver_lookup(s, q->r->secret,
			q->r->format ? q->r->format : "", &p->data, e);
	if (ret == 0 && buf_check(&p->data) < 0)
		ret = err_setf(e, -ENOMEM, "no memory");
	if (ret == 0 && p->data.size > VALUE_MAX)
		ret = err_setf(e, -ERANGE, "secret %s: %zu bytes; at most %d",
			q->r->secret, p->data.size, VALUE_MAX);
	return ret;
}

static int put(const struct request *q, struct giver *s, struct store_txn *x,
	struct err *e)
{
	const struct wire_request *r = q->r;
	int ret = may_put(s, q->peer->instance, r->secret, e);

	if (ret == 0)
		ret = giver_own(s, e);
	if (ret == 0)
		ret = secret_write(s->own, s->session, r->secret, r->value.data,
			r->value.size, engine_now(q->g), e);
	if (ret == 0) {
		ret = engine_secrets_put(x, s->held->name, s->own);
		if (ret < 0)
			err_setf(e, ret, "no memory");
	}
	return ret;
}

/* Either of them: may be refused, and is in the log either way. */
static void perform(const struct request *q, bool puts)
{
	const char *what = puts ? "secret.put" : "secret.get";
	struct store_txn *x;
	struct giver s = {0};
	struct pending *p = pending_new(q);
	struct err e = {0};
	int ret;

	if (!p)
		return;
	x = store_begin(q->g->store);
	ret = giver_open(q->g, q->peer->instance->session, x, &s, &e);
	if (ret == 0)
		ret = puts ? put(q, &s, x, &e) : get(q, &s, p, &e);
	if (ret < 0) {
		if (s.session && ret == -EPERM)
			audit(&s, q, what, true, NULL, NULL);
		store_abort(x);
		pending_drop(p);
		service_refuse(q, ret, e.text);
	} else {
		audit(&s, q, what, false, puts ? NULL : q->r->format, x);
		p->r.value = (struct bytes){p->data.data, p->data.size};
		if (pending_submit(q, p, x) && !puts)
			q->g->counts.secrets_delivered++;
	}
	giver_close(&s);
}

void service_secret_get(const struct request *q)
{
	if (!q->r->secret)
		service_refuse(q, -EINVAL, "no name of a secret");
	else
		perform(q, false);
}

void service_secret_put(const struct request *q)
{
	if (!q->r->secret || q->r->value.size == 0)
		service_refuse(q, -EINVAL, "no name of a secret, or no value");
	else
		perform(q, true);
}

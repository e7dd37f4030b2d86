/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of enclaves: who may ask what, answers in time, leases, the end of
 * connections.
 */
#include "cas/engine_service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fmt.h"
#include "lib/string.h"

/* ---- answers ---- */

void service_reply(const struct request *q, const struct wire_reply *r)
{
	struct wire_reply out = *r;

	out.id = q->r->id;
	q->reply(q->arg, &out);
}

void service_refuse(const struct request *q, int status, const char *text)
{
	struct wire_reply r = {
		.status = (uint64_t)-status,
		.error = text,
	};
	char cut[SERVICE_ADVICE_MAX];

	/* Longer ones do not fit the wire. */
	if (text && string_copy(cut, sizeof(cut), text) < 0)
		r.error = cut;
	service_reply(q, &r);
}

static void pending_recycle(struct services *v, struct pending *p)
{
	buf_fini(&p->data);
	list_del(&p->link);
	list_add(&v->spare, &p->link);
}

struct pending *pending_new(const struct request *q)
{
	struct services *v = q->g->services;
	struct pending *p = list_first(&v->spare, struct pending, link);

	if (p) {
		list_del(&p->link);
	} else {
		p = malloc(sizeof(*p));
		if (!p) {
			service_refuse(q, -ENOMEM, "no memory");
			return NULL;
		}
	}
	*p = (struct pending){
		.v = v,
		.peer = q->peer,
		.reply = q->reply,
		.arg = q->arg,
		.r.id = q->r->id,
		.data.secret = true,
	};
	list_add_tail(&v->pending, &p->link);
	q->peer->waiting++;
	return p;
}

void pending_drop(struct pending *p)
{
	if (p->peer)
		p->peer->waiting--;
	pending_recycle(p->v, p);
}

/* The exit is known for ever: nothing of it needs to be remembered. */
static void end_instance(struct services *v, struct instance *i)
{
	if (i->peer)
		i->peer->instance = NULL;
	instance_remove(v, i);
	instance_free(i);
	v->g->counts.instances--;
}

static void pending_done(void *arg, int status)
{
	struct pending *p = arg;
	struct services *v = p->v;
	struct wire_reply r = p->r;

	if (!v) { /* the engine went first */
		buf_fini(&p->data);
		free(p);
		return;
	}
	if (status < 0)
		r = (struct wire_reply){
			.id = p->r.id,
			.status = EAGAIN,
			.error = "CAS is closing; try again",
		};
	if (status == 0 && p->ends)
		end_instance(v, p->ends);
	if (p->peer) {
		p->peer->waiting--;
		if (p->greets)
			p->peer->greeting = false;
		p->reply(p->arg, &r);
	}
	pending_recycle(v, p);
}

bool pending_submit(
	const struct request *q, struct pending *p, struct store_txn *x)
{
	int ret = store_submit(x, pending_done, p);

	if (ret == 0)
		return true;
	pending_drop(p);
	service_refuse(q, ret == -ESHUTDOWN ? -EAGAIN : ret,
		ret == -ESHUTDOWN ? "CAS is closing; try again" : "no memory");
	return false;
}

void pending_after(const struct request *q, struct pending *p, uint64_t seq)
{
	int ret = store_after(q->g->store, seq, pending_done, p);

	if (ret == 0)
		return;
	pending_drop(p);
	service_refuse(q, ret == -ESHUTDOWN ? -EAGAIN : ret,
		ret == -ESHUTDOWN ? "CAS is closing; try again" : "no memory");
}

/* ---- operations of an instance ---- */

static void service_renew(const struct request *q)
{
	struct instance *i = q->peer->instance;
	struct services *v = q->g->services;
	struct wire_reply r = {
		.lease = i->lease,
		.on_expiry = i->on_expiry,
	};

	if (i->fenced) {
		service_refuse(q, -ESTALE,
			"a volume of this instance was taken over by another "
			"instance; wanted: this one ends");
		return;
	}
	i->lease_end = v->clock + (int64_t)i->lease;
	service_reply(q, &r);
}

static void service_exit(const struct request *q)
{
	struct instance *i = q->peer->instance;
	struct store_txn *x = store_begin(q->g->store);
	struct pending *p = pending_new(q);
	struct held *h = NULL;
	char detail[256];

	if (!p) {
		store_abort(x);
		return;
	}
	fmt_print(detail, sizeof(detail), "status %llu: %s",
		(unsigned long long)q->r->code,
		q->r->reason ? q->r->reason : "");
	instance_end(q->g->services, i, x);
	(void)!engine_hold(q->g, i->session, &h, NULL);
	engine_audit(x, h ? h->session : NULL,
		&(struct audit_event){
			.what = "service.exit",
			.object = i->state->name,
			.actor = i->measured,
			.detail = detail,
		});
	engine_unhold(q->g, h);
	p->ends = i;
	if (pending_submit(q, p, x))
		i->over = true;
}

typedef void operation_fn(const struct request *q);

static const struct operation {
	operation_fn *run;
	bool instance; /* only of one that was greeted */
} operations[] = {
	[WIRE_HELLO] = {service_hello, false},
	[WIRE_TAG] = {service_tag, true},
	[WIRE_RENEW] = {service_renew, true},
	[WIRE_SECRET_GET] = {service_secret_get, true},
	[WIRE_SECRET_PUT] = {service_secret_put, true},
	[WIRE_EXIT] = {service_exit, true},
	[WIRE_TOKEN] = {service_token, false},
};

void engine_peer_request(struct engine_peer *p, const struct wire_request *r,
	engine_wire_fn *reply, void *arg)
{
	struct request q = {p->g, p, r, reply, arg};
	const struct operation *op;
	struct err e = {0};

	if (r->op >= ARRAY_SIZE(operations)) {
		service_refuse(&q, -EINVAL, "no such operation");
		return;
	}
	op = &operations[r->op];
	services_settle(p->g->services);
	if (engine_ready(p->g, &e) < 0) {
		service_refuse(&q, e.code, e.text);
		return;
	}
	if (p->waiting >= SERVICE_PENDING_MAX) {
		service_refuse(&q, -EDQUOT,
			"too many requests wait on this connection");
		return;
	}
	/* Until the start can no longer be lost there is no instance. */
	if (op->instance && (!p->instance || p->greeting)) {
		service_refuse(&q, -EACCES,
			"no instance on this connection; wanted HELLO first");
		return;
	}
	if (op->instance && p->instance->over) {
		service_refuse(&q, -ESTALE, "this instance has ended");
		return;
	}
	op->run(&q);
}

/* ---- connections ---- */

struct engine_peer *engine_peer_new(
	struct engine *g, const uint8_t binding[static 64])
{
	struct engine_peer *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->g = g;
	memcpy(p->binding, binding, sizeof(p->binding));
	list_add_tail(&g->services->peers, &p->link);
	return p;
}

bool engine_peer_is_known(const struct engine_peer *p)
{
	return p->instance != NULL;
}

void engine_peer_free(struct engine_peer *p)
{
	struct pending *w;

	if (!p)
		return;
	if (p->g) {
		struct services *v = p->g->services;

		if (p->waiting)
			list_for_each_entry (w, &v->pending, link)
				if (w->peer == p)
					w->peer = NULL;
		if (p->instance)
			p->instance->peer = NULL;
	}
	list_del(&p->link);
	free(p);
}

/* ---- what is due ---- */

/* Nobody is there, and nobody said so for the time of the lease. */
static void expire(struct services *v, struct instance *i)
{
	struct store_txn *x = store_begin(v->g->store);
	struct held *h = NULL;

	instance_end(v, i, x);
	(void)!engine_hold(v->g, i->session, &h, NULL);
	engine_audit(x, h ? h->session : NULL,
		&(struct audit_event){
			.what = "service.expired",
			.object = i->state->name,
			.actor = i->measured,
		});
	engine_unhold(v->g, h);
	/* If it cannot be said now, the next tick tries again. */
	if (store_submit(x, NULL, NULL) == 0)
		end_instance(v, i);
}

/* Values of sessions at hand; those of others are renewed when they are next
 * asked for. */
static void renew_values(struct services *v, int64_t now)
{
	struct held *h, *next;
	int left = 8; /* a tick is short */

	list_for_each_entry_safe (h, next, &v->g->held, link) {
		struct store_txn *x;
		struct secret_set *set = NULL;
		bool changed = false;

		if (!h->secrets || secret_set_due(h->secrets) > now)
			continue;
		if (left-- == 0)
			break;
		x = store_begin(v->g->store);
		if (engine_secrets_renewed(v->g, h, x, &set, &changed, NULL) <
				0 ||
			!changed) {
			store_abort(x);
		} else {
			engine_audit(x, h->session,
				&(struct audit_event){
					.what = "secret.renew",
					.object = h->name,
				});
			(void)!store_submit(x, NULL, NULL);
		}
		secret_set_free(set);
	}
}

void services_tick(struct engine *g, int64_t now)
{
	struct services *v = g->services;
	struct instance *i, *next;

	services_settle(v);
	if (now > v->last)
		v->clock += now - v->last < SERVICE_STEP_MAX ? now - v->last
							     : SERVICE_STEP_MAX;
	v->last = now;
	list_for_each_entry_safe (i, next, &v->instances, link)
		if (!i->peer && !i->over && i->lease_end <= v->clock)
			expire(v, i);
	tokens_tick(v, now);
	renew_values(v, now);
}

/* ---- begin and end ---- */

int services_new(struct engine *g, struct err *e)
{
	struct services *v = calloc(1, sizeof(*v));
	int ret;

	if (!v)
		return err_setf(e, -ENOMEM, "no memory");
	g->services = v;
	v->g = g;
	list_init(&v->instances);
	list_init(&v->peers);
	list_init(&v->pending);
	list_init(&v->spare);
	v->last = engine_now(g);
	v->verdict = malloc(sizeof(*v->verdict));
	v->match = malloc(sizeof(*v->match));
	if (!v->verdict || !v->match)
		return err_setf(e, -ENOMEM, "no memory");
	ret = tokens_load(v, e);
	return ret < 0 ? ret : instances_load(v, e);
}

void services_free(struct engine *g)
{
	struct services *v = g->services;
	struct pending *w, *next;
	struct engine_peer *p, *after;

	if (!v)
		return;
	list_for_each_entry_safe (p, after, &v->peers, link) {
		list_del(&p->link);
		p->g = NULL;
		p->instance = NULL;
	}
	/* The store has these still, and gives them up later. */
	list_for_each_entry_safe (w, next, &v->pending, link) {
		list_del(&w->link);
		w->v = NULL;
		w->peer = NULL;
	}
	list_for_each_entry_safe (w, next, &v->spare, link)
		free(w);
	instances_free(v);
	string_wipe(v->token_key, sizeof(v->token_key));
	free(v->verdict);
	free(v->match);
	free(v);
	g->services = NULL;
}

int services_forget(struct engine *g, const struct session *s,
	struct store_txn *x, struct err *e)
{
	struct services *v = g->services;
	struct instance *i;

	services_settle(v);
	list_for_each_entry (i, &v->instances, link)
		if (strcmp(i->session, s->name) == 0 && i->peer)
			return err_setf(e, -EBUSY,
				"%s: service %s runs; wanted: it has ended",
				s->name, i->service);
	/* What has no connection can come back to nothing: if x comes to be. */
	list_for_each_entry (i, &v->instances, link)
		if (strcmp(i->session, s->name) == 0 && !i->over)
			instance_end(v, i, x);
	v->forgetting = true;
	return 0;
}

void services_settle(struct services *v)
{
	struct instance *i, *next;

	if (!v->forgetting)
		return;
	v->forgetting = false;
	list_for_each_entry_safe (i, next, &v->instances, link)
		if (!i->peer && !i->over && !instance_is_stored(v, i))
			end_instance(v, i);
}

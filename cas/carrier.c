/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection is IDLE (until retry_at), OPENING (TCP, TLS), GREETING (HELLO is
 * sent) or UP. Every request has a deadline; one that passes without a reply
 * means that CAS or the way to it is gone, as no reply ever comes late.
 */
#include "cas/carrier.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	BACKOFF_MIN_MS = 50,
	BACKOFF_MAX_MS = 2000,
	OPEN_MS = 10 * 1000,
	GREET_MS = 30 * 1000, /* CAS may have to verify and to commit */
	SAY_MS = 5 * 1000,
	TAG_SIZE = 32,
	PENDING_MAX = 1024,
	LEASE_EXPIRY_STOP = 1,
};

enum phase { IDLE, OPENING, GREETING, UP };

/* A tag that CAS has not acknowledged, or a question for a value. */
struct pending {
	struct pending *next;
	uint64_t id, request; /* request 0: not sent on this connection */
	uint64_t op;
	int64_t deadline, reply_by;
	bool has_from;
	uint8_t from[TAG_SIZE], to[TAG_SIZE];
	struct bytes value; /* to be put */
	const char *format;
	char name[]; /* of a volume or a secret; format; value */
};

struct carrier {
	struct carrier_options o;
	enum phase phase;
	struct link *link;
	size_t address; /* the one that is tried */
	int64_t retry_at, phase_end, start_end, say_at;
	unsigned backoff;
	unsigned final; /* addresses in a row whose refusal is final */
	uint64_t last_request, hello, renew, bye; /* requests; 0: none */
	int64_t renew_by, bye_end, bye_by;
	bool has_instance, exiting, exited;
	uint8_t instance[WIRE_INSTANCE_SIZE];
	int64_t lease_end, renew_at; /* 0: no lease */
	uint64_t on_expiry;
	struct pending *waiting, **waiting_end;
	size_t waiting_count;
	uint8_t *config;
	size_t config_size;
	uint64_t exit_code;
	char exit_reason[512];
};

static int64_t now_ms(void)
{
	return link_now();
}

int carrier_new(
	const struct carrier_options *o, struct carrier **out, struct err *e)
{
	struct carrier *c;

	if (o->addresses_count == 0 || o->addresses_count > CARRIER_ADDRESSES)
		return err_setf(e, -EINVAL,
			"%zu addresses of CAS; wanted 1 to %d",
			o->addresses_count, CARRIER_ADDRESSES);
	c = calloc(1, sizeof(*c));
	if (!c)
		return err_setf(e, -ENOMEM, "no memory");
	c->o = *o;
	c->backoff = BACKOFF_MIN_MS;
	c->waiting_end = &c->waiting;
	c->start_end = now_ms() +
		(o->start_ms ? o->start_ms : (unsigned)CARRIER_START_MS);
	c->say_at = now_ms() + 1000;
	*out = c;
	return 0;
}

void carrier_forget_config(struct carrier *c)
{
	if (c->config)
		OPENSSL_cleanse(c->config, c->config_size);
	free(c->config);
	c->config = NULL;
	c->config_size = 0;
}

struct bytes carrier_config(const struct carrier *c)
{
	return (struct bytes){c->config, c->config_size};
}

static void pending_free(struct pending *t)
{
	if (t->value.size > 0)
		OPENSSL_cleanse(
			(void *)(uintptr_t)t->value.data, t->value.size);
	free(t);
}

void carrier_free(struct carrier *c)
{
	if (!c)
		return;
	carrier_forget_config(c);
	link_free(c->link);
	while (c->waiting) {
		struct pending *t = c->waiting;

		c->waiting = t->next;
		pending_free(t);
	}
	OPENSSL_cleanse(c, sizeof(*c));
	free(c);
}

int carrier_fd(const struct carrier *c)
{
	return c->link ? link_fd(c->link) : -1;
}

short carrier_events(const struct carrier *c)
{
	return c->link ? link_events(c->link) : 0;
}

static bool expires(const struct carrier *c)
{
	return c->lease_end && c->on_expiry == LEASE_EXPIRY_STOP;
}

/* Earliest of the times that are set. */
static void at(int64_t *first, int64_t t)
{
	if (t < *first)
		*first = t;
}

int carrier_timeout(const struct carrier *c)
{
	int64_t first = now_ms() + 60 * 1000, left;

	at(&first,
		c->phase == IDLE         ? c->retry_at
			: c->phase == UP ? first
					 : c->phase_end);
	if (!c->has_instance)
		at(&first, c->start_end);
	if (c->phase == UP && c->renew)
		at(&first, c->renew_by);
	if (c->phase == UP && !c->renew && c->renew_at)
		at(&first, c->renew_at);
	if (expires(c) && !c->exiting)
		at(&first, c->lease_end);
	if (c->exiting)
		at(&first, c->bye_end);
	for (const struct pending *t = c->waiting; t; t = t->next) {
		at(&first, t->deadline);
		if (c->phase == UP)
			at(&first, t->reply_by);
	}
	left = first - now_ms();
	return left < 0 ? 0 : (int)left;
}

static void say(struct carrier *c, const char *text)
{
	if (c->o.say)
		c->o.say(c->o.arg, text);
}

/* The connection is gone, or never was one: what was sent is unanswered. */
static void disconnect(struct carrier *c)
{
	link_free(c->link);
	c->link = NULL;
	c->phase = IDLE;
	c->hello = c->renew = c->bye = 0;
	for (struct pending *t = c->waiting; t; t = t->next) {
		t->request = 0;
		t->reply_by = 0;
	}
	c->address = (c->address + 1) % c->o.addresses_count;
	/* All addresses at once, then a pause. */
	c->retry_at = now_ms() + (c->address == 0 ? c->backoff : 0);
	if (c->address == 0)
		c->backoff = (unsigned)u64_min(
			2ull * c->backoff, BACKOFF_MAX_MS);
}

/* After a failure that may pass: people are told now and then. */
static void lost(struct carrier *c, const struct err *e)
{
	int64_t now = now_ms();
	char text[700];

	disconnect(c);
	if (now < c->say_at)
		return;
	c->say_at = now + SAY_MS;
	if (!c->has_instance)
		snprintf(text, sizeof(text), "%s; trying for %lld s more",
			e->text, (long long)(c->start_end - now + 999) / 1000);
	else if (expires(c))
		snprintf(text, sizeof(text),
			"%s; trying again; the lease ends in %lld s", e->text,
			(long long)(c->lease_end - now) / 1000);
	else
		snprintf(text, sizeof(text), "%s; trying again", e->text);
	say(c, text);
}

/* Errors of connections that waiting does not cure. */
static bool is_final(int error)
{
	return error == -EKEYREJECTED || error == -EINVAL;
}

/* Errors in making evidence that a second attempt may not have. */
static bool may_pass(int error)
{
	return error == -EAGAIN || error == -EBUSY || error == -ETIMEDOUT;
}

/* A failed attempt: 0, or its error if no other is worth while. */
static int failed(struct carrier *c, int error, struct err *e)
{
	c->final = is_final(error) ? c->final + 1 : 0;
	if (!c->has_instance && c->final >= c->o.addresses_count)
		return error;
	lost(c, e);
	return 0;
}

static uint64_t next_request(struct carrier *c)
{
	return ++c->last_request;
}

static int step_open(struct carrier *c, struct err *e)
{
	int ret = link_new(c->o.addresses[c->address], c->o.key, &c->link, e);

	if (ret < 0)
		return failed(c, ret, e);
	c->phase = OPENING;
	c->phase_end = now_ms() + OPEN_MS;
	return 0;
}

/* The connection stands, to the right CAS. Evidence that cannot be had is no
 * fault of CAS; but the quoting service may come back. */
static int step_greet(struct carrier *c, struct err *e)
{
	struct buf evidence = {0};
	struct wire_request r = {
		.id = next_request(c),
		.op = WIRE_HELLO,
		.session = c->o.session,
		.token = c->o.token,
		.otp = c->o.otp,
		.host_args = c->o.host_args,
	};
	int ret = 0;

	if (c->o.evidence)
		ret = c->o.evidence(
			c->o.arg, link_binding(c->link), &evidence, e);
	if (ret < 0 && !c->has_instance && !may_pass(ret)) {
		buf_fini(&evidence);
		return ret;
	}
	if (ret == 0)
		ret = buf_check(&evidence);
	r.evidence = (struct bytes){evidence.data, evidence.size};
	if (c->has_instance) {
		r.instance = (struct bytes){c->instance, sizeof(c->instance)};
		r.host_args = (struct text_list){0};
		r.otp = NULL;
	}
	if (ret == 0)
		ret = link_send(c->link, &r, e);
	buf_fini(&evidence);
	if (ret < 0)
		return failed(c, ret, e);
	c->hello = r.id;
	c->phase = GREETING;
	c->phase_end = now_ms() + GREET_MS;
	return 0;
}

static void set_lease(struct carrier *c, const struct wire_reply *r)
{
	int64_t now = now_ms();

	if (r->lease == 0)
		return;
	c->lease_end = now + (int64_t)r->lease * 1000;
	/* Time for several attempts before it ends. */
	c->renew_at = now + (int64_t)r->lease * 1000 / 3;
}

/* CAS says no to a HELLO: for good, or "later". */
static int refused(struct carrier *c, const struct wire_reply *r, struct err *e)
{
	int error = -(int)r->status;

	err_setf(e, error, "CAS at %s: %s", link_address(c->link),
		r->error ? r->error : strerror(-error));
	if (!c->has_instance && error != -EAGAIN && error != -EBUSY)
		return error;
	c->final = 0;
	lost(c, e);
	return 0;
}

static int on_hello(
	struct carrier *c, const struct wire_reply *r, struct err *e)
{
	c->hello = 0;
	if (r->status)
		return refused(c, r, e);
	if (!c->has_instance) {
		if (r->instance.size != sizeof(c->instance) ||
			r->config.size == 0)
			return err_setf(e, -EPROTO,
				"CAS at %s: its answer has no configuration",
				link_address(c->link));
		memcpy(c->instance, r->instance.data, sizeof(c->instance));
		c->config = malloc(r->config.size);
		if (!c->config)
			return err_setf(e, -ENOMEM,
				"no memory for a configuration of %zu bytes",
				r->config.size);
		memcpy(c->config, r->config.data, r->config.size);
		c->config_size = r->config.size;
		c->has_instance = true;
	}
	c->on_expiry = r->on_expiry;
	set_lease(c, r);
	c->phase = UP;
	c->backoff = BACKOFF_MIN_MS;
	c->final = 0;
	return 0;
}

/* value: of a question that was answered. */
static void end_pending(struct carrier *c, struct pending **p, int status,
	const struct bytes *value)
{
	static const struct bytes none;
	struct pending *t = *p;

	*p = t->next;
	if (c->waiting_end == &t->next)
		c->waiting_end = p;
	c->waiting_count--;
	if (t->op == WIRE_TAG)
		c->o.tag_done(c->o.arg, t->id, status);
	else
		c->o.secret_done(
			c->o.arg, t->id, status, value ? value : &none);
	pending_free(t);
}

/* A refusal: what CAS has and this service has differ. */
static void on_tag(
	struct carrier *c, struct pending **p, const struct wire_reply *r)
{
	char text[700];

	if (r->status == 0) {
		end_pending(c, p, 0, NULL);
		return;
	}
	snprintf(text, sizeof(text),
		"volume %s: CAS did not take its state: %s", (*p)->name,
		r->error ? r->error : strerror((int)r->status));
	say(c, text);
	end_pending(c, p, r->status == ESTALE ? -ESTALE : -EIO, NULL);
}

/* A refusal of a value is the policy's: CAS's words say which line of it. */
static void on_secret(
	struct carrier *c, struct pending **p, const struct wire_reply *r)
{
	char text[700];
	int status = -EIO;

	if (r->status == 0) {
		end_pending(c, p, 0, &r->value);
		return;
	}
	snprintf(text, sizeof(text), "secret %s: CAS says: %s", (*p)->name,
		r->error ? r->error : strerror((int)r->status));
	say(c, text);
	if (r->status == EPERM || r->status == EACCES)
		status = -EACCES;
	else if (r->status == ENOENT || r->status == EINVAL)
		status = -(int)r->status;
	end_pending(c, p, status, NULL);
}

static void on_pending(
	struct carrier *c, struct pending **p, const struct wire_reply *r)
{
	if (r->status == EAGAIN) { /* it cannot commit at the moment */
		(*p)->request = 0;
		(*p)->reply_by = now_ms() + BACKOFF_MAX_MS / 4;
	} else if ((*p)->op == WIRE_TAG) {
		on_tag(c, p, r);
	} else {
		on_secret(c, p, r);
	}
}

static void on_renew(struct carrier *c, const struct wire_reply *r)
{
	char text[700];

	c->renew = 0;
	if (r->status == 0) {
		c->on_expiry = r->on_expiry;
		set_lease(c, r);
		return;
	}
	snprintf(text, sizeof(text), "CAS does not renew the lease: %s",
		r->error ? r->error : strerror((int)r->status));
	say(c, text);
	c->renew_at = now_ms() + SAY_MS;
}

static int on_reply(
	struct carrier *c, const struct wire_reply *r, struct err *e)
{
	if (r->id == 0)
		return 0;
	if (r->id == c->hello)
		return on_hello(c, r, e);
	if (r->id == c->renew)
		on_renew(c, r);
	if (r->id == c->bye)
		c->exited = true;
	for (struct pending **p = &c->waiting; *p; p = &(*p)->next) {
		if ((*p)->request == r->id) {
			on_pending(c, p, r);
			break;
		}
	}
	return 0;
}

static int receive(struct carrier *c, struct err *e)
{
	struct wire_reply r;
	int ret;

	while (c->link) {
		ret = link_receive(c->link, &r, e);
		if (ret < 0)
			return failed(c, ret, e);
		if (ret == 0)
			return 0;
		ret = on_reply(c, &r, e);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int send_pending(struct carrier *c, struct pending *t, struct err *e)
{
	struct wire_request r = {.id = next_request(c), .op = t->op};

	if (t->op == WIRE_TAG) {
		r.volume = t->name;
		r.to = (struct bytes){t->to, TAG_SIZE};
	} else {
		r.secret = t->name;
		r.format = t->format;
		r.value = t->value;
	}
	if (t->has_from)
		r.from = (struct bytes){t->from, TAG_SIZE};
	t->request = r.id;
	t->reply_by = now_ms() + CARRIER_REPLY_MS;
	return link_send(c->link, &r, e);
}

static int send_renew(struct carrier *c, struct err *e)
{
	struct wire_request r = {.id = next_request(c), .op = WIRE_RENEW};

	c->renew = r.id;
	c->renew_by = now_ms() + CARRIER_REPLY_MS;
	return link_send(c->link, &r, e);
}

static int send_exit(struct carrier *c, struct err *e)
{
	struct wire_request r = {
		.id = next_request(c),
		.op = WIRE_EXIT,
		.code = c->exit_code,
		.reason = c->exit_reason[0] ? c->exit_reason : NULL,
	};

	c->bye = r.id;
	return link_send(c->link, &r, e);
}

/* What is to be said on a connection that stands. */
static int send_due(struct carrier *c, struct err *e)
{
	int64_t now = now_ms();
	int ret = 0;

	for (struct pending *t = c->waiting; t && ret == 0; t = t->next)
		if (!t->request && now >= t->reply_by)
			ret = send_pending(c, t, e);
	if (ret == 0 && !c->renew && c->renew_at && now >= c->renew_at)
		ret = send_renew(c, e);
	if (ret == 0 && c->exiting && !c->bye && !c->waiting)
		ret = send_exit(c, e);
	if (ret == 0)
		ret = link_step(c->link, e);
	return ret < 0 ? failed(c, ret, e) : 0;
}

/* True if CAS did not answer something in time. */
static bool is_late(const struct carrier *c)
{
	int64_t now = now_ms();

	if (c->phase == OPENING || c->phase == GREETING)
		return now >= c->phase_end;
	if (c->phase != UP)
		return false;
	if (c->renew && now >= c->renew_by)
		return true;
	for (const struct pending *t = c->waiting; t; t = t->next)
		if (t->request && now >= t->reply_by)
			return true;
	return false;
}

static void end_old(struct carrier *c)
{
	struct pending **p = &c->waiting;
	int64_t now = now_ms();
	char text[800];

	while (*p) {
		if (now < (*p)->deadline && !carrier_expired(c)) {
			p = &(*p)->next;
			continue;
		}
		snprintf(text, sizeof(text), "%s %s: no answer from CAS %s%s",
			(*p)->op == WIRE_TAG ? "volume" : "secret", (*p)->name,
			carrier_expired(c) ? "before the lease ended"
					   : "in time",
			(*p)->op == WIRE_TAG
				? ": its changes are not acknowledged"
				: "");
		say(c, text);
		end_pending(c, p, -EIO, NULL);
	}
}

static int step(struct carrier *c, struct err *e)
{
	int ret;

	if (is_late(c)) {
		err_setf(e, -ETIMEDOUT, "CAS at %s: no answer",
			link_address(c->link));
		return failed(c, -ETIMEDOUT, e);
	}
	if (c->phase == IDLE && now_ms() >= c->retry_at) {
		ret = step_open(c, e);
		if (ret < 0)
			return ret;
	}
	if (c->phase == OPENING) {
		ret = link_step(c->link, e);
		if (ret < 0)
			return failed(c, ret, e);
		if (ret == 0)
			return 0;
		ret = step_greet(c, e);
		if (ret < 0)
			return ret;
	}
	if (c->phase == GREETING || c->phase == UP) {
		ret = receive(c, e);
		if (ret < 0)
			return ret;
	}
	return c->phase == UP ? send_due(c, e) : 0;
}

int carrier_run(struct carrier *c, struct err *e)
{
	int ret = c->exited ? 0 : step(c, e);

	end_old(c);
	if (c->exiting && now_ms() >= c->bye_end)
		c->exited = true;
	if (c->has_instance) {
		/* Whatever happens later, the service is there. */
		if (ret < 0)
			lost(c, e);
		return 0;
	}
	if (ret == 0 && now_ms() >= c->start_end)
		return err_setf(e, -ETIMEDOUT,
			"CAS at %s: no configuration in %u s",
			c->o.addresses[0],
			(c->o.start_ms ? c->o.start_ms : CARRIER_START_MS) /
				1000);
	return ret;
}

int carrier_start(struct carrier *c, struct err *e)
{
	int ret;

	for (;;) {
		struct pollfd p;

		ret = carrier_run(c, e);
		if (ret < 0 || c->config)
			return ret;
		p = (struct pollfd){
			.fd = carrier_fd(c), .events = carrier_events(c)};
		if (poll(&p, 1, carrier_timeout(c)) < 0 && errno != EINTR)
			return err_setf(e, -errno, "poll: %s", strerror(errno));
	}
}

/* With room for more behind the name; NULL: no more of them. */
static struct pending *pending_new(struct carrier *c, uint64_t op, uint64_t id,
	const char *name, size_t more)
{
	size_t size = strlen(name) + 1;
	struct pending *p = NULL;

	if (c->waiting_count < PENDING_MAX && !c->exited)
		p = calloc(1, sizeof(*p) + size + more);
	if (!p)
		return NULL;
	p->op = op;
	p->id = id;
	p->deadline = now_ms() + CARRIER_TAG_MS;
	memcpy(p->name, name, size);
	return p;
}

static void pending_add(struct carrier *c, struct pending *p)
{
	*c->waiting_end = p;
	c->waiting_end = &p->next;
	c->waiting_count++;
}

void carrier_tag(struct carrier *c, const struct carrier_tag *t)
{
	struct pending *p = pending_new(c, WIRE_TAG, t->id, t->volume, 0);

	if (!p) {
		c->o.tag_done(c->o.arg, t->id, -EIO);
		return;
	}
	p->has_from = t->from != NULL;
	if (t->from)
		memcpy(p->from, t->from, TAG_SIZE);
	memcpy(p->to, t->to, TAG_SIZE);
	pending_add(c, p);
}

void carrier_secret(struct carrier *c, const struct carrier_secret *s)
{
	uint64_t op = s->put ? WIRE_SECRET_PUT : WIRE_SECRET_GET;
	size_t format = strlen(s->format) + 1;
	size_t value = s->put ? s->value.size : 0;
	struct pending *p = NULL;
	char *at;

	/* The service is over: its end need not wait for this. */
	if (!c->exiting)
		p = pending_new(c, op, s->id, s->name, format + value);
	if (!p) {
		c->o.secret_done(c->o.arg, s->id, -EIO, &(struct bytes){0});
		return;
	}
	at = p->name + strlen(p->name) + 1;
	memcpy(at, s->format, format);
	if (s->format[0] != '\0')
		p->format = at;
	if (value > 0) {
		memcpy(at + format, s->value.data, value);
		p->value = (struct bytes){(uint8_t *)at + format, value};
	}
	pending_add(c, p);
}

static void end_secrets(struct carrier *c)
{
	struct pending **p = &c->waiting;

	while (*p)
		if ((*p)->op == WIRE_TAG)
			p = &(*p)->next;
		else
			end_pending(c, p, -EIO, NULL);
}

bool carrier_expired(const struct carrier *c)
{
	return expires(c) && now_ms() >= c->lease_end;
}

void carrier_exit(struct carrier *c, uint64_t code, const char *reason)
{
	if (c->exiting)
		return;
	c->exiting = true;
	c->exit_code = code;
	c->bye_end = now_ms() + CARRIER_EXIT_MS;
	/* The service is over: a new one need not wait for this lease. */
	if (c->phase == IDLE)
		c->retry_at = now_ms();
	snprintf(c->exit_reason, sizeof(c->exit_reason), "%s", reason);
	end_secrets(c);
	if (!c->has_instance)
		c->exited = true;
}

bool carrier_exited(const struct carrier *c)
{
	return c->exited;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HELLO: is this an enclave that the policy wants, and may it start now?
 *
 * Order matters. Evidence is judged before anything is used up (tokens, codes,
 * starts of this hour): who is not wanted costs the owner nothing.
 */
#include <errno.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "cas/deliver.h"
#include "cas/engine_service.h"
#include "lib/bytes.h"
#include "lib/fmt.h"
#include "lib/manifest_cas.h"
#include "lib/string.h"

enum { OTP_STEP = 30, OTP_TRIES = 5 };

struct hello {
	const struct request *q;
	struct giver giver;
	const char *name; /* session/service */
	char session[SESSION_NAME_MAX + 1];
	const struct session_service *service;
	struct match_rules *rules;
	uint8_t evidence[SHA256_SIZE]; /* its hash */
	uint8_t measured[SHA256_SIZE];
	struct buf reasons; /* for the log */
	struct store_txn *x;
	struct pending *p;
	struct instance *i;
	struct err e;
};

int service_config_hash(const struct engine *g, const char *name,
	const char *token, uint8_t hash[static MATCH_HASH_SIZE], struct err *e)
{
	uint8_t *manifest = malloc(MANIFEST_CAS_MAX);
	size_t size;
	int ret;

	if (!manifest)
		return err_setf(e, -ENOMEM, "no memory");
	ret = manifest_for_cas(g->o.identity, name, token, manifest, &size, e);
	if (ret == 0)
		sha256(manifest, size, hash);
	free(manifest);
	return ret;
}

void service_measured(const struct verdict *v, uint8_t out[static SHA256_SIZE])
{
	static const char *const names[] = {"mrenclave", "mrsigner",
		"isv_prod_id", "isv_svn", "attributes", "config_id",
		"config_svn", "isv_family_id", "isv_ext_prod_id", "mrtd",
		"rtmr0", "rtmr1", "rtmr2", "rtmr3", "mrconfigid", "mrowner",
		"mrownerconfig", "td_attributes", "measurement", "host_data",
		"id_key_digest", "author_key_digest", "policy", "vmpl"};
	struct sha256 s;

	sha256_init(&s);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const struct verdict_field *f = verdict_field(v, names[i]);

		if (!f)
			continue;
		sha256_update(&s, names[i], strlen(names[i]) + 1);
		sha256_update(&s, &f->size, sizeof(f->size));
		sha256_update(&s, f->bytes, f->size);
		sha256_update(&s, &f->number, sizeof(f->number));
	}
	sha256_final(&s, out);
}

/* ---- who it is ---- */

/* mode none: the token is all there is. */
static int judge_token(struct hello *h)
{
	const struct session *s = h->giver.session;
	const char *token = h->q->r->token;

	if (!s->security.access_token)
		return err_setf(&h->e, -EPERM,
			"%s: attestation mode none without a "
			"service_access_token: anybody could start it",
			s->name);
	/* Not the token itself: it is a secret, and this goes to the log. */
	sha256(h->name, strlen(h->name), h->measured);
	return service_access_token(&h->giver, token, &h->e);
}

static int judge_evidence(struct hello *h)
{
	const struct wire_request *r = h->q->r;
	struct engine *g = h->q->g;
	struct services *v = g->services;
	struct match_binding binding = {.report_data = h->q->peer->binding};
	char rules[256];
	int ret;

	if (r->evidence.size == 0)
		return err_setf(&h->e, -EKEYREJECTED,
			"%s: no evidence; wanted an enclave", h->name);
	sha256(r->evidence.data, r->evidence.size, h->evidence);
	ret = service_config_hash(g, h->name, r->token, binding.config, &h->e);
	if (ret == 0)
		ret = g->o.verify(g->o.verify_arg, r->evidence.data,
			r->evidence.size, engine_now(g), v->verdict, &h->e);
	if (ret == 0)
		ret = match(h->rules, &binding, v->verdict, engine_now(g),
			v->match);
	if (ret < 0)
		return ret;
	service_measured(v->verdict, h->measured);
	if (v->match->accepted)
		return 0;
	match_explain(v->match, &h->reasons);
	match_summary(v->match, rules, sizeof(rules));
	return err_setf(&h->e, -EKEYREJECTED,
		"the policy does not accept this enclave for %s: %s; the "
		"session's owner sees the reasons with `sconce session "
		"dry-run`",
		h->name, rules);
}

/* A code from a person's device. */
static int judge_otp(struct hello *h, struct service_state *state)
{
	const char *text = h->service->otp_secret ? h->service->otp_secret
						  : match_rules_otp(h->rules);
	struct buf secret = {.secret = true};
	int64_t now = engine_now(h->q->g), step = 0;
	int ret;

	if (!text)
		return 0;
	/* Six digits are guessed by who may try often. */
	if (state->otp_failed_step != now / OTP_STEP) {
		state->otp_failed_step = now / OTP_STEP;
		state->otp_failed = 0;
	}
	if (state->otp_failed >= OTP_TRIES)
		return err_setf(&h->e, -EKEYREJECTED,
			"%s: %d wrong one-time passwords; wanted: wait for %d "
			"s",
			h->name, OTP_TRIES, OTP_STEP);
	ret = giver_expand(&h->giver, text, &secret, &h->e);
	if (ret == 0)
		ret = otp_check((char *)secret.data ? (char *)secret.data : "",
			h->q->r->otp, now, state->otp_step, &step, &h->e);
	buf_fini(&secret);
	if (ret == -EKEYREJECTED && h->q->r->otp)
		state->otp_failed++;
	if (ret == 0)
		state->otp_step = step;
	return ret;
}

/* ---- one that comes back ---- */

static int come_back(struct hello *h)
{
	const struct request *q = h->q;
	struct services *v = q->g->services;
	struct instance *i = NULL;

	if (q->r->instance.size == ENGINE_INSTANCE_SIZE)
		i = instance_find(v, q->r->instance.data);
	if (!i || i->over || strcmp(i->state->name, h->name) != 0)
		return err_setf(&h->e, -ESTALE,
			"%s: no such instance: it ended, or was away for "
			"longer than its lease; wanted: a new start",
			h->name);
	if (!string_equal_const_time(
		    i->measured, h->measured, sizeof(h->measured)))
		return err_setf(&h->e, -EKEYREJECTED,
			"%s: that instance is another enclave's", h->name);
	if (i->fenced)
		return err_setf(&h->e, -ESTALE,
			"%s: another instance took over a volume of this one; "
			"wanted: this one ends",
			h->name);
	engine_audit(h->x, h->giver.session,
		&(struct audit_event){
			.what = "service.reconnect",
			.object = h->name,
			.actor = i->measured,
		});
	memcpy(h->p->id, i->id, sizeof(h->p->id));
	h->i = i;
	return 0;
}

/* ---- a new one ---- */

static int within_limits(struct hello *h, struct service_state *state)
{
	const struct session_service *s = h->service;
	struct services *v = h->q->g->services;
	struct instance *i;
	unsigned live = 0;
	int64_t longest = 0;

	if (s->instances && state->live >= s->instances) {
		list_for_each_entry (i, &v->instances, link) {
			if (i->state != state || !instance_is_live(v, i))
				continue;
			live++;
			if (!i->peer && i->lease_end - v->clock > longest)
				longest = i->lease_end - v->clock;
		}
	}
	if (s->instances && live >= s->instances)
		return err_setf(&h->e, -EBUSY,
			"%s: %u instances run, of at most %llu; wanted: one "
			"ends%s",
			h->name, live, (unsigned long long)s->instances,
			longest ? ", or its lease, since one has no connection"
				: "");
	if (s->starts_per_hour &&
		service_starts(state, engine_now(h->q->g), false) >=
			s->starts_per_hour)
		return err_setf(&h->e, -EDQUOT,
			"%s: %llu starts in the last hour; wanted: later",
			h->name, (unsigned long long)s->starts_per_hour);
	return 0;
}

/* The volumes' records as they will be are those of the rows: only term and
 * holder change in x. */
static int volume_for(void *arg, const struct session_volume *sv,
	struct deliver_volume *out, struct err *e)
{
	struct giver *s = arg;
	struct volume_record r;
	struct volume_place *at = &s->g->services->place;
	int ret = engine_volume_place(
		s->g, s->session, s->held->hash, sv, at, e);

	if (ret < 0)
		return ret;
	ret = engine_volume_get(s->g, at, &r, NULL);
	if (ret < 0)
		return err_setf(e, ret, "%s: volume %s has no key in the store",
			s->session->name, sv->name);
	memcpy(out->key, r.key, sizeof(out->key));
	memcpy(out->tag, r.tag, sizeof(out->tag));
	out->has_tag = r.has_tag;
	out->read_only = service_volume_is_lent(at);
	string_wipe(&r, sizeof(r));
	return 0;
}

static int make_instance(struct hello *h)
{
	const struct session_service *s = h->service;
	struct services *v = h->q->g->services;
	struct instance *i = instance_new(v, h->giver.session->name, s->name);
	int ret;

	if (!i)
		return err_setf(&h->e, -ENOMEM, "no memory");
	h->i = i;
	if (RAND_bytes(i->id, sizeof(i->id)) != 1)
		return err_setf(
			&h->e, -EIO, "no random numbers from libcrypto");
	memcpy(i->measured, h->measured, sizeof(i->measured));
	i->started = (uint64_t)engine_now(h->q->g);
	i->lease = s->lease ? s->lease : SERVICE_LEASE_DEFAULT;
	i->on_expiry = s->on_expiry;
	i->lease_end = v->clock + (int64_t)i->lease;
	ret = service_volumes_take(&h->giver, i, s, h->x, &h->e);
	if (ret == 0 && instance_put(i, h->x) < 0)
		ret = err_setf(&h->e, -ENOMEM, "no memory");
	return ret;
}

static void audit_start(struct hello *h)
{
	struct services *v = h->q->g->services;
	bool evidence = match_rules_mode(h->rules) != MODE_NONE;
	char detail[160], id[2 * ENGINE_INSTANCE_SIZE + 1];

	bytes_to_hex(h->i->id, sizeof(h->i->id), id);
	if (evidence)
		fmt_print(detail, sizeof(detail),
			"instance %s: attestation[%u] accepted", id,
			v->match->variant - 1);
	else
		fmt_print(detail, sizeof(detail),
			"instance %s: no evidence, by its token", id);
	engine_audit(h->x, h->giver.session,
		&(struct audit_event){
			.what = "service.attest",
			.object = h->name,
			.actor = evidence ? h->evidence : NULL,
			.after = h->measured,
			.detail = detail,
		});
	fmt_print(detail, sizeof(detail), "%llu values, %zu volumes",
		(unsigned long long)h->giver.given, h->i->volume_count);
	engine_audit(h->x, h->giver.session,
		&(struct audit_event){
			.what = "service.deliver",
			.object = h->name,
			.actor = h->measured,
			.after = h->giver.held->hash,
			.detail = detail,
		});
}

static int start(struct hello *h)
{
	const struct wire_request *r = h->q->r;
	struct services *v = h->q->g->services;
	struct service_state *state = service_state_get(v, h->name);
	struct deliver_input in = {
		.session = h->giver.session,
		.service = h->service,
		.host_args = &r->host_args,
		.lookup = giver_lookup,
		.volume = volume_for,
		.arg = &h->giver,
	};
	bool counted = h->service->starts_per_hour || h->service->otp_secret ||
		match_rules_otp(h->rules);
	int ret;

	if (!state)
		return err_setf(&h->e, -ENOMEM, "no memory");
	ret = within_limits(h, state);
	if (ret == 0)
		ret = make_instance(h);
	if (ret == 0)
		ret = deliver(&in, &h->p->data, &h->e);
	/* What is used up comes last: nothing can refuse the start now. */
	if (ret == 0)
		ret = judge_otp(h, state);
	if (ret == 0 && h->giver.session->security.singleton)
		ret = token_use(v, h->name, r->token, h->x, &h->e);
	if (ret < 0)
		return ret;
	service_starts(state, engine_now(h->q->g), true);
	if (counted)
		service_state_put(state, h->x);
	audit_start(h);
	memcpy(h->p->id, h->i->id, sizeof(h->p->id));
	h->p->r.config = (struct bytes){h->p->data.data, h->p->data.size};
	return 0;
}

/* ---- both ---- */

static int judge(struct hello *h)
{
	struct engine *g = h->q->g;
	const char *service;
	int ret;

	ret = service_split(
		h->name, h->session, sizeof(h->session), &service, &h->e);
	if (ret == 0)
		ret = giver_open(g, h->session, h->x, &h->giver, &h->e);
	if (ret < 0)
		return ret;
	h->service = session_service(h->giver.session, service);
	if (!h->service)
		return err_setf(&h->e, -ENOENT, "session %s has no service %s",
			h->session, service);
	ret = engine_requirements(g, h->giver.session, &h->e);
	if (ret == 0)
		ret = match_rules_new(h->giver.session, h->service,
			giver_lookup, &h->giver, &h->rules, &h->e);
	if (ret < 0)
		return ret;
	/* Rules are not delivered. */
	h->giver.given = 0;
	if (match_rules_mode(h->rules) == MODE_NONE)
		ret = judge_token(h);
	else
		ret = judge_evidence(h);
	/* With one-time tokens, who asked for the token had this one. */
	if (ret == 0 && !h->giver.session->security.singleton)
		ret = service_access_token(&h->giver, h->q->r->token, &h->e);
	if (ret < 0)
		return ret;
	return h->q->r->instance.size ? come_back(h) : start(h);
}

static void refuse(struct hello *h, int ret)
{
	struct engine *g = h->q->g;
	char cut[sizeof(h->e.text)];

	store_abort(h->x);
	pending_drop(h->p);
	if (!h->q->r->instance.size)
		instance_free(h->i);
	memcpy(cut, h->e.text, sizeof(cut));
	engine_audit_denied(g, h->giver.session,
		&(struct audit_event){
			.what = "service.attest",
			.object = h->name,
			.actor = bytes_zero(h->evidence, sizeof(h->evidence))
				? NULL
				: h->evidence,
			.denied = true,
			.detail = h->reasons.size ? (char *)h->reasons.data
						  : cut,
		});
	g->counts.refused++;
	service_refuse(h->q, ret, cut[0] ? cut : "no memory");
}

static void connect(struct hello *h, bool new)
{
	struct engine_peer *p = h->q->peer;
	struct services *v = h->q->g->services;
	struct instance *i = h->i;

	if (new) {
		service_volumes_fence(v, i);
		h->q->g->counts.instances++;
		h->q->g->counts.secrets_delivered += h->giver.given;
	}
	/* A connection that is left behind speaks for it no more. */
	if (i->peer)
		i->peer->instance = NULL;
	i->peer = p;
	i->lease_end = v->clock + (int64_t)i->lease;
	p->instance = i;
	p->greeting = true;
	p->greeted = true;
	h->q->g->counts.attested++;
}

static void accept(struct hello *h)
{
	struct services *v = h->q->g->services;
	bool new = !h->q->r->instance.size;
	struct instance *i = h->i;

	if (new &&instance_add(v, i) < 0) {
		err_setf(&h->e, -ENOMEM, "no memory");
		refuse(h, -ENOMEM);
		return;
	}
	h->p->greets = true;
	h->p->r.instance = (struct bytes){h->p->id, sizeof(h->p->id)};
	h->p->r.lease = i->lease;
	h->p->r.on_expiry = i->on_expiry;
	/* The answer may come at once: the connection is ready before. */
	connect(h, new);
	if (pending_submit(h->q, h->p, h->x))
		return;
	h->q->peer->instance = NULL;
	h->q->peer->greeting = false;
	h->q->peer->greeted = false;
	i->peer = NULL;
	if (new) {
		instance_remove(v, i);
		instance_free(i);
		h->q->g->counts.instances--;
	}
}

void service_hello(const struct request *q)
{
	struct hello *h;
	int ret;

	if (q->peer->greeted) {
		service_refuse(q, -EINVAL,
			"HELLO was said on this connection; wanted a new one");
		return;
	}
	h = calloc(1, sizeof(*h));
	if (!h) {
		service_refuse(q, -ENOMEM, "no memory");
		return;
	}
	h->q = q;
	h->name = q->r->session ? q->r->session : "";
	h->p = pending_new(q);
	if (h->p) {
		h->x = store_begin(q->g->store);
		ret = judge(h);
		if (ret < 0)
			refuse(h, ret);
		else
			accept(h);
	}
	match_rules_free(h->rules);
	giver_close(&h->giver);
	buf_fini(&h->reasons);
	free(h);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/service_case.h"

#include <errno.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "lib/string.h"
#include "unit.h"

static int64_t now_of(void *arg)
{
	return ((struct service_case *)arg)->now;
}

int case_verify(void *arg, const void *evidence, size_t size, int64_t at,
	struct verdict *v, struct err *e)
{
	struct case_evidence ev;

	if (size != sizeof(ev))
		return err_setf(e, -EINVAL, "evidence: %zu bytes", size);
	memcpy(&ev, evidence, size);
	verdict_init(v, ev.tdx ? EVIDENCE_TDX_V4 : EVIDENCE_SGX_V3);
	v->signature = v->chain = true;
	v->debug = ev.debug;
	v->emulated = ev.emulated;
	v->tcb_status = ev.status < TCB_STATUS_COUNT ? ev.status : TCB_REVOKED;
	if (ev.advisory[0])
		assert_int_equal(
			verdict_add_advisory(v, ev.advisory,
				strnlen(ev.advisory, sizeof(ev.advisory))),
			0);
	if (ev.broken)
		verdict_fail(v, "quote-signature", "wrong", "right");
	verdict_add_bytes(v, "report_data", ev.report_data, 64);
	verdict_add_bytes(v, "qe_id", ev.qe_id, 16);
	if (ev.tdx)
		return 0;
	verdict_add_bytes(v, "mrenclave", ev.mrenclave, 32);
	verdict_add_bytes(v, "mrsigner", ev.mrsigner, 32);
	verdict_add_number(v, "isv_prod_id", ev.isv_prod_id);
	verdict_add_number(v, "isv_svn", ev.isv_svn);
	verdict_add_bytes(v, "config_id", ev.config_id, 64);
	return 0;
}

static void open_all(struct service_case *c, bool create)
{
	struct store_options so = {.backend = &fake_backend,
		.backend_arg = &c->disk,
		.now = now_of,
		.now_arg = c,
		.no_thread = true};
	struct engine_options eo = {
		.verify = case_verify, .now = now_of, .now_arg = c};
	struct err e = {0};

	memset(so.key, 7, sizeof(so.key));
	if (store_open(&so, create, &c->store, &e) < 0)
		fail_msg("%s", e.text);
	eo.store = c->store;
	memcpy(eo.identity, c->identity, sizeof(eo.identity));
	if (engine_new(&eo, &c->g, &e) < 0)
		fail_msg("%s", e.text);
}

static void owner_reply(void *arg, const struct engine_reply *r)
{
	if (r->status < 0)
		fail_msg("%s", r->error);
	*(bool *)arg = true;
}

void case_start(struct service_case *c)
{
	static const char config[] = "name: test\n";
	bool done = false;
	struct engine_call call = {
		.who = {.present = true, .key = {1}},
		.reply = owner_reply,
		.arg = &done,
	};

	memset(c, 0, sizeof(*c));
	c->now = 1700000000;
	memset(c->identity, 0xca, sizeof(c->identity));
	open_all(c, true);
	engine_provision(c->g, &call, config, sizeof(config) - 1);
	case_settle(c);
	assert_true(done);
}

static void close_all(struct service_case *c)
{
	engine_free(c->g);
	store_close(c->store);
	c->g = NULL;
	c->store = NULL;
}

void case_stop(struct service_case *c)
{
	close_all(c);
	fake_disk_fini(&c->disk);
}

void case_restart(struct service_case *c)
{
	close_all(c);
	open_all(c, false);
}

void case_settle(struct service_case *c)
{
	while (store_step(c->store) == 0)
		store_complete(c->store);
	store_complete(c->store);
}

void case_tick(struct service_case *c, unsigned seconds)
{
	for (unsigned i = 0; i < seconds; i++) {
		c->now++;
		engine_tick(c->g);
		case_settle(c);
	}
}

/* ---- sessions ---- */

static int no_import(void *arg, const struct session_ref *from, struct buf *out,
	struct err *e)
{
	return err_setf(e, -EPERM, "no imports here");
}

static void put_volumes(
	struct service_case *c, const struct session *s, struct store_txn *x)
{
	const struct session_volume *v = s->volumes.item;
	static struct volume_place at;

	for (size_t i = 0; i < s->volumes.count; i++) {
		struct volume_record r = {0}, old;

		if (v[i].import.count)
			continue;
		assert_int_equal(volume_row_key(s->name, v[i].name, &at), 0);
		if (engine_volume_get(c->g, &at, &old, NULL) == 0)
			continue;
		memset(r.key, 0x40 + (int)i, sizeof(r.key));
		engine_volume_put(x, &at, &r);
	}
}

void case_put_session(struct service_case *c, const struct session *s)
{
	struct secret_env env = {.now = c->now, .import = no_import};
	struct engine_importer importer = {c->g, s, c->identity};
	struct secret_set *set;
	struct buf row = {0};
	struct store_txn *x = store_begin(c->store);
	uint8_t hash[SESSION_HASH_SIZE];
	struct err e = {0};

	assert_int_equal(session_hash(s, hash), 0);
	importer.hash = hash;
	engine_secret_env(&importer, &env);
	assert_int_equal(session_encode(s, &row), 0);
	store_put(
		x, STORE_SESSION, s->name, strlen(s->name), row.data, row.size);
	buf_fini(&row);
	if (secret_set_make(s, NULL, NULL, &env, &set, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(engine_secrets_put(x, s->name, set), 0);
	secret_set_free(set);
	put_volumes(c, s, x);
	assert_int_equal(store_submit(x, NULL, NULL), 0);
	case_settle(c);
}

void case_put_yaml(struct service_case *c, const char *yaml)
{
	struct session *s;
	struct err e = {0};

	if (session_parse("test", yaml, strlen(yaml), &s, &e) < 0)
		fail_msg("%s", e.text);
	case_put_session(c, s);
	session_free(s);
}

/* ---- enclaves ---- */

void case_evidence(struct service_case *c, const char *name, const char *token,
	const struct engine_peer *p, struct case_evidence *out)
{
	uint8_t hash[MATCH_HASH_SIZE];
	struct err e = {0};

	memset(out, 0, sizeof(*out));
	memset(out->mrenclave, 0xee, sizeof(out->mrenclave));
	memset(out->mrsigner, 0x55, sizeof(out->mrsigner));
	out->isv_prod_id = 7;
	out->isv_svn = 3;
	out->status = TCB_UP_TO_DATE;
	memset(out->qe_id, 0x9e, sizeof(out->qe_id));
	assert_int_equal(service_config_hash(c->g, name, token, hash, &e), 0);
	memcpy(out->config_id, hash, sizeof(hash));
	if (p)
		memcpy(out->report_data, p->binding, sizeof(out->report_data));
}

struct engine_peer *case_peer(struct service_case *c)
{
	uint8_t binding[64];
	struct engine_peer *p;

	assert_int_equal(RAND_bytes(binding, sizeof(binding)), 1);
	p = engine_peer_new(c->g, binding);
	assert_non_null(p);
	return p;
}

static void on_reply(void *arg, const struct wire_reply *r)
{
	struct case_reply *out = arg;

	assert_false(out->came);
	out->came = true;
	out->id = r->id;
	out->status = r->status;
	out->lease = r->lease;
	out->on_expiry = r->on_expiry;
	if (r->error)
		(void)!string_copy(out->error, sizeof(out->error), r->error);
	out->has_instance = r->instance.size == sizeof(out->instance);
	if (out->has_instance)
		memcpy(out->instance, r->instance.data, sizeof(out->instance));
	buf_add(&out->config, r->config.data, r->config.size);
	buf_add(&out->value, r->value.data, r->value.size);
}

void case_reply_fini(struct case_reply *r)
{
	buf_fini(&r->config);
	buf_fini(&r->value);
	memset(r, 0, sizeof(*r));
}

int case_ask(struct service_case *c, struct engine_peer *p,
	const struct wire_request *r, struct case_reply *out)
{
	case_reply_fini(out);
	engine_peer_request(p, r, on_reply, out);
	case_settle(c);
	assert_true(out->came);
	assert_int_equal(out->id, r->id);
	assert_int_equal(out->status == 0, out->error[0] == 0);
	return -(int)out->status;
}

int case_hello(struct service_case *c, struct engine_peer *p, const char *name,
	const char *token, struct case_reply *out)
{
	struct case_evidence ev;
	struct wire_request r = {.id = 7,
		.op = WIRE_HELLO,
		.session = name,
		.token = token,
		.evidence = {(const uint8_t *)&ev, sizeof(ev)}};

	case_evidence(c, name, token, p, &ev);
	return case_ask(c, p, &r, out);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The CAS in charge, when a successor comes: cas/join.h. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "attest/verdict.h"
#include "cas/handover.h"
#include "cas/join.h"
#include "cas/keys.h"
#include "cas/verifier.h"
#include "lib/bytes.h"
#include "lib/string.h"

#define GIVER_LABEL "sconce-cas-giver-1"

enum { PORTION = 4 << 20, PATH_SIZE = 1024 };

struct giver {
	struct server *server;
	const void *conn; /* NULL: it is gone */
	engine_wire_fn *reply;
	void *arg;
	uint64_t id; /* of the request that waits */
	bool waits; /* for the grant's record */
	bool complete; /* all of the copy was fetched */
	struct handover_list list;
	struct verdict verdict, own;
	char program[65]; /* MRENCLAVE, for people */
	void *evidence; /* malloc'ed; NULL: not in an enclave */
	size_t evidence_size;
	uint64_t size; /* of the copy */
	char path[PATH_SIZE];
};

int giver_binding(
	const uint8_t binding[static 64], uint8_t report_data[static 64])
{
	uint8_t text[sizeof(GIVER_LABEL) + 64];

	memcpy(text, GIVER_LABEL, sizeof(GIVER_LABEL));
	memcpy(text + sizeof(GIVER_LABEL), binding, 64);
	return EVP_Q_digest(NULL, "SHA512", NULL, text, sizeof(text),
		       report_data, NULL)
		? 0
		: -EIO;
}

static void answer_error(
	struct giver *g, uint64_t id, int code, const char *text)
{
	g->reply(g->arg,
		&(struct wire_reply){
			.id = id, .status = (uint64_t)-code, .error = text});
}

/* Back to work, as if nobody had come. */
static void resume(struct server *s)
{
	struct giver *g = s->giver;

	s->frozen = false;
	s->giver = NULL;
	if (!g)
		return;
	(void)unlink(g->path);
	free(g->evidence);
	free(g);
}

void giver_free(struct server *s)
{
	resume(s);
}

/* ---- the judgement ---- */

/* This CAS's own evidence: shown to the successor, and what it runs on says
 * what the successor may run on. */
static int look_at_self(struct giver *g, const uint8_t *binding, struct err *e)
{
	struct server *s = g->server;
	uint8_t data[64];
	int ret;

	if (!s->in_enclave)
		return 0;
	ret = giver_binding(binding, data);
	if (!ret)
		ret = keys_quote(
			NULL, data, &g->evidence, &g->evidence_size, e);
	if (!ret)
		ret = verifier_check(s->verifier, g->evidence, g->evidence_size,
			(int64_t)time(NULL), &g->own, e);
	if (!ret && g->own.failure_count)
		ret = err_setf(e, -EKEYREJECTED,
			"this CAS's own evidence does not hold: %s",
			g->own.failures[0].rule);
	return ret;
}

static int judge(struct giver *g, const uint8_t *binding,
	const struct wire_request *r, struct err *e)
{
	struct handover_rules rules = {.now = (int64_t)time(NULL)};
	const struct verdict_field *f;
	struct server *s = g->server;
	const void *row;
	size_t size, which;
	int ret = 0;

	if (!r->evidence.size)
		return err_setf(e, -EKEYREJECTED,
			"successor: no evidence: it does not run in an "
			"enclave");
	if (store_get(s->store, STORE_META, HANDOVER_ROW,
		    sizeof(HANDOVER_ROW) - 1, &row, &size, NULL))
		ret = handover_list_decode(row, size, &g->list, e);
	if (!ret)
		ret = look_at_self(g, binding, e);
	if (!ret)
		ret = verifier_check(s->verifier, r->evidence.data,
			r->evidence.size, rules.now, &g->verdict, e);
	if (ret)
		return ret;
	f = verdict_field(&g->verdict, "report_data");
	if (!f || f->size != 64 || memcmp(f->bytes, binding, 64) != 0)
		return err_setf(e, -EKEYREJECTED,
			"successor: its evidence was made for another "
			"connection");
	g->list.svn_floor = handover_floor(g->list.svn_floor, &g->own);
	rules.approval = g->list.item;
	rules.count = g->list.count;
	rules.svn_floor = g->list.svn_floor;
	rules.allow_emulated = !s->in_enclave || g->own.emulated;
	return handover_judge(&rules, &g->verdict, &which, e);
}

/* ---- the grant ---- */

static void send_grant(struct giver *g)
{
	struct server *s = g->server;
	struct handover_grant grant = {.svn_floor = g->list.svn_floor};
	struct wire_reply r = {.id = g->id};
	struct buf text = {.secret = true};
	struct store_status st;
	int ret;

	store_status(s->store, &st);
	memcpy(grant.key, s->cluster_key, sizeof(grant.key));
	memcpy(grant.cluster, s->cluster, sizeof(grant.cluster));
	grant.seq = st.durable;
	ret = handover_grant_encode(&grant, &text);
	if (!ret) {
		r.value = (struct bytes){text.data, text.size};
		r.config = (struct bytes){g->evidence, g->evidence_size};
		r.lease = g->size;
		g->reply(g->arg, &r);
	} else {
		answer_error(g, g->id, ret, "no memory for the grant");
	}
	buf_fini(&text);
	string_wipe(&grant, sizeof(grant));
}

static int make_copy(struct giver *g, struct err *e)
{
	struct stat st;
	int n = snprintf(
		g->path, sizeof(g->path), "%s/handover.db", g->server->state);
	int ret = n > 0 && n < PATH_SIZE
		? store_copy(g->server->store, g->path, e)
		: -ENAMETOOLONG;

	if (!ret && stat(g->path, &st))
		ret = -errno;
	if (!ret && st.st_size > UINT32_MAX)
		ret = -EFBIG;
	if (ret && !e->code)
		err_setf(e, ret, "the copy: %s", strerror(-ret));
	if (!ret)
		g->size = (uint64_t)st.st_size;
	return ret;
}

/* The grant is in the log, so the copy has it too. */
static void on_granted(void *arg, int status)
{
	struct server *s = arg;
	struct giver *g = s->giver;
	struct err e = {0};
	int ret = status;

	if (!g)
		return;
	g->waits = false;
	if (!g->conn) {
		resume(s);
		return;
	}
	if (!ret)
		ret = make_copy(g, &e);
	if (!ret) {
		server_say("hands over to %s; nothing is changed from here on",
			g->program);
		send_grant(g);
		return;
	}
	answer_error(g, g->id, ret, e.code ? e.text : "not kept");
	resume(s);
}

static int submit_grant(struct giver *g, struct err *e)
{
	struct server *s = g->server;
	struct store_txn *x;
	struct buf row = {0};
	int ret;

	g->list.svn_floor = handover_floor(g->list.svn_floor, &g->verdict);
	ret = handover_list_encode(&g->list, &row);
	if (!ret) {
		x = store_begin(s->store);
		store_put(x, STORE_META, HANDOVER_ROW, sizeof(HANDOVER_ROW) - 1,
			row.data, row.size);
		store_audit(x,
			&(struct audit_event){
				.what = "cas.handover", .object = g->program});
		ret = store_submit(x, on_granted, s);
	}
	buf_fini(&row);
	return ret ? err_setf(e, ret, "the grant cannot be kept") : 0;
}

static void audit_refusal(struct server *s, const char *why)
{
	struct store_txn *x = store_begin(s->store);

	store_audit(x,
		&(struct audit_event){
			.what = "cas.handover", .object = why, .denied = true});
	(void)!store_submit(x, NULL, NULL);
	server_say("refused a successor: %s", why);
}

static void begin(struct server *s, const void *conn, const uint8_t *binding,
	const struct wire_request *r, engine_wire_fn *reply, void *arg)
{
	struct handover_request request;
	const struct verdict_field *f;
	struct giver *g = s->giver ? NULL : calloc(1, sizeof(*g));
	struct err e = {0};
	int ret;

	if (!g) {
		reply(arg,
			&(struct wire_reply){.id = r->id,
				.status = s->giver ? EBUSY : ENOMEM,
				.error = s->giver
					? "another successor is being served"
					: "no memory"});
		return;
	}
	g->server = s;
	g->conn = conn;
	g->reply = reply;
	g->arg = arg;
	g->id = r->id;
	s->giver = g;
	ret = handover_request_decode(
		r->value.data, r->value.size, &request, &e);
	if (!ret)
		ret = judge(g, binding, r, &e);
	if (!ret) {
		f = verdict_field(&g->verdict, "mrenclave");
		bytes_to_hex(f->bytes, 32, g->program);
		s->frozen = g->waits = true;
		ret = submit_grant(g, &e);
	}
	if (!ret)
		return;
	if (ret == -EKEYREJECTED)
		audit_refusal(s, e.text);
	answer_error(g, r->id, ret, e.text);
	resume(s);
}

/* ---- the copy ---- */

static void send_portion(struct giver *g, const struct wire_request *r)
{
	struct wire_reply reply = {.id = r->id};
	uint8_t *data = malloc(PORTION);
	int fd = open(g->path, O_RDONLY | O_CLOEXEC);
	ssize_t n = data && fd >= 0 ? pread(fd, data, PORTION, (off_t)r->code)
				    : -1;

	if (n < 0) {
		answer_error(g, r->id, -EIO, "the copy cannot be read");
	} else {
		reply.config = (struct bytes){data, (size_t)n};
		g->reply(g->arg, &reply);
	}
	if (n == 0 && r->code == g->size && !g->complete) {
		g->complete = true;
		server_say("handed over to %s; this CAS ends", g->program);
		/* After the reply went out. */
		event_base_loopexit(
			g->server->base, &(struct timeval){.tv_sec = 1});
	}
	if (fd >= 0)
		close(fd);
	free(data);
}

void giver_request(struct server *s, const void *conn,
	const uint8_t binding[static 64], const struct wire_request *r,
	engine_wire_fn *reply, void *arg)
{
	struct giver *g = s->giver;

	if (r->op == WIRE_JOIN)
		begin(s, conn, binding, r, reply, arg);
	else if (g && g->conn == conn && !g->waits)
		send_portion(g, r);
	else
		reply(arg,
			&(struct wire_reply){.id = r->id,
				.status = EACCES,
				.error = "no copy was granted to this "
					 "connection"});
}

void giver_gone(struct server *s, const void *conn)
{
	struct giver *g = s->giver;

	if (!g || g->conn != conn)
		return;
	g->conn = NULL;
	if (g->complete || g->waits)
		return;
	server_say("the successor went away before it had everything; this "
		   "CAS goes on");
	resume(s);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Figures for Prometheus, and whether CAS works: numbers, never names. */
#include <errno.h>
#include <inttypes.h>
#include <sys/resource.h>

#include "cas/api.h"
#include "cas/http.h"
#include "cas/verifier.h"

static void counter(struct buf *b, const char *name, const char *help,
	const char *type, uint64_t value)
{
	buf_format(b,
		"# HELP sconce_cas_%s %s\n# TYPE sconce_cas_%s %s\n"
		"sconce_cas_%s %" PRIu64 "\n",
		name, help, name, type, name, value);
}

static void engine_figures(struct buf *b, const struct engine *g)
{
	struct engine_counts n;

	engine_counts(g, &n);
	counter(b, "sessions", "Sessions stored.", "gauge", n.sessions);
	counter(b, "instances", "Services with a lease.", "gauge", n.instances);
	counter(b, "volumes", "Volumes with keys.", "gauge", n.volumes);
	counter(b, "proposals", "Open proposals.", "gauge", n.proposals);
	counter(b, "attested_total", "Services attested and configured.",
		"counter", n.attested);
	counter(b, "refused_total", "Services refused.", "counter", n.refused);
	counter(b, "tags_total", "Commits of volumes.", "counter", n.tags);
	counter(b, "sessions_created_total", "Sessions created.", "counter",
		n.created);
	counter(b, "sessions_updated_total", "Sessions updated.", "counter",
		n.updated);
	counter(b, "denied_total", "Requests of people denied.", "counter",
		n.denied);
	counter(b, "secrets_delivered_total", "Secrets given to services.",
		"counter", n.secrets_delivered);
	counter(b, "public_reads_total", "Public values read.", "counter",
		n.public_reads);
}

static void store_figures(struct buf *b, const struct store_status *st)
{
	counter(b, "log_records", "Records of the log.", "gauge", st->seq);
	counter(b, "log_durable", "Last durable and witnessed record.", "gauge",
		st->durable);
	counter(b, "commits_total", "Groups of changes committed.", "counter",
		st->commits);
	counter(b, "commit_failing", "1 while a commit is tried again.",
		"gauge", st->error != 0);
	counter(b, "witnesses", "Witnesses.", "gauge", st->witnesses);
	counter(b, "witnesses_answering",
		"Witnesses that answered the last call.", "gauge",
		st->witnesses_answering);
	counter(b, "store_rows", "Rows in memory.", "gauge", st->rows);
	counter(b, "store_bytes", "Bytes of rows.", "gauge", st->bytes);
}

void metrics_get(struct http_call *c)
{
	struct server *s = c->server;
	struct store_status st;
	struct buf b = {0};
	int64_t until = INT64_MAX;

	store_status(s->store, &st);
	engine_figures(&b, s->engine);
	store_figures(&b, &st);
	counter(&b, "connections", "Connections of enclaves.", "gauge",
		port_clients(s->port));
	if (s->verifier)
		until = verifier_valid_until(s->verifier);
	if (until != INT64_MAX)
		counter(&b, "collateral_valid_until_seconds",
			"When collateral in use expires.", "gauge",
			(uint64_t)until);
	if (buf_check(&b))
		http_reply_error(c, -ENOMEM, "no memory");
	else
		http_reply_body(c, b.data, b.size);
	buf_fini(&b);
}

/* The error that keeps CAS from working; NULL: none. */
static const char *trouble(const struct store_status *st)
{
	if (st->error)
		return st->error_text;
	if (st->freshness == FRESH_QUORUM && st->witnesses_answering &&
		st->witnesses_answering <= st->witnesses / 2)
		return "fewer witnesses answer than make a quorum";
	return NULL;
}

static void reply_health(struct http_call *c, const char *why)
{
	if (why)
		http_reply_error(c, -EAGAIN, "%s", why);
	else
		http_reply(c,
			&(struct engine_reply){
				.items = (const struct span_list[]){
					{"status", "ok"}, {0}}});
}

void healthz_get(struct http_call *c)
{
	struct store_status st;

	store_status(c->server->store, &st);
	reply_health(c, trouble(&st));
}

void readyz_get(struct http_call *c)
{
	struct store_status st;
	const char *why;

	store_status(c->server->store, &st);
	why = trouble(&st);
	if (!why && !engine_provisioned(c->server->engine))
		why = "not provisioned: `sconce cas provision` makes you its "
		      "owner";
	reply_health(c, why);
}

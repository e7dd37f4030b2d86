/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A CAS that lost its key and waits for shares. It knows nothing and serves
 * nothing but evidence and the place where shares are left, under an identity
 * that ends with the wait. The evidence names an X25519 key to which members
 * encrypt their shares, so that they reach this enclave and nothing between.
 *
 * Anybody may send anything. Shares are kept in groups that agree on the split
 * and on all checksums; who lies is in a group of his own, and honest ones are
 * not held up. What a group gives must open the database.
 */
#include <errno.h>
#include <event2/http.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cas/api.h"
#include "cas/base64_json.h"
#include "cas/keys.h"
#include "cas/recovery.h"
#include "cas/shares.h"
#include "lib/bytes.h"
#include "lib/string.h"

enum { HELD_MAX = 256, BOX_MAX = 8192, DAYS = 30, DAY = 86400 };

struct recovering {
	struct server *server;
	const char *database;
	uint8_t private[SHARE_KEY_SIZE];
	struct share held[HELD_MAX];
	unsigned count;
	bool done;
	struct recovering_result result;
};

static bool same_group(const struct share *a, const struct share *b)
{
	return !memcmp(a->set, b->set, sizeof(a->set)) &&
		!memcmp(a->cluster, b->cluster, sizeof(a->cluster)) &&
		a->need == b->need && a->count == b->count &&
		!memcmp(a->check, b->check, sizeof(a->check)) &&
		!memcmp(a->secret_check, b->secret_check,
			sizeof(a->secret_check));
}

/* The group of one; *others: held ones of its split that disagree with it. */
static unsigned collect(const struct recovering *r, const struct share *of,
	struct share *out, unsigned *others)
{
	unsigned n = 0;

	*others = 0;
	for (unsigned i = 0; i < r->count; i++) {
		const struct share *s = &r->held[i];

		if (same_group(s, of) && n < SHARES_MAX)
			out[n++] = *s;
		else if (!memcmp(s->set, of->set, sizeof(s->set)))
			++*others;
	}
	return n;
}

static void forget(struct recovering *r, const struct share *group)
{
	unsigned n = 0;

	for (unsigned i = 0; i < r->count; i++)
		if (!same_group(&r->held[i], group))
			r->held[n++] = r->held[i];
	string_wipe(&r->held[n], (r->count - n) * sizeof(*r->held));
	r->count = n;
}

/* Whether this key is the database's. */
static int try_key(
	const struct recovering *r, const uint8_t *key, struct err *e)
{
	struct store_options o = {.path = r->database};
	struct store *s;
	int ret;

	memcpy(o.key, key, sizeof(o.key));
	ret = store_open(&o, false, &s, e);
	string_wipe(&o.key, sizeof(o.key));
	if (!ret)
		store_close(s);
	return ret;
}

static void on_sent(struct evhttp_request *req, void *arg)
{
	struct recovering *r = arg;

	(void)req;
	event_base_loopbreak(r->server->base);
}

static void tell(struct http_call *c, const char *state, unsigned have,
	unsigned need, unsigned others)
{
	char text[160];
	int n = snprintf(text, sizeof(text),
		"{\"state\":\"%s\",\"have\":%u,\"need\":%u,\"disagree\":%u}",
		state, have, need, others);

	http_reply_body(c, text, (size_t)n);
}

static void say_how(struct recovering *r, const struct share *list, unsigned n)
{
	char *out = r->result.how;
	size_t size = sizeof(r->result.how);
	int at = snprintf(out, size, "shares");

	for (unsigned i = 0; i < n && at > 0 && (size_t)at < size; i++)
		at += snprintf(
			out + at, size - (size_t)at, " %u", list[i].index);
	if (at > 0 && (size_t)at < size)
		snprintf(out + at, size - (size_t)at, " of %u", list->count);
}

static no_inline void combine(
	struct recovering *r, struct http_call *c, const struct share *latest)
{
	static struct share list[SHARES_MAX]; /* 20 KiB */
	struct err e = {0};
	unsigned others, n = collect(r, latest, list, &others);
	int ret = shares_join(list, n, r->result.key, &e);

	server_say("recovery: share %u of %u; %u of %u are here", latest->index,
		latest->count, n, latest->need);
	if (ret == -EAGAIN) {
		tell(c, "waiting", n, latest->need, others);
		goto out;
	}
	if (!ret)
		ret = try_key(r, r->result.key, &e);
	if (ret) {
		/* A group that is worth nothing must not hold places. */
		if (ret == -EKEYREJECTED || ret == -EBADMSG)
			forget(r, latest);
		string_wipe(r->result.key, sizeof(r->result.key));
		http_reply_error(c, -EKEYREJECTED,
			"the key of these shares does not open the database: "
			"%s",
			e.text);
		goto out;
	}
	say_how(r, list, n);
	r->done = true;
	evhttp_request_set_on_complete_cb(c->req, on_sent, r);
	tell(c, "recovered", n, latest->need, others);
out:
	string_wipe(list, sizeof(list));
}

static no_inline void take(
	struct recovering *r, struct http_call *c, const struct share *share)
{
	uint8_t key[SHARE_SECRET_SIZE];
	struct err e = {0};
	int ret = shares_join(share, 1, key, &e);

	/* By itself: its numbers, and its own checksum. */
	string_wipe(key, sizeof(key));
	if (ret && ret != -EAGAIN) {
		http_reply_error(c, ret == -EBADMSG ? -EKEYREJECTED : -EINVAL,
			"%s", e.text);
		return;
	}
	for (unsigned i = 0; i < r->count; i++)
		if (same_group(&r->held[i], share) &&
			r->held[i].index == share->index) {
			http_reply_error(c, -EEXIST,
				"share %u is here already: it counts once",
				share->index);
			return;
		}
	if (r->count == HELD_MAX) {
		http_reply_error(c, -EDQUOT,
			"%d shares that fit nothing were sent here; the "
			"operator has to start it again",
			HELD_MAX);
		return;
	}
	r->held[r->count++] = *share;
	combine(r, c, share);
}

static void post_share(struct http_call *c)
{
	struct recovering *r = c->server->recovering;
	json_t *j = json_loadb((const char *)c->body, c->body_size,
		JSON_REJECT_DUPLICATES, NULL);
	struct bytes box = {0};
	struct share share;
	struct err e = {0};
	int ret = base64_read(json_object_get(j, "box"), BOX_MAX, &box);

	json_decref(j);
	if (ret) {
		http_reply_error(c, -EINVAL,
			"body: wanted {\"box\": base64 of a share, encrypted "
			"to this CAS}");
		return;
	}
	ret = share_open(box.data, box.size, r->private, &share, &e);
	free((void *)(uintptr_t)box.data);
	if (r->done)
		http_reply_error(c, -EBUSY, "the key is here already");
	else if (ret)
		http_reply_error(c, -EKEYREJECTED, "%s", e.text);
	else
		take(r, c, &share);
	string_wipe(&share, sizeof(share));
}

static const struct http_route routes[] = {
	{EVHTTP_REQ_GET, "/v1/version", api_version, "version", "",
		.anybody = true},
	{EVHTTP_REQ_GET, "/v1/attestation", api_attestation, "attestation", "",
		.answer = ANSWER_RAW, .member = "application/json",
		.anybody = true},
	{EVHTTP_REQ_POST, "/v1/recovery", post_share, "recovery", "",
		.body = "application/json", .answer = ANSWER_RAW,
		.member = "application/json", .anybody = true},
	{0},
};

/* ---- the wait ---- */

static int make_keys(struct recovering *r, uint8_t *public, struct err *e)
{
	struct keys_cert_spec spec = {
		.now = (int64_t)time(NULL), .valid_for = DAYS * DAY};
	struct server *s = r->server;
	EVP_PKEY *box = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
	size_t n = SHARE_KEY_SIZE, m = SHARE_KEY_SIZE;
	int ret = 0;

	if (!box || EVP_PKEY_get_raw_private_key(box, r->private, &n) != 1 ||
		EVP_PKEY_get_raw_public_key(box, public, &m) != 1)
		ret = err_setf(e, -EIO, "libcrypto makes no key");
	EVP_PKEY_free(box);
	if (!ret)
		ret = keys_identity_make(&s->identity, e);
	if (!ret)
		ret = keys_identity_hash(s->identity, s->identity_hash, e);
	return ret ? ret
		   : keys_certificate(s->identity, &spec, &s->certificate, e);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
	struct recovering *r = arg;

	(void)number;
	(void)what;
	event_base_loopbreak(r->server->base);
}

static int wait_for_shares(
	struct recovering *r, const char *listen, struct err *e)
{
	struct server *s = r->server;
	struct event *end[2] = {
		evsignal_new(s->base, SIGTERM, on_signal, r),
		evsignal_new(s->base, SIGINT, on_signal, r),
	};
	char key[65];
	int ret = http_new(s, listen, &s->http, e);

	for (size_t i = 0; i < ARRAY_SIZE(end) && !ret; i++)
		if (!end[i] || event_add(end[i], NULL))
			ret = err_setf(e, -ENOMEM, "events: no memory");
	if (!ret) {
		bytes_to_hex(s->identity_hash, 32, key);
		server_say("no key: waiting for recovery shares on port %u, as "
			   "%s; members use `sconce cas recover`",
			http_number(s->http), key);
		if (event_base_dispatch(s->base) < 0)
			ret = err_setf(e, -EIO, "the event loop failed");
	}
	for (size_t i = 0; i < ARRAY_SIZE(end); i++)
		if (end[i])
			event_free(end[i]);
	http_free(s->http);
	s->http = NULL;
	if (!ret && !r->done)
		ret = err_setf(e, -EINTR, "stopped before the shares came");
	return ret;
}

int recovering_run(struct server *s, const char *listen, const char *database,
	struct recovering_result *out, struct err *e)
{
	struct recovering *r = calloc(1, sizeof(*r));
	uint8_t public[SHARE_KEY_SIZE];
	int ret;

	if (!r)
		return err_setf(e, -ENOMEM, "recovery: no memory");
	r->server = s;
	r->database = database;
	ret = make_keys(r, public, e);
	if (!ret) {
		s->recovering = r;
		s->recovery_key = public;
		s->routes = routes;
		ret = wait_for_shares(r, listen, e);
	}
	if (!ret)
		*out = r->result;
	s->recovering = NULL;
	s->recovery_key = NULL;
	s->routes = http_routes;
	X509_free(s->certificate);
	EVP_PKEY_free(s->identity);
	s->certificate = NULL;
	s->identity = NULL;
	string_wipe(r, sizeof(*r));
	free(r);
	return ret;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client of several witnesses: connections (witness_link.h) that serve what
 * is decided elsewhere (witness_quorum.h). A call polls all of them until it
 * has a quorum, or its time is over. Who is slower than the quorum goes on with
 * the next call.
 */
#include "cas/witness.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <openssl/rand.h>

#include "cas/address.h"
#include "cas/spki.h"
#include "cas/witness_link.h"
#include "cas/witness_quorum.h"
#include "cas/witness_tls.h"
#include "lib/string.h"

/* After a quorum promised: so long the others are waited for. */
enum { LINGER_MS = 1000, BACKOFF_MS = 200 };

struct witness_set {
	struct freshness base;
	struct witness_quorum quorum;
	EVP_PKEY *key;
	SSL_CTX *context;
	struct witness_link links[WITNESS_MAX];
	pthread_mutex_t lock; /* of answering */
	unsigned answering;
};

static struct witness_set *self(struct freshness *f)
{
	return container_of(f, struct witness_set, base);
}

static int64_t clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int witness_cluster(const uint8_t key[static WITNESS_KEY_SIZE],
	uint8_t cluster[static WITNESS_HASH_SIZE])
{
	EVP_PKEY *k = witness_tls_key(key);
	int rc = spki_hash(k, cluster);

	EVP_PKEY_free(k);
	return rc;
}

/* ---- one turn of all connections ---- */

static void turn_link(struct witness_set *w, unsigned i, int64_t now)
{
	struct witness_link *l = &w->links[i];
	struct witness_request request;
	struct witness_reply reply;

	for (;;) {
		enum witness_link_event what = witness_link_turn(
			l, now, &reply);

		if (what == LINK_REPLY)
			witness_quorum_answer(&w->quorum, i, &reply);
		else if (what == LINK_LOST)
			witness_quorum_lost(&w->quorum, i);
		if (l->state != LINK_READY ||
			!witness_quorum_next(&w->quorum, i, &request))
			return;
		witness_link_ask(l, now, &request);
	}
}

static void wait_links(struct witness_set *w, int64_t now, int64_t until)
{
	struct pollfd p[WITNESS_MAX];
	nfds_t n = 0;

	for (unsigned i = 0; i < w->quorum.count; i++) {
		const struct witness_link *l = &w->links[i];
		int64_t due = witness_link_due(l);

		until = due < until ? due : until;
		if (l->fd >= 0)
			p[n++] = (struct pollfd){
				.fd = l->fd, .events = witness_link_events(l)};
	}
	/* An interruption is one more turn. */
	(void)poll(p, n, until > now ? (int)(until - now) : 0);
}

/* Who is slower than the quorum answers, too. */
static void publish(struct witness_set *w)
{
	unsigned n = 0;

	for (unsigned i = 0; i < w->quorum.count; i++)
		n += w->links[i].state >= LINK_READY;
	pthread_mutex_lock(&w->lock);
	w->answering = n;
	pthread_mutex_unlock(&w->lock);
}

/* 1: the time is over. */
static int drive(struct witness_set *w, int64_t deadline)
{
	int64_t linger = INT64_MAX;
	int result;

	for (;;) {
		int64_t now = clock_ms();

		for (unsigned i = 0; i < w->quorum.count; i++)
			turn_link(w, i, now);
		if (!witness_quorum_lingers(&w->quorum))
			linger = INT64_MAX;
		else if (linger == INT64_MAX)
			linger = now + LINGER_MS;
		if (now >= linger || now >= deadline)
			witness_quorum_hurry(&w->quorum);
		result = witness_quorum_result(&w->quorum);
		if (result <= 0 || now >= deadline)
			break;
		wait_links(w, now, linger < deadline ? linger : deadline);
	}
	publish(w);
	return result;
}

/* ---- errors ---- */

static void name_silent(const struct witness_set *w, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < w->quorum.count; i++) {
		const struct witness_link *l = &w->links[i];
		int n;

		if (w->quorum.peer[i].answered || used >= size)
			continue;
		n = snprintf(text + used, size - used, "%s%s (%s)",
			used ? ", " : "", l->address.address,
			l->trouble[0] ? l->trouble : "it does not answer");
		used += n > 0 ? (size_t)n : 0;
	}
}

static int explain(const struct witness_set *w, int rc, struct err *e)
{
	char silent[360];

	switch (rc) {
	case 0:
		return 0;
	case -ESTALE:
		return err_setf(e, rc,
			"witnesses: another CAS took charge of this store, "
			"with a term above %llu; stop this one",
			(unsigned long long)w->quorum.term);
	case -EDQUOT:
		return err_setf(e, rc,
			"witnesses: they do not let this cluster in; raise "
			"their --clusters, or name it by --only");
	default:
		name_silent(w, silent, sizeof(silent));
		return err_setf(e, -ETIMEDOUT,
			"witnesses: %u of %u answered, wanted %u; silent: %s",
			witness_quorum_answering(&w->quorum), w->quorum.count,
			w->quorum.count / 2 + 1, silent);
	}
}

/* ---- struct freshness_ops ---- */

/* Two that want to take charge at once get out of each other's way. */
static void back_off(int64_t deadline)
{
	uint8_t random = 0;
	int64_t left = deadline - clock_ms();
	int ms;

	(void)RAND_bytes(&random, sizeof(random));
	ms = BACKOFF_MS * random / UINT8_MAX;
	if (left > 0)
		(void)poll(NULL, 0, ms < left ? ms : (int)left);
}

static int set_open(struct freshness *f, unsigned timeout_ms,
	struct freshness_state *state, bool *exists, struct err *e)
{
	struct witness_set *w = self(f);
	int64_t deadline = clock_ms() + timeout_ms;
	int rc;

	do {
		witness_quorum_open(&w->quorum);
		rc = drive(w, deadline);
		if (rc == -EAGAIN)
			back_off(deadline);
	} while (rc == -EAGAIN && clock_ms() < deadline);
	if (rc != 0)
		return explain(w, rc, e);
	*exists = w->quorum.exists;
	*state = (struct freshness_state){
		.term = w->quorum.term, .seq = w->quorum.to_seq};
	memcpy(state->head, w->quorum.to, sizeof(state->head));
	return 0;
}

static int set_append(struct freshness *f, uint64_t from_seq,
	const uint8_t *from, uint64_t to_seq, const uint8_t *to,
	unsigned timeout_ms, struct err *e)
{
	struct witness_set *w = self(f);

	witness_quorum_append(&w->quorum, from_seq, from, to_seq, to);
	return explain(w, drive(w, clock_ms() + timeout_ms), e);
}

/* Witnesses need no farewell: every instant is like a clean stop. */
static int set_stop(struct freshness *f, struct err *e)
{
	struct witness_set *w = self(f);

	(void)e;
	for (unsigned i = 0; i < w->quorum.count; i++) {
		witness_link_close(&w->links[i]);
		witness_quorum_lost(&w->quorum, i);
	}
	w->quorum.term = 0;
	return 0;
}

static void set_status(
	struct freshness *f, unsigned *answering, unsigned *count)
{
	struct witness_set *w = self(f);

	pthread_mutex_lock(&w->lock);
	*answering = w->answering;
	pthread_mutex_unlock(&w->lock);
	*count = w->quorum.count;
}

static const struct freshness_ops ops = {
	.kind = FRESH_QUORUM,
	.open = set_open,
	.append = set_append,
	.stop = set_stop,
	.status = set_status,
};

struct freshness *witness_freshness(struct witness_set *w)
{
	return &w->base;
}

/* ---- making one ---- */

/* The same witness twice would be a quorum of fewer. */
static int check(
	const struct witness_address *list, unsigned count, struct err *e)
{
	if (count == 0 || count > WITNESS_MAX || count % 2 == 0)
		return err_setf(e, -EINVAL,
			"witnesses: there are %u; wanted 1, 3, 5, 7 or %d",
			count, WITNESS_MAX);
	for (unsigned i = 0; i < count; i++) {
		char host[256], port[8];
		int rc = address_split(list[i].address, WITNESS_PORT, host,
			sizeof(host), port, sizeof(port), e);

		if (rc < 0)
			return rc;
		for (unsigned j = 0; j < i; j++)
			if (!memcmp(list[i].key, list[j].key,
				    WITNESS_HASH_SIZE))
				return err_setf(e, -EINVAL,
					"witnesses: %s and %s have the same "
					"key; wanted each once",
					list[j].address, list[i].address);
	}
	return 0;
}

int witness_set_new(const struct witness_address *list, unsigned count,
	const uint8_t key[static WITNESS_KEY_SIZE], struct witness_set **out,
	struct err *e)
{
	struct witness_set *w;
	int rc = check(list, count, e);

	*out = NULL;
	if (rc < 0)
		return rc;
	w = calloc(1, sizeof(*w));
	if (!w)
		return err_setf(e, -ENOMEM, "witnesses: no memory");
	w->base.ops = &ops;
	pthread_mutex_init(&w->lock, NULL);
	witness_quorum_init(&w->quorum, count);
	for (unsigned i = 0; i < count; i++)
		w->links[i].fd = -1;
	w->key = witness_tls_key(key);
	w->context = w->key ? witness_tls_context(w->key, false, e) : NULL;
	if (!w->context) {
		witness_set_free(w);
		return err_setf(e, -EIO, "witnesses: libcrypto failed");
	}
	for (unsigned i = 0; i < count; i++)
		witness_link_init(&w->links[i], w->context, &list[i]);
	*out = w;
	return 0;
}

void witness_set_free(struct witness_set *w)
{
	if (!w)
		return;
	for (unsigned i = 0; i < w->quorum.count; i++)
		witness_link_close(&w->links[i]);
	SSL_CTX_free(w->context);
	EVP_PKEY_free(w->key);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

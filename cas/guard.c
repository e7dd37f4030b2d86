/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store that is older than what witnesses acknowledged is refused, unless its
 * owner signed that it goes on from there: all that was lost is then lost. The
 * old state at the witnesses is closed with a head that no chain has, so that
 * the store that was lost can never come back beside the new one; from then on
 * witnesses know the cluster under the name of the next epoch.
 */
#include "cas/guard.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cas/permit.h"
#include "crypto/hkdf.h"
#include "crypto/sha256.h"
#include "lib/bytes.h"
#include "lib/string.h"

enum { WITNESS_MS = 10000, PATH_SIZE = 1024 };

#define EPOCH_SIZE (sizeof(GUARD_EPOCH_ROW) - 1)

struct guard {
	struct witness_set *witnesses;
	const struct server_options *o;
	uint8_t key[STORE_KEY_SIZE];
};

/* ---- epochs ---- */

static unsigned epoch_of(struct store *s)
{
	char text[16] = "";
	const void *row;
	size_t size;

	if (!store_get(s, STORE_META, GUARD_EPOCH_ROW, EPOCH_SIZE, &row, &size,
		    NULL) ||
		size >= sizeof(text))
		return 0;
	memcpy(text, row, size);
	return (unsigned)strtoul(text, NULL, 10);
}

struct waiting {
	bool done;
	int status;
};

static void on_durable(void *arg, int status)
{
	struct waiting *w = arg;

	w->done = true;
	w->status = status;
}

/* Durable and witnessed before anything else happens. */
static int put_epoch(struct server *s, unsigned epoch,
	const struct permit_rollback *p, struct err *e)
{
	char number[16], what[96];
	struct store_txn *x = store_begin(s->store);
	struct waiting w = {0};
	int ret;

	snprintf(number, sizeof(number), "%u", epoch);
	snprintf(what, sizeof(what),
		"record %" PRIu64 " instead of %" PRIu64 ", epoch %u", p->seq,
		p->instead, epoch);
	store_put(x, STORE_META, GUARD_EPOCH_ROW, EPOCH_SIZE, number,
		strlen(number));
	store_audit(x,
		&(struct audit_event){.what = "cas.rollback",
			.object = what,
			.before = p->instead_head,
			.after = p->head});
	ret = store_submit(x, on_durable, &w);
	while (!ret && !w.done) {
		usleep(1000);
		store_complete(s->store);
	}
	if (!ret)
		ret = w.status;
	return ret ? err_setf(e, ret, "the new epoch cannot be stored: %s",
			     strerror(-ret))
		   : 0;
}

/* ---- witnesses ---- */

static int new_set(struct guard *g, unsigned epoch, struct err *e)
{
	char label[64] = "sconce-cas witnesses";
	uint8_t key[WITNESS_KEY_SIZE];
	int ret;

	if (epoch)
		snprintf(label, sizeof(label), "sconce-cas witnesses epoch %u",
			epoch);
	witness_set_free(g->witnesses);
	g->witnesses = NULL;
	hkdf_sha256(NULL, 0, g->key, sizeof(g->key), label, strlen(label), key,
		sizeof(key));
	ret = witness_set_new(
		g->o->witness, g->o->witnesses, key, &g->witnesses, e);
	string_wipe(key, sizeof(key));
	return ret;
}

/* The head after which nothing comes, of one permit. */
static void tombstone(const char *text, uint8_t head[STORE_HASH_SIZE])
{
	static const char label[] = "sconce-cas epoch end 1";
	struct sha256 h;

	sha256_init(&h);
	sha256_update(&h, label, sizeof(label));
	sha256_update(&h, text, strlen(text));
	sha256_final(&h, head);
}

/* What the store and the witnesses are at, for the owner to judge. */
static void describe(struct server *s, const struct freshness_state *seen,
	struct permit_rollback *p)
{
	struct store_status st;

	store_status(s->store, &st);
	*p = (struct permit_rollback){.seq = st.seq, .instead = seen->seq};
	memcpy(p->cluster, s->cluster, sizeof(p->cluster));
	memcpy(p->head, st.head, sizeof(p->head));
	memcpy(p->instead_head, seen->head, sizeof(p->instead_head));
}

static void tell_owner(const struct permit_rollback *p)
{
	char head[65], instead[65], cluster[65];

	bytes_to_hex(p->cluster, 32, cluster);
	bytes_to_hex(p->head, 32, head);
	bytes_to_hex(p->instead_head, 32, instead);
	server_say("only the owner can accept that what came after record "
		   "%" PRIu64 " is lost: sconce cas permit -o FILE rollback "
		   "%s %" PRIu64 " %s %" PRIu64 " %s, then --permit FILE",
		p->seq, cluster, p->seq, head, p->instead, instead);
}

/* A crash may have come between the end of the old epoch and the record of the
 * new one: the same permit then goes on. */
static int end_epoch(struct server *s, struct freshness *f,
	const struct guard *g, struct permit_rollback *p, struct err *e)
{
	struct freshness_state seen = {0};
	char text[PERMIT_TEXT_MAX];
	uint8_t end[STORE_HASH_SIZE];
	bool exists = false;
	int ret = f->ops->open(f, WITNESS_MS, &seen, &exists, e);

	if (ret)
		return ret;
	if (!exists)
		seen = (struct freshness_state){.term = seen.term};
	describe(s, &seen, p);
	if (!g->o->permit) {
		tell_owner(p);
		return -ESTALE; /* e has the reason */
	}
	ret = permit_text(s->store, g->o->permit, text, e);
	if (ret)
		return ret;
	tombstone(text, end);
	if (seen.seq && memcmp(seen.head, end, sizeof(end)) == 0) {
		/* Bound to this store all the same. */
		return sscanf(text,
			       "sconce-cas-permit-1 rollback %*64s %*u %*64s "
			       "%" SCNu64,
			       &p->instead) == 1
			? 0
			: -ESTALE;
	}
	permit_rollback_text(p, text);
	ret = permit_check(s->store, g->o->permit, text, e);
	if (ret) {
		tell_owner(p);
		return ret;
	}
	return f->ops->append(
		f, seen.seq, seen.head, seen.seq + 1, end, WITNESS_MS, e);
}

static int accept_loss(struct server *s, struct guard *g, struct err *e)
{
	struct freshness *f = witness_freshness(g->witnesses);
	struct permit_rollback p;
	struct err ignored, why = *e;
	int ret = end_epoch(s, f, g, &p, e);

	(void)f->ops->stop(f, &ignored);
	if (ret == -ESTALE)
		*e = why;
	if (!ret)
		ret = new_set(g, s->epoch + 1, e);
	if (!ret)
		ret = store_set_freshness(
			s->store, witness_freshness(g->witnesses), p.seq, e);
	if (ret)
		return ret;
	s->epoch++;
	server_say("the owner accepted that what came after record %" PRIu64
		   " is lost; epoch %u begins",
		p.seq, s->epoch);
	return put_epoch(s, s->epoch, &p, e);
}

static int by_witnesses(struct server *s, struct guard *g, struct err *e)
{
	int ret = new_set(g, s->epoch, e);

	if (!ret)
		ret = store_set_freshness(
			s->store, witness_freshness(g->witnesses), 0, e);
	return ret == -ESTALE ? accept_loss(s, g, e) : ret;
}

/* ---- nobody ---- */

static int by_nobody(struct server *s, struct err *e)
{
	struct store_status st;

	store_status(s->store, &st);
	if (st.error)
		return err_setf(e, -EPERM,
			"this store was guarded by witnesses or a TPM before, "
			"and this configuration names none");
	server_say("no witnesses: an old copy of the database in the "
		   "place of the newest is not noticed");
	return 0;
}

int guard_new(struct server *s, const struct server_options *o,
	const uint8_t key[static STORE_KEY_SIZE], struct guard **out,
	struct err *e)
{
	struct guard *g = calloc(1, sizeof(*g));
	int ret;

	if (!g)
		return err_setf(e, -ENOMEM, "start: no memory");
	g->o = o;
	memcpy(g->key, key, sizeof(g->key));
	s->epoch = epoch_of(s->store);
	/* From here on it is the caller's, also after an error: the store may
	 * still hold it. */
	*out = g;
	if (o->witnesses)
		ret = by_witnesses(s, g, e);
	else
		ret = by_nobody(s, e);
	string_wipe(g->key, sizeof(g->key));
	return ret;
}

void guard_free(struct guard *g)
{
	if (!g)
		return;
	witness_set_free(g->witnesses);
	free(g);
}

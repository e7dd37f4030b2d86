/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, closing, and how the store is. */
#include "cas/store.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <time.h>

#include "cas/audit.h"
#include "cas/store_int.h"
#include "lib/string.h"

enum { QUIET_SECONDS = 10 };

static int init_locks(struct store *s)
{
	pthread_condattr_t attr;
	int ret = pthread_condattr_init(&attr);

	if (ret)
		return -ret;
	ret = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	if (!ret)
		ret = pthread_mutex_init(&s->lock, NULL);
	if (!ret)
		ret = pthread_cond_init(&s->work, &attr);
	if (!ret)
		ret = pthread_cond_init(&s->idle, &attr);
	if (!ret)
		ret = pthread_cond_init(&s->retry, &attr);
	pthread_condattr_destroy(&attr);
	return -ret;
}

static struct store *new_store(const struct store_options *o, struct err *e)
{
	struct store *s = aligned_alloc(64, align_up(sizeof(*s), 64));

	if (!s) {
		err_setf(e, -ENOMEM, "no memory");
		return NULL;
	}
	memset(s, 0, sizeof(*s));
	s->backend = o->backend ? o->backend : &store_sqlite;
	s->now = o->now;
	s->now_arg = o->now_arg;
	s->threaded = !o->no_thread;
	s->queue_end = &s->queue;
	s->done_end = &s->done;
	store_keys_init(&s->keys, o->key);
	store_keys_init(&s->seal_keys, o->key);
	if (init_locks(s) || RAND_bytes(s->epoch, sizeof(s->epoch)) != 1 ||
		audit_public_key(s->keys.audit, s->audit_public)) {
		err_setf(e, -EIO, "the store: no randomness, or no locks");
		store_keys_fini(&s->keys);
		store_keys_fini(&s->seal_keys);
		free(s);
		return NULL;
	}
	return s;
}

/* A chain begins with a record of its own, so that no two are alike. */
static int first_record(struct store *s, struct err *e)
{
	struct audit_event event = {.what = "store.create"};
	struct store_txn *x = store_begin(s);
	uint8_t id[STORE_HASH_SIZE] = {0};
	int ret;

	memcpy(id, s->epoch, sizeof(s->epoch));
	event.after = id;
	store_audit(x, &event);
	ret = store_submit(x, NULL, NULL);
	if (!ret)
		ret = store_step(s);
	if (ret)
		return err_setf(e, ret, "the first record: %s",
			s->error_text[0] ? s->error_text : strerror(-ret));
	store_complete(s);
	return 0;
}

static void free_store(struct store *s)
{
	for (unsigned i = 0; i < STORE_TABLES; i++)
		store_tree_free(&s->root[i]);
	if (s->below)
		s->backend->close(s->below);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->work);
	pthread_cond_destroy(&s->idle);
	pthread_cond_destroy(&s->retry);
	store_keys_fini(&s->keys);
	store_keys_fini(&s->seal_keys);
	free(s);
}

static int start(struct store *s, const struct store_options *o, bool create,
	struct err *e)
{
	int ret = create ? first_record(s, e) : store_load(s, e);

	s->wakeup = o->wakeup;
	s->wakeup_arg = o->wakeup_arg;
	if (!ret && o->freshness)
		ret = store_take_charge(s, o->freshness, o->accept_seq, e);
	if (ret)
		return ret;
	if (!s->freshness && s->needs_freshness) {
		s->error = err_setf(e, -EAGAIN,
			"who holds the store's freshness is not known yet");
		memcpy(s->error_text, e->text, sizeof(s->error_text));
	}
	if (s->threaded)
		ret = -pthread_create(&s->thread, NULL, store_committer, s);
	if (ret) {
		struct err ignored;

		if (s->freshness)
			(void)s->freshness->ops->stop(s->freshness, &ignored);
		return err_setf(
			e, ret, "the committer's thread: %s", strerror(-ret));
	}
	return 0;
}

int store_open(const struct store_options *o, bool create, struct store **out,
	struct err *e)
{
	struct err local = {0};
	struct store *s;
	int ret;

	if (!e)
		e = &local;
	s = new_store(o, e);
	if (!s)
		return e->code;
	ret = s->backend->open(o->backend_arg, o->path, create, &s->below, e);
	if (ret)
		s->below = NULL;
	else
		ret = start(s, o, create, e);
	if (ret) {
		if (o->path)
			err_prefix(e, "%s", o->path);
		free_store(s);
		return ret;
	}
	*out = s;
	return 0;
}

/* Stops the committer after what it is at. Under the lock. */
static int pause_commits(struct store *s)
{
	struct timespec until;
	int ret = 0;

	s->paused = true;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += QUIET_SECONDS;
	while (s->busy && s->threaded && !ret)
		ret = pthread_cond_timedwait(&s->idle, &s->lock, &until);
	return s->busy ? -EBUSY : 0;
}

int store_set_freshness(struct store *s, struct freshness *f,
	uint64_t accept_seq, struct err *e)
{
	int ret;

	pthread_mutex_lock(&s->lock);
	if (s->freshness)
		ret = err_setf(
			e, -EINVAL, "the store has its freshness held already");
	else if (s->error == -ESTALE)
		ret = err_setf(e, -ESTALE, "%s", s->error_text);
	else
		ret = pause_commits(s);
	if (ret == -EBUSY)
		err_setf(e, ret, "what was submitted cannot be committed: %s",
			s->error_text);
	pthread_mutex_unlock(&s->lock);
	if (!ret)
		ret = store_take_charge(s, f, accept_seq, e);
	pthread_mutex_lock(&s->lock);
	s->paused = false;
	pthread_cond_signal(&s->work);
	pthread_mutex_unlock(&s->lock);
	return ret;
}

void store_close(struct store *s)
{
	struct err ignored;

	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->closing = true;
	pthread_cond_broadcast(&s->work);
	pthread_cond_broadcast(&s->retry);
	pthread_mutex_unlock(&s->lock);
	if (s->threaded)
		pthread_join(s->thread, NULL);
	else
		while (store_step(s) == 0)
			;
	store_fail(s, -ESHUTDOWN);
	store_complete(s);
	if (s->freshness)
		(void)s->freshness->ops->stop(s->freshness, &ignored);
	free_store(s);
}

uint64_t store_durable(struct store *s)
{
	uint64_t seq;

	pthread_mutex_lock(&s->lock);
	seq = s->durable;
	pthread_mutex_unlock(&s->lock);
	return seq;
}

void store_status(struct store *s, struct store_status *out)
{
	*out = (struct store_status){.rows = s->rows, .bytes = s->bytes};
	pthread_mutex_lock(&s->lock);
	out->seq = s->seq;
	out->durable = s->durable;
	memcpy(out->head, s->durable_head, sizeof(out->head));
	out->error = s->error;
	memcpy(out->error_text, s->error_text, sizeof(out->error_text));
	out->commits = s->commits;
	pthread_mutex_unlock(&s->lock);
	if (!s->freshness)
		return;
	out->freshness = s->freshness->ops->kind;
	s->freshness->ops->status(
		s->freshness, &out->witnesses_answering, &out->witnesses);
}

int store_copy(struct store *s, const char *path, struct err *e)
{
	if (!s->backend->copy)
		return err_setf(e, -EOPNOTSUPP,
			"%s: this kind of store cannot be copied", path);
	return s->backend->copy(s->below, path, e);
}

void store_audit_key(const struct store *s, uint8_t key[static 32])
{
	memcpy(key, s->keys.audit, sizeof(s->keys.audit));
}

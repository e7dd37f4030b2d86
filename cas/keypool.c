/* SPDX-License-Identifier: Apache-2.0 */
#include "cas/keypool.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <openssl/evp.h>

#include "cas/secret_key.h"
#include "lib/string.h"

enum { POOL_MAX = 64, TYPES = 2 };

struct keypool {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work; /* a key was taken, or the end */
	/* under lock */
	bool stop;
	unsigned want, ready[TYPES];
	EVP_PKEY *key[TYPES][POOL_MAX];
};

static const uint64_t types[TYPES] = {KEY_RSA_2048, KEY_RSA_3072};

static int index_of(uint64_t type)
{
	for (int i = 0; i < TYPES; i++)
		if (types[i] == type)
			return i;
	return -1;
}

/* The type with the fewest ready; -1: all there. */
static int next(const struct keypool *p)
{
	int least = 0;

	for (int i = 1; i < TYPES; i++)
		if (p->ready[i] < p->ready[least])
			least = i;
	return p->ready[least] < p->want ? least : -1;
}

static void *run(void *arg)
{
	struct keypool *p = arg;
	EVP_PKEY *key;
	int i, rc;

	/* Of this thread alone; where that is not to be had, so be it. */
	(void)setpriority(PRIO_PROCESS, 0, 10);
	pthread_mutex_lock(&p->lock);
	while (!p->stop) {
		i = next(p);
		if (i < 0) {
			pthread_cond_wait(&p->work, &p->lock);
			continue;
		}
		pthread_mutex_unlock(&p->lock);
		rc = secret_key_make(types[i], &key);
		pthread_mutex_lock(&p->lock);
		if (rc) {
			/* No memory: until somebody takes one. */
			if (!p->stop)
				pthread_cond_wait(&p->work, &p->lock);
			continue;
		}
		p->key[i][p->ready[i]++] = key;
	}
	pthread_mutex_unlock(&p->lock);
	secret_key_thread_end();
	return NULL;
}

int keypool_new(unsigned count, struct keypool **out, struct err *e)
{
	struct keypool *p;

	if (!count || count > POOL_MAX)
		return err_setf(e, -EINVAL, "key pool of %u; wanted 1 to %d",
			count, POOL_MAX);
	p = calloc(1, sizeof(*p));
	if (!p)
		return err_setf(e, -ENOMEM, "out of memory");
	p->want = count;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	if (pthread_create(&p->thread, NULL, run, p)) {
		free(p);
		return err_setf(e, -EAGAIN, "key pool: no thread");
	}
	*out = p;
	return 0;
}

void keypool_free(struct keypool *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_signal(&p->work);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	for (int i = 0; i < TYPES; i++)
		while (p->ready[i])
			EVP_PKEY_free(p->key[i][--p->ready[i]]);
	pthread_cond_destroy(&p->work);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

EVP_PKEY *keypool_take(void *arg, enum key_type type)
{
	struct keypool *p = arg;
	EVP_PKEY *key = NULL;
	int i = index_of(type);

	if (i < 0)
		return NULL;
	pthread_mutex_lock(&p->lock);
	if (p->ready[i]) {
		key = p->key[i][--p->ready[i]];
		pthread_cond_signal(&p->work);
	}
	pthread_mutex_unlock(&p->lock);
	return key;
}

unsigned keypool_ready(struct keypool *p, enum key_type type)
{
	int i = index_of(type);
	unsigned n;

	if (i < 0)
		return 0;
	pthread_mutex_lock(&p->lock);
	n = p->ready[i];
	pthread_mutex_unlock(&p->lock);
	return n;
}

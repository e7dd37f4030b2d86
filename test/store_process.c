/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process with a store in SQLite that test/system/test_store.py kills at any
 * moment, and whose files it alters.
 *
 *	store-process run DB HOLDER	opens the store (makes it if there is
 *		none), prints "has KEY VALUE" for what is in it, then changes
 *		it until it is killed or its input ends; "ack KEY VALUE" when a
 *		change is durable
 *	store-process export DB HOLDER KEY.pem	prints the log, signed
 *
 * HOLDER is a file in which the head is remembered; "-": nobody does.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cas/audit.h"

enum { KEYS = 16, CLIENTS = 8, STALE = 3, BAD = 4, OTHER = 5 };

/* ---- a holder in a file ---- */
struct file_holder {
	struct freshness freshness; /* first */
	int fd;
	struct freshness_state state;
};

static int file_open(struct freshness *f, unsigned timeout_ms,
	struct freshness_state *state, bool *exists, struct err *e)
{
	struct file_holder *h = (struct file_holder *)f;
	ssize_t n = pread(h->fd, &h->state, sizeof(h->state), 0);

	*exists = n == sizeof(h->state);
	h->state.term++;
	*state = h->state;
	return 0;
}

static int file_append(struct freshness *f, uint64_t from_seq,
	const uint8_t *from, uint64_t to_seq, const uint8_t *to,
	unsigned timeout_ms, struct err *e)
{
	struct file_holder *h = (struct file_holder *)f;

	if (h->state.seq != from_seq ||
		memcmp(h->state.head, from, sizeof(h->state.head)) != 0)
		return err_setf(e, -ESTALE, "another head");
	h->state.seq = to_seq;
	memcpy(h->state.head, to, sizeof(h->state.head));
	if (pwrite(h->fd, &h->state, sizeof(h->state), 0) < 0)
		return err_setf(e, -ETIMEDOUT, "holder: %s", strerror(errno));
	return 0;
}

static int file_stop(struct freshness *f, struct err *e)
{
	return 0;
}

static void file_status(
	struct freshness *f, unsigned *answering, unsigned *count)
{
	*answering = *count = 1;
}

static const struct freshness_ops file_ops = {
	FRESH_QUORUM, file_open, file_append, file_stop, file_status};

/* ---- the process ---- */
static struct store *store;
static int event;
static unsigned long next_value[KEYS];

static void wake(void *arg)
{
	uint64_t one = 1;

	if (write(event, &one, sizeof(one)) < 0)
		abort();
}

static int show(void *arg, const char *key, size_t key_size, const void *value,
	size_t size)
{
	unsigned long v;

	memcpy(&v, value, sizeof(v));
	printf("has %.*s %lu\n", (int)key_size, key, v);
	next_value[atoi(key)] = v + 1;
	return 0;
}

struct change {
	unsigned key;
	unsigned long value;
};

static void submit(struct change *c);

static void done(void *arg, int status)
{
	struct change *c = arg;
	char line[64];
	int n = snprintf(line, sizeof(line), "ack %u %lu\n", c->key, c->value);

	if (status || write(1, line, (size_t)n) != n)
		exit(1);
	submit(c);
}

static void submit(struct change *c)
{
	struct store_txn *x = store_begin(store);
	struct audit_event a = {.what = "test.change"};
	char key[32];

	c->key = (unsigned)random() % KEYS;
	c->value = next_value[c->key]++;
	snprintf(key, sizeof(key), "%u", c->key);
	a.object = key;
	store_put(
		x, STORE_VOLUME, key, strlen(key), &c->value, sizeof(c->value));
	store_audit(x, &a);
	if (store_submit(x, done, c))
		exit(1);
}

static int run(void)
{
	static struct change clients[CLIENTS];
	struct pollfd p[2] = {
		{.fd = 0, .events = POLLIN}, {.fd = event, .events = POLLIN}};
	uint64_t n;

	srandom((unsigned)getpid());
	store_each(store, STORE_VOLUME, "", 0, show, NULL);
	printf("ready %llu\n", (unsigned long long)store_durable(store));
	fflush(stdout);
	for (int i = 0; i < CLIENTS; i++)
		submit(&clients[i]);
	for (;;) {
		poll(p, 2, -1);
		if (p[0].revents)
			_exit(0);
		if (p[1].revents && read(event, &n, sizeof(n)) > 0)
			store_complete(store);
	}
}

static int export_log(const char *pem)
{
	FILE *f = fopen(pem, "re");
	struct audit_signer signer = {.time = 1700000000};
	struct buf out = {0};
	struct err e = {0};
	int ret;

	signer.key = f ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;
	memset(signer.cluster, 0xcc, sizeof(signer.cluster));
	if (!signer.key)
		return 1;
	ret = audit_export(store, 1, 0, &signer, &out, &e);
	if (ret)
		fprintf(stderr, "%s\n", e.text);
	else
		fwrite(out.data, 1, out.size, stdout);
	fclose(f);
	store_close(store);
	return ret ? BAD : 0;
}

int main(int argc, char **argv)
{
	struct file_holder holder = {.freshness = {&file_ops}};
	struct store_options o = {.wakeup = wake};
	struct err e = {0};
	int ret;

	if (argc < 4)
		return 2;
	event = eventfd(0, EFD_CLOEXEC);
	o.path = argv[2];
	memset(o.key, 5, sizeof(o.key));
	if (strcmp(argv[3], "-") != 0) {
		holder.fd = open(argv[3], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		o.freshness = &holder.freshness;
	}
	ret = store_open(&o, false, &store, &e);
	if (ret == -ENOENT && argc == 4)
		ret = store_open(&o, true, &store, &e);
	if (ret) {
		fprintf(stderr, "%s\n", e.text);
		return ret == -ESTALE ? STALE : ret == -EBADMSG ? BAD : OTHER;
	}
	return argc > 4 ? export_log(argv[4]) : run();
}

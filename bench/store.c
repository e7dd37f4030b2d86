/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-store tags DIR [SECONDS [CLIENTS...]]
 *	Clients that each change the tag of a volume again as soon as their last
 *	change is durable: changes per second, latencies. One engine's thread.
 *	Words ADDR:PORT=HASH are witnesses.
 * bench-store start DIR [SESSIONS [BYTES]]
 *	Makes a store of so many sessions, then opens it in a process of its
 *	own: time and resident memory.
 * bench-store verify [RECORDS]
 *	Verifies an exported log of so many records, an event in each.
 *
 * DIR says which disk is measured.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cas/audit.h"
#include "cas/store_int.h"
#include "cas/witness.h"
#include "lib/string.h"

enum { VOLUMES = 10000, SAMPLES = 4 << 20, TAG = 48 };

static int event;
static struct store *store;
static uint64_t stop_at, started, *sample, samples;

struct client {
	unsigned number;
	uint64_t since, count;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void die(const char *what, const struct err *e)
{
	fprintf(stderr, "bench-store: %s: %s\n", what, e ? e->text : "");
	exit(1);
}

static void wake(void *arg)
{
	uint64_t one = 1;

	if (write(event, &one, sizeof(one)) < 0)
		abort();
}

static unsigned active;

static void submit(struct client *c);

static void done(void *arg, int status)
{
	struct client *c = arg;
	uint64_t at = now_ns();

	if (status)
		die("a change was lost", NULL);
	if (samples < SAMPLES)
		sample[samples] = at - c->since;
	samples++;
	c->count++;
	if (at < stop_at)
		submit(c);
	else
		active--;
}

static void submit(struct client *c)
{
	struct store_txn *x = store_begin(store);
	unsigned volume = (c->number * 7919u + (unsigned)c->count * 104729u) %
		VOLUMES;
	char key[64], value[TAG] = {0};
	struct audit_event e = {.what = "volume.tag"};
	uint8_t before[32] = {1}, after[32] = {2};
	int n = snprintf(key, sizeof(key), "shop/db-%u%cdata", volume, 0);

	memcpy(value, &c->count, sizeof(c->count));
	memcpy(after, &c->count, sizeof(c->count));
	e.object = key;
	e.before = before;
	e.after = after;
	c->since = now_ns();
	store_put(x, STORE_VOLUME, key, (size_t)n, value, sizeof(value));
	store_audit(x, &e);
	if (store_submit(x, done, c))
		die("submit", NULL);
}

static struct witness_address witness[WITNESS_MAX];
static unsigned witnesses;

/* False: not ADDR:PORT=HASH. */
static bool take_witness(const char *text)
{
	const char *equals = strchr(text, '=');
	struct witness_address *w = &witness[witnesses];

	if (!equals)
		return false;
	if (witnesses == WITNESS_MAX ||
		(size_t)(equals - text) >= sizeof(w->address) ||
		!string_from_hex(equals + 1, w->key, sizeof(w->key)))
		die(text, NULL);
	memcpy(w->address, text, (size_t)(equals - text));
	witnesses++;
	return true;
}

static void open_store(const char *path, bool create)
{
	struct store_options o = {.path = path, .wakeup = wake};
	static struct witness_set *set;
	uint8_t key[WITNESS_KEY_SIZE];
	struct err e = {0};
	uint64_t fresh = now_ns();

	/* Each store is another cluster. */
	memset(key, 0, sizeof(key));
	memcpy(key, &fresh, sizeof(fresh));
	if (witnesses && witness_set_new(witness, witnesses, key, &set, &e))
		die("witnesses", &e);
	o.freshness = set ? witness_freshness(set) : NULL;

	memset(o.key, 42, sizeof(o.key));
	if (store_open(&o, create, &store, &e))
		die("open", &e);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static double cpu(int who)
{
	struct rusage r;

	getrusage(who, &r);
	return (double)r.ru_utime.tv_sec + (double)r.ru_stime.tv_sec +
		(double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static void tags_with(unsigned clients, unsigned seconds)
{
	struct client *c = calloc(clients, sizeof(*c));
	struct store_status before, after;
	double busy = cpu(RUSAGE_SELF), took;
	uint64_t n;

	store_status(store, &before);
	samples = 0;
	started = now_ns();
	stop_at = started + (uint64_t)seconds * 1000000000;
	active = clients;
	for (unsigned i = 0; i < clients; i++) {
		c[i].number = i;
		submit(&c[i]);
	}
	while (active) {
		if (read(event, &n, sizeof(n)) < 0)
			abort();
		store_complete(store);
	}
	took = (double)(now_ns() - started) / 1e9;
	store_status(store, &after);
	n = samples < SAMPLES ? samples : SAMPLES;
	qsort(sample, n, sizeof(*sample), compare);
	printf("clients %4u: %8.0f changes/s, p50 %6.2f ms, p99 %6.2f ms, "
	       "%5.1f in a commit, %3.0f %% of a core\n",
		clients, (double)samples / took, (double)sample[n / 2] / 1e6,
		(double)sample[n * 99 / 100] / 1e6,
		(double)samples / (double)(after.commits - before.commits),
		100 * (cpu(RUSAGE_SELF) - busy) / took);
	free(c);
}

static void tags(const char *path, int argc, char **argv)
{
	unsigned seconds = argc > 3 ? (unsigned)atoi(argv[3]) : 5;
	static const unsigned usual[] = {1, 16, 32, 64, 128, 256};

	sample = malloc(SAMPLES * sizeof(*sample));
	if (!sample)
		abort();
	open_store(path, true);
	for (int i = 4; i < argc; i++)
		tags_with((unsigned)atoi(argv[i]), seconds);
	if (argc <= 4)
		for (size_t i = 0; i < ARRAY_SIZE(usual); i++)
			tags_with(usual[i], seconds);
	store_close(store);
}

static void fill(const char *path, unsigned sessions, size_t bytes)
{
	char *value = malloc(bytes);
	uint64_t n;

	open_store(path, true);
	for (unsigned i = 0; i < sessions; i++) {
		struct store_txn *x = store_begin(store);
		struct store_status st;
		char key[64];
		int size = snprintf(
			key, sizeof(key), "customer-%u/session-%u", i % 97, i);

		for (size_t k = 0; k < bytes; k++)
			value[k] = (char)(k * i);
		store_put(x, STORE_SESSION, key, (size_t)size, value, bytes);
		if (store_submit(x, NULL, NULL))
			die("submit", NULL);
		while (i % 1024 == 1023) {
			store_status(store, &st);
			if (st.durable + 1 >= st.seq)
				break;
			if (read(event, &n, sizeof(n)) < 0)
				abort();
			store_complete(store);
		}
	}
	store_close(store);
	free(value);
}

static long resident_kib(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[256];
	long kib = 0;

	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "VmRSS: %ld", &kib);
	if (f)
		fclose(f);
	return kib;
}

static void start(const char *path, int argc, char **argv)
{
	unsigned sessions = argc > 3 ? (unsigned)atoi(argv[3]) : 100000;
	size_t bytes = argc > 4 ? (size_t)atoi(argv[4]) : 1536;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		fill(path, sessions, bytes);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		die("fill", NULL);
	pid = fork();
	if (pid == 0) {
		uint64_t from = now_ns();
		struct store_status st;

		open_store(path, false);
		store_status(store, &st);
		printf("start with %" PRIu64 " sessions of %zu bytes: %.2f s, "
		       "%.0f MiB resident\n",
			st.rows, bytes, (double)(now_ns() - from) / 1e9,
			(double)resident_kib() / 1024);
		fflush(stdout);
		store_close(store);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		die("start", NULL);
}

static void verify(unsigned records)
{
	static const uint8_t hash[32] = {1};
	struct store_event tag = {
		"volume.tag", "shop/db/data", hash, hash, hash, NULL, 0, false};
	struct audit_signer signer = {
		.key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256")};
	struct store_record r = {.events = &tag, .event_count = 1};
	struct audit_known known = {0};
	struct audit_found found;
	struct buf text = {0}, cbor = {0};
	struct err e = {0};
	uint64_t from;

	for (r.seq = 1; r.seq <= records; r.seq++) {
		cbor.size = 0;
		r.time = 1790000000 + r.seq;
		if (store_record_encode(&r, &cbor) || audit_line(&r, &text))
			die("no memory", NULL);
		memcpy(r.prev, r.hash, sizeof(r.prev));
	}
	if (audit_checkpoint(&signer, 0, records, r.hash, &text, &e))
		die("checkpoint", &e);
	from = now_ns();
	if (audit_verify(
		    (const char *)text.data, text.size, &known, &found, &e))
		die("verify", &e);
	printf("verified %" PRIu64 " records, %.0f MiB: %.2f s\n", found.last,
		(double)text.size / 1048576, (double)(now_ns() - from) / 1e9);
	buf_fini(&text);
	buf_fini(&cbor);
	EVP_PKEY_free(signer.key);
}

int main(int argc, char **argv)
{
	static char path[4096], side[4200];

	if (argc > 1 && strcmp(argv[1], "verify") == 0) {
		verify(argc > 2 ? (unsigned)atoi(argv[2]) : 1000000);
		return 0;
	}
	if (argc < 3) {
		fprintf(stderr,
			"usage: bench-store tags DIR [SECONDS [CLIENTS...]]\n"
			"       bench-store start DIR [SESSIONS [BYTES]]\n"
			"       bench-store verify [RECORDS]\n");
		return 2;
	}
	while (argc > 3 && take_witness(argv[argc - 1]))
		argc--;
	event = eventfd(0, EFD_CLOEXEC);
	snprintf(path, sizeof(path), "%s/bench-store-%d.db", argv[2],
		(int)getpid());
	if (strcmp(argv[1], "tags") == 0)
		tags(path, argc, argv);
	else
		start(path, argc, argv);
	unlink(path);
	snprintf(side, sizeof(side), "%s-wal", path);
	unlink(side);
	return 0;
}

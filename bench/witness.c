/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A CAS that does nothing but append: takes charge of a cluster at the given
 * witnesses and goes on from what they have. Measures, and lets tests drive the
 * client.
 *
 *	bench-witness KEY COUNT TIMEOUT_MS ADDR:PORT=HASH...
 *
 * KEY: 64 hex digits. Prints the state that was found, then "N appends in MS
 * ms", then a line for percentiles; with COUNT 0 it appends once for each line
 * of standard input, and says what became of it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cas/witness.h"
#include "lib/bytes.h"
#include "lib/string.h"

struct bench {
	struct freshness *f;
	struct freshness_state at;
	unsigned timeout_ms;
};

static int64_t clock_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int append_one(struct bench *b, struct err *e)
{
	uint8_t to[WITNESS_HASH_SIZE];
	uint64_t seq = b->at.seq + 1;
	int rc;

	memcpy(to, b->at.head, sizeof(to));
	memcpy(to, &seq, sizeof(seq));
	/* Another instance makes another chain. */
	memcpy(to + sizeof(seq), &b->at.term, sizeof(b->at.term));
	rc = b->f->ops->append(
		b->f, b->at.seq, b->at.head, seq, to, b->timeout_ms, e);
	if (rc == 0) {
		b->at.seq = seq;
		memcpy(b->at.head, to, sizeof(to));
	}
	return rc;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static int measure(struct bench *b, unsigned long count, struct err *e)
{
	int64_t *took = calloc(count, sizeof(*took)), start = clock_us();
	int64_t at = start;
	int rc = took ? 0 : -ENOMEM;

	for (unsigned long i = 0; rc == 0 && i < count; i++) {
		int64_t now;

		rc = append_one(b, e);
		now = clock_us();
		took[i] = now - at;
		at = now;
	}
	if (rc == 0) {
		qsort(took, count, sizeof(*took), compare);
		printf("%lu appends in %lld ms\n", count,
			(long long)((at - start) / 1000));
		printf("p50 %lld us, p99 %lld us, max %lld us\n",
			(long long)took[count / 2],
			(long long)took[count * 99 / 100],
			(long long)took[count - 1]);
	}
	free(took);
	return rc;
}

/* The error's text, or the number that was appended. */
static int obey(struct bench *b)
{
	char line[16];

	while (fgets(line, sizeof(line), stdin) != NULL) {
		struct err e = {0};
		unsigned answering, count;
		int rc = append_one(b, &e);

		b->f->ops->status(b->f, &answering, &count);
		if (rc == 0)
			printf("%llu %u/%u\n", (unsigned long long)b->at.seq,
				answering, count);
		else
			printf("%s: %s\n", rc == -ESTALE ? "stale" : "timeout",
				e.text);
		fflush(stdout);
	}
	return 0;
}

static int parse(const char *text, struct witness_address *a)
{
	const char *eq = strchr(text, '=');

	if (!eq || (size_t)(eq - text) >= sizeof(a->address) ||
		!string_from_hex(eq + 1, a->key, sizeof(a->key)))
		return -EINVAL;
	memcpy(a->address, text, (size_t)(eq - text));
	a->address[eq - text] = '\0';
	return 0;
}

static int run(struct bench *b, unsigned long count, struct err *e)
{
	char head[2 * WITNESS_HASH_SIZE + 1];
	bool exists;
	int rc = b->f->ops->open(b->f, b->timeout_ms, &b->at, &exists, e);

	if (rc < 0)
		return rc;
	bytes_to_hex(b->at.head, WITNESS_HASH_SIZE, head);
	printf("term %llu seq %llu head %s exists %d\n",
		(unsigned long long)b->at.term, (unsigned long long)b->at.seq,
		head, exists);
	fflush(stdout);
	rc = count ? measure(b, count, e) : obey(b);
	(void)b->f->ops->stop(b->f, e);
	return rc;
}

int main(int argc, char **argv)
{
	static struct witness_address list[WITNESS_MAX];
	uint8_t key[WITNESS_KEY_SIZE];
	unsigned n = (unsigned)(argc - 4);
	struct witness_set *w;
	struct bench b = {0};
	struct err e = {0};
	int rc;

	if (argc < 5 || n > WITNESS_MAX ||
		!string_from_hex(argv[1], key, sizeof(key)))
		return 2;
	signal(SIGPIPE, SIG_IGN);
	b.timeout_ms = (unsigned)atoi(argv[3]);
	for (unsigned i = 0; i < n; i++)
		if (parse(argv[4 + i], &list[i]) < 0)
			return 2;
	rc = witness_set_new(list, n, key, &w, &e);
	if (rc == 0) {
		b.f = witness_freshness(w);
		rc = run(&b, strtoul(argv[2], NULL, 10), &e);
		witness_set_free(w);
	}
	if (rc < 0)
		fprintf(stderr, "%s\n", e.text);
	return rc < 0 ? 1 : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volume_threads FOLDER THREADS STEPS SEED: threads that write, read back and
 * sync files of their own, and read each other's, all in one folder. Ends with
 * status 1 at the first byte that is wrong.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 8192, PIECES = 64, THREADS_MAX = 16 };

static long steps, threads;
static uint64_t seed;

struct worker {
	pthread_t thread;
	uint64_t state;
	int fd;
	unsigned char mark[PIECES]; /* what each piece is filled with */
};

static struct worker workers[THREADS_MAX];

static uint64_t below(struct worker *w, uint64_t n)
{
	w->state ^= w->state << 13;
	w->state ^= w->state >> 7;
	w->state ^= w->state << 17;
	return w->state % n;
}

static void check(int ok, const char *what)
{
	if (!ok) {
		perror(what);
		exit(1);
	}
}

static void read_own(struct worker *w, unsigned char *buf)
{
	size_t k = below(w, PIECES);

	if (!w->mark[k])
		return;
	check(pread(w->fd, buf, PIECE, (off_t)(k * PIECE)) == PIECE, "pread");
	for (size_t i = 0; i < PIECE; i++) {
		if (buf[i] != w->mark[k]) {
			printf("piece %zu byte %zu: %d, wanted %d\n", k, i,
				buf[i], w->mark[k]);
			exit(1);
		}
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;
	unsigned char buf[PIECE];

	for (long s = 0; s < steps; s++) {
		size_t k = below(w, PIECES);
		struct worker *other = &workers[below(w, (uint64_t)threads)];

		switch (below(w, 8)) {
		case 0:
			check(fsync(w->fd) == 0, "fsync");
			break;
		case 1:
			check(pread(other->fd, buf, PIECE,
				      (off_t)(k * PIECE)) >= 0,
				"pread of another's");
			break;
		case 2:
		case 3:
		case 4:
			w->mark[k] = (unsigned char)(1 + below(w, 255));
			memset(buf, w->mark[k], sizeof(buf));
			check(pwrite(w->fd, buf, PIECE, (off_t)(k * PIECE)) ==
					PIECE,
				"pwrite");
			break;
		default:
			read_own(w, buf);
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	check(argc == 5 && chdir(argv[1]) == 0, "folder");
	threads = atol(argv[2]);
	steps = atol(argv[3]);
	seed = strtoull(argv[4], NULL, 0);
	for (long i = 0; i < threads; i++) {
		char name[16];

		snprintf(name, sizeof(name), "t%ld", i);
		workers[i].state = (seed + 1) * 0x9e3779b97f4a7c15 +
			(uint64_t)i;
		workers[i].fd = open(name, O_CREAT | O_TRUNC | O_RDWR, 0600);
		check(workers[i].fd >= 0, name);
	}
	for (long i = 0; i < threads; i++)
		check(pthread_create(
			      &workers[i].thread, NULL, work, &workers[i]) == 0,
			"thread");
	for (long i = 0; i < threads; i++)
		pthread_join(workers[i].thread, NULL);
	puts("same");
	return 0;
}

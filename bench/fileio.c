/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-fileio FOLDER WORK COUNT: one work on files, timed in itself; prints
 * what was done per second, or MiB per second. COUNT is MiB for write and read,
 * else operations.
 *
 *	write		one file, 1 MiB a call, then fsync
 *	read		the same file, 1 MiB a call
 *	randread	4 KiB at random places of that file
 *	cached		4 KiB at random places of its first 128 MiB, which were
 *read before randsync	4 KiB at random places, fsync after each small
 *create (100 bytes), stat, then unlink COUNT files
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MIB = 1 << 20, PAGE = 4096, CACHED_MIB = 128 };

static unsigned char buf[MIB];
static uint64_t state = 0x9e3779b97f4a7c15;

static uint64_t below(uint64_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % n;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void check(int ok, const char *what)
{
	if (!ok) {
		perror(what);
		exit(1);
	}
}

static void do_write(int fd, long count)
{
	for (long i = 0; i < count; i++) {
		for (size_t k = 0; k < sizeof(buf); k += 8)
			*(uint64_t *)(void *)(buf + k) = state += k | 1;
		check(write(fd, buf, MIB) == MIB, "write");
	}
	check(fsync(fd) == 0, "fsync");
}

static void do_read(int fd, long count)
{
	for (long i = 0; i < count; i++)
		check(read(fd, buf, MIB) == MIB, "read");
}

static void do_random(int fd, long count, int writing, off_t max)
{
	struct stat st;

	check(fstat(fd, &st) == 0, "fstat");
	if (max && st.st_size > max)
		st.st_size = max;
	for (long i = 0; i < count; i++) {
		off_t at = (off_t)below((uint64_t)st.st_size / PAGE) * PAGE;

		if (writing) {
			memset(buf, (int)i, PAGE);
			check(pwrite(fd, buf, PAGE, at) == PAGE, "pwrite");
			check(fsync(fd) == 0, "fsync");
		} else {
			check(pread(fd, buf, PAGE, at) == PAGE, "pread");
		}
	}
}

static void do_small(long count)
{
	char name[32];
	struct stat st;

	for (long i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "small-%ld", i);
		int fd = open(name, O_CREAT | O_WRONLY | O_EXCL, 0600);

		check(fd >= 0 && write(fd, buf, 100) == 100, name);
		close(fd);
	}
	for (long i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "small-%ld", i);
		check(stat(name, &st) == 0 && st.st_size == 100, name);
	}
	for (long i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "small-%ld", i);
		check(unlink(name) == 0, name);
	}
}

int main(int argc, char **argv)
{
	const char *work = argc == 4 ? argv[2] : "";
	long count = argc == 4 ? atol(argv[3]) : 0;
	int writing = strcmp(work, "write") == 0;
	int fd = -1;
	double start;

	if (argc != 4 || chdir(argv[1]) != 0) {
		fprintf(stderr, "usage: bench-fileio FOLDER WORK COUNT\n");
		return 2;
	}
	if (strcmp(work, "small") != 0) {
		fd = open("file", writing ? O_CREAT | O_TRUNC | O_RDWR : O_RDWR,
			0600);
		check(fd >= 0, "file");
	}
	if (strcmp(work, "cached") == 0)
		do_read(fd, CACHED_MIB);
	start = now();
	if (writing)
		do_write(fd, count);
	else if (strcmp(work, "read") == 0)
		do_read(fd, count);
	else if (strcmp(work, "small") == 0)
		do_small(count);
	else if (strcmp(work, "cached") == 0)
		do_random(fd, count, 0, (off_t)CACHED_MIB * MIB);
	else
		do_random(fd, count, strcmp(work, "randsync") == 0, 0);
	printf("%.1f\n", (double)count / (now() - start));
	return 0;
}

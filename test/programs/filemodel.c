/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filemodel FOLDER SEED STEPS: random reads, writes, truncations and reopenings
 * of one file, each result compared with a model in memory. Ends at the first
 * difference with status 1.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SIZE_MAX_BYTES = 200000, FDS = 3 };

static unsigned char model[SIZE_MAX_BYTES], buf[SIZE_MAX_BYTES];
static size_t size;
static uint64_t state;

static size_t below(size_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return n ? state % n : 0;
}

static void differ(long step, const char *what)
{
	printf("step %ld: %s differs\n", step, what);
	exit(1);
}

static void read_some(int fd, long step)
{
	size_t off = below(size + 5000);
	size_t len = below(below(4) ? 9000 : 60000) + 1;
	size_t want = off < size ? size - off : 0;
	ssize_t n = pread(fd, buf, len, (off_t)off);

	if (want > len)
		want = len;
	if (n < 0 || (size_t)n != want || memcmp(buf, model + off, want))
		differ(step, "pread");
}

static void write_some(int fd, long step)
{
	size_t off = below(SIZE_MAX_BYTES - 20000);
	size_t len = below(9000) + 1;

	for (size_t i = 0; i < len; i++)
		buf[i] = (unsigned char)below(256);
	if (pwrite(fd, buf, len, (off_t)off) != (ssize_t)len)
		differ(step, "pwrite");
	if (off > size)
		memset(model + size, 0, off - size);
	memcpy(model + off, buf, len);
	if (off + len > size)
		size = off + len;
}

static void truncate_some(int fd, long step)
{
	size_t to = below(SIZE_MAX_BYTES - 20000);

	if (ftruncate(fd, (off_t)to))
		differ(step, "ftruncate");
	if (to > size)
		memset(model + size, 0, to - size);
	size = to;
}

int main(int argc, char **argv)
{
	char path[4096];
	int fd[FDS];
	struct stat st;

	if (argc != 4)
		return 2;
	snprintf(path, sizeof(path), "%s/filemodel.%s", argv[1], argv[2]);
	state = strtoull(argv[2], NULL, 10) * 2 + 1;
	for (int i = 0; i < FDS; i++)
		fd[i] = open(path, O_RDWR | O_CREAT, 0600);
	for (long step = 0; step < atol(argv[3]); step++) {
		int i = (int)below(FDS);
		size_t what = below(100);

		if (what < 85)
			read_some(fd[i], step);
		else if (what < 95)
			write_some(fd[i], step);
		else if (what < 97)
			truncate_some(fd[i], step);
		else if (fstat(fd[i], &st) || (size_t)st.st_size != size)
			differ(step, "size");
		else if (what == 99) {
			close(fd[i]);
			fd[i] = open(path, O_RDWR);
		}
	}
	unlink(path);
	puts("same");
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handlers of file calls.
 */
#include "host/serve_state.h"

#include <errno.h>
#include <unistd.h>

static int64_t outcome(ssize_t n)
{
	return n < 0 ? -errno : n;
}

int64_t serve_close(struct serve *s, const uint64_t *a)
{
	/* Linux closes in any case; EINTR must not be repeated. */
	if (close((int)a[0]) < 0 && errno != EINTR)
		return -errno;
	return 0;
}

int64_t serve_close_now(struct serve *s, const uint64_t *a)
{
	return serve_close(s, a);
}

int64_t serve_read(struct serve *s, const uint64_t *a)
{
	ssize_t n;

	do
		n = read((int)a[0], (void *)a[1], a[2]);
	while (n < 0 && errno == EINTR);
	return outcome(n);
}

int64_t serve_write(struct serve *s, const uint64_t *a)
{
	ssize_t n;

	do
		n = write((int)a[0], (const void *)a[1], a[2]);
	while (n < 0 && errno == EINTR);
	return outcome(n);
}

int64_t serve_pread(struct serve *s, const uint64_t *a)
{
	ssize_t n;

	do
		n = pread((int)a[0], (void *)a[1], a[2], (off_t)a[3]);
	while (n < 0 && errno == EINTR);
	return outcome(n);
}

int64_t serve_pwrite(struct serve *s, const uint64_t *a)
{
	ssize_t n;

	do
		n = pwrite((int)a[0], (const void *)a[1], a[2], (off_t)a[3]);
	while (n < 0 && errno == EINTR);
	return outcome(n);
}

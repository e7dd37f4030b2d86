/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sconce audit follow`: a copy of the log elsewhere that grows as CAS's does.
 * It asks CAS, never the other way round: a copy that is away, or slow, holds
 * nothing up, and catches up later. Any number of them may follow.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/client.h"
#include "lib/string.h"

enum {
	POLL = 1, /* s between looks at a log that does not grow */
	RETRY_MAX = 30, /* s between tries at a CAS that is away */
	TAIL = 64 * 1024, /* bytes: longer than any checkpoint */
};

static int write_all(int fd, const uint8_t *data, size_t size)
{
	while (size) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			data += n;
			size -= (size_t)n;
		}
	}
	return fdatasync(fd) ? -errno : 0;
}

/* Behind the last whole checkpoint of the tail; 0: there is none. */
static size_t last_checkpoint(const char *tail, size_t size, uint64_t *seq)
{
	for (size_t end = size; end;) {
		size_t at = --end;

		while (at && tail[at - 1] != '\n')
			at--;
		if (tail[end] == '\n' &&
			client_checkpoint(tail + at, end - at, seq))
			return end + 1;
		end = at;
	}
	return 0;
}

/* Where the copy goes on: what came after its last checkpoint (the end of an
 * interrupted write) is cut off. */
static int resume(int fd, const char *path, uint64_t *from, struct err *e)
{
	static char tail[TAIL];
	struct stat st;
	off_t start;
	ssize_t n;
	uint64_t seq;
	size_t end;

	*from = 1;
	if (fstat(fd, &st))
		return err_setf(e, -errno, "%s: %s", path, strerror(errno));
	if (!st.st_size)
		return 0;
	start = st.st_size > TAIL ? st.st_size - TAIL : 0;
	n = pread(fd, tail, TAIL, start);
	end = n > 0 ? last_checkpoint(tail, (size_t)n, &seq) : 0;
	if (!end)
		return err_setf(e, -EINVAL,
			"%s: does not end with a checkpoint: not a copy of a "
			"log; name another file",
			path);
	*from = seq + 1;
	if (ftruncate(fd, start + (off_t)end) || lseek(fd, 0, SEEK_END) < 0)
		return err_setf(e, -errno, "%s: %s", path, strerror(errno));
	return 0;
}

/* One page. 1: something came; 0: nothing new. */
static int follow(struct cas_client *c, int fd, const char *file,
	uint64_t *from, struct err *e)
{
	struct cas_answer a;
	char path[64];
	uint64_t last;
	int ret;

	snprintf(path, sizeof(path), "/v1/audit/log?from=%" PRIu64, *from);
	ret = cas_client_request(c, "GET", path, NULL, NULL, 0, &a, e);
	if (ret)
		return ret;
	if (!a.body.size)
		return 0;
	if (!last_checkpoint((const char *)a.body.data, a.body.size, &last) ||
		last < *from) {
		ret = err_setf(e, -EPROTO, "CAS's answer is not its log");
	} else {
		ret = write_all(fd, a.body.data, a.body.size);
		if (ret)
			err_setf(e, ret, "%s: %s", file, strerror(-ret));
		*from = last + 1;
	}
	buf_fini(&a.body);
	return ret ? ret : 1;
}

/* Until something is wrong that waiting does not mend. */
static int follow_on(
	struct cas_client *c, int fd, const char *file, struct err *e)
{
	unsigned pause = POLL;
	uint64_t from;
	int ret = resume(fd, file, &from, e);

	while (ret >= 0 || ret == -ECONNREFUSED || ret == -ETIMEDOUT ||
		ret == -EIO || ret == -EAGAIN) {
		ret = follow(c, fd, file, &from, e);
		if (ret > 0) {
			pause = POLL;
			continue;
		}
		if (ret < 0 && pause == POLL)
			fprintf(stderr, "sconce audit follow: %s; waiting\n",
				e->text);
		sleep(pause);
		pause = ret < 0 && pause < RETRY_MAX / 2 ? 2 * pause : POLL;
	}
	return ret;
}

int client_audit_follow(struct options *o, struct err *e)
{
	const char *file = o->path[0];
	struct cas_client *c;
	int fd, ret = client_open(o, &c, e);

	if (ret)
		return ret;
	fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		ret = err_setf(e, -errno, "%s: %s", file, strerror(errno));
	else if (flock(fd, LOCK_EX | LOCK_NB))
		ret = err_setf(
			e, -EBUSY, "%s: somebody else writes to it", file);
	else
		ret = follow_on(c, fd, file, e);
	if (fd >= 0)
		close(fd);
	cas_client_free(c);
	return ret;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Files that others read at any time: they appear whole. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "emu/qe_int.h"

static int write_all(int fd, const uint8_t *data, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		size -= (size_t)n;
	}
	return 0;
}

int qe_file_write(const char *dir, const char *name, const void *data,
	size_t size, unsigned mode, bool replace)
{
	char path[PATH_MAX], temp[PATH_MAX];
	int fd, ret;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >=
			(int)sizeof(path) ||
		snprintf(temp, sizeof(temp), "%s/.%s.XXXXXX", dir, name) >=
			(int)sizeof(temp))
		return -ENAMETOOLONG;
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = write_all(fd, data, size);
	if (ret == 0 && (fchmod(fd, mode) || fsync(fd)))
		ret = -errno;
	if (close(fd) && ret == 0)
		ret = -errno;
	if (ret == 0 && (replace ? rename(temp, path) : link(temp, path)))
		ret = -errno;
	if (ret < 0 || !replace)
		unlink(temp);
	return ret;
}

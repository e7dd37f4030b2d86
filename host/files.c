/* SPDX-License-Identifier: Apache-2.0 */
/* See files.h. */
#include "host/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int beside(const char *name, char *path, size_t size, struct err *e)
{
	char self[900];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n < 0)
		return err_setf(e, -errno,
			"/proc/self/exe: %s; is /proc mounted?",
			strerror(errno));
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (!slash)
		return err_setf(e, -ENOENT, "/proc/self/exe: odd path");
	*slash = '\0';
	snprintf(path, size, "%s/%s", self, name);
	return 0;
}

static int open_beside(const char *name, char *path, size_t size, struct err *e)
{
	int fd, err = beside(name, path, size, e);

	if (err)
		return err;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_setf(e, -errno,
			"%s: %s; it belongs beside the sconce program", path,
			strerror(errno));
	return fd;
}

int files_open(const char *name, struct err *e)
{
	char path[1024];
	int fd = open_beside(name, path, sizeof(path), e), high;

	if (fd < 0)
		return fd;
	high = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (high < 0)
		high = err_setf(e, -errno, "%s: %s", path, strerror(errno));
	close(fd);
	return high;
}

int files_load(const char *name, struct bytes_file *out, struct err *e)
{
	int fd = open_beside(name, out->path, sizeof(out->path), e);
	struct stat st;
	void *p;
	int err = 0;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) || !st.st_size) {
		err = err_setf(e, -EINVAL, "%s: empty", out->path);
		goto out;
	}
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED) {
		err = err_setf(e, -errno, "%s: %s", out->path, strerror(errno));
		goto out;
	}
	out->data = p;
	out->size = (size_t)st.st_size;
out:
	close(fd);
	return err;
}

void files_unload(struct bytes_file *f)
{
	if (f->data)
		munmap((void *)(uintptr_t)f->data, f->size);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are input: sizes are bounded, kinds are looked at, nothing waits
 * for ever on a FIFO that nobody writes to. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attest/folder.h"
#include "lib/fmt.h"
#include "lib/string.h"

/* Fills data[size + 1]; *got: what was read. A pipe is waited for. */
static int read_all(int fd, uint8_t *data, size_t size, size_t *got)
{
	*got = 0;
	while (*got < size) {
		ssize_t n = read(fd, data + *got, size - *got);

		if (n > 0) {
			*got += (size_t)n;
		} else if (n == 0) {
			break;
		} else if (errno == EAGAIN) {
			struct pollfd p = {.fd = fd, .events = POLLIN};

			(void)poll(&p, 1, -1);
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

static int read_descriptor(struct attest_file *f, int fd, const char *what,
	const char *path, struct err *e)
{
	size_t got = 0;
	int ret;

	f->data = malloc(ATTEST_FILE_MAX + 2);
	if (f->data == NULL)
		return err_setf(e, -ENOMEM, "%s %s: no memory", what, path);
	ret = read_all(fd, f->data, ATTEST_FILE_MAX + 1, &got);
	if (ret < 0)
		err_setf(e, ret, "%s %s: cannot be read: %s", what, path,
			strerror(-ret));
	else if (got > ATTEST_FILE_MAX)
		ret = err_setf(e, -EFBIG,
			"%s %s: larger than %d bytes; nothing of its kind is",
			what, path, ATTEST_FILE_MAX);
	else if (got == 0)
		ret = err_setf(e, -ENODATA, "%s %s: empty", what, path);
	if (ret < 0) {
		free(f->data);
		f->data = NULL;
		return ret;
	}
	f->data[got] = '\0';
	f->size = got;
	return 0;
}

/* Opens without waiting for a writer; path is relative to dir. */
static int open_file(
	int dir, const char *path, bool pipes, const char *what, struct err *e)
{
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return err_setf(e, -errno, "%s %s: cannot be read: %s", what,
			path, strerror(errno));
	if (fstat(fd, &st) == 0 &&
		(S_ISREG(st.st_mode) || (pipes && S_ISFIFO(st.st_mode))))
		return fd;
	close(fd);
	return err_setf(e, S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL,
		"%s %s: %s; wanted a file", what, path,
		S_ISDIR(st.st_mode)            ? "a directory"
			: S_ISFIFO(st.st_mode) ? "a FIFO"
					       : "a device or socket");
}

int attest_file_read(struct attest_file *f, const char *what, const char *path,
	struct err *e)
{
	int fd, ret;

	*f = (struct attest_file){0};
	if (strcmp(path, "-") == 0)
		return read_descriptor(
			f, STDIN_FILENO, what, "on standard input", e);
	fd = open_file(AT_FDCWD, path, true, what, e);
	if (fd < 0)
		return fd;
	ret = read_descriptor(f, fd, what, path, e);
	close(fd);
	return ret;
}

static int read_row(struct attest_folder *f, size_t i, int dir, struct err *e)
{
	const char *name = collateral_names[i];
	int fd = open_file(dir, name, false, "file", e), ret;

	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;
	ret = read_descriptor(&f->file[i], fd, "file", name, e);
	close(fd);
	if (ret == 0)
		*collateral_file(&f->files, i) = (struct span){
			f->file[i].data, f->file[i].size};
	return ret;
}

int attest_folder_read(struct attest_folder *f, const char *path, struct err *e)
{
	int ret = 0, dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	*f = (struct attest_folder){0};
	if (dir < 0)
		return err_setf(e, -errno, "collateral %s: %s", path,
			errno == ENOTDIR ? "not a folder" : strerror(errno));
	for (size_t i = 0; collateral_names[i] != NULL && ret == 0; i++)
		ret = read_row(f, i, dir, e);
	close(dir);
	if (ret < 0) {
		err_prefix(e, "collateral %s", path);
		attest_folder_free(f);
	}
	return ret;
}

void attest_folder_free(struct attest_folder *f)
{
	for (size_t i = 0; i < ARRAY_SIZE(f->file); i++)
		free(f->file[i].data);
	*f = (struct attest_folder){0};
}

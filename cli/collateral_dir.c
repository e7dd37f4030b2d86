/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/collateral_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/fmt.h"
#include "lib/string.h"

static bool is_collateral(const char *name)
{
	/* Of emulated platforms' folders. */
	if (strcmp(name, "root_ca.pem") == 0)
		return true;
	for (size_t i = 0; collateral_names[i] != NULL; i++)
		if (strcmp(collateral_names[i], name) == 0)
			return true;
	return false;
}

int collateral_dir_check(const char *dir, struct err *e)
{
	struct dirent *entry;
	DIR *d = opendir(dir);
	int ret = 0;

	if (d == NULL)
		return errno == ENOENT
			? 0
			: err_setf(e, -errno, "%s: %s", dir, strerror(errno));
	while (ret == 0 && (entry = readdir(d)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 &&
			strcmp(entry->d_name, "..") != 0 &&
			!is_collateral(entry->d_name))
			ret = err_setf(e, -ENOTEMPTY,
				"%s: %s in it is no collateral, and the folder "
				"is replaced as a whole; name a folder of its "
				"own",
				dir, entry->d_name);
	closedir(d);
	return ret;
}

static int write_file(int dir, const char *name, const struct attest_file *f)
{
	int fd = openat(
		dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	size_t done = 0;
	int ret = fd < 0 ? -errno : 0;

	while (ret == 0 && done < f->size) {
		ssize_t n = write(fd, f->data + done, f->size - done);

		if (n > 0)
			done += (size_t)n;
		else if (n < 0 && errno != EINTR)
			ret = -errno;
	}
	if (ret == 0 && fsync(fd) != 0)
		ret = -errno;
	if (fd >= 0 && close(fd) != 0 && ret == 0)
		ret = -errno;
	return ret;
}

/* The new files, and links to those of the old folder that stay. */
static int fill(int fd, int old, const struct attest_folder *folder)
{
	int ret = 0;

	for (size_t i = 0; collateral_names[i] != NULL && ret == 0; i++) {
		const char *name = collateral_names[i];

		if (folder->file[i].data != NULL)
			ret = write_file(fd, name, &folder->file[i]);
		else if (old >= 0 && linkat(old, name, fd, name, 0) != 0 &&
			errno != ENOENT)
			ret = -errno;
	}
	if (ret == 0 && fsync(fd) != 0)
		ret = -errno;
	return ret;
}

static void remove_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	for (size_t i = 0; collateral_names[i] != NULL; i++)
		(void)unlinkat(fd, collateral_names[i], 0);
	(void)unlinkat(fd, "root_ca.pem", 0);
	close(fd);
	(void)rmdir(path);
}

int collateral_dir_write(
	const char *dir, const struct attest_folder *folder, struct err *e)
{
	static char path[4096];
	size_t len = strlen(dir);
	int fd = -1, old, ret = 0;

	while (len > 1 && dir[len - 1] == '/')
		len--;
	if (snprintf(path, sizeof(path), "%.*s.new-%d", (int)len, dir,
		    getpid()) >= (int)sizeof(path))
		return err_setf(e, -ENAMETOOLONG, "%s: too long", dir);
	old = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mkdir(path, 0755) != 0)
		ret = -errno;
	else
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ret == 0 && fd < 0)
		ret = -errno;
	if (ret == 0)
		ret = fill(fd, old, folder);
	if (ret == 0 &&
		renameat2(AT_FDCWD, path, AT_FDCWD, dir,
			old >= 0 ? RENAME_EXCHANGE : RENAME_NOREPLACE) != 0)
		ret = -errno;
	/* The new folder if something failed, else the old one. */
	if (fd >= 0)
		remove_dir(path);
	if (fd >= 0)
		close(fd);
	if (old >= 0)
		close(old);
	return ret < 0 ? err_setf(e, ret, "%s: cannot be written: %s", dir,
				 strerror(-ret))
		       : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/native_files.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));

	if (fd >= 0)
		close(fd);
	return n == (ssize_t)strlen(text) ? 0 : -errno;
}

/* A mount name space of our own, in a user name space if that is needed. */
static int enter(struct err *e)
{
	unsigned uid = geteuid(), gid = getegid();
	char map[64];
	int ret = 0;

	if (unshare(CLONE_NEWNS) < 0) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
			return err_setf(e, -EPERM,
				"injected files: no mount name space (%s); "
				"wanted root's rights or user name spaces",
				strerror(errno));
		snprintf(map, sizeof(map), "%u %u 1", uid, uid);
		ret = write_text("/proc/self/uid_map", map);
		if (ret == 0)
			ret = write_text("/proc/self/setgroups", "deny");
		snprintf(map, sizeof(map), "%u %u 1", gid, gid);
		if (ret == 0)
			ret = write_text("/proc/self/gid_map", map);
	}
	if (ret == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		ret = -errno;
	return ret < 0 ? err_setf(e, ret, "injected files: no name space: %s",
				 strerror(-ret))
		       : 0;
}

static int write_file(
	const char *path, const struct service_file *f, struct err *e)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	size_t at = 0;
	int ret = 0;

	while (fd >= 0 && at < f->data.size) {
		ssize_t n = write(fd, f->data.data + at, f->data.size - at);

		if (n <= 0)
			break;
		at += (size_t)n;
	}
	if (fd < 0 || at < f->data.size || fchmod(fd, (mode_t)f->mode) < 0)
		ret = err_setf(e, errno ? -errno : -EIO, "injected file %s: %s",
			f->path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return ret;
}

static int cover(const char *with, const struct service_file *f, struct err *e)
{
	struct stat st;

	if (lstat(f->path, &st) < 0)
		return err_setf(e, -errno,
			"injected file %s: %s; wanted a file to cover (an "
			"empty one will do)",
			f->path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_setf(e, -EINVAL,
			"injected file %s: there is something else than a file",
			f->path);
	if (mount(with, f->path, NULL, MS_BIND, NULL) < 0)
		return err_setf(e, -errno, "injected file %s: %s", f->path,
			strerror(errno));
	return 0;
}

int native_files_show(const struct item_list *files, struct err *e)
{
	const struct service_file *f = files->item;
	char dir[] = "/tmp/sconce-exec-XXXXXX", path[64];
	int ret;

	if (files->count == 0)
		return 0;
	ret = enter(e);
	if (ret < 0)
		return ret;
	/* Seen from outside it stays an empty directory, which goes. */
	if (mkdtemp(dir) == NULL)
		return err_setf(e, -errno, "%s: %s", dir, strerror(errno));
	if (mount("sconce", dir, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0700") <
		0)
		ret = err_setf(e, -errno, "injected files: no tmpfs: %s",
			strerror(errno));
	for (size_t i = 0; ret == 0 && i < files->count; i++) {
		if (f[i].template) {
			ret = err_setf(e, -EOPNOTSUPP,
				"injected file %s: `sconce exec` replaces no "
				"variables in files; wanted `content` in the "
				"policy, or `sconce run`",
				f[i].path);
			break;
		}
		snprintf(path, sizeof(path), "%s/%zu", dir, i);
		ret = write_file(path, &f[i], e);
		if (ret == 0)
			ret = cover(path, &f[i], e);
	}
	/* The covers keep what they need of it. */
	(void)umount2(dir, MNT_DETACH);
	(void)rmdir(dir);
	return ret;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "host/las_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "host/aesm.h"

enum {
	BACKLOG = 128,
	PATH_SIZE = sizeof(((struct sockaddr_un *)0)->sun_path) +
		LAS_SUFFIX_MAX,
};

int las_socket_lock(const char *path, struct err *e)
{
	char lock[PATH_SIZE];
	int fd, ret;

	snprintf(lock, sizeof(lock), "%s.lock", path);
	fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_setf(e, -errno, "%s: %s; use --socket PATH", lock,
			strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	ret = -errno;
	close(fd);
	if (ret == -EWOULDBLOCK)
		return err_setf(e, -EADDRINUSE,
			"%s: another `sconce las` serves there", path);
	return err_setf(e, ret, "%s: %s", lock, strerror(-ret));
}

/* Under another name first: whoever finds the socket can connect to it. */
static int bind_and_rename(
	int fd, const char *temp, const char *path, unsigned mode)
{
	struct sockaddr_un address;
	int ret = aesm_address(temp, &address);

	if (ret < 0)
		return ret;
	unlink(temp);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	if (chmod(temp, mode) < 0 || listen(fd, BACKLOG) < 0 ||
		rename(temp, path) < 0) {
		ret = -errno;
		unlink(temp);
	}
	return ret;
}

int las_socket_listen(const char *path, unsigned mode, struct err *e)
{
	char temp[PATH_SIZE];
	struct stat st;
	int fd, ret;

	if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return err_setf(e, -EEXIST,
			"%s: is there, and no socket; use --socket PATH", path);
	snprintf(temp, sizeof(temp), "%s.new", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_setf(e, -errno, "socket: %s", strerror(errno));
	ret = bind_and_rename(fd, temp, path, mode);
	if (ret == 0)
		return fd;
	close(fd);
	return err_setf(
		e, ret, "%s: %s; use --socket PATH", path, strerror(-ret));
}

int las_socket_signals(struct err *e)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return fd < 0 ? err_setf(e, -errno, "signalfd: %s", strerror(errno))
		      : fd;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/files.h"
#include "lib/string.h"

/* The child's side: never returns. */
static void become(int fd, const char *const *args, int out, int err)
{
	if (dup2(out, STDOUT_FILENO) >= 0 &&
		(err < 0 || dup2(err, STDERR_FILENO) >= 0))
		fexecve(fd, (char *const *)(uintptr_t)args, environ);
	_exit(127);
}

/* Up to max bytes; what is more is not waited for. */
static size_t read_some(int fd, char *data, size_t max)
{
	size_t got = 0;

	while (got < max) {
		ssize_t n = read(fd, data + got, max - got);

		if (n > 0)
			got += (size_t)n;
		else if (n == 0 || errno != EINTR)
			break;
	}
	return got;
}

static void close_all(int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* By its path, or beside this program. */
static int open_program(const char *program, struct err *e)
{
	int fd;

	if (program[0] != '/')
		return files_open(program, e);
	fd = open(program, O_PATH | O_CLOEXEC);
	return fd < 0 ? err_setf(e, -errno, "%s: %s", program, strerror(errno))
		      : fd;
}

int child_run(const char *program, const char *const *args, size_t max,
	bool keep_errors, struct child *child, struct err *e)
{
	/* The program; ends to read and write of its output, of its errors. */
	int fds[5] = {-1, -1, -1, -1, -1}, status;
	size_t why;
	pid_t pid;

	*child = (struct child){.status = -1};
	fds[0] = open_program(program, e);
	if (fds[0] < 0)
		return fds[0];
	child->text = malloc(max + 1);
	if (child->text == NULL || pipe2(fds + 1, O_CLOEXEC) != 0 ||
		(!keep_errors && pipe2(fds + 3, O_CLOEXEC) != 0) ||
		(pid = fork()) < 0) {
		err_setf(e, -errno, "%s: %s", program, strerror(errno));
		close_all(fds, ARRAY_SIZE(fds));
		free(child->text);
		child->text = NULL;
		return e->code;
	}
	if (pid == 0)
		become(fds[0], args, fds[2], fds[4]);
	close(fds[2]);
	if (fds[4] >= 0)
		close(fds[4]);
	fds[2] = fds[4] = -1;
	/* Nothing here writes more than a pipe's worth to its errors first. */
	child->size = read_some(fds[1], child->text, max);
	child->text[child->size] = '\0';
	close(fds[1]);
	fds[1] = -1;
	why = fds[3] >= 0 ? read_some(fds[3], child->why, CHILD_WHY) : 0;
	child->why[why] = '\0';
	child->why[strcspn(child->why, "\n")] = '\0';
	close_all(fds, ARRAY_SIZE(fds));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_setf(
				e, -errno, "%s: %s", program, strerror(errno));
	child->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	return 0;
}

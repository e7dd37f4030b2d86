/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Process 1 of every enclave: the first program, whose hash the kernel holds.
 *
 *	init -- PROGRAM ARG0 [ARGS...]
 *
 * Starts PROGRAM as process 2 with the environment, working directory and
 * descriptors it was itself given, reaps whatever becomes its child, and ends
 * as PROGRAM ended: same exit code, or killed by the same signal. A program
 * that cannot be executed is 127 (not found) or 126, as with a shell.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOT_EXECUTABLE = 126, NOT_FOUND = 127 };

extern char **environ;

static pid_t start(const char *program, char **argv)
{
	volatile int error = 0;
	pid_t pid = vfork();

	if (pid == 0) {
		execve(program, argv, environ);
		error = errno;
		_exit(error == ENOENT ? NOT_FOUND : NOT_EXECUTABLE);
	}
	if (pid < 0)
		error = errno;
	if (error)
		fprintf(stderr, "sconce: %s: %s\n", program, strerror(error));
	return pid;
}

/* Ends this process the way a wait status says. */
static int end_as(int status)
{
	int signal_number;

	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	signal_number = WTERMSIG(status);
	signal(signal_number, SIG_DFL);
	raise(signal_number);
	return 128 + signal_number;
}

int main(int argc, char **argv)
{
	int status = 0;
	pid_t child, ended;

	if (argc < 4 || strcmp(argv[1], "--")) {
		fprintf(stderr,
			"sconce: init: wanted: -- PROGRAM ARG0 [ARGS]\n");
		return NOT_EXECUTABLE;
	}
	child = start(argv[2], argv + 3);
	if (child < 0)
		return NOT_EXECUTABLE;
	do {
		ended = waitpid(-1, &status, 0);
	} while (ended != child && !(ended < 0 && errno != EINTR));
	return ended == child ? end_as(status) : NOT_EXECUTABLE;
}

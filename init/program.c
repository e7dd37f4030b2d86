/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "init/program.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

pid_t program_start(const char *program, char **argv, char **envp)
{
	volatile int error = 0;
	pid_t pid = vfork();

	if (pid == 0) {
		/* What this process ignores, the program would inherit. */
		signal(SIGPIPE, SIG_DFL);
		execve(program, argv, envp);
		error = errno;
		_exit(error == ENOENT ? PROGRAM_NOT_FOUND
				      : PROGRAM_NOT_EXECUTABLE);
	}
	if (pid < 0)
		error = errno;
	if (error)
		fprintf(stderr, "sconce: %s: %s\n", program, strerror(error));
	return pid;
}

int program_end_as(int status)
{
	int signal_number;

	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	signal_number = WTERMSIG(status);
	signal(signal_number, SIG_DFL);
	raise(signal_number);
	return 128 + signal_number;
}

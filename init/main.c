/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Process 1 of enclaves that no CAS configures: the first program, whose hash
 * the kernel holds.
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
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init/program.h"

int main(int argc, char **argv)
{
	int status = 0;
	pid_t child, ended;

	if (argc < 4 || strcmp(argv[1], "--")) {
		fprintf(stderr,
			"sconce: init: wanted: -- PROGRAM ARG0 [ARGS]\n");
		return PROGRAM_NOT_EXECUTABLE;
	}
	child = program_start(argv[2], argv + 3, environ);
	if (child < 0)
		return PROGRAM_NOT_EXECUTABLE;
	do {
		ended = waitpid(-1, &status, 0);
	} while (ended != child && !(ended < 0 && errno != EINTR));
	return ended == child ? program_end_as(status) : PROGRAM_NOT_EXECUTABLE;
}

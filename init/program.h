/* SPDX-License-Identifier: Apache-2.0 */
/* Starting the program of an enclave, and ending as it ended. */
#pragma once

#include <sys/types.h>

enum { PROGRAM_NOT_EXECUTABLE = 126, PROGRAM_NOT_FOUND = 127 };

/*
 * Its process, or -1. One that cannot be executed is said so on standard error
 * and ends as with a shell, with PROGRAM_NOT_*.
 */
pid_t program_start(const char *program, char **argv, char **envp);

/* Ends this process the way a wait status says: by that signal, or the value
 * is what main() has to return. */
int program_end_as(int status);

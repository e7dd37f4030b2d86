/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding the program and looking at it before an enclave is made, so that
 * the usual mistakes get an answer that names them. The kernel in the enclave
 * judges the file again, and alone counts.
 */
#pragma once

#include "lib/err.h"
#include "lib/types.h"

/*
 * Looks @name up as a shell does: as it is if it has a '/', else along @path
 * (the value of PATH). *found is malloc'ed and absolute. 0; -ENOENT: not
 * found; -EACCES: found, but a directory or not executable.
 */
must_check int program_find(
	const char *name, const char *path, char **found, struct err *e);

/*
 * Pure: is this the beginning of something that can be executed? @head holds
 * the first @head_size bytes of a file of @file_size bytes: all of it, or at
 * least the ELF header and the program headers. 0 or -ENOEXEC.
 */
must_check int program_check(const char *name, const void *head,
	size_t head_size, uint64_t file_size, struct err *e);

/* program_check() of a file. 0, -ENOEXEC, or -errno if it cannot be read. */
must_check int program_check_file(const char *file, struct err *e);

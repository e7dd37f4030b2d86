/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --trace for people: the enclave writes a system call with plain numbers, here
 * the usual ones get their names.
 */
#pragma once

#include <stddef.h>

/* Writes text, which may begin and end anywhere in a line, to fd; what is no
 * system call stays as it is. One thread at a time. */
void trace_names_write(int fd, const char *text, size_t size);
/* One line, without its end, into out: at most room - 1 bytes. For tests. */
void trace_names_line(const char *line, char *out, size_t room);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors for people: one line that names the thing, what was seen, what was
 * wanted and, if there is one, the cure.
 *
 *	return err_set(e, -ENOEXEC, "/bin/x", "ELF machine 183",
 *		"62 (x86-64)", "use a program built for this machine");
 *
 * gives "/bin/x: ELF machine 183; wanted 62 (x86-64); use a program built for
 * this machine". Control bytes of foreign texts are shown as '?', so a message
 * stays one line.
 */
#pragma once

#include "lib/types.h"

struct err {
	int code; /* -errno, 0 if nothing was set */
	char text[512];
};

/* @wanted and @cure may be NULL. Returns @code. @e may be NULL. */
int err_set(struct err *e, int code, const char *thing, const char *seen,
	const char *wanted, const char *cure);

/* A free text; see lib/fmt.h for the conversions. Returns @code. */
int err_setf(struct err *e, int code, const char *format, ...)
	printf_like(3, 4);

/* Puts "text: " before the text that is there. Returns e's code. */
int err_prefix(struct err *e, const char *format, ...) printf_like(2, 3);

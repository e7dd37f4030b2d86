/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages to the operator and the end of the world.
 *
 * Messages carry neither arguments of system calls nor paths nor data of the
 * application in a production run (S-45); --trace is the exception and says
 * so at start.
 */
#pragma once

#include <stdbool.h>
#include <stdarg.h>
#include <stdint.h>

/* One line to the launcher's stderr, prefixed "sconce: ". May sleep: no;
 * the text is queued and leaves with the next exit. */
void klog(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* For the scheduler: is anything queued? Sends it (a sleep point). */
bool klog_pending(void);
void klog_flush(void);

/* Stops the whole enclave with a message; never returns. */
void panic(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), noreturn));

/* The host broke the protocol (-EPROTO): stops the enclave. */
void panic_host(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), noreturn));

/* The same with a code of abi/entry.h (PANIC_*). */
void klog_stop(uint64_t code, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0), noreturn));

#define ASSERT(cond)                                                        \
	do {                                                                \
		if (__builtin_expect(!(cond), 0))                           \
			panic("%s:%d: %s", __FILE_NAME__, __LINE__, #cond); \
	} while (0)

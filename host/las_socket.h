/* SPDX-License-Identifier: Apache-2.0 */
/* Where a quoting service stands: its lock, socket and signals. Internal to
 * host/las*.c. Each gives a descriptor, or -errno with the reason in e. */
#pragma once

#include "lib/err.h"

/* Longest addition to the path of the socket. */
enum { LAS_SUFFIX_MAX = 8 };

/*
 * PATH.lock, held as long as it is open: whoever is killed lets go of it. The
 * file stays, as somebody may wait on it. -EADDRINUSE: another one serves.
 */
must_check int las_socket_lock(const char *path, struct err *e);
/* Listens, with the lock held: a socket that is left there is replaced.
 * -EEXIST: something else is there. */
must_check int las_socket_listen(
	const char *path, unsigned mode, struct err *e);
/* SIGTERM and SIGINT, which must be blocked. */
must_check int las_socket_signals(struct err *e);

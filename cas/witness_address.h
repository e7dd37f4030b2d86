/* SPDX-License-Identifier: Apache-2.0 */
/* HOST:PORT, [V6]:PORT. */
#pragma once

#include <netdb.h>

#include "lib/err.h"

/* Splits; default_port if there is none, or -EINVAL if that is 0. */
must_check int witness_address_split(const char *text, unsigned default_port,
	char *host, size_t host_size, char *port, size_t port_size,
	struct err *e);
/* A listening socket; where it listens, with the port in figures. */
must_check int witness_address_listen(
	const char *text, int *fd, char *address, size_t size, struct err *e);
/* Asks the resolver, which may take its time. freeaddrinfo(*out). -ENOENT. */
must_check int witness_address_resolve(
	const char *text, struct addrinfo **out, struct err *e);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where to listen and whom to call, as text: HOST:PORT, [V6]:PORT. What runs in
 * enclaves takes numbers only, for it asks nobody for names; that is address.c,
 * which links without the resolver. The rest is address_listen.c.
 */
#pragma once

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "lib/err.h"

enum { ADDRESS_TEXT = 64 };

struct address {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	};
	socklen_t size;
	char text[ADDRESS_TEXT];
};

/* Splits; default_port if there is none, or -EINVAL if that is 0. */
must_check int address_split(const char *text, unsigned default_port,
	char *host, size_t host_size, char *port, size_t port_size,
	struct err *e);
/* A number: "192.0.2.1:18765" or "[2001:db8::1]:18765". 0 or -EINVAL. */
must_check int address_read(const char *text, struct address *a, struct err *e);

/* A listening socket that does not wait; where it listens, with the port in
 * figures ("HOST:0" takes any that is free). */
must_check int address_listen(const char *text, unsigned default_port, int *fd,
	char *address, size_t size, struct err *e);
/* Asks the resolver, which may take its time. freeaddrinfo(*out). -ENOENT. */
must_check int address_resolve(const char *text, unsigned default_port,
	struct addrinfo **out, struct err *e);

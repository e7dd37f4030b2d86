/* SPDX-License-Identifier: Apache-2.0 */
/* Numeric addresses as text: what an enclave takes, which asks nobody for
 * names. */
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "lib/err.h"

enum { LINK_ADDRESS_TEXT = 64 };

struct link_address {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	};
	socklen_t size;
	char text[LINK_ADDRESS_TEXT];
};

/* "192.0.2.1:18765" or "[2001:db8::1]:18765". 0 or -EINVAL. */
must_check int link_address_read(
	const char *text, struct link_address *a, struct err *e);

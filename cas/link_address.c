/* SPDX-License-Identifier: Apache-2.0 */
#include "cas/link_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

/* 1 to 65535 and nothing else; 0: it is not. */
static uint16_t read_port(const char *text)
{
	unsigned port = 0;

	for (const char *p = text; *p != '\0'; p++) {
		if (*p < '0' || *p > '9' || p - text > 4)
			return 0;
		port = 10 * port + (unsigned)(*p - '0');
	}
	return port <= 65535 ? (uint16_t)port : 0;
}

static bool read_host(const char *host, uint16_t port, struct link_address *a)
{
	if (inet_pton(AF_INET, host, &a->v4.sin_addr) == 1) {
		a->v4.sin_family = AF_INET;
		a->v4.sin_port = htons(port);
		a->size = sizeof(a->v4);
		return true;
	}
	if (inet_pton(AF_INET6, host, &a->v6.sin6_addr) == 1) {
		a->v6.sin6_family = AF_INET6;
		a->v6.sin6_port = htons(port);
		a->size = sizeof(a->v6);
		return true;
	}
	return false;
}

int link_address_read(const char *text, struct link_address *a, struct err *e)
{
	const char *colon = strrchr(text, ':');
	char host[LINK_ADDRESS_TEXT];
	size_t len = colon ? (size_t)(colon - text) : 0;
	uint16_t port = colon ? read_port(colon + 1) : 0;

	*a = (struct link_address){0};
	if (port && len > 0 && strlen(text) < sizeof(host)) {
		bool v6 = text[0] == '[' && text[len - 1] == ']';

		memcpy(host, text + v6, len - 2 * v6);
		host[len - 2 * v6] = '\0';
		strcpy(a->text, text);
		if (v6 == (strchr(host, ':') != NULL) &&
			read_host(host, port, a))
			return 0;
	}
	return err_setf(e, -EINVAL,
		"CAS address %s; wanted ADDRESS:PORT with a numeric address, "
		"as in 192.0.2.1:18765 or [2001:db8::1]:18765",
		text);
}

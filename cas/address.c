/* SPDX-License-Identifier: Apache-2.0 */
#include "cas/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/string.h"

static bool is_port(const char *text)
{
	unsigned v = 0;

	if (!*text || strlen(text) > 5)
		return false;
	for (const char *p = text; *p; p++) {
		if (*p < '0' || *p > '9')
			return false;
		v = v * 10 + (unsigned)(*p - '0');
	}
	return v <= UINT16_MAX;
}

static int malformed(const char *text, struct err *e)
{
	return err_set(e, -EINVAL, "address", text,
		"HOST:PORT, 10.0.0.1:18766, [::1]:18766", NULL);
}

int address_split(const char *text, unsigned default_port, char *host,
	size_t host_size, char *port, size_t port_size, struct err *e)
{
	const char *whole = text, *end, *rest;
	size_t size;

	if (text[0] == '[') {
		end = strchr(++text, ']');
		rest = end ? end + 1 : NULL;
	} else {
		end = strchr(text, ':');
		rest = end;
		if (!end) {
			end = text + strlen(text);
			rest = end;
		}
	}
	if (!end || end == text || (*rest && *rest != ':'))
		return malformed(whole, e);
	size = (size_t)(end - text);
	if (size >= host_size)
		return malformed(whole, e);
	memcpy(host, text, size);
	host[size] = '\0';
	if (*rest == ':')
		return is_port(rest + 1)
			? string_copy(port, port_size, rest + 1)
			: malformed(whole, e);
	if (!default_port)
		return malformed(whole, e);
	snprintf(port, port_size, "%u", default_port);
	return 0;
}

static bool read_number(
	const char *host, bool v6, uint16_t port, struct address *a)
{
	if (!v6 && inet_pton(AF_INET, host, &a->v4.sin_addr) == 1) {
		a->v4.sin_family = AF_INET;
		a->v4.sin_port = htons(port);
		a->size = sizeof(a->v4);
		return true;
	}
	if (v6 && inet_pton(AF_INET6, host, &a->v6.sin6_addr) == 1) {
		a->v6.sin6_family = AF_INET6;
		a->v6.sin6_port = htons(port);
		a->size = sizeof(a->v6);
		return true;
	}
	return false;
}

int address_read(const char *text, struct address *a, struct err *e)
{
	char host[ADDRESS_TEXT], port[8];

	*a = (struct address){0};
	if (string_copy(a->text, sizeof(a->text), text) == 0 &&
		address_split(text, 0, host, sizeof(host), port, sizeof(port),
			e) == 0) {
		uint16_t number = (uint16_t)strtoul(port, NULL, 10);

		if (number && read_number(host, text[0] == '[', number, a))
			return 0;
	}
	return err_setf(e, -EINVAL,
		"CAS address %s; wanted ADDRESS:PORT with a numeric address, "
		"as in 192.0.2.1:18765 or [2001:db8::1]:18765",
		text);
}

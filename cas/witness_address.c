/* SPDX-License-Identifier: Apache-2.0 */
#include "cas/witness_address.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cas/witness.h"
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

int witness_address_split(const char *text, unsigned default_port, char *host,
	size_t host_size, char *port, size_t port_size, struct err *e)
{
	const char *end, *rest;
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
		return malformed(text, e);
	size = (size_t)(end - text);
	if (size >= host_size)
		return malformed(text, e);
	memcpy(host, text, size);
	host[size] = '\0';
	if (*rest == ':') {
		if (!is_port(rest + 1))
			return malformed(text, e);
		return string_copy(port, port_size, rest + 1);
	}
	if (!default_port)
		return malformed(text, e);
	snprintf(port, port_size, "%u", default_port);
	return 0;
}

static int resolve(
	const char *text, bool passive, struct addrinfo **out, struct err *e)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = passive ? AI_PASSIVE : 0};
	char host[256], port[8];
	int rc = witness_address_split(
		text, WITNESS_PORT, host, sizeof(host), port, sizeof(port), e);

	*out = NULL;
	if (rc < 0)
		return rc;
	rc = getaddrinfo(host, port, &hints, out);
	return rc ? err_setf(e, -ENOENT, "%s: %s", text, gai_strerror(rc)) : 0;
}

int witness_address_resolve(
	const char *text, struct addrinfo **out, struct err *e)
{
	return resolve(text, false, out, e);
}

static void describe(int fd, char *address, size_t size)
{
	struct sockaddr_storage at;
	socklen_t at_size = sizeof(at);
	char host[128] = "?", port[8] = "?";

	if (getsockname(fd, (struct sockaddr *)&at, &at_size) == 0)
		(void)getnameinfo((struct sockaddr *)&at, at_size, host,
			sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV);
	snprintf(address, size, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host,
		port);
}

int witness_address_listen(
	const char *text, int *out, char *address, size_t size, struct err *e)
{
	struct addrinfo *list;
	int fd, one = 1, rc = resolve(text, true, &list, e);

	if (rc < 0)
		return rc;
	fd = socket(
		list->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) <
			0 ||
		bind(fd, list->ai_addr, list->ai_addrlen) < 0 ||
		listen(fd, SOMAXCONN) < 0)
		rc = err_setf(e, -errno, "%s: %s", text, strerror(errno));
	freeaddrinfo(list);
	if (rc < 0) {
		if (fd >= 0)
			close(fd);
		return rc;
	}
	describe(fd, address, size);
	*out = fd;
	return 0;
}

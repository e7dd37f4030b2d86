/* SPDX-License-Identifier: Apache-2.0 */
#include "cas/address.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/string.h"

static int resolve(const char *text, unsigned default_port, bool passive,
	struct addrinfo **out, struct err *e)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = passive ? AI_PASSIVE : 0};
	char host[256], port[8];
	int rc = address_split(
		text, default_port, host, sizeof(host), port, sizeof(port), e);

	*out = NULL;
	if (rc < 0)
		return rc;
	rc = getaddrinfo(host, port, &hints, out);
	return rc ? err_setf(e, -ENOENT, "%s: %s", text, gai_strerror(rc)) : 0;
}

int address_resolve(const char *text, unsigned default_port,
	struct addrinfo **out, struct err *e)
{
	return resolve(text, default_port, false, out, e);
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

int address_listen(const char *text, unsigned default_port, int *out,
	char *address, size_t size, struct err *e)
{
	struct addrinfo *list;
	int fd, one = 1, rc = resolve(text, default_port, true, &list, e);

	if (rc < 0)
		return rc;
	fd = socket(
		list->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	/* What is accepted inherits SO_KEEPALIVE: dead peers are noticed. */
	if (fd < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) <
			0 ||
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one)) <
			0 ||
		bind(fd, list->ai_addr, list->ai_addrlen) < 0 ||
		listen(fd, SOMAXCONN) < 0)
		rc = err_setf(e, -errno, "%s: cannot be listened on: %s", text,
			strerror(errno));
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

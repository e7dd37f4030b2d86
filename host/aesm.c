/* SPDX-License-Identifier: Apache-2.0 */
#include "host/aesm.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "host/aesm_wire.h"

enum {
	RETRY_MS = 20,
	QUOTE_HEAD = 436, /* up to and with signature_data_len */
	QUOTE_SIGNATURE_LEN = 432,
	REQUEST_ROOM = 1024,
};

/* One of our calls: where it goes, and until when it may take. */
struct call {
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int64_t deadline; /* ms, CLOCK_MONOTONIC */
	int timeout; /* ms */
	uint8_t *answer; /* of AESM_RESPONSE_MAX bytes */
	uint8_t key_id[AESM_KEY_ID_SIZE];
	struct err *e;
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- the socket ---- */

int aesm_address(const char *path, struct sockaddr_un *address)
{
	size_t len = strlen(path);

	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (len == 0 || len >= sizeof(address->sun_path))
		return -ENAMETOOLONG;
	memcpy(address->sun_path, path, len);
	if (path[0] == '@')
		address->sun_path[0] = '\0';
	return 0;
}

/* A connection, or -errno. */
static int try_connect(const char *path, int64_t deadline)
{
	struct sockaddr_un address;
	int fd, ret = aesm_address(path, &address);

	if (ret < 0)
		return ret;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* EAGAIN: many wait already to be let in. */
	while (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		ret = -errno;
		if (ret == -EINTR)
			continue;
		if (ret != -EAGAIN || now_ms() >= deadline) {
			close(fd);
			return ret == -EAGAIN ? -ETIMEDOUT : ret;
		}
		poll(NULL, 0, RETRY_MS);
	}
	return fd;
}

static int no_service(struct call *c, int ret)
{
	if (ret == -ETIMEDOUT)
		return err_setf(c->e, ret,
			"quoting service %s: lets nobody in for %d ms", c->path,
			c->timeout);
	return err_setf(c->e, -ENOENT,
		"quoting service %s: %s; start `sconce las` (or Intel's aesmd, "
		"on hardware), or name its socket in SCONCE_LAS",
		c->path, strerror(-ret));
}

static void set_path(struct call *c, const char *path)
{
	snprintf(c->path, sizeof(c->path), "%s", path);
}

/* Of the sockets that a node may have, the first with somebody behind it. */
static int connect_any(struct call *c)
{
	static const char *const known[] = {
		AESM_LAS_SOCKET, AESM_INTEL_SOCKET, AESM_INTEL_ABSTRACT};
	const char *dir = getenv("XDG_RUNTIME_DIR");
	int fd = -ENOENT;

	if (dir && dir[0] == '/' &&
		snprintf(c->path, sizeof(c->path), "%s/sconce/las.sock", dir) <
			(int)sizeof(c->path))
		fd = try_connect(c->path, c->deadline);
	for (size_t i = 0; i < ARRAY_SIZE(known) && fd < 0; i++) {
		set_path(c, known[i]);
		fd = try_connect(c->path, c->deadline);
	}
	if (fd < 0)
		set_path(c, AESM_LAS_SOCKET);
	return fd;
}

static int connect_service(struct call *c)
{
	int fd = c->path[0] ? try_connect(c->path, c->deadline)
			    : connect_any(c);

	return fd < 0 ? no_service(c, fd) : fd;
}

static int wait_for(struct call *c, int fd, short events)
{
	struct pollfd p = {fd, events, 0};

	for (;;) {
		int64_t left = c->deadline - now_ms();
		int n;

		if (left <= 0)
			return err_setf(c->e, -ETIMEDOUT,
				"quoting service %s: no answer within %d ms",
				c->path, c->timeout);
		n = poll(&p, 1, (int)left);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return err_setf(
				c->e, -EIO, "poll: %s", strerror(errno));
	}
}

/* Sends or receives all of it. */
static int transfer(
	struct call *c, int fd, bool sending, uint8_t *data, size_t size)
{
	size_t done = 0;

	while (done < size) {
		int ret = wait_for(c, fd, sending ? POLLOUT : POLLIN);
		ssize_t n;

		if (ret < 0)
			return ret;
		n = sending ? send(fd, data + done, size - done, MSG_NOSIGNAL)
			    : recv(fd, data + done, size - done, 0);
		if (n == 0 ||
			(n < 0 && (errno == ECONNRESET || errno == EPIPE)))
			return err_setf(c->e, -EPROTO,
				"quoting service %s: hung up %s", c->path,
				sending ? "on the request"
					: "before the answer was complete");
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return err_setf(c->e, -EIO, "quoting service %s: %s",
				c->path, strerror(errno));
		if (n > 0)
			done += (size_t)n;
	}
	return 0;
}

/* ---- one request ---- */

static int receive(struct call *c, int fd, uint32_t want, struct aesm_msg *out)
{
	uint32_t size;
	int ret = transfer(c, fd, false, (uint8_t *)&size, sizeof(size));

	if (ret < 0)
		return ret;
	size = le32toh(size);
	if (size == 0 || size > AESM_RESPONSE_MAX)
		return err_setf(c->e, -EPROTO,
			"quoting service %s: answer of %u bytes; wanted 1 to "
			"%d",
			c->path, size, AESM_RESPONSE_MAX);
	ret = transfer(c, fd, false, c->answer, size);
	if (ret < 0)
		return ret;
	ret = aesm_decode(c->answer, size, true, out);
	if (ret == 0 && out->message == AESM_UNSUPPORTED)
		return err_setf(c->e, -EIO,
			"quoting service %s: does not know request %u; it is "
			"too old",
			c->path, want);
	if (ret < 0 || out->message != want)
		return err_setf(c->e, -EPROTO,
			"quoting service %s: not an answer to request %u of "
			"the AESM protocol",
			c->path, want);
	return 0;
}

/* @request without its timeout. What out points to lasts until the next. */
static int ask(struct call *c, struct aesm_msg *request, struct aesm_msg *out)
{
	uint8_t frame[REQUEST_ROOM];
	int64_t left = c->deadline - now_ms();
	size_t size;
	int fd, ret;

	*out = (struct aesm_msg){0};
	aesm_put_number(request, AESM_F_TIMEOUT,
		(uint64_t)(left > 0 ? left : 1) * 1000);
	ret = aesm_encode(request, false, frame, sizeof(frame), &size);
	if (ret < 0)
		return err_setf(c->e, ret, "AESM request: %s", strerror(-ret));
	fd = connect_service(c);
	if (fd < 0)
		return fd;
	ret = transfer(c, fd, true, frame, size);
	if (ret == 0)
		ret = receive(c, fd, request->message, out);
	close(fd);
	return ret;
}

/* What the service says went wrong. */
static int refused(struct call *c, const struct aesm_msg *m)
{
	uint64_t code = m->value[AESM_F_ERROR];
	int ret = -EIO;

	if (code == AESM_BUSY || code == AESM_BACKEND_SERVER_BUSY)
		ret = -EBUSY;
	else if (code == AESM_INVALID_REPORT)
		ret = -EACCES;
	return err_setf(c->e, ret, "quoting service %s: %s (AESM error %lu)%s",
		c->path, aesm_code_text(code), (unsigned long)code,
		ret == -EACCES ? "; it must run on this machine and, if it is "
				 "emulated, as this user"
			       : "");
}

static int not_right(struct call *c, const char *what, size_t size)
{
	return err_setf(c->e, -EPROTO,
		"quoting service %s: answered with %s of %lu bytes", c->path,
		what, (unsigned long)size);
}

/* ---- the requests ---- */

/*
 * The key that the service signs quotes with: of those it has, one for ECDSA.
 * A service of Intel that has not loaded its quoting modules yet has none; it
 * loads them for the key it will have then.
 */
static int find_key(struct call *c)
{
	struct aesm_msg m = {.message = AESM_KEY_ID_NUM}, answer;
	const struct aesm_span *ids = &answer.span[AESM_F_KEY_ID];
	uint64_t count;
	int ret = ask(c, &m, &answer);

	memcpy(c->key_id, aesm_intel_key_id, sizeof(c->key_id));
	if (ret < 0)
		return ret == -EIO ? 0 : ret;
	count = answer.value[AESM_F_KEY_ID_NUM];
	if (answer.value[AESM_F_ERROR] || count == 0)
		return 0;
	if (count > AESM_KEY_IDS_MAX)
		return not_right(c, "more keys than any, ids", count);
	m = (struct aesm_msg){.message = AESM_KEY_IDS};
	aesm_put_number(&m, AESM_F_BUF_SIZE, count * AESM_KEY_ID_SIZE);
	ret = ask(c, &m, &answer);
	if (ret < 0)
		return ret == -EIO ? 0 : ret;
	if (answer.value[AESM_F_ERROR])
		return 0;
	if (!ids->data || ids->size != count * AESM_KEY_ID_SIZE)
		return not_right(c, "key ids", ids->size);
	for (size_t at = 0; at < ids->size; at += AESM_KEY_ID_SIZE) {
		if (!aesm_key_id_is_p256(ids->data + at))
			continue;
		memcpy(c->key_id, ids->data + at, AESM_KEY_ID_SIZE);
		return 0;
	}
	return err_setf(c->e, -EIO,
		"quoting service %s: has no key for ECDSA quotes (DCAP)",
		c->path);
}

static int init_quote(struct call *c, struct sgx_targetinfo *target)
{
	struct aesm_msg m = {.message = AESM_INIT_QUOTE_EX}, answer;
	const struct aesm_span *info = &answer.span[AESM_F_TARGET_INFO];
	int ret;

	aesm_put_bytes(&m, AESM_F_KEY_ID, c->key_id, sizeof(c->key_id));
	/* Without asking for the public key id, there is no target. */
	aesm_put_number(&m, AESM_F_WANT_PUB_KEY_ID, true);
	aesm_put_number(&m, AESM_F_BUF_SIZE, AESM_PUB_KEY_ID_SIZE);
	ret = ask(c, &m, &answer);
	if (ret < 0)
		return ret;
	if (answer.value[AESM_F_ERROR])
		return refused(c, &answer);
	if (info->size != sizeof(*target))
		return not_right(c, "a TARGETINFO", info->size);
	memcpy(target, info->data, sizeof(*target));
	return 0;
}

static int quote_size(struct call *c, uint64_t *size)
{
	struct aesm_msg m = {.message = AESM_QUOTE_SIZE_EX}, answer;
	int ret;

	aesm_put_bytes(&m, AESM_F_KEY_ID, c->key_id, sizeof(c->key_id));
	ret = ask(c, &m, &answer);
	if (ret < 0)
		return ret;
	if (answer.value[AESM_F_ERROR] == AESM_ATT_KEY_NOT_INITIALIZED)
		return -EAGAIN;
	if (answer.value[AESM_F_ERROR])
		return refused(c, &answer);
	*size = answer.value[AESM_F_QUOTE_SIZE];
	if (*size <= QUOTE_HEAD || *size > AESM_QUOTE_MAX)
		return not_right(c, "the size of quotes,", *size);
	return 0;
}

/* -EAGAIN: the service has no key now. */
static int get_quote(struct call *c, const struct sgx_report *report,
	void *quote, size_t capacity, size_t *size)
{
	struct aesm_msg m = {.message = AESM_GET_QUOTE_EX}, answer;
	const struct aesm_span *got = &answer.span[AESM_F_QUOTE];
	uint64_t room = 0;
	uint32_t rest;
	int ret = quote_size(c, &room);

	if (ret < 0)
		return ret;
	aesm_put_bytes(&m, AESM_F_REPORT, report, sizeof(*report));
	aesm_put_bytes(&m, AESM_F_KEY_ID, c->key_id, sizeof(c->key_id));
	aesm_put_number(&m, AESM_F_BUF_SIZE, room);
	ret = ask(c, &m, &answer);
	if (ret < 0)
		return ret;
	if (answer.value[AESM_F_ERROR] == AESM_ATT_KEY_NOT_INITIALIZED)
		return -EAGAIN;
	if (answer.value[AESM_F_ERROR])
		return refused(c, &answer);
	if (!got->data || got->size <= QUOTE_HEAD || got->size > room)
		return not_right(c, "a quote", got->size);
	/* Services fill all of the room; what the quote covers counts. */
	memcpy(&rest, got->data + QUOTE_SIGNATURE_LEN, sizeof(rest));
	rest = le32toh(rest);
	if (rest > got->size - QUOTE_HEAD)
		return not_right(c, "a quote that is cut off, it would be",
			(size_t)rest + QUOTE_HEAD);
	*size = QUOTE_HEAD + (size_t)rest;
	if (*size > capacity)
		return err_setf(c->e, -ENOSPC,
			"the quote has %lu bytes; there is room for %lu",
			(unsigned long)*size, (unsigned long)capacity);
	memcpy(quote, got->data, *size);
	return 0;
}

/* ---- the calls ---- */

static int timeout_ms(void)
{
	const char *text = getenv("SCONCE_LAS_TIMEOUT_MS");
	char *end;
	long ms = text ? strtol(text, &end, 10) : 0;

	return text && *text && *end == '\0' && ms > 0 &&
			ms <= AESM_TIMEOUT_MAX_MS
		? (int)ms
		: AESM_TIMEOUT_MS;
}

static int call_begin(struct call *c, const char *path, struct err *e)
{
	*c = (struct call){.timeout = timeout_ms(), .e = e};
	c->deadline = now_ms() + c->timeout;
	if (!path)
		path = getenv("SCONCE_LAS");
	if (path && path[0]) {
		if (strlen(path) >= sizeof(c->path))
			return err_setf(e, -ENOENT,
				"quoting service %s: a socket's path has less "
				"than %zu bytes",
				path, sizeof(c->path));
		set_path(c, path);
	}
	c->answer = malloc(AESM_RESPONSE_MAX);
	return c->answer ? find_key(c) : err_setf(e, -ENOMEM, "no memory");
}

int aesm_target(const char *path, struct sgx_targetinfo *target, struct err *e)
{
	struct call c;
	int ret = call_begin(&c, path, e);

	if (ret == 0)
		ret = init_quote(&c, target);
	free(c.answer);
	return ret;
}

int aesm_quote(const char *path, const struct sgx_report *report, void *quote,
	size_t capacity, size_t *size, struct err *e)
{
	struct sgx_targetinfo target;
	struct call c;
	int ret = call_begin(&c, path, e);

	if (ret == 0)
		ret = get_quote(&c, report, quote, capacity, size);
	if (ret == -EAGAIN) {
		/* Now it makes a key. With another quoting enclave the report
		 * would be for the wrong one. */
		ret = init_quote(&c, &target);
		if (ret == 0)
			ret = get_quote(&c, report, quote, capacity, size);
		if (ret == -EAGAIN || ret == -EACCES)
			ret = err_setf(e, -EAGAIN,
				"quoting service %s: has renewed its quoting "
				"enclave; the report must be made again",
				c.path);
	}
	free(c.answer);
	return ret;
}

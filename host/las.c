/* SPDX-License-Identifier: Apache-2.0 */
#include "host/las.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "host/aesm.h"
#include "host/las_socket.h"

enum { FULL_PAUSE_MS = 50 };

/*
 *	            own answer
 *	READ ------------------------> SEND --> gone
 *	   \                          /
 *	    -> FORWARD -> RECEIVE ----
 */
enum state {
	FREE,
	READ, /* the client's request */
	FORWARD, /* it goes to Intel's service */
	RECEIVE, /* that one's answer */
	SEND, /* the answer goes to the client */
};

/* A frame that comes or goes: done of size bytes, head included. */
struct frame {
	uint8_t *data;
	size_t size, done;
	uint8_t head[AESM_FRAME_HEAD];
};

struct client {
	enum state state;
	int fd, service; /* service: -1 but in FORWARD and RECEIVE */
	uint32_t message;
	int64_t since, deadline; /* ms */
	struct frame frame;
};

struct las {
	struct las_backend backend;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int listener, lock, signals;
	int64_t next_tick, paused_until;
	bool stopping;
	struct client client[LAS_CLIENTS];
	/* The listener, the signals, then those of polled[], without gaps: poll
	 * counts them all against RLIMIT_NOFILE. */
	struct pollfd poll[LAS_CLIENTS + 2];
	struct client *polled[LAS_CLIENTS];
	unsigned poll_count; /* of polled */
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- answers ---- */

int las_encode(const struct aesm_msg *m, uint8_t **frame, size_t *size)
{
	size_t room = 64 + AESM_FRAME_HEAD;
	int ret;

	for (unsigned i = 0; i < AESM_F_COUNT; i++)
		room += m->span[i].size + 16;
	*frame = malloc(room);
	if (!*frame)
		return -ENOMEM;
	ret = aesm_encode(m, true, *frame, room, size);
	if (ret < 0) {
		free(*frame);
		*frame = NULL;
	}
	return ret < 0 ? -EINVAL : 0;
}

int las_error(
	uint32_t message, enum aesm_code code, uint8_t **frame, size_t *size)
{
	struct aesm_msg m = {.message = message};

	aesm_put_number(&m, AESM_F_ERROR, code);
	return las_encode(&m, frame, size);
}

/* ---- clients ---- */

static void close_service(struct client *c)
{
	if (c->service >= 0)
		close(c->service);
	c->service = -1;
}

static void drop_frame(struct client *c)
{
	free(c->frame.data);
	c->frame = (struct frame){0};
}

static void drop(struct client *c)
{
	close_service(c);
	close(c->fd);
	drop_frame(c);
	c->state = FREE;
}

static void enter(struct client *c, enum state state, int64_t ms)
{
	c->state = state;
	c->frame.done = 0;
	c->deadline = now_ms() + ms;
}

static void send_answer(struct client *c, uint8_t *frame, size_t size)
{
	close_service(c);
	drop_frame(c);
	c->frame.data = frame;
	c->frame.size = size;
	enter(c, SEND, LAS_SEND_MS);
}

static void send_error(struct client *c, enum aesm_code code)
{
	uint8_t *frame;
	size_t size;

	if (las_error(c->message, code, &frame, &size) < 0)
		drop(c);
	else
		send_answer(c, frame, size);
}

static void forward(struct las *las, struct client *c)
{
	struct sockaddr_un address;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	c->service = fd;
	if (fd < 0 || aesm_address(las->backend.forward, &address) < 0 ||
		connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		send_error(c,
			fd >= 0 && errno == EAGAIN ? AESM_BUSY
						   : AESM_SERVICE_UNAVAILABLE);
		return;
	}
	enter(c, FORWARD, LAS_FORWARD_MS);
}

/* The request is complete. */
static void handle(struct las *las, struct client *c)
{
	struct aesm_msg request;
	uint8_t *frame = NULL;
	size_t size = 0;
	int ret = aesm_decode(c->frame.data + AESM_FRAME_HEAD,
		c->frame.size - AESM_FRAME_HEAD, false, &request);

	c->message = request.message;
	if (ret == -ENOTSUP) {
		/* Launch tokens, EPID and the like: of other times. */
		c->message = AESM_UNSUPPORTED;
		send_error(c, AESM_SERVICE_UNAVAILABLE);
		return;
	}
	if (ret < 0) {
		drop(c);
		return;
	}
	if (!las->backend.answer) {
		forward(las, c);
		return;
	}
	ret = las->backend.answer(las->backend.ctx, &request, &frame, &size);
	if (ret < 0)
		drop(c);
	else
		send_answer(c, frame, size);
}

/* What Intel's service said goes on if it is an answer to what was asked. */
static void handle_answer(struct client *c)
{
	struct aesm_msg answer;
	int ret = aesm_decode(c->frame.data + AESM_FRAME_HEAD,
		c->frame.size - AESM_FRAME_HEAD, true, &answer);
	uint8_t *frame = c->frame.data;
	size_t size = c->frame.size;

	if (ret < 0 ||
		(answer.message != c->message &&
			answer.message != AESM_UNSUPPORTED)) {
		send_error(c, AESM_SERVICE_UNAVAILABLE);
		return;
	}
	c->frame.data = NULL;
	send_answer(c, frame, size);
}

/* ---- input and output ---- */

/* 1: the frame is complete, 0: not yet, -errno: it will not be. */
static int read_frame(int fd, struct frame *f, size_t max)
{
	for (;;) {
		bool head = f->done < AESM_FRAME_HEAD;
		uint8_t *to = head ? f->head : f->data;
		size_t end = head ? AESM_FRAME_HEAD : f->size;
		ssize_t n = recv(fd, to + f->done, end - f->done, 0);

		if (n == 0)
			return -ECONNRESET;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		f->done += (size_t)n;
		if (head && f->done == AESM_FRAME_HEAD) {
			uint32_t size;

			memcpy(&size, f->head, sizeof(size));
			size = le32toh(size);
			if (size == 0 || size > max)
				return -EPROTO;
			f->size = AESM_FRAME_HEAD + size;
			f->data = malloc(f->size);
			if (!f->data)
				return -ENOMEM;
			memcpy(f->data, f->head, AESM_FRAME_HEAD);
		}
		if (f->data && f->done == f->size)
			return 1;
	}
}

/* As read_frame(). */
static int write_frame(int fd, struct frame *f)
{
	while (f->done < f->size) {
		ssize_t n = send(
			fd, f->data + f->done, f->size - f->done, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		f->done += (size_t)n;
	}
	return 1;
}

static void advance(struct las *las, struct client *c)
{
	int ret;

	switch (c->state) {
	case READ:
		ret = read_frame(c->fd, &c->frame, AESM_REQUEST_MAX);
		if (ret > 0)
			handle(las, c);
		else if (ret < 0)
			drop(c);
		break;
	case FORWARD:
		ret = write_frame(c->service, &c->frame);
		if (ret < 0) {
			send_error(c, AESM_SERVICE_UNAVAILABLE);
		} else if (ret > 0) {
			drop_frame(c);
			enter(c, RECEIVE, LAS_FORWARD_MS);
		}
		break;
	case RECEIVE:
		ret = read_frame(c->service, &c->frame, AESM_RESPONSE_MAX);
		if (ret > 0)
			handle_answer(c);
		else if (ret < 0)
			send_error(c, AESM_SERVICE_UNAVAILABLE);
		break;
	case SEND:
		if (write_frame(c->fd, &c->frame) != 0)
			drop(c);
		break;
	case FREE:
		break;
	}
}

static void expire(struct client *c)
{
	if (c->state == FORWARD || c->state == RECEIVE)
		send_error(c, AESM_SERVICE_UNAVAILABLE);
	else
		drop(c);
}

/* Nobody waits for what Intel's service will say. */
static bool has_left(const struct client *c)
{
	struct pollfd p = {c->fd, 0, 0};

	return (c->state == FORWARD || c->state == RECEIVE) &&
		poll(&p, 1, 0) > 0;
}

/*
 * A place for one more: a free one, of somebody who has gone, or of who takes
 * longest to say what he wants. NULL: all are being answered.
 */
static struct client *find_place(struct las *las)
{
	struct client *oldest = NULL;

	for (unsigned i = 0; i < LAS_CLIENTS; i++)
		if (las->client[i].state == FREE)
			return &las->client[i];
	for (unsigned i = 0; i < LAS_CLIENTS; i++) {
		struct client *c = &las->client[i];

		if (has_left(c)) {
			drop(c);
			return c;
		}
		if (c->state == READ && (!oldest || c->since < oldest->since))
			oldest = c;
	}
	if (oldest)
		drop(oldest);
	return oldest;
}

/* Somebody waits to be let in. */
static void let_in(struct las *las)
{
	struct client *c = find_place(las);
	int fd = -1;

	if (c)
		fd = accept4(las->listener, NULL, NULL,
			SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		/* Without a place, descriptors or memory: in a while. */
		if (!c ||
			(errno != EAGAIN && errno != EINTR &&
				errno != ECONNABORTED))
			las->paused_until = now_ms() + FULL_PAUSE_MS;
		return;
	}
	*c = (struct client){.fd = fd, .service = -1, .since = now_ms()};
	enter(c, READ, LAS_READ_MS);
	advance(las, c);
}

/* ---- the loop ---- */

static void set_poll(struct pollfd *p, const struct client *c)
{
	switch (c->state) {
	case FREE:
		break;
	case READ:
		*p = (struct pollfd){c->fd, POLLIN, 0};
		break;
	case FORWARD:
		*p = (struct pollfd){c->service, POLLOUT, 0};
		break;
	case RECEIVE:
		*p = (struct pollfd){c->service, POLLIN, 0};
		break;
	case SEND:
		*p = (struct pollfd){c->fd, POLLOUT, 0};
		break;
	}
}

/* Fills las->poll; returns how long to wait, -1: for ever. */
static int prepare(struct las *las)
{
	int64_t now = now_ms(), until = INT64_MAX;
	bool paused = las->paused_until > now;

	las->poll[0] = (struct pollfd){
		paused || las->stopping ? -1 : las->listener, POLLIN, 0};
	las->poll[1] = (struct pollfd){las->signals, POLLIN, 0};
	if (paused)
		until = las->paused_until;
	if (las->backend.tick && las->next_tick < until)
		until = las->next_tick;
	las->poll_count = 0;
	for (unsigned i = 0; i < LAS_CLIENTS; i++) {
		struct client *c = &las->client[i];

		if (c->state == FREE)
			continue;
		set_poll(&las->poll[2 + las->poll_count], c);
		las->polled[las->poll_count++] = c;
		if (c->deadline < until)
			until = c->deadline;
	}
	if (until == INT64_MAX)
		return -1;
	until = until > now ? until - now : 0;
	return until < 60000 ? (int)until : 60000;
}

/* Answers under way are finished; who has not asked yet need not. */
static void begin_stop(struct las *las)
{
	struct signalfd_siginfo info;

	while (read(las->signals, &info, sizeof(info)) > 0)
		;
	las->stopping = true;
	unlink(las->path);
	for (unsigned i = 0; i < LAS_CLIENTS; i++) {
		struct client *c = &las->client[i];

		if (c->state == READ)
			drop(c);
		else if (c->deadline > now_ms() + LAS_STOP_MS)
			c->deadline = now_ms() + LAS_STOP_MS;
	}
}

static bool busy(const struct las *las)
{
	for (unsigned i = 0; i < LAS_CLIENTS; i++)
		if (las->client[i].state != FREE)
			return true;
	return false;
}

static void serve_clients(struct las *las)
{
	for (unsigned i = 0; i < las->poll_count; i++) {
		struct client *c = las->polled[i];

		if (las->poll[2 + i].revents)
			advance(las, c);
		if (c->state != FREE && c->deadline <= now_ms())
			expire(c);
	}
}

int las_serve(struct las *las, struct err *e)
{
	while (!las->stopping || busy(las)) {
		int wait = prepare(las);
		int n = poll(las->poll, 2 + las->poll_count, wait);

		if (n < 0 && errno != EINTR && errno != ENOMEM)
			return err_setf(e, -errno, "poll: %s", strerror(errno));
		if (n < 0)
			continue;
		serve_clients(las);
		if (las->poll[1].revents)
			begin_stop(las);
		if (las->poll[0].revents && !las->stopping)
			let_in(las);
		if (las->backend.tick && las->next_tick <= now_ms()) {
			las->backend.tick(las->backend.ctx);
			las->next_tick = now_ms() + las->backend.tick_ms;
		}
	}
	return 0;
}

/* ---- the service ---- */

int las_new(struct las **out, const char *path, unsigned mode,
	const struct las_backend *backend, struct err *e)
{
	struct las *las = calloc(1, sizeof(*las));
	int ret;

	*out = NULL;
	if (!las)
		return err_setf(e, -ENOMEM, "no memory");
	las->backend = *backend;
	las->listener = las->lock = las->signals = -1;
	las->next_tick = now_ms() + backend->tick_ms;
	if (path[0] == '\0' || path[0] == '@' ||
		strlen(path) + LAS_SUFFIX_MAX > sizeof(las->path)) {
		free(las);
		return err_setf(e, -EINVAL,
			"%s: not the path of a file of at most %zu bytes", path,
			sizeof(las->path) - LAS_SUFFIX_MAX);
	}
	snprintf(las->path, sizeof(las->path), "%s", path);
	las->lock = las_socket_lock(path, e);
	ret = las->lock;
	if (ret >= 0)
		ret = las->signals = las_socket_signals(e);
	if (ret >= 0)
		ret = las->listener = las_socket_listen(path, mode, e);
	if (ret < 0)
		las_free(las);
	else
		*out = las;
	return ret < 0 ? ret : 0;
}

void las_free(struct las *las)
{
	if (!las)
		return;
	for (unsigned i = 0; i < LAS_CLIENTS; i++)
		if (las->client[i].state != FREE)
			drop(&las->client[i]);
	if (las->listener >= 0 && !las->stopping)
		unlink(las->path);
	if (las->listener >= 0)
		close(las->listener);
	if (las->signals >= 0)
		close(las->signals);
	/* Last: until then nobody takes the path. The file of the lock stays,
	 * as somebody may wait on it. */
	if (las->lock >= 0)
		close(las->lock);
	free(las);
}

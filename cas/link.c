/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections to CAS. What whoever answers says is believed only once the
 * handshake proved that it has the key; and then, too, it is decoded with care.
 */
#include "cas/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cas/address.h"
#include "cas/spki.h"
#include "lib/bytes.h"

enum { READ_SIZE = 64 * 1024 };

enum state { CONNECTING, HANDSHAKE, READY, BROKEN };

struct link {
	enum state state;
	int fd;
	bool want_write; /* TLS cannot go on before it could write */
	bool wrong_key;
	uint8_t key[LINK_KEY_SIZE], seen[LINK_KEY_SIZE];
	uint8_t binding[64];
	SSL_CTX *ctx;
	SSL *ssl;
	struct buf out, in;
	size_t sent; /* of out */
	size_t taken; /* of in: the reply given last */
	void *memory; /* of that reply */
	size_t memory_size;
	char address[ADDRESS_TEXT];
};

int64_t link_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The whole judgement of a certificate: the hash of its key. That its owner
 * has the private one is what the handshake shows next. */
static int judge(X509_STORE_CTX *store, void *arg)
{
	struct link *l = arg;
	X509 *cert = X509_STORE_CTX_get0_cert(store);
	bool good = spki_hash_of(cert, l->seen) == 0;

	l->wrong_key = good && CRYPTO_memcmp(l->seen, l->key, 32) != 0;
	if (!good || l->wrong_key) {
		X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
		return 0;
	}
	return 1;
}

static int make_tls(struct link *l, struct err *e)
{
	/* No configuration file, which would be the host's. */
	if (!OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG |
			    OPENSSL_INIT_NO_LOAD_SSL_STRINGS |
			    OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS |
			    OPENSSL_INIT_NO_ATEXIT,
		    NULL))
		return err_setf(e, -EIO, "OpenSSL does not start");
	l->ctx = SSL_CTX_new(TLS_client_method());
	if (!l->ctx || !SSL_CTX_set_min_proto_version(l->ctx, TLS1_3_VERSION) ||
		!SSL_CTX_set1_groups_list(l->ctx, "X25519:P-256"))
		return err_setf(e, -ENOMEM, "TLS does not start");
	SSL_CTX_set_security_level(l->ctx, 2);
	SSL_CTX_set_session_cache_mode(l->ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(l->ctx, SSL_OP_CLEANSE_PLAINTEXT);
	SSL_CTX_set_mode(l->ctx,
		SSL_MODE_ENABLE_PARTIAL_WRITE |
			SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
			SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_verify(l->ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(l->ctx, judge, l);
	l->ssl = SSL_new(l->ctx);
	if (!l->ssl || !SSL_set_fd(l->ssl, l->fd))
		return err_setf(e, -ENOMEM, "TLS does not start");
	return 0;
}

static int begin(struct link *l, const struct address *a, struct err *e)
{
	const int yes = 1;

	l->fd = socket(a->any.sa_family,
		SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return err_setf(e, -errno, "no socket: %s", strerror(errno));
	/* Best effort: slower without. */
	(void)setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	if (connect(l->fd, &a->any, a->size) < 0 && errno != EINPROGRESS)
		return err_setf(e, -errno, "CAS at %s: %s", l->address,
			strerror(errno));
	return make_tls(l, e);
}

int link_new(const char *address, const uint8_t key[static LINK_KEY_SIZE],
	struct link **out, struct err *e)
{
	struct address a;
	struct link *l;
	int ret = address_read(address, &a, e);

	if (ret < 0)
		return ret;
	l = calloc(1, sizeof(*l));
	if (!l)
		return err_setf(e, -ENOMEM, "no memory");
	l->fd = -1;
	l->in.secret = l->out.secret = true;
	memcpy(l->key, key, sizeof(l->key));
	strcpy(l->address, a.text);
	ret = begin(l, &a, e);
	if (ret < 0) {
		link_free(l);
		return ret;
	}
	*out = l;
	return 0;
}

static void forget_reply(struct link *l)
{
	if (l->memory) {
		OPENSSL_cleanse(l->memory, l->memory_size);
		free(l->memory);
	}
	l->memory = NULL;
	l->memory_size = 0;
	if (l->taken == 0)
		return;
	OPENSSL_cleanse(l->in.data, l->taken);
	memmove(l->in.data, l->in.data + l->taken, l->in.size - l->taken);
	/* What moved is there twice. */
	OPENSSL_cleanse(l->in.data + l->in.size - l->taken, l->taken);
	l->in.size -= l->taken;
	l->taken = 0;
	if (l->in.size == 0)
		buf_fini(&l->in);
}

void link_free(struct link *l)
{
	if (!l)
		return;
	forget_reply(l);
	buf_fini(&l->in);
	buf_fini(&l->out);
	if (l->ssl && l->state == READY)
		SSL_shutdown(l->ssl);
	SSL_free(l->ssl);
	SSL_CTX_free(l->ctx);
	if (l->fd >= 0)
		close(l->fd);
	OPENSSL_cleanse(l, sizeof(*l));
	free(l);
	ERR_clear_error();
}

int link_fd(const struct link *l)
{
	return l->fd;
}

short link_events(const struct link *l)
{
	short events = l->state == CONNECTING ? POLLOUT : POLLIN;

	if (l->want_write || (l->state == READY && l->sent < l->out.size))
		events |= POLLOUT;
	return events;
}

const char *link_address(const struct link *l)
{
	return l->address;
}

const uint8_t *link_binding(const struct link *l)
{
	return l->binding;
}

/* What SSL_get_error() says of a result: 0 if only patience is needed. */
static int tls_result(struct link *l, int result, struct err *e)
{
	int saved = errno, why = SSL_get_error(l->ssl, result);
	unsigned long code = ERR_peek_error();
	char wanted[2 * LINK_KEY_SIZE + 1], seen[2 * LINK_KEY_SIZE + 1];

	l->want_write = why == SSL_ERROR_WANT_WRITE;
	ERR_clear_error();
	if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
		return 0;
	if (l->wrong_key) {
		bytes_to_hex(l->key, LINK_KEY_SIZE, wanted);
		bytes_to_hex(l->seen, LINK_KEY_SIZE, seen);
		return err_setf(e, -EKEYREJECTED,
			"CAS at %s: its key is %s; wanted %s: this is not the "
			"CAS that was attested",
			l->address, seen, wanted);
	}
	if (why == SSL_ERROR_SYSCALL && saved != 0 && saved != EPIPE)
		return err_setf(e, -saved, "CAS at %s: %s", l->address,
			strerror(saved));
	if (why == SSL_ERROR_SSL && l->state == HANDSHAKE &&
		ERR_GET_REASON(code) != SSL_R_UNEXPECTED_EOF_WHILE_READING)
		return err_setf(e, -EPROTO,
			"CAS at %s: no TLS 1.3 handshake (OpenSSL %d); wanted "
			"CAS's port for enclaves",
			l->address, ERR_GET_REASON(code));
	return err_setf(
		e, -ECONNRESET, "CAS at %s: connection ended", l->address);
}

static int step_connect(struct link *l, struct err *e)
{
	struct pollfd p = {.fd = l->fd, .events = POLLOUT};
	socklen_t size = sizeof(int);
	int error = 0;

	if (poll(&p, 1, 0) <= 0 || !(p.revents & (POLLOUT | POLLERR | POLLHUP)))
		return 0;
	if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		error = errno;
	if (error)
		return err_setf(e, -error, "CAS at %s: %s", l->address,
			strerror(error));
	l->state = HANDSHAKE;
	return 1;
}

static int step_handshake(struct link *l, struct err *e)
{
	uint8_t exporter[WIRE_EXPORTER_SIZE];
	int ret;

	errno = 0;
	ERR_clear_error();
	ret = SSL_connect(l->ssl);
	if (ret != 1)
		return tls_result(l, ret, e);
	l->want_write = false;
	if (SSL_export_keying_material(l->ssl, exporter, sizeof(exporter),
		    WIRE_EXPORTER_LABEL, strlen(WIRE_EXPORTER_LABEL), NULL, 0,
		    0) != 1)
		return err_setf(e, -EIO, "no exporter");
	ret = wire_binding(exporter, l->binding);
	OPENSSL_cleanse(exporter, sizeof(exporter));
	if (ret < 0)
		return err_setf(e, ret, "no SHA-512");
	l->state = READY;
	return 1;
}

static int flush(struct link *l, struct err *e)
{
	int n;

	while (l->sent < l->out.size) {
		errno = 0;
		ERR_clear_error();
		n = SSL_write(l->ssl, l->out.data + l->sent,
			(int)u64_min(l->out.size - l->sent, 1 << 20));
		if (n <= 0)
			return tls_result(l, n, e);
		l->sent += (size_t)n;
		l->want_write = false;
	}
	buf_fini(&l->out);
	l->sent = 0;
	return 0;
}

int link_step(struct link *l, struct err *e)
{
	int ret = 1;

	if (l->state == CONNECTING)
		ret = step_connect(l, e);
	if (ret > 0 && l->state == HANDSHAKE)
		ret = step_handshake(l, e);
	if (ret > 0 && l->state == READY)
		ret = flush(l, e);
	if (l->state == BROKEN)
		return err_setf(
			e, -ECONNRESET, "CAS at %s: broken", l->address);
	if (ret < 0)
		l->state = BROKEN;
	return ret < 0 ? ret : l->state == READY;
}

/* Sleeps until the link can go on or `until`. */
static int sleep_until(struct link *l, int64_t until, struct err *e)
{
	struct pollfd p = {.fd = l->fd, .events = link_events(l)};
	int64_t left = until - link_now();

	if (left <= 0)
		return err_setf(
			e, -ETIMEDOUT, "CAS at %s: no answer", l->address);
	if (poll(&p, 1, (int)u64_min((uint64_t)left, 60000)) < 0 &&
		errno != EINTR)
		return err_setf(e, -errno, "poll: %s", strerror(errno));
	return 0;
}

int link_wait(struct link *l, unsigned timeout_ms, struct err *e)
{
	int64_t until = link_now() + timeout_ms;
	int ret;

	for (;;) {
		ret = link_step(l, e);
		if (ret != 0)
			return ret;
		ret = sleep_until(l, until, e);
		if (ret < 0)
			return ret;
	}
}

int link_send(struct link *l, const struct wire_request *r, struct err *e)
{
	return wire_put_request(r, &l->out, e);
}

static int decode(struct link *l, const struct bytes *payload,
	struct wire_reply *r, struct err *e)
{
	struct arena arena;
	int ret;

	l->memory_size = WIRE_ARENA_SIZE(payload->size);
	l->memory = malloc(l->memory_size);
	if (!l->memory)
		return err_setf(e, -ENOMEM, "no memory for a reply");
	arena_init(&arena, l->memory, l->memory_size);
	ret = wire_get_reply(r, payload->data, payload->size, &arena, e);
	/* What was not used needs no wiping, and is not touched. */
	l->memory_size = arena.used;
	l->taken = WIRE_HEAD_SIZE + payload->size;
	if (ret < 0) {
		err_prefix(e, "CAS at %s", l->address);
		l->state = BROKEN;
		return -EPROTO;
	}
	return 1;
}

int link_receive(struct link *l, struct wire_reply *r, struct err *e)
{
	static _Thread_local uint8_t chunk[READ_SIZE];
	struct bytes payload;
	int ret, n;

	forget_reply(l);
	ret = link_step(l, e);
	if (ret <= 0)
		return ret;
	for (;;) {
		ret = wire_frame(
			l->in.data, l->in.size, WIRE_REPLY_MAX, &payload);
		if (ret > 0)
			return decode(l, &payload, r, e);
		if (ret < 0) {
			l->state = BROKEN;
			return err_setf(e, -EPROTO,
				"CAS at %s: a reply of more than %d bytes",
				l->address, WIRE_REPLY_MAX);
		}
		errno = 0;
		ERR_clear_error();
		n = SSL_read(l->ssl, chunk, sizeof(chunk));
		if (n <= 0) {
			ret = tls_result(l, n, e);
			if (ret < 0)
				l->state = BROKEN;
			return ret;
		}
		buf_add(&l->in, chunk, (size_t)n);
		OPENSSL_cleanse(chunk, (size_t)n);
		if (buf_check(&l->in) < 0)
			return err_setf(e, -ENOMEM, "no memory for a reply");
	}
}

int link_call(struct link *l, const struct wire_request *r, unsigned timeout_ms,
	struct wire_reply *reply, struct err *e)
{
	int64_t until = link_now() + timeout_ms;
	int ret = link_send(l, r, e);

	if (ret < 0)
		return ret;
	for (;;) {
		ret = link_receive(l, reply, e);
		if (ret < 0)
			return ret;
		if (ret > 0 && reply->id == r->id)
			return 0;
		if (ret == 0)
			ret = sleep_until(l, until, e);
		if (ret < 0)
			return ret;
	}
}

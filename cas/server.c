/* SPDX-License-Identifier: Apache-2.0 */
#include "cas/server.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cas/address.h"
#include "cas/guard.h"
#include "cas/http.h"
#include "cas/join.h"
#include "cas/keypool.h"
#include "cas/keys.h"
#include "cas/origin.h"
#include "cas/verifier.h"
#include "lib/bytes.h"
#include "lib/string.h"

enum {
	MAX_CLIENTS = 8192, /* of each port, if there are descriptors */
	OWN_FILES = 64, /* descriptors for the database, witnesses, ... */
	CERTIFICATE_DAYS = 3650, /* its key is what counts */
	DAY = 86400,
	REFRESH = 60, /* s between looks at the collateral */
	PATH_SIZE = 1024,
	ADDRESS_SIZE = 256,
};

#define IDENTITY_SIZE (sizeof(KEYS_IDENTITY_ROW) - 1)

void server_say(const char *format, ...)
{
	char when[32] = "";
	time_t now = time(NULL);
	struct tm tm;
	va_list ap;

	if (gmtime_r(&now, &tm))
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	fprintf(stderr, "sconce-cas: %s ", when);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static void say(const char *text)
{
	server_say("%s", text);
}

uint64_t server_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int64_t now(void *arg)
{
	(void)arg;
	return (int64_t)time(NULL);
}

/* ---- sockets ---- */

int server_listen(const struct server *s, const char *address,
	evconnlistener_cb callback, void *arg, struct evconnlistener **out,
	struct err *e)
{
	char where[ADDRESS_SIZE];
	int fd, ret = address_listen(address, 0, &fd, where, sizeof(where), e);

	if (ret)
		return ret;
	*out = evconnlistener_new(s->base, callback, arg,
		LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	if (*out)
		return 0;
	close(fd);
	return err_setf(e, -ENOMEM, "%s: no memory", where);
}

unsigned server_bound(evutil_socket_t fd)
{
	struct sockaddr_storage at;
	socklen_t size = sizeof(at);
	char port[16] = "0";

	if (getsockname(fd, (struct sockaddr *)&at, &size) == 0)
		(void)getnameinfo((struct sockaddr *)&at, size, NULL, 0, port,
			sizeof(port), NI_NUMERICSERV);
	return (unsigned)strtoul(port, NULL, 10);
}

/* ---- TLS ---- */

/* Any certificate: TLS proves that the client has its key, and the key is all
 * that policies know of people. */
static int take_any(X509_STORE_CTX *ctx, void *arg)
{
	(void)arg;
	X509_STORE_CTX_set_error(ctx, X509_V_OK);
	return 1;
}

int server_tls(
	const struct server *s, bool clients, SSL_CTX **out, struct err *e)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (!ctx || !SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) ||
		!SSL_CTX_set_num_tickets(ctx, 0) ||
		!SSL_CTX_set1_groups_list(ctx, "X25519:P-256") ||
		SSL_CTX_use_certificate(ctx, s->certificate) != 1 ||
		SSL_CTX_use_PrivateKey(ctx, s->identity) != 1) {
		SSL_CTX_free(ctx);
		ERR_clear_error();
		return err_setf(e, -EIO, "TLS: libssl refuses the identity");
	}
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	if (clients) {
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
		SSL_CTX_set_cert_verify_callback(ctx, take_any, NULL);
	}
	*out = ctx;
	return 0;
}

/* ---- start ---- */

struct start {
	const struct server_options *o;
	struct server s;
	struct origin origin;
	struct guard *guard;
	struct keypool *pool;
	int wakeup; /* eventfd: the committer has news */
	bool durable;
	int durable_status;
};

static int state_path(
	const struct start *st, const char *name, char *out, struct err *e)
{
	int n = snprintf(out, PATH_SIZE, "%s/%s", st->o->state, name);

	return n > 0 && n < PATH_SIZE
		? 0
		: err_setf(e, -ENAMETOOLONG, "--state: the path is too long");
}

static void wake(void *arg)
{
	const struct start *st = arg;
	uint64_t one = 1;

	(void)!write(st->wakeup, &one, sizeof(one));
}

static int open_store(struct start *st, struct err *e)
{
	char path[PATH_SIZE];
	struct store_options o = {
		.path = path, .wakeup = wake, .wakeup_arg = st};
	int ret = state_path(st, "cas.db", path, e);

	if (ret)
		return ret;
	memcpy(o.key, st->origin.key, sizeof(o.key));
	ret = store_open(&o, false, &st->s.store, e);
	if (ret == -ENOENT)
		ret = store_open(&o, true, &st->s.store, e);
	string_wipe(&o.key, sizeof(o.key));
	return ret ? ret
		   : guard_new(&st->s, st->o, st->origin.key, &st->guard, e);
}

static void on_durable(void *arg, int status)
{
	struct start *st = arg;

	st->durable = true;
	st->durable_status = status;
}

/* Until what was submitted is durable; before there is an event loop. */
static int wait_durable(struct start *st)
{
	while (!st->durable) {
		uint64_t count;

		if (read(st->wakeup, &count, sizeof(count)) < 0 &&
			errno == EAGAIN)
			usleep(1000);
		store_complete(st->s.store);
	}
	return st->durable_status;
}

static int make_identity(struct start *st, struct err *e)
{
	struct buf row = {.secret = true};
	struct store_txn *x;
	int ret = keys_identity_make(&st->s.identity, e);

	if (!ret)
		ret = keys_identity_encode(st->s.identity, &row, e);
	if (ret)
		return ret;
	x = store_begin(st->s.store);
	store_put(x, STORE_META, KEYS_IDENTITY_ROW, IDENTITY_SIZE, row.data,
		row.size);
	store_audit(x, &(struct audit_event){.what = "cas.identity"});
	ret = store_submit(x, on_durable, st);
	buf_fini(&row);
	if (!ret)
		ret = wait_durable(st);
	return ret ? err_setf(e, ret, "the identity cannot be stored: %s",
			     strerror(-ret))
		   : 0;
}

static int open_identity(struct start *st, struct err *e)
{
	struct server *s = &st->s;
	struct keys_cert_spec spec = {.now = (int64_t)time(NULL),
		.valid_for = CERTIFICATE_DAYS * DAY};
	const void *row;
	uint64_t seq;
	size_t size;
	int ret;

	if (store_get(s->store, STORE_META, KEYS_IDENTITY_ROW, IDENTITY_SIZE,
		    &row, &size, &seq))
		ret = keys_identity_decode(row, size, &s->identity, e);
	else
		ret = make_identity(st, e);
	if (!ret)
		ret = keys_identity_hash(s->identity, s->identity_hash, e);
	if (!ret)
		ret = keys_certificate(s->identity, &spec, &s->certificate, e);
	s->cluster_key = st->origin.key;
	return ret;
}

/* The fact that CAS runs is a record as well: evidence is in the log's hands
 * from here on. */
static int say_started(struct start *st, struct err *e)
{
	struct store_txn *x = store_begin(st->s.store);
	int ret;

	store_audit(x,
		&(struct audit_event){.what = "cas.start",
			.object = SCONCE_VERSION,
			.actor = st->s.identity_hash});
	if (st->origin.what)
		store_audit(x,
			&(struct audit_event){.what = st->origin.what,
				.object = st->origin.how,
				.actor = st->s.identity_hash});
	ret = store_submit(x, NULL, NULL);
	return ret ? err_setf(e, ret, "the log cannot be written: %s",
			     strerror(-ret))
		   : 0;
}

/* Rows are in memory, and so is what is made of them: a quarter of it. Accounts
 * are free, and so are name spaces; no limit of one of them is a limit. */
static uint64_t bytes_max(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);

	return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size / 4 : 0;
}

static int open_engine(struct start *st, struct err *e)
{
	struct server *s = &st->s;
	struct engine_options o = {.store = s->store,
		.bytes_max = bytes_max(),
		.verify = verifier_check,
		.now = now,
		.has_owner_key = st->o->has_owner,
		.ready_key = keypool_take};
	int ret = keypool_new(2, &st->pool, e);

	if (!ret)
		ret = verifier_new(
			st->o->collateral, st->o->emulated, &s->verifier, e);
	if (ret)
		return ret;
	o.verify_arg = s->verifier;
	o.ready_key_arg = st->pool;
	memcpy(o.identity, s->identity_hash, sizeof(o.identity));
	memcpy(o.owner_key, st->o->owner, sizeof(o.owner_key));
	return engine_new(&o, &s->engine, e);
}

/* ---- the loop ---- */

static void on_wakeup(evutil_socket_t fd, short what, void *arg)
{
	struct start *st = arg;
	uint64_t count;

	(void)what;
	(void)!read(fd, &count, sizeof(count));
	store_complete(st->s.store);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct start *st = arg;
	static unsigned ticks;

	(void)fd;
	(void)what;
	if (!st->s.frozen)
		engine_tick(st->s.engine);
	if (++ticks % REFRESH == 0)
		verifier_refresh(st->s.verifier, say);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
	struct start *st = arg;

	(void)number;
	(void)what;
	event_base_loopbreak(st->s.base);
}

/* Both ports are open: the file for those who started this program. */
static int say_ready(const struct start *st, struct err *e)
{
	char key[65], path[PATH_SIZE];
	FILE *f;
	int n;

	bytes_to_hex(st->s.identity_hash, 32, key);
	server_say("key %s, people on port %u, enclaves on port %u", key,
		http_number(st->s.http), port_number(st->s.port));
	if (!st->o->ready)
		return 0;
	n = snprintf(path, sizeof(path), "%s.new", st->o->ready);
	f = n > 0 && n < PATH_SIZE ? fopen(path, "we") : NULL;
	if (f)
		fprintf(f,
			"{\"key\": \"%s\", \"port\": %u, "
			"\"enclave_port\": %u}\n",
			key, http_number(st->s.http), port_number(st->s.port));
	if (!f || fclose(f) || rename(path, st->o->ready))
		return err_setf(e, -errno, "--ready %s: %s", st->o->ready,
			strerror(errno));
	return 0;
}

static int loop(struct start *st, struct err *e)
{
	struct event_base *base = st->s.base;
	struct event *events[] = {
		event_new(
			base, st->wakeup, EV_READ | EV_PERSIST, on_wakeup, st),
		event_new(base, -1, EV_PERSIST, on_tick, st),
		evsignal_new(base, SIGTERM, on_signal, st),
		evsignal_new(base, SIGINT, on_signal, st),
	};
	struct timeval second = {.tv_sec = 1};
	int ret = say_ready(st, e);

	for (size_t i = 0; i < ARRAY_SIZE(events) && !ret; i++)
		if (!events[i] || event_add(events[i], i == 1 ? &second : NULL))
			ret = err_setf(e, -ENOMEM, "events: no memory");
	if (!ret && event_base_dispatch(base) < 0)
		ret = err_setf(e, -EIO, "the event loop failed");
	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		if (events[i])
			event_free(events[i]);
	return ret;
}

static void stop(struct start *st)
{
	struct server *s = &st->s;

	/* The engine's answers go through the ports, so it ends first. */
	engine_free(s->engine);
	port_free(s->port);
	http_free(s->http);
	store_close(s->store);
	giver_free(s);
	guard_free(st->guard);
	verifier_free(s->verifier);
	keypool_free(st->pool);
	X509_free(s->certificate);
	EVP_PKEY_free(s->identity);
	if (s->base)
		event_base_free(s->base);
	if (st->wakeup >= 0)
		close(st->wakeup);
	string_wipe(&st->origin, sizeof(st->origin));
	free(st);
}

/* Clients of each port: a listener that has no descriptors left would turn in
 * circles. */
static unsigned max_clients(void)
{
	struct rlimit files;
	rlim_t room;

	if (getrlimit(RLIMIT_NOFILE, &files))
		return MAX_CLIENTS;
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
	if (getrlimit(RLIMIT_NOFILE, &files) ||
		files.rlim_cur >= 2 * MAX_CLIENTS + OWN_FILES)
		return MAX_CLIENTS;
	room = files.rlim_cur > 2 * OWN_FILES ? files.rlim_cur - OWN_FILES
					      : OWN_FILES;
	return (unsigned)(room / 2);
}

static int prepare(struct start *st, struct err *e)
{
	struct server *s = &st->s;

	s->base = event_base_new();
	st->wakeup = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!s->base || st->wakeup < 0)
		return err_setf(e, -ENOMEM, "start: no memory");
	s->limits.rate = st->o->rate;
	s->limits.burst = st->o->burst;
	s->max_clients = max_clients();
	s->witness = st->o->witness;
	s->witnesses = st->o->witnesses;
	s->state = st->o->state;
	s->routes = http_routes;
	(void)signal(SIGPIPE, SIG_IGN);
	return 0;
}

int server_run(const struct server_options *o, struct err *e)
{
	struct start *st = calloc(1, sizeof(*st));
	int ret;

	if (!st)
		return err_setf(e, -ENOMEM, "start: no memory");
	st->o = o;
	st->wakeup = -1;
	ret = prepare(st, e);
	if (!ret)
		ret = origin_find(&st->s, o, &st->origin, e);
	if (!ret)
		ret = open_store(st, e);
	if (!ret)
		ret = open_identity(st, e);
	if (!ret)
		ret = say_started(st, e);
	if (!ret)
		ret = open_engine(st, e);
	if (!ret)
		ret = http_new(&st->s, o->listen, &st->s.http, e);
	if (!ret)
		ret = port_new(&st->s, o->enclave_listen, &st->s.port, e);
	if (!ret)
		ret = loop(st, e);
	stop(st);
	return ret;
}

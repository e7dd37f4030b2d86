/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program around the engine: one event loop, two ports.
 *
 *	server.c	start, identity, timers, end
 *	http.c, api*.c	REST for people and machines, mutual TLS 1.3 (8081)
 *	port.c		enclaves: CBOR in TLS 1.3 (18765)
 *	evidence.c	what CAS says of itself
 *	origin.c	where the cluster key comes from; recovering.c
 *	giver.c, join.c	hand-over to a successor
 *	guard.c		who guards the store's freshness; permit.c
 *
 * Everything but the committer of the store and the maker of RSA keys runs in
 * the loop's thread.
 */
#pragma once

#include <event2/event.h>
#include <event2/listener.h>
#include <openssl/ssl.h>

#include "cas/engine.h"
#include "cas/limits.h"
#include "cas/store.h"
#include "cas/witness.h"

struct verifier;
struct recovering;
struct giver;
struct http_route;
struct http;
struct port;

struct server_options {
	const char *state; /* folder of the database */
	bool native; /* may run outside of an enclave */
	const char *listen, *enclave_listen; /* ADDRESS:PORT */
	const char *collateral; /* folder; NULL: none */
	bool emulated; /* roots of emulated platforms are taken */
	struct witness_address witness[WITNESS_MAX];
	unsigned witnesses;
	bool has_owner;
	uint8_t owner[32]; /* hash of the only key that may provision */
	uint64_t rate, burst; /* requests a second for each client */
	/* Of a first start: see cas/origin.h. */
	bool recover; /* wait for recovery shares */
	const char *join; /* ADDRESS:PORT=KEY: who hands over; or NULL */
	const char *restore; /* copy of the database; or NULL */
	const char *permit; /* what the owner signed, as JSON; or NULL */
	const char *ready; /* file that gets the addresses when both listen */
};

struct server {
	struct event_base *base;
	struct engine *engine;
	struct store *store;
	struct verifier *verifier;
	EVP_PKEY *identity;
	X509 *certificate;
	uint8_t identity_hash[32]; /* SHA-256 of DER SubjectPublicKeyInfo */
	uint8_t cluster[32];
	const struct witness_address *witness; /* of the options */
	unsigned witnesses;
	const char *state; /* folder */
	const uint8_t *cluster_key;
	unsigned epoch; /* cas/guard.h */
	bool given; /* the cluster key was not made here: cas/origin.h */
	bool in_enclave;
	uint8_t backup[32]; /* SHA-256 of the copy that can be fetched */
	/* While a successor is served: nothing may change any more. */
	struct giver *giver;
	bool frozen;
	/* While it has no key: */
	struct recovering *recovering;
	const uint8_t *recovery_key; /* X25519, 32 bytes */
	const struct http_route *routes; /* what is served now */
	struct limits limits;
	struct http *http;
	struct port *port;
	unsigned max_clients; /* connections of each port */
};

/* Runs until SIGTERM or SIGINT. 0, or -errno with the reason in e if it could
 * not start. */
must_check int server_run(const struct server_options *o, struct err *e);

/* Milliseconds that only go forward. */
uint64_t server_ms(void);
/* address: HOST:PORT, as address_listen() takes it. evconnlistener_free(*out).
 */
must_check int server_listen(const struct server *s, const char *address,
	evconnlistener_cb callback, void *arg, struct evconnlistener **out,
	struct err *e);
/* A line on standard error, with the time; never of secrets. */
void server_say(const char *format, ...) printf_like(1, 2);

/* TLS 1.3 with the identity's certificate, without tickets. clients: their
 * certificates are asked for; any key will do, who may what is decided by it.
 */
must_check int server_tls(
	const struct server *s, bool clients, SSL_CTX **out, struct err *e);
/* The port that a socket listens on. */
unsigned server_bound(evutil_socket_t fd);
/* SHA-256 and size of a file. 0 or -errno. */
must_check int server_file_hash(
	const char *path, uint8_t hash[static 32], uint64_t *size);

/* ---- port.c ---- */
must_check int port_new(struct server *s, const char *address,
	struct port **out, struct err *e);
void port_free(struct port *p);
unsigned port_clients(const struct port *p);
/* The port that is listened on (an address may say 0). */
unsigned port_number(const struct port *p);

/* ---- http.c ---- */
must_check int http_new(struct server *s, const char *address,
	struct http **out, struct err *e);
void http_free(struct http *h);
unsigned http_number(const struct http *h);

/* ---- evidence.c ---- */
/* "none", "tpm", "quorum". */
const char *server_freshness_name(enum freshness_kind kind);
/*
 * JSON that says what this CAS is: key, cluster, version, protection against
 * rollback, head of the log, the caller's nonce; and evidence of the enclave
 * whose report data is SHA-512("sconce-cas-attestation-1" NUL || that JSON).
 * Outside of enclaves there is none, and "evidence" is null.
 */
must_check int evidence_of_server(const struct server *s, const char *nonce,
	struct buf *out, struct err *e);

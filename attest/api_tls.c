/* SPDX-License-Identifier: Apache-2.0 */
/* OpenSSL's part: verification of a peer, and certificates of one's own. */
#include "attest/api_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/rand.h>
#include <openssl/ssl.h>

/* What is kept with a connection. */
struct peer {
	struct sconce_verdict verdict;
	bool judged;
	char error[512]; /* as in struct err */
};

static int ctx_index = -1, ssl_index = -1;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void free_verifier(void *parent, void *ptr, CRYPTO_EX_DATA *ad,
	int index, long argl, void *argp)
{
	sconce_verifier_free(ptr);
}

static void free_peer(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int index,
	long argl, void *argp)
{
	free(ptr);
}

static void make_indices(void)
{
	ctx_index = SSL_CTX_get_ex_new_index(
		0, NULL, NULL, NULL, free_verifier);
	ssl_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, free_peer);
}

/* The connection's place for the outcome, emptied; NULL: no memory. */
static struct peer *peer_of(SSL *ssl)
{
	struct peer *p = SSL_get_ex_data(ssl, ssl_index);

	if (p) {
		memset(p, 0, sizeof(*p));
		return p;
	}
	p = calloc(1, sizeof(*p));
	if (p && SSL_set_ex_data(ssl, ssl_index, p) != 1) {
		free(p);
		return NULL;
	}
	return p;
}

/*
 * libssl resumes a session only where its id context is the same. One of its
 * own for this context: sessions that another one made, or this one before it
 * required anything, are none of its peers' (a client is given sessions by its
 * program, whatever the cache does).
 */
static bool separate_sessions(SSL_CTX *ctx)
{
	uint8_t id[SSL_MAX_SID_CTX_LENGTH];

	return RAND_bytes(id, sizeof(id)) == 1 &&
		SSL_CTX_set_session_id_context(ctx, id, sizeof(id)) == 1;
}

/* And one that nobody has for the session of this connection, so that it is
 * not resumed where it was made either. */
static bool end_session(SSL *ssl)
{
	SSL_SESSION *session = SSL_get_session(ssl);
	uint8_t id[SSL_MAX_SID_CTX_LENGTH];

	return session && RAND_bytes(id, sizeof(id)) == 1 &&
		SSL_SESSION_set1_id_context(session, id, sizeof(id)) == 1;
}

/* In place of X509_verify_cert(): certificates of RA-TLS have no chain. */
static int verify_peer(X509_STORE_CTX *store, void *arg)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(
		store, SSL_get_ex_data_X509_STORE_CTX_idx());
	X509 *cert = X509_STORE_CTX_get0_cert(store);
	struct peer *p = ssl ? peer_of(ssl) : NULL;
	struct err e = {0};
	int rc;

	if (!p || !cert) {
		X509_STORE_CTX_set_error(store, X509_V_ERR_OUT_OF_MEM);
		return 0;
	}
	rc = end_session(ssl)
		? api_verify_certificate(arg, cert, &p->verdict, &e)
		: err_setf(&e, -EIO, "libssl has no session to be ended");
	p->judged = rc == 0 || rc == -EKEYREJECTED;
	memcpy(p->error, e.text, sizeof(p->error));
	X509_STORE_CTX_set_error(
		store, rc ? X509_V_ERR_APPLICATION_VERIFICATION : X509_V_OK);
	return rc == 0;
}

api_public int sconce_tls_require(
	SSL_CTX *ctx, struct sconce_verifier *v, struct sconce_error *e)
{
	struct err err = {0};
	struct sconce_verifier *old;

	pthread_once(&once, make_indices);
	if (ctx_index < 0 || ssl_index < 0) {
		err_setf(&err, -ENOMEM, "out of memory");
		return api_error(e, &err);
	}
	old = SSL_CTX_get_ex_data(ctx, ctx_index);
	api_verifier_ref(v);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1 ||
		!separate_sessions(ctx) ||
		SSL_CTX_set_ex_data(ctx, ctx_index, v) != 1) {
		sconce_verifier_free(v);
		err_setf(&err, -EIO, "libssl takes no verifier");
		return api_error(e, &err);
	}
	sconce_verifier_free(old);
	SSL_CTX_set_verify(
		ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, verify_peer, v);
	/* A session that is resumed brings no certificate: what it rests on
	 * may have been revoked since. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	SSL_CTX_set_num_tickets(ctx, 0);
	return api_error(e, &err);
}

static const struct peer *known_peer(const SSL *ssl)
{
	return ssl_index < 0 ? NULL : SSL_get_ex_data(ssl, ssl_index);
}

api_public const struct sconce_verdict *sconce_tls_verdict(const SSL *ssl)
{
	const struct peer *p = known_peer(ssl);

	return p && p->judged ? &p->verdict : NULL;
}

api_public const char *sconce_tls_error(const SSL *ssl)
{
	const struct peer *p = known_peer(ssl);

	return p ? p->error : "";
}

struct quoting {
	sconce_quote_fn *quote;
	void *arg;
};

static int call_quote(void *arg,
	const uint8_t report_data[static RATLS_REPORT_DATA], void **evidence,
	size_t *size, struct err *e)
{
	struct quoting *q = arg;
	unsigned char *data = NULL;
	int rc = q->quote(q->arg, report_data, &data, size);

	if (rc)
		return err_setf(e, rc < 0 ? rc : -EIO,
			"the platform gave no evidence: %s",
			strerror(rc < 0 ? -rc : EIO));
	*evidence = data;
	return data ? 0 : err_setf(e, -EIO, "the platform gave no evidence");
}

api_public int sconce_certificate_new(
	const struct sconce_certificate_spec *spec, sconce_quote_fn *quote,
	void *arg, X509 **out, struct sconce_error *e)
{
	struct quoting q = {quote, arg};
	struct err err = {0};

	if (spec->size < sizeof(*spec)) {
		err_setf(&err, -EINVAL,
			"struct sconce_certificate_spec of %zu bytes; wanted "
			"%zu",
			spec->size, sizeof(*spec));
		return api_error(e, &err);
	}
	const struct ratls_spec inner = {
		.key = spec->key,
		.from = spec->not_before,
		.until = spec->not_after,
		.common_name = spec->common_name,
		.nonce = {spec->nonce, spec->nonce ? spec->nonce_size : 0},
		.forms = spec->forms,
	};

	*out = NULL;
	(void)!ratls_make(&inner, call_quote, &q, out, &err);
	return api_error(e, &err);
}

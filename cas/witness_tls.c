/* SPDX-License-Identifier: Apache-2.0 */
#include "cas/witness_tls.h"

#include <errno.h>

#include <openssl/err.h>
#include <openssl/x509.h>

#include "cas/spki.h"

EVP_PKEY *witness_tls_key(const uint8_t seed[static WITNESS_KEY_SIZE])
{
	return EVP_PKEY_new_raw_private_key(
		EVP_PKEY_ED25519, NULL, seed, WITNESS_KEY_SIZE);
}

/* The least that TLS takes. Nobody looks at it, but for the key. */
static X509 *certificate(EVP_PKEY *key)
{
	const EVP_MD *md = EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256();
	X509 *x = X509_new();
	X509_NAME *name = x ? X509_get_subject_name(x) : NULL;

	if (x && X509_set_version(x, X509_VERSION_3) == 1 &&
		ASN1_INTEGER_set(X509_get_serialNumber(x), 1) == 1 &&
		ASN1_TIME_set_string_X509(
			X509_getm_notBefore(x), "20200101000000Z") == 1 &&
		ASN1_TIME_set_string_X509(
			X509_getm_notAfter(x), "99991231235959Z") == 1 &&
		X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
			(const uint8_t *)"sconce-witness", -1, -1, 0) == 1 &&
		X509_set_issuer_name(x, name) == 1 &&
		X509_set_pubkey(x, key) == 1 && X509_sign(x, key, md) > 0)
		return x;
	X509_free(x);
	return NULL;
}

/* That the peer has the key which its certificate shows, the handshake proves.
 * Whether it is the right one the caller asks witness_tls_peer(). */
static int any_certificate(X509_STORE_CTX *store, void *arg)
{
	(void)store;
	(void)arg;
	return 1;
}

SSL_CTX *witness_tls_context(EVP_PKEY *key, bool server, struct err *e)
{
	SSL_CTX *c = SSL_CTX_new(
		server ? TLS_server_method() : TLS_client_method());
	char groups[] = "X25519:P-256"; /* the macro takes no const */
	X509 *x = certificate(key);
	bool ok;

	ok = c && x && SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION) == 1 &&
		SSL_CTX_set_num_tickets(c, 0) == 1 &&
		SSL_CTX_set1_groups_list(c, groups) == 1 &&
		SSL_CTX_use_certificate(c, x) == 1 &&
		SSL_CTX_use_PrivateKey(c, key) == 1;
	X509_free(x);
	if (!ok) {
		SSL_CTX_free(c);
		ERR_clear_error();
		err_setf(e, -EIO, "TLS context: libssl failed");
		return NULL;
	}
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(c, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_mode(c,
		SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
			SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_max_cert_list(c, 4096);
	SSL_CTX_set_verify(
		c, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_cert_verify_callback(c, any_certificate, NULL);
	return c;
}

int witness_tls_peer(const SSL *tls, uint8_t hash[static WITNESS_HASH_SIZE])
{
	X509 *x = SSL_get0_peer_certificate(tls);

	return spki_hash_of(x, hash);
}

static int outcome(SSL *tls, int rc, bool *want_write)
{
	int why;

	*want_write = false;
	if (rc > 0)
		return rc;
	why = SSL_get_error(tls, rc);
	*want_write = why == SSL_ERROR_WANT_WRITE;
	ERR_clear_error();
	if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
		return 0;
	return -ECONNRESET;
}

int witness_tls_read(SSL *tls, void *data, size_t size, bool *want_write)
{
	ERR_clear_error();
	return outcome(tls, SSL_read(tls, data, (int)size), want_write);
}

int witness_tls_write(SSL *tls, const void *data, size_t size, bool *want_write)
{
	ERR_clear_error();
	return outcome(tls, SSL_write(tls, data, (int)size), want_write);
}

int witness_tls_handshake(SSL *tls, bool *want_write)
{
	ERR_clear_error();
	return outcome(tls, SSL_do_handshake(tls), want_write);
}

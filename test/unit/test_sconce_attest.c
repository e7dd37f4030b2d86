/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The public functions: verifiers, verdicts, and TLS 1.3 between a client and
 * a server in this process, with evidence of a generated platform.
 */
#include "test/unit/unit.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "include/sconce/attest.h"
#include "test/unit/snp_platform.h"

#define HEX23 "5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c"
#define POLICY(measurement) "measurements: {measurement: " measurement "}\n"
#define GOOD POLICY(HEX23 HEX23 "5c5c")
#define H32 "0000000000000000000000000000000000000000000000000000000000000000"
#define OTHER POLICY(HEX23 HEX23 "5c5d")

static struct snp_platform platform;

static int setup(void **state)
{
	snp_platform_init(&platform);
	return 0;
}

static int teardown(void **state)
{
	snp_platform_fini(&platform);
	return 0;
}

static int quote(void *arg, const unsigned char report_data[64],
	unsigned char **evidence, size_t *size)
{
	struct snp_report *r = malloc(sizeof(*r));

	assert_non_null(r);
	snp_platform_report(&platform, report_data, r);
	*evidence = (unsigned char *)r;
	*size = sizeof(*r);
	if (!arg)
		return 0;
	free(r); /* nobody takes it */
	return *(int *)arg;
}

static void set(struct sconce_verifier *v, const char *name, struct span s)
{
	assert_int_equal(
		sconce_verifier_set_file(v, name, s.data, s.size, NULL), 0);
}

static struct sconce_verifier *verifier(const char *policy)
{
	struct sconce_verifier *v = sconce_verifier_new();
	struct sconce_error e;

	assert_non_null(v);
	set(v, "vcek.der", platform.files.vcek);
	set(v, "cert_chain.pem", platform.files.cert_chain);
	assert_int_equal(sconce_verifier_add_root(v, platform.root.data,
				 platform.root.size, 0, &e),
		0);
	sconce_verifier_set_time(v, SNP_PLATFORM_AT);
	if (policy && sconce_verifier_set_policy(v, policy, strlen(policy), &e))
		fail_msg("%s", e.text);
	return v;
}

static struct sconce_certificate_spec spec_for(EVP_PKEY *key)
{
	return (struct sconce_certificate_spec){
		.size = sizeof(struct sconce_certificate_spec),
		.key = key,
		.common_name = "unit",
		.not_before = SNP_PLATFORM_FROM,
		.not_after = SNP_PLATFORM_UNTIL,
	};
}

static X509 *certificate(EVP_PKEY *key)
{
	const struct sconce_certificate_spec spec = spec_for(key);
	struct sconce_error e;
	X509 *x;

	if (sconce_certificate_new(&spec, quote, NULL, &x, &e))
		fail_msg("%s", e.text);
	return x;
}

static void test_evidence(void **state)
{
	struct sconce_verifier *v = verifier(GOOD);
	const char *rule, *seen, *wanted;
	struct sconce_verdict *verdict;
	const unsigned char *bytes;
	unsigned char data[64] = {1, 2, 3};
	struct snp_report r;
	struct sconce_error e;
	uint64_t number;
	size_t size;

	snp_platform_report(&platform, data, &r);
	assert_int_equal(
		sconce_verify_evidence(v, &r, sizeof(r), data, &verdict, &e),
		0);
	assert_true(sconce_verdict_accepted(verdict));
	assert_string_equal(sconce_verdict_kind(verdict), "snp");
	assert_string_equal(sconce_verdict_tcb_status(verdict), "UpToDate");
	assert_false(sconce_verdict_is_debug(verdict));
	assert_false(sconce_verdict_is_emulated(verdict));
	assert_null(sconce_verdict_advisory(verdict, 0));
	assert_int_equal(
		sconce_verdict_failure(verdict, 0, &rule, &seen, &wanted),
		-ENOENT);
	assert_int_equal(sconce_verdict_field(verdict, "report_data", &bytes,
				 &size, &number),
		0);
	assert_int_equal(size, 64);
	assert_memory_equal(bytes, data, 64);
	assert_int_equal(
		sconce_verdict_field(verdict, "vmpl", &bytes, &size, &number),
		0);
	assert_int_equal(size, 0);
	assert_int_equal(sconce_verdict_field(
				 verdict, "mrenclave", &bytes, &size, &number),
		-ENOENT);
	sconce_verdict_free(verdict);

	/* Another challenge than it was made for. */
	data[0]++;
	assert_int_equal(
		sconce_verify_evidence(v, &r, sizeof(r), data, &verdict, &e),
		-EKEYREJECTED);
	assert_false(sconce_verdict_accepted(verdict));
	assert_int_equal(
		sconce_verdict_failure(verdict, 0, &rule, &seen, &wanted), 0);
	assert_string_equal(rule, "report-data");
	assert_non_null(strstr(e.text, "report-data: 010203"));
	assert_int_equal(e.code, -EKEYREJECTED);
	sconce_verdict_free(verdict);
	/* Nobody has to want the verdict, or the reason. */
	assert_int_equal(
		sconce_verify_evidence(v, &r, sizeof(r), data, NULL, NULL),
		-EKEYREJECTED);
	assert_int_equal(
		sconce_verify_evidence(v, "junk", 4, NULL, &verdict, &e),
		-EINVAL);
	assert_null(verdict);
	sconce_verifier_free(v);
}

/* Without a program that is named, nothing is accepted. */
static void test_policy(void **state)
{
	unsigned char data[64] = {0};
	struct sconce_verifier *v;
	struct snp_report r;
	struct sconce_error e;

	snp_platform_report(&platform, data, &r);
	for (int i = 0; i < 2; i++) {
		/* host_data is of whoever starts the machine. */
		v = verifier(
			i ? "measurements: {vmpl: 0, host_data: {value: " H32
			    ", mask: " H32 "}}\n"
			  : NULL);
		assert_int_equal(sconce_verify_evidence(
					 v, &r, sizeof(r), data, NULL, &e),
			-EINVAL);
		sconce_verifier_accept_any_program(v);
		assert_int_equal(sconce_verify_evidence(
					 v, &r, sizeof(r), data, NULL, &e),
			0);
		sconce_verifier_free(v);
	}
	v = verifier(OTHER);
	assert_int_equal(
		sconce_verify_evidence(v, &r, sizeof(r), data, NULL, &e),
		-EKEYREJECTED);
	assert_non_null(strstr(e.text, "measurement"));
	assert_int_equal(
		sconce_verifier_set_policy(v, "nonsense: [", 11, &e), -EINVAL);
	/* A policy that could not be read is none, not the former. */
	assert_int_equal(
		sconce_verify_evidence(v, &r, sizeof(r), data, NULL, &e),
		-EINVAL);
	sconce_verifier_free(v);
}

static void test_setup_errors(void **state)
{
	struct sconce_verifier *v = verifier(GOOD);
	unsigned char data[64] = {0}, nonce[65] = {0};
	struct snp_report r;
	struct sconce_error e;

	assert_int_equal(
		sconce_verifier_set_file(v, "passwd", "", 0, &e), -EINVAL);
	assert_non_null(strstr(e.text, "passwd"));
	assert_int_equal(sconce_verifier_set_nonce(v, nonce, 0, &e), -EINVAL);
	assert_int_equal(sconce_verifier_set_nonce(v, nonce, 65, &e), -EINVAL);
	assert_int_equal(sconce_verifier_load(v, "/nonexistent", &e), -ENOENT);
	assert_int_equal(sconce_verifier_add_root(v, platform.root.data,
				 platform.root.size, 1, &e),
		-EINVAL);
	/* What is no certificate is told when it is needed. */
	snp_platform_report(&platform, data, &r);
	assert_int_equal(
		sconce_verifier_set_file(v, "vcek.der", "x", 1, &e), 0);
	assert_int_equal(
		sconce_verify_evidence(v, &r, sizeof(r), data, NULL, &e),
		-EINVAL);
	assert_non_null(strstr(e.text, "vcek.der"));
	/* And put right by the right file. */
	set(v, "vcek.der", platform.files.vcek);
	assert_int_equal(
		sconce_verify_evidence(v, &r, sizeof(r), data, NULL, &e), 0);
	sconce_verifier_free(v);
	sconce_verifier_free(NULL);
}

static void write_file(const char *dir, const char *name, struct span s)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(s.data, 1, s.size, f), s.size);
	fclose(f);
}

static void test_load(void **state)
{
	char dir[] = "/tmp/test-attest-XXXXXX", path[256];
	struct sconce_verifier *v = sconce_verifier_new();
	unsigned char data[64] = {0};
	struct snp_report r;
	struct sconce_error e;

	assert_non_null(mkdtemp(dir));
	write_file(dir, "vcek.der", platform.files.vcek);
	write_file(dir, "cert_chain.pem", platform.files.cert_chain);
	write_file(dir, "README", (struct span){"hello", 5});
	assert_int_equal(sconce_verifier_load(v, dir, &e), 0);
	sconce_verifier_add_root(
		v, platform.root.data, platform.root.size, 0, NULL);
	sconce_verifier_set_time(v, SNP_PLATFORM_AT);
	sconce_verifier_accept_any_program(v);
	snp_platform_report(&platform, data, &r);
	assert_int_equal(
		sconce_verify_evidence(v, &r, sizeof(r), data, NULL, &e), 0);
	sconce_verifier_free(v);
	snprintf(path, sizeof(path), "rm -r %s", dir);
	assert_int_equal(system(path), 0);
}

static void test_certificates(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	struct sconce_certificate_spec spec = spec_for(key);
	struct sconce_verifier *v = verifier(GOOD);
	int failure = -EBUSY;
	struct sconce_verdict *verdict;
	struct sconce_error e;
	X509 *x = certificate(key), *none;

	assert_int_equal(sconce_verify_certificate(v, x, &verdict, &e), 0);
	assert_true(sconce_verdict_accepted(verdict));
	sconce_verdict_free(verdict);
	assert_int_equal(sconce_verifier_set_nonce(v, "n", 1, NULL), 0);
	assert_int_equal(
		sconce_verify_certificate(v, x, &verdict, &e), -EKEYREJECTED);
	sconce_verdict_free(verdict);
	X509_free(x);
	spec.nonce = "n";
	spec.nonce_size = 1;
	assert_int_equal(sconce_certificate_new(&spec, quote, NULL, &x, &e), 0);
	assert_int_equal(sconce_verify_certificate(v, x, NULL, &e), 0);
	X509_free(x);

	assert_int_equal(
		sconce_certificate_new(&spec, quote, &failure, &none, &e),
		-EBUSY);
	assert_null(none);
	spec.size--;
	assert_int_equal(
		sconce_certificate_new(&spec, quote, NULL, &none, &e), -EINVAL);
	sconce_verifier_free(v);
	EVP_PKEY_free(key);
}

struct thread {
	pthread_t id;
	struct sconce_verifier *v;
	const struct snp_report *report;
	int accepted;
};

static void *verify_often(void *arg)
{
	struct thread *t = arg;

	for (int i = 0; i < 20; i++)
		t->accepted += !sconce_verify_evidence(
			t->v, t->report, sizeof(*t->report), NULL, NULL, NULL);
	return NULL;
}

static void test_threads(void **state)
{
	struct sconce_verifier *v = verifier(GOOD);
	unsigned char data[64] = {0};
	struct thread threads[4];
	struct snp_report r;

	snp_platform_report(&platform, data, &r);
	for (int i = 0; i < 4; i++) {
		threads[i] = (struct thread){.v = v, .report = &r};
		assert_int_equal(pthread_create(&threads[i].id, NULL,
					 verify_often, &threads[i]),
			0);
	}
	for (int i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(threads[i].id, NULL), 0);
		assert_int_equal(threads[i].accepted, 20);
	}
	sconce_verifier_free(v);
}

/* One end of a connection: what it shows, and whom it accepts. */
struct end {
	SSL_CTX *ctx;
	SSL *ssl;
	EVP_PKEY *key;
	X509 *cert;
};

static void end_init(
	struct end *end, bool server, bool evidence, const char *policy)
{
	struct sconce_verifier *v = verifier(policy);

	end->ctx = SSL_CTX_new(
		server ? TLS_server_method() : TLS_client_method());
	end->key = EVP_EC_gen("P-256");
	end->cert = certificate(end->key);
	if (!evidence) {
		while (X509_get_ext_count(end->cert))
			X509_EXTENSION_free(X509_delete_ext(end->cert, 0));
		X509_sign(end->cert, end->key, EVP_sha256());
	}
	assert_int_equal(SSL_CTX_use_certificate(end->ctx, end->cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(end->ctx, end->key), 1);
	if (policy)
		assert_int_equal(sconce_tls_require(end->ctx, v, NULL), 0);
	/* The context keeps it. */
	sconce_verifier_free(v);
	end->ssl = SSL_new(end->ctx);
	if (server)
		SSL_set_accept_state(end->ssl);
	else
		SSL_set_connect_state(end->ssl);
}

static void end_fini(struct end *end)
{
	SSL_free(end->ssl);
	SSL_CTX_free(end->ctx);
	X509_free(end->cert);
	EVP_PKEY_free(end->key);
}

/* True: both ends are through the handshake, and a byte gets across. */
static bool connect_ends(struct end *client, struct end *server)
{
	BIO *a, *b;
	char byte = 0;

	assert_int_equal(BIO_new_bio_pair(&a, 1 << 16, &b, 1 << 16), 1);
	SSL_set_bio(client->ssl, a, a);
	SSL_set_bio(server->ssl, b, b);
	for (int i = 0; i < 10; i++) {
		SSL_do_handshake(client->ssl);
		SSL_do_handshake(server->ssl);
	}
	return SSL_is_init_finished(client->ssl) &&
		SSL_is_init_finished(server->ssl) &&
		SSL_write(client->ssl, "x", 1) == 1 &&
		SSL_read(server->ssl, &byte, 1) == 1 && byte == 'x';
}

static void test_tls(void **state)
{
	struct end client, server;

	end_init(&client, false, true, GOOD);
	end_init(&server, true, true, GOOD);
	assert_true(connect_ends(&client, &server));
	assert_string_equal(SSL_get_version(client.ssl), "TLSv1.3");
	assert_true(sconce_verdict_accepted(sconce_tls_verdict(client.ssl)));
	assert_true(sconce_verdict_accepted(sconce_tls_verdict(server.ssl)));
	assert_string_equal(sconce_tls_error(client.ssl), "");
	/* Nothing that the next connection could go on from. */
	assert_false(SSL_SESSION_is_resumable(SSL_get_session(client.ssl)));
	end_fini(&client);
	end_fini(&server);
}

static void test_tls_refused(void **state)
{
	struct end client, server;

	/* The client wants another program. */
	end_init(&client, false, true, OTHER);
	end_init(&server, true, true, NULL);
	assert_false(connect_ends(&client, &server));
	assert_false(sconce_verdict_accepted(sconce_tls_verdict(client.ssl)));
	assert_non_null(strstr(sconce_tls_error(client.ssl), "measurement"));
	assert_int_equal(SSL_get_verify_result(client.ssl),
		X509_V_ERR_APPLICATION_VERIFICATION);
	/* A server that required nothing has nothing to say. */
	assert_null(sconce_tls_verdict(server.ssl));
	assert_string_equal(sconce_tls_error(server.ssl), "");
	end_fini(&client);
	end_fini(&server);

	/* The server shows no evidence. */
	end_init(&client, false, true, GOOD);
	end_init(&server, true, false, GOOD);
	assert_false(connect_ends(&client, &server));
	assert_null(sconce_tls_verdict(client.ssl));
	assert_non_null(strstr(sconce_tls_error(client.ssl), "no evidence"));
	end_fini(&client);
	end_fini(&server);

	/* The client shows none. */
	end_init(&client, false, false, GOOD);
	end_init(&server, true, true, GOOD);
	assert_false(connect_ends(&client, &server));
	assert_null(sconce_tls_verdict(server.ssl));
	end_fini(&client);
	end_fini(&server);
}

/* The evidence of one key does not serve who has another. */
static void test_tls_stolen(void **state)
{
	struct end client, server, thief;
	X509_EXTENSION *ext;

	end_init(&client, false, true, GOOD);
	end_init(&server, true, true, GOOD);
	end_init(&thief, true, false, NULL);
	for (int i = 0; i < X509_get_ext_count(server.cert); i++) {
		ext = X509_EXTENSION_dup(X509_get_ext(server.cert, i));
		X509_add_ext(thief.cert, ext, -1);
		X509_EXTENSION_free(ext);
	}
	X509_sign(thief.cert, thief.key, EVP_sha256());
	SSL_use_certificate(thief.ssl, thief.cert);
	assert_false(connect_ends(&client, &thief));
	assert_non_null(strstr(sconce_tls_error(client.ssl), "ratls-key"));
	end_fini(&thief);
	end_fini(&client);
	end_fini(&server);
}

/* A session of client's connection to server, through whose handshake both
 * are. */
static SSL_SESSION *take_session(struct end *client, struct end *server)
{
	char byte;

	assert_true(connect_ends(client, server));
	/* What a server sends for resumption comes with the next data. */
	SSL_read(client->ssl, &byte, 1);
	return SSL_get1_session(client->ssl);
}

/* A second connection of the same ends, resuming. */
static bool resume(struct end *client, struct end *server, SSL_SESSION *session)
{
	/* As if both had said so: what ends badly is not resumed. */
	SSL_set_shutdown(client->ssl, SSL_SENT_SHUTDOWN);
	SSL_set_shutdown(server->ssl, SSL_SENT_SHUTDOWN);
	SSL_free(client->ssl);
	SSL_free(server->ssl);
	client->ssl = SSL_new(client->ctx);
	server->ssl = SSL_new(server->ctx);
	SSL_set_connect_state(client->ssl);
	SSL_set_accept_state(server->ssl);
	assert_int_equal(SSL_set_session(client->ssl, session), 1);
	return connect_ends(client, server);
}

/* Who once let somebody without evidence in, or judged evidence that has been
 * revoked since, does not go on from there. */
static void test_tls_resumed(void **state)
{
	struct end client, plain, server;
	SSL_SESSION *session;

	end_init(&client, false, true, GOOD);
	end_init(&plain, false, true, NULL);
	end_init(&server, true, false, NULL);
	session = take_session(&plain, &server);
	assert_true(SSL_SESSION_is_resumable(session));
	assert_true(resume(&plain, &server, session));
	assert_true(SSL_session_reused(plain.ssl));
	SSL_SESSION_free(session);
	end_fini(&plain);
	end_init(&plain, false, true, NULL);
	SSL_free(server.ssl);
	server.ssl = SSL_new(server.ctx);
	SSL_set_accept_state(server.ssl);
	session = take_session(&plain, &server);
	SSL_set_shutdown(plain.ssl, SSL_SENT_SHUTDOWN);
	end_fini(&plain);
	assert_true(SSL_SESSION_is_resumable(session));
	assert_false(resume(&client, &server, session));
	SSL_SESSION_free(session);
	end_fini(&client);
	end_fini(&server);

	/* Nor from what this very context made, with evidence. */
	end_init(&client, false, true, GOOD);
	end_init(&server, true, true, NULL);
	session = take_session(&client, &server);
	assert_false(resume(&client, &server, session) &&
		SSL_session_reused(client.ssl));
	SSL_SESSION_free(session);
	end_fini(&client);
	end_fini(&server);
}

static void test_tls_version(void **state)
{
	struct end client, server;

	end_init(&client, false, true, GOOD);
	end_init(&server, true, true, NULL);
	SSL_set_max_proto_version(server.ssl, TLS1_2_VERSION);
	assert_false(connect_ends(&client, &server));
	end_fini(&client);
	end_fini(&server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_evidence),
		cmocka_unit_test(test_policy),
		cmocka_unit_test(test_setup_errors),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_certificates),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_tls),
		cmocka_unit_test(test_tls_refused),
		cmocka_unit_test(test_tls_stolen),
		cmocka_unit_test(test_tls_resumed),
		cmocka_unit_test(test_tls_version),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

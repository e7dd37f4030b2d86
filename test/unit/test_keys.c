/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CAS's own keys: their files, the sealer without an enclave, identity and
 * certificates. Sealing in an enclave is test/system/test_cas_keys.py.
 */
#include "test/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "attest/ratls_int.h"
#include "cas/keys.h"
#include "crypto/sha256.h"
#include "lib/bytes.h"
#include "test/unit/snp_platform.h"

static char folder[] = "/tmp/keys-XXXXXX";
static char path[64], other[64];

static int setup(void **state)
{
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/cluster.key", folder);
	snprintf(other, sizeof(other), "%s/cluster.key.new", folder);
	return 0;
}

static int teardown(void **state)
{
	unlink(path);
	unlink(other);
	return rmdir(folder);
}

static int clean(void **state)
{
	unlink(path);
	unlink(other);
	return 0;
}

static void test_file(void **state)
{
	uint8_t key[32], again[32], third[32];
	struct key_sealer s;
	struct err e = {0};
	struct stat st;

	keys_sealer_plain(&s);
	assert_non_null(strstr(s.warning, "not in an enclave: "));
	assert_null(strchr(s.warning, '\n'));
	assert_int_equal(keys_cluster_open(&s, path, key, &e), -ENOENT);
	assert_int_equal(keys_cluster_make(&s, path, key, &e), 0);
	assert_false(bytes_zero(key, 32));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(access(other, F_OK), -1);
	assert_int_equal(keys_cluster_open(&s, path, again, &e), 0);
	assert_memory_equal(key, again, 32);
	assert_int_equal(keys_cluster_make(&s, path, third, &e), -EEXIST);
	assert_int_equal(keys_cluster_open(&s, path, again, &e), 0);
	assert_memory_equal(key, again, 32);
	/* Another takes its place, also where one was left half written. */
	assert_int_equal(symlink("/dev/null", other), 0);
	memset(third, 7, 32);
	assert_int_equal(keys_cluster_save(&s, path, third, &e), 0);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(keys_cluster_open(&s, path, again, &e), 0);
	assert_memory_equal(third, again, 32);
	/* Others may read it. */
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(keys_cluster_open(&s, path, again, &e), -EPERM);
	assert_non_null(strstr(e.text, "mode 640"));
}

static void write_file(const char *text, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, size), size);
	close(fd);
}

static void test_bad_files(void **state)
{
	static char big[5000];
	uint8_t key[32];
	struct key_sealer plain, enclave;
	bool given;
	struct err e = {0};

	keys_sealer_plain(&plain);
	keys_sealer_enclave(&enclave, folder);
	assert_null(enclave.warning);
	/* What the host could have written itself is no key in an enclave. */
	assert_int_equal(keys_cluster_make(&plain, path, key, &e), 0);
	assert_int_equal(keys_cluster_open(&enclave, path, key, &e), -EINVAL);
	assert_non_null(strstr(e.text, "never sealed"));
	/* And the other way round. */
	write_file("SCNCSEAL and so on", 18);
	assert_int_equal(keys_cluster_open(&plain, path, key, &e), -EINVAL);
	assert_non_null(strstr(e.text, "sealed in an enclave"));
	write_file("sconce: this key is not sealed\nSCNCKEY1 short", 45);
	assert_int_equal(keys_cluster_open(&plain, path, key, &e), -EBADMSG);
	write_file("sconce: this key is not sealed\n"
		   "SCNCKEY3abcdefghijklmnopqrstuvwxyz012345",
		71);
	assert_int_equal(keys_cluster_open(&plain, path, key, &e), -EBADMSG);
	write_file("sconce: this key is not sealed\n"
		   "SCNCKEY1abcdefghijklmnopqrstuvwxyz012345",
		71);
	assert_int_equal(keys_cluster_load(&plain, path, key, &given, &e), 0);
	assert_memory_equal(key, "abcdefghijklmnopqrstuvwxyz012345", 32);
	/* Whoever brought a key may know it: that stays known. */
	assert_false(given);
	assert_int_equal(keys_cluster_save(&plain, path, key, &e), 0);
	assert_int_equal(keys_cluster_load(&plain, path, key, &given, &e), 0);
	assert_true(given);
	write_file(big, sizeof(big));
	assert_int_equal(keys_cluster_open(&plain, path, key, &e), -EINVAL);
	write_file("", 0);
	assert_int_equal(keys_cluster_open(&plain, path, key, &e), -EINVAL);
	/* No device there: nothing is made. */
	unlink(path);
	assert_int_equal(keys_cluster_make(&enclave, path, key, &e), -ENOENT);
	assert_true(bytes_zero(key, 32));
	assert_int_equal(access(path, F_OK), -1);
}

static void test_find(void **state)
{
	struct key_sealer s;
	struct err e = {0};

	if (access("/dev/attestation/seal/mrenclave", F_OK) == 0)
		skip();
	assert_int_equal(keys_sealer_find(&s, false, &e), -ENOENT);
	assert_non_null(strstr(e.text, "not in an enclave"));
	assert_int_equal(keys_sealer_find(&s, true, &e), 0);
	assert_string_equal(s.name, "file");
}

static void test_cluster_id(void **state)
{
	uint8_t key[32] = {1}, a[32], b[32], plain[32];

	keys_cluster_id(key, a);
	keys_cluster_id(key, b);
	assert_memory_equal(a, b, 32);
	sha256(key, 32, plain);
	assert_memory_not_equal(a, plain, 32);
	key[31] = 1;
	keys_cluster_id(key, b);
	assert_memory_not_equal(a, b, 32);
}

static void test_identity(void **state)
{
	EVP_PKEY *key, *back;
	uint8_t a[32], b[32];
	struct err e = {0};
	struct buf row = {0};

	assert_int_equal(keys_identity_make(&key, &e), 0);
	assert_int_equal(keys_identity_encode(key, &row, &e), 0);
	assert_true(row.secret);
	assert_int_equal(
		keys_identity_decode(row.data, row.size, &back, &e), 0);
	assert_int_equal(keys_identity_hash(key, a, &e), 0);
	assert_int_equal(keys_identity_hash(back, b, &e), 0);
	assert_memory_equal(a, b, 32);
	EVP_PKEY_free(back);
	for (size_t n = 0; n < row.size; n++)
		assert_int_equal(
			keys_identity_decode(row.data, n, &back, &e), -EBADMSG);
	EVP_PKEY_free(key);
	buf_fini(&row);
}

static const char *names[] = {"dns:cas.example", "ip:127.0.0.1"};

static void test_certificate(void **state)
{
	struct keys_cert_spec spec = {
		.names = {names, 2}, .now = 1800000000, .valid_for = 86400};
	unsigned char *der = NULL;
	uint8_t hash[32], want[32];
	EVP_PKEY *key;
	struct err e = {0};
	X509 *cert;
	int size;

	assert_int_equal(keys_identity_make(&key, &e), 0);
	assert_int_equal(keys_certificate(key, &spec, &cert, &e), 0);
	assert_int_equal(X509_verify(cert, key), 1);
	assert_int_equal(X509_check_host(cert, "cas.example", 0, 0, NULL), 1);
	assert_int_equal(X509_check_ip_asc(cert, "127.0.0.1", 0), 1);
	assert_int_equal(X509_check_host(cert, "other", 0, 0, NULL), 0);
	size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
	assert_true(size > 0);
	sha256(der, (size_t)size, hash);
	assert_int_equal(keys_identity_hash(key, want, &e), 0);
	assert_memory_equal(hash, want, 32);
	OPENSSL_free(der);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static struct snp_platform platform;

static int quote(void *arg, const uint8_t report_data[static 64],
	void **evidence, size_t *size, struct err *e)
{
	const int *rc = arg;
	struct snp_report *r;

	if (*rc)
		return err_setf(e, *rc, "no quote");
	r = malloc(sizeof(*r));
	assert_non_null(r);
	snp_platform_report(&platform, report_data, r);
	*evidence = r;
	*size = sizeof(*r);
	return 0;
}

/* With evidence it is an RA-TLS certificate; if there is none to be had, there
 * is no certificate. */
static void test_ratls(void **state)
{
	int rc = -EAGAIN;
	struct keys_cert_spec spec = {
		.now = 1800000000, .quote = quote, .quote_arg = &rc};
	struct ratls_evidence found;
	EVP_PKEY *key;
	struct err e = {0};
	X509 *cert = NULL;

	snp_platform_init(&platform);
	assert_int_equal(keys_identity_make(&key, &e), 0);
	assert_int_equal(keys_certificate(key, &spec, &cert, &e), -EAGAIN);
	assert_string_equal(e.text, "no quote");
	assert_null(cert);
	rc = 0;
	assert_int_equal(keys_certificate(key, &spec, &cert, &e), 0);
	assert_int_equal(ratls_find(cert, &found, &e), 0);
	assert_int_equal(found.tag, RATLS_TAG_SNP);
	X509_free(cert);
	spec.quote = NULL;
	assert_int_equal(keys_certificate(key, &spec, &cert, &e), 0);
	assert_int_equal(ratls_find(cert, &found, &e), -ENOENT);
	X509_free(cert);
	EVP_PKEY_free(key);
	snp_platform_fini(&platform);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_file, clean),
		cmocka_unit_test_teardown(test_bad_files, clean),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_cluster_id),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_certificate),
		cmocka_unit_test(test_ratls),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

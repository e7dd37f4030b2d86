/* SPDX-License-Identifier: Apache-2.0 */
/* The cluster key in its file, and the identity key and its certificate. */
#include "cas/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include "cas/secret_key.h"
#include "cas/spki.h"
#include "crypto/sha256.h"
#include "lib/string.h"

enum { PATH_SIZE = 1024, FILE_MAX = 1024, DEFAULT_DAYS = 90 };

/* What is sealed: not every piece of 40 bytes is a cluster key. */
struct sealed_key {
	uint8_t magic[8];
	uint8_t key[STORE_KEY_SIZE];
};
static const uint8_t magic[8] = "SCNCKEY1";
/* One that was not made by this program: from shares, or handed over. */
static const uint8_t magic_given[8] = "SCNCKEY2";

static int fail(struct err *e, const char *what, const char *path)
{
	int rc = errno ? -errno : -EIO;

	return err_setf(e, rc, "%s: cannot %s: %s", path, what, strerror(-rc));
}

/* ---- the file ---- */

static int write_all(int fd, const uint8_t *data, size_t size)
{
	while (size) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		data += n;
		size -= (size_t)n;
	}
	return 0;
}

/* So that the name is there after a loss of power. */
static no_inline int sync_folder(const char *path)
{
	char folder[PATH_SIZE];
	const char *slash = strrchr(path, '/');
	int fd, rc;

	snprintf(folder, sizeof(folder), "%.*s",
		slash ? (int)(slash - path) : 1, slash ? path : ".");
	fd = open(folder[0] ? folder : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	rc = fsync(fd);
	close(fd);
	return rc;
}

/* The new name takes the place of what is there, or (exclusive) of nothing. */
static int publish(const char *fresh, const char *path, bool exclusive)
{
	if (!exclusive)
		return rename(fresh, path);
	if (link(fresh, path))
		return -1;
	return unlink(fresh);
}

static int save(
	const char *path, const struct buf *b, bool exclusive, struct err *e)
{
	char fresh[PATH_SIZE];
	int n = snprintf(fresh, sizeof(fresh), "%s.new", path), fd;
	bool ok;

	if (n < 0 || (size_t)n >= sizeof(fresh))
		return err_setf(
			e, -ENAMETOOLONG, "%s: the name is too long", path);
	if (unlink(fresh) && errno != ENOENT)
		return fail(e, "replace", fresh);
	fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		0600);
	if (fd < 0)
		return fail(e, "make", fresh);
	ok = !write_all(fd, b->data, b->size) && !fsync(fd);
	if (close(fd) || !ok || publish(fresh, path, exclusive) ||
		sync_folder(path)) {
		int rc = fail(e, "write", path);

		unlink(fresh);
		return rc;
	}
	return 0;
}

static int check_mode(
	const struct key_sealer *s, int fd, const char *path, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st))
		return fail(e, "look at", path);
	if (!S_ISREG(st.st_mode))
		return err_setf(e, -EINVAL, "%s: not a file", path);
	if (!strcmp(s->name, "file") && st.st_mode & 077)
		return err_setf(e, -EPERM,
			"%s: mode %03o, so others can read the key, which is "
			"not sealed; chmod 600 if nobody did",
			path, (unsigned)st.st_mode & 0777);
	return 0;
}

static int load(const struct key_sealer *s, const char *path, struct buf *out,
	struct err *e)
{
	uint8_t data[FILE_MAX];
	ssize_t n = 1;
	size_t size = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc;

	if (fd < 0)
		return fail(e, "open", path);
	rc = check_mode(s, fd, path, e);
	while (!rc && size < sizeof(data) && n) {
		n = read(fd, data + size, sizeof(data) - size);
		if (n < 0 && errno != EINTR)
			rc = fail(e, "read", path);
		size += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	if (!rc && size == sizeof(data))
		rc = err_setf(
			e, -EINVAL, "%s: too long for a sealed key", path);
	if (!rc) {
		buf_add(out, data, size);
		rc = buf_check(out);
	}
	string_wipe(data, sizeof(data));
	return rc;
}

/* ---- the cluster key ---- */

static no_inline int seal_and_save(const struct key_sealer *s, const char *path,
	const uint8_t *key, bool exclusive, struct err *e)
{
	struct sealed_key plain;
	struct buf sealed = {.secret = true};
	int rc;

	memcpy(plain.magic, exclusive ? magic : magic_given, sizeof(magic));
	memcpy(plain.key, key, STORE_KEY_SIZE);
	rc = s->seal(s, &plain, sizeof(plain), &sealed, e);
	string_wipe(&plain, sizeof(plain));
	if (!rc)
		rc = save(path, &sealed, exclusive, e);
	buf_fini(&sealed);
	return rc;
}

int keys_cluster_save(const struct key_sealer *s, const char *path,
	const uint8_t key[static STORE_KEY_SIZE], struct err *e)
{
	return seal_and_save(s, path, key, false, e);
}

int keys_cluster_make(const struct key_sealer *s, const char *path,
	uint8_t key[static STORE_KEY_SIZE], struct err *e)
{
	int rc;

	if (access(path, F_OK) == 0)
		return err_setf(
			e, -EEXIST, "%s: there is a cluster key already", path);
	if (RAND_priv_bytes(key, STORE_KEY_SIZE) != 1)
		return err_setf(e, -EIO, "no random numbers");
	rc = seal_and_save(s, path, key, true, e);
	if (rc)
		string_wipe(key, STORE_KEY_SIZE);
	return rc;
}

int keys_cluster_open(const struct key_sealer *s, const char *path,
	uint8_t key[static STORE_KEY_SIZE], struct err *e)
{
	bool given;

	return keys_cluster_load(s, path, key, &given, e);
}

int keys_cluster_load(const struct key_sealer *s, const char *path,
	uint8_t key[static STORE_KEY_SIZE], bool *given, struct err *e)
{
	struct buf sealed = {.secret = true}, plain = {.secret = true};
	int rc = load(s, path, &sealed, e);

	if (!rc) {
		rc = s->open(s, sealed.data, sealed.size, &plain, e);
		if (rc)
			err_prefix(e, "%s", path);
	}
	*given = !rc && plain.size == sizeof(struct sealed_key) &&
		!memcmp(plain.data, magic_given, sizeof(magic));
	if (!rc && !*given &&
		(plain.size != sizeof(struct sealed_key) ||
			memcmp(plain.data, magic, sizeof(magic))))
		rc = err_setf(e, -EBADMSG,
			"%s: what was sealed is no cluster key", path);
	if (!rc)
		memcpy(key, plain.data + sizeof(magic), STORE_KEY_SIZE);
	buf_fini(&sealed);
	buf_fini(&plain);
	return rc;
}

void keys_cluster_id(const uint8_t key[static STORE_KEY_SIZE],
	uint8_t id[static STORE_HASH_SIZE])
{
	static const char label[] = "sconce cluster id v1";
	struct sha256 h;

	sha256_init(&h);
	sha256_update(&h, label, sizeof(label));
	sha256_update(&h, key, STORE_KEY_SIZE);
	sha256_final(&h, id);
}

/* ---- the identity ---- */

static int fail_crypto(struct err *e, int rc)
{
	return err_setf(e, rc, "identity key: %s",
		rc == -ENOMEM ? "out of memory" : "libcrypto failed");
}

int keys_identity_make(EVP_PKEY **key, struct err *e)
{
	int rc = secret_key_make(KEY_P256, key);

	return rc ? fail_crypto(e, rc) : 0;
}

int keys_identity_encode(EVP_PKEY *key, struct buf *out, struct err *e)
{
	struct blob der = {0};
	int rc = secret_key_pkcs8(key, &der);

	out->secret = true;
	if (!rc) {
		buf_add(out, der.data, der.size);
		rc = buf_check(out);
	}
	blob_fini(&der);
	return rc ? fail_crypto(e, rc) : 0;
}

int keys_identity_decode(
	const void *data, size_t size, EVP_PKEY **key, struct err *e)
{
	struct blob der = {0};
	EVP_PKEY *k = NULL;
	uint64_t type;
	int rc = blob_set(&der, data, size);

	if (!rc)
		rc = secret_key_load(&der, &k);
	blob_fini(&der);
	if (!rc && (!secret_key_type(k, &type) || type != KEY_P256)) {
		EVP_PKEY_free(k);
		rc = -EBADMSG;
	}
	if (rc)
		return err_setf(e, rc, "identity key: %s",
			rc == -ENOMEM ? "out of memory"
				      : "the row is no P-256 key");
	*key = k;
	return 0;
}

int keys_identity_hash(
	EVP_PKEY *key, uint8_t hash[static STORE_HASH_SIZE], struct err *e)
{
	int rc = spki_hash(key, hash);

	return rc ? fail_crypto(e, rc) : 0;
}

/* ---- its certificate ---- */

static int make_plain(const struct cert_spec *cert, X509 **out, struct err *e)
{
	const unsigned char *p;
	struct blob der = {0};
	int rc = secret_cert_make(cert, &der, e);

	if (rc)
		return rc;
	p = der.data;
	*out = d2i_X509(NULL, &p, (long)der.size);
	blob_fini(&der);
	return *out ? 0 : fail_crypto(e, -EIO);
}

int keys_certificate(EVP_PKEY *identity, const struct keys_cert_spec *spec,
	X509 **out, struct err *e)
{
	const char *name = spec->common_name ? spec->common_name : "sconce-cas";
	int64_t from = spec->now - SECRET_BACKDATE;
	int64_t until = secret_after(spec->now,
		spec->valid_for ? spec->valid_for : DEFAULT_DAYS * 86400);
	const struct cert_spec cert = {.common_name = name,
		.key = identity,
		.san = &spec->names,
		.endpoint = ENDPOINT_ANY,
		.from = from,
		.until = until,
		.issuer_key = identity};
	const struct ratls_spec ratls = {.key = identity,
		.from = from,
		.until = until,
		.common_name = name,
		.nonce = spec->nonce};

	if (spec->quote)
		return ratls_make(&ratls, spec->quote, spec->quote_arg, out, e);
	return make_plain(&cert, out, e);
}

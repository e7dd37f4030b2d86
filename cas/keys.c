/* SPDX-License-Identifier: Apache-2.0 */
/* Sealing, and the cluster key in its file. */
#include "cas/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/hkdf.h"
#include "lib/string.h"

#define DEVICE "/dev/attestation"
#define PLAIN_MAGIC "SCNCFILE"
#define KEY_MAGIC "SCNCKEY1"

enum { BLOB_MAX = 1024, PATH_SIZE = 512, MAGIC_SIZE = 8 };

/* ---- an enclave's ---- */

/* The device: input is written, then the first read makes the output. */
static int convert(const struct key_sealer *s, const char *name,
	const void *data, size_t size, struct buf *out)
{
	char path[PATH_SIZE], block[BLOB_MAX];
	ssize_t n;
	int fd, ret = 0;

	snprintf(path, sizeof(path), "%s/%s", s->device, name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = write(fd, data, size);
	if (n != (ssize_t)size)
		ret = n < 0 ? -errno : -EIO;
	while (!ret && (n = read(fd, block, sizeof(block))) != 0) {
		if (n < 0)
			ret = -errno;
		else
			buf_add(out, block, (size_t)n);
	}
	string_wipe(block, sizeof(block));
	close(fd);
	return ret ? ret : buf_check(out);
}

static int enclave_seal(const struct key_sealer *s, const void *data,
	size_t size, struct buf *out, struct err *e)
{
	int ret = convert(s, "seal/mrenclave", data, size, out);

	return ret ? err_setf(e, ret, "%s/seal/mrenclave: %s", s->device,
			     strerror(-ret))
		   : 0;
}

/* In words: what doc/attestation-device.md says of these errors. */
static const char *unseal_error(int err)
{
	switch (err) {
	case -EINVAL:
		return "not sealed data";
	case -EBADMSG:
		return "damaged or altered";
	case -EKEYREJECTED:
		return "sealed by another enclave: another release of Sconce "
		       "or another manifest; an upgrade is a hand-over from "
		       "the old CAS, or a recovery from shares";
	case -ESTALE:
		return "sealed by a newer release or on newer microcode";
	case -EXDEV:
		return "sealed on another machine";
	default:
		return strerror(-err);
	}
}

static int enclave_open(const struct key_sealer *s, const void *blob,
	size_t size, struct buf *out, struct err *e)
{
	int ret = convert(s, "unseal", blob, size, out);

	return ret ? err_setf(e, ret, "%s", unseal_error(ret)) : 0;
}

void keys_sealer_enclave(struct key_sealer *s, const char *device)
{
	*s = (struct key_sealer){.name = "mrenclave",
		.seal = enclave_seal,
		.open = enclave_open,
		.device = device ? device : DEVICE};
}

/* ---- nobody's ---- */

static int plain_seal(const struct key_sealer *s, const void *data, size_t size,
	struct buf *out, struct err *e)
{
	(void)s;
	buf_add(out, PLAIN_MAGIC, MAGIC_SIZE);
	buf_add(out, data, size);
	return buf_check(out) ? err_setf(e, -ENOMEM, "no memory") : 0;
}

static int plain_open(const struct key_sealer *s, const void *blob, size_t size,
	struct buf *out, struct err *e)
{
	(void)s;
	if (size < MAGIC_SIZE || memcmp(blob, PLAIN_MAGIC, MAGIC_SIZE) != 0)
		return err_setf(e, -EINVAL,
			"sealed by an enclave; it opens only there");
	buf_add(out, (const uint8_t *)blob + MAGIC_SIZE, size - MAGIC_SIZE);
	return buf_check(out) ? err_setf(e, -ENOMEM, "no memory") : 0;
}

void keys_sealer_plain(struct key_sealer *s)
{
	*s = (struct key_sealer){.name = "file",
		.warning = "not in an enclave: the key of everything lies in "
			   "a file, and root on this machine reads all secrets",
		.seal = plain_seal,
		.open = plain_open};
}

int keys_sealer_find(struct key_sealer *s, bool allow_plain, struct err *e)
{
	if (access(DEVICE "/unseal", F_OK) == 0) {
		keys_sealer_enclave(s, NULL);
		return 0;
	}
	if (!allow_plain)
		return err_setf(e, -ENOENT,
			"%s is not there: not in an enclave, or its manifest "
			"mounts no dev; `sconce cas start` starts CAS in one, "
			"--native does without, for development",
			DEVICE);
	keys_sealer_plain(s);
	return 0;
}

/* ---- the cluster key ---- */

static int sync_folder(const char *path)
{
	char folder[PATH_SIZE];
	char *slash;
	int fd, ret;

	if (string_copy(folder, sizeof(folder), path))
		return -ENAMETOOLONG;
	slash = strrchr(folder, '/');
	if (slash)
		slash[slash == folder] = '\0';
	fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = fsync(fd) ? -errno : 0;
	close(fd);
	return ret;
}

static int write_new(const char *path, const struct buf *blob)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ssize_t n;
	int ret = 0;

	if (fd < 0)
		return -errno;
	n = write(fd, blob->data, blob->size);
	if (n != (ssize_t)blob->size)
		ret = n < 0 ? -errno : -ENOSPC;
	if (!ret && fsync(fd))
		ret = -errno;
	if (close(fd) && !ret)
		ret = -errno;
	return ret;
}

static int seal_key(const struct key_sealer *s,
	const uint8_t key[static STORE_KEY_SIZE], struct buf *blob,
	struct err *e)
{
	uint8_t text[MAGIC_SIZE + STORE_KEY_SIZE];
	int ret;

	memcpy(text, KEY_MAGIC, MAGIC_SIZE);
	memcpy(text + MAGIC_SIZE, key, STORE_KEY_SIZE);
	ret = s->seal(s, text, sizeof(text), blob, e);
	string_wipe(text, sizeof(text));
	return ret;
}

/* exclusive: only if there is none. */
static int save(const struct key_sealer *s, const char *path,
	const uint8_t key[static STORE_KEY_SIZE], bool exclusive, struct err *e)
{
	struct buf blob = {.secret = true};
	char temp[PATH_SIZE];
	int n = snprintf(temp, sizeof(temp), "%s.new", path);
	int ret = seal_key(s, key, &blob, e);

	if (ret)
		return err_prefix(e, "%s", path);
	if (n < 0 || n >= PATH_SIZE)
		ret = -ENAMETOOLONG;
	if (!ret)
		ret = write_new(temp, &blob);
	if (!ret && exclusive && link(temp, path))
		ret = -errno;
	if (!ret && exclusive)
		(void)unlink(temp);
	else if (!ret && rename(temp, path))
		ret = -errno;
	if (!ret)
		ret = sync_folder(path);
	buf_fini(&blob);
	return ret ? err_setf(e, ret, "%s: %s", path, strerror(-ret)) : 0;
}

int keys_cluster_make(const struct key_sealer *s, const char *path,
	uint8_t key[static STORE_KEY_SIZE], struct err *e)
{
	if (access(path, F_OK) == 0)
		return err_setf(e, -EEXIST, "%s: it is there already", path);
	if (RAND_priv_bytes(key, STORE_KEY_SIZE) != 1)
		return err_setf(e, -EIO, "libcrypto has no random numbers");
	return save(s, path, key, true, e);
}

int keys_cluster_save(const struct key_sealer *s, const char *path,
	const uint8_t key[static STORE_KEY_SIZE], struct err *e)
{
	return save(s, path, key, false, e);
}

static int load(const struct key_sealer *s, const char *path, struct buf *blob,
	struct err *e)
{
	uint8_t data[BLOB_MAX];
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC), ret = 0;
	ssize_t n;

	if (fd < 0)
		return err_setf(e, -errno, "%s: %s", path, strerror(errno));
	n = read(fd, data, sizeof(data));
	if (n < 0)
		ret = err_setf(e, -errno, "%s: %s", path, strerror(errno));
	else if (!fstat(fd, &st) && s->warning && st.st_mode & 077)
		ret = err_setf(e, -EPERM,
			"%s: mode %o, others may read the key; chmod 600", path,
			(unsigned)st.st_mode & 0777);
	else
		buf_add(blob, data, (size_t)n);
	string_wipe(data, sizeof(data));
	close(fd);
	return ret;
}

int keys_cluster_open(const struct key_sealer *s, const char *path,
	uint8_t key[static STORE_KEY_SIZE], struct err *e)
{
	struct buf blob = {.secret = true}, text = {.secret = true};
	int ret = load(s, path, &blob, e);

	if (!ret) {
		ret = s->open(s, blob.data, blob.size, &text, e);
		if (ret)
			err_prefix(e, "%s", path);
	}
	if (!ret &&
		(text.size != MAGIC_SIZE + STORE_KEY_SIZE ||
			memcmp(text.data, KEY_MAGIC, MAGIC_SIZE) != 0))
		ret = err_setf(
			e, -EBADMSG, "%s: what is in it is no key", path);
	if (!ret)
		memcpy(key, text.data + MAGIC_SIZE, STORE_KEY_SIZE);
	buf_fini(&blob);
	buf_fini(&text);
	return ret;
}

void keys_cluster_id(const uint8_t key[static STORE_KEY_SIZE],
	uint8_t id[static STORE_HASH_SIZE])
{
	static const char label[] = "sconce-cas cluster";

	hkdf_sha256(NULL, 0, key, STORE_KEY_SIZE, label, sizeof(label) - 1, id,
		STORE_HASH_SIZE);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What the enclave around does for its keys: doc/attestation-device.md. And
 * what is done without one. */
#include "cas/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/string.h"

#define DEVICE "/dev/attestation"

enum { PATH_SIZE = 256, ANSWER_MAX = 16384 };

/* In front of a key that is not sealed. */
static const char plain_mark[] = "sconce: this key is not sealed\n";
enum { PLAIN_MARK_SIZE = sizeof(plain_mark) - 1 };

static int open_node(const char *device, const char *node, int flags,
	char path[static PATH_SIZE], struct err *e)
{
	int n = snprintf(
		path, PATH_SIZE, "%s/%s", device ? device : DEVICE, node);
	int fd;

	if (n < 0 || n >= PATH_SIZE)
		return err_setf(
			e, -ENAMETOOLONG, "%s: the name is too long", device);
	fd = open(path, flags | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	n = -errno;
	return err_setf(e, n, "%s: %s", path, strerror(-n));
}

static int put(
	int fd, const char *path, const void *data, size_t size, struct err *e)
{
	ssize_t n = write(fd, data, size);

	if (n == (ssize_t)size)
		return 0;
	n = n < 0 ? -errno : -EIO;
	return err_setf(e, (int)n, "%s: %s", path, strerror((int)-n));
}

/* Until the end. */
static int get(int fd, const char *path, struct buf *out, struct err *e)
{
	uint8_t data[ANSWER_MAX / 16];
	size_t before = out->size;
	ssize_t n;
	int rc = 0;

	while ((n = read(fd, data, sizeof(data))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			rc = -errno;
			err_setf(e, rc, "%s: %s", path, strerror(-rc));
			break;
		}
		if (out->size - before + (size_t)n > ANSWER_MAX) {
			rc = err_setf(e, -EPROTO, "%s: more than %d bytes",
				path, ANSWER_MAX);
			break;
		}
		buf_add(out, data, (size_t)n);
	}
	string_wipe(data, sizeof(data));
	return rc ? rc : buf_check(out);
}

/* What is written is the input, the first read makes the output. */
static int transact(const struct key_sealer *s, const char *node,
	const void *data, size_t size, struct buf *out, struct err *e)
{
	char path[PATH_SIZE];
	int fd = open_node(s->device, node, O_RDWR, path, e), rc;

	if (fd < 0)
		return fd;
	rc = put(fd, path, data, size, e);
	if (!rc)
		rc = get(fd, path, out, e);
	close(fd);
	return rc;
}

static int seal_enclave(const struct key_sealer *s, const void *data,
	size_t size, struct buf *out, struct err *e)
{
	return transact(s, "seal/mrenclave", data, size, out, e);
}

static const char *reason(int rc)
{
	switch (-rc) {
	case EKEYREJECTED:
		return "sealed by another release or configuration of CAS: "
		       "have that one hand over, or recover from shares";
	case EXDEV:
		return "sealed on another machine: recover from shares, or "
		       "have that CAS hand over";
	case ESTALE:
		return "sealed on newer microcode than this machine has now";
	case EBADMSG:
		return "damaged or altered";
	case EINVAL:
		return "not sealed data";
	}
	return NULL;
}

static int open_enclave(const struct key_sealer *s, const void *blob,
	size_t size, struct buf *out, struct err *e)
{
	int rc;

	if (size >= PLAIN_MARK_SIZE &&
		!memcmp(blob, plain_mark, PLAIN_MARK_SIZE))
		return err_setf(e, -EINVAL,
			"a key that was never sealed: an enclave does not take "
			"it, since its host knows it");
	rc = transact(s, "unseal", blob, size, out, e);
	if (rc && reason(rc))
		err_setf(e, rc, "%s", reason(rc));
	return rc;
}

void keys_sealer_enclave(struct key_sealer *s, const char *device)
{
	*s = (struct key_sealer){.name = "mrenclave",
		.seal = seal_enclave,
		.open = open_enclave,
		.device = device};
}

static int seal_plain(const struct key_sealer *s, const void *data, size_t size,
	struct buf *out, struct err *e)
{
	out->secret = true;
	buf_text(out, plain_mark);
	buf_add(out, data, size);
	return buf_check(out) ? err_setf(e, -ENOMEM, "out of memory") : 0;
}

static int open_plain(const struct key_sealer *s, const void *blob, size_t size,
	struct buf *out, struct err *e)
{
	if (size < PLAIN_MARK_SIZE || memcmp(blob, plain_mark, PLAIN_MARK_SIZE))
		return err_setf(e, -EINVAL,
			"a key that was sealed in an enclave, and this is "
			"none; start CAS as it was started then");
	buf_add(out, (const uint8_t *)blob + PLAIN_MARK_SIZE,
		size - PLAIN_MARK_SIZE);
	return buf_check(out) ? err_setf(e, -ENOMEM, "out of memory") : 0;
}

void keys_sealer_plain(struct key_sealer *s)
{
	*s = (struct key_sealer){.name = "file",
		.warning = "not in an enclave: whoever is root here can read "
			   "all keys and secrets; for development only",
		.seal = seal_plain,
		.open = open_plain};
}

int keys_sealer_find(struct key_sealer *s, bool allow_plain, struct err *e)
{
	if (access(DEVICE "/seal/mrenclave", F_OK) == 0) {
		keys_sealer_enclave(s, NULL);
		return 0;
	}
	if (allow_plain) {
		keys_sealer_plain(s);
		return 0;
	}
	return err_setf(e, -ENOENT,
		DEVICE
		" is not there: not in an enclave, or its manifest mounts no "
		"dev; `sconce cas start` starts CAS in one, --native does "
		"without, for development");
}

int keys_quote(void *arg, const uint8_t report_data[static RATLS_REPORT_DATA],
	void **evidence, size_t *size, struct err *e)
{
	char path[PATH_SIZE];
	struct buf quote = {0};
	int fd = open_node(arg, "user_report_data", O_WRONLY, path, e), rc;

	if (fd < 0)
		return fd;
	rc = put(fd, path, report_data, RATLS_REPORT_DATA, e);
	close(fd);
	if (rc)
		return rc;
	fd = open_node(arg, "quote", O_RDONLY, path, e);
	if (fd == -ECONNREFUSED)
		return err_setf(e, fd,
			"%s: nobody gives quotes on this machine; `sconce las` "
			"does",
			path);
	if (fd < 0)
		return fd;
	rc = get(fd, path, &quote, e);
	close(fd);
	if (!rc && !quote.size)
		rc = err_setf(e, -EPROTO, "%s: empty", path);
	if (rc) {
		buf_fini(&quote);
		return rc;
	}
	*evidence = quote.data;
	*size = quote.size;
	return 0;
}

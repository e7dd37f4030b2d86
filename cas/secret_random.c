/* SPDX-License-Identifier: Apache-2.0 */
/* Random values: bytes, and characters that are all equally likely. */
#include "cas/secret_int.h"

#include <errno.h>
#include <stdlib.h>

#include <openssl/rand.h>

#include "lib/string.h"

/* No character that a shell, SQL, YAML or a URL reads as something else. */
static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			      "abcdefghijklmnopqrstuvwxyz0123456789";

int secret_charset_check(const char *charset, struct err *e)
{
	size_t count = charset ? strlen(charset) : 2;

	if (count < 2)
		return err_setf(e, -EINVAL,
			"charset: %zu characters; wanted two or more", count);
	for (size_t i = 0; charset && i < count; i++) {
		if (charset[i] < 0x20 || charset[i] > 0x7e)
			return err_setf(e, -EINVAL,
				"charset: a character that is not printable "
				"ASCII");
		if (strchr(charset + i + 1, charset[i]))
			return err_setf(e, -EINVAL,
				"charset: '%c' stands there twice; wanted each "
				"character once, for all are equally likely",
				charset[i]);
	}
	return 0;
}

bool secret_fits_charset(const struct blob *value, const char *charset)
{
	const char *set = charset ? charset : letters;

	for (size_t i = 0; i < value->size; i++)
		if (!value->data[i] || !strchr(set, value->data[i]))
			return false;
	return true;
}

/* Of the whole alphabet, so that the cache does not tell which. */
static char pick(const char *set, unsigned count, unsigned index)
{
	unsigned c = 0;

	for (unsigned i = 0; i < count; i++) {
		/* All ones if i is index: both are below 256. */
		unsigned same = 0u - (((i ^ index) - 1) >> 31);

		c |= same & (uint8_t)set[i];
	}
	return (char)c;
}

static int fill_ascii(uint8_t *out, size_t size, const char *set)
{
	unsigned count = (unsigned)strlen(set);
	/* Bytes from here on would make some characters likelier. */
	unsigned limit = 256 - 256 % count;
	uint8_t bytes[256];
	size_t at = 0;

	while (at < size) {
		if (RAND_priv_bytes(bytes, sizeof(bytes)) != 1)
			return -EIO;
		for (size_t i = 0; i < sizeof(bytes) && at < size; i++)
			if (bytes[i] < limit)
				out[at++] = (uint8_t)pick(
					set, count, bytes[i] % count);
	}
	string_wipe(bytes, sizeof(bytes));
	return 0;
}

static int random_value(
	uint64_t size, const char *set, struct blob *out, struct err *e)
{
	uint8_t *p;
	int rc;

	if (!size || size > SECRET_BYTES_MAX)
		return err_setf(e, -EINVAL, "size %llu; wanted 1 to %d",
			(unsigned long long)size, SECRET_BYTES_MAX);
	p = malloc(size);
	if (!p)
		return err_setf(e, -ENOMEM, "out of memory");
	if (set)
		rc = fill_ascii(p, size, set);
	else
		rc = RAND_priv_bytes(p, (int)size) == 1 ? 0 : -EIO;
	if (rc)
		err_setf(e, rc, "no random numbers");
	else if ((rc = blob_set(out, p, size)))
		err_setf(e, rc, "out of memory");
	string_wipe(p, size);
	free(p);
	return rc;
}

int secret_random_ascii(
	uint64_t size, const char *charset, struct blob *out, struct err *e)
{
	int rc = secret_charset_check(charset, e);

	if (!rc)
		rc = random_value(size, charset ? charset : letters, out, e);
	return rc;
}

int secret_random_binary(uint64_t size, struct blob *out, struct err *e)
{
	return random_value(size, NULL, out, e);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as the encoding of a session's secrets, or of one that is imported:
 * what is taken has no other encoding, and every format of it can be asked for.
 */
#include <errno.h>
#include <stdlib.h>

#include "cas/secret_code.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const formats[] = {"", "hex", "pem", "der:base32", "crt:der",
	"chain", "privatekey", "privatekey:der:base64url", "previous:hex",
	"pkcs12-with-private-key", "spki:pem"};

static void try_formats(const struct secret_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		for (size_t j = 0; j < ARRAY_SIZE(formats); j++) {
			struct buf b = {0};
			struct err e = {0};
			int rc = secret_format(
				set, set->item[i].name, formats[j], &b, &e);

			if (rc && rc != -EINVAL && rc != -EIO)
				abort();
			if (rc && !e.text[0])
				abort();
			buf_fini(&b);
		}
}

static void try_import(const uint8_t *data, size_t size)
{
	struct secret x = {0};
	struct buf b = {0};
	struct err e = {0};

	if (secret_get_imported(data, size, &x, &e)) {
		if (x.name || !e.text[0])
			abort();
		return;
	}
	if (secret_put_imported(&x, &b) || b.size != size ||
		memcmp(b.data, data, size))
		abort();
	buf_fini(&b);
	secret_fini(&x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct secret_set *set = NULL;
	struct buf b = {0};
	struct err e = {0};

	try_import(data, size);
	if (secret_set_decode(data, size, &set, &e)) {
		if (set || e.code != -EBADMSG || !e.text[0])
			abort();
		return 0;
	}
	if (secret_set_encode(set, &b) || b.size != size ||
		memcmp(b.data, data, size))
		abort();
	(void)secret_set_due(set);
	try_formats(set);
	buf_fini(&b);
	secret_set_free(set);
	return 0;
}

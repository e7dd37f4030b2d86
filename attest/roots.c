/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/roots.h"

#include <errno.h>

#include "lib/string.h"

/* "Intel SGX Root CA", of both certificates: until 2033 and until 2049. */
static const uint8_t intel[][32] = {
	{0xa0, 0xaf, 0x03, 0x12, 0x89, 0xf5, 0xd5, 0xd4, 0x13, 0x2f, 0x91, 0x86,
		0x06, 0x8a, 0x7f, 0xc1, 0x36, 0x28, 0x63, 0x3b, 0xa2, 0x35,
		0x77, 0x74, 0x72, 0xe2, 0x9b, 0x6b, 0x6c, 0x67, 0xa4, 0x9e},
};

void roots_intel(struct roots *r)
{
	memset(r, 0, sizeof(*r));
	memcpy(r->spki, intel, sizeof(intel));
	r->count = ARRAY_SIZE(intel);
}

/* Each span may be a PEM text of several. */
static int add_given(struct roots *r, const struct span *file, struct err *e)
{
	struct x509_list list = {0};
	int rc = x509_list_parse(&list, NULL, file->data, file->size, e);

	if (!rc && list.count > ROOTS_MAX - r->count)
		rc = err_setf(e, -EINVAL, "more than %d roots", ROOTS_MAX);
	for (size_t i = 0; !rc && i < list.count; i++)
		memcpy(r->spki[r->count++], x509_cert_spki_hash(list.certs[i]),
			32);
	x509_list_fini(&list);
	return rc;
}

int roots_given(struct roots *r, const struct trust *trust, struct err *e)
{
	memset(r, 0, sizeof(*r));
	r->emulated = trust->emulated;
	for (size_t i = 0; i < trust->root_count; i++) {
		int rc = add_given(r, &trust->roots[i], e);

		if (rc) {
			err_prefix(e, "trusted root %zu", i + 1);
			return rc;
		}
	}
	return 0;
}

bool roots_have(const struct roots *r, const uint8_t spki[static 32])
{
	for (size_t i = 0; i < r->count; i++)
		if (!memcmp(r->spki[i], spki, 32))
			return true;
	return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/roots.h"

#include <errno.h>

#include "attest/x509_int.h"
#include "lib/string.h"

/* ARK-Milan, ARK-Genoa, ARK-Turin. */
static const uint8_t amd[][32] = {
	{0x9f, 0x05, 0x6b, 0xee, 0x44, 0x37, 0x7e, 0x29, 0x30, 0x8c, 0xb5, 0xff,
		0xa8, 0x95, 0xbd, 0xfb, 0x62, 0xd1, 0x88, 0x81, 0xfa, 0x6b,
		0xed, 0x8d, 0x6f, 0x07, 0x5b, 0x02, 0x04, 0x08, 0x9c, 0xb9},
	{0x42, 0x9a, 0x69, 0xc9, 0x42, 0x2a, 0xa2, 0x58, 0xee, 0x4d, 0x8d, 0xb5,
		0xfc, 0xda, 0x9c, 0x64, 0x70, 0xef, 0x15, 0xf8, 0xcd, 0x5a,
		0x9c, 0xeb, 0xd6, 0xcb, 0xc7, 0xd9, 0x0b, 0x86, 0x38, 0x31},
	{0x4f, 0x12, 0x54, 0x10, 0x56, 0x3a, 0x2a, 0xb9, 0xa5, 0x03, 0x56, 0xf9,
		0x24, 0x3f, 0x6f, 0xe0, 0xb6, 0xf7, 0x3d, 0xe9, 0x86, 0x03,
		0xf5, 0x3f, 0x90, 0x33, 0x9c, 0x70, 0xe9, 0xd7, 0xad, 0x08},
};

void roots_intel(struct roots *r)
{
	memset(r, 0, sizeof(*r));
	memcpy(r->spki[0], x509_intel_root, sizeof(x509_intel_root));
	r->count = 1;
}

void roots_amd(struct roots *r)
{
	memset(r, 0, sizeof(*r));
	memcpy(r->spki, amd, sizeof(amd));
	r->count = ARRAY_SIZE(amd);
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

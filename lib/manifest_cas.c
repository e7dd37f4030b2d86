/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/manifest_cas.h"

#include <errno.h>

#include "lib/bytes.h"
#include "lib/schema_encode.h"

int manifest_for_cas(const uint8_t key[32], const char *session,
	const char *token, uint8_t out[MANIFEST_CAS_MAX], size_t *size,
	struct err *e)
{
	struct manifest m = *(const struct manifest *)manifest_schema.defaults;
	struct cbor_writer w;
	char hex[65];
	int ret;

	bytes_to_hex(key, 32, hex);
	m.version = MANIFEST_VERSION;
	m.cas.key = hex;
	m.cas.session = session;
	m.cas.token = token != NULL && token[0] != '\0' ? token : NULL;
	if (schema_check(&manifest_schema, &m, e) < 0 ||
		manifest_check(&m, e) < 0)
		return -EINVAL;
	cbor_writer_init(&w, out, MANIFEST_CAS_MAX);
	schema_encode(&manifest_schema, &m, &w);
	ret = cbor_writer_check(&w);
	if (ret < 0)
		return err_setf(e, ret, "manifest: too long");
	*size = w.len;
	return 0;
}

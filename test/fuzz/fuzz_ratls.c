/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence in certificates. Input is, by its first byte, the value of the
 * interoperable extension, or a certificate in DER.
 */
#include <stdlib.h>

#include "attest/ratls.c"
#include "attest/ratls_verify.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(const struct span *s, const uint8_t *data, size_t size)
{
	const uint8_t *at = s->data;

	if (at &&
		(at < data || s->size > size ||
			(size_t)(at - data) > size - s->size))
		abort();
}

static void parse(const uint8_t *data, size_t size)
{
	struct ratls_evidence r;
	struct err e = {0};

	if (ratls_parse(data, size, &r, &e)) {
		if (e.code != -EINVAL || !e.text[0])
			abort();
		return;
	}
	check_inside(&r.evidence, data, size);
	check_inside(&r.claims, data, size);
	check_inside(&r.key_hash, data, size);
	check_inside(&r.nonce, data, size);
	if (!r.evidence.data || !r.claims.data ||
		r.key_hash.size != hash_size(r.hash))
		abort();
}

static void verify(const uint8_t *data, size_t size)
{
	static struct collateral *c;
	const struct collateral_files files = {0};
	const struct ratls_options options = {
		.evidence = {.at = 1759276800}, .nonce = {"nonce", 5}};
	X509 *x = d2i_X509(NULL, &data, (long)size);
	struct verdict v;
	struct err e = {0};
	int rc;

	ERR_clear_error();
	if (!x)
		return;
	if (!c && collateral_new(&files, NULL, &c, &e))
		abort();
	rc = ratls_verify(x, c, &options, &v, &e);
	if (rc && (e.code != rc || !e.text[0]))
		abort();
	/* There is nothing that this could have been verified with. */
	if (!rc && !v.failure_count)
		abort();
	X509_free(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size && *data == 0x30)
		verify(data, size);
	else
		parse(data, size);
	return 0;
}

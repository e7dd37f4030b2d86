/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/measure.h"

/* The hash itself, not EVP: that loads configuration and providers, which
 * takes longer at the start of every program than the hashing. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/sha.h>

#include "abi/sgx.h"

enum { RECORD_SIZE = 64 };

struct measure {
	SHA256_CTX hash;
};

static void put_le(uint8_t *p, uint64_t value, unsigned int size)
{
	for (unsigned int i = 0; i < size; i++)
		p[i] = (uint8_t)(value >> (8 * i));
}

int measure_raw(struct measure *m, const void *data, size_t size)
{
	return SHA256_Update(&m->hash, data, size) == 1 ? 0 : -EIO;
}

struct measure *measure_new(uint32_t ssa_frame_pages, uint64_t size)
{
	uint8_t record[RECORD_SIZE] = "ECREATE";
	struct measure *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	put_le(record + 8, ssa_frame_pages, 4);
	put_le(record + 12, size, 8);
	if (SHA256_Init(&m->hash) != 1 ||
		measure_raw(m, record, sizeof(record))) {
		measure_free(m);
		return NULL;
	}
	return m;
}

void measure_free(struct measure *m)
{
	free(m);
}

int measure_eadd(struct measure *m, uint64_t offset, uint64_t secinfo_flags)
{
	uint8_t record[RECORD_SIZE] = "EADD";

	put_le(record + 8, offset, 8);
	put_le(record + 16, secinfo_flags, 8);
	return measure_raw(m, record, sizeof(record));
}

int measure_eextend(struct measure *m, uint64_t offset, const void *chunk)
{
	uint8_t record[RECORD_SIZE] = "EEXTEND";

	put_le(record + 8, offset, 8);
	if (measure_raw(m, record, sizeof(record)))
		return -EIO;
	return measure_raw(m, chunk, SGX_CHUNK_SIZE);
}

int measure_page(struct measure *m, uint64_t offset, uint64_t secinfo_flags,
	const void *page, int extend)
{
	int rc = measure_eadd(m, offset, secinfo_flags);

	for (size_t i = 0; extend && !rc && i < SGX_PAGE_SIZE;
		i += SGX_CHUNK_SIZE)
		rc = measure_eextend(m, offset + i, (const uint8_t *)page + i);
	return rc;
}

int measure_value(const struct measure *m, uint8_t mrenclave[32])
{
	SHA256_CTX copy = m->hash;

	return SHA256_Final(mrenclave, &copy) == 1 ? 0 : -EIO;
}

void measure_hash(const void *data, size_t size, uint8_t hash[32])
{
	SHA256_CTX ctx;

	SHA256_Init(&ctx);
	SHA256_Update(&ctx, data, size);
	SHA256_Final(hash, &ctx);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See aead.h. The library's functions for one code path each are called
 * directly: its manager would choose by CPUID, which is the host's word in an
 * enclave, and pull in every algorithm.
 */
#include "crypto/aead.h"

#if __STDC_HOSTED__
#include <cpuid.h>
#endif
#include <errno.h>

#include "lib/string.h"

struct context { /* gcm_context_data of intel-ipsec-mb.h */
	uint8_t opaque[96] __attribute__((aligned(16)));
};

typedef void keyexp_fn(const void *key, void *expanded);
typedef void precomp_fn(struct aead_key *k);
typedef void crypt_fn(const struct aead_key *k, struct context *c, uint8_t *out,
	const uint8_t *in, uint64_t size, const uint8_t *nonce,
	const uint8_t *aad, uint64_t aad_size, uint8_t *tag, uint64_t tag_size);

keyexp_fn aes_keyexp_256_enc_sse;
precomp_fn aes_gcm_precomp_256_sse, aes_gcm_precomp_256_vaes_avx512;
crypt_fn aes_gcm_enc_256_sse, aes_gcm_enc_256_vaes_avx512;
crypt_fn aes_gcm_dec_256_sse, aes_gcm_dec_256_vaes_avx512;

/* Where the library reports arguments that are NULL or too large, which it
 * never gets here. Its own would bring libc's strerror(). */
extern int imb_errno;
extern const int imb_errno_types[64];
int imb_errno;
const int imb_errno_types[64];

static bool wide;

void aead_select(bool vaes512)
{
	wide = vaes512;
}

#if __STDC_HOSTED__
__attribute__((constructor)) static void select_by_processor(void)
{
	unsigned leaf[4]; /* clang 14 has no name for VAES */

	__builtin_cpu_init();
	__cpuid_count(7, 0, leaf[0], leaf[1], leaf[2], leaf[3]);
	aead_select((leaf[2] & bit_VAES) && __builtin_cpu_supports("avx512f") &&
		__builtin_cpu_supports("avx512bw") &&
		__builtin_cpu_supports("avx512vl") &&
		__builtin_cpu_supports("avx512dq") &&
		__builtin_cpu_supports("vpclmulqdq"));
}
#endif

void aead_key_init(struct aead_key *k, const uint8_t key[AEAD_KEY_SIZE])
{
	memset(k, 0, sizeof(*k));
	aes_keyexp_256_enc_sse(key, k->data);
	(wide ? aes_gcm_precomp_256_vaes_avx512 : aes_gcm_precomp_256_sse)(k);
}

void aead_key_fini(struct aead_key *k)
{
	string_wipe(k, sizeof(*k));
}

static void crypt(crypt_fn *fn, const struct aead_key *k, const uint8_t *nonce,
	const void *aad, size_t aad_size, const void *in, void *out,
	size_t size, uint8_t *tag)
{
	struct context c;

	fn(k, &c, out, in, size, nonce, aad, aad_size, tag, AEAD_TAG_SIZE);
	string_wipe(&c, sizeof(c));
}

void aead_seal(const struct aead_key *k, const uint8_t nonce[AEAD_NONCE_SIZE],
	const void *aad, size_t aad_size, const void *in, void *out,
	size_t size, uint8_t tag[AEAD_TAG_SIZE])
{
	crypt(wide ? aes_gcm_enc_256_vaes_avx512 : aes_gcm_enc_256_sse, k,
		nonce, aad, aad_size, in, out, size, tag);
}

int aead_open(const struct aead_key *k, const uint8_t nonce[AEAD_NONCE_SIZE],
	const void *aad, size_t aad_size, const void *in, void *out,
	size_t size, const uint8_t tag[AEAD_TAG_SIZE])
{
	uint8_t computed[AEAD_TAG_SIZE];

	crypt(wide ? aes_gcm_dec_256_vaes_avx512 : aes_gcm_dec_256_sse, k,
		nonce, aad, aad_size, in, out, size, computed);
	if (string_equal_const_time(computed, tag, sizeof(computed)))
		return 0;
	string_wipe(out, size);
	return -EBADMSG;
}

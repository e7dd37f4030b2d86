/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealing: data that only the enclave that sealed it can open again, on the
 * machine where it did. The key comes from EGETKEY, through a callback: no
 * I/O here, no libc, and vector registers are used (the kernel brackets it).
 *
 * The enclave's identity is more than its code: MRENCLAVE names a release of
 * Sconce, which runs anybody's programs, and CONFIGID the manifest. So both
 * policies bind CONFIGID:
 *
 *	SEAL_MRENCLAVE	this release with this manifest
 *	SEAL_MRSIGNER	releases of the same signer, from the one that sealed
 *			on (ISVSVN, CPUSVN, CONFIGSVN), with this manifest
 *
 * A sealed blob is struct seal_header, authenticated, and the data encrypted
 * with AES-256-GCM. The key is of this blob alone:
 *
 *	HKDF-SHA-256(salt KEYID, secret EGETKEY(SEAL, KEYID, ...))
 *
 * KEYID is 24 fresh random bytes and 8 that name the domain: keys for programs
 * are never those that the system uses for itself (S-41).
 */
#pragma once

#include "abi/sgx.h"
#include "lib/err.h"

enum seal_policy {
	SEAL_MRENCLAVE = SGX_KEYPOLICY_MRENCLAVE,
	SEAL_MRSIGNER = SGX_KEYPOLICY_MRSIGNER,
};

enum seal_domain { SEAL_PROGRAM, SEAL_SYSTEM };

enum {
	SEAL_VERSION = 1,
	SEAL_FRESH_SIZE = 24, /* random bytes for each blob */
	SEAL_RAW_KEY_SIZE = 16,
};

/* As it is stored, little-endian. */
struct seal_header {
	uint8_t magic[8]; /* "SCNCSEAL" */
	uint16_t version;
	uint16_t policy; /* KEYPOLICY, with CONFIGID */
	uint16_t isvprodid, isvsvn, configsvn; /* of who sealed */
	uint16_t reserved1;
	uint32_t miscselect, miscmask;
	uint32_t reserved2;
	uint64_t size; /* of the data */
	uint64_t reserved3;
	struct sgx_attributes attributes, attributes_mask;
	uint8_t cpusvn[16];
	uint8_t keyid[32];
	uint8_t identity[SGX_HASH_SIZE]; /* MRENCLAVE or MRSIGNER */
	uint8_t configid[64];
	uint8_t check[16]; /* from the key: tells another key from damage */
	uint8_t sum[16]; /* of SHA-256 of all before: damage, by accident */
	uint8_t tag[16]; /* of AES-GCM, over all before and the data */
};
static_assert_size(struct seal_header, 272);
static_assert_offset(struct seal_header, keyid, 96);
static_assert_offset(struct seal_header, tag, 256);

enum { SEAL_OVERHEAD = sizeof(struct seal_header) };

/* The enclave that seals or opens. */
struct seal_self {
	const struct sgx_report_body *body; /* of a report about itself */
	/* EGETKEY: 0 and the key, or an SGX error code. */
	int (*key)(void *ctx, const struct sgx_keyrequest *request,
		uint8_t key[SGX_KEY_SIZE]);
	void *ctx;
};

/*
 * Seals data[size] into blob[SEAL_OVERHEAD + size]; in place if @data is
 * @blob + SEAL_OVERHEAD, no other overlap. @fresh: never used before.
 *
 * 0; -EOPNOTSUPP: the enclave was made without KSS, so nothing would tell
 * manifests apart; -EIO: EGETKEY refused.
 */
must_check int seal_make(const struct seal_self *self, enum seal_domain domain,
	enum seal_policy policy, const uint8_t fresh[SEAL_FRESH_SIZE],
	const void *data, size_t size, void *blob);

/*
 * Opens blob[blob_size]: the data, @blob_size - SEAL_OVERHEAD bytes, to @data
 * (overlap as above). 0, or with the reason in @e:
 *
 *	-EINVAL		not sealed data
 *	-EOPNOTSUPP	sealed by a release that this one does not know
 *	-EBADMSG	damaged or altered
 *	-EKEYREJECTED	sealed by another enclave: other code or signer, other
 *			manifest, a debug enclave, the other domain
 *	-ESTALE		sealed by a newer release or on newer microcode
 *	-EXDEV		sealed on another machine, or before its owner changed;
 *			or a header altered with care
 *	-EIO		EGETKEY refused for another reason
 */
must_check int seal_open(const struct seal_self *self, enum seal_domain domain,
	const void *blob, size_t blob_size, void *data, struct err *e);

/*
 * A key that is the same each time, for programs that bring their own
 * cryptography. It changes with each update of microcode or release: there is
 * no header to say for which it was. Errors as seal_make().
 */
must_check int seal_raw_key(const struct seal_self *self,
	enum seal_policy policy, uint8_t key[SEAL_RAW_KEY_SIZE]);

/* SPDX-License-Identifier: Apache-2.0 */
/* See seal.h. */
#include "attest/seal.h"

#include <linux/errno.h>

#include "crypto/aead.h"
#include "crypto/hkdf.h"
#include "lib/string.h"

static const uint8_t magic[8] = {'S', 'C', 'N', 'C', 'S', 'E', 'A', 'L'};

/* The end of KEYID. */
enum { LABEL_SIZE = 32 - SEAL_FRESH_SIZE };
static const char labels[][LABEL_SIZE + 1] = {
	[SEAL_PROGRAM] = "program\0", [SEAL_SYSTEM] = "system\0\0"};
static const char raw_label[LABEL_SIZE + 1] = "raw-key\0";

/*
 * What of the enclave's attributes enters keys, besides its identity: whether
 * it can be debugged, has keys for provisioning, or no CONFIGID. Not XFRM,
 * which differs between processors and takes nothing from the protection.
 */
static const struct sgx_attributes attributes_mask = {.flags = SGX_ATTR_INIT |
		SGX_ATTR_DEBUG | SGX_ATTR_MODE64BIT | SGX_ATTR_PROVISIONKEY |
		SGX_ATTR_EINITTOKENKEY | SGX_ATTR_KSS};
enum { MISCMASK = SGX_MISC_EXINFO };

struct seal_keys {
	uint8_t aead[AEAD_KEY_SIZE];
	uint8_t check[16];
};

static const uint8_t *identity_of(
	const struct sgx_report_body *body, unsigned policy)
{
	return policy & SGX_KEYPOLICY_MRENCLAVE ? body->mrenclave
						: body->mrsigner;
}

static void fill(struct seal_header *h, const struct sgx_report_body *body,
	enum seal_policy policy)
{
	memset(h, 0, sizeof(*h));
	memcpy(h->magic, magic, sizeof(magic));
	h->version = SEAL_VERSION;
	h->policy = (uint16_t)(policy | SGX_KEYPOLICY_CONFIGID);
	h->isvprodid = body->isvprodid;
	h->isvsvn = body->isvsvn;
	h->configsvn = body->configsvn;
	h->miscmask = MISCMASK;
	h->miscselect = body->miscselect & MISCMASK;
	h->attributes_mask = attributes_mask;
	h->attributes.flags = body->attributes.flags & attributes_mask.flags;
	memcpy(h->cpusvn, body->cpusvn, sizeof(h->cpusvn));
	memcpy(h->identity, identity_of(body, policy), sizeof(h->identity));
	memcpy(h->configid, body->configid, sizeof(h->configid));
}

/* What EGETKEY gives for a header, turned into size bytes of key. */
static int derive(const struct seal_self *self, const struct seal_header *h,
	const char *info, void *out, size_t size)
{
	struct sgx_keyrequest request = {
		.keyname = SGX_KEY_SEAL,
		.keypolicy = h->policy,
		.isvsvn = h->isvsvn,
		.attributes_mask = h->attributes_mask,
		.miscmask = h->miscmask,
		.configsvn = h->configsvn,
	};
	uint8_t key[SGX_KEY_SIZE];
	int err;

	memcpy(request.cpusvn, h->cpusvn, sizeof(request.cpusvn));
	memcpy(request.keyid, h->keyid, sizeof(request.keyid));
	err = self->key(self->ctx, &request, key);
	if (!err)
		hkdf_sha256(h->keyid, sizeof(h->keyid), key, sizeof(key), info,
			strlen(info), out, size);
	string_wipe(key, sizeof(key));
	return err;
}

static int derive_keys(const struct seal_self *self,
	const struct seal_header *h, struct seal_keys *keys)
{
	return derive(self, h, "sconce seal 1", keys, sizeof(*keys));
}

static void sum(const struct seal_header *h, uint8_t out[16])
{
	uint8_t digest[SHA256_SIZE];

	sha256(h, offsetof(struct seal_header, sum), digest);
	memcpy(out, digest, 16);
}

/* Each key is for one message, so one nonce will do. */
static const uint8_t nonce[AEAD_NONCE_SIZE];

int seal_make(const struct seal_self *self, enum seal_domain domain,
	enum seal_policy policy, const uint8_t fresh[SEAL_FRESH_SIZE],
	const void *data, size_t size, void *blob)
{
	struct seal_keys keys;
	struct seal_header h;
	struct aead_key aead;

	if (!(self->body->attributes.flags & SGX_ATTR_KSS))
		return -EOPNOTSUPP;
	fill(&h, self->body, policy);
	h.size = size;
	memcpy(h.keyid, fresh, SEAL_FRESH_SIZE);
	memcpy(h.keyid + SEAL_FRESH_SIZE, labels[domain], LABEL_SIZE);
	if (derive_keys(self, &h, &keys))
		return -EIO;
	memcpy(h.check, keys.check, sizeof(h.check));
	sum(&h, h.sum);
	aead_key_init(&aead, keys.aead);
	aead_seal(&aead, nonce, &h, offsetof(struct seal_header, tag), data,
		(uint8_t *)blob + sizeof(h), size, h.tag);
	aead_key_fini(&aead);
	string_wipe(&keys, sizeof(keys));
	memcpy(blob, &h, sizeof(h));
	return 0;
}

/* Is it whole, and of a kind that this release opens? */
static int check_form(
	const struct seal_header *h, size_t blob_size, struct err *e)
{
	unsigned policy = h->policy & ~SGX_KEYPOLICY_CONFIGID;
	uint8_t want[16];

	if (memcmp(h->magic, magic, sizeof(magic)) != 0)
		return err_setf(e, -EINVAL, "not sealed data: no SCNCSEAL");
	if (h->version != SEAL_VERSION)
		return err_setf(e, -EOPNOTSUPP,
			"sealed data of version %u; wanted %d", h->version,
			SEAL_VERSION);
	sum(h, want);
	if (memcmp(h->sum, want, sizeof(want)) != 0)
		return err_setf(e, -EBADMSG, "sealed data: header is damaged");
	if (h->size != blob_size - sizeof(*h))
		return err_setf(e, -EBADMSG,
			"sealed data: %zu bytes behind the header; wanted %llu",
			blob_size - sizeof(*h), (unsigned long long)h->size);
	if (!(h->policy & SGX_KEYPOLICY_CONFIGID) ||
		(policy != SEAL_MRENCLAVE && policy != SEAL_MRSIGNER) ||
		memcmp(&h->attributes_mask, &attributes_mask,
			sizeof(attributes_mask)) != 0 ||
		h->miscmask != MISCMASK || h->reserved1 || h->reserved2 ||
		h->reserved3)
		return err_setf(e, -EOPNOTSUPP,
			"sealed data: a policy or mask that is not of version "
			"%d",
			SEAL_VERSION);
	return 0;
}

/* Which part of the identity differs, or NULL. */
static const char *difference(const struct seal_self *self,
	enum seal_domain domain, const struct seal_header *h)
{
	const struct sgx_report_body *body = self->body;

	if (memcmp(h->keyid + SEAL_FRESH_SIZE, labels[domain], LABEL_SIZE) != 0)
		return "for another purpose (KEYID)";
	if ((h->attributes.flags ^ body->attributes.flags) & SGX_ATTR_DEBUG)
		return "in the other of debug and production (ATTRIBUTES)";
	if (h->attributes.flags !=
			(body->attributes.flags & attributes_mask.flags) ||
		h->attributes.xfrm ||
		h->miscselect != (body->miscselect & MISCMASK))
		return "with other attributes (ATTRIBUTES, MISCSELECT)";
	if (memcmp(h->identity, identity_of(body, h->policy),
		    sizeof(h->identity)) != 0)
		return h->policy & SGX_KEYPOLICY_MRENCLAVE
			? "by another release (MRENCLAVE)"
			: "by a release of another signer (MRSIGNER)";
	if (h->isvprodid != body->isvprodid)
		return "by another product (ISVPRODID)";
	if (memcmp(h->configid, body->configid, sizeof(h->configid)) != 0)
		return "under another manifest (CONFIGID)";
	return NULL;
}

static int check_enclave(const struct seal_self *self, enum seal_domain domain,
	const struct seal_header *h, struct err *e)
{
	const struct sgx_report_body *body = self->body;
	const char *what = difference(self, domain, h);

	if (what)
		return err_setf(e, -EKEYREJECTED,
			"sealed data: was sealed %s; only the enclave that "
			"sealed it opens it",
			what);
	if (h->isvsvn > body->isvsvn || h->configsvn > body->configsvn)
		return err_setf(e, -ESTALE,
			"sealed data: ISVSVN %u, CONFIGSVN %u; this enclave "
			"has %u, %u: use the newer release",
			h->isvsvn, h->configsvn, body->isvsvn, body->configsvn);
	return 0;
}

/* The header's keys, if they are those of who sealed it. */
static int open_keys(const struct seal_self *self, const struct seal_header *h,
	struct seal_keys *keys, struct err *e)
{
	int err = derive_keys(self, h, keys);

	if (err == SGX_INVALID_CPUSVN || err == SGX_INVALID_ISVSVN)
		return err_setf(e, -ESTALE,
			"sealed data: sealed on newer microcode; wanted what "
			"this processor has or older");
	if (err)
		return err_setf(
			e, -EIO, "sealed data: EGETKEY refused (%d)", err);
	if (!string_equal_const_time(h->check, keys->check, sizeof(h->check)))
		return err_setf(e, -EXDEV,
			"sealed data: sealed on another machine (or before its "
			"owner changed); it opens there only");
	return 0;
}

int seal_open(const struct seal_self *self, enum seal_domain domain,
	const void *blob, size_t blob_size, void *data, struct err *e)
{
	struct seal_keys keys = {0};
	struct seal_header h;
	struct aead_key aead;
	int err;

	if (blob_size < sizeof(h))
		return err_setf(e, -EINVAL,
			"not sealed data: %zu bytes; wanted at least %zu",
			blob_size, sizeof(h));
	memcpy(&h, blob, sizeof(h));
	err = check_form(&h, blob_size, e);
	if (!err)
		err = check_enclave(self, domain, &h, e);
	if (!err)
		err = open_keys(self, &h, &keys, e);
	if (err)
		goto wipe;
	aead_key_init(&aead, keys.aead);
	err = aead_open(&aead, nonce, &h, offsetof(struct seal_header, tag),
		(const uint8_t *)blob + sizeof(h), data, h.size, h.tag);
	aead_key_fini(&aead);
	if (err)
		err_setf(e, err, "sealed data: altered");
wipe:
	string_wipe(&keys, sizeof(keys));
	return err;
}

int seal_raw_key(const struct seal_self *self, enum seal_policy policy,
	uint8_t key[SEAL_RAW_KEY_SIZE])
{
	struct seal_header h;

	if (!(self->body->attributes.flags & SGX_ATTR_KSS))
		return -EOPNOTSUPP;
	fill(&h, self->body, policy);
	memcpy(h.keyid + SEAL_FRESH_SIZE, raw_label, LABEL_SIZE);
	return derive(self, &h, "sconce raw key 1", key, SEAL_RAW_KEY_SIZE)
		? -EIO
		: 0;
}

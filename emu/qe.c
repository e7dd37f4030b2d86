/* SPDX-License-Identifier: Apache-2.0 */
/* The quoting enclave's own work: reports in, quotes out. */
#include "emu/qe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include "emu/keys.h"
#include "emu/qe_int.h"

enum {
	QE_PRODID = 1,
	QE_SVN = 1,
	PCE_SVN = 1,
	KEY_BITS = 320,
	ID_BITS = 128,
	LABEL_MAX = 12
};

/*
 * Hashes of nothing: readable in every dump, and no enclave of the emulator
 * can have them, as its measurements are real.
 */
static const char qe_mrenclave[SGX_HASH_SIZE] = "SCONCE-EMULATED-QE";
static const char qe_mrsigner[SGX_HASH_SIZE] =
	"SCONCE-EMULATED-QUOTING-ENCLAVE";
static const uint8_t fmspc[EMU_QE_FMSPC_SIZE] = {'S', 'C', 'E', 'M', 'U', 0};

int qe_derive(const struct emu_qe *qe, const char *label, unsigned counter,
	unsigned bits, uint8_t out[16])
{
	uint8_t block[16] = {(uint8_t)counter};

	memcpy(block + 1, label, strnlen(label, LABEL_MAX));
	block[14] = (uint8_t)(bits >> 8);
	block[15] = (uint8_t)bits;
	return keys_cmac(qe->seal_key, block, sizeof(block), out);
}

static void set_identity(struct emu_qe *qe)
{
	struct sgx_report_body *id = &qe->identity;

	memcpy(id->cpusvn, qe->platform.cpusvn, sizeof(id->cpusvn));
	/* The last one as every real quoting enclave: enclaves make reports
	 * for quotes only for those who have it. */
	id->attributes.flags = SGX_ATTR_INIT | SGX_ATTR_MODE64BIT |
		SGX_ATTR_PROVISIONKEY;
	id->attributes.xfrm = SGX_XFRM_LEGACY;
	memcpy(id->mrenclave, qe_mrenclave, sizeof(id->mrenclave));
	memcpy(id->mrsigner, qe_mrsigner, sizeof(id->mrsigner));
	id->isvprodid = QE_PRODID;
	id->isvsvn = QE_SVN;
}

/* What EGETKEY would give it: SEAL, by its signer, of CPUSVN and ISVSVN now. */
static int set_seal_key(struct emu_qe *qe)
{
	const struct sgx_report_body *id = &qe->identity;
	struct key_inputs in = {.keyname = SGX_KEY_SEAL,
		.keypolicy = SGX_KEYPOLICY_MRSIGNER,
		.isvprodid = id->isvprodid,
		.isvsvn = id->isvsvn,
		.attributes = {SGX_ATTR_INIT, 0},
		.attributes_mask = {~SGX_ATTR_MODE64BIT, 0}};

	memcpy(in.owner_epoch, qe->platform.owner_epoch,
		sizeof(in.owner_epoch));
	memcpy(in.seal_fuses, qe->platform.seal_fuses, sizeof(in.seal_fuses));
	memcpy(in.cpusvn, id->cpusvn, sizeof(in.cpusvn));
	memcpy(in.mrsigner, id->mrsigner, sizeof(in.mrsigner));
	return keys_derive(&qe->platform, &in, qe->seal_key);
}

static int describe_platform(struct emu_qe *qe)
{
	struct pki_platform *p = &qe->described;

	memcpy(p->components, qe->platform.cpusvn, sizeof(p->components));
	memcpy(p->fmspc, fmspc, sizeof(p->fmspc));
	p->pcesvn = PCE_SVN;
	p->smt = true;
	if (qe_derive(qe, "PPID", 0, ID_BITS, p->ppid) ||
		qe_derive(qe, "INSTANCE_ID", 0, ID_BITS, p->instance_id))
		return -EIO;
	return 0;
}

/* Three blocks of 16 bytes, of which the first 40 bytes count. */
static int derive_key(
	const struct emu_qe *qe, const char *label, EVP_PKEY **key)
{
	uint8_t secret[48];
	int ret = 0;

	for (unsigned i = 0; i < 3 && ret == 0; i++)
		ret = qe_derive(
			qe, label, i + 1, KEY_BITS, secret + (size_t)16 * i);
	if (ret == 0)
		ret = pki_key_derive(secret, key);
	OPENSSL_cleanse(secret, sizeof(secret));
	return ret;
}

static int derive_keys(struct emu_qe *qe)
{
	static const char *const labels[QE_CERTS] = {[QE_ROOT] = "ROOT_CA",
		[QE_PCK_CA] = "PLATFORM_CA",
		[QE_PCK] = "PCK",
		[QE_TCB_SIGNING] = "TCB_SIGNING"};
	int ret = derive_key(qe, "QE_ATT_DER", &qe->attestation);

	for (unsigned i = 0; i < QE_CERTS && ret == 0; i++)
		ret = derive_key(qe, labels[i], &qe->key[i]);
	return ret;
}

static int set_maker(struct emu_qe *qe)
{
	X509 *const chain[] = {
		qe->cert[QE_PCK], qe->cert[QE_PCK_CA], qe->cert[QE_ROOT]};
	struct quote_maker *m = &qe->maker;
	int ret = pki_pem(chain, ARRAY_SIZE(chain), &qe->chain, &m->chain_size);

	if (ret < 0)
		return ret;
	m->chain = qe->chain;
	m->attestation = qe->attestation;
	m->qe_svn = QE_SVN;
	m->pce_svn = PCE_SVN;
	m->qe_report = qe->identity;
	if (qe_derive(qe, "QE_ID_DER", 0, ID_BITS, m->qe_id))
		return -EIO;
	ret = quote_maker_finish(m, qe->key[QE_PCK]);
	if (ret == 0 && quote_make_size(m) > EMU_QE_QUOTE_MAX)
		return -EIO;
	return ret;
}

int emu_qe_new(struct emu_qe **out, struct err *e)
{
	struct emu_qe *qe = calloc(1, sizeof(*qe));
	int ret;

	*out = NULL;
	if (!qe)
		return err_setf(e, -ENOMEM, "no memory");
	ret = emu_platform_load(&qe->platform);
	if (ret < 0) {
		emu_qe_free(qe);
		return err_setf(e, ret, "the emulated platform has no keys");
	}
	set_identity(qe);
	if (set_seal_key(qe) || describe_platform(qe) || derive_keys(qe))
		ret = err_setf(e, -EIO, "keys of the emulated platform: %s",
			"libcrypto failed");
	if (ret == 0)
		ret = qe_pki_load(qe, e);
	if (ret == 0 && set_maker(qe))
		ret = err_setf(e, -EIO, "emulated quoting enclave: %s",
			"libcrypto failed");
	if (ret < 0)
		emu_qe_free(qe);
	else
		*out = qe;
	return ret;
}

void emu_qe_free(struct emu_qe *qe)
{
	if (!qe)
		return;
	for (unsigned i = 0; i < QE_CERTS; i++) {
		EVP_PKEY_free(qe->key[i]);
		X509_free(qe->cert[i]);
	}
	EVP_PKEY_free(qe->attestation);
	free(qe->chain);
	OPENSSL_cleanse(qe, sizeof(*qe));
	free(qe);
}

void emu_qe_target(const struct emu_qe *qe, struct sgx_targetinfo *target)
{
	const struct sgx_report_body *id = &qe->identity;

	memset(target, 0, sizeof(*target));
	memcpy(target->mrenclave, id->mrenclave, sizeof(target->mrenclave));
	target->attributes = id->attributes;
	target->miscselect = id->miscselect;
}

const uint8_t *emu_qe_signer(const struct emu_qe *qe)
{
	return qe->identity.mrsigner;
}

uint16_t emu_qe_product(const struct emu_qe *qe)
{
	return qe->identity.isvprodid;
}

void emu_qe_key_hash(const struct emu_qe *qe, uint8_t hash[32])
{
	SHA256(qe->maker.attestation_public,
		sizeof(qe->maker.attestation_public), hash);
}

size_t emu_qe_quote_size(const struct emu_qe *qe)
{
	return quote_make_size(&qe->maker);
}

/* What the quoting enclave does first: EGETKEY(REPORT), then CMAC. */
static int check_report(
	const struct emu_qe *qe, const struct sgx_report *report)
{
	struct sgx_targetinfo self;
	uint8_t key[SGX_KEY_SIZE], mac[SGX_MAC_SIZE];
	int ret;

	emu_qe_target(qe, &self);
	ret = keys_report(&qe->platform, &self, report->keyid, key);
	if (ret == 0)
		ret = keys_cmac(key, &report->body, sizeof(report->body), mac);
	if (ret == 0 && CRYPTO_memcmp(mac, report->mac, sizeof(mac)) != 0)
		ret = -EACCES;
	OPENSSL_cleanse(key, sizeof(key));
	OPENSSL_cleanse(mac, sizeof(mac));
	return ret;
}

int emu_qe_quote(const struct emu_qe *qe, const struct sgx_report *report,
	void *quote, size_t capacity, size_t *size)
{
	int ret = check_report(qe, report);

	*size = quote_make_size(&qe->maker);
	if (ret == 0 && *size > capacity)
		ret = -ENOSPC;
	return ret == 0 ? quote_make(&qe->maker, &report->body, quote) : ret;
}

int emu_qe_report(const struct emu_qe *qe, const struct sgx_targetinfo *target,
	const uint8_t nonce[16], const void *quote, size_t size,
	struct sgx_report *report)
{
	uint8_t key[SGX_KEY_SIZE];
	SHA256_CTX hash;
	int ret;

	report->body = qe->identity;
	SHA256_Init(&hash);
	SHA256_Update(&hash, nonce, 16);
	SHA256_Update(&hash, quote, size);
	SHA256_Final(report->body.reportdata, &hash);
	memcpy(report->keyid, qe->platform.report_keyid, sizeof(report->keyid));
	ret = keys_report(&qe->platform, target, report->keyid, key);
	if (ret == 0)
		ret = keys_cmac(
			key, &report->body, sizeof(report->body), report->mac);
	OPENSSL_cleanse(key, sizeof(key));
	return ret;
}

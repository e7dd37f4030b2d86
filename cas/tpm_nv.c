/* SPDX-License-Identifier: Apache-2.0 */
#include "cas/tpm_nv.h"

#include <endian.h>
#include <errno.h>

#include <tss2/tss2_rc.h>
#include <tss2/tss2_tctildr.h>

#include "lib/string.h"

/* Layered codes of the resource manager and of the TPM itself. */
static TSS2_RC code_of(TSS2_RC rc)
{
	return rc & 0xffff;
}

static int fail(struct err *e, const char *what, TSS2_RC rc)
{
	TSS2_RC code = code_of(rc);
	/* Without the number of the session or handle (TPM 2.0 part 2, 6.6). */
	TSS2_RC kind = code & TPM2_RC_FMT1 ? code & (TPM2_RC_FMT1 | 0x3f)
					   : code;
	bool theirs = kind == TPM2_RC_AUTH_FAIL || kind == TPM2_RC_BAD_AUTH ||
		kind == TPM2_RC_ATTRIBUTES || kind == TPM2_RC_NV_AUTHORIZATION;

	if (theirs)
		return err_setf(e, -EKEYREJECTED,
			"TPM: %s: %s; the counter is another cluster's, or was "
			"replaced: give this one another index",
			what, Tss2_RC_Decode(rc));
	return err_setf(e, -EIO, "TPM: %s: %s", what, Tss2_RC_Decode(rc));
}

int tpm_nv_open(struct tpm_nv *n, const char *tcti, uint32_t index,
	const uint8_t auth[static TPM_NV_AUTH_SIZE], struct err *e)
{
	TSS2_RC rc;

	*n = (struct tpm_nv){.index = index, .handle = ESYS_TR_NONE};
	memcpy(n->auth, auth, sizeof(n->auth));
	rc = Tss2_TctiLdr_Initialize(tcti, &n->tcti);
	if (rc != TSS2_RC_SUCCESS)
		return err_setf(e, -ENODEV, "TPM: %s: %s",
			tcti ? tcti : "the default device", Tss2_RC_Decode(rc));
	rc = Esys_Initialize(&n->esys, n->tcti, NULL);
	if (rc == TSS2_RC_SUCCESS)
		return 0;
	tpm_nv_close(n);
	return fail(e, "start", rc);
}

void tpm_nv_close(struct tpm_nv *n)
{
	if (n->esys)
		Esys_Finalize(&n->esys);
	if (n->tcti)
		Tss2_TctiLdr_Finalize(&n->tcti);
	string_wipe(n, sizeof(*n));
}

/* ---- sessions ---- */

/* salt: a key of the TPM; with one, the first parameter is encrypted, too. */
static TSS2_RC start_session(struct tpm_nv *n, ESYS_TR salt, ESYS_TR *session)
{
	TPMT_SYM_DEF none = {.algorithm = TPM2_ALG_NULL};
	TPMT_SYM_DEF aes = {.algorithm = TPM2_ALG_AES,
		.keyBits.aes = 128,
		.mode.aes = TPM2_ALG_CFB};
	bool salted = salt != ESYS_TR_NONE;
	TPMA_SESSION attributes = salted ? TPMA_SESSION_DECRYPT : 0;
	TSS2_RC rc = Esys_StartAuthSession(n->esys, salt, ESYS_TR_NONE,
		ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, NULL, TPM2_SE_HMAC,
		salted ? &aes : &none, TPM2_ALG_SHA256, session);

	if (rc != TSS2_RC_SUCCESS)
		return rc;
	/* Ends with the command that it is used for. */
	return Esys_TRSess_SetAttributes(n->esys, *session, attributes, 0xff);
}

static void end_session(struct tpm_nv *n, ESYS_TR session)
{
	/* A command that failed leaves it. */
	if (session != ESYS_TR_NONE)
		(void)Esys_FlushContext(n->esys, session);
}

static TSS2_RC set_auth(struct tpm_nv *n)
{
	TPM2B_AUTH auth = {.size = TPM_NV_AUTH_SIZE};
	TSS2_RC rc;

	memcpy(auth.buffer, n->auth, TPM_NV_AUTH_SIZE);
	rc = Esys_TR_SetAuth(n->esys, n->handle, &auth);
	string_wipe(&auth, sizeof(auth));
	return rc;
}

static int find(struct tpm_nv *n, struct err *e)
{
	TSS2_RC rc, code;

	if (n->handle != ESYS_TR_NONE)
		return 0;
	rc = Esys_TR_FromTPMPublic(n->esys, n->index, ESYS_TR_NONE,
		ESYS_TR_NONE, ESYS_TR_NONE, &n->handle);
	code = code_of(rc);
	if (code == (TPM2_RC_HANDLE | TPM2_RC_1) ||
		code == (TPM2_RC_HANDLE | TPM2_RC_P | TPM2_RC_1)) {
		n->handle = ESYS_TR_NONE;
		return err_setf(e, -ENOENT, "TPM: there is no counter 0x%x",
			(unsigned)n->index);
	}
	if (rc == TSS2_RC_SUCCESS)
		rc = set_auth(n);
	return rc == TSS2_RC_SUCCESS ? 0 : fail(e, "find the counter", rc);
}

/* ---- the counter ---- */

static int to_value(const TPM2B_MAX_NV_BUFFER *data, uint64_t *value)
{
	uint64_t v;

	if (data->size != sizeof(v))
		return -EIO;
	memcpy(&v, data->buffer, sizeof(v));
	*value = be64toh(v);
	return 0;
}

int tpm_nv_read(struct tpm_nv *n, uint64_t *value, struct err *e)
{
	TPM2B_MAX_NV_BUFFER *data = NULL;
	ESYS_TR session = ESYS_TR_NONE;
	TSS2_RC rc;
	int ret = find(n, e);

	if (ret < 0)
		return ret;
	rc = start_session(n, ESYS_TR_NONE, &session);
	if (rc == TSS2_RC_SUCCESS)
		rc = Esys_NV_Read(n->esys, n->handle, n->handle, session,
			ESYS_TR_NONE, ESYS_TR_NONE, sizeof(*value), 0, &data);
	end_session(n, session);
	if (rc != TSS2_RC_SUCCESS)
		return fail(e, "read the counter", rc);
	ret = to_value(data, value);
	Esys_Free(data);
	return ret < 0 ? err_setf(e, ret, "TPM: the counter has no number") : 0;
}

int tpm_nv_increment(struct tpm_nv *n, struct err *e)
{
	ESYS_TR session = ESYS_TR_NONE;
	TSS2_RC rc;
	int ret = find(n, e);

	if (ret < 0)
		return ret;
	rc = start_session(n, ESYS_TR_NONE, &session);
	if (rc == TSS2_RC_SUCCESS)
		rc = Esys_NV_Increment(n->esys, n->handle, n->handle, session,
			ESYS_TR_NONE, ESYS_TR_NONE);
	end_session(n, session);
	return rc == TSS2_RC_SUCCESS ? 0 : fail(e, "advance the counter", rc);
}

/* ---- making it ---- */

/* The storage key of the owner's hierarchy (TCG's ECC template). */
static TSS2_RC make_salt_key(struct tpm_nv *n, ESYS_TR *key)
{
	const TPM2B_PUBLIC template = {
		.publicArea = {.type = TPM2_ALG_ECC,
			.nameAlg = TPM2_ALG_SHA256,
			.objectAttributes = TPMA_OBJECT_FIXEDTPM |
				TPMA_OBJECT_FIXEDPARENT |
				TPMA_OBJECT_SENSITIVEDATAORIGIN |
				TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA |
				TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT,
			.parameters.eccDetail = {
				.symmetric = {.algorithm = TPM2_ALG_AES,
					.keyBits.aes = 128,
					.mode.aes = TPM2_ALG_CFB},
				.scheme.scheme = TPM2_ALG_NULL,
				.curveID = TPM2_ECC_NIST_P256,
				.kdf.scheme = TPM2_ALG_NULL}}};
	const TPM2B_SENSITIVE_CREATE sensitive = {.size = 0};
	const TPM2B_DATA data = {.size = 0};
	const TPML_PCR_SELECTION pcrs = {.count = 0};

	return Esys_CreatePrimary(n->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD,
		ESYS_TR_NONE, ESYS_TR_NONE, &sensitive, &template, &data, &pcrs,
		key, NULL, NULL, NULL, NULL);
}

static TSS2_RC define_space(struct tpm_nv *n, ESYS_TR session)
{
	TPM2B_AUTH auth = {.size = TPM_NV_AUTH_SIZE};
	const TPM2B_NV_PUBLIC public = {
		.nvPublic = {.nvIndex = n->index,
			.nameAlg = TPM2_ALG_SHA256,
			.attributes =
				(TPM2_NT_COUNTER << TPMA_NV_TPM2_NT_SHIFT) |
				TPMA_NV_AUTHREAD | TPMA_NV_AUTHWRITE |
				TPMA_NV_NO_DA,
			.dataSize = sizeof(uint64_t)}};
	TSS2_RC rc;

	memcpy(auth.buffer, n->auth, TPM_NV_AUTH_SIZE);
	rc = Esys_NV_DefineSpace(n->esys, ESYS_TR_RH_OWNER, session,
		ESYS_TR_NONE, ESYS_TR_NONE, &auth, &public, &n->handle);
	string_wipe(&auth, sizeof(auth));
	return rc;
}

int tpm_nv_define(struct tpm_nv *n, struct err *e)
{
	ESYS_TR key = ESYS_TR_NONE, session = ESYS_TR_NONE;
	TSS2_RC rc = make_salt_key(n, &key);

	if (rc == TSS2_RC_SUCCESS)
		rc = start_session(n, key, &session);
	if (rc == TSS2_RC_SUCCESS)
		rc = define_space(n, session);
	end_session(n, session);
	if (key != ESYS_TR_NONE)
		(void)Esys_FlushContext(n->esys, key);
	if (rc == TSS2_RC_SUCCESS)
		rc = set_auth(n);
	return rc == TSS2_RC_SUCCESS ? tpm_nv_increment(n, e)
				     : fail(e, "make the counter", rc);
}

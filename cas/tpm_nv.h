/* SPDX-License-Identifier: Apache-2.0 */
/* One counter in the memory of a TPM 2.0, by libtss2's ESAPI. */
#pragma once

#include <tss2/tss2_esys.h>

#include "lib/err.h"

enum { TPM_NV_AUTH_SIZE = 32 };

struct tpm_nv {
	TSS2_TCTI_CONTEXT *tcti;
	ESYS_CONTEXT *esys;
	uint32_t index;
	ESYS_TR handle; /* ESYS_TR_NONE: not there, or not found yet */
	uint8_t auth[TPM_NV_AUTH_SIZE];
};

must_check int tpm_nv_open(struct tpm_nv *n, const char *tcti, uint32_t index,
	const uint8_t auth[static TPM_NV_AUTH_SIZE], struct err *e);
void tpm_nv_close(struct tpm_nv *n);
/* -ENOENT: there is no such counter. -EKEYREJECTED: it is somebody else's. */
must_check int tpm_nv_read(struct tpm_nv *n, uint64_t *value, struct err *e);
must_check int tpm_nv_increment(struct tpm_nv *n, struct err *e);
/* Makes it, and increments it once: TPMs give the first value then, which is
 * higher than that of any counter they ever had. */
must_check int tpm_nv_define(struct tpm_nv *n, struct err *e);

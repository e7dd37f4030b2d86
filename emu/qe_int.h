/* SPDX-License-Identifier: Apache-2.0 */
/* What the emulated quoting enclave consists of; for emu/qe*.c only. */
#pragma once

#include <openssl/types.h>

#include "attest/pki.h"
#include "attest/quote_make.h"
#include "emu/machine.h"
#include "emu/qe.h"

enum qe_cert {
	QE_ROOT,
	QE_PCK_CA,
	QE_PCK,
	QE_TCB_SIGNING,
	QE_CERTS,
};

struct emu_qe {
	struct emu_platform platform;
	struct sgx_report_body identity; /* REPORTDATA is zero */
	uint8_t seal_key[SGX_KEY_SIZE]; /* all else is derived from it */
	struct pki_platform described; /* in the PCK certificate */
	EVP_PKEY *key[QE_CERTS];
	X509 *cert[QE_CERTS];
	EVP_PKEY *attestation;
	char *chain; /* PCK, CA, root */
	struct quote_maker maker;
};

/* 16 bytes: CMAC(seal key, counter, label, zeros, bits), as Intel's quoting
 * enclave derives; of label 12 characters count. 0 or -EIO. */
int qe_derive(const struct emu_qe *qe, const char *label, unsigned counter,
	unsigned bits, uint8_t out[16]);

/* qe_pki.c: key[] and cert[], from the file or made. */
int qe_pki_load(struct emu_qe *qe, struct err *e);
/* qe_file.c */
/* dir/name with these contents, as a whole or not at all. !replace: -EEXIST. */
int qe_file_write(const char *dir, const char *name, const void *data,
	size_t size, unsigned mode, bool replace);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The quoting enclave of the emulated platform, and the certificates that
 * stand for its making: what Intel's QE3, PCE and certification service are
 * for real ones. It proves nothing to anybody: whoever can read the platform's
 * file can make any quote. Its evidence has the layout of real evidence, with
 * a root, signer and CPUSVN that say "emulated"; verifiers refuse it unless
 * told to by name.
 *
 * All private keys are derived from the platform's secret (emu_data_dir()/
 * platform), so that file alone is the platform's identity. The certificates
 * for them are made once and kept beside it, in emulated-platform.pem.
 */
#pragma once

#include "abi/sgx.h"
#include "lib/err.h"

struct emu_qe; /* opaque */

enum {
	EMU_QE_QUOTE_MAX = 8192, /* no quote of it is longer */
	EMU_QE_FMSPC_SIZE = 6,
};

/*
 * Loads the platform, or makes it at first use; starts at the same time are
 * safe. 0 or -errno with the reason in e.
 */
must_check int emu_qe_new(struct emu_qe **out, struct err *e);
void emu_qe_free(struct emu_qe *qe); /* NULL is fine */

/* What an enclave makes a report for. */
void emu_qe_target(const struct emu_qe *qe, struct sgx_targetinfo *target);
/* MRSIGNER (32 bytes, borrowed) and ISVPRODID of the quoting enclave. */
const uint8_t *emu_qe_signer(const struct emu_qe *qe);
uint16_t emu_qe_product(const struct emu_qe *qe);
/* SHA-256 of the attestation public key. */
void emu_qe_key_hash(const struct emu_qe *qe, uint8_t hash[32]);
/* Size of every quote of this platform. */
size_t emu_qe_quote_size(const struct emu_qe *qe);

/*
 * A quote (version 3, with the chain of certificates in it) of a report that
 * an enclave on this platform made for emu_qe_target(). 0; -EACCES: the MAC is
 * wrong, so it was made elsewhere, for another target, or changed since;
 * -ENOSPC: *size is what is needed; -EIO or -ENOMEM: libcrypto failed.
 */
must_check int emu_qe_quote(const struct emu_qe *qe,
	const struct sgx_report *report, void *quote, size_t capacity,
	size_t *size);
/*
 * The quoting enclave's own report for @target, as evidence that the quote is
 * its: REPORTDATA is SHA-256(nonce, quote), 32 zeros.
 */
must_check int emu_qe_report(const struct emu_qe *qe,
	const struct sgx_targetinfo *target, const uint8_t nonce[16],
	const void *quote, size_t size, struct sgx_report *report);

/*
 * The root's certificate, PEM, malloc'ed, with a NUL that *size (if not NULL)
 * does not count: what a verifier of this platform's quotes is to be given as
 * its root (with trust.emulated). Errors as emu_qe_new().
 */
must_check int emu_root_pem(char **pem, size_t *size, struct err *e);

/*
 * Writes the platform's collateral into a directory (made if need be), with
 * the file names of attest/evidence.h and root_ca.pem: valid from @now (s
 * since 1970) for 30 days. Each file is replaced as a whole. 0 or -errno.
 */
must_check int emu_qe_collateral(
	const struct emu_qe *qe, const char *dir, int64_t now, struct err *e);

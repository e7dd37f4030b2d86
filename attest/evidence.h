/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verification of evidence of any kind: SGX quotes (v3, v4, v5), TDX quotes
 * (v4, v5) and SEV-SNP reports, against collateral that the caller brings.
 * No file, no socket, no clock.
 *
 * struct collateral is parsed once and serves many verifications ("warm"):
 * signatures of collateral and of certificates seen before are not computed
 * again; dates are looked at each time. One thread at a time may use it.
 */
#pragma once

#include "attest/verdict.h"
#include "lib/err.h"

struct span {
	const void *data; /* NULL: absent */
	size_t size;
};

/*
 * As files are named in a collateral folder. Chains are PEM, in any order; a
 * NUL at the end is fine. CRLs are DER, hex of DER, or PEM.
 */
struct collateral_files {
	struct span tcb_info; /* tcb_info.json */
	struct span tcb_info_chain; /* tcb_info_chain.pem */
	struct span qe_identity; /* qe_identity.json */
	struct span qe_identity_chain; /* qe_identity_chain.pem */
	struct span root_ca_crl; /* root_ca_crl.der */
	struct span pck_crl; /* pck_crl.der */
	/* For quotes that hold no certificates (certification data 1, 2, 3). */
	struct span pck_cert; /* pck_cert.pem */
	struct span pck_issuer_chain; /* pck_issuer_chain.pem */
	/* SEV-SNP. */
	struct span vcek; /* vcek.der, DER or PEM */
	struct span vlek; /* vlek.der, DER or PEM */
	struct span cert_chain; /* cert_chain.pem: ASK or ASVK, and ARK */
	struct span snp_crl; /* crl.der, by the ARK */
};

/* The name of each of these, in the order of the fields; ends with NULL. */
extern const char *const collateral_names[];
/* The file of collateral_names[i]. */
struct span *collateral_file(struct collateral_files *files, size_t i);

/* Which roots are believed. */
struct trust {
	/*
	 * Certificates (DER or PEM) that replace the pinned public keys of
	 * Intel and AMD. NULL, 0: the pinned ones. A root is compared by its
	 * public key: vendors issue several certificates for one key.
	 */
	const struct span *roots;
	size_t root_count;
	/*
	 * The roots given belong to emulated platforms: say so in verdicts. Of
	 * a root that is named as those of the emulator are, they say so
	 * without.
	 */
	bool emulated;
};

struct collateral; /* opaque */

/*
 * Parses and checks what does not depend on the date; the files are copied.
 * What is absent or wrong is noted and told by each verification that needs
 * it. 0; -ENOMEM; -EINVAL: something is no JSON, PEM or DER at all, longer
 * than 1 MiB, or a root is no certificate; e names the file. *out is freed
 * with collateral_free.
 */
must_check int collateral_new(const struct collateral_files *files,
	const struct trust *trust, struct collateral **out, struct err *e);
void collateral_free(struct collateral *c);

struct evidence_options {
	int64_t at; /* s since 1970: dates are checked against this */
	/* Revocation lists are neither wanted nor looked at. */
	bool no_crl;
};

/*
 * Verifies evidence[size]. Bytes behind what the quote's own lengths cover
 * are ignored. Everything that can be checked is checked; what is wrong
 * stands in *v.
 *
 * 0: *v is filled, with failures or without. -EINVAL: not evidence of a known
 * kind (wrong version, lengths that do not fit): e says what and where, *v is
 * not filled. -ENOMEM.
 */
must_check int evidence_verify(const void *evidence, size_t size,
	struct collateral *c, const struct evidence_options *options,
	struct verdict *v, struct err *e);

/*
 * What evidence claims, with nothing verified: kind, debug and fields. For
 * `sconce quote show` and for finding the collateral that is needed.
 * Allocates nothing. 0 or -EINVAL as above.
 */
must_check int evidence_show(
	const void *evidence, size_t size, struct verdict *v, struct err *e);

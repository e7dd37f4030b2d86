/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SEV-SNP attestation reports, versions 2 to 5, of Milan, Genoa and Turin:
 * AMD 56860, "SEV Secure Nested Paging Firmware ABI", ATTESTATION_REPORT; the
 * certificates as in AMD 57230, "VCEK Certificate and KDS Interface".
 *
 * A chain is ARK (root, pinned by public key), ASK or ASVK, then the VCEK of
 * one chip or the VLEK of a cloud provider, whose extensions say for which
 * security patch levels (TCB) and for which chip it stands.
 */
#pragma once

#include "attest/evidence.h"

enum {
	SNP_REPORT_SIZE = 1184,
	SNP_SIGNED_SIZE = 0x2a0,
	SNP_CHIP_ID_SIZE = 64,
	SNP_TURIN_HWID_SIZE = 8,
	SNP_TCB_SIZE = 8,
	SNP_VERSION_CPUID = 3, /* the first that tells the processor */
};

/* SNP_REPORT.policy */
#define SNP_POLICY_ONE (UINT64_C(1) << 17) /* always 1 */
#define SNP_POLICY_DEBUG (UINT64_C(1) << 19)

/* SNP_REPORT.signer_info, bits 4:2 */
enum snp_signing_key { SNP_KEY_VCEK = 0, SNP_KEY_VLEK = 1, SNP_KEY_NONE = 7 };

enum snp_product { SNP_UNKNOWN, SNP_MILAN, SNP_GENOA, SNP_TURIN };

/* As the firmware gives it; integers are little-endian. */
struct snp_report {
	uint32_t version, guest_svn;
	uint64_t policy;
	uint8_t family_id[16], image_id[16];
	uint32_t vmpl, signature_algo;
	uint8_t current_tcb[SNP_TCB_SIZE];
	uint64_t platform_info;
	uint32_t signer_info, reserved1;
	uint8_t report_data[64], measurement[48], host_data[32];
	uint8_t id_key_digest[48], author_key_digest[48];
	uint8_t report_id[32], report_id_ma[32];
	uint8_t reported_tcb[SNP_TCB_SIZE];
	/* Zero in version 2. */
	uint8_t cpuid_family, cpuid_model, cpuid_stepping;
	uint8_t reserved2[21];
	uint8_t chip_id[SNP_CHIP_ID_SIZE];
	uint8_t committed_tcb[SNP_TCB_SIZE];
	uint8_t current_build, current_minor, current_major, reserved3;
	uint8_t committed_build, committed_minor, committed_major, reserved4;
	uint8_t launch_tcb[SNP_TCB_SIZE];
	/* Zero before version 5. */
	uint64_t launch_mit_vector, current_mit_vector;
	uint8_t reserved5[152];
	/* Little-endian; 48 bytes of each are significant. */
	uint8_t signature_r[72], signature_s[72];
	uint8_t reserved6[368];
};

static_assert_size(struct snp_report, SNP_REPORT_SIZE);
static_assert_offset(struct snp_report, report_data, 0x50);
static_assert_offset(struct snp_report, reported_tcb, 0x180);
static_assert_offset(struct snp_report, chip_id, 0x1a0);
static_assert_offset(struct snp_report, launch_mit_vector, 0x1f8);
static_assert_offset(struct snp_report, signature_r, SNP_SIGNED_SIZE);

/*
 * Tells a report from a quote by its first eight bytes: the version is a
 * number of 32 bits here and of 16 bits, before a key type, in quotes.
 */
bool snp_is_report(const void *data, size_t size);

/*
 * 0; -EINVAL: not a report (shorter than 1184 bytes, bytes other than zero
 * behind that, another version, reserved bytes that are not zero); e says
 * which. Allocates nothing.
 */
must_check int snp_parse(
	const void *data, size_t size, struct snp_report *out, struct err *e);

/* verdict_init() and what the report claims: debug and the fields. */
void snp_show(const struct snp_report *report, struct verdict *v);

enum snp_signing_key snp_signing_key(const struct snp_report *report);
/* By CPUID; SNP_UNKNOWN in version 2 and for other processors. */
enum snp_product snp_report_product(const struct snp_report *report);
/* "Milan", "Genoa", "Turin"; "" for SNP_UNKNOWN. */
const char *snp_product_name(enum snp_product product);

struct snp_collateral; /* opaque: certificates and CRL, parsed and checked */

/*
 * Takes vcek, vlek, cert_chain and snp_crl of files, and the roots; what is
 * absent is told by each verification that needs it. Errors as those of
 * collateral_new(), which calls this. *out: snp_collateral_free().
 */
must_check int snp_collateral_new(const struct collateral_files *files,
	const struct trust *trust, struct snp_collateral **out, struct err *e);
void snp_collateral_free(struct snp_collateral *c);

/*
 * Fills *v, as evidence_verify() does. A CRL is looked at if there is one: AMD
 * gives them no part in its own procedure. 0 or -ENOMEM.
 */
must_check int snp_verify(const struct snp_report *report,
	struct snp_collateral *c, const struct evidence_options *options,
	struct verdict *v);

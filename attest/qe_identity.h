/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identities of Intel's own enclaves: which quoting enclave may sign with
 * attestation keys, and what its security version is worth. Version 2, and
 * version 3, of which no difference is known, in the same members.
 */
#pragma once

#include "attest/isv_level.h"
#include "attest/signed_json.h"

enum qe_identity_id {
	QE_IDENTITY_QE, /* "QE": of SGX quotes */
	QE_IDENTITY_TD_QE, /* "TD_QE": of TDX quotes */
	QE_IDENTITY_QVE, /* "QVE": verifies, never quotes */
};

struct qe_identity {
	enum qe_identity_id id;
	unsigned version;
	int64_t issue_date, next_update;
	uint32_t evaluation; /* tcbEvaluationDataNumber */
	/* As in memory, little-endian. */
	uint8_t miscselect[4], miscselect_mask[4];
	uint8_t attributes[16], attributes_mask[16];
	uint8_t mrsigner[32];
	uint16_t isvprodid;
	struct isv_levels levels;
};

/* As tcb_info_parse. */
must_check int qe_identity_parse(const struct signed_json *json,
	struct qe_identity **out, struct err *e);
void qe_identity_free(struct qe_identity *identity);

/* "QE", "TD_QE", "QVE" */
const char *qe_identity_name(enum qe_identity_id id);

/*
 * Compares the body of a REPORT (384 bytes) with the identity. Adds the
 * failures "qe-miscselect", "qe-attributes" (both under their masks),
 * "qe-mrsigner" and "qe-isvprodid" to the verdict. True: it has none of them.
 */
bool qe_identity_check(const struct qe_identity *identity,
	const uint8_t report[static 384], struct verdict *v);

/*
 * The level of a REPORT, by its ISVSVN; NULL: none. Its status:
 * isv_level_status().
 */
const struct isv_level *qe_identity_level(
	const struct qe_identity *identity, const uint8_t report[static 384]);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intel's TCB information, versions 2 and 3, and the rules by which it rates
 * a platform. Parsing decides what the text means; evaluation is a pure
 * function of the result. Neither looks at signatures or dates: see
 * attest/signed_json.h for the former.
 */
#pragma once

#include "attest/isv_level.h"
#include "attest/signed_json.h"

enum tcb_tee { TCB_SGX, TCB_TDX };

enum {
	TCB_COMPONENTS = 16,
	TCB_LEVELS = 256,
	TCB_MODULES = 32,
};

struct tcb_level {
	uint8_t sgx[TCB_COMPONENTS];
	uint16_t pcesvn;
	uint8_t tdx[TCB_COMPONENTS]; /* SGX: zeroes */
	struct tcb_rating rating;
};

/* What a TDX module must be, and for identities its levels. */
struct tcb_module {
	uint8_t version; /* xx of "TDX_xx"; 0: of tdxModule, no levels */
	uint8_t mrsigner[48];
	uint8_t attributes[8];
	uint8_t attributes_mask[8];
	struct isv_levels levels;
};

struct tcb_info {
	enum tcb_tee tee;
	unsigned version;
	int64_t issue_date, next_update;
	uint8_t fmspc[6];
	uint8_t pce_id[2]; /* in the byte order of the PCK certificate */
	uint32_t evaluation; /* tcbEvaluationDataNumber */

	/* Sorted, best first: by the SGX components, PCESVN, TDX components. */
	struct tcb_level *levels;
	size_t level_count;

	struct tcb_module module; /* TDX: tdxModule */
	struct tcb_module *modules; /* tdxModuleIdentities, as in the file */
	size_t module_count;
};

/*
 * 0: *out is freed with tcb_info_free. -EINVAL: a member is missing or wrong:
 * e names it. -ENOMEM. Members not known are ignored.
 */
must_check int tcb_info_parse(
	const struct signed_json *json, struct tcb_info **out, struct err *e);
void tcb_info_free(struct tcb_info *info);

/*
 * What MRSIGNERSEAM and SEAMATTRIBUTES must equal (the latter must be zero,
 * too): tdxModule or, for modules of a version (TEE_TCB_SVN[1]) above 0, the
 * identity "TDX_xx". NULL: there is none, the module does not match.
 */
const struct tcb_module *tcb_module_find(
	const struct tcb_info *info, uint8_t version);

/* ---- evaluation ---- */

/* What the PCK certificate and the TD report say of the platform. */
struct tcb_platform {
	uint8_t sgx[TCB_COMPONENTS];
	uint16_t pcesvn;
	/* For TDX. */
	uint8_t tee_tcb_svn[TCB_COMPONENTS];
	bool has_svn2; /* a TD report of version 1.5 */
	uint8_t tee_tcb_svn2[TCB_COMPONENTS];
};

struct tcb_result {
	/* Converged; TCB_NOT_SUPPORTED if no level matches or, with
	 * module_unknown, no identity of the module is there. */
	enum tcb_status status;
	enum tcb_status platform_status; /* of `level` */
	enum tcb_status module_status; /* TCB_UNKNOWN: not rated */

	const struct tcb_level *level; /* that decides; NULL: none matches */
	const struct tcb_level *sgx_level; /* first that the SGX part meets */
	const struct isv_level *module_level; /* NULL: none, or not rated */
	bool module_unknown;
	uint8_t module_version; /* the one that is unknown */
};

/*
 * Rates a platform. qe: isv_level_status() of the quoting enclave, or
 * TCB_UNKNOWN to leave it out.
 */
void tcb_evaluate(const struct tcb_info *info,
	const struct tcb_platform *platform, enum tcb_status qe,
	struct tcb_result *result);

/*
 * The status of a whole with a part (TDX module, quoting enclave) that has
 * status UpToDate, OutOfDate, Revoked, NotSupported or (not rated) UNKNOWN.
 */
enum tcb_status tcb_converge(enum tcb_status whole, enum tcb_status part);

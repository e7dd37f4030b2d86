/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules are those of Intel's quote verification library, in its order:
 * which level, then the TDX module, then whether a relaunch of the TD would
 * mend it, then the quoting enclave.
 */
#include "attest/tcb.h"

#include "lib/string.h"

/* Where TEE_TCB_SVN and TEE_TCB_SVN2 have what. */
enum { SVN_MODULE = 0, SVN_MODULE_VERSION = 1, SVN_LOADER = 2 };

const struct tcb_module *tcb_module_find(
	const struct tcb_info *info, uint8_t version)
{
	if (version == 0)
		return info->tee == TCB_TDX ? &info->module : NULL;
	for (size_t i = 0; i < info->module_count; i++)
		if (info->modules[i].version == version)
			return &info->modules[i];
	return NULL;
}

static bool reaches(const uint8_t *have, const uint8_t *want, size_t from)
{
	for (size_t i = from; i < TCB_COMPONENTS; i++)
		if (have[i] < want[i])
			return false;
	return true;
}

/* Modules that have a version are rated by their identities: the first two
 * components of the level are not for them. */
static bool reaches_tdx(
	const struct tcb_platform *platform, const struct tcb_level *level)
{
	const uint8_t *svn = platform->tee_tcb_svn;

	return reaches(
		svn, level->tdx, svn[SVN_MODULE_VERSION] > 0 ? SVN_LOADER : 0);
}

/* The first level that the SGX part reaches, and the first of those that the
 * TDX part reaches, too. */
static void find_levels(const struct tcb_info *info,
	const struct tcb_platform *platform, struct tcb_result *result)
{
	for (size_t i = 0; i < info->level_count; i++) {
		const struct tcb_level *level = &info->levels[i];

		if (!reaches(platform->sgx, level->sgx, 0) ||
			platform->pcesvn < level->pcesvn)
			continue;
		if (!result->sgx_level)
			result->sgx_level = level;
		if (info->tee == TCB_TDX && !reaches_tdx(platform, level))
			continue;
		result->level = level;
		return;
	}
}

enum tcb_status tcb_converge(enum tcb_status whole, enum tcb_status part)
{
	if (part == TCB_REVOKED || part == TCB_NOT_SUPPORTED)
		return part;
	if (part != TCB_OUT_OF_DATE)
		return whole;
	switch (whole) {
	case TCB_UP_TO_DATE:
	case TCB_SW_HARDENING_NEEDED:
		return TCB_OUT_OF_DATE;
	case TCB_CONFIGURATION_NEEDED:
	case TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED:
		return TCB_OUT_OF_DATE_CONFIGURATION_NEEDED;
	default:
		return whole;
	}
}

static void unknown_module(struct tcb_result *result, uint8_t version)
{
	result->module_unknown = true;
	result->module_version = version;
	result->status = TCB_NOT_SUPPORTED;
}

/* False: the result is final. */
static bool rate_module(const struct tcb_info *info,
	const struct tcb_platform *platform, struct tcb_result *result)
{
	const uint8_t *svn = platform->tee_tcb_svn;
	const struct tcb_module *module;

	if (svn[SVN_MODULE_VERSION] == 0)
		return true;
	module = tcb_module_find(info, svn[SVN_MODULE_VERSION]);
	if (!module) {
		unknown_module(result, svn[SVN_MODULE_VERSION]);
		return false;
	}
	result->module_level = isv_levels_find(
		&module->levels, svn[SVN_MODULE]);
	result->module_status = isv_level_status(result->module_level);
	result->status = tcb_converge(result->status, result->module_status);
	return result->status != TCB_NOT_SUPPORTED;
}

static bool configuration_needed(enum tcb_status status)
{
	return status == TCB_CONFIGURATION_NEEDED ||
		status == TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED ||
		status == TCB_OUT_OF_DATE_CONFIGURATION_NEEDED;
}

static bool sgx_part_is_current(enum tcb_status status)
{
	return status == TCB_UP_TO_DATE || status == TCB_SW_HARDENING_NEEDED ||
		status == TCB_CONFIGURATION_NEEDED ||
		status == TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED;
}

/*
 * The TD began under an old module, and the platform has loaded the latest one
 * since (TEE_TCB_SVN2): starting the TD again is all that is missing.
 * False: the result is final.
 */
static bool rate_relaunch(const struct tcb_info *info,
	const struct tcb_platform *platform, enum tcb_status qe,
	struct tcb_result *result)
{
	const uint8_t *svn = platform->tee_tcb_svn2;
	const struct tcb_level *latest = &info->levels[0];
	enum tcb_status sgx = result->sgx_level->rating.status;
	uint32_t module_svn = latest->tdx[SVN_MODULE];

	if (!platform->has_svn2 || !sgx_part_is_current(sgx) ||
		(result->status != TCB_OUT_OF_DATE &&
			result->status !=
				TCB_OUT_OF_DATE_CONFIGURATION_NEEDED) ||
		result->module_status != TCB_OUT_OF_DATE ||
		(qe != TCB_UP_TO_DATE && qe != TCB_UNKNOWN))
		return true;
	if (svn[SVN_MODULE_VERSION] > 0) {
		const struct tcb_module *module = tcb_module_find(
			info, svn[SVN_MODULE_VERSION]);

		if (!module) {
			unknown_module(result, svn[SVN_MODULE_VERSION]);
			return false;
		}
		module_svn = module->levels.levels[0].isvsvn;
	}
	if (svn[SVN_MODULE] < module_svn ||
		svn[SVN_LOADER] < latest->tdx[SVN_LOADER])
		return true;
	result->status = configuration_needed(sgx) ||
			configuration_needed(result->status)
		? TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED
		: TCB_TD_RELAUNCH_ADVISED;
	return true;
}

void tcb_evaluate(const struct tcb_info *info,
	const struct tcb_platform *platform, enum tcb_status qe,
	struct tcb_result *result)
{
	memset(result, 0, sizeof(*result));
	result->status = TCB_NOT_SUPPORTED;
	result->platform_status = TCB_NOT_SUPPORTED;
	find_levels(info, platform, result);
	if (!result->level)
		return;
	result->platform_status = result->level->rating.status;
	result->status = result->platform_status;
	if (info->tee == TCB_TDX &&
		(!rate_module(info, platform, result) ||
			result->status == TCB_REVOKED ||
			!rate_relaunch(info, platform, qe, result)))
		return;
	result->status = tcb_converge(result->status, qe);
}

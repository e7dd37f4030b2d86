/* SPDX-License-Identifier: Apache-2.0 */
/* TCB information from its JSON. What decides must be there and be right; what
 * is not known, or explains only, is left alone. */
#include <errno.h>
#include <stdlib.h>

#include "attest/tcb.h"
#include "lib/fmt.h"
#include "lib/string.h"

/* Version 3: an array of objects that have "svn". */
static int read_components(const struct json_place *tcb, const char *name,
	uint8_t svn[TCB_COMPONENTS], struct err *e)
{
	struct json_place array, at;
	uint64_t number;
	int rc;

	rc = json_read_array(
		tcb, name, TCB_COMPONENTS, TCB_COMPONENTS, &array, e);
	for (size_t i = 0; !rc && i < TCB_COMPONENTS; i++) {
		rc = json_read_element(&array, i, &at, e);
		if (!rc)
			rc = json_read_uint(&at, "svn", UINT8_MAX, &number, e);
		if (!rc)
			svn[i] = (uint8_t)number;
	}
	return rc;
}

/* Version 2: sgxtcbcomp01svn to sgxtcbcomp16svn. */
static int read_components_v2(const struct json_place *tcb,
	uint8_t svn[TCB_COMPONENTS], struct err *e)
{
	char name[20];
	uint64_t number;

	for (unsigned i = 0; i < TCB_COMPONENTS; i++) {
		int rc;

		fmt_print(name, sizeof(name), "sgxtcbcomp%02usvn", i + 1);
		rc = json_read_uint(tcb, name, UINT8_MAX, &number, e);
		if (rc)
			return rc;
		svn[i] = (uint8_t)number;
	}
	return 0;
}

static int read_level(const struct tcb_info *info, const struct json_place *at,
	struct tcb_level *level, struct err *e)
{
	struct json_place tcb;
	uint64_t pcesvn;
	int rc = json_read_object(at, "tcb", &tcb, e);

	if (!rc && info->version == 2)
		rc = read_components_v2(&tcb, level->sgx, e);
	else if (!rc)
		rc = read_components(&tcb, "sgxtcbcomponents", level->sgx, e);
	if (!rc && info->tee == TCB_TDX)
		rc = read_components(&tcb, "tdxtcbcomponents", level->tdx, e);
	if (!rc)
		rc = json_read_uint(&tcb, "pcesvn", UINT16_MAX, &pcesvn, e);
	if (rc)
		return rc;
	level->pcesvn = (uint16_t)pcesvn;
	return tcb_rating_read(at, &level->rating, e);
}

static int best_first(const void *a, const void *b)
{
	const struct tcb_level *x = a, *y = b;
	int sgx = memcmp(y->sgx, x->sgx, TCB_COMPONENTS);

	if (sgx)
		return sgx;
	if (x->pcesvn != y->pcesvn)
		return x->pcesvn < y->pcesvn ? 1 : -1;
	return memcmp(y->tdx, x->tdx, TCB_COMPONENTS);
}

/* The file's order is not trusted: the first level that matches decides. */
static int read_levels(
	const struct json_place *body, struct tcb_info *info, struct err *e)
{
	struct json_place array, at;
	size_t count;
	int rc;

	rc = json_read_array(body, "tcbLevels", 1, TCB_LEVELS, &array, e);
	if (rc)
		return rc;
	count = json_array_size(array.value);
	info->levels = calloc(count, sizeof(info->levels[0]));
	if (!info->levels)
		return -ENOMEM;
	info->level_count = count;
	for (size_t i = 0; !rc && i < count; i++) {
		rc = json_read_element(&array, i, &at, e);
		if (!rc)
			rc = read_level(info, &at, &info->levels[i], e);
	}
	if (rc)
		return rc;
	qsort(info->levels, count, sizeof(info->levels[0]), best_first);
	for (size_t i = 1; i < count; i++)
		if (!best_first(&info->levels[i - 1], &info->levels[i]))
			return json_read_fail(&array, NULL,
				"two levels with the same SVNs", "each once",
				e);
	return 0;
}

static int read_module(
	const struct json_place *at, struct tcb_module *module, struct err *e)
{
	int rc = json_read_hex(
		at, "mrsigner", module->mrsigner, sizeof(module->mrsigner), e);

	if (!rc)
		rc = json_read_hex(at, "attributes", module->attributes,
			sizeof(module->attributes), e);
	if (!rc)
		rc = json_read_hex(at, "attributesMask",
			module->attributes_mask,
			sizeof(module->attributes_mask), e);
	return rc;
}

/* "TDX_" and the version in two hexadecimal digits, any case. */
static int read_module_id(
	const struct json_place *at, uint8_t *version, struct err *e)
{
	static const char prefix[4] = "TDX_";
	const char *id;
	int rc = json_read_string(at, "id", &id, e);

	if (rc)
		return rc;
	for (size_t i = 0; i < sizeof(prefix); i++)
		if ((id[i] & ~0x20) != (prefix[i] & ~0x20))
			goto wrong;
	/* 00 is what tdxModule is for. */
	if (id[3] == '_' && string_from_hex(id + 4, version, 1) && *version)
		return 0;
wrong:
	return json_read_fail(at, "id", id, "TDX_01 to TDX_FF", e);
}

static int read_identity(const struct tcb_info *info,
	const struct json_place *at, struct tcb_module *module, struct err *e)
{
	int rc = read_module_id(at, &module->version, e);

	for (size_t i = 0; !rc && &info->modules[i] < module; i++)
		if (info->modules[i].version == module->version)
			rc = json_read_fail(
				at, "id", "used before", "each once", e);
	if (!rc)
		rc = read_module(at, module, e);
	if (!rc)
		rc = isv_levels_read(at, &module->levels, e);
	return rc;
}

static int read_modules(
	const struct json_place *body, struct tcb_info *info, struct err *e)
{
	struct json_place array, at;
	int rc = json_read_object(body, "tdxModule", &at, e);

	if (!rc)
		rc = read_module(&at, &info->module, e);
	if (rc || !json_read_has(body, "tdxModuleIdentities"))
		return rc;
	rc = json_read_array(
		body, "tdxModuleIdentities", 1, TCB_MODULES, &array, e);
	if (rc)
		return rc;
	info->modules = calloc(
		json_array_size(array.value), sizeof(info->modules[0]));
	if (!info->modules)
		return -ENOMEM;
	info->module_count = json_array_size(array.value);
	for (size_t i = 0; !rc && i < info->module_count; i++) {
		rc = json_read_element(&array, i, &at, e);
		if (!rc)
			rc = read_identity(info, &at, &info->modules[i], e);
	}
	return rc;
}

/* Version 2 knows SGX only and has no id; one that says otherwise is not
 * taken for SGX. */
static int read_kind(
	const struct json_place *body, struct tcb_info *info, struct err *e)
{
	uint64_t version;
	const char *id = "SGX";
	int rc = json_read_uint(body, "version", UINT32_MAX, &version, e);

	if (rc)
		return rc;
	if (version != 2 && version != 3) {
		char seen[24];

		fmt_print(seen, sizeof(seen), "%u", (unsigned)version);
		return json_read_fail(body, "version", seen, "2 or 3", e);
	}
	info->version = (unsigned)version;
	if (version == 3 || json_read_has(body, "id"))
		rc = json_read_string(body, "id", &id, e);
	if (rc)
		return rc;
	if (!strcmp(id, "SGX"))
		info->tee = TCB_SGX;
	else if (version == 3 && !strcmp(id, "TDX"))
		info->tee = TCB_TDX;
	else
		return json_read_fail(
			body, "id", id, version == 3 ? "SGX or TDX" : "SGX", e);
	return 0;
}

static int read_head(
	const struct json_place *body, struct tcb_info *info, struct err *e)
{
	uint64_t evaluation, type;
	int rc = read_kind(body, info, e);

	if (!rc)
		rc = json_read_date(body, "issueDate", &info->issue_date, e);
	if (!rc)
		rc = json_read_date(body, "nextUpdate", &info->next_update, e);
	if (!rc)
		rc = json_read_hex(
			body, "fmspc", info->fmspc, sizeof(info->fmspc), e);
	if (!rc)
		rc = json_read_hex(
			body, "pceId", info->pce_id, sizeof(info->pce_id), e);
	/* Another type would want other rules of comparison. */
	if (!rc)
		rc = json_read_uint(body, "tcbType", 0, &type, e);
	if (!rc)
		rc = json_read_uint(body, "tcbEvaluationDataNumber", UINT32_MAX,
			&evaluation, e);
	if (!rc)
		info->evaluation = (uint32_t)evaluation;
	return rc;
}

int tcb_info_parse(
	const struct signed_json *json, struct tcb_info **out, struct err *e)
{
	struct json_place body = {.value = json->body, .name = "tcbInfo"};
	struct tcb_info *info = calloc(1, sizeof(*info));
	int rc;

	if (!info)
		return -ENOMEM;
	rc = read_head(&body, info, e);
	if (!rc && info->tee == TCB_TDX)
		rc = read_modules(&body, info, e);
	if (!rc)
		rc = read_levels(&body, info, e);
	if (rc) {
		tcb_info_free(info);
		return rc;
	}
	*out = info;
	return 0;
}

void tcb_info_free(struct tcb_info *info)
{
	if (!info)
		return;
	for (size_t i = 0; i < info->level_count; i++)
		tcb_rating_fini(&info->levels[i].rating);
	for (size_t i = 0; i < info->module_count; i++)
		isv_levels_fini(&info->modules[i].levels);
	free(info->levels);
	free(info->modules);
	free(info);
}

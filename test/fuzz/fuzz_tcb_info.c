/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCB information and the rating of a platform by it. The first bytes are the
 * platform, the rest is the file. What is taken must be what its signed bytes
 * say, sorted; the level chosen must be the first that the platform reaches,
 * by a search that does not trust the order.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "attest/signed_json.c"
#include "attest/tcb.h"

enum { PLATFORM = 16 + 2 + 16 + 16 };

static void must(bool condition)
{
	if (!condition)
		abort();
}

/* The bytes that a signature covers mean what was parsed. */
static void check_raw(const struct signed_json *json)
{
	json_t *again = json_loadb(
		json->raw, json->raw_size, JSON_REJECT_DUPLICATES, NULL);
	size_t size;
	char *copy;

	must(again && json_equal(again, json->body));
	json_decref(again);
	copy = without_space(json->raw, json->raw_size, &size);
	must(copy && size <= json->raw_size);
	again = json_loadb(copy, size, JSON_REJECT_DUPLICATES, NULL);
	must(again && json_equal(again, json->body));
	json_decref(again);
	free(copy);
}

static int compare(const struct tcb_level *a, const struct tcb_level *b)
{
	int sgx = memcmp(a->sgx, b->sgx, 16);

	if (sgx)
		return sgx;
	if (a->pcesvn != b->pcesvn)
		return a->pcesvn < b->pcesvn ? -1 : 1;
	return memcmp(a->tdx, b->tdx, 16);
}

static bool matches(const struct tcb_info *info, const struct tcb_platform *p,
	const struct tcb_level *level)
{
	int from = p->tee_tcb_svn[1] ? 2 : 0;

	for (int i = 0; i < 16; i++)
		if (p->sgx[i] < level->sgx[i] ||
			(info->tee == TCB_TDX && i >= from &&
				p->tee_tcb_svn[i] < level->tdx[i]))
			return false;
	return p->pcesvn >= level->pcesvn;
}

static void check_rating(
	const struct tcb_info *info, const struct tcb_platform *p)
{
	const struct tcb_level *best = NULL;
	struct tcb_result r;

	for (size_t i = 0; i < info->level_count; i++) {
		const struct tcb_level *level = &info->levels[i];

		if (matches(info, p, level) &&
			(!best || compare(level, best) > 0))
			best = level;
	}
	for (int qe = TCB_UNKNOWN; qe < TCB_STATUS_COUNT; qe++) {
		tcb_evaluate(info, p, (enum tcb_status)qe, &r);
		must(r.level == best);
		must(r.status > TCB_UNKNOWN && r.status < TCB_STATUS_COUNT);
		must(best || r.status == TCB_NOT_SUPPORTED);
		/* Nothing that is wrong with a part is lost. */
		if (qe != TCB_UP_TO_DATE && qe != TCB_UNKNOWN &&
			(qe == TCB_OUT_OF_DATE || qe == TCB_REVOKED))
			must(r.status >= TCB_OUT_OF_DATE);
		if (r.module_status == TCB_OUT_OF_DATE)
			must(r.status >= TCB_OUT_OF_DATE);
		if (r.module_status == TCB_REVOKED ||
			r.platform_status == TCB_REVOKED)
			must(r.status >= TCB_REVOKED);
		must(!r.module_unknown || r.status == TCB_NOT_SUPPORTED);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tcb_platform platform = {.has_svn2 = true};
	struct tcb_info *info = NULL;
	struct signed_json json;
	struct err e = {0};

	if (size < PLATFORM)
		return 0;
	memcpy(platform.sgx, data, 16);
	memcpy(&platform.pcesvn, data + 16, 2);
	memcpy(platform.tee_tcb_svn, data + 18, 16);
	memcpy(platform.tee_tcb_svn2, data + 34, 16);
	if (signed_json_parse(
		    "tcbInfo", data + PLATFORM, size - PLATFORM, &json, &e)) {
		must(e.code == -EINVAL && e.text[0]);
		return 0;
	}
	check_raw(&json);
	if (tcb_info_parse(&json, &info, &e)) {
		must(e.code == -EINVAL && e.text[0]);
	} else {
		must(info->level_count > 0);
		for (size_t i = 1; i < info->level_count; i++)
			must(compare(&info->levels[i - 1], &info->levels[i]) >
				0);
		check_rating(info, &platform);
		tcb_info_free(info);
	}
	signed_json_fini(&json);
	return 0;
}

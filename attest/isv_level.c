/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/isv_level.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/fmt.h"
#include "lib/string.h"

static int read_status(
	const struct json_place *level, enum tcb_status *status, struct err *e)
{
	const char *name;
	int rc = json_read_string(level, "tcbStatus", &name, e);

	if (rc)
		return rc;
	*status = verdict_tcb_parse(name, strlen(name));
	switch (*status) {
	case TCB_UNKNOWN:
	/* Outcomes of evaluation, never of a level. */
	case TCB_TD_RELAUNCH_ADVISED:
	case TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED:
	case TCB_NOT_SUPPORTED:
		return json_read_fail(level, "tcbStatus", name,
			"a status such as UpToDate or OutOfDate", e);
	default:
		return 0;
	}
}

static int read_advisories(const struct json_place *level,
	struct tcb_advisories *advisories, struct err *e)
{
	struct json_place array;
	int rc;

	if (!json_read_has(level, "advisoryIDs"))
		return 0;
	rc = json_read_array(
		level, "advisoryIDs", 0, TCB_ADVISORIES, &array, e);
	if (rc || json_array_size(array.value) == 0)
		return rc;
	advisories->ids = calloc(
		json_array_size(array.value), sizeof(*advisories->ids));
	if (!advisories->ids)
		return -ENOMEM;
	for (size_t i = 0; i < json_array_size(array.value); i++) {
		const char *id = json_string_value(
			json_array_get(array.value, i));

		if (!id)
			return json_read_fail(
				&array, NULL, "not all texts", "advisories", e);
		memcpy(advisories->ids[i], id,
			strnlen(id, sizeof(advisories->ids[0]) - 1));
		advisories->count++;
	}
	return 0;
}

int tcb_rating_read(const struct json_place *level, struct tcb_rating *rating,
	struct err *e)
{
	int rc = read_status(level, &rating->status, e);

	if (!rc)
		rc = json_read_date(level, "tcbDate", &rating->date, e);
	if (!rc)
		rc = read_advisories(level, &rating->advisories, e);
	return rc;
}

void tcb_rating_fini(struct tcb_rating *rating)
{
	free(rating->advisories.ids);
	rating->advisories.ids = NULL;
	rating->advisories.count = 0;
}

static int read_level(
	const struct json_place *at, struct isv_level *level, struct err *e)
{
	struct json_place tcb;
	uint64_t isvsvn;
	int rc = json_read_object(at, "tcb", &tcb, e);

	if (!rc)
		rc = json_read_uint(&tcb, "isvsvn", UINT16_MAX, &isvsvn, e);
	if (rc)
		return rc;
	level->isvsvn = (uint32_t)isvsvn;
	return tcb_rating_read(at, &level->rating, e);
}

static int highest_first(const void *a, const void *b)
{
	const struct isv_level *x = a, *y = b;

	return (x->isvsvn < y->isvsvn) - (x->isvsvn > y->isvsvn);
}

static int sort(const struct json_place *array, struct isv_levels *levels,
	struct err *e)
{
	char seen[32];

	qsort(levels->levels, levels->count, sizeof(levels->levels[0]),
		highest_first);
	for (size_t i = 1; i < levels->count; i++) {
		if (levels->levels[i].isvsvn != levels->levels[i - 1].isvsvn)
			continue;
		fmt_print(seen, sizeof(seen), "isvsvn %u twice",
			levels->levels[i].isvsvn);
		return json_read_fail(array, NULL, seen, "each once", e);
	}
	return 0;
}

int isv_levels_read(
	const struct json_place *from, struct isv_levels *levels, struct err *e)
{
	struct json_place array, at;
	int rc;

	rc = json_read_array(from, "tcbLevels", 1, ISV_LEVELS, &array, e);
	if (rc)
		return rc;
	levels->levels = calloc(
		json_array_size(array.value), sizeof(levels->levels[0]));
	if (!levels->levels)
		return -ENOMEM;
	levels->count = json_array_size(array.value);
	for (size_t i = 0; !rc && i < levels->count; i++) {
		rc = json_read_element(&array, i, &at, e);
		if (!rc)
			rc = read_level(&at, &levels->levels[i], e);
	}
	return rc ? rc : sort(&array, levels, e);
}

void isv_levels_fini(struct isv_levels *levels)
{
	for (size_t i = 0; i < levels->count; i++)
		tcb_rating_fini(&levels->levels[i].rating);
	free(levels->levels);
	levels->levels = NULL;
	levels->count = 0;
}

const struct isv_level *isv_levels_find(
	const struct isv_levels *levels, uint32_t isvsvn)
{
	for (size_t i = 0; i < levels->count; i++)
		if (levels->levels[i].isvsvn <= isvsvn)
			return &levels->levels[i];
	return NULL;
}

enum tcb_status isv_level_status(const struct isv_level *level)
{
	if (!level)
		return TCB_NOT_SUPPORTED;
	switch (level->rating.status) {
	case TCB_UP_TO_DATE:
	case TCB_REVOKED:
		return level->rating.status;
	default:
		return TCB_OUT_OF_DATE;
	}
}

void tcb_advisories_add(
	const struct tcb_advisories *advisories, struct verdict *v)
{
	char wanted[64];

	for (size_t i = 0; i < advisories->count; i++) {
		const char *id = advisories->ids[i];

		if (!verdict_add_advisory(v, id, strlen(id)))
			continue;
		fmt_print(wanted, sizeof(wanted), "at most %d in all",
			VERDICT_ADVISORIES);
		verdict_fail(v, "advisories", id, wanted);
		return;
	}
}

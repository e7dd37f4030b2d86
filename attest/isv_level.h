/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What TCB levels of all kinds say (status, date, advisories), and the levels
 * of things that have one security version number: TDX modules and quoting
 * enclaves.
 */
#pragma once

#include "attest/json_read.h"
#include "attest/verdict.h"

enum { TCB_ADVISORIES = VERDICT_ADVISORIES, ISV_LEVELS = 64 };

struct tcb_advisories {
	char (*ids)[24]; /* cut to 23 bytes, as in verdicts; owned */
	size_t count;
};

struct tcb_rating {
	enum tcb_status status;
	int64_t date; /* s since 1970 */
	struct tcb_advisories advisories;
};

struct isv_level {
	uint32_t isvsvn;
	struct tcb_rating rating;
};

/* Sorted, highest first, no isvsvn twice. */
struct isv_levels {
	struct isv_level *levels; /* owned */
	size_t count;
};

/*
 * Reads tcbStatus, tcbDate and advisoryIDs of a level. 0, -EINVAL, -ENOMEM;
 * what was allocated is freed by tcb_rating_fini, also after an error.
 */
must_check int tcb_rating_read(const struct json_place *level,
	struct tcb_rating *rating, struct err *e);
void tcb_rating_fini(struct tcb_rating *rating);

/* Reads "tcbLevels" of an object. As above. */
must_check int isv_levels_read(const struct json_place *from,
	struct isv_levels *levels, struct err *e);
void isv_levels_fini(struct isv_levels *levels);

/* The first whose isvsvn is at most that of the thing; NULL: none. */
const struct isv_level *isv_levels_find(
	const struct isv_levels *levels, uint32_t isvsvn);
/*
 * What a level says of the thing: UpToDate, Revoked, or else OutOfDate, which
 * is how Intel's library takes all other names. NotSupported if NULL.
 */
enum tcb_status isv_level_status(const struct isv_level *level);

/* Unites these with the verdict's; "advisories" fails if there is no room. */
void tcb_advisories_add(
	const struct tcb_advisories *advisories, struct verdict *v);

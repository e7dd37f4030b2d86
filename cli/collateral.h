/* SPDX-License-Identifier: Apache-2.0 */
/* What is in a folder of collateral, file by file; nothing is verified. */
#pragma once

#include "cli/attest_cmd.h"

struct collateral_row {
	const char *name; /* of the file */
	bool there;
	char what[200]; /* for people */
	char problem[200]; /* why it cannot be used; "": it can */
	int64_t from, until; /* valid, both 0 if not known */
};

struct collateral_view {
	struct collateral_row row[16]; /* as collateral_names */
	size_t count;
	bool has_tcb; /* the next four are known */
	bool tdx;
	uint8_t fmspc[6];
	uint32_t evaluation;
	int64_t tcb_issued;
};

void collateral_look(
	const struct attest_folder *folder, struct collateral_view *view);
/* The row that expires first; NULL: no date is known. */
const struct collateral_row *collateral_first(
	const struct collateral_view *view);
void collateral_print(
	const struct collateral_view *view, const char *dir, int64_t at);

/* SPDX-License-Identifier: Apache-2.0 */
/* Folders of collateral, replaced as a whole. */
#pragma once

#include "cli/attest_cmd.h"

/* That dir is not there yet, or holds nothing but collateral. */
must_check int collateral_dir_check(const char *dir, struct err *e);
/*
 * Puts the files of folder in the place of those in dir: others of collateral
 * that are there (a vlek.der, say) stay. Who opens the folder meanwhile finds
 * the old one or the new one, whole.
 */
must_check int collateral_dir_write(
	const char *dir, const struct attest_folder *folder, struct err *e);

/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are input: evidence, policies, keys; and folders of collateral. */
#pragma once

#include "attest/evidence.h"

enum { ATTEST_FILE_MAX = 1 << 20 };

struct attest_file {
	uint8_t *data; /* malloc'ed, with a NUL behind it */
	size_t size;
};

/*
 * The whole of a file (regular or a pipe), "-" being standard input, of at most
 * ATTEST_FILE_MAX bytes and not empty. what: "quote", "policy", ... for
 * messages. 0 or -errno; free(f->data).
 */
must_check int attest_file_read(struct attest_file *f, const char *what,
	const char *path, struct err *e);

/* A folder of collateral. Files that are not there are absent. */
struct attest_folder {
	struct attest_file file[16];
	struct collateral_files files; /* spans of the above */
};

must_check int attest_folder_read(
	struct attest_folder *f, const char *path, struct err *e);
void attest_folder_free(struct attest_folder *f);

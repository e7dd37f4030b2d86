/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence, judged with what a folder of collateral has.
 *
 * The folder holds the files themselves (names as in attest/evidence.h, and
 * root_ca.pem of emulated platforms) or folders that do, one for each kind of
 * platform. It is the host's: all in it is signed by vendors and checked. Sets
 * are read again when they change; one that cannot be read, or whose
 * signatures do not hold, leaves the one before it in use.
 */
#pragma once

#include "attest/evidence.h"

struct verifier;

/* emulated: root_ca.pem in a folder is believed to be that of an emulated
 * platform; verdicts say so. */
must_check int verifier_new(
	const char *path, bool emulated, struct verifier **out, struct err *e);
void verifier_free(struct verifier *v); /* NULL is fine */

/* An engine_verify_fn; arg: a struct verifier. The set that fits the evidence
 * is found by trying them, the last one that fitted first. */
int verifier_check(void *arg, const void *evidence, size_t size, int64_t at,
	struct verdict *verdict, struct err *e);

/* Looks for changed files; once a minute or so. Messages go to say(). */
void verifier_refresh(struct verifier *v, void (*say)(const char *text));
/* Until when the collateral of all sets is valid at least, s since 1970;
 * INT64_MAX: there is none. */
int64_t verifier_valid_until(const struct verifier *v);

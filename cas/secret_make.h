/* SPDX-License-Identifier: Apache-2.0 */
/* Between secret_make.c, which walks, and secret_create.c, which makes one
 * value. */
#pragma once

#include "cas/secret_int.h"

enum making_state { MAKING_UNSEEN, MAKING_OPEN, MAKING_DONE };

struct making {
	const struct session *s, *old;
	const struct secret_set *old_set;
	const struct secret_env *env;
	bool renewing;
	struct secret_set *set;
	uint8_t *state; /* enum making_state of each */
	bool *changed; /* those to be renewed that are made of it */
	unsigned depth, changes;
	struct err *e;
};

/* When a value made then is to be rotated; 0: never. */
int64_t secret_rotation(const struct secret_spec *spec, int64_t made);
/* A new value, given or imported or made; what it is made of is there. */
must_check int secret_create(
	struct making *m, struct secret *x, const struct secret_spec *spec);

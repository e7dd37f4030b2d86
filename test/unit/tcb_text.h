/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of collateral for tests, and mistakes in them. */
#pragma once

/* The envelope of an object with a signature of zeros; to be freed. */
char *tcb_envelope(const char *member, const char *body);
/* text with its first `from`, which must be there, replaced; to be freed. */
char *tcb_replace(const char *text, const char *from, const char *to);

/* What a text becomes wrong by, and what the error must say. */
struct tcb_mistake {
	const char *from, *to, *error;
};

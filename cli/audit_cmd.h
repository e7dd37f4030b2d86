/* SPDX-License-Identifier: Apache-2.0 */
/* The program sconce-audit: files and printing. */
#pragma once

#include "cas/audit.h"

/* audit_show.c */
struct audit_print {
	bool json;
	bool has_key;
	uint8_t key[32]; /* private, X25519: opens details */
};

/* Prints the events of a record; arg: struct audit_print. A store_log_fn. */
int audit_print_record(void *arg, const struct store_record *r);
/* The result of audit_verify() on standard output. */
void audit_print_found(enum audit_result result,
	const struct audit_known *known, const struct audit_found *found,
	bool json, const struct err *e);

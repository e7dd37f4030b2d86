/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certification paths: from a leaf to a root that is believed. Issuers are
 * found by name and signature, so the order of certificates does not matter.
 */
#pragma once

#include "attest/roots.h"
#include "attest/verdict.h"
#include "attest/x509.h"

enum { CHAIN_MAX = 4 };

/* Leaf first, root last. Borrowed from the lists. */
struct chain {
	struct x509_cert *certs[CHAIN_MAX];
	size_t count; /* as far as it was found */
};

/* Names of failures, static. */
struct chain_rules {
	const char *path; /* issuer missing, signature, not a CA, too long */
	const char *root; /* the root is not one of those believed */
	const char *date; /* a certificate is not valid yet or any more */
};

/*
 * Finds the path from leaf through certificates of the lists (NULL entries
 * are skipped) and verifies its signatures; dates are not looked at. True: it
 * ends in a root of roots; else the reason is added to *v. -ENOMEM is told as a
 * path that cannot be verified.
 */
bool chain_build(struct chain *chain, struct x509_cert *leaf,
	const struct x509_list *const *lists, size_t list_count,
	const struct roots *roots, const struct chain_rules *rules,
	struct verdict *v);

/*
 * Narrows v's window to the certificates' and adds a failure for each that is
 * not valid at `at`. True: all are.
 */
bool chain_dates(const struct chain *chain, int64_t at,
	const struct chain_rules *rules, struct verdict *v);

/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/dcap_case.h"

#include "test/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "test/unit/vectors.h"

void dcap_case_read(struct dcap_case *c, const char *folder, const char *quote)
{
	memset(c, 0, sizeof(*c));
	if (quote)
		c->quote = vectors_read("%s", quote);
	else
		c->quote = vectors_read("%s/quote.bin", folder);
	assert_non_null(c->quote.data);
	for (size_t i = 0; collateral_names[i]; i++)
		*collateral_file(&c->files, i) = vectors_read(
			"%s/%s", folder, collateral_names[i]);
	c->root = vectors_read("%s/trusted_root.pem", folder);
}

void dcap_case_free(struct dcap_case *c)
{
	vectors_free(c->quote);
	for (size_t i = 0; collateral_names[i]; i++)
		vectors_free(*collateral_file(&c->files, i));
	vectors_free(c->root);
}

struct collateral *dcap_case_collateral(const struct dcap_case *c)
{
	struct trust trust = {.roots = &c->root, .root_count = 1};
	struct collateral *collateral;
	struct err e = {0};
	int rc = collateral_new(
		&c->files, c->root.data ? &trust : NULL, &collateral, &e);

	if (rc)
		fail_msg("%s", e.text);
	return collateral;
}

int dcap_case_verify(const struct dcap_case *c, struct collateral *collateral,
	int64_t at, bool no_crl, struct verdict *v)
{
	struct evidence_options options = {.at = at, .no_crl = no_crl};
	struct err e;

	return evidence_verify(
		c->quote.data, c->quote.size, collateral, &options, v, &e);
}

bool verdict_has(const struct verdict *v, const char *rule)
{
	for (size_t i = 0; i < v->failure_count && i < VERDICT_FAILURES; i++)
		if (!strcmp(v->failures[i].rule, rule))
			return true;
	return false;
}

static void show(const struct verdict *v)
{
	for (size_t i = 0; i < v->failure_count && i < VERDICT_FAILURES; i++)
		print_message("%s: %s; wanted %s\n", v->failures[i].rule,
			v->failures[i].seen, v->failures[i].wanted);
}

void assert_no_failures(const struct verdict *v)
{
	if (v->failure_count)
		show(v);
	assert_int_equal(v->failure_count, 0);
}

void assert_failure(const struct verdict *v, const char *rule)
{
	if (verdict_has(v, rule))
		return;
	show(v);
	fail_msg("no failure \"%s\"", rule);
}

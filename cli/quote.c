/* SPDX-License-Identifier: Apache-2.0 */
/* `sconce quote verify` and `sconce quote show`. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/attest_cmd.h"
#include "emu/qe.h"
#include "lib/fmt.h"

static struct verdict verdict;
static struct appraise_policy policy;

/* The roots that --root names; files are to be freed. */
struct root_files {
	struct attest_file file[OPTIONS_REPEATED];
	struct span span[OPTIONS_REPEATED];
	struct trust trust;
};

/* The root of this user's emulated platform, which is made if need be. */
static int emulated_root(struct attest_file *f, struct err *e)
{
	char *pem = NULL;
	int ret = emu_root_pem(&pem, &f->size, e);

	f->data = (uint8_t *)pem;
	return ret < 0 ? err_prefix(e, "--root emulated") : 0;
}

static int read_roots(
	struct root_files *r, const struct options *o, struct err *e)
{
	size_t emulated = 0;
	int ret = 0;

	*r = (struct root_files){0};
	for (size_t i = 0; i < o->repeated_count && ret == 0; i++) {
		if (strcmp(o->repeated[i], "emulated") == 0) {
			ret = emulated_root(&r->file[i], e);
			emulated++;
		} else {
			ret = attest_file_read(
				&r->file[i], "root", o->repeated[i], e);
		}
		r->span[i] = (struct span){r->file[i].data, r->file[i].size};
	}
	if (ret == 0 && emulated > 0 && emulated < o->repeated_count)
		ret = err_setf(e, -EINVAL,
			"--root emulated does not go with other roots; verify "
			"evidence of emulated platforms by itself");
	r->trust = (struct trust){
		.roots = o->repeated_count > 0 ? r->span : NULL,
		.root_count = o->repeated_count,
		.emulated = emulated > 0};
	return ret;
}

static void free_roots(struct root_files *r)
{
	for (size_t i = 0; i < OPTIONS_REPEATED; i++)
		free(r->file[i].data);
}

static int read_time(const struct options *o, int64_t *at, struct err *e)
{
	const char *text = o->value[ATTEST_AT];

	if (text == NULL) {
		*at = (int64_t)time(NULL);
		return 0;
	}
	if (attest_time_parse(text, at) == 0)
		return 0;
	return err_setf(e, -EINVAL,
		"--at '%.60s': wanted a time as 2025-06-25T00:00:00Z, or "
		"seconds since 1970",
		text);
}

static int read_policy(const struct options *o, struct err *e)
{
	const char *path = o->value[ATTEST_POLICY];
	struct attest_file file;
	int ret;

	if (path == NULL)
		return 0;
	ret = attest_file_read(&file, "policy", path, e);
	if (ret < 0)
		return ret;
	ret = appraise_parse(
		&policy, path, (const char *)file.data, file.size, e);
	free(file.data);
	return ret;
}

static bool policy_has(const char *name)
{
	for (size_t i = 0; i < policy.field_count; i++)
		if (strcmp(policy.fields[i].name, name) == 0)
			return true;
	return false;
}

/* Besides what the policy wants: that the evidence is bound to these bytes. */
static int read_report_data(const struct options *o, struct err *e)
{
	uint8_t data[64];
	int ret = attest_report_data(o, data, e);

	if (ret < 0)
		return ret == -ENOENT ? 0 : ret;
	if (policy_has("report_data"))
		return err_setf(e, -EINVAL,
			"--report-data: the policy names report_data as well; "
			"leave one out");
	return appraise_want_bytes(
		       &policy, "report_data", data, sizeof(data)) == 0
		? 0
		: err_setf(e, -ENOSPC,
			  "--report-data: too many fields in "
			  "the policy");
}

/* Verifies the quote against the folder; all of it is input by now. */
static int verify(const struct attest_file *quote,
	const struct attest_folder *f, const struct trust *trust,
	const struct evidence_options *options, struct err *e)
{
	struct collateral *collateral;
	int ret = collateral_new(&f->files, trust, &collateral, e);

	if (ret < 0)
		return ret;
	ret = evidence_verify(
		quote->data, quote->size, collateral, options, &verdict, e);
	collateral_free(collateral);
	return ret;
}

static int read_and_verify(struct options *o, struct quote_view *view,
	const struct evidence_options *options, struct err *e)
{
	struct attest_folder folder = {0};
	struct attest_file quote = {0};
	struct root_files roots;
	int ret = read_roots(&roots, o, e);

	/* Who names that root and no policy wants its quotes accepted. */
	if (ret == 0 && o->value[ATTEST_POLICY] == NULL)
		policy.allow_emulated = roots.trust.emulated;
	if (ret == 0 && o->value[ATTEST_COLLATERAL] != NULL)
		ret = attest_folder_read(
			&folder, o->value[ATTEST_COLLATERAL], e);
	if (ret == 0)
		ret = attest_file_read(&quote, "quote", o->path[0], e);
	if (ret == 0) {
		/* A quote of the wrong form is no evidence of anything. */
		ret = evidence_show(quote.data, quote.size, &verdict, e);
		if (ret == -EINVAL)
			err_prefix(e, "quote %s", o->path[0]);
	}
	if (ret == 0)
		ret = verify(&quote, &folder, &roots.trust, options, e);
	free(quote.data);
	attest_folder_free(&folder);
	free_roots(&roots);
	return ret;
}

int attest_quote_verify(struct options *o, struct err *e)
{
	struct evidence_options options = {
		.no_crl = o->value[ATTEST_NO_CRL] != NULL};
	struct quote_view view = {.v = &verdict, .verified = true};
	int ret = read_time(o, &options.at, e);

	if (ret == 0)
		ret = read_policy(o, e);
	if (ret == 0)
		ret = read_report_data(o, e);
	if (ret == 0)
		ret = read_and_verify(o, &view, &options, e);
	if (ret < 0)
		return ret;
	view.accepted = appraise(&verdict, &policy, options.at);
	view.file = o->path[0];
	view.at = options.at;
	view.no_crl = options.no_crl;
	view.has_collateral = o->value[ATTEST_COLLATERAL] != NULL;
	view.policy = o->value[ATTEST_POLICY];
	view.allow_emulated = policy.allow_emulated;
	view.any_program = !appraise_names_program(&policy);
	view.any_config = !view.any_program &&
		appraise_takes_any_config(&policy, &verdict);
	if (o->value[ATTEST_JSON] != NULL)
		ret = quote_print_json(&view);
	else
		quote_print(&view);
	if (ret < 0)
		return err_setf(e, ret, "no memory");
	return view.accepted ? ATTEST_OK : ATTEST_REJECTED;
}

int attest_quote_show(struct options *o, struct err *e)
{
	struct quote_view view = {.v = &verdict, .file = o->path[0]};
	struct attest_file quote;
	int ret = attest_file_read(&quote, "quote", o->path[0], e);

	if (ret < 0)
		return ret;
	ret = evidence_show(quote.data, quote.size, &verdict, e);
	free(quote.data);
	if (ret < 0)
		return err_prefix(e, "quote %s", o->path[0]);
	if (o->value[ATTEST_JSON] != NULL)
		ret = quote_print_json(&view);
	else
		quote_print(&view);
	return ret < 0 ? err_setf(e, ret, "no memory") : ATTEST_OK;
}

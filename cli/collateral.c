/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/collateral.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "attest/crl.h"
#include "attest/date.h"
#include "attest/qe_identity.h"
#include "attest/tcb.h"
#include "attest/x509.h"
#include "lib/bytes.h"
#include "lib/fmt.h"

static void look_tcb(const struct attest_file *f, struct collateral_view *view,
	struct collateral_row *row, struct err *e)
{
	struct tcb_info *info = NULL;
	struct signed_json json;
	int ret = signed_json_parse("tcbInfo", f->data, f->size, &json, e);

	if (ret < 0)
		return;
	ret = tcb_info_parse(&json, &info, e);
	signed_json_fini(&json);
	if (ret < 0)
		return;
	row->from = info->issue_date;
	row->until = info->next_update;
	view->has_tcb = true;
	view->tdx = info->tee == TCB_TDX;
	view->evaluation = info->evaluation;
	memcpy(view->fmspc, info->fmspc, sizeof(view->fmspc));
	fmt_print(row->what, sizeof(row->what),
		"%s, version %u, evaluation %u, %zu levels, the best of",
		view->tdx ? "TDX" : "SGX", info->version, info->evaluation,
		info->level_count);
	if (info->level_count > 0) {
		char text[DATE_TEXT];

		date_format(info->levels[0].rating.date, text);
		fmt_print(row->what + strlen(row->what),
			sizeof(row->what) - strlen(row->what), " %.10s", text);
	}
	tcb_info_free(info);
}

static void look_qe(const struct attest_file *f, struct collateral_view *view,
	struct collateral_row *row, struct err *e)
{
	struct qe_identity *identity = NULL;
	struct signed_json json;
	int ret = signed_json_parse(
		"enclaveIdentity", f->data, f->size, &json, e);

	(void)view;
	if (ret < 0)
		return;
	ret = qe_identity_parse(&json, &identity, e);
	signed_json_fini(&json);
	if (ret < 0)
		return;
	row->from = identity->issue_date;
	row->until = identity->next_update;
	fmt_print(row->what, sizeof(row->what), "%s, version %u, evaluation %u",
		qe_identity_name(identity->id), identity->version,
		identity->evaluation);
	qe_identity_free(identity);
}

static void look_certs(const struct attest_file *f,
	struct collateral_view *view, struct collateral_row *row, struct err *e)
{
	struct x509_list list = {0};
	size_t len = 0;

	(void)view;
	if (x509_list_parse(&list, NULL, f->data, f->size, e) < 0)
		return;
	for (size_t i = 0; i < list.count; i++) {
		int64_t from = x509_cert_not_before(list.certs[i]);
		int64_t until = x509_cert_not_after(list.certs[i]);

		if (i == 0 || from > row->from)
			row->from = from;
		if (i == 0 || until < row->until)
			row->until = until;
		if (len < sizeof(row->what))
			len += fmt_print(row->what + len,
				sizeof(row->what) - len, "%s%s",
				i > 0 ? ", " : "",
				x509_cert_subject(list.certs[i]));
	}
	x509_list_fini(&list);
}

static void look_crl(const struct attest_file *f, struct collateral_view *view,
	struct collateral_row *row, struct err *e)
{
	struct crl *crl;

	(void)view;
	if (crl_new(f->data, f->size, &crl, e) < 0)
		return;
	row->from = crl_this_update(crl);
	row->until = crl_next_update(crl);
	fmt_print(row->what, sizeof(row->what), "of %s, %zu revoked",
		crl_issuer(crl), crl_count(crl));
	crl_free(crl);
}

static void look_file(const struct attest_file *f, struct collateral_view *view,
	struct collateral_row *row)
{
	const char *name = row->name, *dot = strrchr(name, '.');
	struct err e = {0};

	if (strcmp(name, "tcb_info.json") == 0)
		look_tcb(f, view, row, &e);
	else if (strcmp(name, "qe_identity.json") == 0)
		look_qe(f, view, row, &e);
	else if (strstr(name, "crl.der") != NULL)
		look_crl(f, view, row, &e);
	else if (dot != NULL)
		look_certs(f, view, row, &e);
	if (e.code != 0)
		fmt_print(row->problem, sizeof(row->problem), "%s", e.text);
}

void collateral_look(
	const struct attest_folder *folder, struct collateral_view *view)
{
	*view = (struct collateral_view){0};
	for (size_t i = 0; collateral_names[i] != NULL; i++) {
		struct collateral_row *row = &view->row[view->count++];

		row->name = collateral_names[i];
		row->there = folder->file[i].data != NULL;
		if (row->there)
			look_file(&folder->file[i], view, row);
	}
}

const struct collateral_row *collateral_first(
	const struct collateral_view *view)
{
	const struct collateral_row *first = NULL;

	for (size_t i = 0; i < view->count; i++)
		if (view->row[i].until != 0 &&
			(first == NULL || view->row[i].until < first->until))
			first = &view->row[i];
	return first;
}

static bool has(const struct collateral_view *view, const char *name)
{
	for (size_t i = 0; i < view->count; i++)
		if (strcmp(view->row[i].name, name) == 0)
			return view->row[i].there;
	return false;
}

/* What verification will want and not find. */
static size_t missing(
	const struct collateral_view *view, const char *names[static 8])
{
	static const char *const dcap[] = {"tcb_info.json",
		"tcb_info_chain.pem", "qe_identity.json",
		"qe_identity_chain.pem", "root_ca_crl.der", "pck_crl.der"};
	bool snp = has(view, "cert_chain.pem") || has(view, "vcek.der") ||
		has(view, "vlek.der");
	size_t count = 0;

	if (snp && !has(view, "cert_chain.pem"))
		names[count++] = "cert_chain.pem";
	if (snp && !has(view, "vcek.der") && !has(view, "vlek.der"))
		names[count++] = "vcek.der or vlek.der";
	for (size_t i = 0; i < ARRAY_SIZE(dcap) && !snp; i++)
		if (!has(view, dcap[i]))
			names[count++] = dcap[i];
	return count;
}

static void print_row(const struct collateral_row *row, int64_t at)
{
	char from[DATE_TEXT], until[DATE_TEXT];

	date_format(row->from, from);
	date_format(row->until, until);
	printf("  %-22s %s\n", row->name,
		row->problem[0] != '\0' ? row->problem : row->what);
	if (row->until == 0)
		return;
	printf("  %-22s %s to %s%s\n", "", from, until,
		at > row->until          ? ", EXPIRED"
			: at < row->from ? ", NOT YET VALID"
					 : "");
}

void collateral_print(
	const struct collateral_view *view, const char *dir, int64_t at)
{
	const struct collateral_row *first = collateral_first(view);
	const char *names[8];
	char text[DATE_TEXT];
	size_t count = missing(view, names);

	printf("%s: ", dir);
	if (view->has_tcb) {
		bytes_to_hex(view->fmspc, sizeof(view->fmspc), text);
		printf("collateral for %s quotes of platform (FMSPC) %s\n",
			view->tdx ? "TDX" : "SGX", text);
	} else {
		printf("collateral\n");
	}
	for (size_t i = 0; i < view->count; i++)
		if (view->row[i].there)
			print_row(&view->row[i], at);
	for (size_t i = 0; i < count; i++)
		printf("  %-22s not there\n", names[i]);
	if (first != NULL) {
		date_format(first->until, text);
		printf("%s %s (%s)\n",
			at > first->until ? "expired" : "expires first", text,
			first->name);
	}
}

static json_t *date(int64_t at)
{
	char text[DATE_TEXT];

	if (at == 0)
		return json_null();
	date_format(at, text);
	return json_string(text);
}

static int print_json(const struct collateral_view *view, int64_t at)
{
	json_t *root = json_object(), *files = json_object();
	const struct collateral_row *first = collateral_first(view);
	json_t *list = json_array();
	const char *names[8];
	char fmspc[13] = "";
	size_t count = missing(view, names);
	int ret;

	bytes_to_hex(view->fmspc, sizeof(view->fmspc), fmspc);
	json_object_set_new(root, "fmspc",
		view->has_tcb ? json_string(fmspc) : json_null());
	json_object_set_new(root, "tee",
		view->has_tcb ? json_string(view->tdx ? "tdx" : "sgx")
			      : json_null());
	json_object_set_new(root, "tcb_evaluation",
		view->has_tcb ? json_integer(view->evaluation) : json_null());
	for (size_t i = 0; i < view->count; i++) {
		const struct collateral_row *row = &view->row[i];

		if (row->there)
			json_object_set_new(files, row->name,
				json_pack("{ss so so so}", "what", row->what,
					"problem",
					row->problem[0] != '\0'
						? json_string(row->problem)
						: json_null(),
					"valid_from", date(row->from),
					"valid_until", date(row->until)));
	}
	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, json_string(names[i]));
	json_object_set_new(root, "files", files);
	json_object_set_new(root, "missing", list);
	json_object_set_new(
		root, "valid_until", date(first != NULL ? first->until : 0));
	json_object_set_new(root, "expired",
		json_boolean(first != NULL && at > first->until));
	ret = json_dumpf(root, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(root);
	return ret == 0 ? 0 : -ENOMEM;
}

int attest_collateral_show(struct options *o, struct err *e)
{
	static struct collateral_view view;
	static struct attest_folder folder;
	int64_t at = (int64_t)time(NULL);
	int ret;

	if (o->value[ATTEST_AT] != NULL &&
		attest_time_parse(o->value[ATTEST_AT], &at) < 0)
		return err_setf(e, -EINVAL,
			"--at '%.60s': wanted a time as 2025-06-25T00:00:00Z, "
			"or seconds since 1970",
			o->value[ATTEST_AT]);
	ret = attest_folder_read(&folder, o->path[0], e);
	if (ret < 0)
		return ret;
	collateral_look(&folder, &view);
	attest_folder_free(&folder);
	if (o->value[ATTEST_JSON] == NULL)
		collateral_print(&view, o->path[0], at);
	else if (print_json(&view, at) < 0)
		return err_setf(e, -ENOMEM, "no memory");
	return ATTEST_OK;
}

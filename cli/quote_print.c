/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verdicts for people: whether it is accepted, what it is, how far it can be
 * trusted, and for each thing that is wrong what was seen, what is wanted and
 * what can be done about it.
 */
#include <stdio.h>
#include <string.h>

#include "attest/date.h"
#include "cli/attest_cmd.h"
#include "lib/bytes.h"

enum { HEX_LINE = 48 }; /* bytes of hex in a line */

static const char *kind_text(enum evidence_kind kind)
{
	static const char *const texts[] = {
		[EVIDENCE_SGX_V3] = "quote of an SGX enclave (version 3)",
		[EVIDENCE_SGX_V4] = "quote of an SGX enclave (version 4)",
		[EVIDENCE_SGX_V5] = "quote of an SGX enclave (version 5)",
		[EVIDENCE_TDX_V4] =
			"quote of a TDX virtual machine (version 4)",
		[EVIDENCE_TDX_V5] =
			"quote of a TDX virtual machine (version 5)",
		[EVIDENCE_SNP] = "report of a SEV-SNP virtual machine",
	};

	return (size_t)kind < ARRAY_SIZE(texts) ? texts[kind] : "evidence";
}

/* "2025-06-25 00:00:00 UTC", without the time where it does not matter. */
static const char *day(int64_t at, char text[static DATE_TEXT], bool time)
{
	char *t;

	date_format(at, text);
	t = strchr(text, 'T');
	if (t != NULL && time) {
		*t = ' ';
		t = strchr(text, 'Z');
	}
	if (t != NULL)
		*t = '\0';
	return text;
}

static bool all_zero(const struct verdict_field *f)
{
	return f->size > 0 ? bytes_zero(f->bytes, f->size) : f->number == 0;
}

/* Bytes that are a text, with zeros behind it; as REPORTDATA often is. */
static bool is_text(const struct verdict_field *f)
{
	size_t len = strnlen((const char *)f->bytes, f->size);

	for (size_t i = 0; i < f->size; i++)
		if (i < len ? f->bytes[i] < ' ' || f->bytes[i] > '~'
			    : f->bytes[i] != 0)
			return false;
	return len >= 4;
}

static void print_field(const struct verdict_field *f)
{
	printf("  %-20s ", f->name);
	if (f->size == 0 && f->number > 255)
		printf("0x%llx\n", (unsigned long long)f->number);
	else if (f->size == 0)
		printf("%llu\n", (unsigned long long)f->number);
	else if (f->size > 4 && all_zero(f))
		printf("zero (%u bytes)\n", f->size);
	else {
		for (size_t i = 0; i < f->size; i++)
			printf("%s%02x",
				i > 0 && i % HEX_LINE == 0
					? "\n                       "
					: "",
				f->bytes[i]);
		if (is_text(f))
			printf("  \"%.*s\"", f->size, (const char *)f->bytes);
		putchar('\n');
	}
}

/* What there is most of and that says nothing is left out unless asked for:
 * identifiers of zeros. */
static bool is_dull(const struct verdict_field *f)
{
	static const char *const dull[] = {"isv_ext_prod_id", "isv_family_id",
		"config_id", "config_svn", "cet_attributes", "misc_select",
		"mrconfigid", "mrowner", "mrownerconfig", "mrsignerseam",
		"seam_attributes", "mrservicetd", "family_id", "image_id",
		"id_key_digest", "author_key_digest", "report_id_ma",
		"host_data", "guest_svn", "launch_mit_vector",
		"current_mit_vector"};

	if (!all_zero(f))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(dull); i++)
		if (strcmp(dull[i], f->name) == 0)
			return true;
	return false;
}

static void print_fields(const struct verdict *v)
{
	size_t left_out = 0;

	for (size_t i = 0; i < v->field_count; i++) {
		if (is_dull(&v->fields[i]))
			left_out++;
		else
			print_field(&v->fields[i]);
	}
	if (left_out > 0)
		printf("  and %zu identifiers that are zero (--json has "
		       "them)\n",
			left_out);
}

static const char *status_meaning(const struct verdict *v)
{
	/* AMD publishes no list of the levels that are current. */
	if (v->kind == EVIDENCE_SNP)
		return "its key is for the patch levels that it reports; "
		       "policies say which will do";
	switch (v->tcb_status) {
	case TCB_UP_TO_DATE:
		return "all patches of its vendor are in";
	case TCB_SW_HARDENING_NEEDED:
		return "patched; enclaves must carry mitigations of their own";
	case TCB_CONFIGURATION_NEEDED:
		return "patched; a firmware setting leaves it exposed";
	case TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED:
		return "patched; a firmware setting and missing mitigations in "
		       "enclaves expose it";
	case TCB_OUT_OF_DATE:
		return "patches are missing";
	case TCB_OUT_OF_DATE_CONFIGURATION_NEEDED:
		return "patches are missing, and a firmware setting leaves it "
		       "exposed";
	case TCB_TD_RELAUNCH_ADVISED:
	case TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED:
		return "patched since this virtual machine was started; start "
		       "it again";
	case TCB_REVOKED:
		return "its keys are known to others";
	case TCB_NOT_SUPPORTED:
		return "older than everything its vendor rates";
	default:
		return "";
	}
}

static void print_platform(const struct quote_view *view)
{
	const struct verdict *v = view->v;
	char a[DATE_TEXT], b[DATE_TEXT];

	printf("\nplatform\n");
	if (v->tcb_status == TCB_UNKNOWN)
		printf("  state                not determined\n");
	else
		printf("  state                %s\n"
		       "                       (%s)\n",
			verdict_tcb_name(v->tcb_status), status_meaning(v));
	if (v->qe_status != TCB_UNKNOWN && v->qe_status != TCB_UP_TO_DATE)
		printf("  quoting enclave      %s\n",
			verdict_tcb_name(v->qe_status));
	if (v->module_status != TCB_UNKNOWN &&
		v->module_status != TCB_UP_TO_DATE)
		printf("  TDX module           %s\n",
			verdict_tcb_name(v->module_status));
	if (v->tcb_date != 0)
		printf("  rated by             evaluation %u, level of %s\n",
			v->tcb_evaluation, day(v->tcb_date, a, false));
	for (size_t i = 0; i < v->advisory_count; i++)
		printf("%s%s",
			i == 0               ? "  advisories           "
				: i % 4 == 0 ? ",\n                       "
					     : ", ",
			v->advisories[i]);
	if (v->advisory_count > 0)
		putchar('\n');
	if (v->valid_until != 0 && v->valid_from <= v->valid_until)
		printf("  evidence holds       %s UTC to\n"
		       "                       %s UTC\n",
			day(v->valid_from, a, true),
			day(v->valid_until, b, true));
	printf("  looked at as of      %s UTC\n", day(view->at, a, true));
}

static bool ends_with(const char *s, const char *end)
{
	size_t len = strlen(s), n = strlen(end);

	return len >= n && strcmp(s + len - n, end) == 0;
}

/* What can be done; NULL: nothing that is known. */
static const char *cure(const struct verdict_failure *f)
{
	static const struct {
		const char *rule; /* one that begins with '*': the end of it */
		const char *text;
	} cures[] = {
		{"policy-debug",
			"whoever runs the machine can read it; for "
			"tests a policy may say `allow_debug: true`"},
		{"policy-emulated",
			"nothing protects it; for tests a policy may say "
			"`allow_emulated: true`"},
		{"policy-tcb-status",
			"update the platform's firmware; or say in a policy "
			"that this state is accepted (tcb: accept)"},
		{"policy-advisories",
			"read these advisories; list those that do not matter "
			"in the policy (tcb: advisories)"},
		{"policy-tcb-age",
			"the platform's last patch is too old for the policy"},
		{"policy-tcb-evaluation",
			"fetch collateral of a later evaluation: `sconce "
			"collateral fetch --update early`"},
		{"policy-report_data",
			"made for something else: another key, nonce or "
			"session"},
		{"policy-*", "not what the policy asks for"},
		{"*-missing",
			"`sconce collateral fetch --quote FILE DIR`, then "
			"--collateral DIR; --no-crl goes without revocation "
			"lists"},
		{"*-date",
			"fetch collateral of today, or name the time at which "
			"the evidence was made: --at"},
		{"*-revoked",
			"its issuer does not stand for it any more: do not "
			"trust it"},
		{"*-signature",
			"changed since it was signed, or signed by "
			"another key: do not trust it"},
		{"*-root",
			"made by nobody who is believed; --root FILE believes "
			"in another root"},
		{"snp-tcb",
			"`sconce collateral fetch --quote FILE DIR` gets the "
			"certificate for this TCB"},
		{"snp-chip-id",
			"`sconce collateral fetch --quote FILE DIR` gets this "
			"chip's certificate"},
	};

	if (strcmp(f->seen, "absent") == 0 || strcmp(f->seen, "none") == 0 ||
		strcmp(f->seen, "missing") == 0)
		return "`sconce collateral fetch --quote FILE DIR` gets it; "
		       "then --collateral DIR";
	for (size_t i = 0; i < ARRAY_SIZE(cures); i++) {
		const char *rule = cures[i].rule, *star = strchr(rule, '*');

		if (star == rule ? ends_with(f->rule, rule + 1)
				: star != NULL
				? strncmp(f->rule, rule,
					  (size_t)(star - rule)) == 0
				: strcmp(f->rule, rule) == 0)
			return cures[i].text;
	}
	return NULL;
}

/* text in lines of at most 60 bytes, broken at blanks. */
static void print_wrapped(const char *label, const char *text)
{
	enum { WIDTH = 64 };

	for (bool first = true; *text != '\0' || first; first = false) {
		size_t len = strlen(text);

		if (len > WIDTH) {
			len = WIDTH;
			while (len > 0 && text[len] != ' ')
				len--;
			if (len == 0)
				len = strcspn(text, " ");
		}
		printf("    %-8s %.*s\n", first ? label : "", (int)len, text);
		text += len;
		text += strspn(text, " ");
	}
}

static void print_failures(const struct quote_view *view)
{
	const struct verdict *v = view->v;
	const char *last = NULL;
	size_t shown = u64_min(v->failure_count, VERDICT_FAILURES);

	if (v->failure_count == 0)
		return;
	printf("\nwhat is wrong\n");
	for (size_t i = 0; i < shown; i++) {
		const struct verdict_failure *f = &v->failures[i];
		const char *help = cure(f);

		printf("  %s\n", f->rule);
		print_wrapped("seen", f->seen);
		print_wrapped("wanted", f->wanted);
		if (help != NULL && help != last)
			print_wrapped("cure", help);
		last = help;
	}
	if (shown < v->failure_count)
		printf("  and %zu more\n", v->failure_count - shown);
}

static void print_notes(const struct quote_view *view)
{
	if (view->policy != NULL)
		printf("\npolicy                 %s\n", view->policy);
	else
		printf("\npolicy                 none: genuine, UpToDate, not "
		       "debug%s\n",
			view->allow_emulated ? "" : ", not emulated");
	if (view->any_program)
		printf("note: no particular program was asked for: any %s "
		       "would do; name one in a policy\n",
			view->v->kind <= EVIDENCE_SGX_V5 ? "enclave"
							 : "virtual machine");
	if (view->any_config)
		printf("note: this enclave is configured by its loader (KSS) "
		       "and the policy does not name\n"
		       "      config_id: of Sconce's enclaves it says which "
		       "kernel, not which program\n");
	if (view->no_crl)
		printf("note: revocation lists were not looked at "
		       "(--no-crl)\n");
}

void quote_print(const struct quote_view *view)
{
	const struct verdict *v = view->v;

	printf("%s: %s%s%s\n",
		!view->verified          ? "NOT VERIFIED"
			: view->accepted ? "ACCEPTED"
					 : "REJECTED",
		kind_text(v->kind), v->debug ? ", DEBUG" : "",
		v->emulated ? ", EMULATED PLATFORM" : "");
	if (!view->verified)
		printf("These are claims: anybody can write them. `sconce "
		       "quote "
		       "verify` checks them.\n");
	printf("\nmeasurements\n");
	print_fields(v);
	if (!view->verified)
		return;
	printf("\ntrust\n  signatures           %s\n  certificates         "
	       "%s\n",
		v->signature ? "good, from the evidence to its certificate"
			     : "BAD",
		v->chain ? v->emulated ? "lead to the root of an emulated "
					 "platform"
				       : "lead to a root that is believed"
			 : "BAD");
	print_platform(view);
	print_failures(view);
	print_notes(view);
}

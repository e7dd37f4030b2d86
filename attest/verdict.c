/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/verdict.h"

#include <errno.h>

#include "attest/date.h"
#include "lib/bytes.h"
#include "lib/fmt.h"
#include "lib/string.h"

static const char *const kind_names[] = {
	[EVIDENCE_SGX_V3] = "sgx-v3",
	[EVIDENCE_SGX_V4] = "sgx-v4",
	[EVIDENCE_SGX_V5] = "sgx-v5",
	[EVIDENCE_TDX_V4] = "tdx-v4",
	[EVIDENCE_TDX_V5] = "tdx-v5",
	[EVIDENCE_SNP] = "snp",
};

static const char *const tcb_names[TCB_STATUS_COUNT] = {
	[TCB_UNKNOWN] = "",
	[TCB_UP_TO_DATE] = "UpToDate",
	[TCB_SW_HARDENING_NEEDED] = "SWHardeningNeeded",
	[TCB_CONFIGURATION_NEEDED] = "ConfigurationNeeded",
	[TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED] =
		"ConfigurationAndSWHardeningNeeded",
	[TCB_OUT_OF_DATE] = "OutOfDate",
	[TCB_OUT_OF_DATE_CONFIGURATION_NEEDED] = "OutOfDateConfigurationNeeded",
	[TCB_TD_RELAUNCH_ADVISED] = "TDRelaunchAdvised",
	[TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED] =
		"TDRelaunchAdvisedConfigurationNeeded",
	[TCB_REVOKED] = "Revoked",
	[TCB_NOT_SUPPORTED] = "NotSupported",
};

const char *verdict_kind_name(enum evidence_kind kind)
{
	return (size_t)kind < ARRAY_SIZE(kind_names) ? kind_names[kind] : "";
}

const char *verdict_tcb_name(enum tcb_status status)
{
	return (size_t)status < ARRAY_SIZE(tcb_names) ? tcb_names[status] : "";
}

enum tcb_status verdict_tcb_parse(const char *name, size_t len)
{
	for (unsigned i = 1; i < TCB_STATUS_COUNT; i++)
		if (len == strlen(tcb_names[i]) &&
			!memcmp(name, tcb_names[i], len))
			return (enum tcb_status)i;
	return TCB_UNKNOWN;
}

void verdict_init(struct verdict *v, enum evidence_kind kind)
{
	memset(v, 0, sizeof(*v));
	v->kind = kind;
	v->valid_from = INT64_MIN;
	v->valid_until = INT64_MAX;
}

/* With "..." at the end if it had to be cut. */
static void set_text(char text[static VERDICT_TEXT], const char *from)
{
	size_t len = strnlen(from, VERDICT_TEXT);
	bool cut = len == VERDICT_TEXT;

	if (cut)
		len = VERDICT_TEXT - 1;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)from[i];

		text[i] = (char)(c < ' ' || c == 0x7f ? '?' : c);
	}
	text[len] = '\0';
	if (cut)
		memcpy(text + len - 3, "...", 3);
}

void verdict_fail(struct verdict *v, const char *rule, const char *seen,
	const char *wanted)
{
	struct verdict_failure f = {.rule = rule};
	size_t stored = u64_min(v->failure_count, VERDICT_FAILURES);

	set_text(f.seen, seen);
	set_text(f.wanted, wanted);
	for (size_t i = 0; i < stored; i++)
		if (!strcmp(v->failures[i].rule, rule) &&
			!strcmp(v->failures[i].seen, f.seen) &&
			!strcmp(v->failures[i].wanted, f.wanted))
			return;
	if (v->failure_count++ < VERDICT_FAILURES)
		v->failures[stored] = f;
}

/* Up to 64 bytes, which is what VERDICT_TEXT has room for. */
static void to_hex(char text[static VERDICT_TEXT], const void *data, size_t n)
{
	bytes_to_hex(data, u64_min(n, (VERDICT_TEXT - 1) / 2), text);
}

void verdict_fail_hex(struct verdict *v, const char *rule, const void *seen,
	const void *wanted, size_t size)
{
	char a[VERDICT_TEXT], b[VERDICT_TEXT];

	to_hex(a, seen, size);
	to_hex(b, wanted, size);
	verdict_fail(v, rule, a, b);
}

void verdict_fail_date(
	struct verdict *v, const char *rule, int64_t seen, int64_t wanted)
{
	char a[DATE_TEXT], b[DATE_TEXT];

	date_format(seen, a);
	date_format(wanted, b);
	verdict_fail(v, rule, a, b);
}

bool verdict_window(struct verdict *v, const char *rule, int64_t from,
	int64_t until, int64_t at)
{
	char seen[DATE_TEXT], limit[DATE_TEXT], wanted[VERDICT_TEXT];

	if (v->valid_from < from)
		v->valid_from = from;
	if (v->valid_until > until)
		v->valid_until = until;
	if (at >= from && at <= until)
		return true;
	date_format(at, seen);
	date_format(at < from ? from : until, limit);
	fmt_print(wanted, sizeof(wanted), "%s %s",
		at < from ? "not before" : "not after", limit);
	verdict_fail(v, rule, seen, wanted);
	return false;
}

int verdict_add_advisory(struct verdict *v, const char *id, size_t len)
{
	char text[sizeof(v->advisories[0])] = {0};
	size_t at = 0;

	len = u64_min(len, sizeof(text) - 1);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)id[i];

		text[i] = (char)(c < ' ' || c == 0x7f ? '?' : c);
	}
	while (at < v->advisory_count && strcmp(v->advisories[at], text) < 0)
		at++;
	if (at < v->advisory_count && !strcmp(v->advisories[at], text))
		return 0;
	if (v->advisory_count == VERDICT_ADVISORIES)
		return -E2BIG;
	memmove(v->advisories + at + 1, v->advisories + at,
		(v->advisory_count - at) * sizeof(v->advisories[0]));
	memcpy(v->advisories[at], text, sizeof(text));
	v->advisory_count++;
	return 0;
}

/* Fields are named by our own code: too many is a mistake in it, and they are
 * then missing rather than wrong. */
static struct verdict_field *add_field(struct verdict *v, const char *name)
{
	struct verdict_field *f;

	if (v->field_count == VERDICT_FIELDS)
		return NULL;
	f = &v->fields[v->field_count++];
	memset(f, 0, sizeof(*f));
	f->name = name;
	return f;
}

void verdict_add_bytes(
	struct verdict *v, const char *name, const void *bytes, size_t size)
{
	struct verdict_field *f;

	if (size == 0 || size > sizeof(f->bytes))
		return;
	f = add_field(v, name);
	if (!f)
		return;
	f->size = (uint8_t)size;
	memcpy(f->bytes, bytes, size);
}

void verdict_add_number(struct verdict *v, const char *name, uint64_t number)
{
	struct verdict_field *f = add_field(v, name);

	if (f)
		f->number = number;
}

const struct verdict_field *verdict_field(
	const struct verdict *v, const char *name)
{
	for (size_t i = 0; i < v->field_count; i++)
		if (!strcmp(v->fields[i].name, name))
			return &v->fields[i];
	return NULL;
}

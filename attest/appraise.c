/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/appraise.h"

#include <errno.h>

#include "abi/sgx.h"
#include "lib/bytes.h"
#include "lib/fmt.h"
#include "lib/string.h"

#define NAME(name, size, program)                       \
	{                                               \
		name, "policy-" name, (size), (program) \
	}

/*
 * What the parsers of evidence add to verdicts, by kind of evidence. A program
 * is named by what the processor measured, and by keys of who vouches for a
 * measurement. What the host hands to any enclave or VM that it starts
 * (config_id, mrconfigid, mrowner, host_data), and registers that any program
 * in a TD extends as it likes (rtmr), is the same for an attacker's.
 */
static const struct appraise_name names[] = {
	/* SGX */
	NAME("mrenclave", 32, true),
	NAME("mrsigner", 32, true),
	NAME("isv_prod_id", 0, false),
	NAME("isv_svn", 0, false),
	NAME("attributes", 16, false),
	NAME("misc_select", 0, false),
	NAME("cet_attributes", 0, false),
	NAME("cpu_svn", 16, false),
	NAME("config_id", 64, false),
	NAME("config_svn", 0, false),
	NAME("isv_family_id", 16, false),
	NAME("isv_ext_prod_id", 16, false),
	/* all; the next four are of quotes */
	NAME("report_data", 64, false),
	NAME("qe_id", 16, false),
	NAME("qe_svn", 0, false),
	NAME("pce_svn", 0, false),
	NAME("cert_data_type", 0, false),
	/* of PCK certificates, where they were verified */
	NAME("fmspc", 6, false),
	NAME("pceid", 2, false),
	NAME("ppid", 16, false),
	NAME("sgx_type", 0, false),
	NAME("platform_instance_id", 16, false),
	NAME("dynamic_platform", 0, false),
	NAME("cached_keys", 0, false),
	NAME("smt_enabled", 0, false),
	/* TDX */
	NAME("mrtd", 48, true),
	NAME("rtmr0", 48, false),
	NAME("rtmr1", 48, false),
	NAME("rtmr2", 48, false),
	NAME("rtmr3", 48, false),
	NAME("mrconfigid", 48, false),
	NAME("mrowner", 48, false),
	NAME("mrownerconfig", 48, false),
	NAME("mrservicetd", 48, false),
	NAME("mrseam", 48, false),
	NAME("mrsignerseam", 48, false),
	NAME("seam_attributes", 8, false),
	NAME("td_attributes", 8, false),
	NAME("xfam", 8, false),
	NAME("tee_tcb_svn", 16, false),
	NAME("tee_tcb_svn2", 16, false),
	/* SEV-SNP */
	NAME("measurement", 48, true),
	NAME("host_data", 32, false),
	NAME("id_key_digest", 48, true),
	NAME("author_key_digest", 48, true),
	NAME("family_id", 16, false),
	NAME("image_id", 16, false),
	NAME("guest_svn", 0, false),
	NAME("policy", 0, false),
	NAME("vmpl", 0, false),
	NAME("platform_info", 0, false),
	NAME("current_tcb", 8, false),
	NAME("reported_tcb", 8, false),
	NAME("committed_tcb", 8, false),
	NAME("launch_tcb", 8, false),
	NAME("chip_id", 64, false),
	NAME("report_id", 32, false),
	NAME("report_id_ma", 32, false),
	NAME("report_version", 0, false),
	NAME("signer_info", 0, false),
	NAME("firmware", 3, false),
	NAME("committed_firmware", 3, false),
	NAME("cpuid_family", 0, false),
	NAME("cpuid_model", 0, false),
	NAME("cpuid_stepping", 0, false),
	NAME("launch_mit_vector", 0, false),
	NAME("current_mit_vector", 0, false),
};

const struct appraise_name *appraise_name_find(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strlen(names[i].name) == len &&
			memcmp(names[i].name, name, len) == 0)
			return &names[i];
	return NULL;
}

const struct appraise_name *appraise_name_at(size_t index)
{
	return index < ARRAY_SIZE(names) ? &names[index] : NULL;
}

static const struct appraise_name *name_of(const struct appraise_field *f)
{
	return appraise_name_find(f->name, strnlen(f->name, sizeof(f->name)));
}

static size_t fields_of(const struct appraise_policy *policy)
{
	return u64_min(policy->field_count, APPRAISE_FIELDS);
}

bool appraise_names_program(const struct appraise_policy *policy)
{
	for (size_t i = 0; i < fields_of(policy); i++) {
		const struct appraise_name *n = name_of(&policy->fields[i]);

		/* Many programs have a hash that is "at least" another, or has
		 * some of its bits. */
		if (n != NULL && n->program &&
			policy->fields[i].match == APPRAISE_ONE_OF)
			return true;
	}
	return false;
}

bool appraise_takes_any_config(
	const struct appraise_policy *policy, const struct verdict *v)
{
	const struct verdict_field *f = verdict_field(v, "attributes");

	if (f == NULL || f->size != 16 || !(f->bytes[0] & SGX_ATTR_KSS))
		return false;
	for (size_t i = 0; i < fields_of(policy); i++)
		if (strncmp(policy->fields[i].name, "config_id",
			    sizeof(policy->fields[i].name)) == 0)
			return false;
	return true;
}

/* The field with the next place for a value of it. */
static int want_field(struct appraise_policy *policy, const char *name,
	size_t size, struct appraise_field **out)
{
	const struct appraise_name *n = appraise_name_find(name, strlen(name));
	struct appraise_field *f = NULL;

	if (n == NULL || n->size != size)
		return -EINVAL;
	for (size_t i = 0; i < fields_of(policy); i++)
		if (name_of(&policy->fields[i]) == n &&
			policy->fields[i].match == APPRAISE_ONE_OF)
			f = &policy->fields[i];
	if (f == NULL) {
		if (policy->field_count >= APPRAISE_FIELDS)
			return -ENOSPC;
		f = &policy->fields[policy->field_count++];
		memset(f, 0, sizeof(*f));
		memcpy(f->name, name, strlen(name));
		f->size = (uint8_t)size;
	}
	if (f->count >= APPRAISE_VALUES)
		return -ENOSPC;
	*out = f;
	return 0;
}

int appraise_want_bytes(struct appraise_policy *policy, const char *name,
	const void *value, size_t size)
{
	struct appraise_field *f;
	int ret = size == 0 ? -EINVAL : want_field(policy, name, size, &f);

	if (ret == 0)
		memcpy(f->values[f->count++], value, size);
	return ret;
}

/* ---- judging ---- */

static bool number_matches(const struct appraise_field *f, uint64_t seen)
{
	switch (f->match) {
	case APPRAISE_AT_LEAST:
		return f->count == 1 && seen >= f->numbers[0];
	case APPRAISE_MASKED:
		return f->count == 1 &&
			((seen ^ f->numbers[0]) & f->number_mask) == 0;
	case APPRAISE_ONE_OF:
		for (size_t i = 0; i < f->count && i < APPRAISE_VALUES; i++)
			if (f->numbers[i] == seen)
				return true;
		return false;
	default:
		return false;
	}
}

/* size: at most 64, and that of the field seen. */
static bool bytes_match(const struct appraise_field *f, const uint8_t *seen)
{
	switch (f->match) {
	case APPRAISE_AT_LEAST:
		for (size_t i = 0; i < f->size; i++)
			if (seen[i] < f->values[0][i])
				return false;
		return f->count == 1;
	case APPRAISE_MASKED:
		for (size_t i = 0; i < f->size; i++)
			if ((seen[i] ^ f->values[0][i]) & f->mask[i])
				return false;
		return f->count == 1;
	case APPRAISE_ONE_OF:
		for (size_t i = 0; i < f->count && i < APPRAISE_VALUES; i++)
			if (memcmp(f->values[i], seen, f->size) == 0)
				return true;
		return false;
	default:
		return false;
	}
}

/* For messages; room for 64 bytes in hex. */
static void print_value(char text[static VERDICT_TEXT], size_t size,
	const uint8_t *bytes, uint64_t number)
{
	bytes_to_hex(bytes, u64_min(size, 64), text);
	if (size == 0)
		fmt_print(
			text, VERDICT_TEXT, "%llu", (unsigned long long)number);
}

static void print_wanted(
	char text[static VERDICT_TEXT + 200], const struct appraise_field *f)
{
	char value[VERDICT_TEXT], mask[VERDICT_TEXT];
	size_t room = VERDICT_TEXT + 200;

	print_value(value, f->size, f->values[0], f->numbers[0]);
	if (f->match == APPRAISE_AT_LEAST) {
		fmt_print(text, room, "at least %s", value);
	} else if (f->match == APPRAISE_MASKED && f->size == 0) {
		fmt_print(text, room, "0x%llx in the bits 0x%llx",
			(unsigned long long)f->numbers[0],
			(unsigned long long)f->number_mask);
	} else if (f->match == APPRAISE_MASKED) {
		print_value(mask, f->size, f->mask, 0);
		fmt_print(text, room, "%s in the bits %s", value, mask);
	} else if (f->count == 0) {
		fmt_print(text, room, "nothing: the policy has no value");
	} else if (f->count > 1) {
		fmt_print(text, room, "one of %u values: %s, ...", f->count,
			value);
	} else {
		fmt_print(text, room, "%s", value);
	}
}

static void judge_field(struct verdict *v, const struct appraise_field *f)
{
	const struct appraise_name *n = name_of(f);
	const char *rule = n != NULL ? n->rule : "policy-field";
	const struct verdict_field *seen = n != NULL ? verdict_field(v, n->name)
						     : NULL;
	char text[VERDICT_TEXT], wanted[VERDICT_TEXT + 200];

	print_wanted(wanted, f);
	if (seen == NULL) {
		verdict_fail(v, rule, "no such field in this evidence", wanted);
		return;
	}
	if (seen->size == f->size && f->size <= sizeof(seen->bytes) &&
		(f->size == 0 ? number_matches(f, seen->number)
			      : bytes_match(f, seen->bytes)))
		return;
	if (f->match == APPRAISE_MASKED && f->size == 0)
		fmt_print(text, sizeof(text), "0x%llx",
			(unsigned long long)seen->number);
	else
		print_value(text, seen->size, seen->bytes, seen->number);
	verdict_fail(v, rule, text, wanted);
}

static void list_statuses(uint32_t accepted, char *text, size_t size)
{
	size_t len = 0;

	for (unsigned s = 0; s < TCB_STATUS_COUNT && len < size; s++)
		if (accepted & 1u << s)
			len += fmt_print(text + len, size - len, "%s%s",
				len > 0 ? ", " : "",
				verdict_tcb_name((enum tcb_status)s));
}

static bool is_listed(const struct appraise_policy *policy, const char *id)
{
	size_t count = u64_min(policy->advisory_count, APPRAISE_ADVISORIES);

	for (size_t i = 0; i < count; i++)
		if (strncmp(policy->advisories[i], id,
			    sizeof(policy->advisories[i])) == 0)
			return true;
	return false;
}

static void judge_advisories(
	struct verdict *v, const struct appraise_policy *policy)
{
	char seen[VERDICT_TEXT];
	size_t len = 0;

	for (size_t i = 0; i < v->advisory_count; i++)
		if (!is_listed(policy, v->advisories[i]) && len < sizeof(seen))
			len += fmt_print(seen + len, sizeof(seen) - len, "%s%s",
				len > 0 ? ", " : "", v->advisories[i]);
	if (len > 0)
		verdict_fail(v, "policy-advisories", seen,
			policy->advisory_count > 0
				? "only advisories that the policy lists"
				: "no advisories");
}

static void judge_status(
	struct verdict *v, const struct appraise_policy *policy)
{
	const uint32_t never = 1u << TCB_UNKNOWN | 1u << TCB_REVOKED |
		1u << TCB_NOT_SUPPORTED;
	uint32_t accepted = (policy->tolerate | 1u << TCB_UP_TO_DATE) & ~never;
	char wanted[400];

	if ((unsigned)v->tcb_status < TCB_STATUS_COUNT &&
		(accepted & 1u << v->tcb_status)) {
		if (policy->only_advisories && v->tcb_status != TCB_UP_TO_DATE)
			judge_advisories(v, policy);
		return;
	}
	/* What kept it from being found out is among the failures then. */
	if (v->tcb_status == TCB_UNKNOWN && v->failure_count > 0)
		return;
	list_statuses(accepted, wanted, sizeof(wanted));
	verdict_fail(v, "policy-tcb-status",
		v->tcb_status == TCB_UNKNOWN ? "not determined"
					     : verdict_tcb_name(v->tcb_status),
		wanted);
}

static void judge_tcb(
	struct verdict *v, const struct appraise_policy *policy, int64_t at)
{
	char seen[64], wanted[64];
	int64_t age, oldest;

	judge_status(v, policy);
	if (v->tcb_evaluation < policy->min_tcb_evaluation) {
		fmt_print(seen, sizeof(seen), "%u", v->tcb_evaluation);
		fmt_print(wanted, sizeof(wanted), "at least %u",
			policy->min_tcb_evaluation);
		verdict_fail(v, "policy-tcb-evaluation",
			v->tcb_evaluation == 0 ? "none" : seen, wanted);
	}
	if (policy->max_tcb_age == 0)
		return;
	if (v->tcb_date == 0)
		verdict_fail(v, "policy-tcb-age", "no date of the TCB level",
			"a date");
	else if (sub_overflows(at, policy->max_tcb_age, &oldest))
		verdict_fail(v, "policy-tcb-age", "an age past 64 bits",
			"a smaller one");
	else if (sub_overflows(at, v->tcb_date, &age) ||
		age > policy->max_tcb_age)
		verdict_fail_date(v, "policy-tcb-age", v->tcb_date, oldest);
}

bool appraise(
	struct verdict *v, const struct appraise_policy *policy, int64_t at)
{
	if (v->debug && !policy->allow_debug)
		verdict_fail(v, "policy-debug", "debug", "production");
	if (v->emulated && !policy->allow_emulated)
		verdict_fail(v, "policy-emulated", "an emulated platform",
			"hardware");
	judge_tcb(v, policy, at);
	for (size_t i = 0; i < fields_of(policy); i++)
		judge_field(v, &policy->fields[i]);
	if (policy->field_count > APPRAISE_FIELDS)
		verdict_fail(v, "policy-field", "more fields than there can be",
			"fewer");
	/* A verdict without these facts is one that nobody filled. */
	if ((!v->signature || !v->chain) && v->failure_count == 0)
		verdict_fail(v, "policy-genuine", "not verified", "verified");
	return v->failure_count == 0;
}

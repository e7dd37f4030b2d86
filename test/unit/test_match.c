/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence against policies: each rule wrong once, each value of `tolerate`,
 * what is explained, and rules behind variables.
 */
#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cas/match.h"
#include "lib/fmt.h"

#define HEX(c) c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c
#define EE HEX("ee")
#define AB HEX("ab")
#define SIGNER HEX("55")
#define CONFIG HEX("c0")
#define ZERO HEX("00")

static struct verdict v;
static struct match_result m;
static struct match_binding binding;
static uint8_t report_data[64];

/* An enclave that all policies here accept, unless something is changed. */
static void sgx(void)
{
	uint8_t b[64];

	verdict_init(&v, EVIDENCE_SGX_V3);
	v.signature = v.chain = true;
	v.tcb_status = TCB_UP_TO_DATE;
	memset(b, 0xee, 32);
	verdict_add_bytes(&v, "mrenclave", b, 32);
	memset(b, 0x55, 32);
	verdict_add_bytes(&v, "mrsigner", b, 32);
	verdict_add_number(&v, "isv_prod_id", 7);
	verdict_add_number(&v, "isv_svn", 3);
	memset(b, 0, sizeof(b));
	memset(b, 0xc0, 32);
	verdict_add_bytes(&v, "config_id", b, 64);
	memset(report_data, 0x42, 64);
	verdict_add_bytes(&v, "report_data", report_data, 64);
	memset(b, 0x9e, 16);
	verdict_add_bytes(&v, "qe_id", b, 16);
	verdict_add_number(&v, "config_svn", 5);
	memset(b, 0x0f, 16);
	verdict_add_bytes(&v, "isv_family_id", b, 16);
	binding = (struct match_binding){.report_data = report_data};
	memset(binding.config, 0xc0, 32);
}

static struct verdict_field *field(const char *name)
{
	for (size_t i = 0; i < v.field_count; i++)
		if (strcmp(v.fields[i].name, name) == 0)
			return &v.fields[i];
	fail_msg("%s", name);
	return NULL;
}

/* ---- variables of these tests ---- */

static const char *values[8][2];

static int lookup(void *arg, const char *name, const char *format,
	struct buf *out, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(values) && values[i][0]; i++)
		if (strcmp(values[i][0], name) == 0) {
			buf_text(out, values[i][1]);
			return 0;
		}
	return err_setf(e, -ENOENT, "no secret %s", name);
}

static const char security_head[] = "name: t\nversion: \"1.0\"\nservices:\n"
				    "  - name: s\n    command: [/x]\n";

static struct session *policy(const char *rest)
{
	static char text[8192];
	struct session *s;
	struct err e = {0};

	fmt_print(text, sizeof(text), "%s%s", security_head, rest);
	if (session_parse("t", text, strlen(text), &s, &e) < 0)
		fail_msg("%s\n%s", e.text, text);
	return s;
}

static int judge_error(const char *rest, struct err *e)
{
	struct session *s = policy(rest);
	struct match_rules *r;
	int ret = match_rules_new(s, s->services.item, lookup, NULL, &r, e);

	if (ret == 0) {
		ret = match(r, &binding, &v, 1700000000, &m);
		match_rules_free(r);
	}
	session_free(s);
	return ret;
}

static bool judge(const char *rest)
{
	struct err e = {0};

	if (judge_error(rest, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(m.accepted, m.count == 0);
	return m.accepted;
}

static const struct match_reason *reason(const char *rule)
{
	static char all[4096];

	for (size_t i = 0; i < m.count; i++)
		if (strcmp(m.reasons[i].rule, rule) == 0)
			return &m.reasons[i];
	match_summary(&m, all, sizeof(all));
	fail_msg("no %s among: %s", rule, all);
	return NULL;
}

/* ---- one rule wrong ---- */

#define FULL                                                        \
	"    attestation:\n      sgx:\n"                            \
	"        mrenclave: [" AB ", " EE "]\n"                     \
	"        signer: {mrsigner: " SIGNER                        \
	", isvprodid: 7, isvsvn_min: 2, isvsvn_max: 4}\n"           \
	"        config_svn: 5\n"                                   \
	"        isv_family_id: 0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f\n" \
	"    platforms: [\"INTEL_QE_ID:9e9e9e9e9e9e9e9e9e9e9e9e9e9e9e9e\"]\n"

static void change_byte(struct verdict_field *f)
{
	f->bytes[f->size - 1] ^= 1;
}

static void test_each_rule(void **state)
{
	static const struct {
		const char *field, *rule, *cure;
		uint64_t number; /* of numbers */
	} rows[] = {
		{"mrenclave", "mrenclave", "attestation[0].mrenclave: add ", 0},
		{"mrsigner", "mrsigner", "signer.mrsigner: 5555", 0},
		{"isv_prod_id", "isv_prod_id", "signer.isvprodid: 8", 8},
		{"isv_svn", "isv_svn", "signer.isvsvn_min: 1", 1},
		{"isv_svn", "isv_svn", "signer.isvsvn_max: 5", 5},
		{"config_id", "config_id", "--session t/s", 0},
		{"report_data", "report_data", "", 0},
		{"qe_id", "platforms", "platforms: add INTEL_QE_ID:9e", 0},
		{"config_svn", "config_svn", "config_svn: 4", 4},
		{"isv_family_id", "isv_family_id", "isv_family_id: 0f", 0},
	};

	sgx();
	assert_true(judge(FULL));
	assert_int_equal(m.variant, 1);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct verdict_field *f;

		sgx();
		f = field(rows[i].field);
		if (f->size)
			change_byte(f);
		else
			f->number = rows[i].number;
		assert_false(judge(FULL));
		assert_int_equal(m.count, 1);
		if (!strstr(reason(rows[i].rule)->cure, rows[i].cure))
			fail_msg("%s: %s", rows[i].rule,
				reason(rows[i].rule)->cure);
		assert_true(reason(rows[i].rule)->seen[0]);
		assert_true(reason(rows[i].rule)->wanted[0]);
		/* Not there at all is not as wanted either. */
		f->name = "fmspc";
		assert_false(judge(FULL));
		reason(rows[i].rule);
	}
}

static void test_facts(void **state)
{
	sgx();
	verdict_fail(&v, "quote-signature", "wrong", "right");
	assert_false(judge(FULL));
	assert_string_equal(reason("quote-signature")->cure, "");
	sgx();
	v.signature = false;
	assert_false(judge(FULL));
	reason("policy-genuine");
	sgx();
	v.debug = true;
	assert_false(judge(FULL));
	reason("policy-debug");
	sgx();
	v.emulated = true;
	assert_false(judge(FULL));
	reason("policy-emulated");
	sgx();
	v.emulated = true;
	assert_true(judge(FULL "security: {attestation: {mode: emulated}}\n"));
	/* Which does not mean debug. */
	sgx();
	v.emulated = v.debug = true;
	assert_false(judge(FULL "security: {attestation: {mode: emulated}}\n"));
	reason("policy-debug");
}

/* ---- states of the platform ---- */

static void test_tolerate(void **state)
{
	static const struct {
		enum tcb_status status;
		const char *advisory; /* or NULL */
		const char *rules; /* of security.attestation */
		bool good;
		const char *cure;
	} rows[] = {
		{TCB_SW_HARDENING_NEEDED, NULL, "tolerate: []", false,
			"tolerate: add [software-hardening-needed]"},
		{TCB_SW_HARDENING_NEEDED, NULL,
			"tolerate: [software-hardening-needed]", true, NULL},
		{TCB_SW_HARDENING_NEEDED, "INTEL-SA-00334",
			"tolerate: [software-hardening-needed]", true, NULL},
		{TCB_SW_HARDENING_NEEDED, "INTEL-SA-00657",
			"tolerate: [software-hardening-needed]", false,
			"INTEL-SA-00657 (or tolerate: [aepic-leak])"},
		{TCB_SW_HARDENING_NEEDED, "INTEL-SA-00657",
			"tolerate: [software-hardening-needed, aepic-leak]",
			true, NULL},
		{TCB_SW_HARDENING_NEEDED, "INTEL-SA-00657",
			"tolerate: [aepic-leak]", true, NULL},
		{TCB_SW_HARDENING_NEEDED, "INTEL-SA-00334",
			"tolerate: [aepic-leak]", false,
			"ignore_advisories: add [INTEL-SA-00334]"},
		{TCB_SW_HARDENING_NEEDED, "INTEL-SA-00334",
			"tolerate: [insecure-configuration, outdated-tcb, "
			"hyperthreading]",
			false, "software-hardening-needed"},
		{TCB_CONFIGURATION_NEEDED, "INTEL-SA-00161",
			"tolerate: [hyperthreading]", true, NULL},
		{TCB_CONFIGURATION_NEEDED, "INTEL-SA-00233",
			"tolerate: [hyperthreading]", true, NULL},
		{TCB_CONFIGURATION_NEEDED, "INTEL-SA-00219",
			"tolerate: [hyperthreading]", false, "insecure-igpu"},
		{TCB_CONFIGURATION_NEEDED, "INTEL-SA-00219",
			"tolerate: [insecure-igpu]", true, NULL},
		{TCB_CONFIGURATION_NEEDED, "INTEL-SA-00289",
			"tolerate: [hyperthreading]", false, "INTEL-SA-00289"},
		{TCB_CONFIGURATION_NEEDED, "INTEL-SA-00289",
			"tolerate: [hyperthreading], ignore_advisories: "
			"[INTEL-SA-00289]",
			true, NULL},
		{TCB_CONFIGURATION_NEEDED, "INTEL-SA-00219",
			"tolerate: [insecure-configuration]", true, NULL},
		{TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED, "INTEL-SA-00615",
			"tolerate: [software-hardening-needed]", false,
			"insecure-configuration"},
		{TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED, "INTEL-SA-00615",
			"tolerate: [software-hardening-needed, hyperthreading]",
			true, NULL},
		/* All that is open was seen by the owner. */
		{TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED, "INTEL-SA-00615",
			"ignore_advisories: [INTEL-SA-00615]", true, NULL},
		{TCB_CONFIGURATION_NEEDED, "INTEL-SA-00615",
			"ignore_advisories: [INTEL-SA-00334]", false, NULL},
		{TCB_CONFIGURATION_NEEDED, NULL, "ignore_advisories: \"*\"",
			false, NULL},
		{TCB_CONFIGURATION_NEEDED, "INTEL-SA-00615",
			"ignore_advisories: \"*\"", true, NULL},
		{TCB_OUT_OF_DATE, "INTEL-SA-00615", "ignore_advisories: \"*\"",
			false, "outdated-tcb"},
		{TCB_OUT_OF_DATE, "INTEL-SA-00615", "tolerate: [outdated-tcb]",
			true, NULL},
		{TCB_OUT_OF_DATE_CONFIGURATION_NEEDED, "INTEL-SA-00615",
			"tolerate: [outdated-tcb]", false,
			"insecure-configuration"},
		{TCB_OUT_OF_DATE_CONFIGURATION_NEEDED, "INTEL-SA-00615",
			"tolerate: [outdated-tcb, insecure-configuration]",
			true, NULL},
		{TCB_REVOKED, NULL,
			"tolerate: [outdated-tcb, insecure-configuration, "
			"software-hardening-needed, debug-mode, emulated], "
			"ignore_advisories: \"*\"",
			false, ""},
		{TCB_NOT_SUPPORTED, NULL, "tolerate: [outdated-tcb]", false,
			""},
		{TCB_UNKNOWN, NULL, "tolerate: [outdated-tcb]", false, ""},
		{TCB_UP_TO_DATE, "INTEL-SA-00615", "tolerate: []", true, NULL},
	};
	static char text[2048];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct match_reason *r = &m.reasons[0];

		sgx();
		v.tcb_status = rows[i].status;
		if (rows[i].advisory)
			assert_int_equal(
				verdict_add_advisory(&v, rows[i].advisory,
					strlen(rows[i].advisory)),
				0);
		fmt_print(text, sizeof(text),
			"%ssecurity: {attestation: {%s}}\n", FULL,
			rows[i].rules);
		if (judge(text) != rows[i].good)
			fail_msg("row %zu (%s, %s): %s: %s", i,
				verdict_tcb_name(rows[i].status), rows[i].rules,
				m.count ? r->rule : "accepted",
				m.count ? r->cure : "");
		if (!rows[i].good && rows[i].cure &&
			(rows[i].cure[0] ? !strstr(r->cure, rows[i].cure)
					 : r->cure[0] != 0))
			fail_msg("row %zu: cure '%s', not '%s'", i, r->cure,
				rows[i].cure);
	}
	sgx();
	v.debug = true;
	assert_true(judge(
		FULL "security: {attestation: {tolerate: [debug-mode]}}\n"));
	sgx();
	v.emulated = true;
	assert_true(judge(
		FULL "security: {attestation: {tolerate: [emulated]}}\n"));
}

/* ---- variants ---- */

static void test_variants(void **state)
{
	const char *two = "    attestation:\n"
			  "      - {mrenclave: " AB "}\n"
			  "      - signer: {mrsigner: " SIGNER
			  ", isvprodid: 7}\n";
	struct buf text = {0};
	char summary[256];

	sgx();
	assert_true(judge(two));
	/* No variant fits: each of them is explained. */
	field("isv_prod_id")->number = 8;
	assert_false(judge(two));
	assert_int_equal(m.count, 2);
	assert_int_not_equal(
		reason("mrenclave")->variant, reason("isv_prod_id")->variant);
	match_explain(&m, &text);
	assert_non_null(strstr((char *)text.data,
		"(mrenclave abababababababab"
		"...): mrenclave: " EE "; wanted " AB));
	assert_non_null(strstr((char *)text.data, "isvprodid: 8"));
	buf_fini(&text);
	match_summary(&m, summary, sizeof(summary));
	assert_non_null(strstr(summary, "mrenclave["));
	match_summary(&m, summary, 6);
	assert_int_equal(strlen(summary), 5);
	/* One fits, and yet it is a debug enclave: only that is told. */
	sgx();
	v.debug = true;
	assert_false(judge(two));
	assert_int_equal(m.count, 1);
	/* Part of one and part of the other is neither. */
	sgx();
	assert_false(
		judge("    attestation:\n"
		      "      - {mrenclave: " EE ", signer: {mrsigner: " AB
		      ", isvprodid: 7}}\n"
		      "      - {mrenclave: " AB ", signer: {mrsigner: " SIGNER
		      ", isvprodid: 7}}\n"));
}

static void test_config(void **state)
{
	const char *own = "    attestation:\n      sgx: {mrenclave: " EE
			  ", config_id: " CONFIG "}\n";

	sgx();
	memset(binding.config, 0x11, 32); /* not by the session's manifest */
	assert_true(judge(own));
	field("config_id")->bytes[40] = 1;
	assert_false(judge(own));
	reason("config_id");
	/* A development run takes any program. */
	sgx();
	memset(field("config_id")->bytes, 0, 64);
	assert_false(judge("    attestation:\n      sgx: {mrenclave: " EE
			   ", config_id: " ZERO "}\n"));
	assert_non_null(strstr(reason("config_id")->wanted, "development"));
	/* All starts would look alike. */
	sgx();
	{
		struct session *s = policy(own);
		struct match_rules *r;
		struct err e = {0};

		s->security.singleton = true;
		assert_int_equal(match_rules_new(s, s->services.item, lookup,
					 NULL, &r, &e),
			0);
		assert_int_equal(match(r, &binding, &v, 1, &m), 0);
		assert_false(m.accepted);
		reason("config_id");
		match_rules_free(r);
		session_free(s);
	}
}

static void test_forms(void **state)
{
	static const struct {
		const char *rule;
		bool good;
	} rows[] = {
		{"config_svn: 5", true},
		{"config_svn: [4, 5]", true},
		{"config_svn: [4, 6]", false},
		{"config_svn: {min: 5}", true},
		{"config_svn: {min: 6}", false},
		{"config_svn: {value: 1, mask: 1}", true},
		{"config_svn: {value: 2, mask: 2}", false},
		{"isv_family_id: {min: 0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0e}",
			true},
		{"isv_family_id: {min: 0f0f0f0f0f0f0f100f0f0f0f0f0f0f0f}",
			false},
		{"isv_family_id: {value: 0f000000000000000000000000000000, "
		 "mask: ff000000000000000000000000000000}",
			true},
		{"isv_family_id: {value: 0e000000000000000000000000000000, "
		 "mask: ff000000000000000000000000000000}",
			false},
		{"isv_family_id: [00000000000000000000000000000000, "
		 "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f]",
			true},
	};
	char text[512];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		sgx();
		fmt_print(text, sizeof(text),
			"    attestation:\n      sgx: {mrenclave: " EE
			", %s}\n",
			rows[i].rule);
		if (judge(text) != rows[i].good)
			fail_msg("%s", rows[i].rule);
	}
}

/* ---- other kinds of evidence ---- */

#define MRTD HEX("d1") "d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1"

static void tdx(void)
{
	uint8_t b[64] = {0};

	sgx();
	verdict_init(&v, EVIDENCE_TDX_V4);
	v.signature = v.chain = true;
	v.tcb_status = TCB_UP_TO_DATE;
	verdict_add_bytes(&v, "report_data", report_data, 64);
	memset(b, 0xc0, 32);
	verdict_add_bytes(&v, "mrconfigid", b, 48);
	memset(b, 0xd1, 48);
	verdict_add_bytes(&v, "mrtd", b, 48);
}

static void snp(void)
{
	uint8_t b[64] = {0};

	sgx();
	verdict_init(&v, EVIDENCE_SNP);
	v.signature = v.chain = true;
	v.tcb_status = TCB_UP_TO_DATE;
	verdict_add_bytes(&v, "report_data", report_data, 64);
	memset(b, 0xc0, 32);
	verdict_add_bytes(&v, "host_data", b, 32);
	memset(b, 0xd1, 48);
	verdict_add_bytes(&v, "measurement", b, 48);
	verdict_add_number(&v, "vmpl", 0);
}

static void test_tees(void **state)
{
	const char *td = "    attestation:\n      tdx: {mrtd: " MRTD "}\n";
	const char *vm = "    attestation:\n      snp: {measurement: " MRTD
			 ", vmpl: 0}\n";

	tdx();
	assert_true(judge(td));
	assert_false(judge(vm));
	reason("tee");
	assert_false(judge(FULL));
	reason("platforms"); /* no quoting enclave's id */
	field("mrtd")->bytes[0] = 0;
	assert_false(judge(td));
	reason("mrtd");
	tdx();
	field("mrconfigid")->bytes[0] = 0;
	assert_false(judge(td));
	reason("mrconfigid");
	snp();
	assert_true(judge(vm));
	assert_false(judge(td));
	field("vmpl")->number = 1;
	assert_false(judge(vm));
	reason("vmpl");
	snp();
	field("host_data")->bytes[0] = 0;
	assert_false(judge(vm));
	reason("host_data");
	/* By the policy's own words. */
	assert_true(judge("    attestation:\n      snp: {measurement: " MRTD
			  ", host_data: 00c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0"
			  "c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0}\n"));
	sgx();
	assert_false(judge(td));
	reason("tee");
	/* A program is not named by a part of its hash. */
	tdx();
	assert_false(judge(
		"    attestation:\n      tdx: {mrtd: {min: " MRTD "}}\n"));
	reason("program");
}

/* ---- variables ---- */

#define WITH(name, value) (values[0][0] = name, values[0][1] = value)

static void test_variables(void **state)
{
	const char *list = "    attestation: {mrenclave: $$SCONE::x$$}\n"
			   "secrets: [{name: x, kind: config-fragment, "
			   "value: [ab]}]\n";
	const char *whole = "    attestation: $$SCONE::x$$\n"
			    "secrets: [{name: x, kind: config-fragment, "
			    "value: [ab]}]\n";
	const char *signer = "    attestation: {signer: $$SCONE::x$$}\n"
			     "secrets: [{name: x, kind: config-fragment, "
			     "value: [ab]}]\n";
	const char *security =
		"    attestation: {mrenclave: " EE "}\n"
		"security: {attestation: $$SCONE::x$$}\n"
		"secrets: [{name: x, kind: config-fragment, value: [ab]}]\n";
	const char *platforms =
		"    attestation: {mrenclave: " EE "}\n"
		"    platforms: [$$SCONE::x$$]\n"
		"secrets: [{name: x, kind: config-fragment, value: [ab]}]\n";
	struct err e = {0};

	sgx();
	WITH("x", "[\"" AB "\", \"" EE "\"]");
	assert_true(judge(list));
	WITH("x", EE);
	assert_true(judge(list));
	WITH("x", "[\"" AB "\"]");
	assert_false(judge(list));
	reason("mrenclave");
	WITH("x", "{\"mrenclave\": [\"" EE "\"]}");
	assert_true(judge(whole));
	WITH("x", "[{\"mrenclave\": \"" AB "\"}, {\"mrenclave\": \"" EE "\"}]");
	assert_true(judge(whole));
	WITH("x", "{\"mrsigner\": \"" SIGNER "\", \"isvprodid\": 7}");
	assert_true(judge(signer));
	WITH("x", "{\"mrsigner\": \"" SIGNER "\", \"isvprodid\": 8}");
	assert_false(judge(signer));
	WITH("x", "{\"mode\": \"hardware\", \"tolerate\": [\"debug-mode\"]}");
	v.debug = true;
	assert_true(judge(security));
	WITH("x", "{\"mode\": \"hardware\"}");
	assert_false(judge(security));
	sgx();
	WITH("x", "[\"INTEL_QE_ID:9e9e9e9e9e9e9e9e9e9e9e9e9e9e9e9e\"]");
	assert_true(judge(platforms));
	WITH("x", "[\"INTEL_QE_ID:009e9e9e9e9e9e9e9e9e9e9e9e9e9e9e\"]");
	assert_false(judge(platforms));
	/* Values that are no rules. */
	WITH("x", "{\"mrenclav\": \"" EE "\"}");
	assert_int_equal(judge_error(whole, &e), -EINVAL);
	WITH("x", "$$SCONE::y$$");
	assert_true(judge_error(whole, &e) < 0 || !m.accepted);
	WITH("x", "{\"mode\": \"nothing\"}");
	assert_int_equal(judge_error(security, &e), -EINVAL);
	WITH("x", "{");
	assert_int_equal(judge_error(list, &e), -EINVAL);
	WITH("x", "[]");
	assert_true(judge_error(list, &e) < 0 || !m.accepted);
	WITH("z", "");
	assert_int_equal(judge_error(list, &e), -ENOENT);
}

/* An empty text stands for no rule at all, and accepts nothing. */
static void test_nothing(void **state)
{
	struct session_service service = {.name = "s"};
	struct session s = {.name = "t", .services = {&service, 1}};
	struct attest_variant any = {.tee = TEE_SGX};
	struct match_rules *r;
	struct err e = {0};

	sgx();
	assert_int_equal(
		match_rules_new(&s, &service, lookup, NULL, &r, &e), 0);
	assert_int_equal(match(r, &binding, &v, 1, &m), 0);
	assert_false(m.accepted);
	reason("program");
	match_rules_free(r);
	service.attestation = (struct item_list){&any, 1};
	assert_int_equal(
		match_rules_new(&s, &service, lookup, NULL, &r, &e), 0);
	assert_int_equal(match(r, &binding, &v, 1, &m), 0);
	assert_false(m.accepted);
	reason("program");
	match_rules_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_rule),
		cmocka_unit_test(test_facts),
		cmocka_unit_test(test_tolerate),
		cmocka_unit_test(test_variants),
		cmocka_unit_test(test_config),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_tees),
		cmocka_unit_test(test_variables),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests_name("match", tests, NULL, NULL);
}

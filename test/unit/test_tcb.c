/* SPDX-License-Identifier: Apache-2.0 */
/* TCB information: what its members mean and what is wrong with them, and the
 * rating of platforms by it, rule by rule. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/tcb.h"
#include "test/unit/tcb_text.h"
#include "test/unit/unit.h"

/* ---- texts ---- */

#define SVN(n) "{\"svn\":" #n "}"
#define ZEROS6 SVN(0) "," SVN(0) "," SVN(0) "," SVN(0) "," SVN(0) "," SVN(0)
#define ZEROS12 ZEROS6 "," ZEROS6
#define SVNS(a, b, c, d)                                               \
	"[{\"svn\":" #a ",\"category\":\"BIOS\",\"type\":\"x\"}," SVN( \
		b) "," SVN(c) "," SVN(d) "," ZEROS12 "]"

#define SGX_LEVEL(a, b, pcesvn, status)                                        \
	"{\"tcb\":{\"sgxtcbcomponents\":" SVNS(                                \
		a, b, 0, 0) ",\"pcesvn\":" #pcesvn "},\"tcbDate\":"            \
			    "\"2024-03-13T00:00:00Z\",\"tcbStatus\":\"" status \
			    "\",\"advisoryIDs\":[\"INTEL-SA-00" #a "\"]}"
#define TDX_LEVEL(a, t0, t1, t2, status)                                       \
	"{\"tcb\":{\"sgxtcbcomponents\":" SVNS(                                \
		a, 0, 0, 0) ",\"pcesvn\":1,\"tdxtcbcomponents\":" SVNS(t0, t1, \
		t2, 0) "},\"tcbDate\":\"2024-03-13T00:00:00Z\",\"tcbStatus\":" \
		       "\"" status "\"}"
#define HEAD(id, version)                                \
	"{" id "\"version\":" version ","                \
	"\"issueDate\":\"2025-06-19T10:16:03Z\","        \
	"\"nextUpdate\":\"2025-07-19T10:16:03Z\","       \
	"\"fmspc\":\"B0c06F000000\",\"pceId\":\"0a00\"," \
	"\"tcbType\":0,\"tcbEvaluationDataNumber\":17,"
#define ZERO48                                             \
	"000000000000000000000000000000000000000000000000" \
	"0000000000000000000000000000000000000000000000AB"
#define MODULE                                                             \
	"\"mrsigner\":\"" ZERO48 "\",\"attributes\":\"00000000000000c0\"," \
	"\"attributesMask\":\"FFFFFFFFFFFFFFFF\""
#define ISV(n, status)                              \
	"{\"tcb\":{\"isvsvn\":" #n "},\"tcbDate\":" \
	"\"2024-03-13T00:00:00Z\",\"tcbStatus\":\"" status "\"}"

static const char sgx[] = HEAD("\"id\":\"SGX\",",
	"3") "\"tcbLevels\":[" SGX_LEVEL(5, 5, 11, "UpToDate") "," SGX_LEVEL(5,
	2, 11, "SWHardeningNeeded") "," SGX_LEVEL(3, 9, 10, "OutOfDate") "]}";
static const char tdx[] = HEAD("\"id\":\"TDX\",",
	"3") "\"tdxModule\":{" MODULE "},\"tdxModuleIdentities\":["
	     "{\"id\":\"TDX_03\"," MODULE ",\"tcbLevels\":[" ISV(3,
		     "UpToDate") "]},{\"id\":\"tdx_0a\"," MODULE
				 ",\"tcbLevels\":[" ISV(2, "OutOfDate") "," ISV(
					 4,
					 "UpToDate") "]}],\"tcbLevels\":"
						     "[" TDX_LEVEL(5, 5, 0, 2,
							     "UpToDate") "]}";
static const char v2[] =
	HEAD("", "2") "\"tcbLevels\":[{\"tcb\":{"
		      "\"sgxtcbcomp01svn\":1,\"sgxtcbcomp02svn\":2,"
		      "\"sgxtcbcomp03svn\":3,"
		      "\"sgxtcbcomp04svn\":4,\"sgxtcbcomp05svn\":5,"
		      "\"sgxtcbcomp06svn\":128,"
		      "\"sgxtcbcomp07svn\":7,\"sgxtcbcomp08svn\":8,"
		      "\"sgxtcbcomp09svn\":9,"
		      "\"sgxtcbcomp10svn\":10,\"sgxtcbcomp11svn\":11,"
		      "\"sgxtcbcomp12svn\":12,"
		      "\"sgxtcbcomp13svn\":13,\"sgxtcbcomp14svn\":14,"
		      "\"sgxtcbcomp15svn\":15,"
		      "\"sgxtcbcomp16svn\":255,\"pcesvn\":65535},"
		      "\"tcbDate\":\"2019-12-11T00:00:00Z\","
		      "\"tcbStatus\":\"ConfigurationNeeded\"}]}";

static int parse(const char *body, struct tcb_info **out, struct err *e)
{
	char *text = tcb_envelope("tcbInfo", body);
	struct signed_json json;
	int rc = signed_json_parse("tcbInfo", text, strlen(text), &json, e);

	if (!rc) {
		rc = tcb_info_parse(&json, out, e);
		signed_json_fini(&json);
	}
	free(text);
	return rc;
}

static struct tcb_info *parsed(const char *body)
{
	struct tcb_info *out = NULL;
	struct err e = {0};

	if (parse(body, &out, &e))
		fail_msg("%s", e.text);
	return out;
}

static void test_members_sgx(void **state)
{
	struct tcb_info *t = parsed(sgx);

	assert_int_equal(t->tee, TCB_SGX);
	assert_int_equal(t->version, 3);
	assert_int_equal(t->issue_date, 1750328163);
	assert_int_equal(t->next_update, 1752920163);
	assert_memory_equal(t->fmspc, "\xb0\xc0\x6f\0\0\0", 6);
	assert_memory_equal(t->pce_id, "\x0a\0", 2);
	assert_int_equal(t->evaluation, 17);
	assert_int_equal(t->level_count, 3);
	assert_memory_equal(t->levels[0].sgx, "\5\5\0\0", 5);
	assert_int_equal(t->levels[0].pcesvn, 11);
	assert_int_equal(t->levels[0].rating.status, TCB_UP_TO_DATE);
	assert_int_equal(t->levels[0].rating.date, 1710288000);
	assert_int_equal(t->levels[0].rating.advisories.count, 1);
	assert_string_equal(
		t->levels[0].rating.advisories.ids[0], "INTEL-SA-005");
	assert_null(tcb_module_find(t, 0));
	assert_null(tcb_module_find(t, 1));
	tcb_info_free(t);
	tcb_info_free(NULL);
}

static void test_members_tdx(void **state)
{
	struct tcb_info *t = parsed(tdx);
	const struct tcb_module *m = tcb_module_find(t, 10);

	assert_int_equal(t->tee, TCB_TDX);
	assert_memory_equal(t->levels[0].tdx, "\5\0\2\0", 5);
	assert_ptr_equal(tcb_module_find(t, 0), &t->module);
	assert_null(tcb_module_find(t, 1));
	assert_int_equal(tcb_module_find(t, 3)->levels.count, 1);
	assert_non_null(m);
	assert_int_equal(m->mrsigner[47], 0xab);
	assert_int_equal(m->attributes[7], 0xc0);
	assert_int_equal(m->levels.levels[0].isvsvn, 4);
	assert_int_equal(m->levels.levels[1].isvsvn, 2);
	tcb_info_free(t);
}

static void test_members_v2(void **state)
{
	struct tcb_info *t = parsed(v2);

	assert_int_equal(t->tee, TCB_SGX);
	assert_int_equal(t->version, 2);
	assert_memory_equal(t->levels[0].sgx,
		"\1\2\3\4\5\x80\7\10\11\12\13\14\15\16\17\xff", 16);
	assert_int_equal(t->levels[0].pcesvn, 65535);
	assert_int_equal(t->levels[0].rating.advisories.count, 0);
	tcb_info_free(t);
}

static void check_mistakes(
	const char *good, const struct tcb_mistake *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char *text = tcb_replace(good, rows[i].from, rows[i].to);
		struct tcb_info *t = NULL;
		struct err e = {0};
		int rc = parse(text, &t, &e);

		if (rc != -EINVAL || !strstr(e.text, rows[i].error))
			fail_msg("%s -> %s: %d %s", rows[i].from, rows[i].to,
				rc, e.text);
		free(text);
	}
}

static void test_errors(void **state)
{
	static const struct tcb_mistake of_sgx[] = {
		{"\"id\":\"SGX\",", "", "tcbInfo.id: missing"},
		{"\"SGX\"", "\"sgx\"", "wanted SGX or TDX"},
		{"\"version\":3", "\"version\":1", "wanted 2 or 3"},
		{"\"version\":3", "\"version\":4", "wanted 2 or 3"},
		{"\"version\":3", "\"version\":3e0", "wanted a whole number"},
		{"\"version\"", "\"x\"", "tcbInfo.version: missing"},
		{"\"version\":3", "\"version\":2",
			"tcb.sgxtcbcomp01svn: missing"},
		{"\"issueDate\"", "\"x\"", "tcbInfo.issueDate: missing"},
		{"\"nextUpdate\"", "\"x\"", "tcbInfo.nextUpdate: missing"},
		{"2025-06-19T10:16:03Z", "2025-06-19T10:16:03",
			"wanted a date like"},
		{"2025-06-19T10:16:03Z", "2025-06-19T10:16:60Z",
			"wanted a date like"},
		{"2025-06-19T10:16:03Z", "9223372036854775808",
			"wanted a date like"},
		{"\"2025-06-19T10:16:03Z\"", "1750328163",
			"issueDate: a whole number"},
		{"\"fmspc\"", "\"x\"", "tcbInfo.fmspc: missing"},
		{"B0c06F000000", "B0c06F00000", "wanted 12 hexadecimal"},
		{"B0c06F000000", "B0c06F00000g", "wanted 12 hexadecimal"},
		{"\"pceId\"", "\"x\"", "tcbInfo.pceId: missing"},
		{"\"tcbType\"", "\"x\"", "tcbInfo.tcbType: missing"},
		{"\"tcbType\":0", "\"tcbType\":1", "tcbInfo.tcbType: 1"},
		{"\"tcbEvaluationDataNumber\"", "\"x\"",
			"tcbInfo.tcbEvaluationDataNumber: missing"},
		{"\"tcbLevels\"", "\"x\"", "tcbInfo.tcbLevels: missing"},
		{"\"tcbLevels\":[", "\"tcbLevels\":[],\"x\":[",
			"tcbLevels: 0 elements; wanted an array of 1 to 256"},
		{"\"tcbLevels\":[", "\"tcbLevels\":[7,",
			"tcbLevels[0]: a whole number; wanted an object"},
		{"\"tcb\"", "\"x\"", "tcbInfo.tcbLevels[0].tcb: missing"},
		{"\"sgxtcbcomponents\"", "\"x\"",
			"tcbLevels[0].tcb.sgxtcbcomponents: missing"},
		{"[{\"svn\":5,", "[{\"svn\":0},{\"svn\":5,",
			"17 elements; wanted an array of 16"},
		{"{\"svn\":0},", "", "15 elements; wanted an array of 16"},
		{"\"svn\":5", "\"svn\":256",
			"tcbInfo.tcbLevels[0].tcb.sgxtcbcomponents[0].svn: "
			"256; "
			"wanted a whole number up to 255"},
		{"\"svn\":5", "\"svn\":-1", "[0].svn: -1"},
		{"\"svn\":5", "\"svn\":true", "[0].svn: a truth value"},
		{"\"svn\":5", "\"s\":5", "[0].svn: missing"},
		{"\"pcesvn\":11", "\"pcesvn\":65536", "tcb.pcesvn: 65536"},
		{"\"pcesvn\"", "\"x\"",
			"tcbInfo.tcbLevels[0].tcb.pcesvn: missing"},
		{"\"tcbDate\"", "\"x\"", "tcbLevels[0].tcbDate: missing"},
		{"2024-03-13T", "2024-13-03T", "tcbLevels[0].tcbDate:"},
		{"\"tcbStatus\"", "\"x\"", "tcbLevels[0].tcbStatus: missing"},
		{"\"UpToDate\"", "\"Good\"", "tcbLevels[0].tcbStatus: Good"},
		{"\"UpToDate\"", "\"TDRelaunchAdvised\"", "wanted a status"},
		{"[\"INTEL-SA-005\"]", "{}", "advisoryIDs: an object"},
		{"[\"INTEL-SA-005\"]", "[{}]", "not all texts"},
		/* The same place twice, though its ratings differ. */
		{"\"svn\":2", "\"svn\":5", "two levels with the same SVNs"},
	};
	static const struct tcb_mistake of_tdx[] = {
		{"\"tdxModule\"", "\"x\"", "tcbInfo.tdxModule: missing"},
		{"\"mrsigner\"", "\"x\"", "tdxModule.mrsigner: missing"},
		{"\"attributes\"", "\"x\"", "tdxModule.attributes: missing"},
		{"\"attributesMask\"", "\"x\"",
			"tdxModule.attributesMask: missing"},
		{"000000AB", "000000", "wanted 96 hexadecimal digits"},
		{"\"tdxModuleIdentities\":[",
			"\"tdxModuleIdentities\":[],\"x\":[",
			"tdxModuleIdentities: 0 elements"},
		{"\"id\":\"TDX_03\"", "\"x\":1",
			"tdxModuleIdentities[0].id: missing"},
		{"TDX_03", "TDX_0A", "tdxModuleIdentities[1].id: used before"},
		{"TDX_03", "TDX_00", "wanted TDX_01 to TDX_FF"},
		{"TDX_03", "TDX_3", "wanted TDX_01 to TDX_FF"},
		{"TDX_03", "TDX_003", "wanted TDX_01 to TDX_FF"},
		{"TDX_03", "TDX-03", "wanted TDX_01 to TDX_FF"},
		{"TDX_03", "TD", "wanted TDX_01 to TDX_FF"},
		{"\"isvsvn\":3", "\"x\":3",
			"tdxModuleIdentities[0].tcbLevels[0].tcb.isvsvn"},
		{"\"isvsvn\":2", "\"isvsvn\":4", "isvsvn 4 twice"},
		{"\"tdxtcbcomponents\"", "\"x\"",
			"tcbInfo.tcbLevels[0].tcb.tdxtcbcomponents: missing"},
	};
	static const struct tcb_mistake of_v2[] = {
		{"\"version\"", "\"id\":\"TDX\",\"version\"", "wanted SGX"},
		{"\"sgxtcbcomp16svn\"", "\"x\"", "sgxtcbcomp16svn: missing"},
		{"\"sgxtcbcomp16svn\":255", "\"sgxtcbcomp16svn\":256",
			"sgxtcbcomp16svn: 256"},
	};

	check_mistakes(sgx, of_sgx, ARRAY_SIZE(of_sgx));
	check_mistakes(tdx, of_tdx, ARRAY_SIZE(of_tdx));
	check_mistakes(v2, of_v2, ARRAY_SIZE(of_v2));
}

/* What is not known, or not for this TEE, is left alone. */
static void test_unknown_members(void **state)
{
	static const char *const rows[][2] = {
		{"\"tcbType\"", "\"new\":{\"tcbLevels\":[]},\"tcbType\""},
		{"\"tcbType\"", "\"tdxModule\":7,\"tcbType\""},
		{"\"pcesvn\"", "\"tdxtcbcomponents\":[],\"pcesvn\""},
		{"\"tcbStatus\"", "\"note\":null,\"tcbStatus\""},
		{",\"advisoryIDs\":[\"INTEL-SA-005\"]", ""},
		{"[\"INTEL-SA-005\"]", "[]"},
		{"[\"INTEL-SA-005\"]", "[\"a text far longer than an id is\"]"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *text = tcb_replace(sgx, rows[i][0], rows[i][1]);

		tcb_info_free(parsed(text));
		free(text);
	}
}

/* A level for each i below count, all different. */
static char *many_levels(unsigned count)
{
	char *text = strdup(HEAD("\"id\":\"SGX\",",
		"3") "\"tcbLevels\":[" SGX_LEVEL(5, 5, 60000, "UpToDate") "]}");

	for (unsigned i = 1; i < count; i++) {
		char level[600], *next;

		snprintf(level, sizeof(level), "%s",
			"\"tcbLevels\":[" SGX_LEVEL(
				5, 5, 7777, "UpToDate") ",");
		snprintf(strstr(level, "7777"), 5, "%04u", 1000 + i);
		strchr(level, '\0')[0] = '}'; /* behind pcesvn */
		next = tcb_replace(text, "\"tcbLevels\":[", level);
		free(text);
		text = next;
	}
	return text;
}

static void test_bounds(void **state)
{
	struct tcb_info *t = NULL;
	struct err e = {0};
	char *text = many_levels(TCB_LEVELS);

	t = parsed(text);
	assert_int_equal(t->level_count, TCB_LEVELS);
	tcb_info_free(t);
	free(text);
	text = many_levels(TCB_LEVELS + 1);
	assert_int_equal(parse(text, &t, &e), -EINVAL);
	assert_non_null(strstr(e.text, "257 elements"));
	free(text);
}

/* ---- rating ---- */

static enum tcb_status rate(const struct tcb_info *info,
	const struct tcb_platform *platform, enum tcb_status qe)
{
	struct tcb_result result;

	tcb_evaluate(info, platform, qe, &result);
	return result.status;
}

/* Every status a level may have is the platform's, of either TEE. */
static void test_each_status(void **state)
{
	static const enum tcb_status rows[] = {
		TCB_UP_TO_DATE,
		TCB_SW_HARDENING_NEEDED,
		TCB_CONFIGURATION_NEEDED,
		TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED,
		TCB_OUT_OF_DATE,
		TCB_OUT_OF_DATE_CONFIGURATION_NEEDED,
		TCB_REVOKED,
	};
	static const char *const texts[] = {sgx, tdx, v2};
	struct tcb_platform platform = {.pcesvn = 65535};

	memset(platform.sgx, 255, sizeof(platform.sgx));
	memset(platform.tee_tcb_svn, 255, sizeof(platform.tee_tcb_svn));
	platform.tee_tcb_svn[1] = 0;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (size_t k = 0; k < ARRAY_SIZE(texts); k++) {
			struct tcb_info *t = parsed(texts[k]);
			struct tcb_result r;

			t->levels[0].rating.status = rows[i];
			tcb_evaluate(t, &platform, TCB_UP_TO_DATE, &r);
			assert_int_equal(r.status, rows[i]);
			assert_int_equal(r.platform_status, rows[i]);
			assert_int_equal(r.module_status, TCB_UNKNOWN);
			assert_ptr_equal(r.level, &t->levels[0]);
			assert_ptr_equal(r.sgx_level, &t->levels[0]);
			assert_int_equal(
				rate(t, &platform, TCB_UNKNOWN), rows[i]);
			tcb_info_free(t);
		}
}

/* Every component and PCESVN must reach the level's. */
static void test_each_component(void **state)
{
	struct tcb_info *t = parsed(v2);
	struct tcb_platform platform = {.pcesvn = t->levels[0].pcesvn};

	memcpy(platform.sgx, t->levels[0].sgx, TCB_COMPONENTS);
	assert_int_equal(
		rate(t, &platform, TCB_UP_TO_DATE), TCB_CONFIGURATION_NEEDED);
	for (int i = 0; i < TCB_COMPONENTS; i++) {
		platform.sgx[i]--;
		assert_int_equal(
			rate(t, &platform, TCB_UP_TO_DATE), TCB_NOT_SUPPORTED);
		platform.sgx[i]++;
	}
	platform.pcesvn--;
	assert_int_equal(rate(t, &platform, TCB_UP_TO_DATE), TCB_NOT_SUPPORTED);
	tcb_info_free(t);
}

/* No level: not supported, whatever the quoting enclave; no level is shown. */
static void test_no_level(void **state)
{
	struct tcb_info *t = parsed(sgx);
	struct tcb_platform platform = {.sgx = {3, 8}, .pcesvn = 11};

	for (int qe = TCB_UNKNOWN; qe < TCB_STATUS_COUNT; qe++) {
		struct tcb_result r;

		tcb_evaluate(t, &platform, (enum tcb_status)qe, &r);
		assert_int_equal(r.status, TCB_NOT_SUPPORTED);
		assert_int_equal(r.platform_status, TCB_NOT_SUPPORTED);
		assert_null(r.level);
		assert_null(r.sgx_level);
		assert_false(r.module_unknown);
	}
	tcb_info_free(t);
}

/* Four levels in each of the 24 orders: the outcome is that of the sorted. */
static void test_any_order(void **state)
{
	static const char *const levels[4] = {
		TDX_LEVEL(5, 5, 0, 3, "UpToDate"),
		TDX_LEVEL(5, 5, 0, 2, "SWHardeningNeeded"),
		TDX_LEVEL(4, 9, 0, 9, "ConfigurationNeeded"),
		TDX_LEVEL(4, 4, 0, 2, "OutOfDate"),
	};
	static const struct {
		uint8_t sgx0, tdx0, tdx2;
		enum tcb_status status;
	} rows[] = {
		{5, 5, 3, TCB_UP_TO_DATE},
		{5, 9, 9, TCB_UP_TO_DATE},
		{5, 5, 2, TCB_SW_HARDENING_NEEDED},
		{5, 4, 2, TCB_OUT_OF_DATE},
		{4, 9, 9, TCB_CONFIGURATION_NEEDED},
		{4, 9, 8, TCB_OUT_OF_DATE},
		{4, 3, 2, TCB_NOT_SUPPORTED},
		{3, 9, 9, TCB_NOT_SUPPORTED},
	};

	for (unsigned n = 0; n < 256; n++) {
		unsigned order[] = {n & 3, n >> 2 & 3, n >> 4 & 3, n >> 6};
		unsigned seen = 0;
		struct tcb_info *t;
		char *text;

		for (int i = 0; i < 4; i++)
			seen |= 1u << order[i];
		if (seen != 15)
			continue;
		assert_true(
			asprintf(&text,
				HEAD("\"id\":\"TDX\",",
					"3") "\"tdxModule\":{" MODULE
					     "},\"tcbLevels\":[%s,%s,%s,%s]}",
				levels[order[0]], levels[order[1]],
				levels[order[2]], levels[order[3]]) > 0);
		t = parsed(text);
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
			struct tcb_platform p = {.sgx = {rows[i].sgx0},
				.pcesvn = 1,
				.tee_tcb_svn = {rows[i].tdx0, 0, rows[i].tdx2}};

			assert_int_equal(
				rate(t, &p, TCB_UP_TO_DATE), rows[i].status);
		}
		tcb_info_free(t);
		free(text);
	}
}

/* PCESVN is compared before the components of TDX. */
static void test_order_of_keys(void **state)
{
	struct tcb_info *t = parsed(tdx);
	char *more = tcb_replace(tdx,
		"\"tcbLevels\":[" TDX_LEVEL(5, 5, 0, 2, "UpToDate"),
		"\"tcbLevels\":[" TDX_LEVEL(5, 9, 9, 9,
			"OutOfDate") "," TDX_LEVEL(5, 5, 0, 2, "UpToDate"));
	char *text = tcb_replace(more,
		"\"pcesvn\":1,\"tdxtcbcomponents\":[{\"svn\":9",
		"\"pcesvn\":0,\"tdxtcbcomponents\":[{\"svn\":9");

	tcb_info_free(t);
	t = parsed(more);
	assert_int_equal(t->levels[0].rating.status, TCB_OUT_OF_DATE);
	tcb_info_free(t);
	t = parsed(text);
	assert_int_equal(t->levels[0].rating.status, TCB_UP_TO_DATE);
	tcb_info_free(t);
	free(more);
	free(text);
}

/* The whole table: rows are the level, columns the part. */
static void test_convergence(void **state)
{
	enum {
		UTD = TCB_UP_TO_DATE,
		SWH = TCB_SW_HARDENING_NEEDED,
		CN = TCB_CONFIGURATION_NEEDED,
		CSWH = TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED,
		OOD = TCB_OUT_OF_DATE,
		OODCN = TCB_OUT_OF_DATE_CONFIGURATION_NEEDED,
		TDR = TCB_TD_RELAUNCH_ADVISED,
		TDRCN = TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED,
		REV = TCB_REVOKED,
		NOT = TCB_NOT_SUPPORTED
	};
	static const int parts[] = {TCB_UNKNOWN, UTD, OOD, REV, NOT};
	static const int rows[][1 + 5] = {
		{UTD, UTD, UTD, OOD, REV, NOT},
		{SWH, SWH, SWH, OOD, REV, NOT},
		{CN, CN, CN, OODCN, REV, NOT},
		{CSWH, CSWH, CSWH, OODCN, REV, NOT},
		{OOD, OOD, OOD, OOD, REV, NOT},
		{OODCN, OODCN, OODCN, OODCN, REV, NOT},
		{TDR, TDR, TDR, TDR, REV, NOT},
		{TDRCN, TDRCN, TDRCN, TDRCN, REV, NOT},
		{REV, REV, REV, REV, REV, NOT},
		{NOT, NOT, NOT, NOT, REV, NOT},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (size_t k = 0; k < ARRAY_SIZE(parts); k++)
			assert_int_equal(
				tcb_converge((enum tcb_status)rows[i][0],
					(enum tcb_status)parts[k]),
				rows[i][1 + k]);
}

/* Levels of TDX information with module 10 of the text above: 4 UpToDate, 2
 * OutOfDate. The first two components count for modules of version 0 only. */
static void test_tdx_components(void **state)
{
	static const struct {
		uint8_t svn[4];
		enum tcb_status status, module;
	} rows[] = {
		/* The level wants 5, 0, 2. */
		{{5, 0, 2}, TCB_UP_TO_DATE, TCB_UNKNOWN},
		{{4, 0, 2}, TCB_NOT_SUPPORTED, TCB_UNKNOWN},
		{{5, 0, 1}, TCB_NOT_SUPPORTED, TCB_UNKNOWN},
		{{5, 0, 3}, TCB_UP_TO_DATE, TCB_UNKNOWN},
		/* By the identity; component 0 is its ISVSVN. */
		{{4, 10, 2}, TCB_UP_TO_DATE, TCB_UP_TO_DATE},
		{{9, 10, 2}, TCB_UP_TO_DATE, TCB_UP_TO_DATE},
		{{3, 10, 2}, TCB_OUT_OF_DATE, TCB_OUT_OF_DATE},
		{{2, 10, 2}, TCB_OUT_OF_DATE, TCB_OUT_OF_DATE},
		{{1, 10, 2}, TCB_NOT_SUPPORTED, TCB_NOT_SUPPORTED},
		{{9, 10, 1}, TCB_NOT_SUPPORTED, TCB_UNKNOWN},
		{{3, 3, 2}, TCB_UP_TO_DATE, TCB_UP_TO_DATE},
		{{2, 3, 2}, TCB_NOT_SUPPORTED, TCB_NOT_SUPPORTED},
	};
	struct tcb_info *t = parsed(tdx);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct tcb_platform p = {.sgx = {5}, .pcesvn = 1};
		struct tcb_result r;

		memcpy(p.tee_tcb_svn, rows[i].svn, sizeof(rows[i].svn));
		tcb_evaluate(t, &p, TCB_UP_TO_DATE, &r);
		assert_int_equal(r.status, rows[i].status);
		assert_int_equal(r.module_status, rows[i].module);
		assert_ptr_equal(r.sgx_level, &t->levels[0]);
		assert_false(r.module_unknown);
	}
	/* The level wants more of component 1 than there can be. */
	t->levels[0].tdx[1] = 200;
	assert_int_equal(rate(t,
				 &(struct tcb_platform){.sgx = {5},
					 .pcesvn = 1,
					 .tee_tcb_svn = {4, 10, 2}},
				 TCB_UP_TO_DATE),
		TCB_UP_TO_DATE);
	tcb_info_free(t);
}

static void test_unknown_module(void **state)
{
	struct tcb_info *t = parsed(tdx);
	struct tcb_platform p = {
		.sgx = {5}, .pcesvn = 1, .tee_tcb_svn = {9, 1, 9}};
	struct tcb_result r;

	tcb_evaluate(t, &p, TCB_UP_TO_DATE, &r);
	assert_int_equal(r.status, TCB_NOT_SUPPORTED);
	assert_true(r.module_unknown);
	assert_int_equal(r.module_version, 1);
	tcb_info_free(t);
}

/* A level, a module and a quoting enclave, in each of their states. */
static void test_tdx_converges_twice(void **state)
{
	static const enum tcb_status parts[] = {
		TCB_UP_TO_DATE, TCB_OUT_OF_DATE, TCB_REVOKED};
	struct tcb_info *t = parsed(tdx);
	struct tcb_platform p = {
		.sgx = {5}, .pcesvn = 1, .tee_tcb_svn = {3, 3, 2}};
	struct tcb_module *module = &t->modules[0];

	assert_int_equal(module->version, 3);
	for (int level = TCB_UP_TO_DATE; level <= TCB_REVOKED; level++)
		for (size_t m = 0; m < ARRAY_SIZE(parts); m++)
			for (size_t q = 0; q < ARRAY_SIZE(parts); q++) {
				bool old = m == 1 || q == 1;
				int want = level;

				if (old && level <= TCB_SW_HARDENING_NEEDED)
					want = TCB_OUT_OF_DATE;
				else if (old && level < TCB_OUT_OF_DATE)
					want = TCB_OUT_OF_DATE_CONFIGURATION_NEEDED;
				if (m == 2 || q == 2)
					want = TCB_REVOKED;
				t->levels[0].rating.status =
					(enum tcb_status)level;
				module->levels.levels[0].rating.status =
					parts[m];
				assert_int_equal(rate(t, &p, parts[q]), want);
			}
	/* What is revoked is so even where the enclave is of no known level. */
	t->levels[0].rating.status = TCB_REVOKED;
	module->levels.levels[0].rating.status = TCB_UP_TO_DATE;
	assert_int_equal(rate(t, &p, TCB_NOT_SUPPORTED), TCB_REVOKED);
	tcb_info_free(t);
}

/* Of module 10: 4 is the latest, 2 out of date; the level wants loader 2. */
static void test_relaunch(void **state)
{
	enum {
		OOD = TCB_OUT_OF_DATE,
		OODCN = TCB_OUT_OF_DATE_CONFIGURATION_NEEDED,
		TDR = TCB_TD_RELAUNCH_ADVISED,
		TDRCN = TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED
	};
	static const struct {
		int level, qe;
		bool has_svn2;
		uint8_t svn2[4];
		int want;
	} rows[] = {
		{TCB_UP_TO_DATE, TCB_UP_TO_DATE, true, {4, 10, 2}, TDR},
		{TCB_UP_TO_DATE, TCB_UNKNOWN, true, {4, 10, 2}, TDR},
		{TCB_UP_TO_DATE, TCB_UP_TO_DATE, true, {9, 10, 9}, TDR},
		{TCB_SW_HARDENING_NEEDED, TCB_UP_TO_DATE, true, {4, 10, 2},
			TDR},
		{TCB_CONFIGURATION_NEEDED, TCB_UP_TO_DATE, true, {4, 10, 2},
			TDRCN},
		{TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED, TCB_UP_TO_DATE,
			true, {4, 10, 2}, TDRCN},
		/* The platform itself is out of date: relaunching helps not. */
		{OOD, TCB_UP_TO_DATE, true, {4, 10, 2}, OOD},
		{OODCN, TCB_UP_TO_DATE, true, {4, 10, 2}, OODCN},
		{TCB_REVOKED, TCB_UP_TO_DATE, true, {4, 10, 2}, TCB_REVOKED},
		/* The module now loaded is not the latest, or its loader. */
		{TCB_UP_TO_DATE, TCB_UP_TO_DATE, true, {3, 10, 2}, OOD},
		{TCB_UP_TO_DATE, TCB_UP_TO_DATE, true, {4, 10, 1}, OOD},
		{TCB_CONFIGURATION_NEEDED, TCB_UP_TO_DATE, true, {3, 10, 2},
			OODCN},
		/* Another version, whose latest is 3. */
		{TCB_UP_TO_DATE, TCB_UP_TO_DATE, true, {3, 3, 2}, TDR},
		{TCB_UP_TO_DATE, TCB_UP_TO_DATE, true, {2, 3, 2}, OOD},
		/* Without version: by component 0 of the level, 5. */
		{TCB_UP_TO_DATE, TCB_UP_TO_DATE, true, {5, 0, 2}, TDR},
		{TCB_UP_TO_DATE, TCB_UP_TO_DATE, true, {4, 0, 2}, OOD},
		/* Unknown. */
		{TCB_UP_TO_DATE, TCB_UP_TO_DATE, true, {9, 1, 9},
			TCB_NOT_SUPPORTED},
		/* The quoting enclave is not fine. */
		{TCB_UP_TO_DATE, TCB_OUT_OF_DATE, true, {4, 10, 2}, OOD},
		{TCB_UP_TO_DATE, TCB_REVOKED, true, {4, 10, 2}, TCB_REVOKED},
		{TCB_UP_TO_DATE, TCB_NOT_SUPPORTED, true, {4, 10, 2},
			TCB_NOT_SUPPORTED},
		/* A report of version 1.0. */
		{TCB_UP_TO_DATE, TCB_UP_TO_DATE, false, {4, 10, 2}, OOD},
	};
	struct tcb_info *t = parsed(tdx);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct tcb_platform p = {.sgx = {5},
			.pcesvn = 1,
			.tee_tcb_svn = {2, 10, 2},
			.has_svn2 = rows[i].has_svn2};
		struct tcb_result r;

		t->levels[0].rating.status = (enum tcb_status)rows[i].level;
		memcpy(p.tee_tcb_svn2, rows[i].svn2, sizeof(rows[i].svn2));
		tcb_evaluate(t, &p, (enum tcb_status)rows[i].qe, &r);
		if (r.status != (enum tcb_status)rows[i].want)
			fail_msg("row %zu: %s", i, verdict_tcb_name(r.status));
		assert_int_equal(r.module_unknown, rows[i].svn2[1] == 1);
	}
	/* The module the TD began under is current: nothing is advised. */
	t->levels[0].rating.status = TCB_OUT_OF_DATE;
	assert_int_equal(rate(t,
				 &(struct tcb_platform){.sgx = {5},
					 .pcesvn = 1,
					 .tee_tcb_svn = {4, 10, 2},
					 .has_svn2 = true,
					 .tee_tcb_svn2 = {4, 10, 2}},
				 TCB_UP_TO_DATE),
		OOD);
	tcb_info_free(t);
}

/* The level that SGX alone reaches is current, the one of TDX is not. */
static void test_relaunch_with_two_levels(void **state)
{
	char *text = tcb_replace(tdx,
		"\"tcbLevels\":[" TDX_LEVEL(5, 5, 0, 2, "UpToDate"),
		"\"tcbLevels\":[" TDX_LEVEL(
			5, 5, 0, 3, "ConfigurationNeeded") "," TDX_LEVEL(4, 1,
			0, 2, "OutOfDate"));
	struct tcb_info *t = parsed(text);
	struct tcb_platform p = {.sgx = {5},
		.pcesvn = 1,
		.tee_tcb_svn = {2, 10, 2},
		.has_svn2 = true,
		.tee_tcb_svn2 = {4, 10, 3}};
	struct tcb_result r;

	tcb_evaluate(t, &p, TCB_UP_TO_DATE, &r);
	assert_int_equal(
		r.status, TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED);
	assert_int_equal(r.platform_status, TCB_OUT_OF_DATE);
	assert_ptr_equal(r.sgx_level, &t->levels[0]);
	assert_ptr_equal(r.level, &t->levels[1]);
	p.tee_tcb_svn2[2] = 2; /* the latest level wants 3 */
	tcb_evaluate(t, &p, TCB_UP_TO_DATE, &r);
	assert_int_equal(r.status, TCB_OUT_OF_DATE);
	tcb_info_free(t);
	free(text);
}

static void test_advisories(void **state)
{
	char ids[VERDICT_ADVISORIES + 1][24] = {"B", "A", "B"};
	struct tcb_advisories some = {.ids = ids, .count = 3};
	static struct verdict v;

	verdict_init(&v, EVIDENCE_SGX_V3);
	tcb_advisories_add(&some, &v);
	tcb_advisories_add(&some, &v);
	assert_int_equal(v.advisory_count, 2);
	assert_string_equal(v.advisories[0], "A");
	assert_string_equal(v.advisories[1], "B");
	assert_int_equal(v.failure_count, 0);
	for (int i = 0; i <= VERDICT_ADVISORIES; i++)
		snprintf(ids[i], sizeof(ids[i]), "INTEL-SA-%05d", i);
	some.count = VERDICT_ADVISORIES + 1;
	tcb_advisories_add(&some, &v);
	assert_int_equal(v.failure_count, 1);
	assert_string_equal(v.failures[0].rule, "advisories");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members_sgx),
		cmocka_unit_test(test_members_tdx),
		cmocka_unit_test(test_members_v2),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_unknown_members),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_each_status),
		cmocka_unit_test(test_each_component),
		cmocka_unit_test(test_no_level),
		cmocka_unit_test(test_any_order),
		cmocka_unit_test(test_order_of_keys),
		cmocka_unit_test(test_convergence),
		cmocka_unit_test(test_tdx_components),
		cmocka_unit_test(test_unknown_module),
		cmocka_unit_test(test_tdx_converges_twice),
		cmocka_unit_test(test_relaunch),
		cmocka_unit_test(test_relaunch_with_two_levels),
		cmocka_unit_test(test_advisories),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SEV-SNP reports: real ones with AMD's certificates, and ones of a hierarchy
 * made here for what no real vector shows (Turin, revocation, wrong chains).
 */
#include "test/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/x509.h>

#include "attest/snp.h"
#include "test/unit/snp_pki.h"
#include "test/unit/vectors.h"

/* Is there a failure of this rule? */
static bool fails(const struct verdict *v, const char *rule)
{
	for (size_t i = 0; i < v->failure_count && i < VERDICT_FAILURES; i++)
		if (!strcmp(v->failures[i].rule, rule))
			return true;
	return false;
}

static void print_failures(const struct verdict *v)
{
	for (size_t i = 0; i < v->failure_count && i < VERDICT_FAILURES; i++)
		print_message("%s: seen %s, wanted %s\n", v->failures[i].rule,
			v->failures[i].seen, v->failures[i].wanted);
}

/* A case of the vectors: its files and what is expected of them. */
struct real {
	const char *name;
	const json_t *expect;
	struct span report, vcek, vlek, chain;
	struct snp_collateral *c;
	int64_t at;
};

static void real_open(struct real *r, const json_t *item)
{
	struct collateral_files files = {0};

	memset(r, 0, sizeof(*r));
	r->name = json_string_value(json_object_get(item, "case"));
	r->expect = json_object_get(item, "expect");
	r->report = vectors_read("%s/report.bin", r->name);
	files.vcek = r->vcek = vectors_read("%s/vcek.der", r->name);
	files.vlek = r->vlek = vectors_read("%s/vlek.der", r->name);
	files.cert_chain = r->chain = vectors_read(
		"%s/cert_chain.pem", r->name);
	assert_int_equal(snp_collateral_new(&files, NULL, &r->c, NULL), 0);
	if (json_object_get(r->expect, "at"))
		r->at = vectors_date(r->expect, "at");
}

static void real_close(struct real *r)
{
	snp_collateral_free(r->c);
	vectors_free(r->report);
	vectors_free(r->vcek);
	vectors_free(r->vlek);
	vectors_free(r->chain);
}

/* Calls run for each case of that kind. */
static void each_real(const char *kind, void (*run)(struct real *r))
{
	const json_t *item;
	struct real r;
	size_t i, count = 0;

	json_array_foreach(vectors_cases(), i, item)
	{
		if (strcmp(json_string_value(json_object_get(item, "kind")),
			    kind))
			continue;
		real_open(&r, item);
		run(&r);
		real_close(&r);
		count++;
	}
	assert_true(count > 0);
}

static struct snp_report parsed(struct span s)
{
	struct snp_report r;
	struct err e = {0};

	if (snp_parse(s.data, s.size, &r, &e))
		fail_msg("%s", e.text);
	return r;
}

static void verify_at(const struct snp_report *report, struct snp_collateral *c,
	int64_t at, struct verdict *v)
{
	const struct evidence_options options = {.at = at};

	assert_int_equal(snp_verify(report, c, &options, v), 0);
}

/* The hex text or number that the case gives for a field. */
static void check_field(
	const struct real *r, const struct verdict *v, const char *name)
{
	const struct verdict_field *f = verdict_field(v, name);
	json_t *want = json_object_get(r->expect, name);
	char hex[2 * 64 + 1];

	assert_non_null(f);
	assert_non_null(want);
	for (size_t i = 0; i < f->size; i++)
		snprintf(hex + 2 * i, 3, "%02x", f->bytes[i]);
	if (f->size)
		assert_string_equal(hex, json_string_value(want));
	else if (json_is_string(want))
		assert_int_equal(
			f->number, strtoull(json_string_value(want), NULL, 0));
	else
		assert_int_equal(f->number, json_integer_value(want));
}

static void run_real(struct real *r)
{
	static const char *const fields[] = {"measurement", "report_data",
		"chip_id", "reported_tcb", "policy", "vmpl", "report_version",
		"platform_info", "signer_info"};
	struct snp_report report = parsed(r->report);
	int64_t from = vectors_date(r->expect, "valid_from");
	int64_t until = vectors_date(r->expect, "valid_until");
	struct verdict v;

	print_message("%s\n", r->name);
	verify_at(&report, r->c, r->at, &v);
	print_failures(&v);
	assert_int_equal(v.failure_count, 0);
	assert_true(v.signature);
	assert_true(v.chain);
	assert_int_equal(v.kind, EVIDENCE_SNP);
	assert_int_equal(v.tcb_status, TCB_UP_TO_DATE);
	assert_int_equal(v.debug, report.policy >> 19 & 1);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		check_field(r, &v, fields[i]);
	assert_int_equal(v.valid_from, from);
	assert_int_equal(v.valid_until, until);

	verify_at(&report, r->c, from, &v);
	assert_int_equal(v.failure_count, 0);
	verify_at(&report, r->c, until, &v);
	assert_int_equal(v.failure_count, 0);
	verify_at(&report, r->c, from - 1, &v);
	assert_true(fails(&v, "snp-date"));
	assert_true(v.signature);
	assert_false(v.chain);
	verify_at(&report, r->c, until + 1, &v);
	assert_int_equal(v.failure_count, 1);
	assert_true(fails(&v, "snp-date"));
	verify_at(&report, r->c, INT64_MIN, &v);
	assert_false(v.chain);
	verify_at(&report, r->c, INT64_MAX, &v);
	assert_false(v.chain);
}

static void test_real(void **state)
{
	each_real("snp", run_real);
}

static void run_flip(struct real *r, size_t byte, int bit)
{
	uint8_t bytes[SNP_REPORT_SIZE];
	struct snp_report report;
	struct verdict v;

	memcpy(bytes, r->report.data, sizeof(bytes));
	bytes[byte] ^= (uint8_t)(1 << bit);
	if (snp_parse(bytes, sizeof(bytes), &report, NULL))
		return;
	verify_at(&report, r->c, r->at, &v);
	assert_false(v.signature);
	assert_true(v.failure_count > 0);
}

/* One bit of each byte; of the report of version 5 each bit. */
static void run_flips(struct real *r)
{
	bool all = *(const uint8_t *)r->report.data == 5;

	assert_int_equal(r->report.size, SNP_REPORT_SIZE);
	for (size_t i = 0; i < SNP_REPORT_SIZE; i++)
		for (int bit = 0; bit < 8; bit++)
			if (all || bit == (int)(i % 8))
				run_flip(r, i, bit);
}

static void test_flips(void **state)
{
	each_real("snp", run_flips);
}

static void run_truncated(struct real *r)
{
	uint8_t bytes[SNP_REPORT_SIZE + 32] = {0};
	struct snp_report report;
	struct err e;

	for (size_t size = 0; size < SNP_REPORT_SIZE; size++) {
		/* A heap block of just that size, for sanitizers to see. */
		void *cut = malloc(size);

		assert_true(cut || !size);
		memcpy(cut, r->report.data, size);
		assert_int_equal(snp_parse(cut, size, &report, &e), -EINVAL);
		assert_int_equal(snp_is_report(cut, size), size >= 4);
		free(cut);
	}
	/* A driver's buffer is longer; anything else behind it is not. */
	memcpy(bytes, r->report.data, SNP_REPORT_SIZE);
	assert_int_equal(snp_parse(bytes, sizeof(bytes), &report, &e), 0);
	bytes[sizeof(bytes) - 1] = 1;
	assert_int_equal(snp_parse(bytes, sizeof(bytes), &report, &e), -EINVAL);
}

static void test_truncated(void **state)
{
	each_real("snp", run_truncated);
}

/* The leaf that is not its issuer's, with a report that is another's. */
static void run_negative(struct real *r)
{
	struct span s = vectors_read("snp/milan-v2-google/report.bin");
	struct snp_report report = parsed(s);
	struct verdict v;

	verify_at(&report, r->c, 1759276800, &v);
	assert_true(fails(&v, "snp-chain"));
	assert_true(fails(&v, "snp-signature"));
	assert_true(fails(&v, "snp-chip-id"));
	assert_false(v.chain);
	assert_false(v.signature);
	vectors_free(s);
}

static void test_negative(void **state)
{
	each_real("snp-negative", run_negative);
}

/* The chain of each other product, and of the other kind of leaf. */
static void run_swapped(struct real *r)
{
	static const char *const names[] = {"milan_ask", "milan_asvk",
		"genoa_ask", "genoa_asvk", "turin_ask", "turin_asvk"};
	struct snp_report report = parsed(r->report);
	size_t good = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct span chain = vectors_read(
			"roots/amd_%s_ark.pem", names[i]);
		struct collateral_files files = {
			.vcek = r->vcek, .vlek = r->vlek, .cert_chain = chain};
		struct snp_collateral *c;
		struct verdict v;

		assert_non_null(chain.data);
		assert_int_equal(snp_collateral_new(&files, NULL, &c, NULL), 0);
		verify_at(&report, c, r->at, &v);
		assert_true(v.signature);
		good += v.chain;
		if (!v.chain)
			assert_true(fails(&v, "snp-chain"));
		snp_collateral_free(c);
		vectors_free(chain);
	}
	assert_int_equal(good, 1);
}

static void test_swapped(void **state)
{
	each_real("snp", run_swapped);
}

/* Another chip's VCEK, and no certificates at all. */
static void test_absent(void **state)
{
	struct span a, vcek, chain;
	struct collateral_files files = {0};
	struct snp_collateral *c;
	struct snp_report report;
	struct verdict v;

	vectors_cases();
	a = vectors_read("snp/milan-v2-google/report.bin");
	vcek = vectors_read("snp/milan-v3-oak/vcek.der");
	chain = vectors_read("snp/milan-v3-oak/cert_chain.pem");
	report = parsed(a);
	assert_int_equal(snp_collateral_new(&files, NULL, &c, NULL), 0);
	verify_at(&report, c, 1759276800, &v);
	assert_int_equal(v.failure_count, 1);
	assert_true(fails(&v, "snp-certificate"));
	snp_collateral_free(c);

	files.vcek = vcek;
	files.cert_chain = chain;
	assert_int_equal(snp_collateral_new(&files, NULL, &c, NULL), 0);
	verify_at(&report, c, 1759276800, &v);
	assert_true(v.chain);
	assert_true(fails(&v, "snp-signature"));
	assert_true(fails(&v, "snp-tcb"));
	assert_true(fails(&v, "snp-chip-id"));
	assert_int_equal(v.failure_count, 3);
	snp_collateral_free(c);

	/* Not a chain at all. */
	files.cert_chain = (struct span){"hello", 5};
	assert_int_equal(snp_collateral_new(&files, NULL, &c, NULL), -EINVAL);
	vectors_free(a);
	vectors_free(vcek);
	vectors_free(chain);
}

/* What follows is made here: one hierarchy, varied by each row. */
enum { FROM = 1700000000, AT = 1760000000, UNTIL = 1800000000 };

static struct snp_pki pki;

static int setup(void **state)
{
	snp_pki_init(&pki);
	return 0;
}

static int teardown(void **state)
{
	snp_pki_fini(&pki);
	return 0;
}

/* Everything of one verification; what a row changes, it changes in here. */
struct made {
	struct snp_report report;
	struct snp_pki_ca ark, ask;
	struct snp_pki_vek vek;
	bool pinned; /* AMD's roots are believed, not ours */
	bool crl, revoked, crl_forged;
	long crl_until;
	bool no_crl;
};

static void made_init(struct made *m, const char *product, bool vlek)
{
	static char ask[2][32], ark[32], full[32];
	bool turin = !strcmp(product, "Turin");
	struct snp_report *r = &m->report;

	memset(m, 0, sizeof(*m));
	snprintf(ask[vlek], sizeof(ask[0]), vlek ? "SEV-VLEK-%s" : "SEV-%s",
		product);
	snprintf(ark, sizeof(ark), "ARK-%s", product);
	snprintf(full, sizeof(full), turin ? "%s" : "%s-B1", product);
	m->ark = (struct snp_pki_ca){.subject = ark,
		.issuer = ark,
		.key = pki.ark_key,
		.signer = pki.ark_key,
		.from = FROM,
		.until = UNTIL};
	m->ask = (struct snp_pki_ca){.subject = ask[vlek],
		.issuer = ark,
		.key = pki.ask_key,
		.signer = pki.ark_key,
		.serial = 0x10001,
		.from = FROM,
		.until = UNTIL};
	m->vek = (struct snp_pki_vek){.issuer = ask[vlek],
		.key = pki.vek_key,
		.signer = pki.ask_key,
		.product = full,
		.vlek = vlek,
		.from = FROM,
		.until = UNTIL,
		.hwid_size = vlek ? 0
			: turin   ? SNP_TURIN_HWID_SIZE
				  : SNP_CHIP_ID_SIZE};
	m->crl_until = UNTIL;
	for (int i = 1; i < 10; i++)
		m->vek.spl[i] = i;
	m->vek.spl[8] = 200;
	if (!turin)
		m->vek.spl[9] = -1;
	else
		m->vek.spl[4] = -1;
	for (int i = 0; i < 64; i++)
		r->chip_id[i] = m->vek.hwid[i] = (uint8_t)(i + 1);
	r->version = 5;
	r->policy = SNP_POLICY_ONE;
	r->signature_algo = 1;
	r->signer_info = vlek ? 4 : 0;
	r->cpuid_family = turin ? 0x1a : 0x19;
	r->cpuid_model = turin ? 0x02 : !strcmp(product, "Genoa") ? 0x11 : 0x01;
	memcpy(r->reported_tcb,
		turin ? (const uint8_t[]){9, 1, 2, 3, 5, 6, 7, 200}
		      : (const uint8_t[]){1, 2, 4, 5, 6, 7, 3, 200},
		SNP_TCB_SIZE);
}

static void made_verify(struct made *m, struct verdict *v)
{
	X509 *ark = snp_pki_ca(&m->ark), *ask = snp_pki_ca(&m->ask);
	X509 *vek = snp_pki_vek(&m->vek);
	X509 *certs[] = {ark, ask}; /* not in AMD's order */
	struct span root = snp_pki_der(ark), leaf = snp_pki_der(vek);
	struct span chain = snp_pki_pem(certs, 2);
	struct span crl = snp_pki_crl(ark,
		m->crl_forged ? pki.ask_key : pki.ark_key, FROM, m->crl_until,
		m->revoked ? ask : NULL);
	struct collateral_files files = {.cert_chain = chain};
	struct trust trust = {.roots = &root, .root_count = 1};
	struct evidence_options options = {.at = AT, .no_crl = m->no_crl};
	struct snp_collateral *c;
	struct snp_report report;
	int rc;

	if (m->vek.vlek)
		files.vlek = leaf;
	else
		files.vcek = leaf;
	if (m->crl)
		files.snp_crl = crl;
	snp_pki_sign(&m->report, pki.vek_key);
	report = parsed((struct span){&m->report, sizeof(m->report)});
	rc = snp_collateral_new(&files, m->pinned ? NULL : &trust, &c, NULL);
	/* With an extension that stands twice it is no certificate. */
	assert_int_equal(rc, m->vek.twice ? -EINVAL : 0);
	if (rc)
		goto out;
	assert_int_equal(snp_verify(&report, c, &options, v), 0);
	snp_collateral_free(c);
out:
	snp_pki_free(root);
	snp_pki_free(leaf);
	snp_pki_free(chain);
	snp_pki_free(crl);
	X509_free(vek);
	X509_free(ask);
	X509_free(ark);
}

static void expect(struct made *m, const char *rule)
{
	struct verdict v;

	made_verify(m, &v);
	if (rule ? !fails(&v, rule) : v.failure_count > 0) {
		print_failures(&v);
		fail_msg("wanted %s", rule ? rule : "no failure");
	}
	if (!rule)
		assert_true(v.chain && v.signature &&
			v.tcb_status == TCB_UP_TO_DATE && !v.emulated);
}

static void test_products(void **state)
{
	static const char *const products[] = {"Milan", "Genoa", "Turin"};
	struct made m;

	for (int i = 0; i < 3; i++) {
		for (int vlek = 0; vlek < 2; vlek++) {
			made_init(&m, products[i], vlek);
			expect(&m, NULL);
			m.pinned = true;
			expect(&m, "snp-root");
			made_init(&m, products[i], vlek);
			m.vek.spl[3]++;
			expect(&m, "snp-tcb");
			/* The processor is of another product. */
			made_init(&m, products[i], vlek);
			m.report.cpuid_family ^= 3;
			expect(&m, "snp-product");
			/* The leaf says another product than its chain. */
			made_init(&m, products[i], vlek);
			m.vek.product = products[(i + 1) % 3];
			m.vek.spl[9] = 9;
			expect(&m, "snp-name");
			/* The kind of leaf that does not sign here. */
			made_init(&m, products[i], vlek);
			m.report.signer_info ^= 4;
			expect(&m, "snp-certificate");
		}
	}
}

/* Masks, wrappings and lengths of chip numbers. */
static void test_chip(void **state)
{
	struct made m;

	made_init(&m, "Milan", false);
	m.vek.hwid_wrapped = true;
	expect(&m, NULL);
	m.vek.hwid[63] ^= 1;
	expect(&m, "snp-chip-id");
	memset(m.report.chip_id, 0, 64);
	m.report.signer_info |= 2;
	expect(&m, NULL);
	made_init(&m, "Turin", false);
	m.vek.hwid_wrapped = true;
	expect(&m, NULL);
	m.report.chip_id[7] ^= 1;
	expect(&m, "snp-chip-id");
	m.report.chip_id[7] ^= 1;
	m.report.chip_id[8] ^= 1;
	expect(&m, NULL);
	made_init(&m, "Genoa", false);
	m.vek.hwid_size = 8;
	expect(&m, "snp-chip-id");
	m.vek.hwid_size = 32;
	expect(&m, "snp-certificate");
	m.vek.hwid_size = 0;
	expect(&m, "snp-certificate");
	made_init(&m, "Genoa", false);
	m.vek.csp = true;
	expect(&m, "snp-certificate");
	made_init(&m, "Genoa", true);
	m.vek.hwid_size = 64;
	expect(&m, "snp-certificate");
}

static void test_tcb(void **state)
{
	struct made m;
	struct verdict v;

	/* Each of the eight bytes counts. */
	for (int i = 0; i < SNP_TCB_SIZE; i++) {
		made_init(&m, "Milan", false);
		m.report.reported_tcb[i]++;
		expect(&m, "snp-tcb");
		made_init(&m, "Turin", true);
		m.report.reported_tcb[i]--;
		expect(&m, "snp-tcb");
	}
	/* Milan's order is not Turin's. */
	made_init(&m, "Turin", false);
	memcpy(m.report.reported_tcb,
		(const uint8_t[]){1, 2, 0, 5, 6, 7, 3, 200}, 8);
	expect(&m, "snp-tcb");
	made_init(&m, "Turin", false);
	m.vek.spl[9] = -1;
	expect(&m, "snp-certificate");
	made_init(&m, "Milan", false);
	m.vek.spl[8] = -1;
	expect(&m, "snp-certificate");
	made_init(&m, "Milan", false);
	m.vek.twice = true;
	made_verify(&m, &v);
}

static void test_versions(void **state)
{
	struct snp_report r;
	struct made m;

	for (uint32_t version = 0; version < 8; version++) {
		made_init(&m, "Genoa", false);
		m.report.version = version;
		if (version == 2)
			m.report.cpuid_family = m.report.cpuid_model = 0;
		if (version >= 2 && version <= 5)
			expect(&m, NULL);
		else
			assert_int_equal(snp_parse(&m.report, sizeof(m.report),
						 &r, NULL),
				-EINVAL);
	}
	/* Unknown bits of PLATFORM_INFO are for the future. */
	made_init(&m, "Turin", false);
	m.report.platform_info = ~UINT64_C(0);
	expect(&m, NULL);
	m.report.policy = 0;
	expect(&m, "snp-policy");
	made_init(&m, "Turin", false);
	m.report.signature_algo = 2;
	expect(&m, "snp-signature-algorithm");
	for (uint32_t key = 2; key < 8; key++) {
		made_init(&m, "Turin", false);
		m.report.signer_info = key << 2;
		expect(&m, "snp-signing-key");
	}
}

static void test_chain(void **state)
{
	struct made m;

	made_init(&m, "Milan", false);
	m.vek.until = AT - 1;
	expect(&m, "snp-date");
	made_init(&m, "Milan", false);
	m.ask.from = AT + 1;
	expect(&m, "snp-date");
	made_init(&m, "Milan", false);
	m.ark.until = AT - 1;
	expect(&m, "snp-date");
	made_init(&m, "Milan", false);
	m.vek.signer = pki.ark_key;
	expect(&m, "snp-chain");
	made_init(&m, "Milan", false);
	m.ask.signer = pki.ask_key;
	expect(&m, "snp-chain");
	made_init(&m, "Milan", false);
	m.ask.not_ca = true;
	expect(&m, "snp-chain");
	/* Another padding is another algorithm. */
	made_init(&m, "Milan", false);
	m.ask.pkcs1 = true;
	expect(&m, "snp-chain");
	made_init(&m, "Milan", false);
	m.ask.subject = "SEV-VLEK-Milan";
	expect(&m, "snp-chain");
	/* A VCEK under the intermediate of VLEKs. */
	m.vek.issuer = "SEV-VLEK-Milan";
	expect(&m, "snp-name");
	made_init(&m, "Milan", false);
	m.vek.subject = "SEV-VLEK";
	expect(&m, "snp-name");
	made_init(&m, "Milan", false);
	m.ark.subject = m.ark.issuer = m.ask.issuer = "ARK-Rome";
	expect(&m, "snp-name");
	/* A leaf with a key that reports do not have. */
	made_init(&m, "Milan", false);
	m.vek.key = pki.ask_key;
	expect(&m, "snp-certificate");
}

static void test_crl(void **state)
{
	struct made m;

	made_init(&m, "Genoa", false);
	m.crl = true;
	expect(&m, NULL);
	m.revoked = true;
	expect(&m, "snp-revoked");
	m.no_crl = true;
	expect(&m, NULL);
	made_init(&m, "Genoa", true);
	m.crl = m.revoked = true;
	expect(&m, "snp-revoked");
	m.revoked = false;
	m.crl_until = AT - 1;
	expect(&m, "snp-crl-date");
	m.crl_until = UNTIL;
	m.crl_forged = true;
	expect(&m, "snp-crl-signature");
}

static void test_emulated(void **state)
{
	static const struct trust trust = {.emulated = true};
	struct collateral_files files = {0};
	struct snp_collateral *c;
	struct verdict v;
	struct made m;

	/* The mark is of roots that were reached, not of what was tried. */
	made_init(&m, "Milan", false);
	assert_int_equal(snp_collateral_new(&files, &trust, &c, NULL), 0);
	verify_at(&m.report, c, AT, &v);
	assert_false(v.emulated);
	snp_collateral_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_real),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_negative),
		cmocka_unit_test(test_swapped),
		cmocka_unit_test(test_absent),
		cmocka_unit_test(test_products),
		cmocka_unit_test(test_chip),
		cmocka_unit_test(test_tcb),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_crl),
		cmocka_unit_test(test_emulated),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

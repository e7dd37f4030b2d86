/* SPDX-License-Identifier: Apache-2.0 */
/* Who may succeed a CAS, as a table; the messages; the list of approvals. */
#include "test/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "cas/handover.h"
#include "cas/keys.h"

enum { NOW = 1800000000 };

static struct verdict good;
static struct handover_approval release, signer;

static int setup(void **state)
{
	uint8_t bytes[64];

	verdict_init(&good, EVIDENCE_SGX_V3);
	good.signature = good.chain = true;
	good.tcb_status = TCB_UP_TO_DATE;
	memset(bytes, 0xaa, sizeof(bytes));
	verdict_add_bytes(&good, "mrenclave", bytes, 32);
	memset(bytes, 0xbb, sizeof(bytes));
	verdict_add_bytes(&good, "mrsigner", bytes, 32);
	memset(bytes, 0xcc, sizeof(bytes));
	verdict_add_bytes(&good, "config_id", bytes, 64);
	verdict_add_number(&good, "isv_prod_id", 7);
	verdict_add_number(&good, "isv_svn", 5);

	release.has_mrenclave = true;
	memset(release.mrenclave, 0xaa, 32);
	memset(release.config_id, 0xcc, 64);
	signer.has_signer = true;
	memset(signer.mrsigner, 0xbb, 32);
	memset(signer.config_id, 0xcc, 64);
	signer.isv_prod_id = 7;
	signer.isv_svn_min = 5;
	return 0;
}

static struct verdict_field *field(struct verdict *v, const char *name)
{
	size_t i = 0;

	while (strcmp(v->fields[i].name, name))
		assert_true(++i < v->field_count);
	return &v->fields[i];
}

/* Everything that a row changes. */
struct change {
	struct verdict v;
	struct handover_approval a;
	struct handover_rules r;
};

static void nothing(struct change *c)
{
}

static void by_signer(struct change *c)
{
	c->a = signer;
}

static void both(struct change *c)
{
	c->a = signer;
	c->a.has_mrenclave = true;
	memcpy(c->a.mrenclave, release.mrenclave, 32);
}

static void both_other_signer(struct change *c)
{
	both(c);
	c->a.mrsigner[0] ^= 1;
}

static void both_other_program(struct change *c)
{
	both(c);
	c->a.mrenclave[31] ^= 1;
}

static void other_program(struct change *c)
{
	field(&c->v, "mrenclave")->bytes[0] ^= 1;
}

static void other_signer(struct change *c)
{
	c->a = signer;
	field(&c->v, "mrsigner")->bytes[31] ^= 1;
}

static void other_product(struct change *c)
{
	c->a = signer;
	field(&c->v, "isv_prod_id")->number = 8;
}

static void older(struct change *c)
{
	c->a = signer;
	field(&c->v, "isv_svn")->number = 4;
}

static void newer(struct change *c)
{
	c->a = signer;
	field(&c->v, "isv_svn")->number = 6;
}

static void any_config(struct change *c)
{
	field(&c->v, "config_id")->bytes[63] ^= 1;
}

static void names_nothing(struct change *c)
{
	c->a.has_mrenclave = false;
}

static void below_floor(struct change *c)
{
	c->r.svn_floor = 6;
}

static void at_floor(struct change *c)
{
	c->r.svn_floor = 5;
}

static void no_approval(struct change *c)
{
	c->r.count = 0;
}

static void early(struct change *c)
{
	c->a.from = NOW + 1;
}

static void late(struct change *c)
{
	c->a.until = NOW;
}

static void last_second(struct change *c)
{
	c->a.from = NOW;
	c->a.until = NOW + 1;
}

static void debug(struct change *c)
{
	c->v.debug = true;
}

static void emulated(struct change *c)
{
	c->v.emulated = true;
}

static void both_emulated(struct change *c)
{
	c->v.emulated = c->r.allow_emulated = true;
}

static void failed(struct change *c)
{
	verdict_fail(&c->v, "quote-signature", "bad", "good");
}

static void unsigned_(struct change *c)
{
	c->v.signature = false;
}

static void no_chain(struct change *c)
{
	c->v.chain = false;
}

static void outdated(struct change *c)
{
	c->v.tcb_status = TCB_OUT_OF_DATE;
}

static void tolerated(struct change *c)
{
	outdated(c);
	c->a.tolerate = 1u << TCB_OUT_OF_DATE;
}

static void unknown_tcb(struct change *c)
{
	c->v.tcb_status = TCB_UNKNOWN;
}

static void revoked(struct change *c)
{
	c->v.tcb_status = TCB_REVOKED;
	c->a.tolerate = ~0u;
}

static void unsupported(struct change *c)
{
	c->v.tcb_status = TCB_NOT_SUPPORTED;
	c->a.tolerate = ~0u;
}

static void other_kind(struct change *c)
{
	c->v.kind = EVIDENCE_TDX_V4;
}

static void no_config(struct change *c)
{
	field(&c->v, "config_id")->name = "other";
}

static void short_config(struct change *c)
{
	field(&c->v, "config_id")->size = 32;
}

static const struct {
	void (*change)(struct change *c);
	const char *text; /* NULL: it may have the key */
} rows[] = {
	{nothing, NULL},
	{by_signer, NULL},
	{both, NULL},
	{newer, NULL},
	{at_floor, NULL},
	{last_second, NULL},
	{both_emulated, NULL},
	{tolerated, NULL},
	{both_other_signer, "is in no approval"},
	{both_other_program, "is in no approval"},
	{other_program, "is in no approval"},
	{other_signer, "is in no approval"},
	{other_product, "is in no approval"},
	{names_nothing, "is in no approval"},
	{older, "ISVSVN 4; approval 1 wants 5 or higher"},
	{any_config, "CONFIGID cccc"},
	{below_floor, "ISVSVN 5; 6 has been in charge"},
	{no_approval, "no release is approved"},
	{early, "is not valid now"},
	{late, "is not valid now"},
	{debug, "a debug enclave"},
	{emulated, "an emulated enclave"},
	{failed, "quote-signature: bad; wanted good"},
	{unsigned_, "was not verified"},
	{no_chain, "was not verified"},
	{outdated, "OutOfDate, which approval 1 does not tolerate"},
	{unknown_tcb, "does not tolerate"},
	{revoked, "Revoked"},
	{unsupported, "NotSupported"},
	{other_kind, "tdx-v4; wanted an SGX quote"},
	{no_config, "without MRENCLAVE"},
	{short_config, "without MRENCLAVE"},
};

static void test_judge(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		static struct change c;
		struct err e = {0};
		size_t which = 99;
		int rc;

		c = (struct change){
			.v = good, .a = release, .r = {.count = 1, .now = NOW}};
		rows[i].change(&c);
		c.r.approval = &c.a;
		rc = handover_judge(&c.r, &c.v, &which, &e);
		if (rc != (rows[i].text ? -EKEYREJECTED : 0) ||
			(rows[i].text && !strstr(e.text, rows[i].text)))
			fail_msg("row %zu: %d \"%s\"; wanted \"%s\"", i, rc,
				e.text, rows[i].text ? rows[i].text : "");
		assert_int_equal(which, rows[i].text ? 99 : 0);
	}
}

static void test_nearest(void **state)
{
	struct handover_approval list[3] = {signer, release, signer};
	struct handover_rules r = {.approval = list, .count = 3, .now = NOW};
	struct err e = {0};
	size_t which;

	list[0].mrsigner[0] ^= 1;
	list[1].config_id[0] ^= 1;
	list[2].isv_svn_min = 6;
	assert_int_equal(handover_judge(&r, &good, &which, &e), -EKEYREJECTED);
	assert_non_null(strstr(e.text, "approval 3 wants 6"));
	/* Parts of two approvals are not an approval. */
	list[2].isv_svn_min = 5;
	assert_int_equal(handover_judge(&r, &good, &which, &e), 0);
	assert_int_equal(which, 2);
}

static void test_floor(void **state)
{
	assert_int_equal(handover_floor(3, &good), 5);
	assert_int_equal(handover_floor(5, &good), 5);
	assert_int_equal(handover_floor(9, &good), 9);
}

static void test_list(void **state)
{
	static struct handover_list list, back;
	struct handover_approval a = signer;
	struct err e = {0};
	struct buf b = {0};

	list.svn_floor = 5;
	assert_int_equal(handover_list_add(&list, &release, &e), 0);
	assert_int_equal(handover_list_add(&list, &release, &e), -EEXIST);
	assert_int_equal(handover_list_add(&list, &signer, &e), 0);
	a.isv_svn_min = 4;
	assert_int_equal(handover_list_add(&list, &a, &e), -EINVAL);
	assert_non_null(strstr(e.text, "never goes down"));
	a = signer;
	a.has_signer = false;
	assert_int_equal(handover_list_add(&list, &a, &e), -EINVAL);
	a = signer;
	memset(a.config_id, 0, 64);
	assert_int_equal(handover_list_add(&list, &a, &e), -EINVAL);
	assert_non_null(strstr(e.text, "CONFIGID"));
	a = signer;
	a.from = a.until = 5;
	assert_int_equal(handover_list_add(&list, &a, &e), -EINVAL);
	a = signer;
	a.tolerate = 1u << TCB_OUT_OF_DATE;
	a.from = 7;
	a.until = NOW;
	while (list.count < HANDOVER_APPROVALS_MAX) {
		a.isv_svn_min++;
		assert_int_equal(handover_list_add(&list, &a, &e), 0);
	}
	a.isv_svn_min++;
	assert_int_equal(handover_list_add(&list, &a, &e), -ENOSPC);

	assert_int_equal(handover_list_encode(&list, &b), 0);
	assert_int_equal(handover_list_decode(b.data, b.size, &back, &e), 0);
	assert_int_equal(back.count, list.count);
	assert_int_equal(back.svn_floor, 5);
	for (size_t i = 0; i < list.count; i++)
		assert_int_equal(
			handover_list_add(&back, &list.item[i], &e), -EEXIST);
	for (size_t n = 0; n < b.size; n++)
		assert_int_equal(
			handover_list_decode(b.data, n, &back, &e), -EBADMSG);
	buf_fini(&b);
}

static void test_messages(void **state)
{
	struct handover_request q = {.version = "1.2.3"}, q_back;
	struct handover_grant g = {.term = 3,
				      .seq = 1ULL << 40,
				      .svn_floor = 5},
			      g_back;
	struct err e = {0};
	struct buf b = {0};

	q.cluster[0] = 1;
	assert_int_equal(handover_request_encode(&q, &b), 0);
	assert_int_equal(
		handover_request_decode(b.data, b.size, &q_back, &e), 0);
	assert_memory_equal(&q, &q_back, sizeof(q));
	/* Each message is taken for what it is. */
	assert_int_equal(
		handover_grant_decode(b.data, b.size, &g_back, &e), -EBADMSG);
	for (size_t n = 0; n < b.size; n++)
		assert_int_equal(
			handover_request_decode(b.data, n, &q_back, &e),
			-EBADMSG);
	buf_fini(&b);

	g.key[0] = 9;
	keys_cluster_id(g.key, g.cluster);
	assert_int_equal(handover_grant_encode(&g, &b), 0);
	assert_true(b.secret);
	assert_int_equal(handover_grant_decode(b.data, b.size, &g_back, &e), 0);
	assert_memory_equal(&g, &g_back, sizeof(g));
	for (size_t n = 0; n < b.size; n++)
		assert_int_equal(handover_grant_decode(b.data, n, &g_back, &e),
			-EBADMSG);
	assert_int_equal(
		handover_request_decode(b.data, b.size, &q_back, &e), -EBADMSG);
	buf_fini(&b);
	g.cluster[0] ^= 1;
	assert_int_equal(handover_grant_encode(&g, &b), 0);
	assert_int_equal(
		handover_grant_decode(b.data, b.size, &g_back, &e), -EBADMSG);
	assert_non_null(strstr(e.text, "not that of the cluster"));
	buf_fini(&b);

	assert_int_equal(handover_refusal_encode("no\nway", &b), 0);
	assert_int_equal(handover_grant_decode(b.data, b.size, &g_back, &e),
		-EKEYREJECTED);
	assert_string_equal(e.text, "the CAS in charge refused: no?way");
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judge),
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_floor),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_messages),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}

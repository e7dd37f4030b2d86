/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of access: who may, and who may not. */
#include "test/unit/unit.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cas/access.h"
#include "crypto/sha256.h"
#include "lib/err.h"

/* A key is a letter: 32 times that. */
static uint8_t letters[26][32];

static struct bytes key(char c)
{
	memset(letters[c - 'A'], c, 32);
	return (struct bytes){letters[c - 'A'], 32};
}

static struct access_keys keys(const char *text, uint8_t (*room)[32])
{
	size_t n = strlen(text);

	for (size_t i = 0; i < n; i++)
		memset(room[i], text[i], 32);
	return (struct access_keys){(const uint8_t(*)[32])room, n};
}

/*
 * Rules as text, in the order of struct access_rule: a capital is a signer, a
 * small letter a TLS key, '=' the creator (key c), '*' any, '-' none, 2(..)
 * at least two of what is in it, '$' a variable (what `variable` says). A digit
 * behind a letter is its organisation.
 */
static const char *organisations[] = {"o0", "o1", "o2"};

static size_t rules_make(const char **at, struct access_rule *out)
{
	size_t n = 1, one;

	*out = (struct access_rule){0};
	switch (**at) {
	case '=':
		out->kind = PRINCIPAL_CREATOR;
		break;
	case '*':
		out->kind = PRINCIPAL_ANY;
		break;
	case '-':
		out->kind = PRINCIPAL_NONE;
		break;
	case '$':
		out->kind = PRINCIPAL_VARIABLE;
		out->variable = "$$SCONE::v$$";
		break;
	case '0' ... '9':
		out->kind = PRINCIPAL_AT_LEAST;
		out->need = (uint64_t)(**at - '0');
		*at += 2;
		while (**at != ')') {
			one = rules_make(at, out + n);
			out->count++;
			n += one;
		}
		break;
	default:
		out->kind = **at >= 'a' ? PRINCIPAL_KEY : PRINCIPAL_SIGNER;
		out->key = key((char)(**at & ~0x20));
		if ((*at)[1] >= '0' && (*at)[1] <= '2' && (*at)[2] != '(') {
			out->organisation = organisations[(*at)[1] - '0'];
			++*at;
		}
	}
	++*at;
	return n;
}

static struct item_list rules(const char *text, struct access_rule *room)
{
	size_t n = 0;

	while (*text)
		n += rules_make(&text, room + n);
	return (struct item_list){room, n};
}

static struct access_rule variable_room[64];
static struct item_list variable_list;

static int variable(void *arg, const struct access_rule *rule,
	const struct item_list **out, struct err *e)
{
	if (!arg)
		return err_setf(e, -ENOENT, "no such value");
	variable_list = rules(arg, variable_room);
	*out = &variable_list;
	return 0;
}

static const struct row {
	const char *rules, *present, *signed_by, *variable;
	int want;
} table[] = {
	/* One. */
	{"=", "C", "", NULL, 0},
	{"=", "", "", NULL, -EACCES},
	{"=", "A", "", NULL, -EACCES},
	/* What one signs is not who one is, and the other way round. */
	{"=", "", "C", NULL, -EACCES},
	{"a", "", "A", NULL, -EACCES},
	{"A", "A", "", NULL, -EACCES},
	{"A", "", "A", NULL, 0},
	{"*", "", "", NULL, 0},
	{"*", "Z", "", NULL, 0},
	/* Nobody. */
	{"-", "C", "ABC", NULL, -EPERM},
	{"--", "C", "C", NULL, -EPERM},
	{"-=", "C", "", NULL, 0},
	{"-=", "A", "", NULL, -EACCES},
	{"", "C", "C", NULL, -EPERM},
	/* Several. */
	{"ab", "B", "", NULL, 0},
	{"2(ABC)", "", "AB", NULL, 0},
	{"2(ABC)", "", "A", NULL, -EACCES},
	{"2(ABC)", "", "AZ", NULL, -EACCES},
	{"2(ABC)", "", "AA", NULL, -EACCES},
	{"3(ABC)", "", "CAB", NULL, 0},
	{"3(ABC)", "", "CA", NULL, -EACCES},
	{"2(aB)", "A", "B", NULL, 0},
	/* A key that stands twice counts once. */
	{"2(AAB)", "", "A", NULL, -EACCES},
	{"2(AAB)", "", "AB", NULL, 0},
	{"2(Aa)", "A", "A", NULL, -EACCES},
	{"2(1(A)A)", "", "A", NULL, -EACCES},
	{"2(1(AB)A)", "", "AB", NULL, 0},
	{"2(1(AB)1(AB))", "", "A", NULL, -EACCES},
	{"2(1(AB)1(AB))", "", "AB", NULL, 0},
	{"2(2(AB)1(AC))", "", "AB", NULL, 0},
	{"2(*A)", "", "A", NULL, -EACCES},
	{"2(*A)", "B", "A", NULL, 0},
	{"2(*A)", "A", "A", NULL, -EACCES},
	{"3(2(AB)2(BC)D)", "", "ABC", NULL, -EACCES},
	{"3(2(AB)2(BC)D)", "", "ABCD", NULL, 0},
	/* Organisations. */
	{"2(A1B1C2)", "", "AB", NULL, -EACCES},
	{"2(A1B1C2)", "", "BC", NULL, 0},
	{"2(A1A2)", "", "A", NULL, -EACCES},
	{"2(1(A1)1(B1))", "", "AB", NULL, -EACCES},
	/* Said in one place, it holds in all. */
	{"2(A1B1C2)2(AB)", "", "AB", NULL, -EACCES},
	/* A board and a veto program. */
	{"2(2(ABC)D)", "", "AB", NULL, -EACCES},
	{"2(2(ABC)D)", "", "ABD", NULL, 0},
	{"2(2(ABC)D)", "", "AD", NULL, -EACCES},
	/* Nonsense allows nothing. */
	{"0(AB)", "", "AB", NULL, -EINVAL},
	{"4(AB)", "", "AB", NULL, -EINVAL},
	/* Variables. */
	{"$", "", "A", "A", 0},
	{"$", "", "B", "A", -EACCES},
	{"$", "", "AB", "2(ABC)", 0},
	{"2($C)", "", "AC", "A", 0},
	{"2($A)", "", "A", "A", -EACCES},
	{"2(AB$)", "", "AB", "A1B1", -EACCES},
	{"$", "", "A", "$", -EINVAL},
	{"$", "", "A", NULL, -ENOENT},
};

static void decides(void **state)
{
	uint8_t present[64][32], signed_by[64][32];
	struct access_rule room[64];

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct row *r = &table[i];
		struct item_list list = rules(r->rules, room);
		struct access_request q = {
			.rules = &list,
			.creator = key('C'),
			.present = keys(r->present, present),
			.signed_by = keys(r->signed_by, signed_by),
			.variable = variable,
			.arg = (void *)(uintptr_t)r->variable,
		};
		struct err e = {0};
		int got = access_decide(&q, &e);

		if (got != r->want)
			fail_msg("row %zu: %s with %s/%s: %d (%s), wanted %d",
				i, r->rules, r->present, r->signed_by, got,
				e.text, r->want);
	}
}

static void says_how_many(void **state)
{
	uint8_t room[1][32];
	struct access_rule rule[8];
	struct item_list list = rules("2(ABC)", rule);
	struct access_request q = {
		.rules = &list,
		.signed_by = keys("A", room),
	};
	struct err e = {0};

	assert_int_equal(access_decide(&q, &e), -EACCES);
	assert_string_equal(
		e.text, "the policy wants 2 of its board, there are 1");
}

/* Rules that the parser would never give. */
static void broken_trees(void **state)
{
	uint8_t room[64][32];
	struct access_rule r[64] = {0};
	struct item_list list = {r, 1};
	struct access_request q = {
		.rules = &list,
		.signed_by = keys("A", room),
		.variable = NULL,
	};
	struct err e;

	/* Children that are not there. */
	r[0] = (struct access_rule){
		.kind = PRINCIPAL_AT_LEAST, .need = 1, .count = 3};
	assert_int_equal(access_decide(&q, &e), -EINVAL);
	/* Unknown kinds. */
	r[0] = (struct access_rule){.kind = 99};
	assert_int_equal(access_decide(&q, &e), -EINVAL);
	/* Variables where there are none. */
	r[0] = (struct access_rule){
		.kind = PRINCIPAL_VARIABLE, .variable = "v"};
	assert_int_equal(access_decide(&q, &e), -EINVAL);
	/* Nested without end. */
	for (size_t i = 0; i < 64; i++)
		r[i] = (struct access_rule){
			.kind = PRINCIPAL_AT_LEAST, .need = 1, .count = 1};
	list.count = 64;
	assert_int_equal(access_decide(&q, &e), -EINVAL);
	/* More keys than are looked at. */
	r[0] = (struct access_rule){.kind = PRINCIPAL_ANY};
	list.count = 1;
	for (size_t i = 0; i < 64; i++)
		memset(room[i], (int)i, 32);
	q.signed_by.count = 64;
	assert_int_equal(access_decide(&q, &e), -EINVAL);
	q.signed_by.count = 63;
	assert_int_equal(access_decide(&q, &e), 0);
}

static void defaults(void **state)
{
	struct access_rule rule = {.kind = PRINCIPAL_ANY};
	struct session s = {.version = "0.3.11"};
	const struct access_rule *got;

	got = access_rules(&s, ACCESS_READ)->item;
	assert_int_equal(got->kind, PRINCIPAL_CREATOR);
	got = access_rules(&s, ACCESS_CREATE_SESSIONS)->item;
	assert_int_equal(got->kind, PRINCIPAL_CREATOR);
	got = access_rules(&s, ACCESS_DELETE)->item;
	assert_int_equal(got->kind, PRINCIPAL_NONE);
	s.version = "1.0";
	got = access_rules(&s, ACCESS_DELETE)->item;
	assert_int_equal(got->kind, PRINCIPAL_CREATOR);
	s.access[ACCESS_UPDATE] = (struct item_list){&rule, 1};
	assert_ptr_equal(access_rules(&s, ACCESS_CREATE_SESSIONS)->item, &rule);
	assert_ptr_equal(access_rules(&s, ACCESS_DELETE)->item, &rule);
	got = access_rules(&s, ACCESS_LIST_SESSIONS)->item;
	assert_int_equal(got->kind, PRINCIPAL_CREATOR);
	s.access[ACCESS_READ] = (struct item_list){&rule, 1};
	assert_ptr_equal(access_rules(&s, ACCESS_LIST_SESSIONS)->item, &rule);
}

static void names(void **state)
{
	struct access_rule room[8];
	struct item_list list = rules("2(aB=)", room);

	assert_true(
		access_names(&list, key('C'), ACCESS_BY_TLS, key('A').data));
	assert_true(
		access_names(&list, key('C'), ACCESS_BY_ANY, key('B').data));
	assert_true(
		access_names(&list, key('C'), ACCESS_BY_TLS, key('C').data));
	assert_false(
		access_names(&list, key('C'), ACCESS_BY_ANY, key('D').data));
	assert_true(access_names(
		&list, key('C'), ACCESS_BY_SIGNATURE, key('B').data));
	assert_false(access_names(
		&list, key('C'), ACCESS_BY_SIGNATURE, key('A').data));
}

/* ---- signatures ---- */

struct signer {
	EVP_PKEY *pkey;
	uint8_t *spki;
	int spki_size;
	uint8_t value[512];
	size_t size;
};

static void signer_new(struct signer *s, const char *type, const char *group)
{
	s->pkey = group ? EVP_PKEY_Q_keygen(NULL, NULL, type, group)
			: EVP_PKEY_Q_keygen(NULL, NULL, type, (size_t)2048);
	assert_non_null(s->pkey);
	s->spki = NULL;
	s->spki_size = i2d_PUBKEY(s->pkey, &s->spki);
	assert_true(s->spki_size > 0);
}

static void signer_sign(struct signer *s, const EVP_MD *md, const char *text)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	s->size = sizeof(s->value);
	assert_int_equal(EVP_DigestSignInit(ctx, NULL, md, NULL, s->pkey), 1);
	assert_int_equal(EVP_DigestSign(ctx, s->value, &s->size,
				 (const uint8_t *)text, strlen(text)),
		1);
	EVP_MD_CTX_free(ctx);
}

static int verify(const struct signer *s, const char *text, uint8_t hash[32])
{
	struct signature sig = {
		{s->spki, (size_t)s->spki_size}, {s->value, s->size}};
	struct err e;

	return access_verify(&sig, text, strlen(text), hash, &e);
}

static void signer_free(struct signer *s)
{
	EVP_PKEY_free(s->pkey);
	OPENSSL_free(s->spki);
}

static void verifies(void **state)
{
	static const struct {
		const char *type, *group;
		const EVP_MD *(*md)(void);
		int want;
	} kinds[] = {
		{"ED25519", "", NULL, 0},
		{"EC", "P-256", EVP_sha256, 0},
		{"EC", "P-384", EVP_sha384, 0},
		/* Another hash than goes with the curve. */
		{"EC", "P-256", EVP_sha1, -EBADMSG},
		{"EC", "P-384", EVP_sha256, -EBADMSG},
		{"EC", "P-521", EVP_sha512, -EINVAL},
		{"EC", "secp256k1", EVP_sha256, -EINVAL},
		{"RSA", NULL, EVP_sha256, -EINVAL},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct signer s;
		uint8_t hash[32], want[32];

		signer_new(&s, kinds[i].type, kinds[i].group);
		signer_sign(&s, kinds[i].md ? kinds[i].md() : NULL, "text");
		assert_int_equal(verify(&s, "text", hash), kinds[i].want);
		if (!kinds[i].want) {
			sha256(s.spki, (size_t)s.spki_size, want);
			assert_memory_equal(hash, want, 32);
			assert_int_equal(verify(&s, "Text", hash), -EBADMSG);
			s.value[s.size / 2] ^= 1;
			assert_int_equal(verify(&s, "text", hash), -EBADMSG);
			s.size = 0;
			assert_int_equal(verify(&s, "text", hash), -EBADMSG);
		}
		signer_free(&s);
	}
}

/* Bytes after the key would give one key several hashes. */
static void key_of_other_length(void **state)
{
	struct signer s;
	uint8_t hash[32], longer[600] = {0};
	struct signature sig;
	struct err e;

	signer_new(&s, "ED25519", "");
	signer_sign(&s, NULL, "text");
	memcpy(longer, s.spki, (size_t)s.spki_size);
	sig = (struct signature){
		{longer, (size_t)s.spki_size + 1}, {s.value, s.size}};
	assert_int_equal(access_verify(&sig, "text", 4, hash, &e), -EINVAL);
	sig.spki.size = (size_t)s.spki_size - 1;
	assert_int_equal(access_verify(&sig, "text", 4, hash, &e), -EINVAL);
	sig.spki.size = 0;
	assert_int_equal(access_verify(&sig, "text", 4, hash, &e), -EINVAL);
	signer_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decides),
		cmocka_unit_test(says_how_many),
		cmocka_unit_test(broken_trees),
		cmocka_unit_test(defaults),
		cmocka_unit_test(names),
		cmocka_unit_test(verifies),
		cmocka_unit_test(key_of_other_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

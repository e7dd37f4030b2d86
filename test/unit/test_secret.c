/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of secrets: made in order, formats, who may be told what, encoding,
 * imports, what is refused. That other implementations take them is
 * test/system/test_secrets.py; renewal and migration test_secret_renew.c.
 */
#include "test/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "cas/secret_int.h"
#include "cas/secret_key.h"
#include "test/unit/secret_session.h"

static const struct secret_env env = {.now = SECRET_SESSION_NOW};
/* RSA keys take long: made once. */
static struct secret_set *all;

static int setup(void **state)
{
	struct err e = {0};

	if (secret_set_make(secret_session_all(), NULL, NULL, &env, &all, &e))
		print_message("%s\n", e.text);
	return all ? 0 : -1;
}

static int teardown(void **state)
{
	secret_set_free(all);
	return 0;
}

/* The value in a format, which the caller gives to buf_fini. */
static struct buf format(
	const struct secret_set *set, const char *name, const char *format)
{
	struct buf b = {0};
	struct err e = {0};

	if (secret_format(set, name, format, &b, &e))
		fail_msg("%s:%s: %s", name, format, e.text);
	return b;
}

static void expect_size(const char *name, const char *fmt, size_t size)
{
	struct buf b = format(all, name, fmt);

	assert_int_equal(b.size, size);
	assert_true(b.secret);
	buf_fini(&b);
}

static void test_values(void **state)
{
	struct buf b;

	expect_size("pw", "", 32);
	expect_size("pw", "hex", 64);
	expect_size("raw", "", 33);
	expect_size("raw", "bin", 33);
	expect_size("raw", "base64", 44);
	expect_size("raw", "base32", 56);
	expect_size("raw", "base32nopad", 53);
	b = format(all, "digits", "");
	assert_int_equal(strspn((char *)b.data, "0123456789"), 12);
	buf_fini(&b);
	b = format(all, "given", "");
	assert_string_equal((char *)b.data, "in the policy");
	buf_fini(&b);
	b = format(all, "given_raw", "hex");
	assert_string_equal((char *)b.data, "00ff10");
	buf_fini(&b);
	b = format(all, "fragment", "");
	assert_string_equal((char *)b.data, "[a, b]\n");
	buf_fini(&b);
	/* Two thirds of the token's hour. */
	assert_int_equal(secret_set_due(all), SECRET_SESSION_NOW + 2400);
}

/* Whether a kind has a format, and whether all may know it in that. */
static const struct {
	const char *format;
	/* no: not there; secret; public */
	enum { NO, SECRET, PUBLIC } plain, key, pub, cert;
} formats[] = {
	{"", SECRET, SECRET, PUBLIC, PUBLIC},
	{"bin", SECRET, SECRET, PUBLIC, PUBLIC},
	{"hex", SECRET, SECRET, PUBLIC, PUBLIC},
	{"base32nopad", SECRET, SECRET, PUBLIC, PUBLIC},
	{"pem", NO, SECRET, PUBLIC, NO},
	{"der", NO, SECRET, PUBLIC, NO},
	{"der:base64", NO, SECRET, PUBLIC, NO},
	{"pkcs8:pem", NO, SECRET, NO, NO},
	{"pkcs8:der:hex", NO, SECRET, NO, NO},
	{"spki:pem", NO, NO, PUBLIC, NO},
	{"spki:der", NO, NO, PUBLIC, NO},
	{"crt", NO, NO, NO, PUBLIC},
	{"crt:pem", NO, NO, NO, PUBLIC},
	{"crt:der:hex", NO, NO, NO, PUBLIC},
	{"chain", NO, NO, NO, PUBLIC},
	{"privatekey", NO, NO, NO, SECRET},
	{"privatekey:pem", NO, NO, NO, SECRET},
	{"privatekey:der", NO, NO, NO, SECRET},
	{"privatekey:pkcs8:pem", NO, NO, NO, SECRET},
	{"privatekey:pkcs8:der:base64url", NO, NO, NO, SECRET},
	{"pkcs12-with-private-key", NO, NO, NO, SECRET},
	{"pkcs12-with-private-key:base64", NO, NO, NO, SECRET},
	{"previous", SECRET, SECRET, PUBLIC, PUBLIC},
	{"previous:hex", SECRET, SECRET, PUBLIC, PUBLIC},
	{"previous:privatekey:der", NO, NO, NO, SECRET},
	{"previousx", NO, NO, NO, NO},
	{"previous:previous", NO, NO, NO, NO},
	{"hex:hex", NO, NO, NO, NO},
	{"hex:pem", NO, NO, NO, NO},
	{":", NO, NO, NO, NO},
	{"crt:", NO, NO, NO, NO},
	{":hex", NO, NO, NO, NO},
	{"privatekey:chain", NO, NO, NO, NO},
	{"crt:privatekey", NO, NO, NO, NO},
	{"PEM", NO, NO, NO, NO},
};

static int wanted(size_t row, const struct secret_spec *spec)
{
	switch (spec->kind) {
	case SECRET_PRIVATE_KEY:
		return formats[row].key;
	case SECRET_PUBLIC_KEY:
		return formats[row].pub;
	case SECRET_X509:
	case SECRET_X509_CA:
		return formats[row].cert;
	case SECRET_JWT:
		return formats[row].plain;
	}
	/* Who reads the policy reads what stands in it. */
	if (formats[row].plain == SECRET && spec->value)
		return strncmp(formats[row].format, "previous", 8) ? PUBLIC
								   : SECRET;
	return formats[row].plain;
}

/* Everything that no policy gives away must be found nowhere in b. */
static void expect_nothing_secret(const struct buf *b)
{
	for (size_t i = 0; b->size && i < all->count; i++) {
		const struct secret *x = &all->item[i];
		const struct blob *keys[] = {&x->now.value, &x->now.key};

		for (int k = 0; k < 2; k++) {
			/* Of a key its number, which DER ends or holds. */
			bool key = k || x->kind == SECRET_PRIVATE_KEY;

			if (!keys[k]->size ||
				(!key && x->kind != SECRET_ASCII &&
					x->kind != SECRET_BINARY &&
					x->kind != SECRET_JWT) ||
				x->origin == ORIGIN_GIVEN)
				continue;
			assert_null(memmem(b->data, b->size, keys[k]->data,
				keys[k]->size));
			if (key && x->key_type == KEY_P256)
				assert_null(memmem(b->data, b->size,
					keys[k]->data + 36, 32));
		}
	}
}

static void check_format(
	struct session *s, const struct secret_spec *spec, size_t row)
{
	int want = wanted(row, spec), rc;
	struct buf b = {0};
	struct err e = {0};

	rc = secret_format(all, spec->name, formats[row].format, &b, &e);
	if (rc != (want == NO ? -EINVAL : 0) ||
		(!rc && !b.size && strcmp(formats[row].format, "chain")))
		fail_msg("%s:%s: %d %s", spec->name, formats[row].format, rc,
			e.text);
	buf_fini(&b);
	b.secret = false;
	rc = secret_public(all, s, spec->name, formats[row].format, &b, &e);
	if (rc != (want == NO ? -EINVAL : want == SECRET ? -EPERM : 0))
		fail_msg("public %s:%s: %d %s", spec->name, formats[row].format,
			rc, e.text);
	if (!rc)
		expect_nothing_secret(&b);
	else
		assert_int_equal(b.size, 0);
	buf_fini(&b);
}

static void test_formats(void **state)
{
	struct session *s = secret_session_all();
	struct secret_spec *spec = s->secrets.item;
	struct err e = {0};
	struct buf b = {0};

	for (size_t i = 0; i < s->secrets.count; i++) {
		spec[i].export_public = true;
		for (size_t row = 0; row < ARRAY_SIZE(formats); row++)
			check_format(s, &spec[i], row);
		/* Not declared: nobody is told. */
		spec[i].export_public = false;
		for (size_t row = 0; row < ARRAY_SIZE(formats); row++)
			if (wanted(row, &spec[i]) != NO)
				assert_int_equal(
					secret_public(all, s, spec[i].name,
						formats[row].format, &b, &e),
					-EPERM);
	}
	assert_int_equal(secret_public(all, s, "none", "", &b, &e), -ENOENT);
	assert_int_equal(secret_format(all, "none", "", &b, &e), -ENOENT);
	assert_int_equal(secret_format(all, "srv", "bad", &b, &e), -EINVAL);
	assert_non_null(strstr(e.text, "crt[:pem|:der], chain, privatekey"));
	buf_fini(&b);
}

/* A generated private key that is declared public, and where its value came
 * from otherwise, stays what it is. */
static void test_public_origins(void **state)
{
	struct secret_spec spec = {.name = "x",
		.kind = SECRET_ASCII,
		.size = 20,
		.export_public = true};
	struct session *s = secret_session(&spec, 1);
	struct secret_set *set;
	struct err e = {0};
	struct buf b = {0};

	assert_int_equal(secret_set_make(s, NULL, NULL, &env, &set, &e), 0);
	for (int origin = 0; origin <= ORIGIN_WRITTEN; origin++) {
		set->item[0].origin = (uint64_t)origin;
		assert_int_equal(secret_public(set, s, "x", "", &b, &e),
			origin == ORIGIN_GIVEN ? 0 : -EPERM);
	}
	buf_fini(&b);
	secret_set_free(set);
}

static void expect_same(const struct secret_set *a, const struct secret_set *b)
{
	struct buf x = {0}, y = {0};

	assert_int_equal(secret_set_encode(a, &x), 0);
	assert_int_equal(secret_set_encode(b, &y), 0);
	assert_true(x.secret);
	assert_int_equal(x.size, y.size);
	assert_memory_equal(x.data, y.data, x.size);
	buf_fini(&x);
	buf_fini(&y);
}

static void test_encoding(void **state)
{
	struct secret_set *back;
	struct buf text = {0};
	struct err e = {0};

	assert_int_equal(secret_set_encode(all, &text), 0);
	assert_int_equal(secret_set_decode(text.data, text.size, &back, &e), 0);
	expect_same(all, back);
	/* Keys are keys again. */
	for (size_t i = 0; i < back->count; i++) {
		EVP_PKEY *key;

		if (back->item[i].kind == SECRET_PRIVATE_KEY)
			assert_int_equal(secret_pkey(&back->item[i], &key), 0);
	}
	secret_set_free(back);
	for (size_t n = 0; n < text.size; n++)
		assert_int_equal(
			secret_set_decode(text.data, n, &back, &e), -EBADMSG);
	buf_add(&text, "", 1);
	assert_int_equal(
		secret_set_decode(text.data, text.size, &back, &e), -EBADMSG);
	buf_fini(&text);
}

/* Keys in DER are what libcrypto makes of them, and read either way. */
static void test_keys(void **state)
{
	for (uint64_t type = 0; type < KEY_TYPES; type++) {
		struct blob der = {0}, again = {0}, spki = {0};
		EVP_PKEY *key, *back, *pub;
		unsigned char *p = NULL;
		uint64_t got;
		int size;

		if (type == KEY_RSA_3072)
			continue;
		assert_int_equal(secret_key_make(type, &key), 0);
		assert_true(secret_key_type(key, &got) && got == type);
		assert_int_equal(secret_key_pkcs8(key, &der), 0);
		assert_int_equal(secret_key_load(&der, &back), 0);
		assert_int_equal(EVP_PKEY_eq(key, back), 1);
		assert_int_equal(secret_key_pkcs8(back, &again), 0);
		assert_int_equal(der.size, again.size);
		assert_memory_equal(der.data, again.data, der.size);
		assert_int_equal(secret_key_spki(back, &spki), 0);
		size = i2d_PUBKEY(key, &p);
		assert_int_equal(spki.size, size);
		assert_memory_equal(spki.data, p, size);
		assert_int_equal(secret_key_load_public(&spki, &pub), 0);
		assert_int_equal(EVP_PKEY_eq(key, pub), 1);
		OPENSSL_free(p);
		EVP_PKEY_free(key);
		EVP_PKEY_free(back);
		EVP_PKEY_free(pub);
		/* Cut short, or longer. */
		der.size--;
		assert_int_equal(secret_key_load(&der, &back), -EBADMSG);
		blob_fini(&der);
		blob_fini(&again);
		blob_fini(&spki);
	}
}

static void test_chains(void **state)
{
	const struct secret *srv = secret_find(all, "srv");
	const struct secret *sub = secret_find(all, "sub");
	const struct secret *ca = secret_find(all, "ca");
	struct cert_facts f;

	assert_int_equal(srv->now.chain_count, 2);
	assert_memory_equal(srv->now.chain[0].data, sub->now.value.data,
		sub->now.value.size);
	assert_memory_equal(
		srv->now.chain[1].data, ca->now.value.data, ca->now.value.size);
	assert_int_equal(ca->now.chain_count, 0);
	assert_int_equal(secret_cert_facts(&ca->now.value, &f, NULL), 0);
	assert_true(f.ca);
	assert_int_equal(f.path_length, 4);
	assert_int_equal(f.from, SECRET_SESSION_NOW - 300);
	assert_int_equal(f.until, SECRET_SESSION_NOW + SECRET_VALID_FOR);
	assert_int_equal(secret_cert_facts(&sub->now.value, &f, NULL), 0);
	assert_int_equal(f.path_length, 3);
	/* Never beyond the issuer's end. */
	assert_int_equal(f.until, SECRET_SESSION_NOW + SECRET_VALID_FOR);
	assert_int_equal(secret_cert_facts(&srv->now.value, &f, NULL), 0);
	assert_false(f.ca);
	assert_int_equal(f.until, SECRET_SESSION_NOW + 30 * 86400);
	assert_int_equal(srv->due, SECRET_SESSION_NOW + 20 * 86400);
}

/* ---- what is refused ---- */

static struct text_pair exp_claim = {"exp", "never"};
static struct text_pair part_claim = {"a", "x$$SCONE::p$$"};
static struct text_pair self_claim = {
	"a", "$$SCONE::self::software_identity$$"};
static const char *bad_dns[] = {"dns:a..b"}, *bad_ip[] = {"ip:300.1.1.1"},
		  *bad_kind[] = {"mail:a@b"};
#define KEY                                             \
	{                                               \
		.name = "k", .kind = SECRET_PRIVATE_KEY \
	}
#define CERT .name = "c", .kind = SECRET_X509

static struct {
	struct secret_spec spec[3];
	const char *text;
} bad[] = {
	{{{CERT, .private_key = "none"}}, "no secret of the session has"},
	{{{CERT, .issuer = "c"}}, "which is made of it"},
	{{{CERT, .private_key = "p"}, {.name = "p", .size = 20}},
		"is of kind ascii; wanted private-key"},
	{{{CERT, .issuer = "k"}, KEY},
		"is of kind private-key; wanted x509-ca"},
	{{{CERT, .issuer = "d"}, {.name = "d", .kind = SECRET_X509}},
		"wanted x509-ca"},
	{{{.name = "a", .kind = SECRET_X509_CA, .issuer = "b"},
		 {.name = "b", .kind = SECRET_X509_CA, .issuer = "a"}},
		"which is made of it"},
	{{{CERT, .san = {bad_dns, 1}}}, "dns:a..b; wanted dns:HOST"},
	{{{CERT, .san = {bad_ip, 1}}}, "ip:300.1.1.1"},
	{{{CERT, .san = {bad_kind, 1}}}, "mail:a@b"},
	{{{CERT, .common_name = ""}}, "common_name of 0 bytes"},
	{{{CERT,
		 .common_name =
			 "0123456789012345678901234567890123456789012345678901"
			 "2345678901234"}},
		"common_name of 65 bytes"},
	{{{CERT, .common_name = "a\nb"}}, "control character"},
	{{{.name = "p", .size = 0}}, "size 0; wanted 1 to"},
	{{{.name = "p", .size = 5, .charset = "aa"}}, "twice"},
	{{{.name = "p", .size = 5}, {.name = "p", .size = 5}}, "same name"},
	{{{.name = "u", .kind = SECRET_PUBLIC_KEY}}, "needs private_key"},
	{{{.name = "f", .kind = SECRET_CONFIG_FRAGMENT}}, "needs a value"},
	{{{.name = "t", .kind = SECRET_JWT}}, "needs a signer"},
	{{{.name = "t",
		  .kind = SECRET_JWT,
		  .private_key = "k",
		  .algorithm = "ES384"},
		 KEY},
		"algorithm ES384; a key of type P-256 signs with ES256"},
	{{{.name = "t",
		  .kind = SECRET_JWT,
		  .private_key = "k",
		  .payload = {&exp_claim, 1}},
		 KEY},
		"exp is made by CAS"},
	{{{.name = "t",
		  .kind = SECRET_JWT,
		  .private_key = "k",
		  .payload = {&part_claim, 1}},
		 KEY, {.name = "p", .size = 5}},
		"text around a variable"},
	{{{.name = "t",
		  .kind = SECRET_JWT,
		  .private_key = "k",
		  .payload = {&self_claim, 1}},
		 KEY},
		"is not known when a token is made"},
	{{{.name = "b", .kind = SECRET_BINARY, .value = "0g"}}, "hexadecimal"},
	{{{.name = "b", .kind = SECRET_BINARY, .value = "abc"}}, "hexadecimal"},
	{{{.name = "b", .kind = SECRET_BINARY, .value = "base64:A"}},
		"hexadecimal"},
	{{{.name = "k", .kind = SECRET_PRIVATE_KEY, .value = "no PEM"}},
		"wanted a private key in PEM"},
	{{{.name = "k", .kind = SECRET_PUBLIC_KEY, .value = "no PEM"}},
		"wanted a public key in PEM"},
	{{{CERT, .value = "no PEM"}}, "wanted a certificate in PEM"},
};

static void test_refused(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		size_t count = bad[i].spec[2].name ? 3
			: bad[i].spec[1].name      ? 2
						   : 1;
		struct secret_set *set = NULL;
		struct err e = {0};
		int rc = secret_set_make(secret_session(bad[i].spec, count),
			NULL, NULL, &env, &set, &e);

		if (rc != -EINVAL || !strstr(e.text, bad[i].text))
			fail_msg("row %zu: %d \"%s\"; wanted \"%s\"", i, rc,
				e.text, bad[i].text);
		assert_null(set);
	}
}

/* A long chain of CAs ends at the path length, not at the stack. */
static void test_depth(void **state)
{
	enum { COUNT = 40 };
	static char names[COUNT][8];
	struct secret_spec spec[COUNT] = {0};
	struct secret_set *set;
	struct err e = {0};

	for (int i = 0; i < COUNT; i++) {
		snprintf(names[i], sizeof(names[i]), "ca%d", i);
		spec[i].name = names[i];
		spec[i].kind = SECRET_X509_CA;
		spec[i].issuer = i + 1 < COUNT ? names[i + 1] : NULL;
		if (i + 1 < COUNT)
			snprintf(names[i + 1], sizeof(names[i + 1]), "ca%d",
				i + 1);
	}
	assert_int_equal(secret_set_make(secret_session(spec, COUNT), NULL,
				 NULL, &env, &set, &e),
		-EINVAL);
	assert_non_null(strstr(e.text, "deep"));
	spec[5].issuer = NULL;
	assert_int_equal(secret_set_make(secret_session(spec, 6), NULL, NULL,
				 &env, &set, &e),
		-EINVAL);
	assert_non_null(strstr(e.text, "may not issue certificates of CAs"));
	spec[4].issuer = NULL;
	assert_int_equal(secret_set_make(secret_session(spec, 5), NULL, NULL,
				 &env, &set, &e),
		0);
	secret_set_free(set);
}

/* ---- imports ---- */

struct world {
	struct secret_set *from;
	int rc;
	bool garbage;
	unsigned calls;
};

static int import(void *arg, const struct session_ref *from, struct buf *out,
	struct err *e)
{
	struct world *w = arg;

	w->calls++;
	if (w->rc)
		return err_setf(e, w->rc, "not exported to shop/db");
	if (w->garbage) {
		buf_text(out, "garbage");
		return 0;
	}
	return secret_export(w->from, from->secret, out, e);
}

static void test_import(void **state)
{
	struct world w = {.from = all};
	const struct secret_env there = {
		.now = SECRET_SESSION_NOW, .import = import, .arg = &w};
	struct session_ref ca = {.session = "org/pki", .secret = "ca"};
	struct session_ref pw = {.session = "org/pki", .secret = "pw"};
	struct secret_spec spec[] = {
		{.name = "leaf", .kind = SECRET_X509, .issuer = "root"},
		{.name = "root",
			.kind = SECRET_IMPORTED,
			.import = {&ca, 1},
			.export_public = true},
		{.name = "word",
			.kind = SECRET_IMPORTED,
			.import = {&pw, 1},
			.export_public = true},
	};
	struct session *s = secret_session(spec, 3);
	struct secret_set *set;
	struct err e = {0};
	struct buf b = {0}, here, over;

	assert_int_equal(secret_set_make(s, NULL, NULL, &there, &set, &e), 0);
	assert_int_equal(set->item[1].kind, SECRET_X509_CA);
	assert_int_equal(set->item[1].origin, ORIGIN_IMPORTED);
	here = format(set, "leaf", "chain");
	over = format(all, "ca", "crt");
	assert_string_equal((char *)here.data, (char *)over.data);
	buf_fini(&here);
	buf_fini(&over);
	assert_int_equal(secret_public(set, s, "root", "", &b, &e), 0);
	assert_int_equal(
		secret_public(set, s, "root", "privatekey", &b, &e), -EPERM);
	assert_int_equal(secret_public(set, s, "word", "", &b, &e), -EPERM);
	buf_fini(&b);
	secret_set_free(set);

	spec[2].kind = SECRET_BINARY;
	assert_int_equal(
		secret_set_make(s, NULL, NULL, &there, &set, &e), -EINVAL);
	assert_non_null(strstr(e.text, "is of kind ascii; wanted binary"));
	spec[2].kind = SECRET_IMPORTED;
	w.rc = -EPERM;
	assert_int_equal(
		secret_set_make(s, NULL, NULL, &there, &set, &e), -EPERM);
	assert_string_equal(e.text, "secret root: not exported to shop/db");
	w.rc = 0;
	w.garbage = true;
	assert_int_equal(
		secret_set_make(s, NULL, NULL, &there, &set, &e), -EBADMSG);
	assert_int_equal(
		secret_set_make(s, NULL, NULL, &env, &set, &e), -EPERM);
}

/* ---- values in PEM that stand in the policy ---- */

static char *text_of(const char *name, const char *fmt, const char *more)
{
	struct buf b = format(all, name, fmt), rest = {0};

	if (more)
		rest = format(all, name, more);
	buf_add(&b, rest.data, rest.size);
	buf_fini(&rest);
	return (char *)b.data;
}

static int give(struct secret_spec *spec, size_t count, const char *text)
{
	struct secret_set *set = NULL;
	struct err e = {0};
	int rc = secret_set_make(
		secret_session(spec, count), NULL, NULL, &env, &set, &e);

	if (rc ? !text || !strstr(e.text, text) : text != NULL)
		fail_msg("%d \"%s\"; wanted \"%s\"", rc, e.text,
			text ? text : "");
	for (size_t i = 0; !rc && i < count; i++) {
		struct buf b = format(set, spec[i].name, "");

		/* Given back as it was given. */
		if (spec[i].value)
			assert_memory_equal(b.data, spec[i].value, b.size);
		buf_fini(&b);
	}
	secret_set_free(set);
	return rc;
}

static void test_given(void **state)
{
	char *key = text_of("srv_key", "", NULL);
	char *ca_key = text_of("ca_key", "", NULL);
	char *rsa = text_of("rsa", "", NULL);
	char *pub = text_of("pub", "", NULL);
	char *chain = text_of("srv", "crt", "chain");
	char *ca = text_of("ca", "", NULL);
	static const char locked[] = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
				     "MIGjMF8GCSqGSIb3DQEFDTBSMDEGCSqGSIb3DQEFD"
				     "DAkBBBtb3JlIHNhbHQgYW5k\n"
				     "-----END ENCRYPTED PRIVATE KEY-----\n";
	struct secret_spec spec[] = {
		{.name = "c",
			.kind = SECRET_X509,
			.private_key = "k",
			.value = chain},
		{.name = "k", .kind = SECRET_PRIVATE_KEY, .value = key},
		{.name = "r", .kind = SECRET_PRIVATE_KEY, .value = rsa},
		{.name = "p", .kind = SECRET_PUBLIC_KEY, .value = pub},
		{.name = "ca",
			.kind = SECRET_X509_CA,
			.private_key = "ck",
			.value = ca},
		{.name = "ck", .kind = SECRET_PRIVATE_KEY, .value = ca_key},
		{.name = "leaf", .kind = SECRET_X509, .issuer = "ca"},
	};

	assert_int_equal(give(spec, ARRAY_SIZE(spec), NULL), 0);
	spec[1].value = ca_key;
	give(spec, ARRAY_SIZE(spec), "secret c: value: the certificate is not");
	spec[1].value = locked;
	give(spec, ARRAY_SIZE(spec), "not encrypted");
	spec[1].value = key;
	spec[4].value = chain;
	spec[4].private_key = NULL;
	give(spec, ARRAY_SIZE(spec), "not the certificate of a CA");
	spec[4].value = ca;
	give(spec, ARRAY_SIZE(spec), "issuer \"ca\" has no private key here");
	spec[3].value = key;
	give(spec, ARRAY_SIZE(spec), "wanted a public key in PEM");
	free(key);
	free(ca_key);
	free(rsa);
	free(pub);
	free(chain);
	free(ca);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_public_origins),
		cmocka_unit_test(test_encoding),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_chains),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_import),
		cmocka_unit_test(test_given),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

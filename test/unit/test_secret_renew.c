/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stays and what changes: at updates of a policy, when time passes, when
 * services write.
 */
#include "test/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cas/secret_int.h"
#include "test/unit/secret_session.h"

enum { NOW = SECRET_SESSION_NOW, DAY = 86400 };

static struct secret_env env = {.now = NOW};

static struct secret_set *make(struct session *s)
{
	struct secret_set *set = NULL;
	struct err e = {0};

	if (secret_set_make(s, NULL, NULL, &env, &set, &e))
		fail_msg("%s", e.text);
	return set;
}

static bool same(const struct secret_version *a, const struct secret_version *b)
{
	return a->value.size == b->value.size &&
		!memcmp(a->value.data, b->value.data, a->value.size);
}

/* ---- updates ---- */

static struct text_list no_writers;
static const char *api[] = {"api"};
#define WRITERS        \
	{              \
		api, 1 \
	}
static struct session_ref other = {.session = "o", .secret = "x"};

static const struct {
	struct secret_spec was, is;
	bool migrates;
} updates[] = {
	{{.kind = SECRET_ASCII, .size = 20}, {.kind = SECRET_ASCII, .size = 20},
		true},
	{{.kind = SECRET_ASCII, .size = 20}, {.kind = SECRET_ASCII, .size = 21},
		false},
	{{.kind = SECRET_ASCII, .size = 20},
		{.kind = SECRET_BINARY, .size = 20}, false},
	{{.kind = SECRET_ASCII, .size = 20, .charset = "01"},
		{.kind = SECRET_ASCII, .size = 20, .charset = "0123"}, true},
	{{.kind = SECRET_ASCII, .size = 64, .charset = "0123"},
		{.kind = SECRET_ASCII, .size = 64, .charset = "01"}, false},
	{{.kind = SECRET_BINARY, .size = 20},
		{.kind = SECRET_BINARY, .size = 20, .rotate_every = DAY}, true},
	{{.kind = SECRET_BINARY, .size = 20},
		{.kind = SECRET_BINARY, .size = 32}, false},
	/* Who could read the old policy knows the old value. */
	{{.kind = SECRET_ASCII, .value = "12345678901234567890", .size = 20},
		{.kind = SECRET_ASCII, .size = 20}, false},
	{{.kind = SECRET_ASCII, .size = 20},
		{.kind = SECRET_ASCII, .value = "given", .size = 20}, false},
	{{.kind = SECRET_ASCII, .size = 32, .import = {&other, 1}},
		{.kind = SECRET_ASCII, .size = 32}, false},
	{{.kind = SECRET_PRIVATE_KEY}, {.kind = SECRET_PRIVATE_KEY}, false},
	{{.kind = SECRET_PRIVATE_KEY, .migrate = true},
		{.kind = SECRET_PRIVATE_KEY}, false},
	{{.kind = SECRET_PRIVATE_KEY},
		{.kind = SECRET_PRIVATE_KEY, .migrate = true}, false},
	{{.kind = SECRET_PRIVATE_KEY, .migrate = true},
		{.kind = SECRET_PRIVATE_KEY, .migrate = true}, true},
	{{.kind = SECRET_PRIVATE_KEY, .migrate = true},
		{.kind = SECRET_PRIVATE_KEY,
			.key_type = KEY_P384,
			.migrate = true},
		false},
	{{.kind = SECRET_X509, .migrate = true},
		{.kind = SECRET_X509, .migrate = true}, false},
	{{.kind = SECRET_X509_CA, .migrate = true},
		{.kind = SECRET_X509_CA, .migrate = true}, false},
};

static int import(void *arg, const struct session_ref *from, struct buf *out,
	struct err *e)
{
	return secret_export(arg, from->secret, out, e);
}

static void test_migration(void **state)
{
	struct secret_spec there = {
		.name = "x", .kind = SECRET_ASCII, .size = 32};
	struct secret_set *exporter = make(secret_session(&there, 1));

	env.import = import;
	env.arg = exporter;
	for (size_t i = 0; i < ARRAY_SIZE(updates); i++) {
		struct secret_spec was = updates[i].was, is = updates[i].is;
		struct session old, *s;
		struct secret_set *before, *after;
		struct err e = {0};

		was.name = is.name = "x";
		old = *secret_session(&was, 1);
		before = make(&old);
		s = secret_session(&is, 1);
		if (secret_set_make(s, &old, before, &env, &after, &e))
			fail_msg("row %zu: %s", i, e.text);
		if (same(&before->item[0].now, &after->item[0].now) !=
			updates[i].migrates)
			fail_msg("row %zu", i);
		secret_set_free(after);
		/* Under another name: never. */
		is.name = "y";
		assert_int_equal(
			secret_set_make(s, &old, before, &env, &after, &e), 0);
		if (!is.value)
			assert_false(same(
				&before->item[0].now, &after->item[0].now));
		secret_set_free(after);
		secret_set_free(before);
	}
	secret_set_free(exporter);
	env.import = NULL;
	env.arg = NULL;
}

/* A key that stays and the certificate that is made anew belong together. */
static void test_update_certificate(void **state)
{
	struct secret_spec spec[] = {
		{.name = "c", .kind = SECRET_X509, .private_key = "k"},
		{.name = "k", .kind = SECRET_PRIVATE_KEY, .migrate = true},
	};
	struct session *s = secret_session(spec, 2);
	struct secret_set *a = make(s), *b;

	assert_int_equal(secret_set_make(s, s, a, &env, &b, NULL), 0);
	assert_true(same(&a->item[1].now, &b->item[1].now));
	assert_false(same(&a->item[0].now, &b->item[0].now));
	assert_int_equal(b->item[0].now.key.size, b->item[1].now.value.size);
	assert_memory_equal(b->item[0].now.key.data, b->item[1].now.value.data,
		b->item[1].now.value.size);
	secret_set_free(a);
	secret_set_free(b);
}

/* ---- time ---- */

static int renew(
	struct secret_set *set, struct session *s, int64_t at, struct err *e)
{
	env.now = at;
	return secret_set_renew(set, s, &env, e);
}

static void expect_format(const struct secret_set *set, const char *format,
	const struct blob *want)
{
	struct buf b = {0};

	assert_int_equal(secret_format(set, "pw", format, &b, NULL), 0);
	assert_int_equal(b.size, want->size);
	assert_memory_equal(b.data, want->data, want->size);
	buf_fini(&b);
}

static void test_rotation(void **state)
{
	struct secret_spec spec = {.name = "pw",
		.kind = SECRET_ASCII,
		.size = 20,
		.rotate_every = 30 * DAY,
		.rotate_grace = DAY};
	struct session *s = secret_session(&spec, 1);
	struct secret_set *set, *back;
	struct blob first = {0};
	struct buf text = {0};

	env.now = NOW;
	set = make(s);
	assert_int_equal(blob_set(&first, set->item[0].now.value.data, 20), 0);
	assert_int_equal(secret_set_due(set), NOW + 30 * DAY);
	assert_int_equal(renew(set, s, NOW + 30 * DAY - 1, NULL), 0);
	expect_format(set, "", &first);
	expect_format(set, "previous", &first);

	assert_int_equal(renew(set, s, NOW + 30 * DAY, NULL), 1);
	assert_memory_not_equal(
		set->item[0].now.value.data, first.data, first.size);
	expect_format(set, "previous", &first);
	assert_int_equal(secret_set_due(set), NOW + 31 * DAY);
	/* The grace outlives the store. */
	assert_int_equal(secret_set_encode(set, &text), 0);
	assert_int_equal(
		secret_set_decode(text.data, text.size, &back, NULL), 0);
	expect_format(back, "previous", &first);
	assert_int_equal(secret_set_due(back), NOW + 31 * DAY);
	buf_fini(&text);
	secret_set_free(back);
	/* And an update of the policy. */
	assert_int_equal(secret_set_make(s, s, set, &env, &back, NULL), 0);
	expect_format(back, "previous", &first);
	assert_int_equal(secret_set_due(back), NOW + 31 * DAY);
	secret_set_free(back);

	assert_int_equal(renew(set, s, NOW + 31 * DAY - 1, NULL), 0);
	expect_format(set, "previous", &first);
	assert_int_equal(renew(set, s, NOW + 31 * DAY, NULL), 1);
	expect_format(set, "previous", &set->item[0].now.value);
	assert_null(set->item[0].before.value.data);
	assert_int_equal(secret_set_due(set), NOW + 60 * DAY);
	blob_fini(&first);
	secret_set_free(set);
}

/* A clock that jumps ahead rotates once; one that goes back does nothing. */
static void test_clock(void **state)
{
	struct secret_spec spec = {.name = "pw",
		.kind = SECRET_BINARY,
		.size = 20,
		.rotate_every = DAY};
	struct session *s = secret_session(&spec, 1);
	struct secret_set *set;

	env.now = NOW;
	set = make(s);
	assert_int_equal(renew(set, s, NOW + 1000 * DAY, NULL), 1);
	assert_int_equal(renew(set, s, NOW + 1000 * DAY, NULL), 0);
	assert_int_equal(renew(set, s, NOW, NULL), 0);
	assert_int_equal(secret_set_due(set), NOW + 1001 * DAY);
	secret_set_free(set);
}

static void test_certificates(void **state)
{
	struct secret_spec spec[] = {
		{.name = "leaf",
			.kind = SECRET_X509,
			.private_key = "key",
			.issuer = "ca",
			.valid_for = 30 * DAY},
		{.name = "key", .kind = SECRET_PRIVATE_KEY},
		{.name = "pub",
			.kind = SECRET_PUBLIC_KEY,
			.private_key = "key"},
		{.name = "ca",
			.kind = SECRET_X509_CA,
			.private_key = "ca_key",
			.valid_for = 300 * DAY},
		{.name = "ca_key", .kind = SECRET_PRIVATE_KEY},
		{.name = "pw", .size = 20},
	};
	struct session *s = secret_session(spec, ARRAY_SIZE(spec));
	struct secret_version leaf = {0}, ca = {0};
	struct secret_set *set;

	env.now = NOW;
	set = make(s);
	assert_int_equal(version_copy(&leaf, &set->item[0].now), 0);
	assert_int_equal(version_copy(&ca, &set->item[3].now), 0);
	assert_int_equal(secret_set_due(set), NOW + 20 * DAY);
	assert_int_equal(renew(set, s, NOW + 20 * DAY, NULL), 1);
	assert_false(same(&leaf, &set->item[0].now));
	assert_memory_equal(
		leaf.key.data, set->item[0].now.key.data, leaf.key.size);
	assert_true(same(&ca, &set->item[3].now));
	/* The CA's turn: all that it issued is issued again. */
	assert_int_equal(renew(set, s, NOW + 200 * DAY, NULL), 1);
	assert_false(same(&ca, &set->item[3].now));
	assert_memory_equal(set->item[0].now.chain[0].data,
		set->item[3].now.value.data, set->item[3].now.value.size);
	version_fini(&leaf);
	version_fini(&ca);
	secret_set_free(set);

	/* A rotated key takes its certificate and public key with it. */
	spec[1].rotate_every = 10 * DAY;
	env.now = NOW;
	set = make(s);
	assert_int_equal(version_copy(&leaf, &set->item[0].now), 0);
	assert_int_equal(version_copy(&ca, &set->item[2].now), 0);
	assert_int_equal(renew(set, s, NOW + 10 * DAY, NULL), 1);
	assert_false(same(&leaf, &set->item[0].now));
	assert_false(same(&ca, &set->item[2].now));
	assert_memory_equal(set->item[0].now.key.data,
		set->item[1].now.value.data, set->item[1].now.value.size);
	version_fini(&leaf);
	version_fini(&ca);
	secret_set_free(set);
}

/* ---- imports ---- */

struct exporter {
	struct secret_set *set;
	struct session *s;
	bool refuses;
};

static int import_from(void *arg, const struct session_ref *from,
	struct buf *out, struct err *e)
{
	struct exporter *x = arg;

	if (x->refuses)
		return err_setf(e, -EPERM, "no longer exported");
	return secret_export(x->set, from->secret, out, e);
}

static void test_imports(void **state)
{
	struct secret_spec spec = {.name = "pw",
		.kind = SECRET_ASCII,
		.size = 20,
		.rotate_every = DAY};
	struct session_ref ref = {.session = "o", .secret = "pw"};
	struct secret_spec here[] = {
		{.name = "pw", .import = {&ref, 1}, .rotate_grace = 600},
		{.name = "own", .size = 9, .rotate_every = DAY},
	};
	struct session there = *secret_session(&spec, 1), *s;
	struct exporter x = {.s = &there};
	struct secret_version first = {0};
	struct secret_set *set;
	struct err e = {0};

	env.now = NOW;
	x.set = make(&there);
	env.import = import_from;
	env.arg = &x;
	s = secret_session(here, 2);
	set = make(s);
	assert_int_equal(version_copy(&first, &set->item[0].now), 0);
	assert_int_equal(secret_set_due(set), NOW + DAY);
	/* We are first: nothing new there, asked again a minute later; our own
	 * is renewed. */
	assert_int_equal(renew(set, s, NOW + DAY, &e), 1);
	assert_true(same(&first, &set->item[0].now));
	assert_int_equal(secret_set_due(set), NOW + DAY + 60);
	assert_int_equal(renew(x.set, &there, NOW + DAY, &e), 1);
	/* Refused meanwhile: it goes on with what it has, and says so. */
	x.refuses = true;
	assert_int_equal(e.code, 0);
	assert_int_equal(renew(set, s, NOW + DAY + 60, &e), 0);
	assert_string_equal(e.text, "secret pw: no longer exported");
	assert_true(same(&first, &set->item[0].now));
	assert_int_equal(secret_set_due(set), NOW + DAY + 120);
	x.refuses = false;
	assert_int_equal(renew(set, s, NOW + DAY + 120, &e), 1);
	assert_true(same(&x.set->item[0].now, &set->item[0].now));
	assert_true(same(&first, &set->item[0].before));
	assert_int_equal(secret_set_due(set), NOW + DAY + 720);
	version_fini(&first);
	secret_set_free(set);
	secret_set_free(x.set);
	env.import = NULL;
	env.arg = NULL;
}

static void test_other_session(void **state)
{
	struct secret_spec spec[] = {
		{.name = "pw", .size = 20}, {.name = "more", .size = 20}};
	struct secret_set *set;
	struct session *s = secret_session(spec, 1);

	env.now = NOW;
	set = make(s);
	assert_int_equal(
		secret_set_renew(set, secret_session(spec, 2), &env, NULL),
		-EINVAL);
	spec[0].name = "other";
	assert_int_equal(
		secret_set_renew(set, secret_session(spec, 1), &env, NULL),
		-EINVAL);
	secret_set_free(set);
}

/* ---- writing ---- */

static void test_write(void **state)
{
	struct secret_spec spec[] = {
		{.name = "pw",
			.kind = SECRET_ASCII,
			.size = 20,
			.writers = WRITERS,
			.rotate_every = DAY,
			.rotate_grace = 100},
		{.name = "closed", .kind = SECRET_ASCII, .size = 20},
		{.name = "given",
			.kind = SECRET_ASCII,
			.value = "v",
			.writers = WRITERS},
		{.name = "key", .kind = SECRET_PRIVATE_KEY, .writers = WRITERS},
		{.name = "raw",
			.kind = SECRET_BINARY,
			.size = 3,
			.writers = WRITERS},
	};
	static uint8_t big[SECRET_BYTES_MAX + 1];
	struct session old, *s = secret_session(spec, ARRAY_SIZE(spec));
	struct secret_set *set, *after;
	struct blob want = {(uint8_t *)(uintptr_t) "written", 7}, first = {0};
	struct err e = {0};

	env.now = NOW;
	set = make(s);
	assert_int_equal(blob_set(&first, set->item[0].now.value.data, 20), 0);
	assert_int_equal(
		secret_write(set, s, "none", "x", 1, NOW, &e), -ENOENT);
	assert_int_equal(
		secret_write(set, s, "closed", "x", 1, NOW, &e), -EPERM);
	assert_int_equal(
		secret_write(set, s, "given", "x", 1, NOW, &e), -EPERM);
	assert_int_equal(secret_write(set, s, "key", "x", 1, NOW, &e), -EINVAL);
	assert_int_equal(secret_write(set, s, "pw", "", 0, NOW, &e), -EINVAL);
	assert_int_equal(
		secret_write(set, s, "pw", "a\0b", 3, NOW, &e), -EINVAL);
	assert_int_equal(
		secret_write(set, s, "pw", "\xc3", 1, NOW, &e), -EINVAL);
	assert_int_equal(secret_write(set, s, "raw", big, sizeof(big), NOW, &e),
		-EINVAL);
	assert_int_equal(
		secret_write(set, s, "raw", big, sizeof(big) - 1, NOW, &e), 0);
	expect_format(set, "", &first);

	assert_int_equal(secret_write(set, s, "pw", "written", 7, NOW, &e), 0);
	expect_format(set, "", &want);
	expect_format(set, "previous", &first);
	/* Not rotated away; but the value before is forgotten in time. */
	assert_int_equal(secret_set_due(set), NOW + 100);
	assert_int_equal(renew(set, s, NOW + 2 * DAY, NULL), 1);
	expect_format(set, "previous", &want);
	assert_int_equal(secret_set_due(set), INT64_MAX);

	/* An update keeps what was written, whatever its size, as long as
	 * somebody may write it. */
	old = *s;
	assert_int_equal(secret_set_make(s, &old, set, &env, &after, &e), 0);
	expect_format(after, "", &want);
	secret_set_free(after);
	old.secrets.item = memcpy(malloc(sizeof(spec)), spec, sizeof(spec));
	spec[0].writers = no_writers;
	assert_int_equal(secret_set_make(s, &old, set, &env, &after, &e), 0);
	assert_int_equal(after->item[0].now.value.size, 20);
	secret_set_free(after);
	free(old.secrets.item);
	blob_fini(&first);
	secret_set_free(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_migration),
		cmocka_unit_test(test_update_certificate),
		cmocka_unit_test(test_rotation),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_certificates),
		cmocka_unit_test(test_imports),
		cmocka_unit_test(test_other_session),
		cmocka_unit_test(test_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

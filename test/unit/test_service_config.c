/* SPDX-License-Identifier: Apache-2.0 */
/* What CAS gives to an enclave, decoded; manifests that name a CAS. */
#include "lib/service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/sha256.h"
#include "lib/bytes.h"
#include "lib/config.h"
#include "lib/manifest_cas.h"
#include "lib/schema_encode.h"
#include "lib/string.h"
#include "test/unit/cbor_check.h"
#include "test/unit/unit.h"

static uint8_t memory[1 << 20], bytes[1 << 16], manifest_bytes[1 << 14];
static const uint8_t key[32] = {1, 2, 3}, tag[32] = {9};

static size_t encode(
	const struct schema *s, const void *object, void *buf, size_t size)
{
	struct cbor_writer w;

	cbor_writer_init(&w, buf, size);
	schema_encode(s, object, &w);
	assert_int_equal(cbor_writer_check(&w), 0);
	return w.len;
}

static int decode(struct service_config *c, size_t size, struct err *e)
{
	struct arena a;

	arena_init(&a, memory, sizeof(memory));
	return service_config_decode(c, bytes, size, &a, e);
}

/* A configuration as it should be; cases change something in it. */
struct fixture {
	struct service_file files[3];
	struct service_volume volumes[2];
	struct volume_spec specs[3];
	struct manifest manifest;
	struct service_config config;
};

static void fixture_init(struct fixture *f)
{
	*f = (struct fixture){
		.files = {{{(const uint8_t *)"one", 3}, 0600, "/etc/one"},
			{{(const uint8_t *)"", 0}, 04755, "/two"},
			{{(const uint8_t *)"\0\xff", 2}, 0, "/etc/one.d/x"}},
		.volumes = {{{key, 32}, {tag, 32}, "data"},
			{{key, 32}, {NULL, 0}, "log"}},
		.specs = {{.key = VOLUME_KEY_CAS, .name = "log", .path = "/l"},
			{.key = VOLUME_KEY_GIVEN, .name = "own", .path = "/o"},
			{.key = VOLUME_KEY_CAS, .name = "data", .path = "/d"}},
	};
	f->manifest = *(const struct manifest *)manifest_schema.defaults;
	f->manifest.version = 1;
	f->manifest.program = "/bin/x";
	f->manifest.volumes = (struct item_list){f->specs, 3};
	f->config = (struct service_config){.version = 1,
		.files = {f->files, 3},
		.volumes = {f->volumes, 2}};
}

static size_t fixture_encode(struct fixture *f)
{
	size_t size = encode(&manifest_schema, &f->manifest, manifest_bytes,
		sizeof(manifest_bytes));

	f->config.manifest = (struct bytes){manifest_bytes, size};
	return encode(&service_config_schema, &f->config, bytes, sizeof(bytes));
}

static int match(const struct fixture *f, struct err *e)
{
	return service_config_match(&f->config, &f->manifest, e);
}

static void test_round_trip(void **state)
{
	const struct service_file *files;
	struct service_config c;
	struct fixture f;
	struct err e = {0};
	size_t size;

	fixture_init(&f);
	size = fixture_encode(&f);
	assert_int_equal(cbor_check(bytes, size, 8), 0);
	if (decode(&c, size, &e))
		fail_msg("%s", e.text);
	files = c.files.item;
	assert_int_equal(c.files.count, 3);
	assert_string_equal(files[0].path, "/etc/one");
	assert_int_equal(files[1].mode, 04755);
	assert_int_equal(files[1].data.size, 0);
	assert_memory_equal(files[2].data.data, "\0\xff", 2);
	assert_memory_equal(service_volume_find(&c, "data")->tag.data, tag, 32);
	assert_int_equal(service_volume_find(&c, "log")->tag.size, 0);
	assert_null(service_volume_find(&c, "own"));
	assert_int_equal(match(&f, &e), 0);
	/* Each byte changed: refused, or it meant something. */
	for (size_t i = 0; i < size; i++) {
		bytes[i] ^= 0x20;
		if (decode(&c, size, &e) == 0)
			assert_int_equal(
				encode(&service_config_schema, &c,
					manifest_bytes, sizeof(manifest_bytes)),
				size);
		bytes[i] ^= 0x20;
		assert_true(decode(&c, i, &e) < 0);
	}
}

static void bad_path_empty(struct fixture *f)
{
	f->files[0].path = "/a//b";
}
static void bad_path_end(struct fixture *f)
{
	f->files[0].path = "/a/";
}
static void bad_path_dots(struct fixture *f)
{
	f->files[0].path = "/a/../b";
}
static void bad_path_dot(struct fixture *f)
{
	f->files[0].path = "/./b";
}
static void bad_path_twice(struct fixture *f)
{
	f->files[0].path = f->files[2].path;
}
static void bad_path_through(struct fixture *f)
{
	f->files[1].path = "/etc";
}
static void bad_key(struct fixture *f)
{
	f->volumes[0].key.size = 31;
}
static void bad_tag(struct fixture *f)
{
	f->volumes[0].tag.size = 31;
}
static void bad_twice(struct fixture *f)
{
	f->volumes[0].name = "log";
}
static void bad_version(struct fixture *f)
{
	f->config.version = 2;
}
static void bad_mode(struct fixture *f)
{
	f->files[0].mode = 010000;
}
static void bad_relative(struct fixture *f)
{
	f->files[0].path = "etc/x";
}

static void test_refused(void **state)
{
	static const struct {
		void (*spoil)(struct fixture *f);
		const char *text;
	} rows[] = {
		{bad_path_empty, "without empty parts"},
		{bad_path_end, "without empty parts"},
		{bad_path_dots, "without empty parts"},
		{bad_path_dot, "without empty parts"},
		{bad_path_twice, "that of another one"},
		{bad_path_through, "that of another one, or below"},
		{bad_relative, "wanted an absolute path"},
		{bad_mode, "mode: 4096; wanted 0 to 4095"},
		{bad_key, "service_volume.key: too short"},
		{bad_tag, "service_volume.tag: too short"},
		{bad_twice, "volume log: is there twice"},
		{bad_version, "version: 2; wanted 1"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct service_config c;
		struct fixture f;
		struct err e = {0};

		fixture_init(&f);
		rows[i].spoil(&f);
		assert_true(decode(&c, fixture_encode(&f), &e) < 0);
		if (strstr(e.text, rows[i].text) == NULL)
			fail_msg("row %zu: %s", i, e.text);
	}
}

static void test_match(void **state)
{
	struct fixture f;
	struct err e = {0};

	fixture_init(&f);
	f.specs[1].key = VOLUME_KEY_CAS; /* no key for it */
	assert_int_equal(match(&f, &e), -EINVAL);
	assert_non_null(strstr(e.text, "volume own: CAS gave no key"));
	fixture_init(&f);
	f.specs[0].key = VOLUME_KEY_GIVEN; /* a key it is not to have */
	assert_int_equal(match(&f, &e), -EINVAL);
	assert_non_null(strstr(e.text, "volume log: CAS gave a key"));
	fixture_init(&f);
	f.manifest.volumes.count = 2; /* a key for nothing */
	assert_int_equal(match(&f, &e), -EINVAL);
	fixture_init(&f);
	f.manifest.cas.key = "x"; /* CAS sends on to another */
	assert_int_equal(match(&f, &e), -EINVAL);
}

/* ---- the manifest that names a CAS ---- */

static void test_cas_manifest(void **state)
{
	static uint8_t out[MANIFEST_CAS_MAX], other[MANIFEST_CAS_MAX];
	struct manifest m;
	struct arena a;
	struct err e = {0};
	size_t size, size2;

	assert_int_equal(
		manifest_for_cas(key, "shop/db/maria", NULL, out, &size, &e),
		0);
	assert_int_equal(cbor_check(out, size, 4), 0);
	arena_init(&a, memory, sizeof(memory));
	if (manifest_decode(&m, out, size, &a, &e))
		fail_msg("%s", e.text);
	assert_string_equal(m.cas.session, "shop/db/maria");
	assert_string_equal(m.cas.key,
		"0102030000000000000000000000000000000000000000000000000000000"
		"000");
	assert_null(m.cas.token);
	assert_null(m.program);
	/* "" is no token; another token is another manifest. */
	assert_int_equal(
		manifest_for_cas(key, "shop/db/maria", "", other, &size2, &e),
		0);
	assert_true(size2 == size && memcmp(out, other, size) == 0);
	assert_int_equal(
		manifest_for_cas(key, "shop/db/maria", "t", other, &size2, &e),
		0);
	assert_true(size2 != size);
	/* Every part changes the bytes. */
	assert_int_equal(
		manifest_for_cas(tag, "shop/db/maria", NULL, other, &size2, &e),
		0);
	assert_true(size2 == size && memcmp(out, other, size) != 0);
	assert_int_equal(
		manifest_for_cas(key, "none", NULL, out, &size, &e), -EINVAL);
	assert_int_equal(
		manifest_for_cas(key, "/x", NULL, out, &size, &e), -EINVAL);
	assert_int_equal(
		manifest_for_cas(key, "xy/", NULL, out, &size, &e), -EINVAL);
}

/* The bytes are a contract with every CAS there is. */
static void test_cas_vector(void **state)
{
	static uint8_t out[MANIFEST_CAS_MAX];
	uint8_t digest[32];
	struct err e = {0};
	char hex[65];
	size_t size;

	assert_int_equal(manifest_for_cas(key, "s/x", "t", out, &size, &e), 0);
	sha256(out, size, digest);
	bytes_to_hex(digest, sizeof(digest), hex);
	assert_string_equal(hex,
		"f156d5a4630bca08c98d001d58c6b05b721f76612ad65d0cb355a1477fe4"
		"5800");
}

static void more_program(struct manifest *m)
{
	m->program = "/bin/sh";
}
static void more_network(struct manifest *m)
{
	m->network = true;
}
static void more_workdir(struct manifest *m)
{
	m->workdir = "/x";
}
static void more_hostname(struct manifest *m)
{
	m->hostname = "x";
}
static void more_signals(struct manifest *m)
{
	m->signals |= 1ull << 9;
}
static void more_attestation(struct manifest *m)
{
	m->attestation = ATTESTATION_ALL;
}
static void more_args(struct manifest *m)
{
	m->args.host = MANIFEST_ARGS_APPEND;
}
static void more_memory(struct manifest *m)
{
	m->limits.memory = 1;
}
static void more_pass(struct manifest *m)
{
	static const char *names[] = {"A"};

	m->env.pass = (struct text_list){names, 1};
}
static void more_set(struct manifest *m)
{
	static struct text_pair pair = {"A", "1"};

	m->env.set = (struct text_map){&pair, 1};
}
static void more_list(struct manifest *m)
{
	static const char *names[] = {"A"};

	m->args.list = (struct text_list){names, 1};
}
static void more_mounts(struct manifest *m)
{
	static struct mount_spec mount = {.type = MOUNT_PROC, .target = "/p"};

	m->mounts = (struct item_list){&mount, 1};
}
static void more_volumes(struct manifest *m)
{
	static struct volume_spec volume = {.name = "v", .path = "/v"};

	m->volumes = (struct item_list){&volume, 1};
}

/* What stands beside `cas` would be ignored: so it is refused. */
static void test_cas_alone(void **state)
{
	static void (*const more[])(struct manifest *) = {more_program,
		more_network, more_workdir, more_hostname, more_signals,
		more_attestation, more_args, more_memory, more_pass, more_set,
		more_list, more_mounts, more_volumes};
	const struct manifest *defaults = manifest_schema.defaults;
	char hex[65];

	bytes_to_hex(key, 32, hex);
	for (size_t i = 0; i < ARRAY_SIZE(more); i++) {
		struct manifest m = *defaults;
		struct err e = {0};

		m.version = 1;
		m.cas = (struct manifest_cas){hex, "a/b", NULL};
		assert_int_equal(manifest_check(&m, &e), 0);
		more[i](&m);
		assert_int_equal(manifest_check(&m, &e), -EINVAL);
		assert_non_null(strstr(e.text, "has cas and more"));
	}
	for (int i = 0; i < 2; i++) {
		struct manifest m = *defaults;
		struct err e = {0};

		m.version = 1;
		m.cas = (struct manifest_cas){hex, "a/b", NULL};
		hex[63] = i ? 'A' : 'g'; /* one spelling, one CONFIGID */
		assert_int_equal(manifest_check(&m, &e), -EINVAL);
		assert_non_null(strstr(e.text, "cas.key"));
	}
}

static void test_key_sources(void **state)
{
	static const struct {
		struct volume_spec v;
		bool good;
	} rows[] = {
		{{.key = VOLUME_KEY_CAS}, true},
		{{.key = VOLUME_KEY_SEALED}, false},
		{{.key = VOLUME_KEY_SEALED,
			 .tag_policy = VOLUME_NO_ROLLBACK_PROTECTION},
			true},
		{{.key = VOLUME_KEY_SEALED, .tag_policy = VOLUME_EPHEMERAL},
			true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct volume_spec v = rows[i].v;
		struct manifest m = *(
			const struct manifest *)manifest_schema.defaults;
		struct err e = {0};

		v.name = "v";
		v.path = "/v";
		m.version = 1;
		m.program = "/x";
		m.volumes = (struct item_list){&v, 1};
		assert_int_equal(
			manifest_check(&m, &e), rows[i].good ? 0 : -EINVAL);
	}
}

/* The launcher need not know the program; if it names one, it is that one. */
static void test_admit_without_program(void **state)
{
	const char *args[] = {"x"};
	struct config c = {.args = {args, 1}};
	struct fixture f;
	struct arena a;
	struct err e = {0};

	arena_init(&a, memory, sizeof(memory));
	fixture_init(&f);
	assert_int_equal(config_admit(&c, &f.manifest, 1, 1, &a, &e), 0);
	assert_string_equal(c.program, "/bin/x");
	assert_string_equal(c.args.item[0], "/bin/x");
	c.program = "/bin/y";
	assert_int_equal(config_admit(&c, &f.manifest, 1, 1, &a, &e), -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_match),
		cmocka_unit_test(test_cas_manifest),
		cmocka_unit_test(test_cas_vector),
		cmocka_unit_test(test_cas_alone),
		cmocka_unit_test(test_key_sources),
		cmocka_unit_test(test_admit_without_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

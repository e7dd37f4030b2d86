/* SPDX-License-Identifier: Apache-2.0 */
/* The manifest's tables, both its forms, and what it admits. */
#include "lib/config.h"
#include "lib/manifest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/schema_encode.h"
#include "cli/yaml.h"
#include "lib/cbor.h"
#include "test/unit/cbor_check.h"
#include "test/unit/unit.h"

/* The table itself: order of keys, fields within the structure. */
static int check_table(const struct schema *s)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct schema_field *f = &s->fields[i];

		if (i > 0 &&
			cbor_key_compare(f[-1].key, strlen(f[-1].key), f->key,
				strlen(f->key)) >= 0)
			return -EINVAL;
		if (f->offset >= s->size)
			return -EINVAL;
		if (f->sub != NULL && check_table(f->sub) < 0)
			return -EINVAL;
	}
	return 0;
}

static uint8_t memory[4 << 20];

static int from_yaml(
	const char *text, struct manifest *m, struct arena *a, struct err *e)
{
	int ret = yaml_read(
		&manifest_schema, m, "m.yaml", text, strlen(text), a, e);

	return ret < 0 ? ret : manifest_check(m, e);
}

static size_t encode(
	const struct schema *s, const void *object, void *buf, size_t size)
{
	struct cbor_writer w;

	cbor_writer_init(&w, buf, size);
	schema_encode(s, object, &w);
	assert_int_equal(cbor_writer_check(&w), 0);
	return w.len;
}

static const char full[] =
	"version: 1\n"
	"program: /usr/bin/redis-server\n"
	"args:\n"
	"  host: append\n"
	"  list: [--port, 6379, \"--save\", '']\n"
	"env:\n"
	"  set: {ZONE: b, A: '1', LONGER: \"x y\"}\n"
	"  pass: [TERM, LC_*]\n"
	"workdir: /var/lib/redis\n"
	"hostname: db\n"
	"network: yes\n"
	"signals: [TERM, SIGHUP]\n"
	"limits: {memory: 512m, cpus: 2, threads: 100, files: 1000}\n"
	"mounts:\n"
	"  - {type: host, source: /, target: /, ro: true}\n"
	"  - {type: tmpfs, target: /tmp, size: 64m}\n"
	"  - {type: proc, target: /proc}\n"
	"  - {type: dev, target: /dev}\n";

static void test_tables(void **state)
{
	assert_int_equal(check_table(&manifest_schema), 0);
	assert_int_equal(check_table(&config_schema), 0);
}

static void test_full(void **state)
{
	static uint8_t bytes[4096], again[4096];
	const struct mount_spec *mounts;
	struct manifest m, n;
	struct arena a;
	struct err e = {0};
	size_t size;

	arena_init(&a, memory, sizeof(memory));
	if (from_yaml(full, &m, &a, &e) != 0)
		fail_msg("%s", e.text);
	size = encode(&manifest_schema, &m, bytes, sizeof(bytes));
	assert_int_equal(cbor_check(bytes, size, 4), 0);
	if (manifest_decode(&n, bytes, size, &a, &e) != 0)
		fail_msg("%s", e.text);
	assert_string_equal(n.program, "/usr/bin/redis-server");
	assert_int_equal(n.args.host, MANIFEST_ARGS_APPEND);
	assert_int_equal(n.args.list.count, 4);
	assert_string_equal(n.args.list.item[1], "6379");
	assert_string_equal(n.args.list.item[3], "");
	assert_int_equal(n.env.set.count, 3);
	assert_string_equal(n.env.set.item[0].key, "A");
	assert_string_equal(n.env.set.item[1].key, "ZONE");
	assert_string_equal(n.env.set.item[2].value, "x y");
	assert_true(n.network);
	assert_true(n.signals == (1ull << 14 | 1ull << 0));
	assert_true(n.limits.memory == 512ull << 20);
	assert_int_equal(n.mounts.count, 4);
	mounts = n.mounts.item;
	assert_true(mounts[0].ro && !mounts[1].ro);
	assert_true(mounts[1].size == 64 << 20);
	assert_int_equal(mounts[3].type, MOUNT_DEV);
	assert_int_equal(
		encode(&manifest_schema, &n, again, sizeof(again)), size);
	assert_memory_equal(bytes, again, size);
}

/* The order of keys, comments and defaults spelt out change nothing. */
static void test_same_meaning(void **state)
{
	static const char *const texts[] = {
		"version: 1\nprogram: /bin/x\n",
		"# hi\nprogram: \"/bin/x\"\nversion: 1\n",
		"{version: 1, program: /bin/x, workdir: /, network: false, "
		"signals: [HUP, INT, QUIT, TERM, CONT, WINCH]}",
	};
	static uint8_t bytes[3][1024];
	size_t size[3];
	struct manifest m;
	struct arena a;
	struct err e;

	for (int i = 0; i < 3; i++) {
		arena_init(&a, memory, sizeof(memory));
		assert_int_equal(from_yaml(texts[i], &m, &a, &e), 0);
		size[i] = encode(&manifest_schema, &m, bytes[i], 1024);
		assert_int_equal(size[i], size[0]);
		assert_memory_equal(bytes[i], bytes[0], size[0]);
	}
}

static void test_bad_yaml(void **state)
{
	static const struct {
		const char *text, *message;
	} rows[] = {
		{"", "m.yaml: empty; wanted a map"},
		{"- a\n", "m.yaml:1:1: manifest: found a list; wanted a map"},
		{"version: 1\n", "key 'program' is missing in manifest"},
		{"version: 2\nprogram: /x\n", "manifest.version: 2; wanted 1"},
		{"version: 1\nprogram: x/y\n",
			"m.yaml:2:10: program: 'x/y'; wanted an absolute path"},
		{"version: 1\nprogram: /x\nprogam: /y\n",
			"m.yaml:3:1: unknown key 'progam' in manifest; wanted "
			"one of cas, env, args,"},
		{"version: 1\nversion: 1\n",
			"m.yaml:2:1: key 'version' is there twice"},
		{"version: 1\nprogram: /x\nroot: abc\n",
			"m.yaml:3:7: root: this version does not support it"},
		{"version: 1\nprogram: &a /x\n", "m.yaml:2:10: anchors and "},
		{"version: 1\nprogram: *a\n", "m.yaml:2:10: aliases are not"},
		{"version: 1\nprogram: !!str /x\n", "anchors and tags"},
		{"version: 1\nprogram: [/x]\n",
			"program: found a list; wanted"},
		{"version: 1\nprogram:\n", "program: empty; wanted a text"},
		{"version: 1\nprogram: /x\nnetwork: 'yes'\n",
			"network: 'yes'; wanted true or false"},
		{"version: 1\nprogram: /x\nargs: {host: all}\n",
			"host: 'all'; wanted one of none, append, replace"},
		{"version: 1\nprogram: /x\nlimits: {memory: 12q}\n",
			"memory: '12q'; wanted a number (suffixes k, m, g)"},
		{"version: 1\nprogram: /x\nlimits: {cpus: 65}\n",
			"cpus: '65'; wanted a number from 0 to 64"},
		{"version: 1\nprogram: /x\nsignals: [SEGV]\n",
			"signals: 'SEGV'; wanted one of HUP, INT"},
		{"version: 1\nprogram: /x\nenv: {set: {A: 1, A: 2}}\n",
			"set: 'A' is there twice"},
		{"version: 1\nprogram: /x\nenv: {set: {A=B: 1}}\n",
			"env.set: 'A=B' is not a variable's name"},
		{"version: 1\nprogram: /x\nenv: {pass: [A*B]}\n",
			"env.pass: 'A*B'; wanted a name, or a prefix"},
		{"version: 1\nprogram: /x\nmounts: [{type: host, target: /}]\n",
			"mount /: type host without a source"},
		{"version: 1\nprogram: /x\n"
		 "mounts: [{type: proc, target: /p, source: /q}]\n",
			"mount /p: source /q; wanted none with type proc"},
		{"version: 1\nprogram: /x\nmounts: [{type: proc, target: /p}, "
		 "{type: dev, target: /p}]\n",
			"mount /p: is there twice"},
		{"version: 1\nprogram: \"/x\\0y\"\n", "zero byte"},
		{"version: 1\nprogram: /x\n--- \nversion: 1\n",
			"a second document"},
		{"version: \"1\n", "not YAML"},
		{"version: 1\nprogram: \"/\xff\"\n", "not YAML"},
		{"{{{{{{{{", "found a map; wanted a value"},
	};
	struct manifest m;
	struct arena a;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = {0};

		arena_init(&a, memory, sizeof(memory));
		if (from_yaml(rows[i].text, &m, &a, &e) != -EINVAL)
			fail_msg("row %zu was taken", i);
		if (strstr(e.text, rows[i].message) == NULL)
			fail_msg("row %zu: %s", i, e.text);
	}
}

/* Each byte changed or cut: never taken as another encoding of the same. */
static void test_bad_cbor(void **state)
{
	static uint8_t bytes[4096], bad[4096], again[4096];
	struct manifest m;
	struct arena a;
	struct err e;
	size_t size;

	arena_init(&a, memory, sizeof(memory));
	assert_int_equal(from_yaml(full, &m, &a, &e), 0);
	size = encode(&manifest_schema, &m, bytes, sizeof(bytes));
	for (size_t n = 0; n < size; n++) {
		arena_init(&a, memory, sizeof(memory));
		assert_true(manifest_decode(&m, bytes, n, &a, &e) < 0);
	}
	for (size_t n = 0; n < size; n++) {
		for (int bit = 0; bit < 8; bit++) {
			memcpy(bad, bytes, size);
			bad[n] ^= (uint8_t)(1 << bit);
			arena_init(&a, memory, sizeof(memory));
			if (manifest_decode(&m, bad, size, &a, &e) < 0)
				continue;
			assert_int_equal(
				encode(&manifest_schema, &m, again, 4096),
				size);
			assert_memory_equal(bad, again, size);
		}
	}
	memcpy(bad, bytes, size);
	bad[size] = 0;
	arena_init(&a, memory, sizeof(memory));
	assert_int_equal(manifest_decode(&m, bad, size + 1, &a, &e), -EBADMSG);
	arena_init(&a, memory, 64);
	assert_int_equal(manifest_decode(&m, bytes, size, &a, &e), -ENOMEM);
}

static struct config host_config(const char **args, size_t args_count,
	const char **env, size_t env_count)
{
	return (struct config){
		.version = CONFIG_VERSION,
		.program = "/usr/bin/redis-server",
		.args = {args, args_count},
		.env = {env, env_count},
		.workdir = "/evil",
		.hostname = "evil",
		.uid = 1000,
		.gid = 1000,
	};
}

static void test_config_round_trip(void **state)
{
	static uint8_t bytes[4096];
	const char *args[] = {"x", "a\xff", ""}, *env[] = {"A=1", "B="};
	struct mount_spec mount = {
		.type = MOUNT_HOST, .source = "/", .target = "/"};
	struct config c = host_config(args, 3, env, 2), d;
	struct arena a;
	struct err e;
	size_t size;

	c.mounts = (struct item_list){&mount, 1};
	size = encode(&config_schema, &c, bytes, sizeof(bytes));
	arena_init(&a, memory, sizeof(memory));
	assert_int_equal(config_decode(&d, bytes, size, &a, &e), 0);
	assert_string_equal(d.args.item[1], "a\xff");
	assert_int_equal(d.manifest.size, 0);
	env[1] = "NOEQUALS";
	size = encode(&config_schema, &c, bytes, sizeof(bytes));
	assert_int_equal(config_decode(&d, bytes, size, &a, &e), -EINVAL);
	env[1] = "B=";
	mount.source = NULL;
	size = encode(&config_schema, &c, bytes, sizeof(bytes));
	assert_int_equal(config_decode(&d, bytes, size, &a, &e), -EINVAL);
}

static void test_admit(void **state)
{
	const char *args[] = {"redis", "--loglevel", "debug"};
	const char *env[] = {"TERM=xterm", "LC_ALL=C", "LD_PRELOAD=/x.so",
		"A=host", "TERMINAL=no"};
	struct manifest m;
	struct config c;
	struct arena a;
	struct err e;

	arena_init(&a, memory, sizeof(memory));
	assert_int_equal(from_yaml(full, &m, &a, &e), 0);
	c = host_config(args, 3, env, 5);
	assert_int_equal(config_admit(&c, &m, 256 << 20, 2, &a, &e), 0);
	assert_int_equal(c.args.count, 7);
	assert_string_equal(c.args.item[0], "/usr/bin/redis-server");
	assert_string_equal(c.args.item[5], "--loglevel");
	assert_int_equal(c.env.count, 5);
	assert_string_equal(c.env.item[0], "A=1");
	assert_string_equal(c.env.item[3], "TERM=xterm");
	assert_string_equal(c.env.item[4], "LC_ALL=C");
	assert_string_equal(c.workdir, "/var/lib/redis");
	assert_string_equal(c.hostname, "db");
	assert_true(c.network && c.threads == 100);
	assert_int_equal(c.mounts.count, 4);

	m.args.host = MANIFEST_ARGS_REPLACE;
	c = host_config(args, 3, env, 0);
	assert_int_equal(config_admit(&c, &m, 1, 1, &a, &e), 0);
	assert_int_equal(c.args.count, 3);
	c = host_config(args, 1, env, 0);
	assert_int_equal(config_admit(&c, &m, 1, 1, &a, &e), 0);
	assert_int_equal(c.args.count, 5);

	m.args.host = MANIFEST_ARGS_NONE;
	c = host_config(args, 3, env, 0);
	assert_int_equal(config_admit(&c, &m, 1, 1, &a, &e), -EPERM);
	c = host_config(args, 1, env, 0);
	assert_int_equal(config_admit(&c, &m, 1, 1, &a, &e), 0);
	c = host_config(args, 1, env, 0);
	assert_int_equal(config_admit(&c, &m, 513 << 20, 1, &a, &e), -EPERM);
	c = host_config(args, 1, env, 0);
	assert_int_equal(config_admit(&c, &m, 1, 3, &a, &e), -EPERM);
	assert_string_equal(
		e.text, "cpus: 3; the manifest admits at most 2 (limits.cpus)");
	c = host_config(args, 1, env, 0);
	c.program = "/bin/sh";
	assert_int_equal(config_admit(&c, &m, 1, 1, &a, &e), -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_same_meaning),
		cmocka_unit_test(test_bad_yaml),
		cmocka_unit_test(test_bad_cbor),
		cmocka_unit_test(test_config_round_trip),
		cmocka_unit_test(test_admit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delivery: what a session becomes for the kernel, decoded as the kernel does
 * and compared; and what cannot be delivered, by name.
 */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cas/deliver.h"
#include "lib/bytes.h"
#include "lib/fmt.h"
#include "lib/string.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static bool has_tag, lent;
static int volume_error;

static int lookup(void *arg, const char *name, const char *format,
	struct buf *out, struct err *e)
{
	if (strcmp(name, "nul") == 0) {
		buf_add(out, "a\0b", 3);
		return 0;
	}
	if (strcmp(name, "gone") == 0)
		return err_setf(e, -EPERM, "gone: no longer exported");
	if (strcmp(name, "hexkey") == 0)
		buf_text(out, HASH);
	else if (strcmp(name, "sneaky") == 0)
		buf_text(out, "$$SCONE::pw$$ @@1");
	else
		buf_format(out, "<%s:%s>", name, format);
	return 0;
}

static int volume(void *arg, const struct session_volume *v,
	struct deliver_volume *out, struct err *e)
{
	if (volume_error)
		return err_setf(e, volume_error, "volume %s", v->name);
	*out = (struct deliver_volume){.has_tag = has_tag, .read_only = lent};
	memset(out->key, 0x4b, sizeof(out->key));
	memset(out->tag, 0x7a, sizeof(out->tag));
	return 0;
}

/* ---- what came ---- */

static struct buf out;
static uint8_t memory[1 << 22], manifest_memory[1 << 22];
static struct service_config config;
static struct manifest m;
static struct err e;

static const char *hosts[] = {"one", "two"};

static int deliver_session(const struct session *s, const char *service)
{
	const struct text_list host = {hosts, 2};
	struct deliver_input in = {
		.session = s,
		.service = session_service(s, service),
		.host_args = &host,
		.lookup = lookup,
		.volume = volume,
	};
	struct arena a;
	int ret;

	assert_non_null(in.service);
	buf_fini(&out);
	e = (struct err){0};
	ret = deliver(&in, &out, &e);
	if (ret < 0)
		return ret;
	assert_true(out.secret);
	arena_init(&a, memory, sizeof(memory));
	if (service_config_decode(&config, out.data, out.size, &a, &e) < 0)
		fail_msg("%s", e.text);
	arena_init(&a, manifest_memory, sizeof(manifest_memory));
	if (manifest_decode(
		    &m, config.manifest.data, config.manifest.size, &a, &e) < 0)
		fail_msg("%s", e.text);
	if (service_config_match(&config, &m, &e) < 0)
		fail_msg("%s", e.text);
	return 0;
}

static int deliver_yaml(const char *yaml, const char *service)
{
	struct session *s;
	int ret;

	if (session_parse("t", yaml, strlen(yaml), &s, &e) < 0)
		fail_msg("%s", e.text);
	ret = deliver_session(s, service);
	session_free(s);
	return ret;
}

/* ---- all of 1.0 ---- */

static const char full[] =
	"name: shop/db\n"
	"version: \"1.0\"\n"
	"services:\n"
	"  - name: db\n"
	"    image_name: img\n"
	"    command: [/usr/sbin/db, \"--pw=$$SCONE::pw$$\", \"@@2\", plain]\n"
	"    environment: {TZ: UTC, PW: \"$$SCONE::pw:hex$$\", AT: \"@@1\"}\n"
	"    pwd: /srv\n"
	"    hostname: dbhost\n"
	"    network: false\n"
	"    signals: [TERM]\n"
	"    limits: {memory: 64m, threads: 9}\n"
	"    attestation: {mrenclave: " HASH "}\n"
	"secrets:\n"
	"  - {name: pw, kind: ascii}\n"
	"  - {name: sneaky, kind: ascii}\n"
	"volumes:\n"
	"  - name: data\n"
	"  - name: scratch\n"
	"  - name: loose\n"
	"images:\n"
	"  - name: img\n"
	"    root: " HASH "\n"
	"    volumes:\n"
	"      - {name: data, path: /data}\n"
	"      - {name: scratch, path: /scratch, update_policy: ephemeral}\n"
	"      - {name: loose, path: /loose, "
	"update_policy: no_rollback_protection}\n"
	"    mounts:\n"
	"      - {type: proc, target: /proc}\n"
	"      - {type: tmpfs, target: /run, size: 1m}\n"
	"    injection_files:\n"
	"      - {path: /etc/a, permission: 0o640, content: "
	"\"x=$$SCONE::pw$$ $$SCONE::sneaky$$\"}\n"
	"      - {path: /etc/b, content: \"\"}\n"
	"      - {path: /etc/c.conf, permission: 0o644}\n";

/* Everything that the kernel sees, as text. */
static void show(struct buf *b)
{
	const struct volume_spec *v = m.volumes.item;
	const struct mount_spec *t = m.mounts.item;
	const struct service_file *f = config.files.item;

	buf_format(b, "program %s\nworkdir %s\nhostname %s\nnetwork %d\n",
		m.program, m.workdir, m.hostname, m.network);
	buf_format(b, "signals %llx\nmemory %llu threads %llu\n",
		(unsigned long long)m.signals,
		(unsigned long long)m.limits.memory,
		(unsigned long long)m.limits.threads);
	buf_format(b, "host args %llu\n", (unsigned long long)m.args.host);
	for (size_t i = 0; i < m.args.list.count; i++)
		buf_format(b, "arg %s\n", m.args.list.item[i]);
	for (size_t i = 0; i < m.env.set.count; i++)
		buf_format(b, "env %s=%s\n", m.env.set.item[i].key,
			m.env.set.item[i].value);
	for (size_t i = 0; i < m.env.pass.count; i++)
		buf_format(b, "pass %s\n", m.env.pass.item[i]);
	for (size_t i = 0; i < m.mounts.count; i++)
		buf_format(b, "mount %llu %s %llu\n",
			(unsigned long long)t[i].type, t[i].target,
			(unsigned long long)t[i].size);
	for (size_t i = 0; i < m.volumes.count; i++) {
		const struct service_volume *s = service_volume_find(
			&config, v[i].name);

		buf_format(b, "volume %s %s%s key %llu policy %llu %.4s",
			v[i].name, v[i].path, v[i].ro ? " ro" : "",
			(unsigned long long)v[i].key,
			(unsigned long long)v[i].tag_policy,
			v[i].image ? v[i].image : "-");
		if (s)
			buf_format(b, " %02x %zu", s->key.data[0], s->tag.size);
		buf_text(b, "\n");
	}
	for (size_t i = 0; i < config.files.count; i++)
		buf_format(b, "%s %s %llo '%.*s'\n",
			f[i].template ? "template" : "file", f[i].path,
			(unsigned long long)f[i].mode, (int)f[i].data.size,
			f[i].data.size ? (const char *)f[i].data.data : "");
}

static void test_full(void **state)
{
	static const char golden[] =
		"program /usr/sbin/db\n"
		"workdir /srv\n"
		"hostname dbhost\n"
		"network 0\n"
		"signals 4000\n"
		"memory 67108864 threads 9\n"
		"host args 0\n"
		"arg --pw=<pw:>\n"
		"arg two\n"
		"arg plain\n"
		"env AT=@@1\n"
		"env PW=<pw:hex>\n"
		"env TZ=UTC\n"
		"mount 2 /proc 0\n"
		"mount 1 /run 1048576\n"
		"volume root / key 1 policy 0 0123 00 0\n"
		"volume data /data key 1 policy 0 - 4b 32\n"
		"volume loose /loose key 1 policy 2 - 4b 32\n"
		"volume scratch /scratch key 0 policy 1 -\n"
		"file /etc/a 640 'x=<pw:> $$SCONE::pw$$ @@1'\n"
		"file /etc/b 700 ''\n"
		/* The image's, which CAS does not see. */
		"template /etc/c.conf 644 ''\n";
	struct buf b = {0};

	has_tag = true;
	assert_int_equal(deliver_yaml(full, "db"), 0);
	show(&b);
	assert_string_equal((char *)b.data, golden);
	buf_fini(&b);
	/* A new volume has no tag. */
	has_tag = false;
	assert_int_equal(deliver_yaml(full, "db"), 0);
	assert_int_equal(service_volume_find(&config, "data")->tag.size, 0);
	/* Another session's, to be read only. */
	lent = true;
	assert_int_equal(deliver_yaml(full, "db"), 0);
	assert_true(((struct volume_spec *)m.volumes.item)[1].ro);
	lent = false;
}

/* Equal sessions give equal bytes. */
static void test_canonical(void **state)
{
	struct buf first = {0};

	assert_int_equal(deliver_yaml(full, "db"), 0);
	buf_add(&first, out.data, out.size);
	assert_int_equal(deliver_yaml(full, "db"), 0);
	assert_int_equal(first.size, out.size);
	assert_memory_equal(first.data, out.data, out.size);
	buf_fini(&first);
}

/* ---- 0.3 ---- */

#define OLD_HEAD                                    \
	"name: t\nversion: \"0.3.11\"\nservices:\n" \
	"  - name: s\n    attestation: {mrenclave: " HASH "}\n"

static void test_old(void **state)
{
	const struct mount_spec *t;

	assert_int_equal(deliver_yaml(OLD_HEAD
				 "    command: /bin/x -a \"b c\" @@1\n"
				 "    environment: {\"@@HOSTNAME\": ignored}\n"
				 "    fspf_path: /\n"
				 "    fspf_tag: " HASH "\n"
				 "    fspf_key: " HASH "\n",
				 "s"),
		0);
	assert_string_equal(m.program, "/bin/x");
	assert_int_equal(m.args.list.count, 3);
	assert_string_equal(m.args.list.item[1], "b c");
	assert_string_equal(m.args.list.item[2], "one");
	assert_int_equal(m.env.pass.count, 0);
	assert_int_equal(m.env.set.count, 0);
	assert_string_equal(m.workdir, "/");
	assert_true(m.network);
	assert_int_equal(m.signals, manifest_default_signals);
	t = m.mounts.item;
	assert_int_equal(m.mounts.count, 3);
	assert_string_equal(t[0].target, "/proc");
	assert_string_equal(t[1].target, "/dev");
	assert_string_equal(t[2].target, "/tmp");
	/* An encrypted image comes with its key. */
	assert_int_equal(
		service_volume_find(&config, "root")->key.data[1], 0x23);
}

/* The published examples, made to start here: their root's hash is added. */
static void test_examples(void **state)
{
	static const struct {
		const char *file, *service, *program;
	} rows[] = {
		{"locked-db.yaml", "mariadb", "/usr/sbin/mariadbd"},
		{"everything.yaml", NULL, NULL},
		{"rules-user.yaml", NULL, NULL},
		{"edge-web.yaml", "front", "/usr/sbin/nginx"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char path[512], *text = calloc(1, 1 << 16);
		struct session_service *service;
		struct session_image *image;
		struct session *s;
		FILE *f;

		snprintf(path, sizeof(path), "%s/%s", POLICIES, rows[i].file);
		f = fopen(path, "r");
		assert_non_null(f);
		assert_true(fread(text, 1, (1 << 16) - 1, f) > 0);
		fclose(f);
		if (session_parse(path, text, strlen(text), &s, &e) < 0)
			fail_msg("%s", e.text);
		free(text);
		service = s->services.item;
		image = service->image_name ? (void *)(uintptr_t)session_image(
						      s, service->image_name)
					    : NULL;
		if (!service->fspf_tag && !(image && image->root)) {
			/* As it stands, it says what is missing. */
			assert_int_equal(
				deliver_session(s, service->name), -EINVAL);
			assert_non_null(strstr(e.text, "no root file system"));
			assert_non_null(strstr(e.text, "fspf_tag"));
			service->fspf_tag = HASH;
		}
		if (deliver_session(s, service->name) < 0)
			fail_msg("%s: %s", rows[i].file, e.text);
		if (rows[i].program)
			assert_string_equal(m.program, rows[i].program);
		session_free(s);
	}
}

/* ---- what cannot be delivered ---- */

#define NEW(rest, image)                                                  \
	"name: t\nversion: \"1.0\"\nservices:\n"                          \
	"  - name: s\n    image_name: i\n"                                \
	"    attestation: {mrenclave: " HASH "}\n" rest                   \
	"secrets: [{name: nul, kind: ascii}, {name: gone, kind: ascii}, " \
	"{name: pw, kind: ascii}]\n"                                      \
	"volumes: [{name: v}, {name: root}]\n"                            \
	"images:\n  - name: i\n" image

static void test_refused(void **state)
{
	static const struct {
		const char *yaml;
		int status;
		const char *text;
	} rows[] = {
		{NEW("    command: [x]\n", "    root: " HASH "\n"), -EINVAL,
			"absolute path"},
		{NEW("    command: [/x, \"@@3\"]\n", "    root: " HASH "\n"),
			-EINVAL, "command[1]"},
		{NEW("    command: [/x, $$SCONE::nul$$]\n",
			 "    root: " HASH "\n"),
			-EINVAL, "zero byte"},
		{NEW("    command: [/x, $$SCONE::gone$$]\n",
			 "    root: " HASH "\n"),
			-EPERM, "no longer exported"},
		{NEW("    command: [/x]\n    environment: {A: "
		     "$$SCONE::nul$$}\n",
			 "    root: " HASH "\n"),
			-EINVAL, "environment[0]"},
		{NEW("    command: [/x]\n", "    volumes: []\n"), -EINVAL,
			"no root file system"},
		{NEW("    command: [/x]\n",
			 "    root: " HASH
			 "\n    volumes: [{name: root, path: /r}]\n"),
			-EINVAL, "name of the root image"},
		{NEW("    command: [/x]\n",
			 "    root: " HASH "\n    injection_files: [{path: "
			 "/etc/f, content: $$SCONE::gone$$}]\n"),
			-EPERM, "/etc/f"},
		{NEW("    command: [/x]\n",
			 "    root: " HASH
			 "\n    volumes: [{name: v, path: /}]\n"),
			-EINVAL, "twice"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int ret = deliver_yaml(rows[i].yaml, "s");

		if (ret != rows[i].status || !strstr(e.text, rows[i].text))
			fail_msg("row %zu: %d %s", i, ret, e.text);
		/* Nothing half-made is left for anybody. */
		assert_int_equal(out.size, 0);
	}
	volume_error = -EPERM;
	assert_int_equal(deliver_yaml(full, "db"), -EPERM);
	volume_error = 0;
}

static int tear_down(void **state)
{
	buf_fini(&out);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_canonical),
		cmocka_unit_test(test_old),
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests_name("deliver", tests, NULL, tear_down);
}

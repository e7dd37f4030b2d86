/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /dev/sconce, pushes of tags and injected files, through the kernel's file
 * system code. What mounts and volumes do is tested elsewhere: boot_apply()
 * here makes a file tree of the kinds of file systems there are.
 */
#define _GNU_SOURCE
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "abi/service.h"
#include "kernel/boot.h"
#include "kernel/file.h"
#include "kernel/poll.h"
#include "kernel/process.h"
#include "kernel/service.h"
#include "kernel/sys.h"
#include "kernel/syscall_fs.h"
#include "kernel/vfs.h"
#include "kernel/volfs.h"
#include "lib/config.h"
#include "lib/schema_encode.h"
#include "lib/service.h"
#include "test/unit/wait_env.h"

static struct process other = {.pid = 43};
static struct config applied;
static int apply_error, finish_error, writers;
static char host_dir[] = "/tmp/test_servicefs.XXXXXX";

/* ---- the rest of the kernel ---- */

uint64_t boot_memory(void)
{
	return 64 << 20;
}

int boot_apply(const struct config *c, struct err *e)
{
	applied = *c;
	if (apply_error)
		return err_setf(e, apply_error, "volume data: says no");
	vfs_init();
	if (vfs_mount("tmpfs", NULL, "/", false, 0) ||
		vfs_mount("host", host_dir, "/host", false, 0) ||
		vfs_mount("host", host_dir, "/image", true, 0))
		return -EIO;
	return 0;
}

void volfs_start_writer(void)
{
	writers++;
}

int volfs_finish(void)
{
	return finish_error;
}

/* ---- process 1 ---- */

static void begin(void)
{
	static bool begun;
	static const char *args[] = {"x", "arg"};
	static const char *cas[] = {"127.0.0.1:1"};
	struct manifest m = {.cas = {"k", "a/b", NULL},
		.workdir = "/",
		.hostname = "sconce"};
	struct config c = {.args = {args, 2}, .cas_addresses = {cas, 1}};
	struct err e = {0};
	struct mount_spec *mounts;

	wait_env_init();
	init_process = &env_process;
	if (begun)
		return;
	begun = true;
	assert_non_null(mkdtemp(host_dir));
	assert_false(service_is_on());
	assert_int_equal(service_prepare(&c, &m, &e), 0);
	assert_true(service_is_on());
	/* init-cas KEY SESSION TOKEN ADDRESS -- HOSTARG */
	assert_null(c.program);
	assert_int_equal(c.args.count, 7);
	assert_string_equal(c.args.item[0], "init-cas");
	assert_string_equal(c.args.item[1], "k");
	assert_string_equal(c.args.item[2], "a/b");
	assert_string_equal(c.args.item[3], "");
	assert_string_equal(c.args.item[4], "127.0.0.1:1");
	assert_string_equal(c.args.item[5], "--");
	assert_string_equal(c.args.item[6], "arg");
	/* Nothing of the host's: no files, no environment, no rights. */
	assert_int_equal(c.env.count, 0);
	assert_int_equal(c.volumes.count, 0);
	assert_int_equal(c.attestation, 0);
	assert_false(c.network);
	mounts = c.mounts.item;
	for (size_t i = 0; i < c.mounts.count; i++) {
		assert_null(mounts[i].source);
		assert_int_not_equal(mounts[i].type, MOUNT_HOST);
	}
	assert_int_equal(vfs_mount("tmpfs", NULL, "/", false, 0), 0);
	assert_int_equal(vfs_mount("dev", NULL, "/dev", false, 0), 0);
	assert_int_equal(vfs_mount("sconce", NULL, "/dev/sconce", false, 0), 0);
	env_process.fs = fs_ctx_new();
}

static int setup(void **state)
{
	begin();
	return 0;
}

static int teardown(void **state)
{
	return wait_env_fini() ? 0 : -1;
}

static int64_t open_path(const char *path, int flags)
{
	return CALL(openat, ENV_CWD, P(path), (uint64_t)flags, 0600);
}

static int64_t read_fd(int64_t fd, void *buf, size_t size)
{
	return CALL(read, (uint64_t)fd, P(buf), size);
}

static int64_t write_fd(int64_t fd, const void *buf, size_t size)
{
	return CALL(write, (uint64_t)fd, P(buf), size);
}

/* ---- who may ---- */

static const char *const devices[] = {
	SERVICE_CONFIGURE, SERVICE_TAGS, SERVICE_SECRETS, SERVICE_FINISH};

static void test_only_process_1(void **state)
{
	uint8_t buf[200] = {0};

	for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
		int64_t fd = open_path(devices[i], O_RDWR);

		assert_true(fd >= 0);
		/* Somebody who got hold of the descriptor. */
		init_process = &other;
		assert_int_equal(open_path(devices[i], O_RDWR), -EACCES);
		assert_int_equal(open_path(devices[i], O_RDONLY), -EACCES);
		assert_int_equal(open_path(devices[i], O_WRONLY), -EACCES);
		assert_int_equal(write_fd(fd, buf, 24), -EACCES);
		assert_true(read_fd(fd, buf, sizeof(buf)) < 0);
		init_process = &env_process;
		fd_close((int)fd);
	}
}

/* ---- tags ---- */

static const uint8_t tag1[32] = {1}, tag2[32] = {2};
static int pushed[3];

static void push(void *arg)
{
	int i = (int)(intptr_t)arg;

	pushed[i] = service_tag_push(
		i == 0 ? "data" : "log", tag1, tag2, i == 1);
}

static void test_tags(void **state)
{
	struct service_tag_request r[3];
	struct service_tag_reply a;
	int64_t fd = open_path(SERVICE_TAGS, O_RDWR | O_NONBLOCK);
	struct file *f = fd_get((int)fd);

	assert_int_equal(read_fd(fd, r, sizeof(r)), -EAGAIN);
	assert_int_equal(f->ops->poll(f, NULL) & POLLIN, 0);
	pushed[0] = pushed[1] = 1;
	wait_env_thread(push, (void *)0);
	wait_env_thread(push, (void *)1);
	wait_env_yield();
	assert_int_equal(f->ops->poll(f, NULL) & POLLIN, POLLIN);
	assert_int_equal(read_fd(fd, r, sizeof(*r) - 1), -EINVAL);
	/* A reply before the request was read is no reply to it. */
	a = (struct service_tag_reply){1, 0};
	assert_int_equal(write_fd(fd, &a, sizeof(a)), -ENOENT);
	assert_int_equal(read_fd(fd, r, sizeof(r)), 2 * sizeof(*r));
	assert_string_equal(r[0].volume, "data");
	assert_string_equal(r[1].volume, "log");
	assert_true(r[0].durable == 0 && r[1].durable == 1);
	assert_memory_equal(r[0].from, tag1, 32);
	assert_memory_equal(r[0].to, tag2, 32);
	assert_int_equal(read_fd(fd, r + 2, sizeof(*r)), -EAGAIN);
	/* In any order; once each; an errno or nothing. */
	a = (struct service_tag_reply){r[1].id, 5};
	assert_int_equal(write_fd(fd, &a, sizeof(a)), -EINVAL);
	a = (struct service_tag_reply){r[1].id, -ESTALE};
	assert_int_equal(write_fd(fd, &a, sizeof(a) - 1), -EINVAL);
	assert_int_equal(write_fd(fd, &a, sizeof(a)), sizeof(a));
	wait_env_yield();
	assert_int_equal(pushed[1], -ESTALE);
	assert_int_equal(pushed[0], 1);
	assert_int_equal(write_fd(fd, &a, sizeof(a)), -ENOENT);
	a = (struct service_tag_reply){r[0].id, 0};
	/* Not from another process, though it has the descriptor. */
	init_process = &other;
	assert_int_equal(write_fd(fd, &a, sizeof(a)), -EACCES);
	init_process = &env_process;
	wait_env_yield();
	assert_int_equal(pushed[0], 1);
	assert_int_equal(write_fd(fd, &a, sizeof(a)), sizeof(a));
	wait_env_yield();
	assert_int_equal(pushed[0], 0);
	file_put(f);
	fd_close((int)fd);
}

static void read_one(void *arg)
{
	struct service_tag_request *r = arg;
	int64_t fd = open_path(SERVICE_TAGS, O_RDWR);
	struct service_tag_reply a;

	assert_int_equal(read_fd(fd, r, 2 * sizeof(*r)), sizeof(*r));
	a = (struct service_tag_reply){r->id, 0};
	assert_int_equal(write_fd(fd, &a, sizeof(a)), sizeof(a));
	fd_close((int)fd);
}

/* A reader that waits is woken by the push, and the pusher by the reply. */
static void test_tags_block(void **state)
{
	struct service_tag_request r[2];

	wait_env_thread(read_one, r);
	wait_env_yield();
	assert_int_equal(service_tag_push("data", tag1, tag2, true), 0);
	assert_string_equal(r[0].volume, "data");
}

static void test_tags_init_ends(void **state)
{
	char name[100];

	pushed[2] = 1;
	wait_env_thread(push, (void *)2);
	wait_env_yield();
	assert_int_equal(pushed[2], 1);
	env_process.exiting = true;
	service_tags_end();
	wait_env_yield();
	assert_int_equal(pushed[2], -EIO);
	assert_int_equal(service_tag_push("data", tag1, tag2, true), -EIO);
	env_process.exiting = false;
	memset(name, 'x', sizeof(name));
	name[99] = '\0';
	assert_int_equal(
		service_tag_push(name, tag1, tag2, true), -ENAMETOOLONG);
}

/* ---- values ---- */

static struct {
	struct service_secret_request r;
	char value[SERVICE_SECRET_MAX];
} question;
static char got[100];
static size_t got_size;
static int asked;

static void get_one(void *arg)
{
	uint8_t *value;

	asked = service_secret_get(arg, &value, &got_size);
	if (asked == 0) {
		memcpy(got, value, got_size);
		free(value);
	}
}

static void put_one(void *arg)
{
	asked = service_secret_put(arg, (const uint8_t *)"new", 3);
}

static int64_t reply_to(int64_t fd, uint64_t id, int64_t status, size_t size)
{
	struct {
		struct service_secret_reply r;
		char value[16];
	} a = {{id, status, size}, "geheim"};

	return write_fd(fd, &a, sizeof(a.r) + size);
}

static void test_secrets(void **state)
{
	int64_t fd = open_path(SERVICE_SECRETS, O_RDWR | O_NONBLOCK);
	struct file *f = fd_get((int)fd);
	char name[SERVICE_SECRET_NAME + 1];
	struct service_secret_reply lie = {0, 0, 100};

	assert_int_equal(read_fd(fd, &question, sizeof(question)), -EAGAIN);
	assert_int_equal(f->ops->poll(f, NULL) & POLLIN, 0);
	asked = 1;
	wait_env_thread(get_one, (void *)(uintptr_t) "pw:hex");
	wait_env_yield();
	assert_int_equal(f->ops->poll(f, NULL) & POLLIN, POLLIN);
	/* Room for the largest value is wanted always. */
	assert_int_equal(read_fd(fd, &question, sizeof(question) - 1), -EINVAL);
	/* Not before it was read. */
	assert_int_equal(reply_to(fd, 1, 0, 6), -ENOENT);
	assert_int_equal(
		read_fd(fd, &question, sizeof(question)), sizeof(question.r));
	assert_string_equal(question.r.name, "pw:hex");
	assert_true(question.r.put == 0 && question.r.size == 0);
	lie.id = question.r.id;
	assert_int_equal(write_fd(fd, &lie, sizeof(lie)), -EINVAL);
	assert_int_equal(reply_to(fd, question.r.id, 1, 0), -EINVAL);
	assert_int_equal(reply_to(fd, question.r.id + 1, 0, 6), -ENOENT);
	assert_int_equal(asked, 1);
	assert_int_equal(reply_to(fd, question.r.id, 0, 6), 24 + 6);
	wait_env_yield();
	assert_int_equal(asked, 0);
	assert_int_equal(got_size, 6);
	assert_memory_equal(got, "geheim", 6);
	assert_int_equal(reply_to(fd, question.r.id, 0, 6), -ENOENT);
	/* To be put, and refused. */
	asked = 1;
	wait_env_thread(put_one, (void *)(uintptr_t) "pw");
	wait_env_yield();
	assert_int_equal(read_fd(fd, &question, sizeof(question)),
		sizeof(question.r) + 3);
	assert_true(question.r.put == 1 && question.r.size == 3);
	assert_memory_equal(question.value, "new", 3);
	assert_int_equal(reply_to(fd, question.r.id, -EACCES, 0), 24);
	wait_env_yield();
	assert_int_equal(asked, -EACCES);
	memset(name, 'x', sizeof(name));
	name[SERVICE_SECRET_NAME] = '\0';
	assert_int_equal(service_secret_put(name, NULL, 0), -ENOMEM);
	file_put(f);
	fd_close((int)fd);
}

static void test_secrets_init_ends(void **state)
{
	asked = 1;
	wait_env_thread(get_one, (void *)(uintptr_t) "pw");
	wait_env_yield();
	assert_int_equal(asked, 1);
	env_process.exiting = true;
	service_tags_end();
	wait_env_yield();
	assert_int_equal(asked, -EIO);
	env_process.exiting = false;
}

/* ---- the configuration ---- */

static uint8_t bytes[1 << 16], manifest_bytes[1 << 14];

static size_t encode(
	const struct schema *s, const void *object, void *buf, size_t size)
{
	struct cbor_writer w;

	cbor_writer_init(&w, buf, size);
	schema_encode(s, object, &w);
	assert_int_equal(cbor_writer_check(&w), 0);
	return w.len;
}

static size_t make_config(struct service_file *files, size_t count)
{
	static struct text_pair set[] = {{"PASSWORD", "geheim"}};
	struct manifest m = *(const struct manifest *)manifest_schema.defaults;
	struct service_config c = {.version = 1, .files = {files, count}};

	m.version = 1;
	m.program = "/bin/db";
	m.workdir = "/host";
	m.args.host = MANIFEST_ARGS_APPEND; /* no way past CAS for them */
	m.env.set = (struct text_map){set, 1};
	m.limits.threads = 7;
	c.manifest = (struct bytes){manifest_bytes,
		encode(&manifest_schema, &m, manifest_bytes,
			sizeof(manifest_bytes))};
	return encode(&service_config_schema, &c, bytes, sizeof(bytes));
}

/* As if process 1 wrote it; what init is told in answer[]. */
static char answer[4096];

static int configure(size_t size)
{
	uint8_t *out = NULL;
	size_t out_size = 0;
	int ret = service_configure(bytes, size, &out, &out_size);

	assert_non_null(out);
	assert_true(out_size <= sizeof(answer));
	memcpy(answer, out, out_size);
	free(out);
	return ret;
}

static const char *answer_text(void)
{
	return answer + sizeof(struct service_answer);
}

static void test_bad_config(void **state)
{
	struct service_answer head;
	size_t size = make_config(NULL, 0);

	assert_true(configure(size - 1) < 0);
	memcpy(&head, answer, sizeof(head));
	assert_true(head.status != 0 && head.argc == 0 && head.envc == 0);
	assert_non_null(strstr(answer_text(), "service_config"));
	apply_error = -ESTALE;
	assert_int_equal(configure(size), -ESTALE);
	memcpy(&head, answer, sizeof(head));
	assert_int_equal(head.status, ESTALE);
	assert_string_equal(answer_text(), "volume data: says no");
	apply_error = 0;
	assert_int_equal(writers, 0);
}

static void to_host(const char *name, const char *text)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", host_dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* What a child of process 1 reads there, or the error. */
static const char *seen(const char *path)
{
	static char text[200];
	struct fs_ctx *own = env_process.fs;
	int64_t fd, n;

	env_process.fs = service_fs_of(&env_process);
	fd = open_path(path, O_RDONLY);
	n = fd < 0 ? fd : read_fd(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		fd_close((int)fd);
	env_process.fs = own;
	if (n < 0)
		snprintf(text, sizeof(text), "error %d", (int)-n);
	else
		text[n] = '\0';
	return text;
}

struct dirent64 {
	uint64_t ino, off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Its names, sorted, read in pieces. */
static const char *listed(const char *path)
{
	static char text[400];
	static uint8_t buf[16][64];
	char *names[32];
	size_t count = 0, pieces = 0;
	struct fs_ctx *own = env_process.fs;
	int64_t fd, n;

	env_process.fs = service_fs_of(&env_process);
	fd = open_path(path, O_RDONLY | O_DIRECTORY);
	assert_true(fd >= 0);
	while ((n = CALL(getdents64, (uint64_t)fd, P(buf[pieces]),
			sizeof(buf[0]))) > 0) {
		for (int64_t at = 0; at < n;) {
			struct dirent64 *d = (void *)&buf[pieces][at];

			names[count++] = d->name;
			at += d->reclen;
		}
		assert_true(++pieces < ARRAY_SIZE(buf));
	}
	assert_int_equal(n, 0);
	/* Also when it begins anew. */
	assert_int_equal(CALL(lseek, (uint64_t)fd, 0, SEEK_SET), 0);
	assert_true(CALL(getdents64, (uint64_t)fd, P(text), sizeof(text)) > 0);
	fd_close((int)fd);
	env_process.fs = own;
	qsort(names, count, sizeof(*names), by_text);
	text[0] = '\0';
	for (size_t i = 0; i < count; i++)
		strcat(strcat(text, names[i]), " ");
	return text;
}

#define DATA(text)                                        \
	{                                                 \
		(const uint8_t *)(text), sizeof(text) - 1 \
	}

static void check_host_is_unchanged(void)
{
	char command[200];

	snprintf(command, sizeof(command),
		"test \"$(cd %s && ls -A)\" = plain && "
		"! grep -r geheim %s",
		host_dir, host_dir);
	assert_int_equal(system(command), 0);
}

static void test_configure(void **state)
{
	struct service_file files[] = {
		{DATA("geheim 1"), 0600, "/etc/deep/er/key", false},
		{DATA("geheim 2"), 0644, "/host/plain", false},
		{DATA("geheim 3"), 0444, "/host/new/dir/key", false},
		{DATA("geheim 4"), 0755, "/image/plain", false},
		{DATA("geheim 5"), 0400, "/image/none", false},
		{DATA(""), 0400, "/empty", false},
	};
	struct fs_ctx *own = env_process.fs;
	struct service_answer head;
	struct stat st;
	const char *p;
	int64_t fd;

	to_host("plain", "of the host");
	if (configure(make_config(files, ARRAY_SIZE(files))))
		fail_msg("%s", answer_text());
	/* Program, arguments, environment. */
	memcpy(&head, answer, sizeof(head));
	assert_true(head.status == 0 && head.argc == 1 && head.envc == 1);
	p = answer_text();
	assert_string_equal(p, "/bin/db");
	p += strlen(p) + 1;
	assert_string_equal(p, "/bin/db");
	p += strlen(p) + 1;
	assert_string_equal(p, "PASSWORD=geheim");
	assert_int_equal(applied.threads, 7);
	assert_int_equal(writers, 1);
	/* Files, each with its own contents. */
	assert_string_equal(seen("/etc/deep/er/key"), "geheim 1");
	assert_string_equal(seen("/host/plain"), "geheim 2");
	assert_string_equal(seen("plain"), "geheim 2"); /* working directory */
	assert_string_equal(seen("/host/new/dir/key"), "geheim 3");
	assert_string_equal(seen("/image/plain"), "geheim 4");
	assert_string_equal(seen("/image/none"), "geheim 5");
	/* Names that only we know are listed behind the host's. */
	assert_string_equal(listed("/image"), ". .. none plain ");
	assert_string_equal(listed("/host"), ". .. new plain ");
	assert_string_equal(listed("/host/new"), ". .. dir ");
	assert_string_equal(listed("/host/new/dir"), ". .. key ");
	assert_string_equal(seen("/empty"), "");
	/* Process 1 is where it was, and its devices are nowhere else. */
	assert_ptr_equal(env_process.fs, own);
	assert_string_equal(seen(SERVICE_TAGS), "error 2");
	assert_int_equal(open_path("/etc/deep/er/key", O_RDONLY), -ENOENT);
	check_host_is_unchanged();
	/* The service's children may change them; the host sees nothing. */
	env_process.fs = service_fs_of(&env_process);
	assert_int_equal(
		CALL(newfstatat, ENV_CWD, P("/host/plain"), P(&st), 0), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0644);
	fd = open_path("/host/plain", O_RDWR | O_TRUNC);
	assert_true(fd >= 0);
	assert_int_equal(write_fd(fd, "geheim", 6), 6);
	fd_close((int)fd);
	assert_string_equal(seen("/host/plain"), "geheim");
	assert_int_equal(CALL(unlinkat, ENV_CWD, P("/host/plain"), 0), -EBUSY);
	assert_int_equal(CALL(renameat2, ENV_CWD, P("/host/plain"), ENV_CWD,
				 P("/host/other"), 0),
		-EBUSY);
	assert_int_equal(CALL(linkat, ENV_CWD, P("/host/plain"), ENV_CWD,
				 P("/host/other"), 0),
		-EXDEV);
	env_process.fs = own;
	check_host_is_unchanged();
}

static void test_cannot_inject(void **state)
{
	struct service_file dir = {DATA("x"), 0600, "/host", false};
	struct service_file below = {DATA("x"), 0600, "/host/plain/x", false};

	assert_int_equal(configure(make_config(&dir, 1)), -EISDIR);
	assert_non_null(strstr(answer_text(), "injected file /host cannot"));
	assert_int_equal(configure(make_config(&below, 1)), -ENOTDIR);
}

/* Through the device: once, whatever came of it. */
static void test_device(void **state)
{
	struct service_answer head;
	static char text[4096];
	size_t size = make_config(NULL, 0);
	int64_t fd = open_path(SERVICE_CONFIGURE, O_RDWR), n, total = 0;

	assert_int_equal(read_fd(fd, text, sizeof(text)), 0);
	assert_int_equal(write_fd(fd, bytes, size), (int64_t)size);
	do {
		n = read_fd(fd, text + total, 11); /* in pieces */
		assert_true(n >= 0);
		total += n;
	} while (n > 0);
	memcpy(&head, text, sizeof(head));
	assert_int_equal(head.status, 0);
	assert_string_equal(text + sizeof(head), "/bin/db");
	assert_int_equal(write_fd(fd, bytes, size), -EALREADY);
	assert_int_equal(read_fd(fd, text, sizeof(text)), 0);
	fd_close((int)fd);
	fd = open_path(SERVICE_CONFIGURE, O_RDWR);
	assert_int_equal(write_fd(fd, bytes, size), -EALREADY);
	fd_close((int)fd);
	fd = open_path(SERVICE_FINISH, O_WRONLY);
	assert_int_equal(write_fd(fd, "1", 1), 1);
	finish_error = -EIO;
	assert_int_equal(write_fd(fd, "1", 1), -EIO);
	fd_close((int)fd);
}

static int cleanup(void **state)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -rf %s", host_dir);
	return system(command);
}

int main(void)
{
#define ONE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		ONE(test_only_process_1),
		ONE(test_tags),
		ONE(test_tags_block),
		ONE(test_tags_init_ends),
		ONE(test_secrets),
		ONE(test_secrets_init_ends),
		ONE(test_bad_config),
		ONE(test_configure),
		ONE(test_cannot_inject),
		ONE(test_device),
	};

	return cmocka_run_group_tests(tests, NULL, cleanup);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sconce cas image|manifest|start`: CAS in its enclave. The image is the
 * program with the libraries that it needs, sealed; the manifest names image,
 * witnesses and owner, so that CONFIGID does; all else is the operator's and
 * stands behind --host, where sconce-cas takes only what decides nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/child.h"
#include "cli/client.h"
#include "cli/write_file.h"
#include "host/files.h"
#include "lib/string.h"

#define RESTORE_NAME "cas-restore.db"
#define LOADER "/lib64/ld-linux-x86-64.so.2"

enum { TEXT_MAX = 1 << 16, COPY_BLOCK = 1 << 16, ARGS_MAX = 64 };

/* ---- the image ---- */

/* The folders of a path, each made if need be. */
static int make_folders(const char *path, struct err *e)
{
	static char part[2 * CAS_PATH_MAX];

	if (string_copy(part, sizeof(part), path))
		return err_setf(e, -ENAMETOOLONG, "%.80s...: too long", path);
	for (char *at = strchr(part + 1, '/'); at; at = strchr(at + 1, '/')) {
		*at = '\0';
		if (mkdir(part, 0755) && errno != EEXIST)
			return err_setf(
				e, -errno, "%s: %s", part, strerror(errno));
		*at = '/';
	}
	return 0;
}

static int copy_data(int from, int to)
{
	static char block[COPY_BLOCK];
	ssize_t n;

	while ((n = read(from, block, sizeof(block))) > 0)
		if (write(to, block, (size_t)n) != n)
			return -EIO;
	return n < 0 ? -errno : 0;
}

static int copy_file(
	const char *from, const char *root, const char *path, struct err *e)
{
	static char target[2 * CAS_PATH_MAX];
	int in, out, ret;

	snprintf(target, sizeof(target), "%s%s", root, path);
	ret = make_folders(target, e);
	if (ret)
		return ret;
	in = open(from, O_RDONLY | O_CLOEXEC);
	out = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	ret = in < 0 || out < 0 ? -errno : copy_data(in, out);
	if (in >= 0)
		close(in);
	if (out >= 0 && close(out) && !ret)
		ret = -errno;
	return ret
		? err_setf(e, ret, "%s to %s: %s", from, target, strerror(-ret))
		: 0;
}

/* Lines of the dynamic linker: "name => /path (address)", "/path (address)". */
static int copy_libraries(const char *program, const char *root, struct err *e)
{
	const char *argv[] = {"ld.so", "--list", program, NULL};
	struct child child;
	char *line, *rest;
	int ret = child_run(LOADER, argv, TEXT_MAX, false, &child, e);

	if (ret)
		return ret;
	if (child.status)
		ret = err_setf(e, -EIO, "%s: %s", program, child.why);
	rest = child.text;
	while (!ret && (line = strsep(&rest, "\n"))) {
		char *path = strchr(line, '/');

		if (!path)
			continue;
		path[strcspn(path, " ")] = '\0';
		ret = copy_file(path, root, path, e);
	}
	if (!ret)
		ret = copy_file(LOADER, root, LOADER, e);
	free(child.text);
	return ret;
}

static int fill_image(const char *root, struct err *e)
{
	static const char *const folders[] = {
		"/state/", "/collateral/", "/proc/", "/dev/", "/tmp/", "/etc/"};
	static struct bytes_file program;
	static char path[2 * CAS_PATH_MAX];
	int ret = files_load("sconce-cas", &program, e);

	if (ret)
		return ret;
	files_unload(&program);
	for (size_t i = 0; i < ARRAY_SIZE(folders) && !ret; i++) {
		snprintf(path, sizeof(path), "%s%s", root, folders[i]);
		ret = make_folders(path, e);
	}
	if (!ret)
		ret = copy_file(program.path, root, "/usr/bin/sconce-cas", e);
	if (!ret)
		ret = copy_libraries(program.path, root, e);
	return ret;
}

static int run_sconce(
	const char *const *argv, struct child *child, struct err *e)
{
	int ret = child_run("sconce", argv, TEXT_MAX, false, child, e);

	if (ret)
		return ret;
	if (!child->status)
		return 0;
	free(child->text);
	return err_setf(e, -EIO, "%s", child->why);
}

/* *hash: the 64 digits that name the image, and a NUL. */
static int make_image(const char *image, char hash[65], struct err *e)
{
	char root[] = "/tmp/sconce-cas-XXXXXX";
	const char *make[] = {"sconce", "image", root, image, NULL};
	const char *remove[] = {"rm", "-rf", root, NULL};
	struct child child = {0};
	int ret;

	if (!mkdtemp(root))
		return err_setf(e, -errno, "%s: %s", root, strerror(errno));
	ret = fill_image(root, e);
	if (!ret)
		ret = run_sconce(make, &child, e);
	if (!ret) {
		snprintf(hash, 65, "%.64s", child.text);
		free(child.text);
	}
	if (child_run("/bin/rm", remove, TEXT_MAX, true, &child, NULL) == 0)
		free(child.text);
	return ret;
}

/* The hash of an image stands beside it, for people; a wrong one is found by
 * the kernel. */
static int image_hash(const char *image, char hash[65], struct err *e)
{
	static char path[CAS_PATH_MAX + 8];
	struct buf text = {0};
	struct stat st;
	uint8_t bytes[32];
	int ret;

	snprintf(path, sizeof(path), "%s.hash", image);
	if (stat(image, &st) && errno == ENOENT) {
		fprintf(stderr, "sconce: making the image %s\n", image);
		ret = make_image(image, hash, e);
		return ret ? ret : write_file(path, hash, 64, e);
	}
	ret = client_read("hash of the image", path, &text, e);
	if (!ret) {
		snprintf(hash, 65, "%.64s", (const char *)text.data);
		if (!string_from_hex(hash, bytes, sizeof(bytes)))
			ret = err_setf(e, -EINVAL,
				"%s: wanted 64 hexadecimal digits", path);
	}
	buf_fini(&text);
	return ret;
}

int client_cas_image(struct options *o, struct err *e)
{
	char hash[65];
	int ret = image_hash(o->path[0], hash, e);

	if (!ret && o->value[CLIENT_JSON])
		printf("{\"hash\": \"%s\"}\n", hash);
	else if (!ret)
		puts(hash);
	return ret;
}

/* ---- the manifest ---- */

/* The key of "KEY=HOST:PORT". */
static int witness_key(const char *text, char key[65], struct err *e)
{
	uint8_t bytes[32];

	snprintf(key, 65, "%.64s", text);
	return string_from_hex(key, bytes, sizeof(bytes)) &&
			(text[64] == '=' || text[64] == '\0')
		? 0
		: err_setf(e, -EINVAL,
			  "--witness %.100s: wanted KEY=HOST:PORT, KEY being "
			  "the 64 digits that `sconce witness` prints",
			  text);
}

static int absolute(const char *what, const char *path,
	char out[static CAS_PATH_MAX], struct err *e)
{
	char *found = path ? realpath(path, NULL) : NULL;

	if (!path)
		return err_setf(e, -EINVAL,
			"%s DIR: missing; `sconce las %s DIR` keeps that of an "
			"emulated platform there, `sconce collateral fetch` "
			"gets that of real ones",
			what, what);
	if (!found || string_copy(out, CAS_PATH_MAX, found)) {
		free(found);
		return err_setf(
			e, -errno, "%s %s: %s", what, path, strerror(errno));
	}
	free(found);
	return 0;
}

static int make_manifest(const struct options *o, const char *hash,
	struct buf *out, struct err *e)
{
	const char *owner = o->value[CLIENT_OWNER];
	static char collateral[CAS_PATH_MAX];
	char key[65];
	uint8_t bytes[32];
	int ret = absolute(
		"--collateral", o->value[CLIENT_COLLATERAL], collateral, e);

	if (!ret && strpbrk(collateral, "\"\\\n"))
		ret = err_setf(e, -EINVAL,
			"--collateral: a path with quotes cannot be used");
	if (!ret && owner && !string_from_hex(owner, bytes, sizeof(bytes)))
		ret = err_setf(e, -EINVAL,
			"--owner: wanted 64 hexadecimal digits (`sconce cas "
			"key` prints yours)");
	buf_text(out,
		"# Made by `sconce cas manifest`: a CAS, its witnesses and\n"
		"# its owner. Its hash is CONFIGID.\n"
		"version: 1\n"
		"program: /usr/bin/sconce-cas\n"
		"args:\n"
		"  list:\n"
		"    - --state\n    - /state/cas\n"
		"    - --collateral\n    - /collateral\n");
	for (size_t i = 0; i < o->repeated_count && !ret; i++) {
		ret = witness_key(o->repeated[i], key, e);
		buf_format(out, "    - --witness\n    - \"%s\"\n", key);
	}
	if (owner)
		buf_format(out, "    - --owner\n    - \"%s\"\n", owner);
	if (o->value[CLIENT_EMULATED])
		buf_text(out, "    - --emulated\n");
	buf_format(out,
		"    - --host\n"
		"  host: append\n"
		"network: true\n"
		"mounts:\n"
		"  - {type: host, source: \"%s\", target: /collateral, ro: "
		"true}\n"
		"  - {type: proc, target: /proc}\n"
		"  - {type: dev, target: /dev}\n"
		"  - {type: tmpfs, target: /tmp, size: 16m}\n"
		"volumes:\n"
		"  - {name: root, path: /, image: \"%s\"}\n"
		"  - {name: state, path: /state, key: sealed,\n"
		"     tag_policy: no_rollback_protection}\n",
		collateral, hash);
	if (!ret && buf_check(out))
		ret = err_setf(e, -ENOMEM, "no memory");
	return ret;
}

int client_cas_manifest(struct options *o, struct err *e)
{
	const char *image = o->value[CLIENT_IMAGE];
	struct buf out = {0};
	char hash[65];
	int ret;

	if (!image)
		return err_setf(e, -EINVAL,
			"--image IMAGE: missing; `sconce cas start --state "
			"DIR` "
			"makes DIR/image, `sconce cas image IMAGE` one "
			"elsewhere");
	ret = image_hash(image, hash, e);
	if (!ret)
		ret = make_manifest(o, hash, &out, e);
	if (!ret)
		ret = client_write(o, &out, e);
	buf_fini(&out);
	return ret;
}

/* ---- the start ---- */

struct words {
	const char *item[ARGS_MAX];
	size_t count;
};

static void add(struct words *w, const char *word)
{
	if (w->count < ARGS_MAX - 1)
		w->item[w->count++] = word;
}

static void add_option(
	struct words *w, const struct options *o, int option, const char *name)
{
	if (!o->value[option])
		return;
	add(w, name);
	add(w, o->value[option]);
}

/* Its text: in an enclave there is no such file. */
static const char *permit_text(const struct options *o, struct err *e)
{
	static struct buf text;

	if (!o->value[CLIENT_PERMIT])
		return "";
	if (client_read("--permit", o->value[CLIENT_PERMIT], &text, e))
		return NULL;
	return (const char *)text.data;
}

/* What the operator decides, in both kinds of start. */
static void add_host_options(
	struct words *w, const struct options *o, const char *permit)
{
	if (o->value[CLIENT_RECOVER])
		add(w, "--recover");
	add_option(w, o, CLIENT_JOIN, "--join");
	if (permit[0]) {
		add(w, "--permit");
		add(w, permit);
	}
	add_option(w, o, CLIENT_LISTEN, "--listen");
	add_option(w, o, CLIENT_ENCLAVES, "--enclaves");
	add_option(w, o, CLIENT_RATE, "--rate");
	for (size_t i = 0; i < o->repeated_count; i++) {
		add(w, "--witness-at");
		add(w, o->repeated[i]);
	}
}

int client_become(const char *program, const char *const *argv, struct err *e)
{
	int fd = files_open(program, e);

	if (fd < 0)
		return fd;
	fflush(stdout);
	fexecve(fd, (char *const *)(uintptr_t)argv, environ);
	return err_setf(e, -errno, "%s: %s", program, strerror(errno));
}

static int start_native(const struct options *o, struct err *e)
{
	const char *permit = permit_text(o, e);
	char keys[OPTIONS_REPEATED][65];
	struct words w = {0};
	int ret = 0;

	add(&w, "sconce-cas");
	add(&w, "--native");
	add_option(&w, o, CLIENT_STATE, "--state");
	add_option(&w, o, CLIENT_COLLATERAL, "--collateral");
	add_option(&w, o, CLIENT_OWNER, "--owner");
	if (o->value[CLIENT_EMULATED])
		add(&w, "--emulated");
	for (size_t i = 0; i < o->repeated_count && !ret; i++) {
		ret = witness_key(o->repeated[i], keys[i], e);
		add(&w, "--witness");
		add(&w, keys[i]);
	}
	add(&w, "--host");
	if (!permit)
		return e->code;
	add_host_options(&w, o, permit);
	add_option(&w, o, CLIENT_RESTORE, "--restore");
	return ret ? ret : client_become("sconce-cas", w.item, e);
}

/* Writes the manifest of these options, unless it is there already. */
static int write_manifest(const struct options *o, const char *image,
	const char *path, struct err *e)
{
	struct buf made = {0}, there = {0};
	char hash[65];
	int ret = image_hash(image, hash, e);

	if (!ret)
		ret = make_manifest(o, hash, &made, e);
	if (!ret && access(path, F_OK) == 0) {
		ret = client_read("manifest", path, &there, e);
		if (!ret &&
			(there.size != made.size ||
				memcmp(there.data, made.data, made.size)))
			ret = err_setf(e, -EEXIST,
				"%s: made for other options; what this CAS "
				"sealed under it opens only with those",
				path);
	} else if (!ret) {
		ret = write_file(path, made.data, made.size, e);
	}
	buf_fini(&made);
	buf_fini(&there);
	return ret;
}

/* The enclave sees one folder of the host. */
static int bring_copy(const struct options *o, struct err *e)
{
	static char collateral[CAS_PATH_MAX];
	int ret = absolute(
		"--collateral", o->value[CLIENT_COLLATERAL], collateral, e);

	return ret ? ret
		   : copy_file(o->value[CLIENT_RESTORE], collateral,
			     "/" RESTORE_NAME, e);
}

int client_cas_start(struct options *o, struct err *e)
{
	const char *state = o->value[CLIENT_STATE];
	static char image[CAS_PATH_MAX], manifest[CAS_PATH_MAX];
	static char root_dir[CAS_PATH_MAX + 8], state_dir[CAS_PATH_MAX + 8];
	const char *permit;
	struct words w = {0};
	int ret;

	if (!state)
		return err_setf(e, -EINVAL,
			"--state DIR: missing; all that CAS keeps lies there, "
			"sealed");
	if (mkdir(state, 0700) && errno != EEXIST)
		return err_setf(
			e, -errno, "--state %s: %s", state, strerror(errno));
	if (o->value[CLIENT_NATIVE])
		return start_native(o, e);
	if (o->value[CLIENT_IMAGE])
		snprintf(image, sizeof(image), "%s", o->value[CLIENT_IMAGE]);
	else
		snprintf(image, sizeof(image), "%s/image", state);
	snprintf(manifest, sizeof(manifest), "%s/cas.yaml", state);
	snprintf(root_dir, sizeof(root_dir), "root=%s", image);
	snprintf(state_dir, sizeof(state_dir), "state=%s/volume", state);
	ret = write_manifest(o, image, manifest, e);
	if (!ret && mkdir(state_dir + 6, 0700) && errno != EEXIST)
		ret = err_setf(
			e, -errno, "%s: %s", state_dir + 6, strerror(errno));
	permit = ret ? NULL : permit_text(o, e);
	if (!ret && !permit)
		ret = e->code;
	if (!ret && o->value[CLIENT_RESTORE])
		ret = bring_copy(o, e);
	if (ret)
		return ret;
	add(&w, "sconce");
	add(&w, "run");
	add(&w, "--manifest");
	add(&w, manifest);
	add(&w, "--volume-dir");
	add(&w, root_dir);
	add(&w, "--volume-dir");
	add(&w, state_dir);
	add(&w, "--memory");
	add(&w, o->value[CLIENT_MEMORY] ? o->value[CLIENT_MEMORY] : "1g");
	add_option(&w, o, CLIENT_LAS, "--las");
	add(&w, "--");
	add(&w, "/usr/bin/sconce-cas");
	add_host_options(&w, o, permit);
	if (o->value[CLIENT_RESTORE]) {
		add(&w, "--restore");
		add(&w, "/collateral/" RESTORE_NAME);
	}
	return client_become("sconce", w.item, e);
}

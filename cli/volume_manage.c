/* SPDX-License-Identifier: Apache-2.0 */
/* Commands on a volume as a whole: create, tag, verify, rekey, compact. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/volume_cmd.h"
#include "lib/bytes.h"
#include "lib/string.h"

/* ---- create ---- */

static int create(struct volume_dir *d, const struct volume_args *a,
	const uint8_t key[VOL_KEY_SIZE], struct err *e)
{
	struct volume_env env = volume_dir_env(d, VOLUME_CACHE_SIZE);
	struct volume_params p = {
		.suite = a->authenticated ? VOL_AUTHENTICATED : VOL_ENCRYPTED,
		.root_mode = 0755,
		.root_uid = geteuid(),
		.root_gid = getegid(),
	};
	uint8_t tag[VOL_TAG_SIZE], uuid[VOL_UUID_SIZE];
	struct volume_tags tags;
	int ret;

	e->text[0] = '\0';
	ret = volume_create(&env, &p, key, tag, e);
	if (ret < 0) {
		if (e->text[0] == '\0')
			err_setf(e, ret, "%s", strerror(-ret));
		return err_prefix(e, "%s", a->path[0]);
	}
	ret = volume_dir_uuid(d, uuid, e);
	if (ret < 0)
		return ret;
	ret = volume_tags_open(&tags, uuid, key, e);
	tags.any = true;
	if (ret == 0) {
		ret = volume_tags_push(&tags, tag, tag, true);
		if (ret < 0)
			err_setf(
				e, ret, "the volume's tag: %s", strerror(-ret));
	}
	volume_tags_close(&tags);
	return ret;
}

int volume_cmd_create(struct volume_args *a, struct err *e)
{
	uint8_t key[VOL_KEY_SIZE] = {0}, uuid[VOL_UUID_SIZE];
	struct volume_dir *d;
	int ret;

	if ((a->new_key != NULL) + (a->key_file != NULL) + a->public != 1)
		return err_setf(e, -EINVAL,
			"volume create: wanted one of --new-key FILE, "
			"--key-file FILE, --public");
	if (a->public)
		a->authenticated = true;
	ret = volume_dir_open(a->path[0], VOLUME_DIR_CREATE, &d, e);
	if (ret < 0)
		return ret;
	if (volume_dir_uuid(d, uuid, e) != -ENOENT)
		ret = err_setf(e, -EEXIST, "%s: there is a volume already",
			a->path[0]);
	else if (a->new_key != NULL)
		ret = volume_key_make(a->new_key, key, e);
	else
		ret = volume_key_get(a, key, e);
	if (ret == 0) {
		ret = create(d, a, key, e);
		if (ret < 0 && a->new_key != NULL)
			unlink(a->new_key);
	}
	string_wipe(key, sizeof(key));
	volume_dir_close(d);
	return ret;
}

/* ---- tag ---- */

/* The state that is there becomes the expected one. */
static int trust(
	struct volume_args *a, uint8_t tag[VOL_TAG_SIZE], struct err *e)
{
	struct volume_session s;
	int ret;

	a->any = true;
	ret = volume_session_open(&s, a, true, e);
	if (ret < 0)
		return ret;
	ret = volume_commit(s.v);
	if (ret == 0) {
		volume_tag(s.v, tag);
		s.tags.any = true;
		ret = volume_tags_push(&s.tags, tag, tag, true);
	}
	if (ret < 0)
		err_setf(e, ret, "%s: %s", a->path[0], strerror(-ret));
	return volume_session_close(&s, ret, e);
}

int volume_cmd_tag(struct volume_args *a, struct err *e)
{
	uint8_t tag[VOL_TAG_SIZE] = {0};
	char text[2 * sizeof(tag) + 1];
	struct volume_session s;
	int ret;

	if (a->trust) {
		ret = trust(a, tag, e);
	} else {
		ret = volume_session_open(&s, a, false, e);
		if (ret < 0)
			return ret;
		volume_tag(s.v, tag);
		ret = volume_session_close(&s, 0, e);
	}
	if (ret < 0)
		return ret;
	bytes_to_hex(tag, sizeof(tag), text);
	printf(a->json ? "{\"tag\": \"%s\"}\n" : "%s\n", text);
	return 0;
}

/* ---- verify ---- */

struct verification {
	uint64_t last; /* blocks that progress was told of */
	json_t *damages; /* for --json; else NULL */
};

static void damaged(void *arg, const char *path, const char *what)
{
	struct verification *v = arg;

	volume_progress_end();
	if (path == NULL)
		path = "(volume)";
	if (v->damages == NULL)
		printf("%s: %s\n", path, what);
	else
		json_array_append_new(v->damages,
			json_pack("{s:o, s:s}", "path", volume_json_text(path),
				"what", what));
}

static void progress(void *arg, uint64_t done, uint64_t total)
{
	struct verification *v = arg;

	(void)total;
	if (done > v->last)
		volume_progress_add((done - v->last) * VOL_BLOCK_SIZE, 0);
	v->last = done;
}

static void print_verification(
	const struct volume_verify *how, const struct verification *v)
{
	json_t *j;

	if (v->damages == NULL) {
		printf("%llu blocks, %llu files, %llu damaged\n",
			(unsigned long long)how->blocks,
			(unsigned long long)how->files,
			(unsigned long long)how->damages);
		return;
	}
	j = json_pack("{s:I, s:I, s:I, s:O}", "blocks", (json_int_t)how->blocks,
		"files", (json_int_t)how->files, "damaged",
		(json_int_t)how->damages, "damages", v->damages);
	json_dumpf(j, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(j);
}

int volume_cmd_verify(struct volume_args *a, struct err *e)
{
	struct verification v = {0};
	struct volume_verify how = {
		.damaged = damaged, .progress = progress, .arg = &v};
	struct volume_session s;
	int ret;

	/* What can be read at all is looked at; damage is the result. */
	if (!a->any && !a->rescue) {
		ret = volume_session_open(&s, a, false, e);
		if (ret < 0)
			return ret;
		ret = volume_session_close(&s, 0, e);
		if (ret < 0)
			return ret;
	}
	a->rescue = true;
	ret = volume_session_open(&s, a, false, e);
	if (ret < 0)
		return ret;
	if (a->json)
		v.damages = json_array();
	ret = volume_verify(s.v, &how);
	volume_progress_end();
	if (ret == 0 || ret == -EBADMSG) {
		print_verification(&how, &v);
		ret = ret < 0;
	} else {
		err_setf(e, ret, "%s: %s", a->path[0], strerror(-ret));
	}
	json_decref(v.damages);
	return volume_session_close(&s, ret, e);
}

/* ---- rekey, compact ---- */

int volume_cmd_rekey(struct volume_args *a, struct err *e)
{
	uint8_t key[VOL_KEY_SIZE];
	struct volume_session s;
	int ret;

	if (a->new_key == NULL)
		return err_setf(e, -EINVAL,
			"volume rekey: wanted --new-key FILE, a new file");
	ret = volume_session_open(&s, a, true, e);
	if (ret < 0)
		return ret;
	ret = volume_key_make(a->new_key, key, e);
	if (ret < 0)
		return volume_session_close(&s, ret, e);
	/* Whatever happens in between, a key that opens the volume opens its
	 * tag as well. */
	ret = volume_tags_rekey_begin(&s.tags, key);
	e->text[0] = '\0';
	if (ret == 0)
		ret = volume_rekey(s.v, key, e);
	if (ret == 0)
		ret = volume_tags_rekey_end(&s.tags);
	string_wipe(key, sizeof(key));
	if (ret < 0) {
		if (e->text[0] == '\0')
			err_setf(e, ret, "%s", strerror(-ret));
		err_prefix(e,
			"%s: rekeying failed; keep both keys, one of them "
			"opens it",
			a->path[0]);
	}
	return volume_session_close(&s, ret, e);
}

int volume_cmd_compact(struct volume_args *a, struct err *e)
{
	struct volume_usage before, after;
	struct volume_session s;
	int ret = volume_session_open(&s, a, true, e);

	if (ret < 0)
		return ret;
	volume_usage(s.v, &before);
	do {
		ret = volume_compact(s.v, a->renew);
		volume_progress_add(0, 0);
	} while (ret > 0);
	if (ret == 0)
		ret = volume_commit(s.v);
	if (ret < 0)
		err_setf(e, ret, "%s: %s", a->path[0], strerror(-ret));
	volume_usage(s.v, &after);
	if (ret == 0)
		printf("%llu MiB, %llu MiB before\n",
			(unsigned long long)(after.host_size >> 20),
			(unsigned long long)(before.host_size >> 20));
	return volume_session_close(&s, ret, e);
}

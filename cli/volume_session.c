/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/volume_cmd.h"
#include "lib/string.h"

/* ---- keys ---- */

int volume_key_get(
	const struct volume_args *a, uint8_t key[VOL_KEY_SIZE], struct err *e)
{
	if (a->public && a->key_file != NULL)
		return err_setf(e, -EINVAL, "--public and --key-file: one key");
	memset(key, 0, VOL_KEY_SIZE);
	if (a->public)
		return 0;
	if (a->key_file == NULL)
		return err_setf(e, -EINVAL,
			"no key; wanted --key-file FILE, or --public");
	return volume_key_read(a->key_file, key, e);
}

/* ---- sessions ---- */

/* What the volume may be opened as, and where its tags go. */
static int find_expected(struct volume_session *s, const struct volume_args *a,
	bool write, struct volume_expect *expect, struct err *e)
{
	int ret;

	expect->any = a->any || a->rescue;
	if (expect->any && !write)
		return 0;
	ret = volume_tags_open(&s->tags, s->uuid, s->key, e);
	s->has_tags = true;
	if (expect->any && (ret == 0 || ret == -EBADMSG)) {
		s->tags.any = true;
		return 0;
	}
	if (ret < 0)
		return ret;
	if (!s->tags.known)
		return err_setf(e, -ESTALE,
			"%s: no tag of this volume is kept here, so nothing "
			"tells whether it is the newest state; "
			"`sconce volume tag --trust` keeps the present one's",
			volume_dir_path(s->dir));
	memcpy(expect->tag, s->tags.tag, VOL_TAG_SIZE);
	return 0;
}

int volume_session_open(struct volume_session *s, const struct volume_args *a,
	bool write, struct err *e)
{
	struct volume_expect expect = {0};
	struct volume_env env;
	unsigned flags = write ? 0 : VOLUME_READ_ONLY;
	int ret;

	memset(s, 0, sizeof(*s));
	if (a->rescue)
		flags |= VOLUME_RESCUE;
	ret = volume_key_get(a, s->key, e);
	if (ret < 0)
		return ret;
	ret = volume_dir_open(a->path[0],
		write ? VOLUME_DIR_WRITE : VOLUME_DIR_READ, &s->dir, e);
	if (ret < 0)
		return ret;
	ret = volume_dir_uuid(s->dir, s->uuid, e);
	if (ret == 0)
		ret = find_expected(s, a, write, &expect, e);
	if (ret == 0) {
		volume_dir_set_tags(
			s->dir, s->has_tags && write ? &s->tags : NULL);
		env = volume_dir_env(s->dir, VOLUME_CACHE_SIZE);
		e->text[0] = '\0';
		ret = volume_open(&env, s->key, flags, &expect, &s->v, e);
		if (ret < 0 && e->text[0] == '\0')
			err_setf(e, ret, "%s", strerror(-ret));
		if (ret < 0)
			err_prefix(e, "%s", volume_dir_path(s->dir));
	}
	if (ret < 0) {
		s->v = NULL;
		volume_session_close(s, ret, e);
	}
	return ret;
}

int volume_session_close(struct volume_session *s, int ret, struct err *e)
{
	int closed = volume_close(s->v);

	s->v = NULL;
	if (closed < 0 && ret >= 0)
		ret = err_setf(e, closed, "%s: %s", volume_dir_path(s->dir),
			strerror(-closed));
	if (s->has_tags)
		volume_tags_close(&s->tags);
	volume_dir_close(s->dir);
	string_wipe(s->key, sizeof(s->key));
	return ret;
}

/* ---- progress ---- */

static struct {
	uint64_t bytes, files;
	time_t shown;
	bool started, on, visible;
} progress;

void volume_progress_add(uint64_t bytes, uint64_t files)
{
	time_t now = time(NULL);

	if (!progress.started) {
		progress.started = true;
		progress.shown = now;
		progress.on = isatty(STDERR_FILENO);
	}
	progress.bytes += bytes;
	progress.files += files;
	if (!progress.on || now == progress.shown)
		return;
	progress.shown = now;
	progress.visible = true;
	fprintf(stderr, "\r%llu files, %llu MiB ",
		(unsigned long long)progress.files,
		(unsigned long long)(progress.bytes >> 20));
}

void volume_progress_end(void)
{
	if (progress.visible)
		fputc('\n', stderr);
	progress.visible = false;
}

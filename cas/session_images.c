/* SPDX-License-Identifier: Apache-2.0 */
/* `images`: the file system that a service sees. */
#include <errno.h>

#include "cas/session_read.h"
#include "lib/service.h"
#include "lib/string.h"

static int read_name(struct reader *r, const char *key, void *at)
{
	return read_item_name(r, key, SESSION_ITEM_NAME_MAX, at);
}

static int read_absolute(struct reader *r, const char *key, void *at)
{
	return read_path(r, key, at);
}

/* ---- volumes ---- */

static int read_volume_name(struct reader *r, const char *key, void *at)
{
	int ret = read_item_name(r, key, 64, at);

	return ret < 0
		? ret
		: reader_refer(r, REF_VOLUME, key, *(const char *const *)at);
}

static const struct key volume_keys[] = {
	{"name", read_volume_name, offsetof(struct image_volume, name),
		KEY_NEEDED, NULL},
	{"path", read_absolute, offsetof(struct image_volume, path), KEY_NEEDED,
		NULL},
	{"update_policy", session_read_update_policy,
		offsetof(struct image_volume, update_policy), 0, NULL},
	{"ro", read_bool, offsetof(struct image_volume, ro), KEY_NEW, NULL},
};

static int read_volume(struct reader *r, const char *key, void *at)
{
	const struct image_volume *v = at;
	struct place start = reader_place(r);
	struct seen seen;
	int ret = read_map(
		r, key, volume_keys, ARRAY_SIZE(volume_keys), at, &seen);

	if (ret == 0 && v->ro && v->update_policy == VOLUME_EPHEMERAL)
		return reader_fail_at(r, start,
			"volume %s: ephemeral and read-only: it would always "
			"be empty",
			v->name);
	return ret;
}

static int read_volumes(struct reader *r, const char *key, void *at)
{
	return read_list(r, key, MANIFEST_VOLUMES_MAX,
		sizeof(struct image_volume), read_volume, at);
}

/* ---- files ---- */

static int read_file_path(struct reader *r, const char *key, void *at)
{
	const char **path = at;
	int ret = read_path(r, key, path);

	if (ret == 0 && strcmp(*path, "/") == 0)
		return yaml_events_fail(
			&r->y, "%s: '/'; wanted the path of a file", key);
	return ret;
}

static int read_content(struct reader *r, const char *key, void *at)
{
	return read_template(r, key, 0, SESSION_YAML_MAX, at);
}

/* "0o400", and "0400" as in C. */
static int read_permission(struct reader *r, const char *key, void *at)
{
	const char *text, *digits;
	uint64_t mode = 0;
	int ret = read_text(r, key, 1, 16, &text);

	if (ret < 0)
		return ret;
	digits = text + (string_has_prefix(text, "0o") ? 2 : 1);
	if (text[0] == '0' && digits[0] != '\0' &&
		strspn(digits, "01234567") == strlen(digits) &&
		strlen(digits) <= 4) {
		for (; *digits != '\0'; digits++)
			mode = 8 * mode + (uint64_t)(*digits - '0');
		*(uint64_t *)at = mode;
		return 0;
	}
	return yaml_events_fail(&r->y,
		"%s: '%.20s'; wanted octal digits behind 0o, as 0o400", key,
		text);
}

static const struct key file_keys[] = {
	{"path", read_file_path, offsetof(struct injection_file, path),
		KEY_NEEDED, NULL},
	{"content", read_content, offsetof(struct injection_file, content), 0,
		NULL},
	{"permission", read_permission, offsetof(struct injection_file, mode),
		0, NULL},
};

static int read_file(struct reader *r, const char *key, void *at)
{
	struct injection_file *f = at;
	struct seen seen;

	f->mode = 0700;
	if (reader_is(r, YAML_SCALAR_EVENT))
		return read_file_path(r, key, &f->path);
	return read_map(r, key, file_keys, ARRAY_SIZE(file_keys), f, &seen);
}

static int read_files(struct reader *r, const char *key, void *at)
{
	return read_list(r, key, SERVICE_FILES_MAX,
		sizeof(struct injection_file), read_file, at);
}

/* ---- mounts ---- */

static int read_type(struct reader *r, const char *key, void *at)
{
	static const char *const names[] = {
		[MOUNT_HOST] = "host",
		[MOUNT_TMPFS] = "tmpfs",
		[MOUNT_PROC] = "proc",
		[MOUNT_DEV] = "dev",
	};

	return read_choice(r, key, names, ARRAY_SIZE(names), at);
}

static const struct key mount_keys[] = {
	{"type", read_type, offsetof(struct mount_spec, type), KEY_NEEDED,
		NULL},
	{"target", read_absolute, offsetof(struct mount_spec, target),
		KEY_NEEDED, NULL},
	{"source", read_absolute, offsetof(struct mount_spec, source), 0, NULL},
	{"size", session_read_size, offsetof(struct mount_spec, size), 0, NULL},
	{"ro", read_bool, offsetof(struct mount_spec, ro), 0, NULL},
};

static int read_mount(struct reader *r, const char *key, void *at)
{
	const struct mount_spec *m = at;
	struct place start = reader_place(r);
	struct seen seen;
	int ret = read_map(
		r, key, mount_keys, ARRAY_SIZE(mount_keys), at, &seen);

	if (ret < 0)
		return ret;
	if ((m->type == MOUNT_HOST) != (m->source != NULL))
		return reader_fail_at(r, start,
			"mount %s: source is the path on the host of type "
			"host, and of no other",
			m->target);
	if (m->type != MOUNT_TMPFS && m->size != 0)
		return reader_fail_at(
			r, start, "mount %s: size is of type tmpfs", m->target);
	return 0;
}

static int read_mounts(struct reader *r, const char *key, void *at)
{
	return read_list(r, key, MANIFEST_MOUNTS_MAX, sizeof(struct mount_spec),
		read_mount, at);
}

/* ---- the table ---- */

static int read_root(struct reader *r, const char *key, void *at)
{
	return read_hex(r, key, 32, at);
}

static int read_provided(struct reader *r, const char *key, void *at)
{
	int ret = read_item_name(r, key, SESSION_ITEM_NAME_MAX, at);

	return ret < 0
		? ret
		: reader_refer(r, REF_SECRET, key, *(const char *const *)at);
}

static int read_provide(struct reader *r, const char *key, void *at)
{
	return read_list(
		r, key, SESSION_SECRETS_MAX, sizeof(char *), read_provided, at);
}

#define AT(field) offsetof(struct session_image, field)

static const struct key image_keys[] = {
	{"name", read_name, AT(name), KEY_NEEDED, NULL},
	{"volumes", read_volumes, AT(volumes), 0, NULL},
	{"injection_files", read_files, AT(files), 0, NULL},
	{"provide_secrets", read_provide, AT(provide_secrets), 0, NULL},
	{"root", read_root, AT(root), KEY_NEW, NULL},
	{"mounts", read_mounts, AT(mounts), KEY_NEW, NULL},
};

/* What is mounted, and injected: no path twice. Few of each. */
static int check_paths(
	struct reader *r, const struct session_image *i, struct place at)
{
	const struct image_volume *v = i->volumes.item;
	const struct mount_spec *m = i->mounts.item;
	size_t count = i->volumes.count + i->mounts.count;

	for (size_t a = 0; a < count; a++)
		for (size_t b = 0; b < a; b++) {
			const char *one = a < i->volumes.count
				? v[a].path
				: m[a - i->volumes.count].target;
			const char *other = b < i->volumes.count
				? v[b].path
				: m[b - i->volumes.count].target;

			if (strcmp(one, other) == 0 ||
				(a < i->volumes.count &&
					strcmp(v[a].name, v[b].name) == 0))
				return reader_fail_at(r, at,
					"image %s: volume or path %s is there "
					"twice",
					i->name,
					strcmp(one, other) == 0 ? one
								: v[a].name);
		}
	return 0;
}

static int read_image(struct reader *r, const char *key, void *at)
{
	const struct session_image *i = at;
	struct place start = reader_place(r);
	struct seen seen;
	int ret = read_map(
		r, "image", image_keys, ARRAY_SIZE(image_keys), at, &seen);

	(void)key;
	if (ret == 0)
		ret = check_paths(r, i, start);
	return ret < 0 ? ret : reader_define(r, DEF_IMAGE, i->name, start);
}

int session_read_images(struct reader *r, const char *key, void *at)
{
	return read_list(r, key, SESSION_LIST_MAX, sizeof(struct session_image),
		read_image, at);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* `sconce volume ls` and `stat`. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include <jansson.h>

#include "cli/volume_cmd.h"
#include "lib/bytes.h"
#include "lib/fmt.h"

enum { DEPTH_MAX = 2000 };

struct listing {
	const struct volume_args *args;
	struct err *e;
	json_t *json;
	int status; /* 1: something is damaged and was passed by */
};

static const char *type_name(uint32_t mode)
{
	return S_ISREG(mode)     ? "file"
		: S_ISDIR(mode)  ? "directory"
		: S_ISLNK(mode)  ? "link"
		: S_ISFIFO(mode) ? "fifo"
		: S_ISCHR(mode)  ? "character device"
		: S_ISBLK(mode)  ? "block device"
		: S_ISSOCK(mode) ? "socket"
				 : "unknown";
}

static void mode_text(uint32_t mode, char text[12])
{
	static const char types[16] = "?pc?d?b?-?l?s???";
	static const char bits[] = "rwxrwxrwx";

	text[0] = types[mode >> 12 & 15];
	for (int i = 0; i < 9; i++)
		text[i + 1] = mode & (0400u >> i) ? bits[i] : '-';
	if (mode & S_ISUID)
		text[3] = mode & 0100 ? 's' : 'S';
	if (mode & S_ISGID)
		text[6] = mode & 010 ? 's' : 'S';
	if (mode & S_ISVTX)
		text[9] = mode & 1 ? 't' : 'T';
	text[10] = '\0';
}

static void time_text(int64_t sec, char text[32])
{
	time_t when = sec;
	struct tm tm;

	if (gmtime_r(&when, &tm) == NULL ||
		strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		fmt_print(text, 32, "%lld", (long long)sec);
}

/* One line, whatever bytes the name has. */
static void print_name(const char *name)
{
	for (; *name != '\0'; name++) {
		if ((unsigned char)*name < 32 || *name == 127 || *name == '\\')
			printf("\\%03o", (unsigned char)*name);
		else
			putchar(*name);
	}
}

json_t *volume_json_text(const char *text)
{
	json_t *j = json_string(text);
	char *copy, *p;

	if (j != NULL)
		return j;
	copy = p = calloc(4, strlen(text) + 1);
	if (copy == NULL)
		return NULL;
	for (; *text != '\0'; text++)
		p += sprintf(p, (unsigned char)*text < 128 ? "%c" : "\\%03o",
			(unsigned char)*text);
	j = json_string(copy);
	free(copy);
	return j;
}

static json_t *json_node(
	struct volume_node *n, const char *path, const struct volume_attr *a)
{
	char mode[8], time[32], *target;
	json_t *j;

	fmt_print(mode, sizeof(mode), "%04o", a->mode & 07777);
	time_text(a->sec[VOL_MTIME], time);
	j = json_pack("{so ss ss sI sI sI sI sI sI ss sI}", "path",
		volume_json_text(path), "type", type_name(a->mode), "mode",
		mode, "inode", (json_int_t)a->ino, "links",
		(json_int_t)a->nlink, "uid", (json_int_t)a->uid, "gid",
		(json_int_t)a->gid, "size", (json_int_t)a->size, "allocated",
		(json_int_t)(a->blocks * 512), "modified", time, "modified_ns",
		(json_int_t)a->nsec[VOL_MTIME]);
	if (S_ISLNK(a->mode) && volume_target_read(n, &target) == 0) {
		json_object_set_new(j, "target", volume_json_text(target));
		free(target);
	}
	return j;
}

static int print_node(
	struct listing *l, struct volume_node *n, const char *path)
{
	char mode[12], time[32], *target;
	struct volume_attr a;
	int ret;

	volume_getattr(n, &a);
	if (l->json != NULL)
		return json_array_append_new(l->json, json_node(n, path, &a));
	if (l->args->details) {
		mode_text(a.mode, mode);
		time_text(a.sec[VOL_MTIME], time);
		printf("%s %3u %5u %5u %12llu %s ", mode, a.nlink, a.uid, a.gid,
			(unsigned long long)a.size, time);
	}
	print_name(path);
	if (l->args->details && S_ISLNK(a.mode)) {
		ret = volume_target_read(n, &target);
		if (ret < 0)
			return ret;
		printf(" -> ");
		print_name(target);
		free(target);
	}
	putchar('\n');
	return 0;
}

/* Damage is named; a rescue goes on. */
static int complain(struct listing *l, const char *path, int ret)
{
	if (!l->args->rescue)
		return err_setf(l->e, ret, "%s: %s", path, strerror(-ret));
	fprintf(stderr, "sconce: %s: %s\n", path, strerror(-ret));
	l->status = 1;
	return 0;
}

static int list_directory(struct listing *l, struct volume_node *dir,
	const char *path, unsigned depth);

static int list_entry(struct listing *l, struct volume_node *dir,
	const char *path, const struct volume_name *name, unsigned depth)
{
	struct volume_node *n;
	struct volume_attr a;
	char *full = volume_path_join(path, name->name);
	int ret = full == NULL ? -ENOMEM
			       : volume_lookup(dir, name->name, name->len, &n);

	if (ret == 0) {
		ret = print_node(l, n, full);
		volume_getattr(n, &a);
		if (ret < 0)
			ret = complain(l, full, ret);
		if (ret == 0 && l->args->recursive && S_ISDIR(a.mode))
			ret = list_directory(l, n, full, depth + 1);
		volume_put(n);
	} else {
		ret = complain(l, full != NULL ? full : path, ret);
	}
	free(full);
	return ret;
}

static int list_directory(struct listing *l, struct volume_node *dir,
	const char *path, unsigned depth)
{
	struct volume_names names;
	int ret = depth < DEPTH_MAX ? volume_names_read(dir, &names) : -ELOOP;

	if (ret < 0)
		ret = complain(l, path[0] != '\0' ? path : "/", ret);
	for (size_t i = 0; i < names.count && ret == 0; i++)
		ret = list_entry(l, dir, path, &names.list[i], depth);
	volume_names_free(&names);
	return ret;
}

int volume_cmd_ls(struct volume_args *a, struct err *e)
{
	struct listing l = {.args = a, .e = e};
	const char *path = a->paths > 1 ? a->path[1] : "";
	struct volume_session s;
	struct volume_node *n;
	struct volume_attr attr;
	int ret = volume_session_open(&s, a, false, e);

	if (ret < 0)
		return ret;
	if (a->json)
		l.json = json_array();
	ret = volume_path_get(s.v, path, true, &n, e);
	if (ret == 0) {
		volume_getattr(n, &attr);
		if (S_ISDIR(attr.mode)) {
			/* Names in the root are without a slash. */
			ret = list_directory(
				&l, n, a->recursive ? path : "", 0);
		} else {
			ret = print_node(&l, n, path);
			if (ret < 0)
				ret = complain(&l, path, ret);
		}
		volume_put(n);
	}
	if (l.json != NULL && ret == 0) {
		json_dumpf(l.json, stdout, JSON_INDENT(2));
		putchar('\n');
	}
	json_decref(l.json);
	return volume_session_close(&s, ret == 0 ? l.status : ret, e);
}

/* ---- stat ---- */

static void stat_volume(struct volume_session *s, bool json)
{
	char tag_text[2 * VOL_TAG_SIZE + 1], uuid[2 * VOL_UUID_SIZE + 1];
	uint8_t tag[VOL_TAG_SIZE];
	struct volume_usage u;

	volume_usage(s->v, &u);
	volume_tag(s->v, tag);
	bytes_to_hex(tag, sizeof(tag), tag_text);
	bytes_to_hex(s->uuid, sizeof(s->uuid), uuid);
	if (json) {
		json_t *j = json_pack("{ss ss sI sI sI sI sI}", "uuid", uuid,
			"tag", tag_text, "block_size", (json_int_t)u.block_size,
			"blocks", (json_int_t)u.blocks, "free",
			(json_int_t)u.free, "files", (json_int_t)u.inodes,
			"host_size", (json_int_t)u.host_size);

		json_dumpf(j, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(j);
		return;
	}
	printf("UUID           %s\n"
	       "tag            %s\n"
	       "files          %llu\n"
	       "used           %llu KiB\n"
	       "free           %llu KiB\n"
	       "on the host    %llu KiB\n",
		uuid, tag_text, (unsigned long long)u.inodes,
		(unsigned long long)((u.blocks - u.free) * u.block_size >> 10),
		(unsigned long long)(u.free * u.block_size >> 10),
		(unsigned long long)(u.host_size >> 10));
}

static int stat_path(
	struct volume_session *s, const char *path, bool json, struct err *e)
{
	static const char *const names[VOL_TIMES] = {
		"accessed", "modified", "changed", "created"};
	struct volume_node *n;
	struct volume_attr a;
	char text[32];
	int ret = volume_path_get(s->v, path, false, &n, e);

	if (ret < 0)
		return ret;
	volume_getattr(n, &a);
	if (json) {
		json_t *j = json_node(n, path, &a);

		json_dumpf(j, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(j);
		volume_put(n);
		return 0;
	}
	volume_put(n);
	mode_text(a.mode, text);
	printf("type       %s\nmode       %04o %s\nowner      %u:%u\n"
	       "size       %llu\nallocated  %llu\ninode      %llu\n"
	       "links      %u\n",
		type_name(a.mode), a.mode & 07777, text, a.uid, a.gid,
		(unsigned long long)a.size, (unsigned long long)a.blocks * 512,
		(unsigned long long)a.ino, a.nlink);
	if (S_ISCHR(a.mode) || S_ISBLK(a.mode))
		printf("device     %u:%u\n", major(a.rdev), minor(a.rdev));
	for (int i = 0; i < VOL_TIMES; i++) {
		time_text(a.sec[i], text);
		printf("%-10s %s\n", names[i], text);
	}
	return 0;
}

int volume_cmd_stat(struct volume_args *a, struct err *e)
{
	struct volume_session s;
	int ret = volume_session_open(&s, a, false, e);

	if (ret < 0)
		return ret;
	if (a->paths > 1)
		ret = stat_path(&s, a->path[1], a->json, e);
	else
		stat_volume(&s, a->json);
	return volume_session_close(&s, ret, e);
}

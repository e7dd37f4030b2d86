/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sconce volume`: a program of its own (sconce-volume, beside sconce), so that
 * the launcher of enclaves has neither volumes' keys nor archives' parsers in
 * it. Commands give 0, -errno with a text in @e, or 1: something was reported
 * as damaged and passed by.
 */
#pragma once

#include <jansson.h>

#include "cli/volume_dir.h"
#include "cli/volume_key.h"

/* What the command line says; see options[] in volume_main.c. */
struct volume_args {
	const char *key_file, *new_key;
	bool public, authenticated, recursive, details, json, any, rescue;
	bool renew, trust;
	char **path; /* NULL at the end; path[0] is the volume's directory */
	int paths;
};

int volume_cmd_create(struct volume_args *a, struct err *e);
int volume_cmd_ls(struct volume_args *a, struct err *e);
int volume_cmd_stat(struct volume_args *a, struct err *e);
int volume_cmd_cat(struct volume_args *a, struct err *e);
int volume_cmd_put(struct volume_args *a, struct err *e);
int volume_cmd_get(struct volume_args *a, struct err *e);
int volume_cmd_rm(struct volume_args *a, struct err *e);
int volume_cmd_tag(struct volume_args *a, struct err *e);
int volume_cmd_verify(struct volume_args *a, struct err *e);
int volume_cmd_rekey(struct volume_args *a, struct err *e);
int volume_cmd_compact(struct volume_args *a, struct err *e);
int volume_cmd_export(struct volume_args *a, struct err *e);
int volume_cmd_import(struct volume_args *a, struct err *e);
int volume_cmd_image(struct volume_args *a, struct err *e);
/* volume_copy.c: all that is in the directory @dir of the host, and its own
 * mode and owner, becomes the root of @v. 1: special files were left out. */
int volume_copy_tree(struct volume *v, const char *dir,
	const struct volume_args *a, struct err *e);

/* ---- volume_session.c: an open volume with its key and its tag ---- */

struct volume_session {
	struct volume_dir *dir;
	struct volume_tags tags;
	bool has_tags;
	uint8_t key[VOL_KEY_SIZE], uuid[VOL_UUID_SIZE];
	struct volume *v;
};

must_check int volume_session_open(struct volume_session *s,
	const struct volume_args *a, bool write, struct err *e);
/* Commits. @ret: what went before; given back unless closing fails. */
int volume_session_close(struct volume_session *s, int ret, struct err *e);
/* The key that the options name. */
must_check int volume_key_get(
	const struct volume_args *a, uint8_t key[VOL_KEY_SIZE], struct err *e);

enum { VOLUME_CACHE_SIZE = 64 << 20 };

/* ---- volume_path.c: paths and directories inside of a volume ---- */

/* Symbolic links on the way are followed, the last one if @follow. */
must_check int volume_path_get(struct volume *v, const char *path, bool follow,
	struct volume_node **out, struct err *e);
/* The directory that @path is or will be in, and its last name, which points
 * into @path. -EINVAL: it has none, as "/". */
must_check int volume_path_parent(struct volume *v, const char *path,
	struct volume_node **dir, const char **name, size_t *len,
	struct err *e);

struct volume_name {
	char *name;
	size_t len;
	uint64_t ino;
};

/* All names of a directory, in order of bytes. */
struct volume_names {
	struct volume_name *list;
	size_t count, room;
};

must_check int volume_names_read(
	struct volume_node *dir, struct volume_names *out);
void volume_names_free(struct volume_names *names);
/* What a symbolic link has, malloc'ed. */
must_check int volume_target_read(struct volume_node *n, char **target);
/* "DIR/NAME", malloc'ed; NULL: no memory. */
char *volume_path_join(const char *dir, const char *name);

/* ---- volume_list.c ---- */

/* A name as JSON; what is no UTF-8 is given in octal. NULL: no memory. */
json_t *volume_json_text(const char *text);

/* ---- volume_session.c: on standard error, if that is a terminal ---- */

void volume_progress_add(uint64_t bytes, uint64_t files);
void volume_progress_end(void);

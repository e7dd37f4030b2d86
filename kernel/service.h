/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A service that CAS configures (doc/service-config.md): its manifest names a
 * CAS and nothing else. The kernel starts init-cas in a world of its own, and
 * takes the configuration that init brings, once.
 *
 *	service.c	the two worlds: before and after the configuration
 *	service_dev.c	/dev/sconce, abi/service.h: servicefs_mount()
 *	service_tags.c	pushes of tags, from volumes to init
 *	service_files.c	files that exist in the enclave's memory only
 *	service_template.c	... made from files of images and volumes
 *	service_secrets.c	questions for values, from programs to init
 *	service_secretfs.c	/dev/sconce/secret, where programs ask
 */
#pragma once

#include "lib/err.h"
#include "lib/types.h"

struct config;
struct dirent_sink;
struct file;
struct file_ops;
struct fs_ctx;
struct manifest;
struct mount;
struct process;
struct service_config;
struct service_file;
struct service_volume;

/* ---- service.c ---- */
/* @c, the host's word, becomes what init-cas is to run with; what the host
 * asked for is kept for the service. @m stays where it is. -ENOMEM. */
must_check int service_prepare(
	struct config *c, const struct manifest *m, struct err *e);
/* Is process 1 init-cas? */
bool service_is_on(void);
/*
 * Process 1 says what the service is: mounts are replaced, volumes opened,
 * files put in place. @answer, of kmalloc, is what init is told
 * (abi/service.h), also when that failed; NULL: no memory. Sleeps.
 */
int service_configure(
	const void *data, size_t size, uint8_t **answer, size_t *answer_size);
/* Where a child of p begins: where p is, but of process 1 in the service's
 * tree, which process 1 itself never enters. */
struct fs_ctx *service_fs_of(const struct process *p);
/* @p is a child of @from: where it begins, and what bounds it as a program of
 * the service, but not process 1. -ENOMEM. */
must_check int service_begin_child(
	const struct process *from, struct process *p);
/* What CAS gave for a volume, while it is mounted; NULL: nothing. */
const struct service_volume *service_volume(const char *name);

/* ---- service_tags.c ---- */
/* Sleeps until CAS has the tag: 0, -ESTALE (it has another one), or another
 * -errno: nobody knows. -EIO: process 1 is ending. */
int service_tag_push(const char *volume, const uint8_t from[static 32],
	const uint8_t to[static 32], bool durable);
/* Process 1 is ending: who waits looks again. */
void service_tags_end(void);
extern const struct file_ops service_tags_ops;

/* ---- service_files.c ---- */
/* Puts the files where the service finds them. */
must_check int service_files_inject(
	const struct service_config *c, struct err *e);
/* Names that injected files have, and their file system does not know, are
 * listed behind what that one lists. begun: its own are over. As getdents. */
bool service_names_begun(const struct file *f);
must_check int service_names_list(struct file *f, struct dirent_sink *sink);

/* ---- service_template.c ---- */
/* What @f is to contain, of kmalloc. */
must_check int service_template_make(const struct service_file *f,
	uint8_t **out, size_t *size, struct err *e);

/* ---- service_secrets.c ---- */
/* Sleep until CAS answers: 0, -EACCES, -ENOENT, -EINVAL; -EIO: CAS is away, or
 * process 1 is ending. @name as in struct service_secret_request. */
must_check int service_secret_get(
	const char *name, uint8_t **value, size_t *size); /* of kmalloc */
must_check int service_secret_put(
	const char *name, const uint8_t *value, size_t size);
/* Process 1 is ending: who waits looks again. */
void service_secrets_end(void);
extern const struct file_ops service_secrets_ops;

/* ---- service_secretfs.c ---- */
must_check int secretfs_mount(struct mount *m);

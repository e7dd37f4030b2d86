/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encrypted volumes as a file system: what volume/ offers, to programs.
 *
 *	volfs.c		nodes, names, attributes
 *	volfs_file.c	open files, pages that are mapped shared
 *	volfs_host.c	struct volume_ops over host calls
 *	volfs_mount.c	opening with key and tag; the writer in the background
 *	volfs_tags.c	who keeps the tags
 *	volfs_sealed.c	keys that only this enclave can open
 *
 * A volume belongs to this enclave while it is mounted, so names are cached
 * for ever and nothing is asked of the host but blocks.
 */
#pragma once

#include "kernel/mutex.h"
#include "kernel/pagemap.h"
#include "kernel/vfs.h"
#include "volume/volume.h"

struct config;
struct uio;
struct volfs_node;
struct volume_spec;

struct volfs {
	struct volume *volume;
	bool readonly;
	struct volfs_node *bucket[1024]; /* by number */
	struct list node; /* of all mounted volumes */
	struct volfs_host *host;
	struct volfs_tags *tags; /* NULL: nobody keeps them */
};

struct volfs_node {
	struct vnode v;
	struct volume_node *n; /* held */
	struct volfs_node *hash_next, **hash_pprev;
	struct mutex append; /* one writer at the end at a time */
	struct pagemap lent; /* user addresses of pages mapped shared */
	uint64_t lent_count;
	struct pipe *fifo; /* of a FIFO that was opened */
};

static inline struct volfs_node *volfs_node(const struct vnode *v)
{
	return container_of(v, struct volfs_node, v);
}

static inline struct volfs *volfs_of(const struct vnode *v)
{
	return v->mount->priv;
}

/* ---- volfs.c ---- */
/* The root's dentry for a volume that was just opened. */
int volfs_root(struct mount *m);

/* ---- volfs_file.c ---- */
int volfs_open_node(struct dentry *d, uint32_t flags, struct file **out);
int volfs_set_size(struct volfs_node *n, uint64_t size);
extern const struct pagestore_ops volfs_pagestore;

/* ---- volfs_host.c ---- */
struct volfs_host;
struct volfs_tags;
/* The host's directory with the volume's files, locked: -EBUSY if somebody has
 * it open. volfs_host_free gives the lock up. */
int volfs_host_new(const char *path, bool readonly, struct volfs_host **out);
void volfs_host_free(struct volfs_host *h);
void volfs_host_env(
	struct volfs_host *h, size_t cache_size, struct volume_env *env);
/* Who keeps the tags from now on; NULL: nobody. */
void volfs_host_tags(struct volfs_host *h, struct volfs_tags *tags);
/* The descriptor of the directory. */
int volfs_host_dir(const struct volfs_host *h);
/* Not authentic: it only says which tag to look for. */
int volfs_host_uuid(struct volfs_host *h, uint8_t uuid[VOL_UUID_SIZE]);
/* Removes all files of an ephemeral volume; 0 too if there are none. */
int volfs_host_wipe(struct volfs_host *h);

/* ---- volfs_tags.c ---- */
/* The store of tags for development (volume/tagfile.h): UUID.tag in that
 * directory of the host; tag is what it has. -ENOKEY: there is none of this
 * volume; -EBADMSG: what is there is not of this volume under this key. */
int volfs_tags_open(const char *path, const uint8_t uuid[VOL_UUID_SIZE],
	const uint8_t key[VOL_KEY_SIZE], struct volfs_tags **out,
	uint8_t tag[VOL_TAG_SIZE]);
/* CAS keeps them, by way of process 1 (service.h). name stays where it is.
 * -ENOMEM. */
int volfs_tags_of_cas(const char *name, struct volfs_tags **out);
int volfs_tags_push(struct volfs_tags *t, const uint8_t from[VOL_TAG_SIZE],
	const uint8_t to[VOL_TAG_SIZE], bool durable);
void volfs_tags_free(struct volfs_tags *t); /* NULL is fine */

/* ---- volfs_sealed.c ---- */
/* The key of a volume that it keeps sealed to this enclave, in the file
 * key.sealed; made at the first time, if there is neither that nor a volume
 * (and not readonly). */
int volfs_sealed_key(struct volfs_host *h, bool readonly,
	uint8_t key[VOL_KEY_SIZE], struct err *e);

/* ---- volfs_mount.c ---- */
/* Mounts the volume at / of the configuration, which stays where it is, or all
 * others. */
int volfs_mount_all(const struct config *c, bool root, struct err *e);
/* Process 1 runs: what is not synced is committed from time to time. */
void volfs_start_writer(void);
/* The last thing before the enclave ends: everything is committed. */
void volfs_shutdown(void);
/* All of it now, and no change any more: the service is over. */
int volfs_finish(void);
/* sync(2). */
void volfs_sync(void);

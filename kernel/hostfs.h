/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's files as they are: a development run, or what a manifest admits
 * by name. Nothing here is protected; what the host says is checked for form
 * and otherwise believed.
 *
 * Attributes and names are cached for HOSTFS_TTL, as network file systems do
 * it. Changes made through this enclave are seen at once, changes that others
 * make on the host within that time. Opening always asks the host.
 */
#pragma once

#include "kernel/hostcache.h"
#include "kernel/time.h"
#include "kernel/vfs.h"

struct file;
struct host_stat;

#define HOSTFS_TTL NSEC_PER_SEC

struct hostfs_node {
	struct vnode v;
	struct kstat st;
	uint64_t expires; /* of st and target; time_mono_ns */
	char *target; /* of a link, kmalloc'ed */
	struct hostcache cache; /* content */
	struct hostfs_node *hash_next, **hash_pprev;
};

struct hostfs_mount {
	int root_fd;
};

static inline struct hostfs_node *hostfs_node(struct vnode *v)
{
	return (struct hostfs_node *)v;
}

/* The node of that file with a reference; its attributes are now fresh.
 * Stops the enclave if hs is malformed. NULL: no memory. */
struct hostfs_node *hostfs_node_find(
	struct mount *m, const struct host_stat *hs);
/* Stops the enclave if h is malformed. */
void hostfs_stat_convert(const struct host_stat *h, struct kstat *st);
/* Next time somebody asks, the host is asked. */
static inline void hostfs_changed(struct vnode *v)
{
	if (!v)
		return; /* the name lost its meaning during the call */
	hostfs_node(v)->expires = 0;
	hostcache_drop(&hostfs_node(v)->cache);
}

int hostfs_getattr(
	struct dentry *d, struct vnode *v, struct file *f, struct kstat *st);
/* d below the mount's root directory, in a path buffer. */
int hostfs_path(const struct dentry *d, char **out, int *root_fd);

/* The result of a host call about d, in which root and path name it. */
#define ON_HOST(d, call)                                          \
	__extension__({                                           \
		char *path;                                       \
		int root;                                         \
		int64_t result_ = hostfs_path((d), &path, &root); \
                                                                  \
		if (!result_) {                                   \
			result_ = (call);                         \
			path_buf_put(path);                       \
		}                                                 \
		result_;                                          \
	})

/* hostfs_file.c: d was opened on the host as host_fd (taken over, also on
 * failure). */
int hostfs_file_new(
	struct dentry *d, uint32_t flags, int host_fd, struct file **out);
/* hostfs_stream.c: the same for terminals, pipes and devices. */
int hostfs_stream_new(struct dentry *d, uint32_t flags, int host_fd,
	const struct host_stat *h, struct file **out);

extern const struct xattr_ops hostfs_xattr_ops; /* hostfs_xattr.c */

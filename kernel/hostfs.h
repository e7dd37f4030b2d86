/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's files as they are: a development run, or what a manifest admits
 * by name. Nothing here is protected; what the host says is checked for form
 * and otherwise believed.
 *
 * Attributes and names are cached for HOSTFS_TTL, as network file systems do
 * it. Changes made through this enclave are seen at once, changes that others
 * make on the host within that time. Opening for reading uses a descriptor
 * that was closed here lately if the name was seen within HOSTFS_OPEN_TTL and
 * nobody outside has spoken to this enclave since; all other opening asks.
 */
#pragma once

#include "kernel/hostcache.h"
#include "kernel/time.h"
#include "kernel/vfs.h"

struct file;
struct kstat;

#define HOSTFS_TTL NSEC_PER_SEC
#define HOSTFS_OPEN_TTL (NSEC_PER_SEC / 50)

struct hostfs_node {
	struct vnode v;
	struct kstat st;
	uint64_t expires; /* of st and target; time_mono_ns */
	char *target; /* of a link, kmalloc'ed */
	struct hostcache cache; /* content */
	struct list idle_node;
	uint64_t idle_until; /* then idle_fd is closed */
	int idle_fd; /* open for reading, of no file; 0: none */
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
struct hostfs_node *hostfs_node_find(struct mount *m, const struct kstat *hs);
/* Stops the enclave if h, from the host, is malformed. */
void hostfs_stat_check(const struct kstat *h);
/* Closes n's idle descriptor; may sleep. */
void hostfs_idle_drop(struct hostfs_node *n);
/* Names seen so far do not do for opening: a signal or a line of input may
 * tell of a change, or something changed that is not the file itself. */
void hostfs_distrust(void);
/* Next time somebody asks, the host is asked. */
static inline void hostfs_changed(struct vnode *v)
{
	if (!v)
		return; /* the name lost its meaning during the call */
	hostfs_node(v)->expires = 0;
	hostcache_drop(&hostfs_node(v)->cache);
	hostfs_idle_drop(hostfs_node(v));
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

/* hostidle.c: a descriptor of d, positive, that fits flags of open; 0: none. */
int hostfs_idle_take(struct dentry *d, uint32_t flags);
/* Takes over f's descriptor, if it can be of use. */
bool hostfs_idle_keep(struct file *f);
/* Closes the one that was idle longest; false: there is none. */
bool hostfs_idle_shrink(void);
/* hostfs_file.c: d was opened on the host as host_fd (taken over, also on
 * failure). */
int hostfs_file_new(
	struct dentry *d, uint32_t flags, int host_fd, struct file **out);
/* hostfs_stream.c: the same for terminals, pipes and devices. */
int hostfs_stream_new(struct dentry *d, uint32_t flags, int host_fd,
	const struct kstat *h, struct file **out);

extern const struct xattr_ops hostfs_xattr_ops; /* hostfs_xattr.c */

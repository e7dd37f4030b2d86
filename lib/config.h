/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The launch configuration: what the host asks the kernel to run, as canonical
 * CBOR in untrusted memory. It is the host's word: the kernel copies it in
 * once, decodes it, and then
 *
 *  - with a manifest, takes from it only what the manifest admits
 *    (config_admit), after the manifest's hash matched CONFIGID;
 *  - without one (CONFIGID zero: a development run) takes it as it is.
 */
#pragma once

#include "lib/manifest.h"
#include "lib/schema.h"

enum {
	CONFIG_VERSION = 1,
	CONFIG_SIZE_MAX = 4 * 1024 * 1024,
};

/* Where the host keeps a volume. */
struct volume_source {
	struct bytes key; /* VOLUME_KEY_SIZE bytes; none: it is not given */
	const char *name; /* of a struct volume_spec */
	const char *path; /* directory on the host */
	const char *tags; /* directory on the host with tags of volumes */
};

enum { VOLUME_KEY_SIZE = 32 };

struct config {
	uint64_t version;
	const char *program; /* absolute path inside the enclave's file tree;
				NULL: as the manifest says */
	struct text_list args; /* argv, argv[0] included */
	struct text_list env; /* "NAME=value" */
	const char *workdir;
	const char *hostname;
	struct item_list mounts; /* of struct mount_spec */
	uint64_t uid, gid; /* what getuid() and getgid() say */
	uint64_t files; /* bound on open descriptors, 0: none */
	uint64_t threads; /* bound on threads, 0: none */
	uint64_t signals; /* as struct manifest */
	bool network;
	uint64_t attestation; /* as struct manifest */
	struct item_list volumes; /* of struct volume_spec */
	struct item_list volume_sources; /* of struct volume_source */
	struct bytes manifest; /* canonical form; empty: a development run */
	struct text_list cas_addresses; /* IP:PORT, tried in turn; with a
					   manifest that names a CAS */
};

extern const struct schema config_schema;
extern const struct schema volume_source_schema;

/* Decodes and checks. Errors as schema_decode(), -EINVAL. */
must_check int config_decode(struct config *c, const void *data, size_t size,
	struct arena *arena, struct err *e);

/*
 * Restricts @c to what @m admits: @c then is what is to be run, with memory
 * for new lists from @arena. Bounds of @m on memory and cpus are checked
 * against what the host gave (@memory bytes, @cpus).
 *
 * With @c->program NULL any program is admitted. @m names no CAS.
 *
 * -EPERM with the reason in @e if the host asked for something else than @m
 * says: another program, arguments or environment it may not choose, mounts,
 * more memory or cpus; -ENOMEM if the arena is full.
 */
must_check int config_admit(struct config *c, const struct manifest *m,
	uint64_t memory, uint64_t cpus, struct arena *arena, struct err *e);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manifest: what the owner lets an enclave run (doc/manifest.md).
 *
 * People write YAML; the enclave knows the canonical CBOR form made from it,
 * and CONFIGID is the SHA-256 of that form. Both forms follow the one table
 * manifest_schema, so equal meaning gives equal CONFIGIDs.
 */
#pragma once

#include "lib/schema.h"

enum {
	MANIFEST_VERSION = 1,
	MANIFEST_SIZE_MAX = 256 * 1024, /* of either form */
	MANIFEST_MOUNTS_MAX = 64,
	MANIFEST_VOLUMES_MAX = 16,
	MANIFEST_PATH_MAX = 4095,
	MANIFEST_TEXT_MAX = 128 * 1024,
};

/* What the host may say about the arguments behind argv[0]. */
enum manifest_host_args {
	MANIFEST_ARGS_NONE, /* exactly list */
	MANIFEST_ARGS_APPEND, /* list, then the host's */
	MANIFEST_ARGS_REPLACE, /* the host's if there are any, else list */
};

enum mount_type {
	MOUNT_HOST,
	MOUNT_TMPFS,
	MOUNT_PROC,
	MOUNT_DEV,
	MOUNT_SCONCE, /* of the kernel alone */
};

struct mount_spec {
	bool ro;
	uint64_t size; /* tmpfs: bytes it may hold; 0: no own bound */
	uint64_t type; /* enum mount_type */
	const char *source; /* host: path on the host; else NULL */
	const char *target; /* absolute path inside */
};

/* How an encrypted volume is held to its state. */
enum volume_tag_policy {
	VOLUME_ROLLBACK_PROTECTED, /* the last known state, or one after it */
	VOLUME_EPHEMERAL, /* empty at each start, its key is never kept */
	VOLUME_NO_ROLLBACK_PROTECTION, /* any state of it */
};

/* Where its key comes from. */
enum volume_key_source {
	VOLUME_KEY_GIVEN, /* the launcher gives it: for development */
	VOLUME_KEY_CAS, /* struct service_volume (lib/service.h) */
	VOLUME_KEY_SEALED, /* made at the first start, sealed to the enclave */
};

struct volume_spec {
	bool ro;
	uint64_t key; /* enum volume_key_source */
	const char *name; /* by which the launcher knows it */
	const char *path; /* absolute path inside */
	const char *image; /* hash of a sealed image, 64 hexadecimal digits;
			      NULL: no image */
	uint64_t tag_policy; /* enum volume_tag_policy */
};

struct manifest_args {
	uint64_t host; /* enum manifest_host_args */
	struct text_list list;
};

struct manifest_env {
	struct text_map set;
	struct text_list pass; /* names; a final '*' stands for any rest */
};

/* What programs may use of /dev/attestation; init may use all of it. */
enum manifest_attestation {
	ATTESTATION_REPORT = 1,
	ATTESTATION_QUOTE = 2,
	ATTESTATION_SEAL = 4,
	ATTESTATION_KEYS = 8, /* keys that programs use as they like */
	ATTESTATION_ALL = 15,
};

/* Upper bounds; 0: none beside the kernel's own. */
struct manifest_limits {
	uint64_t cpus;
	uint64_t files;
	uint64_t memory;
	uint64_t threads;
};

/* The rest is whatever that session of that CAS says. */
struct manifest_cas {
	const char *key; /* SHA-256 of CAS's SubjectPublicKeyInfo, 64 lower
			    case hexadecimal digits; NULL: no CAS */
	const char *session; /* "name/service" */
	const char *token; /* known to who may start it, once; or NULL */
};

struct manifest {
	uint64_t version;
	const char *program; /* NULL if there is a CAS */
	const char *workdir;
	const char *hostname;
	bool network;
	uint64_t signals; /* bit n-1: the host may send signal n */
	struct manifest_args args;
	struct manifest_env env;
	struct manifest_limits limits;
	struct item_list mounts; /* of struct mount_spec */
	struct item_list volumes; /* of struct volume_spec */
	uint64_t attestation; /* enum manifest_attestation */
	struct manifest_cas cas;
};

extern const struct schema manifest_schema;
extern const struct schema manifest_limits_schema;
extern const struct schema mount_schema;
extern const struct schema volume_spec_schema;
/* Indexed by signal number - 1, NULL where the host never may. */
extern const char *const manifest_signal_names[32];

extern const char *const manifest_attestation_names[4];

/* HUP, INT, QUIT, TERM and WINCH, and CONT (STOP cannot be refused). */
extern const uint64_t manifest_default_signals;

/*
 * Pure validator of what the table cannot say: the version, mounts that fit
 * their type, names in the environment. 0 or -EINVAL with the reason in @e.
 */
must_check int manifest_check(const struct manifest *m, struct err *e);
/* Its part that looks at volumes (lib/volume_spec.c). */
must_check int manifest_check_volumes(const struct manifest *m, struct err *e);

/* Decodes and checks the canonical form. Errors as schema_decode(), -EINVAL. */
must_check int manifest_decode(struct manifest *m, const void *data,
	size_t size, struct arena *arena, struct err *e);

/* True if the environment variable @name may come from the host. */
bool manifest_env_passes(
	const struct manifest *m, const char *name, size_t len);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What CAS gives to an attested enclave: everything that the manifest would
 * say, and what a manifest cannot hold since it is no secret. Canonical CBOR;
 * CAS makes it, init carries it unread, the kernel takes it once, before the
 * service starts.
 */
#pragma once

#include "lib/manifest.h"

enum {
	SERVICE_VERSION = 1,
	SERVICE_SIZE_MAX = 4 * 1024 * 1024,
	SERVICE_FILES_MAX = 256,
};

/* A file that exists in the enclave's memory only. */
struct service_file {
	struct bytes data; /* of a template: empty */
	uint64_t mode; /* permission bits, 0 to 07777 */
	const char *path; /* absolute; may cover a file of a read-only image */
	/* What is in the file of that path, of an image or a volume, with
	 * variables replaced: their values are asked for as programs do. */
	bool template;
};

struct service_volume {
	struct bytes key; /* VOLUME_KEY_SIZE bytes */
	struct bytes tag; /* the last one CAS acknowledged, VOL_TAG_SIZE bytes;
			     none: what the directory holds is discarded and a
			     new volume made, since nothing in it was ever
			     acknowledged */
	const char *name; /* of a struct volume_spec of the manifest */
};

struct service_config {
	uint64_t version;
	struct bytes manifest; /* canonical form, without `cas` */
	struct item_list files; /* of struct service_file */
	struct item_list volumes; /* of struct service_volume */
};

extern const struct schema service_config_schema;
extern const struct schema manifest_cas_schema;

/* Decodes and checks; the manifest is checked by manifest_decode(). Errors as
 * schema_decode(), -EINVAL. */
must_check int service_config_decode(struct service_config *c, const void *data,
	size_t size, struct arena *arena, struct err *e);

/* manifest_check() of a manifest that names a CAS: it says nothing else. */
must_check int manifest_check_cas(const struct manifest *m, struct err *e);

/* NULL: there is none of that name. */
const struct service_volume *service_volume_find(
	const struct service_config *c, const char *name);

/*
 * Does @c fit its own manifest, decoded as @m? There is one service_volume for
 * each volume whose key comes from CAS, and none else; @m names no CAS. 0, or
 * -EINVAL with the reason in @e.
 */
must_check int service_config_match(const struct service_config *c,
	const struct manifest *m, struct err *e);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What manifest and launcher say of volumes: which there are and how they are
 * held to their state; where the host keeps them.
 */
#include <linux/errno.h>

#include "lib/config.h"
#include "lib/string.h"

#define AT(type, field) .offset = offsetof(struct type, field)

static const char *const tag_policy_names[] = {
	"rollback_protected", "ephemeral", "no_rollback_protection"};
static const char *const volume_key_names[] = {"given", "cas", "sealed"};
static const struct schema_field volume_fields[] = {
	{"ro", SCHEMA_BOOL, 0, AT(volume_spec, ro)},
	{"key", SCHEMA_ENUM, 0, AT(volume_spec, key), .max = 2,
		.names = volume_key_names},
	{"name", SCHEMA_TEXT, SCHEMA_REQUIRED, AT(volume_spec, name), .min = 1,
		.max = 64},
	{"path", SCHEMA_TEXT, SCHEMA_REQUIRED | SCHEMA_ABSOLUTE,
		AT(volume_spec, path), .min = 1, .max = MANIFEST_PATH_MAX},
	{"image", SCHEMA_TEXT, SCHEMA_OPTIONAL, AT(volume_spec, image),
		.min = 64, .max = 64},
	{"tag_policy", SCHEMA_ENUM, 0, AT(volume_spec, tag_policy), .max = 2,
		.names = tag_policy_names},
};
const struct schema volume_spec_schema = {"volume", volume_fields,
	ARRAY_SIZE(volume_fields), sizeof(struct volume_spec), NULL};

static const struct schema_field source_fields[] = {
	{"key", SCHEMA_BYTES, SCHEMA_OPTIONAL, AT(volume_source, key),
		.min = VOLUME_KEY_SIZE, .max = VOLUME_KEY_SIZE},
	{"name", SCHEMA_TEXT, 0, AT(volume_source, name), .min = 1, .max = 64},
	{"path", SCHEMA_TEXT, SCHEMA_RAW | SCHEMA_ABSOLUTE,
		AT(volume_source, path), .min = 1, .max = MANIFEST_PATH_MAX},
	{"tags", SCHEMA_TEXT, SCHEMA_RAW | SCHEMA_ABSOLUTE,
		AT(volume_source, tags), .min = 1, .max = MANIFEST_PATH_MAX},
};
const struct schema volume_source_schema = {"volume_source", source_fields,
	ARRAY_SIZE(source_fields), sizeof(struct volume_source), NULL};

/* Names and paths are there once; an empty, read-only one is of no use. */
int manifest_check_volumes(const struct manifest *m, struct err *e)
{
	const struct volume_spec *v = m->volumes.item;
	uint8_t hash[32];

	for (size_t i = 0; i < m->volumes.count; i++) {
		for (size_t k = 0; k < i; k++)
			if (strcmp(v[k].name, v[i].name) == 0 ||
				strcmp(v[k].path, v[i].path) == 0)
				return err_setf(e, -EINVAL,
					"volume %s at %s: name or path is "
					"there twice",
					v[i].name, v[i].path);
		if (v[i].image != NULL &&
			!string_from_hex(v[i].image, hash, sizeof(hash)))
			return err_setf(e, -EINVAL,
				"volume %s: image %s; wanted 64 hexadecimal "
				"digits, as `sconce image` prints them",
				v[i].name, v[i].image);
		if (v[i].image != NULL && v[i].tag_policy != 0)
			return err_setf(e, -EINVAL,
				"volume %s: an image has no tag_policy: its "
				"hash names it",
				v[i].name);
		if (v[i].key == VOLUME_KEY_SEALED &&
			(v[i].image != NULL ||
				v[i].tag_policy == VOLUME_ROLLBACK_PROTECTED))
			return err_setf(e, -EINVAL,
				"volume %s: key sealed; wanted no image, and "
				"tag_policy no_rollback_protection: who puts "
				"the volume back can put its tag back as well",
				v[i].name);
		if (v[i].ro && v[i].tag_policy == VOLUME_EPHEMERAL)
			return err_setf(e, -EINVAL,
				"volume %s: ephemeral and read-only",
				v[i].name);
	}
	return 0;
}

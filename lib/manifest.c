/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/manifest.h"

#include <linux/errno.h>

#include "lib/service.h"
#include "lib/string.h"

static const char *const host_args_names[] = {"none", "append", "replace"};
static const char *const mount_type_names[] = {"host", "tmpfs", "proc", "dev"};

/* The faults are absent: the host cannot know of one (S-20). */
const char *const manifest_signal_names[32] = {
	[0] = "HUP",
	[1] = "INT",
	[2] = "QUIT",
	[9] = "USR1",
	[11] = "USR2",
	[13] = "ALRM",
	[14] = "TERM",
	[17] = "CONT",
	[19] = "TSTP",
	[20] = "TTIN",
	[21] = "TTOU",
	[27] = "WINCH",
};
const uint64_t manifest_default_signals = 1ull << 0 | 1ull << 1 | 1ull << 2 |
	1ull << 14 | 1ull << 17 | 1ull << 27;

const char *const manifest_attestation_names[4] = {
	"report", "quote", "seal", "keys"};

#define AT(type, field) .offset = offsetof(struct type, field)

static const struct schema_field mount_fields[] = {
	{"ro", SCHEMA_BOOL, 0, AT(mount_spec, ro)},
	{"size", SCHEMA_SIZE, 0, AT(mount_spec, size), .max = 1ull << 40},
	{"type", SCHEMA_ENUM, SCHEMA_REQUIRED, AT(mount_spec, type), .max = 3,
		.names = mount_type_names},
	{"source", SCHEMA_TEXT, SCHEMA_OPTIONAL | SCHEMA_ABSOLUTE,
		AT(mount_spec, source), .min = 1, .max = MANIFEST_PATH_MAX},
	{"target", SCHEMA_TEXT, SCHEMA_REQUIRED | SCHEMA_ABSOLUTE,
		AT(mount_spec, target), .min = 1, .max = MANIFEST_PATH_MAX},
};
const struct schema mount_schema = {"mount", mount_fields,
	ARRAY_SIZE(mount_fields), sizeof(struct mount_spec), NULL};

static const struct schema_field args_fields[] = {
	{"host", SCHEMA_ENUM, 0, AT(manifest_args, host), .max = 2,
		.names = host_args_names},
	{"list", SCHEMA_TEXT_LIST, 0, AT(manifest_args, list),
		.max = MANIFEST_TEXT_MAX},
};
static const struct schema args_schema = {"args", args_fields,
	ARRAY_SIZE(args_fields), sizeof(struct manifest_args), NULL};

static const struct schema_field env_fields[] = {
	{"set", SCHEMA_TEXT_MAP, 0, AT(manifest_env, set),
		.max = MANIFEST_TEXT_MAX},
	{"pass", SCHEMA_TEXT_LIST, 0, AT(manifest_env, pass), .min = 1,
		.max = 255},
};
static const struct schema env_schema = {"env", env_fields,
	ARRAY_SIZE(env_fields), sizeof(struct manifest_env), NULL};

static const struct schema_field limits_fields[] = {
	{"cpus", SCHEMA_UINT, 0, AT(manifest_limits, cpus), .max = 64},
	{"files", SCHEMA_UINT, 0, AT(manifest_limits, files), .max = 1 << 20},
	{"memory", SCHEMA_SIZE, 0, AT(manifest_limits, memory),
		.max = 1ull << 40},
	{"threads", SCHEMA_UINT, 0, AT(manifest_limits, threads),
		.max = 1 << 20},
};
const struct schema manifest_limits_schema = {"limits", limits_fields,
	ARRAY_SIZE(limits_fields), sizeof(struct manifest_limits), NULL};

static const struct schema_field manifest_fields[] = {
	{"cas", SCHEMA_STRUCT, SCHEMA_OPTIONAL, AT(manifest, cas),
		.sub = &manifest_cas_schema},
	{"env", SCHEMA_STRUCT, 0, AT(manifest, env), .sub = &env_schema},
	{"args", SCHEMA_STRUCT, 0, AT(manifest, args), .sub = &args_schema},
	{"root", SCHEMA_RESERVED, 0, .offset = 0},
	{"limits", SCHEMA_STRUCT, 0, AT(manifest, limits),
		.sub = &manifest_limits_schema},
	{"mounts", SCHEMA_STRUCT_LIST, 0, AT(manifest, mounts),
		.max = MANIFEST_MOUNTS_MAX, .sub = &mount_schema},
	{"network", SCHEMA_BOOL, 0, AT(manifest, network)},
	{"program", SCHEMA_TEXT, SCHEMA_OPTIONAL | SCHEMA_ABSOLUTE,
		AT(manifest, program), .min = 2, .max = MANIFEST_PATH_MAX},
	{"signals", SCHEMA_FLAGS, 0, AT(manifest, signals), .max = 31,
		.names = manifest_signal_names},
	{"version", SCHEMA_UINT, SCHEMA_REQUIRED, AT(manifest, version),
		.max = UINT64_MAX},
	{"volumes", SCHEMA_STRUCT_LIST, 0, AT(manifest, volumes),
		.max = MANIFEST_VOLUMES_MAX, .sub = &volume_spec_schema},
	{"workdir", SCHEMA_TEXT, SCHEMA_ABSOLUTE, AT(manifest, workdir),
		.min = 1, .max = MANIFEST_PATH_MAX},
	{"hostname", SCHEMA_TEXT, 0, AT(manifest, hostname), .min = 1,
		.max = 64},
	{"attestation", SCHEMA_FLAGS, 0, AT(manifest, attestation), .max = 3,
		.names = manifest_attestation_names},
};
static const struct manifest manifest_defaults = {
	.workdir = "/",
	.hostname = "sconce",
	.attestation = ATTESTATION_REPORT | ATTESTATION_QUOTE |
		ATTESTATION_SEAL,
	.signals = 1ull << 0 | 1ull << 1 | 1ull << 2 | 1ull << 14 | 1ull << 17 |
		1ull << 27,
};
const struct schema manifest_schema = {"manifest", manifest_fields,
	ARRAY_SIZE(manifest_fields), sizeof(struct manifest),
	&manifest_defaults};

static int check_mount(const struct mount_spec *m, struct err *e)
{
	if (m->type == MOUNT_HOST && m->source == NULL)
		return err_setf(e, -EINVAL,
			"mount %s: type host without a source; wanted the "
			"path on the host",
			m->target);
	if (m->type != MOUNT_HOST && m->source != NULL)
		return err_setf(e, -EINVAL,
			"mount %s: source %s; wanted none with type %s",
			m->target, m->source, mount_type_names[m->type]);
	if (m->type != MOUNT_TMPFS && m->size != 0)
		return err_setf(e, -EINVAL,
			"mount %s: size; wanted only with type tmpfs",
			m->target);
	return 0;
}

/* A name without '='; @pattern also allows a final '*'. */
static bool is_env_name(const char *name, bool pattern)
{
	size_t len = strlen(name);

	if (len == 0 || strchr(name, '=') != NULL)
		return false;
	const char *star = strchr(name, '*');

	return star == NULL || (pattern && star == name + len - 1);
}

int manifest_check(const struct manifest *m, struct err *e)
{
	const struct mount_spec *mounts = m->mounts.item;

	if (m->version != MANIFEST_VERSION)
		return err_setf(e, -EINVAL, "manifest.version: %llu; wanted %d",
			(unsigned long long)m->version, MANIFEST_VERSION);
	if (m->cas.key != NULL)
		return manifest_check_cas(m, e);
	if (m->program == NULL)
		return err_setf(
			e, -EINVAL, "key 'program' is missing in manifest");
	for (size_t i = 0; i < m->mounts.count; i++) {
		int ret = check_mount(&mounts[i], e);

		if (ret < 0)
			return ret;
		for (size_t k = 0; k < i; k++)
			if (strcmp(mounts[k].target, mounts[i].target) == 0)
				return err_setf(e, -EINVAL,
					"mount %s: is there twice",
					mounts[i].target);
	}
	for (size_t i = 0; i < m->env.set.count; i++)
		if (!is_env_name(m->env.set.item[i].key, false))
			return err_setf(e, -EINVAL,
				"env.set: '%s' is not a variable's name",
				m->env.set.item[i].key);
	for (size_t i = 0; i < m->env.pass.count; i++)
		if (!is_env_name(m->env.pass.item[i], true))
			return err_setf(e, -EINVAL,
				"env.pass: '%s'; wanted a name, or a prefix "
				"and '*'",
				m->env.pass.item[i]);
	return manifest_check_volumes(m, e);
}

int manifest_decode(struct manifest *m, const void *data, size_t size,
	struct arena *arena, struct err *e)
{
	int ret;

	if (size > MANIFEST_SIZE_MAX)
		return err_setf(e, -ERANGE, "manifest: %zu bytes; wanted <= %d",
			size, MANIFEST_SIZE_MAX);
	ret = schema_decode(&manifest_schema, m, data, size, arena, e);
	return ret < 0 ? ret : manifest_check(m, e);
}

bool manifest_env_passes(const struct manifest *m, const char *name, size_t len)
{
	for (size_t i = 0; i < m->env.pass.count; i++) {
		const char *p = m->env.pass.item[i];
		size_t n = strlen(p);

		if (p[n - 1] == '*'
				? n - 1 <= len && memcmp(p, name, n - 1) == 0
				: n == len && memcmp(p, name, n) == 0)
			return true;
	}
	return false;
}

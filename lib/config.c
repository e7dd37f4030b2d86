/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/config.h"

#include <linux/errno.h>

#include "lib/string.h"

#define AT(field) .offset = offsetof(struct config, field)

static const struct schema_field config_fields[] = {
	{"env", SCHEMA_TEXT_LIST, SCHEMA_RAW, AT(env), .min = 1,
		.max = MANIFEST_TEXT_MAX},
	{"gid", SCHEMA_UINT, 0, AT(gid), .max = UINT32_MAX},
	{"uid", SCHEMA_UINT, 0, AT(uid), .max = UINT32_MAX},
	{"args", SCHEMA_TEXT_LIST, SCHEMA_RAW, AT(args),
		.max = MANIFEST_TEXT_MAX},
	{"files", SCHEMA_UINT, 0, AT(files), .max = 1 << 20},
	{"mounts", SCHEMA_STRUCT_LIST, 0, AT(mounts),
		.max = MANIFEST_MOUNTS_MAX, .sub = &mount_schema},
	{"network", SCHEMA_BOOL, 0, AT(network)},
	{"program", SCHEMA_TEXT, SCHEMA_RAW | SCHEMA_ABSOLUTE | SCHEMA_OPTIONAL,
		AT(program), .min = 2, .max = MANIFEST_PATH_MAX},
	{"signals", SCHEMA_FLAGS, 0, AT(signals), .max = 31,
		.names = manifest_signal_names},
	{"threads", SCHEMA_UINT, 0, AT(threads), .max = 1 << 20},
	{"version", SCHEMA_UINT, 0, AT(version), .max = UINT64_MAX},
	{"volumes", SCHEMA_STRUCT_LIST, 0, AT(volumes),
		.max = MANIFEST_VOLUMES_MAX, .sub = &volume_spec_schema},
	{"workdir", SCHEMA_TEXT, SCHEMA_RAW | SCHEMA_ABSOLUTE, AT(workdir),
		.min = 1, .max = MANIFEST_PATH_MAX},
	{"hostname", SCHEMA_TEXT, SCHEMA_RAW, AT(hostname), .min = 1,
		.max = 64},
	{"manifest", SCHEMA_BYTES, SCHEMA_OPTIONAL, AT(manifest),
		.max = MANIFEST_SIZE_MAX},
	{"attestation", SCHEMA_FLAGS, 0, AT(attestation), .max = 3,
		.names = manifest_attestation_names},
	{"cas_addresses", SCHEMA_TEXT_LIST, SCHEMA_RAW, AT(cas_addresses),
		.min = 1, .max = 64},
	{"volume_sources", SCHEMA_STRUCT_LIST, 0, AT(volume_sources),
		.max = MANIFEST_VOLUMES_MAX, .sub = &volume_source_schema},
};
const struct schema config_schema = {"config", config_fields,
	ARRAY_SIZE(config_fields), sizeof(struct config), NULL};

int config_decode(struct config *c, const void *data, size_t size,
	struct arena *arena, struct err *e)
{
	const struct mount_spec *mounts;
	int ret = schema_decode(&config_schema, c, data, size, arena, e);

	if (ret < 0)
		return ret;
	if (c->version != CONFIG_VERSION)
		return err_setf(e, -EINVAL, "config.version: %llu; wanted %d",
			(unsigned long long)c->version, CONFIG_VERSION);
	if (c->args.count == 0)
		return err_setf(e, -EINVAL, "config.args: empty");
	for (size_t i = 0; i < c->env.count; i++)
		if (strchr(c->env.item[i], '=') == NULL)
			return err_setf(e, -EINVAL,
				"config.env: '%.80s' has no '='",
				c->env.item[i]);
	mounts = c->mounts.item;
	for (size_t i = 0; i < c->mounts.count; i++)
		if ((mounts[i].type == MOUNT_HOST) !=
			(mounts[i].source != NULL))
			return err_setf(e, -EINVAL,
				"config.mounts: %.200s: source and type differ",
				mounts[i].target);
	return 0;
}

static int admit_args(struct config *c, const struct manifest *m,
	struct arena *arena, struct err *e)
{
	size_t host = c->args.count - 1, fixed = m->args.list.count, n = 0;
	bool replace = m->args.host == MANIFEST_ARGS_REPLACE && host > 0;
	bool keep_host = replace || m->args.host == MANIFEST_ARGS_APPEND;
	const char **list;

	if (host > 0 && !keep_host)
		return err_setf(e, -EPERM,
			"argument '%.80s': the manifest admits none from the "
			"host (args.host)",
			c->args.item[1]);
	list = arena_alloc(arena, (1 + fixed + host) * sizeof(*list));
	if (list == NULL)
		return err_setf(e, -ENOMEM, "config.args: too large");
	list[n++] = m->program;
	for (size_t i = 0; i < fixed && !replace; i++)
		list[n++] = m->args.list.item[i];
	for (size_t i = 0; i < host; i++)
		list[n++] = c->args.item[1 + i];
	c->args = (struct text_list){list, n};
	return 0;
}

static char *join_pair(struct arena *arena, const struct text_pair *p)
{
	size_t key = strlen(p->key), value = strlen(p->value);
	char *text = arena_alloc(arena, key + value + 2);

	if (text == NULL)
		return NULL;
	memcpy(text, p->key, key);
	text[key] = '=';
	memcpy(text + key + 1, p->value, value);
	return text;
}

/* The manifest's own variables first; of the host's, those it lets pass. */
static int admit_env(struct config *c, const struct manifest *m,
	struct arena *arena, struct err *e)
{
	const struct text_map *set = &m->env.set;
	const char **list;
	size_t n = 0;

	list = arena_alloc(arena, (set->count + c->env.count) * sizeof(*list));
	if (list == NULL)
		return err_setf(e, -ENOMEM, "config.env: too large");
	for (size_t i = 0; i < set->count; i++) {
		list[n] = join_pair(arena, &set->item[i]);
		if (list[n++] == NULL)
			return err_setf(e, -ENOMEM, "config.env: too large");
	}
	for (size_t i = 0; i < c->env.count; i++) {
		const char *var = c->env.item[i];
		size_t len = (size_t)(strchr(var, '=') - var);
		bool own = false;

		for (size_t k = 0; k < set->count && !own; k++)
			own = strlen(set->item[k].key) == len &&
				memcmp(set->item[k].key, var, len) == 0;
		if (!own && manifest_env_passes(m, var, len))
			list[n++] = var;
	}
	c->env = (struct text_list){list, n};
	return 0;
}

static int admit_bound(
	const char *what, uint64_t seen, uint64_t bound, struct err *e)
{
	if (bound == 0 || seen <= bound)
		return 0;
	return err_setf(e, -EPERM,
		"%s: %llu; the manifest admits at most %llu (limits.%s)", what,
		(unsigned long long)seen, (unsigned long long)bound, what);
}

int config_admit(struct config *c, const struct manifest *m, uint64_t memory,
	uint64_t cpus, struct arena *arena, struct err *e)
{
	int ret;

	if (c->program != NULL && strcmp(c->program, m->program) != 0)
		return err_setf(e, -EPERM,
			"program %.150s; the manifest wants %.150s", c->program,
			m->program);
	ret = admit_bound("memory", memory, m->limits.memory, e);
	if (ret == 0)
		ret = admit_bound("cpus", cpus, m->limits.cpus, e);
	if (ret == 0)
		ret = admit_args(c, m, arena, e);
	if (ret == 0)
		ret = admit_env(c, m, arena, e);
	if (ret < 0)
		return ret;
	/* These are the manifest's alone; the host's word is not looked at. */
	c->program = m->program;
	c->workdir = m->workdir;
	c->hostname = m->hostname;
	c->mounts = m->mounts;
	c->volumes = m->volumes;
	c->signals = m->signals;
	c->network = m->network;
	c->attestation = m->attestation;
	c->files = m->limits.files;
	c->threads = m->limits.threads;
	return 0;
}

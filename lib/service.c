/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/service.h"

#include <linux/errno.h>

#include "lib/bytes.h"
#include "lib/config.h"
#include "lib/string.h"

enum { TAG_SIZE = 32 };

#define AT(type, field) .offset = offsetof(struct type, field)

static const struct schema_field file_fields[] = {
	{"data", SCHEMA_BYTES, 0, AT(service_file, data),
		.max = SERVICE_SIZE_MAX},
	{"mode", SCHEMA_UINT, 0, AT(service_file, mode), .max = 07777},
	{"path", SCHEMA_TEXT, SCHEMA_ABSOLUTE, AT(service_file, path), .min = 2,
		.max = MANIFEST_PATH_MAX},
	{"template", SCHEMA_BOOL, 0, AT(service_file, template)},
};
static const struct schema file_schema = {"service_file", file_fields,
	ARRAY_SIZE(file_fields), sizeof(struct service_file), NULL};

static const struct schema_field volume_fields[] = {
	{"key", SCHEMA_BYTES, 0, AT(service_volume, key),
		.min = VOLUME_KEY_SIZE, .max = VOLUME_KEY_SIZE},
	{"tag", SCHEMA_BYTES, SCHEMA_OPTIONAL, AT(service_volume, tag),
		.min = TAG_SIZE, .max = TAG_SIZE},
	{"name", SCHEMA_TEXT, 0, AT(service_volume, name), .min = 1, .max = 64},
};
static const struct schema volume_schema = {"service_volume", volume_fields,
	ARRAY_SIZE(volume_fields), sizeof(struct service_volume), NULL};

static const struct schema_field config_fields[] = {
	{"files", SCHEMA_STRUCT_LIST, 0, AT(service_config, files),
		.max = SERVICE_FILES_MAX, .sub = &file_schema},
	{"version", SCHEMA_UINT, 0, AT(service_config, version),
		.max = UINT64_MAX},
	{"volumes", SCHEMA_STRUCT_LIST, 0, AT(service_config, volumes),
		.max = MANIFEST_VOLUMES_MAX, .sub = &volume_schema},
	{"manifest", SCHEMA_BYTES, 0, AT(service_config, manifest),
		.max = MANIFEST_SIZE_MAX},
};
const struct schema service_config_schema = {"service_config", config_fields,
	ARRAY_SIZE(config_fields), sizeof(struct service_config), NULL};

/* Every part is a name: none is empty, "." or "..". */
static bool is_clean(const char *path)
{
	while (*path == '/') {
		const char *name = ++path;

		while (*path != '\0' && *path != '/')
			path++;
		if (path == name || path - name > 255 ||
			(name[0] == '.' &&
				(path - name == 1 ||
					(path - name == 2 && name[1] == '.'))))
			return false;
	}
	return *path == '\0';
}

/* One path may not lead through another: a file is no directory. */
static bool is_below(const char *path, const char *file)
{
	size_t n = strlen(file);

	return strncmp(path, file, n) == 0 &&
		(path[n] == '\0' || path[n] == '/');
}

static int check_files(const struct item_list *files, struct err *e)
{
	const struct service_file *f = files->item;

	for (size_t i = 0; i < files->count; i++) {
		if (!is_clean(f[i].path))
			return err_setf(e, -EINVAL,
				"injected file %.200s: wanted a path without "
				"empty parts, '.' and '..'",
				f[i].path);
		if (f[i].template && f[i].data.size > 0)
			return err_setf(e, -EINVAL,
				"injected file %.200s: a template with data of "
				"its own",
				f[i].path);
		for (size_t k = 0; k < files->count; k++)
			if (k != i && is_below(f[i].path, f[k].path))
				return err_setf(e, -EINVAL,
					"injected file %.200s: its path is "
					"that of another one, or below it",
					f[i].path);
	}
	return 0;
}

static int check_volumes(const struct item_list *volumes, struct err *e)
{
	const struct service_volume *v = volumes->item;

	for (size_t i = 0; i < volumes->count; i++)
		for (size_t k = 0; k < i; k++)
			if (strcmp(v[i].name, v[k].name) == 0)
				return err_setf(e, -EINVAL,
					"volume %s: is there twice", v[i].name);
	return 0;
}

int service_config_decode(struct service_config *c, const void *data,
	size_t size, struct arena *arena, struct err *e)
{
	int ret;

	if (size > SERVICE_SIZE_MAX)
		return err_setf(e, -ERANGE,
			"service_config: %zu bytes; wanted <= %d", size,
			SERVICE_SIZE_MAX);
	ret = schema_decode(&service_config_schema, c, data, size, arena, e);
	if (ret == 0 && c->version != SERVICE_VERSION)
		ret = err_setf(e, -EINVAL,
			"service_config.version: %llu; wanted %d: CAS and this "
			"enclave are of different releases",
			(unsigned long long)c->version, SERVICE_VERSION);
	if (ret == 0)
		ret = check_files(&c->files, e);
	return ret < 0 ? ret : check_volumes(&c->volumes, e);
}

const struct service_volume *service_volume_find(
	const struct service_config *c, const char *name)
{
	const struct service_volume *v = c->volumes.item;

	for (size_t i = 0; i < c->volumes.count; i++)
		if (strcmp(v[i].name, name) == 0)
			return &v[i];
	return NULL;
}

int service_config_match(
	const struct service_config *c, const struct manifest *m, struct err *e)
{
	const struct volume_spec *spec = m->volumes.item;
	size_t from_cas = 0;

	if (m->cas.key != NULL)
		return err_setf(e, -EINVAL,
			"the manifest that CAS gave names a CAS itself");
	for (size_t i = 0; i < m->volumes.count; i++) {
		const struct service_volume *v = service_volume_find(
			c, spec[i].name);
		bool wanted = spec[i].key == VOLUME_KEY_CAS;

		if (wanted != (v != NULL))
			return err_setf(e, -EINVAL,
				"volume %s: CAS gave %s, its key is to come "
				"from %s",
				spec[i].name, v != NULL ? "a key" : "no key",
				wanted ? "CAS" : "elsewhere");
		from_cas += wanted;
	}
	if (from_cas != c->volumes.count)
		return err_setf(e, -EINVAL,
			"CAS gave keys for volumes that its manifest does not "
			"have");
	return 0;
}

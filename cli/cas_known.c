/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cas_known.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cli/write_file.h"
#include "lib/bytes.h"
#include "lib/string.h"

static int folder(char path[static CAS_PATH_MAX], struct err *e)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	int n;

	if (config && config[0] == '/')
		n = snprintf(path, CAS_PATH_MAX, "%s", config);
	else if (home && home[0] == '/')
		n = snprintf(path, CAS_PATH_MAX, "%s/.config", home);
	else
		return err_setf(e, -ENOENT,
			"neither XDG_CONFIG_HOME nor HOME says where this "
			"user's files are");
	if (n < 0 || n > CAS_PATH_MAX - 64)
		return err_setf(e, -ENAMETOOLONG, "XDG_CONFIG_HOME: too long");
	if (mkdir(path, 0700) && errno != EEXIST)
		return err_setf(e, -errno, "%s: %s", path, strerror(errno));
	memcpy(path + n, "/sconce", sizeof("/sconce"));
	if (mkdir(path, 0700) && errno != EEXIST)
		return err_setf(e, -errno, "%s: %s", path, strerror(errno));
	return 0;
}

int cas_known_file(
	const char *name, char path[static CAS_PATH_MAX], struct err *e)
{
	int ret = folder(path, e);
	size_t len;

	if (ret)
		return ret;
	len = strlen(path);
	if ((size_t)snprintf(path + len, CAS_PATH_MAX - len, "/%s", name) >=
		CAS_PATH_MAX - len)
		return err_setf(e, -ENAMETOOLONG, "%s: too long", path);
	return 0;
}

/* *out is an object, an empty one if there is no file. */
static int load(char path[static CAS_PATH_MAX], json_t **out, struct err *e)
{
	int ret = cas_known_file("cas.json", path, e);
	json_error_t error;
	struct stat st;

	if (ret)
		return ret;
	if (stat(path, &st) && errno == ENOENT) {
		*out = json_object();
		return *out ? 0 : err_setf(e, -ENOMEM, "no memory");
	}
	*out = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	if (json_is_object(*out))
		return 0;
	json_decref(*out);
	return err_setf(e, -EINVAL, "%s:%d:%d: %s", path, error.line,
		error.column, error.text);
}

static bool fill(
	const char *address, const json_t *entry, struct cas_known *out)
{
	const char *key = json_string_value(json_object_get(entry, "key"));
	const char *enclaves = json_string_value(
		json_object_get(entry, "enclaves"));

	return key && string_from_hex(key, out->key, sizeof(out->key)) &&
		string_copy(out->address, sizeof(out->address), address) == 0 &&
		string_copy(out->enclaves, sizeof(out->enclaves),
			enclaves ? enclaves : "") == 0;
}

int cas_known_find(const char *address, struct cas_known *out, struct err *e)
{
	char path[CAS_PATH_MAX];
	const char *name;
	json_t *root, *entry;
	int ret = load(path, &root, e);

	if (ret)
		return ret;
	if (!address)
		address = json_string_value(json_object_get(root, "default"));
	ret = -ENOENT;
	json_object_foreach(json_object_get(root, "known"), name, entry)
	{
		if (!address || !fill(name, entry, out) ||
			(strcmp(address, out->address) != 0 &&
				strcmp(address, out->enclaves) != 0))
			continue;
		ret = 0;
		break;
	}
	if (ret && address)
		err_setf(e, ret,
			"%s: not a CAS whose key is known here; `sconce cas "
			"attest %s` looks at it and remembers its key",
			address, address);
	else if (ret)
		err_setf(e, ret,
			"no CAS is known here; `sconce cas attest HOST:PORT` "
			"looks at one and remembers its key");
	json_decref(root);
	return ret;
}

int cas_known_put(const struct cas_known *k, bool make_default, struct err *e)
{
	char path[CAS_PATH_MAX], key[65], *text = NULL;
	json_t *root, *known;
	int ret = load(path, &root, e);

	if (ret)
		return ret;
	bytes_to_hex(k->key, sizeof(k->key), key);
	known = json_object_get(root, "known");
	if (!json_is_object(known)) {
		known = json_object();
		json_object_set_new(root, "known", known);
	}
	json_object_set_new(known, k->address,
		json_pack("{s:s, s:s}", "key", key, "enclaves", k->enclaves));
	if (make_default || !json_is_string(json_object_get(root, "default")))
		json_object_set_new(root, "default", json_string(k->address));
	text = json_dumps(root, JSON_INDENT(2) | JSON_SORT_KEYS);
	json_decref(root);
	if (!text)
		return err_setf(e, -ENOMEM, "no memory");
	ret = write_file(path, text, strlen(text), e);
	free(text);
	return ret;
}

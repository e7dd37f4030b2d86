/* SPDX-License-Identifier: Apache-2.0 */
#include "cas/deliver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/config.h"
#include "lib/schema_encode.h"
#include "lib/string.h"

/* The sealed root image among the volumes: what the launcher is to call it. */
#define ROOT_NAME "root"

/* What is in the making; everything that holds values is wiped. */
struct delivery {
	const struct deliver_input *in;
	const struct session_image *image; /* NULL: the service has none */
	struct err *e;
	struct manifest manifest;
	struct service_config config;
	struct buf *texts; /* values of variables, one each */
	size_t text_count, text_cap;
	struct volume_spec specs[MANIFEST_VOLUMES_MAX];
	struct service_volume volumes[MANIFEST_VOLUMES_MAX];
	struct deliver_volume kept[MANIFEST_VOLUMES_MAX];
	struct service_file files[SERVICE_FILES_MAX];
	char root_hash[65];
};

static int no_memory(struct err *e)
{
	return err_setf(e, -ENOMEM, "no memory");
}

/* ---- texts ---- */

/* What to say where: "services.db.command[2]". */
static int located(struct delivery *d, int ret, const char *what, size_t i)
{
	if (ret < 0)
		err_prefix(d->e, "session %s: services.%s: %s[%zu]: ",
			d->in->session->name, d->in->service->name, what, i);
	return ret;
}

static struct buf *text_new(struct delivery *d)
{
	if (d->text_count == d->text_cap) {
		size_t cap = d->text_cap ? 2 * d->text_cap : 32;
		struct buf *more = reallocarray(d->texts, cap, sizeof(*more));

		if (!more)
			return NULL;
		d->texts = more;
		d->text_cap = cap;
	}
	d->texts[d->text_count] = (struct buf){.secret = true};
	return &d->texts[d->text_count++];
}

/* The text with its variables replaced; it lives as long as d. */
static int expand_bytes(struct delivery *d, const char *text,
	const struct text_list *host, struct bytes *out)
{
	struct buf *b = text_new(d);
	int ret;

	if (!b)
		return no_memory(d->e);
	ret = subst(text, d->in->lookup, d->in->arg, host, b, d->e);
	if (ret == 0 && buf_check(b) < 0)
		ret = no_memory(d->e);
	*out = (struct bytes){b->data, b->size};
	return ret;
}

static int expand(struct delivery *d, const char *text,
	const struct text_list *host, const char **out)
{
	struct bytes b;
	int ret;

	/* The text itself lives in the session. */
	*out = text;
	if (!strstr(text, "$$") && !(host && strstr(text, "@@")))
		return 0;
	ret = expand_bytes(d, text, host, &b);
	if (ret < 0)
		return ret;
	if (b.size > 0 && memchr(b.data, '\0', b.size))
		return err_setf(d->e, -EINVAL,
			"'%.80s': a zero byte in a value; wanted a text (such "
			"as :hex or :base64)",
			text);
	*out = b.size > 0 ? (const char *)b.data : "";
	return 0;
}

/* 2 * size hexadecimal digits in a text that may be a variable. */
static int expand_hex(struct delivery *d, const char *what, const char *text,
	uint8_t *out, size_t size)
{
	const char *hex;
	int ret = expand(d, text, NULL, &hex);

	if (ret < 0)
		return ret;
	if (!string_from_hex(hex, out, size))
		return err_setf(d->e, -EINVAL,
			"%s: wanted %zu hexadecimal digits, or a variable with "
			"such a value",
			what, 2 * size);
	return 0;
}

/* ---- program, arguments, environment ---- */

static int make_args(struct delivery *d)
{
	const struct text_list *command = &d->in->service->command;
	struct manifest *m = &d->manifest;
	int ret;

	if (command->count == 0)
		return err_setf(d->e, -EINVAL,
			"session %s: services.%s has no command; wanted the "
			"program and its arguments",
			d->in->session->name, d->in->service->name);
	ret = subst_check_host(command, d->e);
	if (ret == 0)
		ret = expand(
			d, command->item[0], d->in->host_args, &m->program);
	if (ret < 0)
		return located(d, ret, "command", 0);
	if (m->program[0] != '/')
		return err_setf(d->e, -EINVAL,
			"session %s: services.%s.command: '%.200s'; wanted an "
			"absolute path: CAS does not see the image, so it "
			"looks nothing up",
			d->in->session->name, d->in->service->name, m->program);
	m->args.host = MANIFEST_ARGS_NONE;
	m->args.list.item = calloc(command->count, sizeof(char *));
	if (!m->args.list.item)
		return no_memory(d->e);
	for (size_t i = 1; i < command->count; i++) {
		ret = expand(d, command->item[i], d->in->host_args,
			&m->args.list.item[i - 1]);
		if (ret < 0)
			return located(d, ret, "command", i);
		m->args.list.count = i;
	}
	return 0;
}

/* Only what the policy says: nothing of the host's. */
static int make_env(struct delivery *d)
{
	const struct text_map *env = &d->in->service->environment;
	struct manifest_env *out = &d->manifest.env;

	out->set.item = calloc(env->count + 1, sizeof(struct text_pair));
	if (!out->set.item)
		return no_memory(d->e);
	for (size_t i = 0; i < env->count; i++) {
		const struct text_pair *p = &env->item[i];
		struct text_pair *q = &out->set.item[out->set.count];
		int ret;

		q->key = p->key;
		ret = expand(d, p->value, NULL, &q->value);
		if (ret < 0)
			return located(d, ret, "environment", i);
		out->set.count++;
	}
	return 0;
}

static void make_settings(struct delivery *d)
{
	const struct session_service *s = d->in->service;
	struct manifest *m = &d->manifest;

	if (s->pwd && s->pwd[0])
		m->workdir = s->pwd;
	if (s->hostname)
		m->hostname = s->hostname;
	m->network = s->network;
	m->limits = s->limits;
	m->signals = s->signals;
}

static void make_mounts(struct delivery *d)
{
	static struct mount_spec usual[] = {
		{.type = MOUNT_PROC, .target = "/proc"},
		{.type = MOUNT_DEV, .target = "/dev"},
		{.type = MOUNT_TMPFS, .target = "/tmp"},
	};

	if (d->image && d->image->mounts.count > 0)
		d->manifest.mounts = d->image->mounts;
	else
		d->manifest.mounts = (struct item_list){
			usual, ARRAY_SIZE(usual)};
}

/* ---- volumes ---- */

static int add_volume(struct delivery *d, const struct volume_spec *spec,
	const uint8_t key[VOL_KEY_SIZE], const uint8_t *tag)
{
	size_t i = d->manifest.volumes.count, k = d->config.volumes.count;

	if (i == MANIFEST_VOLUMES_MAX)
		return err_setf(d->e, -EINVAL,
			"session %s: services.%s: more than %d volumes, the "
			"root image included",
			d->in->session->name, d->in->service->name,
			MANIFEST_VOLUMES_MAX);
	d->specs[i] = *spec;
	d->manifest.volumes = (struct item_list){d->specs, i + 1};
	if (spec->key != VOLUME_KEY_CAS)
		return 0;
	d->volumes[k].name = spec->name;
	d->volumes[k].key = (struct bytes){key, VOL_KEY_SIZE};
	if (tag)
		d->volumes[k].tag = (struct bytes){tag, VOL_TAG_SIZE};
	d->config.volumes = (struct item_list){d->volumes, k + 1};
	return 0;
}

/* The file system of the programs: an image that its hash names. */
static int make_root(struct delivery *d)
{
	const struct session_service *s = d->in->service;
	const char *hash = d->image ? d->image->root : NULL;
	struct volume_spec spec = {
		.name = ROOT_NAME, .path = "/", .key = VOLUME_KEY_CAS};
	struct deliver_volume *kept = &d->kept[0];
	uint8_t raw[32];
	int ret = 0;

	/* A program of a trusted machine (`sconce exec`) has that machine's. */
	if (!hash && !s->fspf_tag && d->in->session->security.mode == MODE_NONE)
		return 0;
	if (!hash && !s->fspf_tag)
		return err_setf(d->e, -EINVAL,
			"session %s: services.%s has no root file system; "
			"wanted the hash of a sealed image: `root` of its "
			"image (version 1.0) or `fspf_tag` of the service, as "
			"`sconce image` prints it",
			d->in->session->name, s->name);
	if (!hash && s->fspf_path && s->fspf_path[0] &&
		strcmp(s->fspf_path, "/") != 0)
		return err_setf(d->e, -EINVAL,
			"session %s: services.%s.fspf_path: '%.200s'; wanted "
			"'/': fspf_tag names a sealed image that is the root",
			d->in->session->name, s->name, s->fspf_path);
	ret = hash ? expand(d, hash, NULL, &hash)
		   : expand(d, s->fspf_tag, NULL, &hash);
	if (ret < 0)
		return ret;
	if (!string_from_hex(hash, raw, sizeof(raw)))
		return err_setf(d->e, -EINVAL,
			"session %s: services.%s: root image '%.80s'; wanted "
			"64 hexadecimal digits, as `sconce image` prints "
			"them (32 digits are a tag of SCONE's file shield)",
			d->in->session->name, s->name, hash);
	bytes_to_hex(raw, sizeof(raw), d->root_hash);
	spec.image = d->root_hash;
	/* An image that is only authenticated is under the key of zeros. */
	if (s->fspf_key)
		ret = expand_hex(d, "fspf_key", s->fspf_key, kept->key,
			sizeof(kept->key));
	return ret < 0 ? ret : add_volume(d, &spec, kept->key, NULL);
}

static int make_volume(
	struct delivery *d, const struct image_volume *v, size_t i)
{
	const struct session_volume *sv = session_volume(
		d->in->session, v->name);
	struct deliver_volume *kept = &d->kept[d->manifest.volumes.count];
	struct volume_spec spec = {
		.name = v->name,
		.path = v->path,
		.ro = v->ro,
		.key = VOLUME_KEY_CAS,
		.tag_policy = v->update_policy,
	};
	const uint8_t *tag = NULL;
	int ret;

	if (d->manifest.volumes.count == MANIFEST_VOLUMES_MAX)
		return add_volume(d, &spec, NULL, NULL);
	if (strcmp(v->name, ROOT_NAME) == 0)
		return err_setf(d->e, -EINVAL,
			"session %s: volume '" ROOT_NAME "': that is the name "
			"of the root image; wanted another one",
			d->in->session->name);
	if (v->update_policy == VOLUME_EPHEMERAL) {
		/* Made and forgotten inside the enclave. */
		spec.key = VOLUME_KEY_GIVEN;
		return add_volume(d, &spec, NULL, NULL);
	}
	if (!sv)
		return err_setf(d->e, -EINVAL,
			"session %s: image %s: volumes[%zu]: there is no "
			"volume %s",
			d->in->session->name, d->image->name, i, v->name);
	ret = d->in->volume(d->in->arg, sv, kept, d->e);
	if (ret == 0 && sv->key)
		ret = expand_hex(
			d, "volume key", sv->key, kept->key, VOL_KEY_SIZE);
	if (ret == 0 && sv->tag && !kept->has_tag) {
		ret = expand_hex(
			d, "volume tag", sv->tag, kept->tag, VOL_TAG_SIZE);
		kept->has_tag = true;
	}
	if (ret < 0)
		return ret;
	spec.ro = spec.ro || kept->read_only;
	if (kept->has_tag)
		tag = kept->tag;
	return add_volume(d, &spec, kept->key, tag);
}

static int make_volumes(struct delivery *d)
{
	const struct image_volume *v = d->image ? d->image->volumes.item : NULL;
	size_t count = d->image ? d->image->volumes.count : 0;
	int ret = make_root(d);

	for (size_t i = 0; ret == 0 && i < count; i++)
		ret = make_volume(d, &v[i], i);
	return ret;
}

/* ---- files ---- */

static int make_files(struct delivery *d)
{
	const struct injection_file *f = d->image ? d->image->files.item : NULL;
	size_t count = d->image ? d->image->files.count : 0;

	if (count > SERVICE_FILES_MAX)
		return err_setf(d->e, -EINVAL,
			"session %s: image %s: %zu injection files; wanted at "
			"most %d",
			d->in->session->name, d->image->name, count,
			SERVICE_FILES_MAX);
	d->config.files = (struct item_list){d->files, count};
	for (size_t i = 0; i < count; i++) {
		int ret;

		d->files[i].path = f[i].path;
		d->files[i].mode = f[i].mode;
		/* CAS does not see the image: the enclave finds the variables
		 * and asks for those that provide_secrets lists. */
		d->files[i].template = !f[i].content;
		if (!f[i].content)
			continue;
		ret = expand_bytes(d, f[i].content, NULL, &d->files[i].data);
		if (ret < 0) {
			err_prefix(d->e, "session %s: injection file %.200s: ",
				d->in->session->name, f[i].path);
			return ret;
		}
	}
	return 0;
}

/* ---- the whole ---- */

/* Canonical bytes of an object; out is secret. */
static int encode(const struct schema *s, const void *object, struct buf *out)
{
	struct cbor_writer w;
	uint8_t *data;

	cbor_writer_init(&w, NULL, 0);
	schema_encode(s, object, &w);
	data = malloc(w.len);
	if (!data)
		return -ENOMEM;
	cbor_writer_init(&w, data, w.len);
	schema_encode(s, object, &w);
	buf_add(out, data, w.len);
	string_wipe(data, w.len);
	free(data);
	return buf_check(out);
}

static int encode_all(struct delivery *d, struct buf *out)
{
	struct buf manifest = {.secret = true};
	size_t before = out->size;
	int ret;

	ret = schema_check(&manifest_schema, &d->manifest, d->e);
	if (ret == 0)
		ret = manifest_check(&d->manifest, d->e);
	if (ret == 0 && encode(&manifest_schema, &d->manifest, &manifest) < 0)
		ret = no_memory(d->e);
	if (ret == 0 && manifest.size > MANIFEST_SIZE_MAX)
		ret = err_setf(d->e, -ERANGE,
			"its manifest has %zu bytes; wanted at most %d",
			manifest.size, MANIFEST_SIZE_MAX);
	d->config.version = SERVICE_VERSION;
	d->config.manifest = (struct bytes){manifest.data, manifest.size};
	if (ret == 0)
		ret = schema_check(&service_config_schema, &d->config, d->e);
	if (ret == 0 && encode(&service_config_schema, &d->config, out) < 0)
		ret = no_memory(d->e);
	if (ret == 0 && out->size - before > SERVICE_SIZE_MAX)
		ret = err_setf(d->e, -ERANGE,
			"its configuration has %zu bytes; wanted at most %d",
			out->size - before, SERVICE_SIZE_MAX);
	buf_fini(&manifest);
	if (ret < 0)
		err_prefix(d->e,
			"session %s: services.%s: ", d->in->session->name,
			d->in->service->name);
	return ret;
}

static int make(struct delivery *d, struct buf *out)
{
	const struct session_service *s = d->in->service;
	int ret;

	d->manifest = *(const struct manifest *)manifest_schema.defaults;
	d->manifest.version = MANIFEST_VERSION;
	if (s->image_name) {
		d->image = session_image(d->in->session, s->image_name);
		if (!d->image)
			return err_setf(d->e, -EINVAL,
				"session %s: services.%s: there is no image %s",
				d->in->session->name, s->name, s->image_name);
	}
	ret = make_args(d);
	if (ret == 0)
		ret = make_env(d);
	if (ret < 0)
		return ret;
	make_settings(d);
	make_mounts(d);
	ret = make_volumes(d);
	if (ret == 0)
		ret = make_files(d);
	return ret < 0 ? ret : encode_all(d, out);
}

int deliver(const struct deliver_input *in, struct buf *out, struct err *e)
{
	struct delivery *d = calloc(1, sizeof(*d));
	struct err own = {0};
	int ret;

	out->secret = true;
	if (!d)
		return no_memory(e);
	d->in = in;
	d->e = e ? e : &own;
	ret = make(d, out);
	for (size_t i = 0; i < d->text_count; i++)
		buf_fini(&d->texts[i]);
	free(d->texts);
	free(d->manifest.args.list.item);
	free(d->manifest.env.set.item);
	string_wipe(d, sizeof(*d));
	free(d);
	return ret;
}

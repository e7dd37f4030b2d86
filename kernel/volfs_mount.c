/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes of the configuration, the launcher's or CAS's: opened with their
 * keys, held to their tags, mounted; committed in the background and at the
 * end.
 */
#include "kernel/boot.h"
#include "kernel/fsabi.h"
#include "kernel/kalloc.h"
#include "kernel/klog.h"
#include "kernel/process.h"
#include "kernel/random.h"
#include "kernel/service.h"
#include "kernel/thread.h"
#include "kernel/volfs.h"
#include "lib/config.h"
#include "lib/service.h"
#include "lib/string.h"

/* A commit is due this long after a change. */
#define COMMIT_AGE (5 * NSEC_PER_SEC)

enum { CACHE_MIN = 8 << 20, CACHE_MAX = 256 << 20 };

static struct list volumes = LIST_INIT(volumes);
static const struct config *config;
static struct err *why; /* of what is being mounted */

static const struct volume_source *source_of(const char *name)
{
	const struct volume_source *s = config->volume_sources.item;

	for (size_t i = 0; i < config->volume_sources.count; i++)
		if (strcmp(s[i].name, name) == 0)
			return &s[i];
	return NULL;
}

/* What the store of tags wants; tags NULL if the policy has none. */
static int expect_of(const struct volume_spec *spec,
	const struct volume_source *src, struct volfs_host *host,
	struct volfs_tags **tags, struct volume_expect *expect)
{
	uint8_t uuid[VOL_UUID_SIZE];
	int err;

	expect->any = true;
	if (spec->tag_policy != VOLUME_ROLLBACK_PROTECTED)
		return 0;
	err = volfs_host_uuid(host, uuid);
	if (!err)
		err = volfs_tags_open(
			src->tags, uuid, src->key.data, tags, expect->tag);
	/* No tag known: a volume from elsewhere, and whoever gives the key must
	 * have brought the tag along. */
	if (!err)
		expect->any = false;
	return err;
}

static size_t cache_size(void)
{
	return u64_max(CACHE_MIN, u64_min(CACHE_MAX, boot_memory() / 8));
}

/* A new one in place of what is there, if anything. */
static int create(struct volfs *fs, const struct volume_env *env,
	const uint8_t key[VOL_KEY_SIZE], uint8_t tag[VOL_TAG_SIZE],
	struct err *e)
{
	static const struct volume_params params = {
		.suite = VOL_ENCRYPTED, .root_mode = 01777};
	int err = volfs_host_wipe(fs->host);

	if (err)
		return err_setf(e, err,
			"what is left of the last run cannot "
			"be removed");
	return volume_create(env, &params, key, tag, e);
}

/* Under a key that exists only here. */
static int open_ephemeral(
	struct volfs *fs, const struct volume_env *env, struct err *e)
{
	uint8_t key[VOL_KEY_SIZE], tag[VOL_TAG_SIZE];
	int err;

	random_fill(key, sizeof(key));
	err = create(fs, env, key, tag, e);
	if (!err)
		err = volume_open(env, key, 0, NULL, &fs->volume, e);
	string_wipe(key, sizeof(key));
	return err;
}

/* In any state; if there is none yet, a new one. */
static int open_any(const struct volume_spec *spec, struct volfs *fs,
	const struct volume_env *env, const uint8_t key[VOL_KEY_SIZE],
	struct err *e)
{
	uint8_t uuid[VOL_UUID_SIZE], tag[VOL_TAG_SIZE];
	int err = volfs_host_uuid(fs->host, uuid);

	err = err == -ENOENT && !spec->ro ? create(fs, env, key, tag, e) : 0;
	return err ? err
		   : volume_open(env, key, spec->ro ? VOLUME_READ_ONLY : 0,
			     NULL, &fs->volume, e);
}

/* CAS has the newest tag, or none: then nothing that the directory holds was
 * ever acknowledged. */
static int open_of_cas(const struct volume_spec *spec,
	const struct service_volume *v, struct volfs *fs,
	const struct volume_env *env, struct err *e)
{
	static const uint8_t none[VOL_TAG_SIZE];
	struct volume_expect expect = {0};
	int err;

	if (spec->tag_policy == VOLUME_NO_ROLLBACK_PROTECTION)
		return open_any(spec, fs, env, v->key.data, e);
	if (!spec->ro) {
		err = volfs_tags_of_cas(spec->name, &fs->tags);
		if (err)
			return err_setf(e, err, "no memory");
		volfs_host_tags(fs->host, fs->tags);
	}
	if (v->tag.size) {
		memcpy(expect.tag, v->tag.data, VOL_TAG_SIZE);
	} else if (spec->ro) {
		return err_setf(e, -EINVAL,
			"read-only, and nothing was ever written to it");
	} else {
		err = create(fs, env, v->key.data, expect.tag, e);
		if (err)
			return err;
		err = volfs_tags_push(fs->tags, none, expect.tag, true);
		if (err)
			return err_setf(e, err,
				"CAS does not take the tag of the new volume");
	}
	return volume_open(env, v->key.data, spec->ro ? VOLUME_READ_ONLY : 0,
		&expect, &fs->volume, e);
}

/* The key is sealed beside the volume; whoever can put an old volume back can
 * put that back too, so there are no tags. */
static int open_sealed(const struct volume_spec *spec, struct volfs *fs,
	const struct volume_env *env, struct err *e)
{
	uint8_t key[VOL_KEY_SIZE];
	int err = volfs_sealed_key(fs->host, spec->ro, key, e);

	if (!err)
		err = open_any(spec, fs, env, key, e);
	string_wipe(key, sizeof(key));
	return err;
}

/* A sealed image: its tag is its contents, whoever made it and under whatever
 * key; one that only follows it is another. */
static int open_image(const struct volume_spec *spec,
	const struct volume_source *src, const struct bytes *key,
	struct volfs *fs, const struct volume_env *env, struct err *e)
{
	static const uint8_t public_key[VOL_KEY_SIZE];
	uint8_t want[VOL_TAG_SIZE], tag[VOL_TAG_SIZE];
	int err = volume_open(env, key->size ? key->data : public_key,
		VOLUME_READ_ONLY, NULL, &fs->volume, e);

	if (err)
		return err;
	volume_tag(fs->volume, tag);
	if (string_from_hex(spec->image, want, sizeof(want)) &&
		memcmp(tag, want, sizeof(tag)) == 0)
		return 0;
	return err_setf(e, -ESTALE, "%s is not the image %.64s of the manifest",
		src->path, spec->image);
}

static int open_volume(const struct volume_spec *spec,
	const struct volume_source *src, struct volfs *fs, struct err *e)
{
	const struct service_volume *v = service_volume(spec->name);
	struct volume_expect expect = {0};
	struct volume_env env;
	bool ro = spec->ro || spec->image;
	int err = volfs_host_new(src->path, ro, &fs->host);

	if (err == -EBUSY)
		return err_setf(e, err, "it is open elsewhere");
	if (err)
		return err_setf(e, err, "%s cannot be opened", src->path);
	volfs_host_env(fs->host, cache_size(), &env);
	if (spec->tag_policy == VOLUME_EPHEMERAL)
		return open_ephemeral(fs, &env, e);
	if (spec->key == VOLUME_KEY_CAS && !v)
		return err_setf(e, -EINVAL,
			"its key comes from CAS, but no CAS configures this "
			"enclave; wanted sconce run --cas");
	if (spec->image)
		return open_image(
			spec, src, v ? &v->key : &src->key, fs, &env, e);
	if (spec->key == VOLUME_KEY_CAS)
		return open_of_cas(spec, v, fs, &env, e);
	if (spec->key == VOLUME_KEY_SEALED)
		return open_sealed(spec, fs, &env, e);
	if (!src->key.size)
		return err_setf(e, -EINVAL,
			"no key was given; wanted "
			"--volume-key %s=FILE",
			spec->name);
	err = expect_of(spec, src, fs->host, &fs->tags, &expect);
	if (err == -ENOENT)
		return err_setf(e, err,
			"%s: no volume; make one with `sconce "
			"volume create`",
			src->path);
	if (err == -ENOKEY)
		return err_setf(e, err,
			"%s: its tag is not known on this "
			"machine; `sconce volume tag --trust` adopts it",
			src->path);
	if (err == -EUCLEAN)
		return err_setf(e, err,
			"%s: damaged: neither copy of its "
			"superblock looks like one",
			src->path);
	if (err == -EBADMSG)
		return err_setf(e, err,
			"%s: the stored tag is not of this "
			"volume and key",
			src->path);
	if (err)
		return err_setf(
			e, err, "%s: its tag cannot be read", src->path);
	volfs_host_tags(fs->host, fs->tags);
	return volume_open(&env, src->key.data, spec->ro ? VOLUME_READ_ONLY : 0,
		&expect, &fs->volume, e);
}

int volfs_mount(struct mount *m, const char *name, uint64_t index)
{
	const struct volume_spec *spec = config->volumes.item;
	const struct volume_source *src = source_of(name);
	struct volfs *fs = kzalloc(sizeof(*fs));
	struct err e = {0};
	int err = -EINVAL;

	spec += index;
	if (!fs)
		return -ENOMEM;
	if (src)
		err = open_volume(spec, src, fs, &e);
	else
		err_setf(&e, err,
			"the launcher was not told where it is; wanted "
			"--volume-dir %s=DIR",
			name);
	if (err)
		return err_setf(why, err, "volume %s: %s (error %d)", name,
			e.text, -err);
	fs->readonly = m->readonly;
	m->priv = fs;
	list_add(&volumes, &fs->node);
	err = volfs_root(m);
	if (err)
		return err_setf(why, err,
			"volume %s: %s: its root directory is damaged, or was "
			"altered; put an undamaged copy there (error %d)",
			name, src->path, -err);
	return 0;
}

int volfs_mount_all(const struct config *c, bool root, struct err *e)
{
	const struct volume_spec *v = c->volumes.item;
	int err = 0;

	config = c;
	why = e;
	for (size_t i = 0; !err && i < c->volumes.count; i++, v++) {
		if ((strcmp(v->path, "/") == 0) != root)
			continue;
		err_setf(e, 0, "volume %s at %s", v->name, v->path);
		err = vfs_mount(
			"volume", v->name, v->path, v->ro || v->image, i);
	}
	return err;
}

static bool said;

/* The first failure is said; programs see theirs at their next fsync. */
static void say(int err)
{
	if (err && err != -EROFS && !said) {
		klog("a volume could not be committed: error %d", -err);
		said = true;
	}
}

void volfs_sync(void)
{
	struct volfs *fs;

	list_for_each_entry (fs, &volumes, node)
		if (!fs->readonly)
			say(volume_sync(fs->volume));
}

static void writer(struct trapframe *f)
{
	struct volfs *fs;

	current->sig.blocked = ~0ull; /* signals of process 1 are init's */
	while (sched_sleep(time_mono_ns() + NSEC_PER_SEC,
		       SLEEP_INTERRUPTIBLE) == -ETIMEDOUT) {
		list_for_each_entry (fs, &volumes, node)
			if (!fs->readonly)
				say(volume_tick(fs->volume, COMMIT_AGE));
	}
}

void volfs_start_writer(void)
{
	struct trapframe frame = {0};
	struct thread *t;

	if (list_is_empty(&volumes))
		return;
	if (process_new_thread(curproc, &frame, &t))
		boot_refuse("no memory for the volumes' writer");
	t->start = writer;
	sched_wake(t);
}

int volfs_finish(void)
{
	struct volfs *fs;
	int first = 0;

	for (struct mount *m = mount_next(NULL); m; m = mount_next(m))
		m->readonly |= strcmp(m->type, "volume") == 0;
	list_for_each_entry (fs, &volumes, node) {
		int err = fs->readonly ? 0 : volume_commit(fs->volume);

		fs->readonly |= !err;
		first = first ? first : err;
	}
	return first;
}

void volfs_shutdown(void)
{
	struct volfs *fs;

	said = false;
	list_for_each_entry (fs, &volumes, node)
		if (!fs->readonly)
			say(volume_commit(fs->volume));
}

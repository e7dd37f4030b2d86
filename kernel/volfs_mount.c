/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes of the launch configuration: opened with their keys, held to their
 * tags, mounted; committed in the background and at the end.
 */
#include "kernel/boot.h"
#include "kernel/fsabi.h"
#include "kernel/kalloc.h"
#include "kernel/klog.h"
#include "kernel/process.h"
#include "kernel/random.h"
#include "kernel/thread.h"
#include "kernel/volfs.h"
#include "lib/config.h"
#include "lib/string.h"

/* A commit is due this long after a change. */
#define COMMIT_AGE (5 * NSEC_PER_SEC)

enum { CACHE_MIN = 8 << 20, CACHE_MAX = 256 << 20 };

static struct list volumes = LIST_INIT(volumes);
static const struct config *config;

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

/* A new one, under a key that exists only here, in place of the last run's. */
static int open_ephemeral(
	struct volfs *fs, const struct volume_env *env, struct err *e)
{
	static const struct volume_params params = {
		.suite = VOL_ENCRYPTED, .root_mode = 01777};
	uint8_t key[VOL_KEY_SIZE], tag[VOL_TAG_SIZE];
	int err = volfs_host_wipe(fs->host);

	random_fill(key, sizeof(key));
	if (err)
		err = err_setf(e, err,
			"what is left of the last run cannot "
			"be removed");
	if (!err)
		err = volume_create(env, &params, key, tag, e);
	if (!err)
		err = volume_open(env, key, 0, NULL, &fs->volume, e);
	string_wipe(key, sizeof(key));
	return err;
}

/* A sealed image: its tag is its contents, whoever made it and under whatever
 * key; one that only follows it is another. */
static int open_image(const struct volume_spec *spec,
	const struct volume_source *src, struct volfs *fs,
	const struct volume_env *env, struct err *e)
{
	static const uint8_t public_key[VOL_KEY_SIZE];
	uint8_t want[VOL_TAG_SIZE], tag[VOL_TAG_SIZE];
	int err = volume_open(env, src->key.size ? src->key.data : public_key,
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
	struct volume_expect expect = {0};
	struct volfs_tags *tags = NULL;
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
	if (spec->image)
		return open_image(spec, src, fs, &env, e);
	if (!src->key.size)
		return err_setf(e, -EINVAL,
			"no key was given; wanted "
			"--volume-key %s=FILE",
			spec->name);
	err = expect_of(spec, src, fs->host, &tags, &expect);
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
	volfs_host_tags(fs->host, tags);
	return volume_open(&env, src->key.data, spec->ro ? VOLUME_READ_ONLY : 0,
		&expect, &fs->volume, e);
}

int volfs_mount(struct mount *m, const char *name, uint64_t index)
{
	const struct volume_spec *spec = config->volumes.item;
	const struct volume_source *src = source_of(name);
	struct volfs *fs = kzalloc(sizeof(*fs));
	struct err e = {0};
	int err;

	spec += index;
	if (!fs)
		return -ENOMEM;
	if (!src)
		boot_refuse("volume %s: the launcher was not told where it is; "
			    "wanted --volume-dir %s=DIR",
			name, name);
	err = open_volume(spec, src, fs, &e);
	if (err)
		boot_refuse("volume %s: %s (error %d)", name, e.text, -err);
	fs->readonly = m->readonly;
	m->priv = fs;
	list_add(&volumes, &fs->node);
	return volfs_root(m);
}

void volfs_mount_all(const struct config *c, bool root)
{
	const struct volume_spec *v = c->volumes.item;

	config = c;
	for (size_t i = 0; i < c->volumes.count; i++, v++) {
		int err;

		if ((strcmp(v->path, "/") == 0) != root)
			continue;
		err = vfs_mount(
			"volume", v->name, v->path, v->ro || v->image, i);
		if (err)
			boot_refuse("volume %s at %s: error %d", v->name,
				v->path, -err);
	}
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

void volfs_shutdown(void)
{
	struct volfs *fs;

	said = false;
	list_for_each_entry (fs, &volumes, node)
		if (!fs->readonly)
			say(volume_commit(fs->volume));
}

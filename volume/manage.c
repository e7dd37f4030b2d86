/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the owner of a volume does to all of it: another key, and the end of
 * change.
 */
#include "volume/core.h"

#include <linux/errno.h>

#include "lib/string.h"

/* Even if nothing changed. */
static int commit_anyway(struct volume *v)
{
	v->commit->must_commit = true;
	return volume_commit(v);
}

int volume_rekey(
	struct volume *v, const uint8_t key[VOL_KEY_SIZE], struct err *err)
{
	struct volume_file old = {VOLUME_FILE_KEYS, v->keys_file};
	int result = vol_read_only(v) ? -EROFS : commit_anyway(v);

	if (!result)
		result = vol_keys_change(v, key);
	if (result)
		return err_setf(err, result,
			"volume: its key cannot be changed (error %d); it has "
			"the old one",
			-result);
	/* Twice: the other copy of the superblock is under the old key. */
	result = commit_anyway(v);
	if (!result)
		result = commit_anyway(v);
	if (result)
		return err_setf(err, result,
			"volume: its key was being changed (error %d); it "
			"opens with the new one or, as it was, with the old",
			-result);
	result = v->env.ops->remove(v->env.ctx, old);
	if (result)
		return err_setf(err, result,
			"volume: it has the new key, but the file keys.%lu "
			"cannot be removed (error %d); the old key opens it, "
			"so remove it",
			(unsigned long)old.number, -result);
	return 0;
}

int volume_seal(struct volume *v, uint8_t tag[VOL_TAG_SIZE])
{
	struct vol_commit *c = v->commit;
	uint64_t before, covers;
	int err;

	if (vol_read_only(v))
		return -EROFS;
	vol_commit_lock(v);
	before = c->super_sequence;
	c->must_commit = true;
	v->sealing = true;
	/* What is unlinked but open could not be freed any more. */
	err = v->state.orphan ? -EBUSY : vol_commit_make(v, &covers);
	v->sealing = false;
	v->sealed = c->super_sequence != before;
	vol_commit_unlock(v);
	if (!err)
		err = vol_tag_push(v, v->tag, true);
	memcpy(tag, v->tag, VOL_TAG_SIZE);
	return err;
}

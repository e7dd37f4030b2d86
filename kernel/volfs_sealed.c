/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of volumes that only this enclave can open: random, made at the first
 * start, sealed (attest/seal.h) to this release with this manifest on this
 * machine, and kept beside the volume. Nothing else has them: if the machine
 * or the enclave changes, the volume is lost.
 */
#include "attest/seal.h"

#include "abi/hostfile.h"
#include "kernel/fpu.h"
#include "kernel/fsabi.h"
#include "kernel/hostcall.h"
#include "kernel/identity.h"
#include "kernel/random.h"
#include "kernel/uio.h"
#include "kernel/volfs.h"
#include "lib/string.h"

#define NAME "key.sealed"
enum { BLOB_SIZE = SEAL_OVERHEAD + VOL_KEY_SIZE };

static no_inline int blob_read(int fd, uint8_t blob[BLOB_SIZE], struct err *e)
{
	uint8_t buf[BLOB_SIZE + 1]; /* one more: it ends there */
	struct uio u;
	int64_t n;

	uio_init_kernel(&u, buf, sizeof(buf));
	n = host_pread(fd, &u, sizeof(buf), 0);
	if (n < 0)
		return err_setf(e, (int)n, NAME " cannot be read");
	if (n != BLOB_SIZE)
		return err_setf(e, -EBADMSG,
			NAME " has another size than %d bytes: damaged; put "
			     "your copy of it back",
			BLOB_SIZE);
	memcpy(blob, buf, BLOB_SIZE);
	return 0;
}

/* The file and its name are on the disk before anything is encrypted. */
static int blob_write(int dir, const uint8_t blob[BLOB_SIZE])
{
	struct kstat st;
	struct uio u;
	int64_t fd = host_open(
		dir, NAME, O_WRONLY | O_CREAT | O_EXCL, 0600, &st);
	int64_t n;

	if (fd < 0)
		return (int)fd;
	uio_init_kernel(&u, (void *)(uintptr_t)blob, BLOB_SIZE);
	n = host_pwrite((int)fd, &u, BLOB_SIZE, 0);
	if (n >= 0)
		n = n == BLOB_SIZE ? host_fsync((int)fd, false) : -EIO;
	host_close((int)fd);
	if (!n)
		n = host_fsync(dir, false);
	if (n) /* half of it would be in the way of the next start */
		host_unlink(dir, NAME, 0);
	return (int)n;
}

static no_inline int key_make(struct volfs_host *h,
	const struct seal_self *self, bool readonly, uint8_t key[VOL_KEY_SIZE],
	struct err *e)
{
	uint8_t uuid[VOL_UUID_SIZE], fresh[SEAL_FRESH_SIZE], blob[BLOB_SIZE];
	int err = volfs_host_uuid(h, uuid);

	if (err != -ENOENT)
		return err_setf(e, -ENOKEY,
			"there is a volume but no " NAME ": its key is gone; "
			"put your copy of that file back, or empty the "
			"directory to begin anew");
	if (readonly)
		return err_setf(
			e, -ENOENT, "read-only, and there is no volume");
	random_fill(key, VOL_KEY_SIZE);
	random_fill(fresh, sizeof(fresh));
	kernel_fpu_begin();
	err = seal_make(self, SEAL_SYSTEM, SEAL_MRENCLAVE, fresh, key,
		VOL_KEY_SIZE, blob);
	kernel_fpu_end();
	if (err)
		return err_setf(e, err, "its new key cannot be sealed");
	err = blob_write(volfs_host_dir(h), blob);
	return err ? err_setf(e, err, NAME " cannot be written") : 0;
}

int volfs_sealed_key(struct volfs_host *h, bool readonly,
	uint8_t key[VOL_KEY_SIZE], struct err *e)
{
	struct sgx_report report;
	struct seal_self self = {.body = &report.body, .key = identity_key};
	uint8_t blob[BLOB_SIZE];
	struct kstat st;
	int64_t fd = host_open(volfs_host_dir(h), NAME, O_RDONLY, 0, &st);
	int err;

	identity_report(&(const struct sgx_targetinfo){0},
		(const uint8_t[64]){0}, &report);
	if (fd == -ENOENT)
		return key_make(h, &self, readonly, key, e);
	if (fd < 0)
		return err_setf(e, (int)fd, NAME " cannot be opened");
	err = blob_read((int)fd, blob, e);
	host_close((int)fd);
	if (err)
		return err;
	kernel_fpu_begin();
	err = seal_open(&self, SEAL_SYSTEM, blob, sizeof(blob), key, e);
	kernel_fpu_end();
	return err ? err_prefix(e, NAME) : 0;
}

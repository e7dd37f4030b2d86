/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/errno.h>

#include "kernel/csprng.h"
#include "kernel/syscall_fs.h"
#include "kernel/uaccess.h"
#include "lib/string.h"
#include "lib/types.h"

enum { GRND_KNOWN = 7 }; /* NONBLOCK, RANDOM, INSECURE: all the same here */

int64_t sys_getrandom(const uint64_t *a)
{
	uint64_t size = u64_min(a[1], INT32_MAX), done = 0;
	uint8_t piece[256];

	if (a[2] & ~(uint64_t)GRND_KNOWN || (a[2] & 6) == 6)
		return -EINVAL;
	while (done < size) {
		size_t n = u64_min(size - done, sizeof(piece));
		int err;

		csprng_fill(piece, n);
		err = user_write(a[0] + done, piece, n);
		string_wipe(piece, sizeof(piece));
		if (err)
			return done ? (int64_t)done : err;
		done += n;
	}
	return (int64_t)done;
}

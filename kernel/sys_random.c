/* SPDX-License-Identifier: Apache-2.0 */
/* getrandom(2): from the processor, never from the host; never blocks. */
#include <linux/errno.h>
#include <linux/random.h>

#include "kernel/random.h"
#include "kernel/sys.h"
#include "kernel/uaccess.h"
#include "lib/string.h"
#include "lib/types.h"

enum { RANDOM_MAX = (1 << 25) - 1, CHUNK = 256 };

int64_t sys_getrandom(const uint64_t *a)
{
	const unsigned u_flags = (unsigned)a[2];
	const unsigned known = GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE;
	uint64_t size = u64_min(a[1], RANDOM_MAX), done = 0;
	uint8_t chunk[CHUNK];

	if ((u_flags & ~known) ||
		(u_flags & (GRND_RANDOM | GRND_INSECURE)) ==
			(GRND_RANDOM | GRND_INSECURE))
		return -EINVAL;
	while (done < size) {
		size_t n = u64_min(size - done, CHUNK);

		random_fill(chunk, n);
		if (user_write(a[0] + done, chunk, n))
			break;
		done += n;
	}
	string_wipe(chunk, sizeof(chunk));
	return done > 0 || size == 0 ? (int64_t)done : -EFAULT;
}

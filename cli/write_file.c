/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/write_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int write_file(const char *path, const void *data, size_t size, struct err *e)
{
	static char temporary[4096];
	FILE *out;
	int ret = 0;

	if (snprintf(temporary, sizeof(temporary), "%s.%d", path, getpid()) >=
		(int)sizeof(temporary))
		return err_setf(e, -ENAMETOOLONG, "%s: too long", path);
	out = fopen(temporary, "wxe");
	if (out == NULL)
		return err_setf(e, -errno, "%s: cannot be written: %s", path,
			strerror(errno));
	if (fwrite(data, 1, size, out) != size)
		ret = -EIO;
	if (fclose(out) != 0 || (ret == 0 && rename(temporary, path) != 0))
		ret = -errno;
	if (ret < 0) {
		unlink(temporary);
		return err_setf(e, ret, "%s: cannot be written: %s", path,
			strerror(-ret));
	}
	return 0;
}

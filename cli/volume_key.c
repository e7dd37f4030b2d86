/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/volume_key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "lib/bytes.h"
#include "lib/string.h"

enum { HEX_SIZE = 2 * VOL_KEY_SIZE };

/* Without line feeds and spaces at its end. */
static const char *trimmed(char *text, size_t size)
{
	while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == ' '))
		size--;
	text[size] = '\0';
	return text;
}

int volume_key_read(const char *path, uint8_t key[VOL_KEY_SIZE], struct err *e)
{
	char text[HEX_SIZE + 8] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC), ret = 0;
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n < 0)
		ret = err_setf(
			e, -errno, "key file %s: %s", path, strerror(errno));
	else if (n == VOL_KEY_SIZE)
		memcpy(key, text, VOL_KEY_SIZE);
	else if (!string_from_hex(trimmed(text, (size_t)n), key, VOL_KEY_SIZE))
		ret = err_setf(e, -EINVAL,
			"key file %s: wanted %d bytes or %d hexadecimal "
			"digits; a new one is made by `sconce volume create "
			"--new-key`",
			path, VOL_KEY_SIZE, HEX_SIZE);
	if (fd >= 0)
		close(fd);
	string_wipe(text, sizeof(text));
	return ret;
}

int volume_key_make(const char *path, uint8_t key[VOL_KEY_SIZE], struct err *e)
{
	char text[HEX_SIZE + 2];
	int fd, ret = 0;

	if (getrandom(key, VOL_KEY_SIZE, 0) != VOL_KEY_SIZE)
		return err_setf(e, -EIO, "no randomness: %s", strerror(errno));
	bytes_to_hex(key, VOL_KEY_SIZE, text);
	text[HEX_SIZE] = '\n';
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_setf(
			e, -errno, "key file %s: %s", path, strerror(errno));
	if (write(fd, text, HEX_SIZE + 1) != HEX_SIZE + 1 || fsync(fd) < 0)
		ret = err_setf(
			e, -EIO, "key file %s: %s", path, strerror(errno));
	close(fd);
	string_wipe(text, sizeof(text));
	return ret;
}

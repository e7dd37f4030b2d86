/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands for the fuses of a processor, and what it can do.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "emu/machine.h"

enum { XSAVE_LEAF = 0x0d, XSAVE_LEGACY = 576 };

/* Recognisable in every report: no real platform has this CPUSVN. */
static const uint8_t emulated_cpusvn[16] = "SCONCE-EMULATED";

/* Features whose state the signal frame of Linux carries. */
#define XFRM_HANDLED \
	(SGX_XFRM_LEGACY | SGX_XFRM_AVX | SGX_XFRM_AVX512 | SGX_XFRM_PKRU)

uint64_t emu_xfrm_supported(void)
{
	uint32_t low, high;

	__asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return ((uint64_t)high << 32 | low) & XFRM_HANDLED;
}

uint32_t emu_xsave_size(uint64_t xfrm)
{
	uint32_t size = XSAVE_LEGACY;

	for (unsigned int i = 2; i < 63; i++) {
		uint32_t a, b, c, d;

		if (!(xfrm >> i & 1))
			continue;
		__cpuid_count(XSAVE_LEAF, i, a, b, c, d);
		if (a + b > size)
			size = a + b;
	}
	return size;
}

/* The file: this, and nothing else. */
struct platform_file {
	char magic[8];
	uint8_t root_key[16];
	uint8_t seal_fuses[16];
	uint8_t owner_epoch[16];
};
static_assert(sizeof(struct platform_file) == 56, "platform file");

static const char magic[8] = "SCNCEMU1";

static int complain(const char *path, const char *what, int rc)
{
	fprintf(stderr, "sconce: emulated platform keys: %s: %s\n", path, what);
	return rc;
}

int emu_data_dir(char *path, size_t size)
{
	const char *xdg = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
	struct passwd entry, *found = NULL;
	char names[1024];
	int n;

	if (!home &&
		!getpwuid_r(geteuid(), &entry, names, sizeof(names), &found) &&
		found)
		home = entry.pw_dir;
	if (xdg && xdg[0] == '/')
		n = snprintf(path, size, "%s/sconce", xdg);
	else if (home)
		n = snprintf(path, size, "%s/.local/share/sconce", home);
	else
		return -ENOENT;
	if (n < 0 || (size_t)n >= size)
		return -ENAMETOOLONG;
	for (char *slash = path + 1; slash;) {
		slash = strchr(slash, '/');
		if (slash)
			*slash = 0;
		if (mkdir(path, 0700) && errno != EEXIST)
			return -errno;
		if (slash)
			*slash++ = '/';
	}
	return 0;
}

static int read_file(const char *path, struct platform_file *file)
{
	struct stat st;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return -errno;
	n = read(fd, file, sizeof(*file));
	if (fstat(fd, &st) || n != (ssize_t)sizeof(*file) ||
		st.st_size != (off_t)sizeof(*file) ||
		memcmp(file->magic, magic, sizeof(magic))) {
		close(fd);
		return -EBADMSG;
	}
	close(fd);
	return st.st_uid != geteuid() || (st.st_mode & 077) ? -EPERM : 0;
}

/* A new file appears whole or not at all, and never over an old one. */
static int write_file(const char *dir, const char *path)
{
	struct platform_file file;
	char temp[PATH_MAX];
	int fd, rc = 0;

	if (snprintf(temp, sizeof(temp), "%s/platform.XXXXXX", dir) >=
		(int)sizeof(temp))
		return -ENAMETOOLONG;
	memcpy(file.magic, magic, sizeof(magic));
	if (getrandom((uint8_t *)&file + sizeof(magic),
		    sizeof(file) - sizeof(magic),
		    0) != (ssize_t)(sizeof(file) - sizeof(magic)))
		return -EIO;
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, &file, sizeof(file)) != (ssize_t)sizeof(file) ||
		fsync(fd) || (link(temp, path) && errno != EEXIST))
		rc = errno ? -errno : -EIO;
	close(fd);
	unlink(temp);
	return rc;
}

int emu_platform_load(struct emu_platform *platform)
{
	struct platform_file file;
	char dir[PATH_MAX - 32], path[PATH_MAX];
	int rc;

	memset(platform, 0, sizeof(*platform));
	memcpy(platform->cpusvn, emulated_cpusvn, sizeof(platform->cpusvn));
	if (getrandom(platform->report_keyid, sizeof(platform->report_keyid),
		    0) != (ssize_t)sizeof(platform->report_keyid))
		return -EIO;
	rc = emu_data_dir(dir, sizeof(dir));
	if (rc)
		return complain("data directory",
			"cannot be made; set XDG_DATA_HOME to a writable "
			"directory",
			rc);
	snprintf(path, sizeof(path), "%s/platform", dir);
	rc = read_file(path, &file);
	if (rc == -ENOENT) {
		rc = write_file(dir, path);
		if (!rc)
			rc = read_file(path, &file);
	}
	if (rc == -EPERM)
		return complain(path, "must be yours alone (chmod 600)", rc);
	if (rc == -EBADMSG)
		return complain(path,
			"damaged; what was sealed with it is "
			"lost, remove it to start anew",
			rc);
	if (rc)
		return complain(path, strerror(-rc), rc);
	memcpy(platform->root_key, file.root_key, sizeof(file.root_key));
	memcpy(platform->seal_fuses, file.seal_fuses, sizeof(file.seal_fuses));
	memcpy(platform->owner_epoch, file.owner_epoch,
		sizeof(file.owner_epoch));
	explicit_bzero(&file, sizeof(file));
	return 0;
}

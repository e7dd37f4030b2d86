/* SPDX-License-Identifier: Apache-2.0 */
#include "cas/witness_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/sha256.h"
#include "lib/bytes.h"
#include "lib/string.h"

/* Integers are little-endian, as on every machine that this is built for. */
struct sector {
	uint8_t magic[8];
	uint64_t number; /* writes of this cluster so far; odd: second sector */
	uint8_t cluster[WITNESS_HASH_SIZE];
	uint64_t promised, accepted, seq;
	uint8_t head[WITNESS_HASH_SIZE];
	uint8_t zero[512 - 136];
	uint8_t sum[SHA256_SIZE]; /* of what is before */
};
static_assert_size(struct sector, 512);
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "sectors");

struct witness_disk {
	int fd;
	bool dirty;
	uint64_t number[]; /* for each slot */
};

static const uint8_t magic[8] = "SCWITNE1";

static void sum(const struct sector *s, uint8_t *out)
{
	sha256(s, offsetof(struct sector, sum), out);
}

static bool is_whole(const struct sector *s, unsigned at)
{
	uint8_t want[SHA256_SIZE];

	sum(s, want);
	return memcmp(s->magic, magic, sizeof(magic)) == 0 &&
		memcmp(want, s->sum, sizeof(want)) == 0 && s->number % 2 == at;
}

static int fail(struct err *e, const char *what)
{
	int code = errno;

	return err_setf(e, -code, "%s: %s", what, strerror(code));
}

/* Of one cluster: the newer whole sector. */
static int choose(const struct sector pair[2], uint32_t slot, bool repair,
	const struct sector **out, struct err *e)
{
	bool whole[2], empty[2];

	for (unsigned i = 0; i < 2; i++) {
		whole[i] = is_whole(&pair[i], i);
		empty[i] = bytes_zero(&pair[i], sizeof(pair[i]));
		if (!whole[i] && !empty[i] && !repair)
			return err_setf(e, -EBADMSG,
				"witness.state: sector %u of cluster %u is "
				"damaged; this witness may have forgotten what "
				"it acknowledged. If it may count as restored "
				"from an old copy, start it with --repair",
				i, slot);
	}
	*out = NULL;
	for (unsigned i = 0; i < 2; i++)
		if (whole[i] && (!*out || pair[i].number > (*out)->number))
			*out = &pair[i];
	if (!*out)
		return err_setf(e, -EBADMSG,
			"witness.state: nothing is left of cluster %u; move "
			"the file away to begin as a new witness",
			slot);
	if (whole[0] && whole[1] &&
		memcmp(pair[0].cluster, pair[1].cluster, WITNESS_HASH_SIZE))
		return err_setf(e, -EBADMSG,
			"witness.state: two clusters at the place of cluster "
			"%u",
			slot);
	return 0;
}

static int load(struct witness_disk *d, uint32_t slots, bool repair,
	struct witness_core *w, struct err *e)
{
	for (uint32_t i = 0; i < slots; i++) {
		struct sector pair[2];
		const struct sector *s = NULL;
		struct witness_view v;
		ssize_t got = pread(d->fd, pair, sizeof(pair),
			(off_t)i * (off_t)sizeof(pair));
		int rc;

		if (got < 0)
			return fail(e, "witness.state");
		/* The file ends after the first sector of a new cluster. */
		memset((uint8_t *)pair + got, 0, sizeof(pair) - (size_t)got);
		/* A new cluster that was not durable yet. */
		if (i + 1 == slots && bytes_zero(pair, sizeof(pair)))
			return 0;
		rc = choose(pair, i, repair, &s, e);
		if (rc < 0 || !s)
			return rc;
		d->number[i] = s->number;
		v = (struct witness_view){.promised = s->promised,
			.accepted = s->accepted,
			.seq = s->seq};
		memcpy(v.head, s->head, sizeof(v.head));
		rc = witness_core_load(w, s->cluster, &v);
		if (rc < 0)
			return err_setf(e, rc,
				rc == -EEXIST
					? "witness.state: cluster %u is there "
					  "twice"
					: "witness.state: %u clusters and more "
					  "are in it; raise --clusters",
				i);
	}
	return 0;
}

/* The file's name is durable before anything is promised. */
static int open_file(const char *dir, int *out, struct err *e)
{
	int at, fd, rc = 0;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return fail(e, dir);
	at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (at < 0)
		return fail(e, dir);
	fd = openat(at, "witness.state", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || fsync(at) < 0)
		rc = fail(e, dir);
	else if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		rc = errno == EWOULDBLOCK
			? err_setf(e, -EBUSY,
				  "%s: another witness has it; give this one "
				  "another --state",
				  dir)
			: fail(e, "witness.state");
	close(at);
	if (rc < 0 && fd >= 0)
		close(fd);
	*out = fd;
	return rc;
}

int witness_disk_open(const char *dir, bool repair, struct witness_core *w,
	struct witness_disk **out, struct err *e)
{
	struct witness_disk *d;
	struct stat st;
	uint64_t slots;
	int rc;

	*out = NULL;
	d = calloc(1, sizeof(*d) + WITNESS_CLUSTERS_MAX * sizeof(d->number[0]));
	if (!d)
		return err_setf(e, -ENOMEM, "no memory");
	d->fd = -1;
	rc = open_file(dir, &d->fd, e);
	if (rc < 0) {
		free(d);
		return rc;
	}
	if (fstat(d->fd, &st) < 0) {
		rc = fail(e, "witness.state");
	} else {
		slots = ((uint64_t)st.st_size + 2 * sizeof(struct sector) - 1) /
			(2 * sizeof(struct sector));
		if (slots > WITNESS_CLUSTERS_MAX)
			rc = err_setf(e, -EBADMSG,
				"witness.state: %llu bytes; wanted at most "
				"%d clusters of 1024",
				(unsigned long long)st.st_size,
				WITNESS_CLUSTERS_MAX);
		else
			rc = load(d, (uint32_t)slots, repair, w, e);
	}
	if (rc < 0) {
		witness_disk_close(d);
		return rc;
	}
	*out = d;
	return 0;
}

void witness_disk_close(struct witness_disk *d)
{
	if (!d)
		return;
	close(d->fd);
	free(d);
}

int witness_disk_write(struct witness_disk *d, uint32_t slot,
	const uint8_t cluster[static WITNESS_HASH_SIZE],
	const struct witness_view *view, struct err *e)
{
	uint64_t number = d->number[slot] + 1;
	struct sector s = {.number = number,
		.promised = view->promised,
		.accepted = view->accepted,
		.seq = view->seq};
	off_t at = ((off_t)slot * 2 + (off_t)(number % 2)) * (off_t)sizeof(s);
	ssize_t n;

	memcpy(s.magic, magic, sizeof(magic));
	memcpy(s.cluster, cluster, sizeof(s.cluster));
	memcpy(s.head, view->head, sizeof(s.head));
	sum(&s, s.sum);
	n = pwrite(d->fd, &s, sizeof(s), at);
	if (n != (ssize_t)sizeof(s)) {
		if (n >= 0)
			errno = ENOSPC;
		return fail(e, "witness.state");
	}
	d->number[slot] = number;
	d->dirty = true;
	/* Or a later cluster might be durable, and this one a hole. */
	return number == 1 ? witness_disk_sync(d, e) : 0;
}

int witness_disk_sync(struct witness_disk *d, struct err *e)
{
	if (!d->dirty)
		return 0;
	if (fdatasync(d->fd) < 0)
		return fail(e, "witness.state");
	d->dirty = false;
	return 0;
}

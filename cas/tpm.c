/* SPDX-License-Identifier: Apache-2.0 */
#include "cas/tpm.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cas/tpm_nv.h"
#include "crypto/hkdf.h"
#include "lib/bytes.h"
#include "lib/string.h"

/* The file: what was current when the counter had this value. */
struct mark {
	uint8_t magic[8];
	uint64_t counter, seq; /* little-endian */
	uint8_t head[FRESHNESS_HASH_SIZE];
	uint8_t mac[SHA256_SIZE]; /* of what is before */
};
static_assert_size(struct mark, 88);

static const uint8_t magic[8] = "SCTPMRK1";

struct tpm {
	struct freshness base;
	struct tpm_nv nv;
	uint8_t mac_key[TPM_KEY_SIZE];
	char path[512];
	bool has_permit;
	struct tpm_permit permit;
	uint64_t held; /* the counter while we are in charge; 0: not */
	uint64_t seq;
	uint8_t head[FRESHNESS_HASH_SIZE];
};

static struct tpm *self(struct freshness *f)
{
	return container_of(f, struct tpm, base);
}

static void derive(const uint8_t *key, const char *label, uint8_t *out)
{
	hkdf_sha256(NULL, 0, key, TPM_KEY_SIZE, label, strlen(label), out,
		TPM_KEY_SIZE);
}

/* ---- the mark ---- */

static void mark_mac(const struct tpm *t, const struct mark *m, uint8_t *mac)
{
	struct hmac_sha256 h;

	hmac_sha256_init(&h, t->mac_key, sizeof(t->mac_key));
	hmac_sha256_update(&h, m, offsetof(struct mark, mac));
	hmac_sha256_final(&h, mac);
}

/* False: there is none, or it is not ours. */
static bool mark_read(const struct tpm *t, struct mark *m)
{
	int fd = open(t->path, O_RDONLY | O_CLOEXEC);
	uint8_t mac[SHA256_SIZE];
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, m, sizeof(*m));
	close(fd);
	if (n != (ssize_t)sizeof(*m))
		return false;
	mark_mac(t, m, mac);
	return memcmp(m->magic, magic, sizeof(magic)) == 0 &&
		string_equal_const_time(mac, m->mac, sizeof(mac));
}

static int sync_directory(const char *path)
{
	char copy[512];
	int fd, rc;

	if (string_copy(copy, sizeof(copy), path) < 0)
		return -ENAMETOOLONG;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return rc;
}

static int mark_write(const struct tpm *t, const struct mark *m, struct err *e)
{
	char fresh[520];
	int fd, rc = 0;

	snprintf(fresh, sizeof(fresh), "%s.new", t->path);
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_setf(e, -errno, "%s: %s", fresh, strerror(errno));
	if (write(fd, m, sizeof(*m)) != (ssize_t)sizeof(*m) || fsync(fd) < 0)
		rc = errno ? -errno : -EIO;
	close(fd);
	if (rc == 0 && rename(fresh, t->path) < 0)
		rc = -errno;
	if (rc == 0)
		rc = sync_directory(t->path);
	return rc < 0 ? err_setf(e, rc, "%s: %s", t->path, strerror(-rc)) : 0;
}

/* ---- taking charge ---- */

/* From exactly this value to the next. Between the two reads nobody else has
 * advanced it, or one of us sees it and refuses. */
static int advance(struct tpm *t, uint64_t from, struct err *e)
{
	uint64_t now;
	int rc = tpm_nv_increment(&t->nv, e);

	if (rc == 0)
		rc = tpm_nv_read(&t->nv, &now, e);
	if (rc < 0)
		return rc;
	return now == from + 1
		? 0
		: err_setf(e, -ESTALE,
			  "TPM: the counter went from %" PRIu64 " to %" PRIu64
			  "; another CAS of this cluster uses it",
			  from, now);
}

static void set_state(struct tpm *t, uint64_t seq, const uint8_t *head)
{
	t->seq = seq;
	memcpy(t->head, head, sizeof(t->head));
}

/* What was current when the counter stood here: as the last clean stop says,
 * or the owner. */
static int judge(struct tpm *t, uint64_t counter, struct err *e)
{
	struct mark m;
	bool is = mark_read(t, &m);

	if (is && m.counter == counter) {
		set_state(t, m.seq, m.head);
		return 0;
	}
	if (t->has_permit && t->permit.counter == counter) {
		set_state(t, t->permit.seq, t->permit.head);
		return 0;
	}
	if (is && m.counter > counter)
		return err_setf(e, -ESTALE,
			"TPM: the counter is %" PRIu64 ", %s is of %" PRIu64
			": this is another TPM, or it was cleared; the owner "
			"can permit one start from a record that he knows, for "
			"counter %" PRIu64,
			counter, t->path, m.counter, counter);
	return err_setf(e, -ESTALE,
		"TPM: the counter is %" PRIu64 ", the last clean stop was at "
		"%" PRIu64 ": CAS ended otherwise since, or its files are old; "
		"the owner can permit one start from a record that he knows, "
		"for counter %" PRIu64,
		counter, is ? m.counter : 0, counter);
}

/* A new counter; a cluster that had one before needs the owner. */
static int begin(struct tpm *t, struct err *e)
{
	struct mark m;
	int rc;

	set_state(t, 0, (uint8_t[FRESHNESS_HASH_SIZE]){0});
	if (mark_read(t, &m)) {
		rc = judge(t, 0, e);
		if (rc < 0)
			return rc;
	}
	rc = tpm_nv_define(&t->nv, e);
	return rc < 0 ? rc : tpm_nv_read(&t->nv, &t->held, e);
}

static int tpm_open(struct freshness *f, unsigned timeout_ms,
	struct freshness_state *state, bool *exists, struct err *e)
{
	struct tpm *t = self(f);
	uint64_t counter;
	int rc;

	(void)timeout_ms;
	t->held = 0;
	rc = tpm_nv_read(&t->nv, &counter, e);
	if (rc == -ENOENT) {
		rc = begin(t, e);
	} else if (rc == 0) {
		rc = judge(t, counter, e);
		if (rc == 0)
			rc = advance(t, counter, e);
		if (rc == 0)
			t->held = counter + 1;
	}
	if (rc < 0)
		return rc;
	t->has_permit = false;
	*exists = t->seq > 0;
	*state = (struct freshness_state){.term = t->held, .seq = t->seq};
	memcpy(state->head, t->head, sizeof(state->head));
	return 0;
}

/* Nothing to do: that is why a crash needs the owner. */
static int tpm_append(struct freshness *f, uint64_t from_seq,
	const uint8_t *from, uint64_t to_seq, const uint8_t *to,
	unsigned timeout_ms, struct err *e)
{
	struct tpm *t = self(f);

	(void)timeout_ms;
	if (!t->held || to_seq < t->seq ||
		(from_seq == t->seq && t->seq > 0 &&
			memcmp(from, t->head, sizeof(t->head)) != 0))
		return err_setf(e, -ESTALE,
			"TPM: record %" PRIu64 " does not follow %" PRIu64,
			to_seq, t->seq);
	set_state(t, to_seq, to);
	return 0;
}

/* The counter first: a mark for a value that is yet to come would fit whoever
 * brings the counter there. */
static int tpm_stop(struct freshness *f, struct err *e)
{
	struct tpm *t = self(f);
	uint64_t now;
	struct mark m = {.counter = t->held + 1, .seq = t->seq};
	int rc;

	if (!t->held)
		return 0;
	rc = tpm_nv_read(&t->nv, &now, e);
	if (rc == 0 && now != t->held)
		rc = err_setf(e, -ESTALE,
			"TPM: the counter is %" PRIu64 ", this CAS left it at "
			"%" PRIu64 "; another one started since",
			now, t->held);
	if (rc == 0)
		rc = advance(t, t->held, e);
	if (rc < 0)
		return rc;
	t->held = 0;
	memcpy(m.magic, magic, sizeof(magic));
	memcpy(m.head, t->head, sizeof(m.head));
	mark_mac(t, &m, m.mac);
	return mark_write(t, &m, e);
}

static void tpm_status(
	struct freshness *f, unsigned *answering, unsigned *count)
{
	(void)f;
	*answering = *count = 0;
}

static const struct freshness_ops ops = {
	.kind = FRESH_TPM,
	.open = tpm_open,
	.append = tpm_append,
	.stop = tpm_stop,
	.status = tpm_status,
};

struct freshness *tpm_freshness(struct tpm *t)
{
	return &t->base;
}

int tpm_permit_text(const struct tpm_permit *p, char *text, size_t size)
{
	char head[2 * FRESHNESS_HASH_SIZE + 1];
	int n;

	bytes_to_hex(p->head, FRESHNESS_HASH_SIZE, head);
	n = snprintf(text, size,
		"sconce-tpm-permit-1\ncounter %" PRIu64 "\nseq %" PRIu64
		"\nhead %s\n",
		p->counter, p->seq, head);
	return n > 0 && (size_t)n < size ? 0 : -ENOSPC;
}

int tpm_new(const struct tpm_options *o, struct tpm **out, struct err *e)
{
	struct tpm *t = calloc(1, sizeof(*t));
	uint8_t auth[TPM_NV_AUTH_SIZE];
	int rc;

	*out = NULL;
	if (!t)
		return err_setf(e, -ENOMEM, "TPM: no memory");
	t->base.ops = &ops;
	t->has_permit = o->permit;
	if (o->permit)
		t->permit = *o->permit;
	rc = string_copy(t->path, sizeof(t->path), o->mark);
	if (rc < 0) {
		free(t);
		return err_setf(e, -ENAMETOOLONG, "%s: too long", o->mark);
	}
	derive(o->key, "sconce-tpm-mark", t->mac_key);
	derive(o->key, "sconce-tpm-auth", auth);
	rc = tpm_nv_open(
		&t->nv, o->tcti, o->index ? o->index : TPM_INDEX, auth, e);
	string_wipe(auth, sizeof(auth));
	if (rc < 0) {
		string_wipe(t, sizeof(*t));
		free(t);
		return rc;
	}
	*out = t;
	return 0;
}

void tpm_free(struct tpm *t)
{
	if (!t)
		return;
	tpm_nv_close(&t->nv);
	string_wipe(t, sizeof(*t));
	free(t);
}

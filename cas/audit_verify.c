/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verifies an exported log without CAS. Each record's hash is made again from
 * what its line means; the chain of hashes ends in a head that CAS signed.
 */
#include <errno.h>
#include <inttypes.h>
#include <openssl/x509.h>

#include "cas/audit_int.h"
#include "cas/store_int.h"
#include "crypto/sha256.h"
#include "lib/bytes.h"
#include "lib/string.h"

struct check {
	const struct audit_known *known;
	struct audit_found *found;
	struct audit_reader in;
	struct buf cbor; /* of a record */
	struct err *e;
};

/* ---- checkpoints ---- */
static bool signature_good(const struct audit_checkpoint *p)
{
	const uint8_t *der = p->key;
	EVP_PKEY *key = d2i_PUBKEY(NULL, &der, (long)p->key_size);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	struct buf message = {0};
	char group[64] = "";
	bool ed25519, p256, good;

	audit_message(p, &message);
	ed25519 = key && EVP_PKEY_is_a(key, "ED25519");
	p256 = key && EVP_PKEY_is_a(key, "EC") &&
		EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1 &&
		strcmp(group, "prime256v1") == 0;
	good = ctx && (ed25519 || p256) && der == p->key + p->key_size &&
		!buf_check(&message) &&
		EVP_DigestVerifyInit(ctx, NULL, ed25519 ? NULL : EVP_sha256(),
			NULL, key) == 1 &&
		EVP_DigestVerify(ctx, p->signature, p->signature_size,
			message.data, message.size) == 1;
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	buf_fini(&message);
	return good;
}

/* Zeros are anybody's; sets what was so. */
static bool same_or_set(uint8_t known[32], const uint8_t seen[32])
{
	if (bytes_zero(known, 32))
		memcpy(known, seen, 32);
	return memcmp(known, seen, 32) == 0;
}

static enum audit_result wrong_cas(struct err *e, const char *what,
	const uint8_t seen[32], const uint8_t wanted[32])
{
	char a[65], b[65];

	bytes_to_hex(seen, 32, a);
	bytes_to_hex(wanted, 32, b);
	err_setf(e, 0, "a checkpoint of another CAS: %s %s; wanted %s", what, a,
		b);
	return AUDIT_WRONG_CAS;
}

/* Is it signed, by whom it should be? */
static enum audit_result judge(const struct audit_checkpoint *p,
	uint8_t cas_key[32], uint8_t cluster[32], struct err *e)
{
	uint8_t digest[SHA256_SIZE];

	sha256(p->key, p->key_size, digest);
	if (!same_or_set(cas_key, digest))
		return wrong_cas(e, "its key is", digest, cas_key);
	if (!same_or_set(cluster, p->cluster))
		return wrong_cas(e, "its cluster is", p->cluster, cluster);
	if (signature_good(p))
		return AUDIT_OK;
	err_setf(e, 0,
		"the checkpoint of record %" PRIu64
		" was altered: its signature does not hold",
		p->seq);
	return AUDIT_TAMPERED;
}

static enum audit_result forked(struct check *c, uint64_t seq,
	const uint8_t *seen, const uint8_t *known)
{
	char a[17], b[17];

	bytes_to_hex(seen, 8, a);
	bytes_to_hex(known, 8, b);
	err_setf(c->e, 0,
		"forked: record %" PRIu64 " is %s..., the one that is known is "
		"%s...: CAS has told two histories, or this is not its log",
		seq, a, b);
	return AUDIT_FORKED;
}

static enum audit_result check_checkpoint(struct check *c)
{
	const struct audit_checkpoint *p = &c->in.checkpoint;
	struct audit_found *f = c->found;
	enum audit_result r = judge(p, f->cas_key, f->cluster, c->e);

	if (r)
		return r;
	if (c->known->has_checkpoint && p->seq == c->known->seq &&
		memcmp(p->head, c->known->head, sizeof(p->head)) != 0)
		return forked(c, p->seq, p->head, c->known->head);
	if (p->seq > f->last) {
		err_setf(c->e, 0,
			"truncated: CAS signed record %" PRIu64
			", the records before end with %" PRIu64,
			p->seq, f->last);
		return AUDIT_TRUNCATED;
	}
	if (p->seq < f->last) {
		err_setf(c->e, 0,
			"the checkpoint of record %" PRIu64
			" stands behind record %" PRIu64,
			p->seq, f->last);
		return AUDIT_TAMPERED;
	}
	if (memcmp(p->head, f->head, sizeof(p->head)) != 0) {
		err_setf(c->e, 0,
			"record %" PRIu64 " is not the one that CAS signed: it "
			"or one before was replaced",
			p->seq);
		return AUDIT_TAMPERED;
	}
	f->checkpoints++;
	f->signed_seq = p->seq;
	f->signed_time = p->time;
	return AUDIT_OK;
}

/* ---- records ---- */
/* The hash of the record that the line tells, against what the line says. */
static enum audit_result check_hash(struct check *c)
{
	struct store_record r = c->in.record;

	c->cbor.size = 0;
	if (store_record_encode(&r, &c->cbor)) {
		err_setf(c->e, 0, "no memory");
		return AUDIT_FAILED;
	}
	if (memcmp(r.hash, c->in.record.hash, sizeof(r.hash)) == 0)
		return AUDIT_OK;
	err_setf(c->e, 0,
		"record %" PRIu64 " was altered: its hash is another one",
		r.seq);
	return AUDIT_TAMPERED;
}

static enum audit_result check_first(
	struct check *c, const struct store_record *r)
{
	const struct audit_known *k = c->known;

	if (r->seq == 1) {
		if (bytes_zero(r->prev, sizeof(r->prev)))
			return AUDIT_OK;
		err_setf(c->e, 0, "record 1 is not the first of a chain");
		return AUDIT_TAMPERED;
	}
	if (k->has_checkpoint && r->seq == k->seq)
		return AUDIT_OK;
	if (k->has_checkpoint && r->seq == k->seq + 1)
		return memcmp(r->prev, k->head, sizeof(r->prev)) == 0
			? AUDIT_OK
			: forked(c, k->seq, r->prev, k->head);
	err_setf(c->e, 0,
		"truncated: begins with record %" PRIu64 "; wanted record 1%s",
		r->seq, k->has_checkpoint ? ", or the one that is known" : "");
	return AUDIT_TRUNCATED;
}

static enum audit_result check_next(
	struct check *c, const struct store_record *r)
{
	const struct audit_found *f = c->found;

	if (r->seq <= f->last)
		err_setf(c->e, 0,
			"record %" PRIu64 " stands behind record %" PRIu64
			": there twice, or out of order",
			r->seq, f->last);
	else if (r->seq > f->last + 1)
		err_setf(c->e, 0, "record %" PRIu64 " is missing", f->last + 1);
	else if (memcmp(r->prev, f->head, sizeof(r->prev)) != 0)
		err_setf(c->e, 0,
			"record %" PRIu64 " does not follow record %" PRIu64
			": the chain is "
			"broken",
			r->seq, f->last);
	else
		return AUDIT_OK;
	return AUDIT_TAMPERED;
}

static enum audit_result check_record(struct check *c)
{
	const struct store_record *r = &c->in.record;
	struct audit_found *f = c->found;
	enum audit_result ret = check_hash(c);

	if (!ret)
		ret = f->last ? check_next(c, r) : check_first(c, r);
	if (!ret && c->known->has_checkpoint && r->seq == c->known->seq &&
		memcmp(r->hash, c->known->head, sizeof(r->hash)) != 0)
		ret = forked(c, r->seq, r->hash, c->known->head);
	if (ret)
		return ret;
	if (!f->first)
		f->first = r->seq;
	f->last = r->seq;
	f->term = r->term;
	memcpy(f->head, r->hash, sizeof(f->head));
	f->events += r->event_count;
	for (size_t i = 0; i < r->event_count; i++)
		f->denied += r->events[i].denied;
	return AUDIT_OK;
}

/* ---- the end ---- */
static enum audit_result check_end(struct check *c)
{
	const struct audit_found *f = c->found;
	const struct audit_known *k = c->known;

	if (!f->last) {
		err_setf(c->e, 0, "truncated: there is no record");
		return AUDIT_TRUNCATED;
	}
	if (f->signed_seq != f->last) {
		err_setf(c->e, 0,
			"truncated: records %" PRIu64 " to %" PRIu64
			" have no checkpoint behind them, so nobody vouches "
			"for them",
			f->signed_seq ? f->signed_seq + 1 : f->first, f->last);
		return AUDIT_TRUNCATED;
	}
	if (k->has_checkpoint && k->seq > f->last) {
		err_setf(c->e, 0,
			"rolled back: an older log, which ends with record "
			"%" PRIu64 "; record %" PRIu64 " is known",
			f->last, k->seq);
		return AUDIT_ROLLED_BACK;
	}
	return AUDIT_OK;
}

static enum audit_result malformed(struct check *c, int code)
{
	if (code == -ENOMEM) {
		err_setf(c->e, 0, "no memory");
		return AUDIT_FAILED;
	}
	if (c->in.cut) {
		err_setf(c->e, 0, "truncated: the last line has no end");
		return AUDIT_TRUNCATED;
	}
	err_setf(c->e, 0, "malformed at column %zu", c->in.column);
	return AUDIT_TAMPERED;
}

enum audit_result audit_verify(const char *text, size_t size,
	const struct audit_known *known, struct audit_found *found,
	struct err *e)
{
	struct check c = {.known = known, .found = found, .e = e};
	enum audit_result r = AUDIT_OK;
	int next;

	*found = (struct audit_found){0};
	memcpy(found->cas_key, known->cas_key, sizeof(found->cas_key));
	memcpy(found->cluster, known->cluster, sizeof(found->cluster));
	audit_reader_init(&c.in, text, size);
	while (!r && (next = audit_reader_next(&c.in)) != 0) {
		if (next < 0)
			r = malformed(&c, next);
		else
			r = c.in.is_checkpoint ? check_checkpoint(&c)
					       : check_record(&c);
		if (r)
			err_prefix(e, "line %zu", c.in.line);
	}
	if (!r)
		r = check_end(&c);
	found->line = c.in.line;
	audit_reader_fini(&c.in);
	buf_fini(&c.cbor);
	return r;
}

enum audit_result audit_known_read(
	const char *text, size_t size, struct audit_known *known, struct err *e)
{
	struct audit_reader in;
	enum audit_result r = AUDIT_TAMPERED;

	audit_reader_init(&in, text, size);
	if (audit_reader_next(&in) == 1 && in.is_checkpoint &&
		in.at == in.end) {
		r = judge(&in.checkpoint, known->cas_key, known->cluster, e);
		known->has_checkpoint = true;
		known->seq = in.checkpoint.seq;
		memcpy(known->head, in.checkpoint.head, sizeof(known->head));
	} else {
		err_setf(e, 0,
			"not a checkpoint; wanted one line as at the end of an "
			"exported log");
	}
	audit_reader_fini(&in);
	return r;
}

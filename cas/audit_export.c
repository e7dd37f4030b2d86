/* SPDX-License-Identifier: Apache-2.0 */
/* The log as lines of JSON, and signed checkpoints. */
#include <errno.h>
#include <inttypes.h>
#include <openssl/x509.h>

#include "cas/audit_int.h"
#include "lib/bytes.h"
#include "lib/string.h"

/* ---- writing ---- */
static void put_hex(
	struct buf *out, const char *name, const uint8_t *data, size_t size)
{
	char text[2 * 32 + 1];

	buf_text(out, name);
	buf_text(out, "\"");
	for (size_t i = 0; i < size; i += 32) {
		bytes_to_hex(data + i, u64_min(32, size - i), text);
		buf_text(out, text);
	}
	buf_text(out, "\"");
}

/* Texts have no control bytes: store_audit() saw to that. */
static void put_text(struct buf *out, const char *name, const char *text)
{
	buf_text(out, name);
	buf_text(out, "\"");
	for (const char *p = text; *p; p++) {
		if (*p == '"' || *p == '\\')
			buf_text(out, "\\");
		buf_add(out, p, 1);
	}
	buf_text(out, "\"");
}

static void put_event(struct buf *out, const struct store_event *e)
{
	put_text(out, "{\"what\":", e->what);
	if (e->object)
		put_text(out, ",\"object\":", e->object);
	if (e->actor)
		put_hex(out, ",\"actor\":", e->actor, STORE_HASH_SIZE);
	if (e->before)
		put_hex(out, ",\"before\":", e->before, STORE_HASH_SIZE);
	if (e->after)
		put_hex(out, ",\"after\":", e->after, STORE_HASH_SIZE);
	if (e->denied)
		buf_text(out, ",\"denied\":true");
	if (e->detail)
		put_hex(out, ",\"detail\":", e->detail, e->detail_size);
	buf_text(out, "}");
}

int audit_line(const struct store_record *r, struct buf *out)
{
	buf_format(out,
		"{\"seq\":%" PRIu64 ",\"time\":%" PRIu64 ",\"term\":%" PRIu64
		",\"rows\":%" PRIu64,
		r->seq, r->time, r->term, r->rows);
	put_hex(out, ",\"prev\":", r->prev, sizeof(r->prev));
	put_hex(out, ",\"map\":", r->map, sizeof(r->map));
	buf_text(out, ",\"events\":[");
	for (size_t i = 0; i < r->event_count; i++) {
		buf_text(out, i ? "," : "");
		put_event(out, &r->events[i]);
	}
	put_hex(out, "],\"hash\":", r->hash, sizeof(r->hash));
	buf_text(out, "}\n");
	return buf_check(out);
}

/* ---- checkpoints ---- */
static int sign(const struct audit_signer *signer, struct audit_checkpoint *c,
	struct err *e)
{
	bool ed25519 = EVP_PKEY_is_a(signer->key, "ED25519");
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	struct buf message = {0};
	uint8_t *p = c->key;
	int size = i2d_PUBKEY(signer->key, NULL), ret = 0;

	c->signature_size = sizeof(c->signature);
	audit_message(c, &message);
	if (!ctx || buf_check(&message))
		ret = -ENOMEM;
	else if (size <= 0 || size > AUDIT_SPKI_MAX ||
		i2d_PUBKEY(signer->key, &p) != size ||
		EVP_DigestSignInit(ctx, NULL, ed25519 ? NULL : EVP_sha256(),
			NULL, signer->key) != 1 ||
		EVP_DigestSign(ctx, c->signature, &c->signature_size,
			message.data, message.size) != 1)
		ret = -EIO;
	c->key_size = (size_t)size;
	EVP_MD_CTX_free(ctx);
	buf_fini(&message);
	return ret ? err_setf(e, ret, "the checkpoint cannot be signed") : 0;
}

int audit_checkpoint(const struct audit_signer *signer, uint64_t term,
	uint64_t seq, const uint8_t head[STORE_HASH_SIZE], struct buf *out,
	struct err *e)
{
	struct audit_checkpoint c = {
		.seq = seq, .term = term, .time = signer->time};
	int ret;

	memcpy(c.cluster, signer->cluster, sizeof(c.cluster));
	memcpy(c.head, head, sizeof(c.head));
	ret = sign(signer, &c, e);
	if (ret)
		return ret;
	put_hex(out, "{\"checkpoint\":{\"cluster\":", c.cluster,
		sizeof(c.cluster));
	put_hex(out, ",\"head\":", c.head, sizeof(c.head));
	buf_format(out,
		",\"seq\":%" PRIu64 ",\"term\":%" PRIu64 ",\"time\":%" PRIu64
		"}",
		c.seq, c.term, c.time);
	put_hex(out, ",\"key\":", c.key, c.key_size);
	put_hex(out, ",\"signature\":", c.signature, c.signature_size);
	buf_text(out, "}\n");
	return buf_check(out);
}

/* ---- exporting ---- */
struct export
{
	struct buf *out;
	uint64_t seq, term;
	uint8_t head[STORE_HASH_SIZE];
};

static int export_record(void *arg, const struct store_record *r)
{
	struct export *x = arg;

	x->seq = r->seq;
	x->term = r->term;
	memcpy(x->head, r->hash, sizeof(x->head));
	return audit_line(r, x->out);
}

int audit_export(struct store *s, uint64_t from, uint64_t until,
	const struct audit_signer *signer, struct buf *out, struct err *e)
{
	struct export x = {.out = out};
	int ret = store_log(s, from, until, export_record, &x, e);

	if (ret == -ENOMEM)
		err_setf(e, ret, "no memory for the log");
	if (!ret && signer)
		ret = audit_checkpoint(signer, x.term, x.seq, x.head, out, e);
	return ret;
}

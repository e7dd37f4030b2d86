/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One-time tokens, and codes of people's telephones.
 *
 * A token is 40 bytes in hex: le64 of its end (s since 1970), 16 random bytes,
 * 16 bytes of HMAC-SHA256 over label, service, end and the random bytes, by a
 * key that only CAS has. So giving one away costs the store nothing, and
 * anybody may ask for one; used ones are rows until their end. It is worth
 * something only together with an enclave that the policy accepts.
 */
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <string.h>

#include "cas/engine_service.h"
#include "lib/bytes.h"
#include "lib/fmt.h"
#include "lib/string.h"

enum { NONCE_SIZE = 16, MAC_SIZE = 16, SWEEP_MAX = 1000, SWEEP_EVERY = 60 };

static const char key_name[] = "token-key";
/* le64: tokens that ended before this time may have been used, and forgotten:
 * none is taken any more, whatever the clock says now. */
static const char swept_name[] = "token-swept";

struct token {
	uint8_t end[8];
	uint8_t nonce[NONCE_SIZE];
	uint8_t mac[MAC_SIZE];
};
static_assert_size(struct token, 40);

static uint64_t le64_get(const uint8_t p[static 8])
{
	uint64_t v = 0;

	for (int i = 7; i >= 0; i--)
		v = v << 8 | p[i];
	return v;
}

static void le64_put(uint8_t p[static 8], uint64_t v)
{
	for (int i = 0; i < 8; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static int count_row(void *arg, const char *key, size_t key_size,
	const void *value, size_t size)
{
	(*(uint64_t *)arg)++;
	return 0;
}

int tokens_load(struct services *v, struct err *e)
{
	struct store *s = v->g->store;
	struct store_txn *x;
	const void *row;
	uint64_t seq;
	size_t size;
	int ret;

	store_each(s, STORE_TOKEN, "", 0, count_row, &v->tokens_used);
	if (store_get(s, STORE_META, swept_name, sizeof(swept_name) - 1, &row,
		    &size, &seq)) {
		if (size != 8)
			return err_setf(e, -EBADMSG, "the row of %s: %zu bytes",
				swept_name, size);
		v->tokens_swept = (int64_t)le64_get(row);
	}
	if (store_get(s, STORE_META, key_name, sizeof(key_name) - 1, &row,
		    &size, &seq)) {
		if (size != sizeof(v->token_key))
			return err_setf(e, -EBADMSG, "the row of %s: %zu bytes",
				key_name, size);
		memcpy(v->token_key, row, size);
		return 0;
	}
	if (RAND_bytes(v->token_key, sizeof(v->token_key)) != 1)
		return err_setf(e, -EIO, "no random numbers from libcrypto");
	x = store_begin(s);
	store_put(x, STORE_META, key_name, sizeof(key_name) - 1, v->token_key,
		sizeof(v->token_key));
	ret = store_submit(x, NULL, NULL);
	return ret < 0 ? err_setf(e, ret, "the store takes no key for tokens")
		       : 0;
}

static int token_mac(const struct services *v, const char *name,
	const struct token *t, uint8_t mac[static 32])
{
	static const char label[] = "sconce-token-1";
	struct buf b = {0};
	unsigned len = 32;
	bool ok;

	buf_add(&b, label, sizeof(label));
	buf_add(&b, name, strlen(name) + 1);
	buf_add(&b, t, offsetof(struct token, mac));
	ok = buf_check(&b) == 0 &&
		HMAC(EVP_sha256(), v->token_key, sizeof(v->token_key), b.data,
			b.size, mac, &len);
	buf_fini(&b);
	return ok ? 0 : -ENOMEM;
}

static int token_read(struct services *v, const char *name, const char *text,
	struct token *t, struct err *e)
{
	uint8_t mac[32];

	if (!text)
		return err_setf(e, -EKEYREJECTED,
			"%s: no one-time token; wanted one for each start "
			"(`sconce run` asks CAS for it)",
			name);
	if (!string_from_hex(text, (uint8_t *)t, sizeof(*t)) ||
		token_mac(v, name, t, mac) < 0 ||
		!string_equal_const_time(mac, t->mac, sizeof(t->mac)))
		return err_setf(e, -EKEYREJECTED,
			"%s: the one-time token is not one that this CAS gave "
			"for this service",
			name);
	return 0;
}

int token_check(
	struct services *v, const char *name, const char *token, struct err *e)
{
	const void *row;
	struct token t;
	uint64_t seq;
	size_t size;
	int ret = token_read(v, name, token, &t, e);

	if (ret < 0)
		return ret;
	if ((int64_t)le64_get(t.end) < engine_now(v->g) ||
		(int64_t)le64_get(t.end) < v->tokens_swept)
		return err_setf(e, -EKEYREJECTED,
			"%s: the one-time token is older than %d s; wanted a "
			"new one",
			name, SERVICE_TOKEN_LIFE);
	if (store_get(v->g->store, STORE_TOKEN, (char *)t.nonce, NONCE_SIZE,
		    &row, &size, &seq))
		return err_setf(e, -EKEYREJECTED,
			"%s: the one-time token was used before; wanted a new "
			"one",
			name);
	return 0;
}

int token_use(struct services *v, const char *name, const char *token,
	struct store_txn *x, struct err *e)
{
	struct token t;
	int ret = token_check(v, name, token, e);

	if (ret == 0)
		ret = token_read(v, name, token, &t, e);
	if (ret < 0)
		return ret;
	if (v->tokens_used >= SERVICE_TOKENS_USED_MAX)
		return err_setf(e, -EDQUOT,
			"%llu starts with one-time tokens in %d s; try again "
			"later",
			(unsigned long long)v->tokens_used, SERVICE_TOKEN_LIFE);
	store_put(x, STORE_TOKEN, (char *)t.nonce, NONCE_SIZE, t.end,
		sizeof(t.end));
	v->tokens_used++;
	return 0;
}

/* 0: the session wants tokens, and whoever asks may have one; 1: it starts
 * without. */
static int may_have(const struct request *q, const struct session *s,
	const char *service, struct giver *giver, struct err *e)
{
	if (!session_service(s, service))
		return err_setf(e, -ENOENT, "session %s has no service %s",
			s->name, service);
	if (!s->security.singleton)
		return 1;
	return service_access_token(giver, q->r->token, e);
}

void service_token(const struct request *q)
{
	struct services *v = q->g->services;
	char session[SESSION_NAME_MAX + 1], text[2 * sizeof(struct token) + 1];
	const char *service, *name = q->r->session ? q->r->session : "";
	struct giver giver = {0};
	uint8_t mac[32];
	struct token t;
	struct err e = {0};
	int64_t now;
	int ret;

	ret = service_split(name, session, sizeof(session), &service, &e);
	if (ret == 0)
		ret = giver_open(q->g, session, NULL, &giver, &e);
	if (ret == 0)
		ret = may_have(q, giver.session, service, &giver, &e);
	giver_close(&giver);
	if (ret < 0) {
		service_refuse(q, ret, e.text);
		return;
	}
	if (ret > 0) {
		service_reply(q, &(struct wire_reply){.id = 0});
		return;
	}
	now = engine_now(q->g);
	if (now < v->tokens_swept)
		now = v->tokens_swept;
	le64_put(t.end, (uint64_t)now + SERVICE_TOKEN_LIFE);
	if (RAND_bytes(t.nonce, sizeof(t.nonce)) != 1 ||
		token_mac(v, name, &t, mac) < 0) {
		service_refuse(q, -EIO, "no random numbers from libcrypto");
		return;
	}
	memcpy(t.mac, mac, sizeof(t.mac));
	bytes_to_hex(&t, sizeof(t), text);
	v->tokens_given++;
	service_reply(q,
		&(struct wire_reply){.value = {(uint8_t *)text, strlen(text)}});
}

/* ---- used ones are forgotten after their end ---- */

struct sweep {
	struct store_txn *x;
	int64_t now;
	uint64_t count;
};

static int sweep_row(void *arg, const char *key, size_t key_size,
	const void *value, size_t size)
{
	struct sweep *s = arg;

	if (size == 8 && (int64_t)le64_get(value) >= s->now)
		return 0;
	store_delete(s->x, STORE_TOKEN, key, key_size);
	return ++s->count == SWEEP_MAX;
}

void tokens_tick(struct services *v, int64_t now)
{
	struct sweep s = {.now = now};
	uint8_t swept[8];
	char detail[64];

	if (v->tokens_given == 0 && now < v->sweep_at)
		return;
	s.x = store_begin(v->g->store);
	if (now >= v->sweep_at) {
		v->sweep_at = now + SWEEP_EVERY;
		if (v->tokens_used > 0)
			store_each(
				v->g->store, STORE_TOKEN, "", 0, sweep_row, &s);
	}
	if (v->tokens_given > 0) {
		fmt_print(detail, sizeof(detail), "%llu given",
			(unsigned long long)v->tokens_given);
		engine_audit(s.x, NULL,
			&(struct audit_event){
				.what = "service.token", .detail = detail});
	}
	if (s.count == 0 && v->tokens_given == 0) {
		store_abort(s.x);
		return;
	}
	if (s.count > 0) {
		le64_put(swept, (uint64_t)now);
		store_put(s.x, STORE_META, swept_name, sizeof(swept_name) - 1,
			swept, sizeof(swept));
	}
	if (store_submit(s.x, NULL, NULL) < 0)
		return;
	if (s.count > 0)
		v->tokens_swept = now;
	v->tokens_used -= u64_min(s.count, v->tokens_used);
	v->tokens_given = 0;
}

/* ---- codes (RFC 6238) ---- */

enum { OTP_SECRET_MAX = 128, OTP_SECRET_MIN = 16, OTP_STEP = 30 };

/* RFC 4648 base32, padding or not, either case. -1: it is not that. */
static int base32(const char *text, uint8_t *out, size_t max)
{
	unsigned bits = 0;
	size_t n = 0;
	uint32_t acc = 0;

	for (; *text && *text != '='; text++) {
		unsigned c = (unsigned char)*text, d;

		if (c >= 'a' && c <= 'z')
			d = c - 'a';
		else if (c >= 'A' && c <= 'Z')
			d = c - 'A';
		else if (c >= '2' && c <= '7')
			d = c - '2' + 26;
		else
			return -1;
		acc = (acc << 5 | d) & 0xfff;
		bits += 5;
		if (bits < 8)
			continue;
		if (n == max)
			return -1;
		bits -= 8;
		out[n++] = (uint8_t)(acc >> bits);
	}
	while (*text == '=')
		text++;
	return *text ? -1 : (int)n;
}

/* HOTP (RFC 4226) of a step, as six digits. */
static bool code_of(
	const uint8_t *key, size_t size, int64_t step, char code[static 8])
{
	uint8_t counter[8], mac[EVP_MAX_MD_SIZE];
	unsigned len = sizeof(mac), at;
	uint32_t v;

	for (int i = 0; i < 8; i++)
		counter[i] = (uint8_t)((uint64_t)step >> (56 - 8 * i));
	if (!HMAC(EVP_sha1(), key, (int)size, counter, sizeof(counter), mac,
		    &len) ||
		len != 20)
		return false;
	at = mac[19] & 15;
	v = (uint32_t)(mac[at] & 0x7f) << 24 | (uint32_t)mac[at + 1] << 16 |
		(uint32_t)mac[at + 2] << 8 | mac[at + 3];
	fmt_print(code, 8, "%06u", (unsigned)(v % 1000000));
	OPENSSL_cleanse(mac, sizeof(mac));
	return true;
}

int otp_check(const char *secret, const char *code, int64_t now, int64_t after,
	int64_t *step, struct err *e)
{
	uint8_t key[OTP_SECRET_MAX];
	int size = base32(secret, key, sizeof(key));
	int64_t at = now / OTP_STEP;
	char want[8];
	bool found = false;

	if (size < OTP_SECRET_MIN) {
		string_wipe(key, sizeof(key));
		return err_setf(e, -EINVAL,
			"one_time_password_shared_secret: wanted base32 of at "
			"least 128 bits");
	}
	for (int64_t s = at - 1; s <= at + 1; s++)
		if (s > after && code && strlen(code) == 6 &&
			code_of(key, (size_t)size, s, want) &&
			string_equal_const_time(want, code, 6)) {
			*step = s;
			found = true;
		}
	string_wipe(key, sizeof(key));
	string_wipe(want, sizeof(want));
	if (found)
		return 0;
	return err_setf(e, -EKEYREJECTED,
		"%s; wanted the six digits that the owner's device shows now, "
		"each once",
		code ? "the one-time password is wrong, too old or was used"
		     : "no one-time password");
}

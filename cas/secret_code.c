/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets and single secrets as canonical CBOR, for the store and for importers:
 *
 *	set:	[1, [secret...]]
 *	secret:	[name, kind, key type, origin, due, before_until,
 *			version, [] or [version before]]
 *	version: [made, until, value, key, [issuer...]]
 */
#include "cas/secret_int.h"

#include <errno.h>
#include <stdlib.h>

#include <openssl/crypto.h>

#include "lib/cbor_put.h"
#include "lib/string.h"

enum { CODE_VERSION = 1, SECRET_NAME_MAX = 512 };

static void put_version(struct cbor_writer *w, const struct secret_version *v)
{
	cbor_put_array(w, 5);
	cbor_put_uint(w, (uint64_t)v->made);
	cbor_put_uint(w, (uint64_t)v->until);
	cbor_put_bytes(w, v->value.data, v->value.size);
	cbor_put_bytes(w, v->key.data, v->key.size);
	cbor_put_array(w, v->chain_count);
	for (size_t i = 0; i < v->chain_count; i++)
		cbor_put_bytes(w, v->chain[i].data, v->chain[i].size);
}

static void put_secret(
	struct cbor_writer *w, const struct secret *x, const char *name)
{
	cbor_put_array(w, 8);
	cbor_put_text(w, name, strlen(name));
	cbor_put_uint(w, x->kind);
	cbor_put_uint(w, x->key_type);
	cbor_put_uint(w, x->origin);
	cbor_put_uint(w, (uint64_t)x->due);
	cbor_put_uint(w, (uint64_t)x->before_until);
	put_version(w, &x->now);
	cbor_put_array(w, x->before_until ? 1 : 0);
	if (x->before_until)
		put_version(w, &x->before);
}

static void put_set(struct cbor_writer *w, const void *what)
{
	const struct secret_set *set = what;

	cbor_put_array(w, 2);
	cbor_put_uint(w, CODE_VERSION);
	cbor_put_array(w, set->count);
	for (size_t i = 0; i < set->count; i++)
		put_secret(w, &set->item[i], set->item[i].name);
}

static void put_nameless(struct cbor_writer *w, const void *what)
{
	put_secret(w, what, "");
}

/* Measures, then writes into one piece of memory of that size. */
static int encode(void (*put)(struct cbor_writer *w, const void *what),
	const void *what, struct buf *out)
{
	struct cbor_writer w;
	uint8_t *data;
	size_t size;

	cbor_writer_init(&w, NULL, 0);
	put(&w, what);
	size = w.len;
	data = malloc(size);
	if (!data)
		return -ENOMEM;
	cbor_writer_init(&w, data, size);
	put(&w, what);
	out->secret = true;
	buf_add(out, data, size);
	string_wipe(data, size);
	free(data);
	return buf_check(out);
}

int secret_set_encode(const struct secret_set *set, struct buf *out)
{
	return encode(put_set, set, out);
}

int secret_put_imported(const struct secret *x, struct buf *out)
{
	return encode(put_nameless, x, out);
}

/* ---- reading ---- */

static int get_time(struct cbor_reader *r, int64_t *t)
{
	uint64_t v;
	int rc = cbor_get_uint(r, &v);

	/* So that secret_after() cannot overflow. */
	if (!rc && v > 1ULL << 60)
		rc = -EBADMSG;
	*t = rc ? 0 : (int64_t)v;
	return rc;
}

static int get_below(struct cbor_reader *r, uint64_t limit, uint64_t *v)
{
	int rc = cbor_get_uint(r, v);

	return !rc && *v >= limit ? -EBADMSG : rc;
}

static int get_blob(struct cbor_reader *r, bool may_be_empty, struct blob *b)
{
	const uint8_t *data;
	size_t size;
	int rc = cbor_get_bytes(r, &data, &size);

	if (rc)
		return rc;
	if (!size)
		return may_be_empty ? 0 : -EBADMSG;
	return blob_set(b, data, size);
}

static int get_array(struct cbor_reader *r, uint64_t want)
{
	uint64_t count;
	int rc = cbor_get_array(r, &count);

	return !rc && count != want ? -EBADMSG : rc;
}

static int get_version(
	struct cbor_reader *r, uint64_t kind, struct secret_version *v)
{
	bool cert = kind == SECRET_X509 || kind == SECRET_X509_CA;
	uint64_t count = 0;
	int rc = get_array(r, 5);

	if (!rc)
		rc = get_time(r, &v->made);
	if (!rc)
		rc = get_time(r, &v->until);
	if (!rc)
		/* Given texts may be empty. */
		rc = get_blob(r, kind <= SECRET_BINARY || kind >= SECRET_JWT,
			&v->value);
	if (!rc && !v->value.data)
		rc = blob_set(&v->value, "", 0);
	if (!rc)
		rc = get_blob(r, true, &v->key);
	if (!rc)
		rc = cbor_get_array(r, &count);
	if (!rc &&
		(count > SECRET_CHAIN_MAX || (!cert && (count || v->key.size))))
		rc = -EBADMSG;
	for (size_t i = 0; !rc && i < count; i++) {
		rc = get_blob(r, false, &v->chain[i]);
		v->chain_count = i + !rc;
	}
	return rc;
}

static int get_name(struct cbor_reader *r, struct secret *x)
{
	const char *text;
	size_t size;
	int rc = cbor_get_text(r, &text, &size);

	if (rc)
		return rc;
	if (size > SECRET_NAME_MAX || memchr(text, 0, size))
		return -EBADMSG;
	x->name = strndup(text, size);
	return x->name ? 0 : -ENOMEM;
}

static int get_secret(struct cbor_reader *r, struct secret *x)
{
	uint64_t before = 0;
	int rc = get_array(r, 8);

	if (!rc)
		rc = get_name(r, x);
	if (!rc)
		rc = get_below(r, SECRET_KINDS, &x->kind);
	if (!rc)
		rc = get_below(r, KEY_TYPES, &x->key_type);
	if (!rc)
		rc = get_below(r, ORIGIN_WRITTEN + 1, &x->origin);
	if (!rc)
		rc = get_time(r, &x->due);
	if (!rc)
		rc = get_time(r, &x->before_until);
	if (!rc)
		rc = get_version(r, x->kind, &x->now);
	if (!rc)
		rc = cbor_get_array(r, &before);
	if (!rc && before != (x->before_until ? 1 : 0))
		rc = -EBADMSG;
	if (!rc && before)
		rc = get_version(r, x->kind, &x->before);
	return rc;
}

static int fail(struct err *e, int rc, const char *what)
{
	if (rc == -ENOMEM)
		return err_setf(e, rc, "out of memory");
	return err_setf(e, -EBADMSG, "%s: not the encoding of secrets", what);
}

static int get_set(struct cbor_reader *r, struct secret_set **out)
{
	uint64_t version = 0, count = 0;
	int rc = get_array(r, 2);

	if (!rc)
		rc = cbor_get_uint(r, &version);
	if (!rc && version != CODE_VERSION)
		rc = -EBADMSG;
	if (!rc)
		rc = cbor_get_array(r, &count);
	if (!rc && count > SECRET_COUNT_MAX)
		rc = -EBADMSG;
	if (!rc)
		rc = secret_set_new(count, out);
	for (size_t i = 0; !rc && i < count; i++) {
		rc = get_secret(r, &(*out)->item[i]);
		if (!rc && !(*out)->item[i].name[0])
			rc = -EBADMSG;
	}
	if (!rc && !cbor_reader_at_end(r))
		rc = -EBADMSG;
	if (!rc)
		rc = secret_set_index(*out);
	return rc;
}

int secret_set_decode(
	const void *data, size_t size, struct secret_set **out, struct err *e)
{
	struct secret_set *set = NULL;
	struct cbor_reader r;
	int rc;

	cbor_reader_init(&r, data, size);
	rc = get_set(&r, &set);
	if (rc) {
		secret_set_free(set);
		return fail(e, rc, "secrets of a session");
	}
	*out = set;
	return 0;
}

int secret_get_imported(
	const void *data, size_t size, struct secret *x, struct err *e)
{
	struct cbor_reader r;
	int rc;

	cbor_reader_init(&r, data, size);
	rc = get_secret(&r, x);
	if (!rc && (!cbor_reader_at_end(&r) || x->name[0]))
		rc = -EBADMSG;
	if (!rc)
		return 0;
	secret_fini(x);
	return fail(e, rc, "imported secret");
}

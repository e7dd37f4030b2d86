/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hand-over as canonical CBOR:
 *
 *	request:	[1, "join", cluster, version]
 *	grant:		[1, "grant", key, cluster, term, seq, SVN floor]
 *	refusal:	[1, "refusal", why]
 *	approvals:	[1, SVN floor, [approval...]]
 *	approval:	[MRENCLAVE or empty, MRSIGNER or empty, ISVPRODID, least
 *			ISVSVN, CONFIGID, from, until, tolerated states]
 */
#include "cas/handover.h"

#include <errno.h>
#include <stdlib.h>

#include "cas/keys.h"
#include "lib/cbor_put.h"
#include "lib/string.h"

enum { MESSAGE_MAX = 1024, WHY_MAX = 512, LIST_MAX = 8192 };

static int add(struct buf *out, const struct cbor_writer *w)
{
	if (cbor_writer_check(w))
		return -EINVAL;
	buf_add(out, w->buf, w->len);
	return buf_check(out);
}

static void put_start(struct cbor_writer *w, uint64_t count, const char *kind)
{
	cbor_put_array(w, count);
	cbor_put_uint(w, HANDOVER_VERSION);
	cbor_put_text(w, kind, strlen(kind));
}

int handover_request_encode(const struct handover_request *r, struct buf *out)
{
	uint8_t text[MESSAGE_MAX];
	struct cbor_writer w;

	cbor_writer_init(&w, text, sizeof(text));
	put_start(&w, 4, "join");
	cbor_put_bytes(&w, r->cluster, sizeof(r->cluster));
	cbor_put_text(&w, r->version, strnlen(r->version, sizeof(r->version)));
	return add(out, &w);
}

int handover_grant_encode(const struct handover_grant *g, struct buf *out)
{
	uint8_t text[MESSAGE_MAX];
	struct cbor_writer w;
	int rc;

	out->secret = true;
	cbor_writer_init(&w, text, sizeof(text));
	put_start(&w, 7, "grant");
	cbor_put_bytes(&w, g->key, sizeof(g->key));
	cbor_put_bytes(&w, g->cluster, sizeof(g->cluster));
	cbor_put_uint(&w, g->term);
	cbor_put_uint(&w, g->seq);
	cbor_put_uint(&w, g->svn_floor);
	rc = add(out, &w);
	string_wipe(text, sizeof(text));
	return rc;
}

int handover_refusal_encode(const char *why, struct buf *out)
{
	uint8_t text[MESSAGE_MAX];
	struct cbor_writer w;

	cbor_writer_init(&w, text, sizeof(text));
	put_start(&w, 3, "refusal");
	cbor_put_text(&w, why, strnlen(why, WHY_MAX));
	return add(out, &w);
}

/* ---- reading ---- */

static int get_text(struct cbor_reader *r, char *out, size_t room)
{
	const char *text;
	size_t size;
	int rc = cbor_get_text(r, &text, &size);

	if (!rc && (size >= room || memchr(text, 0, size)))
		rc = -EBADMSG;
	if (!rc) {
		memcpy(out, text, size);
		out[size] = 0;
	}
	return rc;
}

static int get_u16(struct cbor_reader *r, uint16_t *out)
{
	uint64_t v;
	int rc = cbor_get_uint(r, &v);

	if (!rc && v > UINT16_MAX)
		rc = -EBADMSG;
	*out = rc ? 0 : (uint16_t)v;
	return rc;
}

static int get_start(
	struct cbor_reader *r, uint64_t *count, char kind[static 16])
{
	uint64_t version = 0;
	int rc = cbor_get_array(r, count);

	if (!rc)
		rc = cbor_get_uint(r, &version);
	if (!rc && version != HANDOVER_VERSION)
		rc = -EBADMSG;
	return rc ? rc : get_text(r, kind, 16);
}

static int ends(const struct cbor_reader *r, int rc)
{
	return !rc && !cbor_reader_at_end(r) ? -EBADMSG : rc;
}

int handover_request_decode(const void *data, size_t size,
	struct handover_request *out, struct err *e)
{
	struct cbor_reader r;
	char kind[16];
	uint64_t count;
	int rc;

	*out = (struct handover_request){0};
	cbor_reader_init(&r, data, size);
	rc = get_start(&r, &count, kind);
	if (!rc && (count != 4 || strcmp(kind, "join")))
		rc = -EBADMSG;
	if (!rc)
		rc = cbor_get_fixed(&r, out->cluster, sizeof(out->cluster));
	if (!rc)
		rc = get_text(&r, out->version, sizeof(out->version));
	if (!ends(&r, rc))
		return 0;
	return err_setf(e, -EBADMSG, "not a request for a hand-over");
}

static int get_grant(struct cbor_reader *r, struct handover_grant *g)
{
	int rc = cbor_get_fixed(r, g->key, sizeof(g->key));

	if (!rc)
		rc = cbor_get_fixed(r, g->cluster, sizeof(g->cluster));
	if (!rc)
		rc = cbor_get_uint(r, &g->term);
	if (!rc)
		rc = cbor_get_uint(r, &g->seq);
	if (!rc)
		rc = get_u16(r, &g->svn_floor);
	return ends(r, rc);
}

static int check_grant(const struct handover_grant *g, struct err *e)
{
	uint8_t id[STORE_HASH_SIZE];

	keys_cluster_id(g->key, id);
	if (!memcmp(id, g->cluster, sizeof(id)))
		return 0;
	return err_setf(e, -EBADMSG,
		"hand-over: the key is not that of the cluster it is given "
		"for");
}

int handover_grant_decode(const void *data, size_t size,
	struct handover_grant *out, struct err *e)
{
	char kind[16], why[WHY_MAX + 1];
	struct cbor_reader r;
	uint64_t count;
	int rc;

	*out = (struct handover_grant){0};
	cbor_reader_init(&r, data, size);
	rc = get_start(&r, &count, kind);
	if (!rc && count == 3 && !strcmp(kind, "refusal")) {
		rc = ends(&r, get_text(&r, why, sizeof(why)));
		if (!rc)
			return err_setf(e, -EKEYREJECTED,
				"the CAS in charge refused: %s", why);
	} else if (!rc && count == 7 && !strcmp(kind, "grant")) {
		if (!get_grant(&r, out)) {
			rc = check_grant(out, e);
			if (rc)
				string_wipe(out, sizeof(*out));
			return rc;
		}
		string_wipe(out, sizeof(*out));
	}
	return err_setf(e, -EBADMSG, "not the answer to a hand-over");
}

/* ---- the list of approvals ---- */

static void put_approval(
	struct cbor_writer *w, const struct handover_approval *a)
{
	cbor_put_array(w, 8);
	cbor_put_bytes(w, a->mrenclave, a->has_mrenclave ? 32 : 0);
	cbor_put_bytes(w, a->mrsigner, a->has_signer ? 32 : 0);
	cbor_put_uint(w, a->isv_prod_id);
	cbor_put_uint(w, a->isv_svn_min);
	cbor_put_bytes(w, a->config_id, sizeof(a->config_id));
	cbor_put_uint(w, (uint64_t)a->from);
	cbor_put_uint(w, (uint64_t)a->until);
	cbor_put_uint(w, a->tolerate);
}

static void put_list(struct cbor_writer *w, const struct handover_list *list)
{
	cbor_put_array(w, 3);
	cbor_put_uint(w, HANDOVER_VERSION);
	cbor_put_uint(w, list->svn_floor);
	cbor_put_array(w, list->count);
	for (size_t i = 0; i < list->count; i++)
		put_approval(w, &list->item[i]);
}

int handover_list_encode(const struct handover_list *list, struct buf *out)
{
	uint8_t *text = malloc(LIST_MAX);
	struct cbor_writer w;
	int rc;

	if (!text)
		return -ENOMEM;
	cbor_writer_init(&w, text, LIST_MAX);
	put_list(&w, list);
	rc = add(out, &w);
	free(text);
	return rc;
}

/* All of it or nothing. */
static int get_optional(
	struct cbor_reader *r, bool *has, uint8_t out[static 32])
{
	const uint8_t *data;
	size_t size;
	int rc = cbor_get_bytes(r, &data, &size);

	*has = !rc && size;
	if (!rc && size && size != 32)
		rc = -EBADMSG;
	if (!rc && size)
		memcpy(out, data, 32);
	return rc;
}

static int get_time(struct cbor_reader *r, int64_t *t)
{
	uint64_t v;
	int rc = cbor_get_uint(r, &v);

	if (!rc && v > INT64_MAX)
		rc = -EBADMSG;
	*t = rc ? 0 : (int64_t)v;
	return rc;
}

static int get_approval(struct cbor_reader *r, struct handover_approval *a)
{
	uint64_t count, tolerate = 0;
	int rc = cbor_get_array(r, &count);

	if (!rc && count != 8)
		rc = -EBADMSG;
	if (!rc)
		rc = get_optional(r, &a->has_mrenclave, a->mrenclave);
	if (!rc)
		rc = get_optional(r, &a->has_signer, a->mrsigner);
	if (!rc)
		rc = get_u16(r, &a->isv_prod_id);
	if (!rc)
		rc = get_u16(r, &a->isv_svn_min);
	if (!rc)
		rc = cbor_get_fixed(r, a->config_id, sizeof(a->config_id));
	if (!rc)
		rc = get_time(r, &a->from);
	if (!rc)
		rc = get_time(r, &a->until);
	if (!rc)
		rc = cbor_get_uint(r, &tolerate);
	if (!rc && tolerate >= 1u << TCB_STATUS_COUNT)
		rc = -EBADMSG;
	a->tolerate = rc ? 0 : (uint32_t)tolerate;
	return rc;
}

int handover_list_decode(
	const void *data, size_t size, struct handover_list *out, struct err *e)
{
	uint64_t count, version = 0;
	struct cbor_reader r;
	int rc;

	*out = (struct handover_list){0};
	cbor_reader_init(&r, data, size);
	rc = cbor_get_array(&r, &count);
	if (!rc)
		rc = cbor_get_uint(&r, &version);
	if (!rc && (count != 3 || version != HANDOVER_VERSION))
		rc = -EBADMSG;
	if (!rc)
		rc = get_u16(&r, &out->svn_floor);
	if (!rc)
		rc = cbor_get_array(&r, &count);
	if (!rc && count > HANDOVER_APPROVALS_MAX)
		rc = -EBADMSG;
	for (size_t i = 0; !rc && i < count; i++) {
		rc = get_approval(&r, &out->item[i]);
		out->count = i + 1;
	}
	if (!ends(&r, rc))
		return 0;
	*out = (struct handover_list){0};
	return err_setf(e, -EBADMSG, "not a list of approved successors");
}

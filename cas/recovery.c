/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the owner: recovery shares, encrypted to those who keep them, and copies
 * of the store. Neither says anything to the owner: boxes open with members'
 * keys alone, and the copy is sealed with the cluster's.
 */
#include "cas/recovery.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cas/base64_json.h"
#include "cas/shares.h"
#include "lib/bytes.h"
#include "lib/string.h"

enum { PORTION = 4 << 20, COPY_BLOCK = 1 << 16, PATH_SIZE = 1024 };

/* ---- shares ---- */

struct members {
	unsigned need, count;
	uint8_t key[SHARES_MAX][SHARE_KEY_SIZE];
};

static int members_add(struct members *m, const json_t *j, struct err *e)
{
	const char *hex = json_string_value(j);
	uint8_t *key = m->key[m->count];

	if (!hex || !string_from_hex(hex, key, SHARE_KEY_SIZE))
		return err_setf(e, -EINVAL,
			"members: wanted X25519 public keys, 64 hexadecimal "
			"digits each (`sconce cas member-key` makes one)");
	for (unsigned i = 0; i < m->count; i++)
		if (memcmp(m->key[i], key, SHARE_KEY_SIZE) == 0)
			return err_setf(e, -EINVAL,
				"members: %.16s... is there twice", hex);
	m->count++;
	return 0;
}

static int members_read(const json_t *j, struct members *m, struct err *e)
{
	const json_t *list = json_object_get(j, "members");
	json_int_t need = json_integer_value(json_object_get(j, "need"));
	size_t count = json_array_size(list);
	int ret = 0;

	if (!count || count > SHARES_MAX || need < 1 ||
		need > (json_int_t)count)
		return err_setf(e, -EINVAL,
			"%lld of %zu members; wanted 1 <= need <= members <= "
			"%d",
			(long long)need, count, SHARES_MAX);
	m->need = (unsigned)need;
	for (size_t i = 0; i < count && !ret; i++)
		ret = members_add(m, json_array_get(list, i), e);
	return ret;
}

static json_t *hex_json(const void *data, size_t size)
{
	char text[2 * 32 + 1];

	bytes_to_hex(data, size, text);
	return json_string(text);
}

/* {member: box} for all of them. */
static int make_boxes(const struct server *s, const struct members *m,
	json_t *boxes, struct err *e)
{
	static struct share share[SHARES_MAX]; /* 20 KiB */
	int ret = shares_split(
		s->cluster_key, s->cluster, m->need, m->count, share, e);

	for (unsigned i = 0; i < m->count && !ret; i++) {
		struct buf box = {0};
		char hex[2 * SHARE_KEY_SIZE + 1];

		bytes_to_hex(m->key[i], SHARE_KEY_SIZE, hex);
		ret = share_seal(&share[i], m->key[i], &box, e);
		if (!ret &&
			json_object_set_new(
				boxes, hex, base64_json(box.data, box.size)))
			ret = err_setf(e, -ENOMEM, "no memory");
		buf_fini(&box);
	}
	string_wipe(share, sizeof(share));
	return ret;
}

static char *make_answer(
	const struct server *s, const struct members *m, struct err *e)
{
	json_t *boxes = json_object(), *j = NULL;
	int ret = make_boxes(s, m, boxes, e);
	char *text;

	if (!ret)
		j = json_pack("{s:o, s:o, s:i, s:i, s:O}", "cas",
			hex_json(s->identity_hash, 32), "cluster",
			hex_json(s->cluster, 32), "need", (int)m->need,
			"members", (int)m->count, "boxes", boxes);
	text = j ? json_dumps(j, JSON_INDENT(2) | JSON_PRESERVE_ORDER) : NULL;
	if (!ret && !text)
		err_setf(e, -ENOMEM, "no memory");
	json_decref(j);
	json_decref(boxes);
	return text;
}

void recovery_make(struct http_call *c)
{
	json_t *j = json_loadb((const char *)c->body, c->body_size,
		JSON_REJECT_DUPLICATES, NULL);
	struct members m = {0};
	struct err e = {0};
	char what[32], *text = NULL;
	uint8_t hash[32];

	/* Before anything is split. */
	if (!engine_is_owner(c->server->engine, &c->engine, "cas.recovery"))
		goto out;
	if (!members_read(j, &m, &e))
		text = make_answer(c->server, &m, &e);
	if (!text ||
		!EVP_Q_digest(
			NULL, "SHA256", NULL, text, strlen(text), hash, NULL)) {
		http_reply_error(c, e.code ? e.code : -EIO, "%s", e.text);
		goto out;
	}
	snprintf(what, sizeof(what), "%u of %u", m.need, m.count);
	engine_own(c->server->engine, &c->engine,
		&(struct engine_own){.what = "cas.recovery",
			.object = what,
			.after = hash,
			.row = RECOVERY_ROW,
			.value = text,
			.size = strlen(text),
			.body = text,
			.body_size = strlen(text)});
out:
	free(text);
	json_decref(j);
}

void recovery_get(struct http_call *c)
{
	const void *row;
	size_t size;

	if (!engine_is_owner(c->server->engine, &c->engine, "cas.recovery.get"))
		return;
	if (store_get(c->server->store, STORE_META, RECOVERY_ROW,
		    sizeof(RECOVERY_ROW) - 1, &row, &size, NULL))
		http_reply_body(c, row, size);
	else
		http_reply_error(c, -ENOENT,
			"nobody has shares of this CAS's key: if its machine "
			"is lost, so is everything; `sconce cas recovery` "
			"makes some");
}

/* ---- copies ---- */

static int backup_path(const struct server *s, char path[PATH_SIZE])
{
	int n = snprintf(path, PATH_SIZE, "%s/backup.db", s->state);

	return n > 0 && n < PATH_SIZE ? 0 : -ENAMETOOLONG;
}

int server_file_hash(const char *path, uint8_t hash[static 32], uint64_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), ret = fd < 0 ? -errno : 0;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	static uint8_t block[COPY_BLOCK];
	ssize_t n = 1;

	*size = 0;
	if (!ctx || !EVP_DigestInit_ex(ctx, EVP_sha256(), NULL))
		ret = -ENOMEM;
	while (!ret && (n = read(fd, block, sizeof(block))) > 0) {
		*size += (uint64_t)n;
		if (!EVP_DigestUpdate(ctx, block, (size_t)n))
			ret = -EIO;
	}
	if (!ret && n < 0)
		ret = -errno;
	if (!ret && !EVP_DigestFinal_ex(ctx, hash, NULL))
		ret = -EIO;
	EVP_MD_CTX_free(ctx);
	if (fd >= 0)
		close(fd);
	return ret;
}

static char *describe(const struct server *s, uint8_t hash[32], struct err *e)
{
	static char path[PATH_SIZE];
	char *text = NULL;
	struct store_status st;
	uint64_t size;
	int ret = backup_path(s, path);
	json_t *j;

	store_status(s->store, &st);
	if (!ret)
		ret = store_copy(s->store, path, e);
	if (!ret)
		ret = server_file_hash(path, hash, &size);
	if (ret) {
		if (!e->code)
			err_setf(e, ret, "the copy: %s", strerror(-ret));
		return NULL;
	}
	j = json_pack("{s:o, s:I, s:I, s:o}", "sha256", hex_json(hash, 32),
		"bytes", (json_int_t)size, "record", (json_int_t)st.durable,
		"head", hex_json(st.head, 32));
	text = j ? json_dumps(j, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
	json_decref(j);
	return text;
}

void backup_make(struct http_call *c)
{
	struct server *s = c->server;
	struct err e = {0};
	uint8_t hash[32];
	char *text;

	if (!engine_is_owner(s->engine, &c->engine, "cas.backup"))
		return;
	text = describe(s, hash, &e);
	if (text) {
		memcpy(s->backup, hash, sizeof(s->backup));
		engine_own(s->engine, &c->engine,
			&(struct engine_own){.what = "cas.backup",
				.after = hash,
				.body = text,
				.body_size = strlen(text)});
	} else {
		http_reply_error(c, e.code ? e.code : -ENOMEM, "%s",
			e.code ? e.text : "no memory");
	}
	free(text);
}

void backup_get(struct http_call *c)
{
	const char *offset = http_query(c, "offset");
	const char *name = http_query(c, "sha256");
	static char path[PATH_SIZE];
	uint8_t hash[32];
	uint8_t *data;
	ssize_t n = -1;
	long long at;
	char *end;
	int fd;

	if (!engine_is_owner(c->server->engine, &c->engine, "cas.backup.get"))
		return;
	if (!name || !string_from_hex(name, hash, sizeof(hash)) ||
		memcmp(hash, c->server->backup, sizeof(hash)) != 0 ||
		backup_path(c->server, path)) {
		http_reply_error(c, -ESTALE,
			"no such copy: another one was made since, or CAS "
			"started again");
		return;
	}
	at = strtoll(offset, &end, 10);
	if (*offset < '0' || *offset > '9' || *end) {
		http_reply_error(c, -EINVAL, "offset: wanted a number");
		return;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	data = malloc(PORTION);
	if (fd >= 0 && data)
		n = pread(fd, data, PORTION, (off_t)at);
	if (n < 0)
		http_reply_error(c, -EIO, "the copy cannot be read");
	else
		http_reply_body(c, data, (size_t)n);
	free(data);
	if (fd >= 0)
		close(fd);
}

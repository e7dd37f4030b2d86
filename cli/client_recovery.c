/* SPDX-License-Identifier: Apache-2.0 */
/* `sconce cas member-key|recovery|backup|recover|permit`: against the loss of
 * CAS's machine. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cas/base64_json.h"
#include "cas/shares.h"
#include "cli/client.h"
#include "cli/signature.h"
#include "cli/write_file.h"
#include "lib/bytes.h"
#include "lib/string.h"

enum { BOX_MAX = 8192, HASH_SIZE = 32, TEXT_MAX = 512 };

/* ---- members' keys ---- */

static int make_member_key(const char *path, struct err *e)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
	int ret = 0;

	if (!f)
		ret = err_setf(e, -errno, "%s: %s", path, strerror(errno));
	else if (!key ||
		!PEM_write_PKCS8PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) ||
		fflush(f) || fsync(fd))
		ret = err_setf(e, -EIO, "%s: cannot be written", path);
	if (f)
		fclose(f);
	EVP_PKEY_free(key);
	return ret;
}

/* Both may be NULL. */
static int read_member_key(
	const char *path, uint8_t *private, uint8_t *public, struct err *e)
{
	size_t n = SHARE_KEY_SIZE, m = SHARE_KEY_SIZE;
	FILE *f = fopen(path, "re");
	EVP_PKEY *key = f ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;
	bool ok = key && EVP_PKEY_is_a(key, "X25519") &&
		(!private ||
			EVP_PKEY_get_raw_private_key(key, private, &n) == 1) &&
		EVP_PKEY_get_raw_public_key(key, public, &m) == 1;

	if (f)
		fclose(f);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return ok ? 0
		  : err_setf(e, -EINVAL,
			    "%s: wanted PEM with a private X25519 key, as "
			    "`sconce cas member-key` makes it",
			    path);
}

int client_cas_member_key(struct options *o, struct err *e)
{
	uint8_t public[SHARE_KEY_SIZE];
	char hex[2 * SHARE_KEY_SIZE + 1];
	int ret = 0;

	if (access(o->path[0], F_OK))
		ret = make_member_key(o->path[0], e);
	if (!ret)
		ret = read_member_key(o->path[0], NULL, public, e);
	if (ret)
		return ret;
	bytes_to_hex(public, sizeof(public), hex);
	puts(hex);
	return 0;
}

/* ---- the owner ---- */

static json_t *recovery_body(const struct options *o, struct err *e)
{
	const char *need = o->value[CLIENT_NEED];
	json_t *list = json_array();
	char *end = NULL;
	long n = need ? strtol(need, &end, 10) : 0;

	if (!need || *end || n < 1 || n > SHARES_MAX) {
		err_setf(e, -EINVAL,
			"--need: wanted how many of the members bring the key "
			"back, 1 to %d",
			SHARES_MAX);
		json_decref(list);
		return NULL;
	}
	for (int i = 0; i < o->paths; i++)
		json_array_append_new(list, json_string(o->path[i]));
	return json_pack("{s:i, s:o}", "need", (int)n, "members", list);
}

/* Asks, and writes the answer as it is. */
static int fetch(const struct options *o, const char *method, const char *path,
	const char *body, struct err *e)
{
	struct cas_answer a = {0};
	struct cas_client *c;
	int ret = client_open(o, &c, e);

	if (ret)
		return ret;
	ret = cas_client_request(c, method, path, "application/json", body,
		body ? strlen(body) : 0, &a, e);
	if (!ret)
		buf_text(&a.body, "\n");
	if (!ret)
		ret = client_write(o, &a.body, e);
	buf_fini(&a.body);
	cas_client_free(c);
	return ret;
}

int client_cas_recovery(struct options *o, struct err *e)
{
	json_t *j;
	char *body;
	int ret;

	if (!o->paths)
		return fetch(o, "GET", "/v1/owner/recovery", NULL, e);
	j = recovery_body(o, e);
	if (!j)
		return -EINVAL;
	body = json_dumps(j, 0);
	ret = body ? fetch(o, "POST", "/v1/owner/recovery", body, e)
		   : err_setf(e, -ENOMEM, "no memory");
	free(body);
	json_decref(j);
	return ret;
}

/* ---- copies ---- */

struct backup {
	struct cas_client *client;
	char name[2 * HASH_SIZE + 1];
	uint8_t hash[HASH_SIZE];
	uint64_t size;
	char path[CAS_PATH_MAX];
};

static int backup_begin(struct backup *b, struct err *e)
{
	struct cas_answer a = {0};
	const char *name;
	json_t *j;
	int ret = cas_client_request(
		b->client, "POST", "/v1/owner/backups", NULL, NULL, 0, &a, e);

	if (ret)
		return ret;
	j = json_loadb((const char *)a.body.data, a.body.size, 0, NULL);
	name = json_string_value(json_object_get(j, "sha256"));
	b->size = (uint64_t)json_integer_value(json_object_get(j, "bytes"));
	if (!name || string_copy(b->name, sizeof(b->name), name) ||
		!string_from_hex(b->name, b->hash, sizeof(b->hash)))
		ret = err_setf(e, -EPROTO, "CAS's answer names no copy");
	json_decref(j);
	buf_fini(&a.body);
	return ret;
}

/* In portions, each checked into the hash. */
static int backup_fetch(struct backup *b, int fd, struct err *e)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t hash[HASH_SIZE];
	uint64_t at = 0;
	int ret = 0;

	if (!ctx || !EVP_DigestInit_ex(ctx, EVP_sha256(), NULL))
		ret = err_setf(e, -ENOMEM, "no memory");
	while (!ret && at < b->size) {
		struct cas_answer a = {0};
		char path[160];

		snprintf(path, sizeof(path),
			"/v1/owner/backups?sha256=%s&offset=%llu", b->name,
			(unsigned long long)at);
		ret = cas_client_request(
			b->client, "GET", path, NULL, NULL, 0, &a, e);
		if (!ret && !a.body.size)
			ret = err_setf(e, -EPROTO, "the copy ends too early");
		if (!ret &&
			write(fd, a.body.data, a.body.size) !=
				(ssize_t)a.body.size)
			ret = err_setf(
				e, -errno, "%s: %s", b->path, strerror(errno));
		if (!ret)
			EVP_DigestUpdate(ctx, a.body.data, a.body.size);
		at += a.body.size;
		buf_fini(&a.body);
	}
	if (!ret &&
		(!EVP_DigestFinal_ex(ctx, hash, NULL) ||
			memcmp(hash, b->hash, sizeof(hash)) != 0))
		ret = err_setf(e, -EBADMSG, "what came is not the copy");
	EVP_MD_CTX_free(ctx);
	return ret;
}

int client_cas_backup(struct options *o, struct err *e)
{
	const char *out = o->value[CLIENT_OUT];
	struct backup b = {0};
	int fd, ret;

	if (!out)
		return err_setf(e, -EINVAL, "--output: missing");
	if (snprintf(b.path, sizeof(b.path), "%s.new", out) >=
		(int)sizeof(b.path))
		return err_setf(e, -E2BIG, "--output: too long");
	ret = client_open(o, &b.client, e);
	if (ret)
		return ret;
	ret = backup_begin(&b, e);
	if (!ret) {
		fd = open(
			b.path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		ret = fd < 0
			? err_setf(e, -errno, "%s: %s", b.path, strerror(errno))
			: backup_fetch(&b, fd, e);
		if (fd >= 0 && (fsync(fd) || close(fd)) && !ret)
			ret = err_setf(
				e, -errno, "%s: %s", b.path, strerror(errno));
		if (!ret && rename(b.path, out))
			ret = err_setf(
				e, -errno, "%s: %s", out, strerror(errno));
		if (ret)
			unlink(b.path);
	}
	if (!ret)
		printf("%s: %llu bytes, sha256 %s\n", out,
			(unsigned long long)b.size, b.name);
	cas_client_free(b.client);
	return ret;
}

/* ---- members, when it has come to that ---- */

/* The member's own share, opened. */
static int open_share(
	const struct options *o, struct share *share, struct err *e)
{
	uint8_t private[SHARE_KEY_SIZE], public[SHARE_KEY_SIZE];
	char hex[2 * SHARE_KEY_SIZE + 1];
	struct buf text = {0};
	struct bytes box = {0};
	json_t *j;
	int ret;

	if (!o->value[CLIENT_BOX] || !o->value[CLIENT_SIGN_KEY])
		return err_setf(e, -EINVAL, "%s: missing; wanted %s",
			o->value[CLIENT_BOX] ? "--key" : "--box",
			o->value[CLIENT_BOX]
				? "the file of `sconce cas member-key`"
				: "what `sconce cas recovery` gave the owner");
	ret = read_member_key(o->value[CLIENT_SIGN_KEY], private, public, e);
	if (!ret)
		ret = client_read("--box", o->value[CLIENT_BOX], &text, e);
	if (ret)
		return ret;
	bytes_to_hex(public, sizeof(public), hex);
	j = json_loadb((const char *)text.data, text.size, 0, NULL);
	if (base64_read(json_object_get(json_object_get(j, "boxes"), hex),
		    BOX_MAX, &box))
		ret = err_setf(e, -ENOENT,
			"%s: has no share for the key %s of %s",
			o->value[CLIENT_BOX], hex, o->value[CLIENT_SIGN_KEY]);
	else
		ret = share_open(box.data, box.size, private, share, e);
	string_wipe(private, sizeof(private));
	free((void *)(uintptr_t)box.data);
	json_decref(j);
	buf_fini(&text);
	return ret;
}

/* Encrypted to the key that the evidence is for. */
static int seal_for(const struct client_statement *s, const struct share *share,
	struct buf *body, struct err *e)
{
	const char *hex = json_string_value(
		json_object_get(s->said, "recovery"));
	uint8_t key[SHARE_KEY_SIZE];
	struct buf box = {0};
	json_t *text;
	int ret;

	if (!hex || !string_from_hex(hex, key, sizeof(key)))
		return err_setf(e, -EINVAL,
			"it does not wait for shares; wanted one that was "
			"started with --recover");
	ret = share_seal(share, key, &box, e);
	text = ret ? NULL : base64_json(box.data, box.size);
	if (text)
		buf_format(body, "{\"box\": \"%s\"}", json_string_value(text));
	if (!ret && (!text || buf_check(body)))
		ret = err_setf(e, -ENOMEM, "no memory");
	json_decref(text);
	buf_fini(&box);
	return ret;
}

static int send_share(struct options *o, struct cas_client *c,
	const struct share *share, struct err *e)
{
	struct client_statement s = {0};
	struct cas_answer a = {0};
	struct buf body = {0};
	json_t *j;
	int ret = client_attest(o, c, &s, e);

	if (!ret)
		ret = seal_for(&s, share, &body, e);
	if (!ret)
		ret = cas_client_request(c, "POST", "/v1/recovery",
			"application/json", body.data, body.size, &a, e);
	if (!ret) {
		j = json_loadb((const char *)a.body.data, a.body.size, 0, NULL);
		printf("%s: %s, %lld of %lld shares\n", cas_client_address(c),
			json_string_value(json_object_get(j, "state")),
			json_integer_value(json_object_get(j, "have")),
			json_integer_value(json_object_get(j, "need")));
		if (json_integer_value(json_object_get(j, "disagree")))
			printf("  %lld others are of the same split and "
			       "disagree: somebody brought a wrong one\n",
				json_integer_value(
					json_object_get(j, "disagree")));
		json_decref(j);
	}
	buf_fini(&a.body);
	buf_fini(&body);
	client_statement_fini(&s);
	return ret;
}

int client_cas_recover(struct options *o, struct err *e)
{
	const struct cas_client_options options = {.address = o->path[0],
		.identity = o->value[CLIENT_IDENTITY],
		.any_key = true};
	struct cas_client *c;
	struct share share;
	int ret = open_share(o, &share, e);

	if (!ret)
		ret = cas_client_new(&options, &c, e);
	if (!ret) {
		ret = send_share(o, c, &share, e);
		if (ret)
			err_prefix(e, "%s", o->path[0]);
		cas_client_free(c);
	}
	string_wipe(&share, sizeof(share));
	return ret;
}

/* ---- successors ---- */

static int approval_body(
	const struct options *o, struct buf *body, struct err *e)
{
	const char *manifest = o->value[CLIENT_MANIFEST];
	const char *mrenclave = o->value[CLIENT_MRENCLAVE];
	const char *mrsigner = o->value[CLIENT_MRSIGNER];
	const char *svn = o->value[CLIENT_SVN];
	uint8_t config[64], own[32];
	char hex[2 * 64 + 1], own_hex[2 * 32 + 1];
	int ret = client_measured(
		manifest, "configid", config, sizeof(config), e);

	if (!ret && !mrenclave && !mrsigner) {
		ret = client_measured(NULL, "mrenclave", own, sizeof(own), e);
		bytes_to_hex(own, sizeof(own), own_hex);
		mrenclave = own_hex;
	}
	if (!ret && svn && svn[strspn(svn, "0123456789")])
		ret = err_setf(e, -EINVAL, "--svn %s: wanted a number", svn);
	if (ret)
		return ret;
	bytes_to_hex(config, sizeof(config), hex);
	buf_format(body, "{\"config_id\": \"%s\"", hex);
	if (mrenclave)
		buf_format(body, ", \"mrenclave\": \"%s\"", mrenclave);
	if (mrsigner)
		buf_format(body, ", \"mrsigner\": \"%s\"", mrsigner);
	buf_format(body, ", \"isv_svn_min\": %s}", svn ? svn : "0");
	return buf_check(body) ? err_setf(e, -ENOMEM, "no memory") : 0;
}

int client_cas_upgrade(struct options *o, struct err *e)
{
	static const char path[] = "/v1/owner/successors";
	struct buf body = {0};
	int ret;

	if (o->value[CLIENT_WITHDRAW])
		return fetch(o, "DELETE", path, NULL, e);
	if (!o->value[CLIENT_MANIFEST])
		return fetch(o, "GET", path, NULL, e);
	ret = approval_body(o, &body, e);
	if (!ret)
		ret = fetch(o, "POST", path, (const char *)body.data, e);
	buf_fini(&body);
	return ret;
}

/* ---- permits ---- */

/* What the words mean, in the words that CAS compares. */
static int permit_words(const struct options *o, char *text, struct err *e)
{
	char **w = o->path;
	int n = -1;

	if (o->paths == 6 && strcmp(w[0], "rollback") == 0)
		n = snprintf(text, TEXT_MAX,
			"sconce-cas-permit-1 rollback %s %s %s %s %s", w[1],
			w[2], w[3], w[4], w[5]);
	return n > 0 && n < TEXT_MAX
		? 0
		: err_setf(e, -EINVAL,
			  "wanted what CAS said when it refused: rollback "
			  "CLUSTER RECORD HEAD RECORD HEAD");
}

int client_cas_permit(struct options *o, struct err *e)
{
	char path[CAS_PATH_MAX], text[TEXT_MAX], *out;
	struct buf data = {0};
	EVP_PKEY *key = NULL;
	json_t *j = NULL;
	int ret = permit_words(o, text, e);

	if (!ret)
		ret = cas_identity_path(o->value[CLIENT_IDENTITY], path, e);
	if (ret)
		return ret;
	key = signature_key(path, e);
	if (key)
		j = signature_make(key, text, e);
	EVP_PKEY_free(key);
	if (!j)
		return e->code;
	json_object_set_new(j, "text", json_string(text));
	out = json_dumps(j, JSON_COMPACT);
	buf_text(&data, out ? out : "");
	buf_text(&data, "\n");
	ret = out ? client_write(o, &data, e)
		  : err_setf(e, -ENOMEM, "no memory");
	free(out);
	json_decref(j);
	buf_fini(&data);
	return ret;
}

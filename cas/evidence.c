/* SPDX-License-Identifier: Apache-2.0 */
/* What CAS says of itself, and the enclave's evidence for it. */
#include <errno.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <unistd.h>

#include "cas/base64_json.h"
#include "cas/keys.h"
#include "cas/server.h"
#include "cas/shares.h"
#include "lib/bytes.h"
#include "lib/string.h"

#define STATEMENT_LABEL "sconce-cas-attestation-1"

const char *server_freshness_name(enum freshness_kind kind)
{
	static const char *const names[] = {
		[FRESH_NONE] = "none",
		[FRESH_TPM] = "tpm",
		[FRESH_QUORUM] = "quorum",
	};

	return names[kind];
}

static json_t *hex(const void *data, size_t size)
{
	char text[2 * 64 + 1];

	bytes_to_hex(data, size, text);
	return json_string(text);
}

static json_t *witnesses(const struct server *s)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < s->witnesses; i++)
		json_array_append_new(list,
			hex(s->witness[i].key, sizeof(s->witness[i].key)));
	return list;
}

/* Everything that users of a CAS rely on, beside what its program is. */
static char *statement(const struct server *s, const char *nonce)
{
	struct store_status st = {0};
	json_t *j;
	char *text;

	if (s->store)
		store_status(s->store, &st);
	j = json_pack("{s:s, s:s, s:o, s:o, s:s, s:o, s:I, s:o}", "nonce",
		nonce, "version", SCONCE_VERSION, "key",
		hex(s->identity_hash, sizeof(s->identity_hash)), "cluster",
		hex(s->cluster, sizeof(s->cluster)), "rollback",
		server_freshness_name(st.freshness), "witnesses", witnesses(s),
		"seq", (json_int_t)st.durable, "head",
		hex(st.head, sizeof(st.head)));
	if (json_object_set_new(
		    j, "origin", json_string(s->given ? "given" : "made")) ||
		json_object_set_new(
			j, "epoch", json_integer((json_int_t)s->epoch)) ||
		(s->recovery_key &&
			json_object_set_new(j, "recovery",
				hex(s->recovery_key, SHARE_KEY_SIZE)))) {
		json_decref(j);
		return NULL;
	}
	text = j ? json_dumps(j, JSON_COMPACT) : NULL;
	json_decref(j);
	return text;
}

static int report_data(const char *text, uint8_t data[64])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha512(), NULL) &&
		EVP_DigestUpdate(
			ctx, STATEMENT_LABEL, sizeof(STATEMENT_LABEL)) &&
		EVP_DigestUpdate(ctx, text, strlen(text)) &&
		EVP_DigestFinal_ex(ctx, data, NULL);

	EVP_MD_CTX_free(ctx);
	return ok ? 0 : -EIO;
}

int evidence_of_server(const struct server *s, const char *nonce,
	struct buf *out, struct err *e)
{
	char *said = statement(s, nonce), *text = NULL;
	void *evidence = NULL;
	uint8_t data[64];
	size_t size = 0;
	int ret = said ? report_data(said, data) : -ENOMEM;
	json_t *j;

	if (ret) {
		free(said);
		return err_setf(e, ret, "attestation: no memory");
	}
	if (s->in_enclave)
		ret = keys_quote(NULL, data, &evidence, &size, e);
	j = ret ? NULL
		: json_pack("{s:s, s:o}", "statement", said, "evidence",
			  s->in_enclave ? base64_json(evidence, size)
					: json_null());
	if (j)
		text = json_dumps(j, JSON_COMPACT);
	if (text)
		buf_text(out, text);
	if (!ret && (!text || buf_check(out)))
		ret = err_setf(e, -ENOMEM, "attestation: no memory");
	free(text);
	json_decref(j);
	free(evidence);
	free(said);
	return ret;
}

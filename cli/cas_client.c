/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cas_client.h"

#include <curl/curl.h>
#include <errno.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/string.h"

enum {
	CONNECT_TIMEOUT = 10, /* s */
	REQUEST_TIMEOUT = 120,
	ANSWER_MAX = 64 << 20,
	URL_MAX = 8192, /* bytes */
};

struct cas_client {
	CURL *curl;
	char address[CAS_ADDRESS_MAX];
	char identity[CAS_PATH_MAX];
	char pin[64]; /* "sha256//" and base64 */
	bool any_key;
};

void cas_client_pin(struct cas_client *c, const uint8_t key[static 32])
{
	memcpy(c->pin, "sha256//", 8);
	EVP_EncodeBlock((uint8_t *)c->pin + 8, key, 32);
	c->any_key = false;
}

const char *cas_client_address(const struct cas_client *c)
{
	return c->address;
}

/* Whom to ask, and by which key it is known. */
static int find_cas(
	struct cas_client *c, const struct cas_client_options *o, struct err *e)
{
	struct cas_known known;
	uint8_t key[32];
	int ret;

	if (o->key && !string_from_hex(o->key, key, sizeof(key)))
		return err_setf(e, -EINVAL,
			"--cas-key '%.80s': wanted 64 hexadecimal digits",
			o->key);
	if (o->address && (o->key || o->any_key)) {
		if (o->key)
			cas_client_pin(c, key);
		c->any_key = !o->key;
		ret = string_copy(c->address, sizeof(c->address), o->address);
		return ret ? err_setf(e, ret, "--cas: too long") : 0;
	}
	ret = cas_known_find(o->address, &known, e);
	if (ret)
		return ret;
	cas_client_pin(c, o->key ? key : known.key);
	return string_copy(c->address, sizeof(c->address), known.address);
}

int cas_client_new(const struct cas_client_options *o, struct cas_client **out,
	struct err *e)
{
	struct cas_client *c = calloc(1, sizeof(*c));
	int ret;

	if (!c)
		return err_setf(e, -ENOMEM, "no memory");
	ret = find_cas(c, o, e);
	if (!ret)
		ret = cas_identity_path(o->identity, c->identity, e);
	if (!ret &&
		(curl_global_init(CURL_GLOBAL_DEFAULT) ||
			!(c->curl = curl_easy_init())))
		ret = err_setf(e, -ENOMEM, "libcurl: no memory");
	if (ret) {
		cas_client_free(c);
		return ret;
	}
	*out = c;
	return 0;
}

void cas_client_free(struct cas_client *c)
{
	if (!c)
		return;
	if (c->curl)
		curl_easy_cleanup(c->curl);
	free(c);
}

void cas_client_escape(struct buf *path, const char *name)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-._~/";

	for (; *name; name++)
		if (strchr(plain, *name))
			buf_add(path, name, 1);
		else
			buf_format(path, "%%%02X", (unsigned char)*name);
}

static size_t take(char *data, size_t one, size_t size, void *arg)
{
	struct buf *b = arg;

	(void)one; /* is 1, says libcurl */
	if (b->size + size > ANSWER_MAX)
		return 0;
	buf_add(b, data, size);
	return buf_check(b) ? 0 : size;
}

static int code_of(const char *name)
{
	static const struct {
		const char *name;
		int err;
	} codes[] = {{"EACCES", -EACCES}, {"EPERM", -EPERM},
		{"EKEYREJECTED", -EKEYREJECTED}, {"ENOENT", -ENOENT},
		{"EEXIST", -EEXIST}, {"ESTALE", -ESTALE}, {"EBUSY", -EBUSY},
		{"EINVAL", -EINVAL}, {"EMSGSIZE", -EMSGSIZE},
		{"EDQUOT", -EDQUOT}, {"EAGAIN", -EAGAIN}};

	for (size_t i = 0; name && i < ARRAY_SIZE(codes); i++)
		if (strcmp(codes[i].name, name) == 0)
			return codes[i].err;
	return -EIO;
}

/* CAS's own words. */
static int refusal(
	const struct cas_client *c, const struct cas_answer *a, struct err *e)
{
	json_t *j = json_loadb((const char *)a->body.data, a->body.size, 0, 0);
	const char *text = json_string_value(json_object_get(j, "error"));
	int code = code_of(json_string_value(json_object_get(j, "code")));

	if (text)
		err_setf(e, code, "%s", text);
	else
		err_setf(e, code, "%s: HTTP status %ld; is that a CAS?",
			c->address, a->status);
	json_decref(j);
	return code;
}

static int network_error(
	const struct cas_client *c, CURLcode code, struct err *e)
{
	switch (code) {
	case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
		return err_setf(e, -EKEYREJECTED,
			"%s: its key is not the one that is known: either "
			"another CAS was set up there (`sconce cas attest %s` "
			"looks at it), or somebody is in between",
			c->address, c->address);
	case CURLE_COULDNT_CONNECT:
		return err_setf(e, -ECONNREFUSED,
			"%s: nobody answers; is CAS running there?",
			c->address);
	case CURLE_OPERATION_TIMEDOUT:
		return err_setf(
			e, -ETIMEDOUT, "%s: no answer in time", c->address);
	case CURLE_OUT_OF_MEMORY:
		return err_setf(e, -ENOMEM, "no memory");
	default:
		return err_setf(e, -EIO, "%s: %s", c->address,
			curl_easy_strerror(code));
	}
}

static void set_tls(struct cas_client *c)
{
	curl_easy_setopt(c->curl, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(c->curl, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_3);
	/* Who it is says its key, and nothing else of its certificate. */
	curl_easy_setopt(c->curl, CURLOPT_SSL_VERIFYPEER, 0L);
	curl_easy_setopt(c->curl, CURLOPT_SSL_VERIFYHOST, 0L);
	curl_easy_setopt(
		c->curl, CURLOPT_PINNEDPUBLICKEY, c->any_key ? NULL : c->pin);
	curl_easy_setopt(c->curl, CURLOPT_SSLCERT, c->identity);
	curl_easy_setopt(c->curl, CURLOPT_SSLKEY, c->identity);
	curl_easy_setopt(c->curl, CURLOPT_PROXY, "");
	curl_easy_setopt(
		c->curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT);
	curl_easy_setopt(c->curl, CURLOPT_TIMEOUT, (long)REQUEST_TIMEOUT);
	curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
}

static struct curl_slist *set_body(
	struct cas_client *c, const char *type, const void *body, size_t size)
{
	struct curl_slist *headers = NULL;
	char line[128];

	snprintf(line, sizeof(line), "Content-Type: %s",
		type ? type : "application/octet-stream");
	headers = curl_slist_append(NULL, line);
	/* No waiting for "100 Continue". */
	if (headers)
		curl_slist_append(headers, "Expect:");
	curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, body ? body : "");
	curl_easy_setopt(
		c->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size);
	return headers;
}

int cas_client_request(struct cas_client *c, const char *method,
	const char *path, const char *type, const void *body, size_t size,
	struct cas_answer *answer, struct err *e)
{
	struct curl_slist *headers = NULL;
	struct buf url = {0};
	CURLcode code;
	int ret;

	*answer = (struct cas_answer){0};
	buf_format(&url, "https://%s%s", c->address, path);
	if (buf_check(&url) || url.size > URL_MAX) {
		buf_fini(&url);
		return err_setf(e, -ENAMETOOLONG, "the name is too long");
	}
	/* Keeps the connection, forgets what was set. */
	curl_easy_reset(c->curl);
	set_tls(c);
	curl_easy_setopt(c->curl, CURLOPT_URL, (const char *)url.data);
	curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, &answer->body);
	if (body || strcmp(method, "GET") != 0)
		headers = set_body(c, type, body, size);
	curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, method);
	code = curl_easy_perform(c->curl);
	curl_slist_free_all(headers);
	buf_fini(&url);
	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &answer->status);
	if (code == CURLE_OK && answer->status == 200)
		return 0;
	ret = code == CURLE_OK ? refusal(c, answer, e)
			       : network_error(c, code, e);
	buf_fini(&answer->body);
	return ret;
}

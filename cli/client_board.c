/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sconce proposal`: changes that a board decides on. A vote is a signature
 * over what is proposed (cas/message.c); the text comes from CAS and is shown,
 * so it is compared with what the proposal says it is.
 */
#include <errno.h>
#include <jansson.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/client.h"
#include "cli/plain.h"
#include "cli/signature.h"
#include "lib/string.h"

#define PROPOSALS "/v1/proposals/"

static int path_of(
	const char *id, const char *tail, struct buf *path, struct err *e)
{
	buf_text(path, PROPOSALS);
	cas_client_escape(path, id);
	buf_text(path, tail);
	return buf_check(path) ? err_setf(e, -ENOMEM, "no memory") : 0;
}

static int show(struct options *o, const char *method, struct err *e)
{
	struct buf path = {0};
	int ret = path_of(o->path[0], "", &path, e);

	if (!ret)
		ret = client_show(o, method, (const char *)path.data, NULL,
			NULL, strcmp(method, "GET") ? NULL : "proposal", e);
	buf_fini(&path);
	return ret;
}

int client_proposal_show(struct options *o, struct err *e)
{
	return show(o, "GET", e);
}

int client_proposal_withdraw(struct options *o, struct err *e)
{
	return show(o, "DELETE", e);
}

int client_proposal_list(struct options *o, struct err *e)
{
	struct buf path = {0};
	int ret;

	buf_text(&path, "/v1/proposals");
	if (o->paths) {
		buf_text(&path, "?session=");
		cas_client_escape(&path, o->path[0]);
	}
	ret = buf_check(&path);
	if (!ret)
		ret = client_show(o, "GET", (const char *)path.data, NULL, NULL,
			"proposals", e);
	buf_fini(&path);
	return ret;
}

int client_proposal_open(struct options *o, struct err *e)
{
	const char *comment = o->value[CLIENT_COMMENT];
	struct buf yaml = {0}, body = {0};
	char *text = NULL;
	json_t *j;
	int ret = client_read("session", o->path[0], &yaml, e);

	if (ret)
		return ret;
	j = json_pack("{s:s%, s:s}", "session", (const char *)yaml.data,
		yaml.size, "comment", comment ? comment : "");
	text = j ? json_dumps(j, JSON_COMPACT) : NULL;
	json_decref(j);
	buf_fini(&yaml);
	if (!text)
		return err_setf(e, -EINVAL, "the policy is not UTF-8");
	buf_text(&body, text);
	free(text);
	ret = buf_check(&body);
	if (!ret)
		ret = client_show(o, "POST", "/v1/proposals",
			"application/json", &body, NULL, e);
	buf_fini(&body);
	return ret;
}

/* ---- voting ---- */

/* What is signed must be about the session that is shown, and the hash that the
 * user named, if he did. */
static int check_message(const struct options *o, const json_t *proposal,
	const char **message, struct err *e)
{
	static const char head[] = "sconce-cas-change-1\n";
	const char *session = json_string_value(
		json_object_get(proposal, "session"));
	const char *action = json_string_value(
		json_object_get(proposal, "action"));
	const char *hash = o->value[CLIENT_HASH], *text;
	bool reject = o->value[CLIENT_REJECT] != NULL;
	char wanted[1200];
	size_t len;

	*message = json_string_value(json_object_get(
		proposal, reject ? "message_reject" : "message"));
	text = *message;
	if (!text || !session || !action)
		return err_setf(e, -EPROTO, "CAS's answer is no proposal");
	len = (size_t)snprintf(wanted, sizeof(wanted), "%s%s\n%s\n", head,
		reject ? "reject" : action, session);
	if (len >= sizeof(wanted) || strncmp(text, wanted, len) != 0)
		return err_setf(e, -EKEYREJECTED,
			"what CAS wants signed is not about what it shows");
	len = strlen(text);
	if (hash && (len < 66 || strncmp(text + len - 65, hash, 64) != 0))
		return err_setf(e, -EKEYREJECTED,
			"the proposal is for another version than --hash %s",
			hash);
	return 0;
}

static int post_vote(struct options *o, const json_t *signature, struct err *e)
{
	const char *reason = o->value[CLIENT_REASON];
	struct buf path = {0}, body = {0};
	json_t *j = json_pack("{s:b, s:s, s:O*}", "yes",
		o->value[CLIENT_REJECT] == NULL, "reason", reason ? reason : "",
		"signature", signature);
	char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
	int ret = path_of(o->path[0], "/votes", &path, e);

	json_decref(j);
	if (text)
		buf_text(&body, text);
	if (!text || buf_check(&body))
		ret = err_setf(e, -ENOMEM, "no memory");
	if (!ret)
		ret = client_show(o, "POST", (const char *)path.data,
			"application/json", &body, NULL, e);
	free(text);
	buf_fini(&path);
	buf_fini(&body);
	return ret;
}

static int get_proposal(struct options *o, json_t **answer, struct err *e)
{
	struct buf path = {0};
	struct cas_client *c;
	struct cas_answer a;
	int ret = client_open(o, &c, e);

	if (ret)
		return ret;
	ret = path_of(o->path[0], "", &path, e);
	if (!ret)
		ret = cas_client_request(c, "GET", (const char *)path.data,
			NULL, NULL, 0, &a, e);
	if (!ret) {
		*answer = json_loadb(
			(const char *)a.body.data, a.body.size, 0, NULL);
		if (!*answer)
			ret = err_setf(e, -EPROTO, "CAS's answer is no JSON");
		buf_fini(&a.body);
	}
	buf_fini(&path);
	cas_client_free(c);
	return ret;
}

int client_proposal_vote(struct options *o, struct err *e)
{
	const char *path = o->value[CLIENT_SIGN_KEY], *message = NULL, *diff;
	json_t *answer, *proposal, *signature = NULL;
	/* Without, the client's own key votes, as rules that name TLS keys
	 * want. */
	EVP_PKEY *key = path ? signature_key(path, e) : NULL;
	int ret;

	if (path && !key)
		return -EINVAL;
	ret = get_proposal(o, &answer, e);
	if (ret) {
		EVP_PKEY_free(key);
		return ret;
	}
	proposal = json_object_get(answer, "proposal");
	ret = check_message(o, proposal, &message, e);
	diff = json_string_value(json_object_get(proposal, "differences"));
	if (!ret && !o->value[CLIENT_JSON]) {
		if (diff)
			plain_print(stdout, diff, strlen(diff), "");
		plain_print(stdout, message, strlen(message), "");
	}
	if (!ret && key)
		signature = signature_make(key, message, e);
	if (!ret)
		ret = signature || !key ? post_vote(o, signature, e) : -EINVAL;
	json_decref(signature);
	json_decref(answer);
	EVP_PKEY_free(key);
	return ret;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session with its values while a request is judged.
 */
#include <errno.h>
#include <string.h>

#include "cas/engine_service.h"
#include "lib/string.h"

int giver_open(struct engine *g, const char *session, struct store_txn *x,
	struct giver *out, struct err *e)
{
	bool changed;
	int ret;

	*out = (struct giver){.g = g};
	ret = engine_hold(g, session, &out->held, e);
	if (ret < 0)
		return ret;
	out->session = out->held->session;
	ret = engine_secrets(g, out->held, &out->set, e);
	if (ret < 0 || !x || secret_set_due(out->set) > engine_now(g))
		return ret;
	ret = engine_secrets_renewed(g, out->held, x, &out->own, &changed, e);
	out->set = out->own;
	return ret;
}

void giver_close(struct giver *s)
{
	secret_set_free(s->own);
	engine_unhold(s->g, s->held);
	*s = (struct giver){.g = s->g};
}

int giver_own(struct giver *s, struct err *e)
{
	struct buf b = {.secret = true};
	int ret;

	if (s->own)
		return 0;
	ret = secret_set_encode(s->set, &b);
	ret = ret < 0 ? err_setf(e, ret, "no memory")
		      : secret_set_decode(b.data, b.size, &s->own, e);
	buf_fini(&b);
	if (ret == 0)
		s->set = s->own;
	return ret;
}

/* What another session gave may have been taken back since. */
static int still_exported(
	struct giver *s, const struct secret_spec *spec, struct err *e)
{
	struct engine_importer i = {s->g, s->session, s->held->hash};
	struct buf value = {.secret = true};
	struct secret_env env;
	int ret;

	engine_secret_env(&i, &env);
	ret = env.import(env.arg, spec->import.item, &value, e);
	buf_fini(&value);
	return ret;
}

int giver_lookup(void *arg, const char *name, const char *format,
	struct buf *out, struct err *e)
{
	struct giver *s = arg;
	const struct secret_spec *spec = session_secret(s->session, name);
	int ret = 0;

	if (spec && spec->import.count > 0)
		ret = still_exported(s, spec, e);
	if (ret == 0)
		ret = secret_format(s->set, name, format, out, e);
	if (ret == 0)
		s->given++;
	return ret;
}

int giver_expand(
	struct giver *s, const char *text, struct buf *out, struct err *e)
{
	int ret = subst(text, giver_lookup, s, NULL, out, e);

	return ret == 0 && buf_check(out) < 0
		? err_setf(e, -ENOMEM, "no memory")
		: ret;
}

int service_access_token(struct giver *s, const char *token, struct err *e)
{
	uint8_t seen[SHA256_SIZE], wanted[SHA256_SIZE];
	struct buf text = {.secret = true};
	int ret;

	if (!s->session->security.access_token)
		return 0;
	ret = giver_expand(s, s->session->security.access_token, &text, e);
	/* An empty one would be known to everybody. */
	if (ret == 0 && text.size == 0)
		ret = err_setf(e, -EINVAL,
			"%s: its service_access_token is empty",
			s->session->name);
	if (ret == 0) {
		sha256(text.data, text.size, wanted);
		sha256(token ? token : "", token ? strlen(token) : 0, seen);
		if (!string_equal_const_time(seen, wanted, sizeof(seen)))
			ret = err_setf(e, -EKEYREJECTED,
				"%s: %s; wanted the session's "
				"service_access_token (--token)",
				s->session->name,
				token ? "the token is not the session's"
				      : "no token");
	}
	buf_fini(&text);
	return ret;
}

int service_split(const char *name, char *session, size_t size,
	const char **service, struct err *e)
{
	const char *slash = strrchr(name, '/');
	size_t len = slash ? (size_t)(slash - name) : 0;

	if (!slash || len == 0 || len >= size || !slash[1])
		return err_setf(
			e, -EINVAL, "'%.200s': wanted SESSION/SERVICE", name);
	memcpy(session, name, len);
	session[len] = '\0';
	*service = slash + 1;
	return 0;
}

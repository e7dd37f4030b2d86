/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions, as people see them: the policy without any value that CAS made,
 * names, public values.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cas/engine_int.h"
#include "lib/string.h"

enum {
	LIST_MAX = 10000, /* names in an answer */
	LIST_JUDGED_MAX = 20000, /* rules looked at for it */
};

/* False: answered. */
static bool ready(
	struct engine *g, const struct engine_call *c, const char *name)
{
	struct err e = {0};

	if (!engine_ready(g, &e) && (!name || !engine_name_check(name, &e)))
		return true;
	engine_fail(g, c, e.code, e.text);
	return false;
}

/* May who learn that name is not there: who may list its name space. */
static bool may_know_absence(
	struct engine *g, const char *name, const struct principal *who)
{
	char parent[SESSION_NAME_MAX + 1];
	struct held *h;
	bool may;

	if (!engine_parent(name, parent) || engine_hold(g, parent, &h, NULL))
		return false;
	may = !engine_may(g, h, ACCESS_LIST_SESSIONS, who, NULL);
	engine_unhold(g, h);
	return may;
}

/* The session for a reader; NULL: answered. */
static struct held *hold_readable(struct engine *g, const struct engine_call *c,
	const char *what, const char *name)
{
	struct held *h = NULL;
	struct err e = {0};
	int ret = engine_hold(g, name, &h, &e);

	if (!ret && !engine_may(g, h, ACCESS_READ, &c->who, NULL))
		return h;
	if (ret && ret != -ENOENT)
		engine_fail(g, c, ret, e.text);
	else if (ret && may_know_absence(g, name, &c->who))
		engine_fail(g, c, ret, e.text);
	else
		engine_deny(g, c, what, name, h ? h->session : NULL);
	engine_unhold(g, h);
	return NULL;
}

/* Tells it when the log has that it was told. */
static void answer_logged(struct answer *a, const struct session *s,
	const struct engine_call *c, const char *what, const uint8_t *hash)
{
	struct store_txn *x = store_begin(a->g->store);

	engine_audit(x, s,
		&(struct audit_event){
			.what = what,
			.object = s->name,
			.actor = c->who.present ? c->who.key : NULL,
			.after = hash,
		});
	answer_submit(a, x);
}

/* The text for readers, made once for each version. */
static int held_yaml(struct held *h)
{
	int ret;

	if (h->yaml.size)
		return 0;
	ret = engine_yaml(h->session, &h->yaml);
	if (ret)
		buf_fini(&h->yaml);
	return ret;
}

static void read_older(struct engine *g, const struct engine_call *c,
	struct held *h, const uint8_t *hash)
{
	struct session *s = NULL;
	struct err e = {0};
	struct answer *a;
	int ret = engine_version(g, h->name, hash, &s, &e);

	if (ret) {
		engine_fail(g, c, ret, e.text);
		return;
	}
	a = answer_new(g, c);
	if (a) {
		a->failed |= engine_yaml(s, &a->body) != 0;
		answer_item_hex(a, "hash", hash, SESSION_HASH_SIZE);
		answer_item(a, "present", "false");
		answer_logged(a, h->session, c, "session.read", hash);
	}
	session_free(s);
}

void engine_session_read(struct engine *g, const struct engine_call *c,
	const char *name, const uint8_t *hash)
{
	struct answer *a;
	struct held *h;

	if (!ready(g, c, name))
		return;
	h = hold_readable(g, c, "session.read", name);
	if (!h)
		return;
	if (hash && memcmp(hash, h->hash, SESSION_HASH_SIZE) != 0) {
		read_older(g, c, h, hash);
		engine_unhold(g, h);
		return;
	}
	a = answer_new(g, c);
	if (a) {
		a->failed |= held_yaml(h) != 0;
		buf_add(&a->body, h->yaml.data, h->yaml.size);
		answer_item_hex(a, "hash", h->hash, SESSION_HASH_SIZE);
		answer_item(a, "present", "true");
		answer_logged(a, h->session, c, "session.read", h->hash);
	}
	engine_unhold(g, h);
}

void engine_session_verify(struct engine *g, const struct engine_call *c,
	const char *name, const uint8_t hash[static 32])
{
	struct held *h = NULL;
	struct answer *a;
	bool same;

	if (!ready(g, c, name))
		return;
	/* A salt makes that the hash tells nothing of the policy, so that
	 * whoever knows it may ask. */
	if (!engine_hold(g, name, &h, NULL) && c->who.present &&
		h->session->salt.size)
		same = memcmp(hash, h->hash, SESSION_HASH_SIZE) == 0;
	else
		same = false;
	if (!same) {
		engine_unhold(g, h);
		h = hold_readable(g, c, "session.verify", name);
		if (!h)
			return;
		same = memcmp(hash, h->hash, SESSION_HASH_SIZE) == 0;
	}
	if (!same) {
		engine_fail(g, c, -ESTALE,
			"another version is in force; read the session");
	} else {
		a = answer_new(g, c);
		if (a) {
			answer_item(a, "session", name);
			answer_item_hex(a, "hash", hash, SESSION_HASH_SIZE);
			answer_after(a, h->seq);
		}
	}
	engine_unhold(g, h);
}

/* ---- lists ---- */

struct listing {
	struct engine *g;
	const struct principal *who;
	json_t *names;
	unsigned judged;
	bool cut;
	/* The last name space that was looked at. */
	char parent[SESSION_NAME_MAX + 1];
	bool known, may;
};

static bool list_parent(struct listing *l, const char *name)
{
	char parent[SESSION_NAME_MAX + 1];
	struct held *h;

	if (!engine_parent(name, parent))
		return false;
	if (l->known && strcmp(parent, l->parent) == 0)
		return l->may;
	l->known = true;
	l->may = false;
	strcpy(l->parent, parent);
	l->judged++;
	if (engine_hold(l->g, parent, &h, NULL))
		return false;
	l->may = !engine_may(l->g, h, ACCESS_LIST_SESSIONS, l->who, NULL);
	engine_unhold(l->g, h);
	return l->may;
}

static int list_row(void *arg, const char *key, size_t key_size,
	const void *value, size_t size)
{
	struct listing *l = arg;
	static char name[SESSION_NAME_MAX + 1];
	struct held *h;
	bool may;

	if (key_size > SESSION_NAME_MAX)
		return -EBADMSG;
	memcpy(name, key, key_size);
	name[key_size] = 0;
	if (json_array_size(l->names) == LIST_MAX ||
		l->judged >= LIST_JUDGED_MAX) {
		l->cut = true;
		return 1;
	}
	may = list_parent(l, name);
	/* What one may read, one may see. */
	if (!may && !engine_hold(l->g, name, &h, NULL)) {
		l->judged++;
		may = !engine_may(l->g, h, ACCESS_READ, l->who, NULL);
		engine_unhold(l->g, h);
	}
	if (may && json_array_append_new(l->names, json_string(name)))
		return -ENOMEM;
	return 0;
}

void engine_session_list(
	struct engine *g, const struct engine_call *c, const char *prefix)
{
	struct listing l = {.g = g, .who = &c->who};
	struct answer *a;
	char *text = NULL;
	int ret;

	if (!ready(g, c, NULL))
		return;
	a = answer_new(g, c);
	if (!a)
		return;
	l.names = json_array();
	ret = store_each(g->store, STORE_SESSION, prefix,
		strnlen(prefix, SESSION_NAME_MAX), list_row, &l);
	if (ret >= 0)
		text = json_dumps(l.names, JSON_COMPACT);
	json_decref(l.names);
	a->failed |= !text;
	if (text)
		buf_text(&a->body, text);
	answer_item(a, "complete", l.cut ? "false" : "true");
	free(text);
	answer_after(a, store_seq(g));
}

/* ---- public values ---- */

static int public_value(struct engine *g, struct held *h, const char *secret,
	const char *format, struct answer *a, uint64_t *seq)
{
	const struct secret_spec *spec = session_secret(h->session, secret);
	const struct secret_set *set;
	struct err e = {0};
	int ret = engine_secrets(g, h, &set, &e);

	/* Nothing is said of others, not even which formats they have. */
	if (!ret && (!spec || !spec->export_public))
		ret = -EPERM;
	if (!ret)
		ret = secret_public(
			set, h->session, secret, format, &a->body, &e);
	*seq = u64_max(h->seq, h->secrets_seq);
	return ret;
}

/* Certificates that are due are made new before they are told. */
static int public_renew(struct engine *g, struct held *h, struct err *e)
{
	struct store_txn *x;
	struct secret_set *set;
	const struct secret_set *now;
	bool changed;
	int ret = engine_secrets(g, h, &now, e);

	if (ret || secret_set_due(now) > engine_now(g))
		return ret;
	x = store_begin(g->store);
	ret = engine_secrets_renewed(g, h, x, &set, &changed, e);
	secret_set_free(set);
	if (ret || !changed) {
		store_abort(x);
		return ret;
	}
	engine_audit(x, h->session,
		&(struct audit_event){
			.what = "secrets.renew",
			.object = h->name,
		});
	return store_submit(x, NULL, NULL);
}

void engine_public_value(struct engine *g, const struct engine_call *c,
	const char *session, const char *secret, const char *format)
{
	static const char none[] =
		"no such public value; wanted a secret with export_public";
	struct held *h = NULL;
	struct answer *a;
	struct err e = {0};
	uint64_t seq = 0;
	int ret;

	if (!ready(g, c, session))
		return;
	ret = engine_hold(g, session, &h, &e);
	if (ret) {
		engine_fail(g, c, -ENOENT, none);
		return;
	}
	a = answer_new(g, c);
	if (!a)
		goto out;
	/* An old value is better than none. */
	(void)!public_renew(g, h, &e);
	ret = public_value(g, h, secret, format, a, &seq);
	if (ret == -EINVAL) {
		answer_fail(a, ret,
			"the value has no such format: see doc/secrets.md");
	} else if (ret) {
		answer_fail(a, -ENOENT, none);
	} else {
		g->counts.public_reads++;
		answer_after(a, seq);
	}
out:
	engine_unhold(g, h);
}

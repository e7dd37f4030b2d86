/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a change of a policy means: the facts that come and go, and what becomes
 * of values that CAS has made. A line each, in the order of their subjects.
 */
#include <errno.h>

#include "cas/session_facts.h"
#include "lib/string.h"

/* Any number for a subject: how it reads if one comes, and if one goes. */
static const struct {
	const char *gain, *loss;
} sets[FACT_FIRST_SINGLE] = {
	[FACT_START] = {"may be started by", "may no longer be started by"},
	[FACT_PLATFORM] = {"may run on", "may no longer run on"},
	[FACT_GETS] = {"gets secret", "no longer gets secret"},
	[FACT_WRITES] = {"may write secret", "may no longer write secret"},
	[FACT_VOLUME] = {"has volume", "no longer has volume"},
	[FACT_MOUNT] = {"has mount", "no longer has mount"},
	[FACT_PROVIDES] = {"provides secret", "no longer provides secret"},
	[FACT_EXPORT] = {"may be imported by", "may no longer be imported by"},
	[FACT_READ] = {"the policy may be read by",
		"the policy may no longer be read by"},
	[FACT_UPDATE] = {"the policy may be changed by",
		"the policy may no longer be changed by"},
	[FACT_CREATE] = {"sessions below may be created by",
		"sessions below may no longer be created by"},
	[FACT_LIST] = {"sessions below may be listed by",
		"sessions below may no longer be listed by"},
	[FACT_DELETE] = {"the session may be deleted by",
		"the session may no longer be deleted by"},
	[FACT_VETO] = {"a veto has", "no veto any longer has"},
	[FACT_TOLERATES] = {"tolerates", "no longer tolerates"},
	[FACT_IGNORES] = {"ignores advisory", "no longer ignores advisory"},
};

/* One for a subject. */
static const char *const singles[FACT_KINDS] = {
	[FACT_IS] = "is",
	[FACT_RUNS] = "runs",
	[FACT_DIRECTORY] = "starts in",
	[FACT_IMAGE] = "has image",
	[FACT_PASSWORD] = "wants one-time passwords by",
	[FACT_ROOT] = "has the root file system",
	[FACT_INSTANCES] = "has instances at a time:",
	[FACT_STARTS] = "has starts in an hour:",
	[FACT_LEASE] = "has the lease",
	[FACT_NETWORK] = "has",
	[FACT_LIMITS] = "has limits",
	[FACT_HOSTNAME] = "has host name",
	[FACT_SIGNALS] = "takes of the host the signals",
	[FACT_PUBLIC] = "may be read by",
	[FACT_ROTATES] = "is made anew every",
	[FACT_SINGLETON] = "needs a new one-time token for",
	[FACT_TOKEN] = "comes with the access token",
	[FACT_MODE] = "is wanted in mode",
	[FACT_RULES] = "has the rules of",
	[FACT_OPEN] = "proposals are open for",
	[FACT_OPEN_LEAST] = "proposals are open at least for",
	[FACT_ROLLBACK] = "wants of CAS protection from rollback by",
	[FACT_VERSION] = "has language version",
	[FACT_SALT] = "has salt",
	[FACT_AUDIT] = "has details in the log for key",
	[FACT_NAMESPACE] = "is below the version",
};

static void put_new(struct buf *b, const struct fact *f)
{
	buf_format(b, "%s: %s %s\n", f->subject,
		f->kind < FACT_FIRST_SINGLE ? sets[f->kind].gain
					    : singles[f->kind],
		f->value);
}

static void put_old(struct buf *b, const struct fact *f)
{
	if (f->kind < FACT_FIRST_SINGLE)
		buf_format(b, "%s: %s %s\n", f->subject, sets[f->kind].loss,
			f->value);
	else
		buf_format(b, "%s: no longer %s %s\n", f->subject,
			singles[f->kind], f->value);
}

static int compare(const struct fact *a, const struct fact *b)
{
	int order = strcmp(a->subject, b->subject);

	if (order == 0)
		order = (a->kind > b->kind) - (a->kind < b->kind);
	if (order != 0 || a->kind >= FACT_FIRST_SINGLE)
		return order;
	return strcmp(a->value, b->value);
}

static void put_facts(
	struct buf *b, const struct facts *old, const struct facts *changed)
{
	const struct fact *o = (const void *)old->list.data;
	const struct fact *n = (const void *)changed->list.data;
	size_t i = 0, k = 0;

	while (i < old->list.count || k < changed->list.count) {
		int order = i == old->list.count   ? 1
			: k == changed->list.count ? -1
						   : compare(&o[i], &n[k]);

		if (order < 0) {
			put_old(b, &o[i++]);
		} else if (order > 0) {
			put_new(b, &n[k++]);
		} else {
			if (strcmp(o[i].value, n[k].value) != 0)
				buf_format(b, "%s: %s %s; was %s\n",
					n[k].subject, singles[n[k].kind],
					n[k].value, o[i].value);
			i++;
			k++;
		}
	}
}

/* ---- values ---- */

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* As secret_set_make() does it. */
static bool migrates(const struct secret_spec *a, const struct secret_spec *b)
{
	switch (b->kind) {
	case SECRET_ASCII:
	case SECRET_BINARY:
		return a->size == b->size;
	case SECRET_PRIVATE_KEY:
		return a->migrate && b->migrate && a->key_type == b->key_type;
	default:
		return false;
	}
}

static bool is_made(const struct secret_spec *s)
{
	return !s->value && s->import.count == 0;
}

static void put_fate(
	struct buf *b, const struct secret_spec *a, const struct secret_spec *n)
{
	if (!n) {
		buf_format(b, "secret %s: removed%s\n", a->name,
			is_made(a) ? ": its value is destroyed" : "");
		return;
	}
	if (a->value && n->value && strcmp(a->value, n->value) != 0)
		buf_format(
			b, "secret %s: the given value is another\n", n->name);
	if (!is_made(a))
		return;
	if (is_made(n) && a->kind == n->kind && migrates(a, n)) {
		if (n->charset && !same_text(a->charset, n->charset))
			buf_format(b,
				"secret %s: a new value is made, unless that "
				"before fits\n",
				n->name);
		return;
	}
	if (!is_made(n))
		buf_format(b,
			"secret %s: the value that CAS made is destroyed\n",
			n->name);
	else if (n->kind != SECRET_PUBLIC_KEY && n->kind != SECRET_JWT)
		buf_format(b,
			"secret %s: a new value is made; that before is "
			"destroyed\n",
			n->name);
}

static void put_given(struct buf *b, const char *subject, const char *what,
	const char *old, const char *changed)
{
	if (old && changed && old[0] != '$' && changed[0] != '$' &&
		!same_text(old, changed))
		buf_format(b, "%s: the given %s is another\n", subject, what);
}

static void put_values(
	struct buf *b, const struct session *old, const struct session *changed)
{
	const struct secret_spec *s = old->secrets.item;
	const struct session_volume *v = old->volumes.item;
	const struct session_service *w = old->services.item;

	for (size_t i = 0; i < old->secrets.count; i++)
		put_fate(b, &s[i], session_secret(changed, s[i].name));
	for (size_t i = 0; i < old->volumes.count; i++) {
		const struct session_volume *now = session_volume(
			changed, v[i].name);

		if (!now && v[i].import.count > 0)
			buf_format(b, "volume %s: removed\n", v[i].name);
		else if ((!now || now->import.count > 0) &&
			v[i].import.count == 0)
			buf_format(b,
				"volume %s: its key is destroyed: what is in "
				"it is lost\n",
				v[i].name);
		else if (now)
			put_given(b, "volumes", "key", v[i].key, now->key);
	}
	for (size_t i = 0; i < old->services.count; i++) {
		const struct session_service *now = session_service(
			changed, w[i].name);

		if (!now) {
			buf_format(b, "service %s: removed\n", w[i].name);
			continue;
		}
		put_given(b, "services", "key of one-time passwords",
			w[i].otp_secret, now->otp_secret);
		put_given(b, "services", "key of a root file system",
			w[i].fspf_key, now->fspf_key);
	}
	put_given(b, "evidence", "access token", old->security.access_token,
		changed->security.access_token);
	put_given(b, "evidence", "key of one-time passwords",
		old->security.otp_secret, changed->security.otp_secret);
}

static bool same_bytes(struct bytes a, struct bytes b)
{
	return a.size == b.size &&
		(a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

int session_diff(const struct session *old, const struct session *changed,
	struct buf *out)
{
	struct facts before = {0}, after = {0};
	int ret = old ? facts_collect(&before, old) : 0;

	if (ret == 0)
		ret = facts_collect(&after, changed);
	if (ret == 0 && !old)
		buf_format(out, "session %s: new\n", changed->name);
	if (ret == 0 && old && strcmp(old->name, changed->name) != 0)
		buf_format(out, "session %s: its name was %s\n", changed->name,
			old->name);
	if (ret == 0 && old && old->creator.size && changed->creator.size &&
		!same_bytes(old->creator, changed->creator))
		buf_text(out, "session: has another creator\n");
	if (ret == 0) {
		put_facts(out, &before, &after);
		if (old)
			put_values(out, old, changed);
		ret = buf_check(out);
	}
	facts_fini(&before);
	facts_fini(&after);
	return ret;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each name space takes: sessions, bytes of policies, values and older
 * versions, changes in a minute. Counted from the store at start, kept up to
 * date by changes of sessions.
 */
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "cas/engine_owner.h"

/* Of a top-level name; "/" is for the top-level sessions themselves. */
struct usage {
	struct list link;
	char *name;
	int64_t sessions, bytes;
	int64_t minute; /* of `changes` */
	uint64_t changes;
};

static int by_name(const void *a, const void *b)
{
	const struct usage *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static void top_of(const char *session, size_t size, char *out)
{
	size_t n = 0;

	while (n < size && n < SESSION_NAME_MAX && session[n] &&
		session[n] != '/')
		n++;
	memcpy(out, n ? session : "/", n ? n : 1);
	out[n ? n : 1] = 0;
}

/* NULL: no memory. */
static struct usage *usage_of(struct engine *g, const char *name)
{
	struct usage wanted = {.name = (char *)(uintptr_t)name}, *u;
	struct usage **found = tfind(&wanted, &g->usage_tree, by_name);

	if (found)
		return *found;
	u = calloc(1, sizeof(*u));
	if (!u)
		return NULL;
	u->name = strdup(name);
	if (!u->name || !tsearch(u, &g->usage_tree, by_name)) {
		free(u->name);
		free(u);
		return NULL;
	}
	list_add(&g->usages, &u->link);
	return u;
}

struct loading {
	struct engine *g;
	int64_t sessions; /* that a row counts as */
};

static int usage_row(void *arg, const char *key, size_t key_size,
	const void *value, size_t size)
{
	struct loading *l = arg;
	char top[SESSION_NAME_MAX + 1];
	struct usage *u;

	top_of(key, key_size, top);
	u = usage_of(l->g, top);
	if (!u)
		return -ENOMEM;
	u->sessions += l->sessions;
	u->bytes += (int64_t)size;
	if (!l->sessions || key[0] == '/' || key_size != strlen(top))
		return 0;
	u = usage_of(l->g, "/");
	if (!u)
		return -ENOMEM;
	u->sessions++;
	return 0;
}

int usage_load(struct engine *g, struct err *e)
{
	struct loading l = {g, 1};
	int ret = store_each(g->store, STORE_SESSION, "", 0, usage_row, &l);

	l.sessions = 0;
	if (!ret)
		ret = store_each(g->store, STORE_SECRETS, "", 0, usage_row, &l);
	if (!ret)
		ret = store_each(g->store, STORE_HISTORY, "", 0, usage_row, &l);
	return ret ? err_setf(e, ret, "no memory") : 0;
}

void usage_free(struct engine *g)
{
	struct usage *u, *next;

	list_for_each_entry_safe (u, next, &g->usages, link) {
		tdelete(u, &g->usage_tree, by_name);
		free(u->name);
		free(u);
	}
	list_init(&g->usages);
}

static bool exceeds(int64_t has, int64_t more, uint64_t max)
{
	return more > 0 && has + more > (int64_t)u64_min(max, INT64_MAX);
}

static int over(const char *name, const char *what, int64_t has, uint64_t max,
	struct err *e)
{
	return err_setf(e, -EDQUOT,
		"name space %s: %lld %s; the owner of this CAS allows %llu; "
		"delete something, or ask for more",
		name, (long long)has, what, (unsigned long long)max);
}

int usage_allow(struct engine *g, const char *session,
	const struct usage_change *change, struct err *e)
{
	int64_t minute = engine_now(g) / 60;
	const struct owner_limits *l;
	char top[SESSION_NAME_MAX + 1];
	struct usage *u, *root;
	struct store_status st;

	top_of(session, strlen(session), top);
	root = usage_of(g, "/");
	u = usage_of(g, top);
	if (!u || !root)
		return err_setf(e, -ENOMEM, "no memory");
	l = owner_limits(g, top);
	if (u->minute != minute) {
		u->minute = minute;
		u->changes = 0;
	}
	if (u->changes >= l->changes_per_minute)
		return over(top, "changes in this minute", (int64_t)u->changes,
			l->changes_per_minute, e);
	if (exceeds(u->sessions, change->sessions, l->sessions))
		return over(top, "sessions", u->sessions, l->sessions, e);
	if (!strchr(session, '/') &&
		exceeds(root->sessions, change->sessions,
			owner_limits(g, "/")->sessions))
		return over("/", "sessions", root->sessions,
			owner_limits(g, "/")->sessions, e);
	if (exceeds(u->bytes, change->bytes, l->bytes))
		return over(top, "bytes", u->bytes, l->bytes, e);
	store_status(g->store, &st);
	if (g->o.bytes_max &&
		exceeds((int64_t)st.bytes, change->bytes, g->o.bytes_max))
		return err_setf(e, -EDQUOT,
			"%s: this CAS is full: %llu bytes; its memory is for "
			"%llu; wanted: something is deleted, or more memory",
			session, (unsigned long long)st.bytes,
			(unsigned long long)g->o.bytes_max);
	u->changes++;
	return 0;
}

void usage_apply(struct engine *g, const char *session,
	const struct usage_change *change)
{
	char top[SESSION_NAME_MAX + 1];
	struct usage *u;

	top_of(session, strlen(session), top);
	u = usage_of(g, top);
	/* Without memory the count is off until the next start. */
	if (!u)
		return;
	u->sessions += change->sessions;
	u->bytes += change->bytes;
	u = strchr(session, '/') ? NULL : usage_of(g, "/");
	if (u)
		u->sessions += change->sessions;
}

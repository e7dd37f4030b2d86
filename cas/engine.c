/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine as a whole: begin and end, what is due, names, the log.
 */
#include "cas/engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cas/engine_int.h"

/* Denials that are told singly, each second. */
enum { DENIED_PER_SECOND = 50 };

static int count_row(void *arg, const char *key, size_t key_size,
	const void *value, size_t size)
{
	(*(uint64_t *)arg)++;
	return 0;
}

static uint64_t count_rows(struct engine *g, enum store_table t)
{
	uint64_t n = 0;

	store_each(g->store, t, "", 0, count_row, &n);
	return n;
}

int engine_new(
	const struct engine_options *o, struct engine **out, struct err *e)
{
	struct engine *g = calloc(1, sizeof(*g));
	int ret;

	if (!g)
		return err_setf(e, -ENOMEM, "no memory");
	g->o = *o;
	g->store = o->store;
	list_init(&g->held);
	list_init(&g->answers);
	list_init(&g->proposals);
	list_init(&g->usages);
	ret = owner_load(g, e);
	if (!ret)
		ret = usage_load(g, e);
	if (!ret)
		ret = board_load(g, e);
	if (!ret)
		ret = services_new(g, e);
	if (ret) {
		engine_free(g);
		return ret;
	}
	g->counts.sessions = count_rows(g, STORE_SESSION);
	g->counts.volumes = count_rows(g, STORE_VOLUME);
	*out = g;
	return 0;
}

void engine_free(struct engine *g)
{
	if (!g)
		return;
	services_free(g);
	answers_leave(g);
	board_free(g);
	usage_free(g);
	owner_free(g);
	held_free_all(g);
	free(g);
}

void engine_tick(struct engine *g)
{
	int64_t now = engine_now(g);

	denied_tell(g);
	if (!g->owner)
		return;
	board_tick(g, now);
	services_tick(g, now);
}

void engine_counts(const struct engine *g, struct engine_counts *out)
{
	*out = g->counts;
}

/* ---- what CAS must be like ---- */

int engine_ready(const struct engine *g, struct err *e)
{
	if (g->owner)
		return 0;
	return err_setf(e, -EAGAIN,
		"this CAS has no owner yet; wanted: `sconce cas provision`");
}

int engine_requirements(
	struct engine *g, const struct session *s, struct err *e)
{
	static const char *const has[] = {
		[FRESH_NONE] = "none",
		[FRESH_TPM] = "tpm",
		[FRESH_QUORUM] = "quorum",
	};
	struct store_status st;
	uint64_t level;

	if (!s->requirements.rollback)
		return 0;
	store_status(g->store, &st);
	level = st.freshness == FRESH_QUORUM ? 2 : st.freshness == FRESH_TPM;
	if (level >= s->requirements.rollback)
		return 0;
	return err_setf(e, -EPERM,
		"%s: rollback protection of this CAS is %s; the session wants "
		"%s; start CAS with witnesses%s",
		s->name, has[st.freshness],
		s->requirements.rollback >= 2 ? "quorum" : "tpm or quorum",
		s->requirements.rollback >= 2 ? "" : " or a TPM");
}

/* ---- names ---- */

bool engine_parent(const char *name, char *out)
{
	const char *slash = strrchr(name, '/');

	if (strcmp(name, "/") == 0)
		return false;
	if (!slash || slash == name) {
		strcpy(out, "/");
		return true;
	}
	memcpy(out, name, (size_t)(slash - name));
	out[slash - name] = 0;
	return true;
}

bool engine_is_below(const char *name, const char *namespace)
{
	size_t n = strlen(namespace);

	if (strcmp(name, "/") == 0)
		return false;
	if (strcmp(namespace, "/") == 0)
		return true;
	return strncmp(name, namespace, n) == 0 && name[n] == '/';
}

int engine_name_check(const char *name, struct err *e)
{
	size_t n = strnlen(name, SESSION_NAME_MAX + 1);

	for (size_t i = 0; i < n; i++)
		if (name[i] <= ' ' || name[i] > '~')
			n = 0;
	if (n && n <= SESSION_NAME_MAX &&
		(n == 1 || (name[0] != '/' && name[n - 1] != '/')))
		return 0;
	return err_setf(e, -EINVAL,
		"not a session's name; wanted SEGMENT/SEGMENT of at most %d "
		"letters, digits and _-.~",
		(int)SESSION_NAME_MAX);
}

/* ---- the log ---- */

void engine_audit(struct store_txn *x, const struct session *session,
	const struct audit_event *event)
{
	struct audit_event ev = *event;

	if (session && session->audit_key.size == 32)
		ev.audit_key = session->audit_key.data;
	store_audit(x, &ev);
}

void engine_audit_denied(struct engine *g, const struct session *session,
	const struct audit_event *event)
{
	struct audit_event ev = *event;
	struct store_txn *x;
	int64_t now = engine_now(g);

	ev.denied = true;
	g->counts.denied++;
	if (g->denied_at != now) {
		g->denied_at = now;
		g->denied_left = DENIED_PER_SECOND;
	}
	if (!g->denied_left) {
		g->denied_untold++;
		return;
	}
	g->denied_left--;
	x = store_begin(g->store);
	engine_audit(x, session, &ev);
	/* The answer is no in any case. */
	if (store_submit(x, NULL, NULL))
		g->denied_untold++;
}

void denied_tell(struct engine *g)
{
	char text[64];
	struct audit_event ev = {
		.what = "denied.more",
		.denied = true,
		.detail = text,
	};
	struct store_txn *x;

	if (!g->denied_untold)
		return;
	snprintf(text, sizeof(text), "%llu more denials",
		(unsigned long long)g->denied_untold);
	x = store_begin(g->store);
	store_audit(x, &ev);
	if (!store_submit(x, NULL, NULL))
		g->denied_untold = 0;
}

void engine_deny(struct engine *g, const struct engine_call *c,
	const char *what, const char *name, const struct session *s)
{
	struct err e = {0};

	engine_audit_denied(g, s,
		&(struct audit_event){
			.what = what,
			.object = name,
			.actor = c->who.present ? c->who.key : NULL,
		});
	err_setf(&e, -EACCES,
		"%.400s: not there, or not for this key; ask its owner", name);
	engine_fail(g, c, -EACCES, e.text);
}

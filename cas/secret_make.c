/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making the values of a session, each after those that it is made of, by a
 * walk in depth. Renewal is the same walk over a set that is there: what is not
 * due, and made of nothing that changed, is copied.
 */
#include "cas/secret_int.h"

#include <errno.h>
#include <stdlib.h>

#include <openssl/evp.h>

#include "cas/secret_make.h"
#include "lib/string.h"

static const struct secret_spec *spec_at(const struct session *s, size_t i)
{
	return (const struct secret_spec *)s->secrets.item + i;
}

/* ---- what migrates at an update ---- */

static bool fits(const struct secret *x, const struct secret_spec *was,
	const struct secret_spec *spec)
{
	if (x->origin == ORIGIN_WRITTEN)
		return spec->writers.count > 0;
	switch (x->kind) {
	case SECRET_ASCII:
		return was->size == spec->size &&
			secret_fits_charset(&x->now.value, spec->charset);
	case SECRET_BINARY:
		return was->size == spec->size;
	case SECRET_PRIVATE_KEY:
		return was->migrate && spec->migrate &&
			x->key_type == spec->key_type;
	}
	return false;
}

/* The old value that spec goes on with; NULL: it gets a new one. A value that
 * people could read, or that is another session's, does not become one that CAS
 * made. */
static const struct secret *migrating(
	const struct making *m, const struct secret_spec *spec)
{
	const struct secret *x;
	const struct secret_spec *was;
	size_t i;

	if (!m->old || !m->old_set || spec->value || spec->import.count)
		return NULL;
	x = secret_find(m->old_set, spec->name);
	if (!x || x->kind != spec->kind ||
		(x->origin != ORIGIN_GENERATED && x->origin != ORIGIN_WRITTEN))
		return NULL;
	i = (size_t)(x - m->old_set->item);
	if (i >= m->old->secrets.count)
		return NULL;
	was = spec_at(m->old, i);
	return !strcmp(was->name, spec->name) && fits(x, was, spec) ? x : NULL;
}

static int copy(struct secret *to, const struct secret *from)
{
	int rc = version_copy(&to->now, &from->now);

	to->kind = from->kind;
	to->key_type = from->key_type;
	to->origin = from->origin;
	to->due = from->due;
	if (!rc && from->before_until) {
		rc = version_copy(&to->before, &from->before);
		to->before_until = from->before_until;
	}
	return rc;
}

static void forget_before(struct secret *x)
{
	version_fini(&x->before);
	x->before_until = 0;
}

/* ---- one secret ---- */

static int migrate(struct making *m, struct secret *x,
	const struct secret_spec *spec, const struct secret *from)
{
	if (copy(x, from))
		return err_setf(m->e, -ENOMEM, "out of memory");
	x->due = x->origin == ORIGIN_WRITTEN
		? 0
		: secret_rotation(spec, x->now.made);
	if (x->before_until && x->before_until <= m->env->now)
		forget_before(x);
	return 0;
}

static bool same_value(
	const struct secret_version *a, const struct secret_version *b)
{
	return a->value.size == b->value.size &&
		!memcmp(a->value.data, b->value.data, a->value.size) &&
		a->key.size == b->key.size &&
		(!a->key.size ||
			!memcmp(a->key.data, b->key.data, a->key.size));
}

/* The old value becomes the one before, if it is told for a while. */
static int keep_before(struct making *m, struct secret *x,
	const struct secret_spec *spec, const struct secret *was)
{
	forget_before(x);
	if (!spec->rotate_grace || same_value(&was->now, &x->now))
		return 0;
	x->before_until = secret_after(m->env->now, spec->rotate_grace);
	return version_copy(&x->before, &was->now);
}

/* A value of its own would have been made of what changed. */
static bool is_made_of(const struct secret *x)
{
	return x->origin == ORIGIN_GENERATED &&
		(x->kind == SECRET_PUBLIC_KEY || x->kind == SECRET_X509 ||
			x->kind == SECRET_X509_CA || x->kind == SECRET_JWT);
}

static int stay(struct making *m, struct secret *x, const struct secret *was)
{
	char *name = x->name;

	x->name = NULL;
	secret_fini(x);
	x->name = name;
	if (copy(x, was))
		return -ENOMEM;
	if (x->before_until && x->before_until <= m->env->now) {
		forget_before(x);
		m->changes++;
	}
	return 0;
}

static int renew(struct making *m, size_t i, bool made_of_changed)
{
	const struct secret *was = &m->old_set->item[i];
	const struct secret_spec *spec = spec_at(m->s, i);
	struct secret *x = &m->set->item[i];
	struct err reason = {0};
	struct err *outer = m->e;
	bool due = was->due && was->due <= m->env->now;
	int rc;

	if (!due && !(made_of_changed && is_made_of(was)))
		return stay(m, x, was);
	m->e = &reason;
	rc = secret_create(m, x, spec);
	m->e = outer;
	if (rc) {
		/* It goes on with what it has. */
		if (outer && !outer->code)
			err_setf(outer, rc, "secret %s: %s", x->name,
				reason.text);
		rc = stay(m, x, was);
		x->due = secret_after(m->env->now, SECRET_RETRY);
		return rc;
	}
	/* Not renewed over there yet. */
	if (x->origin == ORIGIN_IMPORTED && x->due && x->due <= m->env->now)
		x->due = secret_after(m->env->now, SECRET_RETRY);
	if (x->origin == ORIGIN_IMPORTED && same_value(&x->now, &was->now))
		return 0;
	m->changed[i] = true;
	m->changes++;
	return keep_before(m, x, spec, was);
}

static int make_one(struct making *m, size_t i, bool made_of_changed)
{
	const struct secret_spec *spec = spec_at(m->s, i);
	struct secret *x = &m->set->item[i];
	const struct secret *from;
	int rc;

	if (m->renewing)
		return renew(m, i, made_of_changed);
	from = migrating(m, spec);
	rc = from ? migrate(m, x, spec, from) : secret_create(m, x, spec);
	return rc ? err_prefix(m->e, "secret %s", spec->name), rc : 0;
}

/* ---- the walk ---- */

static int resolve(struct making *m, size_t i);

struct dependencies {
	struct making *m;
	const struct secret_spec *spec;
	bool changed;
};

static int depend(struct dependencies *d, const char *name)
{
	struct making *m = d->m;
	struct secret *x = secret_find(m->set, name);
	size_t i;
	int rc;

	if (!x)
		return err_setf(m->e, -EINVAL,
			"secret %s: refers to \"%s\"; no secret of the session "
			"has this name",
			d->spec->name, name);
	i = (size_t)(x - m->set->item);
	if (m->state[i] == MAKING_OPEN)
		return err_setf(m->e, -EINVAL,
			"secret %s: is made of \"%s\", which is made of it",
			d->spec->name, name);
	rc = resolve(m, i);
	d->changed |= m->changed[i];
	return rc;
}

static int depend_variable(void *arg, const char *name, const char *format)
{
	struct dependencies *d = arg;

	if (!strchr(name, ':'))
		return depend(d, name);
	return err_setf(d->m->e, -EINVAL,
		"secret %s: %s is not known when a token is made; only "
		"secrets of the session are",
		d->spec->name, name);
}

static int depend_all(struct dependencies *d)
{
	const struct secret_spec *spec = d->spec;
	int rc = 0;

	if (spec->private_key)
		rc = depend(d, spec->private_key);
	if (!rc && spec->issuer)
		rc = depend(d, spec->issuer);
	for (size_t i = 0; !rc && i < spec->payload.count; i++)
		rc = subst_each(spec->payload.item[i].value, depend_variable, d,
			d->m->e);
	return rc;
}

static int resolve(struct making *m, size_t i)
{
	struct dependencies d = {.m = m, .spec = spec_at(m->s, i)};
	int rc;

	if (m->state[i] == MAKING_DONE)
		return 0;
	if (m->depth == SECRET_DEPTH_MAX)
		return err_setf(m->e, -EINVAL,
			"secret %s: made of secrets more than %d deep",
			d.spec->name, SECRET_DEPTH_MAX);
	m->state[i] = MAKING_OPEN;
	m->depth++;
	rc = depend_all(&d);
	m->depth--;
	if (!rc)
		rc = make_one(m, i, d.changed);
	m->state[i] = MAKING_DONE;
	return rc;
}

static int begin(struct making *m)
{
	size_t count = m->s->secrets.count;
	int rc;

	if (count > SECRET_COUNT_MAX) {
		err_setf(m->e, -EINVAL, "%zu secrets; wanted at most %d", count,
			SECRET_COUNT_MAX);
		return -EINVAL;
	}
	rc = secret_set_new(count, &m->set);
	if (rc) {
		err_setf(m->e, rc, "out of memory");
		return rc;
	}
	m->state = calloc(count + 1, sizeof(*m->state));
	m->changed = calloc(count + 1, sizeof(*m->changed));
	for (size_t i = 0; i < count; i++) {
		m->set->item[i].name = strdup(spec_at(m->s, i)->name);
		if (!m->set->item[i].name)
			rc = -ENOMEM;
	}
	if (rc || !m->state || !m->changed) {
		err_setf(m->e, -ENOMEM, "out of memory");
		return -ENOMEM;
	}
	rc = secret_set_index(m->set);
	if (rc)
		err_setf(m->e, -EINVAL, "two secrets have the same name");
	return rc ? -EINVAL : 0;
}

static int make_all(struct making *m)
{
	int rc = begin(m);

	for (size_t i = 0; !rc && i < m->s->secrets.count; i++)
		rc = resolve(m, i);
	free(m->state);
	free(m->changed);
	if (rc) {
		secret_set_free(m->set);
		m->set = NULL;
	}
	return rc;
}

int secret_set_make(const struct session *s, const struct session *old,
	const struct secret_set *old_set, const struct secret_env *env,
	struct secret_set **out, struct err *e)
{
	struct making m = {
		.s = s, .old = old, .old_set = old_set, .env = env, .e = e};
	int rc = make_all(&m);

	if (!rc)
		*out = m.set;
	return rc;
}

static bool belongs_to(const struct secret_set *set, const struct session *s)
{
	if (set->count != s->secrets.count)
		return false;
	for (size_t i = 0; i < set->count; i++)
		if (strcmp(set->item[i].name, spec_at(s, i)->name))
			return false;
	return true;
}

int secret_set_renew(struct secret_set *set, const struct session *s,
	const struct secret_env *env, struct err *e)
{
	struct making m = {.s = s,
		.old = s,
		.old_set = set,
		.env = env,
		.renewing = true,
		.e = e};
	struct secret_set was;
	int rc;

	if (!belongs_to(set, s))
		return err_setf(e, -EINVAL,
			"%s: these values are another session's", s->name);
	if (secret_set_due(set) > env->now)
		return 0;
	rc = make_all(&m);
	if (rc)
		return rc;
	was = *set;
	*set = *m.set;
	*m.set = was;
	secret_set_free(m.set);
	return m.changes > 0;
}

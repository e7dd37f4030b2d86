/* SPDX-License-Identifier: Apache-2.0 */
#include "cas/session_facts.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "cas/subst.h"
#include "lib/bytes.h"
#include "lib/string.h"

/* ---- adding ---- */

static void add(struct facts *f, const char *subject, enum fact_kind kind,
	const char *format, ...) printf_like(4, 5);

static void add(struct facts *f, const char *subject, enum fact_kind kind,
	const char *format, ...)
{
	struct fact *fact = pool_grow(&f->pool, &f->list, sizeof(*fact));
	va_list ap, again;
	char *value = NULL;
	int n;

	va_start(ap, format);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, format, ap);
	if (fact && n >= 0)
		value = pool_alloc(&f->pool, (size_t)n + 1);
	if (value) {
		vsnprintf(value, (size_t)n + 1, format, again);
		*fact = (struct fact){subject, kind, value};
	} else {
		f->failed = true;
	}
	va_end(again);
	va_end(ap);
}

/* "service NAME"; "": no memory, which f remembers. */
static const char *subject(struct facts *f, const char *what, const char *name)
{
	size_t size = strlen(what) + strlen(name) + 2;
	char *text = pool_alloc(&f->pool, size);

	if (!text) {
		f->failed = true;
		return "";
	}
	snprintf(text, size, "%s %s", what, name);
	return text;
}

static void add_buf(struct facts *f, const char *subject, enum fact_kind kind,
	struct buf *b)
{
	if (buf_check(b) < 0)
		f->failed = true;
	else
		add(f, subject, kind, "%s", b->data ? (char *)b->data : "");
	buf_fini(b);
}

static void put_quoted(struct buf *b, const char *text)
{
	buf_text(b, "\"");
	if (buf_json(b, text, strlen(text)) < 0)
		b->failed = true;
	buf_text(b, "\"");
}

static void put_hash(struct buf *b, struct bytes hash)
{
	for (size_t i = 0; i < hash.size; i++)
		buf_format(b, "%02x", hash.data[i]);
}

static void put_all(struct buf *b, const struct text_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		buf_format(b, "%s%s", i > 0 ? ", " : "", list->item[i]);
}

/* ---- which secrets a service has ---- */

struct getter {
	struct facts *f;
	const char *subject;
};

static int gets(void *arg, const char *name, const char *format)
{
	struct getter *g = arg;

	if (*format)
		add(g->f, g->subject, FACT_GETS, "%s (%s)", name, format);
	else
		add(g->f, g->subject, FACT_GETS, "%s", name);
	return 0;
}

static void add_texts(struct facts *f, const char *subject, const char *text)
{
	struct getter g = {f, subject};

	if (text && subst_each(text, gets, &g, NULL) < 0)
		f->failed = true;
}

static void add_secrets(struct facts *f, const char *subject,
	const struct session *s, const struct session_service *service)
{
	const struct session_image *m = service->image_name
		? session_image(s, service->image_name)
		: NULL;
	const struct injection_file *files = m ? m->files.item : NULL;
	const struct secret_spec *secrets = s->secrets.item;

	for (size_t i = 0; i < service->command.count; i++)
		add_texts(f, subject, service->command.item[i]);
	for (size_t i = 0; i < service->environment.count; i++)
		add_texts(f, subject, service->environment.item[i].value);
	for (size_t i = 0; m && i < m->files.count; i++)
		add_texts(f, subject, files[i].content);
	for (size_t i = 0; m && i < m->provide_secrets.count; i++)
		add(f, subject, FACT_GETS, "%s", m->provide_secrets.item[i]);
	for (size_t i = 0; i < s->secrets.count; i++)
		for (size_t k = 0; k < secrets[i].writers.count; k++)
			if (strcmp(secrets[i].writers.item[k], service->name) ==
				0)
				add(f, subject, FACT_WRITES, "%s",
					secrets[i].name);
}

/* ---- services ---- */

static void put_variant_rest(struct buf *b, const struct attest_variant *v)
{
	if (v->has_signer && v->mrsigner[0] == '$')
		buf_format(b, ", signer %s", v->mrsigner);
	else if (v->has_signer)
		buf_format(b,
			", signer %s, product %llu, security version %llu to "
			"%llu",
			v->mrsigner, (unsigned long long)v->isv_prod_id,
			(unsigned long long)v->isv_svn_min,
			(unsigned long long)v->isv_svn_max);
	if (v->config_id)
		buf_format(b, ", CONFIGID %s", v->config_id);
	for (size_t i = 0; i < v->fields.count; i++)
		buf_format(b, ", %s %s", v->fields.item[i].key,
			v->fields.item[i].value);
}

static void add_variant(
	struct facts *f, const char *subject, const struct attest_variant *v)
{
	static const char *const tees[] = {"SGX", "TDX", "SEV-SNP"};
	struct buf rest = {0};

	if (v->variable) {
		add(f, subject, FACT_START, "what %s says", v->variable);
		return;
	}
	put_variant_rest(&rest, v);
	for (size_t i = 0; i < v->mrenclave.count; i++)
		add(f, subject, FACT_START, "SGX, MRENCLAVE %s%s",
			v->mrenclave.item[i],
			rest.data ? (char *)rest.data : "");
	if (v->mrenclave.count == 0)
		add(f, subject, FACT_START, "%s%s", tees[v->tee],
			rest.data ? (char *)rest.data : "");
	f->failed = f->failed || buf_check(&rest) < 0;
	buf_fini(&rest);
}

static void add_password(
	struct facts *f, const char *subject, const char *secret)
{
	if (secret)
		add(f, subject, FACT_PASSWORD, "%s",
			secret[0] == '$' ? secret : "a given key");
}

static void add_bounds(
	struct facts *f, const char *subject, const struct session_service *s)
{
	const struct manifest_limits *l = &s->limits;
	struct buf b = {0};

	if (s->instances)
		add(f, subject, FACT_INSTANCES, "%llu",
			(unsigned long long)s->instances);
	if (s->starts_per_hour)
		add(f, subject, FACT_STARTS, "%llu",
			(unsigned long long)s->starts_per_hour);
	if (s->lease != 60 || s->on_expiry != EXPIRY_KEEP)
		add(f, subject, FACT_LEASE, "%llu s, then %s",
			(unsigned long long)s->lease,
			session_expiries[s->on_expiry]);
	if (!s->network)
		add(f, subject, FACT_NETWORK, "no network");
	if (l->cpus || l->files || l->memory || l->threads)
		add(f, subject, FACT_LIMITS,
			"cpus %llu, files %llu, memory %llu, threads %llu",
			(unsigned long long)l->cpus,
			(unsigned long long)l->files,
			(unsigned long long)l->memory,
			(unsigned long long)l->threads);
	if (s->hostname)
		add(f, subject, FACT_HOSTNAME, "%s", s->hostname);
	if (s->signals == manifest_default_signals)
		return;
	for (unsigned i = 0; i < ARRAY_SIZE(manifest_signal_names); i++)
		if (s->signals >> i & 1)
			buf_format(&b, " %s", manifest_signal_names[i]);
	if (!s->signals)
		buf_text(&b, " none");
	add_buf(f, subject, FACT_SIGNALS, &b);
}

static void add_root(
	struct facts *f, const char *subject, const struct session_service *s)
{
	if (s->fspf_path || s->fspf_key || s->fspf_tag || s->fspf_update_policy)
		add(f, subject, FACT_ROOT, "path %s, key %s, tag %s, %s",
			s->fspf_path ? s->fspf_path : "/",
			!s->fspf_key                    ? "none"
				: s->fspf_key[0] == '$' ? s->fspf_key
							: "given",
			s->fspf_tag ? s->fspf_tag : "none",
			session_update_policies[s->fspf_update_policy]);
}

static void add_service(struct facts *f, const struct session *s,
	const struct session_service *service)
{
	const char *sub = subject(f, "service", service->name);
	const struct attest_variant *v = service->attestation.item;
	struct buf b = {0};

	for (size_t i = 0; i < service->command.count; i++) {
		buf_text(&b, i > 0 ? " " : "");
		put_quoted(&b, service->command.item[i]);
	}
	add_buf(f, sub, FACT_RUNS, &b);
	if (strcmp(service->pwd, "/") != 0)
		add(f, sub, FACT_DIRECTORY, "%s", service->pwd);
	if (service->image_name)
		add(f, sub, FACT_IMAGE, "%s", service->image_name);
	for (size_t i = 0; i < service->environment.count; i++) {
		const struct text_pair *p = &service->environment.item[i];
		struct buf name = {0};

		buf_format(&name, "%s: variable %s", sub, p->key);
		put_quoted(&b, p->value);
		add_buf(f,
			name.data ? pool_text(&f->pool, (char *)name.data,
					    name.size)
				  : NULL,
			FACT_IS, &b);
		f->failed = f->failed || buf_check(&name) < 0;
		buf_fini(&name);
	}
	for (size_t i = 0; i < service->attestation.count; i++)
		add_variant(f, sub, &v[i]);
	for (size_t i = 0; i < service->platforms.count; i++)
		add(f, sub, FACT_PLATFORM, "%s", service->platforms.item[i]);
	add_password(f, sub, service->otp_secret);
	add_root(f, sub, service);
	add_bounds(f, sub, service);
	add_secrets(f, sub, s, service);
}

/* ---- secrets, volumes ---- */

static void put_ref(struct buf *b, const struct session_ref *r)
{
	buf_format(b, "%s %s", r->session ? "session" : "name space",
		r->session ? r->session : r->namespace);
	if (r->hash.size) {
		buf_text(b, " in the version ");
		put_hash(b, r->hash);
	}
	if (r->session && !r->hash.size)
		buf_text(b, " in any version");
}

static void add_exports(struct facts *f, const char *sub,
	const struct item_list *list, bool volume)
{
	const struct session_ref *r = list->item;

	for (size_t i = 0; i < list->count; i++) {
		struct buf b = {0};

		put_ref(&b, &r[i]);
		if (volume)
			buf_format(&b, ", %s%s%s",
				session_update_policies[r[i].update_policy],
				r[i].alias ? ", as " : "",
				r[i].alias ? r[i].alias : "");
		add_buf(f, sub, FACT_EXPORT, &b);
	}
}

static void put_made(struct buf *b, const struct secret_spec *s)
{
	if (s->kind == SECRET_ASCII || s->kind == SECRET_BINARY)
		buf_format(b, " of %llu bytes", (unsigned long long)s->size);
	if (s->charset) {
		buf_text(b, " out of ");
		put_quoted(b, s->charset);
	}
	if (s->kind == SECRET_PRIVATE_KEY)
		buf_format(b, " %s", session_key_types[s->key_type]);
	if (s->issuer)
		buf_format(b, ", issued by %s", s->issuer);
	if (s->common_name) {
		buf_text(b, ", for ");
		put_quoted(b, s->common_name);
	}
	if (s->endpoint != ENDPOINT_ANY)
		buf_format(b, ", %s", session_endpoints[s->endpoint]);
	if (s->san.count > 0) {
		buf_text(b, ", names ");
		put_all(b, &s->san);
	}
	if (s->algorithm)
		buf_format(b, ", %s", s->algorithm);
	if (s->valid_for)
		buf_format(b, ", valid for %llu s",
			(unsigned long long)s->valid_for);
	for (size_t i = 0; i < s->payload.count; i++) {
		buf_format(b, ", %s ", s->payload.item[i].key);
		put_quoted(b, s->payload.item[i].value);
	}
}

static void add_secret(struct facts *f, const struct secret_spec *s)
{
	const char *sub = subject(f, "secret", s->name);
	struct buf b = {0};

	buf_text(&b,
		s->kind == SECRET_IMPORTED ? "imported"
					   : session_secret_kinds[s->kind]);
	if (s->import.count > 0) {
		const struct session_ref *r = s->import.item;

		buf_format(&b, ", secret %s of ", r->secret);
		put_ref(&b, r);
	} else {
		if (s->private_key)
			buf_format(&b, " with key %s", s->private_key);
		if (s->value)
			buf_text(&b, ", given");
		else
			put_made(&b, s);
		if (s->migrate)
			buf_text(&b, ", kept when the policy changes");
	}
	add_buf(f, sub, FACT_IS, &b);
	if (s->rotate_every)
		add(f, sub, FACT_ROTATES,
			"%llu s, the one before told for "
			"%llu s",
			(unsigned long long)s->rotate_every,
			(unsigned long long)s->rotate_grace);
	if (s->export_public)
		add(f, sub, FACT_PUBLIC, "anybody");
	add_exports(f, sub, &s->exports, false);
}

static void add_volume(struct facts *f, const struct session_volume *v)
{
	const char *sub = subject(f, "volume", v->name);
	struct buf b = {0};

	buf_text(&b,
		v->authenticated_only ? "authenticated, not encrypted"
				      : "encrypted");
	if (v->import.count > 0) {
		const struct session_ref *r = v->import.item;

		buf_format(&b, ", volume %s of ", r->secret);
		put_ref(&b, r);
	}
	if (v->key)
		buf_format(&b, ", key %s", v->key[0] == '$' ? v->key : "given");
	if (v->tag)
		buf_format(&b, ", tag %s", v->tag);
	add_buf(f, sub, FACT_IS, &b);
	add_exports(f, sub, &v->exports, true);
}

static void add_image(struct facts *f, const struct session_image *m)
{
	static const char *const types[] = {"host", "tmpfs", "proc", "dev"};
	const char *sub = subject(f, "image", m->name);
	const struct image_volume *v = m->volumes.item;
	const struct injection_file *files = m->files.item;
	const struct mount_spec *mounts = m->mounts.item;

	add(f, sub, FACT_IS, "%s", m->root ? m->root : "the host's files");
	for (size_t i = 0; i < m->volumes.count; i++)
		add(f, sub, FACT_VOLUME, "%s at %s, %s%s", v[i].name, v[i].path,
			session_update_policies[v[i].update_policy],
			v[i].ro ? ", read-only" : "");
	for (size_t i = 0; i < m->files.count; i++) {
		struct buf b = {0}, name = {0};

		buf_format(&name, "%s: file %s", sub, files[i].path);
		buf_format(
			&b, "mode 0%llo, ", (unsigned long long)files[i].mode);
		if (files[i].content)
			put_quoted(&b, files[i].content);
		else
			buf_text(&b, "the image's with variables replaced");
		f->failed = f->failed || buf_check(&name) < 0;
		add_buf(f,
			name.data ? pool_text(&f->pool, (char *)name.data,
					    name.size)
				  : NULL,
			FACT_IS, &b);
		buf_fini(&name);
	}
	for (size_t i = 0; i < m->mounts.count; i++)
		add(f, sub, FACT_MOUNT, "%s at %s%s%s, %llu bytes%s",
			types[mounts[i].type], mounts[i].target,
			mounts[i].source ? " from " : "",
			mounts[i].source ? mounts[i].source : "",
			(unsigned long long)mounts[i].size,
			mounts[i].ro ? ", read-only" : "");
	for (size_t i = 0; i < m->provide_secrets.count; i++)
		add(f, sub, FACT_PROVIDES, "%s", m->provide_secrets.item[i]);
}

/* ---- the session ---- */

const struct access_rule *facts_rule(
	struct buf *b, const struct access_rule *rule)
{
	static const char *const words[] = {
		[PRINCIPAL_CREATOR] = "its creator",
		[PRINCIPAL_ANY] = "everybody",
		[PRINCIPAL_NONE] = "nobody",
	};
	const struct access_rule *next = rule + 1;

	switch (rule->kind) {
	case PRINCIPAL_AT_LEAST:
		if (rule->need == rule->count)
			buf_text(b, "all of (");
		else
			buf_format(
				b, "%llu of (", (unsigned long long)rule->need);
		for (uint64_t i = 0; i < rule->count; i++) {
			buf_text(b, i > 0 ? ", " : "");
			next = facts_rule(b, next);
		}
		buf_text(b, ")");
		break;
	case PRINCIPAL_KEY:
		buf_text(b, "key ");
		put_hash(b, rule->key);
		break;
	case PRINCIPAL_SIGNER:
	case PRINCIPAL_VARIABLE:
		buf_text(b, rule->kind == PRINCIPAL_SIGNER ? "signer " : "");
		put_hash(b, rule->key);
		buf_text(b, rule->variable ? rule->variable : "");
		if (rule->organisation) {
			buf_text(b, " of ");
			put_quoted(b, rule->organisation);
		}
		break;
	default:
		buf_text(b, words[rule->kind]);
	}
	return next;
}

static void add_rules(struct facts *f, const char *sub, enum fact_kind kind,
	const struct item_list *list)
{
	const struct access_rule *r = list->item;
	const struct access_rule *end = list->count ? r + list->count : r;

	while (r < end) {
		struct buf b = {0};

		r = facts_rule(&b, r);
		add_buf(f, sub, kind, &b);
	}
}

static void add_security(struct facts *f, const struct session_security *s)
{
	if (s->singleton)
		add(f, "evidence", FACT_SINGLETON, "each start");
	if (s->access_token)
		add(f, "evidence", FACT_TOKEN, "%s",
			s->access_token[0] == '$' ? s->access_token
						  : "a given one");
	if (s->attestation)
		add(f, "evidence", FACT_RULES, "%s", s->attestation);
	if (s->mode != MODE_HARDWARE)
		add(f, "evidence", FACT_MODE, "%s", session_modes[s->mode]);
	for (size_t i = 0; i < ARRAY_SIZE(session_tolerances); i++)
		if (s->tolerate >> i & 1)
			add(f, "evidence", FACT_TOLERATES, "%s",
				session_tolerances[i]);
	for (size_t i = 0; i < s->ignore_advisories.count; i++)
		add(f, "evidence", FACT_IGNORES, "%s",
			s->ignore_advisories.item[i]);
	add_password(f, "evidence", s->otp_secret);
}

static void add_hash(struct facts *f, enum fact_kind kind, struct bytes hash)
{
	struct buf b = {0};

	if (hash.size == 0)
		return;
	put_hash(&b, hash);
	add_buf(f, "session", kind, &b);
}

static void add_session(struct facts *f, const struct session *s)
{
	static const enum fact_kind rights[ACCESS_RIGHTS] = {
		[ACCESS_READ] = FACT_READ,
		[ACCESS_UPDATE] = FACT_UPDATE,
		[ACCESS_CREATE_SESSIONS] = FACT_CREATE,
		[ACCESS_LIST_SESSIONS] = FACT_LIST,
		[ACCESS_DELETE] = FACT_DELETE,
	};

	add(f, "session", FACT_VERSION, "%s", s->version);
	if (s->access_variable)
		add(f, "access", FACT_RULES, "%s", s->access_variable);
	for (size_t i = 0; i < ACCESS_RIGHTS; i++)
		add_rules(f, "access", rights[i], &s->access[i]);
	add_security(f, &s->security);
	if (s->board.open_for != 7 * 86400)
		add(f, "board", FACT_OPEN, "%llu s",
			(unsigned long long)s->board.open_for);
	if (s->board.open_at_least)
		add(f, "board", FACT_OPEN_LEAST, "%llu s",
			(unsigned long long)s->board.open_at_least);
	add_rules(f, "board", FACT_VETO, &s->board.veto);
	if (s->requirements.rollback)
		add(f, "session", FACT_ROLLBACK, "%s",
			session_rollbacks[s->requirements.rollback]);
	add_hash(f, FACT_SALT, s->salt);
	add_hash(f, FACT_AUDIT, s->audit_key);
	add_hash(f, FACT_NAMESPACE, s->namespace_hash);
}

/* ---- the list ---- */

static int compare(const void *a, const void *b)
{
	const struct fact *x = a, *y = b;
	int order = strcmp(x->subject, y->subject);

	if (order == 0)
		order = (x->kind > y->kind) - (x->kind < y->kind);
	return order ? order : strcmp(x->value, y->value);
}

static void sort(struct facts *f)
{
	struct fact *list = (struct fact *)(void *)f->list.data;
	size_t kept = 0;

	if (f->list.count > 1)
		qsort(list, f->list.count, sizeof(*list), compare);
	for (size_t i = 0; i < f->list.count; i++)
		if (kept == 0 || compare(&list[kept - 1], &list[i]) != 0)
			list[kept++] = list[i];
	f->list.count = kept;
}

int facts_collect(struct facts *f, const struct session *s)
{
	const struct session_service *services = s->services.item;
	const struct secret_spec *secrets = s->secrets.item;
	const struct session_volume *volumes = s->volumes.item;
	const struct session_image *images = s->images.item;

	add_session(f, s);
	for (size_t i = 0; i < s->services.count; i++)
		add_service(f, s, &services[i]);
	for (size_t i = 0; i < s->secrets.count; i++)
		add_secret(f, &secrets[i]);
	for (size_t i = 0; i < s->volumes.count; i++)
		add_volume(f, &volumes[i]);
	for (size_t i = 0; i < s->images.count; i++)
		add_image(f, &images[i]);
	if (f->failed)
		return -ENOMEM;
	sort(f);
	return 0;
}

void facts_fini(struct facts *f)
{
	pool_fini(&f->pool);
	*f = (struct facts){0};
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of secrets: memory, look-up, what is due, what services write. */
#include "cas/secret_int.h"

#include <errno.h>
#include <stdlib.h>

#include <openssl/evp.h>

#include "cas/secret_key.h"
#include "lib/string.h"

static const char *const kind_names[SECRET_KINDS] = {
	[SECRET_ASCII] = "ascii",
	[SECRET_BINARY] = "binary",
	[SECRET_PRIVATE_KEY] = "private-key",
	[SECRET_PUBLIC_KEY] = "public-key",
	[SECRET_X509] = "x509",
	[SECRET_X509_CA] = "x509-ca",
	[SECRET_JWT] = "jwt",
	[SECRET_CONFIG_FRAGMENT] = "config-fragment",
};

const char *secret_kind_name(uint64_t kind)
{
	return kind < SECRET_KINDS ? kind_names[kind] : "unknown";
}

int blob_set(struct blob *b, const void *data, size_t size)
{
	uint8_t *copy;

	if (size > SECRET_VALUE_MAX)
		return -E2BIG;
	copy = malloc(size + 1);
	if (!copy)
		return -ENOMEM;
	if (size)
		memcpy(copy, data, size);
	copy[size] = 0;
	blob_fini(b);
	*b = (struct blob){.data = copy, .size = size};
	return 0;
}

void blob_fini(struct blob *b)
{
	if (b->data)
		string_wipe(b->data, b->size);
	free(b->data);
	*b = (struct blob){0};
}

void version_fini(struct secret_version *v)
{
	blob_fini(&v->value);
	blob_fini(&v->key);
	for (size_t i = 0; i < v->chain_count; i++)
		blob_fini(&v->chain[i]);
	*v = (struct secret_version){0};
}

int version_copy(struct secret_version *to, const struct secret_version *from)
{
	int rc = blob_set(&to->value, from->value.data, from->value.size);

	if (!rc && from->key.data)
		rc = blob_set(&to->key, from->key.data, from->key.size);
	for (size_t i = 0; !rc && i < from->chain_count; i++) {
		rc = blob_set(&to->chain[i], from->chain[i].data,
			from->chain[i].size);
		to->chain_count = i + !rc;
	}
	to->made = from->made;
	to->until = from->until;
	return rc;
}

void secret_fini(struct secret *x)
{
	EVP_PKEY_free(x->pkey);
	version_fini(&x->now);
	version_fini(&x->before);
	free(x->name);
	*x = (struct secret){0};
}

int secret_set_new(size_t count, struct secret_set **out)
{
	struct secret_set *set = calloc(1, sizeof(*set));

	if (!set)
		return -ENOMEM;
	set->item = calloc(count ? count : 1, sizeof(*set->item));
	set->order = calloc(count ? count : 1, sizeof(struct secret *));
	if (!set->item || !set->order) {
		secret_set_free(set);
		return -ENOMEM;
	}
	set->count = count;
	*out = set;
	return 0;
}

void secret_set_free(struct secret_set *set)
{
	if (!set)
		return;
	for (size_t i = 0; set->item && i < set->count; i++)
		secret_fini(&set->item[i]);
	free(set->item);
	free(set->order);
	free(set);
}

static int compare_names(const void *a, const void *b)
{
	const struct secret *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

int secret_set_index(struct secret_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		set->order[i] = &set->item[i];
	qsort(set->order, set->count, sizeof(struct secret *), compare_names);
	for (size_t i = 1; i < set->count; i++)
		if (!strcmp(set->order[i - 1]->name, set->order[i]->name))
			return -EEXIST;
	return 0;
}

struct secret *secret_find(const struct secret_set *set, const char *name)
{
	size_t lo = 0, hi = set->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strcmp(name, set->order[mid]->name);

		if (!c)
			return set->order[mid];
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

int secret_pkey(struct secret *x, EVP_PKEY **out)
{
	const struct blob *der = x->kind == SECRET_PRIVATE_KEY ? &x->now.value
							       : &x->now.key;
	int rc;

	if (!x->pkey && (x->kind < SECRET_PRIVATE_KEY || !der->size))
		return -ENOKEY;
	if (!x->pkey) {
		rc = secret_key_load(der, &x->pkey);
		if (rc)
			return rc;
	}
	*out = x->pkey;
	return 0;
}

int64_t secret_set_due(const struct secret_set *set)
{
	int64_t due = INT64_MAX;

	for (size_t i = 0; i < set->count; i++) {
		const struct secret *x = &set->item[i];

		if (x->due && x->due < due)
			due = x->due;
		if (x->before_until && x->before_until < due)
			due = x->before_until;
	}
	return due;
}

int64_t secret_after(int64_t now, uint64_t seconds)
{
	const uint64_t most = 1ULL << 40; /* 35,000 years */

	return now + (int64_t)u64_min(seconds, most);
}

static bool is_text(const uint8_t *p, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if ((p[i] < 0x20 && p[i] != '\n' && p[i] != '\t') ||
			p[i] > 0x7e)
			return false;
	return true;
}

static int check_write(const struct secret *x, const struct secret_spec *spec,
	const void *value, size_t size, struct err *e)
{
	if (x->kind != SECRET_ASCII && x->kind != SECRET_BINARY)
		return err_setf(e, -EINVAL,
			"secret %s: services cannot write a value of kind %s; "
			"wanted ascii or binary",
			x->name, kind_names[x->kind]);
	if (x->origin == ORIGIN_GIVEN || x->origin == ORIGIN_IMPORTED ||
		!spec->writers.count)
		return err_setf(e, -EPERM,
			"secret %s: %s; only a value that CAS made can be "
			"replaced by a service",
			x->name,
			x->origin == ORIGIN_GIVEN ? "stands in the policy"
				: x->origin == ORIGIN_IMPORTED
				? "is another session's"
				: "has no `write` in the policy");
	if (!size || size > SECRET_BYTES_MAX)
		return err_setf(e, -EINVAL,
			"secret %s: a value of %zu bytes; wanted 1 to %d",
			x->name, size, SECRET_BYTES_MAX);
	if (x->kind == SECRET_ASCII && !is_text(value, size))
		return err_setf(e, -EINVAL,
			"secret %s: the value is not ASCII text; use kind "
			"binary",
			x->name);
	return 0;
}

static const struct secret_spec *spec_of(
	const struct secret_set *set, const struct session *s, struct secret *x)
{
	const struct secret_spec *spec = s->secrets.item;
	size_t i = (size_t)(x - set->item);

	if (i >= s->secrets.count || strcmp(spec[i].name, x->name))
		return NULL;
	return &spec[i];
}

int secret_write(struct secret_set *set, const struct session *s,
	const char *name, const void *value, size_t size, int64_t now,
	struct err *e)
{
	struct secret *x = secret_find(set, name);
	const struct secret_spec *spec = x ? spec_of(set, s, x) : NULL;
	struct secret_version v = {.made = now};
	int rc;

	if (!spec)
		return err_setf(e, -ENOENT, "%s: no such secret", name);
	rc = check_write(x, spec, value, size, e);
	if (rc)
		return rc;
	if (blob_set(&v.value, value, size))
		return err_setf(e, -ENOMEM, "out of memory");
	version_fini(&x->before);
	x->before_until = 0;
	if (spec->rotate_grace) {
		x->before = x->now;
		x->before_until = secret_after(now, spec->rotate_grace);
	} else {
		version_fini(&x->now);
	}
	x->now = v;
	x->origin = ORIGIN_WRITTEN;
	x->due = 0;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is looked at when all was read: the order of what has none, names that
 * are there twice, references to what is not there.
 */
#include <errno.h>
#include <stdlib.h>

#include "cas/session_read.h"
#include "lib/fmt.h"
#include "lib/schema_encode.h"
#include "lib/string.h"

/* ---- order ---- */

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void session_sort_texts(struct text_list *list)
{
	size_t kept = 0;

	if (list->count > 1)
		qsort(list->item, list->count, sizeof(*list->item),
			compare_texts);
	for (size_t i = 0; i < list->count; i++)
		if (kept == 0 || strcmp(list->item[kept - 1], list->item[i]))
			list->item[kept++] = list->item[i];
	list->count = kept;
}

struct form {
	const uint8_t *data;
	size_t size;
	size_t index;
};

static int compare_forms(const void *a, const void *b)
{
	const struct form *x = a, *y = b;
	int order = memcmp(x->data, y->data, u64_min(x->size, y->size));

	return order ? order : (x->size > y->size) - (x->size < y->size);
}

static int encode_item(struct reader *r, const struct schema *s,
	const void *item, struct form *f)
{
	struct cbor_writer w;
	uint8_t *data;

	cbor_writer_init(&w, NULL, 0);
	schema_encode(s, item, &w);
	data = pool_alloc(&r->pool, w.len);
	if (!data)
		return reader_no_memory(r);
	f->data = data;
	f->size = w.len;
	cbor_writer_init(&w, data, f->size);
	schema_encode(s, item, &w);
	return 0;
}

int session_sort_items(
	struct reader *r, struct item_list *list, const struct schema *s)
{
	struct form *forms;
	uint8_t *sorted;
	size_t kept = 0;

	if (list->count < 2)
		return 0;
	forms = pool_alloc(&r->pool, list->count * sizeof(*forms));
	sorted = pool_alloc(&r->pool, list->count * s->size);
	if (!forms || !sorted)
		return reader_no_memory(r);
	for (size_t i = 0; i < list->count; i++) {
		const uint8_t *item = (uint8_t *)list->item + i * s->size;
		int ret = encode_item(r, s, item, &forms[i]);

		if (ret < 0)
			return ret;
		forms[i].index = i;
	}
	qsort(forms, list->count, sizeof(*forms), compare_forms);
	for (size_t i = 0; i < list->count; i++) {
		if (i > 0 && compare_forms(&forms[i - 1], &forms[i]) == 0)
			continue;
		memcpy(sorted + kept++ * s->size,
			(uint8_t *)list->item + forms[i].index * s->size,
			s->size);
	}
	*list = (struct item_list){sorted, kept};
	return 0;
}

/* Named things begin with their name; files and mounts go by their path. */
static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int compare_files(const void *a, const void *b)
{
	const struct injection_file *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static int compare_image_volumes(const void *a, const void *b)
{
	const struct image_volume *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static int compare_mounts(const void *a, const void *b)
{
	const struct mount_spec *x = a, *y = b;

	return strcmp(x->target, y->target);
}

static void sort(struct item_list *list, size_t size,
	int (*compare)(const void *a, const void *b))
{
	if (list->count > 1)
		qsort(list->item, list->count, size, compare);
}

/* Few of them in each variant. */
static void sort_fields(struct text_map *map)
{
	for (size_t i = 1; i < map->count; i++) {
		struct text_pair pair = map->item[i];
		size_t k = i;

		for (; k > 0; k--) {
			const char *key = map->item[k - 1].key;

			if (cbor_key_compare(key, strlen(key), pair.key,
				    strlen(pair.key)) <= 0)
				break;
			map->item[k] = map->item[k - 1];
		}
		map->item[k] = pair;
	}
}

static int order_services(struct reader *r)
{
	struct session_service *s = r->s->services.item;
	int ret = 0;

	sort(&r->s->services, sizeof(*s), compare_names);
	for (size_t i = 0; i < r->s->services.count && ret == 0; i++) {
		struct attest_variant *v = s[i].attestation.item;

		session_sort_texts(&s[i].platforms);
		for (size_t k = 0; k < s[i].attestation.count; k++) {
			session_sort_texts(&v[k].mrenclave);
			sort_fields(&v[k].fields);
		}
		ret = session_sort_items(
			r, &s[i].attestation, &session_variant_schema);
	}
	return ret;
}

static int order_secrets(struct reader *r)
{
	struct secret_spec *s = r->s->secrets.item;
	int ret = 0;

	sort(&r->s->secrets, sizeof(*s), compare_names);
	for (size_t i = 0; i < r->s->secrets.count && ret == 0; i++) {
		session_sort_texts(&s[i].san);
		session_sort_texts(&s[i].writers);
		ret = session_sort_items(r, &s[i].exports, &session_ref_schema);
	}
	return ret;
}

static int order_volumes(struct reader *r)
{
	struct session_volume *v = r->s->volumes.item;
	int ret = 0;

	sort(&r->s->volumes, sizeof(*v), compare_names);
	for (size_t i = 0; i < r->s->volumes.count && ret == 0; i++)
		ret = session_sort_items(r, &v[i].exports, &session_ref_schema);
	return ret;
}

static void order_images(struct reader *r)
{
	struct session_image *m = r->s->images.item;

	sort(&r->s->images, sizeof(*m), compare_names);
	for (size_t i = 0; i < r->s->images.count; i++) {
		session_sort_texts(&m[i].provide_secrets);
		sort(&m[i].files, sizeof(struct injection_file), compare_files);
		sort(&m[i].volumes, sizeof(struct image_volume),
			compare_image_volumes);
		sort(&m[i].mounts, sizeof(struct mount_spec), compare_mounts);
	}
}

/* ---- names ---- */

static const char *const def_names[DEF_KINDS] = {
	"service", "secret", "volume", "image"};

static int compare_defs(const void *a, const void *b)
{
	const struct def *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order
		     : (x->at.line > y->at.line) - (x->at.line < y->at.line);
}

static int check_names(struct reader *r)
{
	for (int kind = 0; kind < DEF_KINDS; kind++) {
		struct grown *g = &r->defs[kind];
		struct def *defs = (struct def *)(void *)g->data;

		if (g->count > 1)
			qsort(defs, g->count, sizeof(*defs), compare_defs);
		for (size_t i = 1; i < g->count; i++)
			if (strcmp(defs[i - 1].name, defs[i].name) == 0)
				return reader_fail_at(r, defs[i].at,
					"%s %s is there twice; the other "
					"stands in line %u",
					def_names[kind], defs[i].name,
					defs[i - 1].at.line + 1);
	}
	return 0;
}

static struct place place_of(
	const struct reader *r, enum def_kind kind, const char *name)
{
	const struct def *defs = (const void *)r->defs[kind].data;

	for (size_t i = 0; i < r->defs[kind].count; i++)
		if (strcmp(defs[i].name, name) == 0)
			return defs[i].at;
	return (struct place){0};
}

/* No file twice. */
static int check_files(struct reader *r)
{
	const struct session_image *m = r->s->images.item;

	for (size_t i = 0; i < r->s->images.count; i++) {
		const struct injection_file *f = m[i].files.item;

		for (size_t k = 1; k < m[i].files.count; k++)
			if (strcmp(f[k - 1].path, f[k].path) == 0)
				return reader_fail_at(r,
					place_of(r, DEF_IMAGE, m[i].name),
					"image %s: file %s is there twice",
					m[i].name, f[k].path);
	}
	return 0;
}

/* ---- references ---- */

static const struct ref_row {
	const char *what;
	enum def_kind def;
} ref_rows[] = {
	[REF_VARIABLE] = {"secret", DEF_SECRET},
	[REF_SECRET] = {"secret", DEF_SECRET},
	[REF_KEY] = {"secret", DEF_SECRET},
	[REF_ISSUER] = {"secret", DEF_SECRET},
	[REF_IMAGE] = {"image", DEF_IMAGE},
	[REF_VOLUME] = {"volume", DEF_VOLUME},
	[REF_SERVICE] = {"service", DEF_SERVICE},
};

static bool is_there(const struct session *s, const struct ref *ref)
{
	switch (ref_rows[ref->kind].def) {
	case DEF_SERVICE:
		return session_service(s, ref->name);
	case DEF_VOLUME:
		return session_volume(s, ref->name);
	case DEF_IMAGE:
		return session_image(s, ref->name);
	default:
		return session_secret(s, ref->name);
	}
}

static int fail_ref(struct reader *r, const struct ref *ref)
{
	const struct grown *g = &r->defs[ref_rows[ref->kind].def];
	const struct def *defs = (const void *)g->data;
	const char *best = NULL;
	size_t least = SIZE_MAX;
	char mean[160] = "";

	for (size_t i = 0; i < g->count; i++)
		yaml_events_consider(ref->name, defs[i].name, &least, &best);
	/* Not for names of which no letter would be left. */
	if (best && least < strlen(ref->name))
		fmt_print(mean, sizeof(mean), "; did you mean '%s'?", best);
	return reader_fail_at(r, ref->at,
		"%s: '%.128s': the policy has no %s of that name%s", ref->key,
		ref->name, ref_rows[ref->kind].what, mean);
}

static int check_kind(struct reader *r, const struct ref *ref)
{
	const struct secret_spec *s = session_secret(r->s, ref->name);
	uint64_t wanted = ref->kind == REF_KEY ? SECRET_PRIVATE_KEY
					       : SECRET_X509_CA;

	if (s->kind == wanted || s->kind == SECRET_IMPORTED)
		return 0;
	return reader_fail_at(r, ref->at,
		"%s: secret %s is of kind %s; wanted %s", ref->key, ref->name,
		session_secret_kinds[s->kind], session_secret_kinds[wanted]);
}

static int check_refs(struct reader *r)
{
	const struct ref *refs = (const void *)r->refs.data;
	int ret = 0;

	for (size_t i = 0; i < r->refs.count && ret == 0; i++) {
		if (!is_there(r->s, &refs[i]))
			return fail_ref(r, &refs[i]);
		if (refs[i].kind == REF_KEY || refs[i].kind == REF_ISSUER)
			ret = check_kind(r, &refs[i]);
	}
	return ret;
}

/* ---- what belongs together ---- */

static int check_services(struct reader *r)
{
	const struct session_service *s = r->s->services.item;

	/* Rules of another session may say that none is wanted. */
	if (r->s->security.mode == MODE_NONE || r->s->security.attestation)
		return 0;
	for (size_t i = 0; i < r->s->services.count; i++)
		if (s[i].attestation.count == 0)
			return reader_fail_at(r,
				place_of(r, DEF_SERVICE, s[i].name),
				"service %s: no attestation: nothing says "
				"which program may be it; wanted mrenclave or "
				"signer, or security: {attestation: {mode: "
				"none}}",
				s[i].name);
	return 0;
}

static int check_jwt(struct reader *r, const struct secret_spec *s)
{
	static const char *const wanted[] = {[KEY_P256] = "ES256",
		[KEY_P384] = "ES384",
		[KEY_ED25519] = "EdDSA",
		[KEY_RSA_2048] = "no algorithm",
		[KEY_RSA_3072] = "no algorithm"};
	const struct secret_spec *key = session_secret(r->s, s->private_key);

	if (!key || key->kind != SECRET_PRIVATE_KEY || key->import.count > 0 ||
		strcmp(wanted[key->key_type], s->algorithm) == 0)
		return 0;
	return reader_fail_at(r, place_of(r, DEF_SECRET, s->name),
		"secret %s: alg %s with key %s of type %s, whose algorithm is "
		"%s",
		s->name, s->algorithm, key->name,
		session_key_types[key->key_type], wanted[key->key_type]);
}

static int check_issuers(struct reader *r, const struct secret_spec *s)
{
	const struct secret_spec *at = s;

	/* A chain longer than there are secrets goes round. */
	for (size_t i = 0; at && at->issuer; i++) {
		if (i > 64)
			return reader_fail_at(r,
				place_of(r, DEF_SECRET, s->name),
				"secret %s: its issuers go round, or are more "
				"than 64",
				s->name);
		at = session_secret(r->s, at->issuer);
	}
	return 0;
}

static int check_secrets(struct reader *r)
{
	const struct secret_spec *s = r->s->secrets.item;
	int ret = 0;

	for (size_t i = 0; i < r->s->secrets.count && ret == 0; i++) {
		if (s[i].kind == SECRET_JWT && s[i].private_key)
			ret = check_jwt(r, &s[i]);
		if (ret == 0 && s[i].issuer)
			ret = check_issuers(r, &s[i]);
	}
	return ret;
}

int session_settle(struct reader *r)
{
	int ret = check_names(r);

	if (ret == 0)
		ret = order_services(r);
	if (ret == 0)
		ret = order_secrets(r);
	if (ret == 0)
		ret = order_volumes(r);
	if (ret < 0)
		return ret;
	order_images(r);
	session_sort_texts(&r->s->security.ignore_advisories);
	ret = check_refs(r);
	if (ret == 0)
		ret = check_files(r);
	if (ret == 0)
		ret = check_services(r);
	return ret < 0 ? ret : check_secrets(r);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows in order of their keys: a treap, each row's priority being its name, a
 * keyed hash, so that nobody outside can choose keys that make it deep.
 */
#include "cas/store_int.h"

#include <stdlib.h>

#include "lib/string.h"

struct store_value *store_value_new(const void *data, size_t size)
{
	struct store_value *v = malloc(sizeof(*v) + size);

	if (!v)
		return NULL;
	v->refs = 1;
	v->size = size;
	if (size)
		memcpy(v->data, data, size);
	return v;
}

void store_value_put(struct store_value *v)
{
	if (!v || --v->refs)
		return;
	string_wipe(v->data, v->size);
	free(v);
}

struct store_row *store_row_new(
	enum store_table t, const char *key, size_t key_size)
{
	struct store_row *r = calloc(1, sizeof(*r) + key_size);

	if (!r)
		return NULL;
	r->table = (uint8_t)t;
	r->key_size = (uint16_t)key_size;
	memcpy(r->key, key, key_size);
	return r;
}

void store_row_free(struct store_row *r)
{
	if (r)
		store_value_put(r->value);
	free(r);
}

static int compare(const char *key, size_t key_size, const struct store_row *r)
{
	size_t n = u64_min(key_size, r->key_size);
	int c = memcmp(key, r->key, n);

	return c ? c : (key_size > r->key_size) - (key_size < r->key_size);
}

/* True if a is to be nearer to the root than b. */
static bool above(const struct store_row *a, const struct store_row *b)
{
	return memcmp(a->name, b->name, sizeof(a->name)) > 0;
}

struct store_row *store_tree_find(
	struct store_row *root, const char *key, size_t key_size)
{
	while (root) {
		int c = compare(key, key_size, root);

		if (!c)
			break;
		root = c < 0 ? root->left : root->right;
	}
	return root;
}

struct store_row *store_tree_next(
	struct store_row *root, const char *key, size_t key_size, bool equal)
{
	struct store_row *best = NULL;

	while (root) {
		int c = compare(key, key_size, root);

		if (!c && equal)
			return root;
		if (c < 0) {
			best = root;
			root = root->left;
		} else {
			root = root->right;
		}
	}
	return best;
}

void store_tree_insert(struct store_row **root, struct store_row *r)
{
	struct store_row *rest, **less, **more;

	while (*root && !above(r, *root))
		root = compare(r->key, r->key_size, *root) < 0
			? &(*root)->left
			: &(*root)->right;
	/* What is below is split by r's key. */
	rest = *root;
	*root = r;
	less = &r->left;
	more = &r->right;
	while (rest) {
		if (compare(r->key, r->key_size, rest) < 0) {
			*more = rest;
			more = &rest->left;
			rest = rest->left;
		} else {
			*less = rest;
			less = &rest->right;
			rest = rest->right;
		}
	}
	*less = NULL;
	*more = NULL;
}

void store_tree_remove(struct store_row **root, struct store_row *r)
{
	struct store_row *a, *b;

	while (*root != r)
		root = compare(r->key, r->key_size, *root) < 0
			? &(*root)->left
			: &(*root)->right;
	/* Its two subtrees are merged in its place. */
	for (a = r->left, b = r->right; a && b;) {
		if (above(a, b)) {
			*root = a;
			root = &a->right;
			a = a->right;
		} else {
			*root = b;
			root = &b->left;
			b = b->left;
		}
	}
	*root = a ? a : b;
	r->left = NULL;
	r->right = NULL;
}

void store_tree_free(struct store_row **root)
{
	while (*root) {
		struct store_row *r = *root;

		store_tree_remove(root, r);
		store_row_free(r);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Extended attributes: errors, limits, many of them against a plain array, and
 * that they go with their inode. */
#include <errno.h>
#include <linux/xattr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "test/unit/volume_fixture.h"
#include "unit.h"

enum verb { SET, GET, LIST, REMOVE };

struct row {
	enum verb verb;
	const char *name, *value;
	size_t size; /* of the buffer, for GET and LIST */
	int flags, result;
};

/* In order, on one file. */
static const struct row rows[] = {
	{GET, "user.a", "", 10, 0, -ENODATA},
	{LIST, "", "", 10, 0, 0},
	{REMOVE, "user.a", "", 0, 0, -ENODATA},
	{SET, "user.a", "one", 0, XATTR_REPLACE, -ENODATA},
	{SET, "user.a", "one", 0, XATTR_CREATE, 0},
	{SET, "user.a", "two", 0, XATTR_CREATE, -EEXIST},
	{GET, "user.a", "one", 10, 0, 3},
	{GET, "user.a", "", 0, 0, 3},
	{GET, "user.a", "", 2, 0, -ERANGE},
	{GET, "user.", "", 10, 0, -ENODATA},
	{GET, "user.aa", "", 10, 0, -ENODATA},
	{SET, "user.b", "", 0, 0, 0},
	{GET, "user.b", "", 10, 0, 0},
	{SET, "user.a", "longer", 0, XATTR_REPLACE, 0},
	{GET, "user.a", "longer", 6, 0, 6},
	{LIST, "", "", 0, 0, 14},
	{LIST, "", "", 13, 0, -ERANGE},
	{LIST, "", "user.b\0user.a\0", 14, 0, 14},
	{REMOVE, "user.a", "", 0, 0, 0},
	{GET, "user.a", "", 10, 0, -ENODATA},
	{LIST, "", "user.b\0", 14, 0, 7},
	{REMOVE, "user.b", "", 0, 0, 0},
	{LIST, "", "", 14, 0, 0},
	{SET, "user.a", "x", 0, 4, -EINVAL},
	{SET, "", "x", 0, 0, -ERANGE},
};

static int64_t perform(struct volume_node *n, const struct row *r, char *buffer)
{
	switch (r->verb) {
	case SET:
		return volume_xattr_set(
			n, r->name, r->value, strlen(r->value), r->flags);
	case GET:
		return volume_xattr_get(n, r->name, buffer, r->size);
	case LIST:
		return volume_xattr_list(n, buffer, r->size);
	default:
		return volume_xattr_remove(n, r->name);
	}
}

static void table(void **state)
{
	char buffer[32];
	struct volume_node *n;
	struct fixture f;

	fixture_init(&f, 1, 1 << 20);
	n = fixture_make(f.root, "file", S_IFREG);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		int64_t r;

		memset(buffer, 0, sizeof(buffer));
		r = perform(n, &rows[i], buffer);
		if (r != rows[i].result)
			fail_msg("row %u: %lld", i, (long long)r);
		if ((rows[i].verb == GET || rows[i].verb == LIST) && r > 0 &&
			rows[i].size)
			assert_memory_equal(buffer, rows[i].value, (size_t)r);
	}
	volume_put(n);
	fixture_fini(&f);
}

static void limits(void **state)
{
	static char value[65537], found[65537];
	struct volume_node *n;
	struct fixture f;
	char name[257];

	fixture_init(&f, 1, 1 << 20);
	n = fixture_make(f.root, "dir", S_IFDIR);
	memset(value, 'v', sizeof(value));
	memset(name, 'n', sizeof(name));
	name[256] = 0;
	assert_int_equal(volume_xattr_set(n, name, "", 0, 0), -ERANGE);
	name[255] = 0;
	assert_int_equal(volume_xattr_set(n, name, value, 65537, 0), -E2BIG);
	assert_int_equal(volume_xattr_set(n, name, value, 65536, 0), 0);
	assert_int_equal(
		volume_xattr_set(n, "second", value, 65536, 0), -ENOSPC);
	assert_int_equal(volume_xattr_set(n, "second", "2", 1, 0), 0);
	volume_put(n);
	fixture_reopen(&f);
	n = fixture_look(f.root, "dir");
	assert_int_equal(
		volume_xattr_get(n, name, found, sizeof(found)), 65536);
	assert_memory_equal(found, value, 65536);
	assert_int_equal(volume_xattr_get(n, "second", found, 1), 1);
	assert_int_equal(volume_xattr_remove(n, name), 0);
	assert_int_equal(volume_xattr_get(n, "second", found, 1), 1);
	assert_int_equal(volume_xattr_list(n, NULL, 0), 7);
	volume_put(n);
	fixture_fini(&f);
}

/* ---- against an array ---- */

enum { NAMES = 24, VALUE = 9000, STEPS = 3000 };

struct model {
	uint8_t value[NAMES][VALUE];
	int64_t size[NAMES]; /* < 0: it is not there */
};

static void against_array(void **state)
{
	uint64_t random = fixture_seed(1), inodes;
	struct model *m = calloc(1, sizeof(*m));
	static uint8_t found[VALUE];
	struct volume_node *n;
	struct fixture f;

	assert_non_null(m);
	fixture_init(&f, random, 1 << 20);
	inodes = f.v->state.inodes;
	n = fixture_make(f.root, "file", S_IFREG);
	for (unsigned i = 0; i < NAMES; i++)
		m->size[i] = -ENODATA;
	for (unsigned step = 0; step < STEPS; step++) {
		uint64_t r = volume_backend_random(&random);
		unsigned i = (unsigned)(r % NAMES);
		size_t size = (r >> 8) % 4 ? (r >> 16) % 200
					   : (r >> 16) % VALUE;
		char name[64];

		snprintf(name, sizeof(name), "user.%u%0*u", i, (int)i, 0);
		assert_int_equal(
			volume_xattr_get(n, name, found, VALUE), m->size[i]);
		if (m->size[i] > 0)
			assert_memory_equal(
				found, m->value[i], (size_t)m->size[i]);
		if ((r >> 12) % 4 == 0) {
			assert_int_equal(volume_xattr_remove(n, name),
				m->size[i] < 0 ? -ENODATA : 0);
			m->size[i] = -ENODATA;
		} else {
			uint8_t *value = m->value[i];
			int err;

			memset(found, (int)(r >> 32), size);
			err = volume_xattr_set(n, name, found, size, 0);
			if (err) {
				assert_int_equal(err, -ENOSPC);
			} else {
				memcpy(value, found, size);
				m->size[i] = (int64_t)size;
			}
		}
		if (step % 1000 == 999) {
			volume_put(n);
			fixture_reopen(&f);
			n = fixture_look(f.root, "file");
		}
	}
	assert_int_equal(f.v->state.inodes, inodes + 2);
	assert_int_equal(fixture_unlink(f.root, "file"), 0);
	assert_int_equal(volume_xattr_get(n, "user.none", found, 1), -ENODATA);
	assert_int_equal(volume_xattr_set(n, "user.late", "x", 1, 0), 0);
	volume_put(n);
	assert_int_equal(f.v->state.inodes, inodes);
	fixture_fini(&f);
	free(m);
}

/* ---- damage ---- */

static void damage(void **state)
{
	uint64_t random = fixture_seed(2);
	static char found[70000];
	struct fixture f;

	fixture_init(&f, 1, 1 << 20);
	for (unsigned round = 0; round < 1000; round++) {
		struct volume_node *n, *x;
		struct vol_object *o;
		struct vol_block *b;

		n = fixture_make(f.root, "file", S_IFREG);
		for (unsigned i = 0; i < 20; i++) {
			snprintf(found, sizeof(found), "user.%u", i);
			assert_int_equal(
				volume_xattr_set(n, found, found, i * 37, 0),
				0);
		}
		assert_int_equal(vol_begin(f.v, 2), 0);
		assert_int_equal(
			vol_node_object(f.v, n->inode.xattr, &x, &o), 0);
		assert_int_equal(vol_tree_get(o, 0, VOL_WRITE, &b), 0);
		for (unsigned k = 0; k < 5; k++) {
			uint64_t r = volume_backend_random(&random);

			b->data[r % 400] = (uint8_t)(r >> 32);
		}
		vol_tree_put(b);
		vol_end(f.v);
		volume_put(x);
		assert_in_range(
			volume_xattr_list(n, found, sizeof(found)) + 100, 1,
			sizeof(found));
		(void)!volume_xattr_get(n, "user.7", found, sizeof(found));
		(void)!volume_xattr_set(n, "user.7", found, 100, 0);
		(void)!volume_xattr_remove(n, "user.8");
		volume_put(n);
		assert_int_equal(fixture_unlink(f.root, "file"), 0);
	}
	assert_int_equal(f.v->state.inodes, 1);
	fixture_fini(&f);
}

/* An inode that says that another's attributes are its own. */
static void stolen(void **state)
{
	struct volume_node *a, *b;
	struct fixture f;
	char value[4];

	fixture_init(&f, 1, 1 << 20);
	a = fixture_make(f.root, "a", S_IFREG);
	b = fixture_make(f.root, "b", S_IFREG);
	assert_int_equal(volume_xattr_set(a, "user.a", "1", 1, 0), 0);
	b->inode.xattr = a->inode.xattr;
	assert_int_equal(volume_xattr_get(b, "user.a", value, 4), -EBADMSG);
	assert_int_equal(volume_xattr_set(b, "user.a", "2", 1, 0), -EBADMSG);
	b->inode.xattr = a->object.number;
	assert_int_equal(volume_xattr_get(b, "user.a", value, 4), -EBADMSG);
	b->inode.xattr = 12345;
	assert_int_equal(volume_xattr_get(b, "user.a", value, 4), -EBADMSG);
	b->inode.xattr = 0;
	assert_int_equal(volume_xattr_get(a, "user.a", value, 4), 1);
	assert_int_equal(
		volume_get(f.v, a->inode.xattr, &(struct volume_node *){NULL}),
		-ENOENT);
	volume_put(a);
	volume_put(b);
	fixture_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(limits),
		cmocka_unit_test(against_array),
		cmocka_unit_test(damage),
		cmocka_unit_test(stolen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store whose host lies: what it does to rows and records, and what CAS says
 * when it opens the store again. Each text is another one: each is the word of
 * one check.
 */
#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/store_fake.h"

static struct fake_disk disk, old;
static struct fake_holder holder;
static struct store *store;
static struct err e;
static uint8_t key_byte;

static int open_store(bool create, bool held)
{
	struct store_options o = {.backend = &fake_backend,
		.backend_arg = &disk,
		.freshness = held ? &holder.freshness : NULL,
		.no_thread = true};

	memset(o.key, key_byte, sizeof(o.key));
	e = (struct err){0};
	return store_open(&o, create, &store, &e);
}

static void put(const char *key, const char *value)
{
	struct store_txn *x = store_begin(store);
	struct audit_event event = {.what = "test", .object = key};

	if (value)
		store_put(x, STORE_VOLUME, key, strlen(key), value,
			strlen(value));
	else
		store_delete(x, STORE_VOLUME, key, strlen(key));
	store_audit(x, &event);
	assert_int_equal(store_submit(x, NULL, NULL), 0);
	assert_int_equal(store_step(store), 0);
	store_complete(store);
}

static void close_store(void)
{
	store_close(store);
	store = NULL;
}

/* Four rows and six records; `old` is the disk as it was at record 4. */
static int setup(void **state)
{
	disk = old = (struct fake_disk){0};
	fake_holder_init(&holder);
	key_byte = 9;
	assert_int_equal(open_store(true, true), 0);
	put("a", "1");
	put("b", "1");
	put("c", "1");
	fake_disk_copy(&disk, &old);
	put("d", "1");
	put("a", "2");
	assert_int_equal(disk.rows.count, 4);
	assert_int_equal(disk.records.count, 6);
	close_store();
	return 0;
}

static int teardown(void **state)
{
	close_store();
	fake_disk_fini(&disk);
	fake_disk_fini(&old);
	return 0;
}

static void refused(int code, const char *text)
{
	int ret = open_store(false, true);

	if (ret != code || !strstr(e.text, text))
		fail_msg("%d %s; wanted %d %s", ret, e.text, code, text);
	store = NULL;
	assert_int_equal(holder.opens, holder.stops);
}

static void swap(void *a, void *b, size_t size)
{
	uint8_t t[sizeof(struct fake_blob)];

	assert_true(size <= sizeof(t));
	memcpy(t, a, size);
	memcpy(a, b, size);
	memcpy(b, t, size);
}

/* The row that only one of the two disks has so. */
static struct fake_blob *row_of(struct fake_disk *d, const uint8_t *name)
{
	size_t i = 0;

	while (i < d->rows.count &&
		memcmp(d->rows.item[i].name, name, STORE_ROW_NAME_SIZE) != 0)
		i++;
	assert_true(i < d->rows.count);
	return &d->rows.item[i];
}

/* "a" was changed last, so it is the last row of the list. */
static struct fake_blob *row_a(void)
{
	return &disk.rows.item[3];
}

static void test_untouched(void **state)
{
	assert_int_equal(open_store(false, true), 0);
}

/* ---- rows ---- */
static void test_row_bit(void **state)
{
	/* Every bit of one: the seq in front, the head, text and tag. */
	for (size_t bit = 0; bit < 8 * row_a()->size; bit++) {
		uint8_t *p = &row_a()->data[bit / 8];
		int ret;

		*p ^= (uint8_t)(1 << bit % 8);
		ret = open_store(false, true);
		assert_true(ret == -EBADMSG || ret == -EKEYREJECTED);
		assert_non_null(strstr(e.text, "row "));
		*p ^= (uint8_t)(1 << bit % 8);
	}
	row_a()->data[60] ^= 1;
	refused(-EBADMSG, ": altered, or taken from another place");
}

static void test_row_short(void **state)
{
	row_a()->size = 20;
	refused(-EBADMSG, ": cut off");
}

static void test_rows_swapped(void **state)
{
	swap(&disk.rows.item[0].data, &disk.rows.item[1].data, sizeof(void *));
	refused(-EBADMSG, ": altered, or taken from another place");
}

static void test_row_renamed(void **state)
{
	row_a()->name[3] ^= 1;
	refused(-EBADMSG, ": altered, or taken from another place");
}

static void test_row_replayed(void **state)
{
	struct fake_blob *then = row_of(&old, row_a()->name);

	swap(then, row_a(), sizeof(*then));
	refused(-EBADMSG, "an old row stands in place of a newer one");
}

static void test_row_deleted(void **state)
{
	fake_list_remove(&disk.rows, 2);
	refused(-EBADMSG, "rows were deleted");
}

static void test_row_brought_back(void **state)
{
	assert_int_equal(open_store(false, true), 0);
	put("c", NULL);
	close_store();
	fake_list_add(&disk.rows, &old.rows.item[2]);
	refused(-EBADMSG, "rows were added");
}

static void test_row_twice(void **state)
{
	fake_list_add(&disk.rows, row_a());
	refused(-EBADMSG, ": there twice");
}

/* One goes, an old one comes: their number is right. */
static void test_row_exchanged(void **state)
{
	assert_int_equal(open_store(false, true), 0);
	put("c", NULL);
	close_store();
	fake_list_remove(&disk.rows, 0);
	fake_list_add(&disk.rows, &old.rows.item[2]);
	refused(-EBADMSG, "an old row stands in place of a newer one");
}

/* The order of rows means nothing. */
static void test_rows_reordered(void **state)
{
	swap(&disk.rows.item[0], &disk.rows.item[3], sizeof(struct fake_blob));
	assert_int_equal(open_store(false, true), 0);
}

/* A row of the record that was lost when CAS was killed. */
static void test_row_of_the_future(void **state)
{
	struct fake_disk now;

	fake_disk_copy(&disk, &now);
	assert_int_equal(open_store(false, false), 0);
	struct store_txn *x = store_begin(store);

	store_put(x, STORE_VOLUME, "a", 1, "3", 1);
	assert_int_equal(store_submit(x, NULL, NULL), 0);
	assert_int_equal(
		store_set_freshness(store, &holder.freshness, 0, &e), 0);
	assert_int_equal(store_step(store), 0);
	close_store();
	swap(row_a(), row_of(&now, row_a()->name), sizeof(struct fake_blob));
	fake_disk_fini(&disk);
	disk = now; /* with the newer row */
	refused(-EBADMSG, ": of a record that is not there");
}

/* ---- records ---- */
static void test_record_bit(void **state)
{
	struct fake_blob *r = &disk.records.item[5];

	for (size_t bit = 0; bit < 8 * r->size; bit++) {
		int ret;

		r->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ret = open_store(false, true);
		assert_true(ret == -EBADMSG || ret == -EKEYREJECTED);
		assert_non_null(strstr(e.text, "record 6: "));
		r->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	r->data[50] ^= 1;
	refused(-EBADMSG, "record 6: altered, or taken from another place");
}

static void test_record_deleted(void **state)
{
	fake_list_remove(&disk.records, 2);
	refused(-EBADMSG, "record 3: missing");
}

static void test_records_reordered(void **state)
{
	swap(&disk.records.item[2].data, &disk.records.item[3].data,
		sizeof(void *));
	refused(-EBADMSG, "record 3: altered, or taken from another place");
}

static void test_record_twice(void **state)
{
	fake_list_add(&disk.records, &disk.records.item[5]);
	refused(-EBADMSG, "record 6: there twice");
}

static void test_log_deleted(void **state)
{
	while (disk.records.count)
		fake_list_remove(&disk.records, 0);
	refused(-EBADMSG, "all of its log was deleted");
}

/* A record that was written when CAS was killed, and replaced since. */
static void test_record_replayed(void **state)
{
	struct fake_blob *lost;

	/* From the old disk it makes another record 5. */
	struct fake_disk now = disk;

	disk = old;
	fake_holder_init(&holder);
	struct store_options o = {.backend = &fake_backend,
		.backend_arg = &disk,
		.freshness = &holder.freshness,
		.accept_seq = 4,
		.no_thread = true};

	memset(o.key, key_byte, sizeof(o.key));
	assert_int_equal(store_open(&o, false, &store, &e), 0);
	put("z", "3");
	close_store();
	old = disk;
	disk = now;
	lost = &old.records.item[4];
	assert_int_equal(lost->seq, 5);
	swap(lost, &disk.records.item[4], sizeof(*lost));
	refused(-EBADMSG, "record 6: does not follow record 5");
}

/* The end is gone, and the rows are those of today. */
static void test_log_cut(void **state)
{
	fake_list_remove(&disk.records, 5);
	refused(-EBADMSG, ": of a record that is not there");
}

/* ---- all of it ---- */
static void test_old_snapshot(void **state)
{
	struct fake_disk now = disk;

	disk = old;
	old = now;
	refused(-ESTALE, "rolled back: the store's newest record is 4");
	assert_non_null(strstr(e.text, "record 6 ("));
	/* Without a holder nobody knows: it must not commit, though. */
	assert_int_equal(open_store(false, false), 0);
	struct store_txn *x = store_begin(store);

	store_put(x, STORE_VOLUME, "a", 1, "3", 1);
	assert_int_equal(store_submit(x, NULL, NULL), 0);
	assert_int_equal(store_step(store), -EAGAIN);
	assert_int_equal(
		store_set_freshness(store, &holder.freshness, 0, &e), -ESTALE);
	assert_int_equal(store_step(store), -EAGAIN);
}

/* Two copies of CAS on two copies of the store. */
static void test_split_view(void **state)
{
	struct store *first;
	struct fake_disk twin;

	fake_disk_copy(&disk, &twin);
	assert_int_equal(open_store(false, true), 0);
	put("a", "left");
	first = store;
	/* The second takes charge of the twin, which is one behind. */
	struct fake_disk left = disk;

	disk = twin;
	assert_int_equal(open_store(false, true), -ESTALE);
	assert_non_null(strstr(e.text, "rolled back"));
	/* And one that has another record of the same number. */
	struct fake_holder real = holder;

	fake_holder_init(&holder);
	struct store_options o = {.backend = &fake_backend,
		.backend_arg = &disk,
		.freshness = &holder.freshness,
		.accept_seq = 6,
		.no_thread = true};

	memset(o.key, key_byte, sizeof(o.key));
	assert_int_equal(store_open(&o, false, &store, &e), 0);
	put("a", "right");
	close_store();
	holder = real;
	holder.stops = holder.opens;
	refused(-ESTALE, "forked: the store's newest record is 7");
	twin = disk;
	disk = left;
	store = first;
	close_store();
	fake_disk_fini(&twin);
}

static void test_other_key(void **state)
{
	key_byte = 10;
	refused(-EKEYREJECTED, "record 1: sealed with another cluster's key");
}

/* All of it by another cluster, rows of this one put in. */
static void test_foreign_row(void **state)
{
	struct fake_disk mine = disk;

	disk = (struct fake_disk){0};
	key_byte = 10;
	fake_holder_init(&holder);
	assert_int_equal(open_store(true, true), 0);
	for (int i = 0; i < 6; i++)
		put("a", "1");
	close_store();
	swap(&disk.rows.item[0], &mine.rows.item[3], sizeof(struct fake_blob));
	memcpy(disk.rows.item[0].name, mine.rows.item[3].name, 32);
	refused(-EKEYREJECTED, ": sealed with another cluster's key");
	fake_disk_fini(&mine);
}

/* An empty disk in place of the store: a new CAS must not come up as this. */
static void test_emptied(void **state)
{
	fake_disk_fini(&disk);
	assert_int_equal(open_store(true, true), -ESTALE);
	assert_non_null(strstr(e.text, "rolled back"));
	store = NULL;
}

/* ---- while it runs ---- */
static int nothing(void *arg, const struct store_record *r)
{
	return 0;
}

/* Records are verified each time somebody reads them. */
static void test_log_later(void **state)
{
	assert_int_equal(open_store(false, true), 0);
	assert_int_equal(store_log(store, 1, 0, nothing, NULL, &e), 0);
	disk.records.item[1].data[50] ^= 1;
	assert_int_equal(store_log(store, 1, 0, nothing, NULL, &e), -EBADMSG);
	assert_non_null(strstr(e.text, "record 2: altered"));
	assert_int_equal(store_log(store, 3, 0, nothing, NULL, &e), 0);
	disk.records.item[1].data[50] ^= 1;
	fake_list_remove(&disk.records, 5);
	assert_int_equal(store_log(store, 1, 0, nothing, NULL, &e), -EBADMSG);
	assert_non_null(strstr(e.text, "record 6: missing"));
	fake_list_remove(&disk.records, 0);
	assert_int_equal(store_log(store, 1, 3, nothing, NULL, &e), -EBADMSG);
	assert_non_null(strstr(e.text, "record 1: missing"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_untouched),
		T(test_row_bit),
		T(test_row_short),
		T(test_rows_swapped),
		T(test_row_renamed),
		T(test_row_replayed),
		T(test_row_deleted),
		T(test_row_brought_back),
		T(test_row_twice),
		T(test_row_exchanged),
		T(test_rows_reordered),
		T(test_row_of_the_future),
		T(test_record_bit),
		T(test_record_deleted),
		T(test_records_reordered),
		T(test_record_twice),
		T(test_log_deleted),
		T(test_record_replayed),
		T(test_log_cut),
		T(test_old_snapshot),
		T(test_split_view),
		T(test_other_key),
		T(test_foreign_row),
		T(test_emptied),
		T(test_log_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

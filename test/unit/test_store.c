/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store: the map, transactions, groups, failures and restarts. What a
 * lying disk can do is in test_store_attack.c.
 */
#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cas/audit.h"
#include "lib/fmt.h"
#include "test/unit/store_fake.h"

static struct fake_disk disk;
static struct fake_holder holder;
static struct store *store;
static struct err e;
static int64_t clock_now;

static int64_t now(void *arg)
{
	return clock_now;
}

static struct store_options options(bool held)
{
	struct store_options o = {.backend = &fake_backend,
		.backend_arg = &disk,
		.freshness = held ? &holder.freshness : NULL,
		.now = now,
		.no_thread = true};

	memset(o.key, 7, sizeof(o.key));
	return o;
}

static void open_store(bool create, bool held)
{
	struct store_options o = options(held);

	assert_int_equal(store_open(&o, create, &store, &e), 0);
}

/* As if CAS were killed: nothing more is committed. */
static void crash(void)
{
	disk.fail = -EIO;
	disk.done = false;
	store_close(store);
	store = NULL;
	disk.fail = 0;
}

static int setup(void **state)
{
	disk = (struct fake_disk){0};
	fake_holder_init(&holder);
	clock_now = 1000;
	e = (struct err){0};
	open_store(true, false);
	return 0;
}

static int teardown(void **state)
{
	store_close(store);
	store = NULL;
	fake_disk_fini(&disk);
	return 0;
}

static int called, last_status;

static void done(void *arg, int status)
{
	called++;
	last_status = status;
	if (arg)
		*(int *)arg = called;
}

static int put(const char *key, const char *value, store_done_fn *fn, void *arg)
{
	struct store_txn *x = store_begin(store);

	if (value)
		store_put(x, STORE_SESSION, key, strlen(key), value,
			strlen(value));
	else
		store_delete(x, STORE_SESSION, key, strlen(key));
	return store_submit(x, fn, arg);
}

static void commit(void)
{
	int ret;

	while ((ret = store_step(store)) == 0)
		;
	assert_int_equal(ret, 1);
	store_complete(store);
}

static void expect(const char *key, const char *value)
{
	const void *data;
	size_t size;
	bool there = store_get(
		store, STORE_SESSION, key, strlen(key), &data, &size, NULL);

	assert_int_equal(there, value != NULL);
	if (!value)
		return;
	assert_int_equal(size, strlen(value));
	assert_memory_equal(data, value, size);
}

static void test_map(void **state)
{
	uint64_t seq;
	const void *data;
	size_t size;

	called = 0;
	assert_int_equal(put("a", "1", done, NULL), 0);
	assert_int_equal(put("b", "2", done, NULL), 0);
	assert_int_equal(put("b", "3", done, NULL), 0);
	assert_int_equal(put("c", "", done, NULL), 0);
	expect("a", "1"); /* at once */
	expect("b", "3");
	expect("c", "");
	expect("d", NULL);
	assert_true(
		store_get(store, STORE_SESSION, "b", 1, &data, &size, &seq));
	assert_int_equal(seq, 2); /* all one group */
	assert_int_equal(store_durable(store), 1);
	assert_int_equal(called, 0); /* not durable, nothing told */
	commit();
	assert_int_equal(called, 4);
	assert_int_equal(last_status, 0);
	assert_int_equal(store_durable(store), 2);
	/* The same key in another table is another row. */
	assert_false(
		store_get(store, STORE_SECRETS, "a", 1, &data, &size, NULL));
}

static void test_reopen(void **state)
{
	struct store_status st, again;

	for (int i = 0; i < 500; i++) {
		char key[16], value[32];

		fmt_print(key, sizeof(key), "k%d", i % 100);
		fmt_print(value, sizeof(value), "value %d", i);
		assert_int_equal(put(key, i % 7 ? value : NULL, NULL, NULL), 0);
		if (i % 3 == 0)
			commit();
	}
	commit();
	store_status(store, &st);
	store_close(store);
	open_store(false, false);
	store_status(store, &again);
	assert_int_equal(st.rows, again.rows);
	assert_int_equal(st.bytes, again.bytes);
	assert_int_equal(st.durable, again.durable);
	assert_memory_equal(st.head, again.head, 32);
	expect("k50", "value 450");
	expect("k41", NULL); /* 441 = 7 * 63 */
	/* And goes on. */
	assert_int_equal(put("k41", "x", NULL, NULL), 0);
	commit();
	store_close(store);
	open_store(false, false);
	expect("k41", "x");
}

static int collect(void *arg, const char *key, size_t key_size,
	const void *value, size_t size)
{
	char *text = arg;

	strncat(text, key, key_size);
	strcat(text, "=");
	strncat(text, value, size);
	strcat(text, " ");
	return 0;
}

static int stop_at_b(void *arg, const char *key, size_t key_size,
	const void *value, size_t size)
{
	return key[key_size - 1] == 'b' ? 42 : 0;
}

static void test_each(void **state)
{
	char text[256] = "";

	put("ns/b", "2", NULL, NULL);
	put("ns", "0", NULL, NULL);
	put("ns/a", "1", NULL, NULL);
	put("ns/a/x", "3", NULL, NULL);
	put("nt", "4", NULL, NULL);
	put("ns/zz", "5", NULL, NULL);
	put("ns/zz", NULL, NULL, NULL);
	assert_int_equal(
		store_each(store, STORE_SESSION, "ns/", 3, collect, text), 0);
	assert_string_equal(text, "ns/a=1 ns/a/x=3 ns/b=2 ");
	text[0] = '\0';
	store_each(store, STORE_SESSION, "", 0, collect, text);
	assert_string_equal(text, "ns=0 ns/a=1 ns/a/x=3 ns/b=2 nt=4 ");
	assert_int_equal(
		store_each(store, STORE_SESSION, "ns/", 3, stop_at_b, NULL),
		42);
	assert_int_equal(
		store_each(store, STORE_VOLUME, "", 0, stop_at_b, NULL), 0);
}

static int delete_one(void *arg, const char *key, size_t key_size,
	const void *value, size_t size)
{
	struct store_txn *x = store_begin(store);

	collect(arg, key, key_size, value, size);
	store_delete(x, STORE_SESSION, key, key_size);
	return store_submit(x, NULL, NULL);
}

static void test_each_changes(void **state)
{
	char text[256] = "";

	put("a", "1", NULL, NULL);
	put("b", "2", NULL, NULL);
	put("c", "3", NULL, NULL);
	commit();
	assert_int_equal(
		store_each(store, STORE_SESSION, "", 0, delete_one, text), 0);
	assert_string_equal(text, "a=1 b=2 c=3 ");
	text[0] = '\0';
	store_each(store, STORE_SESSION, "", 0, collect, text);
	assert_string_equal(text, "");
	commit();
	assert_int_equal(disk.rows.count, 0);
}

/* A transaction is one: both rows or none, whatever happens. */
static void test_atomic(void **state)
{
	struct store_txn *x = store_begin(store);

	store_put(x, STORE_META, "from", 4, "1", 1);
	store_put(x, STORE_VOLUME, "s\0v", 3, "2", 1);
	store_abort(x);
	x = store_begin(store);
	store_put(x, STORE_META, "", 0, "1", 1);
	assert_int_equal(store_submit(x, NULL, NULL), -EINVAL);
	x = store_begin(store);
	store_put(x, STORE_META, "a", 1, "1", 1);
	store_put(x, STORE_TABLES, "a", 1, "1", 1);
	assert_int_equal(store_submit(x, NULL, NULL), -EINVAL);
	assert_int_equal(store_step(store), 1);
	assert_int_equal(store_submit(NULL, NULL, NULL), -ENOMEM);
}

static void test_done_order(void **state)
{
	int first = 0, second = 0, barrier = 0;

	called = 0;
	put("a", "1", done, &first);
	put("b", "1", done, &second);
	assert_int_equal(store_submit(store_begin(store), done, &barrier), 0);
	commit();
	assert_int_equal(first, 1);
	assert_int_equal(second, 2);
	assert_int_equal(barrier, 3);
	/* With nothing to wait for it is at once, and makes no record. */
	assert_int_equal(store_submit(store_begin(store), done, &barrier), 0);
	assert_int_equal(barrier, 4);
	assert_int_equal(store_step(store), 1);
}

static void test_after(void **state)
{
	called = 0;
	assert_int_equal(store_after(store, 1, done, NULL), 0);
	assert_int_equal(called, 1);
	put("a", "1", NULL, NULL);
	assert_int_equal(store_after(store, 2, done, NULL), 0);
	assert_int_equal(called, 1);
	disk.fail = -ENOSPC;
	assert_int_equal(store_step(store), -ENOSPC);
	store_complete(store);
	/* In flight, and a group behind it. */
	assert_int_equal(store_after(store, 2, done, NULL), 0);
	put("b", "1", NULL, NULL);
	assert_int_equal(store_after(store, 3, done, NULL), 0);
	assert_int_equal(called, 1);
	disk.fail = 0;
	commit();
	assert_int_equal(called, 4);
}

/* A failed commit is told to nobody but status, and tried with the same
 * bytes. */
static void test_retry(void **state)
{
	struct store_status st;

	called = 0;
	put("a", "1", done, NULL);
	disk.fail = -ENOSPC;
	disk.done = true; /* it did, but does not say so */
	assert_int_equal(store_step(store), -ENOSPC);
	store_complete(store);
	assert_int_equal(called, 0);
	store_status(store, &st);
	assert_int_equal(st.error, -ENOSPC);
	assert_string_equal(st.error_text, "the disk does not say that it did");
	assert_int_equal(st.durable, 1);
	put("a", "2", done, NULL); /* the next group */
	assert_int_equal(store_step(store), -ENOSPC);
	struct fake_disk copy;

	fake_disk_copy(&disk, &copy);
	disk.fail = 0;
	assert_int_equal(store_step(store), 0);
	/* The nonce was used for this record: it must be this record. */
	assert_int_equal(disk.records.count, copy.records.count);
	for (size_t i = 0; i < copy.records.count; i++)
		assert_memory_equal(disk.records.item[i].data,
			copy.records.item[i].data, copy.records.item[i].size);
	commit();
	assert_int_equal(called, 2);
	store_status(store, &st);
	assert_int_equal(st.error, 0);
	assert_string_equal(st.error_text, "");
	fake_disk_fini(&copy);
	crash();
	open_store(false, false);
	expect("a", "2");
}

/* No two blobs ever have the same nonce under the same key. */
static void test_nonces(void **state)
{
	struct fake_list all = {0};

	for (int run = 0; run < 4; run++) {
		struct fake_disk before;

		put("a", "same", NULL, NULL);
		put("b", run % 2 ? "x" : NULL, NULL, NULL);
		disk.fail = -EIO;
		disk.done = true; /* reached the disk of an evil host */
		(void)store_step(store);
		for (size_t i = 0; i < disk.rows.count; i++)
			fake_list_add(&all, &disk.rows.item[i]);
		for (size_t i = 0; i < disk.records.count; i++)
			fake_list_add(&all, &disk.records.item[i]);
		/* The next run starts without that record. */
		fake_disk_copy(&disk, &before);
		fake_list_remove(&before.records, before.records.count - 1);
		while (before.rows.count)
			fake_list_remove(&before.rows, 0);
		crash();
		fake_disk_fini(&disk);
		disk = before;
		while (disk.records.count > 1)
			fake_list_remove(&disk.records, 1);
		open_store(false, false);
	}
	for (size_t i = 0; i < all.count; i++)
		for (size_t j = 0; j < i; j++) {
			struct fake_blob *a = &all.item[i], *b = &all.item[j];
			bool row = a->seq == 0;
			size_t at = row ? 8 + 8 : 8;

			if (row != (b->seq == 0) ||
				(a->size == b->size &&
					!memcmp(a->data, b->data, a->size)))
				continue;
			assert_memory_not_equal(a->data + at, b->data + at, 24);
		}
	while (all.count)
		fake_list_remove(&all, 0);
	free(all.item);
}

static void test_close(void **state)
{
	called = 0;
	put("a", "1", done, NULL);
	crash();
	assert_int_equal(called, 1);
	assert_int_equal(last_status, -ESHUTDOWN);
	open_store(false, false);
	expect("a", NULL);
	put("a", "1", done, NULL);
	store_close(store);
	assert_int_equal(last_status, 0);
	open_store(false, false);
	expect("a", "1");
}

/* ---- freshness ---- */
static void test_witnessed(void **state)
{
	struct store_status st;

	assert_int_equal(
		store_set_freshness(store, &holder.freshness, 0, &e), 0);
	assert_int_equal(holder.state.seq, 1);
	called = 0;
	put("a", "1", done, NULL);
	holder.fail = -ETIMEDOUT;
	assert_int_equal(store_step(store), -ETIMEDOUT);
	store_complete(store);
	assert_int_equal(called, 0); /* on disk, but not acknowledged */
	store_status(store, &st);
	assert_int_equal(st.durable, 1);
	assert_int_equal(st.freshness, FRESH_QUORUM);
	assert_int_equal(st.witnesses_answering, 1);
	assert_string_equal(st.error_text, "the holder is away");
	unsigned writes = disk.writes;

	assert_int_equal(store_step(store), -ETIMEDOUT);
	assert_int_equal(disk.writes, writes); /* it is written already */
	holder.fail = 0;
	commit();
	assert_int_equal(called, 1);
	assert_int_equal(holder.state.seq, 2);
	assert_int_equal(
		store_set_freshness(store, &holder.freshness, 0, &e), -EINVAL);
	store_close(store);
	assert_int_equal(holder.stops, 1);
	open_store(false, true);
	expect("a", "1");
}

/* Killed between the commit and the witnesses. */
static void test_one_ahead(void **state)
{
	assert_int_equal(
		store_set_freshness(store, &holder.freshness, 0, &e), 0);
	put("a", "1", NULL, NULL);
	holder.fail = -ETIMEDOUT;
	assert_int_equal(store_step(store), -ETIMEDOUT);
	store_close(store);
	holder.fail = 0;
	assert_int_equal(holder.state.seq, 1);
	open_store(false, true);
	assert_int_equal(holder.state.seq, 2);
	expect("a", "1");
	/* And when they had it, but their answer was lost. */
	put("a", "2", NULL, NULL);
	holder.fail = -ETIMEDOUT;
	holder.done = true;
	assert_int_equal(store_step(store), -ETIMEDOUT);
	store_close(store);
	assert_int_equal(holder.state.seq, 3);
	holder.fail = 0;
	open_store(false, true);
	expect("a", "2");
}

/* Another CAS took over: this one stops for ever. */
static void test_stale(void **state)
{
	struct store_status st;

	assert_int_equal(
		store_set_freshness(store, &holder.freshness, 0, &e), 0);
	called = 0;
	put("a", "1", done, NULL);
	holder.fail = -ESTALE;
	assert_int_equal(store_step(store), -ESTALE);
	holder.fail = 0;
	store_complete(store);
	assert_int_equal(called, 1);
	assert_int_equal(last_status, -ESTALE);
	store_status(store, &st);
	assert_int_equal(st.error, -ESTALE);
	assert_int_equal(put("b", "1", done, NULL), -ESHUTDOWN);
	assert_int_equal(store_after(store, 2, done, NULL), -ESHUTDOWN);
	assert_int_equal(store_step(store), 1);
	assert_int_equal(
		store_set_freshness(store, &holder.freshness, 0, &e), -EINVAL);
}

/* Freshness that is learnt from the store itself. */
static void test_late(void **state)
{
	struct store_status st;

	assert_int_equal(
		store_set_freshness(store, &holder.freshness, 0, &e), 0);
	put("a", "1", NULL, NULL);
	commit();
	store_close(store);
	open_store(false, false);
	expect("a", "1");
	called = 0;
	put("a", "2", done, NULL);
	assert_int_equal(store_step(store), -EAGAIN);
	store_status(store, &st);
	assert_int_equal(st.error, -EAGAIN);
	assert_non_null(strstr(st.error_text, "not known yet"));
	holder.fail = -ETIMEDOUT;
	assert_int_equal(store_set_freshness(store, &holder.freshness, 0, &e),
		-ETIMEDOUT);
	assert_int_equal(store_step(store), -EAGAIN);
	holder.fail = 0;
	assert_int_equal(
		store_set_freshness(store, &holder.freshness, 0, &e), 0);
	commit();
	assert_int_equal(called, 1);
	assert_int_equal(last_status, 0);
	assert_int_equal(holder.state.seq, 3);
}

/* Witnesses that know nothing of a store that was witnessed. */
static void test_amnesia(void **state)
{
	struct store_options o = options(true);

	assert_int_equal(
		store_set_freshness(store, &holder.freshness, 0, &e), 0);
	put("a", "1", NULL, NULL);
	commit();
	store_close(store);
	store = NULL;
	fake_holder_init(&holder);
	assert_int_equal(store_open(&o, false, &store, &e), -ESTALE);
	assert_non_null(strstr(e.text, "newest record is 2"));
	assert_int_equal(holder.stops, 1);
	o.accept_seq = 1;
	assert_int_equal(store_open(&o, false, &store, &e), -ESTALE);
	o.accept_seq = 2;
	assert_int_equal(store_open(&o, false, &store, &e), 0);
	assert_int_equal(holder.state.seq, 2);
}

/* ---- the log ---- */
struct seen {
	uint64_t count, last;
	char text[512];
	uint8_t detail[256];
	size_t detail_size;
};

static int see(void *arg, const struct store_record *r)
{
	struct seen *s = arg;

	s->count++;
	s->last = r->seq;
	for (size_t i = 0; i < r->event_count; i++) {
		const struct store_event *v = &r->events[i];

		strcat(s->text, v->what);
		strcat(s->text, v->object ? "(" : "");
		strcat(s->text, v->object ? v->object : "");
		strcat(s->text, v->object ? ") " : " ");
		if (v->detail) {
			s->detail_size = v->detail_size;
			memcpy(s->detail, v->detail, v->detail_size);
		}
	}
	return 0;
}

static void test_log(void **state)
{
	struct audit_event event = {.what = "session.create",
		.object = "a\n\x1b[1mb\xff\xc2\x9b\xc3\xa9"};
	uint8_t own[32], mine[32] = {1}, public[32];
	struct buf out = {0};
	struct seen s = {0};
	struct store_txn *x = store_begin(store);

	store_audit(x, &event);
	event = (struct audit_event){
		.what = "session.update", .detail = "who did it"};
	store_audit(x, &event);
	assert_int_equal(store_submit(x, NULL, NULL), 0);
	commit();
	assert_int_equal(store_log(store, 1, 0, see, &s, &e), 0);
	assert_int_equal(s.count, 2);
	/* Control bytes and what is no text are not taken over. */
	assert_string_equal(s.text,
		"store.create session.create(a??[1mb???\xc3\xa9) "
		"session.update ");
	store_audit_key(store, own);
	assert_int_equal(
		audit_open_detail(own, 2, s.detail, s.detail_size, &out), 0);
	assert_string_equal((char *)out.data, "who did it");
	/* For another's key. */
	assert_int_equal(audit_public_key(mine, public), 0);
	event.audit_key = public;
	x = store_begin(store);
	store_audit(x, &event);
	assert_int_equal(store_submit(x, NULL, NULL), 0);
	commit();
	assert_int_equal(store_log(store, 3, 3, see, &s, &e), 0);
	assert_int_equal(
		audit_open_detail(own, 3, s.detail, s.detail_size, &out),
		-EBADMSG);
	assert_int_equal(
		audit_open_detail(mine, 2, s.detail, s.detail_size, &out),
		-EBADMSG);
	assert_int_equal(
		audit_open_detail(mine, 3, s.detail, s.detail_size, &out), 0);
	buf_fini(&out);
	/* Not even a key that nobody has holds up commits. */
	memset(public, 0, sizeof(public));
	x = store_begin(store);
	store_audit(x, &event);
	assert_int_equal(store_submit(x, NULL, NULL), 0);
	commit();
	assert_int_equal(store_log(store, 4, 4, see, &s, &e), 0);
	assert_int_equal(
		audit_open_detail(own, 4, s.detail, s.detail_size, &out), 0);
	buf_fini(&out);
	assert_int_equal(store_log(store, 0, 2, see, &s, &e), -EINVAL);
	assert_int_equal(store_log(store, 3, 2, see, &s, &e), -EINVAL);
	assert_int_equal(store_log(store, 1, 5, see, &s, &e), -EINVAL);
}

static void test_event_limits(void **state)
{
	static char large[STORE_TEXT_MAX + 2];
	struct audit_event event = {.what = "x", .detail = large};
	struct store_txn *x = store_begin(store);

	memset(large, 'x', sizeof(large) - 1);
	store_audit(x, &event);
	assert_int_equal(store_submit(x, NULL, NULL), -EINVAL);
	large[STORE_TEXT_MAX] = '\0';
	x = store_begin(store);
	store_audit(x, &event);
	event.what = "";
	assert_int_equal(store_submit(x, NULL, NULL), 0);
	x = store_begin(store);
	store_audit(x, &event);
	assert_int_equal(store_submit(x, NULL, NULL), -EINVAL);
	commit();
}

/* ---- with the committer's thread ---- */
static int woken[2]; /* a pipe */

static void wake(void *arg)
{
	assert_int_equal(write(woken[1], "x", 1), 1);
}

static void threaded_close(void)
{
	store_close(store);
	store = NULL;
	close(woken[0]);
	close(woken[1]);
}

static void threaded(bool held)
{
	struct store_options o = options(held);

	store_close(store);
	store = NULL;
	assert_int_equal(pipe(woken), 0);
	o.no_thread = false;
	o.wakeup = wake;
	assert_int_equal(store_open(&o, false, &store, &e), 0);
}

static void wait_for(int calls)
{
	char c[64];

	while (called < calls) {
		assert_true(read(woken[0], c, sizeof(c)) > 0);
		store_complete(store);
	}
}

static void test_thread(void **state)
{
	struct store_status st;

	threaded(true);
	called = 0;
	for (int i = 0; i < 20000; i++) {
		char key[16];

		fmt_print(key, sizeof(key), "%d", i % 300);
		assert_int_equal(
			put(key, i % 5 ? "value" : NULL, done, NULL), 0);
		if (i % 7 == 0)
			assert_int_equal(
				store_after(store, store_durable(store) + 1,
					done, NULL),
				0);
		if (i % 256 == 255)
			wait_for(called + 1);
	}
	wait_for(20000 + 20000 / 7 + 1);
	store_status(store, &st);
	assert_int_equal(st.durable, st.seq);
	assert_int_equal(holder.state.seq, st.durable);
	assert_true(st.commits < 20000);
	threaded_close();
	open_store(false, true);
	expect("1", "value");
	expect("0", NULL);
}

/* It fails for a while, and nobody is told; then it goes on by itself. */
static void test_thread_retry(void **state)
{
	struct store_status st;

	threaded(false);
	called = 0;
	__atomic_store_n(&disk.fail, -ENOSPC, __ATOMIC_SEQ_CST);
	assert_int_equal(put("a", "1", done, NULL), 0);
	do
		store_status(store, &st);
	while (!st.error);
	usleep(50000);
	store_complete(store);
	assert_int_equal(called, 0);
	__atomic_store_n(&disk.fail, 0, __ATOMIC_SEQ_CST);
	wait_for(1);
	store_status(store, &st);
	assert_int_equal(st.error, 0);
	/* Closing does not wait for ever. */
	__atomic_store_n(&disk.fail, -ENOSPC, __ATOMIC_SEQ_CST);
	assert_int_equal(put("a", "2", done, NULL), 0);
	do
		store_status(store, &st);
	while (!st.error);
	threaded_close();
	assert_int_equal(called, 2);
	assert_int_equal(last_status, -ESHUTDOWN);
	disk.fail = 0;
	open_store(false, false);
	expect("a", "1");
}

/* Freshness comes while changes wait; then another CAS takes charge. */
static void test_thread_freshness(void **state)
{
	threaded(false);
	called = 0;
	assert_int_equal(put("a", "1", done, NULL), 0);
	assert_int_equal(
		store_set_freshness(store, &holder.freshness, 0, &e), 0);
	assert_int_equal(put("a", "2", done, NULL), 0);
	wait_for(2);
	__atomic_store_n(&holder.fail, -ESTALE, __ATOMIC_SEQ_CST);
	assert_int_equal(put("a", "3", done, NULL), 0);
	wait_for(3);
	assert_int_equal(last_status, -ESTALE);
	assert_int_equal(put("a", "4", done, NULL), -ESHUTDOWN);
	threaded_close();
}

/* Against a plain model, with restarts and failures; SEED=N repeats a run. */
enum { MODEL_KEYS = 64, MODEL_STEPS = 20000 };

static void test_model(void **state)
{
	static char now_has[MODEL_KEYS][40], durable[MODEL_KEYS][40];
	const char *text = getenv("SEED");
	unsigned seed = text ? (unsigned)atoi(text)
			     : (unsigned)time(NULL) ^ (unsigned)getpid();

	bool maybe = false; /* more may be on the disk than is known */

	print_message("SEED=%u\n", seed);
	srandom(seed);
	memset(now_has, 0, sizeof(now_has));
	memset(durable, 0, sizeof(durable));
	for (int i = 0; i < MODEL_STEPS; i++) {
		unsigned k = (unsigned)random() % MODEL_KEYS;
		char key[16];

		fmt_print(key, sizeof(key), "%u", k);
		switch (random() % 16) {
		case 0:
			disk.fail = 0;
			commit();
			memcpy(durable, now_has, sizeof(durable));
			maybe = false;
			break;
		case 1: /* stays in flight, others queue up behind it */
			disk.fail = -ENOSPC;
			disk.done = random() % 2;
			(void)!store_step(store);
			disk.fail = 0;
			maybe |= disk.done;
			break;
		case 2:
			if (random() % 20 || maybe)
				break;
			crash();
			open_store(false, false);
			memcpy(now_has, durable, sizeof(durable));
			break;
		case 3:
		case 4:
			now_has[k][0] = '\0';
			assert_int_equal(put(key, NULL, NULL, NULL), 0);
			break;
		default:
			fmt_print(now_has[k], sizeof(now_has[k]), "%d", i);
			assert_int_equal(put(key, now_has[k], NULL, NULL), 0);
			break;
		}
		expect(key, now_has[k][0] ? now_has[k] : NULL);
	}
	commit();
	store_close(store);
	open_store(false, false);
	for (unsigned k = 0; k < MODEL_KEYS; k++) {
		char key[16];

		fmt_print(key, sizeof(key), "%u", k);
		expect(key, now_has[k][0] ? now_has[k] : NULL);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_map),
		T(test_reopen),
		T(test_each),
		T(test_each_changes),
		T(test_atomic),
		T(test_done_order),
		T(test_after),
		T(test_retry),
		T(test_nonces),
		T(test_close),
		T(test_witnessed),
		T(test_one_ahead),
		T(test_stale),
		T(test_late),
		T(test_amnesia),
		T(test_log),
		T(test_event_limits),
		T(test_thread),
		T(test_thread_retry),
		T(test_thread_freshness),
		T(test_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

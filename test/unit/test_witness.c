/* SPDX-License-Identifier: Apache-2.0 */
/* cas/witness_core.c, witness_msg.c, witness_disk.c, witness_quorum.c. */
#include "test/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cas/witness_disk.h"
#include "cas/witness_quorum.h"
#include "lib/string.h"

static const uint8_t cluster_a[WITNESS_HASH_SIZE] = "a";
static const uint8_t cluster_b[WITNESS_HASH_SIZE] = "b";

static void make_head(uint8_t *head, unsigned n)
{
	memset(head, 0, WITNESS_HASH_SIZE);
	memcpy(head, &n, sizeof(n));
}

/* ---- the witness's decisions ---- */

struct row {
	enum witness_op op;
	uint64_t term, from_seq, to_seq;
	unsigned from, to; /* heads by number */
	enum witness_result want;
	bool changed;
	uint64_t promised, accepted, seq; /* afterwards */
	unsigned head;
};

static const struct row table[] = {
	{WITNESS_READ, 0, 0, 0, 0, 0, WITNESS_OK, 0, 0, 0, 0, 0},
	{WITNESS_APPEND, 0, 0, 1, 0, 1, WITNESS_REFUSED, 0, 0, 0, 0, 0},
	{WITNESS_APPEND, 1, 0, 1, 0, 1, WITNESS_REFUSED, 0, 0, 0, 0, 0},
	{WITNESS_OPEN, 0, 0, 0, 0, 0, WITNESS_REFUSED, 0, 0, 0, 0, 0},
	{WITNESS_OPEN, 3, 0, 0, 0, 0, WITNESS_OK, 1, 3, 0, 0, 0},
	{WITNESS_OPEN, 3, 0, 0, 0, 0, WITNESS_REFUSED, 0, 3, 0, 0, 0},
	{WITNESS_APPEND, 2, 0, 1, 0, 1, WITNESS_REFUSED, 0, 3, 0, 0, 0},
	{WITNESS_APPEND, 4, 0, 1, 0, 1, WITNESS_REFUSED, 0, 3, 0, 0, 0},
	{WITNESS_APPEND, 3, 2, 1, 0, 1, WITNESS_REFUSED, 0, 3, 0, 0, 0},
	{WITNESS_APPEND, 3, 0, 5, 0, 5, WITNESS_OK, 1, 3, 3, 5, 5},
	/* Again: harmless. With another head: a fork. */
	{WITNESS_APPEND, 3, 0, 5, 0, 5, WITNESS_OK, 0, 3, 3, 5, 5},
	{WITNESS_APPEND, 3, 0, 5, 0, 6, WITNESS_REFUSED, 0, 3, 3, 5, 5},
	{WITNESS_APPEND, 3, 5, 6, 9, 6, WITNESS_REFUSED, 0, 3, 3, 5, 5},
	{WITNESS_APPEND, 3, 3, 4, 3, 4, WITNESS_REFUSED, 0, 3, 3, 5, 5},
	{WITNESS_APPEND, 3, 5, 6, 5, 6, WITNESS_OK, 1, 3, 3, 6, 6},
	/* What was missed is left out. */
	{WITNESS_APPEND, 3, 8, 9, 8, 9, WITNESS_OK, 1, 3, 3, 9, 9},
	{WITNESS_OPEN, 2, 0, 0, 0, 0, WITNESS_REFUSED, 0, 3, 3, 9, 9},
	{WITNESS_OPEN, 7, 0, 0, 0, 0, WITNESS_OK, 1, 7, 3, 9, 9},
	{WITNESS_APPEND, 3, 9, 10, 9, 10, WITNESS_REFUSED, 0, 7, 3, 9, 9},
	/* The first of a term replaces what is there. */
	{WITNESS_APPEND, 7, 8, 8, 8, 8, WITNESS_OK, 1, 7, 7, 8, 8},
	{WITNESS_APPEND, 7, 8, 9, 8, 11, WITNESS_OK, 1, 7, 7, 9, 11},
	{WITNESS_READ, 9, 9, 9, 9, 9, WITNESS_OK, 0, 7, 7, 9, 11},
};

static void test_core(void **state)
{
	struct witness_core *w;
	uint32_t slot = WITNESS_NO_SLOT, other = WITNESS_NO_SLOT;

	(void)state;
	assert_int_equal(witness_core_new(2, &w), 0);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		const struct row *t = &table[i];
		struct witness_request r = {.id = i,
			.op = t->op,
			.term = t->term,
			.from_seq = t->from_seq,
			.to_seq = t->to_seq};
		struct witness_reply reply;
		uint8_t head[WITNESS_HASH_SIZE];
		bool changed;

		make_head(r.from, t->from);
		make_head(r.to, t->to);
		make_head(head, t->head);
		changed = witness_core_answer(w, cluster_a, &r, &reply, &slot);
		if (reply.status != t->want || changed != t->changed)
			fail_msg("row %zu: %llu", i,
				(unsigned long long)reply.status);
		assert_int_equal(reply.id, i);
		assert_int_equal(reply.view.promised, t->promised);
		assert_int_equal(reply.view.accepted, t->accepted);
		assert_int_equal(reply.view.seq, t->seq);
		assert_memory_equal(reply.view.head, head, sizeof(head));
		/* The other cluster knows nothing of it. */
		r.op = WITNESS_READ;
		assert_false(
			witness_core_answer(w, cluster_b, &r, &reply, &other));
		assert_int_equal(reply.view.promised, 0);
		assert_int_equal(other, WITNESS_NO_SLOT);
	}
	witness_core_free(w);
}

static void test_clusters_are_bounded(void **state)
{
	const struct witness_request r = {.op = WITNESS_OPEN, .term = 1};
	struct witness_reply reply;
	struct witness_core *w;
	uint32_t slot;

	(void)state;
	assert_int_equal(witness_core_new(0, &w), -ENOMEM);
	assert_int_equal(
		witness_core_new(WITNESS_CLUSTERS_MAX + 1, &w), -ENOMEM);
	assert_int_equal(witness_core_new(1, &w), 0);
	slot = WITNESS_NO_SLOT;
	assert_true(witness_core_answer(w, cluster_a, &r, &reply, &slot));
	slot = WITNESS_NO_SLOT;
	assert_false(witness_core_answer(w, cluster_b, &r, &reply, &slot));
	assert_int_equal(reply.status, WITNESS_FULL);
	assert_int_equal(slot, WITNESS_NO_SLOT);
	assert_int_equal(witness_core_count(w), 1);
	witness_core_free(w);
}

/* ---- messages ---- */

static void test_messages(void **state)
{
	struct witness_request r = {.id = UINT64_MAX,
		.op = WITNESS_APPEND,
		.term = UINT64_MAX,
		.from_seq = UINT64_MAX - 1,
		.to_seq = UINT64_MAX};
	struct witness_request r2;
	struct witness_reply p = {.id = 7,
		.status = WITNESS_REFUSED,
		.view = {UINT64_MAX, UINT64_MAX, UINT64_MAX, {1, 2, 3}}};
	struct witness_reply p2;
	uint8_t frame[WITNESS_FRAME_MAX];
	const uint8_t *content;
	size_t size, all;

	(void)state;
	make_head(r.from, 1);
	make_head(r.to, 2);
	all = witness_msg_put_request(&r, frame);
	for (size_t have = 0; have < all; have++) {
		assert_int_equal(
			witness_msg_frame(frame, have, &content, &size), 0);
		assert_int_equal(size, 0);
	}
	assert_int_equal(witness_msg_frame(frame, all, &content, &size), 0);
	assert_int_equal(size, all - 4);
	assert_int_equal(witness_msg_get_request(content, size, &r2), 0);
	assert_memory_equal(&r, &r2, sizeof(r));
	assert_int_equal(witness_msg_get_reply(content, size, &p2), -EBADMSG);
	assert_int_equal(
		witness_msg_get_request(content, size - 1, &r2), -EBADMSG);
	frame[5]++; /* version 2 */
	assert_int_equal(witness_msg_get_request(content, size, &r2), -EBADMSG);
	all = witness_msg_put_reply(&p, frame);
	assert_int_equal(witness_msg_frame(frame, all, &content, &size), 0);
	assert_int_equal(witness_msg_get_reply(content, size, &p2), 0);
	assert_memory_equal(&p, &p2, sizeof(p));
	memset(frame, 0, 4);
	assert_int_equal(
		witness_msg_frame(frame, all, &content, &size), -EPROTO);
	frame[0] = WITNESS_FRAME_MAX - 3;
	assert_int_equal(
		witness_msg_frame(frame, all, &content, &size), -EPROTO);
	r.op = WITNESS_OPS;
	all = witness_msg_put_request(&r, frame);
	assert_int_equal(
		witness_msg_get_request(frame + 4, all - 4, &r2), -EBADMSG);
}

/* ---- the disk ---- */

struct place {
	char dir[64], file[96];
};

static void make_place(struct place *p)
{
	snprintf(p->dir, sizeof(p->dir), "/tmp/unit-witness-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->file, sizeof(p->file), "%s/witness.state", p->dir);
}

static void drop_place(struct place *p)
{
	unlink(p->file);
	rmdir(p->dir);
}

static int reopen(struct place *p, bool repair, struct witness_core **w,
	struct witness_disk **d, struct err *e)
{
	assert_int_equal(witness_core_new(8, w), 0);
	return witness_disk_open(p->dir, repair, *w, d, e);
}

static void close_both(struct witness_core *w, struct witness_disk *d)
{
	witness_disk_close(d);
	witness_core_free(w);
}

static void ask(struct witness_core *w, struct witness_disk *d,
	const uint8_t *cluster, enum witness_op op, uint64_t term, unsigned seq,
	struct witness_view *view)
{
	struct witness_request r = {
		.op = op, .term = term, .from_seq = 0, .to_seq = seq};
	struct witness_reply reply;
	uint32_t slot = WITNESS_NO_SLOT;
	struct err e;

	make_head(r.to, seq);
	if (witness_core_answer(w, cluster, &r, &reply, &slot)) {
		assert_int_equal(
			witness_disk_write(d, slot, cluster, &reply.view, &e),
			0);
		assert_int_equal(witness_disk_sync(d, &e), 0);
	}
	if (view)
		*view = reply.view;
}

static void flip(struct place *p, off_t at)
{
	int fd = open(p->file, O_RDWR);
	uint8_t byte;

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

static void test_disk(void **state)
{
	struct witness_core *w, *w2;
	struct witness_disk *d, *d2;
	struct witness_view v;
	struct place p;
	struct err e;

	(void)state;
	make_place(&p);
	assert_int_equal(reopen(&p, false, &w, &d, &e), 0);
	/* One witness per state. */
	assert_int_equal(reopen(&p, false, &w2, &d2, &e), -EBUSY);
	witness_core_free(w2);
	for (unsigned i = 1; i <= 5; i++) {
		ask(w, d, cluster_a, WITNESS_OPEN, i, 0, NULL);
		ask(w, d, cluster_a, WITNESS_APPEND, i, 10 * i, NULL);
		ask(w, d, cluster_b, WITNESS_OPEN, 2 * i, 0, NULL);
		close_both(w, d);
		assert_int_equal(reopen(&p, false, &w, &d, &e), 0);
		ask(w, d, cluster_a, WITNESS_READ, 0, 0, &v);
		assert_int_equal(v.promised, i);
		assert_int_equal(v.accepted, i);
		assert_int_equal(v.seq, 10 * i);
		ask(w, d, cluster_b, WITNESS_READ, 0, 0, &v);
		assert_int_equal(v.promised, 2 * i);
		assert_int_equal(v.seq, 0);
	}
	close_both(w, d);
	drop_place(&p);
}

/* Each bit of the file counts. */
static void test_damage(void **state)
{
	struct witness_core *w;
	struct witness_disk *d;
	struct witness_view v;
	struct place p;
	struct err e;

	(void)state;
	make_place(&p);
	assert_int_equal(reopen(&p, false, &w, &d, &e), 0);
	ask(w, d, cluster_a, WITNESS_OPEN, 1, 0, NULL);
	ask(w, d, cluster_a, WITNESS_APPEND, 1, 5, NULL);
	close_both(w, d);
	for (off_t at = 0; at < 1024; at += 7) {
		flip(&p, at);
		assert_int_equal(reopen(&p, false, &w, &d, &e), -EBADMSG);
		witness_core_free(w);
		assert_non_null(strstr(e.text, "--repair"));
		flip(&p, at);
	}
	/* The second write was to the first sector. */
	flip(&p, 40);
	assert_int_equal(reopen(&p, true, &w, &d, &e), 0);
	ask(w, d, cluster_a, WITNESS_READ, 0, 0, &v);
	assert_int_equal(v.promised, 1);
	assert_int_equal(v.seq, 0);
	close_both(w, d);
	flip(&p, 512 + 40);
	assert_int_equal(reopen(&p, true, &w, &d, &e), -EBADMSG);
	witness_core_free(w);
	drop_place(&p);
}

/* ---- the client's decisions ---- */

struct group {
	struct witness_quorum q;
	struct witness_core *core[WITNESS_MAX];
	bool down[WITNESS_MAX];
};

static void group_new(struct group *g, unsigned count)
{
	*g = (struct group){0};
	witness_quorum_init(&g->q, count);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(witness_core_new(4, &g->core[i]), 0);
}

static void group_free(struct group *g)
{
	for (unsigned i = 0; i < g->q.count; i++)
		witness_core_free(g->core[i]);
}

/* Lets q speak with the witnesses until nothing moves. */
static int settle_q(struct group *g, struct witness_quorum *q)
{
	bool moved = true;

	while (moved && witness_quorum_result(q) > 0) {
		moved = false;
		for (unsigned i = 0; i < q->count; i++) {
			struct witness_request r;
			struct witness_reply reply;
			uint32_t slot = WITNESS_NO_SLOT;

			if (g->down[i] || !witness_quorum_next(q, i, &r))
				continue;
			moved = true;
			(void)!witness_core_answer(
				g->core[i], cluster_a, &r, &reply, &slot);
			witness_quorum_answer(q, i, &reply);
		}
		if (!moved && witness_quorum_lingers(q)) {
			witness_quorum_hurry(q);
			moved = true;
		}
	}
	return witness_quorum_result(q);
}

static int open_q(struct group *g, struct witness_quorum *q)
{
	witness_quorum_open(q);
	return settle_q(g, q);
}

static int append_q(
	struct group *g, struct witness_quorum *q, unsigned from, unsigned to)
{
	uint8_t a[WITNESS_HASH_SIZE], b[WITNESS_HASH_SIZE];

	make_head(a, from);
	make_head(b, to);
	witness_quorum_append(q, from, a, to, b);
	return settle_q(g, q);
}

static void set_down(
	struct group *g, struct witness_quorum *q, unsigned i, bool down)
{
	g->down[i] = down;
	if (down)
		witness_quorum_lost(q, i);
}

static void test_quorum(void **state)
{
	struct group g;

	(void)state;
	group_new(&g, 3);
	assert_int_equal(append_q(&g, &g.q, 0, 1), -ESTALE);
	assert_int_equal(open_q(&g, &g.q), 0);
	assert_false(g.q.exists);
	assert_int_equal(append_q(&g, &g.q, 0, 1), 0);
	set_down(&g, &g.q, 0, true);
	assert_int_equal(append_q(&g, &g.q, 1, 2), 0);
	set_down(&g, &g.q, 1, true);
	assert_int_equal(append_q(&g, &g.q, 2, 3), 1);
	assert_int_equal(witness_quorum_answering(&g.q), 1);
	/* Who comes back is asked again, and gets the newest alone. */
	set_down(&g, &g.q, 0, false);
	assert_int_equal(settle_q(&g, &g.q), 0);
	assert_int_equal(g.q.peer[0].view.seq, 3);
	/* Only witnesses 0 and 1: 0 has what was acknowledged. */
	set_down(&g, &g.q, 1, false);
	set_down(&g, &g.q, 2, true);
	assert_int_equal(open_q(&g, &g.q), 0);
	assert_true(g.q.exists);
	assert_int_equal(g.q.to_seq, 3);
	group_free(&g);
}

static void test_no_quorum(void **state)
{
	struct group g;

	(void)state;
	group_new(&g, 5);
	for (unsigned i = 0; i < 3; i++)
		set_down(&g, &g.q, i, true);
	assert_int_equal(open_q(&g, &g.q), 1);
	set_down(&g, &g.q, 1, false);
	assert_int_equal(settle_q(&g, &g.q), 0);
	group_free(&g);
}

static void test_two_instances(void **state)
{
	struct witness_quorum other;
	struct group g;

	(void)state;
	group_new(&g, 3);
	witness_quorum_init(&other, 3);
	assert_int_equal(open_q(&g, &g.q), 0);
	assert_int_equal(append_q(&g, &g.q, 0, 1), 0);
	assert_int_equal(open_q(&g, &other), 0);
	assert_true(other.exists && other.to_seq == 1);
	assert_true(other.term > g.q.term);
	assert_int_equal(append_q(&g, &g.q, 1, 2), -ESTALE);
	assert_int_equal(append_q(&g, &other, 1, 2), 0);
	group_free(&g);
}

/* An append that one witness alone has is adopted or replaced, and does not
 * come back once it is replaced. */
static void test_leftover(void **state)
{
	struct witness_quorum second, third;
	struct group g;

	(void)state;
	group_new(&g, 3);
	witness_quorum_init(&second, 3);
	witness_quorum_init(&third, 3);
	assert_int_equal(open_q(&g, &g.q), 0);
	assert_int_equal(append_q(&g, &g.q, 0, 9), 0);
	set_down(&g, &g.q, 0, true);
	set_down(&g, &g.q, 1, true);
	assert_int_equal(append_q(&g, &g.q, 9, 10), 1); /* at 2 alone */
	g.down[0] = g.down[1] = false;
	g.down[2] = true;
	assert_int_equal(open_q(&g, &second), 0);
	assert_int_equal(second.to_seq, 9);
	/* second dies here. */
	g.down[2] = false;
	g.down[1] = true;
	assert_int_equal(open_q(&g, &third), 0);
	assert_int_equal(third.to_seq, 9);
	assert_int_equal(append_q(&g, &third, 9, 11), 0);
	assert_int_equal(third.peer[2].view.seq, 11);
	group_free(&g);
}

/* One that always refuses does not keep the others from serving. */
static void test_liar(void **state)
{
	const struct witness_request high = {
		.op = WITNESS_OPEN, .term = UINT64_MAX};
	struct witness_reply reply;
	uint32_t slot = WITNESS_NO_SLOT;
	struct group g;

	(void)state;
	group_new(&g, 3);
	assert_true(witness_core_answer(
		g.core[0], cluster_a, &high, &reply, &slot));
	assert_int_equal(open_q(&g, &g.q), 0);
	assert_int_equal(append_q(&g, &g.q, 0, 1), 0);
	assert_true(g.q.term < 10);
	group_free(&g);
}

static void test_full(void **state)
{
	struct witness_view v = {.promised = 1};
	struct group g;
	uint8_t name[WITNESS_HASH_SIZE];

	(void)state;
	group_new(&g, 3);
	for (unsigned i = 0; i < 2; i++) {
		for (unsigned n = 0; n < 4; n++) {
			make_head(name, 100 + n);
			assert_int_equal(
				witness_core_load(g.core[i], name, &v), 0);
		}
	}
	assert_int_equal(open_q(&g, &g.q), -EDQUOT);
	group_free(&g);
}

/* Answers to what was asked before do not count for what is asked now. */
static void test_late_answers(void **state)
{
	struct witness_request r[3];
	struct witness_reply reply;
	uint32_t slot;
	struct group g;

	(void)state;
	group_new(&g, 3);
	witness_quorum_open(&g.q);
	for (unsigned i = 0; i < 3; i++)
		assert_true(witness_quorum_next(&g.q, i, &r[i]));
	for (unsigned i = 0; i < 2; i++) {
		slot = WITNESS_NO_SLOT;
		(void)!witness_core_answer(
			g.core[i], cluster_a, &r[i], &reply, &slot);
		witness_quorum_answer(&g.q, i, &reply);
	}
	assert_int_equal(g.q.phase, WITNESS_OPENING);
	slot = WITNESS_NO_SLOT;
	(void)!witness_core_answer(g.core[2], cluster_a, &r[2], &reply, &slot);
	witness_quorum_answer(&g.q, 2, &reply);
	assert_int_equal(witness_quorum_answering(&g.q), 0);
	/* Nor twice, nor with another number. */
	witness_quorum_answer(&g.q, 2, &reply);
	assert_int_equal(settle_q(&g, &g.q), 0);
	assert_int_equal(witness_quorum_answering(&g.q), 3);
	group_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_core),
		cmocka_unit_test(test_clusters_are_bounded),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_disk),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_quorum),
		cmocka_unit_test(test_no_quorum),
		cmocka_unit_test(test_two_instances),
		cmocka_unit_test(test_leftover),
		cmocka_unit_test(test_liar),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_late_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

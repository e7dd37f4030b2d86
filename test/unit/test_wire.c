/* SPDX-License-Identifier: Apache-2.0 */
#include "cas/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/schema_encode.h"
#include "test/unit/cbor_check.h"
#include "test/unit/unit.h"

#define BINDING                                                            \
	"654ba09d9cb90207d14c650e707d6dfed42bc6143bb51b601a7a556889539e6a" \
	"c0bd1e64e89223cffe88008d1f7d48040e70b698cbb3c8b7c022b44c5e062ca0"

static const uint8_t instance[WIRE_INSTANCE_SIZE] = {1, 2, 3};

static struct wire_request hello(void)
{
	static const char *args[] = {"a", "", "\xff\xfe"};

	return (struct wire_request){
		.id = 7,
		.op = WIRE_HELLO,
		.session = "shop/db/mariadb",
		.token = "t",
		.evidence = {(const uint8_t *)"evidence", 8},
		.instance = {instance, sizeof(instance)},
		.host_args = {args, 3},
	};
}

/* The one frame in b, decoded; the arena is for the caller to free. */
static void *take(
	struct buf *b, size_t max, struct bytes *payload, struct arena *arena)
{
	size_t room;
	void *memory;

	for (size_t i = 0; i < b->size; i++)
		assert_int_equal(wire_frame(b->data, i, max, payload), 0);
	assert_int_equal(wire_frame(b->data, b->size, max, payload), 1);
	assert_int_equal(payload->size + WIRE_HEAD_SIZE, b->size);
	assert_int_equal(cbor_check(payload->data, payload->size, 3), 0);
	room = WIRE_ARENA_SIZE(payload->size);
	memory = malloc(room);
	assert_non_null(memory);
	arena_init(arena, memory, room);
	return memory;
}

static void test_request(void **state)
{
	struct wire_request r = hello(), back;
	struct buf b = {0};
	struct bytes payload;
	struct arena arena;
	struct err e = {0};
	void *memory;

	assert_int_equal(wire_put_request(&r, &b, &e), 0);
	memory = take(&b, WIRE_REQUEST_MAX, &payload, &arena);
	assert_int_equal(
		wire_get_request(&back, payload.data, payload.size, &arena, &e),
		0);
	assert_int_equal(back.id, 7);
	assert_string_equal(back.session, r.session);
	assert_null(back.volume);
	assert_int_equal(back.host_args.count, 3);
	assert_string_equal(back.host_args.item[2], "\xff\xfe");
	assert_memory_equal(back.instance.data, instance, sizeof(instance));
	free(memory);
	buf_fini(&b);
}

static void test_reply(void **state)
{
	size_t big = 4 * 1024 * 1024;
	uint8_t *config = calloc(1, big);
	struct wire_reply back,
		r = {.id = 1,
			.status = ESTALE,
			.error = "no",
			.config = {config, big},
			.lease = 60,
			.on_expiry = 1};
	struct buf b = {.secret = true};
	struct bytes payload;
	struct arena arena;
	struct err e = {0};
	void *memory;

	assert_int_equal(wire_put_reply(&r, &b, &e), 0);
	assert_int_equal(
		wire_frame(b.data, b.size, WIRE_REPLY_MAX, &payload), 1);
	memory = malloc(WIRE_ARENA_SIZE(payload.size));
	arena_init(&arena, memory, WIRE_ARENA_SIZE(payload.size));
	assert_int_equal(
		wire_get_reply(&back, payload.data, payload.size, &arena, &e),
		0);
	assert_int_equal(back.config.size, big);
	assert_string_equal(back.error, "no");
	assert_int_equal(back.status, ESTALE);
	free(memory);
	free(config);
	buf_fini(&b);
}

static void test_two_frames(void **state)
{
	struct wire_request r = hello();
	struct buf b = {0};
	struct bytes payload;
	struct err e = {0};
	size_t one;

	assert_int_equal(wire_put_request(&r, &b, &e), 0);
	one = b.size;
	assert_int_equal(wire_put_request(&r, &b, &e), 0);
	assert_int_equal(b.size, 2 * one);
	assert_int_equal(
		wire_frame(b.data, b.size, WIRE_REQUEST_MAX, &payload), 1);
	assert_int_equal(payload.size + WIRE_HEAD_SIZE, one);
	buf_fini(&b);
}

/* Lengths that no frame has; what is too long is known by its head. */
static void test_bad_frames(void **state)
{
	static const struct {
		uint8_t head[5];
		size_t size;
		int ret;
	} cases[] = {
		{{0, 0, 0, 0, 0}, 4, -EMSGSIZE},
		{{0, 0, 0, 0, 0}, 3, 0},
		{{1, 0, 4, 0, 0}, 4, -EMSGSIZE},
		{{0, 0, 4, 0, 0}, 4, 0},
		{{255, 255, 255, 255, 0}, 4, -EMSGSIZE},
		{{0, 0, 0, 0x80, 0}, 4, -EMSGSIZE},
		{{1, 0, 0, 0, 0}, 5, 1},
		{{2, 0, 0, 0, 0}, 5, 0},
	};
	struct bytes payload;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(wire_frame(cases[i].head, cases[i].size,
					 WIRE_REQUEST_MAX, &payload),
			cases[i].ret);
}

static int decode_changed(struct wire_request r)
{
	static uint8_t memory[1 << 20];
	static uint8_t data[4096];
	struct arena arena;
	struct cbor_writer w;
	struct wire_request back;
	struct err e = {0};
	int ret;

	cbor_writer_init(&w, data, sizeof(data));
	schema_encode(&wire_request_schema, &r, &w);
	assert_int_equal(cbor_writer_check(&w), 0);
	arena_init(&arena, memory, sizeof(memory));
	ret = wire_get_request(&back, data, w.len, &arena, &e);
	assert_true(ret == 0 || e.text[0] != '\0');
	return ret;
}

/* What a hostile peer encodes well, and we never would. */
static void test_bad_values(void **state)
{
	static char long_name[3000];
	struct wire_request r = hello();

	assert_int_equal(decode_changed(r), 0);
	r.op = WIRE_OPS;
	assert_int_equal(decode_changed(r), -EINVAL);
	r = hello();
	r.instance.size--;
	assert_int_equal(decode_changed(r), -ERANGE);
	r = hello();
	memset(long_name, 'a', sizeof(long_name) - 1);
	r.session = long_name;
	assert_int_equal(decode_changed(r), -ERANGE);
	r = hello();
	r.to = (struct bytes){(const uint8_t *)long_name, 65};
	assert_int_equal(decode_changed(r), -ERANGE);
	r = hello();
	r.code = UINT64_MAX;
	assert_int_equal(decode_changed(r), -ERANGE);
}

static void test_not_sent(void **state)
{
	static uint8_t huge[WIRE_REPLY_MAX];
	struct wire_reply r = {.config = {huge, sizeof(huge)}};
	struct wire_request q = hello();
	struct buf b = {0};
	struct err e = {0};

	assert_int_equal(wire_put_reply(&r, &b, &e), -EMSGSIZE);
	q.instance.size = 3;
	assert_int_equal(wire_put_request(&q, &b, &e), -EINVAL);
	assert_int_equal(b.size, 0);
	buf_fini(&b);
}

/* Computed with: printf 'sconce-cas-1\0' and bytes 0..31, sha512sum. */
static void test_binding(void **state)
{
	uint8_t exporter[WIRE_EXPORTER_SIZE], data[64];
	char text[129];

	for (unsigned i = 0; i < sizeof(exporter); i++)
		exporter[i] = (uint8_t)i;
	assert_int_equal(wire_binding(exporter, data), 0);
	bytes_to_hex(data, sizeof(data), text);
	assert_string_equal(text, BINDING);
	exporter[31] ^= 1;
	assert_int_equal(wire_binding(exporter, data), 0);
	bytes_to_hex(data, sizeof(data), text);
	assert_string_not_equal(text, BINDING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_reply),
		cmocka_unit_test(test_two_frames),
		cmocka_unit_test(test_bad_frames),
		cmocka_unit_test(test_bad_values),
		cmocka_unit_test(test_not_sent),
		cmocka_unit_test(test_binding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

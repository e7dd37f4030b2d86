/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of AESM: what Intel's own library writes, and what is refused. */
#include "host/aesm_wire.h"

#include <errno.h>
#include <string.h>

#include "test/unit/unit.h"

static const uint8_t report[432] = {1, 2, 3};
static uint8_t frame[4096];

static size_t encode(const struct aesm_msg *m, bool response)
{
	size_t size = 0;

	assert_int_equal(
		aesm_encode(m, response, frame, sizeof(frame), &size), 0);
	assert_int_equal(frame[0] | frame[1] << 8, size - AESM_FRAME_HEAD);
	assert_int_equal(frame[2] | frame[3], 0);
	return size - AESM_FRAME_HEAD;
}

/* Sizes and beginnings of what Intel's client sends. */
static void test_worked(void **state)
{
	static const uint8_t init[] = {0x7a, 0x8c, 0x02, 0x0a, 0x80, 0x02};
	static const uint8_t size[] = {
		0x82, 0x01, 0x83, 0x02, 0x0a, 0x80, 0x02};
	static const uint8_t quote[] = {
		0x8a, 0x01, 0xb9, 0x05, 0x0a, 0xb0, 0x03};
	struct aesm_msg m = {.message = AESM_INIT_QUOTE_EX};

	aesm_put_bytes(&m, AESM_F_KEY_ID, aesm_intel_key_id, AESM_KEY_ID_SIZE);
	aesm_put_number(&m, AESM_F_WANT_PUB_KEY_ID, 1);
	aesm_put_number(&m, AESM_F_BUF_SIZE, 32);
	aesm_put_number(&m, AESM_F_TIMEOUT, 10000000);
	assert_int_equal(encode(&m, false), 271);
	assert_memory_equal(frame + 4, init, sizeof(init));

	m = (struct aesm_msg){.message = AESM_QUOTE_SIZE_EX};
	aesm_put_bytes(&m, AESM_F_KEY_ID, aesm_intel_key_id, AESM_KEY_ID_SIZE);
	assert_int_equal(encode(&m, false), 263);
	assert_memory_equal(frame + 4, size, sizeof(size));

	m = (struct aesm_msg){.message = AESM_GET_QUOTE_EX};
	aesm_put_bytes(&m, AESM_F_REPORT, report, sizeof(report));
	aesm_put_bytes(&m, AESM_F_KEY_ID, aesm_intel_key_id, AESM_KEY_ID_SIZE);
	aesm_put_number(&m, AESM_F_BUF_SIZE, 4600);
	assert_int_equal(encode(&m, false), 4 + 697);
	assert_memory_equal(frame + 4, quote, sizeof(quote));
}

static void test_round_trip(void **state)
{
	static const uint64_t values[] = {
		0, 1, 127, 128, 16383, 16384, UINT32_MAX};
	struct aesm_msg m, got;

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		size_t size;

		m = (struct aesm_msg){.message = AESM_GET_QUOTE_EX};
		aesm_put_bytes(&m, AESM_F_REPORT, report, i);
		aesm_put_number(&m, AESM_F_BUF_SIZE, values[i]);
		size = encode(&m, false);
		assert_int_equal(aesm_decode(frame + 4, size, false, &got), 0);
		assert_int_equal(got.has, m.has);
		assert_int_equal(got.value[AESM_F_BUF_SIZE], values[i]);
		assert_int_equal(got.span[AESM_F_REPORT].size, i);
		assert_memory_equal(got.span[AESM_F_REPORT].data, report, i);
		/* Cut off anywhere, it is refused. */
		for (size_t cut = 0; cut < size; cut++)
			assert_int_equal(
				aesm_decode(frame + 4, cut, false, &got),
				-EPROTO);
	}
}

static void test_encode_refuses(void **state)
{
	struct aesm_msg m = {.message = AESM_GET_QUOTE_EX};
	size_t size;

	/* No report, no room, foreign fields, unknown messages. */
	aesm_put_number(&m, AESM_F_BUF_SIZE, 1);
	assert_int_equal(
		aesm_encode(&m, false, frame, sizeof(frame), &size), -EINVAL);
	aesm_put_bytes(&m, AESM_F_REPORT, report, sizeof(report));
	for (size_t room = 0; room < 400; room++)
		assert_int_equal(
			aesm_encode(&m, false, frame, room, &size), -ENOSPC);
	aesm_put_number(&m, AESM_F_KEY_ID_NUM, 1);
	assert_int_equal(
		aesm_encode(&m, false, frame, sizeof(frame), &size), -EINVAL);
	m = (struct aesm_msg){.message = 3};
	assert_int_equal(
		aesm_encode(&m, false, frame, sizeof(frame), &size), -EINVAL);
}

static void test_decode(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
		int want;
		bool response;
	} cases[] = {
#define CASE(text, want, response) {text, sizeof(text) - 1, want, response}
		CASE("", -EPROTO, false),
		/* KEY_ID_NUM, with nothing and with a timeout. */
		CASE("\xaa\x01\x00", 0, false),
		CASE("\xaa\x01\x02\x48\x05", 0, false),
		/* Longer forms of a number are numbers. */
		CASE("\xaa\x01\x03\x48\x85\x00", 0, false),
		CASE("\xaa\x81\x00\x00", 0, false),
		/* More than 10 bytes, or than 64 bits. */
		CASE("\xaa\x01\x0c\x48\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80"
		     "\x00",
			-EPROTO, false),
		CASE("\xaa\x01\x0b\x48\xff\xff\xff\xff\xff\xff\xff\xff\xff"
		     "\x02",
			-EPROTO, false),
		/* 33 bits in a field of 32; in one of 64 they fit. */
		CASE("\xaa\x01\x06\x48\x80\x80\x80\x80\x10", -EPROTO, false),
		CASE("\x7a\x08\x18\x00\x20\x80\x80\x80\x80\x10", 0, false),
		/* A truth value of 2. */
		CASE("\x7a\x02\x18\x02", -EPROTO, false),
		/* Twice; as bytes; a group; field 0; behind the message. */
		CASE("\xaa\x01\x04\x48\x05\x48\x05", -EPROTO, false),
		CASE("\xaa\x01\x03\x4a\x01\x05", -EPROTO, false),
		CASE("\xaa\x01\x02\x4b\x4c", -EPROTO, false),
		CASE("\xaa\x01\x02\x00\x05", -EPROTO, false),
		CASE("\xaa\x01\x00\x00", -EPROTO, false),
		CASE("\xaa\x01\x00\xaa\x01\x00", -EPROTO, false),
		/* Unknown fields of every kind. */
		CASE("\xaa\x01\x12\x50\x01\x5a\x01x\x65"
		     "1234\x69"
		     "12345",
			-EPROTO, false),
		CASE("\xaa\x01\x15\x50\x01\x5a\x01x\x65"
		     "1234\x69"
		     "12345678\x48\x05",
			0, false),
		CASE("\xaa\x01\x15\x50\x01\x5a\x01x\x65"
		     "1234\x69"
		     "12345678\x48",
			-EPROTO, false),
		CASE("\xaa\x01\x13\x50\x01\x5a\x01x\x65"
		     "1234\x69"
		     "12345678",
			0, false),
		/* Launch tokens are of other times; answers need a code. */
		CASE("\x1a\x02\x48\x05", -ENOTSUP, false),
		CASE("\xaa\x01\x00", -EPROTO, true),
		CASE("\xaa\x01\x02\x08\x00", 0, true),
		CASE("\xa2\x01\x02\x08\x1e", 0, true),
		CASE("\xa2\x01\x02\x08\x1e", -ENOTSUP, false),
#undef CASE
	};
	struct aesm_msg m;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int got = aesm_decode(
			cases[i].bytes, cases[i].size, cases[i].response, &m);

		if (got != cases[i].want)
			fail_msg("case %zu: %d, wanted %d", i, got,
				cases[i].want);
	}
}

static void test_key_ids(void **state)
{
	uint8_t id[AESM_KEY_ID_SIZE];

	aesm_key_id_make(id, aesm_intel_key_id + 6, 1);
	assert_memory_equal(id, aesm_intel_key_id, sizeof(id));
	assert_true(aesm_key_id_is_p256(id));
	id[154] = 0;
	assert_false(aesm_key_id_is_p256(id));
}

static void test_code_texts(void **state)
{
	for (uint64_t code = 0; code < 100; code++)
		assert_true(strlen(aesm_code_text(code)) > 0);
	assert_string_equal(aesm_code_text(UINT64_MAX), "error");
	assert_string_equal(aesm_code_text(29), "out of EPC memory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_worked),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_encode_refuses),
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_key_ids),
		cmocka_unit_test(test_code_texts),
	};

	return cmocka_run_group_tests_name("aesm-wire", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The length decoder: encodings by hand, truncation, and Zydis as oracle over
 * random bytes and over samples of this machine's programs.
 */
#define _GNU_SOURCE
#include "kernel/insn.h"

#include "lib/types.h"
#include "tools/oracle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct encoding {
	const char *text;
	const char *bytes;
	uint8_t len; /* 0: undefined */
	uint8_t flow, kind, rip_pos;
	int32_t rel;
};

#define E(text, bytes, ...)                                 \
	{                                                   \
		text, bytes, sizeof(bytes) - 1, __VA_ARGS__ \
	}
#define BAD(text, bytes)                   \
	{                                  \
		text, bytes, 0, 0, 0, 0, 0 \
	}

static const struct encoding encodings[] = {
	E("syscall", "\x0f\x05", INSN_NEXT, INSN_SYSCALL, 0, 0),
	E("rex.W syscall", "\x48\x0f\x05", INSN_NEXT, INSN_SYSCALL, 0, 0),
	E("cpuid", "\x0f\xa2", INSN_NEXT, INSN_CPUID, 0, 0),
	E("rdtsc", "\x0f\x31", INSN_NEXT, INSN_RDTSC, 0, 0),
	E("rdtscp", "\x0f\x01\xf9", INSN_NEXT, INSN_RDTSCP, 0, 0),
	E("enclu", "\x0f\x01\xd7", INSN_NEXT, INSN_PRIVATE, 0, 0),
	E("int 0x80", "\xcd\x80", INSN_TRAP, INSN_INT80, 0, 0),
	E("endbr64", "\xf3\x0f\x1e\xfa", INSN_NEXT, INSN_PRIVATE, 0, 0),
	E("mov $39,%eax", "\xb8\x27\0\0\0", 0, 0, 0, 0),
	E("movabs", "\x48\xb8\1\2\3\4\5\6\7\x08", 0, 0, 0, 0),
	E("mov imm16", "\x66\xb8\1\2", 0, 0, 0, 0),
	E("moffs64", "\xa1\1\2\3\4\5\6\7\x08", 0, 0, 0, 0),
	E("moffs32", "\x67\xa1\1\2\3\4", 0, 0, 0, 0),
	E("lea rip", "\x48\x8d\x05\1\2\3\4", 0, 0, 3, 0),
	E("mov sib disp32", "\x8b\x04\x25\1\2\3\4", 0, 0, 0, 0),
	E("mov sib disp8", "\x8b\x44\x24\x08", 0, 0, 0, 0),
	E("mov r12 sib", "\x41\x8b\x04\x24", 0, 0, 0, 0),
	E("test r/m8", "\xf6\x05\1\2\3\4\xff", 0, 0, 2, 0),
	E("test r/m32", "\xf7\xc1\1\2\3\4", 0, 0, 0, 0),
	E("test r/m16", "\x66\xf7\xc1\1\2", 0, 0, 0, 0),
	E("not r/m32", "\xf7\xd1", 0, 0, 0, 0),
	E("imul imm8", "\x6b\xc0\x07", 0, 0, 0, 0),
	E("push imm32", "\x68\1\2\3\4", 0, 0, 0, 0),
	E("enter", "\xc8\1\2\3", 0, 0, 0, 0),
	E("ret", "\xc3", INSN_RET, 0, 0, 0),
	E("ret imm16", "\xc2\x08\0", INSN_RET, 0, 0, 0),
	E("call", "\xe8\xff\xff\xff\xff", INSN_CALL, 0, 0, -1),
	E("jmp", "\xe9\0\1\0\0", INSN_JMP, 0, 0, 256),
	E("jmp short", "\xeb\xfe", INSN_JMP, 0, 0, -2),
	E("je short", "\x74\x10", INSN_JCC, 0, 0, 16),
	E("je near", "\x0f\x84\xf0\xff\xff\xff", INSN_JCC, 0, 0, -16),
	E("loop", "\xe2\xf0", INSN_JCC, 0, 0, -16),
	E("jrcxz", "\xe3\x7f", INSN_JCC, 0, 0, 127),
	E("xbegin", "\xc7\xf8\1\0\0\0", INSN_JCC, 0, 0, 1),
	E("xabort", "\xc6\xf8\xff", 0, INSN_PRIVATE, 0, 0),
	E("jmp *%gs:0", "\x65\xff\x24\x25\0\0\0\0", INSN_JMP_IND, 0, 0, 0),
	E("jmp *rip", "\xff\x25\1\2\3\4", INSN_JMP_IND, 0, 2, 0),
	E("call *rax", "\xff\xd0", INSN_CALL_IND, 0, 0, 0),
	E("notrack jmp", "\x3e\xff\xe0", INSN_JMP_IND, 0, 0, 0),
	E("int3", "\xcc", INSN_TRAP, 0, 0, 0),
	E("ud2", "\x0f\x0b", INSN_TRAP, 0, 0, 0),
	E("hlt", "\xf4", INSN_TRAP, 0, 0, 0),
	E("nopw", "\x66\x2e\x0f\x1f\x84\0\0\0\0\0", 0, 0, 0, 0),
	E("15 bytes", "\x66\x66\x66\x66\x66\x2e\x0f\x1f\x84\0\0\0\0\0", 0, 0, 0,
		0),
	E("pshufb", "\x66\x0f\x38\x00\xc1", 0, 0, 0, 0),
	E("palignr", "\x66\x0f\x3a\x0f\xc1\x08", 0, 0, 0, 0),
	E("extrq imm", "\x66\x0f\x78\xc0\1\2", 0, 0, 0, 0),
	E("mov cr", "\x0f\x20\xc0", 0, 0, 0, 0),
	E("vzeroupper", "\xc5\xf8\x77", 0, 0, 0, 0),
	E("vmovdqa rip", "\xc5\xfd\x6f\x05\1\2\3\4", 0, 0, 4, 0),
	E("vpshufd", "\xc5\xf9\x70\xc1\x1b", 0, 0, 0, 0),
	E("vpermq", "\xc4\xe3\xfd\x00\xc1\x1b", 0, 0, 0, 0),
	E("vpermd", "\xc4\xe2\x7d\x36\xc1", 0, 0, 0, 0),
	E("evex load", "\x62\xf1\xfe\x48\x6f\x44\x24\x01", 0, 0, 0, 0),
	E("evex rip imm", "\x62\xf3\x75\x48\x25\x05\1\2\3\4\xff", 0, 0, 6, 0),
	E("xop map 9", "\x8f\xe9\x78\x81\xc1", 0, 0, 0, 0),
	E("xop map 8", "\x8f\xe8\x78\xc0\xc1\x03", 0, 0, 0, 0),
	E("xop map 10", "\x8f\xea\x78\x10\xc1\1\2\3\4", 0, 0, 0, 0),
	E("xcryptecb", "\xf3\x0f\xa7\xc8", 0, 0, 0, 0),
	E("pop mem", "\x8f\x04\x24", 0, 0, 0, 0),
	BAD("push es", "\x06"),
	BAD("aaa", "\x37"),
	BAD("pusha", "\x60"),
	BAD("group 1a", "\x82\xc0\1"),
	BAD("call far", "\x9a\1\2\3\4\5\6"),
	BAD("salc", "\xd6"),
	BAD("0f 04", "\x0f\x04"),
	BAD("lea reg", "\x8d\xc0"),
	BAD("ff /7", "\xff\xf8"),
	BAD("66 vex", "\x66\xc5\xf8\x77"),
	BAD("rex vex", "\x48\xc5\xf8\x77"),
	BAD("vex map 0", "\xc4\xe0\x78\x77\xc0"),
	BAD("evex map 0", "\x62\xf0\x7c\x48\x10\xc0"),
	BAD("mvex", "\x62\xf1\x78\x48\x10\xc0"),
	BAD("16 bytes",
		"\x66\x66\x66\x66\x66\x66\x66\x2e\x0f\x1f\x84\0\0\0\0\0"),
	BAD("prefixes only",
		"\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66"),
};

static void test_encodings(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(encodings); i++) {
		const struct encoding *e = &encodings[i];
		uint8_t code[32];
		struct insn in;
		size_t n;

		memset(code, 0, sizeof(code));
		memcpy(code, e->bytes, e->len ? e->len : strlen(e->bytes));
		if (!e->len && e->text[0] == '1')
			memcpy(code, e->bytes, 16);
		n = insn_decode(code, sizeof(code), &in);
		if (n != e->len)
			fail_msg("%s: length %zu", e->text, n);
		if (n &&
			(in.flow != e->flow || in.kind != e->kind ||
				in.rip_pos != e->rip_pos || in.rel != e->rel))
			fail_msg("%s: flow %u kind %u rip %u rel %d", e->text,
				in.flow, in.kind, in.rip_pos, in.rel);
		/* No byte less will do. */
		for (size_t k = 0; k < e->len; k++)
			if (insn_decode(code, k, &in))
				fail_msg("%s: accepted from %zu bytes", e->text,
					k);
	}
}

static uint64_t random64(void)
{
	static uint64_t x = 0x2545f4914f6cdd1d;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

/* Escapes, VEX and prefixes more often than chance has them. */
static void test_random_bytes(void **state)
{
	static const uint8_t often[] = {0x0f, 0x0f, 0x66, 0xf2, 0xf3, 0x48,
		0x41, 0xc4, 0xc5, 0x62, 0x8f, 0x38, 0x3a, 0x67, 0xf0, 0xf7};
	struct oracle o = {.show = 10};
	static uint8_t code[4096];

	(void)state;
	for (int round = 0; round < 1500; round++) {
		for (size_t i = 0; i < sizeof(code); i++) {
			uint64_t r = random64();

			code[i] = r & 0x700 ? (uint8_t)r : often[r >> 60];
		}
		oracle_compare(&o, "random", code, sizeof(code), 0);
	}
	printf("random: %lu instructions, %lu length, %lu missed, %lu other, "
	       "%lu of %lu undefined let through\n",
		o.sum.insns, o.sum.length, o.sum.missed, o.sum.property,
		o.sum.lenient, o.sum.undecodable);
	assert_true(o.sum.insns > 1000000);
	assert_int_equal(o.sum.length, 0);
	assert_int_equal(o.sum.missed, 0);
	assert_int_equal(o.sum.property, 0);
}

static void test_programs(void **state)
{
	static const char *const files[] = {
		"/lib/x86_64-linux-gnu/libc.so.6",
		"/lib/ld-musl-x86_64.so.1",
		"/bin/busybox",
		"/usr/lib/x86_64-linux-gnu/libcrypto.so.3",
		"/usr/bin/python3.11",
		"/usr/bin/node",
	};
	struct oracle o = {.show = 10};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		o.byte_limit = o.sum.bytes + (2 << 20);
		oracle_scan_file(&o, files[i]);
	}
	printf("programs: %lu files, %lu instructions\n", o.sum.files,
		o.sum.insns);
	assert_true(o.sum.files >= 2 && o.sum.insns > 500000);
	assert_int_equal(o.sum.length, 0);
	assert_int_equal(o.sum.missed, 0);
	assert_int_equal(o.sum.property, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_encodings),
		cmocka_unit_test(test_random_bytes),
		cmocka_unit_test(test_programs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

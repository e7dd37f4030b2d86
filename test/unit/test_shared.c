/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the kernel touches untrusted memory (S-10, S-14, S-15): the processor
 * stops after every instruction of a host call, the next one is decoded, and
 * each of its memory operands that lies in the shared region must be an
 * aligned 8-byte word, read at most once per call. What is outside the
 * enclave (the server) is not looked at.
 */
#define _GNU_SOURCE
#include <Zydis/Zydis.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include "kernel/hostcall.h"
#include "kernel/uio.h"
#include "test/unit/hostcall_env.h"
#include "test/unit/unit.h"

static ZydisDecoder decoder;
static uint8_t reads[ENV_REGION_SIZE / 8];
static unsigned long accesses, instructions;
static const char *fault;
static uint64_t fault_addr;
static volatile bool stepping;

static void check_operand(const ZydisDecodedInstruction *insn,
	const ZydisDecodedOperand *op, uint64_t rip, ZydisRegisterContext *regs)
{
	uint64_t addr, off;

	if (op->type != ZYDIS_OPERAND_TYPE_MEMORY ||
		op->mem.type == ZYDIS_MEMOP_TYPE_AGEN ||
		op->mem.segment == ZYDIS_REGISTER_GS ||
		op->mem.segment == ZYDIS_REGISTER_FS)
		return;
	if (!ZYAN_SUCCESS(
		    ZydisCalcAbsoluteAddressEx(insn, op, rip, regs, &addr))) {
		fault = "operand not understood";
		return;
	}
	off = addr - (uint64_t)env_region;
	if (off >= ENV_REGION_SIZE && off + op->size / 8 - 1 >= ENV_REGION_SIZE)
		return;
	accesses++;
	if (op->size != 64 || off % 8) {
		fault = "not an aligned word";
		fault_addr = rip;
	} else if (op->actions & ZYDIS_OPERAND_ACTION_MASK_READ &&
		++reads[off / 8] > 1) {
		fault = "word read twice";
		fault_addr = rip;
	}
}

static void trap(int sig, siginfo_t *info, void *ctx)
{
	ucontext_t *uc = ctx;
	greg_t *g = uc->uc_mcontext.gregs;
	ZydisDecodedInstruction insn;
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
	static ZydisRegisterContext regs;
	static const int gregs[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX,
		REG_RSP, REG_RBP, REG_RSI, REG_RDI, REG_R8, REG_R9, REG_R10,
		REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

	if (!stepping) {
		g[REG_EFL] &= ~0x100;
		return;
	}
	if (env_outside)
		return;
	instructions++;
	for (int i = 0; i < 16; i++)
		regs.values[ZYDIS_REGISTER_RAX + i] = (uint64_t)g[gregs[i]];
	/* A repeated instruction with nothing left to do touches nothing. */
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, (void *)g[REG_RIP],
		    ZYDIS_MAX_INSTRUCTION_LENGTH, &insn, op))) {
		fault = "instruction not understood";
		return;
	}
	if (insn.attributes & ZYDIS_ATTRIB_HAS_REP && !g[REG_RCX])
		return;
	for (int i = 0; i < insn.operand_count; i++)
		check_operand(&insn, &op[i], (uint64_t)g[REG_RIP], &regs);
}

/* The red zone is skipped: it may hold somebody's variables. */
static void step(bool on)
{
	stepping = on;
	if (on)
		__asm__ volatile("lea -128(%%rsp), %%rsp\n\t"
				 "pushf\n\t"
				 "orl $0x100, (%%rsp)\n\t"
				 "popf\n\t"
				 "lea 128(%%rsp), %%rsp"
				 :
				 :
				 : "memory", "cc");
}

/* Runs the call in single steps. */
#define STEPPED(call)                                                          \
	({                                                                     \
		int64_t result_;                                               \
		memset(reads, 0, sizeof(reads));                               \
		fault = NULL;                                                  \
		accesses = instructions = 0;                                   \
		step(true);                                                    \
		result_ = (call);                                              \
		step(false);                                                   \
		if (fault)                                                     \
			fail_msg("%s: %s at 0x%lx", #call, fault, fault_addr); \
		assert_true(instructions > 50 && accesses > 9);                \
		result_;                                                       \
	})

static void test_calls(void **state)
{
	struct host_clock clock;
	uint32_t regs[4];

	assert_int_equal(STEPPED(host_null(1)), 0);
	print_message("null: %lu instructions inside\n", instructions);
	assert_int_equal(STEPPED(host_clock_read(&clock)), 0);
	assert_int_equal(STEPPED(host_cpuid(0, 0, regs)), 0);
	assert_int_equal(STEPPED(host_log("", 0)), 0);
}

static void test_data(void **state)
{
	static char buf[5000];
	struct uio_seg seg[3];
	struct uio u;

	for (size_t cut = 0; cut < 20; cut++) {
		seg[0] = (struct uio_seg){(uint64_t)buf, 3 * cut};
		seg[1] = (struct uio_seg){(uint64_t)buf + 100, cut};
		seg[2] = (struct uio_seg){(uint64_t)buf + 201, 500 + cut};
		u = env_uio(seg, 3, cut & 1);
		assert_int_equal(
			STEPPED(host_pwrite(env_file, &u, 500 + 5 * cut, 0)),
			500 + 5 * cut);
		u = env_uio(seg, 3, cut & 1);
		assert_int_equal(
			STEPPED(host_pread(env_file, &u, 499, 0)), 499);
	}
	seg[0] = (struct uio_seg){(uint64_t)buf, 4096};
	u = env_uio(seg, 1, true);
	assert_int_equal(STEPPED(host_pwrite(env_file, &u, 4096, 0)), 4096);
	u = env_uio(seg, 1, true);
	assert_int_equal(STEPPED(host_pread(env_file, &u, 4096, 0)), 4096);
	/* A word at a time is an iteration, which traps, too. */
	print_message("pread 4096: %lu instructions inside, %lu without the "
		      "copy's repetitions\n",
		instructions, instructions - 512);
}

/* What the host left in a buffer must not come back to it, and what pads the
 * last word is zero (S-12). */
static void test_padding(void **state)
{
	static char mark[64];
	struct uio_seg seg = {(uint64_t)mark, 61};
	struct uio u = env_uio(&seg, 1, true);
	char *p;

	memset(mark, 'm', sizeof(mark));
	assert_int_equal(host_pwrite(env_file, &u, 61, 0), 61);
	p = memmem(env_region, ENV_REGION_SIZE, mark, 61);
	assert_non_null(p);
	assert_memory_equal(p + 61, "\0\0\0", 3);
}

/* The test tests: a byte read of the region is seen. */
static volatile char *outside_byte;

static int64_t bad_read(void)
{
	for (int i = 0; i < 20; i++)
		(void)*outside_byte;
	return 0;
}

static void test_sees_a_byte_read(void **state)
{
	outside_byte = env_region + 3;
	fault = NULL;
	memset(reads, 0, sizeof(reads));
	step(true);
	bad_read();
	step(false);
	assert_non_null(fault);
	assert_string_equal(fault, "not an aligned word");
}

static int setup(void **state)
{
	struct sigaction sa = {.sa_sigaction = trap, .sa_flags = SA_SIGINFO};

	ZydisDecoderInit(
		&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	sigaction(SIGTRAP, &sa, NULL);
	return env_setup(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_data),
		cmocka_unit_test(test_padding),
		cmocka_unit_test(test_sees_a_byte_read),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lengths of x86-64 instructions, for the rewriter.
 *
 * Not a disassembler: it tells where the next instruction starts, whether
 * this one transfers control and where to, where a RIP-relative displacement
 * sits, and whether it is one of the few instructions that an enclave cannot
 * execute. 64-bit mode only; Intel SDM volume 2, chapter 2 and appendix A;
 * XOP from AMD volume 6.
 *
 * Rules: reads only code[0..avail); no state, no allocation; an encoding that
 * is undefined in 64-bit mode gives 0 (some undefined ones are let through:
 * a decoder for finding boundaries need not know every reserved field, but
 * lengths of defined instructions are exact, test/oracle compares them with
 * an independent decoder).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* What an instruction does to control flow. */
enum insn_flow {
	INSN_NEXT, /* falls through */
	INSN_JCC, /* conditional relative: jcc, loop, jrcxz, xbegin */
	INSN_JMP, /* unconditional relative jump */
	INSN_CALL, /* relative call */
	INSN_JMP_IND, /* through a register or memory, or far */
	INSN_CALL_IND,
	INSN_RET, /* ret, iret, sysret, sysexit */
	INSN_TRAP, /* int3, int n, ud, hlt, icebp: leaves the program */
};

/* Instructions that the rewriter cares about by name. */
enum insn_kind {
	INSN_OTHER,
	INSN_SYSCALL, /* 0f 05 */
	INSN_CPUID, /* 0f a2 */
	INSN_RDTSC, /* 0f 31 */
	INSN_RDTSCP, /* 0f 01 f9 */
	INSN_INT80, /* cd 80 */
	INSN_SYSENTER, /* 0f 34 */
	INSN_PRIVATE, /* endbr, xabort and others bound to their place */
};

enum { INSN_MAX = 15 };

struct insn {
	uint8_t len; /* 1..15 */
	uint8_t flow; /* enum insn_flow */
	uint8_t kind; /* enum insn_kind */
	uint8_t rip_pos; /* where the disp32 of a RIP-relative operand is; 0:
			  * none
			  */
	uint8_t addr32; /* 67 prefix: a "RIP-relative" operand wraps at 4 GiB */
	uint8_t has_rel; /* rel is valid */
	int32_t rel; /* displacement of a relative branch, from the next insn */
};

/*
 * Decode the instruction at code[0]. Returns its length (also in out->len)
 * or 0 if it is undefined or not complete within avail bytes.
 */
size_t insn_decode(const uint8_t *code, size_t avail, struct insn *out);

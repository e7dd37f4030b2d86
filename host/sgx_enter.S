/* SPDX-License-Identifier: Apache-2.0 */
/*
 * int sgx_enter_call(struct sgx_call *call)
 *
 * Calls __vdso_sgx_enter_enclave (asm/sgx.h): RDI, RSI, RDX, R8, R9 go to the
 * enclave as they are, ECX is the leaf, and the run structure lies on the stack
 * like a seventh argument. It is no C function: what the enclave leaves in
 * R12..R15, in the flags and in the vector registers stays there. So all of
 * what C wants to keep is kept here. On return RDI, RSI, RDX, R8 and R9 are
 * those of EEXIT, since without a user handler the vDSO touches only RAX, RBX
 * and RCX.
 *
 * Vector registers: our enclave exits with them, MXCSR and the x87 control word
 * in their initial state, as an AEX does; those are C's values, too.
 */
#include "host/sgx_enter.h"

	.text
	.p2align 4
	.globl	sgx_enter_call
	.hidden	sgx_enter_call
	.type	sgx_enter_call, @function
sgx_enter_call:
	.cfi_startproc
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbx, 0
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r12, 0
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r13, 0
	pushq	%r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r14, 0
	pushq	%r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r15, 0
	subq	$24, %rsp		/* run, call, padding */
	.cfi_adjust_cfa_offset 24
	movq	CALL_RUN(%rdi), %rax
	movq	%rax, (%rsp)
	movq	%rdi, 8(%rsp)
	movq	%rsp, CALL_RSP(%rdi)
	movq	CALL_FUNCTION(%rdi), %rax
	movq	CALL_LEAF(%rdi), %rcx
	movq	CALL_RSI(%rdi), %rsi
	movq	CALL_RDX(%rdi), %rdx
	movq	CALL_R8(%rdi), %r8
	movq	CALL_R9(%rdi), %r9
	movq	CALL_RDI(%rdi), %rdi
	call	*%rax

	movq	8(%rsp), %rbx
	movq	%rdi, CALL_RDI(%rbx)
	movq	%rsi, CALL_RSI(%rbx)
	movq	%rdx, CALL_RDX(%rbx)
	movq	%r8, CALL_R8(%rbx)
	movq	%r9, CALL_R9(%rbx)

	/* A handler that met the thread at the exit pointer sends it here,
	 * with RSP as it was at the call, and RAX 0. */
	.globl	sgx_enter_back
	.hidden	sgx_enter_back
sgx_enter_back:
	pushq	$2			/* DF, AC and TF may be the enclave's */
	popfq
	addq	$24, %rsp
	.cfi_adjust_cfa_offset -24
	popq	%r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r15
	popq	%r14
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r14
	popq	%r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r13
	popq	%r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r12
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbx
	popq	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbp
	ret
	.cfi_endproc
	.size	sgx_enter_call, . - sgx_enter_call

	.section .note.GNU-stack, "", @progbits

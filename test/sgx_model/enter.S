/* SPDX-License-Identifier: Apache-2.0 */
/*
 * __vdso_sgx_enter_enclave of the model: the calling convention of asm/sgx.h,
 * and all that it does not promise spoilt: R10..R15, the vector registers that
 * C may change, and the direction flag.
 */
	.text
	.globl	model_vdso_enter
	.type	model_vdso_enter, @function
model_vdso_enter:
	pushq	%rbp
	movq	%rsp, %rbp
	pushq	%rbx
	subq	$72, %rsp
	movq	%rdi, (%rsp)
	movq	%rsi, 8(%rsp)
	movq	%rdx, 16(%rsp)
	movq	%r8, 24(%rsp)
	movq	%r9, 32(%rsp)
	movq	%rsp, 40(%rsp)
	movq	%rsp, %rdi
	movl	%ecx, %esi
	movq	16(%rbp), %rdx
	call	model_vdso_c
	movq	(%rsp), %rdi
	movq	8(%rsp), %rsi
	movq	16(%rsp), %rdx
	movq	24(%rsp), %r8
	movq	32(%rsp), %r9
	movq	$-1, %r10
	movq	%r10, %r11
	movq	%r10, %r12
	movq	%r10, %r13
	movq	%r10, %r14
	movq	%r10, %r15
	movq	%r10, %rcx
	std
	movq	-8(%rbp), %rbx
	leave
	ret

	/* Never run: where signal frames say that the thread is. */
	.globl	model_exit_pointer
model_exit_pointer:
	ud2

	.globl	model_sigreturn
	.type	model_sigreturn, @function
model_sigreturn:
	movq	%rdx, %rax
	movq	%rsi, %rsp
	movq	$-1, %rbx
	movq	%rbx, %rbp
	movq	%rbx, %r12
	movq	%rbx, %r13
	movq	%rbx, %r14
	movq	%rbx, %r15
	std
	jmp	*%rdi

	.section .note.GNU-stack, "", @progbits

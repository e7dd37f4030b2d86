/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The edge between host and enclave: EENTER, ERESUME, EEXIT, the landing of
 * an AEX, and the stub that patched ENCLU sites call.
 *
 * Stack of emu_enter below its return address, RBP -> saved RBP:
 *   RBX R12 R13 R14 R15, padding, then RDX RDI RSI R8 R9 + padding: 96 bytes.
 * The RSP of that frame is what the enclave sees as URSP, and what it must
 * restore before EEXIT.
 *
 * GS: the host uses no GS base. It stays what the enclave last loaded and is
 * exchanged only when the next entry needs another one.
 */
#include "emu/offsets.h"

#define SGX_EENTER 2
#define SGX_ERESUME 3
#define SGX_EEXIT 4

	.text
	.p2align 6
	.globl	emu_text_start
	.hidden	emu_text_start
emu_text_start:

	.globl	emu_enter
	.hidden	emu_enter
	.type	emu_enter, @function
emu_enter:
	pushq	%rbp
	movq	%rsp, %rbp
	pushq	%rbx
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	subq	$56, %rsp
	movq	%rdx, (%rsp)
	movq	%rdi, 8(%rsp)
	movq	%rsi, 16(%rsp)
	movq	%r8, 24(%rsp)
	movq	%r9, 32(%rsp)
	movq	emu_self@gottpoff(%rip), %rax
	movq	%fs:(%rax), %rbx
	testq	%rbx, %rbx
	jz	.Linval
	movl	%ecx, %r12d
	movq	16(%rbp), %r13
	movq	%r13, T_RUN(%rbx)
	movq	%rsp, T_HOST_RSP(%rbx)
	movq	%rbx, %rdi
	movl	%ecx, %esi
	movq	%r13, %rdx
	call	emu_enter_prepare
	testq	%rax, %rax
	js	.Linval
	jnz	.Lout_zero	/* faulted: run says so */
	cmpl	$SGX_ERESUME, %r12d
	je	.Lresume

	/* EENTER */
	movq	T_ENTRY_GS(%rbx), %rcx
	rdgsbase %rax
	cmpq	%rcx, %rax
	je	1f
	wrgsbase %rcx
1:	movq	T_ENTRY_FS(%rbx), %rcx
	movq	T_ENTRY_RIP(%rbx), %r10
	movl	T_CSSA(%rbx), %eax
	movq	(%rsp), %rdx
	movq	8(%rsp), %rdi
	movq	16(%rsp), %rsi
	movq	24(%rsp), %r8
	movq	32(%rsp), %r9
	wrfsbase %rcx
	leaq	.Lexited(%rip), %rcx
	movl	$MODE_ENCLAVE, T_MODE(%rbx)
	movq	T_TCS_ADDR(%rbx), %rbx
	jmp	*%r10

	/* The address that EENTER puts in RCX; EEXIT comes here. */
	.p2align 4
.Lexited:
	cld
	movq	emu_self@gottpoff(%rip), %rax
	movq	%fs:(%rax), %rax
	cmpq	%rsp, T_HOST_RSP(%rax)
	jne	emu_bad_exit
	movq	T_RUN(%rax), %rcx
	movl	$SGX_EEXIT, R_FUNCTION(%rcx)
	movl	$0, R_VECTOR(%rcx)
	movq	%rdi, R_EXIT_RDI(%rcx)
	movq	%rsi, R_EXIT_RSI(%rcx)
	movq	%rdx, R_EXIT_RDX(%rcx)
	movq	%r8, R_EXIT_R8(%rcx)
	movq	%r9, R_EXIT_R9(%rcx)
.Lout_zero:
	xorl	%eax, %eax
.Lout:
	addq	$56, %rsp
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbx
	popq	%rbp
	ret
.Linval:
	movl	$-22, %eax	/* -EINVAL */
	jmp	.Lout

	/* An AEX continues here, with the host's FS and RSP = T_HOST_RSP. */
	.globl	emu_aep
	.hidden	emu_aep
emu_aep:
	cld
	jmp	.Lout_zero

	/* ERESUME: T_GPR, T_IRET, T_ENTRY_FS/GS and T_XSAVE are prepared. */
	.p2align 4
.Lresume:
	movq	T_XSAVE(%rbx), %rcx
	movl	T_XFRM(%rbx), %eax
	movl	T_XFRM+4(%rbx), %edx
	xrstor64 (%rcx)
	movq	T_ENTRY_GS(%rbx), %rcx
	rdgsbase %rax
	cmpq	%rcx, %rax
	je	1f
	wrgsbase %rcx
1:	movq	T_ENTRY_FS(%rbx), %rcx
	wrfsbase %rcx
	movl	$MODE_ENCLAVE, T_MODE(%rbx)
	movq	T_GPR+0*8(%rbx), %rax
	movq	T_GPR+1*8(%rbx), %rcx
	movq	T_GPR+2*8(%rbx), %rdx
	movq	T_GPR+5*8(%rbx), %rbp
	movq	T_GPR+6*8(%rbx), %rsi
	movq	T_GPR+7*8(%rbx), %rdi
	movq	T_GPR+8*8(%rbx), %r8
	movq	T_GPR+9*8(%rbx), %r9
	movq	T_GPR+10*8(%rbx), %r10
	movq	T_GPR+11*8(%rbx), %r11
	movq	T_GPR+12*8(%rbx), %r12
	movq	T_GPR+13*8(%rbx), %r13
	movq	T_GPR+14*8(%rbx), %r14
	movq	T_GPR+15*8(%rbx), %r15
	leaq	T_IRET(%rbx), %rsp
	movq	T_GPR+3*8(%rbx), %rbx
	/* The frame is the host's: the enclave's stack is not touched. */
	iretq

/*
 * Patched ENCLU sites call this (through one jump above ELRANGE) with every
 * register the enclave's. [RSP] is the address after the site's call.
 */
	.p2align 6
	.globl	emu_stub
	.hidden	emu_stub
emu_stub:
	pushfq
	pushq	%rcx
	pushq	%rdx
	rdgsbase %rcx
	imull	$GS_HASH_MULTIPLIER - 0x100000000, %ecx, %edx
	shrl	$GS_HASH_SHIFT, %edx
	shll	$4, %edx
	addq	emu_gs_base(%rip), %rdx
	cmpq	%rcx, (%rdx)
	jne	.Lmiss
	movq	8(%rdx), %rcx
	testq	%rcx, %rcx
	jz	.Lmiss
.Lfound:
	cmpl	$SGX_EEXIT, %eax
	jne	.Lleaf

	/* EEXIT. RCX is the thread; RAX, RCX and flags are free. */
	movq	%rbx, %rdx
	shrq	$47, %rdx
	jnz	.Lleaf		/* not canonical (or kernel half): #GP */
	movl	$MODE_HOST, T_MODE(%rcx)
	movq	T_TCS_ACTIVE(%rcx), %rax
	movq	T_HOST_FS(%rcx), %rdx
	wrfsbase %rdx
	popq	%rdx
	leaq	24(%rsp), %rsp
	movl	$0, (%rax)
	leaq	emu_aep(%rip), %rcx
	movl	$SGX_EEXIT, %eax
	jmp	*%rbx

	/* Any other leaf. */
	.p2align 4
.Lleaf:
	movq	%rax, T_GPR+0*8(%rcx)
	movq	%rbx, T_GPR+3*8(%rcx)
	movq	%rbp, T_GPR+5*8(%rcx)
	movq	%rsi, T_GPR+6*8(%rcx)
	movq	%rdi, T_GPR+7*8(%rcx)
	movq	%r8, T_GPR+8*8(%rcx)
	movq	%r9, T_GPR+9*8(%rcx)
	movq	%r10, T_GPR+10*8(%rcx)
	movq	%r11, T_GPR+11*8(%rcx)
	movq	%r12, T_GPR+12*8(%rcx)
	movq	%r13, T_GPR+13*8(%rcx)
	movq	%r14, T_GPR+14*8(%rcx)
	movq	%r15, T_GPR+15*8(%rcx)
	popq	T_GPR+2*8(%rcx)
	popq	T_GPR+1*8(%rcx)
	popq	T_RFLAGS(%rcx)
	popq	%rax
	subq	$5, %rax
	movq	%rax, T_RIP(%rcx)
	movq	%rsp, T_GPR+4*8(%rcx)
	movl	$MODE_LEAF, T_MODE(%rcx)
	movq	T_HOST_RSP(%rcx), %rsp
	andq	$-16, %rsp
	movq	%rcx, %rbx
	movq	%rcx, %rdi
	cld
	call	emu_stub_leaf
	testl	%eax, %eax
	jnz	.Lstub_aex
	movq	T_GPR+4*8(%rbx), %rsp
	movq	T_RIP(%rbx), %rax
	addq	$5, %rax
	pushq	%rax
	pushq	T_RFLAGS(%rbx)
	movl	$MODE_ENCLAVE, T_MODE(%rbx)
	movq	T_GPR+0*8(%rbx), %rax
	movq	T_GPR+1*8(%rbx), %rcx
	movq	T_GPR+2*8(%rbx), %rdx
	movq	T_GPR+6*8(%rbx), %rsi
	movq	T_GPR+7*8(%rbx), %rdi
	movq	T_GPR+8*8(%rbx), %r8
	movq	T_GPR+9*8(%rbx), %r9
	movq	T_GPR+10*8(%rbx), %r10
	movq	T_GPR+11*8(%rbx), %r11
	movq	T_GPR+3*8(%rbx), %rbx	/* the C code kept RBP, R12..R15 */
	popfq
	ret

	/* The leaf faulted: the SSA has the state, except the vectors. */
.Lstub_aex:
	movq	T_XSAVE(%rbx), %rcx
	movl	T_XFRM(%rbx), %eax
	movl	T_XFRM+4(%rbx), %edx
	xsave64	(%rcx)
	leaq	emu_init_xsave(%rip), %rcx
	xrstor64 (%rcx)
	movq	T_HOST_FS(%rbx), %rax
	wrfsbase %rax
	movl	$MODE_HOST, T_MODE(%rbx)
	movq	T_HOST_RSP(%rbx), %rsp
	jmp	emu_aep

	/* The table does not know this GS base: ask for the thread's id. */
.Lmiss:
	pushq	%rax
	pushq	%rsi
	pushq	%rdi
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	cld
	call	emu_thread_lookup
	movq	%rax, %rcx
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rdi
	popq	%rsi
	popq	%rax
	jmp	.Lfound
	.size	emu_enter, . - emu_enter

	.globl	emu_text_end
	.hidden	emu_text_end
emu_text_end:

	.section .rodata
	.p2align 6
	/* x87 and SSE initial values; an empty header means initial state. */
emu_init_xsave:
	.short	0x037f
	.zero	22
	.long	0x1f80
	.long	0
	.zero	576 - 32
	.size	emu_init_xsave, 576

	.section .note.GNU-stack, "", @progbits

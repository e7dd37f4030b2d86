/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small enclave for test_emu.c, copied into ELRANGE page by page.
 *
 * EENTER with CSSA 0: RDI is the address (in this text) of a routine, which
 * finds RSI, RDX, R8, R9 as passed and R14 = where to leave to. With CSSA > 0:
 * leaves at once with RDI = CSSA. `leave` exits with RDI, RSI, RDX, R8, R9.
 * The host's stack stays in RSP.
 */
	.macro	enclu
	.byte	0x0f, 0x01, 0xd7, 0x66, 0x90
	.endm

	.section .rodata.enclave, "a", @progbits
	.p2align 12
	.globl	test_enclave_start
test_enclave_start:
	movq	%rcx, %r14
	testl	%eax, %eax
	jnz	1f
	jmp	*%rdi
1:	movl	%eax, %edi
	jmp	leave

	.p2align 4
	.globl	test_leave
test_leave:
leave:	movq	%r14, %rbx
	movl	$4, %eax
	enclu
	ud2

	/* ENCLU with RAX=RSI, RBX=RDX, RCX=R8, RDX=R9; leaves with RSI=RAX,
	 * RDX=RFLAGS. Every other register must come back: else RDI = 1. */
	.globl	test_enclu
test_enclu:
	movq	%rsi, %rax
	movq	%rdx, %rbx
	movq	%r8, %rcx
	movq	%r9, %rdx
	movq	$0x51515151, %rsi
	movq	$0xd1d1d1d1, %rdi
	movq	$0x10101010, %r10
	movq	$0x11111111, %r11
	movq	$0x12121212, %r12
	movq	$0x13131313, %r13
	movq	%rsp, %r15
	enclu
	pushfq
	popq	%rdx
	cld
	xchgq	%rax, %rsi
	cmpq	$0x51515151, %rax
	jne	2f
	movq	$0xd1d1d1d1, %rax
	cmpq	%rax, %rdi
	jne	2f
	cmpq	$0x10101010, %r10
	jne	2f
	cmpq	$0x11111111, %r11
	jne	2f
	cmpq	$0x12121212, %r12
	jne	2f
	cmpq	$0x13131313, %r13
	jne	2f
	cmpq	%rsp, %r15
	jne	2f
	xorl	%edi, %edi
	jmp	leave
2:	movl	$1, %edi
	jmp	leave

	/* EACCEPT with SECINFO RSI of RDX pages of from R8 on; RSI = last
	 * RAX, for timing. */
	.globl	test_accept_range
test_accept_range:
	movq	%rsi, %rbx
	movq	%r8, %rcx
	movq	%rdx, %r12
3:	movl	$5, %eax
	enclu
	testl	%eax, %eax
	jnz	4f
	addq	$4096, %rcx
	decq	%r12
	jnz	3b
4:	movq	%rax, %rsi
	jmp	leave

	/* Loads from RSI into RSI. */
	.globl	test_load
test_load:
	movq	(%rsi), %rsi
	jmp	leave

	/* Stores RDX to RSI. */
	.globl	test_store
test_store:
	movq	%rdx, (%rsi)
	jmp	leave

	/* Jumps to RSI. */
	.globl	test_jump
test_jump:
	jmp	*%rsi

	.globl	test_syscall
test_syscall:
	movl	$39, %eax
	.globl	test_syscall_site
test_syscall_site:
	syscall
	.globl	test_after_syscall
test_after_syscall:
	movq	%rax, %rsi
	jmp	leave

	.globl	test_ud
test_ud:
	ud2
	jmp	leave

	.globl	test_bp
test_bp:
	int3
	jmp	leave

	.globl	test_de
test_de:
	xorl	%ecx, %ecx
	movl	$1, %eax
	xorl	%edx, %edx
	divl	%ecx
	jmp	leave

	.globl	test_gp
test_gp:
	movabsq	$0x8000000000000000, %rax
	movq	(%rax), %rax
	jmp	leave

	/* Spins until the word at RSI is not 0. */
	.globl	test_spin
test_spin:
	pause
	cmpq	$0, (%rsi)
	je	test_spin
	movl	$77, %edi
	jmp	leave

	/*
	 * Fills every register from the 2 KiB at RSI (16 registers' worth of
	 * zmm at 0, GPRs derived), faults at test_fault, and stores the vector
	 * state to RDX. R8: 512, 256 or 128 bit registers.
	 */
	.globl	test_vectors
test_vectors:
	cmpl	$512, %r8d
	jne	5f
	vmovdqu64 (%rsi), %zmm0
	vmovdqu64 64(%rsi), %zmm15
	vmovdqu64 128(%rsi), %zmm16
	vmovdqu64 192(%rsi), %zmm31
	movl	$0x5a5a5a5a, %eax
	kmovw	%eax, %k1
	jmp	6f
5:	vmovdqu	(%rsi), %ymm0
	vmovdqu	64(%rsi), %ymm15
6:	fldpi
	movq	$0x8888888888888888, %r10
	movq	$0xbbbbbbbbbbbbbbbb, %r11
	stc
	.globl	test_fault
test_fault:
	ud2
	.globl	test_fault_next
test_fault_next:
	jnc	7f
	movq	$0x8888888888888888, %rax
	cmpq	%rax, %r10
	jne	7f
	movq	$0xbbbbbbbbbbbbbbbb, %rax
	cmpq	%rax, %r11
	jne	7f
	fstpt	512(%rdx)
	cmpl	$512, %r8d
	jne	8f
	vmovdqu64 %zmm0, (%rdx)
	vmovdqu64 %zmm15, 64(%rdx)
	vmovdqu64 %zmm16, 128(%rdx)
	vmovdqu64 %zmm31, 192(%rdx)
	kmovw	%k1, %eax
	movl	%eax, 528(%rdx)
	xorl	%edi, %edi
	jmp	leave
8:	vmovdqu	%ymm0, (%rdx)
	vmovdqu	%ymm15, 64(%rdx)
	xorl	%edi, %edi
	jmp	leave
7:	movl	$1, %edi
	jmp	leave

	.globl	test_cpuid
test_cpuid:
	xorl	%eax, %eax
	cpuid
	jmp	leave

	/* RSI = FS base, RDX = GS base. */
	.globl	test_bases
test_bases:
	rdfsbase %rsi
	rdgsbase %rdx
	jmp	leave

	/* ENCLU of RDX = leaf with RBX, RCX, RDX from the three words at RSI;
	 * leaves with RSI = RAX. XMM7 must survive: else RDI = 1. */
	.globl	test_enclu3
test_enclu3:
	movl	%edx, %eax
	movq	(%rsi), %rbx
	movq	8(%rsi), %rcx
	movq	16(%rsi), %rdx
	movq	$0x7777777777777777, %rdi
	movq	%rdi, %xmm7
	enclu
	movq	%rax, %rsi
	movq	%xmm7, %rax
	cmpq	%rax, %rdi
	jne	9f
	xorl	%edi, %edi
	jmp	leave
9:	movl	$1, %edi
	jmp	leave

	/* Leaves at once with another GS base (RSI). */
	.globl	test_other_gs
test_other_gs:
	wrgsbase %rsi
	jmp	leave

	.p2align 12
	.globl	test_enclave_end
test_enclave_end:

	.section .note.GNU-stack, "", @progbits

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small functions, one for each form of window, and what runs them with every
 * register known. forms_begin..forms_end gets copied, patched and run beside
 * the original. The entries below stand for the kernel: they execute the real
 * instruction and continue where the trampoline asked for, so original and
 * patched copy must end in the same state.
 */
#define GS_RETURN 0x10
#define GS_SYSCALLS 0x18
#define GS_CPUIDS 0x20
#define NR_getpid 39

	.macro	func name
	.globl	\name
	.type	\name, @function
	.p2align 4
\name:	.cfi_startproc
	.endm

	.macro	endfunc name
	.cfi_endproc
	.size	\name, . - \name
	.endm

	/* Fill the red zone from -128 on with what is in rax..r15. */
	.macro	red_zone
	mov	%r8, -8(%rsp)
	mov	%r9, -16(%rsp)
	mov	%r10, -64(%rsp)
	mov	%r12, -120(%rsp)
	mov	%r13, -128(%rsp)
	.endm

	.text
	.p2align 12
	.globl	forms_begin, forms_end
forms_begin:
	.quad	0x1122334455667788
forms_number:
	.quad	NR_getpid

func form_k1
	red_zone
	mov	$NR_getpid, %eax
	.globl	form_k1_site
form_k1_site:
	syscall
	ret
endfunc form_k1

func form_k1_wide
	red_zone
	mov	$NR_getpid, %rax
	syscall
	ret
endfunc form_k1_wide

func form_k1_rip
	mov	forms_number(%rip), %rax
	syscall
	ret
endfunc form_k1_rip

func form_k2
	red_zone
	mov	$NR_getpid, %eax
	mov	%rbx, %rdi
	syscall
	mov	%rcx, %r14
	ret
endfunc form_k2

func form_k2_rip
	lea	forms_begin(%rip), %rdi
	mov	%rbp, %rax
	syscall
	ret
endfunc form_k2_rip

func form_p
	red_zone
	cmp	%r8, %r9
	je	1f
1:	mov	%rbp, %rax
	syscall
	ret
endfunc form_p

func form_p4
	cmp	%r8, %r9
	je	1f
1:	mov	%ebp, %eax
	mov	%ebx, %edi
	syscall
	ret
endfunc form_p4

	/* The site is a branch target from here on. */
func form_post
	red_zone
	mov	%rbp, %rax
	cmp	%r8, %r9
	jne	1f
	xor	%eax, %eax
1:	syscall
	mov	%rcx, %r14
	ret
endfunc form_post

func form_post_rip
	mov	%rbp, %rax
	cmp	%r8, %r9
	jne	1f
	xor	%eax, %eax
1:	syscall
	add	forms_begin(%rip), %rbx
	ret
endfunc form_post_rip

func form_post_jcc
	mov	%rbp, %rax
	cmp	%r8, %r9
	jne	1f
	xor	%eax, %eax
1:	syscall
	test	%eax, %eax
	jns	2f
	mov	$1, %ebx
	ret
2:	mov	$2, %ebx
	ret
endfunc form_post_jcc

func form_post_jcc_not
	mov	%rbp, %rax
	cmp	%r8, %r9
	jne	1f
	xor	%eax, %eax
1:	syscall
	test	%eax, %eax
	js	2f
	mov	$1, %ebx
	ret
2:	mov	$2, %ebx
	ret
endfunc form_post_jcc_not

func form_post_jmp
	mov	%rbp, %rax
	cmp	%r8, %r9
	jne	1f
	xor	%eax, %eax
1:	syscall
	nop
	jmp	2f
	ud2
2:	mov	$2, %ebx
	ret
endfunc form_post_jmp

func form_post_ret
	mov	%rbp, %rax
	cmp	%r8, %r9
	jne	1f
	xor	%eax, %eax
1:	syscall
	ret
	nop
	nop
endfunc form_post_ret

func form_pre_post
	cmp	%r8, %r8
	je	1f
	jne	2f
1:	mov	%ebp, %eax
	syscall
	nop
2:	mov	%eax, %ebx
	ret
endfunc form_pre_post

func form_cpuid_k1
	red_zone
	mov	$0, %eax
	cpuid
	ret
endfunc form_cpuid_k1

func form_cpuid_k2
	red_zone
	mov	$0x80000002, %eax
	xor	%ecx, %ecx
	cpuid
	ret
endfunc form_cpuid_k2

func form_cpuid_p
	cmp	%r8, %r9
	je	1f
1:	mov	%r15, %rax
	cpuid
	ret
endfunc form_cpuid_p

func form_cpuid_post
	cmp	%r8, %r9
	mov	%r15, %rax
	jne	1f
	mov	$1, %eax
1:	cpuid
	mov	%rbx, %r14
	ret
endfunc form_cpuid_post

	.p2align 12
forms_end:

/* What %gs:0 and %gs:8 point at. */
	.globl	forms_entry_syscall, forms_entry_cpuid
forms_entry_syscall:
	mov	%rcx, %gs:GS_RETURN
	mov	%gs:GS_SYSCALLS, %rcx
	lea	1(%rcx), %rcx
	mov	%rcx, %gs:GS_SYSCALLS
	syscall
	mov	%gs:GS_RETURN, %rcx
	jmp	*%rcx

forms_entry_cpuid:
	mov	%rdx, %gs:GS_RETURN
	mov	%gs:GS_CPUIDS, %rdx
	lea	1(%rdx), %rdx
	mov	%rdx, %gs:GS_CPUIDS
	cpuid
	jmp	*%gs:GS_RETURN

/*
 * void forms_run(const struct state *in, struct state *out, void (*fn)(void))
 * struct state: 16 registers (rax, rcx, rdx, rbx, -, rbp, rsi, rdi, r8..r15),
 * flags, 7 words of padding, 128 bytes of red zone, XSAVE area at 320.
 */
#define FLAGS 128
#define RED 192
#define XSAVE 320
#define XMASK 0xe7

	.globl	forms_run
	.type	forms_run, @function
forms_run:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rdi, in_ptr(%rip)
	mov	%rsi, out_ptr(%rip)
	mov	%rdx, fn_ptr(%rip)
	lea	-136(%rsp), %rdi	/* poison the red zone */
	mov	$0x5a, %eax
	mov	$128, %ecx
	rep stosb
	mov	in_ptr(%rip), %rdi
	mov	$XMASK, %eax
	xor	%edx, %edx
	xrstor64 XSAVE(%rdi)
	mov	0(%rdi), %rax
	mov	8(%rdi), %rcx
	mov	16(%rdi), %rdx
	mov	24(%rdi), %rbx
	mov	40(%rdi), %rbp
	mov	48(%rdi), %rsi
	mov	64(%rdi), %r8
	mov	72(%rdi), %r9
	mov	80(%rdi), %r10
	mov	88(%rdi), %r11
	mov	96(%rdi), %r12
	mov	104(%rdi), %r13
	mov	112(%rdi), %r14
	mov	120(%rdi), %r15
	pushq	FLAGS(%rdi)
	mov	56(%rdi), %rdi
	popfq
	call	*fn_ptr(%rip)
	mov	%rax, live+0(%rip)
	mov	%rcx, live+8(%rip)
	mov	%rdx, live+16(%rip)
	mov	%rbx, live+24(%rip)
	mov	%rbp, live+40(%rip)
	mov	%rsi, live+48(%rip)
	mov	%rdi, live+56(%rip)
	mov	%r8, live+64(%rip)
	mov	%r9, live+72(%rip)
	mov	%r10, live+80(%rip)
	mov	%r11, live+88(%rip)
	mov	%r12, live+96(%rip)
	mov	%r13, live+104(%rip)
	mov	%r14, live+112(%rip)
	mov	%r15, live+120(%rip)
	pushfq
	popq	live+FLAGS(%rip)
	pushq	$0x202
	popfq
	mov	out_ptr(%rip), %rbx
	lea	-136(%rsp), %rsi
	lea	RED(%rbx), %rdi
	mov	$128, %ecx
	rep movsb
	lea	live(%rip), %rsi
	mov	%rbx, %rdi
	mov	$136, %ecx
	rep movsb
	mov	$XMASK, %eax
	xor	%edx, %edx
	xsave64	XSAVE(%rbx)
	vzeroupper
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret
	.size	forms_run, . - forms_run

	.bss
	.p2align 6
live:	.skip	192
out_ptr: .skip	8
fn_ptr:	.skip	8
in_ptr:	.skip	8

	.section .note.GNU-stack, "", @progbits

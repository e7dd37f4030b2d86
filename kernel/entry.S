/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one way into the enclave and the one way out, and the border between
 * the application and the kernel.
 *
 * enclave_entry    where every EENTER lands (TCS.OENTRY)
 * enclave_exit     the only EEXIT at CSSA 0, as a function that returns when
 *                  the host has come back
 * kentry           where rewritten system calls land; rcx: address behind
 *                  the call site. Touches no register but rcx and r11.
 * kentry_cpuid     the same for cpuid; rdx: address behind the call site
 * trap_entry       where stage 1 of an exception sends the thread
 *
 * Rules: no instruction between EENTER and the load of RSP touches memory
 * other than through %gs (S-04); flags are made sane first (S-01); registers
 * are zeroed before EEXIT (S-05). Extended state is handled in C by the
 * callers of enclave_exit (kernel/cpu.c): the kernel itself never uses it.
 */
#include "abi/entry.h"
#include "kernel/cpu.h"

#define ENCLU_EEXIT 4
#define GPR_URSP 144 /* struct GPRSGX: URSP, URBP (SDM vol. 3D, 35.9.2.1) */
#define GPR_URBP 152
#define UACCESS_SHORT 192 /* struct stat and less */
#define FRAME_RIP 128 /* struct trapframe */
#define FRAME_RFLAGS 136
/* CF, PF, AF, ZF, SF, OF; IF and the fixed bit are always there */
#define FLAGS_USUAL 0xad7

/* PUSHS r15, r14: in this order. */
.macro PUSHS regs:vararg
	.irp reg, \regs
	push	%\reg
	.endr
.endm
.macro POPS regs:vararg
	.irp reg, \regs
	pop	%\reg
	.endr
.endm

/* Five bytes, so that the emulator can turn them into a call. */
.macro ENCLU
	.byte 0x0f, 0x01, 0xd7, 0x66, 0x90
.endm

	.section .text.entry, "ax"
	.globl enclave_entry
	.type enclave_entry, @function
enclave_entry:
	cld
	cmp	$1, %eax		/* CSSA */
	je	.Lexception
	ja	.Lrefuse
	mov	%gs:CPU_STATE, %rax
	cmp	$CPU_STATE_EXITED, %eax
	je	.Lreturn
	cmp	$CPU_STATE_FRESH, %eax
	jne	.Lrefuse

	/* First entry of this TCS. TCS 0 boots; its struct cpu is all zero. */
	movq	$CPU_STATE_INSIDE, %gs:CPU_STATE
	rdgsbase %rdx
	lea	(SLOT_IDLE_STACK_TOP - SLOT_CPU)(%rdx), %rsp
	pushq	$2
	popfq
	lea	(SLOT_SSA + SSA_FRAME_PAGES * 4096 - 184 - SLOT_CPU)(%rdx), %rax
	mov	%rax, %gs:CPU_SSA_GPR
	mov	%rdx, %gs:CPU_SELF
	lea	(SLOT_EXC_STACK_TOP - SLOT_CPU)(%rdx), %rax
	mov	%rax, %gs:CPU_EXC_STACK	/* last: from here on, stage 1 works */
	mov	%rcx, %gs:CPU_HOST_RET
	xor	%ebp, %ebp
	call	cpu_first_entry		/* (cmd, arg, cpu); does not return */
	ud2

.Lreturn:
	mov	%gs:CPU_EXIT_RSP, %rsp
	pushq	$2
	popfq
	movq	$CPU_STATE_INSIDE, %gs:CPU_STATE
	mov	%rcx, %gs:CPU_HOST_RET
	mov	%rsi, %rax		/* the host's hint */
	POPS	r15, r14, r13, r12, rbp, rbx
	ret

.Lexception:
	mov	%gs:CPU_EXC_STACK, %rdx
	test	%rdx, %rdx
	jz	.Learly
	mov	%rdx, %rsp
	pushq	$2
	popfq
	mov	%rcx, %gs:CPU_EXC_RET
	xor	%ebp, %ebp
	call	exception_stage1	/* returns nothing */
	mov	$EXIT_RESUME, %edi
	xor	%esi, %esi

	/* void enclave_exit_exception(uint64_t reason, uint64_t arg) */
	.globl enclave_exit_exception
	.type enclave_exit_exception, @function
enclave_exit_exception:
	mov	%gs:CPU_EXC_RET, %rbx
	mov	%gs:CPU_SSA_GPR, %rdx
	add	$(SSA_FRAME_PAGES * 4096), %rdx	/* frame 1: this entry's */
	jmp	.Lleave

	/* A tick in the first instructions of the first entry. They cannot
	 * fault, so there is nothing to do but to go on. */
.Learly:
	mov	%rcx, %rbx
	mov	$EXIT_RESUME, %edi
	xor	%esi, %esi
	jmp	.Lscrub

	/* Nothing can be trusted to be set up: leave without touching memory.
	 * The host entered against the protocol and gets told so. */
.Lrefuse:
	mov	%rcx, %rbx
	mov	$EXIT_PANIC, %edi
	mov	$1, %esi
	jmp	.Lscrub

	/*
	 * uint64_t enclave_exit(uint64_t reason, uint64_t arg)
	 */
	.globl enclave_exit
	.type enclave_exit, @function
enclave_exit:
	PUSHS	rbx, rbp, r12, r13, r14, r15
	mov	%rsp, %gs:CPU_EXIT_RSP
	movq	$CPU_STATE_EXITED, %gs:CPU_STATE
	mov	%gs:CPU_HOST_RET, %rbx
	mov	%gs:CPU_SSA_GPR, %rdx

	/* rdi, rsi: reason and argument; rbx: where to; rdx: GPRSGX */
.Lleave:
	mov	GPR_URSP(%rdx), %rsp
	mov	GPR_URBP(%rdx), %rbp
.Lscrub:
	xor	%ecx, %ecx
	xor	%edx, %edx
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d
	xor	%r12d, %r12d
	xor	%r13d, %r13d
	xor	%r14d, %r14d
	xor	%r15d, %r15d		/* flags are those of a zero result */
	mov	$ENCLU_EEXIT, %eax
	ENCLU
	ud2

	/*
	 * A system call of the application. The order of pushes is struct
	 * trapframe from its end to its start.
	 */
	.balign 64
	.globl kentry
	.type kentry, @function
kentry:
	mov	%rsp, %gs:CPU_USER_RSP
	mov	%gs:CPU_KSTACK, %rsp
	push	%gs:CPU_USER_RSP
	pushfq
	mov	(%rsp), %r11		/* rflags, as syscall leaves them */
	push	%rcx			/* rip */
	push	%rax			/* orig_rax */
	PUSHS	r15, r14, r13, r12
	PUSHS	r11, rbp, rcx, rbx, rax, r9, r8, r10, rdx, rsi, rdi
	test	$0x40500, %r11d		/* AC, DF, TF */
	jnz	.Lflags
.Lflags_done:
	mov	%rsp, %rdi
	call	syscall_enter

	/*
	 * rsp: the frame. Loads all of it and goes to the application. popfq
	 * is slow, so the usual flags go another way: adding 0x7f to OF (0 or
	 * 1) in al reproduces OF, sahf the rest; nothing behind them changes
	 * flags.
	 */
	.globl return_to_user
return_to_user:
	mov	FRAME_RFLAGS(%rsp), %ecx
	test	$~FLAGS_USUAL, %ecx
	jnz	.Lreturn_popfq
	mov	FRAME_RIP(%rsp), %rdx
	mov	%rdx, %gs:CPU_RIP	/* early: the jump waits for it */
	mov	%ecx, %eax
	shr	$11, %eax
	and	$1, %eax
	mov	%cl, %ah
	add	$0x7f, %al
	sahf
	POPS	rdi, rsi, rdx, r10, r8, r9, rax, rbx, rcx, rbp, r11, r12, r13
	POPS	r14, r15
	mov	24(%rsp), %rsp		/* past orig_rax, rip, rflags */
	jmp	*%gs:CPU_RIP

.Lreturn_popfq:
	POPS	rdi, rsi, rdx, r10, r8, r9, rax, rbx, rcx, rbp, r11, r12, r13
	POPS	r14, r15
	add	$8, %rsp		/* orig_rax */
	pop	%gs:CPU_RIP
	popfq
	pop	%rsp
	jmp	*%gs:CPU_RIP

.Lflags:
	pushq	$2
	popfq
	jmp	.Lflags_done

	/* cpuid: leaf in eax, subleaf in ecx; flags, r11 and all else kept. */
	.globl kentry_cpuid
	.type kentry_cpuid, @function
kentry_cpuid:
	mov	%rsp, %gs:CPU_USER_RSP
	mov	%gs:CPU_KSTACK, %rsp
	push	%gs:CPU_USER_RSP
	pushfq
	push	%rdx			/* rip */
	push	$-1			/* orig_rax */
	PUSHS	r15, r14, r13, r12, r11, rbp, rcx, rbx, rax, r9, r8, r10, rdx
	PUSHS	rsi, rdi
	pushq	$2
	popfq
	mov	%rsp, %rdi
	call	cpuid_enter
	jmp	return_to_user

	/*
	 * From stage 1: rsp is current's frame, filled with what the
	 * application had; extended state is saved.
	 */
	.globl trap_entry
	.type trap_entry, @function
trap_entry:
	mov	%rsp, %rdi
	call	trap_enter
	jmp	return_to_user

	/* First run of a thread: sched.c made context_switch return here. */
	.globl thread_start
	.type thread_start, @function
thread_start:
	mov	%rsp, %rdi		/* its frame */
	call	thread_started
	jmp	return_to_user

	/* void context_switch(uint64_t *save_sp, uint64_t load_sp) */
	.globl context_switch
	.type context_switch, @function
context_switch:
	PUSHS	rbx, rbp, r12, r13, r14, r15
	mov	%rsp, (%rdi)
	mov	%rsi, %rsp
	POPS	r15, r14, r13, r12, rbp, rbx
	ret

	/*
	 * Access to the application's memory. A fault between the labels
	 * continues at the third one (uaccess.c). Arguments as in C.
	 */
	.globl uaccess_start, uaccess_end, uaccess_fixup

	/* size_t uaccess_copy(void *dst, const void *src, size_t n): bytes
	 * left, 0 if all was copied */
	.globl uaccess_copy
	.type uaccess_copy, @function
uaccess_start:
uaccess_copy:
	mov	%rdx, %rcx
	cmp	$UACCESS_SHORT, %rcx	/* rep starts slowly */
	ja	3f
1:	cmp	$8, %rcx
	jb	2f
	mov	(%rsi), %rax
	mov	%rax, (%rdi)
	add	$8, %rsi
	add	$8, %rdi
	sub	$8, %rcx
	jmp	1b
2:	test	%rcx, %rcx
	jz	4f
	mov	(%rsi), %al
	mov	%al, (%rdi)
	inc	%rsi
	inc	%rdi
	dec	%rcx
	jmp	2b
3:	rep movsb
4:	mov	%rcx, %rax
	ret

	/* size_t uaccess_copy_words(void *dst, const void *src, size_t n):
	 * words left; one side is untrusted and aligned */
	.globl uaccess_copy_words
	.type uaccess_copy_words, @function
uaccess_copy_words:
	mov	%rdx, %rcx
	rep movsq
	mov	%rcx, %rax
	ret

	/* size_t uaccess_clear(void *dst, size_t n): bytes left */
	.globl uaccess_clear
	.type uaccess_clear, @function
uaccess_clear:
	mov	%rsi, %rcx
	xor	%eax, %eax
	cmp	$8, %rcx
	ja	2f
1:	test	%rcx, %rcx
	jz	3f
	mov	%al, (%rdi)
	inc	%rdi
	dec	%rcx
	jmp	1b
2:	rep stosb
3:	mov	%rcx, %rax
	ret

	/* size_t uaccess_load32(const uint32_t *p, uint32_t *val) */
	.globl uaccess_load32
	.type uaccess_load32, @function
uaccess_load32:
	mov	$4, %ecx
	mov	(%rdi), %edx
	mov	%edx, (%rsi)
	xor	%eax, %eax
	ret

	/* size_t uaccess_cmpxchg32(uint32_t *p, uint32_t expect,
	 *	uint32_t desired, uint32_t *seen) */
	.globl uaccess_cmpxchg32
	.type uaccess_cmpxchg32, @function
uaccess_cmpxchg32:
	mov	%rcx, %r8
	mov	$4, %ecx
	mov	%esi, %eax
	lock cmpxchg %edx, (%rdi)
	mov	%eax, (%r8)
	xor	%eax, %eax
	ret
uaccess_end:
uaccess_fixup:
	mov	%rcx, %rax		/* what was left to do */
	ret

	/* void xstate_save(void *area, uint64_t mask) */
	.globl xstate_save
	.type xstate_save, @function
xstate_save:
	mov	%esi, %eax
	mov	%rsi, %rdx
	shr	$32, %rdx
	/* Not XSAVEOPT: it leaves out what it thinks unchanged since the last
	 * XRSTOR from the same linear address, and the host, outside, can
	 * have its own memory at that address. */
	xsave64	(%rdi)
	ret

	/* void xstate_load(const void *area, uint64_t mask) */
	.globl xstate_load
	.type xstate_load, @function
xstate_load:
	mov	%esi, %eax
	mov	%rsi, %rdx
	shr	$32, %rdx
	xrstor64 (%rdi)
	ret

	.section .note.GNU-stack, "", @progbits

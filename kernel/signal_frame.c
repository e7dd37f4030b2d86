/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stack frame of a signal handler on x86-64, and the way back from it.
 *
 * Layout from the handler's stack pointer upwards, as Linux defines it
 * (struct rt_sigframe): the return address (SA_RESTORER), a ucontext, a
 * siginfo; above, 64-byte aligned, the XSAVE image in standard format with
 * the software bytes at 464 that tell its size, and a magic number behind.
 *
 * On the way back nothing in the frame is believed: flags are masked,
 * addresses must lie in the application's range, and the XSAVE image is
 * checked so that XRSTOR cannot fault in the kernel.
 */

#include <linux/signal.h>
#include <linux/errno.h>

#include "abi/layout.h"
#include "kernel/aspace.h"
#include "kernel/process.h"
#include "kernel/signal.h"
#include "kernel/sys.h"
#include "kernel/thread.h"
#include "kernel/uaccess.h"
#include "lib/string.h"
#include "lib/types.h"

enum {
	UC_XSTATE = 1,
	UC_SS = 2,
	UC_STRICT_SS = 4,
	XSTATE_MAGIC1 = 0x46505853,
	XSTATE_MAGIC2 = 0x46505845,
	LEGACY_SIZE = 512,
	HEADER_SIZE = 64,
	RED_ZONE = 128,
	USER_CS = 0x33,
	USER_SS = 0x2b,
};

#define FLAGS_USER 0x50dd5ul /* CF PF AF ZF SF DF OF RF AC; TF never */
#define FLAGS_ID 0x200000ul
#define FLAGS_ALWAYS 0x202ul /* IF and the reserved bit */
#define FLAGS_HANDLER_CLEARS 0x50500ul /* TF DF RF AC */

struct sigcontext_frame {
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags;
	uint16_t cs, gs, fs, ss;
	uint64_t err, trapno, oldmask, cr2;
	uint64_t fpstate;
	uint64_t reserved[8];
};
static_assert_size(struct sigcontext_frame, 256);

struct ucontext_frame {
	uint64_t flags, link;
	uint64_t ss_sp;
	uint32_t ss_flags, pad;
	uint64_t ss_size;
	struct sigcontext_frame mc;
	uint64_t sigmask;
};
static_assert_size(struct ucontext_frame, 304);

struct sigframe {
	uint64_t pretcode;
	struct ucontext_frame uc;
	struct ksiginfo info;
};
static_assert_size(struct ksiginfo, 128);
static_assert_offset(struct sigframe, info, 312);
static_assert_size(struct sigframe, 440);

/* The legacy region and header of an XSAVE image, and the bytes that are
 * software's in between. */
struct xsave_head {
	uint16_t fcw, fsw;
	uint8_t ftw, zero0;
	uint16_t fop;
	uint64_t fip, fdp;
	uint32_t mxcsr, mxcsr_mask;
	uint8_t st[128], xmm[256];
	uint8_t zero1[48];
	struct {
		uint32_t magic1, extended_size;
		uint64_t xfeatures;
		uint32_t xstate_size;
		uint32_t pad[7];
	} sw;
	uint64_t xstate_bv, xcomp_bv, reserved[6];
};
static_assert_offset(struct xsave_head, sw, 464);
static_assert_size(struct xsave_head, LEGACY_SIZE + HEADER_SIZE);

static bool user_address(uint64_t a)
{
	return a < USER_END;
}

static bool on_altstack(const struct thread *t, uint64_t rsp)
{
	const struct thread_signals *s = &t->sig;

	if (s->altstack_flags & SS_AUTODISARM)
		return false;
	return s->altstack_size && rsp > s->altstack_sp &&
		rsp - s->altstack_sp <= s->altstack_size;
}

static void xsave_initial(struct xsave_head *x)
{
	memset(x, 0, sizeof(*x));
	x->fcw = 0x37f;
	x->mxcsr = 0x1f80;
}

/* Components that are in their initial state may have stale bytes in the
 * image; the legacy ones are read by handlers without looking at the header,
 * so they get their values, as Linux does it. */
static void xsave_complete(struct xsave_head *x)
{
	if (!(x->xstate_bv & 1)) {
		x->fcw = 0x37f;
		x->fsw = x->fop = 0;
		x->ftw = 0;
		x->fip = x->fdp = 0;
		memset(x->st, 0, sizeof(x->st));
	}
	if (!(x->xstate_bv & 2)) {
		memset(x->xmm, 0, sizeof(x->xmm));
		if (!(x->xstate_bv & 4))
			x->mxcsr = 0x1f80;
	}
	x->mxcsr_mask = 0xffff;
	memset(&x->sw, 0, sizeof(x->sw));
	x->sw.magic1 = XSTATE_MAGIC1;
	x->sw.extended_size = xsave_size + 4;
	x->sw.xfeatures = xsave_mask;
	x->sw.xstate_size = xsave_size;
	x->xstate_bv |= 3;
}

static void fill_context(struct sigcontext_frame *mc, const struct thread *t,
	const struct trapframe *f)
{
	mc->r8 = f->r8;
	mc->r9 = f->r9;
	mc->r10 = f->r10;
	mc->r11 = f->r11;
	mc->r12 = f->r12;
	mc->r13 = f->r13;
	mc->r14 = f->r14;
	mc->r15 = f->r15;
	mc->rdi = f->rdi;
	mc->rsi = f->rsi;
	mc->rbp = f->rbp;
	mc->rbx = f->rbx;
	mc->rdx = f->rdx;
	mc->rax = f->rax;
	mc->rcx = f->rcx;
	mc->rsp = f->rsp;
	mc->rip = f->rip;
	mc->rflags = f->rflags | FLAGS_ALWAYS;
	mc->cs = USER_CS;
	mc->ss = USER_SS;
	mc->err = t->sig.trap_error;
	mc->trapno = t->sig.trap_no;
	mc->cr2 = t->sig.trap_address;
}

int signal_push_frame(struct thread *t, struct trapframe *f,
	const struct ksiginfo *info, const struct sigaction_entry *sa,
	uint64_t saved_mask)
{
	struct thread_signals *s = &t->sig;
	struct xsave_head *x;
	struct sigframe sf;
	uint64_t sp = f->rsp - RED_ZONE, fp;
	uint32_t magic2 = XSTATE_MAGIC2;
	bool was_on = on_altstack(t, f->rsp);

	/* A handler that is no address at all would fault in the kernel, at the
	 * jump to it. */
	if (!(sa->flags & SA_RESTORER) || !user_address(sa->handler))
		return -EFAULT;
	f->rip = aspace_canonical_rip(t->proc->as, f->rip);
	thread_save_xstate(t);
	x = t->xsave;
	xsave_complete(x);

	if ((sa->flags & SA_ONSTACK) && s->altstack_size && !was_on)
		sp = s->altstack_sp + s->altstack_size;
	fp = align_down(sp - (xsave_size + 4), 64);
	sp = align_down(fp - sizeof(sf), 16) - 8;
	/* an alternate stack that is too small: refuse, never run over */
	if (was_on && !on_altstack(t, sp))
		return -EFAULT;

	memset(&sf, 0, sizeof(sf));
	sf.pretcode = sa->restorer;
	sf.uc.flags = UC_XSTATE | UC_SS | UC_STRICT_SS;
	sf.uc.ss_sp = s->altstack_sp;
	sf.uc.ss_size = s->altstack_size;
	sf.uc.ss_flags = !s->altstack_size ? SS_DISABLE
		: was_on                   ? SS_ONSTACK
					   : 0;
	sf.uc.ss_flags |= s->altstack_flags & SS_AUTODISARM;
	fill_context(&sf.uc.mc, t, f);
	sf.uc.mc.oldmask = saved_mask;
	sf.uc.mc.fpstate = fp;
	sf.uc.sigmask = saved_mask;
	sf.info = *info;
	if (user_write(fp, x, xsave_size) ||
		user_write(fp + xsave_size, &magic2, sizeof(magic2)) ||
		user_write(sp, &sf, sizeof(sf)))
		return -EFAULT;

	/* The handler starts with clean extended state (S-02). */
	xsave_initial(x);
	if (s->altstack_flags & SS_AUTODISARM) {
		s->altstack_sp = s->altstack_size = 0;
		s->altstack_flags = 0;
	}
	f->rdi = (uint64_t)info->signo;
	f->rsi = sp + offsetof(struct sigframe, info);
	f->rdx = sp + offsetof(struct sigframe, uc);
	f->rax = 0;
	f->rsp = sp;
	f->rip = aspace_resume_rip(t->proc->as, sa->handler);
	f->rflags &= ~FLAGS_HANDLER_CLEARS;
	return 0;
}

/* Reads and checks the image at fp into t->xsave. */
static int restore_xstate(struct thread *t, uint64_t fp)
{
	struct xsave_head *x = t->xsave;
	struct xsave_head head;
	uint32_t magic2;
	uint64_t size;

	if (!fp) {
		xsave_initial(x);
		return 0;
	}
	if (!is_aligned(fp, 64) || user_read(&head, fp, LEGACY_SIZE))
		return -EFAULT;
	size = head.sw.xstate_size;
	if (head.sw.magic1 != XSTATE_MAGIC1 || size < sizeof(head) ||
		size > xsave_size || head.sw.extended_size < size + 4 ||
		user_read(&magic2, fp + size, sizeof(magic2)) ||
		magic2 != XSTATE_MAGIC2) {
		/* legacy only: the rest starts afresh */
		memset(&head.xstate_bv, 0, HEADER_SIZE);
		head.xstate_bv = 3;
		memcpy(x, &head, sizeof(head));
		x->mxcsr &= 0xffff;
		return 0;
	}
	if (user_read(x, fp, size))
		return -EFAULT;
	/* What XRSTOR would fault on (SDM vol. 1, 13.8). */
	x->mxcsr &= 0xffff;
	x->xstate_bv &= xsave_mask & head.sw.xfeatures;
	x->xcomp_bv = 0;
	memset(x->reserved, 0, sizeof(x->reserved));
	if (!range_within(0, size, 0, xsave_size))
		return -EFAULT;
	if (size < xsave_size) /* components beyond the image do not exist */
		x->xstate_bv &= 3;
	return 0;
}

int64_t sys_rt_sigreturn(const uint64_t *a)
{
	struct thread *t = current;
	struct trapframe *f = t->frame;
	struct sigcontext_frame *mc;
	struct ucontext_frame uc;
	uint64_t sp = f->rsp - 8;

	if (user_read(&uc, sp + offsetof(struct sigframe, uc), sizeof(uc)))
		goto bad;
	mc = &uc.mc;
	if (!user_address(mc->rip) || !user_address(mc->rsp))
		goto bad;
	thread_save_xstate(t);
	if (restore_xstate(t, mc->fpstate)) {
		xsave_initial(t->xsave);
		goto bad;
	}
	signal_set_blocked(uc.sigmask);
	t->sig.altstack_sp = uc.ss_sp;
	t->sig.altstack_size = uc.ss_flags & SS_DISABLE ? 0 : uc.ss_size;
	t->sig.altstack_flags = uc.ss_flags & SS_AUTODISARM;
	f->r8 = mc->r8;
	f->r9 = mc->r9;
	f->r10 = mc->r10;
	f->r11 = mc->r11;
	f->r12 = mc->r12;
	f->r13 = mc->r13;
	f->r14 = mc->r14;
	f->r15 = mc->r15;
	f->rdi = mc->rdi;
	f->rsi = mc->rsi;
	f->rbp = mc->rbp;
	f->rbx = mc->rbx;
	f->rdx = mc->rdx;
	f->rcx = mc->rcx;
	f->rsp = mc->rsp;
	f->rip = aspace_resume_rip(t->proc->as, mc->rip);
	f->rflags = (mc->rflags & (FLAGS_USER | FLAGS_ID)) | FLAGS_ALWAYS;
	f->orig_rax = UINT64_MAX; /* whatever rax is, it is no result */
	return (int64_t)mc->rax;

bad:
	f->orig_rax = UINT64_MAX;
	signal_force(SIGSEGV);
	return 0;
}

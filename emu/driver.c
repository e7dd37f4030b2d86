/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The emulator as an enclave_backend: what a kernel's SGX driver does with the
 * leaves, over ranges. Ordinary host code.
 */
#define _GNU_SOURCE
#include <asm/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "emu/machine.h"
#include "emu/patch.h"
#include "emu/raw.h"

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#define PR_SYS_DISPATCH_OFF 0
#define PR_SYS_DISPATCH_ON 1
#endif

enum { LARGE_PAGE = 2 * 1024 * 1024 };

#define ADDRESS_SPACE_END (UINT64_C(1) << 47)

struct enclave *emu_current;
uint8_t *emu_slots;
int emu_memory = -1;
__thread struct emu_thread *emu_self __attribute__((tls_model("initial-exec")));
int emu_tick_signal;

static struct emu_config config;
static pthread_mutex_t slots_lock = PTHREAD_MUTEX_INITIALIZER;

void emu_configure(const struct emu_config *wanted)
{
	config = *wanted;
}

void emu_stats_read(struct emu_stats *stats)
{
	const struct enclave *e = emu_current;

	memset(stats, 0, sizeof(*stats));
	if (!e)
		return;
	stats->aex = e->aex;
	stats->aex_interrupt = e->aex_interrupt;
	stats->ticks_outside = e->ticks_outside;
	stats->traps = e->traps;
	stats->patched = e->patched;
	stats->page_fills = e->page_fills;
	stats->thread_lookups = e->thread_lookups;
}

/* Faults of ENCLS as a driver reports them: it passed bad operands. */
static int to_errno(int rc)
{
	switch (rc) {
	case EMU_GP:
		return -EINVAL;
	case EMU_PF:
		return -EFAULT;
	default:
		return rc;
	}
}

static int range_check(const struct enclave *e, uint64_t addr, size_t len)
{
	if (addr % SGX_PAGE_SIZE || len % SGX_PAGE_SIZE || !len ||
		addr < e->epcm.low || addr >= e->epcm.end ||
		len > e->epcm.end - addr)
		return -EINVAL;
	return 0;
}

static int slots_reserve(void)
{
	size_t size = (size_t)EMU_MAX_THREADS * EMU_SLOT_SIZE;
	uint8_t *p;

	if (emu_slots)
		return 0;
	p = mmap(NULL, size + EMU_SLOT_SIZE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return -errno;
	p += -(uintptr_t)p & (EMU_SLOT_SIZE - 1);
	emu_slots = p;
	return 0;
}

static void driver_destroy(struct enclave *e)
{
	if (!e)
		return;
	patch_fini(e);
	epcm_fini(&e->epcm);
	measure_free(e->measure);
	pthread_mutex_destroy(&e->lock);
	if (emu_current == e)
		emu_current = NULL;
	free(e);
}

static int driver_create(
	const struct enclave_params *params, struct enclave **out)
{
	struct sgx_secs secs = {0};
	struct enclave *e;
	int rc;

	if (emu_current)
		return -EBUSY;
	rc = slots_reserve();
	if (rc)
		return rc;
	if (emu_memory < 0)
		emu_memory = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	pthread_mutex_init(&e->lock, NULL);
	e->mode = config.mode;
	secs.size = params->size;
	secs.base = params->base;
	secs.ssa_frame_pages = params->ssa_frame_pages;
	secs.miscselect = params->miscselect;
	secs.attributes.flags = params->attributes;
	secs.attributes.xfrm = params->xfrm;
	memcpy(secs.configid, params->configid, sizeof(secs.configid));
	secs.configsvn = params->configsvn;
	rc = emu_platform_load(&e->platform);
	if (!rc)
		rc = to_errno(emu_ecreate(e, &secs));
	if (rc) {
		driver_destroy(e);
		return rc;
	}
	emu_current = e;
	*out = e;
	return 0;
}

static int add_page(struct enclave *e, uint64_t addr, const void *src,
	const struct sgx_secinfo *secinfo, bool measure)
{
	struct sgx_pageinfo info = {
		.linaddr = addr,
		.srcpge = (uint64_t)(uintptr_t)src,
		.secinfo = (uint64_t)(uintptr_t)secinfo,
	};
	int rc = emu_eadd(e, &info, addr);

	for (size_t i = 0; measure && !rc && i < SGX_PAGE_SIZE;
		i += SGX_CHUNK_SIZE)
		rc = emu_eextend(e, addr + i);
	return rc;
}

struct pages {
	uint64_t addr, len;
};

static void touch(uint64_t addr, uint64_t len)
{
	madvise((void *)(uintptr_t)addr, len, MADV_POPULATE_WRITE);
}

/* In parts, so that others get at the address space in between. */
static void *touch_parts(void *arg)
{
	struct pages *p = arg;

	for (uint64_t done = 0; done < p->len; done += LARGE_PAGE)
		touch(p->addr + done,
			p->len - done < LARGE_PAGE ? p->len - done
						   : LARGE_PAGE);
	free(p);
	return NULL;
}

/* Whoever touches them first, this or the enclave, gets the pages. */
static bool touch_elsewhere(uint64_t addr, uint64_t len)
{
	struct pages *p = malloc(sizeof(*p));
	pthread_attr_t attr;
	sigset_t all, old;
	pthread_t thread;
	bool ok;

	if (!p)
		return false;
	*p = (struct pages){addr, len};
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 4 * PTHREAD_STACK_MIN);
	ok = !pthread_create(&thread, &attr, touch_parts, p);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!ok)
		free(p);
	return ok;
}

/*
 * EADD and EAUG take EPC pages now, not when they are touched; a fault for each
 * would cost more than the page. Whole large pages are one. What follows the
 * first of them is left to another thread. Only hints.
 */
static void populate(uint64_t addr, size_t len)
{
	uint64_t first = (addr + LARGE_PAGE - 1) & ~(uint64_t)(LARGE_PAGE - 1);
	uint64_t stop = addr + len, end = stop & ~(uint64_t)(LARGE_PAGE - 1);

	if (first < end)
		madvise((void *)(uintptr_t)first, end - first, MADV_HUGEPAGE);
	if (first + LARGE_PAGE < end &&
		touch_elsewhere(first + LARGE_PAGE, stop - first - LARGE_PAGE))
		stop = first + LARGE_PAGE;
	touch(addr, stop - addr);
}

static int driver_add_pages(struct enclave *e, uint64_t addr, const void *src,
	size_t len, uint64_t secinfo_flags, bool measure)
{
	struct sgx_secinfo secinfo = {.flags = secinfo_flags};
	uint8_t page[SGX_PAGE_SIZE] __attribute__((aligned(SGX_PAGE_SIZE)));
	int rc = range_check(e, addr, len), close_rc;

	if (rc)
		return rc;
	pthread_mutex_lock(&e->lock);
	if (mprotect((void *)(uintptr_t)addr, len, PROT_READ | PROT_WRITE)) {
		rc = -errno;
		goto out;
	}
	populate(addr, len);
	for (size_t i = 0; !rc && i < len; i += SGX_PAGE_SIZE) {
		const uint8_t *from = (const uint8_t *)src + i;

		if ((uintptr_t)from % SGX_PAGE_SIZE)
			from = memcpy(page, from, SGX_PAGE_SIZE);
		rc = to_errno(add_page(e, addr + i, from, &secinfo, measure));
	}
	close_rc = epcm_apply(&e->epcm, addr, len);
	if (!rc)
		rc = close_rc;
out:
	pthread_mutex_unlock(&e->lock);
	return rc;
}

static int driver_init(struct enclave *e, const struct sgx_sigstruct *sig,
	uint8_t mrenclave[32])
{
	int rc;

	pthread_mutex_lock(&e->lock);
	rc = to_errno(emu_einit(e, sig));
	if (!rc && mrenclave)
		memcpy(mrenclave, e->secs.mrenclave, SGX_HASH_SIZE);
	if (!rc && e->mode == EMU_FAST)
		rc = patch_enclu(e);
	pthread_mutex_unlock(&e->lock);
	return rc;
}

static int driver_augment(
	struct enclave *e, uint64_t addr, size_t len, bool hidden)
{
	size_t done;
	int rc = range_check(e, addr, len);

	if (rc)
		return rc;
	pthread_mutex_lock(&e->lock);
	for (done = 0; done < len; done += SGX_PAGE_SIZE) {
		rc = emu_eaug(e, addr + done, hidden ? 0 : 3);
		if (rc)
			break;
	}
	if (!rc && !hidden && !e->epcm.hide_pending) {
		rc = epcm_apply(&e->epcm, addr, len);
		if (!rc)
			populate(addr, len);
	}
	while (rc && done) { /* all or nothing */
		done -= SGX_PAGE_SIZE;
		emu_eremove(e, addr + done);
	}
	pthread_mutex_unlock(&e->lock);
	return to_errno(rc);
}

/* A leaf with SECINFO over a range, then the flush. */
static int modify(struct enclave *e, uint64_t addr, size_t len, uint64_t flags,
	int (*leaf)(struct enclave *, uint64_t, uint64_t))
{
	int rc = range_check(e, addr, len), apply_rc;
	size_t done;

	if (rc)
		return rc;
	pthread_mutex_lock(&e->lock);
	for (done = 0; !rc && done < len; done += SGX_PAGE_SIZE)
		rc = leaf(e, addr + done, flags);
	/* What was changed is flushed, also when a later page refused. */
	apply_rc = epcm_apply(&e->epcm, addr, len);
	emu_etrack(e, addr, len);
	pthread_mutex_unlock(&e->lock);
	return rc ? to_errno(rc) : apply_rc;
}

static int driver_restrict(
	struct enclave *e, uint64_t addr, size_t len, uint64_t perm)
{
	return modify(e, addr, len, perm, emu_emodpr);
}

static int driver_modify_type(
	struct enclave *e, uint64_t addr, size_t len, unsigned int type)
{
	if (type > SGX_PT_TRIM)
		return -EINVAL;
	return modify(e, addr, len, (uint64_t)type << SGX_SECINFO_TYPE_SHIFT,
		emu_emodt);
}

static int driver_remove(struct enclave *e, uint64_t addr, size_t len)
{
	int rc = range_check(e, addr, len);

	if (rc)
		return rc;
	pthread_mutex_lock(&e->lock);
	for (uint64_t p = addr; p < addr + len; p += SGX_PAGE_SIZE) {
		uint32_t entry = *epcm_at(&e->epcm, p);

		if (!(entry & EPCM_VALID) || (entry & EPCM_MODIFIED) ||
			epcm_type(entry) != SGX_PT_TRIM) {
			rc = -EPERM;
			goto out;
		}
	}
	for (uint64_t p = addr; !rc && p < addr + len; p += SGX_PAGE_SIZE)
		rc = to_errno(emu_eremove(e, p));
	if (!rc)
		rc = epcm_release(&e->epcm, addr, len);
out:
	pthread_mutex_unlock(&e->lock);
	return rc;
}

static int driver_protect(
	struct enclave *e, uint64_t addr, size_t len, int prot)
{
	int rc = range_check(e, addr, len);

	if (rc)
		return rc;
	if (prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC))
		return -EINVAL;
	pthread_mutex_lock(&e->lock);
	for (uint64_t p = addr; p < addr + len; p += SGX_PAGE_SIZE) {
		epcm_word *word = epcm_at(&e->epcm, p);
		uint32_t entry = *word, next;

		do {
			if (!(entry & EPCM_VALID))
				break;
			next = (entry & ~EPCM_HOST) |
				(uint32_t)prot << EPCM_HOST_SHIFT;
		} while (!atomic_compare_exchange_weak(word, &entry, next));
	}
	rc = epcm_apply(&e->epcm, addr, len);
	pthread_mutex_unlock(&e->lock);
	return rc;
}

static struct emu_thread *slot_take(void)
{
	struct emu_thread *t = NULL;

	pthread_mutex_lock(&slots_lock);
	for (unsigned int i = 0; !t && i < EMU_MAX_THREADS; i++)
		if (!emu_slot(i)->tid)
			t = emu_slot(i);
	if (t) {
		memset(t, 0, sizeof(*t));
		t->tid = gettid();
	}
	pthread_mutex_unlock(&slots_lock);
	return t;
}

static void driver_thread_fini(struct enclave *e)
{
	struct emu_thread *t = emu_self;

	(void)e;
	if (!t)
		return;
	prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_OFF, 0, 0, 0);
	if (t->cpuid_faults)
		syscall(SYS_arch_prctl, EMU_ARCH_SET_CPUID, 1);
	sigaltstack(&t->old_stack, NULL);
	emu_self = NULL;
	t->tid = 0;
}

static int driver_thread_init(struct enclave *e)
{
	struct emu_thread *t;
	stack_t stack = {0};
	uint64_t end = e->epcm.end;
	int rc = emu_signals_install(config.tick_signal);

	if (rc)
		return rc;
	if (emu_self)
		return -EEXIST;
	t = slot_take();
	if (!t)
		return -EAGAIN;
	t->enclave = e;
	t->xfrm = e->secs.attributes.xfrm;
	t->host_fs = raw_rdfsbase();
	t->tick_signal = config.tick_signal;
	t->syscall_selector = 1; /* SYSCALL_DISPATCH_FILTER_BLOCK */
	stack.ss_sp = (uint8_t *)t + EMU_SLOT_STACK;
	stack.ss_size = EMU_SLOT_SIZE - EMU_SLOT_STACK;
	if (sigaltstack(&stack, &t->old_stack)) {
		rc = -errno;
		t->tid = 0;
		return rc;
	}
	emu_self = t;
	/* Where the machine can: `cpuid` traps, and is #UD inside. */
	if (e->mode == EMU_FAITHFUL)
		t->cpuid_faults = !syscall(
			SYS_arch_prctl, EMU_ARCH_SET_CPUID, 0);
	if (prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, end,
		    ADDRESS_SPACE_END - end, &t->syscall_selector)) {
		rc = -errno;
		driver_thread_fini(e);
	}
	return rc;
}

int emu_signals_install(int tick_signal)
{
	static const int faults[] = {
		SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS};
	struct sigaction action = {0};

	/*
	 * Ticks must not nest, neither in one another nor in a fault: queued
	 * ones would pile up frames on the signal stack. Faults may nest, for a
	 * handler that touches an enclave page may have to widen it first.
	 */
	action.sa_sigaction = emu_signal;
	action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
	if (tick_signal)
		sigaddset(&action.sa_mask, tick_signal);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		if (sigaction(faults[i], &action, NULL))
			return -errno;
	emu_tick_signal = tick_signal;
	action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
	if (tick_signal && sigaction(tick_signal, &action, NULL))
		return -errno;
	return 0;
}

void emu_bad_exit(void)
{
	static const char text[] =
		"sconce: emulator: the enclave left without restoring RSP to "
		"URSP of its SSA frame\n";

	if (write(2, text, sizeof(text) - 1) < 0)
		_exit(125);
	abort();
}

static void driver_offer(struct enclave_offer *offer)
{
	*offer = (struct enclave_offer){
		.attributes = SGX_ATTR_DEBUG | SGX_ATTR_MODE64BIT |
			SGX_ATTR_PROVISIONKEY | SGX_ATTR_KSS,
		.xfrm = emu_xfrm_supported(),
		.miscselect = SGX_MISC_EXINFO,
	};
}

/* All it could say it has said: emu_platform_load. */
static const char *driver_why(void)
{
	return NULL;
}

const struct enclave_backend *emu_backend(void)
{
	static const struct enclave_backend backend = {
		.name = "emulated",
		.emulated = true,
		.offer = driver_offer,
		.why = driver_why,
		.create = driver_create,
		.destroy = driver_destroy,
		.add_pages = driver_add_pages,
		.init = driver_init,
		.augment = driver_augment,
		.restrict_permissions = driver_restrict,
		.modify_type = driver_modify_type,
		.remove_pages = driver_remove,
		.protect = driver_protect,
		.thread_init = driver_thread_init,
		.thread_fini = driver_thread_fini,
		.enter = emu_enter,
	};

	return &backend;
}

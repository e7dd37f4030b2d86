/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address spaces on a simulated enclave: the user range is this program's own
 * low memory, and a table per page stands for EPCM and page table. Every host
 * call and every ENCLU is checked against it as the SDM says, and real pages
 * follow it, so that a wrong permission is a real fault, which the handler
 * hands to aspace_fault() as the kernel would.
 */
#include "test/unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "abi/hostcall.h"
#include "abi/layout.h"
#include "kernel/aspace.h"
#include "kernel/enclu.h"
#include "kernel/file.h"
#include "kernel/hostcall.h"
#include "kernel/kalloc.h"
#include "kernel/klog.h"
#include "kernel/pagestore.h"
#include "kernel/random.h"
#include "kernel/thread.h"
#include "kernel/uio.h"
#include "kernel/vfs.h"
#include "kernel/vvar.h"
#include "kernel/wait.h"

#define MIB (1ul << 20)
#define LIMIT (64 * MIB)

/* ---- the enclave ---- */

enum {
	VALID = 8,
	PENDING = 16,
	PR = 32,
	TRIMMING = 64,
	TRIMMED = 128,
};

static uint8_t epcm[USER_END / PAGE_SIZE]; /* permissions and the above */
static uint8_t table[USER_END / PAGE_SIZE]; /* the host's permissions */
static unsigned calls[HOSTCALL_COUNT];
static unsigned all_calls;
static uint64_t valid_pages;
static bool refuse_augment;
static char last_log[256];
static unsigned log_lines;

static void follow(uint64_t page)
{
	uint8_t e = epcm[page], p = 0;

	if ((e & VALID) && !(e & (PENDING | TRIMMING | TRIMMED)))
		p = e & table[page] & 7;
	assert_int_equal(mprotect((void *)(page * PAGE_SIZE), PAGE_SIZE, p), 0);
}

static uint64_t page_of(uint64_t addr)
{
	assert_int_equal(addr % PAGE_SIZE, 0);
	assert_true(addr >= USER_START && addr < USER_END);
	return addr / PAGE_SIZE;
}

static bool readable(uint64_t page)
{
	return epcm[page] & table[page] & 1;
}

uint64_t enclu_accept(uint64_t addr, const struct sgx_secinfo *info)
{
	uint64_t p = page_of(addr);
	uint8_t e = epcm[p];

	assert_true(e & VALID);
	switch (info->flags) {
	case SGX_SECINFO_R | SGX_SECINFO_W | SGX_SECINFO_PENDING |
		SGX_SECINFO_REG:
		assert_true(e & PENDING);
		epcm[p] = VALID | 3;
		break;
	case SGX_SECINFO_MODIFIED | SGX_SECINFO_TRIM:
		assert_true(e & TRIMMING);
		epcm[p] = VALID | TRIMMED;
		break;
	default:
		assert_int_equal(
			info->flags & ~7ul, SGX_SECINFO_PR | SGX_SECINFO_REG);
		assert_true(e & PR);
		assert_true(readable(p));
		assert_int_equal(e & 7, info->flags & 7);
		epcm[p] &= (uint8_t)~PR;
	}
	follow(p);
	return 0;
}

void enclu_modpe(uint64_t addr, const struct sgx_secinfo *info)
{
	uint64_t p = page_of(addr);

	assert_true(epcm[p] & VALID);
	assert_false(epcm[p] & (PENDING | PR | TRIMMING | TRIMMED));
	assert_true(readable(p));
	epcm[p] |= info->flags & 7;
	follow(p);
}

uint64_t enclu_acceptcopy(
	uint64_t addr, const struct sgx_secinfo *info, const void *src)
{
	uint64_t p = page_of(addr);

	assert_true(epcm[p] & PENDING);
	assert_true(info->flags & 1);
	assert_int_equal(info->flags & ~7ul, SGX_SECINFO_REG);
	assert_int_equal(table[p], 0); /* nobody looks meanwhile */
	mprotect((void *)addr, PAGE_SIZE, PROT_READ | PROT_WRITE);
	memcpy((void *)addr, src, PAGE_SIZE);
	epcm[p] = VALID | (info->flags & 7);
	follow(p);
	return 0;
}

int64_t hostcall_run(unsigned nr, const uint64_t *a)
{
	calls[nr]++;
	all_calls++;
	assert_true(a[1] > 0);
	if (nr == HC_enclave_augment && refuse_augment)
		return -ENOMEM;
	if (nr == HC_enclave_augment)
		assert_ptr_equal(mmap((void *)a[0], a[1], PROT_NONE,
					 MAP_PRIVATE | MAP_ANONYMOUS |
						 MAP_FIXED_NOREPLACE,
					 -1, 0),
			(void *)a[0]);
	for (uint64_t at = a[0]; at < a[0] + a[1]; at += PAGE_SIZE) {
		uint64_t p = page_of(at);

		switch (nr) {
		case HC_enclave_augment:
			assert_int_equal(epcm[p], 0);
			epcm[p] = VALID | PENDING;
			table[p] = a[2] ? 0 : 3;
			valid_pages++;
			break;
		case HC_enclave_restrict:
			assert_true(epcm[p] & VALID);
			assert_false(epcm[p] & (PENDING | PR | TRIMMING));
			/* Linux: what is not readable cannot be accepted. */
			assert_true(a[2] & 1);
			epcm[p] = (uint8_t)((epcm[p] & ~7) |
				(epcm[p] & a[2] & 7) | PR);
			follow(p);
			break;
		case HC_enclave_modify_type:
			assert_int_equal(a[2], 4);
			assert_true(epcm[p] & VALID);
			assert_false(epcm[p] & (PENDING | TRIMMING));
			epcm[p] = VALID | TRIMMING;
			follow(p);
			break;
		case HC_enclave_remove:
			assert_int_equal(epcm[p], VALID | TRIMMED);
			epcm[p] = 0;
			valid_pages--;
			break;
		case HC_enclave_protect:
			assert_true(epcm[p] & VALID);
			table[p] = (uint8_t)a[2];
			follow(p);
			break;
		default:
			fail();
		}
	}
	if (nr == HC_enclave_remove)
		munmap((void *)a[0], a[1]);
	return 0;
}

/* ---- what else the kernel has ---- */

struct thread *current_thread(void)
{
	return NULL;
}

void sched_yield(void)
{
	fail();
}

void waitq_init(struct waitq *q)
{
	list_init(&q->waiters);
}

void waitq_wake(struct waitq *q, int count, uint32_t events)
{
}

int waitq_wait_nointr(struct waitq *q, uint64_t deadline)
{
	fail();
	return 0;
}

void *kmalloc(size_t size)
{
	return malloc(size);
}

void *kzalloc(size_t size)
{
	return calloc(1, size);
}

void *krealloc(void *ptr, size_t size)
{
	return realloc(ptr, size);
}

void kfree(void *ptr)
{
	free(ptr);
}

void *kpages_alloc(size_t count)
{
	void *p = aligned_alloc(PAGE_SIZE, count * PAGE_SIZE);

	return p ? memset(p, 0, count * PAGE_SIZE) : NULL;
}

void kpages_free(void *ptr, size_t count)
{
	free(ptr);
}

uint64_t random_u64(void)
{
	static uint64_t s = 42;

	s = s * 6364136223846793005ull + 1442695040888963407ull;
	return s >> 16 | s << 48;
}

void klog(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(last_log, sizeof(last_log), fmt, ap);
	va_end(ap);
	log_lines++;
}

void panic(const char *fmt, ...)
{
	fprintf(stderr, "panic: %s\n", fmt);
	abort();
}

static jmp_buf *host_lied; /* a test that expects it */

void panic_host(const char *fmt, ...)
{
	if (host_lied)
		longjmp(*host_lied, 1);
	fprintf(stderr, "panic_host: %s\n", fmt);
	abort();
}

uint64_t vdso_base(void)
{
	return 0;
}

/* ---- a file ---- */

enum { STORE_PAGES = 64 }; /* of the file in memory */

static uint8_t content[300000];
static uint64_t content_size = sizeof(content);
static unsigned reads;

int64_t file_pread(struct file *f, void *buf, size_t size, uint64_t off)
{
	reads++;
	if (off >= content_size)
		return 0;
	if (size > content_size - off)
		size = content_size - off;
	memcpy(buf, content + off, size);
	return (int64_t)size;
}

static int64_t file_write(struct file *f, struct uio *u, uint64_t *pos)
{
	size_t n = u->resid;

	memcpy(content + *pos, (const void *)u->seg->addr, n);
	return (int64_t)n;
}

void uio_init_kernel(struct uio *u, void *buf, size_t size)
{
	*u = (struct uio){.seg = &u->one,
		.seg_count = 1,
		.resid = size,
		.kernel = true,
		.one = {(uint64_t)buf, size}};
}

int vfs_file_getattr(struct file *f, struct kstat *st)
{
	*st = (struct kstat){
		.size = f->vnode ? STORE_PAGES * PAGE_SIZE : content_size,
		.ino = 7};
	return 0;
}

struct file *file_get(struct file *f)
{
	f->refs++;
	return f;
}

void file_put(struct file *f)
{
	f->refs--;
}

static const struct file_ops ops = {.name = "test", .write = file_write};
static struct file file = {.ops = &ops, .refs = 1, .flags = 2};

/* ---- a file in memory ---- */

static uint8_t store[STORE_PAGES][PAGE_SIZE];
static uint64_t lent[STORE_PAGES];
static uint64_t store_size = STORE_PAGES * PAGE_SIZE;
static unsigned store_limit = STORE_PAGES;

static int store_lend(struct vnode *v, uint64_t index, uint64_t addr, void *buf)
{
	if (index * PAGE_SIZE >= store_size)
		return -ENXIO;
	if (index >= store_limit)
		return -ENOSPC;
	assert_true(lent[index] == 0);
	memcpy(buf, store[index], PAGE_SIZE);
	lent[index] = addr;
	return 0;
}

static int store_take_back(struct vnode *v, uint64_t index, const void *addr)
{
	assert_true(index < STORE_PAGES);
	if (lent[index] != (uint64_t)addr)
		return 0;
	memcpy(store[index], addr, PAGE_SIZE);
	lent[index] = 0;
	return 0;
}

static const struct pagestore_ops store_pages = {
	.lend = store_lend, .take_back = store_take_back};
static const struct vnode_ops store_ops = {.pages = &store_pages};
static struct vnode store_node = {.ops = &store_ops, .mode = 0100000};
static struct file store_file = {
	.ops = &ops, .refs = 1, .flags = 2, .vnode = &store_node};

/* ---- faults ---- */

static struct aspace *as;
static sigjmp_buf on_fault;
static volatile int fault_result;
static unsigned faults;

static void handler(int sig, siginfo_t *si, void *ctx)
{
	const ucontext_t *uc = ctx;
	uint64_t error = (uint64_t)uc->uc_mcontext.gregs[REG_ERR];

	faults++;
	fault_result = aspace_fault(
		as, (uint64_t)si->si_addr, error & 2, error & 16);
	if (fault_result)
		siglongjmp(on_fault, 1);
}

/* cmocka puts its own handler in place before each test. */
static void catch_faults(void)
{
	const struct sigaction sa = {
		.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_NODEFER};

	sigaction(SIGSEGV, &sa, NULL);
}

/* The result of the fault that ends the access, 0 if it succeeds. */
static int try_read(uint64_t addr, uint8_t *v)
{
	if (sigsetjmp(on_fault, 1))
		return fault_result;
	*v = *(volatile uint8_t *)addr;
	return 0;
}

static int try_write(uint64_t addr, uint8_t v)
{
	if (sigsetjmp(on_fault, 1))
		return fault_result;
	*(volatile uint8_t *)addr = v;
	return 0;
}

static int try_exec(uint64_t addr)
{
	if (sigsetjmp(on_fault, 1))
		return fault_result;
	((void (*)(void))addr)();
	return 0;
}

static uint64_t map(uint64_t addr, uint64_t size, int prot, unsigned flags)
{
	int64_t at = aspace_map(as, addr, size, prot, flags, NULL, 0);

	assert_true(at > 0);
	return (uint64_t)at;
}

static int setup(void **state)
{
	const struct sigaction sa = {
		.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_NODEFER};

	/* cmocka has put its own handler in place. */
	sigaction(SIGSEGV, &sa, NULL);
	as = aspace_new();
	memset(calls, 0, sizeof(calls));
	all_calls = faults = reads = log_lines = 0;
	return as ? 0 : -1;
}

static int teardown(void **state)
{
	uint64_t used, limit;

	aspace_put(as);
	aspace_memory(&used, &limit);
	assert_int_equal(used, 0);
	assert_int_equal(valid_pages, 0);
	assert_int_equal(file.refs, 1);
	return 0;
}

static void test_reservation_is_free(void **state)
{
	uint64_t a = map(0, 40ul << 30, PROT_READ | PROT_WRITE, 0);
	uint8_t v;

	catch_faults();
	assert_int_equal(all_calls, 0);
	assert_int_equal(try_read(a + (20ul << 30), &v), 0);
	assert_int_equal(v, 0);
	assert_int_equal(calls[HC_enclave_augment], 1);
	assert_int_equal(all_calls, 1);
	assert_int_equal(aspace_committed(as), 0x10000);
	assert_int_equal(aspace_map(as, 0, 40ul << 30, 3, 0, NULL, 0), -ENOMEM);
	assert_int_equal(aspace_map(as, 0, UINT64_MAX, 3, 0, NULL, 0), -EINVAL);
	assert_int_equal(aspace_map(as, 0, 63ul << 30, 3, 0, NULL, 0), -ENOMEM);
}

static void test_windows_grow(void **state)
{
	uint64_t a = map(0, 16 * MIB, PROT_READ | PROT_WRITE, 0);

	catch_faults();
	for (uint64_t i = 0; i < 16 * MIB; i += PAGE_SIZE)
		assert_int_equal(try_write(a + i, 1), 0);
	assert_int_equal(aspace_committed(as), 16 * MIB);
	assert_in_range(faults, 1, 20);
	assert_int_equal(all_calls, faults);
}

static void test_limit(void **state)
{
	uint64_t a = map(0, 2 * LIMIT, PROT_READ | PROT_WRITE, 0), i;
	int err = 0;

	catch_faults();
	for (i = 0; i < 2 * LIMIT && !err; i += PAGE_SIZE)
		err = try_write(a + i, 1);
	assert_int_equal(err, -ENOMEM);
	assert_int_equal(aspace_committed(as), LIMIT);
	assert_int_equal(i - PAGE_SIZE, LIMIT);
	assert_int_equal(log_lines, 1);
	assert_string_equal(
		last_log, "memory limit of 64 MiB reached; raise --memory");
	/* What is given back can be used again. */
	assert_int_equal(aspace_unmap(as, a, MIB), 0);
	assert_int_equal(try_write(a + LIMIT, 1), 0);
}

static void test_host_short_of_memory(void **state)
{
	uint64_t a = map(0, MIB, PROT_READ | PROT_WRITE, 0), used, limit;

	catch_faults();
	refuse_augment = true;
	assert_int_equal(try_write(a, 1), -ENOMEM);
	refuse_augment = false;
	aspace_memory(&used, &limit);
	assert_int_equal(used, 0);
	assert_int_equal(try_write(a, 1), 0);
}

static void test_protections(void **state)
{
	uint64_t a = map(0, 0x8000, PROT_READ, 0);
	uint8_t v = 1;

	catch_faults();
	assert_int_equal(try_read(a, &v), 0);
	assert_int_equal(v, 0);
	assert_int_equal(try_write(a, 1), -EACCES);
	assert_int_equal(try_exec(a), -EACCES);
	assert_int_equal(aspace_protect(as, a, 0x4000, 3), 0);
	assert_int_equal(try_write(a, 0xc3), 0); /* ret */
	assert_int_equal(try_write(a + 0x4000, 1), -EACCES);
	assert_int_equal(try_exec(a), -EACCES);
	assert_int_equal(aspace_protect(as, a, 0x1000, PROT_NONE), 0);
	assert_int_equal(try_read(a, &v), -EACCES);
	assert_int_equal(try_write(a + 0x1000, 1), 0);
	assert_int_equal(aspace_protect(as, a, 0x1000, 1), 0);
	assert_int_equal(try_read(a, &v), 0);
	assert_int_equal(v, 0xc3); /* content survives PROT_NONE */
	assert_int_equal(try_write(a, 1), -EACCES);
	assert_int_equal(aspace_protect(as, a, 0x1000, 5), 0);
	assert_int_equal(try_exec(a), 0);
	assert_int_equal(aspace_protect(as, a + 0x7000, 0x2000, 1), -ENOMEM);
	assert_int_equal(aspace_protect(as, a + 1, 0x1000, 1), -EINVAL);
	assert_int_equal(try_read(a + 0x8000, &v), -EFAULT);
	assert_int_equal(try_read(a - 1, &v), -EFAULT);
}

static void test_none_then_used(void **state)
{
	uint64_t a = map(0, MIB, PROT_NONE, 0);
	uint8_t v;

	catch_faults();
	assert_int_equal(try_read(a, &v), -EACCES);
	assert_int_equal(all_calls, 0);
	assert_int_equal(aspace_protect(as, a + 0x1000, 0x1000, 3), 0);
	assert_int_equal(all_calls, 0);
	assert_int_equal(try_write(a + 0x1000, 1), 0);
	assert_int_equal(aspace_committed(as), 0x1000);
	assert_int_equal(try_read(a + 0x2000, &v), -EACCES);
}

/* A JIT changes permissions all the time: only the first costs calls. */
static void test_jit(void **state)
{
	uint64_t a = map(0, 0x10000, PROT_READ | PROT_WRITE, 0);
	unsigned before;

	catch_faults();
	assert_int_equal(try_write(a, 0xc3), 0);
	assert_int_equal(aspace_protect(as, a, 0x10000, 5), 0);
	assert_int_equal(try_exec(a), 0);
	before = all_calls;
	for (int i = 0; i < 10; i++) {
		assert_int_equal(aspace_protect(as, a, 0x10000, 3), 0);
		assert_int_equal(try_write(a, 0xc3), 0);
		assert_int_equal(aspace_protect(as, a, 0x10000, 5), 0);
		assert_int_equal(try_exec(a), 0);
	}
	assert_int_equal(all_calls, before);
	/* Pages that come later start with all of it. */
	a = map(0, 0x10000, 7, 0);
	assert_int_equal(try_write(a, 0xc3), 0);
	assert_int_equal(try_exec(a), 0);
}

static void test_unmap(void **state)
{
	uint64_t a = map(0, 0x20000, 3, 0);
	uint8_t v;

	catch_faults();
	memset(content, 0, 1);
	assert_int_equal(try_write(a, 1), 0);
	assert_int_equal(aspace_prefault(as, a, 0x20000), 0);
	assert_int_equal(aspace_committed(as), 0x20000);
	assert_int_equal(aspace_unmap(as, a + 0x4000, 0x8000), 0);
	assert_int_equal(aspace_committed(as), 0x18000);
	assert_int_equal(calls[HC_enclave_modify_type], 1);
	assert_int_equal(calls[HC_enclave_remove], 1);
	assert_int_equal(try_read(a + 0x4000, &v), -EFAULT);
	assert_int_equal(try_read(a + 0xc000, &v), 0);
	assert_int_equal(try_read(a, &v), 0);
	assert_int_equal(v, 1);
	/* Nothing there is fine; nonsense is not. */
	assert_int_equal(aspace_unmap(as, a + 0x4000, 0x8000), 0);
	assert_int_equal(aspace_unmap(as, a + 1, 0x1000), -EINVAL);
	assert_int_equal(aspace_unmap(as, a, 0), -EINVAL);
	assert_int_equal(aspace_unmap(as, a, UINT64_MAX - a), -EINVAL);
	/* Mapped again it is zero again. */
	assert_int_equal(
		map(a + 0x4000, 0x1000, 3, ASPACE_NOREPLACE), a + 0x4000);
	assert_int_equal(aspace_map(as, a + 0x3000, 0x2000, 3, ASPACE_NOREPLACE,
				 NULL, 0),
		-EEXIST);
	assert_int_equal(map(a, 0x1000, 3, ASPACE_FIXED), a);
	assert_int_equal(try_read(a, &v), 0);
	assert_int_equal(v, 0);
}

static void test_hints(void **state)
{
	uint8_t v;

	catch_faults();
	assert_int_equal(map(0x800000000, MIB, 3, 0), 0x800000000);
	assert_int_not_equal(map(0x800000000, MIB, 3, 0), 0x800000000);
	assert_int_equal(try_read(0x800000000, &v), 0);
	/* Go's arena hint lies outside; any place will do. */
	assert_true(map(0xc000000000, 64 * MIB, 0, 0) < USER_END);
	assert_int_equal(
		aspace_map(as, 0xc000000000, MIB, 3, ASPACE_NOREPLACE, NULL, 0),
		-ENOMEM);
	assert_int_equal(
		aspace_map(as, 0x1000, 0x1000, 3, ASPACE_FIXED, NULL, 0),
		-EPERM);
	assert_true(map(0, MIB, 3, ASPACE_32BIT) < 0x80000000);
}

/* S-21: pages that are there, but that the host keeps away from the enclave. */
static void test_withheld(void **state)
{
	uint64_t a = map(0, 0x20000, 3, 0);
	volatile unsigned turns = 0;
	jmp_buf stopped;

	catch_faults();
	assert_int_equal(try_write(a, 7), 0);
	host_lied = &stopped;
	if (!setjmp(stopped)) {
		/* As many as threads may fault at once are nothing. */
		for (; turns < 50000; turns++)
			assert_int_equal(aspace_fault(as, a, true, false), 0);
		assert_int_equal(aspace_fault(as, a + 0x10000, true, false), 0);
		for (; turns < 1000000; turns++)
			assert_int_equal(aspace_fault(as, a, true, false), 0);
	}
	host_lied = NULL;
	assert_in_range(turns, 100000, 200000);
}

static void test_two_processes(void **state)
{
	struct aspace *first = as, *second = aspace_new();
	uint64_t a = map(0x400000, 0x10000, 3, ASPACE_FIXED);
	uint8_t v = 0;

	catch_faults();
	assert_int_equal(try_write(a, 7), 0);
	as = second;
	assert_int_equal(aspace_fault(as, a + 0xffff, false, false), -EFAULT);
	assert_int_equal(
		aspace_map(as, a, 0x1000, 3, ASPACE_FIXED, NULL, 0), -ENOMEM);
	assert_non_null(strstr(last_log, "another process"));
	assert_int_not_equal(map(a, 0x1000, 3, 0), a);
	as = first;
	aspace_put(second);
	assert_int_equal(try_read(a, &v), 0);
	assert_int_equal(v, 7);
}

static void test_file_private(void **state)
{
	uint64_t a;
	uint8_t v;
	int64_t at;

	catch_faults();
	for (size_t i = 0; i < sizeof(content); i++)
		content[i] = (uint8_t)(i * 7 + (i >> 12));
	at = aspace_map(as, 0, sizeof(content), 3, 0, &file, 0x1000);
	assert_true(at > 0);
	assert_int_equal(file.refs, 2);
	a = (uint64_t)at;
	assert_int_equal(reads, 0);
	for (size_t i = 0; i < sizeof(content) - 0x1000; i += 1111) {
		assert_int_equal(try_read(a + i, &v), 0);
		assert_int_equal(v, content[i + 0x1000]);
	}
	/* Behind the end: zero up to the page, then nothing. */
	assert_int_equal(try_read(a + sizeof(content) - 0x1000 + 1, &v), 0);
	assert_int_equal(v, 0);
	assert_int_equal(try_read(a + sizeof(content) - 1, &v), -ENXIO);
	/* Changes are private. */
	assert_int_equal(try_write(a, (uint8_t)~content[0x1000]), 0);
	assert_int_equal(aspace_sync(as, a, 0x1000, true), 0);
	assert_int_equal(try_read(a, &v), 0);
	assert_int_not_equal(v, content[0x1000]);
	/* ... and lost with the page. */
	assert_int_equal(aspace_discard(as, a, 0x1000), 0);
	assert_int_equal(try_read(a, &v), 0);
	assert_int_equal(v, content[0x1000]);
}

static void test_file_shared(void **state)
{
	uint64_t a;
	uint8_t v;
	int64_t at = aspace_map(
		as, 0, sizeof(content), 3, ASPACE_SHARED, &file, 0);

	catch_faults();
	assert_true(at > 0);
	a = (uint64_t)at;
	content[5] = content[0x3005] = 1;
	assert_int_equal(try_read(a + 5, &v), 0);
	assert_int_equal(try_write(a + 5, 99), 0);
	assert_int_equal(content[5], 1);
	assert_int_equal(aspace_sync(as, a, 0x1000, true), 0);
	assert_int_equal(content[5], 99);
	/* Clean again: the next write is noticed. */
	assert_int_equal(try_write(a + 5, 98), 0);
	assert_int_equal(try_write(a + 0x3005, 97), 0);
	assert_int_equal(aspace_unmap(as, a, 0x10000), 0);
	assert_int_equal(content[5], 98);
	assert_int_equal(content[0x3005], 97);
	/* Never longer than the file. */
	assert_int_equal(try_write(a + sizeof(content) - 1, 55), 0);
	assert_int_equal(try_write(a + sizeof(content), 55), 0);
	assert_int_equal(aspace_unmap(as, a, sizeof(content)), 0);
	assert_int_equal(content[sizeof(content) - 1], 55);
}

static void test_file_in_memory(void **state)
{
	struct aspace *first = as, *second = aspace_new();
	uint64_t a, b;
	uint8_t v;
	int64_t at;

	catch_faults();
	store[3][5] = 77;
	at = aspace_map(as, 0, 0x2000, 3, ASPACE_SHARED, &store_file, 0x3000);
	assert_true(at > 0);
	a = (uint64_t)at;
	assert_int_equal(try_read(a + 5, &v), 0);
	assert_int_equal(v, 77);
	assert_int_equal(lent[3], a);
	/* Another process sees the same pages at the same place. */
	as = second;
	at = aspace_map(as, 0, 0x10000, 3, ASPACE_SHARED, &store_file, 0);
	assert_true(at > 0);
	b = (uint64_t)at;
	assert_int_equal(b + 0x3000, a);
	assert_int_equal(try_write(b + 0x3005, 78), 0);
	assert_int_equal(try_write(b + 0x1001, 11), 0);
	as = first;
	assert_int_equal(try_read(a + 5, &v), 0);
	assert_int_equal(v, 78);
	/* Elsewhere it cannot be. */
	assert_int_equal(
		aspace_map(as, 0x400000, 0x1000, 3,
			ASPACE_SHARED | ASPACE_FIXED, &store_file, 0x3000),
		-EINVAL);
	/* The same once more, and away again. */
	assert_int_equal(aspace_map(as, 0, 0x2000, 3, ASPACE_SHARED,
				 &store_file, 0x3000),
		a);
	assert_int_equal(aspace_unmap(as, a, 0x2000), 0);
	assert_int_equal(aspace_mapped(as, a, 0x2000), true);
	assert_int_equal(aspace_unmap(as, a, 0x2000), 0);
	assert_int_equal(aspace_mapped(as, a, 0x2000), false);
	assert_int_equal(lent[3], a); /* the other one still has it */
	/* Nobody else gets the addresses meanwhile. */
	assert_int_equal(
		aspace_map(as, a, 0x1000, 3, ASPACE_FIXED, NULL, 0), -ENOMEM);
	as = second;
	aspace_put(second);
	as = first;
	assert_int_equal(lent[3], 0);
	assert_int_equal(store[3][5], 78);
	assert_int_equal(store[1][1], 11);
	assert_int_equal(store_file.refs, 1);
	/* A full file system is SIGBUS. */
	store_limit = 2;
	at = aspace_map(as, 0, 0x8000, 3, ASPACE_SHARED, &store_file, 0);
	assert_true(at > 0);
	assert_int_equal(try_read((uint64_t)at + 0x1001, &v), 0);
	assert_int_equal(v, 11);
	assert_int_equal(try_read((uint64_t)at + 0x2000, &v), -ENXIO);
	assert_int_equal(aspace_unmap(as, (uint64_t)at, 0x8000), 0);
	assert_int_equal(store_file.refs, 1);
}

static void test_brk(void **state)
{
	uint64_t start;
	uint8_t v;

	catch_faults();
	/* No program, no heap. */
	assert_int_equal(aspace_brk(as, 0), 0);
	aspace_set_brk(as, 0x500000);
	start = aspace_brk(as, 0);
	assert_int_equal(start, 0x500000);
	assert_int_equal(aspace_brk(as, start + 0x21000), start + 0x21000);
	assert_int_equal(try_write(start, 1), 0);
	assert_int_equal(aspace_brk(as, start + 0x42123), start + 0x42123);
	assert_int_equal(try_write(start + 0x42000, 1), 0);
	assert_int_equal(try_read(start + 0x43000, &v), -EFAULT);
	assert_int_equal(aspace_brk(as, start + 0x1000), start + 0x1000);
	assert_int_equal(try_read(start + 0x1000, &v), -EFAULT);
	assert_int_equal(aspace_brk(as, start - 1), start + 0x1000);
	/* Another mapping in the way. */
	map(start + 0x10000, 0x1000, 3, ASPACE_FIXED);
	assert_int_equal(aspace_brk(as, start + 0x20000), start + 0x1000);
}

static void test_remap(void **state)
{
	uint64_t a = map(0, 0x8000, 3, 0), b;
	uint8_t v;

	catch_faults();
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(try_write(a + i * 0x1000, (uint8_t)i), 0);
	/* Shrinks in place. */
	assert_int_equal(aspace_remap(as, a, 0x8000, 0x6000, 0, 0), a);
	assert_int_equal(try_read(a + 0x6000, &v), -EFAULT);
	/* Grows in place while there is room. */
	assert_int_equal(aspace_remap(as, a, 0x6000, 0x7000, 0, 0), a);
	map(a + 0x7000, 0x1000, 1, ASPACE_FIXED);
	assert_int_equal(aspace_remap(as, a, 0x7000, 0x9000, 0, 0), -ENOMEM);
	b = (uint64_t)aspace_remap(as, a, 0x7000, 0x90000, 1, 0);
	assert_true((int64_t)b > 0 && b != a);
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(try_read(b + i * 0x1000, &v), 0);
		assert_int_equal(v, i);
	}
	assert_int_equal(try_read(b + 0x8f000, &v), 0);
	assert_int_equal(try_read(a, &v), -EFAULT);
	/* To a given place, over what is there. */
	assert_int_equal(aspace_remap(as, b, 0x2000, 0x2000, 3, 0x700000000),
		0x700000000);
	assert_int_equal(try_read(0x700001000, &v), 0);
	assert_int_equal(v, 1);
	assert_int_equal(
		aspace_remap(as, b + 0x2000, 0x1000, 0x1000, 2, 0), -EINVAL);
	assert_int_equal(
		aspace_remap(as, 0x10000, 0x1000, 0x2000, 1, 0), -EFAULT);
}

static void test_discard(void **state)
{
	uint64_t a = map(0, 4 * MIB, 3, 0);
	uint8_t v;

	catch_faults();
	for (uint64_t i = 0; i < 4 * MIB; i += PAGE_SIZE)
		assert_int_equal(try_write(a + i, 1), 0);
	assert_int_equal(aspace_discard(as, a, 2 * MIB), 0);
	assert_int_equal(aspace_committed(as), 2 * MIB);
	assert_int_equal(try_read(a, &v), 0);
	assert_int_equal(v, 0);
	/* Little is cleared where it is. */
	assert_int_equal(aspace_discard(as, a + 3 * MIB, 0x3000), 0);
	assert_int_equal(try_read(a + 3 * MIB, &v), 0);
	assert_int_equal(v, 0);
	assert_int_equal(try_read(a + 3 * MIB + 0x3000, &v), 0);
	assert_int_equal(v, 1);
	assert_int_equal(aspace_discard(as, a - PAGE_SIZE, MIB), -ENOMEM);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_reservation_is_free),
		T(test_windows_grow),
		T(test_limit),
		T(test_host_short_of_memory),
		T(test_protections),
		T(test_none_then_used),
		T(test_jit),
		T(test_unmap),
		T(test_hints),
		T(test_withheld),
		T(test_two_processes),
		T(test_file_private),
		T(test_file_shared),
		T(test_file_in_memory),
		T(test_brk),
		T(test_remap),
		T(test_discard),
	};

	aspace_init(LIMIT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

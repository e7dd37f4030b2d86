/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target: the host's words against the enclave's end of slots and
 * rings. The input is the host: whenever the enclave is outside or waits, the
 * next bytes say which words of the shared region change, and to what. The
 * kernel may stop with -EPROTO; anything else than a return within the
 * call's contract is a finding.
 */
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "abi/ring.h"
#include "kernel/bounce.c"
#include "kernel/cpu.h"
#include "kernel/hostcall.c"
#include "kernel/hostcall_check.c"
#include "kernel/hostcall_ring.c"
#include "kernel/shared.c"

enum { REGION_SIZE = 4 << 20, CALLS_MAX = 64 };

static char memory[REGION_SIZE] __attribute__((aligned(4096)));
static const uint8_t *next, *end;
static jmp_buf stopped;
static char *buf; /* of the call that runs */
static struct cpu cpu;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* ---- the host ---- */

static uint64_t take_bytes(size_t n)
{
	uint64_t v = 0;

	if ((size_t)(end - next) < n)
		n = (size_t)(end - next);
	memcpy(&v, next, n);
	next += n;
	return v;
}

static uint64_t *host_word(uint64_t off)
{
	return (uint64_t *)(memory + (off & ~7ul));
}

/* Completes what stands in a request as an honest host would. */
static void complete(const uint64_t *req, uint64_t *done)
{
	done[RING_DONE_ID] = req[RING_REQ_ID];
	done[RING_DONE_RESULT] = 0;
}

static void host_turn(void)
{
	static uint64_t sq_head;
	uint64_t *tail = host_word(RING_CPUS + RING_CQ_TAIL);
	uint64_t sq = *host_word(RING_CPUS + RING_SQ_TAIL);
	unsigned changes;

	if (!rings[0].sq_tail)
		sq_head = 0;
	complete(host_word(RING_CPUS + RING_SLOT),
		host_word(RING_CPUS + RING_SLOT_DONE));
	changes = (unsigned)take_bytes(1);
	/* The ring: answered, or not. */
	while (changes & 1 && sq_head < sq && sq - sq_head <= RING_ENTRIES) {
		complete(host_word(RING_CPUS + RING_SQ +
				 sq_head++ % RING_ENTRIES * 64),
			host_word(RING_CPUS + RING_CQ +
				*tail % RING_ENTRIES * 16));
		++*tail;
	}
	for (changes = changes >> 1 & 7; changes; changes--) {
		unsigned what = (unsigned)take_bytes(1);
		uint64_t off, val;

		switch (what & 7) {
		case 0:
			off = RING_CPUS + RING_SLOT_DONE;
			break;
		case 1:
			off = RING_CPUS + RING_SLOT_DONE + 8;
			break;
		case 2:
			off = RING_CPUS + RING_CQ_TAIL;
			break;
		case 3:
			off = RING_CPUS + RING_POLLING;
			break;
		case 4:
			off = RING_CPUS + take_bytes(2) % RING_CPU_SIZE;
			break;
		case 5:
			off = RING_CPUS + RING_CQ + (*tail - 1) % 64 * 16;
			break;
		default:
			off = RING_DATA + take_bytes(2);
		}
		val = what & 8 ? take_bytes(8)
			       : (uint64_t)(int8_t)take_bytes(1);
		if (what & 16)
			val += *host_word(off);
		*host_word(off) = val;
	}
}

/* ---- around the kernel's modules ---- */

uint64_t enclave_exit_call(uint64_t arg)
{
	host_turn();
	return 0;
}

void bkl_unlock(void)
{
	host_turn();
}

void bkl_lock(void)
{
}

int sched_runnable(void)
{
	return 0;
}

void sched_yield(void)
{
}

void panic(const char *fmt, ...)
{
	abort();
}

void panic_host(const char *fmt, ...)
{
	longjmp(stopped, 1);
}

int user_read(void *dst, uint64_t src, size_t n)
{
	memcpy(dst, (const void *)src, n);
	return 0;
}

int user_write(uint64_t dst, const void *src, size_t n)
{
	memcpy((void *)dst, src, n);
	return 0;
}

int user_read_words(uint64_t dst, uint64_t src, size_t n)
{
	return user_read((void *)dst, src, n * 8);
}

int user_write_words(uint64_t dst, uint64_t src, size_t n)
{
	return user_write(dst, (const void *)src, n * 8);
}

void uio_skip(struct uio *u, size_t n)
{
	if (n > u->resid)
		abort();
	u->resid -= n;
	u->seg_done += n;
}

/* ---- the enclave ---- */

static void reset(void)
{
	static const struct ring no_ring;

	memset(memory + RING_CPUS, 0, RING_CPU_SIZE);
	memset(memory + RING_DATA, 0, 3 << 16);
	memset(owned, 0, sizeof(owned));
	memset(small_map, 0, sizeof(small_map));
	memset(page_map, 0, sizeof(page_map));
	rings[0] = no_ring;
	next_id = 0;
	misses = pause = 0;
	used = 0;
	base = 0;
	hostcall_init((uint64_t)memory, REGION_SIZE);
	use_rings = true;
}

static int64_t posted_result;

static void posted_done(struct hostcall_post *p, int64_t n)
{
	if (p->id || n > (int64_t)p->limit || n < -133)
		abort();
	posted_result = n;
}

/* A posted send, waited for after other calls or at once. */
static void posted(size_t size)
{
	static struct hostcall_post p;
	uint64_t off = bounce_alloc(size);
	const uint64_t wire[HOSTCALL_ARGS] = {0, off, size};

	p = (struct hostcall_post){.done = posted_done, .limit = size};
	posted_result = INT64_MAX;
	if (!hostcall_ring_try_post(HC_sock_send, wire, &p))
		abort();
	if (take_bytes(1) & 1)
		host_null_exit(0);
	hostcall_ring_settle(&p);
	if (p.id || posted_result == INT64_MAX)
		abort();
	bounce_free(off, size);
}

static void one_call(unsigned which)
{
	/* Word copies are assembly, unseen by the sanitizer: a fence. */
	static const char fence[64] = "do not write here";
	size_t size = 1 + take_bytes(1) * 17;
	struct host_clock *clock;
	struct uio u;
	int64_t r = 0;

	free(buf);
	buf = calloc(1, size + sizeof(fence));
	u = (struct uio){.seg_count = 1,
		.resid = size,
		.kernel = which & 64,
		.one = {(uint64_t)buf, size}};
	u.seg = &u.one;
	memcpy(buf + size, fence, sizeof(fence));
	switch (which & 7) {
	case 0:
		r = host_pread(0, &u, size, 0);
		break;
	case 1:
		r = host_pwrite(0, &u, size, 0);
		break;
	case 2:
		r = host_log(buf, size);
		break;
	case 3:
		clock = (struct host_clock *)buf;
		if (size >= sizeof(*clock) && host_clock_read(clock))
			abort();
		break;
	case 4:
		r = host_close(2);
		break;
	case 5:
		posted(size);
		break;
	default:
		r = host_null(which);
		if (r)
			abort();
	}
	if (memcmp(buf + size, fence, sizeof(fence)))
		abort();
	if (r > (int64_t)size || r < -133)
		abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	cpu.self = &cpu;
	__asm__ volatile("wrgsbase %0" ::"r"(&cpu));
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static volatile int calls;

	next = data;
	end = data + size;
	reset();
	if (setjmp(stopped))
		return 0;
	for (calls = 0; next < end && calls < CALLS_MAX; calls++)
		one_call((unsigned)take_bytes(1));
	if (bounce_used())
		abort();
	return 0;
}

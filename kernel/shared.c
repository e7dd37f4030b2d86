/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/shared.h"

#include <linux/errno.h>

#include "abi/ring.h"
#include "kernel/klog.h"
#include "kernel/uaccess.h"
#include "kernel/uio.h"
#include "lib/string.h"
#include "lib/types.h"

enum { FEW_WORDS = 12 };

/* Linear address and size of the region; constant after boot. */
static uint64_t base, region_size;

int shared_init(uint64_t u_addr, uint64_t u_size)
{
	/* Boot reads the parameters from the smallest possible region, then
	 * gives it its real size; it never moves. */
	if (base && base != u_addr)
		return -EPROTO;
	if (!is_aligned(u_addr | u_size, PAGE_SIZE) ||
		u_size < RING_REGION_MIN ||
		!range_within(u_addr, u_size, ELRANGE_SIZE, 1ul << 47))
		return -EPROTO;
	base = u_addr;
	region_size = u_size;
	shared_fence();
	return 0;
}

uint64_t shared_size(void)
{
	return region_size;
}

static always_inline volatile uint64_t *word(uint64_t off, size_t size)
{
	if (unlikely((off & 7) || !range_within(off, size, 0, region_size)))
		panic("shared region: offset 0x%lx", off);
	return (volatile uint64_t *)(base + off);
}

uint64_t shared_load(uint64_t off)
{
	uint64_t v = *word(off, 8);

	__asm__ volatile("" ::: "memory");
	return v;
}

void shared_store(uint64_t off, uint64_t val)
{
	__asm__ volatile("" ::: "memory");
	*word(off, 8) = val;
}

/* A word of the kernel's own memory may stand anywhere. */
typedef uint64_t any_word __attribute__((aligned(1)));

/* Whole words only, in both directions. Requests and small structs are done
 * before the string instruction would have started. */
static always_inline void copy_words(uint64_t dst, uint64_t src, size_t words)
{
	if (words <= FEW_WORDS) {
		for (size_t i = 0; i < words; i++)
			((volatile any_word *)dst)[i] =
				((const volatile any_word *)src)[i];
		return;
	}
	__asm__ volatile("rep movsq"
			 : "+D"(dst), "+S"(src), "+c"(words)
			 :
			 : "memory");
}

void shared_read(void *dst, uint64_t off, size_t size)
{
	uint64_t from = (uint64_t)word(off, size), tail;
	size_t whole = size & ~7ul;

	copy_words((uint64_t)dst, from, whole / 8);
	if (size > whole) {
		tail = *(volatile uint64_t *)(from + whole);
		memcpy((char *)dst + whole, &tail, size - whole);
	}
}

void shared_write(uint64_t off, const void *src, size_t size)
{
	uint64_t to = (uint64_t)word(off, size), tail = 0;
	size_t whole = size & ~7ul;

	copy_words(to, (uint64_t)src, whole / 8);
	if (size > whole) {
		memcpy(&tail, (const char *)src + whole, size - whole);
		*(volatile uint64_t *)(to + whole) = tail;
	}
}

/* Bytes of the current segment, at most max; skips empty segments. */
static size_t seg_bytes(struct uio *u, uint64_t *addr, size_t max)
{
	while (u->seg_count && u->seg_done == u->seg->size) {
		u->seg++;
		u->seg_count--;
		u->seg_done = 0;
	}
	ASSERT(u->seg_count);
	*addr = u->seg->addr + u->seg_done;
	return u64_min(u->seg->size - u->seg_done, max);
}

static int put(struct uio *u, uint64_t addr, const void *src, size_t n)
{
	if (!u->kernel)
		return user_write(addr, src, n);
	memcpy((void *)addr, src, n);
	return 0;
}

static int get(struct uio *u, void *dst, uint64_t addr, size_t n)
{
	if (!u->kernel)
		return user_read(dst, addr, n);
	memcpy(dst, (const void *)addr, n);
	return 0;
}

/* Segments may end within a word: that word is held inside until used up. */
int shared_read_uio(struct uio *u, uint64_t off, size_t size)
{
	uint64_t from = (uint64_t)word(off, size), held = 0, addr;
	size_t pos = 0, n, in;
	int err;

	while (pos < size) {
		n = seg_bytes(u, &addr, size - pos);
		in = pos & 7;
		if (!in && n >= 8) {
			n &= ~7ul;
			if (u->kernel)
				copy_words(addr, from + pos, n / 8);
			else if ((err = user_write_words(
					  addr, from + pos, n / 8)))
				return err;
		} else {
			if (!in)
				held = *(volatile uint64_t *)(from + pos);
			n = u64_min(n, 8 - in);
			err = put(u, addr, (const char *)&held + in, n);
			if (err)
				return err;
		}
		uio_skip(u, n);
		pos += n;
	}
	return 0;
}

int shared_write_uio(uint64_t off, struct uio *u, size_t size)
{
	uint64_t to = (uint64_t)word(off, size), held = 0, addr;
	size_t pos = 0, n, in;
	int err;

	while (pos < size) {
		n = seg_bytes(u, &addr, size - pos);
		in = pos & 7;
		if (!in && n >= 8) {
			n &= ~7ul;
			if (u->kernel)
				copy_words(to + pos, addr, n / 8);
			else if ((err = user_read_words(to + pos, addr, n / 8)))
				return err;
		} else {
			n = u64_min(n, 8 - in);
			err = get(u, (char *)&held + in, addr, n);
			if (err)
				return err;
			if (in + n == 8 || pos + n == size) {
				*(volatile uint64_t *)(to + pos - in) = held;
				held = 0;
			}
		}
		uio_skip(u, n);
		pos += n;
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See uaccess.h. The accesses themselves are a few instructions in entry.S;
 * when one of them faults, stage 1 makes it return the number of bytes left,
 * and here the page is brought in and the rest is done.
 */
#include "kernel/uaccess.h"

#include <errno.h>

#include "kernel/aspace.h"
#include "kernel/cpu.h"
#include "kernel/process.h"
#include "lib/types.h"

enum { PF_WRITE = 2 };

size_t uaccess_copy(void *dst, const void *src, size_t n);
size_t uaccess_copy_words(void *dst, const void *src, size_t n);
size_t uaccess_clear(void *dst, size_t n);
size_t uaccess_load32(const uint32_t *p, uint32_t *val);
size_t uaccess_cmpxchg32(
	uint32_t *p, uint32_t expect, uint32_t desired, uint32_t *seen);

int user_check(uint64_t u_addr, uint64_t size)
{
	uint64_t end;

	if (unlikely(u_addr < USER_START || add_overflows(u_addr, size, &end) ||
		    end > USER_END))
		return size ? -EFAULT : 0; /* NULL of no bytes is fine */
	return 0;
}

/* The access stopped at a fault: make the page present, or say no. */
static int resolve(bool write)
{
	return aspace_fault(curproc->as, this_cpu()->fault_addr, write, false)
		? -EFAULT
		: 0;
}

static always_inline int copy(uint8_t *dst, const uint8_t *src, size_t size,
	uint64_t u_addr, bool write)
{
	size_t left;

	if (user_check(u_addr, size))
		return -EFAULT;
	while ((left = uaccess_copy(dst, src, size))) {
		dst += size - left;
		src += size - left;
		size = left;
		if (resolve(write))
			return -EFAULT;
	}
	return 0;
}

int user_read(void *dst, uint64_t u_src, size_t size)
{
	return copy(dst, (const void *)u_src, size, u_src, false);
}

int user_write(uint64_t u_dst, const void *src, size_t size)
{
	return copy((void *)u_dst, src, size, u_dst, true);
}

int user_clear(uint64_t u_dst, size_t size)
{
	size_t left;

	if (user_check(u_dst, size))
		return -EFAULT;
	while ((left = uaccess_clear((void *)u_dst, size))) {
		u_dst += size - left;
		size = left;
		if (resolve(true))
			return -EFAULT;
	}
	return 0;
}

static int copy_words(uint64_t dst, uint64_t src, size_t words, bool write)
{
	size_t left;

	while ((left = uaccess_copy_words(
			(void *)dst, (const void *)src, words))) {
		dst += (words - left) * 8;
		src += (words - left) * 8;
		words = left;
		if (resolve(write))
			return -EFAULT;
	}
	return 0;
}

int user_read_words(uint64_t shared_dst, uint64_t u_src, size_t words)
{
	if (words > USER_END / 8 || user_check(u_src, words * 8))
		return -EFAULT;
	return copy_words(shared_dst, u_src, words, false);
}

int user_write_words(uint64_t u_dst, uint64_t shared_src, size_t words)
{
	if (words > USER_END / 8 || user_check(u_dst, words * 8))
		return -EFAULT;
	return copy_words(u_dst, shared_src, words, true);
}

int64_t user_read_str(char *dst, uint64_t u_src, size_t cap)
{
	size_t done = 0;

	/* Page by page: what follows the string need not be readable. */
	while (done < cap) {
		size_t n = PAGE_SIZE - (u_src & PAGE_MASK), i;

		if (n > cap - done)
			n = cap - done;
		if (n > 64)
			n = 64; /* most strings are short */
		if (user_read(dst + done, u_src, n))
			return -EFAULT;
		for (i = 0; i + 8 <= n; i += 8) {
			uint64_t w;

			__builtin_memcpy(&w, dst + done + i, 8);
			if (zero_bytes(w))
				break;
		}
		for (; i < n; i++)
			if (!dst[done + i])
				return (int64_t)(done + i);
		done += n;
		u_src += n;
	}
	return -ENAMETOOLONG;
}

static int check_word(uint64_t u_addr)
{
	if (u_addr & 3)
		return -EINVAL;
	return user_check(u_addr, sizeof(uint32_t));
}

int user_load32(uint64_t u_addr, uint32_t *val)
{
	int err = check_word(u_addr);

	while (!err && uaccess_load32((const uint32_t *)u_addr, val))
		err = resolve(false);
	return err;
}

int user_cmpxchg32(
	uint64_t u_addr, uint32_t expect, uint32_t desired, uint32_t *seen)
{
	int err = check_word(u_addr);

	while (!err &&
		uaccess_cmpxchg32((uint32_t *)u_addr, expect, desired, seen))
		err = resolve(true);
	return err;
}

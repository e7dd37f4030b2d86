/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One marshaller for all host calls, driven by the rows of hostcall.def:
 * lay out the buffers in one piece of the data area, copy in, let the call
 * travel (hostcall_ring.c), check the result against the row, copy out.
 */
#include "kernel/hostcall.h"

#include <linux/errno.h>

#include "abi/ring.h"
#include "kernel/bounce.h"
#include "kernel/hostcall_ring.h"
#include "kernel/klog.h"
#include "kernel/shared.h"
#include "kernel/uio.h"
#include "lib/string.h"
#include "lib/types.h"

enum { FD_MAX = 1 << 18, STR_MAX = 4096 };

static const struct hostcall_desc table[HOSTCALL_COUNT] = {
#define HOSTCALL HC_DESC
#include "abi/hostcall.def"
#undef HOSTCALL
};

/* Host descriptors that are the enclave's: bit set from the call that
 * returned it to the call that closes it (S-11). */
static uint64_t owned[FD_MAX / 64];

struct call {
	const struct hostcall_desc *d;
	const uint64_t *args;
	uint64_t wire[HOSTCALL_ARGS];
	size_t size[HOSTCALL_ARGS]; /* bytes of buffers, 0 for others */
	uint64_t base; /* offset of all buffers, 0 if none */
	size_t total;
};

const struct hostcall_desc *hostcall_desc(unsigned nr)
{
	return &table[nr];
}

bool hostcall_fd_owned(int fd)
{
	return fd >= 0 && fd < FD_MAX && owned[fd / 64] >> fd % 64 & 1;
}

static void fd_flip(int64_t fd)
{
	owned[fd / 64] ^= 1ul << fd % 64;
}

void hostcall_init(uint64_t u_addr, uint64_t u_size)
{
	if (shared_init(u_addr, u_size))
		panic_host("shared region 0x%lx, size 0x%lx", u_addr, u_size);
	bounce_init(RING_DATA, u_size - RING_DATA);
	owned[0] = 7;
}

void hostcall_panic_text(const char *text, size_t size)
{
	if (shared_size())
		shared_write(
			RING_PANIC_TEXT, text, u64_min(size, RING_PANIC_SIZE));
}

/* Checks the arguments and finds the sizes of buffers; no effect yet. */
static int layout(struct call *c)
{
	memcpy(c->wire, c->args, sizeof(c->wire));
	for (int i = 0; i < HOSTCALL_ARGS; i++) {
		const struct hostcall_arg *arg = &c->d->arg[i];
		uint64_t v = c->args[i], size;

		switch (arg->kind) {
		case HC_ARG_NONE:
			return 0;
		case HC_ARG_VAL:
			break;
		case HC_ARG_DIRFD:
			if ((int)v == HOST_AT_FDCWD)
				break;
			__attribute__((fallthrough));
		case HC_ARG_FD:
		case HC_ARG_CLOSE:
			if (!hostcall_fd_owned((int)v))
				return -EBADF;
			break;
		case HC_ARG_STR:
			if (!v)
				break;
			size = strnlen((const char *)v, STR_MAX) + 1;
			if (size > STR_MAX)
				return -ENAMETOOLONG;
			c->size[i] = size;
			break;
		default:
			size = arg->unit;
			if (arg->size_arg != HC_SIZE_FIXED &&
				mul_overflows(
					size, c->args[arg->size_arg], &size))
				return -E2BIG;
			if (arg->kind >= HC_ARG_UIN) {
				size = u64_min(size, ((struct uio *)v)->resid);
				size = u64_min(size, HOSTCALL_BUF_MAX);
				c->wire[arg->size_arg] = size;
			} else if (size > HOSTCALL_BUF_MAX) {
				return -E2BIG;
			}
			c->size[i] = v ? size : 0;
		}
		/* No address of ours ever goes out; copy_in sets offsets. */
		if (arg->kind >= HC_ARG_STR)
			c->wire[i] = 0;
		c->total += align_up(c->size[i], 64);
	}
	return 0;
}

/* Copies buffers out to the data area and sets their wire words. */
static int copy_in(struct call *c)
{
	uint64_t off = c->base;
	int err;

	for (int i = 0; i < HOSTCALL_ARGS; i++) {
		uint8_t kind = c->d->arg[i].kind;

		if (kind < HC_ARG_STR)
			continue;
		if (!c->size[i])
			continue;
		c->wire[i] = off;
		if (kind == HC_ARG_IN || kind == HC_ARG_STR) {
			shared_write(off, (const void *)c->args[i], c->size[i]);
		} else if (kind == HC_ARG_UIN) {
			struct uio u = *(struct uio *)c->args[i];

			err = shared_write_uio(off, &u, c->size[i]);
			if (err)
				return err;
		}
		off += align_up(c->size[i], 64);
	}
	return 0;
}

/* After a good result only. */
static int copy_out(struct call *c, int64_t result)
{
	int err = 0;

	for (int i = 0; i < HOSTCALL_ARGS; i++) {
		const struct hostcall_arg *arg = &c->d->arg[i];
		size_t size = c->size[i];

		if (arg->kind < HC_ARG_STR || !size)
			continue;
		if (c->d->result == HC_RESULT_SIZE &&
			c->d->result_arg == arg->size_arg)
			size = (size_t)result * arg->unit;
		if (arg->kind == HC_ARG_OUT)
			shared_read((void *)c->args[i], c->wire[i], size);
		else if (arg->kind == HC_ARG_UOUT && !err)
			err = shared_read_uio(
				(struct uio *)c->args[i], c->wire[i], size);
		else if (arg->kind == HC_ARG_UIN)
			uio_skip((struct uio *)c->args[i], size);
	}
	return err;
}

static void check_result(const struct call *c, int64_t result)
{
	if (unlikely(!hostcall_result_ok(c->d, c->wire, result)))
		panic_host("call %s: result %ld", c->d->name, result);
	shared_fence();
	if (result >= 0 && c->d->result == HC_RESULT_FD) {
		if (result >= FD_MAX)
			panic_host(
				"call %s: descriptor %ld", c->d->name, result);
		shared_fence(); /* it is an index now (S-18) */
		if (hostcall_fd_owned((int)result))
			panic_host(
				"call %s: descriptor %ld", c->d->name, result);
		fd_flip(result);
	}
}

void hostcall_fd_adopt(int fd)
{
	if (fd < 3 || fd >= FD_MAX || hostcall_fd_owned(fd))
		panic_host("descriptor %d handed over at boot", fd);
	fd_flip(fd);
}

int64_t hostcall_run(unsigned nr, const uint64_t *args)
{
	struct call c = {.d = &table[nr], .args = args};
	int64_t result = 0;
	int err = layout(&c);

	if (err)
		return err;
	if (c.total) {
		c.base = bounce_alloc(c.total);
		if (!c.base)
			return -ENOMEM;
		err = copy_in(&c);
		if (err)
			goto out;
	}
	if (c.d->arg[0].kind == HC_ARG_CLOSE)
		fd_flip((int)c.wire[0]);
	if (c.d->how == HC_HOW_POST) {
		ASSERT(!c.total);
		hostcall_ring_post(nr, c.wire);
		return 0;
	}
	result = hostcall_ring_call(nr, c.d->how, c.wire);
	check_result(&c, result);
	if (c.total && result >= 0)
		err = copy_out(&c, result);
out:
	if (c.total)
		bounce_free(c.base, c.total);
	return err ? err : result;
}

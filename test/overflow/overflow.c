/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A kernel with a fault: getpriority(2) runs over the end of a stack. The
 * rest is the product's, the hook is the linker's --wrap. `which` says how:
 *
 *	1  on the thread's kernel stack, call by call
 *	2  touches the page below the idle stack of enclave thread `who`
 *	3  touches the page below its exception stack
 *	4  touches the lowest bytes of both, which is allowed
 *
 * Anything else returns as if nothing had happened.
 */
#include <stdint.h>

#include "abi/layout.h"
#include "kernel/kalloc.h"

int64_t __wrap_sys_getpriority(const uint64_t *a);

/* A little more than there is, so that without the page it would go well. */
static int64_t deep(uintptr_t end)
{
	volatile uint8_t frame[200];

	frame[0] = 1;
	return (uintptr_t)frame > end ? deep(end) + frame[0] : 0;
}

int64_t __wrap_sys_getpriority(const uint64_t *a)
{
	uint64_t slot = TCS_BASE + (uint32_t)a[1] * TCS_SLOT_SIZE;

	switch ((uint32_t)a[0]) {
	case 1:
		return deep((uintptr_t)__builtin_frame_address(0) -
			KSTACK_SIZE - 512);
	case 2:
		return *(volatile uint8_t *)(slot + SLOT_IDLE_STACK - 1);
	case 3:
		return *(volatile uint8_t *)(slot + SLOT_EXC_STACK - 1);
	case 4:
		return *(volatile uint8_t *)(slot + SLOT_IDLE_STACK) +
			*(volatile uint8_t *)(slot + SLOT_EXC_STACK);
	default:
		return 20;
	}
}

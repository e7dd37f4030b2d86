/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where things are in the enclave's linear address range (ELRANGE).
 *
 * ELRANGE starts at 0, so that programs linked at 0x400000 run where they
 * were linked and a NULL access faults whatever the host does. One compare
 * tells user from kernel addresses, another one enclave from host memory.
 *
 *   0          .. USER_START   never populated
 *   USER_START .. USER_END     programs, libraries, heaps, stacks, trampolines
 *   KERNEL_BASE.. +32 MiB      kernel image
 *   TCS_BASE   .. HEAP_BASE    one TCS slot per enclave thread
 *   HEAP_BASE  .. ELRANGE_SIZE kernel heap, grows by EAUG
 *   ELRANGE_SIZE ..            untrusted: launcher, shared memory
 */
#pragma once

#ifndef __ASSEMBLER__
#include <stdint.h>
#endif

#define PAGE_SHIFT 12
#define PAGE_SIZE 4096ul
#define PAGE_MASK (PAGE_SIZE - 1)

#define ELRANGE_SIZE 0x1000000000ul /* 64 GiB */
#define USER_START 0x10000ul
#define USER_END 0xf80000000ul /* 62 GiB */
#define KERNEL_BASE USER_END
#define KERNEL_IMAGE_MAX 0x2000000ul
#define TCS_BASE (KERNEL_BASE + KERNEL_IMAGE_MAX)
#define TCS_SLOT_SIZE 0x10000ul
#define TCS_MAX 64
#define HEAP_BASE (TCS_BASE + 0x1000000ul)
#define HEAP_END ELRANGE_SIZE

/* Pages of a TCS slot, as offsets from its start. */
#define SLOT_TCS 0x0000ul
#define SLOT_SSA 0x1000ul /* NSSA frames of one page each */
#define SLOT_CPU 0x3000ul /* struct cpu, what %gs points at */
#define SLOT_EXC_GUARD 0x4000ul /* never usable, as below each stack */
#define SLOT_EXC_STACK 0x5000ul
#define SLOT_EXC_STACK_TOP 0x7000ul
#define SLOT_IDLE_GUARD 0x7000ul
#define SLOT_IDLE_STACK 0x8000ul
#define SLOT_IDLE_STACK_TOP 0xc000ul
#define SLOT_USED 0xc000ul

#define SSA_FRAME_PAGES 1
#define TCS_NSSA 2

/* XFRM of every enclave: x87, SSE, AVX, AVX-512. Also what CPUID reports. */
#define XFRM_ALLOWED 0xe7ul
#define XFRM_REQUIRED 0x03ul

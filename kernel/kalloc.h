/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's own memory. Never sleeps once the heap has grown enough;
 * growing it is a host call, hence kmalloc may sleep. NULL when the enclave
 * is out of memory.
 */
#pragma once

#include <stddef.h>

/* Memory for size bytes, aligned to 16. */
void *kmalloc(size_t size) __attribute__((malloc));
void *kzalloc(size_t size) __attribute__((malloc));
/* Resizes as realloc(3) does; ptr may be NULL. */
void *krealloc(void *ptr, size_t size);
/* ptr may be NULL. */
void kfree(void *ptr);
char *kstrdup(const char *s);

/* count contiguous zeroed pages, page aligned. */
void *kpages_alloc(size_t count);
void kpages_free(void *ptr, size_t count);

/* A kernel stack, not zeroed; below it is a page that faults. */
enum { KSTACK_SIZE = 16384 };
void *kstack_alloc(void);
void kstack_free(void *stack);

/* First call of the kernel: ready bytes from HEAP_BASE were added by the
 * host and await EACCEPT. */
void kalloc_init(size_t ready);
/* Bytes of heap in use and committed, for statistics. */
void kalloc_stats(size_t *used, size_t *committed);

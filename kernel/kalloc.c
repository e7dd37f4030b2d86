/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small objects of the kernel: size classes in slabs of one or four pages,
 * larger ones as page runs.
 *
 * A slab starts with its header; the objects follow, free ones linked
 * through their first word. Slabs with a free object hang in their class's
 * list. One empty slab per class is kept, further ones return their pages.
 */
#include "kernel/kalloc.h"

#include "abi/layout.h"
#include "kernel/klog.h"
#include "kernel/kpages.h"
#include "lib/list.h"
#include "lib/string.h"

struct slab {
	struct list node;
	void *free;
	uint32_t used, count;
	uint32_t class, fresh; /* objects from fresh on were never used */
};

enum {
	SLAB_HEADER = 64,
	SMALL_MAX = 2048,
	BIG_SLAB_FROM = 512,
	BIG_SLAB_PAGES = 4,
};

static const uint16_t class_size[] = {
	16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048};

enum { CLASS_COUNT = ARRAY_SIZE(class_size) };

static struct list partial[CLASS_COUNT];
static uint32_t empty_count[CLASS_COUNT];
static uint8_t class_of[SMALL_MAX / 16 + 1]; /* by (size + 15) / 16 */

_Static_assert(sizeof(struct slab) <= SLAB_HEADER, "slab header");

static size_t slab_pages(uint32_t class)
{
	return class_size[class] > BIG_SLAB_FROM ? BIG_SLAB_PAGES : 1;
}

static struct slab *slab_new(uint32_t class)
{
	size_t pages = slab_pages(class);
	struct slab *s = kpages_alloc_raw(pages);

	if (!s)
		return NULL;
	kpages_mark_slab(s, pages);
	*s = (struct slab){
		.class = class,
		.count = (uint32_t)((pages * PAGE_SIZE - SLAB_HEADER) /
			class_size[class]),
	};
	list_add(&partial[class], &s->node);
	empty_count[class]++;
	return s;
}

static void *slab_take(struct slab *s)
{
	void *p = s->free;

	if (p)
		s->free = *(void **)p;
	else
		p = (char *)s + SLAB_HEADER +
			(size_t)s->fresh++ * class_size[s->class];
	if (s->used++ == 0)
		empty_count[s->class]--;
	if (s->used == s->count)
		list_del(&s->node);
	return p;
}

static void slab_give(struct slab *s, void *p)
{
	ASSERT(s->used > 0);
	if (s->used == s->count)
		list_add(&partial[s->class], &s->node);
	*(void **)p = s->free;
	s->free = p;
	if (--s->used > 0)
		return;
	if (++empty_count[s->class] > 1) {
		empty_count[s->class]--;
		list_del(&s->node);
		kpages_free(s, slab_pages(s->class));
	}
}

static struct slab *slab_of(const void *ptr, size_t page_in_slab)
{
	return (struct slab *)(((uintptr_t)ptr & ~PAGE_MASK) -
		page_in_slab * PAGE_SIZE);
}

void kalloc_init(size_t ready)
{
	uint8_t class = 0;

	kpages_init(ready);
	for (size_t i = 0; i < CLASS_COUNT; i++)
		list_init(&partial[i]);
	for (size_t i = 0; i < ARRAY_SIZE(class_of); i++) {
		while (i * 16 > class_size[class])
			class ++;
		class_of[i] = class;
	}
}

void *kmalloc(size_t size)
{
	uint32_t class;
	struct slab *s;

	if (size > SMALL_MAX) {
		if (size > HEAP_END - HEAP_BASE)
			return NULL;
		return kpages_alloc_raw((size + PAGE_MASK) >> PAGE_SHIFT);
	}
	class = class_of[(size + 15) / 16];
	s = list_first(&partial[class], struct slab, node);
	/* While a new slab was made, another thread may have used it up. */
	while (!s) {
		if (!slab_new(class))
			return NULL;
		s = list_first(&partial[class], struct slab, node);
	}
	return slab_take(s);
}

void *kzalloc(size_t size)
{
	void *p = kmalloc(size);

	if (p)
		memset(p, 0, size);
	return p;
}

/* Bytes usable at ptr. */
static size_t capacity(const void *ptr)
{
	size_t number;

	switch (kpages_lookup(ptr, &number)) {
	case KPAGES_SLAB:
		return class_size[slab_of(ptr, number)->class];
	case KPAGES_RUN:
		return number * PAGE_SIZE;
	default:
		panic("kalloc: not an allocation");
	}
}

void *krealloc(void *ptr, size_t size)
{
	size_t have;
	void *p;

	if (!ptr)
		return kmalloc(size);
	have = capacity(ptr);
	if (size <= have && (have <= 64 || size > have / 2))
		return ptr;
	p = kmalloc(size);
	if (!p)
		return size <= have ? ptr : NULL;
	memcpy(p, ptr, size < have ? size : have);
	kfree(ptr);
	return p;
}

void kfree(void *ptr)
{
	size_t number;

	if (!ptr)
		return;
	switch (kpages_lookup(ptr, &number)) {
	case KPAGES_SLAB:
		slab_give(slab_of(ptr, number), ptr);
		break;
	case KPAGES_RUN:
		ASSERT(((uintptr_t)ptr & PAGE_MASK) == 0);
		kpages_free(ptr, number);
		break;
	default:
		panic("kfree: not an allocation");
	}
}

char *kstrdup(const char *s)
{
	size_t size = strlen(s) + 1;
	char *p = kmalloc(size);

	if (p)
		memcpy(p, s, size);
	return p;
}

void kalloc_stats(size_t *used, size_t *committed)
{
	kpages_stats(used, committed);
}

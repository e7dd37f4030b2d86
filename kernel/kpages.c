/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages of the kernel heap.
 *
 * The heap is one linear range that grows upwards by EAUG and EACCEPT. Each
 * page has a 32-bit descriptor: kind and a number. A free run has its length
 * in the descriptors of its first and last page, so neighbours merge in
 * constant time; the runs hang in lists by the power of two of their length,
 * linked through their own first pages.
 *
 * Descriptors come in sections for 8 MiB of heap. Those for the next 32 MiB
 * are there already, so that growing needs no other memory, even if several
 * threads grow the heap and none of them has its pages yet.
 * Freed pages are not given back to the host.
 */
#include "kernel/kpages.h"

#include "abi/layout.h"
#include "kernel/enclu.h"
#include "kernel/hostcall.h"
#include "kernel/kalloc.h"
#include "kernel/klog.h"
#include "lib/list.h"
#include "lib/string.h"

enum {
	SECTION_PAGES = 2048,
	SECTION_BYTES = SECTION_PAGES * sizeof(uint32_t),
	BIN_COUNT = 20,
	GROW_MIN = 64, /* pages */
	GROW_MAX = 1024,
	LARGE_PAGES = 512,
	AHEAD = 8 * GROW_MAX, /* pages that have descriptors before they are */
};

#define HEAP_PAGES ((HEAP_END - HEAP_BASE) >> PAGE_SHIFT)
#define SECTION_COUNT ((HEAP_PAGES + SECTION_PAGES - 1) / SECTION_PAGES)
#define KIND_SHIFT 28
#define NUMBER_MASK ((1u << KIND_SHIFT) - 1)

static uint32_t *sections[SECTION_COUNT];
static struct list bins[BIN_COUNT];
static struct list stacks = LIST_INIT(stacks); /* free ones */
static size_t section_count; /* sections that have descriptors */
static size_t heap_pages; /* pages of the range handed out to growing */
static size_t free_pages, committed_pages;

static uint32_t *desc(size_t page)
{
	return &sections[page / SECTION_PAGES][page % SECTION_PAGES];
}

static void desc_set(size_t page, enum kpages_kind kind, size_t number)
{
	*desc(page) = (uint32_t)kind << KIND_SHIFT | (uint32_t)number;
}

static enum kpages_kind desc_kind(size_t page)
{
	return (enum kpages_kind)(*desc(page) >> KIND_SHIFT);
}

static size_t desc_number(size_t page)
{
	return *desc(page) & NUMBER_MASK;
}

static void *page_ptr(size_t page)
{
	return (void *)(uintptr_t)(HEAP_BASE + (page << PAGE_SHIFT));
}

static size_t page_of(const void *ptr)
{
	return ((uintptr_t)ptr - HEAP_BASE) >> PAGE_SHIFT;
}

/* Bin of a run: floor(log2(count)). */
static size_t bin_of(size_t count)
{
	size_t b = 63 - (size_t)__builtin_clzl(count);

	return b < BIN_COUNT ? b : BIN_COUNT - 1;
}

static void run_link(size_t page, size_t count)
{
	struct list *l = page_ptr(page);

	desc_set(page, KPAGES_FREE, count);
	desc_set(page + count - 1, KPAGES_FREE, count);
	list_add(&bins[bin_of(count)], l);
	free_pages += count;
}

static void run_unlink(size_t page, size_t count)
{
	list_del(page_ptr(page));
	desc_set(page, KPAGES_ABSENT, 0);
	desc_set(page + count - 1, KPAGES_ABSENT, 0);
	free_pages -= count;
}

/* Gives back a run and merges it with its free neighbours. */
static void run_free(size_t page, size_t count)
{
	if (page > 0 && desc_kind(page - 1) == KPAGES_FREE) {
		size_t n = desc_number(page - 1);

		run_unlink(page - n, n);
		page -= n;
		count += n;
	}
	if (page + count < heap_pages &&
		desc_kind(page + count) == KPAGES_FREE) {
		size_t n = desc_number(page + count);

		run_unlink(page + count, n);
		count += n;
	}
	run_link(page, count);
}

static void *run_take(size_t page, size_t have, size_t want)
{
	run_unlink(page, have);
	if (have > want)
		run_link(page + want, have - want);
	desc_set(page, KPAGES_RUN, want);
	return page_ptr(page);
}

static void *find(size_t count)
{
	for (size_t b = bin_of(count); b < BIN_COUNT; b++) {
		struct list *l;

		list_for_each (l, &bins[b]) {
			size_t page = page_of(l), n = desc_number(page);

			if (n >= count)
				return run_take(page, n, count);
		}
	}
	return NULL;
}

static void accept_pages(size_t page, size_t count)
{
	struct sgx_secinfo info = {
		.flags = SGX_SECINFO_R | SGX_SECINFO_W | SGX_SECINFO_PENDING |
			SGX_SECINFO_REG,
	};

	for (size_t i = 0; i < count; i++) {
		uint64_t addr = (uint64_t)(uintptr_t)page_ptr(page + i);

		/* Anything but a fresh page is the host's lie. */
		if (enclu_accept(addr, &info))
			panic_host("kernel heap page not added");
	}
}

/* Descriptors for one more section, out of free pages. */
static bool add_section(void)
{
	size_t pages = SECTION_BYTES / PAGE_SIZE;
	void *p;

	if (section_count == SECTION_COUNT)
		return true;
	p = find(pages);
	if (!p)
		return false;
	memset(p, 0, SECTION_BYTES);
	sections[section_count++] = p;
	return true;
}

/* Takes want pages of the range and has the host add them, but for a gap in
 * front: the number of the first one to be accepted, or 0. */
static size_t extend(size_t gap, size_t want)
{
	size_t page = heap_pages, end = page + gap + want;

	/* Never past the section whose descriptors exist. */
	while (end > section_count * SECTION_PAGES)
		if (section_count == SECTION_COUNT || !add_section())
			return 0;
	if (end > HEAP_PAGES)
		return 0;
	/* The host call sleeps: take the range before. */
	heap_pages = end;
	if (host_enclave_augment((uintptr_t)page_ptr(page + gap),
		    want << PAGE_SHIFT, false) < 0) {
		if (heap_pages == end)
			heap_pages = page;
		return 0;
	}
	accept_pages(page + gap, want);
	committed_pages += want;
	return page + gap;
}

static bool grow(size_t count)
{
	size_t want = committed_pages / 8, page;

	if (want < GROW_MIN)
		want = GROW_MIN;
	if (want > GROW_MAX)
		want = GROW_MAX;
	/* The host has large pages for what is aligned like them. */
	if (want >= 2 * LARGE_PAGES)
		want -= (heap_pages + want) % LARGE_PAGES;
	if (want < count + 2)
		want = count + 2;
	page = extend(0, want);
	if (!page)
		return false;
	run_free(page, want);
	while (section_count < SECTION_COUNT &&
		section_count * SECTION_PAGES - heap_pages < AHEAD)
		if (!add_section())
			break;
	return true;
}

/* Below each stack is a page that there is none of: who runs over the end
 * faults. Frames are less than a page (-Wframe-larger-than). Stacks stay. */
void *kstack_alloc(void)
{
	struct list *l = stacks.next;
	size_t page;

	if (l != &stacks) {
		list_del(l);
		return l;
	}
	page = extend(1, KSTACK_SIZE / PAGE_SIZE);
	return page ? page_ptr(page) : NULL;
}

void kstack_free(void *stack)
{
	if (stack)
		list_add(&stacks, stack);
}

void kpages_init(size_t ready)
{
	size_t pages = ready >> PAGE_SHIFT;
	size_t own = SECTION_BYTES / PAGE_SIZE;

	ASSERT(pages > 4 * own && pages <= SECTION_PAGES);
	for (size_t i = 0; i < BIN_COUNT; i++)
		list_init(&bins[i]);
	heap_pages = pages;
	committed_pages = pages;
	accept_pages(0, pages);
	sections[0] = page_ptr(0);
	memset(sections[0], 0, SECTION_BYTES);
	section_count = 1;
	desc_set(0, KPAGES_RUN, own);
	run_free(own, pages - own);
	add_section();
}

void *kpages_alloc_raw(size_t count)
{
	void *p;

	if (count == 0 || count > HEAP_PAGES)
		return NULL;
	while (!(p = find(count)))
		if (!grow(count))
			return NULL;
	return p;
}

void *kpages_alloc(size_t count)
{
	void *p = kpages_alloc_raw(count);

	if (p)
		memset(p, 0, count << PAGE_SHIFT);
	return p;
}

void kpages_free(void *ptr, size_t count)
{
	size_t page;

	if (!ptr)
		return;
	page = page_of(ptr);
	ASSERT(page < heap_pages && desc_kind(page) != KPAGES_FREE);
	for (size_t i = 0; i < count; i++)
		desc_set(page + i, KPAGES_ABSENT, 0);
	run_free(page, count);
}

void kpages_mark_slab(void *run, size_t count)
{
	size_t page = page_of(run);

	for (size_t i = 0; i < count; i++)
		desc_set(page + i, KPAGES_SLAB, i);
}

enum kpages_kind kpages_lookup(const void *ptr, size_t *number)
{
	uintptr_t a = (uintptr_t)ptr;
	size_t page = page_of(ptr);

	if (a < HEAP_BASE || page >= heap_pages)
		return KPAGES_ABSENT;
	*number = desc_number(page);
	return desc_kind(page);
}

void kpages_stats(size_t *used, size_t *committed)
{
	*used = (committed_pages - free_pages) << PAGE_SHIFT;
	*committed = committed_pages << PAGE_SHIFT;
}

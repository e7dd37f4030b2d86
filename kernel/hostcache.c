/* SPDX-License-Identifier: Apache-2.0 */
/* See hostcache.h. All pages are on one list, most recently used last. */
#include "kernel/hostcache.h"

#include "abi/layout.h"
#include "kernel/aspace.h"
#include "kernel/file.h"
#include "kernel/fsabi.h"
#include "kernel/hostcall.h"
#include "kernel/hostfs.h"
#include "kernel/kalloc.h"
#include "kernel/uio.h"
#include "lib/types.h"

enum {
	BUCKETS = 1024,
	PAGES_MAX = 8192, /* 32 MiB, and no more than ... */
	MEMORY_SHARE = 32, /* ... this part of the memory limit */
	WORTH_MAX = 64,
	WORTH_MIN = -64, /* so many reads pass by before the next try */
	DROP_COST = 16,
};

struct page {
	struct page *next; /* in its bucket */
	struct list file_node, lru_node;
	struct hostcache *owner; /* NULL: dropped while in use */
	uint64_t index;
	uint32_t size; /* valid bytes */
	uint32_t users; /* copies under way, which sleep */
	uint8_t *data;
};

static struct page *buckets[BUCKETS];
static struct list lru = LIST_INIT(lru);
static uint32_t page_count;

static struct page **bucket_of(const struct hostcache *c, uint64_t index)
{
	uint64_t key = (uint64_t)(uintptr_t)c / 64 + index;

	return &buckets[key * 0x9e3779b97f4a7c15ull >> 54];
}

static struct page *find(const struct hostcache *c, uint64_t index)
{
	struct page *p = *bucket_of(c, index);

	while (p && (p->owner != c || p->index != index))
		p = p->next;
	return p;
}

static void page_free(struct page *p)
{
	kpages_free(p->data, 1);
	kfree(p);
}

/* Takes p out of everything; who still copies from it frees it. */
static void remove_page(struct page *p)
{
	struct page **at = bucket_of(p->owner, p->index);

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	list_del(&p->file_node);
	list_del(&p->lru_node);
	p->owner = NULL;
	page_count--;
	if (!p->users)
		page_free(p);
}

static uint32_t capacity(void)
{
	uint64_t used, limit;

	aspace_memory(&used, &limit);
	return (uint32_t)u64_min(PAGES_MAX, limit / MEMORY_SHARE / PAGE_SIZE);
}

void hostcache_drop(struct hostcache *c)
{
	struct page *p, *tmp;

	c->seen = 0;
	if (!c->pages.next || list_is_empty(&c->pages))
		return;
	list_for_each_entry_safe (p, tmp, &c->pages, file_node)
		remove_page(p);
	c->worth -= DROP_COST;
	if (c->worth < WORTH_MIN)
		c->worth = WORTH_MIN;
}

/* Reads page index of f into a new page, if it is its second time. NULL:
 * pass by. Sleeps; the attributes may be stale afterwards. */
static struct page *load(struct file *f, struct hostcache *c, uint64_t index)
{
	uint64_t bit = (uint64_t)1 << index % 64;
	struct page *p;
	struct uio u;
	int64_t n;

	if (!(c->seen & bit)) {
		c->seen |= bit;
		return NULL;
	}
	while (page_count >= capacity() && !list_is_empty(&lru))
		remove_page(list_first(&lru, struct page, lru_node));
	p = kzalloc(sizeof(*p));
	if (!p)
		return NULL;
	p->data = kpages_alloc(1);
	if (!p->data) {
		kfree(p);
		return NULL;
	}
	uio_init_kernel(&u, p->data, PAGE_SIZE);
	n = host_pread(f->host_fd, &u, PAGE_SIZE, index * PAGE_SIZE);
	/* Meanwhile somebody may have written (seen is clear) or loaded it. */
	if (n < 0 || !(c->seen & bit) || find(c, index)) {
		page_free(p);
		return NULL;
	}
	p->owner = c;
	p->index = index;
	p->size = (uint32_t)n;
	p->next = *bucket_of(c, index);
	*bucket_of(c, index) = p;
	if (!c->pages.next)
		list_init(&c->pages);
	list_add_tail(&c->pages, &p->file_node);
	list_add_tail(&lru, &p->lru_node);
	page_count++;
	return p;
}

/* Copies from p, which may be dropped meanwhile. */
static int copy(struct page *p, struct uio *u, uint32_t off, uint32_t size)
{
	int err;

	p->users++;
	err = uio_copy_to(u, p->data + off, size);
	p->users--;
	if (!p->owner && !p->users)
		page_free(p);
	return err;
}

int64_t hostcache_read(struct file *f, struct uio *u, uint64_t pos, bool *whole)
{
	struct hostcache *c = &hostfs_node(f->vnode)->cache;
	uint64_t end;
	int64_t done = 0;
	struct kstat st;
	int err;

	*whole = false;
	if (c->worth < 0) {
		c->worth++;
		return 0;
	}
	err = hostfs_getattr(f->dentry, f->vnode, f, &st);
	if (err)
		return 0;
	*whole = true;
	if (pos >= st.size)
		return 0;
	end = u64_min(st.size, pos + u->resid);
	while (pos < end) {
		uint32_t off = (uint32_t)(pos & PAGE_MASK);
		uint32_t n = (uint32_t)u64_min(PAGE_SIZE - off, end - pos);
		struct page *p = find(c, pos >> PAGE_SHIFT);

		if (!p)
			p = load(f, c, pos >> PAGE_SHIFT);
		/* A short page contradicts the size: the host decides. */
		if (!p || p->size < off + n) {
			*whole = false;
			return done;
		}
		list_del(&p->lru_node);
		list_add_tail(&lru, &p->lru_node);
		err = copy(p, u, off, n);
		if (err)
			return done ? done : err;
		done += n;
		pos += n;
	}
	if (c->worth < WORTH_MAX)
		c->worth++;
	return done;
}

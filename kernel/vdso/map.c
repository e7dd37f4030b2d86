/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the vDSO is. There is one in the enclave: all processes share its
 * pages and the clock page below them, above everything else in the user
 * range.
 */
#include <linux/errno.h>

#include "abi/layout.h"
#include "kernel/aspace_impl.h"
#include "kernel/kalloc.h"
#include "kernel/random.h"
#include "kernel/vdso/image.h"
#include "kernel/vvar.h"
#include "lib/string.h"
#include "lib/types.h"

#define AREA_SIZE 0x800000ul

struct vvar *vvar;

static uint64_t base, size;

int vdso_init(void)
{
	uint64_t pages = align_up(vdso_image_size, PAGE_SIZE) / PAGE_SIZE;
	uint64_t at = USER_END - AREA_SIZE +
		random_u64() % (AREA_SIZE / PAGE_SIZE / 2) * PAGE_SIZE;
	void *copy = kpages_alloc(pages);
	int err;

	if (!copy)
		return -ENOMEM;
	memcpy(copy, vdso_image, vdso_image_size);
	size = pages * PAGE_SIZE;
	mm_lock();
	err = range_add(&aspace_used, at, at + PAGE_SIZE + size);
	if (!err)
		err = commit_copy(
			NULL, at, at + PAGE_SIZE, PROT_READ | PROT_WRITE, NULL);
	if (!err)
		err = commit_copy(NULL, at + PAGE_SIZE, at + PAGE_SIZE + size,
			PROT_READ | PROT_EXEC, copy);
	mm_unlock();
	kpages_free(copy, pages);
	if (err)
		return err;
	base = at + PAGE_SIZE;
	vvar = (struct vvar *)at;
	return 0;
}

uint64_t vdso_base(void)
{
	return base;
}

int vdso_attach(struct aspace *as)
{
	struct vma clock = {
		.start = base - PAGE_SIZE,
		.end = base,
		.kind = VMA_FOREIGN,
		.prot = PROT_READ,
		.flags = ASPACE_KERNEL,
	};
	struct vma code = {
		.start = base,
		.end = base + size,
		.kind = VMA_FOREIGN,
		.prot = PROT_READ | PROT_EXEC,
		.flags = ASPACE_KERNEL,
	};
	int err;

	if (!base)
		return 0;
	err = vma_reserve(&as->set, 2);
	if (err)
		return err;
	vma_insert(&as->set, &clock);
	vma_insert(&as->set, &code);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The initial pages of the enclave, in the order in which they are added:
 * the one definition of what MRENCLAVE covers. The launcher adds them,
 * `sconce measure` and the signer only measure them.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

/* What every enclave of this kernel is created with. */
enum { IMAGE_SSA_FRAME_PAGES = 1 };

/*
 * Called for runs of pages with equal flags: size bytes (whole pages) at src
 * go to address addr. flags: SECINFO.FLAGS (page type and R/W/X). All are
 * measured. Return 0 to go on; anything else ends the walk and is returned.
 */
typedef int (*image_visit)(
	void *ctx, uint64_t addr, const void *src, size_t size, uint64_t flags);

/*
 * Walks the pages of the kernel in elf[size] and of TCS slot 0.
 * 0, what visit returned, or -ENOEXEC with the reason in e.
 */
int image_pages(const void *elf, size_t size, image_visit visit, void *ctx,
	struct err *e);

/* MRENCLAVE of a kernel file. 0 or -errno as image_pages. */
int image_measure(
	const void *elf, size_t size, uint8_t mrenclave[32], struct err *e);

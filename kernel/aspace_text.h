/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rewriting of mapped code: plans, cached by file, and their loads.
 *
 * A plan belongs to a file as it was at a certain time. A load is a plan at
 * a certain address of one process, with its trampolines; all executable
 * mappings of one library at one address share it.
 */
#pragma once

#include "kernel/aspace_impl.h"

/*
 * v is an executable mapping of a file, mapped just now. Finds or makes plan
 * and load; failing that, v stays as it is and its system calls trap.
 * loaded: all of it is there, as it is in the file, and readable.
 */
void text_attach(struct aspace *as, const struct vma *v, bool loaded);
/* Is there a plan for this file? */
bool text_known(struct file *f);
/* The same for a mapping that becomes executable later: patches the pages
 * that are there. The set of mappings may change. */
void text_attach_committed(struct aspace *as, uint64_t lo, uint64_t hi);
/* m no longer needs its load. */
void text_detach(struct mapping *m);
/* Patches the bytes of [lo, hi), which are in mem. */
void text_apply(
	const struct text_load *t, uint64_t lo, uint64_t hi, uint8_t *mem);
/* Fault on a VMA_TRAMPOLINE: commits the whole block. */
int text_load_trampolines(struct aspace *as, const struct vma *v);

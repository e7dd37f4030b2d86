/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What exec needs to know of an ELF64 file. The file is hostile: every number
 * of it is checked here, so that whoever maps the segments need not.
 *
 * Format: System V ABI, AMD64 supplement.
 */
#pragma once

#include "lib/err.h"
#include "lib/types.h"

enum {
	ELF_SEGMENTS_MAX = 64,
	ELF_PHDRS_MAX = 512,
	ELF_INTERP_MAX = 256,
};

struct elf_src {
	void *ctx;
	/* Bytes (short only at the end of the file) or -errno. */
	int64_t (*read)(void *ctx, uint64_t off, void *buf, size_t size);
	uint64_t size; /* of the file */
};

struct elf_segment {
	uint64_t va, off; /* equal modulo the page size */
	uint64_t filesz, memsz; /* filesz <= memsz, off + filesz <= file size */
	uint8_t prot; /* PROT_* */
};

struct elf_image {
	bool pie; /* ET_DYN: may be loaded anywhere */
	uint64_t entry; /* link address; in an executable segment */
	uint64_t lo, hi; /* page-aligned span of all segments */
	uint64_t align; /* largest p_align, a power of two, >= a page */
	uint64_t phdr_va; /* of the program headers, 0: not loaded */
	uint16_t phnum;
	bool exec_stack; /* PT_GNU_STACK asks for it */
	unsigned segment_count; /* at least one; ascending, disjoint */
	struct elf_segment segment[ELF_SEGMENTS_MAX];
	char interp[ELF_INTERP_MAX]; /* "" if there is none */
};

/*
 * Reads headers only. 0; -ENOEXEC: not an ELF64 program for x86-64 or a
 * malformed one, err (may be NULL) says how; or what read returned.
 */
must_check int elf_read(
	const struct elf_src *src, struct elf_image *img, struct err *err);

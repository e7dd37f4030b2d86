/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a program to load. What the parser accepts must be what exec
 * relies on: segments ascending, disjoint, inside of file and user range,
 * offsets congruent to addresses; and every refusal has a text.
 */
#include "kernel/elf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/layout.h"

#define CHECK(cond)                       \
	do {                              \
		if (!(cond))              \
			__builtin_trap(); \
	} while (0)

struct input {
	const uint8_t *data;
	size_t size;
	unsigned reads;
};

static int64_t read_input(void *ctx, uint64_t off, void *buf, size_t size)
{
	struct input *in = ctx;

	in->reads++;
	CHECK(size > 0 && off < in->size && size <= in->size - off);
	/* A file that shrinks, or a disk that fails. */
	if (in->data[in->size - 1] == 1 && in->reads > 2)
		size /= 2;
	if (in->data[in->size - 1] == 2 && in->reads > 2)
		return -EIO;
	memcpy(buf, in->data + off, size);
	return (int64_t)size;
}

static void check_image(const struct elf_image *img, const struct input *in)
{
	uint64_t end = img->lo;
	bool entry = img->pie && img->entry == 0;

	CHECK(img->segment_count > 0 && img->segment_count <= ELF_SEGMENTS_MAX);
	CHECK(img->lo % PAGE_SIZE == 0 && img->hi % PAGE_SIZE == 0);
	CHECK(img->lo < img->hi && img->hi <= USER_END);
	CHECK(img->pie || img->lo >= USER_START);
	CHECK(img->align >= PAGE_SIZE && (img->align & (img->align - 1)) == 0);
	for (unsigned i = 0; i < img->segment_count; i++) {
		const struct elf_segment *s = &img->segment[i];

		CHECK(s->va >= end && s->memsz > 0 && s->filesz <= s->memsz);
		CHECK(s->va + s->memsz > s->va && s->va + s->memsz <= img->hi);
		CHECK(s->off <= in->size && s->filesz <= in->size - s->off);
		CHECK((s->va ^ s->off) % PAGE_SIZE == 0);
		CHECK(s->prot <= 7);
		end = s->va + s->memsz;
		if (img->entry >= s->va && img->entry < end && (s->prot & 4))
			entry = true;
		if (img->phdr_va && img->phdr_va >= s->va && img->phdr_va < end)
			CHECK(img->phdr_va + img->phnum * 56 <=
				s->va + s->filesz);
	}
	CHECK(entry);
	CHECK(memchr(img->interp, 0, sizeof(img->interp)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size, 0};
	struct elf_src src = {&in, read_input, size};
	struct elf_image *img = malloc(sizeof(*img));
	struct err e = {0};
	int rc = elf_read(&src, img, &e);

	if (rc == 0)
		check_image(img, &in);
	else
		CHECK(rc == -EIO || (rc == -ENOEXEC && e.text[0]));
	CHECK(in.reads < 64);
	free(img);
	return 0;
}

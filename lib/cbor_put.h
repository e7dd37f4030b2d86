/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes deterministic CBOR as lib/cbor.h describes it. Not part of the kernel,
 * which reads only.
 */
#pragma once

#include "lib/cbor.h"

/* @len counts on when @size is exceeded, so that a first pass can measure. */
struct cbor_writer {
	uint8_t *buf;
	size_t size;
	size_t len;
};

void cbor_writer_init(struct cbor_writer *w, void *buf, size_t size);
void cbor_put_uint(struct cbor_writer *w, uint64_t v);
void cbor_put_bool(struct cbor_writer *w, bool v);
void cbor_put_bytes(struct cbor_writer *w, const void *data, size_t size);
void cbor_put_text(struct cbor_writer *w, const char *text, size_t size);
/* Heads: @count elements, or pairs of key and value in canonical order, follow.
 */
void cbor_put_array(struct cbor_writer *w, uint64_t count);
void cbor_put_map(struct cbor_writer *w, uint64_t count);
/* What the tag is of follows. */
void cbor_put_tag(struct cbor_writer *w, uint64_t tag);
/* 0, or -ENOSPC if the text did not fit; w->len is then the size needed. */
must_check int cbor_writer_check(const struct cbor_writer *w);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Comparison of kernel/insn.c with Zydis, for the unit test and for the
 * program insn-oracle. Both decode at the same place; the walk follows Zydis
 * and skips one byte where it refuses.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct oracle_sum {
	unsigned long files, bytes, insns;
	unsigned long length; /* both accept, lengths differ */
	unsigned long missed; /* Zydis accepts, we refuse */
	unsigned long property; /* branches, RIP-relative fields, kinds */
	unsigned long undecodable; /* bytes that Zydis refuses */
	unsigned long lenient; /* and we do not */
};

/* Prints differences to stdout, at most show of them. */
struct oracle {
	struct oracle_sum sum;
	unsigned int show;
	uint64_t byte_limit; /* 0: none */
	int64_t deadline; /* time(2); 0: none */
};

/* One buffer of code; name is for messages. */
void oracle_compare(struct oracle *o, const char *name, const uint8_t *code,
	size_t size, uint64_t va);
/* The executable sections of an ELF file; other files are ignored. */
void oracle_scan_file(struct oracle *o, const char *path);
int oracle_finished(const struct oracle *o);

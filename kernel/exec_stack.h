/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first stack of a program (System V ABI, AMD64 supplement, 3.4.1), from
 * high to low: the program's name, environment, arguments, platform, random
 * bytes; auxiliary vector, envp, argv, argc.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct exec_request;
struct process;

struct exec_layout {
	uint64_t bias;
	uint64_t entry; /* of the program */
	uint64_t start; /* where the first thread starts */
	uint64_t phdr, phnum;
	uint64_t interp_base; /* 0: none */
	uint64_t stack_top; /* aligned to 16 */
	uint64_t sp; /* result */
};

/* Upper bound of the bytes needed below stack_top. */
size_t exec_stack_size(const struct exec_request *r);
/* Writes it (memory below stack_top is committed) and notes in p where
 * arguments, environment and auxiliary vector are. Sets l->sp. */
void exec_stack_write(
	struct process *p, const struct exec_request *r, struct exec_layout *l);

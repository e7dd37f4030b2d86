/* SPDX-License-Identifier: Apache-2.0 */
/* See exec_stack.h. */
#include "kernel/exec_stack.h"

#include <linux/auxvec.h>

#include "abi/layout.h"
#include "kernel/cpuid.h"
#include "kernel/exec.h"
#include "kernel/process.h"
#include "kernel/random.h"
#include "kernel/vvar.h"
#include "lib/string.h"

enum {
	AUXV_COUNT = 24,
	CLOCK_TICKS = 100,
	HWCAP2_FSGSBASE = 2,
	/* rt_sigframe without extended state, as Linux counts it */
	SIGFRAME_FIXED = 1040,
};

#define PLATFORM "x86_64"

size_t exec_stack_size(const struct exec_request *r)
{
	return r->args.size + r->env.size + strlen(r->path) + 1 +
		(r->args.count + r->env.count + 3) * sizeof(uint64_t) +
		AUXV_COUNT * 2 * sizeof(uint64_t) + 256;
}

static uint64_t push(uint64_t sp, const void *data, size_t size)
{
	sp -= size;
	memcpy((void *)sp, data, size);
	return sp;
}

static uint64_t *put_strings(
	uint64_t *p, uint64_t at, const struct exec_block *b)
{
	size_t off = 0;

	for (uint32_t i = 0; i < b->count; i++) {
		*p++ = at + off;
		off += strlen(b->buf + off) + 1;
	}
	*p++ = 0;
	return p;
}

struct aux {
	uint64_t *p;
};

static void aux(struct aux *a, uint64_t type, uint64_t value)
{
	*a->p++ = type;
	*a->p++ = value;
}

static void fill_aux(struct process *p, const struct exec_layout *l,
	uint64_t name, uint64_t random, uint64_t platform)
{
	struct aux a = {p->auxv};
	uint32_t id[4];

	cpuid_query(1, 0, id);
	memset(p->auxv, 0, sizeof(p->auxv));
	if (vdso_base())
		aux(&a, AT_SYSINFO_EHDR, vdso_base());
	aux(&a, AT_MINSIGSTKSZ, SIGFRAME_FIXED + xsave_size);
	aux(&a, AT_HWCAP, id[3]);
	aux(&a, AT_PAGESZ, PAGE_SIZE);
	aux(&a, AT_CLKTCK, CLOCK_TICKS);
	aux(&a, AT_PHDR, l->phdr);
	aux(&a, AT_PHENT, 56);
	aux(&a, AT_PHNUM, l->phnum);
	aux(&a, AT_BASE, l->interp_base);
	aux(&a, AT_FLAGS, 0);
	aux(&a, AT_ENTRY, l->entry);
	aux(&a, AT_UID, p->uid);
	aux(&a, AT_EUID, p->euid);
	aux(&a, AT_GID, p->gid);
	aux(&a, AT_EGID, p->egid);
	aux(&a, AT_SECURE, 0);
	aux(&a, AT_RANDOM, random);
	aux(&a, AT_HWCAP2, HWCAP2_FSGSBASE);
	aux(&a, AT_EXECFN, name);
	aux(&a, AT_PLATFORM, platform);
	aux(&a, AT_NULL, 0);
}

void exec_stack_write(
	struct process *p, const struct exec_request *r, struct exec_layout *l)
{
	uint64_t sp = l->stack_top & ~15ul, name, envs, args, platform, random;
	uint8_t bytes[16];
	size_t words;
	uint64_t *w;

	sp -= 8; /* a null word ends it all */
	*(uint64_t *)sp = 0;
	name = sp = push(sp, r->path, strlen(r->path) + 1);
	envs = sp = push(sp, r->env.buf, r->env.size);
	args = sp = push(sp, r->args.buf, r->args.size);
	platform = sp = push(sp, PLATFORM, sizeof(PLATFORM));
	random_fill(bytes, sizeof(bytes));
	random = sp = push(sp, bytes, sizeof(bytes));
	fill_aux(p, l, name, random, platform);

	words = 1 + r->args.count + 1 + r->env.count + 1 +
		sizeof(p->auxv) / sizeof(uint64_t);
	sp = (sp - words * sizeof(uint64_t)) & ~15ul;
	w = (uint64_t *)sp;
	*w++ = r->args.count;
	w = put_strings(w, args, &r->args);
	w = put_strings(w, envs, &r->env);
	memcpy(w, p->auxv, sizeof(p->auxv));
	l->sp = sp;
	p->arg_start = args;
	p->arg_end = args + r->args.size;
	p->env_start = envs;
	p->env_end = envs + r->env.size;
}

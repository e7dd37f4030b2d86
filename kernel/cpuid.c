/* SPDX-License-Identifier: Apache-2.0 */
/* See cpuid.h. */
#include "kernel/cpuid.h"

#include "kernel/cpu.h"
#include "kernel/hostcall.h"
#include "lib/string.h"

enum {
	CACHE_SIZE = 128,
	LEAF_FEATURES = 1,
	LEAF_TOPOLOGY_OLD = 4,
	LEAF_EXTENDED = 7,
	LEAF_XSAVE = 0xd,
};

/* Leaf 1 ECX: MONITOR, VMX, SMX, EST, TM2, PCID, DCA, X2APIC,
 * TSC deadline, hypervisor stay out; what they name cannot be used here. */
enum { FEATURE_ECX_HIDDEN = 1 << 3 | 1 << 5 | 1 << 6 | 1 << 15 | 1 << 17 };
/* Leaf 7.0 EDX: AMX-BF16, AMX-TILE, AMX-INT8; EBX: HLE, RTM, SGX, PQM. */
#define EXTENDED_EDX_HIDDEN (1u << 22 | 1u << 24 | 1u << 25)
#define EXTENDED_EBX_HIDDEN (1u << 2 | 1u << 4 | 1u << 11 | 1u << 12)
/* Leaf 7.0 ECX: PKU, OSPKE: not in XFRM. */
#define EXTENDED_ECX_HIDDEN (1u << 3 | 1u << 4)
/* Leaf 0xd.1 EAX: XSAVES, XFD need the operating system. */
#define XSAVE_EAX_HIDDEN (1u << 3 | 1u << 4)

struct entry {
	uint32_t leaf, subleaf;
	uint32_t reg[4];
};

static struct entry cache[CACHE_SIZE];
static unsigned int count;

/* Leaves whose subleaf (ECX) matters. */
static bool has_subleaves(uint32_t leaf)
{
	switch (leaf) {
	case 4:
	case 7:
	case 0xb:
	case 0xd:
	case 0xf:
	case 0x10:
	case 0x12:
	case 0x14:
	case 0x17:
	case 0x18:
	case 0x1a:
	case 0x1b:
	case 0x1d:
	case 0x1f:
	case 0x24:
	case 0x8000001d:
		return true;
	default:
		return false;
	}
}

static void mask(uint32_t leaf, uint32_t subleaf, uint32_t r[static 4])
{
	switch (leaf) {
	case LEAF_FEATURES:
		r[2] &= ~(uint32_t)FEATURE_ECX_HIDDEN;
		break;
	case LEAF_EXTENDED:
		if (subleaf == 0) {
			r[1] &= ~EXTENDED_EBX_HIDDEN;
			r[2] &= ~EXTENDED_ECX_HIDDEN;
			r[3] &= ~EXTENDED_EDX_HIDDEN;
		}
		break;
	case LEAF_XSAVE:
		if (subleaf == 0 && xsave_mask) {
			r[0] = (uint32_t)xsave_mask;
			r[1] = r[2] = xsave_size;
			r[3] = 0;
		} else if (subleaf == 1) {
			r[0] &= ~XSAVE_EAX_HIDDEN;
			r[1] = xsave_size;
			r[2] = r[3] = 0;
		} else {
			xstate_component(subleaf, &r[0], &r[1]);
			r[2] = r[3] = 0;
		}
		break;
	case 0x12: /* SGX */
	case 0x1d: /* AMX tiles */
	case 0x1e:
		memset(r, 0, 4 * sizeof(*r));
		break;
	default:
		break;
	}
}

void cpuid_query(uint32_t leaf, uint32_t subleaf, uint32_t out[static 4])
{
	struct entry e = {.leaf = leaf};

	if (has_subleaves(leaf))
		e.subleaf = subleaf;
	for (unsigned int i = 0; i < count; i++) {
		if (cache[i].leaf == e.leaf && cache[i].subleaf == e.subleaf) {
			memcpy(out, cache[i].reg, sizeof(e.reg));
			return;
		}
	}
	if (host_cpuid(e.leaf, e.subleaf, e.reg))
		memset(e.reg, 0, sizeof(e.reg));
	mask(leaf, e.subleaf, e.reg);
	memcpy(out, e.reg, sizeof(e.reg));
	if (count < CACHE_SIZE)
		cache[count++] = e;
}

void cpuid_emulate(struct trapframe *f)
{
	uint32_t r[4];

	cpuid_query((uint32_t)f->rax, (uint32_t)f->rcx, r);
	f->rax = r[0];
	f->rbx = r[1];
	f->rcx = r[2];
	f->rdx = r[3];
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/sgx_model.h"

#include <stdlib.h>
#include <string.h>

#include "emu/epcm.h"
#include "emu/machine.h"

/* One page of the enclave, for the operands. */
static uint8_t page[SGX_PAGE_SIZE] __attribute__((aligned(SGX_PAGE_SIZE)));

struct sgx_model *sgx_model;

void sgx_model_init(struct sgx_model *m)
{
	memset(m, 0, sizeof(*m));
	m->secs.attributes.flags = SGX_ATTR_INIT | SGX_ATTR_MODE64BIT |
		SGX_ATTR_KSS;
	m->secs.attributes.xfrm = SGX_XFRM_LEGACY | SGX_XFRM_AVX;
	m->secs.miscselect = SGX_MISC_EXINFO;
	memset(m->secs.mrenclave, 0xe1, sizeof(m->secs.mrenclave));
	memset(m->secs.mrsigner, 0x51, sizeof(m->secs.mrsigner));
	memset(m->secs.configid, 0xc1, sizeof(m->secs.configid));
	m->secs.isvprodid = 5;
	m->secs.isvsvn = 3;
	m->secs.configsvn = 7;
	memcpy(m->cpusvn, "SCONCE-EMULATED", 16);
}

static void set_platform(struct emu_platform *p, const struct sgx_model *m)
{
	memcpy(p->cpusvn, m->cpusvn, sizeof(p->cpusvn));
	memcpy(p->owner_epoch, m->owner_epoch, sizeof(p->owner_epoch));
	memset(p->root_key, 0x10 + m->machine, sizeof(p->root_key));
	memset(p->seal_fuses, 0x40 + m->machine, sizeof(p->seal_fuses));
	memset(p->report_keyid, 0x70 + m->machine, sizeof(p->report_keyid));
}

/* Runs a leaf with operands at these places of the page. */
static uint64_t run(
	emu_enclu_fn *leaf, uint64_t rbx, uint64_t rcx, uint64_t rdx)
{
	static epcm_word entry;
	static struct enclave enclave;
	static struct emu_thread thread = {.enclave = &enclave};
	uint64_t base = (uint64_t)(uintptr_t)page, gpr[16] = {0};
	struct emu_fault fault;

	entry = epcm_make(SGX_PT_REG, 3, 3);
	enclave.epcm = (struct epcm){
		.entries = &entry, .base = base, .end = base + sizeof(page)};
	enclave.secs = sgx_model->secs;
	set_platform(&enclave.platform, sgx_model);
	gpr[GPR_RBX] = base + rbx;
	gpr[GPR_RCX] = base + rcx;
	gpr[GPR_RDX] = base + rdx;
	if (leaf(&thread, gpr, &fault))
		abort();
	return gpr[GPR_RAX];
}

void sgx_model_report(const struct sgx_targetinfo *target,
	const uint8_t data[static 64], struct sgx_report *report)
{
	memcpy(page, target, sizeof(*target));
	memcpy(page + 512, data, 64);
	run(emu_ereport, 0, 512, 1024);
	memcpy(report, page + 1024, sizeof(*report));
}

int sgx_model_key(void *ctx, const struct sgx_keyrequest *request,
	uint8_t key[static SGX_KEY_SIZE])
{
	int code;

	memcpy(page, request, sizeof(*request));
	code = (int)run(emu_egetkey, 0, 512, 0);
	memcpy(key, page + 512, SGX_KEY_SIZE);
	return code;
}

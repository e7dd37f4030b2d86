/* SPDX-License-Identifier: Apache-2.0 */
/* EREPORT (SDM vol. 3D, "EREPORT"). Runs with the host's FS base. */
#include <string.h>

#include "emu/keys.h"
#include "emu/machine.h"
#include "lib/bytes.h"

enum { REPORTDATA_ALIGN = 128, OPERAND_ALIGN = 512 };

static void fill_body(const struct enclave *e, struct sgx_report_body *body,
	const uint8_t reportdata[64])
{
	memset(body, 0, sizeof(*body));
	memcpy(body->cpusvn, e->platform.cpusvn, sizeof(body->cpusvn));
	body->miscselect = e->secs.miscselect;
	body->attributes = e->secs.attributes;
	memcpy(body->mrenclave, e->secs.mrenclave, SGX_HASH_SIZE);
	memcpy(body->mrsigner, e->secs.mrsigner, SGX_HASH_SIZE);
	memcpy(body->configid, e->secs.configid, sizeof(body->configid));
	body->isvprodid = e->secs.isvprodid;
	body->isvsvn = e->secs.isvsvn;
	body->configsvn = e->secs.configsvn;
	memcpy(body->isvfamilyid, e->isvfamilyid, sizeof(body->isvfamilyid));
	memcpy(body->isvextprodid, e->isvextprodid, sizeof(body->isvextprodid));
	memcpy(body->reportdata, reportdata, sizeof(body->reportdata));
}

static bool target_valid(const struct sgx_targetinfo *target)
{
	return target->cet_attributes == 0 && target->reserved1 == 0 &&
		bytes_zero(target->reserved2, sizeof(target->reserved2)) &&
		bytes_zero(target->reserved3, sizeof(target->reserved3));
}

int emu_ereport(struct emu_thread *t, uint64_t *gpr, struct emu_fault *fault)
{
	const struct enclave *e = t->enclave;
	uint64_t in = gpr[GPR_RBX], data = gpr[GPR_RCX], out = gpr[GPR_RDX];
	uint8_t key[SGX_KEY_SIZE], reportdata[64];
	struct sgx_targetinfo target;
	struct sgx_report report;

	if (in % OPERAND_ALIGN || data % REPORTDATA_ALIGN ||
		out % OPERAND_ALIGN)
		return emu_fault_gp(fault);
	if (emu_operand(t, in, 1, fault) || emu_operand(t, data, 1, fault) ||
		emu_operand(t, out, 3, fault))
		return -1;
	memcpy(&target, (const void *)(uintptr_t)in, sizeof(target));
	memcpy(reportdata, (const void *)(uintptr_t)data, sizeof(reportdata));
	if (!target_valid(&target))
		return emu_fault_gp(fault);
	fill_body(e, &report.body, reportdata);
	memcpy(report.keyid, e->platform.report_keyid, sizeof(report.keyid));
	if (keys_report(&e->platform, &target, report.keyid, key) ||
		keys_cmac(key, &report.body, sizeof(report.body), report.mac))
		return emu_fault_gp(fault);
	memcpy((void *)(uintptr_t)out, &report, sizeof(report));
	return 0;
}

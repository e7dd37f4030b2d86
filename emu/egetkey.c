/* SPDX-License-Identifier: Apache-2.0 */
/* EGETKEY (SDM vol. 3D, "EGETKEY"). Runs with the host's FS base. */
#include <string.h>

#include "emu/keys.h"
#include "emu/machine.h"

enum { OPERAND_ALIGN = 512, KEY_ALIGN = 16 };

#define POLICY_KNOWN \
	(SGX_KEYPOLICY_MRENCLAVE | SGX_KEYPOLICY_MRSIGNER | POLICY_KSS)
#define POLICY_KSS                                            \
	(SGX_KEYPOLICY_NOISVPRODID | SGX_KEYPOLICY_CONFIGID | \
		SGX_KEYPOLICY_ISVFAMILYID | SGX_KEYPOLICY_ISVEXTPRODID)

static bool request_valid(
	const struct enclave *e, const struct sgx_keyrequest *request)
{
	uint8_t any = 0;

	for (size_t i = 0; i < sizeof(request->reserved2); i++)
		any |= request->reserved2[i];
	if (any || request->reserved1 || (request->keypolicy & ~POLICY_KNOWN))
		return false;
	if (!(e->secs.attributes.flags & SGX_ATTR_KSS) &&
		((request->keypolicy & POLICY_KSS) || request->configsvn))
		return false;
	return true;
}

/* Every component at most the platform's. */
static bool cpusvn_known(const struct enclave *e, const uint8_t *cpusvn)
{
	for (size_t i = 0; i < sizeof(e->platform.cpusvn); i++)
		if (cpusvn[i] > e->platform.cpusvn[i])
			return false;
	return true;
}

static int versions_check(
	const struct enclave *e, const struct sgx_keyrequest *request)
{
	if (!cpusvn_known(e, request->cpusvn))
		return SGX_INVALID_CPUSVN;
	if (request->isvsvn > e->secs.isvsvn ||
		request->configsvn > e->secs.configsvn)
		return SGX_INVALID_ISVSVN;
	return 0;
}

static void add_seal_inputs(const struct enclave *e, struct key_inputs *in)
{
	memcpy(in->seal_fuses, e->platform.seal_fuses, sizeof(in->seal_fuses));
}

static void add_owner(const struct enclave *e, struct key_inputs *in)
{
	memcpy(in->owner_epoch, e->platform.owner_epoch,
		sizeof(in->owner_epoch));
}

/* What a request that chooses versions and masks brings along. */
static void add_request(const struct enclave *e,
	const struct sgx_keyrequest *request, struct key_inputs *in)
{
	const struct sgx_attributes *have = &e->secs.attributes;
	const struct sgx_attributes *mask = &request->attributes_mask;

	in->isvsvn = request->isvsvn;
	memcpy(in->cpusvn, request->cpusvn, sizeof(in->cpusvn));
	/* A debug and a production enclave never share a key. */
	in->attributes.flags = (mask->flags | SGX_ATTR_INIT | SGX_ATTR_DEBUG) &
		have->flags;
	in->attributes.xfrm = mask->xfrm & have->xfrm;
	in->attributes_mask = *mask;
	in->miscselect = request->miscmask & e->secs.miscselect;
	in->miscmask_inverted = ~request->miscmask;
}

static void add_policy(const struct enclave *e,
	const struct sgx_keyrequest *request, struct key_inputs *in)
{
	uint16_t policy = request->keypolicy;

	in->keypolicy = policy;
	if (!(policy & SGX_KEYPOLICY_NOISVPRODID))
		in->isvprodid = e->secs.isvprodid;
	if (policy & SGX_KEYPOLICY_CONFIGID) {
		memcpy(in->configid, e->secs.configid, sizeof(in->configid));
		in->configsvn = request->configsvn;
	}
	if (policy & SGX_KEYPOLICY_ISVFAMILYID)
		memcpy(in->isvfamilyid, e->isvfamilyid,
			sizeof(in->isvfamilyid));
	if (policy & SGX_KEYPOLICY_ISVEXTPRODID)
		memcpy(in->isvextprodid, e->isvextprodid,
			sizeof(in->isvextprodid));
}

static void report_inputs(const struct enclave *e,
	const struct sgx_keyrequest *request, struct key_inputs *in)
{
	add_owner(e, in);
	add_seal_inputs(e, in);
	memcpy(in->cpusvn, e->platform.cpusvn, sizeof(in->cpusvn));
	memcpy(in->keyid, request->keyid, sizeof(in->keyid));
	in->attributes = e->secs.attributes;
	in->miscselect = e->secs.miscselect;
	memcpy(in->mrenclave, e->secs.mrenclave, SGX_HASH_SIZE);
	memcpy(in->configid, e->secs.configid, sizeof(in->configid));
	in->configsvn = e->secs.configsvn;
}

static void seal_inputs(const struct enclave *e,
	const struct sgx_keyrequest *request, struct key_inputs *in)
{
	add_owner(e, in);
	add_seal_inputs(e, in);
	add_request(e, request, in);
	add_policy(e, request, in);
	memcpy(in->keyid, request->keyid, sizeof(in->keyid));
	if (request->keypolicy & SGX_KEYPOLICY_MRENCLAVE)
		memcpy(in->mrenclave, e->secs.mrenclave, SGX_HASH_SIZE);
	if (request->keypolicy & SGX_KEYPOLICY_MRSIGNER)
		memcpy(in->mrsigner, e->secs.mrsigner, SGX_HASH_SIZE);
}

static void provision_inputs(const struct enclave *e,
	const struct sgx_keyrequest *request, struct key_inputs *in)
{
	add_request(e, request, in);
	in->isvprodid = e->secs.isvprodid;
	memcpy(in->mrsigner, e->secs.mrsigner, SGX_HASH_SIZE);
}

static void provision_seal_inputs(const struct enclave *e,
	const struct sgx_keyrequest *request, struct key_inputs *in)
{
	add_seal_inputs(e, in);
	add_request(e, request, in);
	add_policy(e, request, in);
	memcpy(in->mrsigner, e->secs.mrsigner, SGX_HASH_SIZE);
}

static void einittoken_inputs(const struct enclave *e,
	const struct sgx_keyrequest *request, struct key_inputs *in)
{
	add_owner(e, in);
	add_seal_inputs(e, in);
	add_request(e, request, in);
	in->attributes_mask = (struct sgx_attributes){0, 0};
	in->isvprodid = e->secs.isvprodid;
	memcpy(in->mrsigner, e->secs.mrsigner, SGX_HASH_SIZE);
	memcpy(in->keyid, request->keyid, sizeof(in->keyid));
}

static const struct {
	void (*inputs)(const struct enclave *, const struct sgx_keyrequest *,
		struct key_inputs *);
	uint64_t attribute; /* that the enclave must have */
	bool versions; /* the request's versions are checked */
} keys[] = {
	[SGX_KEY_EINITTOKEN] = {einittoken_inputs, SGX_ATTR_EINITTOKENKEY,
		true},
	[SGX_KEY_PROVISION] = {provision_inputs, SGX_ATTR_PROVISIONKEY, true},
	[SGX_KEY_PROVISION_SEAL] = {provision_seal_inputs,
		SGX_ATTR_PROVISIONKEY, true},
	[SGX_KEY_REPORT] = {report_inputs, 0, false},
	[SGX_KEY_SEAL] = {seal_inputs, 0, true},
};

int emu_egetkey(struct emu_thread *t, uint64_t *gpr, struct emu_fault *fault)
{
	const struct enclave *e = t->enclave;
	uint64_t in = gpr[GPR_RBX], out = gpr[GPR_RCX];
	struct sgx_keyrequest request;
	struct key_inputs inputs = {0};
	uint8_t key[SGX_KEY_SIZE];

	if (in % OPERAND_ALIGN || out % KEY_ALIGN)
		return emu_fault_gp(fault);
	if (emu_operand(t, in, 1, fault) || emu_operand(t, out, 3, fault))
		return -1;
	memcpy(&request, (const void *)(uintptr_t)in, sizeof(request));
	if (!request_valid(e, &request))
		return emu_fault_gp(fault);
	if (request.keyname >= sizeof(keys) / sizeof(keys[0])) {
		gpr[GPR_RAX] = SGX_INVALID_KEYNAME;
		return 0;
	}
	if (keys[request.keyname].attribute & ~e->secs.attributes.flags) {
		gpr[GPR_RAX] = SGX_INVALID_ATTRIBUTE;
		return 0;
	}
	gpr[GPR_RAX] = 0;
	if (keys[request.keyname].versions)
		gpr[GPR_RAX] = (uint64_t)versions_check(e, &request);
	if (gpr[GPR_RAX])
		return 0;
	inputs.keyname = request.keyname;
	keys[request.keyname].inputs(e, &request, &inputs);
	if (keys_derive(&e->platform, &inputs, key))
		return emu_fault_gp(fault);
	memcpy((void *)(uintptr_t)out, key, sizeof(key));
	return 0;
}

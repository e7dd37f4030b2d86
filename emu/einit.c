/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EINIT (SDM vol. 3D, "EINIT"), on a platform with flexible launch control
 * whose launch key is whoever signed: the token is all zero and every signer
 * may launch, as under Linux.
 */
#include "emu/machine.h"

#include <errno.h>
#include <string.h>

#include "attest/sigstruct.h"
#include "lib/bytes.h"

static int attributes_match(
	const struct enclave *e, const struct sgx_sigstruct *sig)
{
	const struct sgx_attributes *have = &e->secs.attributes;
	const struct sgx_attributes *mask = &sig->attributes_mask;

	if ((have->flags & mask->flags) !=
			(sig->attributes.flags & ~SGX_ATTR_INIT &
				mask->flags) ||
		(have->xfrm & mask->xfrm) !=
			(sig->attributes.xfrm & mask->xfrm))
		return SGX_INVALID_ATTRIBUTE;
	if ((e->secs.miscselect & sig->miscmask) !=
		(sig->miscselect & sig->miscmask))
		return SGX_INVALID_ATTRIBUTE;
	if (sig->cet_attributes & sig->cet_attributes_mask)
		return SGX_INVALID_ATTRIBUTE;
	return 0;
}

int emu_einit(struct enclave *e, const struct sgx_sigstruct *sig)
{
	uint8_t mrenclave[SGX_HASH_SIZE];
	int rc;

	if (e->initialised)
		return EMU_GP;
	rc = sigstruct_verify(sig);
	if (rc == -EINVAL)
		return SGX_INVALID_SIG_STRUCT;
	if (rc == -EBADMSG)
		return SGX_INVALID_SIGNATURE;
	if (rc)
		return rc;
	if (!(e->secs.attributes.flags & SGX_ATTR_KSS) &&
		(!bytes_zero(sig->isvfamilyid, sizeof(sig->isvfamilyid)) ||
			!bytes_zero(
				sig->isvextprodid, sizeof(sig->isvextprodid))))
		return SGX_INVALID_SIG_STRUCT;
	if (measure_value(e->measure, mrenclave))
		return -EIO;
	if (memcmp(mrenclave, sig->enclavehash, SGX_HASH_SIZE))
		return SGX_INVALID_MEASUREMENT;
	rc = attributes_match(e, sig);
	if (rc)
		return rc;

	memcpy(e->secs.mrenclave, mrenclave, SGX_HASH_SIZE);
	sigstruct_mrsigner(sig, e->secs.mrsigner);
	e->secs.isvprodid = sig->isvprodid;
	e->secs.isvsvn = sig->isvsvn;
	memcpy(e->isvfamilyid, sig->isvfamilyid, sizeof(e->isvfamilyid));
	memcpy(e->isvextprodid, sig->isvextprodid, sizeof(e->isvextprodid));
	e->secs.attributes.flags |= SGX_ATTR_INIT;
	e->initialised = true;
	return 0;
}

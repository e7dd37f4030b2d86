/* SPDX-License-Identifier: Apache-2.0 */
/* See identity.h. The big kernel lock guards the operands. */
#include "kernel/identity.h"

#include "kernel/enclu.h"
#include "lib/string.h"

static uint8_t in[512] __attribute__((aligned(512)));

void identity_report(const struct sgx_targetinfo *target,
	const uint8_t data[static 64], struct sgx_report *report)
{
	static uint8_t user[64] __attribute__((aligned(128)));
	static struct sgx_report out __attribute__((aligned(512)));

	memcpy(in, target, sizeof(*target));
	memcpy(user, data, sizeof(user));
	enclu_report(in, user, &out);
	*report = out;
}

int identity_key(void *ctx, const struct sgx_keyrequest *request,
	uint8_t key[static SGX_KEY_SIZE])
{
	static uint8_t out[SGX_KEY_SIZE] __attribute__((aligned(16)));
	uint64_t err;

	memcpy(in, request, sizeof(*request));
	err = enclu_key(in, out);
	memcpy(key, out, sizeof(out));
	string_wipe(out, sizeof(out));
	return (int)err;
}

void identity_config_id(uint8_t id[static 64])
{
	struct sgx_report report;

	identity_report(&(const struct sgx_targetinfo){0},
		(const uint8_t[64]){0}, &report);
	memcpy(id, report.body.configid, 64);
}

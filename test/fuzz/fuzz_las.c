/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a request to the quoting service, which has a quoting enclave
 * that takes every report here. Whatever is a request has an answer that is
 * one: of the same kind, within bounds, with as much in it as was asked for.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "emu/qe.h"
#include "host/aesm.h"
#include "host/las.h"

enum { QUOTE_SIZE = 4213 };

#define CHECK(cond)                       \
	do {                              \
		if (!(cond))              \
			__builtin_trap(); \
	} while (0)

/* ---- the quoting enclave ---- */

struct emu_qe {
	uint8_t signer[32];
};

int emu_qe_new(struct emu_qe **out, struct err *e)
{
	(void)e;
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

void emu_qe_free(struct emu_qe *qe)
{
	free(qe);
}

const uint8_t *emu_qe_signer(const struct emu_qe *qe)
{
	return qe->signer;
}

uint16_t emu_qe_product(const struct emu_qe *qe)
{
	(void)qe;
	return 1;
}

void emu_qe_key_hash(const struct emu_qe *qe, uint8_t hash[32])
{
	memcpy(hash, qe->signer, 32);
}

void emu_qe_target(const struct emu_qe *qe, struct sgx_targetinfo *target)
{
	(void)qe;
	memset(target, 0x11, sizeof(*target));
}

size_t emu_qe_quote_size(const struct emu_qe *qe)
{
	(void)qe;
	return QUOTE_SIZE;
}

int emu_qe_quote(const struct emu_qe *qe, const struct sgx_report *report,
	void *quote, size_t capacity, size_t *size)
{
	(void)qe;
	*size = QUOTE_SIZE;
	CHECK(capacity >= QUOTE_SIZE);
	memset(quote, report->mac[0], QUOTE_SIZE);
	return report->mac[1] ? 0 : -EACCES;
}

int emu_qe_report(const struct emu_qe *qe, const struct sgx_targetinfo *target,
	const uint8_t nonce[16], const void *quote, size_t size,
	struct sgx_report *report)
{
	(void)qe, (void)quote;
	CHECK(size == QUOTE_SIZE);
	memset(report, target->mrenclave[0] ^ nonce[15], sizeof(*report));
	return 0;
}

/* ---- requests ---- */

static void check_answer(const struct aesm_msg *request,
	const struct aesm_msg *answer, size_t size)
{
	CHECK(answer->message == request->message);
	CHECK(size <= AESM_RESPONSE_MAX + AESM_FRAME_HEAD);
	if (answer->value[AESM_F_ERROR]) {
		CHECK(answer->has == UINT32_C(1) << AESM_F_ERROR);
		return;
	}
	if (request->message == AESM_GET_QUOTE_EX)
		CHECK(answer->span[AESM_F_QUOTE].size ==
			request->value[AESM_F_BUF_SIZE]);
	if (request->message == AESM_INIT_QUOTE_EX)
		CHECK(answer->span[AESM_F_TARGET_INFO].size ==
			sizeof(struct sgx_targetinfo));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct las_emulated *las;
	struct aesm_msg request, answer;
	uint8_t *frame = NULL;
	size_t len = 0;
	int ret;

	if (!las)
		CHECK(las_emulated_new(&las, NULL) == 0);
	if (aesm_decode(data, size, false, &request) != 0)
		return 0;
	ret = las_emulated_answer(las, &request, &frame, &len);
	CHECK(ret == 0 && len > AESM_FRAME_HEAD);
	CHECK(aesm_decode(frame + AESM_FRAME_HEAD, len - AESM_FRAME_HEAD, true,
		      &answer) == 0);
	check_answer(&request, &answer, len);
	free(frame);
	return 0;
}

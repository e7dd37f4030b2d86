/* SPDX-License-Identifier: Apache-2.0 */
/* Answers as Intel's service gives them, from the emulated quoting enclave. */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/sgx.h"
#include "emu/qe.h"
#include "host/aesm.h"
#include "host/las.h"

enum {
	KEY_ID_BASE = 158, /* what of a key id is compared */
	KEY_LIST_HEAD = 8, /* id, version (u16), count (u32) */
	KEY_LIST_COUNT = 4,
	QE_INFO_TARGET = 16,
	QE_INFO_REPORT = 16 + 512,
};
static_assert(QE_INFO_REPORT + sizeof(struct sgx_report) == AESM_QE_INFO_SIZE,
	"sgx_qe_report_info_t");

struct las_emulated {
	struct emu_qe *qe;
	uint8_t key_id[AESM_KEY_ID_SIZE];
	uint8_t public_id[AESM_PUB_KEY_ID_SIZE];
	/* Of the answer that is being made. */
	struct sgx_targetinfo target;
	uint8_t qe_info[AESM_QE_INFO_SIZE];
};

int las_emulated_new(struct las_emulated **out, struct err *e)
{
	struct las_emulated *l = calloc(1, sizeof(*l));
	int ret;

	*out = NULL;
	if (!l)
		return err_setf(e, -ENOMEM, "no memory");
	ret = emu_qe_new(&l->qe, e);
	if (ret < 0) {
		free(l);
		return ret;
	}
	aesm_key_id_make(
		l->key_id, emu_qe_signer(l->qe), emu_qe_product(l->qe));
	emu_qe_key_hash(l->qe, l->public_id);
	*out = l;
	return 0;
}

void las_emulated_free(struct las_emulated *l)
{
	if (!l)
		return;
	emu_qe_free(l->qe);
	free(l);
}

const struct emu_qe *las_emulated_qe(const struct las_emulated *l)
{
	return l->qe;
}

static bool is_ours(const struct las_emulated *l, const uint8_t *id)
{
	return memcmp(id, l->key_id, KEY_ID_BASE) == 0;
}

/* The key id that a request names. */
static enum aesm_code check_key(
	const struct las_emulated *l, const struct aesm_msg *request)
{
	const struct aesm_span *id = &request->span[AESM_F_KEY_ID];

	if (id->size < AESM_KEY_ID_SIZE)
		return AESM_PARAMETER_ERROR;
	return is_ours(l, id->data) ? AESM_SUCCESS
				    : AESM_UNSUPPORTED_ATT_KEY_ID;
}

/* Of a list of key ids, or of all if there is none. */
static enum aesm_code select_key(const struct las_emulated *l,
	const struct aesm_msg *request, struct aesm_msg *answer)
{
	const struct aesm_span *list = &request->span[AESM_F_KEY_ID];
	static const uint8_t known[KEY_LIST_COUNT];
	uint32_t count;

	if (list->size > 0) {
		bool found = false;

		if (list->size < KEY_LIST_HEAD ||
			memcmp(list->data, known, sizeof(known)) != 0)
			return AESM_PARAMETER_ERROR;
		memcpy(&count, list->data + KEY_LIST_COUNT, sizeof(count));
		count = le32toh(count);
		if (count == 0 || count > AESM_KEY_IDS_MAX ||
			list->size !=
				KEY_LIST_HEAD +
					(size_t)count * AESM_KEY_ID_SIZE)
			return AESM_PARAMETER_ERROR;
		for (uint32_t i = 0; i < count; i++)
			found = found ||
				is_ours(l,
					list->data + KEY_LIST_HEAD +
						(size_t)i * AESM_KEY_ID_SIZE);
		if (!found)
			return AESM_UNSUPPORTED_ATT_KEY_ID;
	}
	aesm_put_bytes(answer, AESM_F_KEY_ID, l->key_id, sizeof(l->key_id));
	return AESM_SUCCESS;
}

static enum aesm_code init_quote(struct las_emulated *l,
	const struct aesm_msg *request, struct aesm_msg *answer)
{
	enum aesm_code code = check_key(l, request);

	if (code != AESM_SUCCESS)
		return code;
	if (request->value[AESM_F_WANT_PUB_KEY_ID] &&
		request->value[AESM_F_BUF_SIZE] < sizeof(l->public_id))
		return AESM_PARAMETER_ERROR;
	emu_qe_target(l->qe, &l->target);
	aesm_put_bytes(
		answer, AESM_F_TARGET_INFO, &l->target, sizeof(l->target));
	aesm_put_number(answer, AESM_F_PUB_KEY_ID_SIZE, sizeof(l->public_id));
	if (request->value[AESM_F_WANT_PUB_KEY_ID])
		aesm_put_bytes(answer, AESM_F_PUB_KEY_ID, l->public_id,
			sizeof(l->public_id));
	return AESM_SUCCESS;
}

/* The quoting enclave's report for the enclave that asks, into l->qe_info. */
static enum aesm_code make_qe_info(struct las_emulated *l,
	const struct aesm_span *asked, const uint8_t *quote, size_t size)
{
	struct sgx_report report;

	if (asked->size != sizeof(l->qe_info))
		return AESM_PARAMETER_ERROR;
	memcpy(l->qe_info, asked->data, sizeof(l->qe_info));
	memcpy(&l->target, l->qe_info + QE_INFO_TARGET, sizeof(l->target));
	if (emu_qe_report(l->qe, &l->target, l->qe_info, quote, size, &report))
		return AESM_UNEXPECTED_ERROR;
	memcpy(l->qe_info + QE_INFO_REPORT, &report, sizeof(report));
	return AESM_SUCCESS;
}

/* quote[] is of buf_size bytes, zero: Intel's service fills all of it too. */
static enum aesm_code get_quote(struct las_emulated *l,
	const struct aesm_msg *request, struct aesm_msg *answer, uint8_t *quote)
{
	const struct aesm_span *from = &request->span[AESM_F_REPORT];
	const struct aesm_span *asked = &request->span[AESM_F_QE_INFO];
	enum aesm_code code = check_key(l, request);
	size_t room = request->value[AESM_F_BUF_SIZE], size;
	struct sgx_report report;
	int ret;

	if (code != AESM_SUCCESS)
		return code;
	if (from->size != sizeof(report) || room < emu_qe_quote_size(l->qe))
		return AESM_PARAMETER_ERROR;
	memcpy(&report, from->data, sizeof(report));
	ret = emu_qe_quote(l->qe, &report, quote, room, &size);
	if (ret < 0)
		return ret == -EACCES ? AESM_INVALID_REPORT
				      : AESM_UNEXPECTED_ERROR;
	if (request->has & UINT32_C(1) << AESM_F_QE_INFO) {
		code = make_qe_info(l, asked, quote, size);
		if (code != AESM_SUCCESS)
			return code;
		aesm_put_bytes(
			answer, AESM_F_QE_INFO, l->qe_info, sizeof(l->qe_info));
	}
	aesm_put_bytes(answer, AESM_F_QUOTE, quote, room);
	return AESM_SUCCESS;
}

static enum aesm_code key_ids(const struct las_emulated *l,
	const struct aesm_msg *request, struct aesm_msg *answer)
{
	if (request->value[AESM_F_BUF_SIZE] != AESM_KEY_ID_SIZE)
		return AESM_PARAMETER_ERROR;
	aesm_put_bytes(answer, AESM_F_KEY_ID, l->key_id, sizeof(l->key_id));
	return AESM_SUCCESS;
}

/* Fills answer, which may point into l and to quote. */
static enum aesm_code fill(struct las_emulated *l,
	const struct aesm_msg *request, struct aesm_msg *answer, uint8_t *quote)
{
	enum aesm_code code;

	switch (request->message) {
	case AESM_SELECT_KEY_ID:
		return select_key(l, request, answer);
	case AESM_KEY_ID_NUM:
		aesm_put_number(answer, AESM_F_KEY_ID_NUM, 1);
		return AESM_SUCCESS;
	case AESM_KEY_IDS:
		return key_ids(l, request, answer);
	case AESM_INIT_QUOTE_EX:
		return init_quote(l, request, answer);
	case AESM_QUOTE_SIZE_EX:
		code = check_key(l, request);
		if (code == AESM_SUCCESS)
			aesm_put_number(answer, AESM_F_QUOTE_SIZE,
				emu_qe_quote_size(l->qe));
		return code;
	case AESM_GET_QUOTE_EX:
		return get_quote(l, request, answer, quote);
	default:
		return AESM_UNEXPECTED_ERROR;
	}
}

int las_emulated_answer(void *ctx, const struct aesm_msg *request,
	uint8_t **frame, size_t *size)
{
	struct aesm_msg answer = {.message = request->message};
	uint8_t *quote = NULL;
	enum aesm_code code;
	int ret;

	if (request->message == AESM_GET_QUOTE_EX) {
		if (request->value[AESM_F_BUF_SIZE] > AESM_QUOTE_MAX)
			return las_error(request->message, AESM_PARAMETER_ERROR,
				frame, size);
		quote = calloc(1, request->value[AESM_F_BUF_SIZE] + 1);
		if (!quote)
			return -ENOMEM;
	}
	code = fill(ctx, request, &answer, quote);
	if (code == AESM_SUCCESS) {
		aesm_put_number(&answer, AESM_F_ERROR, AESM_SUCCESS);
		ret = las_encode(&answer, frame, size);
	} else {
		ret = las_error(request->message, code, frame, size);
	}
	free(quote);
	return ret;
}

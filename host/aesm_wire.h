/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of Intel's AESM service, which its clients and `sconce las`
 * exchange: protocol buffers (proto2, aesm.message.Request and .Response) of
 * exactly one inner message, behind a length of 4 bytes, little-endian, in
 * both directions. One request per connection.
 *
 * The decoder is for hostile input: nothing is allocated, nothing copied
 * (fields point into the message), integers must fit their fields, a field
 * occurs once. Unknown fields of a known message are passed over, as newer
 * versions may have them.
 */
#pragma once

#include "lib/types.h"

/* Field numbers in Request, and of the answers in Response. */
enum aesm_message {
	AESM_INIT_QUOTE_EX = 15,
	AESM_QUOTE_SIZE_EX = 16,
	AESM_GET_QUOTE_EX = 17,
	AESM_SELECT_KEY_ID = 19,
	AESM_UNSUPPORTED = 20, /* an answer: unsupportedRequestResponse */
	AESM_KEY_ID_NUM = 21,
	AESM_KEY_IDS = 22,
};

/* errorCode of answers: those that are told apart here. */
enum aesm_code {
	AESM_SUCCESS = 0,
	AESM_UNEXPECTED_ERROR = 1,
	AESM_PARAMETER_ERROR = 3,
	AESM_BUSY = 18,
	AESM_BACKEND_SERVER_BUSY = 19,
	AESM_OUT_OF_MEMORY = 21,
	AESM_OUT_OF_EPC = 29,
	AESM_SERVICE_UNAVAILABLE = 30,
	AESM_UNSUPPORTED_ATT_KEY_ID = 38,
	AESM_ATT_KEY_NOT_INITIALIZED = 42,
	AESM_NO_PLATFORM_CERT_DATA = 44,
	AESM_INVALID_REPORT = 47,
};

enum {
	AESM_FRAME_HEAD = 4,
	AESM_KEY_ID_SIZE = 256, /* sgx_att_key_id_ext_t */
	AESM_KEY_IDS_MAX = 16,
	AESM_PUB_KEY_ID_SIZE = 32,
	AESM_QE_INFO_SIZE = 16 + 512 + 432, /* nonce, TARGETINFO, REPORT */
	/* Longest of each that makes sense; what claims more is refused. */
	AESM_REQUEST_MAX = 8192,
	AESM_RESPONSE_MAX = 128 * 1024,
};

struct aesm_span {
	const uint8_t *data;
	size_t size;
};

/* A bit for each field of a message that is there: 1 << AESM_F_... */
enum aesm_field {
	AESM_F_ERROR,
	AESM_F_KEY_ID,
	AESM_F_WANT_PUB_KEY_ID,
	AESM_F_BUF_SIZE,
	AESM_F_REPORT,
	AESM_F_QE_INFO,
	AESM_F_TIMEOUT,
	AESM_F_TARGET_INFO,
	AESM_F_PUB_KEY_ID_SIZE,
	AESM_F_PUB_KEY_ID,
	AESM_F_QUOTE_SIZE,
	AESM_F_QUOTE,
	AESM_F_KEY_ID_NUM,
	AESM_F_COUNT,
};

/* A request or a response: one type, so that one table describes both. */
struct aesm_msg {
	uint32_t message; /* enum aesm_message, or a number that we do not know
			   */
	uint32_t has;
	/* By enum aesm_field; numbers in value, bytes in span. */
	uint64_t value[AESM_F_COUNT];
	struct aesm_span span[AESM_F_COUNT];
};

void aesm_put_number(struct aesm_msg *m, enum aesm_field f, uint64_t value);
void aesm_put_bytes(
	struct aesm_msg *m, enum aesm_field f, const void *data, size_t size);

/*
 * Writes the frame: length and message. 0; -ENOSPC: more than @capacity;
 * -EINVAL: m has a field that its message has not, or lacks one it must have.
 */
must_check int aesm_encode(const struct aesm_msg *m, bool response, void *frame,
	size_t capacity, size_t *size);

/*
 * data[size] is a message without its length. 0: m is filled, with pointers
 * into data. -ENOTSUP: a well-formed message of a kind that we do not know,
 * m->message is its number. -EPROTO: anything else.
 */
must_check int aesm_decode(
	const void *data, size_t size, bool response, struct aesm_msg *m);

/* "out of EPC memory", ...; for codes that we do not know "error". */
const char *aesm_code_text(uint64_t code);

/* The key id that a service with Intel's quoting enclave (ECDSA on P-256, QE
 * of version 3) has. */
extern const uint8_t aesm_intel_key_id[AESM_KEY_ID_SIZE];
/* A key id: mrsigner of the quoting enclave, its product id and P-256. */
void aesm_key_id_make(uint8_t id[AESM_KEY_ID_SIZE], const uint8_t mrsigner[32],
	uint32_t prod_id);
/* Is it one of ECDSA on P-256? Reads AESM_KEY_ID_SIZE bytes. */
bool aesm_key_id_is_p256(const uint8_t *id);

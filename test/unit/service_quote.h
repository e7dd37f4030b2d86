/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real evidence for tests of CAS: quotes of an enclave of the emulator,
 * verified against the collateral of its platform.
 */
#pragma once

#include "cas/verifier.h"
#include "lib/types.h"

enum { QUOTE_ROOM = 8192 };

struct quote_maker {
	struct emu_qe *qe;
	struct verifier *verifier;
	char dir[512]; /* of collateral */
	uint8_t mrenclave[32]; /* of the last quote's enclave */
};

void quote_maker_init(struct quote_maker *q);
void quote_maker_fini(struct quote_maker *q);
/* A quote by an enclave with that CONFIGID (32 bytes, then zeros) and report
 * data; its size. */
size_t quote_make_for(struct quote_maker *q, const uint8_t config[32],
	const uint8_t report_data[64], uint8_t out[static QUOTE_ROOM]);

/* SPDX-License-Identifier: Apache-2.0 */
/* Offsets in struct sgx_call, for sgx_enter.S; pinned in sgx_enter.c. */
#pragma once

#define CALL_RDI 0
#define CALL_RSI 8
#define CALL_RDX 16
#define CALL_R8 24
#define CALL_R9 32
#define CALL_LEAF 40
#define CALL_FUNCTION 48
#define CALL_RSP 56
#define CALL_RUN 64

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fast mode: ENCLU sites become calls.
 *
 * After EINIT every `0f 01 d7 66 90` in executable pages becomes `call rel32`
 * to one jump that is mapped right above ELRANGE. Sites out of its reach keep
 * the instruction and trap, as in faithful mode.
 */
#pragma once

struct enclave;

int patch_enclu(struct enclave *e);
void patch_fini(struct enclave *e);

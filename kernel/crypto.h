/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Long computing with crypto/: other threads enter the kernel meanwhile.
 * Whatever is short, while nothing may change, is bracketed as in fpu.h.
 */
#pragma once

/* Chooses the code of the AEAD, before its first key. May sleep. */
void crypto_init(void);

/* A sleep point each; not nested, nothing but crypto/ in between. */
void crypto_begin(void);
void crypto_end(void);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Brackets for code of the kernel that uses vector registers (crypto). Not
 * nested; no sleep point in between.
 */
#pragma once

/* Saves the application's extended state if it is in the registers. */
void kernel_fpu_begin(void);
void kernel_fpu_end(void);

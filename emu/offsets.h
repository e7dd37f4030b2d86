/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where enter.S finds the fields of struct emu_thread and struct enclave_run,
 * and the values it shares with C. machine.h pins every one of them.
 */
#pragma once

#define T_GPR 0 /* RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8..R15 */
#define T_RFLAGS 128
#define T_RIP 136
#define T_HOST_RSP 144
#define T_HOST_FS 152
#define T_ENTRY_FS 160
#define T_ENTRY_GS 168
#define T_ENTRY_RIP 176
#define T_TCS_ADDR 184
#define T_TCS_ACTIVE 192 /* pointer to the word that says busy */
#define T_RUN 200
#define T_XSAVE 208 /* XSAVE area to restore from, or to save to */
#define T_XFRM 216
#define T_IRET 224 /* RIP, CS, RFLAGS, RSP, SS */
#define T_CSSA 264
#define T_MODE 268

#define R_FUNCTION 8
#define R_VECTOR 12
#define R_EXIT_RDI 40
#define R_EXIT_RSI 48
#define R_EXIT_RDX 56
#define R_EXIT_R8 64
#define R_EXIT_R9 72

#define MODE_HOST 0
#define MODE_ENCLAVE 1
#define MODE_LEAF 2 /* host code that acts for the enclave */

/* emu_gs_table: slots of {GS base, thread}, multiplicative hash. */
#define GS_HASH_MULTIPLIER 0x9e3779b1
#define GS_HASH_SHIFT 22
#define GS_SLOTS 1024

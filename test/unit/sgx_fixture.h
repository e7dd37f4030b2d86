/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The enclave of emu_fixture.h, built by the hardware backend on the model of
 * a machine (test/sgx_model/). What MRENCLAVE must be is computed here, page
 * by page and apart from what was built.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "test/sgx_model/model.h"
#include "test/unit/emu_fixture.h"

enum { SGX_TICK = 40 };
/* Pages of different content behind the data; 0 after reset. */
#define LARGE (DATA + UINT64_C(0x100000))
extern size_t sgx_fixture_large;

struct sgx_fixture {
	const struct enclave_backend *ops;
	struct enclave *enclave;
	struct enclave_run run;
	struct sgx_sigstruct sig;
};

/* The one of the test that runs. */
extern struct sgx_fixture sgx;

#define RW (SGX_SECINFO_R | SGX_SECINFO_W)
#define FRESH (SGX_SECINFO_REG | RW | SGX_SECINFO_PENDING)

/* For cmocka: the model as new; sgx started, too; sgx stopped, if it was. */
int sgx_fixture_reset(void **state);
int sgx_fixture_setup(void **state);
int sgx_fixture_teardown(void **state);
/* The reason that the backend gives for the last failure has that text. */
void sgx_fixture_assert_why(const char *text);

void sgx_fixture_params(struct enclave_params *params);
/* Each 0 or what the backend returned. */
int sgx_fixture_create(struct sgx_fixture *f);
int sgx_fixture_add(struct sgx_fixture *f);
/* Fills f->sig. */
void sgx_fixture_sign(struct sgx_fixture *f);
/* All of it, EINIT and thread_init included; asserts. */
void sgx_fixture_start(struct sgx_fixture *f);
void sgx_fixture_stop(struct sgx_fixture *f);

/* EENTER of TCS1 at a routine of enclave.S. */
void sgx_fixture_enter(struct sgx_fixture *f, const uint8_t *routine,
	uint64_t rsi, uint64_t rdx, uint64_t r8, uint64_t r9);
void sgx_fixture_resume(struct sgx_fixture *f);
/* Both on a stack of their own: the enclave works on the host's, so it must
 * be resumed at the depth at which it was entered. */
/* EACCEPT of a page; its RAX, or 1000 + vector if it faulted. */
uint64_t sgx_fixture_accept(
	struct sgx_fixture *f, uint64_t page, uint64_t flags);

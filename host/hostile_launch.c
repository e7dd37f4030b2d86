/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lying host's launcher: it enters the enclave in ways the protocol does
 * not know, and says in the log that it came to its end, which tells a program
 * that died of a signal from a launcher that did.
 */
#include "abi/enclave_backend.h"
#include "abi/entry.h"
#include "abi/sgx.h"
#include "emu/emu.h"
#include "host/hostile.h"
#include "host/launch.h"

const struct enclave_backend *__real_emu_backend(void);
const struct enclave_backend *__wrap_emu_backend(void);
int __real_host_run(const struct launch *l, int *wait_status, struct err *e);
int __wrap_host_run(const struct launch *l, int *wait_status, struct err *e);

int __wrap_host_run(const struct launch *l, int *wait_status, struct err *e)
{
	int err = __real_host_run(l, wait_status, e);

	hostile_log_end(err, err ? 0 : *wait_status);
	return err;
}

static const struct enclave_backend *honest;
static struct enclave_backend lying;

/* Other registers. The command of a first entry is left alone: without a
 * boot nothing could be seen. */
static int enter_with(uint64_t random, unsigned long rdi, unsigned long rsi,
	unsigned int leaf, struct enclave_run *run)
{
	if (rdi == ENTRY_RETURN || rdi == ENTRY_EXCEPTION) {
		if (random & 2)
			rdi = random >> 8 & 7;
		if (random & 4)
			rdi = random;
		if (random & 8)
			rsi = random * 3;
	}
	return honest->enter(
		rdi, rsi, random * 5, leaf, random * 7, random * 11, run);
}

static int enter(unsigned long rdi, unsigned long rsi, unsigned long rdx,
	unsigned int leaf, unsigned long r8, unsigned long r9,
	struct enclave_run *run)
{
	bool exception = leaf == SGX_EENTER && rdi == ENTRY_EXCEPTION;
	uint64_t random;
	int err;

	if (!hostile_entry_lie(&random))
		return honest->enter(rdi, rsi, rdx, leaf, r8, r9, run);
	if (exception && random & 16) /* not shown */
		return honest->enter(rdi, rsi, rdx, SGX_ERESUME, r8, r9, run);
	if (exception && random & 32) { /* shown twice */
		err = honest->enter(rdi, rsi, rdx, leaf, r8, r9, run);
		if (err || run->function != SGX_EEXIT ||
			run->exit_rdi != EXIT_RESUME)
			return err;
	}
	return enter_with(random, rdi, rsi, leaf, run);
}

const struct enclave_backend *__wrap_emu_backend(void)
{
	honest = __real_emu_backend();
	lying = *honest;
	lying.enter = enter;
	return &lying;
}

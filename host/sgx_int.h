/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the hardware backend share. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "abi/enclave_backend.h"
#include "host/sgx_os.h"

/* Pages that ADD_PAGES added: Linux lets none be mapped with more than what
 * they were added with. */
struct sgx_run {
	uint64_t start, end;
	int prot;
};

struct enclave {
	const struct sgx_os *os;
	int fd;
	uint64_t base, end; /* ELRANGE */
	uint64_t low; /* from here on it is mapped */
	bool reserved, initialised;
	uint8_t *buffer; /* ADD_PAGES reads from here */
	struct sgx_run *run; /* sorted, apart */
	size_t run_count;
	pthread_mutex_t lock; /* one ioctl at a time: else EBUSY */
};

enum { SGX_BUFFER_SIZE = 256 * 1024 };

/* Notes what `why` gives. Returns error. */
int sgx_fail(int error, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
const char *sgx_why(void);
void sgx_why_clear(void);

int sgx_range_check(const struct enclave *e, uint64_t addr, size_t len);

/* An ioctl that does all or nothing, in spite of interruptions. */
int sgx_ioctl(struct enclave *e, unsigned long request, void *arg);
/*
 * An ioctl that works on a range and says how far it came: again until all of
 * it is done, over interruptions and pages that the kernel is just swapping.
 * @part does it for what is left: 0 or -errno, and *done bytes in any case.
 * 0, -errno, or the positive SGX code that a part returned.
 */
int sgx_repeat(struct enclave *e, uint64_t addr, size_t len,
	int (*part)(struct enclave *e, uint64_t addr, size_t len, void *arg,
		uint64_t *done),
	void *arg);

enum { SGX_MAP_RWX = 7 }; /* PROT_READ and so on */
/* sgx_build.c. From addr to end at most: the piece that is mapped with one
 * permission. */
uint64_t sgx_piece(
	const struct enclave *e, uint64_t addr, uint64_t end, int *prot);

/* sgx_build.c: as in struct enclave_backend. */
int sgx_add_pages(struct enclave *e, uint64_t addr, const void *src, size_t len,
	uint64_t secinfo_flags, bool measure);
int sgx_init(struct enclave *e, const struct sgx_sigstruct *sig,
	uint8_t mrenclave[32]);

/* sgx_edmm.c: likewise. */
int sgx_augment(struct enclave *e, uint64_t addr, size_t len, bool hidden);
int sgx_restrict(struct enclave *e, uint64_t addr, size_t len, uint64_t perm);
int sgx_modify_type(
	struct enclave *e, uint64_t addr, size_t len, unsigned int type);
int sgx_remove(struct enclave *e, uint64_t addr, size_t len);
int sgx_protect(struct enclave *e, uint64_t addr, size_t len, int prot);

/* sgx_enter.c: likewise. */
int sgx_enter_init(const struct sgx_os *os, int tick_signal);
int sgx_thread_init(struct enclave *e);
void sgx_thread_fini(struct enclave *e);
int sgx_enter(unsigned long rdi, unsigned long rsi, unsigned long rdx,
	unsigned int leaf, unsigned long r8, unsigned long r9,
	struct enclave_run *run);

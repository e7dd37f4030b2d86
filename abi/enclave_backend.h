/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the launcher drives an enclave, whatever executes it: the emulator or
 * the hardware through /dev/sgx_enclave. The launcher knows nothing else of
 * either.
 *
 * Rules for every function that returns int: 0 is success, a negative value
 * is an errno of the operating system or driver, a positive value is the SGX
 * error code (abi/sgx.h) with which a leaf refused. Addresses are linear
 * addresses inside ELRANGE, addresses and lengths are multiples of 4096.
 * Range operations cost one or two system calls, not one per page.
 *
 * One enclave per process. create, add_pages, init and destroy belong to one
 * thread; the others may be called by any thread at any time after init.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sgx_sigstruct;
struct enclave;

struct enclave_params {
	uint64_t base; /* ELRANGE base, aligned to size */
	uint64_t size; /* ELRANGE size, a power of two */
	uint32_t ssa_frame_pages;
	uint32_t miscselect;
	uint64_t attributes; /* FLAGS, without INIT */
	uint64_t xfrm;
	uint8_t configid[64]; /* KSS */
	uint16_t configsvn;
};

/* What an enclave may be created with on this machine. */
struct enclave_offer {
	uint64_t attributes, xfrm;
	uint32_t miscselect;
};

/* exception_vector of an exit that was an interrupt, not an exception. */
#define ENCLAVE_VECTOR_INTERRUPT 0xffffu

/*
 * What `enter` is told and reports. The first 40 bytes are laid out like
 * struct sgx_enclave_run of Linux; the emulator has no user_handler: both
 * handler words must be 0.
 *
 * function on return:
 *  SGX_EEXIT    the enclave left; exit_* are the registers it left with.
 *  SGX_ERESUME  an AEX happened. exception_vector names the exception (with
 *               error code and address for #PF and #GP) or is
 *               ENCLAVE_VECTOR_INTERRUPT. The state is in the SSA; the caller
 *               may enter again at CSSA+1, or resume.
 *               It is also what a refused ERESUME reports (#GP or #PF).
 *  SGX_EENTER   EENTER itself faulted: exception_vector tells how.
 */
struct enclave_run {
	uint64_t tcs;
	uint32_t function;
	uint16_t exception_vector;
	uint16_t exception_error_code;
	uint64_t exception_addr;
	uint64_t user_handler;
	uint64_t user_data;
	uint64_t exit_rdi;
	uint64_t exit_rsi;
	uint64_t exit_rdx;
	uint64_t exit_r8;
	uint64_t exit_r9;
	uint8_t reserved[176];
};
_Static_assert(sizeof(struct enclave_run) == 256, "like sgx_enclave_run");

struct enclave_backend {
	const char *name;
	bool emulated; /* true: no protection at all */

	/* What create would take. */
	void (*offer)(struct enclave_offer *offer);
	/*
	 * What the calling thread's last failed create, add_pages, init or
	 * augment met, and what helps, for people: one clause. NULL: the error
	 * is all there is to say.
	 */
	const char *(*why)(void);

	/* ECREATE, and reserve ELRANGE. *out is the caller's until destroy. */
	int (*create)(
		const struct enclave_params *params, struct enclave **out);
	/* Ends the enclave. No thread may be inside. NULL is fine. */
	void (*destroy)(struct enclave *enclave);

	/*
	 * EADD of len bytes from src at addr, with EEXTEND of every chunk if
	 * measure. secinfo_flags: SGX_SECINFO_TCS, or SGX_SECINFO_REG with
	 * R/W/X. The host's own page permissions start equal to those.
	 */
	int (*add_pages)(struct enclave *enclave, uint64_t addr,
		const void *src, size_t len, uint64_t secinfo_flags,
		bool measure);
	/* EINIT. mrenclave (may be NULL) receives the measurement. */
	int (*init)(struct enclave *enclave,
		const struct sgx_sigstruct *sigstruct, uint8_t mrenclave[32]);

	/*
	 * EAUG: zero pages, RW, PENDING until the enclave accepts them. After
	 * a failure some of them may be there, and asking again is fine.
	 * hidden: content comes by EACCEPTCOPY, and no thread gets at them
	 * before `protect`. (The processor keeps pending pages away by itself,
	 * the emulator only these.)
	 */
	int (*augment)(struct enclave *enclave, uint64_t addr, size_t len,
		bool hidden);
	/* EMODPR and ETRACK: narrow to perm (SGX_SECINFO_R/W/X), PR set. */
	int (*restrict_permissions)(struct enclave *enclave, uint64_t addr,
		size_t len, uint64_t perm);
	/* EMODT and ETRACK: type is SGX_PT_TRIM or SGX_PT_TCS. */
	int (*modify_type)(struct enclave *enclave, uint64_t addr, size_t len,
		unsigned int type);
	/* EREMOVE of pages whose trimming the enclave accepted, else -EPERM. */
	int (*remove_pages)(struct enclave *enclave, uint64_t addr, size_t len);
	/*
	 * The host's page permissions (PROT_READ, ...), by which it may
	 * withhold access but never grant it. 0 withholds all; of other values
	 * a backend may allow more than was asked for. Pages that are not
	 * there are skipped.
	 */
	int (*protect)(
		struct enclave *enclave, uint64_t addr, size_t len, int prot);

	/*
	 * Every thread that enters calls thread_init first and thread_fini
	 * before it ends.
	 */
	int (*thread_init)(struct enclave *enclave);
	void (*thread_fini)(struct enclave *enclave);
	/*
	 * leaf SGX_EENTER or SGX_ERESUME of run->tcs. Returns 0 and fills *run,
	 * or -EINVAL (bad leaf, thread without thread_init). The enclave must
	 * restore RSP and RBP before EEXIT (they are in its SSA frame as URSP
	 * and URBP) and leave to the address it got in RCX. As it may have
	 * noted them at EENTER, ERESUME from the same stack depth.
	 */
	int (*enter)(unsigned long rdi, unsigned long rsi, unsigned long rdx,
		unsigned int leaf, unsigned long r8, unsigned long r9,
		struct enclave_run *run);
};

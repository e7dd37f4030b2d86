/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the hardware backend asks of the machine and of its kernel, as a small
 * struct, so that tests put a model in the place of both (test/sgx_model/).
 * Functions that return int: 0 (open: the descriptor) or -errno.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SGX_DEVICE "/dev/sgx_enclave"

struct sgx_os {
	int (*open)(const char *path); /* read and write */
	void (*close)(int fd);
	int (*ioctl)(int fd, unsigned long request, void *arg);
	/* Nothing yet, at this address or not at all. */
	int (*reserve)(uint64_t addr, uint64_t len);
	/* The device's pages in the place of whatever is there. */
	int (*map)(int fd, uint64_t addr, uint64_t len, int prot);
	int (*protect)(uint64_t addr, uint64_t len, int prot);
	void (*unmap)(uint64_t addr, uint64_t len);
	/*
	 * Reads of each page: the kernel adds those that are not there. They
	 * must be readable. -ENOMEM: it refused; those before are there.
	 */
	int (*touch)(uint64_t addr, uint64_t len);
	int (*handle)(int signo, const struct sigaction *action);
	/* __vdso_sgx_enter_enclave (its convention: sgx_enter.S), NULL if this
	 * kernel has none. */
	const void *(*enter_function)(void);
	void (*nap)(unsigned int microseconds);

	void (*cpuid)(uint32_t leaf, uint32_t subleaf, uint32_t regs[4]);
	uint64_t (*xcr0)(void); /* 0: no XSAVE */
	/* Is the file system of this path mounted noexec? */
	bool (*noexec)(const char *path);
};

const struct sgx_os *sgx_os(void);

/*
 * Address of a function of the vDSO image at base, by symbol and version;
 * NULL: not there, or no ELF file that has it. @size bounds every access.
 */
const void *sgx_vdso_find(
	const void *base, size_t size, const char *name, const char *version);

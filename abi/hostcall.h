/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host calls: what both sides know about abi/hostcall.def.
 *
 * On the wire a call is a number and six words. Scalars travel as they are;
 * every buffer travels as an offset from the start of the shared region
 * (0: no buffer). No pointer ever crosses, so none can point into the
 * enclave. The result is one word: >= 0, or -errno.
 *
 * The macros turn the parenthesised arguments of a row into C: see
 * kernel/hostcall.h (stubs), kernel/hostcall.c and host/serve.c (tables).
 */
#pragma once

#include <stdint.h>

/* What crosses has no padding, which nobody would have cleared (S-12). */
#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wpadded"
#include "abi/hostfile.h"
#include "abi/net.h"
#include "abi/sgx.h"

struct host_clock {
	uint64_t realtime_ns;
	uint64_t monotonic_ns;
	uint64_t tsc;
};
#pragma GCC diagnostic pop

enum {
	HOSTCALL_ARGS = 6,
	HOSTCALL_BUF_MAX = 1 << 20, /* largest single buffer, bytes */
	HOSTCALL_ERRNO_MAX = 4095,
	HOST_AT_FDCWD = -100,
};

enum hostcall_arg_kind {
	HC_ARG_NONE,
	HC_ARG_VAL,
	HC_ARG_FD, /* a host descriptor that the enclave owns */
	HC_ARG_DIRFD, /* the same or HOST_AT_FDCWD */
	HC_ARG_CLOSE, /* a descriptor whose ownership ends with the call */
	HC_ARG_STR,
	HC_ARG_IN, /* enclave -> host */
	HC_ARG_OUT, /* host -> enclave */
	HC_ARG_UIN, /* as IN and OUT, but through a struct uio */
	HC_ARG_UOUT,
};

enum hostcall_result_kind {
	HC_RESULT_ZERO,
	HC_RESULT_FD, /* a descriptor the enclave does not own yet */
	HC_RESULT_SIZE, /* 0..value of argument result_arg */
	HC_RESULT_VAL, /* 0..result_max */
};

enum hostcall_how {
	HC_HOW_RING, /* short: exitless if a worker polls */
	HC_HOW_EXIT, /* rare, may block, or must run on this host thread */
	HC_HOW_POST, /* nobody waits; served with the next exit at the latest */
};

/* Classes of errors; which errno is in which: kernel/hostcall_check.c. */
enum {
	HE_ARG = 1, /* EINVAL ENOMEM EPERM EACCES ENOSYS EOPNOTSUPP EIO EBADF */
	HE_PATH = 2, /* what resolving and changing names gives */
	HE_FILE = 4, /* what reading and writing open files gives */
	HE_LOCK = 8,
	HE_XATTR = 16,
	HE_SOCK = 32,
	HE_FDS = 64, /* EMFILE ENFILE */
	HE_TIME = 128, /* ETIMEDOUT */
	HE_AGAIN = 256,
	HE_QUOTE = 512, /* what asking a service for a quote gives */
};

enum { HC_SIZE_FIXED = 0xff };

struct hostcall_arg {
	uint8_t kind;
	uint8_t size_arg; /* index of the argument with the number of units */
	uint32_t unit; /* bytes per unit; the size itself if FIXED */
};

struct hostcall_desc {
	const char *name;
	uint8_t how;
	uint8_t result;
	uint8_t result_arg;
	uint32_t errors; /* HE_* */
	int64_t result_max;
	struct hostcall_arg arg[HOSTCALL_ARGS];
};

/* Permissions and page types as in SECINFO. */
enum { HOST_PERM_R = 1, HOST_PERM_W = 2, HOST_PERM_X = 4 };

/* Applies m to each of 1..6 parenthesised arguments, with commas between. */
#define HC_MAP(m, ...)                                                    \
	HC_PICK(__VA_ARGS__, HC_MAP6, HC_MAP5, HC_MAP4, HC_MAP3, HC_MAP2, \
		HC_MAP1, 0)                                               \
	(m, __VA_ARGS__)
#define HC_PICK(a, b, c, d, e, f, pick, ...) pick
#define HC_MAP1(m, a) m a
#define HC_MAP2(m, a, ...) m a, HC_MAP1(m, __VA_ARGS__)
#define HC_MAP3(m, a, ...) m a, HC_MAP2(m, __VA_ARGS__)
#define HC_MAP4(m, a, ...) m a, HC_MAP3(m, __VA_ARGS__)
#define HC_MAP5(m, a, ...) m a, HC_MAP4(m, __VA_ARGS__)
#define HC_MAP6(m, a, ...) m a, HC_MAP5(m, __VA_ARGS__)

/* A row as an element of a table of struct hostcall_desc. */
#define HC_DESC(name_, how_, result_, errors_, ...) \
	{.name = #name_,                            \
		.how = HC_HOW_##how_,               \
		HC_RES_##result_,                   \
		.errors = (errors_),                \
		.arg = {HC_MAP(HC_ARG, __VA_ARGS__)}},
#define HC_RES_ZERO .result = HC_RESULT_ZERO
#define HC_RES_FD .result = HC_RESULT_FD
#define HC_RES_SIZE(arg_) .result = HC_RESULT_SIZE, .result_arg = (arg_)
#define HC_RES_VAL(max_) .result = HC_RESULT_VAL, .result_max = (max_)
#define HC_ARG(kind_, ...) HC_ARG_##kind_##_(__VA_ARGS__)
#define HC_ARG_VAL_(n)           \
	{                        \
		HC_ARG_VAL, 0, 0 \
	}
#define HC_ARG_FD_(n)           \
	{                       \
		HC_ARG_FD, 0, 0 \
	}
#define HC_ARG_DIRFD_(n)           \
	{                          \
		HC_ARG_DIRFD, 0, 0 \
	}
#define HC_ARG_CLOSE_(n)           \
	{                          \
		HC_ARG_CLOSE, 0, 0 \
	}
#define HC_ARG_STR_(n)           \
	{                        \
		HC_ARG_STR, 0, 0 \
	}
#define HC_ARG_IN_(n, size)        \
	{                          \
		HC_ARG_IN, size, 1 \
	}
#define HC_ARG_OUT_(n, size)        \
	{                           \
		HC_ARG_OUT, size, 1 \
	}
#define HC_ARG_INS_(n, type)                           \
	{                                              \
		HC_ARG_IN, HC_SIZE_FIXED, sizeof(type) \
	}
#define HC_ARG_OUTS_(n, type)                           \
	{                                               \
		HC_ARG_OUT, HC_SIZE_FIXED, sizeof(type) \
	}
#define HC_ARG_OUTF_(n, size)                   \
	{                                       \
		HC_ARG_OUT, HC_SIZE_FIXED, size \
	}
#define HC_ARG_INA_(n, type, count)            \
	{                                      \
		HC_ARG_IN, count, sizeof(type) \
	}
#define HC_ARG_OUTA_(n, type, count)            \
	{                                       \
		HC_ARG_OUT, count, sizeof(type) \
	}
#define HC_ARG_UIN_(n, size)        \
	{                           \
		HC_ARG_UIN, size, 1 \
	}
#define HC_ARG_UOUT_(n, size)        \
	{                            \
		HC_ARG_UOUT, size, 1 \
	}

/* HC_pread etc.; the order of the rows is the numbering. */
enum hostcall_nr {
#define HOSTCALL(name, ...) HC_##name,
#include "abi/hostcall.def"
#undef HOSTCALL
	HOSTCALL_COUNT
};

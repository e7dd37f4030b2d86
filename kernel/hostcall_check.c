/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which results of a host call are believable (S-11). Pure functions of the
 * row, the request and the result: no state, so the fuzzer runs them alone.
 * Not here: whether a new descriptor collides (hostcall.c keeps the owned
 * ones).
 */
#include "kernel/hostcall.h"

#include <linux/errno.h>

#include "lib/types.h"

/* EINTR is in no class: the server repeats such calls. Nor is EFAULT: all
 * buffers are in the region. */
static const uint16_t error_class[] = {
	[EPERM] = HE_ARG,
	[EACCES] = HE_ARG,
	[EINVAL] = HE_ARG,
	[ENOMEM] = HE_ARG,
	[ENOSYS] = HE_ARG,
	[EOPNOTSUPP] = HE_ARG,
	[EIO] = HE_ARG,
	[EBADF] = HE_ARG,
	[ENOENT] = HE_PATH,
	[EEXIST] = HE_PATH,
	[ENOTDIR] = HE_PATH,
	[EISDIR] = HE_PATH | HE_FILE,
	[ELOOP] = HE_PATH,
	[ENAMETOOLONG] = HE_PATH,
	[ENOTEMPTY] = HE_PATH,
	[EXDEV] = HE_PATH | HE_FILE,
	[EMLINK] = HE_PATH,
	[EBUSY] = HE_PATH | HE_FILE | HE_QUOTE,
	[ESTALE] = HE_PATH | HE_FILE,
	[ENODEV] = HE_PATH | HE_FILE,
	[ENXIO] = HE_PATH | HE_FILE,
	[EROFS] = HE_PATH | HE_FILE,
	[ENOSPC] = HE_PATH | HE_FILE | HE_XATTR | HE_QUOTE,
	[EDQUOT] = HE_PATH | HE_FILE | HE_XATTR,
	[ETXTBSY] = HE_PATH | HE_FILE,
	[EFBIG] = HE_PATH | HE_FILE,
	[EOVERFLOW] = HE_PATH | HE_FILE,
	[EAGAIN] = HE_FILE | HE_SOCK | HE_LOCK | HE_AGAIN | HE_QUOTE,
	[EPIPE] = HE_FILE | HE_SOCK,
	[ESPIPE] = HE_FILE,
	[ENOTTY] = HE_FILE,
	[ECONNRESET] = HE_FILE | HE_SOCK,
	[EDEADLK] = HE_LOCK,
	[ENOLCK] = HE_LOCK,
	[ENODATA] = HE_XATTR,
	[ERANGE] = HE_XATTR,
	[E2BIG] = HE_XATTR,
	[EMFILE] = HE_FDS,
	[ENFILE] = HE_FDS,
	[ETIMEDOUT] = HE_TIME | HE_SOCK | HE_QUOTE,
	[ENOTSOCK] = HE_SOCK,
	[EDESTADDRREQ] = HE_SOCK,
	[EMSGSIZE] = HE_SOCK,
	[EPROTOTYPE] = HE_SOCK,
	[ENOPROTOOPT] = HE_SOCK,
	[EPROTONOSUPPORT] = HE_SOCK,
	[ESOCKTNOSUPPORT] = HE_SOCK,
	[EPROTO] = HE_SOCK | HE_QUOTE,
	[EAFNOSUPPORT] = HE_SOCK,
	[EADDRINUSE] = HE_SOCK,
	[EADDRNOTAVAIL] = HE_SOCK,
	[ENETDOWN] = HE_SOCK,
	[ENETUNREACH] = HE_SOCK,
	[ENETRESET] = HE_SOCK,
	[ENONET] = HE_SOCK,
	[ECONNABORTED] = HE_SOCK,
	[ENOBUFS] = HE_SOCK,
	[EISCONN] = HE_SOCK,
	[ENOTCONN] = HE_SOCK,
	[ECONNREFUSED] = HE_SOCK | HE_QUOTE,
	[EHOSTDOWN] = HE_SOCK,
	[EHOSTUNREACH] = HE_SOCK,
	[EALREADY] = HE_SOCK,
	[EINPROGRESS] = HE_SOCK,
};

bool hostcall_result_ok(
	const struct hostcall_desc *d, const uint64_t *wire, int64_t result)
{
	if (result < 0) {
		/* -INT64_MIN does not exist; compare before negating. */
		if (result <= -(int64_t)ARRAY_SIZE(error_class))
			return false;
		return error_class[-result] & d->errors;
	}
	switch (d->result) {
	case HC_RESULT_ZERO:
		return result == 0;
	case HC_RESULT_FD:
		return result <= INT32_MAX;
	case HC_RESULT_SIZE:
		return (uint64_t)result <= wire[d->result_arg];
	case HC_RESULT_VAL:
		return result <= d->result_max;
	}
	return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks the machine's quoting service for quotes, over the socket protocol of
 * Intel's AESM service, which `sconce las` speaks too. One request per
 * connection; nothing of the service is believed: sizes are bounded before
 * memory is taken, and each call ends within its timeout.
 *
 * A quote is had in three steps:
 *
 *	aesm_target(path, target, e);		the quoting enclave's TARGETINFO
 *	EREPORT for that target, in the enclave
 *	aesm_quote(path, report, ...);		-EAGAIN: once more from the top
 *
 * @path of a socket; "@NAME" is an abstract one (NAME and NULs to 108 bytes).
 * NULL: the first that somebody listens at of $SCONCE_LAS (which, if set, is
 * the only one), $XDG_RUNTIME_DIR/sconce/las.sock, AESM_LAS_SOCKET,
 * AESM_INTEL_SOCKET and Intel's older abstract name.
 *
 * Calls block; any thread may make them.
 */
#pragma once

#include "abi/sgx.h"
#include "lib/err.h"

#define AESM_LAS_SOCKET "/run/sconce/las.sock"
#define AESM_INTEL_SOCKET "/var/run/aesmd/aesm.socket"
#define AESM_INTEL_ABSTRACT "@sgx_aesm_socket_base"

enum {
	/* Any real quote is smaller (a v3 quote with its chain is under 5 KiB).
	 */
	AESM_QUOTE_MAX = 65536,
	/* Each call, over all its connections. SCONCE_LAS_TIMEOUT_MS in the
	 * environment, if it is a number, stands for it. */
	AESM_TIMEOUT_MS = 30000,
	AESM_TIMEOUT_MAX_MS = 600000,
};

struct sockaddr_un;

/* The address of a socket's path, also "@NAME". 0 or -ENAMETOOLONG. */
must_check int aesm_address(const char *path, struct sockaddr_un *address);

/*
 * 0; -ENOENT: nobody listens (e says how to start the service); -ETIMEDOUT;
 * -EPROTO: not an answer of this protocol; -EBUSY: the service asks to try
 * later; -EIO: the service failed, e says with what; -ENOMEM.
 */
must_check int aesm_target(
	const char *path, struct sgx_targetinfo *target, struct err *e);

/*
 * The quote of @report into quote[capacity], cut to its real length *size.
 * A service that has lost its key is made to have one, and asked again.
 *
 * Errors as aesm_target(), and -EAGAIN: the quoting enclave is another one by
 * now, ask for the target and make the report again; -EACCES: the service did
 * not take the report (made on another platform, or for another target);
 * -ENOSPC: the quote has *size bytes, more than @capacity.
 */
must_check int aesm_quote(const char *path, const struct sgx_report *report,
	void *quote, size_t capacity, size_t *size, struct err *e);

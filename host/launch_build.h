/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the enclave: what it is created with on this machine, its pages in the
 * order in which they are measured, EINIT, and the first memory of its kernel.
 */
#pragma once

#include "host/files.h"
#include "host/launch.h"
#include "host/threads.h"

enum { LAUNCH_HEAP_READY = 2 * 1024 * 1024 };

/* l->backend is set; sets l->enclave, which may be there after a failure, too.
 * 0, or -errno with one line in e that says what helps. */
must_check int launch_build(struct launcher *l, const struct launch *launch,
	const struct bytes_file *kernel, const struct bytes_file *sig,
	struct err *e);

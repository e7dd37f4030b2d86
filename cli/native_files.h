/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Injected files without an enclave: in a mount namespace of this process and
 * those it starts, memory lies over the files. Nobody without root's rights
 * sees them, nothing is written to disk, and all of it ends with the last
 * process.
 */
#pragma once

#include "lib/err.h"
#include "lib/service.h"

/*
 * Shows files (of struct service_file) to this process; needs root's rights or
 * user name spaces, which it then enters with the same ids. A file of that path
 * must be there to be covered: -ENOENT. -EPERM: this machine allows neither.
 */
must_check int native_files_show(const struct item_list *files, struct err *e);

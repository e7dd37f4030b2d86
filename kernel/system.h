/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel says it is: uname(2) and /proc/sys/kernel. */
#pragma once

#define SYSTEM_RELEASE "6.1.0-sconce"
#define SYSTEM_VERSION "#1 SMP"

const char *system_hostname(void);

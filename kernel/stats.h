/* SPDX-License-Identifier: Apache-2.0 */
/* --stats: what the enclave counted, as lines "name value". */
#pragma once

#include <stdint.h>

/* Sends the report to the host; a sleep point. */
void stats_report(void);

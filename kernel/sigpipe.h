/* SPDX-License-Identifier: Apache-2.0 */
/* SIGPIPE to the current thread, as a write without a reader raises it. */
#pragma once

void sigpipe_send(void);

/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/sigpipe.h"

#include <asm/signal.h>

#include "kernel/signal.h"
#include "kernel/thread.h"

void sigpipe_send(void)
{
	const struct ksiginfo info = {.signo = SIGPIPE};

	(void)signal_send_thread(current, &info);
}

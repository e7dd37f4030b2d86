/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jumps to addresses where no program's code can be. Each must be a SIGSEGV
 * of the program's own, with the program as it was.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>

static sigjmp_buf back;

static void on_signal(int sig)
{
	siglongjmp(back, sig);
}

int main(void)
{
	static const uint64_t targets[] = {
		0,
		0x1000,
		0xffffffffffd1cb24,
		0x800000000000,
		0xf90000000,
		0xfffffffff,
		0x7fffffffe000,
	};
	struct sigaction sa = {.sa_handler = on_signal};

	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	for (unsigned i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		volatile uint64_t target = targets[i];
		int sig = sigsetjmp(back, 1);

		if (!sig)
			((void (*)(void))target)();
		printf("%lx: signal %d\n", (unsigned long)target, sig);
	}
	return 0;
}

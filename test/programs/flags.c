/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls with flags that would mislead the kernel: DF, with which its
 * copies would run backwards, and AC, with which its unaligned accesses would
 * fault. They must work, and give the flags back, in r11 too.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

enum { DF = 0x400, AC = 0x40000, OTHERS = 0x202 };

static long call(long nr, void *buf, uint64_t *flags, uint64_t *r11)
{
	uint64_t seen;

	__asm__ volatile("sub $128, %%rsp\n"
			 "push %[flags]\n"
			 "popfq\n"
			 "mov $0, %%r11\n"
			 "syscall\n"
			 "pushfq\n"
			 "pop %[flags]\n"
			 "push $2\n"
			 "popfq\n"
			 "add $128, %%rsp\n"
			 "mov %%r11, %[seen]\n"
			 : "+a"(nr), [flags] "+b"(*flags), [seen] "=&d"(seen)
			 : "D"(buf)
			 : "rcx", "r11", "memory", "cc");
	*r11 = seen;
	return nr;
}

int main(void)
{
	static const uint64_t tries[] = {0, DF, AC, DF | AC};
	static char area[400 + 1];
	char *buf = area + 1; /* unaligned */

	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		uint64_t flags = tries[i] | OTHERS, r11;
		long err = call(SYS_uname, buf, &flags, &r11);

		printf("flags %lx: %ld %s, after %lx, r11 %lx\n",
			(unsigned long)tries[i], err, buf,
			(unsigned long)(flags & (DF | AC)),
			(unsigned long)(r11 & (DF | AC | OTHERS)));
		memset(area, 0, sizeof(area));
	}
	return 0;
}

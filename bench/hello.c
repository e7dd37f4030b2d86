/* SPDX-License-Identifier: Apache-2.0 */
/* The smallest dynamic program, for start-up time and memory. */
#include <stdio.h>

int main(void)
{
	puts("hello");
	return 0;
}

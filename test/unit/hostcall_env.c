/* SPDX-License-Identifier: Apache-2.0 */
/* See hostcall_env.h. */
#include "test/unit/hostcall_env.h"

#include <asm/prctl.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "abi/ring.h"
#include "host/serve.h"
#include "kernel/cpu.h"
#include "kernel/hostcall.h"
#include "kernel/klog.h"
#include "kernel/uaccess.h"
#include "kernel/uio.h"

static struct cpu cpu;
char *env_region;
struct serve *env_server;
static jmp_buf stopped;
static bool may_stop;
char env_stop_text[256];
void (*env_lie)(uint64_t *slot_done);
volatile bool env_outside;
int env_file;

/* ---- what the kernel's parts expect around them ---- */

uint64_t enclave_exit_call(uint64_t arg)
{
	env_outside = true;
	serve_exit_call(env_server, cpu.index);
	if (env_lie)
		env_lie((uint64_t *)(env_region + RING_CPUS + RING_SLOT_DONE));
	env_outside = false;
	return 0;
}

void bkl_lock(void)
{
}

void bkl_unlock(void)
{
}

int sched_runnable(void)
{
	return 0;
}

void sched_yield(void)
{
}

static void stop(const char *fmt, va_list ap)
{
	vsnprintf(env_stop_text, sizeof(env_stop_text), fmt, ap);
	if (!may_stop) {
		fprintf(stderr, "stopped: %s\n", env_stop_text);
		abort();
	}
	longjmp(stopped, 1);
}

void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	may_stop = false;
	stop(fmt, ap);
	abort();
}

void panic_host(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	stop(fmt, ap);
	abort();
}

int user_write(uint64_t dst, const void *src, size_t size)
{
	if (!dst)
		return -EFAULT;
	memcpy((void *)dst, src, size);
	return 0;
}

int user_read(void *dst, uint64_t src, size_t size)
{
	if (!src)
		return -EFAULT;
	memcpy(dst, (const void *)src, size);
	return 0;
}

static int copy_words(uint64_t dst, uint64_t src, size_t words)
{
	if (!dst || !src)
		return -EFAULT;
	for (size_t i = 0; i < words; i++)
		((volatile uint64_t *)dst)[i] =
			((const volatile uint64_t *)src)[i];
	return 0;
}

int user_write_words(uint64_t dst, uint64_t src, size_t words)
{
	if (src & 7)
		abort();
	return copy_words(dst, src, words);
}

int user_read_words(uint64_t dst, uint64_t src, size_t words)
{
	if (dst & 7)
		abort();
	return copy_words(dst, src, words);
}

void uio_skip(struct uio *u, size_t n)
{
	if (n > u->resid)
		abort();
	u->resid -= n;
	while (n) {
		size_t m = u->seg->size - u->seg_done;

		if (m > n)
			m = n;
		u->seg_done += m;
		n -= m;
		if (u->seg_done == u->seg->size) {
			u->seg++;
			u->seg_count--;
			u->seg_done = 0;
		}
	}
}

struct uio env_uio(struct uio_seg *seg, size_t count, bool kernel)
{
	struct uio u = {.seg = seg, .seg_count = count, .kernel = kernel};

	for (size_t i = 0; i < count; i++)
		u.resid += seg[i].size;
	return u;
}

bool env_stops(void (*fn)(void))
{
	env_stop_text[0] = '\0';
	may_stop = true;
	if (!setjmp(stopped))
		fn();
	may_stop = false;
	env_lie = NULL;
	return env_stop_text[0] != '\0';
}

int env_setup(void **state)
{
	char name[] = "/tmp/unit-hostcall-XXXXXX";

	env_region = mmap(NULL, ENV_REGION_SIZE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (env_region == MAP_FAILED)
		return -1;
	cpu.self = &cpu;
	if (syscall(SYS_arch_prctl, ARCH_SET_GS, &cpu))
		return -1;
	env_server = serve_new(env_region, ENV_REGION_SIZE, 1, NULL, NULL);
	hostcall_init((uint64_t)env_region, ENV_REGION_SIZE);
	/* Descriptor 0 is the enclave's from the start. */
	env_file = 0;
	int fd = mkstemp(name);

	if (fd < 0 || dup2(fd, 0) < 0)
		return -1;
	close(fd);
	return unlink(name);
}

void env_pin(int processor)
{
	unsigned long mask = 1ul << processor;

	/* The kernel's sched_yield() keeps <sched.h> out of this file. */
	syscall(SYS_sched_setaffinity, 0, sizeof(mask), &mask);
}

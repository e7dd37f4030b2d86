/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended state: where it is kept, and that none of the application's or of
 * the kernel's crypto is in a register when the enclave is left.
 */
#include "unit.h"

#include <asm/prctl.h>
#include <cpuid.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "abi/entry.h"
#include "kernel/boot.h"
#include "kernel/cpu.h"
#include "kernel/enclu.h"
#include "kernel/fpu.h"
#include "kernel/hostcall.h"
#include "kernel/klog.h"
#include "kernel/stats.h"

static struct cpu cpu;
static struct thread thread;
static uint8_t area[PAGE_SIZE] __attribute__((aligned(64)));
static uint8_t page[PAGE_SIZE] __attribute__((aligned(64)));
static unsigned exits;

uint64_t enclave_exit(uint64_t reason, uint64_t arg);
void enclave_exit_exception(uint64_t reason, uint64_t arg);
void enclave_entry(void);
void kentry(void);
void kentry_cpuid(void);
void xstate_save(void *to, uint64_t mask);
void xstate_load(const void *from, uint64_t mask);

/* ---- what entry.S does ---- */

void xstate_save(void *to, uint64_t mask)
{
	__asm__ volatile("xsave64 (%0)"
			 :
			 : "r"(to), "a"((uint32_t)mask), "d"(mask >> 32)
			 : "memory");
}

void xstate_load(const void *from, uint64_t mask)
{
	__asm__ volatile("xrstor64 (%0)"
			 :
			 : "r"(from), "a"((uint32_t)mask), "d"(mask >> 32)
			 : "memory");
}

void enclave_entry(void)
{
}
void kentry(void)
{
}
void kentry_cpuid(void)
{
}

/* All of it as the host sees it: initial. */
static void check_scrubbed(void)
{
	static uint8_t seen[PAGE_SIZE] __attribute__((aligned(64)));
	uint64_t bv;
	uint32_t mxcsr;

	memset(seen, 0, sizeof(seen));
	xstate_save(seen, xsave_mask);
	memcpy(&mxcsr, seen + 24, 4);
	memcpy(&bv, seen + 512, 8);
	assert_int_equal(mxcsr, 0x1f80);
	assert_int_equal(*(uint16_t *)(void *)seen, 0x37f);
	for (size_t i = 32; i < 416; i++)
		assert_int_equal(seen[i], 0);
	for (size_t i = 576; i < xsave_size; i++)
		assert_int_equal(seen[i], 0);
	exits++;
}

uint64_t enclave_exit(uint64_t reason, uint64_t arg)
{
	(void)reason, (void)arg;
	check_scrubbed();
	return 0;
}

void enclave_exit_exception(uint64_t reason, uint64_t arg)
{
	(void)reason, (void)arg;
	check_scrubbed();
	fail_msg("left as from an exception");
	for (;;)
		;
}

/* ---- the rest of the kernel ---- */

struct thread *current_thread(void)
{
	return cpu.thread;
}
void bkl_lock(void)
{
}
void bkl_unlock(void)
{
}
void klog_flush(void)
{
}
void stats_report(void)
{
}
uint64_t boot_flags(void)
{
	return 0;
}
void panic(const char *fmt, ...)
{
	fail_msg("%s", fmt);
	for (;;)
		;
}
void panic_host(const char *fmt, ...)
{
	fail_msg("%s", fmt);
	for (;;)
		;
}
int64_t hostcall_run(unsigned nr, const uint64_t *args)
{
	(void)nr, (void)args;
	return -1;
}

uint64_t enclu_accept(uint64_t addr, const struct sgx_secinfo *info)
{
	(void)addr, (void)info;
	return 0;
}

static uint64_t xcr0(void)
{
	uint32_t lo, hi;

	__asm__("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return (uint64_t)hi << 32 | lo;
}

/* Every byte of every register component: the application's secrets, or what
 * the host left there to confuse. */
static void fill_registers(uint8_t byte)
{
	static uint8_t x[PAGE_SIZE] __attribute__((aligned(64)));
	uint64_t bv = xcr0() & XFRM_ALLOWED;

	memset(x, byte, sizeof(x));
	memset(x + 24, 0, 8);
	memset(x + 512, 0, 64);
	x[24] = 0x80;
	x[25] = 0x1f;
	memset(x + 416, 0, 96);
	x[0] = 0x7f;
	x[1] = 0x03;
	memcpy(x + 512, &bv, 8);
	xstate_load(x, bv);
}

static int setup(void **state)
{
	(void)state;
	memset(&cpu, 0, sizeof(cpu));
	memset(&thread, 0, sizeof(thread));
	cpu.self = &cpu;
	cpu.thread = &thread;
	thread.xsave = area;
	exits = 0;
	syscall(SYS_arch_prctl, ARCH_SET_GS, &cpu);
	return xstate_init(xcr0(), page);
}

/* As the processor says, whatever the registers held before. */
static void test_layout(void **state)
{
	static const uint8_t before[] = {0x5a, 0x00, 0xff};

	(void)state;
	for (size_t k = 0; k < sizeof(before); k++) {
		fill_registers(before[k]);
		assert_int_equal(xstate_init(xcr0(), page), 0);
		for (unsigned i = 2; i < 8; i++) {
			uint32_t a, b, c, d, size, offset;

			xstate_component(i, &size, &offset);
			__cpuid_count(0xd, i, a, b, c, d);
			if (!(xcr0() & XFRM_ALLOWED & 1u << i))
				a = b = 0;
			assert_int_equal(size, a);
			assert_int_equal(offset, b);
			assert_true(size == 0 || offset + size <= xsave_size);
		}
	}
	assert_int_equal(xstate_init(1, page), -1);
	assert_int_equal(setup(NULL), 0);
}

static void test_leave(void **state)
{
	(void)state;
	cpu.xstate_live = true;
	fill_registers(0xc3);
	cpu_leave(EXIT_CALL, 0);
	assert_int_equal(exits, 1);
	/* The host puts something there; the application gets its own. */
	fill_registers(0x77);
	cpu_load_user(&thread);
	memset(page, 0, sizeof(page));
	xstate_save(page, xsave_mask);
	for (size_t i = 576; i < xsave_size; i++)
		assert_true(page[i] == 0xc3 || page[i] == 0);
	for (size_t i = 160; i < 416; i++)
		assert_int_equal(page[i], 0xc3);
	/* and again, as it is in the registers */
	cpu_leave(EXIT_YIELD, 0);
	assert_int_equal(exits, 2);
}

static void test_stop(void **state)
{
	(void)state;
	cpu.xstate_live = true;
	fill_registers(0xc3);
	cpu_stop(PANIC_BUG);
	assert_int_equal(exits, 1);
}

static void test_crypto(void **state)
{
	uint32_t mxcsr;

	(void)state;
	cpu.xstate_live = true;
	fill_registers(0xc3);
	kernel_fpu_begin();
	__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
	assert_int_equal(mxcsr, 0x1fbf);
	fill_registers(0x99); /* round keys */
	/* It must not sleep, but if it did nothing would leak. */
	cpu_leave(EXIT_CALL, 0);
	fill_registers(0x99);
	kernel_fpu_end();
	check_scrubbed();
	cpu_leave(EXIT_CALL, 0);
	assert_int_equal(exits, 3);
	cpu_load_user(&thread);
	memset(page, 0, sizeof(page));
	xstate_save(page, xsave_mask);
	for (size_t i = 160; i < 416; i++)
		assert_int_equal(page[i], 0xc3);
}

#define TEST(name) cmocka_unit_test_setup(test_##name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(layout),
		TEST(leave),
		TEST(stop),
		TEST(crypto),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

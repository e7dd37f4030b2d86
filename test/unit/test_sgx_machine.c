/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the hardware backend finds out about the machine: functions of the
 * vDSO, CPUID, and the system calls of the real struct sgx_os.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "abi/sgx.h"
#include "host/sgx_cpu.h"
#include "host/sgx_int.h"
#include "host/sgx_os.h"
#include "test/unit/unit.h"

const struct sgx_os *__real_sgx_os(void);

enum { TICK = 40 };

/* ---- the vDSO ---- */

static const uint8_t *vdso;
static size_t vdso_size;

static int find_vdso(void **state)
{
	unsigned long from, to;
	char line[512];
	FILE *maps = fopen("/proc/self/maps", "re");

	(void)state;
	while (maps && fgets(line, sizeof(line), maps))
		if (strstr(line, "[vdso]") &&
			sscanf(line, "%lx-%lx", &from, &to) == 2) {
			vdso = (const uint8_t *)from;
			vdso_size = to - from;
		}
	if (maps)
		fclose(maps);
	return 0;
}

static const char clock_name[] = "__vdso_clock_gettime";

static void test_vdso_function(void **state)
{
	void *handle = dlopen("linux-vdso.so.1", RTLD_NOW | RTLD_NOLOAD);
	const void *found;
	struct timespec t = {-1, -1};

	(void)state;
	if (!vdso || !handle)
		skip();
	found = sgx_vdso_find(vdso, vdso_size, clock_name, "LINUX_2.6");
	assert_non_null(found);
	assert_ptr_equal(found, dlvsym(handle, clock_name, "LINUX_2.6"));
	assert_int_equal(((int (*)(clockid_t, struct timespec *))(
				 uintptr_t)found)(CLOCK_MONOTONIC, &t),
		0);
	assert_true(t.tv_sec >= 0);
	assert_null(sgx_vdso_find(vdso, vdso_size, clock_name, "LINUX_2.7"));
	assert_null(
		sgx_vdso_find(vdso, vdso_size, "__vdso_clock", "LINUX_2.6"));
	assert_null(sgx_vdso_find(NULL, 0, clock_name, "LINUX_2.6"));
}

/* A copy at the end of its pages: what is read beyond faults. */
static void test_vdso_truncated(void **state)
{
	size_t room;
	uint8_t *pages;

	(void)state;
	if (!vdso)
		skip();
	room = vdso_size + 4096;
	pages = mmap(NULL, room + 4096, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(pages, MAP_FAILED);
	assert_int_equal(mprotect(pages + room, 4096, PROT_NONE), 0);
	for (size_t size = 0; size <= vdso_size; size += 8) {
		uint8_t *copy = pages + room - size;
		const uint8_t *found;

		memcpy(copy, vdso, size);
		found = sgx_vdso_find(copy, size, clock_name, "LINUX_2.6");
		assert_true(!found || (found >= copy && found < copy + size));
	}
	munmap(pages, room + 4096);
}

/* Every byte of the tables spoilt: nothing, or an address inside. */
static void test_vdso_spoilt(void **state)
{
	uint8_t *copy;
	size_t size = vdso_size;

	(void)state;
	if (!vdso)
		skip();
	copy = aligned_alloc(4096, size);
	assert_non_null(copy);
	srand(1);
	for (int i = 0; i < 20000; i++) {
		const uint8_t *found;

		memcpy(copy, vdso, size);
		for (int n = rand() % 4; n >= 0; n--)
			copy[(size_t)rand() % (n & 1 ? size : 3072)] =
				(uint8_t)rand();
		found = sgx_vdso_find(copy, size, clock_name, "LINUX_2.6");
		assert_true(!found || (found >= copy && found < copy + size));
	}
	free(copy);
}

/* ---- CPUID ---- */

struct leaf {
	uint32_t leaf, subleaf, regs[4];
};

static const struct leaf *leaves;
static uint64_t xcr0;

static void fake_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t regs[4])
{
	memset(regs, 0, 4 * sizeof(*regs));
	for (const struct leaf *l = leaves; l->leaf; l++)
		if (l->leaf == leaf && l->subleaf == subleaf)
			memcpy(regs, l->regs, sizeof(l->regs));
}

static uint64_t fake_xcr0(void)
{
	return xcr0;
}

static const struct sgx_os fake = {.cpuid = fake_cpuid, .xcr0 = fake_xcr0};

/* An Ice Lake server, as its manuals and public dumps of CPUID have it. */
static const struct leaf ice_lake[] = {
	{7, 0, {0, 1u << 2, 1u << 30, 0}},
	{0x12, 0, {3, 1, 0, 0x381f}},
	{0x12, 1, {0xb6, 0, 0x2e7, 0}},
	{0x12, 2, {0x80c00001, 0x10, 0x7f400001, 0}},
	{0x12, 3, {0x80c00001, 0x20, 0x7f400001, 1}},
	{0},
};
static const struct leaf switched_off[] = {
	{7, 0, {0, 1u << 2, 1u << 30, 0}},
	{0x12, 0, {0, 0, 0, 0}},
	{0},
};
static const struct leaf none[] = {
	{7, 0, {0, 0, 0, 0}},
	/* What stands there without the feature means nothing. */
	{0x12, 0, {3, 1, 0, 0x381f}},
	{0},
};

static void test_cpu(void **state)
{
	struct sgx_cpu cpu;

	(void)state;
	leaves = ice_lake;
	xcr0 = 0x2e7;
	sgx_cpu_read(&fake, &cpu);
	assert_true(cpu.known && cpu.sgx1 && cpu.sgx2 && cpu.flc);
	assert_int_equal(cpu.attributes, 0xb6);
	assert_int_equal(cpu.miscselect, 1);
	assert_int_equal(cpu.xfrm, 0x2e7);
	assert_int_equal(cpu.size_max, UINT64_C(1) << 56);
	assert_int_equal(cpu.epc, 0x7f400000ull + 0x17f400000ull);
	/* What the kernel does not use, or not whole. */
	xcr0 = 0x7;
	sgx_cpu_read(&fake, &cpu);
	assert_int_equal(cpu.xfrm, 0x7);
	xcr0 = 0x67;
	sgx_cpu_read(&fake, &cpu);
	assert_int_equal(cpu.xfrm, 0x7);
	xcr0 = 0xe3;
	sgx_cpu_read(&fake, &cpu);
	assert_int_equal(cpu.xfrm, 0x3);
	leaves = switched_off;
	sgx_cpu_read(&fake, &cpu);
	assert_true(cpu.known && cpu.flc && !cpu.sgx1 && !cpu.sgx2);
	assert_int_equal(cpu.size_max, 0);
	leaves = none;
	sgx_cpu_read(&fake, &cpu);
	assert_true(!cpu.known && !cpu.sgx1 && !cpu.flc && !cpu.attributes);
}

/* ---- Linux ---- */

static void test_touch(void **state)
{
	const struct sgx_os *os = __real_sgx_os();
	char path[] = "/tmp/sconce-test-XXXXXX";
	int fd = mkstemp(path);
	uint8_t *p = mmap(NULL, 16 * 4096, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char in[16];

	(void)state;
	assert_true(fd >= 0);
	unlink(path);
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(os->touch((uintptr_t)p, 8 * 4096), 0);
	assert_int_equal(mincore(p, 16 * 4096, in), 0);
	for (int i = 0; i < 16; i++)
		assert_int_equal(in[i] & 1, i < 8);
	/* No access: SIGSEGV. */
	assert_int_equal(mprotect(p + 4096, 4096, PROT_NONE), 0);
	assert_int_equal(os->touch((uintptr_t)p, 3 * 4096), -ENOMEM);
	/* Behind the end of the file, as without enclave pages: SIGBUS. */
	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_ptr_equal(
		mmap(p, 2 * 4096, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0), p);
	assert_int_equal(os->touch((uintptr_t)p, 4096), 0);
	assert_int_equal(os->touch((uintptr_t)p, 2 * 4096), -ENOMEM);
	assert_int_equal(os->touch((uintptr_t)p, 4096), 0);
	munmap(p, 16 * 4096);
	close(fd);
}

/* A megabyte of addresses that nobody uses. */
static uint64_t free_place(void)
{
	void *p = mmap(NULL, 1 << 20, PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	munmap(p, 1 << 20);
	return (uintptr_t)p;
}

static void test_reserve(void **state)
{
	const struct sgx_os *os = __real_sgx_os();
	const uint64_t at = free_place();

	(void)state;
	assert_int_equal(os->reserve(at, 1 << 20), 0);
	assert_int_equal(os->reserve(at + 4096, 4096), -EEXIST);
	assert_int_equal(os->protect(at, 4096, PROT_READ), 0);
	os->unmap(at, 1 << 20);
	assert_int_equal(os->protect(at, 4096, PROT_READ), -ENOMEM);
	assert_int_equal(os->reserve(at + 4096, 4096), 0);
	os->unmap(at + 4096, 4096);
}

/* Shared, at the address that was asked for, and over what was there. */
static void test_map(void **state)
{
	const struct sgx_os *os = __real_sgx_os();
	const uint64_t at = free_place();
	int fd = memfd_create("test", MFD_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 8192), 0);
	assert_int_equal(os->reserve(at, 8192), 0);
	assert_int_equal(os->map(fd, at, 8192, PROT_READ | PROT_WRITE), 0);
	strcpy((char *)(uintptr_t)at, "shared");
	{
		char text[7];

		assert_int_equal(pread(fd, text, 7, 0), 7);
		assert_string_equal(text, "shared");
	}
	os->unmap(at, 8192);
	assert_int_equal(os->map(-1, at, 4096, PROT_READ), -EBADF);
	assert_int_equal(os->open("/nonexistent"), -ENOENT);
	assert_int_equal(os->ioctl(fd, 0x1234, NULL), -ENOTTY);
	os->close(fd);
	assert_int_equal(os->ioctl(fd, 0x1234, NULL), -EBADF);
}

/* As the kernel has it: there or not. */
static void test_enter_function(void **state)
{
	const struct sgx_os *os = __real_sgx_os();
	void *handle = dlopen("linux-vdso.so.1", RTLD_NOW | RTLD_NOLOAD);

	(void)state;
	if (!handle)
		skip();
	assert_ptr_equal(os->enter_function(),
		dlsym(handle, "__vdso_sgx_enter_enclave"));
}

/* ---- the exit pointer, with Linux's own signals ---- */

/*
 * Stands for the vDSO: it comes to rest as an AEX leaves a thread, RIP at an
 * exit pointer that is in RCX, and spins there: RAX is the leaf, RBX the TCS.
 * The leaf 3 (ERESUME) with RDI 1 executes int3 at that place instead.
 */
int spin_enter(void);
__asm__(".pushsection .text\n"
	".type spin_enter, @function\n"
	"spin_enter:\n"
	"	pushq %rbp\n"
	"	movq %rsp, %rbp\n"
	"	pushq %rbx\n"
	"	movl %ecx, %eax\n"
	"	movq 16(%rbp), %rbx\n"
	"	movl $1, 64(%rsi)\n"
	"	movq (%rbx), %rbx\n"
	"	movq $-1, %r12\n"
	"	movq %r12, %r15\n"
	"	std\n"
	"	cmpq $1, %rdi\n"
	"	je 2f\n"
	"	leaq 1f(%rip), %rcx\n"
	"1:	jmp 1b\n"
	"2:	leaq 3f(%rip), %rcx\n"
	"	int3\n"
	"3:	ud2\n"
	".popsection\n");

static const void *spin_function(void)
{
	return (const void *)spin_enter;
}

static pthread_t spinning;
static uint32_t arrived[32]; /* [16]: the thread is about to spin */

static void *tick_soon(void *arg)
{
	while (!__atomic_load_n(&arrived[16], __ATOMIC_ACQUIRE))
		usleep(1000);
	for (int i = 0; i < 3; i++) { /* later ones meet host code */
		usleep(20000);
		pthread_kill(spinning, TICK);
	}
	return NULL;
}

static void test_signals(void **state)
{
	struct sgx_os os = *__real_sgx_os();
	struct enclave *some = (struct enclave *)(void *)arrived;
	struct enclave_run run = {.tcs = 0x12345000};
	pthread_t t;

	(void)state;
	os.enter_function = spin_function;
	assert_int_equal(sgx_enter_init(&os, TICK), 0);
	assert_int_equal(sgx_thread_init(some), 0);
	spinning = pthread_self();
	assert_int_equal(pthread_create(&t, NULL, tick_soon, NULL), 0);
	assert_int_equal(
		sgx_enter(0, (uintptr_t)arrived, 0, SGX_ERESUME, 0, 0, &run),
		0);
	assert_int_equal(run.function, SGX_ERESUME);
	assert_int_equal(run.exception_vector, ENCLAVE_VECTOR_INTERRUPT);
	pthread_join(t, NULL);
	assert_int_equal(
		sgx_enter(1, (uintptr_t)arrived, 0, SGX_ERESUME, 0, 0, &run),
		0);
	assert_int_equal(run.function, SGX_ERESUME);
	assert_int_equal(run.exception_vector, SGX_VECTOR_BP);
	sgx_thread_fini(some);
}

/* EENTER that has not happened yet is not disturbed; a trap that is not of
 * the exit pointer is as deadly as ever. */
static void signals_child(void)
{
	struct sgx_os os = *__real_sgx_os();
	struct enclave_run run = {.tcs = 0x12345000};
	pthread_t t;

	os.enter_function = spin_function;
	if (sgx_enter_init(&os, TICK) ||
		sgx_thread_init((struct enclave *)(void *)arrived))
		_exit(1);
	arrived[16] = 0;
	spinning = pthread_self();
	pthread_create(&t, NULL, tick_soon, NULL);
	alarm(1);
	sgx_enter(0, (uintptr_t)arrived, 0, SGX_EENTER, 0, 0, &run);
	_exit(2); /* a tick sent it back */
}

static void trap_child(void)
{
	struct sgx_os os = *__real_sgx_os();

	os.enter_function = spin_function;
	if (sgx_enter_init(&os, TICK))
		_exit(1);
	__asm__ volatile("int3");
	_exit(2);
}

static int ends_with(void (*child)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		signal(SIGALRM, SIG_DFL);
		child();
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

static void test_signals_elsewhere(void **state)
{
	(void)state;
	assert_int_equal(ends_with(signals_child), SIGALRM);
	assert_int_equal(ends_with(trap_child), SIGTRAP);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_signals_elsewhere),
		cmocka_unit_test(test_vdso_function),
		cmocka_unit_test(test_vdso_truncated),
		cmocka_unit_test(test_vdso_spoilt),
		cmocka_unit_test(test_cpu),
		cmocka_unit_test(test_touch),
		cmocka_unit_test(test_reserve),
		cmocka_unit_test(test_map),
		cmocka_unit_test(test_enter_function),
	};

	return cmocka_run_group_tests(tests, find_vdso, NULL);
}

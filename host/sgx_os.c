/* SPDX-License-Identifier: Apache-2.0 */
/* The machine as it is: Linux and its SGX driver. */
#include "host/sgx_os.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "abi/layout.h"

static int os_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static void os_close(int fd)
{
	close(fd);
}

static int os_ioctl(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) < 0 ? -errno : 0;
}

static int map(uint64_t addr, uint64_t len, int prot, int flags, int fd)
{
	/* NOLINTNEXTLINE: the address is the interface */
	void *wanted = (void *)(uintptr_t)addr;
	void *got = mmap(wanted, len, prot, flags, fd, 0);

	if (got == MAP_FAILED)
		return -errno;
	if (got != wanted) { /* a kernel without MAP_FIXED_NOREPLACE */
		munmap(got, len);
		return -EEXIST;
	}
	return 0;
}

static int os_reserve(uint64_t addr, uint64_t len)
{
	return map(addr, len, PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
			MAP_FIXED_NOREPLACE,
		-1);
}

/* The driver refuses private mappings. */
static int os_map(int fd, uint64_t addr, uint64_t len, int prot)
{
	return map(addr, len, prot, MAP_SHARED | MAP_FIXED, fd);
}

static int os_protect(uint64_t addr, uint64_t len, int prot)
{
	return mprotect((void *)(uintptr_t)addr, len, prot) < 0 ? -errno : 0;
}

static void os_unmap(uint64_t addr, uint64_t len)
{
	munmap((void *)(uintptr_t)addr, len);
}

static int os_handle(int signo, const struct sigaction *action)
{
	return sigaction(signo, action, NULL) < 0 ? -errno : 0;
}

/*
 * One load per page, and where to go on when the kernel answers with a signal:
 * SIGBUS if it has no enclave page left. From outside the enclave the load
 * gives all ones and has no other effect (SDM vol. 3D, abort page semantics).
 */
int sgx_touch_pages(uint64_t addr, uint64_t end);
extern const char sgx_touch_load[], sgx_touch_refused[];
__asm__(".pushsection .text\n"
	".globl sgx_touch_pages, sgx_touch_load, sgx_touch_refused\n"
	".hidden sgx_touch_pages, sgx_touch_load, sgx_touch_refused\n"
	".type sgx_touch_pages, @function\n"
	"sgx_touch_pages:\n"
	"	xorl %eax, %eax\n"
	"sgx_touch_load:\n"
	"	movb (%rdi), %cl\n"
	"	addq $4096, %rdi\n"
	"	cmpq %rsi, %rdi\n"
	"	jb sgx_touch_load\n"
	"	ret\n"
	"sgx_touch_refused:\n"
	"	movl $1, %eax\n"
	"	ret\n"
	".popsection\n");

static void refused(int signo, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;

	if (info->si_code > 0 &&
		(uintptr_t)regs[REG_RIP] == (uintptr_t)sgx_touch_load) {
		regs[REG_RIP] = (greg_t)(uintptr_t)sgx_touch_refused;
		return;
	}
	/* Anything else is a bug: die of it as without a handler. */
	signal(signo, SIG_DFL);
	if (info->si_code <= 0) /* was sent, so does not come again */
		raise(signo);
}

static void touch_setup(void)
{
	struct sigaction action = {
		.sa_sigaction = refused, .sa_flags = SA_SIGINFO};

	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
}

static int os_touch(uint64_t addr, uint64_t len)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, touch_setup);
	return sgx_touch_pages(addr, addr + len) ? -ENOMEM : 0;
}

/* As long as the mapping of the vDSO is, which starts at base. */
static size_t vdso_size(uintptr_t base)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned long start, end;
	char line[512];
	size_t size = 0;

	while (f && !size && fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx", &start, &end) == 2 && start == base)
			size = end - start;
	if (f)
		fclose(f);
	return size;
}

static const void *os_enter_function(void)
{
	uintptr_t base = getauxval(AT_SYSINFO_EHDR);

	if (!base)
		return NULL;
	return sgx_vdso_find((void *)base, vdso_size(base),
		"__vdso_sgx_enter_enclave", "LINUX_2.6");
}

static void os_nap(unsigned int microseconds)
{
	struct timespec t = {.tv_nsec = (long)microseconds * 1000};

	nanosleep(&t, NULL);
}

static void os_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t regs[4])
{
	if (!__get_cpuid_count(
		    leaf, subleaf, &regs[0], &regs[1], &regs[2], &regs[3]))
		regs[0] = regs[1] = regs[2] = regs[3] = 0;
}

static uint64_t os_xcr0(void)
{
	uint32_t low, high, regs[4];

	os_cpuid(1, 0, regs);
	if (!(regs[2] >> 27 & 1)) /* OSXSAVE */
		return 0;
	__asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

static bool os_noexec(const char *path)
{
	struct statvfs fs;

	return !statvfs(path, &fs) && (fs.f_flag & ST_NOEXEC);
}

const struct sgx_os *sgx_os(void)
{
	static const struct sgx_os os = {
		.open = os_open,
		.close = os_close,
		.ioctl = os_ioctl,
		.reserve = os_reserve,
		.map = os_map,
		.protect = os_protect,
		.unmap = os_unmap,
		.touch = os_touch,
		.handle = os_handle,
		.enter_function = os_enter_function,
		.nap = os_nap,
		.cpuid = os_cpuid,
		.xcr0 = os_xcr0,
		.noexec = os_noexec,
	};

	return &os;
}

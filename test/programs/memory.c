/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Linux promises about memory, as one line per check. The same on the
 * machine itself and in an enclave. The argument is a folder to write in.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096 };

static sigjmp_buf back;
static volatile int code;
static int failures;

static void handler(int sig, siginfo_t *si, void *ctx)
{
	code = sig * 100 + si->si_code;
	siglongjmp(back, 1);
}

static int touch(volatile char *p, int write)
{
	code = 0;
	if (!sigsetjmp(back, 1)) {
		if (write)
			*p = 1;
		else
			(void)*p;
	}
	return code;
}

static int call(const void *p)
{
	code = 0;
	if (!sigsetjmp(back, 1))
		((void (*)(void))(uintptr_t)p)();
	return code;
}

static void check(const char *what, long got, long want)
{
	if (got != want) {
		printf("FAILED %s: %ld, wanted %ld\n", what, got, want);
		failures++;
	}
}

#define MAPERR (SIGSEGV * 100 + SEGV_MAPERR)
#define ACCERR (SIGSEGV * 100 + SEGV_ACCERR)
#define ADRERR (SIGBUS * 100 + BUS_ADRERR)
#define ERR(e) ((e) == -1 ? errno : 0)

static char *map(size_t size, int prot)
{
	return mmap(NULL, size, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void anonymous(void)
{
	char *p = map(8 * PAGE, PROT_READ | PROT_WRITE), *q;

	check("fresh memory is zero", p[5 * PAGE + 3], 0);
	check("write", touch(p, 1), 0);
	mprotect(p, PAGE, PROT_READ);
	check("read of read-only", touch(p, 0), 0);
	check("write of read-only", touch(p, 1), ACCERR);
	mprotect(p, PAGE, PROT_NONE);
	check("read of PROT_NONE", touch(p, 0), ACCERR);
	mprotect(p, PAGE, PROT_READ | PROT_WRITE);
	check("content survives PROT_NONE", p[0], 1);
	check("execution of data", call(p), ACCERR);
	*p = (char)0xc3;
	mprotect(p, PAGE, PROT_READ | PROT_EXEC);
	check("execution of code", call(p), 0);
	munmap(p + 2 * PAGE, PAGE);
	check("read of a hole", touch(p + 2 * PAGE, 0), MAPERR);
	check("beside the hole", touch(p + 3 * PAGE, 1), 0);
	check("mprotect over a hole", ERR(mprotect(p, 4 * PAGE, PROT_READ)),
		ENOMEM);
	q = mmap(p + PAGE, 3 * PAGE, PROT_READ,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	check("MAP_FIXED_NOREPLACE", q == MAP_FAILED ? errno : 0, EEXIST);
	q = mmap(p + 2 * PAGE, PAGE, PROT_READ,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	check("MAP_FIXED_NOREPLACE in the hole", q == p + 2 * PAGE, 1);
	q = mmap(p, 8 * PAGE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	check("MAP_FIXED", q == p && p[0] == 0 && p[3 * PAGE] == 0, 1);
	p[0] = 2;
	madvise(p, 8 * PAGE, MADV_DONTNEED);
	check("MADV_DONTNEED", p[0], 0);
	q = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT,
		-1, 0);
	check("MAP_32BIT", (uintptr_t)q < 1ul << 31, 1);
	check("NULL", touch(NULL, 0), MAPERR);
	check("munmap of nothing", munmap(p, 8 * PAGE), 0);
	check("munmap unaligned", ERR(munmap(p + 1, PAGE)), EINVAL);
	check("munmap of size 0", ERR(munmap(p, 0)), EINVAL);
	q = mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check("mmap of size 0", q == MAP_FAILED ? errno : 0, EINVAL);
	q = mmap(NULL, PAGE, PROT_READ, MAP_ANONYMOUS, -1, 0);
	check("mmap without a kind", q == MAP_FAILED ? errno : 0, EINVAL);
	q = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 999, 0);
	check("mmap of no file", q == MAP_FAILED ? errno : 0, EBADF);
	q = mmap(
		NULL, 1ul << 62, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check("mmap of too much", q == MAP_FAILED ? errno : 0, ENOMEM);
}

static void remapping(void)
{
	char *p = map(64 * PAGE, PROT_READ | PROT_WRITE), *q;

	for (int i = 0; i < 64; i++)
		p[i * PAGE] = (char)i;
	q = mremap(p, 64 * PAGE, 32 * PAGE, 0);
	check("mremap shrinks in place", q == p, 1);
	check("behind it", touch(p + 32 * PAGE, 0), MAPERR);
	mmap(p + 32 * PAGE, PAGE, PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	q = mremap(p, 32 * PAGE, 64 * PAGE, 0);
	check("mremap without room", q == MAP_FAILED ? errno : 0, ENOMEM);
	q = mremap(p, 32 * PAGE, 256 * PAGE, MREMAP_MAYMOVE);
	check("mremap moves", q != MAP_FAILED && q != p, 1);
	check("old place", touch(p, 0), MAPERR);
	for (int i = 0; i < 32; i++)
		check("moved content", q[i * PAGE], i);
	check("grown part", q[200 * PAGE], 0);
	q = mremap(q + 1, PAGE, PAGE, MREMAP_MAYMOVE);
	check("mremap unaligned", q == MAP_FAILED ? errno : 0, EINVAL);
}

static void files(const char *folder)
{
	char path[512], buf[16] = {0};
	char *p, *q;
	int fd;

	snprintf(path, sizeof(path), "%s/memory-test", folder);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	check("open", fd >= 0, 1);
	check("ftruncate", ftruncate(fd, 3 * PAGE + 100), 0);
	pwrite(fd, "hello", 5, PAGE);
	p = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	check("private", memcmp(p + PAGE, "hello", 6), 0);
	check("tail of the last page", p[3 * PAGE + 101], 0);
	check("behind the end", touch(p + 4 * PAGE, 0), ADRERR);
	p[PAGE] = 'J';
	pread(fd, buf, 5, PAGE);
	check("private stays private", memcmp(buf, "hello", 5), 0);
	munmap(p, 8 * PAGE);
	p = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, PAGE);
	check("shared", memcmp(p, "hello", 6), 0);
	memcpy(p, "HELLO", 5);
	p[PAGE] = 'x';
	check("msync", msync(p, 3 * PAGE, MS_SYNC), 0);
	pread(fd, buf, 5, PAGE);
	check("msync writes", memcmp(buf, "HELLO", 5), 0);
	p[1] = 'i';
	munmap(p, 3 * PAGE);
	pread(fd, buf, 5, PAGE);
	check("munmap writes", memcmp(buf, "HiLLO", 5), 0);
	check("length stays", lseek(fd, 0, SEEK_END), 3 * PAGE + 100);
	close(fd);
	fd = open(path, O_RDONLY);
	q = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	check("shared write of O_RDONLY", q == MAP_FAILED ? errno : 0, EACCES);
	q = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, PAGE);
	check("shared read", memcmp(q, "HiLLO", 5), 0);
	check("mprotect of it", ERR(mprotect(q, PAGE, PROT_WRITE)), EACCES);
	close(fd);
	check("mapping outlives the descriptor", q[0], 'H');
	fd = open(path, O_WRONLY);
	q = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	check("mmap of O_WRONLY", q == MAP_FAILED ? errno : 0, EACCES);
	close(fd);
	unlink(path);
}

static void in_memory(void)
{
	int fd = memfd_create("memory-test", 0);
	char buf[8] = {0};
	char *p, *q;

	check("memfd_create", fd >= 0, 1);
	check("ftruncate", ftruncate(fd, 4 * PAGE), 0);
	p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	memcpy(p + PAGE, "abc", 4);
	pread(fd, buf, 4, PAGE);
	check("memfd: read sees the mapping", memcmp(buf, "abc", 4), 0);
	pwrite(fd, "XYZ", 3, PAGE);
	check("memfd: the mapping sees write", memcmp(p + PAGE, "XYZ", 4), 0);
	munmap(p, 4 * PAGE);
	q = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, PAGE);
	check("memfd: content stays", memcmp(q, "XYZ", 4), 0);
	check("memfd: behind the end",
		touch(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 8 * PAGE), 0),
		ADRERR);
	close(fd);
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		-1, 0);
	check("shared anonymous", touch(p, 1), 0);
}

/* Not through libc: musl has no sbrk. */
static char *set_break(char *p)
{
	return (char *)syscall(SYS_brk, p);
}

static void heap(void)
{
	char *start = set_break(NULL), *end = start + (1 << 20);

	check("brk", set_break(end) == end, 1);
	check("heap", touch(end - 1, 1), 0);
	check("brk back", set_break(start) == start, 1);
	check("behind the heap",
		touch((char *)(((uintptr_t)start + 2 * PAGE) & -PAGE), 0),
		MAPERR);
	check("brk of nonsense", set_break((char *)1) == start, 1);
}

static void residency(void)
{
	char *p = map(4 * PAGE, PROT_READ | PROT_WRITE);
	unsigned char vec[4] = {0};

	p[0] = 1;
	check("mincore", mincore(p, 4 * PAGE, vec), 0);
	check("mincore sees", vec[0] & 1, 1);
	munmap(p + PAGE, PAGE);
	check("mincore of a hole", ERR(mincore(p, 4 * PAGE, vec)), ENOMEM);
	check("mlock", mlock(p, PAGE), 0);
	check("munlock", munlock(p, PAGE), 0);
	check("mlock of a hole", ERR(mlock(p + PAGE, PAGE)), ENOMEM);
	check("madvise of a hole", ERR(madvise(p, 4 * PAGE, MADV_DONTNEED)),
		ENOMEM);
	check("madvise of nonsense", ERR(madvise(p, PAGE, 9999)), EINVAL);
	check("membarrier", syscall(SYS_membarrier, 0, 0, 0) >= 0, 1);
}

static void clocks(void)
{
	static const clockid_t ids[] = {CLOCK_REALTIME, CLOCK_MONOTONIC,
		CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME, CLOCK_REALTIME_COARSE,
		CLOCK_MONOTONIC_COARSE, CLOCK_PROCESS_CPUTIME_ID,
		CLOCK_THREAD_CPUTIME_ID};
	struct timespec a, b, raw;
	struct timeval tv;
	unsigned cpu;

	check("vDSO", getauxval(AT_SYSINFO_EHDR) != 0, 1);
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		check("clock_gettime", clock_gettime(ids[i], &a), 0);
		check("clock_gettime again", clock_gettime(ids[i], &b), 0);
		check("forwards",
			b.tv_sec > a.tv_sec ||
				(b.tv_sec == a.tv_sec &&
					b.tv_nsec >= a.tv_nsec),
			1);
	}
	check("clock 99", ERR(clock_gettime(99, &a)), EINVAL);
	clock_gettime(CLOCK_MONOTONIC, &a);
	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &raw);
	check("vDSO and system call agree",
		labs((raw.tv_sec - a.tv_sec) * 1000000000 + raw.tv_nsec -
			a.tv_nsec) < 50000000,
		1);
	clock_gettime(CLOCK_REALTIME, &a);
	gettimeofday(&tv, NULL);
	check("gettimeofday", labs(tv.tv_sec - a.tv_sec) <= 1, 1);
	check("time", labs(time(NULL) - a.tv_sec) <= 1, 1);
	cpu = (unsigned)sched_getcpu();
	check("processor", cpu < 4096, 1);
	check("clock_getres", clock_getres(CLOCK_MONOTONIC, &a), 0);
}

static void vectors(void)
{
	check("AT_PAGESZ", (long)getauxval(AT_PAGESZ), PAGE);
	check("AT_PHDR", getauxval(AT_PHDR) != 0, 1);
	check("AT_ENTRY", getauxval(AT_ENTRY) != 0, 1);
	check("AT_RANDOM", getauxval(AT_RANDOM) != 0, 1);
	check("AT_SECURE", (long)getauxval(AT_SECURE), 0);
	check("AT_CLKTCK", (long)getauxval(AT_CLKTCK), 100);
	check("AT_PLATFORM", strcmp((char *)getauxval(AT_PLATFORM), "x86_64"),
		0);
	check("AT_UID", (long)getauxval(AT_UID), (long)getuid());
	check("AT_EXECFN", access((char *)getauxval(AT_EXECFN), X_OK), 0);
}

int main(int argc, char **argv)
{
	const struct sigaction sa = {
		.sa_sigaction = handler, .sa_flags = SA_SIGINFO};

	if (argc < 2)
		return 2;
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	anonymous();
	remapping();
	files(argv[1]);
	in_memory();
	heap();
	residency();
	clocks();
	vectors();
	printf("%d failures\n", failures);
	return failures != 0;
}

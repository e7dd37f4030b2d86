/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table of probes. Each one looks at one thing and writes what it saw; the
 * table says what the absence means and what helps. Anything that could end
 * or change the process is tried in a child.
 */
#include "host/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/platform/x86.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi/layout.h"
#include "host/aesm.h"
#include "host/probe_sgx.h"

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif
#ifndef HWCAP2_FSGSBASE
#define HWCAP2_FSGSBASE 2
#endif

struct probe {
	const char *name, *what;
	enum probe_need need;
	enum probe_state (*look)(char *seen, size_t size);
	const char *effect, *cure;
};

/* The first line of a file without its newline. 0 or -errno. */
static int read_line(const char *path, char *line, size_t size)
{
	FILE *f = fopen(path, "re");
	int ret = f == NULL ? -errno : 0;

	if (f == NULL)
		return ret;
	if (fgets(line, (int)size, f) == NULL)
		ret = -EIO;
	else
		line[strcspn(line, "\n")] = '\0';
	fclose(f);
	return ret;
}

static enum probe_state say(
	bool ok, char *seen, size_t size, const char *yes, const char *no)
{
	snprintf(seen, size, "%s", ok ? yes : no);
	return ok ? PROBE_OK : PROBE_MISSING;
}

static enum probe_state look_aesm(char *seen, size_t size)
{
	static const char path[] = "/var/run/aesmd/aesm.socket";
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), ret;

	memcpy(a.sun_path, path, sizeof(path));
	ret = s < 0 ? -1 : connect(s, (struct sockaddr *)&a, sizeof(a));
	snprintf(seen, size, "%s: %s", path,
		ret == 0 ? "answers" : strerror(errno));
	if (s >= 0)
		close(s);
	return ret == 0 ? PROBE_OK : PROBE_MISSING;
}

/* What asks for quotes, asked where it would ask. */
static enum probe_state look_las(char *seen, size_t size)
{
	struct sgx_targetinfo target;
	struct err e;
	int ret = aesm_target(NULL, &target, &e);

	snprintf(seen, size, "%.*s",
		ret == 0 ? (int)size : (int)strcspn(e.text, ";"),
		ret == 0 ? "answers" : e.text);
	return ret == 0 ? PROBE_OK : PROBE_MISSING;
}

/* 0 if the function returned true in a child of its own. */
static int in_child(bool (*try)(void))
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return -errno;
	if (pid == 0)
		_exit(try() ? 0 : 1);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ENOSYS;
}

static volatile char dispatch_selector; /* 0: system calls pass */

static void caught_sigsys(int sig)
{
	(void)sig;
	dispatch_selector = 0;
	_exit(0);
}

/* A system call while the selector blocks must become SIGSYS. */
static bool try_dispatch(void)
{
	struct sigaction sa = {.sa_handler = caught_sigsys};

	sigaction(SIGSYS, &sa, NULL);
	if (prctl(PR_SET_SYSCALL_USER_DISPATCH, 1, 0, 0, &dispatch_selector) !=
		0)
		return false;
	dispatch_selector = 1;
	syscall(SYS_getppid);
	dispatch_selector = 0;
	return false;
}

static enum probe_state look_dispatch(char *seen, size_t size)
{
	return say(in_child(try_dispatch) == 0, seen, size,
		"works (tried in a child)", "prctl refuses it, or no SIGSYS");
}

static enum probe_state look_fsgsbase(char *seen, size_t size)
{
	return say(getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE, seen, size,
		"AT_HWCAP2 reports it", "AT_HWCAP2 does not report it");
}

/* The C library has these from its own start. */
static enum probe_state look_rdrand(char *seen, size_t size)
{
	return say(CPU_FEATURE_PRESENT(RDRAND), seen, size, "CPUID reports it",
		"CPUID reports none");
}

static enum probe_state look_xsave(char *seen, size_t size)
{
	return say(CPU_FEATURE_PRESENT(OSXSAVE) && CPU_FEATURE_PRESENT(XSAVEC),
		seen, size, "XSAVE and XSAVEC", "no XSAVE, or no XSAVEC");
}

static bool try_reserve(void)
{
	void *want = (void *)USER_START;
	void *got = mmap(want, ELRANGE_SIZE - USER_START, PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
			MAP_FIXED_NOREPLACE,
		-1, 0);

	return got == want;
}

static enum probe_state look_range(char *seen, size_t size)
{
	return say(in_child(try_reserve) == 0, seen, size,
		"0x10000 to 64 GiB can be reserved",
		"0x10000 to 64 GiB cannot be reserved");
}

static enum probe_state look_min_addr(char *seen, size_t size)
{
	char line[32];

	if (read_line("/proc/sys/vm/mmap_min_addr", line, sizeof(line)) < 0) {
		snprintf(seen, size, "cannot be read");
		return PROBE_UNKNOWN;
	}
	snprintf(seen, size, "%s", line);
	return strtoull(line, NULL, 10) <= USER_START ? PROBE_OK
						      : PROBE_MISSING;
}

static bool try_exec_memory(void)
{
	uint8_t *p = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return false;
	p[0] = 0xc3; /* ret */
	if (mprotect(p, PAGE_SIZE, PROT_READ | PROT_EXEC) != 0)
		return false;
	((void (*)(void))(uintptr_t)p)();
	return true;
}

static enum probe_state look_exec_memory(char *seen, size_t size)
{
	return say(in_child(try_exec_memory) == 0, seen, size,
		"written memory can be made executable",
		"written memory cannot be made executable");
}

static enum probe_state look_address_limit(char *seen, size_t size)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_AS, &r) != 0 || r.rlim_cur == RLIM_INFINITY) {
		snprintf(seen, size, "none");
		return PROBE_OK;
	}
	snprintf(seen, size, "%llu MiB", (unsigned long long)r.rlim_cur >> 20);
	return r.rlim_cur > ELRANGE_SIZE + (8ull << 30) ? PROBE_OK
							: PROBE_MISSING;
}

static enum probe_state look_overcommit(char *seen, size_t size)
{
	char line[32];

	if (read_line("/proc/sys/vm/overcommit_memory", line, sizeof(line)) <
		0) {
		snprintf(seen, size, "cannot be read");
		return PROBE_UNKNOWN;
	}
	snprintf(seen, size, "vm.overcommit_memory = %s", line);
	return strcmp(line, "2") != 0 ? PROBE_OK : PROBE_MISSING;
}

static enum probe_state look_maps(char *seen, size_t size)
{
	char line[32];

	if (read_line("/proc/sys/vm/max_map_count", line, sizeof(line)) < 0) {
		snprintf(seen, size, "cannot be read");
		return PROBE_UNKNOWN;
	}
	snprintf(seen, size, "%s", line);
	return strtoull(line, NULL, 10) >= 65530 ? PROBE_OK : PROBE_MISSING;
}

/* IORING_SETUP of one entry; the zeroed parameters are 120 bytes. */
static bool try_io_uring(void)
{
	uint64_t params[15] = {0};

	return syscall(SYS_io_uring_setup, 1, params) >= 0;
}

static enum probe_state look_io_uring(char *seen, size_t size)
{
	return say(in_child(try_io_uring) == 0, seen, size, "works",
		"the kernel or a container policy refuses it");
}

static enum probe_state look_seccomp(char *seen, size_t size)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[128];
	int mode = -1;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "Seccomp: %d", &mode) == 1)
			break;
	if (f != NULL)
		fclose(f);
	if (mode < 0) {
		snprintf(seen, size, "cannot be read");
		return PROBE_UNKNOWN;
	}
	return say(mode == 0, seen, size, "no filter",
		"a filter is active (container)");
}

static enum probe_state look_memory(char *seen, size_t size)
{
	uint64_t memory = probe_memory();

	if (memory == 0) {
		snprintf(seen, size, "cannot be read");
		return PROBE_UNKNOWN;
	}
	snprintf(seen, size, "%llu MiB for this process",
		(unsigned long long)memory >> 20);
	return memory >= 256ull << 20 ? PROBE_OK : PROBE_MISSING;
}

static enum probe_state look_cpus(char *seen, size_t size)
{
	unsigned cpus = probe_cpus();

	snprintf(seen, size, "%u", cpus);
	return cpus >= 2 ? PROBE_OK : PROBE_MISSING;
}

static enum probe_state look_files(char *seen, size_t size)
{
	struct rlimit r = {0};

	getrlimit(RLIMIT_NOFILE, &r);
	snprintf(seen, size, "%llu (hard limit %llu)",
		(unsigned long long)r.rlim_cur, (unsigned long long)r.rlim_max);
	return r.rlim_max >= 4096 ? PROBE_OK : PROBE_MISSING;
}

static enum probe_state look_kernel(char *seen, size_t size)
{
	struct utsname u = {0};
	unsigned major = 0, minor = 0;

	uname(&u);
	snprintf(seen, size, "Linux %.60s", u.release);
	if (sscanf(u.release, "%u.%u", &major, &minor) != 2)
		return PROBE_UNKNOWN;
	return major > 5 || (major == 5 && minor >= 11) ? PROBE_OK
							: PROBE_MISSING;
}

static const struct probe probes[] = {
	{"kernel", "Linux 5.11 or later", PROBE_BOTH, look_kernel,
		"no SGX driver and no system-call user dispatch",
		"install a newer kernel"},
	{"fsgsbase", "FSGSBASE for programs", PROBE_BOTH, look_fsgsbase,
		"the enclave's kernel cannot switch threads",
		"Linux 5.9 or later, without the boot option nofsgsbase"},
	{"rdrand", "RDRAND", PROBE_BOTH, look_rdrand,
		"no randomness that the host does not choose",
		"use a CPU with RDRAND; in a virtual machine pass it through"},
	{"xsave", "XSAVE and XSAVEC", PROBE_BOTH, look_xsave,
		"vector registers cannot be kept across switches",
		"use a CPU with XSAVEC; in a virtual machine pass it through"},
	{"sgx", "SGX", PROBE_HARDWARE, probe_sgx_cpu, "no hardware protection",
		"use a CPU with SGX and enable it in the firmware (SW Guard "
		"Extensions: Enabled); in a virtual machine have the host pass "
		"it through"},
	{"flc", "SGX launch control (FLC)", PROBE_HARDWARE, probe_sgx_flc,
		"own enclaves need Intel's launch token, and Linux has no "
		"driver",
		"enable flexible launch control in the firmware, unlocked"},
	{"edmm", "SGX2 dynamic memory (EDMM)", PROBE_HARDWARE, probe_sgx_edmm,
		"memory cannot be added to a running enclave",
		"use a CPU with SGX2 (Ice Lake servers or later)"},
	{"kss", "SGX key separation (KSS)", PROBE_HARDWARE, probe_sgx_kss,
		"no CONFIGID, so no manifest can be enforced",
		"use a CPU with KSS (all with SGX2) and enable it in the "
		"firmware"},
	{"exinfo", "SGX exception information", PROBE_HARDWARE,
		probe_sgx_exinfo,
		"page faults cannot be told from the host's lies",
		"use a CPU with EXINFO (all with SGX2)"},
	{"sgx_xfrm", "SGX with x87 and SSE state", PROBE_HARDWARE,
		probe_sgx_xfrm, "programs cannot use vector registers",
		"boot without noxsave; in a virtual machine pass XSAVE "
		"through"},
	{"sgx_size", "SGX enclaves of 64 GiB", PROBE_HARDWARE, probe_sgx_size,
		"the enclave's address range cannot be made",
		"use a CPU with 64-bit enclaves of 2^36 bytes or more"},
	{"epc", "SGX memory (EPC) of 64 MiB or more", PROBE_INFO, probe_sgx_epc,
		"the kernel swaps enclave pages: slow",
		"enlarge the processor reserved memory (PRMRR) in the "
		"firmware, "
		"or the virtual machine's EPC"},
	{"aex_notify", "SGX AEX-Notify", PROBE_INFO, probe_sgx_aex_notify,
		"nothing: no release uses it yet",
		"new microcode, and Linux 6.2 or later"},
	{"sgx_driver", "SGX driver", PROBE_HARDWARE, probe_sgx_driver,
		"no enclave can be made",
		"Linux 5.11 or later with CONFIG_X86_SGX; in a container add "
		"--device /dev/sgx_enclave"},
	{"sgx_access", "access to the SGX driver", PROBE_HARDWARE,
		probe_sgx_access, "no enclave can be made",
		"add the user to the group of /dev/sgx_enclave (often sgx) and "
		"log in again; in a container also add that group"},
	{"sgx_edmm_driver", "SGX driver with EDMM", PROBE_HARDWARE,
		probe_sgx_edmm_driver,
		"memory cannot be added to a running enclave",
		"Linux 6.0 or later"},
	{"sgx_vdso", "the kernel's way into enclaves", PROBE_HARDWARE,
		probe_sgx_vdso, "no enclave can be entered",
		"Linux 5.11 or later with CONFIG_X86_SGX, without the boot "
		"option vdso=0"},
	{"dev_exec", "/dev not mounted noexec", PROBE_HARDWARE,
		probe_sgx_dev_exec, "the kernel maps no code of enclaves",
		"mount -o remount,exec /dev; in a container it is the engine's "
		"to mount it so"},
	{"sgx_provision", "SGX provisioning device", PROBE_INFO,
		probe_sgx_provision,
		"no remote attestation by a quoting enclave of this user",
		"add the user to the group sgx_prv; in a container add "
		"--device /dev/sgx_provision. AESM needs it, programs do not"},
	{"aesm", "AESM service", PROBE_INFO, look_aesm,
		"no quotes through AESM",
		"install sgx-aesm-service and share its socket"},
	{"las", "quoting service", PROBE_INFO, look_las,
		"no quotes: `sconce cas start`, `sconce run --session` and "
		"/dev/attestation want them",
		"start `sconce las`, or name its socket in SCONCE_LAS"},
	{"syscall_dispatch", "system-call user dispatch", PROBE_EMULATED,
		look_dispatch,
		"a system call that was not rewritten would reach the host",
		"Linux 5.11 or later on x86-64; in a container allow prctl in "
		"the seccomp profile"},
	{"elrange", "the enclave's address range", PROBE_BOTH, look_range,
		"the enclave cannot be placed",
		"raise RLIMIT_AS (ulimit -v unlimited) and set "
		"vm.mmap_min_addr to 65536 or less"},
	{"mmap_min_addr", "vm.mmap_min_addr at most 65536", PROBE_BOTH,
		look_min_addr, "the lowest enclave pages cannot be mapped",
		"sysctl -w vm.mmap_min_addr=65536"},
	{"address_limit", "no limit on address space", PROBE_BOTH,
		look_address_limit, "the enclave's 64 GiB range does not fit",
		"ulimit -v unlimited"},
	{"exec_memory", "executable private memory", PROBE_EMULATED,
		look_exec_memory, "programs cannot be loaded",
		"allow execmem in the security policy"},
	{"overcommit", "overcommit of memory", PROBE_EMULATED, look_overcommit,
		"reservations count as memory",
		"sysctl -w vm.overcommit_memory=0"},
	{"max_map_count", "vm.max_map_count at least 65530", PROBE_INFO,
		look_maps, "programs with many mappings run out of them",
		"sysctl -w vm.max_map_count=262144"},
	{"memory", "memory (256 MiB or more)", PROBE_INFO, look_memory,
		"larger programs end with out of memory",
		"raise the memory limit of the container"},
	{"cpus", "two processors or more", PROBE_INFO, look_cpus,
		"host calls and the enclave share one processor",
		"give the container or machine a second one"},
	{"files", "open files (4096 or more)", PROBE_INFO, look_files,
		"servers run out of connections", "raise ulimit -n"},
	{"io_uring", "io_uring", PROBE_INFO, look_io_uring,
		"host calls are served by threads only",
		"kernel.io_uring_disabled=0, and a seccomp profile that "
		"allows it"},
	{"seccomp", "no seccomp filter", PROBE_INFO, look_seccomp,
		"host calls may be refused by the container's policy",
		"only if calls fail: --security-opt seccomp=unconfined"},
};
_Static_assert(ARRAY_SIZE(probes) <= PROBE_MAX, "room in the report");

static char fallback[256];

/* These need a child: not at every start of a program. */
static bool is_slow(const struct probe *p)
{
	return p->look == look_dispatch || p->look == look_range ||
		p->look == look_exec_memory || p->look == look_io_uring ||
		p->look == look_las;
}

/* What to look at: all there is, or what the start of a mode depends on and
 * takes little time. CPUID costs some ten microseconds in a virtual machine. */
enum { LOOK_ALL, LOOK_EMULATED, LOOK_HARDWARE };

static bool is_wanted(const struct probe *p, int which)
{
	if (which == LOOK_ALL)
		return true;
	return !is_slow(p) &&
		(p->need == PROBE_BOTH ||
			p->need ==
				(which == LOOK_HARDWARE ? PROBE_HARDWARE
							: PROBE_EMULATED));
}

static void look_at(struct probe_report *report, int which)
{
	*report = (struct probe_report){0};
	for (size_t i = 0; i < ARRAY_SIZE(probes); i++) {
		const struct probe *p = &probes[i];
		struct probe_result *r = &report->result[report->count];

		if (!is_wanted(p, which))
			continue;
		report->count++;
		r->name = p->name;
		r->what = p->what;
		r->need = p->need;
		r->effect = p->effect;
		r->cure = p->cure;
		r->state = p->look(r->seen, sizeof(r->seen));
	}
}

/* The first thing that a mode lacks, NULL if it has all. */
static const struct probe_result *first_missing(
	const struct probe_report *report, enum probe_need need)
{
	for (size_t i = 0; i < report->count; i++) {
		const struct probe_result *r = &report->result[i];

		if ((r->need == need || r->need == PROBE_BOTH) &&
			r->state == PROBE_MISSING)
			return r;
	}
	return NULL;
}

void probe_machine(struct probe_report *report)
{
	const struct probe_result *no_hardware, *no_emulation;

	look_at(report, LOOK_ALL);
	no_hardware = first_missing(report, PROBE_HARDWARE);
	no_emulation = first_missing(report, PROBE_EMULATED);
	report->hardware_possible = no_hardware == NULL;
	report->emulated_possible = no_emulation == NULL;
	report->mode = no_hardware == NULL ? LAUNCH_HARDWARE
		: no_emulation == NULL     ? LAUNCH_EMULATED
					   : LAUNCH_AUTO;
	if (no_hardware == NULL)
		snprintf(report->reason, sizeof(report->reason),
			"this machine has all it needs");
	else if (no_emulation != NULL)
		snprintf(report->reason, sizeof(report->reason),
			"no mode works here: %s is missing",
			no_emulation->what);
	else
		snprintf(report->reason, sizeof(report->reason),
			"hardware mode lacks: %s", no_hardware->what);
}

static int explain(const char *mode, const struct probe_result *r,
	const char *or_else, struct err *e)
{
	return err_setf(e, -ENODEV, "%s mode needs %s: %s; without it %s; %s%s",
		mode, r->what, r->seen, r->effect, r->cure, or_else);
}

int probe_mode(enum launch_mode wanted, enum launch_mode *mode, struct err *e)
{
	static struct probe_report report; /* large; one caller */
	const struct probe_result *r;

	if (wanted == LAUNCH_HARDWARE ||
		(wanted == LAUNCH_AUTO && probe_sgx_device())) {
		look_at(&report,
			wanted == LAUNCH_HARDWARE ? LOOK_ALL : LOOK_HARDWARE);
		r = first_missing(&report, PROBE_HARDWARE);
		if (r == NULL) {
			*mode = LAUNCH_HARDWARE;
			return 0;
		}
		explain("hardware", r, ", or use --mode emulated", e);
		if (wanted == LAUNCH_HARDWARE)
			return -ENODEV;
		snprintf(fallback, sizeof(fallback), "%s: %s; %s", r->what,
			r->seen, r->cure);
	}
	look_at(&report, LOOK_EMULATED);
	r = first_missing(&report, PROBE_EMULATED);
	if (r != NULL)
		return explain("emulated", r, "", e);
	*mode = LAUNCH_EMULATED;
	return 0;
}

const char *probe_fallback(void)
{
	return fallback[0] ? fallback : NULL;
}

int probe_explain(enum launch_mode mode, struct err *e)
{
	static struct probe_report report; /* large; one caller */
	const struct probe_result *r;

	look_at(&report, LOOK_ALL);
	r = first_missing(&report,
		mode == LAUNCH_HARDWARE ? PROBE_HARDWARE : PROBE_EMULATED);
	if (r == NULL)
		return 0;
	return explain(
		mode == LAUNCH_HARDWARE ? "hardware" : "emulated", r, "", e);
}

unsigned probe_cpus(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 1;
	return CPU_COUNT(&set) > 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

uint64_t probe_memory(void)
{
	static const char *const files[] = {"/sys/fs/cgroup/memory.max",
		"/sys/fs/cgroup/memory/memory.limit_in_bytes"};
	long pages = sysconf(_SC_PHYS_PAGES);
	uint64_t memory = pages > 0 ? (uint64_t)pages * PAGE_SIZE : 0;
	char line[64];

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		uint64_t limit;

		if (read_line(files[i], line, sizeof(line)) < 0 ||
			strcmp(line, "max") == 0)
			continue;
		limit = strtoull(line, NULL, 10);
		if (limit > 0 && (memory == 0 || limit < memory))
			memory = limit;
	}
	return memory;
}

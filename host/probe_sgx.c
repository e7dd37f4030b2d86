/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What hardware mode needs of the processor, the kernel and the permissions.
 * Everything is asked through struct sgx_os, so that a model can stand for
 * machines that are not at hand.
 */
#include "host/probe_sgx.h"

#include <asm/sgx.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "abi/layout.h"
#include "abi/sgx.h"
#include "host/sgx_cpu.h"

enum { EPC_ENOUGH = 64 << 20 };

static enum probe_state say(enum probe_state state, char *seen, size_t size,
	const char *fmt, ...) __attribute__((format(printf, 4, 5)));
static enum probe_state say(
	enum probe_state state, char *seen, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(seen, size, fmt, ap);
	va_end(ap);
	return state;
}

static enum probe_state yes_no(
	bool ok, char *seen, size_t size, const char *yes, const char *no)
{
	return say(
		ok ? PROBE_OK : PROBE_MISSING, seen, size, "%s", ok ? yes : no);
}

/* CPUID, once: it costs some ten microseconds in a virtual machine. */
static const struct sgx_cpu *cpu(void)
{
	static struct sgx_cpu c;
	static bool read;

	if (!read)
		sgx_cpu_read(sgx_os(), &c);
	read = true;
	return &c;
}

enum probe_state probe_sgx_cpu(char *seen, size_t size)
{
	return yes_no(cpu()->sgx1, seen, size, "CPUID reports SGX1",
		cpu()->known ? "CPUID knows SGX, but it is switched off"
			     : "CPUID reports none");
}

enum probe_state probe_sgx_flc(char *seen, size_t size)
{
	return yes_no(cpu()->flc, seen, size, "CPUID reports it",
		"CPUID reports none");
}

enum probe_state probe_sgx_edmm(char *seen, size_t size)
{
	return yes_no(cpu()->sgx2, seen, size, "CPUID reports SGX2",
		"CPUID reports no SGX2");
}

enum probe_state probe_sgx_kss(char *seen, size_t size)
{
	return yes_no(cpu()->attributes & SGX_ATTR_KSS, seen, size,
		"CPUID allows KSS", "CPUID allows no KSS");
}

enum probe_state probe_sgx_exinfo(char *seen, size_t size)
{
	return yes_no(cpu()->miscselect & SGX_MISC_EXINFO, seen, size,
		"CPUID allows EXINFO", "CPUID allows no EXINFO");
}

enum probe_state probe_sgx_xfrm(char *seen, size_t size)
{
	bool ok = (cpu()->xfrm & XFRM_REQUIRED) == XFRM_REQUIRED;

	return say(ok ? PROBE_OK : PROBE_MISSING, seen, size, "XFRM 0x%llx",
		(unsigned long long)cpu()->xfrm);
}

enum probe_state probe_sgx_size(char *seen, size_t size)
{
	bool ok = cpu()->size_max >= ELRANGE_SIZE;

	return say(ok ? PROBE_OK : PROBE_MISSING, seen, size,
		"%llu GiB at most", (unsigned long long)cpu()->size_max >> 30);
}

enum probe_state probe_sgx_epc(char *seen, size_t size)
{
	bool ok = cpu()->epc >= EPC_ENOUGH;

	return say(ok ? PROBE_OK : PROBE_MISSING, seen, size, "%llu MiB",
		(unsigned long long)cpu()->epc >> 20);
}

enum probe_state probe_sgx_aex_notify(char *seen, size_t size)
{
	return yes_no(cpu()->attributes & SGX_ATTR_AEXNOTIFY, seen, size,
		"CPUID allows it", "CPUID allows none");
}

bool probe_sgx_device(void)
{
	int fd = sgx_os()->open(SGX_DEVICE);

	if (fd >= 0)
		sgx_os()->close(fd);
	return fd != -ENOENT;
}

static bool refused(int fd)
{
	return fd == -EACCES || fd == -EPERM;
}

enum probe_state probe_sgx_driver(char *seen, size_t size)
{
	int fd = sgx_os()->open(SGX_DEVICE);

	if (fd >= 0)
		sgx_os()->close(fd);
	if (fd >= 0 || refused(fd))
		return say(PROBE_OK, seen, size, SGX_DEVICE " is there");
	return say(PROBE_MISSING, seen, size, SGX_DEVICE ": %s", strerror(-fd));
}

enum probe_state probe_sgx_access(char *seen, size_t size)
{
	int fd = sgx_os()->open(SGX_DEVICE);

	if (fd >= 0)
		sgx_os()->close(fd);
	if (refused(fd))
		return say(PROBE_MISSING, seen, size, SGX_DEVICE ": %s",
			strerror(-fd));
	if (fd < 0)
		return say(PROBE_UNKNOWN, seen, size, SGX_DEVICE ": %s",
			strerror(-fd));
	return say(PROBE_OK, seen, size, SGX_DEVICE " opens");
}

/* Older drivers do not know the number; newer ones refuse it before EINIT. */
enum probe_state probe_sgx_edmm_driver(char *seen, size_t size)
{
	struct sgx_enclave_restrict_permissions p = {0};
	int fd = sgx_os()->open(SGX_DEVICE), rc;

	if (fd < 0)
		return say(PROBE_UNKNOWN, seen, size, SGX_DEVICE ": %s",
			strerror(-fd));
	rc = sgx_os()->ioctl(fd, SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS, &p);
	sgx_os()->close(fd);
	if (rc == -ENOTTY)
		return say(
			PROBE_MISSING, seen, size, "the driver knows no EDMM");
	return say(PROBE_OK, seen, size, "the driver knows EDMM");
}

enum probe_state probe_sgx_vdso(char *seen, size_t size)
{
	return yes_no(sgx_os()->enter_function() != NULL, seen, size,
		"the vDSO has __vdso_sgx_enter_enclave",
		"the vDSO has no __vdso_sgx_enter_enclave");
}

enum probe_state probe_sgx_dev_exec(char *seen, size_t size)
{
	/* Of the device: in a container it may be a mount of its own. */
	return yes_no(!sgx_os()->noexec(SGX_DEVICE), seen, size,
		"not mounted noexec", "mounted noexec");
}

enum probe_state probe_sgx_provision(char *seen, size_t size)
{
	static const char path[] = "/dev/sgx_provision";
	int fd = sgx_os()->open(path);

	if (fd < 0)
		return say(PROBE_MISSING, seen, size, "%s: %s", path,
			strerror(-fd));
	sgx_os()->close(fd);
	return say(PROBE_OK, seen, size, "%s opens", path);
}

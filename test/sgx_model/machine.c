/* SPDX-License-Identifier: Apache-2.0 */
/* The processor's words about itself, and struct sgx_os of the model. */
#include "test/sgx_model/model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/sgx.h"
#include "emu/emu.h"

const struct sgx_os *__wrap_sgx_os(void);

struct sgx_model sgx_model;

enum { EAX, EBX, ECX, EDX };
enum { MODEL_FD = 1000, LOG_SIZE = 36 };

static bool lacks(uint32_t what)
{
	return sgx_model.lack & what;
}

static int os_open(const char *path)
{
	if (strcmp(path, SGX_DEVICE) != 0)
		return -ENOENT;
	if (lacks(LACK_DEVICE))
		return -ENOENT;
	return lacks(LACK_ACCESS) ? -EACCES : MODEL_FD;
}

/* The probes open the device, too, and make no enclave. */
static void os_close(int fd)
{
	if (fd != MODEL_FD || !model_enclave())
		return;
	model_thread_leave();
	model_driver_close();
}

static int os_ioctl(int fd, unsigned long request, void *arg)
{
	return fd == MODEL_FD ? model_ioctl(request, arg) : -EBADF;
}

/* The emulator reserves the addresses when the enclave is created. */
static int os_reserve(uint64_t addr, uint64_t len)
{
	(void)len;
	if (addr < 0x10000)
		return -EPERM;
	return sgx_model.min_addr_errno;
}

static int os_map(int fd, uint64_t addr, uint64_t len, int prot)
{
	if (sgx_model.map_errno)
		return sgx_model.map_errno;
	return fd == MODEL_FD ? model_map(addr, len, prot) : -EBADF;
}

static const void *os_enter_function(void)
{
	return lacks(LACK_VDSO) ? NULL : (const void *)model_vdso_enter;
}

static void os_nap(unsigned int microseconds)
{
	(void)microseconds; /* the model's time is quick */
	__atomic_fetch_add(&sgx_model.naps, 1, __ATOMIC_RELAXED);
}

static uint64_t os_xcr0(void)
{
	return lacks(LACK_XSAVE) ? 0 : emu_xfrm_supported();
}

static void leaf_sgx(uint32_t subleaf, uint32_t regs[4])
{
	if (lacks(LACK_SGX | LACK_ENABLED))
		return;
	switch (subleaf) {
	case 0:
		regs[EAX] = 1 | (lacks(LACK_SGX2) ? 0 : 2);
		regs[EBX] = lacks(LACK_EXINFO) ? 0 : SGX_MISC_EXINFO;
		regs[EDX] = (lacks(LACK_SIZE) ? 31 : LOG_SIZE) << 8 | 31;
		break;
	case 1:
		regs[EAX] = SGX_ATTR_DEBUG | SGX_ATTR_MODE64BIT |
			SGX_ATTR_PROVISIONKEY | SGX_ATTR_EINITTOKENKEY |
			(lacks(LACK_KSS) ? 0 : SGX_ATTR_KSS) |
			(lacks(LACK_AEX_NOTIFY) ? 0 : SGX_ATTR_AEXNOTIFY);
		regs[ECX] = (uint32_t)(SGX_XFRM_LEGACY | SGX_XFRM_AVX |
			SGX_XFRM_AVX512 | SGX_XFRM_PKRU);
		break;
	case 2: /* two sections of 96 and 160 MiB */
	case 3:
		regs[EAX] = 0x70000001u;
		regs[ECX] = (subleaf == 2 ? 0x6000000u : 0xa000000u) | 1;
		break;
	default:
		break;
	}
}

static void os_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t regs[4])
{
	memset(regs, 0, 4 * sizeof(*regs));
	if (leaf == 7 && subleaf == 0) {
		regs[EBX] = lacks(LACK_SGX) ? 0 : 1u << 2;
		regs[ECX] = lacks(LACK_FLC) ? 0 : 1u << 30;
	} else if (leaf == 0x12) {
		leaf_sgx(subleaf, regs);
	}
}

static bool os_noexec(const char *path)
{
	return lacks(LACK_EXEC) && !strcmp(path, SGX_DEVICE);
}

void sgx_model_reset(void)
{
	sgx_model = (struct sgx_model){
		.epc = 65536,
		.attributes_mask = SGX_ATTR_DEBUG | SGX_ATTR_MODE64BIT |
			SGX_ATTR_KSS | SGX_ATTR_AEXNOTIFY,
	};
}

static const struct {
	const char *name;
	uint32_t lack;
} lack_names[] = {{"sgx", LACK_SGX}, {"enabled", LACK_ENABLED},
	{"flc", LACK_FLC}, {"sgx2", LACK_SGX2}, {"kss", LACK_KSS},
	{"exinfo", LACK_EXINFO}, {"xsave", LACK_XSAVE}, {"size", LACK_SIZE},
	{"device", LACK_DEVICE}, {"access", LACK_ACCESS}, {"edmm", LACK_EDMM},
	{"vdso", LACK_VDSO}, {"exec", LACK_EXEC},
	{"aex_notify", LACK_AEX_NOTIFY}, {"execmem", LACK_EXECMEM}};

static void set(const char *name, const char *value)
{
	unsigned int n = (unsigned int)strtoul(value, NULL, 0);

	for (size_t i = 0; i < sizeof(lack_names) / sizeof(lack_names[0]); i++)
		if (!strcmp(name, "no") && !strcmp(value, lack_names[i].name)) {
			sgx_model.lack |= lack_names[i].lack;
			return;
		}
	if (!strcmp(name, "epc")) /* pages */
		sgx_model.epc = strtoull(value, NULL, 0);
	else if (!strcmp(name, "signals"))
		sgx_model.signal_every = n;
	else if (!strcmp(name, "again"))
		sgx_model.again_every = n;
	else if (!strcmp(name, "conflict"))
		sgx_model.conflict_every = n;
	else if (!strcmp(name, "busy"))
		sgx_model.busy = n;
	else if (!strcmp(name, "init"))
		sgx_model.init_signals = n;
	else if (!strcmp(name, "suspend"))
		sgx_model.suspend_after = n;
	else if (!strcmp(name, "reserve"))
		sgx_model.min_addr_errno = -(int)n;
	else if (!strcmp(name, "faithful"))
		sgx_model.faithful = n;
	else {
		fprintf(stderr, "SCONCE_SGX_MODEL: unknown %s=%s\n", name,
			value);
		exit(2);
	}
}

void sgx_model_configure(const char *text)
{
	char *copy = strdup(text), *rest = copy, *item;

	while (copy && (item = strsep(&rest, ",")) != NULL) {
		char *value = strchr(item, '=');

		if (value) {
			*value = 0;
			set(item, value + 1);
		}
	}
	free(copy);
}

const struct sgx_os *__wrap_sgx_os(void)
{
	static const struct sgx_os os = {
		.open = os_open,
		.close = os_close,
		.ioctl = os_ioctl,
		.reserve = os_reserve,
		.map = os_map,
		.protect = model_protect,
		.unmap = model_unmap,
		.touch = model_touch,
		.handle = model_handle,
		.enter_function = os_enter_function,
		.nap = os_nap,
		.cpuid = os_cpuid,
		.xcr0 = os_xcr0,
		.noexec = os_noexec,
	};

	return &os;
}

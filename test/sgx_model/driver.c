/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver: one open file of /dev/sgx_enclave, its ioctls, its mappings and
 * its page faults. Which check comes first is as in Linux.
 */
#include "test/sgx_model/model.h"

#include <asm/sgx.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi/enclave_backend.h"
#include "emu/emu.h"
#include "emu/machine.h"

enum {
	VA_SLOTS = 512, /* one page of version array per so many pages */
	MIN_ADDR = 0x10000, /* vm.mmap_min_addr */
	/* A page: what it may be mapped with, its type, whether it is there. */
	PAGE_PROT = 7,
	PAGE_TYPE_SHIFT = 3,
	PAGE_THERE = 0x80,
	/* A mapping, per page: its permission, whether it is there. */
	MAP_THERE = 0x80,
};

static const struct enclave_backend *emu(void)
{
	return emu_backend();
}

static struct {
	pthread_mutex_t lock;
	bool in_ioctl;
	bool created, initialised;
	uint64_t base, size, attributes, page_count;
	struct enclave *enclave;
	uint8_t *page, *map; /* by page number */
	/* Pages so far, for things that happen at times. */
	unsigned int signal_turns, again_turns, conflict_turns;
} d = {.lock = PTHREAD_MUTEX_INITIALIZER};

enum { LIMIT_PAGES = 1 << 24 }; /* 64 GiB */

static uint8_t *table(void)
{
	void *p = mmap(NULL, LIMIT_PAGES, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static bool tables(void)
{
	if (!d.page)
		d.page = table();
	if (!d.map)
		d.map = table();
	return d.page && d.map;
}

struct enclave *model_enclave(void)
{
	return d.enclave;
}

static unsigned int page_type(uint64_t number)
{
	return d.page[number] >> PAGE_TYPE_SHIFT & 0xf;
}

static bool epc_take(void)
{
	if (!sgx_model.epc)
		return false;
	sgx_model.epc--;
	return true;
}

/* sgx_encl_grow and the page itself. */
static bool page_take(void)
{
	if (!epc_take())
		return false;
	if (d.page_count % VA_SLOTS == 0 && !epc_take()) {
		sgx_model.epc++;
		return false;
	}
	d.page_count++;
	return true;
}

/* Counted apart: two that alternate would never let a page pass. */
static bool every(unsigned int n, unsigned int *turns)
{
	return n && ++*turns % n == 0;
}

static bool zero(const void *data, size_t size)
{
	const uint8_t *p = data;

	while (size && !*p) {
		p++;
		size--;
	}
	return size == 0;
}

static int create(const struct sgx_enclave_create *arg)
{
	const struct sgx_secs *s = (const void *)(uintptr_t)arg->src;
	struct enclave_params params;

	if (d.created)
		return -EINVAL;
	if (!s->size || (s->size & (s->size - 1)))
		return -EINVAL;
	if (!tables() || !page_take())
		return -ENOMEM;
	if (sgx_model.suspended || s->size / SGX_PAGE_SIZE > LIMIT_PAGES ||
		s->base || /* ECREATE of others is the same; one table here */
		s->cet_leg_bitmap_offset || s->cet_attributes ||
		!zero(s->reserved1, sizeof(s->reserved1)) ||
		!zero(s->mrenclave, sizeof(s->mrenclave)) ||
		!zero(s->reserved2, sizeof(s->reserved2)) ||
		!zero(s->mrsigner, sizeof(s->mrsigner)) ||
		!zero(s->reserved3, sizeof(s->reserved3)) || s->isvprodid ||
		s->isvsvn || !zero(s->reserved4, sizeof(s->reserved4)))
		return -EIO;
	params = (struct enclave_params){
		.base = s->base,
		.size = s->size,
		.ssa_frame_pages = s->ssa_frame_pages,
		.miscselect = s->miscselect,
		/* The emulator knows no AEX-Notify. */
		.attributes = s->attributes.flags & ~SGX_ATTR_AEXNOTIFY,
		.xfrm = s->attributes.xfrm,
		.configsvn = s->configsvn,
	};
	memcpy(params.configid, s->configid, sizeof(params.configid));
	emu_configure(&(struct emu_config){
		.mode = sgx_model.faithful ? EMU_FAITHFUL : EMU_FAST,
		.tick_signal = model_tick_signal()});
	if (emu()->create(&params, &d.enclave))
		return -EIO;
	/* A page that is not accepted must fault, as on hardware. */
	d.enclave->epcm.hide_pending = true;
	d.base = s->base;
	d.size = s->size;
	d.attributes = s->attributes.flags;
	d.created = true;
	return 0;
}

static bool range_valid(uint64_t offset, uint64_t length)
{
	return offset % SGX_PAGE_SIZE == 0 && length &&
		length % SGX_PAGE_SIZE == 0 && offset + length >= offset &&
		offset + length - SGX_PAGE_SIZE < d.size;
}

static bool secinfo_valid(const struct sgx_secinfo *info)
{
	uint64_t perm = info->flags & SGX_SECINFO_RWX;
	uint64_t type = info->flags & SGX_SECINFO_TYPE;

	if (type != SGX_SECINFO_REG && type != SGX_SECINFO_TCS)
		return false;
	if ((perm & SGX_SECINFO_W) && !(perm & SGX_SECINFO_R))
		return false;
	if (type == SGX_SECINFO_TCS && perm)
		return false;
	if (info->flags & ~(SGX_SECINFO_RWX | SGX_SECINFO_TYPE))
		return false;
	return zero(info->reserved, sizeof(info->reserved));
}

/* Is the source memory there, and could it be made executable? */
static int source_check(uint64_t addr)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned long start, end;
	char line[512];
	int rc = -EFAULT;

	while (f && rc == -EFAULT && fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx", &start, &end) == 2 &&
			addr >= start && addr < end)
			rc = sgx_model.lack & LACK_EXECMEM ? -EACCES : 0;
	if (f)
		fclose(f);
	return rc;
}

static int add_page(const struct sgx_enclave_add_pages *arg,
	const struct sgx_secinfo *info, uint64_t at)
{
	uint64_t number = (arg->offset + at) / SGX_PAGE_SIZE;
	unsigned int type = (unsigned int)((info->flags & SGX_SECINFO_TYPE) >>
		SGX_SECINFO_TYPE_SHIFT);
	unsigned int prot = type == SGX_PT_TCS
		? PROT_READ | PROT_WRITE
		: (unsigned int)(info->flags & SGX_SECINFO_RWX);

	if (!page_take())
		return -ENOMEM;
	if (d.page[number] & PAGE_THERE)
		return -EBUSY;
	if (sgx_model.suspended ||
		emu()->add_pages(d.enclave, d.base + number * SGX_PAGE_SIZE,
			(const void *)(uintptr_t)(arg->src + at), SGX_PAGE_SIZE,
			info->flags, arg->flags & SGX_PAGE_MEASURE))
		return -EIO;
	d.page[number] = (uint8_t)(PAGE_THERE | type << PAGE_TYPE_SHIFT | prot);
	sgx_model.pages_added++;
	return 0;
}

static int add_pages(struct sgx_enclave_add_pages *arg)
{
	const struct sgx_secinfo *info = (const void *)(uintptr_t)arg->secinfo;
	uint64_t c;
	int rc = 0;

	if (!d.created || d.initialised)
		return -EINVAL;
	if (arg->src % SGX_PAGE_SIZE || !range_valid(arg->offset, arg->length))
		return -EINVAL;
	if (!secinfo_valid(info))
		return -EINVAL;
	for (c = 0; c < arg->length; c += SGX_PAGE_SIZE) {
		if (every(sgx_model.signal_every, &d.signal_turns)) {
			if (!c)
				rc = -EINTR; /* ERESTARTSYS, to the program */
			break;
		}
		rc = c ? 0 : source_check(arg->src);
		if (!rc)
			rc = add_page(arg, info, c);
		if (rc)
			break;
	}
	arg->count = c;
	return rc;
}

static int init(const struct sgx_enclave_init *arg)
{
	const struct sgx_sigstruct *sig =
		(const void *)(uintptr_t)arg->sigstruct;
	int rc;

	if (!d.created || d.initialised)
		return -EINVAL;
	if (sig->vendor != 0 && sig->vendor != 0x8086)
		return -EINVAL;
	if (d.attributes & ~sgx_model.attributes_mask)
		return -EACCES;
	if (sgx_model.init_signals) {
		sgx_model.init_signals--;
		return -EINTR;
	}
	if (sgx_model.suspended)
		return -EIO;
	rc = emu()->init(d.enclave, sig, sgx_model.mrenclave);
	if (rc)
		return rc > 0 ? -EPERM : -EIO;
	d.initialised = true;
	return 0;
}

static int edmm_ready(void)
{
	if (sgx_model.lack & LACK_SGX2)
		return -ENODEV;
	return d.initialised ? 0 : -EINVAL;
}

/* What every page of an EDMM ioctl can meet first. */
static int edmm_page(uint64_t number, __u64 *result)
{
	if (every(sgx_model.again_every, &d.again_turns))
		return -EAGAIN;
	if (!(d.page[number] & PAGE_THERE) || sgx_model.suspended)
		return -EFAULT;
	if (result && every(sgx_model.conflict_every, &d.conflict_turns)) {
		*result = SGX_EPC_PAGE_CONFLICT;
		return -EFAULT;
	}
	return 0;
}

static int leaf_result(int rc, __u64 *result)
{
	if (!rc)
		return 0;
	if (rc > 0)
		*result = (uint64_t)rc;
	return -EFAULT;
}

/* What ETRACK and the interrupts after it do: real pages follow. */
static void edmm_flush(uint64_t offset, uint64_t len)
{
	if (!len)
		return;
	epcm_apply(&d.enclave->epcm, d.base + offset, len);
	emu_etrack(d.enclave, d.base + offset, len);
}

static int restrict_permissions(struct sgx_enclave_restrict_permissions *p)
{
	uint64_t c;
	int rc = edmm_ready();

	if (rc)
		return rc;
	if (!range_valid(p->offset, p->length) ||
		(p->permissions & ~SGX_SECINFO_RWX) ||
		((p->permissions & SGX_SECINFO_W) &&
			!(p->permissions & SGX_SECINFO_R)) ||
		p->result || p->count)
		return -EINVAL;
	pthread_mutex_lock(&d.enclave->lock);
	for (c = 0; c < p->length; c += SGX_PAGE_SIZE) {
		uint64_t number = (p->offset + c) / SGX_PAGE_SIZE;

		rc = edmm_page(number, &p->result);
		if (!rc && page_type(number) != SGX_PT_REG)
			rc = -EINVAL;
		if (!rc)
			rc = leaf_result(
				emu_emodpr(d.enclave, d.base + p->offset + c,
					p->permissions),
				&p->result);
		if (rc)
			break;
	}
	edmm_flush(p->offset, c);
	pthread_mutex_unlock(&d.enclave->lock);
	p->count = c;
	return rc;
}

static int modify_page(uint64_t offset, unsigned int type, __u64 *result)
{
	uint64_t number = offset / SGX_PAGE_SIZE;
	uint8_t old;
	int rc = edmm_page(number, result);

	if (rc)
		return rc;
	old = d.page[number];
	if (page_type(number) != SGX_PT_REG &&
		!(page_type(number) == SGX_PT_TCS && type == SGX_PT_TRIM))
		return -EINVAL;
	if (page_type(number) == SGX_PT_REG && type == SGX_PT_TCS) {
		if (~old & (PROT_READ | PROT_WRITE))
			return -EPERM;
		d.page[number] =
			(uint8_t)((old & ~PAGE_PROT) | PROT_READ | PROT_WRITE);
	}
	rc = leaf_result(emu_emodt(d.enclave, d.base + offset,
				 (uint64_t)type << SGX_SECINFO_TYPE_SHIFT),
		result);
	if (rc) {
		d.page[number] = old;
		return rc;
	}
	d.page[number] = (uint8_t)((d.page[number] & (PAGE_THERE | PAGE_PROT)) |
		type << PAGE_TYPE_SHIFT);
	return 0;
}

static int modify_types(struct sgx_enclave_modify_types *p)
{
	uint64_t c;
	int rc = edmm_ready();

	if (rc)
		return rc;
	if (!range_valid(p->offset, p->length) || (p->page_type & ~0xffull) ||
		p->result || p->count)
		return -EINVAL;
	if (p->page_type != SGX_PT_TCS && p->page_type != SGX_PT_TRIM)
		return -EINVAL;
	pthread_mutex_lock(&d.enclave->lock);
	for (c = 0; c < p->length; c += SGX_PAGE_SIZE) {
		rc = modify_page(
			p->offset + c, (unsigned int)p->page_type, &p->result);
		if (rc)
			break;
	}
	edmm_flush(p->offset, c);
	pthread_mutex_unlock(&d.enclave->lock);
	p->count = c;
	return rc;
}

static int remove_pages(struct sgx_enclave_remove_pages *p)
{
	uint64_t c;
	int rc = edmm_ready();

	if (rc)
		return rc;
	if (!range_valid(p->offset, p->length) || p->count)
		return -EINVAL;
	pthread_mutex_lock(&d.enclave->lock);
	for (c = 0; c < p->length; c += SGX_PAGE_SIZE) {
		uint64_t number = (p->offset + c) / SGX_PAGE_SIZE;
		uint64_t addr = d.base + p->offset + c;

		rc = edmm_page(number, NULL);
		if (!rc && page_type(number) != SGX_PT_TRIM)
			rc = -EPERM;
		if (!rc && (*epcm_at(&d.enclave->epcm, addr) & EPCM_MODIFIED))
			rc = -EPERM; /* not accepted */
		if (rc)
			break;
		emu_eremove(d.enclave, addr);
		d.page[number] = 0;
		d.page_count--;
		sgx_model.epc++;
	}
	if (c)
		epcm_release(&d.enclave->epcm, d.base + p->offset, c);
	pthread_mutex_unlock(&d.enclave->lock);
	p->count = c;
	return rc;
}

static int dispatch(unsigned long request, void *arg)
{
	switch (request) {
	case SGX_IOC_ENCLAVE_CREATE:
		return create(arg);
	case SGX_IOC_ENCLAVE_ADD_PAGES:
		return add_pages(arg);
	case SGX_IOC_ENCLAVE_INIT:
		return init(arg);
	default:
		break;
	}
	if (sgx_model.lack & LACK_EDMM)
		return -ENOTTY;
	switch (request) {
	case SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS:
		return restrict_permissions(arg);
	case SGX_IOC_ENCLAVE_MODIFY_TYPES:
		return modify_types(arg);
	case SGX_IOC_ENCLAVE_REMOVE_PAGES:
		return remove_pages(arg);
	default:
		return -ENOTTY;
	}
}

int model_ioctl(unsigned long request, void *arg)
{
	int rc;

	sgx_model.ioctls++;
	if (sgx_model.busy) {
		sgx_model.busy--;
		return -EBUSY;
	}
	if (__atomic_test_and_set(&d.in_ioctl, __ATOMIC_ACQUIRE))
		return -EBUSY;
	if (sgx_model.slow)
		usleep(200);
	pthread_mutex_lock(&d.lock);
	rc = dispatch(request, arg);
	pthread_mutex_unlock(&d.lock);
	__atomic_clear(&d.in_ioctl, __ATOMIC_RELEASE);
	return rc;
}

void model_driver_close(void)
{
	if (d.enclave)
		emu()->destroy(d.enclave);
	if (d.page)
		munmap(d.page, LIMIT_PAGES);
	if (d.map)
		munmap(d.map, LIMIT_PAGES);
	d.enclave = NULL;
	d.page = d.map = NULL;
	d.created = d.initialised = false;
	d.page_count = d.size = 0;
}

/* sgx_encl_may_map */
static int may_map(uint64_t addr, uint64_t len, int prot)
{
	if (d.initialised && (addr < d.base || addr + len > d.base + d.size))
		return -EACCES;
	for (uint64_t n = addr / SGX_PAGE_SIZE;
		n < (addr + len) / SGX_PAGE_SIZE && d.page; n++)
		if ((d.page[n] & PAGE_THERE) && (~d.page[n] & prot & PAGE_PROT))
			return -EACCES;
	return 0;
}

/* The host's permissions of the emulator's pages follow the mapping's. */
static void follow(uint64_t addr, uint64_t len)
{
	uint64_t end = addr + len, stop;

	for (; addr < end; addr = stop) {
		uint64_t n = addr / SGX_PAGE_SIZE;
		uint8_t there = d.page[n] & PAGE_THERE, map = d.map[n];

		stop = addr + SGX_PAGE_SIZE;
		while (stop < end &&
			(d.page[stop / SGX_PAGE_SIZE] & PAGE_THERE) == there &&
			d.map[stop / SGX_PAGE_SIZE] == map)
			stop += SGX_PAGE_SIZE;
		if (there)
			emu()->protect(
				d.enclave, addr, stop - addr, map & PAGE_PROT);
	}
}

int model_map(uint64_t addr, uint64_t len, int prot)
{
	int rc;

	sgx_model.mappings++;
	if (addr < MIN_ADDR ||
		((prot & PROT_EXEC) && (sgx_model.lack & LACK_EXEC)))
		return -EPERM;
	pthread_mutex_lock(&d.lock);
	rc = may_map(addr, len, prot);
	if (!rc && tables()) {
		memset(d.map + addr / SGX_PAGE_SIZE, MAP_THERE | prot,
			len / SGX_PAGE_SIZE);
		follow(addr, len);
	}
	pthread_mutex_unlock(&d.lock);
	return rc;
}

int model_protect(uint64_t addr, uint64_t len, int prot)
{
	int rc = 0;

	sgx_model.mappings++;
	pthread_mutex_lock(&d.lock);
	for (uint64_t n = 0; n < len / SGX_PAGE_SIZE && !rc; n++)
		if (!(d.map[addr / SGX_PAGE_SIZE + n] & MAP_THERE))
			rc = -ENOMEM;
	if (!rc)
		rc = may_map(addr, len, prot);
	if (!rc) {
		memset(d.map + addr / SGX_PAGE_SIZE, MAP_THERE | prot,
			len / SGX_PAGE_SIZE);
		follow(addr, len);
	}
	pthread_mutex_unlock(&d.lock);
	return rc;
}

void model_unmap(uint64_t addr, uint64_t len)
{
	if (d.map)
		memset(d.map + addr / SGX_PAGE_SIZE, 0, len / SGX_PAGE_SIZE);
}

int sgx_model_mapped(uint64_t addr)
{
	uint8_t map = d.map ? d.map[addr / SGX_PAGE_SIZE] : 0;

	return map & MAP_THERE ? map & PAGE_PROT : -1;
}

/* sgx_vma_fault of a page; call with the lock held. */
static bool fault_page(uint64_t addr, int need)
{
	uint64_t n = addr / SGX_PAGE_SIZE;

	if (addr < d.base || addr >= d.base + d.size ||
		!(d.map[n] & MAP_THERE) || (need & ~d.map[n]) ||
		sgx_model.suspended)
		return false;
	if (d.page[n] & PAGE_THERE)
		return !(d.map[n] & PAGE_PROT & ~d.page[n]);
	if (!d.initialised || (sgx_model.lack & LACK_SGX2) || !page_take())
		return false;
	if (emu()->augment(d.enclave, addr, SGX_PAGE_SIZE, false))
		return false;
	d.page[n] = PAGE_THERE | SGX_PT_REG << PAGE_TYPE_SHIFT | PAGE_PROT;
	emu()->protect(d.enclave, addr, SGX_PAGE_SIZE, d.map[n] & PAGE_PROT);
	sgx_model.augmented++;
	return true;
}

int model_touch(uint64_t addr, uint64_t len)
{
	bool ok = true;

	pthread_mutex_lock(&d.lock);
	for (uint64_t end = addr + len; ok && addr < end; addr += SGX_PAGE_SIZE)
		ok = fault_page(addr, PROT_READ);
	pthread_mutex_unlock(&d.lock);
	return ok ? 0 : -ENOMEM; /* SIGBUS or SIGSEGV */
}

/* Only pages that were missing: what is there was refused by the processor. */
bool model_fault(uint64_t addr, int need)
{
	bool again;

	pthread_mutex_lock(&d.lock);
	again = addr >= d.base && addr < d.base + d.size &&
		!(d.page[addr / SGX_PAGE_SIZE] & PAGE_THERE) &&
		fault_page(addr & ~(uint64_t)(SGX_PAGE_SIZE - 1), need);
	pthread_mutex_unlock(&d.lock);
	sgx_model.demand += again;
	return again;
}

bool model_page_usable(uint64_t addr)
{
	uint64_t n = addr / SGX_PAGE_SIZE;
	bool ok;

	if (addr < d.base || addr >= d.base + d.size || !d.map)
		return true; /* the emulator refuses it */
	pthread_mutex_lock(&d.lock);
	ok = !(d.page[n] & PAGE_THERE) ||
		((d.map[n] & PROT_READ) &&
			!(d.map[n] & PAGE_PROT & ~d.page[n]));
	pthread_mutex_unlock(&d.lock);
	return ok;
}

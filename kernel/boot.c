/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the first entry to the first program.
 *
 * Everything the host passes is copied in once and checked: the boot
 * parameters, the launch configuration, the manifest (whose hash must be
 * CONFIGID), init (whose hash is compiled into the kernel and thereby part of
 * MRENCLAVE). What is refused ends the enclave with the reason.
 */
#include <linux/errno.h>
#include <linux/resource.h>
#include <stdarg.h>

#include "abi/entry.h"
#include "abi/ring.h"
#include "crypto/sha256.h"
#include "init_cas_hash.h"
#include "init_hash.h"
#include "kernel/aspace.h"
#include "kernel/boot.h"
#include "kernel/clock.h"
#include "kernel/cpu.h"
#include "kernel/crypto.h"
#include "kernel/exec.h"
#include "kernel/file.h"
#include "kernel/fpu.h"
#include "kernel/hostcall.h"
#include "kernel/identity.h"
#include "kernel/kalloc.h"
#include "kernel/klog.h"
#include "kernel/memfile.h"
#include "kernel/process.h"
#include "kernel/sched.h"
#include "kernel/service.h"
#include "kernel/shared.h"
#include "kernel/signal.h"
#include "kernel/socket.h"
#include "kernel/syscall.h"
#include "kernel/uio.h"
#include "kernel/vfs.h"
#include "kernel/volfs.h"
#include "kernel/vvar.h"
#include "lib/config.h"
#include "lib/string.h"
#include "lib/types.h"

enum {
	HEAP_READY_MIN = 1024 * 1024,
	MEMORY_MIN = 4 * 1024 * 1024,
};

void cpu_first_entry(uint64_t cmd, uint64_t arg, struct cpu *c)
	__attribute__((noreturn));

static struct boot_params params;
static struct config config;
static bool booted;

const struct config *boot_config(void)
{
	return &config;
}

uint64_t boot_flags(void)
{
	return params.flags;
}

uint64_t boot_memory(void)
{
	return params.memory_max;
}

void boot_refuse(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	klog_stop(PANIC_REFUSED, fmt, ap);
	/* cppcheck-suppress va_end_missing ; not reached */
}

static void read_params(uint64_t region)
{
	if (shared_init(region, RING_REGION_MIN))
		panic_host("shared region at 0x%lx", (unsigned long)region);
	shared_read(&params, 0, sizeof(params));
	if (params.version != BOOT_PARAMS_VERSION)
		boot_refuse(
			"boot parameters of version %lu; wanted %d: launcher "
			"and kernel are of different releases",
			(unsigned long)params.version, BOOT_PARAMS_VERSION);
	if (params.cpus < 1 || params.cpus > TCS_MAX)
		panic_host("%lu enclave threads", (unsigned long)params.cpus);
	if (params.heap_ready < HEAP_READY_MIN ||
		params.heap_ready > HEAP_END - HEAP_BASE ||
		params.heap_ready & PAGE_MASK)
		panic_host(
			"heap of %lu bytes", (unsigned long)params.heap_ready);
	if (params.memory_max < MEMORY_MIN ||
		params.memory_max > USER_END - USER_START)
		boot_refuse("--memory %lu: wanted %d MiB to 62 GiB",
			(unsigned long)params.memory_max,
			MEMORY_MIN / 1024 / 1024);
}

/* The configuration, out of untrusted memory before anything else uses the
 * data area. */
static void *read_config(void)
{
	uint64_t end;
	void *copy;

	if (!params.config_size || params.config_size > CONFIG_SIZE_MAX ||
		params.config_off & 7 || params.config_off < RING_DATA ||
		add_overflows(params.config_off, params.config_size, &end) ||
		end > shared_size())
		panic_host("launch configuration of %lu bytes",
			(unsigned long)params.config_size);
	copy = kmalloc(params.config_size);
	if (!copy)
		boot_refuse("no memory for a launch configuration of %lu bytes",
			(unsigned long)params.config_size);
	shared_read(copy, params.config_off, params.config_size);
	return copy;
}

/* With a manifest the identity must name it; without one it must be empty:
 * a development run. */
static void check_manifest(struct arena *arena)
{
	static const uint8_t none[64];
	static struct manifest m;
	uint8_t id[64], digest[64] = {0};
	struct err e = {0};

	identity_config_id(id);
	if (!config.manifest.size) {
		if (memcmp(id, none, sizeof(id)))
			boot_refuse(
				"CONFIGID names a manifest but the launcher "
				"gave none");
		return;
	}
	kernel_fpu_begin();
	sha256(config.manifest.data, config.manifest.size, digest);
	kernel_fpu_end();
	if (memcmp(id, digest, sizeof(id)))
		boot_refuse(
			"the manifest's hash is not CONFIGID: this is not the "
			"manifest the enclave was made for");
	if (params.flags & BOOT_TRACE)
		boot_refuse(
			"--trace shows the host what the program does: only "
			"without a manifest");
	if (manifest_decode(&m, config.manifest.data, config.manifest.size,
		    arena, &e) ||
		(m.cas.key ? service_prepare(&config, &m, &e)
			   : config_admit(&config, &m, params.memory_max,
				     params.cpus, arena, &e)))
		boot_refuse("%s", e.text);
}

static void decode_config(void *raw)
{
	size_t size = SCHEMA_ARENA_SIZE(params.config_size);
	struct arena arena;
	struct err e = {0};
	void *mem = kzalloc(size);

	if (!mem)
		boot_refuse("no memory for the launch configuration");
	arena_init(&arena, mem, size);
	if (config_decode(&config, raw, params.config_size, &arena, &e))
		boot_refuse("launch configuration: %s", e.text);
	check_manifest(&arena);
	if (!config.program && !service_is_on())
		boot_refuse("neither launcher nor manifest name a program");
}

static void init_xstate(void)
{
	void *scratch = kpages_alloc(1);
	uint32_t lo, hi;

	if (!scratch)
		boot_refuse("no memory for the XSAVE layout");
	__asm__("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	if (xstate_init((uint64_t)hi << 32 | lo, scratch))
		panic_host("impossible XSAVE layout");
	kpages_free(scratch, 1);
}

static int mount_all(struct err *e)
{
	const struct mount_spec *m = config.mounts.item;
	static const char *const kinds[] = {
		[MOUNT_HOST] = "host",
		[MOUNT_TMPFS] = "tmpfs",
		[MOUNT_PROC] = "proc",
		[MOUNT_DEV] = "dev",
		[MOUNT_SCONCE] = "sconce",
	};
	int err;

	vfs_init();
	err = volfs_mount_all(&config, true, e);
	for (size_t i = 0; !err && i < config.mounts.count; i++, m++) {
		err = vfs_mount(
			kinds[m->type], m->source, m->target, m->ro, m->size);
		if (err)
			err_setf(e, err, "mount %s (%s) failed: error %d",
				m->target, kinds[m->type], -err);
	}
	return err ? err : volfs_mount_all(&config, false, e);
}

static void limit(int which, uint64_t bound)
{
	init_process->rlimit[which][0] = bound;
	init_process->rlimit[which][1] = bound;
}

int boot_apply(const struct config *c, struct err *e)
{
	config = *c;
	signal_admit_from_host(c->signals);
	inetsock_allow(c->network);
	if (c->threads) /* init and the volumes' writer do not count */
		limit(RLIMIT_NPROC,
			c->threads + (uint64_t)init_process->thread_count +
				(c->volumes.count > 0));
	if (c->files)
		limit(RLIMIT_NOFILE, c->files);
	return mount_all(e);
}

/*
 * init in memory of the enclave, so that what is executed is what was
 * hashed: the host's file is read once.
 */
static struct file *load_init(void)
{
	struct file *memfile;
	uint8_t digest[SHA256_SIZE];
	/* Its size is known as its hash is; a byte more shows a longer one. */
	size_t size = 0,
	       cap = 1 +
		(service_is_on() ? (size_t)init_cas_hash_size
				 : (size_t)init_hash_size);
	uint8_t *data = kmalloc(cap);

	hostcall_fd_adopt((int)params.init_fd);
	if (!data)
		boot_refuse("no memory for init");
	for (;;) {
		struct uio u;
		int64_t n;

		uio_init_kernel(&u, data + size, cap - size);
		n = host_pread((int)params.init_fd, &u, cap - size, size);
		if (n < 0)
			boot_refuse("init cannot be read: error %ld", (long)-n);
		if (!n)
			break;
		size += (size_t)n;
		/* The hash says what it is not. */
		if (size == cap)
			break;
	}
	kernel_fpu_begin();
	sha256(data, size, digest);
	kernel_fpu_end();
	if (memcmp(digest, service_is_on() ? init_cas_hash : init_hash,
		    sizeof(digest)))
		boot_refuse(
			"init is not the program this kernel was built with "
			"(SHA-256 differs)");
	if (host_close((int)params.init_fd))
		panic_host("init cannot be closed");
	memfile = memfile_new(data, size);
	if (!memfile)
		boot_refuse("no memory for init");
	return memfile;
}

/* Standard streams; a descriptor that the launcher does not have stays
 * closed. */
static void open_streams(void)
{
	for (int fd = 0; fd < 3; fd++) {
		struct file *f;
		int err = file_new_host_stream(fd, &f);

		if (!err)
			err = fd_install_at(f, /*cloexec=*/false, fd);
		if (err < 0 && err != -EBADF)
			boot_refuse("standard stream %d: error %d", fd, -err);
	}
}

/* init -- PROGRAM ARGS..., its environment is the program's; or what
 * service_prepare() made. */
static void exec_first(struct file *init, struct trapframe *f)
{
	const char *const head[] = {"init", "--", config.program};
	size_t head_count = config.program ? ARRAY_SIZE(head) : 0;
	size_t n = config.args.count;
	const char **argv = kzalloc((head_count + n + 1) * sizeof(*argv));
	const char **envp = kzalloc((config.env.count + 1) * sizeof(*envp));
	struct err e = {0};
	int err;

	if (!argv || !envp)
		boot_refuse("no memory for the program's arguments");
	memcpy(argv, head, head_count * sizeof(*argv));
	if (n)
		memcpy(argv + head_count, config.args.item, n * sizeof(*argv));
	if (config.env.count)
		memcpy(envp, config.env.item, config.env.count * sizeof(*envp));
	err = exec_load_first(curproc, init, "/init", argv, envp, f, &e);
	if (err)
		boot_refuse("init does not start: %s (error %d)", e.text, -err);
	kfree(argv);
	kfree(envp);
}

/* The first thread's start: it becomes init. */
static void boot_init(struct trapframe *f)
{
	struct process *p = curproc;
	struct err e = {0};
	struct file *init;
	int err;

	hostcall_set_policy(params.flags & BOOT_CALLS_EXIT ? HOSTCALL_EXITS
			: params.flags & BOOT_CALLS_RING   ? HOSTCALL_RINGS
							   : HOSTCALL_AUTO);
	if (vdso_init())
		boot_refuse("no memory for the vDSO");
	clock_publish();
	err = boot_apply(&config, &e);
	if (err)
		boot_refuse("%s", e.text);
	p->files = fdtable_new();
	p->fs = fs_ctx_new();
	if (!p->files || !p->fs)
		boot_refuse("no memory for process 1");
	err = fs_ctx_chdir(p->fs, config.workdir ? config.workdir : "/");
	if (err)
		boot_refuse(
			"working directory %s: error %d", config.workdir, -err);
	open_streams();
	init = load_init();
	exec_first(init, f);
	file_put(init);
	volfs_start_writer();
}

/* Process 1 with one thread that runs boot_init. */
static void make_process_one(void)
{
	struct process *p = process_new_init();
	struct trapframe frame = {0};
	struct thread *t;

	if (!p)
		boot_refuse("no memory for process 1");
	p->actions = sigactions_new();
	p->uid = p->euid = p->suid = (uint32_t)config.uid;
	p->gid = p->egid = p->sgid = (uint32_t)config.gid;
	if (!p->actions || process_new_thread(p, &frame, &t))
		boot_refuse("no memory for process 1");
	t->start = boot_init;
	sched_wake(t);
}

static void boot(uint64_t region) __attribute__((noreturn));
static void boot(uint64_t region)
{
	void *raw;

	read_params(region);
	kalloc_init(params.heap_ready);
	raw = read_config();
	hostcall_init(region, params.shared_size);
	init_xstate();
	crypto_init();
	if (clock_init(params.tsc_khz))
		panic_host("impossible clock rate of %lu kHz",
			(unsigned long)params.tsc_khz);
	cpu_count = (int)params.cpus;
	syscall_trace = params.flags & BOOT_TRACE;
	aspace_init(params.memory_max);
	decode_config(raw);
	kfree(raw);
	make_process_one();
	sched_idle_loop();
}

void cpu_first_entry(uint64_t cmd, uint64_t arg, struct cpu *c)
{
	int index = (int)(((uint64_t)(uintptr_t)c - TCS_BASE) / TCS_SLOT_SIZE);

	cpu_setup(c, index);
	if (cmd == ENTRY_BOOT && index == 0 && !booted) {
		booted = true;
		boot(arg);
	}
	/* The TCS exists only since its page was accepted (cpu_prepare), and
	 * the lock is not free before the slot counts as started. */
	if (cmd == ENTRY_THREAD && index > 0 && booted) {
		bkl_lock();
		if (cpu_is_started(index))
			sched_idle_loop();
	}
	panic_host("enclave thread %d entered with command %lu", index,
		(unsigned long)cmd);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/kernel_env.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/serve.h"
#include "kernel/aspace.h"
#include "kernel/boot.h"
#include "kernel/cpu.h"
#include "kernel/cpuid.h"
#include "kernel/file.h"
#include "kernel/fpu.h"
#include "kernel/hostcall.h"
#include "kernel/identity.h"
#include "kernel/kalloc.h"
#include "kernel/hostcall_ring.h"
#include "kernel/hostready.h"
#include "kernel/shared.h"
#include "kernel/bounce.h"
#include "kernel/klog.h"
#include "kernel/pipe.h"
#include "kernel/process.h"
#include "kernel/random.h"
#include "kernel/service.h"
#include "kernel/signal.h"
#include "kernel/system.h"
#include "kernel/time.h"
#include "kernel/uaccess.h"
#include "kernel/uio.h"
#include "kernel/vfs.h"
#include "kernel/volfs.h"
#include "kernel/wait.h"
#include "lib/config.h"

struct process env_process = {.pid = 42, .thread_count = 1};
static struct thread thread = {.tid = 42, .proc = &env_process};
struct process *init_process = &env_process;
uint64_t env_now = 1000 * NSEC_PER_SEC;
unsigned env_calls;
void (*env_other)(void), (*env_faulted)(void);

void env_init(void)
{
	env_process.rlimit[7][0] = env_process.rlimit[7][1] = 1024;
	env_process.files = fdtable_new();
	vfs_init();
}

int64_t env_call(int64_t (*handler)(const uint64_t *a), const uint64_t *a)
{
	return handler(a);
}

int64_t env_call_file(int64_t (*handler)(struct file *f, const uint64_t *a),
	const uint64_t *a)
{
	struct file *f = fd_get_path((int)a[0]);
	int64_t n = f ? handler(f, a) : -EBADF;

	file_put(f);
	return n;
}

/* Not in every test. */
struct socket *socket_of(struct file *f) __attribute__((weak));

int64_t env_call_socket(int64_t (*handler)(struct socket *s, const uint64_t *a),
	const uint64_t *a)
{
	struct file *f = fd_get((int)a[0]);
	struct socket *s = f ? socket_of(f) : NULL;
	int64_t n = !f ? -EBADF : s ? handler(s, a) : -ENOTSOCK;

	file_put(f);
	return n;
}

/* Weak: wait_env.c has real threads, queues and time. */
#define WEAK __attribute__((weak))

WEAK struct thread *current_thread(void)
{
	return &thread;
}

WEAK uint64_t time_mono_ns(void)
{
	return env_now;
}

WEAK int timer_set(struct timer *t, uint64_t deadline)
{
	(void)t, (void)deadline;
	return 0;
}

bool hostcall_post_fits(void)
{
	return true;
}

uint64_t time_coarse_ns(void)
{
	return time_mono_ns();
}

uint64_t time_real_ns(void)
{
	return 1700000000 * NSEC_PER_SEC + env_now;
}

/* ---- memory ---- */

void *kmalloc(size_t size)
{
	return malloc(size);
}

void *kzalloc(size_t size)
{
	return calloc(1, size);
}

void *krealloc(void *ptr, size_t size)
{
	return realloc(ptr, size);
}

void kfree(void *ptr)
{
	free(ptr);
}

char *kstrdup(const char *s)
{
	return strdup(s);
}

void *kpages_alloc(size_t count)
{
	void *p = aligned_alloc(4096, count * 4096);

	if (p)
		memset(p, 0, count * 4096);
	return p;
}

void kpages_free(void *ptr, size_t count)
{
	free(ptr);
}

int user_check(uint64_t u_addr, uint64_t size)
{
	return u_addr < 4096 && size ? -EFAULT : 0;
}

int user_read(void *dst, uint64_t u_src, size_t size)
{
	if (user_check(u_src, size))
		return -EFAULT;
	memcpy(dst, (const void *)u_src, size);
	return 0;
}

int user_write(uint64_t u_dst, const void *src, size_t size)
{
	if (user_check(u_dst, size))
		return -EFAULT;
	memcpy((void *)u_dst, src, size);
	return 0;
}

int user_clear(uint64_t u_dst, size_t size)
{
	if (user_check(u_dst, size))
		return -EFAULT;
	memset((void *)u_dst, 0, size);
	return 0;
}

/* What another thread does while this one sleeps. */
static void run_other(void (**what)(void))
{
	void (*f)(void) = *what;

	*what = NULL;
	if (f)
		f();
}

int64_t user_read_str(char *dst, uint64_t u_src, size_t cap)
{
	size_t n = strnlen((const char *)u_src, cap);

	run_other(&env_faulted);
	if (n == cap)
		return -ENAMETOOLONG;
	memcpy(dst, (const void *)u_src, n + 1);
	return (int64_t)n;
}

/* ---- messages and the end ---- */

static void say(const char *what, const char *fmt, va_list args)
{
	fprintf(stderr, "%s: ", what);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
}

void klog(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say("klog", fmt, args);
	va_end(args);
}

void panic(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say("panic", fmt, args);
	abort();
}

void panic_host(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say("panic_host", fmt, args);
	abort();
}

/* ---- waiting: nobody else could wake us ---- */

WEAK void waitq_init(struct waitq *q)
{
	list_init(&q->waiters);
}

WEAK int waitq_wait(struct waitq *q, uint64_t deadline)
{
	return -ETIMEDOUT;
}

WEAK void waitq_wake(struct waitq *q, int count, uint32_t events)
{
}

void random_fill(void *buf, size_t size)
{
	memset(buf, 0x5a, size);
}

/* ---- neighbours that are tested elsewhere; weak, for programs that link
 * the real ones ---- */
#define weak __attribute__((weak))

/* No data area: nothing is ever posted. */
weak void (*hostcall_before_exit)(void);

weak uint64_t bounce_alloc(size_t size)
{
	return 0;
}

weak void bounce_free(uint64_t off, size_t size)
{
	abort();
}

weak uint64_t shared_load(uint64_t off)
{
	abort();
}

weak void shared_store(uint64_t off, uint64_t val)
{
	abort();
}

weak void shared_read(void *dst, uint64_t off, size_t size)
{
	abort();
}

weak void shared_write(uint64_t off, const void *src, size_t size)
{
	abort();
}

weak int shared_read_uio(struct uio *u, uint64_t off, size_t size)
{
	abort();
}

weak int shared_write_uio(uint64_t off, struct uio *u, size_t size)
{
	abort();
}

weak bool hostcall_ring_try_post(
	unsigned nr, const uint64_t *wire, struct hostcall_post *p)
{
	return false;
}

weak bool hostcall_ring_is_back(struct hostcall_post *p)
{
	return true;
}

weak void hostcall_ring_settle(struct hostcall_post *p)
{
	abort();
}

weak int hostready_init(struct hostready *h)
{
	return 0;
}

weak void hostready_fini(struct hostready *h)
{
}

weak int hostready_attach(struct hostready *h, int host_fd)
{
	return -EPERM;
}

weak uint64_t hostready_begin(const struct hostready *h)
{
	return 0;
}

weak void hostready_done(struct hostready *h, uint64_t seen, uint32_t event,
	enum hostready_how how)
{
}

weak uint32_t hostready_poll(
	struct hostready *h, int host_fd, struct poll_ctx *pc)
{
	return 0;
}

weak int hostready_wait(struct hostready *h, uint32_t events, uint64_t deadline)
{
	return -ETIMEDOUT;
}

weak struct pipe *pipe_new(void)
{
	return NULL;
}

weak int pipe_open(struct pipe *p, uint32_t flags, struct file **out)
{
	return -ENXIO;
}

weak void pipe_put(struct pipe *p)
{
}

weak void signal_raise(struct thread *t, int signo)
{
}

weak void mutex_lock_slow(struct mutex *m)
{
	abort();
}

weak struct process *process_find(int32_t pid)
{
	return pid == env_process.pid ? &env_process : NULL;
}

weak struct process *process_next(int32_t after)
{
	return after < env_process.pid ? &env_process : NULL;
}

weak struct process *process_get(struct process *p)
{
	return p;
}

weak void process_put(struct process *p)
{
}

weak int process_count(void)
{
	return 1;
}

weak struct thread *thread_find(int32_t tid)
{
	return tid == thread.tid ? &thread : NULL;
}

weak struct thread *thread_next(struct process *p, int32_t after)
{
	return after < thread.tid ? &thread : NULL;
}

weak int thread_count_all(void)
{
	return 1;
}

weak int cpu_count = 2;

weak void cpuid_query(uint32_t leaf, uint32_t subleaf, uint32_t out[static 4])
{
	memset(out, 0x41, 16);
}

weak const char *system_hostname(void)
{
	return "unit";
}

weak void aspace_memory(uint64_t *used, uint64_t *limit)
{
	*used = 1 << 20;
	*limit = 1 << 30;
}

static int64_t charged;

weak bool aspace_charge(uint64_t size, bool force)
{
	charged += (int64_t)size;
	return true;
}

weak void aspace_uncharge(uint64_t size)
{
	charged -= (int64_t)size;
	if (charged < 0)
		abort();
}

weak uint64_t aspace_committed(const struct aspace *as)
{
	return 1 << 20;
}

weak bool aspace_resident(uint64_t addr)
{
	return true;
}

weak bool aspace_next(
	struct aspace *as, uint64_t addr, struct aspace_info *info)
{
	if (addr > 0x400000)
		return false;
	*info = (struct aspace_info){
		.start = 0x400000, .end = 0x401000, .prot = 5, .name = "[x]"};
	return true;
}

/* ---- host calls ---- */

static const serve_handler handlers[HOSTCALL_COUNT] = {
#define HOSTCALL(name, ...) [HC_##name] = serve_##name,
#include "abi/hostcall.def"
#undef HOSTCALL
};

static const struct hostcall_desc descs[HOSTCALL_COUNT] = {
#define HOSTCALL HC_DESC
#include "abi/hostcall.def"
#undef HOSTCALL
};

int64_t hostcall_run(unsigned nr, const uint64_t *args)
{
	uint64_t a[HOSTCALL_ARGS];
	struct uio *u;
	char *buf;
	int64_t n;
	int kind;

	run_other(&env_other);
	env_calls++;
	memcpy(a, args, sizeof(a));
	kind = descs[nr].arg[1].kind;
	if (kind != HC_ARG_UIN && kind != HC_ARG_UOUT)
		return handlers[nr](NULL, a);
	u = (struct uio *)args[1];
	buf = malloc(a[2] + 1);
	a[1] = (uint64_t)buf;
	if (kind == HC_ARG_UIN) {
		struct uio copy = *u;

		if (uio_copy_from(&copy, buf, a[2]))
			return -EFAULT;
	}
	n = handlers[nr](NULL, a);
	if (n > 0 && kind == HC_ARG_UIN)
		uio_skip(u, (size_t)n);
	else if (n > 0 && uio_copy_to(u, buf, (size_t)n))
		n = -EFAULT;
	free(buf);
	return n;
}

/* ---- /dev/attestation; weak: test_attestfs.c has a processor ---- */

weak const struct config *boot_config(void)
{
	static const struct config config;

	return &config;
}

weak void kernel_fpu_begin(void)
{
}

weak void kernel_fpu_end(void)
{
}

weak void identity_report(const struct sgx_targetinfo *target,
	const uint8_t data[static 64], struct sgx_report *report)
{
	abort();
}

weak int identity_key(void *ctx, const struct sgx_keyrequest *request,
	uint8_t key[static SGX_KEY_SIZE])
{
	abort();
}

/* ---- encrypted volumes: they have tests of their own ---- */

weak bool service_names_begun(const struct file *f)
{
	return false;
}

weak int service_names_list(struct file *f, struct dirent_sink *sink)
{
	return 0;
}

weak int servicefs_mount(struct mount *m, const char *source, uint64_t size)
{
	return -ENODEV;
}

int volfs_mount(struct mount *m, const char *name, uint64_t index)
{
	return -ENOSYS;
}

void volfs_sync(void)
{
}

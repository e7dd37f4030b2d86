/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two worlds of a service: process 1 lives in empty memory with /proc and
 * /dev, and stays there; what the configuration says is where its children
 * begin. So nothing that the service or the host puts into files is ever looked
 * at by process 1, and its devices are nowhere in the service's tree.
 */
#include "kernel/service.h"

#include <linux/resource.h>

#include "abi/service.h"
#include "kernel/boot.h"
#include "kernel/cpu.h"
#include "kernel/fsabi.h"
#include "kernel/kalloc.h"
#include "kernel/process.h"
#include "kernel/volfs.h"
#include "lib/config.h"
#include "lib/service.h"
#include "lib/string.h"

static bool on;
static struct config asked; /* by the host */
static const struct service_config *given; /* while it is put in place */
static struct fs_ctx *fs; /* where the service begins */
static uint64_t descriptors[2]; /* how many its programs may have */

bool service_is_on(void)
{
	return on;
}

/* ---- before ---- */

static const struct mount_spec first_mounts[] = {
	{.type = MOUNT_TMPFS, .target = "/"},
	{.type = MOUNT_PROC, .target = "/proc"},
	{.type = MOUNT_DEV, .target = "/dev"},
	{.type = MOUNT_SCONCE, .target = "/dev/sconce"},
};

/* init-cas KEY SESSION TOKEN [ADDRESS...] -- [HOSTARG...] */
static int first_args(const struct config *c, const struct manifest_cas *cas,
	struct text_list *args)
{
	const char *const head[] = {"init-cas", cas->key, cas->session,
		cas->token ? cas->token : ""};
	const char **list = kzalloc(
		(ARRAY_SIZE(head) + c->cas_addresses.count + c->args.count) *
		sizeof(*list));
	size_t n = ARRAY_SIZE(head);

	if (!list)
		return -ENOMEM;
	memcpy(list, head, sizeof(head));
	for (size_t i = 0; i < c->cas_addresses.count; i++)
		list[n++] = c->cas_addresses.item[i];
	list[n++] = "--";
	for (size_t i = 1; i < c->args.count; i++)
		list[n++] = c->args.item[i];
	*args = (struct text_list){list, n};
	return 0;
}

int service_prepare(struct config *c, const struct manifest *m, struct err *e)
{
	asked = *c;
	*c = (struct config){
		.version = CONFIG_VERSION,
		.workdir = m->workdir,
		.hostname = m->hostname,
		.mounts = {(void *)(uintptr_t)first_mounts,
			ARRAY_SIZE(first_mounts)},
		.uid = asked.uid,
		.gid = asked.gid,
		.signals = m->signals,
		.manifest = asked.manifest,
	};
	if (first_args(&asked, &m->cas, &c->args))
		return err_setf(e, -ENOMEM, "no memory for init's arguments");
	/* They go to CAS, which puts them where its policy wants them. */
	asked.args.count = 1;
	on = true;
	return 0;
}

/* ---- after ---- */

const struct service_volume *service_volume(const char *name)
{
	return given ? service_volume_find(given, name) : NULL;
}

struct fs_ctx *service_fs_of(const struct process *p)
{
	return fs && p == init_process ? fs : p->fs;
}

int service_begin_child(const struct process *from, struct process *p)
{
	if (fs && from == init_process)
		memcpy(p->rlimit[RLIMIT_NOFILE], descriptors,
			sizeof(descriptors));
	return fs_ctx_copy(service_fs_of(from), &p->fs);
}

/* Mounts, and what else the configuration bounds: not process 1's descriptors,
 * whose number is no business of the policy's. */
static int apply(const struct config *next, struct err *e)
{
	uint64_t *bound = init_process->rlimit[RLIMIT_NOFILE], own[2];
	int err;

	memcpy(own, bound, sizeof(own));
	err = boot_apply(next, e);
	memcpy(descriptors, bound, sizeof(own));
	memcpy(bound, own, sizeof(own));
	return err;
}

/* This thread is in the service's tree, for as long as it works there. */
static int put_in_place(const struct service_config *c,
	const struct config *next, struct err *e)
{
	int err = apply(next, e);

	if (err)
		return err;
	fs = current->fs = fs_ctx_new();
	if (!fs)
		return err_setf(e, -ENOMEM, "no memory for the file tree");
	err = vfs_mount("sconce", "secret", SERVICE_SECRET_DIR, false, 0);
	if (err)
		err_setf(
			e, err, "mount " SERVICE_SECRET_DIR ": error %d", -err);
	else
		err = service_files_inject(c, e);
	if (!err) {
		err = fs_ctx_chdir(fs, next->workdir);
		if (err)
			err_setf(e, err, "working directory %s: error %d",
				next->workdir, -err);
	}
	current->fs = NULL;
	if (!err)
		volfs_start_writer();
	return err;
}

/* What the configuration says becomes next, with memory that stays. */
static int admit(
	const struct service_config *c, struct config *next, struct err *e)
{
	/* Its texts, and a list that holds the host's words beside its own. */
	size_t size = SCHEMA_ARENA_SIZE(c->manifest.size) +
		(asked.args.count + asked.env.count) * sizeof(char *);
	struct arena arena;
	struct manifest m;
	void *mem = kmalloc(size);
	int err;

	if (!mem)
		return err_setf(e, -ENOMEM, "no memory for the manifest");
	arena_init(&arena, mem, size);
	err = manifest_decode(
		&m, c->manifest.data, c->manifest.size, &arena, e);
	if (!err)
		err = service_config_match(c, &m, e);
	*next = asked;
	return err ? err
		   : config_admit(next, &m, boot_memory(), (uint64_t)cpu_count,
			     &arena, e);
}

static size_t texts_size(const struct text_list *l)
{
	size_t size = 0;

	for (size_t i = 0; i < l->count; i++)
		size += strlen(l->item[i]) + 1;
	return size;
}

static uint8_t *put_text(uint8_t *to, const char *text)
{
	size_t size = strlen(text) + 1;

	memcpy(to, text, size);
	return to + size;
}

static int make_answer(int status, const struct config *c, const struct err *e,
	uint8_t **out, size_t *size)
{
	static const struct text_list none;
	const struct text_list *args = status ? &none : &c->args;
	const struct text_list *env = status ? &none : &c->env;
	const char *first = status ? e->text : c->program;
	struct service_answer head = {
		(uint64_t)-status, args->count, env->count};
	uint8_t *p;

	*size = sizeof(head) + strlen(first) + 1 + texts_size(args) +
		texts_size(env);
	*out = kmalloc(*size);
	if (!*out)
		return -ENOMEM;
	memcpy(*out, &head, sizeof(head));
	p = put_text(*out + sizeof(head), first);
	for (size_t i = 0; i < args->count; i++)
		p = put_text(p, args->item[i]);
	for (size_t i = 0; i < env->count; i++)
		p = put_text(p, env->item[i]);
	return status;
}

int service_configure(
	const void *data, size_t size, uint8_t **answer, size_t *answer_size)
{
	/* Bytes and texts once, and lists whose lengths are bounded. */
	size_t room = 2 * size + 64 * 1024;
	void *mem = kmalloc(room);
	struct service_config c = {0};
	struct config next;
	struct err e = {0};
	struct arena arena;
	int err;

	if (!mem)
		return make_answer(err_setf(&e, -ENOMEM,
					   "no memory for the configuration"),
			NULL, &e, answer, answer_size);
	arena_init(&arena, mem, room);
	err = service_config_decode(&c, data, size, &arena, &e);
	if (!err)
		err = admit(&c, &next, &e);
	given = &c;
	if (!err)
		err = put_in_place(&c, &next, &e);
	given = NULL;
	string_wipe(mem, room);
	kfree(mem);
	return make_answer(err, &next, &e, answer, answer_size);
}

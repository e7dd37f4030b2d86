/* SPDX-License-Identifier: Apache-2.0 */
/*
 * User and group ids, capabilities. They are the enclave's own bookkeeping:
 * rules of Linux among the processes in here, without effect on what the
 * launcher may do on the host.
 */
#include <linux/capability.h>
#include <linux/errno.h>

#include "kernel/process.h"
#include "kernel/sys.h"
#include "kernel/uaccess.h"
#include "lib/string.h"
#include "lib/types.h"

#define CAPS_ALL ((1ul << (CAP_LAST_CAP + 1)) - 1)
#define KEEP UINT32_MAX /* "do not change" of setreuid and others */

SYS_VALUE(getuid, curproc->uid)
SYS_VALUE(geteuid, curproc->euid)
SYS_VALUE(getgid, curproc->gid)
SYS_VALUE(getegid, curproc->egid)
/* There is no separate id for files: the effective one decides, and that is
 * what these return without changing it. */
SYS_VALUE(setfsuid, curproc->euid)
SYS_VALUE(setfsgid, curproc->egid)

static int write_three(const uint64_t *a, uint32_t x, uint32_t y, uint32_t z)
{
	if (user_write(a[0], &x, 4) || user_write(a[1], &y, 4) ||
		user_write(a[2], &z, 4))
		return -EFAULT;
	return 0;
}

int64_t sys_getresuid(const uint64_t *a)
{
	const struct process *p = curproc;

	return write_three(a, p->uid, p->euid, p->suid);
}

int64_t sys_getresgid(const uint64_t *a)
{
	const struct process *p = curproc;

	return write_three(a, p->gid, p->egid, p->sgid);
}

static bool one_of(uint32_t id, uint32_t x, uint32_t y, uint32_t z)
{
	return id == KEEP || id == x || id == y || id == z;
}

/* Capabilities follow the user: leaving root gives them up. */
static void user_changed(struct process *p)
{
	if (p->uid && p->euid && p->suid && !p->keep_caps)
		p->caps.set = false;
}

static int set_ids(uint32_t *real, uint32_t *eff, uint32_t *saved, uint32_t r,
	uint32_t e, uint32_t s)
{
	if (curproc->euid &&
		!(one_of(r, *real, *eff, *saved) &&
			one_of(e, *real, *eff, *saved) &&
			one_of(s, *real, *eff, *saved)))
		return -EPERM;
	if (r != KEEP)
		*real = r;
	if (e != KEEP)
		*eff = e;
	if (s != KEEP)
		*saved = s;
	return 0;
}

static int set_users(uint32_t r, uint32_t e, uint32_t s)
{
	struct process *p = curproc;
	int err = set_ids(&p->uid, &p->euid, &p->suid, r, e, s);

	if (!err)
		user_changed(p);
	return err;
}

static int set_groups_of(uint32_t r, uint32_t e, uint32_t s)
{
	struct process *p = curproc;

	return set_ids(&p->gid, &p->egid, &p->sgid, r, e, s);
}

int64_t sys_setuid(const uint64_t *a)
{
	uint32_t id = (uint32_t)a[0];
	bool root = curproc->euid == 0;

	if (id == KEEP)
		return -EINVAL;
	return set_users(root ? id : KEEP, id, root ? id : KEEP);
}

int64_t sys_setgid(const uint64_t *a)
{
	uint32_t id = (uint32_t)a[0];
	bool root = curproc->euid == 0;

	if (id == KEEP)
		return -EINVAL;
	return set_groups_of(root ? id : KEEP, id, root ? id : KEEP);
}

/* The saved id follows when the real one is set, or the effective one to
 * something that is not the real one. */
static uint32_t saved_id(uint32_t r, uint32_t e, uint32_t real, uint32_t eff)
{
	if (r != KEEP || (e != KEEP && e != real))
		return e != KEEP ? e : eff;
	return KEEP;
}

int64_t sys_setreuid(const uint64_t *a)
{
	const struct process *p = curproc;
	uint32_t r = (uint32_t)a[0], e = (uint32_t)a[1];

	return set_users(r, e, saved_id(r, e, p->uid, p->euid));
}

int64_t sys_setregid(const uint64_t *a)
{
	const struct process *p = curproc;
	uint32_t r = (uint32_t)a[0], e = (uint32_t)a[1];

	return set_groups_of(r, e, saved_id(r, e, p->gid, p->egid));
}

int64_t sys_setresuid(const uint64_t *a)
{
	return set_users((uint32_t)a[0], (uint32_t)a[1], (uint32_t)a[2]);
}

int64_t sys_setresgid(const uint64_t *a)
{
	return set_groups_of((uint32_t)a[0], (uint32_t)a[1], (uint32_t)a[2]);
}

int64_t sys_getgroups(const uint64_t *a)
{
	const struct process *p = curproc;
	int size = (int)a[0];

	if (size < 0)
		return -EINVAL;
	if (size) {
		if (size < p->group_count)
			return -EINVAL;
		if (user_write(a[1], p->groups,
			    (size_t)p->group_count * sizeof(p->groups[0])))
			return -EFAULT;
	}
	return p->group_count;
}

int64_t sys_setgroups(const uint64_t *a)
{
	struct process *p = curproc;
	uint32_t groups[PROCESS_GROUPS_MAX];
	uint32_t count = (uint32_t)a[0];

	if (p->euid)
		return -EPERM;
	if (count > PROCESS_GROUPS_MAX)
		return -EINVAL;
	if (user_read(groups, a[1], count * sizeof(groups[0])))
		return -EFAULT;
	memcpy(p->groups, groups, count * sizeof(groups[0]));
	p->group_count = (int)count;
	return 0;
}

/* ---- capabilities ---- */

static void caps_of(struct process *p)
{
	if (p->caps.set)
		return;
	p->caps.effective = p->caps.permitted = p->euid ? 0 : CAPS_ALL;
	p->caps.inheritable = 0;
}

/* Reads the header; returns how many 32-bit words of data go with it. */
static int caps_header(uint64_t u_header, struct process **p)
{
	struct __user_cap_header_struct h;
	const uint32_t preferred = _LINUX_CAPABILITY_VERSION_3;

	if (user_read(&h, u_header, sizeof(h)))
		return -EFAULT;
	*p = h.pid ? process_find(h.pid) : curproc;
	switch (h.version) {
	case _LINUX_CAPABILITY_VERSION_1:
		return _LINUX_CAPABILITY_U32S_1;
	case _LINUX_CAPABILITY_VERSION_2:
	case _LINUX_CAPABILITY_VERSION_3:
		return _LINUX_CAPABILITY_U32S_3;
	default:
		if (user_write(u_header, &preferred, sizeof(preferred)))
			return -EFAULT;
		return -EINVAL;
	}
}

int64_t sys_capget(const uint64_t *a)
{
	struct __user_cap_data_struct d[2];
	struct process *p;
	int words = caps_header(a[0], &p);

	if (words < 0) /* asking for the version without data is fine */
		return words == -EINVAL && !a[1] ? 0 : words;
	if (!p)
		return -ESRCH;
	if (!a[1])
		return -EFAULT;
	caps_of(p);
	for (int i = 0; i < 2; i++) {
		d[i].effective = (uint32_t)(p->caps.effective >> 32 * i);
		d[i].permitted = (uint32_t)(p->caps.permitted >> 32 * i);
		d[i].inheritable = (uint32_t)(p->caps.inheritable >> 32 * i);
	}
	return user_write(a[1], d, (size_t)words * sizeof(d[0]));
}

int64_t sys_capset(const uint64_t *a)
{
	struct __user_cap_data_struct d[2];
	uint64_t effective, permitted;
	struct process *p;
	int words = caps_header(a[0], &p);

	if (words < 0)
		return words;
	if (p != curproc)
		return -EPERM;
	memset(d, 0, sizeof(d));
	if (user_read(d, a[1], (size_t)words * sizeof(d[0])))
		return -EFAULT;
	caps_of(p);
	effective = d[0].effective | (uint64_t)d[1].effective << 32;
	permitted = d[0].permitted | (uint64_t)d[1].permitted << 32;
	if ((permitted & ~p->caps.permitted) || (effective & ~permitted))
		return -EPERM;
	p->caps.set = true;
	p->caps.effective = effective;
	p->caps.permitted = permitted;
	p->caps.inheritable = d[0].inheritable |
		(uint64_t)d[1].inheritable << 32;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Terminals, pipes, sockets and devices of the host as byte streams: the
 * launcher's standard descriptors and what is opened by a name below a host
 * mount. Terminal ioctls pass with structures of known size.
 */
#include "kernel/hostfs.h"

#include <asm/termbits.h>

#include "abi/hostfile.h"
#include "kernel/file.h"
#include "kernel/fsabi.h"
#include "kernel/hostcall.h"
#include "kernel/kalloc.h"
#include "kernel/process.h"
#include "kernel/uaccess.h"
#include "kernel/uio.h"
#include "lib/string.h"
#include "lib/types.h"

struct stream {
	struct kstat st; /* as it was when opened */
	bool keep; /* the launcher's own descriptor: not closed */
};

static int32_t foreground; /* group that TIOCSPGRP named; 0: none yet */

static struct stream *stream_of(struct file *f)
{
	return f->priv;
}

static int64_t stream_read(struct file *f, struct uio *u, uint64_t *pos)
{
	return host_read(f->host_fd, u, u->resid);
}

static int64_t stream_write(struct file *f, struct uio *u, uint64_t *pos)
{
	int64_t done = 0;

	while (u->resid) {
		int64_t n = host_write(f->host_fd, u, u->resid);

		if (n < 0)
			return done ? done : n;
		done += n;
		if (n == 0)
			break;
	}
	return done;
}

static int stream_stat(struct file *f, struct kstat *st)
{
	*st = stream_of(f)->st;
	return 0;
}

static const struct {
	uint32_t cmd;
	uint16_t size;
	bool set;
} tty_ioctls[] = {
	{TCGETS, sizeof(struct termios), false},
	{TCSETS, sizeof(struct termios), true},
	{TCSETSW, sizeof(struct termios), true},
	{TCSETSF, sizeof(struct termios), true},
	{TCGETS2, sizeof(struct termios2), false},
	{TCSETS2, sizeof(struct termios2), true},
	{TCSETSW2, sizeof(struct termios2), true},
	{TCSETSF2, sizeof(struct termios2), true},
	{TIOCGWINSZ, 8, false},
	{TIOCSWINSZ, 8, true},
	{FIONREAD, 4, false},
	{TIOCOUTQ, 4, false},
};

static int64_t stream_ioctl(struct file *f, uint32_t cmd, uint64_t u_arg)
{
	uint8_t buf[64];
	int32_t pgrp;
	int64_t err;

	for (size_t i = 0; i < ARRAY_SIZE(tty_ioctls); i++) {
		uint16_t size = tty_ioctls[i].size;

		if (tty_ioctls[i].cmd != cmd)
			continue;
		if (!tty_ioctls[i].set) {
			err = host_tty_get(f->host_fd, cmd, buf, size);
			return err ? err : user_write(u_arg, buf, size);
		}
		err = user_read(buf, u_arg, size);
		return err ? err : host_tty_set(f->host_fd, cmd, buf, size);
	}
	/* Process groups are the enclave's own. */
	if (cmd == TIOCGPGRP || cmd == TIOCSPGRP || cmd == TIOCGSID) {
		struct termios t;

		err = host_tty_get(f->host_fd, TCGETS, &t, sizeof(t));
		if (err)
			return err;
		if (cmd == TIOCSPGRP)
			return user_read(
				&foreground, u_arg, sizeof(foreground));
		pgrp = cmd == TIOCGSID ? curproc->sid
			: foreground   ? foreground
				       : curproc->pgid;
		return user_write(u_arg, &pgrp, sizeof(pgrp));
	}
	return -ENOTTY;
}

static void stream_release(struct file *f)
{
	if (!stream_of(f)->keep)
		host_close(f->host_fd);
	kfree(f->priv);
}

static const struct file_ops stream_ops = {
	.name = "hoststream",
	.read = stream_read,
	.write = stream_write,
	.ioctl = stream_ioctl,
	.stat = stream_stat,
	.release = stream_release,
};

int hostfs_stream_new(struct dentry *d, uint32_t flags, int host_fd,
	uint32_t mode, struct file **out)
{
	struct stream *s = kzalloc(sizeof(*s));
	int err = -ENOMEM;

	if (!s)
		goto close;
	flags &= ~(uint32_t)(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC);
	s->st = hostfs_node(d->vnode)->st;
	err = vfs_file_new(&stream_ops, flags, d, out);
	if (err)
		goto free;
	(*out)->priv = s;
	(*out)->host_fd = host_fd;
	return 0;
free:
	kfree(s);
close:
	host_close(host_fd);
	return err;
}

/* Standard descriptors that are regular files keep the host's offset, which
 * they may share with other programs: streams, too. */
int file_new_host_stream(int host_fd, struct file **out)
{
	struct host_stat h;
	struct stream *s;
	struct file *f;
	int err = (int)host_fstat(host_fd, &h);

	if (err)
		return err;
	s = kzalloc(sizeof(*s));
	f = s ? file_new(&stream_ops, O_RDWR) : NULL;
	if (!f) {
		kfree(s);
		return -ENOMEM;
	}
	hostfs_stat_convert(&h, &s->st);
	s->keep = true;
	f->priv = s;
	f->host_fd = host_fd;
	*out = f;
	return 0;
}

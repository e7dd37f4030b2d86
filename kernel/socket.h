/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets, independent of the family: sys_socket.c reads the application's
 * structures, calls these operations, and writes results back. Families:
 * inetsock.c (through the host), unixsock.c (inside).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/uio.h"
#include "kernel/wait.h"

struct file;
struct poll_ctx;
struct socket;

/* The names of <sys/socket.h>, which is libc's. */
enum {
	AF_UNSPEC = 0,
	AF_UNIX = 1,
	AF_INET = 2,
	AF_INET6 = 10,
	AF_NETLINK = 16,

	SOCK_STREAM = 1,
	SOCK_DGRAM = 2,
	SOCK_RAW = 3,
	SOCK_SEQPACKET = 5,
	SOCK_NONBLOCK = 04000,
	SOCK_CLOEXEC = 02000000,

	MSG_OOB = 0x1,
	MSG_PEEK = 0x2,
	MSG_DONTROUTE = 0x4,
	MSG_CTRUNC = 0x8,
	MSG_TRUNC = 0x20,
	MSG_DONTWAIT = 0x40,
	MSG_EOR = 0x80,
	MSG_WAITALL = 0x100,
	MSG_CONFIRM = 0x800,
	MSG_ERRQUEUE = 0x2000,
	MSG_NOSIGNAL = 0x4000,
	MSG_MORE = 0x8000,
	MSG_WAITFORONE = 0x10000,
	MSG_CMSG_CLOEXEC = 0x40000000,

	SHUT_RD = 0,
	SHUT_WR = 1,
	SHUT_RDWR = 2,

	SCM_RIGHTS = 1,
	SCM_CREDENTIALS = 2,

	SOCKADDR_MAX = 128,
	SOCK_CONTROL_MAX = 20480, /* net.core.optmem_max of Linux */
	SOCK_BACKLOG_MAX = 4096,
};

struct sockaddr_buf {
	size_t size; /* used bytes */
	union {
		uint16_t family;
		uint8_t bytes[SOCKADDR_MAX];
	};
};

/* One message on its way. */
struct sockmsg {
	struct uio u;
	struct sockaddr_buf *addr; /* send: to (NULL: connected peer);
				      recv: from, NULL: not wanted */
	uint8_t *control; /* kernel memory */
	size_t control_size; /* send: bytes there; recv: bytes written */
	size_t control_room; /* recv */
	uint32_t flags; /* MSG_* asked for */
	uint32_t out_flags; /* recv: MSG_TRUNC, MSG_CTRUNC, MSG_EOR */
	bool nonblock; /* O_NONBLOCK or MSG_DONTWAIT */
};

struct socket_ops {
	const char *name;
	int (*bind)(struct socket *s, const struct sockaddr_buf *addr);
	int (*connect)(struct socket *s, const struct sockaddr_buf *addr,
		bool nonblock);
	int (*listen)(struct socket *s, int backlog);
	/* *out is a new socket with a file of its own; *peer its address. */
	int (*accept)(struct socket *s, bool nonblock, struct socket **out,
		struct sockaddr_buf *peer);
	int64_t (*send)(struct socket *s, struct sockmsg *m);
	int64_t (*recv)(struct socket *s, struct sockmsg *m);
	int (*getname)(struct socket *s, bool peer, struct sockaddr_buf *addr);
	int (*shutdown)(struct socket *s, int how);
	/* After the family-independent ones; value is kernel memory. */
	int (*setsockopt)(struct socket *s, int level, int name,
		const void *value, size_t size);
	/* *size: room, then bytes written. */
	int (*getsockopt)(struct socket *s, int level, int name, void *value,
		size_t *size);
	uint32_t (*poll)(struct socket *s, struct poll_ctx *pc);
	int64_t (*ioctl)(struct socket *s, uint32_t cmd, uint64_t u_arg);
	void (*release)(struct socket *s); /* frees s */
};

/* The first member of each family's own struct. */
struct socket {
	const struct socket_ops *ops;
	struct file *file; /* its owner; not referenced */
	int family, type, protocol;
	uint64_t recv_timeout, send_timeout; /* ns, NO_DEADLINE: none */
	uint64_t ino;
};

/* Initialises s and makes its file; on failure s is the caller's still. */
int socket_init(struct socket *s, const struct socket_ops *ops, int family,
	int type, int protocol);
/* The socket of a file, or NULL: no socket. */
struct socket *socket_of(struct file *f);

/* When a blocking operation gives up. */
uint64_t socket_recv_deadline(const struct socket *s);
uint64_t socket_send_deadline(const struct socket *s);
/* What the end of a wait means for the call: -ETIMEDOUT is -EAGAIN; with a
 * timeout set, calls are not restarted after a signal. */
int socket_wait_error(const struct socket *s, int err, uint64_t timeout);

/* Appends a control message to m, or sets MSG_CTRUNC. False: no room. */
bool socket_cmsg_put(
	struct sockmsg *m, int level, int type, const void *data, size_t size);

/* A walk over the control messages of a send. */
struct cmsg_view {
	int level, type;
	const uint8_t *data;
	size_t size;
};
/* 1: *v is the next one; 0: end; -EINVAL: malformed. *pos starts at 0. */
int socket_cmsg_next(const struct sockmsg *m, size_t *pos, struct cmsg_view *v);

/* ---- families: *out is a new socket with a file ---- */
int inetsock_new(int family, int type, int protocol, struct socket **out);
/* May sockets of the host be used at all? No, until the configuration says
 * so; else -EACCES. */
void inetsock_allow(bool on);
int unixsock_new(int type, int protocol, struct socket **out);
int unixsock_pair(int type, int protocol, struct socket *out[2]);
/* Connects a host AF_UNIX socket of that type to a path of the host. */
int inetsock_connect_unix(int type, const struct sockaddr_buf *addr,
	bool nonblock, struct socket **out);

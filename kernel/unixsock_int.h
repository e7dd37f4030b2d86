/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AF_UNIX inside the enclave, shared by unixsock.c (connections, options),
 * unixsock_data.c (messages) and unixsock_name.c.
 *
 * A socket is referenced by its file and by whoever sleeps in an operation on
 * it. Peers point at each other without references: release() of one clears
 * the pointer in the other.
 */
#pragma once

#include "kernel/mutex.h"
#include "kernel/socket.h"
#include "lib/list.h"

struct vnode;

struct ucred {
	int32_t pid;
	uint32_t uid, gid;
};

/* A bound name; it lives as long as somebody shows it. */
struct unixaddr {
	uint32_t refs;
	struct list node; /* all bound names */
	struct unixsock *owner; /* NULL: closed */
	struct vnode *vnode; /* of a path; holds a reference */
	struct sockaddr_buf name;
};

enum unixsock_state { UNIX_NEW, UNIX_LISTEN, UNIX_CONNECTED };

enum {
	UNIX_NAME_HEAD = 2, /* of a name: its family */
	UNIX_BUFFER = 212992, /* bytes that may wait in a socket */
	UNIX_MESSAGES = 512, /* datagrams that may */
	UNIX_CHUNK = 32768, /* most of one message of a stream */
	UNIX_FDS_MAX = 253,
};

struct unixmsg {
	struct list node;
	size_t size, done; /* bytes; of them read */
	struct unixaddr *from;
	struct ucred cred;
	struct file **files;
	size_t file_count;
	uint8_t data[];
};

struct unixsock {
	struct socket sk;
	uint32_t refs;
	enum unixsock_state state;
	bool closed;
	bool recv_shut; /* no more comes: shut, or the peer has gone */
	bool send_shut;
	bool had_peer;
	bool pass_cred;
	int error; /* pending, positive errno */
	int buffer; /* SO_SNDBUF as set */
	struct unixsock *peer;
	struct list senders; /* datagram sockets connected to this one */
	struct list sender_node;
	struct unixaddr *addr;
	struct ucred cred, peer_cred;

	struct list messages;
	size_t queued, message_count;
	struct mutex recv_lock;
	struct waitq queue; /* events of this socket */
	struct waitq space; /* senders that wait for room here */

	struct list pending; /* listener: connections to accept */
	struct list pending_node;
	int pending_count, backlog;

	struct socket *host; /* connected to a server on the host instead */
};

static inline struct unixsock *unixsock_of(struct socket *s)
{
	return container_of(s, struct unixsock, sk);
}

static inline bool unixsock_is_dgram(const struct unixsock *u)
{
	return u->sk.type == SOCK_DGRAM;
}

struct unixsock *unixsock_get(struct unixsock *u);
void unixsock_put(struct unixsock *u);
struct ucred ucred_current(void);

/* unixsock_name.c */
int unixsock_bind(struct socket *s, const struct sockaddr_buf *addr);
struct unixaddr *unixaddr_get(struct unixaddr *a); /* NULL is fine */
void unixaddr_put(struct unixaddr *a);
/* The socket bound to that name, with a reference. 0, -ECONNREFUSED, -ENOENT,
 * -EXDEV: a socket file of the host, *host_name its name there. */
int unixsock_lookup(const struct sockaddr_buf *addr, struct unixsock **out,
	struct sockaddr_buf *host_name);

/* unixsock_data.c */
int64_t unixsock_send(struct socket *s, struct sockmsg *m);
int64_t unixsock_recv(struct socket *s, struct sockmsg *m);
bool unixsock_has_room(const struct unixsock *to, size_t size);
void unixsock_drop_messages(struct unixsock *u);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the network rows of hostcall.def carry. Everything is words or
 * arrays of bytes without padding (S-12); sizes are checked on both sides.
 */
#pragma once

#include <stdint.h>

enum {
	HOST_ADDR_MAX = 128, /* sizeof(struct sockaddr_storage) */
	HOST_CONTROL_MAX = 256,
	HOST_OPT_MAX = 512, /* bytes of a socket option's value */
	HOST_EVENTS_MAX = 64, /* of one poll_wait */
	HOST_IFCONF_MAX = 16384,
};

struct host_addr {
	uint64_t size; /* used bytes, 0: no address */
	uint8_t bytes[HOST_ADDR_MAX];
};

/* The parts of a message beside its data. */
struct host_msg {
	struct host_addr addr;
	uint64_t flags; /* of recvmsg's result: MSG_TRUNC, MSG_CTRUNC, ... */
	uint64_t full_size; /* of recvmsg: bytes the datagram had (MSG_TRUNC) */
	uint64_t more; /* of recvmsg: 0, or there is something else to read */
	uint64_t control_size;
	uint8_t control[HOST_CONTROL_MAX];
};

struct host_ifreq {
	uint8_t bytes[40];
};

/* One event of poll_wait. */
struct host_event {
	uint64_t key; /* as given at registration, or one of these */
	uint64_t events; /* EPOLL*; of a signal: its number */
};

#define HOST_KEY_KICK UINT64_MAX /* somebody asked for attention */
#define HOST_KEY_SIGNAL (UINT64_MAX - 1) /* a signal came */

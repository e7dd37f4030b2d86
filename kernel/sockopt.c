/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/sockopt.h"

#include <asm/socket.h>
#include <linux/errno.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include "kernel/klog.h"
#include "kernel/socket.h"
#include "kernel/time.h"
#include "lib/string.h"
#include "lib/types.h"

enum {
	SOL_TCP = 6,
	SOL_UDP = 17,
	SOL_IP = 0,
	SOL_IPV6 = 41,
	SOL_NETLINK = 270,

	GET = 1,
	SET = 2,
	BOTH = 3,
};

/* Sizes are the most that Linux takes; less is the host's matter. */
static const struct host_opt {
	int level, name;
	size_t size;
	int how;
} host_opts[] = {
	{SOL_SOCKET, SO_REUSEADDR, 4, BOTH},
	{SOL_SOCKET, SO_REUSEPORT, 4, BOTH},
	{SOL_SOCKET, SO_KEEPALIVE, 4, BOTH},
	{SOL_SOCKET, SO_BROADCAST, 4, BOTH},
	{SOL_SOCKET, SO_DONTROUTE, 4, BOTH},
	{SOL_SOCKET, SO_OOBINLINE, 4, BOTH}, {SOL_SOCKET, SO_SNDBUF, 4, BOTH},
	{SOL_SOCKET, SO_RCVBUF, 4, BOTH}, {SOL_SOCKET, SO_RCVLOWAT, 4, BOTH},
	{SOL_SOCKET, SO_SNDLOWAT, 4, GET}, {SOL_SOCKET, SO_LINGER, 8, BOTH},
	{SOL_SOCKET, SO_PRIORITY, 4, BOTH}, {SOL_SOCKET, SO_ERROR, 4, GET},
	{SOL_SOCKET, SO_ACCEPTCONN, 4, GET},
	{SOL_SOCKET, SO_TIMESTAMP, 4, BOTH},
	{SOL_SOCKET, SO_TIMESTAMPNS, 4, BOTH},
	{SOL_SOCKET, SO_INCOMING_CPU, 4, BOTH},
	{SOL_SOCKET, SO_BINDTODEVICE, 16, SET}, {SOL_SOCKET, SO_MARK, 4, BOTH},
	{SOL_SOCKET, SO_COOKIE, 8, GET}, {SOL_SOCKET, SO_NO_CHECK, 4, BOTH},
	{SOL_SOCKET, SO_RXQ_OVFL, 4, BOTH}, {SOL_SOCKET, SO_BUSY_POLL, 4, BOTH},
	{SOL_SOCKET, SO_MAX_PACING_RATE, 8, BOTH},
	{SOL_SOCKET, SO_SNDBUFFORCE, 4, SET},
	{SOL_SOCKET, SO_RCVBUFFORCE, 4, SET}, {SOL_TCP, TCP_NODELAY, 4, BOTH},
	{SOL_TCP, TCP_MAXSEG, 4, BOTH}, {SOL_TCP, TCP_CORK, 4, BOTH},
	{SOL_TCP, TCP_KEEPIDLE, 4, BOTH}, {SOL_TCP, TCP_KEEPINTVL, 4, BOTH},
	{SOL_TCP, TCP_KEEPCNT, 4, BOTH}, {SOL_TCP, TCP_SYNCNT, 4, BOTH},
	{SOL_TCP, TCP_LINGER2, 4, BOTH}, {SOL_TCP, TCP_DEFER_ACCEPT, 4, BOTH},
	{SOL_TCP, TCP_WINDOW_CLAMP, 4, BOTH}, {SOL_TCP, TCP_INFO, 512, GET},
	{SOL_TCP, TCP_QUICKACK, 4, BOTH}, {SOL_TCP, TCP_CONGESTION, 16, BOTH},
	{SOL_TCP, TCP_USER_TIMEOUT, 4, BOTH}, {SOL_TCP, TCP_FASTOPEN, 4, BOTH},
	{SOL_TCP, TCP_NOTSENT_LOWAT, 4, BOTH}, {SOL_UDP, UDP_CORK, 4, BOTH},
	{SOL_UDP, UDP_SEGMENT, 4, BOTH}, {SOL_UDP, UDP_GRO, 4, BOTH},
	{SOL_IP, IP_TOS, 4, BOTH}, {SOL_IP, IP_TTL, 4, BOTH},
	{SOL_IP, IP_HDRINCL, 4, BOTH}, {SOL_IP, IP_PKTINFO, 4, BOTH},
	{SOL_IP, IP_RECVERR, 4, BOTH}, {SOL_IP, IP_RECVTTL, 4, BOTH},
	{SOL_IP, IP_RECVTOS, 4, BOTH}, {SOL_IP, IP_RECVORIGDSTADDR, 4, BOTH},
	{SOL_IP, IP_MTU_DISCOVER, 4, BOTH}, {SOL_IP, IP_MTU, 4, GET},
	{SOL_IP, IP_FREEBIND, 4, BOTH}, {SOL_IP, IP_TRANSPARENT, 4, BOTH},
	{SOL_IP, IP_MULTICAST_IF, 12, BOTH},
	{SOL_IP, IP_MULTICAST_TTL, 4, BOTH},
	{SOL_IP, IP_MULTICAST_LOOP, 4, BOTH},
	{SOL_IP, IP_MULTICAST_ALL, 4, BOTH},
	{SOL_IP, IP_ADD_MEMBERSHIP, 12, SET},
	{SOL_IP, IP_DROP_MEMBERSHIP, 12, SET},
	{SOL_IP, IP_BIND_ADDRESS_NO_PORT, 4, BOTH},
	{SOL_IPV6, IPV6_V6ONLY, 4, BOTH},
	{SOL_IPV6, IPV6_UNICAST_HOPS, 4, BOTH},
	{SOL_IPV6, IPV6_MULTICAST_IF, 4, BOTH},
	{SOL_IPV6, IPV6_MULTICAST_HOPS, 4, BOTH},
	{SOL_IPV6, IPV6_MULTICAST_LOOP, 4, BOTH},
	{SOL_IPV6, IPV6_ADD_MEMBERSHIP, 20, SET},
	{SOL_IPV6, IPV6_DROP_MEMBERSHIP, 20, SET},
	{SOL_IPV6, IPV6_RECVPKTINFO, 4, BOTH},
	{SOL_IPV6, IPV6_RECVHOPLIMIT, 4, BOTH},
	{SOL_IPV6, IPV6_RECVTCLASS, 4, BOTH}, {SOL_IPV6, IPV6_TCLASS, 4, BOTH},
	{SOL_IPV6, IPV6_RECVERR, 4, BOTH},
	{SOL_IPV6, IPV6_MTU_DISCOVER, 4, BOTH}, {SOL_IPV6, IPV6_MTU, 4, BOTH},
	{SOL_IPV6, IPV6_DONTFRAG, 4, BOTH}, {SOL_IPV6, IPV6_FREEBIND, 4, BOTH},
	{SOL_NETLINK, 1, 4, BOTH}, /* NETLINK_ADD_MEMBERSHIP */
	{SOL_NETLINK, 3, 4, BOTH}, /* NETLINK_PKTINFO */
	{SOL_NETLINK, 11, 4, BOTH}, /* NETLINK_EXT_ACK */
	{SOL_NETLINK, 12, 4, BOTH}, /* NETLINK_GET_STRICT_CHK */
};

size_t sockopt_host_size(int level, int name, bool set)
{
	for (size_t i = 0; i < ARRAY_SIZE(host_opts); i++) {
		const struct host_opt *o = &host_opts[i];

		if (o->level == level && o->name == name &&
			o->how & (set ? SET : GET))
			return o->size;
	}
	return 0;
}

static void log_unknown(int level, int name)
{
	static uint64_t seen[8];
	uint32_t hash = (uint32_t)(level * 131 + name) % 512;

	if (seen[hash / 64] >> hash % 64 & 1)
		return;
	seen[hash / 64] |= 1ul << hash % 64;
	klog("socket option %d of level %d is not there: ENOPROTOOPT", name,
		level);
}

static int set_timeout(uint64_t *timeout, const void *value, size_t size)
{
	int64_t tv[2];

	if (size < sizeof(tv))
		return -EINVAL;
	memcpy(tv, value, sizeof(tv));
	if (tv[1] < 0 || tv[1] >= 1000000)
		return -EDOM;
	*timeout = NO_DEADLINE;
	if (tv[0] < 0)
		*timeout = 0;
	else if ((tv[0] || tv[1]) && tv[0] < INT32_MAX)
		*timeout = (uint64_t)tv[0] * NSEC_PER_SEC +
			(uint64_t)tv[1] * 1000;
	return 0;
}

static int get_value(void *value, size_t *size, const void *from, size_t n)
{
	*size = u64_min(*size, n);
	memcpy(value, from, *size);
	return 0;
}

static int get_timeout(uint64_t timeout, void *value, size_t *size)
{
	int64_t tv[2] = {0, 0};

	if (timeout != NO_DEADLINE) {
		tv[0] = (int64_t)(timeout / NSEC_PER_SEC);
		tv[1] = (int64_t)(timeout % NSEC_PER_SEC / 1000);
	}
	return get_value(value, size, tv, sizeof(tv));
}

int sockopt_set(
	struct socket *s, int level, int name, const void *value, size_t size)
{
	int err = -ENOPROTOOPT;

	if (level == SOL_SOCKET) {
		if (name == SO_RCVTIMEO)
			return set_timeout(&s->recv_timeout, value, size);
		if (name == SO_SNDTIMEO)
			return set_timeout(&s->send_timeout, value, size);
		if (name != SO_BINDTODEVICE && size < 4)
			return -EINVAL;
	}
	if (s->ops->setsockopt)
		err = s->ops->setsockopt(s, level, name, value, size);
	if (err == -ENOPROTOOPT)
		log_unknown(level, name);
	return err;
}

int sockopt_get(
	struct socket *s, int level, int name, void *value, size_t *size)
{
	int err = -ENOPROTOOPT;

	if (level == SOL_SOCKET) {
		switch (name) {
		case SO_RCVTIMEO:
			return get_timeout(s->recv_timeout, value, size);
		case SO_SNDTIMEO:
			return get_timeout(s->send_timeout, value, size);
		case SO_TYPE:
			return get_value(value, size, &s->type, 4);
		case SO_DOMAIN:
			return get_value(value, size, &s->family, 4);
		case SO_PROTOCOL:
			return get_value(value, size, &s->protocol, 4);
		}
	}
	if (s->ops->getsockopt)
		err = s->ops->getsockopt(s, level, name, value, size);
	if (err == -ENOPROTOOPT)
		log_unknown(level, name);
	return err;
}

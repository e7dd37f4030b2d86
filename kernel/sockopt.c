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

/* Options whose value is an int, to set and to get. */
static const int socket_ints[] = {SO_REUSEADDR, SO_REUSEPORT, SO_KEEPALIVE,
	SO_BROADCAST, SO_DONTROUTE, SO_OOBINLINE, SO_SNDBUF, SO_RCVBUF,
	SO_RCVLOWAT, SO_PRIORITY, SO_TIMESTAMP, SO_TIMESTAMPNS, SO_INCOMING_CPU,
	SO_MARK, SO_NO_CHECK, SO_RXQ_OVFL, SO_BUSY_POLL};
static const int tcp_ints[] = {TCP_NODELAY, TCP_MAXSEG, TCP_CORK, TCP_KEEPIDLE,
	TCP_KEEPINTVL, TCP_KEEPCNT, TCP_SYNCNT, TCP_LINGER2, TCP_DEFER_ACCEPT,
	TCP_WINDOW_CLAMP, TCP_QUICKACK, TCP_USER_TIMEOUT, TCP_FASTOPEN,
	TCP_NOTSENT_LOWAT};
static const int udp_ints[] = {UDP_CORK, UDP_SEGMENT, UDP_GRO};
static const int ip_ints[] = {IP_TOS, IP_TTL, IP_HDRINCL, IP_PKTINFO,
	IP_RECVERR, IP_RECVTTL, IP_RECVTOS, IP_RECVORIGDSTADDR, IP_MTU_DISCOVER,
	IP_FREEBIND, IP_TRANSPARENT, IP_MULTICAST_TTL, IP_MULTICAST_LOOP,
	IP_MULTICAST_ALL, IP_BIND_ADDRESS_NO_PORT};
static const int ipv6_ints[] = {IPV6_V6ONLY, IPV6_UNICAST_HOPS,
	IPV6_MULTICAST_IF, IPV6_MULTICAST_HOPS, IPV6_MULTICAST_LOOP,
	IPV6_RECVPKTINFO, IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS, IPV6_TCLASS,
	IPV6_RECVERR, IPV6_MTU_DISCOVER, IPV6_MTU, IPV6_DONTFRAG,
	IPV6_FREEBIND};
/* NETLINK_ADD_MEMBERSHIP, _PKTINFO, _EXT_ACK, _GET_STRICT_CHK */
static const int netlink_ints[] = {1, 3, 11, 12};

static const struct int_opts {
	int level;
	size_t count;
	const int *names;
} int_opts[] = {
	{SOL_SOCKET, ARRAY_SIZE(socket_ints), socket_ints},
	{SOL_TCP, ARRAY_SIZE(tcp_ints), tcp_ints},
	{SOL_UDP, ARRAY_SIZE(udp_ints), udp_ints},
	{SOL_IP, ARRAY_SIZE(ip_ints), ip_ints},
	{SOL_IPV6, ARRAY_SIZE(ipv6_ints), ipv6_ints},
	{SOL_NETLINK, ARRAY_SIZE(netlink_ints), netlink_ints},
};

/* The others. Sizes are the most that Linux takes; less is the host's matter.
 */
static const struct host_opt {
	int level, name;
	size_t size;
	int how;
} host_opts[] = {
	{SOL_SOCKET, SO_SNDLOWAT, 4, GET},
	{SOL_SOCKET, SO_LINGER, 8, BOTH},
	{SOL_SOCKET, SO_ERROR, 4, GET},
	{SOL_SOCKET, SO_ACCEPTCONN, 4, GET},
	{SOL_SOCKET, SO_BINDTODEVICE, 16, SET},
	{SOL_SOCKET, SO_COOKIE, 8, GET},
	{SOL_SOCKET, SO_MAX_PACING_RATE, 8, BOTH},
	{SOL_SOCKET, SO_SNDBUFFORCE, 4, SET},
	{SOL_SOCKET, SO_RCVBUFFORCE, 4, SET},
	{SOL_TCP, TCP_INFO, 512, GET},
	{SOL_TCP, TCP_CONGESTION, 16, BOTH},
	{SOL_IP, IP_MTU, 4, GET},
	{SOL_IP, IP_MULTICAST_IF, 12, BOTH},
	{SOL_IP, IP_ADD_MEMBERSHIP, 12, SET},
	{SOL_IP, IP_DROP_MEMBERSHIP, 12, SET},
	{SOL_IPV6, IPV6_ADD_MEMBERSHIP, 20, SET},
	{SOL_IPV6, IPV6_DROP_MEMBERSHIP, 20, SET},
};

size_t sockopt_host_size(int level, int name, bool set)
{
	for (size_t i = 0; i < ARRAY_SIZE(int_opts); i++) {
		const struct int_opts *o = &int_opts[i];

		for (size_t k = 0; o->level == level && k < o->count; k++)
			if (o->names[k] == name)
				return sizeof(int);
	}
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

int sockopt_give(void *value, size_t *size, const void *from, size_t n)
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
	return sockopt_give(value, size, tv, sizeof(tv));
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
			return sockopt_give(value, size, &s->type, 4);
		case SO_DOMAIN:
			return sockopt_give(value, size, &s->family, 4);
		case SO_PROTOCOL:
			return sockopt_give(value, size, &s->protocol, 4);
		}
	}
	if (s->ops->getsockopt)
		err = s->ops->getsockopt(s, level, name, value, size);
	if (err == -ENOPROTOOPT)
		log_unknown(level, name);
	return err;
}

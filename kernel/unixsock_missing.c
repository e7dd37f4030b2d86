/* SPDX-License-Identifier: Apache-2.0 */
/* AF_UNIX inside the enclave is not there yet: -EAFNOSUPPORT. To be replaced
 * by unixsock.c. */
#include <linux/errno.h>

#include "kernel/klog.h"
#include "kernel/socket.h"

int unixsock_new(int type, int protocol, struct socket **out)
{
	klog("AF_UNIX sockets are not available inside the enclave");
	return -EAFNOSUPPORT;
}

int unixsock_pair(int type, int protocol, struct socket *out[2])
{
	return unixsock_new(type, protocol, out);
}

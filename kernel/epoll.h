/* SPDX-License-Identifier: Apache-2.0 */
/* What files must know of epoll. */
#pragma once

struct file;

/* The last reference on f is gone (before ops->release): its registrations
 * end. Never sleeps. */
void epoll_file_closed(struct file *f);

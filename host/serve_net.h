/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one epoll instance of the launcher: readiness of the enclave's
 * descriptors, kicks and signals.
 */
#pragma once

#include <signal.h>

/* Before the first host call. The signals of the set are taken by signalfd
 * and become events; the caller has blocked them in every thread. 0/-errno. */
int serve_net_init(const sigset_t *signals);
/* Ends one wait for events soon, now or the next one. Async-signal-safe. */
void serve_net_kick(void);

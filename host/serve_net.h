/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one epoll instance of the launcher: readiness of the enclave's
 * descriptors, kicks and signals.
 */
#pragma once

/* Before the first host call. 0/-errno. */
int serve_net_init(void);
/* Ends one wait for events soon, now or the next one. Async-signal-safe. */
void serve_net_kick(void);
/* Makes a signal (1 to 63) an event. Async-signal-safe. */
void serve_net_signal(int signo);

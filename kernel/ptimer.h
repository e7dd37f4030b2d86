/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timers of a process: setitimer(2), alarm(2), timer_create(2).
 */
#pragma once

struct process;
struct ksiginfo;

/* How many timers of this kind are armed: while there are some, due ones are
 * looked for on every way to the application, not only at ticks. */
extern int ptimer_armed;

void ptimer_exit(struct process *p); /* the process ends */
void ptimer_exec(struct process *p); /* POSIX timers go, itimers stay */

/* The signal of POSIX timer id is being delivered: sets its overrun count
 * and arms an interval timer again. */
void ptimer_delivered(struct process *p, int id, struct ksiginfo *info);

/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers of operation: cas/metrics.c. */
#pragma once

struct http_call;

void metrics_get(struct http_call *c);
void healthz_get(struct http_call *c);
void readyz_get(struct http_call *c);

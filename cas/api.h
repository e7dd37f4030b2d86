/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers: cas/api.c, and of operation cas/metrics.c. */
#pragma once

struct http_call;

void api_version(struct http_call *c);
void api_attestation(struct http_call *c);
void metrics_get(struct http_call *c);
void healthz_get(struct http_call *c);
void readyz_get(struct http_call *c);

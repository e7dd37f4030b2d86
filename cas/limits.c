/* SPDX-License-Identifier: Apache-2.0 */
#include "cas/limits.h"

#include "lib/string.h"

enum { WAYS = 8, MILLI = 1000 };

static uint64_t hash(const char *name)
{
	uint64_t h = 0xcbf29ce484222325;

	while (*name)
		h = (h ^ (uint8_t)*name++) * 0x100000001b3;
	return h ^ h >> 32;
}

/* The client's place, or the one of its set that was unused longest. */
static struct limits_client *find(struct limits *l, const char *name)
{
	size_t set = hash(name) % (LIMITS_CLIENTS / WAYS) * WAYS;
	struct limits_client *oldest = &l->client[set];

	for (size_t i = set; i < set + WAYS; i++) {
		struct limits_client *c = &l->client[i];

		if (strncmp(c->name, name, sizeof(c->name) - 1) == 0)
			return c;
		if (c->at_ms < oldest->at_ms)
			oldest = c;
	}
	return oldest;
}

bool limits_allow(struct limits *l, const char *client, uint64_t now_ms,
	uint64_t *retry_ms)
{
	uint64_t full = l->burst * MILLI, gained;
	struct limits_client *c;

	*retry_ms = 0;
	if (!l->rate)
		return true;
	c = find(l, client);
	if (strncmp(c->name, client, sizeof(c->name) - 1) != 0) {
		memset(c->name, 0, sizeof(c->name));
		memcpy(c->name, client, strnlen(client, sizeof(c->name) - 1));
		c->tokens = full;
		c->at_ms = now_ms;
	}
	if (now_ms < c->at_ms) /* a clock that was set back takes nothing */
		c->at_ms = now_ms;
	if (mul_overflows(now_ms - c->at_ms, l->rate, &gained) ||
		gained > full - u64_min(full, c->tokens))
		c->tokens = full;
	else
		c->tokens += gained;
	c->at_ms = now_ms;
	if (c->tokens >= MILLI) {
		c->tokens -= MILLI;
		return true;
	}
	*retry_ms = (MILLI - c->tokens + l->rate - 1) / l->rate;
	return false;
}

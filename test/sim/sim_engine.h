/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "test/sim/sim.h"

struct sim_engine;
typedef void sim_engine_fn(void *arg, int status, uint64_t version);

void sim_engine_reset(void);
/* What calls left behind; when no engine lives. */
void sim_engine_clear(void);
/* An engine on this store, with an owner and a session. NULL: it failed. */
struct sim_engine *sim_engine_new(struct store *store);
void sim_engine_free(struct sim_engine *s);
void sim_engine_tick(struct sim_engine *s);
/* tell() comes when and if the engine answers, perhaps at once. */
void sim_engine_read(struct sim_engine *s, unsigned client, unsigned object,
	sim_engine_fn *tell, void *arg);
void sim_engine_update(struct sim_engine *s, unsigned client, unsigned object,
	uint64_t from, uint64_t to, sim_engine_fn *tell, void *arg);

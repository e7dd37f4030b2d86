/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An engine on a store in memory, people a to z with their keys, and what was
 * answered. Policies are templates: <key:a> is the hash of a's key, <signer:a>
 * the key itself, <hash:NAME> the version of session NAME that was made last.
 */
#pragma once

#include "cas/engine.h"
#include "test/unit/store_fake.h"

struct told {
	unsigned count; /* answers; 0: none yet */
	int status;
	char error[1024];
	char items[4096]; /* "name=text\n" each */
	char *body; /* terminated */
	size_t body_size;
};

extern struct engine *engine;
extern struct store *engine_store;
extern int64_t engine_clock;
extern struct fake_holder engine_holder;
/* Everything that was ever answered in this test. */
extern struct buf engine_said;

/* Opens; with an owner, 'o', unless the name is NULL. */
void fixture_open(const char *owner_config);
void fixture_close(void);
/* Ends CAS and starts it again on the same disk. */
void fixture_restart(void);
/* Commits what waits, and tells who waits. */
void fixture_settle(void);

/* 0: without a key. */
struct engine_call fixture_call(char who);
const uint8_t *fixture_key(char who);
struct signature fixture_sign(char who, const void *message, size_t size);
/* The message of a change and its signature by each of `who`. */
struct signature_list fixture_signed(const char *who, const char *action,
	const char *session, const uint8_t *before, const uint8_t hash[32]);

/* The policy of a template; until the next call. */
const char *fixture_yaml(const char *template);
/* The version made last; fails the test if there is none. */
const uint8_t *fixture_hash(const char *session);
bool fixture_item(
	const struct told *t, const char *name, char *out, size_t size);

/* Each settles, and gives what was answered until the next one. */
const struct told *fixture_told(void);
const struct told *fixture_create(char who, const char *template);
const struct told *fixture_update(char who, const char *template);
const struct told *fixture_create_signed(char who, const char *template,
	const struct signature_list *signatures);
const struct told *fixture_update_signed(char who, const char *template,
	const struct signature_list *signatures);
const struct told *fixture_read(char who, const char *name);
const struct told *fixture_read_version(
	char who, const char *name, const uint8_t *hash);
const struct told *fixture_delete(char who, const char *name);
const struct told *fixture_list(char who, const char *prefix);
const struct told *fixture_diff(char who, const char *template);
const struct told *fixture_verify(
	char who, const char *name, const uint8_t *hash);
const struct told *fixture_public(
	const char *session, const char *secret, const char *format);
const struct told *fixture_open_proposal(char who, const char *template);
/* signer 0: with the TLS key of `who`. The id is that of the last one. */
const struct told *fixture_vote(char who, char signer, bool yes);
const struct told *fixture_proposal(char who);
const struct told *fixture_proposals(char who, const char *session);
const struct told *fixture_withdraw(char who);
const struct told *fixture_tick(int64_t seconds);

#define want(told_, status_) want_at((told_), (status_), __FILE__, __LINE__)
void want_at(const struct told *t, int status, const char *file, int line);
#define want_text(told_, status_, text_) \
	want_text_at((told_), (status_), (text_), __FILE__, __LINE__)
/* The error contains text. */
void want_text_at(const struct told *t, int status, const char *text,
	const char *file, int line);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * security.attestation: which states of a platform are good enough.
 *
 * A state has components: hardening of software, configuration, patches. Each
 * must be tolerated. Some values of `tolerate` stand for single advisories:
 * they tolerate the state, but no advisory beside their own. All open
 * advisories must be accounted for:
 *
 *	value				component	advisories
 *	software-hardening-needed	hardening	all but the single ones
 *	insecure-configuration		configuration	all
 *	outdated-tcb			patches		all
 *	hyperthreading			configuration	INTEL-SA-00161, -00233
 *	insecure-igpu			configuration	INTEL-SA-00219
 *	aepic-leak			both		INTEL-SA-00657
 *
 * If every open advisory is in ignore_advisories, the state says nothing that
 * the owner has not seen: it is tolerated, unless patches are missing.
 */
#include <string.h>

#include "cas/match_int.h"
#include "lib/fmt.h"

enum component {
	HARDENING = 1,
	CONFIGURATION = 2,
	PATCHES = 4,
	NEVER = 8, /* no policy tolerates it */
};

static const unsigned components[TCB_STATUS_COUNT] = {
	[TCB_UNKNOWN] = NEVER,
	[TCB_UP_TO_DATE] = 0,
	[TCB_SW_HARDENING_NEEDED] = HARDENING,
	[TCB_CONFIGURATION_NEEDED] = CONFIGURATION,
	[TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED] = HARDENING | CONFIGURATION,
	[TCB_OUT_OF_DATE] = PATCHES,
	[TCB_OUT_OF_DATE_CONFIGURATION_NEEDED] = PATCHES | CONFIGURATION,
	/* The module was mended after this TD began. */
	[TCB_TD_RELAUNCH_ADVISED] = PATCHES,
	[TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED] = PATCHES |
		CONFIGURATION,
	[TCB_REVOKED] = NEVER,
	[TCB_NOT_SUPPORTED] = NEVER,
};

static const struct tolerance {
	uint64_t bit;
	const char *name;
	unsigned components;
	const char *advisories[2]; /* none: not for single ones */
} tolerances[] = {
	{TOLERATE_SW_HARDENING, "software-hardening-needed", HARDENING, {0}},
	{TOLERATE_CONFIGURATION, "insecure-configuration", CONFIGURATION, {0}},
	{TOLERATE_OUTDATED_TCB, "outdated-tcb", PATCHES, {0}},
	{TOLERATE_HYPERTHREADING, "hyperthreading", CONFIGURATION,
		{"INTEL-SA-00161", "INTEL-SA-00233"}},
	{TOLERATE_INSECURE_IGPU, "insecure-igpu", CONFIGURATION,
		{"INTEL-SA-00219"}},
	{TOLERATE_AEPIC_LEAK, "aepic-leak", HARDENING | CONFIGURATION,
		{"INTEL-SA-00657"}},
};

static unsigned components_of(enum tcb_status s)
{
	return (unsigned)s < TCB_STATUS_COUNT ? components[s] : NEVER;
}

static unsigned tolerated(const struct session_security *s)
{
	unsigned c = 0;

	for (size_t i = 0; i < ARRAY_SIZE(tolerances); i++)
		if (s->tolerate & tolerances[i].bit)
			c |= tolerances[i].components;
	return c;
}

/* The value that stands for this advisory, or NULL. */
static const struct tolerance *single(const char *id)
{
	for (size_t i = 0; i < ARRAY_SIZE(tolerances); i++)
		for (size_t k = 0; k < ARRAY_SIZE(tolerances[i].advisories);
			k++) {
			const char *a = tolerances[i].advisories[k];

			if (a && strcmp(a, id) == 0)
				return &tolerances[i];
		}
	return NULL;
}

static bool is_ignored(const struct session_security *s, const char *id)
{
	for (size_t i = 0; i < s->ignore_advisories.count; i++) {
		const char *a = s->ignore_advisories.item[i];

		if (strcmp(a, "*") == 0 || strcmp(a, id) == 0)
			return true;
	}
	return false;
}

static bool is_accounted(const struct session_security *s, unsigned state,
	const struct tolerance *one, const char *id)
{
	if (is_ignored(s, id) || (one && (s->tolerate & one->bit)))
		return true;
	if ((state & CONFIGURATION) && (s->tolerate & TOLERATE_CONFIGURATION))
		return true;
	if ((state & PATCHES) && (s->tolerate & TOLERATE_OUTDATED_TCB))
		return true;
	return !one && (state & HARDENING) &&
		(s->tolerate & TOLERATE_SW_HARDENING);
}

void match_tcb_policy(const struct session_security *s, const struct verdict *v,
	struct appraise_policy *out)
{
	unsigned allowed = tolerated(s), state = components_of(v->tcb_status);
	bool all_ignored = v->advisory_count > 0;

	memset(out, 0, sizeof(*out));
	out->allow_debug = s->tolerate & TOLERATE_DEBUG;
	out->allow_emulated = s->mode == MODE_EMULATED ||
		(s->tolerate & TOLERATE_EMULATED);
	out->only_advisories = true;
	for (unsigned i = 0; i < TCB_STATUS_COUNT; i++)
		if ((components[i] & ~allowed) == 0)
			out->tolerate |= 1u << i;
	for (size_t i = 0; i < v->advisory_count && i < APPRAISE_ADVISORIES;
		i++) {
		const char *id = v->advisories[i];

		all_ignored = all_ignored && is_ignored(s, id);
		if (is_accounted(s, state, single(id), id))
			memcpy(out->advisories[out->advisory_count++], id,
				sizeof(out->advisories[0]));
	}
	if (all_ignored &&
		(state & ~(unsigned)(HARDENING | CONFIGURATION)) == 0)
		out->tolerate |= 1u << v->tcb_status;
}

static size_t add(
	char *out, size_t size, size_t at, const char *prefix, const char *text)
{
	if (at >= size)
		return at;
	return at + fmt_print(out + at, size - at, "%s%s", prefix, text);
}

/* What the state lacks; for configuration the values of its advisories, if
 * they are all of that kind. */
static void cure_status(const struct session_security *s,
	const struct verdict *v, char *out, size_t size)
{
	unsigned state = components_of(v->tcb_status);
	unsigned lack = state & ~tolerated(s);
	const char *sep = "";
	size_t at;

	if (state & NEVER)
		return;
	at = add(out, size, 0, "security.attestation.tolerate: add [", "");
	for (size_t i = 0; i < ARRAY_SIZE(tolerances); i++) {
		const struct tolerance *t = &tolerances[i];

		if (t->advisories[0] || !(t->components & lack))
			continue;
		at = add(out, size, at, sep, t->name);
		sep = ", ";
	}
	add(out, size, at, "]", "");
}

static void cure_advisories(const struct session_security *s,
	const struct verdict *v, char *out, size_t size)
{
	unsigned state = components_of(v->tcb_status);
	size_t at = add(out, size, 0,
		"security.attestation.ignore_advisories: add [", "");
	const char *sep = "";

	for (size_t i = 0; i < v->advisory_count; i++) {
		const char *id = v->advisories[i];
		const struct tolerance *one = single(id);

		if (is_accounted(s, state, one, id))
			continue;
		at = add(out, size, at, sep, id);
		if (one && at < size)
			at += fmt_print(out + at, size - at,
				" (or tolerate: [%s])", one->name);
		sep = ", ";
	}
	add(out, size, at, "]", "");
}

void match_tcb_cure(const struct session_security *s, const struct verdict *v,
	const char *rule, char *out, size_t size)
{
	out[0] = '\0';
	if (strcmp(rule, "policy-debug") == 0)
		add(out, size, 0,
			"security.attestation.tolerate: add [debug-mode]; its "
			"host can then read all that it has",
			"");
	else if (strcmp(rule, "policy-emulated") == 0)
		add(out, size, 0,
			"security.attestation.mode: emulated; its host can "
			"then read all that it has",
			"");
	else if (strcmp(rule, "policy-tcb-status") == 0)
		cure_status(s, v, out, size);
	else if (strcmp(rule, "policy-advisories") == 0)
		cure_advisories(s, v, out, size);
}

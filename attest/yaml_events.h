/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML (and JSON, which is YAML) as a strict stream of events: one document,
 * no anchors, aliases, tags or zero bytes, and errors with "NAME:LINE:COLUMN:
 * ". What keys mean is for the readers on top: cli/yaml.c by schema,
 * attest/appraise_read.c.
 */
#pragma once

#include <yaml.h>

#include "lib/err.h"

struct yaml_events {
	yaml_parser_t parser;
	yaml_event_t event; /* the current one */
	bool has_event;
	const char *name;
	struct err *e;
};

/* text and name stay the caller's, and live as long. -ENOMEM: no fini. */
must_check int yaml_events_init(struct yaml_events *y, const char *name,
	const char *text, size_t size, struct err *e);
void yaml_events_fini(struct yaml_events *y);

/* To the first event of the document. -EINVAL: there is none. */
must_check int yaml_events_begin(struct yaml_events *y);
must_check int yaml_events_next(struct yaml_events *y);
/* Behind the last event of the content: nothing may follow. */
must_check int yaml_events_end(struct yaml_events *y);

/* -EINVAL, with the place of the current event or of a mark. */
int yaml_events_fail(struct yaml_events *y, const char *format, ...)
	printf_like(2, 3);
int yaml_events_fail_at(struct yaml_events *y, yaml_mark_t mark,
	const char *format, ...) printf_like(3, 4);
/* 0 if the current event is of that type; else an error that begins with key.
 */
must_check int yaml_events_want(
	struct yaml_events *y, yaml_event_type_t type, const char *key);

/* Of the current event, a scalar: its text, and whether it has no quotes. */
const char *yaml_events_text(const struct yaml_events *y);
bool yaml_events_is_plain(const struct yaml_events *y);
/* true, yes, false, no, without quotes. */
must_check int yaml_events_bool(
	struct yaml_events *y, const char *key, bool *v);

/* For "did you mean": keeps the better of *best and the candidate, if it is
 * like word at all. *least: SIZE_MAX at first. */
void yaml_events_consider(const char *word, const char *candidate,
	size_t *least, const char **best);

/* "a value", "a list", ... */
const char *yaml_events_type_name(yaml_event_type_t type);

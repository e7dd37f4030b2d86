/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which CAS this user knows, and by which key: written by `sconce cas attest`,
 * in $XDG_CONFIG_HOME/sconce/cas.json (or ~/.config/sconce/cas.json):
 *
 *	{"default": "cas.example:8081",
 *	 "known": {"cas.example:8081": {"key": "64 hex digits",
 *	                                "enclaves": "cas.example:18765"}}}
 */
#pragma once

#include "lib/err.h"

enum { CAS_ADDRESS_MAX = 256, CAS_PATH_MAX = 1024 };

struct cas_known {
	char address[CAS_ADDRESS_MAX]; /* HOST:PORT for people */
	char enclaves[CAS_ADDRESS_MAX]; /* HOST:PORT for services */
	uint8_t key[32]; /* SHA-256 of its DER SubjectPublicKeyInfo */
};

/* The one with either address, or (NULL) the default. -ENOENT with the cure in
 * e; -EINVAL: the file is not what it should be. */
must_check int cas_known_find(
	const char *address, struct cas_known *out, struct err *e);
/* Adds or replaces; the first one becomes the default. */
must_check int cas_known_put(
	const struct cas_known *k, bool make_default, struct err *e);

/* A file of the user's folder for Sconce, which is made if need be (mode 0700).
 */
must_check int cas_known_file(
	const char *name, char path[static CAS_PATH_MAX], struct err *e);

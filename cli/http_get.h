/* SPDX-License-Identifier: Apache-2.0 */
/* Getting a URL by the program sconce-fetch (fetch_main.c). */
#pragma once

#include "lib/err.h"

struct http_answer {
	char *text; /* malloc'ed: all of what sconce-fetch wrote */
	const char *header; /* lines, NUL at the end */
	const uint8_t *body;
	size_t body_size;
};

/* ca_file may be NULL. 0 if the status is 200; else -errno with a text that
 * names the URL. Free: free(answer->text). */
must_check int http_get(const char *url, const char *ca_file,
	struct http_answer *answer, struct err *e);
/*
 * The value of a header, percent-decoded, malloc'ed; NULL: there is none, it
 * does not decode, or no memory.
 */
char *http_header(const struct http_answer *answer, const char *name);

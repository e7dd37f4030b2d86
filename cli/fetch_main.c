/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sconce-fetch [--ca-file FILE] URL: gets one thing over https and writes the
 * answer to standard output as "STATUS\n", the header's lines, an empty line,
 * the body. For `sconce collateral fetch`, which starts it for each URL: what
 * speaks to the network is not what judges evidence.
 *
 * http without TLS is for servers on this machine. Redirections are not
 * followed; sizes and times are bounded. Exit status 1: no whole answer came;
 * standard error says why.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <curl/curl.h>

enum { BODY_MAX = 1 << 20, HEADER_MAX = 64 << 10 };

struct text {
	char data[BODY_MAX];
	size_t size, max;
};

static size_t add(char *data, size_t unit, size_t count, void *ctx)
{
	struct text *t = ctx;
	size_t size = unit * count;

	if (size > t->max - t->size)
		return 0; /* curl gives up: CURLE_WRITE_ERROR */
	memcpy(t->data + t->size, data, size);
	t->size += size;
	return size;
}

/* A header of an answer that is not the last ("100 Continue") is dropped. */
static size_t add_header(char *data, size_t unit, size_t count, void *ctx)
{
	struct text *t = ctx;
	size_t size = unit * count;

	if (size >= 5 && memcmp(data, "HTTP/", 5) == 0) {
		t->size = 0;
		return size;
	}
	if (size <= 2 && (data[0] == '\r' || data[0] == '\n'))
		return size;
	return add(data, unit, count, ctx);
}

/* Whether the URL may be got without TLS: its host is this machine. */
static bool is_local(const char *url)
{
	static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
	CURLU *u = curl_url();
	char *host = NULL;
	bool local = false;

	if (u != NULL && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
		curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK)
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			local |= strcmp(host, names[i]) == 0;
	curl_free(host);
	curl_url_cleanup(u);
	return local;
}

static CURLcode get(CURL *c, const char *url, const char *ca_file,
	struct text *header, struct text *body)
{
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR,
		is_local(url) ? "https,http" : "https");
	if (ca_file != NULL)
		curl_easy_setopt(c, CURLOPT_CAINFO, ca_file);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, 10L);
	curl_easy_setopt(c, CURLOPT_TIMEOUT, 30L);
	curl_easy_setopt(c, CURLOPT_MAXFILESIZE, (long)BODY_MAX);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "sconce/" SCONCE_VERSION);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, add_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, header);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, add);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, body);
	return curl_easy_perform(c);
}

static const char *cure(CURLcode code)
{
	switch (code) {
	case CURLE_UNSUPPORTED_PROTOCOL:
		return "; wanted https (http is for servers on this machine)";
	case CURLE_PEER_FAILED_VERIFICATION:
		return "; --ca-file FILE names who vouches for the server";
	case CURLE_WRITE_ERROR:
	case CURLE_FILESIZE_EXCEEDED:
		return "; the answer is larger than it can be";
	default:
		return "";
	}
}

int main(int argc, char **argv)
{
	static struct text header = {.max = HEADER_MAX};
	static struct text body = {.max = BODY_MAX};
	static char why[CURL_ERROR_SIZE];
	const char *ca_file = NULL;
	long status = 0;
	CURLcode code;
	CURL *c;

	if (argc == 4 && strcmp(argv[1], "--ca-file") == 0) {
		ca_file = argv[2];
		argv += 2;
		argc -= 2;
	}
	if (argc != 2) {
		fprintf(stderr, "usage: sconce-fetch [--ca-file FILE] URL\n");
		return 2;
	}
	c = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? curl_easy_init()
							      : NULL;
	if (c == NULL) {
		fprintf(stderr, "libcurl does not start\n");
		return 1;
	}
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, why);
	code = get(c, argv[1], ca_file, &header, &body);
	if (code != CURLE_OK) {
		fprintf(stderr, "%.200s: %s%s\n", argv[1],
			why[0] != '\0' ? why : curl_easy_strerror(code),
			cure(code));
		return 1;
	}
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	printf("%ld\n", status);
	fwrite(header.data, 1, header.size, stdout);
	printf("\n");
	fwrite(body.data, 1, body.size, stdout);
	curl_easy_cleanup(c);
	return fflush(stdout) == 0 ? 0 : 1;
}

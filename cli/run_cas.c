/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/run_cas.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "attest/measure.h"
#include "cli/cas_known.h"
#include "cli/child.h"
#include "lib/bytes.h"
#include "lib/string.h"

#define DEFAULT_PORT "18765"

/* HOST:PORT, [ADDRESS]:PORT or HOST alone. */
static int split(const char *text, char host[static CAS_ADDRESS_MAX],
	const char **port, struct err *e)
{
	const char *colon = strrchr(text, ':');
	size_t len = colon != NULL ? (size_t)(colon - text) : strlen(text);
	bool bracket = text[0] == '[' && strchr(text, ']') != NULL;

	*port = colon != NULL ? colon + 1 : DEFAULT_PORT;
	if (bracket) {
		const char *end = strchr(text++, ']');

		len = (size_t)(end - text);
		*port = end[1] == ':' ? end + 2 : DEFAULT_PORT;
	}
	if (len == 0 || len >= CAS_ADDRESS_MAX || (*port)[0] == '\0')
		return err_setf(e, -EINVAL,
			"--cas: '%s'; wanted HOST:PORT, as in cas.example:%s",
			text, DEFAULT_PORT);
	memcpy(host, text, len);
	host[len] = '\0';
	return 0;
}

static void add_address(struct run_cas *c, const struct addrinfo *a)
{
	char host[RUN_CAS_ADDRESS], port[8];
	char *text = c->address[c->addresses_count];
	bool v6 = a->ai_family == AF_INET6;

	if (getnameinfo(a->ai_addr, a->ai_addrlen, host, sizeof(host), port,
		    sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return;
	/* A zone is this machine's, and an enclave knows none. */
	if (strchr(host, '%') != NULL ||
		snprintf(text, RUN_CAS_ADDRESS, v6 ? "[%s]:%s" : "%s:%s", host,
			port) >= RUN_CAS_ADDRESS)
		return;
	c->addresses[c->addresses_count++] = text;
}

static int resolve(struct run_cas *c, const char *text, struct err *e)
{
	const struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC};
	char host[CAS_ADDRESS_MAX];
	struct addrinfo *list;
	const char *port;
	int ret = split(text, host, &port, e);

	if (ret < 0)
		return ret;
	ret = getaddrinfo(host, port, &hints, &list);
	if (ret != 0)
		return err_setf(e, -EHOSTUNREACH, "--cas: %s: %s", text,
			gai_strerror(ret));
	for (const struct addrinfo *a = list;
		a != NULL && c->addresses_count < RUN_CAS_ADDRESSES;
		a = a->ai_next)
		add_address(c, a);
	freeaddrinfo(list);
	if (c->addresses_count == 0)
		return err_setf(e, -EHOSTUNREACH,
			"--cas: %s: has no IPv4 or IPv6 address", text);
	return 0;
}

int run_cas_otp(struct run_cas_options *o, struct err *e)
{
	char *at = o->session ? strchr(o->session, '@') : NULL;

	if (at != NULL && o->otp != NULL)
		return err_setf(e, -EINVAL,
			"--otp, and a code in --session %s: wanted one of them",
			o->session);
	if (at != NULL) { /* of our own command line, where ps(1) sees it */
		*at = '\0';
		o->otp = at + 1;
	}
	if (o->otp != NULL &&
		(strlen(o->otp) != 6 || strspn(o->otp, "0123456789") != 6))
		return err_setf(e, -EINVAL,
			"--otp: '%.40s'; wanted the six digits that the "
			"owner's device shows",
			o->otp);
	return 0;
}

int run_cas_find(
	struct run_cas *c, const struct run_cas_options *o, struct err *e)
{
	const char *address = o->cas;
	struct cas_known known;
	int ret = 0;

	*c = (struct run_cas){0};
	if (o->otp != NULL)
		snprintf(c->otp, sizeof(c->otp), "@%s", o->otp);
	if (o->session == NULL)
		return err_setf(e, -EINVAL,
			"--cas without --session; wanted --session "
			"NAME/SERVICE, as in shop/db/mariadb");
	if (o->key != NULL && o->cas == NULL)
		return err_setf(
			e, -EINVAL, "--cas-key without --cas HOST:PORT");
	if (o->key != NULL && !string_from_hex(o->key, c->key, sizeof(c->key)))
		return err_setf(e, -EINVAL,
			"--cas-key: '%s'; wanted 64 hexadecimal digits, as "
			"`sconce cas attest` prints them",
			o->key);
	if (o->key == NULL) {
		ret = cas_known_find(o->cas, &known, e);
		if (ret < 0)
			return ret;
		memcpy(c->key, known.key, sizeof(c->key));
		address = known.enclaves;
	}
	return resolve(c, address, e);
}

static int ask_for_token(
	struct run_cas *c, const struct run_cas_options *o, struct err *e)
{
	const char *args[RUN_CAS_ADDRESSES + 6] = {"sconce", "token"};
	struct child child;
	char key[65];
	size_t n = 2;
	int ret;

	bytes_to_hex(c->key, sizeof(c->key), key);
	if (o->token != NULL && setenv(RUN_CAS_TOKEN_VARIABLE, o->token, 1) < 0)
		return err_setf(e, -ENOMEM, "no memory");
	args[n++] = key;
	args[n++] = o->session;
	for (size_t i = 0; i < c->addresses_count; i++)
		args[n++] = c->addresses[i];
	ret = child_run("sconce-exec", args, RUN_CAS_TOKEN, true, &child, e);
	if (ret < 0)
		return ret;
	/* It said why. */
	if (child.status != 0 || child.size >= RUN_CAS_TOKEN)
		ret = err_setf(e, -ECONNREFUSED,
			"session %s: nothing is started without CAS",
			o->session);
	else
		memcpy(c->token, child.text, child.size + 1);
	free(child.text);
	return ret;
}

int run_cas_manifest(
	struct run_cas *c, const struct run_cas_options *o, struct err *e)
{
	const char *token = o->token != NULL ? o->token
					     : getenv(RUN_CAS_TOKEN_VARIABLE);
	int ret = 0;

	if (o->one_time != NULL && strlen(o->one_time) >= RUN_CAS_TOKEN)
		return err_setf(e, -EINVAL, "--one-time: more than %d bytes",
			RUN_CAS_TOKEN - 1);
	if (token != NULL && strlen(token) >= RUN_CAS_TOKEN)
		return err_setf(e, -EINVAL, "--token: more than %d bytes",
			RUN_CAS_TOKEN - 1);
	if (o->one_time != NULL)
		strcpy(c->token, o->one_time);
	else
		ret = ask_for_token(c, o, e);
	if (c->token[0] == '\0' && token != NULL)
		strcpy(c->token, token);
	if (ret == 0)
		ret = manifest_for_cas(c->key, o->session, c->token,
			c->manifest, &c->manifest_size, e);
	if (ret == 0)
		measure_hash(c->manifest, c->manifest_size, c->hash);
	return ret;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * carrier-client ADDRESS KEY SESSION VOLUME COUNT PAUSE_MS: what init-cas does
 * with a connection, without an enclave: asks for a configuration, pushes COUNT
 * tags of one volume, each behind the last, and reports its exit; with
 * $CARRIER_SECRETS each with a question for a value and one that is put. A line
 * for each thing that happened. Linked with sanitizers for test_carrier.py.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cas/carrier.h"
#include "lib/string.h"

static uint64_t done, count, asked, told, lost;
static bool failed;
static uint8_t last[32], next[32];

static void tag_done(void *arg, uint64_t id, int status)
{
	(void)arg;
	if (id != done + 1) {
		printf("wrong id\n");
		exit(1);
	}
	done = id;
	memcpy(last, next, sizeof(last));
	if (status != 0) {
		printf("tag %llu: %d\n", (unsigned long long)id, status);
		failed = true;
	}
}

static void secret_done(
	void *arg, uint64_t id, int status, const struct bytes *value)
{
	(void)arg;
	told++;
	if (status != 0)
		lost++;
	else if (id % 2 == 0 && (value->size != 1 || value->data[0] != 'v'))
		exit(1);
}

/* What it is asked with is gone when the answer comes. */
static void ask(struct carrier *c)
{
	char name[] = "wkey", format[] = "hex", value[] = "v";
	struct carrier_secret s = {
		.id = asked,
		.name = name,
		.format = asked % 2 ? "" : format,
		.put = asked % 2,
		.value = {(uint8_t *)value, 1},
	};

	asked++;
	carrier_secret(c, &s);
	memset(name, 'x', sizeof(name));
	memset(format, 'x', sizeof(format));
}

static void say(void *arg, const char *text)
{
	(void)arg;
	printf("said %s\n", text);
}

/* The first is of a volume that was just made. */
static void push(struct carrier *c)
{
	struct carrier_tag t = {.id = done + 1, .to = next};
	FILE *f = fopen("/dev/urandom", "r");

	if (f == NULL || fread(next, sizeof(next), 1, f) != 1)
		exit(1);
	fclose(f);
	t.volume = getenv("CARRIER_VOLUME");
	t.from = done > 0 ? last : NULL;
	carrier_tag(c, &t);
}

static void run(struct carrier *c, unsigned pause_ms)
{
	uint64_t pushed = 0;
	struct err e = {0};
	struct pollfd p;
	int timeout;

	while (!carrier_exited(c)) {
		if (pushed == done && done < count && !failed) {
			pushed++;
			push(c);
			if (getenv("CARRIER_SECRETS")) {
				ask(c);
				ask(c);
			}
			usleep(pause_ms * 1000);
		}
		if (pushed == done && (done == count || failed))
			carrier_exit(c, failed, "over");
		if (carrier_run(c, &e) < 0)
			exit(1);
		timeout = carrier_timeout(c);
		p = (struct pollfd){carrier_fd(c), carrier_events(c), 0};
		if (pushed > done || carrier_expired(c) || done == count)
			poll(&p, 1, timeout);
	}
}

int main(int argc, char **argv)
{
	struct carrier_options o = {
		.tag_done = tag_done, .secret_done = secret_done, .say = say};
	struct carrier *c = NULL;
	const char *address;
	struct err e = {0};
	int ret;

	if (argc != 7 || !string_from_hex(argv[2], o.key, sizeof(o.key)))
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	address = argv[1];
	o.addresses = &address;
	o.addresses_count = 1;
	o.session = argv[3];
	o.token = getenv("CARRIER_TOKEN");
	o.start_ms = 3000;
	setenv("CARRIER_VOLUME", argv[4], 1);
	count = strtoull(argv[5], NULL, 10);
	ret = carrier_new(&o, &c, &e);
	if (ret == 0)
		ret = carrier_start(c, &e);
	if (ret < 0) {
		printf("failed %d %s\n", ret, e.text);
	} else {
		printf("config %zu\n", carrier_config(c).size);
		carrier_forget_config(c);
		run(c, (unsigned)strtoul(argv[6], NULL, 10));
		if (told != asked)
			return 1;
		if (asked > 0)
			printf("values %llu\n",
				(unsigned long long)(told - lost));
		printf("done %llu\n", (unsigned long long)done);
	}
	carrier_free(c);
	return ret < 0 || failed;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret-dump FOLDER: makes the values of the tests' session, as of now, and
 * writes each in each of its formats to FOLDER/NAME[:FORMAT], for other
 * implementations to judge (test/system/test_secrets.py).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "test/unit/secret_session.h"

static const char *const formats[] = {"", "bin", "hex", "base64", "base64url",
	"base32", "base32nopad", "pem", "der", "pkcs8:pem", "pkcs8:der",
	"spki:pem", "spki:der", "crt", "crt:pem", "crt:der", "crt:der:base64",
	"chain", "privatekey", "privatekey:pem", "privatekey:der",
	"privatekey:pkcs8:pem", "privatekey:pkcs8:der",
	"pkcs12-with-private-key", "pkcs12-with-private-key:base64"};

static int dump(const struct secret_set *set, const char *name,
	const char *format, const char *folder)
{
	struct buf text = {0};
	struct err e = {0};
	char path[512];
	FILE *f;
	bool ok;

	if (secret_format(set, name, format, &text, &e)) {
		buf_fini(&text);
		return e.code == -22 ? 0 : -1;
	}
	snprintf(path, sizeof(path), "%s/%s%s%s", folder, name,
		format[0] ? ":" : "", format);
	f = fopen(path, "wx");
	ok = f && fwrite(text.data, 1, text.size, f) == text.size;
	if (f && fclose(f))
		ok = false;
	buf_fini(&text);
	return ok ? 0 : -1;
}

int main(int argc, char **argv)
{
	const struct session *s = secret_session_all();
	const struct secret_spec *spec = s->secrets.item;
	const struct secret_env env = {.now = time(NULL)};
	struct secret_set *set;
	struct err e = {0};

	if (argc != 2 || secret_set_make(s, NULL, NULL, &env, &set, &e)) {
		fprintf(stderr, "secret-dump: %s\n",
			e.code ? e.text : "usage: secret-dump FOLDER");
		return 1;
	}
	for (size_t i = 0; i < s->secrets.count; i++)
		for (size_t j = 0; j < ARRAY_SIZE(formats); j++)
			if (dump(set, spec[i].name, formats[j], argv[1])) {
				perror(spec[i].name);
				return 1;
			}
	secret_set_free(set);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "init/secrets.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "cas/subst.h"
#include "init/device.h"

struct question {
	struct carrier_secret *to;
	char name[SERVICE_SECRET_NAME], format[SERVICE_SECRET_NAME];
};

int secrets_open(struct secrets *s, struct err *e)
{
	s->memory = malloc(DEVICE_SECRET_SIZE);
	if (s->memory == NULL)
		return err_setf(e, -ENOMEM, "no memory");
	s->fd = device_secrets_open(e);
	return s->fd < 0 ? s->fd : 0;
}

short secrets_events(const struct secrets *s)
{
	return s->count < SECRETS_AT_ONCE ? POLLIN : 0;
}

/* They are parts of a text that is no longer than these. */
static int on_variable(void *arg, const char *name, const char *format)
{
	struct question *q = arg;

	strcpy(q->name, name);
	strcpy(q->format, format);
	return 0;
}

/* The text between the marks of a variable: NAME[:FORMAT][|escape(json)]. */
static bool parse(const char *text, struct question *q, bool *json)
{
	struct buf b = {0};
	bool good;

	buf_format(&b, "$$SCONE::%s$$", text);
	good = buf_check(&b) == 0 && subst_is_variable((char *)b.data) &&
		subst_each((char *)b.data, on_variable, q, NULL) == 0;
	buf_fini(&b);
	*json = strchr(text, '|') != NULL;
	return good;
}

void secrets_serve(struct secrets *s, struct carrier *c)
{
	struct service_secret_request *r = s->memory;

	while (s->count < SECRETS_AT_ONCE && device_secret_read(s->fd, r) > 0) {
		struct secrets_asked *a = &s->asked[s->count];
		struct question q;
		struct carrier_secret ask = {
			.id = r->id,
			.name = q.name,
			.format = q.format,
			.put = r->put,
			.value = {(uint8_t *)(r + 1), r->size},
		};

		if (!parse(r->name, &q, &a->json) || (r->put && a->json) ||
			(r->put && q.format[0] != '\0')) {
			device_secret_reply(
				s->fd, r->id, -EINVAL, &(struct bytes){0});
		} else {
			a->id = r->id;
			s->count++;
			carrier_secret(c, &ask);
		}
		OPENSSL_cleanse(r, DEVICE_SECRET_SIZE);
	}
}

/* Was its answer to be escaped? It is asked no more. */
static bool forget(struct secrets *s, uint64_t id)
{
	bool json = false;

	for (size_t i = 0; i < s->count; i++) {
		if (s->asked[i].id != id)
			continue;
		json = s->asked[i].json;
		s->asked[i] = s->asked[--s->count];
		break;
	}
	return json;
}

void secrets_done(
	struct secrets *s, uint64_t id, int status, const struct bytes *value)
{
	struct buf escaped = {.secret = true};
	struct bytes answer = *value;

	if (forget(s, id) && status == 0) {
		status = buf_json(&escaped, value->data, value->size);
		if (status == 0)
			status = buf_check(&escaped);
		answer = (struct bytes){escaped.data, escaped.size};
	}
	if (status < 0)
		answer.size = 0;
	device_secret_reply(s->fd, id, status, &answer);
	buf_fini(&escaped);
}

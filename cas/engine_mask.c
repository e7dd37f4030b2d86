/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policies as people read them: what somebody wrote into one and only services
 * need to know is masked. Rules, certificates and public keys are not: readers
 * are to judge them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cas/engine_int.h"

static const char mask[] = "********";

static bool is_secret(const struct secret_spec *s)
{
	if (!s->value)
		return false;
	switch ((enum secret_kind)s->kind) {
	case SECRET_CONFIG_FRAGMENT:
		return false;
	case SECRET_PUBLIC_KEY:
	case SECRET_X509:
	case SECRET_X509_CA:
		return strstr(s->value, "PRIVATE KEY") != NULL;
	case SECRET_ASCII:
	case SECRET_BINARY:
	case SECRET_PRIVATE_KEY:
	case SECRET_JWT:
	case SECRET_IMPORTED:
		break;
	}
	return !s->export_public;
}

/* A key that is written down; a variable says nothing. */
static void hide(const char **text)
{
	if (*text && !strstr(*text, "$$SCONE::"))
		*text = mask;
}

static void *copy_items(const struct item_list *list, size_t size)
{
	void *copy = calloc(list->count + 1, size);

	if (copy && list->count)
		memcpy(copy, list->item, list->count * size);
	return copy;
}

int engine_yaml(const struct session *s, struct buf *out)
{
	struct session shown = *s;
	struct secret_spec *secrets = copy_items(&s->secrets, sizeof(*secrets));
	struct session_volume *volumes = copy_items(
		&s->volumes, sizeof(*volumes));
	struct session_service *services = copy_items(
		&s->services, sizeof(*services));
	int ret = -ENOMEM;

	if (!secrets || !volumes || !services)
		goto out;
	for (size_t i = 0; i < s->secrets.count; i++)
		if (is_secret(&secrets[i]))
			secrets[i].value = mask;
	for (size_t i = 0; i < s->volumes.count; i++)
		hide(&volumes[i].key);
	for (size_t i = 0; i < s->services.count; i++)
		hide(&services[i].fspf_key);
	hide(&shown.security.access_token);
	shown.secrets.item = secrets;
	shown.volumes.item = volumes;
	shown.services.item = services;
	ret = session_yaml(&shown, out);
out:
	free(secrets);
	free(volumes);
	free(services);
	return ret;
}

int engine_mask_check(const struct session *s, struct err *e)
{
	const struct secret_spec *secrets = s->secrets.item;
	const char *what = NULL;

	for (size_t i = 0; i < s->secrets.count; i++)
		if (secrets[i].value && strcmp(secrets[i].value, mask) == 0)
			what = secrets[i].name;
	if (s->security.access_token &&
		strcmp(s->security.access_token, mask) == 0)
		what = "service_access_token";
	if (!what)
		return 0;
	return err_setf(e, -EINVAL,
		"%s: %s: its value is what CAS shows in place of values; give "
		"the value itself",
		s->name, what);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The part of a manifest that names a CAS, and makes the rest CAS's to say. */
#include <linux/errno.h>

#include "lib/service.h"
#include "lib/string.h"

#define AT(type, field) .offset = offsetof(struct type, field)

static const struct schema_field cas_fields[] = {
	{"key", SCHEMA_TEXT, SCHEMA_REQUIRED, AT(manifest_cas, key), .min = 64,
		.max = 64},
	{"token", SCHEMA_TEXT, SCHEMA_OPTIONAL, AT(manifest_cas, token),
		.min = 1, .max = 1024},
	{"session", SCHEMA_TEXT, SCHEMA_REQUIRED, AT(manifest_cas, session),
		.min = 3, .max = 2048},
};
const struct schema manifest_cas_schema = {"cas", cas_fields,
	ARRAY_SIZE(cas_fields), sizeof(struct manifest_cas), NULL};

static bool says_nothing(const struct manifest *m)
{
	const struct manifest *none = manifest_schema.defaults;
	const struct manifest_limits *l = &m->limits;

	return m->program == NULL && strcmp(m->workdir, none->workdir) == 0 &&
		strcmp(m->hostname, none->hostname) == 0 && !m->network &&
		m->signals == none->signals &&
		m->attestation == none->attestation && m->args.host == 0 &&
		(l->cpus | l->files | l->memory | l->threads) == 0 &&
		(m->args.list.count | m->env.set.count | m->env.pass.count |
			m->mounts.count | m->volumes.count) == 0;
}

int manifest_check_cas(const struct manifest *m, struct err *e)
{
	const char *slash = strrchr(m->cas.session, '/');
	size_t digits = 0;

	while (digits < 64 && strchr("0123456789abcdef", m->cas.key[digits]))
		digits++;
	if (digits < 64)
		return err_setf(e, -EINVAL,
			"cas.key: '%.64s'; wanted 64 hexadecimal digits in "
			"lower case, as `sconce cas attest` prints them",
			m->cas.key);
	if (slash == NULL || slash == m->cas.session || slash[1] == '\0')
		return err_setf(e, -EINVAL,
			"cas.session: '%.200s'; wanted SESSION/SERVICE",
			m->cas.session);
	return says_nothing(m) ? 0
			       : err_setf(e, -EINVAL,
					 "manifest: has cas and more; wanted "
					 "version and cas only: CAS says the "
					 "rest");
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of the canonical form of sessions, and their bounds. */
#pragma once

#include "cas/session.h"

enum {
	SESSION_ITEM_NAME_MAX = 128, /* secrets, services, images */
	SESSION_LIST_MAX = 256, /* most lists */
	SESSION_SECRETS_MAX = 1024,
	/* What can be judged: ACCESS_CHILDREN_MAX, MATCH_VARIANTS_MAX. */
	SESSION_MEMBERS_MAX = 64,
	SESSION_VARIANTS_MAX = 64,
	SESSION_VALUE_MAX = 64 * 1024, /* bytes of a secret */
	SESSION_VARIABLE_MAX = 600,
	SESSION_TIME_MAX = 36600 * 86400u, /* s: 100 years */
};

extern const struct schema session_schema;
extern const struct schema session_ref_schema;
extern const struct schema session_secret_schema;
extern const struct schema session_volume_schema;
extern const struct schema session_image_volume_schema;
extern const struct schema session_file_schema;
extern const struct schema session_image_schema;
extern const struct schema session_variant_schema;
extern const struct schema session_service_schema;
extern const struct schema session_rule_schema;

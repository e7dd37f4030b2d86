/* SPDX-License-Identifier: Apache-2.0 */
/* What the CPU says the enclave is (EREPORT about itself). */
#pragma once

#include <stdint.h>

/* CONFIGID: 64 bytes. */
void identity_config_id(uint8_t id[static 64]);

/* SPDX-License-Identifier: Apache-2.0 */
/* The vDSO's ELF file, as the build embeds it in the kernel. */
#pragma once

#include <stddef.h>
#include <stdint.h>

extern const uint8_t vdso_image[];
extern const size_t vdso_image_size;

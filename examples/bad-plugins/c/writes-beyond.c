/* Writes one record behind the last that fits. */
#define ID "writes-beyond"
#define DESCRIPTION "Writes beyond the capacity of the buffer"
#define ON_READ memcpy((uint8_t *)buf->reads + (size_t)buf->capacity * buf->stride, &read, sizeof read);
#include "healthy.h"

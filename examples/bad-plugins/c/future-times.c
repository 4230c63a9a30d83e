/* Its clock is an hour fast. */
#define ID "future-times"
#define DESCRIPTION "Stamps its reads with times to come"
#define ON_READ \
    struct timespec now; \
    clock_gettime(CLOCK_REALTIME, &now); \
    read.timestamp_ns = ((uint64_t)now.tv_sec + 3600) * 1000000000u; \
    buf->count = 0; \
    rfid_push(buf, &read);
#include "healthy.h"

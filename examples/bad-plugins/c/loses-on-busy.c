/* Says every other time that it is busy, and that it took what it did not write. */
#define ID "loses-on-busy"
#define DESCRIPTION "Accepts events that it does not write while it is busy"
#define FIELDS int turn;
#define BEFORE_WRITE \
    if (instance->turn++ % 2 == 1) { \
        result->accepted = batch->count; \
        return rfid_error_set(err, RFID_BUSY, "busy"); \
    }
#include "sink.h"

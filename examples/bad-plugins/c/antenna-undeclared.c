/* Reads on an antenna that it said it does not have. */
#define ID "antenna-undeclared"
#define DESCRIPTION "Delivers reads of antenna 9, and has one antenna"
#define ON_READ \
    read.antenna = 9; \
    buf->count = 0; \
    rfid_push(buf, &read);
#include "healthy.h"

/* Writes to standard output, as an SDK with its debug messages left on does. */
#define ID "prints"
#define DESCRIPTION "Writes to standard output"
#define ON_OPEN \
    puts("acme sdk: connected"); \
    fflush(stdout);
#include "healthy.h"

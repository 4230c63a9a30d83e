/* Keeps 64 KiB for each read and forgets them. */
#define ID "leaks"
#define DESCRIPTION "Loses 64 KiB of memory with each read"
#define FIELDS void *kept;
#define ON_READ \
    instance->kept = malloc(65536); \
    if (instance->kept != NULL) memset(instance->kept, 1, 65536);
#include "healthy.h"

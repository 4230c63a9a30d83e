/* Writes to address 0. */
#define ID "segfaults"
#define DESCRIPTION "Writes to address 0"
#define HARM \
    volatile int *volatile nowhere = NULL; \
    *nowhere = 1;
#include "healthy.h"

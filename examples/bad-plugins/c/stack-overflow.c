/* Calls itself until the stack is used up. */
#define ID "stack-overflow"
#define DESCRIPTION "Uses up its stack"

static int deeper(volatile char *above) {
    volatile char here[4096];
    here[0] = *above;
    return here[0] == 1 ? 0 : deeper(here) + here[0];
}

#define HARM \
    volatile char top = 0; \
    deeper(&top);
#include "healthy.h"

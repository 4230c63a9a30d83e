/* Never comes back, and takes a processor's whole time. */
#define ID "spins"
#define DESCRIPTION "Computes for ever"
#define HARM \
    for (volatile unsigned turn = 0;; turn++) {}
#include "healthy.h"

/* Never comes back, whatever the time limit and `cancel` say. */
#define ID "hangs"
#define DESCRIPTION "Waits for ever"
#define HARM \
    for (;;) poll(NULL, 0, 1000);
#include "healthy.h"

/* Leaves a thread behind with each connection. */
#include <pthread.h>
#include <unistd.h>

#define ID "leaks-thread"
#define DESCRIPTION "Leaves a thread running after close"

static void *sleeps(void *nothing) {
    for (;;) sleep(1);
    return nothing;
}

#define ON_OPEN \
    pthread_t thread; \
    if (pthread_create(&thread, NULL, sleeps, NULL) != 0) return rfid_error_set(err, RFID_INTERNAL, "no thread");
#include "healthy.h"

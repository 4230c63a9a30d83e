/* Begins to work where it was only to say what it is. */
#include <pthread.h>
#include <unistd.h>

#define ID "starts-thread-in-entry"
#define DESCRIPTION "Starts a thread in the entry function"

static void *sleeps(void *nothing) {
    for (;;) sleep(1);
    return nothing;
}

#define ON_ENTRY \
    static int runs; \
    pthread_t thread; \
    if (!runs) runs = pthread_create(&thread, NULL, sleeps, NULL) == 0;
#include "healthy.h"

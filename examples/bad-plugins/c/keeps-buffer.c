/* A thread goes on writing to the memory that was lent for a `read` that is over. */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define ID "keeps-buffer"
#define DESCRIPTION "Writes to the buffer after read has returned"

struct late {
    pthread_t thread;
    _Atomic(unsigned char *) buffer;
    atomic_int ends;
    int runs;
};

static void *writes_late(void *of) {
    struct late *late = of;
    while (!late->ends) {
        volatile unsigned char *buffer = late->buffer;
        if (buffer != NULL) *buffer = 0xEE;
        usleep(1000);
    }
    return NULL;
}

#define FIELDS struct late late;
#define ON_OPEN \
    instance->late.ends = 0; \
    instance->late.buffer = NULL; \
    instance->late.runs = pthread_create(&instance->late.thread, NULL, writes_late, &instance->late) == 0;
/* A byte behind the id: what is delivered stays a record in order, whenever the thread comes. */
#define ON_READ instance->late.buffer = &buf->reads->id[sizeof buf->reads->id - 1];
#define ON_CLOSE \
    instance->late.ends = 1; \
    if (instance->late.runs) pthread_join(instance->late.thread, NULL); \
    instance->late.runs = 0;
#include "healthy.h"

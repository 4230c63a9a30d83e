/* A sink in order, which the files beside this make ill in one place.
 *
 * It appends a line for each event to the file of the option `path`. A file sets ID and DESCRIPTION and,
 * as a statement in which `instance`, `batch` and `result` can be used:
 *     BEFORE_WRITE  in each `write`, before anything is written
 *     EVENT_AT      the event that is written at a place
 *     FIELDS        further fields of an instance */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "rfid_plugin.h"

#ifndef BEFORE_WRITE
#define BEFORE_WRITE
#endif
#ifndef FIELDS
#define FIELDS
#endif
#ifndef EVENT_AT
#define EVENT_AT(place) rfid_event_at(batch, place)
#endif

struct rfid_instance {
    char path[1024];
    int file; /* -1: not open */
    atomic_int cancelled;
    FIELDS
};

static rfid_status allowed(rfid_instance *instance, int in_order, rfid_error *err) {
    if (!in_order) return rfid_error_set(err, RFID_STATE, "this call is not allowed now");
    if (instance->cancelled) return rfid_error_set(err, RFID_CANCELLED, "cancelled");
    return RFID_OK;
}

static rfid_status create(const rfid_host *host, rfid_str options, rfid_instance **made, rfid_error *err) {
    rfid_options all = rfid_options_of(options);
    rfid_option option;
    rfid_instance *instance = calloc(1, sizeof *instance);
    rfid_status status = RFID_OK;
    (void)host;
    if (instance == NULL) return rfid_error_set(err, RFID_NO_MEMORY, "out of memory");
    instance->file = -1;
    while (status == RFID_OK && rfid_options_next(&all, &option) == 1) {
        if (!rfid_option_is(&option, "path")) {
            status = rfid_error_set(err, RFID_CONFIG, "there is an option that is not \"path\"");
        } else if (!rfid_option_text(&option, instance->path, sizeof instance->path)) {
            status = rfid_error_set(err, RFID_CONFIG, "/path: the name of a file belongs here");
        }
    }
    if (all.damaged) status = rfid_error_set(err, RFID_CONFIG, "the options are not a JSON object");
    if (status == RFID_OK && instance->path[0] == '\0') {
        status = rfid_error_set(err, RFID_CONFIG, "/path: is missing; write the name of the file to append to");
    }
    if (status == RFID_OK) {
        *made = instance;
    } else {
        free(instance);
    }
    return status;
}

static rfid_status open_(rfid_instance *instance, uint32_t timeout_ms, rfid_error *err) {
    rfid_status status = allowed(instance, instance->file < 0, err);
    (void)timeout_ms;
    if (status != RFID_OK) return status;
    instance->file = open(instance->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (instance->file >= 0) return RFID_OK;
    return rfid_error_set(err, RFID_IO, "cannot open %.300s: %s", instance->path, strerror(errno));
}

/* The line of an event. */
static int print(const rfid_event_batch *batch, const rfid_event_record *event, char *line, size_t capacity) {
    static const char *const kinds[] = {"?", "arrived", "seen", "moved", "departed"};
    rfid_str reader = rfid_text(batch, event->reader), zone = rfid_text(batch, event->zone);
    char id[125] = "";
    int place;
    for (place = 0; place < event->id_len && place < 62; place++) snprintf(id + 2 * place, 3, "%02x", event->id[place]);
    return snprintf(line, capacity,
                    "{\"sequence\":%llu,\"time_ns\":%llu,\"kind\":\"%s\",\"id\":\"%s\",\"reader\":\"%.*s\",\"zone\":\"%.*s\"}\n",
                    (unsigned long long)event->sequence, (unsigned long long)event->time_ns,
                    kinds[event->kind <= 4 ? event->kind : 0], id, (int)reader.len, reader.ptr, (int)zone.len, zone.ptr);
}

/* A write to a file is cut short only by a full disk; the next attempt says so. */
static int append(int file, const char *line, size_t len) {
    while (len > 0) {
        ssize_t written = write(file, line, len);
        if (written < 0) return 0;
        line += written;
        len -= (size_t)written;
    }
    return 1;
}

static rfid_status write_(rfid_instance *instance, const rfid_event_batch *batch, uint32_t timeout_ms,
                          rfid_write_result *result, rfid_error *err) {
    char line[2048];
    uint32_t place;
    rfid_status status = allowed(instance, instance->file >= 0, err);
    (void)timeout_ms;
    if (status != RFID_OK) return status;
    { BEFORE_WRITE }
    for (place = 0; place < batch->count; place++) {
        int len = print(batch, EVENT_AT(place), line, sizeof line);
        if (len >= (int)sizeof line) return rfid_error_set(err, RFID_INVALID, "an event has too long names");
        if (!append(instance->file, line, (size_t)len)) {
            return rfid_error_set(err, RFID_IO, "cannot write to %.300s: %s", instance->path, strerror(errno));
        }
    }
    result->accepted = batch->count;
    return RFID_OK;
}

static rfid_status flush(rfid_instance *instance, uint32_t timeout_ms, rfid_error *err) {
    rfid_status status = allowed(instance, instance->file >= 0, err);
    (void)timeout_ms;
    if (status != RFID_OK || fsync(instance->file) == 0) return status;
    return rfid_error_set(err, RFID_IO, "cannot flush %.300s: %s", instance->path, strerror(errno));
}

static void cancel(rfid_instance *instance) { instance->cancelled = 1; }

static rfid_status close_(rfid_instance *instance, uint32_t timeout_ms, rfid_error *err) {
    (void)timeout_ms;
    (void)err;
    if (instance->file >= 0) close(instance->file);
    instance->file = -1;
    instance->cancelled = 0;
    return RFID_OK;
}

static void destroy(rfid_instance *instance) {
    close_(instance, 0, NULL);
    free(instance);
}

static const rfid_sink SINK = {
    .struct_size = sizeof SINK,
    .create = create,
    .open = open_,
    .write = write_,
    .flush = flush,
    .cancel = cancel,
    .close = close_,
    .destroy = destroy,
};

static const rfid_component COMPONENT = {
    .struct_size = sizeof COMPONENT,
    .kind = RFID_COMPONENT_SINK,
    .id = ID,
    .name = ID,
    .description = DESCRIPTION,
    .config_schema =
        "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"path\"],\"properties\":{"
        "\"path\":{\"type\":\"string\",\"minLength\":1,\"description\":\"File to append to\"}}}",
    .config_example = "path = \"/tmp/events.jsonl\"\n",
    .sink = &SINK,
};
static const rfid_component *const COMPONENTS[] = {&COMPONENT};

static const rfid_module MODULE = {
    .struct_size = sizeof MODULE,
    .abi_major = RFID_MAJOR,
    .abi_minor = RFID_MINOR,
    .read_size = sizeof(rfid_tag_read),
    .id = "example.bad." ID,
    .vendor = "rfid-host",
    .version = "1.0.0",
    .built_with = RFID_BUILT_WITH,
    .component_count = 1,
    .components = COMPONENTS,
};

const rfid_module *rfid_plugin_module_v0(uint32_t host_abi_minor) {
    return host_abi_minor == RFID_MINOR ? &MODULE : NULL;
}

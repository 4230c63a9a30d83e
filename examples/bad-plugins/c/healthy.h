/* A driver in order, which the files beside this make ill in one place.
 *
 * It needs no reader: antenna 1 sees one tag, twenty times a second. A file sets ID and DESCRIPTION
 * and, as statements in which `instance`, `buf`, `err` and what else a function has can be used:
 *     HARM        with the read after `after` others, or in `open`, as the options say
 *     ON_OPEN     in each `open`
 *     ON_READ     in each `read` that delivered the tag
 *     ON_CLOSE    in each `close` and in `destroy`
 *     ON_DESTROY  in `destroy`
 *     ON_ENTRY    in the entry function
 *     ON_OPTION   for an option that is none of the driver's own; `option` is it
 *     FIELDS      further fields of an instance
 *     PROPERTIES  further properties of the schema, each with a comma before it
 *     READ_FUNCTION, CANCEL_FUNCTION, SCHEMA, ABI_MINOR, ENTRY, DEINIT  in place of what is below */
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "rfid_plugin.h"

#ifndef HARM
#define HARM
#endif
#ifndef ON_OPEN
#define ON_OPEN
#endif
#ifndef ON_READ
#define ON_READ
#endif
#ifndef ON_CLOSE
#define ON_CLOSE
#endif
#ifndef ON_DESTROY
#define ON_DESTROY
#endif
#ifndef ON_ENTRY
#define ON_ENTRY
#endif
#ifndef ON_OPTION
#define ON_OPTION
#endif
#ifndef FIELDS
#define FIELDS
#endif
#ifndef PROPERTIES
#define PROPERTIES
#endif
#ifndef READ_FUNCTION
#define READ_FUNCTION read_
#endif
#ifndef CANCEL_FUNCTION
#define CANCEL_FUNCTION cancel
#endif
#ifndef CREATE_FUNCTION
#define CREATE_FUNCTION create
#endif
#ifndef DEINIT
#define DEINIT NULL
#endif
#ifndef ABI_MINOR
#define ABI_MINOR RFID_MINOR
#endif
#ifndef ENTRY
#define ENTRY rfid_plugin_module_v0
#endif
#ifndef SCHEMA
#define SCHEMA \
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{" \
    "\"after\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":1000000,\"default\":3," \
    "\"description\":\"Reads before the fault\"}," \
    "\"in_open\":{\"type\":\"boolean\",\"default\":false," \
    "\"description\":\"The fault is in open and not in read\"}" PROPERTIES "}}"
#endif

#define EVERY_MS 50

struct rfid_instance {
    const rfid_host *host;
    int cancelled; /* an eventfd: readable from `cancel` until `close` */
    int opened;
    int started;
    int in_open;
    int64_t after;
    int64_t reads;
    int64_t due_ms;
    FIELDS
};

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits; 1 if it was cancelled. */
static int wait_ms(rfid_instance *instance, int64_t ms) {
    struct pollfd cancelled = {.fd = instance->cancelled, .events = POLLIN};
    return poll(&cancelled, 1, ms > 0 ? (int)ms : 0) > 0;
}

static rfid_status allowed(rfid_instance *instance, int in_order, rfid_error *err) {
    if (!in_order) return rfid_error_set(err, RFID_STATE, "this call is not allowed now");
    if (wait_ms(instance, 0)) return rfid_error_set(err, RFID_CANCELLED, "cancelled");
    return RFID_OK;
}

static rfid_status options_(rfid_instance *instance, rfid_str options, rfid_error *err) {
    rfid_options all = rfid_options_of(options);
    rfid_option option;
    while (rfid_options_next(&all, &option) == 1) {
        if (rfid_option_is(&option, "after")) {
            if (rfid_option_integer(&option, &instance->after) && instance->after >= 0 && instance->after <= 1000000) continue;
            return rfid_error_set(err, RFID_CONFIG, "/after: a number from 0 to 1000000 belongs here");
        }
        if (rfid_option_is(&option, "in_open")) {
            if (rfid_option_flag(&option, &instance->in_open)) continue;
            return rfid_error_set(err, RFID_CONFIG, "/in_open: true or false belongs here");
        }
        ON_OPTION
        return rfid_error_set(err, RFID_CONFIG, "there is an option that is neither \"after\" nor \"in_open\"");
    }
    if (all.damaged) return rfid_error_set(err, RFID_CONFIG, "the options are not a JSON object");
    return RFID_OK;
}

static rfid_status create(const rfid_host *host, rfid_str options, rfid_instance **made, rfid_error *err) {
    rfid_instance *instance = calloc(1, sizeof *instance);
    rfid_status status;
    if (instance == NULL) return rfid_error_set(err, RFID_NO_MEMORY, "out of memory");
    instance->host = host;
    instance->after = 3;
    status = options_(instance, options, err);
    if (status == RFID_OK) {
        instance->cancelled = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (instance->cancelled < 0) status = rfid_error_set(err, RFID_INTERNAL, "no descriptor is left");
    }
    if (status == RFID_OK) {
        *made = instance;
    } else {
        free(instance);
    }
    return status;
}

static rfid_status open_(rfid_instance *instance, uint32_t timeout_ms, rfid_error *err) {
    rfid_status status = allowed(instance, !instance->opened, err);
    (void)timeout_ms;
    if (status != RFID_OK) return status;
    { ON_OPEN }
    if (instance->in_open) { HARM }
    instance->opened = 1;
    return RFID_OK;
}

static rfid_status start(rfid_instance *instance, rfid_error *err) {
    rfid_status status = allowed(instance, instance->opened && !instance->started, err);
    if (status != RFID_OK) return status;
    instance->started = 1;
    instance->due_ms = now_ms() + EVERY_MS;
    return RFID_OK;
}

static rfid_status read_(rfid_instance *instance, rfid_read_buf *buf, uint32_t timeout_ms, rfid_error *err) {
    static const uint8_t epc[] = {0x30, 0x39, 0x60, 0x62, 0xC3, 0xAA, 0xC2, 0x40, 0, 0, 0, 1};
    rfid_status status = allowed(instance, instance->started, err);
    int64_t wait = instance->due_ms - now_ms();
    rfid_tag_read read;
    if (status != RFID_OK) return status;
    if (wait_ms(instance, wait < (int64_t)timeout_ms ? wait : (int64_t)timeout_ms)) {
        return rfid_error_set(err, RFID_CANCELLED, "cancelled");
    }
    if (now_ms() < instance->due_ms || buf->capacity == 0 || !rfid_listens_on(instance->host, 1)) return RFID_NO_DATA;
    instance->due_ms = now_ms() + EVERY_MS;
    if (instance->reads++ >= instance->after && !instance->in_open) { HARM }
    rfid_read_init(&read, RFID_ID_EPC, epc, sizeof epc);
    read.antenna = 1;
    read.rssi_cdbm = -5500;
    read.protocol = RFID_PROTOCOL_GEN2;
    rfid_push(buf, &read);
    { ON_READ }
    return RFID_OK;
}

static rfid_status stop(rfid_instance *instance, rfid_error *err) {
    rfid_status status = allowed(instance, instance->started, err);
    instance->started = 0;
    return status;
}

static void cancel(rfid_instance *instance) { eventfd_write(instance->cancelled, 1); }

static rfid_status close_(rfid_instance *instance, uint32_t timeout_ms, rfid_error *err) {
    eventfd_t seen;
    (void)timeout_ms;
    (void)err;
    { ON_CLOSE }
    eventfd_read(instance->cancelled, &seen);
    instance->opened = instance->started = 0;
    return RFID_OK;
}

static void destroy(rfid_instance *instance) {
    close_(instance, 0, NULL);
    { ON_DESTROY }
    close(instance->cancelled);
    free(instance);
}

static rfid_status info(rfid_instance *instance, rfid_reader_info *info, rfid_error *err) {
    (void)instance;
    (void)err;
    snprintf(info->model, sizeof info->model, "One tag");
    snprintf(info->firmware, sizeof info->firmware, "1");
    info->antenna_port_count = 1;
    info->antenna_ports[0] = 1;
    info->protocols[0] = RFID_PROTOCOL_GEN2;
    return RFID_OK;
}

static const rfid_reader_info_table INFO = {.struct_size = sizeof INFO, .info = info};

static const void *get_extension(rfid_instance *instance, const char *id) {
    (void)instance;
    return strcmp(id, RFID_READER_INFO) == 0 ? &INFO : NULL;
}

static const rfid_driver DRIVER = {
    .struct_size = sizeof DRIVER,
    .create = CREATE_FUNCTION,
    .open = open_,
    .start = start,
    .read = READ_FUNCTION,
    .stop = stop,
    .cancel = CANCEL_FUNCTION,
    .close = close_,
    .destroy = destroy,
    .get_extension = get_extension,
};

static const rfid_component COMPONENT = {
    .struct_size = sizeof COMPONENT,
    .kind = RFID_COMPONENT_DRIVER,
    .id = ID,
    .name = ID,
    .description = DESCRIPTION,
    .config_schema = SCHEMA,
    .config_example = "after = 3\n",
    .driver = &DRIVER,
};
static const rfid_component *const COMPONENTS[] = {&COMPONENT};

static const rfid_module MODULE = {
    .struct_size = sizeof MODULE,
    .abi_major = RFID_MAJOR,
    .abi_minor = ABI_MINOR,
    .read_size = sizeof(rfid_tag_read),
    .id = "example.bad." ID,
    .vendor = "rfid-host",
    .version = "1.0.0",
    .built_with = RFID_BUILT_WITH,
    .component_count = 1,
    .components = COMPONENTS,
    .deinit = DEINIT,
};

RFID_EXPORT const rfid_module *ENTRY(uint32_t host_abi_minor) {
    (void)host_abi_minor;
    { ON_ENTRY }
    return &MODULE;
}

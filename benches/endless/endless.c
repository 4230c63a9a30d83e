/* The driver of src/lib.rs as an author in C writes it: a reader that always has something, put straight
 * into the memory that the host lends. benches/boundary.rs compiles it when it runs. */
#include <endian.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "rfid_plugin.h"

struct rfid_instance {
    int64_t batch;
    uint64_t made;
    int open;
    int started;
    atomic_int cancelled; /* from `cancel` until `close` */
};

/* Each tag's, up to its number in the last eight bytes. */
static const uint8_t EPC[12] = {0x30, 0x30, 0x30, 0x30};

/* Whether a call is allowed in this state, and not cancelled. */
static rfid_status allowed(rfid_instance *i, int in_order, rfid_error *err) {
    if (!in_order) return rfid_error_set(err, RFID_STATE, "this call is not allowed now");
    if (atomic_load(&i->cancelled)) return rfid_error_set(err, RFID_CANCELLED, "cancelled");
    return RFID_OK;
}

static rfid_status open_(rfid_instance *i, uint32_t timeout_ms, rfid_error *err) {
    rfid_status status = allowed(i, !i->open, err);
    (void)timeout_ms;
    if (status == RFID_OK) i->open = 1;
    return status;
}

static rfid_status start(rfid_instance *i, rfid_error *err) {
    rfid_status status = allowed(i, i->open && !i->started, err);
    if (status == RFID_OK) i->started = 1;
    return status;
}

static rfid_status read_(rfid_instance *i, rfid_read_buf *buf, uint32_t timeout_ms, rfid_error *err) {
    rfid_status status = allowed(i, i->started, err);
    uint32_t place, count = i->batch < buf->capacity ? (uint32_t)i->batch : buf->capacity;
    (void)timeout_ms;
    if (status != RFID_OK) return status;
    for (place = 0; place < count; place++) {
        rfid_tag_read *read = (rfid_tag_read *)((uint8_t *)buf->reads + (size_t)place * buf->stride);
        uint64_t number = htobe64(i->made);
        rfid_read_init(read, RFID_ID_EPC, EPC, sizeof EPC);
        memcpy(read->id + 4, &number, sizeof number);
        read->timestamp_ns = ++i->made;
        read->antenna = 1;
        read->protocol = RFID_PROTOCOL_GEN2;
        read->frequency_khz = 865700;
        read->rssi_cdbm = -5500;
    }
    buf->count = count;
    return count > 0 ? RFID_OK : RFID_NO_DATA;
}

static rfid_status stop(rfid_instance *i, rfid_error *err) {
    rfid_status status = allowed(i, i->started, err);
    if (status == RFID_OK) i->started = 0;
    return status;
}

static void cancel(rfid_instance *i) { atomic_store(&i->cancelled, 1); }

static rfid_status close_(rfid_instance *i, uint32_t timeout_ms, rfid_error *err) {
    (void)timeout_ms;
    (void)err;
    i->open = i->started = 0;
    atomic_store(&i->cancelled, 0);
    return RFID_OK;
}

static void destroy(rfid_instance *i) { free(i); }

static const void *get_extension(rfid_instance *i, const char *id) {
    (void)i;
    (void)id;
    return NULL;
}

static rfid_status create(const rfid_host *host, rfid_str text, rfid_instance **made, rfid_error *err) {
    rfid_options all = rfid_options_of(text);
    rfid_option option;
    rfid_instance *i;
    int64_t batch = 0;
    (void)host;
    while (rfid_options_next(&all, &option) == 1) {
        if (!rfid_option_is(&option, "batch")) {
            return rfid_error_set(err, RFID_CONFIG, "there is an option that is not \"batch\"");
        }
        if (!rfid_option_integer(&option, &batch)) batch = 0;
    }
    if (all.damaged) return rfid_error_set(err, RFID_CONFIG, "the options are not a JSON object");
    if (batch < 1) return rfid_error_set(err, RFID_CONFIG, "/batch: a number from 1 on belongs here");
    i = calloc(1, sizeof *i);
    if (i == NULL) return rfid_error_set(err, RFID_NO_MEMORY, "out of memory");
    i->batch = batch;
    *made = i;
    return RFID_OK;
}

static const rfid_driver DRIVER = {
    .struct_size = sizeof DRIVER,
    .create = create,
    .open = open_,
    .start = start,
    .read = read_,
    .stop = stop,
    .cancel = cancel,
    .close = close_,
    .destroy = destroy,
    .get_extension = get_extension,
};

static const rfid_component COMPONENT = {
    .struct_size = sizeof COMPONENT,
    .kind = RFID_COMPONENT_DRIVER,
    .id = "endless",
    .name = "Endless",
    .description = "A reader that always has something",
    .config_schema =
        "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"batch\"],\"properties\":{"
        "\"batch\":{\"type\":\"integer\",\"minimum\":1,\"description\":\"Reads that are delivered at once.\"}}}",
    .config_example = "batch = 16\n",
    .driver = &DRIVER,
};
static const rfid_component *const COMPONENTS[] = {&COMPONENT};

static const rfid_module MODULE = {
    .struct_size = sizeof MODULE,
    .abi_major = RFID_MAJOR,
    .abi_minor = RFID_MINOR,
    .read_size = sizeof(rfid_tag_read),
    .id = "org.rfid-host.endless-c",
    .vendor = "rfid-host",
    .version = "0.1.0",
    .built_with = RFID_BUILT_WITH,
    .component_count = 1,
    .components = COMPONENTS,
};

const rfid_module *rfid_plugin_module_v0(uint32_t host_abi_minor) {
    return host_abi_minor == RFID_MINOR ? &MODULE : NULL;
}

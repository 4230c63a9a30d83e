/* The smallest host: loads a plugin, runs its first driver for some seconds and prints what comes.
 *
 *     ./host ./libacme.so '{"address":"127.0.0.1:9000"}' [seconds [port ...]]
 *
 * For trying a driver in a debugger, under valgrind or with the sanitizers (make check). What rfid-host
 * really asks of a plugin is tried by: rfid-host plugin check ./libacme.so */
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

#include "rfid_plugin.h"

static int32_t log_enabled(const rfid_host *host, int32_t level) {
    (void)host;
    return level <= RFID_LOG_DEBUG;
}

static void log_line(const rfid_host *host, const rfid_log *line) {
    (void)host;
    printf("log %u: %.*s\n", line->level, (int)line->message.len, line->message.ptr);
}

static void reader_event(const rfid_host *host, const rfid_reader_event *event) {
    (void)host;
    printf("reader event %u: antenna %u, port %u, value %d\n", event->kind, event->antenna, event->port, event->value);
}

/* Says what a call returned, if it is not OK. */
static rfid_status said(const char *call, rfid_status status, const rfid_error *err) {
    if (status < 0) {
        printf("%s: status %d, flags %u: %.*s\n", call, status, err->flags, (int)err->message_len, err->message);
    }
    return status;
}

static void print_read(const rfid_tag_read *read) {
    int place;
    for (place = 0; place < read->id_len; place++) printf("%02x", read->id[place]);
    printf(" antenna %u, %.2f dBm\n", read->antenna, read->rssi_cdbm / 100.0);
}

static void run(const rfid_driver *driver, rfid_instance *instance, time_t until) {
    rfid_tag_read reads[64];
    uint8_t aux[4096];
    rfid_error err = {.struct_size = sizeof err};
    rfid_status status = RFID_OK;
    unsigned long total = 0, lost = 0;
    if (said("open", driver->open(instance, 5000, &err), &err) >= 0 &&
        said("start", driver->start(instance, &err), &err) >= 0) {
        while (status >= 0 && status != RFID_END && time(NULL) < until) {
            rfid_read_buf buf = {
                .struct_size = sizeof buf, .stride = sizeof reads[0], .reads = reads, .capacity = 64,
                .aux = aux, .aux_capacity = sizeof aux,
            };
            uint32_t place;
            status = said("read", driver->read(instance, &buf, 250, &err), &err);
            for (place = 0; place < buf.count; place++) print_read(&reads[place]);
            total += buf.count;
            lost += buf.lost;
        }
        if (status >= 0) said("stop", driver->stop(instance, &err), &err);
    }
    said("close", driver->close(instance, 5000, &err), &err);
    printf("%lu reads, %lu lost\n", total, lost);
}

int main(int count, char **words) {
    const rfid_module *(*entry)(uint32_t);
    const rfid_module *module;
    const rfid_driver *driver;
    rfid_instance *instance = NULL;
    rfid_error err = {.struct_size = sizeof err};
    uint16_t ports[16];
    rfid_host host = {
        .struct_size = sizeof host, .abi_minor = RFID_MINOR, .name = "host.c", .version = "1",
        .log_enabled = log_enabled, .log = log_line, .reader_event = reader_event,
        .instance = "reader", .data_dir = "/tmp", .antenna_ports = ports,
    };
    rfid_str options;
    void *library, *symbol;
    if (count < 3) {
        printf("usage: %s ./libacme.so OPTIONS [SECONDS [PORT ...]]\n", words[0]);
        return 2;
    }
    library = dlopen(words[1], RTLD_NOW | RTLD_LOCAL);
    symbol = library == NULL ? NULL : dlsym(library, RFID_SYMBOL);
    if (symbol == NULL) {
        printf("%s\n", dlerror());
        return 1;
    }
    memcpy(&entry, &symbol, sizeof entry);
    module = entry(RFID_MINOR);
    driver = module == NULL || module->component_count == 0 ? NULL : module->components[0]->driver;
    if (driver == NULL) {
        printf("%s has no driver for this host\n", words[1]);
        return 1;
    }
    for (; host.antenna_port_count < 16 && 4 + (int)host.antenna_port_count < count; host.antenna_port_count++) {
        ports[host.antenna_port_count] = (uint16_t)atoi(words[4 + host.antenna_port_count]);
    }
    options.ptr = words[2];
    options.len = strlen(words[2]);
    if (said("create", driver->create(&host, options, &instance, &err), &err) < 0) return 1;
    run(driver, instance, time(NULL) + (count > 3 ? atoi(words[3]) : 5));
    driver->destroy(instance);
    return 0;
}

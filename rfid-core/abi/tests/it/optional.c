/* Looks at what the optional code of rfid_plugin.h does. Prints "all well", or where it is not. */
#define RFID_PLUGIN_QUEUE
#include "rfid_plugin.h"

#define LOOK(fact) \
    do { \
        if (!(fact)) { \
            printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #fact); \
            return 1; \
        } \
    } while (0)

static rfid_str str(const char *text) {
    rfid_str all = {text, strlen(text)};
    return all;
}

static int errors(void) {
    rfid_error err = {.struct_size = sizeof err};
    char long_text[600];
    LOOK(rfid_error_set(NULL, RFID_IO, "nobody %s", "listens") == RFID_IO);
    LOOK(rfid_error_set(&err, RFID_CONFIG, "/port: %d is too large", 70000) == RFID_CONFIG);
    LOOK(err.code == RFID_CONFIG && err.message_len == 25 && memcmp(err.message, "/port: 70000 is too large", 25) == 0);
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    memcpy(long_text + RFID_ERROR_MESSAGE - 2, "\xE2\x82\xAC", 3);
    rfid_error_set(&err, RFID_IO, "%s", long_text);
    LOOK(err.message_len == RFID_ERROR_MESSAGE - 2);
    memcpy(long_text + RFID_ERROR_MESSAGE - 3, "\xE2\x82\xAC", 3);
    rfid_error_set(&err, RFID_IO, "%s", long_text);
    LOOK(err.message_len == RFID_ERROR_MESSAGE);
    rfid_error_advise(&err, RFID_ERROR_RETRY, 500);
    LOOK(err.flags == RFID_ERROR_RETRY && err.retry_after_ms == 500);
    return 0;
}

static int reads(void) {
    struct {
        rfid_tag_read read;
        uint8_t between[8];
    } lent[2];
    uint8_t aux[50], id[62], untouched[8];
    rfid_read_buf buf = {
        .struct_size = sizeof buf, .stride = sizeof lent[0], .reads = &lent[0].read, .capacity = 2,
        .aux = aux, .aux_capacity = sizeof aux,
    };
    rfid_tag_read read;
    uint16_t head[2];
    memset(lent, 0xAA, sizeof lent);
    memset(untouched, 0xAA, sizeof untouched);
    memset(id, 0x11, sizeof id);
    rfid_read_init(&read, RFID_ID_EPC, id, 12);
    LOOK(read.id_len == 12 && read.count == 1 && read.rssi_cdbm == INT16_MIN && read.phase == 0xFFFF);
    LOOK(rfid_push(&buf, &read) == 1);
    LOOK(rfid_push_long(&buf, &read, id, 0) == 0 && rfid_push_long(&buf, &read, id, 63) == 0);
    LOOK(rfid_push_long(&buf, &read, id, 47) == 0 && buf.count == 1 && buf.aux_len == 0);
    LOOK(rfid_push_long(&buf, &read, id, 40) == 1);
    LOOK(lent[1].read.id_len == 0 && lent[1].read.aux_off == 0 && lent[1].read.aux_len == 44 && buf.aux_len == 44);
    memcpy(head, aux, sizeof head);
    LOOK(head[0] == RFID_AUX_ID && head[1] == 40 && memcmp(aux + 4, id, 40) == 0);
    LOOK(rfid_push(&buf, &read) == 0 && rfid_push_long(&buf, &read, id, 12) == 0 && buf.count == 2);
    LOOK(memcmp(lent[0].between, untouched, 8) == 0 && memcmp(lent[1].between, untouched, 8) == 0);
    return 0;
}

static int events(void) {
    static const char names[] = "dock-1";
    struct {
        rfid_event_record event;
        uint8_t tail[16];
    } events[2];
    uint8_t room[24];
    rfid_event_batch batch = {
        .struct_size = sizeof batch, .stride = sizeof events[0], .events = &events[0].event, .count = 2,
        .aux = (const uint8_t *)names, .aux_len = 6,
    };
    rfid_write_result result = {.struct_size = sizeof result, .records = room, .records_capacity = sizeof room};
    rfid_span all = {0, 6}, beyond = {4, 3}, nothing = {0, 0}, wrapped = {UINT32_MAX, 2};
    LOOK(rfid_event_at(&batch, 1) == &events[1].event);
    LOOK(rfid_text(&batch, all).len == 6 && rfid_text(&batch, all).ptr == names);
    LOOK(rfid_text(&batch, beyond).len == 0 && rfid_text(&batch, nothing).len == 0 && rfid_text(&batch, wrapped).len == 0);
    LOOK(rfid_record_add(&result, 1, "{\"a\":1}", 7) == 1 && result.records_len == 15);
    LOOK(rfid_record_add(&result, 1, "{}", 2) == 0 && result.records_len == 15);
    LOOK(rfid_record_add(&result, 1, "", 1) == 1 && result.records_len == 24);
    return 0;
}

/* Number of options; -1: damaged. */
static int walk(const char *json) {
    rfid_options all = rfid_options_of(str(json));
    rfid_option option;
    int count = 0;
    while (rfid_options_next(&all, &option) == 1) count++;
    return all.damaged ? -1 : count;
}

static int value_of(const char *json, rfid_option *option) {
    option->key = str("k");
    option->value = str(json);
    return 1;
}

static int options(void) {
    static const char *const damaged[] = {
        "", " ", "[]", "{", "{\"a\"", "{\"a\":", "{\"a\":}", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{\"a\":1}x", "{a:1}",
        "{\"a\":1 \"b\":2}", "{\"a\":[1}", "{\"a\":\"x}", "{\"a\\", "{\"a\":\"\\", "{\"a\":\"\n\"}", "1e999", "{}{}",
    };
    rfid_options all = rfid_options_of(str(" { \"address\" : \"here\\u003a9\\n\" , \"list\":[1,{\"x\":\"]}\"}],\"port\":-7,\"on\":true } "));
    rfid_option option;
    char text[8];
    int64_t number = 0;
    int flag = 0;
    size_t place;
    for (place = 0; place < sizeof damaged / sizeof *damaged; place++) {
        if (walk(damaged[place]) != -1) printf("%s\n", damaged[place]);
        LOOK(walk(damaged[place]) == -1);
    }
    LOOK(walk("{}") == 0 && walk(" { } ") == 0 && walk("{\"a\":1}") == 1);
    LOOK(rfid_options_next(&all, &option) == 1 && rfid_option_is(&option, "address"));
    LOOK(rfid_option_text(&option, text, sizeof text) == 1 && strcmp(text, "here:9\n") == 0);
    LOOK(rfid_option_text(&option, text, 7) == 0 && rfid_option_text(&option, text, 0) == 0);
    LOOK(!rfid_option_is(&option, "addres") && !rfid_option_is(&option, "addressx"));
    LOOK(rfid_options_next(&all, &option) == 1 && rfid_option_is(&option, "list") && option.value.len == 14);
    LOOK(rfid_options_next(&all, &option) == 1 && rfid_option_integer(&option, &number) == 1 && number == -7);
    LOOK(rfid_option_text(&option, text, sizeof text) == 0);
    LOOK(rfid_options_next(&all, &option) == 1 && rfid_option_flag(&option, &flag) == 1 && flag == 1);
    LOOK(rfid_option_integer(&option, &number) == 0);
    LOOK(rfid_options_next(&all, &option) == 0 && !all.damaged && rfid_options_next(&all, &option) == 0);
    value_of("\"\\ud83d\\ude00\\u20ac\"", &option);
    LOOK(rfid_option_text(&option, text, sizeof text) == 1 && strcmp(text, "\xF0\x9F\x98\x80\xE2\x82\xAC") == 0);
    value_of("\"\\u00E9\\u00eA\"", &option);
    LOOK(rfid_option_text(&option, text, sizeof text) == 1 && strcmp(text, "\xC3\xA9\xC3\xAA") == 0);
    value_of("\"\\u00g0\"", &option);
    LOOK(rfid_option_text(&option, text, sizeof text) == 0);
    value_of("\"\\ud83d\"", &option);
    LOOK(rfid_option_text(&option, text, sizeof text) == 0);
    value_of("\"\\u0000\"", &option);
    LOOK(rfid_option_text(&option, text, sizeof text) == 0);
    value_of("\"\\x\"", &option);
    LOOK(rfid_option_text(&option, text, sizeof text) == 0);
    value_of("1.5", &option);
    LOOK(rfid_option_integer(&option, &number) == 0 && rfid_option_flag(&option, &flag) == 0);
    value_of("99999999999999999999", &option);
    LOOK(rfid_option_integer(&option, &number) == 0);
    return 0;
}

static void *calls_back(void *queue) {
    static const uint8_t id[] = {1, 2, 3, 4};
    rfid_tag_read read;
    int turn;
    for (turn = 0; turn < 1000; turn++) {
        rfid_read_init(&read, RFID_ID_ISO14443_UID, id, sizeof id);
        read.frequency_khz = (uint32_t)turn;
        rfid_queue_put(queue, &read);
    }
    rfid_queue_fail(queue, RFID_IO);
    return NULL;
}

static int queue(void) {
    rfid_tag_read lent[4];
    rfid_read_buf buf = {.struct_size = sizeof buf, .stride = sizeof lent[0], .reads = lent, .capacity = 4};
    rfid_queue queue;
    pthread_t thread;
    uint64_t seen = 0, lost = 0;
    uint32_t place;
    int64_t last = -1;
    rfid_status status;
    LOOK(rfid_queue_init(&queue, 16) == 1);
    LOOK(rfid_queue_take(&queue, &buf, 1) == RFID_NO_DATA && buf.count == 0);
    LOOK(pthread_create(&thread, NULL, calls_back, &queue) == 0);
    for (;;) {
        buf.count = buf.flags = 0;
        buf.lost = 0;
        status = rfid_queue_take(&queue, &buf, 10000);
        if (status != RFID_OK) break;
        seen += buf.count;
        lost += buf.lost;
        for (place = 0; place < buf.count; place++) {
            LOOK((int64_t)lent[place].frequency_khz > last);
            last = lent[place].frequency_khz;
        }
    }
    LOOK(status == RFID_IO && seen + lost == 1000 && last == 999);
    LOOK(pthread_join(thread, NULL) == 0);
    rfid_queue_cancel(&queue);
    LOOK(rfid_queue_take(&queue, &buf, 10000) == RFID_CANCELLED);
    rfid_queue_reset(&queue);
    calls_back(&queue);
    buf.capacity = 0;
    LOOK(rfid_queue_take(&queue, &buf, 10000) == RFID_NO_DATA && buf.lost == 0);
    buf.capacity = 4;
    LOOK(rfid_queue_take(&queue, &buf, 10000) == RFID_OK && buf.lost == 984 && buf.flags == RFID_READ_MORE);
    rfid_queue_destroy(&queue);
    return 0;
}

int main(void) {
    if (errors() || reads() || events() || options() || queue()) return 1;
    printf("all well\n");
    return 0;
}

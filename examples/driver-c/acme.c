/* A driver for the readers of acme, which speak lines over TCP:
 *
 *     reader: ACME 1 AR-400 2.1.0 A0042 4             version, model, firmware, serial, antennas
 *     driver: POWER 2700             reader: OK       hundredths of a dBm
 *     driver: START 1,2              reader: OK       on these antennas
 *     reader: TAG 30396062C3AAC24000000001 1 -5520 1764374400123
 *                                                     EPC, antenna, hundredths of a dBm, ms UTC
 *     reader: ANT 2 DOWN             reader: ANT 2 UP
 *     reader: LOST 12                                 reads that its buffer could not hold
 *     driver: PING                   reader: PONG
 *     driver: STOP                   reader: OK
 *     reader: ERR what is wrong      reader: BUSY     instead of OK, or of the first line
 *
 * emulator.c is such a reader. To make a driver of your own, replace what speaks this protocol: the
 * functions from on_line to read_. The rest stays. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "rfid_plugin.h"

#define PING_EVERY_MS 1000
#define SILENCE_MS 5000 /* a reader that is silent for so long is gone: it has to answer PING */
#define LONGEST_LINE 512
#define WAITING 256 /* reads that may come while an answer is waited for */

/* Nothing is global: each reader of the configuration has an instance and a thread of its own. */
struct rfid_instance {
    const rfid_host *host;
    char address[128];
    struct sockaddr_storage to;
    socklen_t to_len;
    int64_t power_cdbm; /* -1: leave it as it is */
    int cancelled;      /* an eventfd, readable from `cancel` until `close` */
    int fd;             /* -1: not open */
    int started;
    int64_t heard_ms;
    int64_t pinged_ms;
    char in[4096];
    size_t in_len;
    rfid_tag_read waiting[WAITING];
    uint32_t waiting_count;
    uint64_t lost;
    char model[64], firmware[64], serial[64];
    unsigned antennas;
};

/* ---------------------------------------------------------------- waiting */

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits until something can be read or written: OK, NO_DATA when it is time, or CANCELLED. */
static rfid_status wait_until(rfid_instance *i, short events, int64_t until_ms, rfid_error *err) {
    struct pollfd both[2] = {{.fd = i->fd, .events = events}, {.fd = i->cancelled, .events = POLLIN}};
    int64_t left = until_ms - now_ms();
    /* Callers look at the time themselves, so it does no harm to come back early. */
    int wait = left < 0 ? 0 : left > 60000 ? 60000 : (int)left;
    if (poll(both, 2, wait) < 0 && errno != EINTR) {
        return rfid_error_set(err, RFID_INTERNAL, "poll: %s", strerror(errno));
    }
    if (both[1].revents != 0) return rfid_error_set(err, RFID_CANCELLED, "cancelled");
    return both[0].revents != 0 ? RFID_OK : RFID_NO_DATA;
}

/* Whether a call is allowed in this state, and not cancelled. */
static rfid_status allowed(rfid_instance *i, int in_order, rfid_error *err) {
    struct pollfd cancelled = {.fd = i->cancelled, .events = POLLIN};
    if (!in_order) return rfid_error_set(err, RFID_STATE, "this call is not allowed now");
    if (poll(&cancelled, 1, 0) > 0) return rfid_error_set(err, RFID_CANCELLED, "cancelled");
    return RFID_OK;
}

/* Only a new connection can help. */
static rfid_status reconnect(rfid_error *err, rfid_status status) {
    rfid_error_advise(err, RFID_ERROR_RECONNECT, 0);
    return status;
}

/* ---------------------------------------------------------------- lines */

static rfid_status send_line(rfid_instance *i, const char *line, rfid_error *err) {
    size_t len = strlen(line);
    /* So short a line does not fit only if the reader has long stopped reading. */
    if (send(i->fd, line, len, MSG_NOSIGNAL) == (ssize_t)len) return RFID_OK;
    return reconnect(err, rfid_error_set(err, RFID_IO, "cannot send to the reader at %s: %s; look at its cable and power",
                                         i->address, strerror(errno)));
}

/* Receives what there is, at the latest at that time: OK, NO_DATA, or an error. */
static rfid_status receive(rfid_instance *i, int64_t until_ms, rfid_error *err) {
    rfid_status status = wait_until(i, POLLIN, until_ms, err);
    ssize_t got;
    if (status != RFID_OK) return status;
    got = recv(i->fd, i->in + i->in_len, sizeof i->in - i->in_len, 0);
    if (got > 0) {
        i->in_len += (size_t)got;
        i->heard_ms = now_ms();
        return RFID_OK;
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return RFID_NO_DATA;
    if (got == 0) {
        return reconnect(err, rfid_error_set(err, RFID_IO, "the reader at %s closed the connection; look whether it "
                                             "restarted, or whether another client took over", i->address));
    }
    return reconnect(err, rfid_error_set(err, RFID_IO, "the connection to the reader at %s broke: %s; look at its cable "
                                         "and power", i->address, strerror(errno)));
}

/* Takes a whole line: OK, NO_DATA if there is none yet, or an error. */
static rfid_status next_line(rfid_instance *i, char line[LONGEST_LINE], rfid_error *err) {
    char *end = memchr(i->in, '\n', i->in_len);
    size_t len = end == NULL ? i->in_len : (size_t)(end - i->in);
    size_t place;
    if (len >= LONGEST_LINE) {
        return reconnect(err, rfid_error_set(err, RFID_PROTOCOL, "%s sent a line of more than %d bytes; look whether it is "
                                             "the reader's address and port", i->address, LONGEST_LINE - 1));
    }
    if (end == NULL) return RFID_NO_DATA;
    memcpy(line, i->in, len);
    line[len] = '\0';
    /* The protocol is ASCII. What else comes must not get into messages and logs. */
    for (place = 0; place < len; place++) {
        if (line[place] < ' ' || line[place] > '~') line[place] = '?';
    }
    i->in_len -= len + 1;
    memmove(i->in, end + 1, i->in_len);
    return RFID_OK;
}

/* What does not belong here. The line may hold anything and is not repeated. */
static rfid_status unknown_line(rfid_instance *i, rfid_error *err) {
    return reconnect(err, rfid_error_set(err, RFID_PROTOCOL, "%s sent what this driver does not understand; look whether it "
                                         "is the reader's address and port, and which firmware it has", i->address));
}

/* ---------------------------------------------------------------- the protocol */

static int bytes_of_hex(const char *hex, uint8_t *bytes, size_t capacity) {
    size_t len = strlen(hex), place;
    if (len == 0 || len % 2 != 0 || len / 2 > capacity || strspn(hex, "0123456789abcdefABCDEF") != len) return 0;
    for (place = 0; place < len / 2; place++) {
        unsigned byte;
        sscanf(hex + place * 2, "%2x", &byte);
        bytes[place] = (uint8_t)byte;
    }
    return (int)(len / 2);
}

static void notice_antenna(rfid_instance *i, unsigned port, int up) {
    rfid_reader_event event;
    memset(&event, 0, sizeof event);
    event.struct_size = sizeof event;
    event.kind = up ? RFID_READER_EVENT_ANTENNA_UP : RFID_READER_EVENT_ANTENNA_DOWN;
    event.antenna = (uint16_t)port;
    if (i->host->reader_event != NULL) i->host->reader_event(i->host, &event);
}

/* Takes note of a line that may come at any time. */
static rfid_status on_line(rfid_instance *i, const char *line, rfid_error *err) {
    char hex[LONGEST_LINE], word[8];
    unsigned antenna;
    int rssi;
    unsigned long long number;
    if (strcmp(line, "PONG") == 0) return RFID_OK;
    if (sscanf(line, "TAG %511s %u %d %llu", hex, &antenna, &rssi, &number) == 4) {
        uint8_t id[RFID_INLINE_ID];
        int id_len = bytes_of_hex(hex, id, sizeof id);
        rfid_tag_read *read;
        if (id_len == 0 || antenna < 1 || antenna > i->antennas || rssi <= INT16_MIN || rssi > INT16_MAX ||
            number > UINT64_MAX / 1000000u) {
            return unknown_line(i, err);
        }
        if (!rfid_listens_on(i->host, (uint16_t)antenna)) return RFID_OK;
        if (i->waiting_count == WAITING) {
            i->lost++;
            return RFID_OK;
        }
        read = &i->waiting[i->waiting_count];
        rfid_read_init(read, RFID_ID_EPC, id, (size_t)id_len);
        read->timestamp_ns = (uint64_t)number * 1000000u;
        read->antenna = (uint16_t)antenna;
        read->rssi_cdbm = (int16_t)rssi;
        read->protocol = RFID_PROTOCOL_GEN2;
        i->waiting_count++;
        return RFID_OK;
    }
    if (sscanf(line, "LOST %llu", &number) == 1) {
        i->lost += number;
        return RFID_OK;
    }
    if (sscanf(line, "ANT %u %7s", &antenna, word) == 2 && antenna >= 1 && antenna <= i->antennas) {
        notice_antenna(i, antenna, strcmp(word, "UP") == 0);
        return RFID_OK;
    }
    return unknown_line(i, err);
}

/* Sends a command and waits until it is answered. */
static rfid_status command(rfid_instance *i, const char *line, int64_t until_ms, rfid_error *err) {
    char answer[LONGEST_LINE];
    rfid_status status = send_line(i, line, err);
    while (status >= 0) {
        status = next_line(i, answer, err);
        if (status == RFID_NO_DATA) {
            status = receive(i, until_ms, err);
            if (status == RFID_NO_DATA && now_ms() >= until_ms) {
                return reconnect(err, rfid_error_set(err, RFID_TIMEOUT, "the reader at %s does not answer %.*s; restart it if "
                                                     "that goes on", i->address, (int)strcspn(line, " \n"), line));
            }
        } else if (status == RFID_OK) {
            if (strcmp(answer, "OK") == 0) return RFID_OK;
            if (strncmp(answer, "ERR ", 4) == 0) {
                return rfid_error_set(err, RFID_UNSUPPORTED, "the reader at %s refuses %.*s: %.200s; correct the options",
                                      i->address, (int)strcspn(line, "\n"), line, answer + 4);
            }
            status = on_line(i, answer, err);
        }
    }
    return status;
}

/* Reads the line that a reader begins with. */
static rfid_status greet(rfid_instance *i, int64_t until_ms, rfid_error *err) {
    char line[LONGEST_LINE];
    unsigned version;
    rfid_status status;
    while ((status = next_line(i, line, err)) == RFID_NO_DATA) {
        status = receive(i, until_ms, err);
        if (status < 0) return status;
        if (status == RFID_NO_DATA && now_ms() >= until_ms) {
            return rfid_error_set(err, RFID_TIMEOUT, "%s took the connection and says nothing; look whether it is the reader's "
                                  "address and port, or restart the reader", i->address);
        }
    }
    if (status < 0) return status;
    if (strcmp(line, "BUSY") == 0) {
        return rfid_error_set(err, RFID_BUSY, "the reader at %s serves another client; end that one", i->address);
    }
    if (sscanf(line, "ACME %u %63s %63s %63s %u", &version, i->model, i->firmware, i->serial, &i->antennas) != 5 ||
        i->antennas < 1 || i->antennas > RFID_READER_INFO_PORTS) {
        return unknown_line(i, err);
    }
    if (version != 1) {
        status = rfid_error_set(err, RFID_UNSUPPORTED, "the reader at %s speaks version %u of its protocol and this driver "
                                "version 1; install a newer driver", i->address, version);
        rfid_error_advise(err, RFID_ERROR_FATAL, 0);
    }
    return status;
}

/* Connects to the reader. */
static rfid_status reach(rfid_instance *i, int64_t until_ms, rfid_error *err) {
    rfid_status status = RFID_OK;
    int fault = 0;
    socklen_t size = sizeof fault;
    i->fd = socket(i->to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (i->fd < 0) return rfid_error_set(err, RFID_INTERNAL, "socket: %s", strerror(errno));
    if (connect(i->fd, (const struct sockaddr *)&i->to, i->to_len) < 0) {
        fault = errno;
        if (fault == EINPROGRESS) {
            while ((status = wait_until(i, POLLOUT, until_ms, err)) == RFID_NO_DATA && now_ms() < until_ms) {}
            if (status < 0) return status;
            if (status == RFID_NO_DATA) {
                return rfid_error_set(err, RFID_NOT_CONNECTED, "nobody answers at %s; look whether the reader has power and "
                                      "this address", i->address);
            }
            getsockopt(i->fd, SOL_SOCKET, SO_ERROR, &fault, &size);
        }
    }
    if (fault != 0) {
        return rfid_error_set(err, RFID_NOT_CONNECTED, "cannot connect to %s: %s; look whether the reader has power and this "
                              "address", i->address, strerror(fault));
    }
    return RFID_OK;
}

static rfid_status open_(rfid_instance *i, uint32_t timeout_ms, rfid_error *err) {
    int64_t until_ms = now_ms() + timeout_ms;
    rfid_status status = allowed(i, i->fd < 0, err);
    char line[32];
    uint32_t last = i->host->antenna_port_count;
    if (status < 0) return status;
    status = reach(i, until_ms, err);
    if (status >= 0) status = greet(i, until_ms, err);
    if (status >= 0 && i->power_cdbm >= 0) {
        snprintf(line, sizeof line, "POWER %lld\n", (long long)i->power_cdbm);
        status = command(i, line, until_ms, err);
    }
    if (status >= 0 && last > 0 && i->host->antenna_ports[last - 1] > i->antennas) {
        status = rfid_error_set(err, RFID_CONFIG, "a zone has antenna port %u, and the reader at %s has %u; correct the zone",
                                i->host->antenna_ports[last - 1], i->address, i->antennas);
        rfid_error_advise(err, RFID_ERROR_FATAL, 0);
    }
    if (status < 0) {
        /* The host calls `close` anyway; until then nothing shall look open. */
        if (i->fd >= 0) close(i->fd);
        i->fd = -1;
        i->in_len = 0;
        return status;
    }
    rfid_log_line(i->host, RFID_LOG_DEBUG, "connected to %s %s", i->model, i->firmware);
    i->heard_ms = i->pinged_ms = now_ms();
    return RFID_OK;
}

static rfid_status start(rfid_instance *i, rfid_error *err) {
    char line[512] = "START ";
    size_t len = strlen(line);
    unsigned port;
    rfid_status status = allowed(i, i->fd >= 0 && !i->started, err);
    if (status < 0) return status;
    for (port = 1; port <= i->antennas; port++) {
        if (!rfid_listens_on(i->host, (uint16_t)port)) continue;
        len += (size_t)snprintf(line + len, sizeof line - len, "%u,", port);
    }
    line[len - 1] = '\n'; /* in place of the last comma */
    status = command(i, line, now_ms() + 1000, err);
    if (status >= 0) i->started = 1;
    return status;
}

/* Asks for a sign of life, and misses it. */
static rfid_status keep_alive(rfid_instance *i, rfid_error *err) {
    int64_t now = now_ms();
    if (now - i->heard_ms >= SILENCE_MS) {
        return reconnect(err, rfid_error_set(err, RFID_TIMEOUT, "the reader at %s has been silent for %d s; look at its cable "
                                             "and power", i->address, SILENCE_MS / 1000));
    }
    if (now - i->pinged_ms < PING_EVERY_MS) return RFID_OK;
    i->pinged_ms = now;
    return send_line(i, "PING\n", err);
}

static void deliver(rfid_instance *i, rfid_read_buf *buf) {
    uint32_t place = 0;
    while (place < i->waiting_count && rfid_push(buf, &i->waiting[place])) place++;
    i->waiting_count -= place;
    memmove(i->waiting, i->waiting + place, i->waiting_count * sizeof *i->waiting);
    buf->lost += i->lost;
    i->lost = 0;
    if (i->waiting_count > 0) buf->flags |= RFID_READ_MORE;
}

static rfid_status read_(rfid_instance *i, rfid_read_buf *buf, uint32_t timeout_ms, rfid_error *err) {
    int64_t until_ms = now_ms() + timeout_ms;
    /* What came before the answer to STOP may still be had. */
    rfid_status status = allowed(i, i->started || i->waiting_count > 0, err);
    char line[LONGEST_LINE];
    if (status < 0) return status;
    if (buf->capacity == 0) {
        /* Nothing is received, so the reader has to wait, and its silence means nothing. */
        i->heard_ms = now_ms();
        status = keep_alive(i, err);
        return status < 0 ? status : RFID_NO_DATA;
    }
    deliver(i, buf);
    if (!i->started) return RFID_OK;
    while (rfid_has_room(buf)) {
        status = next_line(i, line, err);
        if (status == RFID_OK) {
            status = on_line(i, line, err);
            deliver(i, buf);
        } else if (status == RFID_NO_DATA) {
            int64_t ping_ms = i->pinged_ms + PING_EVERY_MS;
            status = receive(i, buf->count > 0 ? 0 : until_ms < ping_ms ? until_ms : ping_ms, err);
            /* What is there goes first; the fault is still there with the next call. */
            if (status != RFID_OK && buf->count > 0) return RFID_OK;
            if (status == RFID_NO_DATA) {
                status = keep_alive(i, err);
                if (status == RFID_OK && now_ms() >= until_ms) return RFID_NO_DATA;
            }
        }
        if (status < 0) return status;
    }
    return RFID_OK;
}

static rfid_status stop(rfid_instance *i, rfid_error *err) {
    rfid_status status = allowed(i, i->started, err);
    if (status < 0) return status;
    i->started = 0;
    return command(i, "STOP\n", now_ms() + 1000, err);
}

/* ---------------------------------------------------------------- the rest of an instance */

static void cancel(rfid_instance *i) { eventfd_write(i->cancelled, 1); }

static rfid_status close_(rfid_instance *i, uint32_t timeout_ms, rfid_error *err) {
    eventfd_t seen;
    (void)timeout_ms;
    (void)err;
    if (i->fd >= 0) close(i->fd);
    i->fd = -1;
    i->started = 0;
    i->in_len = 0;
    i->waiting_count = 0;
    i->lost = 0;
    eventfd_read(i->cancelled, &seen);
    return RFID_OK;
}

static void destroy(rfid_instance *i) {
    close_(i, 0, NULL);
    close(i->cancelled);
    free(i);
}

/* Takes "127.0.0.1:9000" and "[::1]:9000". No names: looking one up cannot be cancelled. */
static int parse_address(rfid_instance *i) {
    struct addrinfo wanted = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char host[sizeof i->address];
    char *port;
    size_t len;
    snprintf(host, sizeof host, "%s", i->address);
    port = strrchr(host, ':');
    if (port == NULL) return 0;
    *port++ = '\0';
    len = strlen(host);
    if (host[0] == '[' && host[len - 1] == ']') {
        host[len - 1] = '\0';
        memmove(host, host + 1, len - 1);
    }
    if (host[0] == '\0' || getaddrinfo(host, port, &wanted, &found) != 0) return 0;
    memcpy(&i->to, found->ai_addr, found->ai_addrlen);
    i->to_len = found->ai_addrlen;
    freeaddrinfo(found);
    return 1;
}

static rfid_status parse_options(rfid_instance *i, rfid_str options, rfid_error *err) {
    rfid_options all = rfid_options_of(options);
    rfid_option option;
    while (rfid_options_next(&all, &option) == 1) {
        if (rfid_option_is(&option, "address")) {
            if (!rfid_option_text(&option, i->address, sizeof i->address) || !parse_address(i)) {
                return rfid_error_set(err, RFID_CONFIG, "/address: an IP address and a port belong here, as in "
                                      "\"192.168.10.20:9000\"");
            }
        } else if (rfid_option_is(&option, "power_cdbm")) {
            if (!rfid_option_integer(&option, &i->power_cdbm) || i->power_cdbm < 0 || i->power_cdbm > 3000) {
                return rfid_error_set(err, RFID_CONFIG, "/power_cdbm: a number from 0 to 3000 belongs here");
            }
        } else {
            return rfid_error_set(err, RFID_CONFIG, "there is an option that is neither \"address\" nor \"power_cdbm\"");
        }
    }
    if (all.damaged) return rfid_error_set(err, RFID_CONFIG, "the options are not a JSON object");
    if (i->to_len == 0) return rfid_error_set(err, RFID_CONFIG, "/address: is missing; write the reader's IP address and port");
    return RFID_OK;
}

static rfid_status create(const rfid_host *host, rfid_str options, rfid_instance **made, rfid_error *err) {
    rfid_instance *i = calloc(1, sizeof *i);
    rfid_status status;
    if (i == NULL) return rfid_error_set(err, RFID_NO_MEMORY, "out of memory");
    i->host = host;
    i->power_cdbm = -1;
    i->fd = -1;
    status = parse_options(i, options, err);
    if (status == RFID_OK) {
        i->cancelled = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (i->cancelled < 0) status = rfid_error_set(err, RFID_INTERNAL, "eventfd: %s", strerror(errno));
    }
    if (status == RFID_OK) {
        *made = i;
    } else {
        free(i);
    }
    return status;
}

/* ---------------------------------------------------------------- what the reader is */

static rfid_status info(rfid_instance *i, rfid_reader_info *info, rfid_error *err) {
    unsigned port;
    rfid_status status = allowed(i, i->fd >= 0, err);
    if (status < 0) return status;
    snprintf(info->model, sizeof info->model, "Acme %s", i->model);
    snprintf(info->firmware, sizeof info->firmware, "%s", i->firmware);
    snprintf(info->serial, sizeof info->serial, "%s", i->serial);
    info->protocols[0] = RFID_PROTOCOL_GEN2;
    for (port = 1; port <= i->antennas; port++) {
        if (!rfid_listens_on(i->host, (uint16_t)port)) continue;
        info->antenna_ports[info->antenna_port_count++] = (uint16_t)port;
    }
    return RFID_OK;
}

static const rfid_reader_info_table INFO = {.struct_size = sizeof INFO, .info = info};

static const void *get_extension(rfid_instance *i, const char *id) {
    (void)i;
    return strcmp(id, RFID_READER_INFO) == 0 ? &INFO : NULL;
}

/* ---------------------------------------------------------------- what the plugin is */

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
    .id = "acme",
    .name = "Acme readers",
    .description = "UHF readers of the AR series, over TCP",
    .config_schema =
        "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"address\"],\"properties\":{"
        "\"address\":{\"type\":\"string\",\"minLength\":1,"
        "\"description\":\"IP address and port of the reader\"},"
        "\"power_cdbm\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":3000,"
        "\"description\":\"Transmit power in hundredths of a dBm; absent: as the reader has it\"}}}",
    .config_example = "address = \"127.0.0.1:9000\"\npower_cdbm = 2700\n",
    .driver = &DRIVER,
};
static const rfid_component *const COMPONENTS[] = {&COMPONENT};

static const rfid_module MODULE = {
    .struct_size = sizeof MODULE,
    .abi_major = RFID_MAJOR,
    .abi_minor = RFID_MINOR,
    .read_size = sizeof(rfid_tag_read),
    .id = "com.example.acme",
    .vendor = "Example",
    .version = "0.1.0",
    .built_with = RFID_BUILT_WITH,
    .component_count = 1,
    .components = COMPONENTS,
};

const rfid_module *rfid_plugin_module_v0(uint32_t host_abi_minor) {
    return host_abi_minor == RFID_MINOR ? &MODULE : NULL;
}

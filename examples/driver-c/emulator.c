/* A reader for trying the driver: listens on a port of this computer and sees tags.
 *
 *     ./emulator [-p PORT] [-t TAGS] [-r READS_A_SECOND] [-a ANTENNAS] [-f FAULT]
 *
 * Port 0 takes a free one; the first line of the output says which. Faults come again in every
 * connection, with the hundredth read:
 *     drop     the connection is closed        half     it is closed in the middle of a line
 *     mute     nothing is said any more        garbage  a line that belongs to no protocol
 *     antenna  antenna 1 is lost and found     lost     the reader's buffer overflowed
 *     busy     no client is served at all      refuse   every command is refused */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int tags = 5, rate = 20, antennas = 4;
static const char *fault = "";

struct client {
    int fd;
    char in[512];
    size_t in_len;
    char out[16384];
    size_t out_len;
    int ports[64];
    int port_count; /* 0: no inventory */
    long seen;
    long lost;
};

static int has_fault(const char *name) { return strcmp(fault, name) == 0; }

static long long time_ms(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Puts a line among those to be sent: 1, or 0 if there is no room, as a reader's buffer has none. */
static int say(struct client *client, const char *line) {
    size_t len = strlen(line);
    if (sizeof client->out - client->out_len < len) return 0;
    memcpy(client->out + client->out_len, line, len);
    client->out_len += len;
    return 1;
}

/* Sends what can be sent now: 0 if the client is gone. */
static int flush_out(struct client *client) {
    ssize_t sent = send(client->fd, client->out, client->out_len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) return errno == EAGAIN;
    client->out_len -= (size_t)sent;
    memmove(client->out, client->out + sent, client->out_len);
    return 1;
}

static void see_tag(struct client *client) {
    char line[128];
    long number = client->seen++ % tags + 1;
    int port = client->ports[client->seen % client->port_count];
    if (client->lost > 0) {
        snprintf(line, sizeof line, "LOST %ld\n", client->lost);
        if (say(client, line)) client->lost = 0;
    }
    snprintf(line, sizeof line, "TAG 30396062C3AAC24000%06lX %d %ld %lld\n", number, port,
             -6000 + client->seen * 137 % 1500, time_ms(CLOCK_REALTIME));
    if (client->lost > 0 || !say(client, line)) client->lost++;
}

/* What is due with the hundredth read: 0 ends the connection. */
static int do_fault(struct client *client) {
    if (has_fault("drop")) return 0;
    if (has_fault("half")) {
        say(client, "TAG 30396062C3AA");
        flush_out(client);
        return 0;
    }
    if (has_fault("garbage")) say(client, "\x01\xFF HTTP/1.1 400\n");
    if (has_fault("antenna")) say(client, "ANT 1 DOWN\nANT 1 UP\n");
    if (has_fault("lost")) say(client, "LOST 12\n");
    return 1;
}

static void on_command(struct client *client, const char *line) {
    if (has_fault("mute") && client->seen >= 100) return;
    if (has_fault("refuse")) {
        say(client, "ERR the emulator was told to refuse\n");
    } else if (strncmp(line, "START ", 6) == 0) {
        const char *at = line + 6;
        char *end;
        client->port_count = 0;
        while (client->port_count < 64) {
            long port = strtol(at, &end, 10);
            if (end == at || port < 1 || port > antennas) break;
            client->ports[client->port_count++] = (int)port;
            at = *end == ',' ? end + 1 : end;
        }
        say(client, client->port_count > 0 && *at == '\0' ? "OK\n" : "ERR no such antenna\n");
    } else if (strcmp(line, "STOP") == 0) {
        client->port_count = 0;
        say(client, "OK\n");
    } else if (strcmp(line, "PING") == 0) {
        say(client, "PONG\n");
    } else if (strncmp(line, "POWER ", 6) == 0) {
        say(client, atol(line + 6) <= 3000 ? "OK\n" : "ERR at most 3000\n");
    } else {
        say(client, "ERR no such command\n");
    }
}

/* Takes what the client sent: 0 if it is gone. */
static int on_input(struct client *client) {
    ssize_t got = recv(client->fd, client->in + client->in_len, sizeof client->in - client->in_len, MSG_DONTWAIT);
    char *end;
    if (got <= 0) return got < 0 && errno == EAGAIN;
    client->in_len += (size_t)got;
    while ((end = memchr(client->in, '\n', client->in_len)) != NULL) {
        *end = '\0';
        on_command(client, client->in);
        client->in_len -= (size_t)(end + 1 - client->in);
        memmove(client->in, end + 1, client->in_len);
    }
    return client->in_len < sizeof client->in;
}

static void *serve(void *of) {
    struct client *client = of;
    char line[128];
    long long next_us = 0;
    int goes_on = 1;
    snprintf(line, sizeof line, has_fault("busy") ? "BUSY\n" : "ACME 1 AR-400 2.1.0 A0042 %d\n", antennas);
    say(client, line);
    while (goes_on && flush_out(client) && !has_fault("busy")) {
        struct pollfd socket = {.fd = client->fd, .events = POLLIN};
        long long now_us = time_ms(CLOCK_MONOTONIC) * 1000;
        if (client->port_count == 0 || next_us == 0) next_us = now_us;
        while (goes_on && client->port_count > 0 && next_us <= now_us && !(has_fault("mute") && client->seen >= 100)) {
            see_tag(client);
            next_us += 1000000 / rate;
            if (client->seen == 100) goes_on = do_fault(client);
        }
        /* A reader with more than a thousand reads a second sends them in bursts. */
        if (goes_on && poll(&socket, 1, client->port_count == 0 ? 100 : rate > 1000 ? 1 : 1000 / rate) > 0) {
            goes_on = on_input(client);
        }
    }
    close(client->fd);
    free(client);
    return NULL;
}

static int usage(const char *name) {
    printf("usage: %s [-p PORT] [-t TAGS] [-r READS_A_SECOND] [-a ANTENNAS] [-f FAULT]\n", name);
    return 2;
}

int main(int count, char **words) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(9000)};
    socklen_t len = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM, 0), yes = 1, letter;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    while ((letter = getopt(count, words, "p:t:r:a:f:")) != -1) {
        if (letter == 'p') at.sin_port = htons((uint16_t)atoi(optarg));
        else if (letter == 't') tags = atoi(optarg);
        else if (letter == 'r') rate = atoi(optarg);
        else if (letter == 'a') antennas = atoi(optarg);
        else if (letter == 'f') fault = optarg;
        else return usage(words[0]);
    }
    if (tags < 1 || rate < 1 || rate > 1000000 || antennas < 1 || antennas > 64) return usage(words[0]);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) != 0 || listen(listener, 16) != 0 ||
        getsockname(listener, (struct sockaddr *)&at, &len) != 0) {
        printf("cannot listen on port %d: %s\n", ntohs(at.sin_port), strerror(errno));
        return 1;
    }
    printf("a reader with %d antennas is at 127.0.0.1:%d\n", antennas, ntohs(at.sin_port));
    fflush(stdout);
    for (;;) {
        pthread_t thread;
        struct client *client = calloc(1, sizeof *client);
        if (client == NULL) return 1;
        client->fd = accept(listener, NULL, NULL);
        if (client->fd < 0 || pthread_create(&thread, NULL, serve, client) != 0) {
            if (client->fd >= 0) close(client->fd);
            free(client);
            continue;
        }
        pthread_detach(thread);
    }
}

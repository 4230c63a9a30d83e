/* The interface between rfid-host and plugins: drivers for readers, and sinks for events.
 *
 * For C11 and C++17 or later, on Linux. Needs nothing but the C library. C++ authors may like
 * rfid_plugin.hpp, a class around this.
 *
 *
 * A PLUGIN is a shared library that exports one function, rfid_plugin_module_v0. It returns a
 * table, the module, with tables of drivers and sinks. For each reader or sink in its
 * configuration the host makes an instance and calls its functions.
 *
 *
 * THE SHORTEST WHOLE DRIVER. It reports one tag, twenty times a second:
 *
 *     #include "rfid_plugin.h"
 *     #include <poll.h>
 *     #include <stdatomic.h>
 *     #include <stdlib.h>
 *
 *     struct rfid_instance { int opened, started; atomic_int cancelled; };
 *
 *     static rfid_status check(rfid_instance *i, int in_order, rfid_error *err) {
 *         if (!in_order) return rfid_error_set(err, RFID_STATE, "this call is not allowed now");
 *         if (i->cancelled) return rfid_error_set(err, RFID_CANCELLED, "cancelled");
 *         return RFID_OK;
 *     }
 *
 *     static rfid_status create(const rfid_host *host, rfid_str options, rfid_instance **made, rfid_error *err) {
 *         rfid_options all = rfid_options_of(options);
 *         rfid_option option;
 *         (void)host;
 *         if (rfid_options_next(&all, &option) == 1)
 *             return rfid_error_set(err, RFID_CONFIG, "there are no options, leave them out");
 *         if (all.damaged) return rfid_error_set(err, RFID_CONFIG, "the options are not a JSON object");
 *         *made = calloc(1, sizeof **made);
 *         return *made ? RFID_OK : rfid_error_set(err, RFID_NO_MEMORY, "out of memory");
 *     }
 *     static rfid_status open_(rfid_instance *i, uint32_t timeout_ms, rfid_error *err) {
 *         rfid_status status = check(i, !i->opened, err);
 *         (void)timeout_ms;
 *         if (status == RFID_OK) i->opened = 1;
 *         return status;
 *     }
 *     static rfid_status start(rfid_instance *i, rfid_error *err) {
 *         rfid_status status = check(i, i->opened && !i->started, err);
 *         if (status == RFID_OK) i->started = 1;
 *         return status;
 *     }
 *     static rfid_status read_(rfid_instance *i, rfid_read_buf *buf, uint32_t timeout_ms, rfid_error *err) {
 *         static const uint8_t epc[] = {0x30, 0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
 *         rfid_tag_read read;
 *         rfid_status status = check(i, i->started, err);
 *         if (status != RFID_OK) return status;
 *         poll(NULL, 0, timeout_ms < 50 ? (int)timeout_ms : 50);
 *         if (buf->capacity == 0) return RFID_NO_DATA;
 *         rfid_read_init(&read, RFID_ID_EPC, epc, sizeof epc);
 *         read.antenna = 1;
 *         rfid_push(buf, &read);
 *         return RFID_OK;
 *     }
 *     static rfid_status stop(rfid_instance *i, rfid_error *err) {
 *         rfid_status status = check(i, i->started, err);
 *         i->started = 0;
 *         return status;
 *     }
 *     static void cancel(rfid_instance *i) { i->cancelled = 1; } // no call here takes longer than 50 ms
 *     static rfid_status close_(rfid_instance *i, uint32_t timeout_ms, rfid_error *err) {
 *         (void)timeout_ms; (void)err;
 *         i->opened = i->started = i->cancelled = 0;
 *         return RFID_OK;
 *     }
 *     static void destroy(rfid_instance *i) { free(i); }
 *
 *     static const rfid_driver DRIVER = {
 *         .struct_size = sizeof(rfid_driver), .create = create, .open = open_, .start = start, .read = read_,
 *         .stop = stop, .cancel = cancel, .close = close_, .destroy = destroy,
 *     };
 *     static const rfid_component COMPONENT = {
 *         .struct_size = sizeof(rfid_component), .kind = RFID_COMPONENT_DRIVER, .id = "shortest",
 *         .name = "Shortest", .description = "One tag, twenty times a second", .config_example = "",
 *         .config_schema = "{\"type\":\"object\",\"properties\":{},\"additionalProperties\":false}",
 *         .driver = &DRIVER,
 *     };
 *     static const rfid_component *const COMPONENTS[] = {&COMPONENT};
 *     static const rfid_module MODULE = {
 *         .struct_size = sizeof(rfid_module), .abi_major = RFID_MAJOR, .abi_minor = RFID_MINOR,
 *         .read_size = sizeof(rfid_tag_read), .id = "com.example.shortest", .vendor = "Example",
 *         .version = "1.0.0", .built_with = RFID_BUILT_WITH, .component_count = 1, .components = COMPONENTS,
 *     };
 *     const rfid_module *rfid_plugin_module_v0(uint32_t host_abi_minor) {
 *         return host_abi_minor == RFID_MINOR ? &MODULE : NULL;
 *     }
 *
 *     cc -std=c11 -D_POSIX_C_SOURCE=200809L -O2 -fPIC -shared -fvisibility=hidden -Wl,-z,defs -o libshortest.so shortest.c
 *     rfid-host plugin check ./libshortest.so
 *
 *
 * THREADS. Each function below is marked:
 *     [I]    the instance's own thread. The host makes all such calls of one instance on one thread,
 *            one at a time. Two instances have two threads and run at the same time.
 *     [any]  any thread, at any time, also while an [I] call runs.
 *     [ctl]  the host's control thread, while no instance exists.
 *
 * ORDER of the calls of an instance:
 *     driver: create (open (start read* stop)* close)* destroy
 *     sink:   create (probe? open (write | lost | flush)* close)* destroy
 * An [I] function that is called out of this order returns STATE and changes nothing. `close` is
 * OK in every state, also twice and after an `open` that failed; `destroy` may follow in every
 * state and does what `close` does first. `cancel` may come at any time between the two.
 *
 * TIME. `timeout_ms` is an upper limit: a call returns no later than 250 ms after it. Functions
 * without one (create, start, stop, destroy, lost) take a second at most. What is over by 1 s is
 * told in the host's log. What is over by 10 s is lost: the host kills the process that the plugin
 * is in.
 *
 * CANCEL. After `cancel` a running call returns CANCELLED within 250 ms, and so does each later
 * one (but close and destroy) until `close`. It is called again without harm, sets a flag or writes
 * to an eventfd, and neither blocks nor waits for the instance's thread.
 *
 * MEMORY never changes owner. What the host hands over is the host's and lent for that one call,
 * unless it is said to live longer; copy what you keep. What you return (tables, texts) is yours
 * and stays as long as it is said to. No side frees what the other allocated.
 *
 * SIZES. A struct that begins with `struct_size` may gain fields at its end: whoever allocates it
 * writes its size there. Fields called `reserved` are zero; unknown bits of `flags` are ignored.
 *
 * TEXTS are UTF-8. `const char *` is terminated and constant until the process ends, unless it is
 * said otherwise; rfid_str is neither.
 *
 * VERSION. This is version 0.1, under trial: a host takes only plugins that were built with the
 * very same version of this header. From version 1 on, minor versions only add.
 *
 *
 * WHAT A PLUGIN MUST NOT DO, since it lives in a process with others:
 *     - end the process: no exit, _exit, abort, no failed assert; report an error instead
 *     - let a C++ exception leave a function (rfid_plugin.hpp sees to that)
 *     - install signal handlers, change what signals do or block them; write to sockets with
 *       MSG_NOSIGNAL instead of ignoring SIGPIPE
 *     - call chdir, setlocale, setenv, putenv, umask
 *     - write to standard output or error, read from standard input, or close them: use `log`
 *     - leave children or threads behind: those of an instance have ended when `close` returns
 *     - keep what belongs to an instance in global variables: there may be ten instances
 *     - start anything in a constructor or in the entry function: the library is loaded to look at
 *     - bring an allocator or another library that needs static thread-local storage
 *     - bring a shared library under a common name: if another plugin brings one of the same
 *       SONAME, one of them gets the other's. Link statically and hide its symbols, or rename it
 *     - log or report a password, key or token, whole or in part
 * If an SDK that you need cannot promise this, set RFID_MODULE_ISOLATE. (The host starts plugins in
 * processes of their own as a rule; this flag forbids the operator to choose otherwise.)
 *
 * BUILD with -fvisibility=hidden -Wl,-z,defs, so that only the one symbol is exported and no symbol
 * is missing; C++ also with -static-libstdc++ -static-libgcc, or on the oldest system that you
 * support. The library is never unloaded while its process lives.
 *
 * AN SDK that comes as a shared library may lie beside the plugin, in the host's folder of plugins. It is
 * found by its SONAME, which must be the name of its file, without links.
 */
#ifndef RFID_PLUGIN_H
#define RFID_PLUGIN_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------- version */

/* The number in the symbol's name. Hosts of another one cannot be spoken with. */
#define RFID_MAJOR 0
/* Grows with every addition. While RFID_MAJOR is 0, both sides must have the same one. */
#define RFID_MINOR 1
/* Name of the one exported function. */
#define RFID_SYMBOL "rfid_plugin_module_v0"

/* What to say as `built_with`. */
#ifdef __VERSION__
#define RFID_BUILT_WITH "C compiler " __VERSION__
#else
#define RFID_BUILT_WITH "C compiler"
#endif

/* ---------------------------------------------------------------- outcome of a call */

/* What a call returns. An unknown positive number counts as RFID_OK, a negative one as
 * RFID_INTERNAL. */
typedef int32_t rfid_status;

#define RFID_OK 0              /* done */
#define RFID_NO_DATA 1         /* done, and there was nothing to deliver */
#define RFID_END 2             /* nothing will ever come again: a source that has an end is at it */
#define RFID_INTERNAL (-1)     /* a fault of the plugin itself */
#define RFID_INVALID (-2)      /* an argument that this header does not allow */
#define RFID_CONFIG (-3)       /* the options cannot be carried out */
#define RFID_IO (-4)           /* reading or writing failed after the connection was made */
#define RFID_PROTOCOL (-5)     /* the other side said what its protocol does not allow */
#define RFID_TIMEOUT (-6)      /* no answer in time */
#define RFID_NOT_CONNECTED (-7) /* the reader, server or device could not be reached */
#define RFID_DENIED (-8)       /* a password, key or right is missing */
#define RFID_UNSUPPORTED (-9)  /* this cannot be done here */
#define RFID_BUSY (-10)        /* somebody else has it, or more cannot be taken now */
#define RFID_CANCELLED (-11)   /* `cancel` was called */
#define RFID_PANIC (-12)       /* an exception was caught; the instance can only be destroyed */
#define RFID_REGULATORY (-13)  /* radio rules forbid this */
#define RFID_NO_TAG (-14)      /* the tag left the field before the operation was over */
#define RFID_STATE (-15)       /* the call is not allowed in this state */
#define RFID_NO_MEMORY (-16)   /* no memory */
#define RFID_DAMAGED (-17)     /* stored data is damaged */

/* rfid_error.flags: what the host is to do. None: what the status suggests. */
#define RFID_ERROR_RETRY 1u     /* the same call can succeed after retry_after_ms */
#define RFID_ERROR_RECONNECT 2u /* it can succeed after `close` and `open` */
#define RFID_ERROR_FATAL 4u     /* it will fail again, until somebody changes something */

#define RFID_ERROR_MESSAGE 480 /* bytes of a message at most */

/* Why a call failed. The host's, filled in by the plugin (rfid_error_set below) with every
 * negative status; may be null. An operator will read the message: say what happened, where,
 * and what to do, without the name of the reader, which the host adds.
 *
 * With RFID_CONFIG each line may begin with the JSON pointer of an option, which the host turns
 * into the place in the file: "/antennas/7: this reader has 4 antennas". */
typedef struct rfid_error {
    uint32_t struct_size;
    int32_t code;            /* the status again */
    uint32_t flags;          /* RFID_ERROR_... */
    uint32_t retry_after_ms; /* with RFID_ERROR_RETRY */
    int64_t vendor_code;     /* the device's or SDK's own code; 0: none */
    uint32_t message_len;    /* bytes of the message */
    uint32_t reserved;
    char message[RFID_ERROR_MESSAGE]; /* UTF-8, not terminated */
} rfid_error;

/* Text in UTF-8, not terminated. May be null with a length of 0. */
typedef struct rfid_str {
    const char *ptr;
    size_t len;
} rfid_str;

/* ---------------------------------------------------------------- reads */

#define RFID_INLINE_ID 32            /* longest id in bytes that a record itself holds */
#define RFID_RSSI_UNKNOWN INT16_MIN  /* rssi_cdbm where the reader does not say */
#define RFID_PHASE_UNKNOWN UINT16_MAX /* phase where the reader does not say */

/* rfid_tag_read.id_kind */
#define RFID_ID_EPC 1
#define RFID_ID_ISO14443_UID 2
#define RFID_ID_ISO15693_UID 3
#define RFID_ID_TID 4
#define RFID_ID_ISO18000_6B_UID 5

/* rfid_tag_read.protocol; 0: not known */
#define RFID_PROTOCOL_GEN2 1
#define RFID_PROTOCOL_ISO18000_6B 2
#define RFID_PROTOCOL_EPC_CLASS0 3
#define RFID_PROTOCOL_EPC_CLASS1 4
#define RFID_PROTOCOL_ISO14443A 5
#define RFID_PROTOCOL_ISO15693 6

/* rfid_tag_read.flags */
#define RFID_READ_CHECK_FAILED 1 /* the check code that came with the id does not fit it */
#define RFID_READ_HAS_PC 2       /* `pc` is there */
#define RFID_READ_AUTHENTIC 4    /* the tag proved to be the one that its id names */
#define RFID_READ_NOT_AUTHENTIC 8 /* it proved not to be; neither: nobody checked */
#define RFID_READ_RANDOM_ID 16   /* the tag made the id up and will make up another one: no visit
                                    comes of it */

/* Type of an item of the side area: an id longer than RFID_INLINE_ID bytes. */
#define RFID_AUX_ID 1

/* One sighting of a tag by an antenna. 64 bytes, no pointers. Every field must be set, as
 * rfid_read_init does: memory that is lent holds anything before. */
typedef struct rfid_tag_read {
    uint64_t timestamp_ns;       /* the reader's own stamp, ns UTC since 1970; 0: it has none. Never
                                    later than now, never the time of this computer */
    uint8_t id[RFID_INLINE_ID];  /* most significant byte first */
    uint8_t id_len;              /* bytes of the id, 1 to 32; 0: it is an item of the side area */
    uint8_t id_kind;             /* RFID_ID_... */
    uint16_t antenna;            /* port, counted from 1; 0: not known */
    uint32_t frequency_khz;      /* carrier; 0: not known */
    int16_t rssi_cdbm;           /* signal in hundredths of a dBm, or RFID_RSSI_UNKNOWN */
    uint16_t phase;              /* a full turn being 4096, or RFID_PHASE_UNKNOWN */
    uint16_t count;              /* sightings that this one stands for, at least 1 */
    uint16_t pc;                 /* Gen2 protocol control word, with RFID_READ_HAS_PC; else 0 */
    uint8_t flags;               /* RFID_READ_CHECK_FAILED, RFID_READ_HAS_PC, RFID_READ_AUTHENTIC, RFID_READ_NOT_AUTHENTIC,
                                    RFID_READ_RANDOM_ID */
    uint8_t protocol;            /* RFID_PROTOCOL_..., or 0 */
    uint16_t aux_len;            /* bytes of this record's items in the side area, or 0 */
    uint32_t aux_off;            /* where they begin there, or 0. Items follow one another: uint16_t type,
                                    uint16_t length, both in this machine's order, then the bytes */
} rfid_tag_read;

/* rfid_read_buf.flags: more reads are there already, so the next call returns at once. */
#define RFID_READ_MORE 1u

/* Memory that the host lends for one `read`. Must not be touched after the call has returned, and
 * never beyond what fits. The fields marked "out" are 0 before the call. */
typedef struct rfid_read_buf {
    uint32_t struct_size;
    uint32_t stride;      /* bytes from one record to the next: at least 64, a multiple of 8 */
    rfid_tag_read *reads; /* the first record; null if capacity is 0 */
    uint32_t capacity;    /* records that fit; may be 0: see `read` */
    uint32_t count;       /* out: records that are there */
    uint8_t *aux;         /* the side area; may be null */
    uint32_t aux_capacity; /* bytes that fit there */
    uint32_t aux_len;     /* out: bytes that are there */
    uint64_t lost;        /* out: reads that are known to have been lost before these */
    uint32_t flags;       /* out: RFID_READ_MORE */
    uint32_t reserved;
} rfid_read_buf;

/* ---------------------------------------------------------------- events, for sinks */

/* rfid_event_record.kind */
#define RFID_EVENT_ARRIVED 1  /* a tag is confirmed to be here */
#define RFID_EVENT_SEEN 2     /* it is still here */
#define RFID_EVENT_MOVED 3    /* it is in another zone */
#define RFID_EVENT_DEPARTED 4 /* it is gone */

/* rfid_event_record.flags */
#define RFID_EVENT_REVISIT 1   /* continues a visit that had ended a short while before */
#define RFID_EVENT_SET_ASIDE 2 /* departed by being here for too long to matter */
#define RFID_EVENT_AUTHENTIC 4 /* the tag proved to be the one that its id names */
#define RFID_EVENT_NOT_AUTHENTIC 8 /* it proved not to be; neither: nobody checked */

/* rfid_event_record.heading */
#define RFID_HEADING_NONE 0     /* not known */
#define RFID_HEADING_ENTERING 1 /* from the outer zone to the inner one */
#define RFID_HEADING_LEAVING 2  /* from the inner zone to the outer one */

/* A piece of a batch's side area; rfid_text below looks it up. Nothing: a length of 0. */
typedef struct rfid_span {
    uint32_t off; /* where it begins */
    uint32_t len; /* bytes */
} rfid_span;

/* One event. No pointers inside; texts are UTF-8 in the batch's side area. */
typedef struct rfid_event_record {
    uint8_t event_id[16];     /* the same fact always has the same id, most significant byte first */
    uint64_t sequence;        /* number in the host's ledger; 0: not known */
    uint64_t time_ns;         /* when it happened, ns UTC since 1970 */
    uint64_t first_seen_ns;   /* first sighting of the visit */
    uint64_t last_seen_ns;    /* last sighting so far */
    uint64_t reader_time_ns;  /* the reader's own stamp on the read that caused the event; 0: none */
    uint64_t read_count;      /* sightings in this visit so far */
    uint64_t dwell_ms;        /* from the first to the last sighting */
    uint64_t coverage_gap_ms; /* how long the zone was not listened to before the event */
    uint8_t id[62];           /* the tag's id, most significant byte first */
    uint8_t id_len;           /* bytes of the id */
    uint8_t id_kind;          /* RFID_ID_... */
    uint8_t kind;             /* RFID_EVENT_ARRIVED, ... */
    uint8_t protocol;         /* RFID_PROTOCOL_..., or 0 */
    uint8_t flags;            /* RFID_EVENT_REVISIT, RFID_EVENT_SET_ASIDE, RFID_EVENT_AUTHENTIC, RFID_EVENT_NOT_AUTHENTIC */
    uint8_t heading;          /* RFID_HEADING_... */
    uint16_t heading_percent; /* how sure the heading is, in hundredths */
    uint16_t antenna;         /* port, counted from 1; 0: not known */
    int16_t peak_rssi_cdbm;   /* strongest signal of the visit in hundredths of a dBm, or
                                 RFID_RSSI_UNKNOWN */
    uint16_t reserved;
    uint32_t reserved2;
    rfid_span reader;         /* the reader that heard the tag last */
    rfid_span zone;           /* where the tag is */
    rfid_span zone_before;    /* where it was, for a move */
    rfid_span branch;         /* branch of the reader */
    rfid_span record;         /* what was looked up for the tag, a JSON object */
    rfid_span unconfirmed_by; /* names of sinks that failed and were passed by, a JSON array */
} rfid_event_record;

/* Events for a sink. The host's, constant (it may lie in memory that cannot be written), and valid
 * during `write`. */
typedef struct rfid_event_batch {
    uint32_t struct_size;
    uint32_t stride;                 /* bytes from one record to the next */
    const rfid_event_record *events; /* the first; rfid_event_at below finds the others */
    uint32_t count;                  /* how many, oldest first */
    uint32_t aux_len;                /* bytes of the side area */
    const uint8_t *aux;              /* the side area */
} rfid_event_batch;

/* What a sink did with a batch. The host's. The fields marked "out" are 0 before the call. */
typedef struct rfid_write_result {
    uint32_t struct_size;
    uint32_t accepted;         /* out: events taken, from the front */
    uint32_t retry_after_ms;   /* out: when to offer the rest */
    uint32_t flags;            /* zero */
    uint8_t *records;          /* room for what the sink adds to events for the sinks behind it: items of
                                  uint32_t index in the batch, uint32_t length, both in this machine's
                                  order, then a JSON object; rfid_record_add below writes one. No room
                                  left: accept fewer events */
    uint32_t records_capacity; /* bytes that fit there */
    uint32_t records_len;      /* out: bytes that are there */
} rfid_write_result;

/* Events that will never come. The host's, valid during `lost`. */
typedef struct rfid_loss {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t count;   /* how many */
    uint64_t from_ns; /* time of the oldest, ns UTC since 1970 */
    uint64_t to_ns;   /* time of the latest */
    rfid_str reason;  /* why, one line */
} rfid_loss;

/* ---------------------------------------------------------------- what the host offers */

/* A key and a value of a line of the log. */
typedef struct rfid_field {
    rfid_str key;
    rfid_str value;
} rfid_field;

/* rfid_log.level */
#define RFID_LOG_ERROR 1
#define RFID_LOG_WARNING 2
#define RFID_LOG_INFO 3
#define RFID_LOG_DEBUG 4
#define RFID_LOG_TRACE 5

/* A line for the log. The plugin's, valid during the call; rfid_log_line below makes one. */
typedef struct rfid_log {
    uint32_t struct_size;
    uint32_t level;           /* RFID_LOG_... */
    rfid_str target;          /* the part of the plugin that says it, or empty */
    rfid_str message;         /* one line */
    rfid_str file;            /* source file, or empty */
    uint32_t line;            /* line in it */
    uint32_t field_count;
    const rfid_field *fields; /* further values */
} rfid_log;

/* rfid_reader_event.kind; what is unknown to the host is ignored */
#define RFID_READER_EVENT_ANTENNA_UP 1u      /* the port's antenna listens (again); antenna 0: all */
#define RFID_READER_EVENT_ANTENNA_DOWN 2u    /* the port's antenna does not listen; antenna 0: none does */
#define RFID_READER_EVENT_INPUT 3u           /* input `port` has the level `value`: 0 low, 1 high */
#define RFID_READER_EVENT_TEMPERATURE 4u     /* the temperature is `value` degrees Celsius */
#define RFID_READER_EVENT_BUFFER_OVERFLOW 5u /* the reader's own buffer overflowed; `value` reads are
                                                lost, 0 if it does not say */

/* What a reader noticed besides tags. The plugin's, valid during the call. */
typedef struct rfid_reader_event {
    uint32_t struct_size;
    uint32_t kind;         /* RFID_READER_EVENT_... */
    uint64_t timestamp_ns; /* ns UTC since 1970; 0: now */
    uint16_t antenna;      /* port, or 0 */
    uint16_t port;         /* input pin, or 0 */
    int32_t value;
    rfid_str message;      /* more, in words */
} rfid_reader_event;

/* The host as an instance sees it. The host's; valid, with all it points to, from `create` until
 * `destroy` returns (that of the module: until `deinit` returns). Its functions are [any], never
 * block for long and never call back; hand them this very pointer. Compare them with null before
 * a call. */
typedef struct rfid_host rfid_host;
struct rfid_host {
    uint32_t struct_size;
    uint16_t abi_minor; /* the host's RFID_MINOR */
    uint16_t reserved;
    void *ctx;           /* the host's own */
    const char *name;    /* of the host program */
    const char *version; /* of the host program; may be null */
    /* [any] An extension of the host by its id, or null. */
    const void *(*get_extension)(const rfid_host *host, const char *id);
    /* [any] Whether a line of this level would be kept; ask before you format one. */
    int32_t (*log_enabled)(const rfid_host *host, int32_t level);
    /* [any] Writes a line to the host's log. Say what changes, not each read: what repeats is
     * RFID_LOG_DEBUG at most. */
    void (*log)(const rfid_host *host, const rfid_log *line);
    /* [any] Says what the reader noticed besides tags. */
    void (*reader_event)(const rfid_host *host, const rfid_reader_event *event);
    const char *instance; /* name of the reader or sink in the configuration; null for the module */
    const char *data_dir; /* folder that this instance may keep files in; make it if it is not
                             there. Null for the module */
    const uint16_t *antenna_ports; /* ports that belong to a zone, ascending: a driver listens on
                                      these and delivers reads from these only */
    uint32_t antenna_port_count;   /* how many; 0: listen on all */
    uint32_t reserved2;
};

/* ---------------------------------------------------------------- drivers and sinks */

/* An instance. Yours to define: struct rfid_instance { ... }; */
typedef struct rfid_instance rfid_instance;

/* The functions of a driver. All must be there but get_extension. */
typedef struct rfid_driver {
    uint32_t struct_size;
    uint32_t reserved;

    /* [I] Makes an instance and stores it in *made. Checks the options, which are a JSON object that
     * the host has checked against the schema; check again, since tools may call this directly.
     * `options` is lent for this call. Opens nothing, connects to nothing, starts no thread.
     * Errors: CONFIG with all that is wrong, NO_MEMORY; *made is then left alone. */
    rfid_status (*create)(const rfid_host *host, rfid_str options, rfid_instance **made, rfid_error *err);

    /* [I] Connects, finds out what the reader is (see RFID_READER_INFO), ends what an earlier
     * client left running and sets the reader up. Begins anew after a `close`. After an error the
     * host calls `close`, waits, and tries again.
     * Errors: NOT_CONNECTED (nobody answers), TIMEOUT, DENIED, BUSY, UNSUPPORTED, PROTOCOL, IO, and
     * CONFIG with RFID_ERROR_FATAL only if no retry can help; CANCELLED. */
    rfid_status (*open)(rfid_instance *instance, uint32_t timeout_ms, rfid_error *err);

    /* [I] Begins the inventory. Errors: as `open`. */
    rfid_status (*start)(rfid_instance *instance, rfid_error *err);

    /* [I] Delivers reads. Returns OK as soon as there is at least one and no more is ready, or the
     * buffer is full, and NO_DATA when none came within the limit. The host calls it again at
     * once; that it does not is back-pressure. What does not fit stays with you, or is dropped
     * and counted in buf->lost.
     * With a capacity of 0 the host can take nothing now: do what keeps the connection alive and
     * deliver nothing.
     * Records that are in the buffer count also with an error.
     * Errors: IO, PROTOCOL, TIMEOUT (a reader that is silent for longer than it may), all with
     * RFID_ERROR_RECONNECT if only a new connection helps; CANCELLED. END: there is nothing more. */
    rfid_status (*read)(rfid_instance *instance, rfid_read_buf *buf, uint32_t timeout_ms, rfid_error *err);

    /* [I] Ends the inventory. What was read and not delivered may still come from `read`, until it
     * says NO_DATA; or it says STATE at once. Errors: as `read`. */
    rfid_status (*stop)(rfid_instance *instance, rfid_error *err);

    /* [any] See CANCEL at the top. */
    void (*cancel)(rfid_instance *instance);

    /* [I] Disconnects. All threads of the instance have ended, and all that `open` and `start` took
     * is given back, also when an error is returned. Forgets an earlier `cancel`. */
    rfid_status (*close)(rfid_instance *instance, uint32_t timeout_ms, rfid_error *err);

    /* [I] Frees the instance: the last call. */
    void (*destroy)(rfid_instance *instance);

    /* [I] An extension (below) by its id, or null; valid until `destroy`. Asked for once, right after
     * `create`. May be null itself. */
    const void *(*get_extension)(rfid_instance *instance, const char *id);
} rfid_driver;

/* The functions of a sink. All must be there but get_extension, lost and probe. */
typedef struct rfid_sink {
    uint32_t struct_size;
    uint32_t reserved;

    /* [I] As of rfid_driver. */
    rfid_status (*create)(const rfid_host *host, rfid_str options, rfid_instance **made, rfid_error *err);

    /* [I] Gets ready: opens files, connects. Errors: NOT_CONNECTED, IO, CONFIG, DENIED, DAMAGED,
     * BUSY; CANCELLED. */
    rfid_status (*open)(rfid_instance *instance, uint32_t timeout_ms, rfid_error *err);

    /* [I] Takes events from the front of the batch, as many as it can within the limit, does its duty
     * for them, and says in result->accepted how many. Fewer than there are with OK or BUSY is
     * back-pressure: the host keeps the rest and offers it again, in the same order, after
     * result->retry_after_ms. A batch is not kept and not changed.
     * Events come at least once: after a fault the same event may come again, with the same
     * event_id. What was accepted is the sink's to keep.
     * Errors: IO, NOT_CONNECTED, TIMEOUT, DENIED, ...: none of the batch counts as accepted, and it
     * comes again whole; CANCELLED. */
    rfid_status (*write)(rfid_instance *instance, const rfid_event_batch *batch, uint32_t timeout_ms,
                         rfid_write_result *result, rfid_error *err);

    /* [I] Returns when all that was accepted is as durable as the sink promises: for a file,
     * after fsync. Errors: as `write`. */
    rfid_status (*flush)(rfid_instance *instance, uint32_t timeout_ms, rfid_error *err);

    /* [any] As of rfid_driver. */
    void (*cancel)(rfid_instance *instance);

    /* [I] As of rfid_driver. */
    rfid_status (*close)(rfid_instance *instance, uint32_t timeout_ms, rfid_error *err);

    /* [I] As of rfid_driver. */
    void (*destroy)(rfid_instance *instance);

    /* [I] As of rfid_driver. */
    const void *(*get_extension)(rfid_instance *instance, const char *id);

    /* [I] Takes note of events that will never come, because they could be kept nowhere while the
     * sink did not work. May be null: the sink need not know. Errors: as `write`. */
    rfid_status (*lost)(rfid_instance *instance, const rfid_loss *loss, rfid_error *err);

    /* [I] Whether `open` can work, without taking hold of anything: a running sink with the same
     * options must not notice. May be null: it is not known. Errors: as `open`. */
    rfid_status (*probe)(rfid_instance *instance, uint32_t timeout_ms, rfid_error *err);
} rfid_sink;

/* rfid_component.kind */
#define RFID_COMPONENT_DRIVER 1u
#define RFID_COMPONENT_SINK 2u

/* rfid_component.flags of a sink: events are of no use after they have passed on without it. */
#define RFID_SINK_NOT_LATE 1u

/* A driver or a sink. Yours and constant. */
typedef struct rfid_component {
    uint32_t struct_size;
    uint32_t kind;              /* RFID_COMPONENT_... */
    const char *id;             /* name in configuration: driver = "acme" */
    const char *name;           /* name for people */
    const char *description;    /* one line for a list */
    const char *config_schema;  /* JSON Schema of the options, an object: "additionalProperties": false
                                   at every level, a "description" for every key, "writeOnly": true
                                   for what is secret. The host heeds type, properties, required,
                                   items, enum, const, oneOf, anyOf, minimum, maximum, minLength,
                                   minItems and default, and refuses what it does not know */
    const char *config_example; /* TOML with these options and no others; may be empty */
    uint32_t flags;             /* RFID_SINK_NOT_LATE */
    uint32_t reserved;
    const rfid_driver *driver;  /* of a driver, else null */
    const rfid_sink *sink;      /* of a sink, else null */
} rfid_component;

/* rfid_module.flags */
#define RFID_MODULE_ISOLATE 1u         /* never to be loaded into the host's own process */
#define RFID_MODULE_ONE_PER_PROCESS 2u /* one instance in a process at most */

/* A plugin. Yours and constant. */
typedef struct rfid_module {
    uint32_t struct_size;
    uint16_t abi_major; /* RFID_MAJOR */
    uint16_t abi_minor; /* RFID_MINOR */
    uint32_t read_size; /* sizeof(rfid_tag_read) */
    uint32_t flags;     /* RFID_MODULE_... */
    const char *id;         /* dotted name: "com.acme.readers" */
    const char *vendor;     /* who made it */
    const char *version;    /* its version */
    const char *built_with; /* RFID_BUILT_WITH, and what else whoever looks for a fault should know,
                               such as the version of an SDK */
    const char *const *required_ext; /* ids of extensions that the host must offer, ended by null; or null */
    uint32_t component_count;
    uint32_t reserved;
    const rfid_component *const *components; /* pointers to them */
    /* [ctl] Called once before the first `create`, with a host that has no name of an instance; may
     * be null. After an error nothing else is called. */
    rfid_status (*init)(const rfid_host *host, rfid_error *err);
    /* [ctl] Called in an orderly end only, after the last `destroy`; may be null. Not called in the
     * host's own process, which keeps what it loaded until it ends. */
    void (*deinit)(void);
    /* [any] An extension of the module by its id, or null; may be null itself. */
    const void *(*get_extension)(const char *id);
} rfid_module;

#if defined(__GNUC__)
#define RFID_EXPORT __attribute__((visibility("default")))
#else
#define RFID_EXPORT
#endif

/* [any] The one function that a plugin exports and that you write. Returns the module, or null if
 * it cannot work with a host of this minor version. Starts nothing, opens nothing, says nothing,
 * and always returns the same; it is also called by programs that only look. */
RFID_EXPORT const rfid_module *rfid_plugin_module_v0(uint32_t host_abi_minor);

/* ---------------------------------------------------------------- extensions */

/* What an instance of a driver may offer besides, through get_extension. An id names one table for
 * ever. All functions are [I]. */

/* Id of rfid_reader_info_table. */
#define RFID_READER_INFO "rfid.reader-info/1"
/* Id of rfid_tune_table. */
#define RFID_TUNE "rfid.tune/1"
/* Id of rfid_gpio_table. */
#define RFID_GPIO "rfid.gpio/1"
/* Id of rfid_tag_access_table. */
#define RFID_TAG_ACCESS "rfid.tag-access/1"

#define RFID_READER_INFO_PORTS 64 /* antenna ports that can be told */
#define RFID_READER_INFO_TEXT 96  /* bytes of a text with its end */

/* What a reader is. The host's, zero before the call; texts are terminated. */
typedef struct rfid_reader_info {
    uint32_t struct_size;
    uint32_t antenna_port_count; /* ports that listen; 0: the reader does not say */
    uint16_t antenna_ports[RFID_READER_INFO_PORTS];
    char model[RFID_READER_INFO_TEXT];    /* maker and model */
    char firmware[RFID_READER_INFO_TEXT]; /* firmware version */
    char serial[RFID_READER_INFO_TEXT];   /* serial number, or empty */
    uint8_t protocols[16];                /* RFID_PROTOCOL_..., ended by 0 */
} rfid_reader_info;

/* Tells what `open` found out of the reader. */
typedef struct rfid_reader_info_table {
    uint32_t struct_size;
    uint32_t reserved;
    /* [I] Called right after `open`; answers from memory. */
    rfid_status (*info)(rfid_instance *instance, rfid_reader_info *info, rfid_error *err);
} rfid_reader_info_table;

/* Sets and tells the transmit power for reading, in hundredths of a dBm, between `open` and
 * `close`. Port 0: all at once. */
typedef struct rfid_tune_table {
    uint32_t struct_size;
    uint32_t reserved;
    /* [I] The power as it is. */
    rfid_status (*read_power)(rfid_instance *instance, uint32_t port, int16_t *cdbm, rfid_error *err);
    /* [I] Sets the power and says what the reader took. Errors: REGULATORY, UNSUPPORTED, IO. */
    rfid_status (*set_read_power)(rfid_instance *instance, uint32_t port, int16_t cdbm, int16_t *taken,
                                  rfid_error *err);
} rfid_tune_table;

/* A pin and its level. */
typedef struct rfid_pin {
    uint8_t pin;  /* as the maker counts */
    uint8_t high; /* 0 low, 1 high */
} rfid_pin;

/* Inputs and outputs, between `open` and `close`. */
typedef struct rfid_gpio_table {
    uint32_t struct_size;
    uint32_t reserved;
    /* [I] Levels of all inputs, lowest pin first: at most `capacity`, and in *count how many. */
    rfid_status (*inputs)(rfid_instance *instance, rfid_pin *pins, uint32_t capacity, uint32_t *count,
                          rfid_error *err);
    /* [I] Sets one output. */
    rfid_status (*set_output)(rfid_instance *instance, rfid_pin pin, rfid_error *err);
} rfid_gpio_table;

/* rfid_tag_operation.kind */
#define RFID_TAG_READ_MEMORY 1u
#define RFID_TAG_WRITE_MEMORY 2u
#define RFID_TAG_WRITE_ID 3u   /* give the tag another id, `data` */
#define RFID_TAG_LOCK_GEN2 4u  /* lock Gen2 fields by mask and action */
#define RFID_TAG_LOCK_WHOLE 5u /* lock an EPC Class 1 tag as a whole */
#define RFID_TAG_LOCK_BYTE 6u  /* lock the byte at `address` */
#define RFID_TAG_KILL 7u       /* silence the tag for ever with `kill_password` */

/* rfid_tag_operation.flags: `password` is there. */
#define RFID_TAG_HAS_PASSWORD 1u

/* An operation on one tag. The host's, valid during the call. */
typedef struct rfid_tag_operation {
    uint32_t struct_size;
    uint32_t kind;          /* RFID_TAG_READ_MEMORY, ... */
    uint32_t flags;         /* RFID_TAG_HAS_PASSWORD */
    uint32_t password;      /* opens what is locked */
    uint8_t id[62];         /* the tag's id as it is now */
    uint8_t id_len;         /* bytes of it */
    uint8_t id_kind;        /* RFID_ID_... */
    uint16_t antenna;       /* the antenna before which it lies */
    uint8_t protocol;       /* RFID_PROTOCOL_... */
    uint8_t bank;           /* 0 reserved, 1 EPC, 2 TID, 3 user */
    uint16_t count;         /* units to read: words of 16 bits for Gen2, bytes for ISO 18000-6B */
    uint16_t reserved;
    uint32_t address;       /* first unit */
    uint32_t kill_password; /* with RFID_TAG_KILL */
    uint16_t lock_mask;     /* with RFID_TAG_LOCK_GEN2: which of the ten bits change */
    uint16_t lock_action;   /* with RFID_TAG_LOCK_GEN2: what they change to */
    uint32_t data_len;      /* bytes of `data` */
    const uint8_t *data;    /* what is written */
} rfid_tag_operation;

/* What was read. The host's. */
typedef struct rfid_tag_answer {
    uint32_t struct_size;
    uint32_t capacity; /* bytes that fit */
    uint8_t *data;     /* room */
    uint32_t len;      /* out: bytes that are there */
    uint32_t reserved;
} rfid_tag_answer;

/* Reads, writes, locks and kills tags. */
typedef struct rfid_tag_access_table {
    uint32_t struct_size;
    uint32_t reserved;
    /* [I] Between `open` and `start`, or after `stop`: does one operation, once. Errors: NO_TAG,
     * DENIED (wrong password, locked), UNSUPPORTED, IO, TIMEOUT; CANCELLED. */
    rfid_status (*execute)(rfid_instance *instance, const rfid_tag_operation *operation,
                           rfid_tag_answer *answer, uint32_t timeout_ms, rfid_error *err);
} rfid_tag_access_table;

#ifdef __cplusplus
} /* extern "C" */
#endif

/* ================================================================ optional from here on
 *
 * Code that most plugins need. It is compiled into the plugin and is no part of the interface. */

#if defined(__GNUC__)
#define RFID_PRINTF_(text, values) __attribute__((format(printf, text, values)))
#else
#define RFID_PRINTF_(text, values)
#endif

/* Bytes of the first `len` of a text that are whole characters: a text that was cut must not end
 * in the middle of one. */
static inline size_t rfid_whole_characters(const char *text, size_t len) {
    size_t begin = len;
    unsigned char first;
    size_t wanted;
    while (begin > 0 && len - begin < 4 && ((unsigned char)text[begin - 1] & 0xC0) == 0x80) begin--;
    if (begin == 0) return len;
    first = (unsigned char)text[begin - 1];
    wanted = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC0 ? 2 : 1;
    return len - (begin - 1) < wanted ? begin - 1 : len;
}

/* Fills in an error, which may be null, and returns the code:
 *     return rfid_error_set(err, RFID_IO, "the reader at %s closed the connection", address); */
RFID_PRINTF_(3, 4)
static inline rfid_status rfid_error_set(rfid_error *err, rfid_status code, const char *format, ...) {
    if (err != NULL) {
        char text[RFID_ERROR_MESSAGE + 1];
        va_list values;
        int written;
        size_t len;
        va_start(values, format);
        written = vsnprintf(text, sizeof text, format, values);
        va_end(values);
        len = written < 0 ? 0 : (size_t)written;
        if (len > RFID_ERROR_MESSAGE) len = rfid_whole_characters(text, RFID_ERROR_MESSAGE);
        err->code = code;
        err->flags = 0;
        err->retry_after_ms = 0;
        err->vendor_code = 0;
        memcpy(err->message, text, len);
        err->message_len = (uint32_t)len;
    }
    return code;
}

/* Says, after rfid_error_set, what the host is to do: RFID_ERROR_RETRY, RFID_ERROR_RECONNECT or
 * RFID_ERROR_FATAL, and in how many milliseconds. */
static inline void rfid_error_advise(rfid_error *err, uint32_t flags, uint32_t after_ms) {
    if (err != NULL) {
        err->flags = flags;
        err->retry_after_ms = after_ms;
    }
}

/* Writes a line to the host's log, if it would be kept. */
RFID_PRINTF_(3, 4)
static inline void rfid_log_line(const rfid_host *host, int32_t level, const char *format, ...) {
    char text[1024];
    rfid_log line;
    va_list values;
    int written;
    size_t len;
    if (host == NULL || host->log == NULL) return;
    if (host->log_enabled != NULL && !host->log_enabled(host, level)) return;
    va_start(values, format);
    written = vsnprintf(text, sizeof text, format, values);
    va_end(values);
    len = written < 0 ? 0 : (size_t)written;
    if (len > sizeof text - 1) len = rfid_whole_characters(text, sizeof text - 1);
    memset(&line, 0, sizeof line);
    line.struct_size = sizeof line;
    line.level = (uint32_t)level;
    line.message.ptr = text;
    line.message.len = len;
    host->log(host, &line);
}

/* Whether the host wants reads of this antenna port. */
static inline int rfid_listens_on(const rfid_host *host, uint16_t port) {
    uint32_t place;
    for (place = 0; place < host->antenna_port_count; place++) {
        if (host->antenna_ports[place] == port) return 1;
    }
    return host->antenna_port_count == 0;
}

/* Makes a read of which only the id is known. An id of more than 32 bytes is left out; see
 * rfid_push_long. */
static inline void rfid_read_init(rfid_tag_read *read, uint8_t id_kind, const uint8_t *id, size_t id_len) {
    memset(read, 0, sizeof *read);
    read->id_kind = id_kind;
    read->rssi_cdbm = RFID_RSSI_UNKNOWN;
    read->phase = RFID_PHASE_UNKNOWN;
    read->count = 1;
    if (id_len <= RFID_INLINE_ID) {
        memcpy(read->id, id, id_len);
        read->id_len = (uint8_t)id_len;
    }
}

/* Whether another read fits. */
static inline int rfid_has_room(const rfid_read_buf *buf) { return buf->count < buf->capacity; }

/* Delivers a read: 1, or 0 if there is no room. Keep it then and set RFID_READ_MORE, or count it in
 * buf->lost. */
static inline int rfid_push(rfid_read_buf *buf, const rfid_tag_read *read) {
    if (!rfid_has_room(buf)) return 0;
    memcpy((uint8_t *)buf->reads + (size_t)buf->count * buf->stride, read, sizeof *read);
    buf->count++;
    return 1;
}

/* As rfid_push, with an id of any length up to 62 bytes in place of the read's own. Longer or empty
 * ones do not exist: 0. */
static inline int rfid_push_long(rfid_read_buf *buf, const rfid_tag_read *read, const uint8_t *id, size_t id_len) {
    rfid_tag_read whole = *read;
    uint16_t head[2];
    if (id_len == 0 || id_len > 62 || !rfid_has_room(buf)) return 0;
    memset(whole.id, 0, sizeof whole.id);
    if (id_len <= RFID_INLINE_ID) {
        memcpy(whole.id, id, id_len);
        whole.id_len = (uint8_t)id_len;
        return rfid_push(buf, &whole);
    }
    if (buf->aux_capacity - buf->aux_len < sizeof head + id_len) return 0;
    head[0] = RFID_AUX_ID;
    head[1] = (uint16_t)id_len;
    whole.id_len = 0;
    whole.aux_off = buf->aux_len;
    whole.aux_len = (uint16_t)(sizeof head + id_len);
    memcpy(buf->aux + buf->aux_len, head, sizeof head);
    memcpy(buf->aux + buf->aux_len + sizeof head, id, id_len);
    buf->aux_len += whole.aux_len;
    return rfid_push(buf, &whole);
}

/* The event at a place of a batch, below batch->count. */
static inline const rfid_event_record *rfid_event_at(const rfid_event_batch *batch, uint32_t place) {
    return (const rfid_event_record *)(const void *)((const uint8_t *)batch->events + (size_t)place * batch->stride);
}

/* The text that a span of a batch's event stands for. */
static inline rfid_str rfid_text(const rfid_event_batch *batch, rfid_span span) {
    rfid_str text = {NULL, 0};
    if (span.off <= batch->aux_len && span.len <= batch->aux_len - span.off && span.len > 0) {
        text.ptr = (const char *)batch->aux + span.off;
        text.len = span.len;
    }
    return text;
}

/* Adds a JSON object to the event at a place of the batch: 1, or 0 if there is no room; accept only
 * the events before it then. */
static inline int rfid_record_add(rfid_write_result *result, uint32_t place, const char *json, size_t len) {
    uint32_t head[2];
    uint8_t *to;
    if (len > UINT32_MAX - sizeof head || result->records_capacity - result->records_len < sizeof head + len) return 0;
    head[0] = place;
    head[1] = (uint32_t)len;
    to = result->records + result->records_len;
    memcpy(to, head, sizeof head);
    memcpy(to + sizeof head, json, len);
    result->records_len += (uint32_t)(sizeof head + len);
    return 1;
}

/* ---------------------------------------------------------------- options
 *
 * Walks the keys of the JSON object that `create` gets:
 *
 *     rfid_options all = rfid_options_of(options);
 *     rfid_option option;
 *     while (rfid_options_next(&all, &option) == 1) {
 *         if (rfid_option_is(&option, "address")) {
 *             if (!rfid_option_text(&option, address, sizeof address)) return ... CONFIG ...;
 *         } else if (rfid_option_is(&option, "port")) {
 *             int64_t port;
 *             if (!rfid_option_integer(&option, &port) || port < 1 || port > 65535) return ...;
 *         } else {
 *             return ... unknown ...;
 *         }
 *     }
 *     if (all.damaged) return ... not a JSON object ...;
 *
 * Values that are arrays or objects come whole, as text, for a JSON library of your choice. */

typedef struct rfid_options {
    const char *at;
    const char *end;
    int step;    /* 0 at the beginning, 1 inside, 2 behind the end */
    int damaged; /* out: what is there is not a JSON object */
} rfid_options;

typedef struct rfid_option {
    rfid_str key;   /* as it stands between the quotes */
    rfid_str value; /* as it stands in the JSON, quotes included */
} rfid_option;

static inline rfid_options rfid_options_of(rfid_str options) {
    rfid_options all = {options.ptr, options.ptr == NULL ? NULL : options.ptr + options.len, 0, 0};
    return all;
}

static inline void rfid_options_space_(rfid_options *all) {
    while (all->at < all->end && (*all->at == ' ' || *all->at == '\t' || *all->at == '\n' || *all->at == '\r')) all->at++;
}

static inline int rfid_options_mark_(rfid_options *all, char mark) {
    rfid_options_space_(all);
    if (all->at >= all->end || *all->at != mark) return 0;
    all->at++;
    return 1;
}

/* Behind a text in quotes that begins here. */
static inline int rfid_options_quoted_(rfid_options *all, rfid_str *whole) {
    const char *begin = all->at;
    if (!rfid_options_mark_(all, '"')) return 0;
    begin = all->at - 1;
    while (all->at < all->end && *all->at != '"') {
        if ((unsigned char)*all->at < 0x20) return 0;
        all->at += *all->at == '\\' && all->end - all->at > 1 ? 2 : 1;
    }
    if (all->at >= all->end) return 0;
    all->at++;
    whole->ptr = begin;
    whole->len = (size_t)(all->at - begin);
    return 1;
}

/* Behind a value of any kind that begins here. */
static inline int rfid_options_value_(rfid_options *all, rfid_str *whole) {
    const char *begin;
    size_t depth = 0;
    rfid_str text;
    rfid_options_space_(all);
    begin = all->at;
    while (all->at < all->end) {
        char c = *all->at;
        if (c == '"') {
            if (!rfid_options_quoted_(all, &text)) return 0;
            continue;
        }
        if (c == '[' || c == '{') {
            depth++;
        } else if (c == ']' || c == '}') {
            if (depth == 0) break;
            depth--;
        } else if (depth == 0 && (c == ',' || c == ' ' || c == '\t' || c == '\n' || c == '\r')) {
            break;
        }
        all->at++;
    }
    whole->ptr = begin;
    whole->len = (size_t)(all->at - begin);
    return depth == 0 && whole->len > 0;
}

/* The next option: 1; 0 if there is none, and then `damaged` says whether all was in order. */
static inline int rfid_options_next(rfid_options *all, rfid_option *option) {
    int fits;
    if (all->damaged || all->step == 2) return 0;
    if (all->step == 0) {
        all->step = 1;
        fits = rfid_options_mark_(all, '{');
        if (fits && rfid_options_mark_(all, '}')) goto end;
    } else {
        if (rfid_options_mark_(all, '}')) goto end;
        fits = rfid_options_mark_(all, ',');
    }
    fits = fits && rfid_options_quoted_(all, &option->key) && rfid_options_mark_(all, ':') &&
           rfid_options_value_(all, &option->value);
    all->damaged = !fits;
    if (fits) {
        option->key.ptr += 1;
        option->key.len -= 2;
    }
    return fits;
end:
    all->step = 2;
    rfid_options_space_(all);
    all->damaged = all->at != all->end;
    return 0;
}

/* Whether this is the option of that name. */
static inline int rfid_option_is(const rfid_option *option, const char *key) {
    return strlen(key) == option->key.len && memcmp(key, option->key.ptr, option->key.len) == 0;
}

/* A whole number: 1, or 0 if the value is none or too large. */
static inline int rfid_option_integer(const rfid_option *option, int64_t *number) {
    const char *at = option->value.ptr;
    const char *end = at + option->value.len;
    int negative = at < end && *at == '-';
    int64_t sum = 0;
    if (negative) at++;
    if (at == end) return 0;
    for (; at < end; at++) {
        if (*at < '0' || *at > '9' || sum > (INT64_MAX - 9) / 10) return 0;
        sum = sum * 10 + (*at - '0');
    }
    *number = negative ? -sum : sum;
    return 1;
}

/* true or false: 1, or 0 if the value is neither. */
static inline int rfid_option_flag(const rfid_option *option, int *flag) {
    *flag = option->value.len == 4 && memcmp(option->value.ptr, "true", 4) == 0;
    return *flag || (option->value.len == 5 && memcmp(option->value.ptr, "false", 5) == 0);
}

static inline int rfid_option_hex_(const char *at, uint32_t *code) {
    int digit;
    *code = 0;
    for (digit = 0; digit < 4; digit++) {
        char c = at[digit];
        uint32_t value = c >= '0' && c <= '9' ? (uint32_t)(c - '0') : 16u;
        if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) value = (uint32_t)((c | 0x20) - 'a') + 10;
        if (value == 16) return 0;
        *code = *code * 16 + value;
    }
    return 1;
}

/* A text, with its escapes resolved and terminated: 1, or 0 if the value is no text, does not fit
 * with its end, or has a zero character inside. */
static inline int rfid_option_text(const rfid_option *option, char *text, size_t capacity) {
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    const char *at = option->value.ptr;
    const char *end = at + option->value.len;
    size_t len = 0;
    if (end - at < 2 || *at != '"' || end[-1] != '"') return 0;
    end--;
    for (at++; at < end; at++) {
        char bytes[4];
        size_t count = 1;
        bytes[0] = *at;
        if (*at == '\\') {
            const char *found;
            uint32_t code, low;
            if (++at >= end) return 0;
            found = strchr(from, *at);
            if (*at != '\0' && found != NULL) {
                bytes[0] = to[found - from];
            } else {
                if (*at != 'u' || end - at < 5 || !rfid_option_hex_(at + 1, &code)) return 0;
                at += 4;
                if (code >= 0xD800 && code < 0xDC00) {
                    if (end - at < 7 || at[1] != '\\' || at[2] != 'u' || !rfid_option_hex_(at + 3, &low)) return 0;
                    if (low < 0xDC00 || low > 0xDFFF) return 0;
                    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
                    at += 6;
                } else if (code >= 0xDC00 && code < 0xE000) {
                    return 0;
                }
                count = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
                if (count == 1) {
                    bytes[0] = (char)code;
                } else {
                    size_t place;
                    for (place = count - 1; place > 0; place--, code >>= 6) bytes[place] = (char)(0x80 | (code & 0x3F));
                    bytes[0] = (char)((count == 2 ? 0xC0u : count == 3 ? 0xE0u : 0xF0u) | code);
                }
            }
        }
        if (bytes[0] == '\0' || capacity - len <= count) return 0;
        memcpy(text + len, bytes, count);
        len += count;
    }
    if (capacity == 0) return 0;
    text[len] = '\0';
    return 1;
}

/* ---------------------------------------------------------------- a queue, on demand
 *
 * For SDKs that call back on a thread of their own: the callback puts, `read` takes. Define
 * RFID_PLUGIN_QUEUE before including this header, compile with -D_POSIX_C_SOURCE=200809L (or as
 * gnu11) and -pthread.
 *
 * The queue is bounded. When it is full the oldest read goes and is counted, so that the callback
 * never waits; the host is told in buf->lost. Ids longer than 32 bytes do not fit. */
#ifdef RFID_PLUGIN_QUEUE

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

typedef struct rfid_queue {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    rfid_tag_read *reads;
    uint32_t capacity;
    uint32_t first;
    uint32_t count;
    uint64_t lost;
    int cancelled;
    rfid_status failure;
} rfid_queue;

/* [I] Makes a queue of so many reads, at least 1: 1, or 0 without memory. */
static inline int rfid_queue_init(rfid_queue *queue, uint32_t capacity) {
    pthread_condattr_t clock;
    memset(queue, 0, sizeof *queue);
    queue->reads = (rfid_tag_read *)calloc(capacity, sizeof *queue->reads);
    if (queue->reads == NULL) return 0;
    queue->capacity = capacity;
    pthread_mutex_init(&queue->mutex, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&queue->changed, &clock);
    pthread_condattr_destroy(&clock);
    return 1;
}

/* [I] Frees it, after the last callback. */
static inline void rfid_queue_destroy(rfid_queue *queue) {
    pthread_cond_destroy(&queue->changed);
    pthread_mutex_destroy(&queue->mutex);
    free(queue->reads);
    queue->reads = NULL;
}

/* [any] Puts a read in. Never waits for `read`. */
static inline void rfid_queue_put(rfid_queue *queue, const rfid_tag_read *read) {
    pthread_mutex_lock(&queue->mutex);
    if (queue->count == queue->capacity) {
        queue->first = (queue->first + 1) % queue->capacity;
        queue->count--;
        queue->lost++;
    }
    queue->reads[(uint32_t)(((uint64_t)queue->first + queue->count) % queue->capacity)] = *read;
    queue->count++;
    pthread_cond_signal(&queue->changed);
    pthread_mutex_unlock(&queue->mutex);
}

/* [any] Says that nothing more will come, and why: what rfid_queue_take returns behind the last read. */
static inline void rfid_queue_fail(rfid_queue *queue, rfid_status failure) {
    pthread_mutex_lock(&queue->mutex);
    queue->failure = failure;
    pthread_cond_signal(&queue->changed);
    pthread_mutex_unlock(&queue->mutex);
}

/* [any] For `cancel`: rfid_queue_take returns CANCELLED until rfid_queue_reset. */
static inline void rfid_queue_cancel(rfid_queue *queue) {
    pthread_mutex_lock(&queue->mutex);
    queue->cancelled = 1;
    pthread_cond_signal(&queue->changed);
    pthread_mutex_unlock(&queue->mutex);
}

/* [I] For `close`, after the last callback: empties the queue, forgets cancel and failure. */
static inline void rfid_queue_reset(rfid_queue *queue) {
    pthread_mutex_lock(&queue->mutex);
    queue->first = queue->count = 0;
    queue->lost = 0;
    queue->cancelled = 0;
    queue->failure = RFID_OK;
    pthread_mutex_unlock(&queue->mutex);
}

/* [I] For `read`: waits for reads and moves them to the buffer. Returns OK, NO_DATA, CANCELLED or what
 * rfid_queue_fail was told, for which you set the error; with a capacity of 0 at once. */
static inline rfid_status rfid_queue_take(rfid_queue *queue, rfid_read_buf *buf, uint32_t timeout_ms) {
    struct timespec until;
    rfid_status status = RFID_OK;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(timeout_ms / 1000);
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    pthread_mutex_lock(&queue->mutex);
    while (queue->count == 0 && queue->failure == RFID_OK && !queue->cancelled && buf->capacity > 0) {
        if (pthread_cond_timedwait(&queue->changed, &queue->mutex, &until) != 0) break;
    }
    if (queue->cancelled) {
        status = RFID_CANCELLED;
    } else {
        while (queue->count > 0 && rfid_push(buf, &queue->reads[queue->first])) {
            queue->first = (queue->first + 1) % queue->capacity;
            queue->count--;
        }
        if (buf->capacity > 0) {
            buf->lost += queue->lost;
            queue->lost = 0;
        }
        if (queue->count > 0 && buf->capacity > 0) buf->flags |= RFID_READ_MORE;
        if (buf->count == 0) status = queue->count == 0 && queue->failure != RFID_OK ? queue->failure : RFID_NO_DATA;
    }
    pthread_mutex_unlock(&queue->mutex);
    return status;
}

#endif /* RFID_PLUGIN_QUEUE */

#endif /* RFID_PLUGIN_H */

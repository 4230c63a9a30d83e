/* Drivers and sinks in C++17: derive a class, export it with one macro.
 *
 *     #include "rfid_plugin.hpp"
 *     #include <thread>
 *
 *     class OneTag : public rfid::Driver {
 *     public:
 *         OneTag(const rfid_host &host, rfid_str options) : rfid::Driver(host) {
 *             rfid::each_option(options, [](const rfid_option &) { return false; });
 *         }
 *         void open(std::chrono::milliseconds) override {}
 *         void start() override {}
 *         void read(rfid::Reads &reads, std::chrono::milliseconds limit) override {
 *             static const uint8_t epc[] = {0x30, 0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
 *             rfid_tag_read read;
 *             std::this_thread::sleep_for(std::min(limit, std::chrono::milliseconds(50)));
 *             rfid_read_init(&read, RFID_ID_EPC, epc, sizeof epc);
 *             read.antenna = 1;
 *             reads.push(read);
 *         }
 *         void stop() override {}
 *         void cancel() noexcept override {}
 *         void close(std::chrono::milliseconds) noexcept override {}
 *     };
 *
 *     RFID_PLUGIN("com.example.one-tag", "Example", "1.0.0", 0,
 *         rfid::driver<OneTag>("one-tag", "One tag", "One tag, twenty times a second",
 *             R"({"type":"object","properties":{},"additionalProperties":false})", ""))
 *
 *     c++ -std=c++17 -O2 -fPIC -shared -fvisibility=hidden -static-libstdc++ -static-libgcc -Wl,-z,defs \
 *         -Wl,--version-script=rfid_plugin.map -o libone-tag.so one_tag.cpp
 *
 * What the functions are for, in which order they come and what they must not do stands in
 * rfid_plugin.h and holds here. The classes see to this:
 *     - No exception leaves the plugin. Throw rfid::Failure to report an error. Whatever else is thrown
 *       becomes PANIC with what(), and the instance can then only be destroyed.
 *     - Calls out of order are answered with STATE and calls after `cancel` with CANCELLED before they get
 *       to your class. `close` comes once for each `open`, also one that failed, and also before the
 *       destructor.
 *     - `read` comes only with room in the buffer; without, it is `keep_alive`.
 * The file rfid_plugin.map keeps symbols of the standard library's templates in, which
 * -fvisibility=hidden alone lets out. */
#ifndef RFID_PLUGIN_HPP
#define RFID_PLUGIN_HPP

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <exception>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "rfid_plugin.h"

namespace rfid {

/* An error to be thrown: what rfid_error holds. */
class Failure : public std::exception {
public:
    Failure(rfid_status status, std::string message) : status_(status), message_(std::move(message)) {}

    /* Only a new connection helps. */
    Failure &&reconnect() && { return std::move(*this).advise(RFID_ERROR_RECONNECT, 0); }
    /* The same call can succeed after this time. */
    Failure &&retry(std::chrono::milliseconds after) && {
        return std::move(*this).advise(RFID_ERROR_RETRY, static_cast<uint32_t>(after.count()));
    }
    /* It will fail again, until somebody changes something. */
    Failure &&fatal() && { return std::move(*this).advise(RFID_ERROR_FATAL, 0); }

    const char *what() const noexcept override { return message_.c_str(); }

    rfid_status set(rfid_error *err) const noexcept {
        rfid_error_set(err, status_, "%s", message_.c_str());
        rfid_error_advise(err, flags_, after_ms_);
        return status_;
    }

private:
    Failure &&advise(uint32_t flags, uint32_t after_ms) && {
        flags_ = flags;
        after_ms_ = after_ms;
        return std::move(*this);
    }

    rfid_status status_;
    std::string message_;
    uint32_t flags_ = 0;
    uint32_t after_ms_ = 0;
};

/* Calls a function for each option; it says whether it knows that one. What nobody knows, and what is
 * not a JSON object, is a Failure. */
template <class Known>
void each_option(rfid_str options, Known known) {
    rfid_options all = rfid_options_of(options);
    rfid_option option;
    while (rfid_options_next(&all, &option) == 1) {
        if (!known(static_cast<const rfid_option &>(option))) {
            throw Failure(RFID_CONFIG, "there is an option that is not in the schema");
        }
    }
    if (all.damaged) throw Failure(RFID_CONFIG, "the options are not a JSON object");
}

/* The memory that is lent for one `read`. */
class Reads {
public:
    explicit Reads(rfid_read_buf &buf) noexcept : buf_(buf) {}
    Reads(const Reads &) = delete;
    Reads &operator=(const Reads &) = delete;

    bool has_room() const noexcept { return rfid_has_room(&buf_) != 0; }
    /* Delivers a read; false: there is no room. */
    bool push(const rfid_tag_read &read) noexcept { return rfid_push(&buf_, &read) != 0; }
    /* As push, with an id of up to 62 bytes. */
    bool push(const rfid_tag_read &read, const uint8_t *id, size_t len) noexcept {
        return rfid_push_long(&buf_, &read, id, len) != 0;
    }
    /* So many reads were lost before these. */
    void lost(uint64_t reads) noexcept { buf_.lost += reads; }
    /* More reads are there already. */
    void more() noexcept { buf_.flags |= RFID_READ_MORE; }
    /* Nothing will ever come again. */
    void end() noexcept { ended_ = true; }

    bool ended() const noexcept { return ended_; }

private:
    rfid_read_buf &buf_;
    bool ended_ = false;
};

/* What drivers and sinks have in common. All but `cancel` is called on the instance's thread. */
class Instance {
public:
    explicit Instance(const rfid_host &host) noexcept : host_(host) {}
    Instance(const Instance &) = delete;
    Instance &operator=(const Instance &) = delete;
    virtual ~Instance() = default;

    virtual void open(std::chrono::milliseconds limit) = 0;
    /* On any thread: makes the running call return, by throwing or as if it were done. */
    virtual void cancel() noexcept = 0;
    virtual void close(std::chrono::milliseconds limit) noexcept = 0;
    /* A table of functions by the id of an extension, or null; they find their object with rfid::of
     * and do their work within rfid::guarded. Reader information is offered already. */
    virtual const void *extension(const char *id) {
        (void)id;
        return nullptr;
    }

protected:
    const rfid_host &host() const noexcept { return host_; }
    /* Whether `cancel` was called, until `close`. */
    bool cancelled() const noexcept { return cancelled_; }

private:
    friend struct ::rfid_instance;
    const rfid_host &host_;
    std::atomic<bool> cancelled_{false};
};

/* A driver. The constructor gets the host and the options: Acme(const rfid_host &, rfid_str). */
class Driver : public Instance {
public:
    using Instance::Instance;
    virtual void start() = 0;
    virtual void read(Reads &reads, std::chrono::milliseconds limit) = 0;
    virtual void stop() = 0;
    /* Called instead of `read` while the host can take nothing. */
    virtual void keep_alive() {}
    /* What the reader is, after `open`. */
    virtual void info(rfid_reader_info &info) { (void)info; }
};

/* A sink. The constructor gets the host and the options: Acme(const rfid_host &, rfid_str). */
class Sink : public Instance {
public:
    using Instance::Instance;
    /* Takes events from the front of the batch and returns how many. Fewer than there are is
     * back-pressure; result.retry_after_ms says for how long. */
    virtual uint32_t write(const rfid_event_batch &batch, std::chrono::milliseconds limit, rfid_write_result &result) = 0;
    virtual void flush(std::chrono::milliseconds limit) = 0;
    virtual void lost(const rfid_loss &loss) { (void)loss; }
    virtual void probe(std::chrono::milliseconds limit) { (void)limit; }
};

} // namespace rfid

/* An object with the state that the order of calls has. */
struct rfid_instance {
    std::unique_ptr<rfid::Instance> object;
    bool opened = false;  /* `open` was called, and no `close` since */
    bool usable = false;  /* it was OK */
    bool started = false;
    bool poisoned = false;

    void cancel() noexcept {
        object->cancelled_ = true;
        object->cancel();
    }
    bool cancelled() const noexcept { return object->cancelled_; }
    void close(std::chrono::milliseconds limit) noexcept {
        if (opened) object->close(limit);
        opened = usable = started = false;
        object->cancelled_ = false;
    }
};

namespace rfid {

/* The object of an instance, for functions of an extension. */
template <class T>
T &of(rfid_instance *instance) noexcept { return static_cast<T &>(*instance->object); }

/* Does something that may throw, unless the instance is poisoned: for functions of an extension. */
template <class Work>
rfid_status guarded(rfid_instance *instance, rfid_error *err, Work work) noexcept {
    if (instance->poisoned) return rfid_error_set(err, RFID_PANIC, "an exception ended this instance before");
    try {
        return work();
    } catch (const Failure &failure) {
        return failure.set(err);
    } catch (const std::exception &exception) {
        instance->poisoned = true;
        return rfid_error_set(err, RFID_PANIC, "an exception was thrown: %s", exception.what());
    } catch (...) {
        instance->poisoned = true;
        return rfid_error_set(err, RFID_PANIC, "something was thrown that is no std::exception");
    }
}

namespace detail {

inline std::chrono::milliseconds limit(uint32_t timeout_ms) noexcept { return std::chrono::milliseconds(timeout_ms); }

/* A call that is allowed in some states only, and not after `cancel`. */
template <class Work>
rfid_status call(rfid_instance *instance, bool in_order, rfid_error *err, Work work) noexcept {
    return guarded(instance, err, [&]() -> rfid_status {
        if (!in_order) throw Failure(RFID_STATE, "this call is not allowed now");
        if (instance->cancelled()) throw Failure(RFID_CANCELLED, "cancelled");
        return work();
    });
}

template <class T>
rfid_status create(const rfid_host *host, rfid_str options, rfid_instance **made, rfid_error *err) noexcept {
    try {
        auto instance = std::make_unique<rfid_instance>();
        instance->object = std::make_unique<T>(*host, options);
        *made = instance.release();
        return RFID_OK;
    } catch (const Failure &failure) {
        return failure.set(err);
    } catch (const std::exception &exception) {
        return rfid_error_set(err, RFID_PANIC, "an exception was thrown: %s", exception.what());
    } catch (...) {
        return rfid_error_set(err, RFID_PANIC, "something was thrown that is no std::exception");
    }
}

inline rfid_status open(rfid_instance *instance, uint32_t timeout_ms, rfid_error *err) noexcept {
    return call(instance, !instance->opened, err, [&]() -> rfid_status {
        instance->opened = true;
        try {
            instance->object->open(limit(timeout_ms));
        } catch (const Failure &) {
            /* It may be tried again without a `close` by the host. */
            const bool cancelled = instance->cancelled();
            instance->close(limit(0));
            if (cancelled) instance->cancel();
            throw;
        }
        instance->usable = true;
        return RFID_OK;
    });
}

inline rfid_status start(rfid_instance *instance, rfid_error *err) noexcept {
    return call(instance, instance->usable && !instance->started, err, [&]() -> rfid_status {
        of<Driver>(instance).start();
        instance->started = true;
        return RFID_OK;
    });
}

inline rfid_status read(rfid_instance *instance, rfid_read_buf *buf, uint32_t timeout_ms, rfid_error *err) noexcept {
    return call(instance, instance->started, err, [&]() -> rfid_status {
        if (buf->capacity == 0) {
            of<Driver>(instance).keep_alive();
            return RFID_NO_DATA;
        }
        Reads reads(*buf);
        of<Driver>(instance).read(reads, limit(timeout_ms));
        if (buf->count > 0) return RFID_OK;
        if (instance->cancelled()) throw Failure(RFID_CANCELLED, "cancelled");
        return reads.ended() ? RFID_END : RFID_NO_DATA;
    });
}

inline rfid_status stop(rfid_instance *instance, rfid_error *err) noexcept {
    return call(instance, instance->started, err, [&]() -> rfid_status {
        instance->started = false;
        of<Driver>(instance).stop();
        return RFID_OK;
    });
}

inline void cancel(rfid_instance *instance) noexcept { instance->cancel(); }

inline rfid_status close(rfid_instance *instance, uint32_t timeout_ms, rfid_error *err) noexcept {
    return guarded(instance, err, [&]() -> rfid_status {
        instance->close(limit(timeout_ms));
        return RFID_OK;
    });
}

inline void destroy(rfid_instance *instance) noexcept {
    instance->close(limit(0));
    delete instance;
}

inline rfid_status info(rfid_instance *instance, rfid_reader_info *info, rfid_error *err) noexcept {
    return call(instance, instance->usable, err, [&]() -> rfid_status {
        of<Driver>(instance).info(*info);
        return RFID_OK;
    });
}

inline constexpr rfid_reader_info_table INFO = {sizeof(rfid_reader_info_table), 0, info};

template <class Of>
const void *extension(rfid_instance *instance, const char *id) noexcept {
    const void *table = nullptr;
    guarded(instance, nullptr, [&]() -> rfid_status {
        table = instance->object->extension(id);
        return RFID_OK;
    });
    const bool offers_info = std::is_same<Of, Driver>::value && strcmp(id, RFID_READER_INFO) == 0;
    return table == nullptr && offers_info ? &INFO : table;
}

inline rfid_status write(rfid_instance *instance, const rfid_event_batch *batch, uint32_t timeout_ms,
                         rfid_write_result *result, rfid_error *err) noexcept {
    return call(instance, instance->usable, err, [&]() -> rfid_status {
        result->accepted = of<Sink>(instance).write(*batch, limit(timeout_ms), *result);
        return RFID_OK;
    });
}

inline rfid_status flush(rfid_instance *instance, uint32_t timeout_ms, rfid_error *err) noexcept {
    return call(instance, instance->usable, err, [&]() -> rfid_status {
        of<Sink>(instance).flush(limit(timeout_ms));
        return RFID_OK;
    });
}

inline rfid_status lost(rfid_instance *instance, const rfid_loss *loss, rfid_error *err) noexcept {
    return call(instance, instance->usable, err, [&]() -> rfid_status {
        of<Sink>(instance).lost(*loss);
        return RFID_OK;
    });
}

inline rfid_status probe(rfid_instance *instance, uint32_t timeout_ms, rfid_error *err) noexcept {
    return call(instance, !instance->opened, err, [&]() -> rfid_status {
        of<Sink>(instance).probe(limit(timeout_ms));
        return RFID_OK;
    });
}

template <class T>
inline constexpr rfid_driver DRIVER = {
    sizeof(rfid_driver), 0, create<T>, open, start, read, stop, cancel, close, destroy, extension<Driver>,
};

template <class T>
inline constexpr rfid_sink SINK = {
    sizeof(rfid_sink), 0, create<T>, open, write, flush, cancel, close, destroy, extension<Sink>, lost, probe,
};

template <size_t N>
constexpr std::array<const rfid_component *, N> pointers(const rfid_component (&all)[N]) {
    std::array<const rfid_component *, N> pointers = {};
    for (size_t place = 0; place < N; place++) pointers[place] = &all[place];
    return pointers;
}

} // namespace detail

/* The component of a driver; the texts as in rfid_component. */
template <class T>
constexpr rfid_component driver(const char *id, const char *name, const char *description, const char *config_schema,
                                const char *config_example) {
    return {sizeof(rfid_component), RFID_COMPONENT_DRIVER, id, name, description, config_schema, config_example,
            0, 0, &detail::DRIVER<T>, nullptr};
}

/* The component of a sink; the texts and flags as in rfid_component. */
template <class T>
constexpr rfid_component sink(const char *id, const char *name, const char *description, const char *config_schema,
                              const char *config_example, uint32_t flags = 0) {
    return {sizeof(rfid_component), RFID_COMPONENT_SINK, id, name, description, config_schema, config_example,
            flags, 0, nullptr, &detail::SINK<T>};
}

} // namespace rfid

/* Exports a plugin: its id, vendor, version and flags as in rfid_module, and its components. */
#define RFID_PLUGIN(ID, VENDOR, VERSION, FLAGS, ...)                                                               \
    RFID_EXPORT const rfid_module *rfid_plugin_module_v0(uint32_t host_abi_minor) {                                \
        static constexpr rfid_component components[] = {__VA_ARGS__};                                              \
        static constexpr auto pointers = rfid::detail::pointers(components);                                       \
        static constexpr rfid_module module = {                                                                    \
            sizeof(rfid_module), RFID_MAJOR, RFID_MINOR, sizeof(rfid_tag_read), FLAGS, ID, VENDOR, VERSION,        \
            RFID_BUILT_WITH, nullptr, static_cast<uint32_t>(pointers.size()), 0, pointers.data(), nullptr, nullptr, \
            nullptr,                                                                                               \
        };                                                                                                         \
        return host_abi_minor == RFID_MINOR ? &module : nullptr;                                                   \
    }

#endif /* RFID_PLUGIN_HPP */

/* Looks at what the classes of rfid_plugin.hpp do. Prints "all well", or where it is not. */
#include "rfid_plugin.hpp"

#include <stdexcept>
#include <string_view>

#define LOOK(fact)                                                       \
    do {                                                                 \
        if (!(fact)) {                                                   \
            std::printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #fact); \
            return 1;                                                    \
        }                                                                \
    } while (0)

namespace {

int closes = 0;
int destroyed = 0;

class Driver : public rfid::Driver {
public:
    Driver(const rfid_host &host, rfid_str options) : rfid::Driver(host) {
        rfid::each_option(options, [this](const rfid_option &option) {
            return rfid_option_is(&option, "do") && rfid_option_text(&option, what_, sizeof what_);
        });
        if (is("throw in create")) throw std::runtime_error("no luck");
    }
    ~Driver() override { destroyed++; }
    void open(std::chrono::milliseconds) override {
        if (is("fail")) throw rfid::Failure(RFID_NOT_CONNECTED, "nobody is there").retry(std::chrono::seconds(2));
    }
    void start() override {}
    void read(rfid::Reads &reads, std::chrono::milliseconds) override {
        static const uint8_t id[] = {1, 2, 3, 4};
        rfid_tag_read read;
        if (is("throw")) throw std::out_of_range("beyond");
        if (is("throw a number")) throw 7;
        if (is("end")) return reads.end();
        if (is("nothing")) return;
        rfid_read_init(&read, RFID_ID_ISO14443_UID, id, sizeof id);
        while (reads.push(read)) {}
    }
    void stop() override {}
    void cancel() noexcept override {}
    void close(std::chrono::milliseconds) noexcept override { closes++; }
    void info(rfid_reader_info &info) override { info.antenna_port_count = 1; }

private:
    bool is(std::string_view what) const { return what == what_; }
    char what_[32] = "";
};

class Sink : public rfid::Sink {
public:
    Sink(const rfid_host &host, rfid_str) : rfid::Sink(host) {}
    void open(std::chrono::milliseconds) override {}
    void cancel() noexcept override {}
    void close(std::chrono::milliseconds) noexcept override {}
    uint32_t write(const rfid_event_batch &batch, std::chrono::milliseconds, rfid_write_result &) override {
        return batch.count / 2;
    }
    void flush(std::chrono::milliseconds) override { throw rfid::Failure(RFID_IO, "the disk is full"); }
};

rfid_host host = {};
rfid_error err = {};
rfid_tag_read lent[2];

std::string_view message() { return {err.message, err.message_len}; }

rfid_instance *made(const rfid_driver &driver, const char *what) {
    const std::string options = std::string("{\"do\":\"") + what + "\"}";
    rfid_instance *instance = nullptr;
    driver.create(&host, {options.data(), options.size()}, &instance, &err);
    return instance;
}

rfid_status read_once(const rfid_driver &driver, rfid_instance *instance, uint32_t capacity, uint32_t *count) {
    rfid_read_buf buf = {};
    buf.struct_size = sizeof buf;
    buf.stride = sizeof lent[0];
    buf.reads = lent;
    buf.capacity = capacity;
    const rfid_status status = driver.read(instance, &buf, 10, &err);
    *count = buf.count;
    return status;
}

rfid_status started_and_read(const rfid_driver &driver, rfid_instance *instance, uint32_t *count) {
    driver.open(instance, 10, &err);
    driver.start(instance, &err);
    return read_once(driver, instance, 2, count);
}

int drivers(const rfid_driver &driver) {
    uint32_t count = 0;
    rfid_reader_info info = {};
    LOOK(made(driver, "throw in create") == nullptr && err.code == RFID_PANIC);
    LOOK(message() == "an exception was thrown: no luck");
    rfid_instance *instance = nullptr;
    LOOK(driver.create(&host, {"{\"x\":1}", 7}, &instance, &err) == RFID_CONFIG && instance == nullptr);

    instance = made(driver, "");
    LOOK(driver.start(instance, &err) == RFID_STATE && driver.stop(instance, &err) == RFID_STATE);
    LOOK(driver.close(instance, 10, &err) == RFID_OK && closes == 0);
    LOOK(started_and_read(driver, instance, &count) == RFID_OK && count == 2);
    LOOK(read_once(driver, instance, 0, &count) == RFID_NO_DATA && count == 0);
    LOOK(driver.open(instance, 10, &err) == RFID_STATE && driver.start(instance, &err) == RFID_STATE);
    const void *table = driver.get_extension(instance, RFID_READER_INFO);
    LOOK(table != nullptr && driver.get_extension(instance, RFID_TUNE) == nullptr);
    LOOK(static_cast<const rfid_reader_info_table *>(table)->info(instance, &info, &err) == RFID_OK);
    LOOK(info.antenna_port_count == 1);
    driver.cancel(instance);
    LOOK(read_once(driver, instance, 2, &count) == RFID_CANCELLED && count == 0 && err.code == RFID_CANCELLED);
    LOOK(driver.close(instance, 10, &err) == RFID_OK && closes == 1);
    driver.cancel(instance);
    LOOK(driver.open(instance, 10, &err) == RFID_CANCELLED && driver.close(instance, 10, &err) == RFID_OK && closes == 1);
    LOOK(started_and_read(driver, instance, &count) == RFID_OK);
    driver.destroy(instance);
    LOOK(closes == 2 && destroyed == 1);

    instance = made(driver, "fail");
    LOOK(driver.open(instance, 10, &err) == RFID_NOT_CONNECTED && message() == "nobody is there");
    LOOK(err.flags == RFID_ERROR_RETRY && err.retry_after_ms == 2000 && closes == 3);
    LOOK(driver.start(instance, nullptr) == RFID_STATE);
    driver.destroy(instance);
    LOOK(closes == 3);

    for (const char *what : {"throw", "throw a number"}) {
        instance = made(driver, what);
        LOOK(started_and_read(driver, instance, &count) == RFID_PANIC && count == 0);
        LOOK(read_once(driver, instance, 2, &count) == RFID_PANIC && driver.stop(instance, &err) == RFID_PANIC);
        driver.destroy(instance);
    }
    instance = made(driver, "end");
    LOOK(started_and_read(driver, instance, &count) == RFID_END && count == 0);
    driver.destroy(instance);
    instance = made(driver, "nothing");
    LOOK(started_and_read(driver, instance, &count) == RFID_NO_DATA && count == 0);
    driver.destroy(instance);
    return 0;
}

int sinks(const rfid_sink &sink) {
    rfid_instance *instance = nullptr;
    rfid_event_batch batch = {};
    rfid_write_result result = {};
    rfid_loss loss = {};
    batch.count = 9;
    LOOK(sink.create(&host, {"{}", 2}, &instance, &err) == RFID_OK);
    LOOK(sink.write(instance, &batch, 10, &result, &err) == RFID_STATE && result.accepted == 0);
    LOOK(sink.probe(instance, 10, &err) == RFID_OK && sink.open(instance, 10, &err) == RFID_OK);
    LOOK(sink.write(instance, &batch, 10, &result, &err) == RFID_OK && result.accepted == 4);
    LOOK(sink.flush(instance, 10, &err) == RFID_IO && message() == "the disk is full");
    LOOK(sink.lost(instance, &loss, &err) == RFID_OK);
    LOOK(sink.get_extension(instance, RFID_READER_INFO) == nullptr);
    sink.destroy(instance);
    return 0;
}

} // namespace

RFID_PLUGIN("com.example.classes", "Example", "1.0.0", RFID_MODULE_ISOLATE,
            rfid::driver<Driver>("driver", "Driver", "A driver", "{}", ""),
            rfid::sink<Sink>("sink", "Sink", "A sink", "{}", "", RFID_SINK_NOT_LATE))

int main() {
    const rfid_module *module = rfid_plugin_module_v0(RFID_MINOR);
    err.struct_size = sizeof err;
    LOOK(rfid_plugin_module_v0(RFID_MINOR + 1) == nullptr);
    LOOK(module->component_count == 2 && module->flags == RFID_MODULE_ISOLATE && module->read_size == 64);
    LOOK(module->components[1]->flags == RFID_SINK_NOT_LATE && module->components[1]->driver == nullptr);
    if (drivers(*module->components[0]->driver) != 0 || sinks(*module->components[1]->sink) != 0) return 1;
    std::printf("all well\n");
    return 0;
}

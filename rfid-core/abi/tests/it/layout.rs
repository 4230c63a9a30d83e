//! Every struct and constant of the header is one of this crate, and the other way round.
//!
//! Both sides list what they have as lines; a program in C, made from the header's own text, prints
//! those of the header.

use std::collections::BTreeSet;
use std::ffi::CStr;
use std::fmt::Write;
use std::fs;

use rfid_abi::extension::{
    self, GpioTable, Pin, ReaderInfo, ReaderInfoTable, TagAccessTable, TagAnswer, TagOperation, TuneTable,
};
use rfid_abi::{
    Component, Driver, Error, EventBatch, EventRecord, Field, Host, Log, Loss, Module, ReadBuf, ReaderEvent,
    Sink, Span, Status, Str, TagRead, WriteResult, reader_event,
};

use crate::compiler::{compile, folder, run};

const HEADER: &str = include_str!("../../include/rfid_plugin.h");

/// Behind this the header has code of its own.
const OPTIONAL: &str = "optional from here on";

/// Names of the header that stand for no number and no text.
const NO_CONSTANTS: [&str; 3] = ["RFID_PLUGIN_H", "RFID_EXPORT", "RFID_BUILT_WITH"];

fn size_of_field<S, F>(_: impl Fn(&S) -> &F) -> usize {
    size_of::<F>()
}

/// Lines about structs. A field that is missing here is an error of the compiler.
macro_rules! structs {
    ($($name:ident $c:literal { $($field:ident)* })*) => {{
        let mut lines = BTreeSet::new();
        $(
            let _ = |all: &$name| { let $name { $($field: _),* } = all; };
            let (size, align) = (size_of::<$name>(), align_of::<$name>());
            lines.insert(format!("struct {} {size} {align}", $c));
            $(
                let at = core::mem::offset_of!($name, $field);
                let size = size_of_field(|all: &$name| &all.$field);
                lines.insert(format!("field {} {} {at} {size}", $c, stringify!($field)));
            )*
        )*
        lines
    }};
}

fn structs_here() -> BTreeSet<String> {
    structs! {
        Str "rfid_str" { ptr len }
        TagRead "rfid_tag_read" {
            timestamp_ns id id_len id_kind antenna frequency_khz rssi_cdbm phase count pc flags protocol
            aux_len aux_off
        }
        ReadBuf "rfid_read_buf" {
            struct_size stride reads capacity count aux aux_capacity aux_len lost flags reserved
        }
        Error "rfid_error" {
            struct_size code flags retry_after_ms vendor_code message_len reserved message
        }
        Span "rfid_span" { off len }
        EventRecord "rfid_event_record" {
            event_id sequence time_ns first_seen_ns last_seen_ns reader_time_ns read_count dwell_ms
            coverage_gap_ms id id_len id_kind kind protocol flags heading heading_percent antenna
            peak_rssi_cdbm reserved reserved2 reader zone zone_before branch record unconfirmed_by
        }
        EventBatch "rfid_event_batch" { struct_size stride events count aux_len aux }
        WriteResult "rfid_write_result" {
            struct_size accepted retry_after_ms flags records records_capacity records_len
        }
        Loss "rfid_loss" { struct_size reserved count from_ns to_ns reason }
        Field "rfid_field" { key value }
        Log "rfid_log" { struct_size level target message file line field_count fields }
        ReaderEvent "rfid_reader_event" {
            struct_size kind timestamp_ns antenna port value message
        }
        Host "rfid_host" {
            struct_size abi_minor reserved ctx name version get_extension log_enabled log reader_event
            instance data_dir antenna_ports antenna_port_count reserved2
        }
        Driver "rfid_driver" {
            struct_size reserved create open start read stop cancel close destroy get_extension
        }
        Sink "rfid_sink" {
            struct_size reserved create open write flush cancel close destroy get_extension lost probe
        }
        Component "rfid_component" {
            struct_size kind id name description config_schema config_example flags reserved driver sink
        }
        Module "rfid_module" {
            struct_size abi_major abi_minor read_size flags id vendor version built_with required_ext
            component_count reserved components init deinit get_extension
        }
        ReaderInfo "rfid_reader_info" {
            struct_size antenna_port_count antenna_ports model firmware serial protocols
        }
        ReaderInfoTable "rfid_reader_info_table" { struct_size reserved info }
        TuneTable "rfid_tune_table" { struct_size reserved read_power set_read_power }
        Pin "rfid_pin" { pin high }
        GpioTable "rfid_gpio_table" { struct_size reserved inputs set_output }
        TagOperation "rfid_tag_operation" {
            struct_size kind flags password id id_len id_kind antenna protocol bank count reserved address
            kill_password lock_mask lock_action data_len data
        }
        TagAnswer "rfid_tag_answer" { struct_size capacity data len reserved }
        TagAccessTable "rfid_tag_access_table" { struct_size reserved execute }
    }
}

/// Lines about constants, each with what the header puts before its name.
macro_rules! constants {
    ($($scope:ident $prefix:literal { $($name:ident)* })*) => {
        BTreeSet::from([$($(
            format!("constant RFID_{}{} {}", $prefix, stringify!($name), Shown::shown(&$scope::$name)),
        )*)*])
    };
}

/// A constant as the program in C prints it.
trait Shown {
    fn shown(&self) -> String;
}

macro_rules! shown_as_numbers {
    ($($number:ty)*) => { $(impl Shown for $number { fn shown(&self) -> String { self.to_string() } })* };
}

shown_as_numbers!(u8 u16 u32 i16 usize);

impl Shown for Status {
    fn shown(&self) -> String {
        self.0.to_string()
    }
}

impl Shown for &str {
    fn shown(&self) -> String {
        (*self).to_owned()
    }
}

impl Shown for &CStr {
    fn shown(&self) -> String {
        self.to_string_lossy().into_owned()
    }
}

fn constants_here() -> BTreeSet<String> {
    constants! {
        rfid_abi "" {
            MAJOR MINOR SYMBOL
            ERROR_RETRY ERROR_RECONNECT ERROR_FATAL
            INLINE_ID RSSI_UNKNOWN PHASE_UNKNOWN
            ID_EPC ID_ISO14443_UID ID_ISO15693_UID ID_TID ID_ISO18000_6B_UID
            PROTOCOL_GEN2 PROTOCOL_ISO18000_6B PROTOCOL_EPC_CLASS0 PROTOCOL_EPC_CLASS1 PROTOCOL_ISO14443A
            PROTOCOL_ISO15693
            READ_CHECK_FAILED READ_HAS_PC READ_AUTHENTIC READ_NOT_AUTHENTIC READ_RANDOM_ID AUX_ID READ_MORE
            EVENT_ARRIVED EVENT_SEEN EVENT_MOVED EVENT_DEPARTED EVENT_REVISIT EVENT_SET_ASIDE
            EVENT_AUTHENTIC EVENT_NOT_AUTHENTIC
            HEADING_NONE HEADING_ENTERING HEADING_LEAVING
            LOG_ERROR LOG_WARNING LOG_INFO LOG_DEBUG LOG_TRACE
            COMPONENT_DRIVER COMPONENT_SINK SINK_NOT_LATE MODULE_ISOLATE MODULE_ONE_PER_PROCESS
        }
        Status "" {
            OK NO_DATA END INTERNAL INVALID CONFIG IO PROTOCOL TIMEOUT NOT_CONNECTED DENIED UNSUPPORTED BUSY
            CANCELLED PANIC REGULATORY NO_TAG STATE NO_MEMORY DAMAGED
        }
        Error "ERROR_" { MESSAGE }
        reader_event "READER_EVENT_" { ANTENNA_UP ANTENNA_DOWN INPUT TEMPERATURE BUFFER_OVERFLOW }
        extension "" {
            READER_INFO TUNE GPIO TAG_ACCESS
            TAG_READ_MEMORY TAG_WRITE_MEMORY TAG_WRITE_ID TAG_LOCK_GEN2 TAG_LOCK_WHOLE TAG_LOCK_BYTE TAG_KILL
            TAG_HAS_PASSWORD
        }
        ReaderInfo "READER_INFO_" { PORTS TEXT }
    }
}

/// The interface as the header has it, without comments.
fn header() -> String {
    let mut text = HEADER.split(OPTIONAL).next().unwrap_or_default();
    let mut code = String::new();
    while let Some((before, rest)) = text.split_once("/*") {
        code.push_str(before);
        text = rest.split_once("*/").map_or("", |(_, behind)| behind);
    }
    code + text
}

/// The structs of the header with their fields.
fn structs_of(header: &str) -> Vec<(&str, Vec<&str>)> {
    let mut all = Vec::new();
    for piece in header.split("struct ").skip(1) {
        let Some((name, body)) = piece.split_once(" {") else { continue };
        // A mere mention of a struct before another one.
        if !name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_') {
            continue;
        }
        let body = body.split('}').next().unwrap_or_default();
        all.push((name, body.split(';').filter_map(field_of).collect()));
    }
    all
}

/// The name in `uint8_t id[32]`, or in `void (*cancel)(rfid_instance *instance)`.
fn field_of(declaration: &str) -> Option<&str> {
    let named = match declaration.split_once("(*") {
        Some((_, pointer)) => pointer.split(')').next()?,
        None => {
            declaration.split('[').next()?.rsplit(|char: char| char.is_whitespace() || char == '*').next()?
        }
    };
    (!named.trim().is_empty()).then_some(named)
}

/// The constants of the header.
fn constants_of(header: &str) -> impl Iterator<Item = &str> {
    let defined = header.lines().filter_map(|line| line.strip_prefix("#define "));
    let named = defined.filter_map(|line| line.split_whitespace().next());
    named.filter(|name| !NO_CONSTANTS.contains(name) && !name.contains('('))
}

/// A program that prints lines about all that the header has.
fn program(header: &str) -> Result<String, std::fmt::Error> {
    let mut program = String::from(
        "#include \"rfid_plugin.h\"
#include <stdalign.h>
static void number(const char *name, long long value) { printf(\"constant %s %lld\\n\", name, value); }
static void text(const char *name, const char *value) { printf(\"constant %s %s\\n\", name, value); }
#define CONSTANT(name) _Generic((name), char *: text, const char *: text, default: number)(#name, name)
#define STRUCT(name) printf(\"struct \" #name \" %zu %zu\\n\", sizeof(name), alignof(name))
#define FIELD(of, name) printf(\"field \" #of \" \" #name \" %zu %zu\\n\", offsetof(of, name), sizeof(((of *)0)->name))
int main(void) {
",
    );
    for (name, fields) in structs_of(header) {
        writeln!(program, "    STRUCT({name});")?;
        for field in fields {
            writeln!(program, "    FIELD({name}, {field});")?;
        }
    }
    for name in constants_of(header) {
        writeln!(program, "    CONSTANT({name});")?;
    }
    writeln!(program, "    return 0;\n}}")?;
    Ok(program)
}

#[test]
fn header_and_crate_have_the_same_structs_and_constants() {
    let header = header();
    let source = folder("header_and_crate_have_the_same_structs_and_constants").join("layout.c");
    fs::write(&source, program(&header).expect("a program")).expect("a source");
    let said = run(&compile("cc", &["-std=c11"], &source));
    let there: BTreeSet<String> = said.lines().map(str::to_owned).collect();
    let mut here = structs_here();
    here.extend(constants_here());
    let only_here: Vec<_> = here.difference(&there).collect();
    let only_there: Vec<_> = there.difference(&here).collect();
    assert!(
        only_here.is_empty() && only_there.is_empty(),
        "only in the crate: {only_here:#?}\nonly in the header: {only_there:#?}"
    );
}

/// What this crate makes public and a test here could forget.
#[test]
fn no_struct_and_no_constant_of_the_crate_was_forgotten() {
    let sources = [
        include_str!("../../src/component.rs"),
        include_str!("../../src/event_record.rs"),
        include_str!("../../src/extension.rs"),
        include_str!("../../src/host.rs"),
        include_str!("../../src/lib.rs"),
        include_str!("../../src/status.rs"),
        include_str!("../../src/tag_read.rs"),
    ];
    let words = |list: &str| -> BTreeSet<String> { list.split_whitespace().map(str::to_owned).collect() };
    let listed = words(include_str!("layout.rs"));
    let mut seen = 0;
    for line in sources.iter().flat_map(|source| source.lines()).map(str::trim) {
        let name = line.strip_prefix("pub struct ").or_else(|| line.strip_prefix("pub const "));
        let Some(name) = name.and_then(|rest| rest.split([' ', ':', '(']).next()) else { continue };
        // What has no fields in C, what is a number there, and what is for Rust alone.
        if !["fn", "Instance", "Status", "EMPTY"].contains(&name) {
            seen += 1;
            assert!(listed.contains(name), "{name} is not in the lists of this test");
        }
    }
    assert_eq!(
        seen,
        structs_here().iter().filter(|line| line.starts_with("struct")).count() + constants_here().len()
    );
}

//! The driver and the sink of `examples/bad-plugins/c` that are in order, each made ill by one line.

use std::path::{Path, PathBuf};
use std::process::Command;

use rfid_plugin_conformance::Subject;
use tempfile::TempDir;

use crate::report_of;

/// What stands before the line.
const BEFORE: &str = r#"
#include <locale.h>
#include <signal.h>
#include <sys/stat.h>
#include "rfid_plugin.h"
#define ID "ill"
#define DESCRIPTION "Ill by one line"
"#;

/// Without warnings: a plugin that is ill may well give some.
const FLAGS: &str = "-std=c11 -D_DEFAULT_SOURCE -O1 -w -fPIC -shared -fvisibility=hidden -pthread";

/// Builds the driver with these definitions, or the sink, whose own they are.
fn build_with(defines: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (source, file) = (folder.path().join("ill.c"), folder.path().join("ill.so"));
    let kind = if defines.contains("BEFORE_WRITE") { "sink.h" } else { "healthy.h" };
    let text = format!("{BEFORE}{defines}\n#include \"{kind}\"\n");
    std::fs::write(&source, text).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let cc = Command::new("cc")
        .args(FLAGS.split(' '))
        .arg("-I")
        .arg(root.join("examples/bad-plugins/c"))
        .arg("-I")
        .arg(root.join("rfid-core/abi/include"))
        .arg(&source)
        .arg("-o")
        .arg(&file)
        .output()
        .expect("a C compiler is needed");
    assert!(cc.status.success(), "{}", String::from_utf8_lossy(&cc.stderr));
    (folder, file)
}

/// As of many a reader: who comes second is told so.
const ONE_CLIENT: &str = r#"
#include <stdatomic.h>
static atomic_int taken;
#define FIELDS int is_client;
#define ON_OPEN \
    if (atomic_exchange(&taken, 1)) return rfid_error_set(err, RFID_BUSY, "serves one at a time"); \
    instance->is_client = 1;
#define ON_CLOSE if (instance->is_client) instance->is_client = 0, atomic_store(&taken, 0);
"#;

#[test]
fn a_reader_that_serves_one_client_is_no_fault_of_its_plugin() {
    let (_folder, file) = build_with(ONE_CLIENT);
    let report = report_of(&Subject::new(file), Some("threads/ten".to_owned()));
    assert!(report.is_passed() && report.to_string().contains("`open` said BUSY to"), "{report}");
}

/// Each line: what is put into the driver in order, and the cases that fail by it.
#[test]
fn one_line_is_enough() {
    let mut wrong = Vec::new();
    for (defines, cases) in [
        ("#define ON_OPEN signal(SIGUSR1, SIG_IGN);", &["footprint/signals"][..]),
        ("#define ON_OPEN setlocale(LC_ALL, \"C.UTF-8\");", &["footprint/locale"]),
        ("#define ON_OPEN setenv(\"ACME\", \"1\", 1);", &["footprint/environment"]),
        ("#define ON_OPEN umask(0123);", &["footprint/umask"]),
        ("#define ON_CLOSE close(0);", &["footprint/standard-streams"]),
        ("#define ON_OPEN if (fork() == 0) { pause(); }", &["footprint/children"]),
        ("#define ON_READ read.count = 0; buf->count = 0; rfid_push(buf, &read);", &["read/fields"]),
        ("#define ON_READ buf->count = 0;", &["read/status-fits-count"]),
        ("#define ON_READ buf->aux_len = buf->aux_capacity + 1;", &["read/aux-in-bounds"]),
        (
            "#define ON_READ if (buf->stride > 64) memset((char *)buf->reads + 64, 0, 8);",
            &["read/keeps-to-stride"],
        ),
        (
            "#define HARM return rfid_error_set(err, RFID_PANIC, \"nobody thought of this\");",
            &["faults/no-panic", "faults/poisoned"],
        ),
        ("#define ON_ENTRY usleep(2500000);", &["load/entry-is-quick"]),
        (
            "#define ON_CLOSE if (!instance->opened && err) return rfid_error_set(err, RFID_STATE, \"closed\");",
            &["lifecycle/close-in-every-state"],
        ),
        ("#define ON_CLOSE if (instance->started && !err) abort();", &["lifecycle/destroy-in-every-state"]),
        (
            "static void __attribute__((destructor)) ends(void) { __builtin_trap(); }",
            &["faults/ends-in-order"],
        ),
        ("#define ON_CLOSE dup(1);", &["lifecycle/create-destroy-1000", "lifecycle/open-close-100"]),
        (
            "#define ON_OPEN rfid_error_set(err, RFID_IO, \"no\"); if (err) err->code = 7; return RFID_IO;",
            &["faults/error-texts"],
        ),
        ("#define ON_OPEN err->code = 0;", &["faults/null-error"]),
        (
            "#define ON_ENTRY static rfid_module last; last = MODULE; last.flags = (uint32_t)rand() & 4; static int n; last.flags = 4u * (unsigned)n++; return &last;",
            &["load/entry-is-constant"],
        ),
        ("#define ON_CLOSE rfid_log_line(instance->host, 9, \"x\");", &["threads/host-while-valid"]),
        (
            "#define BEFORE_WRITE if (batch->count) ((rfid_event_record *)batch->events)->kind = 0;",
            &["sinks/batch-untouched"],
        ),
        (
            "#define FIELDS volatile const unsigned char *kept;\n#define BEFORE_WRITE if (instance->kept) (void)*instance->kept; instance->kept = batch->aux;",
            &["sinks/batch-not-kept"],
        ),
        (
            "#define BEFORE_WRITE\n#define EVENT_AT(place) (batch->events + (place))",
            &["sinks/keeps-to-stride"],
        ),
    ] {
        let (_folder, file) = build_with(defines);
        // Only the groups that are meant: all of them are tried with the plugins that have files.
        let group = |case: &str| case.split_once('/').map(|(group, _)| format!("{group}/")).unwrap();
        let report = report_of(&Subject::new(file), Some(group(cases[0])));
        let found: Vec<&str> =
            report.entries.iter().filter(|entry| entry.outcome.is_bad()).map(|entry| entry.case).collect();
        if found != cases {
            wrong.push(format!("{defines}: {found:?} failed"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

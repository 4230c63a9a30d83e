//! A read of a plugin costs no allocation, neither in the plugin nor in the host.
//!
//! A plugin has an allocator of its own, so what is counted is what the process asks of the C library: by a
//! library that stands before it, for which the test starts itself once more.
#![allow(unsafe_code, clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use libloading::os::unix::{Library, Symbol};
use rfid_core::{Driver, DynSession, ReadBuf, ReadHandler, ReaderSetup, Settings};
use rfid_loader::boundary::Bare;
use rfid_loader::{Isolation, Place, Plugin, Plugins, Runner, USUAL_MEMORY};
use tokio::sync::Notify;

const COUNTER: &str = "
#include <stdatomic.h>
#include <stddef.h>
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
static atomic_ulong count;
unsigned long rfid_allocations(void) { return count; }
void *malloc(size_t len) { count++; return __libc_malloc(len); }
void *calloc(size_t number, size_t len) { count++; return __libc_calloc(number, len); }
void *realloc(void *old, size_t len) { count++; return __libc_realloc(old, len); }
";

/// Says that this process is the one in which is counted.
const IS_COUNTED: &str = "RFID_ALLOCATIONS_ARE_COUNTED";

/// Reads until every buffer has its size, and then so many more.
const WARM_UP: u64 = 20_000;
const READS: u64 = 100_000;

#[test]
fn a_read_of_a_plugin_costs_no_allocation() {
    if std::env::var_os(IS_COUNTED).is_some() {
        return count();
    }
    let folder = tempfile::tempdir().unwrap();
    let library = counter(folder.path());
    let mut counted = Command::new(std::env::current_exe().unwrap());
    counted.args(["--exact", "a_read_of_a_plugin_costs_no_allocation", "--nocapture"]);
    let output = counted.env("LD_PRELOAD", library).env(IS_COUNTED, "").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// Compiles the library that counts.
fn counter(folder: &Path) -> PathBuf {
    let (source, library) = (folder.join("counter.c"), folder.join("counter.so"));
    std::fs::write(&source, COUNTER).unwrap();
    let compiled =
        Command::new("cc").args(["-O2", "-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
    assert!(compiled.unwrap().success(), "what counts does not compile");
    library
}

/// Reads taken, looking at none.
struct Taken {
    buf: ReadBuf,
    reads: u64,
    before: Option<u64>,
    spent: Option<u64>,
    done: Arc<Notify>,
    allocations: Symbol<unsafe extern "C" fn() -> std::ffi::c_ulong>,
}

impl Taken {
    fn new() -> Self {
        // SAFETY: the function is the one in `COUNTER`.
        let allocations = unsafe { Library::this().get(b"rfid_allocations\0") }.unwrap();
        let buf = ReadBuf::with_capacity(ReadBuf::DEFAULT_CAPACITY);
        Self { buf, reads: 0, before: None, spent: None, done: Arc::default(), allocations }
    }

    fn allocations(&self) -> u64 {
        // SAFETY: it looks at a number.
        unsafe { (self.allocations)() }
    }
}

impl ReadHandler for Taken {
    fn buffer(&mut self) -> &mut ReadBuf {
        &mut self.buf
    }

    fn filled(&mut self) {
        self.reads += self.buf.len() as u64;
        self.buf.clear();
        if self.reads >= WARM_UP && self.before.is_none() {
            self.before = Some(self.allocations());
        }
        if let Some(before) = self.before.filter(|_| self.reads >= WARM_UP + READS) {
            self.spent = self.spent.or(Some(self.allocations() - before));
            self.done.notify_one();
        }
    }

    fn is_ahead(&self) -> bool {
        self.spent.is_some()
    }
}

fn count() {
    let (plugin, driver) = endless();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for batch in [1, 16, 256] {
        let settings = Settings::from_toml(&format!("batch = {batch}")).unwrap();
        let mut bare = Bare::start(&plugin, &*driver, &settings).unwrap();
        let mut taken = Taken::new();
        while taken.spent.is_none() {
            bare.read(&mut taken.buf).unwrap();
            taken.filled();
        }
        assert_eq!(taken.spent, Some(0), "by the call alone, {batch} reads at once");

        let mut taken = Taken::new();
        runtime.block_on(read(&*driver, &settings, &mut taken));
        let spent = taken.spent.unwrap();
        assert!(spent <= MOST, "{spent} from its thread to a task, {batch} reads at once");
    }
    // The counter counts: an allocation here is seen.
    let taken = Taken::new();
    let before = taken.allocations();
    drop(std::hint::black_box(Box::new(1)));
    assert_eq!(taken.allocations() - before, 1);
}

/// What a second or two of time may cost, however many reads come in it.
const MOST: u64 = READS / 10_000;

async fn read(driver: &dyn Driver, settings: &Settings, taken: &mut Taken) {
    let mut session: Box<dyn DynSession> = driver.session(settings, &ReaderSetup::named("endless")).unwrap();
    session.open().await.unwrap();
    session.start().await.unwrap();
    let done = Arc::clone(&taken.done);
    tokio::select! {
        () = done.notified() => {}
        outcome = session.pump(taken) => outcome.unwrap(),
    }
    session.close().await.unwrap();
}

/// The driver that the benches read from, in this process.
fn endless() -> (Plugin, Arc<dyn Driver>) {
    let program = std::env::current_exe().unwrap();
    let place = Place {
        // Beside this program, where cargo puts what it depends on.
        folder: program.parent().unwrap().to_owned(),
        file: "librfid_bench_endless.so".to_owned(),
        sha256: None,
        libraries: BTreeMap::new(),
        isolation: Isolation::InProcess,
        most_memory: USUAL_MEMORY,
    };
    let runner = Runner { program, arguments: Vec::new() };
    let plugin = Plugins::new(runner, Path::new("")).load(&place).unwrap();
    let driver = Arc::clone(&plugin.drivers()[0]);
    (plugin, driver)
}

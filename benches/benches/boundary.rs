//! What a read costs on its way out of a driver: linked in, over the plugin boundary alone, and as a
//! plugin on a thread of this process and in a process of its own, with the way to a task. The boundary
//! alone also from a driver in C, which writes into the host's memory.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use rfid_bench_endless::Endless;
use rfid_core::{Driver, DynSession, ReadBuf, ReadHandler, ReaderSetup, Settings};
use rfid_loader::boundary::Bare;
use rfid_loader::{Isolation, Place, Plugin, Plugins, Runner, USUAL_MEMORY};
use tokio::runtime::Runtime;

/// Reads in a batch.
const BATCHES: [u32; 3] = [1, 16, ReadBuf::DEFAULT_CAPACITY as u32];

/// Takes so many reads, looking at each as whoever reads on would.
struct Counted {
    buf: ReadBuf,
    left: u64,
    strongest: i16,
    done: Option<tokio::sync::oneshot::Sender<()>>,
}

impl ReadHandler for Counted {
    fn buffer(&mut self) -> &mut ReadBuf {
        &mut self.buf
    }

    fn filled(&mut self) {
        for sighting in self.buf.iter() {
            self.strongest = self.strongest.max(sighting.read.rssi_cdbm().unwrap_or(i16::MIN));
        }
        self.left = self.left.saturating_sub(self.buf.len() as u64);
        self.buf.clear();
        if self.left == 0
            && let Some(done) = self.done.take()
        {
            // Whoever waits is there.
            let _ = done.send(());
        }
    }

    fn is_ahead(&self) -> bool {
        self.done.is_none()
    }
}

/// How long so many reads take.
async fn take(session: &mut dyn DynSession, reads: u64) -> Duration {
    let buf = ReadBuf::with_capacity(ReadBuf::DEFAULT_CAPACITY);
    let (done, is_done) = tokio::sync::oneshot::channel();
    let mut handler = Counted { buf, left: reads, strongest: i16::MIN, done: Some(done) };
    let start = Instant::now();
    tokio::select! {
        biased;
        _ = is_done => {}
        outcome = session.pump(&mut handler) => outcome.unwrap(),
    }
    let took = start.elapsed();
    assert_eq!(handler.strongest, -5_500);
    took
}

/// The same by the call alone: reads are looked at where the plugin put them.
fn take_in_place(bare: &mut Bare, reads: u64) -> Duration {
    let (mut left, mut strongest) = (reads, i16::MIN);
    let start = Instant::now();
    while left > 0 {
        let (reads, signal) = bare.read_in_place().unwrap();
        left = left.saturating_sub(reads);
        strongest = strongest.max(signal);
    }
    let took = start.elapsed();
    assert_eq!(strongest, -5_500);
    took
}

/// The same with the host's copy, which it judges, and without a thread or a task between.
fn take_bare(bare: &mut Bare, reads: u64) -> Duration {
    let buf = ReadBuf::with_capacity(ReadBuf::DEFAULT_CAPACITY);
    let mut handler = Counted { buf, left: reads, strongest: i16::MIN, done: None };
    let start = Instant::now();
    while handler.left > 0 {
        bare.read(&mut handler.buf).unwrap();
        handler.filled();
    }
    start.elapsed()
}

/// The driver in Rust.
fn place(isolation: Isolation) -> Place {
    // Beside this program, where cargo puts what it depends on.
    let program = std::env::current_exe().unwrap();
    Place {
        folder: program.parent().unwrap().to_owned(),
        file: "librfid_bench_endless.so".to_owned(),
        sha256: None,
        libraries: BTreeMap::new(),
        isolation,
        most_memory: USUAL_MEMORY,
    }
}

/// The driver in C, compiled now into this folder; nothing where there is no compiler.
fn place_in_c(folder: &Path) -> Option<Place> {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = "libendless_c.so".to_owned();
    let made = folder.join(&file);
    let compiled = Command::new("cc")
        .args(["-O2", "-shared", "-fPIC", "-fvisibility=hidden", "-std=c11", "-D_DEFAULT_SOURCE"])
        .args(["-Wall", "-Wextra", "-pedantic", "-Werror", "-I"])
        .arg(tree.join("../rfid-core/abi/include"))
        .arg(tree.join("endless/endless.c"))
        .arg("-o")
        .arg(&made)
        .status();
    match compiled {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        ended => assert!(ended.unwrap().success(), "the driver in C does not compile"),
    }
    // Whatever the umask is, nobody else may write to a plugin.
    std::fs::set_permissions(&made, Permissions::from_mode(0o755)).unwrap();
    Some(Place { folder: folder.to_owned(), file, ..place(Isolation::InProcess) })
}

fn loaded(plugins: &Plugins, place: &Place) -> (Plugin, Arc<dyn Driver>) {
    let plugin = plugins.load(place).unwrap();
    let driver = Arc::clone(&plugin.drivers()[0]);
    (plugin, driver)
}

fn running(runtime: &Runtime, driver: &dyn Driver, batch: u32) -> Box<dyn DynSession> {
    let settings = Settings::from_toml(&format!("batch = {batch}")).unwrap();
    let _guard = runtime.enter();
    let mut session = driver.session(&settings, &ReaderSetup::named("endless")).unwrap();
    runtime.block_on(async {
        session.open().await.unwrap();
        session.start().await.unwrap();
    });
    session
}

fn boundary(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let runner = Runner { program: std::env::current_exe().unwrap(), arguments: vec!["run-plugin".into()] };
    let plugins = Plugins::new(runner, Path::new(""));
    let (plugin, in_process) = loaded(&plugins, &place(Isolation::InProcess));
    let (_, isolated) = loaded(&plugins, &place(Isolation::Process));
    let folder = tempfile::tempdir().unwrap();
    let in_c = place_in_c(folder.path()).map(|place| loaded(&plugins, &place));
    let alone = [
        Some(("in-process", &plugin, &in_process)),
        in_c.as_ref().map(|(plugin, driver)| ("in-process C", plugin, driver)),
    ];
    let ways: [(&str, &dyn Driver); 3] =
        [("linked", &Endless), ("in-process", &*in_process), ("process", &*isolated)];
    let mut group = criterion.benchmark_group("boundary");
    group.throughput(Throughput::Elements(1));
    for batch in BATCHES {
        for (name, plugin, driver) in alone.into_iter().flatten() {
            let settings = Settings::from_toml(&format!("batch = {batch}")).unwrap();
            let mut bare = Bare::start(plugin, &**driver, &settings).unwrap();
            group.bench_function(format!("{name}, the call alone/{batch}"), |bencher| {
                bencher.iter_custom(|reads| take_in_place(&mut bare, reads));
            });
            group.bench_function(format!("{name}, the call and a copy/{batch}"), |bencher| {
                bencher.iter_custom(|reads| take_bare(&mut bare, reads));
            });
        }
        for (name, driver) in ways {
            let mut session = running(&runtime, driver, batch);
            group.bench_function(format!("{name}/{batch}"), |bencher| {
                bencher.iter_custom(|reads| runtime.block_on(take(&mut *session, reads)));
            });
            runtime.block_on(session.close()).unwrap();
        }
    }
    group.finish();
    if in_c.is_none() {
        println!(
            "{} rows skipped: no cc to compile the driver in C with; install a C compiler",
            2 * BATCHES.len()
        );
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().is_some_and(|first| first == "run-plugin") {
        rfid_loader::run(arguments).unwrap();
        return;
    }
    let mut criterion = Criterion::default().configure_from_args();
    boundary(&mut criterion);
    criterion.final_summary();
}

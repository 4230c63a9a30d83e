//! The other end: this program as the process of one plugin's instance.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rfid_abi as abi;

use crate::host_side::Told;
use crate::line::WAITING_TO;
use crate::message::{Answer, Fault, FromInstance, LogLine, Noticed, ReaderEvent, ToInstance};
use crate::module::Module;
use crate::process::{descriptor, take_socket};
use crate::raw::{Cancel, Instance, deinit, init};
use crate::ring::{Filler, Memory};
use crate::thread::{self, Outbox};
use crate::wire::{self, FromHost};

/// How long an instance may take to end once the host is gone; longer than the host waits for it.
const LAST_WORDS: Duration = Duration::from_secs(3);

const NOT_BY_HAND: &str = "this is started by rfid-host and by nobody else";

/// Is the process of a plugin, until the host closes the socket on standard input.
///
/// The arguments are the numbers of the descriptors with the plugin's file, with the memory for reads,
/// and with the libraries that the plugin brings along. To be called first thing in the program, before any
/// thread is started.
///
/// *Errors*: one line; nobody but the host starts this, and it has the line in its log.
pub fn run(arguments: impl Iterator<Item = String>) -> Result<(), String> {
    let handed_over = |number: String| {
        let number = number.parse().map_err(|_| NOT_BY_HAND.to_owned())?;
        descriptor(number).map_err(|error| format!("no plugin is handed over: {error}"))
    };
    let mut descriptors = arguments.map(handed_over);
    let mut next = || descriptors.next().ok_or_else(|| NOT_BY_HAND.to_owned())?;
    let (plugin, memory) = (next()?, next()?);
    let brings = descriptors.collect::<Result<Vec<_>, _>>()?;
    let memory = Memory::map(memory).map_err(|error| format!("no memory for reads: {error}"))?;
    let memory = Arc::new(memory);
    let mut stream = take_socket().map_err(|error| format!("no line to the host: {error}"))?;
    let failed = |error: io::Error| format!("the line to the host: {error}");
    // SAFETY: this process is there for nothing else.
    let module = unsafe { Module::load(&brings, &plugin) };
    let out =
        Out(Arc::new(Mutex::new(Sending { stream: stream.try_clone().map_err(failed)?, frame: Vec::new() })));
    match &module {
        Ok(module) => out.send(|frame| wire::put_module(frame, &Ok(module.info.clone()))),
        Err(why) => out.send(|frame| wire::put_module(frame, &Err(why.clone()))),
    };
    let Ok(module) = module else { return Ok(()) };

    let mut payload = Vec::new();
    let Some(kind) = wire::read_frame(&mut stream, &mut payload).map_err(failed)? else { return Ok(()) };
    let FromHost::Setup(setup, log_level) = wire::from_host(kind, &payload)? else {
        return Err("the host begins with something else".to_owned());
    };
    let told = Arc::new(ToHost { out: out.clone(), memory: Arc::clone(&memory), log_level });
    let cancel = Cancel::default();
    let made = init(&module)
        .map_err(|why| Fault::new(abi::Status::INTERNAL, why))
        .and_then(|()| Instance::create(&module, &setup, told, cancel.clone()));
    let mut outbox = out.clone();
    let instance = match made {
        Ok((instance, abilities)) => {
            outbox.put(FromInstance::Answer(Ok(Answer::Created(abilities))));
            instance
        }
        Err(fault) => {
            outbox.put(FromInstance::Answer(Err(fault)));
            return Ok(());
        }
    };
    let (inbox, asked) = sync_channel(WAITING_TO);
    let ring = Filler::new(Arc::clone(&memory));
    std::thread::Builder::new()
        .name("host".to_owned())
        .spawn(move || hear(stream, inbox, &cancel, &memory))
        .map_err(failed)?;
    thread::serve(instance, ring, &asked, &mut outbox);
    // SAFETY: the one instance is destroyed, and this process ends.
    unsafe { deinit(&module) };
    Ok(())
}

/// Takes what the host says until it is gone; then this process ends, whatever the plugin does.
fn hear(mut stream: UnixStream, inbox: SyncSender<ToInstance>, cancel: &Cancel, memory: &Memory) {
    let mut payload = Vec::new();
    while let Ok(Some(kind)) = wire::read_frame(&mut stream, &mut payload) {
        let said = match wire::from_host(kind, &payload) {
            Ok(FromHost::Cancel) => {
                cancel.cancel();
                continue;
            }
            Ok(FromHost::Said(said)) => said,
            Ok(FromHost::Setup(..)) | Err(_) => break,
        };
        if inbox.send(said).is_err() {
            break;
        }
        memory.wake_instance();
    }
    cancel.cancel();
    // The instance has nobody to serve any more: it closes, and the process ends by itself.
    drop(inbox);
    memory.wake_instance();
    std::thread::sleep(LAST_WORDS);
    std::process::exit(1);
}

/// Where frames are sent, whole, from any thread.
#[derive(Clone)]
struct Out(Arc<Mutex<Sending>>);

struct Sending {
    stream: UnixStream,
    frame: Vec<u8>,
}

impl Out {
    fn lock(&self) -> MutexGuard<'_, Sending> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, fill: impl FnOnce(&mut Vec<u8>)) -> bool {
        let Sending { stream, frame } = &mut *self.lock();
        frame.clear();
        fill(frame);
        stream.write_all(frame).is_ok()
    }
}

impl Outbox for Out {
    fn put(&mut self, said: FromInstance) -> bool {
        self.send(|frame| wire::put_from_instance(frame, &said))
    }

    fn ring(&mut self) -> bool {
        self.send(wire::put_bell)
    }
}

/// What an instance in this process tells.
struct ToHost {
    out: Out,
    memory: Arc<Memory>,
    log_level: u32,
}

impl Told for ToHost {
    fn log_enabled(&self, level: u32) -> bool {
        level <= self.log_level
    }

    fn log(&self, line: LogLine) {
        self.out.send(|frame| wire::put_log(frame, &line));
    }

    fn reader_event(&self, event: ReaderEvent) {
        let noticed = Noticed { event, after: self.memory.published() };
        self.out.send(|frame| wire::put_noticed(frame, &noticed));
        self.memory.note_said();
    }
}

//! The calls on an instance, as the interface defines them.
//!
//! What comes back from a plugin is hostile: numbers are held against the room that was lent,
//! texts are taken as far as they are UTF-8, and nothing is read beyond what was lent. Records are
//! judged by whoever copies them out of the ring (`ring/`).

use std::ffi::{CStr, c_char};
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use rfid_abi as abi;
use rfid_abi::extension::{self, GpioTable, Pin, ReaderInfoTable, TagAccessTable, TuneTable};
use rfid_core::Loss;

use crate::host_side::{FOR_MODULES, HostSide, Told, host_side};
use crate::message::{
    AT_FAULT, Abilities, Answer, Call, EncodedEvents, Fault, Kind, OpenedReader, Setup, TagCall,
};
use crate::module::Module;
use crate::ring::{Filler, LENT_AUX, LENT_READS, Room};

/// Bytes lent for what a sink adds to events.
const LENT_RECORDS: usize = 256 * 1024;
/// Bytes of a tag's memory that one operation can read.
const LENT_MEMORY: usize = 64 * 1024;
/// Inputs that can be asked for.
const PINS: usize = 64;

/// Ends the running call of an instance from any thread.
#[derive(Clone, Default)]
pub(crate) struct Cancel(Arc<Mutex<Option<CancelCall>>>);

struct CancelCall {
    cancel: unsafe extern "C" fn(*mut abi::Instance),
    instance: *mut abi::Instance,
}

// SAFETY: `cancel` is the one function that the interface allows on any thread.
unsafe impl Send for CancelCall {}

impl Cancel {
    /// Makes the running call return. Nothing happens before the instance is there and after it
    /// is gone.
    pub(crate) fn cancel(&self) {
        if let Some(call) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            // SAFETY: the instance lives: it is destroyed only after it was taken out of here.
            unsafe { (call.cancel)(call.instance) }
        }
    }

    fn set(&self, call: Option<CancelCall>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = call;
    }
}

/// An instance of a plugin's component. Lives on one thread.
pub(crate) struct Instance {
    table: Table,
    instance: *mut abi::Instance,
    cancel: Cancel,
    extensions: Extensions,
    /// Behind all that may call it.
    _host: Rc<HostSide>,
}

#[derive(Clone, Copy)]
enum Table {
    Driver(&'static abi::Driver),
    Sink(&'static abi::Sink),
}

#[derive(Default)]
struct Extensions {
    info: Option<&'static ReaderInfoTable>,
    tune: Option<&'static TuneTable>,
    gpio: Option<&'static GpioTable>,
    access: Option<&'static TagAccessTable>,
}

/// Calls a module's `init`, if it has one. Once, before its first instance.
pub(crate) fn init(module: &Module) -> Result<(), String> {
    let Some(init) = module.table().init else { return Ok(()) };
    let mut error = abi::Error::none();
    // SAFETY: called once by whoever loaded the module, before any instance.
    let status = unsafe { init(&raw const FOR_MODULES.0, &raw mut error) };
    outcome(status, &error).map_err(|fault| format!("could not begin: {}", fault.message))
}

/// Calls a module's `deinit`, if it has one.
///
/// # Safety
/// All instances of the module are destroyed, and nothing of it is called afterwards.
pub(crate) unsafe fn deinit(module: &Module) {
    if let Some(deinit) = module.table().deinit {
        // SAFETY: what the caller says.
        unsafe { deinit() }
    }
}

impl Instance {
    /// Makes an instance on this thread, where all further calls are to be made.
    pub(crate) fn create(
        module: &Module,
        setup: &Setup,
        told: Arc<dyn Told>,
        cancel: Cancel,
    ) -> Result<(Self, Abilities), Fault> {
        let component = module.component(setup.kind, &setup.component).ok_or_else(|| {
            Fault::new(abi::Status::INVALID, format!("it has no {} \"{}\"", setup.kind, setup.component))
        })?;
        // SAFETY: `Module::load` looked at the tables.
        let table = unsafe {
            match setup.kind {
                Kind::Driver => component.driver.as_ref().map(Table::Driver),
                Kind::Sink => component.sink.as_ref().map(Table::Sink),
            }
        };
        let table = table.ok_or_else(|| Fault::new(abi::Status::INVALID, "it has no table"))?;
        let (create, cancel_call) = match table {
            Table::Driver(table) => (table.create, table.cancel),
            Table::Sink(table) => (table.create, table.cancel),
        };
        let (Some(create), Some(cancel_call)) = (create, cancel_call) else {
            return Err(Fault::new(abi::Status::INVALID, "it has no create or no cancel"));
        };
        let host = host_side(setup, told)?;
        let options = setup.options.to_string();
        let mut error = abi::Error::none();
        let mut instance = ptr::null_mut();
        // SAFETY: the host lives behind the instance, the options during the call.
        let status = unsafe {
            create(&raw const host.host, abi::Str::new(&options), &raw mut instance, &raw mut error)
        };
        outcome(status, &error)?;
        if instance.is_null() {
            return Err(Fault::new(abi::Status::INTERNAL, "create said OK and made nothing"));
        }
        cancel.set(Some(CancelCall { cancel: cancel_call, instance }));
        let extensions = Extensions::default();
        let mut made = Self { table, instance, cancel, extensions, _host: host };
        made.extensions = made.ask_for_extensions();
        let abilities = Abilities {
            tune: made.extensions.tune.is_some(),
            gpio: made.extensions.gpio.is_some(),
            tag_access: made.extensions.access.is_some(),
        };
        Ok((made, abilities))
    }

    fn ask_for_extensions(&self) -> Extensions {
        let Table::Driver(table) = self.table else { return Extensions::default() };
        // SAFETY: an id names one table for ever; the instance is alive, and so is what it answers
        // until it is destroyed, which `self` outlives.
        unsafe {
            Extensions {
                info: self.extension(table, extension::READER_INFO),
                tune: self.extension(table, extension::TUNE),
                gpio: self.extension(table, extension::GPIO),
                access: self.extension(table, extension::TAG_ACCESS),
            }
        }
    }

    /// # Safety
    /// `T` is the table that this id names and begins with its size.
    unsafe fn extension<T>(&self, table: &abi::Driver, id: &CStr) -> Option<&'static T> {
        // SAFETY: the instance is alive, and this is its thread.
        let found = unsafe { table.get_extension?(self.instance, id.as_ptr()) };
        if found.is_null() || !found.cast::<T>().is_aligned() {
            return None;
        }
        // SAFETY: every table begins with its size.
        let size = unsafe { *found.cast::<u32>() };
        // SAFETY: it is as large as the one that we know.
        (size as usize >= size_of::<T>()).then(|| unsafe { &*found.cast::<T>() })
    }

    /// Makes a call.
    pub(crate) fn call(&mut self, call: Call) -> Result<Answer, Fault> {
        let done = |()| Answer::Done;
        match (call, self.table) {
            (Call::Open { limit_ms }, Table::Driver(table)) => {
                self.limited(table.open, limit_ms)?;
                self.opened().map(Answer::Opened)
            }
            (Call::Open { limit_ms }, Table::Sink(table)) => self.limited(table.open, limit_ms).map(done),
            (Call::Start, Table::Driver(table)) => self.plain(table.start).map(done),
            (Call::Stop, Table::Driver(table)) => self.plain(table.stop).map(done),
            (Call::Close { limit_ms }, _) => self.close(limit_ms).map(done),
            (Call::Power { port }, _) => self.power(port).map(Answer::Power),
            (Call::SetPower { port, cdbm }, _) => self.set_power(port, cdbm).map(Answer::Power),
            (Call::Inputs, _) => self.inputs().map(Answer::Inputs),
            (Call::SetOutput { pin, high }, _) => self.set_output(pin, high).map(done),
            (Call::Tag(call), _) => self.tag(&call).map(Answer::Memory),
            (Call::Probe { limit_ms }, Table::Sink(table)) if table.probe.is_some() => {
                self.limited(table.probe, limit_ms).map(done)
            }
            (Call::Probe { .. }, Table::Sink(_)) => Ok(Answer::Done),
            (Call::Flush { limit_ms }, Table::Sink(table)) => self.limited(table.flush, limit_ms).map(done),
            (Call::Lost(loss), Table::Sink(table)) => self.lost(table, &loss).map(done),
            (Call::Probe { .. } | Call::Flush { .. } | Call::Lost(_) | Call::Start | Call::Stop, _) => {
                Err(Fault::new(abi::Status::UNSUPPORTED, "this is no call for it"))
            }
        }
    }

    fn limited(
        &self,
        call: Option<unsafe extern "C" fn(*mut abi::Instance, u32, *mut abi::Error) -> abi::Status>,
        limit_ms: u32,
    ) -> Result<(), Fault> {
        let mut error = abi::Error::none();
        let call = call.ok_or_else(missing)?;
        // SAFETY: the instance is alive, and this is its thread.
        outcome(unsafe { call(self.instance, limit_ms, &raw mut error) }, &error)
    }

    fn plain(
        &self,
        call: Option<unsafe extern "C" fn(*mut abi::Instance, *mut abi::Error) -> abi::Status>,
    ) -> Result<(), Fault> {
        let mut error = abi::Error::none();
        let call = call.ok_or_else(missing)?;
        // SAFETY: the instance is alive, and this is its thread.
        outcome(unsafe { call(self.instance, &raw mut error) }, &error)
    }

    /// Closes; allowed in every state.
    pub(crate) fn close(&mut self, limit_ms: u32) -> Result<(), Fault> {
        match self.table {
            Table::Driver(table) => self.limited(table.close, limit_ms),
            Table::Sink(table) => self.limited(table.close, limit_ms),
        }
    }

    fn opened(&self) -> Result<OpenedReader, Fault> {
        let Some(info) = self.extensions.info.and_then(|table| table.info) else {
            return Ok(OpenedReader::default());
        };
        let mut said = extension::ReaderInfo::unknown();
        let mut error = abi::Error::none();
        // SAFETY: the instance is alive and open, and this is its thread.
        outcome(unsafe { info(self.instance, &raw mut said, &raw mut error) }, &error)?;
        let ports = said.antenna_ports.iter().take(said.antenna_port_count as usize);
        let serial = terminated(&said.serial);
        Ok(OpenedReader {
            model: terminated(&said.model),
            firmware: terminated(&said.firmware),
            serial: (!serial.is_empty()).then_some(serial),
            protocols: said.protocols.iter().copied().take_while(|number| *number != 0).collect(),
            antenna_ports: ports.copied().filter(|port| *port != 0).collect(),
        })
    }

    /// Reads into a piece of the ring, if there is one, and publishes what is there.
    pub(crate) fn read(&mut self, ring: &mut Filler, limit_ms: u32) -> Result<(), Fault> {
        let Some(room) = ring.room() else { return Ok(()) };
        let mut lent = lend(Some(&room));
        let outcome = self.read_raw(&mut lent, limit_ms);
        let (count, aux_len) = (lent.count as usize, lent.aux_len as usize);
        if count > LENT_READS || aux_len > LENT_AUX {
            ring.publish(0, 0, lent.lost);
            return Err(lie(format!(
                "read said {count} reads and {aux_len} bytes beside them, where {LENT_READS} and {LENT_AUX} fit"
            )));
        }
        ring.publish(count, aux_len, lent.lost);
        if outcome? == abi::Status::END {
            return Err(Fault {
                flags: abi::ERROR_FATAL,
                ..Fault::new(abi::Status::IO, "the reader will deliver nothing more")
            });
        }
        Ok(())
    }

    /// Gives the instance the chance to keep its connection alive while nothing can be taken.
    pub(crate) fn read_nothing(&mut self) -> Result<(), Fault> {
        let mut lent = lend(None);
        let outcome = self.read_raw(&mut lent, 0);
        if lent.count > 0 {
            return Err(lie("read delivered into a buffer without room"));
        }
        outcome.map(drop)
    }

    /// What `lent` says afterwards counts also where the call failed.
    fn read_raw(&self, lent: &mut abi::ReadBuf, limit_ms: u32) -> Result<abi::Status, Fault> {
        let Table::Driver(abi::Driver { read: Some(read), .. }) = self.table else { return Err(missing()) };
        let mut error = abi::Error::none();
        // SAFETY: the instance is alive, this is its thread, and what is lent is its own until the call
        // returns.
        let status = unsafe { read(self.instance, lent, limit_ms, &raw mut error) };
        outcome(status, &error).map(|()| status)
    }

    /// Offers events to a sink.
    pub(crate) fn deliver(&mut self, events: &EncodedEvents, limit_ms: u32) -> Result<Answer, Fault> {
        let Table::Sink(abi::Sink { write: Some(write), .. }) = self.table else { return Err(missing()) };
        let batch = abi::EventBatch {
            struct_size: size_of::<abi::EventBatch>() as u32,
            stride: size_of::<abi::EventRecord>() as u32,
            events: events.events.as_ptr(),
            count: events.events.len() as u32,
            aux_len: events.aux.len() as u32,
            aux: events.aux.as_ptr(),
        };
        let mut records = vec![0; LENT_RECORDS];
        let mut result = abi::WriteResult {
            struct_size: size_of::<abi::WriteResult>() as u32,
            accepted: 0,
            retry_after_ms: 0,
            flags: 0,
            records: records.as_mut_ptr(),
            records_capacity: LENT_RECORDS as u32,
            records_len: 0,
        };
        let mut error = abi::Error::none();
        // SAFETY: the instance is alive, this is its thread, and batch and result live during the call.
        let status =
            unsafe { write(self.instance, &raw const batch, limit_ms, &raw mut result, &raw mut error) };
        if status != abi::Status::BUSY {
            outcome(status, &error)?;
        }
        let (accepted, count) = (result.accepted, batch.count);
        if accepted > count {
            return Err(lie(format!("write took {accepted} of {count} events")));
        }
        let records = records
            .get(..result.records_len as usize)
            .and_then(added_records)
            .filter(|records| records.iter().all(|(index, _)| *index < accepted))
            .ok_or_else(|| lie("what write added to events is not as it should be"))?;
        Ok(Answer::Taken { accepted, retry_after_ms: result.retry_after_ms, records })
    }

    fn lost(&self, table: &abi::Sink, loss: &Loss) -> Result<(), Fault> {
        let Some(lost) = table.lost else { return Ok(()) };
        let loss = abi::Loss {
            struct_size: size_of::<abi::Loss>() as u32,
            reserved: 0,
            count: loss.count,
            from_ns: loss.from.as_nanos(),
            to_ns: loss.to.as_nanos(),
            reason: abi::Str::new(&loss.reason),
        };
        let mut error = abi::Error::none();
        // SAFETY: the instance is alive, this is its thread, and the loss lives during the call.
        outcome(unsafe { lost(self.instance, &raw const loss, &raw mut error) }, &error)
    }

    fn power(&self, port: u16) -> Result<i16, Fault> {
        let call = self.extensions.tune.and_then(|table| table.read_power).ok_or_else(missing)?;
        let (mut cdbm, mut error) = (0, abi::Error::none());
        // SAFETY: the instance is alive, and this is its thread.
        outcome(unsafe { call(self.instance, port.into(), &raw mut cdbm, &raw mut error) }, &error)?;
        Ok(cdbm)
    }

    fn set_power(&self, port: u16, cdbm: i16) -> Result<i16, Fault> {
        let call = self.extensions.tune.and_then(|table| table.set_read_power).ok_or_else(missing)?;
        let (mut taken, mut error) = (cdbm, abi::Error::none());
        // SAFETY: the instance is alive, and this is its thread.
        outcome(unsafe { call(self.instance, port.into(), cdbm, &raw mut taken, &raw mut error) }, &error)?;
        Ok(taken)
    }

    fn inputs(&self) -> Result<Vec<(u8, bool)>, Fault> {
        let call = self.extensions.gpio.and_then(|table| table.inputs).ok_or_else(missing)?;
        let (mut pins, mut count) = ([Pin::default(); PINS], 0);
        let mut error = abi::Error::none();
        // SAFETY: the instance is alive, this is its thread, and so many pins fit.
        let status =
            unsafe { call(self.instance, pins.as_mut_ptr(), PINS as u32, &raw mut count, &raw mut error) };
        outcome(status, &error)?;
        Ok(pins.iter().take(count as usize).map(|pin| (pin.pin, pin.high != 0)).collect())
    }

    fn set_output(&self, pin: u8, high: bool) -> Result<(), Fault> {
        let call = self.extensions.gpio.and_then(|table| table.set_output).ok_or_else(missing)?;
        let mut error = abi::Error::none();
        // SAFETY: the instance is alive, and this is its thread.
        outcome(unsafe { call(self.instance, Pin { pin, high: high.into() }, &raw mut error) }, &error)
    }

    fn tag(&self, call: &TagCall) -> Result<Vec<u8>, Fault> {
        let execute = self.extensions.access.and_then(|table| table.execute).ok_or_else(missing)?;
        let mut id = [0; 62];
        for (to, from) in id.iter_mut().zip(call.tag.bytes()) {
            *to = *from;
        }
        let operation = extension::TagOperation {
            struct_size: size_of::<extension::TagOperation>() as u32,
            kind: call.kind,
            flags: if call.password.is_some() { extension::TAG_HAS_PASSWORD } else { 0 },
            password: call.password.unwrap_or(0),
            id,
            id_len: call.tag.bytes().len() as u8,
            id_kind: call.tag.kind() as u8,
            antenna: call.antenna,
            protocol: call.protocol,
            bank: call.bank,
            count: call.count,
            reserved: 0,
            address: call.address,
            kill_password: call.kill_password,
            lock_mask: call.lock_mask,
            lock_action: call.lock_action,
            data_len: call.data.len() as u32,
            data: call.data.as_ptr(),
        };
        let mut memory = vec![0; LENT_MEMORY];
        let mut answer = extension::TagAnswer {
            struct_size: size_of::<extension::TagAnswer>() as u32,
            capacity: LENT_MEMORY as u32,
            data: memory.as_mut_ptr(),
            len: 0,
            reserved: 0,
        };
        let mut error = abi::Error::none();
        // SAFETY: the instance is alive, this is its thread, and all memory lives during the call.
        let status = unsafe {
            execute(self.instance, &raw const operation, &raw mut answer, TAG_LIMIT_MS, &raw mut error)
        };
        outcome(status, &error)?;
        if answer.len as usize > LENT_MEMORY {
            return Err(lie(format!("{} bytes were read where {LENT_MEMORY} fit", answer.len)));
        }
        memory.truncate(answer.len as usize);
        Ok(memory)
    }
}

/// Time for one operation on a tag.
pub(crate) const TAG_LIMIT_MS: u32 = 5_000;

impl Drop for Instance {
    fn drop(&mut self) {
        // Nobody can cancel what is about to go.
        self.cancel.set(None);
        let destroy = match self.table {
            Table::Driver(table) => table.destroy,
            Table::Sink(table) => table.destroy,
        };
        if let Some(destroy) = destroy {
            // SAFETY: the last call on the instance, on its thread; the host is dropped after it.
            unsafe { destroy(self.instance) }
        }
    }
}

/// A piece of a ring as the interface lends it, or no room at all.
fn lend(room: Option<&Room>) -> abi::ReadBuf {
    abi::ReadBuf {
        struct_size: size_of::<abi::ReadBuf>() as u32,
        stride: size_of::<abi::TagRead>() as u32,
        reads: room.map_or(NonNull::dangling(), |room| room.reads).as_ptr(),
        capacity: if room.is_some() { LENT_READS as u32 } else { 0 },
        count: 0,
        aux: room.map_or(NonNull::dangling(), |room| room.aux).as_ptr(),
        aux_capacity: if room.is_some() { LENT_AUX as u32 } else { 0 },
        aux_len: 0,
        lost: 0,
        flags: 0,
        reserved: 0,
    }
}

/// What a sink added, by the index of the event.
fn added_records(mut bytes: &[u8]) -> Option<Vec<(u32, serde_json::Value)>> {
    let mut records = Vec::new();
    while let Some((index, rest)) = bytes.split_first_chunk::<4>() {
        let (len, rest) = rest.split_first_chunk::<4>()?;
        let (json, rest) = rest.split_at_checked(u32::from_ne_bytes(*len) as usize)?;
        records.push((u32::from_ne_bytes(*index), serde_json::from_slice(json).ok()?));
        bytes = rest;
    }
    bytes.is_empty().then_some(records)
}

fn missing() -> Fault {
    Fault::new(abi::Status::UNSUPPORTED, "the plugin cannot do this")
}

/// The plugin said what cannot be: nothing it says can be trusted any more.
pub(crate) fn lie(what: impl Into<String>) -> Fault {
    let flags = abi::ERROR_RECONNECT;
    Fault { flags, ..Fault::new(abi::Status::INTERNAL, format!("{AT_FAULT}{}", what.into())) }
}

fn outcome(status: abi::Status, error: &abi::Error) -> Result<(), Fault> {
    if status.is_ok() {
        return Ok(());
    }
    let len = (error.message_len as usize).min(abi::Error::MESSAGE);
    let message = error.message.iter().take(len).map(|char| char.cast_unsigned()).collect::<Vec<u8>>();
    Err(Fault {
        status: status.0,
        flags: error.flags,
        retry_after_ms: error.retry_after_ms,
        vendor_code: error.vendor_code,
        message: String::from_utf8_lossy(&message).into_owned(),
    })
}

/// Text up to its end, or all there is.
fn terminated(text: &[c_char]) -> String {
    let bytes: Vec<u8> = text.iter().map(|char| char.cast_unsigned()).take_while(|byte| *byte != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

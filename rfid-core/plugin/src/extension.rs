//! What a session can do besides reading tags, as tables of functions.

use std::ffi::{CStr, c_char, c_void};
use std::ptr::null;
use std::sync::Arc;
use std::time::Duration;

use rfid_abi::extension::{
    GPIO, GpioTable, Pin, READER_INFO, ReaderInfo, ReaderInfoTable, TAG_ACCESS, TAG_HAS_PASSWORD, TAG_KILL,
    TAG_LOCK_BYTE, TAG_LOCK_GEN2, TAG_LOCK_WHOLE, TAG_READ_MEMORY, TAG_WRITE_ID, TAG_WRITE_MEMORY, TUNE,
    TagAccessTable, TagAnswer, TagOperation, TuneTable,
};
use rfid_abi::{Error, Instance, Status};
use rfid_core::abilities::{Bank, Gen2Lock, Gpio, LockTarget, PinLevel, TagAccess, TagTarget, Tune};
use rfid_core::{AirProtocol, TagId, TagIdKind};

use crate::driver::Reader;
use crate::failure::{Failure, Outcome};
use crate::instance::{self, Link, slice};
use crate::runtime::finish;

static READER_INFO_TABLE: ReaderInfoTable =
    ReaderInfoTable { struct_size: size_of::<ReaderInfoTable>() as u32, reserved: 0, info: Some(info) };

static TUNE_TABLE: TuneTable = TuneTable {
    struct_size: size_of::<TuneTable>() as u32,
    reserved: 0,
    read_power: Some(read_power),
    set_read_power: Some(set_read_power),
};

static GPIO_TABLE: GpioTable = GpioTable {
    struct_size: size_of::<GpioTable>() as u32,
    reserved: 0,
    inputs: Some(inputs),
    set_output: Some(set_output),
};

static TAG_ACCESS_TABLE: TagAccessTable =
    TagAccessTable { struct_size: size_of::<TagAccessTable>() as u32, reserved: 0, execute: Some(execute) };

/// The table with this id, or null where the session has nothing of the kind.
pub(crate) unsafe extern "C" fn get(instance: *mut Instance, id: *const c_char) -> *const c_void {
    let mut found: *const c_void = null();
    if id.is_null() {
        return found;
    }
    // SAFETY: a terminated text of the host's.
    let id = unsafe { CStr::from_ptr(id) };
    let look = |_: &Arc<Link>, reader: &mut Reader| {
        let session = reader.session()?;
        if id == READER_INFO {
            found = (&raw const READER_INFO_TABLE).cast();
        } else if id == TUNE && session.tune().is_some() {
            found = (&raw const TUNE_TABLE).cast();
        } else if id == GPIO && session.gpio().is_some() {
            found = (&raw const GPIO_TABLE).cast();
        } else if id == TAG_ACCESS && session.tag_access().is_some() {
            found = (&raw const TAG_ACCESS_TABLE).cast();
        }
        Ok(Status::OK)
    };
    // SAFETY: the host calls with an instance of a driver; so in all that follow.
    unsafe { instance::call(instance, std::ptr::null_mut(), look) };
    found
}

unsafe extern "C" fn info(instance: *mut Instance, to: *mut ReaderInfo, err: *mut Error) -> Status {
    let body = |_: &Arc<Link>, reader: &mut Reader| {
        // SAFETY: null or lent for this call.
        let to = unsafe { whole(to, |to| to.struct_size) }?;
        let info = reader.info.as_ref().ok_or_else(|| Failure::state("a reader is known after open"))?;
        let ports = info.antenna_ports.get(..ReaderInfo::PORTS).unwrap_or(&info.antenna_ports);
        to.antenna_port_count = ports.len() as u32;
        to.antenna_ports.iter_mut().zip(ports).for_each(|(to, port)| *to = *port);
        put_text(&mut to.model, &info.model);
        put_text(&mut to.firmware, &info.firmware);
        put_text(&mut to.serial, info.serial.as_deref().unwrap_or_default());
        let protocols = info.protocols.iter().map(|protocol| *protocol as u8);
        // One place is for the end of the list.
        let places = to.protocols.iter_mut().take(ReaderInfo::unknown().protocols.len() - 1);
        places.zip(protocols).for_each(|(to, protocol)| *to = protocol);
        Ok(Status::OK)
    };
    // SAFETY: as of `get`.
    unsafe { instance::call(instance, err, body) }
}

/// Writes as much of a text as fits before its end.
fn put_text(to: &mut [c_char; ReaderInfo::TEXT], text: &str) {
    let text = text.get(..text.floor_char_boundary(ReaderInfo::TEXT - 1)).unwrap_or(text);
    to.fill(0);
    to.iter_mut().zip(text.bytes()).for_each(|(to, byte)| *to = byte as c_char);
}

fn tune(reader: &mut Reader) -> Result<&mut dyn Tune, Failure> {
    reader.session()?.tune().ok_or_else(absent)
}

fn gpio(reader: &mut Reader) -> Result<&mut dyn Gpio, Failure> {
    reader.session()?.gpio().ok_or_else(absent)
}

fn absent() -> Failure {
    Failure::new(Status::UNSUPPORTED, "this reader has nothing of the kind")
}

fn antenna(port: u32) -> Result<u16, Failure> {
    u16::try_from(port).map_err(|_| Failure::invalid(format!("{port} is no antenna port")))
}

unsafe extern "C" fn read_power(
    instance: *mut Instance,
    port: u32,
    cdbm: *mut i16,
    err: *mut Error,
) -> Status {
    let body = |link: &Arc<Link>, reader: &mut Reader| {
        let tune = tune(reader)?;
        let power = match antenna(port)? {
            0 => finish(link, None, tune.read_power_cdbm()),
            port => finish(link, None, tune.read_power_of_port_cdbm(port)),
        }?;
        // SAFETY: null or lent for this call.
        unsafe { put(cdbm, power) }
    };
    // SAFETY: as of `get`.
    unsafe { instance::call(instance, err, body) }
}

unsafe extern "C" fn set_read_power(
    instance: *mut Instance,
    port: u32,
    cdbm: i16,
    taken: *mut i16,
    err: *mut Error,
) -> Status {
    let body = |link: &Arc<Link>, reader: &mut Reader| {
        let tune = tune(reader)?;
        let power = match antenna(port)? {
            0 => finish(link, None, tune.set_read_power_cdbm(cdbm)),
            port => finish(link, None, tune.set_read_power_of_port_cdbm(port, cdbm)),
        }?;
        // SAFETY: null or lent for this call.
        unsafe { put(taken, power) }
    };
    // SAFETY: as of `get`.
    unsafe { instance::call(instance, err, body) }
}

unsafe extern "C" fn inputs(
    instance: *mut Instance,
    pins: *mut Pin,
    capacity: u32,
    count: *mut u32,
    err: *mut Error,
) -> Status {
    let body = |link: &Arc<Link>, reader: &mut Reader| {
        if pins.is_null() && capacity > 0 {
            return Err(Failure::invalid("nowhere to put the levels"));
        }
        let levels = finish(link, None, gpio(reader)?.inputs())?;
        for (index, level) in levels.iter().take(capacity as usize).enumerate() {
            // SAFETY: lent for this call, with room for `capacity`.
            unsafe { pins.add(index).write(Pin { pin: level.pin, high: level.high.into() }) };
        }
        // SAFETY: null or lent for this call.
        unsafe { put(count, levels.len() as u32) }
    };
    // SAFETY: as of `get`.
    unsafe { instance::call(instance, err, body) }
}

unsafe extern "C" fn set_output(instance: *mut Instance, pin: Pin, err: *mut Error) -> Status {
    let level = PinLevel { pin: pin.pin, high: pin.high != 0 };
    // SAFETY: as of `get`.
    unsafe {
        instance::call(instance, err, |link: &Arc<Link>, reader: &mut Reader| {
            finish(link, None, gpio(reader)?.set_output(level)).map(|()| Status::OK)
        })
    }
}

/// What an operation on a tag asks for.
enum Operation<'a> {
    Read { bank: Bank, address: u32, count: u16 },
    Write { bank: Bank, address: u32, data: &'a [u8] },
    WriteId(&'a [u8]),
    Lock(LockTarget),
    Kill(u32),
}

impl<'a> Operation<'a> {
    /// # Safety
    /// The data that the operation points to is valid for `'a`.
    unsafe fn read(asked: &TagOperation) -> Result<(TagTarget, Self), Failure> {
        // SAFETY: the caller says so.
        let data: &'a [u8] = unsafe { slice(asked.data, asked.data_len as usize) }?;
        let wrong = |what: &str, number: u32| Failure::invalid(format!("{number} is no {what}"));
        let bank = || match asked.bank {
            0 => Ok(Bank::Reserved),
            1 => Ok(Bank::Epc),
            2 => Ok(Bank::Tid),
            3 => Ok(Bank::User),
            number => Err(wrong("memory bank", number.into())),
        };
        let (address, count) = (asked.address, asked.count);
        let operation = match asked.kind {
            TAG_READ_MEMORY => Self::Read { bank: bank()?, address, count },
            TAG_WRITE_MEMORY => Self::Write { bank: bank()?, address, data },
            TAG_WRITE_ID => Self::WriteId(data),
            TAG_LOCK_GEN2 => {
                Self::Lock(LockTarget::Gen2(Gen2Lock::from_bits(asked.lock_mask, asked.lock_action)))
            }
            TAG_LOCK_WHOLE => Self::Lock(LockTarget::Whole),
            TAG_LOCK_BYTE => Self::Lock(LockTarget::Byte(address)),
            TAG_KILL => Self::Kill(asked.kill_password),
            number => return Err(wrong("operation on a tag", number)),
        };
        let kind =
            TagIdKind::from_number(asked.id_kind).ok_or_else(|| wrong("kind of id", asked.id_kind.into()))?;
        let id = asked.id.get(..usize::from(asked.id_len)).unwrap_or_default();
        let tag = TagTarget {
            antenna_port: asked.antenna,
            protocol: AirProtocol::from_number(asked.protocol)
                .ok_or_else(|| wrong("air protocol", asked.protocol.into()))?,
            id: TagId::new(kind, id).map_err(|fault| Failure::invalid(fault.to_string()))?,
            password: (asked.flags & TAG_HAS_PASSWORD != 0).then_some(asked.password),
        };
        Ok((tag, operation))
    }

    /// Does it, and returns what was read.
    async fn execute(self, access: &mut dyn TagAccess, tag: &TagTarget) -> rfid_core::Result<Vec<u8>> {
        let done = match self {
            Self::Read { bank, address, count } => {
                return access.read_memory(tag, bank, address, count).await;
            }
            Self::Write { bank, address, data } => access.write_memory(tag, bank, address, data).await,
            Self::WriteId(id) => access.write_id(tag, id).await,
            Self::Lock(lock) => access.lock(tag, lock).await,
            Self::Kill(password) => access.kill(tag, password).await,
        };
        done.map(|()| Vec::new())
    }
}

unsafe extern "C" fn execute(
    instance: *mut Instance,
    asked: *const TagOperation,
    answer: *mut TagAnswer,
    timeout_ms: u32,
    err: *mut Error,
) -> Status {
    let body = |link: &Arc<Link>, reader: &mut Reader| {
        // SAFETY: null or valid during this call.
        let asked = unsafe { asked.as_ref() }
            .filter(|asked| asked.struct_size as usize >= size_of::<TagOperation>())
            .ok_or_else(|| Failure::invalid("no operation, or one of another version"))?;
        // SAFETY: null or lent for this call.
        let answer = unsafe { whole(answer, |answer| answer.struct_size) }?;
        answer.len = 0;
        if !reader.is_quiet() {
            return Err(Failure::state("tags are accessed while the reader is open and reads nothing"));
        }
        // SAFETY: the data is valid during this call.
        let (tag, operation) = unsafe { Operation::read(asked) }?;
        let access = reader.session()?.tag_access().ok_or_else(absent)?;
        let limit = Some(Duration::from_millis(timeout_ms.into()));
        let data = finish(link, limit, operation.execute(access, &tag))?;
        if data.len() > answer.capacity as usize || (answer.data.is_null() && !data.is_empty()) {
            let (len, room) = (data.len(), answer.capacity);
            return Err(Failure::invalid(format!("{len} bytes were read, and there is room for {room}")));
        }
        if !data.is_empty() {
            // SAFETY: lent for this call, and seen to be large enough.
            unsafe { answer.data.copy_from_nonoverlapping(data.as_ptr(), data.len()) };
        }
        answer.len = data.len() as u32;
        Ok(Status::OK)
    };
    // SAFETY: as of `get`.
    unsafe { instance::call(instance, err, body) }
}

/// A struct of the host's that is to be filled.
///
/// # Safety
/// `to` is null or lent for `'a`.
unsafe fn whole<'a, T>(to: *mut T, size: impl FnOnce(&T) -> u32) -> Result<&'a mut T, Failure> {
    // SAFETY: the caller says so.
    match unsafe { to.as_mut() } {
        Some(to) if size(to) as usize >= size_of::<T>() => Ok(to),
        _ => Err(Failure::invalid("nowhere to put the answer")),
    }
}

/// Puts a number where the host wants it.
///
/// # Safety
/// `to` is null or lent for this call.
unsafe fn put<T>(to: *mut T, value: T) -> Outcome {
    // SAFETY: the caller says so.
    *unsafe { to.as_mut() }.ok_or_else(|| Failure::invalid("nowhere to put the answer"))? = value;
    Ok(Status::OK)
}

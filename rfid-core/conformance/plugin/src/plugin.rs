//! A plugin's file and tables, as far as they can be trusted.

use std::ffi::{CStr, c_char, c_void};
use std::path::Path;

use libloading::os::unix::Library;
use rfid_abi::{
    COMPONENT_DRIVER, COMPONENT_SINK, Driver, Entry, Error, EventBatch, Host, Instance, Loss, MINOR, Module,
    ReadBuf, SYMBOL, Sink, Status, Str, TagRead, WriteResult,
};

use crate::case::{Stop, fail, skip};

/// Loads the file as the host does and finds its symbol. It stays loaded.
pub(crate) fn open(file: &Path) -> Result<Entry, Stop> {
    let flags = libc::RTLD_NOW | libc::RTLD_LOCAL | libc::RTLD_NODELETE;
    // SAFETY: loading runs the plugin's constructors, which may do anything; this process is
    // there for nothing else.
    let library = match unsafe { Library::open(Some(file), flags) } {
        Ok(library) => library,
        // What the linker says stands behind what was asked of it.
        Err(error) => match std::error::Error::source(&error) {
            Some(said) => return fail(format!("it does not load: {said}")),
            None => return fail(format!("it does not load: {error}")),
        },
    };
    // SAFETY: whoever exports this name promises this type.
    let entry = match unsafe { library.get::<Entry>(SYMBOL.as_bytes()) } {
        Ok(symbol) => *symbol,
        Err(error) => return fail(format!("it has no `{SYMBOL}`: {error}")),
    };
    std::mem::forget(library);
    Ok(entry)
}

/// Calls the symbol.
pub(crate) fn ask(entry: Entry, host_minor: u32) -> *const Module {
    // SAFETY: `entry` came from a library that stays loaded.
    unsafe { entry(host_minor) }
}

/// The module, if this host could speak with it at all.
pub(crate) fn module(entry: Entry) -> Result<&'static Module, String> {
    let module = ask(entry, u32::from(MINOR));
    // SAFETY: null, or a module for ever; a wild pointer ends this process, as it shall.
    let Some(module) = (unsafe { module.as_ref() }) else {
        return Err(format!("it refuses a host of minor version {MINOR}, for which it must be built"));
    };
    let Module { abi_major, abi_minor, struct_size, read_size, .. } = *module;
    if (abi_major, abi_minor) != (rfid_abi::MAJOR, MINOR) {
        return Err(format!(
            "it was built for version {abi_major}.{abi_minor}, this is {}.{MINOR}",
            rfid_abi::MAJOR
        ));
    }
    if (struct_size as usize) < size_of::<Module>() {
        return Err(format!(
            "its module has a size of {struct_size} bytes; {} are needed",
            size_of::<Module>()
        ));
    }
    if read_size as usize != size_of::<TagRead>() {
        return Err(format!("its reads have {read_size} bytes; they must have {}", size_of::<TagRead>()));
    }
    if module.components.is_null() || !(1..=1_000).contains(&module.component_count) {
        return Err(format!("it has {} components; at least one is needed", module.component_count));
    }
    Ok(module)
}

/// The components of a module that passed [`module`]; null is left out.
pub(crate) fn components(module: &Module) -> Vec<&'static rfid_abi::Component> {
    (0..module.component_count as usize)
        .filter_map(|index| {
            // SAFETY: the module promises `component_count` pointers to components, which are
            // there for ever.
            unsafe { (*module.components.add(index)).as_ref() }
        })
        .collect()
}

/// A terminated text of the plugin's, which is there for ever.
pub(crate) fn text(pointer: *const c_char) -> Result<&'static str, &'static str> {
    if pointer.is_null() {
        return Err("is null");
    }
    // SAFETY: the plugin promises a terminated text that is there for ever.
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_str().map_err(|_| "is not UTF-8")
}

pub(crate) type Create = unsafe extern "C" fn(*const Host, Str, *mut *mut Instance, *mut Error) -> Status;
pub(crate) type Plain = unsafe extern "C" fn(*mut Instance, *mut Error) -> Status;
pub(crate) type Limited = unsafe extern "C" fn(*mut Instance, u32, *mut Error) -> Status;
pub(crate) type Read = unsafe extern "C" fn(*mut Instance, *mut ReadBuf, u32, *mut Error) -> Status;
pub(crate) type Write =
    unsafe extern "C" fn(*mut Instance, *const EventBatch, u32, *mut WriteResult, *mut Error) -> Status;
pub(crate) type Lost = unsafe extern "C" fn(*mut Instance, *const Loss, *mut Error) -> Status;
pub(crate) type Handle = unsafe extern "C" fn(*mut Instance);
pub(crate) type GetExtension = unsafe extern "C" fn(*mut Instance, *const c_char) -> *const c_void;

/// The functions that drivers and sinks have, and those that only one of them has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Calls {
    pub(crate) create: Create,
    pub(crate) open: Limited,
    pub(crate) cancel: Handle,
    pub(crate) close: Limited,
    pub(crate) destroy: Handle,
    pub(crate) get_extension: Option<GetExtension>,
    pub(crate) of_kind: OfKind,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum OfKind {
    Driver { start: Plain, read: Read, stop: Plain },
    Sink { write: Write, flush: Limited, lost: Option<Lost>, probe: Option<Limited> },
}

/// A component whose tables can be called.
#[derive(Clone, Copy)]
pub(crate) struct Component {
    pub(crate) table: &'static rfid_abi::Component,
    pub(crate) id: &'static str,
    pub(crate) calls: Calls,
}

impl Component {
    /// What a component has, if all of it is there.
    pub(crate) fn of(table: &'static rfid_abi::Component) -> Result<Self, String> {
        let id = text(table.id).map_err(|fault| format!("the id of a component {fault}"))?;
        let size = table.struct_size as usize;
        if size < size_of::<rfid_abi::Component>() {
            return Err(format!(
                "{id}: it has a size of {size} bytes; {} are needed",
                size_of::<rfid_abi::Component>()
            ));
        }
        let null = |name: &str| format!("{id}: `{name}` is null");
        let calls = match table.kind {
            COMPONENT_DRIVER => {
                // SAFETY: null, or a table that is there for ever.
                let driver = unsafe { table.driver.as_ref() }.ok_or_else(|| null("driver"))?;
                large_enough::<Driver>(id, driver.struct_size)?;
                Calls {
                    create: driver.create.ok_or_else(|| null("create"))?,
                    open: driver.open.ok_or_else(|| null("open"))?,
                    cancel: driver.cancel.ok_or_else(|| null("cancel"))?,
                    close: driver.close.ok_or_else(|| null("close"))?,
                    destroy: driver.destroy.ok_or_else(|| null("destroy"))?,
                    get_extension: driver.get_extension,
                    of_kind: OfKind::Driver {
                        start: driver.start.ok_or_else(|| null("start"))?,
                        read: driver.read.ok_or_else(|| null("read"))?,
                        stop: driver.stop.ok_or_else(|| null("stop"))?,
                    },
                }
            }
            COMPONENT_SINK => {
                // SAFETY: as above.
                let sink = unsafe { table.sink.as_ref() }.ok_or_else(|| null("sink"))?;
                large_enough::<Sink>(id, sink.struct_size)?;
                Calls {
                    create: sink.create.ok_or_else(|| null("create"))?,
                    open: sink.open.ok_or_else(|| null("open"))?,
                    cancel: sink.cancel.ok_or_else(|| null("cancel"))?,
                    close: sink.close.ok_or_else(|| null("close"))?,
                    destroy: sink.destroy.ok_or_else(|| null("destroy"))?,
                    get_extension: sink.get_extension,
                    of_kind: OfKind::Sink {
                        write: sink.write.ok_or_else(|| null("write"))?,
                        flush: sink.flush.ok_or_else(|| null("flush"))?,
                        lost: sink.lost,
                        probe: sink.probe,
                    },
                }
            }
            kind => return Err(format!("{id}: its kind is {kind}; 1 is a driver and 2 a sink")),
        };
        Ok(Self { table, id, calls })
    }

    pub(crate) fn is_driver(&self) -> bool {
        matches!(self.calls.of_kind, OfKind::Driver { .. })
    }
}

fn large_enough<T>(id: &str, size: u32) -> Result<(), String> {
    if (size as usize) < size_of::<T>() {
        return Err(format!(
            "{id}: its functions have a size of {size} bytes; {} are needed",
            size_of::<T>()
        ));
    }
    Ok(())
}

/// The module of a file for cases that are about something else than loading it.
pub(crate) fn load(file: &Path) -> Result<&'static Module, Stop> {
    let entry = open(file).or_else(|_| skip("the file does not load; see load/opens"))?;
    module(entry).or_else(|_| skip("nobody can speak with it; see load/speaks-this-version"))
}

/// A component of it for cases that are about something else than its tables.
pub(crate) fn component(module: &Module, id: &str) -> Result<Component, Stop> {
    let table = components(module).into_iter().find(|table| text(table.id) == Ok(id));
    let Some(table) = table else { return skip(format!("there is no component \"{id}\"")) };
    Component::of(table).or_else(|_| skip("its tables are not whole; see descriptor/tables"))
}

//! A shared library that is a plugin: loaded, asked who it is, and never unloaded.

use std::collections::BTreeSet;
use std::ffi::{CStr, c_char};
use std::os::fd::{AsRawFd, OwnedFd};

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW, Symbol};
use rfid_abi as abi;
use serde_json::Value;

use crate::message::{ComponentInfo, Kind, ModuleInfo};

/// Keeps a library that had threads or thread-local values from being unmapped.
const RTLD_NODELETE: i32 = 0x1000;

/// Components that a module may have.
const MOST_COMPONENTS: u32 = 64;

/// A loaded plugin. Its tables are valid until this process ends.
pub(crate) struct Module {
    table: &'static abi::Module,
    pub(crate) info: ModuleInfo,
}

// SAFETY: the table is constant once the entry function has returned it, and all functions in it
// may be called from any thread by the interface, which says for each which calls may overlap.
unsafe impl Send for Module {}
// SAFETY: as above.
unsafe impl Sync for Module {}

impl Module {
    /// Loads what is in this memory, after the libraries that it brings along.
    ///
    /// # Errors
    /// A sentence that says what is wrong and what to do.
    ///
    /// # Safety
    /// The library's constructors and its entry function run in this process and can do whatever
    /// this process can.
    pub(crate) unsafe fn load<'a>(
        brings: impl IntoIterator<Item = &'a OwnedFd>,
        memory: &OwnedFd,
    ) -> Result<Self, String> {
        for library in brings {
            // SAFETY: what the caller allows.
            let library = unsafe { link(library) }
                .map_err(|said| format!("cannot be loaded: a library that it brings: {said}"))?;
            std::mem::forget(library);
        }
        // SAFETY: what the caller allows.
        let library = unsafe { link(memory) }.map_err(|said| format!("cannot be loaded: {said}"))?;
        // SAFETY: by the interface, the symbol is a function of this type.
        let entry = unsafe { library.get::<abi::Entry>(abi::SYMBOL.as_bytes()) };
        let entry: Symbol<abi::Entry> = match entry {
            Ok(entry) => entry,
            Err(_) => return Err(other_version(&library)),
        };
        // SAFETY: the function of the interface, called as it says.
        let table = unsafe { entry(u32::from(abi::MINOR)) };
        // It stays for as long as this process: a thread or a thread-local value of it may be alive.
        std::mem::forget(library);
        // SAFETY: the entry function returns null or a table that is never changed.
        let table = unsafe { table.as_ref() }.ok_or_else(|| {
            format!(
                "refuses a host that speaks ABI {}.{}; install the plugin that was built for this host",
                abi::MAJOR,
                abi::MINOR
            )
        })?;
        // SAFETY: the table is the module's own.
        let info = unsafe { describe(table)? };
        Ok(Self { table, info })
    }

    /// The module's own table.
    pub(crate) fn table(&self) -> &'static abi::Module {
        self.table
    }

    /// The functions of a component.
    pub(crate) fn component(&self, kind: Kind, id: &str) -> Option<&'static abi::Component> {
        let place = self.info.components.iter().position(|one| one.kind == kind && one.id == id)?;
        // SAFETY: `describe` went through the array and found the pointer at this place not null.
        unsafe { (*self.table.components.add(place)).as_ref() }
    }
}

/// Has the linker load what is in this memory.
///
/// *Errors*: what the linker says.
///
/// # Safety
/// The library's constructors run in this process.
unsafe fn link(memory: &OwnedFd) -> Result<Library, String> {
    let path = format!("/proc/self/fd/{}", memory.as_raw_fd());
    let flags = RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE;
    // SAFETY: what the caller allows.
    unsafe { Library::open(Some(path), flags) }.map_err(|error| said_by_the_linker(&error))
}

/// What the linker says, without the name that the library has in memory.
fn said_by_the_linker(error: &libloading::Error) -> String {
    let said = match std::error::Error::source(error) {
        Some(source) => source.to_string(),
        None => error.to_string(),
    };
    match said.split_once(": ") {
        Some((name, rest)) if name.starts_with("/proc/self/fd/") => rest.to_owned(),
        _ => said,
    }
}

/// The file is a library but has not our symbol.
fn other_version(library: &Library) -> String {
    for major in (0..=9).filter(|major| *major != abi::MAJOR) {
        let symbol = format!("rfid_plugin_module_v{major}");
        // SAFETY: the symbol is only looked up and never used.
        if unsafe { library.get::<abi::Entry>(symbol.as_bytes()) }.is_ok() {
            return format!(
                "built for ABI {major}, this host speaks {}; install the plugin that was built for this host",
                abi::MAJOR
            );
        }
    }
    format!("is not a plugin of rfid-host: it does not export {}", abi::SYMBOL)
}

/// Copies what the module says of itself, as far as it is in order.
///
/// # Safety
/// `table` is what an entry function returned.
unsafe fn describe(table: &abi::Module) -> Result<ModuleInfo, String> {
    if (table.abi_major, table.abi_minor) != (abi::MAJOR, abi::MINOR) {
        return Err(format!(
            "built for ABI {}.{}, this host speaks {}.{}; build it with the rfid_plugin.h (or rfid-plugin) of this host",
            table.abi_major,
            table.abi_minor,
            abi::MAJOR,
            abi::MINOR
        ));
    }
    at_least("rfid_module", table.struct_size, size_of::<abi::Module>())?;
    if table.read_size as usize != size_of::<abi::TagRead>() {
        return Err(format!(
            "its reads have {} bytes and not {}",
            table.read_size,
            size_of::<abi::TagRead>()
        ));
    }
    // SAFETY: the pointers of a module are null or to its own constants.
    unsafe {
        let id = text("id", table.id)?;
        if !table.required_ext.is_null() && !(*table.required_ext).is_null() {
            let wanted = text("required_ext", *table.required_ext)?;
            return Err(format!("needs \"{wanted}\" of its host, which this one does not offer"));
        }
        if table.component_count > MOST_COMPONENTS || table.components.is_null() {
            let count = table.component_count;
            return Err(format!("says that it has {count} components; 1 to {MOST_COMPONENTS} are taken"));
        }
        let mut components = Vec::new();
        let mut names = BTreeSet::new();
        for place in 0..table.component_count as usize {
            let component = *table.components.add(place);
            let component = component.as_ref().ok_or_else(|| format!("component {place} is null"))?;
            let component = describe_component(component)?;
            if !names.insert((component.kind.to_string(), component.id.clone())) {
                return Err(format!("has two of the {} \"{}\"", component.kind, component.id));
            }
            components.push(component);
        }
        Ok(ModuleInfo {
            id,
            vendor: text("vendor", table.vendor)?,
            version: text("version", table.version)?,
            built_with: text("built_with", table.built_with)?,
            isolate: table.flags & abi::MODULE_ISOLATE != 0,
            one_per_process: table.flags & abi::MODULE_ONE_PER_PROCESS != 0,
            components,
        })
    }
}

/// # Safety
/// As of [`describe`].
unsafe fn describe_component(component: &abi::Component) -> Result<ComponentInfo, String> {
    at_least("rfid_component", component.struct_size, size_of::<abi::Component>())?;
    // SAFETY: the pointers of a component are null or to the module's constants.
    let (id, description, schema, example) = unsafe {
        (
            text("id", component.id)?,
            text("description", component.description)?,
            text("config_schema", component.config_schema)?,
            text("config_example", component.config_example)?,
        )
    };
    // SAFETY: as above.
    let missing = unsafe {
        match component.kind {
            abi::COMPONENT_DRIVER => missing_of_driver(component.driver)?,
            abi::COMPONENT_SINK => missing_of_sink(component.sink)?,
            kind => return Err(format!("component \"{id}\" is of an unknown kind, {kind}")),
        }
    };
    if let Some(function) = missing {
        return Err(format!("component \"{id}\" has no function {function}"));
    }
    let schema: Value = serde_json::from_str(&schema)
        .map_err(|error| format!("the config_schema of \"{id}\" is not JSON: {error}"))?;
    if !schema.is_object() {
        return Err(format!("the config_schema of \"{id}\" is not a JSON object"));
    }
    let kind = if component.kind == abi::COMPONENT_DRIVER { Kind::Driver } else { Kind::Sink };
    let takes_late = component.flags & abi::SINK_NOT_LATE == 0;
    Ok(ComponentInfo { kind, id, description, schema, example, takes_late })
}

/// # Safety
/// The pointer is null or to a table of the module.
unsafe fn missing_of_driver(table: *const abi::Driver) -> Result<Option<&'static str>, String> {
    // SAFETY: what the caller says.
    let Some(table) = (unsafe { table.as_ref() }) else { return Ok(Some("table")) };
    at_least("rfid_driver", table.struct_size, size_of::<abi::Driver>())?;
    let there = [
        ("create", table.create.is_some()),
        ("open", table.open.is_some()),
        ("start", table.start.is_some()),
        ("read", table.read.is_some()),
        ("stop", table.stop.is_some()),
        ("cancel", table.cancel.is_some()),
        ("close", table.close.is_some()),
        ("destroy", table.destroy.is_some()),
    ];
    Ok(there.into_iter().find(|(_, is_there)| !is_there).map(|(name, _)| name))
}

/// # Safety
/// The pointer is null or to a table of the module.
unsafe fn missing_of_sink(table: *const abi::Sink) -> Result<Option<&'static str>, String> {
    // SAFETY: what the caller says.
    let Some(table) = (unsafe { table.as_ref() }) else { return Ok(Some("table")) };
    at_least("rfid_sink", table.struct_size, size_of::<abi::Sink>())?;
    let there = [
        ("create", table.create.is_some()),
        ("open", table.open.is_some()),
        ("write", table.write.is_some()),
        ("flush", table.flush.is_some()),
        ("cancel", table.cancel.is_some()),
        ("close", table.close.is_some()),
        ("destroy", table.destroy.is_some()),
    ];
    Ok(there.into_iter().find(|(_, is_there)| !is_there).map(|(name, _)| name))
}

fn at_least(name: &str, size: u32, needed: usize) -> Result<(), String> {
    if (size as usize) < needed {
        return Err(format!("its {name} has {size} bytes and not at least {needed}"));
    }
    Ok(())
}

/// # Safety
/// The pointer is null or to a terminated text that stays.
unsafe fn text(what: &str, text: *const c_char) -> Result<String, String> {
    if text.is_null() {
        return Err(format!("its {what} is null"));
    }
    // SAFETY: what the caller says.
    let text = unsafe { CStr::from_ptr(text) };
    match text.to_str() {
        Ok("") => Err(format!("its {what} is empty")),
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(format!("its {what} is not UTF-8")),
    }
}

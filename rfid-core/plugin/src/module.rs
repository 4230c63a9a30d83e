//! The tables that say what a plugin is. Made once and never freed, as the interface wants them.

use std::ffi::{CString, c_char};
use std::ptr::null;
use std::sync::OnceLock;

use rfid_abi::{Component, Driver, Error, Host, MAJOR, MINOR, Module, Sink, Status, TagRead};
use rfid_core::Description;

use crate::failure::{Failure, Outcome};
use crate::{logging, panics, runtime};

/// A module, as the macro keeps it.
pub struct Exported(*const Module);

// SAFETY: what it points to is constant.
unsafe impl Send for Exported {}
// SAFETY: as above.
unsafe impl Sync for Exported {}

impl Exported {
    /// The module of a plugin.
    pub fn new(id: &str, vendor: &str, version: &str, components: Vec<&'static Component>) -> Self {
        let built_with = concat!(env!("RFID_PLUGIN_BUILT_WITH"), ", rfid-plugin ", env!("CARGO_PKG_VERSION"));
        let components: Vec<*const Component> = components.into_iter().map(std::ptr::from_ref).collect();
        Self(constant(Module {
            struct_size: size_of::<Module>() as u32,
            abi_major: MAJOR,
            abi_minor: MINOR,
            read_size: size_of::<TagRead>() as u32,
            flags: 0,
            id: text(id),
            vendor: text(vendor),
            version: text(version),
            built_with: text(built_with),
            required_ext: null(),
            component_count: components.len() as u32,
            reserved: 0,
            components: components.leak().as_ptr(),
            init: Some(init),
            deinit: Some(deinit),
            get_extension: None,
        }))
    }
}

/// What the exported function does.
pub fn entry(
    host_abi_minor: u32,
    module: &'static OnceLock<Exported>,
    make: fn() -> Exported,
) -> *const Module {
    // While the interface is version 0, both sides must be of the same minor version.
    if host_abi_minor != u32::from(MINOR) {
        return null();
    }
    // Nothing can be said here; a host that gets nothing says that the plugin refused.
    panics::catch(|| module.get_or_init(make).0).unwrap_or(null())
}

/// The component with this description.
pub(crate) fn describe(
    description: &Description,
    kind: u32,
    flags: u32,
    driver: *const Driver,
    sink: *const Sink,
) -> &'static Component {
    constant(Component {
        struct_size: size_of::<Component>() as u32,
        kind,
        id: text(description.name),
        name: text(description.name),
        description: text(description.summary),
        config_schema: text(&description.schema.to_string()),
        config_example: text(description.example),
        flags,
        reserved: 0,
        driver,
        sink,
    })
}

/// A value that stays for ever.
pub(crate) fn constant<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// A terminated text that stays for ever.
fn text(text: &str) -> *const c_char {
    // A text with its end inside cannot be told in C, so the end is left out.
    CString::new(text.replace('\0', "")).unwrap_or_default().into_raw()
}

unsafe extern "C" fn init(host: *const Host, err: *mut Error) -> Status {
    let begin = || -> Outcome {
        // SAFETY: null or valid, as the interface says.
        let whole =
            unsafe { host.as_ref() }.is_some_and(|host| host.struct_size as usize >= size_of::<Host>());
        if !whole {
            return Err(Failure::invalid("no host, or one of another version"));
        }
        // SAFETY: the module's host is valid until `deinit`.
        unsafe { logging::MODULE.join(host) };
        logging::begin();
        runtime::runtime()?;
        Ok(Status::OK)
    };
    match panics::catch(begin).unwrap_or_else(|said| Err(Failure::panicked(&said))) {
        Ok(status) => status,
        // SAFETY: lent for this call, or null.
        Err(failure) => unsafe { failure.tell(err) },
    }
}

unsafe extern "C" fn deinit() {
    logging::MODULE.leave();
}

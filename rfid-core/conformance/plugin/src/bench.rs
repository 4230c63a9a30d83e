//! What a case finds prepared: the plugin, one component of it, and options.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rfid_abi::{Error, Status};
use rfid_core::Settings;
use serde_json::Value;

use crate::case::{Stop, fail, skip};
use crate::child::{Job, doing};
use crate::host::HostObject;
use crate::instance::{Answer, Instance};
use crate::lent::Lent;
use crate::plugin::{self, Component};
use crate::process::Footprint;

/// How long a reader or a sink's device may take to be reached where the options lead to one.
pub(crate) const REACHING: Duration = Duration::from_secs(15);

/// How long it may take where only the example's options are known.
const REACHING_EXAMPLE: Duration = Duration::from_secs(2);

/// How long `close` may take.
pub(crate) const CLOSING: Duration = Duration::from_secs(5);

/// How long one `read` waits, as in the host.
pub(crate) const READING: Duration = Duration::from_millis(250);

/// How long the first tag may take.
const FIRST_TAG: Duration = Duration::from_secs(3);

/// A loaded plugin with one component to be tried.
pub(crate) struct Bench {
    component: Component,
    options: Option<Value>,
    folder: PathBuf,
    quick: bool,
    before: Footprint,
    module: &'static rfid_abi::Module,
    hosts: AtomicU32,
}

impl Bench {
    /// Loads the plugin as the host does, and finds its component.
    pub(crate) fn new(job: &Job, before: Footprint) -> Result<Self, Stop> {
        let module = plugin::load(&job.subject.file)?;
        let id = match &job.subject.component {
            Some(id) => id.clone(),
            None => plugin::components(module)
                .first()
                .and_then(|table| plugin::text(table.id).ok())
                .unwrap_or_default()
                .to_owned(),
        };
        let component = plugin::component(module, &id)?;
        if init(module)?.is_some_and(|status| !status.is_ok()) {
            return skip("`init` of the module fails; see load/initializes");
        }
        Ok(Self {
            component,
            options: job.subject.options.clone(),
            folder: job.folder.clone(),
            quick: job.quick,
            before,
            module,
            hosts: AtomicU32::new(0),
        })
    }

    pub(crate) fn component(&self) -> &Component {
        &self.component
    }

    /// Calls `deinit` of the module, if there is one. Nothing may be called after it.
    pub(crate) fn deinit(&self) {
        if let Some(deinit) = self.module.deinit {
            doing("deinit");
            // SAFETY: called once, after every instance was destroyed.
            unsafe { deinit() };
        }
    }

    /// The process as it was before the plugin was loaded.
    pub(crate) fn before(&self) -> &Footprint {
        &self.before
    }

    pub(crate) fn has_flag(&self, flag: u32) -> bool {
        self.module.flags & flag != 0
    }

    /// The first number, or the second where the suite is to be quick.
    pub(crate) fn times(&self, thorough: u32, quick: u32) -> u32 {
        if self.quick { quick } else { thorough }
    }

    pub(crate) fn schema(&self) -> Result<Value, Stop> {
        let text = plugin::text(self.component.table.config_schema);
        match text.ok().and_then(|text| serde_json::from_str(text).ok()) {
            Some(schema) => Ok(schema),
            None => skip("there is no schema; see descriptor/schema"),
        }
    }

    /// The options of the component's own example.
    pub(crate) fn example(&self) -> Result<Value, String> {
        let text = plugin::text(self.component.table.config_example)
            .map_err(|fault| format!("the example {fault}"))?;
        let settings =
            Settings::from_toml(text).map_err(|faults| format!("the example is no TOML: {faults:?}"))?;
        Ok(settings.as_json().clone())
    }

    /// The options that were given, or the example's.
    pub(crate) fn options(&self) -> Result<Value, Stop> {
        match &self.options {
            Some(options) => Ok(options.clone()),
            None => self.example().or_else(|_| skip("there is no example; see descriptor/example")),
        }
    }

    /// Where the reader is, if the options have an address with a port.
    pub(crate) fn address(&self) -> Result<String, Stop> {
        let options = self.options()?;
        let address = options.get("address").and_then(Value::as_str).unwrap_or_default();
        match address.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(address.to_owned()),
            _ => skip("its options have no `address` with HOST:PORT"),
        }
    }

    /// The options with another address.
    pub(crate) fn options_with_address(&self, address: &str) -> Result<Value, Stop> {
        let mut options = self.options()?;
        self.address()?;
        if let Some(key) = options.get_mut("address") {
            *key = address.into();
        }
        Ok(options)
    }

    /// How long `open` is given.
    pub(crate) fn reaching(&self) -> Duration {
        if self.options.is_some() { REACHING } else { REACHING_EXAMPLE }
    }

    /// The host object of a new instance.
    pub(crate) fn host(&self, antenna_ports: &[u16]) -> &'static HostObject {
        let number = self.hosts.fetch_add(1, Ordering::Relaxed);
        let name = format!("under_test_{number}");
        let folder = self.folder.join(&name);
        HostObject::new(&name, &folder.to_string_lossy(), antenna_ports)
    }

    /// Calls `create` with these bytes.
    pub(crate) fn try_create(&self, config: &[u8]) -> (Option<Instance>, Answer) {
        Instance::create(self.component, self.host(&[]), config)
    }

    /// An instance with these options.
    pub(crate) fn create_with(&self, options: &Value) -> Result<Instance, Stop> {
        self.create_on(self.host(&[]), options)
    }

    pub(crate) fn create_on(&self, host: &'static HostObject, options: &Value) -> Result<Instance, Stop> {
        match Instance::create(self.component, host, options.to_string().as_bytes()) {
            (Some(instance), _) => Ok(instance),
            (None, answer) => skip(format!("{answer}; see descriptor/example")),
        }
    }

    pub(crate) fn create(&self) -> Result<Instance, Stop> {
        self.create_with(&self.options()?)
    }

    /// Opens an instance for a case that is about something else than opening.
    pub(crate) fn open(&self, instance: &Instance) -> Result<(), Stop> {
        let answer = instance.open(self.reaching());
        if answer.status.is_ok() {
            return Ok(());
        }
        match self.unreached(answer) {
            Err(Stop::Failed(reason)) => skip(format!("{reason}; see lifecycle/order")),
            other => other,
        }
    }

    /// What an `open` that failed means: nothing, if nobody said that the options lead anywhere.
    pub(crate) fn unreached<T>(&self, answer: Answer) -> Result<T, Stop> {
        let may_be_nobody = matches!(
            answer.status,
            Status::NOT_CONNECTED | Status::TIMEOUT | Status::IO | Status::DENIED | Status::CONFIG
        );
        if self.options.is_none() && may_be_nobody {
            return skip(format!("the example leads nowhere ({answer}); give options with --config"));
        }
        answer.ok().and_then(|answer| fail(format!("{answer}")))
    }

    /// An instance that is open.
    pub(crate) fn opened(&self) -> Result<Instance, Stop> {
        let instance = self.create()?;
        self.open(&instance)?;
        Ok(instance)
    }

    /// A driver's instance that is started.
    pub(crate) fn running(&self) -> Result<Instance, Stop> {
        self.running_on(self.create()?)
    }

    pub(crate) fn running_on(&self, instance: Instance) -> Result<Instance, Stop> {
        self.open(&instance)?;
        if !instance.start().status.is_ok() {
            return skip("`start` fails; see lifecycle/order");
        }
        Ok(instance)
    }

    /// A driver's instance that reads tags.
    pub(crate) fn reading(&self) -> Result<Instance, Stop> {
        let instance = self.running()?;
        self.first_tag(&instance)?;
        Ok(instance)
    }

    /// Waits until tags come.
    pub(crate) fn first_tag(&self, instance: &Instance) -> Result<(), Stop> {
        let lent = Lent::ordinary()?;
        let start = Instant::now();
        while start.elapsed() < FIRST_TAG {
            let delivered = lent.read(instance, READING);
            if delivered.answer.is(Status::END) {
                return skip("its source came to its end");
            }
            if !delivered.answer.status.is_ok() {
                return skip(format!("{}; see lifecycle/order", delivered.answer));
            }
            if delivered.count > 0 {
                return Ok(());
            }
        }
        skip("no tag was read; give options with --config that lead to a reader with tags before it")
    }
}

// SAFETY: the module and its tables are constant and there for ever, so threads may share them;
// all else is.
unsafe impl Sync for Bench {}

/// Calls `init` of a module, if there is one.
pub(crate) fn init(module: &rfid_abi::Module) -> Result<Option<Status>, Stop> {
    let Some(init) = module.init else { return Ok(None) };
    let host = HostObject::for_module();
    let mut error = Error::none();
    doing("init");
    // SAFETY: called once, before everything else, with pointers that are valid.
    Ok(Some(unsafe { init(host.as_ptr(), &raw mut error) }))
}

/// Something that cannot be, with what was expected.
pub(crate) fn expect(condition: bool, otherwise: impl FnOnce() -> String) -> Result<(), Stop> {
    if condition { Ok(()) } else { fail(otherwise()) }
}

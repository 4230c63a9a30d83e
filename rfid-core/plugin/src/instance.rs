//! An instance as the host holds it: a pointer, and what guards every call through it.

use std::ffi::{CStr, c_char};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use rfid_abi::{Error, Host, Status, Str};
use rfid_core::{Name, Settings};
use tokio::sync::Notify;

use crate::failure::{Failure, Outcome};
use crate::host::HostLink;
use crate::turn::Turn;
use crate::{logging, panics, runtime};

/// An instance. `T` is the driver's or the sink's part, for the one call that runs.
struct Instance<T> {
    link: Arc<Link>,
    state: Turn<T>,
}

/// What other threads may do with an instance.
pub(crate) struct Link {
    pub(crate) host: HostLink,
    cancelled: AtomicBool,
    poisoned: OnceLock<String>,
    /// Wakes the call that runs.
    wake: Notify,
}

impl Link {
    fn new() -> Self {
        Self {
            host: HostLink::none(),
            cancelled: AtomicBool::new(false),
            poisoned: OnceLock::new(),
            wake: Notify::new(),
        }
    }

    /// Nothing of this instance can be used any more.
    pub(crate) fn poison(&self, said: String) {
        // What was first is the cause.
        let _ = self.poisoned.set(said);
        self.wake.notify_one();
    }

    /// Lets calls wait again.
    pub(crate) fn forget_cancel(&self) {
        self.cancelled.store(false, Ordering::SeqCst);
    }

    /// Whether the call that runs is to end.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst) || self.poisoned.get().is_some()
    }

    /// Ends when the call that runs is to end.
    pub(crate) async fn interrupted(&self) {
        while !self.is_interrupted() {
            self.wake.notified().await;
        }
    }

    fn still_whole(&self) -> Result<(), Failure> {
        self.poisoned.get().map_or(Ok(()), |said| Err(Failure::panicked(said)))
    }
}

/// What the host says of a new instance.
pub(crate) struct Setup {
    pub(crate) link: Arc<Link>,
    pub(crate) name: Name,
    pub(crate) data_dir: PathBuf,
    pub(crate) antenna_ports: Vec<u16>,
    pub(crate) settings: Settings,
}

impl Setup {
    /// # Safety
    /// As [`create`].
    unsafe fn read(host: *const Host, config: Str) -> Result<Self, Failure> {
        // SAFETY: the caller says so.
        let there = unsafe { host.as_ref() }
            .filter(|there| there.struct_size as usize >= size_of::<Host>())
            .ok_or_else(|| Failure::invalid("no host, or one of another version"))?;
        // SAFETY: the host's lists and texts are valid as long as it is.
        let (name, data_dir, antenna_ports) = unsafe {
            let ports = slice(there.antenna_ports, there.antenna_port_count as usize)?;
            (text(there.instance)?, text(there.data_dir)?, ports.to_vec())
        };
        // SAFETY: valid during the call.
        let config = unsafe { slice(config.ptr.cast::<u8>(), config.len) }?;
        // A list would do for a struct whose fields all have defaults.
        let options: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(config)
            .map_err(|error| Failure::new(Status::CONFIG, format!("the options: {error}")))?;
        let link = Arc::new(Link::new());
        // SAFETY: the host is valid until `destroy` has returned, which makes it leave.
        unsafe { link.host.join(host) };
        Ok(Self {
            link,
            name: Name::from(name.unwrap_or("unnamed")),
            data_dir: PathBuf::from(data_dir.unwrap_or_default()),
            antenna_ports,
            settings: Settings::new(options.into()),
        })
    }
}

/// Makes an instance and gives it to the host.
///
/// # Safety
/// As the interface says of `create`: the pointers are valid for the call, and the host until
/// `destroy` has returned.
pub(crate) unsafe fn create<T>(
    host: *const Host,
    config: Str,
    out: *mut *mut rfid_abi::Instance,
    err: *mut Error,
    make: impl FnOnce(Setup) -> Result<T, Failure>,
) -> Status {
    let made = panics::catch(|| {
        // SAFETY: the caller says so.
        let Some(out) = (unsafe { out.as_mut() }) else {
            return Err(Failure::invalid("nowhere to put the instance"));
        };
        *out = std::ptr::null_mut();
        logging::begin();
        let runtime = runtime::runtime()?;
        // SAFETY: the caller says so.
        let setup = unsafe { Setup::read(host, config) }?;
        let link = Arc::clone(&setup.link);
        // What belongs to tokio wants to be made within it.
        let _runtime = runtime.enter();
        let made = logging::within(&link, || panics::catch(|| make(setup)));
        match made.unwrap_or_else(|said| Err(Failure::panicked(&said))) {
            Ok(state) => {
                *out = Box::into_raw(Box::new(Instance { link, state: Turn::new(state) })).cast();
                Ok(Status::OK)
            }
            Err(failure) => {
                link.host.leave();
                Err(failure)
            }
        }
    });
    // SAFETY: the caller says so.
    unsafe { tell(made.unwrap_or_else(|said| Err(Failure::panicked(&said))), err) }
}

/// One call of the host on an instance's own thread.
///
/// # Safety
/// `instance` is null or was made by [`create`] with this `T` and not yet destroyed; `err` as of
/// [`Failure::tell`].
pub(crate) unsafe fn call<T>(
    instance: *mut rfid_abi::Instance,
    err: *mut Error,
    body: impl FnOnce(&Arc<Link>, &mut T) -> Outcome,
) -> Status {
    // SAFETY: the caller says so.
    let outcome = match unsafe { instance.cast::<Instance<T>>().as_ref() } {
        Some(instance) => instance.run(body),
        None => Err(Failure::invalid("no instance")),
    };
    // SAFETY: the caller says so.
    unsafe { tell(outcome, err) }
}

impl<T> Instance<T> {
    /// Author's code runs in `body` only, so nothing around it panics.
    fn run(&self, body: impl FnOnce(&Arc<Link>, &mut T) -> Outcome) -> Outcome {
        self.link.still_whole()?;
        let mut state =
            self.state.take().ok_or_else(|| Failure::state("another call on this instance is running"))?;
        let work = || panics::catch(|| body(&self.link, &mut state));
        let outcome = logging::within(&self.link, work).unwrap_or_else(|said| {
            self.link.poison(said);
            Err(Failure::cancelled())
        });
        // A task or thread may have panicked meanwhile.
        self.link.still_whole()?;
        outcome
    }
}

/// Makes the call that runs on an instance return.
///
/// # Safety
/// As [`call`].
pub(crate) unsafe fn cancel<T>(instance: *mut rfid_abi::Instance) {
    // SAFETY: the caller says so.
    if let Some(instance) = unsafe { instance.cast::<Instance<T>>().as_ref() } {
        instance.link.cancelled.store(true, Ordering::SeqCst);
        // What it wakes is tokio's, and none of it is an author's code that could panic.
        instance.link.wake.notify_one();
    }
}

/// Frees an instance, whatever state it is in.
///
/// # Safety
/// As [`call`], and no other call on the instance runs or will ever come.
pub(crate) unsafe fn destroy<T>(instance: *mut rfid_abi::Instance) {
    if instance.is_null() {
        return;
    }
    // SAFETY: made by `Box::into_raw` in `create`, and this is the last use of the pointer.
    let instance = unsafe { Box::from_raw(instance.cast::<Instance<T>>()) };
    let link = Arc::clone(&instance.link);
    let free = || {
        let _runtime = runtime::runtime().map(|runtime| runtime.enter());
        drop(instance);
    };
    // A panic that is caught here was told to the log; there is nobody else to tell.
    let _ = logging::within(&link, || panics::catch(free));
    link.host.leave();
}

/// # Safety
/// As [`Failure::tell`].
unsafe fn tell(outcome: Outcome, err: *mut Error) -> Status {
    match outcome {
        Ok(status) => status,
        // SAFETY: the caller says so.
        Err(failure) => unsafe { failure.tell(err) },
    }
}

/// A list of the host's.
///
/// # Safety
/// `first` is null with a `len` of 0, or points to so many values that stay as they are for `'a`.
pub(crate) unsafe fn slice<'a, T>(first: *const T, len: usize) -> Result<&'a [T], Failure> {
    match len {
        0 => Ok(&[]),
        _ if first.is_null() || !first.is_aligned() => Err(Failure::invalid("a list that is nowhere")),
        // SAFETY: the caller says so.
        _ => Ok(unsafe { std::slice::from_raw_parts(first, len) }),
    }
}

/// A terminated text of the host's, or none.
///
/// # Safety
/// `first` is null, or points to a terminated text that stays as it is for `'a`.
unsafe fn text<'a>(first: *const c_char) -> Result<Option<&'a str>, Failure> {
    if first.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller says so.
    let text = unsafe { CStr::from_ptr(first) };
    text.to_str().map(Some).map_err(|_| Failure::invalid("a text that is not UTF-8"))
}

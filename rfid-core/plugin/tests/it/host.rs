//! A host as small as can be: calls the exported tables as a C program would.

use std::ffi::{CStr, CString, c_void};
use std::ptr::{null, null_mut};
use std::sync::Mutex;

use rfid_abi::{
    Component, Driver, Error, Host, Instance, Log, Module, ReadBuf, ReaderEvent, Status, Str, TagRead,
};

/// What the tables' functions say of themselves.
pub(crate) type Told = Result<Status, (Status, String)>;

/// The host's side of one instance. Leaked, so that pointers to it stay good wherever it is moved.
pub(crate) struct TestHost {
    raw: &'static Host,
    heard: &'static Heard,
}

/// What the plugin said.
#[derive(Default)]
struct Heard {
    lines: Mutex<Vec<String>>,
    events: Mutex<Vec<(u32, u16, u16, i32)>>,
}

impl TestHost {
    pub(crate) fn new(instance: &str) -> Self {
        let heard: &Heard = Box::leak(Box::default());
        let text = |text: &str| CString::new(text).unwrap().into_raw().cast_const();
        let raw = Box::leak(Box::new(Host {
            struct_size: size_of::<Host>() as u32,
            abi_minor: rfid_abi::MINOR,
            reserved: 0,
            ctx: std::ptr::from_ref(heard).cast_mut().cast(),
            name: text("test"),
            version: text("0"),
            get_extension: None,
            log_enabled: Some(log_enabled),
            log: Some(log),
            reader_event: Some(reader_event),
            instance: text(instance),
            data_dir: text("data"),
            antenna_ports: null(),
            antenna_port_count: 0,
            reserved2: 0,
        }));
        Self { raw, heard }
    }

    pub(crate) fn raw(&self) -> *const Host {
        self.raw
    }

    /// Lines of the log: level, target, message, fields.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.heard.lines.lock().unwrap().clone()
    }

    /// Kind, antenna, port and value of what the reader noticed.
    pub(crate) fn events(&self) -> Vec<(u32, u16, u16, i32)> {
        self.heard.events.lock().unwrap().clone()
    }
}

unsafe fn heard<'a>(host: *const Host) -> &'a Heard {
    // SAFETY: `ctx` of a test's host, which is never freed.
    unsafe { &*(*host).ctx.cast::<Heard>() }
}

unsafe fn text(text: Str) -> String {
    match text.len {
        0 => String::new(),
        // SAFETY: the plugin's, valid during the call.
        len => {
            unsafe { str::from_utf8(std::slice::from_raw_parts(text.ptr.cast(), len)) }.unwrap().to_owned()
        }
    }
}

unsafe extern "C" fn log_enabled(_: *const Host, level: i32) -> i32 {
    (level <= 3).into()
}

unsafe extern "C" fn log(host: *const Host, line: *const Log) {
    // SAFETY: the plugin's line, valid during the call.
    unsafe {
        let line = &*line;
        let mut said = format!("{} {}: {}", line.level, text(line.target), text(line.message));
        for index in 0..line.field_count as usize {
            let field = &*line.fields.add(index);
            said.push_str(&format!(" {}={}", text(field.key), text(field.value)));
        }
        heard(host).lines.lock().unwrap().push(said);
    }
}

unsafe extern "C" fn reader_event(host: *const Host, event: *const ReaderEvent) {
    // SAFETY: the plugin's event, valid during the call.
    unsafe {
        let event = &*event;
        let told = (event.kind, event.antenna, event.port, event.value);
        heard(host).events.lock().unwrap().push(told);
    }
}

/// The module that this program exports.
pub(crate) fn module() -> &'static Module {
    // SAFETY: constant, as the interface says.
    unsafe { super::rfid_plugin_module_v0(rfid_abi::MINOR.into()).as_ref() }.unwrap()
}

/// The component of this name.
pub(crate) fn component(id: &str) -> &'static Component {
    let module = module();
    (0..module.component_count as usize)
        // SAFETY: so many pointers to constants.
        .map(|index| unsafe { &**module.components.add(index) })
        // SAFETY: a constant text.
        .find(|component| unsafe { CStr::from_ptr(component.id) }.to_str() == Ok(id))
        .unwrap()
}

/// A call with room for an error.
pub(crate) fn told(call: impl FnOnce(*mut Error) -> Status) -> Told {
    let mut error = Error::none();
    let status = call(&raw mut error);
    if status.is_ok() {
        return Ok(status);
    }
    let message = error.message.iter().take(error.message_len as usize).map(|byte| *byte as u8).collect();
    assert_eq!(error.code, status.0, "the error says the status again");
    Err((status, String::from_utf8(message).unwrap()))
}

/// An instance of a driver.
pub(crate) struct Reader {
    pub(crate) host: TestHost,
    pub(crate) functions: &'static Driver,
    pub(crate) raw: *mut Instance,
}

// SAFETY: one thread has it at a time; what is called from another is `cancel`.
unsafe impl Send for Reader {}

/// What a call of `read` brought.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) reads: Vec<TagRead>,
    pub(crate) ids: Vec<Vec<u8>>,
    pub(crate) more: bool,
    pub(crate) lost: u64,
}

/// What memory is filled with that nobody may touch.
const UNTOUCHED: u8 = 0xA5;
const UNTOUCHED_WORD: u64 = u64::from_ne_bytes([UNTOUCHED; 8]);

impl Reader {
    pub(crate) fn create(driver: &str, options: &str) -> Result<Self, (Status, String)> {
        // SAFETY: the constant table of a driver.
        let functions = unsafe { component(driver).driver.as_ref() }.unwrap();
        let host = TestHost::new("door");
        let mut raw = null_mut();
        let create = functions.create.unwrap();
        // SAFETY: everything is valid, the host until `drop`.
        told(|err| unsafe { create(host.raw(), Str::new(options), &raw mut raw, err) })?;
        Ok(Self { host, functions, raw })
    }

    /// An instance whose inventory runs.
    pub(crate) fn running(options: &str) -> Self {
        let reader = Self::create("staged", options).unwrap();
        reader.open().unwrap();
        reader.start().unwrap();
        reader
    }

    pub(crate) fn open(&self) -> Told {
        // SAFETY: a living instance; so in all that follow.
        told(|err| unsafe { self.functions.open.unwrap()(self.raw, 2000, err) })
    }

    pub(crate) fn start(&self) -> Told {
        // SAFETY: as of `open`.
        told(|err| unsafe { self.functions.start.unwrap()(self.raw, err) })
    }

    pub(crate) fn stop(&self) -> Told {
        // SAFETY: as of `open`.
        told(|err| unsafe { self.functions.stop.unwrap()(self.raw, err) })
    }

    pub(crate) fn close(&self) -> Told {
        // SAFETY: as of `open`.
        told(|err| unsafe { self.functions.close.unwrap()(self.raw, 2000, err) })
    }

    pub(crate) fn extension<T>(&self, id: &CStr) -> Option<&'static T> {
        // SAFETY: the id names a table of this type.
        unsafe { self.functions.get_extension.unwrap()(self.raw, id.as_ptr()).cast::<T>().as_ref() }
    }

    /// One call of `read`; `Err` as the call says, with what it delivered all the same.
    pub(crate) fn read(&self, capacity: u32, timeout_ms: u32) -> (Told, Batch) {
        self.read_into(capacity, 64, 4096, timeout_ms)
    }

    pub(crate) fn read_into(
        &self,
        capacity: u32,
        stride: u32,
        aux_capacity: u32,
        timeout_ms: u32,
    ) -> (Told, Batch) {
        let mut lent = Lent::new(capacity, stride, aux_capacity);
        let told = self.read_lent(&mut lent, timeout_ms);
        (told, lent.batch())
    }

    /// The same into memory that may have been used before.
    pub(crate) fn read_lent(&self, lent: &mut Lent, timeout_ms: u32) -> Told {
        let buf = &raw mut lent.buf;
        // SAFETY: as of `open`; the memory is as large as it says.
        told(|err| unsafe { self.functions.read.unwrap()(self.raw, buf, timeout_ms, err) })
    }

    /// Cancels what runs, from any thread.
    pub(crate) fn canceller(&self) -> impl FnOnce() + Send + use<> {
        let (cancel, instance) = (self.functions.cancel.unwrap(), self.raw as usize);
        // SAFETY: the instance lives until the tests have joined whoever calls this.
        move || unsafe { cancel(instance as *mut Instance) }
    }
}

/// Memory that is lent, with one record and one byte more than is said, to see that nobody touches
/// them.
pub(crate) struct Lent {
    buf: ReadBuf,
    /// Words, so that records are aligned.
    memory: Vec<u64>,
    aux: Vec<u8>,
}

impl Lent {
    pub(crate) fn new(capacity: u32, stride: u32, aux_capacity: u32) -> Self {
        let mut memory = vec![UNTOUCHED_WORD; (capacity as usize + 1) * stride as usize / 8];
        let mut aux = vec![UNTOUCHED; aux_capacity as usize + 1];
        let buf = ReadBuf {
            struct_size: size_of::<ReadBuf>() as u32,
            stride,
            reads: if capacity == 0 { null_mut() } else { memory.as_mut_ptr().cast() },
            capacity,
            count: 9,
            aux: aux.as_mut_ptr(),
            aux_capacity,
            aux_len: 9,
            lost: 9,
            flags: 9,
            reserved: 0,
        };
        Self { buf, memory, aux }
    }

    /// What is there now, having seen that nothing else was touched since it was new.
    fn batch(&self) -> Batch {
        let Self { buf, memory, aux } = self;
        assert!(buf.count <= buf.capacity && buf.aux_len <= buf.aux_capacity);
        assert!(aux[buf.aux_len as usize..].iter().all(|byte| *byte == UNTOUCHED));
        let words = buf.stride as usize / 8;
        let (written, rest) = memory.split_at(buf.count as usize * words);
        assert!(rest.iter().all(|word| *word == UNTOUCHED_WORD));
        let (mut reads, mut ids) = (Vec::new(), Vec::new());
        for record in written.chunks_exact(words) {
            assert!(record[8..].iter().all(|word| *word == UNTOUCHED_WORD), "within the stride");
            // SAFETY: 64 aligned bytes, and any bytes are a record.
            let read = unsafe { record.as_ptr().cast::<TagRead>().read() };
            reads.push(read);
            ids.push(id_of(&read, aux));
        }
        Batch { reads, ids, more: buf.flags & rfid_abi::READ_MORE != 0, lost: buf.lost }
    }
}

fn id_of(read: &TagRead, aux: &[u8]) -> Vec<u8> {
    if read.id_len > 0 {
        return read.id[..read.id_len.into()].to_vec();
    }
    let item = &aux[read.aux_off as usize..][..read.aux_len.into()];
    assert_eq!(item[..2], rfid_abi::AUX_ID.to_ne_bytes());
    assert_eq!(item[2..4], (read.aux_len - 4).to_ne_bytes());
    item[4..].to_vec()
}

impl Drop for Reader {
    fn drop(&mut self) {
        // SAFETY: the last call.
        unsafe { self.functions.destroy.unwrap()(self.raw) };
    }
}

/// Begins the module with a host of its own, as hosts do before the first instance.
pub(crate) fn init(host: &TestHost) -> Told {
    // SAFETY: the host lives until `deinit`.
    told(|err| unsafe { module().init.unwrap()(host.raw(), err) })
}

pub(crate) fn deinit() {
    // SAFETY: no other call runs.
    unsafe { module().deinit.unwrap()() };
}

/// A pointer that a table has, as text.
pub(crate) fn constant(text: *const std::ffi::c_char) -> &'static str {
    // SAFETY: a constant text.
    unsafe { CStr::from_ptr(text) }.to_str().unwrap()
}

/// Never there.
pub(crate) const UNKNOWN: &CStr = c"rfid.never-there/1";

/// What an unknown extension is.
pub(crate) type Nothing = c_void;

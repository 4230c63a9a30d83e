//! Memory that is lent to a plugin, laid out so that whoever leaves it is caught.

use std::ffi::c_void;
use std::ptr;
use std::time::Duration;

use rfid_abi::{READ_MORE, ReadBuf, TagRead};
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect};

use crate::case::{Stop, fail};
use crate::instance::{Answer, Instance};

/// Pages of every machine that the host runs on are this long or a divisor of it.
pub(crate) const PAGE: usize = 65_536;

/// What unused bytes hold.
const FILL: u8 = 0xA5;

/// Whole pages between two that nobody may touch. They stay mapped until the process ends: a plugin
/// that keeps an address is caught by the case about that, and not by each of the others.
#[derive(Debug)]
pub(crate) struct Pages {
    base: *mut u8,
    len: usize,
}

impl Pages {
    /// At least so many bytes, filled.
    pub(crate) fn new(bytes: usize) -> Result<Self, Stop> {
        let len = bytes.max(1).next_multiple_of(PAGE);
        // SAFETY: a new mapping where the system likes overlaps nothing.
        let all =
            unsafe { mmap_anonymous(ptr::null_mut(), len + 2 * PAGE, ProtFlags::empty(), MapFlags::PRIVATE) };
        let Ok(all) = all else { return fail("there is no memory for the suite itself") };
        let pages = Self { base: all.cast::<u8>().wrapping_add(PAGE), len };
        pages.protect(0, len, MprotectFlags::READ | MprotectFlags::WRITE)?;
        // SAFETY: these bytes are mapped, writable and nobody else's.
        unsafe { pages.base.write_bytes(FILL, len) };
        Ok(pages)
    }

    pub(crate) fn base(&self) -> *mut u8 {
        self.base
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Where so many bytes begin that end with the last page.
    pub(crate) fn before_end(&self, bytes: usize) -> *mut u8 {
        self.base.wrapping_add(self.len - bytes)
    }

    /// From now on whoever writes here ends the process.
    pub(crate) fn make_read_only(&self) -> Result<(), Stop> {
        self.protect(0, self.len, MprotectFlags::READ)
    }

    /// From now on whoever touches this ends the process.
    pub(crate) fn take_away(&self) -> Result<(), Stop> {
        self.protect(0, self.len, MprotectFlags::empty())
    }

    /// The same for one page only.
    pub(crate) fn take_page_away(&self, offset: usize) -> Result<(), Stop> {
        self.protect(offset, PAGE, MprotectFlags::empty())
    }

    /// As new.
    pub(crate) fn give_back(&self) -> Result<(), Stop> {
        self.protect(0, self.len, MprotectFlags::READ | MprotectFlags::WRITE)
    }

    fn protect(&self, from: usize, len: usize, how: MprotectFlags) -> Result<(), Stop> {
        let start = self.base.wrapping_add(from).cast::<c_void>();
        // SAFETY: the range is inside of this mapping, to which no reference of ours exists.
        match unsafe { mprotect(start, len, how) } {
            Ok(()) => Ok(()),
            Err(error) => fail(format!("the suite cannot protect its memory: {error}")),
        }
    }

    /// Whether so many bytes from `offset` still hold what they were filled with.
    pub(crate) fn untouched(&self, offset: usize, bytes: usize) -> bool {
        debug_assert!(offset + bytes <= self.len);
        // SAFETY: in range, readable, and nobody writes while no call runs.
        (offset..offset + bytes).all(|at| unsafe { self.base.add(at).read_volatile() } == FILL)
    }
}

/// Where records lie in their pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edge {
    /// The first record begins with a page, behind one that nobody may touch.
    Start,
    /// The last one ends with a page, before one that nobody may touch.
    End,
    /// Far from both: what goes wrong there is another case's matter.
    Neither,
}

/// A buffer for reads.
#[derive(Debug)]
pub(crate) struct Lent {
    pages: Pages,
    aux: Pages,
    aux_capacity: u32,
    first: usize,
    stride: usize,
    capacity: u32,
}

/// What a call of `read` delivered.
#[derive(Debug)]
pub(crate) struct Delivered {
    pub(crate) answer: Answer,
    /// None if they cannot all fit.
    pub(crate) reads: Vec<TagRead>,
    /// How many the plugin says there are.
    pub(crate) count: u32,
    pub(crate) aux: Vec<u8>,
    pub(crate) aux_len: u32,
    pub(crate) lost: u64,
    pub(crate) more: bool,
}

impl Lent {
    /// An ordinary buffer.
    pub(crate) fn ordinary() -> Result<Self, Stop> {
        Self::new(256, size_of::<TagRead>(), Edge::Neither, 16_384)
    }

    pub(crate) fn new(capacity: u32, stride: usize, edge: Edge, aux_capacity: u32) -> Result<Self, Stop> {
        let bytes = capacity as usize * stride;
        let room = match edge {
            Edge::Start | Edge::End => bytes,
            Edge::Neither => bytes * 2 + 4 * PAGE,
        };
        let pages = Pages::new(room)?;
        let first = match edge {
            Edge::Start => 0,
            Edge::End => pages.len() - bytes,
            Edge::Neither => PAGE,
        };
        let aux = Pages::new(aux_capacity as usize)?;
        Ok(Self { pages, aux, aux_capacity, first, stride, capacity })
    }

    /// Records far from one another, each before a page that nobody may touch.
    pub(crate) fn islands(capacity: u32) -> Result<Self, Stop> {
        let stride = 2 * PAGE;
        let record = size_of::<TagRead>();
        // One more than there are, for those whose fault is to write one more.
        let pages = Pages::new((capacity as usize + 1) * stride)?;
        for index in 0..capacity as usize {
            pages.take_page_away(index * stride + PAGE)?;
        }
        let aux = Pages::new(1)?;
        Ok(Self { pages, aux, aux_capacity: 4_096, first: PAGE - record, stride, capacity })
    }

    /// Lends it for one call.
    pub(crate) fn read(&self, instance: &Instance, limit: Duration) -> Delivered {
        let mut buf = self.buf();
        let answer = instance.read(&mut buf, limit);
        self.delivered(answer, &buf)
    }

    fn buf(&self) -> ReadBuf {
        let none = self.capacity == 0;
        ReadBuf {
            struct_size: size_of::<ReadBuf>() as u32,
            stride: self.stride as u32,
            reads: if none { ptr::null_mut() } else { self.pages.base().wrapping_add(self.first).cast() },
            capacity: self.capacity,
            count: 0,
            aux: self.aux.before_end(self.aux_capacity as usize),
            aux_capacity: self.aux_capacity,
            aux_len: 0,
            lost: 0,
            flags: 0,
            reserved: 0,
        }
    }

    fn delivered(&self, answer: Answer, buf: &ReadBuf) -> Delivered {
        // A count that cannot be says nothing about what is there.
        let there = if answer.status.is_ok() && buf.count <= self.capacity { buf.count } else { 0 };
        let reads = (0..there as usize)
            .map(|index| {
                let record = self.pages.base().wrapping_add(self.first + index * self.stride);
                // SAFETY: record `index` lies within the buffer; strides and beginnings are
                // multiples of 8; any bytes are a record.
                unsafe { record.cast::<TagRead>().read() }
            })
            .collect();
        let aux_there = if answer.status.is_ok() { buf.aux_len.min(self.aux_capacity) as usize } else { 0 };
        let start = self.aux.before_end(self.aux_capacity as usize);
        // SAFETY: within the side area, and filled since it was made.
        let aux = unsafe { std::slice::from_raw_parts(start, aux_there) }.to_vec();
        Delivered {
            answer,
            reads,
            count: buf.count,
            aux,
            aux_len: buf.aux_len,
            lost: buf.lost,
            more: buf.flags & READ_MORE != 0,
        }
    }

    /// Whether nobody wrote between records, of which `count` are there, or behind the last.
    pub(crate) fn gaps_untouched(&self, count: u32) -> bool {
        let record = size_of::<TagRead>();
        (0..self.capacity.min(count) as usize).all(|index| {
            let gap = self.first + index * self.stride + record;
            self.pages.untouched(gap, self.stride - record)
        })
    }

    /// From now on whoever touches it ends the process.
    pub(crate) fn take_away(&self) -> Result<(), Stop> {
        self.pages.take_away()?;
        self.aux.take_away()
    }

    pub(crate) fn give_back(&self) -> Result<(), Stop> {
        self.pages.give_back()?;
        self.aux.give_back()
    }
}

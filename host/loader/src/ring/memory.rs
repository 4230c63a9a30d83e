//! The memory of a ring, and the words in it by which its ends know of each other.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicU32, AtomicU64, fence};
use std::time::Duration;

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::mm::{MapFlags, ProtFlags};
use rustix::thread::futex;

use super::{SLOT, SLOTS, Slot, place};

/// Where the slots begin: behind a page with the words of both ends.
const SLOTS_AT: usize = 4_096;
const BYTES: usize = SLOTS_AT + SLOTS as usize * SLOT;

/// A mapping of a ring's memory. Whoever has it may use what is safe here, from any thread.
#[derive(Debug)]
pub(crate) struct Memory(NonNull<u8>);

// SAFETY: a mapping belongs to no thread; what is safe to call on it goes over atomics.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

/// The words of both ends, on cache lines of their own.
#[repr(C)]
struct Words {
    published: Apart<Published>,
    /// How far the host has copied.
    taken: Apart<AtomicU64>,
    /// 1 while the host waits to be told of reads.
    host_waits: Apart<AtomicU32>,
    /// 1 while the instance waits for room.
    instance_waits: Apart<AtomicU32>,
}

#[repr(C, align(128))]
struct Apart<T>(T);

#[repr(C)]
struct Published {
    /// How far the instance has come.
    cursor: AtomicU64,
    /// Where it went on when it last found the ring empty and left out what was left of the lap.
    restart: AtomicU64,
    /// What the reader has noticed so far, in number.
    said: AtomicU64,
}

const _: () = assert!(size_of::<Words>() <= SLOTS_AT);

impl Memory {
    /// Memory for a new ring, and the descriptor by which another process maps it as well.
    pub(crate) fn new() -> io::Result<(OwnedFd, Self)> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let memory = rustix::fs::memfd_create("reads", flags)?;
        rustix::fs::ftruncate(&memory, BYTES as u64)?;
        // Where the memory ends at another place than where it was mapped to, a look at it kills.
        let seals = SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
        rustix::fs::fcntl_add_seals(&memory, seals)?;
        let mapped = Self::map(&memory)?;
        Ok((memory, mapped))
    }

    /// Maps what another process made by [`Memory::new`].
    pub(crate) fn map(memory: impl AsFd) -> io::Result<Self> {
        let (access, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        // SAFETY: the kernel chooses a place where nothing is.
        let at = unsafe { rustix::mm::mmap(ptr::null_mut(), BYTES, access, flags, memory, 0) }?;
        let at = NonNull::new(at.cast()).ok_or_else(|| io::Error::other("mapped nowhere"))?;
        Ok(Self(at))
    }

    fn words(&self) -> &Words {
        // SAFETY: mapped and aligned for as long as `self` lives; atomics only, for which every
        // pattern of bits is one and which others may write.
        unsafe { self.0.cast::<Words>().as_ref() }
    }

    /// The slot where a cursor stands, for whose turn it is to write there.
    pub(super) fn slot(&self, cursor: u64) -> NonNull<u8> {
        // SAFETY: a place is less than the number of slots, so this is within the mapping.
        unsafe { self.0.add(SLOTS_AT + place(cursor) as usize * SLOT) }
    }

    fn words_at(&self, cursor: u64) -> &[AtomicU64; 8] {
        // SAFETY: a slot is within the mapping, aligned and as long; atomics as in `words`.
        unsafe { self.slot(cursor).cast().as_ref() }
    }

    /// A copy of a slot, whoever writes there meanwhile.
    #[inline]
    pub(super) fn copy_of(&self, cursor: u64) -> Slot {
        Slot(self.words_at(cursor).each_ref().map(|word| word.load(Relaxed)))
    }

    /// The signal of a record where it lies, in hundredths of a dBm.
    #[cfg(feature = "boundary")]
    #[inline]
    pub(super) fn rssi_at(&self, cursor: u64) -> i16 {
        const AT: usize = std::mem::offset_of!(rfid_abi::TagRead, rssi_cdbm);
        let [_, _, _, _, _, _, word, _] = self.words_at(cursor);
        let bytes = word.load(Relaxed).to_ne_bytes();
        i16::from_ne_bytes([bytes[AT % 8], bytes[AT % 8 + 1]])
    }

    pub(super) fn put(&self, cursor: u64, slot: Slot) {
        self.words_at(cursor).iter().zip(slot.0).for_each(|(to, word)| to.store(word, Relaxed));
    }

    /// How far the instance has come.
    pub(crate) fn published(&self) -> u64 {
        self.words().published.0.cursor.load(Acquire)
    }

    pub(super) fn publish(&self, cursor: u64) {
        self.words().published.0.cursor.store(cursor, Release);
    }

    pub(super) fn restart(&self) -> u64 {
        self.words().published.0.restart.load(Relaxed)
    }

    /// Goes with the next [`Memory::publish`].
    pub(super) fn set_restart(&self, cursor: u64) {
        self.words().published.0.restart.store(cursor, Relaxed);
    }

    /// Takes note that the reader noticed something, and that it is on its way.
    pub(crate) fn note_said(&self) {
        self.words().published.0.said.fetch_add(1, Release);
    }

    pub(super) fn said(&self) -> u64 {
        self.words().published.0.said.load(Acquire)
    }

    pub(super) fn taken(&self) -> u64 {
        self.words().taken.0.load(Acquire)
    }

    pub(super) fn set_taken(&self, cursor: u64) {
        self.words().taken.0.store(cursor, Release);
    }

    /// The host waits, unless it finds something at one more look.
    pub(super) fn host_waits(&self) {
        self.words().host_waits.0.store(1, Relaxed);
        fence(SeqCst);
    }

    /// Whether the host waits to be told of what was published just now. It is asked once.
    pub(super) fn is_host_to_be_told(&self) -> bool {
        let waits = &self.words().host_waits.0;
        fence(SeqCst);
        waits.load(Relaxed) != 0 && waits.swap(0, Relaxed) != 0
    }

    /// The instance waits, unless it finds something at one more look.
    pub(super) fn instance_waits(&self) {
        self.words().instance_waits.0.store(1, Relaxed);
        fence(SeqCst);
    }

    /// Waits as said before, and not if it was woken since.
    pub(super) fn wait(&self, limit: Duration) {
        let waits = &self.words().instance_waits.0;
        let limit = futex::Timespec { tv_sec: limit.as_secs() as i64, tv_nsec: limit.subsec_nanos().into() };
        // Whatever ends it, the instance looks again.
        let _ = futex::wait(waits, futex::Flags::empty(), 1, Some(&limit));
        waits.store(0, Relaxed);
    }

    pub(super) fn does_instance_wait(&self) -> bool {
        fence(SeqCst);
        self.words().instance_waits.0.load(Relaxed) != 0
    }

    /// Wakes the instance if it waits for room: there is some, or something else for it to do.
    pub(crate) fn wake_instance(&self) {
        let waits = &self.words().instance_waits.0;
        if self.does_instance_wait() && waits.swap(0, Relaxed) != 0 {
            // Of a mapping that is there nothing is wrong.
            let _ = futex::wake(waits, futex::Flags::empty(), 1);
        }
    }

    /// Writes over the memory, as a plugin may at any time: how far it has published, where it went
    /// on, and the slots.
    #[allow(dead_code, reason = "for tests and the fuzz target, which takes this module in as it is")]
    pub(crate) fn write_over(&self, published: u64, restart: u64, slots: &[u8]) {
        for (cursor, bytes) in (0..SLOTS).zip(slots.chunks(SLOT)) {
            let mut slot = Slot::default();
            for (word, bytes) in slot.0.iter_mut().zip(bytes.chunks(8)) {
                *word = bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
            }
            self.put(cursor, slot);
        }
        self.set_restart(restart);
        self.publish(published);
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: mapped by `map` with this length; with the last owner goes the last use.
        let _ = unsafe { rustix::mm::munmap(self.0.as_ptr().cast(), BYTES) };
    }
}

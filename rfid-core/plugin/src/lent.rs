//! Memory that the host lends for one call of `read`.

use rfid_abi::{AUX_ID, READ_MORE, ReadBuf, TagRead};
use rfid_core::TagRead as Record;

use crate::failure::Failure;

/// Bytes of an item of the side area before its content.
const ITEM_HEAD: usize = 4;
/// Where a record says how long its items are (`u16`) and where they begin (`u32`).
const AUX_PLACE: usize = 58;
/// Bytes of a record.
const RECORD: usize = size_of::<TagRead>();
/// Records that are copied at once where the host's lie side by side. The C library leaves longer copies to
/// an instruction of the processor that is slower than its own loop, and slows down the look after it.
const PIECE: usize = 16;
const _: () = assert!(size_of::<Record>() == RECORD);

/// A host's buffer. Records that fit are written to it, and nothing is read from it.
pub(crate) struct Lent<'a> {
    buf: &'a mut ReadBuf,
}

/// Whether the host's memory took a read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Room {
    Taken,
    /// Not any more in this call.
    Used,
    /// Not even in an empty buffer.
    Never,
}

impl<'a> Lent<'a> {
    /// An empty buffer of the host's.
    ///
    /// # Safety
    /// `buf` is null or lent by the host for `'a`, with as much memory behind it as it says.
    pub(crate) unsafe fn new(buf: *mut ReadBuf) -> Result<Self, Failure> {
        // SAFETY: the caller says so.
        let buf = unsafe { buf.as_mut() }
            .filter(|buf| buf.struct_size as usize >= size_of::<ReadBuf>())
            .ok_or_else(|| Failure::invalid("no buffer, or one of another version"))?;
        (buf.count, buf.aux_len, buf.lost, buf.flags) = (0, 0, 0, 0);
        let stride = buf.stride as usize;
        if buf.capacity > 0
            && (buf.reads.is_null() || stride < size_of::<TagRead>() || !stride.is_multiple_of(8))
        {
            return Err(Failure::invalid(format!("a buffer with records of {stride} bytes, or nowhere")));
        }
        if buf.aux_capacity > 0 && buf.aux.is_null() {
            return Err(Failure::invalid("a side area that is nowhere"));
        }
        Ok(Self { buf })
    }

    pub(crate) fn capacity(&self) -> u32 {
        self.buf.capacity
    }

    pub(crate) fn count(&self) -> u32 {
        self.buf.count
    }

    pub(crate) fn add_lost(&mut self, reads: u64) {
        self.buf.lost = self.buf.lost.saturating_add(reads);
    }

    pub(crate) fn say_more(&mut self) {
        self.buf.flags |= READ_MORE;
    }

    /// How many more records fit.
    pub(crate) fn room(&self) -> usize {
        self.buf.capacity.saturating_sub(self.buf.count) as usize
    }

    /// Writes records that hold their ids themselves behind those that are there, as far as they fit.
    /// Returns how many.
    pub(crate) fn push_records(&mut self, records: &[Record]) -> usize {
        let taken = records.len().min(self.room());
        let (at, stride) = (self.buf.count as usize, self.buf.stride as usize);
        let in_a_piece = if stride == RECORD { PIECE } else { 1 };
        let records = records.get(..taken).unwrap_or_default();
        for (number, piece) in records.chunks(in_a_piece).enumerate() {
            // SAFETY: the records from number `at` to `at + taken` are within the capacity, and the stride is at
            // least as long as a record, which lies in memory as it crosses and has no padding; the
            // host's memory is its own, so it does not overlap this one.
            unsafe {
                let place = self.buf.reads.cast::<u8>().add((at + number * in_a_piece) * stride);
                place.copy_from_nonoverlapping(piece.as_ptr().cast(), size_of_val(piece));
            }
        }
        self.buf.count += taken as u32;
        taken
    }

    /// Writes a read whose id does not fit into its record behind those that are there.
    pub(crate) fn push(&mut self, read: &Record, id: &[u8]) -> Room {
        if self.room() == 0 {
            return Room::Used;
        }
        let mut record = read.to_bytes();
        let room = self.push_id(id, &mut record);
        if room == Room::Taken {
            let at = self.buf.count as usize * self.buf.stride as usize;
            // SAFETY: as of `push_records`, for one.
            unsafe {
                let place = self.buf.reads.cast::<u8>().add(at);
                place.copy_from_nonoverlapping(record.as_ptr(), RECORD);
            }
            self.buf.count += 1;
        }
        room
    }

    /// Writes an id to the side area, and into the record where it is.
    fn push_id(&mut self, id: &[u8], record: &mut [u8; 64]) -> Room {
        let (at, len) = (self.buf.aux_len, ITEM_HEAD + id.len());
        if len > self.buf.aux_capacity as usize {
            return Room::Never;
        }
        if len > (self.buf.aux_capacity - at) as usize {
            return Room::Used;
        }
        let ([type_0, type_1], [len_0, len_1]) = (AUX_ID.to_ne_bytes(), (id.len() as u16).to_ne_bytes());
        self.append(&[type_0, type_1, len_0, len_1]);
        self.append(id);
        record[AUX_PLACE..AUX_PLACE + 2].copy_from_slice(&(len as u16).to_ne_bytes());
        record[AUX_PLACE + 2..].copy_from_slice(&at.to_ne_bytes());
        Room::Taken
    }

    /// Writes to the side area what fits in it.
    fn append(&mut self, bytes: &[u8]) {
        let left = self.buf.aux_capacity - self.buf.aux_len;
        let len = bytes.len().min(left as usize);
        // SAFETY: `len` bytes from `aux_len` on are within the side area and within `bytes`; the host's
        // memory is its own.
        unsafe { self.buf.aux.add(self.buf.aux_len as usize).copy_from_nonoverlapping(bytes.as_ptr(), len) };
        self.buf.aux_len += len as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rfid_core::TagIdKind;

    #[test]
    fn records_come_whole_and_in_order_however_many_and_however_far_apart() {
        let most = 3 * PIECE + 1;
        for stride in [RECORD, RECORD + 8] {
            for count in [0, 1, PIECE - 1, PIECE, PIECE + 1, most] {
                let mut reads = rfid_core::ReadBuf::with_capacity(most);
                for number in 0..count as u16 {
                    reads.record(TagIdKind::Epc, &number.to_be_bytes()).unwrap();
                }
                let untouched = 0xEE;
                // In words, as records are aligned like those.
                let mut memory = vec![u64::from_ne_bytes([untouched; 8]); (most + 1) * stride / 8];
                let mut buf = ReadBuf {
                    struct_size: size_of::<ReadBuf>() as u32,
                    stride: stride as u32,
                    reads: memory.as_mut_ptr().cast(),
                    capacity: most as u32,
                    count: 0,
                    aux: std::ptr::null_mut(),
                    aux_capacity: 0,
                    aux_len: 0,
                    lost: 0,
                    flags: 0,
                    reserved: 0,
                };
                // SAFETY: as much memory as it says, which nobody else uses meanwhile.
                let mut lent = unsafe { Lent::new(&raw mut buf) }.unwrap();
                // One goes ahead, so that the others begin behind something.
                let ahead = lent.push_records(reads.inline_records(0, 1));
                assert_eq!(ahead + lent.push_records(reads.inline_records(ahead, most)), count);
                assert_eq!(buf.count as usize, count);
                let bytes: Vec<u8> = memory.iter().flat_map(|word| word.to_ne_bytes()).collect();
                let (there, behind) = bytes.split_at(count * stride);
                for (record, read) in there.chunks(stride).zip(reads.iter()) {
                    assert_eq!(record[..RECORD], read.read.to_bytes());
                    assert!(record[RECORD..].iter().all(|byte| *byte == untouched));
                }
                assert!(behind.iter().all(|byte| *byte == untouched));
            }
        }
    }
}

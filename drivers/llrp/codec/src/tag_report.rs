//! Tags out of a report, read where they lie.
//!
//! A busy reader sends thousands of tags a second, and each of them passes here, so nothing is
//! copied but numbers and nothing is allocated. Reading is lenient: of a tag whose report is
//! damaged everything is kept that stands before the damage, as long as its EPC does. Who wants a
//! report to be judged decodes it as a [`Message`](crate::Message) in strict mode.

use crate::impinj;
use crate::message::ROAccessReport;
use crate::parameter::tv_octets;
use crate::recall::Members;
use crate::{Fault, FaultKind, Frame, HEADER_OCTETS};

const TAG_REPORT_DATA: u16 = 240;
const EPC_DATA: u16 = 241;
const CUSTOM: u16 = 1023;

/// The octets of an EPC, and how many bits it has.
type Epc<'a> = (&'a [u8], u16);

/// One TagReportData: what it says of a tag.
#[derive(Clone, Copy, Debug)]
pub struct TagReport<'a> {
    body: &'a [u8],
    epc: &'a [u8],
    /// From the first result of an operation on; other parameters may stand between and behind.
    results: &'a [u8],
    pub(crate) first_seen: u64,
    pub(crate) last_seen: u64,
    pub(crate) ro_spec_id: u32,
    pub(crate) access_spec_id: u32,
    pub(crate) members: Members,
    skipped: u32,
    epc_bits: u16,
    pub(crate) antenna_id: u16,
    pub(crate) channel_index: u16,
    tag_seen_count: u16,
    pub(crate) spec_index: u16,
    pub(crate) inventory_parameter_spec_id: u16,
    pc: u16,
    crc: u16,
    xpc: [u16; 2],
    phase: u16,
    rssi: i16,
    doppler: i16,
    pub(crate) peak_rssi: i8,
}

/// Values that are there if the report, or the memory of an earlier one, has them.
macro_rules! members {
    ($($(#[$meta:meta])* $name:ident: $type:ty, $field:ident, $member:ident;)*) => { $(
        $(#[$meta])*
        #[inline]
        pub fn $name(&self) -> Option<$type> {
            self.members.contains(Members::$member).then_some(self.$field)
        }
    )* };
}

impl<'a> TagReport<'a> {
    const BLANK: Self = Self {
        body: &[],
        epc: &[],
        results: &[],
        first_seen: 0,
        last_seen: 0,
        ro_spec_id: 0,
        access_spec_id: 0,
        members: Members::NONE,
        skipped: 0,
        epc_bits: 0,
        antenna_id: 0,
        channel_index: 0,
        tag_seen_count: 0,
        spec_index: 0,
        inventory_parameter_spec_id: 0,
        pc: 0,
        crc: 0,
        xpc: [0; 2],
        phase: 0,
        rssi: 0,
        doppler: 0,
        peak_rssi: 0,
    };

    /// The EPC, its last octet filled up where it has no whole number of them. An EPC may be empty.
    #[inline]
    pub fn epc(&self) -> &'a [u8] {
        self.epc
    }

    /// How long the EPC is.
    #[inline]
    pub fn epc_bits(&self) -> u16 {
        self.epc_bits
    }

    /// What the report says.
    #[inline]
    pub fn members(&self) -> Members {
        self.members
    }

    members! {
        /// ROSpec that saw the tag.
        ro_spec_id: u32, ro_spec_id, RO_SPEC_ID;
        /// Number of the AISpec in it.
        spec_index: u16, spec_index, SPEC_INDEX;
        /// InventoryParameterSpec in that.
        inventory_parameter_spec_id: u16, inventory_parameter_spec_id, INVENTORY_PARAMETER_SPEC_ID;
        /// Antenna, counted from 1.
        antenna_id: u16, antenna_id, ANTENNA_ID;
        /// Strongest signal in dBm.
        peak_rssi: i8, peak_rssi, PEAK_RSSI;
        /// Channel, counted from 1, in the reader's list of frequencies.
        channel_index: u16, channel_index, CHANNEL_INDEX;
        /// How many sightings this stands for.
        tag_seen_count: u16, tag_seen_count, TAG_SEEN_COUNT;
        /// AccessSpec that was executed; 0 is none.
        access_spec_id: u32, access_spec_id, ACCESS_SPEC_ID;
        /// Protocol control word.
        pc: u16, pc, PC;
        /// Check code of the EPC memory.
        crc: u16, crc, CRC;
        /// Phase of the tag's answer as an Impinj reader reports it; 4096 are one turn.
        phase: u16, phase, PHASE;
        /// Strongest signal in hundredths of a dBm as an Impinj reader reports it.
        rssi_cdbm: i16, rssi, RSSI_CDBM;
        /// Doppler frequency as an Impinj reader reports it, Hz × 16.
        doppler: i16, doppler, DOPPLER;
    }

    /// First and second word of the extended protocol control.
    pub fn xpc(&self) -> [Option<u16>; 2] {
        let [first, second] = self.xpc;
        [
            self.members.contains(Members::XPC_W1).then_some(first),
            self.members.contains(Members::XPC_W2).then_some(second),
        ]
    }

    /// When the tag was seen first, in microseconds since 1970.
    #[inline]
    pub fn first_seen_utc(&self) -> Option<u64> {
        self.time(Members::FIRST_SEEN, Members::FIRST_SEEN_IS_UPTIME, false, self.first_seen)
    }

    /// When the tag was seen first, in microseconds since the reader was started.
    #[inline]
    pub fn first_seen_uptime(&self) -> Option<u64> {
        self.time(Members::FIRST_SEEN, Members::FIRST_SEEN_IS_UPTIME, true, self.first_seen)
    }

    /// When the tag was seen last, in microseconds since 1970.
    #[inline]
    pub fn last_seen_utc(&self) -> Option<u64> {
        self.time(Members::LAST_SEEN, Members::LAST_SEEN_IS_UPTIME, false, self.last_seen)
    }

    /// When the tag was seen last, in microseconds since the reader was started.
    #[inline]
    pub fn last_seen_uptime(&self) -> Option<u64> {
        self.time(Members::LAST_SEEN, Members::LAST_SEEN_IS_UPTIME, true, self.last_seen)
    }

    #[inline]
    fn time(&self, member: Members, uptime: Members, wants_uptime: bool, time: u64) -> Option<u64> {
        let fits = self.members.contains(member) && self.members.contains(uptime) == wants_uptime;
        fits.then_some(time)
    }

    /// How many parameters of it were stepped over because nobody knows them or they are damaged.
    pub fn skipped(&self) -> u32 {
        self.skipped
    }

    /// What came of the operations of an AccessSpec, in the order of its OpSpecs.
    #[inline]
    pub fn results(&self) -> OpResults<'a> {
        OpResults { rest: self.results }
    }

    /// The parameters of vendors: enterprise number, subtype and data of each.
    pub fn customs(&self) -> impl Iterator<Item = (u32, u32, &'a [u8])> + use<'a> {
        let mut rest = self.body;
        std::iter::from_fn(move || {
            loop {
                let (number, body, behind) = next_parameter(rest)?;
                rest = behind;
                if number == CUSTOM
                    && let Some((vendor, subtype, data)) = custom(body)
                {
                    return Some((vendor, subtype, data));
                }
            }
        })
    }

    /// Reads the body of a TagReportData that begins at `offset` of its message.
    #[inline]
    fn read(body: &'a [u8], offset: usize) -> Result<Self, Fault> {
        // What comes with every tag is kept in variables and put together in the end: a value is slow to be
        // copied when its parts were written one by one just before.
        let mut rare = Self { body, ..Self::BLANK };
        let mut members = Members::NONE;
        let (mut epc, mut epc_bits): (&[u8], u16) = (&[], 0);
        let (mut first_seen, mut last_seen, mut ro_spec_id) = (0, 0, 0);
        let (mut antenna_id, mut channel_index, mut tag_seen_count, mut peak_rssi) = (0, 0, 0, 0);
        let mut rest = body;
        // Each arm takes its octets and goes on; where they are not there, the loop ends.
        while let Some((&first, tail)) = rest.split_first() {
            macro_rules! take {
                ($width:literal, |$octets:ident| $do:expr, $member:expr) => {
                    match tail.split_first_chunk::<$width>() {
                        Some((octets, tail)) => {
                            let $octets = *octets;
                            $do;
                            members.insert($member);
                            rest = tail;
                            continue;
                        }
                        None => {}
                    }
                };
            }
            match first {
                0x8D => {
                    if let Some((octets, tail)) = tail.split_first_chunk::<12>() {
                        (epc, epc_bits) = (octets, 96);
                        members.insert(Members::EPC);
                        rest = tail;
                        continue;
                    }
                }
                0x81 => take!(2, |o| antenna_id = u16::from_be_bytes(o), Members::ANTENNA_ID),
                0x82 => take!(8, |o| first_seen = u64::from_be_bytes(o), Members::FIRST_SEEN),
                0x83 => take!(
                    8,
                    |o| first_seen = u64::from_be_bytes(o),
                    Members::FIRST_SEEN.with(Members::FIRST_SEEN_IS_UPTIME)
                ),
                0x84 => take!(8, |o| last_seen = u64::from_be_bytes(o), Members::LAST_SEEN),
                0x85 => take!(
                    8,
                    |o| last_seen = u64::from_be_bytes(o),
                    Members::LAST_SEEN.with(Members::LAST_SEEN_IS_UPTIME)
                ),
                0x86 => take!(1, |o| peak_rssi = i8::from_be_bytes(o), Members::PEAK_RSSI),
                0x87 => take!(2, |o| channel_index = u16::from_be_bytes(o), Members::CHANNEL_INDEX),
                0x88 => take!(2, |o| tag_seen_count = u16::from_be_bytes(o), Members::TAG_SEEN_COUNT),
                0x89 => take!(4, |o| ro_spec_id = u32::from_be_bytes(o), Members::RO_SPEC_ID),
                _ => {
                    if let Some((behind, other_epc)) = rare.take_other(rest) {
                        if let Some(other_epc) = other_epc {
                            (epc, epc_bits) = other_epc;
                            members.insert(Members::EPC);
                        }
                        rest = behind;
                        continue;
                    }
                }
            }
            // Where the next parameter would begin is not known.
            rare.skipped += 1;
            break;
        }
        members.insert(rare.members);
        if !members.contains(Members::EPC) {
            return Err(Fault { offset, inside: "TagReportData", kind: FaultKind::Missing("EPC") });
        }
        Ok(Self {
            epc,
            epc_bits,
            members,
            first_seen,
            last_seen,
            ro_spec_id,
            antenna_id,
            channel_index,
            tag_seen_count,
            peak_rssi,
            ..rare
        })
    }

    /// Takes a parameter that is not one of those that come with every tag. Returns what stands behind it,
    /// and the EPC if it is one.
    #[inline(never)]
    fn take_other(&mut self, rest: &'a [u8]) -> Option<(&'a [u8], Option<Epc<'a>>)> {
        let (number, body, behind) = next_parameter(rest)?;
        macro_rules! take {
            ($place:expr, $type:ty, $member:ident) => {{
                $place = <$type>::from_be_bytes(*body.first_chunk()?);
                self.members.insert(Members::$member);
            }};
        }
        match number {
            10 => take!(self.inventory_parameter_spec_id, u16, INVENTORY_PARAMETER_SPEC_ID),
            11 => take!(self.crc, u16, CRC),
            12 => take!(self.pc, u16, PC),
            14 => take!(self.spec_index, u16, SPEC_INDEX),
            16 => take!(self.access_spec_id, u32, ACCESS_SPEC_ID),
            19 => take!(self.xpc[0], u16, XPC_W1),
            20 => take!(self.xpc[1], u16, XPC_W2),
            EPC_DATA => {
                if let Some((count, octets)) = body.split_first_chunk::<2>()
                    && let bits = u16::from_be_bytes(*count)
                    && let Some(epc) = octets.get(..usize::from(bits).div_ceil(8))
                {
                    return Some((behind, Some((epc, bits))));
                }
                self.skipped += 1;
            }
            CUSTOM => match custom(body) {
                Some((impinj::VENDOR, subtype, data)) => self.take_impinj(subtype, data),
                Some(_) => {}
                None => self.skipped += 1,
            },
            // A result of a tag operation, or of what the client was asked, which is none.
            number if OpResult::has(number) => {
                if self.results.is_empty() {
                    self.results = rest;
                }
            }
            15 => {}
            _ => self.skipped += 1,
        }
        Some((behind, None))
    }

    fn take_impinj(&mut self, subtype: u32, data: &[u8]) {
        let Some(octets) = data.first_chunk::<2>() else { return };
        match subtype {
            impinj::RFPhaseAngle::SUBTYPE => {
                self.phase = u16::from_be_bytes(*octets);
                self.members.insert(Members::PHASE);
            }
            impinj::PeakRSSI::SUBTYPE => {
                self.rssi = i16::from_be_bytes(*octets);
                self.members.insert(Members::RSSI_CDBM);
            }
            impinj::RFDopplerFrequency::SUBTYPE => {
                self.doppler = i16::from_be_bytes(*octets);
                self.members.insert(Members::DOPPLER);
            }
            _ => {}
        }
    }
}

fn custom(body: &[u8]) -> Option<(u32, u32, &[u8])> {
    let (vendor, rest) = body.split_first_chunk::<4>()?;
    let (subtype, data) = rest.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*vendor), u32::from_be_bytes(*subtype), data))
}

/// Number and body of the first parameter, and what stands behind it; `None` where that cannot be
/// told.
fn next_parameter(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let &first = bytes.first()?;
    if first & 0x80 != 0 {
        let number = first & 0x7F;
        let (whole, behind) = bytes.split_at_checked(tv_octets(number)?)?;
        return Some((number.into(), whole.get(1..)?, behind));
    }
    let (head, _) = bytes.split_first_chunk::<4>()?;
    let [n0, n1, l0, l1] = *head;
    let (whole, behind) = bytes.split_at_checked(u16::from_be_bytes([l0, l1]).into())?;
    let number = u16::from_be_bytes([n0, n1]) & 0x3FF;
    // Numbers of one octet of type mean something else here; none of them is a TLV's.
    let number = if number < 128 { 0x8000 | number } else { number };
    Some((number, whole.get(4..)?, behind))
}

/// The tags of an RO_ACCESS_REPORT, one after another.
///
/// Parameters of other kinds are stepped over and counted. A TagReportData without an EPC is a
/// fault, behind which the next one follows; a length that cannot be is a fault and the end.
#[derive(Clone, Debug)]
pub struct TagReports<'a> {
    rest: &'a [u8],
    len: usize,
    others: u32,
}

impl<'a> TagReports<'a> {
    /// The tags of a message that was cut out of a stream; `None` if it is no report.
    #[inline]
    pub fn of_frame(frame: &Frame<'a>) -> Option<Self> {
        (frame.header.number == ROAccessReport::NUMBER).then(|| Self::of_body(frame.body()))
    }

    /// The tags in what stands behind the header of a report.
    #[inline]
    pub fn of_body(body: &'a [u8]) -> Self {
        Self { rest: body, len: body.len(), others: 0 }
    }

    /// How many octets of the body are taken: what to leave out when the rest is to be taken later.
    #[inline]
    pub fn taken(&self) -> usize {
        self.len - self.rest.len()
    }

    /// How many parameters were stepped over that are no tags.
    pub fn others(&self) -> u32 {
        self.others
    }
}

impl<'a> Iterator for TagReports<'a> {
    type Item = Result<TagReport<'a>, Fault>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let offset = HEADER_OCTETS + self.taken();
            let Some((head, behind)) = self.rest.split_first_chunk::<4>() else {
                return self.damaged(offset);
            };
            let [n0, n1, l0, l1] = *head;
            let length = usize::from(u16::from_be_bytes([l0, l1]));
            let body = length.checked_sub(4).and_then(|length| behind.split_at_checked(length));
            let (number, Some((body, behind))) = (u16::from_be_bytes([n0, n1]), body) else {
                return self.damaged(offset);
            };
            if number & 0x8000 != 0 {
                return self.damaged(offset);
            }
            self.rest = behind;
            if number & 0x3FF == TAG_REPORT_DATA {
                return Some(TagReport::read(body, offset));
            }
            self.others += 1;
        }
    }
}

impl<'a> TagReports<'a> {
    /// The end, and a fault unless all was taken.
    #[cold]
    fn damaged(&mut self, offset: usize) -> Option<Result<TagReport<'a>, Fault>> {
        let rest = std::mem::take(&mut self.rest);
        let length =
            rest.get(2..4).map_or(0, |octets| octets.iter().fold(0, |sum, o| sum << 8 | u32::from(*o)));
        (!rest.is_empty()).then_some(Err(Fault {
            offset,
            inside: "ROAccessReport",
            kind: FaultKind::BadLength(length),
        }))
    }
}

/// What came of one operation on a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpResult<'a> {
    /// Number of the parameter, 349 to 354 or 360 to 362: it tells which operation it was.
    pub number: u16,
    /// 0 for success; what others mean depends on the operation.
    pub result: u8,
    /// The operation.
    pub op_spec_id: u16,
    /// What follows: a count of words and the words for a read, the number of words for a write.
    pub data: &'a [u8],
}

impl<'a> OpResult<'a> {
    fn has(number: u16) -> bool {
        matches!(number, 349..=354 | 360..=362)
    }

    /// The octets that a read read.
    pub fn read_data(&self) -> Option<&'a [u8]> {
        if self.number != 349 {
            return None;
        }
        let (count, words) = self.data.split_first_chunk::<2>()?;
        words.get(..usize::from(u16::from_be_bytes(*count)) * 2)
    }

    /// How many words a write or block write wrote.
    pub fn words_written(&self) -> Option<u16> {
        matches!(self.number, 350 | 354)
            .then(|| self.data.first_chunk::<2>())?
            .map(|words| u16::from_be_bytes(*words))
    }

    /// What the result means, if that is known.
    pub fn meaning(&self) -> Option<&'static str> {
        use crate::enumeration::{
            BlockPermalockResult, GetBlockPermalockStatusResult, KillResult, LockResult, ReadResult,
            WriteResult,
        };
        match self.number {
            349 => ReadResult(self.result).meaning(),
            350 | 353 | 354 => WriteResult(self.result).meaning(),
            351 | 360 => KillResult(self.result).meaning(),
            352 => LockResult(self.result).meaning(),
            361 => BlockPermalockResult(self.result).meaning(),
            362 => GetBlockPermalockStatusResult(self.result).meaning(),
            _ => None,
        }
    }
}

/// See [`TagReport::results`].
#[derive(Clone, Debug)]
pub struct OpResults<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for OpResults<'a> {
    type Item = OpResult<'a>;

    fn next(&mut self) -> Option<OpResult<'a>> {
        loop {
            let (number, body, behind) = next_parameter(self.rest)?;
            self.rest = behind;
            if let ([result, id0, id1, data @ ..], true) = (body, OpResult::has(number)) {
                let op_spec_id = u16::from_be_bytes([*id0, *id1]);
                return Some(OpResult { number, result: *result, op_spec_id, data });
            }
        }
    }
}

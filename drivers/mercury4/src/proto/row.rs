//! From the bytes of a result row to a tag read, without a copy in between (§4).

use std::fmt;

use rfid_core::{AirProtocol, ReadBuf, TagIdKind, UtcTime};

use super::air::RqlProtocol;
use super::check_code;
use super::cursor::{Cursor, eight_decimal_digits};
use super::doubt::Doubt;
use super::lines::Lines;
use super::statement::Column;

/// Longest id with its check code, in bytes.
const LONGEST_ID: usize = rfid_core::TagId::MAX_LEN + 2;

/// The id as it is decoded, with room behind it to write in.
type IdPlace = [u8; LONGEST_ID + 4];

/// Decodes rows of one select list.
#[derive(Clone, Debug)]
pub struct RowDecoder {
    columns: Vec<Column>,
    /// Whether the columns are those of [`usual_row`].
    is_usual: bool,
    doubt: Doubt,
}

/// Why a row is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowFault {
    /// The row has another number of fields than the select list.
    FieldCount {
        /// Fields found.
        found: usize,
        /// Columns asked for.
        expected: usize,
    },
    /// A field does not hold what its column holds.
    Field {
        /// The column.
        column: Column,
        /// Place of the field's first byte in the row.
        at: usize,
    },
    /// The air protocol's code is not one that this driver asks for.
    UnknownProtocol(u8),
    /// No id of the air protocol has this many bytes.
    IdLength {
        /// The air protocol.
        protocol: AirProtocol,
        /// Bytes found, check code included.
        bytes: usize,
    },
}

impl fmt::Display for RowFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FieldCount { found, expected } => {
                write!(f, "a row of {found} fields where {expected} were asked for")
            }
            Self::Field { column, at } => write!(f, "no {} at byte {at} of the row", column.name()),
            Self::UnknownProtocol(code) => write!(f, "air protocol code {code} is not known"),
            Self::IdLength { protocol, bytes } => write!(f, "no {protocol} tag has an id of {bytes} bytes"),
        }
    }
}

impl std::error::Error for RowFault {}

/// What a row says.
#[derive(Default)]
struct Fields {
    protocol_code: u8,
    antenna_port: u16,
    read_count: u16,
    frequency_khz: u32,
    timestamp_ns: u64,
    lqi_dbm: Option<i16>,
    id_len: usize,
}

impl RowDecoder {
    /// A decoder for rows with these columns.
    pub fn new(columns: Vec<Column>) -> Self {
        Self { is_usual: columns == Column::OF_MERCURY_4, columns, doubt: Doubt::default() }
    }

    /// Takes rows off the lines as long as they are such as nearly all are, and the buffer has room:
    /// Gen2 tags with 96 bits and a check code that fits where it is compared, in the columns of a
    /// Mercury 4. Their ends are where their fields say, so that nobody looks for them. Any other line is
    /// left for [`RowDecoder::decode`].
    ///
    /// Returns how many were taken.
    pub fn take_usual(&mut self, lines: &mut Lines, buf: &mut ReadBuf) -> usize {
        if !self.is_usual {
            return 0;
        }
        let (before, bytes) = (buf.len(), lines.rest());
        let (mut rest, mut compared) = (bytes, 0);
        while !buf.is_full()
            && let Some((row, behind)) = usual_row(rest)
            && let Ok(read) = buf.record(TagIdKind::Epc, &row.id)
        {
            read.set_protocol(AirProtocol::Gen2)
                .set_antenna_port(row.antenna_port)
                .set_count(row.read_count)
                .set_frequency_khz(row.frequency_khz)
                .set_reader_time(UtcTime::from_nanos(row.timestamp_ns));
            compared += u64::from(is_compared(row.read_count));
            rest = behind;
        }
        lines.skip(bytes.len() - rest.len());
        self.doubt.fit(compared);
        buf.len() - before
    }

    /// Adds the row's read to the buffer, which must not be full.
    ///
    /// | protocol | bytes in the row | id |
    /// |---|---|---|
    /// | EPC1 | 10, 14 | without the first two, which are its check code and are verified |
    /// | EPC1, EPC0 | 8, 12 | as it is |
    /// | EPC0 | 10, 14 | without the last two |
    /// | GEN2 | 12 | as it is: what emulators of others send (§4.2) |
    /// | GEN2 | 4 to 64, even | without the last two |
    /// | ISO18000-6B | 8 | as it is |
    /// | ISO18000-6B | 10, 14 | without the last two (14: UCODE EPC 1.19, which the document assumes) |
    ///
    /// A read whose check code does not fit is marked so: always with EPC1; with GEN2 and ISO18000-6B if the
    /// row tells of several reads, which may be enough for an arrival, and until the id has come with the same
    /// code eight times. It is not certain what the code covers (§4.2), so a reader whose codes hardly ever fit
    /// is believed. That of Class 0 is not known.
    ///
    /// # Errors
    /// [`RowFault`]; nothing was added.
    pub fn decode(&mut self, row: &[u8], buf: &mut ReadBuf) -> Result<(), RowFault> {
        let mut fields = Fields { read_count: 1, ..Fields::default() };
        let mut id: IdPlace = [0; LONGEST_ID + 4];
        let mut cursor = Cursor::new(row);
        for (index, column) in self.columns.iter().enumerate() {
            if index > 0 && !cursor.eat(b'|') {
                return Err(self.field_count(row));
            }
            let at = cursor.at();
            let taken = fields.take(*column, &mut cursor, &mut id);
            if taken.is_none() || !cursor.is_at_end_of_field() {
                return Err(RowFault::Field { column: *column, at });
            }
        }
        if !cursor.is_at_end() {
            return Err(self.field_count(row));
        }
        // The fault is made where there is one: making it for each row costs a tenth of the decoding.
        let Some(protocol) = RqlProtocol::by_code(fields.protocol_code) else {
            return Err(RowFault::UnknownProtocol(fields.protocol_code));
        };
        let (protocol, bytes) = (protocol.air, id.get(..fields.id_len).unwrap_or_default());
        let Some((id, code)) = without_check_code(protocol, bytes) else {
            return Err(RowFault::IdLength { protocol, bytes: fields.id_len });
        };
        let kind = match protocol {
            AirProtocol::Iso18000_6b => TagIdKind::Iso18000_6bUid,
            _ => TagIdKind::Epc,
        };
        let Ok(read) = buf.record(kind, id) else { return Ok(()) };
        let check_failed = match code {
            Some(code) if check_code::stands_first(protocol) => {
                check_code::fits(protocol, id, code) == Some(false)
            }
            Some(code) if is_compared(fields.read_count) => match check_code::fits(protocol, id, code) {
                Some(true) => {
                    self.doubt.fit(1);
                    false
                }
                Some(false) => !self.doubt.believes(id, code),
                None => false,
            },
            _ => false,
        };
        read.set_protocol(protocol)
            .set_antenna_port(fields.antenna_port)
            .set_count(fields.read_count)
            .set_frequency_khz(fields.frequency_khz)
            .set_reader_time(UtcTime::from_nanos(fields.timestamp_ns));
        if let Some(dbm) = fields.lqi_dbm {
            read.set_rssi_cdbm(dbm.saturating_mul(100));
        }
        if check_failed {
            read.set_check_failed();
        }
        Ok(())
    }

    fn field_count(&self, row: &[u8]) -> RowFault {
        let found = row.iter().filter(|byte| **byte == b'|').count() + 1;
        RowFault::FieldCount { found, expected: self.columns.len() }
    }
}

impl Fields {
    /// Takes in one field; `None` if it does not hold what its column holds.
    ///
    /// An unavailable value is an empty field (§4.1), which is fine for what is merely welcome.
    fn take(&mut self, column: Column, cursor: &mut Cursor<'_>, id: &mut IdPlace) -> Option<()> {
        if cursor.is_at_end_of_field() && !Column::NEEDED.contains(&column) {
            return Some(());
        }
        match column {
            Column::ProtocolId => self.protocol_code = cursor.decimal()?.try_into().ok()?,
            Column::AntennaId => self.antenna_port = cursor.decimal()?.try_into().ok()?,
            // More reads than fit are as good as all that fit.
            Column::ReadCount => self.read_count = cursor.decimal()?.try_into().unwrap_or(u16::MAX),
            Column::Frequency => self.frequency_khz = cursor.decimal()?.try_into().ok()?,
            Column::Timestamp => self.timestamp_ns = timestamp(cursor)?,
            Column::DspMicros => {
                cursor.decimal()?;
            }
            Column::Lqi => {
                let is_negative = cursor.eat(b'-');
                let dbm = i16::try_from(cursor.decimal()?).ok()?;
                self.lqi_dbm = Some(if is_negative { -dbm } else { dbm });
            }
            Column::Id => {
                let is_hex = cursor.eat(b'0') && (cursor.eat(b'x') || cursor.eat(b'X'));
                self.id_len = if is_hex { cursor.hex(id)? } else { return None };
            }
        }
        Some(())
    }
}

/// What a row of [`Column::OF_MERCURY_4`] says of a Gen2 tag with 96 bits.
struct UsualRow {
    id: [u8; 12],
    antenna_port: u16,
    read_count: u16,
    frequency_khz: u32,
    timestamp_ns: u64,
}

/// `12|1|0x<28 digits>|3|914750|1101973245.003590` and its end, at the beginning of these bytes: the row
/// that nearly all are, in a third of the time that a row of any shape takes. Returns what is behind it
/// as well. Whatever is not exactly so is left to [`RowDecoder::decode`], which knows all shapes and all
/// faults.
#[inline(always)]
fn usual_row(bytes: &[u8]) -> Option<(UsualRow, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<7>()?;
    let [b'1', b'2', b'|', antenna @ b'1'..=b'9', b'|', b'0', b'x'] = *head else { return None };
    let (digits, rest) = rest.split_first_chunk::<28>()?;
    let (read_count, rest) = match *rest.first_chunk::<3>()? {
        [b'|', ones @ b'0'..=b'9', b'|'] => (u16::from(ones - b'0'), rest.get(2..)?),
        [b'|', tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => {
            (u16::from(tens - b'0') * 10 + u16::from(ones - b'0'), rest.get(3..)?)
        }
        _ => return None,
    };
    let (tail, behind) = rest.split_first_chunk::<26>()?;
    let [b'|', f1, f2, f3, f4, f5, f6, b'|', s1, s2, seconds @ .., b'.', m1, m2, m3, m4, m5, m6, b'\n'] =
        *tail
    else {
        return None;
    };
    let frequency_khz = eight_decimal_digits(&[b'0', b'0', f1, f2, f3, f4, f5, f6])?;
    let (s1, s2) = (s1.wrapping_sub(b'0'), s2.wrapping_sub(b'0'));
    if s1 > 9 || s2 > 9 {
        return None;
    }
    let seconds = u64::from(s1 * 10 + s2) * 100_000_000 + eight_decimal_digits(&seconds)?;
    let micros = eight_decimal_digits(&[b'0', b'0', m1, m2, m3, m4, m5, m6])?;
    let [id @ .., code_high, code_low] = fourteen_bytes(digits)?;
    let is_doubtful = || !check_code::fits_96_bits(&id, u16::from_be_bytes([code_high, code_low]));
    if is_compared(read_count) && is_doubtful() {
        return None;
    }
    let row = UsualRow {
        id,
        antenna_port: u16::from(antenna - b'0'),
        read_count,
        frequency_khz: u32::try_from(frequency_khz).ok()?,
        timestamp_ns: seconds * 1_000_000_000 + micros * 1000,
    };
    Some((row, behind))
}

/// Fourteen bytes that are written as digits. Every digit is treated alike, which compilers turn into a few
/// vector instructions for all of them.
#[inline(always)]
fn fourteen_bytes(digits: &[u8; 28]) -> Option<[u8; 14]> {
    let mut padded = [b'0'; 32];
    padded[..28].copy_from_slice(digits);
    let mut values = [0; 32];
    let mut are_digits = true;
    for (value, digit) in values.iter_mut().zip(padded) {
        let decimal = digit.wrapping_sub(b'0');
        let letter = (digit | 0x20).wrapping_sub(b'a');
        are_digits &= (decimal < 10) | (letter < 6);
        *value = if decimal < 10 { decimal } else { letter.wrapping_add(10) };
    }
    let mut bytes = [0; 16];
    for (byte, [high, low]) in bytes.iter_mut().zip(values.as_chunks().0) {
        *byte = high << 4 | low;
    }
    are_digits.then_some(*bytes.first_chunk()?)
}

/// Whether a row's check code is looked at: one read more or less makes no arrival, and comparing costs as much
/// as all the rest.
#[inline(always)]
fn is_compared(read_count: u16) -> bool {
    read_count > 1
}

/// The id, and its check code if it has one.
fn without_check_code(protocol: AirProtocol, bytes: &[u8]) -> Option<(&[u8], Option<u16>)> {
    let bare = matches!(
        (protocol, bytes.len()),
        (AirProtocol::Epc0 | AirProtocol::Epc1, 8 | 12)
            | (AirProtocol::Gen2, 12)
            | (AirProtocol::Iso18000_6b, 8)
    );
    if bare {
        return Some((bytes, None));
    }
    let coded = match protocol {
        AirProtocol::Gen2 => bytes.len() >= 4 && bytes.len().is_multiple_of(2),
        _ => matches!(bytes.len(), 10 | 14),
    };
    if !coded {
        return None;
    }
    let (id, code) = if check_code::stands_first(protocol) {
        let (code, id) = bytes.split_first_chunk::<2>()?;
        (id, code)
    } else {
        bytes.split_last_chunk::<2>()?
    };
    Some((id, Some(u16::from_be_bytes(*code))))
}

/// Nanoseconds since 1970 from `seconds.microseconds` (§4.3), without floating point.
fn timestamp(cursor: &mut Cursor<'_>) -> Option<u64> {
    let seconds = cursor.long_decimal()?.checked_mul(1_000_000_000)?;
    seconds.checked_add(if cursor.eat(b'.') { cursor.billionths()? } else { 0 })
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use proptest::prelude::*;

    const ALL: [Column; 8] = [
        Column::ProtocolId,
        Column::AntennaId,
        Column::ReadCount,
        Column::Id,
        Column::Frequency,
        Column::DspMicros,
        Column::Timestamp,
        Column::Lqi,
    ];

    fn decode(columns: &[Column], row: &str) -> Result<ReadBuf, RowFault> {
        let mut buf = ReadBuf::with_capacity(1);
        RowDecoder::new(columns.to_vec()).decode(row.as_bytes(), &mut buf)?;
        Ok(buf)
    }

    fn id_of(row: &str) -> Result<(String, bool), RowFault> {
        let buf = decode(&[Column::ProtocolId, Column::Id], row)?;
        let sighting = buf.iter().next().unwrap();
        Ok((sighting.id.to_owned().to_string(), sighting.read.check_failed()))
    }

    #[test]
    fn check_codes_are_taken_off_where_each_protocol_has_them() {
        for (row, id) in [
            ("1|0xCE791111111111111111", "epc:1111111111111111"),
            ("1|0x75781234567890ABCDEF12345678", "epc:1234567890ABCDEF12345678"),
            ("1|0x1234567890ABCDEF12345678", "epc:1234567890ABCDEF12345678"),
            ("9|0x1234567890ABCDEF0000", "epc:1234567890ABCDEF"),
            ("12|0x300000000000000000000001447C", "epc:300000000000000000000001"),
            ("12|0x303512B1F1FF795511B64E38", "epc:303512B1F1FF795511B64E38"),
            ("12|0x3000FB69", "epc:3000"),
            ("8|0xE0040000AABBCCDDBA04", "uid6b:E0040000AABBCCDD"),
            ("8|0xe0040000aabbccdd", "uid6b:E0040000AABBCCDD"),
        ] {
            assert_eq!(id_of(row), Ok((id.to_owned(), false)), "{row}");
        }
        assert_eq!(id_of("1|0xCE781111111111111111"), Ok(("epc:1111111111111111".to_owned(), true)));
    }

    #[test]
    fn a_row_of_several_reads_is_not_believed_if_its_code_does_not_fit() {
        let columns = [Column::ProtocolId, Column::ReadCount, Column::Id];
        let failed = |row| decode(&columns, row).unwrap().iter().next().unwrap().read.check_failed();
        assert!(failed("12|3|0x300000000000000000000011447C"));
        assert!(failed("8|2|0xE0040000AABBCCDDBA05"));
        assert!(!failed("12|3|0x300000000000000000000001447C"));
        assert!(!failed("12|1|0x300000000000000000000011447C"), "it makes no arrival by itself");
        assert!(!failed("9|3|0x1234567890ABCDEF0000"), "nobody knows how that is made");
    }

    #[test]
    fn all_columns_arrive() {
        let row = "12|4|3|0x300000000000000000000001447C|914750|40610|1101973245.003590|-57";
        let buf = decode(&ALL, row).unwrap();
        let read = buf.iter().next().unwrap().read;
        assert_eq!(read.antenna_port(), Some(4));
        assert_eq!(read.count(), 3);
        assert_eq!(read.frequency_khz(), Some(914_750));
        assert_eq!(read.reader_time(), Some(UtcTime::from_nanos(1_101_973_245_003_590_000)));
        assert_eq!(read.rssi_cdbm(), Some(-5700));
        assert_eq!(read.protocol(), Some(AirProtocol::Gen2));
    }

    #[test]
    fn an_empty_field_is_an_unknown_value() {
        let buf = decode(&ALL, "12|1||0x300000000000000000000001447C||||").unwrap();
        let read = buf.iter().next().unwrap().read;
        assert_eq!((read.count(), read.frequency_khz(), read.reader_time()), (1, None, None));
    }

    #[test]
    fn faults_say_where() {
        let columns = [Column::ProtocolId, Column::AntennaId, Column::Id];
        let fault = |row| decode(&columns, row).map(|_| ()).unwrap_err();
        assert_eq!(fault("12|1"), RowFault::FieldCount { found: 2, expected: 3 });
        assert_eq!(fault("12|1|0x3000AAAA|"), RowFault::FieldCount { found: 4, expected: 3 });
        assert_eq!(fault("12|one|0x3000AAAA"), RowFault::Field { column: Column::AntennaId, at: 3 });
        assert_eq!(fault("12|1|3000AAAA"), RowFault::Field { column: Column::Id, at: 5 });
        assert_eq!(fault("12|1|0x3000AAA"), RowFault::Field { column: Column::Id, at: 5 });
        assert_eq!(fault("12|1|0x3000AAAG"), RowFault::Field { column: Column::Id, at: 5 });
        assert_eq!(fault("29|1|0x3000AAAA"), RowFault::UnknownProtocol(29));
        assert_eq!(fault("1|1|0x3000AAAA"), RowFault::IdLength { protocol: AirProtocol::Epc1, bytes: 4 });
        assert_eq!(
            fault(&format!("12|1|0x{}", "30".repeat(65))),
            RowFault::Field { column: Column::Id, at: 5 }
        );
    }

    proptest! {
        /// The short way and the way for all rows agree, also where a byte of the row is spoilt.
        #[test]
        fn a_usual_row_is_read_as_any_other(
            epc in any::<[u8; 12]>(), port in 0u16..=12, count in 0u32..200, khz in 0u32..2_000_000,
            seconds in 0u64..20_000_000_000, micros in 0u64..1_000_000, lower: bool,
            spoilt in proptest::option::weighted(0.7, (any::<proptest::sample::Index>(), any::<u8>())),
        ) {
            let code = check_code::of(AirProtocol::Gen2, &epc).unwrap();
            let mut hex: String = epc.iter().map(|byte| format!("{byte:02X}")).collect();
            write!(hex, "{code:04X}").unwrap();
            if lower {
                hex = hex.to_lowercase();
            }
            let mut row = format!("12|{port}|0x{hex}|{count}|{khz:06}|{seconds}.{micros:06}").into_bytes();
            if let Some((place, byte)) = spoilt {
                let place = place.index(row.len());
                row[place] = byte;
            }
            let mut decoder = RowDecoder::new(Column::OF_MERCURY_4.to_vec());
            let (mut short, mut long) = (ReadBuf::with_capacity(1), ReadBuf::with_capacity(1));
            let mut lines = Lines::default();
            lines.push(&row);
            lines.push(b"\n");
            let is_usual = (1..10).contains(&port)
                && count < 100
                && khz < 1_000_000
                && (1_000_000_000..10_000_000_000).contains(&seconds);
            if decoder.take_usual(&mut lines, &mut short) == 0 {
                prop_assert_eq!(lines.rest().len(), row.len() + 1, "what is not taken stays");
                prop_assert!(spoilt.is_some() || !is_usual);
                return Ok(());
            }
            prop_assert_eq!(lines.rest(), b"");
            prop_assert_eq!(decoder.decode(&row, &mut long), Ok(()));
            let told = |buf: &ReadBuf| format!("{:?}", buf.iter().collect::<Vec<_>>());
            prop_assert_eq!(told(&short), told(&long));
        }

        #[test]
        fn usual_rows_are_taken_up_to_one_that_is_not_and_as_far_as_they_fit(
            usual in 0usize..6, room in 1usize..6, cut in 0usize..63,
        ) {
            let row = b"12|1|0x300000000000000000000001447C|3|914750|1101973245.003590\n";
            let (mut lines, mut buf) = (Lines::default(), ReadBuf::with_capacity(room));
            lines.push(&row.repeat(usual));
            lines.push(&row[..cut]);
            let taken = RowDecoder::new(Column::OF_MERCURY_4.to_vec()).take_usual(&mut lines, &mut buf);
            prop_assert_eq!((taken, buf.len()), (usual.min(room), usual.min(room)));
            prop_assert_eq!(lines.rest().len(), (usual - taken) * row.len() + cut);
        }

        #[test]
        fn any_bytes_are_a_row_or_a_fault(row in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut buf = ReadBuf::with_capacity(1);
            let outcome = RowDecoder::new(ALL.to_vec()).decode(&row, &mut buf);
            prop_assert_eq!(outcome.is_ok(), buf.len() == 1);
        }

        #[test]
        fn what_is_written_is_read(
            epc in proptest::collection::vec(any::<u8>(), 1..=31usize).prop_map(|half| [half.clone(), half].concat()),
            port in 1u16..=4, count in 1u16.., khz in 860_000u32..960_000,
            seconds in 1u64..10_000_000_000, micros in 0u64..1_000_000, dbm in -90i16..0,
        ) {
            prop_assume!(epc.len() != 10, "with its check code it looks like a bare EPC of 96 bits");
            let hex: String = epc.iter().map(|byte| format!("{byte:02X}")).collect();
            let code = check_code::of(AirProtocol::Gen2, &epc).unwrap();
            let row = format!("12|{port}|{count}|0x{hex}{code:04X}|{khz}|1|{seconds}.{micros:06}|{dbm}");
            let buf = decode(&ALL, &row).unwrap();
            let sighting = buf.iter().next().unwrap();
            prop_assert_eq!(sighting.id.bytes, &epc[..]);
            prop_assert_eq!(sighting.read.antenna_port(), Some(port));
            prop_assert_eq!(sighting.read.count(), count);
            prop_assert_eq!(sighting.read.frequency_khz(), Some(khz));
            prop_assert_eq!(
                sighting.read.reader_time().unwrap().as_nanos(),
                seconds * 1_000_000_000 + micros * 1000
            );
            prop_assert_eq!(sighting.read.rssi_cdbm(), Some(dbm * 100));
        }
    }
}

//! Reads and the memory that they come in.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rfid_abi::extension::{READER_INFO, ReaderInfo, ReaderInfoTable};
use rfid_abi::{
    AUX_ID, Error, INLINE_ID, READ_AUTHENTIC, READ_CHECK_FAILED, READ_HAS_PC, READ_NOT_AUTHENTIC,
    READ_RANDOM_ID, RSSI_UNKNOWN, Status, TagRead,
};

use super::{SHORT, on_component};
use crate::bench::{Bench, CLOSING, READING, expect};
use crate::case::{AppliesTo, Case, Group, Stop, Verdict, fail, skip};
use crate::instance::Instance;
use crate::lent::{Delivered, Edge, Lent};
use crate::process;

const fn case(
    name: &'static str,
    run: fn(&Bench) -> Verdict,
    about: &'static str,
    advice: &'static str,
) -> Case {
    on_component(Group::Read, AppliesTo::Driver, SHORT, name, run, about, advice)
}

pub(super) const CASES: &[Case] = &[
    case(
        "read/never-beyond-capacity",
        never_beyond_capacity,
        "`read` writes at most `capacity` records, none before or behind the buffer.",
        "Compare `count` with `capacity` before each record.",
    ),
    case(
        "read/keeps-to-stride",
        keeps_to_stride,
        "A record begins every `stride` bytes, and what lies between them is not written.",
        "Step from record to record by `stride`, not by the size of the struct.",
    ),
    case(
        "read/zero-capacity",
        zero_capacity,
        "With `capacity` 0 nothing is delivered and nothing lost.",
        "Keep the connection alive, leave `count` 0, and do not touch `reads`, which may be null.",
    ),
    case(
        "read/aux-in-bounds",
        aux_in_bounds,
        "The side area is not exceeded, and what records say of it lies in it.",
        "Compare `aux_len` with `aux_capacity` before each item; deliver a record only with its items.",
    ),
    case(
        "read/fields",
        fields,
        "Every field of a record has a value that the header allows.",
        "Set each field of each record; memory that is lent holds anything before.",
    ),
    case(
        "read/times",
        times,
        "Time stamps are in nanoseconds UTC, are not in the future and do not go back on an antenna.",
        "Use the reader's own stamp turned into UTC, or 0.",
    ),
    case(
        "read/declared-antennas",
        declared_antennas,
        "Reads come from the antennas that the reader has and that the host listens on.",
        "Listen only on `antenna_ports` of the host, if it names any.",
    ),
    case(
        "read/believable-rate",
        believable_rate,
        "No more is delivered than readers can hear.",
        "Deliver what was heard, once; what a reader tells again while a tag stays belongs into `count`.",
    ),
    case(
        "read/buffer-not-kept",
        buffer_not_kept,
        "The buffer is not touched after `read` has returned.",
        "Keep reads in memory of your own between two calls; forget the buffer's address.",
    ),
    case(
        "read/returns-in-time",
        returns_in_time,
        "`read` comes back within its limit, with NO_DATA if nothing came.",
        "Wait with a time limit on whatever you wait for.",
    ),
    case(
        "read/memory-stays",
        memory_stays,
        "Memory does not grow with the number of reads.",
        "Free what a read needed; use memory that is there already.",
    ),
    case(
        "read/status-fits-count",
        status_fits_count,
        "OK comes with at least one record, NO_DATA and END with none.",
        "Say NO_DATA where `count` stays 0.",
    ),
    case(
        "read/more-is-honest",
        more_is_honest,
        "After READ_MORE the next call delivers at once.",
        "Set the flag only when more reads are there already.",
    ),
];

/// How long it is waited for many reads; a slow field must do with few.
const COLLECTING: Duration = Duration::from_millis(500);

/// Reads again and again until so many records have come or the time is over.
fn collect(
    instance: &Instance,
    lent: &Lent,
    wanted: usize,
    mut look: impl FnMut(&Delivered) -> Result<(), Stop>,
) -> Result<usize, Stop> {
    let (mut there, start) = (0, Instant::now());
    while there < wanted && start.elapsed() < COLLECTING {
        let delivered = lent.read(instance, READING);
        if delivered.answer.is(Status::END) {
            break;
        }
        if !delivered.answer.status.is_ok() {
            return skip(format!("{}; see lifecycle/order", delivered.answer));
        }
        look(&delivered)?;
        there += delivered.reads.len();
    }
    Ok(there)
}

fn never_beyond_capacity(bench: &Bench) -> Verdict {
    let instance = bench.reading()?;
    let within = |delivered: &Delivered, capacity: u32| {
        expect(delivered.count <= capacity, || {
            format!("with room for {capacity} records `count` is {}", delivered.count)
        })
    };
    for capacity in [1, 16, 256, 4_096] {
        for edge in [Edge::End, Edge::Start] {
            let lent = Lent::new(capacity, size_of::<TagRead>(), edge, 16_384)?;
            collect(&instance, &lent, capacity as usize, |delivered| within(delivered, capacity))?;
        }
    }
    Ok(None)
}

fn keeps_to_stride(bench: &Bench) -> Verdict {
    let instance = bench.reading()?;
    let mut most = 0;
    for stride in [72, 128] {
        let lent = Lent::new(64, stride, Edge::Neither, 16_384)?;
        collect(&instance, &lent, 256, |delivered| {
            most = most.max(delivered.reads.len());
            expect(lent.gaps_untouched(delivered.count), || {
                format!("with a stride of {stride} bytes something was written between two records")
            })?;
            expect(delivered.reads.iter().all(is_plausible), || {
                format!("with a stride of {stride} bytes a record is none")
            })
        })?;
    }
    let lent = Lent::islands(16)?;
    collect(&instance, &lent, 64, |_| Ok(()))?;
    if most < 2 {
        return skip("never did two reads come at once; more tags are needed");
    }
    Ok(None)
}

/// Whether this can have been written as a record at all.
fn is_plausible(read: &TagRead) -> bool {
    usize::from(read.id_len) <= INLINE_ID && (1..=5).contains(&read.id_kind)
}

fn zero_capacity(bench: &Bench) -> Verdict {
    let instance = bench.reading()?;
    let lent = Lent::new(0, size_of::<TagRead>(), Edge::Neither, 0)?;
    for _ in 0..5 {
        let limit = Duration::from_millis(50);
        let delivered = lent.read(&instance, limit);
        delivered.answer.clone().ok()?;
        expect(delivered.count == 0 && delivered.aux_len == 0, || {
            format!("with no room `count` is {} and `aux_len` {}", delivered.count, delivered.aux_len)
        })?;
    }
    bench.first_tag(&instance)?;
    Ok(None)
}

fn aux_in_bounds(bench: &Bench) -> Verdict {
    let instance = bench.reading()?;
    for aux_capacity in [0, 64, 16_384] {
        let lent = Lent::new(256, size_of::<TagRead>(), Edge::Neither, aux_capacity)?;
        collect(&instance, &lent, 64, |delivered| {
            let Delivered { aux_len, reads, aux, .. } = delivered;
            expect(*aux_len <= aux_capacity, || {
                format!("with room for {aux_capacity} bytes in the side area `aux_len` is {aux_len}")
            })?;
            reads.iter().try_for_each(|read| items_of(read, aux).or_else(fail))
        })?;
    }
    Ok(None)
}

/// Goes through the items of a record.
fn items_of(read: &TagRead, aux: &[u8]) -> Result<(), String> {
    let (from, len) = (read.aux_off as usize, usize::from(read.aux_len));
    if len == 0 && read.id_len != 0 {
        return Ok(());
    }
    let Some(mut rest) = aux.get(from..from + len) else {
        return Err(format!("a record has items at {from} of {len} bytes, where {} are there", aux.len()));
    };
    let mut has_id = read.id_len != 0;
    while !rest.is_empty() {
        let Some((&[a, b, c, d], behind)) = rest.split_first_chunk::<4>() else {
            return Err("an item of the side area ends within its head".to_owned());
        };
        let (kind, len) = (u16::from_ne_bytes([a, b]), usize::from(u16::from_ne_bytes([c, d])));
        if kind == AUX_ID && (len <= INLINE_ID || len > 62) {
            return Err(format!("an id of {len} bytes is an item of the side area; 33 to 62 can be"));
        }
        has_id |= kind == AUX_ID;
        rest = behind.get(len..).ok_or_else(|| {
            format!("an item of {len} bytes where {} are left of its record's", behind.len())
        })?;
    }
    if has_id { Ok(()) } else { Err("a record has no id, neither in it nor as an item".to_owned()) }
}

fn fields(bench: &Bench) -> Verdict {
    let instance = bench.reading()?;
    let lent = Lent::ordinary()?;
    let count = collect(&instance, &lent, 1_000, |delivered| {
        delivered.reads.iter().try_for_each(|read| field_fault(read).map_or(Ok(()), fail))
    })?;
    if count == 0 { skip("no more tags came") } else { Ok(Some(format!("{count} reads"))) }
}

fn field_fault(read: &TagRead) -> Option<String> {
    let TagRead { id_len, id_kind, rssi_cdbm, phase, count, flags, protocol, frequency_khz, .. } = *read;
    if usize::from(id_len) > INLINE_ID {
        return Some(format!("`id_len` is {id_len}; {INLINE_ID} is the most"));
    }
    if !(1..=5).contains(&id_kind) {
        return Some(format!("`id_kind` is {id_kind}"));
    }
    // From below what any receiver hears to above what any transmitter sends.
    if rssi_cdbm != RSSI_UNKNOWN && !(-15_000..=4_000).contains(&rssi_cdbm) {
        return Some(format!("`rssi_cdbm` is {rssi_cdbm}: hundredths of a dBm are meant"));
    }
    if phase != rfid_abi::PHASE_UNKNOWN && phase >= 4_096 {
        return Some(format!("`phase` is {phase}; a full turn is 4096"));
    }
    if count == 0 {
        return Some("`count` is 0; one sighting is 1".to_owned());
    }
    let known = READ_CHECK_FAILED | READ_HAS_PC | READ_AUTHENTIC | READ_NOT_AUTHENTIC | READ_RANDOM_ID;
    if flags & !known != 0 {
        return Some(format!("`flags` is {flags:#04x}, which has bits that mean nothing"));
    }
    if protocol > 6 {
        return Some(format!("`protocol` is {protocol}"));
    }
    // 125 kHz to 6 GHz.
    if frequency_khz != 0 && !(100..=6_000_000).contains(&frequency_khz) {
        return Some(format!("`frequency_khz` is {frequency_khz}"));
    }
    None
}

/// How far a reader's clock may be ahead of this one's, and its stamps out of order.
const TOLERANCE_NS: u64 = 5_000_000_000;

fn times(bench: &Bench) -> Verdict {
    let instance = bench.reading()?;
    let lent = Lent::ordinary()?;
    let mut latest: BTreeMap<u16, u64> = BTreeMap::new();
    let mut stamped = 0_u32;
    collect(&instance, &lent, 1_000, |delivered| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64;
        for read in delivered.reads.iter().filter(|read| read.timestamp_ns != 0) {
            stamped += 1;
            let time = read.timestamp_ns;
            if time > now + TOLERANCE_NS {
                return fail(format!("a read is {:.1} s in the future", (time - now) as f64 / 1e9));
            }
            // Before the first reader was made: another unit, or another beginning.
            if time < 946_684_800_000_000_000 {
                return fail(format!(
                    "the time {time} is before the year 2000; nanoseconds since 1970 are meant"
                ));
            }
            let before = latest.entry(read.antenna).or_insert(time);
            if time + TOLERANCE_NS < *before {
                return fail(format!(
                    "on antenna {} time went back by {:.1} s",
                    read.antenna,
                    (*before - time) as f64 / 1e9
                ));
            }
            *before = time.max(*before);
        }
        Ok(())
    })?;
    if stamped == 0 { skip("its reads have no time stamps") } else { Ok(None) }
}

fn declared_antennas(bench: &Bench) -> Verdict {
    let instance = bench.reading()?;
    let declared = antenna_ports(&instance)?;
    let lent = Lent::ordinary()?;
    let mut heard = BTreeMap::new();
    collect(&instance, &lent, 1_000, |delivered| {
        for read in &delivered.reads {
            *heard.entry(read.antenna).or_insert(0_u32) += 1;
            expect(read.antenna == 0 || declared.is_empty() || declared.contains(&read.antenna), || {
                format!("a read comes from antenna {}; the reader said it has {declared:?}", read.antenna)
            })?;
        }
        Ok(())
    })?;
    drop(instance);
    let Some(one) = heard.keys().find(|antenna| **antenna != 0).copied() else {
        return skip("its reads tell no antenna");
    };
    let host = bench.host(&[one]);
    let instance = bench.running_on(bench.create_on(host, &bench.options()?)?)?;
    collect(&instance, &lent, 1_000, |delivered| {
        match delivered.reads.iter().find(|read| read.antenna != one) {
            Some(read) if read.antenna != 0 => fail(format!(
                "a read comes from antenna {} where the host listens on {one} only",
                read.antenna
            )),
            _ => Ok(()),
        }
    })?;
    Ok(None)
}

/// The antennas that an open instance says it has; none: it does not say.
fn antenna_ports(instance: &Instance) -> Result<Vec<u16>, Stop> {
    let table = instance.extension(READER_INFO).cast::<ReaderInfoTable>();
    // SAFETY: null, or the table that this id stands for, valid until `destroy`.
    let Some(info) = (unsafe { table.as_ref() }).and_then(|table| table.info) else { return Ok(Vec::new()) };
    let (mut told, mut error) = (ReaderInfo::unknown(), Error::none());
    crate::child::doing("rfid.reader-info/1: info");
    // SAFETY: the instance is open; both structs are valid during the call.
    let status = unsafe { info(instance.raw(), &raw mut told, &raw mut error) };
    if !status.is_ok() {
        return Ok(Vec::new());
    }
    let count = told.antenna_port_count as usize;
    expect(count <= ReaderInfo::PORTS, || {
        format!("the reader has {count} antennas, and {} can be told", ReaderInfo::PORTS)
    })?;
    Ok(told.antenna_ports.into_iter().take(count).collect())
}

/// Reads a second: ten times what a radio can hear at the fastest settings of Gen2, so that neither a gateway
/// with some radios nor one that has saved up is doubted.
const BELIEVABLE: usize = 20_000;

fn believable_rate(bench: &Bench) -> Verdict {
    let instance = bench.reading()?;
    let lent = Lent::ordinary()?;
    let mut last = 0;
    // What a reader has kept from before may come first.
    for _ in 0..3 {
        let start = Instant::now();
        last = 0;
        while start.elapsed() < Duration::from_secs(1) {
            let delivered = lent.read(&instance, Duration::from_millis(100));
            if !delivered.answer.status.is_ok() {
                return skip(format!("{}; see lifecycle/order", delivered.answer));
            }
            last += delivered.reads.len();
        }
        if last <= BELIEVABLE {
            return Ok(Some(format!("{last} reads in a second")));
        }
    }
    fail(format!("in three seconds more than {BELIEVABLE} reads came in each, {last} in the last"))
}

fn buffer_not_kept(bench: &Bench) -> Verdict {
    let instance = bench.reading()?;
    let lent = Lent::ordinary()?;
    let other = Lent::ordinary()?;
    for _ in 0..10 {
        lent.read(&instance, READING);
        lent.take_away()?;
        // Whoever writes later on, from a thread or in the next call, ends this process.
        std::thread::sleep(Duration::from_millis(20));
        other.read(&instance, Duration::from_millis(50));
        lent.give_back()?;
    }
    lent.read(&instance, READING);
    lent.take_away()?;
    if !instance.stop().status.is_ok() || !instance.close(CLOSING).status.is_ok() {
        return skip("`stop` or `close` fails; see lifecycle/order");
    }
    Ok(None)
}

/// Memory that may be gained while reading goes on as before.
const MEMORY: u64 = 512 * 1024;

fn memory_stays(bench: &Bench) -> Verdict {
    let instance = bench.reading()?;
    let lent = Lent::ordinary()?;
    let half = Duration::from_secs(u64::from(bench.times(5, 1)));
    let mut memory = [0; 2];
    for memory in &mut memory {
        let start = Instant::now();
        while start.elapsed() < half {
            if !lent.read(&instance, READING).answer.status.is_ok() {
                return skip("`read` fails; see lifecycle/order");
            }
        }
        *memory = process::memory();
    }
    let [before, after] = memory;
    let gained = after.saturating_sub(before);
    expect(gained <= MEMORY, || format!("in {half:?} of reading memory grew by {} KiB", gained / 1024))?;
    Ok(None)
}

fn returns_in_time(bench: &Bench) -> Verdict {
    let instance = bench.running()?;
    let lent = Lent::ordinary()?;
    for limit in [0, 50, 250, 0, 1_000] {
        let limit = Duration::from_millis(limit);
        let delivered = lent.read(&instance, limit);
        delivered.answer.in_time(limit)?;
    }
    Ok(None)
}

fn status_fits_count(bench: &Bench) -> Verdict {
    let instance = bench.running()?;
    let lent = Lent::ordinary()?;
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(1) {
        let delivered = lent.read(&instance, Duration::from_millis(50));
        let (answer, count) = (&delivered.answer, delivered.count);
        match answer.status {
            Status::NO_DATA => {
                expect(count == 0, || format!("`read` said NO_DATA and left {count} records"))?;
            }
            Status::END => {
                expect(count == 0, || format!("`read` said END and left {count} records"))?;
                return Ok(None);
            }
            status if status.is_ok() => {
                expect(count > 0, || "`read` said OK and left no record".to_owned())?;
            }
            _ => return skip(format!("{answer}; see lifecycle/order")),
        }
    }
    Ok(None)
}

fn more_is_honest(bench: &Bench) -> Verdict {
    let instance = bench.reading()?;
    let lent = Lent::new(1, size_of::<TagRead>(), Edge::Neither, 16_384)?;
    let (mut promised, mut said) = (false, 0);
    let start = Instant::now();
    while said < 1_000 && start.elapsed() < 2 * COLLECTING {
        let limit = if promised { Duration::ZERO } else { Duration::from_millis(10) };
        let delivered = lent.read(&instance, limit);
        if !delivered.answer.status.is_ok() {
            return skip(format!("{}; see lifecycle/order", delivered.answer));
        }
        if promised && delivered.count == 0 {
            return fail("after READ_MORE nothing was there");
        }
        promised = delivered.more;
        said += u32::from(promised);
    }
    if said == 0 { skip("it never says READ_MORE") } else { Ok(None) }
}

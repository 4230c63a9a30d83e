//! A recording as a capture of a network, for Wireshark and its like. No I/O.
//!
//! A recording has the bytes of a connection and their times, but nothing of the packets that
//! carried them. [`Capture`] makes packets up: Ethernet, IPv4 and TCP with sequence numbers and
//! checksums, from an address of the documentation's range to another. What stands in them, in
//! which direction and when, is what was recorded; where a piece is longer than a packet, it is
//! cut. The file is a pcap with times in nanoseconds.

use std::net::Ipv4Addr;

use rfid_core::recording::{Happened, Moment};

/// Bytes of a connection in one packet: what Ethernet leaves.
const SEGMENT: usize = 1460;

/// Addresses that no machine has (RFC 5737).
const HOST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const READER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

/// First of the ports that the host calls from.
const FIRST_PORT: u16 = 49_152;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;

/// Who sends a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    Host,
    Reader,
}

/// The port by which tools know what a driver speaks.
pub fn usual_port(driver: &str) -> u16 {
    match driver {
        "mercury4" => 8080,
        "thingmagic" => 9761,
        // LLRP, and what nobody has a dissector for anyway.
        _ => 5084,
    }
}

/// Turns moments into packets.
#[derive(Debug)]
pub struct Capture {
    port: u16,
    /// Connections so far.
    connections: u16,
    is_open: bool,
    /// Next sequence number of the host and of the reader.
    next: [u32; 2],
    /// Who has said that nothing more comes.
    is_over: [bool; 2],
    packets: u64,
}

impl Capture {
    /// Writes the beginning of the file. The reader listens on `port`.
    pub fn begin(port: u16, out: &mut Vec<u8>) -> Self {
        // Magic of times in nanoseconds, version 2.4, no zone, no accuracy, longest packet, Ethernet.
        for word in [0xA1B2_3C4D_u32, 4 << 16 | 2, 0, 0, 262_144, 1] {
            out.extend(word.to_le_bytes());
        }
        Self { port, connections: 0, is_open: false, next: [0; 2], is_over: [false; 2], packets: 0 }
    }

    /// How many packets were written.
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// Writes the packets of a moment, if it has any.
    pub fn add(&mut self, moment: &Moment, out: &mut Vec<u8>) {
        let at = moment.at.utc.as_nanos();
        match &moment.what {
            Happened::Connected => {
                self.close(at, out);
                self.open(at, out);
            }
            Happened::Received(bytes) if bytes.is_empty() => self.end(From::Reader, at, out),
            Happened::Received(bytes) => self.data(From::Reader, bytes, at, out),
            Happened::Sent(bytes) => self.data(From::Host, bytes, at, out),
            Happened::Down { .. } | Happened::Ended(_) => self.close(at, out),
            Happened::Asked(_)
            | Happened::Up { .. }
            | Happened::Read { .. }
            | Happened::Reading(_)
            | Happened::Delivered(_) => {}
        }
    }

    fn open(&mut self, at: u64, out: &mut Vec<u8>) {
        self.connections = self.connections.wrapping_add(1);
        self.is_open = true;
        self.is_over = [false; 2];
        // Beginnings differ, so that no connection looks like another's retransmission.
        let number = u32::from(self.connections);
        self.next = [number << 20, number << 20 | 0x8_0000];
        self.packet(From::Host, SYN, &[], at, out);
        self.packet(From::Reader, SYN | ACK, &[], at, out);
        self.packet(From::Host, ACK, &[], at, out);
    }

    fn data(&mut self, from: From, bytes: &[u8], at: u64, out: &mut Vec<u8>) {
        if !self.is_open {
            self.open(at, out);
        }
        for segment in bytes.chunks(SEGMENT) {
            self.packet(from, PSH | ACK, segment, at, out);
        }
    }

    fn end(&mut self, from: From, at: u64, out: &mut Vec<u8>) {
        let (side, other) = match from {
            From::Host => (0, From::Reader),
            From::Reader => (1, From::Host),
        };
        if let Some(is_over) = self.is_over.get_mut(side)
            && self.is_open
            && !std::mem::replace(is_over, true)
        {
            self.packet(from, FIN | ACK, &[], at, out);
            self.packet(other, ACK, &[], at, out);
        }
    }

    fn close(&mut self, at: u64, out: &mut Vec<u8>) {
        self.end(From::Host, at, out);
        self.end(From::Reader, at, out);
        self.is_open = false;
    }

    fn packet(&mut self, from: From, flags: u8, data: &[u8], at: u64, out: &mut Vec<u8>) {
        self.packets += 1;
        let [host, reader] = self.next;
        let client_port = FIRST_PORT + self.connections.wrapping_sub(1) % (u16::MAX - FIRST_PORT);
        let (source, target, ports, sequence, acknowledged) = match from {
            From::Host => (HOST, READER, [client_port, self.port], host, reader),
            From::Reader => (READER, HOST, [self.port, client_port], reader, host),
        };
        let acknowledged = if flags & ACK == 0 { 0 } else { acknowledged };

        let mut tcp = Vec::with_capacity(20 + data.len());
        ports.iter().for_each(|port| tcp.extend(port.to_be_bytes()));
        tcp.extend(sequence.to_be_bytes());
        tcp.extend(acknowledged.to_be_bytes());
        // Twenty bytes of header, the flags, the window, checksum and urgent pointer.
        tcp.extend([5 << 4, flags, 0xFF, 0xFF, 0, 0, 0, 0]);
        tcp.extend_from_slice(data);
        let length = tcp.len() as u16;
        let mut pseudo = [source.octets(), target.octets()].concat();
        pseudo.extend([0, 6]);
        pseudo.extend(length.to_be_bytes());
        set_checksum(&mut tcp, 16, &pseudo);

        let mut ip = vec![0x45, 0];
        ip.extend((20 + length).to_be_bytes());
        ip.extend((self.packets as u16).to_be_bytes());
        // Not to be fragmented, 64 hops, TCP, checksum.
        ip.extend([0x40, 0, 64, 6, 0, 0]);
        ip.extend(source.octets());
        ip.extend(target.octets());
        set_checksum(&mut ip, 10, &[]);

        // Hardware addresses that are administered locally.
        let (mine, theirs) = if from == From::Host { (1, 2) } else { (2, 1) };
        let ethernet = [2, 0, 0, 0, 0, theirs, 2, 0, 0, 0, 0, mine, 0x08, 0x00];

        let length = (ethernet.len() + ip.len() + tcp.len()) as u32;
        // Seconds do not fit 32 bits after 2106, and then begin anew.
        for word in [(at / 1_000_000_000) as u32, (at % 1_000_000_000) as u32, length, length] {
            out.extend(word.to_le_bytes());
        }
        out.extend(ethernet);
        out.extend(ip);
        out.extend(tcp);

        let taken = data.len() as u32 + u32::from(flags & (SYN | FIN) != 0);
        let side = usize::from(from == From::Reader);
        if let Some(next) = self.next.get_mut(side) {
            *next = next.wrapping_add(taken);
        }
    }
}

/// Puts the checksum of the internet over a header and what goes before it.
fn set_checksum(bytes: &mut [u8], at: usize, before: &[u8]) {
    let sum = [before, bytes].iter().flat_map(|part| part.chunks(2)).fold(0_u32, |sum, pair| {
        let word =
            u16::from_be_bytes([pair.first().copied().unwrap_or(0), pair.get(1).copied().unwrap_or(0)]);
        sum + u32::from(word)
    });
    let folded = (sum & 0xFFFF) + (sum >> 16);
    let checksum = !(((folded & 0xFFFF) + (folded >> 16)) as u16);
    if let Some(place) = bytes.get_mut(at..at + 2) {
        place.copy_from_slice(&checksum.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use rfid_core::{Stamp, UtcTime};

    use super::*;

    const START: u64 = 1_795_000_000_123_456_789;

    fn moment(number: u64, what: Happened) -> Moment {
        let at = Stamp {
            monotonic: Duration::from_nanos(number),
            utc: UtcTime::from_nanos(START + number * 1_000),
        };
        Moment { at, what }
    }

    fn captured(moments: &[Happened]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut capture = Capture::begin(5084, &mut out);
        for (number, what) in moments.iter().enumerate() {
            capture.add(&moment(number as u64, what.clone()), &mut out);
        }
        out
    }

    /// One packet as a reader of captures sees it.
    #[derive(Debug)]
    struct Packet {
        at: u64,
        ports: (u16, u16),
        sequence: u32,
        acknowledged: u32,
        flags: u8,
        data: Vec<u8>,
    }

    fn number(bytes: &[u8], at: usize, len: usize) -> u64 {
        bytes[at..at + len].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// The sum of a whole that has its checksum in it is all ones.
    fn sums_up(bytes: &[u8]) -> bool {
        let mut sum = 0_u64;
        for (at, byte) in bytes.iter().enumerate() {
            sum += u64::from(*byte) << if at % 2 == 0 { 8 } else { 0 };
        }
        while sum > 0xFFFF {
            sum = (sum & 0xFFFF) + (sum >> 16);
        }
        sum == 0xFFFF
    }

    fn parsed(file: &[u8]) -> Vec<Packet> {
        assert_eq!(file[..4], [0x4D, 0x3C, 0xB2, 0xA1]);
        assert_eq!(file[4..8], [2, 0, 4, 0]);
        assert_eq!(file[20..24], [1, 0, 0, 0]);
        let little = |bytes: &[u8]| u64::from(u32::from_le_bytes(bytes.try_into().unwrap()));
        let mut rest = &file[24..];
        let mut packets = Vec::new();
        while !rest.is_empty() {
            let at = little(&rest[..4]) * 1_000_000_000 + little(&rest[4..8]);
            let length = little(&rest[8..12]) as usize;
            assert_eq!(little(&rest[12..16]) as usize, length);
            let frame = &rest[16..16 + length];
            rest = &rest[16 + length..];
            assert_eq!(frame[12..14], [8, 0]);
            let ip = &frame[14..];
            assert_eq!((ip[0], ip[9]), (0x45, 6));
            assert_eq!(number(ip, 2, 2) as usize, ip.len());
            assert!(sums_up(&ip[..20]));
            let tcp = &ip[20..];
            let mut whole = ip[12..20].to_vec();
            whole.extend([0, 6]);
            whole.extend((tcp.len() as u16).to_be_bytes());
            whole.extend(tcp);
            assert!(sums_up(&whole));
            assert_eq!(tcp[12], 0x50);
            packets.push(Packet {
                at,
                ports: (number(tcp, 0, 2) as u16, number(tcp, 2, 2) as u16),
                sequence: number(tcp, 4, 4) as u32,
                acknowledged: number(tcp, 8, 4) as u32,
                flags: tcp[13],
                data: tcp[20..].to_vec(),
            });
        }
        packets
    }

    /// Both directions of each connection, put together as TCP does; nothing may be missing or
    /// double, nor acknowledged before it was sent.
    fn streams(packets: &[Packet]) -> Vec<[Vec<u8>; 2]> {
        let mut streams: Vec<[Vec<u8>; 2]> = Vec::new();
        let mut next = [0_u32; 2];
        for packet in packets {
            let side = usize::from(packet.ports.0 == 5084);
            if packet.flags & SYN != 0 {
                if side == 0 {
                    streams.push([Vec::new(), Vec::new()]);
                }
                next[side] = packet.sequence;
            }
            assert_eq!(packet.sequence, next[side]);
            if packet.flags & ACK != 0 {
                assert_eq!(packet.acknowledged, next[1 - side]);
            }
            let ends = packet.flags & (SYN | FIN) != 0;
            next[side] = next[side].wrapping_add(packet.data.len() as u32 + u32::from(ends));
            streams.last_mut().unwrap()[side].extend(&packet.data);
        }
        streams
    }

    #[test]
    fn connections_are_opened_and_closed_and_times_are_those_of_the_recording() {
        let packets = parsed(&captured(&[
            Happened::Connected,
            Happened::Sent([1, 2, 3].into()),
            Happened::Received([].into()),
            Happened::Connected,
            Happened::Ended("enough".to_owned()),
        ]));
        let flags: Vec<u8> = packets.iter().map(|packet| packet.flags).collect();
        let (open, shut) = ([SYN, SYN | ACK, ACK], [FIN | ACK, ACK, FIN | ACK, ACK]);
        assert_eq!(flags, [&open[..], &[PSH | ACK], &shut, &open, &shut].concat());
        assert_eq!(packets[3].at, START + 1_000);
        assert_ne!(packets[0].ports, packets[8].ports, "another connection, another port");
    }

    proptest! {
        #[test]
        fn what_is_parsed_back_is_what_was_said(
            said in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 1..4_000), 0..8_u8), 0..12),
        ) {
            let mut moments = vec![Happened::Connected];
            let mut expected = vec![[Vec::<u8>::new(), Vec::new()]];
            for (is_received, bytes, chance) in said {
                if chance == 0 {
                    moments.push(Happened::Connected);
                    expected.push([Vec::new(), Vec::new()]);
                }
                expected.last_mut().unwrap()[usize::from(is_received)].extend(&bytes);
                let bytes = bytes.into();
                moments.push(if is_received { Happened::Received(bytes) } else { Happened::Sent(bytes) });
            }
            let packets = parsed(&captured(&moments));
            prop_assert!(packets.iter().all(|packet| packet.data.len() <= SEGMENT));
            prop_assert_eq!(streams(&packets), expected);
        }
    }
}

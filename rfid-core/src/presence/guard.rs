//! What cannot be a tag, or names nobody, goes no further than here.

use super::settings::EpcHeaders;
use crate::air_protocol::AirProtocol;
use crate::epc::Scheme;
use crate::tag_id::{TagIdKind, TagIdRef};
use crate::tag_read::TagRead;

/// Why a read makes no visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The check code that came with the id does not fit it.
    CheckFailed,
    /// The tag made its id up: whoever comes next time bears another one.
    NoIdentity,
    /// No tag of this kind has an id of this length.
    Length,
    /// The EPC Tag Data Standard does not know the header.
    Header,
}

/// Judges reads by what they are, before anything is remembered of them.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    /// First bytes that are headers; `None` where all are welcome.
    known_headers: Option<Box<[bool; 256]>>,
}

impl Guard {
    pub(super) fn new(headers: EpcHeaders) -> Self {
        let known_headers = (headers == EpcHeaders::Known)
            .then(|| Box::new(std::array::from_fn(|byte| Scheme::has_header(byte as u8))));
        Self { known_headers }
    }

    /// Whether, and why, this read is refused.
    #[inline]
    pub(super) fn refuses(&self, read: &TagRead, id: TagIdRef<'_>) -> Option<Refusal> {
        if read.check_failed() {
            return Some(Refusal::CheckFailed);
        }
        if read.has_random_id() {
            return Some(Refusal::NoIdentity);
        }
        if !has_possible_length(read.protocol(), id) {
            return Some(Refusal::Length);
        }
        let known_headers = self.known_headers.as_ref()?;
        let header = id.bytes.first().copied().unwrap_or_default();
        let is_known = known_headers.get(usize::from(header)).copied().unwrap_or_default();
        (id.kind.is_epc() && !is_known).then_some(Refusal::Header)
    }
}

fn has_possible_length(protocol: Option<AirProtocol>, id: TagIdRef<'_>) -> bool {
    let len = id.bytes.len();
    match id.kind {
        // The PC word of a Gen2 tag counts its EPC in words of 16 bits (EPC Tag Data Standard
        // 1.13 §15.2.1).
        TagIdKind::Epc if protocol == Some(AirProtocol::Gen2) => len > 0 && len.is_multiple_of(2),
        TagIdKind::Epc | TagIdKind::Tid => len > 0,
        // ISO/IEC 14443-3 §6.5.4: single, double and triple size.
        TagIdKind::Iso14443Uid => matches!(len, 4 | 7 | 10),
        TagIdKind::Iso15693Uid | TagIdKind::Iso18000_6bUid => len == 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(guard: &Guard, kind: TagIdKind, id: &[u8], protocol: Option<AirProtocol>) -> Option<Refusal> {
        let mut read = TagRead::blank(kind);
        if let Some(protocol) = protocol {
            read.set_protocol(protocol);
        }
        guard.refuses(&read, TagIdRef { kind, bytes: id })
    }

    #[test]
    fn lengths_that_no_tag_has_are_refused() {
        let guard = Guard::new(EpcHeaders::Any);
        let gen2 = Some(AirProtocol::Gen2);
        assert_eq!(refusal(&guard, TagIdKind::Epc, &[0xE2; 12], gen2), None);
        assert_eq!(refusal(&guard, TagIdKind::Epc, &[0xE2; 62], gen2), None);
        assert_eq!(refusal(&guard, TagIdKind::Epc, &[0xE2; 11], gen2), Some(Refusal::Length));
        assert_eq!(refusal(&guard, TagIdKind::Epc, &[], None), Some(Refusal::Length));
        assert_eq!(refusal(&guard, TagIdKind::Iso14443Uid, &[4; 7], None), None);
        assert_eq!(refusal(&guard, TagIdKind::Iso14443Uid, &[4; 8], None), Some(Refusal::Length));
        assert_eq!(refusal(&guard, TagIdKind::Iso15693Uid, &[4; 7], None), Some(Refusal::Length));
    }

    #[test]
    fn a_check_code_that_does_not_fit_is_refused() {
        let mut read = TagRead::blank(TagIdKind::Epc);
        read.set_check_failed();
        let id = TagIdRef { kind: TagIdKind::Epc, bytes: &[0x30; 12] };
        assert_eq!(Guard::new(EpcHeaders::Any).refuses(&read, id), Some(Refusal::CheckFailed));
    }

    #[test]
    fn an_id_that_the_tag_made_up_is_refused() {
        let mut read = TagRead::blank(TagIdKind::Iso14443Uid);
        let id = TagIdRef { kind: TagIdKind::Iso14443Uid, bytes: &[8, 1, 2, 3] };
        assert_eq!(Guard::new(EpcHeaders::Any).refuses(&read, id), None, "the driver says so, not the bytes");
        read.set_random_id();
        assert_eq!(Guard::new(EpcHeaders::Any).refuses(&read, id), Some(Refusal::NoIdentity));
    }

    #[test]
    fn headers_count_only_where_that_is_asked_for() {
        let guard = Guard::new(EpcHeaders::Known);
        for (header, refused) in
            [(0x2D, None), (0x30, None), (0xE2, Some(Refusal::Header)), (0x00, Some(Refusal::Header))]
        {
            assert_eq!(refusal(&guard, TagIdKind::Epc, &[header; 12], None), refused, "{header:02X}");
        }
        assert_eq!(refusal(&guard, TagIdKind::Iso14443Uid, &[0xE2; 4], None), None, "a UID has no header");
    }
}

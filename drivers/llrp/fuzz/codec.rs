//! What any bytes may do to the codec: nothing bad.
//!
//! Each function is a fuzz target (`targets/`), and the codec's tests call it with random bytes,
//! so it runs where there is no fuzzer. It panics when a promise is broken.

use rfid_llrp::{Decoding, Frames, Header, Members, Message, Recall, TagReports, Version, impinj};

/// Bytes as a message, whose header is made right.
pub(crate) fn messages(data: &[u8]) {
    let Some((choice, body)) = data.split_first_chunk::<2>() else { return };
    let word = u16::from_be_bytes(*choice);
    let version = if word & 0x8000 == 0 { Version::V1_0_1 } else { Version::V1_1 };
    let header = Header { version, number: word & 0x3FF, length: 10 + body.len() as u32, id: 7 };
    let mut bytes = header.to_bytes().to_vec();
    bytes.extend_from_slice(body);
    let strict = Message::decode(&bytes, &mut Decoding::strict());
    let mut decoding = Decoding::lenient();
    let lenient = Message::decode(&bytes, &mut decoding);
    if let Ok((_, message)) = &strict {
        assert_eq!(decoding.skipped(), 0, "lenient reading skips what strict reading takes");
        assert_eq!(lenient.as_ref().map(|(_, message)| message), Ok(message));
        // Numbers of 1.1 are read in a message of 1.0.1 and not written in one.
        let again = message.encode(Version::V1_1, 7).expect("what was read can be written");
        let heard = Message::decode(&again, &mut Decoding::strict()).expect("what was written can be read");
        assert_eq!(&heard.1, message);
    }
    if let Ok((_, Message::CustomMessage(message))) = &lenient {
        let _ = impinj::extensions_status(message);
    }
}

/// Bytes as the body of a report, by views and by structures.
pub(crate) fn reports(data: &[u8]) {
    let mut recall = Recall::new(Members::ANTENNA_ID.with(Members::FIRST_SEEN));
    let mut tags = TagReports::of_body(data);
    for report in tags.by_ref() {
        let Ok(mut tag) = report else { continue };
        recall.fill(&mut tag);
        assert_eq!(tag.epc().len(), usize::from(tag.epc_bits()).div_ceil(8));
        for result in tag.results() {
            let _ = (result.meaning(), result.read_data(), result.words_written());
        }
        let _ = tag.customs().count();
    }
    assert_eq!(tags.taken(), data.len(), "the tags end where the report does");
    let header = Header { version: Version::V1_1, number: 61, length: 10 + data.len() as u32, id: 7 };
    let bytes = [&header.to_bytes(), data].concat();
    if let Ok((_, Message::ROAccessReport(report))) = Message::decode(&bytes, &mut Decoding::strict()) {
        let views = TagReports::of_body(data).filter(Result::is_ok).count();
        assert_eq!(views, report.tag_report_data.len());
    }
}

/// Bytes as a stream, cut at the places that its first bytes say.
pub(crate) fn stream(data: &[u8]) {
    let Some((cuts, mut rest)) = data.split_first_chunk::<4>() else { return };
    let whole = {
        let mut frames = Frames::up_to(4096);
        frames.push(rest);
        let mut count = 0;
        while let Ok(Some(frame)) = frames.next_frame() {
            let _ = Message::of_frame(&frame, &mut Decoding::lenient());
            count += 1;
        }
        count
    };
    let (mut frames, mut count) = (Frames::up_to(4096), 0);
    for cut in cuts.iter().cycle() {
        let (piece, behind) = rest.split_at(rest.len().min(1 + usize::from(*cut)));
        frames.push(piece);
        while let Ok(Some(_)) = frames.next_frame() {
            count += 1;
        }
        rest = behind;
        if rest.is_empty() {
            break;
        }
    }
    assert_eq!(count, whole, "how a stream is cut changes nothing");
}

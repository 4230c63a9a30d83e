//! The bodies of the fuzz targets, with random bytes that lean towards what a reader says.

use proptest::prelude::*;

#[path = "../../fuzz/hostile.rs"]
mod bodies;

/// Pieces of what readers and clients say, and anything.
fn talk() -> impl Strategy<Value = Vec<u8>> {
    let said = prop::sample::select(vec![
        "\n",
        "\n\n",
        "|",
        "12|1|0x300000000000000000000001447C|3|914750|1101973245.003590\n",
        "0xCE851234567890ABCDEF\n",
        "Error 0102: Error performing query\n\n",
        "Error 0",
        "2.3.14 (2005-11-23 Tesla )\n",
        "SELECT ",
        "id,antenna_id",
        " FROM tag_id",
        " WHERE protocol_id='GEN2' AND (antenna_id=1)",
        " SET time_out=250",
        "DECLARE c1 CURSOR FOR ",
        "SET auto c1=ON,REPEAT=0",
        "SET auto=OFF",
        "FETCH c1",
        "UPDATE settings SET x=1",
        ";",
    ]);
    let piece = prop_oneof![
        4 => said.prop_map(|text: &str| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ];
    prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_row_is_a_read_or_a_fault(choice: u8, talk in talk()) {
        bodies::rows(&[&[choice], talk.as_slice()].concat());
    }

    #[test]
    fn any_reader_leaves_a_session_that_ends_or_reads(choice: u8, said in prop::collection::vec(talk(), 0..12)) {
        let mut script = vec![choice];
        for piece in said {
            let length = piece.len().min(255);
            script.push(length as u8);
            script.extend_from_slice(&piece[..length]);
        }
        bodies::session(&script);
    }

    #[test]
    fn any_client_is_answered_or_left(talk in talk()) {
        bodies::statements(&talk);
    }

    #[test]
    fn any_text_is_a_scenario_or_refused(text in "(\\[\\[tag\\]\\]|epc|=|\"|[0-9A-F]{1,24}|for|1s|address|\n|.){0,40}") {
        bodies::texts(text.as_bytes());
    }
}

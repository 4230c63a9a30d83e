//! A reader recorded over HTTP: the bytes of a recording, as they come to be.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::{StatusCode, header::CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use rfid_core::recording::Recording;
use rfid_driver_replay::format::encode;

use super::board::Board;
use super::routes::problem;
use super::view::ReaderView;
use crate::recording;

/// Records this reader for as long as somebody listens.
pub(super) fn of(board: &Board, reader: &ReaderView) -> Response {
    let config = &reader.config;
    let Some(kept) = recording::kept(config.driver.describe().name, config.plugin.is_some()) else {
        return problem(StatusCode::CONFLICT, "A replay is not recorded", recording::PLAYS);
    };
    let recording = match reader.observer.record(kept) {
        Ok(recording) => recording,
        Err(error) => {
            let detail = format!("{error}; that recording must end first");
            return problem(StatusCode::CONFLICT, "Recorded already", &detail);
        }
    };
    let header =
        recording::header(config.driver.as_ref(), &config.settings, &config.setup, board.clock_began, kept);
    let mut beginning = Vec::new();
    header.encode(&mut beginning);
    let pieces = stream::unfold(Piece::Beginning(beginning, recording), next);
    ([(CONTENT_TYPE, "application/octet-stream")], Body::from_stream(pieces)).into_response()
}

enum Piece {
    Beginning(Vec<u8>, Recording),
    Moment(Recording),
}

async fn next(piece: Piece) -> Option<(Result<Bytes, Infallible>, Piece)> {
    let (bytes, recording) = match piece {
        Piece::Beginning(bytes, recording) => (bytes, recording),
        Piece::Moment(mut recording) => {
            let mut bytes = Vec::new();
            encode(&recording.next().await?, &mut bytes);
            (bytes, recording)
        }
    };
    Some((Ok(bytes.into()), Piece::Moment(recording)))
}

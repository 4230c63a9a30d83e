//! Photos of customers: what somebody sends is judged, made small and written anew.
//!
//! Nothing that was sent is ever kept or given out: a picture is decoded within limits, turned the way
//! its camera says, brought to two sizes, and encoded as JPEG, which leaves behind where and when it was
//! taken and whatever else was in the file. That is done on one thread of its own, so that however many
//! pictures come, they take one processor and the memory of one picture.

mod developing;

use std::panic::{AssertUnwindSafe, catch_unwind};

use rfid_core::{Error, ErrorKind, Result, Retry};
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, oneshot};

use crate::record::{CustomerId, PhotoId};
use crate::store::Photo;

pub use developing::{LARGE_SIDE, LARGEST_SIDE, MOST_BYTES, NotAPicture, SMALL_SIDE, SMALLEST_SIDE, develop};

/// Pictures that wait for the thread.
const WAITING: usize = 8;

/// The thread that makes photos of pictures.
#[derive(Clone, Debug)]
pub struct Darkroom {
    pictures: mpsc::Sender<Picture>,
}

struct Picture {
    bytes: Vec<u8>,
    answer: oneshot::Sender<Result<Photo, NotAPicture>>,
}

/// What came of a picture.
#[derive(Debug)]
pub enum PhotoFault {
    /// It is none that is taken.
    Picture(NotAPicture),
    /// It cannot be looked at now.
    Darkroom(Error),
}

impl Darkroom {
    /// Starts the thread, which ends with the last of these values.
    ///
    /// # Errors
    /// `Io` when there is no thread to be had.
    pub fn start() -> Result<Self> {
        let (pictures, waiting) = mpsc::channel(WAITING);
        std::thread::Builder::new()
            .name("photos".to_owned())
            .spawn(move || work(waiting))
            .map_err(|error| Error::new(ErrorKind::Io, "photo").with_source(error))?;
        Ok(Self { pictures })
    }

    /// Makes a photo of a picture.
    ///
    /// # Errors
    /// What is wrong with the picture; `Busy` when too many wait already.
    pub async fn develop(&self, picture: Vec<u8>) -> Result<Photo, PhotoFault> {
        let (answer, developed) = oneshot::channel();
        self.pictures.try_send(Picture { bytes: picture, answer }).map_err(|_| {
            let busy = Error::new(ErrorKind::Busy, "photo").with_detail("too many photos at once");
            PhotoFault::Darkroom(busy.with_retry(Retry::After(std::time::Duration::from_secs(2))))
        })?;
        match developed.await {
            Ok(outcome) => outcome.map_err(PhotoFault::Picture),
            Err(_) => Err(PhotoFault::Darkroom(
                Error::new(ErrorKind::Internal, "photo").with_detail("the thread ended"),
            )),
        }
    }
}

fn work(mut pictures: mpsc::Receiver<Picture>) {
    while let Some(Picture { bytes, answer }) = pictures.blocking_recv() {
        // Whoever sent it may have gone away, and then nobody needs it.
        if answer.is_closed() {
            continue;
        }
        // A decoder that panics ends with this picture and not with the thread.
        let photo = catch_unwind(AssertUnwindSafe(|| develop(&bytes)));
        let photo = photo.unwrap_or_else(|_| {
            tracing::error!("a decoder panicked over a picture, which was refused");
            Err(NotAPicture::Unreadable)
        });
        let _ = answer.send(photo);
    }
}

/// Id of a photo of this customer: by what is in it, and never that of another's, so that one of them
/// can be forgotten.
pub fn id_of(customer: CustomerId, photo: &Photo) -> PhotoId {
    let mut hash = Sha256::new();
    hash.update(customer.to_bytes());
    hash.update(&photo.large);
    PhotoId::from_bytes(hash.finalize().into())
}

#[cfg(test)]
mod tests;

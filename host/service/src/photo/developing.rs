//! A picture as it was sent into a photo as it is kept.

use std::fmt;
use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageFormat, ImageReader, Limits, Rgb, RgbImage};

use crate::store::Photo;

/// Bytes of a picture at most.
pub const MOST_BYTES: usize = 5 * 1024 * 1024;
/// Pixels of a side of a picture at most, and at least.
pub const LARGEST_SIDE: u32 = 4096;
/// See [`LARGEST_SIDE`].
pub const SMALLEST_SIDE: u32 = 32;
/// Pixels of the longer side of a photo for a record.
pub const LARGE_SIDE: u32 = 960;
/// Pixels of the longer side of a photo for a list.
pub const SMALL_SIDE: u32 = 192;

/// Bytes that decoding may take at most.
const MOST_MEMORY: u64 = 64 * 1024 * 1024;
const QUALITY: u8 = 85;

/// Why a picture is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAPicture {
    /// It is not JPEG, PNG or WebP.
    OtherFormat,
    /// It has too many bytes, or too many pixels.
    TooLarge,
    /// It has too few pixels.
    TooSmall,
    /// It cannot be decoded.
    Unreadable,
}

impl fmt::Display for NotAPicture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherFormat => f.write_str("is not a picture that is taken: JPEG, PNG or WebP"),
            Self::TooLarge => write!(
                f,
                "is too large: at most {LARGEST_SIDE} pixels a side and {} MiB",
                MOST_BYTES / 1024 / 1024
            ),
            Self::TooSmall => write!(f, "is too small: at least {SMALLEST_SIDE} pixels a side"),
            Self::Unreadable => f.write_str("is damaged: it cannot be decoded"),
        }
    }
}

impl std::error::Error for NotAPicture {}

/// Makes a photo of a picture. Blocks, for up to a second with the largest.
///
/// # Errors
/// What is wrong with it.
pub fn develop(picture: &[u8]) -> Result<Photo, NotAPicture> {
    if picture.len() > MOST_BYTES {
        return Err(NotAPicture::TooLarge);
    }
    let mut reader =
        ImageReader::new(Cursor::new(picture)).with_guessed_format().map_err(|_| NotAPicture::OtherFormat)?;
    if !matches!(reader.format(), Some(ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP)) {
        return Err(NotAPicture::OtherFormat);
    }
    let mut limits = Limits::no_limits();
    limits.max_image_width = Some(LARGEST_SIDE);
    limits.max_image_height = Some(LARGEST_SIDE);
    limits.max_alloc = Some(MOST_MEMORY);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(refused)?;
    let (width, height) = decoder.dimensions();
    // Not every decoder looks at the limits before it makes room.
    if width > LARGEST_SIDE || height > LARGEST_SIDE || decoder.total_bytes() > MOST_MEMORY {
        return Err(NotAPicture::TooLarge);
    }
    if width < SMALLEST_SIDE || height < SMALLEST_SIDE {
        return Err(NotAPicture::TooSmall);
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let image = DynamicImage::from_decoder(decoder).map_err(refused)?;
    // Smaller first: everything after that is cheap, and the large one is gone.
    let mut large = fitted(image, LARGE_SIDE);
    large.apply_orientation(orientation);
    let large = on_white(large);
    let small = fitted(DynamicImage::ImageRgb8(large.clone()), SMALL_SIDE).into_rgb8();
    Ok(Photo { large: encoded(&large)?, small: encoded(&small)? })
}

fn refused(error: image::ImageError) -> NotAPicture {
    match error {
        image::ImageError::Limits(_) => NotAPicture::TooLarge,
        _ => NotAPicture::Unreadable,
    }
}

/// The picture with no side longer than this; never larger than it was.
fn fitted(image: DynamicImage, side: u32) -> DynamicImage {
    if image.width() <= side && image.height() <= side {
        return image;
    }
    // A picture many times as large is averaged first, which is fast; the filter that is good does the
    // rest.
    let rough = side.saturating_mul(2);
    let image = if image.width() > rough || image.height() > rough {
        let rough = image.thumbnail(rough, rough);
        // Before there is anything else: it is most of the memory that this takes.
        drop(image);
        rough
    } else {
        image
    };
    image.resize(side, side, FilterType::CatmullRom)
}

/// What shines through is white, as paper is.
fn on_white(image: DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.into_rgb8();
    }
    let image = image.into_rgba8();
    let mut flat = RgbImage::new(image.width(), image.height());
    for (to, from) in flat.pixels_mut().zip(image.pixels()) {
        let [red, green, blue, alpha] = from.0;
        let blend = |part: u8| {
            let sum = u32::from(part) * u32::from(alpha) + 255 * (255 - u32::from(alpha));
            u8::try_from((sum + 127) / 255).unwrap_or(u8::MAX)
        };
        *to = Rgb([blend(red), blend(green), blend(blue)]);
    }
    flat
}

fn encoded(image: &RgbImage) -> Result<Vec<u8>, NotAPicture> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, QUALITY)
        .encode(image.as_raw(), image.width(), image.height(), ExtendedColorType::Rgb8)
        .map_err(|_| NotAPicture::Unreadable)?;
    Ok(bytes)
}

use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder, RgbImage, RgbaImage};
use proptest::prelude::*;

use super::*;

/// A picture whose left half is red and whose right half is blue.
fn two_colours(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, _| {
        if x < width / 2 { image::Rgb([200, 10, 10]) } else { image::Rgb([10, 10, 200]) }
    })
}

fn png(image: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = PngEncoder::new(&mut bytes);
    encoder.write_image(image.as_raw(), image.width(), image.height(), ExtendedColorType::Rgb8).unwrap();
    bytes
}

fn jpeg(image: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new(&mut bytes);
    encoder.write_image(image.as_raw(), image.width(), image.height(), ExtendedColorType::Rgb8).unwrap();
    bytes
}

fn webp(image: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    WebPEncoder::new_lossless(&mut bytes)
        .write_image(image.as_raw(), image.width(), image.height(), ExtendedColorType::Rgb8)
        .unwrap();
    bytes
}

fn opened(jpeg: &[u8]) -> RgbImage {
    assert_eq!(image::guess_format(jpeg).unwrap(), image::ImageFormat::Jpeg);
    image::load_from_memory(jpeg).unwrap().into_rgb8()
}

#[test]
fn a_picture_becomes_a_photo_of_two_sizes_and_is_never_enlarged() {
    for picture in
        [png(&two_colours(1600, 800)), jpeg(&two_colours(1600, 800)), webp(&two_colours(1600, 800))]
    {
        let photo = develop(&picture).unwrap();
        assert_eq!(opened(&photo.large).dimensions(), (LARGE_SIDE, LARGE_SIDE / 2));
        assert_eq!(opened(&photo.small).dimensions(), (SMALL_SIDE, SMALL_SIDE / 2));
    }
    let photo = develop(&png(&two_colours(100, 60))).unwrap();
    assert_eq!(
        (opened(&photo.large).dimensions(), opened(&photo.small).dimensions()),
        ((100, 60), (100, 60))
    );
}

/// A JPEG with an Exif segment that says how the camera was held, and a place.
fn with_exif(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0".to_vec();
    exif.extend([0x12, 0x01, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0, 0, 0, 0, 0]);
    exif.extend(b"GPS CANARY 30.25N");
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1], &length, &exif, &jpeg[2..]].concat()
}

#[test]
fn a_photo_stands_upright_and_says_nothing_of_where_it_was_taken() {
    // Held so that the top of the head is on the right of the picture.
    let picture = with_exif(&jpeg(&two_colours(640, 320)), 6);
    let photo = develop(&picture).unwrap();
    let large = opened(&photo.large);
    assert_eq!(large.dimensions(), (320, 640));
    assert!(large.get_pixel(160, 40)[0] > 150 && large.get_pixel(160, 600)[2] > 150);
    for form in [&photo.large, &photo.small] {
        assert!(
            !form.windows(6).any(|part| part == b"CANARY") && !form.windows(4).any(|part| part == b"Exif")
        );
    }
}

#[test]
fn what_shines_through_is_white() {
    let image = RgbaImage::from_pixel(64, 64, image::Rgba([0, 0, 0, 0]));
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes).write_image(image.as_raw(), 64, 64, ExtendedColorType::Rgba8).unwrap();
    assert!(
        opened(&develop(&bytes).unwrap().large).pixels().all(|pixel| pixel.0.iter().all(|part| *part > 250))
    );
}

#[test]
fn what_is_no_picture_is_refused_with_what_is_taken() {
    assert_eq!(develop(b"").unwrap_err(), NotAPicture::OtherFormat);
    assert_eq!(develop(b"<svg onload=alert(1)>").unwrap_err(), NotAPicture::OtherFormat);
    assert_eq!(develop(b"GIF89a\x01\0\x01\0\0\0\0;").unwrap_err(), NotAPicture::OtherFormat);
    assert_eq!(develop(&vec![0xff; MOST_BYTES + 1]).unwrap_err(), NotAPicture::TooLarge);
    assert_eq!(develop(&png(&two_colours(31, 400))).unwrap_err(), NotAPicture::TooSmall);
    let mut cut = png(&two_colours(200, 200));
    cut.truncate(cut.len() / 2);
    assert_eq!(develop(&cut).unwrap_err(), NotAPicture::Unreadable);
    // Behind the head of each format nothing that is one.
    for head in [b"\xff\xd8\xff\xe0".as_slice(), b"\x89PNG\r\n\x1a\n", b"RIFF\x20\0\0\0WEBPVP8 "] {
        assert_eq!(develop(&[head, &[7; 100]].concat()).unwrap_err(), NotAPicture::Unreadable, "{head:?}");
    }
}

/// A PNG whose head promises these sides and whose content is next to nothing.
fn bomb(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |name: &[u8], content: &[u8]| {
        bytes.extend(u32::try_from(content.len()).unwrap().to_be_bytes());
        let body = [name, content].concat();
        bytes.extend(&body);
        bytes.extend(crc32(&body).to_be_bytes());
    };
    let head = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 6, 0, 0, 0]].concat();
    chunk(b"IHDR", &head);
    chunk(b"IDAT", &[0x78, 0x9c, 0x03, 0x00, 0x00, 0x00, 0x00, 0x01]);
    chunk(b"IEND", &[]);
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

#[test]
fn a_picture_that_would_take_more_memory_than_it_may_is_refused_by_its_head() {
    for (width, height) in
        [(13_000, 13_000), (4097, 64), (64, 4097), (u32::MAX / 2, 64), (i32::MAX as u32, i32::MAX as u32)]
    {
        assert_eq!(develop(&bomb(width, height)).unwrap_err(), NotAPicture::TooLarge, "{width} x {height}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_picture_with_changed_bytes_is_a_picture_or_refused(
        which in 0usize..3,
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..20),
        cut in any::<proptest::sample::Index>(),
    ) {
        let image = two_colours(40, 40);
        let mut picture = [png(&image), jpeg(&image), webp(&image)].into_iter().nth(which).unwrap();
        for (at, byte) in changes {
            let at = at.index(picture.len());
            picture[at] = byte;
        }
        picture.truncate(cut.index(picture.len()) + 1);
        if let Ok(photo) = develop(&picture) {
            prop_assert!(opened(&photo.large).width() <= LARGE_SIDE && opened(&photo.small).width() <= SMALL_SIDE);
        }
    }
}

#[tokio::test]
async fn a_darkroom_takes_one_picture_behind_the_other_and_says_when_too_many_wait() {
    let darkroom = Darkroom::start().unwrap();
    let picture = png(&two_colours(900, 900));
    let many = (0..40).map(|_| {
        let (darkroom, picture) = (darkroom.clone(), picture.clone());
        async move { darkroom.develop(picture).await }
    });
    let outcomes = futures_util::future::join_all(many).await;
    let taken = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert!(taken >= 8, "{taken}");
    let refused = |outcome: &Result<Photo, PhotoFault>| match outcome {
        Err(PhotoFault::Darkroom(error)) => error.kind() == ErrorKind::Busy,
        outcome => outcome.is_ok(),
    };
    assert!(outcomes.iter().all(refused));
    assert!(matches!(
        darkroom.develop(b"x".to_vec()).await,
        Err(PhotoFault::Picture(NotAPicture::OtherFormat))
    ));
}

#[test]
fn two_customers_never_share_a_photo() {
    let photo = develop(&png(&two_colours(64, 64))).unwrap();
    let id = |byte| id_of(CustomerId::from_bytes([byte; 16]), &photo);
    assert_eq!(id(1), id(1));
    assert_ne!(id(1), id(2));
}

//! Photos of customers for the demo: drawn, so that nobody's face is in it.

use std::io::Cursor;

use image::{ImageFormat, Rgb, RgbImage};

/// Pixels of a side.
const SIDE: u32 = 480;

/// What somebody looks like.
struct Looks {
    number: &'static str,
    ground: [u8; 3],
    skin: [u8; 3],
    hair: [u8; 3],
    coat: [u8; 3],
    /// How far the hair comes down, in parts of the side.
    hair_to: f32,
}

const LOOKS: [Looks; 12] = [
    looks("6001", [206, 222, 226], [233, 190, 158], [40, 34, 32], [38, 62, 92], 0.40),
    looks("6002", [232, 216, 206], [243, 205, 178], [58, 38, 30], [150, 52, 70], 0.74),
    looks("6003", [214, 226, 208], [224, 178, 146], [90, 88, 90], [70, 74, 78], 0.38),
    looks("6004", [222, 212, 230], [240, 200, 172], [30, 26, 34], [88, 60, 120], 0.70),
    looks("6005", [230, 226, 200], [228, 184, 150], [48, 40, 36], [40, 96, 78], 0.42),
    looks("6006", [204, 218, 236], [246, 210, 186], [96, 62, 40], [30, 84, 130], 0.66),
    looks("6007", [226, 214, 200], [214, 170, 136], [26, 24, 24], [96, 40, 40], 0.36),
    looks("6008", [240, 222, 228], [246, 208, 186], [44, 26, 22], [176, 104, 40], 0.78),
    looks("6009", [208, 226, 220], [226, 184, 152], [70, 62, 58], [24, 44, 74], 0.41),
    looks("6010", [224, 228, 208], [242, 202, 174], [34, 28, 30], [60, 110, 60], 0.72),
    looks("6011", [214, 216, 228], [230, 188, 158], [52, 44, 40], [112, 84, 48], 0.39),
    looks("6012", [236, 226, 214], [247, 212, 190], [82, 54, 38], [120, 36, 84], 0.68),
];

const fn looks(
    number: &'static str,
    ground: [u8; 3],
    skin: [u8; 3],
    hair: [u8; 3],
    coat: [u8; 3],
    hair_to: f32,
) -> Looks {
    Looks { number, ground, skin, hair, coat, hair_to }
}

/// Numbers of customers, each with a PNG.
pub(super) fn all() -> anyhow::Result<Vec<(&'static str, Vec<u8>)>> {
    LOOKS.iter().map(|looks| Ok((looks.number, png(looks)?))).collect()
}

fn png(looks: &Looks) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    draw(looks).write_to(&mut bytes, ImageFormat::Png)?;
    Ok(bytes.into_inner())
}

fn draw(looks: &Looks) -> RgbImage {
    // Coordinates in parts of the side, from the upper left.
    RgbImage::from_fn(SIDE, SIDE, |x, y| {
        let (x, y) = (x as f32 / SIDE as f32, y as f32 / SIDE as f32);
        let within =
            |cx: f32, cy: f32, rx: f32, ry: f32| ((x - cx) / rx).powi(2) + ((y - cy) / ry).powi(2) <= 1.0;
        let is_eye = within(0.43, 0.45, 0.018, 0.024) || within(0.57, 0.45, 0.018, 0.024);
        let is_mouth = within(0.5, 0.575, 0.055, 0.022) && y > 0.575;
        let is_face = within(0.5, 0.46, 0.165, 0.215) && y > 0.30;
        let is_neck = (x - 0.5).abs() < 0.065 && (0.6..0.76).contains(&y);
        let is_hair = within(0.5, 0.43, 0.205, 0.255) && y < looks.hair_to;
        let is_collar = (x - 0.5).abs() < (0.83 - y).max(0.0) * 0.9 && y > 0.70;
        let is_coat = within(0.5, 1.02, 0.36, 0.32);
        if is_eye {
            Rgb([36, 30, 30])
        } else if is_mouth {
            Rgb([176, 84, 80])
        } else if is_face {
            Rgb(looks.skin)
        } else if is_neck {
            Rgb(looks.skin.map(|part| part.saturating_sub(18)))
        } else if is_hair {
            Rgb(looks.hair)
        } else if is_coat && is_collar {
            Rgb([244, 244, 246])
        } else if is_coat {
            Rgb(looks.coat)
        } else {
            Rgb(looks.ground.map(|part| part.saturating_sub((y * 26.0) as u8)))
        }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_customer_who_agrees_to_be_recognised_has_a_photo_that_is_no_other_s() {
        let all = all().unwrap();
        let customers = super::super::CUSTOMERS.lines().skip(1).filter(|line| !line.ends_with("opted_out"));
        let numbers: Vec<&str> = customers.filter_map(|line| line.split(',').next()).collect();
        assert_eq!(all.iter().map(|(number, _)| *number).collect::<Vec<_>>(), numbers);
        assert_eq!(all.iter().map(|(_, photo)| photo).collect::<BTreeSet<_>>().len(), all.len());
    }
}

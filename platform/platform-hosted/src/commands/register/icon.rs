//! The icon of a world: an ember over a line of time.
//!
//! One table of shapes; the SVG and the pictures of each size are made from it.

/// The side of the square that the shapes stand in.
const SIDE: f32 = 64.0;
/// The sizes that desktops look for.
pub const SIZES: [u32; 8] = [16, 22, 24, 32, 48, 64, 128, 256];

/// A rectangle with round corners; a disc if the radius is half of its side.
struct Shape {
    left: f32,
    top: f32,
    width: f32,
    height: f32,
    radius: f32,
    rgb: u32,
}

const fn rounded(left: f32, top: f32, width: f32, height: f32, radius: f32, rgb: u32) -> Shape {
    Shape { left, top, width, height, radius, rgb }
}

const fn disc(x: f32, y: f32, radius: f32, rgb: u32) -> Shape {
    rounded(x - radius, y - radius, 2.0 * radius, 2.0 * radius, radius, rgb)
}

/// The colours are those of the dark desk.
const SHAPES: &[Shape] = &[
    rounded(3.0, 3.0, 58.0, 58.0, 13.0, 0x26_23_20),
    disc(32.0, 27.0, 16.0, 0xA3_40_0F),
    disc(32.0, 27.0, 11.5, 0xF5_A2_6C),
    disc(32.0, 27.0, 6.0, 0xFC_E9_D8),
    rounded(11.0, 49.0, 42.0, 2.0, 1.0, 0x5F_58_4E),
    disc(15.0, 50.0, 2.5, 0xB3_AA_9D),
    disc(26.0, 50.0, 2.5, 0xB3_AA_9D),
    disc(37.0, 50.0, 2.5, 0xB3_AA_9D),
    disc(48.0, 50.0, 4.0, 0xF5_A2_6C),
];

impl Shape {
    /// How far a point lies outside; negative inside.
    fn distance(&self, x: f32, y: f32) -> f32 {
        let beside = |at: f32, start: f32, length: f32| {
            (at - start - length / 2.0).abs() - length / 2.0 + self.radius
        };
        let (dx, dy) = (beside(x, self.left, self.width), beside(y, self.top, self.height));
        dx.max(0.0).hypot(dy.max(0.0)) + dx.max(dy).min(0.0) - self.radius
    }
}

/// The picture in vectors.
pub fn svg() -> String {
    let mut svg = String::from("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 64 64\">\n");
    for shape in SHAPES {
        svg.push_str(&format!(
            "  <rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{}\" fill=\"#{:06X}\"/>\n",
            shape.left, shape.top, shape.width, shape.height, shape.radius, shape.rgb
        ));
    }
    svg.push_str("</svg>\n");
    svg
}

/// The pixels of the picture at a size: opacity, red, green, blue, not multiplied.
fn pixels(size: u32) -> Vec<u32> {
    let scale = size as f32 / SIDE;
    let centres = (0..size * size).map(|n| ((n % size) as f32 + 0.5, (n / size) as f32 + 0.5));
    centres.map(|(x, y)| pixel(x / scale, y / scale, scale)).collect()
}

fn pixel(x: f32, y: f32, scale: f32) -> u32 {
    let mut colour = [0.0f32; 3];
    let mut opacity = 0.0f32;
    for shape in SHAPES {
        let cover = (0.5 - shape.distance(x, y) * scale).clamp(0.0, 1.0);
        let whole = cover + opacity * (1.0 - cover);
        if whole == 0.0 {
            continue;
        }
        for (channel, shift) in colour.iter_mut().zip([16, 8, 0]) {
            let new = (shape.rgb >> shift & 0xFF) as f32;
            *channel = (new * cover + *channel * opacity * (1.0 - cover)) / whole;
        }
        opacity = whole;
    }
    let [red, green, blue] = colour.map(|channel| channel.round() as u32);
    ((opacity * 255.0).round() as u32) << 24 | red << 16 | green << 8 | blue
}

/// The picture at a size, as a PNG.
pub fn png(size: u32) -> Vec<u8> {
    raster::encode_png_with_opacity(&pixels(size), size, size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_have_clear_corners_and_an_ember() {
        for size in SIZES {
            let pixels = pixels(size);
            let at = |x: f32, y: f32| {
                let scale = size as f32 / SIDE;
                pixels[((y * scale) as u32 * size + (x * scale) as u32) as usize]
            };
            assert_eq!(at(0.0, 0.0) >> 24, 0, "{size}");
            assert_eq!(at(63.5, 63.5) >> 24, 0, "{size}");
            assert_eq!(at(8.0, 32.0), 0xFF26_2320, "{size}");
            assert_eq!(at(32.0, 27.0) >> 16, 0xFFFC, "{size}");
        }
    }

    #[test]
    fn edges_are_smooth() {
        let pixels = pixels(256);
        let partly = pixels.iter().filter(|pixel| !matches!(**pixel >> 24, 0 | 255)).count();
        assert!((100..2000).contains(&partly), "{partly}");
    }
}

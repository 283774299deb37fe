//! A picture as a PNG: red, green, blue, and opacity where it is wanted, eight bits each.
//!
//! The format: ISO/IEC 15948. Rows use the filter *up*, which suits flat areas.
//!
//! Must not know: where the pixels come from.

use alloc::vec::Vec;
use miniz_oxide::deflate::compress_to_vec_zlib;

const SIGNATURE: [u8; 8] = [0x89, b'P', b'N', b'G', 0x0D, 0x0A, 0x1A, 0x0A];
/// A level that is quick and good enough for flat areas.
const LEVEL: u8 = 6;

/// The PNG of `width` by `height` pixels `0x00RRGGBB`.
pub fn encode(pixels: &[u32], width: u32, height: u32) -> Vec<u8> {
    encode_channels(pixels, width, height, 2, &[16, 8, 0])
}

/// The PNG of `width` by `height` pixels `0xAARRGGBB`, whose colours are not multiplied by their opacity.
pub fn encode_with_opacity(pixels: &[u32], width: u32, height: u32) -> Vec<u8> {
    encode_channels(pixels, width, height, 6, &[16, 8, 0, 24])
}

/// The channels of a pixel begin at these bits of its word; the format calls them a colour type.
fn encode_channels(pixels: &[u32], width: u32, height: u32, colour_type: u8, channels: &[u32]) -> Vec<u8> {
    let mut png = SIGNATURE.to_vec();
    let mut head = Vec::with_capacity(13);
    head.extend_from_slice(&width.to_be_bytes());
    head.extend_from_slice(&height.to_be_bytes());
    // Eight bits a channel, deflate, adaptive filters, not interlaced.
    head.extend_from_slice(&[8, colour_type, 0, 0, 0]);
    chunk(&mut png, *b"IHDR", &head);
    chunk(&mut png, *b"IDAT", &compress_to_vec_zlib(&filtered(pixels, width as usize, channels), LEVEL));
    chunk(&mut png, *b"IEND", &[]);
    png
}

fn filtered(pixels: &[u32], width: usize, channels: &[u32]) -> Vec<u8> {
    const UP: u8 = 2;
    let mut rows = Vec::with_capacity(pixels.len() * channels.len() + pixels.len() / width.max(1) + 1);
    let mut above: &[u32] = &[];
    for row in pixels.chunks_exact(width.max(1)) {
        rows.push(UP);
        for (x, pixel) in row.iter().enumerate() {
            let under = above.get(x).copied().unwrap_or_default();
            for shift in channels {
                rows.push(((pixel >> shift) as u8).wrapping_sub((under >> shift) as u8));
            }
        }
        above = row;
    }
    rows
}

fn chunk(png: &mut Vec<u8>, kind: [u8; 4], body: &[u8]) {
    png.extend_from_slice(&(body.len() as u32).to_be_bytes());
    let start = png.len();
    png.extend_from_slice(&kind);
    png.extend_from_slice(body);
    let sum = crc32(png.get(start..).unwrap_or_default());
    png.extend_from_slice(&sum.to_be_bytes());
}

fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0u32; 256];
        let mut n = 0;
        while n < 256 {
            let (mut value, mut bit) = (n as u32, 0);
            while bit < 8 {
                value = if value & 1 == 1 { value >> 1 ^ 0xEDB8_8320 } else { value >> 1 };
                bit += 1;
            }
            table[n] = value;
            n += 1;
        }
        table
    };
    !bytes.iter().fold(!0u32, |sum, byte| {
        TABLE.get(usize::from(sum as u8 ^ byte)).copied().unwrap_or_default() ^ sum >> 8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_have_their_sums_and_rows_come_back() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        let pixels = [0x010203, 0x040506, 0x010203, 0xFFFFFF];
        let png = encode(&pixels, 2, 2);
        assert_eq!(png[..8], SIGNATURE);
        assert_eq!(png[16..24], [0, 0, 0, 2, 0, 0, 0, 2]);
        let length = u32::from_be_bytes([png[33], png[34], png[35], png[36]]) as usize;
        let rows = miniz_oxide::inflate::decompress_to_vec_zlib(&png[41..41 + length]);
        let rows = rows.unwrap_or_default();
        let expected = [2, 1, 2, 3, 4, 5, 6, 2, 0, 0, 0, 0xFB, 0xFA, 0xF9];
        assert_eq!(rows, expected);
    }
}

//! CRC-32C (Castagnoli), the checksum of deltas and snapshots: eight bytes a step through eight
//! tables.
//!
//! See Kounavis and Berry, "A Systematic Approach to Building High Performance Software-Based CRC
//! Generators", 2005.

/// 0x1EDC6F41, bits reversed.
const POLYNOMIAL: u32 = 0x82F6_3B78;

/// `TABLES[k][b]` is the remainder of byte b followed by k zero bytes.
static TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0_u32; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut remainder = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            remainder = (remainder >> 1) ^ (POLYNOMIAL & (remainder & 1).wrapping_neg());
            bit += 1;
        }
        tables[0][byte] = remainder;
        byte += 1;
    }
    let mut zeros = 1;
    while zeros < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[zeros - 1][byte];
            tables[zeros][byte] = (before >> 8) ^ tables[0][(before & 0xFF) as usize];
            byte += 1;
        }
        zeros += 1;
    }
    tables
}

/// The checksum of `bytes`, continued from `crc` (0 at the start): `crc32c(crc32c(0, a), b)` is
/// that of a then b.
pub fn crc32c(crc: u32, bytes: &[u8]) -> u32 {
    let mut crc = !crc;
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        let word = u64::from_le_bytes(word.try_into().expect("eight bytes")) ^ u64::from(crc);
        crc = 0;
        for (index, byte) in word.to_le_bytes().into_iter().enumerate() {
            crc ^= TABLES[7 - index][byte as usize];
        }
    }
    for &byte in words.remainder() {
        crc = (crc >> 8) ^ TABLES[0][((crc ^ u32::from(byte)) & 0xFF) as usize];
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The scalar form: bit by bit, from the definition.
    fn bitwise(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0_u32, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| match crc & 1 {
                1 => (crc >> 1) ^ POLYNOMIAL,
                _ => crc >> 1,
            })
        })
    }

    #[test]
    fn published_checksums_are_reproduced() {
        assert_eq!(crc32c(0, b"123456789"), 0xE306_9283);
        assert_eq!(crc32c(0, &[0; 32]), 0x8A91_36AA);
        assert_eq!(crc32c(0, &[0xFF; 32]), 0x62A8_AB43);
    }

    #[test]
    fn any_length_cut_anywhere_equals_the_definition() {
        let bytes: Vec<u8> = (0..68_u32).map(|i| (i * 151 + 7) as u8).collect();
        for length in 0..bytes.len() {
            for middle in 0..=length {
                let chained = crc32c(crc32c(0, &bytes[..middle]), &bytes[middle..length]);
                assert_eq!(chained, bitwise(&bytes[..length]));
            }
        }
    }
}

//! Mixing of ids. Ids are 64-bit words whose bits are not uniform (slot on top, small numbers
//! below); shards, counters and initial values mix them first, each with its own salt.

const SHARD_SALT: u64 = 0x6A09_E667_F3BC_C908;

/// A bijection of 64-bit words in which every input bit moves about half of the output bits.
///
/// See David Stafford's "Mix13", the finalizer of SplitMix64.
#[inline(always)]
pub fn mix64(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

/// The logical shard of an id, in `0..shards`: a function of the id alone, for any number of
/// shards.
///
/// Salted, so that inside a shard `mix64(id)` is still uniform and a table may use its top bits.
#[inline(always)]
pub fn shard_of(id: u64, shards: u32) -> u32 {
    let uniform = mix64(id ^ SHARD_SALT) >> 32;
    ((uniform * u64::from(shards)) >> 32) as u32
}

/// The inverse of `mix64`.
#[cfg(test)]
pub fn unmix64(word: u64) -> u64 {
    let word = word ^ (word >> 31) ^ (word >> 62);
    let word = word.wrapping_mul(0x3196_42B2_D24D_8EC3);
    let word = word ^ (word >> 27) ^ (word >> 54);
    let word = word.wrapping_mul(0x96DE_1B17_3F11_9089);
    word ^ (word >> 30) ^ (word >> 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixing_loses_nothing() {
        for word in (0..1000).map(|word: u64| word.wrapping_mul(0x0123_4567_89AB_CDEF)) {
            assert_eq!(unmix64(mix64(word)), word);
        }
    }

    #[test]
    fn consecutive_ids_fall_evenly_on_any_number_of_shards() {
        for shards in [1_u32, 2, 3, 7, 64, 100] {
            let mut counts = vec![0_u32; shards as usize];
            for id in 0..100_000_u64 {
                counts[shard_of((3 << 48) | id, shards) as usize] += 1;
            }
            let mean = 100_000.0 / f64::from(shards);
            for count in counts {
                assert!((f64::from(count) - mean).abs() < 6.0 * mean.sqrt() + 1.0);
            }
        }
    }

    #[test]
    fn top_bits_of_the_plain_mix_stay_uniform_inside_a_shard() {
        let mut counts = [0_u32; 16];
        let mut inside = 0;
        for id in 0..640_000_u64 {
            if shard_of(id, 64) == 5 {
                counts[(mix64(id) >> 60) as usize] += 1;
                inside += 1;
            }
        }
        let mean = f64::from(inside) / 16.0;
        for count in counts {
            assert!((f64::from(count) - mean).abs() < 6.0 * mean.sqrt());
        }
    }
}

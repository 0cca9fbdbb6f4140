//! The plane of a subtable that a choice byte (eight bits of hash) selects.
//!
//! # The plain algorithm
//!
//! `choice_byte % planes`. But then a new plane moves nearly all entries of a subtable, and
//! splitting a subtable of sixteen planes moves half of each plane.
//!
//! # Deviations, and their gain
//!
//! 1. **Consistent hashing** (Karger et al., 1997), by a table of 256 bytes for each number of
//!    planes: plane n + 1 takes its share of bytes from all others, and no other byte moves. An
//!    insertion pays for moving one entry; with an index that was rebuilt a seventh larger it paid
//!    for nine, and insertion took 2.4 times as long.
//! 2. **Home planes,** so that sixteen planes are two subtables of eight as they stand. With up to
//!    eight planes, the home of a byte is bits 4 to 6. With more, a byte with bit 7 set has the
//!    home 8 + bits 0 to 2. A new plane takes the bytes whose home it is. Until the remaining
//!    planes exist, it also borrows bytes from the fullest planes, to keep shares equal. At sixteen
//!    planes every byte is at home, bit 7 alone tells the halves apart, and a split moves nothing:
//!    splits cost 3 instead of 30 ns an insertion.
//! 3. **Rotation.** In the upper half, bits 0 to 2 must select among eight planes as bits 4 to 6 do
//!    in the lower half. So the upper half reads its bytes with the low seven bits rotated left by
//!    four, which moves bits 0 to 2 to bits 4 to 6. The rotation of a subtable is the number of
//!    times that it was an upper half, modulo seven. Bit 7 of each byte becomes the next bit of the
//!    hash (`entry.rs`).
//!
//! # Example
//!
//! Choice byte 0xb5, bits 1 011 0101, while its subtable grows:
//!
//! ```text
//! planes   plane
//!  1       0
//!  2- 3    1    borrowed: the home, bits 4 to 6 = 3, does not exist yet
//!  4-10    3    at home
//! 11-13   10    borrowed: bit 7 is set, so the home is now 8 + bits 0 to 2 = 13
//! 14-16   13    at home
//!  8       5    the upper half as a subtable of its own: rotated once, the low bits are 101 0110,
//!               of which bits 4 to 6 are 5
//! ```
//!
//! Byte 0x35, the same without bit 7, stays in plane 3 from four planes on, and so in the lower
//! half.

use std::sync::OnceLock;

/// Maximum number of planes of a subtable.
pub const PLANES_MAX: usize = 16;
/// Planes of each half of a split subtable.
pub const PLANES_HALF: usize = PLANES_MAX / 2;
/// Number of rotations of the low seven bits.
pub const ROTATIONS: usize = 7;

/// The plane of each choice byte.
pub type PlaneChoice = [u8; 256];

/// Plane choices by rotation and number of planes. Computed at the first use; as data they would be
/// a sixth of the module.
pub fn plane_choices() -> &'static [[PlaneChoice; PLANES_MAX + 1]; ROTATIONS] {
    static CHOICES: OnceLock<[[PlaneChoice; PLANES_MAX + 1]; ROTATIONS]> = OnceLock::new();
    CHOICES.get_or_init(|| {
        let mut all = [[[0; 256]; PLANES_MAX + 1]; ROTATIONS];
        for planes in 2..=PLANES_MAX {
            all[0][planes] = with_one_more(&all[0][planes - 1], planes);
        }
        for rotation in 1..ROTATIONS {
            all[rotation] =
                all[0].map(|choice| std::array::from_fn(|byte| choice[rotated(byte, rotation)]));
        }
        all
    })
}

/// The low seven bits rotated left by four, `rotation` times; bit 7 stays.
fn rotated(byte: usize, rotation: usize) -> usize {
    let by = 4 * rotation % 7;
    let low = byte & 127;
    byte & 128 | (low << by | low >> (7 - by)) & 127
}

/// The home of a byte in a subtable that grows to `planes_max` planes.
fn home(byte: usize, planes_max: usize) -> usize {
    match planes_max > PLANES_HALF && byte >= 128 {
        true => PLANES_HALF + byte % PLANES_HALF,
        false => byte / 16 % PLANES_HALF,
    }
}

/// The choice among `planes`, from the choice among one fewer.
fn with_one_more(fewer: &PlaneChoice, planes: usize) -> PlaneChoice {
    let planes_max = if planes > PLANES_HALF { PLANES_MAX } else { PLANES_HALF };
    let last = planes - 1;
    let mut choice = *fewer;
    let mut counts = [0; PLANES_MAX];
    for byte in 0..256 {
        if home(byte, planes_max) == last {
            choice[byte] = last as u8;
        }
        counts[usize::from(choice[byte])] += 1;
    }
    // Borrow bytes from the fullest plane, as long as it has bytes whose home does not exist yet.
    let mut at = 0;
    let mut passed_over = 0;
    while counts[last] < 256 / planes && passed_over < 256 {
        let fullest = (0..last).rev().max_by_key(|&plane| counts[plane]).unwrap_or(0);
        at = (at + 37) % 256;
        passed_over += 1;
        if usize::from(choice[at]) == fullest && home(at, planes_max) > last {
            choice[at] = last as u8;
            counts[fullest] -= 1;
            counts[last] += 1;
            passed_over = 0;
        }
    }
    choice
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_plane_takes_its_share_and_nothing_else_moves() {
        for choices in plane_choices() {
            for planes in 2..=PLANES_MAX {
                let mut counts = [0_usize; PLANES_MAX];
                for (&now, &before) in choices[planes].iter().zip(&choices[planes - 1]) {
                    assert!(now == before || usize::from(now) == planes - 1);
                    counts[usize::from(now)] += 1;
                }
                for count in &counts[..planes] {
                    assert!(count.abs_diff(256 / planes) <= 3, "{planes} planes: {counts:?}");
                }
            }
        }
    }

    #[test]
    fn the_example_above_is_true() {
        let chosen = |planes: usize| plane_choices()[0][planes][0xb5];
        let way: Vec<u8> = (1..=PLANES_MAX).map(chosen).collect();
        assert_eq!(way, [0, 1, 1, 3, 3, 3, 3, 3, 3, 3, 10, 10, 10, 13, 13, 13]);
        assert_eq!(plane_choices()[1][PLANES_HALF][0xb5], 5);
        assert!((4..=PLANES_MAX).all(|planes| plane_choices()[0][planes][0x35] == 3));
    }

    #[test]
    fn sixteen_planes_are_two_subtables_of_eight_whatever_bit_seven_becomes() {
        for (rotation, choices) in plane_choices().iter().enumerate() {
            for byte in 0..256 {
                let plane = usize::from(choices[PLANES_MAX][byte]);
                let upper = byte >= 128;
                assert_eq!(plane >= PLANES_HALF, upper);
                let half =
                    &plane_choices()[(rotation + usize::from(upper)) % ROTATIONS][PLANES_HALF];
                assert_eq!(usize::from(half[byte]), plane % PLANES_HALF);
                assert_eq!(half[byte], half[byte ^ 128]);
            }
        }
    }
}

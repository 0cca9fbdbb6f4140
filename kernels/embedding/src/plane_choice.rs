//! Which plane of a subtable a byte of hash chooses, so that one plane more takes its share from all others and nothing else
//! moves, and so that a subtable of sixteen planes is two subtables of eight as it stands.
//!
//! The first is consistent hashing (Karger et al., 1997), by a table. For the second every byte has a home: with up to eight
//! planes the one of its bits 4 to 6; with more, where bit 7 is set, the upper plane of its bits 0 to 2. A new plane takes
//! all bytes whose home it is and, until the planes after it are there, looks after as many others as make planes equal. At
//! sixteen every byte is at home: bit 7 alone says which half, and bits 4 to 6 of the lower half, 0 to 2 of the upper,
//! choose among eight. So each half is a subtable again, whose bit 7 is the next bit of the hash, once the upper half
//! reads its low seven bits turned by four, which puts bits 0 to 2 where bits 4 to 6 were. A subtable's turns are
//! how often it was an upper half, modulo seven.
//!
//! The way of byte 0xb5, bits 1 011 0101, while its subtable grows:
//!
//! ```text
//! planes   chooses
//!  1       0
//!  2- 3    1    looked after: its home, bits 4 to 6 = 3, is not there yet
//!  4-10    3    at home
//! 11-13   10    looked after: with bit 7 set its home is now 8 + bits 0 to 2 = 13
//! 14-16   13    at home
//!  8       5    the upper half as a subtable of its own: one turn makes the low bits 101 0110, of which bits 4 to 6 are 5
//! ```
//!
//! Byte 0x35, the same without bit 7, stays in plane 3 from four planes on, and so in the lower half.

use std::sync::OnceLock;

/// Planes a subtable has at most.
pub const PLANES_MAX: usize = 16;
/// Planes of each half when it is cut in two.
pub const PLANES_HALF: usize = PLANES_MAX / 2;
/// Ways to read the low seven bits.
pub const TURNS: usize = 7;

/// The plane that each byte chooses.
pub type PlaneChoice = [u8; 256];

/// Choices by turns and number of planes. Made at the first use: as data they would be a sixth of the module.
pub fn plane_choices() -> &'static [[PlaneChoice; PLANES_MAX + 1]; TURNS] {
    static CHOICES: OnceLock<[[PlaneChoice; PLANES_MAX + 1]; TURNS]> = OnceLock::new();
    CHOICES.get_or_init(|| {
        let mut all = [[[0; 256]; PLANES_MAX + 1]; TURNS];
        for planes in 2..=PLANES_MAX {
            all[0][planes] = with_one_more(&all[0][planes - 1], planes);
        }
        for turns in 1..TURNS {
            all[turns] =
                all[0].map(|choice| std::array::from_fn(|byte| choice[turned(byte, turns)]));
        }
        all
    })
}

/// The low seven bits turned left by four, `turns` times; bit 7 stays.
fn turned(byte: usize, turns: usize) -> usize {
    let by = 4 * turns % 7;
    let low = byte & 127;
    byte & 128 | (low << by | low >> (7 - by)) & 127
}

/// Where a byte belongs once there are `planes_max` planes, the eight of the lower half or all.
fn home(byte: usize, planes_max: usize) -> usize {
    match planes_max > PLANES_HALF && byte >= 128 {
        true => PLANES_HALF + byte % PLANES_HALF,
        false => byte / 16 % PLANES_HALF,
    }
}

/// The choice among `planes`, from that among one fewer.
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
    // Others from whichever plane has most, as long as that has any whose home is not there yet.
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
        for (turns, choices) in plane_choices().iter().enumerate() {
            for byte in 0..256 {
                let plane = usize::from(choices[PLANES_MAX][byte]);
                let upper = byte >= 128;
                assert_eq!(plane >= PLANES_HALF, upper);
                let half = &plane_choices()[(turns + usize::from(upper)) % TURNS][PLANES_HALF];
                assert_eq!(usize::from(half[byte]), plane % PLANES_HALF);
                assert_eq!(half[byte], half[byte ^ 128]);
            }
        }
    }
}

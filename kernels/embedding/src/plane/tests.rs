use super::*;
use crate::mixing::mix64;

#[test]
fn the_other_choice_of_the_other_is_the_first_and_stays_on_its_side() {
    for seed in 0..20_000 {
        let ([first, second], tag) = Choice::both(mix64(seed), seed as u8 % 16);
        assert!((first.group as usize) < GROUPS && (second.group as usize) < GROUPS);
        assert!(first.choice_byte < 256 && second.choice_byte < 256);
        assert_eq!(second.other(tag), first);
        assert_eq!(first.choice_byte & 128, second.choice_byte & 128);
        assert!(!is_guest(first.group, tag) && is_guest(second.group, tag));
    }
}

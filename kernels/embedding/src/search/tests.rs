use super::*;
use crate::plane_choice::plane_choices;

#[test]
fn the_example_of_the_module_is_true() {
    let hash = mix64(42);
    assert_eq!((hash, hash_hint_of(hash, 0)), (0xa759_ea27_d472_7622, 0x29));
    let ([first, second], tag) = Choice::both(hash, 0);
    assert_eq!((tag, first.group, first.choice_byte), (0x27, 55, 0xa2));
    assert_eq!((second.group, second.choice_byte), (48, 0xd1));
    let planes = [first, second].map(|it| plane_choices()[0][4][it.choice_byte as usize]);
    assert_eq!(planes, [2, 3]);
}

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
    }
}

#[test]
fn a_bucket_knows_the_next_bit_of_its_hashes_at_every_depth() {
    let (mut planes, mut memory) = (Planes::default(), Memory::new(1 << 20));
    let plane = planes.take(&mut memory).unwrap();
    plane.clear();
    for seed in 0..500 {
        let hash_of = |handle: u32| mix64(seed << 8 | u64::from(handle));
        let bucket = plane.bucket(seed as u32 % GROUPS as u32);
        let cells = seed as usize % (BUCKET_CELLS + 1);
        for cell in 0..cells {
            let hash = hash_of(cell as u32);
            let choice_byte = Choice::first(hash, 0).choice_byte as u8;
            bucket.set(cell, Cell { tag: 1, choice_byte, entry: Entry::new(hash, 0, cell as u32) });
        }
        for depth in 0..17 {
            if depth > 0 {
                bucket.deepen(depth, &hash_of);
            }
            for handle in 0..cells as u32 {
                let Cell { choice_byte, entry, .. } = bucket.cell(handle as usize);
                assert_eq!(entry, Entry::new(hash_of(handle), depth, handle));
                assert_eq!(
                    u32::from(choice_byte),
                    Choice::first(hash_of(handle), depth).choice_byte
                );
            }
        }
    }
}

use super::*;
use crate::mixing::mix64;
use crate::plane::{is_guest, Choice};

/// A bucket without entries, and the owner of its line.
fn bucket() -> (Bucket, Box<Line>) {
    let mut line = Box::new(Line {
        tags: [0; BUCKET_CELLS],
        choice_bytes: [0; BUCKET_CELLS],
        entries: [Entry::NONE; BUCKET_CELLS],
    });
    (Bucket::at(&raw mut *line), line)
}

#[test]
fn the_vector_comparison_equals_its_scalar_form() {
    for seed in 0..2000 {
        let words = [mix64(seed), mix64(seed + 1_000_000)].map(u64::to_le_bytes).concat();
        let bytes: [u8; 16] = words.try_into().unwrap();
        for byte in [0, 1, bytes[0], bytes[9], bytes[15], 255] {
            assert_eq!(equal_bytes(&bytes, byte), equal_bytes_scalar(&bytes, byte));
        }
    }
}

#[test]
fn cells_keep_what_was_written_and_are_empty_without_a_tag() {
    let (bucket, _line) = bucket();
    assert_eq!((bucket.empty(), bucket.taken()), (0x3ff, 0));
    for cell in 0..BUCKET_CELLS {
        // Choice bytes and entries of all values, which are not taken for tags.
        let entry = Entry::new(mix64(cell as u64), 0, cell as u32);
        bucket.set(cell, Cell { tag: 7 + cell as u8 % 2, choice_byte: 7, entry });
    }
    assert_eq!((bucket.matches(7), bucket.matches(8)), (0x155, 0x2aa));
    assert_eq!(bucket.first_entry(bucket.matches(8)).handle(), 1);
    assert_eq!(bucket.first_entry(0).handle(), 9);
    bucket.clear(9);
    bucket.clear(0);
    assert_eq!((bucket.empty(), bucket.taken()), (0x201, 0x1fe));
    assert_eq!(bucket.cell(8).entry, Entry::new(mix64(8), 0, 8));
}

#[test]
fn guests_are_the_taken_cells_whose_tags_differ_from_the_group_in_the_lowest_bit() {
    for seed in 0..500 {
        let (bucket, _line) = bucket();
        let group = seed as u32 % 64;
        let tags = mix64(seed).to_le_bytes();
        for (cell, &tag) in tags.iter().enumerate() {
            // Every other cell stays empty in some buckets.
            let tag = if seed % 3 == 0 && cell % 2 == 0 { 0 } else { tag };
            bucket.set(cell, Cell { tag, ..Cell::EMPTY });
        }
        let expected = (0..BUCKET_CELLS).fold(0, |guests, cell| {
            let tag = bucket.cell(cell).tag;
            guests | u32::from(tag != 0 && is_guest(group, tag)) << cell
        });
        assert_eq!(bucket.guests(group), expected);
    }
}

#[test]
fn a_bucket_knows_the_next_bit_of_its_hashes_at_every_depth() {
    for seed in 0..500 {
        let hash_of = |handle: u32| mix64(seed << 8 | u64::from(handle));
        let (bucket, _line) = bucket();
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

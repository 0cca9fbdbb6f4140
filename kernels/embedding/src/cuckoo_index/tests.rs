use super::*;
use crate::mixing::mix64;

fn hash_of(handle: u32) -> u64 {
    mix64(u64::from(handle))
}

#[test]
fn an_index_grows_through_many_splits_and_loses_nothing() {
    let mut memory = Memory::new(1 << 30);
    let mut index = CuckooIndex::new(&mut memory).unwrap();
    const ENTRIES: u64 = 300_000;
    for id in 0..ENTRIES {
        assert_eq!(index.insert(&mut memory, mix64(id), id as u32, hash_of), Ok(()));
        // A load that was exceeded before any growth.
        if id == 600 {
            assert_eq!(index.cells(), 640);
        }
    }
    assert!(index.subtables.len() > 16 && index.depth >= 5);
    for id in 0..ENTRIES {
        assert!(index.find(mix64(id), |handle| u64::from(handle) == id).is_some());
        assert!(index.find(mix64(id + ENTRIES), |handle| u64::from(handle) >= ENTRIES).is_none());
    }
    let [in_first, in_other] = index.displacement();
    assert_eq!((in_first + in_other) as u64, ENTRIES);
    assert!(in_first as u64 > ENTRIES * 84 / 100);
    let load = ENTRIES as f64 / index.cells() as f64;
    assert!(load > 0.84, "{load}");
    let rows: u32 = index.subtables.iter().map(|subtable| subtable.rows).sum();
    assert_eq!(u64::from(rows), ENTRIES);
}

#[test]
fn a_removed_entry_is_gone_and_its_cell_is_free() {
    let mut memory = Memory::new(1 << 30);
    let mut index = CuckooIndex::new(&mut memory).unwrap();
    for round in 0..20_u64 {
        for id in 0..560 {
            let handle = (round * 1000 + id) as u32;
            index.insert(&mut memory, mix64(u64::from(handle)), handle, hash_of).unwrap();
        }
        for id in 0..560 {
            let (handle, hash) = (round * 1000 + id, mix64(round * 1000 + id));
            let position = index.find(hash, |other| u64::from(other) == handle).unwrap();
            index.remove(hash, position);
            assert!(index.find(hash, |other| u64::from(other) == handle).is_none());
        }
    }
    assert_eq!(index.cells(), 640);
}

#[test]
fn a_growth_that_cannot_help_is_not_tried_for_every_id() {
    let mut memory = Memory::new(1 << 26);
    let mut index = CuckooIndex::new(&mut memory).unwrap();
    // All hashes agree in the bit that tells the two halves of a subtable apart, so half of the
    // planes stay empty.
    let hash = |handle: u32| 0xABCDE << 44 | mix64(u64::from(handle)) >> 20;
    let mut refused = 0;
    for handle in 0..20_000 {
        refused += u32::from(index.insert(&mut memory, hash(handle), handle, hash).is_err());
    }
    let subtable = index.subtable_of(hash(0));
    assert!(subtable.growth_pause > 0);
    assert!(subtable.rows + refused == 20_000 && refused > 5000);
}

#[test]
fn ids_made_to_collide_are_refused_and_nothing_is_lost() {
    let mut memory = Memory::new(1 << 26);
    let mut index = CuckooIndex::new(&mut memory).unwrap();
    // The same tag, choice byte and group: all ids have the same two buckets.
    let hash = |handle: u32| 0x77_0000_0000 | u64::from(handle) << 14;
    let mut placed = 0;
    while index.insert(&mut memory, hash(placed), placed, hash).is_ok() {
        placed += 1;
        assert!(placed < 1000);
    }
    assert_eq!(placed, 20);
    for handle in 0..placed {
        assert!(index.find(hash(handle), |other| other == handle).is_some());
    }
}

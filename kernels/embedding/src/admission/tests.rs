use super::*;

#[test]
fn occurrences_add_up_to_the_greatest_threshold_and_stay_there() {
    let mut counter = AdmissionCounter::new(1000);
    assert_eq!(counter.add(u64::MAX, 3), 0);
    assert_eq!(counter.add(u64::MAX, 4), 3);
    assert_eq!(counter.add(u64::MAX, 70_000), 7);
    assert_eq!(counter.add(u64::MAX, 1), THRESHOLD_MAX);
    assert_eq!(counter.add(0, 1), 0);
}

#[test]
fn counts_of_recent_ids_are_exact_but_for_rare_shared_tags() {
    let mut counter = AdmissionCounter::new(100_000);
    let mut wrong = 0;
    for round in 0..5 {
        for id in 0..70_000_u64 {
            wrong += u32::from(counter.add(mix64(id), 1) != round);
        }
    }
    assert!(wrong < 5 * 70, "{wrong} of 350,000 counts differ");
}

#[test]
fn memory_is_bounded_and_old_ids_age_out_while_used_ones_stay() {
    let mut counter = AdmissionCounter::new(16_000);
    counter.add(1, 5);
    counter.add(2, 5);
    let mut used = 5;
    for id in 100..200_000_u64 {
        counter.add(id, 1);
        if id % 1000 == 0 {
            assert_eq!(counter.add(2, 1), used);
            used += 1;
        }
    }
    assert!(counter.add(1, 1) < 5, "forgotten");
    assert!(counter.bytes_max() <= 16_000 * 6, "{}", counter.bytes_max());
}

/// All saved lines of a snapshot that has begun; `between` runs before each few lines.
fn saved(
    counter: &mut AdmissionCounter,
    mut between: impl FnMut(&mut AdmissionCounter),
) -> Vec<u8> {
    let mut bytes = vec![];
    loop {
        between(counter);
        let lines_left = counter.saved_lines_left();
        match counter.next_saved_lines(9, &mut bytes) {
            Some(0) => break,
            Some(lines) => assert!(lines <= 9 && lines <= lines_left),
            None => panic!("failed"),
        }
    }
    counter.end_snapshot();
    bytes
}

#[test]
fn saved_counts_are_those_of_the_start_although_generations_are_emptied_meanwhile() {
    // A few hundred lines a generation: the number of ids covers nearly empty counters as well
    // as generations that were emptied several times during the snapshot.
    for (counted, between) in
        [(0_u64, 0_u64), (900, 3), (9000, 0), (9000, 7), (14_500, 40), (9000, 900)]
    {
        let mut counter = AdmissionCounter::new(15_000);
        let mut reference = AdmissionCounter::new(15_000);
        for id in 0..counted {
            counter.add(id, 1 + id as u32 % 7);
            reference.add(id, 1 + id as u32 % 7);
        }
        assert!(counter.begin_snapshot(false));
        let newest = counter.newest();
        let mut next = 0;
        let bytes = saved(&mut counter, |counter| {
            for _ in 0..between {
                // Ids with a count, whose lines change, and new ids.
                counter.add(mix64(next) % counted, 1);
                counter.add(1 << 40 | next, 1);
                next += 1;
            }
        });
        let mut restored = AdmissionCounter::new(15_000);
        restored.restore(newest, &bytes).expect("whole");
        for id in 0..20_000_u64 {
            assert_eq!(restored.add(id, 1), reference.add(id, 1), "{counted} {between} {id}");
        }
    }
}

#[test]
fn a_forgotten_id_begins_at_zero_and_others_keep_their_counts() {
    let mut counter = AdmissionCounter::new(15_000);
    let mut reference = AdmissionCounter::new(15_000);
    for id in 0..9000_u64 {
        counter.add(mix64(id), 1 + id as u32 % 7);
        reference.add(mix64(id), 1 + id as u32 % 7);
    }
    // A snapshot that began before has the earlier counts.
    assert!(counter.begin_snapshot(false));
    let newest = counter.newest();
    for id in (0..9000_u64).step_by(10) {
        counter.remove(mix64(id));
        counter.remove(mix64(1 << 40 | id));
    }
    let before = saved(&mut counter, |_| {});
    let mut restored = AdmissionCounter::new(15_000);
    restored.restore(newest, &before).expect("whole");
    assert!(counter.begin_snapshot(false));
    let after = saved(&mut counter, |_| {});
    let mut again = AdmissionCounter::new(15_000);
    again.restore(newest, &after).expect("whole");
    let mut differ = 0;
    for id in 0..9000_u64 {
        let expected = reference.add(mix64(id), 0);
        assert_eq!(restored.add(mix64(id), 0), expected, "{id}");
        let forgotten = counter.add(mix64(id), 0);
        assert_eq!(again.add(mix64(id), 0), forgotten, "{id}");
        // A rare shared tag is of both ids.
        let wanted = if id % 10 == 0 { 0 } else { expected };
        differ += u32::from(forgotten != wanted);
    }
    assert!(differ < 20, "{differ} of 9,000 differ");
}

#[test]
fn damaged_saved_lines_are_refused() {
    let mut counter = AdmissionCounter::new(5000);
    (0..900_u64).for_each(|id| _ = counter.add(id, 1));
    assert!(counter.begin_snapshot(false));
    let bytes = saved(&mut counter, |_| {});
    let mut other = AdmissionCounter::new(5000);
    assert!(other.restore(GENERATIONS, &bytes).is_err());
    assert!(other.restore(0, &bytes[..100]).is_err());
    for at in [0, 4 + 2] {
        let mut damaged = bytes.clone();
        damaged[at] = 9;
        assert!(other.restore(0, &damaged).is_err());
    }
    let mut full = vec![];
    for line in 0..other.lines as u32 {
        full.extend(0_u32.to_le_bytes());
        full.extend(line.to_le_bytes());
        full.extend([1; size_of::<Line>()]);
    }
    assert!(other.restore(0, &full).is_err());
    assert_eq!(other.add(7, 1), 0);
}

#[test]
fn the_fourth_occurrence_is_the_first_that_threshold_three_applies() {
    assert_eq!(admitted_share(0, 2, 3), 0.0);
    assert_eq!(admitted_share(2, 2, 3), 0.5);
    assert_eq!(admitted_share(4, 2, 3), 1.0);
    assert_eq!(admitted_share(0, 1, 0), 1.0);
    assert_eq!(admitted_share(3, 1, 3), 1.0);
    assert_eq!(admitted_share(0, 3, 3), 0.0);
}

#[test]
fn admission_by_probability_has_that_probability() {
    for (occurrences, expected) in [(1, 0.1), (5, 1.0 - 0.9_f64.powi(5))] {
        let admitted = (0..100_000_u64)
            .filter(|&id| admitted_by_chance(1, id, id / 3, occurrences, 0.1))
            .count() as f64;
        assert!((admitted / 100_000.0 - expected).abs() < 0.006);
    }
    assert!((0..1000).all(|id| admitted_by_chance(1, id, 0, 1, 1.0)));
    assert!(!(0..1000).any(|id| admitted_by_chance(1, id, 0, 1, 0.0)));
}

use super::*;
use crate::mixing::mix64;

#[test]
fn all_below_equals_its_scalar_form() {
    for limit in [f32::MIN_POSITIVE, 1.0, 1e15, f32::INFINITY] {
        let mut seen = [0; 2];
        for number in 0..20_000_u64 {
            let length = (number % 20) as usize;
            let mut values = vec![-limit.min(2.0) / 2.0; length];
            if length > 0 {
                let word = mix64(number);
                values[(word >> 40) as usize % length] = f32::from_bits(word as u32);
            }
            let below = all_below(limit, &values);
            assert_eq!(below, all_below_scalar(limit, &values), "{limit} {values:?}");
            seen[usize::from(below)] += 1;
        }
        assert!(seen.iter().all(|&times| times > 50), "{limit}: {seen:?}");
    }
}

//! Goal: every rule gives the published values, and each SIMD rule equals its scalar form. Method:
//! worked examples, and random slices of all lengths.

use super::elementwise::{apply_scalar, ElementwiseRule};
use super::*;

fn optimizer(learning_rate: f32, rule: Rule) -> Optimizer {
    Optimizer { learning_rate, weight_decay: 0.0, gradient_clip: f32::INFINITY, rule }
}

/// Weights, state and gradient of one row.
struct OneRow<'a>(&'a mut [f32], &'a mut [f32], &'a [f32]);

impl Steps for OneRow<'_> {
    fn for_each(&mut self, mut step: impl FnMut(&mut [f32], &mut [f32], &[f32])) {
        step(self.0, self.1, self.2);
    }
}

/// Weights after each of `steps` identical steps from zero.
fn learn(optimizer: Optimizer, gradient: &[f32], steps: usize) -> Vec<Vec<f32>> {
    learn_from(optimizer, &vec![0.0; gradient.len()], gradient, steps)
}

fn learn_from(
    optimizer: Optimizer,
    start: &[f32],
    gradient: &[f32],
    steps: usize,
) -> Vec<Vec<f32>> {
    let mut weights = start.to_vec();
    let mut state = vec![f32::NAN; optimizer.state_floats(gradient.len())];
    optimizer.initialize_state(gradient.len(), &mut state);
    (0..steps)
        .map(|_| {
            optimizer.apply(1.0, &mut OneRow(&mut weights, &mut state, gradient));
            weights.clone()
        })
        .collect()
}

#[track_caller]
fn assert_near(actual: &[f32], expected: &[f32]) {
    assert_eq!(actual.len(), expected.len());
    for (a, e) in actual.iter().zip(expected) {
        assert!((a - e).abs() <= 1e-6, "{actual:?} is not {expected:?}");
    }
}

#[test]
fn sgd_moves_against_the_gradient() {
    assert_near(&learn(optimizer(0.1, Rule::Sgd), &[1.0], 1)[0], &[-0.1]);
}

#[test]
fn adagrad_divides_by_the_root_of_summed_squares() {
    let rule = Rule::Adagrad { initial_accumulator: 1.0 };
    assert_near(&learn(optimizer(0.1, rule), &[1.0, 2.0], 1)[0], &[-0.070_710_67, -0.089_442_72]);
}

#[test]
fn two_slices_learn_at_their_own_rates() {
    let first = optimizer(1.0, Rule::Adagrad { initial_accumulator: 1.0 });
    let second = optimizer(2.0, Rule::Adagrad { initial_accumulator: 2.0 });
    assert_near(&learn(first, &[1.0], 1)[0], &[-0.707_106_77]);
    assert_near(&learn(second, &[2.0, 3.0], 1)[0], &[-1.632_993_1, -1.809_068_1]);
}

#[test]
fn adam_corrects_its_bias_per_row() {
    let rule = Rule::Adam { beta1: 0.9, beta2: 0.99, epsilon: 0.01, amsgrad: false };
    let steps = learn(optimizer(0.01, rule), &[10.0], 2);
    assert_near(&steps[0], &[-0.009_900_99]);
    assert_near(&steps[1], &[-0.019_830_6]);
}

#[test]
fn amsgrad_never_lets_its_denominator_shrink() {
    let rule = |amsgrad| Rule::Adam { beta1: 0.9, beta2: 0.5, epsilon: 0.01, amsgrad };
    let run = |amsgrad| {
        let optimizer = optimizer(0.01, rule(amsgrad));
        let mut weights = [0.0];
        let mut state = vec![0.0; optimizer.state_floats(1)];
        optimizer.initialize_state(1, &mut state);
        optimizer.apply(1.0, &mut OneRow(&mut weights, &mut state, &[10.0]));
        optimizer.apply(1.0, &mut OneRow(&mut weights, &mut state, &[0.1]));
        weights[0]
    };
    assert!(run(true) > run(false), "a kept maximum makes the second step shorter");
}

#[test]
fn ftrl_follows_its_regularized_leader() {
    let rule = Rule::Ftrl { beta: 0.0, initial_accumulator: 0.1, l1: 0.0, l2: 0.0 };
    let steps = learn(optimizer(0.01, rule), &[10.0], 2);
    assert_near(&steps[0], &[-0.009_995]);
    assert_near(&steps[1], &[-0.017_064_3]);
}

#[test]
fn ftrl_shrinks_by_l1_toward_zero_for_both_signs() {
    let rule = Rule::Ftrl { beta: 1.0, initial_accumulator: 0.1, l1: 4.0, l2: 0.5 };
    let up = learn(optimizer(0.01, rule), &[10.0, 3.0], 1)[0].clone();
    let down = learn(optimizer(0.01, rule), &[-10.0, -3.0], 1)[0].clone();
    let strength = (1.0 + 100.1_f32.sqrt()) / 0.01 + 0.5;
    assert_near(&up, &[-(10.0 - 4.0) / strength, 0.0]);
    assert_near(&down, &[(10.0 - 4.0) / strength, 0.0]);
}

#[test]
fn momentum_keeps_its_velocity() {
    let rule = Rule::Momentum { momentum: 0.9, nesterov: false };
    let steps = learn(optimizer(0.01, rule), &[10.0], 2);
    assert_near(&steps[0], &[-0.1]);
    assert_near(&steps[1], &[-0.29]);
}

#[test]
fn nesterov_looks_one_step_ahead() {
    let rule = Rule::Momentum { momentum: 0.9, nesterov: true };
    let steps = learn(optimizer(0.01, rule), &[10.0], 2);
    assert_near(&steps[0], &[-0.19]);
    assert_near(&steps[1], &[-0.19 - 0.01 * (10.0 + 0.9 * 19.0)]);
}

#[test]
fn rmsprop_averages_squares_and_version_two_sums_them() {
    let rule = |version| Rule::Rmsprop { momentum: 0.9, version };
    let steps = learn(optimizer(0.01, rule(RmspropVersion::V1)), &[10.0], 2);
    assert_near(&steps[0], &[-0.024_025]);
    assert_near(&steps[1], &[-0.042_686]);
    let second = &learn(optimizer(0.01, rule(RmspropVersion::V2)), &[10.0], 1)[0];
    assert_near(second, &[-0.1 / 11.0]);
}

#[test]
fn adadelta_scales_by_past_updates() {
    let rule = Rule::Adadelta { averaging_ratio: 0.9, epsilon: 0.01 };
    let step = 0.01_f64.sqrt() / 10.01_f64.sqrt() * 10.0;
    assert_near(&learn(optimizer(0.01, rule), &[10.0], 1)[0], &[(-0.01 * step) as f32]);
}

#[test]
fn group_adagrad_shrinks_the_row_by_its_norm() {
    let rule = Rule::GroupAdagrad { beta: 1.0, initial_accumulator: 0.0, l2: 1.0 };
    let steps = learn(optimizer(0.01, rule), &[10.0], 2);
    assert_near(&steps[0], &[-0.008_182]);
    assert_near(&steps[1], &[-0.014_125]);
}

#[test]
fn group_adagrad_sets_a_row_of_small_norm_to_zero() {
    let rule = Rule::GroupAdagrad { beta: 1.0, initial_accumulator: 0.0, l2: 6.0 };
    assert_eq!(learn(optimizer(0.01, rule), &[3.0, 4.0], 1)[0], [0.0, 0.0]);
}

#[test]
fn rowwise_adagrad_grows_one_accumulator_by_the_mean_square() {
    let rule = Rule::RowwiseAdagrad { initial_accumulator: 0.5 };
    let root = (0.5_f32 + 12.5).sqrt();
    assert_eq!(optimizer(0.1, rule).state_floats(64), 1);
    assert_near(&learn(optimizer(0.1, rule), &[3.0, 4.0], 1)[0], &[-0.3 / root, -0.4 / root]);
}

#[test]
fn gradients_are_clipped_before_weight_decay_is_added() {
    let decayed = Optimizer { weight_decay: 0.5, gradient_clip: 2.0, ..optimizer(0.1, Rule::Sgd) };
    let moved = &learn_from(decayed, &[1.0, 1.0, 1.0], &[10.0, -10.0, 1.0], 1)[0];
    assert_near(moved, &[1.0 - 0.25, 1.0 + 0.15, 1.0 - 0.15]);
}

fn every_rule() -> Vec<Rule> {
    let adam = |amsgrad| Rule::Adam { beta1: 0.9, beta2: 0.99, epsilon: 0.01, amsgrad };
    vec![
        Rule::Sgd,
        Rule::Momentum { momentum: 0.9, nesterov: false },
        Rule::Momentum { momentum: 0.9, nesterov: true },
        Rule::Adagrad { initial_accumulator: 0.0 },
        Rule::RowwiseAdagrad { initial_accumulator: 0.0 },
        Rule::Adadelta { averaging_ratio: 0.9, epsilon: 0.01 },
        adam(false),
        adam(true),
        Rule::Rmsprop { momentum: 0.9, version: RmspropVersion::V1 },
        Rule::Rmsprop { momentum: 0.9, version: RmspropVersion::V2 },
        Rule::Ftrl { beta: 0.0, initial_accumulator: 0.0, l1: 0.0, l2: 0.0 },
        Rule::GroupAdagrad { beta: 0.0, initial_accumulator: 0.0, l2: 0.1 },
    ]
}

#[test]
fn a_zero_gradient_on_fresh_state_moves_nothing_and_makes_no_nan() {
    for rule in every_rule() {
        assert_eq!(learn(optimizer(0.1, rule), &[0.0; 7], 2)[1], [0.0; 7], "{rule:?}");
    }
}

#[test]
fn a_learning_rate_of_zero_leaves_the_weights() {
    for rule in every_rule() {
        let optimizer = optimizer(0.1, rule);
        let mut weights = [0.25, -0.5, 0.125, 1.0, 2.0];
        let mut state = vec![0.0; optimizer.state_floats(5)];
        optimizer.initialize_state(5, &mut state);
        optimizer.apply(0.0, &mut OneRow(&mut weights, &mut state, &[1.0, 2.0, -3.0, 0.5, 0.0]));
        assert_eq!(weights, [0.25, -0.5, 0.125, 1.0, 2.0], "{rule:?}");
    }
}

fn assert_same_bits<const STATES: usize, R: ElementwiseRule<STATES>>(rule: R) {
    let preparation = Preparation { weight_decay: 0.01, clip: 1.5 };
    for dim in 0..68 {
        for start in 0..4 {
            let value = |i: usize| ((i * 7919 + 13) % 1009) as f32 / 251.0 - 2.0;
            let weights: Vec<f32> = (0..start + dim).map(value).collect();
            let state: Vec<f32> = (0..start + STATES * dim).map(|i| value(i + 500).abs()).collect();
            let gradient: Vec<f32> = (0..start + dim).map(|i| value(i + 77)).collect();
            let (mut a, mut b) = (weights.clone(), weights);
            let (mut s, mut t) = (state.clone(), state);
            let g = &gradient[start..];
            elementwise::apply(&rule, preparation, &mut a[start..], &mut s[start..], g);
            apply_scalar(&rule, preparation, &mut b[start..], &mut t[start..], g);
            let bits = |v: &[f32]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&a), bits(&b), "weights at dim {dim}, start {start}");
            assert_eq!(bits(&s), bits(&t), "state at dim {dim}, start {start}");
        }
    }
}

#[test]
fn vector_rules_equal_their_scalar_forms_to_the_bit() {
    assert_same_bits(sgd::Sgd { rate: 0.1 });
    assert_same_bits(momentum::Momentum { rate: 0.1, momentum: 0.9, nesterov: true });
    assert_same_bits(adagrad::Adagrad { rate: 0.1 });
    assert_same_bits(adadelta::Adadelta { rate: 0.1, averaging_ratio: 0.9, epsilon: 0.01 });
    assert_same_bits(rmsprop::Rmsprop::new(0.1, 0.9, RmspropVersion::V1));
    assert_same_bits(ftrl::Ftrl { rate: 0.1, beta: 1.0, l1: 0.3, l2: 0.2 });
}

#[test]
fn non_finite_gradients_are_seen_at_every_position() {
    for length in 1..20 {
        for position in 0..length {
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut values = vec![f32::MAX; length];
                assert!(all_finite(&values));
                values[position] = bad;
                assert!(!all_finite(&values));
            }
        }
    }
}

#[test]
fn every_accepted_gradient_leaves_its_row_finite_for_good() {
    let largest = f32::from_bits(GRADIENT_MAX.to_bits() - 1);
    for rule in every_rule() {
        let optimizer = optimizer(0.1, rule);
        for bad in [GRADIENT_MAX, 1e25, f32::MAX, f32::INFINITY, f32::NAN] {
            assert!(!optimizer.accepts(&[0.0, bad, 0.0, 0.0]) && !optimizer.accepts(&[-bad]));
        }
        assert!(optimizer.accepts(&[largest, -largest, 1.0, 0.0, largest]));
        let mut weights = [0.25, -0.5, 0.125, 1.0, 2.0];
        let mut state = vec![0.0; optimizer.state_floats(5)];
        optimizer.initialize_state(5, &mut state);
        for step in 0..2000 {
            let sign = if step % 3 == 0 { -1.0 } else { 1.0 };
            let gradient = if step < 1000 { sign * largest } else { sign };
            optimizer.apply(
                1.0,
                &mut OneRow(&mut weights, &mut state, &[gradient, 1.0, -gradient, 0.0, 1e9]),
            );
            assert!(all_finite(&weights) && all_finite(&state), "{rule:?} at step {step}");
        }
    }
}

#[test]
fn a_clipped_gradient_may_have_any_size() {
    let clipped = Optimizer { gradient_clip: 2.0, ..optimizer(0.1, Rule::Sgd) };
    assert!(clipped.accepts(&[f32::MAX, f32::MIN, 0.0, 1.0, 1e25]));
    assert!(!clipped.accepts(&[0.0, f32::NAN]) && !clipped.accepts(&[f32::INFINITY]));
}

#[test]
fn decoding_refuses_invalid_rules() {
    let adam = [5.0, 0.01, 0.0, f32::INFINITY, 0.9, 0.99, 0.01, 1.0];
    assert!(matches!(Optimizer::decode(&adam).unwrap().rule, Rule::Adam { amsgrad: true, .. }));
    let with = |word: usize, value: f32| {
        let mut words = adam;
        words[word] = value;
        Optimizer::decode(&words)
    };
    assert_eq!(with(0, 99.0), Err(OptimizerError::UnknownRule(99.0)));
    assert_eq!(with(1, 0.0), Err(OptimizerError::OutOfRange { word: 1, value: 0.0 }));
    assert_eq!(with(4, 1.0), Err(OptimizerError::OutOfRange { word: 4, value: 1.0 }));
    assert_eq!(with(2, f32::NAN), Err(OptimizerError::NotFinite { word: 2 }));
}

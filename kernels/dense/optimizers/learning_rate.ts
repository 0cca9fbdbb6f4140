/**
 * Learning rate schedules: a linear warm-up, then a decay.
 *
 * @see Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", 2017 (warm-up)
 */
export interface LearningRateSchedule {
  /** Steps over which the rate grows linearly from 0 to its full value. Default 0. */
  readonly warmupSteps?: number;
  readonly decay?:
    /**
     * `factor^(t / steps)`: for `factor` 0.5 the rate halves every `steps`.
     *
     * @see Senior et al., "An Empirical Study of Learning Rates in Deep Neural Networks for Speech
     *   Recognition", ICASSP 2013
     */
    | { readonly kind: "exponential"; readonly factor: number; readonly steps: number }
    /**
     * Falls linearly to `final` (a share of the full rate) over `steps`, then stays.
     *
     * @see Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers", NAACL 2019,
     *   appendix A.2
     */
    | { readonly kind: "linear"; readonly final: number; readonly steps: number }
    /**
     * Falls along half a cosine to `final` over `steps`, then stays.
     *
     * @see Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017
     */
    | { readonly kind: "cosine"; readonly final: number; readonly steps: number }
    /**
     * Falls with the root of the step: `√(steps / (steps + t))`.
     *
     * @see Vaswani et al., "Attention Is All You Need", NIPS 2017, section 5.3
     */
    | { readonly kind: "inverseSquareRoot"; readonly steps: number };
}

/** The learning rate of step `t` (the first is 1), given the full rate. */
export function learningRateAt(
  full: number,
  t: number,
  schedule: LearningRateSchedule = {},
): number {
  const { warmupSteps = 0, decay } = schedule;
  if (t <= warmupSteps) return full * t / warmupSteps;
  if (decay === undefined) return full;
  const after = t - warmupSteps;
  const progress = Math.min(1, after / decay.steps);
  switch (decay.kind) {
    case "exponential":
      return full * decay.factor ** (after / decay.steps);
    case "linear":
      return full * (1 - (1 - decay.final) * progress);
    case "cosine":
      return full * (decay.final + (1 - decay.final) * (1 + Math.cos(Math.PI * progress)) / 2);
    case "inverseSquareRoot":
      return full * Math.sqrt(decay.steps / (decay.steps + after));
    default:
      return decay satisfies never;
  }
}

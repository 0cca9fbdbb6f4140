/**
 * The optimizer of the dense weights: plain data, checked by the configuration.
 */
export type DenseOptimizerOptions =
  & {
    /** > 0 */
    readonly learningRate: number;
    /** Scales all gradients down so that their joint norm is at most this. Absent = never. */
    readonly gradientClipNorm?: number;
  }
  & (
    | { readonly kind: "sgd"; readonly weightDecay?: number }
    | {
      readonly kind: "momentum";
      /** In [0, 1); usually 0.9. */
      readonly momentum: number;
      readonly nesterov?: boolean;
      readonly weightDecay?: number;
    }
    | {
      readonly kind: "adagrad";
      /** First value of the sum of squared gradients. Default 0.1. */
      readonly initialAccumulator?: number;
      /** Default 1e-10. */
      readonly epsilon?: number;
      readonly weightDecay?: number;
    }
    | ({ readonly kind: "adam"; readonly weightDecay?: number } & AdamMoments)
    | ({
      readonly kind: "adamW";
      /** Default 0.01. */
      readonly weightDecay?: number;
    } & AdamMoments)
  );

export interface AdamMoments {
  /** Default 0.9. */
  readonly beta1?: number;
  /** Default 0.999. */
  readonly beta2?: number;
  /** Default 1e-8. */
  readonly epsilon?: number;
}

export type DenseOptimizerKind = DenseOptimizerOptions["kind"];
export type OptionsOf<Kind extends DenseOptimizerKind> = Extract<
  DenseOptimizerOptions,
  { kind: Kind }
>;

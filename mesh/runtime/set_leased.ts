/**
 * The message by which a host tells the actors that it was given whether its lease holds.
 *
 * Without a lease an actor stands still: another one may have its place soon. It still answers from
 * what it has.
 */
export interface SetLeased {
  readonly kind: "setLeased";
  readonly isLeased: boolean;
}

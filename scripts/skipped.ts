/** Exit code of a check that the machine does not allow; test runners read it as skipped. */
export const SKIPPED = 77;

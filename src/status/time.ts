/** @param milliseconds a duration, or a time since the epoch. @returns seconds, to the millisecond */
export function toSeconds(milliseconds: number): number {
  return Math.round(milliseconds) / 1000;
}

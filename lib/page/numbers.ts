/**
 * Numbers as people read them: on pages, and in plots that a browser draws.
 *
 * @module
 */

/** Between a number and its unit, and between thousands: no line ends there. */
const GAP = "\u202f";
const UNITS = [["T", 1e12], ["G", 1e9], ["M", 1e6], ["k", 1e3]] as const;

/** `1 234 567`. */
export function count(value: number): string {
  return Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, GAP);
}

/** `0`, `12`, `3.42 k`, `812 M`: three digits are enough to read. */
export function short(value: number): string {
  for (const [unit, size] of UNITS) {
    if (value < 0.9995 * size) continue;
    const part = value / size;
    return `${part.toFixed(part < 9.995 ? 2 : part < 99.95 ? 1 : 0)}${GAP}${unit}`;
  }
  return value > 0 && value < 9.95 && !Number.isInteger(value)
    ? value.toFixed(1)
    : Math.round(value).toString();
}

/** The same at an axis, where round numbers stand: `1.5 k`, `800 k`. */
export function tick(value: number): string {
  return short(value).replace(/\.0+(?=\D|$)/, "").replace(/(\.\d*?)0+(?=\D|$)/, "$1");
}

/** Bytes a second as bits: `1.20 Gbit/s`. */
export function bits(bytesPerSecond: number): string {
  const text = short(8 * bytesPerSecond);
  return text.includes(GAP) ? `${text}bit/s` : `${text}${GAP}bit/s`;
}

/** `12.3 %` of a share, 0 to 1. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)}${GAP}%`;
}

/** `12 s`, `4 min`, `3 h 20 min`, `9 d 4 h`. */
export function duration(seconds: number): string {
  const whole = Math.floor(seconds);
  const [minutes, hours, days] = [60, 3600, 86400].map((size) => Math.floor(whole / size));
  if (days) return `${days}${GAP}d ${(hours ?? 0) % 24}${GAP}h`;
  if (hours) return `${hours}${GAP}h ${(minutes ?? 0) % 60}${GAP}min`;
  return minutes ? `${minutes}${GAP}min` : `${whole}${GAP}s`;
}

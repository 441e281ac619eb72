/**
 * What happened lately: the events of the log, kept for whoever asks and handed to whoever follows.
 *
 * All of it is bounded. As many events are kept as {@linkcode EVENTS_MAX}; the next one takes the
 * place of the oldest of whichever port has most, so that a port that makes many, as a guest can,
 * costs the others' none. A follower that reads more slowly than events come loses the oldest of its
 * own, and is told how many.
 *
 * @module
 */
import { ControlError } from "../types.ts";
import type { LogFields, LogLevel } from "../log.ts";

/** Events that are kept. */
export const EVENTS_MAX = 1024;
/** Who may follow at once. Each has a connection, of which there are more for everybody else. */
export const FOLLOWERS_MAX = 16;
/** Events that wait for one follower. */
export const WAITING_MAX = 256;

/** Something that happened. */
export interface SwitchEvent {
  /** Stable, and larger than those before it; another switch's has another start. */
  readonly id: string;
  /** When. */
  readonly ts: string;
  /** How bad it is. */
  readonly level: LogLevel;
  /** `switch`, or `port NAME`. */
  readonly component: string;
  /** Name of the port that it is about, or null. */
  readonly port: string | null;
  /** Stable name of what happened. */
  readonly event: string;
  /** For people. */
  readonly msg: string;
  /** Further facts. */
  readonly fields: LogFields;
}

/** Which events somebody wants. */
export interface EventFilter {
  /** Of this port alone; null: of all, and of the switch. */
  readonly port: string | null;
  /** Of these names alone; empty: of all. */
  readonly types: readonly string[];
}

/** All events. */
export const ALL_EVENTS: EventFilter = { port: null, types: [] };

/** Whether a filter lets an event through. */
export function isWanted({ port, types }: EventFilter, event: SwitchEvent): boolean {
  return (port === null || event.port === port) &&
    (types.length === 0 || types.includes(event.event));
}

/** What a follower gets: events in order, and how many it lost before them. */
export interface Batch {
  /** In order. */
  readonly events: readonly SwitchEvent[];
  /** Events before these that it did not get; of one that came back: at most so many. */
  readonly lost: number;
}

interface Kept {
  readonly number: number;
  readonly event: SwitchEvent;
}

/** Somebody who follows. */
export class Follower {
  readonly #filter: EventFilter;
  readonly #ended: (follower: Follower) => void;
  #waiting: SwitchEvent[];
  #lost: number;
  #wake: (() => void) | null = null;
  #open = true;

  /** Open. @param waiting what it gets first @param ended called once, when it ends */
  constructor(
    filter: EventFilter,
    waiting: readonly SwitchEvent[],
    lost: number,
    ended: (follower: Follower) => void,
  ) {
    this.#filter = filter;
    this.#lost = lost;
    this.#ended = ended;
    this.#waiting = waiting.slice(-WAITING_MAX);
    this.#lost += waiting.length - this.#waiting.length;
  }

  /** Something happened. */
  add(event: SwitchEvent): void {
    if (!isWanted(this.#filter, event)) return;
    this.#waiting.push(event);
    if (this.#waiting.length > WAITING_MAX) {
      this.#waiting.shift();
      this.#lost++;
    }
    this.#wake?.();
  }

  /**
   * What came since; waits for something if there is nothing.
   * @param waitMs for so long @returns null: it has ended; nothing in it: nothing came
   */
  async next(waitMs: number): Promise<Batch | null> {
    if (this.#open && this.#waiting.length === 0 && this.#lost === 0) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        timer = setTimeout(resolve, waitMs);
      });
      clearTimeout(timer);
      this.#wake = null;
    }
    if (!this.#open) return null;
    const batch = { events: this.#waiting, lost: this.#lost };
    this.#waiting = [];
    this.#lost = 0;
    return batch;
  }

  /** It wants no more. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#ended(this);
    this.#wake?.();
  }
}

/** The events of a switch. Control thread only. */
export class EventStore {
  /** In front of all ids: numbers begin anew with each switch. */
  readonly #start: string;
  #kept: Kept[] = [];
  readonly #ofComponents = new Map<string, number>();
  readonly #followers = new Set<Follower>();
  #next = 1;

  /** Nothing has happened yet. @param start tells this switch from the one before it */
  constructor(start: string = Date.now().toString(36)) {
    this.#start = start;
  }

  /** Something happened. @returns it, as it is kept */
  add(
    level: LogLevel,
    component: string,
    event: string,
    msg: string,
    fields: LogFields = {},
    atMs: number = Date.now(),
  ): SwitchEvent {
    const number = this.#next++;
    const port = component.startsWith("port ") ? component.slice("port ".length) : null;
    const made: SwitchEvent = {
      id: `${this.#start}-${number}`,
      ts: new Date(atMs).toISOString(),
      ...{ level, component, port, event, msg, fields },
    };
    this.#kept.push({ number, event: made });
    this.#ofComponents.set(component, (this.#ofComponents.get(component) ?? 0) + 1);
    if (this.#kept.length > EVENTS_MAX) this.#evict();
    for (const follower of this.#followers) follower.add(made);
    return made;
  }

  /** The oldest of whoever has most goes. */
  #evict(): void {
    let [most, count] = ["", 0];
    for (const [component, its] of this.#ofComponents) {
      if (its > count) [most, count] = [component, its];
    }
    const at = this.#kept.findIndex(({ event }) => event.component === most);
    this.#kept.splice(at, 1);
    if (count === 1) this.#ofComponents.delete(most);
    else this.#ofComponents.set(most, count - 1);
  }

  /** Those that are kept, oldest first. @param last at most so many, the newest */
  list(filter: EventFilter = ALL_EVENTS, last: number = EVENTS_MAX): SwitchEvent[] {
    const wanted = this.#kept.map(({ event }) => event).filter((each) => isWanted(filter, each));
    return last === 0 ? [] : wanted.slice(-last);
  }

  /**
   * Follows from now on.
   * @param after an id: it had all up to that, and gets what came since; null: nothing before now
   * @param last without `after`: of those that are kept, the newest so many come first
   * @throws {ControlError} as many follow already as may
   */
  follow(filter: EventFilter, after: string | null, last = 0): Follower {
    if (this.#followers.size >= FOLLOWERS_MAX) {
      throw new ControlError(
        "conflict",
        `${FOLLOWERS_MAX} programs follow events already`,
        "end one of them: vuswitch events without --follow takes no place",
      );
    }
    const { events, lost } = after === null
      ? { events: this.list(filter, last), lost: 0 }
      : this.#since(filter, after);
    const follower = new Follower(filter, events, lost, (each) => this.#followers.delete(each));
    this.#followers.add(follower);
    return follower;
  }

  /** What came after an id; of another switch, or of none, all that there is. */
  #since(filter: EventFilter, after: string): Batch {
    const [, start, digits = ""] = /^([a-z0-9]{1,16})-(\d{1,15})$/.exec(after) ?? [];
    const known = start === this.#start;
    const last = known ? Math.min(Number(digits), this.#next - 1) : 0;
    const events = this.#kept.filter(({ number }) => number > last).map(({ event }) => event);
    const lost = known ? this.#next - 1 - last - events.length : 0;
    return { events: events.filter((event) => isWanted(filter, event)), lost };
  }

  /** How many follow. */
  get followers(): number {
    return this.#followers.size;
  }

  /** Nobody follows any more: the switch ends. */
  close(): void {
    for (const follower of [...this.#followers]) follower.close();
  }
}

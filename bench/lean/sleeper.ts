/**
 * The thread that eventfd_alone.ts wakes: it sleeps in epoll, and counts. Entry module of a Worker.
 *
 * @module
 */
import { Epoll, EPOLLET, EPOLLIN, setThreadCpus } from "../../ffi/mod.ts";
import { END, READY, type SleeperStart, WAKE_MS_MAX, WOKEN } from "./sleeper_words.ts";

function sleep({ fd, cpu, words: shared }: SleeperStart): void {
  const words = new Int32Array(shared);
  setThreadCpus([cpu]);
  const epoll = new Epoll(1);
  epoll.add(fd, EPOLLIN | EPOLLET, 0);
  Atomics.store(words, READY, 1);
  while (Atomics.load(words, END) === 0) {
    epoll.wait(WAKE_MS_MAX);
    Atomics.add(words, WOKEN, 1);
  }
  epoll.close();
}

declare const self: {
  onmessage: ((event: MessageEvent<SleeperStart>) => void) | null;
};

self.onmessage = (event) => sleep(event.data);

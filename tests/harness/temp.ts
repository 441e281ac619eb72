/**
 * Temporary folders that remove themselves.
 *
 * @module
 */

/** A private folder for sockets and files, removed when its scope ends. */
export class TempFolder implements Disposable {
  readonly path: string = Deno.makeTempDirSync({ prefix: "vut-" });

  /** A path inside the folder. */
  file(name: string): string {
    return `${this.path}/${name}`;
  }

  [Symbol.dispose](): void {
    try {
      Deno.removeSync(this.path, { recursive: true });
    } catch {
      // A process that is just ending may still write here; the system cleans /tmp.
    }
  }
}

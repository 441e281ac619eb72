/**
 * A copy of this host's files in which programs may be installed: what is written to it goes with
 * the mounts that it is made of. For root, in a mount namespace of its own.
 *
 * @module
 */

/** Lines of a shell that make it at `FOLDER/root`; FOLDER must be there, and empty. */
export function hostCopy(folder: string): string[] {
  return [
    `mount -t tmpfs none "${folder}"`,
    `mkdir "${folder}/upper" "${folder}/work" "${folder}/root"`,
    `mount -t overlay none -o "lowerdir=/,upperdir=${folder}/upper,workdir=${folder}/work" "${folder}/root"`,
    ...["proc", "sys", "dev"].map((name) => `mount --rbind /${name} "${folder}/root/${name}"`),
    `mount -t tmpfs none "${folder}/root/run"`,
  ];
}

/** Whether this process may make one. */
export function canCopyHost(): boolean {
  if (Deno.uid() !== 0) return false;
  const folder = Deno.makeTempDirSync();
  try {
    return new Deno.Command("unshare", {
      args: ["--mount", "sh", "-ec", hostCopy(folder).join("\n")],
      stderr: "null",
    }).outputSync().success;
  } catch {
    return false;
  } finally {
    Deno.removeSync(folder);
  }
}

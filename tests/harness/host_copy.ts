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
    // Whoever runs in it may have files in /tmp, of whatever file system.
    `mount --bind /tmp "${folder}/root/tmp"`,
    `mount -t tmpfs none "${folder}/root/run"`,
    // An overlay lies over no other one: images of containers have a file system of their own.
    `mkdir -p "${folder}/root/var/lib/containers"`,
    `mount -t tmpfs none "${folder}/root/var/lib/containers"`,
    // The index of all manuals takes long, each time that a package comes or goes.
    `rm -f "${folder}/root/var/lib/man-db/auto-update"`,
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

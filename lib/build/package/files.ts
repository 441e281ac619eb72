/**
 * The files of a package besides the binary: unit, user, folder, configuration, manual, completion.
 * Each is made by what makes it elsewhere.
 *
 * @module
 */
import { gzipSync } from "node:zlib";
import { completionScript } from "../../cli/completion.ts";
import { EXAMPLE_CONFIG } from "../../cli/man/config_page.ts";
import { manPage } from "../../cli/man/pages.ts";
import { MAN_PAGES, MAN_SECTIONS } from "../../cli/man_pages.ts";
import { emitSystemd } from "../../emit/systemd.ts";
import { VERSION } from "../../version.ts";

/** Where the binary is. */
export const BINARY = "/usr/bin/vuswitch";
/** What the service reads; dpkg keeps what is changed in it. */
export const CONFIG = "/etc/vuswitch.toml";
/** User and group of the service. */
const USER = "vuswitch";

/** A file that is written here, by its path: for everybody to read. */
export type PackageFiles = Readonly<Record<string, string | Uint8Array>>;

/** What a service without ports is told, and how it gets some. */
const CONFIG_TEXT = `# Configuration of the service vuswitch: man vuswitch.toml. A fault is told by
#   vuswitch run --config ${CONFIG}

[sockets]
# VMMs connect to /run/vuswitch/NAME.sock. Those of other users need a group that
# they and the user ${USER} are in:
#group = "kvm"
mode = "0660"

# A port for each machine, such as:
${
  EXAMPLE_CONFIG.slice(EXAMPLE_CONFIG.indexOf("[[port]]")).map((line) => line && `#${line}`).join(
    "\n",
  )
}
`;

/** What lintian finds that is meant so. */
const OVERRIDES = `# Deno's runtime brings its own.
vuswitch: embedded-library
`;

/** A day as Debian's changelogs write it. @param seconds since 1970 */
function changelogDate(seconds: number): string {
  return new Date(seconds * 1000).toUTCString().replace("GMT", "+0000");
}

/** The same bytes for the same text, whenever it is packed. */
function packed(text: string): Uint8Array {
  return new Uint8Array(gzipSync(text, { level: 9 }));
}

function copyright(licence: string): string {
  const lines = licence.trim().split("\n");
  return [
    "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/",
    "Upstream-Name: vuswitch",
    "Comment: The binary holds the Deno runtime (MIT, the Deno authors) and V8 (BSD-3-Clause,",
    " the V8 project authors), and the packages that deno.json names.",
    "",
    "Files: *",
    `Copyright: ${/Copyright \(c\) (.*)/.exec(licence)?.[1] ?? "the vuswitch authors"}`,
    "License: MIT",
    ...lines.map((line) => line.trim() === "" ? " ." : ` ${line}`),
    "",
  ].join("\n");
}

/** What is made of. */
export interface Made {
  /** Name and address of who answers for the package. */
  readonly maintainer: string;
  /** When it was made, seconds since 1970. */
  readonly epoch: number;
  /** The text of LICENSE. */
  readonly licence: string;
}

/** All of them. The same words give the same bytes. */
export function packageFiles({ maintainer, epoch, licence }: Made): PackageFiles {
  const { unit } = emitSystemd({ binary: BINARY, config: CONFIG, user: USER, tap: false });
  const changelog = `vuswitch (${VERSION}) unstable; urgency=medium

  * Version ${VERSION}.

 -- ${maintainer}  ${changelogDate(epoch)}
`;
  return {
    [CONFIG]: CONFIG_TEXT,
    "/usr/lib/systemd/system/vuswitch.service": `${unit.join("\n")}\n`,
    "/usr/lib/sysusers.d/vuswitch.conf":
      `u ${USER} - "Switch for virtual machines" /run/vuswitch /usr/sbin/nologin\n`,
    "/usr/lib/tmpfiles.d/vuswitch.conf": `d /run/vuswitch 0755 ${USER} ${USER} -\n`,
    "/usr/share/bash-completion/completions/vuswitch": completionScript("bash"),
    "/usr/share/zsh/vendor-completions/_vuswitch": completionScript("zsh"),
    "/usr/share/fish/vendor_completions.d/vuswitch.fish": completionScript("fish"),
    "/usr/share/lintian/overrides/vuswitch": OVERRIDES,
    "/usr/share/doc/vuswitch/copyright": copyright(licence),
    "/usr/share/doc/vuswitch/changelog.gz": packed(changelog),
    ...Object.fromEntries(MAN_PAGES.map((page) => {
      const section = MAN_SECTIONS[page];
      return [`/usr/share/man/man${section}/${page}.${section}.gz`, packed(manPage(page))];
    })),
  };
}

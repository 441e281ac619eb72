/**
 * What commands read besides their line: variables and files, for the manual.
 *
 * @module
 */

/** Variables, with what they mean, Markdown. */
export const ENVIRONMENT_ROWS: readonly (readonly [name: string, meaning: string])[] = [
  ["VSW_CTL", "the control socket where no `--ctl` is given"],
  ["VSW_TIMEOUT", "how long a command waits for a switch where no `--timeout` is given, seconds"],
  [
    "RUNTIME_DIRECTORY",
    "the folder of the control socket where nothing else names it; systemd sets it",
  ],
  [
    "XDG_RUNTIME_DIR",
    "the control socket is `vuswitch/ctl.sock` in it, for users other than root",
  ],
  ["NO_COLOR", "if it is there and not empty, tables on a terminal are not in colour"],
  ["TERM", "`dumb`: the same"],
  ["NOTIFY_SOCKET", "where `run` says when it serves and when it ends; systemd sets it"],
  ["WATCHDOG_USEC", "how often `run` says that its data plane goes on; systemd sets it"],
  ["NO_COLOR", "if it is not empty, `top` draws without colours"],
  ["TERM", "the kind of terminal: `top` needs one with a screen, not `dumb`"],
  ["LC_ALL", "`top` draws curves with blocks in a UTF-8 locale; so `LC_CTYPE` and `LANG`"],
  ["JOURNAL_STREAM", "the log is written as the journal reads it; systemd sets it"],
];

/** Files, with what they are, Markdown. */
export const FILE_ROWS: readonly (readonly [path: string, meaning: string])[] = [
  ["/etc/vuswitch.toml", "the configuration that the service reads"],
  ["/run/vuswitch/ctl.sock", "the control socket of root's switch, and of the service"],
  ["/run/vuswitch/NAME.sock", "the socket of a port that has no path of its own"],
];
